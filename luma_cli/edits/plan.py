"""Tasks to see through: which, how, and what their end means."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luma_cli.api.task import VISIBILITY_GRACE, Task
from luma_cli.downloads.file_names import stem_of
from luma_cli.edits.results import Outcomes
from luma_cli.errors import FileError, LumaError, Rejected, StillGenerating, TaskFailed, Unavailable
from luma_cli.journal.records import Row
from luma_cli.output import streams

if TYPE_CHECKING:
    from luma_cli.api.client import Client
    from luma_cli.journal.journal import Journal

STDOUT = "-"


@dataclass(frozen=True)
class Goal:
    """A task to see through. `stem` names its files; `age` is seconds since its submission, as far as known."""

    task_id: str
    stem: str = "video"
    age: float = 0.0


@dataclass(frozen=True)
class Plan:
    """How tasks are seen through. Times are in seconds; `output` is a file, a folder, "-" or None for no saving.

    `paid`: this very command has submitted them, and would pay again if it were run again.
    """

    interval: float
    timeout: float
    output: str | None = None
    overwrite: bool = False
    skip_existing: bool = False
    fail_fast: bool = False
    parallel: int = 4
    paid: bool = False

    @property
    def option(self) -> str:
        """The option that saves to the same place, for hints; "" where nothing is saved."""
        if self.output is None:
            return ""
        if self.output == STDOUT:
            return " -o FILE"
        return f" -o {shlex.quote(self.output)}{' --force' if self.overwrite else ''}"

    def not_saved(self, error: LumaError, task_id: str) -> LumaError:
        """Why a video is not saved, with a way on that does not pay again: no script may take it for "try again"."""
        if not self.paid:
            return error
        kind = FileError if isinstance(error, Unavailable) else type(error)
        return kind(
            error.message,
            hint=f"the video is paid for and waits at kie.ai: luma download {task_id}{self.option}",
            http_status=error.http_status,
            task_id=task_id,
        )


def goal_of(row: Row, now: float) -> Goal:
    """A row of the journal as something to wait for; `now` is a Unix time."""
    return Goal(row.task.task_id, stem_of(row.source) or "video", max(0.0, now - row.submitted_at.timestamp()))


def task_now(task_id: str, client: "Client", journal: "Journal") -> Task:
    """What the service says of a task, written down. One that it does not show yet is as the journal has it.

    Raises:
        LumaError: the service cannot tell.
    """
    try:
        task = client.patiently(lambda: client.task(task_id))
    except Rejected as error:
        row = journal.known(task_id)
        if row is None or not row.is_ours or not error.is_not_found or row.age > VISIBILITY_GRACE:
            raise
        streams.note(f"{task_id} is not visible at kie.ai yet")
        return row.task
    journal.learn_if_possible(task, client.base_url)
    return task


def verdict(task: Task) -> LumaError | None:
    """What a task means for somebody who wants its video: None where it is there, else the error."""
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
        return StillGenerating(
            f"task {task.task_id} is {task.state}", hint=streams.way_to_wait([task.task_id]), task_id=task.task_id
        )
    if not task.has_video:
        return FileError(
            f"task {task.task_id} has finished without a usable link",
            hint="look at https://kie.ai/logs",
            task_id=task.task_id,
        )
    return None


def judge(tasks: Sequence[Task], outcomes: Outcomes) -> None:
    """For `status --exit-status`: what is no video is a failure."""
    for task in tasks:
        error = verdict(task)
        if error is not None:
            outcomes.fail(error, task.task_id)


def tell_failed(tasks: Sequence[Task]) -> None:
    """Why tasks failed, on stderr: a line of `status` has no room for it."""
    for task in tasks:
        error = verdict(task) if task.has_failed else None
        if error is not None:
            streams.note(f"{task.task_id}: {error.message}")
