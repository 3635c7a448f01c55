from luma_cli.video.headers import probe_file
from support.commands import DATA


def test_a_stream_says_its_codec_and_size() -> None:
    picture = probe_file(DATA / "tiny.avi").picture

    assert picture is not None
    assert (picture.codec, picture.bit_depth, picture.width, picture.height) == ("mpeg4", 8, 64, 36)
