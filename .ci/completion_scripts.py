"""Completion scripts for the shells, made from the command tree and the templates in `completions/`.

Typer's own completion starts Python on every Tab. These scripts hold the whole tree as tables, and ask luma itself
only for tasks and kept prompts, which `__main__` answers before anything heavy is imported.

What completes a value or an argument is its kind: words, among which some stand for more than themselves. `@files`,
`@commands`, `@tasks` and `@keys` (kept prompts as settings) are asked for, `@prompts` only behind an `@`.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from command_tree import Command, Option, choices_of

from luma_cli.api.models import MODELS
from luma_cli.api.options import same_name
from luma_cli.api.task import State
from luma_cli.cli import help_topics
from luma_cli.config import settings
from luma_cli.journal.records import Outcome
from luma_cli.sandbox import SCENARIOS

TEMPLATES = Path(__file__).with_name("completions")
# In a placeholder, these stand for a file.
FILE_WORDS = ("FILE", "PATH", "VIDEO", "DIR", "RECIPE")

Pairs = list[tuple[str, str]]


def script(name: str, tree: Command) -> str:
    """The completion script of that file name."""
    commands = list(tree.walk())
    text = (TEMPLATES / name).read_text("utf-8")
    for part, lines in MAKERS[name](commands).items():
        text = text.replace(f"%{part}%", lines)
    return text


def kind_of(placeholder: str) -> str:
    """What completes a placeholder, "" for free text."""
    kinds = []
    if "TASK" in placeholder or placeholder == "ID":
        kinds.append("@tasks")
    if any(word in placeholder for word in FILE_WORDS):
        kinds.append("@files")
    if "COMMAND" in placeholder:
        kinds.append("@commands")
    if placeholder == "KEY":
        kinds += [*settings.SETTINGS, *settings.SECRETS, "@keys"]
    return " ".join((*kinds, *choices_of(placeholder)))


def value_kind(command: Command, option: Option) -> str:
    """What completes an option's value; some placeholders do not say it."""
    flag = option.flags[-1]
    if command.path == ("sandbox",) and flag == "--scenario":
        return " ".join(SCENARIOS)
    if flag == "--state":
        return " ".join(name for name in dict.fromkeys([*State, *Outcome, "failed"]) if name != Outcome.ACCEPTED)
    known = {
        "--model": " ".join(MODELS),
        "--set": " ".join(f"{name}=" for name in settings_of_models()),
        "--prompt": "@prompts",
        "--audio": "keep none @files",
        "--since": "today yesterday 7d 30d",
        "--on-done": "@commands",
    }
    if flag in known:
        return known[flag]
    return "auto" if option.value == "KEY" else kind_of(option.value or "")


def settings_of_models() -> list[str]:
    """What `--set` takes, each name once, however the models spell it."""
    options = [option for model in MODELS.values() for option in model.options]
    return list({same_name(option.name): option.name for option in options}.values())


def argument_kind(command: Command, commands: list[Command]) -> str:
    if command.path == ("help",):
        names = [other.path[0] for other in commands if len(other.path) == 1]
        return " ".join(dict.fromkeys([*help_topics.TOPICS, *names]))
    return kind_of(command.arguments[0].placeholder) if command.arguments else ""


def key(command: Command) -> str:
    return " ".join(command.path)


def subcommands(command: Command) -> Pairs:
    return [(other.path[-1], other.summary) for other in command.commands]


def flags(command: Command) -> Pairs:
    """Options with their explanations, each flag once."""
    return list({flag: option.help for option in command.options for flag in option.flags}.items())


def values(commands: list[Command]) -> Pairs:
    """`path:flag` and what completes its value, for every option that takes one."""
    return [
        (f"{key(command)}:{flag}", value_kind(command, option))
        for command in commands
        for option in command.options
        if option.value is not None
        for flag in option.flags
    ]


def arguments(commands: list[Command]) -> Pairs:
    """Each path and what completes its argument, for every command that takes one."""
    return [(key(command), argument_kind(command, commands)) for command in commands if command.arguments]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def quoted_in_fish(text: str) -> str:
    return "'" + text.replace("'", "\\'") + "'"


