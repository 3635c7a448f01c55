"""Results like the service's own: silent, 24 fps, of another size, a little longer, visibly different."""

import hashlib
import subprocess
import threading
from pathlib import Path

RATE = 24
MORE_FRAMES = 3
MAX_SECONDS = 60.0
LONG_SIDE = 1280
TIMEOUT = 120.0
AT_ONCE = 2
# What is left of red, green and blue: a look that differs from the source and between prompts.
_TINTS = ("0.5:1:0.9", "1:0.6:0.8", "0.7:0.8:1.3", "1.2:1:0.5", "0.6:1.2:0.6", "1.2:0.7:1.2")
# The wanted one first: not every ffmpeg has x264.
_ENCODERS = (["-c:v", "libx264", "-preset", "ultrafast"], ["-c:v", "mpeg4", "-q:v", "4"])
_SIDE = f"min({LONG_SIDE}/max(iw\\,ih)\\,0.75)"
_SCALE = f"scale=w=max(16\\,trunc({_SIDE}*iw/2)*2):h=max(16\\,trunc({_SIDE}*ih/2)*2),setsar=1"


class FfmpegMissing(RuntimeError):
    """There is no ffmpeg to make realistic results with."""


class RenderFailed(RuntimeError):
    """ffmpeg could not make a result of this source."""


class Renderer:
    """Makes results with ffmpeg, few at a time. `close` ends those that are being made."""

    def __init__(self, ffmpeg: str) -> None:
        self._ffmpeg = ffmpeg
        self._slots = threading.Semaphore(AT_ONCE)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_closed = False

    def render(self, source: Path, prompt: str, target: Path, *, seconds: float | None, keeps_sound: bool) -> None:
        """Write what the service would make of `source`.

        Raises:
            RenderFailed: the source is not a video, or this ffmpeg cannot read it.
        """
        command = [self._ffmpeg, "-nostdin", "-v", "error", "-protocol_whitelist", "file"]
        command += ["-t", str(seconds or MAX_SECONDS), "-f", _demuxer_of(source), "-i", f"file:{source}"]
        command += ["-map", "0:V:0", *(["-map", "0:a:0?", "-c:a", "aac"] if keeps_sound else ["-an"])]
        command += ["-vf", _filters(prompt), "-map_metadata", "-1", "-f", "mp4", "-y", "-pix_fmt", "yuv420p"]
        with self._slots:
            for encoder in _ENCODERS:
                error = self._run([*command, *encoder, f"file:{target}"])
                if not error:
                    return
        raise RenderFailed(error)

    def close(self) -> None:
        self._is_closed = True
        for process in list(self._running):
            process.kill()

    def _run(self, command: list[str]) -> str:
        """The last line of what ffmpeg says if it fails, else nothing."""
        if self._is_closed:
            return "the sandbox has stopped"
        try:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        except OSError as error:
            return f"ffmpeg cannot be run: {error.strerror}"
        with process:
            self._running.add(process)
            try:
                errors = process.communicate(timeout=TIMEOUT)[1].decode("utf-8", "replace").split("\n")
            except subprocess.TimeoutExpired:
                process.kill()
                return "ffmpeg took too long"
            finally:
                self._running.discard(process)
        lines = [line for line in errors if line.strip()]
        return "" if process.returncode == 0 else (lines or [f"ffmpeg ended with status {process.returncode}"])[-1]


def _demuxer_of(source: Path) -> str:
    """Named, not guessed by ffmpeg: a playlist or a script in disguise would have it open other files."""
    with source.open("rb") as file:
        head = file.read(12)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"):
        return "mov"
    if head[:4] == b"RIFF" and head[8:] == b"AVI ":
        return "avi"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    raise RenderFailed("the source is not a video")


def _filters(prompt: str) -> str:
    """A tint and four boxes, whose positions and colours are the prompt's hash."""
    digest = hashlib.sha256(prompt.encode("utf-8", "replace")).digest()
    red, green, blue = _TINTS[digest[0] % len(_TINTS)].split(":")
    boxes = [
        f"drawbox=x=iw*{digest[4 * n] / 320:.3f}:y=ih*{digest[4 * n + 1] / 320:.3f}:w=iw/6:h=ih/6"
        f":color=0x{digest[4 * n : 4 * n + 3].hex()}:t=fill"
        for n in range(4)
    ]
    # A model sees pictures: what a file shows before the first one is not in its result.
    longer = f"setpts=PTS-STARTPTS,fps={RATE},tpad=stop_mode=clone:stop={MORE_FRAMES}"
    tint = f"format=rgb24,colorchannelmixer=rr={red}:gg={green}:bb={blue}"
    return ",".join([longer, _SCALE, tint, *boxes, "format=yuv420p"])
