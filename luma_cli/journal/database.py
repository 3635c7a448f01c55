"""A SQLite file that many processes write at once: durable, locked, migrated, and its errors in our words.

A rollback journal with synchronous FULL and BEGIN IMMEDIATE throughout: with a deferred BEGIN 30 writers lost more
than half of their rows (measured).
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from luma_cli import files
from luma_cli.errors import FileError, reason
from luma_cli.journal.migrations import VERSION, migrate, prepare, version_of

BUSY_TIMEOUT = 10.0
MAX_TURNS = 5
WAYS_ON = "set LUMA_STATE_DIR, or LUMA_JOURNAL=off"
WAYS_ON_DAMAGED = f"run `luma tasks recover`, {WAYS_ON}"
Values = Sequence[Any] | Mapping[str, Any]


class Damaged(FileError):
    """What `recover` is for."""


class Database:
    """The journal's open file, or memory when `path` is None. Use it from one thread.

    A new file appears under its name only when it is whole. `shown` is the name for messages of one that is being made.

    Raises:
        FileError: it cannot be written, is damaged, or has a newer schema; it is not touched.
    """

    def __init__(self, path: Path | None, *, shown: Path | None = None) -> None:
        self.path = path
        self._shown = shown or path
        if path is not None and shown is None:
            _find_or_create(path)
        with self._translated():
            self._connection = sqlite3.connect(path or ":memory:", timeout=BUSY_TIMEOUT, isolation_level=None)
            try:
                self._patiently(self._prepare)
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self) -> None:
        prepare(self._connection)
        self._connection.execute("PRAGMA foreign_keys = ON")
        if self._connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("malformed")
        version = version_of(self._connection)
        if version > VERSION:
            raise FileError(f"the journal {self._shown} was made by a newer luma", hint="upgrade luma, or " + WAYS_ON)
        if version < VERSION:
            if version and self.path is not None:
                self._keep_copy(self.path.with_name(f"{self.path.name}.v{version}"), version)
            with self.transaction():  # the version is read again in it: another process may have been first
                migrate(self._connection)

    def close(self) -> None:
        self._connection.close()

    def query(self, sql: str, values: Values = ()) -> list[dict[str, Any]]:
        """Rows as columns by name: plain dicts, since sqlite3's own rows look a name up by comparing them all."""
        with self._translated():
            cursor = self._connection.execute(sql, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def execute(self, sql: str, values: Values = ()) -> sqlite3.Cursor:
        with self._translated():
            return self._connection.execute(sql, values)

    def executemany(self, sql: str, rows: Iterable[Values]) -> None:
        with self._translated():
            self._connection.executemany(sql, rows)

    def insert(self, table: str, columns: Mapping[str, Any]) -> int:
        """Add a row; returns its number."""
        names, marks = ", ".join(columns), ", ".join(f":{name}" for name in columns)
        return int(self.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", columns).lastrowid or 0)  # noqa: S608

    def update(self, table: str, columns: Mapping[str, Any], condition: str, **values: Any) -> None:
        """Change these columns of the rows that the condition is true of; `values` are its parameters."""
        changes = ", ".join(f"{name} = :{name}" for name in columns)
        self.execute(f"UPDATE {table} SET {changes} WHERE {condition}", {**columns, **values})  # noqa: S608

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written in the block is on disk at its end, or not at all."""
        with self._translated():
            self._patiently(lambda: self._connection.execute("BEGIN IMMEDIATE"))
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk has rolled back already (measured)
                    self._connection.execute("ROLLBACK")
                raise

    def _patiently(self, action: Callable[[], object]) -> None:
        """SQLite lets nobody queue: in a crowd one may get no turn for long, while others write one after the other.

        That is not a file that somebody holds: as long as others get on, so do we.
        """
        for _ in range(MAX_TURNS):
            before = self._last_change()
            try:
                action()
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                if self._last_change() == before:
                    raise
            else:
                return
        action()

    def _last_change(self) -> int:
        """When anybody last wrote. Never by opening the file: closing it would end this process's locks on it."""
        try:
            return 0 if self.path is None else os.stat(self.path).st_mtime_ns
        except OSError:
            return 0

    def _keep_copy(self, target: Path, version: int) -> None:
        """The file as it was before its schema is changed, beside it."""
        temporary = target.with_name(f"{target.name}.{os.urandom(4).hex()}")
        try:
            make_private(temporary)
            with contextlib.closing(sqlite3.connect(temporary)) as copy:
                self._connection.backup(copy)
                is_old = version_of(copy) == version
            if is_old:  # else another process has migrated it meanwhile, and has kept a copy
                sync_file(temporary)
                os.replace(temporary, target)
        except OSError as error:
            raise FileError(f"cannot keep a copy of {self.path}: {reason(error)}", hint=WAYS_ON) from error
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """SQLite's errors in our words."""
        try:
            yield
        except sqlite3.Error as error:
            raise error_from(error, self._shown) from error


def error_from(error: sqlite3.Error, path: Path | None) -> FileError:
    """What SQLite said, as an error about the journal at `path`."""
    extended = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    code = extended & 0xFF
    why = _CANNOT_LOCK if extended in _LOCK_ERRORS else _REASONS.get(code, "cannot be used")
    if code in _DAMAGES:
        return Damaged(f"the journal {path} {why}", hint=WAYS_ON_DAMAGED)
    return FileError(f"the journal {path} {why}", hint=WAYS_ON)


_CANNOT_LOCK = "cannot be used: its file system cannot lock"
_LOCK_ERRORS = (sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_IOERR_RDLOCK, sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK)
_REASONS = {
    # SQLite takes ENOLCK for the same.
    sqlite3.SQLITE_BUSY: "is busy: another luma holds it, or its file system cannot lock",
    sqlite3.SQLITE_LOCKED: "is busy: another luma holds it",
    sqlite3.SQLITE_FULL: "cannot be written: the disk is full",
    sqlite3.SQLITE_IOERR: "cannot be written: input/output error",
    sqlite3.SQLITE_READONLY: "cannot be written: read-only",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_PERM: "cannot be written: permission denied",
    sqlite3.SQLITE_PROTOCOL: _CANNOT_LOCK,
    sqlite3.SQLITE_CORRUPT: "is damaged; it was not touched",
    sqlite3.SQLITE_NOTADB: "is damaged; it was not touched",
    sqlite3.SQLITE_ERROR: "is damaged (it lacks what it should have); it was not touched",
}
_DAMAGES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def _find_or_create(path: Path) -> None:
    """What is no journal is found before SQLite opens it, which waits for a FIFO and takes an empty file for a new one.

    The mode of the file is that of its creation: SQLite would make it 0644 under a common umask.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _create(Path(os.path.realpath(path)), path)
        facts = os.stat(path)
        if not os.access(path, os.R_OK | os.W_OK):
            os.close(os.open(path, os.O_RDWR | getattr(os, "O_NONBLOCK", 0)))  # says why
    except OSError as error:
        raise FileError(f"cannot write the journal {path}: {reason(error)}", hint=WAYS_ON) from error
    if not stat.S_ISREG(facts.st_mode):
        raise FileError(f"the journal {path} is not a regular file", hint=WAYS_ON)
    if facts.st_size == 0:
        raise Damaged(f"the journal {path} is damaged: it is empty; it was not touched", hint=WAYS_ON_DAMAGED)


def _create(path: Path, shown: Path) -> None:
    """Make the file under another name, and give it its own when it is whole and synced.

    A crash in between leaves no file of that name: one of 0 bytes would be a journal that has lost everything.
    """
    temporary = path.with_name(f"{path.name}.new-{os.urandom(4).hex()}")
    try:
        make_private(temporary)
        Database(temporary, shown=shown).close()
        with contextlib.suppress(FileExistsError):  # several processes may do this at once: the first one wins
            files.publish(temporary, path, overwrite=False)
        files.sync_folder(path.parent)
    finally:
        remove(temporary)


def make_private(path: Path) -> None:
    """An empty file that nobody else may read, whatever the umask."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def remove(path: Path) -> None:
    """A database that was on its way, and what SQLite has beside it during a transaction."""
    files.remove(path)
    files.remove(Path(f"{path}-journal"))


def sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        files.sync_file(file.fileno())
