"""An edit that was made, made again: its facts from the journal or a recipe, and its source, unchanged or refused."""

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from luma_cli.api.hosts import is_link
from luma_cli.api.models import Model, check_options, find_model, parse_options
from luma_cli.edits.events import Note
from luma_cli.edits.finish import check_finishing
from luma_cli.edits.request import (
    AUTO,
    Asked,
    Clip,
    EditRequest,
    check_local,
    check_texts,
    choose_watermark,
    parse_clip,
    part_of,
)
from luma_cli.edits.run import Finishing, Run
from luma_cli.edits.sources.recipes import RECIPE_SUFFIX, Made, load_recipe
from luma_cli.edits.sources.task_clips import clip_of_task
from luma_cli.edits.sources.task_references import find_row
from luma_cli.edits.uploads import still_answers
from luma_cli.errors import UsageError
from luma_cli.journal.records import Details, Outcome, Row
from luma_cli.journal.submissions import unknown_outcome_of
from luma_cli.video.trim_range import parse_trim

log = logging.getLogger(__name__)


def find_made(run: Run, word: str) -> Made:
    """What a task of the journal or a recipe says of an edit.

    Raises:
        UsageError: there is no such task or recipe, or it does not say enough.
    """
    if word.lower().endswith(RECIPE_SUFFIX):
        return load_recipe(Path(word))
    row = find_row(word, run.journal)
    if row is None:
        raise UsageError(f"no task {word} in the journal: nobody knows what made it", hint="luma tasks")
    task = row.task
    if not task.prompt or not (row.source or task.video_url):
        raise UsageError(f"the journal does not know what made {row.label}", hint="luma modify VIDEO -p TEXT")
    details, source = row.details, row.source or task.video_url or ""
    split = run.journal.splits.get(details.piece_of)
    if split is None:
        return Made(row.label, task.prompt, source, details, task.watermark, uploaded=task.video_url, row=row)
    # Of a piece the whole is made again. What was uploaded is only a part of its clip.
    details = details._replace(audio=split.settings.get("audio"), match=split.settings.get("match"))
    return Made(row.label, task.prompt, source, details, task.watermark, is_split=True, row=row)


def make_redo(run: Run, made: Made, changes: Asked) -> list[EditRequest]:
    """The edit once more, as the options change it, as often as there are takes; of a piece the whole edit.

    Raises:
        UsageError: what made it is not there any more, or cannot be changed so.
        OutcomeUnknown: nobody knows whether it has a task already.
    """
    details, model = made.details, changes.model or find_model(made.details.model)
    trim = changes.trim or (None if details.trim is None else parse_trim(details.trim))
    watermark = _watermark_of(run, made, model, changes)
    callback_url = changes.callback_url or run.settings.callback_url
    prompts = list(changes.prompts) or [made.prompt]
    for prompt in prompts:
        check_texts(prompt, watermark, callback_url, changes.key)
    if changes.key == AUTO:
        raise UsageError("redo means another take: auto cannot stand for it", hint="a key of your own, or none")
    if changes.key is not None and len(prompts) * changes.takes > 1:
        raise UsageError("one idempotency key cannot stand for several edits", hint="leave it out: redo means a repeat")
    options = _options_of(details, model, changes.settings)
    plain = EditRequest(Clip(""), made.prompt, watermark, callback_url, model, options, trim)
    clip = _source_of(run, made, plain, may_cut=changes.trim is None)
    if trim is not None and clip.origin is None:
        check_local(clip, "--trim")
    if changes.fit:
        check_local(clip, "--fit")
    request = replace(
        plain,
        clip=clip,
        trim=part_of(clip, trim, model),
        typed_trim=trim,
        fit=changes.fit or (details.fit is not None and clip.path is not None),
        is_split=changes.is_split or made.is_split,
        redo_piece=changes.redo_piece,
        key=changes.key,
        resubmit=changes.resubmit,
        repeats=changes.key is None and changes.redo_piece is None,
        finishing=_finishing_of(run, details, changes.finishing),
        names_prompt=len(changes.prompts) > 1 or changes.takes > 1,
    )
    return [
        _as_take(run, made.row, replace(request, prompt=prompt), number)
        for prompt in prompts
        for number in range(changes.takes)
    ]


def _as_take(run: Run, row: Row | None, request: EditRequest, number: int) -> EditRequest:
    """Another take of the same edit; the key of one that failed passes to the first."""
    submission = request.submission()
    take = 1 + number + len(run.journal.look_up(submission).same)
    if row is None or not submission.is_same_edit(row.identity, row.digest):
        return replace(request, take=take)
    if row.outcome_now is Outcome.UNKNOWN and not request.resubmit:
        raise unknown_outcome_of(row)
    passes = request.key is None and number == 0 and row.task.has_failed
    return replace(request, take=take, key=row.idempotency_key if passes else request.key)


def _finishing_of(run: Run, made: Details, asked: Finishing) -> Finishing:
    """Raises UsageError, before anything is sent, if a file of sound is not there any more."""
    if asked.as_delivered:
        return asked
    audio, match = asked.audio or made.audio, asked.match if asked.match is not None else made.match
    return check_finishing(run, asked._replace(audio=audio, match=match))


def _options_of(made: Details, model: Model, settings: Sequence[str]) -> dict[str, Any]:
    """Those of the edit, if it is the same model, with those of the command line instead of them."""
    before = check_options(model, made.options) if model.name == made.model else {}
    return dict(sorted({**before, **parse_options(model, settings)}.items()))


def _watermark_of(run: Run, made: Made, model: Model, changes: Asked) -> str | None:
    if changes.watermark is not None or made.details.model == model.name:
        wanted = made.watermark if changes.watermark is None else changes.watermark
        return choose_watermark(run.settings._replace(watermark=None), model, wanted)
    return made.watermark if model.watermark == "text" else None


def _source_of(run: Run, made: Made, request: EditRequest, *, may_cut: bool) -> Clip:
    """The clip as it was edited. Changed bytes are never sent in its name.

    Raises:
        UsageError: it is not there any more; FileError for the result of a task.
    """
    if made.details.parent_task_id is not None:
        return clip_of_task(run, made.details.parent_task_id)
    if "://" in made.source:
        return parse_clip(made.source)
    problem = f"{made.source} is not there any more"
    for path in dict.fromkeys([Path(made.source), *_beside(made)]):
        try:
            clip = parse_clip(str(path))
        except UsageError as error:
            log.info("%s: %s", path, error.message)
            continue
        if _is_same_clip(made, request, clip):
            return clip
        problem = f"{path} has changed since"
    link = made.uploaded
    if link is not None and is_link(link) and may_cut and still_answers(link, run.client):
        run.report(Note(f"{problem}: the clip that was uploaded for {made.label} is taken"))
        return Clip(link, sha256=made.details.source_sha256, origin=made.source)
    raise UsageError(
        f"{problem}, and what was uploaded of it is gone from kie.ai",
        hint="put the clip back as it was, or edit the new one: luma modify VIDEO -p TEXT",
    )


def _beside(made: Made) -> list[Path]:
    """Where the clip of a recipe may lie, which may come from Windows."""
    return [] if made.beside is None else [made.beside / re.split(r"[/\\]", made.source)[-1]]


def _is_same_clip(made: Made, request: EditRequest, clip: Clip) -> bool:
    if made.details.source_sha256 is not None:
        return clip.sha256 == made.details.source_sha256
    digest = made.row.digest if made.row is not None else None  # of a journal that did not keep the hash itself
    return digest is not None and replace(request, clip=clip).legacy_digest == digest
