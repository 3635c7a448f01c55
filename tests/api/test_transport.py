"""One exchange over a real socket: what was sent, how much is read, how long it lasts, and what never follows.

150 mutated replies by default, LUMA_TEST_FAULTS times five for more; LUMA_TEST_SEED for others.
"""

import contextlib
import gzip
import os
import random
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from luma_cli.api import transport
from luma_cli.api.envelope import NotAnEnvelope, parse_envelope
from luma_cli.api.transport import (
    MAX_JSON,
    Bearer,
    Reply,
    Session,
    TransportError,
    exchange,
    parse_retry_after,
    proxy_for,
)
from support.commands import KEY
from support.fault_server import (
    Action,
    Answer,
    FaultServer,
    Request,
    call,
    chunks,
    dribble,
    hang_up,
    head,
    hear,
    redirect,
    reply,
    reset,
    send,
    stall,
    take,
)
from support.mutations import mutated

FAULTS = 5 * int(os.environ.get("LUMA_TEST_FAULTS", "30"))
SEED = int(os.environ.get("LUMA_TEST_SEED", "1"))
SECRET = "of-this-link"

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="all of 127.0.0.0/8 is this machine on Linux only"
)


@pytest.fixture
def session() -> Iterator[Session]:
    with Session() as opened:
        yield opened


def post(session: Session, url: str, budget: float = 30.0, **more: object) -> Reply:
    return exchange(session, "POST", url, budget=budget, json={"prompt": "Snow"}, auth=Bearer(KEY), **more)  # type: ignore[arg-type]


def fail(session: Session, url: str, **more: object) -> TransportError:
    """The error of an exchange; it names neither key nor link."""
    with pytest.raises(TransportError) as caught:
        post(session, f"{url}?signature={SECRET}", **more)  # type: ignore[arg-type]
    assert SECRET not in caught.value.message
    assert KEY not in caught.value.message
    return caught.value


# --- was anything sent ---


@pytest.mark.parametrize(
    "first",
    [(hear(), reset()), (hang_up(),), (take(9), reset()), (take(9), hang_up()), (hear(), send(b"HTTP/1.1 2"), reset())],
    ids=["RST", "FIN", "RST after nine bytes", "FIN after nine bytes", "an answer too early"],
)
def test_a_byte_for_a_standing_connection_counts_as_sent(session: Session, first: Answer) -> None:
    with FaultServer([reply(b"{}")], on_accept=[first] * 5) as server:
        assert fail(session, server.url("/")).sent
        assert (server.requests, server.connections) == ([], 1)


def test_whoever_asks_hears_of_it_once_and_before_the_first_byte(session: Session) -> None:
    told = []
    with FaultServer([reply(b"{}")]) as server:
        post(session, server.url("/"), on_sending=lambda: told.append(len(server.requests)))
    assert told == [0]


