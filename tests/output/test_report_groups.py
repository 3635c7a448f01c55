"""Which rows stand together on a page, and what differs between two prompts."""

import hashlib
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.api.task import SavedFile, State, Task
from luma_cli.journal.records import Outcome, Row
from luma_cli.journal.splits import Piece, Split, SplitState
from luma_cli.output.report_groups import group_rows, marked_words, rows_with_an_end, trimmed_part
from luma_cli.output.report_media import source_of

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def row(number: int, source: str = "/a.mp4", *, state: State = State.SUCCEEDED, **columns: Any) -> Row:
    task = Task(task_id=f"task-{number}", state=state, prompt="Snow", credits=columns.pop("credits", None))
    service = "https://api.example.net"
    return Row(
        number,
        Outcome.ACCEPTED,
        task,
        source,
        service,
        "d",
        None,
        None,
        NOON,
        columns=columns,
    )


def shape(rows: list[Row]) -> list[Any]:
    """The numbers of each group's rows, with what stands below it."""

    def of(group: Any) -> list[Any]:
        return [[piece.number for take in group.takes for piece in take.rows], *map(of, group.chains)]

    return [of(group) for group in group_rows(rows)]


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([], []),
        ([row(1), row(2, "/b.mp4"), row(3)], [[[1, 3]], [[2]]]),
        ([row(1, source_sha256="x"), row(2, "/b.mp4", source_sha256="x")], [[[1, 2]]]),
        ([row(1, source_sha256="x"), row(2, source_sha256="y")], [[[1]], [[2]]]),
        ([row(1), row(2, source_sha256="y")], [[[1, 2]]]),
        ([row(1, ""), row(2, "")], [[[1]], [[2]]]),
        ([row(1), row(2, parent_task_id="task-1"), row(3, parent_task_id="task-2")], [[[1], [[2], [[3]]]]]),
        ([row(2, parent_task_id="task-1"), row(3, parent_task_id="task-1"), row(1)], [[[1], [[2, 3]]]]),
        ([row(2, parent_task_id="gone"), row(3, parent_task_id="gone")], [[[2, 3]]]),
        ([row(2, piece_of=7, piece_index=1), row(1, piece_of=7, piece_index=0), row(3)], [[[1, 2, 3]]]),
        ([row(1, piece_of=7, piece_index=0), row(2, piece_of=7, piece_index=0)], [[[2]]]),
    ],
)
def test_rows_stand_with_their_source(rows: list[Row], wanted: list[Any]) -> None:
    assert shape(rows) == wanted


def test_a_piece_done_again_is_paid_for_twice() -> None:
    rows = [row(n, piece_of=7, piece_index=index, credits=100) for n, index in ((1, 1), (2, 2), (3, 1))]
    (group,) = group_rows(rows)

    assert ([piece.number for piece in group.takes[0].rows], group.takes[0].credits) == ([3, 2], 300)


@given(st.lists(st.sampled_from([None, "task-1", "task-2", "task-3", "task-4", ""]), max_size=4))
def test_every_row_stands_there_once_whatever_a_damaged_journal_says(parents: list[str | None]) -> None:
    rows = [row(number, parent_task_id=parent) for number, parent in enumerate(parents, 1)]

    def numbers(shapes: list[Any]) -> list[int]:
        return [number for first, *below in shapes for number in [*first, *numbers(below)]]

    assert sorted(numbers(shape(rows))) == [row.number for row in rows]


def test_the_source_edited_last_comes_first_and_what_runs_is_left_out() -> None:
    rows = [row(1), row(2, "/b.mp4"), row(3), row(4, "/c.mp4", state=State.GENERATING)]

    assert [found.number for found in rows_with_an_end(reversed(rows))] == [1, 3, 2]


@pytest.mark.parametrize(
    ("trim", "wanted"), [(None, (0, None)), ("30", (30, None)), ("0:30-0:40.5", (30, 40.5)), ("nonsense", (0, None))]
)
def test_the_part_that_was_edited_is_read(trim: str | None, wanted: tuple[float, float | None]) -> None:
    part = trimmed_part(row(1, trim=trim))

    assert (part.start, part.end) == wanted


@given(st.text(), st.text())
def test_marked_words_hold_both_prompts(prompt: str, reference: str) -> None:
    parts = list(marked_words(prompt, reference))

    assert "".join(text for kind, text in parts if kind != "gone") == prompt
    assert "".join(text for kind, text in parts if kind != "new") == reference
    assert (prompt == reference) == all(kind == "same" for kind, _ in parts)


def test_words_are_compared_not_letters() -> None:
    assert list(marked_words("A red car, parked", "A blue car")) == [
        ("same", "A "),
        ("gone", "blue"),
        ("new", "red"),
        ("same", " car"),
        ("new", ", parked"),
    ]


@pytest.mark.parametrize(("recorded", "is_doubtful"), [(None, True), (b"clip", False), (b"another", True)])
def test_a_newer_file_is_doubted_unless_its_content_is_the_recorded_one(
    tmp_path: Path, recorded: bytes | None, is_doubtful: bool
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"clip")
    os.utime(path, (NOON.timestamp() + 1,) * 2)
    sha256 = None if recorded is None else hashlib.sha256(recorded).hexdigest()

    assert source_of(row(1, str(path), source_sha256=sha256)).is_doubtful == is_doubtful


def split_in_two(target: Path, **facts: Any) -> Split:
    pieces = (Piece(1, 0, 240), Piece(2, 240, 200))
    return Split(7, "i", "/a.mp4", str(target), facts, {}, SplitState.OPEN, pieces)


def piece(index: int, file: Path) -> Row:
    file.write_bytes(b"clip")
    made = row(index, piece_of=7, piece_index=index)
    return replace(made, task=made.task._replace(files=(SavedFile(str(file), 4, f"{index}" * 64, ""),)))


@pytest.mark.parametrize(("rate", "wanted"), [("30000/1001", 8.008), (24, 10.0)])
def test_pieces_play_from_where_they_were_cut_until_there_is_a_joined_file(
    tmp_path: Path, rate: object, wanted: float
) -> None:
    target = tmp_path / "joined.mp4"
    rows = [piece(index, tmp_path / f"{index}.mp4") for index in (1, 2)]
    (group,) = group_rows(rows, {7: split_in_two(target, rate=rate)})

    assert [(clip.name, clip.offset) for clip in group.takes[0].clips] == [
        ("1.mp4", 0),
        ("2.mp4", pytest.approx(wanted)),
    ]
    target.write_bytes(b"joined")
    assert [(clip.name, clip.offset) for clip in group.takes[0].clips] == [("joined.mp4", 0)]
