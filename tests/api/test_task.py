"""What a model is asked for and what its records say: one recorded fixture for each row of the table."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.api.hosts import is_link
from luma_cli.api.models import MODELS, Model, check_options, parse_options
from luma_cli.api.payload import from_api, payload_of
from luma_cli.api.task import FIELDS, Edit, State, Task, as_code, as_credits, as_links
from luma_cli.sandbox import MODELS as SERVED

ID = "5f0c9be2d7a14c0f8b1e6a3d92c47e10"
CLIP, OUT, HOOK = (
    "https://media.example.net/in.mp4",
    "https://tempfile.aiquickdraw.com/l/out.mp4",
    "https://hooks.example.net/kie",
)
RECORDED = Path(__file__).parent / "records"
EACH_MODEL = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def recorded(model: Model) -> Any:
    """Records of the model's family, which echo the documented submission."""
    text = (RECORDED / f"{model.family.record_path.split('/')[3]}.json").read_text()
    return json.loads(text.replace('"(the request)"', json.dumps(json.dumps(SERVED[model.name].example))))


@EACH_MODEL
def test_a_submission_is_the_documented_one_byte_for_byte(model: Model) -> None:
    request = SERVED[model.name].example
    inputs = request[model.family.inputs] if model.family.inputs else request
    own = {model.prompt_field, model.clip_field, model.family.callback_field, *model.watermark_fields}
    given = {name: value for name, value in inputs.items() if name not in own}
    texts = [
        f"{name}={value if isinstance(value, (str, bool)) else json.dumps(value)}"
        for name, value in given.items()
        if not isinstance(value, list)
    ]
    texts += [f"{name}={','.join(value)}" for name, value in given.items() if isinstance(value, list)]
    watermark = "mine" if model.watermark == "text" else None

    edit = Edit(inputs[model.prompt_field], CLIP, watermark, HOOK, model.name, parse_options(model, texts))

    assert json.dumps(payload_of(edit)) == json.dumps(request)
    assert check_options(model, given) == edit.options
    assert {option.name for option in model.options} == set(given), "the example names each setting"


def test_a_request_may_stand_as_text_inside_of_the_request() -> None:
    echo = json.dumps({"input": json.dumps({"prompt": "Snow", "video_url": CLIP}), "callBackUrl": HOOK})

    task = from_api({"state": "success", "param": echo}, ID, MODELS["happyhorse"])

    assert (task.prompt, task.video_url, task.callback_url) == ("Snow", CLIP, HOOK)


def test_only_fields_that_have_a_value_are_sent() -> None:
    assert payload_of(Edit("Snow", CLIP)) == {"prompt": "Snow", "videoUrl": CLIP}
    assert payload_of(Edit("Snow", CLIP, "", "")) == {"prompt": "Snow", "videoUrl": CLIP}


@EACH_MODEL
def test_a_record_of_success_is_read(model: Model) -> None:
    task = from_api(recorded(model)["success"], ID, model)
    assert (task.state, task.model, task.result_urls) == (State.SUCCEEDED, model.name, (OUT,))
    assert (task.prompt, task.video_url, task.callback_url) == ("Snow falls on the street", CLIP, HOOK)
    assert task.watermark == ("mine" if model.watermark == "text" else None)
    assert task.create_time == datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC)
    assert task.complete_time == datetime(2025, 10, 9, 8, 58, 29, tzinfo=UTC)
    assert (task.error_code, task.error_message) == (None, None)
    assert task.credits == recorded(model)["success"].get("creditsConsumed")
    assert task.origin_urls == ((CLIP,) if model.name == "luma" else ())


@EACH_MODEL
def test_a_record_of_a_task_that_goes_on_is_read(model: Model) -> None:
    assert from_api(recorded(model)["generating"], ID, model).state is State.GENERATING


@EACH_MODEL
def test_each_recorded_failure_ends_the_task(model: Model) -> None:
    for record in recorded(model)["failures"]:
        task = from_api(record, ID, model)
        assert task.has_failed, record
        assert task.error_code or task.error_message


def test_a_failed_task_that_is_said_to_have_cost_nothing_cost_0() -> None:
    record = recorded(MODELS["wan-2.7-edit"])["failures"][0]
    assert from_api(record, ID, MODELS["wan-2.7-edit"]).credits == 0.0


@pytest.mark.parametrize(
    ("value", "links"),
    [
        ([OUT], (OUT,)),
        (OUT, (OUT,)),
        (json.dumps([OUT, CLIP]), (OUT, CLIP)),
        (json.dumps([OUT, "http://["]), (OUT,)),
        *[(value, ()) for value in ("", "[]", "{}", "null", "[", json.dumps(OUT)[:-1], 7, {"a": OUT}, "http://[")],
        ("[" * 100_000, ()),
    ],
    ids=lambda value: str(value)[:20],
)
def test_links_are_a_list_a_text_that_holds_one_or_a_bare_link(value: object, links: tuple[str, ...]) -> None:
    assert as_links(value) == links
    assert from_api({"successFlag": 1, "response": {"resultUrls": value}}, ID).result_urls == links


@pytest.mark.parametrize(
    "host", ["127.0.0.1%25x.evil.test", "a b", "a\\b", "１２７.0.0.1", "a。b", "[::1%25x]", "a'b", "a|b"]
)
def test_a_host_that_is_read_in_two_ways_is_not_in_a_link(host: str) -> None:
    assert not is_link(f"https://{host}/a.mp4")


