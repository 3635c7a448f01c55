"""What a stopped command says: what became of the edit in each phase, and the command that goes on."""

import html
import json
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, Result, started
from support.holding import Hold, hold
from support.kept_screens import compare, normalised
from support.terminals import CTRL_C, terminal

Luma = Callable[..., Result]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

ID = "[0-9a-f]{32}"
NOTHING = "nothing was submitted or charged"
DONE = "the edit is done, its video is not saved yet"


class Phase(NamedTuple):
    """Where a command stands still: at a request, or in the middle of ffmpeg's work. Then what it says when stopped."""

    held: str | None
    words: list[object]
    what: str
    hint: str | None


PHASES = {
    "checking": Phase("GET /files/uploads", ["LINK", "-p", "Heavy snow", "-o", "a.mp4"], NOTHING, None),
    "trimming": Phase(None, [CLIP, "-p", "Heavy snow", "--trim", "0-1", "-o", "a.mp4"], NOTHING, None),
    "uploading": Phase("POST /api/file-stream-upload", [CLIP, "-p", "Heavy snow", "-o", "a.mp4"], NOTHING, None),
    "submitting": Phase(
        "POST /api/v1/modify/generate",
        [CLIP, "-p", "Heavy snow", "-o", "a.mp4"],
        r"1 task\(s\) go on",
        f"luma wait {ID} -o a.mp4",
    ),
    "waiting": Phase(
        "GET /api/v1/modify/record-info",
        [CLIP, "-p", "Heavy snow", "-o", "a.mp4"],
        r"1 task\(s\) go on",
        f"luma wait {ID} -o a.mp4",
    ),
    "downloading": Phase(
        "GET /files/results", [CLIP, "-p", "Heavy snow", "-o", "a.mp4"], DONE, f"luma download {ID} -o a.mp4"
    ),
    "finishing": Phase(
        None, [CLIP, "-p", "Heavy snow", "--match", "-o", "a.mp4"], DONE, f"luma download {ID} -o a.mp4"
    ),
}


@pytest.fixture
def stuck_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ffmpeg that answers questions and never comes to an end with its work; the file appears when it begins."""
    real = shutil.which("ffmpeg")
    if real is None:
        pytest.skip("needs ffmpeg")
    began = Path("began").absolute()
    script = Path("stuck-ffmpeg").absolute()
    script.write_text(f'#!/bin/sh\ncase " $* " in *" -i "*) mkfifo {began}; exec sleep 60 ;; esac\nexec {real} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("LUMA_FFMPEG", str(script))
    return began


@pytest.fixture(params=PHASES)
def stage(
    request: pytest.FixtureRequest,
    luma: Luma,
    sandbox: Sandbox,
    stuck_ffmpeg: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[str, list[object], Hold | Path]:
    """A phase, the command that stands still in it, and what happens when it does."""
    name = request.param
    words: list[object] = [luma("upload", CLIP).out.strip() if word == "LINK" else word for word in PHASES[name].words]
    held = PHASES[name].held
    for variable, file in (("GITHUB_OUTPUT", "outputs"), ("GITHUB_STEP_SUMMARY", "summary")):
        monkeypatch.setenv(variable, str(Path(file).absolute()))
    return name, ["modify", *words, "--interval", "1s"], stuck_ffmpeg if held is None else hold(sandbox, held)


@pytest.mark.parametrize(("columns", "rows"), [(120, 40), (80, 24), (40, 15)], ids=["120x40", "80x24", "40x15"])
def test_ctrl_c_on_a_terminal_says_what_became_of_the_edit(
    stage: tuple[str, list[object], Hold | Path], columns: int, rows: int
) -> None:
    name, words, moment = stage
    with terminal(*words, columns=columns, rows=rows) as shown:
        wait_for(moment)
        shown.type(CTRL_C)
        let_go(name, moment)
        assert shown.finish() == 130
        text = "".join(shown.everything.split())
        assert shown.shows_cursor
        compare(f"ctrl-c-{name}-{columns}x{rows}", normalised(shown.everything.split("\n")))

    assert not re.search("[━╸╺]|generating", text), "no bar is left behind"
    assert re.search("".join(last_words(name, "interrupted")).replace(" ", "") + r"\Z", text), text


def test_a_cancelled_job_knows_what_became_of_the_edit(
    stage: tuple[str, list[object], Hold | Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, words, moment = stage
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with started(*words, "--json", "--github") as process:
        wait_for(moment)
        process.send_signal(signal.SIGTERM)
        let_go(name, moment)
        out, err = process.communicate()

    assert (process.returncode, out) == (143, ""), err
    *lines, last = err.splitlines()
    error = json.loads(last)["error"]
    assert (error["code"], error["exitCode"]) == ("interrupted", 143)
    assert lines[-1] == f"hint: {error['hint']}" if error["hint"] else error["message"] in lines[-1]
    check_last_words(name, "terminated", lines)
    check_step(name)


def test_a_stopped_quiet_command_says_no_more_than_that(luma: Luma, sandbox: Sandbox) -> None:
    held = hold(sandbox, "GET /files/results")
    with started("modify", CLIP, "-p", "Heavy snow", "-o", "a.mp4", "-q") as process:
        wait_for(held)
        process.send_signal(signal.SIGTERM)
        err = process.communicate()[1]
        held.go.set()

    assert len(err.splitlines()) == 2
    check_last_words("downloading", "terminated", err.splitlines())


def test_a_stopped_download_is_gone_on_with_by_the_command_that_was_named(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow")
    held = hold(sandbox, "GET /files/results")
    with started("download", "-o", "a.mp4") as process:
        wait_for(held)
        process.send_signal(signal.SIGTERM)
        err = process.communicate()[1]
        held.go.set()

    check_last_words("downloading", "terminated", err.splitlines())
    assert luma(*err.splitlines()[-1].split()[2:])[:2] == (0, "a.mp4\n")


def let_go(phase: str, moment: Hold | Path) -> None:
    """A signal is held back until the reply to a submission is there."""
    if phase == "submitting" and isinstance(moment, Hold):
        moment.go.set()


def last_words(phase: str, word: str) -> list[str]:
    _, _, what, hint = PHASES[phase]
    return [f"luma: {word}; {what}", *([f"hint: {hint}"] if hint else [])]


def check_last_words(phase: str, word: str, lines: list[str]) -> None:
    wanted = last_words(phase, word)
    found = lines[-len(wanted) :]
    assert all(map(re.fullmatch, wanted, found)), lines


def wait_for(arrival: Hold | Path) -> None:
    if isinstance(arrival, Hold):
        assert arrival.arrived.wait(60)
        return
    pause = threading.Event()
    for _ in range(1200):
        if arrival.exists():
            return
        pause.wait(0.05)
    raise AssertionError("ffmpeg was never asked to work")


def check_step(phase: str) -> None:
    """What a cancelled job leaves to the next step: how the edit stands, and the command that goes on."""
    outputs = Path("outputs").read_text()
    if PHASES[phase].what == NOTHING:
        return
    state = "succeeded" if PHASES[phase].what == DONE else "generating"
    assert re.search(rf"state<<(\S+)\n{state}\n\1\n", outputs)
    summary = Path("summary").read_text()
    assert "Heavy snow" in summary
    assert "street&#46;mp4" in summary
    assert html.unescape(summary).count("<code>luma ") == 1
