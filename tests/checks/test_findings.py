"""Local clips as phones, cameras and other people deliver them, made with ffmpeg."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from luma_cli.api.models import LUMA, Limits
from luma_cli.checks.clips import check_file
from luma_cli.errors import Finding
from luma_cli.video.trim_range import Trim
from support import footage
from support.commands import CLIP, DATA

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")
HLG = "-vf setparams=color_trc=arib-std-b67:color_primaries=bt2020:colorspace=bt2020nc"
X264 = "-c:v libx264 -preset ultrafast"


def made(path: Path, options: str, seconds: float = 1, size: str = "128x72", rate: str = "25") -> Path:
    source = f"-f lavfi -i testsrc2=size={size}:rate={rate}:duration={seconds}"
    command = ["ffmpeg", "-y", "-nostdin", "-v", "error", *source.split(), *options.split(), str(path)]
    subprocess.run(command, check=True, timeout=50)
    return path


def names(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.name, finding.level) for finding in findings]


@needs_ffmpeg
@pytest.mark.parametrize(
    ("options", "size", "found"),
    [
        (X264, "128x72", []),
        ("-c:v mpeg4", "128x72", []),
        ("-c:v libx265 -preset ultrafast -x265-params log-level=error", "128x72", ["codec"]),
        (f"{X264} -pix_fmt yuv420p10le", "128x72", ["bit-depth"]),
        (f"{X264} -pix_fmt yuv420p10le {HLG}", "128x72", ["hdr"]),
        (f"{X264} -vf select=not(between(n\\,5\\,9)) -fps_mode vfr", "128x72", ["frame-rate"]),
        (f"{X264} -vf format=yuv444p,scale=405:721", "128x72", ["picture-size"]),
        (X264, "1920x1080", []),
        (X264, "1080x1920", []),
        (f"{X264} -frames:v 3", "2560x1440", ["picture-size"]),
    ],
)
def test_what_the_service_may_not_read_is_a_warning_that_fit_takes_away(
    tmp_path: Path, options: str, size: str, found: list[str]
) -> None:
    clip = made(tmp_path / "a.mp4", options, 0.6, size)
    findings = check_file(clip)

    assert names(findings) == [(name, "warning") for name in found]
    assert all(finding.hint == "--fit makes it fit" for finding in findings)
    assert check_file(clip, fit=True) == []


@needs_ffmpeg
def test_a_clip_that_is_upright_by_its_header_only_is_doubtful() -> None:
    assert names(check_file(footage.clip("portrait.mov"))) == [("rotation", "warning")]


@needs_ffmpeg
def test_an_odd_size_is_doubted_whatever_size_the_model_takes(tmp_path: Path) -> None:
    clip = made(tmp_path / "a.mp4", f"{X264} -vf format=yuv444p,scale=129:73")

    assert names(check_file(clip, Limits(max_seconds=10, max_side=4096))) == [("picture-size", "warning")]
    assert names(check_file(clip, Limits(max_seconds=10, max_side=100))) == [("picture-size", "error")]


@needs_ffmpeg
@pytest.mark.parametrize("name", ["memo.mp4", "memo.mov", "memo.m4a", "memo.wav"])
def test_a_voice_memo_is_an_error(tmp_path: Path, name: str) -> None:
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", str(tmp_path / name)]
    subprocess.run(command, check=True, timeout=50)

    for options in ({}, {"fit": True}, {"trim": Trim(0.0)}):
        assert names(check_file(tmp_path / name, **options)) == [("no-picture", "error")]  # type: ignore[arg-type]


@needs_ffmpeg
def test_a_single_still_is_an_error(tmp_path: Path) -> None:
    [finding] = check_file(made(tmp_path / "a.mp4", f"{X264} -frames:v 1"))

    assert (finding.name, finding.level, finding.message) == ("no-picture", "error", "its only picture is a still")


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "options", "container"),
    [
        ("a.mkv", X264, "a Matroska file (MKV)"),
        ("a.webm", "-c:v libvpx -deadline realtime", "a WebM file"),
        ("a.ts", X264, "an MPEG transport stream (MTS, M2TS, TS)"),
        ("a.m2ts", X264, "an MPEG transport stream (MTS, M2TS, TS)"),
    ],
)
def test_a_container_that_fit_takes_is_named_with_it(tmp_path: Path, name: str, options: str, container: str) -> None:
    clip = made(tmp_path / name, options)
    [finding] = check_file(clip)

    assert (finding.name, finding.message) == ("not-a-video", f"not MP4, MOV or AVI but {container}")
    assert finding.hint == "--fit or --trim"
    assert check_file(clip, fit=True) == check_file(clip, trim=Trim(0.0)) == []


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "options", "container"),
    [
        ("a.mpg", "-c:v mpeg2video", "an MPEG program stream (MPG, VOB)"),
        ("a.wmv", "-c:v wmv2", "a Windows Media file (WMV, ASF)"),
        ("a.flv", "-c:v flv", "a Flash video (FLV)"),
    ],
)
def test_another_container_is_named_and_converted_first(
    tmp_path: Path, name: str, options: str, container: str
) -> None:
    for fit in (False, True):
        [finding] = check_file(made(tmp_path / name, options), fit=fit)
        assert finding.message == f"not MP4, MOV or AVI but {container}"
        assert finding.hint == "convert it to MP4 first"


def test_a_git_lfs_pointer_is_known_from_the_clip(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    [finding] = check_file(path)

    assert (finding.level, finding.hint) == ("error", "fetch the clip itself: git lfs pull")


def test_a_clip_without_its_end_is_damaged(tmp_path: Path) -> None:
    content = CLIP.read_bytes()
    (tmp_path / "a.mp4").write_bytes(content[: len(content) // 3])

    for options in ({}, {"fit": True}, {"trim": Trim(1.0)}, {"split": True}):
        assert names(check_file(tmp_path / "a.mp4", **options)) == [("damaged", "error")]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["tiny-12s.mp4", "tiny-fragmented.mp4", "tiny.avi"])
def test_a_clip_longer_than_the_model_takes_is_cut_or_split(name: str) -> None:
    limits = Limits(max_seconds=1.5)
    [finding] = check_file(DATA / name, limits)

    assert (finding.name, finding.level) == ("too-long", "error")
    assert finding.hint == "--trim or --split"
    assert "kie.ai takes 1.5 s" in finding.message
    assert check_file(DATA / name, limits, split=True) == check_file(DATA / name, limits, trim=Trim(0.0)) == []


@pytest.mark.parametrize(
    ("trim", "found"),
    [
        (Trim(0.0), []),
        (Trim(2.0), []),
        (Trim(2.0, 12.0), []),
        (Trim(12.0), [("trim-start", "error")]),
        (Trim(5.0, 13.0), [("trim-end", "error")]),
        (Trim(0.0, 11.0), [("too-long", "error")]),
    ],
)
def test_the_part_that_is_cut_out_must_be_there_and_fit(trim: Trim, found: object) -> None:
    assert names(check_file(DATA / "tiny-12s.mp4", LUMA.limits, trim=trim)) == found


def test_a_model_s_documented_shortest_length_holds_and_ours_for_pieces_does_not() -> None:
    assert names(check_file(CLIP, Limits(max_seconds=10, min_seconds=5))) == [("too-short", "error")]
    assert names(check_file(CLIP, Limits(max_seconds=10, min_seconds=2), trim=Trim(2.5))) == [("too-short", "error")]
    assert names(check_file(CLIP, LUMA.limits, trim=Trim(2.5))) == []


def test_a_local_clip_over_the_upload_host_s_limit_is_made_smaller() -> None:
    limits = Limits(max_seconds=10, max_upload_bytes=10_000)
    [finding] = check_file(CLIP, limits)

    assert (finding.name, finding.level, finding.hint) == ("too-large", "error", "--fit makes it fit")
    assert check_file(CLIP, limits, fit=True) == []
    # A clip that needs no cut is sent as it is.
    assert names(check_file(CLIP, limits, split=True)) == [("too-large", "error")]
    assert names(check_file(CLIP, limits, trim=Trim(0.0))) == [("too-large", "error")]
    assert check_file(CLIP, limits, trim=Trim(1.0)) == []


def test_bytes_after_the_last_box_are_no_finding(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(CLIP.read_bytes() + bytes(4))

    assert check_file(tmp_path / "a.mp4") == []


def test_a_name_that_is_not_text_is_kept(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"clip\xff.mp4")
    shutil.copy(DATA / "tiny-12s.mp4", path)
    [finding] = check_file(path)

    assert os.fsencode(finding.video or "") == os.fsencode(path)