@pytest.mark.parametrize(
    ("value", "cost"),
    [
        (0, 0.0),
        (80.5, 80.5),
        ("80.0", 80.0),
        (-1, None),
        (True, None),
        ("NaN", None),
        (float("nan"), None),
        (1e300, None),
    ],
)
def test_credits_are_a_number_from_0_on(value: object, cost: float | None) -> None:
    assert as_credits(value) == cost


@pytest.mark.parametrize(
    ("value", "code"), [(0, None), ("0", None), ("", None), (None, None), ("501", 501), ("E1", "E1")]
)
def test_0_and_an_empty_text_are_no_error_code(value: object, code: object) -> None:
    assert as_code(value) == code


def test_every_field_of_the_table_is_an_attribute_of_a_task() -> None:
    task = Task(ID)
    assert all(hasattr(task, field.name) for field in FIELDS)
    assert set(Task._fields) - {field.name for field in FIELDS} <= {"files", "pieces"}


def with_result(model: Model, value: object) -> dict[str, Any]:
    """The recorded success with something else where its links stand."""
    record = recorded(model)["success"]
    *folders, name = model.family.results[0].split(".")
    if folders == ["resultJson"]:
        return {**record, "resultJson": json.dumps({name: value})}
    return {**record, folders[0]: {**record[folders[0]], name: value}}


@EACH_MODEL
@pytest.mark.parametrize(
    "value",
    [None, "", 7, {}, [], [7], "not JSON", ["ftp://a/b"], [OUT] * 101, "x" * 10**6],
    ids=lambda value: repr(value)[:20],
)
def test_a_result_without_a_usable_link_is_not_a_video(model: Model, value: object) -> None:
    task = from_api(with_result(model, value), ID, model)
    assert (task.state, task.result_urls, task.has_video) == (State.SUCCEEDED, (), False)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", f'["{OUT}"]', "[" * 10**5, json.dumps({"urls": [OUT]})])
def test_a_result_that_is_another_json_is_not_a_video(text: str) -> None:
    model = MODELS["wan-2.7-edit"]
    assert not from_api({**recorded(model)["success"], "resultJson": text}, ID, model).has_video


@EACH_MODEL
@pytest.mark.parametrize("state", [5, -1, "paused", "", None, True, 1.0, [], {}, "9" * 30], ids=repr)
def test_an_unknown_state_goes_on(model: Model, state: object) -> None:
    task = from_api({model.family.state: state}, ID, model)
    assert (task.state, task.has_ended) == (State.UNKNOWN, False)


@EACH_MODEL
@pytest.mark.parametrize("cost", [-1, 1e15, 10**30, "free", "-3", True, None, [], float("inf")], ids=repr)
def test_a_cost_that_cannot_be_one_is_unknown(model: Model, cost: object) -> None:
    assert from_api({**recorded(model)["success"], "creditsConsumed": cost}, ID, model).credits is None


@EACH_MODEL
@pytest.mark.parametrize("time", [-1, 10**30, "tomorrow", "9999-12-31", "2500-01-01", 4 * 10**17, True, {}], ids=repr)
def test_a_time_that_no_calendar_holds_is_absent(model: Model, time: object) -> None:
    task = from_api({**recorded(model)["success"], "createTime": time, "completeTime": time}, ID, model)
    assert (task.create_time, task.complete_time, task.elapsed, task.expires_at) == (None, None, None, None)


@EACH_MODEL
def test_a_task_that_ended_before_it_began_took_no_time(model: Model) -> None:
    record = recorded(model)["success"]
    begun = {"createTime": record["completeTime"], "completeTime": record["createTime"]}
    assert from_api({**record, **begun}, ID, model).elapsed == 0.0


@EACH_MODEL
@pytest.mark.parametrize(
    ("value", "code"), [("E-42", "E-42"), ("501", 501), (-7, -7), ([501], None), ({}, None), (True, None), (1.5, None)]
)
def test_an_error_code_is_a_number_or_a_text(model: Model, value: object, code: object) -> None:
    assert from_api({model.family.error_code: value}, ID, model).error_code == code


def test_a_record_of_the_jobs_family_names_its_own_model() -> None:
    record = {"model": "happyhorse/video-edit", "state": "success"}
    assert from_api(record, ID, MODELS["wan-2.7-edit"]).model == "happyhorse"
    assert from_api({"model": ["wan/2-7-videoedit"]}, ID, MODELS["happyhorse"]).model == "happyhorse"
    assert from_api(record, ID).model == "luma", "of another family"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([OUT, "http://["]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
NAMES = "state successFlag response resultJson param paramJson failCode failMsg errorCode creditsConsumed createTime"
INNER = st.dictionaries(
    st.sampled_from(["resultUrls", "resultVideoUrl", "input", "prompt", "video_url", "callBackUrl"]), JSON
)


@EACH_MODEL
@given(record=st.dictionaries(st.sampled_from(NAMES.split()), JSON | INNER | (JSON | INNER).map(json.dumps)))
def test_any_record_of_any_model_is_a_task_whose_facts_can_be_kept(model: Model, record: dict[str, Any]) -> None:
    task = from_api(record, ID, model)
    assert all(is_link(link) for link in (*task.result_urls, *task.origin_urls))
    assert not (task.has_failed and task.has_video)
    assert task.credits is None or 0 <= task.credits < 1e15
    assert all(text is None or (text and text.encode()) for text in (task.prompt, task.video_url, task.callback_url))
