"""The index of MP4 and MOV files: their tracks, and whether all that it names is in the file."""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple

from luma_cli.video.containers.boxes import boxes, child, children
from luma_cli.video.containers.byte_source import FAR, ON_DISK, Box, ByteSource, LimitReachedError
from luma_cli.video.containers.fragments import Defaults, Fragments, read_defaults, read_fragments
from luma_cli.video.containers.sample_entries import SampleEntry, read_entry
from luma_cli.video.containers.sample_tables import NOWHERE, Extent, first_shown, read_durations, read_extent
from luma_cli.video.containers.timing import Runs, find_rate, present
from luma_cli.video.media import Media, MediaError, Track

_KINDS = {b"vide": "video", b"pict": "video", b"soun": "audio", b"tmcd": "timecode"}
_TEXT = (b"text", b"sbtl", b"subt", b"clcp")
_UNKNOWN = (0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
_UPRIGHT = (0x10000, 0, 0, 0x10000)
_ENABLED = 1  # flag of a track header
_MAX_INDEX = 1 << 23  # of a compressed index, unpacked
_MAX_REFERENCES = 256
_OPUS_RATE = 48_000
# A sample begins with its length, a start code, a marker or a header: never with zeros.
_NEVER_ZERO = frozenset(("h264", "hevc", "av1", "vp9", "mpeg4", "mjpeg", "prores"))


class Movie(NamedTuple):
    """The index of a file: what its header says, its tracks as stored, and where the data that it names ends."""

    scale: int
    ticks: int  # 0: not said
    stored: "tuple[_Stored, ...]"
    fragments: Fragments
    is_partial: bool

    @property
    def data_end(self) -> int:
        return max([track.extent.end for track in self.stored] + [self.fragments.data_end])

    @property
    def places(self) -> Iterator[int]:
        """Some of the places where data of coded pictures begins."""
        for track in self.stored:
            if track.handler == b"vide" and track.entry is not None and track.entry.codec in _NEVER_ZERO:
                yield from track.extent.places


@dataclass
class _Stored:
    """A track as the index has it."""

    handler: bytes = b""
    number: int = 0
    is_enabled: bool = True
    shown_size: tuple[int, int] = (0, 0)
    matrix: tuple[int, int, int, int] = _UPRIGHT
    scale: int = 0
    stated: int = 0  # length in ticks of `scale`, as the header has it
    edits: tuple[tuple[int, int], ...] = ()
    entry: SampleEntry | None = None
    runs: Runs | None = None  # None: the table could not be read
    first: int = 0
    extent: Extent = NOWHERE
    chapters: tuple[int, ...] = ()


@dataclass
class _Index:
    """What was read of an index so far."""

    scale: int = 0
    ticks: int = 0
    stored: list[_Stored] = field(default_factory=list)
    defaults: dict[int, Defaults] | None = None
    is_partial: bool = False


def read_media(source: ByteSource, container: str) -> Media:
    """The facts that the index holds.

    Raises:
        MediaError: there is no index, or it is damaged.
    """
    return describe(read_index(source), container)


def read_index(source: ByteSource) -> Movie:
    moov = next((box for box in boxes(source, 0, FAR) if box.kind == b"moov"), None)
    if moov is None:
        raise MediaError("no header found: the file is incomplete or damaged")
    source.prefetch(moov)
    if cmov := child(source, moov, b"cmov"):
        return _read_moov(*_unpacked(source, cmov), FAR)
    return _read_moov(source, moov, moov.end)


def _unpacked(source: ByteSource, cmov: Box) -> tuple[ByteSource, Box]:
    """Old QuickTime files may compress their index."""
    cmvd = child(source, cmov, b"cmvd")
    data = source.take(cmvd.start + 4, min(cmvd.end - cmvd.start, _MAX_INDEX)) if cmvd else b""
    try:
        plain = zlib.decompressobj().decompress(data, _MAX_INDEX)
    except zlib.error as error:
        raise MediaError("the index is damaged: it cannot be decompressed") from error
    inner = ByteSource(lambda offset, length: plain[offset : offset + length], len(plain), ON_DISK)
    moov = next((box for box in boxes(inner, 0, len(plain)) if box.kind == b"moov"), None)
    if moov is None:
        raise MediaError("the index is damaged: it cannot be decompressed")
    return inner, moov


def _read_moov(source: ByteSource, moov: Box, after: int) -> Movie:
    index = _Index()
    try:
        for box in children(source, moov):
            _read_index_box(source, box, index)
    except LimitReachedError:
        index.is_partial = True
    fragments = Fragments() if index.defaults is None else read_fragments(source, after, index.defaults)
    is_partial = index.is_partial or fragments.is_partial or moov.end > source.size
    return Movie(index.scale, index.ticks, tuple(index.stored), fragments, is_partial)


def _read_index_box(source: ByteSource, box: Box, index: _Index) -> None:
    if box.kind == b"mvhd":
        index.scale, ticks = source.unpack(box, ">12xII", ">20xIQ")
        index.ticks = max(index.ticks, 0 if ticks in _UNKNOWN else ticks)
    elif box.kind == b"trak":
        index.stored.append(_Stored())
        _read_trak(source, box, index.stored[-1])
    elif box.kind == b"mvex":  # fragments follow, which the movie header does not count
        index.defaults = read_defaults(source, box)
        mehd = child(source, box, b"mehd")
        ticks = source.unpack(mehd, ">4xI", ">4xQ")[0] if mehd else 0
        index.ticks = max(index.ticks, 0 if ticks in _UNKNOWN else ticks)


def _read_trak(source: ByteSource, trak: Box, track: _Stored) -> None:
    for box in children(source, trak):
        if box.kind == b"tkhd":
            _read_tkhd(source, box, track)
        elif box.kind == b"edts" and (elst := child(source, box, b"elst")):
            track.edits = _read_edits(source, elst)
        elif box.kind == b"tref" and (chap := child(source, box, b"chap")):
            count = min((chap.end - chap.start) // 4, _MAX_REFERENCES)
            track.chapters = tuple(number for (number,) in source.entries(chap, 0, count, ">I"))
        elif box.kind == b"mdia":
            _read_mdia(source, box, track)


def _read_tkhd(source: ByteSource, tkhd: Box, track: _Stored) -> None:
    flags, number, *matrix = source.unpack(tkhd, ">I8xI24xii4xii", ">I16xI32xii4xii")
    width, height = source.unpack(tkhd, ">76xII", ">88xII")
    track.number, track.is_enabled = number, bool(flags & _ENABLED)
    track.shown_size = width >> 16, height >> 16
    if any(matrix):
        track.matrix = matrix[0], matrix[1], matrix[2], matrix[3]


def _read_edits(source: ByteSource, elst: Box) -> tuple[tuple[int, int], ...]:
    (count,) = source.unpack(elst, ">4xI")
    is_long = source.unpack(elst, "B") == (1,)
    return tuple(source.entries(elst, 8, count, ">Qq4x" if is_long else ">Ii4x"))


def _read_mdia(source: ByteSource, mdia: Box, track: _Stored) -> None:
    mdhd, hdlr, minf = (child(source, mdia, kind) for kind in (b"mdhd", b"hdlr", b"minf"))
    if mdhd:
        track.scale, stated = source.unpack(mdhd, ">12xII", ">20xIQ")
        track.stated = 0 if stated in _UNKNOWN else stated
    if hdlr:
        track.handler = source.unpack(hdlr, "8x4s")[0]
    stbl = child(source, minf, b"stbl")
    if stbl is None:
        return
    track.entry = read_entry(source, child(source, stbl, b"stsd"), track.handler)
    track.runs = read_durations(source, stbl)
    track.first = first_shown(source, stbl)
    track.extent = read_extent(source, stbl, minf, is_sound=track.handler == b"soun")


def describe(movie: Movie, container: str) -> Media:
    """The facts, from an index that was read."""
    chapters = {number for track in movie.stored for number in track.chapters}
    tracks = tuple(
        _describe_track(track, index, movie, is_chapter=track.number in chapters)
        for index, track in enumerate(movie.stored)
    )
    stated = movie.ticks / movie.scale if movie.scale else 0.0
    played = [track for track in tracks if track.duration]
    # Without an edit list a picture that is stored out of order begins late, and nothing comes before it.
    start = min((track.start_offset for track in played), default=0.0)
    longest = max([stated, *(track.start_offset - start + (track.duration or 0.0) for track in played)])
    may_be_longer = movie.is_partial and not stated
    return Media(container, longest or None, tracks, movie.is_partial, may_be_longer, movie.data_end)


def _describe_track(track: _Stored, index: int, movie: Movie, *, is_chapter: bool) -> Track:
    runs = Runs()
    for part in (track.runs, movie.fragments.runs.get(track.number)):
        if part is not None:
            runs.extend(part)
    has_samples = bool(track.runs and track.runs.count)
    first = track.first if has_samples else movie.fragments.first_shown.get(track.number, 0)
    shown = present(track.edits, movie.scale, _seconds(track, runs), Fraction(first, track.scale or 1), track.scale)
    entry = track.entry or SampleEntry(None, is_known_codec=False)
    found = Track(
        index,
        _KINDS.get(track.handler, "text" if track.handler in _TEXT else "data"),
        entry.codec,
        is_known_codec=entry.is_known_codec,
        is_enabled=track.is_enabled,
        duration=shown.duration,
        start_offset=shown.start_offset,
        priming=shown.priming or (0.0 if track.edits else entry.priming / _OPUS_RATE),
        frame_count=runs.count or None,
        channels=entry.channels,
        sample_rate=entry.sample_rate,
    )
    if found.kind != "video":
        return found
    is_still = runs.count <= 1 and track.runs is not None and not movie.is_partial
    picture = _describe_picture(found, track, entry, runs)
    count = picture.frame_count
    if shown.is_cut and picture.frame_rate and shown.duration:
        count = round(shown.duration * picture.frame_rate)
    return replace(picture, frame_count=count, is_cover=is_still or is_chapter or track.handler == b"pict")


def _seconds(track: _Stored, runs: Runs) -> Fraction | None:
    """How long the samples of a track last: all of them added up, else as its header has it."""
    ticks = runs.ticks or track.stated
    return Fraction(ticks, track.scale) if ticks and track.scale else None


def _describe_picture(found: Track, track: _Stored, entry: SampleEntry, runs: Runs) -> Track:
    rate = find_rate(runs, track.scale)
    width, height = _size(track, entry)
    rotation, is_mirrored = _orientation(track.matrix)
    if rotation in (90, 270):
        width, height = height, width
    return replace(
        found,
        frame_rate=rate.rate,
        is_variable_rate=rate.is_variable,
        width=width or None,
        height=height or None,
        coded_width=entry.width,
        coded_height=entry.height,
        rotation=rotation,
        is_mirrored=is_mirrored,
        bit_depth=entry.bit_depth,
        hdr=entry.hdr,
    )


def _size(track: _Stored, entry: SampleEntry) -> tuple[int, int]:
    """As seen, but not yet turned: by the shape of the pixels, else by the track's header."""
    if entry.width and entry.height and entry.aspect:
        across, down = entry.aspect
        return round(entry.width * across / down), entry.height
    if all(track.shown_size):
        return track.shown_size
    return entry.width or 0, entry.height or 0


def _orientation(matrix: tuple[int, int, int, int]) -> tuple[int, bool]:
    """Quarter turns clockwise, and whether it is mirrored besides: the nearest of the eight ways to hold a picture."""
    across, down, back, up = matrix
    is_mirrored = across * up - down * back < 0
    if is_mirrored:
        across, down = -across, -down
    return round(math.degrees(math.atan2(down, across)) / 90) % 4 * 90, is_mirrored
