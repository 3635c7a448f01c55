"""The result of a task as the clip of another edit."""

import logging
from dataclasses import replace

from luma_cli.api.task import Task, is_task_id
from luma_cli.downloads.file_names import stem_of
from luma_cli.edits.refresh import failure_of, task_now
from luma_cli.edits.request import Clip, parse_clip
from luma_cli.edits.run import Run
from luma_cli.edits.sources.task_references import find_row
from luma_cli.edits.uploads import still_answers
from luma_cli.errors import FileError, Rejected, TaskFailed, UsageError
from luma_cli.journal.records import Row

log = logging.getLogger(__name__)


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
    """The saved file of a task's first result, or a copy of it, whichever has the recorded hash."""
    files = row.task.files if row is not None else ()
    saved = [file for file in files if file.url == files[0].url]
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
