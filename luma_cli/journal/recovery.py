"""Taking over what can be read of a damaged journal: all or nothing, whatever ends us in between."""

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from luma_cli.errors import FileError, reason
from luma_cli.files import sync_folder
from luma_cli.journal.claims import FOLDER, Claims
from luma_cli.journal.database import BUSY_TIMEOUT, Damaged, Database, error_from, sync_file
from luma_cli.journal.migrations import FUNCTIONS, MIGRATIONS, TABLES

# A number that damage made could span more than anybody has submitted.
MAX_GAP = 1_000_000
# A row that cannot be, as damage makes them, is left out; what the disk refuses ends the recovery.
_IMPOSSIBLE = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeError)

_NO_DAMAGE = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_INTERRUPT,
)
_CHILDREN = (
    ("file", "number", "task"),
    ("kept_file", "number", "kept_key"),
    ("account_check", "number", "task"),
    ("piece", "split", "split"),
)


def recover(path: Path) -> tuple[int, Path | None]:
    """Set a damaged journal aside and take over what can be read: how many tasks, and where the old file is now.

    A journal that is sound is left as it is (no path). Until the new file is whole, synced and checked, the damaged
    one keeps its name.

    Raises:
        FileError: the folder cannot be written, another process is writing, or a newer luma made the journal; the
            damaged file is where it was.
    """
    try:
        with closing(Database(path, MIGRATIONS, FUNCTIONS)) as sound:
            return int(sound.query("SELECT count(*) AS count FROM task")[0]["count"]), None
    except Damaged:
        pass
    real = Path(os.path.realpath(path))  # a link to the journal stays one
    with Claims(real.parent / FOLDER).only_one("recovery") as is_ours:
        if not is_ours:
            raise FileError(f"another luma is recovering {path} just now", hint="luma tasks")
        return _replace(real)


def _replace(path: Path) -> tuple[int, Path]:
    fresh, work = path.with_name(f"{path.name}.recovered"), path.with_name(f"{path.name}.reading")
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}")
    try:
        _remove(fresh, work)  # left by a recovery that was killed
        before = os.stat(path)
        taken = _build(path, work, fresh)
        if _changed(before, os.stat(path)):
            raise FileError(f"{path} was changed while it was read; it is where it was", hint="luma tasks recover")
        _swap(path, fresh, aside)
    except sqlite3.Error as error:
        raise _failed(path, error_from(error, fresh).message) from error
    except OSError as error:
        raise _failed(path, reason(error)) from error
    except FileError as error:
        raise _failed(path, error.message) from error
    finally:
        with contextlib.suppress(OSError):
            _remove(fresh, work)
    return taken, aside


def _failed(path: Path, why: str) -> FileError:
    return FileError(
        f"nothing was recovered ({why}): the damaged journal is unchanged at {path}",
        hint="make room or free the file and run `luma tasks recover` again, or set LUMA_STATE_DIR",
    )


def _build(path: Path, work: Path, fresh: Path) -> int:
    """Make the new file in one transaction; returns the number of tasks."""
    source = _readable(path, work)
    version = _version_of(source)
    os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(fresh, isolation_level=None)) as new:
        new.execute("PRAGMA synchronous = FULL")
        for name, function in FUNCTIONS.items():
            new.create_function(name, 1, function, deterministic=True)
        new.execute("BEGIN IMMEDIATE")
        _run(new, MIGRATIONS[:version])
        for table in TABLES:
            _copy(source, new, table)
        _run(new, MIGRATIONS[version:])
        _drop_orphans(new)
        _go_on_counting(new)
        new.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        new.execute("COMMIT")
        if new.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("malformed")
        taken = int(new.execute("SELECT count(*) FROM task").fetchone()[0])
    sync_file(fresh)
    return taken


def _run(new: sqlite3.Connection, scripts: tuple[str, ...]) -> None:
    for script in scripts:
        for statement in script.split(";"):
            new.execute(statement)


def _readable(path: Path, work: Path) -> Path:
    """The file itself, or with the journal of a transaction that was cut off a copy, in which it is rolled back."""
    companion = Path(f"{path}-journal")
    if not companion.exists() or companion.stat().st_size == 0:
        return path
    for source, target in ((path, work), (companion, Path(f"{work}-journal"))):
        shutil.copyfile(source, target)
        os.chmod(target, 0o600)
    with _damage_skipped(), closing(sqlite3.connect(work)) as copy:
        copy.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return work


