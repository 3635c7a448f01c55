"""The options of the commands that submit edits, `modify` and `redo`, each written once, and what they mean."""

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from luma_cli.cli.commands import options

if TYPE_CHECKING:
    from luma_cli.callbacks.wake import CallbackServer
    from luma_cli.edits.request import Asked, EditRequest
    from luma_cli.edits.run import Finishing, Plan, Run


class EditOptions(NamedTuple):
    """What was typed. A field is an option, in the order of the help."""

    prompts: options.Prompts = None
    prompt_file: options.PromptFile = None
    takes: options.Takes = 1
    model: options.ModelName = None
    setting: options.Setting = None
    audio: options.Audio = None
    match: options.Match = None
    fit: options.Fit = False
    split: options.Split = False
    redo_piece: options.RedoPiece = None
    keep_pieces: options.KeepPieces = False
    as_delivered: options.AsDelivered = False
    watermark: options.Watermark = None
    callback_url: options.CallbackUrl = None
    wait: options.Wait = False
    output: options.Output = None
    force: options.Force = False
    interval: options.Interval = None
    timeout: options.Timeout = None
    no_check: options.NoCheck = False
    strict: options.Strict = False
    trim: options.TrimTo = None
    max_credits: options.MaxCredits = None
    dry_run: options.DryRun = False
    idempotency_key: options.IdempotencyKey = None
    resubmit: options.Resubmit = False
    listen: options.Listen = None
    public_url: options.PublicUrl = None
    on_done: options.OnDone = None
    recipe: options.Recipe = False
    open_: options.Open = False

    @property
    def waits(self) -> bool:
        return bool(self.wait or self.output or self.listen or self.on_done or self.open_)

    @contextmanager
    def open_run(self, *, needs_journal: bool = False) -> "Iterator[Run]":
        """The run of a command that spends, or with --dry-run only looks."""
        needed = needs_journal or not self.dry_run
        with options.open_run(
            needs_journal=needed, keeps_journal=needed, prints_ids=not self.waits, on_done=self.on_done
        ) as run:
            options.check_daily_limit(run)
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
        finishing = options.parse_finishing(run, self.audio, self.match, self.as_delivered)
        plan = self._plan(run, finishing)
        is_asked = needs_prompt or self.prompts or self.prompt_file
        prompts = ask_prompts(self.prompts, self.prompt_file, run.settings.prompt) if is_asked else []
        options.check_key(self.idempotency_key)
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

        return options.make_plan(
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
        options.show_results(run, opens=self.open_, waits=plan.waits)
        run.results.conclude()


def takes_edit_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `EditOptions`; it gets them as `given`."""
    signature = inspect.signature(function)
    own = [parameter for name, parameter in signature.parameters.items() if name != "given"]
    kinds = EditOptions.__annotations__
    added = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=EditOptions._field_defaults[name], annotation=kind
        )
        for name, kind in kinds.items()
    ]

    @functools.wraps(function)
    def command(**arguments: Any) -> None:
        given = EditOptions(**{name: arguments.pop(name) for name in kinds})
        function(**arguments, given=given)

    command.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    command.__annotations__ = {**{parameter.name: parameter.annotation for parameter in own}, **kinds}
    return command
