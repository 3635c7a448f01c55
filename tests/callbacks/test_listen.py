"""`luma listen`, and `--listen` of the commands that wait: real processes, the sandbox calls back."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from luma_cli.callbacks.wake import pace
from luma_cli.journal.journal import NAME, Journal, open_journal
from luma_cli.sandbox import Sandbox
from support import processes
from support.commands import CLIP_URL, KEY, Result, free_port

HEAVY = os.environ.get("LUMA_TEST_LOAD") == "1"
WEBHOOK_KEY = "hook-key-of-the-tests"
Luma = Callable[..., Result]


def signature(task_id: str, stamp: int, key: str = WEBHOOK_KEY) -> str:
    return base64.b64encode(hmac.new(key.encode(), f"{task_id}.{stamp}".encode(), hashlib.sha256).digest()).decode()


class Process:
    """`luma` as a process, its lines as they come."""

    def __init__(self, *words: object, **environment: str) -> None:
        self.lines: dict[str, queue.Queue[str | None]] = {"stdout": queue.Queue(), "stderr": queue.Queue()}
        self.text = {"stdout": "", "stderr": ""}
        self._process = processes.Luma(
            *words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            text=True,
        )
        self.pid = self._process.pid
        self._readers = [threading.Thread(target=self._read, args=(name,), daemon=True) for name in self.lines]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        for line in getattr(self._process, name):
            self.text[name] += line
            self.lines[name].put(line.rstrip("\n"))
        self.lines[name].put(None)

    def line(self, name: str = "stdout", containing: str = "", timeout: float = 30) -> str:
        """The next line that contains this."""
        while True:
            line = self.lines[name].get(timeout=timeout)
            assert line is not None, f"{name} ended: {self.text}"
            if containing in line:
                return line

    def task(self) -> dict[str, Any]:
        return dict(json.loads(self.line()))

    def stop(self, signum: int = signal.SIGTERM) -> int:
        if self._process.poll() is None:
            self._process.send_signal(signum)
        return self.end()

    def end(self) -> int:
        try:
            code = self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)
            raise AssertionError(f"it does not end: {self.text}") from None
        for reader in self._readers:
            reader.join(timeout=10)
        assert KEY not in self.text["stdout"] + self.text["stderr"]
        assert WEBHOOK_KEY not in self.text["stdout"] + self.text["stderr"]
        assert "Traceback" not in self.text["stderr"]
        return code

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(timeout=30)
        for stream in (self._process.stdout, self._process.stderr):
            stream.close()  # type: ignore[union-attr]


class Listening(Process):
    """`luma listen` that is up, and what a caller can send it."""

    def __init__(self, *words: object, **environment: str) -> None:
        super().__init__("listen", "--port", 0, *words, **environment)
        self.url = self.line("stderr", "listening on ").rpartition(" ")[2]
        self.port = int(self.url.split(":")[2].partition("/")[0])

    def post(self, task_id: str, *, key: str | None = WEBHOOK_KEY, stamp: int | None = None, **more: object) -> int:
        """Call back as the service does, and return the status of the reply."""
        stamp = int(time.time()) if stamp is None else stamp
        body = json.dumps({"code": 200, "msg": "ok", "data": {"taskId": task_id, **more}})
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers |= {"X-Webhook-Timestamp": str(stamp), "X-Webhook-Signature": signature(task_id, stamp, key)}
        return self.send(body.encode(), headers)

    def send(self, body: bytes, headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", "/", body, headers)
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Listening]]:
    """Start `luma listen`; a key signs callbacks unless a test says otherwise."""
    started: list[Listening] = []

    def begin(*words: object, key: str | None = WEBHOOK_KEY, **environment: str) -> Listening:
        if key is not None:
            environment["LUMA_WEBHOOK_KEY"] = key
        started.append(Listening(*words, **environment))
        return started[-1]

    yield begin
    for process in started:
        process.kill()


@pytest.fixture
def journal(home: Path) -> Iterator[Journal]:
    opened = open_journal(home / "state" / NAME)
    yield opened
    opened.close()


def asked(sandbox: Sandbox, task_id: str | None = None) -> int:
    """How often record-info was asked for."""
    return sum(
        request.path.endswith("record-info") and task_id in (None, request.query.get("taskId"))
        for request in sandbox.requests
    )


def create(sandbox: Sandbox, **params: str) -> str:
    """A task that was submitted elsewhere: no journal of ours knows it."""
    return sandbox.create({"prompt": "Snow falls", "videoUrl": CLIP_URL, **params}).task_id


def until(happened: Callable[[], bool]) -> None:
    """Wait for something that another process or thread does."""
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def fence(listening: Listening, sandbox: Sandbox) -> str:
    """A genuine task: once its line is there, all that came before it has been dealt with."""
    task_id = create(sandbox)
    assert listening.post(task_id, key=WEBHOOK_KEY) == 200
    assert listening.task()["taskId"] == task_id
    return task_id


def test_k1_a_genuine_callback_is_confirmed_once_recorded_and_printed(
    sandbox: Sandbox, start: Callable[..., Listening], journal: Journal, luma: Luma
) -> None:
    listening, task_id = start(), luma("modify", CLIP_URL, "-p", "Snow falls").out.strip()

    assert listening.post(task_id) == 200

    printed = listening.task()
    assert (printed["schema"], printed["taskId"], printed["state"]) == ("luma/1", task_id, "succeeded")
    assert printed["resultUrls"][0].startswith(sandbox.url)
    assert asked(sandbox, task_id) == 1
    row = journal.known(task_id)
    assert row is not None
    assert row.task.has_video


def test_p15_the_links_are_those_of_the_record_and_never_those_of_the_callback(
    sandbox: Sandbox, start: Callable[..., Listening], journal: Journal
) -> None:
    listening, task_id = start(), create(sandbox)
    with socket.create_server(("127.0.0.1", 0)) as attacker:
        link = f"http://127.0.0.1:{attacker.getsockname()[1]}/x.mp4"
        assert listening.post(task_id, resultUrls=[link]) == 200
        assert link not in json.dumps(listening.task())
        attacker.setblocking(False)
        with pytest.raises(BlockingIOError):
            attacker.accept()
    row = journal.known(task_id)
    assert row is not None
    assert link not in row.task.result_urls


def test_p15_forty_forged_callbacks_change_nothing(
    sandbox: Sandbox, start: Callable[..., Listening], journal: Journal
) -> None:
    listening, task_ids = start(), [create(sandbox) for _ in range(40)]

    assert {listening.post(task_id, key="wrong") for task_id in task_ids} == {401}

    genuine = fence(listening, sandbox)
    assert [row.task.task_id for row in journal.rows()] == [genuine]
    assert asked(sandbox) == 1


def test_k5_a_replay_is_answered_200_and_asks_nothing(sandbox: Sandbox, start: Callable[..., Listening]) -> None:
    listening, task_id, stamp = start(), create(sandbox), int(time.time())

    assert [listening.post(task_id, stamp=stamp) for _ in range(5)] == [200] * 5

    assert listening.task()["taskId"] == task_id
    fence(listening, sandbox)
    assert asked(sandbox, task_id) == 1


def test_a_task_that_is_called_back_twice_is_printed_once(sandbox: Sandbox, start: Callable[..., Listening]) -> None:
    listening, task_id, stamp = start(), create(sandbox), int(time.time())
    listening.post(task_id, stamp=stamp)
    listening.task()

    assert listening.post(task_id, stamp=stamp + 1) == 200

    fence(listening, sandbox)
    assert listening.text["stdout"].count("\n") == 2


def test_k7_only_the_verified_id_is_used(sandbox: Sandbox, start: Callable[..., Listening]) -> None:
    listening, signed, other, stamp = start(), create(sandbox), create(sandbox), int(time.time())
    body = json.dumps({"taskId": signed, "data": {"taskId": other}}).encode()
    headers = {"X-Webhook-Timestamp": str(stamp), "X-Webhook-Signature": signature(signed, stamp)}

    assert listening.send(body, headers) == 401

    fence(listening, sandbox)
    assert asked(sandbox, signed) == asked(sandbox, other) == 0


def test_k9_a_verified_task_that_the_journal_does_not_know_is_adopted(
    sandbox: Sandbox, start: Callable[..., Listening], journal: Journal
) -> None:
    listening, task_id = start(), create(sandbox, prompt="Submitted elsewhere")
    assert journal.known(task_id) is None

    listening.post(task_id)
    listening.task()

    row = journal.known(task_id)
    assert row is not None
    assert row.task.prompt == "Submitted elsewhere"


def test_k9_without_a_key_unknown_tasks_are_ignored_and_reported_once(
    sandbox: Sandbox, start: Callable[..., Listening], journal: Journal, luma: Luma
) -> None:
    listening, unknown = start(key=None), [create(sandbox) for _ in range(5)]

    assert {listening.post(task_id, key=None) for task_id in unknown} == {200}

    known = luma("modify", CLIP_URL, "-p", "Snow falls").out.strip()
    assert listening.post(known, key=None) == 200
    assert listening.task()["taskId"] == known
    assert asked(sandbox) == 1
    assert [row.task.task_id for row in journal.rows()] == [known]
    assert listening.text["stderr"].count("not in the journal") == 1


def test_without_a_key_a_known_task_is_asked_for_once_however_often_it_is_named(
    sandbox: Sandbox, start: Callable[..., Listening], luma: Luma
) -> None:
    sandbox.tasks.duration = 3600
    listening = start(key=None)
    hammered, last = (luma("modify", CLIP_URL, "-p", f"Snow {i}").out.strip() for i in range(2))

    for _ in range(30):
        assert listening.post(hammered, key=None) == 200

    sandbox.finish(last)
    listening.post(last, key=None)
    assert listening.task()["taskId"] == last
    assert asked(sandbox, hammered) == 1


def test_a_failed_task_is_printed_as_what_it_is(sandbox: Sandbox, start: Callable[..., Listening]) -> None:
    listening, task_id = start(), sandbox.create({"prompt": "sandbox:flag3 x", "videoUrl": CLIP_URL}).task_id

    listening.post(task_id)

    printed = listening.task()
    assert (printed["state"], printed["successFlag"]) == ("generate_failed", 3)


def test_passing_errors_of_the_service_are_ridden_out(sandbox: Sandbox, start: Callable[..., Listening]) -> None:
    listening, task_id = start(), create(sandbox)
    sandbox.scenario = "maintenance"

    assert listening.post(task_id) == 200
    until(lambda: asked(sandbox, task_id) > 0)
    sandbox.scenario = "ok"

    assert listening.task()["taskId"] == task_id


def test_a_refused_key_ends_the_listening_with_4(sandbox: Sandbox, start: Callable[..., Listening]) -> None:
    sandbox.scenario = "bad-key"
    listening = start()

    listening.post(create(sandbox))

    assert listening.end() == 4
    assert listening.text["stderr"].count("luma: error: ") == 1


def test_a_task_that_nobody_knows_does_not_end_the_listening(sandbox: Sandbox, start: Callable[..., Listening]) -> None:
    listening = start()

    assert listening.post("f" * 32) == 200

    fence(listening, sandbox)


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -2), (signal.SIGHUP, 129)], ids=["TERM", "INT", "HUP"]
)
def test_a_signal_ends_the_listening(sandbox: Sandbox, start: Callable[..., Listening], signum: int, code: int) -> None:
    assert start().stop(signum) == code


def test_k15_a_request_on_its_way_is_answered_and_confirmed_before_the_end(
    sandbox: Sandbox, start: Callable[..., Listening], journal: Journal
) -> None:
    listening, task_id, stamp = start(), create(sandbox), int(time.time())
    body = json.dumps({"data": {"taskId": task_id}}).encode()
    head = (
        f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n"
        f"X-Webhook-Timestamp: {stamp}\r\nX-Webhook-Signature: {signature(task_id, stamp)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", listening.port), timeout=20) as sock:
        sock.sendall(head.encode())
        assert b"100 Continue" in sock.recv(100)
        os.kill(listening.pid, signal.SIGTERM)
        sock.sendall(body)
        assert sock.recv(100).startswith(b"HTTP/1.1 200 ")

    assert listening.end() == 143
    assert task_id in listening.text["stdout"], listening.text["stderr"]
    assert asked(sandbox, task_id) == 1
    assert journal.known(task_id) is not None


def test_what_could_not_be_confirmed_before_the_end_is_named(sandbox: Sandbox, start: Callable[..., Listening]) -> None:
    sandbox.scenario = "maintenance"
    listening, task_id = start(), create(sandbox)
    listening.post(task_id)
    until(lambda: asked(sandbox, task_id) > 0)

    assert listening.stop() == 143
    assert f"luma wait {task_id}" in listening.text["stderr"]


def test_a_reader_that_goes_away_ends_the_listening_with_141(sandbox: Sandbox, start: Callable[..., Listening]) -> None:
    program = f"{sys.executable} -m luma_cli listen --port 0 | true; echo ${{PIPESTATUS[0]}}"
    shell = subprocess.Popen(
        ["bash", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LUMA_WEBHOOK_KEY": WEBHOOK_KEY},
    )
    assert shell.stderr is not None
    url = next(line for line in shell.stderr if "listening on" in line)
    task_id, stamp = create(sandbox), int(time.time())
    connection = http.client.HTTPConnection("127.0.0.1", int(url.rpartition(":")[2].strip().strip("/")), timeout=20)
    headers = {"X-Webhook-Timestamp": str(stamp), "X-Webhook-Signature": signature(task_id, stamp)}
    connection.request("POST", "/", json.dumps({"taskId": task_id}), headers)
    assert connection.getresponse().status == 200
    connection.close()

    out, err = shell.communicate(timeout=30)
    assert (out.strip(), "Traceback" in err) == ("141", False), err


def test_k16_it_listens_on_this_machine_alone_unless_asked(sandbox: Sandbox, start: Callable[..., Listening]) -> None:
    assert start().url.startswith("http://127.0.0.1:")
    assert start("--host", "0.0.0.0").url.startswith("http://0.0.0.0:")


def test_a_port_in_use_exits_11(sandbox: Sandbox, run: Luma) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("listen", "--port", taken.getsockname()[1])

    assert (result.code, result.out) == (11, "")
    assert "in use" in result.err


def test_without_a_key_it_says_that_callbacks_are_not_verified(
    sandbox: Sandbox, start: Callable[..., Listening]
) -> None:
    listening = start(key=None)
    listening.stop()

    assert "no webhook_key is set" in listening.text["stderr"]


def test_the_key_store_has_the_webhook_key(sandbox: Sandbox, start: Callable[..., Listening], luma: Luma) -> None:
    assert luma("config", "set", "webhook_key", "-", stdin=WEBHOOK_KEY).code == 0
    listening, task_id = start(key=None), create(sandbox)

    assert listening.post(task_id, key=None) == 401
    assert listening.post(task_id, key=WEBHOOK_KEY) == 200
    assert listening.task()["taskId"] == task_id


@pytest.mark.parametrize(
    "words",
    [
        ("listen", "--public-url", "hooks.example.net"),
        ("listen", "--public-url", "https://hooks.example.net/?x=1"),
        ("listen", "--public-url", "https://me:pw@hooks.example.net/"),
        ("listen", "--forward-to", "http://app.example.net/hook"),
        ("listen", "--forward-to", "ftp://127.0.0.1/hook"),
        ("modify", CLIP_URL, "-p", "x", "--listen", "banana"),
        ("modify", CLIP_URL, "-p", "x", "--listen", "0"),
        ("modify", CLIP_URL, "-p", "x", "--listen", "99999"),
        ("modify", CLIP_URL, "-p", "x", "--listen", "a b:80"),
        ("modify", CLIP_URL, "-p", "x", "--public-url", "https://hooks.example.net"),
        ("modify", CLIP_URL, "-p", "x", "--listen", "8080", "--callback-url", "https://hooks.example.net"),
        ("wait", "f" * 32, "--public-url", "https://hooks.example.net"),
    ],
    ids=" ".join,
)
def test_options_that_do_not_fit_exit_2_and_send_nothing(sandbox: Sandbox, luma: Luma, words: tuple[str, ...]) -> None:
    assert luma(*words)[:2] == (2, "")
    assert sandbox.requests == []


@pytest.mark.parametrize("url", ["https://10.0.0.1/x", "http://localhost:8080", "https://nas.local"])
def test_a_public_url_that_the_service_cannot_reach_exits_2(
    luma: Luma, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_BASE_URL", "https://api.example.net")

    assert luma("modify", CLIP_URL, "-p", "x", "--listen", "8080", "--public-url", url)[:2] == (2, "")


def test_a_blank_webhook_key_with_which_anybody_could_sign_is_refused(
    sandbox: Sandbox, luma: Luma, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_WEBHOOK_KEY", "  ")

    assert luma("listen", "--port", "0")[:2] == (4, "")


class App(BaseHTTPRequestHandler):
    """A local application that is called with what was accepted."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.put((self.path, dict(self.headers), body))  # type: ignore[attr-defined]
        statuses: list[int] = self.server.statuses  # type: ignore[attr-defined]
        self.send_response(statuses.pop(0) if statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def app() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), App)
    server.got, server.statuses = queue.Queue(), []
    server.url = f"http://127.0.0.1:{server.server_address[1]}/take"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_an_accepted_callback_is_forwarded_unchanged_and_without_our_key(
    sandbox: Sandbox, start: Callable[..., Listening], app: Any
) -> None:
    listening, task_id, stamp = start("--forward-to", app.url), create(sandbox), int(time.time())
    body = json.dumps({"data": {"taskId": task_id}, "  odd": "\u00e9"}, indent=3).encode()
    signed = {"X-Webhook-Timestamp": str(stamp), "X-Webhook-Signature": signature(task_id, stamp)}

    assert listening.send(body, {"Content-Type": "application/json", "Cookie": "a=b", **signed}) == 200

    path, headers, received = app.got.get(timeout=20)
    assert (path, received) == ("/take", body)
    assert {name: headers.get(name) for name in (*signed, "Content-Type")} == {
        **signed,
        "Content-Type": "application/json",
    }
    assert not {"Authorization", "Cookie"} & set(headers)


