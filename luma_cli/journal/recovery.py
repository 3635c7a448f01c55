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
from luma_cli.journal.database import BUSY_TIMEOUT, Damaged, Database, error_from, make_private, remove, sync_file
from luma_cli.journal.migrations import VERSION, migrate, prepare, version_of

# A number that damage made could span more than anybody has submitted.
MAX_GAP = 1_000_000
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
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


def recover(path: Path) -> tuple[int, Path | None]:
    """Set a damaged journal aside and take over what can be read: how many tasks, and where the old file is now.

    A journal that is sound is left as it is (no path). Until the new file is whole, synced and checked, the damaged
    one keeps its name.

    Raises:
        FileError: the folder cannot be written, another process is writing, or a newer luma made the journal; the
            damaged file is where it was.
    """
    try:
        with closing(Database(path)) as sound:
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
        for left_by_a_kill in (fresh, work):
            remove(left_by_a_kill)
        before = _facts(path)
        taken = _build(path, work, fresh)
        if _facts(path) != before:
            raise FileError(f"{path} was changed while it was read; it is where it was", hint="luma tasks recover")
        _swap(path, fresh, aside)
    except (sqlite3.Error, OSError, FileError) as error:
        raise _failed(path, error_from(error, fresh) if isinstance(error, sqlite3.Error) else error) from error
    finally:
        remove(fresh)
        remove(work)
    return taken, aside


def _facts(path: Path) -> tuple[int, int, int]:
    """Equal as long as nobody writes to a file, or replaces it."""
    facts = os.stat(path)
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _failed(path: Path, error: OSError | FileError) -> FileError:
    why = error.message if isinstance(error, FileError) else reason(error)
    return FileError(
        f"nothing was recovered ({why}): the damaged journal is unchanged at {path}",
        hint="make room or free the file and run `luma tasks recover` again, or set LUMA_STATE_DIR",
    )


def _build(path: Path, work: Path, fresh: Path) -> int:
    """Make the new file in one transaction; returns the number of tasks."""
    source = _readable(path, work)
    make_private(fresh)
    with closing(sqlite3.connect(fresh, isolation_level=None)) as new:
        prepare(new)
        new.execute("BEGIN IMMEDIATE")
        migrate(new, _version_of(source))
        for (table,) in new.execute(_TABLES).fetchall():
            _copy(source, new, table)
        migrate(new)
        _drop_orphans(new)
        _go_on_counting(new)
        new.execute("COMMIT")
        if new.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("malformed")
        taken = int(new.execute("SELECT count(*) FROM task").fetchone()[0])
    sync_file(fresh)
    return taken


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
        version = version_of(old)
    return version if 0 < version <= VERSION else VERSION


def _copy(source: Path, new: sqlite3.Connection, table: str) -> None:
    known = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
    for names, rowid, values in _read(source, table):
        columns = {"rowid": rowid} | {name: value for name, value in zip(names, values, strict=True) if name in known}
        marks = ", ".join("?" * len(columns))
        # The new file has a salt of its own already: the old one is what the fingerprints were made with.
        verb = "REPLACE" if table == "meta" else "INSERT OR IGNORE"
        sql = f"{verb} INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        with contextlib.suppress(*_IMPOSSIBLE):
            new.execute(sql, list(columns.values()))


def _read(source: Path, table: str) -> Iterator[tuple[list[str], int, tuple[Any, ...]]]:
    """What can be read of a table: behind a row that cannot be read it begins again."""
    at, last = 0, -1
    with closing(_connect(source)) as old:
        with _damage_skipped():
            last = old.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0] or last  # noqa: S608  our own names
        for _ in range(MAX_GAP):
            begin = at
            # The row before a damage comes only by itself: Python reads one ahead, and drops it with what fails.
            for limit in (-1, 1):
                with _damage_skipped():
                    cursor = old.execute(
                        f"SELECT rowid, * FROM {table} WHERE rowid >= ? ORDER BY rowid LIMIT ?",  # noqa: S608
                        (at, limit),
                    )
                    names = [column[0] for column in cursor.description][1:]
                    for rowid, *values in cursor:
                        yield names, rowid, tuple(values)
                        at = max(at, rowid + 1)
                    if limit < 0:
                        return
            at += at == begin
            if at > last:
                return


@contextlib.contextmanager
def _damage_skipped() -> Iterator[None]:
    """What cannot be read is left behind; that somebody else holds the file is no damage, but an error."""
    try:
        yield
    except (sqlite3.Error, OverflowError) as error:  # the latter: behind the highest number that there can be
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_DAMAGE:
            raise


def _drop_orphans(new: sqlite3.Connection) -> None:
    """Files of tasks that could not be read would break what SQLite promises about foreign keys."""
    for table, rowid, *_ in new.execute("PRAGMA foreign_key_check").fetchall():
        new.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))  # noqa: S608  our own names


def _go_on_counting(new: sqlite3.Connection) -> None:
    """No number is given twice: a key that is kept has that of its pruned row, and a later one would replace it."""
    new.execute("DELETE FROM sqlite_sequence WHERE name = 'task'")
    numbers = "SELECT number FROM task UNION ALL SELECT number FROM kept_key"
    new.execute(f"INSERT INTO sqlite_sequence SELECT 'task', coalesce(max(number), 0) FROM ({numbers})")  # noqa: S608


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
