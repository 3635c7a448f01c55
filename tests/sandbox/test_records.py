"""How tasks of each family stand, end and fail, in the shape of their family."""

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import cycle, islice
from typing import Any

import pytest

from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, KEY
from support.service import MODELS, Clock, ask, create, record, submit

JOBS = [model for model in MODELS if "/" in model]
FAILURES = {
    "flag2": (501, "Failed to create the task"),
    "flag3": (501, "Generation failed"),
    "moderation": (400, "The content was flagged by our moderation"),
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def box(clock: Clock) -> Iterator[Sandbox]:
    """Tasks take ten seconds of a time that the test moves."""
    with Sandbox(duration=10.0, api_key=KEY, clock=clock) as server:
        yield server


def ended(box: Sandbox, clock: Clock, model: str, prompt: str = "Snow falls", **fields: Any) -> dict[str, Any]:
    """The record of a task after its end."""
    task_id = create(box, model, prompt, **fields)
    clock.now += 100
    return dict(record(box, task_id, model).data)


def links(found: dict[str, Any]) -> Any:
    """The result links of a record, as a client of its family reads them."""
    if "resultJson" in found:
        return json.loads(found["resultJson"])["resultUrls"]
    reply = found["response"]
    return reply["resultUrls"] if "resultUrls" in reply else [reply["resultVideoUrl"]]


def test_luma_while_it_generates(box: Sandbox) -> None:
    task_id = create(box)

    found = record(box, task_id).data
    assert json.loads(found.pop("paramJson")) == {"prompt": "Snow falls", "videoUrl": CLIP_URL, "waterMark": ""}
    assert isinstance(found.pop("createTime"), int)
    nothing = dict.fromkeys(["completeTime", "response", "errorCode", "errorMessage"])
    assert found == {"taskId": task_id, "successFlag": 0, **nothing}


@pytest.mark.parametrize("spelling", [["watermark"], ["waterMark"], ["watermark", "waterMark"]], ids="+".join)
def test_luma_reads_either_spelling_of_the_watermark(box: Sandbox, clock: Clock, spelling: list[str]) -> None:
    found = ended(box, clock, "luma", **dict.fromkeys(spelling, "mine"))

    assert json.loads(found["paramJson"]) == {"prompt": "Snow falls", "videoUrl": CLIP_URL, "waterMark": "mine"}


def test_aleph_has_text_for_times_and_zero_for_no_error(box: Sandbox, clock: Clock) -> None:
    task_id = create(box, "aleph", waterMark="mine", seed=7)
    generating = record(box, task_id, "aleph").data
    clock.now += 10
    found = record(box, task_id, "aleph").data

    assert (generating["response"], generating["completeTime"], generating["successFlag"]) == (None, None, 0)
    for row in (generating, found):
        assert (row["taskId"], row["errorCode"], row["errorMessage"]) == (task_id, 0, "")
    times = [datetime.fromisoformat(found[name]) for name in ("createTime", "completeTime")]
    assert (times[1] - times[0]).total_seconds() == pytest.approx(10, abs=1)
    assert found["successFlag"] == 1
    assert sorted(found["response"]) == ["resultImageUrl", "resultVideoUrl", "taskId"]
    assert json.loads(found["paramJson"])["seed"] == 7
    assert ask(box, found["response"]["resultVideoUrl"]).status == 200
    assert ask(box, found["response"]["resultImageUrl"]).body.startswith(b"\x89PNG")


@pytest.mark.parametrize(("scenario", "flag"), [("flag2", 2), ("flag3", 0), ("moderation", 0)])
def test_a_failure_of_aleph_may_keep_flag_0(box: Sandbox, clock: Clock, scenario: str, flag: int) -> None:
    found = ended(box, clock, "aleph", f"sandbox:{scenario} Snow")

    assert (found["successFlag"], found["response"]) == (flag, None)
    assert (found["errorCode"], found["errorMessage"]) == FAILURES[scenario]
    assert found["completeTime"] is not None


@pytest.mark.parametrize("model", JOBS)
def test_a_job_passes_through_its_states(box: Sandbox, clock: Clock, model: str) -> None:
    task_id, begin = create(box, model), clock.now
    states = []
    for seconds in (0, 0.9, 1, 1.9, 2, 9.9, 10):
        clock.now = begin + seconds
        states.append(record(box, task_id, model).data["state"])

    assert states == ["waiting", "waiting", "queuing", "queuing", "generating", "generating", "success"]


@pytest.mark.parametrize("model", JOBS)
def test_a_job_that_succeeded(box: Sandbox, clock: Clock, model: str) -> None:
    task_id = create(box, model, seed=7)
    waiting = record(box, task_id, model).data
    clock.now += 10
    found = record(box, task_id, model).data

    assert (waiting["resultJson"], waiting["completeTime"], "creditsConsumed" in waiting) == ("", None, False)
    submission = MODELS[model][2]
    assert json.loads(found["param"]) == {**submission, "input": {**submission["input"], "seed": 7}}
    assert (found["taskId"], found["model"], found["failCode"], found["failMsg"]) == (task_id, model, "", "")
    assert found["completeTime"] - found["createTime"] == found["costTime"] == 10_000
    assert found["creditsConsumed"] == box.account.charges()[task_id] > 0
    assert ask(box, json.loads(found["resultJson"])["resultUrls"][0]).status == 200


@pytest.mark.parametrize("model", JOBS)
@pytest.mark.parametrize("scenario", FAILURES)
def test_a_job_that_failed(box: Sandbox, clock: Clock, model: str, scenario: str) -> None:
    found = ended(box, clock, model, f"sandbox:{scenario} Snow")

    assert (found["state"], found["resultJson"], found["creditsConsumed"]) == ("fail", "", 0)
    assert (int(found["failCode"]), found["failMsg"]) == FAILURES[scenario]


def test_moderation_comes_after_acceptance(box: Sandbox, clock: Clock) -> None:
    found = ended(box, clock, "luma", "sandbox:moderation Snow")

    assert found["successFlag"] == 3
    assert (found["errorCode"], found["errorMessage"]) == FAILURES["moderation"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("code", [408, 501])
def test_a_record_may_be_an_error_of_its_own_once_the_task_has_ended(
    box: Sandbox, clock: Clock, model: str, code: int
) -> None:
    task_id = create(box, model, f"sandbox:record-{code} Snow")
    assert record(box, task_id, model).code == 200

    clock.now += 10
    reply = record(box, task_id, model)
    assert (reply.status, reply.code, reply.data) == (200, code, None)


@pytest.mark.parametrize("model", MODELS)
def test_result_links_may_be_a_text_that_holds_a_list(box: Sandbox, clock: Clock, model: str) -> None:
    found = links(ended(box, clock, model, "sandbox:urls-as-text Snow"))

    text = found[0] if model == "aleph" else found
    assert isinstance(text, str)
    assert ask(box, json.loads(text)[0]).status == 200


@pytest.mark.parametrize("model", MODELS)
def test_a_task_that_never_ends_waits_until_it_is_ended_by_hand(box: Sandbox, clock: Clock, model: str) -> None:
    task_id = create(box, model, "sandbox:never-ends Snow", callBackUrl="http://127.0.0.1:1/")
    clock.now += 10**9
    waiting = record(box, task_id, model).data
    assert waiting.get("state", waiting.get("successFlag")) in ("waiting", 0)
    assert waiting["completeTime"] is None

    box.finish(task_id)
    assert len(links(record(box, task_id, model).data)) == 1


@pytest.mark.parametrize("model", MODELS)
def test_records_of_jobs_name_the_cost(clock: Clock, model: str) -> None:
    with Sandbox(duration=10.0, api_key=KEY, clock=clock, prices={model: 42}) as box:
        assert ended(box, clock, model).get("creditsConsumed") in ((42, 210) if model in JOBS else (None,))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("asked", MODELS)
def test_a_task_is_found_in_its_family_alone(box: Sandbox, model: str, asked: str) -> None:
    reply = record(box, create(box, model), asked)

    assert reply.code == (200 if MODELS[asked][1] == MODELS[model][1] else 422)


@pytest.mark.parametrize("model", MODELS)
def test_no_family_knows_a_new_task_at_once_with_not_visible(box: Sandbox, model: str) -> None:
    task_id = create(box, model, "sandbox:not-visible Snow")

    assert [record(box, task_id, model).code for _ in range(3)] == [422, 422, 200]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("scenario", "status", "code"),
    [
        ("maintenance", 200, 455),
        ("bad-key", 401, 401),
        ("http-200-401", 200, 401),
        ("rate-limit", 429, 429),
        ("no-credits", 200, 402),
        ("empty-429", 429, 429),
        ("withdrawn", 200, 422),
        ("validation-500", 200, 500),
        ("server-error", 500, 500),
    ],
)
def test_every_family_refuses_submissions_alike(
    box: Sandbox, model: str, scenario: str, status: int, code: int
) -> None:
    for reply in (submit(box, model, f"sandbox:{scenario} Snow"), refused(box, model, scenario)):
        assert (reply.status, reply.code, reply.data) == (status, code, None)
    assert box.account.charges() == {}


def refused(box: Sandbox, model: str, scenario: str) -> Any:
    box.scenario = scenario
    return submit(box, model)


@pytest.mark.parametrize("model", MODELS)
def test_no_family_is_there_when_it_is_gone(box: Sandbox, model: str) -> None:
    task_id = create(box, model)
    box.scenario = "gone"

    assert submit(box, model).status == 404
    assert record(box, "0" * 32, model).status == 404
    assert record(box, task_id, model).code == 200


def test_all_families_share_one_rate(box: Sandbox) -> None:
    codes = [submit(box, model).code for model in islice(cycle(MODELS), 24)]

    assert codes == [200] * 20 + [429] * 4
    assert len(box.submissions()) == 24


CALLBACKS = {
    "luma": (500, "Modify record generation failed."),
    "aleph": (501, "Generation failed"),
    **dict.fromkeys(JOBS, (501, "Playground task failed.")),
}


@pytest.mark.parametrize("model", MODELS)
def test_a_callback_is_in_the_shape_of_its_family(box: Sandbox, clock: Clock, model: str) -> None:
    task = box.tasks.find(create(box, model, callBackUrl="http://127.0.0.1:1/"))
    assert task is not None
    clock.now += 10
    found = record(box, task.task_id, model).data

    payload = box.tasks.callback(task, box.url)

    assert payload["code"] == 200
    if model == "luma":
        assert payload["data"] == {
            "taskId": task.task_id,
            "promptJson": found["paramJson"],
            "resultUrls": found["response"]["resultUrls"],
        }
    elif model == "aleph":
        reply = found["response"]
        assert payload["taskId"] == task.task_id
        assert payload["data"] == {
            "result_video_url": reply["resultVideoUrl"],
            "result_image_url": reply["resultImageUrl"],
        }
    else:
        assert payload["data"] == found


@pytest.mark.parametrize("model", MODELS)
def test_a_callback_of_a_failure_has_no_links(box: Sandbox, clock: Clock, model: str) -> None:
    task = box.tasks.find(create(box, model, "sandbox:flag3 Snow"))
    assert task is not None
    clock.now += 10

    payload = box.tasks.callback(task, box.url)

    assert (payload["code"], payload["msg"]) == CALLBACKS[model]
    assert box.url not in json.dumps(payload)
    assert task.task_id in (payload.get("taskId"), (payload["data"] or {}).get("taskId"))
