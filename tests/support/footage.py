"""Real clips, made with ffmpeg when a test first asks for one: what cameras, phones, screens and editors deliver."""

import atexit
import functools
import os
import re
import shutil
import subprocess
import tempfile
from array import array
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from luma_cli.files import Lock

_FOLDER = "FOOTAGE_OF_THIS_RUN"
_CHOSEN = "FFMPEG_OF_THIS_RUN"


def _chosen_ffmpeg() -> str:
    """LUMA_TEST_FFMPEG, or the one of our extra, goes before what is on PATH, for all processes of this run.

    Measured: the extra's is linked statically and starts in 18 ms of CPU, Debian's, with its 215 libraries, in 129.
    """
    with suppress(ImportError, RuntimeError):
        if _CHOSEN not in os.environ:
            import imageio_ffmpeg

            chosen = os.environ.get("LUMA_TEST_FFMPEG") or imageio_ffmpeg.get_ffmpeg_exe()
            folder = tempfile.mkdtemp(prefix="luma-ffmpeg-")
            atexit.register(shutil.rmtree, folder)
            Path(folder, "ffmpeg").symlink_to(chosen)
            os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
            os.environ[_CHOSEN] = chosen
    return shutil.which("ffmpeg") or "ffmpeg"


FFMPEG = _chosen_ffmpeg()
X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
AAC = ["-c:a", "aac", "-b:a", "64k"]


def ffmpeg(*words: object, folder: Path | None = None) -> str:
    """Run ffmpeg; its stdout."""
    command = [FFMPEG, "-nostdin", "-v", "error", "-y", *map(str, words)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, cwd=folder)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout.decode("utf-8", "replace")


def picture(rate: str, seconds: float, size: str = "320x180") -> list[str]:
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]


def tone(seconds: float, rate: int = 48000) -> list[str]:
    """A tone that rises, so that no two parts of it are the same."""
    return ["-f", "lavfi", "-i", f"aevalsrc='0.5*sin(2*PI*t*(300+40*t))':sample_rate={rate}:duration={seconds}"]


def clicks(seconds: float) -> list[str]:
    return ["-f", "lavfi", "-i", f"aevalsrc='if(lt(mod(t,1),0.01),0.9,0)':sample_rate=48000:duration={seconds}"]


def flashes(rate: str, seconds: float, size: str = "192x108") -> list[str]:
    """White for the frames of the first 0.04 s of each second, and a slowly changing grey in between."""
    look = "if(lt(mod(T+0.001\\,1)\\,0.04)\\,235\\,60+20*sin(T/3))"
    return [
        "-f",
        "lavfi",
        "-i",
        f"color=black:size=16x16:rate={rate}:duration={seconds},geq=lum='{look}':cb=128:cr=128,"
        f"scale={size.replace('x', ':')}:flags=neighbor",
    ]


