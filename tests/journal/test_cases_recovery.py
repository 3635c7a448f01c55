"""`luma tasks recover`, all or nothing however it ends: what went wrong once, through the command of a user."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from luma_cli.api.task import Task
from luma_cli.journal.journal import open_journal
from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL
from support.forks import Fault, run_forked
from support.journals import BASE
from support.processes import load_everything

ROWS = 400
SUBMIT = ("modify", CLIP_URL, "-p", "Heavy snow", "--no-check", "--idempotency-key", "auto")


@pytest.fixture
def damaged(sandbox: Sandbox, home: Path) -> Path:
    """A paid task under a key, many others, and a page of an index that is nothing."""
    load_everything()
    assert run_forked(SUBMIT).code == 0
    file = home / "state" / "tasks.db"
    with closing(open_journal(file, service=BASE)) as book, book._db.transaction():
        for number in range(ROWS - 1):
            book._insert_foreign(Task(f"{number:032}"))
    with closing(sqlite3.connect(file)) as book:
        size = book.execute("PRAGMA page_size").fetchone()[0]
        [page] = book.execute("SELECT rootpage FROM sqlite_master WHERE name = 'task_key'").fetchone()
    with file.open("r+b") as raw:
        raw.seek((page - 1) * size)
        raw.write(b"\xff" * size)
    return file


def test_a_recovery_that_is_stopped_at_any_step_has_lost_no_row_and_nothing_is_paid_again(
    damaged: Path, sandbox: Sandbox
) -> None:
    content, ends = damaged.read_bytes(), Counter[int]()
    for step in range(1, 14):
        damaged.write_bytes(content)
        done = run_forked(["tasks", "recover"], fault=Fault(step, "SIGINT" if step % 3 == 0 else "kill"))
        ends[done.code] += 1
        assert damaged.exists()
        if done.code != 0:
            spent = run_forked(SUBMIT)
            assert spent.code in (0, 11), spent
            assert run_forked(["tasks", "recover"]).code == 0
        assert len(run_forked(["tasks"]).out.splitlines()) == ROWS
    assert run_forked(SUBMIT).code == 0
    assert len(sandbox.submissions()) == 1
    assert ends[137] >= 3, ends


@pytest.mark.parametrize("room", [2000, 40_000, 100_000])
def test_a_recovery_on_a_full_disk_says_that_all_is_where_it_was(damaged: Path, room: int) -> None:
    content = damaged.read_bytes()
    done = run_forked(["tasks", "recover"], max_file=room)
    assert (done.code, damaged.read_bytes()) == (11, content), done
    assert "nothing was recovered" in done.err
    assert str(damaged) in done.err
    assert run_forked(["tasks", "recover"]).code == 0
    assert len(run_forked(["tasks"]).out.splitlines()) == ROWS
