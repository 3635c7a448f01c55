"""`luma help`: topics that belong to no single command."""

from typing import Annotated

import typer

from luma_cli.cli import options


@options.common
def help(  # noqa: A001  the command's name
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="[COMMAND|environment|exit-codes|json|ci|prompts|models|sandbox]", help="What to explain."
        ),
    ] = None,
) -> None:
    """Explain a command, exit codes, prompts, models, CI and more.

    \b
    Examples:
      $ luma help
      $ luma help exit-codes
      $ luma help json --json > luma.schema.json

    Exit codes: 0 2
    (luma help exit-codes)
    """
    from luma_cli.cli import help_topics
    from luma_cli.output import streams

    if streams.wants_json():
        streams.emit_json(help_topics.members(topic))
        return
    for line in help_topics.text(topic).splitlines():
        streams.emit(line)
