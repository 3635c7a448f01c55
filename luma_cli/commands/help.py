"""`luma help`: topics that belong to no single command."""

from typing import Annotated

import typer

from luma_cli.commands import options

app = typer.Typer(**options.STYLE)


@app.command()
@options.common
def help(  # noqa: A001  the command's name
    topic: Annotated[
        str | None, typer.Argument(metavar="[environment|exit-codes|json|ci]", help="What to explain.")
    ] = None,
) -> None:
    """Explain exit codes, environment, JSON output and use in CI.

    \b
    Examples:
      $ luma help
      $ luma help exit-codes
      $ luma help json --json > luma.schema.json

    Exit codes: 0 2
    """
    from luma_cli import output, topics

    if output.wants_json():
        output.answer_json(topics.members(topic))
        return
    for line in topics.text(topic).splitlines():
        output.answer(line)
