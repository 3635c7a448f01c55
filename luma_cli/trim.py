"""Cut a clip to what the service takes, with ffmpeg where that is installed."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from luma_cli.errors import FileTrouble, UsageError

SECONDS = 10


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
def trimmed(path: Path, start: float, on_bytes: Callable[[int, int | None], None]) -> Iterator[Path]:
    """An MP4 of at most 10 s of the clip, from `start` seconds on; it is gone after the block.

    Raises:
        UsageError: ffmpeg is missing or cannot read the clip, or nothing is left after `start`.
        FileTrouble: no room for it.
    """
    try:
        folder = tempfile.mkdtemp(prefix="luma-trim-")
    except OSError as error:
        raise FileTrouble(f"no room to trim {path.name}: {(error.strerror or 'error').lower()}") from error
    try:
        target = Path(folder) / "clip.mp4"
        _run(_command(path, start, target), on_bytes, path, Path(folder) / "log")
        yield target
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _command(path: Path, start: float, target: Path) -> list[str]:
    # The protocols are named: a playlist posing as a clip could else make ffmpeg fetch what it likes.
    quiet = [check_ffmpeg(), "-nostdin", "-v", "error", "-progress", "pipe:1", "-protocol_whitelist", "file,pipe"]
    cut = ["-ss", f"{start:.3f}", "-i", f"file:{path}", "-t", str(SECONDS)]
    streams = ["-map", "0:v:0", "-map", "0:a:0?", "-movflags", "+faststart"]
    return [*quiet, *cut, *streams, f"file:{target}"]


def _run(command: list[str], on_bytes: Callable[[int, int | None], None], path: Path, log: Path) -> None:
    with log.open("wb") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:
        try:
            assert process.stdout is not None  # noqa: S101
            for line in process.stdout:
                name, _, value = line.strip().partition(b"=")
                if name == b"total_size" and value.isdigit():
                    on_bytes(int(value), None)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        said = log.read_bytes().decode("utf-8", "replace").strip().splitlines()
        raise UsageError(f"ffmpeg cannot trim {path.name}: {said[-1] if said else 'no reason given'}")
    target = Path(command[-1].removeprefix("file:"))
    if not target.exists() or target.stat().st_size < 1000:
        raise UsageError(f"nothing is left of {path.name} after that start", hint="--trim with an earlier START")
