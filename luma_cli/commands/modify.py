"""`luma modify`: submit edits."""

from typing import Annotated

import typer

from luma_cli.commands import options
from luma_cli.commands.options import Force, Interval, Output, Timeout

app = typer.Typer(**options.STYLE)


@app.command()
@options.common
def modify(
    videos: Annotated[list[str], typer.Argument(metavar="VIDEO...", help="A public http(s) link, or a local file.")],
    prompt: Annotated[str | None, typer.Option("-p", "--prompt", metavar="TEXT", help="What to change.")] = None,
    prompt_file: Annotated[
        str | None, typer.Option("-F", "--prompt-file", metavar="FILE|-", help="Read the prompt from a file or stdin.")
    ] = None,
    watermark: Annotated[str | None, typer.Option(metavar="TEXT", help="Passed to the service.")] = None,
    callback_url: Annotated[str | None, typer.Option(metavar="URL", help="Passed to the service.")] = None,
    wait: Annotated[
        bool, typer.Option("-w", "--wait", help="Wait; print the result link(s) instead of the id.")
    ] = False,
    output: Output = None,
    force: Force = False,
    interval: Interval = None,
    timeout: Timeout = None,
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
) -> None:
    """Submit one edit for each VIDEO and print the task id(s).

    A local file is uploaded to kie.ai's temporary store first.
    """
    from luma_cli import finish, saving, submit

    plan = options.plan(interval=interval, timeout=timeout, output=output, force=force)
    text = options.ask_prompt(prompt, prompt_file)
    order = submit.make_order(videos, text, watermark, callback_url, idempotency_key, resubmit=resubmit)
    if dry_run:
        return submit.show_request(order)
    journal = options.open_journal(spending=True)
    if output is not None:
        known = saving.saved_paths(journal, submit.tasks_of(order, journal))
        saving.check_output(output, len(videos), overwrite=force, known=known)
    client = options.connect()
    goals, outcomes = submit.submit_all(order, client, journal, quietly=wait or output is not None)
    if goals and (wait or output is not None):
        finish.finish(goals, client, journal, plan, outcomes)
    return outcomes.conclude()
