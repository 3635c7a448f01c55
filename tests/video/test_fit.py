"""What phones, cameras and screens deliver becomes what the model takes."""

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from luma_cli.api.models import LUMA
from luma_cli.errors import UsageError
from luma_cli.video import headers
from luma_cli.video.ffmpeg import Ffmpeg, find_ffmpeg
from luma_cli.video.fit import fitted, reasons
from luma_cli.video.media import Media, Track
from luma_cli.video.trim_range import Trim
from support.footage import clip, ffmpeg, frame_times

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
PICTURE = Track(0, "video", "h264", width=1920, height=1080, bit_depth=8, duration=5.0)


@pytest.fixture
def program() -> Ffmpeg:
    return find_ffmpeg(None)


def reasons_of(path: Path) -> tuple[str, ...]:
    return reasons(headers.probe_file(path), LUMA.limits, path.stat().st_size)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"width": 1080, "height": 1920}, None),
        ({"codec": "hevc"}, "its codec is hevc"),
        ({"bit_depth": 10}, "it has 10 bits a colour"),
        ({"hdr": "hlg", "bit_depth": 10}, "it is HDR (HLG)"),
        ({"is_variable_rate": True}, "its frame rate varies"),
        ({"is_upright": False}, "it is upright by its header only"),
        ({"width": 3840, "height": 2160}, "3840x2160 is more than 1080p"),
        ({"width": 1200, "height": 1200}, "1200x1200 is more than 1080p"),
        ({"width": 405, "height": 721}, "405x721 is an odd size"),
        ({"start_offset": 0.4}, "its picture begins 0.40 s late"),
    ],
)
def test_each_reason_is_said(change: dict[str, object], reason: str | None) -> None:
    media = Media("mp4", 5.0, (replace(PICTURE, **change),))  # type: ignore[arg-type]

    assert reasons(media, LUMA.limits, 10**6) == ((reason,) if reason else ())


def test_the_size_is_the_model_s_if_it_has_one() -> None:
    media, large = Media("mp4", 5.0, (replace(PICTURE, width=3840, height=2160),)), LUMA.limits._replace(max_side=4096)

    assert reasons(media, large, 10**6) == ()
    assert reasons(media, large._replace(max_side=2160), 10**6) == ("3840x2160 is more than 2160 pixels a side",)


def test_size_container_and_extra_tracks_are_reasons() -> None:
    sound = Track(1, "audio")
    media = Media("mkv", 5.0, (PICTURE, sound, Track(2, "timecode", "tmcd"), Track(3, "data", "gpmd")))

    assert reasons(media, LUMA.limits, 120 * 10**6) == (
        "it is mkv",
        "it has other tracks (timecode, data)",
        "it has 120 MB",
    )


def test_a_still_end_is_a_rate_that_varies() -> None:
    assert reasons_of(clip("still-end.mp4")) == ("its frame rate varies",)


@pytest.mark.parametrize(
    ("name", "rate", "frames", "size"),
    [
        ("hlg.mov", "30", 30, (320, 180)),
        ("portrait.mov", "30", 60, (180, 320)),
        ("still-end.mp4", "10", 40, (320, 180)),
        ("odd.webm", "25", 25, (404, 720)),
        ("timecode.mov", "30000/1001", 60, (320, 180)),
        ("mp3.avi", "25", 75, (320, 180)),
        ("stream.ts", "25", 50, (320, 180)),
    ],
)
def test_what_comes_out_fits_and_lasts_as_long(
    program: Ffmpeg, tmp_path: Path, name: str, rate: str, frames: int, size: tuple[int, int]
) -> None:
    before, target = clip(name).read_bytes(), tmp_path / "a.mp4"
    report = fitted(program, clip(name), LUMA.limits, target)

    assert reasons_of(target) == ()
    assert frame_times(target) == [number / Fraction(rate) for number in range(frames)]
    assert (report.rate, (report.width, report.height)) == (Fraction(rate), size)
    assert clip(name).read_bytes() == before


def test_hdr_is_tagged_as_what_it_has_become(program: Ffmpeg, tmp_path: Path) -> None:
    fitted(program, clip("pq.mp4"), LUMA.limits, tmp_path / "a.mp4")
    picture = headers.probe_file(tmp_path / "a.mp4").picture

    assert picture is not None
    assert (picture.codec, picture.bit_depth, picture.hdr) == ("h264", 8, None)


def test_hdr_that_this_ffmpeg_cannot_convert_is_refused(program: Ffmpeg, tmp_path: Path) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text(f'#!/bin/sh\ncase "$*" in *-filters*) exit 0;; esac\nexec {program.path} "$@"\n')
    script.chmod(0o755)
    with pytest.raises(UsageError, match=r"pq\.mp4 is HDR \(PQ\), and .* lacks the filters zscale and tonemap"):
        fitted(Ffmpeg(str(script)), clip("pq.mp4"), LUMA.limits, tmp_path / "a.mp4")


MAX = 600_000


def test_a_clip_that_is_too_large_gets_small_enough(program: Ffmpeg, tmp_path: Path) -> None:
    noisy = tmp_path / "noisy.mp4"
    ffmpeg("-f", "lavfi", "-i", "nullsrc=s=192x108:r=25:d=5,noise=alls=80:allf=t", "-c:v", "mpeg4", "-q:v", "1", noisy)
    limits = LUMA.limits._replace(max_upload_bytes=MAX)
    fitted(program, noisy, limits, tmp_path / "a.mp4")

    assert MAX / 3 < (tmp_path / "a.mp4").stat().st_size <= MAX


def test_a_trim_is_taken_in_the_same_encoding(program: Ffmpeg, tmp_path: Path) -> None:
    fitted(program, clip("portrait.mov"), LUMA.limits, tmp_path / "a.mp4", trim=Trim(0.5, 1.0))

    assert len(frame_times(tmp_path / "a.mp4")) == 15
