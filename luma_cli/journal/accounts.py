"""Whose rows: a service, and the account there. The key itself is never stored, only a salted fingerprint of it."""

import hashlib
import hmac
from typing import Any, NamedTuple

from luma_cli.api.canonical import canonical_service
from luma_cli.errors import LumaError
from luma_cli.journal.database import Database

# 64 bits: two keys of one user will not share them, and nobody finds a key by them.
FINGERPRINT = 16


def canonical(service: object) -> str:
    """One text for all spellings of a service's address; what cannot be read stays as it is."""
    text = service if isinstance(service, str) else ""
    try:
        return canonical_service(text)
    except LumaError:
        return text


def fingerprint(api_key: str, salt: str) -> str:
    return hmac.new(salt.encode(), api_key.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:FINGERPRINT]


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
    """Which fingerprints are one account."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def fingerprint(self, api_key: str) -> str:
        [row] = self._db.query("SELECT value FROM meta WHERE name = 'salt'") or [{"value": ""}]
        return fingerprint(api_key, row["value"])

    def claim(self, number: int, account: str) -> None:
        """The key of `account` can see the task of row `number`: so it is this account's."""
        with self._db.transaction():
            found = self._db.query("SELECT account FROM task WHERE number = ?", (number,))
            if found and found[0]["account"] is None:
                self._db.execute("UPDATE task SET account = ? WHERE number = ?", (account, number))
            elif found and found[0]["account"] != account:
                self.merge(found[0]["account"], account)

    def deny(self, number: int, account: str) -> None:
        """The service does not show that task to `account`; it is not asked again."""
        with self._db.transaction():
            self._db.execute(
                "INSERT OR IGNORE INTO account_check SELECT number, ? FROM task WHERE number = ?", (account, number)
            )

    def merge(self, one: str, other: str) -> None:
        """Two fingerprints are one account. In a transaction."""
        owners = []
        for name in (one, other):
            self._db.execute("INSERT OR IGNORE INTO account_alias VALUES (?, ?)", (name, name))
            owners += self._db.query("SELECT owner FROM account_alias WHERE fingerprint = ?", (name,))
        first, second = (row["owner"] for row in owners)
        self._db.execute("UPDATE account_alias SET owner = ? WHERE owner = ?", (first, second))
