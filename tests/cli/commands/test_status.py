"""`luma status`, and the ways to name a task."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, Result

Luma = Callable[..., Result]


def submit(luma: Luma, prompt: str = "Heavy snow") -> str:
    return luma("modify", CLIP_URL, "-p", prompt).out.strip()


@pytest.fixture
def named(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give the next tasks these ids."""

    def call(*ids: str) -> None:
        left = iter(ids)
        create = sandbox.tasks.create

        def make(*arguments: object) -> object:
            task = create(*arguments)  # type: ignore[arg-type]
            del sandbox.tasks._tasks[task.task_id]
            task.task_id = next(left)
            sandbox.tasks._tasks[task.task_id] = task
            return task

        sandbox.tasks.create = make  # type: ignore[assignment,method-assign]

    return call


def test_in_a_pipe_a_line_holds_id_state_time_and_link(luma: Luma, sandbox: Sandbox) -> None:
    task_id = submit(luma)
    code, out, err = luma("status", task_id)

    name, state, created, link = out.rstrip("\n").split("\t")
    assert (code, name, state, err) == (0, task_id, "succeeded", "")
    assert created.endswith("Z")
    assert link.startswith(f"{sandbox.url}/files/results/")


def test_without_task_the_last_one_is_meant(luma: Luma, sandbox: Sandbox) -> None:
    submit(luma)
    last = submit(luma)

    assert luma("status").out.startswith(f"{last}\t")
    assert luma("status", "@last").out == luma("status", "@1").out == luma("status").out


def test_several_tasks_are_a_line_each_in_the_order_asked_for(luma: Luma, sandbox: Sandbox) -> None:
    ids = [submit(luma) for _ in range(3)]

    assert [line.split("\t")[0] for line in luma("status", *ids[::-1]).out.splitlines()] == ids[::-1]


def test_a_task_named_twice_is_asked_for_once(luma: Luma, sandbox: Sandbox) -> None:
    task_id = submit(luma)
    sandbox.requests.clear()

    assert len(luma("status", task_id, "@last", task_id[:8]).out.splitlines()) == 1
    assert len(sandbox.requests) == 1


def test_ids_come_from_stdin_only_where_a_dash_asks_for_it(luma: Luma, sandbox: Sandbox) -> None:
    first, second = submit(luma), submit(luma)

    assert luma("status", "-", stdin=f"{first}\n").out.startswith(first)
    assert luma("status", stdin=f"{first}\n").out.startswith(second)


@pytest.mark.parametrize("command", ["status", "wait", "download"])
def test_a_dash_with_nothing_behind_it_means_nothing_and_not_the_last(
    luma: Luma, sandbox: Sandbox, command: str
) -> None:
    submit(luma)
    before = len(sandbox.requests)

    assert luma(command, "-") == (0, "", "luma: no task was named on stdin\n")
    assert len(sandbox.requests) == before


def test_lines_of_tasks_that_have_no_id_cost_no_other(luma: Luma, sandbox: Sandbox) -> None:
    """`luma tasks | cut -f1 | luma wait -`: what was refused is no task, what is unknown is not forgotten."""
    good = submit(luma)
    for scenario in ("no-credits", "lost-answer"):
        sandbox.scenario = scenario
        submit(luma)
    sandbox.scenario = "ok"
    labels = "".join(line.split("\t")[0] + "\n" for line in luma("tasks").out.splitlines())

    code, out, err = luma("wait", "-", stdin=labels)
    assert (code, out.count("\n")) == (9, 1)
    assert "luma: refused-2 was refused: there is no task\n" in err
    assert "luma: unknown-3: unknown-3 has no task id (luma tasks show unknown-3)\n" in err
    assert luma("wait", "-", stdin=f"refused-2\n{good}\n").code == 0
    link = luma("status", good).out.split("\t")[3].strip()
    code, _, err = luma("download", "unknown-3", link, "-o", "out/")
    assert (code, "luma: unknown-3: unknown-3 has no task id" in err) == (9, True)


@pytest.mark.parametrize("command", ["status", "wait", "download"])
def test_refused_submissions_alone_are_no_success(luma: Luma, sandbox: Sandbox, command: str) -> None:
    sandbox.scenario = "no-credits"
    submit(luma)
    submit(luma)

    assert luma(command, "refused-1", "refused-2")[:2] == (2, "")


