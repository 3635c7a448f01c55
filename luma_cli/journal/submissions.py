"""One submission: what stands in its way, its row before it is sent, and what became of it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from luma_cli import signals
from luma_cli.api.task import Edit, Task, as_text
from luma_cli.errors import FileError, LumaError, OutcomeUnknown, UsageError
from luma_cli.journal.accounts import Scope
from luma_cli.journal.claims import Claims
from luma_cli.journal.costs import Budget, Costs
from luma_cli.journal.database import Database
from luma_cli.journal.lookups import Lookups, key_marks, key_values
from luma_cli.journal.records import ASKED_FOR, MAX_SUBMISSION, Details, Outcome, Row, columns_of, stored_path
from luma_cli.signals import Stopped

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Submission:
    """An edit to be recorded. `source` is what the user named.

    `identity` is equal for equal edits, however they are spelled; `digest` is what an older luma has made of this one.
    `old_keys` are other names of the key.
    """

    edit: Edit
    source: str
    digest: str | None
    idempotency_key: str | None = None
    identity: str | None = None
    old_keys: tuple[str, ...] = ()
    details: Details = field(default_factory=Details)

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.idempotency_key, *self.old_keys) if self.idempotency_key is not None else ()


@dataclass(frozen=True)
class Spacing:
    """At most `count` submissions in any `window` seconds."""

    count: int
    window: float


class NotYet(Exception):
    """The account has submitted too much just now: try again in `pause` seconds."""

    def __init__(self, pause: float) -> None:
        super().__init__(pause)
        self.pause = pause


class BeingSent(OutcomeUnknown):
    """Another process is just submitting this: its answer will say."""


class _Terms(NamedTuple):
    """On which terms a submission may be sent."""

    resubmit: bool
    repeat: bool
    spacing: Spacing | None
    budget: Budget | None


class Submissions(Lookups):
    """Records what is sent. Use it from one thread."""

    def __init__(self, database: Database, claims: Claims, scope: Scope, now: Callable[[], float]) -> None:
        super().__init__(database, claims, scope, now)
        self.costs = Costs(database, scope, self._is_in_flight, now)

    def pause_before(self, spacing: Spacing) -> float:
        """Seconds until the account may submit again; 0 for now. Every process that shares the journal counts.

        A submission counts from its claim until `spacing.window` after its answer, so that no window at the service,
        whatever the way there takes, sees more than `spacing.count`.
        """
        now, scope = self._now(), self._scope
        columns = "answered_at, submitted_at, outcome, holder"
        found = self._db.query(
            f"SELECT {columns} FROM task WHERE {scope.here} AND answered_at BETWEEN :begin AND :end"  # noqa: S608
            f" UNION ALL SELECT {columns} FROM task WHERE {scope.here} AND answered_at IS NULL"
            " AND outcome = 'sending' AND submitted_at > :oldest",
            {
                **scope.values,
                "begin": now - spacing.window,
                "end": now + spacing.window,
                "oldest": now - MAX_SUBMISSION,
            },
        )
        # A process that was killed while it sent has sent nothing since.
        ends = (row["answered_at"] or (now if self._is_in_flight(row) else row["submitted_at"]) for row in found)
        left = sorted(end + spacing.window - now for end in ends if end + spacing.window > now)
        excess = len(left) - spacing.count
        return max(0.01, min(left[excess], spacing.window)) if excess >= 0 else 0.0

    def record(
        self,
        submission: Submission,
        send: Callable[[Edit], str],
        *,
        announce: Callable[[str], None] = lambda _: None,
        resubmit: bool = False,
        repeat: bool = False,
        spacing: Spacing | None = None,
        budget: Budget | None = None,
    ) -> str:
        """Write a row, call `send`, write what became of it, and return the task id.

        A submission whose idempotency key has a task already is not sent: that task's id is returned; `repeat` means
        another take, to which the key passes. `announce` gets the id before any signal that was held back is raised.

        Raises:
            NotYet: with `spacing`, the account has submitted too much just now; nothing was written or sent.
            PriceUnknown: with `budget`, what went first must have its cost seen; nothing was written or sent.
            OutOfCredits: with `budget`, it would cost too much; nothing was written or sent.
            OutcomeUnknown: nobody knows whether a task was created, now or by an earlier identical submission.
            UsageError: the idempotency key stands for another submission.
            FileError: the journal cannot be written; nothing was sent, or the message holds the id.
            LumaError: whatever `send` raises; nothing was created.
        """
        try:
            earlier, number = self._begin(submission, _Terms(resubmit, repeat, spacing, budget))
        except BaseException:
            signals.release()
            raise
        if earlier is not None:
            announce(earlier)
            return earlier
        try:
            signals.release()
            task_id = send(submission.edit)
            signals.hold(firmly=True)
            self._accept(number, submission, task_id, announce)
        except OutcomeUnknown as error:
            error.row = number
            self._settle(number, Outcome.UNKNOWN, error)
            raise
        except LumaError as error:
            if not isinstance(error, FileError):
                self._settle(number, Outcome.REFUSED, error)
            raise
        except Stopped:
            self._settle(number, Outcome.UNKNOWN if signals.is_held() else Outcome.REFUSED)
            raise
        finally:
            signals.release()
        return task_id

    def check_budget(self, submission: Submission, budget: Budget) -> None:
        """Return if the submission would keep within the limits now; `record` looks again.

        Raises:
            OutOfCredits, PriceUnknown: as `record`.
        """
        self.costs.check(budget, submission.details, self._claims.own())

    def earlier(self, submission: Submission, *, resubmit: bool = False, repeat: bool = False) -> str | None:
        """The task that the submission's idempotency key has already; None when it may be sent.

        Raises:
            OutcomeUnknown, UsageError: it must not be submitted (again).
        """
        rows = self._alike(submission)
        of_key = [row for row in rows if row.idempotency_key in submission.keys]
        if of_key:
            task_id = self._task_of_key(of_key[0], submission, resubmit=resubmit, repeat=repeat)
            if task_id is not None:
                return task_id
        elif submission.keys and not repeat and (kept := self._kept(submission)) is not None:
            return kept
        unresolved = [
            row
            for row in rows
            if row.outcome_now is Outcome.UNKNOWN
            and row.is_same_edit(submission.identity, submission.digest)
            and not _is_another_take(row, submission, repeat=repeat)
        ]
        if unresolved and not resubmit:
            raise unknown_outcome_of(unresolved[0])
        return None

    def _alike(self, submission: Submission) -> list[Row]:
        """The submissions that this one must not repeat, the newest first."""
        scope, marks = self._scope, key_marks(submission.keys)
        unresolved = (
            "SELECT number FROM task WHERE identity = :identity AND outcome IN ('sending', 'unknown')"
            " UNION SELECT number FROM task WHERE digest = :digest AND outcome IN ('sending', 'unknown')"
        )
        of_key = f"idempotency_key IN ({marks}) AND outcome != 'refused' AND {scope.mine}"
        return self._rows(
            f"{scope.here} AND (({of_key}) OR (number IN ({unresolved}) AND {scope.perhaps_mine}))",
            {
                **scope.values,
                **key_values(submission.keys),
                "identity": submission.identity,
                "digest": submission.digest,
            },
        )

    def _task_of_key(self, row: Row, submission: Submission, *, resubmit: bool, repeat: bool) -> str | None:
        """The id of the task that the key stands for; None when it may be submitted (again)."""
        if not row.is_same_edit(submission.identity, submission.digest):
            raise _key_of_another()
        if row.task.task_id:
            return None if repeat else row.task.task_id
        if row.is_in_flight or not resubmit:
            raise unknown_outcome_of(row)
        return None

    def _kept(self, submission: Submission) -> str | None:
        """The task that the key stood for when its row was pruned."""
        marks = key_marks(submission.keys)
        found = self._db.query(
            f"SELECT * FROM kept_key WHERE {self._scope.owned} AND idempotency_key IN ({marks})"  # noqa: S608  our own literals
            " ORDER BY number DESC LIMIT 1",
            {**self._scope.values, **key_values(submission.keys)},
        )
        if not found:
            return None
        if not _is_same_edit(found[0], submission):
            raise _key_of_another()
        return str(found[0]["task_id"])

    def _begin(self, submission: Submission, terms: "_Terms") -> tuple[str | None, int]:
        """The id that the idempotency key has already, or the number of a new row, with signals held back."""
        holder = self._claims.own()
        with self._db.transaction():
            earlier = self.earlier(submission, resubmit=terms.resubmit, repeat=terms.repeat)
            if earlier is not None:
                return earlier, 0
            pause = self.pause_before(terms.spacing) if terms.spacing is not None else 0.0
            if pause > 0:
                raise NotYet(pause)
            if terms.budget is not None and terms.budget.has_limit:
                self.costs.check(terms.budget, submission.details, holder)
            # A row that a signal parted from its request would count as an unknown outcome; a busy disk syncs for long.
            signals.hold(firmly=True)
            return None, self._insert(submission, terms.budget)

    def _insert(self, submission: Submission, budget: Budget | None) -> int:
        edit = submission.edit
        columns = {
            **submission.details.columns(),
            "outcome": Outcome.SENDING,
            "base_url": self._scope.service or "",
            "account": self._scope.account,
            "source": stored_path(submission.source),
            "prompt": edit.prompt,
            "video_url": edit.video_url,
            "watermark": edit.watermark,
            "callback_url": edit.callback_url,
            "digest": submission.digest,
            "identity": submission.identity,
            "idempotency_key": submission.idempotency_key,
            "holder": self._claims.own(),
            "has_budget": int(budget is not None and budget.has_limit),
            "submitted_at": self._now(),
        }
        if budget is not None and budget.expected is not None:
            columns["expected_credits"] = budget.expected
        marks = ", ".join(f":{name}" for name in columns)
        sql = f"INSERT INTO task ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608  our own names
        return int(self._db.execute(sql, columns).lastrowid or 0)

    def _accept(self, number: int, submission: Submission, task_id: str, announce: Callable[[str], None]) -> None:
        try:
            with self._db.transaction():
                there = self.known(task_id)
                if there is not None and there.is_ours:
                    raise OutcomeUnknown(
                        f"kie.ai answered with the id of an earlier task, {task_id}: it may have charged for a new one",
                        hint="look at https://kie.ai/logs; then `luma tasks adopt ID` or `luma tasks forget`",
                    )
                if not self._db.query("SELECT 1 FROM task WHERE number = ?", (number,)):
                    number = self._insert(submission, None)  # forgotten while this machine was suspended
                self._take_out_foreign(there, number)
                self._db.execute(
                    "UPDATE task SET task_id = ?, outcome = 'accepted', state = 'generating', answered_at = ?"
                    " WHERE number = ?",
                    (task_id, self._now(), number),
                )
                if there is not None:
                    self._update(there.task)
        except FileError as error:
            announce(task_id)
            raise FileError(
                f"task {task_id} was created but could not be recorded: {error.message}",
                hint=f"keep the id: luma wait {task_id}",
                task_id=task_id,
            ) from error
        announce(task_id)

    def _take_out_foreign(self, foreign: Row | None, number: int) -> None:
        """Another process of ours may know the task already: a callback may come before the answer that names it.

        Its files become those of row `number`.
        """
        if foreign is not None and not foreign.is_ours:
            self._db.execute("UPDATE file SET number = ? WHERE number = ?", (number, foreign.number))
            self._db.execute("DELETE FROM task WHERE number = ?", (foreign.number,))

    def _settle(self, number: int, outcome: Outcome, error: LumaError | None = None) -> None:
        raw = getattr(error, "raw", None)
        try:
            with self._db.transaction():
                self._db.execute(
                    "UPDATE task SET outcome = ?, answered_at = ?, error_code = ?, error_message = ?, raw = ?"
                    " WHERE number = ? AND outcome = 'sending'",  # what has its task by now keeps it
                    (
                        outcome,
                        self._now(),
                        error and error.api_code,
                        error and as_text(error.message),
                        as_text(raw),
                        number,
                    ),
                )
        except FileError as failure:
            # The row stays in "sending", which counts as unknown: the safe side.
            _log.warning("the outcome of submission %d could not be recorded: %s", number, failure.message)

    def _update(self, task: Task) -> None:
        """Write what is known of a task into its row; what is not known, or was asked for by us, stays as it is."""
        columns = {**columns_of(task), "outcome": Outcome.ACCEPTED, "checked_at": self._now()}
        assignments = ", ".join(
            f"{name} = CASE WHEN digest IS NULL AND identity IS NULL THEN coalesce(:{name}, {name}) ELSE {name} END"
            if name in ASKED_FOR
            else f"{name} = coalesce(:{name}, {name})"
            for name in columns
        )
        self._db.execute(f"UPDATE task SET {assignments} WHERE task_id = :id", {**columns, "id": task.task_id})  # noqa: S608
        if task.credits is not None:
            self.costs.write_cost(task.task_id, task.credits, "record")


def _is_another_take(row: Row, submission: Submission, *, repeat: bool) -> bool:
    """Each take of an edit is known by its key or number: one whose response was lost does not stop the others."""
    has_keys = row.idempotency_key is not None and submission.idempotency_key is not None
    return (has_keys or repeat) and row.details.take != submission.details.take


def unknown_outcome_of(row: Row) -> OutcomeUnknown:
    """The error for what is not submitted again as long as nobody knows what became of this row."""
    when = row.submitted_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    if row.is_in_flight:
        return BeingSent(f"the same submission is being sent right now (since {when})", hint="luma tasks")
    error = OutcomeUnknown(
        f"an identical submission of {when} has an unknown outcome: it may have been created and charged",
        hint=OutcomeUnknown.NEXT_STEP,
    )
    error.row = row.number
    return error


def _key_of_another() -> UsageError:
    return UsageError("this idempotency key was used for another submission", hint="choose another key")


def _is_same_edit(kept: Mapping[str, Any], submission: Submission) -> bool:
    if kept["identity"] is not None and submission.identity is not None:
        return bool(kept["identity"] == submission.identity)
    return kept["digest"] is not None and bool(kept["digest"] == submission.digest)
