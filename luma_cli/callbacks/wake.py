"""The ear that a waiting command keeps open: callbacks wake its polls, and name tasks whose answer was lost."""

import queue
import re
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import TracebackType
from urllib.parse import urlsplit

from luma_cli import signals
from luma_cli.api.client import Client
from luma_cli.api.hosts import host_of, is_loopback, is_public
from luma_cli.api.task import Task, is_link
from luma_cli.callbacks.server import Door, Receiver
from luma_cli.callbacks.signature import Callback
from luma_cli.config import key_store, settings
from luma_cli.edits import follow
from luma_cli.edits.plan import Goal, Plan, goal_of
from luma_cli.edits.poll import Inbox, Wake
from luma_cli.edits.results import Outcomes
from luma_cli.errors import LumaError, UsageError
from luma_cli.journal.journal import Journal
from luma_cli.journal.records import Row
from luma_cli.output import streams

# With callbacks the polls are only a safety net (vendor page "Luma Modify Callbacks": every 30 s).
SAFETY_INTERVAL = 30.0
# Without a key anybody can call back: a task is asked for no more often than this on such a word.
UNVERIFIED_PAUSE = 10.0
MAX_WAKES = 10_000

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def parse_place(text: str) -> tuple[str, int]:
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
        streams.warn_once("the public URL is plain http: callbacks can be read on their way")
    return url.rstrip("/")


def make_door(host: str, urls: Iterable[str]) -> Door:
    """What to let in on `host` for callbacks to these URLs; without any, everything at `/`."""
    urls = tuple(urls)
    key = key_store.load_webhook_key(settings.load_settings().config_dir)
    if key is not None:
        streams.protect(key.value)
    else:
        streams.warn_once("no webhook_key is set: callbacks are not verified (luma config set webhook_key)")
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
        self.heard: queue.Queue[str] = queue.Queue(MAX_WAKES)
        self._address = address
        self._receiver: Receiver | None = None
        self._woken: dict[str, float] = {}

    def __enter__(self) -> "Ear":
        if self._address is not None:
            host, port = self._address
            door = make_door(host, self.urls)
            self._receiver = Receiver(host, port, door, self._hear, refused=streams.warn_once, failed=self.inbox.put)
            streams.detail(f"listening on {host} port {port}")
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        if self._receiver is not None:
            self._receiver.close()

    def _hear(self, callback: Callback) -> bool:
        """In the receiver's thread."""
        if self.inbox.qsize() >= MAX_WAKES:
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
        if len(self._woken) > MAX_WAKES:
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
    address = parse_place(listen)
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
    return Ear(parse_place(listen), [*([check_public_url(public_url)] if public_url else []), *sorted(given)])


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
        follow.finish(goals, client, journal, plan, outcomes, ear.inbox)
    while lost := [row for row in journal.unsettled() if row.task.callback_url == ear.callback_url is not None]:
        streams.warn_once(f"{len(lost)} submission(s) of unknown outcome: waiting for the callback that names the task")
        row = _next_settled(ear, client, journal, {each.number for each in lost}, deadline)
        if row is None:
            return
        outcomes.forgive(row.number)
        left = max(1.0, deadline - time.monotonic()) if plan.timeout else 0.0
        found = [goal_of(row, time.time())]
        follow.finish(found, client, journal, replace(plan, timeout=left), outcomes, ear.inbox)


def _next_settled(ear: Ear, client: Client, journal: Journal, lost: set[int], deadline: float) -> Row | None:
    """The next of the lost submissions (by row number) that a callback has given its task; None at the deadline."""
    while (left := deadline - time.monotonic()) > 0:
        try:
            task_id = signals.next_of(ear.heard, left)
        except queue.Empty:
            return None
        row = journal.known(task_id)
        if row is not None and row.number in lost:
            return row  # another process was faster
        if row is not None:
            continue
        try:
            task = client.patiently(lambda task_id=task_id: client.task(task_id))  # type: ignore[misc]
        except LumaError as error:
            streams.warn(f"{task_id}: a callback came that could not be confirmed: {error.message}")
            continue
        row = adopt(task, client.base_url, journal)
        if row is not None:
            return row
    return None


def adopt(task: Task, base_url: str, journal: Journal) -> Row | None:
    """Give the submission of unknown outcome that asked for just this its task; its row, None where there is none.

    Another process may do the same at this moment.
    """
    row = _row_of(task, journal)
    try:
        return journal.adopt(task, base_url, row) if row is not None else None
    except UsageError:
        row = journal.known(task.task_id)
        return row if row is not None and row.is_ours else None


def _row_of(task: Task, journal: Journal) -> Row | None:
    """The one submission of unknown outcome that asked for just this, callback URL and all."""
    asked = (task.prompt, task.video_url, task.callback_url)
    fits = [row for row in journal.unsettled() if (row.task.prompt, row.task.video_url, row.task.callback_url) == asked]
    return fits[0] if len(fits) == 1 and task.callback_url is not None else None