def _connect(source: Path) -> sqlite3.Connection:
    old = sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True, timeout=BUSY_TIMEOUT)
    old.text_factory = lambda text: text.decode("utf-8", "backslashreplace")
    return old


def _version_of(source: Path) -> int:
    """The schema of the damaged file; the newest when that is not to be read any more."""
    version = 0
    with _damage_skipped(), closing(_connect(source)) as old:
        version = int(old.execute("PRAGMA user_version").fetchone()[0])
    return version if 0 < version <= len(MIGRATIONS) else len(MIGRATIONS)


def _copy(source: Path, new: sqlite3.Connection, table: str) -> None:
    known = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
    if not known:
        return  # a table of a later schema
    for names, rowid, values in _read(source, table):
        columns = {"rowid": rowid} | {name: value for name, value in zip(names, values, strict=True) if name in known}
        marks = ", ".join("?" * len(columns))
        # The new file has a salt of its own already: the old one is what the fingerprints were made with.
        verb = "REPLACE" if table == "meta" else "INSERT OR IGNORE"
        sql = f"{verb} INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        with contextlib.suppress(*_IMPOSSIBLE):
            new.execute(sql, list(columns.values()))


def _read(source: Path, table: str) -> Iterator[tuple[list[str], int, tuple[Any, ...]]]:
    """What can be read of a table: from both ends, since damage hides what lies behind it, and one by one between."""
    lowest, highest = 0, None
    for order in ("ASC", "DESC"):
        with _damage_skipped(), closing(_connect(source)) as old:
            cursor = old.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid {order}")  # noqa: S608  our own names
            names = [column[0] for column in cursor.description][1:]
            for rowid, *values in cursor:
                yield names, rowid, tuple(values)
                lowest, highest = (rowid, highest) if order == "ASC" else (lowest, rowid)
            return
    with _damage_skipped(), closing(_connect(source)) as old:
        for rowid in range(lowest + 1, min(highest or 0, lowest + MAX_GAP)):
            with _damage_skipped():
                cursor = old.execute(f"SELECT * FROM {table} WHERE rowid = ?", (rowid,))  # noqa: S608  our own names
                names = [column[0] for column in cursor.description]
                yield from ((names, rowid, values) for values in cursor)


@contextlib.contextmanager
def _damage_skipped() -> Iterator[None]:
    """What cannot be read is left behind; that somebody else holds the file is no damage, but an error."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_DAMAGE:
            raise


def _drop_orphans(new: sqlite3.Connection) -> None:
    """Files of tasks that could not be read would break what SQLite promises about foreign keys."""
    for table, column, parent in _CHILDREN:
        new.execute(f"DELETE FROM {table} WHERE {column} NOT IN (SELECT number FROM {parent})")  # noqa: S608  our own names


def _go_on_counting(new: sqlite3.Connection) -> None:
    """No number is given twice: a key that is kept has that of its pruned row, and a later one would replace it."""
    new.execute("DELETE FROM sqlite_sequence WHERE name = 'task'")
    numbers = "SELECT number FROM task UNION ALL SELECT number FROM kept_key"
    new.execute(f"INSERT INTO sqlite_sequence SELECT 'task', coalesce(max(number), 0) FROM ({numbers})")  # noqa: S608


def _changed(before: os.stat_result, now: os.stat_result) -> bool:
    facts = ("st_ino", "st_size", "st_mtime_ns")
    return any(getattr(before, fact) != getattr(now, fact) for fact in facts)


def _swap(path: Path, fresh: Path, aside: Path) -> None:
    """The damaged file gets a second name, and then the new one takes its first: there is always one of that name.

    The journal of a transaction that was cut off must not be applied to the new file.
    """
    companion = Path(f"{path}-journal")
    _name_also(path, aside)
    if companion.exists():
        _name_also(companion, Path(f"{aside}-journal"))
    sync_folder(path.parent)
    companion.unlink(missing_ok=True)
    os.replace(fresh, path)
    sync_folder(path.parent)


def _name_also(path: Path, other: Path) -> None:
    try:
        os.link(path, other)
    except OSError:  # a file system without links
        shutil.copyfile(path, other)
        os.chmod(other, 0o600)
        sync_file(other)


def _remove(*paths: Path) -> None:
    for path in paths:
        for left in (path, Path(f"{path}-journal")):
            left.unlink(missing_ok=True)
