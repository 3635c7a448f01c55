"""Write what repeats the command tree: the completions and `man/`. With --check only say which files are stale."""

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import completion_scripts
import typer.main
from command_tree import Argument, Command, Option, read_tree

from luma_cli.cli import help_topics
from luma_cli.cli.main import app
from luma_cli.errors import EXIT_CODES, ExitCode

ROOT = Path(__file__).resolve().parents[1]
COMPLETIONS = ROOT / "luma_cli" / "cli" / "completions"
MAN = ROOT / "man"
# mdoc wants a date; that of the day the pages were last worked on says more than that of a build.
DATE = "November 23, 2026"
EVERYWHERE = ("--json", "--quiet", "--verbose", "--help")
SUMMARY = "edit videos with words through kie.ai's Luma Modify Video API"

FILES = (
    ("config.toml", "settings, in the platform's configuration folder for kie-luma"),
    ("credentials.toml", "the API key beside it, readable by its owner alone"),
    ("tasks.db", "the journal, in the platform's state folder for kie-luma"),
    ("NAME.part", "a download under way, beside its target"),
)


def main(argv: list[str]) -> int:
    """Write the stale files, or name them with --check and exit 1."""
    tree = read_tree(typer.main.get_command(app))
    wanted = {**_completions(tree), **_pages(tree)}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    left_over = [path for folder in (COMPLETIONS, MAN) for path in folder.glob("*") if path not in wanted]
    if "--check" in argv:
        for path in (*stale, *left_over):
            print(f"stale: {path.relative_to(ROOT)}; run python .ci/generate.py", file=sys.stderr)
        return 1 if stale or left_over else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted[path], "utf-8")
    for path in left_over:
        path.unlink()
    return 0


def _completions(tree: Command) -> dict[Path, str]:
    return {COMPLETIONS / name: completion_scripts.script(name, tree) for name in completion_scripts.MAKERS}


def _pages(tree: Command) -> dict[Path, str]:
    pages = {MAN / f"{_page_name(command)}.1": _page(command, tree) for command in (tree, *tree.commands)}
    return {**pages, MAN / "luma-exit-codes.7": _exit_codes_page()}


def _page_name(command: Command) -> str:
    return "-".join(("luma", *command.path))


def _page(command: Command, tree: Command) -> str:
    own = tree if command.path == () else None
    lines = [
        *_head(_page_name(command), 1, SUMMARY if own else _lower(command.summary)),
        ".Sh SYNOPSIS",
        *_synopsis(command),
        ".Sh DESCRIPTION",
        *_description(command),
        *_options(command),
    ]
    if command.path and command.commands:
        lines += [".Pp", "Each of the commands below also takes", *_flags(EVERYWHERE)]
        lines += [line for sub in command.commands for line in _subcommand(sub)]
    if own:
        lines += [*_commands(tree), *_environment(), *_files()]
    lines += [*_exit_status(command), *_examples(command), *_see_also(command, tree)]
    return "\n".join(lines) + "\n"


def _head(name: str, section: int, summary: str) -> list[str]:
    return [
        ".\\\" Made by .ci/generate.py from the command tree; change the command's help instead.",
        f".Dd {DATE}",
        f".Dt {name.upper()} {section}",
        ".Os",
        ".Sh NAME",
        f".Nm {_escape(name)}",
        f".Nd {_escape(summary.rstrip('.'))}",
    ]


def _synopsis(command: Command) -> list[str]:
    subs = command.commands if command.path else ()
    lines: list[str] = []
    for each in subs or (command,):
        lines += [f".Nm {each.name}", ".Op Ar OPTION ..."]
        lines += [_argument(argument) for argument in each.arguments]
        if not each.path:
            lines += [".Ar COMMAND ..."]
    return lines


def _argument(argument: Argument) -> str:
    """`[TASK]...` as mdoc spells what may be left out."""
    words = re.sub(r"[\[\]]", "", argument.placeholder).replace("...", " ...").strip()
    return f"{'.Op Ar' if argument.placeholder.startswith('[') else '.Ar'} {_escape(words)}"


def _description(command: Command) -> Iterator[str]:
    for number, paragraph in enumerate(_prose(command)):
        if number:
            yield ".Pp"
        heading, *lines = paragraph.strip().splitlines()
        if lines and all(line.startswith("  ") for line in lines):  # a list of words and what they mean
            yield from _sentences(heading)
            yield from _option_list(
                (f"Cm {_escape(name)}", text) for name, text in (line.split(None, 1) for line in lines)
            )
        else:
            yield from _sentences(paragraph)


def _prose(command: Command) -> list[str]:
    """The paragraphs of the help without its examples and exit codes."""
    paragraphs = [each for each in re.split(r"\n\s*\n", command.text) if each.strip()]
    return [each for each in paragraphs if not each.lstrip().startswith(("Examples:", "Exit codes:"))]


def _sentences(paragraph: str) -> Iterator[str]:
    """A line for each sentence, as mdoc wants it."""
    text = " ".join(paragraph.split())
    for sentence in re.split(r"(?<=[a-z0-9)`][.:;]) (?=[A-Z`])", text):
        yield from map(_escape, textwrap.wrap(sentence, 76, break_long_words=False, break_on_hyphens=False))


