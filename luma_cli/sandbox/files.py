"""The sandbox's files: uploads and results on disk, and the ranges that are served of them."""

import hashlib
import mmap
import re
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CLIP = Path(__file__).with_name("clip.mp4")
TYPES = {".mp4": "video/mp4", ".mov": "video/quicktime", ".avi": "video/x-msvideo"}
UPLOADS = "/files/uploads/"
RESULTS = "/files/results/"
# The movie header: its length and kind, the version, three numbers of which the second are ticks a second, the length.
_MOVIE_HEADER = re.compile(rb"\0\0\0lmvhd\0.{11}(.{4})(.{4})|\0\0\0xmvhd\x01.{19}(.{4})(.{8})", re.DOTALL)
LINK_LIFE = 20 * 60.0  # vendor page "Get Download URL"
CHUNK = 1 << 16


@dataclass(frozen=True)
class StoredFile:
    path: Path
    size: int
    etag: str
    content_type: str


class FileStore:
    """Files by the path under which they are served. The folder goes with `close`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="luma-sandbox-files-"))
        self._clock = clock
        self._files: dict[str, StoredFile] = {}
        self._signed: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_path(self) -> Path:
        return self.folder / uuid.uuid4().hex

    def add(self, served: str, path: Path, name: str) -> StoredFile:
        """Serve a file on disk under a path."""
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        kind = TYPES.get(Path(name).suffix.lower(), "application/octet-stream")
        stored = StoredFile(path, path.stat().st_size, f'"{digest[:32]}"', kind)
        with self._lock:
            self._files[served] = stored
        return stored

    def add_result(self, source: str, *, is_rendered: bool = False) -> str:
        """Serve the file at `source`, or the sandbox's own clip, once more as a result; returns its path.

        One that is yet to be rendered has the clip until `add` replaces it, and is an MP4.
        """
        found = self.find(source)
        suffix = next((end for end, kind in TYPES.items() if found is not None and kind == found.content_type), ".mp4")
        served = f"{RESULTS}{uuid.uuid4()}{'.mp4' if is_rendered else suffix}"
        if found is None:
            self.add(served, CLIP, CLIP.name)
        else:
            with self._lock:
                self._files[served] = found
        return served

    def find(self, served: str) -> StoredFile | None:
        """The file at a path; a signed path leads to its result, as long as it lives."""
        with self._lock:
            target, until = self._signed.get(served, (served, float("inf")))
            return self._files.get(target) if self._clock() < until else None

    def target(self, served: str) -> str:
        """The path of the result that a signed path leads to; any other path as it is."""
        with self._lock:
            return self._signed.get(served, (served, 0.0))[0]

    def sign(self, served: str) -> str | None:
        """A fresh path for a result, which lives 20 minutes; None for what is not a result of ours."""
        if not served.startswith(RESULTS) or served not in self._files:
            return None
        signed = f"/files/signed/{uuid.uuid4().hex}{Path(served).suffix}"
        with self._lock:
            self._signed[signed] = (served, self._clock() + LINK_LIFE)
        return signed

    def forget(self, prefix: str) -> None:
        """Serve nothing any more whose path begins so."""
        with self._lock:
            self._files = {served: stored for served, stored in self._files.items() if not served.startswith(prefix)}


def seconds_of(path: Path) -> float | None:
    """The length of an MP4 or MOV by its movie header; None if there is none."""
    if not path.stat().st_size:  # which cannot be mapped
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = _MOVIE_HEADER.search(content)
        scale, ticks = (int.from_bytes(field) for field in found.groups() if field) if found else (0, 0)
    return ticks / scale if scale and ticks else None


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte that a Range header asks for; None to send all.

    Raises:
        ValueError: no byte of it is there (HTTP 416).
    """
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), int(last) if last else size - 1
        if last and start > end:
            return None  # not a range at all (RFC 9110, section 14.1.1)
    if start >= size:
        raise ValueError("no such range")
    return start, min(end, size - 1)


def copy(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count > 0 and (chunk := source.read(min(CHUNK, count))):
        target.write(chunk)
        count -= len(chunk)
