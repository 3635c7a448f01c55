"""The index of MP4 and MOV files: their tracks, and whether all that it names is in the file."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from luma_cli.video.containers.boxes import boxes, child, children
from luma_cli.video.containers.byte_source import FAR, Box, ByteSource, LimitReachedError
from luma_cli.video.containers.fragments import Defaults, Fragments, read_defaults, read_fragments
from luma_cli.video.containers.sample_entries import NO_ENTRY, SampleEntry, read_entry
from luma_cli.video.containers.sample_tables import NOWHERE, Extent, first_shown, read_durations, read_extent
from luma_cli.video.containers.timing import Runs, find_rate, present
from luma_cli.video.media import Media, MediaError, Track

_PICTURES = (b"vide", b"pict")
_KINDS = {b"soun": "audio", b"tmcd": "timecode", **dict.fromkeys(_PICTURES, "video")}
_TEXT = (b"text", b"sbtl", b"subt", b"clcp")
_UNKNOWN = (0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
_UPRIGHT = (0x10000, 0, 0, 0x10000)
_ENABLED = 1  # flag of a track header
_MAX_REFERENCES = 256
# A sample begins with its length, a start code, a marker or a header: never with zeros.
_NEVER_ZERO = frozenset(("h264", "hevc", "av1", "vp9", "mpeg4", "mjpeg", "prores"))


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
    entry: SampleEntry = NO_ENTRY
    runs: Runs | None = None  # None: the table could not be read
    first: int = 0
    extent: Extent = NOWHERE
    chapters: tuple[int, ...] = ()


@dataclass
class Movie:
    """The index of a file: what its header says, its tracks as stored, and where the data that it names ends."""

    scale: int = 0
    ticks: int = 0  # 0: not said
    stored: list[_Stored] = field(default_factory=list)
    defaults: dict[int, Defaults] | None = None  # of fragments, if some may follow
    fragments: Fragments = field(default_factory=Fragments)
    is_partial: bool = False

    @property
    def data_end(self) -> int:
        return max([track.extent.end for track in self.stored] + [self.fragments.data_end])

    @property
    def places(self) -> Iterator[int]:
        """Some of the places where data of coded pictures begins."""
        for track in self.stored:
            if track.handler == b"vide" and track.entry.codec in _NEVER_ZERO:
                yield from track.extent.places


def read_media(source: ByteSource, container: str) -> Media:
    """The facts that the index holds.

    Raises:
        MediaError: there is no index, or it is damaged.
    """
    movie = read_index(source)
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


def read_index(source: ByteSource) -> Movie:
    """The index as it is stored. Raises as `read_media`."""
    moov = next((box for box in boxes(source, 0, FAR) if box.kind == b"moov"), None)
    if moov is None:
        raise MediaError("no header found: the file is incomplete or damaged")
    source.prefetch(moov)
    movie = Movie()
    try:
        for box in children(source, moov):
            _read_index_box(source, box, movie)
    except LimitReachedError:
        movie.is_partial = True
    if movie.defaults is not None:
        movie.fragments = read_fragments(source, moov.end, movie.defaults)
    movie.is_partial |= movie.fragments.is_partial or moov.end > source.size
    return movie


def _read_index_box(source: ByteSource, box: Box, movie: Movie) -> None:
    if box.kind == b"mvhd":
        movie.scale, ticks = source.unpack(box, ">12xII", ">20xIQ")
        movie.ticks = max(movie.ticks, 0 if ticks in _UNKNOWN else ticks)
    elif box.kind == b"trak":
        movie.stored.append(_Stored())
        _read_trak(source, box, movie.stored[-1])
    elif box.kind == b"mvex":  # fragments follow, which the movie header does not count
        movie.defaults = read_defaults(source, box)
        mehd = child(source, box, b"mehd")
        ticks = source.unpack(mehd, ">4xI", ">4xQ")[0] if mehd else 0
        movie.ticks = max(movie.ticks, 0 if ticks in _UNKNOWN else ticks)
    elif box.kind == b"cmov":  # old QuickTime files may compress their index
        movie.is_partial = True


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
    if track.handler in _PICTURES:
        track.entry = read_entry(source, child(source, stbl, b"stsd"))
    track.runs = read_durations(source, stbl)
    track.first = first_shown(source, stbl)
    track.extent = read_extent(source, stbl, minf, is_sound=track.handler == b"soun")


def _describe_track(track: _Stored, index: int, movie: Movie, *, is_chapter: bool) -> Track:
    parts = (track.runs, movie.fragments.runs.get(track.number))
    runs = Runs.of(pair for part in parts if part is not None for pair in part.pairs)
    has_samples = bool(track.runs and track.runs.count)
    first = track.first if has_samples else movie.fragments.first_shown.get(track.number, 0)
    shown = present(track.edits, movie.scale, _seconds(track, runs), Fraction(first, track.scale or 1), track.scale)
    found = Track(
        index,
        _KINDS.get(track.handler, "text" if track.handler in _TEXT else "data"),
        is_enabled=track.is_enabled,
        duration=shown.duration,
        start_offset=shown.start_offset,
    )
    if found.kind != "video":
        return found
    is_still = runs.count <= 1 and track.runs is not None and not movie.is_partial
    return _with_picture(found, track, runs, is_cover=is_still or is_chapter or track.handler == b"pict")


def _seconds(track: _Stored, runs: Runs) -> Fraction | None:
    """How long the samples of a track last: all of them added up, else as its header has it."""
    ticks = runs.ticks or track.stated
    return Fraction(ticks, track.scale) if ticks and track.scale else None


def _with_picture(found: Track, track: _Stored, runs: Runs, *, is_cover: bool) -> Track:
    rate, (width, height) = find_rate(runs, track.scale), _size(track)
    across, down, back, up = track.matrix
    if abs(down) > abs(across):  # it lies on its side
        width, height = height, width
    return replace(
        found,
        codec=track.entry.codec,
        is_cover=is_cover,
        frame_rate=rate.rate,
        is_variable_rate=rate.is_variable,
        width=width or None,
        height=height or None,
        is_upright=across >= abs(down) and across * up >= down * back,
        bit_depth=track.entry.bit_depth,
        hdr=track.entry.hdr,
    )


def _size(track: _Stored) -> tuple[int, int]:
    """As seen, but not yet turned: by the shape of the pixels, else by the track's header."""
    entry, (across, down) = track.entry, track.entry.aspect
    if entry.width and entry.height and across and down:
        return round(entry.width * across / down), entry.height
    return track.shown_size if all(track.shown_size) else (entry.width, entry.height)
