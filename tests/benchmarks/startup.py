"""How long luma takes to start, as ratios to `python -c pass` in the same run; exits 1 when a budget is exceeded.

    python tests/benchmarks/startup.py [ROUNDS]

The commands take turns, and the fastest of their runs counts: it is the one that the machine disturbed least.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from luma_cli.sandbox import Sandbox

LUMA = [sys.executable, "-m", "luma_cli"]
KEY = "benchmark-key"


class Case(NamedTuple):
    name: str
    command: list[str]
    budget: float | None = None
    on_terminal: bool = False


def cases(sandbox: Sandbox, task_id: str) -> list[Case]:
    """Ours with their budgets, and other people's for comparison where they are installed."""
    ours = [
        Case("luma --version", [*LUMA, "--version"], 2),
        Case("luma __task_ids (a Tab)", [*LUMA, "__task_ids"], 3),
        Case("luma tasks", [*LUMA, "tasks"], 9),
        Case("luma config get", [*LUMA, "config", "get", "timeout"], 9),
        Case("luma --help, plain", [*LUMA, "--help"], 10),
        Case("luma, usage error", [*LUMA, "nosuch"], 10),
        Case("luma --help, rich", [*LUMA, "--help"], 18, on_terminal=True),
        Case("luma status", [*LUMA, "status", task_id], 15),
    ]
    others = [
        Case("curl, the same question", ["curl", "-s", f"{sandbox.url}/api/v1/modify/record-info?taskId={task_id}"]),
        Case("httpie --version", ["http", "--version"]),
        Case("gh --version", ["gh", "--version"]),
    ]
    return [
        Case("python -c pass", [sys.executable, "-c", "pass"]),
        *ours,
        *(c for c in others if shutil.which(c.command[0])),
    ]


def measure(case: Case, environment: dict[str, str]) -> float:
    """Wall seconds of one run."""
    if case.on_terminal:
        return _on_terminal(case, environment)
    started = time.perf_counter()
    subprocess.run(case.command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return time.perf_counter() - started


def _on_terminal(case: Case, environment: dict[str, str]) -> float:
    import pty

    master, slave = pty.openpty()
    started = time.perf_counter()
    with subprocess.Popen(case.command, env=environment, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        try:
            while os.read(master, 65536):
                pass
        except OSError:
            pass  # how Linux says that the other end is closed
        process.wait()
    os.close(master)
    return time.perf_counter() - started


def main(rounds: int) -> int:
    """Print the table; the exit code."""
    with tempfile.TemporaryDirectory() as folder, Sandbox(duration=0, api_key=KEY) as sandbox:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("LUMA_", "KIE_"))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed luma is compiled
        environment |= {"LUMA_CONFIG_DIR": folder, "LUMA_STATE_DIR": folder, "LUMA_API_KEY": KEY, "TERM": "xterm"}
        environment |= {"LUMA_BASE_URL": sandbox.url, "LUMA_UPLOAD_URL": sandbox.url}
        words = [*LUMA, "modify", "https://media.example.net/in.mp4", "-p", "Heavy snow"]
        task_id = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.strip()
        found = cases(sandbox, task_id)
        times: dict[str, list[float]] = {case.name: [] for case in found}
        for _ in range(rounds):
            for case in found:
                times[case.name].append(measure(case, environment))
    return _print(found, times)


def _print(found: list[Case], times: dict[str, list[float]]) -> int:
    unit = min(times[found[0].name])
    noise = sorted(times[found[0].name])[len(times[found[0].name]) // 2] / unit - 1
    print(
        f"{'command':28}{'ms':>8}{'ratio':>8}{'budget':>8}   (median of python -c pass is {noise:.0%} above its best)"
    )
    failed = 0
    for case in found:
        best = min(times[case.name])
        over = case.budget is not None and best / unit > case.budget
        failed += over
        budget = "" if case.budget is None else f"{case.budget:g}"
        print(f"{case.name:28}{best * 1000:8.1f}{best / unit:8.2f}{budget:>8}{'   OVER' if over else ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
