"""Lists of tasks, settings and findings: JSON, a table on a terminal, tab-separated lines elsewhere."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice

from luma_cli.api.hosts import is_link
from luma_cli.api.task import KEPT_DAYS, Task
from luma_cli.edits.sources.piece_rows import PieceFacts, gathered
from luma_cli.journal.costs import Spent
from luma_cli.journal.journal import Journal
from luma_cli.journal.records import Row
from luma_cli.output import messages, streams
from luma_cli.output.formats import format_span, format_time, row_members, task_members
from luma_cli.output.task_list import DEFAULT_LIMIT, cell_width, draw_rows, fit, state_of

LINK_LIFE = 24 * 3600.0
# In cells. Where there is no room for whole ids, a beginning is shown that every command understands.
SHORT_ID = 12
MIN_WIDTH = 40
# A last column with less room than this goes on lines of its own, below the others.
LAST_COLUMN = 24
GAP = "  "

# Tasks that ran at once cannot be told apart by the balance, nor can those whose charge may still have been on its way.
WHY_UNKNOWN = "a cost is unknown if kie.ai names none, and others ran in that minute, or nobody looked at the balance"


def show_tasks(tasks: Sequence[Task], estimate: float | None = None) -> None:
    """`taskId state createTime resultUrl`: JSON, a table on a terminal, tab-separated lines elsewhere.

    `estimate` is how long the user's own tasks usually take in seconds, None where that is not known.
    """
    if streams.wants_json():
        for task in tasks:
            streams.emit_json({**task_members(task), "estimatedSeconds": None if task.has_ended else estimate})
    elif streams.stdout_is_terminal():
        _draw_tasks(tasks, estimate)
    else:
        show_lines([(task.task_id, task.state, format_time(task.create_time), _result(task)) for task in tasks])


def show_rows(journal: Journal, rows: Iterable[Row], limit: int | None = None) -> None:
    """The journal, the newest first: as `show_tasks`, with submissions that have no task id among them.

    On a terminal the newest `limit` (20 for None, all for 0), the newest last. The pieces of a clip are one row there
    and in JSON; a line in a pipe is a task.
    """
    if streams.wants_json():
        for row, pieces in islice(gathered(journal, rows), limit or None):
            streams.emit_json(row_members(row, pieces))
    elif streams.stdout_is_terminal():
        every = gathered(journal, rows)
        shown = list(islice(every, (DEFAULT_LIMIT if limit is None else limit) or None))
        if shown:
            draw_rows(shown, sum(1 for _ in every))
        else:
            is_empty = next(iter(journal.rows()), None) is None
            messages.note("no tasks yet: luma modify VIDEO -p TEXT" if is_empty else "no such task in the journal")
    else:
        lines = ((row.label, state_of(row), _created(row), _result(row.task)) for row in rows)
        show_lines(islice(lines, limit or None))


def warn_of_unsaved(journal: Journal, now: float) -> None:
    """Links of results may be dead after 24 hours, though the media are said to stay 14 days (seen by users)."""
    if count := journal.count_unsaved(now - KEPT_DAYS * 86400, now - LINK_LIFE):
        what = f"{count} result(s) not saved for over 24 hours: the links may be dead soon"
        messages.warn(f"{what}: luma download --all-missing")


def show_labels(rows: Iterable[Row]) -> None:
    """The ids of submissions, or what stands for them, one a line."""
    for row in rows:
        if streams.wants_json():
            streams.emit_json(row_members(row))
        else:
            streams.emit(row.label)


def show_spent(spent: Spent, since: datetime | None) -> None:
    """Credits on stdout; by how many tasks, and how many more there are of unknown cost, beside them."""
    amount = round(spent.credits, 6)
    facts = {"spent": amount, "tasks": spent.tasks, "unknown": spent.unknown, "since": format_time(since) or None}
    if streams.wants_json():
        streams.emit_json(facts)
        return
    streams.emit(f"{amount:.12g}")
    unknown = f", and {spent.unknown} more of unknown cost" if spent.unknown else ""
    when = "" if since is None else f" since {format_time(since)}"
    messages.note(f"by {spent.tasks} task{'s' if spent.tasks != 1 else ''}{unknown}{when}")
    if spent.unknown:
        messages.note(WHY_UNKNOWN)


def show_row(row: Row, pieces: PieceFacts | None = None) -> None:
    """Everything that is known of one submission: JSON, or a line for each fact.

    `pieces` are those of the edit that it is a piece of.
    """
    members = row_members(row)
    if streams.wants_json():
        streams.emit_json(members | {"pieces": pieces})
        return
    del members["pieces"]
    asked = row.details
    members |= {"trim": asked.trim, "audio": asked.audio, "answer": row.raw}
    members["take"] = asked.take if asked.take != 1 else None
    for name, value in members.items():
        if name == "files":
            for file in value:
                streams.emit_fields(["file", file["path"], str(file["bytes"]), file["sha256"]])
        elif value not in (None, [], ""):
            streams.emit_fields([name, " ".join(map(str, value)) if isinstance(value, list) else str(value)])
    for piece in pieces or ():
        name = f"piece {piece['index']} of {len(pieces or ())}"
        streams.emit_fields([name, str(piece["taskId"] or ""), str(piece["state"] or "not submitted")])
    if row.task.has_ended and row.credits is None:
        messages.note(WHY_UNKNOWN)


def show_table(rows: Sequence[Sequence[str | None]], headings: Mapping[str, str], columns: int = 3) -> None:
    """With --json an object for each row, with the keys of `headings`; else a table or tab-separated lines of the first
    `columns`."""
    if streams.wants_json():
        for row in rows:
            streams.emit_json(dict(zip(headings, row, strict=True)))
        return
    shown = [[cell or "" for cell in row[:columns]] for row in rows]
    if streams.stdout_is_terminal():
        _draw_table([*headings.values()][:columns], shown)
    else:
        show_lines(shown)


def show_lines(rows: Iterable[Sequence[str | None]]) -> None:
    """Tab-separated lines, many at a time: none of them is news."""
    lines = iter(rows)
    while block := list(islice(lines, 500)):
        streams.emit_fields(*block)


def _draw_tasks(tasks: Sequence[Task], estimate: float | None) -> None:
    """What is needed least goes first: the ends of ids, how long it usually takes, the age."""
    usual = "" if estimate is None else f", usually {format_span(estimate)}"

    def rows(id_length: int | None, more: str) -> list[tuple[str, str, str, str]]:
        states = [f"{task.state}{'' if task.has_ended else more}" for task in tasks]
        return [
            (task.task_id[:id_length], state, _ago(task.create_time), _result(task))
            for task, state in zip(tasks, states, strict=True)
        ]

    headings, shortest = ["TASK", "STATE", "AGE", "RESULT"], rows(SHORT_ID, "")
    width = max(streams.width(), MIN_WIDTH)
    tables = (rows(None, usual), rows(SHORT_ID, usual), shortest)
    if table := next((table for table in tables if _fits(headings, table, width)), None):
        _draw_table(headings, table)
    else:
        _draw_table(["TASK", "STATE", "RESULT"], [(task_id, state, result) for task_id, state, _, result in shortest])


def _fits(headings: Sequence[str], rows: Iterable[Sequence[str]], width: int) -> bool:
    """Whether the columns stand beside each other, the last one if need be only with its heading."""
    return sum(_widths([headings, *rows])) + len(GAP) * (len(headings) - 1) + len(headings[-1]) <= width


def _draw_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """No word is broken: a last column without room goes below the others, a link as one piece."""
    width = max(streams.width(), MIN_WIDTH)
    table = [headings, *([streams.clean(cell) for cell in row] for row in rows)]
    widths = _widths(table)
    for row in table:
        start = "".join(fit(cell, size) + GAP for cell, size in zip(row[:-1], widths, strict=True))
        room = width - cell_width(start)
        last = row[-1]
        if cell_width(last) > room and (room < LAST_COLUMN or any(cell_width(word) > room for word in last.split())):
            streams.emit(start.rstrip())
            start, room = GAP, width - len(GAP)
        lines = textwrap.wrap(last, room, break_long_words=False, break_on_hyphens=False) or [""]
        for index, line in enumerate(lines):
            indent = start if index == 0 else " " * cell_width(start)
            streams.emit(f"{indent}{line}".rstrip(), link=line if is_link(line) else None)


def _widths(table: Sequence[Sequence[str]]) -> list[int]:
    """What all columns but the last need."""
    return [max(map(cell_width, column)) for column in list(zip(*table, strict=True))[:-1]]


def _created(row: Row) -> str:
    """When the service made the task; until it has said so, when we submitted it."""
    return format_time(row.task.create_time or row.submitted_at)


def _result(task: Task) -> str:
    return " ".join(task.result_urls)


def _ago(when: datetime | None) -> str:
    return "?" if when is None else format_span((datetime.now(UTC) - when).total_seconds())
