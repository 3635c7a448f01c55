"""Who is sending a submission just now: a lock that dies with its holder, whatever kills that.

A process id alone says nothing: in a container everybody is number 1, after a reboot the numbers are given again.
Measured: a lock of flock(2) is gone with the last of its process, also after SIGKILL of a whole PID namespace.
"""

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from luma_cli.errors import FileError, reason
from luma_cli.files import Attempt, Lock, is_locked, remove

FOLDER = "claims"
HINT = "set LUMA_STATE_DIR"
# What a killed process leaves: time enough for everybody to have looked at it.
MAX_AGE = 86_400.0
_TOKEN = re.compile(r"[0-9a-f]{32}\Z")


class Claims:
    """The claim of one open journal, and a look at those of others. `folder` None: nobody else can see us."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._own: str | None = None
        self._lock: Lock | None = None

    def own(self) -> str:
        """Our claim, held from now until `close` or our death.

        Raises:
            FileError: it cannot be written.
        """
        if self._own is None:
            token = os.urandom(16).hex()
            self._own = f"memory:{token}" if self._folder is None else self._claim(self._folder, token)
        return self._own

    def close(self) -> None:
        if self._lock is not None:
            self._lock.release()
        self._own = self._lock = None

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
            return is_locked(self._folder / rest)
        return kind == "process" and _is_running(rest.partition(":")[2])

    @contextlib.contextmanager
    def only_one(self, name: str) -> Iterator[bool]:
        """True when no other process is in a block of this name. Where nothing can be locked: True."""
        if self._folder is None:
            yield True
            return
        lock, attempt = _attempt(self._folder, f"only-{name}")
        try:
            yield attempt is not Attempt.HELD
        finally:
            lock.release()

    def _claim(self, folder: Path, token: str) -> str:
        lock, attempt = _attempt(folder, token)
        if attempt is not Attempt.LOCKED:
            remove(lock.path)
            return f"process:{token}:{_identity()}"
        self._lock = lock
        _sweep(folder)
        return f"lock:{token}"


def _attempt(folder: Path, name: str) -> tuple[Lock, Attempt]:
    lock = Lock(folder / name)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return lock, lock.attempt()
    except OSError as error:
        raise FileError(f"cannot write {lock.path}: {reason(error)}", hint=HINT) from error
    except FileError as error:
        raise FileError(error.message, hint=HINT) from error


def _sweep(folder: Path) -> None:
    """Remove what killed processes left long ago. Only claims: a token is nobody's again, but `only-…` may be ours."""
    now = time.time()
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _TOKEN.match(entry.name) and now - entry.stat().st_mtime > MAX_AGE and not is_locked(Path(entry.path)):
                remove(Path(entry.path))


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
