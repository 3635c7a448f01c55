"""The options of the commands that submit edits, `modify` and `redo`, each written once, and what they mean."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from luma_cli.cli import options, run_opening
from luma_cli.cli.run_opening import check_daily_limit, make_plan, need_journal, parse_finishing, show_results
from luma_cli.config.environment import expand_home
from luma_cli.config.settings import MAX_TAKES
from luma_cli.video.trim_range import Trim, parse_trim

if TYPE_CHECKING:
    from luma_cli.callbacks.wake import CallbackServer
    from luma_cli.edits.request import Asked, EditRequest
    from luma_cli.edits.run import Finishing, Plan, Run


class EditOptions(NamedTuple):
    """What was typed. A field is an option, in the order of the help."""

    prompts: Annotated[
        list[str] | None,
        typer.Option(
            *("-p", "--prompt"), metavar="TEXT", help="What to change (repeatable); @NAME is the setting prompt.NAME."
        ),
    ] = None
    prompt_file: Annotated[
        str | None,
        typer.Option(
            *("-F", "--prompt-file"), metavar="FILE|-", parser=expand_home, help="Read the prompt from a file or stdin."
        ),
    ] = None
    takes: Annotated[
        int, typer.Option("--takes", min=1, max=MAX_TAKES, metavar="N", help="Submit each edit N times.")
    ] = 1
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", parser=options.parse_model, help="See luma help models [luma]."),
    ] = None
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the model. Repeatable.")
    ] = None
    audio: options.Audio = None
    match: options.Match = None
    fit: Annotated[bool, typer.Option("--fit", help="Make a local clip fit the model, if it does not.")] = False
    split: Annotated[bool, typer.Option("--split", help="Edit a clip that is too long in pieces; needs -o FILE.")] = (
        False
    )
    redo_piece: Annotated[
        int | None, typer.Option("--redo-piece", metavar="I", help="Make piece I of a split edit again.")
    ] = None
    keep_pieces: Annotated[bool, typer.Option("--keep-pieces", help="Keep the folder with a split edit's pieces.")] = (
        False
    )
    as_delivered: options.AsDelivered = False
    watermark: Annotated[str | None, typer.Option("--watermark", metavar="TEXT", help="Passed to the service.")] = None
    callback_url: Annotated[
        str | None, typer.Option("--callback-url", metavar="URL", help="Passed to the service.")
    ] = None
    wait: Annotated[bool, typer.Option("-w", "--wait", help="Wait; print the result link(s) instead of the id.")] = (
        False
    )
    output: options.Output = None
    force: options.Force = False
    interval: options.Interval = None
    timeout: options.Timeout = None
    no_check: options.NoCheck = False
    strict: options.Strict = False
    trim: Annotated[
        Trim | None,
        typer.Option(
            "--trim", metavar="[START[-END]]", parser=parse_trim, help="Cut a local clip to the model's length [0s]."
        ),
    ] = None
    max_credits: options.MaxCredits = None
    dry_run: Annotated[bool, typer.Option("-n", "--dry-run", help="Print the request, send nothing.")] = False
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="Continue the task that has this key instead of paying again; auto derives it."
        ),
    ] = None
    resubmit: Annotated[
        bool, typer.Option("--resubmit", help="Submit although the same submission exists or has an unknown outcome.")
    ] = False
    listen: options.Listen = None
    public_url: options.PublicUrl = None
    on_done: options.OnDone = None
    recipe: Annotated[
        bool, typer.Option("--recipe", help="Write NAME.mp4.json beside the saved file: what made it.")
    ] = False
    open_: options.Open = False

    @property
    def waits(self) -> bool:
        return bool(self.wait or self.output or self.listen or self.on_done or self.open_)

    @contextmanager
    def open_run(self, *, needs_journal: bool = False) -> "Iterator[Run]":
        """The run of a command that spends, or with --dry-run only looks."""
        needed = needs_journal or not self.dry_run
        with run_opening.open_run(
            needs_journal=needed, keeps_journal=needed, prints_ids=not self.waits, on_done=self.on_done
        ) as run:
            check_daily_limit(run)
            yield run

    def settle(self, run: "Run", *, needs_prompt: bool) -> "tuple[Plan, CallbackServer, Asked]":
        """How the edits are seen through, where callbacks are taken, and what is asked of the edits.

        Raises:
            UsageError: the options do not fit together. Nothing was sent.
        """
        from luma_cli.api.models import find_model
        from luma_cli.callbacks.wake import open_server
        from luma_cli.edits.request import Asked
        from luma_cli.output.questions import ask_prompts

        server = open_server(run, self.listen, self.public_url, self.callback_url)
        finishing = parse_finishing(run, self.audio, self.match, self.as_delivered)
        plan = self._plan(run, finishing)
        is_asked = needs_prompt or self.prompts or self.prompt_file
        prompts = ask_prompts(self.prompts, self.prompt_file, run.settings.prompt) if is_asked else []
        if self.idempotency_key is not None:
            need_journal("an idempotency key")
        asked = Asked(
            prompts,
            watermark=self.watermark,
            callback_url=server.callback_url,
            model=find_model(self.model) if self.model is not None else None,
            settings=self.setting or (),
            trim=self.trim,
            takes=self.takes,
            key=self.idempotency_key,
            resubmit=self.resubmit,
            finishing=finishing,
            fit=self.fit,
            is_split=self.split or self.redo_piece is not None,
            redo_piece=self.redo_piece,
        )
        return plan, server, asked

    def _plan(self, run: "Run", finishing: "Finishing") -> "Plan":
        from luma_cli.callbacks.wake import pace

        return make_plan(
            run,
            interval=pace(self.listen, self.interval),
            timeout=self.timeout,
            output=self.output,
            overwrite=self.force,
            waits=self.waits,
            paid=True,
            finishing=finishing,
            max_credits=self.max_credits,
            writes_recipe=self.recipe or run.settings.recipe,
            keeps_pieces=self.keep_pieces,
            skips_checks=self.no_check,
            is_strict=self.strict,
        )

    def carry_out(self, run: "Run", plan: "Plan", server: "CallbackServer", requests: "Sequence[EditRequest]") -> None:
        """Check the requests, submit them and see them through, or with --dry-run only show them."""
        from luma_cli.callbacks.wake import see_through_with_callbacks
        from luma_cli.edits.sources.command_line import entries_for, make_ready, refuse_repeats
        from luma_cli.edits.sources.dry_run import show_requests

        requests = make_ready(run, plan, requests, makes=not self.dry_run)
        if self.dry_run:
            show_requests(run, plan, requests)
            return
        run.connect()
        refuse_repeats(run, plan, requests)
        with server:
            see_through_with_callbacks(run, plan, entries_for(plan, requests), server)
        show_results(run, opens=self.open_, waits=plan.waits)
        run.results.conclude()
