"""The service's facts about a task, in our words, and what a submission asks for."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from luma_cli.api.hosts import is_link

DEFAULT_MODEL = "luma"
# What a task id may look like before we store or print it. The service's own are 32 hexadecimal digits, but the
# vendor calls them opaque.
TASK_ID = r"[A-Za-z0-9._-]{1,128}\Z"
# No documented limit; the vendor's samples show one link. More than this is not a result list but an attack.
MAX_LINKS = 100
MAX_CREDITS = 1e15


class State(StrEnum):
    GENERATING = "generating"
    SUCCEEDED = "succeeded"
    CREATE_FAILED = "create_failed"
    GENERATE_FAILED = "generate_failed"
    UNKNOWN = "unknown"


# Right after its creation a task may not be visible yet (siblings' docs, observed); one public client grants 90 s.
VISIBILITY_GRACE = 90.0
KEPT_DAYS = 14
LATEST_YEAR = 2200
# The code of a record whose generation is over, whatever its state says: the service got no result in over 10 min, or
# gave up (vendor's code list; 531 from a sibling family).
FINAL_CODES = (408, 501, 531)


class SavedFile(NamedTuple):
    """One result on disk. `sha256` is that of the file, `delivered_sha256` that of the service's bytes, if known."""

    path: str
    bytes: int
    sha256: str
    url: str
    delivered_sha256: str | None = None


class Field(NamedTuple):
    """A fact about a task: its attribute, which is the journal's column too, its name in JSON, and its kind.

    Kinds: text, int, float, time, links and words (texts that are no links), and code (a number or a text).
    """

    name: str
    json: str
    kind: str


# Described once: the journal's columns, the JSON and its schema are derived from it. In the order of the JSON; what is
# computed or has a shape of its own (`elapsedSeconds`, `files`, `pieces`) is added by those who show it.
FIELDS = (
    Field("task_id", "taskId", "text"),
    Field("model", "model", "text"),
    Field("state", "state", "text"),
    Field("success_flag", "successFlag", "int"),
    Field("credits", "credits", "float"),
    Field("prompt", "prompt", "text"),
    Field("video_url", "videoUrl", "text"),
    Field("watermark", "watermark", "text"),
    Field("callback_url", "callbackUrl", "text"),
    Field("create_time", "createTime", "time"),
    Field("complete_time", "completeTime", "time"),
    Field("result_urls", "resultUrls", "links"),
    Field("origin_urls", "originUrls", "links"),
    Field("error_code", "errorCode", "code"),
    Field("error_message", "errorMessage", "text"),
    Field("warnings", "warnings", "words"),
    Field("parent_task_id", "parentTaskId", "text"),
)


class Task(NamedTuple):
    """One edit at kie.ai. Times are aware UTC; absent facts are None. `credits` is its cost, if known."""

    task_id: str
    state: State = State.UNKNOWN
    success_flag: int | None = None
    prompt: str | None = None
    video_url: str | None = None
    watermark: str | None = None
    callback_url: str | None = None
    create_time: datetime | None = None
    complete_time: datetime | None = None
    result_urls: tuple[str, ...] = ()
    origin_urls: tuple[str, ...] = ()
    error_code: int | str | None = None
    error_message: str | None = None
    warnings: tuple[str, ...] = ()
    files: tuple[SavedFile, ...] = ()
    model: str = DEFAULT_MODEL
    credits: float | None = None
    parent_task_id: str | None = None

    @property
    def has_failed(self) -> bool:
        return self.state in (State.CREATE_FAILED, State.GENERATE_FAILED)

    @property
    def has_ended(self) -> bool:
        return self.has_failed or self.state is State.SUCCEEDED

    @property
    def has_video(self) -> bool:
        return self.state is State.SUCCEEDED and bool(self.result_urls)

    @property
    def expires_at(self) -> datetime | None:
        """When kie.ai deletes the videos: 14 days after they were made (vendor's platform page)."""
        made = self.complete_time or self.create_time
        return made + timedelta(days=KEPT_DAYS) if self.has_video and made is not None else None

    @property
    def elapsed(self) -> float | None:
        """Seconds from creation to the end, or to now while it has not ended."""
        if self.create_time is None:
            return None
        end = self.complete_time or (None if self.has_ended else datetime.now(UTC))
        return None if end is None else max(0.0, (end - self.create_time).total_seconds())


def is_task_id(value: object) -> bool:
    return isinstance(value, str) and re.match(TASK_ID, value) is not None


def as_int(value: object) -> int | None:
    """An integer, or text of decimal ASCII digits. Booleans and floats are not integers (JSON oddities, measured)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    return value if isinstance(value, int) and abs(value) < 2**63 else None


def as_text(value: object) -> str | None:
    """Non-empty text that every stream and SQLite can hold: lone surrogates are escaped."""
    if not isinstance(value, str) or not value:
        return None
    return value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def as_time(value: object) -> datetime | None:
    """Unix milliseconds, or ISO 8601 text as sibling APIs send it (taken as UTC where it names no zone)."""
    milliseconds = as_int(value)
    try:
        if milliseconds is not None:
            when = datetime.fromtimestamp(milliseconds / 1000, UTC)
        elif isinstance(value, str) and len(value) <= 40:
            when = datetime.fromisoformat(value.strip())
            when = when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None  # a date that no calendar holds counts as absent
    # So does one at the calendar's edge: two weeks more, or another time zone, and nothing could hold it.
    return when if when.timestamp() > 0 and when.year < LATEST_YEAR else None


def as_code(value: object) -> int | str | None:
    """An error code, as a number or a text; 0 and "" mean that there is none."""
    number = as_int(value)
    return as_text(value) if number is None else number or None


def as_amount(value: object) -> float | None:
    """A number, also as decimal text; may be fractional."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < MAX_CREDITS:
        return None
    return float(value)


def as_credits(value: object) -> float | None:
    """A number of credits from 0 on."""
    amount = as_amount(value)
    return None if amount is None or amount < 0 else amount


def as_links(value: object) -> tuple[str, ...]:
    """The http(s) links of a list, of a text that holds a JSON list, or a single bare link (all seen in records).

    An implausibly long list counts as none.
    """
    if isinstance(value, str):
        value = [value] if is_link(value) else load_json(value)
    if not isinstance(value, list) or len(value) > MAX_LINKS:
        return ()
    return tuple(link for link in value if is_link(link))


def load_json(text: str) -> Any:
    """What a text of JSON holds; None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def as_link(value: object) -> str | None:
    return value if isinstance(value, str) and is_link(value) else None


class Edit(NamedTuple):
    """What a submission asks for. `video_url` must be reachable by the service, `options` are checked (`models`)."""

    prompt: str
    video_url: str
    watermark: str | None = None
    callback_url: str | None = None
    model: str = DEFAULT_MODEL
    options: Mapping[str, object] = {}