def _options(command: Command) -> Iterator[str]:
    if not command.commands or not command.path:
        yield ".Pp"
        yield "The options are as follows:"
        yield from _option_list((*_arguments(command), *map(_option, command.options)))


def _option_list(items: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield ".Bl -tag -width Ds"
    for item, text in items:
        yield f".It {item}"
        yield from _sentences(text)
    yield ".El"


def _option(option: Option) -> tuple[str, str]:
    value = f" Ar {_escape(option.value)}" if option.value else ""
    return " , ".join(f"Fl {_escape(flag[1:])}{value}" for flag in option.flags), option.help


def _arguments(command: Command) -> list[tuple[str, str]]:
    return [(_argument(each).lstrip("."), each.help) for each in command.arguments if each.help]


def _flags(flags: tuple[str, ...]) -> list[str]:
    return [*(f".Fl {_escape(flag[1:])} ," for flag in flags[:-1]), "and", f".Fl {_escape(flags[-1][1:])} ."]


def _subcommand(command: Command) -> Iterator[str]:
    yield f".Ss {_escape(command.name)}"
    yield from _description(command)
    own = [option for option in command.options if option.flags[-1] not in EVERYWHERE]
    if command.arguments or own:
        yield from _option_list((*_arguments(command), *map(_option, own)))


def _commands(tree: Command) -> Iterator[str]:
    yield ".Sh COMMANDS"
    yield from _option_list((f"Xr {_page_name(each)} 1", each.summary) for each in tree.commands)


def _environment() -> Iterator[str]:
    yield ".Sh ENVIRONMENT"
    variables = re.findall(r"(?m)^(\S.*)\n    (.*)$", help_topics.text("environment"))
    items = ((" ".join(f"Ev {name}" for name in names.split()), text) for names, text in variables)
    yield from _option_list((item, text[0].upper() + text[1:] + ".") for item, text in items)


def _files() -> Iterator[str]:
    yield ".Sh FILES"
    yield from _option_list((f"Pa {_escape(name)}", text[0].upper() + text[1:] + ".") for name, text in FILES)


def _exit_status(command: Command) -> Iterator[str]:
    found = re.search(r"^Exit codes: ([\d ]+)", command.text, re.M)
    codes = set(map(int, found[1].split())) if found else None
    yield ".Sh EXIT STATUS"
    if codes is None:
        yield "Every exit code and what to do about it is described in"
        yield ".Xr luma-exit-codes 7 ."
        return
    yield from _code_list(each for each in EXIT_CODES if each.code in codes)


def _code_list(codes: Iterable[ExitCode]) -> Iterator[str]:
    yield ".Bl -tag -width Ds"
    for each in codes:
        yield f".It {each.code}"
        yield from _sentences(each.meaning[0].upper() + each.meaning[1:] + ".")
        if each.next_step:
            yield f"Next: {_escape(each.next_step)}."
    yield ".El"


def _examples(command: Command) -> Iterator[str]:
    lines = [line for each in command.walk() for line in examples_of(each)] if command.path else examples_of(command)
    if lines:
        yield ".Sh EXAMPLES"
        yield ".Bd -literal -offset indent"
        yield from (_escape(line) for line in lines)
        yield ".Ed"


def examples_of(command: Command) -> list[str]:
    """The example lines of a command's help, without their prompt sign."""
    found = re.search(r"Examples:\n((?:[ \t]+.*\n?)+)", command.text)
    return [line.strip().removeprefix("$ ") for line in found[1].splitlines()] if found else []


def _see_also(command: Command, tree: Command) -> Iterator[str]:
    others = [each for each in (tree, *tree.commands) if each.path != command.path]
    pages = sorted((_page_name(each) for each in (others if command.path == () else [tree])), key=str)
    yield ".Sh SEE ALSO"
    yield from (f".Xr {page} 1 ," for page in pages)
    yield ".Xr luma-exit-codes 7"


def _exit_codes_page() -> str:
    lines = [
        *_head("luma-exit-codes", 7, "exit codes of luma and what to do about each"),
        ".Sh DESCRIPTION",
        *_sentences(
            "The exit codes are an interface: codes are added, none is ever renumbered. A failure that the "
            "service reported is never 0. When several tasks ended differently the code is 9, and each task has "
            "had a line of its own on the standard error."
        ),
        *_code_list(EXIT_CODES),
        ".Sh EXAMPLES",
        "Retry what was only temporary, and stop at everything else:",
        ".Bd -literal -offset indent",
        *(_escape(line) for line in _RETRY.splitlines()),
        ".Ed",
        ".Sh SEE ALSO",
        ".Xr luma 1",
    ]
    return "\n".join(lines) + "\n"


_RETRY = """\
luma modify clip.mp4 -p "Heavy rain" --idempotency-key auto -o rain.mp4
case $? in
    0) echo done ;;
    7) echo "temporary: run the same line again later" ;;
    8) luma wait @last -o rain.mp4 ;;
    12) luma tasks; echo "look at https://kie.ai/logs first" ;;
    *) exit 1 ;;
esac"""


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def _escape(text: str) -> str:
    """Text that roff takes as it stands."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return "\\&" + escaped if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
