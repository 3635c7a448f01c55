"""A silent result gets its source's sound, in sync to the sample."""

import shutil
from pathlib import Path

import pytest

from luma_cli.errors import FileError
from luma_cli.video.ffmpeg import Ffmpeg, find_ffmpeg
from luma_cli.video.frames import look, survey
from luma_cli.video.sound import SoundReport, find_sound, has_sound, with_sound
from support.footage import clip, ffmpeg, frame_times, heard

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


@pytest.fixture
def program() -> Ffmpeg:
    return find_ffmpeg(None)


def laid(program: Ffmpeg, folder: Path, name: str, result: str = "result.mp4", start: float = 0.0) -> Path:
    target = folder / f"out{result[-4:]}"
    assert with_sound(program, clip(result), clip(name), target, start=start)
    return target


def picture_of(path: Path) -> str:
    return ffmpeg("-i", path, "-map", "0:v", "-c", "copy", "-f", "md5", "-")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("silent.mp4", False), ("digital-silence.mp4", False), ("ntsc.mp4", True), ("unknown-sound.mp4", True)],
)
def test_silence_is_no_sound(program: Ffmpeg, name: str, expected: bool) -> None:
    assert has_sound(program, clip(name)) is expected


@pytest.mark.parametrize(
    ("samples", "codec", "container", "expected"),
    [
        ("0", "ac3", "mp4", False),  # which decodes to -101.5 dB
        ("0", "pcm_s16le", "mov", False),
        ("(floor(random(0)*3)-1)/32768", "pcm_s16le", "mov", True),  # dither
        ("(floor(random(0)*3)-1)/32768", "aac", "mp4", True),
        ("gt(n,47998)/32768", "pcm_s16le", "mov", True),
    ],
)
def test_digital_silence_is_nothing_at_all(
    program: Ffmpeg, tmp_path: Path, samples: str, codec: str, container: str, expected: bool
) -> None:
    target = tmp_path / f"a.{container}"
    ffmpeg("-i", clip("silent.mp4"), "-f", "lavfi", "-i", f"aevalsrc='{samples}':s=48000:d=1", "-c:a", codec, target)

    assert has_sound(program, target) is expected


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("ntsc.mp4", "result.mp4"),
        ("late-sound.mp4", "result.mp4"),
        ("mp3.avi", "result.mp4"),
        ("skipped.mp4", "result.mp4"),
        ("pcm24.mov", "result.mov"),
    ],
)
def test_the_sound_is_the_same_to_the_sample(program: Ffmpeg, tmp_path: Path, name: str, result: str) -> None:
    target = laid(program, tmp_path, name, result)
    (start, samples), (source_start, source) = heard(target), heard(clip(name))

    assert start == source_start
    assert samples == source[: len(samples)]
    assert (len(samples) >= len(source) - 1024) or name == "late-sound.mp4"
    assert picture_of(target) == picture_of(clip(result))


def test_sound_that_begins_late_keeps_its_delay(program: Ffmpeg, tmp_path: Path) -> None:
    """An empty edit and a priming at once, which ffmpeg alone does not write."""
    assert heard(laid(program, tmp_path, "late-sound.mp4"))[0] == round(0.4321 * 48000)


def test_sound_that_begins_late_in_a_transport_stream_does_too(program: Ffmpeg, tmp_path: Path) -> None:
    """ffmpeg takes a shift by exactly the file's start, which such a picture has, for its own."""
    source, target = tmp_path / "late.ts", tmp_path / "a.mp4"
    picture, sound = ["-f", "lavfi", "-i", "color=s=32x32:r=25:d=1"], ["-f", "lavfi", "-i", "sine=d=0.5:r=48000"]
    ffmpeg(*picture, "-itsoffset", "0.3", *sound, "-c:v", "libx264", "-bf", "0", "-c:a", "ac3", source)
    with_sound(program, clip("result.mp4"), source, target)

    assert heard(target)[0] == pytest.approx(0.3 * 48000, abs=1024)


def test_a_trimmed_source_gives_its_sound_from_the_cut_on(program: Ffmpeg, tmp_path: Path) -> None:
    """0.5 s is frame 15, which begins at 0.5005 s."""
    start, samples = heard(laid(program, tmp_path, "ntsc.mp4", start=0.5))

    assert (start, samples) == (0, heard(clip("ntsc.mp4"))[1][24024:])


