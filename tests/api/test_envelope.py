"""The service's answers and records, read strictly: any bytes, any shape, any header are a fact or a refusal."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.api.envelope import MEANINGS, Envelope, NotAnEnvelope, error_for, error_without_envelope, parse_envelope
from luma_cli.api.hosts import is_link
from luma_cli.api.payload import from_api
from luma_cli.api.task import MAX_LINKS, State, as_int, as_links, as_text, as_time, is_task_id
from luma_cli.api.transport import parse_retry_after
from luma_cli.errors import EXIT_CODES, LumaError

ID = "0123456789abcdef0123456789abcdef"
LINK = "https://files.example.net/a.mp4"
ANY_TEXT = st.text(st.characters(codec=None), max_size=30)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.sampled_from(["1", "200", LINK]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)


def envelope(body: bytes) -> Envelope | None:
    try:
        return parse_envelope(body)
    except NotAnEnvelope:
        return None


# --- envelopes ---


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_none(body: bytes) -> None:
    envelope(body)


def test_the_hint_of_the_keys_cap_says_that_it_is_a_daily_one() -> None:
    assert error_for(433, "", 200).hint == "raise it at https://kie.ai/api-key, or wait until tomorrow"


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "9" * 5000])
def test_what_is_not_a_number_is_absent(number: str) -> None:
    found = envelope(f'{{"code": 200, "data": {{"taskId": "a", "creditsConsumed": {number}}}}}'.encode())
    assert found is not None
    assert found.data == {"taskId": "a", "creditsConsumed": None}


@given(ANY_JSON)
def test_any_json_is_an_envelope_or_none(value: object) -> None:
    envelope(json.dumps(value).encode("utf-8", "surrogatepass"))


@given(st.fixed_dictionaries({}, optional={"code": ANY_JSON, "msg": ANY_JSON, "data": ANY_JSON, "extra": ANY_JSON}))
def test_an_object_is_an_envelope_exactly_if_its_code_is_an_integer_or_decimal_text(value: dict[str, object]) -> None:
    body = json.dumps(value).encode("utf-8", "surrogatepass")
    found = envelope(body)
    if found is None:
        assert as_int(value.get("code")) is None
        return
    assert found.code == as_int(value.get("code"))
    found.message.encode()  # no lone surrogate has come through
    assert not {"\0"} & set(found.message)
    assert isinstance(value.get("msg"), str) or found.message == ""


@pytest.mark.parametrize(
    ("code", "read"),
    [
        *[("200", 200), ('"200"', 200), ("-1", -1), ('"-1"', -1), ("0", 0), (str(2**63 - 1), 2**63 - 1)],
        *[(text, None) for text in ("200.0", "2e2", "true", "null", "[200]", '{"a":200}', '"200.0"', '" 200"')],
        *[
            (text, None)
            for text in ('"0x1"', '"2_0"', '"+200"', '"٢٠٠"', '""', '"1e3"', str(2**63), '"1234567890123456789"')
        ],
        *[
            (text, None)
            for text in ("NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, f'"{"9" * 5000}"', "--1", "01")
        ],
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_code_is_an_integer_or_decimal_text(code: str, read: int | None) -> None:
    found = envelope(f'{{"code": {code}, "msg": "m"}}'.encode())
    assert (found.code if found else None) == read


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":500,"code":200}',
        b'{"code":200,"data":{"taskId":"a","taskId":"b"}}',
        b'{"code":200,"data":[{"a":1,"a":1}]}',
        b'{"code":200}x',
        b'{"code":200}{"code":200}',
        b'[{"code":200}]',
        b"null",
        b"200",
        b'"200"',
        b"",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef\xbb\xbf" + b'{"code":200}',
        b'{"code":200,"msg":"\xff"}',
        b'{"code":200,"msg":"a\0b"}',
        '{"code":200}'.encode("utf-16"),
        '{"code":200}'.encode("utf-32"),
        b'{"code":200,"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"code":200,"data":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b"{'code':200}",
        b'{"code":200,}',
    ],
    ids=lambda body: ascii(body[:30]),
)
def test_what_is_not_the_documented_json_is_not_an_envelope(body: bytes) -> None:
    assert envelope(body) is None


@pytest.mark.parametrize("body", [b'\xef\xbb\xbf{"code":200}', b' \r\n\t{"code":200}\n ', b'{"CODE":1,"code":200}'])
def test_what_stands_around_an_envelope_does_no_harm(body: bytes) -> None:
    assert envelope(body) == Envelope(200, "", None)


# --- codes ---


@given(st.integers(), ANY_TEXT | st.text(min_size=300, max_size=400), st.none() | st.integers(100, 599))
def test_every_code_is_an_error_that_names_it(code: int, message: str, status: int | None) -> None:
    error = error_for(code, message, status)
    assert error.exit_code in {entry.code for entry in EXIT_CODES}
    assert f"(code {code})" in error.message
    assert (error.api_code, error.http_status) == (code, status)
    assert len(error.message) <= 240 + 100 + len(str(code))


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        *(
            (400, 6),
            (401, 4),
            (402, 10),
            (403, 4),
            (404, 6),
            (405, 6),
            (408, 7),
            (422, 6),
            (429, 7),
            (433, 10),
            (451, 6),
        ),
        *((455, 7), (500, 7), (501, 5), (505, 6), (531, 5), (550, 7), (503, 7), (599, 7), (999, 1), (0, 1), (-1, 1)),
    ],
)
def test_the_exit_codes_of_the_contract(code: int, exit_code: int) -> None:
    assert error_for(code, "", 200).exit_code == exit_code


def test_every_known_code_is_in_the_table_above() -> None:
    table = next(m for m in test_the_exit_codes_of_the_contract.pytestmark)  # type: ignore[attr-defined]
    assert set(MEANINGS) <= {code for code, _ in table.args[1]}


@given(st.integers(100, 999), ANY_TEXT)
def test_every_status_without_an_envelope_is_an_error(status: int, location: str) -> None:
    error = error_without_envelope(status, location)
    assert isinstance(error, LumaError)
    assert error.exit_code in (4, 6, 7)
    assert error.http_status == status


# --- Retry-After ---


@given(ANY_TEXT | st.from_regex(r"[-+]?[0-9.,eE٣ ]{0,40}") | st.datetimes().map(str))
def test_any_retry_after_is_none_or_seconds_from_0_on(text: str) -> None:
    pause = parse_retry_after({"Retry-After": text})
    assert pause is None or pause >= 0


@pytest.mark.parametrize(
    ("text", "pause"),
    [
        *[("3", 3), ("0", 0), (" 60 ", 60), ("300", 300), ("301", 300), ("9" * 30, 300), ("99999999", 300)],
        *[(text, None) for text in ("", "banana", "-5", "1.5", "7, 8", "9" * 5000, "٣", "1e3", "+3", "3 s", "0x10")],
        *[(text, None) for text in ("Thu, 99 Foo 2099 00:00:00 GMT", "Thu, 01 Jan 2099 99:99:99 GMT", "x" * 30)],
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 -0000", 0),
        ("Fri, 01 Jan 2999 00:00:00 GMT", 300),
        ("Fri Nov 27 20:00:00 29999999999999999999", None),
        ("Fri, 27 Nov 2026 20:00:00 +99999999999999", None),
    ],
    ids=lambda value: str(value)[:20] or "empty",
)
def test_retry_after_is_digits_or_a_date_or_nothing(text: str, pause: float | None) -> None:
    assert parse_retry_after({"Retry-After": text}) == pause


def test_no_retry_after_is_none() -> None:
    assert parse_retry_after({}) is None


@given(st.integers(-(10**6), 10**8))
def test_a_date_is_as_many_seconds_as_it_is_away(seconds: int) -> None:
    when = datetime.now(UTC) + timedelta(seconds=seconds)
    pause = parse_retry_after({"Retry-After": format_datetime(when, usegmt=True)})
    assert pause is not None
    assert min(300, max(0, seconds - 60)) <= pause <= min(300, max(0, seconds))


# --- records ---

FIELDS = (
    *("taskId", "paramJson", "completeTime", "createTime", "response", "successFlag", "errorCode", "errorMessage"),
    *("promptJson", "resultUrls"),
)
RESPONSES = st.dictionaries(st.sampled_from(["resultUrls", "originUrls", "taskId"]), ANY_JSON)


@given(
    st.dictionaries(st.sampled_from(FIELDS), ANY_JSON | RESPONSES | ANY_JSON.map(json.dumps)),
)
def test_any_record_is_a_task_whose_facts_can_be_shown_and_stored(record: dict[str, object]) -> None:
    task = from_api(record, ID)
    assert task.task_id == ID
    assert all(is_link(link) for link in (*task.result_urls, *task.origin_urls))
    for text in (task.prompt, task.video_url, task.watermark, task.callback_url, task.error_message):
        assert text is None or (text and "\0" not in text and text.encode())
    for when in (task.create_time, task.complete_time):
        assert when is None or when.tzinfo is not None
    assert task.success_flag is None or -(2**63) < task.success_flag < 2**63
    assert task.elapsed is None or task.elapsed >= 0
    assert not (task.has_failed and task.has_video)
    _ = task.expires_at


@pytest.mark.parametrize(
    ("flag", "state"),
    [
        *[(0, State.GENERATING), (1, State.SUCCEEDED), (2, State.CREATE_FAILED), (3, State.GENERATE_FAILED)],
        *[(4, State.SUCCEEDED), ("1", State.SUCCEEDED), ("0", State.GENERATING)],
        *[(flag, State.UNKNOWN) for flag in (5, 99, -1, True, False, None, 1.0, "", "one", "１", [1], {"a": 1}, 2**70)],
    ],
    ids=str,
)
def test_the_states_of_the_flags(flag: object, state: State) -> None:
    assert from_api({"successFlag": flag}, ID).state is state
    assert from_api({}, ID).state is State.UNKNOWN


MOMENT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "when"),
    [
        *[(one, MOMENT) for one in (1795428000000, "1795428000000", "2026-11-23T10:00:00Z", " 2026-11-23 10:00:00 ")],
        *[(one, MOMENT) for one in ("2026-11-23T18:00:00+08:00", "20261123T100000")],
        *[(one, None) for one in (0, -1, "", "0", None, True, 1795428000000.0, 10**15, 10**19, "NaN", "soon", [1])],
        *[(code, None) for code in ("9" * 5000, "0000-00-00 00:00:00", "9999-99-99", "0001-01-01T00:00:00+23:59")],
    ],
    ids=lambda value: str(value)[:28],
)
def test_a_time_is_milliseconds_or_iso_text(value: object, when: datetime | None) -> None:
    assert as_time(value) == when


@given(ANY_JSON)
def test_any_value_is_a_time_or_none(value: object) -> None:
    as_time(value)


@pytest.mark.parametrize(
    "value",
    [
        *["", "a b", "http://", "https:///a", "//a/b", "ftp://a/b", "javascript:alert(1)", "data:text/html,x"],
        *[
            "http://[",
            "http://[::1",
            "http://a:99999/",
            "http://a:x/",
            "http://a:0/",
            "file:///etc/passwd",
            "http://a/\n",
        ],
        *["http://a/\x1b[2J", "http://a/\u202e", "http://a/\ud800", f"http://a/{'x' * 9000}", None, 1, [LINK], True],
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_is_not_a_link(value: object) -> None:
    assert not is_link(value)
    assert as_links([value, LINK]) == (LINK,)


@pytest.mark.parametrize(("count", "taken"), [(1, 1), (MAX_LINKS, MAX_LINKS), (MAX_LINKS + 1, 0)])
def test_an_implausibly_long_list_of_links_counts_as_none(count: int, taken: int) -> None:
    assert len(as_links([LINK] * count)) == taken


@given(ANY_JSON)
def test_any_value_is_a_list_of_links_or_none(value: object) -> None:
    assert all(is_link(link) for link in as_links(value))


@given(ANY_JSON | st.from_regex(r"[A-Za-z0-9._-]{1,128}", fullmatch=True) | st.text("abc./-\n\0", max_size=130))
def test_a_task_id_is_text_of_1_to_128_plain_characters(value: object) -> None:
    plain = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
    fits = isinstance(value, str) and 1 <= len(value) <= 128 and set(value) <= plain
    assert is_task_id(value) == fits


@given(ANY_TEXT)
def test_text_keeps_what_can_be_kept_and_escapes_the_rest(text: str) -> None:
    kept = as_text(text)
    if all(ord(character) and not 0xD800 <= ord(character) <= 0xDFFF for character in text):
        assert kept == (text or None)
    else:
        assert kept is not None
        assert "\\x00" in kept or "\\ud" in kept
