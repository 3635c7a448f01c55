"""What a person sees: screens of three sizes, kept in `screens/` as a terminal shows them.

With LUMA_TEST_SCREENS=write the files are written anew: look at each before you keep it.
"""

import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from luma_cli.api.task import Edit, SavedFile, State, Task
from luma_cli.edits.events import Ended, Failed, Finished, Polled, Started, Tally, Transfer, Transferred
from luma_cli.edits.poll import Poll
from luma_cli.edits.run import Results
from luma_cli.errors import TaskFailed
from luma_cli.journal import journal
from luma_cli.journal.submissions import Submission
from luma_cli.output.presenter import Presenter
from luma_cli.sandbox import SCENARIOS, Sandbox
from support.commands import CLIP, CLIP_URL, Result
from support.kept_screens import compare, normalised
from support.screens import Screens
from support.terminals import CTRL_C, terminal

Luma = Callable[..., Result]
SIZES = pytest.mark.parametrize(("columns", "rows"), [(120, 40), (80, 24), (40, 15)], ids=["120x40", "80x24", "40x15"])
PROMPTS = ("Heavy snow falls at night, street lamps glow warm", "Rain", "A red convertible drives by, hand-drawn ink")
CLIPS = ("holiday-in-norway-2026.mp4", "a.mp4", "street with a long name.mov")


# --- help ---


@SIZES
def test_luma_alone(columns: int, rows: int) -> None:
    with terminal(columns=columns, rows=rows) as shown:
        assert shown.finish() == 0
        if columns >= 60:
            assert shown.everything == shown.screen, "it fits"
            compare(f"luma-{columns}x{rows}", shown.lines)
        else:
            assert "Usage: luma" in shown.everything
            assert not re.search("[╭│╰]", shown.everything)


@SIZES
def test_the_help_of_a_command_is_whole_on_every_terminal(columns: int, rows: int) -> None:
    with terminal("modify", "--help", columns=columns, rows=rows) as shown:
        assert shown.finish() == 0
        text = " ".join(shown.everything.split())
    assert "luma help exit-codes" in text
    assert "…" not in text
    assert bool(re.search("[╭│╰]", text)) == (columns >= 60)


# --- lists ---


@pytest.fixture
def book(home: Path) -> None:
    """A journal of 48 tasks."""
    opened = journal.open_journal(home / "state" / "tasks.db")
    for number in range(48):
        task_id = f"{number * 7919 % 1000:08}" + "0" * 24
        edit = Edit(PROMPTS[number % 3], CLIP_URL)
        submission = Submission(edit, f"/clips/{CLIPS[number % 3]}", None)
        opened.record(submission._replace(digest=f"d{number}"), lambda _, task_id=task_id: task_id, resubmit=True)
        made = datetime.now(UTC) - timedelta(days=48 - number)
        state = (State.SUCCEEDED, State.GENERATE_FAILED, State.GENERATING)[number % 8 % 3]
        opened.learn(Task(task_id, state, create_time=made, complete_time=made))
        if state is State.SUCCEEDED and number % 2:
            opened.save_file(task_id, SavedFile(f"/out/{number}-snow.mp4", 1, "0" * 64, CLIP_URL))
            opened.costs.record_cost(task_id, 100.0)
        opened._db.execute(
            "UPDATE task SET submitted_at = ?, checked_at = ? WHERE task_id = ?",
            (made.timestamp(), made.timestamp(), task_id),
        )
    opened.close()


@SIZES
def test_tasks_with_48_rows(screens: Screens, book: None, columns: int, rows: int) -> None:
    lines = screens.type("tasks", columns=columns, rows=rows).lines

    assert all(len(line) <= columns for line in lines)
    compare(f"tasks-{columns}x{rows}", lines)


# --- while it runs ---


class Stage:
    """A presenter on a screen, and a clock that stands still until it is moved."""

    def __init__(self, count: int) -> None:
        self.now = 0.0
        self.results = Results(count)
        self.show = Presenter(self.results, names_clips=True, clock=lambda: self.now)

    def poll(self, number: int, state: State = State.GENERATING, age: float = 0.0) -> None:
        task = Task(f"{number:032}", state)
        poll = Poll(task.task_id, task, final=task.has_ended)
        self.show(Polled(CLIPS[number % 3], poll, CLIPS[number % 3], PROMPTS[number % 3], age))

    def draw(self) -> None:
        screen = self.show._screen
        assert screen is not None
        assert screen._live is not None
        screen._live.refresh()


@pytest.fixture
def on_stage(screens: Screens) -> Callable[..., list[str]]:
    """What stands on the screen when the acts are over and nothing has ended yet."""

    def play(count: int, acts: Callable[[Stage], Any], columns: int, rows: int) -> list[str]:
        found: list[list[str]] = []

        def run() -> None:
            stage = Stage(count)
            try:
                acts(stage)
                stage.draw()
                found.append(drawn.now)
            finally:
                stage.show(Finished())

        drawn = screens.screen(columns, rows)
        screens.draw(run, on=drawn)
        return found[0]

    return play


