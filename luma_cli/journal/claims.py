"""Who is sending a submission just now: a lock that dies with its holder, whatever kills that.

A process id alone says nothing: in a container everybody is number 1, after a reboot the numbers are given again.
Measured: a lock of flock(2) is gone with the last of its process, also after SIGKILL of a whole PID namespace.
"""

import contextlib
import errno
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from luma_cli.errors import FileError, reason

FOLDER = "claims"
# What a killed process leaves is a file without content: time enough for everybody to have looked at it.
MAX_AGE = 86_400.0
_TOKEN = re.compile(r"[0-9a-f]{32}\Z")


class Claims:
    """The claim of one open journal, and a look at those of others. `folder` None: nobody else can see us."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._own: str | None = None
        self._descriptor: int | None = None

    def own(self) -> str:
        """Our claim, held from now until `close` or our death.

        Raises:
            FileError: it cannot be written.
        """
        if self._own is None:
            self._own = self._make(os.urandom(16).hex())
        return self._own

    def close(self) -> None:
        if self._descriptor is not None and self._own is not None and self._folder is not None:
            os.close(self._descriptor)
            self._descriptor = None
            _unlink(self._folder / self._own.partition(":")[2])
        self._own = None

    def is_held(self, holder: str | None) -> bool:
        """Whether the process that made this claim still runs. When that cannot be determined: no.

        "No" means an unknown outcome, which is never paid again unasked.
        """
        if not holder:
            return False
        if holder == self._own:
            return True
        kind, _, rest = holder.partition(":")
        if kind == "lock" and self._folder is not None and _TOKEN.match(rest):
            return _is_locked(self._folder / rest)
        return kind == "process" and _is_running(rest.partition(":")[2])

    @contextlib.contextmanager
    def only_one(self, name: str) -> Iterator[bool]:
        """True when no other process is in a block of this name. Where nothing can be locked: True."""
        if self._folder is None:
            yield True
            return
        descriptor = _open_private(self._folder, self._folder / f"only-{name}")
        try:
            yield _lock_if_possible(descriptor) is not False
        finally:
            os.close(descriptor)

    def _make(self, token: str) -> str:
        if self._folder is None:
            return f"memory:{token}"
        path = self._folder / token
        descriptor = _open_private(self._folder, path)
        if _lock_if_possible(descriptor):
            self._descriptor = descriptor
            _sweep(self._folder)
            return f"lock:{token}"
        os.close(descriptor)
        _unlink(path)
        return f"process:{token}:{_identity()}"


def _open_private(folder: Path, path: Path) -> int:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FileError(f"cannot write {path}: {reason(error)}", hint="set LUMA_STATE_DIR") from error


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False  # its holder took it away, or is somebody whom we cannot ask
    try:
        free = _lock_if_possible(descriptor, shared=True)
    finally:
        os.close(descriptor)
    return free is False


def _lock_if_possible(descriptor: int, *, shared: bool = False) -> bool | None:
    """True: locked. False: another has it. None: this file system cannot lock.

    Two who look at the same moment must not take each other for the holder: they look with a shared lock.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK) else None
    return True


def _sweep(folder: Path) -> None:
    """Take away what killed processes left long ago."""
    now = time.time()
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if now - entry.stat().st_mtime > MAX_AGE and not _is_locked(Path(entry.path)):
                _unlink(Path(entry.path))


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _identity() -> str:
    """Boot, PID namespace, process id as /proc has it, and its start time; "" where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.stat("/proc/self/ns/pid").st_ino
        process = os.readlink("/proc/self")
        return f"{boot}:{namespace}:{process}:{_started(process)}"
    except (OSError, IndexError):
        return ""


def _is_running(identity: str) -> bool:
    ours = _identity().split(":")
    theirs = identity.split(":")
    if len(ours) != 4 or len(theirs) != 4 or ours[:2] != theirs[:2] or not theirs[2].isdigit():
        return False
    try:
        return _started(theirs[2]) == theirs[3]
    except (OSError, IndexError):
        return False


def _started(process: str) -> str:
    """Field 22 of /proc/PID/stat; the name before it may hold blanks and brackets."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
