"""Where the key goes, and where it never shows: what went wrong once, through the command that a user types."""

from collections.abc import Callable

import pytest

from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, KEY, Result
from support.fault_server import FaultServer, reply

Luma = Callable[..., Result]
SUBMIT = ("modify", CLIP_URL, "-p", "Heavy snow", "--no-check")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1%25x.evil.test",
        "127.0.0.1.evil.test",
        "localhost.evil.test",
        "127.0.0.1@evil.test",
        "0x7f.1%00",
    ],
)
def test_what_only_looks_like_this_machine_gets_no_key(luma: Luma, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("LUMA_BASE_URL", f"http://{host}:9")
    assert luma(*SUBMIT).code == 2


@pytest.mark.parametrize("length", [8, 20, len(KEY) - 1])
def test_a_reply_that_breaks_off_within_the_key_leaves_nothing_of_it(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, home: object, length: int
) -> None:
    with FaultServer([reply(b'{"code": 500, "msg": "bad key ' + KEY[:length].encode())]) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        done = luma(*SUBMIT, "-vv")
        shown = luma("tasks", "show", "unknown-1", "--json")
    assert done.code == 12
    assert KEY[:8] not in done.err + done.out + shown.out + shown.err


@pytest.mark.parametrize("value", ["0", "false", "no", "off"])
def test_a_switch_that_is_off_is_off(sandbox: Sandbox, luma: Luma, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("LUMA_DEBUG", value)
    done = luma("status", "0" * 32)
    assert done.code != 0
    assert "Traceback" not in done.err
