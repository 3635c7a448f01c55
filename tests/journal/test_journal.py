"""What is learnt of tasks, and ids that find their submission."""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luma_cli.api.payload import from_api
from luma_cli.api.task import SavedFile, State, Task
from luma_cli.callbacks import wake
from luma_cli.config.settings import load_settings
from luma_cli.edits.run import Results, Run
from luma_cli.edits.sources.task_references import find_row
from luma_cli.errors import OutcomeUnknown, UsageError
from luma_cli.journal import journal
from luma_cli.journal.journal import Journal
from luma_cli.journal.records import Details
from luma_cli.journal.splits import SplitState
from support.commands import Result
from support.journals import BASE, ID, asked, lose, lost, meanwhile, submission

Luma = Callable[..., Result]


# --- adopting ---


def test_an_id_goes_to_the_submission_that_asked_for_it(book: Journal) -> None:
    lose(book, "a", "b", "c")
    assert book.adopt(asked("b")).source == "b"
    assert [row.label for row in book.rows()] == ["unknown-3", ID, "unknown-1"]


def test_of_several_that_fit_the_user_chooses(book: Journal) -> None:
    lose(book, "a")
    with pytest.raises(OutcomeUnknown):
        book.record(submission("a"), lost, resubmit=True)
    with pytest.raises(UsageError, match="2 unknown submissions"):
        book.adopt(asked("a"))
    assert book.adopt(asked("a"), find_row("unknown-1", book)).number == 1


def test_an_id_that_was_only_heard_of_can_be_given_to_a_submission(book: Journal) -> None:
    lose(book, "a")
    book.learn(asked("a"))
    saved = SavedFile("/a/b.mp4", 5, "0" * 64, "https://a.example/b.mp4")
    book.save_file(ID, saved)

    row = book.adopt(asked("a"))
    assert (row.number, row.source, row.task.files) == (1, "a", (saved,))
    assert [row.label for row in book.rows()] == [ID]


@pytest.mark.parametrize("heard", [False, True], ids=["submitted", "heard of"])
def test_an_id_that_is_there_and_fits_nothing_is_refused(book: Journal, heard: bool) -> None:
    if heard:
        book.learn(asked("a"))
    else:
        book.record(submission("a"), lambda _: ID)
    lose(book, "b")
    with pytest.raises(UsageError, match="in the journal already"):
        book.adopt(asked("a"))


def test_a_submission_that_has_an_id_gets_no_other(book: Journal) -> None:
    book.record(submission("a"), lambda _: ID)
    with pytest.raises(UsageError, match="not a submission of unknown outcome"):
        book.adopt(asked("a", ID[::-1]), find_row(ID, book))


# --- what is learnt ---


def test_what_is_learnt_again_changes_nothing_and_burns_no_number(book: Journal) -> None:
    for _ in range(3):
        book.learn(Task(ID, State.GENERATING))
        book.learn(Task(ID, State.SUCCEEDED, 1, result_urls=("https://a.example/b.mp4",)))
    book.record(submission(), lambda _: ID[::-1])
    assert sorted(row.number for row in book.rows()) == [1, 2]


def test_a_fact_that_the_service_leaves_out_later_stays(book: Journal) -> None:
    book.learn(Task(ID, State.GENERATING, prompt="Snow"))
    book.learn(Task(ID, State.SUCCEEDED, 1))
    row = book.known(ID)
    assert row is not None
    assert (row.task.prompt, row.task.state) == ("Snow", State.SUCCEEDED)


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
OTHER = ID[::-1]
MEMORY = journal.open_journal(None)
FIELDS = ("paramJson", "completeTime", "createTime", "response", "successFlag", "errorCode", "errorMessage")


@given(st.dictionaries(st.sampled_from(FIELDS), HOSTILE), st.text(st.characters(codec=None)))
@settings(max_examples=60, deadline=None)
def test_whatever_a_record_holds_can_be_written_and_read(record: dict[str, object], prompt: str) -> None:
    """NUL, lone surrogates, 2^70, NaN and shapes that nobody documented."""
    task_id = secrets.token_hex(16)
    MEMORY.learn(from_api({**record, "paramJson": record.get("paramJson", {"prompt": prompt})}, task_id))
    row = MEMORY.known(task_id)
    assert row is not None
    assert row.task.task_id == task_id
    MEMORY.learn(row.task)


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.GENERATE_FAILED, State.CREATE_FAILED])
def test_an_end_is_an_end_whatever_the_service_says_later(book: Journal, state: State) -> None:
    book.learn(Task(ID, state, 1, result_urls=("https://a.example/b.mp4",)))
    for later in (State.GENERATING, State.UNKNOWN):
        book.learn(Task(ID, later, 0))
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
    book.learn(asked("a"))
    book._db.execute(f"UPDATE task SET {column}")  # noqa: S608  a table of ours
    book.close()
    for words in (["tasks"], ["tasks", "--json"], ["tasks", "show", ID], ["tasks", "show", ID, "--json"]):
        code, out, err = luma(*words)
        assert (code, ID in out, err) == (0, True, "")


