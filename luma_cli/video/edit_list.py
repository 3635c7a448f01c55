"""Correct the edit list of a sound that ffmpeg wrote: it cannot write a delay and a priming at once."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAX_INDEX = 256 * 2**20  # bytes of `moov` that are read into memory


class _Box(NamedTuple):
    kind: bytes
    start: int  # of its contents
    end: int


def skip_priming(path: Path, ticks: int) -> None:
    """Have players drop the first `ticks` of the sound's media after the delay that its edit list begins with.

    ffmpeg has written the delay alone: an empty edit, and one that begins with the first tick of the media.

    Raises:
        ValueError: the file is not built like that.
        OSError: it cannot be changed.
    """
    with path.open("r+b") as file:
        moov = _find_index(file, path.stat().st_size)
        file.seek(moov.start)
        index = bytearray(file.read(moov.end - moov.start))
        _change(index, ticks)
        file.seek(moov.start)
        file.write(index)


def _find_index(file: BinaryIO, size: int) -> _Box:
    position = 0
    while position + 16 <= size:
        file.seek(position)
        length, kind, long_length = struct.unpack(">I4sQ", file.read(16))
        header = 16 if length == 1 else 8
        length = long_length if length == 1 else length or size - position
        if kind == b"moov" and header <= length <= MAX_INDEX:
            return _Box(kind, position + header, position + length)
        position += max(length, header)
    raise ValueError("the file has no index")


def _change(index: bytearray, ticks: int) -> None:
    whole = _Box(b"moov", 0, len(index))
    mvhd, tracks = _find(index, whole, b"mvhd"), [box for box in _boxes(index, whole) if box.kind == b"trak"]
    sounds = [track for track in tracks if _handler(index, track) == b"soun"]
    if len(sounds) != 1:
        raise ValueError("the file has not one sound")
    sound = sounds[0]
    movie_scale = _Number(index, mvhd.start + (20 if index[mvhd.start] else 12), 4).value
    mdhd = _find(index, sound, b"mdia", b"mdhd")
    scale = _Number(index, mdhd.start + (20 if index[mdhd.start] else 12), 4).value
    less = round(ticks * movie_scale / scale)
    elst = _find(index, sound, b"edts", b"elst")
    size = 8 if index[elst.start] else 4
    second = elst.start + 8 + 2 * size + 4
    delay, media_time = _Number(index, elst.start + 8 + size, size), _Number(index, second + size, size)
    if _Number(index, elst.start + 4, 4).value != 2 or not delay.is_empty or media_time.value != 0:
        raise ValueError("the sound's edit list is another one")
    media_time.value = ticks
    _Number(index, second, size).value -= less
    duration = _duration(index, _find(index, sound, b"tkhd"), 20, 28)
    duration.value -= less
    longest = max(_duration(index, _find(index, track, b"tkhd"), 20, 28).value for track in tracks)
    _duration(index, mvhd, 16, 24).value = longest


class _Number:
    """A number of `size` bytes inside the index."""

    def __init__(self, index: bytearray, start: int, size: int) -> None:
        self._index, self._start, self._size = index, start, size

    @property
    def value(self) -> int:
        return int.from_bytes(self._index[self._start : self._start + self._size])

    @value.setter
    def value(self, number: int) -> None:
        self._index[self._start : self._start + self._size] = max(0, number).to_bytes(self._size)

    @property
    def is_empty(self) -> bool:
        """True of a media time of -1, which means that nothing is played."""
        return self.value == (1 << 8 * self._size) - 1


def _duration(index: bytearray, box: _Box, short: int, long: int) -> _Number:
    return _Number(index, box.start + long, 8) if index[box.start] else _Number(index, box.start + short, 4)


def _handler(index: bytearray, track: _Box) -> bytes:
    hdlr = _find(index, track, b"mdia", b"hdlr")
    return bytes(index[hdlr.start + 8 : hdlr.start + 12])


def _find(index: bytearray, box: _Box, *kinds: bytes) -> _Box:
    for kind in kinds:
        found = next((inner for inner in _boxes(index, box) if inner.kind == kind), None)
        if found is None:
            raise ValueError(f"the index has no {kind.decode()}")
        box = found
    return box


def _boxes(index: bytearray, outer: _Box) -> Iterator[_Box]:
    position = outer.start
    while position + 8 <= outer.end:
        length, kind = struct.unpack_from(">I4s", index, position)
        if not 8 <= length <= outer.end - position:
            raise ValueError("the index is damaged")
        yield _Box(kind, position + 8, position + length)
        position += length
