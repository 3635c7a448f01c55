"""`luma wait`: poll until done."""

from typing import Annotated

import typer

from luma_cli.cli.commands import options
from luma_cli.cli.commands.options import Force, Interval, Listen, Output, Parallel, PublicUrl, TaskArgument, Timeout

app = typer.Typer(**options.STYLE)


@app.command()
@options.common
@options.reported
def wait(
    tasks: TaskArgument = None,
    output: Output = None,
    force: Force = False,
    interval: Interval = None,
    timeout: Timeout = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.")] = False,
    parallel: Parallel = 4,
    listen: Listen = None,
    public_url: PublicUrl = None,
) -> None:
    """Poll until tasks are done. Prints result links, or saved paths with -o, as they finish.

    Without TASK, every unfinished task of the journal. Ctrl-C only stops the waiting: the tasks go on.

    \b
    Examples:
      $ luma wait
      $ luma wait @last -o snow.mp4
      $ luma tasks --state generating | cut -f1 | luma wait - -o out/

    Exit codes: 0 2 4 5 6 8 9 10 11 130
    """
    from luma_cli.callbacks import wake
    from luma_cli.edits import follow, refresh, save, task_references
    from luma_cli.output import streams

    plan = options.plan(
        interval=wake.pace(listen, interval),
        timeout=timeout,
        place=output,
        force=force,
        fail_fast=fail_fast,
        parallel=parallel,
    )
    journal, client = options.open_journal(needed=not tasks), options.connect()
    words = task_references.read_references(tasks) if tasks else refresh.unfinished(journal, client.base_url)
    goals, outcomes = task_references.parse_goals(words, journal)
    if not goals and not tasks:
        streams.note("there is no task to wait for")
    if not tasks and (lost := journal.unsettled()):
        streams.warn(f"{len(lost)} submission(s) of unknown outcome: luma tasks --state unknown")
    save.check_output(plan, len(goals), lambda: save.saved_paths(journal, [goal.task_id for goal in goals]))
    with wake.open_ear_for((goal.task_id for goal in goals), journal, listen, public_url) as ear:
        follow.finish(goals, client, journal, plan, outcomes, ear.inbox)
    outcomes.conclude()
