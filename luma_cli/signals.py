"""SIGINT, SIGTERM and SIGHUP as exceptions, held back while a submission is in flight.

Between the first byte of a submission and its id on disk a signal must not tear us away: measured, an unguarded
Ctrl-C there loses every id. `hold` opens that window, `release` closes it and raises what came in meanwhile. A second
signal inside the window is taken at its word and raised at once.
"""

import signal
from types import FrameType
from typing import Any


class Stopped(BaseException):
    """A signal asks us to end. Not an `Exception`: nothing on the way may swallow it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


_held = False
_before: dict[int, Any] = {}
_pending: int | None = None


def install() -> None:
    """Turn the three signals into `Stopped`. One that we inherited as ignored (nohup, `&`) stays ignored."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signum = getattr(signal, name, None)  # Windows has no SIGHUP
        if signum is not None and signal.getsignal(signum) is not signal.SIG_IGN:
            _before[signum] = signal.signal(signum, _receive)


def uninstall() -> None:
    """Put back what `install` replaced."""
    global _held, _pending
    _held, _pending = False, None
    while _before:
        signal.signal(*_before.popitem())


def hold() -> None:
    """Keep the next signal back until `release`."""
    global _held
    _held = True


def is_held() -> bool:
    """True from the first byte of a submission until its outcome is on disk."""
    return _held


def release() -> None:
    """End the window of `hold`.

    Raises:
        Stopped: a signal came in meanwhile.
    """
    global _held, _pending
    _held = False
    if _pending is not None:
        signum, _pending = _pending, None
        raise Stopped(signum)


def _receive(signum: int, _frame: FrameType | None) -> None:
    global _pending
    if _held and _pending is None:
        _pending = signum
        return
    raise Stopped(signum)
