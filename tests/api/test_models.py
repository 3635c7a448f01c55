"""The table of models: settings by any spelling, refused before anything is sent, and described in words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.api.models import (
    LUMA,
    MODELS,
    Model,
    canonical_options,
    check_options,
    check_watermark,
    describe,
    find_model,
    parse_options,
)
from luma_cli.api.task import State
from luma_cli.errors import UsageError
from luma_cli.sandbox import MODELS as SERVED

ALEPH, WAN, HORSE = (MODELS[name] for name in ("aleph", "wan-2.7-edit", "happyhorse"))
EACH_MODEL = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def test_luma_is_the_first_and_the_default_row() -> None:
    assert next(iter(MODELS)) == LUMA.name == "luma"


def test_every_row_has_its_file_in_the_sandbox() -> None:
    assert set(MODELS) == set(SERVED)
    for name, model in MODELS.items():
        assert (model.family.submit_path, model.clip_field) == (SERVED[name].family.submit_path, SERVED[name].clip)


@pytest.mark.parametrize(("name", "near"), [("lumma", "luma"), ("wan-2.7", "wan-2.7-edit"), ("horse", "happyhorse")])
def test_an_unknown_model_is_a_usage_error_that_names_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_model(name)
    assert f"did you mean {near}?" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["luma", " Luma ", "LUMA"])
def test_a_model_is_found_in_any_case(name: str) -> None:
    assert find_model(name) is LUMA


@EACH_MODEL
def test_the_states_of_a_row_are_states_of_a_task(model: Model) -> None:
    assert {State(state) for state in model.family.states.values()} >= {State.GENERATING, State.SUCCEEDED}


@pytest.mark.parametrize("name", ["aspect_ratio", "aspect-ratio", "aspectRatio", "ASPECT_RATIO", " aspectratio "])
@pytest.mark.parametrize(("model", "spelled"), [(ALEPH, "aspectRatio"), (WAN, "aspect_ratio")], ids=["aleph", "wan"])
def test_every_spelling_of_a_name_is_that_of_the_vendor(model: Model, spelled: str, name: str) -> None:
    assert parse_options(model, [f"{name}=16:9"]) == {spelled: "16:9"}


@pytest.mark.parametrize(
    ("model", "settings", "options"),
    [
        (WAN, ["seed=7", "duration=0"], {"duration": 0, "seed": 7}),
        (WAN, ["watermark=on", "prompt_extend=False"], {"prompt_extend": False, "watermark": True}),
        (WAN, ["negative_prompt= a=b "], {"negative_prompt": "a=b"}),
        (WAN, ["resolution=1080P"], {"resolution": "1080p"}),
        (ALEPH, ["seed=-1", "uploadCn=1"], {"seed": -1, "uploadCn": True}),
        (HORSE, ["reference_image=https://a.b/x,y"], {"reference_image": ["https://a.b/x,y"]}),
        (
            HORSE,
            ["reference_image=https://a.b/1,https://a.b/2", "reference-image=https://a.b/3"],
            {"reference_image": ["https://a.b/1", "https://a.b/2", "https://a.b/3"]},
        ),
    ],
    ids=str,
)
def test_settings_become_what_the_service_wants(model: Model, settings: list[str], options: dict[str, object]) -> None:
    assert parse_options(model, settings) == options
    assert check_options(model, options) == options


@pytest.mark.parametrize(
    ("model", "setting", "hint"),
    [
        (LUMA, "seed=1", "luma help models"),
        (LUMA, "watermark=x", "use --watermark"),
        (ALEPH, "waterMark=x", "use --watermark"),
        *[(model, "prompt=x", "use --prompt") for model in MODELS.values()],
        *[(model, "videoUrl=https://a.b/", "use VIDEO") for model in MODELS.values()],
        *[(model, "callBackUrl=https://a.b/", "use --callback-url") for model in MODELS.values()],
        (WAN, "model=luma", "use --model"),
        (WAN, "sed=1", "did you mean seed?"),
        (WAN, "seed", "--set seed=7"),
        (WAN, "=1", "--set seed=7"),
        *[(WAN, f"seed={value}", "0 to 2147483647") for value in ("x", "", "1.0", "-1", "9" * 30, "1e3", "٣")],
        *[(WAN, f"duration={value}", "0 or 2 to 10") for value in ("1", "11", "-2")],
        (WAN, "watermark=maybe", "true | false"),
        (WAN, "resolution=4k", "720p | 1080p"),
        (WAN, "aspect_ratio=wide", "W:H"),
        (WAN, "reference_image=ftp://a.b/c", "a link"),
        (WAN, "reference_image=http://[", "a link"),
        (WAN, "reference_image=https://h.example:99999/x.png", "a link"),
        (WAN, "reference_image=https://１２７.0.0.1/x.png", "a link"),
        (WAN, 'reference_image=https://h"x.example/x.png', "a link"),
        (WAN, "reference_image=https://user:secret@h.example/x.png", "a link"),
        (WAN, f"negative_prompt={'x' * 5001}", "text"),
        (HORSE, "watermark=true", "it knows"),
        (HORSE, f"reference_image={','.join(['https://a.b/c'] * 6)}", "up to 5 links"),
        (ALEPH, "aspectRatio=2:1", "16:9"),
    ],
    ids=lambda value: str(value)[:24] if isinstance(value, str) else getattr(value, "name", None),
)
def test_what_a_model_does_not_take_is_refused_with_the_way_on(model: Model, setting: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_options(model, [setting])
    assert hint in (caught.value.hint or "")


def test_a_setting_given_twice_is_refused() -> None:
    for settings in (["seed=1", "seed=1"], ["aspect_ratio=1:1", "aspectRatio=16:9"]):
        with pytest.raises(UsageError, match="twice"):
            parse_options(WAN, settings)
    with pytest.raises(UsageError, match="twice"):
        check_options(WAN, {"aspect_ratio": "1:1", "aspectRatio": "1:1"})


@pytest.mark.parametrize("value", [True, 1.0, None, [], {}, "x"])
def test_a_typed_value_of_a_batch_row_is_checked_alike(value: object) -> None:
    with pytest.raises(UsageError, match="seed cannot be"):
        check_options(WAN, {"seed": value})


def test_equal_settings_have_one_canonical_text() -> None:
    one = canonical_options(WAN, {"seed": "7", "aspectRatio": "16:9"})
    assert one == canonical_options(WAN, {"aspect-ratio": "16:9", "seed": 7}) == '{"aspect_ratio":"16:9","seed":7}'
    assert canonical_options(LUMA, {}) == ""


ANY_VALUE = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.text(max_size=9))
)


@given(st.sampled_from(list(MODELS.values())), st.text(max_size=40) | st.from_regex(r"[a-zA-Z_-]{1,20}=.{0,20}"))
def test_any_setting_is_a_value_that_json_holds_or_a_usage_error(model: Model, setting: str) -> None:
    try:
        options = parse_options(model, [setting])
    except UsageError:
        return
    json.dumps(options, allow_nan=False).encode()
    assert check_options(model, options) == options


@given(st.data(), ANY_VALUE)
def test_any_value_of_a_known_name_is_taken_or_refused(data: st.DataObject, value: object) -> None:
    model = data.draw(st.sampled_from([ALEPH, WAN, HORSE]))
    option = data.draw(st.sampled_from(model.options))
    try:
        checked = check_options(model, {option.name: value})
    except UsageError:
        return
    assert canonical_options(model, checked) == canonical_options(model, {option.name: value})


@pytest.mark.parametrize(("model", "hint"), [(WAN, "--set watermark=true"), (HORSE, "leave --watermark out")])
def test_a_text_as_watermark_is_refused_if_a_model_takes_none(model: Model, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_watermark(model, "mine")
    assert hint in (caught.value.hint or "")
    check_watermark(model, "")


@pytest.mark.parametrize("model", [LUMA, ALEPH], ids=lambda model: model.name)
def test_a_text_as_watermark_is_taken_if_a_model_has_one(model: Model) -> None:
    check_watermark(model, "mine")


def test_each_model_is_described_with_its_settings() -> None:
    rows = {name: describe(model) for name, model in MODELS.items()}
    assert rows["luma"]["clip"] == "1 to 10 s, up to 500 MB, 100 MB as a local file"
    assert rows["wan-2.7-edit"]["prompt"] == "English or Chinese, up to 5000 characters"
    assert ("duration", "0 or 2 to 10") in [(option.name, option.values) for option in WAN.options]
    assert (rows["luma"]["price"], rows["happyhorse"]["price"]) == ("per edit", "per second")
