import struct
from fractions import Fraction
from pathlib import Path

from luma_cli.video.headers import probe_file
from support.commands import DATA


def test_a_header_that_was_never_finished_is_made_up_for_by_the_index(tmp_path: Path) -> None:
    data = bytearray((DATA / "tiny.avi").read_bytes())
    for kind, place in ((b"avih", 8 + 16), (b"vids", 32)):
        start = data.index(kind) + place
        assert struct.unpack_from("<I", data, start) == (20,)
        data[start : start + 4] = bytes(4)
    (tmp_path / "a.avi").write_bytes(data)
    media = probe_file(tmp_path / "a.avi")

    assert (media.duration, media.frame_count, media.frame_rate) == (2.0, 20, Fraction(10))


def test_a_stream_says_its_codec_and_size() -> None:
    picture = probe_file(DATA / "tiny.avi").picture

    assert picture is not None
    assert (picture.codec, picture.is_known_codec, picture.width, picture.height) == ("mpeg4", True, 64, 36)
