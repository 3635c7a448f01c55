"""What each family of the sandbox takes, and what it refuses with 422."""

from collections.abc import Iterator
from typing import Any

import pytest

from luma_cli.sandbox import MODELS as SERVED
from luma_cli.sandbox import Sandbox
from luma_cli.sandbox.models import Model
from support.commands import KEY
from support.service import MODELS, ask, submit

# What is never taken, by the kind of a field: of the file of each model.
WRONG: dict[str, list[Any]] = {
    "text": [7, True],
    "address": ["b.png", 7],
    "addresses": [["https://a.example/b.png"] * 6, ["b.png"]],
    "switch": ["true", 1],
    "number": ["7", True, 1.5],
}


def wrong_values(rule: Any) -> list[Any]:
    if isinstance(rule, int):
        return ["s" * (rule + 1)]
    return ["nosuch", 11, True] if isinstance(rule, list) else WRONG[rule]


REFUSED = [
    (model.code, name, value)
    for model in SERVED.values()
    for name, rule in model.fields.items()
    for value in wrong_values(rule)
]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(duration=0.0, api_key=KEY, rate_limit=10_000) as server:
        yield server


@pytest.mark.parametrize("model", SERVED.values(), ids=SERVED)
def test_what_a_model_documents_is_taken(box: Sandbox, model: Model) -> None:
    fields = {name: value for name, value in model.family.edit(model.example).items() if name in model.fields}

    assert ask(box, model.family.submit_path, model.example).code == 200
    assert {submit(box, model.code, **{name: value}).code for name, value in fields.items()} == {200}
    assert {submit(box, model.code, **{name: None}).code for name in fields.keys() - {"prompt"}} == {200}


@pytest.mark.parametrize(("model", "name", "value"), REFUSED)
def test_a_field_with_another_value_is_refused(box: Sandbox, model: str, name: str, value: Any) -> None:
    reply = submit(box, model, **{name: value})

    assert (reply.status, reply.code) == (200, 422)
    assert name.encode() in reply.body


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("value", [None, "", " \n", 7, ["Snow"]], ids=repr)
def test_no_model_edits_without_a_prompt(box: Sandbox, model: str, value: Any) -> None:
    assert submit(box, model, value).code == 422


@pytest.mark.parametrize("model", SERVED.values(), ids=SERVED)
@pytest.mark.parametrize("value", [None, "", "in.mp4", "ftp://a.example/b.mp4", 7], ids=repr)
def test_no_model_edits_without_a_clip(box: Sandbox, model: Model, value: Any) -> None:
    assert submit(box, model.code, **{model.clip: value}).code == 422


@pytest.mark.parametrize("model", MODELS)
def test_every_model_wants_an_address_to_call_back(box: Sandbox, model: str) -> None:
    assert submit(box, model, callBackUrl="kie").code == 422
    assert submit(box, model, callBackUrl="https://hooks.example.net/kie").code == 200


@pytest.mark.parametrize("given", [None, [], "Snow", 7], ids=repr)
def test_a_job_without_an_input_is_refused(box: Sandbox, given: object) -> None:
    reply = ask(box, "/api/v1/jobs/createTask", {"model": "wan/2-7-videoedit", "input": given})

    assert (reply.code, b"input is required" in reply.body) == (422, True)


def test_a_watermark_that_aleph_does_not_know_is_not_looked_at(box: Sandbox) -> None:
    assert submit(box, "aleph", watermark=7).code == 200
