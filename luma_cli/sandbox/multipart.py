"""Read a multipart/form-data body as it comes: a 500 MB upload must not sit in memory."""

import re
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
    reader = _Reader(body, b"\r\n--" + boundary[1].encode())
    fields: dict[str, str] = {}
    files: dict[str, Path] = {}
    reader.skip_preamble()
    while (head := reader.read_head()) is not None:
        name = re.search(rb'[; ]name="([^"]*)"', head)
        if name is None:
            raise BadMultipart("a part without a name")
        key = name[1].decode("utf-8", "replace")
        if b"filename=" in head:
            files[key] = new_path()
            with files[key].open("wb") as file:
                reader.copy_part(file.write)
        else:
            content = _Field()
            reader.copy_part(content.write)
            fields[key] = content.text.decode("utf-8", "replace")
    return fields, files


class _Field:
    """The content of a field, in bounds."""

    def __init__(self) -> None:
        self.text = bytearray()

    def write(self, chunk: bytes) -> None:
        self.text += chunk
        if len(self.text) > MAX_FIELD:
            raise BadMultipart("a field is too long")


class _Reader:
    def __init__(self, body: Body, delimiter: bytes) -> None:
        self._body = body
        self._delimiter = delimiter
        self._buffer = b"\r\n"  # the first delimiter has no line break before it

    def skip_preamble(self) -> None:
        self.copy_part(lambda _: None)

    def read_head(self) -> bytes | None:
        """The headers of the next part; None after the last one."""
        while b"\r\n\r\n" not in self._buffer:
            if self._buffer.startswith(b"--"):
                self._body.drain()
                return None
            if len(self._buffer) > 2 * CHUNK:
                raise BadMultipart("the headers of a part are too long")
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    def copy_part(self, write: Callable[[bytes], object]) -> None:
        """Hand on the content up to the next delimiter."""
        keep = len(self._delimiter) - 1
        while (end := self._buffer.find(self._delimiter)) < 0:
            if len(self._buffer) > keep:
                write(self._buffer[:-keep])
                self._buffer = self._buffer[-keep:]
            self._fill()
        write(self._buffer[:end])
        self._buffer = self._buffer[end + len(self._delimiter) :]

    def _fill(self) -> None:
        chunk = self._body.read(CHUNK)
        if not chunk:
            raise BadMultipart("the body ends early")
        self._buffer += chunk
