"""Cut a clip to what the model takes, by frames."""

import math
from fractions import Fraction
from pathlib import Path

from luma_cli.errors import UsageError
from luma_cli.video import headers
from luma_cli.video.encode import Range, Shape, encode, sound_of
from luma_cli.video.ffmpeg import Ffmpeg, OnSeconds
from luma_cli.video.frames import Footage, first_frame, look
from luma_cli.video.trim_range import Trim

# Higher than x264's own: what is cut is edited, and then encoded anew at kie.ai.
QUALITY = 17


def trimmed(
    ffmpeg: Ffmpeg,
    path: Path,
    trim: Trim,
    max_seconds: float,
    target: Path,
    *,
    on_seconds: OnSeconds | None = None,
) -> Path:
    """Write `target`, an MP4 of the part of the clip that `trim` names, of `max_seconds` at most; gives its path.

    A clip that fits as it is is given back itself: cutting encodes anew, which costs quality.

    Raises:
        UsageError: ffmpeg cannot read the clip, or nothing is left of it.
        FileError: the clip cannot be read, or there is no room for the other one.
    """
    footage = look(ffmpeg, path, verb="trim")
    if _fits(footage, trim, max_seconds):
        return path
    cut = range_of(footage, trim, max_seconds)
    sound = sound_of(ffmpeg, path, footage.kind, footage.streams)
    shape = Shape(footage.rate, quality=QUALITY)
    encode(ffmpeg, footage, cut, shape, target, f"trim {path.name}", sound=sound, on_seconds=on_seconds)
    return target


def range_of(footage: Footage, trim: Trim, max_seconds: float) -> Range:
    """The frames that `trim` names: whole ones only, so that their time is `max_seconds` at most.

    Raises:
        UsageError: there is none.
    """
    first = first_frame(footage, trim.start)
    wanted = max_seconds if trim.end is None else min(max_seconds, trim.end - trim.start)
    # A hair more: 10 s of 25 frames a second are 250 of them, however the seconds were rounded.
    longest = math.floor(Fraction(wanted).limit_denominator(10**6) * footage.rate + Fraction(1, 1000))
    count = min(longest, footage.frame_count - first)
    if count < 1:
        raise UsageError(
            f"nothing is left of {footage.path.name} after {trim.start:g} s: it is {float(footage.seconds):.1f} s long",
            hint="--trim with an earlier START",
        )
    return Range(first, count)


def _fits(footage: Footage, trim: Trim, max_seconds: float) -> bool:
    seconds = max(float(footage.seconds), footage.container_seconds)
    is_whole = trim.start == 0 and (trim.end is None or trim.end >= seconds)
    return is_whole and footage.kind in headers.CONTAINERS and seconds <= max_seconds + headers.ROUNDING
