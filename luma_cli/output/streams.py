"""stdout, stderr, tables and JSON: the one place where text leaves the program.

stdout carries results, stderr all else. Text from outside is made harmless here and nowhere else.
"""

import io
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from luma_cli.api import redaction
from luma_cli.api.hosts import shown
from luma_cli.api.task import Task
from luma_cli.config import settings
from luma_cli.errors import Declined, FileError, Finding, Interrupted, LumaError, reason
from luma_cli.output import terminal_codes
from luma_cli.output.formats import entry_members, error_members, finding_members, format_json, task_members, visible

if TYPE_CHECKING:
    from rich.console import Console

MAX_LINE = 400


class _Mode:
    """How this run speaks; set once from the options that every command takes."""

    as_json = False
    quiet = False
    verbose = False
    secrets: tuple[str, ...] = ()
    warned: frozenset[str] = frozenset()
    way_on: str | None = None
    save_option = ""
    running: dict[str, None]  # an ordered set
    github = False
    notify = False
    told: dict[str, Task]


_mode = _Mode()
_mode.told, _mode.running = {}, {}


def configure(*, as_json: bool = False, quiet: bool = False, verbose: bool = False) -> None:
    """Switch modes on; False leaves them as they are, since options stand before or after the command's name."""
    _mode.as_json |= as_json
    _mode.quiet |= quiet
    _mode.verbose |= verbose


def configure_reports(*, github: bool = False, notify: bool = False) -> None:
    """What is left behind besides the output: GitHub annotations and the tasks told, a ring of the bell."""
    _mode.github |= github
    _mode.notify |= notify


def reset() -> None:
    _mode.__dict__.clear()
    _mode.told, _mode.running = {}, {}


def protect(secret: str) -> None:
    """Never let this text through to any stream."""
    # A quote or backslash in it reads differently inside JSON.
    _mode.secrets = (*_mode.secrets, secret, format_json({"": secret})[:-2].rpartition(': "')[2])


def wants_json() -> bool:
    return _mode.as_json


def wants_github() -> bool:
    return _mode.github


def tasks_told() -> list[Task]:
    """Every task that this run submitted, waited for or saved, as last seen."""
    return list(_mode.told.values())


def clean(text: str) -> str:
    """Text from outside on one line, harmless: controls, escapes and invisible characters become visible.

    Under GitHub Actions no line is taken for a workflow command either.
    """
    if not text.isprintable():
        text = "".join(each if each.isprintable() else visible(each) for each in text)
    text = redact(text)
    if ("::" in text or "##[" in text) and settings.environment("GITHUB_ACTIONS"):
        text = text.replace("##[", "#\\x23[")
        if text.lstrip().startswith("::"):
            text = text.replace("::", "\\x3a\\x3a", 1)
    return text


def redact(text: str) -> str:
    for secret in _mode.secrets:
        text = redaction.redact(text, secret)
    return text


def answer(text: str) -> None:
    """One line of result on stdout, at once.

    Raises:
        FileError: stdout is closed or full.
        BrokenPipeError: the reader went away.
    """
    _write(sys.stdout, clean(text))


def answer_json(members: dict[str, Any]) -> None:
    _write(sys.stdout, redact(format_json(members)))


def answer_file(path: Path) -> None:
    """The bytes of a file, for `-o -`.

    Raises:
        FileError: stdout is closed or full.
        BrokenPipeError: the reader went away.
    """
    with path.open("rb") as file:
        _copy(file)


def answer_page(page: str) -> None:
    """A document on stdout, for `report -o -`.

    Raises:
        FileError: stdout is closed or full.
        BrokenPipeError: the reader went away.
    """
    _copy(io.BytesIO(page.encode()))


def _copy(file: BinaryIO) -> None:
    if sys.stdout is None:
        raise FileError("stdout is closed")
    while chunk := file.read(1 << 20):
        _put(sys.stdout, chunk)


def _put(stream: TextIO, chunk: bytes) -> None:
    try:
        stream.buffer.write(chunk)
        stream.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop(stream)
        raise FileError(f"cannot write to stdout: {reason(error)}") from error


def note(text: str) -> None:
    """A line on stderr, not with --quiet."""
    if not _mode.quiet:
        _say(f"luma: {clean(text)}")


