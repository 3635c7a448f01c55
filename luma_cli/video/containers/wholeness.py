"""Whether a file holds all that its container says, and what is merely odd about it."""

import logging
import re
from collections.abc import Sequence

from luma_cli.video.containers import avi, mp4
from luma_cli.video.containers.boxes import boxes, child
from luma_cli.video.containers.byte_source import FAR, ByteSource, LimitReachedError
from luma_cli.video.media import MediaError

# What may stand at the top of an MP4 or MOV file. Something else that does not fit in is no box but bytes of somebody.
_TOP = frozenset(
    b"ftyp styp moov mdat free skip wide moof mfra sidx ssix meta udta uuid pdin bloc prft emsg pnot imda meco".split()
)
_BRAND = re.compile(
    rb"iso[0-9a-z]|mp4[12]|mp71|avc[1-9]|hvc1|hev1|av01|qt  |M4[VA][ HP]|F4[VP] |f4v |MSNV|XAVC|nds[chmpsx]|mmp4|dby1"
    rb"|3g[2egprs][0-9a-z]|dash|dsms|ms(dh|ix)|cm[f2][2cfsl0-9]|caep|CAEP|kddi|pana|mj[p2][2s]|piff|lmsg|risx"
)
# What a download that was stopped, or a disk that failed, leaves of a file whose size is known beforehand.
HOLLOW = "incomplete: there are only zeros where pictures should be"
_BEGINNING = 16
log = logging.getLogger(__name__)


def check_boxes(source: ByteSource) -> list[str]:
    """What is odd about a whole MP4 or MOV file.

    Raises:
        MediaError: it is incomplete or damaged.
    """
    end, is_fragmented = _walk(source)
    if end > source.size:
        raise MediaError(f"incomplete or damaged: {source.size} bytes instead of {end}")
    warnings = _check_index(source)
    head = source.take(0, 12)
    if head[4:8] == b"ftyp" and not _BRAND.fullmatch(head[8:12]):
        warnings.append(f"unknown brand {head[8:12].decode('latin-1')!a}")
    if left := source.size - end:
        if is_fragmented and _may_be_cut(source.take(end, 8)):
            raise MediaError(f"incomplete or damaged: {left} bytes of another fragment")
        warnings.append(_trailing(left))
    return warnings


def _walk(source: ByteSource) -> tuple[int, bool]:
    """Where the last box ends, and whether the file has fragments."""
    end, has_index, has_data, is_fragmented = 0, False, False, False
    try:
        for box in boxes(source, 0, FAR):
            if box.kind not in _TOP and box.end > source.size and has_index and has_data:
                break
            end = box.end
            if box.kind == b"moof":
                has_index, has_data, is_fragmented = True, False, True  # the data of a fragment follows it
            elif box.kind == b"moov":
                has_index |= child(source, box, b"mvhd", b"cmov") is not None
            has_data |= box.kind in (b"mdat", b"imda")
    except LimitReachedError:
        raise
    except MediaError:
        if not has_index or not has_data:
            raise
    if not has_index or not has_data:
        raise MediaError(f"incomplete: no {'media data (mdat)' if has_index else 'index (moov)'}")
    return end, is_fragmented


def _check_index(source: ByteSource) -> list[str]:
    """The end of a box may be patched, or reach to the end of any file: only the index knows where its data is."""
    try:
        index = mp4.read_index(source)
    except LimitReachedError as error:
        log.info("the index is too large to be compared with the data: %s", error)
        return []
    except MediaError as error:
        return [str(error)]
    if index.data_end > source.size:
        raise MediaError(f"incomplete: its index names {index.data_end} bytes, {source.size} are there")
    return [HOLLOW] if _is_hollow(source, tuple(index.places)) else []


def _is_hollow(source: ByteSource, places: Sequence[int]) -> bool:
    """One place alone may be that of a dropped picture of 0 bytes, with a silence behind it."""
    zeros = sum(not any(source.take(place, _BEGINNING)) for place in places)
    return zeros > 1 or zeros == len(places) > 0


def _may_be_cut(rest: bytes) -> bool:
    """True if what is left may be the beginning of a fragment. Four zeros begin none."""
    return len(rest) < 8 and (len(rest) < 4 or any(rest))


def _trailing(count: int) -> str:
    return f"{count} byte{'' if count == 1 else 's'} after its last box"


def check_riff(source: ByteSource) -> list[str]:
    """What is odd about a whole AVI file.

    Raises:
        MediaError: it is incomplete or damaged.
    """
    end, kinds, warnings = 0, set(), []
    for part in avi.chunks(source, 0, FAR):
        if source.take(part.offset, 4) != b"RIFF":
            break
        end = part.end if part.end == source.size else part.end + part.end % 2  # the last pad byte may be missing
        if part.kind == b"AVI ":
            kinds |= {chunk.kind for chunk in avi.chunks(source, part.start, part.end)}
    if not kinds >= {b"hdrl", b"movi"}:
        raise MediaError("incomplete: no header (hdrl) or no media data (movi)")
    rest = source.take(end, 4)
    if end > source.size or (rest and b"RIFF".startswith(rest)):
        raise MediaError(f"incomplete or damaged: {source.size} bytes instead of {end}")
    if rest:
        warnings.append(_trailing(source.size - end))
    return warnings
