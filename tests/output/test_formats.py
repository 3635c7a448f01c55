"""Facts as JSON: paths that are not UTF-8, and what a task knows."""

import base64
import io
import json
import os
import sys

import pytest

from luma_cli.api.task import FIELDS, SavedFile, State, Task
from luma_cli.output import streams
from luma_cli.output.formats import format_json, task_members

PATH = os.fsdecode(b"/a/Caf\xe9.mp4")


def task(path: str) -> Task:
    file = SavedFile(path, 5, "0" * 64, "https://a.example/b.mp4", delivered_sha256="1" * 64)
    return Task("id1", State.SUCCEEDED, credits=100.0, parent_task_id="id0", files=(file,))


def test_a_path_that_is_not_utf_8_has_its_bytes_beside_it() -> None:
    [file] = json.loads(format_json(task_members(task(PATH))))["files"]

    assert file["path"] == "/a/Caf\ufffd.mp4"
    assert base64.b64decode(file["pathBytes"]) == b"/a/Caf\xe9.mp4"
    assert file["deliveredSha256"] == "1" * 64


def test_a_path_of_text_stands_alone() -> None:
    [file] = task_members(task("/a/Café.mp4"))["files"]

    assert (file["path"], "pathBytes" in file) == ("/a/Café.mp4", False)


def test_every_field_of_a_task_is_a_member() -> None:
    members = task_members(task("/a/b.mp4"))

    assert {field.json for field in FIELDS} <= set(members)
    assert (members["model"], members["credits"], members["parentTaskId"], members["pieces"]) == (
        "luma",
        100.0,
        "id0",
        None,
    )


def test_a_pipe_gets_the_bytes_of_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    streams.reset()
    stdout = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stdout, encoding="utf-8", write_through=True))
    streams.emit(PATH + "\x1b")

    assert stdout.getvalue() == b"/a/Caf\xe9.mp4\\x1b\n"
