"""The settings of a model that `--set NAME=VALUE` gives, each with what it may be."""

import json
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from luma_cli.api.hosts import is_link
from luma_cli.errors import UsageError

Value = str | int | bool | list[str]

MAX_TEXT = 5000

_SWITCHES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_RATIO = r"[1-9][0-9]{0,3}:[1-9][0-9]{0,3}"


class Option(NamedTuple):
    """One setting as the vendor spells it. `kind` is one of int, bool, choice, ratio, link, links and text.

    `ranges` are the inclusive ranges of an int, `max_items` bounds a list and `max_text` a text.
    """

    name: str
    kind: str
    choices: tuple[str, ...] = ()
    ranges: tuple[tuple[int, int], ...] = ()
    max_items: int = 1
    max_text: int = MAX_TEXT

    @property
    def values(self) -> str:
        """What it may be, in a few words for help and for hints."""
        if self.choices:
            return " | ".join(self.choices)
        if self.ranges:
            return " or ".join(str(low) if low == high else f"{low} to {high}" for low, high in self.ranges)
        if self.kind == "links":
            return f"up to {self.max_items} links"
        return {"int": "a whole number", "bool": "true | false", "ratio": "W:H", "link": "a link"}.get(
            self.kind, "text"
        )

    def parse(self, value: object) -> Value:
        """The value as the service wants it, from what a person typed or a batch row's object holds.

        Raises:
            UsageError: it may not be that.
        """
        try:
            return _PARSERS[self.kind](self, value)
        except ValueError:
            shown = json.dumps(value, default=str)[:60] if not isinstance(value, str) else ascii(value[:60])
            raise UsageError(f"{self.name} cannot be {shown}", hint=f"{self.name} is {self.values}") from None


def same_name(name: str) -> str:
    """`aspect_ratio`, `aspect-ratio` and `aspectRatio` are one name."""
    return re.sub(r"[-_]", "", name.strip()).lower()


def split_settings(text: str) -> list[str]:
    """The settings of a CSV cell, `NAME=VALUE;NAME=VALUE`; a semicolon inside a value is part of it."""
    return [part for part in re.split(r";\s*(?=[A-Za-z][A-Za-z0-9_-]*=|$)", text.strip()) if part.strip()]


def _parse_int(option: Option, value: object) -> Value:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,15}", value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 10**15:
        raise ValueError
    if option.ranges and not any(low <= value <= high for low, high in option.ranges):
        raise ValueError
    return value


def _parse_bool(_option: Option, value: object) -> Value:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.strip().lower() not in _SWITCHES:
        raise ValueError
    return _SWITCHES[value.strip().lower()]


def _parse_choice(option: Option, value: object) -> Value:
    wanted = _text(value).lower()
    for choice in option.choices:
        if choice.lower() == wanted:
            return choice
    raise ValueError


def _parse_ratio(_option: Option, value: object) -> Value:
    if not re.fullmatch(_RATIO, _text(value)):
        raise ValueError
    return _text(value)


def _parse_link(_option: Option, value: object) -> Value:
    link = _text(value)
    if not is_link(link) or urlsplit(link).username is not None:
        raise ValueError
    return link


def _parse_links(option: Option, value: object) -> Value:
    """A list, or links with commas between them; a comma inside a link is part of it."""
    links = re.split(r",\s*(?=https?://)", value.strip()) if isinstance(value, str) else value
    if not isinstance(links, list) or not 1 <= len(links) <= option.max_items:
        raise ValueError
    return [str(_parse_link(option, link)) for link in links]


def _parse_text(option: Option, value: object) -> Value:
    text = _text(value)
    if len(text) > option.max_text or "\0" in text or not _is_encodable(text):
        raise ValueError
    return text


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


_PARSERS: Mapping[str, Callable[[Option, object], Value]] = {
    "int": _parse_int,
    "bool": _parse_bool,
    "choice": _parse_choice,
    "ratio": _parse_ratio,
    "link": _parse_link,
    "links": _parse_links,
    "text": _parse_text,
}
