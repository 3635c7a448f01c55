"""Rows are found by what the user says, in the order of submission."""

import pytest

from luma_cli.api.task import Task
from luma_cli.edits.task_references import find_row
from luma_cli.errors import UsageError
from luma_cli.journal.journal import Journal
from support.journals import BASE, lose, submission


@pytest.fixture
def three(book: Journal) -> Journal:
    for number, name in enumerate(("aaaaaaaa1", "aaaaaaaa2", "bbbbbbbb1")):
        book.record(submission(name), lambda _, name=name: name.ljust(32, "0"))
        # The clock ran backwards meanwhile.
        book._db.execute("UPDATE task SET submitted_at = ? WHERE number = ?", (1000 - number, number + 1))
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


def test_a_journal_of_years_is_read_in_pages(book: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    with book._db.transaction():
        for number in range(2500):
            book._insert_foreign(Task(f"{number:032}"), BASE)
    book._db.execute("UPDATE task SET submitted_at = 1000 + number / 100")  # many at the same moment
    found = [row.number for row in book.rows()]
    assert found == sorted(found, reverse=True)
    assert len(found) == 2500
    assert [row.number for row in book.rows(limit=2)] == [2500, 2499]
