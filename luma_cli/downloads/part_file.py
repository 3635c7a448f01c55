"""`NAME.part` beside its target, the sidecar that says what it is a part of, and the lock around both.

The sidecar holds how many bytes are certain and their SHA-256, so that an edited, mixed-up or half-written part file
is recognised and never continued. It holds no link: those carry their signature.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from luma_cli import files
from luma_cli.downloads.target import LOCK, PART, SIDECAR, beside, is_leftover_link
from luma_cli.errors import FileError

log = logging.getLogger(__name__)

CHUNK = 1 << 20
CHECKPOINT = 1.0  # seconds of work that a crash may cost
MAX_SIDECAR = 1 << 16


class Record(NamedTuple):
    """What the sidecar says: the first `bytes` bytes of the part file come from `identity` and have this SHA-256.

    `saved_bytes` and `saved_sha256` are those of the file that was made from a whole part file to be saved in its
    stead, just before that gets the name.
    """

    identity: str
    etag: str | None = None
    length: int | None = None
    bytes: int = 0
    sha256: str = hashlib.sha256().hexdigest()
    saved_bytes: int | None = None
    saved_sha256: str | None = None

    @property
    def is_complete(self) -> bool:
        return self.length == self.bytes

    @property
    def saved(self) -> tuple[int, str]:
        """Bytes and SHA-256 of the file that has the name, or was about to get it."""
        if self.saved_bytes is None or self.saved_sha256 is None:
            return self.bytes, self.sha256
        return self.saved_bytes, self.saved_sha256


class Held(NamedTuple):
    """The lock of a target, which is ours. Not `is_alone`: the file system has no locks, so that another may write too.

    `before` is the last record of the download that we had to wait for, if any.
    """

    is_alone: bool
    before: Record | None


class Finished(NamedTuple):
    """A file that is in place: what is saved, and what the file host delivered for it (None: not known any more)."""

    bytes: int
    sha256: str
    delivered_sha256: str | None


@contextmanager
def saving(target: Path) -> Iterator[None]:
    """What goes wrong with the files in here is an error about `target`."""
    try:
        yield
    except OSError as error:
        raise files.file_error(target, error) from error


@contextmanager
def locked(target: Path, deadline: float | None = None, on_wait: Callable[[str], None] | None = None) -> Iterator[Held]:
    """Keep other downloads to `target` out.

    `deadline` is a reading of the monotonic clock, `on_wait` is given the holder once the wait is long.

    Raises:
        FileError: the lock is held until the deadline, cannot be made, or is not ours.
    """
    lock = files.Lock(beside(target, LOCK))
    seen: list[Record] = []

    def look() -> None:
        record = read_record(target)
        if record is not None:
            seen[:] = [record]

    is_alone = lock.acquire(deadline, on_wait, look)
    if not is_alone:
        log.info("no locks in %s: the bytes are compared before they get the name", target.parent)
    try:
        yield Held(is_alone, seen[0] if seen else None)
    finally:
        lock.release()


def finished_before(target: Path, identity: str) -> Finished | None:
    """The target, if a run of ours completed it and had no time to tidy up; None for any other file."""
    record, part = read_record(target), beside(target, PART)
    if record is None or record.identity != identity or not record.is_complete:
        return None
    if target.is_symlink() or not target.is_file() or measure(target) != record.saved:
        return None
    if is_leftover_link(part, target) or record.saved_sha256 is not None:
        files.remove(part)
    return Finished(*record.saved, record.sha256)


def is_vouched_for(target: Path) -> bool:
    """Whether a file that is there has a sidecar that calls it complete: ours, from a run that was cut short."""
    record = read_record(target)
    return record is not None and record.is_complete


def tidy(target: Path) -> None:
    """Remove the sidecar of a finished file: whoever needed to know the file is recorded knows."""
    files.remove(beside(target, SIDECAR))


def measure(path: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of a file."""
    with saving(path), path.open("rb") as file:
        return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()


