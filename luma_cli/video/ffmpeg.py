"""Find ffmpeg, and run it on local files: an argument list, no shell, ended with us."""

import contextlib
import functools
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from luma_cli import signals
from luma_cli.errors import FileError, LumaError, UsageError, reason
from luma_cli.video import headers

log = logging.getLogger(__name__)

OnSeconds = Callable[[float, float], None]  # seconds done, seconds in all

INSTALL = "get it from https://ffmpeg.org, or with luma itself: pip install 'kie-luma[ffmpeg]'"
# ffmpeg's name of the demuxer for what the first bytes are. Named, since a playlist that poses as a clip could else
# make ffmpeg put other files of the user's into the result.
DEMUXERS = {
    "mp4": "mov",
    "mov": "mov",
    "m4a": "mov",
    "avi": "avi",
    "webm": "matroska",
    "mkv": "matroska",
    "mpegts": "mpegts",
    "gif": "gif",
    "wav": "wav",
    "mp3": "mp3",
    "flac": "flac",
    "ogg": "ogg",
    "h264": "h264",  # of our own making alone: no first bytes are taken for it
}
# In the order of preference. Encoders that need a particular graphics card are left out: that they are listed does not
# mean that they run.
H264_ENCODERS = ("libx264", "h264_videotoolbox", "libopenh264", "h264_mf")
# What a file may make us hold in memory: a frame of 8K, and half a GiB in one piece.
MAX_PIXELS = 8192 * 4320
MAX_ALLOCATION = 512 * 2**20
MAX_COMPLAINTS = 64 * 1024  # bytes of its stderr that are kept
QUERY_TIMEOUT = 20.0
FULL = "No space left on device"
# Measured with 5.1: it says so, leaves half a file, and ends with 0.
LOST = (FULL, "Error writing trailer", "Error closing file")

_LIMITS = ("-hide_banner", "-v", "error", "-max_alloc", str(MAX_ALLOCATION))
_PART = r"^(\[[^\]]* @ 0x[0-9a-f]+\]\s*)+"


class Need(Enum):
    """What an option needs of ffmpeg; the value says it in words."""

    H264 = "an H.264 encoder"
    HDR = "the filters zscale and tonemap, which HDR needs"
    AAC = "an AAC encoder"
    TIMING = "exact times in MP4 (version 4.4 or newer)"


ENCODING = frozenset({Need.H264, Need.AAC, Need.TIMING})  # for clips that are cut, fitted, brought back and joined


@dataclass(frozen=True)
class Ffmpeg:
    """An ffmpeg that was found at `path`. It is asked what it can do when somebody wants to know, and once."""

    path: str

    @cached_property
    def version(self) -> str | None:
        """Its version as it says it; None: it does not run."""
        found = re.match(r"ffmpeg version (\S+)", self._ask("-version"))
        return found[1] if found else None

    @cached_property
    def encoders(self) -> frozenset[str]:
        return frozenset(re.findall(r"^ [VAS][A-Z.]{5} (\S+)", self._ask("-encoders"), re.MULTILINE))

    @cached_property
    def filters(self) -> frozenset[str]:
        return frozenset(re.findall(r"^ [A-Z.]{2,3} (\S+) +\S+->", self._ask("-filters"), re.MULTILINE))

    @cached_property
    def h264_encoder(self) -> str | None:
        return next((name for name in H264_ENCODERS if name in self.encoders), None)

    def lacks(self, needs: Iterable[Need]) -> list[str]:
        """What of `needs` it does not have, in words."""
        return [need.value for need in sorted(needs, key=lambda need: need.name) if not self._has(need)]

    def _has(self, need: Need) -> bool:
        if need is Need.H264:
            return self.h264_encoder is not None
        if need is Need.AAC:
            return "aac" in self.encoders
        if need is Need.HDR:
            return {"zscale", "tonemap"} <= self.filters
        return "movie_timescale" in self._ask("-h", "muxer=mp4")

    def _ask(self, *words: str) -> str:
        file = os.stat(self.path)
        return _reply(self.path, words, (file.st_ino, file.st_mtime_ns))


