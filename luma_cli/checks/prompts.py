"""Whether a prompt is one that the model can read."""

import re

from luma_cli.api.models import LUMA, Limits
from luma_cli.checks.findings import ERROR, WARNING
from luma_cli.checks.language import judge_language
from luma_cli.errors import Finding

_LANGUAGES = {"en": "English", "zh": "Chinese"}


def check_prompt(prompt: str, limits: Limits = LUMA.limits, *, allow_local: bool = False) -> list[Finding]:
    """Is there one, and is it in a language that the model reads. `allow_local`: a sandbox reads others too."""
    languages = [_LANGUAGES.get(code, code) for code in limits.languages or ()]
    hint = f"say in {' or '.join(languages)} what to change" if languages else "say what to change"
    if not prompt.strip():
        return [Finding("prompt-empty", ERROR, "the prompt is empty", f"{hint}: -p TEXT")]
    found = []
    if limits.max_prompt is not None and len(prompt) > limits.max_prompt:
        message = f"the prompt has {len(prompt):,} characters, the model takes {limits.max_prompt:,}"
        found.append(Finding("prompt-too-long", ERROR, message, "say it in fewer words"))
    if allow_local and re.match(r"sandbox:[a-z]", prompt):
        return found
    if not re.search(r"[^\W_]", prompt):
        return [*found, Finding("prompt-wordless", WARNING, "the prompt has no words", hint)]
    judged = judge_language(prompt, limits.languages) if limits.languages else None
    reader = "kie.ai" if limits.languages == ("en",) else "the model"
    hint = f"{reader} reads {' and '.join(languages)} only"
    if judged == "script":
        found.append(Finding("prompt-not-english", ERROR, f"the prompt is not in {' or '.join(languages)}", hint))
    elif judged == "language":
        message = f"the prompt looks like another language than {' or '.join(languages)}"
        found.append(Finding("prompt-not-english", WARNING, message, hint))
    return found
