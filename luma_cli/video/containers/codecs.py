"""What containers call the codecs of pictures, under the names that ffmpeg gives them."""

import pkgutil
from functools import cache

ENCRYPTED = ("encv", "drmi")
EIGHT_BITS = frozenset(["mjpeg", "mpeg4", "msmpeg4v2", "msmpeg4v3", "mpeg2video", "vp8", "h263", "dvvideo"])


@cache
def codecs(table: str) -> dict[str | int, str]:
    """The codecs by their names or numbers in a table of codecs.toml: boxes, riff or object_types."""
    import tomllib  # costs some milliseconds, and only a picture whose header is read pays them

    text = pkgutil.get_data(__package__, "codecs.toml") or b""  # also out of a zip file
    return {name: codec for codec, names in tomllib.loads(text.decode())[table].items() for name in names}
