"""What differs between kie.ai's edit models, as data: one row each in `models.json`, whose fields these classes name.

A model of a known family is one row there and one file in `sandbox/catalogue/`.

Sources: vendor's OpenAPI pages (2026-08-19) and public clients of the platform (March to October 2026).
"""

import json
import pkgutil
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from luma_cli.api.options import Option, Value, same_name
from luma_cli.errors import UsageError, nearest

MIN_SECONDS = 1.0  # of a clip for which the vendor documents none


class Limits(NamedTuple):
    """What a model takes. Seconds, bytes and pixels; None if nothing is documented.

    `doubtful_bytes`: above it a link may fail upstream. `languages`: the prompt's, as ISO 639-1 codes. `min_side` is
    that of the shorter side, `max_side` that of the longer one. Of a longer clip aleph uses only the first 5 s.
    """

    max_seconds: float
    min_seconds: float = MIN_SECONDS
    max_link_bytes: int = 500 * 10**6
    max_upload_bytes: int = 100 * 10**6
    doubtful_bytes: int | None = 100 * 10**6
    min_side: int | None = None
    max_side: int | None = None
    min_frame_rate: float | None = None
    max_prompt: int | None = None
    languages: tuple[str, ...] | None = None
    containers: tuple[str, ...] = ("mp4", "mov", "avi")


# Source: vendor page "Get Luma Modify Details": 4 means the video was made and only the callback failed.
_FLAGS: Mapping[int | str, str] = dict(
    enumerate(("generating", "succeeded", "create_failed", "generate_failed", "succeeded"))
)


class Family(NamedTuple):
    """Addresses and record of models that share an API.

    Paths into a record are written with dots and lead through JSON that stands inside of text (`resultJson` and
    `paramJson` are such texts); of several the first that holds something counts. `states` are names of
    `task.State` for what stands in `state`. With `fails_by_error` an error code or message is a failure, whatever the
    state says: one of aleph may keep flag 0 (seen by a client). `inputs` is the member of the request that holds
    prompt, clip and settings; "" is the request itself.
    """

    submit_path: str
    record_path: str
    results: tuple[str, ...]
    inputs: str = ""
    state: str = "successFlag"
    states: Mapping[int | str, str] = _FLAGS
    sources: tuple[str, ...] = ()
    echoes: tuple[str, ...] = ("paramJson",)
    error_code: str = "errorCode"
    error_message: str = "errorMessage"
    fails_by_error: bool = False
    # The vendor's prose, code and examples of the signature name different fields.
    callback_ids: tuple[str, ...] = ("data.taskId", "data.task_id", "taskId", "task_id")
    callback_field: str = "callBackUrl"
    credits: str = "creditsConsumed"
    create_time: str = "createTime"
    complete_time: str = "completeTime"


class Model(NamedTuple):
    """One edit model: the name that users type, and what the service wants for it.

    `fixed` are the parts of a request that are always the same. `watermark_fields` take a text; if there are none, a
    watermark is only on or off by `--set`, or not offered. Of luma's two the vendor's page documents one and its
    records echo the other: both are sent. `has_sound`: its results may bring sound of their own.
    """

    name: str
    title: str
    family: Family
    limits: Limits
    prompt_field: str = "prompt"
    clip_field: str = "videoUrl"
    watermark_fields: tuple[str, ...] = ()
    fixed: Mapping[str, str] = {}
    options: tuple[Option, ...] = ()
    has_sound: bool = False
    is_priced_per_second: bool = False

    @property
    def watermark(self) -> str:
        """What a watermark is here: `text`, `switch` (by --set) or `none`."""
        if self.watermark_fields:
            return "text"
        return "switch" if any(option.name == "watermark" for option in self.options) else "none"


def _load() -> dict[str, Model]:
    text = pkgutil.get_data(__package__, "models.json") or b""  # also out of a zip file
    table = json.loads(text, object_hook=_with_tuples)
    families = {name: Family(**row) for name, row in table["families"].items()}
    return {
        name: Model(
            name,
            row.pop("title"),
            families[row.pop("family")],
            Limits(**row.pop("limits")),
            options=tuple(Option(**option) for option in row.pop("options", ())),
            **row,
        )
        for name, row in table["models"].items()
    }


def _with_tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}


MODELS = _load()
LUMA = MODELS["luma"]


def find_model(name: str) -> Model:
    """The row of a model.

    Raises:
        UsageError: there is no such model; the nearest name is in the hint.
    """
    wanted = name.strip().lower()
    if wanted in MODELS:
        return MODELS[wanted]
    near = nearest(wanted, MODELS, likeness=0.4)
    hint = f"did you mean {near}? See luma help models" if near else f"the models are {', '.join(MODELS)}"
    raise UsageError(f"there is no model {name[:60]!a}", hint=hint)


