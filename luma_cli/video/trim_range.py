"""The part of a clip that `--trim` names, as people type it."""

import re
from typing import NamedTuple

from luma_cli.errors import UsageError

_CLOCK = r"(?:([0-9]{1,3}):)?([0-9]{1,5}):([0-9]{1,2}(?:[.,][0-9]{1,9})?)"
_UNITS = r"(?:([0-9]{1,4})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,9}(?:[.,][0-9]{1,9})?)s?)?"
_HINT = "write it like 5, 1:05, 0:30-0:40 or 5-12"
MAX_SECONDS = 7 * 86_400.0


class Trim(NamedTuple):
    """From `start` to `end`, in seconds; None: as long as the model takes."""

    start: float = 0.0
    end: float | None = None

    @property
    def text(self) -> str:
        """As `parse_trim` reads it."""
        return f"{self.start:.12g}" + ("" if self.end is None else f"-{self.end:.12g}")

    @property
    def duration(self) -> float | None:
        return None if self.end is None else self.end - self.start


def parse_trim(text: str) -> Trim:
    """The range of `5`, `5s`, `1:05`, `1m30s`, `5-12`, `0:30-0:40` or `5-`.

    Raises:
        UsageError: not a time, or a range that ends before it begins.
    """
    first, dash, last = (part.strip() for part in text.partition("-"))
    trim = Trim(_seconds(first, text), _seconds(last, text) if dash and last else None)
    if trim.end is not None and trim.end <= trim.start:
        raise UsageError(f"{text[:40]!a} ends before it begins", hint=_HINT)
    return trim


def _seconds(text: str, whole: str) -> float:
    if clock := re.fullmatch(_CLOCK, text):
        hours, minutes, seconds = clock.groups(default="0")
        is_time = float(seconds.replace(",", ".")) < 60 and (clock[1] is None or int(minutes) < 60)
    else:
        units = re.fullmatch(_UNITS, text) if text else None
        hours, minutes, seconds = units.groups(default="0") if units else ("0", "0", "0")
        is_time = units is not None
    total = int(hours) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
    if not is_time or total > MAX_SECONDS:
        raise UsageError(f"{whole[:40]!a} is not a time to cut at", hint=_HINT)
    return total