def test_far_into_a_source_too(program: Ffmpeg, tmp_path: Path) -> None:
    start, samples = heard(laid(program, tmp_path, "hour-like.mp4", start=40))
    first = 1199 * 1001 * 48000 // 30000

    assert (start, samples) == (0, heard(clip("hour-like.mp4"))[1][first : first + len(samples)])


def test_sound_ends_with_the_picture_and_the_picture_is_not_cut(program: Ffmpeg, tmp_path: Path) -> None:
    target = laid(program, tmp_path, "long-sound.mp4")
    sound = find_sound(program, target)

    assert len(frame_times(target)) == 102
    assert sound is not None
    assert look(program, target).container_seconds == pytest.approx(4.25, abs=0.01)


def test_missing_sound_stays_missing(program: Ffmpeg, tmp_path: Path) -> None:
    target = laid(program, tmp_path, "short-sound.mp4")

    assert len(frame_times(target)) == 102
    assert len(heard(target)[1]) == pytest.approx(72_000, abs=1024)


def test_the_sound_that_plays_is_found_by_codec(program: Ffmpeg, tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    report = with_sound(program, clip("result.mp4"), clip("unknown-sound.mp4"), target)

    assert report is not None
    assert (report.codec, report.is_copied, len(report.left_out)) == ("aac", True, 1)


def test_time_code_is_left_out_and_named(program: Ffmpeg, tmp_path: Path) -> None:
    report = with_sound(program, clip("result.mp4"), clip("timecode.mov"), tmp_path / "a.mp4")

    assert report == SoundReport("aac", True, ("data none",))
    assert [stream.kind for stream in survey(program, tmp_path / "a.mp4", "mp4", FileError).streams] == [
        "video",
        "audio",
    ]


def test_what_the_container_does_not_take_becomes_aac(program: Ffmpeg, tmp_path: Path) -> None:
    report = with_sound(program, clip("result.mp4"), clip("film.mov"), tmp_path / "a.mp4")

    assert report == SoundReport("pcm_s16le", False, ())
    start, samples = heard(tmp_path / "a.mp4")
    assert (start, len(samples)) == (0, pytest.approx(144_000, abs=1024))


def test_a_long_first_frame_of_a_result_is_not_cut(program: Ffmpeg, tmp_path: Path) -> None:
    target = laid(program, tmp_path, "ntsc.mp4", "fragments.mp4")

    assert ffmpeg("-i", target, "-map", "0:v", "-fps_mode", "passthrough", "-f", "md5", "-") == ffmpeg(
        "-i", clip("fragments.mp4"), "-map", "0:v", "-fps_mode", "passthrough", "-f", "md5", "-"
    )


def test_a_result_s_own_offset_is_taken_out(program: Ffmpeg, tmp_path: Path) -> None:
    late = tmp_path / "late.mp4"
    ffmpeg("-itsoffset", "0.2", "-i", clip("result.mp4"), "-c", "copy", late)
    with_sound(program, late, clip("ntsc.mp4"), tmp_path / "a.mp4")

    assert frame_times(tmp_path / "a.mp4")[0] == 0
    assert heard(tmp_path / "a.mp4")[0] == 0


@pytest.mark.parametrize("name", ["song.wav", "song.mp3", "song.ogg"])
def test_a_file_of_sound_is_taken_from_its_beginning(program: Ffmpeg, tmp_path: Path, name: str) -> None:
    start, samples = heard(laid(program, tmp_path, name))
    source = heard(clip(name))[1]

    assert start == 0
    assert len(samples) == pytest.approx(len(source), abs=2400)
    assert max(abs(ours - theirs) for ours, theirs in zip(samples, source, strict=False)) < 1500


def test_a_source_without_sound_gives_none(program: Ffmpeg, tmp_path: Path) -> None:
    assert with_sound(program, clip("result.mp4"), clip("silent.mp4"), tmp_path / "a.mp4") is None
    assert not (tmp_path / "a.mp4").exists()


def test_a_damaged_source_is_an_error_and_the_result_is_as_it_was(program: Ffmpeg, tmp_path: Path) -> None:
    before = clip("result.mp4").read_bytes()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clip("ntsc.mp4").read_bytes()[:60])
    with pytest.raises(FileError, match="ffmpeg cannot read broken"):
        with_sound(program, clip("result.mp4"), broken, tmp_path / "a.mp4")

    assert clip("result.mp4").read_bytes() == before
