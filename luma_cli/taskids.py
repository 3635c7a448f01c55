"""The newest task ids, for a Tab: read without the journal's own machinery, since that costs more than the answer."""

import os
import sqlite3

MOST = 50


def recent_ids() -> list[str]:
    """The newest task ids and `@last`; nothing where the journal cannot be read."""
    folder = os.environ.get("LUMA_STATE_DIR")
    if not folder:
        import platformdirs

        folder = platformdirs.user_state_dir("kie-luma", appauthor=False)
    try:
        database = sqlite3.connect(f"file:{os.path.join(folder, 'tasks.db')}?mode=ro", uri=True, timeout=0.2)
        rows = database.execute(
            "SELECT task_id FROM task WHERE task_id IS NOT NULL ORDER BY submitted_at DESC LIMIT ?", (MOST,)
        ).fetchall()
    except sqlite3.Error:
        return []
    return ["@last", *(row[0] for row in rows)]
