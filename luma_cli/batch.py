"""Many edits from one file: submitted at the service's pace, awaited and saved together, continued after any stop."""

import queue
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from luma_cli import checks, output, submit
from luma_cli.api import Client
from luma_cli.errors import (
    Finding,
    KeyRefused,
    LumaError,
    OutOfCredits,
    Refused,
    StillGenerating,
    Unavailable,
    UsageError,
)
from luma_cli.goals import Plan, verdict
from luma_cli.journal import Journal, NotYet
from luma_cli.manifest import Entry, in_shard, parse_manifest
from luma_cli.names import stem_of
from luma_cli.outcomes import Outcomes
from luma_cli.progress import Screen
from luma_cli.saving import Saved, Saver
from luma_cli.submit import Clip, Order, deliver, parse_clip
from luma_cli.target import check_target
from luma_cli.task import SavedFile, Task
from luma_cli.wait import Add, Close, Inbox, Poll, Watched, watch

# The balance is read again after so many submissions: the price of one is not documented.
CREDITS_EVERY = 10
# A rate limit that others on the account use up is ridden out this often in a row, each time with the client's pauses.
MOST_LIMITED = 30


@dataclass(frozen=True)
class Terms:
    """How a batch is submitted. `max_active` tasks run at once; `max_credits` may be spent by this run."""

    max_active: int | None = None
    max_credits: float | None = None
    skip_checks: bool = False
    strict: bool = False


@dataclass
class _Job:
    """An entry on its way. `place` is where its video goes, None for nowhere; `link` where its clip was uploaded to."""

    entry: Entry
    clip: Clip
    order: Order
    place: str | None
    link: str | None = None


@dataclass(frozen=True)
class _Turn:
    """Time to submit the next entry."""


def load_entries(name: str, text: str, shard: tuple[int, int] | None) -> list[Entry]:
    """The entries of a batch file that are ours; every fault is told.

    Raises:
        UsageError: rows are wrong.
    """
    try:
        entries = parse_manifest(name, text)
    except UsageError as error:
        output.show_report(error.findings, told_elsewhere=())
        raise
    return [each for each in entries if shard is None or in_shard(each, shard)]


def run_batch(
    entries: Sequence[Entry], terms: Terms, client: Client, journal: Journal, plan: Plan, outcomes: Outcomes
) -> None:
    """See every entry through and print a JSON line for each as it ends. How each ended goes into `outcomes`.

    An entry is known again by its id, prompt, clip and watermark: what has its task already is not submitted again.
    """
    _Batch(entries, terms, client, journal, plan, outcomes).run()


