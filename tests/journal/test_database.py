"""The file itself: private, whole, migrated, and not touched when it is no journal."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luma_cli.api.task import Edit
from luma_cli.errors import FileError
from luma_cli.journal import journal
from luma_cli.journal.journal import Journal
from luma_cli.journal.records import Outcome
from luma_cli.journal.submissions import Submission
from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, Result
from support.journals import ID, submission

Luma = Callable[..., Result]


# --- the file ---


def garbage(file: Path) -> None:
    file.write_bytes(b"this is not a database, but it is long enough to be taken for a file of one" * 20)


def short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:50])


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2 // 4096 * 4096])


def zeroed(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:8192] = bytes(4096)
    file.write_bytes(content)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def dangling(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.parent / "none" / "tasks.db")


def fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def newer(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 99")


def negative(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = -3")


@pytest.mark.parametrize("damage", [garbage, short, half, zeroed, empty, folder, dangling, fifo, newer, negative])
def test_a_damaged_journal_is_not_touched_and_nothing_is_spent(
    luma: Luma, sandbox: Sandbox, file: Path, damage: Callable[[Path], None]
) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow")
    damage(file)
    before = file.read_bytes() if file.is_file() else None
    code, out, err = luma("modify", CLIP_URL, "-p", "Heavy rain")

    assert (code, out, len(sandbox.submissions())) == (11, "", 1)
    assert "LUMA_STATE_DIR" in err
    assert (file.read_bytes() if file.is_file() else None) == before


@pytest.mark.parametrize("damage", [garbage, half, newer])
def test_reading_goes_on_without_the_journal(
    luma: Luma, sandbox: Sandbox, file: Path, damage: Callable[[Path], None]
) -> None:
    task_id = luma("modify", CLIP_URL, "-p", "Heavy snow").out.strip()
    damage(file)
    code, out, err = luma("status", task_id)

    assert (code, out.split("\t")[0]) == (0, task_id)
    assert err.count("luma: warning: ") == 1


def test_a_journal_that_another_holds_is_waited_for_and_then_left(
    luma: Luma, sandbox: Sandbox, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow")
    monkeypatch.setattr("luma_cli.journal.database.BUSY_TIMEOUT", 0.2)
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        code, out, err = luma("modify", CLIP_URL, "-p", "Heavy rain")

    assert (code, out, len(sandbox.submissions())) == (11, "", 1)
    assert "is busy" in err


def test_a_holder_that_lets_go_in_time_costs_nothing(luma: Luma, sandbox: Sandbox, file: Path) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow")
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
    timer.start()
    assert luma("modify", CLIP_URL, "-p", "Heavy rain").code == 0
    other.close()


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_a_file_system_that_cannot_lock_spends_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """Python asks the kernel the same things first: from SQLite's first lock on, they are refused."""
    luma = [sys.executable, "-m", "luma_cli", "modify", CLIP_URL, "-p", "Heavy snow"]
    trace = ["strace", "-o", str(tmp_path / "trace"), "-e", "trace=fcntl"]
    seen = subprocess.run([*trace, *luma], capture_output=True, text=True, timeout=60, check=False)
    if seen.returncode != 0:
        pytest.skip("strace cannot trace here")
    calls = (tmp_path / "trace").read_text().splitlines()
    first = next(number for number, call in enumerate(calls, start=1) if "F_SETLK" in call)
    inject = ["-e", f"inject=fcntl:error=EOPNOTSUPP:when={first}+"]
    done = subprocess.run([*trace, *inject, *luma], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, len(sandbox.submissions())) == (11, "", 1)
    assert "cannot be used: its file system cannot lock" in done.stderr
    assert "LUMA_STATE_DIR, or LUMA_JOURNAL=off" in done.stderr


def test_a_full_disk_before_the_request_spends_nothing(sandbox: Sandbox, file: Path) -> None:
    """A limit on the size of files stands for the disk: it fails in the same calls."""
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048));"
        "from luma_cli.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", program, "modify", CLIP_URL, "-p", "Heavy snow"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, sandbox.requests) == (11, "", []), done.stderr
    assert done.stderr.count("luma: error: ") == 1


def test_a_disk_that_fills_while_the_request_is_out_still_shows_the_id(
    luma: Luma, sandbox: Sandbox, file: Path, book: Journal
) -> None:
    def send(_: Edit) -> str:
        book._db.execute("PRAGMA max_page_count = 1")
        book._db.execute("PRAGMA query_only = ON")
        return ID

    told: list[str] = []
    with pytest.raises(FileError, match=f"task {ID} was created but could not be recorded"):
        book.record(submission(), send, announce=told.append)
    assert told == [ID]
    book._db.execute("PRAGMA query_only = OFF")
    [row] = book.rows()
    assert row.outcome is Outcome.SENDING


def test_the_file_is_private_whatever_the_umask(home: Path, file: Path) -> None:
    before = os.umask(0)
    try:
        journal.open_journal(file).close()
    finally:
        os.umask(before)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


