"""What containers call the codecs of pictures, under the names that ffmpeg gives them."""

from functools import cache
from pathlib import Path

ENCRYPTED = ("encv", "drmi")
EIGHT_BITS = frozenset(["mjpeg", "mpeg4", "msmpeg4v2", "msmpeg4v3", "mpeg2video", "vp8", "h263", "dvvideo"])


@cache
def codecs(table: str) -> dict[str | int, str]:
    """The codecs by their names or numbers in a table of codecs.toml: boxes, riff or object_types."""
    import tomllib  # costs some milliseconds, and only a picture whose header is read pays them

    tables = tomllib.loads(Path(__file__).with_name("codecs.toml").read_text("utf-8"))
    return {name: codec for codec, names in tables[table].items() for name in names}
