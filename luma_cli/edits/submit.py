"""Submit the entries that wait, one after the other, as the limits of the service and of the user allow."""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from luma_cli import signals
from luma_cli.api.client import MAX_PAUSE
from luma_cli.api.task import Edit, State
from luma_cli.checks.findings import ERROR
from luma_cli.edits.budget import Spending
from luma_cli.edits.endings import Endings
from luma_cli.edits.events import Checked, Note, Submitted
from luma_cli.edits.poll import Close, Inbox, Later
from luma_cli.edits.preflight import error_of, judged, look_at_clip, look_at_texts
from luma_cli.edits.refresh import claim_or_deny
from luma_cli.edits.request import EditRequest, Entry, UploadKey
from luma_cli.edits.run import RUN_AGAIN, Plan, Run
from luma_cli.edits.sources.joiner import BeingMade
from luma_cli.edits.uploads import UploadEnded, Uploads
from luma_cli.errors import (
    ACCOUNT_ERRORS,
    Finding,
    LumaError,
    NoLongerOffered,
    OutcomeUnknown,
    StillGenerating,
    Unavailable,
)
from luma_cli.journal.costs import Budget, PriceUnknown
from luma_cli.journal.records import Row
from luma_cli.journal.submissions import BeingSent, InQuestion, NotYet, Spacing

# Over 20 new tasks in 10 s the service drops what comes (vendor's platform page); one account, however many processes.
SPACING = Spacing(20, 10.0)
# An edit that is no row of a batch waits so often at the rate limit.
MAX_RETRIES = 3
# A rate limit that others on the account use up (shards on other machines) is ridden out this often in a row.
MAX_LIMITED = 60
# The pauses differ, by the golden ratio: always a whole window later another shard would always be just ahead.
PHASE = 0.618
# Clips that are uploaded before it is their turn: an upload does not live for ever.
UPLOADS_AHEAD = 2
# How long somebody waits for another process's submission before they are told why.
SILENCE = 3.0
AGAIN_HINT = "run the same command again"


@dataclass(frozen=True)
class Turn:
    """Time to submit the next entry."""


