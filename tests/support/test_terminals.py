"""The terminal that tests look at luma with."""

import signal

import pytest

from support.terminals import CTRL_C, ENTER, terminal

SHELL = ["sh", "-c"]


def test_a_screen_holds_what_was_drawn_over() -> None:
    with terminal(r"printf 'one\rtwo\n\033[31mred\033[0m\n'", command=SHELL) as shown:
        assert shown.finish() == 0
        assert shown.screen == "two\nred"
        assert (shown.colour_of("red"), shown.colour_of("two")) == ("red", "default")


def test_what_has_left_the_screen_is_kept() -> None:
    with terminal("seq 30", columns=40, rows=10, command=SHELL) as shown:
        shown.finish()
        assert shown.lines[0] == "22"
        assert shown.everything.split() == [str(number) for number in range(1, 31)]


def test_a_point_in_time_is_a_text() -> None:
    with terminal("printf 'name? '; read name; printf '\\033[2J\\033[Hhello %s\\n' $name", command=SHELL) as shown:
        assert shown.wait_for("name") == "name?"
        shown.type(f"Ann{ENTER}")
        assert shown.wait_until_gone("name") == shown.wait_for("hello") == "hello Ann"


def test_the_program_learns_the_size_and_its_change() -> None:
    script = "trap 'stty size' WINCH; stty size; while read line; do exit 0; done"
    with terminal(script, columns=40, rows=15, command=SHELL) as shown:
        shown.wait_for("15 40")
        shown.resize(120, 40)
        shown.type(ENTER)
        assert "40 120" in shown.wait_for("40 120")


@pytest.mark.parametrize(("how", "code"), [("keys", 130), ("signal", 143), ("exit", 7)])
def test_the_exit_code_is_the_shells(how: str, code: int) -> None:
    script = "echo ready; read line; exit 7"
    with terminal(script, command=SHELL) as shown:
        shown.wait_for("ready")
        if how == "signal":
            shown.send_signal(signal.SIGTERM)
        else:
            shown.type(CTRL_C if how == "keys" else ENTER)
        assert shown.finish() == code


def test_a_text_that_never_comes_is_reported_with_the_screen() -> None:
    with terminal("echo something else", command=SHELL) as shown, pytest.raises(AssertionError, match="something else"):
        shown.wait_for("nothing")


def test_luma_itself_runs_in_it() -> None:
    with terminal("--version", columns=40, rows=15) as shown:
        assert shown.finish() == 0
        assert "luma" in shown.screen
