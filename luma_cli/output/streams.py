"""stdout and stderr: the one place where text leaves the program.

stdout carries results, stderr all else. Text from outside is made harmless here and nowhere else.
"""

import os
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from luma_cli.api import redaction
from luma_cli.config.environment import variable
from luma_cli.errors import FileError, reason
from luma_cli.output import terminal_codes
from luma_cli.output.formats import format_json, is_text, visible

if TYPE_CHECKING:
    from rich.console import Console


class Mode:
    """How this run prints; set once from the options that every command takes."""

    as_json = False
    quiet = False
    verbosity = 0
    secrets: tuple[str, ...] = ()
    warned: frozenset[str] = frozenset()
    github = False
    notify = False
    key_origin: str | None = None  # where the API key that is used came from


mode = Mode()
# Of whatever writes a line or draws: between two halves of a drawing a line would leave half of it behind (measured).
drawing = threading.RLock()


def configure(
    *, as_json: bool = False, quiet: bool = False, verbosity: int = 0, github: bool = False, notify: bool = False
) -> None:
    """Switch modes on; False leaves them as they are, since options stand before or after the command's name.

    `github` and `notify` are what is left behind besides the output: annotations and outputs, a ring of the bell.
    """
    mode.as_json |= as_json
    mode.quiet |= quiet
    mode.verbosity += verbosity
    mode.github |= github
    mode.notify |= notify


def reset() -> None:
    mode.__dict__.clear()


def protect(secret: str, *, origin: str | None = None) -> None:
    """Never let this text through to any stream. `origin` says where the API key came from, if it is that."""
    mode.secrets = (*mode.secrets, secret)
    mode.key_origin = origin or mode.key_origin


def is_first(text: str) -> bool:
    """Whether these words were not said in this run before."""
    if text in mode.warned:
        return False
    mode.warned |= {text}
    return True


def wants_json() -> bool:
    return mode.as_json


def clean(text: str) -> str:
    """Text from outside on one line, harmless: controls, escapes and invisible characters become visible.

    Under GitHub Actions no line is taken for a workflow command either.
    """
    return _harmless(text, keeps_bytes=False)


def _harmless(text: str, *, keeps_bytes: bool) -> str:
    """`keeps_bytes` leaves what is not UTF-8 in a path as it is."""
    if not text.isprintable():
        text = "".join(
            character
            if character.isprintable() or (keeps_bytes and "\udc80" <= character <= "\udcff")
            else visible(character)
            for character in text
        )
    text = redact(text)
    if ("::" in text or "##[" in text) and variable("GITHUB_ACTIONS"):
        text = text.replace("##[", "#\\x23[")
        if text.lstrip().startswith("::"):
            text = text.replace("::", "\\x3a\\x3a", 1)
    return text


def redact(text: str) -> str:
    for secret in mode.secrets:
        text = redaction.redact(text, secret)
    return text


def emit(text: str, *, link: str | None = None) -> None:
    """One line of result on stdout, at once. A `link` in it can be clicked where the terminal is known for that.

    Raises:
        FileError: stdout is closed or full.
        BrokenPipeError: the reader went away.
    """
    line = _result(text)
    if link is not None and link in line and terminal_codes.shows_links():
        line = line.replace(link, terminal_codes.link(link))
    _write(line)


def emit_json(members: Mapping[str, Any]) -> None:
    _write(json_line(members))


def json_line(members: Mapping[str, Any]) -> str:
    """An object as JSON, without secrets in its texts."""
    for secret in mode.secrets:
        members = redaction.scrub(dict(members), secret)
    return format_json(dict(members))


def emit_file(path: Path) -> None:
    """The bytes of a file, for `-o -`. Raises as `emit`."""
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            _put(chunk)


def emit_document(text: str) -> None:
    """A page or a script on stdout, each character as it is. Raises as `emit`."""
    _put(text.encode())


def settle() -> None:
    """Have all of stdout written, or what is left dropped. Raises as `emit`."""
    if sys.stdout is not None:
        _put(b"")


def abandon_stdout() -> None:
    """The reader went away: Python must not fail again when it flushes at exit."""
    if sys.stdout is not None:
        _drop(sys.stdout)


def flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads any more


def ring() -> None:
    """For --notify: the bell, where somebody may hear it."""
    if mode.notify and is_terminal(sys.stderr):
        write("\a")


def emit_value(name: str, value: object, text: str | None = None) -> None:
    """One value: as an object with --json, else as `text`, which is the value itself if none is given."""
    if mode.as_json:
        emit_json({name: value})
    else:
        emit(str(value or "") if text is None else text)


