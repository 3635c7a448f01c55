"""luma without --model sends the bytes that it sent before it knew other models (recorded of commit 8b2373f)."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import DATA, Result
from support.recorded_requests import COMMANDS, sent

RECORDED: dict[str, list[str]] = json.loads((DATA / "requests-8b2373f.json").read_text())
BALANCE = "GET /api/v1/chat/credit "
# Sources are downloaded whole for their sound only; the checks ask for ranges of them.
SOURCE = "GET /clips/in.mp4 "


def is_newer(request: str, command: str) -> bool:
    """Asked for by the contract since: the balance around a task (its cost), a source that is a link (its sound)."""
    return (request.startswith(BALANCE) and command != "credits") or (
        request.startswith(SOURCE) and "Range: " not in request
    )


def in_both_spellings(request: str) -> str:
    """The watermark as it is sent since: the vendor documents one spelling and its records echo the other."""
    return request.replace('"watermark": "mine"', '"watermark": "mine", "waterMark": "mine"')


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_sends_what_it_sent_before(
    command: str, luma: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(words: list[str], environment: dict[str, str], _folder: Path) -> None:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        result = luma(*words)
        assert result.code == 0, result.err

    requests = [request for request in sent(COMMANDS[command], run, tmp_path) if not is_newer(request, command)]

    expected = [in_both_spellings(request) for request in RECORDED[command]]
    if command == "batch":  # its tasks run side by side
        requests, expected = sorted(requests), sorted(expected)
    assert requests == expected