def quoted_in_powershell(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def lines(pairs: Iterable[tuple[str, str]], template: str, quote: Callable[[str], str] = quoted) -> str:
    return "\n".join(template.format(quote(word), text) for word, text in pairs)


def cases(
    commands: list[Command], offers: Callable[[Pairs], str], listing: str, case: str, separator: str
) -> dict[str, str]:
    """The branches of `case` that bash and zsh look things up in: `listing` for words, `case` for kinds of values."""
    return {
        "words": lines(((key(command), offers(subcommands(command))) for command in commands), listing),
        "flags": lines(((key(command), offers(flags(command))) for command in commands), listing),
        "values": lines(((name, quoted(found)) for name, found in values(commands)), case),
        "arguments": lines(((name, quoted(found)) for name, found in arguments(commands)), case),
        "paths": separator.join(quoted(key(command)) for command in commands if command.path),
    }


def bash(commands: list[Command]) -> dict[str, str]:
    def words(pairs: Pairs) -> str:
        return quoted(" ".join(word for word, _ in pairs))

    echo = "    {}) echo {} ;;"
    return cases(commands, words, echo, echo, " | ")


def zsh(commands: list[Command]) -> dict[str, str]:
    def described(pairs: Pairs) -> str:
        return " ".join(quoted(f"{word}:{text}") for word, text in pairs)

    return cases(commands, described, "    {}) list=({}) ;;", "    {}) kind={} ;;", "|")


def fish(commands: list[Command]) -> dict[str, str]:
    found = []
    for command in commands:
        at = f"-n {quoted('__luma_at ' + chr(34) + key(command) + chr(34))}"
        for word, summary in subcommands(command):
            found.append(f"complete -c luma -f {at} -a {word} -d {quoted(summary)}")
        found += [fish_option(command, option, at) for option in command.options]
        if command.arguments:
            found.append(f"complete -c luma {at} {fish_kind(argument_kind(command, commands))}")
    return {
        "paths": " ".join(quoted(key(command)) for command in commands if command.path),
        "lines": "\n".join(found),
    }


def fish_option(command: Command, option: Option, at: str) -> str:
    names = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
    value = f" -r {fish_kind(value_kind(command, option))}" if option.value is not None else ""
    return f"complete -c luma {at} {names}{value} -d {quoted(option.help)}"


FISH_KINDS = {
    "@commands": "(__fish_complete_command)",
    "@tasks": "(luma __tasks 2>/dev/null)",
    "@prompts": "(luma __prompts @ 2>/dev/null)",
    "@keys": "(luma __prompts prompt. 2>/dev/null)",
}


def fish_kind(kind: str) -> str:
    """`-k` keeps the order: the newest task comes first."""
    words = kind.split()
    offers = [FISH_KINDS.get(word, word) for word in words if word != "@files"]
    if "@files" in words:
        offers.append("(string match -q '@*' -- (commandline -ct); and luma __tasks 2>/dev/null)")
    files = "-F" if "@files" in words else "-f"
    return f"{files} -k -a {quoted_in_fish(' '.join(offers))}" if offers else files


def powershell(commands: list[Command]) -> dict[str, str]:
    quote = quoted_in_powershell

    def words(pairs: Pairs) -> str:
        return ", ".join(quote(f"{word}\t{text}") for word, text in pairs)

    return {
        "words": lines(((key(command), words(subcommands(command))) for command in commands), "    {} = @({})", quote),
        "flags": lines(((key(command), words(flags(command))) for command in commands), "    {} = @({})", quote),
        "values": lines(((name, quote(kind)) for name, kind in values(commands)), "    {} = {}", quote),
        "arguments": lines(((name, quote(kind)) for name, kind in arguments(commands)), "    {} = {}", quote),
    }


MAKERS = {"luma.bash": bash, "_luma": zsh, "luma.fish": fish, "luma.ps1": powershell}
