"""Callbacks put to use: `luma listen`, and the ear that a waiting command keeps open."""

import queue
import re
import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from urllib.parse import urlsplit

from luma_cli import finish, keystore, output, settings, signals
from luma_cli.addresses import host_of, is_loopback, is_public, without_query
from luma_cli.api import Client
from luma_cli.errors import (
    FileTrouble,
    KeyRefused,
    LumaError,
    OutcomeUnknown,
    OutOfCredits,
    Refused,
    Unavailable,
    UsageError,
)
from luma_cli.formats import task_members
from luma_cli.goals import Goal, Plan, goal_of
from luma_cli.journal import Journal
from luma_cli.outcomes import Outcomes
from luma_cli.rows import Row
from luma_cli.signals import Stopped
from luma_cli.task import Task, is_link
from luma_cli.transport import Session, TransportError, exchange
from luma_cli.wait import LONGEST_PAUSE, VISIBILITY_GRACE, WORKERS, Inbox, Poll, Wake
from luma_cli.webhook import Callback, Door, Receiver

# With callbacks the polls are only a safety net (vendor page "Luma Modify Callbacks": every 30 s).
SAFETY_INTERVAL = 30.0
# Without a key anybody can call back: a task is asked for no more often than this on such a word.
UNVERIFIED_PAUSE = 10.0
# On a sibling API the record lagged behind the end of its task (observed): ask again after these pauses.
LAG_PAUSES = (10.0, 30.0, 60.0)
MOST_FAILURES = 20
# Callbacks that may wait, with their bodies: 32 MiB at the very most. Beyond, the service is told to come again.
MOST_WAITING = 500
MOST_WAKES = 10_000
MOST_TOLD = 50_000
# The service takes 2 s to be stopped (fault list, row K15); this much of it is for what has been accepted already.
LAST_WORK = 1.2
TICK = 0.25
FORWARD_TRIES = 3
FORWARD_BUDGET = 15.0

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `[HOST:]PORT`; without a host, this machine alone.

    Raises:
        UsageError: no such thing.
    """
    found = re.fullmatch(r"(?:(\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]/]+):)?([0-9]{1,5})", text)
    if found is None or not 0 < int(found[2]) < 65536:
        raise UsageError(f"{text[:80]!a} is not an address to listen on", hint="[HOST:]PORT, like 8080 or 0.0.0.0:8080")
    return (found[1] or "127.0.0.1").strip("[]"), int(found[2])


def check_public_url(url: str) -> str:
    """An address where kie.ai can reach us, without a slash at its end.

    Raises:
        UsageError: it cannot be one.
    """
    host = host_of(url)
    if not is_link(url) or urlsplit(url).query or urlsplit(url).fragment or urlsplit(url).username:
        raise UsageError(
            f"{url[:200]!a} is not a usable public URL", hint="write it like https://hooks.example.net/luma"
        )
    if not is_public(host) and not is_loopback(host_of(settings.load_settings().base_url)):
        raise UsageError(
            f"kie.ai cannot reach {host}: it is not public", hint="name your proxy or tunnel: --public-url"
        )
    if urlsplit(url).scheme == "http" and not is_loopback(host):
        output.warn_once("the public URL is plain http: callbacks can be read on their way")
    return url.rstrip("/")


def check_forward_url(url: str) -> str:
    """Raises UsageError for an address that callbacks may not be handed on to: https, or http on loopback."""
    if not is_link(url) or urlsplit(url).username:
        raise UsageError(f"{url[:200]!a} is not a usable address to forward to", hint="like http://127.0.0.1:3000/hook")
    if urlsplit(url).scheme == "http" and not is_loopback(host_of(url)):
        raise UsageError("callbacks would be forwarded in plain text", hint=f"use https://{host_of(url)}")
    return url


def make_door(host: str, urls: Iterable[str]) -> Door:
    """What to let in on `host` for callbacks to these URLs; without any, everything at `/`."""
    urls = tuple(urls)
    key = keystore.load_webhook_key(settings.load_settings().config_dir)
    if key is not None:
        output.protect(key.value)
    else:
        output.warn_once("no webhook_key is set: callbacks are not verified (luma config set webhook_key)")
    plain = {urlsplit(url).path.rstrip("/") for url in urls} or {""}
    paths = frozenset(path or "/" for path in plain) | {f"{path}/" for path in plain}
    names = LOCAL_NAMES | {host.lower()} | {host_of(url) for url in urls}
    return Door(paths, names if urls or is_loopback(host) else None, key.value if key is not None else None)


def pace(listen: str | None, interval: float | None) -> float | None:
    """How often to ask besides listening, where the user does not say: None leaves it to the settings."""
    return SAFETY_INTERVAL if interval is None and listen is not None else interval


class Ear:
    """Hears callbacks while a command waits, and wakes its polls. Without an address it hears nothing.

    A context manager: on entering the port is bound, which must be done before money is spent.
    """

    def __init__(
        self, address: tuple[str, int] | None, urls: Iterable[str] = (), callback_url: str | None = None
    ) -> None:
        self.inbox: Inbox = queue.Queue()
        self.urls = tuple(urls)
        self.callback_url = callback_url
        self.heard: queue.Queue[str] = queue.Queue(MOST_WAKES)
        self._address = address
        self._receiver: Receiver | None = None
        self._woken: dict[str, float] = {}

    def __enter__(self) -> "Ear":
        if self._address is not None:
            host, port = self._address
            door = make_door(host, self.urls)
            self._receiver = Receiver(host, port, door, self._hear, refused=output.warn_once, failed=self.inbox.put)
            output.detail(f"listening on {host} port {port}")
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        if self._receiver is not None:
            self._receiver.close()

    def _hear(self, callback: Callback) -> bool:
        """In the receiver's thread."""
        if self.inbox.qsize() >= MOST_WAKES:
            return False
        if callback.verified or self._may_wake(callback.task_id):
            self.inbox.put(Wake(callback.task_id))
            if not self.heard.full():
                self.heard.put(callback.task_id)
        return True

    def _may_wake(self, task_id: str) -> bool:
        now = time.monotonic()
        if now - self._woken.get(task_id, float("-inf")) < UNVERIFIED_PAUSE:
            return False
        self._woken.pop(task_id, None)
        self._woken[task_id] = now
        if len(self._woken) > MOST_WAKES:
            del self._woken[next(iter(self._woken))]
        return True