def test_what_is_forged_or_unknown_is_not_forwarded(
    sandbox: Sandbox, start: Callable[..., Listening], app: Any
) -> None:
    listening = start("--forward-to", app.url)
    listening.post(create(sandbox), key="wrong")

    genuine = fence(listening, sandbox)

    assert genuine.encode() in app.got.get(timeout=20)[2]
    assert app.got.empty()


def test_a_forward_that_fails_once_is_tried_again(sandbox: Sandbox, start: Callable[..., Listening], app: Any) -> None:
    app.statuses[:] = [503]
    listening = start("--forward-to", app.url)

    listening.post(create(sandbox))

    app.got.get(timeout=20)
    app.got.get(timeout=20)
    assert listening.stop() == 143
    assert "not forwarded" not in listening.text["stderr"]


@pytest.mark.parametrize("status", [404, 302])
def test_a_forward_that_is_refused_is_reported_and_the_task_is_recorded_all_the_same(
    sandbox: Sandbox, start: Callable[..., Listening], app: Any, status: int
) -> None:
    app.statuses[:] = [status]
    listening = start("--forward-to", app.url)

    fence(listening, sandbox)

    assert f"HTTP {status}" in listening.line("stderr", "not forwarded")
    assert app.got.qsize() == 1


def test_an_application_that_is_not_there_is_reported(sandbox: Sandbox, start: Callable[..., Listening]) -> None:
    listening = start("--forward-to", f"http://127.0.0.1:{free_port()}/take?token=s3cret")

    fence(listening, sandbox)

    assert "s3cret" not in listening.line("stderr", "not forwarded")


