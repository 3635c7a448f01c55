"""Whole files (temporary file, sync, rename), files that are ours alone, and locks that die with their holder."""

import errno
import logging
import os
import re
import socket
import stat
import sys
import time
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path

from luma_cli.errors import FileError, reason

log = logging.getLogger(__name__)

TEMPORARY = ".luma-"

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What a device that is broken, full or gone answers. Whatever else link, fsync and flock say means that the file
# system has no such thing (EACCES on Android, EINVAL on FUSE, ENOTSUP on SMB, EPERM on vfat): no list of those ends.
_FAILURES = frozenset(
    number
    for name in (
        *("EIO", "ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EBADF", "ENOMEM", "ENFILE", "EMFILE", "ENXIO", "ENODEV"),
        *("ESTALE", "ETIMEDOUT", "ENOTCONN", "EHOSTDOWN", "EHOSTUNREACH", "EREMOTEIO", "EUCLEAN", "ENAMETOOLONG"),
    )
    if (number := getattr(errno, name, None)) is not None
)

# Windows has only O_BINARY; a planted link needs special rights there.
OPEN_SAFELY = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
OPEN_SAFELY |= getattr(os, "O_NONBLOCK", 0)  # a FIFO in the file's place must not hang us
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)


def save_whole(content: bytes, target: Path, *, overwrite: bool, mode: int = 0o666) -> None:
    """Write a file that has its name only once it is whole on disk; `mode` is its mode from birth, less the umask.

    Raises:
        FileError: it cannot be saved, or another file took the name meanwhile.
    """
    part = target.with_name(f"{TEMPORARY}{os.urandom(8).hex()}.part")
    try:
        with open(os.open(part, _NEW, mode), "wb") as file:
            if os.name == "posix" and mode & 0o600 & ~os.fstat(file.fileno()).st_mode:
                os.fchmod(file.fileno(), mode & 0o600)  # a umask that keeps even its owner out
            file.write(content)
        give_name(part, target, overwrite=overwrite)
    except OSError as error:
        raise file_error(target, error) from error
    finally:
        remove(part)


def give_name(part: Path, target: Path, *, overwrite: bool, is_synced: bool = False) -> None:
    """Give a finished file its name once it is on disk, and put that on disk, too; both are in one folder.

    Raises:
        FileError: it cannot be saved, or the name is taken (without `overwrite`).
    """
    try:
        if not is_synced:
            with part.open("rb+") as file:
                sync_file(file.fileno())
        publish(part, target, overwrite=overwrite)
        sync_folder(target.parent)
    except FileExistsError as error:
        raise exists(target) from error
    except OSError as error:
        raise file_error(target, error) from error


def publish(part: Path, target: Path, *, overwrite: bool) -> None:
    """Give a finished file its name, in one step; both are in one folder.

    Raises:
        FileExistsError: the name is taken (without `overwrite`).
        OSError: it cannot be done.
    """
    if overwrite:
        os.replace(part, target)
    elif os.name == "nt":
        os.rename(part, target)  # there, and only there, this refuses a name that is taken
    elif _has_linked(part, target):
        remove(part)
    else:
        _replace_claim(part, target)


def _has_linked(part: Path, target: Path) -> bool:
    try:
        os.link(part, target, follow_symlinks=False)
    except NotImplementedError:
        return False
    except OSError as error:
        if isinstance(error, FileExistsError) or not is_unsupported(error):
            raise
        log.info("no hard links in %s (%s): renames instead", target.parent, reason(error))
        return False
    return True


def _replace_claim(part: Path, target: Path) -> None:
    """Without hard links: claim the name first, so that what is replaced is only our own empty file."""
    os.close(os.open(target, _NEW, 0o666))
    try:
        os.replace(part, target)
    except BaseException:
        remove(target)
        raise


