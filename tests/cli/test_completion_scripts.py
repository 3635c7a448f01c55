"""A Tab in each real shell, and what it brings."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pyte
import pytest
import typer.main
from command_tree import read_tree

from luma_cli.cli import help_topics
from luma_cli.cli.main import COMMANDS, app
from luma_cli.config.folders import state_folder
from luma_cli.config.prompt_names import prompt_names
from luma_cli.journal.recent_ids import recent_ids
from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, ROOT, Result

FOLDER = ROOT / "luma_cli" / "cli" / "completions"
SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"], f"PS1='$ '; source {FOLDER}/luma.bash"),
    "zsh": (["-f", "-i"], f"PS1='$ '; fpath=({FOLDER} $fpath); autoload -U compinit; compinit -u -D"),
    "fish": (["--no-config", "-i"], f"function fish_prompt; echo '$ '; end; source {FOLDER}/luma.fish"),
}
TREE = read_tree(typer.main.get_command(app))


class Terminal:
    """A shell on a terminal of 200 columns, and its screen as a person sees it."""

    def __init__(self, shell: str) -> None:
        words, setup = SHELLS[shell]
        self.shell = shell
        self._screen = pyte.Screen(200, 50)
        self._stream = pyte.Stream(self._screen)
        self._child = pexpect.spawn(shell, words, dimensions=(50, 200), encoding="utf-8", timeout=30)
        self.type(f"{setup}; echo ready-{'$'}((6 * 7))\r" if shell != "fish" else f"{setup}; echo ready-(math 6 x 7)\r")
        self.see("ready-42")

    def type(self, text: str) -> None:
        self._child.send(text)

    def list_for(self, text: str) -> None:
        """Ask for all that fits; a second Tab would make zsh take the first."""
        self.type(f"{text}\t" if self.shell == "zsh" else f"{text}\t\t")

    def see(self, *wanted: str) -> str:
        """Wait until all of this stands on the screen."""
        while not all(text in (shown := "\n".join(self._screen.display)) for text in wanted):
            try:
                self._stream.feed(self._child.read_nonblocking(4096, timeout=30))
            except (pexpect.TIMEOUT, pexpect.EOF):
                pytest.fail(f"{wanted} not on the screen:\n{shown.rstrip()}")
        return shown

    def close(self) -> None:
        self._child.close(force=True)


@pytest.fixture(params=SHELLS)
def terminal(
    request: pytest.FixtureRequest, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    programs = home / "bin"
    programs.mkdir()
    (programs / "luma").write_text(f'#!/bin/sh\nexec {sys.executable} -m luma_cli "$@"\n')
    (programs / "luma").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    shutil.copy(CLIP, tmp_path / "clip.mp4")
    shown = Terminal(request.param)
    yield shown
    shown.close()


COMPLETED = [
    ("luma mod", "luma modify"),
    ("luma tasks ado", "luma tasks adopt"),
    ("luma wait --fail", "luma wait --fail-fast"),
    ("luma config get time", "luma config get timeout"),
    ("luma sandbox --scenario not", "luma sandbox --scenario not-visible"),
    ("luma completion po", "luma completion powershell"),
    ("luma help exi", "luma help exit-codes"),
    ("luma help prom", "luma help prompts"),
    ("luma help modi", "luma help modify"),
    ("luma config unset daily", "luma config unset daily_credits"),
    ("luma modify cl", "luma modify clip.mp4"),
    ("kie-luma mod", "kie-luma modify"),
]


def test_a_tab_completes(terminal: Terminal) -> None:
    for typed, seen in COMPLETED:
        terminal.type(f"{typed}\t")
        terminal.see(f"$ {seen}")
        terminal.type("\x15")  # Ctrl-U: an empty line again


def test_a_tab_lists_what_fits(terminal: Terminal) -> None:
    terminal.type("luma sandbox --scenario flag\t\t")
    terminal.see("flag2", "flag3", "flag4")


def test_a_tab_completes_the_id_of_a_task(luma: Callable[..., Result], sandbox: Sandbox, terminal: Terminal) -> None:
    task_id = luma("modify", CLIP, "-p", "Heavy snow").out.strip()
    terminal.type(f"luma wait {task_id[:6]}\t")
    terminal.see(f"$ luma wait {task_id}")


def test_a_task_is_offered_with_its_clip_and_prompt_beside_it(
    luma: Callable[..., Result], sandbox: Sandbox, terminal: Terminal
) -> None:
    first = luma("modify", CLIP, "-p", "Heavy snow").out.strip()
    second = luma("modify", CLIP, "-p", "Light rain: at dusk").out.strip()
    terminal.list_for("luma wait ")
    screen = terminal.see("@last", first, second)
    assert screen.index("@last") < screen.index(second) < screen.index(first)
    assert screen.count(first) == screen.count(second) == 1
    if terminal.shell != "bash":  # which shows words alone
        assert "street.mp4: Heavy snow" in screen
        assert "street.mp4: Light rain: at dusk" in screen


def test_a_tab_behind_an_at_sign_offers_tasks_and_kept_prompts(
    luma: Callable[..., Result], sandbox: Sandbox, terminal: Terminal
) -> None:
    luma("modify", CLIP, "-p", "Heavy snow")
    luma("config", "set", "prompt.snow", "Heavy snow falls at night")
    terminal.type("luma wait @la\t")
    terminal.see("$ luma wait @last")
    terminal.type("\x15luma modify -p @sn\t")
    terminal.see("$ luma modify -p @snow")
    terminal.type("\x15luma config get prompt.s\t")
    terminal.see("$ luma config get prompt.snow")


def test_words_come_before_options_and_options_behind_a_dash(terminal: Terminal) -> None:
    terminal.list_for("luma config ")
    screen = terminal.see("unset", "check")
    assert "--verbose" not in screen
    terminal.list_for("\x15luma config -")
    assert terminal.see("--verbose", "--help").count("--verbose") == 1


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.iterdir()))
def test_a_script_names_every_command_and_every_long_option(name: str) -> None:
    text = (FOLDER / name).read_text()
    assert [command for command in COMMANDS if command not in text] == []
    flags = {flag for command in TREE.walk() for option in command.options for flag in option.flags if len(flag) > 2}
    plain = text if name != "luma.fish" else text.replace(" -l ", " --")
    assert [flag for flag in flags if flag not in plain and flag.strip("-") not in plain] == []


@pytest.mark.parametrize(
    ("shell", "name"), [("bash", "luma.bash"), ("zsh", "_luma"), ("fish", "luma.fish"), ("powershell", "luma.ps1")]
)
def test_the_command_prints_the_script_as_it_is(luma: Callable[..., Result], shell: str, name: str) -> None:
    assert luma("completion", shell).out == (FOLDER / name).read_text()


@pytest.mark.parametrize("name", ["st#ate", "st?ate", "st%41ate"])
def test_a_tab_reads_a_journal_in_a_folder_of_any_name(
    luma: Callable[..., Result], sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("LUMA_STATE_DIR", str(tmp_path / name))
    task_id = luma("modify", CLIP_URL, "-p", "Heavy snow").out.strip()

    assert recent_ids(state_folder()) == ["@last", task_id]


def test_another_shell_is_refused(luma: Callable[..., Result]) -> None:
    done = luma("completion", "tcsh")
    assert (done.code, done.out) == (2, "")
    assert "no completion for 'tcsh'" in done.err


def test_the_script_for_powershell_is_read_by_it() -> None:
    if not shutil.which("pwsh"):
        pytest.skip("PowerShell is not installed")
    script = f". {FOLDER}/luma.ps1; (TabExpansion2 'luma mod' 8).CompletionMatches.CompletionText"
    done = subprocess.run(["pwsh", "-NoProfile", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "modify"


def test_no_two_variables_for_powershell_differ_by_their_case_alone() -> None:
    """It does not keep them apart: one would overwrite the other."""
    found = set(re.findall(r"\$(?:script:)?([A-Za-z]\w*)", (FOLDER / "luma.ps1").read_text()))
    assert len({name.lower() for name in found}) == len(found)


def test_the_topics_of_help_are_those_of_its_argument() -> None:
    help_command = next(command for command in TREE.commands if command.path == ("help",))
    placeholder = help_command.arguments[0].placeholder.strip("[]")
    assert placeholder.split("|") == ["COMMAND", *help_topics.TOPICS]


def test_what_a_tab_asks_luma_for_is_answered_without_typer(home: Path, luma: Callable[..., Result]) -> None:
    luma("config", "set", "prompt.snow", "Heavy\tsnow\nfalls")
    for words, out in ((["__tasks"], ""), (["__prompts", "@"], "@snow\tHeavy snow falls\n")):
        command = [sys.executable, "-X", "importtime", "-m", "luma_cli", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == out
        assert not re.search(r"\| +(typer|luma_cli\.errors|requests)\b", done.stderr)


@pytest.mark.parametrize(
    "text", ["", "prompt = 1", "[prompt]\nsnow = 5", "[", "\ufeff[prompt]\n", "[prompt.snow]\na='b'"]
)
def test_names_of_prompts_are_read_from_any_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    assert prompt_names(str(tmp_path)) == []
    assert prompt_names(None) == prompt_names(str(tmp_path / "none")) == []
