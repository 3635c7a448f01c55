"""`luma sandbox`: a local mock of the service on loopback."""

from typing import Annotated

import typer

from luma_cli.cli import options
from luma_cli.cli.groups import STYLE
from luma_cli.cli.run_opening import open_run
from luma_cli.config.times import parse_duration
from luma_cli.errors import UsageError

app = typer.Typer(**STYLE)


@app.command(context_settings={"allow_interspersed_args": False})
@options.common
def sandbox(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="Run this against the sandbox, then end.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Listen here; 0 picks a free port.")] = 0,
    duration: Annotated[
        float | None,
        typer.Option(metavar="DURATION", parser=parse_duration, help="How long a task takes [3s]."),
    ] = None,
    scenario: Annotated[str, typer.Option(metavar="NAME", help="What the service does.")] = "ok",
    realistic: Annotated[
        bool, typer.Option("--realistic", help="Results are silent, 24 fps, another size (needs ffmpeg).")
    ] = False,
    price: Annotated[
        list[str] | None, typer.Option(metavar="[MODEL=]CREDITS", help="What an edit costs; may be repeated.")
    ] = None,
) -> None:
    """Run a local mock of the service. It needs no key, no money, no network.

    Without COMMAND it prints the lines to export and serves until it is stopped. Beside a running one,
    `luma sandbox trigger TASK` sends one callback by hand.

    A scenario holds for every call, or for one task whose prompt begins with `sandbox:NAME`. With ffmpeg there,
    --realistic gives results like the real ones; without it a result is the uploaded clip itself.

    \b
    Scenarios:
      ok                  every edit succeeds
      slow                every edit takes ten times as long
      flag2               the task cannot be created after all
      flag3               the generation fails
      flag4               the video is made, the callback is not delivered
      not-visible         a new task is unknown to the first two questions
      rate-limit          every submission meets the rate limit
      maintenance         every call is answered with maintenance
      no-credits          there are no credits left
      bad-key             the key is refused with HTTP 401
      http-200-401        the key is refused with HTTP 200 and code 401
      gone                the endpoint does not exist any more
      cut-transfer        the first two downloads of a result break off
      expired-link        result links are refused, fresh ones work
      lost-answer         the task is created, the reply is lost
      server-error        submissions are answered with HTTP 500
      garbage             submissions are answered with HTML
      realistic           results are silent, 24 fps, another size (needs ffmpeg)
      moderation          the task is accepted, then refused for its content
      never-ends          the task is accepted and waits for ever
      withdrawn           the model is no longer published: code 422
      validation-500      submissions are refused with code 500 and a reason
      empty-429           an empty account is answered with code 429
      record-408          the record of an ended task is code 408
      record-501          the record of an ended task is code 501
      urls-as-text        result links come as a text that holds a JSON list
      callback-duplicate  each callback is delivered twice
      callback-forged     callbacks carry a wrong signature
      callback-stale      callbacks carry a signature ten minutes old

    \b
    Examples:
      $ luma sandbox -- luma modify clip.mp4 -p "Heavy rain" -o rain.mp4
      $ luma sandbox --duration 1s --scenario flag4 -- luma modify clip.mp4 -p "Heavy rain" -w
      $ luma sandbox --price luma=50 -- luma modify clip.mp4 -p "Heavy rain" -w

    The exit code is the command's own. Without a command it ends by a signal.

    Exit codes: 0 2 11 130 143
    (luma help exit-codes)
    """
    from luma_cli.cli import sandbox_runner
    from luma_cli.edits.sources import task_references

    if command and command[0] == "trigger":
        if len(command) != 2:
            raise UsageError("trigger needs one TASK", hint="luma sandbox trigger @last")
        with open_run() as run:
            references = task_references.parse_references(run, command[1:])
            run.results.conclude()
        return sandbox_runner.trigger(references[0].task_id)

    server = sandbox_runner.make_sandbox(
        port, 3.0 if duration is None else duration, scenario, realistic=realistic, prices=price or []
    )
    if not command:
        return sandbox_runner.serve(server)
    raise typer.Exit(sandbox_runner.run(server, command))
