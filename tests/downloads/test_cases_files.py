"""Results and their files: what went wrong once, through the command that a user types."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, Result

Luma = Callable[..., Result]
SUBMIT = ("modify", CLIP_URL, "-p", "Heavy snow", "--no-check")
SOMEBODY = 54321
needs_root = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs the right to give files away")


# --- B6: a part file that is not ours ---


@needs_root
@pytest.mark.parametrize("name", ["a.mp4.part", "a.mp4.part.json"])
def test_a_part_file_of_another_user_is_refused_and_named(sandbox: Sandbox, luma: Luma, name: str) -> None:
    task_id = luma(*SUBMIT).out.strip()
    Path(name).write_bytes(b"planted")
    os.chown(name, SOMEBODY, SOMEBODY)
    done = luma("download", task_id, "-o", "a.mp4")
    assert (done.code, Path("a.mp4").exists()) == (11, False), done.err
    assert "belongs to another user" in done.err
    assert luma("download", task_id, "-o", "b.mp4").code == 0


def test_what_others_may_write_to_is_not_trusted(sandbox: Sandbox, luma: Luma) -> None:
    task_id = luma(*SUBMIT).out.strip()
    for name in ("a.mp4.part", "a.mp4.part.json"):
        Path(name).write_bytes(b"planted")
        Path(name).chmod(0o666)
    done = luma("download", task_id, "-o", "a.mp4")
    assert done.code == 11 or b"planted" not in Path("a.mp4").read_bytes(), done.err


def test_a_part_file_with_a_second_name_is_refused(sandbox: Sandbox, luma: Luma) -> None:
    task_id = luma(*SUBMIT).out.strip()
    Path("precious.txt").write_bytes(b"precious")
    os.link("precious.txt", "a.mp4.part")
    done = luma("download", task_id, "-o", "a.mp4")
    assert (done.code, Path("precious.txt").read_bytes()) == (11, b"precious"), done.err


# --- B7: bytes behind the last box ---


@pytest.mark.parametrize("trailer", [bytes(4), b"SEFH\x6b\0\0\0SEFT", b"\xff" * 100, b"x"])
def test_a_result_with_bytes_behind_its_last_box_is_saved_with_a_warning(
    sandbox: Sandbox, luma: Luma, trailer: bytes
) -> None:
    Path("clip.mp4").write_bytes(CLIP.read_bytes() + trailer)
    done = luma("modify", "clip.mp4", "-p", "Heavy snow", "--no-check", "-o", "a.mp4", "--audio", "none")
    assert (done.code, Path("a.mp4").read_bytes()) == (0, Path("clip.mp4").read_bytes()), done.err
    assert "warning" in done.err


# --- B8: file systems that cannot ---


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS])
def test_a_file_system_without_links_has_the_file_renamed(
    sandbox: Sandbox, luma: Luma, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "link", refusal(number))
    done = luma(*SUBMIT, "-o", "a.mp4")
    assert (done.code, len(list(Path().glob("a.mp4*")))) == (0, 1), done.err


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.ENOTTY])
def test_a_file_system_without_fsync_has_the_file_saved(
    sandbox: Sandbox, luma: Luma, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    task_id = luma(*SUBMIT).out.strip()
    monkeypatch.setattr(os, "fsync", refusal(number))
    done = luma("download", task_id, "-o", "a.mp4")
    assert (done.code, Path("a.mp4").is_file()) == (0, True), done.err
    assert done.err.count("warning") <= 1


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_fails_at_the_sync_is_an_error_and_no_file(
    sandbox: Sandbox, luma: Luma, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    task_id = luma(*SUBMIT).out.strip()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refusal(number))
        done = luma("download", task_id, "-o", "a.mp4", "--json")
    assert (done.code, Path("a.mp4").exists()) == (11, False), done.err
    assert json.loads(done.err.splitlines()[-1])["error"]["hint"]
    assert luma("download", task_id, "-o", "a.mp4").code == 0


def refusal(number: int) -> Callable[..., None]:
    def call(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return call
