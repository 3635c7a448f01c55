"""The command tree as plain data, for completions and man pages."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple


class Option(NamedTuple):
    """`flags` as typed, longest last; `value` is the placeholder of its value, None for a switch."""

    flags: tuple[str, ...]
    value: str | None
    help: str


class Argument(NamedTuple):
    placeholder: str
    help: str


class Command(NamedTuple):
    """`path` is what follows `luma`, () for luma itself. `text` is the whole help, `summary` its first line."""

    path: tuple[str, ...]
    text: str
    arguments: tuple[Argument, ...]
    options: tuple[Option, ...]
    commands: tuple["Command", ...]

    @property
    def name(self) -> str:
        return " ".join(("luma", *self.path))

    @property
    def summary(self) -> str:
        return self.text.partition("\n\n")[0].replace("\n", " ")

    def walk(self) -> Iterator["Command"]:
        yield self
        for command in self.commands:
            yield from command.walk()


def read_tree(root: Any) -> Command:
    """The tree below Typer's root command; loads every command's module."""
    return _command(root, ())


def choices_of(placeholder: str) -> list[str]:
    """The words of a placeholder that lists them, like `[bash|zsh|fish]`."""
    words = placeholder.strip("[].").split("|")
    plain = len(words) > 1 and all(re.fullmatch(r"[a-z][a-z-]*", word) for word in words)
    return words if plain else []


def _command(command: Any, path: tuple[str, ...]) -> Command:
    names = command.list_commands(None) if hasattr(command, "list_commands") else []
    parameters = command.params
    options = [_option(parameter) for parameter in parameters if parameter.param_type_name == "option"]
    return Command(
        path=path,
        text=re.sub(r"\x08\n", "", command.help or "").strip(),
        arguments=tuple(
            Argument(parameter.metavar or parameter.name.upper(), parameter.help or "")
            for parameter in parameters
            if parameter.param_type_name == "argument"
        ),
        options=(*options, *_of_default(command), Option(("-h", "--help"), None, "Show help and exit.")),
        commands=tuple(_command(command.get_command(None, name), (*path, name)) for name in names),
    )


def _of_default(group: Any) -> list[Option]:
    """The options of the command that a group means where none is named."""
    if not getattr(group, "has_default", False):
        return []
    own = {flag for parameter in group.params for flag in parameter.opts}
    default = group.get_command(None, group.list_commands(None)[0])
    options = [option for option in getattr(default, "params", []) if option.param_type_name == "option"]
    return [_option(option) for option in options if not own & set(option.opts)]


def _option(option: Any) -> Option:
    flags = tuple(sorted(option.opts, key=len))
    value = None if option.is_flag else option.metavar or option.type.name.upper()
    return Option(flags, value, option.help or "")