@functools.lru_cache(maxsize=32)
def _reply(path: str, words: tuple[str, ...], _file: tuple[int, int]) -> str:
    """What an ffmpeg says about itself. Starting it takes a tenth of a second, and a command asks for several steps."""
    command = [path, "-version"] if words == ("-version",) else [path, "-nostdin", "-hide_banner", *words]
    try:
        null = subprocess.DEVNULL
        with signals.child(command, stdin=null, stdout=subprocess.PIPE, stderr=null) as process:
            out, _ = process.communicate(timeout=QUERY_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.info("%s does not run: %s", path, error)
        return ""
    return out.decode("utf-8", "replace") if process.returncode == 0 else ""


def find_ffmpeg(named: str | None, needs: Iterable[Need] = (), *, option: str = "this") -> Ffmpeg:
    """The ffmpeg that is named (LUMA_FFMPEG), else the one on PATH, else the one of our extra.

    One that lacks something of `needs` counts as none. `option` is what the error names as needing it.

    Raises:
        UsageError: there is none, none has what is needed, or the named one cannot be run.
    """
    needs = frozenset(needs)
    lacking: list[str] = []
    for found in _candidates(named):
        lacks = found.lacks(needs)
        if not lacks:
            log.info("ffmpeg is %s", found.path)
            return found
        log.info("%s lacks %s", found.path, ", ".join(lacks))
        lacking.append(f"{found.path} lacks {' and '.join(lacks)}")
    if lacking:
        raise UsageError(f"{option} needs another ffmpeg: {'; '.join(lacking)}", hint=INSTALL)
    raise UsageError(f"{option} needs ffmpeg, which is not installed", hint=INSTALL)


def _candidates(named: str | None) -> Iterator[Ffmpeg]:
    if named:
        found = shutil.which(named)
        if found is None:
            raise UsageError(
                f"LUMA_FFMPEG is {named}, which is not a program",
                hint="correct it, or unset it to have ffmpeg looked for",
            )
        yield Ffmpeg(found)
    if on_path := shutil.which("ffmpeg"):
        yield Ffmpeg(on_path)
    with contextlib.suppress(ImportError, RuntimeError):  # the extra is not installed, or not for this platform
        import imageio_ffmpeg

        yield Ffmpeg(str(imageio_ffmpeg.get_ffmpeg_exe()))


def kind_of(path: Path, verb: str = "read") -> str:
    """What the file is by its first bytes: a key of `DEMUXERS`. `verb` is what the error says cannot be done.

    Raises:
        UsageError: nothing that we let ffmpeg open.
        FileError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            kind = headers.sniff(file.read(headers.HEAD))
    except OSError as error:
        raise FileError(f"cannot read {path.name}: {reason(error)}") from error
    if kind not in DEMUXERS:
        raise UsageError(f"cannot {verb} {path.name}: it is {headers.name_of(kind)}, not a video")
    return kind


def read_from(path: Path, kind: str, *options: str) -> list[str]:
    """Arguments that open `path` as what it was recognised as, and nothing else on this machine or beyond.

    `file:` makes a name that begins with a dash, or has a colon, a name.
    """
    demuxer = DEMUXERS[kind]
    fences = ["-protocol_whitelist", "file", "-format_whitelist", demuxer, "-max_pixels", str(MAX_PIXELS)]
    return [*fences, *options, "-f", demuxer, "-i", f"file:{path}"]


def run(
    ffmpeg: Ffmpeg,
    arguments: list[str],
    doing: str,
    *,
    failure: type[LumaError] = FileError,
    on_line: Callable[[bytes], None] | None = None,
) -> None:
    """Run ffmpeg to its end; its stdout goes to `on_line` line by line.

    `doing` completes "ffmpeg cannot …".

    Raises:
        failure: it failed, with the first reason that it gave.
        FileError: it cannot be started, or the disk is full.
    """
    with started(ffmpeg, arguments, doing, failure=failure) as process:
        for line in process.stdout or ():
            if on_line is not None:
                on_line(line.strip())


@contextlib.contextmanager
def started(
    ffmpeg: Ffmpeg, arguments: list[str], doing: str, *, failure: type[LumaError] = FileError
) -> Iterator["subprocess.Popen[bytes]"]:
    """ffmpeg while it runs: the block reads its stdout.

    Raises what `run` does, at the end of the block. If the block fails, ffmpeg is ended.
    """
    kept: list[bytes] = []
    with _running(ffmpeg, arguments, doing, kept) as process:
        yield process
    complaints = _text(kept)
    if process.returncode != 0 or any(line in complaints for line in LOST):
        raise _failed(complaints or _ending(process.returncode), doing, failure)


def query(ffmpeg: Ffmpeg, arguments: list[str], doing: str, on_line: Callable[[bytes], None]) -> tuple[str, bool]:
    """What ffmpeg says on its stderr, and whether it succeeded; its stdout goes to `on_line` line by line.

    Raises:
        FileError: it cannot be started.
    """
    kept: list[bytes] = []
    with _running(ffmpeg, ["-v", "info", "-nostats", *arguments], doing, kept) as process:
        for line in process.stdout or ():
            on_line(line.strip())
    return _text(kept), process.returncode == 0


@contextlib.contextmanager
def _running(
    ffmpeg: Ffmpeg, arguments: list[str], doing: str, kept: list[bytes]
) -> Iterator["subprocess.Popen[bytes]"]:
    """ffmpeg until its end; the beginning of its stderr comes into `kept`."""
    command = [ffmpeg.path, "-nostdin", *_LIMITS, *arguments]
    log.info("run %s", " ".join(command))
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    try:
        with signals.child(command, **pipes) as process:
            # The thread's alone, which reads it to its end: closed under a reader, it is a ValueError in there.
            stderr, process.stderr = process.stderr, None
            drain = signals.start_thread(_keep, stderr, kept)
            yield process
    except OSError as error:
        raise FileError(f"cannot {doing}: {reason(error)}") from error
    drain.join()


def _text(lines: list[bytes]) -> str:
    return b"".join(lines).decode("utf-8", "replace")


def on_progress(on_seconds: OnSeconds | None, total: float) -> Callable[[bytes], None]:
    """What reads the lines of `-progress pipe:1` and calls `on_seconds`."""

    def read(line: bytes) -> None:
        name, _, value = line.partition(b"=")
        if on_seconds is not None and name == b"out_time_us" and value.isdigit():
            on_seconds(min(int(value) / 1e6, total), total)

    return read


def _keep(stream: IO[bytes], kept: list[bytes]) -> None:
    """Read all of it, so that the writer never blocks, keep the beginning, and close it."""
    size = 0
    with stream:
        for line in stream:
            if size < MAX_COMPLAINTS:
                kept.append(line[:MAX_COMPLAINTS])
            size += len(line)


def _failed(complaints: str, doing: str, failure: type[LumaError]) -> LumaError:
    if FULL in complaints:
        hint = "free some space, then run the same command again"
        return FileError(f"cannot {doing}: no space left on device", hint=hint)
    return failure(f"ffmpeg cannot {doing}: {first_reason(complaints)}")


def _ending(status: int) -> str:
    return f"it ended with status {status}" if status > 0 else f"it was ended by signal {-status}"


def first_reason(complaints: str) -> str:
    """The first thing that ffmpeg complained about, without the addresses of its parts: the rest follows from it."""
    lines = (re.sub(_PART, "", line).strip() for line in complaints.splitlines())
    return next((line for line in lines if line), "no reason given")