RECIPES: dict[str, list[str]] = {
    "ntsc.mp4": [*picture("30000/1001", 4), *tone(4), *X264, *AAC],
    "film.mov": [*picture("24000/1001", 3), *tone(3), *X264, "-c:a", "pcm_s16le"],
    "pcm24.mov": [*picture("25", 2), *tone(2), *X264, "-c:a", "pcm_s24le"],
    "fifty.mp4": [*picture("50", 2), *tone(2, 44100), *X264, *AAC],
    "fragments.mp4": [*picture("30", 2), *tone(2), *X264, *AAC, "-g", "15", "-movflags", "frag_keyframe+empty_moov"],
    "silent.mp4": [*picture("30", 2), *X264],
    "digital-silence.mp4": [*picture("24", 2), "-f", "lavfi", "-i", "anullsrc=r=48000:d=2", *X264, *AAC],
    "short-sound.mp4": [*picture("25", 4), *tone(1.5), *X264, *AAC],
    "long-sound.mp4": [*picture("25", 2), *tone(5), *X264, *AAC],
    "mp3.avi": [*picture("25", 3), *tone(3), "-c:v", "mpeg4", "-c:a", "libmp3lame", "-b:a", "64k"],
    "odd.webm": [*picture("25", 1, "405x721"), *tone(1), "-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"],
    "stream.ts": [*picture("25", 2), *tone(2), *X264, *AAC],
    "opus.mkv": [*picture("30000/1001", 2), *tone(2), *X264, "-c:a", "libopus"],
    "pq.mp4": [
        *picture("30", 1),
        *("-vf", "format=yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1"),
        "-x265-params",
        "log-level=0:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:max-cll=1000,400:"
        "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)",
        *("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"),
    ],
    "hlg.mov": [
        *picture("30", 1),
        *("-vf", "format=yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1"),
        *("-x265-params", "log-level=0:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"),
        *("-color_primaries", "bt2020", "-color_trc", "arib-std-b67", "-colorspace", "bt2020nc"),
    ],
    "timecode.mov": [*picture("30000/1001", 2), *tone(2), *X264, *AAC, "-timecode", "01:00:00:00"],
    "two-sounds.mp4": [
        *picture("25", 2),
        *tone(2),
        *clicks(2),
        *("-map", "0:v", "-map", "1:a", "-map", "2:a", "-disposition:a:0", "0", "-disposition:a:1", "default"),
        *X264,
        *AAC,
    ],
    "hour-like.mp4": [*flashes("30000/1001", 63.3), *clicks(63.3), "-frames:v", "1898", *X264, "-g", "60", *AAC],
    "result.mp4": [*picture("24", 4.25, "256x144"), *X264, "-preset", "veryfast", "-bf", "2"],
    "result.mov": [*picture("24", 3.25, "256x144"), *X264],
    "song.wav": [*tone(3)],
    "song.mp3": [*tone(3), "-c:a", "libmp3lame"],
    "song.flac": [*tone(3)],
    "song.ogg": [*tone(3), "-c:a", "libvorbis"],
    "song.m4a": [*tone(3), *AAC],
}


def keep_in(folder: Path) -> None:
    """Where the clips of this run are, which all of its processes share."""
    folder.mkdir(exist_ok=True)
    os.environ[_FOLDER] = str(folder)


@functools.cache
def clip(name: str) -> Path:
    """The clip of that name; tests read it and do not change it."""
    path = Path(os.environ[_FOLDER]) / name
    lock = Lock(path.with_name(f"{name}.lock"))
    lock.acquire()
    try:
        if not path.exists():
            made = path.with_name(f"made-{name}")
            if name in RECIPES:
                ffmpeg(*RECIPES[name], made)
            else:
                _MADE_OF_OTHERS[name](made)
            made.replace(path)
    finally:
        lock.release()
    return path


def _portrait(path: Path) -> None:
    """Upright by its matrix alone, as phones do it: the file's bytes of the matrix are set."""
    ffmpeg(*picture("30", 2), *tone(2), *X264, *AAC, path)
    data = bytearray(path.read_bytes())
    tkhd = data.index(b"tkhd")
    matrix = (0, 1 << 16, 0, -(1 << 16), 0, 0, 180 << 16, 0, 1 << 30)
    start = tkhd + 4 + 40
    data[start : start + 36] = b"".join(value.to_bytes(4, signed=True) for value in matrix)
    path.write_bytes(data)


def _two_rates(path: Path) -> None:
    parts = []
    for rate in ("25", "50"):
        part = path.with_name(f"part-{rate}.mp4")
        ffmpeg(*picture(rate, 1), *X264, part)
        parts.append(part)
    script = path.with_suffix(".txt")
    script.write_text("".join(f"file {part.name}\n" for part in parts))
    ffmpeg("-f", "concat", "-i", script, "-c", "copy", path)


