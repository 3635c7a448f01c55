"""How tasks stand now: asked once, or remembered. It loads nothing that downloads, so that `status` starts fast."""

import os
from collections.abc import Sequence
from dataclasses import replace

from luma_cli.api.client import Client
from luma_cli.api.task import SavedFile, State, Task
from luma_cli.edits.plan import Goal, task_now
from luma_cli.edits.results import Outcomes
from luma_cli.errors import ACCOUNT_ERRORS, LumaError
from luma_cli.journal.journal import Journal
from luma_cli.output import streams


def remember(goals: Sequence[Goal], journal: Journal) -> list[Task]:
    """The tasks as the journal knows them, without the network."""
    rows = (journal.known(goal.task_id) for goal in goals)
    return [row.task if row is not None else Task(goal.task_id) for row, goal in zip(rows, goals, strict=True)]


def ask(goals: Sequence[Goal], client: Client, journal: Journal, outcomes: Outcomes) -> list[Task]:
    """The tasks as the service knows them now; those it cannot tell of go into `outcomes`."""
    found = []
    for number, goal in enumerate(goals, start=1):
        try:
            task = task_now(goal.task_id, client, journal)
        except LumaError as error:
            outcomes.fail(error, goal.task_id)
            if isinstance(error, ACCOUNT_ERRORS):
                outcomes.give_up(error, len(goals) - number)
                break
            continue
        row = journal.known(goal.task_id)
        found.append(replace(task, files=row.task.files) if row is not None else task)
    return found


def unfinished(journal: Journal, base_url: str) -> list[str]:
    """The ids of this service's tasks that have not been seen to end, the oldest first."""
    return [row.task.task_id for row in journal.unfinished(base_url)]


def missing(journal: Journal, base_url: str) -> list[str]:
    """The ids of this service's finished tasks that are not saved yet, the oldest first."""
    rows = journal.rows(state=State.SUCCEEDED)
    ours = [row.task for row in rows if row.base_url == base_url and row.task.has_video]
    gone = sum(not all(map(_is_there, task.files)) for task in ours)
    if gone:
        streams.note(f"{gone} saved before are no longer where they were: luma download TASK saves one again")
    return [task.task_id for task in reversed(ours) if not task.files]


def _is_there(file: SavedFile) -> bool:
    try:
        return os.stat(file.path).st_size == file.bytes
    except OSError:
        return False
