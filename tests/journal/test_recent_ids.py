"""What a Tab offers of the journal."""

from pathlib import Path

import pytest

from luma_cli.api.task import Edit
from luma_cli.journal.journal import Journal
from luma_cli.journal.recent_ids import recent_tasks
from support.journals import ID, submission


def test_the_newest_come_first_with_clip_and_prompt_on_one_line(book: Journal, file: Path) -> None:
    book.record(submission("a")._replace(source="https://a.example/in.mp4?sig=secret"), lambda _: ID)
    edit = Edit("Snow\tfalls\nat " + "night " * 20, "https://a.example/b.mp4")
    book.record(submission("b")._replace(edit=edit, source="/videos/caf\udce9.mp4"), lambda _: ID[::-1])
    newest, oldest = recent_tasks(str(file.parent))
    assert oldest == (ID, "in.mp4", "Snow")
    assert newest[:2] == (ID[::-1], "caf?.mp4")
    assert newest[2].startswith("Snow falls at night")
    assert len(newest[2]) <= 60


@pytest.mark.parametrize("folder", [None, "", "/nowhere"])
def test_without_a_journal_there_is_nothing(folder: str | None) -> None:
    assert recent_tasks(folder) == []
