"""Nothing is paid twice and nothing for nothing: what went wrong once, through the command that a user types."""

import base64
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import threading
import time
import unicodedata
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from luma_cli.api.task import Edit
from luma_cli.edits import engine, submit
from luma_cli.edits.budget import Spending
from luma_cli.edits.endings import Endings
from luma_cli.edits.events import Ended, Polled, Submitted
from luma_cli.edits.request import parse_clip
from luma_cli.edits.save import Saver
from luma_cli.journal.journal import Journal, open_journal
from luma_cli.journal.uploads import Uploads
from luma_cli.output.presenter import Presenter
from luma_cli.sandbox import Sandbox
from luma_cli.video.headers import probe_file
from support import processes
from support.commands import CLIP, CLIP_URL, COMMAND, KEY, Result, started
from support.fault_server import Answer, FaultServer, Request, envelope, posts, stall
from support.fault_server import signal as tell

Luma = Callable[..., Result]
PROMPT = "Heavy snow falls at night"
CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc"]
needs_namespaces = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*CONTAINER, "true"], capture_output=True).returncode != 0,
    reason="needs the right to make a PID namespace",
)


def write_rows(*rows: dict[str, Any], name: str = "edits.jsonl") -> str:
    Path(name).write_text("\n".join(json.dumps(row) for row in rows))
    return name


# --- A1: a claim dies with its holder ---


@needs_namespaces
def test_what_was_killed_as_process_1_of_a_container_is_unknown_at_once_in_the_next(
    monkeypatch: pytest.MonkeyPatch, luma: Luma
) -> None:
    arrived = threading.Event()
    with FaultServer([(tell(arrived), stall())]) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        words = ["modify", CLIP_URL, "-p", PROMPT, "--no-check"]
        process = subprocess.Popen([*CONTAINER, "--kill-child", *COMMAND, *words], stderr=subprocess.DEVNULL)
        assert arrived.wait(30)
        process.kill()
        process.wait(30)

        again = subprocess.run([*CONTAINER, *COMMAND, *words], capture_output=True, text=True, timeout=30)
        rows = write_rows({"prompt": PROMPT, "video": CLIP_URL})
        batch = subprocess.run(
            [*CONTAINER, *COMMAND, "batch", rows, "--no-check"], capture_output=True, text=True, timeout=30
        )

        assert (again.returncode, again.stdout) == (12, "")
        assert "unknown outcome" in again.stderr
        assert batch.returncode == 12
        assert posts(server) == 1
    assert luma("tasks", "forget", "unknown-1").code == 0


