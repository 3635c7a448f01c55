"""The one loop, by what it asks the journal and the disk for."""

import hashlib
import sqlite3
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from luma_cli.sandbox import Sandbox
from support.commands import CLIP, Result

Luma = Callable[..., Result]


@pytest.fixture
def selects(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every query of the journal from here on."""
    found: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(lambda sql: found.append(sql) if sql.lstrip().startswith("SELECT") else None)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    return found


def counted(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> list[object]:
    """What a function is called with from here on."""
    found: list[object] = []
    function = getattr(module, name)
    monkeypatch.setattr(module, name, lambda first, *more: (found.append(first), function(first, *more))[1])
    return found


def test_one_edit_parses_the_config_once_and_hashes_its_clip_once(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text('interval = "1s"\n')
    parsed, hashed = counted(monkeypatch, tomllib, "loads"), counted(monkeypatch, hashlib, "file_digest")

    assert luma("modify", CLIP, "-p", "Snow falls", "-o", "x.mp4").code == 0
    assert len([text for text in parsed if "interval" in str(text)]) == 1
    assert len([file for file in hashed if getattr(file, "name", "") == str(CLIP)]) == 1


def test_one_edit_asks_the_journal_a_bounded_number_of_times(luma: Luma, sandbox: Sandbox, selects: list[str]) -> None:
    assert luma("modify", CLIP, "-p", "Snow falls", "-o", "x.mp4").code == 0
    assert len(selects) <= 8
