"""`luma wait`: poll until done."""

from typing import Annotated

import typer

from luma_cli.cli import options
from luma_cli.cli.run_opening import make_plan, open_run, parse_finishing, show_results


@options.common
@options.reported
def wait(
    tasks: options.TaskArgument = None,
    output: options.Output = None,
    force: options.Force = False,
    interval: options.Interval = None,
    timeout: options.Timeout = None,
    audio: options.Audio = None,
    match: options.Match = None,
    as_delivered: options.AsDelivered = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.")] = False,
    parallel: options.Parallel = 4,
    model: options.TaskModel = None,
    listen: options.Listen = None,
    public_url: options.PublicUrl = None,
    on_done: options.OnDone = None,
    open_: options.Open = False,
) -> None:
    """Poll until tasks are done. Prints result links, or saved paths with -o, as they finish.

    Without TASK, every unfinished task of the journal. Ctrl-C only stops the waiting: the tasks go on.

    \b
    Examples:
      $ luma wait
      $ luma wait @last -o snow.mp4
      $ luma tasks --state generating | cut -f1 | luma wait - -o out/

    Exit codes: 0 2 4 5 6 8 9 10 11 130
    (luma help exit-codes)
    """
    from luma_cli.callbacks.wake import open_server_for, pace, see_through_with_callbacks
    from luma_cli.edits import outputs, refresh
    from luma_cli.edits.sources import task_references
    from luma_cli.edits.sources.task_references import parse_references
    from luma_cli.edits.sources.tasks import entries_to_wait_for
    from luma_cli.output.questions import read_words

    every = pace(listen, interval)
    with open_run(needs_journal=not tasks, on_done=on_done, model=model, names_clips=True) as run:
        plan = make_plan(
            run,
            interval=every,
            timeout=timeout,
            output=output,
            overwrite=force,
            finishing=(finishing := parse_finishing(run, audio, match, as_delivered)),
            finishes_again=force and any(finishing),
            fail_fast=fail_fast,
            parallel=parallel,
        )
        run = run.for_account()
        if not tasks:
            refresh.claim_own(run, run.journal.foreign_rows())
        words = read_words(tasks) if tasks else refresh.unfinished(run)
        references = parse_references(run, words)
        if not tasks:
            task_references.note_nothing_to_wait_for(run, references)
        outputs.check_output_for(run, plan, references)
        with open_server_for(run, [reference.task_id for reference in references], listen, public_url) as server:
            see_through_with_callbacks(run, plan, entries_to_wait_for(plan, references), server)
        show_results(run, opens=open_)
        run.results.conclude()
