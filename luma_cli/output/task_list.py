"""The journal as a person reads it: one line a task, the newest last, as wide as the terminal."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from luma_cli.api.hosts import without_query
from luma_cli.api.task import DEFAULT_MODEL, State, Task
from luma_cli.edits.sources.piece_rows import PieceFacts
from luma_cli.journal.records import Outcome, Row
from luma_cli.output import messages, streams
from luma_cli.output.formats import format_credits, format_span

# How many are shown where nobody said how many.
DEFAULT_LIMIT = 20
SHORT_ID = 8
GAP = 2
# In seconds: a state that was asked about longer ago may be another one by now.
FRESH = 60.0
# From this width on a state has room for its age.
WIDE = 80


class Column(NamedTuple):
    """`weight`: those of less weight go first on a narrow terminal. It is cut to no less than `narrowest`; 0: never."""

    heading: str
    weight: int
    narrowest: int = 0


COLUMNS = (
    Column("TASK", 9),
    Column("STATE", 8),
    Column("CLIP", 7, 8),
    Column("PROMPT", 6, 10),
    Column("SAVED AS", 4, 9),
    Column("COST", 3),
    Column("MODEL", 2),
    Column("AGE", 5),
)


def draw_rows(found: Sequence[tuple[Row, PieceFacts | None]], more: int = 0) -> None:
    """A table on the terminal of rows, with their pieces, that come newest first; `more` are not shown."""
    rows = [row for row, _ in found]
    now = datetime.now(UTC)
    is_wide = streams.width() >= WIDE
    ids = short_ids([row.label for row in rows])
    cells = [
        _cells(row, pieces, task_id, now, is_wide=is_wide) for (row, pieces), task_id in zip(found, ids, strict=True)
    ]
    for line in lay_out(COLUMNS, [[streams.clean(cell) for cell in row] for row in cells[::-1]], streams.width()):
        streams.emit(line)
    if more:
        messages.note(f"… {more} more: --limit 0")
    if not is_wide and any(_is_stale(row, now) for row in rows):
        messages.note("* asked long ago: --refresh")


def short_ids(labels: Sequence[str]) -> list[str]:
    """The beginnings of ids, as long as it takes to tell them apart; other labels whole."""
    return [_shortest(label, labels) if len(label) > 2 * SHORT_ID else label for label in labels]


def lay_out(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lines of at most `width` cells; what is too long is cut with "…", what has no room is left out."""
    shown = [index for index, _ in enumerate(columns) if any(row[index] for row in rows)]
    natural = {
        index: max(cell_width(columns[index].heading), *(cell_width(row[index]) for row in rows)) for index in shown
    }
    least = {index: min(natural[index], columns[index].narrowest or natural[index]) for index in shown}
    while len(shown) > 1 and sum(least[index] + GAP for index in shown) - GAP > width:
        shown.remove(min(shown, key=lambda index: columns[index].weight))
    widths = _share({index: least[index] for index in shown}, natural, width - GAP * (len(shown) - 1))
    table = [[column.heading for column in columns], *rows]
    return [(" " * GAP).join(fit(row[index], widths[index]) for index in shown).rstrip() for row in table]


def cut(text: str, width: int) -> str:
    """The text in so many cells, with "…" for what is left out."""
    if cell_width(text) <= width:
        return text
    from rich.cells import set_cell_size

    return set_cell_size(text, max(0, width - 1)).rstrip() + "…"


def fit(text: str, width: int) -> str:
    """The text in exactly so many cells."""
    short = cut(text, width)
    return short + " " * (width - cell_width(short))


def cell_width(text: str) -> int:
    """How many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def name_of(source: str) -> str:
    """The clip as a person knows it: the last part of its path or link."""
    bare = without_query(source) if "://" in source else source
    return os.path.basename(bare.rstrip("/")) or bare


def state_of(row: Row) -> str:
    if row.task.task_id:
        return str(row.task.state)
    return "unknown" if row.outcome_now is Outcome.UNKNOWN else str(row.outcome_now)


def expiry(task: Task, now: datetime) -> str:
    """When a result that is only at kie.ai goes; "" for others."""
    if task.files or task.expires_at is None:
        return ""
    left = (task.expires_at - now).total_seconds()
    return f"expires in {format_span(left)}" if left > 0 else "expired"


def _cells(row: Row, pieces: PieceFacts | None, task_id: str, now: datetime, *, is_wide: bool) -> list[str]:
    state = state_of(row)
    if pieces is not None and is_wide:
        made = sum(piece["state"] == State.SUCCEEDED for piece in pieces)
        state += f", {'' if made == len(pieces) else f'{made} of '}{len(pieces)} pieces"
    if _is_stale(row, now):
        state += f", as of {format_span(_seconds_since_check(row, now))} ago" if is_wide else "*"
    elif not row.task.task_id and row.outcome_now is Outcome.UNKNOWN and is_wide:
        state += ": may be charged"
    saved = ", ".join(Path(file.path).name for file in row.task.files) or expiry(row.task, now)
    cost = "" if row.task.credits is None else format_credits(row.task.credits)
    model = "" if row.task.model == DEFAULT_MODEL else row.task.model  # an empty column takes no room
    age = format_span((now - row.submitted_at).total_seconds())
    return [task_id, state, name_of(row.source), row.task.prompt or "", saved, cost, model, age]


def _is_stale(row: Row, now: datetime) -> bool:
    return bool(row.task.task_id) and not row.task.has_ended and _seconds_since_check(row, now) >= FRESH


def _seconds_since_check(row: Row, now: datetime) -> float:
    return (now - (row.checked_at or row.submitted_at)).total_seconds()


def _shortest(label: str, labels: Sequence[str]) -> str:
    others = [other for other in labels if other != label]
    lengths = range(SHORT_ID, len(label))
    return next(
        (label[:length] for length in lengths if not any(other.startswith(label[:length]) for other in others)), label
    )


def _share(least: dict[int, int], natural: dict[int, int], width: int) -> dict[int, int]:
    """Widths from the least on, widened in turn as long as there is room and need."""
    widths = dict(least)
    left = width - sum(widths.values())
    while left > 0 and (needy := [index for index in widths if widths[index] < natural[index]]):
        for index in needy[:left]:
            widths[index] += 1
        left -= len(needy[:left])
    return widths
