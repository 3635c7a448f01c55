"""What leaves the program: cleaned text, JSON, tab-separated lines, and no way for outside text to steer anything."""

import json
import logging
import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pyte
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luma_cli.errors import FileError, KeyRejected, LumaError
from luma_cli.output import messages, streams, tables
from luma_cli.output.formats import format_bytes, format_json, format_span, format_time
from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, KEY, Result
from support.fault_server import Answer, FaultServer, envelope

Luma = Callable[..., Result]
ID = "0123456789abcdef0123456789abcdef"
LINK = "https://files.example.net/a.mp4"
STRINGS = int(os.environ.get("LUMA_TEST_STRINGS", "50"))

PIECES = [
    "\x1b[2J", "\x1b]0;title\x07", "\x1b]52;c;aGk=\x07", "\x1b]8;;file:///etc\x1b\\", "\x1bP+q\x1b\\", "\x9b2J", "\x9d",
    "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800", "\udfff", "\x00", "\x7f", "\x85", "\u2028", "\r", "\n", "\t",
    "\b",
    "[bold]", "[/b]", "[link=file:///x]", ":smile:", "::error::x", "::set-output name=a::b", "##[group]x", "##", "[",
    "%0A", "luma: error: ", "hint: ", "{", '"', "\\", "好", "e\u0301",
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(PIECES) | st.text(st.characters(), max_size=6), max_size=8).map("".join)
# P11: C0 (but for the line's own end and tab), DEL, C1, bidi controls, surrogates.
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.fixture(autouse=True)
def fresh() -> None:
    streams.reset()


@pytest.fixture
def actions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")


def shown(text: str) -> pyte.Screen:
    """A screen with our prompt in its first line, and the text printed below."""
    screen = pyte.Screen(80, 24)
    stream = pyte.Stream(screen)
    stream.feed("ours\r\n")
    stream.feed(text)
    return screen


@settings(max_examples=STRINGS * 4, deadline=None)
@given(HOSTILE)
def test_cleaned_text_is_one_printable_line(text: str) -> None:
    cleaned = streams.clean(text)

    assert FORBIDDEN.search(cleaned) is None
    assert cleaned.isprintable()
    cleaned.encode()


@settings(max_examples=STRINGS, deadline=None)
@given(HOSTILE)
def test_cleaned_text_moves_nothing_on_a_screen(text: str) -> None:
    screen = shown(streams.clean(text)[:400])

    assert screen.display[0].rstrip() == "ours"
    assert (screen.title, screen.icon_name, screen.cursor.hidden) == ("", "", False)
    assert not any(char.bold or char.reverse for row in screen.buffer.values() for char in row.values())


@settings(max_examples=STRINGS, deadline=None)
@given(HOSTILE)
def test_json_escapes_instead_of_dropping(text: str) -> None:
    line = format_json({"text": text})

    assert json.loads(line)["text"] == text
    assert re.fullmatch("[ -~]*", line)
    assert "##[" not in line


@settings(max_examples=STRINGS, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HOSTILE)
def test_in_a_step_of_github_no_text_becomes_a_command(actions: None, text: str) -> None:
    cleaned = streams.clean(text)

    assert not cleaned.lstrip().startswith("::")
    assert "##[" not in cleaned


def test_outside_of_github_colons_stay_what_they_are() -> None:
    assert streams.clean("::error::x ##[group]") == "::error::x ##[group]"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Snow 好 🎬 é", "Snow 好 🎬 é"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eabc", "\\u202eabc"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\xa0", "\\xa0"),
        ("[bold]x[/bold] :smile:", "[bold]x[/bold] :smile:"),
    ],
    ids=ascii,
)
def test_what_steers_or_hides_becomes_visible(text: str, cleaned: str) -> None:
    assert streams.clean(text) == cleaned


def test_no_invisible_character_of_unicode_comes_through() -> None:
    invisible = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    letters = [letter for letter in map(chr, range(0x110000)) if unicodedata.category(letter) in invisible]

    assert set(streams.clean("x".join(letters))).isdisjoint(letters)


def test_a_protected_key_is_in_no_text() -> None:
    streams.protect("sk-abc")
    streams.protect('quo"te\\d')

    assert streams.clean("Bearer sk-abc!") == "Bearer [key]!"
    assert streams.json_line({"msg": 'x quo"te\\d y'}) == '{"schema": "luma/1", "msg": "x [key] y"}'