def emit_fields(*rows: Sequence[str | None]) -> None:
    """Tab-separated lines, written at once."""
    _write("\n".join("\t".join(_result(field or "") for field in fields) for fields in rows))


def _result(text: str) -> str:
    """A result for stdout: a pipe gets the bytes of a path that is not UTF-8, a person sees them escaped."""
    return _harmless(text, keeps_bytes=not stdout_is_terminal())


def can_ask() -> bool:
    """Whether a person is there to answer a question."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def animates() -> bool:
    """Whether somebody watches stderr and the terminal can move its cursor. Forced colour does not count."""
    has_cursor = is_terminal(sys.stderr) and variable("TERM") not in (None, "dumb")
    return has_cursor and not mode.quiet and is_in_foreground()


def is_in_foreground() -> bool:
    """False while the shell has us in the background: what is drawn then spoils the line that is being typed."""
    try:
        group = os.tcgetpgrp(sys.stderr.fileno())
        return group <= 0 or group == os.getpgrp()
    except (OSError, AttributeError, ValueError):  # not our controlling terminal, or Windows
        return True


def has_colour() -> bool:
    """Whether a terminal may be sent colour. Source: https://no-color.org"""
    return variable("NO_COLOR") is None and variable("TERM") not in (None, "dumb")


def show_share(code: str) -> None:
    """How far we are, in a code of `terminal_codes`, for terminals that show it on their tab."""
    if animates() and terminal_codes.shows_progress():
        write(code)


def stdout_is_terminal() -> bool:
    return is_terminal(sys.stdout)


def console(stream: TextIO) -> "Console":
    """A rich console for one stream; its width is sane whatever COLUMNS says."""
    from rich.console import Console

    return Console(file=stream, width=width(), highlight=False, markup=False, emoji=False, soft_wrap=False)


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


def _write(line: str) -> None:
    with _stdout(f"; the result is: {line[:200]}") as stream:
        if is_text(line):
            stream.write(f"{line}\n")
        else:
            stream.flush()
            stream.buffer.write(_bytes_of(f"{line}\n", stream.encoding))


def _put(chunk: bytes) -> None:
    with _stdout() as stream:
        stream.buffer.write(chunk)


@contextmanager
def _stdout(lost: str = "") -> Iterator[TextIO]:
    """stdout, flushed after what is written to it; `lost` ends the message where that fails."""
    if sys.stdout is None:
        raise FileError(f"stdout is closed{lost}")
    try:
        with drawing:
            yield sys.stdout
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop(sys.stdout)
        raise FileError(f"cannot write to stdout: {reason(error)}{lost}") from error


def _bytes_of(line: str, encoding: str) -> bytes:
    try:
        return line.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:  # an alphabet without some of its characters
        return line.encode(encoding, "backslashreplace")


def say(text: str, *, label: str = "", colour: int | None = None) -> None:
    """A line on stderr. What stands in it is made harmless, whoever says it; a label is coloured for a person."""
    line = clean(f"{label}{text}")
    if colour is not None and line.startswith(label) and is_terminal(sys.stderr) and has_colour():
        line = f"\x1b[{colour}m{label}\x1b[0m{line.removeprefix(label)}"
    write(f"{line}\n")


def clear_echo() -> None:
    """Begin the line anew, on which a terminal has shown the ^C that was typed."""
    if is_terminal(sys.stderr):
        write("\r")


def write(text: str) -> None:
    """Something on stderr; when nobody can read it, that is not an error."""
    if sys.stderr is None:
        return
    try:
        with drawing:
            sys.stderr.write(text)
            sys.stderr.flush()
    except (OSError, ValueError):
        pass  # stderr closed or full: there is no better place to complain


def show_log() -> None:
    """Have what the rooms below log shown on stderr: warnings, with -v requests and decisions, with -vv bodies.

    A decision that a room makes again and again while it waits is one line.
    """
    import logging

    latest: dict[str, str] = {}

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = clean(record.getMessage())
            if latest.get(record.name) != text:
                latest[record.name] = text
                say(f"luma: {text}")

    logger = logging.getLogger("luma_cli")
    logger.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(mode.verbosity, 2)])
    logger.handlers[:] = [Lines()]
    logger.propagate = False


def _drop(stream: TextIO) -> None:
    """Point the stream at nothing, so that Python does not fail again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False  # closed


def width() -> int:
    """COLUMNS=0 made rich print nothing at all (measured)."""
    return max(20, min(shutil.get_terminal_size().columns, 400))
