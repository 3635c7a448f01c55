"""`luma modify`: submit edits."""

from typing import Annotated, Any

import typer
import typer.core

from luma_cli.cli.commands import options
from luma_cli.cli.commands.options import AsDelivered, Audio, Force, Interval, Listen, Match, Output, PublicUrl, Timeout
from luma_cli.video.trim_range import Trim, parse_trim

app = typer.Typer(**options.STYLE)


class StartIsOptional(typer.core.TyperCommand):
    """`--trim` alone begins at 0: what follows it is its value only where that is a time."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, options.with_default(args, "--trim", "0"))


@app.command(cls=StartIsOptional)
@options.common
@options.reported
def modify(
    videos: Annotated[list[str], typer.Argument(metavar="VIDEO...", help="A public http(s) link, or a local file.")],
    prompt: Annotated[str | None, typer.Option("-p", "--prompt", metavar="TEXT", help="What to change.")] = None,
    prompt_file: Annotated[
        str | None, typer.Option("-F", "--prompt-file", metavar="FILE|-", help="Read the prompt from a file or stdin.")
    ] = None,
    audio: Audio = None,
    match: Match = None,
    as_delivered: AsDelivered = False,
    watermark: Annotated[str | None, typer.Option(metavar="TEXT", help="Passed to the service.")] = None,
    callback_url: Annotated[str | None, typer.Option(metavar="URL", help="Passed to the service.")] = None,
    wait: Annotated[
        bool, typer.Option("-w", "--wait", help="Wait; print the result link(s) instead of the id.")
    ] = False,
    output: Output = None,
    force: Force = False,
    interval: Interval = None,
    timeout: Timeout = None,
    no_check: Annotated[bool, typer.Option("--no-check", help="Send without looking at prompt and clip.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Take what is only doubtful for wrong.")] = False,
    trim: Annotated[
        Trim | None,
        typer.Option(metavar="[START[-END]]", parser=parse_trim, help="Cut a local clip to the model's length [0s]."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("-n", "--dry-run", help="Print the request, send nothing.")] = False,
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="Continue the task that has this key instead of paying again; auto derives it."
        ),
    ] = None,
    resubmit: Annotated[
        bool, typer.Option("--resubmit", help="Submit although an identical submission has an unknown outcome.")
    ] = False,
    listen: Listen = None,
    public_url: PublicUrl = None,
) -> None:
    """Submit one edit for each VIDEO and print the task id(s).

    A local file is uploaded to kie.ai's temporary store first. Every submission costs credits; it is written to the
    journal before it is sent, and never sent twice. Before that, prompt and clips are checked: what kie.ai would surely
    refuse is an error and nothing is sent, what is only doubtful is a warning.

    \b
    Examples:
      $ luma modify clip.mp4 -p "Heavy snow falls at night" -o snow.mp4
      $ luma modify a.mp4 b.mp4 -p "Oil painting" -o out/
      $ id=$(luma modify clip.mp4 -F prompt.txt --idempotency-key auto)

    Exit codes: 0 2 3 4 5 6 7 8 9 10 11 12 130
    """
    from luma_cli.callbacks.wake import open_server, pace, see_through_with_callbacks
    from luma_cli.edits.request import make_requests
    from luma_cli.edits.submit import check_targets, entries_for, prepare, refuse_repeats, show_requests, with_account
    from luma_cli.output.questions import ask_prompt

    waits = wait or output is not None or listen is not None
    with options.open_run(needs_journal=not dry_run, keeps_journal=not dry_run, prints_ids=not waits) as run:
        server = open_server(run, listen, public_url, callback_url)
        every = pace(listen, interval)
        finishing = options.parse_finishing(run, audio, match, as_delivered)
        plan = options.make_plan(
            run,
            interval=every,
            timeout=timeout,
            output=output,
            overwrite=force,
            waits=waits,
            paid=True,
            finishing=finishing,
        )
        text = ask_prompt(prompt, prompt_file)
        options.check_key(idempotency_key)
        asked = {"watermark": watermark, "callback_url": server.callback_url, "key": idempotency_key}
        requests = make_requests(run.settings, videos, text, resubmit=resubmit, trim=trim, finishing=finishing, **asked)
        run = with_account(run)
        requests = prepare(run, requests, skips_checks=no_check, is_strict=strict)
        check_targets(run, plan, requests, makes=not dry_run)
        if dry_run:
            show_requests(run, requests)
            return
        run.connect()
        refuse_repeats(run, requests)
        with server:
            see_through_with_callbacks(run, plan, entries_for(plan, requests), server)
        run.results.conclude()
