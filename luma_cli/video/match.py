"""Bring a result back to its source's frame rate, frame count and picture size."""

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from luma_cli.errors import FileError
from luma_cli.video.encode import Range, Shape, encode, even
from luma_cli.video.ffmpeg import Ffmpeg, OnSeconds
from luma_cli.video.frames import MIN_RATE, Footage, look
from luma_cli.video.trim import range_of
from luma_cli.video.trim_range import Trim

QUALITY = 16


class Goal(NamedTuple):
    """What a result is brought to. `is_average`: the source's rate varies."""

    rate: Fraction
    frame_count: int
    size: tuple[int, int]
    is_average: bool = False


def goal_of(footage: Footage, trim: Trim | None = None, max_seconds: float | None = None) -> Goal:
    """The rate, frame count and size of a source, or of the part of at most `max_seconds` that `trim` names.

    A variable rate becomes its average, at least 10.
    """
    size = even((footage.picture.width, footage.picture.height))
    count = footage.frame_count
    if trim is not None:
        count = range_of(footage, trim, max_seconds or float(footage.seconds)).count
    if not footage.is_variable:
        return Goal(footage.rate, count, size)
    rate = max(MIN_RATE, footage.timeline.average_rate)
    return Goal(rate, max(1, round(count / footage.rate * rate)), size, is_average=True)


def match(
    ffmpeg: Ffmpeg,
    result: Path,
    goal: Goal,
    target: Path,
    *,
    is_joinable: bool = False,
    on_seconds: OnSeconds | None = None,
) -> int:
    """Write `target`: the picture of `result`, without its sound, at the rate, frame count and size of `goal`.

    Each frame shows what the result shows at its time. Beyond the result's end its last frame is held; how many
    frames that are is returned. With `is_joinable` it is H.264 without a container, which `join` takes.

    Raises:
        FileError: ffmpeg cannot read the result, or the frames are not exact.
    """
    footage = look(ffmpeg, result, failure=FileError)
    shape = Shape(goal.rate, goal.size, QUALITY, is_joinable=is_joinable)
    cut = Range(0, goal.frame_count)
    doing = f"bring {result.name} back to its source's frames"
    encode(ffmpeg, footage, cut, shape, target, doing, failure=FileError, on_seconds=on_seconds)
    return max(0, goal.frame_count - round(footage.seconds * goal.rate))