@dataclass(eq=False, repr=False)
class Submitter:
    """Used from one thread."""

    _run: Run
    _plan: Plan
    _inbox: Inbox
    _spending: Spending
    _endings: Endings
    _uploads: Uploads
    _running: Collection[str]  # the ids of the tasks that run
    _on_task: Callable[[Entry], None]  # takes an entry with a new task
    _on_split: Callable[[Entry], None]  # takes one whose clip is to be cut into pieces
    _limited: int = 0
    _since: dict[object, float] = field(default_factory=dict)  # clock readings: what is waited for
    queue: deque[Entry] = field(default_factory=deque)

    def add(self, entry: Entry) -> None:
        """Have an entry wait for its turn.

        Raises:
            UsageError: it is unfit.
        """
        if not entry.is_checked and not self._plan.skips_checks:
            is_local = self._run.client.is_local
            found = look_at_texts(entry.edit, is_local=is_local) + look_at_clip(entry.edit, is_local=is_local)
            self._refuse_unfit(entry, found)
        self.queue.append(entry)

    def remove(self, entry: Entry) -> None:
        if entry in self.queue:
            self.queue.remove(entry)

    def drop(self, error: LumaError) -> None:
        """Nothing more is submitted: each entry that waits gets the same reason."""
        left = list(self.queue)
        self.queue.clear()
        rows = [entry for entry in left if entry.entry_id is not None or entry.whole is not None]
        for entry in rows:
            self._endings.fail(entry, error)
        self._run.give_up(error, len(left) - len(rows))

    def take_turn(self) -> None:
        """Submit the next entry, and say when the one after it has its turn."""
        if not self.queue:
            self._inbox.put(Close())
            return
        if self._plan.max_active is not None and len(self._running) >= self._plan.max_active:
            return  # the next end of a task gives the turn
        entry = self.queue[0]
        try:
            if entry.edit.is_split:
                self._on_split(entry)
                self._inbox.put(Turn())
                return
            if not self._is_ready(entry):
                return  # the end of its upload gives the turn
            self._submit(entry)
        except NotYet as not_yet:
            self._turn_in(not_yet.pause)
        except PriceUnknown as price:
            self._wait_for_price(price)
        except InQuestion as error:
            self._ask_whose(entry, error.question)
        except BeingSent as error:
            self._wait_for_other(entry, error.message)
        except BeingMade as error:
            self._wait_for_other(entry, str(error))
        except LumaError as error:
            self._take_refusal(entry, error)
        else:
            self._limited = 0
            self._since.pop(PriceUnknown, None)
            self.queue.popleft()
            self._inbox.put(Turn())

    def take_upload(self, ended: UploadEnded) -> None:
        """An upload has ended: what waits for it can be submitted, or cannot be submitted at all."""
        with self._uploads.taken(ended):
            if ended.error is not None:
                self._fail_waiting(ended.key, ended.error)
        self._inbox.put(Turn())

    def _fail_waiting(self, key: UploadKey, error: LumaError) -> None:
        for entry in [entry for entry in self.queue if entry.upload_key == key]:
            self.remove(entry)
            self._endings.fail(entry, error)
            if isinstance(error, ACCOUNT_ERRORS):
                self.drop(error)
                return

    def _is_ready(self, entry: Entry) -> bool:
        """Whether an entry can be sent now. Starts the upload that it needs, and those of the next ones.

        Raises:
            OutOfCredits: the budget has no room for it.
        """
        entry.link = entry.link or self._uploads.link_of(entry)
        if entry.upload_key is None or entry.link is not None:
            return True
        self._spending.check(entry.edit, entry.edit.submission(), others_follow=len(self.queue) > 1)
        is_ours = self._uploads.start(entry)
        for ahead in list(self.queue)[1:UPLOADS_AHEAD]:
            self._uploads.start(ahead)
        if not is_ours:
            together = [one for one in self.queue if one.upload_key == entry.upload_key]
            self._wait(together, f"another luma is uploading {entry.clip_name}")
        return False

    def _submit(self, entry: Entry) -> None:
        """Raises NotYet while the account has submitted too much just now, LumaError if nothing came of it."""
        run, request = self._run, entry.edit
        if request.clip.path is None and not entry.is_checked and not self._plan.skips_checks:
            with run.client.file_session() as session:
                self._refuse_unfit(entry, look_at_clip(request, is_local=run.client.is_local, session=session))
        entry.is_checked = True
        try:
            entry.task_id = self._record(entry, request)
        except NotYet as not_yet:
            if entry.entry_id is None:
                run.report(Note(f"20 tasks were submitted in the last 10 s: going on in {not_yet.pause:.0f} s"))
            raise
        except OutcomeUnknown as error:
            self._add_balance(error)
            raise
        self._spending.accepted(entry.task_id, is_beside_others=bool(self._running))
        if self._plan.waits:
            entry.age = 0.0
            self._on_task(entry)

    def _record(self, entry: Entry, request: EditRequest) -> str:
        submission = request.submission(entry.link)
        terms = self._spending.terms(request, others_follow=len(self.queue) > 1)
        return self._run.journal.record(
            submission,
            lambda edit: self._send(entry, edit, terms),
            announce=lambda task_id: self._announce(entry, submission.edit, task_id),
            resubmit=request.resubmit,
            repeat=request.is_repeat,
            spacing=SPACING,
            budget=terms,
        )

    def _send(self, entry: Entry, edit: Edit, terms: Budget) -> str:
        """The request that costs money. Its id is in sight from here on, whatever happens next."""
        results = self._run.results
        if terms.has_limit and terms.expected is None:
            what = "what such an edit costs is not known yet: this one may cost more than the limit"
            self._run.report(Note(what, once=True))
        self._spending.before_submission(self._running)
        before, results.has_sent = results.has_sent, True
        try:
            entry.task_id = self._send_within_limits(edit, terms)
        except NoLongerOffered as error:
            self._spending.add_price(error)
            raise
        except LumaError:
            raise
        except signals.Stopped:
            results.is_in_doubt = signals.is_held()
            results.has_sent = before or results.is_in_doubt
            raise
        except Exception as error:
            what = f"unexpected error: {type(error).__name__}: nobody knows whether a task was created"
            raise OutcomeUnknown(what, hint=OutcomeUnknown.NEXT_STEP) from error
        results.track(entry.task_id, entry.source)
        return entry.task_id

    def _send_within_limits(self, edit: Edit, terms: Budget) -> str:
        """Send it again when the service has said 429, which surely created nothing, and a whole window has passed.

        A row of a batch does not wait here, where other tasks would wait with it, but for its next turn.
        """
        left, is_first = 0 if self._plan.rides_out_limits else MAX_RETRIES, self._limited == 0
        while True:
            try:
                return self._run.client.submit(edit)
            except Unavailable as error:
                if error.api_code != 429:
                    raise
                signals.release()
                if is_first:
                    self._spending.check_balance(terms.expected)
                if left == 0:
                    raise
                pause = max(SPACING.window, error.retry_after or 0.0)
                if pause > MAX_PAUSE:
                    what = "kie.ai asks to wait longer than a submission may: nothing was created"
                    raise Unavailable(what, hint="try again later", api_code=429) from error
                self._run.client.wait(pause, error.message)
            left, is_first = left - 1, False

    def _announce(self, entry: Entry, edit: Edit, task_id: str) -> None:
        """Report an id the moment it is on disk, before a signal that was held back ends the program."""
        self._run.results.track(task_id, entry.source)
        # Without a look into the journal: the id is reported even when that has just failed.
        task = entry.edit.asked._replace(task_id=task_id, state=State.GENERATING, video_url=edit.video_url)
        task = task._replace(callback_url=edit.callback_url)
        self._run.results.see(task)
        self._run.report(Submitted(entry.name, task))

    def _add_balance(self, error: OutcomeUnknown) -> None:
        """What the balance did says whether something was charged."""
        before, after = self._spending.balance_after() if error.api_code == 500 else (None, None)
        if after is None:
            return
        if before is None:
            error.hint = f"the balance is {after:.12g} now; {error.hint}"
        elif after == before:
            error.hint = f"the balance is unchanged ({after:.12g}): --resubmit sends it again; or {error.LOOK}"
        else:
            error.hint = f"the balance went from {before:.12g} to {after:.12g}; {error.hint}"

    def _refuse_unfit(self, entry: Entry, findings: Sequence[Finding]) -> None:
        """Raises UsageError if a finding is an error; reports them when they are warnings."""
        found = judged(self._plan, findings)
        name = f"line {entry.line}" if entry.line else None
        self._run.report(Checked([it._replace(video=name or it.video) for it in found if it.level != ERROR]))
        error = error_of(found)
        if error is not None:
            raise error

    def _take_refusal(self, entry: Entry, error: LumaError) -> None:
        """An entry could not be submitted: at a rate limit it waits, else it has failed."""
        is_limited = self._plan.rides_out_limits and error.api_code == 429
        if isinstance(error, Unavailable) and is_limited:
            self._limited += 1
            if self._limited <= MAX_LIMITED and (error.retry_after or 0.0) <= MAX_PAUSE:
                self._turn_in(max(SPACING.window * (1 + self._limited * PHASE % 1), error.retry_after or 0.0))
                return
        if not is_limited:
            self._limited = 0
        self.remove(entry)
        self._endings.fail(entry, error)
        if isinstance(error, ACCOUNT_ERRORS) or is_limited:
            self.drop(error)
        self._inbox.put(Turn())

    # --- whoever has to wait ---

    def _turn_in(self, seconds: float) -> None:
        self._inbox.put(Later(Turn(), seconds))

    def _waited(self, what: object) -> float:
        """For how many seconds something has been waited for."""
        now = self._run.clock.monotonic()
        return now - self._since.setdefault(what, now)

    def _wait(self, entries: Sequence[Entry], why: str) -> None:
        """For another process, of whom a person hears if it takes long, and which may be stopped: the limit holds.

        Once in a turn: each call gives another one.
        """
        waited = self._waited(entries[0])
        if self._plan.timeout and waited > self._plan.timeout:
            for entry in entries:
                self.remove(entry)
                self._endings.fail(entry, StillGenerating(why, hint=RUN_AGAIN))
            self._inbox.put(Turn())
            return
        if waited >= SILENCE:
            self._run.report(Note(f"{why}: waiting for it", once=True))
        self._turn_in(1.0)

    def _ask_whose(self, entry: Entry, row: Row) -> None:
        """The key has a task of another API key: nothing is paid before it is known whether that is the same account.

        Until a task is visible nobody can say so: it is asked about again.
        """
        waited = self._waited((entry, row.number))
        try:
            is_settled = self._run.client.patiently(lambda: claim_or_deny(self._run, row, waited)) is not None
        except LumaError as error:
            self._take_refusal(entry, error)
            return
        if is_settled:
            self._inbox.put(Turn())
        else:
            what = f"task {row.task.task_id} of another API key is not visible yet and may be of this account"
            self._wait_for_other(entry, what)

    def _wait_for_other(self, entry: Entry, why: str) -> None:
        """Another process is doing the same: the others first, then see what came of it."""
        self.queue.rotate(-1)
        self._wait([entry], why)

    def _wait_for_price(self, price: PriceUnknown) -> None:
        """With a limit and no price known, one task goes first, and the rest follow when its cost is seen."""
        timeout = self._plan.timeout
        if timeout and self._waited(PriceUnknown) > timeout:
            self.drop(StillGenerating(f"what an edit costs was not seen within {timeout:.0f} s", hint=AGAIN_HINT))
        else:
            task = f"task {price.task_id}" if price.task_id else "another one"
            what = f"what such an edit costs is not known yet: the next one waits for {task} and its charge"
            self._run.report(Note(what, once=True))
            self._spending.follow(price, self._running)
        self._turn_in(1.0)
