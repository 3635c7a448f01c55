"""A row of the journal as an object, and a task as the columns of a row."""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from luma_cli.api.task import FIELDS, LATEST_YEAR, SavedFile, State, Task, as_int

T = TypeVar("T")
# One submission ends well before: 60 s for the answer, at most three pauses of 60 s.
MAX_SUBMISSION = 600.0
EPOCH = datetime.fromtimestamp(0, UTC)
LATEST = datetime(LATEST_YEAR, 1, 1, tzinfo=UTC).timestamp()


class Outcome(StrEnum):
    """What became of a submission. A row that stays in SENDING was left by a killed process: it counts as unknown."""

    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Details(NamedTuple):
    """What a submission asks for beside its edit, kept so that it can be continued, redone and paid for.

    `take` counts repeats of one edit from 1; `seconds` is the length that is edited. `piece_of` is the number of a
    split edit. `name_pattern` names its files. Credits are those of the service.
    """

    model: str = "luma"
    options: Mapping[str, Any] = {}
    take: int | None = None
    trim: str | None = None
    fit: str | None = None
    audio: str | None = None
    match: bool | None = None
    seconds: float | None = None
    source_sha256: str | None = None
    parent_task_id: str | None = None
    piece_of: int | None = None
    piece_index: int | None = None
    name_pattern: str | None = None
    expected_credits: float | None = None
    balance_before: float | None = None

    def columns(self) -> dict[str, Any]:
        names = {**self._asdict(), "options": options_text(self.options)}
        return {**names, "match": None if self.match is None else int(self.match)}


@dataclass(frozen=True)
class Row:
    """One submission. `task.task_id` is "" when the service gave none."""

    number: int
    outcome: Outcome
    task: Task
    source: str
    base_url: str
    digest: str | None
    identity: str | None
    idempotency_key: str | None
    submitted_at: datetime
    account: str | None = None  # a fingerprint, None in a row of an older journal
    raw: str | None = None  # what the service answered when that could not be read
    credits_source: str | None = None  # where its cost was seen: "record" or "balance"
    is_in_flight: bool = False  # its process was still at it when the row was read
    columns: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # as stored

    @cached_property
    def details(self) -> Details:
        found = {name: self.columns[name] for name in Details._fields if name in self.columns}
        options, match = _json(found.get("options"), dict), found.get("match")
        return Details(**{**found, "options": options, "match": None if match is None else bool(match)})

    @property
    def checked_at(self) -> datetime | None:
        """When the service last said something new about it."""
        return _when(self.columns.get("checked_at"))

    @property
    def credits(self) -> float | None:
        """What the task cost, as far as seen."""
        return self.task.credits

    @property
    def label(self) -> str:
        """The task id, or a name for a row that has none."""
        return self.task.task_id or f"{self.outcome_now}-{self.number}"

    @property
    def is_ours(self) -> bool:
        """Submitted through this journal, and not only heard of."""
        return self.digest is not None or self.identity is not None

    @property
    def outcome_now(self) -> Outcome:
        """SENDING only while the process that sends may still be at it."""
        return Outcome.UNKNOWN if self.outcome is Outcome.SENDING and not self.is_in_flight else self.outcome

    @property
    def age(self) -> float:
        """Seconds since the submission."""
        return time.time() - self.submitted_at.timestamp()

    def complete(self, task: Task) -> Task:
        """The service's record of the task, with what only the journal knows of it."""
        cost = self.task.credits if self.task.credits is not None else task.credits
        return task._replace(credits=cost, parent_task_id=self.task.parent_task_id)


_STATES = {str(state): state for state in State}
_OUTCOMES = {str(outcome): outcome for outcome in Outcome}
_STORED = [field.name for field in fields(Row) if field.name not in ("task", "is_in_flight", "columns")]
# What we asked for is ours to say, whatever a service repeats: these are learnt only of tasks from elsewhere.
ASKED_FOR = ("prompt", "video_url", "watermark", "callback_url")

# Columns that others write: by the answer, by the request, by what was seen of the cost.
_WRITTEN_APART = ("task_id", "model", "credits", "parent_task_id")


def columns_of(task: Task) -> dict[str, Any]:
    """None for what the task does not know."""
    facts = [field for field in FIELDS if field.name not in _WRITTEN_APART]
    return {field.name: _to_column(field.kind, getattr(task, field.name)) for field in facts}


def _to_column(kind: str, value: Any) -> Any:
    match kind:
        case "time":
            return value and value.timestamp()
        case "links" | "words":
            return json.dumps(value) if value else None
        case "code":
            return None if value is None else str(value)
    return value


def _from_column(kind: str, value: Any) -> Any:
    match kind:
        case "time":
            return _when(value)
        case "links" | "words":
            return _list(value)
        case "code":
            return value if as_int(value) is None else as_int(value)
        case "float":
            return value if isinstance(value, int | float) else None
    return value


def row_from(columns: Mapping[str, Any], files: tuple[SavedFile, ...], *, is_in_flight: bool = False) -> Row:
    facts = {field.name: _from_column(field.kind, columns[field.name]) for field in FIELDS}
    facts |= {"task_id": columns["task_id"] or "", "state": _STATES.get(columns["state"], State.UNKNOWN)}
    stored = {name: columns[name] for name in _STORED}
    stored |= {
        "outcome": _OUTCOMES.get(columns["outcome"], Outcome.UNKNOWN),
        "source": path_from(columns["source"] or ""),
        "submitted_at": _when(columns["submitted_at"]) or EPOCH,
    }
    return Row(task=Task(**facts, files=files), is_in_flight=is_in_flight, columns=columns, **stored)


def task_from(kept: Mapping[str, Any]) -> Task:
    """The task of a kept key. One that has ended without a known link may have one at the service."""
    task = Task(kept["task_id"], _STATES.get(kept["state"], State.UNKNOWN), result_urls=_list(kept["result_urls"]))
    return task if task.has_failed or task.has_video else Task(task.task_id)


def file_from(columns: Mapping[str, Any]) -> SavedFile:
    path = path_from(columns["path"])
    return SavedFile(path, columns["bytes"], columns["sha256"], columns["url"], columns["delivered_sha256"])


def stored_path(path: str) -> str | bytes:
    """A path as SQLite can hold it: text, or the bytes of a name that is not UTF-8."""
    with suppress(UnicodeEncodeError):
        path.encode()
        return path
    with suppress(UnicodeEncodeError):
        return os.fsencode(path)
    return path.encode("utf-8", "backslashreplace").decode()  # no path of this system


def path_from(stored: object) -> str:
    """The path of `stored_path`, with what is not UTF-8 as surrogates."""
    return os.fsdecode(stored) if isinstance(stored, bytes) else str(stored)


def options_text(options: Mapping[str, Any]) -> str:
    """Equal for equal options, whatever their order."""
    return json.dumps(dict(options), sort_keys=True, separators=(",", ":"))


def _list(text: object) -> tuple[str, ...]:
    """Links or words."""
    return tuple(word for word in _json(text, list) if isinstance(word, str))


def _json(text: object, kind: type[T]) -> T:
    """A value that damage or another program made is empty."""
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, kind) else kind()


def _when(seconds: object) -> datetime | None:
    """A time within the calendar, else none."""
    if not isinstance(seconds, int | float) or not 0 < seconds < LATEST:
        return None
    return datetime.fromtimestamp(seconds, UTC)