def sync_file(descriptor: int) -> bool:
    """Force a file to disk; False: its file system has no such thing (some FUSE and SMB mounts).

    Raises:
        OSError: the disk failed.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not is_unsupported(error):
            raise
        log.info("fsync is not supported: %s", reason(error))
        return False
    return True


def sync_folder(folder: Path) -> bool:
    """Force the names in a folder to disk; False: its file system has no such thing.

    Raises:
        OSError: the disk failed.
    """
    if os.name == "nt":
        return True  # folders cannot be opened there; NTFS logs names by itself
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if not is_unsupported(error):
            raise
        return False
    try:
        return sync_file(descriptor)
    finally:
        os.close(descriptor)


def is_unsupported(error: OSError) -> bool:
    """The file system cannot do what was asked, as opposed to: it tried and failed."""
    return error.errno not in _FAILURES


def open_ours(path: Path, mode: int) -> int:
    """A descriptor of a file of ours, made if there is none: never through a link, never another user's.

    Raises:
        FileError: it is a link or belongs to somebody else.
        OSError: it cannot be opened.
    """
    try:  # first: Linux lets nobody open another's file in a sticky folder with O_CREAT
        check_ours(os.lstat(path), path)
    except FileNotFoundError:
        pass
    descriptor = os.open(path, OPEN_SAFELY | os.O_CREAT, mode)
    try:
        check_ours(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_ours(facts: os.stat_result, path: Path) -> None:
    """Raise FileError unless `path` is a plain file of ours that has no other name."""
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1:
        raise refused_link(path)
    if not is_ours(facts, path.parent):
        raise FileError(
            f"{path} belongs to another user", hint="remove it, or use -o with another name or in a folder of your own"
        )


def is_ours(facts: os.stat_result, folder: Path) -> bool:
    """Whether a file in `folder` has the owner of one that we make there (mounts may give all files to one owner)."""
    return os.name == "nt" or facts.st_uid == os.geteuid() or facts.st_uid == new_file_facts(folder).st_uid


def is_private(facts: os.stat_result, folder: Path) -> bool:
    """Whether only those may write to a file who may write to any new one of ours (umask, mounts without modes)."""
    writable = facts.st_mode & 0o022
    return os.name == "nt" or not writable or not writable & ~new_file_facts(folder).st_mode


def new_file_facts(folder: Path) -> os.stat_result:
    """What a new file in a folder looks like: its owner and mode are not ours on every mount.

    Raises:
        OSError: none can be made.
    """
    path = folder / f"{TEMPORARY}{os.urandom(8).hex()}.part"
    descriptor = _nameless(folder)
    if descriptor is not None:
        path = folder
    else:
        descriptor = os.open(path, _NEW, 0o666)
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)
        if path != folder:
            remove(path)


def _nameless(folder: Path) -> int | None:
    """A file without a name, which no crash leaves behind; None: not here."""
    try:
        return os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except (OSError, AttributeError):  # the latter: only Linux has it
        return None


def remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        pass  # already gone, or the folder is: what is left over does no harm


def file_error(target: Path, error: OSError) -> FileError:
    """Why a file cannot be saved, for the user."""
    if error.errno in FULL:
        return disk_full(target)
    if error.errno == errno.ELOOP:
        return refused_link(target)
    return FileError(f"cannot save {target}: {reason(error)}", hint="use -o to save it elsewhere")


def disk_full(target: Path) -> FileError:
    return FileError(
        f"disk full in {target.parent}", hint="free some space, then run the same command again: it goes on"
    )


def refused_link(path: Path) -> FileError:
    return FileError(f"refused link: {path} is a link, or not a plain file", hint="remove it, or use -o")


def exists(target: Path) -> FileError:
    return FileError(f"{target} exists", hint="use --force to overwrite it, or -o to save elsewhere")


# Seconds. A wait is reported when it is longer than a person's patience with silence, and never endless.
REPORT_WAIT_AFTER = 3.0
MAX_LOCK_WAIT = 15 * 60.0
_POLL = 0.1


class Attempt(Enum):
    """What came of trying to lock a file."""

    LOCKED = auto()
    HELD = auto()
    UNSUPPORTED = auto()


class Lock:
    """Keeps other processes and threads out for as long as its holder lives: the kernel ends it with the process.

    So no decision hangs on a process id, which a container or a reboot gives to somebody else. The file names the
    holder for people only.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path = path
        self._clock = clock
        self._sleep = sleep
        self._descriptor = -1

    @property
    def is_held(self) -> bool:
        """This object holds it."""
        return self._descriptor != -1

    def acquire(
        self,
        deadline: float | None = None,
        on_wait: Callable[[str], None] | None = None,
        on_poll: Callable[[], None] = lambda: None,
    ) -> bool:
        """Wait for the lock until the clock reads `deadline` (None: for 15 minutes). False: locks do not work here.

        After 3 seconds `on_wait` is called once with the holder (default: a warning to the log), `on_poll` at every
        attempt that finds the lock held.

        Raises:
            FileError: it is held to the end of the wait, or the lock file cannot be made or is not ours.
        """
        started = self._clock()
        limit = started + MAX_LOCK_WAIT if deadline is None else deadline
        has_reported = False
        while (attempt := self.attempt()) is Attempt.HELD:
            now = self._clock()
            if now >= limit:
                raise self._still_held(now - started)
            if now - started >= REPORT_WAIT_AFTER and not has_reported:
                (on_wait or self._log_wait)(self.holder())
                has_reported = True
            on_poll()
            self._sleep(min(_POLL, limit - now))
        return attempt is Attempt.LOCKED

    def attempt(self) -> Attempt:
        """Take the lock if nobody holds it.

        Raises:
            FileError: the lock file cannot be made or is not ours.
        """
        try:
            descriptor = open_ours(self.path, 0o600)
            try:
                attempt = _lock(descriptor)
                if attempt is Attempt.LOCKED and not _has_name(descriptor, self.path):
                    attempt = Attempt.HELD
                if attempt is Attempt.LOCKED:
                    _write_holder(descriptor)
                    self._descriptor = descriptor
            finally:
                if self._descriptor != descriptor:
                    os.close(descriptor)
        except OSError as error:
            raise file_error(self.path, error) from error
        return attempt

    def release(self) -> None:
        """Let the next one in; the file goes, if the system lets an open one go."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor == -1:
            return
        if os.name != "nt":
            remove(self.path)  # while it is held: whoever locks a file looks if it still has its name
        os.close(descriptor)
        if os.name == "nt":
            remove(self.path)

    def holder(self) -> str:
        """Who holds the lock, as far as the kernel or the file says it."""
        try:
            with self.path.open("rb") as file:
                written = _printable(file.read(200).decode("utf-8", "replace"))
                number = _holding_process(os.fstat(file.fileno()))
        except OSError:
            return "another process"
        if number is None or written.startswith(f"process {number} "):
            return written or "another process"
        name = _name_of(number)
        return f"process {number} ({name})" if name else f"process {number}"

    def _log_wait(self, holder: str) -> None:
        log.warning("waiting for %s, which %s holds", self.path, holder)

    def _still_held(self, seconds: float) -> FileError:
        return FileError(
            f"{self.path} is still held by {self.holder()} after {seconds:.0f} s",
            hint="wait until it ends, or end it; then run the same command again",
        )


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock of this file. False if there is no such file, or it is nobody's to ask.

    Two who look at the same moment must not take each other for the holder: they look with a shared lock.
    """
    try:
        descriptor = os.open(path, OPEN_SAFELY)
    except OSError:
        return False
    try:
        return _lock(descriptor, shared=True) is Attempt.HELD
    except OSError:
        return False
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    _HELD = PermissionError

    def _flock(descriptor: int, *, shared: bool) -> None:
        del shared  # there is no such lock there
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # far behind the holder's name: a locked byte cannot be read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    _HELD = BlockingIOError

    def _flock(descriptor: int, *, shared: bool) -> None:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def _lock(descriptor: int, *, shared: bool = False) -> Attempt:
    try:
        _flock(descriptor, shared=shared)
    except _HELD:
        return Attempt.HELD
    except OSError as error:
        if is_unsupported(error):
            return Attempt.UNSUPPORTED
        raise
    return Attempt.LOCKED


def _has_name(descriptor: int, path: Path) -> bool:
    """The one before us removes the file while it holds the lock: what we have locked may be nameless by now."""
    try:
        return os.name == "nt" or os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _write_holder(descriptor: int) -> None:
    # No arguments: a link among them carries its signature.
    words = [word for word in sys.argv[1:] if re.fullmatch("[a-z]{1,20}", word)][:1]
    command = " ".join([Path(sys.argv[0]).name, *words])
    try:
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, f"process {os.getpid()} ({command}) on {socket.gethostname()}\n".encode(errors="replace"))
    except OSError:
        pass  # a full disk: the lock itself needs no room


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable()).strip()


def _holding_process(facts: os.stat_result) -> int | None:
    """The process that has the file locked, where the kernel lists locks (Linux) and this process may know it."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except (OSError, ValueError):
        return None
    wanted = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino}"
    for line in lines:
        fields = line.split()
        if len(fields) > 5 and fields[5] == wanted and fields[4].isdecimal() and fields[4] != "0":
            return int(fields[4])
    return None


def _name_of(number: int) -> str:
    try:
        return _printable(Path(f"/proc/{number}/comm").read_text(errors="replace"))
    except OSError:
        return ""  # it has ended, and a child of it goes on holding the lock
