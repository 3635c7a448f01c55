"""Where the key goes, and where it never shows: what went wrong once, through the command that a user types."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, KEY, Result
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


# --- A11: the home folder ---


def test_a_path_that_begins_with_a_tilde_is_in_the_home_folder(
    sandbox: Sandbox, luma: Luma, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "key").write_text(KEY)
    (home / "key").chmod(0o600)
    (home / "Videos").mkdir()
    shutil.copy(CLIP, home / "clip.mp4")
    monkeypatch.delenv("LUMA_API_KEY")
    for name, value in {"API_KEY_FILE": "~/key", "STATE_DIR": "~/s", "CONFIG_DIR": "~/c"}.items():
        monkeypatch.setenv(f"LUMA_{name}", value)
    assert luma("config", "set", "base_url", sandbox.url).code == 0
    assert luma("config", "set", "upload_url", sandbox.url).code == 0
    assert luma("config", "set", "output_dir", "~/Videos").code == 0
    (home / "prompt.txt").write_text("Rain falls")
    (home / "rows.jsonl").write_text(json.dumps({"prompt": "Snow falls", "video": "~/clip.mp4"}))

    commands = [
        ["modify", "~/clip.mp4", "-F", "~/prompt.txt", "--output=~/x.mp4"],
        ["batch", "~/rows.jsonl", "-o", "~/batch"],
        ["download", "@last"],
        ["report", "--output=~/page.html"],
    ]
    for words in commands:
        done = luma(*words)
        assert done.code == 0, (words, done.err)
    assert not Path("~").exists()
    assert {"x.mp4", "batch", "page.html", "s", "c"} <= {path.name for path in home.iterdir()}
    assert len(list((home / "Videos").iterdir())) == 1
    assert str(home) in luma("config", "check").out
    (home / "key").unlink()


# --- C1: a key and the addresses that it was made for ---


@pytest.mark.parametrize("source", ["file", "command"])
@pytest.mark.parametrize("variable", ["LUMA_BASE_URL", "LUMA_UPLOAD_URL"])
def test_a_key_of_a_file_or_command_goes_to_no_address_of_the_environment(
    luma: Luma, home: Path, monkeypatch: pytest.MonkeyPatch, source: str, variable: str
) -> None:
    monkeypatch.delenv("LUMA_API_KEY")
    (home / "key").write_text(KEY)
    (home / "key").chmod(0o600)
    if source == "file":
        monkeypatch.setenv("LUMA_API_KEY_FILE", str(home / "key"))
    else:
        assert luma("config", "set", "api_key_command", f"cat {home}/key").code == 0
    shutil.copy(CLIP, "clip.mp4")
    with FaultServer([reply(b"{}")]) as server:
        monkeypatch.setenv(variable, server.url("").rstrip("/"))
        for words in (SUBMIT, ("modify", "clip.mp4", "-p", "Heavy snow"), ("credits",), ("upload", "clip.mp4")):
            if variable == "LUMA_BASE_URL" or "clip.mp4" in words:
                assert luma(*words).code == 4, words
        assert server.requests == []
    (home / "key").unlink()


def test_a_command_for_the_key_gets_no_other_key(
    luma: Luma, sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "key").write_text(KEY)
    monkeypatch.delenv("LUMA_API_KEY")
    monkeypatch.setenv("LUMA_WEBHOOK_KEY", "another-secret")
    luma("config", "set", "base_url", sandbox.url)
    luma("config", "set", "api_key_command", f"sh -c 'test -z \"$LUMA_WEBHOOK_KEY\" && cat {home}/key'")
    monkeypatch.delenv("LUMA_BASE_URL")
    monkeypatch.delenv("LUMA_UPLOAD_URL")
    assert luma("credits").code == 0
    (home / "key").unlink()
