"""`luma download`: save results."""

from typing import Annotated

import typer

from luma_cli.cli import options
from luma_cli.cli.run_opening import make_plan, open_run, parse_finishing, show_results
from luma_cli.errors import UsageError


@options.common
@options.reported
def download(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TASK|URL]...", help="Task id, prefix, @last, - for ids from stdin, or a result link."),
    ] = None,
    output: options.Output = None,
    force: options.Force = False,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Leave existing files alone.")] = False,
    audio: options.Audio = None,
    match: options.Match = None,
    as_delivered: options.AsDelivered = False,
    parallel: options.Parallel = 4,
    all_missing: Annotated[
        bool, typer.Option("--all-missing", help="Every finished task of the journal that is not saved yet.")
    ] = False,
    model: options.TaskModel = None,
    open_: options.Open = False,
) -> None:
    """Save the videos of finished tasks. Prints the paths; without TASK, those of the last one.

    A download is resumed where it broke off, checked, and only then given its name. The service names no checksum:
    what https does not protect on its way is protected by nothing. The default name holds the stem of the source and
    the beginning of the task id.

    \b
    Examples:
      $ luma download @last -o snow.mp4
      $ luma download --all-missing -o out/
      $ luma tasks --state succeeded --since 7d | cut -f1 | luma download - --skip-existing -o out/

    Exit codes: 0 2 4 5 6 7 8 9 11 130
    (luma help exit-codes)
    """
    from luma_cli.edits import outputs, refresh
    from luma_cli.edits.engine import see_through
    from luma_cli.edits.sources.task_references import parse_references
    from luma_cli.edits.sources.tasks import entries_to_save
    from luma_cli.output import streams
    from luma_cli.output.messages import note
    from luma_cli.output.questions import read_words

    if force and skip_existing:
        raise UsageError("both --force and --skip-existing are given", hint="use one of them")
    with open_run(needs_journal=all_missing, model=model) as run:
        plan = make_plan(
            run,
            output=output,
            saves=True,
            overwrite=force,
            skip_existing=skip_existing,
            finishes_again=force,
            only_saves=True,
            waits=False,
            parallel=parallel,
            finishing=parse_finishing(run, audio, match, as_delivered),
        )
        run = run.for_account()
        lost = refresh.refresh_unfinished(run) if all_missing else None
        words = read_words(sources if sources or all_missing else ["@last"])
        links = [word for word in words if "://" in word]
        words = [word for word in words if "://" not in word] + (refresh.missing(run) if all_missing else [])
        if lost is not None and not (words or links):
            raise lost  # nobody knows what has ended
        if all_missing and not words and streams.stdout_is_terminal():
            note("every finished task is saved")
        references = parse_references(run, words, len(links))
        outputs.check_output_for(run, plan, references, len(links))
        see_through(run, plan, entries_to_save(run, plan, references, links))
        show_results(run, opens=open_)
        run.results.conclude()
