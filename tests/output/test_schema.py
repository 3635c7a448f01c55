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
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER

    def check(kind: str, text: str) -> None:
        lines = [line for line in text.splitlines() if line.startswith("{")]
        assert lines
        for line in lines:
            value = json.loads(line)
            jsonschema.validate(value, schema, format_checker=checker)
            whole = {**schema["$defs"][kind], "$defs": schema["$defs"], "unevaluatedProperties": False}
            jsonschema.validate(value, with_schema_key(whole), format_checker=checker)

    return check


def with_schema_key(kind: dict[str, Any]) -> dict[str, Any]:
    return {**kind, "properties": {"schema": {"const": "luma/1"}, **kind["properties"]}}


@pytest.fixture
def history(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP, "-p", "Heavy snow", "--watermark", "mine", "-o", "a.mp4")
    luma("modify", CLIP_URL, "-p", "sandbox:flag3 Heavy snow", "-w")
    luma("modify", CLIP_URL, "-p", "sandbox:flag4 Heavy snow", "-w")
    luma("modify", CLIP_URL, "-p", "sandbox:lost-answer Heavy snow")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
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
    ],
    ids=lambda value: " ".join(map(str, value[:2])) if isinstance(value, list) else value,
)
def test_a_result_fits(
    luma: Luma, history: None, fits: Callable[[str, str], None], kind: str, words: list[object]
) -> None:
    for name in ("a", "b"):
        Path(f"{name}.mp4").unlink(missing_ok=True)
        Path(f"{name}.mp4").write_bytes(CLIP.read_bytes()) if kind == "entry" else None
    Path("edits.jsonl").write_text("\n".join(map(json.dumps, [*EDITS, {"prompt": "Snow", "video": "none.mp4"}])))
    fits(kind, luma(*words, "--json").out)


@pytest.mark.parametrize(
    "words",
    [
        ["nosuch"],
        ["status", "nosuch"],
        ["modify", "none.mp4", "-p", "Snow"],
        ["modify", CLIP_URL, "-p", "sandbox:no-credits Snow"],
        ["modify", CLIP_URL, "-p", "sandbox:garbage Snow"],
        ["wait", "@2", "-o", "none/a.mp4"],
    ],
    ids=" ".join,
)
def test_an_error_fits(luma: Luma, history: None, fits: Callable[[str, str], None], words: list[str]) -> None:
    code, _, err = luma(*words, "--json")
    assert code != 0
    fits("error", err.splitlines()[-1])


def test_findings_fit(luma: Luma, sandbox: Sandbox, fits: Callable[[str, str], None]) -> None:
    lines = luma("modify", DATA / "tiny-12s.mp4", "-p", "Es schneit in der Nacht", "--json").err.splitlines()
    fits("findings", next(line for line in lines if line.startswith("{")))


def test_a_single_value_has_the_schema_too(luma: Luma, sandbox: Sandbox) -> None:
    assert json.loads(luma("credits", "--json").out) == {"schema": "luma/1", "credits": 100_000}


@pytest.mark.parametrize("change", [{"state": "done"}, {"taskId": 5}, {"files": None}, {"more": 1}])
def test_another_shape_would_be_found(
    luma: Luma, history: None, fits: Callable[[str, str], None], change: dict[str, object]
) -> None:
    task = json.loads(luma("status", "--json").out)
    with pytest.raises(jsonschema.ValidationError):
        fits("task", json.dumps({**task, **change}))
