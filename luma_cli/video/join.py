"""Join pieces by copy, with the one original sound over the whole."""

import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from luma_cli import files
from luma_cli.errors import FileError, LumaError, reason
from luma_cli.video import movie_index
from luma_cli.video.ffmpeg import Ffmpeg, Need, OnSeconds, run
from luma_cli.video.sound import Laid, Sound, SoundReport, check_written, lay, ways_of

NEEDS = frozenset({Need.H264, Need.TIMING})
# How ffmpeg looks into the joined stream, whose facts we know: a few frames, by one decoder.
_LOOK = ("-threads", "1", "-probesize", "1M", "-fpsprobesize", "0")
# Ticks of a stream of H.264 without a container, as ffmpeg counts them.
TICK = Fraction(1, 1_200_000)


class JoinReport(NamedTuple):
    """`sound` is None if the source has none."""

    frame_count: int
    sound: SoundReport | None


def join(
    ffmpeg: Ffmpeg,
    pieces: Sequence[Path],
    rate: Fraction,
    frame_count: int,
    target: Path,
    *,
    sound: Sound | None,
    on_seconds: OnSeconds | None = None,
) -> JoinReport:
    """Write `target`, an MP4: the pieces that `match.bring_back` made, one after the other, and `sound` over them.

    Raises:
        FileError: ffmpeg fails, or the frames are not exactly `frame_count` at `rate`.
    """
    report = None
    for is_copied in ways_of(sound, "mp4") if sound else (False,):
        length = frame_count / rate
        laid = lay(sound, "mp4", length, TICK, is_copied=is_copied) if sound else None
        try:
            found = _join(ffmpeg, pieces, rate, target, laid, on_seconds)
        except LumaError:
            if not is_copied:
                raise
            continue
        report = SoundReport(sound.stream.codec, is_copied, sound.left_out) if sound else None
        break
    check_written(target)
    if found != frame_count:
        raise FileError(f"the joined clip has {found} frames instead of {frame_count}")
    return JoinReport(frame_count, report)


def _join(
    ffmpeg: Ffmpeg,
    pieces: Sequence[Path],
    rate: Fraction,
    target: Path,
    laid: Laid | None,
    on_seconds: OnSeconds | None,
) -> int:
    """How many frames were joined."""
    # One stream of H.264 without a container: there is no script that names files, and no time of a piece that could
    # shift the next. A frame's time is its number.
    # Ticks are whole, and versions differ in what they make of a wished timescale: a constant rate is near enough
    # here, and the exact one is written afterwards.
    stream, step = target.with_suffix(".h264"), f"round({rate.denominator}/{rate.numerator}/TB)"
    maps = ["-map", "0:0", "-c:v", "copy", "-bsf:v", f"setts=ts=N*{step}:duration={step}"]
    sound = [*laid.source, *maps, *laid.arguments] if laid else maps
    container = ["-map_metadata", "-1", "-map_chapters", "-1", "-y", "-f", "mp4", "-movflags", "+faststart"]
    fences = ["-protocol_whitelist", "file", "-format_whitelist", "h264"]
    picture = [*fences, *_LOOK, "-f", "h264", "-framerate", str(rate), "-i", f"file:{stream}"]
    try:
        _concatenate(pieces, stream, on_seconds)
        run(ffmpeg, ["-copyts", *picture, *sound, *container, f"file:{target}"], "join the pieces")
    finally:
        files.remove(stream)
    if laid:
        laid.correct(target)
    try:
        return movie_index.set_rate(target, rate)
    except OSError as error:
        raise FileError(f"cannot write {target.name}: {reason(error)}") from error
    except ValueError as error:
        raise FileError(f"cannot join the pieces: {error}") from error


def _concatenate(pieces: Sequence[Path], stream: Path, on_seconds: OnSeconds | None) -> None:
    try:
        with stream.open("wb") as whole:
            for number, piece in enumerate(pieces, 1):
                with piece.open("rb") as file:
                    shutil.copyfileobj(file, whole)
                if on_seconds is not None:
                    on_seconds(float(number), float(len(pieces)))
    except OSError as error:
        raise files.file_error(stream, error) from error
