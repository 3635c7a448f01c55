"""Cutting, bringing back and joining against bare ffmpeg calls for the same work; exits 1 when a budget is exceeded.

    python tests/benchmarks/video.py [ROUNDS]

Ours and the bare calls take turns, and the fastest of their runs counts, by the time of the processor that our process
and the ffmpegs take: other work on the machine counts in neither. Memory is what our process and the ffmpegs
that it runs take together at most (each shared page counted once) while pieces of 500 MB are joined under a sound, and
while a silent result of 500 MB gets its sound. On Linux; elsewhere that of our process alone.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from luma_cli.api.models import LUMA
from luma_cli.video.ffmpeg import find_ffmpeg
from luma_cli.video.frames import look
from luma_cli.video.join import join
from luma_cli.video.match import Goal, bring_back
from luma_cli.video.sound import find_sound, with_sound
from luma_cli.video.split import cut_piece, plan_cuts

MAX_RATIO = 1.1
MAX_MEMORY = 100 * 10**6
LARGE = 500 * 10**6
RATE, COUNT, SIZE = Fraction(30000, 1001), 600, (1280, 720)
FFMPEG = find_ffmpeg(None)
X264 = ["-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-pix_fmt", "yuv420p"]


def bare(*words: object) -> None:
    subprocess.run([FFMPEG.path, "-nostdin", "-v", "error", "-y", *map(str, words)], check=True)


def ours(folder: Path, source: Path) -> None:
    """Cut a clip into its pieces, bring each back and join them. Nothing is known of the clip from the round before."""
    os.utime(source)
    footage = look(FFMPEG, source)
    back = []
    for piece in plan_cuts(footage.frame_count, footage.rate, LUMA.limits):
        cut, path = folder / f"cut-{piece.index}.mp4", folder / f"back-{piece.index}.h264"
        cut_piece(FFMPEG, footage, piece, LUMA.limits, cut)
        bring_back(FFMPEG, cut, Goal(footage.rate, piece.frame_count, SIZE), path)
        back.append(path)
    sound = find_sound(FFMPEG, source)
    join(FFMPEG, back, footage.rate, footage.frame_count, folder / "ours.mp4", sound=sound)


def theirs(folder: Path, source: Path) -> None:
    """The same with ffmpeg's own means, by someone who knows all numbers beforehand."""
    script = folder / "list.txt"
    pieces = plan_cuts(COUNT, RATE, LUMA.limits)
    script.write_text("".join(f"file bare-back-{piece.index}.mp4\n" for piece in pieces))
    for piece in pieces:
        cut, path = folder / f"bare-cut-{piece.index}.mp4", folder / f"bare-back-{piece.index}.mp4"
        start = ["-ss", float(piece.first_frame / RATE), "-i", source, "-an", "-frames:v", piece.frame_count]
        bare(*start, *X264, "-crf", "14", "-movflags", "+faststart", cut)
        bare("-i", cut, "-vf", f"fps={RATE}", "-frames:v", piece.frame_count, *X264, "-crf", "16", "-bf", "0", path)
    concat = ["-f", "concat", "-i", script, "-i", source, "-map", "0:v", "-map", "1:a", "-c", "copy"]
    bare(*concat, "-movflags", "+faststart", folder / "bare.mp4")


def busy(work: Callable[[Path, Path], None], folder: Path, source: Path) -> float:
    """Seconds of the processor."""
    started = sum(os.times()[:4])
    work(folder, source)
    return sum(os.times()[:4]) - started


class Memory:
    """What this process and its children take together, looked at every 20 ms while the block runs; in bytes."""

    def __enter__(self) -> "Memory":
        self.peak = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        if not self.peak:
            size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            self.peak = size if sys.platform == "darwin" else size * 1024

    def _watch(self) -> None:
        while not self._stopped.wait(0.02):
            self.peak = max(self.peak, sum(map(proportional, [os.getpid(), *children()])))


def children() -> list[int]:
    try:
        tasks = Path("/proc/self/task").iterdir()
        return [int(number) for task in tasks for number in (task / "children").read_text().split()]
    except OSError:
        return []


def proportional(process: int) -> int:
    try:
        found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def large(folder: Path) -> dict[str, int]:
    """Work on 500 MB; how much memory each kind of it takes at most."""
    piece, joined, sound = folder / "large.h264", folder / "joined.mp4", folder / "sound.m4a"
    noise = f"nullsrc=s={SIZE[0]}x{SIZE[1]}:r=30:d=2,noise=alls=100:allf=t"
    plain = ["-preset", "ultrafast", "-b:v", "50M", "-bf", "0", "-x264-params", "aud=1"]
    bare("-f", "lavfi", "-i", noise, *X264, *plain, piece)
    number = LARGE // piece.stat().st_size + 1
    bare("-f", "lavfi", "-i", f"sine=d={2 * number}", sound)
    with Memory() as joining:
        pieces, rate = [piece] * number, Fraction(30)
        join(FFMPEG, pieces, rate, number * 60, joined, sound=find_sound(FFMPEG, sound))
    with Memory() as finishing:
        with_sound(FFMPEG, joined, sound, folder / "finished.mp4")
    size = (folder / "finished.mp4").stat().st_size
    return {f"join {size / 1e6:.0f} MB": joining.peak, f"finish {size / 1e6:.0f} MB": finishing.peak}


def main(rounds: int) -> int:
    """Print the figures; the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source.mp4"
        picture = f"testsrc2=s={SIZE[0]}x{SIZE[1]}:r={RATE}"
        bare("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine", "-t", float(COUNT / RATE), *X264, source)
        pairs = [(busy(ours, folder, source), busy(theirs, folder, source)) for _ in range(rounds)]
        ratio = min(pair[0] for pair in pairs) / min(pair[1] for pair in pairs)
        memory = large(folder)
    print(f"cut, bring back, join: {ratio:.2f} of bare ffmpeg (budget {MAX_RATIO})")
    for what, peak in memory.items():
        print(f"memory to {what}: {peak / 1e6:.0f} MB (budget {MAX_MEMORY / 1e6:.0f})")
    return int(ratio > MAX_RATIO or max(memory.values()) > MAX_MEMORY)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
