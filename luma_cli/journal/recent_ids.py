"""The newest task ids, for a Tab: read without the journal's own machinery, since that costs more than the answer."""

import os
import sqlite3
from contextlib import closing
from urllib.parse import quote

MOST = 50


def recent_ids() -> list[str]:
    """The newest task ids and `@last`; nothing where the journal cannot be read."""
    folder = os.environ.get("LUMA_STATE_DIR")
    try:
        if not folder:
            import platformdirs

            folder = platformdirs.user_state_dir("kie-luma", appauthor=False)
        path = quote(os.path.abspath(os.path.join(folder, "tasks.db")))
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.2)) as database:
            rows = database.execute(
                "SELECT task_id FROM task WHERE task_id IS NOT NULL ORDER BY submitted_at DESC LIMIT ?", (MOST,)
            ).fetchall()
    except (sqlite3.Error, RuntimeError):  # the latter: there is no home
        return []
    return ["@last", *(row[0] for row in rows)]
