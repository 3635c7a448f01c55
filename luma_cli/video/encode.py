"""Encode a run of a clip's frames: H.264, 8 bit, SDR, upright, at a constant rate, and exactly so many."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from luma_cli.errors import LumaError, UsageError
from luma_cli.video.ffmpeg import Ffmpeg, Need, OnSeconds, on_progress, read_from, run
from luma_cli.video.frames import Footage, Stream

# ffmpeg seeks in these by an index, to a key frame at or before a time. AVI and transport streams are read from the
# beginning: where a seek lands in them is not certain.
SEEKABLE = ("mp4", "mov", "mkv", "webm")
# Seeks go this much before the first frame that is wanted, which is then taken by its time: seconds, and of a constant
# rate as many frames as H.264 and HEVC reorder at most, and one.
SEEK_MARGIN = 2
SEEK_FRAMES = 17
# Bits for each pixel of each frame, for encoders that know no constant quality.
BITS_PER_PIXEL = 0.2
SOUND_BITS = 192_000
# Dolby Vision without a picture that others can show: its colours are its own.
DOLBY_ONLY = 5


class Shape(NamedTuple):
    """What the frames become. `size` is width and height, None: as seen, but even. `quality` is x264's CRF.

    With `is_joinable` it is H.264 without a container: streams of the same shape, one after the other, are one stream.
    """

    rate: Fraction
    size: tuple[int, int] | None = None
    quality: int = 17
    bits: int | None = None  # a second, instead of a quality
    is_joinable: bool = False


@dataclass(frozen=True)
class Range:
    """`count` frames from number `first` on, counted at the shape's rate from the first picture."""

    first: int
    count: int


