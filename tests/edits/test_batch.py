"""`luma batch`: many edits, each paid once, whatever happens in between."""

import contextlib
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pexpect
import pytest

from luma_cli.edits import submit
from luma_cli.sandbox import Sandbox
from support import processes
from support.commands import CLIP, CLIP_URL, DATA, KEY, MIB, Result, measured
from support.fault_server import Answer, FaultServer, Request, envelope

Luma = Callable[..., Result]
ROWS = int(os.environ.get("LUMA_TEST_ROWS", "60"))
KILLS = int(os.environ.get("LUMA_TEST_KILLS", "2"))
SEED = int(os.environ.get("LUMA_TEST_SEED", "1"))
WINDOW = float(os.environ.get("LUMA_TEST_WINDOW", "0.4"))
# The window of the rate limit is 10 s; this is luma with a short one, as the sandbox beside it has.
QUICK = (
    "import sys; from luma_cli.cli import main; from luma_cli.edits import submit;"
    "from luma_cli.journal.submissions import Spacing;"
    f"submit.SPACING = Spacing(20, {WINDOW}); sys.exit(main.main(sys.argv[1:]))"
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
    assert {name: row["state"] for name, row in found.items()} == {"a": "succeeded", "b": "succeeded"}
    assert found["b"]["files"][0]["path"] == str(Path("out/deep/b.mp4").absolute())
    assert all(row["error"] is None and Path(row["files"][0]["path"]).is_file() for row in found.values())


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
    assert "luma: error: 1 fault in edits.jsonl: nothing was sent\n" in err


def test_one_bad_row_does_not_cost_the_others(luma: Luma, sandbox: Sandbox) -> None:
    rows = [row("good"), row("failed", "sandbox:flag3 Snow"), row("chinese", "夜里下大雪")]
    rows += [
        {**row("long"), "video": str(DATA / "tiny-12s.mp4")},
        {**row("missing"), "video": "none.mp4", "model": "aleph"},
    ]
    code, out, err = luma("batch", write(rows))

    errors = {name: (row["error"] or {}).get("exitCode") for name, row in rows_of(out).items()}
    assert (code, errors) == (9, {"good": None, "failed": 5, "chinese": 2, "long": 2, "missing": 2})
    assert (rows_of(out)["chinese"]["prompt"], rows_of(out)["chinese"]["state"]) == ("夜里下大雪", None)
    assert rows_of(out)["missing"]["model"] == "aleph"
    assert "luma: line 2 (failed): the edit failed" in err
    assert len(sandbox.submissions()) == 2


def test_run_again_it_submits_nothing_and_shows_everything(luma: Luma, sandbox: Sandbox) -> None:
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


def test_batches_of_one_file_at_once_pay_once_and_all_show_every_row(quick: Sandbox) -> None:
    name = write([row(f"{number}", output=f"{number}.mp4") for number in range(12)])
    running = [start(name) for _ in range(3)]
    told = [process.communicate(timeout=120) for process in running]

    assert [process.returncode for process in running] == [0, 0, 0], [err for _, err in told]
    assert [len(rows_of(out)) for out, _ in told] == [12, 12, 12]
    assert len(quick.submissions()) == 12
    assert len({Path(f"{number}.mp4").read_bytes() for number in range(12)}) == 1


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
    for request in sandbox.requests:
        if request.path.endswith("generate"):
            running.add(json.loads(request.body)["videoUrl"])
        elif request.path.endswith("record-info"):
            task = sandbox.tasks.find(request.query["taskId"])
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


@pytest.mark.parametrize(("limit", "sent"), [("40", 1), ("120", 2), ("150", 3)])
def test_a_service_that_charges_at_the_end_of_a_task_does_not_get_more_than_the_limit(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, limit: str, sent: int
) -> None:
    """The price shows only after the first task has ended: until then one runs at a time."""
    submitted: list[str] = []
    ended: set[str] = set()

    def answer(request: Request) -> Answer:
        if request.path.endswith("/credit"):
            return envelope(200, 1000 - 50 * len(ended))
        if request.method == "POST":
            submitted.append(f"{len(submitted):032x}")
            return envelope(200, {"taskId": submitted[-1]})
        task_id = request.raw.split()[1].decode().rpartition("=")[2]
        ended.add(task_id)
        links = ["https://files.example.net/a.mp4"]
        return envelope(200, {"taskId": task_id, "successFlag": 1, "response": {"resultUrls": links}})

    with FaultServer(answer) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        rows = write([row(str(number)) for number in range(5)])
        code = luma("batch", rows, "--no-check", "--max-credits", limit, "--interval", "1s").code

    assert (len(submitted), code) == (sent, 9)


def test_each_run_of_429s_is_looked_at_for_an_empty_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first row has met the rate limit before it is refused for what it is; behind the next 429 is no credit."""
    codes = [429, 422, 429]

    def answer(request: Request) -> Answer:
        if request.path.endswith("/credit"):
            return envelope(200, 100 if codes else 0)
        return envelope(codes.pop(0), None)

    with FaultServer(answer) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        out, err = start(write([row("refused"), row("poor")]), "--no-check").communicate(timeout=60)

    assert {name: found["error"]["exitCode"] for name, found in rows_of(out).items()} == {"refused": 6, "poor": 10}, err


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


def test_a_bad_row_costs_a_quick_failing_batch_nothing(luma: Luma, sandbox: Sandbox) -> None:
    code, out, _ = luma("batch", write([row("good"), row("chinese", "夜里下大雪")]), "--fail-fast")

    assert (code, len(rows_of(out)), sandbox.submissions()) == (9, 2, [])


def test_another_folder_is_another_copy_and_no_other_task(luma: Luma, sandbox: Sandbox) -> None:
    name = write([row("a", output="a.mp4"), row("b")])
    found = [rows_of(luma("batch", name, "-o", folder).out) for folder in ("one", "two", "one")]

    paths = [[row["files"][0]["path"] for row in rows.values()] for rows in found]
    assert all(
        Path(path).parent.name == folder
        for folder, rows in zip(["one", "two", "one"], paths, strict=True)
        for path in rows
    )
    assert (sorted(paths[0]), len(sandbox.submissions())) == (sorted(paths[2]), 2)
    assert [len(row["files"]) for rows in found for row in rows.values()] == [1] * 6


def test_the_folder_of_the_settings_is_taken_where_none_is_named(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_OUTPUT_DIR", "mine")
    luma("batch", write([row("a", output="a.mp4")]))

    assert os.listdir("mine") == ["a.mp4"]


def test_several_edits_of_one_clip_are_told_apart_by_their_names(luma: Luma, sandbox: Sandbox) -> None:
    one = {"prompt": "Heavy snow", "video": str(CLIP)}
    luma("batch", write([one]), "-o", "out")
    first = os.listdir("out")
    luma("batch", write([one, {"prompt": "Light rain", "video": str(CLIP)}]), "-o", "out")

    names = sorted(os.listdir("out"))
    assert first[0] in names  # a row keeps the name that it was submitted under
    assert [name.rpartition("-")[0] for name in names if name not in first] == ["street-light-rain"]
    assert len(names) == 2


def test_a_batch_has_no_video_for_stdout(luma: Luma, sandbox: Sandbox) -> None:
    assert luma("batch", write([row("a")]), "-o", "-")[:2] == (2, "")
    assert sandbox.requests == []


def test_a_folder_that_cannot_be_made_costs_its_row_alone(luma: Luma, sandbox: Sandbox) -> None:
    Path("notes").write_text("mine")
    code, out, _ = luma("batch", write([row("a", output="notes/a.mp4"), row("b", output="b.mp4")]))

    assert (code, rows_of(out)["a"]["error"]["exitCode"], rows_of(out)["b"]["error"]) == (9, 11, None)
    assert len(sandbox.submissions()) == 1


def test_without_a_journal_it_warns_that_it_cannot_go_on(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_JOURNAL", "off")
    code, _, err = luma("batch", write([row("a")]))

    assert (code, len(sandbox.submissions())) == (0, 1)
    assert "luma: warning: LUMA_JOURNAL=off: if this batch is stopped, it cannot go on" in err


def test_a_task_of_the_run_before_may_still_be_too_young_to_be_known(luma: Luma, sandbox: Sandbox) -> None:
    """The failing row ends the first run; `not-visible` hides a task from the first two questions."""
    rows = [row("young", "sandbox:not-visible Snow"), row("bad", "sandbox:flag3 Snow")]
    first = luma("batch", write(rows), "--fail-fast", "--interval", "1s")
    again = luma("batch", write(rows[:1]), "--interval", "1s")

    assert rows_of(first.out)["young"]["error"]["exitCode"] == 8
    assert (again.code, len(sandbox.submissions())) == (0, 2)


def test_a_link_is_looked_at_once_however_long_its_turn_takes(quick: Sandbox) -> None:
    """The sandbox's host shows itself the requests that look at a clip."""
    quick.files.add("/files/in.mp4", CLIP, "in.mp4")
    rows = [{**row(str(number)), "video": f"{quick.url}/files/in.mp4?{number}"} for number in range(45)]
    process = start(write(rows), "-q")
    _, err = process.communicate(timeout=120)

    looks = Counter(min(request.query) for request in quick.requests if request.path == "/files/in.mp4")
    assert process.returncode == 0, err
    assert (len(looks), len(set(looks.values()))) == (45, 1)


def test_shards_on_several_machines_ride_out_the_accounts_limit(quick: Sandbox) -> None:
    """Machines share no journal, so they cannot space what they submit together."""
    name = write([row(str(number)) for number in range(80)])
    processes = [
        start(name, "-q", "--shard", f"{number}/3", env={"LUMA_STATE_DIR": f"state-{number}"}) for number in (1, 2, 3)
    ]
    ended = [(process.communicate(timeout=240), process.returncode) for process in processes]

    assert [code for _, code in ended] == [0, 0, 0], [err for (_, err), _ in ended]
    found = [rows_of(out) for (out, _), _ in ended]
    assert sorted(name for finding in found for name in finding) == sorted(map(str, range(80)))
    accepted = Counter(
        task.params["videoUrl"] for rows in found for row in rows.values() if (task := quick.tasks.find(row["taskId"]))
    )
    assert set(accepted.values()) == {1}
    assert len(accepted) == 80


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, -2), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_stopped_it_says_how_to_go_on(quick: Sandbox, signum: int, code: int) -> None:
    quick.tasks.duration = 600
    process = start(write([row("a"), row("b")]), "-q")
    while not any(request.path.endswith("record-info") for request in quick.requests):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    process.send_signal(signum)
    _, err = process.communicate(timeout=60)

    assert process.returncode == code
    assert err.endswith("hint: run the same command again, it goes on where it stopped\n")


