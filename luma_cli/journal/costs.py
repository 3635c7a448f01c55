"""What tasks cost, and limits that hold over all processes: checked in one transaction with the claim."""

import logging
import time
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from luma_cli.errors import OutOfCredits
from luma_cli.journal.accounts import Scope
from luma_cli.journal.database import Database
from luma_cli.journal.records import Details, options_text

# The vendor's balance may lag: this long after a task's end its cost may still appear (contract, section 11).
PATIENCE = 60.0
PRICES = 5
# A task that has not been seen to end by then costs nothing any more that it has not cost already.
MAX_TASK = 86_400.0
LIMIT_HINTS = {"this run": "raise --max-credits", "today": "raise the setting daily_credits, or wait until tomorrow"}
PRICE_HINT = "luma tasks; one such edit without a limit, and with --wait, shows the price"
log = logging.getLogger(__name__)


class Budget(NamedTuple):
    """Limits in credits. `per_run` is that of this run, `per_day` that of all since `day_start`, a Unix time.

    `expected` is what the submission will probably cost; None: nobody knows. `others_follow` at the price that it will
    show: so its charge must not be taken for that of another task. `running` are tasks that were asked just now.
    """

    per_run: float | None = None
    per_day: float | None = None
    day_start: float = 0.0
    expected: float | None = None
    others_follow: bool = False
    running: frozenset[str] = frozenset()

    @property
    def has_limit(self) -> bool:
        return self.per_run is not None or self.per_day is not None


class Spent(NamedTuple):
    """The credits that were seen to be spent, by how many tasks, and how many more there are of unknown cost."""

    credits: float
    tasks: int
    unknown: int


class PriceUnknown(Exception):
    """The charge of another task, that of row `number`, comes first: try again later. Nothing was written or sent."""

    def __init__(self, number: int, task_id: str | None) -> None:
        super().__init__(number)
        self.number = number
        self.task_id = task_id


