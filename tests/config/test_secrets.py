"""The key is seen by the two hosts that it is for, and by nobody else.

Every other test helps: conftest.py searches all outputs and files for the key, and the file host's requests for any
secret; a `.netrc` that would replace the key lies in every home.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.api.redaction import MARK, MIN_SECRET, scrub
from luma_cli.sandbox import SCENARIOS, Sandbox
from support.commands import CLIP, CLIP_URL, EDITS, KEY, Result
from support.fault_server import FaultServer, Request, redirect, reply

Luma = Callable[..., Result]
COMMANDS = [
    ["modify", CLIP, "-p", "Heavy snow", "-o", "out/"],
    ["status", "@last"],
    ["wait", "--timeout", "1s", "--interval", "1s", "-o", "out/"],
    ["download", "@last", "-f", "-o", "out/"],
    ["batch", "edits.jsonl", "-o", "out/", "--timeout", "1s"],
    ["tasks"],
    ["tasks", "show", "@last"],
    ["tasks", "adopt", "0" * 32],
    ["config", "list", "--show-origin"],
    ["upload", CLIP],
    ["credits"],
    ["help", "environment"],
    ["nosuch"],
]
# These pause for real seconds or for ever, and meet no code that the others do not.
SLOW = {"rate-limit", "maintenance", "slow", "not-visible", "never-ends"}
QUICK = [name for name in SCENARIOS if name not in SLOW and not name.startswith("callback-")]


@pytest.mark.parametrize("scenario", QUICK)
def test_no_command_shows_the_key_whatever_happens(
    luma: Luma, sandbox: Sandbox, scenario: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`no_leak` of conftest.py searches what they said and every file that they left. By turns as text and as JSON."""
    mode = [[], ["--json", "-vv"]][QUICK.index(scenario) % 2]
    monkeypatch.setenv("LUMA_DEBUG", "1")
    Path("a.mp4").write_bytes(CLIP.read_bytes())
    Path("b.mp4").write_bytes(CLIP.read_bytes())
    Path("edits.jsonl").write_text("\n".join(map(json.dumps, EDITS)))
    Path("out").mkdir()
    luma("modify", CLIP_URL, "-p", "Heavy snow")
    sandbox.scenario = scenario
    for words in COMMANDS:
        out, err = luma(*words, *mode)[1:]
        assert KEY not in out + err
    for path in Path().rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


@pytest.mark.parametrize("scenario", ["ok", "bad-key"])
def test_config_check_shows_no_key(luma: Luma, sandbox: Sandbox, scenario: str) -> None:
    sandbox.scenario = scenario
    for mode in ([], ["--json", "-vv"]):
        out, err = luma("config", "check", *mode)[1:]
        assert KEY not in out + err


def test_the_key_is_not_in_the_list_of_processes(sandbox: Sandbox) -> None:
    sandbox.tasks.duration = 3600
    command = [sys.executable, "-m", "luma_cli", "modify", CLIP_URL, "-p", "Heavy snow", "-w"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "generating" not in process.stderr.readline():
            pass
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
        process.terminate()
        process.communicate(timeout=60)
    assert lines
    assert not any(KEY.encode() in line for line in lines)


def bodies(status: int) -> list[tuple[Callable[..., None], ...]]:
    return [reply(b"no JSON", status), reply(b'{"code": %d, "msg": "%s"}' % (status, KEY.encode()), 200)]


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422, 455, 500, 501, 505, 999])
def test_a_service_that_echoes_the_key_does_not_get_it_onto_the_screen(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    for answer in bodies(status):
        with FaultServer([answer]) as server:
            monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
            for words in (["modify", CLIP_URL, "-p", "Heavy snow", "--resubmit"], ["credits"]):
                if status < 500 or words[0] == "modify":
                    out, err = luma(*words, "--json")[1:]
                    assert KEY not in out + err


ESCAPED = "".join(f"\\u{ord(character):04x}" for character in KEY)
RECORD = '{"code": 200, "data": {"taskId": "%s", "successFlag": 3, %s}}'


@pytest.mark.parametrize("key", [KEY, ESCAPED, f"\\u{ord(KEY[0]):04X}{KEY[1:]}"], ids=["plain", "escaped", "one"])
@pytest.mark.parametrize(
    ("body", "words", "code"),
    [
        ('{"code": 422, "msg": "%s"}', ["modify", CLIP_URL, "-p", "Snow", "--no-check"], 6),
        ('{"code": 500, "code": 200, "msg": "%s"}', ["modify", CLIP_URL, "-p", "Snow", "--no-check"], 12),
        ('{"code": 200, "data": {"taskId": "%s"}}', ["modify", CLIP_URL, "-p", "Snow", "--no-check"], 12),
        ('{"code": 200, "%s": 1, "data": null}', ["modify", CLIP_URL, "-p", "Snow", "--no-check"], 12),
        (RECORD % ("0" * 32, '"errorMessage": "%s"'), ["status", "0" * 32], 0),
        (RECORD % ("0" * 32, '"paramJson": "{\\"prompt\\": \\"%s\\"}"'), ["status", "0" * 32], 0),
    ],
)
def test_a_key_that_the_service_quotes_is_neither_shown_nor_kept(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, home: Path, body: str, words: list[str], code: int, key: str
) -> None:
    for written in (key, key.replace("\\", "\\\\")):  # JSON inside of JSON
        with FaultServer([reply((body % written).encode())]) as server:
            monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
            result = luma(*words, "--json", *(["--resubmit"] if words[0] == "modify" else []))

        assert result.code == code, result
        kept = (home / "state" / "tasks.db").read_bytes().decode("utf-8", "replace")
        for text in (result.out, result.err, kept):
            assert KEY not in re.sub(r"\\+u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)


@given(
    st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=MIN_SECRET, max_size=40),
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    ),
    st.integers(0, 2),
)
def test_no_text_of_a_json_value_keeps_a_secret(secret: str, around: object, depth: int) -> None:
    text: object = [secret, around, {f"a{secret}b": secret}]
    for _ in range(depth):
        text = [json.dumps(text), "".join(f"\\u{ord(character):04x}" for character in secret)]
    clean = scrub(text, secret)

    assert secret not in json.dumps(clean, ensure_ascii=False)
    for _ in range(depth):
        assert clean[1] == MARK
        if clean[0] == MARK:
            return
        try:
            clean = json.loads(clean[0])
        except ValueError:  # a secret that ended in a backslash took the escape of the quote along
            assert secret not in clean[0]
            return
    assert secret not in json.dumps(clean, ensure_ascii=False)


