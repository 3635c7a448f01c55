"""Many processes at once on one journal and one config: nothing lost, nothing twice, nobody hears of locks.

Eight by default, LUMA_TEST_CROWD for more.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from luma_cli.journal import journal
from luma_cli.sandbox import Sandbox
from support import processes
from support.commands import CLIP_URL, Result

Luma = Callable[..., Result]
CROWD = int(os.environ.get("LUMA_TEST_CROWD", "8"))


def start(*words: str) -> "subprocess.Popen[str]":
    return processes.Luma(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(processes: "list[subprocess.Popen[str]]") -> list[tuple[int, str, str]]:
    return [(process.wait(120), *process.communicate(timeout=120)) for process in processes]


def test_a_crowd_that_submits_waits_and_changes_settings_loses_nothing(
    luma: Luma, sandbox: Sandbox, home: Path
) -> None:
    sandbox.tasks._limit = 10**6  # the account's rate limit is not what this is about
    running = []
    for number in range(CROWD):
        match number % 4:
            case 0 | 1:
                running.append(start("modify", f"{CLIP_URL}?{number}", "-p", "Heavy snow"))
            case 2:
                running.append(start("modify", f"{CLIP_URL}?{number}", "-p", "Heavy snow", "-w", "--interval", "1s"))
            case _:
                running.append(start("config", "set", "timeout", f"{number}m"))
    results = finish(running)

    assert [code for code, _, _ in results] == [0] * CROWD, results
    assert not any("locked" in err or "busy" in err for _, _, err in results)
    submitted = [number for number in range(CROWD) if number % 4 != 3]
    rows = list(journal.open_journal(home / "state" / "tasks.db").rows())
    assert {row.task.video_url for row in rows} == {f"{CLIP_URL}?{number}" for number in submitted}
    assert len(rows) == len(sandbox.submissions()) == len(submitted)
    assert luma("config", "get", "timeout").out.strip() in {f"{number}m" for number in range(CROWD)} | {"1h3m"}


def test_one_idempotency_key_in_a_crowd_is_paid_once(luma: Luma, sandbox: Sandbox) -> None:
    words = ("modify", CLIP_URL, "-p", "Heavy snow", "--idempotency-key", "one")
    results = finish([start(*words) for _ in range(CROWD)])

    [row] = luma("tasks").out.splitlines()
    assert len(sandbox.submissions()) == 1
    # Who comes while the first is still sending hears so, and gets the same id later.
    assert {(code, out) for code, out, _ in results} <= {(0, f"{row.split()[0]}\n"), (12, "")}
    assert luma(*words).out == f"{row.split()[0]}\n"


def test_writers_in_a_crowd_lose_no_row(home: Path) -> None:
    """20 rows each, straight into the journal."""
    program = (
        "import sys, pathlib; from luma_cli.journal import journal;"
        "from luma_cli.journal.submissions import Submission;"
        "from luma_cli.api.task import Edit; book = journal.open_journal(pathlib.Path(sys.argv[1]));"
        "name = sys.argv[2]; make = lambda n: f'{name}-{n}'.rjust(32, '0');"
        "[book.record(Submission(Edit('Snow', 'https://a.example/b.mp4'), 'x', make(n)),"
        " lambda _, n=n: make(n)) for n in range(20)]"
    )
    file = home / "state" / "tasks.db"
    running = [
        subprocess.Popen([sys.executable, "-c", program, file, str(number)], stderr=subprocess.PIPE, text=True)
        for number in range(CROWD)
    ]
    errors = [process.communicate(timeout=120)[1] for process in running]

    assert errors == [""] * CROWD
    assert len(list(journal.open_journal(file).rows())) == CROWD * 20
