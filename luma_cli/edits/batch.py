"""Many edits from one file: submitted at the service's pace, awaited and saved together, continued after any stop."""

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from luma_cli.api.client import MAX_PAUSE, Client
from luma_cli.api.task import Edit, SavedFile, Task
from luma_cli.checks import clips, links, prompts
from luma_cli.checks.findings import ERROR
from luma_cli.config import settings
from luma_cli.downloads.file_names import stem_of
from luma_cli.downloads.target import check_target, trouble
from luma_cli.edits import preflight, save, submit
from luma_cli.edits.manifest import Entry, in_shard, parse_manifest
from luma_cli.edits.plan import STDOUT, Plan, verdict
from luma_cli.edits.poll import Add, Close, Inbox, Poll, Watched, watch
from luma_cli.edits.request import Clip, Order, make_order, parse_clip
from luma_cli.edits.results import Outcomes
from luma_cli.edits.save import Saved, Saver
from luma_cli.edits.submit import deliver
from luma_cli.errors import (
    ACCOUNT_ERRORS,
    Finding,
    LumaError,
    OutcomeUnknown,
    OutOfCredits,
    Rejected,
    StillGenerating,
    Unavailable,
    UsageError,
)
from luma_cli.journal.journal import BeingSent, Journal, NotYet
from luma_cli.output import streams
from luma_cli.output.progress import Screen

# The balance is read again after so many submissions: the price of one is not documented.
CREDITS_EVERY = 10
# A rate limit that others on the account use up (shards on other machines) is ridden out this often in a row.
MAX_LIMITED = 60
# The pauses differ, by the golden ratio: always a whole window later another shard would always be just ahead.
PHASE = 0.618
UNKNOWN_HINT = "look at https://kie.ai/logs; then `luma tasks adopt ID`, or forget it to have it submitted again"
ANOTHER_FAILED = "left since another row failed"


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
    is_fit: bool = False

    @property
    def stem(self) -> str:
        return stem_of(self.entry.video) or "video"


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
        streams.show_report(error.findings, told_elsewhere=())
        raise
    return [each for each in entries if shard is None or in_shard(each, shard)]


def open_folder(name: str | None) -> str | None:
    """The folder of the results, named by the user or the settings; None where only links are wanted.

    Raises:
        UsageError: stdout is meant.
        FileError: the folder cannot be written.
    """
    name = name or settings.load_settings().output_dir
    if name == STDOUT:
        raise UsageError("a batch saves files: it has no video for stdout", hint="-o DIR")
    if name is not None:
        save.check_folder(name)
    return name