class _Batch:
    def __init__(
        self, entries: Sequence[Entry], terms: Terms, client: Client, journal: Journal, plan: Plan, outcomes: Outcomes
    ) -> None:
        self._entries = entries
        self._terms = terms
        self._client = client
        self._journal = journal
        self._plan = plan
        self._outcomes = outcomes
        self._inbox: Inbox = queue.Queue()
        self._queue: deque[_Job] = deque()
        self._running: dict[str, _Job] = {}
        self._saving: dict[str, _Job] = {}
        self._limited = 0
        self._purse = _Purse(client, terms.max_credits)

    def run(self) -> None:
        """Submit, wait and save until every entry has ended or cannot go on."""
        plan = self._plan
        with Screen(len(self._entries), plan.timeout, self._journal.median_duration()) as self._screen:
            self._saver = Saver(
                self._client, self._journal, plan, self._screen, self._outcomes, self._inbox, self._saved
            )
            for entry in self._entries:
                self._prepare(entry)
            if self._queue:
                self._purse.open()
            self._inbox.put(_Turn())
            self._loop()
            self._saver.drain()

    def _loop(self) -> None:
        plan, fetch = self._plan, self._client.task
        events = watch((), fetch, interval=plan.interval, timeout=plan.timeout, inbox=self._inbox, stays_open=True)
        try:
            for event in events:
                if isinstance(event, _Turn):
                    self._submit_next()
                elif isinstance(event, Saved):
                    self._saver.take(event)
                elif isinstance(event, Poll):
                    self._take(event)
                if plan.fail_fast and self._outcomes.errors:
                    return self._leave("left since another row failed")
        except StillGenerating:
            return self._leave("not ended within the limit")
        except (KeyRefused, OutOfCredits, Refused) as error:
            return self._leave("could not be awaited", error)
        return None

    def _prepare(self, entry: Entry) -> None:
        """Tell what has ended before, go on with what runs, refuse what is unfit, and queue the rest."""
        try:
            clip = parse_clip(entry.video)
            order = submit.make_order((entry.video,), entry.prompt, entry.watermark, None, None)
            order = replace(order, idempotency_key=order.row_key(entry.id, clip))
            job = _Job(entry, clip, order, _place(entry, self._plan.output))
            earlier = self._journal.earlier(order.submission(clip, entry.video, self._client.base_url))
            if earlier is not None:
                self._resume(job, earlier)
                return
            if not self._terms.skip_checks:
                self._refuse(_look_here(job, local=self._client.is_local), entry)
            if job.place is not None:
                _check_place(job.place, overwrite=self._plan.overwrite)
        except LumaError as error:
            self._fail(entry, None, error)
        else:
            self._queue.append(job)

    def _resume(self, job: _Job, task_id: str) -> None:
        """An entry that has its task: tell its end where that is known, else wait for it."""
        row = self._journal.known(task_id)
        task = row.task if row is not None else Task(task_id)
        if task.has_ended and (error := verdict(task)) is not None:
            return self._fail(job.entry, task, error)
        if task.has_ended and (job.place is None or _are_there(task.files)):
            return self._tell(job.entry, task)
        self._running[task_id] = job
        output.track(task_id)
        self._inbox.put(Add(Watched(task_id, 90.0)))
        return None

    def _submit_next(self) -> None:
        """Submit one entry, and say when the next has its turn."""
        if not self._queue:
            return self._inbox.put(Close())
        if self._terms.max_active is not None and len(self._running) >= self._terms.max_active:
            return None  # the next end of a task gives the turn
        job = self._queue.popleft()
        try:
            self._submit(job)
            self._limited = 0
        except NotYet as not_yet:
            self._queue.appendleft(job)
            return self._turn_in(not_yet.pause)
        except LumaError as error:
            if error.api_code == 429 and isinstance(error, Unavailable) and self._limited < MOST_LIMITED:
                self._limited += 1
                self._queue.appendleft(job)
                return self._turn_in(submit.SPACING.window)
            self._fail(job.entry, None, error)
            if isinstance(error, (KeyRefused, OutOfCredits)):
                self._drop_queue(error)
        return self._inbox.put(_Turn())

    def _submit(self, job: _Job) -> None:
        """Raises NotYet while the account has submitted too much just now, LumaError where nothing came of it."""
        self._purse.check()
        if job.link is None:
            if job.clip.path is None and not self._terms.skip_checks:
                self._refuse(_look_there(job, self._client), job.entry)
            if job.clip.path is not None:
                pause = self._journal.pause_before(self._client.base_url, submit.SPACING)
                if pause > 0:  # an upload does not live for ever: it is made when its turn is near
                    raise NotYet(pause)
                job.link = deliver(job.clip.path, None, self._client, self._screen)
        submission = job.order.submission(job.clip, job.link or job.clip.name, self._client.base_url)
        task_id = self._journal.record(submission, self._client.submit, announce=output.track, spacing=submit.SPACING)
        self._purse.spent()
        self._running[task_id] = job
        self._inbox.put(Add(Watched(task_id)))

    def _refuse(self, findings: Sequence[Finding], entry: Entry) -> None:
        """Raises UsageError where the findings are errors; tells them where they are warnings."""
        found = [replace(each, level=checks.ERROR) if self._terms.strict else each for each in findings]
        errors = [each for each in found if each.level == checks.ERROR]
        warnings = [replace(each, video=f"line {entry.line}") for each in found if each not in errors]
        output.show_report(warnings, told_elsewhere=())
        if errors:
            raise submit.unfit(errors, errors)

    def _turn_in(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self._inbox.put, (_Turn(),))
        timer.daemon = True
        timer.start()

    def _take(self, poll: Poll) -> None:
        self._screen.show(poll)
        if poll.task is not None:
            self._journal.learn_if_possible(poll.task, self._client.base_url)
        if not poll.final:
            return
        job = self._running.pop(poll.task_id)
        if self._queue and self._terms.max_active is not None:
            self._inbox.put(_Turn())
        error = poll.error or (verdict(poll.task) if poll.task is not None else None)
        if error is None and poll.task is not None and job.place is not None:
            self._saving[poll.task_id] = job
            self._saver.start(poll.task, stem_of(job.entry.video) or "video", job.place)
            return
        output.untrack(poll.task_id)
        if error is not None:
            self._fail(job.entry, poll.task, error)
        else:
            self._tell(job.entry, poll.task)

    def _saved(self, task: Task, error: LumaError | None) -> None:
        job = self._saving.pop(task.task_id)
        if error is not None:
            self._fail(job.entry, task, error)
        else:
            self._tell(job.entry, task)

    def _leave(self, why: str, error: LumaError | None = None) -> None:
        """Tell what still runs and what was not submitted; the same command goes on with both."""
        for task_id, job in self._running.items():
            reason = error or StillGenerating(why, hint=f"luma wait {task_id}", task_id=task_id)
            self._fail(job.entry, Task(task_id), reason)
        self._drop_queue(error or StillGenerating("not submitted", hint="run the same command again"))

    def _drop_queue(self, error: LumaError) -> None:
        """Nothing more is submitted: each entry that waits gets the same reason."""
        while self._queue:
            self._fail(self._queue.popleft().entry, None, error)

    def _tell(self, entry: Entry, task: Task | None) -> None:
        output.answer_entry(entry.id, entry.line, task, None)

    def _fail(self, entry: Entry, task: Task | None, error: LumaError) -> None:
        output.answer_entry(entry.id, entry.line, task, error)
        self._outcomes.fail(error, f"line {entry.line} ({entry.id})")


