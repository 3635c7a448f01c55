"""The one loop: submit, poll, save, report. Entries come from clips and prompts, the journal, or a manifest."""

import contextlib
import logging
import queue
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from luma_cli import signals
from luma_cli.api.client import MAX_PAUSE
from luma_cli.api.task import Edit, SavedFile, State, Task
from luma_cli.checks.findings import ERROR
from luma_cli.downloads.target import check_target, file_error
from luma_cli.edits import save
from luma_cli.edits.budget import Spending
from luma_cli.edits.events import (
    Checked,
    Ended,
    Failed,
    Finished,
    Note,
    Polled,
    Started,
    StillRunning,
    Submitted,
    Tally,
    Warned,
)
from luma_cli.edits.poll import Add, Close, Inbox, Later, Poll, Watched, watch
from luma_cli.edits.preflight import look_here, look_there, strictly, unfit
from luma_cli.edits.redo import still_answers
from luma_cli.edits.request import EditRequest, Entry, UploadKey
from luma_cli.edits.run import Plan, Run
from luma_cli.edits.save import Saved, Saver
from luma_cli.edits.submit import deliver
from luma_cli.edits.task_references import Reference, failure_of
from luma_cli.errors import (
    ACCOUNT_ERRORS,
    FileError,
    Finding,
    LumaError,
    OutcomeUnknown,
    Rejected,
    StillGenerating,
    Unavailable,
)
from luma_cli.journal.costs import PriceUnknown
from luma_cli.journal.submissions import BeingSent, NotYet, Spacing

log = logging.getLogger(__name__)

# Over 20 new tasks in 10 s the service drops what comes (vendor's platform page); one account, however many processes.
SPACING = Spacing(20, 10.0)
# A rate limit that others on the account use up (shards on other machines) is ridden out this often in a row.
MAX_LIMITED = 60
# The pauses differ, by the golden ratio: always a whole window later another shard would always be just ahead.
PHASE = 0.618
# Clips that are uploaded before it is their turn: an upload does not live for ever.
UPLOADS_AHEAD = 2
# An upload lives for 24 hours at least (vendor's pages disagree: 24 hours or 3 days): the last ones are not relied on.
UPLOAD_LIFE = 20 * 3600.0
# How long somebody waits for another process's submission before they are told why.
SILENCE = 3.0
FORGET_HINT = "look at https://kie.ai/logs; then `luma tasks adopt ID`, or forget it to have it submitted again"
ANOTHER_FAILED = "left since another row failed"


@dataclass(frozen=True)
class _Turn:
    """Time to submit the next entry."""


@dataclass(frozen=True)
class _Look:
    """Time to look for what an ended task has cost."""

    task_id: str


@dataclass(frozen=True)
class _Delivered:
    """An upload has ended, with a link or an error."""

    key: UploadKey
    link: str | None = None
    error: LumaError | None = None
    upload: EditRequest | None = None


def see_through(run: Run, plan: Plan, entries: Sequence[Entry], inbox: Inbox | None = None) -> None:
    """Submit, await and save entries, and report each as it ends. How each ended goes into the run's results.

    What others put into `inbox` (a `Wake`) is obeyed.

    Raises:
        KeyRejected, OutOfCredits, Rejected: the service answers no question of ours; the tasks go on.
    """
    estimate = run.journal.median_duration() if plan.waits else None
    is_manifest = any(entry.entry_id is not None for entry in entries)
    run.report(Started(len(entries), plan.timeout if plan.waits else 0.0, estimate, is_manifest, plan.output))
    try:
        _Engine(run, plan, inbox if inbox is not None else queue.Queue()).process(entries)
    finally:
        run.report(Finished())


