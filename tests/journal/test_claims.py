"""A submission's claim dies with its holder, whatever killed that."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from luma_cli.errors import OutcomeUnknown
from luma_cli.journal import claims, journal
from luma_cli.journal.claims import Claims
from luma_cli.journal.journal import Journal
from luma_cli.journal.records import Outcome
from support.commands import Result
from support.journals import ID, asked, submission

Luma = Callable[..., Result]
UNSHARE = ["unshare", "-p", "-f", "--mount-proc", "--kill-child"]
# Sends, and never hears a reply.
SENDER = """
import os, pathlib, sys
from luma_cli.journal import journal
from support.journals import submission
def send(edit):
    print("sending", flush=True)
    sys.stdin.read()
    os._exit(1)
journal.open_journal(pathlib.Path(sys.argv[1])).record(submission(), send)
"""


@contextmanager
def sender(file: Path, *before: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has a submission in flight."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [*before, sys.executable, "-c", SENDER, str(file)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == b"sending\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def killed(file: Path, *before: str) -> None:
    with sender(file, *before):
        pass


def may_unshare() -> bool:
    if not shutil.which("unshare"):
        return False
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


def test_a_live_sender_is_sending_and_a_killed_one_is_an_unknown_outcome(file: Path, book: Journal) -> None:
    with sender(file):
        assert [row.outcome_now for row in book.rows()] == [Outcome.SENDING]
    assert [row.outcome_now for row in book.rows()] == [Outcome.UNKNOWN]
    with pytest.raises(OutcomeUnknown, match="unknown outcome"):
        book.record(submission(), lambda _: pytest.fail("sent"))


@pytest.mark.skipif(not may_unshare(), reason="PID namespaces are not permitted here")
def test_who_was_killed_as_process_1_of_a_container_is_dead_for_process_1_of_the_next(file: Path) -> None:
    killed(file, *UNSHARE)
    look = (
        "import os, pathlib, sys; from luma_cli.journal import journal; assert os.getpid() == 1;"
        "print(*(row.label for row in journal.open_journal(pathlib.Path(sys.argv[1])).rows()))"
    )
    done = subprocess.run([*UNSHARE, sys.executable, "-c", look, file], capture_output=True, text=True, check=True)
    assert done.stdout == "unknown-1\n"


@pytest.mark.skipif(not may_unshare(), reason="PID namespaces are not permitted here")
def test_who_sends_in_another_container_is_alive(file: Path, book: Journal) -> None:
    with sender(file, *UNSHARE):
        assert [row.outcome_now for row in book.rows()] == [Outcome.SENDING]


def test_what_a_killed_process_left_can_be_adopted_or_forgotten_at_once(file: Path, book: Journal) -> None:
    killed(file)
    killed_again = journal.open_journal(file)
    assert killed_again.adopt(asked("a")).task.task_id == ID
    killed_again.close()
    killed(file)
    book.forget([row for row in book.rows() if not row.task.task_id])
    assert [row.label for row in book.rows()] == [ID]


def test_an_end_without_a_word_to_python_ends_the_claim(file: Path) -> None:
    with sender(file) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        ours = Claims(file.parent / claims.FOLDER)
        [holder] = [f"lock:{path.name}" for path in (file.parent / claims.FOLDER).iterdir()]
        assert not ours.is_held(holder)


@pytest.mark.parametrize(
    "holder", [None, "", "lock:", "lock:../tasks.db", f"lock:{'0' * 32}", "process:a:b:c:1:2", "?"]
)
def test_what_is_not_a_claim_holds_nothing(tmp_path: Path, holder: str | None) -> None:
    assert not Claims(tmp_path).is_held(holder)


def test_nobody_else_is_in_a_block_of_the_same_name(tmp_path: Path) -> None:
    one, other = Claims(tmp_path), Claims(tmp_path)
    with one.only_one("a") as is_first, other.only_one("a") as is_second, other.only_one("b") as is_alone:
        assert (is_first, is_second, is_alone) == (True, False, True)
    with other.only_one("a") as is_free:
        assert is_free


@pytest.mark.skipif(os.name == "nt", reason="an open file keeps its name there")
def test_a_sweeper_between_the_opening_and_the_locking_of_a_file_makes_no_second_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by_a_crash = tmp_path / "only-a"
    left_by_a_crash.touch()
    os.utime(left_by_a_crash, (0, 0))
    flock = fcntl.flock

    def sweep_before(descriptor: int, flags: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        Claims(tmp_path).own()
        flock(descriptor, flags)

    monkeypatch.setattr(fcntl, "flock", sweep_before)
    with Claims(tmp_path).only_one("a") as is_first, Claims(tmp_path).only_one("a") as is_second:
        assert (is_first, is_second) == (True, False)


def test_a_closed_journal_leaves_no_claim(file: Path, book: Journal) -> None:
    book.record(submission(), lambda _: ID)
    book.close()
    assert list((file.parent / claims.FOLDER).iterdir()) == []
