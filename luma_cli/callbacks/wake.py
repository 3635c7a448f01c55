"""Callbacks while a command waits: they wake its polls, and name tasks whose response was lost."""

import logging
import queue
import re
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from luma_cli import signals
from luma_cli.api.hosts import host_of, is_link, is_loopback, is_public
from luma_cli.api.task import Task
from luma_cli.callbacks.server import Endpoint, Receiver
from luma_cli.callbacks.signature import Callback
from luma_cli.config import key_store
from luma_cli.edits.engine import see_through
from luma_cli.edits.events import Warned
from luma_cli.edits.poll import Inbox, Wake
from luma_cli.edits.request import Entry
from luma_cli.edits.run import Plan, Run
from luma_cli.edits.sources.task_references import reference_to
from luma_cli.errors import LumaError, UsageError
from luma_cli.journal.journal import Journal
from luma_cli.journal.records import Row

log = logging.getLogger(__name__)

# With callbacks the polls are only a safety net (vendor page "Luma Modify Callbacks": every 30 s).
SAFETY_INTERVAL = 30.0
# Without a key anybody can call back: a task is asked for no more often than this on such a word.
UNVERIFIED_PAUSE = 10.0
MAX_WAKES = 10_000

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


def check_public_url(run: Run, url: str) -> str:
    """An address where kie.ai can reach us, without a slash at its end.

    Raises:
        UsageError: it cannot be one.
    """
    host = host_of(url)
    if not is_link(url) or urlsplit(url).query or urlsplit(url).fragment or urlsplit(url).username:
        hint = "write it like https://hooks.example.net/luma"
        raise UsageError(f"{url[:200]!a} is not a usable public URL", hint=hint)
    if not is_public(host) and not is_loopback(host_of(run.settings.base_url)):
        hint = "name your proxy or tunnel: --public-url"
        raise UsageError(f"kie.ai cannot reach {host}: it is not public", hint=hint)
    if urlsplit(url).scheme == "http" and not is_loopback(host):
        run.report(Warned("the public URL is plain http: callbacks can be read on their way"))
    return url.rstrip("/")


def make_endpoint(run: Run, host: str, urls: Iterable[str]) -> Endpoint:
    """What to accept on `host` for callbacks to these URLs; without any, everything at `/`."""
    urls = tuple(urls)
    key = key_store.load_webhook_key(run.settings.config_dir)
    if key is not None:
        run.protect(key.value)
    else:
        run.report(Warned("no webhook_key is set: callbacks are not verified (luma config set webhook_key)"))
    plain = {urlsplit(url).path.rstrip("/") for url in urls} or {""}
    paths = frozenset(path or "/" for path in plain) | {f"{path}/" for path in plain}
    names = LOCAL_NAMES | {host.lower()} | {host_of(url) for url in urls}
    return Endpoint(paths, names if urls or is_loopback(host) else None, key.value if key is not None else None)


def pace(listen: str | None, interval: float | None) -> float | None:
    """How often to ask besides listening, where the user does not say: None leaves it to the settings."""
    return SAFETY_INTERVAL if interval is None and listen is not None else interval


@dataclass(eq=False, repr=False)
class CallbackServer:
    """Takes callbacks while a command waits, and wakes its polls. Without an address it takes none.

    A context manager: on entering the port is bound, which must be done before money is spent.
    """

    _run: Run
    _address: tuple[str, int] | None = None
    _urls: Iterable[str] = ()  # where callbacks are sent to
    callback_url: str | None = None  # of the submissions to come
    inbox: Inbox = field(default_factory=queue.Queue)
    heard: "queue.Queue[str]" = field(default_factory=lambda: queue.Queue(MAX_WAKES))  # ids of tasks
    _receiver: Receiver | None = None
    _woken: dict[str, float] = field(default_factory=dict)  # when, a clock reading, in that order

    def __enter__(self) -> "CallbackServer":
        if self._address is not None:
            host, port = self._address
            endpoint, refused = make_endpoint(self._run, host, self._urls), partial(warn_once, self._run)
            self._receiver = Receiver(host, port, endpoint, self._hear, refused=refused, failed=self.inbox.put)
            log.info("listening on %s port %s", host, port)
        return self

    def __exit__(self, *_: object) -> None:
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


