"""What ffmpeg sees in clips of every make."""

import shutil
from array import array
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.video.ffmpeg import Ffmpeg, find_ffmpeg
from luma_cli.video.frames import RATES, Footage, Stream, Timeline, look
from support.footage import clip

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


@pytest.fixture
def ffmpeg() -> Ffmpeg:
    return find_ffmpeg(None)


@pytest.mark.parametrize(
    ("name", "rate", "frames"),
    [
        ("ntsc.mp4", "30000/1001", 120),
        ("film.mov", "24000/1001", 72),
        ("fifty.mp4", "50", 100),
        ("mp3.avi", "25", 75),
        ("stream.ts", "25", 50),
        ("opus.mkv", "30000/1001", 60),
        ("cover.mp4", "30000/1001", 120),
        ("fragments.mp4", "30", 60),
    ],
)
def test_the_rate_is_exact_and_the_frames_are_counted(ffmpeg: Ffmpeg, name: str, rate: str, frames: int) -> None:
    found = look(ffmpeg, clip(name))

    assert (found.rate, found.frame_count, found.is_variable) == (Fraction(rate), frames, False)


def test_two_rates_joined_become_the_faster_one(ffmpeg: Ffmpeg) -> None:
    found = look(ffmpeg, clip("two-rates.mp4"))

    assert (found.is_variable, found.rate, found.frame_count) == (True, 50, 100)


@pytest.mark.parametrize(
    ("fast", "slow"), [(60, 30), (Fraction(60000, 1001), Fraction(30000, 1001)), (50, 25), (30, 10)]
)
def test_the_rate_is_one_whose_frames_begin_where_those_of_the_clip_do(fast: Fraction, slow: Fraction) -> None:
    """59.94 would lose nothing of a short clip of 60, and shift its frames."""
    ticks = [round(number / fast * 90_000) for number in range(30)]
    ticks += [ticks[-1] + round(number / slow * 90_000) for number in range(1, 30)]
    picture = Stream(0, "video", "h264", is_default=True, is_cover=False)
    timeline = Timeline(Fraction(1, 90_000), array("q", ticks), 3000, 0)

    assert Footage(Path("a.mp4"), "mp4", (picture,), picture, timeline, 2.0).rate == fast


def test_a_still_end_lasts_as_long_as_it_did(ffmpeg: Ffmpeg) -> None:
    found = look(ffmpeg, clip("still-end.mp4"))

    assert found.frame_count / found.rate == 4


def test_a_phone_s_clip_is_as_it_is_seen(ffmpeg: Ffmpeg) -> None:
    picture = look(ffmpeg, clip("portrait.mov")).picture

    assert (picture.width, picture.height) == (180, 320)


@pytest.mark.parametrize(("name", "hdr"), [("pq.mp4", "pq"), ("hlg.mov", "hlg"), ("silent.mp4", None)])
def test_hdr_is_seen(ffmpeg: Ffmpeg, name: str, hdr: str | None) -> None:
    assert look(ffmpeg, clip(name)).picture.hdr == hdr


@given(
    st.sampled_from([rate for rate in RATES if rate <= 60]),
    st.sampled_from([1000, 90_000, 12_800]),
    st.integers(130, 600),
    st.integers(0, 10**6),
)
def test_a_clock_s_rounding_is_not_a_variable_rate(rate: Fraction, ticks: int, count: int, start: int) -> None:
    times = array("q", [start + round(number * ticks / rate) for number in range(count)])
    timeline = Timeline(Fraction(1, ticks), times, round(ticks / rate), start)

    assert timeline.constant_rate == rate


@given(st.lists(st.integers(20, 400), min_size=3, max_size=60))
def test_a_rate_that_keeps_all_gives_each_frame_a_time_of_its_own(gaps: list[int]) -> None:
    times = array("q", [sum(gaps[:number]) for number in range(len(gaps))])
    timeline = Timeline(Fraction(1, 1000), times, gaps[-1], 0)

    assert timeline.keeps_all(Fraction(60))
    assert not timeline.keeps_all(Fraction(1, 1000))
