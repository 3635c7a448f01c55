"""Credits of one run: the limits that each submission must keep, and what each task has cost.

The record of a task may name its cost. Else it is the difference of two balances, if only this task can explain it.
When the service charges is not documented: a step of the balance while a submission is accepted is this task's, if all
others that run have been charged already; a step at the end is, if the task ran alone. If it falls at any other moment,
somebody else spends, and then nobody knows.
"""

import logging
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from luma_cli.api.envelope import MEANINGS
from luma_cli.api.models import find_model
from luma_cli.api.task import Task
from luma_cli.config.times import parse_since
from luma_cli.edits.request import EditRequest
from luma_cli.edits.run import Plan, Run
from luma_cli.errors import FileError, KeyRejected, LumaError, NoLongerOffered, OutOfCredits
from luma_cli.journal.costs import PATIENCE, Budget, PriceUnknown, Spent
from luma_cli.journal.records import Row
from luma_cli.journal.submissions import Submission

log = logging.getLogger(__name__)

# Between two looks at a balance that does not show yet what a task has cost, in seconds.
MIN_PAUSE = 1.0
MAX_PAUSE = 8.0
# Of so many other tasks it is asked whether the balance can have changed for them.
MAX_ASKED = 8


@dataclass(eq=False, repr=False)
class _Balances:
    """What the balance was around one task: before it, right after it was accepted, while it ran; not yet charged."""

    since: float
    seen: list[float]
    ended_at: float | None = None
    pause: float = MIN_PAUSE

    def steps(self, after: float) -> list[float]:
        """By how much the balance fell from look to look, when it changed."""
        return [before - now for before, now in pairwise([*self.seen, after]) if before != now]

    def cost(self, after: float, waited: float) -> float | None:
        """The one step that the task explains; None: none was seen, or more than that happened.

        A step at its end is the task's own. One while it ran is, if none has come in the time that a charge takes.
        """
        steps, is_at_end = self.steps(after), after != self.seen[-1]
        is_own = len(steps) == 1 and steps[0] > 0 and (is_at_end or waited >= PATIENCE - MAX_PAUSE)
        return round(steps[0], 6) if is_own else None

    def is_disturbed(self, after: float) -> bool:
        """Whether something else than this task has changed the balance, so that no later look can help."""
        steps = self.steps(after)
        return len(steps) > 1 or any(step < 0 for step in steps)


