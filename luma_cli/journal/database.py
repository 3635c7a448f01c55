"""A SQLite file that many processes write at once: durable, locked, migrated, and its errors in our words.

A rollback journal with synchronous FULL and BEGIN IMMEDIATE throughout: with a deferred BEGIN 30 writers lost more
than half of their rows (measured).
"""

import os
import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from luma_cli.errors import FileError, reason

BUSY_TIMEOUT = 10.0
WAYS_ON = "set LUMA_STATE_DIR, or LUMA_JOURNAL=off"
WAYS_ON_DAMAGED = f"run `luma tasks recover`, {WAYS_ON}"


class Damaged(FileError):
    """What `salvage` is for."""


class Database:
    """An open file, or memory where `path` is None. Use it from one thread.

    Raises:
        FileError: it cannot be written, is damaged, or has a newer schema than `migrations`; it is not touched.
    """

    def __init__(self, path: Path | None, migrations: Sequence[str]) -> None:
        self.path = path
        if path is not None:
            _make_private(path)
        with self._told():
            self._connection = sqlite3.connect(path or ":memory:", timeout=BUSY_TIMEOUT, isolation_level=None)
            try:
                self._prepare(migrations)
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self, migrations: Sequence[str]) -> None:
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        if self._connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("malformed")
        self._migrate(migrations)

    def close(self) -> None:
        self._connection.close()

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Rows as columns by name: plain dicts, since sqlite3's own rows look a name up by comparing them all."""
        with self._told():
            cursor = self._connection.execute(sql, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def execute(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> sqlite3.Cursor:
        with self._told():
            return self._connection.execute(sql, values)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._told():
            self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written in the block is on disk at its end, or not at all."""
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk has rolled back already (measured)
                    self._connection.execute("ROLLBACK")
                raise

    def _migrate(self, migrations: Sequence[str]) -> None:
        version = self._version()
        if version > len(migrations):
            raise FileError(f"the journal {self.path} was made by a newer luma", hint="upgrade luma, or " + WAYS_ON)
        if version == len(migrations):
            return
        with self.transaction():
            for script in migrations[self._version() :]:  # asked again: another process may have been first
                for statement in script.split(";"):
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {len(migrations)}")

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors in our words."""
        try:
            yield
        except sqlite3.Error as error:
            extended = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
            code = extended & 0xFF
            trouble = _CANNOT_LOCK if extended in _LOCK_TROUBLES else _TROUBLES.get(code, "cannot be used")
            if code in _DAMAGES:
                raise Damaged(f"the journal {self.path} {trouble}", hint=WAYS_ON_DAMAGED) from error
            raise FileError(f"the journal {self.path} {trouble}", hint=WAYS_ON) from error


_CANNOT_LOCK = "cannot be used: its file system cannot lock"
_LOCK_TROUBLES = (sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_IOERR_RDLOCK, sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK)
_TROUBLES = {
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


def salvage(path: Path, migrations: Sequence[str], tables: Sequence[str]) -> tuple[int, Path]:
    """Move a damaged file aside and copy the rows that can still be read into a new one.

    Returns the number of rows of the first table, and where the damaged file is now.

    Raises:
        FileError: the folder cannot be written, or another process uses the file.
    """
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}")
    try:
        companion = Path(f"{path}-journal")  # rolls a half-written transaction back when the old file is read
        if companion.exists():
            companion.rename(f"{aside}-journal")
        path.rename(aside)
    except OSError as error:
        raise FileError(f"cannot set {path} aside: {reason(error)}", hint="set LUMA_STATE_DIR") from error
    fresh = Database(path, migrations)
    counts = [_copy_readable(aside, fresh, table) for table in tables]
    fresh.close()
    return counts[0], aside


def _copy_readable(aside: Path, fresh: Database, table: str) -> int:
    """Copy a table row by row, from both ends: a damaged page hides what lies behind it, not what lies before."""
    columns = [row["name"] for row in fresh.query(f"PRAGMA table_info({table})")]
    copied = 0
    for order in ("ASC", "DESC"):
        try:
            with closing(sqlite3.connect(f"file:{quote(str(aside))}?mode=ro", uri=True, timeout=BUSY_TIMEOUT)) as old:
                old.row_factory = sqlite3.Row
                for row in old.execute(f"SELECT * FROM {table} ORDER BY rowid {order}"):  # noqa: S608  our own names
                    copied += _insert(fresh, table, {name: row[name] for name in columns if name in row.keys()})  # noqa: SIM118
        except sqlite3.Error:
            continue  # what lies behind this point cannot be read
    return copied


def _insert(fresh: Database, table: str, values: dict[str, Any]) -> int:
    marks = ", ".join("?" * len(values))
    sql = f"INSERT OR IGNORE INTO {table} ({', '.join(values)}) VALUES ({marks})"  # noqa: S608  our own names
    try:
        return fresh.execute(sql, list(values.values())).rowcount
    except FileError:
        return 0  # a value that damage made impossible


def _make_private(path: Path) -> None:
    """SQLite would make the file 0644 under a common umask, and its companions follow its mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o600)
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        os.close(descriptor)
    except OSError as error:
        raise FileError(f"cannot write the journal {path}: {reason(error)}", hint=WAYS_ON) from error
    if not regular:
        raise FileError(f"the journal {path} is not a regular file", hint=WAYS_ON)