def test_a_word_too_short_for_a_key_is_left_in_the_text() -> None:
    assert scrub({"test": ["test.mp4"]}, "test") == {"test": ["test.mp4"]}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("words", [["modify", CLIP_URL, "-p", "Heavy snow"], ["credits"], ["status", "0" * 32]])
def test_a_redirect_of_the_api_is_never_followed(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, status: int, words: list[str]
) -> None:
    monkeypatch.setattr("luma_cli.api.client.READ_PAUSES", ())
    with FaultServer([reply(b"{}")]) as target, FaultServer([redirect(target.url("/x"), status)]) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        assert luma(*words).code in (7, 12)
        assert target.connections == 0


def test_a_result_on_another_host_and_its_redirects_get_no_secret(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    film = CLIP.read_bytes()
    with (
        FaultServer([reply(film, content_type="video/mp4")]) as last,
        FaultServer([redirect(last.url("/b.mp4"))]) as host,
    ):

        def answer(request: Request) -> tuple[Callable[..., None], ...]:
            assert request.headers["authorization"] == f"Bearer {KEY}"
            link = host.url("/a.mp4?signature=of-this-link")
            record = {"taskId": "0" * 32, "successFlag": 1, "response": {"resultUrls": [link]}}
            body = json.dumps({"code": 200, "msg": "ok", "data": record}).encode()
            return reply(body, set_cookie="session=secret")

        with FaultServer(answer) as service:
            monkeypatch.setenv("LUMA_BASE_URL", service.url("").rstrip("/"))
            code, _, err = luma("download", "0" * 32, "-o", "a.mp4", "--verbose")
            assert (code, Path("a.mp4").read_bytes() == film) == (0, True)
        for server in (host, last):
            assert server.requests
            assert KEY.encode() not in server.received
            assert b"ookie" not in server.received
            assert b"uthorization" not in server.received
    assert "of-this-link" not in err


def test_a_failing_link_is_named_without_its_signature(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_DEBUG", "1")
    with FaultServer([reply(b"", 404)]) as host:
        link = host.url("/a.mp4?signature=of-this-link")
        code, _, err = luma("download", link, "-o", "a.mp4")
    assert code == 11
    assert "of-this-link" not in err


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_ffmpeg_gets_no_key_with_its_environment(
    luma: Luma, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(f'#!/bin/sh\nenv >> {tmp_path}/seen\nexec {shutil.which("ffmpeg")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("LUMA_FFMPEG", str(program))

    assert luma("modify", CLIP, "-p", "Heavy snow", "--trim", "0:00-0:01").code == 0
    seen = (tmp_path / "seen").read_text()
    assert "LUMA_FFMPEG=" in seen
    assert "API_KEY" not in seen
    assert KEY not in seen


def test_the_editor_gets_no_key_with_its_environment(
    luma: Luma, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"sh -c 'env > {tmp_path}/seen'")

    assert luma("config", "edit").code == 0
    seen = (tmp_path / "seen").read_text()
    assert "EDITOR=" in seen
    assert "API_KEY" not in seen
