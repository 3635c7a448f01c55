"""Make a clip into what the model takes: H.264, 8 bit, SDR, constant rate, upright, small enough."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from luma_cli.api.models import Limits
from luma_cli.video.encode import Range, Shape, encode, limited, sound_of
from luma_cli.video.ffmpeg import Ffmpeg, OnSeconds
from luma_cli.video.frames import Footage, look
from luma_cli.video.media import Media
from luma_cli.video.trim import range_of
from luma_cli.video.trim_range import Trim

# Higher than x264's own: what is made is edited, and then encoded anew at kie.ai.
QUALITY = 17
MAX_LATE = 0.05  # seconds that a picture may begin after its file, before a service may show them


class Doubt(NamedTuple):
    """Something of a clip that the service may not read, and --fit repairs; `name` is that of the check for it."""

    name: str
    what: str
    why: str


class FitReport(NamedTuple):
    """The rate and size that `fitted` has made. `was_variable`: of the rate."""

    rate: Fraction
    width: int
    height: int
    was_variable: bool


def reasons(media: Media, limits: Limits, size: int) -> tuple[str, ...]:
    """Why a clip of `size` bytes does not fit the model as it is, in words; empty if it does.

    A clip whose headers do not say something is taken to fit in that.
    """
    found = [] if media.container in limits.containers else [f"it is {media.container}"]
    found += [doubt.what for doubt in doubts(media, limits)]
    picture = media.picture
    if picture is not None and picture.start_offset > MAX_LATE:
        found.append(f"its picture begins {picture.start_offset:.2f} s late")
    if extra := _extra_tracks(media):
        found.append(f"it has other tracks ({', '.join(extra)})")
    if size > limits.max_upload_bytes:
        found.append(f"it has {size / 1e6:.0f} MB")
    return tuple(found)


def doubts(media: Media, limits: Limits) -> Iterator[Doubt]:
    """What of its picture the model may not take."""
    picture = media.picture
    if picture is None:
        return
    if picture.codec not in (None, "h264"):
        yield Doubt("codec", f"its codec is {picture.codec}", "which kie.ai may not read")
    if picture.hdr:
        yield Doubt("hdr", f"it is HDR ({picture.hdr.upper()})", "which kie.ai may show grey or glaring")
    elif picture.bit_depth is not None and picture.bit_depth > 8:
        yield Doubt("bit-depth", f"it has {picture.bit_depth} bits a colour", "which kie.ai may not read")
    if picture.is_variable_rate:
        about = f"about {float(picture.frame_rate):.2f} a second" if picture.frame_rate else "which kie.ai may not keep"
        yield Doubt("frame-rate", "its frame rate varies", about)
    if not picture.is_upright:
        yield Doubt("rotation", "it is upright by its header only", "which kie.ai may ignore")
    if not picture.width or not picture.height:
        return
    size, (long, short) = f"{picture.width}x{picture.height}", _largest(limits)
    if max(picture.width, picture.height) > long or min(picture.width, picture.height) > short:
        most = "1080p" if limits.max_side is None else f"{limits.max_side} pixels a side"
        yield Doubt("picture-size", f"{size} is more than {most}", "which kie.ai may not take")
    if picture.width % 2 or picture.height % 2:
        yield Doubt("picture-size", f"{size} is an odd size", "which kie.ai may not take")


def _largest(limits: Limits) -> tuple[int, int]:
    """The longer and the shorter side at most: the model's, else 1080p, whichever way the picture stands."""
    return (1920, 1080) if limits.max_side is None else (limits.max_side, limits.max_side)


def _extra_tracks(media: Media) -> list[str]:
    """All but one picture and one sound."""
    sound = next((track for track in media.tracks if track.kind == "audio"), None)
    return [track.kind for track in media.tracks if track not in (media.picture, sound)]


def fitted(
    ffmpeg: Ffmpeg,
    path: Path,
    limits: Limits,
    target: Path,
    *,
    trim: Trim | None = None,
    on_seconds: OnSeconds | None = None,
) -> FitReport:
    """Write `target`, an MP4 of the clip that fits the model; the original is not changed.

    With `trim` only that part of it, so that it is encoded once for both.

    Raises:
        UsageError: it cannot be made, with the reason.
        FileError: a file cannot be read or written.
    """
    footage = look(ffmpeg, path, verb="fit")
    shape = shape_of(footage, limits)
    cut = Range(0, footage.frame_count) if trim is None else range_of(footage, trim, limits.max_seconds)
    sound, most = sound_of(ffmpeg, path, footage.kind, footage.streams), limits.max_upload_bytes
    doing = f"fit {path.name}"
    encode(ffmpeg, footage, cut, shape, target, doing, sound=sound, max_bytes=most, on_seconds=on_seconds)
    width, height = shape.size or (0, 0)
    return FitReport(shape.rate, width, height, footage.is_variable)


def shape_of(footage: Footage, limits: Limits, *, quality: int = QUALITY) -> Shape:
    """The rate and size that the clip gets: its own if they fit."""
    seen = (footage.picture.width, footage.picture.height)
    return Shape(footage.rate, limited(seen, *_largest(limits)), quality)