def test_the_place_of_a_protected_key_is_not_a_command_of_github(actions: None) -> None:
    streams.protect("sk-abc")

    assert "##[" not in streams.clean("##sk-abc")


# --- whole commands ---


def answers(text: str) -> dict[str, Answer]:
    """The replies in which the service can put text of its own."""
    data = {
        "taskId": ID,
        "successFlag": 3,
        "errorMessage": text,
        "errorCode": text,
        "paramJson": json.dumps({"prompt": text, "videoUrl": text, "watermark": text}),
        "response": {"resultUrls": [text, LINK + text], "originUrls": [text]},
        "createTime": text,
    }
    return {
        "failed": envelope(200, data),
        "succeeded": envelope(200, {**data, "successFlag": 1}),
        "unknown": envelope(200, {**data, "successFlag": text}),
        "refused": envelope(422, None, text),
        "key refused": envelope(401, None, text),
        "odd": envelope(777, None, text),
        "wrong id": envelope(200, {**data, "taskId": text + "x"}),
    }


@settings(
    max_examples=max(STRINGS // 10, 8), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(HOSTILE, st.sampled_from(list(answers(""))))
def test_a_service_that_says_hostile_things_steers_nothing(
    luma: Luma, actions: None, monkeypatch: pytest.MonkeyPatch, text: str, kind: str
) -> None:
    """The whole way: from the wire through journal and errors to both streams, as text and as JSON."""
    with FaultServer(lambda _request: answers(text)[kind]) as server, monkeypatch.context() as patch:
        patch.setenv("LUMA_BASE_URL", server.url().rstrip("/"))
        patch.setattr("luma_cli.api.client.READ_PAUSES", ())
        results = [
            luma("status", ID),
            luma("wait", ID, "--timeout", "0") if kind in ("failed", "succeeded") else luma("status", ID, "-v"),
            luma("status", ID, "--json"),
            luma("tasks"),
            luma("tasks", "show", ID),
            luma("tasks", "show", ID, "--json"),
        ]
    for result in results:
        for line in (result.out + result.err).splitlines():
            assert FORBIDDEN.search(line) is None, ascii(line)
            assert not line.lstrip().startswith("::")
            assert "##[" not in line
        assert shown(result.err.replace("\n", "\r\n")[:800]).display[0].rstrip() == "ours"
        assert len(re.findall("^luma: error: ", result.err, re.MULTILINE)) == (result.code != 0)


MEMBERS = [
    "schema",
    "taskId",
    "model",
    "state",
    "successFlag",
    "credits",
    "prompt",
    "videoUrl",
    "watermark",
    "callbackUrl",
    "createTime",
    "completeTime",
    "elapsedSeconds",
    "resultUrls",
    "originUrls",
    "errorCode",
    "errorMessage",
    "warnings",
    "parentTaskId",
    "pieces",
    "files",
]


def test_a_task_has_the_members_of_the_contract_in_one_line(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {
        "taskId": ID,
        "successFlag": 4,
        "paramJson": json.dumps({"prompt": "Snow", "videoUrl": LINK, "waterMark": "mine", "callBackUrl": "https://h/"}),
        "createTime": 1_700_000_000_123,
        "completeTime": 1_700_000_042_623,
        "response": {"resultUrls": [LINK], "originUrls": ["https://o.example/b.mp4"]},
        "errorCode": None,
        "errorMessage": "callback timed out",
    }
    with FaultServer([envelope(200, data)]) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url().rstrip("/"))
        code, out, err = luma("status", ID, "--json")

    assert (code, err, out.count("\n")) == (0, "", 1)
    members = json.loads(out)
    assert list(members)[: len(MEMBERS)] == MEMBERS
    assert {name: members[name] for name in MEMBERS} == {
        "schema": "luma/1",
        "taskId": ID,
        "model": "luma",
        "state": "succeeded",
        "successFlag": 4,
        "credits": None,
        "prompt": "Snow",
        "videoUrl": LINK,
        "watermark": "mine",
        "callbackUrl": "https://h/",
        "createTime": "2023-11-14T22:13:20.123Z",
        "completeTime": "2023-11-14T22:14:02.623Z",
        "elapsedSeconds": 42.5,
        "resultUrls": [LINK],
        "originUrls": ["https://o.example/b.mp4"],
        "errorCode": None,
        "errorMessage": "callback timed out",
        "warnings": ["callback_failed"],
        "parentTaskId": None,
        "pieces": None,
        "files": [],
    }


def test_the_error_object_is_the_last_line_of_stderr(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([envelope(422, None, "no such task")]) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url().rstrip("/"))
        code, out, err = luma("status", ID, "--json")

    assert (code, out) == (6, "")
    assert json.loads(err.splitlines()[-1]) == {
        "schema": "luma/1",
        "error": {
            "code": "rejected",
            "message": f"kie.ai does not know the task {ID}: no such task (code 422)",
            "hint": "https://kie.ai/logs shows the ids of this account",
            "exitCode": 6,
            "apiCode": 422,
            "httpStatus": 200,
            "retryable": False,
            "taskId": ID,
        },
    }


def test_a_long_message_is_cut_to_400_characters(capsys: pytest.CaptureFixture[str]) -> None:
    messages.show_error(LumaError("\x1b" * 5000, hint="h" * 5000))

    first, second = capsys.readouterr().err.splitlines()
    assert len(first) == len("luma: error: ") + 400
    assert len(second) == len("hint: ") + 400


def test_an_error_without_a_hint_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    messages.show_error(KeyRejected("no key"))

    assert capsys.readouterr() == ("", "luma: error: no key\n")


def test_what_is_only_said_on_the_side_can_be_switched_off(capsys: pytest.CaptureFixture[str]) -> None:
    streams.configure(quiet=True)
    messages.note("something")

    assert capsys.readouterr() == ("", "")


def test_a_warning_is_said_once_and_to_the_quiet_too(capsys: pytest.CaptureFixture[str]) -> None:
    streams.configure(quiet=True)
    messages.warn_once("careful")
    messages.warn_once("careful")

    assert capsys.readouterr().err == "luma: warning: careful\n"


def test_a_field_with_a_tab_in_it_stays_one_field(capsys: pytest.CaptureFixture[str]) -> None:
    streams.emit_fields(["a\tb", None, "c\nd"])

    assert capsys.readouterr().out == "a\\tb\t\tc\\nd\n"


def test_thousands_of_lines_are_all_written(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show_lines([str(number)] for number in range(1234))

    assert capsys.readouterr().out.split() == [str(number) for number in range(1234)]


def test_a_stdout_that_is_closed_is_named_with_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)

    with pytest.raises(FileError, match=f"stdout is closed; the result is: {ID}"):
        streams.emit(ID)


def test_nobody_listening_on_stderr_is_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)

    messages.warn("x")
    messages.show_error(LumaError("y"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m00s"),
        (3599, "59m59s"),
        (3600, "1h00m"),
        (86_400, "1d"),
        (1e9, "11574d"),
    ],
)
def test_spans_for_eyes(seconds: float, text: str) -> None:
    assert format_span(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_345_678, "2.3 MB"), (5e12, "5000.0 GB")]
)
def test_sizes_for_eyes(count: float, text: str) -> None:
    assert format_bytes(count) == text