# --- A3: names that are not UTF-8 ---


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose name is not UTF-8, with a clip of such a name."""
    folder = tmp_path / os.fsdecode(b"Caf\xe9")
    folder.mkdir()
    shutil.copy(CLIP, folder / os.fsdecode(b"clip\xff.mp4"))
    shutil.copy(CLIP, folder / "plain.mp4")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("output", [b"out\xfe/", b"out\xfe.mp4", b"./"])
def test_a_name_that_is_not_utf_8_is_edited_saved_and_found_again(
    odd: Path, sandbox: Sandbox, luma: Luma, output: bytes
) -> None:
    clip, target = os.fsdecode(b"clip\xff.mp4"), os.fsdecode(output)
    done = luma("modify", clip, "-p", PROMPT, "-o", target, "--json")
    assert done.code == 0, done.err
    [file] = json.loads(done.out)["files"]
    path = os.fsdecode(base64.b64decode(file["pathBytes"]))
    assert Path(path).is_file()
    assert Path(path).resolve().is_relative_to(odd.resolve())
    assert luma("tasks", "show", "@last").code == 0
    assert luma("tasks", "--json").code == 0
    assert luma("tasks", "--search", os.fsdecode(b"\xff")).code == 0
    assert luma("report", "-o", os.fsdecode(b"page\xfd.html"), "--copy-media").code == 0
    again = luma("download", "@last", "-o", path)
    assert (again.code, len(sandbox.submissions())) == (0, 1), again.err


def test_an_unusual_name_costs_the_others_nothing(odd: Path, sandbox: Sandbox, luma: Luma) -> None:
    done = luma("modify", os.fsdecode(b"clip\xff.mp4"), "plain.mp4", "-p", PROMPT, "-o", "out/")
    assert (done.code, len(list(Path("out").glob("*.mp4")))) == (0, 2), done.err


def test_rows_with_unusual_names_are_made_and_gone_on_with(odd: Path, sandbox: Sandbox, run: Luma) -> None:
    Path("edits.csv").write_bytes(b"prompt,video,output\n" + PROMPT.encode() + b",plain.mp4,a.mp4\n")
    folder = os.fsdecode(b"out\xfe")
    for _ in range(2):
        done = run("batch", "edits.csv", "-o", folder)
        assert done.code == 0, done.err
    assert len(sandbox.submissions()) == 1
    assert (Path(folder) / "a.mp4").is_file()


# --- A4: whatever fails after the payment ---


def fails_once(original: Callable[..., Any], applies: Callable[..., bool] = lambda *_: True) -> Callable[..., Any]:
    """The function, which raises what nobody expects the first time that it is called so."""
    calls: list[object] = []

    def function(*words: Any, **options: Any) -> Any:
        if not calls and applies(*words):
            calls.append(1)
            raise KeyError("nobody expects this")
        return original(*words, **options)

    return function


def is_event(kind: type) -> Callable[..., bool]:
    return lambda _, event: isinstance(event, kind)


CALLS: dict[str, tuple[object, str, Callable[..., bool]]] = {
    "accepted": (Spending, "accepted", lambda *_: True),
    "ended": (Spending, "ended", lambda *_: True),
    "report submitted": (Presenter, "__call__", is_event(Submitted)),
    "report polled": (Presenter, "__call__", is_event(Polled)),
    "report ended": (Presenter, "__call__", is_event(Ended)),
    "learn": (Journal, "learn", lambda *_: True),
    "learn if possible": (Journal, "learn_if_possible", lambda *_: True),
    "failure of": (engine, "failure_of", lambda *_: True),
    "start of a save": (Saver, "start", lambda *_: True),
    "end of a save": (Saver, "take", lambda *_: True),
    "file recorded": (Journal, "save_file", lambda *_: True),
    "await": (engine._Engine, "_await", lambda *_: True),
    "announce": (submit.Submitter, "_announce", lambda *_: True),
    "tally": (Endings, "tally", lambda *_: True),
}


@pytest.mark.parametrize(
    ("name", "way"),
    [*((name, "modify") for name in CALLS), *((name, "batch") for name in ("learn", "end of a save", "announce"))],
)
def test_whatever_fails_after_the_payment_the_id_is_in_sight_and_the_others_go_on(
    sandbox: Sandbox, luma: Luma, monkeypatch: pytest.MonkeyPatch, name: str, way: str
) -> None:
    owner, attribute, applies = CALLS[name]
    monkeypatch.setattr(owner, attribute, fails_once(getattr(owner, attribute), applies))
    clips = [f"{CLIP_URL}?{number}" for number in range(3)]
    rows = [{"id": str(number), "prompt": PROMPT, "video": clip} for number, clip in enumerate(clips)]
    common = ["-o", "out/", "--no-check", "--interval", "1s"]
    words = ["modify", *clips, "-p", PROMPT] if way == "modify" else ["batch", write_rows(*rows)]
    done = luma(*words, *common)

    ids = [line.split("\t")[0] for line in luma("tasks").out.splitlines()]
    assert len(ids) == len(sandbox.submissions()) == 3
    saved = {path.name for path in Path("out").glob("*.mp4")}
    lost = [task_id for task_id in ids if not any(task_id[:8] in name for name in saved)]
    assert len(saved) >= 2, done.err
    for task_id in lost:
        assert task_id in done.out + done.err
        assert f"luma wait {task_id}" in done.err
    assert "internal error" not in done.err or f"luma wait {ids[-1]}" in done.err
    assert luma("wait", *ids, "-o", "out/").code == 0


def test_a_reply_that_breaks_our_own_reading_is_an_unknown_outcome(
    sandbox: Sandbox, luma: Luma, monkeypatch: pytest.MonkeyPatch
) -> None:
    from luma_cli.api import client

    original = client.Client.submit

    def breaks(self: client.Client, edit: Edit, **options: Any) -> str:
        original(self, edit, **options)
        raise KeyError("nobody expects this")

    words = ("modify", CLIP_URL, "-p", PROMPT, "--no-check")
    monkeypatch.setattr(client.Client, "submit", breaks)
    done = luma(*words)
    assert (done.code, done.out) == (12, ""), done.err
    monkeypatch.setattr(client.Client, "submit", original)
    assert luma(*words).code == 12
    assert len(sandbox.submissions()) == 1


# --- A7: one edit however it is spelled ---


def test_the_same_batch_row_under_every_spelling_is_paid_once(sandbox: Sandbox, luma: Luma, tmp_path: Path) -> None:
    shutil.copy(CLIP, "clip.mp4")
    prompt = "Café at night\nwith snow"
    nfd = unicodedata.normalize("NFD", prompt)
    spellings: list[dict[str, Any]] = [
        {"prompt": prompt, "video": "clip.mp4"},
        {"prompt": prompt, "video": "./clip.mp4"},
        {"prompt": prompt, "video": str(tmp_path / "clip.mp4")},
        {"prompt": prompt, "video": "clip.mp4", "watermark": ""},
        {"prompt": prompt + " ", "video": "clip.mp4"},
        {"prompt": "  " + prompt + "\n", "video": "clip.mp4"},
        {"prompt": prompt.replace("\n", "\r\n"), "video": "clip.mp4"},
        {"prompt": nfd, "video": "clip.mp4"},
        {"prompt": f"\ufeff{prompt}\u200b\u00a0", "video": "clip.mp4"},
    ]
    for number, row in enumerate(spellings):
        done = luma("batch", write_rows(row, name=f"{number}.jsonl"))
        assert done.code == 0, done.err
    Path("crlf.csv").write_bytes(b'prompt,video\r\n"' + prompt.replace("\n", "\r\n").encode() + b'",clip.mp4\r\n')
    assert luma("batch", "crlf.csv").code == 0
    assert len(sandbox.submissions()) == 1


def test_a_row_without_an_id_and_the_key_auto_are_one_edit(sandbox: Sandbox, luma: Luma) -> None:
    row = {"prompt": PROMPT, "video": CLIP_URL, "takes": 2}
    auto = ("modify", CLIP_URL, "-p", PROMPT, "--no-check", "--idempotency-key", "auto")
    assert luma("batch", write_rows({**row, "takes": 1}), "--no-check").code == 0
    first = luma(*auto, "--takes", "2").out
    assert luma("batch", write_rows(row), "--no-check").code == 0
    assert luma(*auto, "--takes", "2").out == first
    assert len(sandbox.submissions()) == 2


def test_the_same_service_under_every_spelling_is_one_service(
    sandbox: Sandbox, luma: Luma, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = sandbox.url.rpartition(":")[2]
    words = ("modify", CLIP_URL, "-p", PROMPT, "--no-check", "--idempotency-key", "auto")
    for address in (
        sandbox.url,
        f"http://localhost:{port}",
        f"HTTP://127.0.0.1:{port}/",
        f"http://127.0.0.1:{port}/.",
        f"http://LOCALHOST:{port}",
    ):
        monkeypatch.setenv("LUMA_BASE_URL", address)
        assert luma(*words).code == 0
    assert len(sandbox.submissions()) == 1


def test_the_same_link_under_every_spelling_is_one_clip(sandbox: Sandbox, luma: Luma) -> None:
    for link in (
        "https://media.example.net/in.mp4",
        "HTTPS://MEDIA.example.net:443/in.mp4",
        "https://media.example.net/i%6e.mp4",
        "https://media.example.net/in.mp4?X-Amz-Signature=1&X-Amz-Expires=60",
    ):
        done = luma("modify", link, "-p", PROMPT, "--no-check", "--idempotency-key", "auto")
        assert done.code == 0, done.err
    assert len(sandbox.submissions()) == 1


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize(
    ("clip", "spellings"),
    [
        (CLIP, [(), ("--trim",), ("--trim=0",), ("--trim=0-3",), ("--trim=0:00-",)]),
        (CLIP.with_name("tiny-12s.mp4"), [("--trim",), ("--trim=0-10",), ("--trim=0:00-0:10",)]),
        (CLIP.with_name("tiny-12s.mp4"), [("--trim=4",), ("--trim=4-12",), ("--trim=0:04-",)]),
    ],
)
def test_the_same_part_under_every_spelling_is_one_edit(
    sandbox: Sandbox, luma: Luma, clip: Path, spellings: list[tuple[str, ...]]
) -> None:
    for spelling in spellings:
        done = luma("modify", clip, "-p", PROMPT, *spelling, "--idempotency-key", "auto")
        assert done.code == 0, done.err
    assert len(sandbox.submissions()) == 1


def test_what_an_older_luma_has_paid_for_a_part_stays_paid_however_much_of_the_clip_it_is(
    sandbox: Sandbox, luma: Luma, home: Path
) -> None:
    words = ("modify", CLIP, "-p", PROMPT, "--trim", "--idempotency-key", "auto")
    assert luma(*words).code == 0
    digest = hashlib.sha256(json.dumps([PROMPT, f"sha256:{parse_clip(str(CLIP)).sha256}", None, 0.0]).encode())
    with closing(sqlite3.connect(home / "state" / "tasks.db")) as older, older:
        facts = (digest.hexdigest(), f"auto:{digest.hexdigest()}")
        older.execute("UPDATE task SET identity = NULL, digest = ?, idempotency_key = ?", facts)
    assert luma(*words).code == 0
    assert len(sandbox.submissions()) == 1


# --- A9: two accounts, one state folder ---


def test_another_key_has_tasks_of_its_own(luma: Luma, monkeypatch: pytest.MonkeyPatch, clock: dict[str, Any]) -> None:
    clock["monotonic"] = lambda: time.monotonic() * 20  # half a second until a task counts as another account's
    other = "another0key0f00d000000000000beef"
    words = ("modify", CLIP_URL, "-p", PROMPT, "--no-check", "--idempotency-key", "auto")
    with Sandbox(duration=0.0, api_key=KEY) as box:
        monkeypatch.setenv("LUMA_BASE_URL", box.url)
        first = luma(*words)
        port = int(box.url.rpartition(":")[2])
    monkeypatch.setenv("LUMA_API_KEY", other)
    with Sandbox(duration=0.0, api_key=other, port=port):
        second = luma(*words)
        assert (first.code, second.code) == (0, 0), second.err
        assert first.out != second.out
        waited = luma("wait", "-q")
        assert first.out.strip() not in waited.err + waited.out
        foreign = luma("wait", first.out.strip(), "--timeout", "1s", "--interval", "1s")
        assert foreign.code != 0
        assert "another account" in foreign.err
        assert luma("wait", first.out.strip(), second.out.strip(), "--interval", "1s").code == 9
        asked = luma("status", first.out.strip(), second.out.strip())
        assert (asked.code, asked.out.split("\t")[0]) == (9, second.out.strip())
        assert f"task {first.out.strip()} belongs to another account" in asked.err
        assert luma("status", "@last").out.split("\t")[0] == second.out.strip()
        assert luma("status", first.out.strip(), "--cached").code == 0


def test_a_second_key_of_the_account_pays_nothing_again_that_is_not_visible_yet(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the cap of the first key ends a batch, and the next one goes on with it at once."""
    sandbox.scenario = "not-visible"
    words = ("modify", CLIP_URL, "-p", PROMPT, "--no-check", "--idempotency-key", "auto")
    first = luma(*words)
    sandbox.api_key = KEY[::-1]
    monkeypatch.setenv("LUMA_API_KEY", KEY[::-1])

    assert luma(*words)[:2] == (0, first.out)
    assert len(sandbox.submissions()) == 1


