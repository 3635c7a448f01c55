import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.errors import UsageError
from luma_cli.video.trim_range import Trim, parse_trim


@pytest.mark.parametrize(
    ("text", "trim"),
    [
        ("0", Trim(0.0)),
        ("5", Trim(5.0)),
        ("5s", Trim(5.0)),
        ("0.5", Trim(0.5)),
        ("1,5s", Trim(1.5)),
        ("1m30s", Trim(90.0)),
        ("1:05", Trim(65.0)),
        ("1:05.25", Trim(65.25)),
        ("90:00", Trim(5400.0)),
        ("1:02:03", Trim(3723.0)),
        ("5-12", Trim(5.0, 12.0)),
        ("0:30-0:40", Trim(30.0, 40.0)),
        (" 5 - 12 ", Trim(5.0, 12.0)),
        ("5-", Trim(5.0)),
    ],
)
def test_a_range_is_written_as_people_write_times(text: str, trim: Trim) -> None:
    assert parse_trim(text) == trim


@pytest.mark.parametrize(
    "text", ["", "-", "-5", "x", "5x", "1:75", "1:60:00", "12-5", "7-7", "5-8-9", "1e3", "٣", "9999h"]
)
def test_what_is_not_a_range_is_a_wrong_call(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_trim(text)

    assert caught.value.hint == "write it like 5, 1:05, 0:30-0:40 or 5-12"


def test_a_range_knows_how_long_it_is() -> None:
    assert (Trim(5.0, 12.0).duration, Trim(5.0).duration) == (7.0, None)


@given(st.text(max_size=20) | st.from_regex(r"[0-9:.,hms-]{0,20}", fullmatch=True))
def test_any_text_is_a_range_or_a_wrong_call(text: str) -> None:
    with contextlib.suppress(UsageError):
        trim = parse_trim(text)
        assert 0 <= trim.start < 604_801
        assert trim.end is None or trim.end > trim.start
