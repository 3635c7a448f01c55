"""Links and progress for terminals that are known to take them, and for no others."""

import os
import sys
from collections.abc import Callable

import pexpect
import pytest

from luma_cli.output import terminal_codes
from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, Result

KNOWN = ("TERM_PROGRAM", "WT_SESSION", "ConEmuPID", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "VTE_VERSION", "TMUX", "STY")


@pytest.fixture(autouse=True)
def unknown_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KNOWN:
        monkeypatch.delenv(name, raising=False)


def on_a_terminal(*words: str, **environment: str) -> str:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "luma_cli", *words],
        env={**os.environ, **environment},
        encoding="utf-8",
        timeout=60,
        dimensions=(40, 200),
    )
    child.expect(pexpect.EOF)
    return str(child.before)


@pytest.mark.parametrize(
    ("environment", "links", "progress"),
    [
        ({}, False, False),
        ({"TERM_PROGRAM": "Apple_Terminal"}, False, False),
        ({"TERM_PROGRAM": "WezTerm"}, True, True),
        ({"WT_SESSION": "a"}, True, True),
        ({"VTE_VERSION": "7600"}, True, False),
        ({"TERM_PROGRAM": "vscode"}, True, False),
        ({"WT_SESSION": "a", "TMUX": "/tmp/tmux"}, False, False),
        ({"WT_SESSION": "a", "LUMA_OSC": "off"}, False, False),
    ],
    ids=str,
)
def test_a_terminal_is_known_by_what_it_says(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], links: bool, progress: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (terminal_codes.shows_links(), terminal_codes.shows_progress()) == (links, progress)


def test_a_known_terminal_gets_links_and_progress(luma: Callable[..., Result], sandbox: Sandbox) -> None:
    shown = on_a_terminal("modify", CLIP_URL, "-p", "Heavy snow", "-w", WT_SESSION="a")
    assert "\x1b]9;4;3" in shown
    assert shown.rindex("\x1b]9;4;0") > shown.rindex("\x1b]9;4;3")
    assert "\x1b]8;id=" in on_a_terminal("status", WT_SESSION="a")


def test_another_terminal_gets_neither(luma: Callable[..., Result], sandbox: Sandbox) -> None:
    for words in (["modify", CLIP_URL, "-p", "Heavy snow", "-w"], ["status"]):
        assert "\x1b]" not in on_a_terminal(*words)


def test_the_progress_is_taken_back_when_the_wait_is_stopped(sandbox: Sandbox) -> None:
    sandbox.tasks.duration = 3600
    child = pexpect.spawn(
        sys.executable,
        ["-m", "luma_cli", "modify", CLIP_URL, "-p", "Heavy snow", "-w"],
        env={**os.environ, "WT_SESSION": "a"},
        encoding="utf-8",
        timeout=60,
    )
    child.expect("generating")
    child.sendintr()
    child.expect(pexpect.EOF)
    assert "\x1b]9;4;0" in child.before


def test_the_bell_rings_only_on_wish(sandbox: Sandbox) -> None:
    words = ["modify", CLIP_URL, "-p", "Heavy snow", "-w", "--resubmit"]
    assert "\a" in on_a_terminal(*words, "--notify")
    assert "\a" not in on_a_terminal(*words)


@pytest.mark.parametrize(("share", "text"), [(None, "3"), (0.0, "1;0"), (0.5, "1;50"), (7.0, "1;100"), (-1.0, "1;0")])
def test_a_share_is_a_whole_per_cent_within_bounds(share: float | None, text: str) -> None:
    assert terminal_codes.progress(share) == f"\x1b]9;4;{text}\x1b\\"
