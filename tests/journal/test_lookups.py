"""Rows are found by what the user says, in the order of submission."""

from datetime import UTC, datetime

import pytest

from luma_cli.api.task import Edit, SavedFile, State, Task
from luma_cli.edits.sources.task_references import find_row
from luma_cli.errors import UsageError
from luma_cli.journal.journal import Journal
from support.commands import CLIP_URL
from support.journals import lose, submission


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
            book._insert_foreign(Task(f"{number:032}"))
    book._db.execute("UPDATE task SET submitted_at = 1000 + number / 100")  # many at the same moment
    found = [row.number for row in book.rows()]
    assert found == sorted(found, reverse=True)
    assert len(found) == 2500
    assert [row.number for row in book.rows(limit=2)] == [2500, 2499]


def test_words_are_looked_for_in_prompts_and_file_names(book: Journal) -> None:
    edits = {"a": "Heavy SNOW falls", "b": "Rain", "c": "Straße, Caf\u00e9"}
    for number, (name, prompt) in enumerate(edits.items()):
        asked = submission()._replace(edit=Edit(prompt, CLIP_URL), source=f"/snowy/{name}_100%.mp4", digest=name)
        book.record(asked, lambda _, number=number: f"{number:032}")
    book.save_file(f"{1:032}", SavedFile("/out/evening.mp4", 5, "0" * 64, "https://a.example/b.mp4"))

    def found(text: str) -> list[str]:
        return [row.source[-10] for row in book.rows(search=text)]

    assert [found("snow"), found("evening"), found("STRASSE"), found("cafe\u0301")] == [["a"], ["b"], ["c"], ["c"]]
    assert [found("100%"), found("a_1"), found("mp4")] == [["c", "b", "a"], ["a"], ["c", "b", "a"]]


def test_several_states_and_both_kinds_of_failure(book: Journal) -> None:
    states = (State.SUCCEEDED, State.CREATE_FAILED, State.GENERATE_FAILED, State.GENERATING)
    for number, state in enumerate(states):
        book.record(submission(str(number)), lambda _, number=number: f"{number:032}")
        book.learn(Task(f"{number:032}", state, 1))

    def found(*names: str) -> list[str]:
        return [row.task.state for row in book.rows(states=names)]

    assert found("failed") == [State.GENERATE_FAILED, State.CREATE_FAILED]
    assert found("succeeded", "generating") == [State.GENERATING, State.SUCCEEDED]


def test_a_task_that_was_only_heard_of_is_not_the_last(three: Journal) -> None:
    three.learn(Task("e" * 32, State.GENERATING, create_time=datetime(2100, 1, 1, tzinfo=UTC)))
    row = three.recent(1)
    assert row is not None
    assert row.source == "bbbbbbbb1"


def test_a_look_at_one_task_is_one_query(three: Journal) -> None:
    asked: list[str] = []
    three._db._connection.set_trace_callback(asked.append)
    three.known("bbbbbbbb1".ljust(32, "0"))
    assert len(asked) == 1
