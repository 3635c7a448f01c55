"""How entries end: each counted and reported once, with what the journal knows beside the service's record."""

import logging
from collections.abc import Mapping

from luma_cli.api.task import Task
from luma_cli.edits.events import Ended, Failed, Tally, Warned
from luma_cli.edits.request import Entry
from luma_cli.edits.run import Plan, Run
from luma_cli.errors import FileError, LumaError, OutcomeUnknown

log = logging.getLogger(__name__)

FORGET_HINT = "look at https://kie.ai/logs; then `luma tasks adopt ID`, or forget it to have it submitted again"


class Endings:
    """Used from one thread."""

    def __init__(self, run: Run, plan: Plan) -> None:
        self._run = run
        self._plan = plan
        self._count = 0

    def end(self, entry: Entry, task: Task) -> None:
        """The entry has brought what it was to bring."""
        task = self.complete(task)
        if self._plan.only_reports:  # it runs for ever: what has ended is not kept
            self._run.report(Ended(entry.name, task, clip=entry.clip_name))
            return
        self._count += 1
        self._run.results.see(task)
        try:
            self._run.report(Ended(entry.name, task, entry.entry_id, entry.line, entry.output, entry.clip_name))
        except LumaError as error:
            self._count -= 1
            self.fail(entry, self._plan.not_saved(error, task.task_id), task)

    def fail(self, entry: Entry, error: LumaError, task: Task | None = None) -> None:
        if self._plan.only_reports:
            self._run.report(Warned(f"{entry.name}: {error.message} (luma wait {entry.name})", once=False))
            return
        self._count += 1
        if isinstance(error, OutcomeUnknown) and entry.entry_id is not None:  # there is no --resubmit for one row
            error.hint = FORGET_HINT
        if task is not None and task.task_id:
            task = self.complete(task)
            self._run.results.see(task)
        request = entry.request
        prompt, watermark = (request.prompt, request.watermark) if request is not None else (None, None)
        self._run.fail(Failed(entry.name, error, task, entry.entry_id, entry.line, prompt, watermark, entry.clip_name))

    def unexpected(self, entry: Entry, error: Exception) -> LumaError:
        """What to say of an error that nobody expected: the task's id stays in sight."""
        log.debug("unexpected", exc_info=error)
        what = f"unexpected error: {type(error).__name__}"
        if not entry.task_id:
            return LumaError(what, hint="luma tasks shows what was submitted; LUMA_DEBUG=1 shows more")
        hint = f"the task goes on: {self._run.results.wait_command([entry.task_id])}"
        return LumaError(f"task {entry.task_id}: {what}", hint=hint, task_id=entry.task_id)

    def tally(self, counts: Mapping[str, int]) -> None:
        """Report how many entries are in each phase, of which `counts` has those that are under way."""
        failed = len(self._run.results.errors)
        self._run.report(Tally({**counts, "done": self._count - failed, "failed": failed}))

    def complete(self, task: Task) -> Task:
        """The task with what only the journal knows of it."""
        try:
            row = self._run.journal.known(task.task_id)
        except FileError:
            return task  # it failed while we waited, which was reported
        return task if row is None else row.complete(task)
