"""What the service would refuse with 422: the documented fields of each model, and nothing else of a request."""

from collections.abc import Callable, Mapping
from typing import Any

from luma_cli.sandbox.models import Model

MAX_REFERENCES = 5


def find_error(model: Model, params: Mapping[str, Any]) -> str | None:
    """What is wrong with a submission, in one sentence; None if the service takes it."""
    if params.get("callBackUrl") and not _is_address(params["callBackUrl"]):
        return "callBackUrl must be an absolute address"
    if model.family.name == "jobs" and not isinstance(params.get("input"), Mapping):
        return "input is required"
    edit = model.family.edit(params)
    prompt = edit.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        return "prompt is required"
    if not _is_address(edit.get(model.clip)):
        return f"{model.clip} must be an absolute address"
    given = {name: rule for name, rule in model.fields.items() if edit.get(name) is not None}
    errors = ((name, _find_wrong(edit[name], rule)) for name, rule in given.items())
    return next((f"{name} must be {wrong}" for name, wrong in errors if wrong), None)


def _find_wrong(value: object, rule: str | int | list[Any]) -> str | None:
    """What a value should be, if it is not that: a kind by its name, one of a list, or a text of so many characters."""
    if isinstance(rule, list):
        fits = not isinstance(value, bool) and value in rule
        return None if fits else f"one of {' '.join(map(str, rule))}"
    if isinstance(rule, int):
        return None if isinstance(value, str) and len(value) <= rule else f"at most {rule} characters"
    fits_kind, words = _KINDS[rule]
    return None if fits_kind(value) else words


def _is_address(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


def _are_addresses(value: object) -> bool:
    """The vendor's page does not spell the list out: one address, or up to five."""
    found = value if isinstance(value, list) else [value]
    return len(found) <= MAX_REFERENCES and all(_is_address(address) for address in found)


_KINDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "text": (lambda value: isinstance(value, str), "text"),
    "address": (_is_address, "an absolute address"),
    "addresses": (_are_addresses, f"at most {MAX_REFERENCES} absolute addresses"),
    "switch": (lambda value: isinstance(value, bool), "true or false"),
    "number": (lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number"),
}
