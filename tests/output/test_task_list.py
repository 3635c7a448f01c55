"""The table of the journal: every line fits, what is needed most stays longest."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from luma_cli.output.task_list import COLUMNS, cut, lay_out, name_of, short_ids
from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, Result
from support.screens import Screens

ROWS = [
    ["a1b2c3d4", "succeeded", "street.mp4", "Heavy snow falls at night", "snow.mp4", "4,000", "", "12m00s"],
    ["ffffffff", "generating, as of 12m00s ago", "a-rather-long-name.mov", "Rain " * 30, "", "", "", "2d"],
]
TEXTS = st.lists(
    st.text(st.characters(categories=("L", "N", "P")), max_size=60), min_size=len(COLUMNS), max_size=len(COLUMNS)
)


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (120, ["TASK", "STATE", "CLIP", "PROMPT", "SAVED AS", "COST", "AGE"]),
        (80, ["TASK", "STATE", "CLIP", "PROMPT", "SAVED AS", "AGE"]),
        (60, ["TASK", "STATE", "CLIP", "PROMPT"]),
    ],
)
def test_the_columns_that_are_needed_least_go_first(width: int, headings: list[str]) -> None:
    lines = lay_out(COLUMNS, ROWS, width)

    assert lines[0].replace("SAVED AS", "SAVED_AS").split() == [name.replace(" ", "_") for name in headings]
    assert all(len(line) <= width for line in lines)
    assert len(lines) == 3
    assert all(line.startswith(row[0]) for line, row in zip(lines[1:], ROWS, strict=True))


@given(rows=st.lists(TEXTS, min_size=1, max_size=4), width=st.integers(20, 200))
def test_no_line_is_wider_than_the_terminal(rows: list[list[str]], width: int) -> None:
    longest = max(cell_len(row[0]) for row in rows)

    assert all(cell_len(line) <= max(width, longest, 4) for line in lay_out(COLUMNS, rows, width))


def test_a_column_without_anything_in_it_takes_no_room() -> None:
    assert "SAVED AS" not in lay_out(COLUMNS, [[*ROWS[1]]], 120)[0]


def test_ids_are_as_long_as_it_takes_to_know_them_apart() -> None:
    assert short_ids(["a" * 32, "a" * 9 + "b" * 23, "c" * 32, "unknown-7"]) == [
        "a" * 10,
        "a" * 9 + "b",
        "c" * 8,
        "unknown-7",
    ]


@pytest.mark.parametrize(("text", "width", "shown"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("好好好", 4, "好…")])
def test_what_is_cut_says_so(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/a/b.mp4", "b.mp4"),
        ("https://h.example/v/c.mp4?sig=1", "c.mp4"),
        ("https://h.example/", "h.example"),
        ("", ""),
    ],
)
def test_a_clip_has_its_short_name(source: str, name: str) -> None:
    assert name_of(source) == name


def test_there_is_a_column_of_models_if_one_is_not_luma(
    screens: Screens, luma: Callable[..., Result], sandbox: Sandbox
) -> None:
    headings = []
    for model in ("luma", "aleph"):
        assert luma("modify", CLIP_URL, "-p", "Snow", "--no-check", "--model", model).code == 0
        lines = screens.type("tasks", columns=120, rows=24).lines
        headings.append("MODEL" in lines[0])

    assert headings == [False, True]
    assert "aleph" in lines[2]
    assert "luma" not in lines[1]
