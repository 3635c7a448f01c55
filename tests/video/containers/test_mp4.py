"""Facts of real clips, made with ffmpeg as cameras, phones and editors make them."""

import contextlib
import random
import shutil
import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from luma_cli.video.headers import MediaError, check_whole, probe_file
from luma_cli.video.media import Media, Track
from support.commands import DATA

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")

NTSC, FILM = Fraction(30_000, 1001), Fraction(24_000, 1001)
X264 = "-c:v libx264 -preset ultrafast"
QUIET = "-x265-params log-level=error"
PQ = "setparams=color_trc=smpte2084:color_primaries=bt2020:colorspace=bt2020nc"
X265 = f"-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le {QUIET}"


def picture(rate: str = "25", seconds: float = 1, size: str = "128x72") -> str:
    return f"-f lavfi -i testsrc2=size={size}:rate={rate}:duration={seconds}"


def sound(seconds: float = 1, rate: int = 44_100) -> str:
    return f"-f lavfi -i sine=duration={seconds}:sample_rate={rate}"


def ffmpeg(*words: str | Path) -> None:
    options = [part for word in words for part in ([str(word)] if isinstance(word, Path) else word.split())]
    subprocess.run(["ffmpeg", "-y", "-nostdin", "-v", "error", *options], check=True, timeout=50)


def made(path: Path, *words: str | Path) -> Media:
    ffmpeg(*words, path)
    assert check_whole(path) == []
    return probe_file(path)


def shown(media: Media) -> Track:
    assert media.picture is not None
    return media.picture


@pytest.mark.parametrize(
    ("rate", "exact"), [("30000/1001", NTSC), ("24000/1001", FILM), ("50", Fraction(50)), ("12", Fraction(12))]
)
def test_a_frame_rate_is_exact(tmp_path: Path, rate: str, exact: Fraction) -> None:
    paths = [tmp_path / name for name in ("a.mp4", "a.mov", "a.avi")]
    ffmpeg(picture(rate), *(word for path in paths for word in (X264, "-bf 2", path)))
    for path in paths:
        assert check_whole(path) == []
        found = shown(probe_file(path))

        assert (path.name, found.frame_rate, found.is_variable_rate) == (path.name, exact, False)
        # The muxer of AVI adds an empty frame for pictures that are stored out of order.
        assert abs((found.duration or 0) * exact - round(exact)) <= (2 if path.suffix == ".avi" else 0.01)


def test_two_rates_joined_are_a_variable_one(tmp_path: Path) -> None:
    joined = "-filter_complex [0][1]concat=n=2,settb=1/600 -fps_mode vfr -video_track_timescale 600"
    found = shown(made(tmp_path / "a.mp4", picture("30"), picture("12"), joined, X264))

    assert found.is_variable_rate
    assert found.frame_rate is not None
    assert found.duration == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(
    ("options", "codec", "bits", "hdr"),
    [
        (
            f"{X265} {QUIET} -tag:v hvc1 -vf {PQ}",
            "hevc",
            10,
            "pq",
        ),
        (f"{X264} -pix_fmt yuv420p10le", "h264", 10, None),
        (f"{X264} -pix_fmt yuv420p -x264-params cqm=jvt", "h264", 8, None),
        (f"{X264} -pix_fmt yuv444p", "h264", 8, None),
        (f"-c:v libx265 -preset medium -pix_fmt yuv420p {QUIET}:scaling-list=default:pools=1", "hevc", 8, None),
        ("-c:v libvpx-vp9 -deadline realtime -pix_fmt yuv420p10le -profile:v 2", "vp9", 10, None),
        ("-c:v libaom-av1 -cpu-used 8 -usage realtime -pix_fmt yuv420p10le", "av1", 10, None),
        ("-c:v mpeg4", "mpeg4", 8, None),
    ],
)
def test_codec_depth_and_curve(tmp_path: Path, options: str, codec: str, bits: int, hdr: str | None) -> None:
    found = shown(made(tmp_path / "a.mp4", picture("10", 0.5), options))

    assert (found.codec, found.bit_depth, found.hdr) == (codec, bits, hdr)


@pytest.mark.parametrize(
    ("options", "codec", "bits"),
    [
        ("-c:v prores_ks -profile:v 3", "prores", 10),
        ("-c:v prores_ks -profile:v 4", "prores", 12),
        ("-c:v mjpeg", "mjpeg", 8),
    ],
)
def test_codecs_of_quicktime(tmp_path: Path, options: str, codec: str, bits: int) -> None:
    found = shown(made(tmp_path / "a.mov", picture("10", 0.5), options))

    assert (found.codec, found.bit_depth) == (codec, bits)


