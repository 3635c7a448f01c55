"""Secrets out of what is shown or kept."""

import re
from typing import Any

MARK = "[key]"
# No service gives out keys as short as this; taking "test" out of every text would only harm.
MIN_SECRET = 6

_ESCAPED = re.compile(r"\\+u([0-9a-fA-F]{4})")


def redact(text: str, secret: str) -> str:
    return text.replace(secret, MARK) if len(secret) >= MIN_SECRET else text


def scrub(value: Any, secret: str) -> Any:
    """A JSON value without the secret in any of its texts, names of members among them.

    A text that holds it in JSON's escapes, as JSON inside of JSON does, is withheld as a whole.

    Raises:
        RecursionError: the value is nested too deeply.
    """
    if isinstance(value, str):
        return _scrub_text(value, secret)
    if isinstance(value, list):
        return [scrub(each, secret) for each in value]
    if isinstance(value, dict):
        return {_scrub_text(name, secret): scrub(each, secret) for name, each in value.items()}
    return value


def _scrub_text(text: str, secret: str) -> str:
    text = redact(text, secret)
    if "\\" not in text or len(secret) < MIN_SECRET:
        return text
    meant = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text).replace("\\", "")
    return MARK if secret.replace("\\", "") in meant else text
