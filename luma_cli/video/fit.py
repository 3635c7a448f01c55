"""Make a clip into what the model takes: H.264, 8 bit, SDR, constant rate, upright, small enough."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from luma_cli.api.models import Limits
from luma_cli.video.encode import Range, Shape, encode_within, limited, sound_of
from luma_cli.video.ffmpeg import Ffmpeg, Need, OnSeconds
from luma_cli.video.frames import Footage, look
from luma_cli.video.media import Media
from luma_cli.video.trim import range_of
from luma_cli.video.trim_range import Trim

NEEDS = frozenset({Need.H264, Need.AAC, Need.TIMING})
LONG_SIDE, SHORT_SIDE = 1920, 1080  # 1080p, whichever way the picture stands
# Higher than x264's own: what is made is edited, and then encoded anew at kie.ai.
QUALITY = 17


@dataclass(frozen=True)
class FitReport:
    """What `fitted` made: the reasons for it, and the rate and size that came of it. `was_variable`: of the rate."""

    reasons: tuple[str, ...]
    rate: Fraction
    frame_count: int
    width: int
    height: int
    was_variable: bool


def reasons(media: Media, limits: Limits, size: int) -> tuple[str, ...]:
    """Why a clip of `size` bytes does not fit the model as it is, in words; empty if it does.

    A clip whose headers do not say something is taken to fit in that.
    """
    found = []
    if media.container not in limits.containers:
        found.append(f"it is {media.container}")
    if media.codec not in (None, "h264"):
        found.append(f"its codec is {media.codec}")
    if media.hdr:
        found.append(f"it is HDR ({media.hdr.upper()})")
    elif media.bit_depth is not None and media.bit_depth > 8:
        found.append(f"it has {media.bit_depth} bits a colour")
    if media.is_variable_rate:
        found.append("its frame rate varies")
    found += _shape_reasons(media)
    if extra := _extra_tracks(media):
        found.append(f"it has other tracks ({', '.join(extra)})")
    if size > limits.max_upload_bytes:
        found.append(f"it has {size / 1e6:.0f} MB")
    return tuple(found)


def _shape_reasons(media: Media) -> list[str]:
    found = []
    picture = media.picture
    if picture is None:
        return []
    if picture.rotation or picture.is_mirrored:
        found.append("it is upright by its header only")
    if picture.width and picture.height:
        if max(picture.width, picture.height) > LONG_SIDE or min(picture.width, picture.height) > SHORT_SIDE:
            found.append(f"{picture.width}x{picture.height} is more than 1080p")
        if picture.width % 2 or picture.height % 2:
            found.append(f"{picture.width}x{picture.height} is an odd size")
    return found


def _extra_tracks(media: Media) -> list[str]:
    """All but one picture and one sound."""
    kept = {track.index for track in (media.picture, media.sound) if track is not None}
    return [track.kind for track in media.tracks if track.index not in kept]


def fitted(
    ffmpeg: Ffmpeg,
    path: Path,
    why: tuple[str, ...],
    limits: Limits,
    target: Path,
    *,
    trim: Trim | None = None,
    on_seconds: OnSeconds | None = None,
) -> FitReport:
    """Write `target`, an MP4 of the clip that fits the model, for the reasons `why`; the original is not changed.

    With `trim` only that part of it, so that it is encoded once for both.

    Raises:
        UsageError: it cannot be made, with the reason.
        FileError: a file cannot be read or written.
    """
    footage = look(ffmpeg, path, verb="fit")
    shape = shape_of(footage, limits)
    cut = Range(0, footage.frame_count) if trim is None else range_of(footage, trim, limits.max_seconds)
    encode_within(
        ffmpeg,
        footage,
        cut,
        shape,
        target,
        f"fit {path.name}",
        max_bytes=limits.max_upload_bytes,
        sound=sound_of(ffmpeg, path, footage.kind, footage.streams),
        on_seconds=on_seconds,
    )
    width, height = shape.size or (0, 0)
    return FitReport(why, shape.rate, cut.count, width, height, footage.is_variable)


def shape_of(footage: Footage, limits: Limits, *, quality: int = QUALITY) -> Shape:
    """The rate and size that the clip gets: its own if they fit."""
    seen = (footage.picture.width, footage.picture.height)
    long_side = min(LONG_SIDE, limits.max_side or LONG_SIDE)
    return Shape(footage.rate, limited(seen, long_side, min(SHORT_SIDE, long_side)), quality)
