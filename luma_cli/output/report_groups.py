"""The order of a page: sources with their takes, edits of edits below what they edit, pieces of a split as one."""

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from luma_cli.edits.sources.piece_rows import newest_of
from luma_cli.errors import UsageError
from luma_cli.journal.records import Outcome, Row
from luma_cli.journal.splits import Split
from luma_cli.output.report_media import Clip, frame_rate_of, results_of, source_of
from luma_cli.video.trim_range import Trim, parse_trim

# Comparing takes the square of it; a prompt of more words is compared in its first ones.
MAX_WORDS = 2000


class Take(NamedTuple):
    """One edit: a row, or the rows of all its pieces in their order. `replaced` are pieces that were done again."""

    rows: tuple[Row, ...]
    replaced: tuple[Row, ...] = ()
    split: Split | None = None

    @property
    def row(self) -> Row:
        return self.rows[0]

    @property
    def prompt(self) -> str:
        return self.row.task.prompt or ""

    @property
    def clips(self) -> list[Clip]:
        """Its results; of an edit in pieces the joined file, or the pieces as long as there is none."""
        if self.split is not None and os.path.isfile(self.split.target):
            name, size = os.path.basename(self.split.target), os.path.getsize(self.split.target)
            return [Clip(name, self.split.target, bytes=size)]
        found = [(self._begins_at(row), clip) for row in self.rows for clip in results_of(row.task)]
        clips = [clip._replace(offset=offset) for offset, clip in found]
        return list({clip.path or clip.link: clip for clip in clips}.values())

    def _begins_at(self, row: Row) -> float:
        pieces = self.split.pieces if self.split is not None else ()
        first = next((piece.first_frame for piece in pieces if piece.index == row.details.piece_index), 0)
        rate = _rate_of(self.split) if self.split is not None and first else 0.0
        return trimmed_part(row).start + (first / rate if rate else 0.0)

    @property
    def credits(self) -> float | None:
        costs = [row.credits for row in (*self.rows, *self.replaced)]
        return None if None in costs else sum(cost for cost in costs if cost is not None)


@dataclass(eq=False)
class Group:
    """A source and its takes. If one of these was edited again, that is a group of `chains`, whose `parent` it is."""

    key: str
    takes: list[Take] = field(default_factory=list)
    chains: list["Group"] = field(default_factory=list)
    parent: Take | None = None

    @property
    def source(self) -> Clip:
        """The best that is left of it: a file that is surely it, one that may be, a link. Its takes count from it."""
        found = [clip._replace(offset=0.0) for clip in self.parent.clips] if self.parent is not None else []
        found = found or [source_of(row) for take in self.takes for row in take.rows]
        return min(found, key=lambda clip: (clip.path is None, clip.is_doubtful, clip.link is None))


def group_rows(rows: Iterable[Row], splits: Mapping[int, Split] | None = None) -> list[Group]:
    """The groups in the order of their first row, the takes of each in the order of the rows."""
    rows = list(rows)
    hashes = _hashes(rows)
    groups: dict[str, Group] = {}
    for take in _takes(rows, splits or {}):
        key = _key(take.row, hashes)
        groups.setdefault(key, Group(key)).takes.append(take)
    made_of = {row.label: take for group in groups.values() for take in group.takes for row in take.rows}
    holders = {id(take): group for group in groups.values() for take in group.takes}
    for group in groups.values():
        parent = made_of.get(_parent_of(group.takes[0].row) or "")
        if parent is not None and group not in _ancestors(holders[id(parent)], holders):
            group.parent = parent
            holders[id(parent)].chains.append(group)
    return [group for group in groups.values() if group.parent is None]


def rows_with_an_end(rows: Iterable[Row]) -> list[Row]:
    """The rows for a page of everything, those of unknown outcome among them, since they may have cost something.

    The source that was edited last comes first, its takes as they were made.
    """
    ended = (row for row in rows if row.task.has_ended or row.outcome_now is Outcome.UNKNOWN)
    ordered = sorted(ended, key=lambda row: row.number)
    hashes = _hashes(ordered)
    latest = {_key(row, hashes): row.number for row in ordered}
    return sorted(ordered, key=lambda row: (-latest[_key(row, hashes)], row.number))


def trimmed_part(row: Row) -> Trim:
    """Which part of its source was edited."""
    try:
        return parse_trim(row.details.trim or "0")
    except UsageError:
        return Trim()  # what another version wrote down is no reason to show nothing


def marked_words(prompt: str, reference: str) -> Iterator[tuple[str, str]]:
    """The prompt in parts: ("same", text), ("new", text) and ("gone", what the reference says instead)."""
    ours, theirs = _words(prompt), _words(reference)
    matcher = difflib.SequenceMatcher(None, theirs[:MAX_WORDS], ours[:MAX_WORDS], autojunk=False)
    for kind, start, end, first, last in matcher.get_opcodes():
        if kind == "equal":
            yield "same", "".join(ours[first:last])
            continue
        if gone := "".join(theirs[start:end]):
            yield "gone", gone
        if new := "".join(ours[first:last]):
            yield "new", new
    if rest := "".join(ours[MAX_WORDS:]):
        yield "same", rest


def _words(text: str) -> list[str]:
    return re.findall(r"\s+|\w+|[^\w\s]", text)


def _ancestors(group: Group, holders: dict[int, Group]) -> Iterator[Group]:
    """The group and those above it. A damaged journal may name a task as its own ancestor; this ends all the same."""
    yield group
    while group.parent is not None:
        group = holders[id(group.parent)]
        yield group


def _rate_of(split: Split) -> float:
    """Frames per second of what was cut."""
    try:
        return float(Fraction(str(split.facts.get("rate"))))
    except (ValueError, ZeroDivisionError):
        return frame_rate_of(split.source)


def _parent_of(row: Row) -> str | None:
    return row.details.parent_task_id or row.task.parent_task_id


def _takes(rows: Sequence[Row], splits: Mapping[int, Split]) -> list[Take]:
    """Rows as takes, the pieces of one split gathered at the first of them. Of a piece done again the newest counts."""
    gathered: dict[object, list[Row]] = {}
    for row in rows:
        split = row.details.piece_of
        gathered.setdefault(row.number if split is None else f"split {split}", []).append(row)
    return [_take(found, splits.get(found[0].details.piece_of or 0)) for found in gathered.values()]


def _take(rows: Sequence[Row], split: Split | None) -> Take:
    newest = newest_of(sorted(rows, key=lambda row: row.number, reverse=True))
    pieces = tuple(newest[index] for index in sorted(newest))
    return Take(pieces, tuple(row for row in rows if row not in pieces), split)


def _hashes(rows: Iterable[Row]) -> dict[str, set[str]]:
    """Which contents a source's name has had."""
    found: dict[str, set[str]] = {}
    for row in rows:
        if sha256 := row.details.source_sha256:
            found.setdefault(row.source, set()).add(sha256)
    return found


def _key(row: Row, hashes: dict[str, set[str]]) -> str:
    """What rows of one source share: the task that they edit, the content, or the name."""
    if parent := _parent_of(row):
        return f"task {parent}"
    name = row.source or row.task.video_url or row.label
    known = hashes.get(row.source, set())
    sha256 = row.details.source_sha256 or (next(iter(known)) if len(known) == 1 else None)
    return f"sha256 {sha256}" if sha256 else name
