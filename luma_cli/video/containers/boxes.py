"""The boxes of MP4 and MOV files (ISO 14496-12)."""

import re
import struct
from collections.abc import Iterator

from luma_cli.video.containers.byte_source import BOX, Box, ByteSource
from luma_cli.video.media import MediaError


def boxes(source: ByteSource, start: int, end: int) -> Iterator[Box]:
    """Walk boxes: each step goes forward by 8 bytes or more, and none beyond `end`, whatever the sizes say."""
    while end - start >= 8 and len(head := source.take(start, min(16, end - start))) >= 8:
        size, kind = struct.unpack(">I4s", head[:8])
        header = 16 if size == 1 else 8
        # 1: the size has 64 bits and follows. 0: the box reaches to the end.
        size = int.from_bytes(head[8:]) if size == 1 else size or min(end, source.size) - start
        # A download's reserved space, all zeros, would else pass for a nameless box that reaches to the end.
        if size < header or len(head) < header or not re.fullmatch(rb"[\x20-\x7e\xa9]{4}", kind):
            raise MediaError(f"damaged: there is no box {kind.decode('latin-1')!a} of {size} bytes")
        source.count_parts(BOX)
        yield Box(kind, start + header, min(start + size, end), start)
        start += size


def children(source: ByteSource, box: Box, skip: int = 0) -> Iterator[Box]:
    """The boxes inside a box, after `skip` bytes of its own."""
    return boxes(source, box.start + skip, box.end)


def child(source: ByteSource, box: Box | None, *kinds: bytes) -> Box | None:
    """The first box of these kinds inside of a box."""
    if box is None:
        return None
    return next((inner for inner in children(source, box) if inner.kind in kinds), None)
