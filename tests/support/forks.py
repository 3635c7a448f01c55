"""luma in a forked process: no time for imports, a real SIGKILL or signal at any step, a PID namespace of its own."""

import ctypes
import functools
import io
import os
import resource
import select
import signal
import sqlite3
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from luma_cli.cli.main import main
from luma_cli.edits.run import Clock
from luma_cli.journal.database import Database
from luma_cli.output import streams
from luma_cli.output.presenter import Presenter
from support.commands import Result, seen
from support.processes import reopen_streams, reset_signals

CLONE_NEWPID = 0x20000000
MAX_SECONDS = 90.0


@dataclass(frozen=True)
class Fault:
    """What happens at the step of number `at`: "kill", the name of a signal, "error", or "disk" (the write fails)."""

    at: int
    kind: str


@dataclass
class _Steps:
    """Counts the steps of a command in its process, and strikes at one of them."""

    fault: Fault
    kill: Callable[[], None]
    count: int = 0

    def tick(self, *, is_write: bool = False) -> None:
        self.count += 1
        if self.count < self.fault.at or (self.fault.kind == "disk" and not is_write):
            return
        self.fault, kind = Fault(1 << 30, self.fault.kind), self.fault.kind
        if kind == "kill":
            self.kill()
        elif kind == "error":
            raise KeyError("nobody expects this")
        elif kind == "disk":
            raise sqlite3.OperationalError("database or disk is full")
        else:
            os.kill(os.getpid(), getattr(signal, kind))


def _count(steps: _Steps) -> None:
    """Make steps of what reads, writes, sends and prints. Only ever called in a child."""
    places: list[tuple[Any, str]] = [
        *((Database, name) for name in ("query", "execute", "executemany")),
        *((os, name) for name in ("replace", "link", "unlink", "fsync")),
        (requests.Session, "send"),
        (Presenter, "__call__"),
        (streams, "emit"),
    ]
    for owner, name in places:
        setattr(owner, name, _counted(getattr(owner, name), steps, is_write=name in ("execute", "executemany")))
    original = Database.transaction

    @contextmanager
    def transaction(self: Database) -> Iterator[None]:
        steps.tick()
        with original(self):
            yield
            with self._translated():
                steps.tick(is_write=True)
        steps.tick()

    Database.transaction = transaction  # type: ignore[method-assign]


def _counted(function: Callable[..., Any], steps: _Steps, *, is_write: bool) -> Callable[..., Any]:
    def call(*words: Any, **options: Any) -> Any:
        if is_write and isinstance(words[0], Database):
            with words[0]._translated():
                steps.tick(is_write=True)
        else:
            steps.tick()
        found = function(*words, **options)
        steps.tick()
        return found

    return call


def run_forked(words: Sequence[object], **how: Any) -> Result:
    """`start_forked`, and wait for its end."""
    return start_forked(words, **how)()


def start_forked(
    words: Sequence[object],
    *,
    fault: Fault | None = None,
    clock_step: float = 0.0,
    in_namespace: bool = False,
    folder: str | None = None,
    max_file: int | None = None,
) -> Callable[[], Result]:
    """Type a command line into a fork of this process, and return a function that waits for the end.

    The code of one that a signal ended is 128 and its number. `clock_step` is how far its clock is off, `folder` where
    it runs. No file may get larger than `max_file`.
    """
    out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
    asks, wants = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: no lock of theirs is ours
        process = os.fork()
    if process == 0:
        try:
            if in_namespace:
                _become_first(asks, wants)
            if max_file is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (max_file, max_file))
            kill = functools.partial(_ask_to_be_killed, wants) if in_namespace else _kill_oneself
            _type(words, out.fileno(), err.fileno(), fault and _Steps(fault, kill), clock_step, folder)
        finally:
            os._exit(99)
    os.close(asks)
    os.close(wants)
    return lambda: _result(process, out, err)


def may_make_namespaces() -> bool:
    process = os.fork()
    if process == 0:
        os._exit(ctypes.CDLL(None).unshare(CLONE_NEWPID) != 0)
    return os.waitpid(process, 0)[1] == 0


def _type(
    words: Sequence[object], out: int, err: int, steps: _Steps | None, clock_step: float, folder: str | None
) -> None:
    reset_signals()
    os.dup2(out, 1)
    os.dup2(err, 2)
    reopen_streams()
    sys.stdin = io.TextIOWrapper(io.BytesIO(b""))
    if folder is not None:
        os.chdir(folder)
    if steps is not None:
        _count(steps)
    code = main([str(word) for word in words], Clock(now=lambda: time.time() + clock_step))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _become_first(asks: int, wants: int) -> None:
    """Go on as process 1 of a new PID namespace. Nobody in it can kill that one: its parent does when asked to."""
    ctypes.CDLL(None).unshare(CLONE_NEWPID)
    inner = os.fork()
    if inner == 0:
        os.close(asks)
        return
    os.close(wants)
    if select.select([asks], [], [], MAX_SECONDS)[0] and os.read(asks, 1):
        os.kill(inner, signal.SIGKILL)
    status = os.waitpid(inner, 0)[1]
    if os.WIFSIGNALED(status):
        os._exit(128 + os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def _kill_oneself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _ask_to_be_killed(wants: int) -> None:
    os.write(wants, b"k")
    signal.pause()


def _result(process: int, out: Any, err: Any) -> Result:
    timer = threading.Timer(MAX_SECONDS, os.kill, (process, signal.SIGKILL))
    timer.start()
    status = os.waitpid(process, 0)[1]
    assert timer.is_alive(), f"no end within {MAX_SECONDS:.0f} s"
    timer.cancel()
    code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    texts = []
    for file in (out, err):
        file.seek(0)
        texts.append(file.read().decode("utf-8", "backslashreplace"))
        file.close()
    seen.extend(texts)
    return Result(code, *texts)