def open_ear(listen: str | None, public_url: str | None, callback_url: str | None = None) -> Ear:
    """An ear for submissions to come. Its callback URL has a tag that nobody else knows.

    Without `listen` nothing is heard, and callbacks go where the user says.

    Raises:
        UsageError: the options do not fit together.
    """
    if listen is None:
        return _deaf(public_url, callback_url)
    if callback_url is not None:
        raise UsageError("both --callback-url and --listen are given", hint="--listen sends callbacks to --public-url")
    address = parse_address(listen)
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    if public_url is None and not is_loopback(host_of(settings.load_settings().base_url)):
        raise UsageError("--listen needs --public-url", hint="the address where your proxy or tunnel takes callbacks")
    public = check_public_url(public_url or f"http://{host}:{address[1]}")
    url = f"{public}/{secrets.token_hex(8)}"
    return Ear(address, [url], url)


def open_ear_for(task_ids: Iterable[str], journal: Journal, listen: str | None, public_url: str | None) -> Ear:
    """An ear for tasks that were submitted before: it is open at the callback URLs they were given.

    Raises:
        UsageError: the options do not fit together.
    """
    if listen is None:
        return _deaf(public_url)
    rows = (journal.known(task_id) for task_id in task_ids)
    given = {row.task.callback_url for row in rows if row is not None and row.task.callback_url}
    return Ear(parse_address(listen), [*([check_public_url(public_url)] if public_url else []), *sorted(given)])


def _deaf(public_url: str | None, callback_url: str | None = None) -> Ear:
    if public_url is not None:
        raise UsageError("--public-url needs --listen", hint="--listen [HOST:]PORT")
    return Ear(None, callback_url=callback_url)


def see_through(
    goals: Sequence[Goal], client: Client, journal: Journal, plan: Plan, outcomes: Outcomes, ear: Ear
) -> None:
    """`finish.finish`, woken by callbacks, and then those submissions whose answer was lost.

    Their callback names the task, and its record has the callback URL with our tag, which ties the two together.
    """
    deadline = time.monotonic() + plan.timeout if plan.timeout else float("inf")
    if goals:
        finish.finish(goals, client, journal, plan, outcomes, ear.inbox)
    while lost := [row for row in journal.unsettled() if row.task.callback_url == ear.callback_url is not None]:
        output.warn_once(f"{len(lost)} submission(s) of unknown outcome: waiting for the callback that names the task")
        row = _next_settled(ear, client, journal, deadline)
        if row is None:
            return
        outcomes.errors.remove(next(error for error in outcomes.errors if isinstance(error, OutcomeUnknown)))
        left = max(1.0, deadline - time.monotonic()) if plan.timeout else 0.0
        found = [goal_of(row, time.time())]
        finish.finish(found, client, journal, replace(plan, timeout=left), outcomes, ear.inbox)


