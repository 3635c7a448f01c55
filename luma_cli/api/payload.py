"""A submission's body and a record's facts, as a model's row spells them."""

from collections.abc import Iterable, Mapping
from typing import Any

from luma_cli.api.models import LUMA, Family, Model, find_model, model_of_record
from luma_cli.api.task import (
    FINAL_CODES,
    Edit,
    State,
    Task,
    as_code,
    as_credits,
    as_int,
    as_link,
    as_links,
    as_text,
    as_time,
    load_json,
)


def payload_of(edit: Edit) -> dict[str, Any]:
    """The JSON body of a submission; only fields that have a value, as the vendor's sample does. Note the capital B.

    Raises:
        UsageError: there is no such model.
    """
    model = find_model(edit.model)
    family = model.family
    texts = {model.prompt_field: edit.prompt, model.clip_field: edit.video_url}
    texts |= dict.fromkeys(model.watermark_fields, edit.watermark or "")
    inputs = {**{name: text for name, text in texts.items() if text}, **edit.options}
    callback = {family.callback_field: edit.callback_url} if edit.callback_url else {}
    return {**model.fixed, **({family.inputs: inputs} if family.inputs else inputs), **callback}


def from_api(record: Mapping[str, Any], task_id: str, model: Model = LUMA) -> Task:
    """Read the `data` of a record, believing nothing: a field of the wrong type counts as absent.

    The model's row says where each fact stands and what the states mean.

    Source: vendor page "Get Luma Modify Details" for the fields, sibling pages for the looser types (times and codes
    as text, 0 and "" for "none").
    """
    model = model_of_record(record, model)
    family = model.family
    code, message = as_code(record.get(family.error_code)), as_text(record.get(family.error_message))
    echoes = [echo for path in family.echoes if isinstance(echo := _value_at(record, path), dict)]
    flag = as_int(record.get("successFlag"))
    return Task(
        task_id=task_id,
        model=model.name,
        state=_state(record, family, code, message),
        success_flag=flag,
        credits=as_credits(record.get(family.credits)),
        prompt=_first(as_text(echo.get(model.prompt_field)) for echo in echoes),
        video_url=_first(as_link(echo.get(model.clip_field)) for echo in echoes),
        watermark=_first(as_text(echo.get(name)) for echo in echoes for name in reversed(model.watermark_fields)),
        callback_url=_first(as_link(echo.get(family.callback_field)) for echo in echoes),
        create_time=as_time(record.get(family.create_time)),
        complete_time=as_time(record.get(family.complete_time)),
        result_urls=_links_at(record, family.results),
        origin_urls=_links_at(record, family.sources),
        error_code=code,
        error_message=message,
        warnings=("callback_failed",) if flag == 4 else (),
    )


def _state(record: Mapping[str, Any], family: Family, code: int | str | None, message: str | None) -> State:
    raw = record.get(family.state)
    number = as_int(raw)
    name = raw.strip().lower() if number is None and isinstance(raw, str) else number
    state = State.UNKNOWN if name is None else State(family.states.get(name, State.UNKNOWN))
    is_over = code in FINAL_CODES or (family.fails_by_error and (code is not None or message is not None))
    return State.GENERATE_FAILED if is_over and state in (State.GENERATING, State.UNKNOWN) else state


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value is not None), None)


def _links_at(record: Mapping[str, Any], paths: Iterable[str]) -> tuple[str, ...]:
    return next((links for path in paths if (links := as_links(_value_at(record, path)))), ())


def _value_at(value: Any, path: str) -> Any:
    """What stands at a dotted path, also inside of JSON that is held as text; None if nothing does."""
    for name in path.split("."):
        value = _parse_inner(value).get(name)
    if isinstance(value, str) and (inner := _parse_inner(value)):
        return inner
    return value


def _parse_inner(value: Any) -> dict[str, Any]:
    """A JSON object, or the text of one; empty if it is neither."""
    if isinstance(value, str):
        value = load_json(value)
    return value if isinstance(value, dict) else {}
