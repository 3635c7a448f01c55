"""What the headers of MP4, MOV and AVI files say, read in a few small pieces and never trusted."""

import os
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

Read = Callable[[int, int], bytes]
EXTENSIONS = {"mp4": ".mp4", "mov": ".mov", "avi": ".avi", "webm": ".webm", "mkv": ".mkv", "gif": ".gif"}

HEAD = 4096
# What the service takes (vendor page "Generate Luma Modify Video").
CONTAINERS = ("mp4", "mov", "avi")
MAX_SECONDS = 10.0
# Containers round up to whole frames: a clip cut to 10 s says 10.04.
ROUNDING = 0.1
PROBE_READS, PROBE_WINDOW = 64, 8192  # each read is a Range request, and most headers fit in one
WALK_READS, WALK_WINDOW = 65_536, 256  # ends the walk of a file that is nothing but tiny boxes
FAR = 1 << 62  # no file reaches it, and a signed 64-bit seek still takes it

# The first that matches. Old QuickTime files have no ftyp and begin with any of their boxes.
_KINDS = (
    (rb"\x89PNG\r\n\x1a\n", "png"),
    (rb"\xff\xd8\xff", "jpeg"),
    (rb"GIF8[79]a", "gif"),
    (rb"\x1aE\xdf\xa3.{,60}?\x42\x82.{1,8}webm", "webm"),
    (rb"\x1aE\xdf\xa3", "mkv"),
    (rb"RIFF.{4}AVI ", "avi"),
    (rb"(\xef\xbb\xbf)?\s*(?=<).*?<(?i:!doctype html|html|head|body|title|meta|script)\b", "html"),
    (rb'(\xef\xbb\xbf)?\s*(\{\s*["}]|\[\s*([\[\]{"\d-]|true|false|null))', "json"),
    (rb"([\t-\r\x1b -~]|[\xc2-\xf4][\x80-\xbf]{1,3})+[\xc2-\xf4]?[\x80-\xbf]{,2}\Z", "text"),
    (rb".{4}ftypqt  ", "mov"),
    (rb".{4}ftyp(heic|heix|mif1|msf1|avif|avis|crx |M4A |M4B )", None),
    (rb".{4}(ftyp|styp|sidx|moof)", "mp4"),
    (rb".{4}(moov|mdat|wide|free|skip|pnot)", "mov"),
)


class MediaError(ValueError):
    """The file is not what it should be, or its headers do not tell."""


@dataclass(frozen=True)
class Media:
    """A video as its headers describe it. `duration` is in seconds; None is what they do not tell."""

    container: str
    duration: float | None
    width: int | None
    height: int | None


def sniff(head: bytes) -> str | None:
    """Name what a file is by its first 16 to 4096 bytes: one of `EXTENSIONS`, png, jpeg, html, json, text or None."""
    return next((name for start, name in _KINDS if re.match(start, head[:HEAD], re.DOTALL)), None)


def probe(read: Read, size: int | None) -> Media:
    """Read the headers of an MP4, MOV or AVI file of `size` bytes (None: unknown).

    `read(offset, length)` gives at most `length` bytes, fewer only at the end; its own errors pass through.
    It is called 64 times at most, for half a MiB in all. A picture's size is the stored one: rotation is not applied.

    Raises:
        MediaError: another kind of file, no header found, or a damaged one.
    """
    source = _Source(read, size, PROBE_READS, PROBE_WINDOW)
    container = sniff(source.take(0, HEAD))
    if container not in ("mp4", "mov", "avi"):
        raise MediaError(f"not MP4, MOV or AVI: {container or 'an unknown kind of file'}")
    is_avi = container == "avi"
    header = _first(_chunks(source, 12, FAR), b"hdrl") if is_avi else _first(_boxes(source, 0, FAR), b"moov")
    if not header:
        raise MediaError("no header found: the file is incomplete or damaged")
    return _probe_hdrl(source, header) if is_avi else _probe_moov(source, header, container)


