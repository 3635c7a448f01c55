"""`luma tasks`: the only list of tasks there is."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from luma_cli.api.task import Edit, State, Task
from luma_cli.journal import journal
from luma_cli.journal.submissions import Submission
from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, Result
from support.terminals import terminal

Luma = Callable[..., Result]
DAY = 86400.0


def ids(result: Result) -> list[str]:
    return [line.split("\t")[0] for line in result.out.splitlines()]


@pytest.fixture
def file(home: Path) -> Path:
    return home / "state" / "tasks.db"


def on_a_terminal(*words: str, columns: int = 120) -> str:
    """What a person sees of a command."""
    with terminal(*words, columns=columns, rows=40) as shown:
        shown.finish()
        return shown.screen


def write_down(file: Path, task_id: str, days_ago: float, **facts: object) -> None:
    """A task of the past, as the journal would have it."""
    book = journal.open_journal(file)
    book.record(Submission(Edit("Heavy snow", CLIP_URL), CLIP_URL, task_id), lambda _: task_id)
    made = datetime.now(UTC) - timedelta(days=days_ago)
    book.learn(Task(task_id, State.SUCCEEDED, 1, create_time=made, complete_time=made, **facts))  # type: ignore[arg-type]
    book._db.execute("UPDATE task SET submitted_at = ? WHERE task_id = ?", (time.time() - days_ago * DAY, task_id))
    book.close()


def test_the_newest_comes_first_in_lines_of_four_fields(luma: Luma, sandbox: Sandbox) -> None:
    sandbox.tasks.duration = 600.0
    old = luma("modify", CLIP_URL, "-p", "Heavy snow").out.strip()
    sandbox.tasks.duration = 0.0
    new = luma("modify", CLIP_URL, "-p", "Heavy rain", "-w").out.strip()
    code, out, _ = luma("tasks")

    lines = [line.split("\t") for line in out.splitlines()]
    assert (code, [len(line) for line in lines]) == (0, [4, 4])
    assert (lines[0][1], lines[0][3], lines[1][0], lines[1][1]) == ("succeeded", new, old, "generating")
    assert datetime.fromisoformat(lines[0][2]).tzinfo is not None


def test_tasks_and_tasks_list_are_the_same(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow")
    assert luma("tasks").out == luma("tasks", "list").out != ""


def test_what_is_searched_for_may_be_the_name_of_a_command(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", "Show heavy snow")

    for words in (["--search", "show"], ["--json", "--search", "show"], ["-q", "list", "--search", "show"]):
        assert luma("tasks", *words).out.count("\n") == 1


def test_an_empty_journal_is_an_empty_list(luma: Luma) -> None:
    assert luma("tasks") == (0, "", "")
    assert on_a_terminal("tasks") == "luma: no tasks yet: luma modify VIDEO -p TEXT"


def test_the_third_field_is_the_time_that_the_service_made_the_task(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow", "-w")
    created = json.loads(luma("status", "--json").out)["createTime"]

    assert luma("tasks").out.split("\t")[2] == created


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_a_narrow_terminal_gets_a_table_too(luma: Luma, sandbox: Sandbox, columns: int) -> None:
    task_id = luma("modify", CLIP_URL, "-p", "Heavy snow falls at night", "-w", "-q").out and luma("tasks").out[:32]
    heading, *rows = on_a_terminal("tasks", columns=columns).splitlines()

    assert heading.split()[:3] == ["TASK", "STATE", "CLIP"]
    assert len(rows) == 1
    assert rows[0].split()[:3] == [task_id[:8], "succeeded", "in.mp4"]


def test_a_terminal_shows_the_newest_twenty_with_the_newest_last(luma: Luma, file: Path) -> None:
    book = journal.open_journal(file)
    for number in range(23):
        submission = Submission(Edit(f"Snow {number}", CLIP_URL), f"/clips/clip{number}.mp4", None)
        book.record(submission._replace(digest=f"d{number}"), lambda _, number=number: f"{number:08}" + "0" * 24)
    book.close()
    lines = on_a_terminal("tasks").splitlines()

    assert (len(lines), lines[1].split()[0], lines[20].split()[0]) == (22, "00000003", "00000022")
    assert "clip22.mp4" in lines[20]
    assert lines[21] == "luma: … 3 more: --limit 0"
    assert len(on_a_terminal("tasks", "--limit", "0").splitlines()) == 24
    assert len(ids(luma("tasks"))) == 23


def test_failed_is_both_kinds_and_several_states_may_be_named(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow", "-w")
    luma("modify", CLIP_URL, "-p", "sandbox:flag3 Heavy snow", "-w")
    luma("modify", CLIP_URL, "-p", "sandbox:flag2 Heavy snow", "-w")
    luma("modify", CLIP_URL, "-p", "Heavy rain")

    assert len(ids(luma("tasks", "--state", "failed"))) == 2
    assert len(ids(luma("tasks", "--state", "failed", "--state", "succeeded"))) == 3
    assert len(ids(luma("tasks", "--search", "rain", "--since", "yesterday"))) == 1
    assert luma("tasks", "--since", "tomorrow").code == 2


def test_refresh_asks_about_what_has_not_ended(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy rain")

    assert luma("tasks").out.split("\t")[1] == "generating"
    assert luma("tasks", "--refresh").out.split("\t")[1] == "succeeded"


@pytest.mark.parametrize(
    ("state", "count"), [("succeeded", 1), ("generating", 1), ("generate_failed", 1), ("refused", 1), ("unknown", 1)]
)
def test_only_one_state(luma: Luma, sandbox: Sandbox, state: str, count: int) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow", "-w")
    luma("modify", CLIP_URL, "-p", "sandbox:flag3 Heavy snow", "-w")
    luma("modify", CLIP_URL, "-p", "sandbox:lost-answer Heavy snow")
    luma("modify", CLIP_URL, "-p", "sandbox:no-credits Heavy snow")
    luma("modify", CLIP_URL, "-p", "Heavy rain")

    assert len(ids(luma("tasks", "--state", state))) == count


def test_no_such_state_names_those_there_are(luma: Luma) -> None:
    code, _, err = luma("tasks", "--state", "done")
    assert code == 2
    assert "succeeded" in err


def test_only_the_last_days_and_at_most_so_many(luma: Luma, file: Path) -> None:
    for number, days in ((2, 10), (1, 2), (0, 0.1)):
        write_down(file, f"{number:032}", days)

    assert ids(luma("tasks", "--since", "7d")) == [f"{0:032}", f"{1:032}"]
    assert ids(luma("tasks", "--limit", "1")) == [f"{0:032}"]


def test_a_lost_submission_is_said_to_have_cost_perhaps(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", "sandbox:lost-answer Heavy snow")

    [line] = luma("tasks").out.splitlines()
    assert line.split("\t")[:2] == ["unknown-1", "unknown"]
    assert "unknown: may be charged" in on_a_terminal("tasks")


def test_show_has_everything_without_the_network(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP, "-p", "Heavy snow", "-o", "a.mp4")
    seen = len(sandbox.requests)
    facts = dict(line.split("\t", 1) for line in luma("tasks", "show").out.splitlines())

    assert facts["prompt"] == "Heavy snow"
    assert facts["source"] == str(CLIP)
    assert facts["file"].startswith(f"{Path('a.mp4').absolute()}\t{CLIP.stat().st_size}\t")
    assert {"createTime", "completeTime", "submittedAt"} <= set(facts)
    assert len(sandbox.requests) == seen


def test_show_keeps_the_reply_that_nobody_could_read(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", "sandbox:garbage Heavy snow")
    assert "answer\t<html>" in luma("tasks", "show", "unknown-1").out


@pytest.mark.parametrize(("days", "word"), [(1, "expires in 12d"), (13.9, "expires in 2h"), (15, "expired")])
def test_what_is_not_saved_says_when_it_expires(luma: Luma, file: Path, days: float, word: str) -> None:
    """14 days after its end kie.ai deletes it."""
    write_down(file, "1" * 32, days, result_urls=("https://tempfile.example.com/a.mp4",))

    assert word in on_a_terminal("tasks")
    expiry = datetime.fromisoformat(json.loads(luma("tasks", "--json").out)["expiresAt"])
    assert abs((expiry - datetime.now(UTC)).total_seconds() - (14 - days) * DAY) < 60
    assert luma("tasks").out.split("\t")[1] == "succeeded"


def test_what_is_saved_does_not_expire(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP, "-p", "Heavy snow", "-o", "a.mp4")

    assert "expires" not in on_a_terminal("tasks")
    assert json.loads(luma("tasks", "--json").out)["expiresAt"] is None


def test_status_shows_the_usual_time_from_three_finished_tasks_on(
    luma: Luma, sandbox: Sandbox, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.tasks.duration = 3600
    luma("modify", CLIP_URL, "-p", "Heavy snow")
    estimates = []
    for number in range(3):
        estimates.append(json.loads(luma("status", "--json").out)["estimatedSeconds"])
        book = journal.open_journal(file)
        end = datetime.now(UTC)
        start = end - timedelta(seconds=300 + number)
        book.learn(Task(f"{number:032}", State.SUCCEEDED, 1, create_time=start, complete_time=end))
        book._db.execute("UPDATE task SET submitted_at = 0 WHERE task_id = ?", (f"{number:032}",))
        book.close()

    assert estimates == [None] * 3
    assert json.loads(luma("status", "--json").out)["estimatedSeconds"] == pytest.approx(301)
    assert "generating, usually 5m01s" in on_a_terminal("status")


def test_forget_takes_only_what_is_named(luma: Luma, sandbox: Sandbox) -> None:
    first = luma("modify", CLIP_URL, "-p", "Heavy snow").out.strip()
    second = luma("modify", CLIP_URL, "-p", "Heavy rain").out.strip()

    assert luma("tasks", "forget", first[:8]).code == 0
    assert ids(luma("tasks")) == [second]


def test_forget_shows_the_id_that_it_takes_out(luma: Luma, sandbox: Sandbox) -> None:
    task_id = luma("modify", CLIP_URL, "-p", "Heavy snow").out.strip()
    forgotten = f"luma: {task_id} forgotten: the same edit would be submitted and paid anew\n"
    assert luma("tasks", "forget", "@last") == (0, "", forgotten)


def test_prune_keeps_what_has_not_ended_and_what_nobody_knows(luma: Luma, sandbox: Sandbox, file: Path) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow", "-o", file.parent / "snow.mp4")
    running = luma("modify", CLIP_URL, "-p", "Heavy rain").out.strip()
    luma("modify", CLIP_URL, "-p", "sandbox:lost-answer Heavy snow")
    book = journal.open_journal(file)
    book._db.execute("UPDATE task SET submitted_at = submitted_at - 864000")
    book.close()

    assert luma("tasks", "prune", "--older-than", "11d").code == 0
    assert len(ids(luma("tasks"))) == 3
    assert luma("tasks", "prune", "--older-than", "9d").code == 0
    assert sorted(ids(luma("tasks"))) == sorted([running, "unknown-3"])


def test_adopt_gives_a_lost_submission_its_id(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP, "-p", "sandbox:lost-answer Heavy snow")
    [task] = sandbox.tasks._tasks.values()
    code, _, _ = luma("tasks", "adopt", task.task_id)

    assert (code, ids(luma("tasks"))) == (0, [task.task_id])
    assert luma("wait", "@last", "-o", "a.mp4")[:2] == (0, "a.mp4\n")


def test_adopt_asks_the_service_and_takes_no_id_that_it_does_not_know(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", "sandbox:garbage Heavy snow")

    assert luma("tasks", "adopt", "0" * 32).code == 6
    assert ids(luma("tasks")) == ["unknown-1"]


def test_a_task_from_elsewhere_can_be_adopted(luma: Luma, sandbox: Sandbox, home: Path) -> None:
    task_id = luma("modify", CLIP_URL, "-p", "Heavy snow").out.strip()
    (home / "state" / "tasks.db").unlink()

    assert luma("tasks", "adopt", task_id).code == 0
    assert ids(luma("tasks")) == [task_id]


def test_recover_leaves_a_sound_journal_alone(luma: Luma, sandbox: Sandbox, home: Path) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow")
    before = os.listdir(home / "state")

    assert luma("tasks", "recover") == (0, "", "luma: the journal is sound\n")
    assert os.listdir(home / "state") == before


def test_recover_sets_garbage_aside_and_takes_over_what_can_be_read(luma: Luma, sandbox: Sandbox, file: Path) -> None:
    """A page in the middle is zeroed: what lies before and behind it is still there."""
    for number in range(3):
        luma("modify", f"{CLIP_URL}?{number}", "-p", "Heavy snow")
    book = journal.open_journal(file, service=sandbox.url)
    with book._db.transaction():
        for number in range(300):
            book._insert_foreign(Task(f"{number:032}", prompt="Heavy snow"))
    book.close()
    content = bytearray(file.read_bytes())
    middle = content.index(b"Heavy snow", len(content) // 2) // 4096 * 4096
    content[middle : middle + 4096] = bytes(4096)
    file.write_bytes(content)

    refused = luma("modify", CLIP_URL, "-p", "Heavy rain")
    assert (refused.code, file.read_bytes() == content, len(sandbox.submissions())) == (11, True, 3)
    assert "luma tasks recover" in refused.err
    assert luma("status", "--cached", f"{7:032}").code in (0, 2)  # reading goes on with a warning

    code, _, _ = luma("tasks", "recover")
    assert code == 0
    assert len(ids(luma("tasks"))) > 100
    assert [name for name in os.listdir(file.parent) if "damaged" in name]
    assert luma("modify", CLIP_URL, "-p", "Heavy rain").code == 0