class Costs:
    """The costs of one account; see `Scope`."""

    def __init__(
        self,
        database: Database,
        scope: Scope,
        is_in_flight: Callable[[dict[str, Any]], bool],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._db = database
        self._scope = scope
        self._is_in_flight = is_in_flight
        self._now = now

    def record_cost(self, task_id: str, cost: float) -> None:
        """Write down what a task has cost by the balance, unless its record has said so."""
        columns = {"credits": cost, "credits_source": "balance", "credits_seen_at": self._now()}
        with self._db.transaction():
            self._db.update("task", columns, "task_id = :id AND credits_source IS NULL", id=task_id)

    def correct_cost(self, task_id: str, cost: float | None) -> None:
        """Replace what a balance seemed to say by what it says now; None: nobody knows any more."""
        source = None if cost is None else "balance"
        columns = {"credits": cost, "credits_source": source, "credits_seen_at": self._now()}
        with self._db.transaction():
            self._db.update("task", columns, "task_id = :id AND credits_source = 'balance'", id=task_id)

    def expected_price(
        self, model: str, options: Any = None, *, per_second: bool = False, seconds: float | None = None
    ) -> float | None:
        """The highest cost of the last five tasks of the same model and settings; None: none is known.

        With `per_second` the cost goes by the length of the clip, `seconds`.
        """
        prices = self.last_prices(model, options, per_second=per_second)
        if per_second and seconds is None:
            return None
        return max(prices) * (seconds if per_second and seconds is not None else 1.0) if prices else None

    def last_prices(self, model: str, options: Any = None, *, per_second: bool = False) -> list[float]:
        """What the last five such tasks have cost, the newest first. A failure that cost nothing is no price."""
        price = "credits / seconds" if per_second else "credits"
        found = self._db.query(
            f"SELECT {price} AS price FROM task WHERE {self._scope.condition} AND model = :model"  # noqa: S608
            " AND options = :options AND (credits > 0 OR (credits = 0 AND state = 'succeeded'))"
            f" {'AND seconds > 0' if per_second else ''} ORDER BY number DESC LIMIT {PRICES}",
            {**self._scope.values, "model": model, "options": options_text(options or {})},
        )
        return [float(row["price"]) for row in found]

    def spent(self, since: float) -> Spent:
        """What the tasks submitted since this Unix time have cost, as far as seen."""
        [row] = self._db.query(
            "SELECT coalesce(sum(credits), 0) AS credits, count(*) AS count, count(*) - count(credits) AS unknown"  # noqa: S608
            f" FROM task WHERE {self._scope.condition} AND {_MAY_COST} AND submitted_at >= :since",
            {**self._scope.values, "since": since},
        )
        return Spent(row["credits"], row["count"] - row["unknown"], row["unknown"])

    def explains_alone(self, task_id: str, since: float, running: Collection[str] = ()) -> bool:
        """Whether only this task can have changed the balance since `since`, a Unix time before it.

        Every other one that was submitted, ended or got its charge since then could have, and one that has not got it
        yet, unless it is one of `running`, which have been asked after the last look at the balance.
        """
        others = self._costs(
            f"task_id IS NOT :id AND ({_CHANGED} OR {_UNPAID})",
            {**self._scope.values, "id": task_id, "since": since, "oldest": since - MAX_TASK},
            f", {_CHANGED} AS has_changed",
        )
        return not any(
            row["has_changed"] or (self._may_be_charged(row, since) and not _is_between_charges(row, since, running))
            for row in others
        )

    def uncharged(self, since: float) -> list[str]:
        """The ids of the tasks whose charge may have come since then, or comes yet."""
        return [row["task_id"] for row in self._uncharged(since) if row["task_id"] is not None]

    def _uncharged(self, at: float) -> list[dict[str, Any]]:
        """The tasks whose charge may come after `at`, a Unix time."""
        rows = self._costs(_UNPAID, {**self._scope.values, "oldest": at - MAX_TASK})
        return [row for row in rows if self._may_be_charged(row, at)]

    def _may_be_charged(self, row: dict[str, Any], at: float) -> bool:
        if row["outcome"] == "sending":  # its process was killed, or is just at it
            return self._is_in_flight(row) or float(row["submitted_at"]) > at - PATIENCE
        return not row["has_ended"] or (row["ended_at"] or at) > at - PATIENCE

    def check(self, budget: Budget, details: Details, holder: str) -> None:
        """Return if one more submission keeps within the limits. To be called in the transaction of its claim.

        What was submitted counts at what it has cost, and until that is seen at what it was expected to cost. This
        run's submissions are those of `holder`.

        Raises:
            OutOfCredits: it does not, or the cost of the one that went first was not seen in time.
            PriceUnknown: that one's cost is to be seen first, or another task's charge could be taken for its own.
        """
        values = {**self._scope.values, "holder": holder, "day_start": budget.day_start}
        if budget.per_run is not None:
            rows = self._costs("holder = :holder", values)
            self._check_limit(budget.per_run, "this run", rows, budget.expected, details)
        if budget.per_day is not None:
            rows = self._costs("submitted_at >= :day_start", values)
            self._check_limit(budget.per_day, "today", rows, budget.expected, details)
        if budget.expected is None and budget.others_follow:
            now = self._now()
            for row in self._uncharged(now):
                if not _is_between_charges(row, now, budget.running):
                    raise PriceUnknown(row["number"], row["task_id"])

    def _check_limit(
        self, limit: float, period: str, rows: list[dict[str, Any]], expected: float | None, details: Details
    ) -> None:
        spent = sum(_cost(row, expected, details) for row in rows)
        # A clip of unknown length has no price if that goes by the second: only the first may pass the limit for it.
        likely = expected if expected is not None else _highest(rows, details)
        price = "at an unknown price" if likely is None else f"about {likely:g}"
        log.info("credits of %s: %g spent or expected, limit %g, the next %s", period, spent, limit, price)
        # Costs are sums of floats: a hair over the limit is not over it.
        if spent + (likely or 0.0) > limit + 1e-6 or (likely is None and spent >= limit):
            next_one = "" if likely is None else f", and one more costs about {likely:g}"
            message = f"the limit of {limit:g} credits for {period} is reached: {spent:g} are spent or on their way"
            raise OutOfCredits(message + next_one, hint=LIMIT_HINTS[period])
        unseen = next((row for row in rows if expected is None and _is_first(row)), None)
        if unseen is None:
            return
        if self._is_overdue(unseen):
            message = f"nothing more is sent: what {unseen['task_id'] or 'the first task'} has cost cannot be seen"
            raise OutOfCredits(message, hint=PRICE_HINT)
        raise PriceUnknown(unseen["number"], unseen["task_id"])

    def _is_overdue(self, row: dict[str, Any]) -> bool:
        if row["outcome"] == "sending":
            return not self._is_in_flight(row)
        return bool(row["has_ended"]) and row["ended_at"] is not None and self._now() - row["ended_at"] > PATIENCE

    def _costs(self, rows: str, values: dict[str, Any], more: str = "") -> list[dict[str, Any]]:
        return self._db.query(
            "SELECT number, task_id, outcome, submitted_at, answered_at, holder, model, options, credits,"  # noqa: S608
            f" expected_credits, has_budget, {_HAS_ENDED} AS has_ended, {_ENDED_AT} AS ended_at{more} FROM task"
            f" WHERE {self._scope.condition} AND {_MAY_COST} AND {rows}",
            values,
        )


_UNPAID = "credits IS NULL AND submitted_at > :oldest"
_CHANGED = "(submitted_at >= :since OR answered_at >= :since OR credits_seen_at >= :since)"
_MAY_COST = "outcome != 'refused' AND (digest IS NOT NULL OR identity IS NOT NULL)"
_HAS_ENDED = (
    "(state IN ('succeeded', 'create_failed', 'generate_failed') OR complete_time IS NOT NULL OR outcome = 'unknown')"
)
# When we heard of the end; much earlier if the service says so, whose clock may be another.
_ENDED_AT = "coalesce(min(checked_at, complete_time + 60), checked_at, complete_time, answered_at)"


def _is_between_charges(row: dict[str, Any], at: float, running: Collection[str]) -> bool:
    """Whether a task was accepted long before `at` and still runs: then none of its charges comes just now."""
    accepted = row["answered_at"]
    return row["task_id"] in running and accepted is not None and accepted <= at - PATIENCE


def _is_first(row: dict[str, Any]) -> bool:
    """Sent at an unknown price that was not seen yet. What was sent before there was a limit holds nobody up."""
    return row["credits"] is None and row["expected_credits"] is None and bool(row["has_budget"])


def _cost(row: dict[str, Any], expected: float | None, details: Details) -> float:
    """What the row has cost, or probably will: prices may have risen since it was sent."""
    if row["credits"] is not None:
        return float(row["credits"])
    now = expected if expected is not None and (_is_alike(row, details) or row["expected_credits"] is None) else 0.0
    return max(float(row["expected_credits"] or 0.0), now)


def _highest(rows: list[dict[str, Any]], details: Details) -> float | None:
    """The highest cost that was seen of such an edit; None: none was."""
    return max((float(row["credits"]) for row in rows if row["credits"] and _is_alike(row, details)), default=None)


def _is_alike(row: dict[str, Any], details: Details) -> bool:
    return bool((row["model"], row["options"]) == (details.model, options_text(details.options)))