def test_bytes_for_a_proxy_and_for_tls_are_not_the_request(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    with FaultServer([(send(b"HTTP/1.1 200 OK\r\n\r\n"), hang_up())]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url())
        error = fail(session, "https://service.example/", on_sending=lambda: told.append(1))
    assert [request.method for request in proxy.requests] == ["CONNECT"]
    assert (error.sent, told) == (False, [])
    assert KEY.encode() not in proxy.received


def test_a_proxy_that_takes_a_plain_request_and_drops_it_is_not_asked_again(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """urllib3's Retry sent it four times (measured). The commands refuse such an address: the key would be read."""
    with FaultServer([(hang_up(),)]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url())
        error = fail(session, "http://service.example/")
    assert (error.sent, [request.method for request in proxy.requests], proxy.connections) == (True, ["POST"], 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_never_reached_through_a_proxy(
    session: Session, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    with FaultServer([reply(b"{}")]) as server, FaultServer([reply(b"{}")]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url())
        monkeypatch.setenv("ALL_PROXY", proxy.url())
        assert post(session, server.url("/", host)).body == b"{}"
        assert proxy.connections == 0


def test_a_host_that_needs_no_proxy_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "service.example")

    assert proxy_for("https://service.example/") is None
    assert proxy_for("https://other.example/") == "http://127.0.0.1:1"


# --- redirects ---


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_from_tls_to_plain_text_is_not_followed(session: Session, tmp_path: Path, status: int) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    session.verify = str(tmp_path / "ca.pem")
    with (
        FaultServer([reply(b"{}")]) as plain,
        FaultServer([redirect(plain.url("/steal"), status)], tls=context) as server,
    ):
        assert post(session, server.url("/", "localhost")).status == status
        assert (len(server.requests), plain.connections) == (1, 0)


def test_no_cookie_is_kept(session: Session) -> None:
    with FaultServer([reply(b"{}", set_cookie=["a=b", "c=d; Path=/"])]) as server:
        post(session, server.url("/"))
        post(session, server.url("/"))
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


# --- how much is read ---


def packed(size: int) -> bytes:
    return gzip.compress(bytes(size))


@pytest.mark.parametrize(
    ("whole", "encoding"), [(bytes(MAX_JSON), None), (packed(MAX_JSON), "gzip")], ids=["plain", "gzip"]
)
def test_a_reply_of_a_mebibyte_is_read(session: Session, whole: bytes, encoding: str | None) -> None:
    headers = {"content_encoding": encoding} if encoding else {}
    with FaultServer([reply(whole, **headers)]) as server:
        assert post(session, server.url("/")).body == bytes(MAX_JSON)


@pytest.mark.parametrize(
    "answer",
    [
        reply(bytes(MAX_JSON + 1)),
        (head(200), send(bytes(MAX_JSON + 1)), hang_up()),
        (head(200, transfer_encoding="chunked"), chunks(bytes(MAX_JSON), b"x")),
        reply(packed(MAX_JSON + 1), content_encoding="gzip"),
        reply(packed(MAX_JSON + 1), content_encoding="GZIP "),
        reply(bytes(MAX_JSON + 1), 500),
    ],
    ids=["a length", "no length", "chunks", "gzip", "X-GZIP", "an error page"],
)
def test_a_reply_of_more_than_a_mebibyte_is_refused_and_its_beginning_kept(session: Session, answer: Answer) -> None:
    with FaultServer([answer]) as server:
        error = fail(session, server.url("/"))
    assert (error.message, error.sent, error.fault) == ("the reply is too large", True, "too_large")
    assert error.raw == bytes(1 << 16)


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_gzip_that_ends_early_is_incomplete_though_its_length_is_right(session: Session, cut: int) -> None:
    whole = gzip.compress(b'{"code": 200}' * 99)
    with FaultServer([reply(whole[:-cut], content_encoding="gzip")]) as server:
        error = fail(session, server.url("/"))
    assert (error.message, error.sent) == ("the reply is incomplete", True)


# --- how long it lasts ---


@pytest.mark.parametrize(
    "answer",
    [
        (stall(),),
        (dribble(b"HTTP/1.1 200 OK\r\n" * 999, 0.05),),
        (send(b"HTTP/1.1 200 OK\r\n"), dribble(b"A: b\r\n" * 999, 0.05)),
        (head(content_length=999), dribble(b"x" * 999, 0.05)),
        (head(), send(b"x"), stall()),
        (head(transfer_encoding="chunked"), chunks(b"x", end=False), stall()),
        (head(100), head(103), stall()),
        (head(103), dribble(b"HTTP/1.1 103 Early\r\n\r\n" * 999, 0.01)),
    ],
    ids=["silence", "a status", "headers", "a body", "no length", "chunks", "interim answers", "hints without end"],
)
def test_the_time_of_an_exchange_is_bounded_whatever_the_peer_does(session: Session, answer: Answer) -> None:
    with FaultServer([answer]) as server:
        error = fail(session, server.url("/"), budget=0.4)
    assert error.sent
    assert "slow" in error.message or "gave no whole reply in" in error.message
    for timer in [timer for timer in threading.enumerate() if isinstance(timer, threading.Timer)]:
        timer.join(10)  # one that has been cancelled, or has done its work, ends at once
        assert not timer.is_alive()


def test_a_connection_that_is_kept_survives_the_time_of_an_earlier_exchange(session: Session) -> None:
    """The timer of the first must not cut the second."""
    with FaultServer([reply(b"1"), (call(lambda: threading.Event().wait(0.4)), *reply(b"2"))]) as server:
        assert post(session, server.url("/"), budget=0.3).body == b"1"
        assert post(session, server.url("/")).body == b"2"
        assert server.connections == 1


# --- answers of any shape ---


def test_a_mutated_reply_is_a_reply_or_a_transport_error_and_nothing_else(capfd: pytest.CaptureFixture[str]) -> None:
    print(f"LUMA_TEST_SEED={SEED}")
    chance = random.Random(SEED)
    answers = [mutated(chance) for _ in range(FAULTS)]

    def answer(request: Request) -> tuple[Action, ...]:
        return (send(answers[int(request.path[1:])]), hang_up())

    kinds = dict.fromkeys(("a reply", "an envelope", "an error"), 0)
    with FaultServer(answer) as server:
        for number in range(FAULTS):
            with contextlib.suppress(NotAnEnvelope), Session() as session:
                got = outcome(session, server.url(f"/{number}"))
                kinds["a reply" if isinstance(got, Reply) else "an error"] += 1
                if isinstance(got, Reply):
                    parse_retry_after(got.headers)
                    parse_envelope(got.body)
                    kinds["an envelope"] += 1
        assert server.connections == len(server.requests) == FAULTS
    print(kinds)
    assert all(kinds.values())
    assert capfd.readouterr().err == ""


def outcome(session: Session, url: str) -> Reply | TransportError:
    try:
        return post(session, url, budget=20.0)
    except TransportError as error:
        return error


HEADER = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["location", "content_type", "set_cookie", "retry_after", "etag"]), HEADER))
def test_any_header_leaves_the_body_readable(headers: dict[str, str]) -> None:
    with FaultServer([reply(b"{}", **headers)]) as server, Session() as session:
        assert post(session, server.url("/")).body == b"{}"


