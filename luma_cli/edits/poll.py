"""Poll until the tasks have ended."""

import heapq
import itertools
import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from luma_cli import signals
from luma_cli.api.task import VISIBILITY_GRACE, Task
from luma_cli.errors import LumaError, Rejected, StillGenerating, Unavailable
from luma_cli.signals import Stopped

MAX_PAUSE = 120.0
# How often whoever holds signals back looks for them.
TICK = 0.25
# A poll in flight at the deadline is given this long; a dribbling server must not hold a wait for ever.
LAST_POLL_GRACE = 8.0
# Few connections carry thousands of tasks: a response takes a fraction of the interval.
WORKERS = 8
# One that is out for longer than this is stuck, for up to its budget of 60 s: another worker takes its place.
SLOW = 2.0
MAX_WORKERS = 64


class Watched(NamedTuple):
    """A task to wait for; `age` is how many seconds ago it was submitted, as far as we know.

    With `pauses` it is asked once more after each of them and not after every interval, and after so many errors in a
    row (`patience`) no more.
    """

    task_id: str
    age: float = 0.0
    pauses: tuple[float, ...] | None = None
    patience: int = 0


class Poll(NamedTuple):
    """What one poll brought: the task, or an error. `final`: this task is not asked again."""

    task_id: str
    task: Task | None = None
    error: LumaError | None = None
    final: bool = False


class Wake(NamedTuple):
    """Ask for this task now: somebody heard that it has ended. Not within `pause` seconds after the last time."""

    task_id: str
    pause: float = 0.0


class Add(NamedTuple):
    """Wait for this task too; the timeout counts from here."""

    watched: Watched


class Later(NamedTuple):
    """Hand on `event` in so many seconds."""

    event: object
    seconds: float


@dataclass(frozen=True)
class Close:
    """No task is going to be added."""


@dataclass(frozen=True)
class Stopping:
    """A signal has come: what is under way is finished as far as that goes quickly, and nothing new is to come."""


@dataclass(frozen=True)
class _Due:
    """It is this task's turn to be asked, as was planned."""

    task_id: str
    when: float


Inbox = queue.Queue[object]


@dataclass(eq=False, repr=False)
class _State:
    """What we know of one task between polls. `born`, `asked` and `planned` are clock readings."""

    watched: Watched
    born: float
    rounds: int = 0  # of its own pauses
    failures: int = 0  # in a row
    asked: float = float("-inf")
    planned: float = float("inf")
    in_flight: bool = False
    woken: Wake | None = None
    last_error: LumaError | None = None


