"""How tasks stand: asked once, by the journal alone, and what that means for somebody who wants the video."""

import functools
import logging
import os
from collections.abc import Iterable, Sequence

from luma_cli.api.failures import failure_hint
from luma_cli.api.task import VISIBILITY_GRACE, SavedFile, State, Task
from luma_cli.edits.events import Failed, Note, Warned
from luma_cli.edits.run import Run, wait_command
from luma_cli.errors import (
    ACCOUNT_ERRORS,
    FileError,
    LumaError,
    NoLongerOffered,
    Rejected,
    StillGenerating,
    TaskFailed,
    Unavailable,
)
from luma_cli.journal.records import Row
from luma_cli.journal.submissions import Submission

log = logging.getLogger(__name__)

# So many times the usual duration make a task a slow one. A duration below a second is that of a mock.
SLOW = 3.0
# Two accounts with one state folder must not wait for each other's tasks to come of age.
ASKED_LONG = 10.0
# A service that has left so many questions in a row unanswered is down.
MAX_UNANSWERED = 3
MIN_USUAL = 1.0


def remember(run: Run, task_ids: Sequence[str]) -> list[Task]:
    """The tasks as the journal knows them, without the network."""
    rows = [run.journal.known(task_id) for task_id in task_ids]
    return [
        row.task if row is not None else Task(task_id, model=run.settings.model)
        for row, task_id in zip(rows, task_ids, strict=True)
    ]


def refresh(run: Run, task_ids: Sequence[str]) -> list[Task]:
    """The tasks as the service knows them now; those that it does not report on go into the results."""
    found, slow = [], SlowTasks(run)
    for number, task_id in enumerate(task_ids, start=1):
        try:
            task = task_now(run, task_id)
        except LumaError as error:
            run.fail(Failed(task_id, error))
            if isinstance(error, ACCOUNT_ERRORS):
                run.give_up(error, len(task_ids) - number)
                break
            continue
        row = run.journal.known(task_id)
        if row is not None and not task.has_ended:
            slow.look(row)
        found.append(task._replace(files=row.task.files) if row is not None else task)
    return found


def task_now(run: Run, task_id: str) -> Task:
    """What the service says of a task, written down. One that it does not show yet is as the journal has it.

    Raises:
        LumaError: the service does not say.
    """
    client, row = run.client, run.journal.known(task_id)
    model = row.task.model if row is not None else run.settings.model
    try:
        task = client.patiently(lambda: client.task(task_id, model))
    except Rejected as error:
        if row is not None and error.is_not_found and not run.journal.is_mine(row):
            error.hint = "the journal has it from another account: it can be seen with that account's key"
        if row is None or not row.is_ours or not error.is_not_found or row.age > VISIBILITY_GRACE:
            raise
        run.report(Note(f"{task_id} is not visible at kie.ai yet"))
        return row.task
    row = run.journal.learn_if_possible(task, row)
    return task if row is None else row.complete(task)


def claim_own(run: Run, rows: Iterable[Row]) -> list[Row]:
    """Ask the service once about each of these tasks: what our key can see is our account's. Returns the others.

    One that is too new to be visible is asked about again next time, as is one that the service did not answer for.

    Raises:
        KeyRejected, OutOfCredits: the service answers no question of ours.
    """
    others = []
    for row in rows:
        try:
            if claim_or_deny(run, row) is not True:
                others.append(row)
        except ACCOUNT_ERRORS:
            raise
        except LumaError as error:
            log.info("%s: whose it is could not be asked: %s", row.task.task_id, error.message)
    return others


def claim_or_deny(run: Run, row: Row, waited: float = 0.0) -> bool | None:
    """Whether a task that another key has submitted is our account's; None as long as it may be too new to be visible.

    One that its own key has seen is visible, else another task of that key may say whose the key is. A new
    task is invisible briefly: who has `waited` and asked for `ASKED_LONG` seconds takes the answer as it is.

    Raises:
        LumaError: the service does not say.
    """
    witness: Row | None = row
    is_ours: bool | None = _is_shown(run, row.task.task_id, row.task.model)
    is_new = run.clock.now() - row.submitted_at.timestamp() <= VISIBILITY_GRACE and waited < ASKED_LONG
    if not is_ours and row.checked_at is None and is_new:
        witness = run.journal.seen_beside(row)
        is_ours = None if witness is None else _is_shown(run, witness.task.task_id, witness.task.model)
    if is_ours and witness is not None:
        run.journal.accounts.claim(witness.number)
    elif is_ours is False:
        run.journal.accounts.deny(row.number)
    return is_ours


