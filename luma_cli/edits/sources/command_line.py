"""What `modify` asks for, made ready: checked, with a free target, as entries of the engine, and uploaded."""

import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from luma_cli.api.models import find_model, parse_options
from luma_cli.config.settings import Settings
from luma_cli.config.times import format_age
from luma_cli.edits.budget import describe_cost
from luma_cli.edits.events import Note, Warned
from luma_cli.edits.outputs import check_output, is_same_file, saved_paths
from luma_cli.edits.preflight import preflight
from luma_cli.edits.refresh import claim_own, join_by_pruned
from luma_cli.edits.request import (
    AUTO,
    Asked,
    Clip,
    EditRequest,
    Entry,
    check_local,
    check_texts,
    choose_watermark,
    find_clip,
    part_of,
    takes_watermark,
    with_auto_key,
)
from luma_cli.edits.run import Plan, Run
from luma_cli.edits.sources.pieces import check_split, counted, is_new_repeat
from luma_cli.edits.sources.task_clips import find_task_clip
from luma_cli.errors import Declined, KeyRejected, LumaError, UsageError
from luma_cli.journal.submissions import BeingSent, InQuestion
from luma_cli.video.ffmpeg import ENCODING, find_ffmpeg

MAX_PROMPT_SHOWN = 40


def prepare(run: Run, plan: Plan, requests: Sequence[EditRequest]) -> list[EditRequest]:
    """The requests with what the checks found; one that has its task already is not looked at.

    Raises:
        UsageError: the fault is not that of a single clip.
    """
    run.results.count = len(requests)
    requests = [look_up(run, request) for request in requests]
    if plan.skips_checks:
        return list(requests)
    fresh = [request for request in requests if not _is_submitted(run, request)]
    checked = dict(zip(map(id, fresh), preflight(run, plan, fresh), strict=True))
    return [checked.get(id(request), request) for request in requests]


def find_clips(run: Run, names: Sequence[str]) -> list[Clip]:
    """The clips that a command line names: links, files, and results of tasks.

    Raises:
        UsageError: one is none of these; nothing of the command is to be sent then.
    """
    clips: dict[str, Clip] = {}
    for index, name in enumerate(names):
        if name not in clips:
            try:
                clips[name] = find_clip(name, lambda name: find_task_clip(run, name))
            except UsageError as error:
                error.hint = _hint_of_prompt(names, index) or error.hint
                raise
    return [clips[name] for name in names]


def _hint_of_prompt(names: Sequence[str], index: int) -> str | None:
    """What to type instead, if a prompt without quotes or without its option stands among the clips."""
    words = list(takewhile(_is_text, names[index:]))
    if words and " " in words[0]:
        return 'a prompt needs its option: -p "Heavy snow falls"'
    return 'quote the prompt: -p "Heavy snow falls"' if len(words) > (index == 0) else None


def _is_text(name: str) -> bool:
    """Words of a prompt rather than the name of a clip."""
    return re.search(r"[/\\]|\.\w+\Z", name) is None and not os.path.exists(name)


def make_ready(run: Run, plan: Plan, requests: Sequence[EditRequest], *, makes: bool) -> list[EditRequest]:
    """`prepare` and `check_targets`, and a word about a setting that the model does not know."""
    watermark = run.settings.watermark
    for model in {request.model.name: request.model for request in requests}.values():
        if watermark and not takes_watermark(model):
            run.report(Warned(f"{model.name} takes no text as watermark: the setting is left out"))
    if any(request.fit for request in requests):
        find_ffmpeg(run.settings.ffmpeg, ENCODING, option="--fit")
    if any(request.is_split for request in requests):
        check_split(run, plan, requests)
    requests = prepare(run, plan, requests)
    requests = [counted(run, plan.output, request) if request.is_split else request for request in requests]
    check_targets(run, plan, requests, makes=makes)
    return requests


def with_account(run: Run) -> Run:
    """The run whose journal shows our account's tasks; as it is without a key, which is reported when it is needed."""
    try:
        return run.for_account()
    except KeyRejected:
        return run


def look_up(run: Run, request: EditRequest) -> EditRequest:
    """The request with what the journal holds about it.

    Tasks of this edit that another key has submitted are asked for once: what our key can see is our account's. So a
    renewed key loses nothing, and another account's tasks are left alone.
    """
    submission = request.submission()
    known = run.journal.look_up(submission)
    if known.foreign:
        claim_own(run, known.foreign)
        known = run.journal.look_up(submission)
    if request.key is not None and not known.alike:
        join_by_pruned(run, submission, request.model.name)
    return replace(request, known=known)


def look_up_entries(run: Run, entries: Sequence[Entry]) -> None:
    """`look_up` for the rows of a batch."""
    for entry in entries:
        if entry.request is not None:
            entry.request = look_up(run, entry.request)


