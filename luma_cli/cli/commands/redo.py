"""`luma redo`: submit an edit once more."""

from typing import Annotated

import typer

from luma_cli.cli import options
from luma_cli.cli.edit_options import EditOptions
from luma_cli.cli.groups import STYLE, StartIsOptional
from luma_cli.cli.run_opening import need_journal

app = typer.Typer(**STYLE)


@app.command(cls=StartIsOptional)
@options.common
@options.reported
@options.takes(EditOptions)
def redo(
    *,
    task: Annotated[
        str, typer.Argument(metavar="[TASK|RECIPE]", help="Task id, prefix, @last, @2, or a recipe like snow.mp4.json.")
    ] = "@last",
    given: EditOptions,
) -> None:
    """Submit the edit of a task once more. It is a new task; the earlier take stays.

    Source, prompt, watermark, trim, fit, model, its settings, sound and match are the same, unless options say
    otherwise. A local source is taken from its path if it has not changed since, else from its uploaded link while that
    lives; changed bytes are never sent in its name. Of a clip that was edited in pieces all are made again: the cost is
    said, and a terminal is asked. The idempotency key or batch row of a task that failed passes to its redo.

    \b
    Examples:
      $ luma redo -o again.mp4
      $ luma redo @2 -p "Light snow falls at night" -w
      $ luma redo snow.mp4.json --takes 3 -o out/

    Exit codes: 0 2 3 4 5 6 7 8 9 10 11 12 130
    """
    from luma_cli.edits.sources.redo import find_made, make_redo

    need_journal("luma redo")
    with given.open_run(needs_journal=True) as run:
        plan, server, asked = given.settle(run, needs_prompt=False)
        run = run.for_account()
        given.carry_out(run, plan, server, make_redo(run, find_made(run, task), asked))
