"""What several commands share: option types, the options that every command takes, and the run they build."""

import functools
import inspect
import math
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from luma_cli import __version__
from luma_cli.api.redaction import scrub_links
from luma_cli.config import settings
from luma_cli.config.environment import expand_home, variable
from luma_cli.config.times import parse_duration
from luma_cli.errors import FileError, LumaError, UsageError, nearest
from luma_cli.output import messages, streams
from luma_cli.video.trim_range import Trim, parse_trim

if TYPE_CHECKING:
    from luma_cli.api.client import Client
    from luma_cli.edits.events import Report
    from luma_cli.edits.run import Clock, Finishing, Plan, Results, Run
    from luma_cli.journal.journal import Journal

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


class Invocation:
    """One command line: its time, and what has become of its tasks, which every way out must be able to name."""

    def __init__(self, clock: "Clock | None" = None) -> None:
        self.clock = clock
        self.results: Results | None = None  # from when the command has opened its run
        self.error: LumaError | None = None  # what has ended it


invocation: ContextVar[Invocation] = ContextVar("invocation")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print only results and errors.")]
Verbose = Annotated[
    int,
    typer.Option(
        "-v",
        "--verbose",
        count=True,
        show_default=False,
        help="Show each request and decision on stderr; -vv bodies too.",
    ),
]

Github = Annotated[
    bool, typer.Option("--github", help="Write step outputs, a summary and annotations for GitHub Actions.")
]
Notify = Annotated[bool, typer.Option("--notify", help="Ring the terminal's bell at the end.")]

TaskArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TASK]...", help="Task id, unique prefix, @last, @2, or - for ids from stdin."),
]
Output = Annotated[
    str | None,
    typer.Option(
        *("-o", "--output"),
        metavar="PATH|DIR|-",
        parser=expand_home,
        help="Save the video (MP4) there; - is stdout.",
    ),
]
Force = Annotated[bool, typer.Option("-f", "--force", help="Overwrite an existing file.")]
Interval = Annotated[
    float | None,
    typer.Option("--interval", metavar="DURATION", parser=parse_duration, help="How often to ask [10s]."),
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="DURATION", parser=parse_duration, help="How long to wait, 0: no limit [15m]."),
]
Listen = Annotated[
    str | None,
    typer.Option("--listen", metavar="[HOST:]PORT", help="Take callbacks here; polling every 30s is the safety net."),
]
PublicUrl = Annotated[
    str | None, typer.Option("--public-url", metavar="URL", help="Where kie.ai reaches the port that is listened on.")
]
Audio = Annotated[
    str | None,
    typer.Option("--audio", metavar="keep|none|FILE", parser=expand_home, help="The sound of a silent result [keep]."),
]
Match = Annotated[
    bool | None, typer.Option("--match", help="Bring the result back to its source's frame rate, count and size.")
]
Fit = Annotated[bool, typer.Option("--fit", help="Make a local clip fit the model, if it does not.")]
Split = Annotated[bool, typer.Option("--split", help="Edit a clip that is too long in pieces; needs -o FILE.")]
RedoPiece = Annotated[int | None, typer.Option("--redo-piece", metavar="I", help="Make piece I of a split edit again.")]
KeepPieces = Annotated[bool, typer.Option("--keep-pieces", help="Keep the folder with a split edit's pieces.")]
AsDelivered = Annotated[bool, typer.Option("--as-delivered", help="Save the service's bytes and nothing else.")]
Wait = Annotated[bool, typer.Option("-w", "--wait", help="Wait; print the result link(s) instead of the id.")]
Prompts = Annotated[
    list[str] | None,
    typer.Option(
        "-p", "--prompt", metavar="TEXT", help="What to change (repeatable); @NAME is the setting prompt.NAME."
    ),
]
PromptFile = Annotated[
    str | None,
    typer.Option(
        *("-F", "--prompt-file"), metavar="FILE|-", parser=expand_home, help="Read the prompt from a file or stdin."
    ),
]
Takes = Annotated[
    int, typer.Option("--takes", min=1, max=settings.MAX_TAKES, metavar="N", help="Submit each edit N times.")
]


def parse_model(name: str) -> str:
    """The name of a model as its row spells it. Raises UsageError if there is none."""
    from luma_cli.api.models import find_model

    return find_model(name).name