def test_a_full_disk_costs_a_file_and_no_second_submission(quick: Sandbox) -> None:
    """The limit on a file's size is above what the journal takes and below a video's."""
    Path("big.mp4").write_bytes(CLIP.read_bytes() + MIB.to_bytes(4) + b"free" + bytes(MIB - 8))
    name = write([{**row(one), "video": "big.mp4"} for one in "ab"])
    limit = MIB // 2
    stopped = start(name, "-o", "out", "-q", first=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    out, err = stopped.communicate(timeout=60)
    assert stopped.returncode == 11, err
    assert {row["error"]["exitCode"] for row in rows_of(out).values()} == {11}
    again = start(name, "-o", "out", "-q")
    _, err = again.communicate(timeout=60)

    assert again.returncode == 0, err
    assert (len(quick.submissions()), len(os.listdir("out"))) == (2, 2)


def test_a_terminal_shows_a_table_of_the_whole(quick: Sandbox) -> None:
    name = write([row(str(number)) for number in range(9)] + [row("bad", "sandbox:flag3 Snow")])
    command = f"exec {sys.executable} -m luma_cli batch {name} > lines"
    child = pexpect.spawn("sh", ["-c", command], dimensions=(24, 100), encoding="utf-8", timeout=60)
    child.expect(pexpect.EOF)
    child.close()
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", child.before)

    assert child.exitstatus == 9
    assert all(re.search(rf"{phase} +\S+ +{count}\b", drawn) for phase, count in [("done", 9), ("failed", 1)]), drawn
    assert all(f"\n{phase} " in drawn for phase in ("running", "saving", "done", "failed")), drawn
    assert len(rows_of(Path("lines").read_text())) == 10


def start(
    *words: str,
    to: int = subprocess.PIPE,
    env: Mapping[str, str] = MappingProxyType({}),
    first: Callable[[], object] = lambda: None,
) -> "subprocess.Popen[str]":
    def be_quick() -> None:
        submit.SPACING = submit.Spacing(20, WINDOW)
        first()

    return processes.Luma("batch", *words, first=be_quick, stdout=to, stderr=to, text=True, env={**os.environ, **env})


def most_in_a_window(sandbox: Sandbox) -> int:
    times = [request.at for request in sandbox.submissions()]
    return max(sum(at <= other < at + WINDOW for other in times) for at in times)


def test_a_big_batch_keeps_to_the_services_pace(quick: Sandbox) -> None:
    name = write([row(str(number)) for number in range(ROWS)])
    result, used = measured([sys.executable, "-c", QUICK, "batch", name, "-o", "out", "-q"])

    print(f"{ROWS} rows: peak {used.peak / MIB:.0f} MiB, CPU {used.cpu:.1f} s")
    assert result.code == 0, result.err
    assert (len(rows_of(result.out)), len(os.listdir("out")), len(quick.submissions())) == (ROWS, ROWS, ROWS)
    assert most_in_a_window(quick) <= 20
    assert used.peak < 120 * MIB


def test_two_processes_share_the_services_pace(quick: Sandbox) -> None:
    names = [write([row(f"{part}-{number}") for number in range(25)], f"{part}.jsonl") for part in "ab"]
    processes = [start(name, "-q") for name in names]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err

    assert len(quick.submissions()) == 50
    assert most_in_a_window(quick) <= 20


def test_killed_at_any_moment_it_goes_on_and_pays_nothing_twice(quick: Sandbox) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    name = write([row(str(number), output=f"{number}.mp4") for number in range(ROWS)])
    for _ in range(KILLS):
        # As many requests from now on as chance has it: a moment of any phase, and no clock.
        seen, more = len(quick.requests), chance.randrange(1, max(2, ROWS * 4 // KILLS))
        process = start(name, "-o", "out", "-q", to=subprocess.DEVNULL)
        while len(quick.requests) < seen + more and process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
        process.kill()
        process.communicate()
    process = start(name, "-o", "out", "-q")
    out, err = process.communicate(timeout=600)

    unknown = [row for row in rows_of(out).values() if row["error"]]
    print(f"{ROWS} rows, {KILLS} kills: {len(quick.submissions())} submissions, {len(unknown)} of unknown outcome")
    submitted = Counter(json.loads(request.body)["videoUrl"] for request in quick.submissions())
    assert max(submitted.values()) == 1
    assert all(one["error"]["exitCode"] == 12 for one in unknown), err
    assert len(unknown) <= KILLS
    saved = [path for path in Path("out").iterdir() if path.suffix == ".mp4"]
    assert len(saved) == ROWS - len(unknown)
    assert len(submitted) >= ROWS - len(unknown)
