"""The JSON Schema of everything that `--json` prints."""

from typing import Any

from luma_cli.api.task import FIELDS, State

TEXT, NUMBER, WHOLE, FLAG = {"type": "string"}, {"type": "number"}, {"type": "integer"}, {"type": "boolean"}
TIME = {"type": ["string", "null"], "format": "date-time"}


def schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of `luma/1`: one object a line. Keys are only ever added."""
    kinds = {
        # The estimate is `status`'s: it needs the journal.
        "task": _object(_TASK, {"estimatedSeconds": _nullable(NUMBER)}),
        "row": _object(_TASK | _ROW),
        "entry": _object(
            _TASK | {"state": _nullable(_STATE), "id": TEXT, "line": WHOLE, "error": _nullable(_object(_ERROR))}
        ),
        "error": _object({"error": _object(_ERROR)}),
        "findings": _object({"findings": _list(_object(_FINDING))}),
        "request": _object(
            {"method": TEXT, "url": TEXT, "body": {"type": "object"}, "findings": _list(_object(_FINDING))}
        ),
        "setting": _object({"key": TEXT, "value": _nullable(TEXT), "origin": TEXT}),
        "check": _object({"check": TEXT, "verdict": TEXT, "message": TEXT}),
    }
    return {
        "$id": "luma/1",
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "luma/1",
        "description": "One object a line: what luma prints with --json, on stdout results, on stderr errors.",
        "type": "object",
        "required": ["schema"],
        "properties": {"schema": {"const": "luma/1"}},
        # Single values, such as {"credits": 100}, are objects of none of these kinds.
        "$defs": kinds,
    }


def _nullable(kind: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [kind, {"type": "null"}]}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _object(members: dict[str, Any], more: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "required": list(members), "properties": {**members, **(more or {})}}


_STATE = {"enum": [str(state) for state in State]}
_CODE = {"type": ["integer", "string", "null"]}
_HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_KINDS: dict[str, dict[str, Any]] = {
    "text": _nullable(TEXT),
    "int": _nullable(WHOLE),
    "float": _nullable(NUMBER),
    "time": TIME,
    "links": _list(TEXT),
    "words": _list(TEXT),
    "code": _CODE,
}
_FILE = _object(
    {"path": TEXT, "bytes": WHOLE, "sha256": _HASH, "deliveredSha256": _nullable(_HASH), "url": TEXT},
    {"pathBytes": {"type": "string", "contentEncoding": "base64"}},
)
# What is narrower than its kind, and what is computed or has a shape of its own.
_TASK: dict[str, Any] = {
    "schema": {"const": "luma/1"},
    **{field.json: _KINDS[field.kind] for field in FIELDS},
    "model": TEXT,
    "state": _STATE,
    "warnings": _list({"enum": ["callback_failed"]}),
    "elapsedSeconds": _nullable(NUMBER),
    "pieces": _nullable(_list({"type": "object"})),
    "files": _list(_FILE),
}
_ROW: dict[str, Any] = {
    "label": TEXT,
    "outcome": {"enum": ["sending", "accepted", "refused", "unknown"]},
    "source": TEXT,
    "submittedAt": TIME,
    "idempotencyKey": _nullable(TEXT),
    "expiresAt": TIME,
}
_FINDING: dict[str, Any] = {
    "name": TEXT,
    "level": {"enum": ["error", "warning"]},
    "message": TEXT,
    "hint": _nullable(TEXT),
    "video": _nullable(TEXT),
}
_ERROR: dict[str, Any] = {
    "code": TEXT,
    "message": TEXT,
    "hint": _nullable(TEXT),
    "exitCode": {"enum": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 129, 130, 143]},
    "apiCode": _CODE,
    "httpStatus": _nullable(WHOLE),
    "retryable": FLAG,
    "taskId": _nullable(TEXT),
}
