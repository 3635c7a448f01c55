"""`luma open`: show a result."""

from typing import Annotated

import typer

from luma_cli.cli import options
from luma_cli.cli.run_opening import open_run


@options.common
def open(  # noqa: A001  the command's name
    task: Annotated[str, typer.Argument(metavar="[TASK]", help="Task id, unique prefix, @last or @2.")] = "@last",
) -> None:
    """Show a task's saved file, else its link. The platform's viewer opens it.

    \b
    Examples:
      $ luma open
      $ luma open @2

    Exit codes: 0 2 4 5 6 7 8 11
    """
    from luma_cli.cli import viewer
    from luma_cli.edits.sources import task_references
    from luma_cli.output import streams

    with open_run() as run:
        for target in task_references.find_to_show(run, task):
            viewer.show(target)
            if streams.wants_json():
                streams.emit_json({"opened": target})