def run_batch(
    entries: Sequence[Entry], terms: Terms, client: Client, journal: Journal, plan: Plan, outcomes: Outcomes
) -> None:
    """See every entry through and print a JSON line for each as it ends. How each ended goes into `outcomes`.

    An entry is known again by its id, prompt, clip and watermark: what has its task already is not submitted again.
    """
    if settings.journal_is_off():
        streams.warn(
            "LUMA_JOURNAL=off: if this batch is stopped, it cannot go on; run again, it pays for every row anew"
        )
    else:
        streams.go_on_with("run the same command again, it goes on where it stopped")
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
        self._limited = self._told = 0
        self._purse = _Purse(client, terms.max_credits)

    def run(self) -> None:
        """Submit, wait and save until every entry has ended or cannot go on."""
        plan = self._plan
        with contextlib.ExitStack() as stack:
            screen = Screen(len(self._entries), plan.timeout, self._journal.median_duration())
            self._screen = stack.enter_context(screen)
            saver = Saver(self._client, self._journal, plan, screen, self._outcomes, self._inbox, self._saved)
            self._saver = stack.enter_context(saver)
            for entry in self._entries:
                self._prepare(entry)
            if plan.fail_fast and self._outcomes.errors:
                return self._leave(ANOTHER_FAILED)
            if self._queue:
                self._purse.open()
            self._inbox.put(_Turn())
            self._loop()
            self._saver.drain()
        return None

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
                self._show()
                if plan.fail_fast and self._outcomes.errors:
                    return self._leave(ANOTHER_FAILED)
        except StillGenerating:
            return self._leave("not ended within the limit")
        except (*ACCOUNT_ERRORS, Rejected) as error:
            return self._leave("could not be awaited", error)
        return None

    def _show(self) -> None:
        failed = len(self._outcomes.errors)
        counts = {"to submit": len(self._queue), "running": len(self._running), "saving": len(self._saving)}
        self._screen.tally({**counts, "done": self._told - failed, "failed": failed})

    def _prepare(self, entry: Entry) -> None:
        """Tell what has ended before, go on with what runs, refuse what is unfit, and queue the rest."""
        try:
            clip = parse_clip(entry.video)
            order = make_order((entry.video,), entry.prompt, entry.watermark, None, None)
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
        except BeingSent:
            self._queue.append(job)
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
        if task.has_ended and job.place is None:
            return self._tell(job.entry, task)
        if task.has_ended and job.place is not None and (files := _saved_at(job.place, job.stem, task)):
            return self._tell(job.entry, replace(task, files=files))
        self._running[task_id] = job
        streams.track(task_id)
        age = time.time() - row.submitted_at.timestamp() if row is not None else 0.0
        self._inbox.put(Add(Watched(task_id, max(0.0, age))))
        return None

    def _submit_next(self) -> None:
        """Submit one entry, and say when the next has its turn."""
        if not self._queue:
            return self._inbox.put(Close())
        if self._is_full():
            return None  # the next end of a task gives the turn
        job = self._queue.popleft()
        try:
            self._submit(job)
            self._limited = 0
        except NotYet as not_yet:
            self._queue.appendleft(job)
            return self._turn_in(not_yet.pause)
        except BeingSent:  # by another batch of this file: the others first, then see what came of it
            self._queue.append(job)
            return self._turn_in(1.0)
        except LumaError as error:
            is_limited = isinstance(error, Unavailable) and error.api_code == 429
            if isinstance(error, Unavailable) and is_limited and self._may_ride_out(error):
                self._queue.appendleft(job)
                pause = submit.SPACING.window * (1 + self._limited * PHASE % 1)
                return self._turn_in(max(pause, error.retry_after or 0.0))
            self._fail(job.entry, None, error)
            if is_limited or isinstance(error, ACCOUNT_ERRORS):
                self._drop_queue(error)
        return self._inbox.put(_Turn())

    def _is_full(self) -> bool:
        """With a limit on credits and no price known yet, one task at a time: the service may charge at its end."""
        most = 1 if self._running and self._purse.is_blind() else self._terms.max_active
        return most is not None and len(self._running) >= most

    def _may_ride_out(self, error: Unavailable) -> bool:
        self._limited += 1
        return self._limited <= MAX_LIMITED and (error.retry_after or 0.0) <= MAX_PAUSE

    def _submit(self, job: _Job) -> None:
        """Raises NotYet while the account has submitted too much just now, LumaError where nothing came of it."""
        self._purse.check()
        pause = self._journal.pause_before(self._client.base_url, submit.SPACING)
        if pause > 0:  # an upload does not live for ever: it is made when its turn is near
            raise NotYet(pause)
        if job.link is None and job.clip.path is not None:
            job.link = deliver(job.clip.path, None, self._client, self._screen)
        elif not (job.is_fit or self._terms.skip_checks):
            self._refuse(_look_there(job, self._client), job.entry)
        job.is_fit = True
        submission = job.order.submission(job.clip, job.link or job.clip.name, self._client.base_url)
        task_id = self._journal.record(submission, self._send, announce=streams.track, spacing=submit.SPACING)
        self._purse.spent()
        self._running[task_id] = job
        self._inbox.put(Add(Watched(task_id)))

    def _send(self, edit: Edit) -> str:
        """Without the client's own pauses at the rate limit: the tasks that run must not wait for them."""
        return self._client.submit(edit, rate_retries=0)

    def _refuse(self, findings: Sequence[Finding], entry: Entry) -> None:
        """Raises UsageError where the findings are errors; tells them where they are warnings."""
        found = [preflight.strictly(each) if self._terms.strict else each for each in findings]
        errors = [each for each in found if each.level == ERROR]
        warnings = [replace(each, video=f"line {entry.line}") for each in found if each not in errors]
        streams.show_report(warnings, told_elsewhere=())
        if errors:
            raise preflight.unfit(errors, errors)

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
        if self._queue and (self._terms.max_active is not None or self._terms.max_credits is not None):
            self._inbox.put(_Turn())
        error = poll.error or (verdict(poll.task) if poll.task is not None else None)
        if error is None and poll.task is not None and job.place is not None:
            self._saving[poll.task_id] = job
            self._saver.start(poll.task, job.stem, job.place)
            return
        streams.untrack(poll.task_id)
        if error is not None:
            self._fail(job.entry, poll.task, error)
        else:
            self._tell(job.entry, poll.task or Task(poll.task_id))

    def _saved(self, task: Task, error: LumaError | None) -> None:
        job = self._saving.pop(task.task_id)
        if error is not None:
            self._fail(job.entry, task, error)
        else:
            self._tell(job.entry, task)

    def _leave(self, why: str, error: LumaError | None = None) -> None:
        """Tell what still runs and what was not submitted; the same command goes on with both."""
        for task_id, job in self._running.items():
            reason = error or StillGenerating(why, hint=streams.way_to_wait([task_id]), task_id=task_id)
            self._fail(job.entry, Task(task_id), reason)
        self._drop_queue(error or StillGenerating("not submitted", hint="run the same command again"))

    def _drop_queue(self, error: LumaError) -> None:
        """Nothing more is submitted: each entry that waits gets the same reason."""
        while self._queue:
            self._fail(self._queue.popleft().entry, None, error)

    def _tell(self, entry: Entry, task: Task) -> None:
        self._told += 1
        streams.answer_entry(entry.id, entry.line, task, None)

    def _fail(self, entry: Entry, task: Task | None, error: LumaError) -> None:
        self._told += 1
        if isinstance(error, OutcomeUnknown):  # there is no --resubmit for one row
            error.hint = UNKNOWN_HINT
        asked = Task("", prompt=entry.prompt, watermark=entry.watermark)
        streams.answer_entry(entry.id, entry.line, task or asked, error)
        self._outcomes.fail(error, f"line {entry.line} ({entry.id})")