def test_a_phone_holds_a_picture_upright_by_a_matrix(tmp_path: Path) -> None:
    ffmpeg(picture("10", 0.5), X264, tmp_path / "a.mp4")
    data = (tmp_path / "a.mp4").read_bytes()
    upright = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    place = data.rindex(upright)
    for matrix, size in [
        ((0, 0x10000, -0x10000, 0), (72, 128)),
        ((-0x10000, 0, 0, -0x10000), (128, 72)),
        ((0, -0x10000, 0x10000, 0), (72, 128)),
        ((-0x10000, 0, 0, 0x10000), (128, 72)),  # mirrored
    ]:
        a, b, c, d = matrix
        turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
        (tmp_path / "b.mp4").write_bytes(data[:place] + turned + data[place + len(upright) :])
        found = shown(probe_file(tmp_path / "b.mp4"))
        assert (found.is_upright, found.width, found.height) == (False, *size)
    assert shown(probe_file(tmp_path / "a.mp4")).is_upright


def test_a_picture_of_wide_pixels_is_as_wide_as_it_is_seen(tmp_path: Path) -> None:
    found = shown(made(tmp_path / "a.mp4", picture("10", 0.5, "720x576"), X264, "-vf setsar=64/45"))

    assert (found.width, found.height) == (1024, 576)


SOUNDS = [
    ("aac.mp4", "-c:a aac"),
    ("mp3.mp4", "-c:a libmp3lame"),
    ("ac3.mp4", "-c:a ac3"),
    ("eac3.mp4", "-c:a eac3"),
    ("opus.mp4", "-c:a libopus"),
    ("flac.mp4", "-c:a flac -strict -2"),
    ("alac.mov", "-c:a alac"),
    ("pcm.mov", "-c:a pcm_s16le"),
    ("pcm.24.mov", "-c:a pcm_s24le"),
    ("mp3.avi", "-c:a libmp3lame"),
    ("pcm.avi", "-c:a pcm_s16le"),
]


def test_the_sounds_of_all_containers_are_tracks(tmp_path: Path) -> None:
    outputs = (word for name, options in SOUNDS for word in (X264, options, "-ac 2", tmp_path / name))
    ffmpeg(picture("10"), sound(rate=48_000), *outputs)
    for name, _ in SOUNDS:
        assert check_whole(tmp_path / name) == []
        track = probe_file(tmp_path / name).tracks[1]

        assert (name, track.index, track.kind) == (name, 1, "audio")
        assert track.duration == pytest.approx(1.0, abs=0.06)


def test_priming_is_no_part_of_a_sound(tmp_path: Path) -> None:
    track = made(tmp_path / "a.mp4", picture(), sound(), X264, "-c:a aac").tracks[1]

    assert (track.start_offset, track.duration) == (0.0, pytest.approx(1.0, abs=0.002))


def test_a_sound_that_begins_later_has_an_offset(tmp_path: Path) -> None:
    media = made(tmp_path / "a.mp4", picture(), "-itsoffset 0.5", sound(0.5), X264, "-c:a libmp3lame -shortest")

    assert media.tracks[1].start_offset == pytest.approx(0.5, abs=0.03)


def test_a_time_code_is_a_track_of_its_own(tmp_path: Path) -> None:
    media = made(tmp_path / "a.mov", picture(), sound(), "-timecode 01:00:00:00", X264, "-c:a aac")

    assert [track.kind for track in media.tracks] == ["video", "audio", "timecode"]


def test_a_still_in_the_first_track_is_not_the_picture(tmp_path: Path) -> None:
    both = "-map 0:v -map 1:v -c:v:0 mjpeg -c:v:1 libx264 -preset ultrafast"
    media = made(tmp_path / "a.mov", picture("1"), picture("25", 2), both)

    assert [track.is_cover for track in media.tracks] == [True, False]
    assert shown(media).index == 1


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_a_voice_memo_has_no_picture(tmp_path: Path, name: str) -> None:
    media = made(tmp_path / name, sound(), "-c:a aac")

    assert (media.picture, media.duration) == (None, pytest.approx(1.0, abs=0.03))


