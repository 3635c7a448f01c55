"""Shows a file or link with the program that the platform has for it."""

import contextlib
import os
import shutil
import subprocess
import sys

from luma_cli.config.environment import environment_without_keys
from luma_cli.errors import UsageError, reason
from luma_cli.output.messages import note

# A program that hands the file on ends at once; one that shows it itself stays, and is left to itself.
PATIENCE = 3.0


def show(target: str) -> None:
    """Open a path or an http(s) link.

    Raises:
        UsageError: there is no program for it, or it fails.
    """
    if sys.platform == "win32":
        os.startfile(target)  # noqa: S606  a file that we saved, or a link
    else:
        _run_viewer(target)
    note(f"showing {target}")


def _run_viewer(target: str) -> None:
    program = "open" if sys.platform == "darwin" else "xdg-open"
    found = shutil.which(program)
    if found is None:
        raise UsageError(f"there is no {program} here to show it with", hint=f"open it yourself: {target}")
    try:
        status = _start(found, target)
    except OSError as error:
        raise UsageError(f"cannot run {program}: {reason(error)}", hint=f"open it yourself: {target}") from error
    if status:
        raise UsageError(f"{program} could not show {target}", hint="open it yourself")


def _start(program: str, target: str) -> int:
    """The program's exit status, 0 if it goes on."""
    # In a session of its own: a Ctrl-C that ends us later is not meant for it.
    process = subprocess.Popen(
        [program, target],
        start_new_session=True,
        env=environment_without_keys({}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(PATIENCE)
    return 0