def test_a_second_key_asks_for_a_while_however_long_the_submission_of_the_first_took(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, home: Path, clock: dict[str, Any]
) -> None:
    sandbox.scenario = "not-visible"
    words = ("modify", CLIP_URL, "-p", PROMPT, "--no-check", "--idempotency-key", "auto")
    first, waited, wait = luma(*words), [0.0], submit.Submitter._wait_for_other
    clock["monotonic"] = lambda: time.monotonic() + waited[0]
    turn_in = submit.Submitter._turn_in
    monkeypatch.setattr(submit.Submitter, "_turn_in", lambda it, seconds: turn_in(it, seconds / 50))
    sandbox.api_key = KEY[::-1]
    monkeypatch.setenv("LUMA_API_KEY", KEY[::-1])
    with closing(open_journal(home / "state" / "tasks.db")) as book:

        def write(outcome: str, task_id: str | None) -> None:
            with book._db.transaction():
                facts = (outcome, task_id, book._claims.own())
                book._db.execute("UPDATE task SET outcome = ?, task_id = ?, holder = ?", facts)

        def ends(submitter: submit.Submitter, *why: Any) -> None:
            wait(submitter, *why)
            if not waited[0]:
                waited[0] = 30.0
                write("accepted", first.out.strip())

        write("sending", None)
        monkeypatch.setattr(submit.Submitter, "_wait_for_other", ends)
        assert luma(*words)[:2] == (0, first.out)
    assert len(sandbox.submissions()) == 1


