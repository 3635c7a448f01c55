import contextlib
import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luma_cli.video import headers
from luma_cli.video.headers import EXTENSIONS, Media, MediaError, check_whole, name_of, probe, sniff
from support.commands import DATA

CLIPS = {path.name: path.read_bytes() for path in sorted(DATA.glob("tiny*"))}
WALKED = ("tiny-front.mp4", "tiny-end.mp4", "tiny-12s.mp4", "tiny.mov", "tiny.avi")
FTYP = b"\0\0\0\x10ftypisom\0\0\0\0"
MVHD = b"mvhd" + bytes(12) + struct.pack(">II", 1000, 7000) + bytes(80)


class Counted:
    """A file in memory that knows what was read of it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads: list[tuple[int, int]] = []

    def __call__(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return self.data[offset : offset + length]


def box(kind: bytes, *contents: bytes) -> bytes:
    body = b"".join(contents)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(body)) + body + bytes(len(body) % 2)


def riff(kind: bytes, *chunks: bytes) -> bytes:
    return chunk(b"RIFF", kind + b"".join(chunks))


def movie(*boxes: bytes) -> bytes:
    return FTYP + box(b"moov", *boxes)


def avi(avih: tuple[int, int, int, int], *chunks: bytes) -> bytes:
    microseconds, frames, width, height = avih
    main = chunk(b"avih", struct.pack("<I12xI12xII16x", microseconds, frames, width, height))
    return riff(b"AVI ", chunk(b"LIST", b"hdrl" + main + b"".join(chunks)), chunk(b"LIST", b"movi"))


def stream(kind: bytes, scale: int, rate: int, frames: int, width: int, height: int) -> bytes:
    strh = chunk(b"strh", struct.pack("<4s16xII4xI20x", kind, scale, rate, frames))
    return chunk(b"LIST", b"strl" + strh + chunk(b"strf", struct.pack("<Iii28x", 40, width, height)))


def dmlh(frames: int) -> bytes:
    return chunk(b"LIST", b"odml" + chunk(b"dmlh", struct.pack("<I244x", frames)))


def probed(data: bytes) -> Media:
    return probe(Counted(data), len(data))


def facts(media: Media) -> tuple[str, float | None, int | None, int | None]:
    return media.container, media.duration, media.width, media.height


def complaint(data: bytes) -> str:
    try:
        probed(data)
    except MediaError as error:
        return str(error)
    return ""


@pytest.fixture
def whole(tmp_path: Path) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        path = tmp_path / "clip"
        path.write_bytes(data)
        check_whole(path)

    return check


HEADS = [
    *((data, name.rpartition(".")[2]) for name, data in CLIPS.items()),
    (CLIPS["tiny.mov"][20:], "mov"),  # old QuickTime: wide, mdat, moov
    (box(b"moov"), "mov"),
    (box(b"styp", b"msdh", bytes(4)), "mp4"),
    (CLIPS["tiny.webm"].replace(b"webm", b"matr", 1), "mkv"),
    (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81", "mkv"),
    (b"GIF89a" + bytes(10), "gif"),
    (b"\x89PNG\r\n\x1a\n" + bytes(8), "png"),
    (b"\xff\xd8\xff\xe0" + bytes(12), "jpeg"),
    (b"\r\n <!DOCTYPE html><title>Drive</title>", "html"),
    (b"\xef\xbb\xbf<HTML lang=fr>caf\xe9", "html"),
    (b'<?xml version="1.0"?>\n<!-- x --><html xmlns="x">', "html"),
    (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "text"),
    (b'{"code":401,"msg":"no"}', "json"),
    (b' [\n  {"code": 1}]', "json"),
    (b"{}", "json"),
    (b"404: Not Found\n", "text"),
    (b"the mdat of this text file", "text"),
    ("naïve café".encode()[:-1], "text"),
    (b"", None),
    (bytes(64), None),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "lfs"),
    (b"#EXTM3U\n#EXT-X-VERSION:3\n", "playlist"),
    (b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\0\xaa\0b\xcel", "wmv"),
    (b"FLV\x01\x05\0\0\0\t", "flv"),
    (b"\0\0\x01\xbaD\0\x04\0\x04\x01", "mpegps"),
    ((b"G@\x11\x10" + bytes(184)) * 3, "mpegts"),
    ((bytes(4) + b"G@\x11\x10" + bytes(184)) * 3, "mpegts"),
    (b"G@\x11\x10" + bytes(600), None),
    (b"\x06\x0e+4\x02\x05\x01\x01\r\x01\x02\x01\x01\x02", "mxf"),
    (b"RIFF\x24\0\0\0WEBPVP8 ", "webp"),
    (b"RIFF\x24\0\0\0WAVEfmt ", "wav"),
    (b"ID3\x04\0\0\0\0\0#TSSE", "mp3"),
    (b"\xff\xfb\x90d" + bytes(60), "mp3"),
    (b"\xff\xf1P\x80" + bytes(60), "aac"),
    (b"fLaC\0\0\0\x22", "flac"),
    (b"OggS\0\x02" + bytes(8), "ogg"),
    (b"PK\x03\x04\x14\0", "archive"),
    (b"%PDF-1.7\n", "pdf"),
    (box(b"ftyp", b"heic", bytes(4)), "heic"),
    (box(b"ftyp", b"avif", bytes(4)), "heic"),
    (box(b"ftyp", b"M4A ", bytes(4)), "m4a"),
    (box(b"ftyp", b"dash", bytes(4)), "mp4"),
    (bytes(range(128, 192)), None),
]


@pytest.mark.parametrize(("head", "name"), HEADS)
def test_a_file_is_named_by_its_first_bytes(head: bytes, name: str | None) -> None:
    assert sniff(head) == name


def test_every_kind_has_a_name_for_people() -> None:
    kinds = {name for _, name in HEADS}

    assert kinds - {None} <= set(headers.NAMES)
    assert set(EXTENSIONS) <= kinds
    assert (name_of("mpegts"), name_of(None)) == (headers.NAMES["mpegts"], "an unknown kind of file")


@pytest.mark.parametrize("known_size", [True, False])
@pytest.mark.parametrize(
    ("name", "media"),
    [
        ("tiny-front.mp4", ("mp4", 2.0, 64, 36)),
        ("tiny-end.mp4", ("mp4", 2.0, 64, 36)),
        ("tiny-fragmented.mp4", ("mp4", 2.0, 64, 36)),
        ("tiny-12s.mp4", ("mp4", 12.0, 32, 18)),
        ("tiny.mov", ("mov", 2.0, 64, 36)),
        ("tiny.avi", ("avi", 2.0, 64, 36)),
    ],
)
def test_real_clips_show_duration_and_size(name: str, media: object, known_size: bool) -> None:
    assert facts(probe(Counted(CLIPS[name]), len(CLIPS[name]) if known_size else None)) == media


@pytest.mark.parametrize(
    ("clock", "duration"),
    [
        (b"mvhd" + bytes(12) + struct.pack(">II", 600, 5700), 9.5),
        (b"mvhd\1" + bytes(19) + struct.pack(">IQ", 600, 5700), 9.5),
        (b"mvhd" + bytes(12) + struct.pack(">II", 600, 0xFFFFFFFF), None),
        (b"mvhd\1" + bytes(19) + struct.pack(">IQ", 600, 0xFFFFFFFFFFFFFFFF), None),
        (b"mvhd" + bytes(12) + struct.pack(">II", 0, 5700), None),
        (b"mvhd" + bytes(12) + struct.pack(">II", 600, 0), None),
    ],
)
def test_the_movie_header_gives_the_duration(clock: bytes, duration: float | None) -> None:
    assert facts(probed(movie(box(clock[:4], clock[4:])))) == ("mp4", duration, None, None)


@pytest.mark.parametrize(
    ("mvex", "duration"),
    [
        (b"", 7.0),
        (box(b"mehd", struct.pack(">4xI", 11000)), 11.0),
        (box(b"mehd", struct.pack(">B3xQ", 1, 11000)), 11.0),
        (box(b"mehd", bytes(8)), 7.0),
    ],
)
def test_fragments_are_as_long_as_their_extension_header_says(mvex: bytes, duration: float | None) -> None:
    assert probed(movie(box(b"mvex", mvex), box(MVHD[:4], MVHD[4:]))).duration == duration


def test_a_long_track_header_gives_the_picture_size() -> None:
    tkhd = box(b"tkhd", b"\1" + bytes(87) + struct.pack(">II", 1920 << 16, 1080 << 16))
    trak = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8), b"vide")), tkhd)

    assert facts(probed(movie(trak))) == ("mp4", None, 1920, 1080)


def test_a_track_without_video_has_no_picture() -> None:
    tkhd = box(b"tkhd", bytes(76), struct.pack(">II", 1920 << 16, 1080 << 16))

    assert probed(movie(box(b"trak", tkhd, box(b"mdia", box(b"hdlr", bytes(8), b"soun"))))).width is None


def test_a_box_does_not_reach_beyond_the_one_that_holds_it() -> None:
    tkhd = box(b"tkhd", bytes(76), struct.pack(">II", 1920 << 16, 1080 << 16))
    outside = box(b"hdlr", bytes(8), b"vide")

    assert probed(movie(box(b"trak", tkhd, b"\0\0\0\xffmdia"), outside)).width is None


def test_the_end_of_a_file_of_unknown_size_is_noticed() -> None:
    counted = Counted(FTYP + box(b"free") + b"\0\0\0\x20free")
    with pytest.raises(MediaError, match="no header found"):
        probe(counted, None)

    assert counted.reads == [(0, 8192)]


def test_an_index_behind_4_gib_of_data_takes_two_reads() -> None:
    reads: list[int] = []
    index = box(b"moov", box(MVHD[:4], MVHD[4:]))
    size = 5 << 30

    def read(offset: int, length: int) -> bytes:
        reads.append(offset)
        start = FTYP + struct.pack(">I4sQ", 1, b"mdat", size)
        return start.ljust(length, b"\0") if offset == 0 else index[offset - len(FTYP) - size :][:length]

    assert probe(read, None).duration == 7.0
    assert reads == [0, len(FTYP) + size]


def test_an_index_that_reaches_to_the_end_has_size_0() -> None:
    assert probed(FTYP + b"\0\0\0\0moov" + box(MVHD[:4], MVHD[4:])).duration == 7.0


@pytest.mark.parametrize(
    ("data", "media"),
    [
        (avi((40_000, 50, 64, 36)), ("avi", 2.0, None, None)),
        (avi((40_000, 50, 64, 36), stream(b"vids", 1, 10, 90, 320, -240)), ("avi", 9.0, 320, 240)),
        (avi((40_000, 50, 64, 36), stream(b"auds", 1, 8000, 90, 0, 0)), ("avi", 2.0, None, None)),
        (avi((40_000, 50, 64, 36), stream(b"vids", 0, 0, 0, 0, 0)), ("avi", 2.0, 64, 36)),
        (avi((40_000, 50, 64, 36), stream(b"vids", 1, 10, 50, 64, 36), dmlh(120)), ("avi", 12.0, 64, 36)),
        (avi((0, 0, 0, 0), chunk(b"JUNK", b"odd"), stream(b"vids", 1, 2, 3, 4, 5)), ("avi", 1.5, 4, 5)),
        (avi((0, 0, 0, 0), stream(b"vids", 1, 2, 3, 4, 5), stream(b"vids", 1, 1, 9, 9, 9)), ("avi", 9.0, 9, 9)),
        (
            avi((0, 0, 0, 0), b"LIST\xff\0\0\0strl")[:-12] + stream(b"vids", 1, 2, 3, 4, 5)[12:],
            ("avi", None, None, None),
        ),
        (avi((0, 0, 0, 0)), ("avi", None, None, None)),
        (avi((40_000, 0, 64, 36), dmlh(0)), ("avi", None, None, None)),
    ],
)
def test_avi_headers_give_duration_and_size(data: bytes, media: object) -> None:
    assert facts(probed(data)) == media


@pytest.mark.parametrize("data", [CLIPS["tiny-front.mp4"][:2000], CLIPS["tiny.avi"][:5000]])
def test_a_cut_file_still_shows_what_its_header_holds(data: bytes) -> None:
    assert probed(data).duration == 2.0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not MP4, MOV or AVI but an unknown kind of file"),
        (CLIPS["tiny.webm"], "not MP4, MOV or AVI but a WebM file"),
        (b"<html>" + bytes(20), "not MP4, MOV or AVI but a web page"),
        (CLIPS["tiny-end.mp4"][:1500], "no header found: the file is incomplete or damaged"),
        (b"RIFF\0\0\0\0AVI ", "no header found: the file is incomplete or damaged"),
        (movie(box(b"mvhd", bytes(8))), "the header is incomplete"),
        (FTYP + b"\0\0\0\4moov", "damaged: there is no box 'moov' of 4 bytes"),
        (FTYP + b"\0\0\0\x10\x1b[1m" + bytes(8), r"damaged: there is no box '\x1b[1m' of 16 bytes"),
        (FTYP + b"\0\0\0\1moov\1\1", "damaged: there is no box 'moov' of 257 bytes"),
        (FTYP + b"\0\0\0\1mdat\0\0", "damaged: there is no box 'mdat' of 0 bytes"),
        (FTYP + box(b"free") * 200_000, "the file has too many parts"),
    ],
)
def test_headers_that_say_nothing_give_a_reason(data: bytes, message: str) -> None:
    with pytest.raises(MediaError) as caught:
        probed(data)

    assert str(caught.value) == message


def test_a_server_that_ignores_the_range_is_not_believed() -> None:
    data = CLIPS["tiny-end.mp4"] + bytes(20_000)

    assert probe(lambda _offset, _length: data, 2487).duration == 2.0


def test_an_error_in_reading_passes_through() -> None:
    def read(_offset: int, _length: int) -> bytes:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        probe(read, 1000)


def test_nothing_is_asked_for_beyond_the_end() -> None:
    counted = Counted(CLIPS["tiny-end.mp4"])
    probe(counted, len(counted.data))

    assert all(offset + length <= len(counted.data) for offset, length in counted.reads)


@pytest.mark.parametrize("name", CLIPS)
def test_real_clips_are_whole(name: str) -> None:
    check_whole(DATA / name)


@pytest.mark.parametrize("name", WALKED)
def test_every_cut_of_a_real_clip_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(CLIPS[name])
    passed = []
    whole = len(CLIPS[name])
    for size in sorted({*range(0, whole, 7), *range(whole - 40, whole)}, reverse=True):
        os.truncate(path, size)
        with contextlib.suppress(MediaError):
            check_whole(path)
            passed.append(size)

    assert passed == []


def test_a_fragmented_clip_passes_only_where_a_fragment_ends(whole: Callable[[bytes], None]) -> None:
    data = CLIPS["tiny-fragmented.mp4"]
    ends = [place - 4 for place in range(len(data)) if data[place : place + 4] in (b"moof", b"mfra")][1:]
    near = {end + step for end in ends for step in range(-9, 10)}
    passed = []
    for size in sorted({*range(0, len(data), 7), *near} & {*range(len(data))}):
        with contextlib.suppress(MediaError):
            whole(data[:size])
            passed.append(size)

    assert passed == ends


COMPRESSED = box(
    b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", bytes(4), zlib.compress(box(b"moov", box(MVHD[:4], MVHD[4:]))))
)


@pytest.mark.parametrize(
    "data",
    [
        CLIPS["tiny.mov"][20:],
        box(b"mdat") + box(b"moov", COMPRESSED),
        movie(box(MVHD[:4], MVHD[4:])) + struct.pack(">I4sQ", 1, b"mdat", 20) + b"data",
        movie(box(MVHD[:4], MVHD[4:])) + b"\0\0\0\0mdat" + b"data",
        CLIPS["tiny.avi"] + riff(b"AVIX", chunk(b"LIST", b"movi")),
        avi((1, 1, 1, 1), stream(b"vids", 1, 1, 1, 1, 1)),
        b"GIF89a" + bytes(10),
    ],
    ids=["old QuickTime", "compressed index", "64-bit box", "box to the end", "OpenDML", "AVI", "GIF"],
)
def test_whole_files_pass(data: bytes, whole: Callable[[bytes], None]) -> None:
    whole(data)


@pytest.mark.parametrize(("odd", "pad"), [(b"x", b""), (b"x", b"\0")])
def test_the_pad_byte_after_an_avi_may_be_missing(odd: bytes, pad: bytes, whole: Callable[[bytes], None]) -> None:
    body = avi((1, 1, 1, 1))[8:] + chunk(b"JUNK", odd)[:-1]

    whole(struct.pack("<4sI", b"RIFF", len(body)) + body + pad)


MOOV = box(b"moov", box(MVHD[:4], MVHD[4:]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a video but an empty file"),
        (b"<!doctype html><p>Sign in", "not a video but a web page"),
        (b'{"error": "expired"}', "not a video but JSON"),
        (b"Not Found", "not a video but text"),
        (b"\x89PNG\r\n\x1a\n" + bytes(8), "not a video but a PNG picture"),
        (bytes(5000), "not a video but an unknown kind of file"),
        (FTYP, "incomplete: no index (moov)"),
        (FTYP + box(b"moov") + box(b"mdat"), "incomplete: no index (moov)"),
        (FTYP + MOOV, "incomplete: no media data (mdat)"),
        (FTYP + MOOV + box(b"moof") + box(b"mdat") + box(b"moof"), "incomplete: no media data (mdat)"),
        (FTYP + MOOV + box(b"moof") + box(b"mdat") + b"\0\0\0", "incomplete or damaged: 3 bytes of another fragment"),
        (FTYP + MOOV + b"\0\0\0\x64mdat", "incomplete or damaged: 140 bytes instead of 232"),
        (riff(b"AVI ", chunk(b"LIST", b"movi")), "incomplete: no header (hdrl) or no media data (movi)"),
        (riff(b"AVI ", chunk(b"LIST", b"hdrl")), "incomplete: no header (hdrl) or no media data (movi)"),
        (avi((1, 1, 1, 1)) + b"RIFF", "incomplete or damaged: 104 bytes instead of 100"),
    ],
)
def test_what_is_not_a_whole_video_is_refused(data: bytes, message: str, whole: Callable[[bytes], None]) -> None:
    with pytest.raises(MediaError) as caught:
        whole(data)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("data", "warning"),
    [
        (CLIPS["tiny-front.mp4"] + bytes(4), "4 bytes after its last box"),
        (CLIPS["tiny-front.mp4"] + bytes(4096), "4096 bytes after its last box"),
        (CLIPS["tiny-front.mp4"] + b"\0\0\x0b\x01Image_UTC_Data1500", "22 bytes after its last box"),
        (CLIPS["tiny-front.mp4"] + b"\0\0\x10\0SEFH" + bytes(40), "48 bytes after its last box"),
        (CLIPS["tiny-end.mp4"] + b"x", "1 byte after its last box"),
        (CLIPS["tiny-fragmented.mp4"] + bytes(4), "4 bytes after its last box"),
        (CLIPS["tiny.mov"] + b"\xff" * 9, "9 bytes after its last box"),
        (CLIPS["tiny.avi"] + b"junk" + bytes(4), "8 bytes after its last box"),
        (CLIPS["tiny-front.mp4"].replace(b"ftypisom", b"ftypzyx1"), "unknown brand 'zyx1'"),
    ],
)
def test_a_whole_video_in_an_unusual_container_is_warned_about(data: bytes, warning: str, tmp_path: Path) -> None:
    """The length is proven, and the service has no better one."""
    path = tmp_path / "clip"
    path.write_bytes(data)

    assert check_whole(path) == [warning]


@pytest.mark.parametrize("name", ["tiny-front.mp4", "tiny-fragmented.mp4"])
@pytest.mark.parametrize("is_open", [False, True])
def test_data_that_the_index_names_must_be_there(name: str, is_open: bool, whole: Callable[[bytes], None]) -> None:
    """The length of the last box is patched, or reaches to the end of any file: only the index knows."""
    data = CLIPS[name]
    start = data.rindex(b"mdat") - 4
    kept = int.from_bytes(data[start : start + 4]) // 3
    cut = data[:start] + struct.pack(">I", 0 if is_open else kept) + data[start + 4 : start + kept]

    with pytest.raises(MediaError, match="incomplete: its index names"):
        whole(cut)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check_whole(tmp_path / "none.mp4")


NUMBERS = st.sampled_from([0, 1, 2, 7, 8, 9, 16, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]) | st.integers(0, 0xFFFFFFFF)
NAMES = st.sampled_from(
    b"ftyp moov mvhd trak tkhd mdia hdlr mvex mehd moof mdat free wide RIFF LIST AVI  hdrl avih strl strh odml".split()
)


@st.composite
def damaged_clips(draw: st.DrawFn) -> bytes:
    """A real clip with some of its numbers and names replaced, and cut."""
    data = bytearray(draw(st.sampled_from(list(CLIPS.values()))))
    heads = [place for place in range(len(data) - 8) if data[place : place + 4].isalnum()]
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.sampled_from(heads)) + draw(st.sampled_from([-4, 0, 4, 16, 20]))
        piece = draw(NAMES | st.binary(max_size=8) | st.builds(struct.pack, st.sampled_from([">I", "<I"]), NUMBERS))
        data[max(place, 0) : max(place, 0) + len(piece)] = piece
    return bytes(data[: draw(st.integers(0, len(data)) | st.just(len(data)))])


@st.composite
def box_heaps(draw: st.DrawFn) -> bytes:
    """Boxes or chunks whose sizes say anything."""
    start, layout, swap = draw(st.sampled_from([(FTYP, ">I4s", False), (b"RIFF\xff\0\0\0AVI ", "<4sI", True)]))
    pairs = draw(st.lists(st.tuples(NUMBERS, NAMES, st.binary(max_size=24)), max_size=30))
    return bytes(start) + b"".join(struct.pack(layout, *((k, n) if swap else (n, k))) + body for n, k, body in pairs)


ANYTHING = st.binary(max_size=200) | damaged_clips() | box_heaps()
PATIENT = settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))


@PATIENT
@given(ANYTHING)
def test_sniff_takes_any_bytes(data: bytes) -> None:
    assert sniff(data) in (*headers.NAMES, None)


@PATIENT
@given(ANYTHING, st.booleans())
def test_probe_reports_or_raises_a_media_error_within_its_limits(data: bytes, known_size: bool) -> None:
    counted = Counted(data)
    with contextlib.suppress(MediaError):
        media = probe(counted, len(data) if known_size else None)
        assert media.duration is None or media.duration > 0
    assert len(counted.reads) <= 64
    assert sum(length for _, length in counted.reads) <= 1 << 20
    assert all(offset >= 0 and offset + length < 1 << 63 for offset, length in counted.reads)


@PATIENT
@given(ANYTHING)
def test_check_whole_passes_or_raises_a_media_error(whole: Callable[[bytes], None], data: bytes) -> None:
    with contextlib.suppress(MediaError):
        whole(data)


@PATIENT
@given(ANYTHING)
def test_messages_are_short_printable_ascii(data: bytes) -> None:
    message = complaint(data)

    assert (message.isascii(), message.isprintable(), len(message) < 120) == (True, True, True)


@pytest.mark.slow
@pytest.mark.parametrize("small", [box(b"free"), box(b"moof"), box(b"moov"), box(b"trak", box(b"mdia"))])
def test_a_file_of_nothing_but_tiny_boxes_ends(small: bytes, whole: Callable[[bytes], None]) -> None:
    with pytest.raises(MediaError):
        whole(FTYP + small * (1 << 18))


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")
@pytest.mark.parametrize(
    ("options", "name", "duration"),
    [
        (["-movflags", "+faststart"], "clip.mp4", 3.0),
        ([], "clip.mp4", 3.0),
        (["-movflags", "+frag_keyframe+empty_moov"], "clip.mp4", 3.0),
        ([], "clip.mov", 3.0),
        ([], "clip.avi", 3.0),
    ],
)
def test_clips_fresh_from_ffmpeg_are_understood(options: list[str], name: str, duration: float, tmp_path: Path) -> None:
    path = tmp_path / name
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10:duration=3"]
    subprocess.run(["ffmpeg", "-loglevel", "error", *source, "-c:v", "mpeg4", *options, str(path)], check=True)
    check_whole(path)

    assert facts(probed(path.read_bytes())) == (name[-3:], duration, 320, 180)
