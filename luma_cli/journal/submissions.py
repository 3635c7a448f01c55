"""One submission: what stands in its way, its row before it is sent, and what became of it."""

import json
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from luma_cli import signals
from luma_cli.api.task import Edit, Task, as_text
from luma_cli.errors import FileError, LumaError, OutcomeUnknown, UsageError
from luma_cli.journal.accounts import Scope
from luma_cli.journal.claims import Claims
from luma_cli.journal.costs import Budget, Costs
from luma_cli.journal.database import Database
from luma_cli.journal.lookups import Lookups
from luma_cli.journal.records import ASKED_FOR, MAX_SUBMISSION, Details, Outcome, Row, columns_of, row_from, stored_path
from luma_cli.signals import Stopped

log = logging.getLogger(__name__)


class Submission(NamedTuple):
    """An edit to be recorded. `source` is what the user named.

    `identity` is equal for equal edits, however they are spelled; `digest` is what an older luma has made of this one.
    `other_keys` are other names of the key.
    """

    edit: Edit
    source: str
    digest: str | None
    idempotency_key: str | None = None
    identity: str | None = None
    other_keys: tuple[str, ...] = ()
    details: Details = Details()

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.idempotency_key, *self.other_keys) if self.idempotency_key is not None else ()

    def is_same_edit(self, identity: str | None, digest: str | None) -> bool:
        """By the identity, or by the digest that an older luma has made of it."""
        if self.identity is not None and identity is not None:
            return self.identity == identity
        return digest is not None and self.digest == digest


class Spacing(NamedTuple):
    """At most `limit` submissions in any `window` seconds."""

    limit: int
    window: float


UNLIMITED = Spacing(sys.maxsize, 0.0)


class NotYet(Exception):
    """The account has submitted too much just now: try again in `pause` seconds."""

    def __init__(self, pause: float) -> None:
        super().__init__(pause)
        self.pause = pause


class BeingSent(OutcomeUnknown):
    """Another process is just submitting this: its answer will say."""


class InQuestion(BeingSent):
    """The key has a task (`row`) under another API key: the service is to be asked whether it is this account's."""

    def __init__(self, row: Row) -> None:
        super().__init__(f"task {row.task.task_id} of another API key may be this very edit", hint="luma tasks")
        self.question = row


class EditRows(NamedTuple):
    """What the journal holds about one submission, the newest first: the rows that it must not repeat, those of the
    same edit that have a task or may have one, and tasks of which nobody knows whether they are this account's.

    Whoever asks the service about the last calls `accounts.claim` or `accounts.deny`.
    """

    alike: Sequence[Row] = ()
    same: Sequence[Row] = ()
    foreign: Sequence[Row] = ()

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "EditRows":
        """The rows by their marks, see `Submissions._marks`."""
        return cls(*([row for row in rows if row.columns[mark]] for mark in ("is_alike", "is_same", "is_foreign")))


