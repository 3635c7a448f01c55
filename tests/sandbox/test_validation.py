"""What each family of the sandbox takes, and what it refuses with 422."""

from collections.abc import Iterator
from typing import Any

import pytest

from luma_cli.sandbox import Sandbox
from support.commands import KEY
from support.service import MODELS, ask, submit

ADDRESS = "https://a.example/b.png"
TAKEN: dict[str, dict[str, Any]] = {
    "luma": {"watermark": "mine", "waterMark": "mine"},
    "aleph": {"waterMark": "", "uploadCn": False, "aspectRatio": "9:16", "seed": 0, "referenceImage": ADDRESS},
    "wan/2-7-videoedit": {
        "negative_prompt": "rain",
        "reference_image": ADDRESS,
        "resolution": "1080p",
        "aspect_ratio": "1:1",
        "duration": 0,
        "prompt_extend": True,
        "watermark": False,
        "seed": 7,
        "audio_setting": "origin",
    },
    "happyhorse/video-edit": {
        "reference_images": [ADDRESS] * 5,
        "resolution": "720p",
        "seed": 7,
        "audio_setting": "auto",
    },
}
REFUSED: list[tuple[str, str, Any]] = [
    ("luma", "watermark", 7),
    ("luma", "waterMark", True),
    ("aleph", "waterMark", 7),
    ("aleph", "uploadCn", "yes"),
    ("aleph", "aspectRatio", "16/9"),
    ("aleph", "seed", "7"),
    ("aleph", "seed", True),
    ("aleph", "referenceImage", "b.png"),
    ("wan/2-7-videoedit", "prompt", "s" * 5001),
    ("wan/2-7-videoedit", "negative_prompt", 7),
    ("wan/2-7-videoedit", "reference_image", "b.png"),
    ("wan/2-7-videoedit", "resolution", "480p"),
    ("wan/2-7-videoedit", "aspect_ratio", 1),
    ("wan/2-7-videoedit", "duration", 1),
    ("wan/2-7-videoedit", "duration", 11),
    ("wan/2-7-videoedit", "duration", "5"),
    ("wan/2-7-videoedit", "prompt_extend", "true"),
    ("wan/2-7-videoedit", "watermark", "mine"),
    ("wan/2-7-videoedit", "seed", 1.5),
    ("wan/2-7-videoedit", "audio_setting", "keep"),
    ("happyhorse/video-edit", "reference_images", [ADDRESS] * 6),
    ("happyhorse/video-edit", "reference_images", ["b.png"]),
    ("happyhorse/video-edit", "resolution", "4k"),
    ("happyhorse/video-edit", "seed", "seven"),
    ("happyhorse/video-edit", "audio_setting", True),
]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(duration=0.0, api_key=KEY, rate_limit=10_000) as server:
        yield server


@pytest.mark.parametrize("model", MODELS)
def test_what_a_model_documents_is_taken(box: Sandbox, model: str) -> None:
    fields = TAKEN[model]

    assert submit(box, model, **fields).code == 200
    assert [submit(box, model, **{name: value}).code for name, value in fields.items()] == [200] * len(fields)
    assert [submit(box, model, **{name: None}).code for name in fields] == [200] * len(fields)


@pytest.mark.parametrize(("model", "name", "value"), REFUSED)
def test_a_field_with_another_value_is_refused(box: Sandbox, model: str, name: str, value: Any) -> None:
    reply = submit(box, model, **{name: value})

    assert (reply.status, reply.code) == (200, 422)
    assert name.encode() in reply.body


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("value", [None, "", " \n", 7, ["Snow"]], ids=repr)
def test_no_model_edits_without_a_prompt(box: Sandbox, model: str, value: Any) -> None:
    assert submit(box, model, value).code == 422


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("value", [None, "", "in.mp4", "ftp://a.example/b.mp4", 7], ids=repr)
def test_no_model_edits_without_a_clip(box: Sandbox, model: str, value: Any) -> None:
    name = "video_url" if "/" in model else "videoUrl"

    assert submit(box, model, **{name: value}).code == 422


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
