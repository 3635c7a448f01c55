"""Results like the service's own: silent, 24 fps, of another size, a little longer, visibly different."""

import hashlib
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

RATE = 24
MORE_FRAMES = 3
MAX_SECONDS = 60.0
LONG_SIDE = 1280
TIMEOUT = 120.0
AT_ONCE = 2
MAX_LABEL = 32
# What is left of red, green and blue: a look that differs from the source and between prompts.
_TINTS = ("0.5:1:0.9", "1:0.6:0.8", "0.7:0.8:1.3", "1.2:1:0.5", "0.6:1.2:0.6", "1.2:0.7:1.2")
_SIDE = f"min({LONG_SIDE}/max(iw\\,ih)\\,0.75)"
_SCALE = f"scale=w=max(16\\,trunc({_SIDE}*iw/2)*2):h=max(16\\,trunc({_SIDE}*ih/2)*2),setsar=1"


class FfmpegMissing(RuntimeError):
    """There is no ffmpeg to make realistic results with."""


class RenderFailed(RuntimeError):
    """ffmpeg could not make a result of this source."""


class Renderer:
    """Makes results with ffmpeg, few at a time. `close` ends those that are being made."""

    def __init__(self, ffmpeg: str, folder: Path) -> None:
        self._ffmpeg = ffmpeg
        self._folder = folder
        self._slots = threading.Semaphore(AT_ONCE)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_closed = False

    def render(self, source: Path, prompt: str, target: Path, *, seconds: float | None, keeps_sound: bool) -> None:
        """Write what the service would make of `source`.

        Raises:
            RenderFailed: the source is not a video, or this ffmpeg cannot read it.
        """
        error, demuxer = "", _demuxer_of(source)
        with self._slots, tempfile.TemporaryDirectory(dir=self._folder) as work:
            Path(work, "label.txt").write_text(_label(prompt), encoding="utf-8")
            sound = ["-map", "0:a:0?", "-c:a", "aac"] if keeps_sound else ["-an"]
            length = ["-t", str(seconds or MAX_SECONDS)]
            for look, encoder in _attempts(prompt):
                command = [self._ffmpeg, "-nostdin", "-v", "error", "-protocol_whitelist", "file", *length]
                command += ["-f", demuxer, "-i", f"file:{source}", "-map", "0:V:0", *sound, "-vf", look, *encoder]
                command += ["-map_metadata", "-1", "-f", "mp4", "-y", "result.mp4"]
                error = self._run(command, work)
                if not error:
                    Path(work, "result.mp4").replace(target)
                    return
        raise RenderFailed(error)

    def close(self) -> None:
        self._is_closed = True
        for process in list(self._running):
            process.kill()

    def _run(self, command: list[str], folder: str) -> str:
        """The last line of what ffmpeg says if it fails, else nothing."""
        if self._is_closed:
            return "the sandbox has stopped"
        try:
            process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
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


def _attempts(prompt: str) -> Iterator[tuple[str, list[str]]]:
    """Filters and encoders, the wanted ones first: not every ffmpeg has drawtext, a font, or x264."""
    fast = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    for encoder in (fast, ["-c:v", "mpeg4", "-q:v", "4", "-pix_fmt", "yuv420p"]):
        for mark in (_TEXT, _boxes(prompt)):
            yield _filters(prompt, mark), encoder


_TEXT = (
    "drawtext=textfile=label.txt:expansion=none:fontcolor=white:fontsize=max(8\\,h/12):box=1:boxcolor=black@0.6"
    ":boxborderw=4:x=(w-tw)/2:y=h-2*th"
)


def _filters(prompt: str, mark: str) -> str:
    red, green, blue = _TINTS[_digest(prompt)[0] % len(_TINTS)].split(":")
    tint = f"colorchannelmixer=rr={red}:gg={green}:bb={blue}"
    # A model sees pictures: what a file shows before the first one is not in its result.
    longer = f"setpts=PTS-STARTPTS,fps={RATE},tpad=stop_mode=clone:stop={MORE_FRAMES}"
    return ",".join([longer, _SCALE, "format=rgb24", tint, mark, "format=yuv420p"])


def _boxes(prompt: str) -> str:
    """Four boxes, if there is no text: their positions and colours are the prompt's hash."""
    digest = _digest(prompt)
    boxes = [
        f"drawbox=x=iw*{digest[4 * n] / 320:.3f}:y=ih*{digest[4 * n + 1] / 320:.3f}:w=iw/6:h=ih/6"
        f":color=0x{digest[4 * n : 4 * n + 3].hex()}:t=fill"
        for n in range(4)
    ]
    return ",".join(boxes)


def _digest(prompt: str) -> bytes:
    return hashlib.sha256(prompt.encode("utf-8", "replace")).digest()


def _label(prompt: str) -> str:
    words = [word for word in prompt.split() if not word.startswith("sandbox:")]
    text = " ".join(words[:4])[:MAX_LABEL]
    return "".join(letter if letter.isprintable() else "?" for letter in text) or "edited"
