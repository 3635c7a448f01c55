"""Pieces become one clip again, with each frame at its time and one sound over the whole."""

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from luma_cli.api.models import LUMA
from luma_cli.errors import FileError
from luma_cli.video.ffmpeg import Ffmpeg, find_ffmpeg
from luma_cli.video.frames import Footage, look
from luma_cli.video.join import join
from luma_cli.video.match import Goal, match
from luma_cli.video.sound import find_sound
from luma_cli.video.split import cut_piece, find_scenes, plan_cuts
from support.footage import FFMPEG, clip, ffmpeg, frame_times, heard

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


@pytest.fixture
def program() -> Ffmpeg:
    return find_ffmpeg(None)


def brought_back(program: Ffmpeg, footage: Footage, folder: Path, seconds: float) -> list[Path]:
    """Cut, edited by a model that gives 24 frames a second and another size, and brought back."""
    limits = LUMA.limits._replace(max_seconds=seconds, min_seconds=0.2)
    size = (footage.picture.width, footage.picture.height)
    paths = []
    for number, piece in enumerate(plan_cuts(footage.frame_count, footage.rate, limits, find_scenes(program, footage))):
        cut, result, path = (folder / f"{name}-{number}.mp4" for name in ("cut", "result", "back"))
        cut_piece(program, footage, piece, limits, cut)
        ffmpeg("-i", cut, "-vf", "fps=24,scale=128:72", "-c:v", "libx264", "-preset", "ultrafast", result)
        match(program, result, Goal(footage.rate, piece.count, size), path, is_joinable=True)
        paths.append(path)
    return paths


@pytest.mark.parametrize(
    ("name", "rate", "frames", "longest"),
    [("ntsc.mp4", "30000/1001", 120, 2.5), ("two-rates.mp4", "50", 100, 1)],
)
def test_frames_rate_and_times_are_the_source_s(
    program: Ffmpeg, tmp_path: Path, name: str, rate: str, frames: int, longest: float
) -> None:
    footage = look(program, clip(name))
    pieces = brought_back(program, footage, tmp_path, longest)
    sound = find_sound(program, clip(name))
    join(program, pieces, footage.rate, footage.frame_count, tmp_path / "a.mp4", sound=sound)

    assert len(pieces) > 1
    assert frame_times(tmp_path / "a.mp4") == [number / Fraction(rate) for number in range(frames)]
    assert look(program, tmp_path / "a.mp4").rate == Fraction(rate)
    if name == "ntsc.mp4":
        assert heard(tmp_path / "a.mp4") == heard(clip(name))


@pytest.mark.parametrize("rate", [Fraction(297, 10), Fraction(60000, 1001), Fraction(12)])
def test_any_rate_is_exact(program: Ffmpeg, tmp_path: Path, rate: Fraction) -> None:
    piece = tmp_path / "1.mp4"
    match(program, clip("result.mp4"), Goal(rate, 40, (128, 72)), piece, is_joinable=True)
    join(program, [piece, piece], rate, 80, tmp_path / "a.mp4", sound=find_sound(program, clip("late-sound.mp4")))

    assert frame_times(tmp_path / "a.mp4") == [number / rate for number in range(80)]


def test_a_frame_too_few_is_an_error(program: Ffmpeg, tmp_path: Path) -> None:
    match(program, clip("result.mp4"), Goal(Fraction(25), 40, (128, 72)), tmp_path / "1.mp4", is_joinable=True)
    with pytest.raises(FileError, match="the joined clip has 40 frames instead of 41"):
        join(program, [tmp_path / "1.mp4"], Fraction(25), 41, tmp_path / "a.mp4", sound=None)


def test_a_piece_that_is_damaged_is_an_error(program: Ffmpeg, tmp_path: Path) -> None:
    (tmp_path / "1.mp4").write_bytes(b"no video")
    with pytest.raises(FileError, match="ffmpeg cannot join the pieces: "):
        join(program, [tmp_path / "1.mp4"], Fraction(25), 41, tmp_path / "a.mp4", sound=None)


@pytest.mark.slow
def test_clicks_and_flashes_stay_together_over_a_minute(program: Ffmpeg, tmp_path: Path) -> None:
    """63.3 s at 29.97 fps: a flash and a click each second."""
    source = clip("hour-like.mp4")
    footage = look(program, source)
    pieces = brought_back(program, footage, tmp_path, 20)
    target = tmp_path / "a.mp4"
    join(program, pieces, footage.rate, footage.frame_count, target, sound=find_sound(program, source))
    times = frame_times(target)
    command = [FFMPEG, "-v", "error", "-i", target, "-vf", "scale=1:1,format=gray", "-f", "rawvideo", "-"]
    greys = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    flashes = [times[number] for number in range(1, len(greys)) if greys[number] > 150 >= greys[number - 1]]
    start, samples = heard(target)
    loud = [number for number, sample in enumerate(samples) if abs(sample) > 9000]
    clicks = [number for before, number in zip([-9999, *loud], loud, strict=False) if number - before > 4800]

    assert (len(times), len(greys), len(pieces)) == (1898, 1898, 4)
    assert len(flashes) == len(clicks) - 1 == 63  # the first stands at the very beginning
    for flash, click in zip(flashes, clicks[1:], strict=True):
        assert abs(flash - Fraction(start + click, 48000)) <= 1 / footage.rate + Fraction(1, 100)
