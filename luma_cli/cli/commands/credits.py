"""`luma credits`: the balance."""

from typing import Annotated

import typer

from luma_cli.cli.commands import options

app = typer.Typer(**options.STYLE)


@app.command()
@options.common
def credits(  # noqa: A001  the command's name
    least: Annotated[
        float | None,
        typer.Option("--min", parser=options.parse_credits, metavar="N", help="Exit 10 when the balance is below N."),
    ] = None,
) -> None:
    """Print the balance in credits.

    \b
    Examples:
      $ luma credits
      $ luma credits --min 100 && luma modify clip.mp4 -p "Heavy rain"

    Exit codes: 0 2 4 7 10
    (luma help exit-codes)
    """
    from luma_cli.errors import OutOfCredits
    from luma_cli.output.streams import emit_value

    with options.open_run() as run:
        balance = run.client.patiently(run.client.credits)
    emit_value("credits", balance, f"{balance:.12g}")
    if least is not None and balance < least:
        raise OutOfCredits(f"the balance is below {least:.12g}", hint="top up at https://kie.ai/pricing")
