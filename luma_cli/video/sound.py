"""Does a clip have sound, and give a silent one that of its source, in sync to the sample."""

import logging
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from luma_cli.errors import FileError, LumaError, reason
from luma_cli.video import headers, movie_index
from luma_cli.video.encode import SEEKABLE, SOUND_BITS, can_decode, ratio, sound_filters, sound_of
from luma_cli.video.ffmpeg import Ffmpeg, OnSeconds, kind_of, on_progress, read_from, run
from luma_cli.video.frames import Stream, beginning_of_sound, first_frame, look, survey

log = logging.getLogger(__name__)

# What the containers take as it is. PCM is cut to the sample by decoding it, which changes nothing.
COPIED = {
    "mp4": frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus"}),
    "mov": frozenset({"aac", "mp3", "ac3", "eac3", "alac"}),
}
PCM = frozenset(
    f"pcm_{name}"
    for name in "s8 u8 s16le s16be s24le s24be s32le s32be f32le f32be f64le f64be alaw mulaw".split()  # noqa: SIM905
)
# Half a sample of 16 bits, in dB: all codecs decode digital silence to nothing, but AC-3 to -101.5 dB (measured); the
# dither of a recording in 16 bits, which is sound, is at -90.3 dB.
SILENCE = 20 * math.log10(0.5 / 32768)
MAX_SECONDS = 6 * 3600
# A decoder needs what came before the first sample that is heard: the bit reservoir of MP3 reaches furthest.
LEAD = Fraction(3, 2)
MAX_TIMESCALE = 10_000_000  # of a movie
MICROSECOND = Fraction(1, 1_000_000)  # in which ffmpeg counts offsets; MPEG-TS has 90,000 ticks
# Files of sound alone whose first packet's time is that of ffmpeg's counting and not the sound's.
BEGIN_WITH_SOUND = ("mp3", "ogg")


class SoundReport(NamedTuple):
    """What was done. `codec` is the source's; `left_out` names the streams of the source that were not taken."""

    codec: str
    is_copied: bool
    left_out: tuple[str, ...] = ()


class Sound(NamedTuple):
    """The sound that plays of a file, ready to be laid under a picture.

    `zero` is the time, in the file's own clock, that is played with the first picture. `first` is its first packet's
    time in that clock, `heard` the first sample's that is heard.
    """

    path: Path
    kind: str
    stream: Stream
    zero: Fraction
    first: Fraction
    heard: Fraction
    unit: Fraction
    left_out: tuple[str, ...]


def has_sound(ffmpeg: Ffmpeg, path: Path) -> bool:
    """False if the clip has no audio track, or nothing but digital silence in those that can be decoded.

    A track that cannot be decoded counts as sound: what is in it is not known.

    Raises:
        LumaError: ffmpeg cannot read the clip.
    """
    kind = kind_of(path)
    streams = survey(ffmpeg, path, kind, FileError).streams
    return any(_is_heard(ffmpeg, path, kind, stream.index) for stream in streams if stream.kind == "audio")


def _is_heard(ffmpeg: Ffmpeg, path: Path, kind: str, index: int) -> bool:
    peaks: list[float] = [-math.inf]

    def take(line: bytes) -> None:
        name, _, value = line.partition(b"=")
        if name == b"lavfi.astats.Overall.Peak_level":
            peaks[0] = max(peaks[0], float(value))

    measure = "astats=metadata=1:measure_perchannel=none:measure_overall=Peak_level,ametadata=mode=print:file=-"
    sink = ["-map", f"0:{index}", "-af", measure, "-f", "null", "-"]
    try:
        run(ffmpeg, [*read_from(path, kind, "-t", str(MAX_SECONDS)), *sink], f"hear {path.name}", on_line=take)
    except LumaError:
        return not can_decode(ffmpeg, path, kind, index)
    return peaks[0] > SILENCE


def find_sound(ffmpeg: Ffmpeg, path: Path, *, start: float = 0.0) -> Sound | None:
    """The sound of a clip, from `start` seconds after its first picture on: of the frame that is shown first then.

    None if it has none. Raises LumaError if ffmpeg cannot read it, or can decode none of its sounds.
    """
    kind = kind_of(path)
    streams = survey(ffmpeg, path, kind, FileError).streams
    stream = sound_of(ffmpeg, path, kind, streams)
    if stream is None:
        if any(other.kind == "audio" for other in streams):
            raise FileError(f"ffmpeg cannot decode the sound of {path.name}")
        return None
    packets, decoded = beginning_of_sound(ffmpeg, path, kind, stream.index, FileError)
    has_picture = any(other.kind == "video" and not other.is_cover for other in streams)
    if has_picture:
        footage = look(ffmpeg, path, failure=FileError)
        number, timeline = first_frame(footage, start), footage.timeline
        zero = timeline.start + number / footage.rate if number else timeline.shown_from
        shown = {stream.index, footage.picture.index}
    else:
        zero, shown = (decoded.start if kind in BEGIN_WITH_SOUND else Fraction(0)), {stream.index}
    first = packets.first_packet * packets.unit
    left_out = tuple(f"{other.kind} {other.codec}" for other in streams if other.index not in shown)
    return Sound(path, kind, stream, zero, first, decoded.start, packets.unit, left_out)


