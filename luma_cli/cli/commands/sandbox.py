"""`luma sandbox`: the service's double on loopback."""

from typing import Annotated

import typer

from luma_cli.cli.commands import options
from luma_cli.config import settings
from luma_cli.errors import UsageError

app = typer.Typer(**options.STYLE)


@app.command(context_settings={"allow_interspersed_args": False})
@options.common
def sandbox(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="Run this against the sandbox, then end.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Listen here; 0 picks a free port.")] = 0,
    duration: Annotated[
        float | None,
        typer.Option(metavar="DURATION", parser=settings.parse_duration, help="How long a task takes [3s]."),
    ] = None,
    scenario: Annotated[str, typer.Option(metavar="NAME", help="What the service does.")] = "ok",
) -> None:
    """Run a double of the service on this machine. It needs no key, no money, no network.

    Without COMMAND it prints the lines to export and serves until it is stopped. Beside a running one,
    `luma sandbox trigger TASK` sends one callback by hand.

    \b
    Examples:
      $ luma sandbox -- luma modify clip.mp4 -p "Heavy rain" -o rain.mp4
      $ luma sandbox --duration 1s --scenario flag4 -- luma modify clip.mp4 -p "Heavy rain" -w

    The exit code is the command's own. Without a command it ends by a signal.

    Exit codes: 0 2 11 130 143
    """
    from luma_cli.cli import sandbox_runner
    from luma_cli.edits import task_references

    if command and command[0] == "trigger":
        if len(command) != 2:
            raise UsageError("trigger needs one TASK", hint="luma sandbox trigger @last")
        goals, outcomes = task_references.parse_goals(command[1:], options.open_journal())
        outcomes.conclude()
        return sandbox_runner.trigger(goals[0].task_id)

    server = sandbox_runner.make_sandbox(port, 3.0 if duration is None else duration, scenario)
    if not command:
        return sandbox_runner.serve(server)
    raise typer.Exit(sandbox_runner.run(server, command))
