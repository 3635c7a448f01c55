"""A journal that several accounts share: each sees its own tasks, and a renewed key loses nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from luma_cli.api.task import State, Task
from luma_cli.errors import OutcomeUnknown
from luma_cli.journal import journal
from luma_cli.journal.journal import Journal
from luma_cli.journal.submissions import InQuestion
from support.commands import KEY
from support.journals import BASE, ID, lost, submission

OTHER_ID = ID[::-1]


@pytest.fixture
def both(file: Path) -> Iterator[tuple[Journal, Journal]]:
    """One journal as two accounts have it."""
    book = journal.open_journal(file, service=BASE)
    yield book.for_account(book.accounts.fingerprint(KEY)), book.for_account(book.accounts.fingerprint(f"{KEY}2"))
    book.close()


def test_a_key_is_not_in_the_file_and_has_the_same_fingerprint_tomorrow(file: Path) -> None:
    found = []
    for task_id in (ID, OTHER_ID):
        book = journal.open_journal(file)
        found.append(book.accounts.fingerprint(KEY))
        book.for_account(found[0]).record(submission(task_id), lambda _, task_id=task_id: task_id)  # type: ignore[misc]
        book.close()
    assert found[0] == found[1] != ""
    assert KEY.encode() not in file.read_bytes()


def test_another_journal_makes_another_fingerprint(tmp_path: Path) -> None:
    found = set()
    for name in "ab":
        book = journal.open_journal(tmp_path / name / "tasks.db")
        found.add(book.accounts.fingerprint(KEY))
        book.close()
    assert len(found) == 2


def test_the_edit_of_another_account_is_not_continued(both: tuple[Journal, Journal]) -> None:
    mine, theirs = both
    mine.record(submission(key="k"), lambda _: ID)
    with pytest.raises(InQuestion) as asked:
        theirs.record(submission(key="k"), lambda _: pytest.fail("sent"))
    theirs.accounts.deny(asked.value.question.number)
    assert theirs.record(submission(key="k"), lambda _: OTHER_ID) == OTHER_ID
    assert mine.record(submission(key="k"), lambda _: pytest.fail("sent")) == ID
    assert [row.task.task_id for row in theirs.unfinished()] == [OTHER_ID]
    row, last = theirs.known(ID), mine.recent(1)
    assert row is not None
    assert last is not None
    assert (theirs.is_mine(row), mine.is_mine(row), last.task.task_id) == (False, True, ID)


def test_what_a_renewed_key_can_see_is_of_the_same_account(both: tuple[Journal, Journal]) -> None:
    old, new = both
    old.record(submission(key="k"), lambda _: ID)
    old.record(submission("b", key="b"), lambda _: OTHER_ID)
    [row] = new.look_up(submission(key="k")).foreign
    new.accounts.claim(row.number)

    assert new.record(submission(key="k"), lambda _: pytest.fail("sent")) == ID
    assert new.record(submission("b", key="b"), lambda _: pytest.fail("sent")) == OTHER_ID
    assert old.record(submission(key="k"), lambda _: pytest.fail("sent")) == ID
    assert new.foreign_rows() == []


def test_what_a_key_cannot_see_is_asked_for_once(both: tuple[Journal, Journal]) -> None:
    mine, theirs = both
    mine.record(submission(key="k"), lambda _: ID)
    [row] = theirs.foreign_rows()
    theirs.accounts.deny(row.number)
    assert theirs.foreign_rows() == []
    assert theirs.look_up(submission(key="k")).foreign == []


def test_a_row_of_an_older_journal_is_everybodys_until_that_is_denied(book: Journal) -> None:
    book.record(submission(key="k"), lambda _: ID)  # without an account
    book.learn(Task(ID, State.SUCCEEDED, 1, result_urls=("https://a.example/b.mp4",)))
    here = journal.Journal(book._db, book._claims, book._scope._replace(service=""))
    mine, theirs = here.for_account("mine"), here.for_account("theirs")
    assert [row.task.task_id for row in theirs.foreign_rows()] == [ID]
    theirs.accounts.deny(1)
    assert theirs.record(submission(key="k"), lambda _: OTHER_ID) == OTHER_ID
    mine.accounts.claim(1)
    row = mine.known(ID)
    assert row is not None
    assert (row.account, mine.earlier(submission(key="k"))) == ("mine", ID)


def test_an_unknown_outcome_of_a_key_that_nobody_knows_may_be_ours(both: tuple[Journal, Journal]) -> None:
    old, new = both
    with pytest.raises(OutcomeUnknown):
        old.record(submission(), lost)
    assert new.look_up(submission()).foreign == []
    with pytest.raises(OutcomeUnknown, match="unknown outcome"):
        new.record(submission(), lambda _: pytest.fail("sent"))
    assert len(new.unsettled()) == 1


def test_an_unknown_outcome_of_another_account_is_not_ours(both: tuple[Journal, Journal]) -> None:
    mine, theirs = both
    mine.record(submission("b"), lambda _: OTHER_ID)
    with pytest.raises(OutcomeUnknown):
        mine.record(submission(), lost)
    [row] = theirs.look_up(submission()).foreign
    theirs.accounts.deny(row.number)
    assert theirs.record(submission(), lambda _: ID) == ID
    assert len(mine.unsettled()) == 1
    assert theirs.unsettled() == []