def _late_sound(path: Path) -> None:
    """The sound begins 0.4321 s after the picture by an empty edit, and is primed."""
    ffmpeg("-i", clip("ntsc.mp4"), "-itsoffset", "0.4321", "-i", clip("ntsc.mp4"), *_PLAYED, path)
    data = bytearray(path.read_bytes())
    elst = data.rindex(b"elst")
    first, second = elst + 12, elst + 24
    assert data[first + 4 : first + 8] == b"\xff\xff\xff\xff", "an empty edit first"
    delay = round(0.4321 * 48000)
    data[first : first + 4] = delay.to_bytes(4)
    data[second + 4 : second + 8] = (1024).to_bytes(4)
    path.write_bytes(data)


def _still_end(path: Path) -> None:
    """A screen recording: it moves for a second, and then stands still for three."""
    moving = path.with_name("moving.mp4")
    ffmpeg(*picture("10", 1), *X264, "-bf", "0", moving)
    ffmpeg("-i", moving, "-c", "copy", "-bsf:v", "setts=ts=TS:duration=DURATION*if(eq(N\\,9)\\,31\\,1)", path)


def _skipped(path: Path) -> None:
    """Its edit list leaves out the first second, which is still in the file."""
    ffmpeg("-ss", "1.02", "-i", clip("ntsc.mp4"), "-c", "copy", path)


def _unknown_sound(path: Path) -> None:
    """Two sounds, the first in a codec that nobody knows."""
    ffmpeg("-i", clip("two-sounds.mp4"), "-map", "0", "-c", "copy", path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"mp4a", b"apac", 1))


def _cover(path: Path) -> None:
    """Stream 0 is a cover picture."""
    still = path.with_suffix(".png")
    ffmpeg(*picture("1", 1, "64x64"), "-frames:v", "1", still)
    maps = ["-map", "0:v", "-map", "1:v", "-map", "1:a", "-c", "copy", "-disposition:v:0", "attached_pic"]
    ffmpeg("-i", still, "-i", clip("ntsc.mp4"), *maps, path)


_PLAYED = ["-map", "0:v", "-map", "1:a", "-c", "copy", "-movie_timescale", "48000"]
_MADE_OF_OTHERS = {
    "portrait.mov": _portrait,
    "two-rates.mp4": _two_rates,
    "late-sound.mp4": _late_sound,
    "still-end.mp4": _still_end,
    "skipped.mp4": _skipped,
    "unknown-sound.mp4": _unknown_sound,
    "cover.mp4": _cover,
}


def frame_times(path: Path) -> list[Fraction]:
    """When each frame of the first picture is shown, in order, as ffmpeg plays it."""
    out = ffmpeg("-copyts", "-i", path, "-map", "0:V:0", "-c", "copy", "-f", "framecrc", "-")
    unit = Fraction(re.search(r"#tb 0: (\S+)", out)[1])  # type: ignore[index]
    return sorted(int(line.split(",")[2]) * unit for line in out.splitlines() if not line.startswith("#"))


def heard(path: Path, stream: str = "0:a:0") -> tuple[int, "array[int]"]:
    """The samples of a sound, first channel, and the number of the first one counted from the clip's time 0."""
    out = ffmpeg("-copyts", "-i", path, "-map", stream, "-ac", "1", "-frames:a", "1", "-f", "framecrc", "-")
    first = next(line for line in out.splitlines() if not line.startswith("#"))
    command = [FFMPEG, "-nostdin", "-v", "error", "-i", str(path), "-map", stream, "-ac", "1", "-f", "s16le", "-"]
    samples = array("h", subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    return int(first.split(",")[2]), samples


def packets(path: Path) -> str:
    """Every packet of picture and sound with its times and a hash: all that a file holds but their order in it.

    That differs from run to run from ffmpeg 7 on, whose threads take turns as they come.
    """
    return "".join(ffmpeg("-i", path, "-map", f"0:{kind}", "-c", "copy", "-f", "framehash", "-") for kind in "va")


def described(path: Path) -> str:
    """What ffmpeg says of a clip."""
    done = subprocess.run([FFMPEG, "-nostdin", "-hide_banner", "-i", str(path)], capture_output=True, check=False)
    return done.stderr.decode("utf-8", "replace")