def detail(text: str) -> None:
    """A line on stderr with --verbose."""
    if _mode.verbose:
        _say(f"luma: {clean(text)}")


def warn(text: str) -> None:
    _say(f"luma: warning: {clean(text)}")


def warn_once(text: str) -> None:
    if text not in _mode.warned:
        _mode.warned |= {text}
        warn(text)


def complain(text: str, hint: str | None) -> None:
    """One of several failures; the last word is `show_error`'s."""
    _say(f"luma: {_short(clean(text))}" + (f" ({_short(clean(hint))})" if hint else ""))
    _annotate(text)


def track(task_id: str) -> None:
    """Remember a task that runs, so that every way out can say how to go on."""
    _mode.running[task_id] = None
    _mode.told.setdefault(task_id, Task(task_id))


def untrack(task_id: str) -> None:
    _mode.running.pop(task_id, None)


def go_on_with(hint: str) -> None:
    """What to say where we are stopped, instead of the command that waits for the tasks."""
    _mode.way_on = hint


def save_with(option: str) -> None:
    """The option that saves the tasks' videos, for every line that says how to wait for them."""
    _mode.save_option = option


def way_to_wait(task_ids: Iterable[str]) -> str:
    """The command that waits for tasks, and does with them what this run meant to do."""
    words = [shlex.quote(task_id) for task_id in islice(task_ids, 20)]
    return f"luma wait {'-- ' if words and words[0].startswith('-') else ''}{' '.join(words)}{_mode.save_option}"


def show_stop(what: str, exit_code: int) -> None:
    """Say that we were stopped, and the command that goes on."""
    running = list(_mode.running)
    message = what + (f"; {len(running)} task(s) go on" if running else "")
    hint = _mode.way_on or (way_to_wait(running) if running else None)
    _say(f"luma: {message}")
    if hint is not None:
        _say(f"hint: {hint}")
    if _mode.as_json:
        one = running[0] if len(running) == 1 else None
        _say(redact(format_json({"error": error_members(Interrupted(message, exit_code, hint=hint, task_id=one))})))


def show_running() -> None:
    """Tasks that we leave behind on a way out whose last word is about something else."""
    if _mode.running:
        _say(f"luma: {len(_mode.running)} task(s) go on: {way_to_wait(_mode.running)}")


def show_traceback(text: str) -> None:
    """For LUMA_DEBUG only."""
    for line in text.splitlines():
        _say(clean(line))


def abandon_stdout() -> None:
    """The reader went away: Python must not fail again when it flushes at exit."""
    if sys.stdout is not None:
        _drop(sys.stdout)


def settle() -> None:
    """Have all of stdout written.

    Raises:
        FileError: it is full; what is left is dropped, so that Python does not fail again at exit.
        BrokenPipeError: the reader went away.
    """
    if sys.stdout is not None:
        _put(sys.stdout, b"")


def flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads any more


def show_error(error: LumaError) -> None:
    """What failed and how to go on; with --json the same as an object on the last line."""
    _say(f"luma: error: {_short(clean(error.message))}")
    if error.hint:
        _say(f"hint: {_short(clean(error.hint))}")
    _annotate(error.message)
    if _mode.as_json:
        _say(redact(format_json({"error": error_members(error)})))


def answer_task(task: Task, lines: Iterable[str] = ()) -> None:
    """A task as JSON where that was asked for, else these lines."""
    remember_task(task)
    if _mode.as_json:
        answer_json(task_members(task))
        return
    for line in lines:
        answer(line)


def remember_task(task: Task) -> None:
    """Count it among those that `tasks_told` gives."""
    _mode.told[task.task_id] = task


def ring() -> None:
    """For --notify: the bell, where somebody may hear it."""
    if _mode.notify and sys.stderr is not None and _is_terminal(sys.stderr):
        _mutter("\a")


def answer_entry(row_id: str, line: int, task: Task, error: LumaError | None) -> None:
    """A row of a batch that has ended, as JSON."""
    if task.task_id:
        remember_task(task)
    answer_json(entry_members(row_id, line, task, error))