def test_nothing_is_paid_with_a_second_key_as_long_as_nobody_says_whose_the_task_of_the_first_is(
    luma: Luma, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(request: Request) -> Answer:
        return envelope(200, {"taskId": "1" * 32}) if request.method == "POST" else envelope(500, None)

    words = ("modify", CLIP_URL, "-p", PROMPT, "--no-check", "--idempotency-key", "auto")
    with FaultServer(serve) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        assert luma(*words).code == 0
        monkeypatch.setenv("LUMA_API_KEY", KEY[::-1])
        assert luma(*words).code == 7
        assert posts(server) == 1


# --- A10: the arrow-up key ---


def test_the_same_command_again_is_noted_off_a_terminal(sandbox: Sandbox, luma: Luma) -> None:
    first = luma("modify", CLIP_URL, "-p", PROMPT, "--no-check")
    again = luma("modify", CLIP_URL, "-p", PROMPT + " ", "--no-check")
    assert again.code == 0
    assert f"the same edit is task {first.out.strip()}" in again.err


# --- A13: a prompt without quotes ---


@pytest.mark.parametrize("words", [["Heavy", "snow", "falls"], ["“Heavy", "snow”"], ["'Heavy", "snow'"]])
def test_a_prompt_without_quotes_stops_everything(sandbox: Sandbox, luma: Luma, words: list[str]) -> None:
    shutil.copy(CLIP, "clip.mp4")
    done = luma("modify", "clip.mp4", "-p", *words)
    assert done.code == 2
    assert "quote the prompt" in done.err
    assert sandbox.requests == []


# --- A16: a crowd with one key and a local clip ---


def test_the_limit_holds_while_another_process_uploads_the_clip(
    luma: Luma, sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each turn gives one other: two edits that waited for one upload doubled the turns every second."""
    turns, take_turn = [], submit.Submitter.take_turn
    monkeypatch.setattr(submit.Submitter, "take_turn", lambda it: (turns.append(it), take_turn(it)))
    digest = parse_clip(str(CLIP)).sha256
    path = home / "state" / "tasks.db"
    with closing(open_journal(path)) as book, closing(open_journal(path, service=sandbox.url)) as other:
        theirs = other.for_account(book.accounts.fingerprint(KEY))
        with theirs.uploads.only_one(str(digest), "") as is_first:
            done = luma("modify", CLIP, "-p", "Heavy snow", "--takes", "2", "--timeout", "2s", "--no-check")

    assert (is_first, done.code, len(sandbox.submissions())) == (True, 8, 0)
    assert done.err.count("another luma is uploading") == 2
    assert len(turns) < 8


def test_an_upload_that_another_process_ends_between_the_look_and_the_claim_is_used(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, only_one = luma("upload", CLIP).out.strip(), Uploads.only_one

    def ends_before(self: Uploads, sha256: str, variant: str) -> AbstractContextManager[bool]:
        self.record(sha256, variant, link, CLIP.stat().st_size)
        return only_one(self, sha256, variant)

    monkeypatch.setattr(Uploads, "only_one", ends_before)
    assert luma("modify", CLIP, "-p", PROMPT).code == 0
    assert json.loads(sandbox.submissions()[0].body)["videoUrl"] == link


def test_four_processes_with_one_key_pay_and_upload_once_and_all_print_the_id(luma: Luma) -> None:
    shutil.copy(CLIP, "clip.mp4")
    with Sandbox(duration=0.0, api_key=KEY) as box:
        environment = {**os.environ, "LUMA_BASE_URL": box.url, "LUMA_UPLOAD_URL": box.url}
        words = ("modify", "clip.mp4", "-p", PROMPT, "--idempotency-key", "one")
        running = [
            processes.Luma(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
            for _ in range(4)
        ]
        done = [(*process.communicate(timeout=60), process.returncode) for process in running]
        uploads = [request for request in box.requests if "upload" in request.path and request.method == "POST"]
        assert [code for _, _, code in done] == [0] * 4, done
        assert len({out for out, _, _ in done}) == 1
        assert (len(box.submissions()), len(uploads)) == (1, 1)


# --- A17 and A6, A8 ---


def test_two_keys_of_one_account_at_once_pay_once(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived, free = threading.Event(), threading.Event()

    def serve(request: Request) -> Answer:
        if request.method == "POST":
            return (tell(arrived), stall(free), *envelope(200, {"taskId": "1" * 32}))
        return envelope(200, {"taskId": "1" * 32, "successFlag": 0})

    words = ("modify", CLIP_URL, "-p", PROMPT, "--no-check", "--idempotency-key", "one")
    with FaultServer(serve) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        with started(*words) as first:
            assert arrived.wait(30)
            monkeypatch.setenv("LUMA_API_KEY", KEY[::-1])
            threading.Timer(0.3, free.set).start()
            assert luma(*words)[:2] == (0, "1" * 32 + "\n")
            assert first.communicate()[0] == "1" * 32 + "\n"
        assert posts(server) == 1


def test_a_refusal_under_code_500_says_its_message_first(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([envelope(500, None, "videoUrl must be an mp4")]) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        done = luma("modify", CLIP_URL, "-p", PROMPT, "--no-check")
    assert done.code == 12
    assert "videoUrl must be an mp4" in done.err.splitlines()[0]
    assert posts(server) == 1


def test_an_empty_account_behind_a_429_is_not_a_rate_limit(sandbox: Sandbox, luma: Luma) -> None:
    sandbox.credits = 0
    sandbox.scenario = "rate-limit"
    assert luma("modify", CLIP_URL, "-p", PROMPT, "--no-check").code == 10


def test_a_pruned_row_is_not_paid_again(sandbox: Sandbox, luma: Luma) -> None:
    rows = write_rows(*({"prompt": PROMPT, "video": f"{CLIP_URL}?{number}"} for number in range(3)))
    assert luma("batch", rows, "-o", "out", "--no-check").code == 0
    kept = luma("tasks", "prune", "--older-than", "0s", "--force")
    assert kept.code == 0, kept.err
    saved, requests = sorted(Path("out").glob("*.mp4")), len(sandbox.requests)
    again = luma("batch", rows, "-o", "out", "--no-check")
    assert (again.code, len(sandbox.requests)) == (0, requests), again.err
    shown = [json.loads(line) for line in again.out.splitlines()]
    assert sorted(file["path"] for row in shown for file in row["files"]) == [str(path.absolute()) for path in saved]
    assert {(row["state"], row["prompt"]) for row in shown} == {("succeeded", PROMPT)}

    saved[0].write_bytes(b"something else")
    other = luma("batch", rows, "-o", "out", "--no-check")
    assert (other.code, saved[0].read_bytes()) == (9, b"something else"), other.err
    saved[0].unlink()
    assert luma("batch", rows, "-o", "out", "--no-check").code == 0
    assert saved[0].stat().st_size > 1000
    assert len(sandbox.submissions()) == 3


def test_a_pruned_row_is_not_paid_again_with_a_renewed_key(
    sandbox: Sandbox, luma: Luma, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = write_rows({"prompt": PROMPT, "video": CLIP_URL})
    assert luma("batch", rows, "--no-check").code == 0
    assert luma("tasks", "prune", "--older-than", "0s", "--force").code == 0
    sandbox.api_key = KEY[::-1]
    monkeypatch.setenv("LUMA_API_KEY", KEY[::-1])
    assert luma("batch", rows, "--no-check").code == 0
    assert len(sandbox.submissions()) == 1


def test_a_row_whose_file_is_in_the_way_is_not_paid_for(sandbox: Sandbox, luma: Luma) -> None:
    Path("a.mp4").write_bytes(b"mine")
    rows = [{"prompt": PROMPT, "video": f"{CLIP_URL}?{name}", "output": name} for name in ("a.mp4", "b.mp4")]
    done = luma("batch", write_rows(*rows), "--no-check")
    assert (done.code, len(sandbox.submissions())) == (9, 1), done.err
    assert Path("a.mp4").read_bytes() == b"mine"


def test_a_key_whose_row_is_pruned_is_continued_with_its_file(sandbox: Sandbox, luma: Luma) -> None:
    words = ("modify", CLIP_URL, "-p", PROMPT, "--no-check", "--idempotency-key", "auto", "-o", "a.mp4")
    first = luma(*words)
    assert luma("tasks", "prune", "--older-than", "0s").code == 0
    requests = len(sandbox.requests)
    again = luma(*words)
    assert (again.code, again.out, len(sandbox.requests)) == (0, first.out, requests), again.err
    assert "a.mp4 is saved already" in again.err

    sandbox.tasks._tasks.clear()  # as the service does after two months
    assert luma(*words)[:2] == (0, first.out)
    assert luma(*words[:-1], "b.mp4").code == 6
    assert len(sandbox.submissions()) == 1


def test_unsaved_results_are_not_pruned_and_what_is_pruned_is_named(sandbox: Sandbox, luma: Luma) -> None:
    unsaved = luma("modify", f"{CLIP_URL}?1", "-p", PROMPT, "--no-check", "-w", "--interval", "1s")
    assert unsaved.code == 0
    assert luma("modify", f"{CLIP_URL}?2", "-p", PROMPT, "--no-check", "-o", "b.mp4").code == 0
    saved_id, unsaved_id = (line.split("\t")[0] for line in luma("tasks").out.splitlines())
    done = luma("tasks", "prune", "--older-than", "0s")
    assert saved_id in done.out + done.err
    assert [line.split("\t")[0] for line in luma("tasks").out.splitlines()] == [unsaved_id]


def test_a_journal_of_0_bytes_is_damaged(sandbox: Sandbox, luma: Luma, home: Path) -> None:
    (home / "state").mkdir()
    (home / "state" / "tasks.db").touch()
    done = luma("modify", CLIP_URL, "-p", PROMPT, "--no-check")
    assert done.code == 11
    assert "luma tasks recover" in done.err
    assert sandbox.submissions() == []


# --- A14: clips that cannot work ---


def ffmpeg(*words: object) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, words)], check=True, timeout=60)


needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("name", ["memo.mp4", "memo.mov"])
def test_a_clip_without_a_picture_is_not_paid_for(sandbox: Sandbox, luma: Luma, name: str) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=2", name)
    done = luma("modify", name, "-p", PROMPT)
    assert (done.code, sandbox.requests) == (2, []), done.err


@pytest.mark.parametrize("share", [1 / 3, 0.9])
def test_a_clip_whose_data_is_cut_is_not_paid_for(sandbox: Sandbox, luma: Luma, share: float) -> None:
    content = CLIP.with_name("tiny-front.mp4").read_bytes()
    Path("cut.mp4").write_bytes(content[: int(len(content) * share)])
    done = luma("modify", "cut.mp4", "-p", PROMPT)
    assert (done.code, sandbox.requests) == (2, []), done.err


@pytest.mark.parametrize("share", [0, 0.5])
def test_a_clip_that_is_only_zeros_from_somewhere_on_is_not_paid_for(
    sandbox: Sandbox, luma: Luma, share: float
) -> None:
    """As a download leaves it that was stopped, by a program that makes the whole file first."""
    content = CLIP.with_name("tiny-front.mp4").read_bytes()
    begin = content.index(b"mdat") + 4
    begin += int((len(content) - begin) * share)
    Path("hollow.mp4").write_bytes(content[:begin] + bytes(len(content) - begin))
    done = luma("modify", "hollow.mp4", "-p", PROMPT)
    assert (done.code, sandbox.requests) == (2, []), done.err
    assert "only zeros" in done.err

    saved = luma("modify", "hollow.mp4", "-p", PROMPT, "--no-check", "-o", "a.mp4", "--audio", "none")
    assert (saved.code, "warning: a.mp4: incomplete" in saved.err) == (0, True), saved.err


# --- A5: limits, and someone who tops up in between ---


@pytest.mark.parametrize("amount", [200, 1000])
@pytest.mark.parametrize("way", ["modify", "batch"])
def test_a_limit_holds_though_someone_else_tops_up_in_between(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, clock: dict[str, Any], way: str, amount: int
) -> None:
    began = time.time()
    clock["now"] = lambda: began + (time.time() - began) * 60  # a minute of patience in a second
    clips = [f"{CLIP_URL}?{number}" for number in range(5)]
    rows = write_rows(*({"prompt": PROMPT, "video": clip} for clip in clips))
    with Sandbox(duration=0.0, api_key=KEY, prices={"luma": 200}) as box:
        monkeypatch.setenv("LUMA_BASE_URL", box.url)
        create = box.submit

        def submit(*words: Any) -> Any:
            made = create(*words)
            box.top_up(amount)
            return made

        monkeypatch.setattr(box, "submit", submit)
        words = ["modify", *clips, "-p", PROMPT, "-w"] if way == "modify" else ["batch", rows]
        done = luma(*words, "--no-check", "--max-credits", "500")
        assert len(box.submissions()) <= 2, done.err
    assert done.code in (9, 10)


# --- A15: which picture is cut ---


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("name", ["cover.mp4", "still-first.mov"])
def test_a_trim_takes_the_picture_that_plays(sandbox: Sandbox, luma: Luma, name: str) -> None:
    plays = CLIP.with_name("tiny-12s.mp4")
    ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64:rate=1", "-frames:v", 1, "cover.png")
    if name == "cover.mp4":
        ffmpeg(
            "-i",
            "cover.png",
            "-i",
            plays,
            "-map",
            0,
            "-map",
            "1:v",
            *("-c", "copy", "-disposition:v:0"),
            "attached_pic",
            name,
        )
    else:
        ffmpeg("-i", "cover.png", "-i", plays, "-map", 0, "-map", "1:v", *("-c:v:0", "mjpeg", "-c:v:1", "copy"), name)
    done = luma("modify", name, "-p", PROMPT, "--trim", "2s-5s", "-o", "a.mp4", "--audio", "none")
    assert done.code == 0, done.err
    assert probe_file(Path("a.mp4")).duration == pytest.approx(3.0, abs=0.2)