def test_no_time_is_no_text() -> None:
    assert format_time(None) == ""


def test_the_key_that_the_service_echoes_is_not_shown(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([envelope(422, None, f"Bearer {KEY} is odd")]) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url().rstrip("/"))
        results = [luma("status", ID), luma("status", ID, "--json"), luma("status", ID, "-v")]

    assert all("Bearer [key] is odd" in result.err for result in results)


def test_verbose_says_where_key_and_settings_are_from_and_where_a_download_goes_on(
    luma: Luma, sandbox: Sandbox, home: Path
) -> None:
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text('interval = "1s"\n')
    sandbox.scenario = "cut-transfer"
    err = luma("modify", CLIP_URL, "-p", "Heavy snow", "-o", "a.mp4", "-v").err

    assert f"luma: the setting interval is from {home / 'config' / 'config.toml'}\n" in err
    assert "luma: the setting base_url is from LUMA_BASE_URL\n" in err
    assert err.count("luma: the API key is from LUMA_API_KEY\n") == 1
    assert re.search(r"^luma: a\.mp4: goes on after \d+ bytes$", err, re.M)


def test_a_decision_that_is_made_again_and_again_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    streams.reset()
    streams.configure(verbosity=1)
    streams.show_log()
    for text in ("waiting", "waiting", "going on", "waiting"):
        logging.getLogger("luma_cli.journal.costs").info(text)

    assert capsys.readouterr().err.splitlines() == ["luma: waiting", "luma: going on", "luma: waiting"]
