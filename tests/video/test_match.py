"""A result is brought back to its source's rate, frame count and size."""

import shutil
from fractions import Fraction
from pathlib import Path

import pytest

from luma_cli.video.ffmpeg import Ffmpeg, find_ffmpeg
from luma_cli.video.frames import look
from luma_cli.video.match import Goal, goal_of, match
from luma_cli.video.trim_range import Trim
from support.footage import clip, frame_times

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


@pytest.fixture
def program() -> Ffmpeg:
    return find_ffmpeg(None)


@pytest.mark.parametrize(
    ("name", "goal"),
    [
        ("ntsc.mp4", Goal(Fraction(30000, 1001), 120, (320, 180))),
        ("film.mov", Goal(Fraction(24000, 1001), 72, (320, 180))),
        ("portrait.mov", Goal(Fraction(30), 60, (180, 320))),
        ("odd.webm", Goal(Fraction(25), 25, (404, 720))),
        ("two-rates.mp4", Goal(Fraction(75, 2), 75, (320, 180), is_average=True)),
        ("still-end.mp4", Goal(Fraction(10), 40, (320, 180), is_average=True)),
    ],
)
def test_a_source_s_rate_count_and_size_are_the_goal(program: Ffmpeg, name: str, goal: Goal) -> None:
    assert goal_of(look(program, clip(name))) == goal


def test_of_a_trimmed_source_it_is_the_part(program: Ffmpeg) -> None:
    goal = goal_of(look(program, clip("ntsc.mp4")), Trim(1.0, 2.0), 10)

    assert (goal.rate, goal.frame_count) == (Fraction(30000, 1001), 29)


@pytest.mark.parametrize(("count", "held"), [(120, 0), (140, 13)])
def test_each_frame_has_its_time_and_the_last_is_held(program: Ffmpeg, tmp_path: Path, count: int, held: int) -> None:
    """The result has 4.25 s at 24 fps and B-frames."""
    rate = Fraction(30000, 1001)
    found_held = match(program, clip("result.mp4"), Goal(rate, count, (180, 320)), tmp_path / "a.mp4")
    found = look(program, tmp_path / "a.mp4")

    assert frame_times(tmp_path / "a.mp4") == [number / rate for number in range(count)]
    assert (found.picture.width, found.picture.height) == (180, 320)
    assert found_held == held
