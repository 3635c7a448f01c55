"""`NAME.part` beside its target, the sidecar that says what it is a part of, and the lock around both.

The sidecar holds how many bytes are certain and their SHA-256, so that an edited, mixed-up or half-written part file
is recognised and never continued. It holds no link: those carry their signature.
"""

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from luma_cli.downloads.target import (
    LOCK,
    PART,
    SIDECAR,
    beside,
    exists,
    give_name,
    refused_link,
    remove,
    sync_folder,
    trouble,
)
from luma_cli.errors import FileError

CHUNK = 1 << 20
CHECKPOINT = 1.0  # seconds of work that a crash may cost
MAX_SIDECAR = 1 << 16

# Windows has only O_BINARY; a planted link needs special rights there.
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_FLAGS |= getattr(os, "O_NONBLOCK", 0)  # a FIFO in the file's place must not hang us


@dataclass(frozen=True)
class Record:
    """What the sidecar says: the first `bytes` bytes of the part file come from `identity` and have this SHA-256."""

    identity: str
    etag: str | None = None
    length: int | None = None
    bytes: int = 0
    sha256: str = hashlib.sha256().hexdigest()

    @property
    def is_complete(self) -> bool:
        return self.length == self.bytes


@contextmanager
def locked(target: Path) -> Iterator[str | None]:
    """Keep other downloads to `target` out. Gives the identity the one before us worked for, where we had to wait.

    Raises:
        FileError: the lock cannot be made, or is a link.
    """
    path = beside(target, LOCK)
    lock = FileLock(path)
    holder = None
    try:
        while not lock.is_locked:
            try:
                lock.acquire(timeout=0.1)
            except Timeout:
                if not path.exists():  # filelock takes a folder that is gone for a lock that is held
                    os.close(os.open(path, os.O_CREAT | _FLAGS, 0o600))
                record = _read_record(target)
                holder = record.identity if record is not None else holder
    except NotImplementedError as error:
        raise FileError(f"the file system of {target.parent} cannot lock", hint="use -o for another place") from error
    except OSError as error:
        raise trouble(target, error) from error
    try:
        yield holder
    finally:
        # Removed while it is held: filelock looks whether the file it locked still has its name.
        remove(path)
        lock.release()


def finished_before(target: Path, identity: str) -> tuple[int, str] | None:
    """Bytes and SHA-256 of a target that we completed and had no time to tidy up after; None for any other file."""
    record, part = _read_record(target), beside(target, PART)
    if record is None or record.identity != identity or not record.is_complete:
        return None
    if target.is_symlink() or not target.is_file() or measure(target) != (record.bytes, record.sha256):
        return None
    if part.exists() and part.samefile(target):
        remove(part)
    return record.bytes, record.sha256


def is_vouched_for(target: Path) -> bool:
    """Whether a file that is there has a sidecar that calls it complete: ours, from a run that was cut short."""
    record = _read_record(target)
    return record is not None and record.is_complete


def tidy(target: Path) -> None:
    """Remove the sidecar of a finished file: whoever needed to know the file is recorded knows."""
    remove(beside(target, SIDECAR))


def measure(path: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of a file."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise trouble(path, error) from error


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
            self._file = _opened(self.path, 0o666)
            self._sidecar = _opened(beside(self.target, SIDECAR), 0o600)
            self._load()
        except BaseException as error:
            self._close()
            if isinstance(error, OSError):
                raise trouble(self.target, error) from error
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
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
            remove(beside(self.target, SIDECAR))
        if is_empty:
            remove(self.path)

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
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
            self._certain = (self.offset + len(chunk), digest)
            if time.monotonic() - self._saved_at > CHECKPOINT:
                self._save()
        except OSError as error:
            raise trouble(self.target, error) from error

    def publish(self, *, overwrite: bool) -> tuple[int, str]:
        """Give the file its name, durably. Returns its bytes and SHA-256; the sidecar stays until `tidy`.

        Raises:
            FileError: it cannot be saved, or the name is taken (without `overwrite`).
        """
        try:
            self._save()
            os.fsync(self._file)
        except OSError as error:
            self.forget()  # pages that failed to reach the disk count as clean from now on
            raise trouble(self.target, error) from error
        size, digest = self._certain
        try:
            if not os.path.samestat(os.fstat(self._file), os.lstat(self.path)):
                raise refused_link(self.path)
            self._close()  # Windows renames no open file
            give_name(self.path, self.target, overwrite)
        except FileExistsError as error:
            raise exists(self.target) from error
        except OSError as error:
            raise trouble(self.target, error) from error
        sync_folder(self.target.parent)
        return size, digest.hexdigest()

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
        try:
            os.ftruncate(self._file, offset)
            os.lseek(self._file, offset, os.SEEK_SET)
            self._save()
        except OSError as error:
            raise trouble(self.target, error) from error

    def _save(self) -> None:
        """Rewrite the sidecar in place: that needs no room on a full disk. A torn one is not readable."""
        size, digest = self._certain
        record = Record(self.identity, self.etag, self.length, size, digest.hexdigest())
        content = json.dumps(asdict(record)).encode()
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
    """A file of ours, made where there is none: never through a link, never another name of somebody's file."""
    descriptor = os.open(path, _FLAGS | os.O_CREAT, mode)
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1:
        os.close(descriptor)
        raise refused_link(path)
    return descriptor


def _parse(content: bytes) -> Record | None:
    try:
        fields = json.loads(content)
        record = Record(**fields)
    except (ValueError, TypeError, RecursionError):
        return None
    kinds = {"identity": str, "etag": str | None, "length": int | None, "bytes": int, "sha256": str}
    fits = all(isinstance(getattr(record, name), kind) for name, kind in kinds.items())
    return record if fits and record.bytes >= 0 else None


def _read_record(target: Path) -> Record | None:
    try:
        with open(os.open(beside(target, SIDECAR), _FLAGS), "rb") as sidecar:
            return _parse(sidecar.read(MAX_SIDECAR))
    except (OSError, ValueError):  # the latter: a name with a NUL
        return None
