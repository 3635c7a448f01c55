"""What the client sends twice and what it does not: 429, closed ports, slow peers, and faults in any order.

30 random sequences of faults by default, LUMA_TEST_FAULTS for more; LUMA_TEST_SEED for others.
"""

import contextlib
import gzip
import os
import random
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from luma_cli.api import transport
from luma_cli.api.client import Client
from luma_cli.api.task import Edit
from luma_cli.errors import OutcomeUnknown, Rejected, Unavailable
from luma_cli.journal import journal
from luma_cli.journal.records import Outcome, Row
from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, KEY, Result
from support.fault_server import (
    Answer,
    FaultServer,
    Peer,
    Request,
    Script,
    chunks,
    dribble,
    hang_up,
    head,
    hear,
    posts,
    redirect,
    reply,
    reset,
    said,
    send,
    stall,
    take,
)
from support.mutations import mutated

Luma = Callable[..., Result]
Serve = Callable[..., FaultServer]
FAULTS = int(os.environ.get("LUMA_TEST_FAULTS", "30"))
SEED = int(os.environ.get("LUMA_TEST_SEED", "1"))
GENERATE = "/api/v1/modify/generate"
CREDIT = "/api/v1/chat/credit"
WORDS = ("modify", CLIP_URL, "-p", "Heavy snow falls at night", "--no-check")
ID = "6d0a3f8c1b2e4a59b7c8d9e0f1a2b3c4"


ACCEPTED_BODY = said(200, "success", {"taskId": ID})
ACCEPTED = reply(ACCEPTED_BODY)
LIMITED = reply(said(429, "slowly"), 429)
LIMITED_INSIDE = reply(said(429, "slowly"))


@pytest.fixture
def pauses(clock: dict[str, Any]) -> list[float]:
    """The pauses that the client makes, none of which takes any time here."""
    made: list[float] = []
    clock["sleep"] = made.append
    return made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exchange has half a second instead of a minute."""
    monkeypatch.setitem(transport.exchange.__kwdefaults__, "budget", 0.5)  # type: ignore[arg-type]


def beside_credits(answers: Sequence[Answer], balance: float = 80.0) -> Script:
    """The script for all but the balance, which a client may ask for after a 429."""
    left = list(answers)

    def respond(request: Request) -> Answer:
        if request.path == CREDIT:
            return reply(said(200, "success", balance))
        return left.pop(0) if len(left) > 1 else left[0]

    return respond


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a server that misbehaves by script, in the service's place."""
    with contextlib.ExitStack() as stack:

        def start(*answers: Answer, **options: object) -> FaultServer:
            script = beside_credits(answers)
            server = stack.enter_context(FaultServer(script, **options))  # type: ignore[arg-type]
            monkeypatch.setenv("LUMA_BASE_URL", server.url(""))
            return server

        yield start


@pytest.fixture
def rows(home: Path) -> Callable[[], list[Row]]:
    """The journal as it is now, the newest row first."""

    def read() -> list[Row]:
        opened = journal.open_journal(home / "state" / "tasks.db")
        found = list(opened.rows())
        opened.close()
        return found

    return read


Rows = Callable[[], list[Row]]


# --- the rate limit: the one answer after which it is sent again ---


@pytest.mark.parametrize("limited", [LIMITED, LIMITED_INSIDE, reply(b"", 429)], ids=["HTTP", "in HTTP 200", "no body"])
def test_after_429_it_is_sent_again_when_a_whole_window_has_passed(
    luma: Luma, serve: Serve, rows: Rows, pauses: list[float], limited: Answer
) -> None:
    server = serve(limited, ACCEPTED)

    code, out, err = luma(*WORDS)
    assert (code, out, posts(server), pauses) == (0, f"{ID}\n", 2, [10.0])
    assert err.startswith("luma: kie.ai's rate limit is reached, nothing was created")
    assert err.endswith("(code 429): trying again in 10 s\n")
    assert [row.outcome for row in rows()] == [Outcome.ACCEPTED]