ModelName = Annotated[
    str | None, typer.Option("--model", metavar="NAME", parser=parse_model, help="See luma help models [luma].")
]
TaskModel = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", parser=parse_model, help="The model of a task from elsewhere [luma]."),
]
Setting = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the model. Repeatable.")
]
Watermark = Annotated[str | None, typer.Option("--watermark", metavar="TEXT", help="Passed to the service.")]
CallbackUrl = Annotated[str | None, typer.Option("--callback-url", metavar="URL", help="Passed to the service.")]
TrimTo = Annotated[
    Trim | None,
    typer.Option(
        "--trim", metavar="[START[-END]]", parser=parse_trim, help="Cut a local clip to the model's length [0s]."
    ),
]
MaxCredits = Annotated[
    float | None,
    typer.Option("--max-credits", parser=settings.parse_credits, metavar="N", help="Refuse what would cost more."),
]
NoCheck = Annotated[bool, typer.Option("--no-check", help="Send without looking at prompt and clip.")]
Strict = Annotated[bool, typer.Option("--strict", help="Take what is only doubtful for wrong.")]
DryRun = Annotated[bool, typer.Option("-n", "--dry-run", help="Print the request, send nothing.")]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        metavar="KEY",
        help="Continue the task that has this key instead of paying again; auto derives it.",
    ),
]
Resubmit = Annotated[
    bool, typer.Option("--resubmit", help="Submit although the same submission exists or has an unknown outcome.")
]
OnDone = Annotated[
    str | None,
    typer.Option("--on-done", metavar="COMMAND", help="Run this at each task's end, with LUMA_FILE and LUMA_TASK_ID."),
]
Recipe = Annotated[bool, typer.Option("--recipe", help="Write NAME.mp4.json beside the saved file: what made it.")]
Open = Annotated[bool, typer.Option("--open", help="Show the result with the platform's viewer.")]
Parallel = Annotated[int, typer.Option("--parallel", min=1, max=32, metavar="N", help="Downloads at once.")]


class StartIsOptional(typer.core.TyperCommand):
    """`--trim` alone begins at 0: what follows it is its value only if that is a time."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_default(args, "--trim", "0"))


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


# The options of every command, which may stand before the name of one.
_COMMON = "--json|--quiet|--verbose|-[qv]+"


class DefaultGroup(typer.core.TyperGroup):
    """A group whose first command is meant where none is named."""

    has_default = True

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-"):
            check_command(args[0], self.commands)
        first = next((word for word in args if not re.fullmatch(_COMMON, word)), "")
        if first not in self.commands and not {"-h", "--help"} & set(args[:1]):
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


def check_command(word: str, known: Iterable[str]) -> None:
    """Raises UsageError for a word that is not a command, naming the nearest one."""
    if word in known:
        return
    if "modify" in known and (is_clip(word) or word in SYNONYMS):
        near: str | None = SYNONYMS.get(word, f"luma modify {shlex.quote(scrub_links(word))}")
    elif "show" in known and re.fullmatch("@[a-z0-9]+|[0-9a-f]{6,}", word):
        near = f"luma tasks show {word}"
    else:
        near = nearest(word, known, likeness=0.6)
    hint = f"did you mean {near}?" if near else f"commands: {' '.join(known)}"
    raise UsageError(f"no command {word[:40]!a}", hint=hint)


def is_clip(word: str) -> bool:
    """A link, or the name of a file."""
    return "://" in word or Path(word).is_file()


def common(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that every command takes."""

    def configure(json: bool, quiet: bool, verbose: int) -> None:
        streams.configure(as_json=json, quiet=quiet, verbosity=verbose)

    return _with_switches(function, {"json": Json, "quiet": Quiet, "verbose": Verbose}, configure)