class _Purse:
    """Keeps a run within its credits. A task's price is what the balance lost between two looks, by its tasks."""

    def __init__(self, client: Client, limit: float | None) -> None:
        self._client = client
        self._limit = limit
        self._before = self._spent = self._price = 0.0
        self._unseen = 0

    def open(self) -> None:
        """Read the balance before anything is spent."""
        if self._limit is not None:
            self._before = self._client.patiently(self._client.credits)

    def check(self) -> None:
        """Raises OutOfCredits where one task more would exceed the limit."""
        if self._limit is None:
            return
        if self._unseen and (not self._price or self._unseen >= CREDITS_EVERY):
            self._look()
        if self._limit <= 0 or self._spent + self._price * (self._unseen + 1) > self._limit:
            raise OutOfCredits(f"--max-credits {self._limit:g} is reached", hint="run again with a higher limit")

    def is_blind(self) -> bool:
        """Whether there is a limit, and nobody knows yet what a task costs."""
        if self._limit is None or self._price or not self._unseen:
            return False
        with contextlib.suppress(LumaError):  # `check` will tell
            self._look()
        return not self._price

    def spent(self) -> None:
        self._unseen += 1

    def _look(self) -> None:
        balance = self._client.patiently(self._client.credits)
        if balance < self._before:
            self._price = (self._before - balance) / self._unseen
        if self._price:  # until then the tasks stay unseen: the balance may lag behind
            self._spent += self._price * self._unseen  # estimated where somebody topped up meanwhile
            self._before, self._unseen = balance, 0
        self._before = max(self._before, balance)


def _look_here(job: _Job, *, local: bool) -> list[Finding]:
    """What can be told without the network."""
    found = prompts.check_prompt(job.order.prompt, allow_local=local)
    found += links.check_callback(job.order.callback_url, allow_local=local)
    if job.clip.path is not None:
        return found + clips.check_file(job.clip.path)
    return found + links.check_address(job.clip.name, allow_local=local)


def _look_there(job: _Job, client: Client) -> list[Finding]:
    with client.file_session() as session:
        return links.check_link(job.clip.name, session, allow_local=client.is_local)


def _place(entry: Entry, folder: str | None) -> str | None:
    """Where an entry's video goes: its own file below the folder, or the folder for a default name."""
    if entry.output is not None:
        return str(Path(folder or ".", entry.output))
    return None if folder is None else f"{folder.rstrip('/')}/"


def _check_place(place: str, *, overwrite: bool) -> None:
    """Raises FileError where a video cannot be saved, before it is paid for. Folders below the output are made."""
    if not place.endswith("/"):
        path = Path(place).absolute()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise trouble(path, error) from error
        check_target(path, overwrite=overwrite)


def _saved_at(place: str, stem: str, task: Task) -> tuple[SavedFile, ...]:
    """The files of a task that were saved in a place, where all are there still; else none."""
    recorded = {file.path: file for file in task.files}
    paths = [path.absolute() for path in save.paths_of(task, stem, place)]
    found = [save.already(path, recorded.get(str(path))) for path in paths]
    there = tuple(file for file in found if file is not None)
    return there if len(there) == len(found) else ()
