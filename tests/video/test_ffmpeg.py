"""Finding ffmpeg, and running it on files that someone else made."""

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from luma_cli.errors import FileError, UsageError
from luma_cli.video.ffmpeg import Ffmpeg, Need, find_ffmpeg, first_reason, kind_of, read_from, run
from luma_cli.video.frames import look
from support.footage import FFMPEG, clip

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def lacking(path: Path, pattern: str) -> Path:
    """An ffmpeg that does not list what matches the pattern."""
    return program(path, f'"{FFMPEG}" "$@" | grep -v "{pattern}"')


def test_the_named_one_comes_first(tmp_path: Path) -> None:
    named = program(tmp_path / "mine", f'exec {FFMPEG} "$@"')

    assert find_ffmpeg(str(named), {Need.H264}).path == str(named)
    assert find_ffmpeg(None).path == FFMPEG


@pytest.mark.parametrize(("need", "pattern"), [(Need.H264, "264"), (Need.HDR, "zscale"), (Need.AAC, " aac ")])
def test_one_that_lacks_something_counts_as_none_for_it(tmp_path: Path, need: Need, pattern: str) -> None:
    named = lacking(tmp_path / "poor", pattern)

    assert find_ffmpeg(str(named), {need}).path == FFMPEG
    assert find_ffmpeg(str(named), set(Need) - {need}).path == str(named)


def test_what_is_missing_is_named_with_the_way_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    poor = lacking(tmp_path / "ffmpeg", "zscale")
    with pytest.raises(UsageError) as caught:
        find_ffmpeg(None, {Need.HDR, Need.H264}, option="--fit")

    assert caught.value.message == f"--fit needs another ffmpeg: {poor} lacks {Need.HDR.value}"
    assert "pip install 'kie-luma[ffmpeg]'" in str(caught.value.hint)


def test_no_ffmpeg_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UsageError, match="--split needs ffmpeg, which is not installed"):
        find_ffmpeg(None, option="--split")


def test_a_named_one_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UsageError, match="LUMA_FFMPEG is /nowhere/ffmpeg, which is not a program"):
        find_ffmpeg("/nowhere/ffmpeg")


def test_the_extra_is_taken_if_path_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    monkeypatch.setenv("PATH", "")
    found = find_ffmpeg(None, set(Need))

    assert found.path == bundled
    assert found.version


def test_one_that_does_not_run_has_nothing(tmp_path: Path) -> None:
    broken = Ffmpeg(str(program(tmp_path / "broken", "exit 1")))

    assert (broken.version, broken.lacks({Need.H264})) == (None, [Need.H264.value])


@pytest.mark.parametrize("name", ["-y.mp4", "a:b.mp4", "50%d.mp4", "new\nline.mp4", os.fsdecode(b"Caf\xe9.mp4")])
def test_every_name_is_a_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(clip("silent.mp4"), tmp_path / name)
    monkeypatch.chdir(tmp_path)

    assert look(find_ffmpeg(None), Path(name)).frame_count == 60


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def disguises(port: int, secret: Path) -> dict[str, bytes]:
    url = f"http://127.0.0.1:{port}/x"
    return {
        "playlist": f"#EXTM3U\n#EXTINF:10,\n{url}\n#EXTINF:10,\nfile://{secret}\n".encode(),
        "script": f"ffconcat version 1.0\nfile '{secret}'\nfile '{url}'\n".encode(),
        "subtitle": f"1\n00:00:00,000 --> 00:00:05,000\n<img src='{url}'>\n".encode(),
        "dash": f"<?xml version='1.0'?><MPD><BaseURL>{url}</BaseURL></MPD>".encode(),
    }


@pytest.mark.parametrize("disguise", ["playlist", "script", "subtitle", "dash"])
@pytest.mark.parametrize("kind", ["mp4", "avi", "mkv"])
def test_what_poses_as_a_clip_reads_no_file_and_asks_no_host(
    tmp_path: Path, listener: socket.socket, disguise: str, kind: str
) -> None:
    """Refused by its first bytes; and if they were mistaken for a clip's, by the demuxer that is named."""
    path = tmp_path / f"a.{kind}"
    path.write_bytes(disguises(listener.getsockname()[1], clip("silent.mp4"))[disguise])
    with pytest.raises(UsageError, match=f"cannot read a.{kind}: it is "):
        kind_of(path)
    with pytest.raises(FileError, match="ffmpeg cannot copy it: "):
        run(find_ffmpeg(None), [*read_from(path, kind), "-c", "copy", "-f", "null", "-"], "copy it")
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_failure_says_the_first_reason() -> None:
    text = "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x55e0] moov atom not found\nfile:a.mp4: Invalid data found\n"

    assert first_reason(text) == "moov atom not found"
    assert first_reason(" \n") == "no reason given"


@pytest.mark.parametrize("status", [1, 0])
def test_a_full_disk_is_an_error_of_the_disk(tmp_path: Path, status: int) -> None:
    """Whatever it ends with: 5.1 leaves half a file and ends with 0."""
    full = program(tmp_path / "full", f'echo "file:a.mp4: No space left on device" >&2; exit {status}')
    with pytest.raises(FileError, match="cannot copy it: no space left on device"):
        run(Ffmpeg(str(full)), [], "copy it", failure=UsageError)


def test_what_it_complains_about_after_its_last_output_is_read_to_the_end(tmp_path: Path) -> None:
    """Measured: when our end of its stderr was closed under its reader, the reason was lost, or a thread failed."""
    late = program(tmp_path / "late", "exec >&-; seq 20000 >&2; exit 1")
    with pytest.raises(FileError, match=r"ffmpeg cannot join a: 1$"):
        run(Ffmpeg(str(late)), [], "join a")
