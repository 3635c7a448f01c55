"""Edits in pieces: the cuts are on disk before the first piece is submitted, and every later run keeps them."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from luma_cli.journal.accounts import Scope
from luma_cli.journal.claims import Claims
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
    """One edit in pieces. `facts` are those of the clip (rate, frames), `settings` what was asked for."""

    number: int
    identity: str
    source: str
    target: str
    facts: Mapping[str, Any]
    settings: Mapping[str, Any]
    state: SplitState
    pieces: tuple[Piece, ...]


class Splits:
    """The split edits of one account; see `Scope`. The tasks of a piece are rows of the journal: `pieces_of`."""

    def __init__(self, database: Database, scope: Scope, claims: Claims, now: Callable[[], float] = time.time) -> None:
        self._db = database
        self._scope = scope
        self._claims = claims
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
        with self._db.transaction():
            cursor = self._db.execute(
                "INSERT INTO split (base_url, account, identity, source, target, facts, settings, state, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self._scope.service or "",
                    self._scope.account,
                    identity,
                    stored_path(source),
                    stored_path(target),
                    json.dumps(dict(facts)),
                    json.dumps(dict(settings)),
                    SplitState.OPEN,
                    self._now(),
                ),
            )
            number = int(cursor.lastrowid or 0)
            rows = [(number, piece.index, piece.first_frame, piece.frames) for piece in pieces]
            self._db.executemany("INSERT INTO piece VALUES (?, ?, ?, ?)", rows)
            return self._load("number = :number", {"number": number})[0]

    def of(self, identity: str) -> list[Split]:
        """The splits of this edit, the newest first."""
        condition = f"{self._scope.owned} AND identity = :identity ORDER BY number DESC"
        return self._load(condition, {**self._scope.values, "identity": identity})

    def only_one(self, what: str) -> AbstractContextManager[bool]:
        """True: no other process is at work on this edit, or this file; see `Claims`."""
        return self._claims.only_one(f"split-{hashlib.sha256(os.fsencode(what)).hexdigest()[:32]}")

    def get(self, number: int) -> Split | None:
        found = self._load("number = :number", {"number": number})
        return found[0] if found else None

    def set_state(self, number: int, state: SplitState, target: str | None = None) -> None:
        """`target` is the file's path, if it has another one now."""
        with self._db.transaction():
            self._db.execute("UPDATE split SET state = ? WHERE number = ?", (state, number))
            if target is not None:
                self._db.execute("UPDATE split SET target = ? WHERE number = ?", (stored_path(target), number))

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
        found = self._db.query("SELECT * FROM piece WHERE split = ? ORDER BY piece_index", (number,))
        return tuple(Piece(row["piece_index"], row["first_frame"], row["frames"]) for row in found)
