"""Every test of the journal has a file of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from luma_cli.journal import journal
from luma_cli.journal.journal import Journal


@pytest.fixture
def file(home: Path) -> Path:
    return home / "state" / "tasks.db"


@pytest.fixture
def book(file: Path) -> Iterator[Journal]:
    opened = journal.open_journal(file)
    yield opened
    opened.close()
