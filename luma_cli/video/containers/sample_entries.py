"""The sample entries of MP4 and MOV: which codec a picture is in, and what its samples look like."""

import re
from collections.abc import Callable
from typing import NamedTuple

from luma_cli.video.containers.boxes import boxes, children
from luma_cli.video.containers.byte_source import Box, ByteSource
from luma_cli.video.containers.codecs import EIGHT_BITS, ENCRYPTED, codecs
from luma_cli.video.media import MediaError

_FIELDS = 78  # bytes before the boxes inside
_MAX_SETTINGS = 4096  # of a codec: parameter sets, elementary stream descriptors
_HDR = {16: "pq", 18: "hlg"}  # transfer characteristics, ITU-T H.273
_DEEP_PROFILES = (110, 122, 244)  # of H.264: ten bits or more, unless the settings say something else
# An elementary stream's descriptor (3), and in it that of its decoder (4), which begins with the object type.
_DESCRIPTORS = re.compile(rb"\x03[\x80-\xff]{,3}.{4}\x04[\x80-\xff]{,3}.(.)", re.DOTALL)


class SampleEntry(NamedTuple):
    """What the first sample entry of a picture says. `aspect` is the shape of a pixel, across and down."""

    codec: str | None = None
    width: int = 0
    height: int = 0
    aspect: tuple[int, int] = (0, 0)
    bit_depth: int | None = None
    hdr: str | None = None


NO_ENTRY = SampleEntry()


def read_entry(source: ByteSource, stsd: Box | None) -> SampleEntry:
    """The first entry of a picture's table, `NO_ENTRY` if there is none or it makes no sense."""
    try:
        entry = next(children(source, stsd, 8), None) if stsd else None
        return _read(source, entry) if entry else NO_ENTRY
    except MediaError:
        return NO_ENTRY


def _read(source: ByteSource, entry: Box) -> SampleEntry:
    inner = _inner(source, entry)
    codec = _codec(source, entry.kind.decode("latin-1"), inner.get(b"esds"))
    width, height = source.unpack(entry, ">24xHH")
    pasp, colr = inner.get(b"pasp"), inner.get(b"colr")
    across, down = source.unpack(pasp, ">II") if pasp else (0, 0)
    kind, transfer = source.unpack(colr, ">4s2xH") if colr else (b"", 0)
    hdr = _HDR.get(transfer) if kind in (b"nclx", b"nclc") else None
    return SampleEntry(codec, width, height, (across, down), _depth(source, entry.kind, inner, codec), hdr)


def _inner(source: ByteSource, entry: Box) -> dict[bytes, Box]:
    """The boxes in an entry; one of QuickTime ends with a nameless box, a few zeros or something that is no box."""
    found: dict[bytes, Box] = {}
    try:
        for box in boxes(source, entry.start + _FIELDS, entry.end):
            found.setdefault(box.kind, box)
    except MediaError:
        pass
    return found


def _codec(source: ByteSource, name: str, esds: Box | None) -> str:
    if name in ENCRYPTED:
        return "encrypted"
    if name == "mp4v" and esds and (found := _DESCRIPTORS.match(source.take(esds.start + 4, 16))):
        return codecs("object_types").get(found[1][0], f"mpeg4-{found[1].hex()}")
    return codecs("boxes").get(name, name.strip())


def _depth(source: ByteSource, name: bytes, inner: dict[bytes, Box], codec: str) -> int | None:
    if codec == "prores":
        return 12 if name in (b"ap4h", b"ap4x") else 10
    for kind, read in _SETTINGS.items():
        if box := inner.get(kind):
            try:
                return read(source.take(box.start, min(box.end - box.start, _MAX_SETTINGS)))
            except IndexError:  # they end before they say it
                return None
    return 8 if codec in EIGHT_BITS else None


def _of_avc(data: bytes) -> int:
    """From the profile High on it stands behind the parameter sets, if a writer of the file knew that."""
    place = 5
    for mask in (0x1F, 0xFF):  # how many sets of the sequence, and of pictures
        count, place = data[place] & mask, place + 1
        for _ in range(count):
            place += 2 + int.from_bytes(data[place : place + 2])
    if place + 3 <= len(data):
        return 8 + max(data[place + 1] & 7, data[place + 2] & 7)
    return 10 if data[1] in _DEEP_PROFILES else 8


_SETTINGS: dict[bytes, Callable[[bytes], int]] = {
    b"avcC": _of_avc,
    b"hvcC": lambda data: 8 + max(data[17] & 7, data[18] & 7),
    b"av1C": lambda data: 8 if not data[2] & 0x40 else 12 if data[2] & 0x20 else 10,
    b"vpcC": lambda data: data[6] >> 4,
}
