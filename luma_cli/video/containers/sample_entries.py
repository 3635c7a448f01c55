"""The sample entries of MP4 and MOV: which codec a track is in, and what its samples look like."""

import struct
from typing import NamedTuple

from luma_cli.video.containers.bits import HDR, Depth, h264_depth, hevc_depth
from luma_cli.video.containers.boxes import boxes, children
from luma_cli.video.containers.byte_source import Box, ByteSource
from luma_cli.video.containers.codecs import BY_BOX, ENCRYPTED, OBJECT_TYPES, PRORES_DEPTHS
from luma_cli.video.media import MediaError

_PICTURE_FIELDS, _SOUND_FIELDS = 78, 28  # before the boxes inside
_SOUND_FIELDS_BY_VERSION = {1: 16, 2: 36}  # QuickTime adds these
_EIGHT_BITS = ("mjpeg", "mpeg4", "vp8", "h263", "dvvideo", "mpeg2video")
_MAX_SETTINGS = 4096  # of a codec: parameter sets, elementary stream descriptors


class SampleEntry(NamedTuple):
    """What the first sample entry of a track says. `aspect` is the shape of a pixel, across and down."""

    codec: str | None
    is_known_codec: bool
    width: int | None = None
    height: int | None = None
    aspect: tuple[int, int] | None = None
    bit_depth: int | None = None
    hdr: str | None = None
    channels: int | None = None
    sample_rate: int | None = None
    priming: int = 0  # samples that the codec itself says to drop


def read_entry(source: ByteSource, stsd: Box | None, handler: bytes) -> SampleEntry | None:
    """The first entry of a track's table, None if there is none or it makes no sense."""
    if stsd is None:
        return None
    try:
        entry = next(children(source, stsd, 8), None)
        if entry is None:
            return None
        return _read(source, entry, handler)
    except MediaError:
        return None


def _read(source: ByteSource, entry: Box, handler: bytes) -> SampleEntry:
    name = entry.kind.decode("latin-1")
    codec, is_known = BY_BOX.get(name, name.strip()), name in BY_BOX
    if name in ENCRYPTED:
        codec, is_known = "encrypted", False
    if handler == b"soun":
        return _read_sound(source, entry, codec, is_known=is_known)
    if handler in (b"vide", b"pict"):
        return _read_picture(source, entry, codec, is_known=is_known)
    return SampleEntry(codec, is_known)


def _read_picture(source: ByteSource, entry: Box, codec: str, *, is_known: bool) -> SampleEntry:
    width, height = source.unpack(entry, ">24xHH")
    inner = _inner(source, entry, _PICTURE_FIELDS)
    codec = _object_type(source, inner.get(b"esds"), codec)
    depth = _depth(source, entry, inner, codec)
    pasp = inner.get(b"pasp")
    aspect = source.unpack(pasp, ">II") if pasp else (0, 0)
    return SampleEntry(
        codec,
        is_known,
        width or None,
        height or None,
        (aspect[0], aspect[1]) if all(aspect) else None,
        depth.bits,
        _curve(source, inner.get(b"colr")) or depth.hdr,
    )


def _read_sound(source: ByteSource, entry: Box, codec: str, *, is_known: bool) -> SampleEntry:
    version, channels, rate = source.unpack(entry, ">8xH6xH6xI")
    rate >>= 16
    if version == 2:
        rate, channels = (int(value) for value in _finite(source.unpack(entry, ">32xdI")))
    inner = _inner(source, entry, _SOUND_FIELDS + _SOUND_FIELDS_BY_VERSION.get(version, 0))
    if wave := inner.get(b"wave"):
        inner = {**_inner(source, wave, 0), **inner}
    esds = inner.get(b"esds")
    opus = inner.get(b"dOps")
    priming = source.unpack(opus, ">2xH")[0] if opus else 0
    codec = _object_type(source, esds, codec)
    return SampleEntry(codec, is_known, channels=channels or None, sample_rate=rate or None, priming=priming)


