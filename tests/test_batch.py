"""`luma batch`: many edits, each paid once, whatever happens in between."""

import contextlib
import json
import os
import random
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import CLIP, CLIP_URL, DATA, KEY, Result

from luma_cli.sandbox import Sandbox

Luma = Callable[..., Result]
ROWS = int(os.environ.get("LUMA_TEST_ROWS", "60"))
KILLS = int(os.environ.get("LUMA_TEST_KILLS", "3"))
WINDOW = float(os.environ.get("LUMA_TEST_WINDOW", "0.4"))
# The window of the rate limit is 10 s; this is luma with a short one, as the sandbox beside it has.
QUICK = (
    "import sys; from luma_cli import cli, journal, submit;"
    f"submit.SPACING = journal.Spacing(20, {WINDOW}); sys.exit(cli.main(sys.argv[1:]))"
)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox whose window is as short as QUICK's, with an interval to match."""
    with Sandbox(duration=0.5, api_key=KEY, rate_window=WINDOW) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url)
        monkeypatch.setenv("LUMA_UPLOAD_URL", server.url)
        monkeypatch.setenv("LUMA_INTERVAL", "1s")
        yield server


def write(rows: list[dict[str, str]], name: str = "edits.jsonl") -> str:
    Path(name).write_text("\n".join(map(json.dumps, rows)))
    return name


def rows_of(text: str) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in map(json.loads, text.splitlines())}


def row(name: str, prompt: str = "Heavy snow", **more: str) -> dict[str, str]:
    return {"id": name, "prompt": prompt, "video": f"{CLIP_URL}?{name}", **more}


def test_every_row_is_one_line_and_one_file(luma: Luma, sandbox: Sandbox) -> None:
    code, out, _ = luma("batch", write([row("a"), row("b", output="deep/b.mp4")]), "-o", "out")

    found = rows_of(out)
    assert code == 0
    assert {name: each["state"] for name, each in found.items()} == {"a": "succeeded", "b": "succeeded"}
    assert found["b"]["files"][0]["path"] == str(Path("out/deep/b.mp4").absolute())
    assert all(each["error"] is None and Path(each["files"][0]["path"]).is_file() for each in found.values())


def test_csv_comes_from_stdin_where_that_is_asked_for(luma: Luma, sandbox: Sandbox) -> None:
    code, out, _ = luma("batch", "-", stdin=f"prompt,video\nHeavy snow,{CLIP_URL}\n")

    assert (code, out.count("\n"), len(sandbox.submissions())) == (0, 1, 1)
    assert json.loads(out)["resultUrls"]


def test_a_local_clip_is_uploaded(luma: Luma, sandbox: Sandbox) -> None:
    luma("batch", write([{"id": "a", "prompt": "Heavy snow", "video": str(CLIP), "output": "a.mp4"}]))

    assert Path("a.mp4").read_bytes() == CLIP.read_bytes()


def test_a_bad_row_stops_all_before_anything_is_sent(luma: Luma, sandbox: Sandbox) -> None:
    code, out, err = luma("batch", write([row("a"), {"prompt": "x"}]), "-o", "out")

    assert (code, out, sandbox.requests, os.listdir()) == (2, "", [], ["edits.jsonl"])
    assert "edits.jsonl:2: video is missing" in err


def test_one_bad_row_does_not_cost_the_others(luma: Luma, sandbox: Sandbox) -> None:
    rows = [row("good"), row("failed", "sandbox:flag3 Snow"), row("chinese", "夜里下大雪")]
    rows += [{**row("long"), "video": str(DATA / "tiny-12s.mp4")}, {**row("missing"), "video": "none.mp4"}]
    code, out, err = luma("batch", write(rows))

    errors = {name: (each["error"] or {}).get("exitCode") for name, each in rows_of(out).items()}
    assert (code, errors) == (9, {"good": None, "failed": 5, "chinese": 2, "long": 2, "missing": 2})
    assert "luma: line 2 (failed): the edit failed" in err
    assert len(sandbox.submissions()) == 2


def test_run_again_it_submits_nothing_and_tells_everything(luma: Luma, sandbox: Sandbox) -> None:
    name = write([row("a"), row("b", "sandbox:flag3 Snow")])
    first = luma("batch", name, "-o", "out")
    seen = len(sandbox.requests)
    again = luma("batch", name, "-o", "out")

    assert rows_of(first.out).keys() == rows_of(again.out).keys()
    assert rows_of(again.out)["a"]["files"] == rows_of(first.out)["a"]["files"]
    assert (first.code, again.code, len(sandbox.requests)) == (9, 9, seen)


def test_a_row_whose_file_is_gone_is_saved_again_without_paying(luma: Luma, sandbox: Sandbox) -> None:
    name = write([row("a", output="a.mp4")])
    luma("batch", name)
    Path("a.mp4").unlink()

    assert luma("batch", name).code == 0
    assert (Path("a.mp4").is_file(), len(sandbox.submissions())) == (True, 1)


def test_rows_that_were_added_are_submitted_the_others_not(luma: Luma, sandbox: Sandbox) -> None:
    luma("batch", write([row("a")]))
    luma("batch", write([row("b"), row("a")]))

    assert len(sandbox.submissions()) == 2


def test_a_row_of_unknown_outcome_is_reported_and_never_sent_again(luma: Luma, sandbox: Sandbox) -> None:
    name = write([row("a", "sandbox:lost-answer Snow")])
    codes = [luma("batch", name).code for _ in range(2)]

    assert (codes, len(sandbox.submissions())) == ([12, 12], 1)


