"""A damaged journal is taken over whole or left where it is."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from luma_cli.api.task import SavedFile, State, Task
from luma_cli.errors import FileError
from luma_cli.journal import journal
from luma_cli.journal.claims import FOLDER, Claims
from luma_cli.journal.recovery import recover
from support.journals import BASE, ID, submission

ROWS = 4000
RECOVER = (
    "import pathlib, sys; from luma_cli.journal.recovery import recover; print(*recover(pathlib.Path(sys.argv[1])))"
)


@pytest.fixture(scope="session")
def damage(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """4,000 rows, and one page in the middle that is nothing."""
    file = tmp_path_factory.mktemp("damaged") / "tasks.db"
    with closing(journal.open_journal(file, service=BASE)) as book:
        book.record(submission("first", key="k"), lambda _: ID)
        book.learn(Task(ID, State.SUCCEEDED, 1))
        book.save_file(ID, SavedFile("/a/b.mp4", 5, "0" * 64, "https://a.example/b.mp4"))
        with book._db.transaction():
            for number in range(ROWS - 1):
                book._insert_foreign(Task(f"{number:032}"))
    content = bytearray(file.read_bytes())
    pages = [at for at in range(4096, len(content), 4096) if content[at] == 13]  # leaves of a table
    leaves = [at for at in pages if content.count(BASE.encode(), at, at + 4096) > 5]
    page = leaves[len(leaves) // 2]
    content[page : page + 4096] = bytes(4096)
    return bytes(content)


@pytest.fixture
def damaged(file: Path, damage: bytes) -> Path:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_bytes(damage)
    return file


def leftovers(file: Path) -> list[str]:
    return sorted(path.name for path in file.parent.iterdir() if path.name not in ("claims", file.name))


def can_be_read(raw: sqlite3.Connection, number: int) -> bool:
    try:
        return raw.execute("SELECT * FROM task WHERE number = ?", (number,)).fetchone() is not None
    except sqlite3.DatabaseError:
        return False


def test_all_that_can_be_read_is_taken_over(damaged: Path) -> None:
    before = damaged.read_bytes()
    with closing(sqlite3.connect(damaged)) as raw:
        salt = raw.execute("SELECT value FROM meta").fetchone()
        readable = sum(can_be_read(raw, number) for number in range(1, ROWS + 1))
    taken, aside = recover(damaged)

    assert aside is not None
    assert aside.read_bytes() == before
    assert ROWS - 120 < taken < ROWS
    assert taken == readable
    with closing(journal.open_journal(damaged)) as book:
        assert len(list(book.rows())) == taken
        row = book.known(ID)
        assert row is not None
        assert (row.idempotency_key, len(row.task.files)) == ("k", 1)
        assert book.record(submission("first", key="k"), lambda _: pytest.fail("sent")) == ID
        assert book._db.query("SELECT value FROM meta") == [{"value": salt[0]}]
    assert (damaged.stat().st_mode & 0o777, leftovers(damaged)) == (0o600, [aside.name])
    assert recover(damaged) == (taken, None)


def test_a_key_that_was_kept_is_not_replaced_by_that_of_a_later_task(file: Path) -> None:
    """Its row is pruned, and nothing else in the file says that its number was given."""
    with closing(journal.open_journal(file, service=BASE)) as book:
        book.record(submission("first", key="first"), lambda _: ID)
        book.learn(Task(ID, State.GENERATE_FAILED, 3))
        book.prune(float("inf"))
    content = bytearray(file.read_bytes())
    content[-4096:] = bytes(4096)  # an index
    file.write_bytes(content)
    assert recover(file)[1] is not None

    with closing(journal.open_journal(file, service=BASE)) as book:
        book.record(submission("second", key="second"), lambda _: ID[::-1])
        book.learn(Task(ID[::-1], State.GENERATE_FAILED, 3))
        book.prune(float("inf"))
        assert book.record(submission("first", key="first"), lambda _: pytest.fail("paid twice")) == ID


@pytest.mark.parametrize("content", [b"", b"not a journal at all, but long enough to be one" * 40])
def test_of_nothing_readable_a_new_journal_is_made(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    taken, aside = recover(file)
    assert aside is not None
    assert (taken, aside.read_bytes()) == (0, content)
    assert recover(file) == (0, None)


@pytest.mark.parametrize("version", [1, 2])
def test_a_damaged_journal_of_an_older_luma_is_migrated_too(file: Path, version: int) -> None:
    file.parent.mkdir()
    shutil.copyfile(Path(__file__).parent / "data" / f"journal-v{version}.db", file)
    content = bytearray(file.read_bytes())
    content[-4096:] = bytes(4096)  # an index
    file.write_bytes(content)
    taken, aside = recover(file)
    assert (taken, aside is not None) == (6, True)
    with closing(journal.open_journal(file, service="http://localhost:8080")) as book:
        assert [row.label for row in book.unfinished()] == ["c" * 32]


def strace(failure: str) -> list[str]:
    """Have one kind of system call fail, or kill who makes it; the others run at full speed."""
    name = failure.partition(":")[0]
    return ["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", f"trace={name}", "-e", f"inject={failure}"]


def may_inject() -> bool:
    if not shutil.which("strace"):
        return False
    return subprocess.run([*strace("fsync:error=EIO"), "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_inject(), reason="strace cannot trace here")
@pytest.mark.parametrize(
    "failure",
    [
        *("pwrite64:error=ENOSPC:when=1+", "pwrite64:error=EIO:when=30+", "fdatasync:error=EIO:when=1+"),
        *("rename:error=EACCES:when=1+", "pwrite64:signal=KILL:when=25", "rename:signal=KILL:when=1"),
        *("link:signal=KILL:when=1", "fsync:signal=KILL:when=1", "link:error=EPERM:when=1+"),
    ],
)
def test_whatever_fails_or_kills_the_recovery_the_rows_are_where_they_were(damaged: Path, failure: str) -> None:
    before = damaged.read_bytes()
    command = [*strace(failure), sys.executable, "-c", RECOVER, damaged]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    if done.returncode != 0:
        assert damaged.read_bytes() == before
        assert "KILL" in failure or ("nothing was recovered" in done.stderr and str(damaged) in done.stderr)
    taken, _ = recover(damaged)
    assert ROWS - 120 < taken < ROWS


def test_a_full_disk_leaves_everything_as_it_was(damaged: Path) -> None:
    before = damaged.read_bytes()
    program = (
        "import resource, signal, sys, pathlib; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000));" + RECOVER.partition(";")[2]
    )
    done = subprocess.run([sys.executable, "-c", program, damaged], capture_output=True, text=True, check=False)
    assert "nothing was recovered" in done.stderr
    assert (damaged.read_bytes(), leftovers(damaged)) == (before, [])


def test_a_transaction_that_was_cut_off_is_not_taken_for_done(damaged: Path) -> None:
    """The journal of a transaction lies beside a file that holds half of it."""
    program = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA cache_size = 1'); c.execute('PRAGMA cache_spill = 1'); c.execute('BEGIN IMMEDIATE');"
        "c.execute(\"UPDATE task SET source = 'half done' || hex(randomblob(200)) WHERE number < 20\"); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program, damaged], check=False)
    hot = Path(f"{damaged}-journal")
    if not hot.exists() or hot.stat().st_size == 0:
        pytest.skip("SQLite kept the transaction in memory")
    recover(damaged)
    with closing(journal.open_journal(damaged)) as book:
        assert [row.source for row in book.rows() if row.source.startswith("half done")] == []


def test_two_recoveries_do_not_meet(damaged: Path) -> None:

    with Claims(damaged.parent / FOLDER).only_one("recovery"), pytest.raises(FileError, match="another luma"):
        recover(damaged)
