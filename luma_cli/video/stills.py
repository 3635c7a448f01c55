"""A few pictures of a clip as small JPEGs, for a page that says something in print and without playing."""

import logging
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from luma_cli.errors import LumaError
from luma_cli.video import headers
from luma_cli.video.ffmpeg import Ffmpeg, read_from, started
from luma_cli.video.media import MediaError

log = logging.getLogger(__name__)

MAX_SIDE = 320  # a third of a column on a page; a picture is then some 10 kB
MAX_SECONDS = 30.0  # for all pictures of one clip; a damaged clip may keep ffmpeg busy for ever
# How far before the end the search for the last frame begins: key frames are rarely further apart than seeking bears.
TAIL = 1.0
KINDS = frozenset({"mp4", "mov", "avi", "webm", "mkv", "mpegts", "gif"})
SCALE = f"scale={MAX_SIDE}:{MAX_SIDE}:force_original_aspect_ratio=decrease,format=yuvj420p"


def stills(path: Path, ffmpeg: Ffmpeg, count: int = 3, *, start: float = 0.0, end: float | None = None) -> list[bytes]:
    """The first frame, the last and those between, `count` in all, evenly over `start` to `end` in seconds.

    Fewer if the length is not known or ffmpeg cannot read all of the clip, which is then worth a line in the log only.
    """
    try:
        kind, duration = _facts(path)
        if kind not in KINDS or count < 1:
            return []
        spans = _spans(start, min(end or duration, duration) if duration else None, count)
        with tempfile.TemporaryDirectory(prefix="luma-stills-") as folder:
            targets = [Path(folder) / f"{number}.jpg" for number in range(len(spans))]
            _run(ffmpeg, _arguments(path, kind, spans, targets), path)
            return [target.read_bytes() for target in targets if target.exists() and target.stat().st_size]
    except OSError as error:
        log.info("no pictures of %s: %s", path.name, error)
        return []


def _facts(path: Path) -> tuple[str | None, float | None]:
    """What kind of file it is, and how long its picture plays."""
    kind = headers.sniff_file(path)
    try:
        media = headers.probe_file(path)
    except MediaError:
        return kind, None
    return kind, (media.picture.duration if media.picture else None) or media.duration


def _spans(start: float, end: float | None, count: int) -> list[tuple[float, float | None]]:
    """For each picture where reading begins, and for the last one how many seconds are looked through for it."""
    if end is None or end <= start or count == 1:
        return [(start, None)]
    between = [start + (end - start) * number / (count - 1) for number in range(count - 1)]
    tail = max(start, end - TAIL)
    return [*((time, None) for time in between), (tail, end - tail)]


def _arguments(
    path: Path, kind: str, spans: Sequence[tuple[float, float | None]], targets: Sequence[Path]
) -> list[str]:
    found = ["-y"]
    for start, length in spans:
        limit = [] if length is None else ["-t", f"{length:.3f}"]
        found += read_from(path, kind, "-threads", "1", "-ss", f"{start:.3f}", *limit)
    for number, ((_, length), target) in enumerate(zip(spans, targets, strict=True)):
        # The last frame is the first of the tail reversed; scaled before, so that the tail takes little memory.
        filters = SCALE if length is None else f"{SCALE},reverse"
        picture = ["-map", f"{number}:V:0", "-vf", filters, "-frames:v", "1", "-q:v", "6"]
        found += [*picture, "-f", "image2", "-update", "1", f"file:{target}"]
    return found


def _run(ffmpeg: Ffmpeg, arguments: list[str], path: Path) -> None:
    """What could be made is made, whatever the rest of it says."""
    try:
        with started(ffmpeg, arguments, f"make pictures of {path.name}") as process:
            process.wait(MAX_SECONDS)
    except (LumaError, subprocess.TimeoutExpired) as error:
        log.info("%s", error)
