"""Correct times in the index of an MP4 or MOV that ffmpeg wrote, where it cannot write them to the tick."""

import contextlib
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from luma_cli.errors import FileError, reason
from luma_cli.video.containers.boxes import boxes, child, children
from luma_cli.video.containers.byte_source import FAR, ON_DISK, Box, ByteSource, source_of

MAX_INDEX = 256 * 2**20  # bytes of `moov` that are read into memory
MIN_TICKS = 10_000  # a second, as ffmpeg has at least


def skip_priming(path: Path, ticks: int) -> None:
    """Have players drop the first `ticks` of the sound's media after the delay that its edit list begins with.

    ffmpeg has written the delay alone, an empty edit and one that begins with the media: it cannot write both.

    Raises:
        FileError: the file is not built like that, or it cannot be changed.
    """
    with _opened(path, "put the sound in sync") as index:
        sound = index.track(b"soun")
        scale, movie_scale = index.scale(sound, b"mdia", b"mdhd"), index.scale(index.whole, b"mvhd")
        less = round(Fraction(ticks, index[scale]) * index[movie_scale])
        elst = index.find(sound, b"edts", b"elst")
        size = 8 if index.data[elst.start] else 4
        second = elst.start + 8 + 2 * size + 4
        delay, media_time = _place(elst.start + 8 + size, size), _place(second + size, size)
        nothing_is_played = (1 << 8 * size) - 1
        if index[_place(elst.start + 4)] != 2 or index[delay] != nothing_is_played or index[media_time] != 0:
            raise ValueError("the sound's edit list is another one")
        index[media_time] = ticks
        index[_place(second, size)] -= less
        index[index.by_version(index.find(sound, b"tkhd"), 20, 28)] -= less
        index.sum_up()


def set_rate(path: Path, rate: Fraction) -> int:
    """Give the frames of the picture exactly this rate, the first at 0: they have it but for rounding.

    How many there are. Raises as `skip_priming`.
    """
    with _opened(path, "join the pieces") as index:
        picture = index.track(b"vide")
        table = index.find(picture, b"mdia", b"minf", b"stbl")
        stts = index.find(table, b"stts")
        if index[_place(stts.start + 4)] != 1 or index.has(table, b"ctts"):
            raise ValueError("the picture's rate is not constant")
        count = index[_place(stts.start + 8)]
        factor = max(1, -(-MIN_TICKS // rate.numerator))
        index[_place(stts.start + 12)] = rate.denominator * factor
        index[index.scale(picture, b"mdia", b"mdhd")] = rate.numerator * factor
        media = index.find(picture, b"mdia", b"mdhd")
        index[index.by_version(media, 16, 24)] = count * rate.denominator * factor
        length = math.ceil(count / rate * index[index.scale(index.whole, b"mvhd")])
        index[index.by_version(index.find(picture, b"tkhd"), 20, 28)] = length
        if index.has(picture, b"edts"):
            elst = index.find(picture, b"edts", b"elst")
            if index[_place(elst.start + 4)] != 1 or index[index.by_version(elst, 12, 16)] != 0:
                raise ValueError("the picture does not begin at 0")
            index[index.by_version(elst, 8, 8)] = length
        index.sum_up()
        return count


def _place(start: int, size: int = 4) -> slice:
    return slice(start, start + size)


class _Index:
    """The contents of the box `moov`, with the numbers in them by place."""

    def __init__(self, data: bytearray) -> None:
        self.data = data
        self.whole = Box(b"moov", 0, len(data), 0)
        # Of the walk only kinds and sizes are used, which never change: what it has kept of the rest may be old.
        self._source = ByteSource(lambda at, length: bytes(data[at : at + length]), len(data), ON_DISK)

    def __getitem__(self, place: slice) -> int:
        return int.from_bytes(self.data[place])

    def __setitem__(self, place: slice, number: int) -> None:
        self.data[place] = max(0, number).to_bytes(place.stop - place.start)

    def find(self, box: Box, *kinds: bytes) -> Box:
        for kind in kinds:
            found = child(self._source, box, kind)
            if found is None:
                raise ValueError(f"the index has no {kind.decode()}")
            box = found
        return box

    def has(self, box: Box, kind: bytes) -> bool:
        return child(self._source, box, kind) is not None

    def track(self, handler: bytes) -> Box:
        """The one track of that kind."""
        handlers = [(track, self.find(track, b"mdia", b"hdlr").start + 8) for track in self._tracks()]
        found = [track for track, place in handlers if self.data[place : place + 4] == handler]
        if len(found) != 1:
            raise ValueError(f"the file has {len(found)} tracks of the kind {handler.decode()}")
        return found[0]

    def by_version(self, box: Box, short: int, long: int) -> slice:
        """A number of 4 bytes in version 0 of a box, of 8 in version 1."""
        return _place(box.start + long, 8) if self.data[box.start] else _place(box.start + short)

    def scale(self, box: Box, *kinds: bytes) -> slice:
        """The ticks in a second of a header of the movie or of a track's media."""
        header = self.find(box, *kinds)
        return _place(header.start + (20 if self.data[header.start] else 12))

    def sum_up(self) -> None:
        """The movie is as long as its longest track."""
        lengths = [self[self.by_version(self.find(track, b"tkhd"), 20, 28)] for track in self._tracks()]
        self[self.by_version(self.find(self.whole, b"mvhd"), 16, 24)] = max(lengths)

    def _tracks(self) -> list[Box]:
        return [box for box in children(self._source, self.whole) if box.kind == b"trak"]


@contextlib.contextmanager
def _opened(path: Path, doing: str) -> Iterator[_Index]:
    """The index of a file, written back at the end of the block."""
    try:
        with path.open("r+b") as file:
            moov = next((box for box in boxes(source_of(file), 0, FAR) if box.kind == b"moov"), None)
            if moov is None or moov.end - moov.start > MAX_INDEX:
                raise ValueError("the file has no index")
            file.seek(moov.start)
            index = _Index(bytearray(file.read(moov.end - moov.start)))
            yield index
            file.seek(moov.start)
            file.write(index.data)
    except OSError as error:
        raise FileError(f"cannot write {path.name}: {reason(error)}") from error
    except ValueError as error:
        raise FileError(f"cannot {doing}: {error}") from error
