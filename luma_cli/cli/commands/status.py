"""`luma status`: ask once."""

from typing import Annotated

import typer

from luma_cli.cli import options
from luma_cli.cli.run_opening import open_run


@options.common
def status(
    tasks: options.TaskArgument = None,
    exit_status: Annotated[
        bool, typer.Option("--exit-status", help="Exit 5 for a failed task and 8 for one still generating.")
    ] = False,
    model: options.TaskModel = None,
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
    (luma help exit-codes)
    """
    from luma_cli.edits import refresh
    from luma_cli.edits.sources.task_references import parse_references
    from luma_cli.output.questions import read_words
    from luma_cli.output.tables import show_tasks, warn_of_unsaved

    with open_run(model=model) as run:
        run = run if cached else run.for_account()
        task_ids = [reference.task_id for reference in parse_references(run, read_words(tasks or ["@last"]))]
        found = refresh.remember(run, task_ids) if cached else refresh.refresh(run, task_ids)
        show_tasks(found, refresh.usual_duration(run, (task.model for task in found)))
        warn_of_unsaved(run.journal, run.clock.now())
        refresh.report_failures(run, found, are_ours=exit_status)
        run.results.conclude()
