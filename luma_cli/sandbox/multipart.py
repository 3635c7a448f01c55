"""Read a multipart/form-data body by way of the disk: a 500 MB upload must not sit in memory."""

import mmap
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

CHUNK = 1 << 16
MAX_FIELD = 1 << 16


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Body:
    """A request's body: as much of a connection as belongs to it. `left` is what was not read yet."""

    def __init__(self, stream: Readable, length: int) -> None:
        self._stream = stream
        self.left = length

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(min(size, self.left)) if self.left > 0 else b""
        self.left -= len(chunk)
        return chunk

    def drain(self) -> None:
        while self.read(CHUNK):
            pass


class BadMultipart(ValueError):
    pass


def read_form(body: Body, content_type: str, new_path: Callable[[], Path]) -> tuple[dict[str, str], dict[str, Path]]:
    """The fields as text and the files as paths of what was written to disk.

    Raises:
        BadMultipart: not such a body.
    """
    boundary = re.search(r'boundary="?([^";,]{1,200})', content_type)
    if not content_type.lower().startswith("multipart/form-data") or boundary is None:
        raise BadMultipart("not multipart/form-data")
    with tempfile.TemporaryFile() as spool:
        spool.write(b"\r\n")  # the first delimiter has no line break before it
        while chunk := body.read(CHUNK):
            spool.write(chunk)
        spool.flush()
        with mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _parse(data, b"\r\n--" + boundary[1].encode(), new_path)


def _parse(data: mmap.mmap, delimiter: bytes, new_path: Callable[[], Path]) -> tuple[dict[str, str], dict[str, Path]]:
    fields: dict[str, str] = {}
    files: dict[str, Path] = {}
    start = _find(data, delimiter, 0) + len(delimiter)
    while data[start : start + 2] != b"--":
        content = _find(data, b"\r\n\r\n", start) + 4
        end = _find(data, delimiter, content - 2)  # of no content at all the line break is that of the headers
        head = data[start:content]
        name = re.search(rb'[; ]name="([^"]*)"', head)
        if name is None:
            raise BadMultipart("a part without a name")
        key = name[1].decode("utf-8", "replace")
        if b"filename=" in head:
            files[key] = new_path()
            with files[key].open("wb") as file:
                for place in range(content, end, CHUNK):
                    file.write(data[place : min(place + CHUNK, end)])
        elif end - content > MAX_FIELD:
            raise BadMultipart("a field is too long")
        else:
            fields[key] = data[content:end].decode("utf-8", "replace")
        start = end + len(delimiter)
    return fields, files


def _find(data: mmap.mmap, what: bytes, start: int) -> int:
    found = data.find(what, start)
    if found < 0:
        raise BadMultipart("the body ends early")
    return found
