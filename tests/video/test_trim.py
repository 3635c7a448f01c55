"""`--trim`: a local clip is cut to what the service takes, where ffmpeg is there."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from luma_cli.errors import UsageError
from luma_cli.sandbox import Sandbox
from luma_cli.video import headers
from luma_cli.video.ffmpeg import find_ffmpeg
from luma_cli.video.trim import trimmed
from luma_cli.video.trim_range import Trim
from support.commands import CLIP, CLIP_URL, DATA, Result
from support.footage import clip, frame_times

Luma = Callable[..., Result]
PROMPT = "Heavy snow falls at night"
LONG = DATA / "tiny-12s.mp4"

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")

# What an ffmpeg of ours leaves to the real one: what it is asked before it encodes.
QUERIES = (
    f'case "$*" in *-encoders*|*muxer=*|*framecrc*|*"-f null"*|*"-v info"*) exec {shutil.which("ffmpeg")} "$@";; esac\n'
)


def seconds(path: Path) -> float:
    with path.open("rb") as file:
        found = headers.probe(lambda at, count: (file.seek(at), file.read(count))[1], path.stat().st_size).duration
    assert found is not None
    return found


@needs_ffmpeg
@pytest.mark.parametrize(
    ("words", "length"), [(("--trim",), 10.0), (("--trim", "3s"), 9.0), (("--trim=0",), 10.0)], ids=["", "3s", "=0"]
)
def test_a_long_clip_is_cut(luma: Luma, sandbox: Sandbox, words: tuple[str, ...], length: float) -> None:
    """`--trim` before another option has no value, and no value is 0."""
    code, out, _ = luma("modify", LONG, *words, "-p", PROMPT, "-o", "cut.mp4")

    assert (code, out) == (0, "cut.mp4\n")
    assert seconds(Path("cut.mp4")) == pytest.approx(length, abs=0.2)
    assert seconds(LONG) == pytest.approx(12, abs=0.1)


@needs_ffmpeg
def test_another_container_is_converted(luma: Luma, sandbox: Sandbox) -> None:
    assert luma("modify", DATA / "tiny.webm", "-p", PROMPT, "-o", "a.mp4", "--trim").code == 0
    assert headers.sniff(Path("a.mp4").read_bytes()[:4096]) == "mp4"


@needs_ffmpeg
def test_nothing_is_left_of_the_cut_clip(
    luma: Luma, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    luma("modify", LONG, "-p", PROMPT, "--trim")

    assert [path for path in folder.iterdir() if "trim" in path.name] == []


@pytest.mark.parametrize(("trim", "end"), [("0-10", 10), ("1-11", 11), ("0-9", 9)])
def test_a_part_that_the_clip_does_not_have_is_refused_whatever_its_length(
    luma: Luma, sandbox: Sandbox, trim: str, end: int
) -> None:
    code, _, err = luma("modify", CLIP, "-p", PROMPT, f"--trim={trim}")

    assert (code, sandbox.submissions()) == (2, [])
    assert f"it ends before {end} s" in err


@needs_ffmpeg
def test_the_automatic_key_goes_by_the_source_and_the_start(luma: Luma, sandbox: Sandbox) -> None:
    words = ("modify", LONG, "-p", PROMPT, "--idempotency-key", "auto")
    outs = [luma(*words, *trim).out for trim in (["--trim"], ["--trim", "0s"], ["--trim", "2s"])]

    assert outs[0] == outs[1] != outs[2]
    assert len(sandbox.submissions()) == 2


@needs_ffmpeg
def test_a_start_after_the_end_is_said(luma: Luma, sandbox: Sandbox) -> None:
    code, out, err = luma("modify", LONG, "-p", PROMPT, "--trim", "1m")

    assert (code, out, sandbox.submissions()) == (2, "", [])
    assert "luma: error: nothing is left after 60 s: it is 12.0 s long" in err


@needs_ffmpeg
def test_a_file_that_ffmpeg_cannot_read_is_said(luma: Luma, sandbox: Sandbox) -> None:
    Path("a.mp4").write_bytes(b"no video")
    code, _, err = luma("modify", "a.mp4", "-p", PROMPT, "--trim")

    assert (code, sandbox.submissions()) == (2, [])
    assert "luma: error: not MP4, MOV or AVI but text" in err


@needs_ffmpeg
@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"no video", "cannot trim a.mp4: it is text, not a video"),
        (b"\x1aE\xdf\xa3 no more", "ffmpeg cannot trim a.mp4: "),
    ],
)
def test_unchecked_it_is_said_too(luma: Luma, sandbox: Sandbox, content: bytes, error: str) -> None:
    Path("a.mp4").write_bytes(content)
    code, _, err = luma("modify", "a.mp4", "-p", PROMPT, "--trim", "--no-check")

    assert (code, sandbox.submissions()) == (2, [])
    assert f"luma: error: {error}" in err


@needs_ffmpeg
def test_a_clip_that_fits_is_not_encoded_anew(luma: Luma, sandbox: Sandbox) -> None:
    assert luma("modify", CLIP, "-p", PROMPT, "--trim", "-o", "a.mp4").code == 0
    assert Path("a.mp4").read_bytes() == CLIP.read_bytes()


@needs_ffmpeg
def test_a_clip_that_the_checks_let_pass_is_not_encoded_anew(luma: Luma, sandbox: Sandbox) -> None:
    """One cut to 10 s says 10.04: containers hold whole frames."""
    source = ["-f", "lavfi", "-i", "testsrc=size=64x36:rate=25", "-frames:v", "251", "long.mp4"]
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *source], check=True, timeout=60)

    assert seconds(Path("long.mp4")) == pytest.approx(10.04)
    assert luma("modify", "long.mp4", "-p", PROMPT, "--trim", "-o", "a.mp4").code == 0
    assert Path("a.mp4").read_bytes() == Path("long.mp4").read_bytes()


@needs_ffmpeg
def test_a_picture_of_odd_size_is_taken(luma: Luma, sandbox: Sandbox) -> None:
    """MP4's usual encoder refuses it."""
    source = ["-f", "lavfi", "-i", "testsrc=size=63x35:rate=5:duration=1", "-c:v", "libvpx"]
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *source, "odd.webm"], check=True, timeout=60)

    assert luma("modify", "odd.webm", "-p", PROMPT, "--trim").code == 0