def _finite(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(value if 0 <= value < 1 << 32 else 0 for value in values)


def _inner(source: ByteSource, entry: Box, skip: int) -> dict[bytes, Box]:
    """The boxes in an entry; one of QuickTime ends with a nameless box, a few zeros or something that is no box."""
    found: dict[bytes, Box] = {}
    try:
        for box in boxes(source, entry.start + skip, entry.end):
            found.setdefault(box.kind, box)
    except MediaError:
        pass
    return found


def _object_type(source: ByteSource, esds: Box | None, codec: str) -> str:
    """The codec that a descriptor names: `mp4a` and `mp4v` stand for several."""
    if esds is None or codec not in ("aac", "mpeg4"):
        return codec
    data = source.take(esds.start + 4, min(esds.end - esds.start - 4, _MAX_SETTINGS))
    place = 0
    while place < len(data):
        tag, place = data[place], place + 1
        while place < len(data) and data[place] & 0x80:  # the size, seven bits a byte
            place += 1
        place += 1
        if tag == 3 and place + 3 <= len(data):
            flags = data[place + 2]
            url = 1 + data[place + 3] if flags & 0x40 and place + 3 < len(data) else 0
            place += 3 + 2 * (flags >> 7) + url + 2 * (flags >> 5 & 1)
        elif tag == 4 and place < len(data):
            return OBJECT_TYPES.get(data[place], f"{codec}-{data[place]:02x}")
        else:
            break
    return codec


def _curve(source: ByteSource, colr: Box | None) -> str | None:
    if colr is None or source.take(colr.start, 4) not in (b"nclx", b"nclc"):
        return None
    return HDR.get(source.unpack(colr, ">6xH")[0])


def _depth(source: ByteSource, entry: Box, inner: dict[bytes, Box], codec: str) -> Depth:
    if codec == "prores":
        return Depth(PRORES_DEPTHS.get(entry.kind.decode("latin-1"), 10))
    for kind, read in ((b"avcC", _of_avc), (b"hvcC", _of_hevc), (b"av1C", _of_av1), (b"vpcC", _of_vp)):
        if box := inner.get(kind):
            depth = read(source.take(box.start, min(box.end - box.start, _MAX_SETTINGS)))
            return Depth(depth.bits, depth.hdr or _dolby_curve(source, inner))
    return Depth(8) if codec in _EIGHT_BITS else Depth()


def _dolby_curve(source: ByteSource, inner: dict[bytes, Box]) -> str | None:
    """Profile 5 of Dolby Vision has no layer that others can show: its curve is PQ."""
    dolby = inner.get(b"dvcC") or inner.get(b"dvvC")
    return "pq" if dolby and source.unpack(dolby, "2xB")[0] >> 1 == 5 else None


def _of_avc(data: bytes) -> Depth:
    if len(data) < 8 or not data[5] & 31:
        return Depth()
    (length,) = struct.unpack_from(">H", data, 6)
    return h264_depth(data[8 : 8 + length])


def _of_hevc(data: bytes) -> Depth:
    if len(data) < 23:
        return Depth()
    stated = 8 + max(data[17] & 7, data[18] & 7)
    place = 23
    for _ in range(data[22]):
        if place + 3 > len(data):
            break
        unit_kind, count = data[place] & 63, int.from_bytes(data[place + 1 : place + 3])
        place += 3
        for _ in range(count):
            length = int.from_bytes(data[place : place + 2])
            if unit_kind == 33 and length:
                depth = hevc_depth(data[place + 2 : place + 2 + length])
                return Depth(depth.bits or stated, depth.hdr)
            place += 2 + length
            if place >= len(data):
                break
    return Depth(stated)


def _of_av1(data: bytes) -> Depth:
    if len(data) < 4:
        return Depth()
    return Depth(8 if not data[2] & 0x40 else 12 if data[2] & 0x20 else 10)


def _of_vp(data: bytes) -> Depth:
    """Of VP8 and VP9, after the box's version and flags."""
    return Depth(data[6] >> 4, HDR.get(data[8])) if len(data) >= 9 else Depth()
