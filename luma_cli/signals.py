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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

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


_held = _firmly = False
_before: dict[int, Any] = {}
_pending: int | None = None
_stopped = threading.Event()
_children: "set[subprocess.Popen[bytes]]" = set()
_hook_before: Callable[[Any], object] | None = None


def install() -> None:
    """Turn the three signals into `Stopped`. One that we inherited as ignored (nohup, `&`) stays ignored."""
    global _hook_before
    _hook_before, sys.unraisablehook = sys.unraisablehook, _catch_swallowed
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signum = getattr(signal, name, None)  # Windows has no SIGHUP
        if signum is not None and signal.getsignal(signum) is not signal.SIG_IGN:
            _before[signum] = signal.signal(signum, _receive)


def uninstall() -> None:
    """Put back what `install` replaced."""
    global _held, _firmly, _pending, _hook_before
    _held, _firmly, _pending = False, False, None
    _stopped.clear()
    if _hook_before is not None:
        sys.unraisablehook, _hook_before = _hook_before, None
    while _before:
        signal.signal(*_before.popitem())


def let_go() -> None:
    """From here on a signal ends us at once: there is nothing left to do but to say the last words.

    Programs that other threads run are ended: nobody would take what they make.
    """
    for process in list(_children):
        process.kill()
    for signum in _before:
        signal.signal(signum, signal.SIG_DFL)


def is_stopping() -> bool:
    """True if a signal has asked us to end. For threads whose program has failed: it may have got that signal first."""
    return bool(_before) and _stopped.wait(HEARD)


def hold(*, firmly: bool = False) -> None:
    """Keep the next signal back until `release`, and with `firmly` also those that follow it.

    That is for what ends in seconds: writing down the id that has just come.
    """
    global _held, _firmly
    _held, _firmly = True, firmly


def is_held() -> bool:
    """True from the first byte of a submission until its outcome is on disk."""
    return _held


def release() -> None:
    """End the window of `hold`.

    Raises:
        Stopped: a signal came in meanwhile.
    """
    global _held, _firmly, _pending
    _held = _firmly = False
    if _pending is not None:
        signum, _pending = _pending, None
        raise Stopped(signum)


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
    """Run something beside us, for as long as the process lives at most, with the signals kept away."""
    thread = threading.Thread(target=target, args=args, daemon=True)
    with kept_from_threads():
        thread.start()
    return thread


@contextmanager
def child(command: Sequence[str], **options: Any) -> "Iterator[subprocess.Popen[bytes]]":
    """A program that runs for the time of the block at most; `options` go to subprocess.

    A signal between its start and our knowing of it would leave it running behind us. Other threads get no signals,
    and must not end the window that the main one holds for a submission.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if is_main:
        hold()
    try:
        process = subprocess.Popen(command, **options)
    except BaseException:
        if is_main:
            release()
        raise
    with process:
        _children.add(process)
        try:
            if is_main:
                release()
            yield process
        except BaseException:
            process.kill()
            raise
        finally:
            _children.discard(process)


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


def _catch_swallowed(unraisable: Any) -> None:
    """Python drops what is raised inside a weak reference's callback or a `__del__`: have the signal come again.

    Measured: of 36 `wait` that were stopped while a thread ended, 5 went on for ever, and none since.
    """
    if isinstance(unraisable.exc_value, Stopped):
        timer = threading.Timer(AGAIN, _send_again, (unraisable.exc_value.signum,))
        timer.daemon = True
        timer.start()
    elif _hook_before is not None:
        _hook_before(unraisable)


def _send_again(signum: int) -> None:
    if sys.platform == "win32":
        signal.raise_signal(signum)
    else:  # to the main thread, whose waiting it must interrupt
        signal.pthread_kill(threading.main_thread().ident or 0, signum)


def _receive(signum: int, _frame: FrameType | None) -> None:
    global _pending
    _stopped.set()
    if _held and (_pending is None or _firmly):
        _pending = _pending or signum
        return
    raise Stopped(signum)
