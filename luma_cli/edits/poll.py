"""Poll until the tasks have ended."""

import heapq
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from luma_cli import signals
from luma_cli.api.task import VISIBILITY_GRACE, Task
from luma_cli.errors import ACCOUNT_ERRORS, LumaError, Rejected, StillGenerating, Unavailable
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


Inbox = queue.Queue[object]


def watch(
    watched: Sequence[Watched],
    fetch: Callable[[str], Task],
    *,
    interval: float,
    timeout: float,
    inbox: Inbox | None = None,
    stays_open: bool = False,
    last_work: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] | None = None,
) -> Iterator[object]:
    """Yield a `Poll` after every poll of every task, until all have ended. Times are in seconds, timeout 0 is none.

    Passing errors are forgiven until the timeout. What others put into `inbox` is handed on as it comes, a `Wake`
    is obeyed. The last poll is made at the deadline, none after it. With `stays_open` tasks may be added through the
    inbox until a `Close` comes. With `last_work` a signal is held back while an event is dealt with, and that many
    seconds are left after it for what is under way.

    Raises:
        StillGenerating: the timeout came first; the tasks go on.
        KeyRejected, OutOfCredits, Rejected: the service will not answer any of our questions (401, 402, 403, 505).
        Stopped: the signal.

    Source: vendor guide "Luma Modify Quickstart" (10 s, 15 min).
    """
    inbox = inbox if inbox is not None else queue.Queue()
    return _Watch(watched, fetch, interval, timeout, inbox, stays_open, last_work, clock, sleep).run()


@dataclass
class _State:
    """What we know of one task between polls. `rounds` counts its own pauses, `asked` is a clock reading."""

    watched: Watched
    age: float
    turn: int = 0
    rounds: int = 0
    failures: int = 0
    asked: float = float("-inf")
    planned: float = float("inf")
    in_flight: bool = False
    woken: Wake | None = None
    last_error: LumaError | None = None