def check_whole(path: Path) -> None:
    """Return if the container of the video at `path` reaches exactly to the end of the file.

    MP4, MOV and AVI are walked; WebM, Matroska and GIF pass by their first bytes. A file cut exactly between
    two fragments, or two RIFF parts, is a valid shorter file and passes.

    Raises:
        MediaError: not a video, incomplete, or damaged.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:

        def read(offset: int, length: int) -> bytes:
            return file.read(length) if file.seek(offset) == offset else b""

        source = _Source(read, os.fstat(file.fileno()).st_size, WALK_READS, WALK_WINDOW)
        kind = sniff(source.take(0, HEAD))
        if kind not in EXTENSIONS:
            raise MediaError(f"not a video: {(kind or 'an unknown kind of file') if source.size else 'an empty file'}")
        walk = {"mp4": _end_of_boxes, "mov": _end_of_boxes, "avi": _end_of_riff}.get(kind)
        if walk and (end := walk(source)) != source.size:
            raise MediaError(f"incomplete or damaged: {source.size} bytes instead of {end}")


class _Box(NamedTuple):
    kind: bytes
    start: int  # of the contents
    end: int


class _Source:
    """Bytes by offset, fetched a window at a time until the reads are used up."""

    def __init__(self, read: Read, size: int | None, reads: int, window: int) -> None:
        self.size = FAR if size is None else size
        self._read, self._reads, self._window = read, reads, window
        self._start, self._bytes = 0, b""

    def take(self, offset: int, length: int) -> bytes:
        """Give `length` bytes, fewer where the file ends."""
        length = min(length, self.size - offset)
        if length > 0 and not self._start <= offset <= offset + length <= self._start + len(self._bytes):
            if not self._reads:
                raise MediaError("the file has too many parts")
            self._reads -= 1
            wanted = min(max(length, self._window), self.size - offset)
            self._start, self._bytes = offset, self._read(offset, wanted)
            if len(self._bytes) < wanted:  # the end, beyond which a server answers 416
                self.size = offset + len(self._bytes)
        return self._bytes[offset - self._start :][:length] if length > 0 else b""

    def unpack(self, box: _Box, layout: str, long_layout: str = "") -> tuple[Any, ...]:
        """Give the fields of `box`, by the long layout where its first byte, the version, is 1."""
        layout = long_layout if long_layout and self.unpack(box, "B") == (1,) else layout
        length = struct.calcsize(layout)
        data = self.take(box.start, min(length, box.end - box.start))
        if len(data) < length:
            raise MediaError("the header is incomplete")
        return struct.unpack(layout, data)


def _boxes(source: _Source, start: int, end: int) -> Iterator[_Box]:
    """Walk ISO boxes: each step goes forward by 8 bytes or more, and none beyond `end`, whatever the sizes say."""
    while end - start >= 8 and len(head := source.take(start, min(16, end - start))) >= 8:
        size, kind = struct.unpack(">I4s", head[:8])
        header = 16 if size == 1 else 8
        # 1: the size has 64 bits and follows. 0: the box reaches to the end.
        size = int.from_bytes(head[8:]) if size == 1 else size or min(end, source.size) - start
        # A download's reserved space, all zeros, would else pass for a nameless box that reaches to the end.
        if size < header or len(head) < header or not re.fullmatch(rb"[\x20-\x7e\xa9]{4}", kind):
            raise MediaError(f"damaged: there is no box {kind.decode('latin-1')!a} of {size} bytes")
        yield _Box(kind, start + header, min(start + size, end))
        start += size


def _chunks(source: _Source, start: int, end: int) -> Iterator[_Box]:
    """Walk RIFF chunks as `_boxes` does; a list goes by the name of its type."""
    while end - start >= 8 and len(head := source.take(start, min(12, end - start))) >= 8:
        kind, size = struct.unpack("<4sI", head[:8])
        is_list = kind in (b"RIFF", b"LIST")
        yield _Box(head[8:] if is_list else kind, start + (12 if is_list else 8), min(start + 8 + size, end))
        start += 8 + size + size % 2


def _first(boxes: Iterator[_Box], *kinds: bytes) -> _Box | None:
    return next((box for box in boxes if box.kind in kinds), None)


def _probe_moov(source: _Source, moov: _Box, container: str) -> Media:
    scale = ticks = 0
    extended = width = height = None
    for box in _boxes(source, moov.start, moov.end):
        if box.kind == b"mvhd":
            scale, ticks = source.unpack(box, ">12xII", ">20xIQ")
        elif box.kind == b"trak" and not (width and height):
            width, height = _picture(source, box)
        elif box.kind == b"mvex":  # fragments follow, which the movie header does not count
            mehd = _first(_boxes(source, box.start, box.end), b"mehd")
            extended = source.unpack(mehd, ">4xI", ">4xQ")[0] if mehd else 0
    ticks = ticks if extended is None else extended
    is_known = scale and ticks not in (0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
    return Media(container, ticks / scale if is_known else None, width, height)


def _picture(source: _Source, trak: _Box) -> tuple[int | None, int | None]:
    tkhd, mdia = (_first(_boxes(source, trak.start, trak.end), kind) for kind in (b"tkhd", b"mdia"))
    hdlr = mdia and _first(_boxes(source, mdia.start, mdia.end), b"hdlr")
    if not tkhd or not hdlr or source.unpack(hdlr, "8x4s") != (b"vide",):
        return None, None
    width, height = source.unpack(tkhd, ">76xII", ">88xII")
    return width >> 16 or None, height >> 16 or None


def _probe_hdrl(source: _Source, hdrl: _Box) -> Media:
    main = video = (0, 0, 0, 0, 0)  # scale, rate, frames, width, height
    total = 0
    for chunk in _chunks(source, hdrl.start, hdrl.end):
        if chunk.kind == b"avih":
            microseconds, *others = source.unpack(chunk, "<I12xI12xII")
            main = (microseconds, 1_000_000, *others)
        elif chunk.kind == b"strl" and not any(video):
            video = _video_stream(source, chunk)
        elif chunk.kind == b"odml":  # counts all frames; the main header those of the first RIFF part alone
            dmlh = _first(_chunks(source, chunk.start, chunk.end), b"dmlh")
            total = source.unpack(dmlh, "<I")[0] if dmlh else 0
    scale, rate = video[:2] if all(video[:2]) else main[:2]
    frames = total or video[2] or main[2]
    duration = frames * scale / rate if frames and scale and rate else None
    return Media("avi", duration, video[3] or main[3] or None, video[4] or main[4] or None)


def _video_stream(source: _Source, strl: _Box) -> tuple[int, int, int, int, int]:
    strh, strf = (_first(_chunks(source, strl.start, strl.end), kind) for kind in (b"strh", b"strf"))
    kind, scale, rate, frames = source.unpack(strh, "<4s16xII4xI") if strh else (b"", 0, 0, 0)
    if kind != b"vids":
        return 0, 0, 0, 0, 0
    width, height = source.unpack(strf, "<4xii") if strf else (0, 0)
    return scale, rate, frames, abs(width), abs(height)  # a picture stored top-down has a negative height


def _end_of_boxes(source: _Source) -> int:
    end, has_index, has_data = 0, False, False
    for box in _boxes(source, 0, FAR):
        end = box.end
        if box.kind == b"moof":
            has_index, has_data = True, False  # the data of a fragment follows it
        elif box.kind == b"moov":
            has_index |= _first(_boxes(source, box.start, box.end), b"mvhd", b"cmov") is not None
        has_data |= box.kind == b"mdat"
    if not has_index or not has_data:
        raise MediaError(f"incomplete: no {'media data (mdat)' if has_index else 'index (moov)'}")
    return end


def _end_of_riff(source: _Source) -> int:
    end, kinds = 0, set()
    for part in _chunks(source, 0, FAR):
        if source.take(end, 4) != b"RIFF":
            raise MediaError("damaged: something else follows the AVI")
        end = part.end if part.end == source.size else part.end + part.end % 2  # the last pad byte may be missing
        if part.kind == b"AVI ":
            kinds |= {chunk.kind for chunk in _chunks(source, part.start, part.end)}
    if not kinds >= {b"hdrl", b"movi"}:
        raise MediaError("incomplete: no header (hdrl) or no media data (movi)")
    return end
