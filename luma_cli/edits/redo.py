"""An edit that was made, made again: its facts from the journal or a recipe, and its source, unchanged or refused."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from luma_cli import __version__, files
from luma_cli.api.canonical import canonical_link
from luma_cli.api.client import Client
from luma_cli.api.models import Model, check_options, find_model, parse_options
from luma_cli.api.task import SavedFile, Task, as_text, is_link, is_task_id
from luma_cli.api.transport import TransportError, exchange
from luma_cli.downloads.file_names import stem_of
from luma_cli.edits.events import Note, Warned
from luma_cli.edits.request import AUTO, Clip, EditRequest, Finishing, check_texts, choose_watermark, parse_clip
from luma_cli.edits.run import Run
from luma_cli.edits.task_references import failure_of, find_row, task_now
from luma_cli.errors import FileError, LumaError, Rejected, TaskFailed, UsageError
from luma_cli.journal.records import Row
from luma_cli.video.trim_range import Trim, parse_trim

log = logging.getLogger(__name__)

# A host that does not say at once whether a file is there is not worth the wait.
ALIVE_BUDGET = 10.0
RECIPE = "luma-recipe/1"
RECIPE_SUFFIX = ".json"
MAX_RECIPE = 1 << 20


def still_answers(link: str, client: Client) -> bool:
    """Whether a file is still behind a link; asked for one byte."""
    try:
        with client.file_session() as session:
            one_byte = {"Range": "bytes=0-0"}
            reply = exchange(session, "GET", link, budget=ALIVE_BUDGET, headers=one_byte, max_bytes=1 << 16)
    except TransportError:
        return False
    return reply.status == 206


# --- a task as the source of an edit ---


def find_task_clip(run: Run, word: str) -> Clip | None:
    """The result of the task that a word names, as a clip; None if it names none.

    Raises:
        UsageError: `@last` and the like without such a task, or a task without a result.
        FileError, StillGenerating: its result is gone, or not there yet.
    """
    if not word.startswith("@") and not is_task_id(word):
        return None
    try:
        row = find_row(word, run.journal)
    except UsageError:
        if word.startswith("@"):
            raise
        return None
    if row is not None and not row.task.task_id:
        raise UsageError(f"{row.label} has no task id", hint=f"luma tasks show {row.label}")
    return clip_of_task(run, word if row is None else row.task.task_id)


def clip_of_task(run: Run, task_id: str) -> Clip:
    """The result of a task: behind its link, a fresh link, or in its saved file, whichever is still there.

    Raises:
        UsageError: the task has failed.
        FileError, StillGenerating: its result is gone, or not there yet.
    """
    row = run.journal.known(task_id)
    task = row.task if row is not None else Task(task_id)
    if not task.has_ended:
        task = task_now(run, task_id)
    error = failure_of(task)
    if isinstance(error, TaskFailed):
        raise UsageError(f"task {task_id} has failed: it has no video to edit", hint="luma redo makes it again")
    if error is not None:
        raise error
    stem = stem_of(row.source if row is not None else task.video_url or "") or "video"
    link = _live_link(run, task)
    if link is not None:
        return Clip(link, task_id=task_id, stem=stem)
    return replace(_saved_clip(row, task_id), task_id=task_id, stem=stem)


def _live_link(run: Run, task: Task) -> str | None:
    url = task.result_urls[0]
    if still_answers(url, run.client):
        return url
    try:
        return run.client.patiently(lambda: run.client.download_url(url))
    except Rejected as error:
        log.info("no fresh link for the result of %s: %s", task.task_id, error.message)
        return None


def _saved_clip(row: Row | None, task_id: str) -> Clip:
    """The saved file of a task, if it has the recorded hash."""
    saved = row.task.files[:1] if row is not None else ()
    for file in saved:
        try:
            clip = parse_clip(file.path)
        except UsageError as error:
            log.info("%s: %s", file.path, error.message)
            continue
        if clip.sha256 == file.sha256:
            return clip
        log.info("%s has changed since it was saved", file.path)
    why = f", and {saved[0].path} is not the file that was saved" if saved else ", and it was not saved"
    raise FileError(
        f"the result of task {task_id} is gone from kie.ai{why}",
        hint=f"make it again: luma redo {task_id}",
        task_id=task_id,
    )


# --- what was made ---


@dataclass(frozen=True)
class Made:
    """The facts of an edit that was made. `source` is a link, or the absolute path of a file with the hash `sha256`.

    `uploaded` is the link that a local clip was uploaded to; `beside` is the folder of its recipe.
    """

    label: str
    prompt: str
    source: str
    watermark: str | None = None
    trim: str | None = None
    model: str = "luma"
    options: Mapping[str, Any] = field(default_factory=dict)
    sha256: str | None = None
    parent_task_id: str | None = None
    uploaded: str | None = None
    audio: str | None = None
    match: bool | None = None
    beside: Path | None = None
    row: Row | None = None


@dataclass(frozen=True)
class Changes:
    """What the options of a redo say differently; None is as it was."""

    prompts: Sequence[str] = ()
    watermark: str | None = None
    callback_url: str | None = None
    model: Model | None = None
    settings: Sequence[str] = ()
    trim: Trim | None = None
    takes: int = 1
    key: str | None = None
    resubmit: bool = False
    finishing: Finishing = field(default_factory=Finishing)


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
    details = row.details
    return Made(
        row.label,
        task.prompt,
        row.source or task.video_url or "",
        task.watermark,
        details.trim,
        task.model,
        details.options,
        details.source_sha256,
        details.parent_task_id,
        task.video_url,
        details.audio,
        details.match,
        row=row,
    )


def make_redo(run: Run, made: Made, changes: Changes) -> list[EditRequest]:
    """The edit once more, as the options change it, as often as there are takes.

    Raises:
        UsageError: what made it is not there any more, or cannot be changed so.
    """
    model = changes.model or find_model(made.model)
    options = _options_of(made, model, changes.settings)
    trim = changes.trim or (None if made.trim is None else parse_trim(made.trim))
    watermark = _watermark_of(run, made, model, changes)
    prompts = list(changes.prompts) or [made.prompt]
    for prompt in prompts:
        check_texts(prompt, watermark, changes.callback_url, changes.key)
    base = EditRequest(Clip(""), "", watermark, changes.callback_url or run.settings.callback_url, model, options, trim)
    clip = _source_of(run, made, replace(base, prompt=made.prompt), may_cut=changes.trim is None)
    if trim is not None and clip.path is None and clip.origin is None:
        raise UsageError("--trim is for local clips", hint="download the video first and give the file")
    if changes.key == AUTO:
        raise UsageError("redo means another take: auto cannot stand for it", hint="a key of your own, or none")
    if changes.key is not None and len(prompts) * changes.takes > 1:
        raise UsageError("one idempotency key cannot stand for several edits", hint="leave it out: redo means a repeat")
    return [
        _as_repeat(run, made, replace(base, clip=clip, prompt=prompt), number, changes)
        for prompt in prompts
        for number in range(changes.takes)
    ]


def _as_repeat(run: Run, made: Made, request: EditRequest, number: int, changes: Changes) -> EditRequest:
    """Another take of the same edit; the key of one that failed passes to it."""
    take = 1 + number + len(run.journal.find_by_identity(request.identity, request.legacy_digest))
    key = changes.key
    row = made.row
    if key is None and number == 0 and row is not None and row.task.has_failed:
        key = row.idempotency_key if row.is_same_edit(request.identity, request.legacy_digest) else None
    several = len(changes.prompts) > 1 or changes.takes > 1
    return replace(
        request,
        take=take,
        key=key,
        resubmit=changes.resubmit,
        repeats=changes.key is None,
        finishing=_finishing_of(made, changes.finishing),
        names_prompt=several,
    )


def _finishing_of(made: Made, asked: Finishing) -> Finishing:
    audio, match = asked.audio or made.audio, asked.match if asked.match is not None else made.match
    return replace(asked, audio=audio, match=match)


def _options_of(made: Made, model: Model, settings: Sequence[str]) -> dict[str, Any]:
    """Those of the edit, if it is the same model, with those of the command line instead of them."""
    before = check_options(model, made.options) if model.name == made.model else {}
    return dict(sorted({**before, **parse_options(model, settings)}.items()))


def _watermark_of(run: Run, made: Made, model: Model, changes: Changes) -> str | None:
    if changes.watermark is not None or made.model == model.name:
        wanted = made.watermark if changes.watermark is None else changes.watermark
        return choose_watermark(replace(run.settings, watermark=None), model, wanted)
    return made.watermark if model.watermark == "text" else None


def _source_of(run: Run, made: Made, request: EditRequest, *, may_cut: bool) -> Clip:
    """The clip as it was edited. Changed bytes are never sent in its name.

    Raises:
        UsageError: it is not there any more; FileError for the result of a task.
    """
    if made.parent_task_id is not None:
        return clip_of_task(run, made.parent_task_id)
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
        return Clip(link, sha256=made.sha256, origin=made.source)
    raise UsageError(
        f"{problem}, and what was uploaded of it is gone from kie.ai",
        hint="put the clip back as it was, or edit the new one: luma modify VIDEO -p TEXT",
    )


def _beside(made: Made) -> list[Path]:
    return [] if made.beside is None else [made.beside / os.path.basename(made.source)]


def _is_same_clip(made: Made, request: EditRequest, clip: Clip) -> bool:
    if made.sha256 is not None:
        return clip.sha256 == made.sha256
    digest = made.row.digest if made.row is not None else None  # of a journal that did not keep the hash itself
    return digest is not None and replace(request, clip=clip).legacy_digest == digest


# --- recipes ---


def write_recipe(run: Run, task: Task, file: SavedFile, *, overwrite: bool) -> None:
    """Write what made a saved file beside it, as `NAME.mp4.json`; whatever goes wrong is a warning."""
    path = Path(file.path + RECIPE_SUFFIX)
    try:
        row = run.journal.known(task.task_id)
        if row is None:
            return
        if os.path.lexists(path) and not overwrite and not _is_recipe(path):
            raise FileError(f"{path} exists and is not a recipe")
        text = json.dumps(_recipe_of(row, task, file), indent=2) + "\n"
        files.save_whole(text.encode(), path, overwrite=True)
    except LumaError as error:
        run.report(Warned(f"the recipe is not written: {error.message}", once=False))


def load_recipe(path: Path) -> Made:
    """The edit that a recipe tells of.

    Raises:
        UsageError: it cannot be read, or is not a recipe.
    """
    facts = _read_recipe(path)
    source = facts.get("source")
    source = source if isinstance(source, dict) else {}
    texts = {name: as_text(facts.get(name)) for name in ("prompt", "watermark", "trim", "model", "taskId")}
    name = as_text(source.get("path")) or as_text(source.get("url")) or as_text(source.get("taskId"))
    if texts["prompt"] is None or name is None:
        raise UsageError(f"{path} does not say what to make", hint="a recipe has a prompt and a source")
    options = facts.get("set")
    return Made(
        str(path),
        texts["prompt"],
        _path_text(source.get("path")) or name,
        texts["watermark"],
        texts["trim"],
        texts["model"] or "luma",
        options if isinstance(options, dict) else {},
        as_text(source.get("sha256")),
        as_text(source.get("taskId")),
        audio=as_text(facts.get("audio")),
        match=facts["match"] if isinstance(facts.get("match"), bool) else None,
        beside=path.absolute().parent,
    )


def _recipe_of(row: Row, task: Task, file: SavedFile) -> dict[str, Any]:
    details = row.details
    is_file = "://" not in row.source and bool(row.source)
    is_result = details.parent_task_id is not None
    source = {
        "name": os.path.basename(row.source) if is_file else None,
        "path": row.source if is_file and not is_result else None,
        # Without a signature, which would be a secret and lives for hours only.
        "url": None if is_file or is_result else canonical_link(row.source),
        "sha256": details.source_sha256,
        "taskId": details.parent_task_id,
    }
    known = row.task
    return {
        "schema": RECIPE,
        "version": __version__,
        "taskId": task.task_id,
        "model": known.model,
        "prompt": known.prompt,
        "source": source,
        "watermark": known.watermark,
        "trim": details.trim,
        "set": dict(details.options),
        "audio": details.audio,
        "match": details.match,
        "createTime": _time(task.create_time or known.create_time or row.submitted_at),
        "completeTime": _time(task.complete_time or known.complete_time),
        "credits": known.credits if known.credits is not None else task.credits,
        "file": {"name": os.path.basename(file.path), "bytes": file.bytes, "sha256": file.sha256},
    }


def _time(when: Any) -> str | None:
    return None if when is None else when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _path_text(value: object) -> str | None:
    """A path as text; what is not UTF-8 in it stands there as surrogates."""
    return value if isinstance(value, str) and value and "\0" not in value else None


def _is_recipe(path: Path) -> bool:
    try:
        return bool(_read_recipe(path))
    except UsageError:
        return False


def _read_recipe(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_RECIPE + 1)
        facts = json.loads(content[:MAX_RECIPE])
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or 'error').lower()}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not a recipe", hint="luma modify --recipe writes one") from error
    if not isinstance(facts, dict) or facts.get("schema") != RECIPE:
        raise UsageError(f"{path} is not a recipe", hint="luma modify --recipe writes one")
    return facts
