"""The fragments of an MP4 file: what each adds to its tracks."""

from dataclasses import dataclass, field
from typing import NamedTuple

from luma_cli.video.containers.boxes import boxes, child, children
from luma_cli.video.containers.byte_source import FAR, Box, ByteSource, LimitReachedError
from luma_cli.video.containers.timing import Runs
from luma_cli.video.media import MediaError

_BASE_IS_GIVEN, _HAS_ENTRY, _HAS_DURATION, _HAS_SIZE = 0x1, 0x2, 0x8, 0x10
_BASE_IS_MOOF = 0x20000
_HAS_OFFSET, _HAS_FIRST_FLAGS = 0x1, 0x4
_EACH_HAS = (0x100, 0x200, 0x400, 0x800)  # duration, size, flags, place in time


@dataclass
class Fragments:
    """What all fragments add: durations by track, when each track's first sample is shown, and where the data ends."""

    runs: dict[int, Runs] = field(default_factory=dict)
    first_shown: dict[int, int] = field(default_factory=dict)
    data_end: int = 0
    is_partial: bool = False


class Defaults(NamedTuple):
    """Of a track's samples, unless a fragment says something else."""

    duration: int = 0
    size: int = 0


def read_defaults(source: ByteSource, mvex: Box) -> dict[int, Defaults]:
    found = {}
    for box in children(source, mvex):
        if box.kind == b"trex":
            track, duration, size = source.unpack(box, ">4xI4xII")
            found[track] = Defaults(duration, size)
    return found


def read_fragments(source: ByteSource, start: int, defaults: dict[int, Defaults]) -> Fragments:
    """Walk the fragments from `start` on, as far as they can be read."""
    found = Fragments()
    try:
        for box in boxes(source, start, FAR):
            if box.kind == b"moof":
                source.prefetch(box)
                _read_moof(source, box, defaults, found)
    except LimitReachedError:
        found.is_partial = True
    except MediaError:  # the end of a file that is cut: whether that is so, the walk over the whole file says
        pass
    return found


def _read_moof(source: ByteSource, moof: Box, defaults: dict[int, Defaults], found: Fragments) -> None:
    end = moof.offset
    for box in children(source, moof):
        if box.kind == b"traf":
            end = _read_traf(source, box, moof.offset, end, defaults, found)


def _read_traf(
    source: ByteSource, traf: Box, moof: int, before: int, defaults: dict[int, Defaults], found: Fragments
) -> int:
    """`before` is where the data of the track before ends; gives where that of this one does."""
    tfhd = child(source, traf, b"tfhd")
    if tfhd is None:
        return before
    track, base, own = _read_tfhd(source, tfhd, defaults, moof, before)
    end = base
    for box in children(source, traf):
        if box.kind == b"trun":
            end = _read_trun(source, box, base, end, own, track, found)
            found.data_end = max(found.data_end, end)
    return end


def _read_tfhd(
    source: ByteSource, tfhd: Box, defaults: dict[int, Defaults], moof: int, before: int
) -> tuple[int, int, Defaults]:
    """The track, where its data offsets count from, and what holds for its samples."""
    flags, track = source.unpack(tfhd, ">II")
    fields = [(_BASE_IS_GIVEN, ">Q", 8), (_HAS_ENTRY, ">I", 4), (_HAS_DURATION, ">I", 4), (_HAS_SIZE, ">I", 4)]
    place, values = 8, {}
    for flag, layout, size in fields:
        if flags & flag:
            values[flag] = next(source.entries(tfhd, place, 1, layout))[0]
            place += size
    usual = defaults.get(track, Defaults())
    base = values.get(_BASE_IS_GIVEN, moof if flags & _BASE_IS_MOOF else before)
    own = Defaults(values.get(_HAS_DURATION, usual.duration), values.get(_HAS_SIZE, usual.size))
    return track, base, own


def _read_trun(
    source: ByteSource, trun: Box, base: int, before: int, own: Defaults, track: int, found: Fragments
) -> int:
    flags, count = source.unpack(trun, ">II")
    place, start, size = 8, before, 0
    if flags & _HAS_OFFSET:
        start = base + next(source.entries(trun, place, 1, ">i"))[0]
        place += 4
    place += 4 if flags & _HAS_FIRST_FLAGS else 0
    runs = found.runs.setdefault(track, Runs())
    columns = [flag for flag in _EACH_HAS if flags & flag]
    if not columns:
        found.first_shown.setdefault(track, 0)
        runs.add(count, own.duration)
        return int(start + count * own.size)
    for values in source.entries(trun, place, count, ">" + "".join("i" if flag == 0x800 else "I" for flag in columns)):
        sample = dict(zip(columns, values, strict=True))
        runs.add(1, sample.get(0x100, own.duration))
        size += sample.get(0x200, own.size)
        found.first_shown.setdefault(track, max(sample.get(0x800, 0), 0))
    return start + size
