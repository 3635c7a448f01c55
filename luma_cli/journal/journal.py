"""The record of what we submitted, written before the money is spent.

The service keeps no list of tasks, so this one is the only one.
"""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from luma_cli.api.task import SavedFile, Task
from luma_cli.errors import FileError, UsageError
from luma_cli.journal.accounts import Scope
from luma_cli.journal.claims import FOLDER, Claims
from luma_cli.journal.database import Database
from luma_cli.journal.migrations import canonical_service
from luma_cli.journal.records import Details, Outcome, Row, stored_path
from luma_cli.journal.splits import Splits
from luma_cli.journal.submissions import Submissions
from luma_cli.journal.uploads import Uploads

NAME = "tasks.db"
_ENDED = "(outcome = 'refused' OR state IN ('succeeded', 'create_failed', 'generate_failed'))"
_STILL_NEEDED = (
    "((state = 'succeeded' AND result_urls != '[]' AND number NOT IN (SELECT number FROM file))"
    " OR piece_of IN (SELECT number FROM split WHERE state = 'open'))"
)
_KEPT_FILE = "number, url, path, bytes, sha256, saved_at, delivered_sha256"
_KEEP = (
    "INSERT OR REPLACE INTO kept_key SELECT number, base_url, account, idempotency_key, identity, digest, task_id,"
    " state, submitted_at, result_urls FROM task"
    " WHERE number = ? AND idempotency_key IS NOT NULL AND task_id IS NOT NULL AND outcome = 'accepted'",
    f"INSERT INTO kept_file ({_KEPT_FILE}) SELECT {_KEPT_FILE} FROM file JOIN kept_key USING (number)"  # noqa: S608
    " WHERE number = ?",
)


def open_journal(
    path: Path | None,
    on_warning: Callable[[str], None] = lambda _: None,
    *,
    service: str | None = None,
    account: str | None = None,
    now: Callable[[], float] = time.time,
) -> "Journal":
    """Open or make the journal; None keeps it in memory only. `on_warning` gets what is not worth an error.

    `service` is the address and `account` the fingerprint of the key there; None: all that the journal holds.

    Raises:
        FileError: it cannot be used for writing, is damaged, or was made by a newer luma. The file is not touched.
    """
    database = Database(path)
    scope = Scope(canonical_service(service) if service is not None else None, account)
    return Journal(database, Claims(None if path is None else path.parent / FOLDER), scope, on_warning, now)


