"""The sample tables of an MP4 or MOV track: durations, and how far into the file its samples reach."""

from array import array
from collections.abc import Sequence
from itertools import accumulate, zip_longest
from typing import NamedTuple

from luma_cli.video.containers.boxes import child
from luma_cli.video.containers.byte_source import Box, ByteSource
from luma_cli.video.containers.timing import Runs

_SELF_CONTAINED = 1  # flag of a data reference
MAX_PLACES = 64  # a look at each, and no more in a large file


def read_durations(source: ByteSource, stbl: Box | None) -> Runs:
    runs = Runs()
    if stts := child(source, stbl, b"stts"):
        (count,) = source.unpack(stts, ">4xI")
        for samples, delta in source.entries(stts, 8, count, ">II"):
            runs.add(samples, delta)
    return runs


def first_shown(source: ByteSource, stbl: Box | None) -> int:
    """When the first sample is shown, in ticks: pictures that refer to later ones are stored out of order."""
    ctts = child(source, stbl, b"ctts")
    if ctts is None or source.unpack(ctts, ">4xI") == (0,):
        return 0
    return max(int(source.unpack(ctts, ">12xi")[0]), 0)


class Extent(NamedTuple):
    """Where in the file a track's data ends, 0 for none, and some of the places where its chunks begin."""

    end: int = 0
    places: Sequence[int] = ()


NOWHERE = Extent()


def read_extent(source: ByteSource, stbl: Box | None, minf: Box | None, *, is_sound: bool) -> Extent:
    """As the index has it; nothing if the data lies in another file."""
    stsz, chunks = child(source, stbl, b"stsz", b"stz2"), child(source, stbl, b"stco", b"co64")
    if stsz is None or chunks is None or _is_elsewhere(source, minf):
        return NOWHERE
    count, layout = source.unpack(chunks, ">4xI")[0], ">Q" if chunks.kind == b"co64" else ">I"
    offsets = array("Q", (place for (place,) in source.entries(chunks, 8, count, layout)))
    end = _data_end(source, stbl, stsz, offsets, is_sound=is_sound)
    return Extent(end, (*offsets[:: len(offsets) // MAX_PLACES + 1], *offsets[-1:]))


def _data_end(source: ByteSource, stbl: Box | None, stsz: Box, offsets: Sequence[int], *, is_sound: bool) -> int:
    """Old sounds state sizes of which only the decoder knows the meaning: of samples that are all of one size in a
    sound, only where its chunks begin is believed.
    """
    size, samples = source.unpack(stsz, ">4xII")
    if not offsets or not samples:
        return 0
    if size or stsz.kind == b"stz2":
        return int(max(offsets)) + (1 if is_sound or stsz.kind == b"stz2" else int(size))
    ends = array("Q", accumulate((length for (length,) in source.entries(stsz, 12, samples, ">I")), initial=0))
    return _last_byte(source, stbl, offsets, ends)


def _last_byte(source: ByteSource, stbl: Box | None, offsets: Sequence[int], ends: Sequence[int]) -> int:
    """`ends` are the sizes of all samples added up."""
    stsc = child(source, stbl, b"stsc")
    count = source.unpack(stsc, ">4xI")[0] if stsc else 0
    # From which chunk on how many samples are in each.
    firsts, counts = array("I"), array("I")
    for first, samples in source.entries(stsc, 8, count, ">II4x") if stsc else ():
        firsts.append(first)
        counts.append(samples)
    last = sample = chunk = 0
    for samples, after in zip_longest(counts, firsts[1:], fillvalue=len(offsets) + 1):
        while chunk < min(after - 1, len(offsets)):
            following = min(sample + samples, len(ends) - 1)
            if following > sample:
                last = max(last, offsets[chunk] + ends[following] - ends[sample])
            sample, chunk = following, chunk + 1
    return last


def _is_elsewhere(source: ByteSource, minf: Box | None) -> bool:
    dref = child(source, child(source, minf, b"dinf"), b"dref")
    if dref is None or dref.end - dref.start < 20:
        return False
    return not source.unpack(dref, ">16xI")[0] & _SELF_CONTAINED