@dataclass
class _Watch:
    watched: Sequence[Watched]
    fetch: Callable[[str], Task]
    interval: float
    timeout: float
    inbox: Inbox
    stays_open: bool
    last_work: float
    clock: Callable[[], float]
    sleep: Callable[[float], None] | None
    flying: int = 0
    workers: int = 0
    asked_last: float = 0.0
    due: list[tuple[float, int, str]] = field(default_factory=list)
    later: list[tuple[float, int, object]] = field(default_factory=list)
    began: dict[str, float] = field(default_factory=dict)
    orders: "queue.SimpleQueue[str | None]" = field(default_factory=queue.SimpleQueue)
    stop: Stopped | None = None
    stop_at: float = float("inf")

    def run(self) -> Iterator[object]:
        self.started = self.clock()
        self.deadline = self.started + self.timeout if self.timeout else float("inf")
        self.open = {watched.task_id: _State(watched, watched.age) for watched in self.watched}
        self.turn = 0
        for task_id in self.open:
            self._push(self.started, task_id)
        try:
            while self._goes_on():
                self._order_due()
                event = self._next_event()
                match event:
                    case Poll():
                        yield self._judge(event)
                    case Wake():
                        self._wake(event)
                    case Add():
                        self._add(event.watched)
                    case Later():
                        self._postpone(event)
                    case Close():
                        self.stays_open = False
                    case _ if event is not None:
                        yield event
                self._give_up_when_late()
        finally:
            for _ in range(self.workers):
                self.orders.put(None)

    def _goes_on(self) -> bool:
        """Raises Stopped after a signal, when there is nothing left to do, or no time."""
        if self.stop is not None:
            now = self.clock()
            is_busy = self.flying or not self.inbox.empty() or (self.due and self.due[0][0] <= now)
            if not is_busy or now >= self.stop_at:
                raise self.stop
        return bool(self.open) or self.stays_open

    def _work(self) -> None:
        """In a thread: poll the tasks that are ordered."""
        while (task_id := self.orders.get()) is not None:
            self.began[task_id] = self.clock()
            event = self._ask(task_id)
            self.began.pop(task_id)
            self.inbox.put(event)

    def _ask(self, task_id: str) -> Poll | Exception:
        try:
            task = self.fetch(task_id)
            return Poll(task_id, task=task, final=task.has_ended)
        except LumaError as error:
            return Poll(task_id, error=error)
        except Exception as error:  # noqa: BLE001  a thread must hand its failure on, or the wait hangs
            return error

    def _order_due(self) -> None:
        now = self.clock()
        while self.due and self.due[0][0] <= now:
            _, turn, task_id = heapq.heappop(self.due)
            state = self.open.get(task_id)
            if state is not None and state.turn == turn:  # else it was woken, and has been asked since
                state.in_flight, state.asked, state.planned = True, now, float("inf")
                self.flying += 1
                self.asked_last = now
                self.orders.put(task_id)
        self._hire(now)

    def _hire(self, now: float) -> None:
        """See to it that enough workers are free, and not too many."""
        stuck = sum(now - began > SLOW for began in list(self.began.values()))
        wanted = min(WORKERS + stuck, MAX_WORKERS)
        while self.workers < min(wanted, self.flying):
            self.workers += 1
            signals.start_thread(self._work)
        while self.workers > wanted:
            self.workers -= 1
            self.orders.put(None)

    def _next_event(self) -> object:
        """The next thing that happens, or None when the next poll is due first."""
        now = self.clock()
        if self.later and self.later[0][0] <= now:
            return heapq.heappop(self.later)[2]
        until = self.due[0][0] if self.due else self._end_of_grace() if self.open else float("inf")
        if self.later:
            until = min(until, self.later[0][0])
        if not self.flying and self.sleep is not None:
            self.sleep(max(0.0, until - now))
            return None
        if self.flying > self.workers:
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
            if self.stop is not None:
                raise
            self.stop, self.stop_at = stop, self.clock() + self.last_work
            return Stopping()
        finally:
            signals.hold()
        return self.inbox.get(timeout=max(0.0, min(patience, TICK)))

    def _judge(self, poll: Poll) -> Poll:
        """Decide whether this task is asked again, and when."""
        state = self.open.get(poll.task_id)
        self.flying -= 1
        if state is None:
            return poll
        state.in_flight = False
        error = poll.error
        if error is not None and not self._is_passing(error, state):
            if not (isinstance(error, Rejected) and error.is_not_found):
                raise error
            poll = poll._replace(final=True)
        poll = poll._replace(final=poll.final or self._is_exhausted(poll, state))
        if poll.final:
            del self.open[poll.task_id]
        else:
            self._schedule(poll, state)
        return poll

    def _is_passing(self, error: LumaError, state: _State) -> bool:
        if isinstance(error, Rejected) and error.is_not_found:
            return state.age + self.clock() - self.started < VISIBILITY_GRACE
        if isinstance(error, (*ACCOUNT_ERRORS, Rejected)):
            return False
        return isinstance(error, Unavailable)

    def _is_exhausted(self, poll: Poll, state: _State) -> bool:
        """Whether a task has been asked as often as its own pauses say."""
        if state.watched.pauses is None or state.woken is not None:
            return False
        if poll.error is not None:
            return state.failures >= state.watched.patience
        return state.rounds >= len(state.watched.pauses)

    def _schedule(self, poll: Poll, state: _State) -> None:
        pause = self._pause_after(poll, state)
        state.last_error = poll.error
        if isinstance(poll.error, Unavailable):
            pause = max(pause, poll.error.retry_after or 0.0)
        now = self.clock()
        if state.woken is not None:
            pause, state.woken = max(0.0, state.asked + state.woken.pause - now), None
        if now < self.deadline:
            self._push(min(now + pause, self.deadline), poll.task_id)

    def _pause_after(self, poll: Poll, state: _State) -> float:
        own = state.watched.pauses
        if own is None:
            state.failures = state.failures + 1 if isinstance(poll.error, Unavailable) else 0
            return min(self.interval * 2.0 ** min(state.failures, 8), max(MAX_PAUSE, self.interval))
        if poll.error is not None:
            state.failures += 1
            return min(2.0 ** min(state.failures - 1, 8), MAX_PAUSE)
        if state.woken is not None:
            return 0.0
        state.rounds += 1
        return own[state.rounds - 1]

    def _add(self, watched: Watched) -> None:
        now = self.clock()
        self.open[watched.task_id] = _State(watched, watched.age - (now - self.started))
        if self.timeout:
            self.deadline = now + self.timeout
        self._push(now, watched.task_id)

    def _postpone(self, later: Later) -> None:
        self.turn += 1
        heapq.heappush(self.later, (self.clock() + later.seconds, self.turn, later.event))

    def _wake(self, wake: Wake) -> None:
        state = self.open.get(wake.task_id)
        if state is None:
            return
        state.rounds = 0
        when = max(self.clock(), state.asked + wake.pause)
        if state.in_flight:
            state.woken = wake  # the poll under way may have been answered before the end
        elif when < state.planned:
            self._push(when, wake.task_id)

    def _push(self, when: float, task_id: str) -> None:
        """Plan the next poll of a task; one that was planned before does not count any more."""
        self.turn += 1
        self.open[task_id].turn, self.open[task_id].planned = self.turn, when
        heapq.heappush(self.due, (when, self.turn, task_id))

    def _give_up_when_late(self) -> None:
        now = self.clock()
        if not self.open or now < self.deadline or (self.flying and now < self._end_of_grace()):
            return
        if self.due and self.due[0][0] <= now:
            return  # the last poll, at the deadline itself, is still to be made
        raise still_generating(list(self.open), self.timeout, self._last_error())

    def _end_of_grace(self) -> float:
        """Who was stopped (SIGSTOP, a laptop's lid) past the deadline has its last poll too."""
        return max(self.deadline, self.asked_last) + LAST_POLL_GRACE

    def _last_error(self) -> LumaError | None:
        return next((state.last_error for state in self.open.values() if state.last_error is not None), None)


def still_generating(task_ids: Sequence[str], timeout: float, last_error: LumaError | None) -> StillGenerating:
    one = len(task_ids) == 1
    who = f"task {task_ids[0]} has" if one else f"{len(task_ids)} tasks have"
    why = f"; could not check: {last_error.message}" if last_error is not None else ""
    return StillGenerating(
        f"{who} not ended within {timeout:.0f} s{why}",
        hint=f"{'it goes' if one else 'they go'} on: luma wait {' '.join(task_ids[:20])}",
        task_id=task_ids[0] if one else None,
    )
