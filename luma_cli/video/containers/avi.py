"""The lists and chunks of AVI files (RIFF; OpenDML AVI 1.02)."""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from luma_cli.video.containers.byte_source import BOX, FAR, Box, ByteSource
from luma_cli.video.containers.codecs import BY_RIFF, WAVE_FORMATS
from luma_cli.video.media import Media, MediaError, Track

_KINDS = {b"vids": "video", b"auds": "audio", b"txts": "text"}
_DISABLED = 1  # flag of a stream header
_INDEX_ENTRY = 16
_EIGHT_BITS = ("mjpeg", "mpeg4", "msmpeg4v3", "msmpeg4v2", "dvvideo")


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
    media = _read_hdrl(source, hdrl)
    return media if media.duration else _with_index(source, media)


def _with_index(source: ByteSource, media: Media) -> Media:
    """A header that was never finished says 0 frames: those of the index are counted."""
    idx1 = next((box for box in chunks(source, 12, FAR) if box.kind == b"idx1"), None)
    if idx1 is None:
        return media
    count = (min(idx1.end, source.size) - idx1.start) // _INDEX_ENTRY
    counts = Counter(name[:2] for (name,) in source.entries(idx1, 0, count, "4s12x"))
    tracks = []
    for track in media.tracks:
        frames = counts[b"%02d" % track.index]
        if track.kind == "video" and frames and track.frame_rate:
            length = float(frames / track.frame_rate)
            track = replace(track, frame_count=frames, duration=length, is_cover=frames == 1)
        tracks.append(track)
    longest = max((track.duration for track in tracks if track.duration), default=None)
    return media._replace(duration=longest, tracks=tuple(tracks))


def _read_hdrl(source: ByteSource, hdrl: Box) -> Media:
    main = (0, 0, 0, 0)  # microseconds, frames, width, height
    total = 0
    tracks: list[Track] = []
    for chunk in chunks(source, hdrl.start, hdrl.end):
        if chunk.kind == b"avih":
            main = source.unpack(chunk, "<I12xI12xII")
        elif chunk.kind == b"strl":
            tracks.append(_read_stream(source, chunk, len(tracks)))
        elif chunk.kind == b"odml":  # counts all frames; the main header those of the first RIFF part alone
            dmlh = _child(source, chunk, b"dmlh")
            total = source.unpack(dmlh, "<I")[0] if dmlh else 0
    microseconds, frames, width, height = main
    rate = Fraction(1_000_000, microseconds) if microseconds else None
    tracks = [_with_main(track, rate, total, frames, width, height) for track in tracks]
    stated = float((total or frames) / rate) if rate else 0.0
    ends = [track.start_offset + track.duration for track in tracks if track.duration]
    has_picture = any(track.kind == "video" and track.duration for track in tracks)
    # The main header rounds the rate to microseconds: the stream's own is exact.
    longest = max(ends if has_picture else [*ends, stated], default=0.0)
    return Media("avi", longest or None, tuple(tracks))


def _child(source: ByteSource, box: Box, kind: bytes) -> Box | None:
    return next((inner for inner in chunks(source, box.start, box.end) if inner.kind == kind), None)


def _read_stream(source: ByteSource, strl: Box, index: int) -> Track:
    strh, strf = _child(source, strl, b"strh"), _child(source, strl, b"strf")
    if strh is None:
        return Track(index, "data")
    handler, flags, scale, rate, start, count = source.unpack(strh, "<4s4xI8xIIII")
    kind = _KINDS.get(handler, "data")
    pace = Fraction(rate, scale) if scale and rate else None
    track = Track(
        index,
        kind,
        is_enabled=not flags & _DISABLED,
        duration=float(count / pace) if pace and count else None,
        start_offset=float(start / pace) if pace else 0.0,
        frame_count=count or None,
    )
    if kind == "video":
        return _with_picture(source, strf, replace(track, frame_rate=pace))
    return _with_sound(source, strf, track) if kind == "audio" else track


def _with_picture(source: ByteSource, strf: Box | None, track: Track) -> Track:
    if strf is None:
        return track
    width, height, bits, name = source.unpack(strf, "<4xii2xH4s")
    height = abs(height)  # a picture stored top-down has a negative one
    text = name.decode("latin-1")
    codec = BY_RIFF.get(text.upper()) or ("rawvideo" if name == bytes(4) else text.strip())
    is_known = text.upper() in BY_RIFF or name == bytes(4)
    return replace(
        track,
        codec=codec,
        is_known_codec=is_known,
        width=width or None,
        height=height or None,
        coded_width=width or None,
        coded_height=height or None,
        bit_depth=8 if codec in _EIGHT_BITS or (codec == "rawvideo" and bits <= 32) else None,
        is_cover=track.frame_count == 1,
    )


def _with_sound(source: ByteSource, strf: Box | None, track: Track) -> Track:
    if strf is None:
        return track
    tag, channels, rate = source.unpack(strf, "<HHI")
    codec = WAVE_FORMATS.get(tag)
    return replace(
        track,
        codec=codec or f"0x{tag:04x}",
        is_known_codec=codec is not None,
        channels=channels or None,
        sample_rate=rate or None,
    )


def _with_main(track: Track, rate: Fraction | None, total: int, frames: int, width: int, height: int) -> Track:
    """What the stream's own header leaves out, from the main one."""
    if track.kind != "video":
        return track
    pace = track.frame_rate or rate
    count = total or track.frame_count or frames or None
    return replace(
        track,
        frame_rate=pace,
        frame_count=count,
        duration=float(count / pace) if count and pace else None,
        width=track.width or width or None,
        height=track.height or height or None,
        is_cover=count == 1,
    )
