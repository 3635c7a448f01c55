"""What people see while they wait: moving bars on a terminal, plain lines elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from luma_cli.api.task import State, Task
from luma_cli.edits.poll import Poll
from luma_cli.errors import LumaError, Rejected
from luma_cli.output import messages, streams
from luma_cli.output.formats import format_bytes, format_span

if TYPE_CHECKING:
    from rich.progress import Progress

HEARTBEAT = 60.0
# More tasks than this share one line.
MAX_BARS = 8

OnBytes = Callable[[int, int | None], None]


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
        self._live: Progress | None = None
        self._lock = threading.RLock()

    def __enter__(self) -> "Screen":
        if streams.animates():
            self._live = _live_progress()
            self._live.start()
            streams.show_share(None)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
            streams.clear_share()

    def show(self, poll: Poll) -> None:
        """Show what a poll brought."""
        with self._lock:
            if poll.error is not None:
                self._change(poll.task_id, _failure(poll.error, final=poll.final))
            elif poll.task is not None:
                self._change(poll.task_id, _word(poll.task))
            if poll.final:
                self._ended += 1
                self._end(poll.task_id)
            self._beat(poll.task_id)

    def tally(self, counts: Mapping[str, int]) -> None:
        """Show how many entries of a batch are in each phase, as a table, instead of the tasks one by one."""
        with self._lock:
            self._counts = counts
            if self._live is None:
                return
            for name, count in counts.items():
                if name not in self._bars:
                    limit = None if self._bars else self._limit()  # the time stands in the first line only
                    self._bars[name] = self._live.add_task(name, total=float(self._count), state="", limit=limit)
                self._live.update(self._bars[name], completed=float(count), state=str(count))

    def meter(self, label: str, unit: str) -> "Meter":
        """A meter for one transfer in bytes, or for seconds of a clip that are worked through."""
        return (Meter if unit == "bytes" else SecondsMeter)(self, label, self._clock)

    @contextmanager
    def transfer(self, label: str) -> Iterator[OnBytes]:
        """Show bytes, rate and time left of one upload or download."""
        meter = Meter(self, label, self._clock)
        try:
            yield meter.update
        except BaseException:
            meter.clear()
            raise
        meter.end()

    @contextmanager
    def work(self, label: str) -> Iterator[Callable[[float, float], None]]:
        """Show how many seconds of a clip have been worked through, of how many."""
        meter = SecondsMeter(self, label, self._clock)
        try:
            yield lambda seen, total: meter.update(round(seen), round(total))
        finally:
            meter.clear()

    def say(self, text: str) -> None:
        """A line above the bars."""
        with self._lock:
            self._spoke = self._clock()
            messages.note(text)

    def _change(self, task_id: str, state: str) -> None:
        before, self._states[task_id] = self._states.get(task_id), state
        if self._live is not None:
            if not self._counts:
                self._update_bar(task_id, state)
        elif state != before and not self._many:
            self.say(f"{task_id} {state}")

    def _update_bar(self, task_id: str, state: str) -> None:
        assert self._live is not None  # noqa: S101
        name = "" if self._many else task_id
        if name not in self._bars:
            total = float(self._count) if self._many else self._estimate
            self._bars[name] = self._live.add_task(name, total=total, state="", limit=self._limit())
        done = float(self._ended) if self._many else min(self._clock() - self._started, (self._estimate or 0) * 0.99)
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
            self._bar = live.add_task(streams.clean(label), total=None, state="", limit="")

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
        rate = (seen - (self._first or 0)) / max(now - self._started, 0.001)
        size = f" of {format_bytes(total)}" if total is not None else ""
        left = f", {format_span((total - seen) / rate)} left" if total is not None and rate > 1 else ""
        return f"{format_bytes(seen)}{size}, {format_bytes(rate)}/s{left}"


class SecondsMeter(Meter):
    """The same for seconds of a clip."""

    def _words(self, seen: int, total: int | None, now: float) -> str:
        return f"{seen} of {total} s"


def _failure(error: LumaError, *, final: bool) -> str:
    # A task that has just been submitted is not known everywhere yet (siblings' docs, observed).
    unknown = isinstance(error, Rejected) and error.is_not_found and not final
    return "not visible yet" if unknown else f"could not check: {error.message}"


def _word(task: Task) -> str:
    if task.state is State.UNKNOWN:
        return f"unknown state {task.success_flag}" if task.success_flag is not None else "unknown state"
    return str(task.state).replace("_", " ")


def _live_progress() -> "Progress":
    """Label, bar, words, elapsed of limit: what fits a narrow terminal comes first."""
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
    from rich.progress import Task as Bar
    from rich.text import Text

    class Elapsed(ProgressColumn):
        def render(self, bar: Bar) -> Text:
            limit = bar.fields["limit"]
            return Text("" if limit is None else f"{format_span(bar.elapsed or 0)}{limit}")

    screen = streams.console(sys.stderr)
    narrow = screen.width < 60
    # A whole id, a bar and the times take 78 columns; the first 8 characters tell tasks apart as well.
    label = TextColumn("{task.description:.8}" if screen.width < 80 else "{task.description:.32}", markup=False)
    words = TextColumn("{task.fields[state]}", markup=False)
    # Without colour a bar cannot be told from the gap it runs in.
    bar = [] if screen.no_color else [BarColumn(bar_width=6 if narrow else 20)]
    columns = [label, *bar, words, *([] if narrow else [Elapsed()])]
    # rich would take stdout for itself and print it on stderr: results that go to a pipe were lost (measured).
    shared = streams.stdout_is_terminal()
    return Progress(*columns, console=screen, transient=True, refresh_per_second=4, redirect_stdout=shared)