def test_files_come_back_with_their_task(book: Journal) -> None:
    book.learn(Task(ID, State.SUCCEEDED))
    saved = SavedFile("/a/b.mp4", 5, "0" * 64, "https://a.example/b.mp4")
    book.save_file(ID, saved)
    book.save_file(ID, saved)
    row = book.known(ID)
    assert row is not None
    assert row.task.files == (saved,)
    assert book.file_at("/a/b.mp4") == (ID, saved)


def test_an_end_that_another_process_learns_of_meanwhile_stays_an_end(book: Journal, file: Path) -> None:
    other = journal.open_journal(file)
    meanwhile(book, lambda: other.learn(Task(ID, State.SUCCEEDED, 1)))
    book.learn(Task(ID, State.GENERATING, 0))

    row = book.known(ID)
    assert row is not None
    assert row.task.state is State.SUCCEEDED


def test_a_submission_that_is_settled_meanwhile_is_not_given_another_id(book: Journal, file: Path) -> None:
    with pytest.raises(OutcomeUnknown):
        book.record(submission(), lost)
    other, row = journal.open_journal(file), book.unsettled()[0]
    meanwhile(book, lambda: other.adopt(Task(ID), row))
    with pytest.raises(UsageError, match="not a submission of unknown outcome"):
        book.adopt(Task("f" * 32), row)

    assert [row.task.task_id for row in book.rows()] == [ID]


def test_an_unknown_outcome_names_its_row(book: Journal) -> None:
    for name in ("a", "b"):
        with pytest.raises(OutcomeUnknown) as caught:
            book.record(submission(name), lost)
        assert caught.value.row == book.unsettled()[0].number


def test_a_callback_that_another_process_hears_too_is_not_a_mistake(book: Journal, file: Path) -> None:
    with pytest.raises(OutcomeUnknown):
        book.record(submission(), lost)
    row = book.unsettled()[0]
    task = Task(ID, prompt="Snow", video_url=row.task.video_url, callback_url="https://hooks.example.net/tag")
    book._db.execute("UPDATE task SET callback_url = ?", (task.callback_url,))
    other = journal.open_journal(file)
    meanwhile(book, lambda: other.adopt(task))

    ours = load_settings()._replace(base_url=BASE)
    run = Run(ours, book, Results(), lambda: pytest.fail("asked"), lambda _: None)
    found = wake.adopt(run, task)
    assert found is not None
    assert (found.number, found.task.task_id) == (row.number, ID)


# --- forgetting ---


def paid(book: Journal, name: str, *, saved: bool = True, key: str | None = None) -> str:
    task_id = name.rjust(32, "0")
    book.record(submission(name, key=key), lambda _: task_id)
    book.learn(Task(task_id, State.SUCCEEDED, 1, result_urls=("https://a.example/b.mp4",)))
    if saved:
        book.save_file(task_id, SavedFile(f"/a/{name}.mp4", 5, "0" * 64, "https://a.example/b.mp4"))
    return task_id


def test_a_key_outlives_the_row_that_is_pruned(book: Journal) -> None:
    task_id = paid(book, "a", key="k")
    assert [row.task.task_id for row in book.prune(time.time() + 1)] == [task_id]
    assert list(book.rows()) == []
    assert book.record(submission(key="k"), lambda _: pytest.fail("sent")) == task_id
    with pytest.raises(UsageError, match="used for another"):
        book.earlier(submission("b", key="k"))


def test_a_key_of_a_pruned_row_can_be_forgotten(book: Journal) -> None:
    task_id = paid(book, "a", key="k")
    book.prune(time.time() + 1)
    assert book.forget_key(task_id)
    assert not book.forget_key(task_id)
    assert book.record(submission(key="k"), lambda _: ID) == ID


def test_what_was_never_saved_is_pruned_only_by_force(book: Journal) -> None:
    kept, saved = paid(book, "a", saved=False), paid(book, "b")
    assert [row.task.task_id for row in book.prunable(time.time() + 1)] == [saved]
    assert [row.task.task_id for row in book.prune(time.time() + 1)] == [saved]
    assert [row.task.task_id for row in book.prune(time.time() + 1, force=True)] == [kept]


