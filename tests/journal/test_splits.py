"""The cuts of a split edit outlive the run that made them."""

from pathlib import Path

from luma_cli.journal import journal
from luma_cli.journal.records import Details
from luma_cli.journal.splits import Piece, SplitState
from support.journals import BASE, submission

PIECES = (Piece(1, 0, 299), Piece(2, 299, 280))


def test_the_cuts_of_an_edit_are_there_for_every_later_run(file: Path) -> None:
    book = journal.open_journal(file, service=BASE, account="mine")
    made = book.splits.create("edit", "/a/caf\udce9.mp4", "/b/out.mp4", {"rate": "30000/1001"}, {"match": True}, PIECES)
    again = book.splits.create("edit", "/a/other.mp4", "/b/out.mp4", {}, {}, PIECES[:1])
    assert book.splits.of("edit") == [again, made]
    assert book.splits.get(made.number) == made
    assert (made.source, made.facts, made.pieces, made.state) == (
        "/a/caf\udce9.mp4",
        {"rate": "30000/1001"},
        PIECES,
        SplitState.OPEN,
    )
    assert book.for_account("theirs").splits.of("edit") == []
    book.splits.set_state(made.number, SplitState.FINISHED, "/c/out.mp4")
    found = book.splits.of("edit")[-1]
    assert (found.state, found.target) == (SplitState.FINISHED, "/c/out.mp4")
    book.close()


def test_the_tasks_of_the_pieces_are_found_newest_first(file: Path) -> None:
    book = journal.open_journal(file, service=BASE)
    split = book.splits.create("edit", "a.mp4", "b.mp4", {}, {}, PIECES)
    for number, index in enumerate((1, 2, 1)):
        details = Details(piece_of=split.number, piece_index=index)
        made = submission(str(number))
        book.record(type(made)(made.edit, "a", f"d{number}", details=details), lambda _, n=number: f"{n:032}")  # type: ignore[misc]
    assert [(row.task.task_id[-1], row.details.piece_index) for row in book.pieces_of(split.number)] == [
        ("2", 1),
        ("1", 2),
        ("0", 1),
    ]
    book.close()
