"""`luma batch`: many edits from one file."""

from typing import Annotated

import typer

from luma_cli.cli.commands import options
from luma_cli.cli.commands.options import AsDelivered, Audio, Force, Interval, Match, OnDone, Parallel, Timeout

app = typer.Typer(**options.STYLE)


@app.command()
@options.common
@options.reported
def batch(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSONL or CSV: prompt, video, watermark, output, id.")],
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="DIR", help="Save the videos in that folder.")
    ] = None,
    force: Force = False,
    interval: Interval = None,
    timeout: Timeout = None,
    parallel: Parallel = 4,
    audio: Audio = None,
    match: Match = None,
    as_delivered: AsDelivered = False,
    max_active: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most N tasks run at once.")] = None,
    max_credits: Annotated[
        float | None, typer.Option(parser=options.parse_credits, metavar="N", help="Spend at most N credits.")
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Submit nothing more after a failure.")] = False,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Only every Nth row, by a hash of its id.")] = None,
    no_check: Annotated[bool, typer.Option("--no-check", help="Send without looking at prompts and clips.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Take what is only doubtful for wrong.")] = False,
    on_done: OnDone = None,
) -> None:
    """Make the edits of a file. Prints one JSON line per row as it ends; run again, it goes on where it stopped.

    A row is known by its id (made of its content where it has none), prompt, clip and watermark: what was submitted
    before is not paid again, but awaited, saved or told. A row that was refused is submitted again; to redo one that
    failed give it another id, or use luma tasks forget. With -o every video is saved in that folder, under the row's
    output where it has one; without, and where a row has no output, its links are told.

    Submissions are spaced to 20 in 10 s, together with those of other processes that share the journal, and a rate
    limit that others use up is ridden out. The timeout counts from the last submission. --max-credits compares the
    balance before with the balance after the first task and after every tenth: what a task costs is not known before
    the first, and what others spend on the account counts too. Each run
    counts anew. What it keeps back is not submitted: exit code 10, or 9 where other rows were.

    \b
    Examples:
      $ luma batch edits.jsonl -o out/
      $ luma batch edits.csv --max-credits 5000 --max-active 50 -o out/
      $ luma batch edits.jsonl --shard 1/4 -o out/ >> done.jsonl

    Exit codes: 0 2 4 5 6 7 8 9 10 11 12 130
    (luma help exit-codes)
    """
    from luma_cli.edits.engine import see_through
    from luma_cli.edits.manifest import load_rows, make_entries, parse_shard
    from luma_cli.edits.save import check_results_folder
    from luma_cli.edits.submit import claim_own_tasks
    from luma_cli.output.questions import read_text

    part = parse_shard(shard) if shard is not None else None
    text = read_text(file, maximum=64 << 20)
    with options.open_run(needs_journal=True, on_done=on_done) as run:
        rows = load_rows(run, file, text)
        folder = check_results_folder(output or run.settings.output_dir)
        plan = options.make_plan(
            run,
            interval=interval,
            timeout=timeout,
            output=folder,
            overwrite=force,
            finishing=options.parse_finishing(run, audio, match, as_delivered),
            fail_fast=fail_fast,
            parallel=parallel,
            max_active=max_active,
            max_credits=max_credits,
            skips_checks=no_check,
            is_strict=strict,
            rides_out_limits=True,
        )
        entries = make_entries(run.settings, rows, folder, part)
        run.results.count = len(entries)
        run = run.for_account()
        claim_own_tasks(run, [entry.request for entry in entries if entry.request is not None])
        see_through(run, plan, entries)
        run.results.conclude()
