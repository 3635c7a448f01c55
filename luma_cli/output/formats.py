"""Facts as text: the JSON of `luma/1`, times, spans and sizes."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from luma_cli.api.hosts import shown
from luma_cli.api.task import SavedFile, Task
from luma_cli.errors import Finding, LumaError
from luma_cli.journal.records import Row

SCHEMA = "luma/1"


def task_members(task: Task) -> dict[str, Any]:
    """The object of `--json`. Names as the API spells them; keys are only ever added."""
    return {
        "taskId": task.task_id or None,
        "state": task.state,
        "successFlag": task.success_flag,
        "prompt": task.prompt,
        "videoUrl": task.video_url,
        "watermark": task.watermark,
        "callbackUrl": task.callback_url,
        "createTime": format_time(task.create_time) or None,
        "completeTime": format_time(task.complete_time) or None,
        "elapsedSeconds": None if task.elapsed is None else round(task.elapsed, 3),
        "resultUrls": list(task.result_urls),
        "originUrls": list(task.origin_urls),
        "errorCode": task.error_code,
        "errorMessage": task.error_message,
        "warnings": list(task.warnings),
        "files": [file_members(file) for file in task.files],
    }


def row_members(row: Row) -> dict[str, Any]:
    members = task_members(row.task)
    if not row.task.task_id:
        members["state"] = "unknown"
    return {
        **members,
        "label": row.label,
        "outcome": row.outcome_now,
        "source": row.source,
        "submittedAt": format_time(row.submitted_at),
        "idempotencyKey": row.idempotency_key,
        "expiresAt": None if row.task.files else format_time(row.task.expires_at) or None,
    }


def entry_members(row_id: str, line: int, task: Task, error: LumaError | None) -> dict[str, Any]:
    """The line of a row of a batch: the task's object (without an id where none came of it), and what went wrong."""
    members = task_members(task)
    if not task.task_id:
        members["state"] = None
    return {"id": row_id, "line": line, **members, "error": error and error_members(error)}


def file_members(file: SavedFile) -> dict[str, Any]:
    return {"path": file.path, "bytes": file.bytes, "sha256": file.sha256, "url": file.url}


def format_json(members: dict[str, Any]) -> str:
    """One line. ASCII only: what would steer a terminal is escaped, not dropped."""
    line = json.dumps({"schema": SCHEMA, **members}, allow_nan=False).replace("\x7f", "\\u007f")
    return line.replace("##[", "#\\u0023[")  # GitHub Actions would obey it anywhere in a line


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


def format_bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def finding_members(finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "video": None if finding.video is None else shown(finding.video)}


def error_members(error: LumaError) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "exitCode": error.exit_code,
        "apiCode": error.api_code,
        "httpStatus": error.http_status,
        "retryable": error.retryable,
        "taskId": error.task_id,
    } | ({"findings": [finding_members(each) for each in error.findings]} if error.findings else {})


def visible(character: str) -> str:
    """A character that would steer a terminal or hide itself, as its escape."""
    return character.encode("unicode_escape").decode("ascii")
