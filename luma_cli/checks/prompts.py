"""Whether a prompt is one that the model can read."""

import re

from luma_cli.api.models import LUMA, Limits
from luma_cli.checks.findings import ERROR, WARNING
from luma_cli.checks.language import judge_language
from luma_cli.errors import Finding

_LANGUAGES = {"en": "English", "zh": "Chinese"}


def check_prompt(prompt: str, limits: Limits = LUMA.limits, *, allow_local: bool = False) -> list[Finding]:
    """Is there one, and is it in a language that the model reads. `allow_local`: a sandbox reads others too."""
    if not prompt.strip():
        return [Finding("prompt-empty", ERROR, "the prompt is empty", f"say {_what(limits)}: -p TEXT")]
    found = _check_length(prompt, limits)
    if allow_local and re.match(r"sandbox:[a-z]", prompt):
        return found
    if not re.search(r"[^\W_]", prompt):
        return [*found, Finding("prompt-wordless", WARNING, "the prompt has no words", f"say {_what(limits)}")]
    return found + _check_language(prompt, limits)


def _what(limits: Limits) -> str:
    return f"in {_named(limits.languages)} what to change" if limits.languages else "what to change"


def _named(languages: tuple[str, ...]) -> str:
    return " or ".join(_LANGUAGES.get(code, code) for code in languages)


def _check_length(prompt: str, limits: Limits) -> list[Finding]:
    if limits.max_prompt is None or len(prompt) <= limits.max_prompt:
        return []
    message = f"the prompt has {len(prompt):,} characters, the model takes {limits.max_prompt:,}"
    return [Finding("prompt-too-long", ERROR, message, "say it in fewer words")]


def _check_language(prompt: str, limits: Limits) -> list[Finding]:
    if not limits.languages:
        return []
    languages = _named(limits.languages)
    reader = "kie.ai" if limits.languages == ("en",) else "the model"
    hint = f"{reader} reads {languages.replace(' or ', ' and ')} only"
    match judge_language(prompt, limits.languages):
        case "script":
            return [Finding("prompt-not-english", ERROR, f"the prompt is not in {languages}", hint)]
        case "language":
            message = f"the prompt looks like another language than {languages}"
            return [Finding("prompt-not-english", WARNING, message, hint)]
    return []
