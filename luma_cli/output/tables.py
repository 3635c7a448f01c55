"""Lists of tasks, settings and findings: JSON, a table on a terminal, tab-separated lines elsewhere."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice

from luma_cli.api.task import Task, is_link
from luma_cli.journal.costs import Spent
from luma_cli.journal.records import Row
from luma_cli.output import messages, streams, terminal_codes
from luma_cli.output.formats import format_span, format_time, row_members, task_members
from luma_cli.output.task_list import DEFAULT_LIMIT, draw_rows, state_of

# In characters. Where there is no room for whole ids, a beginning is shown that every command understands.
SHORT_ID = 12
LAST_COLUMN = 12
MIN_WIDTH = 40


def show_tasks(tasks: Sequence[Task], estimate: float | None = None) -> None:
    """`taskId state createTime resultUrl`: JSON, a table on a terminal, tab-separated lines elsewhere.

    `estimate` is how long the user's own tasks usually take in seconds, None where that is not known.
    """
    if streams.wants_json():
        for task in tasks:
            streams.emit_json({**task_members(task), "estimatedSeconds": None if task.has_ended else estimate})
    elif streams.stdout_is_terminal():
        usual = "" if estimate is None else f", usually {format_span(estimate)}"
        states = [task.state if task.has_ended else f"{task.state}{usual}" for task in tasks]
        rows = [
            (task.task_id, state, _ago(task.create_time), _result(task))
            for task, state in zip(tasks, states, strict=True)
        ]
        _draw_table(("TASK", "STATE", "AGE", "RESULT"), rows)
    else:
        show_lines([(task.task_id, task.state, format_time(task.create_time), _result(task)) for task in tasks])


def show_rows(rows: Iterable[Row], limit: int | None = None) -> None:
    """The journal, the newest first: as `show_tasks`, with submissions that have no task id among them.

    On a terminal the newest `limit` (20 for None, all for 0), the newest last.
    """
    if streams.wants_json():
        for row in islice(rows, limit or None):
            streams.emit_json(row_members(row))
    elif streams.stdout_is_terminal():
        every = iter(rows)
        shown = list(islice(every, (DEFAULT_LIMIT if limit is None else limit) or None))
        draw_rows(shown, sum(1 for _ in every))
    else:
        lines = ((row.label, state_of(row), _created(row), _result(row.task)) for row in rows)
        show_lines(islice(lines, limit or None))


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
    if streams.wants_json():
        facts = {"spent": amount, "tasks": spent.count, "unknown": spent.unknown, "since": format_time(since) or None}
        streams.emit_json(facts)
        return
    streams.emit(f"{amount:.12g}")
    unknown = f", and {spent.unknown} more of unknown cost" if spent.unknown else ""
    when = "" if since is None else f" since {format_time(since)}"
    messages.note(f"by {spent.count} task{'s' if spent.count != 1 else ''}{unknown}{when}")


def show_row(row: Row) -> None:
    """Everything that is known of one submission: JSON, or a line for each fact."""
    members = row_members(row)
    if streams.wants_json():
        streams.emit_json(members)
        return
    if row.raw:
        members["answer"] = row.raw
    for name, value in members.items():
        if name == "files":
            for file in value:
                streams.emit_fields(["file", file["path"], str(file["bytes"]), file["sha256"]])
        elif value not in (None, [], ""):
            streams.emit_fields([name, " ".join(map(str, value)) if isinstance(value, list) else str(value)])


def show_settings(entries: Sequence[tuple[str, str | None, str]], *, show_origin: bool) -> None:
    """Name, value and origin of each setting."""
    if streams.wants_json():
        for name, value, origin in entries:
            streams.emit_json({"key": name, "value": value, "origin": origin})
        return
    shown = [(name, value or "", origin) if show_origin else (name, value or "") for name, value, origin in entries]
    show_pairs(shown, ("KEY", "VALUE", "ORIGIN") if show_origin else ("KEY", "VALUE"))


def show_findings(findings: Sequence[tuple[str, str, str]]) -> None:
    """Name, verdict and explanation of each check."""
    if streams.wants_json():
        for name, verdict, text in findings:
            streams.emit_json({"check": name, "verdict": verdict, "message": text})
        return
    show_pairs(findings, ("CHECK", "VERDICT", ""))


def show_pairs(pairs: Sequence[Sequence[str]], headings: Sequence[str]) -> None:
    """A table on a terminal, tab-separated lines elsewhere."""
    if streams.stdout_is_terminal():
        _draw_table(headings, pairs)
    else:
        show_lines(pairs)


def show_lines(rows: Iterable[Sequence[str | None]]) -> None:
    """Tab-separated lines, many at a time: none of them is news."""
    lines = iter(rows)
    while block := list(islice(lines, 500)):
        streams.emit_fields(*block)


def _draw_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    screen = streams.console(sys.stdout)
    cells = [[streams.clean(cell) for cell in row] for row in rows]
    if headings[0] == "TASK" and _width(headings, cells) > screen.width:
        cells = [[row[0][:SHORT_ID], *row[1:]] for row in cells]
    table = Table(box=None, pad_edge=False, header_style="bold")
    is_tight = _width(headings, cells) > screen.width
    for heading in headings[:-1]:
        table.add_column(heading, no_wrap=not is_tight or heading == headings[0], overflow="fold")
    table.add_column(headings[-1], overflow="fold")
    clickable = terminal_codes.shows_links()
    for row in cells:
        table.add_row(*(Text(cell, style=f"link {cell}" if clickable and is_link(cell) else "") for cell in row))
    # Nothing is cut off: a terminal still narrower wraps the lines itself.
    screen.width = max(screen.width, MIN_WIDTH)
    screen.print(table)


def _width(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """What the columns need, of which the last is broken into lines."""
    fixed = [max([len(heading), *(len(row[i]) for row in cells)]) + 2 for i, heading in enumerate(headings[:-1])]
    return sum(fixed) + LAST_COLUMN


def _created(row: Row) -> str:
    """When the service made the task; until it has said so, when we submitted it."""
    return format_time(row.task.create_time or row.submitted_at)


def _result(task: Task) -> str:
    return " ".join(task.result_urls)


def _ago(when: datetime | None) -> str:
    return "?" if when is None else format_span((datetime.now(UTC) - when).total_seconds())