class PartFile:
    """An open part file and its certain prefix; a context that leaves a true prefix behind however it ends.

    `etag` is the strong validator of the version that the prefix is from, `length` the bytes in all; None: unknown.
    """

    def __init__(self, target: Path, identity: str) -> None:
        self.target = target
        self.path = beside(target, PART)
        self.identity = identity
        self.etag: str | None = None
        self.length: int | None = None
        # One tuple, assigned at once: whatever line a signal meets, the digest is that of the bytes.
        self._certain = (0, hashlib.sha256())
        self._saved: tuple[int | None, str | None] = (None, None)
        self._file = self._sidecar = -1
        self._saved_at = 0.0

    @property
    def offset(self) -> int:
        return self._certain[0]

    @property
    def is_complete(self) -> bool:
        return self.offset == self.length

    def __enter__(self) -> Self:
        try:
            with saving(self.target):
                if is_leftover_link(self.path, self.target):
                    files.remove(self.path)
                self._file = _opened(self.path, 0o666)
                self._sidecar = _opened(beside(self.target, SIDECAR), 0o600)
                self._load()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._file == -1:
            return  # published
        try:
            if self.offset:
                os.ftruncate(self._file, self.offset)
                self._save()
            is_empty = os.fstat(self._file).st_size == 0
        except OSError:
            is_empty = False  # the older sidecar vouches for a shorter prefix: work is lost, nothing is wrong
        self._close()
        if not self.offset:
            files.remove(beside(self.target, SIDECAR))
        if is_empty:
            files.remove(self.path)

    def restart(self, etag: str | None, length: int | None) -> None:
        """Begin again at 0 with a new answer."""
        self.forget()
        self.etag, self.length = etag, length
        self._cut_to(0)

    def resume(self, length: int) -> None:
        """Go on after the certain prefix of a file that has `length` bytes in all."""
        self.length = length
        self._cut_to(self.offset)

    def forget(self) -> None:
        """Trust nothing of what is there; it stays on disk until `restart`."""
        self.etag = self.length = None
        self._certain = (0, hashlib.sha256())

    def append(self, chunk: bytes) -> None:
        digest = self._certain[1].copy()
        digest.update(chunk)
        rest = memoryview(chunk)
        with saving(self.target):
            while rest:
                rest = rest[os.write(self._file, rest) :]
            self._certain = (self.offset + len(chunk), digest)
            if time.monotonic() - self._saved_at > CHECKPOINT:
                self._save()

    def tail(self, count: int) -> bytes:
        """The last `count` bytes of the certain prefix."""
        with saving(self.target):
            os.lseek(self._file, self.offset - count, os.SEEK_SET)
            found = b""
            while len(found) < count and (chunk := os.read(self._file, count - len(found))):
                found += chunk
            os.lseek(self._file, self.offset, os.SEEK_SET)
            return found

    def check_bytes(self) -> None:
        """Raise FileError if the file is not what was written to it: somebody else wrote, too."""
        size, digest = self._certain
        if measure(self.path) != (size, digest.hexdigest()):
            self.forget()
            raise FileError(
                f"{self.path} was changed while it was written", hint="run the same command again, once at a time"
            )

    def sync(self) -> bool:
        """Have everything on disk. False: this file system cannot be asked for that."""
        try:
            self._save()
            return files.sync_file(self._file)
        except OSError as error:
            self.forget()  # pages that failed to reach the disk count as clean from now on
            raise files.file_error(self.target, error) from error

    def publish(self, made: Path | None, *, overwrite: bool) -> Finished:
        """Give the name to the file, or to one that was `made` from it; `sync` comes first.

        The sidecar stays until `tidy`.

        Raises:
            FileError: it cannot be saved, or the name is taken (without `overwrite`).
        """
        size, digest = self._certain
        saved = delivered = size, digest.hexdigest()
        with saving(self.target):
            if made is not None:
                saved = self._saved = measure(made)
                self._save()
            if not os.path.samestat(os.fstat(self._file), os.lstat(self.path)):
                raise files.refused_link(self.path)
        self._close()  # Windows renames no open file
        files.give_name(made or self.path, self.target, overwrite=overwrite, is_synced=made is None)
        if made is not None:
            files.remove(self.path)
        return Finished(*saved, delivered[1])

    def _load(self) -> None:
        """Take over what the sidecar vouches for, if the bytes agree and can be continued or are all."""
        record = _parse(os.read(self._sidecar, MAX_SIDECAR))
        if record is None or record.identity != self.identity or not (record.etag or record.is_complete):
            return
        digest, left = hashlib.sha256(), record.bytes
        while left and (chunk := os.read(self._file, min(CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
        if not left and digest.hexdigest() == record.sha256:
            self.etag, self.length = record.etag, record.length
            self._certain = (record.bytes, digest)

    def _cut_to(self, offset: int) -> None:
        with saving(self.target):
            os.ftruncate(self._file, offset)
            os.lseek(self._file, offset, os.SEEK_SET)
            self._save()

    def _save(self) -> None:
        """Rewrite the sidecar in place: that needs no room on a full disk. A torn one is not readable."""
        size, digest = self._certain
        record = Record(self.identity, self.etag, self.length, size, digest.hexdigest(), *self._saved)
        content = json.dumps(record._asdict()).encode()
        os.lseek(self._sidecar, 0, os.SEEK_SET)
        os.write(self._sidecar, content)
        os.ftruncate(self._sidecar, len(content))
        self._saved_at = time.monotonic()

    def _close(self) -> None:
        for descriptor in (self._file, self._sidecar):
            if descriptor != -1:
                os.close(descriptor)
        self._file = self._sidecar = -1


def _opened(path: Path, mode: int) -> int:
    """A file of ours, made if there is none. One that others may write to may be theirs at any moment: made anew."""
    descriptor = files.open_ours(path, mode)
    if files.is_private(os.fstat(descriptor), path.parent):
        return descriptor
    os.close(descriptor)
    files.remove(path)
    return files.open_ours(path, mode)


def _parse(content: bytes) -> Record | None:
    kinds = (str, str | None, int | None, int, str, int | None, str | None)
    try:
        record = Record(**json.loads(content))
    except (ValueError, TypeError, RecursionError):
        return None
    return record if all(map(isinstance, record, kinds)) and record.bytes >= 0 else None


def read_record(target: Path) -> Record | None:
    """What the sidecar of a target says; None if there is none that is ours."""
    path = beside(target, SIDECAR)
    try:
        with open(os.open(path, files.OPEN_SAFELY), "rb") as sidecar:
            facts = os.fstat(sidecar.fileno())
            files.check_ours(facts, path)
            return _parse(sidecar.read(MAX_SIDECAR)) if files.is_private(facts, path.parent) else None
    except (OSError, ValueError, FileError):  # ValueError: a name with a NUL
        return None