# --- schemas ---


OLD = Path(__file__).parent / "data"


@pytest.fixture(params=[1, 2])
def old(request: pytest.FixtureRequest, file: Path) -> Path:
    """A journal as the code of that schema has written it."""
    file.parent.mkdir()
    shutil.copyfile(OLD / f"journal-v{request.param}.db", file)
    return file


def test_an_older_journal_is_migrated_and_what_was_paid_stays_known(old: Path) -> None:
    book = journal.open_journal(old, service="https://api.kie.ai")
    assert [row.label for row in book.rows()] == ["f" * 32, "unknown-5", "c" * 32, "unknown-3", "b" * 32, "a" * 32]
    assert [file.path for row in book.rows() for file in row.task.files] == ["/videos/snow.mp4"]
    paid = book.known("a" * 32)
    assert paid is not None
    again = Submission(Edit("Heavy snow", CLIP_URL), CLIP_URL, paid.digest, paid.idempotency_key, "identity")
    assert book.record(again, lambda _: pytest.fail("sent")) == paid.task.task_id
    assert (paid.account, paid.credits, paid.details.model) == (None, None, "luma")


def test_an_older_journal_knows_its_services_in_one_spelling(old: Path) -> None:
    with closing(journal.open_journal(old, service="http://127.0.0.1:8080")) as book:
        assert [row.label for row in book.unfinished()] == ["c" * 32]


def test_a_copy_of_an_older_journal_is_kept(old: Path) -> None:
    before = old.read_bytes()
    version = before[63]  # the last byte of user_version
    journal.open_journal(old).close()

    [copy] = old.parent.glob("tasks.db.v*")
    assert (copy.name, copy.stat().st_mode & 0o777) == (f"tasks.db.v{version}", 0o600)
    with closing(sqlite3.connect(copy)) as kept, closing(sqlite3.connect(OLD / f"journal-v{version}.db")) as made:
        assert list(kept.iterdump()) == list(made.iterdump())


KILLED = """
import os, pathlib, sqlite3, sys
from luma_cli.journal import journal
left = [int(sys.argv[2])]
def trace(statement):
    left[0] -= 1
    if left[0] == 0: os._exit(9)
real = sqlite3.connect
def connect(*a, **k):
    c = real(*a, **k); c.set_trace_callback(trace); return c
sqlite3.connect = connect
journal.open_journal(pathlib.Path(sys.argv[1])).close()
"""


def opened_until(file: Path, statement: int) -> int:
    """Have a process end without a word to SQLite before this statement of opening the journal."""
    return subprocess.run([sys.executable, "-c", KILLED, file, str(statement)], timeout=60, check=False).returncode


@pytest.mark.parametrize("statement", [2, 6, 12, 30, 45])
def test_a_migration_killed_at_any_statement_can_be_made_again(old: Path, statement: int) -> None:
    opened_until(old, statement)
    with closing(journal.open_journal(old)) as book:
        assert len(list(book.rows())) == 6
        book.record(submission(), lambda _: ID)


@pytest.mark.parametrize("statement", [1, 5, 12, 40])
def test_a_journal_whose_making_is_killed_is_not_there_or_whole(file: Path, statement: int) -> None:
    assert opened_until(file, statement) == 9
    assert not file.exists()
    with closing(journal.open_journal(file)) as book:
        book.record(submission(), lambda _: ID)


def test_many_that_make_the_journal_at_once_share_it(file: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", KILLED, file, "-1"]) for _ in range(6)]
    assert [process.wait(60) for process in processes] == [0] * 6
    assert [path.name for path in file.parent.iterdir()] == ["tasks.db"]


@given(st.binary(max_size=200))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_of_anything_is_a_journal_or_an_error_and_never_more(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tasks.db"
    path.write_bytes(b"SQLite format 3\0" + content if len(content) % 2 else content)
    before = path.read_bytes()
    try:
        journal.open_journal(path).close()
    except FileError:
        assert path.read_bytes() == before


@pytest.mark.parametrize("words", [["wait"], ["download", "--all-missing", "-o", "."]], ids=str)
@pytest.mark.parametrize("damage", [garbage, newer])
def test_who_wants_every_task_of_a_journal_that_cannot_be_read_does_not_hear_that_all_is_done(
    luma: Luma, sandbox: Sandbox, file: Path, damage: Callable[[Path], None], words: list[str]
) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow")
    damage(file)
    assert luma(*words)[:2] == (11, "")


@pytest.mark.parametrize(
    ("damage", "helps"), [(garbage, True), (half, True), (empty, True), (newer, False), (folder, False)]
)
def test_recovery_is_named_where_it_helps(
    luma: Luma, sandbox: Sandbox, file: Path, damage: Callable[[Path], None], helps: bool
) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow")
    damage(file)
    assert ("luma tasks recover" in luma("modify", CLIP_URL, "-p", "Heavy rain").err) == helps