def test_what_is_not_forwarded_yet_at_the_end_is_reported(sandbox: Sandbox, start: Callable[..., Listening]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        listening = start("--forward-to", f"http://127.0.0.1:{mute.getsockname()[1]}/")
        fence(listening, sandbox)

        assert listening.stop() == 143
    assert "1 callback(s) were not forwarded" in listening.text["stderr"]


def test_modify_with_listen_ends_with_the_callback_and_not_with_the_next_poll(sandbox: Sandbox, run: Luma) -> None:
    """Polls come every 30 s: of three within the sandbox's second, two can only be the callback's."""
    sandbox.tasks.duration, port = 1.0, free_port()
    sandbox.callbacks.webhook_key = WEBHOOK_KEY

    result = run("modify", CLIP_URL, "-p", "Snow falls", "-w", "--listen", port, LUMA_WEBHOOK_KEY=WEBHOOK_KEY)

    assert (result.code, result.out.startswith(sandbox.url)) == (0, True)
    [delivery] = sandbox.callbacks.deliveries
    assert delivery.status == 200
    polls = [request.at for request in sandbox.requests if request.path.endswith("record-info")]
    assert len(polls) == 2
    assert polls[1] >= delivery.at


@pytest.mark.parametrize(
    ("listen", "interval", "expected"), [("8080", None, 30.0), ("8080", 5.0, 5.0), (None, None, None), (None, 5.0, 5.0)]
)
def test_beside_callbacks_polls_come_every_30_seconds_unless_asked_otherwise(
    listen: str | None, interval: float | None, expected: float | None
) -> None:
    assert pace(listen, interval) == expected


def test_modify_with_listen_gives_the_service_an_address_with_a_tag_of_its_own(sandbox: Sandbox, luma: Luma) -> None:
    words = ("modify", CLIP_URL, "-p", "Snow falls", "-n", "--json", "--listen", "8080")
    urls = [
        json.loads(luma(*words, "--public-url", "https://hooks.example.net/kie/").out)["body"]["callBackUrl"]
        for _ in range(2)
    ]

    assert all(url.startswith("https://hooks.example.net/kie/") for url in urls)
    assert len({url.rpartition("/")[2] for url in urls}) == 2
    assert min(len(url.rpartition("/")[2]) for url in urls) >= 16


def test_modify_with_listen_needs_a_public_url_unless_the_service_is_on_this_machine(
    luma: Luma, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_BASE_URL", "https://api.example.net")

    result = luma("modify", CLIP_URL, "-p", "Snow falls", "--listen", "8080")

    assert result[:2] == (2, "")
    assert "--public-url" in result.err


def test_k14_a_port_in_use_exits_11_before_anything_is_sent(sandbox: Sandbox, luma: Luma) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = luma("modify", CLIP_URL, "-p", "Snow falls", "-w", "--listen", taken.getsockname()[1])

    assert result[:2] == (11, "")
    assert sandbox.requests == []


def test_an_unsigned_callback_ends_the_wait_as_well(sandbox: Sandbox, run: Luma) -> None:
    sandbox.tasks.duration = 1.0

    result = run("modify", CLIP_URL, "-p", "Snow falls", "--listen", free_port())

    assert result.code == 0
    assert asked(sandbox) == 2


def test_a_forged_callback_does_not_wake_the_wait(sandbox: Sandbox, run: Luma) -> None:
    sandbox.tasks.duration, sandbox.callbacks.pause = 1.0, 0.0
    sandbox.callbacks.webhook_key = WEBHOOK_KEY

    words = ("modify", CLIP_URL, "-p", "sandbox:callback-forged Snow", "-w", "--timeout", "4s", "--interval", "30s")
    result = run(*words, "--listen", free_port(), LUMA_WEBHOOK_KEY=WEBHOOK_KEY)

    assert result.code == 0
    assert {delivery.status for delivery in sandbox.callbacks.deliveries} == {401}
    ended = sandbox.callbacks.deliveries[-1].at
    polls = [request.at for request in sandbox.requests if request.path.endswith("record-info")]
    assert len(polls) == 2, "at the start and at the deadline"
    assert polls[1] > ended + 1


def test_a_callback_shows_what_became_of_a_submission_whose_reply_was_lost(
    sandbox: Sandbox, run: Luma, journal: Journal
) -> None:
    sandbox.tasks.duration = 1.0
    sandbox.callbacks.webhook_key = WEBHOOK_KEY

    words = ("modify", CLIP_URL, "-p", "sandbox:lost-answer Snow", "-w", "--listen", free_port())
    result = run(*words, LUMA_WEBHOOK_KEY=WEBHOOK_KEY)

    assert (result.code, result.out.startswith(sandbox.url)) == (0, True)
    assert len(sandbox.submissions()) == 1
    [row] = journal.rows()
    assert (row.outcome, row.task.has_video) == ("accepted", True)


def test_listen_gives_a_submission_of_unknown_outcome_its_task(
    sandbox: Sandbox, start: Callable[..., Listening], journal: Journal, luma: Luma
) -> None:
    listening = start(key=WEBHOOK_KEY)
    sandbox.callbacks.webhook_key = WEBHOOK_KEY
    words = ("modify", CLIP_URL, "-p", "sandbox:lost-answer Snow", "--callback-url", listening.url)

    assert luma(*words, "--model", "aleph", "--no-check").code == 12

    task_id = listening.task()["taskId"]
    [row] = journal.rows()
    assert (row.task.task_id, row.task.model, row.outcome) == (task_id, "aleph", "accepted")


def test_a_lost_reply_whose_callback_does_not_come_stays_unknown(sandbox: Sandbox, run: Luma) -> None:
    sandbox.tasks.duration = 3600

    words = ("modify", CLIP_URL, "-p", "sandbox:lost-answer Snow", "-w", "--timeout", "1s", "--listen", free_port())

    assert run(*words)[:2] == (12, "")


def test_wait_with_listen_is_open_where_modify_said(sandbox: Sandbox, luma: Luma) -> None:
    """The first `modify` was interrupted: its callback URL stands in the journal, tag and all."""
    sandbox.tasks.duration, port = 3600.0, free_port()
    url = f"http://127.0.0.1:{port}/kie/0123456789abcdef"
    task_id = luma("modify", CLIP_URL, "-p", "Snow falls", "--callback-url", url).out.strip()

    process = Process("wait", task_id, "--listen", port)
    try:
        process.line("stderr", "generating")
        sandbox.finish(task_id)

        assert process.line().startswith(sandbox.url)
        assert process.end() == 0
    finally:
        process.kill()
    assert sandbox.callbacks.deliveries[-1].status == 200
    assert asked(sandbox, task_id) == 2


def test_a_signal_ends_a_listening_wait_at_once(sandbox: Sandbox, luma: Luma) -> None:
    sandbox.tasks.duration = 3600
    task_id = luma("modify", CLIP_URL, "-p", "Snow falls").out.strip()
    process = Process("wait", task_id, "--listen", free_port())
    try:
        process.line("stderr", "generating")

        assert process.stop() == 143
        assert f"luma wait {task_id}" in process.text["stderr"]
    finally:
        process.kill()


SWALLOWED = """
import os, signal, sys, threading, weakref
from luma_cli import signals

class Thing: pass

signals.install()
thing = Thing()
reference = weakref.ref(thing, lambda _: (os.kill(os.getpid(), signal.SIGTERM), [None for _ in range(1000)]))
try:
    del thing
    threading.Event().wait(20)
except signals.Stopped as stop:
    sys.exit(100 + stop.signum)
"""


def test_a_signal_that_python_swallows_comes_again() -> None:
    """What is raised inside a weak reference's callback is dropped: `wait --listen` went on for ever now and then."""
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (100 + signal.SIGTERM, "")


def test_trigger_sends_one_callback_by_hand(sandbox: Sandbox, start: Callable[..., Listening], luma: Luma) -> None:
    sandbox.callbacks.webhook_key = WEBHOOK_KEY
    listening = start()
    task_id = create(sandbox, prompt="sandbox:flag4 Snow", callBackUrl=listening.url)  # never called back by itself

    assert luma("sandbox", "trigger", task_id).code == 0

    assert [delivery.status for delivery in sandbox.callbacks.deliveries] == [200]
    assert listening.task()["taskId"] == task_id


def test_a_triggered_callback_that_nobody_answers_gives_the_task_flag_4(sandbox: Sandbox, luma: Luma) -> None:
    sandbox.callbacks.pause, sandbox.tasks.duration = 0.0, 0.0
    task_id = create(sandbox, callBackUrl=f"http://127.0.0.1:{free_port()}/")

    assert luma("sandbox", "trigger", task_id).code == 7

    assert len(sandbox.callbacks.deliveries) >= 4
    printed = json.loads(luma("status", task_id, "--json").out)
    assert (printed["successFlag"], printed["state"], printed["warnings"]) == (4, "succeeded", ["callback_failed"])


@pytest.mark.parametrize("task_id", ["f" * 32, None], ids=["unknown task", "no callback URL"])
def test_nothing_to_trigger_exits_2(sandbox: Sandbox, luma: Luma, task_id: str | None) -> None:
    assert luma("sandbox", "trigger", task_id or create(sandbox))[:2] == (2, "")


def test_trigger_speaks_to_no_real_service(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_BASE_URL", "https://api.example.net")

    assert luma("sandbox", "trigger", "f" * 32)[:2] == (2, "")


SANDBOX_PROGRAM = """
import json, random, sys, time
from luma_cli.sandbox import Sandbox

count, seed, api_key, webhook_key = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
rng = random.Random(seed)
with Sandbox(duration=3600.0, api_key=api_key, webhook_key=webhook_key, rate_limit=10**6) as box:
    box.callbacks.pause = 0.05
    print(box.url, flush=True)
    hook = sys.stdin.readline().strip()
    kinds = ["callback-forged"] * (count // 5) + ["callback-duplicate"] * (count // 4)
    kinds += ["ok"] * (count - len(kinds))
    rng.shuffle(kinds)
    params = {"videoUrl": "https://media.example.net/in.mp4", "callBackUrl": hook}
    tasks = [box.create({**params, "prompt": f"sandbox:{kind} number {i}"}) for i, kind in enumerate(kinds)]
    print(json.dumps({task.task_id: task.scenario for task in tasks}), flush=True)
    for task in rng.sample(tasks, count):
        box.finish(task.task_id)
        time.sleep(rng.random() * 0.02)
    sys.stdin.readline()
"""


def log_of(url: str) -> list[dict[str, Any]]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    connection.request("GET", "/sandbox/log")
    text = connection.getresponse().read().decode()
    connection.close()
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def service() -> Iterator[Callable[[int, int], subprocess.Popen[str]]]:
    """The sandbox as a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def begin(count: int, seed: int) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", SANDBOX_PROGRAM, str(count), str(seed), KEY, WEBHOOK_KEY]
        started.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_every_genuine_task_is_recorded_once_and_no_forged_one(
    service: Callable[[int, int], subprocess.Popen[str]], start: Callable[..., Listening], journal: Journal
) -> None:
    """Callbacks in random order, a quarter of them twice, a fifth of them forged."""
    count, seed = 200 if HEAVY else 40, random.randrange(1 << 32)
    print(f"{count} tasks, seed {seed}")
    box = service(count, seed)
    assert box.stdin is not None
    assert box.stdout is not None
    url = box.stdout.readline().strip()
    listening = start(LUMA_BASE_URL=url)
    box.stdin.write(f"{listening.url}\n")
    box.stdin.flush()
    scenarios: dict[str, str] = json.loads(box.stdout.readline())
    genuine = {task_id for task_id, kind in scenarios.items() if kind != "callback-forged"}

    printed = [listening.task()["taskId"] for _ in genuine]
    forged = set(scenarios) - genuine
    until(lambda: {line["query"]["taskId"] for line in log_of(url) if line.get("status") == 401} == forged)
    assert listening.stop() == 143

    assert sorted(printed) == sorted(genuine)
    assert listening.text["stdout"].count("\n") == len(genuine)
    rows = list(journal.rows())
    assert sorted(row.task.task_id for row in rows) == sorted(genuine)
    assert all(row.task.has_video for row in rows)
    check_times(log_of(url), genuine)


def check_times(log: list[dict[str, Any]], genuine: set[str]) -> None:
    """Each task was asked for once, after its callback; in the big run within a second of it."""
    called, asked_at = {}, {}
    for line in log:
        task_id = line["query"].get("taskId")
        if line["method"] == "CALLBACK" and line["status"] == 200:
            called[task_id] = min(line["at"], called.get(task_id, line["at"]))
        elif line["path"].endswith("record-info"):
            assert task_id not in asked_at, "asked twice"
            asked_at[task_id] = line["at"]
    assert set(called) == set(asked_at) == genuine
    delays = sorted(asked_at[task_id] - called[task_id] for task_id in genuine)
    print(f"callback to record-info: median {delays[len(delays) // 2]:.3f} s, longest {delays[-1]:.3f} s")
    assert delays[0] >= 0
    if HEAVY:
        assert delays[-1] <= 1.0
