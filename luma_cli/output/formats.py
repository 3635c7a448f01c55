"""Facts as text: the JSON of `luma/1`, times, spans and sizes."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from luma_cli.api.hosts import shown
from luma_cli.errors import Finding, LumaError

if TYPE_CHECKING:
    from luma_cli.api.task import SavedFile, Task
    from luma_cli.journal.records import Row

SCHEMA = "luma/1"
# A byte of a path that is not UTF-8 (surrogateescape), or another half of a character.
_HALF = "[\ud800-\udfff]"


def task_members(task: "Task", pieces: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """The object of `--json`. Names as the API spells them; keys are only ever added.

    `pieces` are those of a split edit.
    """
    from luma_cli.api.task import FIELDS

    members: dict[str, Any] = {}
    for field in FIELDS:
        members[field.json] = _plain(getattr(task, field.name))
        if field.json == "completeTime":
            members["elapsedSeconds"] = None if task.elapsed is None else round(task.elapsed, 3)
    members["taskId"] = task.task_id or None
    members["pieces"] = None if pieces is None else list(pieces)
    members["files"] = [file_members(file) for file in task.files]
    return members


def _plain(value: Any) -> Any:
    """A fact about a task as JSON has it."""
    if isinstance(value, datetime):
        return format_time(value)
    return list(value) if isinstance(value, tuple) else value


def row_members(row: "Row", pieces: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """With `pieces` the row is all of them as one, which has no task of its own."""
    members = task_members(row.task, pieces)
    if pieces is not None:
        members["taskId"] = None
    elif not row.task.task_id:
        members["state"] = "unknown"
    return {
        **members,
        "label": row.label,
        "outcome": row.outcome_now,
        "source": whole_text(row.source),
        "submittedAt": format_time(row.submitted_at),
        "idempotencyKey": row.idempotency_key,
        "expiresAt": None if row.task.files else format_time(row.task.expires_at) or None,
    }


def entry_members(
    row_id: str,
    line: int,
    task: "Task",
    error: LumaError | None,
    pieces: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The line of a row of a batch: the task's object (without an id where none came of it), and what went wrong."""
    members = task_members(task, pieces)
    if not task.task_id and not task.files:
        members["state"] = None
    return {"id": row_id, "line": line, **members, "error": error and error_members(error)}


def file_members(file: "SavedFile") -> dict[str, Any]:
    """A path that is not UTF-8 has its bytes beside it, in Base64."""
    members = {
        "path": whole_text(file.path),
        "bytes": file.bytes,
        "sha256": file.sha256,
        "deliveredSha256": file.delivered_sha256,
        "url": file.url,
    }
    if is_text(file.path):
        return members
    import base64

    return members | {"pathBytes": base64.b64encode(os.fsencode(file.path)).decode()}


def format_json(members: Mapping[str, Any]) -> str:
    """One line. ASCII only: what would steer a terminal is escaped, not dropped."""
    line = json.dumps({"schema": SCHEMA, **members}, allow_nan=False).replace("\x7f", "\\u007f")
    return line.replace("##[", "#\\u0023[")  # GitHub Actions would obey it anywhere in a line


def is_text(text: str) -> bool:
    """Whether it is text throughout, and not a path with bytes that are not UTF-8."""
    return re.search(_HALF, text) is None


def whole_text(text: str) -> str:
    """A replacement character for each half one: most readers of JSON refuse those."""
    return re.sub(_HALF, "\ufffd", text)


def format_time(when: datetime | None) -> str:
    """RFC 3339 in UTC; "" for None."""
    return "" if when is None else when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_span(seconds: float) -> str:
    """A length of time for eyes: `42s`, `3m05s`, `2h10m`, `5d`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d"


def format_credits(count: float) -> str:
    """An amount for eyes: `4,000`, `12.5`."""
    return f"{count:,.2f}".rstrip("0").rstrip(".")


def format_bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def finding_members(finding: Finding) -> dict[str, Any]:
    return {
        **finding._asdict(),
        "message": whole_text(finding.message),
        "video": None if finding.video is None else whole_text(shown(finding.video)),
    }


def error_members(error: LumaError) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": whole_text(error.message),
        "hint": error.hint and whole_text(error.hint),
        "exitCode": error.exit_code,
        "apiCode": error.api_code,
        "httpStatus": error.http_status,
        "retryable": error.retryable,
        "taskId": error.task_id,
    } | ({"findings": [finding_members(finding) for finding in error.findings]} if error.findings else {})


def visible(character: str) -> str:
    """A character that would steer a terminal or hide itself, as its escape; a byte of a path by its value."""
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
