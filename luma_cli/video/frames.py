"""What ffmpeg sees in a clip: its streams, the picture that plays, and when each of its frames is shown."""

import functools
import itertools
import math
import re
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from luma_cli.errors import LumaError, UsageError
from luma_cli.video import headers
from luma_cli.video.containers.timing import RATES, Runs, find_rate, is_lead
from luma_cli.video.ffmpeg import Ffmpeg, first_reason, kind_of, query, read_from, run

_PACKETS = ("-f", "framecrc", "pipe:1")  # see `_PacketReaders`
# Anchored at the line's beginning, before what a file says about itself. Streams of a program or group, as versions
# from 8 on show a picture with its time code, stand further in.
_STREAM = r"(?m)^ {2,6}Stream #0:(\d+)\S*: (Video|Audio|Subtitle|Data|Attachment|Unknown): (.*)$"
_ROTATION = r"(?m)^ {6,10}[Dd]isplay ?[Mm]atrix: rotation of (-?[\d.]+) degrees"
# What follows describes what is written, in lines like those of what is read.
_OUTPUT = r"(?m)^(?:Output #0|Stream mapping:)"
_DURATION = r"(?m)^  Duration: (\d+):(\d\d):(\d\d\.\d+)"
_DOLBY = r"(?m)^ {6,10}DOVI configuration record: .*?profile: (\d+)"
_TRANSFERS = {"smpte2084": "pq", "arib-std-b67": "hlg"}

MIN_RATE, MAX_RATE = Fraction(10), Fraction(60)  # of what is made of a variable rate
MAX_FRAMES = 3_000_000
MAX_SECONDS = 6 * 3600.0
NO_TIME = -(2**63)
DISCARD = 4  # ffmpeg's flag of a packet that is decoded and not shown


@dataclass(frozen=True)
class Stream:
    """One stream as ffmpeg describes it. `kind` is video, audio, subtitle, data, attachment or unknown.

    `width` and `height` are as seen: turned upright, with square pixels. `hdr` is "pq", "hlg" or None.
    """

    index: int
    kind: str
    codec: str
    is_default: bool
    is_cover: bool
    width: int = 0
    height: int = 0
    is_squeezed: bool = False  # its pixels are not square
    hdr: str | None = None
    is_interlaced: bool = False
    dolby_profile: int | None = None


