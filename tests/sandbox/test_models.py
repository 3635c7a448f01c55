"""Prices of the sandbox's models, by second and by size where they are."""

from collections.abc import Iterator

import pytest

from luma_cli.sandbox import Sandbox
from luma_cli.sandbox.files import CLIP
from luma_cli.sandbox.models import MODELS, price_of
from support.commands import KEY
from support.service import ask, create, submit, upload

HAPPYHORSE = "happyhorse/video-edit"


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(duration=0.0, api_key=KEY) as server:
        yield server


@pytest.mark.parametrize(
    ("fields", "seconds", "price"),
    [({}, 10.0, 280.0), ({"resolution": "1080p"}, 10.0, 480.0), ({}, 2.5, 70.0), ({}, None, 140.0)],
    ids=["720p", "1080p", "a fraction", "unknown length"],
)
def test_a_price_by_the_second(fields: dict[str, str], seconds: float | None, price: float) -> None:
    assert price_of(MODELS["happyhorse"], fields, seconds, {}) == price


def test_the_seconds_are_those_of_the_uploaded_clip(box: Sandbox) -> None:
    clip = upload(box, CLIP.read_bytes())  # one second
    create(box, HAPPYHORSE, video_url=clip)
    create(box, HAPPYHORSE, video_url=clip, resolution="1080p")

    assert list(box.account.charges().values()) == [28, 48]


@pytest.mark.parametrize("model", ["luma", "wan/2-7", "wan/2-7-videoedit ", "", None, 7, ["wan/2-7-videoedit"]])
def test_a_model_that_is_not_there_is_not_published(box: Sandbox, model: object) -> None:
    edit = {"prompt": "Snow", "video_url": "https://a.example/b.mp4"}

    reply = ask(box, "/api/v1/jobs/createTask", {"model": model, "input": edit})

    assert (reply.status, reply.code) == (200, 422)
    assert b"does not exist or is not published" in reply.body
    assert submit(box, "aleph").code == 200