class _Engine:
    def __init__(self, run: Run, plan: Plan, inbox: Inbox) -> None:
        self._run = run
        self._plan = plan
        self._inbox = inbox
        self._queue: deque[Entry] = deque()
        self._running: dict[str, Entry] = {}
        self._models: dict[str, str] = {}
        self._names: dict[str, tuple[str, str]] = {}
        self._saving: dict[str, Entry] = {}
        self._links: dict[UploadKey, str | None] = {}
        self._claims: dict[UploadKey, contextlib.ExitStack] = {}
        self._limited = self._ended = 0
        self._spending = Spending(run, plan)
        self._deliveries = _Deliveries(run, inbox)

    def process(self, entries: Sequence[Entry]) -> None:
        fatal: LumaError | None = None
        with Saver(self._run, self._plan, self._inbox, self._saved) as self._saver, self._deliveries:
            for number, entry in enumerate(entries):
                if not self._guard(entry, self._admit):
                    self._leave_after(entries[number + 1 :])
                    return
            if self._fails_fast():
                self._leave(ANOTHER_FAILED)
                return
            self._inbox.put(_Turn())
            fatal = self._loop()
            self._drain()
        if fatal is not None:
            self._run.report(StillRunning(tuple(self._run.results.running)))
            raise fatal

    def _loop(self) -> LumaError | None:
        """Take events until everything has ended; the error, when the service answers no question of ours."""
        plan, clock = self._plan, self._run.clock
        events = watch(
            (),
            lambda task_id: self._run.client.task(task_id, self._models[task_id]),
            interval=plan.interval,
            timeout=plan.timeout,
            inbox=self._inbox,
            stays_open=True,
            clock=clock.monotonic,
        )
        try:
            for event in events:
                self._take_safely(event)
                if self._fails_fast():
                    self._leave(ANOTHER_FAILED)
                    return None
        except StillGenerating as error:
            self._leave("not ended within the limit", timeout=error)
        except (*ACCOUNT_ERRORS, Rejected) as error:
            return self._leave_for(error)
        return None

    def _drain(self) -> None:
        """Wait until every download has ended."""
        while self._saving:
            event = signals.next_of(self._inbox)
            if isinstance(event, Saved):
                self._take_safely(event)

    def _take_safely(self, event: object) -> None:
        """The net around paid tasks: whatever nobody expected costs the entries of this event only."""
        entries = self._entries_of(event)
        try:
            self._take(event)
            self._tally()
        except (LumaError, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001  the others go on, and the ids stay in sight
            for entry in entries:
                self._abandon(entry, error)
            if not isinstance(event, Saved | _Look):
                self._inbox.put(_Turn())

    def _entries_of(self, event: object) -> list[Entry]:
        """What is lost if an event cannot be dealt with."""
        match event:
            case _Turn():
                return list(self._queue)[:1]
            case _Delivered():
                return [entry for entry in self._queue if entry.upload_key == event.key]
            case Poll() if event.task_id in self._running:
                return [self._running[event.task_id]]
            case Saved() if event.task.task_id in self._saving:
                return [self._saving[event.task.task_id]]
        return []

    def _abandon(self, entry: Entry, error: Exception) -> None:
        """Give an entry up for a reason that nobody expected, wherever it stands."""
        if entry in self._queue:
            self._queue.remove(entry)
        self._running.pop(entry.task_id, None)
        self._saving.pop(entry.task_id, None)
        self._fail(entry, self._unexpected(entry, error), None)

    def _take(self, event: object) -> None:
        match event:
            case _Turn():
                self._submit_next()
            case _Delivered():
                self._take_delivery(event)
            case Saved():
                self._saver.take(event)
            case _Look():
                self._look_for_cost(event.task_id)
            case Poll():
                self._take_poll(event)

    # --- before the submission ---

    def _admit(self, entry: Entry) -> None:
        """Report what has ended before, go on with what runs, refuse what is unfit, and queue the rest."""
        request = entry.request
        if request is None:
            self._await(entry)
            return
        if request.error is not None:
            raise request.error
        try:
            earlier = self._run.journal.earlier(
                request.submission(), resubmit=request.resubmit, repeat=request.is_repeat
            )
        except BeingSent:
            earlier = None  # its turn comes when the other process has its response
        if earlier is not None:
            self._resume(entry, earlier)
            return
        if not entry.is_checked and not self._plan.skips_checks:
            self._refuse(look_here(request, is_local=self._run.client.is_local), entry)
        if entry.entry_id is not None and entry.output is not None:
            _check_output(entry.output, overwrite=self._plan.overwrite)
        self._queue.append(entry)

    def _resume(self, entry: Entry, task_id: str) -> None:
        """An entry that has its task: report its end if that is known, else wait for it."""
        row = self._run.journal.known(task_id)
        task = row.task if row is not None else Task(task_id)
        entry.task_id = task_id
        entry.age = max(0.0, row.age) if row is not None else 0.0
        if entry.entry_id is None:
            self._run.results.track(task_id)
            self._run.report(Submitted(entry.name, task, is_new=False))
            if self._plan.waits:
                self._await(entry)
            return
        error = failure_of(task) if task.has_ended else None
        if error is not None:
            self._fail(entry, error, task)
        elif task.has_ended and entry.output is None:
            self._end(entry, task)
        elif (
            task.has_ended
            and entry.output is not None
            and (files := _saved_at(entry, task, save.ids_alike(self._run.journal, task_id)))
        ):
            self._end(entry, replace(task, files=files))
        else:
            self._await(entry)

    def _names_of(self, entry: Entry) -> tuple[str, str]:
        """The clip and the prompt of an entry, by which a person knows it."""
        if entry.request is not None:
            return entry.request.clip.name, entry.request.prompt
        row = self._run.journal.known(entry.task_id)
        return ("", "") if row is None else (row.source, row.task.prompt or "")

    def _await(self, entry: Entry) -> None:
        if entry.task_id in self._running:
            return
        self._running[entry.task_id] = entry
        self._names[entry.task_id] = self._names_of(entry)
        request = entry.request
        self._models[entry.task_id] = request.model.name if request else self._run.model_of(entry.task_id)
        self._run.results.track(entry.task_id)
        self._inbox.put(Add(Watched(entry.task_id, entry.age)))

    def _refuse(self, findings: Sequence[Finding], entry: Entry) -> None:
        """Raises UsageError if a finding is an error; reports them when they are warnings."""
        found = [strictly(finding) if self._plan.is_strict else finding for finding in findings]
        errors = [finding for finding in found if finding.level == ERROR]
        name = f"line {entry.line}" if entry.line else None
        warnings = [replace(finding, video=name or finding.video) for finding in found if finding not in errors]
        self._run.report(Checked(warnings))
        if errors:
            raise unfit(errors, errors)

    # --- submission ---

    def _submit_next(self) -> None:
        """Submit one entry, and say when the next has its turn."""
        if not self._queue:
            self._inbox.put(Close())
            return
        if self._is_full():
            return  # the next end of a task gives the turn
        entry = self._queue[0]
        try:
            if self._is_ready(entry):
                self._queue.popleft()
                self._submit(entry)
                self._limited = 0
            else:
                return  # the end of its upload gives the turn
        except NotYet as not_yet:
            self._requeue(entry)
            self._turn_in(not_yet.pause)
            return
        except PriceUnknown:
            self._requeue(entry)
            self._wait_for_price(entry)
            return
        except BeingSent as error:
            self._wait_for_other(entry, error)
            return
        except LumaError as error:
            if not self._take_refusal(entry, error):
                return
        self._inbox.put(_Turn())

    def _is_ready(self, entry: Entry) -> bool:
        """Whether an entry can be sent now. Starts the upload that it needs, and those of the next ones.

        Raises:
            NotYet: the account has submitted too much just now.
            OutOfCredits: the budget has no room for it.
        """
        if entry.upload_key is None or entry.link is not None:
            return True
        assert entry.request is not None  # noqa: S101
        self._spending.check(entry.request, entry.request.submission())
        pause = self._run.journal.pause_before("", SPACING)
        if pause > 0:  # an upload does not live for ever: it is made when its turn is near
            raise NotYet(pause)
        for ahead in list(self._queue)[:UPLOADS_AHEAD]:
            key = ahead.upload_key
            if key is not None and key not in self._links and ahead.request is not None:
                self._start_delivery(ahead, key, ahead.request)
        entry.link = self._links.get(entry.upload_key)
        return entry.link is not None

    def _start_delivery(self, entry: Entry, key: UploadKey, request: EditRequest) -> None:
        """Have a clip brought to the service, unless it is there already or another process is just doing it."""
        uploads, variant = self._run.journal.uploads, request.variant
        known = uploads.find(key[0], variant, UPLOAD_LIFE)
        claim = contextlib.ExitStack()
        if known is None and not claim.enter_context(uploads.only_one(key[0], variant)):
            entry.waited += 1.0
            if entry.waited == SILENCE:
                self._run.report(Note(f"another luma is uploading {request.clip.name}: waiting for its link"))
            self._turn_in(1.0)
            return
        self._links[key] = None
        self._claims[key] = claim
        self._deliveries.start(key, request, None if known is None else known.url)

    def _take_delivery(self, delivered: _Delivered) -> None:
        claim = self._claims.pop(delivered.key, None)
        if delivered.error is None:
            self._links[delivered.key] = delivered.link
            if delivered.upload is not None and delivered.link is not None:
                self._record_upload(delivered.upload, delivered.link)
        else:
            del self._links[delivered.key]
            waiting = [entry for entry in self._queue if entry.upload_key == delivered.key]
            self._queue = deque(entry for entry in self._queue if entry.upload_key != delivered.key)
            for number, entry in enumerate(waiting):
                if isinstance(delivered.error, ACCOUNT_ERRORS):
                    self._queue.extendleft(reversed(waiting[number + 1 :]))
                    self._take_refusal(entry, delivered.error)
                    break
                self._fail(entry, delivered.error, None)
        if claim is not None:
            claim.close()
        self._inbox.put(_Turn())

    def _record_upload(self, request: EditRequest, link: str) -> None:
        clip = request.clip
        try:
            if clip.sha256 is not None:
                self._run.journal.uploads.record(clip.sha256, request.variant, link, clip.size or 0)
        except FileError as error:
            self._run.report(Warned(f"the upload is not recorded: {error.message}"))

    def _submit(self, entry: Entry) -> None:
        """Raises NotYet while the account has submitted too much just now, LumaError if nothing came of it."""
        run, request = self._run, entry.request
        assert request is not None  # noqa: S101
        if request.clip.path is None and not entry.is_checked and not self._plan.skips_checks:
            with run.client.file_session() as session:
                self._refuse(look_there(request, session, is_local=run.client.is_local), entry)
        entry.is_checked = True
        submission, terms = request.submission(entry.link), self._spending.terms(request)
        if terms.has_limit and terms.expected is None:
            run.report(
                Note("what such an edit costs is not known yet: this one may cost more than the limit", once=True)
            )
        try:
            task_id = run.journal.record(
                submission,
                lambda edit: self._send(entry, edit),
                announce=lambda task_id: self._announce(entry, submission.edit, task_id),
                resubmit=request.resubmit,
                repeat=request.is_repeat,
                spacing=SPACING,
                budget=terms,
            )
        except NotYet as not_yet:
            if entry.entry_id is None:
                run.report(Note(f"20 tasks were submitted in the last 10 s: going on in {not_yet.pause:.0f} s"))
            raise
        except OutcomeUnknown as error:
            self._add_balance(error)
            raise
        self._spending.accepted(task_id, is_beside_others=bool(self._running))
        if self._plan.waits:
            entry.task_id, entry.age = task_id, 0.0
            self._await(entry)

    def _add_balance(self, error: OutcomeUnknown) -> None:
        """What the balance did says whether something was charged."""
        before, after = self._spending.balance_after() if error.api_code == 500 else (None, None)
        if before is None or after is None:
            return
        if after == before:
            error.hint = f"the balance is unchanged ({after:.12g}): --resubmit sends it again; or {error.hint}"
        else:
            error.hint = f"the balance went from {before:.12g} to {after:.12g}; {error.hint}"

    def _send(self, entry: Entry, edit: Edit) -> str:
        """The request that costs money. Its id is in sight from here on, whatever happens next."""
        client = self._run.client
        self._spending.before_submission(self._running)
        self._run.results.has_sent = True
        try:
            # Without the client's own pauses at the rate limit when tasks run: they must not wait for them.
            entry.task_id = client.submit(edit, rate_retries=0) if self._plan.rides_out_limits else client.submit(edit)
        except LumaError:
            raise
        except Exception as error:
            what = f"unexpected error: {type(error).__name__}: nobody knows whether a task was created"
            raise OutcomeUnknown(what, hint=OutcomeUnknown.NEXT_STEP) from error
        self._run.results.track(entry.task_id)
        return entry.task_id

    def _announce(self, entry: Entry, edit: Edit, task_id: str) -> None:
        """Report an id the moment it is on disk, before a signal that was held back ends the program."""
        self._run.results.track(task_id)
        # Without a look into the journal: the id is reported even when that has just failed.
        task = Task(task_id, State.GENERATING, None, edit.prompt, edit.video_url, edit.watermark, edit.callback_url)
        self._run.results.see(task)
        self._run.report(Submitted(entry.name, task))

    def _take_refusal(self, entry: Entry, error: LumaError) -> bool:
        """An entry could not be submitted. False when the next turn is planned already."""
        is_limited = isinstance(error, Unavailable) and error.api_code == 429
        if isinstance(error, Unavailable) and is_limited and self._may_ride_out(error):
            self._requeue(entry)
            pause = SPACING.window * (1 + self._limited * PHASE % 1)
            self._turn_in(max(pause, error.retry_after or 0.0))
            return False
        if entry in self._queue:
            self._queue.remove(entry)
        self._fail(entry, error, None)
        if (is_limited and self._plan.rides_out_limits) or isinstance(error, ACCOUNT_ERRORS):
            self._drop_queue(error)
        return True

    def _wait_for_other(self, entry: Entry, error: BeingSent) -> None:
        """Another process is submitting the same: the others first, then see what came of it."""
        if entry in self._queue:
            self._queue.remove(entry)
        entry.waited += 1.0
        if entry.waited == SILENCE:
            self._run.report(Note(f"{error.message}: waiting for its response"))
        self._queue.append(entry)
        self._turn_in(1.0)

    def _requeue(self, entry: Entry) -> None:
        if entry not in self._queue:
            self._queue.appendleft(entry)

    def _is_full(self) -> bool:
        return self._plan.max_active is not None and len(self._running) >= self._plan.max_active

    def _wait_for_price(self, entry: Entry) -> None:
        """With a limit and no price known, one task goes first, and the rest follow when its cost is seen."""
        if not entry.is_held:
            entry.is_held = True
            self._run.report(
                Note(
                    "nobody knows yet what such an edit costs: the next is sent when the cost of this one is seen",
                    once=True,
                )
            )
        self._turn_in(1.0)

    def _may_ride_out(self, error: Unavailable) -> bool:
        self._limited += 1
        patient = self._limited <= MAX_LIMITED and (error.retry_after or 0.0) <= MAX_PAUSE
        return self._plan.rides_out_limits and patient

    def _turn_in(self, seconds: float) -> None:
        self._inbox.put(Later(_Turn(), seconds))

    # --- after the submission ---

    def _take_poll(self, poll: Poll) -> None:
        entry = self._running.get(poll.task_id)
        name = entry.name if entry is not None else poll.task_id
        clip, prompt = self._names.get(poll.task_id, ("", ""))
        self._run.report(Polled(name, poll, clip, prompt, entry.age if entry is not None else 0.0))
        if poll.task is not None:
            self._run.journal.learn_if_possible(poll.task)
        if not poll.final or entry is None:
            self._spending.polled(poll.task_id)
            return
        del self._running[poll.task_id]
        if poll.task is not None and poll.task.has_failed:
            self._spending.failed(poll.task_id, is_beside_others=bool(self._running))
        self._look_for_cost(poll.task_id)
        if self._queue and self._plan.max_active is not None:
            self._inbox.put(_Turn())
        self._guard(entry, lambda entry: self._finish(entry, poll))

    def _finish(self, entry: Entry, poll: Poll) -> None:
        """A task has ended, or cannot be asked for any more."""
        task = poll.task
        error = poll.error or (failure_of(task) if task is not None else None)
        if task is not None and entry.entry_id is None and "callback_failed" in task.warnings and task.has_video:
            self._run.report(Note(f"{task.task_id}: the video is there, but kie.ai could not deliver the callback"))
        if error is None and task is not None and entry.output is not None:
            self._saving[poll.task_id] = entry
            self._saver.start(task, entry.naming, entry.output, entry.request)
            return
        self._run.results.untrack(poll.task_id)
        if error is not None:
            self._fail(entry, error, task)
        else:
            self._end(entry, task or Task(poll.task_id))

    def _look_for_cost(self, task_id: str) -> None:
        pause = self._spending.ended(task_id)
        if pause is not None and self._queue:
            self._inbox.put(Later(_Look(task_id), pause))

    def _saved(self, task: Task, error: LumaError | None) -> None:
        entry = self._saving.pop(task.task_id)
        if error is not None:
            if entry.entry_id is None:
                if task.files:
                    self._end(entry, task)
                else:
                    self._run.results.see(task)
                error = self._plan.not_saved(error, task.task_id)
            self._fail(entry, error, task)
        else:
            self._end(entry, task)
        self._run.results.untrack(task.task_id)

    def _with_cost(self, task: Task) -> Task:
        """What the journal knows beside the service's record."""
        try:
            row = self._run.journal.known(task.task_id)
        except FileError:
            return task  # it failed while we waited, which was reported
        return task if row is None else row.complete(task)

    def _end(self, entry: Entry, task: Task) -> None:
        task = self._with_cost(task)
        self._ended += 1
        self._run.results.see(task)
        try:
            clip, _ = self._names.get(task.task_id) or self._names_of(entry)
            self._run.report(Ended(entry.name, task, entry.entry_id, entry.line, entry.output, clip))
        except LumaError as error:
            self._fail(entry, self._plan.not_saved(error, task.task_id), task, is_counted=True)

    def _fail(self, entry: Entry, error: LumaError, task: Task | None, *, is_counted: bool = False) -> None:
        self._ended += not is_counted
        if isinstance(error, OutcomeUnknown) and entry.entry_id is not None:  # there is no --resubmit for one row
            error.hint = FORGET_HINT
        if task is not None and task.task_id:
            task = self._with_cost(task)
            self._run.results.see(task)
        request = entry.request
        prompt, watermark = (request.prompt, request.watermark) if request is not None else (None, None)
        self._run.fail(Failed(entry.name, error, task, entry.entry_id, entry.line, prompt, watermark))

    def _guard(self, entry: Entry, step: Callable[[Entry], None]) -> bool:
        """Do a step of one entry; whatever goes wrong costs this entry only. False when nothing more can be done."""
        try:
            step(entry)
        except ACCOUNT_ERRORS as error:
            self._fail(entry, error, None)
            return False
        except LumaError as error:
            self._fail(entry, error, None)
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001  the net around a paid task: the others go on, and its id stays in sight
            self._abandon(entry, error)
        return True

    def _unexpected(self, entry: Entry, error: Exception) -> LumaError:
        log.debug("unexpected", exc_info=error)
        what = f"unexpected error: {type(error).__name__}"
        if not entry.task_id:
            return LumaError(what, hint="luma tasks shows what was submitted; LUMA_DEBUG=1 shows more")
        hint = f"the task goes on: {self._run.results.wait_command([entry.task_id])}"
        return LumaError(f"task {entry.task_id}: {what}", hint=hint, task_id=entry.task_id)

    # --- leaving ---

    def _fails_fast(self) -> bool:
        return self._plan.fail_fast and bool(self._run.results.errors)

    def _leave(self, why: str, *, timeout: StillGenerating | None = None, error: LumaError | None = None) -> None:
        """Report what still runs and what was not submitted; the same command goes on with both."""
        results = self._run.results
        for task_id, entry in list(self._running.items()):
            hint = results.wait_command([task_id])
            if entry.entry_id is not None:
                self._fail(entry, error or StillGenerating(why, hint=hint, task_id=task_id), Task(task_id))
            elif timeout is not None:
                one = StillGenerating(why, task_id=task_id) if results.count > 1 else timeout
                one.hint = f"it goes on: {hint}"
                results.untrack(task_id)
                self._fail(entry, one, None)
        self._running.clear()
        self._drop_queue(error or StillGenerating("not submitted", hint="run the same command again"))
        if timeout is None:
            self._run.report(StillRunning(tuple(results.running)))

    def _leave_for(self, error: LumaError) -> LumaError | None:
        """The service answers no question: each row of a manifest gets the reason, other tasks the error itself."""
        if any(entry.entry_id is not None for entry in (*self._running.values(), *self._queue)):
            self._leave("could not be awaited", error=error)
            return None
        return error

    def _leave_after(self, left: Sequence[Entry]) -> None:
        self._queue.extend(left)
        self._drop_queue(self._run.results.errors[-1])

    def _drop_queue(self, error: LumaError) -> None:
        """Nothing more is submitted: each entry that waits gets the same reason."""
        left = list(self._queue)
        self._queue.clear()
        rows = [entry for entry in left if entry.entry_id is not None]
        for entry in rows:
            self._fail(entry, error, None)
        self._run.give_up(error, len(left) - len(rows))

    def _tally(self) -> None:
        failed = len(self._run.results.errors)
        counts = {"to submit": len(self._queue), "running": len(self._running), "saving": len(self._saving)}
        self._run.report(Tally({**counts, "done": self._ended - failed, "failed": failed}))


class _Deliveries:
    """Uploads, one after the other in a thread, so that running tasks are polled meanwhile."""

    def __init__(self, run: Run, inbox: Inbox) -> None:
        self._run = run
        self._inbox = inbox
        self._waiting: queue.SimpleQueue[tuple[UploadKey, EditRequest, str | None] | None] = queue.SimpleQueue()
        self._is_started = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._waiting.put(None)

    def start(self, key: UploadKey, request: EditRequest, known: str | None) -> None:
        """`known` is the link of an earlier upload, which is used again if it still answers."""
        client = self._run.client  # in this thread, which may read the key
        if not self._is_started:
            self._is_started = True
            signals.start_thread(self._work)
        assert client is not None  # noqa: S101
        self._waiting.put((key, request, known))

    def _work(self) -> None:
        while (task := self._waiting.get()) is not None:
            key, request, known = task
            try:
                if known is not None and still_answers(known, self._run.client):
                    log.info("%s is at kie.ai already", request.clip.name)
                    self._inbox.put(_Delivered(key, known))
                    continue
                link = deliver(request, self._run.client, self._run.report, self._run.settings.ffmpeg)
                self._inbox.put(_Delivered(key, link, upload=request))
            except LumaError as error:
                self._inbox.put(_Delivered(key, error=error))
            except Exception as error:
                log.debug("unexpected", exc_info=error)
                self._inbox.put(_Delivered(key, error=LumaError(f"unexpected error: {type(error).__name__}")))


def entries_to_wait_for(plan: Plan, references: Sequence[Reference]) -> list[Entry]:
    """Tasks that exist already, as the engine takes them."""
    return [
        Entry(reference.task_id, reference.naming, task_id=reference.task_id, output=plan.output, age=reference.age)
        for reference in references
    ]


def _check_output(output: str, *, overwrite: bool) -> None:
    """Raises FileError when a video cannot be saved, before it is paid for. Folders below the output are made."""
    if not output.endswith("/"):
        path = Path(output).absolute()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise file_error(path, error) from error
        check_target(path, overwrite=overwrite)


def _saved_at(entry: Entry, task: Task, others: Sequence[str]) -> tuple[SavedFile, ...]:
    """The files of a task that were saved under an entry's output, if all are there still; else none."""
    recorded = {file.path: file for file in task.files}
    paths = [path.absolute() for path in save.paths_of(task, entry.naming, str(entry.output), others)]
    found = [save.already_saved(path, recorded.get(str(path))) for path in paths]
    there = tuple(file for file in found if file is not None)
    return there if len(there) == len(found) else ()
