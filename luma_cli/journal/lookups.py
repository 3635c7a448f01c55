"""What the journal knows: rows by id, key, edit, state or words."""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from luma_cli.api.task import KEPT_DAYS, SavedFile, State, Task
from luma_cli.journal.accounts import Accounts, Scope
from luma_cli.journal.claims import Claims
from luma_cli.journal.database import Database
from luma_cli.journal.migrations import folded
from luma_cli.journal.records import LATEST, MAX_SUBMISSION, Outcome, Row, file_from, row_from, stored_path, task_from

PAGE = 1000
FAILED = "failed"
_FAILED_STATES = (State.CREATE_FAILED, State.GENERATE_FAILED)
_OURS = "(digest IS NOT NULL OR identity IS NOT NULL)"
_UNFINISHED = "task_id IS NOT NULL AND state IN ('generating', 'unknown')"
_UNSAVED = "state = 'succeeded' AND result_urls != '[]' AND number NOT IN (SELECT number FROM file)"


class Lookups:
    """Reads the rows of one service and account; see `Scope`. Rows come newest first: by submission, not by clocks."""

    def __init__(
        self, database: Database, claims: Claims, scope: Scope | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self._db = database
        self._claims = claims
        self._scope = scope or Scope()
        self._now = now
        self.accounts = Accounts(database, self._scope)

    @property
    def account(self) -> str | None:
        return self._scope.account

    def known(self, task_id: str) -> Row | None:
        """The row of this very id, whoever submitted it."""
        return self._row("task_id = :id", {"id": task_id}) if task_id else None

    def task(self, task_id: str) -> Task | None:
        """What is known of a task, also of one whose row was pruned and whose key is kept."""
        row = self.known(task_id)
        if row is not None and row.is_ours:
            return row.task
        kept = self._db.query("SELECT * FROM kept_key WHERE task_id = ? ORDER BY number DESC LIMIT 1", (task_id,))
        if not kept:
            return row.task if row is not None else None
        files = self._db.query("SELECT * FROM kept_file WHERE number = ? ORDER BY saved_at", (kept[0]["number"],))
        before = row.task if row is not None else task_from(kept[0])
        return before._replace(files=before.files or tuple(map(file_from, files)))

    def recent(self, back: int) -> Row | None:
        """The row of the task submitted last (1), of the one before (2), and so on. Only of ours."""
        order = f"ORDER BY number DESC LIMIT 1 OFFSET {int(back) - 1}"
        return self._row(f"{self._scope.condition} AND task_id IS NOT NULL AND {_OURS} {order}", self._scope.values)

    def nameless(self, number: int) -> Row | None:
        """The submission of this number, if it has no task id."""
        return self._row("number = :number AND task_id IS NULL", {"number": number})

    def beginning_with(self, prefix: str) -> list[Row]:
        """The rows whose task id begins so."""
        return self._rows("task_id >= :prefix AND task_id <= :prefix || char(1114111)", {"prefix": prefix})

    def rows(
        self,
        *,
        states: Sequence[str] = (),
        since: float = -math.inf,
        search: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """The newest first, read as they are taken, of every service and account.

        `states` may be outcomes, and `failed` is both kinds. `since` is a Unix time in seconds. `search` is looked for
        in prompts and file names.
        """
        wanted = {state for name in states for state in (_FAILED_STATES if name == FAILED else (name,))}
        condition, values = "submitted_at >= :since", {"since": since, "states": json.dumps(sorted(wanted))}
        if search:
            condition += f" AND {_FOUND}"
            values["search"] = folded(search)
        if not wanted:
            return islice(self._pages(condition, values), limit)
        near = self._pages(f"{condition} AND (state IN {_ASKED} OR outcome = 'sending' OR outcome IN {_ASKED})", values)
        found = (row for row in near if wanted & {row.task.state if row.task.task_id else "", row.outcome_now})
        return islice(found, limit)

    def unfinished(self) -> list[Row]:
        """Tasks at this service that have not been seen to end, the oldest first."""
        return self._here(_UNFINISHED)[::-1]

    def unsaved(self) -> list[Row]:
        """Finished tasks at this service whose videos were never saved, the oldest first."""
        return self._here(_UNSAVED)[::-1]

    def count_unsaved(self, begin: float, end: float) -> int:
        """How many there are of `unsaved` that ended after `begin` and until `end`, Unix times. For any size."""
        ended = f"iif(complete_time > 0 AND complete_time < {LATEST}, complete_time, submitted_at)"
        [found] = self._db.query(
            f"SELECT count(*) AS count FROM task WHERE {self._scope.condition} AND {_UNSAVED}"  # noqa: S608
            f" AND {ended} > :begin AND {ended} <= :end",
            {**self._scope.values, "begin": begin, "end": end},
        )
        return int(found["count"])

    def unsettled(self) -> list[Row]:
        """Submissions that nobody knows the outcome of, the newest first."""
        scope = self._scope
        condition = f"{scope.here} AND {scope.perhaps_mine} AND outcome IN ('sending', 'unknown')"
        return [row for row in self._rows(condition, scope.values) if row.outcome_now is Outcome.UNKNOWN]

    def pieces_of(self, split: int) -> list[Row]:
        """The tasks of a split edit, the newest first: the first of a piece is the one that counts."""
        return self._rows("outcome != 'refused' AND piece_of = :split", {"split": split})

    def is_mine(self, row: Row) -> bool:
        """False for a task that another account has submitted, as far as is known."""
        return bool(self._here("number = :number", values={"number": row.number}))

    def is_here(self, row: Row) -> bool:
        """Whether a task was submitted to this journal's service."""
        return self._scope.service is None or row.base_url == self._scope.service

    def foreign_rows(self) -> list[Row]:
        """Tasks at this service, unfinished or unsaved, of which nobody knows whether they are this account's.

        Each is to be asked for once. Whoever has asked calls `accounts.claim` or `accounts.deny`.
        """
        condition = f"task_id IS NOT NULL AND {self._scope.here} AND {self._scope.in_question}"
        return self._rows(f"{condition} AND (({_UNFINISHED}) OR ({_UNSAVED}))", self._scope.values)

    def seen_beside(self, row: Row) -> Row | None:
        """Another task that the key of this row has submitted, which was shown not too long ago to be shown again."""
        condition = "account = :of AND base_url = :service AND number != :number AND checked_at > :oldest"
        oldest = self._now() - KEPT_DAYS * 86_400
        values = {"of": row.account, "service": row.base_url, "number": row.number, "oldest": oldest}
        return self._row(f"{condition} AND task_id IS NOT NULL ORDER BY number DESC LIMIT 1", values)

    def file_at(self, path: str) -> tuple[str, SavedFile] | None:
        """The task id and file that were last saved under this absolute path."""
        columns = "task_id, path, bytes, sha256, url, delivered_sha256, saved_at"
        found = self._db.query(
            f"SELECT {columns} FROM file JOIN task USING (number) WHERE path = :path UNION ALL"  # noqa: S608  our own names
            f" SELECT {columns} FROM kept_file JOIN kept_key USING (number) WHERE path = :path ORDER BY saved_at",
            {"path": stored_path(path)},
        )
        return (found[-1]["task_id"], file_from(found[-1])) if found else None

    def median_duration(self, model: str | None = None) -> float | None:
        """Seconds that our own finished tasks took, if there are three or more."""
        found = self._db.query(
            "SELECT complete_time - create_time AS seconds FROM task WHERE state = 'succeeded' "
            "AND complete_time > create_time AND (:model IS NULL OR model = :model) ORDER BY number DESC LIMIT 100",
            {"model": model},
        )
        durations = sorted(float(row["seconds"]) for row in found)
        return durations[len(durations) // 2] if len(durations) >= 3 else None

    def _numbered(self, number: int) -> Row | None:
        return self._row("number = :number", {"number": number})

    def _row(self, condition: str, values: dict[str, Any]) -> Row | None:
        rows = self._rows(condition, values)
        return rows[0] if rows else None

    def _here(self, condition: str, values: dict[str, Any] | None = None) -> list[Row]:
        return self._rows(f"{self._scope.condition} AND {condition}", {**self._scope.values, **(values or {})})

    def _pages(self, condition: str, values: dict[str, Any]) -> Iterator[Row]:
        """In pages: a journal of years must not be in memory as a whole."""
        last = math.inf
        while True:
            page = f"{condition} AND number < :last ORDER BY number DESC LIMIT {PAGE}"
            rows = self._rows(page, {**values, "last": last})
            yield from rows
            if len(rows) < PAGE:
                return
            last = rows[-1].number

    def _rows(self, condition: str, values: dict[str, Any], more: str = "") -> list[Row]:
        """Rows with their files, in one query, the newest first; with `more` columns."""
        found = self._db.query(f"{_SELECT} (SELECT *{more} FROM task WHERE {condition}) AS task {_WITH_FILES}", values)  # noqa: S608  the conditions are our own literals
        rows: list[tuple[dict[str, Any], list[SavedFile]]] = []
        for columns in found:
            if not rows or rows[-1][0]["number"] != columns["number"]:
                rows.append((columns, []))
            if columns["path"] is not None:
                rows[-1][1].append(file_from(columns))
        return [row_from(columns, tuple(files), is_in_flight=self._is_in_flight(columns)) for columns, files in rows]

    def _is_in_flight(self, columns: dict[str, Any]) -> bool:
        if columns["outcome"] != Outcome.SENDING or not isinstance(columns["submitted_at"], int | float):
            return False
        is_young = self._now() - columns["submitted_at"] < MAX_SUBMISSION
        return is_young and self._claims.is_held(columns["holder"])


_SELECT = "SELECT task.*, file.url, file.path, file.bytes, file.sha256, file.delivered_sha256 FROM"
_WITH_FILES = "LEFT JOIN file ON file.number = task.number ORDER BY task.number DESC, file.saved_at"
_ASKED = "(SELECT value FROM json_each(:states))"
_FOUND = (
    "(instr(folded(prompt), :search) OR instr(folded_name(source), :search) OR EXISTS"
    " (SELECT 1 FROM file WHERE file.number = task.number AND instr(folded_name(file.path), :search)))"
)