@dataclass(eq=False, repr=False)
class Spending:
    """The limits of a run, and the balances around its tasks. Used from one thread."""

    _run: Run
    _plan: Plan
    _uncharged: dict[str, _Balances] = field(default_factory=dict)
    _charged: dict[str, float] = field(default_factory=dict)  # when they were accepted, and what they seem to have cost
    _balance: float | None = None  # as it is if nobody else spends
    _next: _Balances | None = None
    _is_disturbed: bool = False
    _running: frozenset[str] = frozenset()  # of other processes, when they were asked last
    _next_look: dict[str, float] = field(default_factory=dict)
    _written: dict[str, float | None] = field(default_factory=dict)  # into the journal, maybe after its row was read

    @property
    def has_limit(self) -> bool:
        return self._plan.max_credits is not None or self._run.settings.daily_credits is not None

    def terms(self, request: EditRequest, *, others_follow: bool = False) -> Budget:
        """The limits that the next submission must keep, and what it will probably cost."""
        midnight = parse_since("today", datetime.fromtimestamp(self._run.clock.now()).astimezone())
        limits = (self._plan.max_credits, self._run.settings.daily_credits)
        return Budget(*limits, midnight.timestamp(), self.expected(request), others_follow, self._running)

    def expected(self, request: EditRequest) -> float | None:
        """What such an edit has cost lately, None if nobody knows."""
        model = request.model
        return self._run.journal.costs.expected_price(
            model.name, request.options, per_second=model.is_priced_per_second, seconds=request.seconds
        )

    def check(self, request: EditRequest, submission: Submission, *, others_follow: bool) -> None:
        """Before an upload that would be in vain.

        Raises:
            OutOfCredits, PriceUnknown: as `Journal.record`.
        """
        if self.has_limit:
            self._run.journal.check_budget(submission, self.terms(request, others_follow=others_follow))

    # --- around a submission ---

    def before_submission(self, running: Collection[str]) -> None:
        """Look at the balance, if what follows can be explained by one task. `running` are the ids of the others."""
        self._next = None
        if running:  # none of those whose charge was not seen yet can be told from what comes now
            self._uncharged.clear()
        is_alone = all(task_id in self._charged for task_id in running)
        # Who neither waits nor has a limit does not look: it would not see a charge at the end anyway.
        is_seen = self.has_limit or (self._plan.waits and self._run.journal.is_kept)
        balance = self.look() if is_alone and is_seen else None
        if balance is not None:
            self._compare(balance)
            self._next = _Balances(self._run.clock.now(), [balance])

    def accepted(self, task_id: str, *, is_beside_others: bool) -> None:
        """The task was created: from here on its charge may be seen."""
        around, self._next = self._next, None
        balance = self.look() if around is not None else None
        if around is None or balance is None:
            return
        self._balance = balance
        [step] = around.steps(balance) or [0.0]
        if step > 0:
            self._charged[task_id] = round(step, 6)
            self._record(task_id, round(step, 6), around.since)
        elif step == 0 and not is_beside_others:
            around.seen.append(balance)
            self._uncharged[task_id] = around
            self._write(task_id, lambda: self._run.journal.note_details(task_id, balance_before=balance))

    def balance_after(self) -> tuple[float | None, float | None]:
        """The balance before the submission that has just failed, if it was looked at, and now."""
        return self._next.seen[0] if self._next is not None else None, self.look()

    def check_balance(self, price: float | None) -> None:
        """Raises OutOfCredits if a 429 means an empty account (seen at a sister site of the same makers)."""
        balance = self.look()
        if balance is not None and (balance <= 0 or balance < (price or 0.0)):
            raise OutOfCredits(
                f"not enough credits at kie.ai, nothing was created: the balance is {balance:.12g}",
                hint=MEANINGS[402].hint,
                api_code=429,
            )

    def complete(self, row: Row, task: Task) -> Task:
        """The task with what only the journal knows of it, of which `row` was read some time in this run."""
        known = row.complete(task)
        if row.credits_source == "record" or row.task.task_id not in self._written:
            return known
        cost = self._written[row.task.task_id]
        return known._replace(credits=cost if cost is not None else task.credits)

    # --- while tasks run, and after them ---

    def polled(self, task_id: str) -> None:
        """The task goes on: a charge in between is not its own."""
        around = self._uncharged.get(task_id)
        balance = self.look() if around is not None else None
        if around is not None and balance is not None:
            around.seen.append(balance)

    def ended(self, task_id: str, *, has_failed: bool = False, is_beside_others: bool = False) -> float | None:
        """Look for what an ended task has cost; the seconds until the next look, None when there is none."""
        around = self._uncharged.get(task_id)
        if around is None or task_id in self._charged:
            balance = self.look() if self._charged and not is_beside_others else None
            if has_failed and task_id in self._charged:
                self._take_failure(task_id, balance)
            elif balance is not None:
                # A charge at the end: what fell when others were accepted was somebody else's.
                self._compare(balance)
            return None
        now = self._run.clock.now()
        around.ended_at = around.ended_at if around.ended_at is not None else now
        waited, balance = now - around.ended_at, self.look()
        cost = around.cost(balance, waited) if balance is not None else None
        if cost is not None:
            self._balance = balance  # what it fell by is the task's own, and nobody else's
            self._record(task_id, cost, around.since)
        is_over = balance is not None and around.is_disturbed(balance)
        if cost is not None or is_over or not self.has_limit or waited >= PATIENCE:
            del self._uncharged[task_id]
            return None
        pause, around.pause = min(around.pause, PATIENCE - waited), min(2 * around.pause, MAX_PAUSE)
        return pause

    def follow(self, price: PriceUnknown, running: Collection[str]) -> None:
        """Look after a task that nobody else in this run asks about, and whose charge comes first; once an interval."""
        now = self._run.clock.now()
        row = self._run.journal.known(price.task_id or "")
        if row is None or row.task.task_id in running or now < self._next_look.get(row.task.task_id, now):
            return
        task, pause = row.task, self._plan.interval
        self.resume(row.task.task_id)
        if not task.has_ended:
            task = self._ask(task) or task
        if task.has_ended:
            pause = self.ended(task.task_id) or pause
        else:
            self._running |= {task.task_id}
            self.polled(task.task_id)
        self._next_look[task.task_id] = now + pause

    def resume(self, task_id: str) -> None:
        """Go on watching the balance for a task that an earlier run did not see charged, if nothing has happened."""
        row = self._run.journal.known(task_id)
        if row is None or row.credits is not None or task_id in self._uncharged:
            return
        before = row.details.balance_before
        if before is not None and self.look() == before:
            self._uncharged[task_id] = _Balances(row.submitted_at.timestamp(), [before])

    def _compare(self, balance: float) -> None:
        """Between submissions nothing of ours is charged any more: if the balance falls, somebody else spends.

        Then no step that was seen is surely a task's own. A rise is a payment, or the refund of a task that failed.
        """
        if self._balance is not None and balance < self._balance:
            log.info("somebody else spends too: what these tasks have cost cannot be seen")
            self._is_disturbed = True
            for task_id in self._charged:
                self._correct(task_id, None)
        self._balance = balance

    def _take_failure(self, task_id: str, balance: float | None) -> None:
        """A task that was charged has failed: it cost nothing only if the balance shows that."""
        before, self._balance = self._balance, balance
        if balance is None or before is None or balance not in (before, round(before + self._charged[task_id], 6)):
            self._correct(task_id, None)
        elif balance != before:
            self._correct(task_id, 0.0)

    def _still_runs(self, task_id: str) -> bool:
        row = self._run.journal.known(task_id)
        task = self._ask(row.task) if row is not None and not row.task.has_ended else None
        return task is not None and not task.has_ended

    def _ask(self, task: Task) -> Task | None:
        try:
            found = self._run.client.task(task.task_id, task.model)
        except LumaError as error:
            log.info("%s could not be asked about: %s", task.task_id, error.message)
            return None
        # Of its end only the time is written down: nobody was told of it, and who waits for it is to hear.
        ended = found.complete_time or datetime.fromtimestamp(self._run.clock.now(), UTC)
        known = task._replace(complete_time=ended if found.has_ended else None, credits=found.credits)
        self._run.journal.learn_if_possible(known)
        return found

    def add_price(self, error: NoLongerOffered) -> None:
        """What the model that the hint names has cost lately, if the journal knows."""
        model = find_model(error.sister)
        prices = self._run.journal.costs.last_prices(model.name, per_second=model.is_priced_per_second)
        if prices:
            unit = "credits a second" if model.is_priced_per_second else "credits"
            error.hint = f"{error.hint}, which has cost you {max(prices):.12g} {unit} lately"

    def _correct(self, task_id: str, cost: float | None) -> None:
        self._written[task_id] = cost
        self._write(task_id, lambda: self._run.journal.costs.correct_cost(task_id, cost))

    def _record(self, task_id: str, cost: float, since: float) -> None:
        """Write down what a task has cost, if no other one can have changed the balance."""
        self._running = frozenset()

        def write() -> None:
            if not self._is_disturbed and self._explains_alone(task_id, since):
                self._run.journal.costs.record_cost(task_id, cost)
                self._written[task_id] = cost
                log.info("task %s has cost %g credits", task_id, cost)

        self._write(task_id, write)

    def _explains_alone(self, task_id: str, since: float) -> bool:
        costs = self._run.journal.costs
        if costs.explains_alone(task_id, since):
            return True
        others = [other for other in costs.uncharged(since) if other != task_id]
        if not 0 < len(others) <= MAX_ASKED:
            return False
        return costs.explains_alone(task_id, since, [other for other in others if self._still_runs(other)])

    def _write(self, task_id: str, write: Callable[[], None]) -> None:
        try:
            write()
        except FileError as error:
            log.warning("the cost of %s is not saved: %s", task_id, error.message)

    def look(self) -> float | None:
        """The balance; None if the service does not say: a cost that cannot be seen stops no edit."""
        try:
            return self._run.client.credits()
        except LumaError as error:
            log.info("the balance could not be read: %s", error.message)
            return None