def open_server(
    run: Run, listen: str | None, public_url: str | None, callback_url: str | None = None
) -> CallbackServer:
    """A server for submissions to come. Its callback URL has a tag that nobody else knows.

    Without `listen` nothing is received, and callbacks go where the user says.

    Raises:
        UsageError: the options do not fit together.
    """
    if listen is None:
        _refuse_alone(public_url)
        return CallbackServer(run, callback_url=callback_url)
    if callback_url is not None:
        raise UsageError("both --callback-url and --listen are given", hint="--listen sends callbacks to --public-url")
    address = parse_address(listen)
    if public_url is None and not is_loopback(host_of(run.settings.base_url)):
        raise UsageError("--listen needs --public-url", hint="the address where your proxy or tunnel takes callbacks")
    public = check_public_url(run, public_url or f"http://{bracketed(address[0])}:{address[1]}")
    url = f"{public}/{secrets.token_hex(8)}"
    return CallbackServer(run, address, [url], url)


def open_server_for(run: Run, task_ids: Iterable[str], listen: str | None, public_url: str | None) -> CallbackServer:
    """A server for tasks that were submitted before: it is open at the callback URLs they were given.

    Raises:
        UsageError: the options do not fit together.
    """
    if listen is None:
        _refuse_alone(public_url)
        return CallbackServer(run)
    rows = (run.journal.known(task_id) for task_id in task_ids)
    given = {row.task.callback_url for row in rows if row is not None and row.task.callback_url}
    public = [check_public_url(run, public_url)] if public_url else []
    return CallbackServer(run, parse_address(listen), [*public, *sorted(given)])


def _refuse_alone(public_url: str | None) -> None:
    if public_url is not None:
        raise UsageError("--public-url needs --listen", hint="--listen [HOST:]PORT")


def see_through_with_callbacks(run: Run, plan: Plan, entries: Sequence[Entry], server: CallbackServer) -> None:
    """The engine, woken by callbacks, and then those submissions whose response was lost.

    Their callback names the task, and its record has the callback URL with our tag, which ties the two together.
    """
    see_through(run, plan, entries, server.inbox)
    if server.callback_url is None or not plan.waits:
        return
    now = run.clock.monotonic
    deadline = now() + plan.timeout if plan.timeout else float("inf")
    while lost := [row for row in run.journal.unsettled() if row.task.callback_url == server.callback_url]:
        warn_once(run, f"{len(lost)} submission(s) of unknown outcome: waiting for the callback that names the task")
        row = _next_settled(run, server, lost, deadline)
        if row is None:
            return
        run.results.forgive(row.number)
        left = max(1.0, deadline - now()) if plan.timeout else 0.0
        reference = reference_to(row, run.clock.now())
        entry = Entry(row.source, reference.naming, task_id=reference.task_id, output=plan.output, age=reference.age)
        see_through(run, plan._replace(timeout=left), [entry], server.inbox)


def _next_settled(run: Run, server: CallbackServer, lost: Sequence[Row], deadline: float) -> Row | None:
    """The next of the lost submissions that a callback has given its task; None at the deadline."""
    numbers, model = {row.number for row in lost}, lost[0].task.model  # of one command, which has one model
    while (left := deadline - run.clock.monotonic()) > 0:
        try:
            task_id = signals.next_of(server.heard, left)
        except queue.Empty:
            return None
        row = run.journal.known(task_id)
        if row is not None and row.number in numbers:
            return row  # another process was faster
        if row is not None:
            continue
        try:
            task = run.client.patiently(partial(run.client.task, task_id, model))
        except LumaError as error:
            text = f"{task_id}: a callback arrived that could not be confirmed: {error.message}"
            run.report(Warned(text, once=False))
            continue
        row = adopt(run, task)
        if row is not None:
            return row
    return None


def warn_once(run: Run, text: str) -> None:
    run.report(Warned(text))


def bracketed(host: str) -> str:
    """A host as it stands in a link."""
    return f"[{host}]" if ":" in host else host


def adopt(run: Run, task: Task) -> Row | None:
    """Give the submission of unknown outcome that asked for just this its task; its row, None if there is none.

    Another process may do the same at this moment.
    """
    row = _row_of(task, run.journal)
    try:
        return run.journal.adopt(task, row=row) if row is not None else None
    except UsageError:
        row = run.journal.known(task.task_id)
        return row if row is not None and row.is_ours else None


def _row_of(task: Task, journal: Journal) -> Row | None:
    """The one submission of unknown outcome that asked for just this, callback URL and all."""
    asked = (task.prompt, task.video_url, task.callback_url)
    fits = [row for row in journal.unsettled() if (row.task.prompt, row.task.video_url, row.task.callback_url) == asked]
    return fits[0] if len(fits) == 1 and task.callback_url is not None else None
