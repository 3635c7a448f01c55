"""The JSON Schema of `luma help json` fits what `--json` really prints, and would say so if it did not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, DATA, EDITS, Result

Luma = Callable[..., Result]


@pytest.fixture
def fits(luma: Luma) -> Callable[[str, str], None]:
    """Every JSON line of a text is an object of this kind."""
    schema = json.loads(luma("help", "json", "--json").out)
    jsonschema.Draft202012Validator.check_schema(schema)

    def validator(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
        return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)

    def check(kind: str, text: str) -> None:
        lines = [line for line in text.splitlines() if line.startswith("{")]
        assert lines
        whole = {**schema["$defs"][kind], "$defs": schema["$defs"], "unevaluatedProperties": False}
        for value in map(json.loads, lines):
            validator(schema).validate(value)
            validator(with_schema_key(whole)).validate(value)

    return check


def with_schema_key(kind: dict[str, Any]) -> dict[str, Any]:
    return {**kind, "properties": {"schema": {"const": "luma/1"}, **kind["properties"]}}


@pytest.fixture
def history(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP, "-p", "Heavy snow", "--watermark", "mine", "-o", "a.mp4")
    luma("modify", CLIP_URL, "-p", "sandbox:flag3 Heavy snow", "-w")
    luma("modify", CLIP_URL, "-p", "sandbox:flag4 Heavy snow", "-w")
    luma("modify", CLIP_URL, "-p", "sandbox:lost-answer Heavy snow")


RESULTS: list[tuple[str, list[object]]] = [
    ("task", ["modify", CLIP_URL, "-p", "Heavy rain"]),
    ("task", ["modify", CLIP, "-p", "Heavy rain", "-o", "b.mp4"]),
    ("task", ["status", "@last", "@2", "@3"]),
    ("task", ["status", "--cached"]),
    ("task", ["wait", "@3"]),
    ("task", ["download", "@3", "-o", "c.mp4"]),
    ("row", ["tasks"]),
    ("row", ["tasks", "show", "@3"]),
    ("entry", ["batch", "edits.jsonl"]),
    ("request", ["modify", CLIP_URL, "-p", "Es schneit in der Nacht", "-n"]),
    ("setting", ["config", "list"]),
    ("check", ["config", "check"]),
]
ERRORS: list[list[str]] = [
    ["nosuch"],
    ["status", "nosuch"],
    ["modify", "none.mp4", "-p", "Snow"],
    ["modify", CLIP_URL, "-p", "sandbox:no-credits Snow"],
    ["modify", CLIP_URL, "-p", "sandbox:garbage Snow"],
    ["wait", "@2", "-o", "none/a.mp4"],
]


def test_every_result_fits(luma: Luma, history: None, fits: Callable[[str, str], None]) -> None:
    for name in ("a", "b"):
        Path(f"clip-{name}.mp4").write_bytes(CLIP.read_bytes())
    rows = [{**row, "video": f"clip-{row['video']}"} for row in EDITS]
    Path("edits.jsonl").write_text("\n".join(map(json.dumps, [*rows, {"prompt": "Snow", "video": "none.mp4"}])))
    for kind, words in RESULTS:
        fits(kind, luma(*words, "--json").out)


def test_every_error_fits(luma: Luma, history: None, fits: Callable[[str, str], None]) -> None:
    for words in ERRORS:
        code, _, err = luma(*words, "--json")
        assert code != 0, words
        fits("error", err.splitlines()[-1])


def test_findings_fit(luma: Luma, sandbox: Sandbox, fits: Callable[[str, str], None]) -> None:
    lines = luma("modify", DATA / "tiny-12s.mp4", "-p", "Es schneit in der Nacht", "--json").err.splitlines()
    fits("findings", next(line for line in lines if line.startswith("{")))


def test_a_single_value_has_the_schema_too(luma: Luma, sandbox: Sandbox) -> None:
    assert json.loads(luma("credits", "--json").out) == {"schema": "luma/1", "credits": 100_000}


def test_another_shape_would_be_found(luma: Luma, history: None, fits: Callable[[str, str], None]) -> None:
    task = json.loads(luma("status", "--json").out)
    for change in ({"state": "done"}, {"taskId": 5}, {"files": None}, {"more": 1}):
        with pytest.raises(jsonschema.ValidationError):
            fits("task", json.dumps({**task, **change}))
