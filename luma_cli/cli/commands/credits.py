"""`luma credits`: the balance."""

from typing import Annotated

import typer

from luma_cli.cli import options
from luma_cli.cli.run_opening import open_run
from luma_cli.config import settings


@options.common
def credits(  # noqa: A001  the command's name
    least: Annotated[
        float | None,
        typer.Option("--min", parser=settings.parse_credits, metavar="N", help="Exit 10 when the balance is below N."),
    ] = None,
    spent: Annotated[bool, typer.Option("--spent", help="Print what the journal says was spent; asks nobody.")] = False,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="With --spent: since 7d, yesterday or 2026-11-01.")
    ] = None,
) -> None:
    """Print the balance in credits.

    \b
    Examples:
      $ luma credits
      $ luma credits --min 100 && luma modify clip.mp4 -p "Heavy rain"
      $ luma credits --spent --since 7d

    Exit codes: 0 2 4 7 10 11
    (luma help exit-codes)
    """
    from luma_cli.edits.budget import spent_since
    from luma_cli.errors import OutOfCredits, UsageError
    from luma_cli.output.streams import emit_value
    from luma_cli.output.tables import show_spent

    if since is not None and not spent:
        raise UsageError("--since goes with --spent", hint="luma credits --spent --since 7d")
    if spent and least is not None:
        raise UsageError("--min is about the balance, --spent about the journal", hint="use one of them")
    with open_run(needs_journal=spent) as run:
        if spent:
            show_spent(*spent_since(run, since))
            return
        balance = run.client.patiently(run.client.credits)
    emit_value("credits", balance, f"{balance:.12g}")
    if least is not None and balance < least:
        raise OutOfCredits(f"the balance is below {least:.12g}", hint="top up at https://kie.ai/pricing")
