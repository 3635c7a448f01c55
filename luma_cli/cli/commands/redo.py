"""`luma redo`: submit an edit once more."""

from typing import Annotated

import typer

from luma_cli.cli.commands import options

app = typer.Typer(**options.STYLE)


@app.command(cls=options.StartIsOptional)
@options.common
@options.reported
def redo(
    task: Annotated[
        str, typer.Argument(metavar="[TASK|RECIPE]", help="Task id, prefix, @last, @2, or a recipe like snow.mp4.json.")
    ] = "@last",
    prompts: options.Prompts = None,
    prompt_file: options.PromptFile = None,
    takes: options.Takes = 1,
    model: options.ModelName = None,
    setting: options.Setting = None,
    audio: options.Audio = None,
    match: options.Match = None,
    fit: options.Fit = False,
    split: options.Split = False,
    redo_piece: options.RedoPiece = None,
    keep_pieces: options.KeepPieces = False,
    as_delivered: options.AsDelivered = False,
    watermark: options.Watermark = None,
    callback_url: options.CallbackUrl = None,
    wait: options.Wait = False,
    output: options.Output = None,
    force: options.Force = False,
    interval: options.Interval = None,
    timeout: options.Timeout = None,
    no_check: options.NoCheck = False,
    strict: options.Strict = False,
    trim: options.TrimTo = None,
    max_credits: options.MaxCredits = None,
    dry_run: options.DryRun = False,
    idempotency_key: options.IdempotencyKey = None,
    resubmit: options.Resubmit = False,
    listen: options.Listen = None,
    public_url: options.PublicUrl = None,
    on_done: options.OnDone = None,
    recipe: options.Recipe = False,
    open_: options.Open = False,
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
    from luma_cli.callbacks.wake import open_server, pace
    from luma_cli.edits.sources import command_line
    from luma_cli.edits.sources.redo import Changes, find_made, make_redo
    from luma_cli.output.questions import ask_prompts

    options.check_journal("luma redo")
    waits = bool(wait or output or listen or on_done or open_)
    kept = not dry_run
    with options.open_run(needs_journal=True, prints_ids=not waits, on_done=on_done) as run:
        server = open_server(run, listen, public_url, callback_url)
        finishing = options.parse_finishing(run, audio, match, as_delivered)
        plan = options.make_plan(
            run,
            interval=pace(listen, interval),
            timeout=timeout,
            output=output,
            overwrite=force,
            waits=waits,
            paid=True,
            finishing=finishing,
            max_credits=max_credits,
            writes_recipe=recipe or run.settings.recipe,
            keeps_pieces=keep_pieces,
        )
        texts = ask_prompts(prompts, prompt_file, run.settings.prompt) if prompts or prompt_file else ()
        how = (trim, takes, idempotency_key, resubmit, finishing, fit, split or redo_piece is not None, redo_piece)
        changes = Changes(texts, watermark, server.callback_url, model, setting or (), *how)
        run = run.for_account()
        requests = make_redo(run, find_made(run, task), changes)
        requests = command_line.make_ready(run, plan, requests, skips_checks=no_check, is_strict=strict, makes=kept)
        options.carry_out(run, plan, requests, server, dry_run=dry_run, opens=open_)
