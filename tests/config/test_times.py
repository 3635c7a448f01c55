"""Durations and dates as users type them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.config.times import format_age, format_duration, parse_duration, parse_since
from luma_cli.errors import UsageError

NOW = datetime(2026, 11, 28, 15, 0, tzinfo=UTC)


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1:05", 65), ("0:30", 30), ("90:00", 5400), ("1:02:03", 3723), (" 15m ", 900), ("1d2h", 93600)],
)
def test_a_duration_may_be_written_as_a_clock_shows_it(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "duration", "age"),
    [(0, "0s", "1s"), (65, "1m5s", "1m"), (7 * 86400, "7d", "7d"), (90000, "1d1h", "1d"), (86399, "23h59m59s", "23h")],
)
def test_a_time_is_written_with_few_words(seconds: int, duration: str, age: str) -> None:
    assert (format_duration(seconds), format_age(seconds)) == (duration, age)


@pytest.mark.parametrize(
    "text", ["", ":05", "1:", "1:5", "1:60", "1:2:3", "1:60:00", "-1", "1.5", "٣s", "1:05s", "400d"]
)
def test_what_no_clock_shows_is_not_a_duration(text: str) -> None:
    with pytest.raises(UsageError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("today", datetime(2026, 11, 28, 15, 0, tzinfo=UTC)),
        ("Yesterday", datetime(2026, 11, 27, 15, 0, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 10, 31, 15, 0, tzinfo=UTC)),
        ("2026-11-01T08:30", datetime(2026, 10, 31, 23, 30, tzinfo=UTC)),
        ("2026-11-01 08:30Z", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("7d", NOW - timedelta(days=7)),
        ("90m", NOW - timedelta(minutes=90)),
    ],
)
def test_a_day_begins_at_local_midnight(in_tokyo: None, text: str, moment: datetime) -> None:
    """15:00 UTC is midnight in Tokyo: a new day has just begun."""
    assert parse_since(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01", "2026-02-30", "01.11.2026", "last week", "0000-01-01"])
def test_what_is_not_a_time_says_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time") as caught:
        parse_since(text, NOW)
    assert "yesterday" in str(caught.value.hint)


@given(st.text() | st.dates().map(str) | st.datetimes().map(str))
def test_any_text_is_a_time_or_a_usage_error(text: str) -> None:
    try:
        assert parse_since(text, NOW).tzinfo is not None
    except UsageError:
        pass
