"""What several commands share: option types, the options that every command takes, opening client and journal."""

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from luma_cli.config import settings
from luma_cli.errors import FileError, UsageError
from luma_cli.output import streams

if TYPE_CHECKING:
    from luma_cli.api.client import Client
    from luma_cli.edits.plan import Plan
    from luma_cli.journal.journal import Journal

# Help is plain off a terminal, and typer's own tracebacks could print the key.
STYLE: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "rich" if streams.stdout_is_terminal() else None,
}

# What a command has open, closed at its end by `cli.main`.
opened = ExitStack()

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print only results and errors.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Tell more on stderr.")]

Github = Annotated[
    bool, typer.Option("--github", help="Write step outputs, a summary and annotations for GitHub Actions.")
]
Notify = Annotated[bool, typer.Option("--notify", help="Ring the terminal's bell at the end.")]

TaskArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TASK]...", help="Task id, unique prefix, @last, @2, or - for ids from stdin."),
]
Output = Annotated[
    str | None, typer.Option("-o", "--output", metavar="PATH|DIR|-", help="Save the video there; - is stdout.")
]
Force = Annotated[bool, typer.Option("-f", "--force", help="Overwrite an existing file.")]
Interval = Annotated[
    float | None,
    typer.Option("--interval", metavar="DURATION", parser=settings.parse_duration, help="How often to ask [10s]."),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", metavar="DURATION", parser=settings.parse_duration, help="How long to wait, 0: no limit [15m]."
    ),
]
Listen = Annotated[
    str | None,
    typer.Option("--listen", metavar="[HOST:]PORT", help="Take callbacks here; polling every 30s is the safety net."),
]
PublicUrl = Annotated[
    str | None, typer.Option("--public-url", metavar="URL", help="Where kie.ai reaches the port that is listened on.")
]
Parallel = Annotated[int, typer.Option("--parallel", min=1, max=32, metavar="N", help="Downloads at once.")]


class DefaultGroup(typer.core.TyperGroup):
    """A group whose first command is meant where none is named."""

    has_default = True

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-"):
            check_command(args[0], self.commands)
        words = [word for word in args if not word.startswith("-")]
        if not (words and words[0] in self.commands) and not {"-h", "--help"} & set(args[:1]):
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


def check_command(word: str, known: Iterable[str]) -> None:
    """Raises UsageError for what is no command, naming the nearest one."""
    if word in known:
        return
    near = difflib.get_close_matches(word, known, n=1)
    raise UsageError(
        f"no command {word[:40]!a}", hint=f"did you mean {near[0]}?" if near else f"commands: {' '.join(known)}"
    )


def common(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that every command takes."""

    def configure(json: bool, quiet: bool, verbose: bool) -> None:
        streams.configure(as_json=json, quiet=quiet, verbose=verbose)

    return _with_switches(function, {"json": Json, "quiet": Quiet, "verbose": Verbose}, configure)


def reported(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command that sees tasks through the options that tell others of it."""

    def configure(github: bool, notify: bool) -> None:
        streams.configure_reports(github=github, notify=notify)

    return _with_switches(function, {"github": Github, "notify": Notify}, configure)


def _with_switches(
    function: Callable[..., None], extra: dict[str, Any], configure: Callable[..., None]
) -> Callable[..., None]:
    signature = inspect.signature(function)
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [inspect.Parameter(name, keyword, default=False, annotation=kind) for name, kind in extra.items()]

    @functools.wraps(function)
    def command(**arguments: Any) -> None:
        configure(**{name: arguments.pop(name, False) for name in extra})
        function(**arguments)

    command.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # type: ignore[attr-defined]
    command.__annotations__ = {**function.__annotations__, **extra}
    return command


def with_default(args: list[str], flag: str, value: str) -> list[str]:
    """The words of a command line, with a value for a flag whose duration is left out."""
    found: list[str] = []
    for index, word in enumerate(args):
        if word == "--":
            return [*found, *args[index:]]
        following = args[index + 1] if index + 1 < len(args) else ""
        found.append(f"{flag}={value}" if word == flag and not re.fullmatch(r"[0-9][0-9.:dhms]*", following) else word)
    return found


def parse_credits(text: str) -> float:
    """An amount of credits. Raises UsageError for less than none, and for what `float` reads besides numbers."""
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text) is None:
        raise UsageError(f"{text[:40]!a} is not an amount of credits", hint="write it like 100 or 12.5")
    return float(text)


def connect() -> "Client":
    """The client for the user's key, which no stream will show."""
    from luma_cli.api.client import connect as connect_client

    client = opened.enter_context(closing(connect_client(streams.note)))
    streams.protect(client.api_key)
    if settings.environment("SSLKEYLOGFILE"):
        streams.warn("SSLKEYLOGFILE is set: whoever reads that file can read the key")
    return client


def open_journal(*, needed: bool = False) -> "Journal":
    """The journal. Where it cannot be used, what needs it stops (to spend, say); what only reads goes on without."""
    from luma_cli.journal import journal

    if settings.journal_is_off():
        return no_journal()
    try:
        book = journal.open_journal(settings.state_dir() / journal.NAME, streams.warn_once)
    except FileError as error:
        if needed:
            raise
        streams.warn_once(f"{error.message}; going on without it ({error.hint})")
        return no_journal()
    return opened.enter_context(closing(book))


def no_journal() -> "Journal":
    """One that is not there yet and leaves nothing behind."""
    from luma_cli.journal import journal

    return opened.enter_context(closing(journal.open_journal(None)))


def check_state(state: str | None) -> str | None:
    from luma_cli.api.task import State
    from luma_cli.journal.records import Outcome

    known = list(dict.fromkeys([*State, *Outcome]))
    if state is not None and state not in known:
        raise UsageError(f"{state[:40]!a} is not a state", hint=f"states: {' '.join(known)}")
    return state


def plan(
    *,
    interval: float | None = None,
    timeout: float | None = None,
    place: str | None = None,
    force: bool = False,
    skip_existing: bool = False,
    fail_fast: bool = False,
    parallel: int = 4,
    saving: bool = False,
    paid: bool = False,
) -> "Plan":
    """How to see tasks through, with the user's settings where an option is missing.

    `saving`: results are saved in any case, in the user's folder where no place is named. `paid`: see Plan.
    """
    from luma_cli.edits.plan import Plan

    ours = settings.load_settings()
    if interval is not None and interval < 1:
        raise UsageError("--interval must be at least 1s")
    if place == "":
        raise UsageError("--output is empty", hint="-o FILE, -o FOLDER/ or -o -")
    found = Plan(
        interval=ours.interval if interval is None else interval,
        timeout=ours.timeout if timeout is None else timeout,
        output=place or (ours.output_dir or "." if saving else None),
        overwrite=force,
        skip_existing=skip_existing,
        fail_fast=fail_fast,
        parallel=parallel,
        paid=paid,
    )
    streams.save_with(found.option)
    return found
