"""From the result to a finished clip: sound, frames, and what happens if they cannot be had."""

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from luma_cli.sandbox import Sandbox
from luma_cli.video import headers
from support import footage
from support.commands import Result

Luma = Callable[..., Result]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(footage.clip("fifty.mp4").read_bytes())
    return path


def samples(path: Path) -> list[int]:
    """What is heard; nothing if there is no track."""
    has_track = any(track.kind == "audio" for track in headers.probe_file(path).tracks)
    return list(footage.heard(path)[1]) if has_track else []


def edit(luma: Luma, *words: object) -> Result:
    return luma("modify", "clip.mp4", "-p", "Snow falls", *words)


def test_a_silent_result_gets_the_very_sound_of_its_source(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    code, out, err = edit(luma, "-o", "out.mp4")

    assert (code, out) == (0, "out.mp4\n"), err
    assert samples(Path("out.mp4")) == samples(clip)
    assert "warning" not in err


def test_the_journal_keeps_what_was_delivered_and_what_was_saved(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    file = json.loads(edit(luma, "-o", "out.mp4", "--json").out)["files"][0]
    again = json.loads(luma("download", "@last", "-o", "raw.mp4", "--as-delivered", "--json").out)["files"]

    assert file["sha256"] != file["deliveredSha256"]
    raw = next(one for one in again if one["path"].endswith("raw.mp4"))
    assert raw["sha256"] == raw["deliveredSha256"] == file["deliveredSha256"]


def test_what_is_saved_later_is_finished_too(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    edit(luma)

    assert luma("wait", "@last", "-o", "waited.mp4").code == 0
    clip.unlink()  # the uploaded link still lives
    assert luma("download", "@last", "-o", "fetched.mp4").code == 0
    for name in ("waited.mp4", "fetched.mp4"):
        assert samples(Path(name))


def test_a_result_with_sound_or_of_a_silent_source_starts_no_ffmpeg(
    luma: Luma, sandbox: Sandbox, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_FFMPEG", str(broken_ffmpeg(tmp_path)))

    code, _, err = edit(luma, "-o", "out.mp4")

    assert code == 0
    assert Path("out.mp4").read_bytes() == clip.read_bytes()
    assert "warning" not in err
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("death", ["exit 1", "kill -KILL $$", "kill -TERM $$"])
def test_a_failing_ffmpeg_never_costs_the_delivered_file(
    luma: Luma, realistic: Sandbox, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, death: str
) -> None:
    monkeypatch.setenv("LUMA_FFMPEG", str(broken_ffmpeg(tmp_path, death)))

    code, out, err = edit(luma, "-o", "out.mp4")

    assert (code, out) == (0, "out.mp4\n")
    assert "warning: out.mp4 is saved without the sound of its source" in err
    assert "luma download" in err
    assert Path("out.mp4").stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def broken_ffmpeg(folder: Path, death: str = "exit 1") -> Path:
    """An ffmpeg that says that it can do everything, and does nothing."""
    path = folder / "ffmpeg"
    path.write_text(
        f"#!/bin/sh\ntouch {folder}/started\n"
        'case "$*" in *-encoders*) echo " A..... aac  AAC"; exit 0;; *muxer*) echo movie_timescale; exit 0;; esac\n'
        f"echo broken >&2\n{death}\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def no_ffmpeg(realistic: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on PATH nor as the extra; the sandbox has found its own before."""
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)


@pytest.mark.usefixtures("no_ffmpeg")
def test_without_ffmpeg_it_warns_once_and_works_as_before(luma: Luma, clip: Path) -> None:
    code, out, err = luma("modify", "clip.mp4", "clip.mp4", "-p", "Snow falls", "-o", "out/")

    assert code == 0
    assert len(out.splitlines()) == 2
    assert err.count("warning") == 1
    assert "pip install 'kie-luma[ffmpeg]'" in err


@pytest.mark.usefixtures("no_ffmpeg")
@pytest.mark.parametrize("option", [["--match"], ["--audio", "clip.mp4"], ["--fit"], ["--split"]])
def test_without_ffmpeg_what_needs_it_is_refused_before_anything_is_sent(
    luma: Luma, realistic: Sandbox, clip: Path, option: list[str]
) -> None:
    code, _, err = edit(luma, "-o", "out.mp4", *option)

    assert code == 2
    assert "pip install 'kie-luma[ffmpeg]'" in err
    assert not realistic.requests


def test_a_source_that_has_changed_lends_no_sound(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    edit(luma)
    clip.write_bytes(footage.clip("short-sound.mp4").read_bytes())
    realistic.scenario = "ok"

    luma("wait", "@last", "-o", "out.mp4")

    assert len(samples(Path("out.mp4"))) == len(samples(footage.clip("fifty.mp4")))


def test_another_sound_or_none_if_that_is_asked_for(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    edit(luma, "-o", "none.mp4", "--audio", "none")
    luma("download", "@last", "-o", "song.mp4", "--audio", footage.clip("song.wav"))

    assert samples(Path("none.mp4")) == []
    assert samples(Path("song.mp4"))


@pytest.mark.parametrize("name", ["missing.wav", "notes.txt", "silent.mp4", ""])
def test_what_is_not_a_sound_is_refused(luma: Luma, realistic: Sandbox, clip: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("la la la\n")
    (tmp_path / "silent.mp4").write_bytes(footage.clip("silent.mp4").read_bytes())

    assert edit(luma, "-o", "out.mp4", "--audio", name).code == 2
    assert not realistic.requests


def test_match_gives_the_frames_of_the_source(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    assert edit(luma, "-o", "out.mp4", "--match").code == 0

    assert footage.frame_times(Path("out.mp4")) == footage.frame_times(clip)
    assert samples(Path("out.mp4")) == samples(clip)


def test_as_delivered_contradicts_what_changes_the_file(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    assert edit(luma, "-o", "out.mp4", "--as-delivered", "--match").code == 2
    assert not realistic.requests


def test_stdout_gets_a_finished_clip(luma: Luma, realistic: Sandbox, clip: Path, run: Callable[..., Result]) -> None:
    edit(luma)

    code, out, _ = luma("wait", "@last", "-o", "-")

    assert code == 0
    assert "mp4a" in out


def test_a_saved_file_is_finished_again_only_with_force(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    edit(luma, "-o", "out.mp4", "--as-delivered")
    luma("download", "@last", "-o", "out.mp4")
    before = samples(Path("out.mp4"))
    luma("download", "@last", "-o", "out.mp4", "-f")
    after = samples(Path("out.mp4"))
    luma("wait", "@last", "-o", "out.mp4", "-f", "--audio", "none")

    assert before == []
    assert after == samples(clip)
    assert samples(Path("out.mp4")) == []