class _Purse:
    """Keeps a run within its credits. A task's price is what the balance lost so far, by the number of tasks."""

    def __init__(self, client: Client, limit: float | None) -> None:
        self._client = client
        self._limit = limit
        self._before = self._spent = 0.0
        self._tasks = self._read_at = 0

    def open(self) -> None:
        """Read the balance before anything is spent."""
        if self._limit is not None:
            self._before = self._client.patiently(self._client.credits)

    def check(self) -> None:
        """Raises OutOfCredits where one task more would exceed the limit."""
        if self._limit is None:
            return
        if self._tasks and (self._read_at == 0 or self._tasks - self._read_at >= CREDITS_EVERY):
            self._spent = self._before - self._client.patiently(self._client.credits)
            self._read_at = self._tasks
        price = self._spent / self._read_at if self._read_at else 0.0
        if self._limit <= 0 or self._spent + price * (self._tasks - self._read_at + 1) > self._limit:
            raise OutOfCredits(f"--max-credits {self._limit:g} is reached", hint="run again with a higher limit")

    def spent(self) -> None:
        self._tasks += 1


def _look_here(job: _Job, *, local: bool) -> list[Finding]:
    """What can be told without the network."""
    found = checks.check_prompt(job.order.prompt, allow_local=local)
    found += checks.check_callback(job.order.callback_url, allow_local=local)
    if job.clip.path is not None:
        return found + checks.check_file(job.clip.path)
    return found + checks.check_address(job.clip.name, allow_local=local)


def _look_there(job: _Job, client: Client) -> list[Finding]:
    with client.file_session() as session:
        return checks.check_link(job.clip.name, session, allow_local=client.is_local)


def _place(entry: Entry, folder: str | None) -> str | None:
    """Where an entry's video goes: its own file below the folder, or the folder for a default name."""
    if entry.output is not None:
        return str(Path(folder or ".", entry.output))
    return None if folder is None else f"{folder.rstrip('/')}/"


def _check_place(place: str, *, overwrite: bool) -> None:
    """Raises FileTrouble where a video cannot be saved, before it is paid for. Folders below the output are made."""
    if not place.endswith("/"):
        path = Path(place).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        check_target(path, overwrite=overwrite)


def _are_there(files: Sequence[SavedFile]) -> bool:
    paths = [Path(file.path) for file in files]
    sizes = [path.stat().st_size if path.is_file() else None for path in paths]
    return bool(files) and sizes == [file.bytes for file in files]
