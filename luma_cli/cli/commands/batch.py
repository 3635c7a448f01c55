"""`luma batch`: many edits from one file."""

import functools
from typing import Annotated

import typer

from luma_cli.cli import options
from luma_cli.cli.run_opening import check_daily_limit, make_plan, open_run, parse_finishing
from luma_cli.config.environment import expand_home


@options.common
@options.reported
def batch(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", parser=expand_home, help="JSONL or CSV, with the columns named below.")
    ],
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="DIR", parser=expand_home, help="Save the videos in that folder."),
    ] = None,
    force: options.Force = False,
    interval: options.Interval = None,
    timeout: options.Timeout = None,
    parallel: options.Parallel = 4,
    audio: options.Audio = None,
    match: options.Match = None,
    as_delivered: options.AsDelivered = False,
    max_active: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most N tasks run at once.")] = None,
    max_credits: options.MaxCredits = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Submit nothing more after a failure.")] = False,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Only every Nth row, by a hash of its id.")] = None,
    no_check: options.NoCheck = False,
    strict: options.Strict = False,
    on_done: options.OnDone = None,
    resubmit: Annotated[
        bool, typer.Option("--resubmit", help="Submit also the rows whose submission has an unknown outcome.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Check the rows, say what they would cost, send nothing.")
    ] = False,
) -> None:
    """Make the edits of a file. Prints one JSON line per row as it ends; run again, it goes on where it stopped.

    Columns, or keys of JSONL: prompt, video; and as far as needed watermark, output, id, takes (1 to 1000), trim,
    audio, match, fit, split, model, set (NAME=VALUE;NAME=VALUE, in JSONL an object). CSV may have commas, semicolons or
    tabs. With split, which needs output, a clip that is too long for one edit is edited in pieces; its line has them
    all.

    A row is known by its id (made of its content where it has none), prompt, clip and watermark: what was submitted
    before is not paid again, but awaited, saved or reported. A row that was refused is submitted again; to redo one
    that failed give it another id, or use luma tasks forget. With -o every video is saved in that folder, under the
    row's output if it has one; without, and if a row has no output, its links are reported.

    Submissions are spaced to 20 in 10 s, together with those of other processes that share the journal, and a rate
    limit that others use up is ridden out. The timeout counts from the last submission. --max-credits counts what this
    run has submitted at what it has cost, and until that is seen at what such edits have cost lately; if nobody knows,
    one row goes first. What it keeps back is not submitted: exit code 10, or 9 if other rows were.

    \b
    Examples:
      $ luma batch edits.jsonl -o out/
      $ luma batch edits.csv --max-credits 5000 --max-active 50 -o out/
      $ luma batch edits.csv --dry-run
      $ luma batch edits.jsonl --shard 1/4 -o out/ >> done.jsonl

    Exit codes: 0 2 4 5 6 7 8 9 10 11 12 130
    (luma help exit-codes)
    """
    from luma_cli.edits.engine import see_through
    from luma_cli.edits.outputs import check_results_folder
    from luma_cli.edits.sources.command_line import look_up_entries, with_account
    from luma_cli.edits.sources.dry_run import show_entries
    from luma_cli.edits.sources.manifest import count_entries, make_entries, parse_shard
    from luma_cli.edits.sources.manifest_rows import load_rows
    from luma_cli.edits.sources.task_clips import find_task_clip
    from luma_cli.output.questions import read_bytes

    part = parse_shard(shard) if shard is not None else None
    content = read_bytes(file, maximum=64 << 20)
    with open_run(needs_journal=not dry_run, keeps_journal=not dry_run, on_done=on_done) as run:
        check_daily_limit(run)
        rows = load_rows(run, file, content, output or run.settings.output_dir, is_sent=not dry_run)
        folder = check_results_folder(output or run.settings.output_dir, makes=not dry_run)
        plan = make_plan(
            run,
            interval=interval,
            timeout=timeout,
            output=folder,
            overwrite=force,
            finishing=parse_finishing(run, audio, match, as_delivered),
            fail_fast=fail_fast,
            parallel=parallel,
            max_active=max_active,
            max_credits=max_credits,
            skips_checks=no_check,
            is_strict=strict,
            rides_out_limits=True,
        )
        run = with_account(run) if dry_run else run.for_account()
        find_task = functools.partial(find_task_clip, run)
        entries = make_entries(run.settings, rows, folder, part, resubmit=resubmit, find_task=find_task)
        count_entries(run, entries, shard)
        look_up_entries(run, entries)
        if dry_run:
            show_entries(run, plan, entries)
            return
        see_through(run, plan, entries)
        run.results.conclude()