def join_by_pruned(run: Run, submission: Submission, model: str) -> None:
    """As `claim_own`, by tasks whose rows were pruned: only the keys of their edits are known.

    Raises:
        LumaError: the service does not say.
    """
    for task_id, account in run.journal.kept_by_others(submission):
        if run.client.patiently(functools.partial(_is_shown, run, task_id, model)):
            run.journal.accounts.join(account)
            return


def _is_shown(run: Run, task_id: str, model: str) -> bool:
    """Whether the service shows a task to our key. Raises LumaError if it does not answer that."""
    try:
        run.client.task(task_id, model)
    except Rejected as error:
        if not error.is_not_found or isinstance(error, NoLongerOffered):
            raise
        return False
    return True


def failure_of(task: Task, save_option: str = "") -> LumaError | None:
    """What a task means for somebody who wants its video: None when it is there, else the error.

    `save_option` goes on with it as this run meant to.
    """
    if task.has_failed:
        why = f": {task.error_message}" if task.error_message else ""
        code = f" (code {task.error_code})" if task.error_code else ""
        return TaskFailed(
            f"the edit failed at kie.ai{why}{code}",
            hint=failure_hint(task),
            api_code=task.error_code if isinstance(task.error_code, int) else None,
            task_id=task.task_id,
        )
    if not task.has_ended:
        hint = wait_command([task.task_id], save_option)
        return StillGenerating(f"task {task.task_id} is {task.state}", hint=hint, task_id=task.task_id)
    if not task.has_video:
        return FileError(
            f"task {task.task_id} has finished without a usable link",
            hint="look at https://kie.ai/logs",
            task_id=task.task_id,
        )
    return None


def report_failures(run: Run, tasks: Sequence[Task], *, are_ours: bool) -> None:
    """Why tasks failed, for which a line of `status` has no room.

    With --exit-status (`are_ours`) each task without a video is a failure of this run.
    """
    for task in tasks:
        error = failure_of(task, run.results.save_option)
        if error is not None and are_ours:
            run.fail(Failed(task.task_id, error, task))
        elif error is not None and task.has_failed:
            run.report(Note(f"{task.task_id}: {error.message}"))


def usual_duration(run: Run, models: Iterable[str]) -> float | None:
    """Seconds that our own tasks of a model took, of all of ours if there are several; None if too few are known."""
    names = set(models)
    return run.journal.median_duration(names.pop() if len(names) == 1 else None)


class SlowTasks:
    """Says once of a task that it may have been dropped: some wait for ever and are in no log (seen by users)."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._usual: dict[str, float | None] = {}
        self._reported: set[str] = set()

    def look(self, row: Row) -> None:
        """A task of the journal goes on."""
        task_id, model = row.task.task_id, row.task.model
        if task_id in self._reported:
            return
        if model not in self._usual:
            self._usual[model] = self._run.journal.median_duration(model)
        usual, age = self._usual[model], self._run.clock.now() - row.submitted_at.timestamp()
        if usual is None or age < SLOW * max(usual, MIN_USUAL):
            return
        self._reported.add(task_id)
        what = f"{task_id} takes over {SLOW:.0f} times as long as usual and may have been dropped"
        self._run.report(Warned(f"{what}: see whether https://kie.ai/logs shows it", once=False))


def unfinished(run: Run) -> list[str]:
    """The ids of this service's tasks that have not been seen to end, the oldest first."""
    return [row.task.task_id for row in run.journal.unfinished()]


def missing(run: Run) -> list[str]:
    """The ids of this service's finished tasks that are not saved yet, the oldest first."""
    rows = [row for row in run.journal.rows(states=[State.SUCCEEDED]) if run.journal.is_mine(row)]
    gone = sum(not all(map(_is_there, row.task.files)) for row in rows)
    if gone:
        run.report(Note(f"{gone} saved before are no longer at their path: luma download TASK saves one again"))
    return [row.task.task_id for row in run.journal.unsaved()]


def refresh_unfinished(run: Run) -> Unavailable | None:
    """Ask about the tasks that were not seen to end, so that what has ended since counts as finished.

    Rows of another key, or of none, are asked about once: they may be ours. Returns why one of the tasks was not
    answered for: it keeps nobody from what is known of the others.

    Raises:
        KeyRejected, OutOfCredits: the service answers no question of ours.
    """
    claim_own(run, run.journal.foreign_rows())
    lost, in_a_row = None, 0
    for task_id in unfinished(run):
        try:
            task_now(run, task_id)
            in_a_row = 0
        except ACCOUNT_ERRORS:
            raise
        except LumaError as error:
            run.report(Note(f"{task_id}: {error.message}"))
            if isinstance(error, Unavailable):
                lost, in_a_row = error, in_a_row + 1
        if in_a_row == MAX_UNANSWERED:
            break
    return lost


def _is_there(file: SavedFile) -> bool:
    try:
        return os.stat(file.path).st_size == file.bytes
    except OSError:
        return False
