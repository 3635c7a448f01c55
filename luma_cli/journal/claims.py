"""Who is sending a submission just now: a lock that dies with its holder, whatever kills that.

A process id says nothing: in a container everybody is number 1, after a reboot the numbers are given again.
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
        """Our claim, held from now until `close` or our death. Where nothing can be locked nobody else can see it.

        Raises:
            FileError: it cannot be written.
        """
        if self._own is None:
            token = os.urandom(16).hex()
            self._own = f"lock:{token}" if self._has_locked(token) else f"memory:{token}"
        return self._own

    def _has_locked(self, token: str) -> bool:
        if self._folder is None:
            return False
        lock, attempt = _attempt(self._folder, token)
        if attempt is not Attempt.LOCKED:
            remove(lock.path)
            return False
        self._lock = lock
        _sweep(self._folder)
        return True

    def close(self) -> None:
        if self._lock is not None:
            self._lock.release()
        self._own = self._lock = None

    def is_held(self, holder: str | None) -> bool:
        """Whether the process that made this claim still runs. When that cannot be determined: no.

        "No" means an unknown outcome, which is never paid again unasked.
        """
        if holder == self._own:
            return holder is not None
        kind, _, token = (holder or "").partition(":")
        is_lock = kind == "lock" and _TOKEN.match(token) is not None
        return is_lock and self._folder is not None and is_locked(self._folder / token)

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
