"""Nothing is lost, wrong or endless: what went wrong once, through the command that a user types."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, KEY, Result
from support.fault_server import Answer, FaultServer, Request, call, envelope, head, hear, send

Luma = Callable[..., Result]
PROMPT = "Heavy snow falls at night"
ID = "6d0a3f8c1b2e4a59b7c8d9e0f1a2b3c4"
SUBMIT = ("modify", CLIP_URL, "-p", PROMPT, "--no-check")
# luma with a clock that was put back by a day.
YESTERDAY = (
    "import sys, time; real = time.time; time.time = lambda: real() - 86_400; from luma_cli.cli import main;"
    "sys.exit(main.main(sys.argv[1:]))"
)
UNREADABLE = ("Fri Nov 27 20:00:00 29999999999999999999", "9" * 400, "-1", "1e400", "nan", "soon")


# --- B1: what a header asks for ---


@pytest.mark.parametrize("pause", UNREADABLE)
def test_no_retry_after_ends_a_wait(luma: Luma, monkeypatch: pytest.MonkeyPatch, pause: str) -> None:
    busy = (head(503, content_length=0, retry_after=pause), send(b""))
    with FaultServer([busy]) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        done = luma("wait", ID, "--interval", "1s", "--timeout", "1s")
    assert done.code == 8, done.err


# --- B3: one target for two results ---


@pytest.mark.parametrize("other", ["./a.mp4", "x/../a.mp4", ".//a.mp4", "a.mp4"])
def test_rows_that_share_a_file_are_refused_before_anything_is_sent(sandbox: Sandbox, luma: Luma, other: str) -> None:
    Path("out/x").mkdir(parents=True)
    outputs = ("a.mp4", other)
    rows = [
        {"id": f"{n}", "prompt": PROMPT, "video": f"{CLIP_URL}?{n}", "output": name} for n, name in enumerate(outputs)
    ]
    Path("edits.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = luma("batch", "edits.jsonl", "-o", "out", "--force", "--no-check")
    assert (done.code, sandbox.submissions()) == (2, []), done.err


# --- B4: the order of submission ---


def test_the_last_task_is_the_last_submitted_whatever_the_clocks_say(sandbox: Sandbox, luma: Luma) -> None:
    first = luma(*SUBMIT, "--resubmit").out.strip()
    command = [sys.executable, "-c", YESTERDAY, "modify", f"{CLIP_URL}?2", "-p", PROMPT, "--no-check"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    assert first
    assert luma("status", "@last", "--cached").out.split("\t")[0] == second


# --- B5: someone holds the lock ---


def test_a_lock_that_another_process_holds_is_reported_and_ends_the_wait_at_the_limit(
    sandbox: Sandbox, luma: Luma
) -> None:
    with Path("a.mp4.part.lock").open("w") as lock:
        Path("a.mp4.part.lock").chmod(0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = luma(*SUBMIT, "-o", "a.mp4", "--timeout", "4s", "--interval", "1s")
    assert done.code in {8, 11}, done.err
    assert "a.mp4" in done.err
    assert "luma download" in done.err or "luma wait" in done.err


# --- B9, B10 ---


def test_a_path_through_a_link_is_reported_where_the_file_is(sandbox: Sandbox, luma: Luma) -> None:
    Path("deep/er").mkdir(parents=True)
    Path("link").symlink_to("deep/er")
    done = luma(*SUBMIT, "-o", "link/../x.mp4", "--json")
    assert done.code == 0, done.err
    [file] = json.loads(done.out)["files"]
    assert Path(file["path"]).is_file()
    assert Path("deep/x.mp4").is_file()


def test_all_missing_asks_about_unfinished_tasks_first(sandbox: Sandbox, luma: Luma) -> None:
    assert luma(*SUBMIT).code == 0
    done = luma("download", "--all-missing", "-o", "out/")
    assert (done.code, len(list(Path("out").glob("*.mp4")))) == (0, 1), done.err


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(("code", "exit_code"), [(401, 4), (402, 10), (455, 7), (500, 7)])
def test_all_missing_fails_when_nobody_says_what_has_ended(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, code: int, exit_code: int
) -> None:
    def serve(request: Request) -> Answer:
        return envelope(200, {"taskId": ID}) if request.method == "POST" else envelope(code, None, "not now")

    with FaultServer(serve) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        assert luma(*SUBMIT).code == 0
        for key in (KEY, KEY[::-1]):
            monkeypatch.setenv("LUMA_API_KEY", key)
            if key == KEY or code < 455:
                assert luma("download", "--all-missing", "-o", "out/").code == exit_code


@pytest.mark.usefixtures("no_pauses")
def test_a_task_that_nobody_answers_for_keeps_no_other_from_being_saved_or_listed(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = luma(*SUBMIT, "-o", "first.mp4", "--json").out.partition('"resultUrls": ["')[2].partition('"')[0]
    ids = [f"{number:032}" for number in range(2)]
    left = list(ids)

    def serve(request: Request) -> Answer:
        if request.method == "POST":
            return envelope(200, {"taskId": left.pop()})
        task_id = request.raw.split()[1].decode().rpartition("=")[2]
        record = {"taskId": task_id, "successFlag": 1, "response": {"resultUrls": [link]}}
        return envelope(500, None) if task_id == ids[0] else envelope(200, record)

    with FaultServer(serve) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        for _ in ids:
            assert luma(*SUBMIT).code == 0
        listed = luma("tasks", "--refresh", "--state", "generating")
        done = luma("download", "--all-missing", "-o", "out/")
    assert (listed.code, listed.out.split("\t")[0]) == (0, ids[0])
    assert (done.code, len(done.out.splitlines())) == (0, 1), done.err


# --- B12: an address with a line end ---


def test_a_line_end_behind_an_address_is_no_part_of_it(
    sandbox: Sandbox, luma: Luma, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_BASE_URL", sandbox.url + "\r")
    done = luma(*SUBMIT)
    assert done.code == 0 or (done.code == 2 and "LUMA_BASE_URL" in done.err)


# --- B14: what the service repeats ---


def test_what_we_asked_for_is_ours_and_an_unreadable_link_is_not_a_crash(
    luma: Luma, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(request: Request) -> Answer:
        if request.method == "POST":
            return envelope(200, {"taskId": ID})
        record = {"taskId": ID, "successFlag": 1, "paramJson": json.dumps({"prompt": "another"})}
        return envelope(200, {**record, "prompt": "another", "response": {"resultUrls": ["http://["]}})

    with FaultServer(serve) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        done = luma(*SUBMIT, "-o", "a.mp4", "--interval", "1s")
        assert done.code == 11, done.err
        shown = json.loads(luma("status", "@last", "--cached", "--json").out)
    assert shown["prompt"] == PROMPT


# --- B15: our own paths ---


def test_our_own_path_in_a_hint_is_not_a_command_for_anybody(
    sandbox: Sandbox, luma: Luma, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    folder = Path("a\n::error::x\x1b]0;title\x07")
    folder.mkdir()
    shutil.copy(CLIP, folder / "clip.mp4")
    sandbox.scenario = "bad-key"
    done = luma("modify", CLIP_URL, "-p", PROMPT, "--no-check", "-o", f"{folder}/x.mp4")
    assert done.code == 4
    assert "\x1b" not in done.err
    assert "\x07" not in done.err
    assert not any(line.startswith("::") and "error::x" in line for line in done.err.splitlines())


# --- B11: a clip that changes while it is uploaded ---


@pytest.mark.parametrize("change", ["shrinks", "grows", "is another"])
def test_a_clip_that_changes_while_it_is_uploaded_is_not_paid_for(
    sandbox: Sandbox, luma: Luma, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    clip, free = Path("clip.mp4"), 8 << 20
    clip.write_bytes(CLIP.read_bytes() + free.to_bytes(4, "big") + b"free" + bytes(free - 8))

    def act() -> None:
        if change == "shrinks":
            os.truncate(clip, 1 << 20)
        elif change == "grows":
            with clip.open("ab") as file:
                file.write(bytes(100))
        else:
            shutil.copy(CLIP, "other.mp4")
            os.replace("other.mp4", clip)

    upload = envelope(200, {"downloadUrl": f"{sandbox.url}/files/uploads/x.mp4"}, success=True)
    with FaultServer([upload], on_accept=[(hear(), call(act))] * 9) as server:
        monkeypatch.setenv("LUMA_UPLOAD_URL", server.url("").rstrip("/"))
        done = luma("modify", "clip.mp4", "-p", PROMPT, "--no-check")
    assert (done.code, sandbox.submissions()) == (11, []), done.err
    assert "changed" in done.err


def test_a_clip_that_changes_before_its_upload_is_not_paid_for(
    sandbox: Sandbox, luma: Luma, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(CLIP, name)
    Path("b.mp4").write_bytes(CLIP.read_bytes() + b"\0\0\0\x08free")

    def act() -> None:
        shutil.copy(CLIP.with_name("tiny-front.mp4"), "b.mp4")

    uploaded = envelope(200, {"downloadUrl": f"{sandbox.url}/files/uploads/x.mp4"}, success=True)
    with FaultServer([(call(act), *uploaded), uploaded]) as server:
        monkeypatch.setenv("LUMA_UPLOAD_URL", server.url("").rstrip("/"))
        done = luma("modify", "a.mp4", "b.mp4", "-p", PROMPT, "--no-check")
    assert (done.code, len(sandbox.submissions())) == (9, 1), done.err
    assert "b.mp4 changed" in done.err


# --- B13: where a trim begins ---


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_a_report_is_in_step_with_a_trim(sandbox: Sandbox, luma: Luma) -> None:
    shutil.copy(CLIP.with_name("tiny-12s.mp4"), "long.mp4")
    done = luma("modify", "long.mp4", "-p", PROMPT, "--trim", "3s-5s", "-o", "./", "--audio", "none")
    assert done.code == 0, done.err
    assert done.out.startswith("long-from-3s-")
    assert "\ntrim\t3-5\n" in luma("tasks", "show", "@last").out
    assert luma("report", "-o", "page.html").code == 0
    assert re.findall(r'data-offset="([^"]*)"', Path("page.html").read_text()) == ["0", "3"]

    assert luma("modify", "@last", "-p", PROMPT, "-o", "./").code == 0
    assert luma("report", "-o", "page.html", "-f").code == 0
    assert re.findall(r'data-offset="([^"]*)"', Path("page.html").read_text()) == ["0", "3", "0", "0"]


# --- what users of the platform have seen (kie-api.md 11, rows 10 and 11) ---


def test_a_task_that_takes_three_times_as_long_as_usual_may_have_been_dropped(
    sandbox: Sandbox, luma: Luma, clock: dict[str, Any]
) -> None:
    sandbox.tasks.duration = 0.4
    for number in range(3):
        assert luma("modify", f"{CLIP_URL}?{number}", "-p", PROMPT, "--no-check", "-w", "--interval", "1s").code == 0
    edit = ("modify", CLIP_URL, "-p", f"sandbox:never-ends {PROMPT}", "--no-check")
    task_id = luma(*edit).out.strip()
    dropped = (
        f"{task_id} takes over 3 times as long as usual and may have been dropped: see whether https://kie.ai/logs"
    )

    assert dropped not in luma("status", task_id).err
    clock["now"] = lambda: time.time() + 60
    assert dropped in luma("status", task_id).err
    waited = luma("wait", task_id, "--interval", "1s", "--timeout", "2s")

    assert (waited.code, waited.err.count(dropped)) == (8, 1)


@pytest.mark.parametrize(("hours", "is_said"), [(23, False), (25, True), (24 * 13, True), (24 * 15, False)])
def test_results_that_are_not_saved_after_a_day_are_warned_of(
    sandbox: Sandbox, luma: Luma, clock: dict[str, Any], hours: int, is_said: bool
) -> None:
    assert luma(*SUBMIT, "-w").code == 0
    clock["now"] = lambda: time.time() + hours * 3600

    errors = [luma(*words).err for words in (("tasks",), ("status", "--cached"))]

    assert ["luma download --all-missing" in error for error in errors] == [is_said] * 2


# --- B14: a machine that starts no more threads ---


@pytest.mark.parametrize("words", [["-w"], ["-o", "a.mp4"]])
def test_a_machine_without_threads_is_said_and_what_was_paid_stays_in_sight(
    sandbox: Sandbox, luma: Luma, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    start = threading.Thread.start

    def starts_none_of_ours(thread: Any) -> None:
        if str(getattr(thread._target, "__module__", "")).startswith(("luma_cli.edits", "concurrent")):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", starts_none_of_ours)
    done = luma(*SUBMIT, *words)
    [task_id] = (line.split("\t")[0] for line in luma("tasks").out.splitlines())
    assert done.code == 11
    assert "starts no more threads" in done.err
    assert f"luma wait {task_id}" in done.err
