"""Cutting, bringing back and joining against bare ffmpeg calls for the same work; exits 1 when a budget is exceeded.

    python tests/benchmarks/video.py [ROUNDS]

Ours and the bare calls take turns, and the median of the rounds counts, by the time of the processor that our process
and the ffmpegs take: other work on the machine counts in neither. Memory is what the command itself, and the largest
ffmpeg that it starts, hold at most while pieces of 500 MB are joined under a sound, and while a silent result of 500 MB
gets its sound. On Linux; elsewhere memory is not looked at.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

from luma_cli.api.models import LUMA
from luma_cli.sandbox import Sandbox
from luma_cli.video.ffmpeg import find_ffmpeg
from luma_cli.video.frames import look
from luma_cli.video.join import join
from luma_cli.video.match import Goal, match
from luma_cli.video.sound import find_sound
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
    for number, piece in enumerate(plan_cuts(footage.frame_count, footage.rate, LUMA.limits)):
        cut, path = folder / f"cut-{number}.mp4", folder / f"back-{number}.h264"
        cut_piece(FFMPEG, footage, piece, LUMA.limits, cut)
        match(FFMPEG, cut, Goal(footage.rate, piece.count, SIZE), path, is_joinable=True)
        back.append(path)
    sound = find_sound(FFMPEG, source)
    join(FFMPEG, back, footage.rate, footage.frame_count, folder / "ours.mp4", sound=sound)


def theirs(folder: Path, source: Path) -> None:
    """The same with ffmpeg's own means, by someone who knows all numbers beforehand."""
    script = folder / "list.txt"
    pieces = plan_cuts(COUNT, RATE, LUMA.limits)
    script.write_text("".join(f"file bare-back-{number}.mp4\n" for number in range(len(pieces))))
    for number, piece in enumerate(pieces):
        cut, path = folder / f"bare-cut-{number}.mp4", folder / f"bare-back-{number}.mp4"
        start = ["-ss", float(piece.first / RATE), "-i", source, "-an", "-frames:v", piece.count]
        bare(*start, *X264, "-crf", "14", "-movflags", "+faststart", cut)
        bare("-i", cut, "-vf", f"fps={RATE}", "-frames:v", piece.count, *X264, "-crf", "16", "-bf", "0", path)
    concat = ["-f", "concat", "-i", script, "-i", source, "-map", "0:v", "-map", "1:a", "-c", "copy"]
    bare(*concat, "-movflags", "+faststart", folder / "bare.mp4")


def busy(work: Callable[[Path, Path], None], folder: Path, source: Path) -> float:
    """Seconds of the processor."""
    started = sum(os.times()[:4])
    work(folder, source)
    return sum(os.times()[:4]) - started


class Peaks:
    """The most memory that a process and those that it starts have held each, looked at every 10 ms; in bytes."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.luma = self.ffmpeg = 0
        while process.poll() is None:
            self.luma = max(self.luma, high_water(process.pid))
            self.ffmpeg = max(self.ffmpeg, *map(high_water, children(process.pid)), 0)
            time.sleep(0.01)


def children(parent: int) -> list[int]:
    try:
        tasks = Path(f"/proc/{parent}/task").iterdir()
        return [int(number) for task in tasks for number in (task / "children").read_text().split()]
    except OSError:
        return []


def high_water(process: int) -> int:
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def large(folder: Path) -> dict[str, Peaks]:
    """What `luma` takes at most while it joins pieces of 500 MB, and while a silent result of 500 MB gets its sound."""
    source, joined = folder / "long.mp4", folder / "joined.mp4"
    bare("-f", "lavfi", "-i", "testsrc2=s=192x108:r=30:d=12", "-f", "lavfi", "-i", "sine=d=12", *X264, source)
    with Sandbox(duration=0.1) as server:
        names = {"BASE_URL": server.url, "UPLOAD_URL": server.url, "API_KEY": server.api_key}
        names |= {"STATE_DIR": f"{folder}/state", "CONFIG_DIR": f"{folder}/config"}
        environment = os.environ | {f"LUMA_{name}": value for name, value in names.items()}

        def luma(*words: object) -> tuple[str, Peaks]:
            command = [sys.executable, "-m", "luma_cli", *map(str, words)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
                peaks = Peaks(process)
                out = process.stdout.read() if process.stdout else ""
            assert process.returncode == 0, words
            return out, peaks

        split = ("modify", source, "-p", "Snow falls", "--split", "-o", joined, "--keep-pieces", "--interval", "1s")
        luma(*split)
        for piece in sorted(folder.glob(".joined.mp4.luma-pieces/back-*")):
            enlarge(piece, frames_of(piece))
        joined.unlink()
        joining = luma(*split)[1]
        luma("modify", source, "-p", "Rain falls", "--trim", "1-3", "--wait", "--interval", "1s")
        result = json.loads(luma("status", "@last", "--json")[0])["resultUrls"][0]
        silent = folder / "silent.mp4"
        bare("-i", joined, "-an", "-c", "copy", silent)
        server.files.add(urlsplit(result).path, silent, silent.name)
        finishing = luma("download", "@last", "-o", folder / "finished.mp4")[1]
    sizes = [path.stat().st_size for path in (joined, folder / "finished.mp4")]
    assert min(sizes) >= LARGE, sizes
    return {f"join {sizes[0] / 1e6:.0f} MB": joining, f"finish {sizes[1] / 1e6:.0f} MB": finishing}


def frames_of(piece: Path) -> int:
    said = subprocess.run([FFMPEG.path, "-i", piece, "-c", "copy", "-f", "null", "-"], capture_output=True, check=True)
    return int(re.findall(rb"frame= *(\d+)", said.stderr)[-1])


def enlarge(piece: Path, frames: int) -> None:
    """Noise in its place, of as many frames: an edit that was brought back, as large as half of what is joined."""
    noise = f"nullsrc=s={SIZE[0]}x{SIZE[1]}:r=30,noise=alls=100:allf=t"
    bits = LARGE * 8 // 12 + 10_000_000
    plain = ["-preset", "ultrafast", "-b:v", bits, "-bf", "0", "-x264-params", "aud=1:stitchable=1"]
    bare("-f", "lavfi", "-i", noise, "-frames:v", frames, *X264, *plain, piece)


def main(rounds: int) -> int:
    """Print the figures; the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source.mp4"
        picture = f"testsrc2=s={SIZE[0]}x{SIZE[1]}:r={RATE}"
        bare("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine", "-t", float(COUNT / RATE), *X264, source)
        pairs = [(busy(ours, folder, source), busy(theirs, folder, source)) for _ in range(rounds)]
        ratio = statistics.median(pair[0] / pair[1] for pair in pairs)
        memory = large(folder) if sys.platform == "linux" else {}
    print(f"cut, bring back, join: {ratio:.2f} of bare ffmpeg (budget {MAX_RATIO})")
    for what, peaks in memory.items():
        beside = f"ffmpeg beside it {peaks.ffmpeg / 1e6:.0f}"
        print(f"memory to {what}: luma {peaks.luma / 1e6:.0f} MB (budget {MAX_MEMORY / 1e6:.0f}), {beside}")
    return int(ratio > MAX_RATIO or any(peaks.luma > MAX_MEMORY for peaks in memory.values()))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
