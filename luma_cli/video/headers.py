"""What the headers of MP4, MOV and AVI files say, read in a few small pieces and never trusted."""

from pathlib import Path

from luma_cli.video.containers import avi, mp4
from luma_cli.video.containers.byte_source import BY_RANGES, ByteSource, Read, source_of
from luma_cli.video.containers.kinds import AUDIO, CONTAINERS, EXTENSIONS, HEAD, NAMES, name_of, sniff
from luma_cli.video.containers.wholeness import HOLLOW, check_boxes, check_riff
from luma_cli.video.media import Media, MediaError, Track

__all__ = [
    "AUDIO",
    "CONTAINERS",
    "EXTENSIONS",
    "HEAD",
    "HOLLOW",
    "NAMES",
    "Media",
    "MediaError",
    "Read",
    "Track",
    "check_whole",
    "name_of",
    "probe",
    "probe_file",
    "sniff",
    "sniff_file",
]

# Containers round up to whole frames: a clip cut to 10 s says 10.04.
ROUNDING = 0.1
PROBE_WINDOW = BY_RANGES.window


def probe(read: Read, size: int | None) -> Media:
    """Read the headers of an MP4, MOV or AVI file of `size` bytes (None: unknown).

    `read(offset, length)` gives at most `length` bytes, fewer only at the end; its own errors pass through.
    It is called 64 times at most, for less than a MiB in all.

    Raises:
        MediaError: another kind of file, no header found, or a damaged one.
    """
    return _probed(ByteSource(read, size, BY_RANGES))


def probe_file(path: Path) -> Media:
    """Read the headers of a local file.

    Raises:
        MediaError: as `probe`.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return _probed(source_of(file))


def _probed(source: ByteSource) -> Media:
    container = sniff(source.take(0, HEAD))
    if container == "m4a":  # a sound by its brand, and an MP4 by its boxes
        container = "mp4"
    if container not in CONTAINERS:
        raise MediaError(f"not MP4, MOV or AVI but {name_of(container)}")
    return avi.read_media(source) if container == "avi" else mp4.read_media(source, container)


def sniff_file(path: Path) -> str | None:
    """What a local file is by its first bytes. Raises OSError."""
    with path.open("rb") as file:
        return sniff(file.read(HEAD))


def check_whole(path: Path) -> list[str]:
    """What is odd about the container of the video at `path`, which reaches exactly to the end of the file.

    MP4, MOV and AVI are walked; other videos pass by their first bytes. A file cut exactly between two fragments, or
    two RIFF parts, is a valid shorter file and passes.

    Raises:
        MediaError: not a video, incomplete, or damaged.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        source = source_of(file)
        kind = sniff(source.take(0, HEAD))
        if kind not in EXTENSIONS:
            raise MediaError(f"not a video but {name_of(kind) if source.size else 'an empty file'}")
        check = {"mp4": check_boxes, "mov": check_boxes, "avi": check_riff}.get(kind)
        return check(source) if check else []