def with_sound(
    ffmpeg: Ffmpeg,
    result: Path,
    source: Path,
    target: Path,
    *,
    start: float = 0.0,
    on_seconds: OnSeconds | None = None,
) -> SoundReport | None:
    """Write `target`: the picture of `result` as it is, with the sound of `source` from `start` seconds on.

    `source` is a clip, or a file of sound alone. The sound ends with the picture at the latest; the picture begins
    at 0. None, and no target, if the source has no sound.

    Raises:
        LumaError: ffmpeg cannot read one of the two, or the result is neither MP4 nor MOV.
    """
    sound = find_sound(ffmpeg, source, start=start)
    if sound is None:
        return None
    footage = look(ffmpeg, result, failure=FileError)
    if footage.kind not in COPIED:
        raise FileError(f"{result.name} is {footage.kind}: sound goes into MP4 and MOV only")
    timeline = footage.timeline
    shift = ["-itsoffset", _seconds(-timeline.shown_from)]
    picture = read_from(result, footage.kind, *shift)
    length = timeline.start - timeline.shown_from + (timeline.duration if footage.is_variable else footage.seconds)
    maps = ["-map", f"0:{footage.picture.index}", "-c:v", "copy"]
    container = ["-map_chapters", "-1", "-dn", "-sn", "-write_tmcd", "0", "-f", footage.kind, "-movflags", "+faststart"]

    def write(laid: Laid) -> None:
        arguments = ["-progress", "pipe:1", "-y", "-copyts", *picture, *laid.source, *maps, *laid.arguments, *container]
        doing = f"put the sound of {source.name} under {result.name}"
        run(ffmpeg, [*arguments, f"file:{target}"], doing, on_line=on_progress(on_seconds, float(length)))

    return lay(sound, target, footage.kind, length, timeline.unit, write)


class Laid(NamedTuple):
    """Arguments for ffmpeg: `source` opens the sound as input 1, `arguments` are those of the output.

    `priming` is what the edit list must be corrected by, in ticks of the sound, 0 if it is right as ffmpeg writes it.
    """

    source: list[str]
    arguments: list[str]
    priming: int = 0


def lay(
    sound: Sound, target: Path, container: str, length: Fraction, unit: Fraction, write: Callable[[Laid], None]
) -> SoundReport:
    """Have `write` make `target` with `sound` under a picture of `length` seconds from 0 on, with ticks of `unit`.

    Copied if the container takes the codec, and encoded if it does not, or if copying fails.

    Raises:
        LumaError: what `write` raises, or the file cannot be finished.
    """
    if _can_copy(sound, container):
        try:
            _finish(_copied(sound, length, unit), target, write)
            return SoundReport(sound.stream.codec, True, sound.left_out)
        except LumaError:
            log.info("the sound of %s cannot be copied, it is encoded", sound.path.name)
    _finish(_encoded(sound, container, length), target, write)
    return SoundReport(sound.stream.codec, False, sound.left_out)


def _finish(laid: Laid, target: Path, write: Callable[[Laid], None]) -> None:
    write(laid)
    if laid.priming:
        movie_index.skip_priming(target, laid.priming)
    check_written(target)


def check_written(target: Path) -> None:
    """ffmpeg may end well although the last bytes did not get onto a full disk."""
    try:
        headers.check_whole(target)
    except headers.MediaError as error:
        raise FileError(f"cannot write {target.name}: {error}") from error
    except OSError as error:
        raise FileError(f"cannot write {target.name}: {reason(error)}") from error


def _can_copy(sound: Sound, container: str) -> bool:
    is_cut = sound.first < sound.zero - 2 * LEAD
    can_copy = sound.stream.codec in COPIED[container] and (not is_cut or sound.kind in SEEKABLE)
    # Measured: of MP3 in MP4 players begin with a whole packet, up to 24 ms off, wherever the edit list says.
    return can_copy and (sound.stream.codec != "mp3" or sound.heard >= sound.zero)


def _encoded(sound: Sound, container: str, length: Fraction) -> Laid:
    cut = ["-ss", _seconds(sound.zero - LEAD)] if sound.kind in SEEKABLE and sound.zero > 2 * LEAD else []
    is_pcm = container == "mov" and sound.stream.codec in PCM
    codec = [sound.stream.codec] if is_pcm else ["aac", "-b:a", str(SOUND_BITS)]
    source = read_from(sound.path, sound.kind, *cut, "-noaccurate_seek")
    filters = sound_filters(sound.zero, length)
    return Laid(source, ["-map", f"1:{sound.stream.index}", "-af", filters, "-c:a", *codec])


def _copied(sound: Sound, length: Fraction, unit: Fraction) -> Laid:
    # What is heard begins after the picture and is primed: ffmpeg writes the delay alone into the edit list. The
    # packets are put as late as what is heard, and the priming is written into the list afterwards.
    delay, priming = sound.heard - sound.zero, sound.heard - sound.first
    late = priming if delay > 0 else Fraction(0)
    cut = ["-ss", _seconds(sound.zero - LEAD)] if sound.first < sound.zero - 2 * LEAD else []
    shift = late - sound.zero
    if sound.kind == "mpegts":
        # A shift by exactly the stream's start is taken for ffmpeg's own, and "corrected" to the start of the sound.
        shift += MICROSECOND
    source = read_from(sound.path, sound.kind, *cut, "-itsoffset", _seconds(shift))
    end = length + late
    # A packet that plays on after the picture's end is made to end with it.
    shortened = f"setts=ts=TS:duration=min(DURATION\\,max(1\\,floor({ratio(end)}/TB-TS)))"
    arguments = ["-map", f"1:{sound.stream.index}", "-c:a", "copy", "-bsf:a", shortened, "-t", _seconds(end)]
    scale = math.lcm(sound.unit.denominator, unit.denominator)
    scale = scale if scale < MAX_TIMESCALE else sound.unit.denominator
    return Laid(source, [*arguments, "-movie_timescale", str(scale)], round(late / sound.unit))


def _seconds(value: Fraction) -> str:
    return f"{float(value):.6f}"