def show_report(findings: Sequence[Finding], *, told_elsewhere: Sequence[Finding]) -> None:
    """What the checks before a submission found, on stderr: a line each, and with --json one object of all."""
    for each in findings:
        if each in told_elsewhere:
            continue
        about = f"{shown(each.video)}: " if each.video else ""
        level = "warning: " if each.level == "warning" else ""
        complain(f"{level}{about}{each.message} [{each.name}]", each.hint)
    if findings and _mode.as_json:
        _say(redact(format_json({"findings": [finding_members(each) for each in findings]})))


def show_request(url: str, payload: dict[str, str], findings: Sequence[Finding] = ()) -> None:
    """What would be sent, and what the checks found: the JSON body, or a line for each field."""
    if _mode.as_json:
        found = [finding_members(each) for each in findings]
        answer_json({"method": "POST", "url": url, "body": payload, "findings": found})
        return
    answer(f"POST {url}")
    for name, value in payload.items():
        answer_fields([name, value])


def answer_value(name: str, value: object, text: str) -> None:
    """One value: as an object with --json, else as text."""
    if _mode.as_json:
        answer_json({name: value})
    else:
        answer(text)


def ask(name: str, *, hidden: bool = False) -> str:
    """What a person types.

    Raises:
        Declined: input ended.
    """
    import getpass

    question = f"{name}: "
    try:
        if hidden:
            return getpass.getpass(question)
        _mutter(question)
        line = sys.stdin.readline()
    except EOFError as error:
        _mutter("\n")
        raise Declined("no answer: input ended") from error
    if not line:
        _mutter("\n")
        raise Declined("no answer: input ended")
    return line.rstrip("\r\n")


def answer_fields(*rows: Sequence[str | None]) -> None:
    """Tab-separated lines, written at once."""
    _write(sys.stdout, "\n".join("\t".join(clean(field or "") for field in fields) for fields in rows))


def can_ask() -> bool:
    """Whether a person is there to answer a question."""
    return _is_terminal(sys.stdin) and _is_terminal(sys.stderr)


def animates() -> bool:
    """Whether somebody watches stderr and the terminal can move its cursor. Forced colour does not count."""
    return _is_terminal(sys.stderr) and settings.environment("TERM") not in (None, "dumb") and not _mode.quiet


def show_share(share: float | None) -> None:
    """How far we are, for terminals that show it on their tab; None where that is not known."""
    if animates() and terminal_codes.shows_progress():
        _mutter(terminal_codes.progress(share))


def clear_share() -> None:
    if animates() and terminal_codes.shows_progress():
        _mutter(terminal_codes.NO_PROGRESS)


def stdout_is_terminal() -> bool:
    return _is_terminal(sys.stdout)


def console(stream: TextIO) -> "Console":
    """A rich console for one stream; its width is sane whatever COLUMNS says."""
    from rich.console import Console

    return Console(file=stream, width=_width(), highlight=False, markup=False, emoji=False, soft_wrap=False)


def open_streams() -> None:
    """Make the streams safe to use: nothing may fail to encode, and no file may get the number of a closed one.

    Measured: with fd 1 closed the next opened file becomes fd 1, and a stray write lands inside it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _write(stream: TextIO | None, line: str) -> None:
    if stream is None:
        raise FileError(f"stdout is closed; the result is: {line[:200]}")
    try:
        stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop(stream)
        raise FileError(f"cannot write to stdout: {reason(error)}; the result is: {line[:200]}") from error


def _say(line: str) -> None:
    _mutter(line + "\n")


def _annotate(text: str) -> None:
    """A failure on the page of the run. Source: GitHub's documentation, "Workflow commands for GitHub Actions"."""
    if _mode.github:
        escaped = clean(text).replace("%", "%25")
        _say(f"::error title=luma::{_short(escaped)}")


def _mutter(text: str) -> None:
    """Something on stderr; where nobody can hear it, it is not an error."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # stderr closed or full: there is no better place to complain


def _drop(stream: TextIO) -> None:
    """Point the stream at nothing, so that Python does not fail again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _short(text: str) -> str:
    return text if len(text) <= MAX_LINE else text[: MAX_LINE - 1] + "…"


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False  # closed


def _width() -> int:
    """COLUMNS=0 made rich print nothing at all (measured)."""
    return max(20, min(shutil.get_terminal_size().columns, 400))