@pytest.mark.parametrize("limited", [LIMITED, LIMITED_INSIDE], ids=["HTTP", "in HTTP 200"])
def test_429_for_ever_is_given_up_after_three_more(
    luma: Luma, serve: Serve, rows: Rows, pauses: list[float], limited: Answer
) -> None:
    server = serve(limited)
    result = luma(*WORDS)

    assert (result.code, result.out) == (7, "")
    assert "rate limit is reached, nothing was created" in result.err
    assert (posts(server), pauses) == (4, [10.0] * 3)
    assert [row.outcome for row in rows()] == [Outcome.REFUSED]


@pytest.mark.parametrize("seconds", [3, 10, 25, 60])
def test_a_retry_after_is_obeyed_but_never_for_less_than_a_window(
    luma: Luma, serve: Serve, pauses: list[float], seconds: int
) -> None:
    server = serve(reply(said(429), 429, retry_after=seconds), ACCEPTED)

    assert luma(*WORDS).code == 0
    assert (posts(server), pauses) == (2, [max(10.0, seconds)])


@pytest.mark.parametrize(("seconds", "least"), [(3, 10.0), (40, 35.0)])
def test_a_retry_after_may_be_a_date(luma: Luma, serve: Serve, pauses: list[float], seconds: int, least: float) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    server = serve(reply(said(429), 429, retry_after=when), ACCEPTED)

    assert luma(*WORDS).code == 0
    assert posts(server) == 2
    assert least <= pauses[0] <= max(10.0, seconds)


SENSELESS = ["banana", "", "-5", "1.5", "7, 8", "9" * 5000, "٣".encode().decode("latin-1"), "Tue, 99 Nob 2026 1:1 GMT"]


@pytest.mark.parametrize("pause", SENSELESS, ids=lambda pause: pause[:8] or "empty")
def test_a_retry_after_that_makes_no_sense_is_ignored(
    luma: Luma, serve: Serve, pauses: list[float], pause: str
) -> None:
    server = serve(reply(said(429), 429, retry_after=pause), ACCEPTED)

    assert luma(*WORDS)[:2] == (0, f"{ID}\n")
    assert (posts(server), pauses) == (2, [10.0])


def test_what_comes_after_429_is_judged_like_a_first_reply(
    luma: Luma, serve: Serve, rows: Rows, pauses: list[float]
) -> None:
    server = serve(LIMITED, (hang_up(),), ACCEPTED)

    assert luma(*WORDS).code == 12
    assert posts(server) == 2
    assert [row.outcome for row in rows()] == [Outcome.UNKNOWN]


# --- money: a 429 that is an empty account, and what a refusal says ---


def client_of(server: FaultServer) -> Client:
    return Client(server.url("").rstrip("/"), server.url(""), KEY, sleep=lambda _seconds: None)


SNOW = Edit("Snow", CLIP_URL)


@pytest.mark.parametrize(("balance", "fails"), [(0, True), (-3.5, True), (100.0, False)])
def test_the_first_429_asks_the_balance_once(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, pauses: list[float], balance: float, fails: bool
) -> None:
    with FaultServer(beside_credits([LIMITED, LIMITED, ACCEPTED], balance)) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url(""))
        code, _, err = luma(*WORDS)
    assert (code, f"the balance is {balance:.12g}" in err) == ((10, True) if fails else (0, False))
    assert [request.path for request in server.requests].count(CREDIT) == 1
    assert posts(server) == (1 if fails else 3)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(b'{"status":404,"error":"Not Found"}', 404), "(HTTP 404)"),
        (reply(b"<html>", 410), "(HTTP 410)"),
        (reply(said(505, "switched off")), ": switched off (code 505)"),
        (reply(said(404, "nope")), ": nope (code 404)"),
        (reply(said(422, "The page does not exist or is not published")), "(code 422)"),
        (reply(said(422, "This model is not published")), "(code 422)"),
    ],
)
@pytest.mark.parametrize(("model", "sister"), [("luma", "wan-2.7-edit"), ("wan-2.7-edit", "happyhorse")])
def test_a_withdrawn_model_is_named_with_a_sister(answer: Answer, words: str, model: str, sister: str) -> None:
    with FaultServer([answer]) as server, pytest.raises(Rejected) as caught:
        client_of(server).submit(Edit("Snow", CLIP_URL, model=model))
    assert caught.value.message.startswith(f"kie.ai no longer offers {model}")
    assert caught.value.message.endswith(words)
    assert f"--model {sister}" in (caught.value.hint or "")
    assert "https://kie.ai" in (caught.value.hint or "")


