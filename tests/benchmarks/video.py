"""Cutting, bringing back and joining against bare ffmpeg calls for the same work; exits 1 when a budget is exceeded.

    python tests/benchmarks/video.py [ROUNDS]

Ours and the bare calls take turns, and the fastest of their runs counts. Memory is that of our process alone, while
pieces of 500 MB in all are joined; ffmpeg's own is its own affair.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from luma_cli.api.models import LUMA
from luma_cli.video.ffmpeg import find_ffmpeg
from luma_cli.video.frames import look
from luma_cli.video.join import join
from luma_cli.video.match import Goal, bring_back
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
    """Cut a clip into its pieces, bring each back and join them."""
    footage = look(FFMPEG, source)
    back = []
    for piece in plan_cuts(footage.frame_count, footage.rate, LUMA.limits):
        cut, path = folder / f"cut-{piece.index}.mp4", folder / f"back-{piece.index}.mp4"
        cut_piece(FFMPEG, footage, piece, LUMA.limits, cut)
        bring_back(FFMPEG, cut, Goal(footage.rate, piece.frame_count, SIZE), path)
        back.append(path)
    sound = find_sound(FFMPEG, source)
    join(FFMPEG, back, footage.rate, footage.frame_count, folder / "ours.mp4", sound=sound)


def theirs(folder: Path, source: Path) -> None:
    """The same with ffmpeg's own means, by somebody who knows all numbers beforehand."""
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


def fastest(work: Callable[[Path, Path], None], folder: Path, source: Path) -> float:
    started = time.perf_counter()
    work(folder, source)
    return time.perf_counter() - started


def join_large(folder: Path) -> int:
    """Join pieces of 500 MB in all; how much memory our process had at most, in bytes."""
    piece = folder / "large.mp4"
    noise = f"nullsrc=s={SIZE[0]}x{SIZE[1]}:r=30:d=1,noise=alls=100:allf=t"
    bare("-f", "lavfi", "-i", noise, *X264, "-preset", "ultrafast", "-crf", "1", "-bf", "0", piece)
    number = LARGE // piece.stat().st_size + 1
    frames = look(FFMPEG, piece).frame_count
    join(FFMPEG, [piece] * number, Fraction(30), number * frames, folder / "joined.mp4", sound=None)
    print(f"joined {(folder / 'joined.mp4').stat().st_size / 1e6:.0f} MB")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(rounds: int) -> int:
    """Print the figures; the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source.mp4"
        picture = f"testsrc2=s={SIZE[0]}x{SIZE[1]}:r={RATE}"
        bare("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine", "-t", float(COUNT / RATE), *X264, source)
        pairs = [(fastest(ours, folder, source), fastest(theirs, folder, source)) for _ in range(rounds)]
        ratio = min(pair[0] for pair in pairs) / min(pair[1] for pair in pairs)
        memory = join_large(folder)
    print(f"cut, bring back, join: {ratio:.2f} of bare ffmpeg (budget {MAX_RATIO})")
    print(f"memory while {LARGE / 1e6:.0f} MB are joined: {memory / 1e6:.0f} MB (budget {MAX_MEMORY / 1e6:.0f})")
    return int(ratio > MAX_RATIO or memory > MAX_MEMORY)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
