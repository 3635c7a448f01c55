"""The newest tasks, for a Tab: read without the journal's own machinery, since that costs more than the answer."""

import os
import sqlite3
from contextlib import closing
from urllib.parse import quote

MAX_TASKS = 50
MAX_TEXT = 60


def recent_tasks(folder: str | None) -> list[tuple[str, str, str]]:
    """Id, clip and prompt of the newest tasks that we submitted; nothing when the journal cannot be read.

    `folder` is the one of the journal.
    """
    if not folder:
        return []
    path = quote(os.path.abspath(os.path.join(folder, "tasks.db")))
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.2)) as database:
            rows = database.execute(
                "SELECT task_id, source, prompt FROM task WHERE task_id IS NOT NULL"
                " AND (digest IS NOT NULL OR identity IS NOT NULL) ORDER BY number DESC LIMIT ?",
                (MAX_TASKS,),
            ).fetchall()
    except sqlite3.Error:
        return []
    return [(str(task_id), _clip(source), _one_line(prompt)) for task_id, source, prompt in rows]


def _clip(source: object) -> str:
    """The clip's name without its folder, or without a link's host and query, which may hold a signature."""
    text = os.fsdecode(source) if isinstance(source, bytes) else str(source or "")
    if "://" in text:
        text = text.partition("?")[0].partition("#")[0]
    return _one_line(text.replace("\\", "/").rstrip("/").rpartition("/")[2])


def _one_line(text: object) -> str:
    """What a shell can show beside an id: one short line without control characters."""
    words = " ".join(str(text or "").split())
    clean = "".join(character if character.isprintable() else "?" for character in words)
    return clean if len(clean) <= MAX_TEXT else f"{clean[: MAX_TEXT - 3]}..."


def recent_ids(folder: str | None) -> list[str]:
    """The newest task ids and `@last`, if there are any."""
    found = [task_id for task_id, _, _ in recent_tasks(folder)]
    return ["@last", *found] if found else []
