"""The schema of the journal: a script for each version, and what they and the queries call in SQLite."""

import os
import sqlite3
import unicodedata

from luma_cli.api import canonical
from luma_cli.errors import LumaError

# `schema/1.sql` and so on are never edited once released: `PRAGMA user_version` counts them. No semicolon may stand
# inside a statement.
VERSION = 4


def prepare(connection: sqlite3.Connection) -> None:
    """Have transactions end on the disk, and give SQLite the functions that scripts and queries call."""
    connection.execute("PRAGMA synchronous = FULL")
    functions = {"canonical_service": canonical_service, "folded": folded, "folded_name": folded_name}
    for name, function in functions.items():
        connection.create_function(name, 1, function, deterministic=True)


def _script(number: int) -> str:
    import pkgutil

    return (pkgutil.get_data(__package__, f"schema/{number}.sql") or b"").decode()  # also out of a zip file


def version_of(connection: sqlite3.Connection) -> int:
    return max(0, int(connection.execute("PRAGMA user_version").fetchone()[0]))  # a damage may make it negative


def migrate(connection: sqlite3.Connection, version: int = VERSION) -> None:
    """Bring the schema to a version, in a transaction of the caller's."""
    for number in range(version_of(connection) + 1, version + 1):
        for statement in _script(number).split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")


def canonical_service(service: object) -> str:
    """One text for all spellings of a service's address; what cannot be read stays as it is."""
    text = service if isinstance(service, str) else ""
    try:
        return canonical.canonical_service(text)
    except LumaError:
        return text


def folded(text: object) -> str:
    """Text as a search compares it: without the difference of case, or of how an accent is composed.

    What is not UTF-8 in a name is what SQLite can hold in its stead.
    """
    whole = text.encode("utf-8", "replace").decode() if isinstance(text, str) else ""
    return unicodedata.normalize("NFC", whole).casefold()


def folded_name(path: object) -> str:
    """The last part of a path or link, for a search."""
    text = os.fsdecode(path) if isinstance(path, bytes) else path
    return folded(text.replace("\\", "/").rpartition("/")[2]) if isinstance(text, str) else ""
