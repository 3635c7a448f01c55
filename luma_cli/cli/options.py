"""The options that several commands have, each described once, and how a command gets them."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import typer

from luma_cli.config import settings
from luma_cli.config.environment import expand_home
from luma_cli.config.times import parse_duration
from luma_cli.output import streams


def parse_model(name: str) -> str:
    """The name of a model as its row spells it. Raises UsageError if there is none."""
    from luma_cli.api.models import find_model

    return find_model(name).name


Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print only results and errors.")]
Verbose = Annotated[
    int,
    typer.Option(
        *("-v", "--verbose"),
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
AsDelivered = Annotated[bool, typer.Option("--as-delivered", help="Save the service's bytes and nothing else.")]
TaskModel = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", parser=parse_model, help="The model of a task from elsewhere [luma]."),
]
MaxCredits = Annotated[
    float | None,
    typer.Option("--max-credits", parser=settings.parse_credits, metavar="N", help="Refuse what would cost more."),
]
NoCheck = Annotated[bool, typer.Option("--no-check", help="Send without looking at prompt and clip.")]
Strict = Annotated[bool, typer.Option("--strict", help="Take what is only doubtful for wrong.")]
OnDone = Annotated[
    str | None,
    typer.Option("--on-done", metavar="COMMAND", help="Run this at each task's end, with LUMA_FILE and LUMA_TASK_ID."),
]
Open = Annotated[bool, typer.Option("--open", help="Show the result with the platform's viewer.")]
Parallel = Annotated[int, typer.Option("--parallel", min=1, max=32, metavar="N", help="Downloads at once.")]


class Common(NamedTuple):
    json: Json = False
    quiet: Quiet = False
    verbose: Verbose = 0


class Reported(NamedTuple):
    github: Github = False
    notify: Notify = False


Function = Callable[..., None]


def common(function: Function) -> Function:
    """Give a command the options that every command takes."""

    def command(given: Common, **arguments: Any) -> None:
        streams.configure(as_json=given.json, quiet=given.quiet, verbosity=given.verbose)
        function(**arguments)

    return takes(Common)(functools.wraps(function)(command))


def reported(function: Function) -> Function:
    """Give a command that sees tasks through the options that report it elsewhere."""

    def command(given: Reported, **arguments: Any) -> None:
        streams.configure(github=given.github, notify=given.notify)
        function(**arguments)

    return takes(Reported)(functools.wraps(function)(command))


def takes(kind: type[Any]) -> Callable[[Function], Function]:
    """Give a command an option for each field of a NamedTuple; it gets them together, as `given`."""

    def decorate(function: Function) -> Function:
        own = [parameter for parameter in inspect.signature(function).parameters.values() if parameter.name != "given"]
        added = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind.__annotations__[name]
            )
            for name, default in kind._field_defaults.items()
        ]

        @functools.wraps(function)
        def command(**arguments: Any) -> None:
            given = kind(**{name: arguments.pop(name) for name in kind._fields})
            function(**arguments, given=given)

        command.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
        return command

    return decorate
