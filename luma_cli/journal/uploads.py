"""Clips in the service's temporary store, used again while their links live."""

import hashlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from luma_cli.journal.accounts import Scope
from luma_cli.journal.claims import Claims
from luma_cli.journal.database import Database


class Uploads:
    """The uploads of one account. `variant` says what was made of the clip first: trim, piece, fit; "" for nothing."""

    def __init__(self, database: Database, scope: Scope, claims: Claims, now: Callable[[], float] = time.time) -> None:
        self._db = database
        self._scope = scope
        self._claims = claims
        self._now = now

    def find(self, sha256: str, variant: str, max_age: float) -> str | None:
        """The link of the newest upload of this clip that is younger than `max_age` seconds."""
        found = self._db.query(
            f"SELECT url FROM upload WHERE {self._scope.owned}"  # noqa: S608  our own literals
            " AND sha256 = :sha256 AND variant = :variant AND uploaded_at > :oldest AND uploaded_at <= :now"
            " ORDER BY number DESC LIMIT 1",
            {
                **self._scope.values,
                "sha256": sha256,
                "variant": variant,
                "oldest": self._now() - max_age,
                "now": self._now(),
            },
        )
        return str(found[0]["url"]) if found else None

    def record(self, sha256: str, variant: str, url: str, size: int) -> None:
        with self._db.transaction():
            columns = {"sha256": sha256, "variant": variant, "url": url, "bytes": size, "uploaded_at": self._now()}
            self._db.insert("upload", {**self._scope.columns, **columns})

    def only_one(self, sha256: str, variant: str) -> AbstractContextManager[bool]:
        """True: nobody else uploads this just now. False: another process does; look again later with `find`."""
        facts = "\0".join((self._scope.service or "", self._scope.account or "", sha256, variant))
        return self._claims.only_one(hashlib.sha256(facts.encode()).hexdigest()[:32])
