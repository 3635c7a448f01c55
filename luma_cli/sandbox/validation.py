"""What the service would refuse with 422: the documented fields of each family, and nothing else of a request."""

from collections.abc import Callable, Mapping
from typing import Any

MAX_WAN_PROMPT = 5000
MAX_REFERENCES = 5
RATIOS = ("16:9", "9:16", "4:3", "3:4", "1:1", "21:9")
RESOLUTIONS = ("720p", "1080p")
SOUNDS = ("auto", "origin")

Fields = Mapping[str, Any]
# Gives what is wrong with the value of a field, None if nothing is.
Rule = Callable[[Any], str | None]


def find_error(family: str, code: str, params: Fields) -> str | None:
    """What is wrong with a submission, in one sentence; None if the service takes it."""
    if params.get("callBackUrl") and not _is_address(params["callBackUrl"]):
        return "callBackUrl must be an absolute address"
    if family != "jobs":
        return _check(params, "videoUrl", _RULES[family])
    if not isinstance(params.get("input"), Mapping):
        return "input is required"
    return _check(params["input"], "video_url", _RULES[code])


def _check(fields: Fields, video: str, rules: Mapping[str, Rule]) -> str | None:
    prompt = fields.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        return "prompt is required"
    if not _is_address(fields.get(video)):
        return f"{video} must be an absolute address"
    errors = ((name, rule(fields[name])) for name, rule in rules.items() if fields.get(name) is not None)
    return next((f"{name} must be {wrong}" for name, wrong in errors if wrong), None)


def _is_address(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


def _text(value: object) -> str | None:
    return None if isinstance(value, str) else "text"


def _address(value: object) -> str | None:
    return None if _is_address(value) else "an absolute address"


def _switch(value: object) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _number(value: object) -> str | None:
    return None if isinstance(value, int) and not isinstance(value, bool) else "a whole number"


def _one_of(*choices: str) -> Rule:
    return lambda value: None if value in choices else f"one of {' '.join(choices)}"


def _wan_prompt(value: object) -> str | None:
    return None if isinstance(value, str) and len(value) <= MAX_WAN_PROMPT else f"at most {MAX_WAN_PROMPT} characters"


def _wan_duration(value: object) -> str | None:
    return "0 or 2 to 10" if _number(value) or value not in (0, *range(2, 11)) else None


def _references(value: object) -> str | None:
    """The vendor's page does not spell the list out: one address, or up to five."""
    found = value if isinstance(value, list) else [value]
    fits = len(found) <= MAX_REFERENCES and all(_is_address(address) for address in found)
    return None if fits else f"at most {MAX_REFERENCES} absolute addresses"


_RULES: dict[str, dict[str, Rule]] = {
    "luma": {"watermark": _text, "waterMark": _text},
    "aleph": {
        "waterMark": _text,
        "uploadCn": _switch,
        "aspectRatio": _one_of(*RATIOS),
        "seed": _number,
        "referenceImage": _address,
    },
    "wan/2-7-videoedit": {
        "prompt": _wan_prompt,
        "negative_prompt": _text,
        "reference_image": _address,
        "resolution": _one_of(*RESOLUTIONS),
        "aspect_ratio": _one_of(*RATIOS),
        "duration": _wan_duration,
        "prompt_extend": _switch,
        "watermark": _switch,
        "seed": _number,
        "audio_setting": _one_of(*SOUNDS),
    },
    "happyhorse/video-edit": {
        "reference_image": _references,
        "reference_images": _references,
        "reference_image_urls": _references,
        "resolution": _one_of(*RESOLUTIONS),
        "seed": _number,
        "audio_setting": _one_of(*SOUNDS),
    },
}
