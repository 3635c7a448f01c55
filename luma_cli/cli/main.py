"""The command tree, and the one place where errors become exit codes."""

import importlib
import os
import signal
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
import typer.core

from luma_cli import __version__, signals
from luma_cli.api.redaction import scrub_links
from luma_cli.cli import options
from luma_cli.cli.groups import MIN_RICH_WIDTH, NARROW_HELP, STYLE, check_command
from luma_cli.cli.run_opening import Invocation, invocation
from luma_cli.config.environment import debug_is_on, environment_without_keys
from luma_cli.errors import Declined, FileError, LumaError, UsageError, reason
from luma_cli.output import messages, streams
from luma_cli.signals import Stopped

if TYPE_CHECKING:
    from luma_cli.edits.run import Clock

# In the order of the help. Each is a module of cli/commands, with a function of that name or an `app` of its own.
COMMANDS = (
    "modify",
    "redo",
    "status",
    "wait",
    "download",
    "open",
    "batch",
    "tasks",
    "config",
    "upload",
    "credits",
    "listen",
    "report",
    "sandbox",
    "completion",
    "help",
)

# Their submissions cost credits: when they are stopped, it is said whether there was one.
PAID_COMMANDS = ("modify", "redo", "batch")
SIGNAL_WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "terminal closed"}


class LazyGroup(typer.core.TyperGroup):
    """Loads a command's module when the command is named."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        check_command(args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        module = importlib.import_module(f"luma_cli.cli.commands.{cmd_name}")
        if (own := getattr(module, "app", None)) is None:
            own = typer.Typer(**STYLE)
            own.command()(getattr(module, cmd_name))
        command = typer.main.get_command(own)
        command.name = cmd_name
        return command


app = typer.Typer(cls=LazyGroup, **STYLE)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        streams.emit(f"luma {__version__}")
        raise typer.Exit


@app.callback(context_settings={"help_option_names": ["-h", "--help"], **NARROW_HELP})
@options.common
def root(
    version: Annotated[
        bool, typer.Option("-V", "--version", help="Print the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Edit videos with words: kie.ai's Luma Modify Video from a terminal, a script or a CI step."""


def main(argv: Sequence[str], clock: "Clock | None" = None) -> int:
    """Run one command line and return its exit code. SIGINT is raised again, so that a shell loop stops too."""
    here = Invocation(clock)
    invocation.set(here)
    streams.reset()
    streams.open_streams()
    signals.install(environment_without_keys({}))
    try:
        return _leave(_run(argv))
    except Stopped as stop:
        signals.let_go()
        _leave(128 + stop.signum)
        return _stop(stop.signum, argv)
    except BrokenPipeError:
        streams.abandon_stdout()
        messages.show_running(here.results)
        return leave(128 + 13)
    finally:
        signals.uninstall()


def leave(code: int) -> NoReturn:
    """End the process, all of whose output is written and all of whose files are closed.

    Python would take itself down piece by piece, which costs a tenth of the whole `luma status` (measured), and would
    wait for downloads that an error has left behind on a slow server.
    """
    streams.flush()
    os._exit(code)


def _run(argv: Sequence[str]) -> int:
    try:
        if _wants_overview(argv):
            from luma_cli.cli.help_topics import load_text

            streams.emit_document(load_text("topics/overview.txt"))
            return 0
        # Typer hands the exit code of `typer.Exit` back as the result when it is not standalone.
        # `complete_var`: the completion that Typer brings is not ours, and its variable must not wake it.
        code = app(args=_words(argv), prog_name="luma", standalone_mode=False, complete_var="")
        streams.settle()
        return code if isinstance(code, int) else 0
    except UsageError as error:
        return _misused(error, argv)
    except LumaError as error:
        return _fail(error)
    except typer.Abort:
        return _fail(Declined("nothing was done: no answer"))
    except typer.TyperException as error:
        return _misused(UsageError(error.format_message(), hint=_help_hint(argv, error)), argv)
    except BrokenPipeError:
        raise
    except SystemExit as error:
        # Typer makes exit 1 of a closed pipe, whatever mode it is in.
        if isinstance(error.__context__, BrokenPipeError):
            raise error.__context__ from None
        raise
    except Exception as error:  # noqa: BLE001  the last line of defence: no traceback reaches a user
        return _fail(_internal(error))


def _wants_overview(argv: Sequence[str]) -> bool:
    """A person who types `luma` alone; a pipe gets the help whatever the terminal."""
    return not argv and streams.stdout_is_terminal() and streams.width() >= MIN_RICH_WIDTH


def _words(argv: Sequence[str]) -> list[str]:
    """What is meant by no words at all, and by `help COMMAND`, as git has it."""
    words = list(argv) or ["--help"]
    named = [word for word in words if not word.startswith("-")]
    if named[:1] == ["help"] and set(named[1:2]) & set(COMMANDS):
        words.remove("help")
        return [*words, "--help"]
    return words


def _misused(error: UsageError, argv: Sequence[str]) -> int:
    _look_for_modes(argv)
    return _fail(error)


def _look_for_modes(argv: Sequence[str]) -> None:
    """A command line that was not understood, or not read any more, has set no mode."""
    words = list(argv)
    typed = words[: words.index("--") if "--" in words else None]
    streams.configure(as_json="--json" in typed)
    streams.configure(github="--github" in typed)


def _leave(code: int) -> int:
    """What is left behind at the end, whatever it was; the exit code."""
    streams.ring()
    if not streams.mode.github:
        return code
    from luma_cli.edits.run import Results
    from luma_cli.output import github_actions

    try:
        here = invocation.get()
        github_actions.write_step(here.results or Results(), code, here.error)
    except FileError as error:
        return code or _fail(error)
    return code


def _fail(error: LumaError) -> int:
    if debug_is_on():
        # Signed links carry their secret in the query; exceptions quote links whole.
        messages.show_traceback(scrub_links(traceback.format_exc()))
    messages.show_error(error)
    invocation.get().error = error
    return error.exit_code


def _internal(error: Exception) -> LumaError:
    if isinstance(error, OSError):
        try:
            streams.settle()  # Typer's help goes there past our own hands
        except FileError as own_error:
            return own_error
        where = f"{error.filename}: " if isinstance(error.filename, str) else ""
        return FileError(f"{where}{reason(error)}", hint=_go_on())
    return LumaError(
        f"internal error: {type(error).__name__}", hint=_go_on() or "run again with LUMA_DEBUG=1 and report it"
    )


def _go_on() -> str | None:
    """The command that waits for tasks that were submitted, if there are any."""
    results = invocation.get().results
    return f"the tasks go on: {results.wait_command()}" if results is not None and results.running else None


def _help_hint(argv: Sequence[str], error: typer.TyperException) -> str:
    dashed = next((word for word in argv if word.startswith("-") and os.path.isfile(word)), None)
    if dashed is not None:
        return f"for the file of that name: ./{dashed}"
    context = getattr(error, "ctx", None)  # there is none where an option lacks its value
    path = context.command_path if context is not None else f"luma {_command_of(argv) or ''}".strip()
    return f"{path} --help"


def _command_of(argv: Sequence[str]) -> str | None:
    return next((word for word in argv if word in COMMANDS), None)


def _stop(signum: int, argv: Sequence[str]) -> int:
    name = signal.Signals(signum).name
    _look_for_modes(argv)
    is_paid = _command_of(argv) in PAID_COMMANDS
    messages.show_stop(SIGNAL_WORDS.get(name, name), 128 + signum, invocation.get().results, is_paid=is_paid)
    if name == "SIGINT" and os.name == "posix":
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
    return leave(128 + signum)
