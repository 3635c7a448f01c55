"""What made a video, and the recipe beside it that says so."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from luma_cli import __version__, files
from luma_cli.api.canonical import canonical_link
from luma_cli.api.task import DEFAULT_MODEL, SavedFile, Task, as_text
from luma_cli.edits.events import Warned
from luma_cli.edits.run import Run
from luma_cli.errors import FileError, LumaError, UsageError, reason
from luma_cli.journal.records import Details, Row

RECIPE = "luma-recipe/1"
RECIPE_SUFFIX = ".json"
MAX_RECIPE = 1 << 20


class Made(NamedTuple):
    """The facts of an edit that was made."""

    label: str
    prompt: str
    source: str  # a link, or the absolute path of a file
    details: Details
    watermark: str | None = None
    uploaded: str | None = None  # the link that a local clip was uploaded to
    is_split: bool = False
    beside: Path | None = None  # the folder of its recipe
    row: Row | None = None


def write_recipe(
    run: Run, task: Task, file: SavedFile, *, overwrite: bool, whole: Mapping[str, Any] | None = None
) -> None:
    """Write what made a saved file beside it, as `NAME.mp4.json`; whatever goes wrong is a warning.

    A piece has none. `whole` is what its clip has instead of the facts of the piece.
    """
    path = Path(file.path + RECIPE_SUFFIX)
    try:
        row = run.journal.known(task.task_id)
        if row is None or (row.details.piece_of is not None and whole is None):
            return
        if os.path.lexists(path) and not overwrite and not _is_recipe(path):
            raise FileError(f"{path} exists and is not a recipe")
        text = json.dumps({**_recipe_of(row, task, file), **(whole or {})}, indent=2) + "\n"
        files.save_whole(text.encode(), path, overwrite=True)
    except LumaError as error:
        run.report(Warned(f"the recipe is not written: {error.message}", once=False))


def load_recipe(path: Path) -> Made:
    """The edit that a recipe tells of.

    Raises:
        UsageError: it cannot be read, or is not a recipe.
    """
    facts = _read_recipe(path)
    source = facts["source"] if isinstance(facts.get("source"), dict) else {}
    prompt, model = as_text(facts.get("prompt")), as_text(facts.get("model")) or DEFAULT_MODEL
    place = source.get("path")  # what is not UTF-8 in it stands there as surrogates
    if not isinstance(place, str) or not place or "\0" in place:
        place = next(filter(None, (as_text(source.get(name)) for name in ("path", "url", "taskId", "name"))), None)
    if prompt is None or place is None:
        raise UsageError(f"{path} does not say what to make", hint="a recipe has a prompt and a source")
    details = Details(
        model=model,
        options=facts["set"] if isinstance(facts.get("set"), dict) else {},
        trim=as_text(facts.get("trim")),
        fit=model if facts.get("fit") is True else None,
        audio=as_text(facts.get("audio")),
        match=facts["match"] if isinstance(facts.get("match"), bool) else None,
        source_sha256=as_text(source.get("sha256")),
        parent_task_id=as_text(source.get("taskId")),
    )
    is_split, folder = facts.get("split") is True, path.absolute().parent
    return Made(str(path), prompt, place, details, as_text(facts.get("watermark")), is_split=is_split, beside=folder)


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
        "fit": details.fit is not None,
        "set": dict(details.options),
        "audio": details.audio,
        "match": details.match,
        "split": False,
        "createTime": _time(task.create_time or known.create_time or row.submitted_at),
        "completeTime": _time(task.complete_time or known.complete_time),
        "credits": known.credits if known.credits is not None else task.credits,
        "file": {"name": os.path.basename(file.path), "bytes": file.bytes, "sha256": file.sha256},
    }


def _time(when: Any) -> str | None:
    return None if when is None else when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_recipe(path: Path) -> bool:
    try:
        return bool(_read_recipe(path))
    except UsageError:
        return False


def _read_recipe(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            facts = json.loads(file.read(MAX_RECIPE))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {reason(error)}") from error
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict) or facts.get("schema") != RECIPE:
        raise UsageError(f"{path} is not a recipe", hint="luma modify --recipe writes one")
    return facts
