"""Cut a clip to what the service takes, with ffmpeg where that is installed."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from luma_cli import signals
from luma_cli.errors import FileError, UsageError, reason
from luma_cli.video import headers

# ffmpeg's name of the demuxer for what the first bytes are. Named, since a playlist that poses as a clip could else
# make ffmpeg put other files of the user's into the result.
_DEMUXERS = {"mp4": "mov", "mov": "mov", "avi": "avi", "webm": "matroska", "mkv": "matroska", "gif": "gif"}

OnSeconds = Callable[[float, float], None]  # seconds done, seconds in all


def check_ffmpeg() -> str:
    """Where ffmpeg is.

    Raises:
        UsageError: it is not installed.
    """
    found = shutil.which("ffmpeg")
    if found is None:
        raise UsageError("--trim needs ffmpeg, which is not installed", hint="install it from https://ffmpeg.org")
    return found


@contextmanager
def trimmed(path: Path, start: float, on_seconds: OnSeconds) -> Iterator[Path]:
    """An MP4 of at most 10 s of the clip, from `start` seconds on; it is gone after the block.

    A clip that fits as it is is given back itself: cutting encodes anew, which costs quality.

    Raises:
        UsageError: ffmpeg is missing or cannot read the clip, or nothing is left after `start`.
        FileError: the clip cannot be read, or there is no room for the other one.
    """
    try:
        kind = _kind(path)
        if start == 0 and _fits(path, kind):
            yield path
            return
        folder = tempfile.mkdtemp(prefix="luma-trim-")
    except OSError as error:
        raise FileError(f"cannot trim {path.name}: {reason(error)}") from error
    try:
        target = Path(folder) / f"{path.stem}.mp4"
        _run(_command(path, kind, start, target), on_seconds, path, Path(folder) / "log")
        _check_result(path, target)
        yield target
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _kind(path: Path) -> str:
    with path.open("rb") as file:
        kind = headers.sniff(file.read(headers.HEAD))
    if kind not in _DEMUXERS:
        raise UsageError(f"{path.name} is {kind or 'an unknown kind of file'}, not a video that can be trimmed")
    return kind


def _fits(path: Path, kind: str) -> bool:
    if kind not in headers.CONTAINERS:
        return False
    duration = _duration(path)
    return duration is not None and duration <= headers.MAX_SECONDS + headers.ROUNDING


def _duration(path: Path) -> float | None:
    with path.open("rb") as file:

        def read(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        try:
            return headers.probe(read, path.stat().st_size).duration
        except headers.MediaError:
            return None


def _command(path: Path, kind: str, start: float, target: Path) -> list[str]:
    # The protocol is named, as the demuxer is. `file:` makes a name that begins with a dash, or has a colon, a name.
    quiet = [check_ffmpeg(), "-nostdin", "-v", "error", "-progress", "pipe:1", "-protocol_whitelist", "file"]
    cut = ["-ss", f"{start:.3f}", "-f", _DEMUXERS[kind], "-i", f"file:{path}", "-t", f"{headers.MAX_SECONDS:.0f}"]
    # Encoded anew: copied streams begin at a key frame and end late. MP4's usual encoder takes even sizes only.
    even = ["-vf", "scale=trunc(iw/2)*2:trunc(ih/2)*2,format=yuv420p"]
    return [*quiet, *cut, "-map", "0:v:0", "-map", "0:a:0?", *even, "-movflags", "+faststart", f"file:{target}"]


def _run(command: list[str], on_seconds: OnSeconds, path: Path, log: Path) -> None:
    with log.open("wb") as errors, signals.child(command, stdout=subprocess.PIPE, stderr=errors) as process:
        assert process.stdout is not None  # noqa: S101
        for line in process.stdout:
            name, _, value = line.strip().partition(b"=")
            if name == b"out_time_us" and value.isdigit():
                on_seconds(min(int(value) / 1e6, headers.MAX_SECONDS), headers.MAX_SECONDS)
    if process.returncode != 0:
        said = log.read_bytes().decode("utf-8", "replace").strip().splitlines()
        raise UsageError(f"ffmpeg cannot trim {path.name}: {said[-1] if said else 'no reason given'}")


def _check_result(path: Path, target: Path) -> None:
    if not target.exists() or not _duration(target):
        raise UsageError(f"nothing is left of {path.name} after that start", hint="--trim with an earlier START")
