"""The settings of a model that `--set NAME=VALUE` gives, each with what it may be."""

import json
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from luma_cli.api.hosts import is_link
from luma_cli.errors import UsageError

Value = str | int | bool | list[str]

MAX_TEXT = 5000

_SWITCHES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_RATIO = r"[1-9][0-9]{0,3}:[1-9][0-9]{0,3}"
# What no JSON and no journal can hold: it would fail when it is sent or written down.
UNSENDABLE = "[\0\ud800-\udfff]"


class Option(NamedTuple):
    """One setting as the vendor spells it. `kind` is one of int, bool, choice, ratio, link, links and text.

    `ranges` are the inclusive ranges of an int, `max_items` bounds a list.
    """

    name: str
    kind: str
    choices: tuple[str, ...] = ()
    ranges: tuple[tuple[int, int], ...] = ()
    max_items: int = 1

    @property
    def values(self) -> str:
        """What it may be, in a few words for help and for hints."""
        if self.choices:
            return " | ".join(self.choices)
        if self.ranges:
            return " or ".join(str(low) if low == high else f"{low} to {high}" for low, high in self.ranges)
        words = {"int": "a whole number", "bool": "true | false", "ratio": "W:H", "link": "a link", "text": "text"}
        return words.get(self.kind) or f"up to {self.max_items} links"

    def parse(self, value: object) -> Value:
        """The value as the service wants it, from what a person typed or a batch row's object holds.

        Raises:
            UsageError: it may not be that.
        """
        typed = value.strip() if isinstance(value, str) else ""
        parsed: Value | None = None
        match self.kind:
            case "int":
                parsed = self._number(int(typed) if re.fullmatch(r"-?[0-9]{1,15}", typed) else value)
            case "bool":
                parsed = value if isinstance(value, bool) else _SWITCHES.get(typed.lower())
            case "choice":
                parsed = next((choice for choice in self.choices if choice.lower() == typed.lower()), None)
            case "ratio" if re.fullmatch(_RATIO, typed):
                parsed = typed
            case "link" if _is_usable(typed):
                parsed = typed
            case "links":
                parsed = self._links(re.split(r",\s*(?=https?://)", typed) if typed else value)
            case "text" if typed and len(typed) <= MAX_TEXT and not re.search(UNSENDABLE, typed):
                parsed = typed
        if parsed is not None:
            return parsed
        shown = json.dumps(value, default=str)[:60] if not isinstance(value, str) else ascii(value[:60])
        raise UsageError(f"{self.name} cannot be {shown}", hint=f"{self.name} is {self.values}")

    def _number(self, value: object) -> int | None:
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 10**15:
            return None
        return value if not self.ranges or any(low <= value <= high for low, high in self.ranges) else None

    def _links(self, value: object) -> list[str] | None:
        """A list, or links with commas between them; a comma inside a link is part of it."""
        links = [link.strip() for link in value if isinstance(link, str)] if isinstance(value, list) else []
        is_whole = isinstance(value, list) and len(links) == len(value) and all(map(_is_usable, links))
        return links if is_whole and 1 <= len(links) <= self.max_items else None


def same_name(name: str) -> str:
    """`aspect_ratio`, `aspect-ratio` and `aspectRatio` are one name."""
    return re.sub(r"[-_]", "", name.strip()).lower()


def split_settings(text: str) -> list[str]:
    """The settings of a CSV cell, `NAME=VALUE;NAME=VALUE`; a semicolon inside a value is part of it."""
    return [part for part in re.split(r";\s*(?=[A-Za-z][A-Za-z0-9_-]*=|$)", text.strip()) if part.strip()]


def _is_usable(link: str) -> bool:
    return is_link(link) and urlsplit(link).username is None
