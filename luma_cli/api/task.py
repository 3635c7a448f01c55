"""The service's facts about a task, in our words, and what a submission asks for."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from luma_cli.api.hosts import is_host
from luma_cli.api.models import LUMA, Family, Model, find_model, model_of_record

# What a task id may look like before we store or print it. The service's own are 32 hexadecimal digits, but the
# vendor calls them opaque.
TASK_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
# No documented limit; the vendor's samples show one link. More than this is not a result list but an attack.
MAX_LINKS = 100
MAX_LINK = 8192
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


@dataclass(frozen=True)
class SavedFile:
    """One result on disk. `sha256` is that of the file, `delivered_sha256` that of the service's bytes, if known."""

    path: str
    bytes: int
    sha256: str
    url: str
    delivered_sha256: str | None = None


@dataclass(frozen=True)
class Field:
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


@dataclass(frozen=True)
class Task:
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
    model: str = LUMA.name
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


def from_api(record: Mapping[str, Any], task_id: str, model: Model = LUMA) -> Task:
    """Read the `data` of a record, believing nothing: a field of the wrong type counts as absent.

    The model's row says where each fact stands and what the states mean.

    Source: vendor page "Get Luma Modify Details" for the fields, sibling pages for the looser types (times and codes
    as text, 0 and "" for "none").
    """
    model = model_of_record(record, model)
    family = model.family
    code, message = as_code(record.get(family.error_code)), as_text(record.get(family.error_message))
    echoes = [echo for path in family.echoes if isinstance(echo := _value_at(record, path), dict)]
    flag = as_int(record.get("successFlag"))
    return Task(
        task_id=task_id,
        model=model.name,
        state=_state(record, family, code, message),
        success_flag=flag,
        credits=as_credits(record.get(family.credits)),
        prompt=_first(as_text(echo.get(model.prompt_field)) for echo in echoes),
        video_url=_first(as_link(echo.get(model.clip_field)) for echo in echoes),
        watermark=_first(as_text(echo.get(name)) for echo in echoes for name in reversed(model.watermark_fields)),
        callback_url=_first(as_link(echo.get(family.callback_field)) for echo in echoes),
        create_time=as_time(record.get(family.create_time)),
        complete_time=as_time(record.get(family.complete_time)),
        result_urls=_links_at(record, family.results),
        origin_urls=_links_at(record, family.sources),
        error_code=code,
        error_message=message,
        warnings=("callback_failed",) if flag == 4 else (),
    )


def _state(record: Mapping[str, Any], family: Family, code: int | str | None, message: str | None) -> State:
    raw = record.get(family.state)
    number = as_int(raw)
    name = raw.strip().lower() if number is None and isinstance(raw, str) else number
    state = State.UNKNOWN if name is None else State(family.states.get(name, State.UNKNOWN))
    is_over = code in FINAL_CODES or (family.fails_by_error and (code is not None or message is not None))
    return State.GENERATE_FAILED if is_over and state in (State.GENERATING, State.UNKNOWN) else state


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value is not None), None)


def _links_at(record: Mapping[str, Any], paths: Iterable[str]) -> tuple[str, ...]:
    return next((links for path in paths if (links := as_links(_value_at(record, path)))), ())


def _value_at(value: Any, path: str) -> Any:
    """What stands at a dotted path, also inside of JSON that is held as text; None if nothing does."""
    for name in path.split("."):
        value = _parse_inner(value).get(name)
    if isinstance(value, str) and (inner := _parse_inner(value)):
        return inner
    return value


def _parse_inner(value: Any) -> dict[str, Any]:
    """A JSON object, or the text of one; empty if it is neither."""
    if isinstance(value, str):
        value = _load(value)
    return value if isinstance(value, dict) else {}


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def is_task_id(value: object) -> bool:
    return isinstance(value, str) and TASK_ID.match(value) is not None


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
        value = [value] if is_link(value) else _load(value)
    if not isinstance(value, list) or len(value) > MAX_LINKS:
        return ()
    return tuple(link for link in value if is_link(link))


def as_link(value: object) -> str | None:
    return value if isinstance(value, str) and is_link(value) else None


def is_link(value: object) -> bool:
    """An absolute http(s) link whose host is one that everybody reads alike."""
    if not isinstance(value, str) or len(value) > MAX_LINK or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        return False


@dataclass(frozen=True)
class Edit:
    """What a submission asks for. `video_url` must be reachable by the service, `options` are checked (`models`)."""

    prompt: str
    video_url: str
    watermark: str | None = None
    callback_url: str | None = None
    model: str = LUMA.name
    options: Mapping[str, object] = field(default_factory=dict)

    def payload(self) -> dict[str, Any]:
        """The JSON body; only fields that have a value, as the vendor's sample does. Note the capital B.

        Raises:
            UsageError: there is no such model.
        """
        model = find_model(self.model)
        family = model.family
        texts = {model.prompt_field: self.prompt, model.clip_field: self.video_url}
        texts |= dict.fromkeys(model.watermark_fields, self.watermark or "")
        inputs = {**{name: text for name, text in texts.items() if text}, **self.options}
        callback = {family.callback_field: self.callback_url} if self.callback_url else {}
        return {**model.fixed, **({family.inputs: inputs} if family.inputs else inputs), **callback}