def reported(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command that sees tasks through the options that report it elsewhere."""

    def configure(github: bool, notify: bool) -> None:
        streams.configure_reports(github=github, notify=notify)

    return _with_switches(function, {"github": Github, "notify": Notify}, configure)


def _with_switches(
    function: Callable[..., None], extra: dict[str, Any], configure: Callable[..., None]
) -> Callable[..., None]:
    signature = inspect.signature(function)
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter(name, keyword, default=0 if kind is Verbose else False, annotation=kind)
        for name, kind in extra.items()
    ]

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
        found.append(f"{flag}={value}" if word == flag and not re.fullmatch(r"[0-9][-0-9.,:hms]*", following) else word)
    return found


@contextmanager
def open_run(
    *,
    needs_journal: bool = False,
    keeps_journal: bool = True,
    on_done: str | None = None,
    model: str | None = None,
    **prints: bool,
) -> "Iterator[Run]":
    """What holds for this command, closed at its end.

    `needs_journal`: what spends, or is about the journal itself, stops when it cannot be used; what only reads goes on
    without. `keeps_journal` False makes none. `on_done` is a command for each task's end, `model` the one that the user
    has named for tasks which the journal does not hold. `prints`: see Presenter.
    """
    from luma_cli.edits.run import Clock, Results, Run

    here = invocation.get()
    clock, results = here.clock or Clock(), Results()
    here.results = results
    streams.show_log()
    ours = _load_settings()
    if model is not None:
        ours = ours._replace(model=model)
    with ExitStack() as stack:
        opened = _open_journal(ours, needed=needs_journal, kept=keeps_journal)
        journal = stack.enter_context(closing(opened))
        connect = functools.cache(lambda: stack.enter_context(closing(_connect(ours, clock))))
        report = _with_command(_present(results, prints, clock), on_done)
        yield Run(ours, journal, results, connect, report, clock, _confirm, streams.can_ask, streams.protect)


@contextmanager
def open_journal() -> "Iterator[Journal]":
    """The journal alone, for a command that only reads it: start-up is a feature."""
    streams.show_log()
    with closing(_open_journal(_load_settings())) as journal:
        yield journal


def now() -> float:
    """The Unix time, as this command line sees it."""
    clock = invocation.get().clock
    return time.time() if clock is None else clock.now()


def _load_settings() -> settings.Settings:
    """The settings in force; with -v also where each came from."""
    ours = settings.load_settings()
    messages.explain(f"luma {__version__}, Python {sys.version.split()[0]}, {sys.platform}")
    for key, origin in ours.origins.items():
        if origin != "default":
            messages.explain(f"the setting {key} is from {origin}")
    messages.explain(f"settings are kept in {ours.config_dir}; those not named here are luma's own")
    return ours


def _with_command(report: "Report", command: str | None) -> "Report":
    if command is None:
        return report
    from luma_cli.cli.on_done import OnDone

    return OnDone(report, command)


def show_results(run: "Run", *, opens: bool, waits: bool = True) -> None:
    """At the end: --open, and for a person who did not wait the command that goes on."""
    if opens:
        from luma_cli.cli import viewer

        for task in run.results.tasks.values():
            for target in [file.path for file in task.files if Path(file.path).exists()] or task.result_urls[:1]:
                viewer.show(target)
    elif not waits and run.results.running and streams.stdout_is_terminal():
        target = "FILE" if len(run.results.running) == 1 else "FOLDER/"
        messages.note(f"next: {run.results.wait_command()} -o {target}")


@contextmanager
def client_when_asked() -> "Iterator[Callable[[], Client]]":
    """A client that is made, with the settings, when somebody asks for it: what reports on faults meets them there."""
    from luma_cli.edits.run import Clock

    with ExitStack() as stack:
        streams.show_log()
        clock = invocation.get().clock or Clock()
        yield functools.cache(lambda: stack.enter_context(closing(_connect(_load_settings(), clock))))


def _present(results: "Results", prints: dict[str, bool], clock: "Clock") -> "Report":
    """The presenter, which is loaded when there is something to show."""

    @functools.cache
    def presenter() -> "Report":
        from luma_cli.output.presenter import Presenter

        return Presenter(results, clock=clock.monotonic, **prints)

    return lambda event: presenter()(event)


def _confirm(question: str) -> bool:
    from luma_cli.output.questions import confirm

    return confirm(question)


def _connect(ours: settings.Settings, clock: "Clock") -> "Client":
    """The client for the user's key, which no stream will show."""
    from luma_cli.api.client import Client
    from luma_cli.config import addresses, key_store

    addresses.ca_bundle()
    key = key_store.load_key(ours)
    streams.protect(key.value, origin=key.origin)
    messages.explain(f"the API key is from {key.origin}")
    if variable("SSLKEYLOGFILE"):
        messages.warn("SSLKEYLOGFILE is set: whoever reads that file can read the key")
    return Client(
        ours.base_url,
        ours.upload_url,
        key.value,
        ca_bundle=ours.ca_bundle,
        on_pause=messages.note,
        clock=clock.monotonic,
        sleep=clock.sleep,
    )


def _open_journal(ours: settings.Settings, *, needed: bool = False, kept: bool = True) -> "Journal":
    from luma_cli.journal import journal

    service: dict[str, Any] = {"service": ours.base_url, "now": now}
    if settings.journal_is_off():
        return journal.open_journal(None, **service)
    try:
        path = settings.state_dir() / journal.NAME
        messages.explain(f"the journal is {path}")
        if not kept and not path.exists():
            return journal.open_journal(None, **service)
        return journal.open_journal(path, messages.warn_once, **service)
    except FileError as error:
        if needed:
            raise
        messages.warn_once(f"{error.message}; going on without it ({error.hint})")
        return journal.open_journal(None, **service)


def check_key(key: str | None) -> None:
    """Raises UsageError for an idempotency key that nobody would know again."""
    if key is not None:
        need_journal("an idempotency key")


def need_journal(what: str) -> None:
    """Raises UsageError if LUMA_JOURNAL=off, for what is nothing without the journal."""
    if settings.journal_is_off():
        raise UsageError(f"{what} needs the journal, and LUMA_JOURNAL is off", hint="unset LUMA_JOURNAL")


def check_daily_limit(run: "Run") -> None:
    """Raises UsageError for a daily limit over submissions that nobody counts."""
    if run.settings.daily_credits is not None:
        need_journal("the setting daily_credits")


def check_journal(command: str) -> None:
    """Raises UsageError for what cannot be done without the journal."""
    if settings.journal_is_off():
        raise UsageError(f"{command} needs the journal", hint="unset LUMA_JOURNAL")


def check_states(states: Sequence[str]) -> Sequence[str]:
    """Raises UsageError for what is not a state."""
    from luma_cli.api.task import State
    from luma_cli.journal.lookups import FAILED
    from luma_cli.journal.records import Outcome

    known = list(dict.fromkeys([*State, FAILED, *Outcome]))
    for state in states:
        if state not in known:
            raise UsageError(f"{state[:40]!a} is not a state", hint=f"states: {' '.join(known)}")
    return states


def parse_start(since: str | None, now: float) -> float:
    """The Unix time of a --since; none is the beginning of time. Raises UsageError for what is not a time."""
    from luma_cli.config.times import parse_since

    return -math.inf if since is None else parse_since(since, datetime.fromtimestamp(now, UTC)).timestamp()


def parse_finishing(run: "Run", audio: str | None, match: bool | None, as_delivered: bool) -> "Finishing":
    """What --audio, --match and --as-delivered ask for. Raises UsageError before anything is sent."""
    from luma_cli.edits.run import Finishing

    if audio is None and match is None and not as_delivered:
        return Finishing()
    from luma_cli.edits.finish import check_finishing

    return check_finishing(run, Finishing(audio, match, as_delivered))


def make_plan(
    run: "Run",
    *,
    interval: float | None = None,
    timeout: float | None = None,
    output: str | None = None,
    saves: bool = False,
    **more: Any,
) -> "Plan":
    """How to see tasks through, with the user's settings when an option is missing.

    `saves`: results are saved in any case, in the user's folder when no path is given. `more`: fields of Plan.
    """
    from luma_cli.edits.run import STDOUT, Plan

    ours = run.settings
    if interval is not None and interval < 1:
        raise UsageError("--interval must be at least 1s")
    if output == "":
        raise UsageError("--output is empty", hint="-o FILE, -o FOLDER/ or -o -")
    plan = Plan(
        interval=ours.interval if interval is None else interval,
        timeout=ours.timeout if timeout is None else timeout,
        output=output or (ours.output_dir or "." if saves else None),
        **more,
    )
    if plan.output == STDOUT:
        _check_stdout()
    run.results.save_option = plan.option
    return plan


def _check_stdout() -> None:
    if streams.stdout_is_terminal():
        raise UsageError("a video cannot be shown on a terminal", hint="-o FILE, or pipe it on")
    if streams.wants_json():
        raise UsageError("-o - and --json both want stdout", hint="-o FILE")
