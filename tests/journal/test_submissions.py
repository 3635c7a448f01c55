"""A row before anything is sent, the id before it is printed, and what stands in the way of a submission."""

import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from luma_cli import signals
from luma_cli.api.task import Edit, SavedFile, State, Task
from luma_cli.errors import LumaError, OutcomeUnknown, Rejected, UsageError
from luma_cli.journal import journal
from luma_cli.journal.journal import Journal
from luma_cli.journal.records import Outcome
from luma_cli.journal.submissions import NotYet, Spacing
from support.journals import ID, lost, submission


def test_the_row_is_there_before_anything_is_sent_and_the_id_before_it_is_reported(book: Journal, file: Path) -> None:
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


def test_a_key_counts_at_its_own_service_only(book: Journal, file: Path) -> None:
    elsewhere = journal.open_journal(file, service="https://other.example.com")
    book.record(submission(key="k"), lambda _: ID)
    assert elsewhere.record(submission(key="k"), lambda _: ID[::-1]) == ID[::-1]


def test_an_unknown_outcome_counts_at_its_own_service_only(book: Journal, file: Path) -> None:
    elsewhere = journal.open_journal(file, service="https://other.example.com")
    with pytest.raises(OutcomeUnknown):
        book.record(submission(), lost)
    assert elsewhere.record(submission(), lambda _: ID) == ID


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


def test_a_task_heard_of_before_its_reply_came_has_one_row_with_all_that_is_known(book: Journal, file: Path) -> None:
    """A callback may be faster than the reply that names the task, and its video be saved by then."""
    saved = SavedFile("/a/b.mp4", 5, "0" * 64, "https://a.example/b.mp4")

    def send(_: Edit) -> str:
        listener = journal.open_journal(file)
        listener.learn(Task(ID, State.SUCCEEDED, 1, result_urls=(saved.url,)))
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


def test_a_row_that_is_gone_when_the_reply_comes_is_made_again(book: Journal, file: Path) -> None:
    def send(_: Edit) -> str:
        with sqlite3.connect(file) as other:
            other.execute("DELETE FROM task")
        return ID

    assert book.record(submission(key="k"), send) == ID
    [row] = book.rows()
    assert (row.task.task_id, row.source, row.idempotency_key, row.outcome) == (ID, "a", "k", Outcome.ACCEPTED)


def test_what_goes_wrong_once_the_task_is_there_does_not_make_it_refused(book: Journal) -> None:
    def report(_: str) -> None:
        raise UsageError("no terminal like that")

    with pytest.raises(UsageError):
        book.record(submission(key="k"), lambda _: ID, announce=report)
    assert book.record(submission(key="k"), lambda _: pytest.fail("paid twice")) == ID


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


def test_a_window_that_is_over_counts_no_more(book: Journal, file: Path) -> None:
    for name in "abc":
        book.record(submission(name), lambda _, name=name: name * 32)
    book._db.execute("UPDATE task SET answered_at = answered_at - 11")
    assert book.record(submission("d"), lambda _: "d" * 32, spacing=Spacing(3, 10)) == "d" * 32
    elsewhere = journal.open_journal(file, service="https://other.example.com")
    assert elsewhere.record(submission("e"), lambda _: "e" * 32, spacing=Spacing(1, 10)) == "e" * 32


def test_what_is_being_sent_counts_until_it_is_answered(book: Journal, file: Path) -> None:
    def send(_: Edit) -> str:
        book._db.execute("UPDATE task SET submitted_at = submitted_at - 100")  # it has been on its way for long
        with pytest.raises(NotYet) as caught:
            journal.open_journal(file).record(submission("b"), lambda _: pytest.fail("sent"), spacing=Spacing(1, 10))
        assert caught.value.pause > 9
        return ID

    book.record(submission(), send)


@pytest.fixture
def _handlers() -> Iterator[None]:
    signals.install()
    yield
    signals.uninstall()


@pytest.mark.usefixtures("_handlers")
def test_a_signal_before_the_first_byte_leaves_no_unknown_outcome(book: Journal) -> None:
    """It came between the row and the request; on a busy disk the row takes long to write."""

    def terminate_after_the_row(frame: FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code.co_name == "_begin":
            sys.setprofile(None)
            os.kill(os.getpid(), signal.SIGTERM)

    sys.setprofile(terminate_after_the_row)
    try:
        with pytest.raises(signals.Stopped):
            book.record(submission(key="k"), lambda _: pytest.fail("sent"))
    finally:
        sys.setprofile(None)
    assert [row.outcome for row in book.rows()] == [Outcome.REFUSED]
    assert book.record(submission(key="k"), lambda _: ID) == ID