@dataclass(frozen=True)
class Timeline:
    """When the packets of a stream are shown, in order, in ticks of `unit` seconds; `last` is the last length.

    `lead` is how much earlier than that the file shows the first one, which it holds for as much longer.
    """

    unit: Fraction
    ticks: "array[int]"
    last: int
    first_packet: int  # the first one in the file, whether it is shown or not
    lead: int = 0

    @property
    def count(self) -> int:
        return len(self.ticks)

    @property
    def start(self) -> Fraction:
        """Seconds."""
        return self.ticks[0] * self.unit

    @property
    def shown_from(self) -> Fraction:
        """Seconds."""
        return self.start - self.lead * self.unit

    @property
    def end(self) -> Fraction:
        """Seconds."""
        return (self.ticks[-1] + self.last) * self.unit

    @property
    def duration(self) -> Fraction:
        return self.end - self.start

    @functools.cached_property
    def constant_rate(self) -> Fraction | None:
        """The exact rate of the frames, None if it varies by more than the clock's rounding."""
        runs = Runs.of([1, after - before] for before, after in itertools.pairwise(self.ticks))
        runs.add(1, self.last)
        found = find_rate(runs, 1 / self.unit)
        return None if found.is_variable else found.rate

    @property
    def average_rate(self) -> Fraction:
        """Frames by time, with the time of the last one."""
        if self.duration <= 0:
            return Fraction(25)
        return (self.count / self.duration).limit_denominator(1001)

    def keeps_all(self, rate: Fraction) -> bool:
        """True if at this constant rate each frame has a time of its own."""
        (top, bottom), first = (rate * self.unit).as_integer_ratio(), self.ticks[0]
        slots = ((2 * (tick - first) * top + bottom) // (2 * bottom) for tick in self.ticks)
        return all(before < after for before, after in itertools.pairwise(slots))

    def is_on_grid(self, rate: Fraction) -> bool:
        """True if each frame begins with one of this constant rate, but for a tick of the clock."""
        (top, bottom), first = (rate * self.unit).as_integer_ratio(), self.ticks[0]
        slack = min(top, bottom // 4)
        return all(min((tick - first) * top % bottom, (first - tick) * top % bottom) <= slack for tick in self.ticks)


@dataclass(frozen=True)
class Footage:
    """A clip that ffmpeg can read: the picture that plays and the frames of it."""

    path: Path
    kind: str
    streams: tuple[Stream, ...]
    picture: Stream
    timeline: Timeline
    container_seconds: float

    @property
    def is_variable(self) -> bool:
        return self.timeline.constant_rate is None

    @functools.cached_property
    def rate(self) -> Fraction:
        """The constant rate that it has, or that loses none of its changes: 10 to 60 then."""
        if self.timeline.constant_rate is not None:
            return self.timeline.constant_rate
        keeping = [rate for rate in RATES if MIN_RATE <= rate <= MAX_RATE and self.timeline.keeps_all(rate)]
        # One whose frames begin where these do: 60 for 30 and 60 joined, though 59.94 loses nothing either.
        return next((rate for rate in keeping if self.timeline.is_on_grid(rate)), (keeping or [MAX_RATE])[0])

    @functools.cached_property
    def frame_count(self) -> int:
        """How many frames it has at that rate. Of a variable one the last lasts as long as it did."""
        if not self.is_variable:
            return self.timeline.count
        return max(1, round(self.seconds * self.rate))

    @property
    def seconds(self) -> Fraction:
        """How long the picture lasts."""
        if not self.is_variable:
            return self.frame_count / self.rate
        if self.timeline.last > 0:
            return self.timeline.duration
        # Matroska need not say how long the last frame lasts; then it is as long as the file says that it is.
        return max(self.timeline.duration, Fraction(self.container_seconds).limit_denominator(1000))


def first_frame(footage: Footage, start: float) -> int:
    """The number of the first frame that begins at or after `start` seconds."""
    exact = Fraction(start).limit_denominator(10**6) * footage.rate
    return max(0, math.ceil(exact - Fraction(1, 1000)))


class Survey(NamedTuple):
    """What one pass of ffmpeg tells of a file. `timelines` are those of its video streams, if it can copy all of them.

    `seconds` is how long the file says that it lasts, 0 if it does not. `complaint` says why there are no streams.
    """

    streams: tuple[Stream, ...]
    timelines: Mapping[int, Timeline]
    seconds: float
    complaint: str


def survey(ffmpeg: Ffmpeg, path: Path, kind: str, failure: type[LumaError], verb: str = "read") -> Survey:
    """The streams of a file, and the times of its pictures.

    Raises:
        failure: ffmpeg cannot read it.
    """
    file = path.stat()
    found = _survey(ffmpeg, path, kind, (file.st_ino, file.st_size, file.st_mtime_ns))
    if not found.streams:
        raise failure(f"ffmpeg cannot {verb} {path.name}: {found.complaint}")
    return found


@functools.lru_cache(maxsize=4)  # the steps of an edit look at the same few clips, and each look reads the whole file
def _survey(ffmpeg: Ffmpeg, path: Path, kind: str, _file: tuple[int, int, int]) -> Survey:
    # Streams and times at once: to start ffmpeg takes longer than to read a clip of 10 s.
    readers = _PacketReaders()
    arguments = ["-copyts", *read_from(path, kind, "-threads", "1"), "-map", "0:v?", "-c", "copy", *_PACKETS]
    said, is_read = query(ffmpeg, arguments, f"read {path.name}", readers.take)
    text = re.split(_OUTPUT, said, maxsplit=1)[0]
    by_index = {int(match[1]): match for match in re.finditer(_STREAM, text)}
    found = sorted(by_index.values(), key=lambda match: match.start())
    ends = (*(match.start() for match in found), len(text))[1:]
    streams = tuple(_stream(match, text[match.end() : end]) for match, end in zip(found, ends, strict=False))
    pictures = [stream.index for stream in streams if stream.kind == "video"] if is_read else []
    timelines = {index: readers.timeline(number) for number, index in enumerate(sorted(pictures))}
    duration = re.search(_DURATION, text)
    seconds = int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3]) if duration else 0.0
    return Survey(streams, timelines, seconds, first_reason(text))


def _stream(match: "re.Match[str]", details: str) -> Stream:
    index, kind, text = int(match[1]), match[2].lower(), match[3]
    codec = text.split(" ", 1)[0].rstrip(",")
    size, shape = re.search(r", (\d+)x(\d+)", text), re.search(r"SAR (\d+):(\d+)", text)
    rotation, dolby = re.search(_ROTATION, details), re.search(_DOLBY, details)
    width, height = (int(size[1]), int(size[2])) if size else (0, 0)
    squeeze = Fraction(int(shape[1]), int(shape[2])) if shape and int(shape[1]) and int(shape[2]) else Fraction(1)
    width = round(width * squeeze)
    if rotation and abs(float(rotation[1])) % 180 == 90:
        width, height = height, width
    return Stream(
        index,
        kind,
        codec,
        is_default="(default)" in text,
        is_cover="(attached pic)" in text or "(still image)" in text,
        width=width,
        height=height,
        is_squeezed=squeeze != 1,
        hdr=next((name for transfer, name in _TRANSFERS.items() if re.search(rf"\b{transfer}\b", text)), None),
        is_interlaced=bool(re.search(r"\b(top|bottom) (first|coded first)", text)),
        dolby_profile=int(dolby[1]) if dolby else None,
    )