def test_a_file_in_the_way_costs_its_row_nothing_but_a_line(luma: Luma, sandbox: Sandbox) -> None:
    Path("a.mp4").write_text("mine")
    code, out, _ = luma("batch", write([row("a", output="a.mp4"), row("b", output="b.mp4")]))

    assert (code, rows_of(out)["a"]["error"]["exitCode"]) == (9, 11)
    assert (Path("a.mp4").read_text(), len(sandbox.submissions())) == ("mine", 1)


@pytest.mark.parametrize(
    ("scenario", "code", "sent"), [("no-credits", 10, 1), ("bad-key", 4, 1), ("maintenance", 7, 3)]
)
def test_what_holds_for_every_row_stops_the_submitting(
    luma: Luma, sandbox: Sandbox, scenario: str, code: int, sent: int
) -> None:
    sandbox.scenario = scenario
    result = luma("batch", write([row("a"), row("b"), row("c")]))

    assert (result.code, len(rows_of(result.out)), len(sandbox.submissions())) == (code, 3, sent)


def test_fail_fast_submits_nothing_more(luma: Luma, sandbox: Sandbox) -> None:
    rows = [row("bad", "sandbox:flag3 Snow"), *(row(str(number)) for number in range(10))]
    result = luma("batch", write(rows), "--fail-fast", "--max-active", "1")

    assert (result.code, len(sandbox.submissions()), len(rows_of(result.out))) == (9, 1, 11)


def test_at_most_so_many_tasks_run_at_once(luma: Luma, sandbox: Sandbox) -> None:
    assert luma("batch", write([row(str(number)) for number in range(6)]), "--max-active", "2").code == 0

    running, most = set(), 0
    for each in sandbox.requests:
        if each.path.endswith("generate"):
            running.add(json.loads(each.body)["videoUrl"])
        elif each.path.endswith("record-info"):
            task = sandbox.tasks.find(each.query["taskId"])
            assert task is not None
            running.discard(task.params["videoUrl"])  # in this sandbox the first question finds the end
        most = max(most, len(running))
    assert most <= 2


@pytest.mark.parametrize(("limit", "sent"), [(0, 0), (250, 2), (10_000, 5)])
def test_no_more_credits_are_spent_than_allowed(luma: Luma, sandbox: Sandbox, limit: int, sent: int) -> None:
    """A task costs 100 in the sandbox."""
    before = sandbox.credits
    code = luma("batch", write([row(str(number)) for number in range(5)]), "--max-credits", limit).code

    assert (len(sandbox.submissions()), code) == (sent, {0: 10, 250: 9, 10_000: 0}[limit])
    assert before - sandbox.credits <= limit


def test_two_shards_are_all_rows_and_none_twice(luma: Luma, sandbox: Sandbox) -> None:
    name = write([row(str(number)) for number in range(12)])
    shards = [set(rows_of(luma("batch", name, "--shard", f"{number}/2").out)) for number in (1, 2)]

    assert shards[0] | shards[1] == {str(number) for number in range(12)}
    assert not shards[0] & shards[1]
    assert len(sandbox.submissions()) == 12


def test_links_that_need_the_network_are_looked_at_in_their_turn(luma: Luma, sandbox: Sandbox) -> None:
    rows = [{**row("gone"), "video": f"{sandbox.url}/files/none.mp4"}, row("good")]
    result = luma("batch", write(rows))

    assert (result.code, rows_of(result.out)["gone"]["error"]["findings"][0]["name"]) == (9, "url-unreachable")
    assert len(sandbox.submissions()) == 1


def start(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", QUICK, "batch", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def most_in_a_window(sandbox: Sandbox) -> int:
    times = [each.at for each in sandbox.submissions()]
    return max(sum(at <= other < at + WINDOW for other in times) for at in times)


def test_a_big_batch_keeps_to_the_services_pace(quick: Sandbox) -> None:
    name = write([row(str(number)) for number in range(ROWS)])
    process = start(name, "-o", "out", "-q")
    out, err = process.communicate(timeout=600)

    assert process.returncode == 0, err
    assert (len(rows_of(out)), len(os.listdir("out")), len(quick.submissions())) == (ROWS, ROWS, ROWS)
    assert most_in_a_window(quick) <= 20
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{ROWS} rows: peak {used.ru_maxrss / 1024:.0f} MiB, CPU {used.ru_utime + used.ru_stime:.1f} s")


def test_two_processes_share_the_services_pace(quick: Sandbox) -> None:
    names = [write([row(f"{part}-{number}") for number in range(25)], f"{part}.jsonl") for part in "ab"]
    processes = [start(name, "-q") for name in names]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err

    assert len(quick.submissions()) == 50
    assert most_in_a_window(quick) <= 20


def test_killed_at_any_moment_it_goes_on_and_pays_nothing_twice(quick: Sandbox) -> None:
    seed = int(os.environ.get("LUMA_TEST_SEED", random.randrange(10**6)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    name = write([row(str(number), output=f"{number}.mp4") for number in range(ROWS)])
    for _ in range(KILLS):
        # As many requests from now on as chance has it: a moment of any phase, and no clock.
        seen, more = len(quick.requests), chance.randrange(1, max(2, ROWS * 4 // KILLS))
        process = start(name, "-o", "out", "-q")
        while len(quick.requests) < seen + more and process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
        process.kill()
        process.communicate()
    process = start(name, "-o", "out", "-q")
    out, err = process.communicate(timeout=600)

    unknown = [each for each in rows_of(out).values() if each["error"]]
    submitted = Counter(json.loads(each.body)["videoUrl"] for each in quick.submissions())
    assert max(submitted.values()) == 1
    assert all(each["error"]["exitCode"] == 12 for each in unknown), err
    assert len(unknown) <= KILLS
    saved = [path for path in Path("out").iterdir() if path.suffix == ".mp4"]
    assert len(saved) == ROWS - len(unknown)
    assert len(submitted) >= ROWS - len(unknown)