class Journal(Submissions):
    """Writes what we submit and learn. Use it from one thread, close it at the end."""

    def __init__(
        self,
        database: Database,
        claims: Claims,
        scope: Scope,
        on_warning: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(database, claims, scope, now)
        self.on_warning = on_warning
        self.uploads = Uploads(database, self._scope, claims, now)
        self.splits = Splits(database, self._scope, now)

    def close(self) -> None:
        self._claims.close()
        self._db.close()

    @property
    def is_kept(self) -> bool:
        """Whether it outlives this process."""
        return self._db.path is not None

    def for_account(self, account: str | None) -> "Journal":
        """The same open journal for the account of this fingerprint: closing one closes both."""
        return Journal(self._db, self._claims, self._scope._replace(account=account), self.on_warning, self._now)

    def only_one(self, what: str) -> AbstractContextManager[bool]:
        """True: no other process is at work on this edit, or this file; see `Claims`."""
        return self._claims.only_one(f"split-{hashlib.sha256(os.fsencode(what)).hexdigest()[:32]}")

    def learn_if_possible(self, task: Task, before: Row | None = None) -> Row | None:
        """`learn` for those who only read: the service knows the task, so they go on when the journal fails."""
        try:
            return self.learn(task, before=before)
        except FileError as error:
            self.on_warning(f"the state is not saved: {error.message}")
            return before

    def learn(self, task: Task, before: Row | None = None) -> Row:
        """Write down what the service said about a task, known to the journal or not; its row.

        `before` is the row as it was last read: most polls bring nothing new, and then nothing is read or written.
        """
        if before is not None and not self._is_news(task, before):
            return before
        with self._db.transaction():
            return self._learn(task)

    def _learn(self, task: Task) -> Row:
        """In a transaction, where nobody else can learn of the end in between."""
        row = self.known(task.task_id)
        if row is None:
            return self._update(self._insert_foreign(task), task)
        return self._update(row, task) if self._is_news(task, row) else row

    def _is_news(self, task: Task, before: Row) -> bool:
        """An end is an end, whatever a service that has lost the record says later. Its cost may come after it."""
        if task.credits is not None and (before.credits, before.credits_source) != (task.credits, "record"):
            return True
        return _facts(before, before.task) != _facts(before, task) and (task.has_ended or not before.task.has_ended)

    def save_file(self, task_id: str, file: SavedFile) -> None:
        facts = (file.url, stored_path(file.path), file.bytes, file.sha256, self._now(), file.delivered_sha256)
        with self._db.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO file (number, url, path, bytes, sha256, saved_at, delivered_sha256)"
                " SELECT number, ?, ?, ?, ?, ?, ? FROM task WHERE task_id = ?",
                (*facts, task_id),
            )

    def forget_files(self, paths: Sequence[str]) -> None:
        """Files that were only on the way to another one."""
        with self._db.transaction():
            self._db.executemany("DELETE FROM file WHERE path = ?", [(stored_path(path),) for path in paths])

    def note_details(self, task_id: str, **changes: Any) -> None:
        """Change what is recorded beside an edit: fields of `Details`."""
        columns = {name: Details(**changes).columns()[name] for name in changes}
        with self._db.transaction():
            self._db.update("task", columns, "task_id = :id", id=task_id)

    def adopt(self, task: Task, row: Row | None = None) -> Row:
        """Give a submission of unknown outcome the id of a task that the service confirmed, and return its row.

        Without `row` the unknown submission with the same prompt and video is meant; if there is none, the task is
        recorded as one from elsewhere.

        Raises:
            UsageError: the id stands in the journal already, the row has one, or several rows fit.
        """
        with self._db.transaction():
            row = self._row_to_adopt(task, row)
            if row is not None:
                self._take_out_foreign(self.known(task.task_id), row.number)
                self._db.execute(
                    "UPDATE task SET task_id = ?, outcome = 'accepted', error_code = NULL, error_message = NULL,"
                    " raw = NULL, account = coalesce(?, account) WHERE number = ?",
                    (task.task_id, self._scope.account, row.number),
                )
            return self._learn(task)

    def _row_to_adopt(self, task: Task, row: Row | None) -> Row | None:
        there = self.known(task.task_id)
        if there is None or not there.is_ours:
            row = row or self._same_edit(task)
        if there is not None and (there.is_ours or row is None):
            raise UsageError(f"task {task.task_id} is in the journal already", hint=f"luma status {task.task_id}")
        if row is None:
            return None
        now = self._numbered(row.number)  # another process may have settled it meanwhile
        if now is None or now.outcome_now is not Outcome.UNKNOWN:
            raise UsageError(f"{row.label} is not a submission of unknown outcome", hint="luma tasks")
        return now

    def _same_edit(self, task: Task) -> Row | None:
        """The one submission of unknown outcome that asked for this task."""
        asked = (task.prompt, task.video_url)
        fits = [row for row in self.unsettled() if (row.task.prompt, row.task.video_url) == asked]
        if len(fits) > 1:
            labels = ", ".join(row.label for row in fits[:5])
            raise UsageError(f"{len(fits)} unknown submissions asked for just this", hint=f"--for one of {labels}")
        return fits[0] if fits else None

    def prunable(self, before: float, *, force: bool = False) -> list[Row]:
        """The rows submitted before this Unix time whose end is known, the newest first.

        Videos that were never saved and pieces of an unfinished edit are among them only with `force`.
        """
        condition = f"submitted_at < :before AND {_ENDED}" + ("" if force else f" AND NOT {_STILL_NEEDED}")
        return self._rows(condition, {"before": before})

    def prune(self, before: float, *, force: bool = False) -> list[Row]:
        """Forget the rows of `prunable` and return them. Keys and their files stay known: none is ever paid again."""
        with self._db.transaction():
            rows = self.prunable(before, force=force)
            numbers = [(row.number,) for row in rows]
            for statement in (*_KEEP, "DELETE FROM task WHERE number = ?"):
                self._db.executemany(statement, numbers)
        return rows

    def forget(self, rows: Sequence[Row]) -> None:
        """Forget rows and their keys: the same edit is submitted anew.

        Raises:
            UsageError: a submission is being sent right now, and its reply would have no row.
        """
        with self._db.transaction():
            for row in rows:
                now = self._numbered(row.number)
                if now is not None and now.is_in_flight:
                    raise UsageError(f"{row.label} is being sent right now", hint="wait for its response")
            keys = [(row.idempotency_key, row.base_url) for row in rows if row.idempotency_key is not None]
            self._db.executemany("DELETE FROM kept_key WHERE idempotency_key = ? AND base_url = ?", keys)
            self._db.executemany("DELETE FROM task WHERE number = ?", [(row.number,) for row in rows])

    def forget_key(self, task_id: str) -> bool:
        """Forget the key of a task that was pruned; False when none is known."""
        with self._db.transaction():
            return self._db.execute("DELETE FROM kept_key WHERE task_id = ?", (task_id,)).rowcount > 0

    def _insert_foreign(self, task: Task) -> Row:
        """Make a row for a task that was submitted elsewhere."""
        submitted = task.create_time.timestamp() if task.create_time else self._now()
        columns = {"task_id": task.task_id, "outcome": Outcome.ACCEPTED, "source": task.video_url or ""}
        self._db.insert("task", {**self._scope.columns, **columns, "model": task.model, "submitted_at": submitted})
        return self._rows("task_id = :id", {"id": task.task_id})[0]


def _facts(row: Row, task: Task) -> Task:
    """What the service can have changed: not what we asked for, nor what the journal alone knows."""
    if row.is_ours:
        task = task._replace(prompt=None, video_url=None, watermark=None, callback_url=None)
    return task._replace(files=(), credits=None, parent_task_id=None, model=row.task.model)
