"""The tasks of an edit in pieces, as the journal has them: which count, and all of them as one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from luma_cli.api.task import State, Task
from luma_cli.journal.journal import Journal
from luma_cli.journal.records import Row
from luma_cli.journal.splits import Piece, Split

PieceFacts = tuple[Mapping[str, object], ...]


def newest_of(rows: Sequence[Row]) -> dict[int, Row]:
    """The row that counts of each piece: `rows` come newest first."""
    return {row.details.piece_index or 0: row for row in reversed(rows)}


def facts_of(split: Split, rows: Sequence[Row]) -> PieceFacts:
    """Each piece as JSON has it."""
    newest = newest_of(rows)
    return tuple(_facts(piece, newest.get(piece.index)) for piece in split.pieces)


def pieces_beside(journal: Journal, row: Row) -> PieceFacts | None:
    """The pieces of the edit that the task of `row` is one of; None if it is a whole edit."""
    split = journal.splits.get(row.details.piece_of)
    return facts_of(split, journal.pieces_of(split.number)) if split is not None else None


def gathered(journal: Journal, rows: Iterable[Row]) -> Iterator[tuple[Row, PieceFacts | None]]:
    """The rows in their order, with all pieces of one edit as one row at the first of them.

    That has the latest task's id and times, the state and the file of the whole, and what all its tasks cost.
    """
    seen: set[int] = set()
    for row in rows:
        number = row.details.piece_of
        if number in seen:
            continue
        split = journal.splits.get(number)
        pieces = journal.pieces_of(split.number) if split is not None else []
        if split is None or not pieces:  # what was refused is not a piece
            yield row, None
        else:
            seen.add(split.number)
            yield _whole(split, pieces), facts_of(split, pieces)


def _whole(split: Split, rows: Sequence[Row]) -> Row:
    newest = newest_of(rows)
    counted = [newest[piece.index].task for piece in split.pieces if piece.index in newest]
    costs = [row.credits for row in rows]
    latest = next((row for row in rows if row.task.task_id), rows[0])
    task = latest.task._replace(
        state=_state_of(counted, len(split.pieces)),
        credits=None if None in costs else sum(cost for cost in costs if cost is not None),
        files=tuple(file for file in counted[0].files if file.path == split.target),
        result_urls=(),
        origin_urls=(),
        video_url=None,
    )
    return replace(latest, task=task)


def _state_of(tasks: Sequence[Task], count: int) -> State:
    """Failed if a piece has, succeeded if all have, and generating as long as one is."""
    failed = next((task.state for task in tasks if task.has_failed), None)
    if failed is not None:
        return failed
    states = {task.state for task in tasks}
    if State.GENERATING in states:
        return State.GENERATING
    return State.SUCCEEDED if states == {State.SUCCEEDED} and len(tasks) == count else State.UNKNOWN


def _facts(piece: Piece, row: Row | None) -> Mapping[str, object]:
    return {
        "index": piece.index,
        "firstFrame": piece.first_frame,
        "frames": piece.frames,
        "taskId": row.task.task_id or None if row is not None else None,
        "state": str(row.task.state) if row is not None else None,
        "credits": row.credits if row is not None else None,
        "resultUrls": list(row.task.result_urls) if row is not None else [],
    }
