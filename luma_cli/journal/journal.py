"""The record of what we submitted, written before the money is spent.

The service keeps no list of tasks, so this one is the only one.
"""

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from luma_cli import signals
from luma_cli.api.task import Edit, SavedFile, Task, as_text
from luma_cli.errors import FileError, LumaError, OutcomeUnknown, UsageError
from luma_cli.journal.database import Damaged, Database, salvage
from luma_cli.journal.records import MAX_SUBMISSION, Outcome, Row, columns_of, file_from, is_alive, row_from
from luma_cli.signals import Stopped

NAME = "tasks.db"
PAGE = 1000

# One script per schema version, never edited once released: `PRAGMA user_version` counts them.
MIGRATIONS = (
    """
    CREATE TABLE task (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        task_id TEXT UNIQUE,
        outcome TEXT NOT NULL CHECK (outcome IN ('sending', 'accepted', 'refused', 'unknown')),
        base_url TEXT NOT NULL,
        source TEXT,
        prompt TEXT, video_url TEXT, watermark TEXT, callback_url TEXT,
        digest TEXT, idempotency_key TEXT, process INTEGER,
        submitted_at REAL NOT NULL,
        state TEXT NOT NULL DEFAULT 'unknown', success_flag INTEGER,
        create_time REAL, complete_time REAL,
        result_urls TEXT NOT NULL DEFAULT '[]', origin_urls TEXT NOT NULL DEFAULT '[]',
        error_code TEXT, error_message TEXT, warnings TEXT NOT NULL DEFAULT '[]',
        raw TEXT
    );
    CREATE INDEX task_submitted ON task (submitted_at);
    CREATE INDEX task_digest ON task (digest) WHERE outcome IN ('sending', 'unknown');
    CREATE INDEX task_key ON task (idempotency_key) WHERE idempotency_key IS NOT NULL;
    CREATE INDEX task_unfinished ON task (state) WHERE state IN ('generating', 'unknown');
    CREATE TABLE file (
        number INTEGER NOT NULL REFERENCES task (number) ON DELETE CASCADE,
        url TEXT NOT NULL, path TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, saved_at REAL NOT NULL,
        PRIMARY KEY (number, path)
    );
    """,
    """
    ALTER TABLE task ADD COLUMN answered_at REAL;
    CREATE INDEX task_answered ON task (base_url, answered_at);
    """,
)


@dataclass(frozen=True)
class Submission:
    """An edit to be recorded. `source` is what the user named; `digest` is equal for equal prompt, clip, watermark."""

    edit: Edit
    source: str
    digest: str
    base_url: str
    idempotency_key: str | None = None


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
    """Another process is just submitting this: its answer will tell."""


def open_journal(path: Path | None, on_warning: Callable[[str], None] = lambda _: None) -> "Journal":
    """Open or make the journal; None keeps it in memory only. `on_warning` hears what is not worth an error.

    Raises:
        FileError: it cannot be used for writing, is damaged, or was made by a newer luma. The file is not touched.
    """
    return Journal(Database(path, MIGRATIONS), on_warning)


def recover(path: Path) -> tuple[int, Path | None]:
    """Set a damaged journal aside and take over what can be read: how many rows, and where the old file is now.

    A journal that is sound is left as it is (no path).

    Raises:
        FileError: the folder cannot be written, another process is writing, or a newer luma made the journal.
    """
    try:
        journal = open_journal(path)
        try:
            return sum(1 for _ in journal.rows()), None
        finally:
            journal.close()
    except Damaged:
        return salvage(path, MIGRATIONS, ("task", "file"))


