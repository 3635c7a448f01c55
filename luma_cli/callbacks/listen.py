"""`luma listen`: receive callbacks, confirm what they say, record it, and hand them on."""

import queue
import threading
import time
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from luma_cli import signals
from luma_cli.api.hosts import host_of, is_loopback, without_query
from luma_cli.api.task import VISIBILITY_GRACE, Task, is_link
from luma_cli.api.transport import Session, TransportError, exchange
from luma_cli.callbacks.server import Receiver
from luma_cli.callbacks.signature import Callback
from luma_cli.callbacks.wake import UNVERIFIED_PAUSE, adopt, check_public_url, make_endpoint
from luma_cli.edits.events import Ended, Note, Report, Warned
from luma_cli.edits.poll import MAX_PAUSE, WORKERS, Inbox, Poll
from luma_cli.edits.run import Run
from luma_cli.errors import ACCOUNT_ERRORS, FileError, LumaError, Rejected, Unavailable, UsageError
from luma_cli.signals import Stopped

# On a sibling API the record lagged behind the end of its task (observed): ask again after these pauses.
LAG_PAUSES = (10.0, 30.0, 60.0)
MAX_FAILURES = 20
# Callbacks that may wait, with their bodies: 32 MiB at the very most. Beyond, the service is asked to come again.
MAX_WAITING = 500
MAX_REPORTED = 50_000
# After a signal we end within 2 s; this much of it is for what has been accepted already.
LAST_WORK = 1.2
TICK = 0.25
FORWARD_BUDGET = 15.0


def check_forward_url(url: str) -> str:
    """Raises UsageError for an address that callbacks may not be handed on to: https, or http on loopback."""
    if not is_link(url) or urlsplit(url).username:
        raise UsageError(f"{url[:200]!a} is not a usable address to forward to", hint="like http://127.0.0.1:3000/hook")
    if urlsplit(url).scheme == "http" and not is_loopback(host_of(url)):
        raise UsageError("callbacks would be forwarded in plain text", hint=f"use https://{host_of(url)}")
    return url


def listen(run: Run, host: str, port: int, public_url: str | None, forward_to: str | None) -> None:
    """Receive, confirm and record callbacks, and report each task as it ends, until a signal comes.

    Raises:
        UsageError, FileError: it cannot be done here.
        KeyRejected, OutOfCredits, Rejected: the service answers no question of ours.
        Stopped: the signal; what had been accepted is done as far as a second allows.
    """
    endpoint = make_endpoint(run, host, [check_public_url(run, public_url)] if public_url is not None else [])
    forwarder = Forwarder(run, check_forward_url(forward_to)) if forward_to is not None else None
    run.connect()  # in this thread, which may read the key
    refused = partial(_warn_once, run.report)
    inbox: Inbox = queue.Queue()

    def deliver(callback: Callback) -> bool:
        if inbox.qsize() >= MAX_WAITING:
            return False
        inbox.put(callback)
        return True

    signals.hold()  # until the first step: from now on somebody may call
    with Receiver(host, port, endpoint, deliver, refused=refused, failed=inbox.put) as receiver:
        shown = f"[{receiver.address[0]}]" if ":" in receiver.address[0] else receiver.address[0]
        run.report(Note(f"listening on http://{shown}:{receiver.address[1]}{min(endpoint.paths)}"))
        Listener(run, receiver, forwarder, inbox).run()


def _warn_once(report: Report, text: str) -> None:
    report(Warned(text))


@dataclass
class _Case:
    """A task that a callback has named: when to ask for it next. Clock readings in seconds."""

    due: float
    since: float
    asked: float = float("-inf")
    in_flight: bool = False
    lags: int = 0
    failures: int = 0