def even(size: tuple[int, int]) -> tuple[int, int]:
    """H.264 players take even sizes only."""
    return max(2, size[0] // 2 * 2), max(2, size[1] // 2 * 2)


def limited(size: tuple[int, int], long_side: int, short_side: int) -> tuple[int, int]:
    """The size, even and scaled down to fit, whichever way it stands."""
    factor = min(Fraction(1), Fraction(long_side, max(size)), Fraction(short_side, min(size)))
    return even(size) if factor == 1 else even((round(size[0] * factor), round(size[1] * factor)))


def encode(
    ffmpeg: Ffmpeg,
    footage: Footage,
    cut: Range,
    shape: Shape,
    target: Path,
    doing: str,
    *,
    failure: type[LumaError] = UsageError,
    sound: Stream | None = None,
    max_bytes: int | None = None,
    on_seconds: OnSeconds | None = None,
) -> None:
    """Write the frames of `cut` to `target`, an MP4 unless it is to be joined, with `sound` if that is a stream of it.

    Frames beyond the clip's end repeat its last one. What is larger than `max_bytes` is made once more, and once
    again, at the rate of bits that fits: aimed at 95 % of it, then at 80 %.

    Raises:
        failure: ffmpeg fails, or the frames are not exactly those that were asked for.
        UsageError: the clip's colours cannot be converted, or it does not get small enough.
        FileError: the disk is full.
    """
    check_colours(ffmpeg, footage)
    job = _Encoding(ffmpeg, footage, cut, shape, sound)
    job.write(target, doing, failure, on_seconds)
    for share in (0.95, 0.8):
        if max_bytes is None or target.stat().st_size <= max_bytes:
            return
        bits = int(share * max_bytes * 8 / job.seconds) - (SOUND_BITS if sound is not None else 0)
        if bits < 10_000:
            break
        replace(job, shape=shape._replace(bits=bits)).write(target, doing, failure, on_seconds)
    if max_bytes is not None and target.stat().st_size > max_bytes:
        megabytes = max_bytes / 1e6
        raise UsageError(f"cannot {doing}: it does not get smaller than {megabytes:.0f} MB", hint="--trim or --split")


def sound_of(ffmpeg: Ffmpeg, path: Path, kind: str, streams: Iterable[Stream]) -> Stream | None:
    """The sound that plays: the default one that can be decoded.

    Found by codec and not by position: cameras store tracks that nobody else can decode.
    """
    sounds = sorted((stream for stream in streams if stream.kind == "audio"), key=lambda stream: not stream.is_default)
    return next((stream for stream in sounds if can_decode(ffmpeg, path, kind, stream.index)), None)


def can_decode(ffmpeg: Ffmpeg, path: Path, kind: str, index: int) -> bool:
    """True if the beginning of a stream can be decoded."""
    try:
        sample = ["-map", f"0:{index}", "-frames", "2", "-f", "null", "-"]
        run(ffmpeg, [*read_from(path, kind), *sample], f"decode {path.name}")
    except LumaError:
        return False
    return True


def check_colours(ffmpeg: Ffmpeg, footage: Footage) -> None:
    """Return if the picture's colours can be brought to what every screen shows.

    Raises:
        UsageError: they are HDR and this ffmpeg cannot convert it, or nobody can.
    """
    picture = footage.picture
    if picture.dolby_profile == DOLBY_ONLY:
        raise UsageError(
            f"{footage.path.name} is Dolby Vision profile 5, whose colours cannot be converted",
            hint="export it as SDR, or as HDR10 or HLG",
        )
    if picture.hdr and (lacks := ffmpeg.lacks({Need.HDR})):
        raise UsageError(
            f"{footage.path.name} is HDR ({picture.hdr.upper()}), and {ffmpeg.path} lacks {lacks[0]}",
            hint="an ffmpeg that has them: pip install 'kie-luma[ffmpeg]'",
        )


@dataclass(frozen=True)
class _Encoding:
    """What goes into one run of ffmpeg, and its arguments."""

    ffmpeg: Ffmpeg
    footage: Footage
    cut: Range
    shape: Shape
    sound: Stream | None

    @property
    def seconds(self) -> float:
        return float(self.cut.count / self.shape.rate)

    def write(self, target: Path, doing: str, failure: type[LumaError], on_seconds: OnSeconds | None) -> None:
        progress = on_progress(on_seconds, self.seconds)
        written = 0

        def take(line: bytes) -> None:
            nonlocal written
            if line.startswith(b"frame="):
                written = int(line[6:])
            progress(line)

        for is_sought in (True, False) if self.footage.kind in SEEKABLE and self.cut.first else (False,):
            arguments = [*self._input(is_sought=is_sought), *self._picture(), *self._sounds()]
            arguments += ["-progress", "pipe:1", "-y", *self._container(), f"file:{target}"]
            run(self.ffmpeg, arguments, doing, failure=failure, on_line=take)
            if written == self.cut.count:
                return
        raise failure(f"ffmpeg cannot {doing}: {written} frames came out instead of {self.cut.count}")

    def _input(self, *, is_sought: bool) -> list[str]:
        footage, margin = self.footage, Fraction(SEEK_MARGIN)
        if not footage.is_variable:
            margin = min(margin, SEEK_FRAMES / footage.rate)
        start = self.cut.first / self.shape.rate - margin
        seek = ["-ss", f"{float(start):.6f}"] if is_sought and start > 0 else []
        return ["-copyts", *read_from(footage.path, footage.kind, *seek, "-noaccurate_seek")]

    def _picture(self) -> list[str]:
        filters = ",".join([*self._timing(), *self._look()])
        return ["-map", f"0:{self.footage.picture.index}", "-vf", filters, *self._h264()]

    def _timing(self) -> list[str]:
        footage, cut = self.footage, self.cut
        by_time = f"setpts=round(PTS-{ratio(footage.timeline.start)}/TB)"
        if footage.kind == "avi":
            # Its frames have slots and no times of their own: those of a constant rate are counted.
            rate = footage.timeline.constant_rate
            by_time = f"setpts=round(N*{ratio(1 / rate)}/TB)" if rate else "setpts=PTS-STARTPTS"
        ends = f"trim=start_pts={cut.first}:end_pts={cut.first + cut.count}"
        steady = f"fps={ratio(self.shape.rate)}"
        # The last frame is repeated as long as it takes: a screen recording's still end is one frame in the file.
        # At the end the rate again: ffmpeg 7.0 forgets it at `setpts`, and then drops the last frames (measured).
        return [by_time, steady, "tpad=stop=-1:stop_mode=clone", ends, "setpts=PTS-STARTPTS", steady]

    def _look(self) -> list[str]:
        picture = self.footage.picture
        seen = (picture.width, picture.height)
        width, height = self.shape.size or even(seen)
        filters = ["yadif=deint=interlaced"] if picture.is_interlaced else []
        if picture.is_squeezed or max(abs(width - seen[0]), abs(height - seen[1])) > 1:
            filters.append(f"scale={width}:{height}:flags=lanczos")
        elif (width, height) != seen:
            filters.append(f"crop={width}:{height}:0:0")
        return [*filters, "setsar=1", *(_TONE_MAP if picture.hdr else ()), "format=yuv420p"]

    def _h264(self) -> list[str]:
        name, shape = self.ffmpeg.h264_encoder, self.shape
        if name is None:
            raise UsageError(f"{self.ffmpeg.path} lacks {Need.H264.value}")
        arguments = ["-c:v", name, "-map_metadata", "-1", "-map_chapters", "-1", "-dn", "-sn"]
        if shape.bits is not None or name != "libx264":
            bits = str(shape.bits or self._bits())
            arguments += ["-b:v", bits, "-maxrate", bits, "-bufsize", bits]
        else:
            arguments += ["-crf", str(shape.quality)]
        if name == "libx264":
            arguments += ["-preset", "veryfast", "-profile:v", "high"]
        if shape.is_joinable:
            # Without B-frames each frame's time is its number, and with delimiters joined streams fall apart into the
            # same frames again: nothing is shifted or swallowed at a seam.
            arguments += ["-bf", "0"] + (["-x264-params", "aud=1:stitchable=1"] if name == "libx264" else [])
        if self.footage.picture.hdr:
            arguments += ["-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709"]
        return [*arguments, "-frames:v", str(self.cut.count)]

    def _bits(self) -> int:
        width, height = self.shape.size or (self.footage.picture.width, self.footage.picture.height)
        return int(max(200_000, BITS_PER_PIXEL * width * height * float(self.shape.rate)))

    def _sounds(self) -> list[str]:
        if self.sound is None:
            return []
        start = self.footage.timeline.start + self.cut.first / self.shape.rate
        filters = sound_filters(start, self.cut.count / self.shape.rate)
        return ["-map", f"0:{self.sound.index}", "-af", filters, "-c:a", "aac", "-b:a", str(SOUND_BITS)]

    def _container(self) -> list[str]:
        if self.shape.is_joinable:
            return ["-f", "h264"]
        rate = self.shape.rate
        ticks = str(rate.numerator * max(1, -(-10_000 // rate.numerator)))
        timescales = ["-video_track_timescale", ticks, "-movie_timescale", ticks]
        return [*timescales, "-f", "mp4", "-write_tmcd", "0", "-movflags", "+faststart"]


def sound_filters(start: Fraction, length: Fraction) -> str:
    """Takes a sound from `start` seconds of its own clock on, for `length` seconds; what is missing is silence."""
    cut = f"atrim=start=0:end={float(length):.6f}"
    return f"asetpts=round(PTS-{ratio(start)}/TB),{cut},aresample=async=1:first_pts=0"


def ratio(value: Fraction) -> str:
    """As ffmpeg's expressions take it, exactly."""
    return f"{value.numerator}/{value.denominator}"


# 100 nits is the white of SDR. The two kinds of data that describe HDR's screen would else stay in the file.
_TONE_MAP = (
    "zscale=t=linear:npl=100",
    "format=gbrpf32le",
    "zscale=p=bt709",
    "tonemap=tonemap=hable:desat=0",
    "zscale=t=bt709:m=bt709:r=tv",
    "sidedata=mode=delete:type=MASTERING_DISPLAY_METADATA",
    "sidedata=mode=delete:type=CONTENT_LIGHT_LEVEL",
)
