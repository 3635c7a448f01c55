"""A row of the journal as an object, and a task as the columns of a row."""

import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from luma_cli.api.task import LATEST_YEAR, SavedFile, State, Task, as_int

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


@dataclass(frozen=True)
class Row:
    """One submission. `task.task_id` is "" where the service gave none."""

    number: int
    outcome: Outcome
    task: Task
    source: str
    base_url: str
    digest: str | None
    idempotency_key: str | None
    process: int | None
    submitted_at: datetime
    raw: str | None

    @property
    def label(self) -> str:
        """The task id, or a name for a row that has none."""
        return self.task.task_id or f"{self.outcome_now}-{self.number}"

    @property
    def is_ours(self) -> bool:
        """Submitted through this journal, and not only heard of."""
        return self.digest is not None

    @property
    def outcome_now(self) -> Outcome:
        """SENDING only while the process that sends may still be at it."""
        return Outcome.UNKNOWN if self.outcome is Outcome.SENDING and not self.is_in_flight else self.outcome

    @property
    def age(self) -> float:
        """Seconds since the submission."""
        return time.time() - self.submitted_at.timestamp()

    @property
    def is_in_flight(self) -> bool:
        return self.outcome is Outcome.SENDING and self.age < MAX_SUBMISSION and is_alive(self.process)


_STATES = {str(each): each for each in State}
_OUTCOMES = {str(each): each for each in Outcome}


def columns_of(task: Task) -> dict[str, Any]:
    """None for what the task does not know."""
    return {
        "state": task.state,
        "success_flag": task.success_flag,
        "prompt": task.prompt,
        "video_url": task.video_url,
        "watermark": task.watermark,
        "callback_url": task.callback_url,
        "create_time": task.create_time and task.create_time.timestamp(),
        "complete_time": task.complete_time and task.complete_time.timestamp(),
        "result_urls": _text_of(task.result_urls),
        "origin_urls": _text_of(task.origin_urls),
        "error_code": None if task.error_code is None else str(task.error_code),
        "error_message": task.error_message,
        "warnings": _text_of(task.warnings),
    }


def row_from(columns: Any, files: tuple[SavedFile, ...]) -> Row:
    code = columns["error_code"]
    task = Task(
        task_id=columns["task_id"] or "",
        state=_STATES.get(columns["state"], State.UNKNOWN),
        success_flag=columns["success_flag"],
        prompt=columns["prompt"],
        video_url=columns["video_url"],
        watermark=columns["watermark"],
        callback_url=columns["callback_url"],
        create_time=_when(columns["create_time"]),
        complete_time=_when(columns["complete_time"]),
        result_urls=_list(columns["result_urls"]),
        origin_urls=_list(columns["origin_urls"]),
        error_code=code if as_int(code) is None else as_int(code),
        error_message=columns["error_message"],
        warnings=_list(columns["warnings"]),
        files=files,
    )
    return Row(
        number=columns["number"],
        outcome=_OUTCOMES.get(columns["outcome"], Outcome.UNKNOWN),
        task=task,
        source=columns["source"] or "",
        base_url=columns["base_url"],
        digest=columns["digest"],
        idempotency_key=columns["idempotency_key"],
        process=columns["process"],
        submitted_at=_when(columns["submitted_at"]) or EPOCH,
        raw=columns["raw"],
    )


def file_from(columns: Any) -> SavedFile:
    return SavedFile(columns["path"], columns["bytes"], columns["sha256"], columns["url"])


def _text_of(words: tuple[str, ...]) -> str | None:
    return json.dumps(words) if words else None


def _list(text: object) -> tuple[str, ...]:
    """Links or words; a value that damage or another program made is none."""
    if text == "[]" or not isinstance(text, str):
        return ()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def _when(seconds: object) -> datetime | None:
    """A time within the calendar, else none."""
    if not isinstance(seconds, int | float) or not 0 < seconds < LATEST:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def is_alive(process: int | None) -> bool:
    """Whether a process of ours still runs. Only POSIX can tell without harm; elsewhere its age decides."""
    if process is None or os.name != "posix":
        return process is not None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's: alive
    return True