def _next_settled(ear: Ear, client: Client, journal: Journal, deadline: float) -> Row | None:
    """The next submission of unknown outcome that a callback has given its task; None at the deadline."""
    while (left := deadline - time.monotonic()) > 0:
        try:
            task_id = signals.next_of(ear.heard, left)
        except queue.Empty:
            return None
        if journal.known(task_id) is not None:
            continue
        try:
            task = client.patiently(lambda task_id=task_id: client.task(task_id))  # type: ignore[misc]
        except LumaError as error:
            output.warn(f"{task_id}: a callback came that could not be confirmed: {error.message}")
            continue
        row = row_of(task, journal)
        if row is not None:
            return journal.adopt(task, client.base_url, row)
    return None


def row_of(task: Task, journal: Journal) -> Row | None:
    """The one submission of unknown outcome that asked for just this, callback URL and all."""
    asked = (task.prompt, task.video_url, task.callback_url)
    fits = [row for row in journal.unsettled() if (row.task.prompt, row.task.video_url, row.task.callback_url) == asked]
    return fits[0] if len(fits) == 1 and task.callback_url is not None else None


def listen(
    host: str, port: int, public_url: str | None, forward_to: str | None, client: Client, journal: Journal
) -> None:
    """Receive, confirm and record callbacks, and print each task as it ends, until a signal comes.

    Raises:
        UsageError, FileTrouble: it cannot be done here.
        KeyRefused, OutOfCredits, Refused: the service answers no question of ours.
        Stopped: the signal; what had been accepted is done as far as a second allows.
    """
    door = make_door(host, [check_public_url(public_url)] if public_url is not None else [])
    forwarder = Forwarder(check_forward_url(forward_to)) if forward_to is not None else None
    inbox: Inbox = queue.Queue()

    def deliver(callback: Callback) -> bool:
        if inbox.qsize() >= MOST_WAITING:
            return False
        inbox.put(callback)
        return True

    signals.hold()  # until the first step: from now on somebody may call
    with Receiver(host, port, door, deliver, refused=output.warn_once, failed=inbox.put) as receiver:
        shown = f"[{receiver.address[0]}]" if ":" in receiver.address[0] else receiver.address[0]
        output.note(f"listening on http://{shown}:{receiver.address[1]}{min(door.paths)}")
        Listener(receiver, client, journal, forwarder, inbox).run()


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

    def __init__(
        self, receiver: Receiver, client: Client, journal: Journal, forwarder: "Forwarder | None", inbox: Inbox
    ) -> None:
        self._receiver = receiver
        self._client = client
        self._journal = journal
        self._forwarder = forwarder
        self._inbox = inbox
        self._cases: dict[str, _Case] = {}
        self._told: dict[str, None] = {}
        self._orders: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Raises what `listen` raises."""
        try:
            for _ in range(WORKERS):
                threading.Thread(target=self._work, daemon=True).start()
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
                self._orders.put(task_id)
        return min((case.due for case in self._cases.values() if not case.in_flight), default=float("inf"))

    def _take(self, event: object) -> None:
        if isinstance(event, Exception):
            raise event
        if isinstance(event, Callback):
            self._knock(event)
        elif isinstance(event, Poll):
            self._judge(event)

    def _work(self) -> None:
        """In a thread: ask for the tasks that are ordered."""
        while (task_id := self._orders.get()) is not None:
            try:
                self._inbox.put(Poll(task_id, task=self._client.task(task_id)))
            except LumaError as error:
                self._inbox.put(Poll(task_id, error=error))
            except Exception as error:  # noqa: BLE001  a thread must hand its failure on, or nobody hears of it
                self._inbox.put(error)

    def _knock(self, callback: Callback) -> None:
        """A callback was accepted: have its task asked for, at once where the callback is signed."""
        if not callback.verified and self._journal.known(callback.task_id) is None:
            output.warn_once("a callback for a task that is not in the journal was ignored: no webhook_key is set")
            return
        if self._forwarder is not None:
            self._forwarder.forward(callback)
        if callback.task_id in self._told:
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
            return self._tell(poll.task)
        if case.lags >= len(LAG_PAUSES):
            output.warn(f"{poll.task_id}: a callback came, but the task goes on (luma wait {poll.task_id})")
            del self._cases[poll.task_id]
        elif case.due <= case.asked:
            case.due = time.monotonic() + LAG_PAUSES[case.lags]
            case.lags += 1
        return None

    def _bear(self, error: LumaError, task_id: str, case: _Case) -> None:
        """Ride passing trouble out. Raises what ends the listening."""
        now = time.monotonic()
        if isinstance(error, Refused) and error.api_code in (404, 422):
            passing = now - case.since < VISIBILITY_GRACE
        elif isinstance(error, (KeyRefused, OutOfCredits, Refused)):
            raise error
        else:
            passing = isinstance(error, Unavailable)
        case.failures += 1
        if not passing or case.failures > MOST_FAILURES:
            output.warn(f"{task_id}: a callback came that could not be confirmed: {error.message}")
            del self._cases[task_id]
            return
        asked_to = error.retry_after or 0.0 if isinstance(error, Unavailable) else 0.0
        case.due = now + max(min(2.0 ** min(case.failures - 1, 8), LONGEST_PAUSE), asked_to)

    def _record(self, task: Task) -> None:
        """Write down what the service said; a submission of unknown outcome gets its task."""
        try:
            row = row_of(task, self._journal) if self._journal.known(task.task_id) is None else None
            if row is not None:
                self._journal.adopt(task, self._client.base_url, row)
                output.note(f"{task.task_id} is the task of {row.label}")
        except FileTrouble as error:
            output.warn_once(f"the state is not saved: {error.message}")
        self._journal.learn_if_possible(task, self._client.base_url)

    def _tell(self, task: Task) -> None:
        del self._cases[task.task_id]
        self._told[task.task_id] = None
        if len(self._told) > MOST_TOLD:
            del self._told[next(iter(self._told))]
        output.answer_json(task_members(task))

    def _wind_down(self) -> None:
        """Finish what has been accepted, as far as that goes quickly; the rest is named."""
        deadline = time.monotonic() + LAST_WORK
        self._receiver.close()
        while time.monotonic() < deadline and (self._has_work() or not self._inbox.empty()):
            self._step(deadline)
        for task_id in self._cases:
            output.track(task_id)
        if self._forwarder is not None:
            self._forwarder.close(deadline)

    def _has_work(self) -> bool:
        return any(case.in_flight or case.due <= time.monotonic() for case in self._cases.values())


class Forwarder:
    """Hands accepted callbacks on to a local application, in a thread of its own. Failures are told on stderr."""

    def __init__(self, url: str, pauses: tuple[float, ...] = (1.0, 2.0)) -> None:
        self._url = url
        self._pauses = pauses
        self._session = Session(ca_bundle=settings.load_settings().ca_bundle)  # it knows no key of ours
        self._waiting: queue.Queue[Callback] = queue.Queue(MOST_WAITING)
        self._under_way = 0
        self._lock = threading.Condition()
        threading.Thread(target=self._work, daemon=True).start()

    def forward(self, callback: Callback) -> None:
        """Queue a callback as it came; one for which there is no room is told and dropped."""
        with self._lock:
            if self._waiting.full():
                output.warn(f"{callback.task_id}: not forwarded, {MOST_WAITING} callbacks are waiting for {self._name}")
                return
            self._under_way += 1
        self._waiting.put(callback)

    def close(self, deadline: float) -> None:
        """Wait for what is under way until `deadline`, a clock reading, and tell what was left."""
        with self._lock:
            self._lock.wait_for(lambda: not self._under_way, max(0.0, deadline - time.monotonic()))
            if self._under_way:
                output.warn(f"{self._under_way} callback(s) were not forwarded to {self._name}")

    @property
    def _name(self) -> str:
        return without_query(self._url)

    def _work(self) -> None:
        while True:
            callback = self._waiting.get()
            trouble = self._send(callback)
            if trouble is not None:
                output.warn(f"{callback.task_id}: not forwarded to {self._name}: {trouble}")
            with self._lock:
                self._under_way -= 1
                self._lock.notify_all()

    def _send(self, callback: Callback) -> str | None:
        """What went wrong in the last of a few tries; None where the application took it."""
        headers = {name.title(): value for name, value in callback.headers}
        trouble = None
        for pause in (0.0, *self._pauses):
            time.sleep(pause)
            try:
                reply = exchange(
                    self._session, "POST", self._url, data=callback.body, headers=headers, budget=FORWARD_BUDGET
                )
            except TransportError as error:
                trouble = error.message
                continue
            if 200 <= reply.status < 300:
                return None
            trouble = f"HTTP {reply.status}"
            if reply.status < 500:
                break
        return trouble
