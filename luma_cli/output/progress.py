"""What people see while they wait: moving bars on a terminal, plain lines elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from luma_cli import signals
from luma_cli.api.task import State
from luma_cli.edits.poll import Poll
from luma_cli.errors import Rejected
from luma_cli.output import messages, streams, terminal_codes
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
        self._count = tasks
        self._many = tasks > MAX_BARS
        self._ended = 0
        self._timeout = timeout
        self._estimate = estimate
        self._clock = clock
        self._started = self._spoke = clock()
        self._states: dict[str, str] = {}
        self._counts: Mapping[str, int] = {}  # of a batch, by phase
        self._labels: dict[str, str] = {}  # of what runs now
        self._bars: dict[str, Any] = {}
        self._live: Progress | None = None
        self._stopped = threading.Event()

    def __enter__(self) -> "Screen":
        if streams.animates():
            self._live = _live_progress(self._clock, self._timeout)
            self._live.start()
            signals.start_thread(self._refresh)
            streams.show_share(terminal_codes.progress(None))
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        with streams.drawing:
            if self._live is not None:
                self._live.stop()
                self._live = None
                streams.show_share(terminal_codes.NO_PROGRESS)

    def _refresh(self) -> None:
        """In a thread: draw anew, which rich by itself does without regard to lines that are written meanwhile."""
        while not self._stopped.wait(REFRESH):
            with streams.drawing:
                if self._live is not None and streams.is_in_foreground():
                    self._live.refresh()

    def show(self, poll: Poll, label: str = "", age: float = 0.0) -> None:
        """Show what a poll brought. A bar has the label, else the id; `age` is seconds since the submission."""
        name = poll.task_id
        with streams.drawing:
            self._labels[name] = label or name
            if state := _state(poll):
                before, self._states[name] = self._states.get(name), state
                if self._live is not None:
                    self._draw(self._live, name, age)
                elif state != before and not self._many:
                    self.say(f"{name} {state}")
            if poll.final:
                self._ended += 1
                self._labels.pop(name)
                if self._live is not None and name in self._bars:
                    self._live.remove_task(self._bars.pop(name))
            if self._live is None and self._clock() - self._spoke >= HEARTBEAT:
                limit = f" of {format_span(self._timeout)}" if self._timeout else ""
                self.say(f"{self._summary(name)}, {format_span(self._clock() - self._started)}{limit}")

    def tally(self, counts: Mapping[str, int]) -> None:
        """Show how many entries of a batch are in each phase, and what runs now, instead of the tasks one by one."""
        with streams.drawing:
            self._counts = counts
            if self._live is None:
                return
            for name, count in counts.items():
                self._update(self._live, name, float(count), str(count))
            labels = list(self._labels.values())
            if labels or NOW in self._bars:
                more = f" +{len(labels) - 1}" if len(labels) > 1 else ""
                text = cut(streams.clean(labels[0]), max(8, streams.width() - 40)) + more if labels else ""
                self._update(self._live, NOW, float(self._ended), text)

    def meter(self, label: str, unit: str) -> "Meter":
        """A meter for one transfer in bytes, or for what else is worked through."""
        with streams.drawing:
            return Meter(self, self._live, self._clock, label, unit)

    def say(self, text: str) -> None:
        """A line above the bars."""
        with streams.drawing:
            self._spoke = self._clock()
            messages.note(text)

    def _update(self, live: "Progress", name: str, done: float, state: str) -> None:
        """A line of a batch. The time stands in the first one only."""
        if name not in self._bars:
            began = None if self._bars else self._clock()
            self._bars[name] = _add_bar(live, name, total=float(self._count), began=began)
        live.update(self._bars[name], completed=done, state=state)

    def _draw(self, live: "Progress", task_id: str, age: float) -> None:
        """Draw a task, or all of many as one line; in a batch the tally has them."""
        if self._counts:
            return
        name, label = ("", f"{self._count} edits") if self._many else (task_id, self._labels[task_id])
        total = float(self._count) if self._many else self._estimate
        if name not in self._bars:
            usual = None if self._many else self._estimate
            self._bars[name] = _add_bar(live, label, total=total, began=self._clock() - age, usual=usual)
        done = float(self._ended) if self._many else _toward(self._clock() - self._started + age, self._estimate)
        words = f"{self._ended} of {self._count} ended" if self._many else self._states[task_id]
        live.update(self._bars[name], completed=done, state=streams.clean(words))
        share = done / total if total and (self._many or self._count == 1) else None
        streams.show_share(terminal_codes.progress(share))

    def _summary(self, task_id: str) -> str:
        if self._counts:
            return ", ".join(f"{count} {name}" for name, count in self._counts.items() if count)
        return f"{self._ended} of {self._count} ended" if self._count > 1 else self._states.get(task_id, "")


class Meter:
    """One transfer, or other work whose `unit` is counted: a bar on the live display, or a line a minute."""

    def __init__(
        self, screen: Screen, live: "Progress | None", clock: Callable[[], float], label: str, unit: str
    ) -> None:
        self._screen = screen
        self._live = live
        self._clock = clock
        self._label = label
        self._unit = "s" if unit == "seconds" else unit
        self._started = self._spoke = clock()
        self._seen = 0
        self._first: int | None = None
        self._bar: Any = _add_bar(live, label, is_transfer=True) if live is not None else None

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
        """Leave a line for a whole transfer."""
        self.clear()
        if self._seen and self._unit == "bytes":
            took = format_span(self._clock() - self._started)
            self._screen.say(f"{self._label}: {format_bytes(self._seen)} in {took}")

    def _words(self, seen: int, total: int | None, now: float) -> str:
        if self._unit != "bytes":
            return f"{seen} of {total} {self._unit}"
        if self._live is not None and streams.width() < NARROW:
            return f"{format_bytes(seen)}" + (f", {100 * seen // total}%" if total else "")
        rate = (seen - (self._first or 0)) / max(now - self._started, 0.001)
        size = f" of {format_bytes(total)}" if total is not None else ""
        left = f", {format_span((total - seen) / rate)} left" if total is not None and rate > 1 else ""
        return f"{format_bytes(seen)}{size}, {format_bytes(rate)}/s{left}"


def _add_bar(live: "Progress", label: str, *, total: float | None = None, **fields: Any) -> Any:
    """`fields`: when it `began` and how long it takes as a rule (`usual`), both None where no time is shown."""
    fields = {"began": None, "usual": None, "is_transfer": False, **fields}
    return live.add_task(streams.clean(label), total=total, state="", **fields)


def _state(poll: Poll) -> str:
    """What a poll says of its task, "" for nothing."""
    if (error := poll.error) is not None:
        # A task that has just been submitted is not known everywhere yet (siblings' docs, observed).
        is_new = isinstance(error, Rejected) and error.is_not_found and not poll.final
        return "not visible yet" if is_new else f"could not check: {error.message}"
    if (task := poll.task) is None:
        return ""
    if task.state is State.UNKNOWN and task.success_flag is not None:
        return f"unknown state {task.success_flag}"
    return "unknown state" if task.state is State.UNKNOWN else str(task.state).replace("_", " ")


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
