"""`api_key_command`: the user's own program that prints the API key."""

import logging
import re
import shlex
import subprocess
from typing import IO

from luma_cli import signals
from luma_cli.api.redaction import MARK, redact
from luma_cli.config.environment import expand_home
from luma_cli.errors import KeyRejected, reason

# It may ask a person for a passphrase, but not for ever.
MAX_SECONDS = 60.0
MAX_OUTPUT = 8192
MAX_LINES = 20
MAX_LINE = 300
HINT = "luma config get api_key_command"
# What looks like a key (kie.ai's are 32 hexadecimal digits), in case a failing command prints it among its errors.
_KEY_LIKE = r"\b[0-9a-fA-F]{24,}\b"

log = logging.getLogger(__name__)


def ask_command(command: str) -> str:
    """The first line that the command prints.

    Raises:
        KeyRejected: it cannot be started, fails, goes on too long or prints nothing; says what it wrote to stderr.
    """
    words = _words(command)
    try:
        output, errors, code = _run(words)
    except (OSError, ValueError) as error:
        # Without its own text, which quotes the command line: that may hold a secret.
        raise KeyRejected(f"api_key_command cannot be started: {reason(error)}", hint=HINT) from error
    lines = output.decode("utf-8", "replace").strip().splitlines()
    complaints = _lines(errors, lines)
    if code is None:
        raise KeyRejected(f"api_key_command did not end within {MAX_SECONDS:g} s{_quoted(complaints)}", hint=HINT)
    if code != 0:
        raise KeyRejected(f"api_key_command failed with exit code {code}{_quoted(complaints)}", hint=HINT)
    if not lines:
        raise KeyRejected(f"api_key_command printed nothing{_quoted(complaints)}", hint=HINT)
    for line in complaints:
        log.warning("api_key_command: %s", line)
    return lines[0]


def _words(command: str) -> list[str]:
    try:
        marks = shlex.shlex(command, posix=True, punctuation_chars="|&;<>")
        marks.whitespace_split, marks.commenters = True, ""
        operators = [word for word in marks if word.strip("|&;<>") == ""]
        words = [expand_home(word) if word.startswith("~/") else word for word in shlex.split(command)]
    except ValueError as error:
        raise KeyRejected("api_key_command has a quotation mark without its partner", hint=HINT) from error
    if operators:
        raise KeyRejected(
            f"api_key_command is run without a shell, and {operators[0]} is the shell's",
            hint=f"luma config set api_key_command {shlex.quote('sh -c ' + shlex.quote('…'))}, with the command for …",
        )
    if not words:
        raise KeyRejected("api_key_command is empty", hint="luma config unset api_key_command")
    return words


def _run(words: list[str]) -> tuple[bytes, bytes, int | None]:
    """Output, errors and exit code of a command; no code if it, or a child that has its pipes, goes on too long."""
    contents: dict[str, bytes] = {"output": b"", "errors": b""}

    def read(name: str, stream: IO[bytes]) -> None:
        with stream:
            contents[name] = stream.read(MAX_OUTPUT)
            while name == "errors" and stream.read(MAX_OUTPUT):  # a command must not wait for a reader of its errors
                pass

    # In our own process group and session, since it may ask a person at the terminal.
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with signals.child(words, **pipes) as process:
        # The readers' alone: closed under a reader, a pipe that a child of the command holds would keep us waiting.
        streams = {"output": process.stdout, "errors": process.stderr}
        process.stdout = process.stderr = None
        readers = {name: signals.start_thread(read, name, stream) for name, stream in streams.items()}
        try:
            readers["output"].join(MAX_SECONDS)
            if readers["output"].is_alive():
                return b"", contents["errors"], None
            if len(contents["output"]) == MAX_OUTPUT:  # it may go on for ever, and is not a key in any case
                return contents["output"], b"", 0
            code = process.wait(MAX_SECONDS)
            readers["errors"].join(1.0)  # a child that it left behind may hold the pipe for ever
            return contents["output"], contents["errors"], code
        except subprocess.TimeoutExpired:
            return b"", contents["errors"], None
        finally:
            process.kill()


def _lines(errors: bytes, secrets: list[str]) -> list[str]:
    """What the command complained of, without what it printed as the key."""
    text = errors.decode("utf-8", "replace")
    for secret in secrets:
        text = redact(text, secret.strip())
    lines = [re.sub(_KEY_LIKE, MARK, line).strip()[:MAX_LINE] for line in text.replace("\0", "").splitlines()]
    return ["".join(letter if letter.isprintable() else "�" for letter in line) for line in lines if line][-MAX_LINES:]


def _quoted(lines: list[str]) -> str:
    return f": {'; '.join(lines[-3:])}" if lines else ""