# --- connecting ---


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[str]]]:
    """Make the resolver name these addresses for every host; the list fills with those that are tried."""
    tried: list[str] = []
    listening = [True]

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.connect" and listening:
            tried.append(arguments[1][0])  # type: ignore[index]

    def name(*addresses: str) -> list[str]:
        real = socket.getaddrinfo

        def resolve(host: str, *rest: object, **more: object) -> list[object]:
            names = addresses if host.endswith(".example.net") else (host,)
            return [address for name in names for address in real(name, *rest, **more)]  # type: ignore[arg-type]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        sys.addaudithook(note)  # stays for the life of the process, so it must be able to sleep
        return tried

    monkeypatch.setattr(transport, "CONNECT_TIMEOUT", 0.2)
    yield name
    listening.clear()


@pytest.fixture
def hole() -> Iterator[int]:
    """A port of every loopback address where a connection is neither made nor refused."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("0.0.0.0", 0))
        listener.listen(0)
        for number in range(1, 13):
            for _ in range(3):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((f"127.0.0.{number}", listener.getsockname()[1]))
        yield listener.getsockname()[1]


@linux
def test_a_host_of_many_addresses_that_swallow_everything_ends_with_its_time(
    session: Session, connects: Callable[..., list[str]], hole: int
) -> None:
    tried = connects(*(f"127.0.0.{number}" for number in range(1, 13)))
    error = fail(session, f"http://hole.example.net:{hole}/", budget=0.3)

    assert (error.sent, error.fault) == (False, "timeout")
    assert 1 <= len(tried) < 6


@linux
def test_not_every_address_that_a_resolver_names_is_tried(session: Session, connects: Callable[..., list[str]]) -> None:
    tried = connects(*(f"127.0.0.{number}" for number in range(1, 101)))
    with socket.socket() as bound:  # and not listening
        bound.bind(("0.0.0.0", 0))
        error = fail(session, f"http://many.example.net:{bound.getsockname()[1]}/")

    assert (error.sent, error.fault, len(tried)) == (False, "connect", 6)


@linux
def test_an_address_that_refuses_gives_way_to_the_next(session: Session, connects: Callable[..., list[str]]) -> None:
    with FaultServer([reply(b"{}")]) as server:
        tried = connects("::1", "127.0.0.2", "127.0.0.1")
        assert post(session, f"http://two.example.net:{server.port}/").status == 200
        assert (tried, server.requests[0].headers["host"]) == (
            ["::1", "127.0.0.2", "127.0.0.1"],
            f"two.example.net:{server.port}",
        )


def test_a_name_that_leads_to_a_private_address_is_never_connected_to(connects: Callable[..., list[str]]) -> None:
    with FaultServer([reply(b"{}")]) as server, Session(public_only=True) as session:
        tried = connects("127.0.0.1", "10.0.0.1", "::1", "64:ff9b::7f00:1")
        error = fail(session, f"http://public.example.net:{server.port}/")

    assert (error.fault, tried, server.connections) == ("private", [], 0)
    assert error.message == "public.example.net leads to a private address"