@needs_ffmpeg
@pytest.mark.parametrize("words", [("--trim", LONG), (LONG, "--trim"), ("--trim=2s", LONG), ("--trim", "2", LONG)])
def test_the_start_may_be_left_out_anywhere(luma: Luma, sandbox: Sandbox, words: tuple[object, ...]) -> None:
    assert luma("modify", "-p", PROMPT, *words).code == 0
    assert len(sandbox.submissions()) == 1


@needs_ffmpeg
def test_a_clip_that_cannot_be_trimmed_does_not_cost_the_others(luma: Luma, sandbox: Sandbox, tmp_path: Path) -> None:
    Path("a.webm").write_bytes((DATA / "tiny.webm").read_bytes()[:60])
    code, out, err = luma("modify", "a.webm", LONG, "-p", PROMPT, "--trim")

    assert (code, out.count("\n"), len(sandbox.submissions())) == (9, 1, 1)
    assert "luma: a.webm: ffmpeg cannot trim a.webm" in err
    assert "uploaded tiny-12s.mp4" in err


@needs_ffmpeg
def test_a_playlist_that_poses_as_a_clip_makes_ffmpeg_fetch_nothing(luma: Luma, sandbox: Sandbox) -> None:
    secret = f"{sandbox.url}/files/secret"
    Path("a.mp4").write_text(f"#EXTM3U\n#EXTINF:10,\n{secret}\n")
    assert luma("modify", "a.mp4", "-p", PROMPT, "--trim").code == 2
    assert sandbox.requests == []


@needs_ffmpeg
@pytest.mark.parametrize("name", ["-y.mp4", "50%03d: a.mp4", "n" * 255], ids=["option", "pattern", "longest"])
def test_any_name_is_a_name(luma: Luma, sandbox: Sandbox, name: str) -> None:
    shutil.copy(LONG, name)
    assert luma("modify", "-p", PROMPT, "--trim", "0", "--", name).code == 0


def test_without_ffmpeg_it_is_said_before_anything_is_sent(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)  # nor is the extra installed
    code, out, err = luma("modify", LONG, "-p", PROMPT, "--trim")

    assert (code, out, sandbox.requests) == (2, "", [])
    assert "--trim needs ffmpeg" in err


