"""What people see while they wait: moving bars on a terminal, plain lines elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from luma_cli import signals
from luma_cli.api.task import State, Task
from luma_cli.edits.poll import Poll
from luma_cli.errors import LumaError, Rejected
from luma_cli.output import messages, streams
from luma_cli.output.formats import format_bytes, format_span
from luma_cli.output.task_list import cut

if TYPE_CHECKING:
    from rich.progress import Progress

HEARTBEAT = 60.0
REFRESH = 0.25
# More tasks than this share one line.
MAX_BARS = 8
# Below this width there is no room for times.
NARROW = 60
# The share of the limit from which on it is shown.
NEAR = 0.8
NOW = "now"


class Screen:
    """Follows tasks and transfers on stderr; use it as a context manager. Safe to call from several threads.

    `timeout` is the limit in seconds, 0 for none. `estimate` is the median of the user's own finished tasks in
    seconds, None where it is not known: the bar then pulses, it never shows an invented per cent.
    """

    def __init__(
        self, tasks: int, timeout: float, estimate: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._many = tasks > MAX_BARS
        self._count = tasks
        self._ended = 0
        self._timeout = timeout
        self._estimate = estimate
        self._clock = clock
        self._started = self._spoke = clock()
        self._states: dict[str, str] = {}
        self._counts: Mapping[str, int] = {}
        self._bars: dict[str, Any] = {}
        self._now: dict[str, str] = {}
        self._live: Progress | None = None
        self._lock = streams.drawing
        self._stopped = threading.Event()

    def __enter__(self) -> "Screen":
        if streams.animates():
            self._live = _live_progress(self._clock, self._timeout)
            self._live.start()
            signals.start_thread(self._refresh)
            streams.show_share(None)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._stopped.set()
        with self._lock:
            if self._live is not None:
                self._live.stop()
                self._live = None
                streams.clear_share()

    def _refresh(self) -> None:
        """In a thread: draw anew, which rich by itself does without regard to lines that are written meanwhile."""
        while not self._stopped.wait(REFRESH):
            with self._lock:
                if self._live is not None and streams.is_in_foreground():
                    self._live.refresh()

    def show(self, poll: Poll, label: str = "", age: float = 0.0) -> None:
        """Show what a poll brought. A bar has the label, else the id; `age` is seconds since the submission."""
        with self._lock:
            if poll.error is not None:
                state = _failure(poll.error, final=poll.final)
            else:
                state = "" if poll.task is None else _word(poll.task)
            self._now[poll.task_id] = label or poll.task_id
            if state:
                self._change(poll.task_id, state, age)
            if poll.final:
                self._ended += 1
                self._now.pop(poll.task_id)
                self._end(poll.task_id)
            self._beat(poll.task_id)

    def tally(self, counts: Mapping[str, int]) -> None:
        """Show how many entries of a batch are in each phase, and what runs now, instead of the tasks one by one."""
        with self._lock:
            self._counts = counts
            if self._live is None:
                return
            for name, count in counts.items():
                if name not in self._bars:
                    shows_time = not self._bars  # the time stands in the first line only
                    self._bars[name] = self._add(name, float(self._count), shows_time=shows_time)
                self._live.update(self._bars[name], completed=float(count), state=str(count))
            self._show_now()

    def _show_now(self) -> None:
        assert self._live is not None  # noqa: S101
        names = list(self._now.values())
        if not names and NOW not in self._bars:
            return
        if NOW not in self._bars:
            self._bars[NOW] = self._add(NOW, float(self._count), shows_time=False)
        more = f" +{len(names) - 1}" if len(names) > 1 else ""
        text = cut(streams.clean(names[0]), max(8, streams.width() - 40)) + more if names else ""
        self._live.update(self._bars[NOW], completed=float(self._ended), state=text)

    def _add(self, label: str, total: float | None, *, shows_time: bool = True, age: float = 0.0) -> Any:
        assert self._live is not None  # noqa: S101
        began = self._clock() - age
        is_one = shows_time and not self._many and not self._counts
        return self._live.add_task(
            streams.clean(label),
            total=total,
            state="",
            began=began if shows_time else None,
            usual=self._estimate if is_one else None,
            is_transfer=False,
        )

    def meter(self, label: str, unit: str) -> "Meter":
        """A meter for one transfer in bytes, or for what else is worked through."""
        with self._lock:
            return Meter(self, label, self._clock) if unit == "bytes" else CountMeter(self, label, self._clock, unit)

    def say(self, text: str) -> None:
        """A line above the bars."""
        with self._lock:
            self._spoke = self._clock()
            messages.note(text)

    def _change(self, task_id: str, state: str, age: float) -> None:
        before, self._states[task_id] = self._states.get(task_id), state
        if self._live is not None:
            if not self._counts:
                self._update_bar(task_id, state, age)
        elif state != before and not self._many:
            self.say(f"{task_id} {state}")

    def _update_bar(self, task_id: str, state: str, age: float) -> None:
        assert self._live is not None  # noqa: S101
        name = "" if self._many else task_id
        if name not in self._bars:
            label = f"{self._count} edits" if self._many else self._now[task_id]
            self._bars[name] = self._add(label, float(self._count) if self._many else self._estimate, age=age)
        done = float(self._ended) if self._many else _toward(self._clock() - self._started + age, self._estimate)
        words = f"{self._ended} of {self._count} ended" if self._many else state
        self._live.update(self._bars[name], completed=done, state=streams.clean(words))
        total = self._count if self._many else self._estimate
        streams.show_share(done / total if total and (self._many or self._count == 1) else None)

    def _end(self, task_id: str) -> None:
        if self._live is not None and task_id in self._bars:
            self._live.remove_task(self._bars.pop(task_id))

    def _beat(self, task_id: str) -> None:
        if self._live is None and self._clock() - self._spoke >= HEARTBEAT:
            elapsed = format_span(self._clock() - self._started)
            what = f"{self._ended} of {self._count} ended" if self._count > 1 else self._states.get(task_id, "")
            what = ", ".join(f"{count} {name}" for name, count in self._counts.items() if count) or what
            self.say(f"{what}, {elapsed}{self._limit()}")

    def _limit(self) -> str:
        return f" of {format_span(self._timeout)}" if self._timeout else ""


class Meter:
    """One transfer: a bar on the live display, or a line a minute and one at the end."""

    def __init__(self, screen: Screen, label: str, clock: Callable[[], float]) -> None:
        self._screen = screen
        self._label = label
        self._clock = clock
        self._started = self._spoke = clock()
        self._seen = 0
        self._first: int | None = None
        self._bar: Any = None
        live = screen._live
        self._live = live
        if live is not None:
            self._bar = live.add_task(
                streams.clean(label), total=None, state="", began=None, usual=None, is_transfer=True
            )

    def update(self, seen: int, total: int | None) -> None:
        now = self._clock()
        if self._first is None:
            self._first = seen
        self._seen = seen
        if self._live is not None:
            if now - self._spoke >= 0.1 or seen == total:
                self._spoke = now
                self._live.update(self._bar, completed=seen, total=total, state=self._words(seen, total, now))
        elif now - self._spoke >= HEARTBEAT:
            self._spoke = now
            self._screen.say(f"{self._label}: {self._words(seen, total, now)}")

    def clear(self) -> None:
        if self._live is not None:
            self._live.remove_task(self._bar)

    def end(self) -> None:
        self.clear()
        if self._seen:
            self._screen.say(
                f"{self._label}: {format_bytes(self._seen)} in {format_span(self._clock() - self._started)}"
            )

    def _words(self, seen: int, total: int | None, now: float) -> str:
        if self._live is not None and streams.width() < NARROW:
            return f"{format_bytes(seen)}" + (f", {100 * seen // total}%" if total else "")
        rate = (seen - (self._first or 0)) / max(now - self._started, 0.001)
        size = f" of {format_bytes(total)}" if total is not None else ""
        left = f", {format_span((total - seen) / rate)} left" if total is not None and rate > 1 else ""
        return f"{format_bytes(seen)}{size}, {format_bytes(rate)}/s{left}"


class CountMeter(Meter):
    """The same for seconds of a clip that are worked through, or for its pieces."""

    def __init__(self, screen: Screen, label: str, clock: Callable[[], float], unit: str) -> None:
        super().__init__(screen, label, clock)
        self._unit = "s" if unit == "seconds" else unit

    def _words(self, seen: int, total: int | None, now: float) -> str:
        return f"{seen} of {total} {self._unit}"


def _failure(error: LumaError, *, final: bool) -> str:
    # A task that has just been submitted is not known everywhere yet (siblings' docs, observed).
    unknown = isinstance(error, Rejected) and error.is_not_found and not final
    return "not visible yet" if unknown else f"could not check: {error.message}"


def _word(task: Task) -> str:
    if task.state is State.UNKNOWN:
        return f"unknown state {task.success_flag}" if task.success_flag is not None else "unknown state"
    return str(task.state).replace("_", " ")


def _toward(elapsed: float, estimate: float | None) -> float:
    """How far a bar has come: near the end it waits, since no estimate knows the end."""
    return min(elapsed, (estimate or 0) * 0.99)


def _label_width(columns: int, *, is_transfer: bool) -> int:
    """What bar, state and times leave to a label: 31 of 80 columns."""
    room = max(8, min(60, columns - (49 if columns >= NARROW else 22)))
    return max(12, room - 12) if is_transfer else room


def _times(elapsed: float, usual: float | None, timeout: float) -> str:
    """How long it has taken, how long it usually takes, and the limit when that is near."""
    words = format_span(elapsed)
    if timeout and elapsed >= timeout * NEAR:
        return f"{words} of {format_span(timeout)}"
    return f"{words}, usually {format_span(usual)}" if usual is not None else words


def _live_progress(clock: Callable[[], float], timeout: float) -> "Progress":
    """Label, bar, words, times: what fits a narrow terminal comes first."""
    from rich.console import RenderableType
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
    from rich.progress import Task as Bar
    from rich.table import Column
    from rich.text import Text

    class Label(ProgressColumn):
        def render(self, bar: Bar) -> Text:
            return Text(cut(bar.description, _label_width(screen.width, is_transfer=bar.fields["is_transfer"])))

    class Times(ProgressColumn):
        def render(self, bar: Bar) -> Text:
            began = bar.fields["began"]
            return Text("" if began is None else _times(clock() - began, bar.fields["usual"], timeout))

    class Live(Progress):
        """Its width follows the window, its bars go on between two polls, and a transfer has the room of the times."""

        def get_renderables(self) -> Iterator[RenderableType]:
            screen.width = streams.width()
            for bar in self.tasks:
                if bar.fields["usual"] is not None:
                    bar.completed = _toward(clock() - bar.fields["began"], bar.fields["usual"])
            for is_transfer, shown in ((False, columns), (True, [label, *bars, words])):
                self.columns = tuple(shown)
                if found := [bar for bar in self.tasks if bar.fields["is_transfer"] == is_transfer]:
                    yield self.make_tasks_table(found)

    screen = streams.console(sys.stderr)
    narrow = screen.width < NARROW
    label = Label(Column(no_wrap=True))
    words = TextColumn("{task.fields[state]}", markup=False)
    # Without colour a bar cannot be told from the gap it runs in.
    bars = [] if screen.no_color else [BarColumn(bar_width=6 if narrow else 20)]
    columns = [label, *bars, words, *([] if narrow else [Times(Column(no_wrap=True))])]
    # rich would take stdout for itself and print it on stderr: results that go to a pipe were lost (measured).
    shared = streams.stdout_is_terminal()
    return Live(*columns, console=screen, transient=True, auto_refresh=False, redirect_stdout=shared)