@pytest.mark.parametrize(("url", "named"), [(None, True), ("https://hooks.example.net/kie", False)])
def test_the_hint_of_a_422_names_the_callback_if_none_was_sent(url: str | None, named: bool) -> None:
    with FaultServer([reply(said(422, "bad input"))]) as server, pytest.raises(Rejected) as caught:
        client_of(server).submit(Edit("Snow", CLIP_URL, callback_url=url))
    assert ("--callback-url" in (caught.value.hint or "")) is named


def test_of_an_error_500_the_message_comes_first() -> None:
    with FaultServer([reply(said(500, "prompt too long"))]) as server, pytest.raises(OutcomeUnknown) as caught:
        client_of(server).submit(SNOW)
    assert caught.value.message.startswith("kie.ai: prompt too long (code 500)")
    assert posts(server) == 1


@pytest.mark.parametrize(
    ("answer", "answers"),
    [
        (reply(said(422, "recordInfo is null")), True),
        (reply(said(404, "Task not found")), True),
        (reply(said(200, "success", {"taskId": "0" * 32, "successFlag": 0})), True),
        (reply(b"<html>", 404), False),
        (reply(said(505, "off")), False),
        (reply(said(422, "the page does not exist or is not published")), False),
    ],
)
def test_an_endpoint_is_looked_for_by_one_record_and_no_submission(answer: Answer, answers: bool) -> None:
    with FaultServer([answer]) as server:
        assert client_of(server).endpoint_answers("aleph") is answers
    assert [(request.method, request.path) for request in server.requests] == [
        ("GET", f"/api/v1/aleph/record-info?taskId={'0' * 32}")
    ]


@pytest.mark.parametrize("code", [408, 501, 531])
def test_a_final_code_of_a_record_ends_the_task(code: int) -> None:
    with FaultServer([reply(said(code, "no result"))]) as server:
        task = client_of(server).task(ID, "wan-2.7-edit")
    assert (task.has_failed, task.error_code, task.model) == (True, code, "wan-2.7-edit")


def test_a_machine_without_threads_is_the_reason_that_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with FaultServer([ACCEPTED]) as server:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(Unavailable, match="this machine starts no more threads; nothing was sent"):
            client_of(server).submit(SNOW)
    assert posts(server) == 0


def test_each_request_is_one_line_of_the_log_without_key_and_query(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "luma_cli")
    answer = reply(said(200, f"hello {KEY}", {"taskId": ID}))
    with FaultServer([answer]) as server:
        client = client_of(server)
        client.submit(Edit("Snow", f"{CLIP_URL}?X-Amz-Signature=of-this-link"))
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith(f"POST {server.url(GENERATE)}: HTTP 200 (code 200), ")
    assert lines[0].endswith("new connection")
    assert lines[1].startswith('sent: {"prompt": "Snow"')
    assert lines[2].startswith("received: {")
    assert KEY not in str(lines)
    assert "of-this-link" not in str(lines)


