"""A journal of many years: `luma tasks` against a script that reads the same rows; exits 1 over budget.

    python tests/benchmarks/journal.py [ROWS]

The script reads every column and prints four of them, as nobody would write it shorter; luma makes tasks of the rows,
with their files, and what it prints is safe for a terminal.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from transfer import Cost, best, cost

from luma_cli.journal import journal

LUMA = [sys.executable, "-m", "luma_cli"]
ROUNDS = 3
MAX_TIMES = 5.0
MAX_MEMORY = 120 << 20
SCRIPT = """
import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute("SELECT * FROM task ORDER BY submitted_at DESC"):
    print(row[1], row[13], row[15], row[17], sep="\\t")
"""


def fill(path: Path, rows: int) -> None:
    """Finished tasks, one a minute."""
    book = journal.open_journal(path)
    made = (
        (f"{n:032x}", f"digest-{n}", 1.7e9 + 60 * n, 1.7e9 + 60 * n, 1.7e9 + 60 * n + 90, f'["https://a.example/{n}"]')
        for n in range(rows)
    )
    with book._db.transaction():
        book._db.executemany(
            "INSERT INTO task (task_id, digest, submitted_at, create_time, complete_time, result_urls, outcome,"
            " base_url, source, prompt, video_url, state, success_flag) VALUES (?, ?, ?, ?, ?, ?, 'accepted',"
            " 'https://api.kie.ai', 'clip.mp4', 'Heavy snow', 'https://a.example/in.mp4', 'succeeded', 1)",
            made,
        )
    book.close()


def main(rows: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / journal.NAME
        fill(path, rows)
        environment = {**os.environ, "LUMA_STATE_DIR": folder}
        runs: dict[str, list[Cost]] = {"script": [], "luma": []}
        for _ in range(ROUNDS):
            runs["script"].append(cost([sys.executable, "-c", SCRIPT, str(path)], environment))
            runs["luma"].append(cost([*LUMA, "tasks"], environment))
        lines = subprocess.run([*LUMA, "tasks"], env=environment, capture_output=True, check=True).stdout.count(b"\n")
    script, ours = best(runs["script"]), best(runs["luma"])
    times = ours.seconds / script.seconds
    for name, each in (("script", script), ("luma tasks", ours)):
        print(f"{name:<12} {each.seconds:6.2f} s  {each.cpu:6.2f} s CPU  {each.memory / 2**20:6.1f} MiB")
    print(f"{rows} rows: {times:.1f} times the script (at most {MAX_TIMES:g})")
    return 0 if times <= MAX_TIMES and ours.memory <= MAX_MEMORY and lines == rows else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