def model_of_record(record: Mapping[str, object], asked: Model) -> Model:
    """The model that a record names as its own, of the family that was asked; else the one it was asked for."""
    sisters = (model for model in MODELS.values() if model.family is asked.family and model.fixed)
    return next(
        (model for model in sisters if all(record.get(name) == value for name, value in model.fixed.items())), asked
    )


def parse_options(model: Model, settings: Iterable[str]) -> dict[str, Value]:
    """The values of `--set NAME=VALUE`, under the vendor's names. A list may be given in several settings.

    Raises:
        UsageError: a name that the model does not know, one that has an option of its own, a wrong value.
    """
    given: dict[str, object] = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator or not name.strip():
            raise UsageError(f"{setting[:60]!a} is not a setting", hint="write it like --set seed=7")
        option = _find_option(model, name)
        if option.name not in given:
            given[option.name] = value
        elif option.kind == "links":
            given[option.name] = f"{given[option.name]},{value}"
        else:
            raise UsageError(f"{option.name} is set twice", hint=f"leave one --set {option.name}=… out")
    return check_options(model, given)


def check_options(model: Model, options: Mapping[str, object]) -> dict[str, Value]:
    """The same for values that have a type already, like those of the `set` object of a batch row.

    Raises:
        UsageError: as `parse_options`.
    """
    checked: dict[str, Value] = {}
    for name, value in options.items():
        option = _find_option(model, name)
        if option.name in checked:
            raise UsageError(f"{option.name} is set twice", hint="give it once")
        checked[option.name] = option.parse(value)
    return {name: checked[name] for name in sorted(checked)}


def canonical_options(model: Model, options: Mapping[str, object]) -> str:
    """The settings as one text that is equal for equal settings, however they were spelled; "" for none.

    Raises:
        UsageError: as `check_options`.
    """
    checked = check_options(model, options)
    return json.dumps(checked, sort_keys=True, separators=(",", ":")) if checked else ""


def check_watermark(model: Model, watermark: str | None) -> None:
    """Raises UsageError for a text as watermark when the model takes none."""
    if not watermark or model.watermark == "text":
        return
    if model.watermark == "switch":
        raise UsageError(
            f"{model.name} takes no text as watermark, only on or off", hint="use --set watermark=true instead"
        )
    raise UsageError(f"{model.name} puts no watermark into its results", hint="leave --watermark out")


def describe_clip(limits: Limits) -> str:
    """What a clip may be, in a few words."""
    facts = [f"{limits.min_seconds:g} to {limits.max_seconds:g} s", f"up to {limits.max_link_bytes // 10**6} MB"]
    if limits.max_upload_bytes != limits.max_link_bytes:
        facts.append(f"{limits.max_upload_bytes // 10**6} MB as a local file")
    if limits.min_side is not None and limits.max_side is not None:
        facts.append(f"{limits.min_side} to {limits.max_side} pixels a side")
    if limits.min_frame_rate is not None:
        facts.append(f"over {limits.min_frame_rate:g} frames per second")
    return ", ".join(facts)


def describe(model: Model) -> dict[str, str]:
    """What a model takes and gives, each fact in a few words."""
    names = {"en": "English", "zh": "Chinese"}
    prompt = [" or ".join(names[language] for language in model.limits.languages)] if model.limits.languages else []
    if model.limits.max_prompt is not None:
        prompt.append(f"up to {model.limits.max_prompt} characters")
    return {
        "clip": describe_clip(model.limits),
        "prompt": ", ".join(prompt) or "no documented limit",
        "watermark": {"text": "--watermark TEXT", "switch": "--set watermark=true", "none": "none"}[model.watermark],
        "sound": "may bring its own (--set audio_setting)"
        if model.has_sound
        else "none, --audio keep adds the source's",
        "price": "per second" if model.is_priced_per_second else "per edit",
    }


def _find_option(model: Model, name: str) -> Option:
    wanted = same_name(name)
    known = {same_name(option.name): option for option in model.options}
    if wanted in known:
        return known[wanted]
    if (own := _own_options(model).get(wanted)) is not None:
        raise UsageError(f"{name.strip()} cannot be set: it has an option of its own", hint=f"use {own}")
    if near := nearest(wanted, known):
        hint = f"did you mean {known[near].name}?"
    elif known:
        hint = f"it knows {', '.join(option.name for option in model.options)}"
    else:
        hint = "it has none; luma help models lists those of the others"
    raise UsageError(f"{model.name} has no setting {name.strip()[:60]!a}", hint=hint)


def _own_options(model: Model) -> dict[str, str]:
    """What `--set` leaves to other options, by the name that the model has for it and by those of its sisters."""
    own = {"prompt": "--prompt", "model": "--model", "clip": "VIDEO"}
    for sister in MODELS.values():
        own[same_name(sister.prompt_field)] = "--prompt"
        own[same_name(sister.clip_field)] = "VIDEO"
        own[same_name(sister.family.callback_field)] = "--callback-url"
    if model.watermark == "text":
        own["watermark"] = "--watermark"
    return own
