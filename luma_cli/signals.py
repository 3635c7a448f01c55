"""SIGINT, SIGTERM and SIGHUP as exceptions, held back while a submission is in flight.

Between the first byte of a submission and its id on disk a signal must not tear us away: measured, an unguarded
Ctrl-C there loses every id. `hold` opens that window, `release` closes it and raises what came in meanwhile. A second
signal inside the window is taken at its word and raised at once.
"""

import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from luma_cli.errors import FileError

# Long enough for the callback that swallowed a signal to be over.
AGAIN = 0.02
# A signal just before a wait begins does not end it (measured), and on Windows none ends a wait for a lock.
SLICE = 1.0
# Ctrl-C reaches our children at the same moment, and may end them before we have heard of it.
HEARD = 0.3


class Stopped(BaseException):
    """A signal asks us to end. Not an `Exception`: nothing on the way may swallow it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class _Receiver:
    """What came of a signal and what runs beside us: the one state of this module, as handlers are a process's own."""

    def __init__(self) -> None:
        self._environment: Mapping[str, str] | None = None
        self._is_held = self._firmly = self._has_let_go = False
        self._stopped = threading.Event()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._starting = threading.Lock()
        self._pending: int | None = None
        self._before: dict[int, Any] = {}
        self._hook_before = sys.unraisablehook

    def install(self, environment: Mapping[str, str] | None = None) -> None:
        """Turn the three signals into `Stopped`. One that we inherited as ignored (nohup, `&`) stays ignored.

        `environment` is what programs get that we start, by default ours.
        """
        self._is_held = self._firmly = self._has_let_go = False
        self._pending, self._environment = None, environment
        self._stopped.clear()
        self._hook_before, sys.unraisablehook = sys.unraisablehook, self._catch_swallowed
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            signum = getattr(signal, name, None)  # Windows has no SIGHUP
            if signum is not None and signal.getsignal(signum) is not signal.SIG_IGN:
                self._before[signum] = signal.signal(signum, self._receive)

    def uninstall(self) -> None:
        """Put back what `install` replaced."""
        sys.unraisablehook = self._hook_before
        while self._before:
            signal.signal(*self._before.popitem())

    def let_go(self) -> None:
        """From here on a signal ends us at once: there is nothing left to do but to say the last words.

        Programs that other threads run are ended: nobody would take what they make.
        """
        self._has_let_go = True
        if self._starting.acquire(timeout=SLICE):  # what another thread is just starting is known then
            self._starting.release()
        for process in list(self._children):
            process.kill()
        for signum in self._before:
            signal.signal(signum, signal.SIG_DFL)

    def is_stopping(self) -> bool:
        """True if a signal has asked us to end. For threads whose program has failed: it may have got it first."""
        return bool(self._before) and self._stopped.wait(HEARD)

    def hold(self, *, firmly: bool = False) -> None:
        """Keep the next signal back until `release`, and with `firmly` also those that follow it.

        That is for what ends in seconds: writing down the id that has just come.
        """
        self._is_held, self._firmly = True, firmly

    def is_held(self) -> bool:
        """True from the first byte of a submission until its outcome is on disk."""
        return self._is_held

    def release(self) -> None:
        """End the window of `hold`.

        Raises:
            Stopped: a signal came in meanwhile.
        """
        self._is_held = self._firmly = False
        if self._pending is not None:
            signum, self._pending = self._pending, None
            raise Stopped(signum)

    @contextmanager
    def child(self, command: Sequence[str], **options: Any) -> "Iterator[subprocess.Popen[bytes]]":
        """A program that runs for the time of the block at most; `options` go to subprocess.

        Its environment is that of `install`, unless `env` says otherwise: no program of ours gets a key by itself.
        A signal between its start and our knowing of it would leave it running behind us. Other threads get no
        signals, and must not end the window that the main one holds for a submission.
        """
        is_main = threading.current_thread() is threading.main_thread()
        if is_main:
            self.hold()
        try:
            process = self._start(command, options)
        except BaseException:
            if is_main:
                self.release()
            raise
        with process:
            try:
                if is_main:
                    self.release()
                yield process
            except BaseException:
                process.kill()
                raise
            finally:
                self._children.discard(process)

    def _start(self, command: Sequence[str], options: dict[str, Any]) -> "subprocess.Popen[bytes]":
        """Start a program that `let_go` ends, even if it comes at the same moment in another thread."""
        with self._starting:
            process = subprocess.Popen(command, **{"env": self._environment, **options})
            self._children.add(process)
            if self._has_let_go:
                process.kill()
        return process

    def _receive(self, signum: int, _frame: FrameType | None) -> None:
        self._stopped.set()
        if self._is_held and (self._pending is None or self._firmly):
            self._pending = self._pending or signum
            return
        raise Stopped(signum)

    def _catch_swallowed(self, unraisable: Any) -> None:
        """Python drops what is raised inside a weak reference's callback or a `__del__`: have the signal come again.

        Measured: of 36 `wait` that were stopped while a thread ended, 5 went on for ever, and none since.
        """
        if isinstance(unraisable.exc_value, Stopped):
            timer = threading.Timer(AGAIN, _send_again, (unraisable.exc_value.signum,))
            timer.daemon = True
            timer.start()
        else:
            self._hook_before(unraisable)


_receiver = _Receiver()
install, uninstall, let_go = _receiver.install, _receiver.uninstall, _receiver.let_go
hold, release, is_held = _receiver.hold, _receiver.release, _receiver.is_held
child, is_stopping = _receiver.child, _receiver.is_stopping


@contextmanager
def kept_from_threads() -> Iterator[None]:
    """A thread started in here leaves the three signals to the main one.

    The kernel gives the second of two signals to any thread, and that does not wake the main one from its reading:
    measured, a submission went on for its whole minute after SIGTERM and SIGHUP, which systemd sends in one breath.
    """
    if sys.platform == "win32":  # where a signal is always the main thread's
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_thread(target: Callable[..., None], *args: object) -> threading.Thread:
    """Run something beside us, for as long as the process lives at most, with the signals kept away.

    Raises:
        FileError: the machine starts no more threads.
    """
    thread = threading.Thread(target=target, args=args, daemon=True)
    try:
        with kept_from_threads():
            thread.start()
    except RuntimeError as error:
        raise no_thread() from error
    return thread


def no_thread() -> FileError:
    """What Python calls a RuntimeError: a limit of the machine (`ulimit -u`, a small container)."""
    return FileError("this machine starts no more threads", hint="end some programs, or raise its limit (ulimit -u)")


def next_of(inbox: "queue.Queue[Any]", patience: float = float("inf")) -> Any:
    """The next of a queue, within `patience` seconds. A signal ends the wait, whenever it comes.

    Raises:
        queue.Empty: nothing came.
    """
    until = time.monotonic() + patience
    while True:
        left = until - time.monotonic()
        try:
            return inbox.get(timeout=max(0.0, min(left, SLICE)))
        except queue.Empty:
            if left <= SLICE:
                raise


def _send_again(signum: int) -> None:
    if sys.platform == "win32":
        signal.raise_signal(signum)
    else:  # to the main thread, whose waiting it must interrupt
        signal.pthread_kill(threading.main_thread().ident or 0, signum)
