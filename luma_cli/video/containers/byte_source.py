"""The bytes of a file by offset, fetched a piece at a time and within limits."""

import os
import struct
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

from luma_cli.video.media import MediaError

Read = Callable[[int, int], bytes]
FAR = 1 << 62  # no file reaches it, and a signed 64-bit seek still takes it


@dataclass(frozen=True)
class Limits:
    """How often and how much may be read, in bytes: `window` at least at once, an index up to `index` in one piece.

    `parts` bounds the boxes and the entries of tables that are looked at, whatever a file claims to have.
    """

    reads: int
    window: int
    total: int
    index: int
    parts: int


# Behind a link each read is a Range request, and most headers fit in one.
BY_RANGES = Limits(reads=64, window=8192, total=(1 << 20) - 8192, index=1 << 17, parts=1 << 19)
ON_DISK = Limits(reads=65_536, window=4096, total=1 << 28, index=1 << 23, parts=1 << 21)
_MAX_KEPT = 16  # pieces that are kept: an index is walked to and fro
_MAX_TABLE_PIECE = 1 << 16
# What a box costs of the parts, beside an entry of a table: it takes as much longer to look at.
BOX = 8


class LimitReachedError(MediaError):
    """There is more in the file than may be read of it."""


class Box(NamedTuple):
    """A box or chunk: where its contents begin, where it ends, and where its own header begins."""

    kind: bytes
    start: int
    end: int
    offset: int


class ByteSource:
    """Bytes by offset, until the limits are used up."""

    def __init__(self, read: Read, size: int | None, limits: Limits) -> None:
        self.size = FAR if size is None else size
        self._read, self._limits = read, limits
        self._reads, self._left, self._parts = limits.reads, limits.total, limits.parts
        self._pieces: deque[tuple[int, bytes]] = deque(maxlen=_MAX_KEPT)

    def take(self, offset: int, length: int) -> bytes:
        """Give `length` bytes, fewer if the file ends before."""
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        for start, piece in self._pieces:
            if start <= offset <= offset + length <= start + len(piece):
                return piece[offset - start :][:length]
        return self._fetch(offset, length)[:length]

    def prefetch(self, box: Box) -> None:
        """Read a box in one piece if it is small enough: its parts are looked at in any order."""
        length = min(box.end, self.size) - box.start
        if self._limits.window < length <= self._limits.index:
            self.take(box.start, length)

    def unpack(self, box: Box, layout: str, long_layout: str = "") -> tuple[Any, ...]:
        """Give the fields of `box`, by the long layout if its first byte, the version, is 1."""
        layout = long_layout if long_layout and self.unpack(box, "B") == (1,) else layout
        length = struct.calcsize(layout)
        data = self.take(box.start, min(length, box.end - box.start))
        if len(data) < length:
            raise MediaError("the header is incomplete")
        return struct.unpack(layout, data)

    def entries(self, box: Box, offset: int, count: int, layout: str) -> Iterator[tuple[Any, ...]]:
        """Give `count` entries of the table that begins `offset` bytes into the box."""
        size = struct.calcsize(layout)
        start, end = box.start + offset, box.start + offset + count * size
        if end > box.end:
            raise MediaError("the index is damaged: a table is longer than its box")
        while start < end:
            data = self.take(start, min(end - start, _MAX_TABLE_PIECE // size * size))
            if not data or len(data) % size:
                raise MediaError("the header is incomplete")
            self.count_parts(len(data) // size)
            yield from struct.iter_unpack(layout, data)
            start += len(data)

    def count_parts(self, count: int) -> None:
        """Count what is looked at against the limit."""
        self._parts -= count
        if self._parts < 0:
            raise LimitReachedError("the file has too many parts")

    def _fetch(self, offset: int, length: int) -> bytes:
        wanted = min(max(length, self._limits.window), self.size - offset)
        if not self._reads or wanted > self._left:
            raise LimitReachedError("the file has too many parts")
        self._reads -= 1
        self._left -= wanted
        data = self._read(offset, wanted)[:wanted]
        if len(data) < wanted:  # the end, beyond which a server answers 416
            self.size = offset + len(data)
        self._pieces.appendleft((offset, data))
        return data


def source_of(file: BinaryIO) -> ByteSource:
    """The bytes of an open file."""

    def read(offset: int, length: int) -> bytes:
        return file.read(length) if file.seek(offset) == offset else b""

    return ByteSource(read, os.fstat(file.fileno()).st_size, ON_DISK)