@SIZES
def test_three_edits_at_once(on_stage: Callable[..., list[str]], columns: int, rows: int) -> None:
    def acts(stage: Stage) -> None:
        stage.show(Started(3, 900.0, 25.0))
        for number in range(3):
            stage.poll(number, age=number * 5.0)
        stage.now = 7.0

    lines = on_stage(3, acts, columns, rows)
    assert len(lines) == 3
    compare(f"three-edits-{columns}x{rows}", lines)


@SIZES
def test_a_wait_near_its_limit_and_a_download(on_stage: Callable[..., list[str]], columns: int, rows: int) -> None:
    def acts(stage: Stage) -> None:
        stage.show(Started(2, 900.0, None))
        stage.poll(0, age=90.0)
        download = Transfer("holiday-in-norway-2026-01234567.mp4")
        stage.show(Transferred(download))
        stage.now = 10.0
        stage.show(Transferred(download, 1e6, 80e6))
        stage.now = 700.0
        stage.show(Transferred(download, 20e6, 80e6))

    compare(f"wait-{columns}x{rows}", on_stage(2, acts, columns, rows))


@SIZES
def test_a_batch_of_40_while_it_runs(on_stage: Callable[..., list[str]], columns: int, rows: int) -> None:
    def acts(stage: Stage) -> None:
        stage.show(Started(40, 900.0, 25.0, is_manifest=True, output="out/"))
        stage.show(Tally({"to submit": 12, "running": 20, "saving": 2, "done": 4, "failed": 2}))
        for number in range(3):
            stage.poll(number)
        stage.now = 75.0
        stage.show(Tally({"to submit": 12, "running": 20, "saving": 2, "done": 4, "failed": 2}))

    compare(f"batch-{columns}x{rows}", on_stage(40, acts, columns, rows))


@SIZES
def test_a_batch_of_40_with_two_failures_ends_with_both(screens: Screens, columns: int, rows: int) -> None:
    def run() -> None:
        stage = Stage(40)
        stage.show(Started(40, 900.0, 25.0, is_manifest=True, output="out/"))
        for number in range(40):
            task = Task(f"{number:032}", State.SUCCEEDED, credits=100.0)
            clip = f"clips/clip{number}.mp4"
            if number in (12, 31):
                failure = TaskFailed(
                    "the edit failed at kie.ai: Generation failed (code 501)", hint="change the prompt"
                )
                stage.show(Failed(f"line {number}", failure, task, f"row{number}", number, clip=clip))
            else:
                file = SavedFile(str(Path("out", f"clip{number}.mp4").absolute()), 1, "0" * 64, CLIP_URL)
                done = Task(task.task_id, State.SUCCEEDED, files=(file,), credits=100.0)
                stage.show(Ended(f"line {number}", done, f"row{number}", number, "out/", clip))
        stage.now = 22.0
        stage.show(Finished())

    lines = screens.draw(run, columns=columns, rows=rows).lines
    assert not re.search("[━╸]", "".join(lines)), "no bar is left behind"
    compare(f"batch-end-{columns}x{rows}", lines[-12:])


def test_ctrl_c_leaves_the_way_on_and_no_bar(luma: Luma, sandbox: Sandbox) -> None:
    """One process, whose window is drawn smaller while it waits."""
    sandbox.tasks.duration = 3600
    for name in "abc":
        luma("modify", f"{CLIP_URL}?{name}", "-p", f"Snow {name}")
    with terminal("wait", columns=120, rows=40) as shown:
        assert len(shown.wait_for(r"(?s)generating.*generating.*generating").splitlines()) == 3
        shown.resize(80, 24)
        shown.type(CTRL_C)
        assert shown.finish() == 130
        assert re.fullmatch(
            r"(?s)luma: interrupted; 3 task\(s\) go on\nhint: luma wait .*",
            re.sub(".*generating.*\n", "", shown.screen),
        )
        assert shown.shows_cursor
        assert shown.colour_of("hint:") == "cyan"


# --- how it ends ---


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@SIZES
@pytest.mark.parametrize("half", [0, 1])  # of more than 20 submissions in 10 s the last ones have to wait
def test_how_an_edit_ends_in_every_scenario_of_the_sandbox(
    screens: Screens, sandbox: Sandbox, clock: dict[str, Any], half: int, columns: int, rows: int
) -> None:
    clock["sleep"] = lambda _seconds: None
    found: list[str] = []
    for number, name in enumerate(list(SCENARIOS)[half::2]):
        words = ["modify", CLIP, "-p", f"sandbox:{name} Heavy snow", "-o", f"{number}.mp4", "--interval", "1s"]
        shown = screens.type(*words, "--timeout", "1s" if name == "never-ends" else "60s", columns=columns, rows=rows)
        found += [f"--- {name}: {shown.code}", *normalised(shown.lines), ""]
    compare(f"scenarios-{half + 1}-{columns}x{rows}", found)


def test_an_error_has_a_colour_beside_its_word_and_none_with_no_color(screens: Screens) -> None:
    shown = screens.type("status", "nope", columns=80, rows=24).output
    assert "\x1b[31mluma: error: \x1b[0m" in shown
    assert "\x1b[36mhint: \x1b[0m" in shown
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_COLOR", "1")
        assert "\x1b[" not in screens.type("status", "nope", columns=80, rows=24).output
