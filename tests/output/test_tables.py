"""Tables on a terminal: no word is broken, a link stays in one piece."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from luma_cli.api.task import State, Task
from luma_cli.output import tables
from luma_cli.output.tables import show_table, show_tasks
from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, Result
from support.screens import Screens

ID = "0123456789abcdef0123456789abcdef"
LINK = "https://tempfile.aiquickdraw.com/l/00000000-0000-4000-8000-000000000000.mp4"
MADE = datetime.now(UTC) - timedelta(days=3)
TASKS = [
    Task(ID, State.SUCCEEDED, create_time=MADE, result_urls=(LINK,)),
    Task(ID[::-1], State.GENERATE_FAILED, create_time=MADE),
    Task(ID, State.GENERATING, create_time=MADE),
]


@pytest.mark.parametrize(
    ("columns", "headings", "task_id"),
    [
        (160, ["TASK", "STATE", "AGE", "RESULT"], ID),
        (80, ["TASK", "STATE", "AGE", "RESULT"], ID),
        (60, ["TASK", "STATE", "AGE", "RESULT"], ID[:12]),
        (40, ["TASK", "STATE", "RESULT"], ID[:12]),
    ],
)
def test_a_status_leaves_out_what_is_needed_least(
    screens: Screens, columns: int, headings: list[str], task_id: str
) -> None:
    lines = screens.draw(lambda: show_tasks(TASKS), columns=columns, rows=24).lines

    assert lines[0].split() == headings
    assert [line.split()[:2] for line in lines if re.match("[0-9a-f]+  ", line)] == [
        [task_id, "succeeded"],
        [ID[::-1][: len(task_id)], "generate_failed"],
        [task_id, "generating"],
    ]
    assert LINK in "".join(line.removeprefix("  ") for line in lines)


@pytest.mark.parametrize(("model", "is_known"), [("luma", True), ("aleph", False)])
def test_what_is_usual_is_usual_for_the_model(
    screens: Screens, luma: Callable[..., Result], sandbox: Sandbox, model: str, is_known: bool
) -> None:
    for number in range(3):
        assert luma("modify", f"{CLIP_URL}?{number}", "-p", "Snow", "--no-check", "-w").code == 0
    luma("modify", CLIP_URL, "-p", "sandbox:never-ends Snow", "--no-check", "--model", model)

    assert ("usually" in "".join(screens.type("status", columns=120, rows=24).lines)) is is_known


def test_how_long_it_usually_takes_goes_before_the_age(screens: Screens) -> None:
    wide = screens.draw(lambda: show_tasks(TASKS[2:], 301), columns=70, rows=24).lines
    narrow = screens.draw(lambda: show_tasks(TASKS[2:], 301), columns=45, rows=24).lines

    assert wide[1].split() == [ID[:12], "generating,", "usually", "5m01s", "3d"]
    assert narrow[1].split() == [ID[:12], "generating", "3d"]


@pytest.mark.parametrize(
    ("columns", "drawn"),
    [
        (50, ["CHECK    VERDICT", "key      ok       from LUMA_API_KEY, accepted", "journal  warning  /a/b"]),
        (40, ["CHECK    VERDICT", "key      ok", "  from LUMA_API_KEY, accepted", "journal  warning  /a/b"]),
    ],
)
def test_a_last_column_without_room_goes_below_the_others(screens: Screens, columns: int, drawn: Sequence[str]) -> None:
    rows = [("key", "ok", "from LUMA_API_KEY, accepted"), ("journal", "warning", "/a/b")]

    assert (
        screens.draw(
            lambda: show_table(rows, {"check": "CHECK", "verdict": "VERDICT", "message": ""}), columns=columns, rows=24
        ).lines
        == drawn
    )


def test_a_long_text_is_broken_between_words_under_its_own_column(screens: Screens) -> None:
    rows = [("key", "from LUMA_API_KEY and accepted by the service")]

    assert screens.draw(
        lambda: tables.show_table(rows, {"check": "CHECK", "message": ""}), columns=40, rows=24
    ).lines == [
        "CHECK",
        "key    from LUMA_API_KEY and accepted by",
        "       the service",
    ]
