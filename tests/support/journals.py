"""What the tests of the journal share: submissions of nothing in particular, and other processes."""

from collections.abc import Callable

import pytest

from luma_cli.api.task import Edit, State, Task
from luma_cli.errors import OutcomeUnknown
from luma_cli.journal.journal import Journal
from luma_cli.journal.submissions import Submission
from support.commands import CLIP_URL

BASE = "https://api.example.com"
ID = "5f0c9be2d7a14c0f8b1e6a3d92c47e10"


def meanwhile(book: Journal, do: Callable[[], object]) -> None:
    """Have another process do something just before the next transaction begins."""
    connection = book._db._connection

    def look(statement: str) -> None:
        if statement.startswith("BEGIN"):
            connection.set_trace_callback(None)
            do()

    connection.set_trace_callback(look)


def submission(name: str = "a", key: str | None = None) -> Submission:
    return Submission(Edit("Snow", f"{CLIP_URL}?{name}"), name, f"digest-{name}", key)


def lost(_: Edit) -> str:
    error = OutcomeUnknown("lost")
    error.raw = "half an ans"
    raise error


def lose(book: Journal, *names: str) -> None:
    for name in names:
        with pytest.raises(OutcomeUnknown):
            book.record(submission(name), lost)


def asked(name: str, task_id: str = ID) -> Task:
    edit = submission(name).edit
    return Task(task_id, State.GENERATING, 0, edit.prompt, edit.video_url)
