"""What people see while they wait: lines without a terminal, bars on one."""

import io
import os
import re
import shlex
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pyte
import pytest

from luma_cli.api.task import State, Task
from luma_cli.edits.poll import Poll
from luma_cli.errors import Rejected, Unavailable
from luma_cli.output import streams
from luma_cli.output.progress import Screen
from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, COMMAND, Result
from support.terminals import terminal as terminal_of

Luma = Callable[..., Result]
ID = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"


class Watcher:
    """stderr, and a clock that stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.stderr = io.StringIO()
        self._patch = monkeypatch
        streams.reset()

    def screen(self, tasks: int = 1, timeout: float = 900.0, estimate: float | None = None) -> Screen:
        self._patch.setattr(sys, "stderr", self.stderr)  # here, since pytest sets its own between fixture and test
        return Screen(tasks, timeout, estimate, clock=lambda: self.now)

    @property
    def lines(self) -> list[str]:
        return self.stderr.getvalue().splitlines()


@pytest.fixture
def watcher(monkeypatch: pytest.MonkeyPatch) -> Watcher:
    return Watcher(monkeypatch)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> Watcher:
    watcher.stderr = Terminal()
    monkeypatch.setenv("COLUMNS", "120")
    return watcher


@contextmanager
def transfer(screen: Screen, label: str) -> Iterator[Callable[[int, int | None], None]]:
    """What the presenter does for one upload or download."""
    meter = screen.meter(label, "bytes")
    try:
        yield meter.update
    except BaseException:
        meter.clear()
        raise
    meter.end()


def poll(state: State = State.GENERATING, task_id: str = ID, flag: int | None = None) -> Poll:
    task = Task(task_id, state, flag)
    return Poll(task_id, task=task, final=task.has_ended)


def test_a_change_of_state_is_a_line_and_no_change_is_none(watcher: Watcher) -> None:
    with watcher.screen() as screen:
        for state in (State.GENERATING, State.GENERATING, State.UNKNOWN, State.GENERATING, State.SUCCEEDED):
            screen.show(poll(state))

    assert watcher.lines == [
        f"luma: {ID} generating",
        f"luma: {ID} unknown state",
        f"luma: {ID} generating",
        f"luma: {ID} succeeded",
    ]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (poll(State.UNKNOWN, flag=99), "unknown state 99"),
        (poll(State.CREATE_FAILED), "create failed"),
        (poll(State.GENERATE_FAILED), "generate failed"),
        (Poll(ID, error=Unavailable("cannot connect to api.kie.ai")), "could not check: cannot connect to api.kie.ai"),
        (Poll(ID, error=Rejected("no record", api_code=422)), "not visible yet"),
        (Poll(ID, error=Rejected("no record", api_code=422), final=True), "could not check: no record"),
    ],
    ids=str,
)
def test_the_words_for_what_a_poll_brought(watcher: Watcher, event: Poll, words: str) -> None:
    with watcher.screen() as screen:
        screen.show(event)

    assert watcher.lines == [f"luma: {ID} {words}"]


def test_without_a_terminal_there_is_a_sign_of_life_every_60_seconds_and_not_more(watcher: Watcher) -> None:
    with watcher.screen() as screen:
        for _ in range(91):
            screen.show(poll())
            watcher.now += 10

    assert watcher.lines == [
        f"luma: {ID} generating",
        *(f"luma: generating, {minute}m00s of 15m00s" for minute in range(1, 16)),
    ]


def test_without_a_limit_the_sign_of_life_names_none(watcher: Watcher) -> None:
    with watcher.screen(timeout=0) as screen:
        screen.show(poll())
        watcher.now = 3700
        screen.show(poll())

    assert watcher.lines[-1] == "luma: generating, 1h01m"


def test_of_several_tasks_the_sign_of_life_counts_the_ended(watcher: Watcher) -> None:
    with watcher.screen(tasks=2) as screen:
        screen.show(poll(State.SUCCEEDED))
        watcher.now = 60
        screen.show(poll(task_id=OTHER))
        watcher.now = 120
        screen.show(poll(task_id=OTHER))

    assert watcher.lines[-1] == "luma: 1 of 2 ended, 2m00s of 15m00s"


def test_many_tasks_share_one_line_a_minute(watcher: Watcher) -> None:
    with watcher.screen(tasks=100) as screen:
        for number in range(100):
            screen.show(poll(State.SUCCEEDED, task_id=f"{number:032}"))
            watcher.now += 1

    assert watcher.lines == ["luma: 61 of 100 ended, 1m00s of 15m00s"]


def test_quiet_says_nothing(watcher: Watcher) -> None:
    streams.configure(quiet=True)
    with watcher.screen() as screen:
        screen.show(poll())
        with transfer(screen, "a.mp4") as on_bytes:
            on_bytes(10, 10)

    assert watcher.lines == []


def test_a_transfer_ends_with_its_size_and_time(watcher: Watcher) -> None:
    with watcher.screen() as screen, transfer(screen, "a.mp4") as on_bytes:
        on_bytes(0, 2_000_000)
        watcher.now = 5
        on_bytes(2_000_000, 2_000_000)

    assert watcher.lines == ["luma: a.mp4: 2.0 MB in 5s"]


def test_a_long_transfer_shows_bytes_rate_and_time_left_once_a_minute(watcher: Watcher) -> None:
    with watcher.screen() as screen, transfer(screen, "a.mp4") as on_bytes:
        for second in range(121):
            watcher.now = float(second)
            on_bytes(second * 1_000_000, 600_000_000)

    assert watcher.lines == [
        "luma: a.mp4: 60.0 MB of 600.0 MB, 1.0 MB/s, 9m00s left",
        "luma: a.mp4: 120.0 MB of 600.0 MB, 1.0 MB/s, 8m00s left",
        "luma: a.mp4: 120.0 MB in 2m00s",
    ]


def test_the_rate_of_a_resumed_transfer_does_not_count_what_was_there(watcher: Watcher) -> None:
    with watcher.screen() as screen, transfer(screen, "a.mp4") as on_bytes:
        on_bytes(500_000_000, 600_000_000)
        watcher.now = 60
        on_bytes(506_000_000, 600_000_000)

    assert watcher.lines[0] == "luma: a.mp4: 506.0 MB of 600.0 MB, 100.0 kB/s, 15m40s left"


def test_a_transfer_that_fails_leaves_its_words_to_the_error(watcher: Watcher) -> None:
    with pytest.raises(OSError), watcher.screen() as screen, transfer(screen, "a.mp4") as on_bytes:  # noqa: PT012
        on_bytes(10, 20)
        raise OSError

    assert watcher.lines == []


def test_what_the_service_says_is_made_harmless(watcher: Watcher) -> None:
    with watcher.screen() as screen:
        screen.show(Poll(ID, error=Unavailable("a\x1b]0;title\x07\n::error::b\u202e[bold]c[/bold]")))

    assert watcher.lines == [f"luma: {ID} could not check: a\\x1b]0;title\\x07\\n::error::b\\u202e[bold]c[/bold]"]


def test_threads_may_report_at_once(watcher: Watcher) -> None:
    with watcher.screen() as screen:
        start = threading.Barrier(8)

        def work(number: int) -> None:
            with transfer(screen, f"{number}.mp4") as on_bytes:
                start.wait(30)
                for seen in range(500):
                    on_bytes(seen + 1, 500)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(watcher.lines) == [f"luma: {number}.mp4: 500 B in 0s" for number in range(8)]


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("TERM", "")], ids=["TERM=dumb", "no TERM"])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(
    terminal: Watcher, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with terminal.screen() as screen:
        screen.show(poll())

    assert terminal.lines == [f"luma: {ID} generating"]


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE"])
def test_forced_colour_forces_no_animation(watcher: Watcher, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")
    with watcher.screen() as screen:
        screen.show(poll())

    assert watcher.lines == [f"luma: {ID} generating"]


def test_a_bar_never_claims_that_it_is_done(terminal: Watcher) -> None:
    with terminal.screen(estimate=60) as screen:
        screen.show(poll())
        terminal.now = 3600
        screen.show(poll())
        [bar] = screen._live.tasks  # type: ignore[union-attr]

    assert (bar.total, bar.completed) == (60, pytest.approx(59.4))


def test_without_an_estimate_the_bar_pulses(terminal: Watcher) -> None:
    with terminal.screen(estimate=None) as screen:
        screen.show(poll())
        [bar] = screen._live.tasks  # type: ignore[union-attr]

    assert (bar.total, bar.percentage) == (None, 0)


def test_a_label_is_not_read_as_markup(terminal: Watcher) -> None:
    with terminal.screen() as screen, transfer(screen, "[link=file:///etc]a[/b].mp4") as on_bytes:
        on_bytes(1, 2)

    assert "\x1b]8" not in terminal.stderr.getvalue()
    assert "[link=file:///etc]a[/b].mp4: 1 B in 0s" in terminal.stderr.getvalue()


# --- the command on a terminal ---


def spawn(*words: object, columns: int = 100, **environment: str) -> pexpect.spawn:
    return pexpect.spawn(
        sys.executable,
        ["-m", "luma_cli", *map(str, words)],
        encoding="utf-8",
        timeout=60,
        dimensions=(24, columns),
        env={**os.environ, **environment},
    )


def seen(child: pexpect.spawn, columns: int, until: str) -> pyte.Screen:
    """The screen at the moment when this stands on it."""
    screen = pyte.Screen(columns, 24)
    stream = pyte.Stream(screen)
    while until not in "\n".join(screen.display):
        stream.feed(child.read_nonblocking(65536, timeout=30))
    return screen


@pytest.fixture
def slow(luma: Luma, sandbox: Sandbox) -> str:
    """A task that takes an hour."""
    sandbox.tasks.duration = 3600
    return luma("modify", CLIP_URL, "-p", "Heavy snow").out.strip()


def test_the_bar_shows_clip_prompt_and_state_and_no_id(slow: str) -> None:
    child = spawn("wait", slow)
    [line] = [line.rstrip() for line in seen(child, 100, "generating").display if line.strip()]
    child.close(force=True)

    assert line.startswith("in.mp4  Heavy snow ")
    assert slow[:8] not in line
    assert re.search(r"generating +\d+s$", line)
    assert "%" not in line


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_in_the_background_of_a_shell_nothing_is_drawn_over_what_is_typed(slow: str) -> None:
    command = f"{shlex.join(COMMAND)} wait {slow} --interval 1s --timeout 1s & wait"
    with terminal_of(command=["bash", "-mc", command]) as shown:
        shown.finish()

    assert f"luma: {slow} generating" in shown.screen
    assert b"\x1b" not in shown.output.replace(b"\x1b[31m", b"").replace(b"\x1b[36m", b"").replace(b"\x1b[0m", b"")


def test_the_usual_time_stands_beside_the_elapsed_and_the_limit_only_when_it_is_near(terminal: Watcher) -> None:
    with terminal.screen(estimate=25) as screen:
        screen.show(poll(), "a.mp4  Snow")
        terminal.now = 7
        screen._live.refresh()  # type: ignore[union-attr]
        terminal.now = 800
        screen._live.refresh()  # type: ignore[union-attr]

    drawn = terminal.stderr.getvalue()
    assert "a.mp4  Snow" in drawn
    assert "7s, usually 25s" in drawn
    assert "13m20s of 15m00s" in drawn


def test_a_batch_shows_counts_and_what_runs_now(terminal: Watcher) -> None:
    with terminal.screen(tasks=40) as screen:
        screen.tally({"running": 2, "done": 1})
        screen.show(poll(), "a.mp4  Snow")
        screen.show(poll(task_id=OTHER), "b.mp4  Rain")
        screen.tally({"running": 2, "done": 1})
        descriptions = [(bar.description, bar.fields["state"]) for bar in screen._live.tasks]  # type: ignore[union-attr]

    assert descriptions == [("running", "2"), ("done", "1"), ("now", "a.mp4  Snow +1")]


@pytest.mark.parametrize("columns", [1, 5, 20, 40])
def test_a_narrow_terminal_is_bearable(sandbox: Sandbox, slow: str, columns: int) -> None:
    child = spawn("wait", slow, "--interval", "1s", columns=columns)
    child.expect("\x1b")  # it draws
    sandbox.finish(slow)
    rest = child.read()
    child.close()

    assert child.exitstatus == 0
    assert "/files/results/" in rest


@pytest.mark.parametrize("columns", ["0", "1", "1000000", "many"])
def test_columns_that_make_no_sense_do_no_harm(sandbox: Sandbox, slow: str, columns: str) -> None:
    sandbox.finish(slow)
    child = spawn("wait", slow, COLUMNS=columns)
    shown = child.read()
    child.close()

    assert (child.exitstatus, "/files/results/" in shown) == (0, True)


def test_no_color_has_no_colour(sandbox: Sandbox, slow: str) -> None:
    child = spawn("wait", slow, "--interval", "1s", NO_COLOR="1")
    child.expect("generating")
    drawn = child.before
    sandbox.finish(slow)
    drawn += child.read()
    child.close()

    assert not any(f"\x1b[{bright}{colour}m" in drawn for bright in ("", "1;") for colour in range(30, 38))
    assert " " * 10 not in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn), "a bar without colour is a gap"


def test_a_download_on_a_terminal_leaves_a_line_and_the_path(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow")
    child = spawn("download", "@last", "-o", "a.mp4")
    screen = pyte.Screen(100, 24)
    pyte.Stream(screen).feed(child.read())
    child.close()

    lines = [line.rstrip() for line in screen.display if line.strip()]
    assert (child.exitstatus, lines) == (0, ["luma: a.mp4: 2.3 kB in 0s", "a.mp4"])
    assert Path("a.mp4").exists()
