"""Join pieces by copy, with the one original sound over the whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from luma_cli.errors import FileError, LumaError, reason
from luma_cli.video import movie_index
from luma_cli.video.ffmpeg import Ffmpeg, Need, OnSeconds, read_from, run, started
from luma_cli.video.frames import list_times
from luma_cli.video.sound import Laid, Sound, SoundReport, check_written, lay, ways_of

NEEDS = frozenset({Need.H264, Need.TIMING})
# Ticks of a stream of H.264 without a container, as ffmpeg counts them.
TICK = Fraction(1, 1_200_000)


@dataclass(frozen=True)
class JoinReport:
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
            _join(ffmpeg, pieces, rate, target, laid, on_seconds)
        except LumaError:
            if not is_copied:
                raise
            continue
        report = SoundReport(sound.stream.codec, is_copied, sound.left_out) if sound else None
        break
    check_written(target)
    check_frames(ffmpeg, target, rate, frame_count)
    return JoinReport(frame_count, report)


def check_frames(ffmpeg: Ffmpeg, path: Path, rate: Fraction, frame_count: int) -> None:
    """Return if the picture of an MP4 of ours has exactly so many frames, each at its time.

    Raises:
        FileError: it has not.
    """
    times = list_times(ffmpeg, path, "mp4", 0, failure=FileError)
    if times.count != frame_count:
        raise FileError(f"the joined clip has {times.count} frames instead of {frame_count}")
    step = 1 / (rate * times.unit)
    if any(tick != number * step for number, tick in enumerate(times.ticks)):
        raise FileError(f"the joined clip is not at {rate} frames a second throughout")


def _join(
    ffmpeg: Ffmpeg,
    pieces: Sequence[Path],
    rate: Fraction,
    target: Path,
    laid: Laid | None,
    on_seconds: OnSeconds | None,
) -> None:
    # One stream of H.264 without a container, through a pipe: there is no script that names files, and no time of a
    # piece that could shift the next. A frame's time is its number.
    # Ticks are whole, and versions differ in what they make of a wished timescale: a constant rate is near enough
    # here, and the exact one is written afterwards.
    step = f"round({rate.denominator}/{rate.numerator}/TB)"
    stream = ["-protocol_whitelist", "pipe", "-format_whitelist", "h264", "-f", "h264", "-framerate", str(rate)]
    maps = ["-map", "0:0", "-c:v", "copy", "-bsf:v", f"setts=ts=N*{step}:duration={step}"]
    sound = [*laid.source, *maps, *laid.arguments] if laid else maps
    container = ["-map_metadata", "-1", "-map_chapters", "-1", "-y", "-f", "mp4", "-movflags", "+faststart"]
    arguments = ["-copyts", *stream, "-i", "pipe:0", *sound, *container, f"file:{target}"]
    with started(ffmpeg, arguments, "join the pieces", is_fed=True) as process:
        assert process.stdin is not None  # noqa: S101
        for number, piece in enumerate(pieces):
            unpacked = ["-map", "0:0", "-c", "copy", "-bsf:v", "h264_mp4toannexb", "-f", "h264", "pipe:1"]
            doing = f"join {piece.name}"
            try:
                run(ffmpeg, [*read_from(piece, "mp4"), *unpacked], doing, stdout=process.stdin)
            except LumaError:
                if process.poll() is None:
                    raise
                break  # nobody reads any more: the reason is the reader's, and comes at the end of the block
            if on_seconds is not None:
                on_seconds(float(number + 1), float(len(pieces)))
        process.stdin.close()
    if laid:
        laid.correct(target)
    try:
        movie_index.set_rate(target, rate)
    except OSError as error:
        raise FileError(f"cannot write {target.name}: {reason(error)}") from error
    except ValueError as error:
        raise FileError(f"cannot join the pieces: {error}") from error
