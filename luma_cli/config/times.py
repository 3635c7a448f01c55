"""Durations and dates as users type them."""

import re
from datetime import date, datetime, timedelta
from datetime import time as time_of_day

from luma_cli.errors import UsageError

MAX_DURATION = 366 * 86400
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_PARTS = r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s?)?"
_CLOCK = r"(?:([0-9]{1,9}):(?=[0-5][0-9]:))?([0-9]{1,9}):([0-5][0-9])"


def parse_duration(text: str) -> float:
    """Seconds of `90`, `90s`, `15m`, `1h30m`, `7d`, `1:05` and `1:02:03`.

    Raises:
        UsageError: not a duration, or longer than a year.
    """
    typed = text.strip()
    parts = re.fullmatch(_CLOCK if ":" in typed else _PARTS, typed)
    if not typed or parts is None:
        raise UsageError(f"{text[:40]!a} is not a duration", hint="write it like 90, 90s, 15m, 1h30m or 1:05")
    sizes = list(_UNITS.values())[-len(parts.groups()) :]
    total = sum(int(part or 0) * size for part, size in zip(parts.groups(), sizes, strict=True))
    if total > MAX_DURATION:
        raise UsageError(f"{text[:40]!a} is longer than a year")
    return float(total)


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads back: `1h30m`, `15m`, `0s`."""
    rest, text = round(seconds), ""
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        if count:
            text += f"{count}{unit}"
    return text or "0s"


def format_age(seconds: float) -> str:
    """How long ago something was, in its largest unit: `4s`, `12m`, `3h`, `5d`."""
    unit, size = next((pair for pair in _UNITS.items() if seconds >= pair[1]), ("s", 1))
    return f"{max(1, int(seconds // size))}{unit}"


def parse_since(text: str, now: datetime) -> datetime:
    """The moment from which on `7d`, `today`, `yesterday`, `2026-11-01` or `2026-11-01T08:30` counts.

    Days are the user's local ones. `now` and the result are aware.

    Raises:
        UsageError: none of these.
    """
    typed = text.strip()
    today = now.astimezone().date()
    days = {"today": 0, "yesterday": 1}.get(typed.lower())
    try:
        if days is not None:
            return _midnight(today - timedelta(days=days))
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", typed):
            return _midnight(date.fromisoformat(typed))
        if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]", typed):
            return datetime.fromisoformat(typed).astimezone()
        return now - timedelta(seconds=parse_duration(typed))
    except (ValueError, OverflowError, OSError, UsageError) as error:
        raise UsageError(
            f"{text[:40]!a} is not a time", hint="write it like 7d, 12h, today, yesterday or 2026-11-01"
        ) from error


def _midnight(day: date) -> datetime:
    """The start of a local day, as the clocks of that day have it."""
    return datetime.combine(day, time_of_day.min).astimezone()
