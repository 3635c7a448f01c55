"""Join pieces by copy, with the one original sound over the whole."""

import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from luma_cli import files
from luma_cli.errors import FileError
from luma_cli.video import movie_index
from luma_cli.video.encode import ratio
from luma_cli.video.ffmpeg import Ffmpeg, OnSeconds, read_from, run
from luma_cli.video.sound import Laid, Sound, check_written, lay

# How ffmpeg looks into the joined stream, whose facts we know: a few frames, by one decoder.
_LOOK = ("-threads", "1", "-probesize", "1M", "-fpsprobesize", "0")
# Ticks of a stream of H.264 without a container, as ffmpeg counts them.
TICK = Fraction(1, 1_200_000)


def join(
    ffmpeg: Ffmpeg,
    pieces: Sequence[Path],
    rate: Fraction,
    frame_count: int,
    target: Path,
    *,
    sound: Sound | None,
    on_seconds: OnSeconds | None = None,
) -> None:
    """Write `target`, an MP4: the pieces that `match` made joinable, one after the other, and `sound` over them.

    Raises:
        FileError: ffmpeg fails, or the frames are not exactly `frame_count` at `rate`.
    """
    # One stream of H.264 without a container: there is no script that names files, and no time of a piece that could
    # shift the next. A frame's time is its number.
    stream = target.with_suffix(".h264")
    # Ticks are whole, and versions differ in what they make of a wished timescale: a constant rate is near enough
    # here, and the exact one is written afterwards.
    step = f"round({ratio(1 / rate)}/TB)"
    container = ["-map_metadata", "-1", "-map_chapters", "-1", "-y", "-f", "mp4", "-movflags", "+faststart"]

    def write(laid: Laid) -> None:
        source = read_from(stream, "h264", *_LOOK, "-framerate", str(rate))
        picture = ["-map", "0:0", "-c:v", "copy", "-bsf:v", f"setts=ts=N*{step}:duration={step}"]
        arguments = ["-copyts", *source, *laid.source, *picture, *laid.arguments, *container]
        run(ffmpeg, [*arguments, f"file:{target}"], "join the pieces")

    try:
        _concatenate(pieces, stream, on_seconds)
        if sound is None:
            write(Laid([], []))
        else:
            lay(sound, target, "mp4", frame_count / rate, TICK, write)
    finally:
        files.remove(stream)
    found = movie_index.set_rate(target, rate)
    check_written(target)
    if found != frame_count:
        raise FileError(f"the joined clip has {found} frames instead of {frame_count}")


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
