"""What a run has seen so far: tasks that go on, tasks that were reported, and failures as one exit code."""

import shlex
from collections.abc import Iterable
from itertools import islice

from luma_cli.api.task import Task
from luma_cli.errors import LumaError, MixedOutcomes, OutcomeUnknown

MAX_NAMED = 20


class Results:
    """Collects what becomes of `count` edits. Used from one thread.

    `next_step` is what to say when the run is stopped, instead of the command that waits for its tasks;
    `save_option` is the option that saves their videos.
    """

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self.errors: list[LumaError] = []
        self.tasks: dict[str, Task] = {}
        self.running: dict[str, None] = {}  # an ordered set
        self.next_step: str | None = None
        self.save_option = ""
        self.entry_ids: dict[str, str] = {}

    def track(self, task_id: str) -> None:
        """Remember a task that runs, so that every way out can say how to go on."""
        self.running[task_id] = None
        self.tasks.setdefault(task_id, Task(task_id))

    def untrack(self, task_id: str) -> None:
        self.running.pop(task_id, None)

    def see(self, task: Task) -> None:
        """Remember a task as it was last seen."""
        if task.task_id:
            self.tasks[task.task_id] = task

    def add(self, error: LumaError) -> None:
        self.errors.append(error)

    def forgive(self, row: int) -> None:
        """The submission of this row of the journal, of unknown outcome until now, has its task after all."""
        self.errors = [error for error in self.errors if not (isinstance(error, OutcomeUnknown) and error.row == row)]

    def wait_command(self, task_ids: Iterable[str] | None = None) -> str:
        """The command that waits for tasks, and does with them what this run meant to do."""
        words = [shlex.quote(task_id) for task_id in islice(task_ids or self.running, MAX_NAMED)]
        return f"luma wait {'-- ' if words and words[0].startswith('-') else ''}{' '.join(words)}{self.save_option}"

    def conclude(self) -> None:
        """Raise what went wrong, if anything did.

        Raises:
            MixedOutcomes: several tasks ended differently. When all failed alike, their own class.
        """
        if not self.errors:
            return
        first = self.errors[0]
        if self.count == 1:
            raise first
        alike = len(self.errors) == self.count and len({error.exit_code for error in self.errors}) == 1
        kind = type(first) if alike else MixedOutcomes
        summary = kind(f"{len(self.errors)} of {self.count} did not succeed", hint="each has its own line above")
        summary.findings = tuple(finding for error in self.errors for finding in error.findings)
        raise summary
