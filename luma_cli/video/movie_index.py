"""Correct times in the index of an MP4 or MOV that ffmpeg wrote, where it cannot write them to the tick."""

import contextlib
import math
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAX_INDEX = 256 * 2**20  # bytes of `moov` that are read into memory
MIN_TICKS = 10_000  # a second, as ffmpeg has at least


class _Box(NamedTuple):
    kind: bytes
    start: int  # of its contents
    end: int


def skip_priming(path: Path, ticks: int) -> None:
    """Have players drop the first `ticks` of the sound's media after the delay that its edit list begins with.

    ffmpeg has written the delay alone, an empty edit and one that begins with the media: it cannot write both.

    Raises:
        ValueError: the file is not built like that.
        OSError: it cannot be changed.
    """
    with _opened(path) as index:
        _skip_priming(index, ticks)


def set_rate(path: Path, rate: Fraction) -> int:
    """Give the frames of the picture exactly this rate, the first at 0: they have it but for rounding.

    How many there are. Raises as `skip_priming`.
    """
    with _opened(path) as index:
        return _set_rate(index, rate)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[bytearray]:
    """The contents of the box `moov`, written back at the end of the block."""
    with path.open("r+b") as file:
        moov = _find_index(file, path.stat().st_size)
        file.seek(moov.start)
        index = bytearray(file.read(moov.end - moov.start))
        yield index
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


def _skip_priming(index: bytearray, ticks: int) -> None:
    sound = _track(index, b"soun")
    less = round(Fraction(ticks, _scale(index, sound, b"mdia", b"mdhd").value) * _scale(index, None, b"mvhd").value)
    elst = _find(index, sound, b"edts", b"elst")
    size = 8 if index[elst.start] else 4
    second = elst.start + 8 + 2 * size + 4
    delay, media_time = _Number(index, elst.start + 8 + size, size), _Number(index, second + size, size)
    if _Number(index, elst.start + 4, 4).value != 2 or not delay.is_empty or media_time.value != 0:
        raise ValueError("the sound's edit list is another one")
    media_time.value = ticks
    _Number(index, second, size).value -= less
    _duration(index, _find(index, sound, b"tkhd"), 20, 28).value -= less
    _sum_up(index)


def _set_rate(index: bytearray, rate: Fraction) -> int:
    picture = _track(index, b"vide")
    table = _find(index, picture, b"mdia", b"minf", b"stbl")
    stts = _find(index, table, b"stts")
    if _Number(index, stts.start + 4, 4).value != 1 or any(box.kind == b"ctts" for box in _boxes(index, table)):
        raise ValueError("the picture's rate is not constant")
    count = _Number(index, stts.start + 8, 4).value
    factor = max(1, -(-MIN_TICKS // rate.numerator))
    _Number(index, stts.start + 12, 4).value = rate.denominator * factor
    _scale(index, picture, b"mdia", b"mdhd").value = rate.numerator * factor
    _duration(index, _find(index, picture, b"mdia", b"mdhd"), 16, 24).value = count * rate.denominator * factor
    length = math.ceil(count / rate * _scale(index, None, b"mvhd").value)
    _duration(index, _find(index, picture, b"tkhd"), 20, 28).value = length
    if any(box.kind == b"edts" for box in _boxes(index, picture)):
        elst = _find(index, picture, b"edts", b"elst")
        size = 8 if index[elst.start] else 4
        if _Number(index, elst.start + 4, 4).value != 1 or _Number(index, elst.start + 8 + size, size).value != 0:
            raise ValueError("the picture does not begin at 0")
        _duration(index, elst, 8, 8).value = length
    _sum_up(index)
    return count


def _sum_up(index: bytearray) -> None:
    """The movie is as long as its longest track."""
    lengths = [_duration(index, _find(index, track, b"tkhd"), 20, 28).value for track in _tracks(index)]
    _duration(index, _find(index, _whole(index), b"mvhd"), 16, 24).value = max(lengths)


def _whole(index: bytearray) -> _Box:
    return _Box(b"moov", 0, len(index))


def _tracks(index: bytearray) -> list[_Box]:
    return [box for box in _boxes(index, _whole(index)) if box.kind == b"trak"]


def _track(index: bytearray, handler: bytes) -> _Box:
    """The one track of that kind."""
    found = [track for track in _tracks(index) if _handler(index, track) == handler]
    if len(found) != 1:
        raise ValueError(f"the file has {len(found)} tracks of the kind {handler.decode()}")
    return found[0]


def _scale(index: bytearray, box: _Box | None, *kinds: bytes) -> "_Number":
    """The ticks in a second of a header of the movie or of a track's media."""
    header = _find(index, box or _whole(index), *kinds)
    return _Number(index, header.start + (20 if index[header.start] else 12), 4)


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
