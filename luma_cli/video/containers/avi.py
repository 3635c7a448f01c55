"""The lists and chunks of AVI files (RIFF; OpenDML AVI 1.02)."""

import struct
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from luma_cli.video.containers.byte_source import BOX, FAR, Box, ByteSource
from luma_cli.video.containers.codecs import EIGHT_BITS, codecs
from luma_cli.video.media import Media, MediaError, Track

_KINDS = {b"vids": "video", b"auds": "audio", b"txts": "text"}
_DISABLED = 1  # flag of a stream header


class _Main(NamedTuple):
    """What the header says of the whole file; `all_frames` with those of further RIFF parts, 0 if there are none."""

    rate: Fraction | None = None
    frames: int = 0
    width: int = 0
    height: int = 0
    all_frames: int = 0


def chunks(source: ByteSource, start: int, end: int) -> Iterator[Box]:
    """Walk RIFF chunks; a list goes by the name of its type."""
    while end - start >= 8 and len(head := source.take(start, min(12, end - start))) >= 8:
        kind, size = struct.unpack("<4sI", head[:8])
        is_list = kind in (b"RIFF", b"LIST")
        source.count_parts(BOX)
        yield Box(head[8:] if is_list else kind, start + (12 if is_list else 8), min(start + 8 + size, end), start)
        start += 8 + size + size % 2


def read_media(source: ByteSource) -> Media:
    """The facts that the header holds.

    Raises:
        MediaError: there is no header, or it is damaged.
    """
    hdrl = next((box for box in chunks(source, 12, FAR) if box.kind == b"hdrl"), None)
    if hdrl is None:
        raise MediaError("no header found: the file is incomplete or damaged")
    source.prefetch(hdrl)
    main = _read_main(source, hdrl)
    streams = [chunk for chunk in chunks(source, hdrl.start, hdrl.end) if chunk.kind == b"strl"]
    tracks = tuple(_read_stream(source, chunk, index, main) for index, chunk in enumerate(streams))
    stated = float((main.all_frames or main.frames) / main.rate) if main.rate else 0.0
    ends = [track.start_offset + track.duration for track in tracks if track.duration]
    has_picture = any(track.kind == "video" and track.duration for track in tracks)
    # The main header rounds the rate to microseconds: the stream's own is exact.
    longest = max(ends if has_picture else [*ends, stated], default=0.0)
    return Media("avi", longest or None, tracks)


def _read_main(source: ByteSource, hdrl: Box) -> _Main:
    avih, odml = _child(source, hdrl, b"avih"), _child(source, hdrl, b"odml")
    dmlh = _child(source, odml, b"dmlh") if odml else None
    microseconds, frames, width, height = source.unpack(avih, "<I12xI12xII") if avih else (0, 0, 0, 0)
    rate = Fraction(1_000_000, microseconds) if microseconds else None
    return _Main(rate, frames, width, height, source.unpack(dmlh, "<I")[0] if dmlh else 0)


def _child(source: ByteSource, box: Box, kind: bytes) -> Box | None:
    return next((inner for inner in chunks(source, box.start, box.end) if inner.kind == kind), None)


def _read_stream(source: ByteSource, strl: Box, index: int, main: _Main) -> Track:
    """What a picture's own header leaves out is taken from the main one."""
    strh, strf = _child(source, strl, b"strh"), _child(source, strl, b"strf")
    if strh is None:
        return Track(index, "data")
    handler, flags, scale, rate, start, count = source.unpack(strh, "<4s4xI8xIIII")
    kind, pace = _KINDS.get(handler, "data"), Fraction(rate, scale) if scale and rate else None
    if kind == "video":
        pace, count = pace or main.rate, main.all_frames or count or main.frames
    track = Track(
        index,
        kind,
        is_enabled=not flags & _DISABLED,
        duration=float(count / pace) if pace and count else None,
        start_offset=float(start / pace) if pace else 0.0,
    )
    if kind != "video":
        return track
    track = replace(track, frame_rate=pace, is_cover=count == 1, width=main.width or None, height=main.height or None)
    return _with_format(source, strf, track) if strf else track


def _with_format(source: ByteSource, strf: Box, track: Track) -> Track:
    width, height, bits, name = source.unpack(strf, "<4xii2xH4s")
    text = name.decode("latin-1")
    codec = "rawvideo" if name == bytes(4) else codecs("riff").get(text.upper(), text.strip())
    is_8_bit = codec in EIGHT_BITS or (codec == "rawvideo" and bits <= 32)
    return replace(
        track,
        codec=codec,
        width=width or track.width,
        height=abs(height) or track.height,  # a picture stored top-down has a negative one
        bit_depth=8 if is_8_bit else None,
    )
