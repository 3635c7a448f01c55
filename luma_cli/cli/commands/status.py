"""`luma status`: ask once."""

from typing import Annotated

import typer

from luma_cli.cli.commands import options
from luma_cli.cli.commands.options import TaskArgument

app = typer.Typer(**options.STYLE)


@app.command()
@options.common
def status(
    tasks: TaskArgument = None,
    exit_status: Annotated[
        bool, typer.Option("--exit-status", help="Exit 5 for a failed task and 8 for one still generating.")
    ] = False,
    cached: Annotated[bool, typer.Option("--cached", help="From the journal, without the network.")] = False,
) -> None:
    """Ask once how tasks stand; without TASK, the last one.

    In a pipe each line holds task id, state, creation time and result link, separated by tabs.

    \b
    Examples:
      $ luma status
      $ luma status @2 --json
      $ luma status @last --exit-status

    Exit codes: 0 2 4 5 6 7 8 9
    """
    from luma_cli.edits import refresh, task_references
    from luma_cli.edits.plan import judge, tell_failed
    from luma_cli.output import tables

    journal = options.open_journal()
    goals, outcomes = task_references.parse_goals(task_references.read_references(tasks or ["@last"]), journal)
    found = refresh.remember(goals, journal) if cached else refresh.ask(goals, options.connect(), journal, outcomes)
    tables.show_tasks(found, journal.median_duration())
    if exit_status:
        judge(found, outcomes)
    else:
        tell_failed(found)
    outcomes.conclude()
