"""`luma modify`: submit edits."""

from typing import Annotated

import typer

from luma_cli.cli import options
from luma_cli.cli.edit_options import EditOptions
from luma_cli.cli.groups import STYLE, StartIsOptional

app = typer.Typer(**STYLE)


@app.command(cls=StartIsOptional)
@options.common
@options.reported
@options.takes(EditOptions)
def modify(
    videos: Annotated[
        list[str], typer.Argument(metavar="VIDEO...", help="A public http(s) link, a local file, or a task (@last).")
    ],
    given: EditOptions,
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
    from luma_cli.edits.sources.command_line import find_clips, make_requests, with_account

    with given.open_run() as run:
        run = with_account(run)
        clips = find_clips(run, videos)
        plan, server, asked = given.settle(run, needs_prompt=True)
        given.carry_out(run, plan, server, make_requests(run.settings, clips, asked))