def test_a_read_that_is_tried_again_uses_the_connection_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "luma_cli.api.transport")
    with FaultServer([reply(b"", 503), reply(said(200, "success", 80.0))]) as server:
        client = client_of(server)
        assert client.patiently(client.credits) == 80.0
    first, second = (record.getMessage() for record in caplog.records)
    assert first.endswith("new connection")
    assert second.endswith("reused connection")


def test_luma_is_sent_as_before_but_for_the_second_spelling() -> None:
    """The body as commit 8b2373f sent it, recorded on a socket."""
    with FaultServer([ACCEPTED]) as server:
        client_of(server).submit(Edit("Snow \N{SNOWMAN}", CLIP_URL, "mine", "https://hooks.example.net/k"))
    [request] = server.requests
    assert (request.method, request.path) == ("POST", GENERATE)
    assert request.body == (
        b'{"prompt": "Snow \\u2603", "videoUrl": "https://media.example.net/in.mp4", "watermark": "mine", '
        b'"waterMark": "mine", "callBackUrl": "https://hooks.example.net/k"}'
    )


# --- connections that never stood ---


@contextlib.contextmanager
def closed_port() -> Iterator[tuple[int, Callable[[], None]]]:
    """A port that refuses, and nobody else gets, until it is given free."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1], holder.close


def test_a_port_that_opens_at_the_third_try_gets_the_request_once(
    luma: Luma, rows: Rows, clock: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[float] = []
    with contextlib.ExitStack() as stack:
        port, give_free = stack.enter_context(closed_port())
        servers: list[FaultServer] = []

        def sleep(seconds: float) -> None:
            made.append(seconds)
            if len(made) == 2:
                give_free()
                servers.append(stack.enter_context(FaultServer([ACCEPTED], port=port)))

        clock["sleep"] = sleep
        monkeypatch.setenv("LUMA_BASE_URL", f"http://127.0.0.1:{port}")
        assert luma(*WORDS)[:2] == (0, f"{ID}\n")
        assert [posts(server) for server in servers] == [1]
    assert made == [1.0, 2.0]
    assert [row.outcome for row in rows()] == [Outcome.ACCEPTED]


def test_a_closed_port_is_left_after_the_third_try(
    luma: Luma, rows: Rows, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closed_port() as (port, _):
        monkeypatch.setenv("LUMA_BASE_URL", f"http://127.0.0.1:{port}")
        result = luma(*WORDS)

    assert (result.code, pauses) == (7, [1.0, 2.0])
    assert f"cannot connect to 127.0.0.1:{port}; nothing was sent" in result.err
    assert [row.outcome for row in rows()] == [Outcome.REFUSED]


def unresolvable(monkeypatch: pytest.MonkeyPatch, on_asking: Callable[[], object] = lambda: None) -> list[str]:
    """Every name is unknown, and no name server beyond this machine is asked."""
    asked: list[str] = []

    def resolve(host: str, *_: object, **__: object) -> object:
        asked.append(host)
        on_asking()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setenv("LUMA_BASE_URL", "https://service.example")
    return asked


def test_an_unknown_name_is_looked_for_three_times(
    luma: Luma, rows: Rows, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = unresolvable(monkeypatch)
    result = luma(*WORDS)

    assert (result.code, result.out, pauses) == (7, "", [1.0, 2.0])
    assert "cannot find the host service.example; nothing was sent" in result.err
    assert asked == ["service.example"] * 3
    assert [row.outcome for row in rows()] == [Outcome.REFUSED]


def test_a_name_that_took_its_time_to_be_unknown_is_not_looked_for_again(
    luma: Luma, pauses: list[float], clock: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply of the name server came after 20 s."""
    now = [0.0]
    clock["monotonic"] = lambda: now[0]
    asked = unresolvable(monkeypatch, lambda: now.__setitem__(0, now[0] + 20))

    assert luma(*WORDS).code == 7
    assert (asked, pauses) == (["service.example"], [])