def test_a_task_that_is_not_visible_yet_is_generating_and_no_mistake(luma: Luma, sandbox: Sandbox) -> None:
    sandbox.scenario = "not-visible"
    task_id = submit(luma)

    code, out, err = luma("status")
    assert (code, out.split("\t")[:2]) == (0, [task_id, "generating"])
    assert err == f"luma: {task_id} is not visible at kie.ai yet\n"
    assert luma("download", submit(luma), "-o", "a.mp4").code == 8
    assert luma("status", submit(luma), "--exit-status").code == 8


def test_a_label_is_taken_at_its_word(luma: Luma, sandbox: Sandbox) -> None:
    sandbox.scenario = "lost-answer"
    submit(luma)

    assert luma("tasks", "forget", "refused-1").code == 2
    assert luma("tasks", "show", "sending-1").code == 0, "it was being sent when somebody saw it"


def test_why_a_task_failed_is_reported_beside_its_line(luma: Luma, sandbox: Sandbox) -> None:
    sandbox.scenario = "flag3"
    task_id = submit(luma)
    code, out, err = luma("status")

    assert (code, out.split("\t")[:2]) == (0, [task_id, "generate_failed"])
    assert err == f"luma: {task_id}: the edit failed at kie.ai: Generation failed (code 501)\n"
    assert luma("status", "--json", "-q").err == ""


def test_the_second_last_is_at_2(luma: Luma, sandbox: Sandbox) -> None:
    first, _ = submit(luma), submit(luma)

    assert luma("status", "@2").out.startswith(first)


@pytest.mark.parametrize("length", [6, 7, 31])
def test_a_prefix_of_six_or_more_is_enough(luma: Luma, sandbox: Sandbox, length: int) -> None:
    task_id = submit(luma)

    assert luma("status", task_id[:length]).out.startswith(task_id)


def test_a_prefix_that_fits_two_tasks_is_refused(luma: Luma, sandbox: Sandbox, named: Callable[..., None]) -> None:
    named("abcdef0123", "abcdef0124")
    submit(luma), submit(luma)
    sandbox.requests.clear()

    assert luma("status", "abcdef") == (
        2, "", "luma: error: abcdef fits 2 tasks\nhint: type more of the id\n"
    )  # fmt: skip
    assert luma("status", "abcdef0123").out.startswith("abcdef0123\t")


def test_an_id_that_is_the_beginning_of_another_is_that_task(
    luma: Luma, sandbox: Sandbox, named: Callable[..., None]
) -> None:
    named("abcdef", "abcdef01")
    submit(luma), submit(luma)

    assert luma("status", "abcdef").out.startswith("abcdef\t")


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ("@last", "the journal holds no task @last"),
        ("@7", "the journal holds no task @7"),
        ("@0", "'@0' is not a task"),
        ("@", "'@' is not a task"),
        ("@-1", "'@-1' is not a task"),
        ("@" + "9" * 5000, "'@999"),
        ("abc", "'abc' is too short for a task id"),
        ("abcdef", "no task 'abcdef' in the journal"),
        ("../../etc/passwd", "'../../etc/passwd' is not a task id"),
        ("a b", "'a b' is not a task id"),
        ("%", "'%' is not a task id"),
        ("\x1b[2J", "'\\x1b[2J' is not a task id"),
        ("x" * 5000, "'xxx"),
        ("", "'' is not a task id"),
        ("unknown-1", "no task 'unknown-1' in the journal"),
    ],
    ids=lambda text: ascii(text[:16]),
)
def test_what_names_no_task_exits_2_and_asks_nothing(luma: Luma, sandbox: Sandbox, reference: str, error: str) -> None:
    code, out, err = luma("status", "--", reference)

    assert (code, out, sandbox.requests) == (2, "", [])
    assert err.startswith(f"luma: error: {error}")


def test_a_submission_without_an_id_has_no_status(luma: Luma, sandbox: Sandbox) -> None:
    sandbox.scenario = "lost-answer"
    submit(luma)

    code, _, err = luma("status", "unknown-1")
    assert (code, "hint: luma tasks show unknown-1" in err) == (2, True)


@pytest.mark.parametrize(("scenario", "code"), [("ok", 0), ("flag4", 0), ("flag2", 5), ("flag3", 5)])
def test_exit_status_shows_the_state(luma: Luma, sandbox: Sandbox, scenario: str, code: int) -> None:
    submit(luma, f"sandbox:{scenario} Snow")

    assert luma("status").code == 0
    assert luma("status", "--exit-status").code == code