@dataclass(eq=False, repr=False)
class Watch:
    """Yields a `Poll` after every poll of every task that is added, until all have ended and a `Close` has come.

    Times are in seconds, timeout 0 is none. Passing errors are forgiven until the timeout. What others put into
    `inbox` is handed on as it comes; `Add`, `Wake`, `Later` and `Close` are obeyed. The last poll is made at the
    deadline, none after it. With `last_work` a signal is held back while an event is dealt with, and that many seconds
    are left after it for what is under way. `sleep`, if given, passes the time while nobody is asked.

    Raises:
        StillGenerating: the timeout came first; the tasks go on.
        KeyRejected, OutOfCredits, Rejected: the service will not answer any of our questions (401, 402, 403, 505).
        Stopped: the signal.

    Source: vendor guide "Luma Modify Quickstart" (10 s, 15 min).
    """

    fetch: Callable[[str], Task]
    inbox: Inbox
    interval: float
    timeout: float
    last_work: float = 0.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] | None = None
    _open: dict[str, _State] = field(default_factory=dict)
    _is_closed: bool = False
    _in_flight: int = 0
    _workers: int = 0
    _asked_last: float = 0.0
    _deadline: float = float("inf")
    _plans: list[tuple[float, int, object]] = field(default_factory=list)  # a heap: when, the order at one time, what
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _began: dict[str, float] = field(default_factory=dict)
    _orders: "queue.SimpleQueue[str | None]" = field(default_factory=queue.SimpleQueue)
    _stop: Stopped | None = None
    _stop_at: float = float("inf")

    def __iter__(self) -> Iterator[object]:
        try:
            while self._goes_on():
                event = self._next_event()
                match event:
                    case _Due():
                        self._order(event)
                    case Poll():
                        yield self._judge(event)
                    case Wake():
                        self._wake(event)
                    case Add():
                        self._add(event.watched)
                    case Later():
                        self._plan(self.clock() + event.seconds, event.event)
                    case Close():
                        self._is_closed = True
                    case _ if event is not None:
                        yield event
                self._give_up_when_late()
        finally:
            for _ in range(self._workers):
                self._orders.put(None)

    def _goes_on(self) -> bool:
        """Raises Stopped after a signal, when there is nothing left to do, or no time."""
        if self._stop is not None:
            now = self.clock()
            if now >= self._stop_at or not (self._in_flight or not self.inbox.empty() or self._is_due(now)):
                raise self._stop
        return bool(self._open) or not self._is_closed

    def _work(self) -> None:
        """In a thread: poll the tasks that are ordered."""
        while (task_id := self._orders.get()) is not None:
            self._began[task_id] = self.clock()
            event = self._ask(task_id)
            self._began.pop(task_id)
            self.inbox.put(event)

    def _ask(self, task_id: str) -> Poll | Exception:
        try:
            task = self.fetch(task_id)
            return Poll(task_id, task=task, final=task.has_ended)
        except LumaError as error:
            return Poll(task_id, error=error)
        except Exception as error:  # noqa: BLE001  a thread must hand its failure on, or the wait hangs
            return error

    def _order(self, due: _Due) -> None:
        """Have a task asked, unless it was woken, and has been asked since."""
        state, now = self._open.get(due.task_id), self.clock()
        if state is not None and state.planned == due.when:
            state.in_flight, state.asked, state.planned = True, now, float("inf")
            self._in_flight += 1
            self._asked_last = now
            self._orders.put(due.task_id)

    def _hire(self, now: float) -> None:
        """See to it that enough workers are free, and not too many."""
        stuck = sum(now - began > SLOW for began in list(self._began.values()))
        wanted = min(WORKERS + stuck, MAX_WORKERS)
        while self._workers < min(wanted, self._in_flight):
            self._workers += 1
            signals.start_thread(self._work)
        while self._workers > wanted:
            self._workers -= 1
            self._orders.put(None)

    def _next_event(self) -> object:
        """The next thing that happens, or None when a plan may be due first."""
        now = self.clock()
        if self._is_due(now):
            return heapq.heappop(self._plans)[2]
        self._hire(now)
        until = min(self._plans[0][0] if self._plans else float("inf"), self._end_of_grace())
        if not self._in_flight and self.sleep is not None and self.inbox.empty():
            self.sleep(until - now)
            return None
        if self._in_flight > self._workers:
            until = min(until, now + SLOW)  # to see whether the workers are stuck
        try:
            event = self._held_next(until - now) if self.last_work else signals.next_of(self.inbox, until - now)
        except queue.Empty:
            return None
        if isinstance(event, Exception):
            raise event
        return event

    def _held_next(self, patience: float) -> object:
        """The next event. Signals come through only here: torn away with one in hand we would lose it.

        Raises:
            queue.Empty: nothing came.
        """
        try:
            signals.release()
        except Stopped as stop:
            if self._stop is not None:
                raise
            self._stop, self._stop_at = stop, self.clock() + self.last_work
            return Stopping()
        finally:
            signals.hold()
        return self.inbox.get(timeout=max(0.0, min(patience, TICK)))

    def _judge(self, poll: Poll) -> Poll:
        """Decide whether this task is asked again, and when."""
        self._in_flight -= 1
        state = self._open.get(poll.task_id)
        if state is None:
            return poll
        error, now = poll.error, self.clock()
        is_unseen = isinstance(error, Rejected) and error.is_not_found
        if error is not None and not is_unseen and not isinstance(error, Unavailable):
            raise error
        state.in_flight, state.last_error = False, error
        pause = self._pause_after(poll, state, now)
        if poll.final or pause is None or (is_unseen and now - state.born >= VISIBILITY_GRACE):
            del self._open[poll.task_id]
            return poll._replace(final=True)
        if now < self._deadline:
            self._plan_poll(min(now + pause, self._deadline), poll.task_id)
        return poll

    def _pause_after(self, poll: Poll, state: _State, now: float) -> float | None:
        """Seconds until the next poll; None when a task was asked as often as its own pauses say."""
        own, error = state.watched.pauses, poll.error
        is_away = isinstance(error, Unavailable)
        state.failures = state.failures + 1 if is_away or (own is not None and error is not None) else 0
        woken, state.woken = state.woken, None
        if woken is not None:
            return max(0.0, state.asked + woken.pause - now)
        if own is None:
            pause = min(self.interval * 2.0 ** min(state.failures, 8), max(MAX_PAUSE, self.interval))
        elif error is not None:
            if state.failures > state.watched.patience:
                return None
            pause = min(2.0 ** min(state.failures - 1, 8), MAX_PAUSE)
        else:
            state.rounds += 1
            if state.rounds > len(own):
                return None
            pause = own[state.rounds - 1]
        return max(pause, (error.retry_after or 0.0) if isinstance(error, Unavailable) else 0.0)

    def _add(self, watched: Watched) -> None:
        now = self.clock()
        self._open[watched.task_id] = _State(watched, now - watched.age)
        if self.timeout:
            self._deadline = now + self.timeout
        self._plan_poll(now, watched.task_id)

    def _wake(self, wake: Wake) -> None:
        state = self._open.get(wake.task_id)
        if state is None:
            return
        state.rounds = 0
        when = max(self.clock(), state.asked + wake.pause)
        if state.in_flight:
            state.woken = wake  # the poll under way may have been answered before the end
        elif when < state.planned:
            self._plan_poll(when, wake.task_id)

    def _plan(self, when: float, event: object) -> None:
        heapq.heappush(self._plans, (when, next(self._numbers), event))

    def _plan_poll(self, when: float, task_id: str) -> None:
        """Plan the next poll of a task; one that was planned before does not count any more."""
        self._open[task_id].planned = when
        self._plan(when, _Due(task_id, when))

    def _is_due(self, now: float) -> bool:
        return bool(self._plans) and self._plans[0][0] <= now

    def _give_up_when_late(self) -> None:
        """The last poll, at the deadline itself, is still made."""
        now = self.clock()
        if not self._open or now < self._deadline or self._is_due(now):
            return
        if self._in_flight and now < self._end_of_grace():
            return
        last_error = next((state.last_error for state in self._open.values() if state.last_error is not None), None)
        raise still_generating(list(self._open), self.timeout, last_error)

    def _end_of_grace(self) -> float:
        """Who was stopped (SIGSTOP, a laptop's lid) past the deadline has its last poll too."""
        return max(self._deadline, self._asked_last) + LAST_POLL_GRACE if self._open else float("inf")


def still_generating(task_ids: list[str], timeout: float, last_error: LumaError | None) -> StillGenerating:
    one = len(task_ids) == 1
    who = f"task {task_ids[0]} has" if one else f"{len(task_ids)} tasks have"
    why = f"; could not check: {last_error.message}" if last_error is not None else ""
    return StillGenerating(f"{who} not ended within {timeout:.0f} s{why}", task_id=task_ids[0] if one else None)
