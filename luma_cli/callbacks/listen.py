"""`luma listen`: receive callbacks, confirm what they say, record it, and hand them on."""

import queue
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from luma_cli import signals
from luma_cli.api.hosts import host_of, is_link, is_loopback, without_query
from luma_cli.api.task import Task
from luma_cli.api.transport import Session, TransportError, exchange
from luma_cli.callbacks.server import Receiver
from luma_cli.callbacks.signature import Callback
from luma_cli.callbacks.wake import UNVERIFIED_PAUSE, adopt, bracketed, check_public_url, make_endpoint, warn_once
from luma_cli.edits.engine import Heard, keep_asking
from luma_cli.edits.events import Note, Warned
from luma_cli.edits.poll import Inbox, Watched
from luma_cli.edits.run import Plan, Run
from luma_cli.errors import FileError, UsageError

# On a sibling API the record lagged behind the end of its task (observed): ask again after these pauses.
LAG_PAUSES = (10.0, 30.0, 60.0)
MAX_FAILURES = 20
# Callbacks that may wait, with their bodies: 32 MiB at the very most. Beyond, the service is asked to come again.
MAX_WAITING = 500
MAX_REPORTED = 50_000
# After a signal we end within 2 s; this much of it is for what has been accepted already.
LAST_WORK = 1.2
FORWARD_BUDGET = 15.0
FORWARD_PAUSES = (0.0, 1.0, 2.0)


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
    inbox: Inbox = queue.Queue()

    def deliver(callback: Callback) -> bool:
        has_room = inbox.qsize() < MAX_WAITING
        if has_room:
            inbox.put(callback)
        return has_room

    signals.hold()  # until the engine's first event: from now on somebody may call
    with Receiver(host, port, endpoint, deliver, refused=partial(warn_once, run), failed=inbox.put) as receiver:
        address, port = receiver.address
        run.report(Note(f"listening on http://{bracketed(address)}:{port}{min(endpoint.paths)}"))
        listener = Listener(run, receiver, forwarder)
        plan = Plan(run.settings.interval, timeout=0.0, only_reports=True)
        try:
            keep_asking(run, plan, listener, inbox, LAST_WORK)
        finally:
            listener.close()
            signals.release()


@dataclass(eq=False, repr=False)
class Listener:
    """What callbacks name, for the engine to ask for. Used from one thread."""

    _run: Run
    _receiver: Receiver
    _forwarder: "Forwarder | None"
    _reported: dict[str, None] = field(default_factory=dict)  # an ordered set
    _deadline: float = float("inf")

    def take(self, event: object) -> Heard | None:
        """A callback was accepted: have its task asked for, at once if the callback is signed."""
        if not isinstance(event, Callback):
            return None
        if not event.verified and self._run.journal.known(event.task_id) is None:
            what = "a callback for a task that is not in the journal was ignored: no webhook_key is set"
            warn_once(self._run, what)
            return None
        if self._forwarder is not None:
            self._forwarder.forward(event)
        if event.task_id in self._reported:
            return None
        watched = Watched(event.task_id, pauses=LAG_PAUSES, patience=MAX_FAILURES)
        return Heard(watched, 0.0 if event.verified else UNVERIFIED_PAUSE)

    def see(self, task: Task) -> None:
        """Give a submission of unknown outcome its task, and remember what is reported."""
        try:
            row = adopt(self._run, task) if self._run.journal.known(task.task_id) is None else None
            if row is not None:
                self._run.report(Note(f"{task.task_id} is the task of {row.label}"))
        except FileError as error:
            self._run.report(Warned(f"the state is not saved: {error.message}"))
        if task.has_ended:
            self._reported[task.task_id] = None
        if len(self._reported) > MAX_REPORTED:
            del self._reported[next(iter(self._reported))]

    def stop(self) -> None:
        self._deadline = time.monotonic() + LAST_WORK
        self._receiver.close()

    def close(self) -> None:
        if self._forwarder is not None:
            self._forwarder.close(min(self._deadline, time.monotonic() + LAST_WORK))


class Forwarder:
    """Hands accepted callbacks on to a local application, in a thread of its own. Failures are reported."""

    def __init__(self, run: Run, url: str) -> None:
        self._run = run
        self._url = url
        self._session = Session(ca_bundle=run.settings.ca_bundle)  # it knows no key of ours
        self._pool = ThreadPoolExecutor(1)
        self._under_way: set[Future[None]] = set()

    def forward(self, callback: Callback) -> None:
        """Queue a callback as it came; one for which there is no room is reported and dropped."""
        self._under_way = {one for one in self._under_way if not one.done()}
        if len(self._under_way) < MAX_WAITING:
            with signals.kept_from_threads():
                self._under_way.add(self._pool.submit(self._forward, callback))
        else:
            self._warn(f"{callback.task_id}: not forwarded, {MAX_WAITING} callbacks are waiting for {self._name}")

    def close(self, deadline: float) -> None:
        """Wait for what is under way until `deadline`, a clock reading, and report what was left."""
        left = wait(self._under_way, max(0.0, deadline - time.monotonic())).not_done
        self._pool.shutdown(wait=False, cancel_futures=True)
        if left:
            self._warn(f"{len(left)} callback(s) were not forwarded to {self._name}")

    def _warn(self, text: str) -> None:
        self._run.report(Warned(text, once=False))

    @property
    def _name(self) -> str:
        return without_query(self._url)

    def _forward(self, callback: Callback) -> None:
        reason = self._send(callback)
        if reason is not None:
            self._warn(f"{callback.task_id}: not forwarded to {self._name}: {reason}")

    def _send(self, callback: Callback) -> str | None:
        """What went wrong in the last of a few tries; None where the application took it."""
        headers = {name.title(): value for name, value in callback.headers}
        reason, body = None, callback.body
        for pause in FORWARD_PAUSES:
            time.sleep(pause)
            try:
                reply = exchange(self._session, "POST", self._url, data=body, headers=headers, budget=FORWARD_BUDGET)
            except TransportError as error:
                reason = error.message
                continue
            if 200 <= reply.status < 300:
                return None
            reason = f"HTTP {reply.status}"
            if reply.status < 500:
                break
        return reason
