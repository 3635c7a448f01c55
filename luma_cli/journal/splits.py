"""Edits in pieces: the cuts are on disk before the first piece is submitted, and every later run keeps them."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from luma_cli.journal.accounts import Scope
from luma_cli.journal.database import Database
from luma_cli.journal.records import path_from, stored_path


class SplitState(StrEnum):
    OPEN = "open"
    FINISHED = "finished"


@dataclass(frozen=True)
class Piece:
    """`frames` frames of the clip, from number `first_frame` on; `index` counts from 1."""

    index: int
    first_frame: int
    frames: int


class Split(NamedTuple):
    """One edit in pieces."""

    number: int
    identity: str
    source: str
    target: str
    facts: Mapping[str, Any]  # of the clip: its rate
    settings: Mapping[str, Any]  # what was asked for
    state: SplitState
    pieces: tuple[Piece, ...]


class Splits:
    """The split edits of one account; see `Scope`. The tasks of a piece are rows of the journal: `pieces_of`."""

    def __init__(self, database: Database, scope: Scope, now: Callable[[], float] = time.time) -> None:
        self._db = database
        self._scope = scope
        self._now = now

    def create(
        self,
        identity: str,
        source: str,
        target: str,
        facts: Mapping[str, Any],
        settings: Mapping[str, Any],
        pieces: Sequence[Piece],
    ) -> Split:
        """Record the cuts."""
        columns = {
            **self._scope.columns,
            "identity": identity,
            "source": stored_path(source),
            "target": stored_path(target),
            "facts": json.dumps(facts),
            "settings": json.dumps(settings),
            "state": SplitState.OPEN,
            "created_at": self._now(),
        }
        with self._db.transaction():
            number = self._db.insert("split", columns)
            rows = [(number, piece.index, piece.first_frame, piece.frames) for piece in pieces]
            self._db.executemany("INSERT INTO piece VALUES (?, ?, ?, ?)", rows)
        return Split(number, identity, source, target, facts, settings, SplitState.OPEN, tuple(pieces))

    def of(self, identity: str) -> list[Split]:
        """The splits of this edit, the newest first."""
        condition = f"{self._scope.owned} AND identity = :identity ORDER BY number DESC"
        return self._load(condition, {**self._scope.values, "identity": identity})

    def get(self, number: int | None) -> Split | None:
        found = self._load("number = :number", {"number": number})
        return found[0] if found else None

    def set_state(self, number: int, state: SplitState, target: str | None = None) -> None:
        """`target` is the file's path, if it has another one now."""
        moved = {} if target is None else {"target": stored_path(target)}
        with self._db.transaction():
            self._db.update("split", {"state": state, **moved}, "number = :number", number=number)

    def _load(self, condition: str, values: dict[str, Any]) -> list[Split]:
        return [
            Split(
                number=row["number"],
                identity=row["identity"],
                source=path_from(row["source"]),
                target=path_from(row["target"]),
                facts=json.loads(row["facts"]),
                settings=json.loads(row["settings"]),
                state=SplitState(row["state"]),
                pieces=self._pieces(row["number"]),
            )
            for row in self._db.query(f"SELECT * FROM split WHERE {condition}", values)  # noqa: S608  our own literals
        ]

    def _pieces(self, number: int) -> tuple[Piece, ...]:
        columns = 'piece_index AS "index", first_frame, frames'
        found = self._db.query(f"SELECT {columns} FROM piece WHERE split = ? ORDER BY piece_index", (number,))  # noqa: S608
        return tuple(Piece(**row) for row in found)