def test_a_name_that_is_found_when_the_time_is_over_gets_no_request(
    luma: Luma, serve: Serve, rows: Rows, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    """The look for a name has no time-out of its own: the reply comes after the half second of the exchange."""
    server, find, never = serve(ACCEPTED), socket.getaddrinfo, threading.Event()

    def resolve(*words: object, **more: object) -> object:
        never.wait(1.0)
        return find(*words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    result = luma(*WORDS)

    assert (result.code, result.out, posts(server)) == (7, "", 0), result.err
    assert "nothing was sent" in result.err
    assert [row.outcome for row in rows()] == [Outcome.REFUSED]


# --- peers that are slow ---

LATE = "127.0.0.1 "  # "gave no whole reply in 0.5 s", or "did not reply in time": whichever clock is first
SLOW: dict[str, tuple[Answer, str]] = {
    "no answer": ((stall(),), LATE),
    "a status line byte by byte": ((dribble(b"HTTP/1.1 200 OK\r\n" * 99, 0.05),), LATE),
    "headers byte by byte": ((send(b"HTTP/1.1 200 OK\r\n"), dribble(b"A: b\r\n" * 99, 0.05)), LATE),
    "a body byte by byte": ((head(content_length=900), dribble(b"x" * 900, 0.05)), "the reply is too slow"),
    "a chunk byte by byte": (
        (head(transfer_encoding="chunked"), dribble(b"384\r\n" + b"x" * 900, 0.05)),
        "the reply is too slow",
    ),
    "half a body": ((head(content_length=900), send(b'{"code"'), stall()), "the reply is too slow"),
}


@pytest.mark.parametrize(("answer", "words"), SLOW.values(), ids=SLOW)
def test_a_slow_reply_is_cut_off_and_its_outcome_unknown(
    luma: Luma, serve: Serve, rows: Rows, impatient: None, answer: Answer, words: str
) -> None:
    server = serve(answer, ACCEPTED)
    result = luma(*WORDS)

    assert (result.code, result.out) == (12, "")
    assert f"luma: error: submitted, but {words}" in result.err
    assert (posts(server), server.connections) == (1, 1)
    assert [row.outcome for row in rows()] == [Outcome.UNKNOWN]


def test_an_exchange_has_a_minute() -> None:
    assert (transport.exchange.__kwdefaults__ or {})["budget"] == 60.0


# --- faults in any order (P1) ---


class Fault(NamedTuple):
    """What a service does to a submission, and what it may have done before."""

    answer: Answer
    code: int
    may_have_created: bool = True
    again: bool = False


REDIRECTED = "https://elsewhere.example/steal"
POOL = [
    *[Fault(one, 7, False, again=True) for one in (LIMITED, LIMITED_INSIDE, reply(b"", 429))] * 3,
    Fault(reply(said(429), 429, retry_after=5), 7, False, again=True),
    Fault(reply(said(429), 429, retry_after="banana"), 7, False, again=True),
    Fault(reply(said(429), 429, retry_after="9" * 30), 7, False),
    *(
        Fault(reply(said(code, "no")), exit_code, False)
        for code, exit_code in ((401, 4), (402, 10), (422, 6), (455, 7))
    ),
    *(Fault(reply(b"<html>", status), exit_code, False) for status, exit_code in ((401, 4), (403, 4), (404, 6))),
    *[Fault((), 0)] * 4,  # accepted, each time with an id of its own
    Fault((send(b"HTTP/1.1 103 Early Hints\r\n\r\n"),), 0),
    *(Fault(reply(said(code, "oops")), 12) for code in (500, 501, 408, 550, 999, -1)),
    *(Fault(reply(b"<html>", status), 12) for status in (500, 502, 503, 408, 418)),
    Fault(reply(b"", 503, retry_after=1), 12),
    Fault(reply(said(200, "success", {"taskId": "../x"})), 12),
    Fault(reply(said(200, "success")), 12),
    Fault(reply(ACCEPTED_BODY[:-5]), 12),
    Fault(reply(ACCEPTED_BODY + b"x"), 12),
    Fault(reply(gzip.compress(ACCEPTED_BODY)[:-9], content_encoding="gzip"), 12),
    Fault((head(transfer_encoding="chunked"), chunks(ACCEPTED_BODY, end=False), hang_up()), 12),
    Fault((head(content_length=4000), send(ACCEPTED_BODY), reset()), 12),
    Fault((head(429, content_length=4000), send(said(429)), hang_up()), 12),
    *(Fault(redirect(REDIRECTED, status), 12) for status in (301, 302, 303, 307, 308)),
    *(Fault(answer, 12) for answer in ((hang_up(),), (reset(),), (send(b"HTTP/1.1 200"), hang_up()))),
    *[Fault((send(b"HTTP/1.1 429 Slowly\r\n"),), 12)] * 2,  # breaks off
]
RATE_LIMITS = POOL[:12]
BEFORE_READING = [(hear(), reset()), (hang_up(),), (take(1), reset()), (take(300), hang_up())]


@dataclass
class Service:
    """Has a fault of its own for every connection and every request, and knows which of them may have cost money."""

    chance: random.Random
    faults: list[Fault] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    broken: int = 0
    balances: int = 0
    may_ask: bool = True
    asks_balance: bool = False

    def answer(self, request: Request) -> Answer:
        if request.path == CREDIT:
            self.balances, self.asks_balance = self.balances + 1, False
            return (*reply(said(200, "success", 80.0)), hang_up())
        fault = self.chance.choice(POOL)
        self.faults.append(fault)
        if fault in RATE_LIMITS and self.may_ask:  # the first 429 of a command asks the balance, over a connection
            self.may_ask, self.asks_balance = False, True
        answer = fault.answer
        if fault.code == 0:
            self.ids.append(f"{self.chance.getrandbits(128):032x}")
            answer = (*answer, *reply(said(200, "success", {"taskId": self.ids[-1]})))
        # Every answer ends its connection, so that a connection is an attempt.
        return (*answer, hang_up())

    def accept(self) -> Answer:
        if self.chance.random() > 0.1:
            return ()
        actions = self.chance.choice(BEFORE_READING)

        def break_submission(peer: Peer) -> None:
            if not self.asks_balance:
                self.broken += 1
                for action in actions:
                    action(peer)

        return (break_submission,)


@pytest.mark.parametrize("key", [(), ("--idempotency-key", "one")], ids=["no key", "a key"])
def test_faults_in_any_order_create_at_most_one_task_and_leave_an_honest_row(
    luma: Luma, home: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float], key: tuple[str, ...]
) -> None:
    """Each sequence is one command, given again up to twice as someone would who does not believe it."""
    print(f"LUMA_TEST_SEED={SEED}")
    chance = random.Random(f"{SEED}{key}")
    for number in range(FAULTS):
        monkeypatch.setenv("LUMA_STATE_DIR", str(home / f"state{number}"))
        service = Service(chance)
        with FaultServer(service.answer, on_accept=[service.accept() for _ in range(15)]) as server:
            monkeypatch.setenv("LUMA_BASE_URL", server.url(""))
            for _ in range(chance.randint(1, 3)):
                check_command(luma, service, server, key)
        opened = journal.open_journal(home / f"state{number}" / "tasks.db")
        check_rows(list(opened.rows()), service, key)
        opened.close()


def check_command(luma: Luma, service: Service, server: FaultServer, key: tuple[str, ...]) -> None:
    answered, connected, broken = len(service.faults), server.connections - service.balances, service.broken
    service.may_ask, service.asks_balance = True, False
    result = luma(*WORDS, *key)
    faults, attempts = service.faults[answered:], server.connections - service.balances - connected

    assert all(fault.again for fault in faults[:-1]), "sent again after an answer that does not allow it"
    assert sum(fault.may_have_created for fault in faults) + service.broken - broken <= 1
    assert attempts <= 4
    assert attempts == len(faults) + service.broken - broken, "a connection that nobody knows of"
    if service.broken > broken:
        assert result.code == 12
    elif faults:
        assert result.code == faults[-1].code, (faults[-1], result.err)
    else:
        assert result.code in (0, 12)  # the id from before, or an outcome that is still unknown
    assert result.out == (f"{service.ids[-1]}\n" if result.code == 0 else "")
    errors = [line for line in result.err.splitlines() if line.startswith("luma: error: ")]
    assert len(errors) == (result.code != 0), result.err


def check_rows(rows: list[Row], service: Service, key: tuple[str, ...]) -> None:
    """A row with its id or with its doubt for every request that may have created something."""
    doubtful = sum(fault.code == 12 for fault in service.faults) + service.broken
    outcomes = [row.outcome for row in rows]
    assert outcomes.count(Outcome.UNKNOWN) == doubtful <= 1
    assert outcomes.count(Outcome.SENDING) == 0
    assert sorted(row.task.task_id for row in rows if row.outcome is Outcome.ACCEPTED) == sorted(service.ids)
    if key:
        assert len(service.ids) + doubtful <= 1, "paid twice under one key"


def test_a_mutated_reply_is_reported_in_one_line_and_has_an_honest_row(
    luma: Luma, home: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    """`no_leak` of conftest.py looks for tracebacks and for the key."""
    print(f"LUMA_TEST_SEED={SEED}")
    chance = random.Random(SEED)
    for number in range(FAULTS):
        state = home / f"state{number}"
        monkeypatch.setenv("LUMA_STATE_DIR", str(state))
        answer = mutated(chance)
        with FaultServer([(send(answer), hang_up()), reply(said(422, "no"))]) as server:
            monkeypatch.setenv("LUMA_BASE_URL", server.url(""))
            result = luma(*WORDS)
        opened = journal.open_journal(state / "tasks.db")
        [row] = opened.rows()
        opened.close()

        outcome = {0: Outcome.ACCEPTED, 12: Outcome.UNKNOWN}.get(result.code, Outcome.REFUSED)
        assert (row.outcome, posts(server)) == (outcome, 1 + len(pauses)), (answer, result)
        assert result.out == (f"{row.task.task_id}\n" if result.code == 0 else ""), answer
        errors = [line for line in result.err.split("\n") if line.startswith("luma: error: ")]
        assert len(errors) == (result.code != 0), (answer, result)
        assert all(line.isprintable() and len(line) <= 413 for line in result.err.split("\n")), (answer, result)
        assert result.code in (0, 4, 6, 7, 10, 12), (answer, result)
        pauses.clear()


@pytest.mark.parametrize("words", [["upload"], ["modify", "-p", "Heavy snow"]], ids=" ".join)
def test_a_refused_key_ends_the_work_on_many_clips(luma: Luma, sandbox: Sandbox, words: list[str]) -> None:
    sandbox.scenario = "bad-key"
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        shutil.copy(CLIP, name)
    code, out, err = luma(*words, "a.mp4", "b.mp4", "c.mp4")

    assert (code, out, len(sandbox.requests)) == (4, "", 1)
    assert "luma: 2 more not tried\nluma: error: 3 of 3 did not succeed" in err


@pytest.mark.parametrize("command", ["status", "download"])
def test_a_refused_key_ends_the_questions_about_many_tasks(luma: Luma, sandbox: Sandbox, command: str) -> None:
    ids = [luma("modify", CLIP_URL, "-p", f"Snow {n}").out.strip() for n in range(3)]
    before = len(sandbox.requests)
    sandbox.scenario = "bad-key"

    assert luma(command, *ids).code == 4
    assert len(sandbox.requests) == before + 1
