"""luma as a process of its own, without the imports that are most of what a short one does."""

import functools
import importlib
import os
import pkgutil
import re
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

import luma_cli
from luma_cli import __main__ as entry

COMMAND = [sys.executable, "-m", "luma_cli"]
# What an interpreter reads of the environment when it starts: with others than ours, a process has to be a new one.
_AT_START = re.compile("PYTHON|LC_|LANG|LD_|MALLOC|TZ$")
# Streams are made anew in a fork, as without PYTHONUNBUFFERED, and conftest.py wants bytecode to be written.
_GONE = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
_OURS = {name: value for name, value in os.environ.items() if _AT_START.match(name) and name not in _GONE}
MAX_DESCRIPTORS = 4096


class Luma(subprocess.Popen[Any]):
    """A fork of this process that goes on as luma does from its first line; `options` are those of subprocess.

    It has our modules, and else nothing of ours. `first` is called in it before luma is.
    """

    def __init__(self, *words: object, first: Callable[[], object] | None = None, **options: Any) -> None:
        texts = [str(word) for word in words]
        options |= instead_of_exec(texts, options.get("env"), first)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: no lock of theirs is ours
            super().__init__([*COMMAND, *texts], **options)


def instead_of_exec(
    words: Sequence[str], environment: Mapping[str, str] | None, first: Callable[[], object] | None = None
) -> dict[str, Callable[[], object]]:
    """What subprocess and pexpect have to be given to fork, and not to execute a new interpreter; nothing if they must.

    `environment` is a whole one, or None for ours.
    """
    environment = dict(os.environ if environment is None else environment)
    if not words or "--help" in words:  # what help looks like is settled by the terminal when it is imported
        return {}
    if os.name != "posix" or {name: value for name, value in environment.items() if _AT_START.match(name)} != _OURS:
        return {"preexec_fn": first} if first else {}
    load_everything()
    return {"preexec_fn": functools.partial(_go_on_as_luma, words, environment, first)}


@functools.cache
def load_everything() -> None:
    """Import all of luma once, before the forks that would do it each for itself."""
    for module in pkgutil.walk_packages(luma_cli.__path__, "luma_cli."):
        importlib.import_module(module.name)


def _go_on_as_luma(words: Sequence[str], environment: Mapping[str, str], first: Callable[[], object] | None) -> None:
    try:
        # Sockets of servers that must not outlive their test, and the pipe on which our parent waits for the exec.
        os.closerange(3, MAX_DESCRIPTORS)
        reset_signals()
        os.environ.clear()
        os.environ.update(environment)
        tempfile.tempdir = None  # looked up once, in an environment that was ours
        reopen_streams()
        if first is not None:
            first()
        sys.argv = ["luma", *words]
        entry.run()
        sys.stdout.flush()
        os._exit(0)
    finally:
        os._exit(99)


def reset_signals() -> None:
    """As Python has them in a new process: what is ignored stays so, all else is no more handled by ours."""
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM"):
        number = getattr(signal, name)
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)


def reopen_streams() -> None:
    """Streams upon the descriptors 0, 1 and 2, as Python makes them."""
    sys.stdin, sys.stdout, sys.stderr = _stream(0), _stream(1), _stream(2)  # type: ignore[assignment]
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]


def _stream(number: int) -> TextIO | None:
    try:
        os.fstat(number)
    except OSError:
        return None
    stream = open(number, "w" if number else "r", encoding="utf-8", closefd=False)  # noqa: SIM115
    stream.reconfigure(line_buffering=number == 2 or stream.isatty())
    if number == 2:
        stream.reconfigure(errors="backslashreplace")
    return stream