def describe_cost(run: Run, plan: Plan, requests: Sequence[EditRequest], *, with_balance: bool = False) -> str:
    """What edits will probably cost, by what such ones have cost lately, and what there is to pay it."""
    spending = Spending(run, plan)
    known = [price for price in map(spending.expected, requests) if price is not None]
    if not known:
        return "what it costs is not known: the journal holds no cost of such an edit yet"
    total = round(sum(known), 6)
    text = f"about {total:,.12g} credits{f' for {len(requests)} edits' if len(requests) > 1 else ''}"
    kinds = {(request.model.name, request.model.is_priced_per_second, repr(request.options)) for request in requests}
    text += f" ({_last_prices(run, requests[0])})" if len(kinds) == 1 else ""
    if len(known) < len(requests):
        text += f", and {len(requests) - len(known)} at a price that is not known yet"
    if plan.max_credits is not None and total > plan.max_credits:
        text += f"; more than the limit of {plan.max_credits:,.12g}"
    balance = spending.look() if with_balance else None
    return text if balance is None else f"{text}, balance {balance:,.12g}"


def _last_prices(run: Run, request: EditRequest) -> str:
    is_per_second = request.model.is_priced_per_second
    prices = run.journal.costs.last_prices(request.model.name, request.options, per_second=is_per_second)
    lowest, highest = round(min(prices), 6), round(max(prices), 6)
    amount = f"{lowest:,.12g}" if lowest == highest else f"{lowest:,.12g} to {highest:,.12g}"
    last = "your last edit" if len(prices) == 1 else f"your last {len(prices)} edits"
    return f"{last}: {amount}{' a second' if is_per_second else '' if len(prices) == 1 else ' each'}"


def spent_since(run: Run, since: str | None) -> tuple[Spent, datetime | None]:
    """What the journal says was spent, and since when; None: ever. Without the network.

    Raises:
        UsageError: `since` is not a time.
    """
    start = None if since is None else parse_since(since, datetime.fromtimestamp(run.clock.now()).astimezone())
    try:
        run = run.for_account()
    except KeyRejected:
        log.info("there is no key: what all accounts at this service have spent is counted")
    return run.journal.costs.spent(-math.inf if start is None else start.timestamp()), start
