"""Credits of one run: the limits that each submission must keep, and what each task has cost.

The record of a task may name its cost. Else it is the difference of two balances, if only this task can explain it.
When the service charges is not documented: a step of the balance while a submission is accepted is this task's, if all
others that run have been charged already; a step at the end is, if the task ran alone. A change at any other moment is
somebody else's, and then nobody knows.
"""

import logging
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from luma_cli.api.envelope import NoLongerOffered
from luma_cli.api.models import find_model
from luma_cli.config.times import parse_since
from luma_cli.edits.request import EditRequest
from luma_cli.edits.run import Plan, Run
from luma_cli.errors import FileError, KeyRejected, LumaError
from luma_cli.journal.costs import PATIENCE, Budget, Spent
from luma_cli.journal.submissions import Submission

log = logging.getLogger(__name__)

# Between two looks at a balance that does not show yet what a task has cost, in seconds.
MIN_PAUSE = 1.0
MAX_PAUSE = 8.0


@dataclass
class _Balances:
    """What the balance was around one task: before it, right after it was accepted, while it ran, after its end."""

    since: float
    before: float
    accepted: float | None = None
    running: list[float] = field(default_factory=list)
    ended_at: float | None = None
    pause: float = MIN_PAUSE

    def cost(self, after: float) -> float | None:
        """The one step that the task explains; None: none was seen, or more than that happened."""
        steps = self._steps(after)
        return round(steps[0], 6) if steps and not self.is_disturbed(after) else None

    def is_disturbed(self, after: float) -> bool:
        """Whether something else than this task has changed the balance, so that no later look can help."""
        steps = self._steps(after)
        has_moved = any(balance != self._start for balance in self.running)  # somebody else spent, or topped up
        return has_moved or len(steps) > 1 or any(step < 0 for step in steps)

    @property
    def _start(self) -> float:
        """What the balance was when the task began to run."""
        return self.before if self.accepted is None else self.accepted

    def _steps(self, after: float) -> list[float]:
        """By how much the balance fell at the start and at the end of the task, where it changed."""
        return [step for step in (self.before - self._start, self._start - after) if step != 0]


