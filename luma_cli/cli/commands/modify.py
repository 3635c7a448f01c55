"""`luma modify`: submit edits."""

from typing import Annotated

import typer

from luma_cli.cli.commands import options

app = typer.Typer(**options.STYLE)


@app.command(cls=options.StartIsOptional)
@options.common
@options.reported
def modify(
    videos: Annotated[
        list[str], typer.Argument(metavar="VIDEO...", help="A public http(s) link, a local file, or a task (@last).")
    ],
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
    """Submit one edit for each VIDEO and print the task id(s).

    A local file is uploaded to kie.ai's temporary store first; of a task the result is edited again. With several
    prompts or takes every VIDEO is edited with each of them. Every submission costs credits; it is written to the
    journal before it is sent, and never sent twice. Before that, prompt and clips are checked: what kie.ai would surely
    refuse is an error and nothing is sent, what is only doubtful is a warning.

    \b
    Examples:
      $ luma modify clip.mp4 -p "Heavy snow falls at night" -o snow.mp4
      $ luma modify a.mp4 b.mp4 -p "Oil painting" -p "Watercolor" --takes 2 -o out/
      $ luma modify @last -p "Make it rain" -o rain.mp4
      $ id=$(luma modify clip.mp4 -F prompt.txt --idempotency-key auto)

    Exit codes: 0 2 3 4 5 6 7 8 9 10 11 12 130
    (luma help exit-codes)
    """
    from luma_cli.callbacks.wake import open_server, pace
    from luma_cli.edits.sources import command_line
    from luma_cli.edits.sources.command_line import Asked, make_requests
    from luma_cli.output.questions import ask_prompts

    waits = bool(wait or output or listen or on_done or open_)
    kept = not dry_run
    with options.open_run(needs_journal=kept, keeps_journal=kept, prints_ids=not waits, on_done=on_done) as run:
        options.check_daily_limit(run)
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
        texts = ask_prompts(prompts, prompt_file, run.settings.prompt)
        options.check_key(idempotency_key)
        row, values = options.choose_model(run, model, setting)
        texts_of = (watermark, server.callback_url, row, values, trim, takes, idempotency_key, resubmit)
        asked = Asked(*texts_of, finishing, fit, split or redo_piece is not None, redo_piece)
        run = command_line.with_account(run)
        requests = make_requests(run.settings, command_line.find_clips(run, videos), texts, asked)
        requests = command_line.make_ready(run, plan, requests, skips_checks=no_check, is_strict=strict, makes=kept)
        options.carry_out(run, plan, requests, server, dry_run=dry_run, opens=open_)
