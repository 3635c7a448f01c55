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
from support.commands import CLIP, Result, started
from support.holding import Hold, hold

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
# Each way of ending meets each way of printing at least once.
WAYS = [
    ("SIGINT", -2, "interrupted", ()),
    ("SIGTERM", 143, "terminated", ("--json", "--github")),
    ("SIGTERM", 143, "terminated", ("-q",)),
]


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


@pytest.mark.parametrize(("signum", "code", "word", "modes"), WAYS, ids=["text", "json", "quiet"])
@pytest.mark.parametrize("name", PHASES)
def test_a_stopped_command_says_what_became_of_the_edit(
    luma: Luma,
    sandbox: Sandbox,
    stuck_ffmpeg: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    signum: str,
    code: int,
    word: str,
    modes: tuple[str, ...],
) -> None:
    phase = PHASES[name]
    link = luma("upload", CLIP).out.strip()
    words = [link if spelled == "LINK" else spelled for spelled in phase.words]
    held = hold(sandbox, phase.held or "none")
    for variable, file in (("GITHUB_OUTPUT", "outputs"), ("GITHUB_STEP_SUMMARY", "summary")):
        monkeypatch.setenv(variable, str(Path(file).absolute()))
    if modes == ("--json", "--github"):
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with started("modify", *words, "--interval", "1s", *modes) as process:
        wait_for(held if phase.held is not None else stuck_ffmpeg)
        process.send_signal(getattr(signal, signum))
        if name == "submitting":  # a signal is held back until the reply is there
            held.go.set()
        out, err = process.communicate()
        held.go.set()

    assert process.returncode == code, err
    message = rf"{word}; {phase.what}"
    lines = err.splitlines()
    if "--json" in modes:
        error = json.loads(lines.pop())["error"]
        assert re.fullmatch(message, error["message"]), error
        assert re.fullmatch(phase.hint or "None", str(error["hint"]))
        assert (error["code"], error["exitCode"]) == ("interrupted", code)
        check_step(name)
    assert re.fullmatch(f"luma: {message}", lines[-2 if phase.hint else -1]), err
    if phase.hint:
        assert re.fullmatch(f"hint: {phase.hint}", lines[-1]), err
    if modes == ("-q",):
        assert len(lines) == (2 if phase.hint else 1), err
    assert out == ""


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