@pytest.mark.parametrize("flags", ["+frag_keyframe+empty_moov", "+dash+frag_keyframe+default_base_moof"])
def test_the_length_of_fragments_is_added_up(tmp_path: Path, flags: str) -> None:
    media = made(tmp_path / "a.mp4", picture("25", 3), sound(3), X264, "-bf 2 -g 25 -c:a aac -movflags", flags)

    assert 0 < media.data_end <= (tmp_path / "a.mp4").stat().st_size
    check_three_seconds(media)


def test_the_length_of_fragments_of_one_frame_each_is_added_up() -> None:
    """Written by ffmpeg 5.1: later ones give their samples no true durations."""
    check_three_seconds(probe_file(DATA / "tiny-every-frame.mp4"))


def check_three_seconds(media: Media) -> None:
    assert media.duration == pytest.approx(3.0, abs=0.1)
    assert (shown(media).duration, shown(media).frame_rate) == (pytest.approx(3.0, abs=0.1), Fraction(25))


def test_a_header_of_zero_seconds_is_not_believed(tmp_path: Path) -> None:
    ffmpeg(picture("25", 3), sound(2), X264, "-c:a aac", tmp_path / "a.mp4")
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    for kind, place in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24), (b"elst", 12)):
        start = data.find(kind)
        while start >= 0:
            data[start + place : start + place + 4] = bytes(4)
            start = data.find(kind, start + 4)
    (tmp_path / "a.mp4").write_bytes(data)

    assert probe_file(tmp_path / "a.mp4").duration == pytest.approx(3.0, abs=0.001)


def test_the_longest_track_is_how_long_a_clip_is(tmp_path: Path) -> None:
    media = made(tmp_path / "a.mp4", picture("25", 2), sound(5), X264, "-c:a aac")

    assert media.duration == pytest.approx(5.0, abs=0.03)
    assert shown(media).duration == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
@pytest.mark.parametrize("is_patched", [False, True])
def test_a_file_cut_at_a_third_is_incomplete(tmp_path: Path, name: str, is_patched: bool) -> None:
    ffmpeg(picture(), sound(), X264, "-c:a aac -movflags +faststart", tmp_path / name)
    data = (tmp_path / name).read_bytes()
    start = data.index(b"mdat") - 4
    cut = data[: start + (len(data) - start) // 3]
    if is_patched:
        cut = cut[:start] + struct.pack(">I", len(cut) - start) + cut[start + 4 :]
    (tmp_path / name).write_bytes(cut)

    with pytest.raises(MediaError, match="its index names" if is_patched else "incomplete or damaged"):
        check_whole(tmp_path / name)


def test_an_encrypted_picture_is_named_as_such(tmp_path: Path) -> None:
    key = "-encryption_scheme cenc-aes-ctr -encryption_key 00112233445566778899aabbccddeeff"
    media = made(tmp_path / "a.mp4", picture(), X264, key, "-encryption_kid 00112233445566778899aabbccddeeff")

    assert media.codec == "encrypted"


def test_a_clip_that_a_phone_cut_by_its_edit_list_is_as_long_as_it_plays(tmp_path: Path) -> None:
    ffmpeg(picture("25", 4), X264, "-g 100", tmp_path / "whole.mp4")
    media = made(tmp_path / "a.mp4", "-ss 1", "-i", tmp_path / "whole.mp4", "-c copy")

    assert (media.duration, shown(media).frame_rate) == (pytest.approx(3.0, abs=0.01), Fraction(25))


def test_no_damage_ends_in_anything_but_a_media_error(tmp_path: Path) -> None:
    """Every header of a clip with all that phones put into one, with numbers and names that make no sense."""
    plain, hdr = tmp_path / "plain.mp4", tmp_path / "hdr.mp4"
    ffmpeg(picture(), sound(), "-timecode 01:00:00:00", X264, "-bf 2 -c:a aac", plain)
    ffmpeg(picture("10", 0.5), X265, "-movflags +frag_keyframe+empty_moov", hdr)
    chance = random.Random(7)
    for path in (plain, hdr):
        data = path.read_bytes()
        places = [place for place in range(len(data) - 8) if data[place : place + 4].isalnum()]
        for _ in range(100):
            damaged = bytearray(data)
            for _ in range(chance.randint(1, 8)):
                place = chance.choice(places) + chance.randint(-4, 40)
                damaged[place : place + 4] = chance.choice([bytes(4), b"\xff" * 4, chance.randbytes(4), b"\0\0\0\1"])
            path.write_bytes(damaged)
            for read in (probe_file, check_whole):
                with contextlib.suppress(MediaError):
                    read(path)
