"""The journal: written before the money is spent, whatever its file has been through."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luma_cli.api.task import Edit, SavedFile, State, Task, from_api
from luma_cli.callbacks import wake
from luma_cli.edits.task_references import find_row
from luma_cli.errors import FileError, LumaError, OutcomeUnknown, Rejected, UsageError
from luma_cli.journal import journal
from luma_cli.journal.database import Database
from luma_cli.journal.journal import MIGRATIONS, Journal, NotYet, Spacing, Submission
from luma_cli.journal.records import Outcome
from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, Result

Luma = Callable[..., Result]
BASE = "https://api.example.com"
ID = "5f0c9be2d7a14c0f8b1e6a3d92c47e10"


@pytest.fixture
def file(home: Path) -> Path:
    return home / "state" / "tasks.db"


def meanwhile(book: Journal, do: Callable[[], object]) -> None:
    """Have another process do something just before the next transaction begins."""
    connection = book._db._connection

    def look(statement: str) -> None:
        if statement.startswith("BEGIN"):
            connection.set_trace_callback(None)
            do()

    connection.set_trace_callback(look)


@pytest.fixture
def book(file: Path) -> Journal:
    return journal.open_journal(file)


def submission(name: str = "a", key: str | None = None) -> Submission:
    return Submission(Edit("Snow", f"{CLIP_URL}?{name}"), name, f"digest-{name}", BASE, key)


def lost(_: Edit) -> str:
    error = OutcomeUnknown("lost")
    error.raw = "half an ans"
    raise error


# --- one submission ---


def test_the_row_is_there_before_anything_is_sent_and_the_id_before_it_is_told(book: Journal, file: Path) -> None:
    seen = []

    def look(when: str) -> None:
        with sqlite3.connect(file) as other:  # as another process sees it
            seen.append((when, *other.execute("SELECT outcome, task_id FROM task").fetchone()))

    def send(_: Edit) -> str:
        look("sending")
        return ID

    book.record(submission(), send, announce=lambda _: look("telling"))
    assert seen == [("sending", "sending", None), ("telling", "accepted", ID)]


@pytest.mark.parametrize(
    ("error", "outcome"), [(OutcomeUnknown("lost"), Outcome.UNKNOWN), (Rejected("no", api_code=422), Outcome.REFUSED)]
)
def test_what_became_of_it_is_written_down(book: Journal, error: LumaError, outcome: Outcome) -> None:
    def fail(_: Edit) -> str:
        raise error

    with pytest.raises(type(error)):
        book.record(submission(), fail)
    [row] = book.rows()
    assert (row.outcome, row.task.error_message) == (outcome, error.message)


def test_an_identical_submission_of_unknown_outcome_is_not_sent_until_that_is_wished(book: Journal) -> None:
    with pytest.raises(OutcomeUnknown):
        book.record(submission(), lost)
    with pytest.raises(OutcomeUnknown, match="identical submission"):
        book.record(submission(), lambda _: pytest.fail("sent"))
    assert book.record(submission("b"), lambda _: ID) == ID
    assert book.record(submission(), lambda _: ID[::-1], resubmit=True) == ID[::-1]


def test_a_key_that_has_a_task_gives_that_task(book: Journal) -> None:
    book.record(submission(key="k"), lambda _: ID)
    assert book.record(submission(key="k"), lambda _: pytest.fail("sent")) == ID


def test_a_key_used_for_another_submission_is_refused(book: Journal) -> None:
    book.record(submission(key="k"), lambda _: ID)
    with pytest.raises(UsageError, match="used for another"):
        book.record(submission("b", key="k"), lambda _: pytest.fail("sent"))


def test_a_refused_submission_may_be_sent_again_under_its_key(book: Journal) -> None:
    def refuse(_: Edit) -> str:
        raise Rejected("no")

    with pytest.raises(Rejected):
        book.record(submission(key="k"), refuse)
    assert book.record(submission(key="k"), lambda _: ID) == ID


def test_a_key_counts_at_its_own_service_only(book: Journal) -> None:
    elsewhere = replace(submission(key="k"), base_url="https://other.example.com")
    book.record(submission(key="k"), lambda _: ID)
    assert book.record(elsewhere, lambda _: ID[::-1]) == ID[::-1]


def test_an_unknown_outcome_counts_at_its_own_service_only(book: Journal) -> None:
    with pytest.raises(OutcomeUnknown):
        book.record(submission(), lost)
    assert book.record(replace(submission(), base_url="https://other.example.com"), lambda _: ID) == ID


def test_what_is_on_its_way_under_a_key_is_not_sent_again_even_on_wish(book: Journal, file: Path) -> None:
    def send(_: Edit) -> str:
        with pytest.raises(OutcomeUnknown, match="being sent right now"):
            journal.open_journal(file).record(submission(key="k"), lambda _: pytest.fail("sent"), resubmit=True)
        return ID

    assert book.record(submission(key="k"), send) == ID


def test_what_is_being_sent_cannot_be_forgotten(book: Journal, file: Path) -> None:
    def send(_: Edit) -> str:
        other = journal.open_journal(file)
        with pytest.raises(UsageError, match="being sent right now"):
            other.forget(list(other.rows()))
        return ID

    book.record(submission(), send)
    assert [row.label for row in book.rows()] == [ID]


def test_a_task_heard_of_before_its_answer_came_has_one_row_with_all_that_is_known(book: Journal, file: Path) -> None:
    """A callback may be faster than the answer that names the task, and its video be saved by then."""
    saved = SavedFile("/a/b.mp4", 5, "0" * 64, "https://a.example/b.mp4")

    def send(_: Edit) -> str:
        listener = journal.open_journal(file)
        listener.learn(Task(ID, State.SUCCEEDED, 1, result_urls=(saved.url,)), BASE)
        listener.save_file(ID, saved)
        return ID

    book.record(submission(key="k"), send)
    [row] = book.rows()
    assert (row.source, row.idempotency_key, row.outcome) == ("a", "k", Outcome.ACCEPTED)
    assert (row.task.state, row.task.result_urls, row.task.files) == (State.SUCCEEDED, (saved.url,), (saved,))


def test_an_id_that_another_submission_has_leaves_the_outcome_unknown(book: Journal) -> None:
    book.record(submission(), lambda _: ID)
    with pytest.raises(OutcomeUnknown, match="earlier task"):
        book.record(submission("b"), lambda _: ID)
    assert [row.label for row in book.rows()] == ["unknown-2", ID]
    book.forget([row for row in book.rows() if not row.task.task_id])
    assert [row.source for row in book.rows()] == ["a"]


def test_a_row_that_is_gone_when_the_answer_comes_is_made_again(book: Journal, file: Path) -> None:
    def send(_: Edit) -> str:
        with sqlite3.connect(file) as other:
            other.execute("DELETE FROM task")
        return ID

    assert book.record(submission(key="k"), send) == ID
    [row] = book.rows()
    assert (row.task.task_id, row.source, row.idempotency_key, row.outcome) == (ID, "a", "k", Outcome.ACCEPTED)


# --- adopting ---


def lose(book: Journal, *names: str) -> None:
    for name in names:
        with pytest.raises(OutcomeUnknown):
            book.record(submission(name), lost)


def asked(name: str, task_id: str = ID) -> Task:
    edit = submission(name).edit
    return Task(task_id, State.GENERATING, 0, edit.prompt, edit.video_url)


def test_an_id_goes_to_the_submission_that_asked_for_it(book: Journal) -> None:
    lose(book, "a", "b", "c")
    assert book.adopt(asked("b"), BASE).source == "b"
    assert [row.label for row in book.rows()] == ["unknown-3", ID, "unknown-1"]


def test_of_several_that_fit_the_user_chooses(book: Journal) -> None:
    lose(book, "a")
    with pytest.raises(OutcomeUnknown):
        book.record(submission("a"), lost, resubmit=True)
    with pytest.raises(UsageError, match="2 unknown submissions"):
        book.adopt(asked("a"), BASE)
    assert book.adopt(asked("a"), BASE, find_row("unknown-1", book)).number == 1


def test_an_id_that_was_only_heard_of_can_be_given_to_a_submission(book: Journal) -> None:
    lose(book, "a")
    book.learn(asked("a"), BASE)
    saved = SavedFile("/a/b.mp4", 5, "0" * 64, "https://a.example/b.mp4")
    book.save_file(ID, saved)

    row = book.adopt(asked("a"), BASE)
    assert (row.number, row.source, row.task.files) == (1, "a", (saved,))
    assert [each.label for each in book.rows()] == [ID]


@pytest.mark.parametrize("heard", [False, True], ids=["submitted", "heard of"])
def test_an_id_that_is_there_and_fits_nothing_is_refused(book: Journal, heard: bool) -> None:
    if heard:
        book.learn(asked("a"), BASE)
    else:
        book.record(submission("a"), lambda _: ID)
    lose(book, "b")
    with pytest.raises(UsageError, match="in the journal already"):
        book.adopt(asked("a"), BASE)


def test_a_submission_that_has_an_id_gets_no_other(book: Journal) -> None:
    book.record(submission("a"), lambda _: ID)
    with pytest.raises(UsageError, match="not a submission of unknown outcome"):
        book.adopt(asked("a", ID[::-1]), BASE, find_row(ID, book))


def test_without_a_file_everything_works_as_long_as_the_process_lives() -> None:
    book = journal.open_journal(None)
    book.record(submission(key="k"), lambda _: ID)
    assert book.record(submission(key="k"), lambda _: "other") == ID


# --- spacing ---


def test_no_more_than_so_many_are_claimed_in_a_window(book: Journal) -> None:
    spacing = Spacing(3, 3600)
    for name in "abc":
        book.record(submission(name), lambda _, name=name: name * 32, spacing=spacing)
    with pytest.raises(NotYet) as caught:
        book.record(submission("d"), lambda _: pytest.fail("sent"), spacing=spacing)
    assert 3590 < caught.value.pause <= 3600
    assert len(list(book.rows())) == 3


def test_a_window_that_is_over_counts_no_more(book: Journal) -> None:
    for name in "abc":
        book.record(submission(name), lambda _, name=name: name * 32)
    book._db.execute("UPDATE task SET answered_at = answered_at - 11")
    assert book.pause_before(BASE, Spacing(3, 10)) == 0
    assert book.pause_before("https://other.example.com", Spacing(1, 10)) == 0


def test_what_is_being_sent_counts_until_it_is_answered(book: Journal, file: Path) -> None:
    def send(_: Edit) -> str:
        book._db.execute("UPDATE task SET submitted_at = submitted_at - 100")  # it has been on its way for long
        assert journal.open_journal(file).pause_before(BASE, Spacing(1, 10)) > 9
        return ID

    book.record(submission(), send)


# --- references ---


@pytest.fixture
def three(book: Journal) -> Journal:
    for number, name in enumerate(("aaaaaaaa1", "aaaaaaaa2", "bbbbbbbb1")):
        book.record(submission(name), lambda _, name=name: name.ljust(32, "0"))
        book._db.execute("UPDATE task SET submitted_at = ? WHERE number = ?", (1000 + number, number + 1))
    return book


@pytest.mark.parametrize(
    ("reference", "source"),
    [
        ("bbbbbb", "bbbbbbbb1"),
        ("aaaaaaaa1", "aaaaaaaa1"),
        ("@last", "bbbbbbbb1"),
        ("@1", "bbbbbbbb1"),
        ("@2", "aaaaaaaa2"),
        ("@3", "aaaaaaaa1"),
        ("bbbbbbbb1".ljust(32, "0"), "bbbbbbbb1"),
    ],
)
def test_a_reference_finds_its_task(three: Journal, reference: str, source: str) -> None:
    row = find_row(reference, three)
    assert row is not None
    assert row.source == source


@pytest.mark.parametrize(
    "reference", ["aaaaaa", "aaaaaaaa", "bbbbb", "@4", "@0", "@", "@x", "../x", "cccccc", "@-1", ""]
)
def test_a_reference_that_fits_none_or_several_is_refused(three: Journal, reference: str) -> None:
    with pytest.raises(UsageError):
        find_row(reference, three)


@pytest.mark.parametrize("task_id", ["unknown-2", "-o", "--help", "sending-2", ".", "..", "A"])
def test_an_id_that_looks_like_something_else_is_found_as_it_is(book: Journal, task_id: str) -> None:
    book.record(submission(), lambda _: task_id)
    lose(book, "b")
    row = find_row(task_id, book)
    assert row is not None
    assert row.task.task_id == task_id


def test_a_full_id_from_elsewhere_is_unknown_but_no_mistake(three: Journal) -> None:
    assert find_row("c" * 32, three) is None


# --- what is learnt ---


def test_what_is_learnt_again_changes_nothing_and_burns_no_number(book: Journal) -> None:
    for _ in range(3):
        book.learn(Task(ID, State.GENERATING), BASE)
        book.learn(Task(ID, State.SUCCEEDED, 1, result_urls=("https://a.example/b.mp4",)), BASE)
    book.record(submission(), lambda _: ID[::-1])
    assert sorted(row.number for row in book.rows()) == [1, 2]


def test_a_fact_that_the_service_leaves_out_later_stays(book: Journal) -> None:
    book.learn(Task(ID, State.GENERATING, prompt="Snow"), BASE)
    book.learn(Task(ID, State.SUCCEEDED, 1), BASE)
    row = book.known(ID)
    assert row is not None
    assert (row.task.prompt, row.task.state) == ("Snow", State.SUCCEEDED)


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("paramJson", "completeTime", "createTime", "response", "successFlag", "errorCode", "errorMessage")


@given(st.dictionaries(st.sampled_from(FIELDS), HOSTILE), st.text(st.characters(codec=None)))
@settings(max_examples=150, deadline=None)
def test_whatever_a_record_holds_can_be_written_and_read(record: dict[str, object], prompt: str) -> None:
    """NUL, lone surrogates, 2^70, NaN and shapes that nobody documented."""
    book = journal.open_journal(None)
    book.learn(from_api({**record, "paramJson": record.get("paramJson", {"prompt": prompt})}, ID), BASE)
    row = book.known(ID)
    assert row is not None
    assert row.task.task_id == ID
    book.learn(row.task, BASE)
    book.close()


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.GENERATE_FAILED, State.CREATE_FAILED])
def test_an_end_is_an_end_whatever_the_service_says_later(book: Journal, state: State) -> None:
    book.learn(Task(ID, state, 1, result_urls=("https://a.example/b.mp4",)), BASE)
    for later in (State.GENERATING, State.UNKNOWN):
        book.learn(Task(ID, later, 0), BASE)
    row = book.known(ID)
    assert row is not None
    assert (row.task.state, row.task.result_urls) == (state, ("https://a.example/b.mp4",))


@pytest.mark.parametrize(
    "column",
    [
        *("submitted_at = 'soon'", "submitted_at = 1e300", "submitted_at = -1", "create_time = 1e18", "state = 'odd'"),
        *("result_urls = 'no JSON'", "result_urls = '5'", "warnings = '[5]'", "result_urls = x'ff'", "prompt = 5"),
        f"origin_urls = '{'[' * 5000}'",
    ],
)
def test_a_value_that_cannot_be_is_read_as_none(luma: Luma, book: Journal, file: Path, column: str) -> None:
    book.learn(asked("a"), BASE)
    book._db.execute(f"UPDATE task SET {column}")  # noqa: S608  a table of ours
    book.close()
    for words in (["tasks"], ["tasks", "--json"], ["tasks", "show", ID], ["tasks", "show", ID, "--json"]):
        code, out, err = luma(*words)
        assert (code, ID in out, err) == (0, True, "")


def test_files_come_back_with_their_task(book: Journal) -> None:
    book.learn(Task(ID, State.SUCCEEDED), BASE)
    saved = SavedFile("/a/b.mp4", 5, "0" * 64, "https://a.example/b.mp4")
    book.save_file(ID, saved)
    book.save_file(ID, saved)
    row = book.known(ID)
    assert row is not None
    assert row.task.files == (saved,)
    assert book.file_at("/a/b.mp4") == (ID, saved)


def test_a_journal_of_years_is_read_in_pages(book: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    with book._db.transaction():
        for number in range(2500):
            book._insert_foreign(Task(f"{number:032}"), BASE)
    book._db.execute("UPDATE task SET submitted_at = 1000 + number / 100")  # many at the same moment
    found = [row.number for row in book.rows()]
    assert found == sorted(found, reverse=True)
    assert len(found) == 2500
    assert [row.number for row in book.rows(limit=2)] == [2500, 2499]


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


@pytest.mark.parametrize("damage", [garbage, short, half, zeroed, folder, dangling, fifo, newer])
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
        "from luma_cli.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", program, "modify", CLIP_URL, "-p", "Heavy snow"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, sandbox.requests) == (11, "", []), done.stderr
    assert done.stderr.count("luma: error: ") == 1


def test_a_disk_that_fills_while_the_request_is_out_still_tells_the_id(
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


def test_a_journal_of_an_older_schema_is_migrated_and_keeps_its_rows(file: Path) -> None:
    file.parent.mkdir()
    with sqlite3.connect(file) as old:
        old.executescript(MIGRATIONS[0])
        old.execute("PRAGMA user_version = 1")
        old.execute(
            "INSERT INTO task (task_id, outcome, base_url, submitted_at) VALUES (?, 'accepted', ?, 5)", (ID, BASE)
        )
    book = journal.open_journal(file)
    assert [row.task.task_id for row in book.rows()] == [ID]
    assert book._db._version() == len(MIGRATIONS)


def test_a_migration_that_is_cut_short_leaves_the_old_schema(file: Path) -> None:
    Database(_made(file), MIGRATIONS).close()
    broken = (*MIGRATIONS, "CREATE TABLE more (a); CREATE TABLE more (a)")
    with pytest.raises(FileError):
        Database(file, broken)
    again = Database(file, MIGRATIONS)
    assert again._version() == len(MIGRATIONS)
    assert again.query("SELECT name FROM sqlite_master WHERE name = 'more'") == []


def _made(file: Path) -> Path:
    file.parent.mkdir(exist_ok=True)
    return file


@pytest.mark.parametrize("kills", [int(os.environ.get("LUMA_TEST_KILLS", "4"))])
def test_a_migration_killed_at_any_statement_can_be_made_again(file: Path, kills: int) -> None:
    """The process ends, without a word to SQLite, after its first, second, third statement."""
    _made(file)
    program = (
        "import os, pathlib, sqlite3, sys; from luma_cli import journal; from luma_cli.database import Database;"
        "left = [int(sys.argv[2])]\n"
        "def trace(statement):\n"
        "    left[0] -= 1\n"
        "    if left[0] == 0: os._exit(9)\n"
        "real = sqlite3.connect\n"
        "def connect(*a, **k):\n"
        "    c = real(*a, **k); c.set_trace_callback(trace); return c\n"
        "sqlite3.connect = connect\n"
        "Database(pathlib.Path(sys.argv[1]), journal.MIGRATIONS)"
    )
    for number in range(1, min(kills, 20) * 4):
        with sqlite3.connect(file) as old:
            old.executescript("PRAGMA user_version = 0; DROP TABLE IF EXISTS file; DROP TABLE IF EXISTS task")
        subprocess.run([sys.executable, "-c", program, file, str(number)], timeout=60, check=False)
        book = journal.open_journal(file)
        book.record(submission(str(number)), lambda _: ID)
        book.close()


@given(st.binary(max_size=200))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_of_anything_is_a_journal_or_a_trouble_and_never_more(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tasks.db"
    path.write_bytes(b"SQLite format 3\0" + content if len(content) % 2 else content)
    before = path.read_bytes()
    try:
        journal.open_journal(path).close()
    except FileError:
        assert path.read_bytes() == before


@pytest.mark.parametrize("words", [["wait"], ["download", "--all-missing", "-o", "."]], ids=str)
@pytest.mark.parametrize("damage", [garbage, newer])
def test_who_wants_every_task_of_a_journal_that_cannot_be_read_is_not_told_that_all_is_done(
    luma: Luma, sandbox: Sandbox, file: Path, damage: Callable[[Path], None], words: list[str]
) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow")
    damage(file)
    assert luma(*words)[:2] == (11, "")


@pytest.mark.parametrize(("damage", "helps"), [(garbage, True), (half, True), (newer, False), (folder, False)])
def test_recovery_is_named_where_it_helps(
    luma: Luma, sandbox: Sandbox, file: Path, damage: Callable[[Path], None], helps: bool
) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow")
    damage(file)
    assert ("luma tasks recover" in luma("modify", CLIP_URL, "-p", "Heavy rain").err) == helps


def test_an_end_that_another_process_learns_of_meanwhile_stays_an_end(book: Journal, file: Path) -> None:
    other = journal.open_journal(file)
    meanwhile(book, lambda: other.learn(Task(ID, State.SUCCEEDED, 1), BASE))
    book.learn(Task(ID, State.GENERATING, 0), BASE)

    row = book.known(ID)
    assert row is not None
    assert row.task.state is State.SUCCEEDED


def test_a_submission_that_is_settled_meanwhile_is_not_given_another_id(book: Journal, file: Path) -> None:
    with pytest.raises(OutcomeUnknown):
        book.record(submission(), lost)
    other, row = journal.open_journal(file), book.unsettled()[0]
    meanwhile(book, lambda: other.adopt(Task(ID), BASE, row))
    with pytest.raises(UsageError, match="not a submission of unknown outcome"):
        book.adopt(Task("f" * 32), BASE, row)

    assert [each.task.task_id for each in book.rows()] == [ID]


def test_an_unknown_outcome_names_its_row(book: Journal) -> None:
    for name in ("a", "b"):
        with pytest.raises(OutcomeUnknown) as caught:
            book.record(submission(name), lost)
        assert caught.value.row == book.unsettled()[0].number


def test_a_callback_that_another_process_hears_too_is_no_mistake(book: Journal, file: Path) -> None:
    with pytest.raises(OutcomeUnknown):
        book.record(submission(), lost)
    row = book.unsettled()[0]
    task = Task(ID, prompt="Snow", video_url=row.task.video_url, callback_url="https://hooks.example.net/tag")
    book._db.execute("UPDATE task SET callback_url = ?", (task.callback_url,))
    other = journal.open_journal(file)
    meanwhile(book, lambda: other.adopt(task, BASE))

    found = wake.adopt(task, BASE, book)
    assert found is not None
    assert (found.number, found.task.task_id) == (row.number, ID)