def test_a_link_cannot_be_trimmed(luma: Luma, sandbox: Sandbox) -> None:
    assert luma("modify", CLIP_URL, "-p", PROMPT, "--trim", "0")[:2] == (2, "")


def test_a_terminal_shows_how_far_it_is(sandbox: Sandbox, tmp_path: Path) -> None:
    """An ffmpeg of ours says that it stands at 4 s until that has been seen."""
    fake = tmp_path / "bin" / "ffmpeg"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\n" + QUERIES + 'until [ -e "$PWD/seen" ]; do echo out_time_us=4000000; done\nexit 1\n')
    fake.chmod(0o755)
    environment = {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}", "COLUMNS": "100"}
    words = ["-m", "luma_cli", "modify", str(LONG), "-p", PROMPT, "--trim"]
    terminal = pexpect.spawn(sys.executable, words, env=environment, timeout=60, encoding="utf-8")
    terminal.expect("trim tiny-12s.mp4.*4 of 10 s")
    (tmp_path / "seen").touch()
    terminal.expect("ffmpeg cannot trim tiny-12s.mp4: it ended with status 1")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 2


@needs_ffmpeg
def test_ctrl_c_ends_ffmpeg_too(sandbox: Sandbox, tmp_path: Path) -> None:
    """An ffmpeg of ours that waits for ever keeps a pipe open, whose end is its own."""
    fake = tmp_path / "bin" / "ffmpeg"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\n" + QUERIES + 'exec 3> "$PWD/fifo"\necho started >&3\nexec sleep 600\n')
    fake.chmod(0o755)
    os.mkfifo(tmp_path / "fifo")
    environment = {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "luma_cli", "modify", str(LONG), "-p", PROMPT, "--trim"]
    with (
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process,
        (tmp_path / "fifo").open() as running,
    ):
        assert running.readline() == "started\n"
        process.terminate()
        assert running.read() == ""
        process.communicate()
    assert process.returncode == 143
    assert sandbox.requests == []


@pytest.mark.parametrize("start", ["1:75", "5s8"])
def test_a_start_that_is_not_a_time_is_reported_as_such_and_not_taken_for_a_clip(
    luma: Luma, sandbox: Sandbox, start: str
) -> None:
    code, out, err = luma("modify", "--trim", start, CLIP, "-p", "Heavy snow")

    assert (code, out, sandbox.requests) == (2, "", [])
    assert f"'{start}' is not a time to cut at" in err


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "trim", "frames"),
    [
        ("ntsc.mp4", Trim(0, 3.5), 104),  # 104.9 would be 3.5035 s
        ("cover.mp4", Trim(1), 90),
        ("portrait.mov", Trim(0.5, 1.5), 30),
        ("two-rates.mp4", Trim(0.5, 1.5), 50),
        ("long-sound.mp4", Trim(0.1), 47),
    ],
)
def test_the_cut_has_the_frames_that_it_should(tmp_path: Path, name: str, trim: Trim, frames: int) -> None:
    """Of the picture that plays: of one clip stream 0 is a cover."""
    path = trimmed(find_ffmpeg(None), clip(name), trim, 10, tmp_path / "cut.mp4")
    assert len(frame_times(path)) == frames
    assert headers.probe_file(path).duration == pytest.approx(seconds(path), abs=0.05)


@needs_ffmpeg
def test_a_cut_is_never_longer_than_the_model_takes(tmp_path: Path) -> None:
    """10 s at 29.97 fps are 299 frames: 300 would be 10.01 s."""
    path = trimmed(find_ffmpeg(None), clip("hour-like.mp4"), Trim(20), 10, tmp_path / "cut.mp4")
    assert len(frame_times(path)) == 299
    assert seconds(path) <= 10


@needs_ffmpeg
def test_an_end_beyond_the_clip_is_its_end(tmp_path: Path) -> None:
    source = clip("ntsc.mp4")
    assert trimmed(find_ffmpeg(None), source, Trim(0, 60), 10, tmp_path / "cut.mp4") == source


@needs_ffmpeg
def test_nothing_is_left_after_the_end(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing is left of ntsc\.mp4 after 5 s: it is 4\.0 s long"):
        trimmed(find_ffmpeg(None), clip("ntsc.mp4"), Trim(5), 10, tmp_path / "cut.mp4")