def look(ffmpeg: Ffmpeg, path: Path, *, failure: type[LumaError] = UsageError, verb: str = "read") -> Footage:
    """The clip at `path`: MP4, MOV, AVI, Matroska, WebM, MPEG-TS or GIF. `verb` is what errors say cannot be done.

    Raises:
        failure: it has no picture, or ffmpeg cannot read it.
        UsageError: another kind of file.
        FileError: it cannot be opened.
    """
    kind = kind_of(path, verb)
    found = survey(ffmpeg, path, kind, failure, verb)
    pictures = [stream for stream in found.streams if stream.kind == "video" and not stream.is_cover and stream.width]
    shown = []
    for stream in pictures:
        times = found.timelines.get(stream.index)
        if times is None:  # the streams of this file cannot be read all at once
            times = _read(ffmpeg, path, kind, ["-map", f"0:{stream.index}", "-c", "copy"], failure).timeline(0)
        if times.count:
            shown.append((stream, _without_lead(times, kind)))
    if not shown:
        raise failure(f"{path.name} has no picture")
    # A still, as cameras and editors store one beside the picture, is none that plays.
    picture, timeline = max(shown, key=lambda pair: (pair[1].count > 1, pair[0].is_default, pair[1].duration))
    if timeline.count > MAX_FRAMES:
        raise failure(f"{path.name} has more than {MAX_FRAMES} frames")
    if timeline.duration > MAX_SECONDS:
        raise failure(f"{path.name} is longer than {MAX_SECONDS / 3600:.0f} hours")
    return Footage(path, kind, found.streams, picture, timeline, found.seconds)


def _without_lead(timeline: Timeline, kind: str) -> Timeline:
    """A first frame that lasts longer than the others by a container's doing, in a clip of a constant rate otherwise.

    AVI has slots, not times, and ffmpeg leaves the second one empty for encoders with a delay.
    """
    ticks = timeline.ticks
    if len(ticks) < 3:
        return timeline
    first, step = ticks[1] - ticks[0], ticks[2] - ticks[1]
    if kind == "avi" and first == 2 * step:
        without = replace(timeline, ticks=array("q", [ticks[0], *(tick - step for tick in ticks[1:])]))
    elif kind in headers.CONTAINERS and is_lead(first, step, 1 / timeline.unit):
        without = replace(timeline, ticks=array("q", [ticks[1] - step, *ticks[1:]]), lead=first - step)
    else:
        return timeline
    return timeline if without.constant_rate is None else without


def beginning_of_sound(
    ffmpeg: Ffmpeg, path: Path, kind: str, index: int, failure: type[LumaError]
) -> tuple[Timeline, Timeline]:
    """The first packets of a sound, and what comes out of its decoder first: the first sample that is heard.

    Raises:
        failure: ffmpeg cannot read it, or nothing of it is heard.
    """
    # An edit list may leave out any number of packets; where it does not, a few are enough.
    for few in (["-frames:0", "8"], []):
        both = ["-map", f"0:{index}", "-map", f"0:{index}", "-c:0", "copy", *few, "-frames:1", "1"]
        readers = _read(ffmpeg, path, kind, both, failure)
        if readers.timeline(1).count:
            return readers.timeline(0), readers.timeline(1)
    raise failure(f"nothing is heard of the sound of {path.name}")


def _read(ffmpeg: Ffmpeg, path: Path, kind: str, what: list[str], failure: type[LumaError]) -> "_PacketReaders":
    readers = _PacketReaders()
    arguments = ["-copyts", *read_from(path, kind), *what, *_PACKETS]
    run(ffmpeg, arguments, f"read {path.name}", failure=failure, on_line=readers.take)
    return readers


class _PacketReaders:
    """Takes the lines of ffmpeg's `framecrc`: `#tb 0: 1/30000`, then stream, dts, pts, duration, size, checksum."""

    def __init__(self) -> None:
        self._readers: defaultdict[int, _PacketReader] = defaultdict(_PacketReader)

    def take(self, line: bytes) -> None:
        if line.startswith(b"#tb "):
            number, _, unit = line[4:].partition(b":")
            self._readers[int(number)].unit = Fraction(unit.decode().strip())
        elif not line.startswith(b"#"):
            self._readers[int(line.partition(b",")[0])].take(line.split(b","))

    def timeline(self, number: int) -> Timeline:
        """Of the output stream of this number."""
        return self._readers[number].timeline


class _PacketReader:
    def __init__(self) -> None:
        self.unit = Fraction(1)
        self.first: int | None = None
        self.shown: array[int] = array("q")
        self.end = 0

    def take(self, fields: list[bytes]) -> None:
        if len(self.shown) > MAX_FRAMES:
            return
        dts, pts, duration = (int(value) for value in fields[1:4])
        pts = dts if pts == NO_TIME else pts  # AVI knows no other
        self.first = pts if self.first is None else self.first
        if not _is_discarded(fields[6:]):
            self.shown.append(pts)
            self.end = max(self.end, pts + max(duration, 0)) if len(self.shown) > 1 else pts + max(duration, 0)

    @property
    def timeline(self) -> Timeline:
        ticks = array("q", sorted(self.shown))
        last = max(self.end - ticks[-1], 0) if ticks else 0
        return Timeline(self.unit, ticks, last, self.first or 0)


def _is_discarded(extras: Iterable[bytes]) -> bool:
    flags = next((extra.strip() for extra in extras if extra.strip().startswith(b"F=")), b"F=0x1")
    return bool(int(flags[2:], 16) & DISCARD)
