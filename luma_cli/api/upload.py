"""The body of an upload: a clip read once, by the length that it had, so that a change of it is noticed."""

import os
from collections.abc import Callable
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any

from luma_cli.errors import FileError, reason

UPLOAD_FOLDER = "luma-cli"


class ClipReader(BufferedReader):
    """A file whose errors are not taken for those of the connection it is read for.

    It ends where the file ended when it was opened. Measured: a file that shrinks leaves the request without its end,
    and the server waits for that for ever; one that grows is sent beyond the length that was announced.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(FileIO(path))
        self._path = path
        self.size, self._stamp = self._stat()
        self._left = self.size

    def __len__(self) -> int:
        """The whole length; the multipart encoder asks for it and takes `tell` off."""
        return self.size

    def read(self, size: int | None = -1) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        try:
            chunk = super().read(wanted)
        except OSError as error:
            raise FileError(f"cannot read {self._path.name}: {reason(error)}") from error
        if len(chunk) < wanted:
            raise self._changed()
        self._left -= len(chunk)
        return chunk

    def check_unchanged(self) -> None:
        """Raises FileError if the file has changed since it was opened."""
        if self._stat() != (self.size, self._stamp):
            raise self._changed()

    def _stat(self) -> tuple[int, int]:
        stat = os.fstat(self.fileno())
        return stat.st_size, stat.st_mtime_ns

    def _changed(self) -> FileError:
        return FileError(
            f"{self._path.name} changed while it was uploaded; nothing was submitted",
            hint="wait until the file is whole, then run the command again",
        )


def upload_body(clip: ClipReader, name: str, on_progress: Callable[[int, int], None]) -> Any:
    """The multipart body, which is streamed from disk. `on_progress` gets bytes sent and in all."""
    from requests_toolbelt.multipart.encoder import MultipartEncoder, MultipartEncoderMonitor

    fields = {"uploadPath": UPLOAD_FOLDER, "fileName": name, "file": (name, clip, "application/octet-stream")}
    return MultipartEncoderMonitor(
        MultipartEncoder(fields), lambda seen: on_progress(min(seen.bytes_read, clip.size), clip.size)
    )
