"""luma as a process, and the names that tests share."""

import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from support.processes import COMMAND as COMMAND
from support.processes import Luma

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
CLIP = DATA / "street.mp4"
CLIP_URL = "https://media.example.net/in.mp4"
# Stands in no file of the project but this one: where it turns up in an output, the key has leaked.
KEY = "canary0key0f00d0000000000000cafe"

# Every output of a test, looked through for the key at its end.
seen: list[str] = []


# What the examples of README and help are run with.
EDITS = [
    {"id": "snow", "prompt": "Heavy snow falls at night", "video": "a.mp4", "output": "snow.mp4"},
    {"id": "rain", "prompt": "Heavy rain", "video": "b.mp4"},
]


MIB = 1 << 20
GIB = 1 << 30
# One process in between, so that a command's figures are not those of another test's children.
_MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss, used.ru_utime + used.ru_stime, file=sys.stderr)
sys.exit(code)
"""


class Result(NamedTuple):
    code: int
    out: str
    err: str


class Used(NamedTuple):
    """What a process took: memory at its peak in bytes, CPU in seconds."""

    peak: int
    cpu: float


def measured(command: Sequence[object], **options: Any) -> tuple[Result, Used]:
    """Run a command as a process and measure it; `options` go to subprocess."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *map(str, command)],
        **{"capture_output": True, "text": True, "timeout": 600, "check": False, **options},
    )
    *lines, figures = done.stderr.splitlines(keepends=True)
    peak, cpu = figures.split()
    seen.extend((done.stdout, done.stderr))
    return Result(done.returncode, done.stdout, "".join(lines)), Used(int(peak) * 1024, float(cpu))


@contextmanager
def started(*words: object, **streams: object) -> Iterator[subprocess.Popen[str]]:
    """luma as a process, which does not outlive the block."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **streams}
    with Luma(*words, **pipes) as process:
        timer = threading.Timer(60, process.kill)
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def typed(line: str, luma: Callable[..., Result], *, before: str = "") -> Result:
    """A line of a document: through a shell if it needs one (`before` goes first), else in this process."""
    if not re.search(r"[|&;<>$]|luma sandbox", line):
        return luma(*shlex.split(line)[1:])
    words = ["bash", "-o", "pipefail", "-c", before + line]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    seen.extend((done.stdout, done.stderr))
    return Result(done.returncode, done.stdout, done.stderr)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
