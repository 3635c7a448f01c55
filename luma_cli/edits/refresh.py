"""How tasks stand now: asked once, or remembered. It loads nothing that downloads, so that `status` starts fast."""

import os
from collections.abc import Sequence
from dataclasses import replace

from luma_cli.api.task import VISIBILITY_GRACE, SavedFile, State, Task
from luma_cli.edits.events import Failed, Note, Warned
from luma_cli.edits.run import Run
from luma_cli.edits.task_references import Reference
from luma_cli.errors import ACCOUNT_ERRORS, FileError, LumaError, Rejected, StillGenerating, TaskFailed


def remember(run: Run, references: Sequence[Reference]) -> list[Task]:
    """The tasks as the journal knows them, without the network."""
    rows = [run.journal.known(reference.task_id) for reference in references]
    pairs = zip(rows, references, strict=True)
    return [row.task if row is not None else Task(reference.task_id) for row, reference in pairs]


def refresh(run: Run, references: Sequence[Reference]) -> list[Task]:
    """The tasks as the service knows them now; those that it does not report on go into the results."""
    found = []
    for number, reference in enumerate(references, start=1):
        try:
            task = task_now(run, reference.task_id)
        except LumaError as error:
            run.fail(Failed(reference.task_id, error))
            if isinstance(error, ACCOUNT_ERRORS):
                run.give_up(error, len(references) - number)
                break
            continue
        row = run.journal.known(reference.task_id)
        found.append(replace(task, files=row.task.files) if row is not None else task)
    return found


def task_now(run: Run, task_id: str) -> Task:
    """What the service says of a task, written down. One that it does not show yet is as the journal has it.

    Raises:
        LumaError: the service does not say.
    """
    client = run.client
    try:
        task = client.patiently(lambda: client.task(task_id))
    except Rejected as error:
        row = run.journal.known(task_id)
        if row is None or not row.is_ours or not error.is_not_found or row.age > VISIBILITY_GRACE:
            raise
        run.report(Note(f"{task_id} is not visible at kie.ai yet"))
        return row.task
    run.journal.learn_if_possible(task, run.base_url)
    return task


def failure_of(task: Task, wait_command: str = "") -> LumaError | None:
    """What a task means for somebody who wants its video: None when it is there, else the error."""
    if task.has_failed:
        why = f": {task.error_message}" if task.error_message else ""
        code = f" (code {task.error_code})" if task.error_code else ""
        return TaskFailed(
            f"the edit failed at kie.ai{why}{code}",
            hint="change the prompt or the clip and submit again",
            api_code=task.error_code if isinstance(task.error_code, int) else None,
            task_id=task.task_id,
        )
    if not task.has_ended:
        hint = wait_command or f"luma wait {task.task_id}"
        return StillGenerating(f"task {task.task_id} is {task.state}", hint=hint, task_id=task.task_id)
    if not task.has_video:
        return FileError(
            f"task {task.task_id} has finished without a usable link",
            hint="look at https://kie.ai/logs",
            task_id=task.task_id,
        )
    return None


def fail_without_video(run: Run, tasks: Sequence[Task]) -> None:
    """For `status --exit-status`: what is not a video is a failure."""
    for task in tasks:
        error = failure_of(task, run.results.wait_command([task.task_id]))
        if error is not None:
            run.fail(Failed(task.task_id, error, task))


def note_failed(run: Run, tasks: Sequence[Task]) -> None:
    """Why tasks failed: a line of `status` has no room for it."""
    for task in tasks:
        error = failure_of(task) if task.has_failed else None
        if error is not None:
            run.report(Note(f"{task.task_id}: {error.message}"))


def unfinished(run: Run) -> list[str]:
    """The ids of this service's tasks that have not been seen to end, the oldest first."""
    return [row.task.task_id for row in run.journal.unfinished(run.base_url)]


def missing(run: Run) -> list[str]:
    """The ids of this service's finished tasks that are not saved yet, the oldest first."""
    rows = run.journal.rows(state=State.SUCCEEDED)
    ours = [row.task for row in rows if row.base_url == run.base_url and row.task.has_video]
    gone = sum(not all(map(_is_there, task.files)) for task in ours)
    if gone:
        run.report(Note(f"{gone} saved before are no longer at their path: luma download TASK saves one again"))
    return [task.task_id for task in reversed(ours) if not task.files]


def note_nothing_to_wait_for(run: Run, references: Sequence[Reference]) -> None:
    """For `wait` without TASK: there may be none, and some may be lost from sight."""
    if not references:
        run.report(Note("there is no task to wait for"))
    if lost := run.journal.unsettled():
        run.report(Warned(f"{len(lost)} submission(s) of unknown outcome: luma tasks --state unknown", once=False))


def _is_there(file: SavedFile) -> bool:
    try:
        return os.stat(file.path).st_size == file.bytes
    except OSError:
        return False
