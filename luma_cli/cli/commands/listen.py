"""`luma listen`: receive callbacks."""

from typing import Annotated

import typer

from luma_cli.cli import options
from luma_cli.cli.run_opening import open_run


@options.common
def listen(
    host: Annotated[str, typer.Option(metavar="HOST", help="Listen on this address of the machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="Listen here; 0: a free port.")] = 8080,
    public_url: options.PublicUrl = None,
    forward_to: Annotated[
        str | None, typer.Option(metavar="URL", help="Hand accepted callbacks on to this application.")
    ] = None,
    model: options.TaskModel = None,
) -> None:
    """Receive, verify and record callbacks. Prints one JSON line per task as tasks end.

    Each task is confirmed with the service first, since a callback's signature does not cover what it says. Runs
    until it is stopped.

    \b
    Examples:
      $ luma listen --port 8080 --public-url https://hooks.example.net/luma >> ended.jsonl
      $ luma listen --port 8081 --forward-to http://127.0.0.1:3000/luma

    Exit codes: 0 2 4 11 129 130 143
    (luma help exit-codes)
    """
    from luma_cli.callbacks.listen import listen as receive

    with open_run(prints_json=True, model=model) as run:
        receive(run, host, port, public_url, forward_to)