def test_pieces_of_an_unfinished_edit_are_not_pruned(book: Journal) -> None:
    split = book.splits.create("edit", "a.mp4", "b.mp4", {}, {}, [])
    task_id = paid(book, "a")
    book.note_details(task_id, piece_of=split.number, piece_index=1)
    assert book.prune(time.time() + 1) == []
    book.splits.set_state(split.number, SplitState.FINISHED)
    assert len(book.prune(time.time() + 1)) == 1


def test_what_was_forgotten_is_submitted_anew(book: Journal) -> None:
    paid(book, "a", key="k")
    book.forget(list(book.rows()))
    assert book.record(submission(key="k"), lambda _: ID) == ID


# --- names, and what was asked for ---


def test_a_path_that_is_not_utf_8_comes_back_as_it_was(book: Journal) -> None:
    name = "/videos/Caf\udce9/clip\udcff.mp4"
    book.record(submission()._replace(source=name), lambda _: ID)
    saved = SavedFile(name, 5, "0" * 64, "https://a.example/b.mp4", "1" * 64)
    book.save_file(ID, saved)
    row = book.known(ID)
    assert row is not None
    assert (row.source, row.task.files) == (name, (saved,))
    assert book.file_at(name) == (ID, saved)


def test_what_we_asked_for_is_not_replaced_by_what_the_service_repeats(book: Journal) -> None:
    book.record(submission(), lambda _: ID)
    book.learn(Task(ID, State.GENERATING, 0, prompt="Something else", watermark="theirs"))
    book.learn(Task(OTHER, State.GENERATING, 0, prompt="From elsewhere"))
    ours, theirs = book.known(ID), book.known(OTHER)
    assert ours is not None
    assert theirs is not None
    assert (ours.task.prompt, ours.task.watermark, theirs.task.prompt) == ("Snow", None, "From elsewhere")


DETAILS = Details(
    model="aleph",
    options={"seed": 5, "aspectRatio": "16:9"},
    take=2,
    trim="30-40",
    audio="keep",
    match=True,
    seconds=9.5,
    source_sha256="0" * 64,
    parent_task_id="f" * 32,
    name_pattern="{stem}-{id}",
    balance_before=500.0,
)


def test_the_details_of_a_submission_come_back(book: Journal) -> None:
    book.record(submission()._replace(identity="edit", details=DETAILS), lambda _: ID)
    row = book.known(ID)
    assert row is not None
    assert (row.details, row.identity, row.task.model, row.task.parent_task_id) == (
        DETAILS,
        "edit",
        "aleph",
        "f" * 32,
    )


# --- the same edit again ---


def test_an_edit_is_the_same_in_any_spelling_and_by_what_an_older_luma_made_of_it(book: Journal) -> None:
    book.record(submission(key="old")._replace(idempotency_key="old"), lambda _: ID)
    new = submission(key="new")._replace(identity="edit", other_keys=("old",))
    assert book.record(new, lambda _: pytest.fail("sent")) == ID
    assert [row.task.task_id for row in book.look_up(new).same] == [ID]


def test_the_key_passes_to_the_next_take(book: Journal) -> None:
    book.record(submission(key="k"), lambda _: ID)
    assert book.record(submission(key="k"), lambda _: OTHER, repeat=True) == OTHER
    assert book.record(submission(key="k"), lambda _: pytest.fail("sent")) == OTHER


def test_a_take_whose_outcome_is_unknown_under_its_key_is_not_sent_again(book: Journal) -> None:
    with pytest.raises(OutcomeUnknown):
        book.record(submission(key="k"), lost)
    with pytest.raises(OutcomeUnknown, match="unknown outcome"):
        book.record(submission(key="k"), lambda _: pytest.fail("sent"), repeat=True)


def test_a_take_whose_outcome_is_unknown_is_sent_again_on_wish_only_and_the_next_one_at_once(book: Journal) -> None:
    with pytest.raises(OutcomeUnknown):
        book.record(submission(), lost)
    with pytest.raises(OutcomeUnknown, match="unknown outcome"):
        book.record(submission(), lambda _: pytest.fail("sent"), repeat=True)
    second = submission()._replace(details=submission().details._replace(take=2))
    assert book.record(second, lambda _: ID, repeat=True) == ID
    assert book.record(submission(), lambda _: OTHER, repeat=True, resubmit=True) == OTHER
