"""The service's facts about a task, in our words."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

# What a task id may look like before we store or print it. The service's own are 32 hexadecimal digits, but the
# vendor calls them opaque.
TASK_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
# No documented limit; the vendor's samples show one link. More than this is not a result list but an attack.
MAX_LINKS = 100
MAX_LINK = 8192


class State(StrEnum):
    GENERATING = "generating"
    SUCCEEDED = "succeeded"
    CREATE_FAILED = "create_failed"
    GENERATE_FAILED = "generate_failed"
    UNKNOWN = "unknown"


# Source: vendor page "Get Luma Modify Details": 4 means the video was made and only the callback failed.
STATES = {
    0: State.GENERATING,
    1: State.SUCCEEDED,
    2: State.CREATE_FAILED,
    3: State.GENERATE_FAILED,
    4: State.SUCCEEDED,
}


# Right after its creation a task may not be visible yet (siblings' docs, observed); one public client grants 90 s.
VISIBILITY_GRACE = 90.0
KEPT_DAYS = 14
LATEST_YEAR = 2200


@dataclass(frozen=True)
class SavedFile:
    path: str
    bytes: int
    sha256: str
    url: str
    delivered_sha256: str | None = None


@dataclass(frozen=True)
class Task:
    """One edit at kie.ai. Times are aware UTC; absent facts are None."""

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
    files: tuple[SavedFile, ...] = field(default=())

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


def from_api(record: Mapping[str, Any], task_id: str) -> Task:
    """Read the `data` of a `record-info` answer, believing nothing: a field of the wrong type counts as absent.

    Source: vendor page "Get Luma Modify Details" for the fields, sibling pages for the looser types (times and codes
    as text, 0 and "" for "none").
    """
    flag = as_int(record.get("successFlag"))
    response = record.get("response")
    response = response if isinstance(response, dict) else {}
    params = _params(record.get("paramJson"))
    state = STATES.get(flag, State.UNKNOWN) if flag is not None else State.UNKNOWN
    return Task(
        task_id=task_id,
        state=state,
        success_flag=flag,
        prompt=as_text(params.get("prompt")),
        video_url=as_text(params.get("videoUrl")),
        watermark=as_text(params.get("waterMark")) or as_text(params.get("watermark")),
        callback_url=as_text(params.get("callBackUrl")),
        create_time=as_time(record.get("createTime")),
        complete_time=as_time(record.get("completeTime")),
        result_urls=as_links(response.get("resultUrls")),
        origin_urls=as_links(response.get("originUrls")),
        error_code=as_int(record.get("errorCode")) or as_text(record.get("errorCode")),
        error_message=as_text(record.get("errorMessage")),
        warnings=("callback_failed",) if flag == 4 else (),
    )


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


def as_links(value: object) -> tuple[str, ...]:
    """The http(s) links of a list, none of them doubtful; an implausibly long list counts as none."""
    if not isinstance(value, list) or len(value) > MAX_LINKS:
        return ()
    return tuple(link for link in value if is_link(link))


def is_link(value: object) -> bool:
    if not isinstance(value, str) or len(value) > MAX_LINK or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _params(value: object) -> dict[str, Any]:
    """The request as the service echoes it: a JSON object inside a JSON string."""
    if not isinstance(value, str):
        return {}
    try:
        params = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return params if isinstance(params, dict) else {}


@dataclass(frozen=True)
class Edit:
    """What a submission asks for. `video_url` must be reachable by the service."""

    prompt: str
    video_url: str
    watermark: str | None = None
    callback_url: str | None = None

    def payload(self) -> dict[str, str]:
        """The JSON body; only fields that have a value, as the vendor's sample does. Note the capital B."""
        fields = {
            "prompt": self.prompt,
            "videoUrl": self.video_url,
            "watermark": self.watermark,
            "callBackUrl": self.callback_url,
        }
        return {name: value for name, value in fields.items() if value}
