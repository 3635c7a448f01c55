"""What the first bytes and the headers of a clip mean for an edit, wherever the clip is."""

from collections.abc import Iterator

from luma_cli.api.models import MIN_SECONDS, Limits
from luma_cli.errors import Finding
from luma_cli.video import fit, headers
from luma_cli.video.media import Media

ERROR, WARNING = "error", "warning"
FIT = "--fit makes it fit"
# What AVI, which the service documents, usually holds is not doubted either.
_USUAL_CODECS = ("mpeg4", "mjpeg")
_SOUNDS = "a clip needs a picture: give a video"


def find_kind(kind: str | None, *, is_empty: bool, hint: str) -> Finding | None:
    """What is wrong with a kind of file that is not MP4, MOV or AVI. `hint` makes a clip of another container fit."""
    if kind in headers.CONTAINERS:
        return None
    if kind == "html":
        return Finding("url-share-page", ERROR, "a web page, not a video", "give a direct link, or the file itself")
    if kind in headers.EXTENSIONS:
        return Finding("not-a-video", ERROR, f"not MP4, MOV or AVI but {headers.name_of(kind)}", hint)
    if kind == "lfs":
        message = "a Git LFS pointer, not the clip that it stands for"
        return Finding("not-a-video", ERROR, message, "fetch the clip itself: git lfs pull")
    if kind in headers.AUDIO:
        return Finding("no-picture", ERROR, f"{headers.name_of(kind)}: there is no picture in it", _SOUNDS)
    what = "empty" if is_empty else f"not MP4, MOV or AVI but {headers.name_of(kind)}"
    return Finding("not-a-video", ERROR, what, "give a clip in MP4, MOV or AVI")


def find_picture(media: Media) -> Finding | None:
    """Is there a picture that moves, and can it be read."""
    if media.picture is None:
        if media.is_partial:
            return None
        stills = [track for track in media.tracks if track.kind == "video"]
        message = "its only picture is a still" if stills else "there is no picture in it"
        return Finding("no-picture", ERROR, message, _SOUNDS)
    if media.picture.codec == "encrypted":
        return Finding("encrypted", ERROR, "its picture is encrypted", "give a clip without copy protection")
    return None


def find_length(media: Media, limits: Limits, *, may_be_longer: bool, hint: str) -> Iterator[Finding]:
    """`may_be_longer`: it is cut into pieces."""
    duration = media.duration
    if duration is None:
        yield Finding("duration-unknown", WARNING, "its length is not in its header")
        return
    if duration > limits.max_seconds + headers.ROUNDING:
        if not may_be_longer:
            yield Finding("too-long", ERROR, f"{duration:.1f} s long, kie.ai takes {limits.max_seconds:g} s", hint)
    elif media.may_be_longer:
        yield Finding("duration-unknown", WARNING, "its length cannot be determined: the file has too many parts")
    if too_short := find_too_short(duration, limits):
        yield too_short


def find_too_short(duration: float, limits: Limits) -> Finding | None:
    """By the vendor's own limit: what stands in the row of every model is ours, for pieces of a clip."""
    if limits.min_seconds <= MIN_SECONDS or duration >= limits.min_seconds - headers.ROUNDING:
        return None
    message = f"{duration:.1f} s long, the model takes {limits.min_seconds:g} s at least"
    return Finding("too-short", ERROR, message, "give a longer clip, or another --model")


def find_sides(media: Media, limits: Limits, *, is_fitted: bool) -> Iterator[Finding]:
    """What the vendor documents about the size of a picture, as seen."""
    if not media.width or not media.height:
        return
    size, (short, long) = f"{media.width}x{media.height}", sorted((media.width, media.height))
    if limits.min_side is not None and short < limits.min_side:
        message = f"{size} pixels, the model takes {limits.min_side} on the short side at least"
        yield Finding("picture-size", ERROR, message, "give a larger picture, or another --model")
    if limits.max_side is not None and long > limits.max_side and not is_fitted:
        message = f"{size} pixels, the model takes {limits.max_side} on the long side at most"
        yield Finding("picture-size", ERROR, message, FIT)


def find_doubts(media: Media, limits: Limits, hint: str) -> Iterator[Finding]:
    """What the service may not read, and --fit repairs."""
    is_refused = limits.max_side is not None and max(media.width or 0, media.height or 0) > limits.max_side
    for doubt in fit.doubts(media, limits):
        is_said = doubt.name == "picture-size" and is_refused
        if not (doubt.name == "codec" and media.codec in _USUAL_CODECS) and not is_said:
            yield Finding(doubt.name, WARNING, f"{doubt.what}, {doubt.why}", hint)
    rate = media.frame_rate
    if rate is not None and limits.min_frame_rate is not None and rate <= limits.min_frame_rate:
        message = f"{float(rate):g} frames a second, the model takes more than {limits.min_frame_rate:g}"
        yield Finding("frame-rate", WARNING, message, "give a clip with more frames a second, or another --model")
