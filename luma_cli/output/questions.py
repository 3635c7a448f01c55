"""What comes in from files, from stdin and from a person at the terminal."""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from luma_cli.errors import Declined, UsageError, reason
from luma_cli.output import streams
from luma_cli.output.messages import note


def read_text(name: str, maximum: int = 1 << 20) -> str:
    """The text of a file, or of stdin for `-`.

    Raises:
        UsageError: it cannot be read, or is not UTF-8 text.
    """
    try:
        return read_bytes(name, maximum).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {name}: not UTF-8 text") from error


def read_bytes(name: str, maximum: int) -> bytes:
    """The bytes of a file, or of stdin for `-`. Raises UsageError if it cannot be read, or is too large."""
    try:
        if name == "-":
            content = sys.stdin.buffer.read(maximum + 1) if sys.stdin is not None else b""
        else:
            with Path(name).open("rb") as file:
                content = file.read(maximum + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {name}: {reason(error)}", hint="check the name and who may read it") from error
    if len(content) > maximum:
        raise UsageError(f"{name} is larger than {maximum >> 20} MiB")
    return content


def read_words(words: Iterable[str] | None) -> list[str]:
    """The words as typed, each once, with `-` replaced by the lines of stdin."""
    found: list[str] = []
    for word in words or ():
        found += filter(None, map(str.strip, read_text("-").splitlines())) if word == "-" else [word]
    if not found and words:
        note("no task was named on stdin")
    return list(dict.fromkeys(found))


def ask_prompts(prompts: Sequence[str] | None, prompt_file: str | None, named: Callable[[str], str]) -> tuple[str, ...]:
    """The prompts from exactly one place, each once; on a terminal a missing one is asked for.

    `named` gives the text of a prompt as typed, which may be the name of one that is kept.
    """
    if prompts and prompt_file is not None:
        raise UsageError("both --prompt and --prompt-file are given", hint="use one of them")
    if prompt_file is not None:
        return (read_text(prompt_file).strip(),)
    for prompt in prompts or ():
        if re.fullmatch(r"--?[A-Za-z][A-Za-z-]*", prompt):
            raise UsageError(f"the prompt is {prompt[:40]}, which looks like an option", hint="-p TEXT, or -F FILE")
    return tuple(dict.fromkeys(named(prompt) for prompt in prompts)) if prompts else (ask_value("Prompt"),)


def ask_value(name: str, *, hidden: bool = False) -> str:
    """What a person types on the terminal.

    Raises:
        UsageError: nobody is there to ask.
        Declined: input ended.
    """
    if not streams.can_ask():
        raise UsageError(f"{name} is missing, and there is no terminal to ask on", hint=_HOW_TO_GIVE.get(name))
    return _ask(name, hidden=hidden)


def confirm(question: str) -> bool:
    """Ask a person yes or no, the latter by default; False when nobody is there to ask."""
    if not streams.can_ask():
        return False
    return _ask(f"{question} [y/N]", hidden=False).strip().lower() in ("y", "yes")


def _ask(name: str, *, hidden: bool) -> str:
    import getpass

    question = f"{streams.clean(name)}: "
    try:
        if hidden:
            return getpass.getpass(question)
        streams.write(question)
        if line := sys.stdin.readline():
            return line.rstrip("\r\n")
    except EOFError:
        pass  # how getpass reports what an empty line reports here
    streams.write("\n")
    raise Declined("no answer: input ended")


_HOW_TO_GIVE = {
    "Prompt": "luma modify VIDEO -p TEXT, or -F FILE",
    "api_key": "pipe it in: luma config set api_key -",
    "webhook_key": "pipe it in: luma config set webhook_key -",
}
