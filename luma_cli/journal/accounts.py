"""Whose rows: a service, and the account there. The key itself is never stored, only a salted fingerprint of it."""

import hashlib
import hmac
from typing import Any, NamedTuple

from luma_cli.journal.database import Database

# 64 bits: two keys of one user will not share them, and nobody finds a key by them.
FINGERPRINT = 16


class Scope(NamedTuple):
    """A service, and the fingerprint of an account there. None: any.

    `condition` is the SQL for the rows of a table that are this account's, `values` are its parameters. Several
    fingerprints are one account when one key could see what another had submitted. A row without a fingerprint, from
    an older journal, counts as this account's until the service has denied that.
    """

    service: str | None = None
    account: str | None = None

    @property
    def values(self) -> dict[str, Any]:
        return {"service": self.service, "account": self.account}

    @property
    def columns(self) -> dict[str, Any]:
        """Those of a new row."""
        return {"base_url": self.service or "", "account": self.account}

    @property
    def condition(self) -> str:
        return f"{self.here} AND {self.mine}"

    @property
    def here(self) -> str:
        return "1" if self.service is None else "base_url = :service"

    @property
    def mine(self) -> str:
        return "1" if self.account is None else f"({_SAME} OR (account IS NULL AND NOT {_DENIED}))"

    @property
    def owned(self) -> str:
        """As `condition`, for tables whose rows nobody asks the service about."""
        return self.here if self.account is None else f"{self.here} AND (account IS NULL OR {_SAME})"

    @property
    def perhaps_mine(self) -> str:
        """`mine`, and what has no task to be asked for, under a key that is not known to be another account's."""
        return "1" if self.account is None else f"({self.mine} OR (task_id IS NULL AND NOT account IN ({_OTHERS})))"

    @property
    def in_question(self) -> str:
        """The rows that somebody else's key, or one that nobody knows, has submitted, as far as not asked yet."""
        return "0" if self.account is None else f"(account IS NULL OR NOT {_SAME}) AND NOT {_DENIED}"


_OWNED = (
    "SELECT other.fingerprint FROM account_alias AS me JOIN account_alias AS other USING (owner)"
    " WHERE me.fingerprint = :account"
)
_SAME = f"(account = :account OR account IN ({_OWNED}))"
_OTHERS = (
    "SELECT other.account FROM task AS other JOIN account_check USING (number)"
    " WHERE fingerprint = :account AND other.account IS NOT NULL"
)
_DENIED = "number IN (SELECT number FROM account_check WHERE fingerprint = :account)"


class Accounts:
    """Which fingerprints are one account: that of our key, and whose tasks the service has shown to it or not."""

    def __init__(self, database: Database, scope: Scope) -> None:
        self._db = database
        self._account = scope.account

    def fingerprint(self, api_key: str) -> str:
        """What stands for an API key in this journal."""
        [row] = self._db.query("SELECT value FROM meta WHERE name = 'salt'") or [{"value": ""}]
        key = api_key.encode("utf-8", "surrogateescape")
        return hmac.new(row["value"].encode(), key, hashlib.sha256).hexdigest()[:FINGERPRINT]

    def claim(self, number: int) -> None:
        """The service has shown the task of this row to our key: it is this account's, as all of its key are."""
        if self._account is None:
            return
        with self._db.transaction():
            for found in self._db.query("SELECT account FROM task WHERE number = ?", (number,)):
                if found["account"] is None:
                    self._db.update("task", {"account": self._account}, "number = :number", number=number)
                else:
                    self._join(found["account"], self._account)

    def deny(self, number: int) -> None:
        """The service does not show it to our key; it is not asked again."""
        if self._account is not None:
            with self._db.transaction():
                self._db.execute(
                    "INSERT OR IGNORE INTO account_check SELECT number, ? FROM task WHERE number = ?",
                    (self._account, number),
                )

    def join(self, account: str) -> None:
        """The service has shown a task of this fingerprint to our key."""
        if self._account is not None:
            with self._db.transaction():
                self._join(account, self._account)

    def _join(self, one: str, other: str) -> None:
        """Two fingerprints are one account."""
        owners = []
        for name in (one, other):
            self._db.execute("INSERT OR IGNORE INTO account_alias VALUES (?, ?)", (name, name))
            owners += self._db.query("SELECT owner FROM account_alias WHERE fingerprint = ?", (name,))
        first, second = (row["owner"] for row in owners)
        self._db.execute("UPDATE account_alias SET owner = ? WHERE owner = ?", (first, second))