class Journal:
    """Rows and files. Use it from one thread, close it at the end."""

    def __init__(self, database: Database, on_warning: Callable[[str], None] = lambda _: None) -> None:
        self._db = database
        self.on_warning = on_warning

    def close(self) -> None:
        self._db.close()

    @property
    def is_kept(self) -> bool:
        """Whether it outlives this process."""
        return self._db.path is not None

    def pause_before(self, base_url: str, spacing: Spacing) -> float:
        """Seconds until the account may submit again; 0 for now. Every process that shares the journal counts.

        A submission counts from its claim until `spacing.window` after its answer, so that no window at the service,
        whatever the way there takes, sees more than `spacing.count`.
        """
        now = time.time()
        columns = "SELECT answered_at, submitted_at, process FROM task WHERE base_url = ? AND answered_at"
        found = self._db.query(f"{columns} BETWEEN ? AND ?", (base_url, now - spacing.window, now + spacing.window))
        found += self._db.query(
            f"{columns} IS NULL AND outcome = 'sending' AND submitted_at > ?", (base_url, now - MAX_SUBMISSION)
        )
        # A process that was killed while it sent has sent nothing since.
        ends = (each["answered_at"] or (now if is_alive(each["process"]) else each["submitted_at"]) for each in found)
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
        spacing: Spacing | None = None,
    ) -> str:
        """Write a row, call `send`, write what became of it, and return the task id.

        A submission whose idempotency key has a task already is not sent: that task's id is returned. `announce` gets
        the id before any signal that was held back is raised.

        Raises:
            NotYet: with `spacing`, the account has submitted too much just now; nothing was written or sent.
            OutcomeUnknown: nobody knows whether a task was created, now or by an earlier identical submission.
            UsageError: the idempotency key stands for another submission.
            FileError: the journal cannot be written; nothing was sent, or the message holds the id.
            LumaError: whatever `send` raises; nothing was created.
        """
        earlier, number = self._begin(submission, resubmit, spacing)
        if earlier is not None:
            announce(earlier)
            return earlier
        try:
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

    def earlier(self, submission: Submission, *, resubmit: bool = False) -> str | None:
        """The task that the submission's idempotency key has already; None where it may be sent.

        Raises:
            OutcomeUnknown, UsageError: it must not be submitted (again).
        """
        key, digest = submission.idempotency_key, submission.digest
        if key is not None:
            rows = self._rows(
                "WHERE idempotency_key = ? AND base_url = ? AND outcome != 'refused' ORDER BY number DESC",
                (key, submission.base_url),
            )
            if rows and rows[0].digest != digest:
                raise UsageError("this idempotency key was used for another submission", hint="choose another key")
            if rows and rows[0].task.task_id:
                return rows[0].task.task_id
            if rows and (rows[0].is_in_flight or not resubmit):
                raise _unresolved(rows[0])
        rows = self._rows(
            "WHERE digest = ? AND base_url = ? AND outcome IN ('sending', 'unknown')", (digest, submission.base_url)
        )
        unresolved = [row for row in rows if row.outcome_now is Outcome.UNKNOWN]
        if unresolved and not resubmit:
            raise _unresolved(unresolved[-1])
        return None

    def known(self, task_id: str) -> Row | None:
        """The row of this very id."""
        rows = self._rows("WHERE task_id = ?", (task_id,)) if task_id else []
        return rows[0] if rows else None

    def recent(self, back: int) -> Row | None:
        """The row of the task submitted last (1), of the one before (2), and so on."""
        rows = self._rows(
            "WHERE task_id IS NOT NULL ORDER BY submitted_at DESC, number DESC LIMIT 1 OFFSET ?", (back - 1,)
        )
        return rows[0] if rows else None

    def nameless(self, number: int) -> Row | None:
        """The submission of this number, where it has no task id."""
        rows = self._rows("WHERE number = ? AND task_id IS NULL", (number,))
        return rows[0] if rows else None

    def beginning_with(self, prefix: str) -> list[Row]:
        """The rows whose task id begins so."""
        return self._rows("WHERE substr(task_id, 1, ?) = ?", (len(prefix), prefix))

    def learn_if_possible(self, task: Task, base_url: str) -> None:
        """`learn` for those who only read: the service knows the task, so they go on when the journal fails."""
        try:
            self.learn(task, base_url)
        except FileError as error:
            self.on_warning(f"the state is not saved: {error.message}")

    def learn(self, task: Task, base_url: str) -> None:
        """Write down what the service said about a task, known to the journal or not."""
        if self._is_news(task):
            with self._db.transaction():
                self._learn(task, base_url)

    def _learn(self, task: Task, base_url: str) -> None:
        """In a transaction, where nobody else can learn of the end in between."""
        if self._is_news(task):
            if self.known(task.task_id) is None:
                self._insert_foreign(task, base_url)
            self._update(task)

    def _is_news(self, task: Task) -> bool:
        """An end is an end, whatever a service that has lost the record says later."""
        before = self.known(task.task_id)
        if before is None:
            return True
        return _facts(before.task) != _facts(task) and (task.has_ended or not before.task.has_ended)

    def save_file(self, task_id: str, file: SavedFile) -> None:
        with self._db.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO file SELECT number, ?, ?, ?, ?, ? FROM task WHERE task_id = ?",
                (file.url, file.path, file.bytes, file.sha256, time.time(), task_id),
            )

    def rows(self, *, state: str | None = None, since: float = -math.inf, limit: int | None = None) -> Iterator[Row]:
        """The newest first, read as they are taken. `since` is a Unix time in seconds; `state` may be an outcome."""
        if state is None:
            return islice(self._pages("submitted_at >= ?", (since,)), limit)
        near = self._pages("submitted_at >= ? AND (state = ? OR outcome IN (?, 'sending'))", (since, state, state))
        found = (row for row in near if state in (row.task.state if row.task.task_id else "", row.outcome_now))
        return islice(found, limit)

    def unfinished(self, base_url: str) -> list[Row]:
        """Tasks at this service that have not been seen to end, the oldest first."""
        return self._rows(
            "WHERE task_id IS NOT NULL AND state IN ('generating', 'unknown') AND base_url = ? ORDER BY submitted_at",
            (base_url,),
        )

    def unsettled(self) -> list[Row]:
        """Submissions that nobody knows the outcome of, the newest first."""
        rows = self._rows("WHERE outcome IN ('sending', 'unknown') ORDER BY submitted_at DESC")
        return [row for row in rows if row.outcome_now is Outcome.UNKNOWN]

    def file_at(self, path: str) -> tuple[str, SavedFile] | None:
        """The task id and file that were last saved under this absolute path."""
        found = self._db.query(
            "SELECT task_id, path, bytes, sha256, url FROM file JOIN task USING (number) "
            "WHERE path = ? ORDER BY saved_at",
            (path,),
        )
        return (found[-1]["task_id"], file_from(found[-1])) if found else None

    def adopt(self, task: Task, base_url: str, row: Row | None = None) -> Row:
        """Give a submission of unknown outcome the id of a task that the service confirmed, and return its row.

        Without `row` the unknown submission with the same prompt and video is meant; where there is none, the task is
        recorded as one from elsewhere.

        Raises:
            UsageError: the id stands in the journal already, the row has one, or several rows fit.
        """
        with self._db.transaction():
            row = self._row_to_adopt(task, row)
            if row is not None:
                self._take_out_foreign(task.task_id, row.number)
                self._db.execute(
                    "UPDATE task SET task_id = ?, outcome = 'accepted', error_code = NULL, error_message = NULL,"
                    " raw = NULL WHERE number = ?",
                    (task.task_id, row.number),
                )
            self._learn(task, base_url)
            return self._rows("WHERE task_id = ?", (task.task_id,))[0]

    def _row_to_adopt(self, task: Task, row: Row | None) -> Row | None:
        there = self.known(task.task_id)
        if there is None or not there.is_ours:
            row = row or self._same_edit(task)
        if there is not None and (there.is_ours or row is None):
            raise UsageError(f"task {task.task_id} is in the journal already", hint=f"luma status {task.task_id}")
        if row is None:
            return None
        now = self._rows("WHERE number = ?", (row.number,))  # another process may have settled it meanwhile
        if not now or now[0].outcome_now is not Outcome.UNKNOWN:
            raise UsageError(f"{row.label} is not a submission of unknown outcome", hint="luma tasks")
        return now[0]

    def _same_edit(self, task: Task) -> Row | None:
        """The one submission of unknown outcome that asked for this task."""
        asked = (task.prompt, task.video_url)
        fits = [each for each in self.unsettled() if (each.task.prompt, each.task.video_url) == asked]
        if len(fits) > 1:
            labels = ", ".join(each.label for each in fits[:5])
            raise UsageError(f"{len(fits)} unknown submissions asked for just this", hint=f"--for one of {labels}")
        return fits[0] if fits else None

    def forget(self, rows: Sequence[Row]) -> None:
        """Raises UsageError for a submission that is being sent right now: its answer would have no row."""
        for row in rows:
            if row.is_in_flight:
                raise UsageError(f"{row.label} is being sent right now", hint="wait for its answer")
        with self._db.transaction():
            self._db.executemany("DELETE FROM task WHERE number = ?", [(row.number,) for row in rows])

    def prune(self, before: float) -> int:
        """Forget rows submitted before this Unix time whose end is known; returns how many."""
        ended = "outcome = 'refused' OR state IN ('succeeded', 'create_failed', 'generate_failed')"
        with self._db.transaction():
            return self._db.execute(f"DELETE FROM task WHERE submitted_at < ? AND ({ended})", (before,)).rowcount  # noqa: S608

    def median_duration(self) -> float | None:
        """Seconds that our own finished tasks took, where there are three or more."""
        found = self._db.query(
            "SELECT complete_time - create_time AS seconds FROM task WHERE state = 'succeeded' "
            "AND complete_time > create_time ORDER BY number DESC LIMIT 100"
        )
        durations = sorted(float(each["seconds"]) for each in found)
        return durations[len(durations) // 2] if len(durations) >= 3 else None

    def _begin(self, submission: Submission, resubmit: bool, spacing: Spacing | None) -> tuple[str | None, int]:
        """The id that the idempotency key has already, or the number of a new row."""
        with self._db.transaction():
            earlier = self.earlier(submission, resubmit=resubmit)
            if earlier is not None:
                return earlier, 0
            pause = self.pause_before(submission.base_url, spacing) if spacing is not None else 0.0
            if pause > 0:
                raise NotYet(pause)
            return None, self._insert(submission)

    def _insert(self, submission: Submission) -> int:
        edit = submission.edit
        cursor = self._db.execute(
            "INSERT INTO task (outcome, base_url, source, prompt, video_url, watermark, callback_url, digest,"
            " idempotency_key, process, submitted_at) VALUES ('sending', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                submission.base_url,
                submission.source,
                edit.prompt,
                edit.video_url,
                edit.watermark,
                edit.callback_url,
                submission.digest,
                submission.idempotency_key,
                os.getpid(),
                time.time(),
            ),
        )
        return int(cursor.lastrowid or 0)

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
                    number = self._insert(submission)  # forgotten while this machine was suspended
                heard = self._take_out_foreign(task_id, number)
                self._db.execute(
                    "UPDATE task SET task_id = ?, outcome = 'accepted', state = 'generating', answered_at = ?"
                    " WHERE number = ?",
                    (task_id, time.time(), number),
                )
                if heard is not None:
                    self._update(heard)
        except FileError as error:
            announce(task_id)
            raise FileError(
                f"task {task_id} was created but could not be recorded: {error.message}",
                hint=f"keep the id: luma wait {task_id}",
                task_id=task_id,
            ) from error
        announce(task_id)

    def _take_out_foreign(self, task_id: str, number: int) -> Task | None:
        """What another process of ours knows already: a callback may come before the answer that names the task.

        Its files become those of row `number`.
        """
        row = self.known(task_id)
        if row is None or row.is_ours:
            return None
        self._db.execute("UPDATE file SET number = ? WHERE number = ?", (number, row.number))
        self._db.execute("DELETE FROM task WHERE number = ?", (row.number,))
        return row.task

    def _settle(self, number: int, outcome: Outcome, error: LumaError | None = None) -> None:
        raw = getattr(error, "raw", None)
        try:
            with self._db.transaction():
                self._db.execute(
                    "UPDATE task SET outcome = ?, answered_at = ?, error_code = ?, error_message = ?, raw = ?"
                    " WHERE number = ?",
                    (
                        outcome,
                        time.time(),
                        error and error.api_code,
                        error and as_text(error.message),
                        as_text(raw),
                        number,
                    ),
                )
        except FileError:
            pass  # the row stays in "sending", which counts as unknown: the safe side

    def _update(self, task: Task) -> None:
        """Write what is known of a task into its row; what is not known stays as it is."""
        columns = {**columns_of(task), "outcome": Outcome.ACCEPTED}
        assignments = ", ".join(f"{name} = coalesce(:{name}, {name})" for name in columns)
        self._db.execute(f"UPDATE task SET {assignments} WHERE task_id = :id", {**columns, "id": task.task_id})  # noqa: S608

    def _insert_foreign(self, task: Task, base_url: str) -> None:
        """Make a row for a task that was submitted elsewhere."""
        submitted = task.create_time.timestamp() if task.create_time else time.time()
        self._db.execute(
            "INSERT INTO task (task_id, outcome, base_url, source, submitted_at) VALUES (?, 'accepted', ?, ?, ?)",
            (task.task_id, base_url, task.video_url or "", submitted),
        )

    def _pages(self, where: str, values: tuple[Any, ...]) -> Iterator[Row]:
        """The newest rows first, in pages: a journal of years must not be in memory as a whole."""
        after = ""
        while True:
            order = f"ORDER BY submitted_at DESC, number DESC LIMIT {PAGE}"
            rows = self._rows(f"WHERE {where} {after} {order}", values)
            yield from rows
            if len(rows) < PAGE:
                return
            last = f"SELECT submitted_at, number FROM task WHERE number = {rows[-1].number}"  # noqa: S608  our own number
            after = f"AND (submitted_at, number) < ({last})"

    def _rows(self, where: str, values: tuple[Any, ...] = ()) -> list[Row]:
        found = self._db.query(f"SELECT * FROM task {where}", values)  # noqa: S608  the clauses are our own literals
        if not found:
            return []
        files: dict[int, list[SavedFile]] = {}
        first, last = min(each["number"] for each in found), max(each["number"] for each in found)
        saved = self._db.query("SELECT * FROM file WHERE number BETWEEN ? AND ? ORDER BY saved_at", (first, last))
        for each in saved:
            files.setdefault(each["number"], []).append(file_from(each))
        return [row_from(each, tuple(files.get(each["number"], ()))) for each in found]


def _unresolved(row: Row) -> OutcomeUnknown:
    when = row.submitted_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    if row.is_in_flight:
        return BeingSent(f"the same submission is being sent right now (since {when})", hint="luma tasks")
    return OutcomeUnknown(
        f"an identical submission of {when} has an unknown outcome: it may have been created and charged",
        hint=OutcomeUnknown.NEXT_STEP,
    )


def _facts(task: Task) -> Task:
    return replace(task, files=())
