"""The JSON Schema of everything that `--json` prints: `schema.json`, and in it what is derived."""

import json
import pkgutil
from typing import Any

from luma_cli.api.task import FIELDS
from luma_cli.errors import EXIT_CODES

# What a fact about a task is, by its kind in FIELDS.
KINDS: dict[str, dict[str, Any]] = {
    "text": {"type": ["string", "null"]},
    "int": {"type": ["integer", "null"]},
    "float": {"type": ["number", "null"]},
    "time": {"type": ["string", "null"], "format": "date-time"},
    "links": {"type": "array", "items": {"type": "string"}},
    "words": {"type": "array", "items": {"type": "string"}},
    "code": {"type": ["integer", "string", "null"]},
}


def schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of `luma/1`: one object a line. Keys are only ever added.

    Single values, such as {"credits": 100}, are objects of none of its kinds.
    """
    whole: dict[str, Any] = json.loads(pkgutil.get_data(__package__, "schema.json") or b"")
    kinds = whole["$defs"]
    # The file says what is narrower than its kind, and what is computed or has a shape of its own.
    task = {field.json: KINDS[field.kind] for field in FIELDS} | kinds["task"]["properties"]
    for name in ("task", "row", "entry"):
        properties = task | kinds[name]["properties"]
        kinds[name] = {"type": "object", "required": list(properties), "properties": properties}
    kinds["task"]["properties"] = task | {"estimatedSeconds": KINDS["float"]}  # status alone has it
    # A closed pipe (141) has no reader to report to.
    codes = [entry.code for entry in EXIT_CODES if entry.code not in (0, 141)]
    kinds["error"]["properties"]["error"]["properties"]["exitCode"] = {"enum": codes}
    return whole