def test_exit_status_of_a_task_that_is_generating_is_8(luma: Luma, sandbox: Sandbox) -> None:
    sandbox.tasks.duration = 3600
    task_id = submit(luma)

    code, out, err = luma("status", "--exit-status")
    assert (code, out.split("\t")[:2]) == (8, [task_id, "generating"])
    assert f"hint: luma wait {task_id}\n" in err


def test_exit_status_of_several_is_9_unless_they_agree(luma: Luma, sandbox: Sandbox) -> None:
    for scenario in ("ok", "flag2", "flag3"):
        submit(luma, f"sandbox:{scenario} Snow")

    assert luma("status", "@1", "@3", "--exit-status").code == 9
    assert luma("status", "@1", "@2", "--exit-status").code == 5


def test_one_task_that_is_unknown_does_not_cost_the_others(luma: Luma, sandbox: Sandbox) -> None:
    task_id, foreign = submit(luma), "0" * 32
    code, out, err = luma("status", foreign, task_id)

    assert (code, out.split("\t")[0]) == (9, task_id)
    assert err.startswith(f"luma: {foreign}: ")
    assert "luma: error: 1 of 2 did not succeed\n" in err


def test_a_task_that_the_service_does_not_know_exits_6(luma: Luma, sandbox: Sandbox) -> None:
    assert luma("status", "0" * 32)[:2] == (6, "")


@pytest.mark.usefixtures("no_pauses")
def test_an_error_that_does_not_pass_exits_7(luma: Luma, sandbox: Sandbox) -> None:
    submit(luma)
    sandbox.scenario = "maintenance"
    sandbox.requests.clear()

    assert luma("status")[:2] == (7, "")
    assert len(sandbox.requests) == 3


def test_the_reply_is_remembered(luma: Luma, sandbox: Sandbox) -> None:
    task_id = submit(luma)
    luma("status")
    sandbox.requests.clear()

    assert luma("status", "--cached").out.startswith(f"{task_id}\tsucceeded\t")
    assert sandbox.requests == []


def test_cached_needs_no_key_and_no_network(luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = submit(luma)
    monkeypatch.delenv("LUMA_API_KEY")
    asked = len(sandbox.requests)

    assert luma("status", "--cached").out.split("\t")[:2] == [task_id, "generating"]
    assert len(sandbox.requests) == asked


def test_files_that_were_saved_stand_in_the_object(luma: Luma, sandbox: Sandbox) -> None:
    submit(luma)
    luma("wait", "-o", "a.mp4")

    [file] = json.loads(luma("status", "--json").out)["files"]
    assert file["path"] == str(Path("a.mp4").absolute())
    assert file["bytes"] == Path("a.mp4").stat().st_size


@pytest.mark.parametrize("columns", ["0", "1", "80", "1000000", "many"])
def test_a_terminal_gets_a_table_with_everything_in_it(luma: Luma, sandbox: Sandbox, columns: str) -> None:
    """Whatever the terminal says of its width, the link is not cut off."""
    task_id = submit(luma)
    link = luma("status").out.rstrip("\n").split("\t")[3]
    words = ["-m", "luma_cli", "status"]
    child = pexpect.spawn(sys.executable, words, encoding="utf-8", timeout=60, env={**os.environ, "COLUMNS": columns})
    shown = re.sub(r"\x1b\[[0-9;]*m", "", child.read())
    child.close()

    assert (child.exitstatus, shown.split()[:4]) == (0, ["TASK", "STATE", "AGE", "RESULT"])
    # Of an id only the beginning is left where there is no room for all; every command takes it.
    assert f"{task_id[:12] if columns == '1' else task_id} succeeded" in " ".join(shown.split())
    assert link in "".join(shown.split())


def test_a_broken_journal_does_not_keep_status_from_asking(luma: Luma, sandbox: Sandbox, home: Path) -> None:
    task_id = submit(luma)
    (home / "state" / "tasks.db").write_text("not a journal")
    code, out, err = luma("status", task_id)

    assert (code, out.split("\t")[0]) == (0, task_id)
    assert err.count("luma: warning: ") == 1
    assert (home / "state" / "tasks.db").read_text() == "not a journal"


def test_the_cost_that_only_the_journal_knows_is_in_every_json(luma: Luma, sandbox: Sandbox) -> None:
    done = json.loads(luma("modify", CLIP_URL, "-p", "Heavy snow", "--wait", "--json").out)
    assert done["credits"] == 100

    for command in (["status"], ["download", "-o", "snow.mp4"], ["wait", done["taskId"]], ["tasks"]):
        assert json.loads(luma(*command, "--json").out)["credits"] == 100, command
