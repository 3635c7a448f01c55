"""Secrets out of what is shown or kept."""

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Any

from luma_cli.api.hosts import without_query

MARK = "[key]"
# No service gives out keys as short as this; taking "test" out of every text would only harm.
MIN_SECRET = 6
# A text may break off within the secret: this much of its beginning counts as all of it.
MIN_PREFIX = 8
# Half of a key, from its middle or end: less than this may be a number that has nothing to do with it.
MIN_PIECE = 16

# A character as JSON, a link or a shell may spell it.
_UNIT = r"(?s)\\+u([0-9a-fA-F]{4})|%([0-9a-fA-F]{2})|\\+|(.)"
# A link up to the next blank, and the address of a request without its host (urllib3 names it so).
_LINK = r"[A-Za-z][A-Za-z0-9+.-]*://\S+"
_QUERY = r"(?<![\w?&=:/])(/[^\s?]*)\?\S*=\S*"
_CLOSING = r"[\s'\"()<>\[\]{},.;:!]*$"


def redact(text: str, secret: str) -> str:
    """The text without the secret, any beginning of it that has 8 characters or more, or other piece that has 16.

    The beginning also in the escapes of JSON or of a link, in Base64 or as hexadecimal digits.
    """
    if len(secret) < MIN_SECRET:
        return text
    text = _cut(text, secret, MIN_PREFIX)
    if _may_hold_piece(text, secret):
        for start in range(1, len(secret) - MIN_PIECE + 1):
            text = _cut(text, secret[start:], MIN_PIECE)
    if "\\" in text or "%" in text:
        text = _cut_escaped(text, secret)
    for encoded in _encodings(secret):
        text = _cut(text, encoded, MIN_PREFIX + 2)
    return text


def _may_hold_piece(text: str, secret: str) -> bool:
    """Whether one of the blocks that a key is cut into stands in a text: each piece of two blocks holds a whole one."""
    step = MIN_PIECE // 2
    return any(secret[start : start + step] in text for start in range(0, len(secret) - step + 1, step))


def scrub(value: Any, secret: str) -> Any:
    """A JSON value without the secret in any of its texts, names of members among them.

    Raises:
        RecursionError: the value is nested too deeply.
    """
    if isinstance(value, str):
        return redact(value, secret)
    if isinstance(value, list):
        return [scrub(item, secret) for item in value]
    if isinstance(value, dict):
        return {redact(name, secret): scrub(item, secret) for name, item in value.items()}
    return value


def scrub_links(text: str) -> str:
    """A text whose links have neither query nor login, whatever follows them: a signature may hold quotes too."""
    if "://" in text:
        text = re.sub(_LINK, _bare_link, text)
    return re.sub(_QUERY, lambda found: f"{found[1]}?…{_closing(found[0])}", text) if "?" in text else text


def _bare_link(found: re.Match[str]) -> str:
    link, mark, _ = found[0].replace("#", "?", 1).partition("?")
    if not mark:
        closing = _closing(link)
        link = link[: len(link) - len(closing)]
        return (without_query(link) if "@" in link else link) + closing
    return f"{without_query(link) if '@' in link else link}?…{_closing(found[0])}"


def _closing(text: str) -> str:
    """Quotes, brackets and full stops at the end of a text: of the sentence, not of the link."""
    found = re.search(_CLOSING, text)
    return found[0] if found is not None else ""


def _cut(
    text: str, secret: str, min_prefix: int, plain: str | None = None, spans: Sequence[tuple[int, int]] = ()
) -> str:
    """The text with each long enough beginning of the secret replaced.

    `plain` is the text without its escapes, `spans` is where each character of that stands.
    """
    parts, done = [], 0
    for first, end in _find(text if plain is None else plain, secret, min_prefix):
        start, stop = (first, end) if plain is None else (spans[first][0], spans[end - 1][1])
        parts += [text[done:start], MARK]
        done = stop
    return "".join([*parts, text[done:]])


def _cut_escaped(text: str, secret: str) -> str:
    """The same for a text in whose escapes the secret may hide.

    If the secret has backslashes itself, none can be told from those of the escapes: the text is withheld as a whole.
    """
    characters, spans = [], []
    for found in re.finditer(_UNIT, text):
        hexadecimal = found[1] or found[2]
        character = chr(int(hexadecimal, 16)) if hexadecimal else found[3] or ""
        if character not in ("", "\\"):
            characters.append(character)
            spans.append(found.span())
    plain = "".join(characters)
    if "\\" in secret:
        return MARK if secret.replace("\\", "")[:MIN_PREFIX] in plain else text
    return _cut(text, secret, MIN_PREFIX, plain, spans)


def _find(text: str, secret: str, min_prefix: int) -> Iterator[tuple[int, int]]:
    """Where beginnings of the secret stand; those that overlap (`aaaaaaaaab`) are one."""
    beginning = secret[:min_prefix]
    at = text.find(beginning) if beginning else -1
    while at >= 0:
        start, end = at, at
        while 0 <= at <= end:
            end = max(end, at + _common(text, at, secret))
            at = text.find(beginning, at + 1)
        yield start, end


def _common(text: str, at: int, secret: str) -> int:
    length = 0
    while length < len(secret) and text[at + length : at + length + 1] == secret[length]:
        length += 1
    return length


def _encodings(secret: str) -> Iterator[str]:
    """The secret in hexadecimal digits, and inside of Base64, where it depends on what stands before it."""
    content = secret.encode("utf-8", "surrogatepass")
    yield content.hex()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + content).decode().rstrip("=")
        whole = encoded[(0, 2, 3)[shift] : (len(content) + shift) * 8 // 6]
        if len(whole) > MIN_PREFIX + 1:
            yield whole
            if "+" in whole or "/" in whole:
                yield whole.replace("+", "-").replace("/", "_")