def refuse_repeats(run: Run, plan: Plan, requests: Sequence[EditRequest]) -> None:
    """The same edit without a key, or all pieces of one again: a person is asked, elsewhere it is noted.

    Raises:
        Declined: the person does not want it again.
    """
    for request in requests:
        if is_new_repeat(run, plan.output, request):
            _confirm_repeat(run, plan, request)
        if request.key is not None or request.resubmit or request.is_repeat or request.is_split:
            continue
        known = request.known or run.journal.look_up(request.submission())
        row = next((row for row in known.same if row.task.task_id and not row.task.has_failed), None)
        if row is None:
            continue
        saved = f", saved as {os.path.relpath(row.task.files[-1].path)}" if row.task.files else ""
        what = f"the same edit is task {row.task.task_id} of {format_age(row.age)} ago{saved}"
        if run.can_ask():
            cost = describe_cost(run, plan, [request], with_balance=True)
            if not run.confirm(f"{what}; {cost}. Submit it again?"):
                wait = run.results.wait_command([row.task.task_id])
                raise Declined("nothing was submitted", hint=wait)
        else:
            run.report(Note(f"{what}; --idempotency-key auto would continue it"))


def _confirm_repeat(run: Run, plan: Plan, request: EditRequest) -> None:
    cost = describe_cost(run, plan, [request] * request.pieces)
    what = f"all {request.pieces} pieces are submitted again: {cost}"
    if not run.can_ask():
        run.report(Note(what))
    elif not run.confirm(f"{what}. Go on?"):
        raise Declined("nothing was submitted", hint="luma redo --redo-piece I makes one of them again")


def check_targets(run: Run, plan: Plan, requests: Sequence[EditRequest], *, makes: bool) -> None:
    """`check_output` for what is asked for; an idempotency key may have its files there already.

    Raises what that does, and UsageError if a clip would be overwritten by its own edit, wished or not.
    """
    for request in requests:
        if plan.output is not None and is_same_file(request.clip.name, plan.output):
            raise UsageError(f"{request.clip.name} would be overwritten by its own edit", hint="-o with another path")
    if any(request.is_split for request in requests):
        return  # the file may be there already, of the same pieces
    if not makes and any(request.key for request in requests):
        return  # the file may be there already, as the journal would say
    check_output(plan, len(requests), lambda: _saved_before(run, requests), makes=makes)


def entries_for(plan: Plan, requests: Sequence[EditRequest]) -> list[Entry]:
    """The requests of a command line as the engine takes them."""
    has_prompts = len({request.prompt for request in requests}) > 1
    has_takes = any(request.take > 1 for request in requests)
    return [
        Entry(_name_of(request, has_prompts, has_takes), request.naming, request, output=plan.output, is_checked=True)
        for request in requests
    ]


def _name_of(request: EditRequest, has_prompts: bool, has_takes: bool) -> str:
    """The clip, and what tells its edits apart if there are several."""
    prompt = f' "{request.prompt[:MAX_PROMPT_SHOWN]}"' if has_prompts else ""
    return f"{request.clip.label}{prompt}" + (f" take {request.take}" if has_takes else "")


def _saved_before(run: Run, requests: Sequence[EditRequest]) -> frozenset[str]:
    """Where results of the requests' earlier tasks were saved."""
    found = set()
    for request in requests:
        with contextlib.suppress(BeingSent):
            found.add(request.earlier(run.journal) if request.key is not None else None)
    return saved_paths(run.journal, {task_id for task_id in found if task_id is not None})


def _is_submitted(run: Run, request: EditRequest) -> bool:
    """True also for a submission of unknown outcome, which is reported when it is its turn."""
    try:
        return request.earlier(run.journal) is not None
    except InQuestion:
        return False
    except LumaError:
        return True


def make_requests(settings: Settings, clips: Sequence[Clip], asked: Asked) -> list[EditRequest]:
    """Every clip with every prompt as often as there are takes, with the settings if an option is missing.

    Raises:
        UsageError: a text that cannot be sent, or one key for several edits.
    """
    prompts, model = asked.prompts, asked.model or find_model(settings.model)
    options = parse_options(model, asked.settings)
    count = len(clips) * len(prompts) * asked.takes
    if asked.key not in (None, AUTO) and count > 1:
        raise UsageError("one idempotency key cannot stand for several edits", hint="--idempotency-key auto")
    for option, is_given in (("--trim", asked.trim is not None), ("--fit", asked.fit)):
        for clip in clips if is_given else ():
            check_local(clip, option)
    watermark = choose_watermark(settings, model, asked.watermark)
    callback_url = asked.callback_url or settings.callback_url
    for prompt in prompts:
        check_texts(prompt, watermark, callback_url, asked.key)
    parts = [(clip, part_of(clip, asked.trim, model)) for clip in clips]
    plain = [
        EditRequest(
            clip,
            prompt,
            watermark,
            callback_url,
            model,
            options,
            trim=part,
            typed_trim=asked.trim,
            take=take,
            key=asked.key,
            resubmit=asked.resubmit,
            finishing=asked.finishing,
            fit=asked.fit,
            is_split=asked.is_split,
            redo_piece=asked.redo_piece,
            repeats=asked.takes > 1 and asked.key is None,
            names_prompt=len(prompts) * asked.takes > 1,
        )
        for clip, part in parts
        for prompt in prompts
        for take in range(1, asked.takes + 1)
    ]
    return [with_auto_key(request) for request in plain] if asked.key == AUTO else plain