class Listener:
    """Confirms what callbacks say. The journal and the screen belong to the thread that calls `run`."""

    def __init__(self, run: Run, receiver: Receiver, forwarder: "Forwarder | None", inbox: Inbox) -> None:
        self._run = run
        self._receiver = receiver
        self._journal = run.journal
        self._forwarder = forwarder
        self._inbox = inbox
        self._cases: dict[str, _Case] = {}
        self._reported: dict[str, None] = {}
        self._orders: queue.SimpleQueue[tuple[str, list[str]] | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Raises what `listen` raises."""
        try:
            for _ in range(WORKERS):
                signals.start_thread(self._work)
            while True:
                self._step(float("inf"))
        except Stopped:
            self._wind_down()
            raise

    def _step(self, until: float) -> None:
        """Order what is due, then take the next event; returns at `until` or a little earlier without one.

        Signals are held back: torn away between taking an event and printing it, we would lose a task.
        """
        signals.hold()
        try:
            due = self._order_due()
            self._take(self._inbox.get(timeout=min(max(0.0, min(due, until) - time.monotonic()), TICK)))
        except queue.Empty:
            pass
        finally:
            signals.release()

    def _order_due(self) -> float:
        """Order what is due; the clock reading at which the next one is."""
        now = time.monotonic()
        for task_id, case in self._cases.items():
            if case.due <= now and not case.in_flight:
                case.in_flight, case.asked = True, now
                self._orders.put((task_id, self._models_of(task_id)))
        return min((case.due for case in self._cases.values() if not case.in_flight), default=float("inf"))

    def _models_of(self, task_id: str) -> list[str]:
        """The model of a task. One that the journal does not hold may be the task of any submission without one."""
        lost = [] if self._journal.known(task_id) else [row.task.model for row in self._journal.unsettled()]
        return list(dict.fromkeys([self._run.model_of(task_id), *lost]))

    def _take(self, event: object) -> None:
        if isinstance(event, Exception):
            raise event
        if isinstance(event, Callback):
            self._receive(event)
        elif isinstance(event, Poll):
            self._judge(event)

    def _work(self) -> None:
        """In a thread: ask for the tasks that are ordered."""
        while (asked := self._orders.get()) is not None:
            try:
                self._inbox.put(self._ask(*asked))
            except Exception as error:  # noqa: BLE001  a thread must hand its failure on, or nobody hears of it
                self._inbox.put(error)

    def _ask(self, task_id: str, models: list[str]) -> Poll:
        """What the service says of a task in the first of these models that knows it."""
        poll = Poll(task_id)
        for model in models:
            try:
                return Poll(task_id, task=self._run.client.task(task_id, model))
            except LumaError as error:
                poll = Poll(task_id, error=error)
                if not (isinstance(error, Rejected) and error.is_not_found):
                    break
        return poll

    def _receive(self, callback: Callback) -> None:
        """A callback was accepted: have its task asked for, at once where the callback is signed."""
        if not callback.verified and self._journal.known(callback.task_id) is None:
            self._run.report(
                Warned("a callback for a task that is not in the journal was ignored: no webhook_key is set")
            )
            return
        if self._forwarder is not None:
            self._forwarder.forward(callback)
        if callback.task_id in self._reported:
            return
        now = time.monotonic()
        case = self._cases.setdefault(callback.task_id, _Case(due=now, since=now))
        case.lags = 0
        due = now if callback.verified else max(now, case.asked + UNVERIFIED_PAUSE)
        case.due = min(case.due, due) if case.due > case.asked else due

    def _judge(self, poll: Poll) -> None:
        """Record what the service says, or decide when to ask again."""
        case = self._cases[poll.task_id]
        case.in_flight = False
        if poll.error is not None:
            return self._bear(poll.error, poll.task_id, case)
        assert poll.task is not None  # noqa: S101
        self._record(poll.task)
        if poll.task.has_ended:
            return self._report(poll.task)
        if case.lags >= len(LAG_PAUSES):
            self._run.report(
                Warned(
                    f"{poll.task_id}: a callback arrived, but the task goes on (luma wait {poll.task_id})", once=False
                )
            )
            del self._cases[poll.task_id]
        elif case.due <= case.asked:
            case.due = time.monotonic() + LAG_PAUSES[case.lags]
            case.lags += 1
        return None

    def _bear(self, error: LumaError, task_id: str, case: _Case) -> None:
        """Ride passing errors out. Raises what ends the listening."""
        now = time.monotonic()
        if isinstance(error, Rejected) and error.is_not_found:
            passing = now - case.since < VISIBILITY_GRACE
        elif isinstance(error, (*ACCOUNT_ERRORS, Rejected)):
            raise error
        else:
            passing = isinstance(error, Unavailable)
        case.failures += 1
        if not passing or case.failures > MAX_FAILURES:
            self._run.report(
                Warned(f"{task_id}: a callback arrived that could not be confirmed: {error.message}", once=False)
            )
            del self._cases[task_id]
            return
        asked_to = error.retry_after or 0.0 if isinstance(error, Unavailable) else 0.0
        case.due = now + max(min(2.0 ** min(case.failures - 1, 8), MAX_PAUSE), asked_to)

    def _record(self, task: Task) -> None:
        """Write down what the service said; a submission of unknown outcome gets its task."""
        try:
            is_new = self._journal.known(task.task_id) is None
            row = adopt(self._run, task) if is_new else None
            if row is not None:
                self._run.report(Note(f"{task.task_id} is the task of {row.label}"))
        except FileError as error:
            self._run.report(Warned(f"the state is not saved: {error.message}"))
        self._journal.learn_if_possible(task)

    def _report(self, task: Task) -> None:
        del self._cases[task.task_id]
        self._reported[task.task_id] = None
        if len(self._reported) > MAX_REPORTED:
            del self._reported[next(iter(self._reported))]
        self._run.report(Ended(task.task_id, task))

    def _wind_down(self) -> None:
        """Finish what has been accepted, as far as that goes quickly; the rest is named."""
        deadline = time.monotonic() + LAST_WORK
        self._receiver.close()
        while time.monotonic() < deadline and (self._has_work() or not self._inbox.empty()):
            self._step(deadline)
        for task_id in self._cases:
            self._run.results.track(task_id)
        if self._forwarder is not None:
            self._forwarder.close(deadline)

    def _has_work(self) -> bool:
        return any(case.in_flight or case.due <= time.monotonic() for case in self._cases.values())


class Forwarder:
    """Hands accepted callbacks on to a local application, in a thread of its own. Failures are reported."""

    def __init__(self, run: Run, url: str, pauses: tuple[float, ...] = (1.0, 2.0)) -> None:
        self._run = run
        self._url = url
        self._pauses = pauses
        self._session = Session(ca_bundle=run.settings.ca_bundle)  # it knows no key of ours
        self._waiting: queue.Queue[Callback] = queue.Queue(MAX_WAITING)
        self._under_way = 0
        self._lock = threading.Condition()
        signals.start_thread(self._work)

    def forward(self, callback: Callback) -> None:
        """Queue a callback as it came; one for which there is no room is reported and dropped."""
        with self._lock:
            if self._waiting.full():
                self._run.report(
                    Warned(
                        f"{callback.task_id}: not forwarded, {MAX_WAITING} callbacks are waiting for {self._name}",
                        once=False,
                    )
                )
                return
            self._under_way += 1
        self._waiting.put(callback)

    def close(self, deadline: float) -> None:
        """Wait for what is under way until `deadline`, a clock reading, and report what was left."""
        with self._lock:
            self._lock.wait_for(lambda: not self._under_way, max(0.0, deadline - time.monotonic()))
            if self._under_way:
                self._run.report(
                    Warned(f"{self._under_way} callback(s) were not forwarded to {self._name}", once=False)
                )

    @property
    def _name(self) -> str:
        return without_query(self._url)

    def _work(self) -> None:
        while True:
            callback = self._waiting.get()
            reason = self._send(callback)
            if reason is not None:
                self._run.report(Warned(f"{callback.task_id}: not forwarded to {self._name}: {reason}", once=False))
            with self._lock:
                self._under_way -= 1
                self._lock.notify_all()

    def _send(self, callback: Callback) -> str | None:
        """What went wrong in the last of a few tries; None where the application took it."""
        headers = {name.title(): value for name, value in callback.headers}
        reason = None
        for pause in (0.0, *self._pauses):
            time.sleep(pause)
            try:
                reply = exchange(
                    self._session, "POST", self._url, data=callback.body, headers=headers, budget=FORWARD_BUDGET
                )
            except TransportError as error:
                reason = error.message
                continue
            if 200 <= reply.status < 300:
                return None
            reason = f"HTTP {reply.status}"
            if reply.status < 500:
                break
        return reason