class Spending:
    """The limits of a run, and the balances around its tasks. Used from one thread."""

    def __init__(self, run: Run, plan: Plan) -> None:
        self._run = run
        self._per_run = plan.max_credits
        self._waits = plan.waits
        self._per_day = run.settings.daily_credits
        self._balances: dict[str, _Balances] = {}
        self._charged: dict[str, float] = {}  # what the balance was before tasks that were charged when accepted
        self._next: _Balances | None = None

    @property
    def has_limit(self) -> bool:
        return self._per_run is not None or self._per_day is not None

    def terms(self, request: EditRequest) -> Budget:
        """The limits that the next submission must keep, and what it will probably cost."""
        midnight = datetime.fromtimestamp(self._run.clock.now()).astimezone()
        midnight = midnight.replace(hour=0, minute=0, second=0, microsecond=0)
        return Budget(self._per_run, self._per_day, midnight.timestamp(), self.expected(request))

    def expected(self, request: EditRequest) -> float | None:
        """What such an edit has cost lately, None if nobody knows."""
        return self._run.journal.costs.expected_price(
            request.model.name,
            request.options,
            per_second=request.model.is_priced_per_second,
            seconds=request.seconds,
        )

    def check(self, request: EditRequest, submission: Submission) -> None:
        """Before an upload that would be in vain.

        Raises:
            LimitReached, PriceUnknown: as `Journal.record`.
        """
        if self.has_limit:
            self._run.journal.check_budget(submission, self.terms(request))

    def before_submission(self, running: Collection[str]) -> None:
        """Look at the balance, if what follows can be explained by one task. `running` are the ids of the others."""
        self._next = None
        if running:  # none of those whose charge was not seen yet can be told from what comes now
            self._balances.clear()
        is_alone = all(task_id in self._charged for task_id in running)
        is_seen = self._waits and self._run.journal.is_kept  # who does not wait will not see what it costs either
        balance = self._balance() if is_alone and is_seen else None
        if balance is not None:
            self._next = _Balances(self._run.clock.now(), balance)

    def accepted(self, task_id: str, *, is_beside_others: bool) -> None:
        """The task was created: from here on its charge may be seen."""
        seen, self._next = self._next, None
        if seen is None:
            return
        seen.accepted = self._balance()
        if seen.accepted is None:
            return
        if seen.accepted < seen.before:
            self._charged[task_id] = seen.before
            self._record(task_id, round(seen.before - seen.accepted, 6), seen.since)
        elif seen.accepted == seen.before and not is_beside_others:
            self._balances[task_id] = seen

    def polled(self, task_id: str) -> None:
        """The task goes on: a charge in between is not its own."""
        seen = self._balances.get(task_id)
        balance = self._balance() if seen is not None else None
        if seen is not None and balance is not None:
            seen.running.append(balance)

    def failed(self, task_id: str, *, is_beside_others: bool) -> None:
        """A task that was charged has failed: it cost nothing only if the balance shows that."""
        before = self._charged.get(task_id)
        if before is None:
            return
        balance = None if is_beside_others else self._balance()
        if balance == before:
            self._correct(task_id, 0.0)
        elif is_beside_others or balance is None or balance > before:
            self._correct(task_id, None)

    def ended(self, task_id: str) -> float | None:
        """Look for what an ended task has cost; the seconds until the next look, None when there is none."""
        seen = self._balances.get(task_id)
        if seen is None:
            return None
        now = self._run.clock.now()
        seen.ended_at = seen.ended_at if seen.ended_at is not None else now
        balance = self._balance()
        cost = seen.cost(balance) if balance is not None else None
        if cost is not None:
            self._record(task_id, cost, seen.since)
        is_over = balance is not None and seen.is_disturbed(balance)
        if cost is not None or is_over or not self.has_limit or now - seen.ended_at > PATIENCE:
            del self._balances[task_id]
            return None
        pause, seen.pause = seen.pause, min(2 * seen.pause, MAX_PAUSE)
        return pause

    def balance_after(self) -> tuple[float | None, float | None]:
        """The balance before the submission that has just failed, and now: what became of it may be read from them."""
        before = self._next.before if self._next is not None else None
        return before, self._balance() if before is not None else None

    def add_price(self, error: NoLongerOffered) -> None:
        """What the model that the hint names has cost lately, if the journal knows."""
        model = find_model(error.sister)
        prices = self._run.journal.costs.last_prices(model.name, per_second=model.is_priced_per_second)
        if prices:
            unit = "credits a second" if model.is_priced_per_second else "credits"
            error.hint = f"{error.hint}, which has cost you {max(prices):.12g} {unit} lately"

    def _correct(self, task_id: str, cost: float | None) -> None:
        try:
            self._run.journal.costs.correct_cost(task_id, cost)
        except FileError as error:
            log.warning("the cost of %s is not saved: %s", task_id, error.message)

    def _record(self, task_id: str, cost: float, since: float) -> None:
        journal = self._run.journal
        try:
            row = journal.known(task_id)
            if row is not None and journal.costs.explains_alone(row.number, since):
                journal.costs.record_cost(task_id, cost, "balance")
                log.info("task %s has cost %g credits", task_id, cost)
        except FileError as error:
            log.warning("the cost of %s is not saved: %s", task_id, error.message)

    def _balance(self) -> float | None:
        """None if the service does not say: a cost that cannot be seen stops no edit."""
        try:
            return self._run.client.credits()
        except LumaError as error:
            log.info("the balance could not be read: %s", error.message)
            return None


def describe_cost(run: Run, plan: Plan, requests: Sequence[EditRequest]) -> str:
    """What edits will probably cost, by what such ones have cost lately."""
    spending = Spending(run, plan)
    known = [price for price in map(spending.expected, requests) if price is not None]
    if not known:
        return "what it costs is not known: the journal holds no cost of such an edit yet"
    total = round(sum(known), 6)
    text = f"about {total:.12g} credits{f' for {len(requests)} edits' if len(requests) > 1 else ''}"
    kinds = {(request.model.name, request.model.is_priced_per_second, repr(request.options)) for request in requests}
    text += f" ({_last_prices(run, requests[0])})" if len(kinds) == 1 else ""
    if len(known) < len(requests):
        text += f", and {len(requests) - len(known)} at a price that is not known yet"
    if plan.max_credits is not None and total > plan.max_credits:
        text += f"; more than the limit of {plan.max_credits:.12g}"
    return text


def _last_prices(run: Run, request: EditRequest) -> str:
    is_per_second = request.model.is_priced_per_second
    prices = run.journal.costs.last_prices(request.model.name, request.options, per_second=is_per_second)
    lowest, highest = round(min(prices), 6), round(max(prices), 6)
    amount = f"{lowest:.12g}" if lowest == highest else f"{lowest:.12g} to {highest:.12g}"
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
