"""How Typer's commands look, and what is meant by a word that is not one of them."""

import re
import shlex
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer.core

from luma_cli.api.redaction import scrub_links
from luma_cli.errors import UsageError, nearest
from luma_cli.output import streams

# On fewer columns the boxes of rich leave no room for words.
MIN_RICH_WIDTH = 60
# Help is plain off a terminal, and typer's own tracebacks could print the key.
STYLE: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "rich" if streams.stdout_is_terminal() and streams.width() >= MIN_RICH_WIDTH else None,
}
# Left to itself the help is never narrower than 50 columns, and a narrower terminal breaks its words.
NARROW_HELP: dict[str, Any] = (
    {"terminal_width": streams.width() - 1} if streams.stdout_is_terminal() and streams.width() < MIN_RICH_WIDTH else {}
)
# The options of every command, which may stand before the name of one.
COMMON = "--json|--quiet|--verbose|-[qv]+"
# What people type who know other tools.
SYNONYMS = {
    **dict.fromkeys(("edit", "run", "create", "submit", "new", "generate", "make"), "modify"),
    **dict.fromkeys(("list", "ls", "history", "log", "jobs"), "tasks"),
    **dict.fromkeys(("login", "auth", "signin", "key"), "config set api_key"),
    **dict.fromkeys(("logout", "signout"), "config unset api_key"),
    **dict.fromkeys(("doctor", "check", "diagnose"), "config check"),
    **dict.fromkeys(("retry", "again", "repeat", "rerun"), "redo"),
    **dict.fromkeys(("get", "fetch", "save", "pull"), "download"),
    **dict.fromkeys(("show", "info"), "tasks show"),
    **dict.fromkeys(("watch", "follow"), "wait"),
    **dict.fromkeys(("play", "view"), "open"),
    **dict.fromkeys(("balance", "billing", "usage"), "credits"),
    **dict.fromkeys(("set", "settings", "configure"), "config"),
    **dict.fromkeys(("mock", "demo"), "sandbox"),
    "version": "--version",
}


class DefaultGroup(typer.core.TyperGroup):
    """A group whose first command is meant where none is named."""

    has_default = True

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-"):
            check_command(args[0], self.commands)
        first = next((word for word in args if not re.fullmatch(COMMON, word)), "")
        if first not in self.commands and not {"-h", "--help"} & set(args[:1]):
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


class StartIsOptional(typer.core.TyperCommand):
    """`--trim` alone begins at 0: what follows it is its value only if that is a time."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        words = [
            "--trim=0" if word == "--trim" and not re.fullmatch("[0-9][-0-9.,:hms]*", following) else word
            for word, following in pairwise([*args[:end], ""])
        ]
        return super().parse_args(ctx, words + args[end:])


def check_command(word: str, known: Iterable[str]) -> None:
    """Raises UsageError for a word that is not a command, naming the nearest one."""
    if word in known:
        return
    near: str | None
    if "modify" in known and (word in SYNONYMS or "://" in word or Path(word).is_file()):
        near = SYNONYMS.get(word, f"luma modify {shlex.quote(scrub_links(word))}")
    elif "show" in known and re.fullmatch("@[a-z0-9]+|[0-9a-f]{6,}", word):
        near = f"luma tasks show {word}"
    else:
        near = nearest(word, known, likeness=0.6)
    hint = f"did you mean {near}?" if near else f"commands: {' '.join(known)}"
    raise UsageError(f"no command {word[:40]!a}", hint=hint)
