"""Where to cut a clip that is longer than the model takes, and cut it."""

import math
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from luma_cli.api.models import Limits
from luma_cli.errors import UsageError
from luma_cli.video.encode import Range, encode, ratio
from luma_cli.video.ffmpeg import Ffmpeg, OnSeconds, read_from, run
from luma_cli.video.fit import shape_of
from luma_cli.video.frames import Footage

# Visually lossless: the model sees what the source has.
QUALITY = 14
# A cut may come this much earlier than it must, if the scene changes there.
WINDOW = 3
# ffmpeg's own threshold of `scdet`, in per cent of change.
SCENE_SCORE = 10.0


def plan_cuts(frame_count: int, rate: Fraction, limits: Limits, scenes: Iterable[int] = ()) -> tuple[Range, ...]:
    """The fewest pieces within the model's lengths. `scenes` are the first frames of scenes.

    Each cut is at the last scene change in its piece's last 3 s, if that costs no piece more.

    Raises:
        UsageError: the model's shortest and longest length leave no way to cut it.
    """
    longest = math.floor(_exact(limits.max_seconds) * rate)
    shortest = max(1, math.ceil(_exact(limits.min_seconds) * rate))
    number = max(1, -(-frame_count // max(1, longest)))
    if not number * shortest <= frame_count:
        raise UsageError(
            f"a clip of {float(frame_count / rate):.1f} s cannot be cut into pieces of "
            f"{limits.min_seconds:g} to {limits.max_seconds:g} s",
            hint="--trim",
        )
    pieces, first, changes = [], 0, sorted(scenes)
    for left in range(number - 1, -1, -1):
        rest = frame_count - first
        most = min(longest, rest - left * shortest)
        least = max(shortest, rest - left * longest, math.ceil(most - WINDOW * rate))
        found = [scene - first for scene in changes if least <= scene - first <= most]
        length = (found[-1] if found else most) if left else rest
        pieces.append(Range(first, length))
        first += length
    return tuple(pieces)


def _exact(seconds: float) -> Fraction:
    return Fraction(seconds).limit_denominator(10**6)


def find_scenes(ffmpeg: Ffmpeg, footage: Footage, on_seconds: OnSeconds | None = None) -> tuple[int, ...]:
    """The numbers of the frames with which a scene begins.

    Raises:
        UsageError: ffmpeg cannot read the clip.
    """
    found: list[int] = []
    frame, total = 0, float(footage.seconds)

    def take(line: bytes) -> None:
        nonlocal frame
        name, _, value = line.partition(b"=")
        if line.startswith(b"frame:"):
            frame = int(line.split()[1].partition(b":")[2])
            if on_seconds is not None:
                on_seconds(min(float(frame / footage.rate), total), total)
        elif name == b"lavfi.scd.score" and float(value) >= SCENE_SCORE and frame:
            found.append(frame)

    filters = [
        f"setpts=round(PTS-{ratio(footage.timeline.start)}/TB)",
        f"fps={ratio(footage.rate)}",
        "scale=160:90:flags=fast_bilinear,format=yuv420p,scdet=threshold=100,metadata=mode=print:file=-",
    ]
    arguments = ["-copyts", *read_from(footage.path, footage.kind), "-map", f"0:{footage.picture.index}"]
    arguments += ["-vf", ",".join(filters), "-f", "null", "-"]
    run(ffmpeg, arguments, f"find the scenes of {footage.path.name}", failure=UsageError, on_line=take)
    return tuple(found)


def cut_piece(
    ffmpeg: Ffmpeg, footage: Footage, cut: Range, limits: Limits, target: Path, *, on_seconds: OnSeconds | None = None
) -> None:
    """Write the frames of `cut` to `target`, an MP4 without sound that the model takes.

    Raises:
        UsageError: ffmpeg cannot read the clip, or the frames are not exact.
        FileError: the disk is full.
    """
    shape, doing = shape_of(footage, limits, quality=QUALITY), f"cut a piece of {footage.path.name}"
    encode(ffmpeg, footage, cut, shape, target, doing, max_bytes=limits.max_upload_bytes, on_seconds=on_seconds)
