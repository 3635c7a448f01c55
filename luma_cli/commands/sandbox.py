"""`luma sandbox`: the service's double on loopback."""

from typing import Annotated

import typer

from luma_cli import settings
from luma_cli.commands import options

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
    """Run a double of the service on this machine: no key, no money, no network.

    Without COMMAND it prints the lines to export and serves until it is stopped.
    """
    from luma_cli import playground

    server = playground.make_sandbox(port, 3.0 if duration is None else duration, scenario)
    if not command:
        return playground.serve(server)
    raise typer.Exit(playground.run(server, command))
