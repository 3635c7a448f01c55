"""Where a long clip is cut, and the pieces."""

import shutil
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.api.models import LUMA
from luma_cli.errors import UsageError
from luma_cli.video.encode import Range
from luma_cli.video.ffmpeg import Ffmpeg, find_ffmpeg
from luma_cli.video.frames import RATES, look
from luma_cli.video.split import cut_piece, find_scenes, plan_cuts
from support.footage import X264, clip, ffmpeg, frame_times, picture

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
NTSC = Fraction(30000, 1001)


@pytest.fixture
def program() -> Ffmpeg:
    return find_ffmpeg(None)


def lengths(pieces: tuple[Range, ...]) -> list[int]:
    return [piece.count for piece in pieces]


@pytest.mark.parametrize(
    ("count", "rate", "scenes", "expected"),
    [
        (299, NTSC, (), [299]),
        (300, NTSC, (), [270, 30]),  # the last one must not be shorter than a second
        (1898, NTSC, (), [299] * 6 + [104]),
        (250, 25, (), [250]),
        (251, 25, (), [226, 25]),
        (600, 25, (60, 180, 230, 240), [240, 250, 110]),
        (600, 25, (170, 175), [175, 250, 175]),
        (600, 25, (174,), [250, 250, 100]),  # 3 s are 75 frames
        (745, 25, (180, 240), [250, 250, 245]),  # a cut there would cost a piece more
        (745, 25, (180, 246, 495), [246, 249, 250]),
    ],
)
def test_the_fewest_pieces_cut_at_scenes(
    count: int, rate: Fraction | int, scenes: tuple[int, ...], expected: list[int]
) -> None:
    assert lengths(plan_cuts(count, Fraction(rate), LUMA.limits, scenes)) == expected


@given(st.integers(1, 5000), st.sampled_from(RATES), st.sets(st.integers(0, 5000)), st.sampled_from([5.0, 10.0, 15.0]))
def test_pieces_are_all_frames_and_no_length_is_left_out(
    count: int, rate: Fraction, scenes: set[int], longest: float
) -> None:
    limits = LUMA.limits._replace(max_seconds=longest)
    if count / rate < 1:
        return
    pieces = plan_cuts(count, rate, limits, scenes)

    assert sum(lengths(pieces)) == count
    assert [piece.first for piece in pieces] == [sum(lengths(pieces)[:number]) for number in range(len(pieces))]
    assert all(1 <= length / rate <= longest for length in lengths(pieces))
    assert len(pieces) == -(-count // int(longest * rate))


def test_lengths_that_cannot_be_had_are_an_error() -> None:
    with pytest.raises(UsageError, match=r"a clip of 5\.5 s cannot be cut into pieces of 3 to 5 s"):
        plan_cuts(55, Fraction(10), LUMA.limits._replace(min_seconds=3, max_seconds=5))


@needs_ffmpeg
def test_scenes_are_found_by_their_first_frames(program: Ffmpeg, tmp_path: Path) -> None:
    scenes = [
        "-f",
        "lavfi",
        "-i",
        "color=red:s=64x36:r=25:d=2[a];testsrc=s=64x36:r=25:d=1[b];color=blue:s=64x36:r=25:d=1[c];[a][b][c]concat=n=3",
    ]
    ffmpeg(*scenes, *X264, tmp_path / "a.mp4")

    assert find_scenes(program, look(program, tmp_path / "a.mp4")) == (50, 75)


def numbered(path: Path, rate: str, count: int, *codec: str) -> None:
    """Frames that show their number: a grey that rises by 4 with each of them, and begins anew after 50."""
    look = "geq=lum='20+4*mod(N\\,50)':cb=128:cr=128"
    source = ["-f", "lavfi", "-i", f"color=black:s=64x36:r={rate},{look}"]
    ffmpeg(*source, "-frames:v", count, *(codec or X264), path)


def numbers(path: Path) -> list[int]:
    out = ffmpeg(
        "-i", path, "-vf", "signalstats,metadata=mode=print:key=lavfi.signalstats.YAVG:file=-", "-f", "null", "-"
    )
    greys = [float(line.partition("=")[2]) for line in out.splitlines() if line.startswith("lavfi")]
    return [round((grey - 20) / 4) for grey in greys]


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "rate", "codec"),
    [
        ("a.mp4", "30000/1001", (*X264, "-bf", "3", "-g", "40")),
        ("a.ts", "25", (*X264, "-bf", "2", "-g", "40")),
        ("a.avi", "25", ("-c:v", "mpeg4", "-q:v", "2")),
    ],
)
def test_a_piece_has_exactly_its_frames(
    program: Ffmpeg, tmp_path: Path, name: str, rate: str, codec: tuple[str, ...]
) -> None:
    numbered(tmp_path / name, rate, 150, *codec)
    footage = look(program, tmp_path / name)
    assert footage.frame_count == 150
    for first, count in ((0, 60), (60, 65), (125, 25)):
        cut_piece(program, footage, Range(first, count), LUMA.limits, tmp_path / "piece.mp4")

        assert numbers(tmp_path / "piece.mp4") == [number % 50 for number in range(first, first + count)]
        assert frame_times(tmp_path / "piece.mp4") == [number / Fraction(rate) for number in range(count)]


@needs_ffmpeg
def test_a_variable_rate_is_cut_as_its_constant_version(program: Ffmpeg, tmp_path: Path) -> None:
    footage = look(program, clip("two-rates.mp4"))
    cut_piece(program, footage, Range(40, 60), LUMA.limits, tmp_path / "a.mp4")

    assert frame_times(tmp_path / "a.mp4") == [Fraction(number, 50) for number in range(60)]


@needs_ffmpeg
def test_a_large_picture_becomes_one_that_the_model_takes(program: Ffmpeg, tmp_path: Path) -> None:
    ffmpeg(*picture("5", 1, "2160x3840"), *X264, tmp_path / "a.mp4")
    footage = look(program, tmp_path / "a.mp4")
    cut_piece(program, footage, Range(0, 5), LUMA.limits, tmp_path / "piece.mp4")
    found = look(program, tmp_path / "piece.mp4").picture

    assert (found.width, found.height) == (1080, 1920)
