"""Pictures of a clip: how many, in which order, and that what cannot be read costs nothing but the pictures."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from luma_cli.video.ffmpeg import Ffmpeg
from luma_cli.video.stills import stills
from support.commands import CLIP

FFMPEG = Ffmpeg(shutil.which("ffmpeg") or "")
pytestmark = pytest.mark.skipif(not FFMPEG.path, reason="needs ffmpeg")
BARS = "color=red:s=320x180:r=24:d=1[a];color=lime:s=320x180:r=24:d=1[b];color=blue:s=320x180:r=24:d=1[c]"


@pytest.fixture(scope="module")
def three_colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of red, one of green, one of blue."""
    path = tmp_path_factory.mktemp("clips") / "-%d: colours.mp4"
    graph = f"{BARS};[a][b][c]concat=n=3"
    command = [FFMPEG.path, "-v", "error", "-filter_complex", graph, "-pix_fmt", "yuv420p", f"file:{path}"]
    subprocess.run(command, check=True, timeout=60)
    return path


def colour(jpeg: bytes) -> str:
    """The strongest of a picture's channels."""
    command = [FFMPEG.path, "-v", "error", "-f", "mjpeg", "-i", "-", "-vf", "scale=1:1", "-f", "rawvideo"]
    pixel = subprocess.run([*command, "-pix_fmt", "rgb24", "-"], input=jpeg, capture_output=True, check=True).stdout
    return ("red", "green", "blue")[list(pixel).index(max(pixel))]


def test_the_first_the_middle_and_the_last_frame_are_given(three_colours: Path) -> None:
    assert list(map(colour, stills(three_colours, FFMPEG))) == ["red", "green", "blue"]


def test_only_the_part_that_counts_is_looked_at(three_colours: Path) -> None:
    assert list(map(colour, stills(three_colours, FFMPEG, start=1.2, end=1.8))) == ["green"] * 3


def test_one_picture_is_the_first(three_colours: Path) -> None:
    assert list(map(colour, stills(three_colours, FFMPEG, count=1))) == ["red"]


def test_pictures_are_small(three_colours: Path) -> None:
    assert all(picture[:3] == b"\xff\xd8\xff" and len(picture) < 30_000 for picture in stills(CLIP, FFMPEG))


@pytest.mark.parametrize("content", [b"", b"no video", b"#EXTM3U\nfile:///etc/passwd\n", CLIP.read_bytes()[:1300]])
def test_what_cannot_be_read_has_no_pictures(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)

    assert stills(path, FFMPEG) == []


def test_without_a_file_or_a_program_there_are_none(tmp_path: Path) -> None:
    assert stills(tmp_path / "gone.mp4", FFMPEG) == stills(CLIP, Ffmpeg("/nowhere/ffmpeg")) == []


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not take")
def test_a_name_that_is_not_text_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    shutil.copy(CLIP, path)

    assert len(stills(path, FFMPEG)) == 3
