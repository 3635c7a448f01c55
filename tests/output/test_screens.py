"""What a person sees: screens of several sizes, looked at as a terminal shows them."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, Result
from support.terminals import CTRL_C, terminal

Luma = Callable[..., Result]
SIZES = [(120, 40), (80, 24), (40, 15)]


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_luma_alone(columns: int, rows: int) -> None:
    with terminal(columns=columns, rows=rows) as shown:
        assert shown.finish() == 0
        first = shown.lines[0]
        if columns >= 60:
            assert first.startswith("try it:")
            assert shown.everything == shown.screen, "it fits"
        else:
            assert "Usage: luma" in shown.everything
            assert not re.search("[╭│╰]", shown.everything)


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_the_help_of_a_command_points_to_the_exit_codes(columns: int, rows: int) -> None:
    with terminal("wait", "--help", columns=columns, rows=rows) as shown:
        assert shown.finish() == 0
        assert "luma help exit-codes" in " ".join(shown.everything.split())


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_three_edits_at_once_are_a_line_each(luma: Luma, sandbox: Sandbox, columns: int, rows: int) -> None:
    sandbox.tasks.duration = 3600
    for name in "abc":
        luma("modify", f"{CLIP_URL}?{name}", "-p", f"Snow {name}")
    with terminal("wait", columns=columns, rows=rows) as shown:
        screen = shown.wait_for(r"(?s)generating.*generating.*generating")
        assert len(screen.splitlines()) == 3
        assert all(line.startswith("in.mp4") for line in screen.splitlines())
        shown.type(CTRL_C)
        assert shown.finish() == 130
        assert "luma: interrupted; 3 task(s) go on" in shown.everything
        assert "hint: luma wait " in shown.everything
        assert shown.shows_cursor
        assert shown.colour_of("hint:") == "cyan"


def test_a_wait_names_the_clip_beside_its_link(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow")
    with terminal("wait", columns=200) as shown:
        assert shown.finish() == 0
        assert re.fullmatch(r"http://\S+/files/\S+ +in\.mp4", shown.screen)


def test_a_batch_ends_with_what_was_done_and_what_was_not(luma: Luma, sandbox: Sandbox) -> None:
    rows = []
    for number in range(6):
        shutil.copy(CLIP, f"clip{number}.mp4")
        scenario = "sandbox:flag3 " if number in (2, 4) else ""
        rows.append({"prompt": f"{scenario}Heavy snow {number}", "video": f"clip{number}.mp4"})
    Path("edits.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with terminal("batch", "edits.jsonl", "-o", "out/", "--interval", "1s", columns=120, rows=60) as shown:
        code = shown.finish()
        screen = shown.everything
    assert code == 9, screen
    assert re.search(r"luma: 4 of 6 saved in out/, 2 failed, (\d+ credits, )?\d+s", screen), screen
    assert '{"' not in screen
    assert len(re.findall(r"^out/\S+ +clip\d\.mp4$", screen, re.M)) == 4
    assert re.findall(r"^luma: line (\d): the edit failed", screen, re.M)[-2:] == ["3", "5"]
    assert not re.search("[━╸]", screen), "no bar is left behind"


def test_an_error_has_a_colour_beside_its_word_and_none_with_no_color() -> None:
    with terminal("status", "nope") as shown:
        shown.finish()
        assert (shown.colour_of("luma: error:"), shown.colour_of("hint:")) == ("red", "cyan")
    with terminal("status", "nope", NO_COLOR="1") as shown:
        shown.finish()
        assert shown.colour_of("luma: error:") == "default"
