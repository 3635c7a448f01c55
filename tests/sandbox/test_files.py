"""What the sandbox reads of a file itself."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.sandbox.files import CLIP, seconds_of
from support.commands import DATA


def box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4) + kind + content


def movie(version: int, scale: int, units: int) -> bytes:
    width = 8 if version else 4
    header = bytes([version, 0, 0, 0]) + bytes(2 * width) + scale.to_bytes(4) + units.to_bytes(width) + bytes(80)
    return box(b"moov", box(b"mvhd", header))


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        (movie(0, 600, 1500), 2.5),
        (movie(1, 1000, 90_000_000_000), 90_000_000.0),
        (box(b"ftyp", b"isom") + (1).to_bytes(4) + b"mdat" + (20).to_bytes(8) + b"1234" + movie(0, 1, 7), 7.0),
        (movie(0, 0, 7), None),
        (movie(0, 600, 0), None),
        (box(b"ftyp", b"isom"), None),
        (b"\0\0\0\0moof", None),
        (b"not a video at all", None),
        (b"", None),
    ],
    ids=["plain", "64 bit", "after a long box", "no scale", "no length", "no index", "no size", "text", "empty"],
)
def test_the_seconds_of_a_clip(tmp_path: Path, content: bytes, seconds: float | None) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)

    assert seconds_of(path) == seconds


@pytest.mark.parametrize(
    ("path", "seconds"), [(CLIP, 1.0), (DATA / "tiny-12s.mp4", 12.0), (DATA / "tiny.avi", None)], ids=str
)
def test_the_seconds_of_real_files(path: Path, seconds: float | None) -> None:
    assert seconds_of(path) == (None if seconds is None else pytest.approx(seconds, abs=0.1))


@given(st.binary(max_size=200))
def test_any_bytes_have_a_length_or_none(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.mp4"
    path.write_bytes(content)

    assert seconds_of(path) is None or seconds_of(path)
