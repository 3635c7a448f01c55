"""How entries end: each counted and reported once, with what the journal knows beside the service's record."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from luma_cli.api.task import SavedFile, Task
from luma_cli.edits.budget import Spending
from luma_cli.edits.events import Ended, Failed, Tally, Warned
from luma_cli.edits.request import Entry
from luma_cli.edits.run import RUN_AGAIN, STDOUT, Plan, Run
from luma_cli.edits.save import other_kind
from luma_cli.edits.sources.joiner import Joiner, Whole
from luma_cli.edits.sources.piece_rows import PieceFacts
from luma_cli.edits.sources.recipes import write_recipe
from luma_cli.errors import FileError, LumaError, OutcomeUnknown
from luma_cli.journal.records import Outcome

log = logging.getLogger(__name__)

FORGET_HINT = "look at https://kie.ai/logs; then `luma tasks adopt ID`, or `luma tasks forget {}` to submit it again"


@dataclass(eq=False, repr=False)
class Endings:
    """Used from one thread."""

    _run: Run
    _plan: Plan
    _spending: Spending
    _joiner: Joiner
    _count: int = 0

    def end(self, entry: Entry, task: Task) -> None:
        """The entry has brought what it was to bring. The end of a piece is not one of its own."""
        if entry.whole is not None:
            self._joiner.ended(entry.whole, entry, task)
            self._look_at_whole(entry.whole)
            return
        task = self._complete(entry, task)
        if self._plan.only_reports:  # it runs for ever: what has ended is not kept
            self._run.report(Ended(entry.name, task, clip=entry.clip_name))
            return
        self._count += 1
        self._run.results.see(task)
        try:
            self._report(entry, task)
        except LumaError as error:
            self._count -= 1
            self.fail(entry, self._plan.not_saved(error, task.task_id), task)

    def fail(self, entry: Entry, error: LumaError, task: Task | None = None) -> None:
        if self._plan.only_reports:
            wait = self._run.results.wait_command([entry.name])
            self._run.report(Warned(f"{entry.name}: {error.message} ({wait})", once=False))
            return
        if entry.whole is not None:
            self._joiner.failed(entry.whole, entry, error, task=task)
            self._look_at_whole(entry.whole)
            return
        if isinstance(error, OutcomeUnknown) and entry.entry_id is not None:  # there is no --resubmit for one row
            hint = FORGET_HINT.format("TASK" if error.row is None else f"{Outcome.UNKNOWN}-{error.row}")
            error.hint = (error.hint or "").replace(OutcomeUnknown.NEXT_STEP, hint)
        if task is not None and task.task_id:
            task = self._complete(entry, task)
            self._run.results.see(task)
        self._fail(entry, error, task)

    def end_whole(self, whole: Whole, file: SavedFile | None) -> None:
        """A clip that was edited in pieces has one result: its file, or what went wrong with them."""
        self._joiner.close(whole)
        task, pieces = self._joiner.result(whole, file)
        if file is None:
            self._fail(whole.entry, whole.error, task, pieces)
            return
        self._count += 1
        if self._plan.writes_recipe:
            wish = {"split": True, "audio": whole.finishing.audio, "match": whole.finishing.match}
            facts = {**wish, "taskId": None, "completeTime": None, "credits": task.credits}
            first = Task(str(pieces[0]["taskId"]))
            write_recipe(self._run, first, file, overwrite=self._plan.overwrite, whole=facts)
        self._run.results.next_step = None if whole.entry.entry_id is None else RUN_AGAIN
        self._run.results.see(task)
        self._run.results.clips[file.path] = whole.request.clip.label
        self._report(whole.entry, task, pieces)

    def _fail(self, entry: Entry, error: LumaError, task: Task | None, pieces: PieceFacts | None = None) -> None:
        self._count += 1
        asked = entry.request.asked if entry.request is not None else Task("")
        failed = Failed(entry.name, error, task, entry.entry_id, entry.line, asked, entry.clip_name, pieces)
        self._run.fail(failed)

    def _report(self, entry: Entry, task: Task, pieces: PieceFacts | None = None) -> None:
        for path in [Path(file.path) for file in task.files if entry.output != STDOUT]:
            if (other := other_kind(path)) is not None:
                what = f"{path.name} is {other}, whatever its name says: videos are saved as they come"
                self._run.report(Warned(what))
        ended = Ended(entry.name, task, entry.entry_id, entry.line, entry.output, entry.clip_name, pieces)
        self._run.report(ended)

    def _look_at_whole(self, whole: Whole) -> None:
        """Pieces that have all ended, and not all well, are the end of a clip that is not made."""
        if whole.has_ended and whole.errors:
            self.end_whole(whole, None)

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

    def _complete(self, entry: Entry, task: Task) -> Task:
        """The task with what only the journal knows of it."""
        try:
            row = entry.row or self._run.journal.known(task.task_id)
        except FileError:
            return task  # it failed while we waited, which was reported
        return task if row is None else self._spending.complete(row, task)