class Submissions(Lookups):
    """Records what is sent. Use it from one thread."""

    def __init__(self, database: Database, claims: Claims, scope: Scope, now: Callable[[], float]) -> None:
        super().__init__(database, claims, scope, now)
        self.costs = Costs(database, scope, self._is_in_flight, now)

    def record(
        self,
        submission: Submission,
        send: Callable[[Edit], str],
        *,
        announce: Callable[[str], None] = lambda _: None,
        resubmit: bool = False,
        repeat: bool = False,
        spacing: Spacing = UNLIMITED,
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
            earlier, number = self._begin(submission, resubmit, repeat, spacing, budget)
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
            if signals.is_held():
                self._settle(number, Outcome.UNKNOWN)
            else:
                self._settle(number, Outcome.REFUSED, LumaError("stopped before it was sent: nothing was charged"))
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

    def look_up(self, submission: Submission) -> EditRows:
        """Everything that has to be known before a submission, in one query."""
        return EditRows.of(self._rows(f"number IN ({_OF_EDIT})", self._values_of(submission), self._marks()))

    def earlier(
        self, submission: Submission, *, resubmit: bool = False, repeat: bool = False, known: EditRows | None = None
    ) -> str | None:
        """The task that the submission's idempotency key has already; None when it may be sent.

        `known` is what was looked up before.

        Raises:
            OutcomeUnknown, UsageError: it must not be submitted (again).
            InQuestion: the service is to be asked first.
        """
        known = known or self.look_up(submission)
        rows = known.alike
        of_key = [row for row in rows if row.idempotency_key in submission.keys]
        if of_key:
            row = min(of_key, key=lambda row: submission.keys.index(str(row.idempotency_key)))  # its own key first
            task_id = self._task_of_key(row, submission, resubmit=resubmit, repeat=repeat)
            if task_id is not None:
                return task_id
        elif submission.keys and not repeat:
            if (kept := self._kept(submission)) is not None:
                return kept
            for row in known.foreign:
                if row.idempotency_key in submission.keys and submission.is_same_edit(row.identity, row.digest):
                    raise InQuestion(row)
        unresolved = [
            row
            for row in rows
            if row.outcome_now is Outcome.UNKNOWN
            and submission.is_same_edit(row.identity, row.digest)
            and not _is_another_take(row, submission, repeat=repeat)
        ]
        if unresolved and not resubmit:
            raise unknown_outcome_of(unresolved[0])
        return None

    def _marks(self) -> str:
        """More columns, which say what a row means for the submission."""
        scope = self._scope
        of_key = f"idempotency_key IN {_KEYS} AND outcome != 'refused' AND {scope.mine}"
        unresolved = f"{_UNRESOLVED} AND {scope.perhaps_mine}"
        return (
            f", {scope.here} AND (({of_key}) OR ({unresolved})) AS is_alike"
            f", {scope.condition} AND {_SAME_EDIT} AS is_same"
            f", {scope.here} AND task_id IS NOT NULL AND {scope.in_question} AS is_foreign"
        )

    def _values_of(self, submission: Submission) -> dict[str, Any]:
        keys = json.dumps(submission.keys)
        return {**self._scope.values, "keys": keys, "identity": submission.identity, "digest": submission.digest}

    def _look_up_to_claim(self, submission: Submission, spacing: Spacing) -> tuple[EditRows, float]:
        """`look_up`, and seconds until the account may submit again, 0 for now.

        Every process that shares the journal counts. A submission counts from its claim until `spacing.window` after
        its answer, so that no window at the service, whatever the way there takes, sees more than `spacing.limit`.
        """
        now, window = self._now(), spacing.window
        recent = (
            f"SELECT number FROM task WHERE {self._scope.here} AND (answered_at BETWEEN :begin AND :end"  # noqa: S608
            " OR (answered_at IS NULL AND outcome = 'sending' AND submitted_at > :oldest))"
        )
        values = {"begin": now - window, "end": now + window, "oldest": now - MAX_SUBMISSION}
        rows = self._rows(
            f"number IN ({_OF_EDIT} UNION {recent})",
            {**self._values_of(submission), **values},
            f"{self._marks()}, number IN ({recent}) AS is_recent",
        )
        found = [row for row in rows if row.columns["is_recent"]]
        # A process that was killed while it sent has sent nothing since.
        ends = [now if row.is_in_flight else row.columns["answered_at"] or row.columns["submitted_at"] for row in found]
        left = sorted(end + window - now for end in ends if abs(end - now) < window)
        excess = len(left) - spacing.limit
        return EditRows.of(rows), max(0.01, min(left[excess], window)) if excess >= 0 else 0.0

    def _task_of_key(self, row: Row, submission: Submission, *, resubmit: bool, repeat: bool) -> str | None:
        """The id of the task that the key stands for; None when it may be submitted (again)."""
        if not submission.is_same_edit(row.identity, row.digest):
            raise _key_of_another()
        if row.task.task_id:
            return None if repeat else row.task.task_id
        if row.is_in_flight or not resubmit:
            raise unknown_outcome_of(row)
        return None

    def _kept(self, submission: Submission) -> str | None:
        """The task that the key stood for when its row was pruned."""
        found = self._db.query(
            f"SELECT * FROM kept_key WHERE {self._scope.owned} AND idempotency_key IN {_KEYS}"  # noqa: S608  our own literals
            " ORDER BY number DESC LIMIT 1",
            self._values_of(submission),
        )
        if not found:
            return None
        if not submission.is_same_edit(found[0]["identity"], found[0]["digest"]):
            raise _key_of_another()
        return str(found[0]["task_id"])

    def kept_by_others(self, submission: Submission) -> list[tuple[str, str]]:
        """Tasks and fingerprints of other API keys for which this idempotency key stood when their rows were pruned."""
        found = self._db.query(
            f"SELECT task_id, account FROM kept_key WHERE {self._scope.here} AND NOT ({self._scope.owned})"  # noqa: S608
            f" AND idempotency_key IN {_KEYS}",
            self._values_of(submission),
        )
        return [(row["task_id"], row["account"]) for row in found]

    def _begin(
        self, submission: Submission, resubmit: bool, repeat: bool, spacing: Spacing, budget: Budget | None
    ) -> tuple[str | None, int]:
        """The id that the idempotency key has already, or the number of a new row, with signals held back."""
        holder = self._claims.own()
        with self._db.transaction():
            known, pause = self._look_up_to_claim(submission, spacing)
            earlier = self.earlier(submission, resubmit=resubmit, repeat=repeat, known=known)
            if earlier is not None:
                return earlier, 0
            if pause > 0:
                raise NotYet(pause)
            if budget is not None and budget.has_limit:
                self.costs.check(budget, submission.details, holder)
            # A row that a signal parted from its request would count as an unknown outcome; a busy disk syncs for long.
            signals.hold(firmly=True)
            return None, self._insert(submission, budget)

    def _insert(self, submission: Submission, budget: Budget | None) -> int:
        columns = {
            **submission.edit._asdict(),
            **submission.details.columns(),
            **self._scope.columns,
            "outcome": Outcome.SENDING,
            "source": stored_path(submission.source),
            "digest": submission.digest,
            "identity": submission.identity,
            "idempotency_key": submission.idempotency_key,
            "holder": self._claims.own(),
            "has_budget": int(budget is not None and budget.has_limit),
            "submitted_at": self._now(),
        }
        if budget is not None and budget.expected is not None:
            columns["expected_credits"] = budget.expected
        return self._db.insert("task", columns)

    def _accept(self, number: int, submission: Submission, task_id: str, announce: Callable[[str], None]) -> None:
        try:
            with self._db.transaction():
                if not self._write_id(number, task_id):
                    self._accept_again(number, submission, task_id)
        except FileError as error:
            announce(task_id)
            raise FileError(
                f"task {task_id} was created but could not be recorded: {error.message}",
                hint=f"keep the id: luma wait {task_id}",
                task_id=task_id,
            ) from error
        announce(task_id)

    def _write_id(self, number: int, task_id: str) -> bool:
        """False when the row is not there, or another one has the id."""
        written = self._db.execute(
            "UPDATE OR IGNORE task SET task_id = ?, outcome = 'accepted', state = 'generating', answered_at = ?"
            " WHERE number = ?",
            (task_id, self._now(), number),
        )
        return written.rowcount == 1

    def _accept_again(self, number: int, submission: Submission, task_id: str) -> None:
        """The id is in the journal already, or the row is gone."""
        there = self.known(task_id)
        if there is not None and there.is_ours:
            raise OutcomeUnknown(
                f"kie.ai answered with the id of an earlier task, {task_id}: it may have charged for a new one",
                hint="look at https://kie.ai/logs; then `luma tasks adopt ID` or `luma tasks forget`",
            )
        if self._numbered(number) is None:
            number = self._insert(submission, None)  # forgotten while this machine was suspended
        self._take_out_foreign(there, number)
        self._write_id(number, task_id)
        row = self._numbered(number)
        if there is not None and row is not None:
            self._update(row, there.task)

    def _take_out_foreign(self, foreign: Row | None, number: int) -> None:
        """Another process of ours may know the task already: a callback may come before the answer that names it.

        Its files become those of row `number`.
        """
        if foreign is not None and not foreign.is_ours:
            self._db.execute("UPDATE file SET number = ? WHERE number = ?", (number, foreign.number))
            self._db.execute("DELETE FROM task WHERE number = ?", (foreign.number,))

    def _settle(self, number: int, outcome: Outcome, error: LumaError | None = None) -> None:
        columns: dict[str, Any] = {"outcome": outcome, "answered_at": self._now()}
        if error is not None:
            columns |= {"error_code": error.api_code, "error_message": as_text(error.message)}
            columns["raw"] = as_text(getattr(error, "raw", None))
        try:
            with self._db.transaction():  # what has its task by now keeps it
                self._db.update("task", columns, "number = :number AND outcome = 'sending'", number=number)
        except FileError as failure:
            # The row stays in "sending", which counts as unknown: the safe side.
            log.warning("the outcome of submission %d could not be recorded: %s", number, failure.message)

    def _update(self, row: Row, task: Task) -> Row:
        """Write what is known of a task into its row, as it was read in this transaction; returns it as it is then.

        What is not known, or was asked for by us, stays as it is; a cost of the record, too.
        """
        known = {**columns_of(task), "outcome": Outcome.ACCEPTED, "checked_at": self._now()}
        if task.credits is not None and row.credits_source != "record":
            known |= {"credits": task.credits, "credits_source": "record", "credits_seen_at": self._now()}
        is_kept = ASKED_FOR if row.is_ours else ()
        columns = {name: value for name, value in known.items() if value is not None and name not in is_kept}
        self._db.update("task", columns, "number = :number", number=row.number)
        return row_from({**row.columns, **columns}, row.task.files)


_KEYS = "(SELECT value FROM json_each(:keys))"
_SAME_EDIT = "outcome != 'refused' AND (identity = :identity OR (identity IS NULL AND digest = :digest))"
_UNRESOLVED = "(identity = :identity OR digest = :digest) AND outcome IN ('sending', 'unknown')"
# Whose a submission without a task is can only be told by another task of the same key. Without such a submission
# nothing is looked for: that goes through all rows.
_ONE_OF_EACH_KEY = (
    f"SELECT max(number) FROM task WHERE EXISTS (SELECT 1 FROM task WHERE {_UNRESOLVED}) AND task_id IS NOT NULL"  # noqa: S608
    f" AND account IN (SELECT account FROM task WHERE {_UNRESOLVED}) GROUP BY account"
)
# The numbers of the rows that have to do with a submission, each found by an index.
_OF_EDIT = (
    f"SELECT number FROM task WHERE idempotency_key IN {_KEYS}"  # noqa: S608
    " UNION SELECT number FROM task WHERE identity = :identity"
    " UNION SELECT number FROM task WHERE digest = :digest"
    f" UNION {_ONE_OF_EACH_KEY}"
)


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
