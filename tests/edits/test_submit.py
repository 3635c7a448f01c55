"""What becomes of a submission when everything that can go wrong does: one POST, one honest row, one line, one code."""

import contextlib
import gzip
import json
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from luma_cli.journal import journal, migrations
from luma_cli.journal.records import Outcome, Row
from support.commands import CLIP_URL, COMMAND, KEY, MIB, Result, measured, started
from support.fault_server import (
    Action,
    Answer,
    FaultServer,
    Peer,
    call,
    chunks,
    dribble,
    hang_up,
    head,
    hear,
    posts,
    pour,
    redirect,
    reply,
    reset,
    said,
    send,
    send_under_tls,
    stall,
    take,
)

Luma = Callable[..., Result]
Serve = Callable[..., FaultServer]
GENERATE = "/api/v1/modify/generate"
PROMPT = "Heavy snow falls at night"
WORDS = ("modify", CLIP_URL, "-p", PROMPT, "--no-check")
ID = "6d0a3f8c1b2e4a59b7c8d9e0f1a2b3c4"
SIGNALS = int(os.environ.get("LUMA_TEST_SIGNALS", "2"))
# 120 MB is promised; what Python, requests and TLS take before the first byte is about 45.
MAX_MEMORY = 120 * MIB


ACCEPTED = said(200, "success", {"taskId": ID})


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a server that misbehaves by script, in the service's place."""
    with contextlib.ExitStack() as stack:

        def start(*answers: Answer, host: str = "127.0.0.1", **options: object) -> FaultServer:
            server = stack.enter_context(FaultServer(answers, **options))  # type: ignore[arg-type]
            monkeypatch.setenv("LUMA_BASE_URL", server.url("", host))
            return server

        yield start


@pytest.fixture
def rows(home: Path) -> Callable[[], list[Row]]:
    """The journal as it is now, the newest row first."""

    def read() -> list[Row]:
        path = home / "state" / "tasks.db"
        if not path.exists():
            return []
        opened = journal.open_journal(path)
        found = list(opened.rows())
        opened.close()
        return found

    return read


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs mount")
    if done.returncode:
        pytest.skip("needs the right to mount")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def check_failure(result: Result, code: int, *, out: str = "") -> str:
    """The one line of what failed: every failure has one, and at most one hint."""
    assert (result.code, result.out) == (code, out), result.err
    [line] = [line for line in result.err.split("\n") if line.startswith("luma: error: ")]
    text = line.removeprefix("luma: error: ")
    assert 1 <= len(text) <= 400
    assert text.isprintable()
    hints = [line for line in result.err.split("\n") if line.startswith("hint: ")]
    assert len(hints) <= 1
    assert all(hint.isprintable() for hint in hints)
    return text


def check_row(rows: list[Row], outcome: Outcome) -> Row:
    [row] = rows
    assert row.outcome is outcome
    assert row.task.task_id == (ID if outcome is Outcome.ACCEPTED else "")
    return row


# --- answers that accept ---

# http.cookiejar prints a warning with a traceback for the first (measured).
ODD_COOKIES = [f"a=b; expires=1-Feb-{'9' * 5000}", '\x01=;,;Domain=..;Port="']
ACCEPTING: dict[str, Answer] = {
    "plain": reply(ACCEPTED),
    "early hints first": (send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), *reply(ACCEPTED)),
    "continue first": (send(b"HTTP/1.1 100 Continue\r\n\r\n"), *reply(ACCEPTED)),
    "several hints first": (send(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 A\r\n\r\n" * 3), *reply(ACCEPTED)),
    "a code as text": reply(said("200", "success", {"taskId": ID})),
    "no content type": reply(ACCEPTED),
    "a wrong charset": reply(ACCEPTED, content_type="application/json; charset=utf-16"),
    "a NUL in the charset": reply(ACCEPTED, content_type='application/json; charset="a\0b"'),
    "an unknown charset": reply(ACCEPTED, content_type="text/html; charset=klingon"),
    "a byte order mark": reply(b"\xef\xbb\xbf" + ACCEPTED),
    "chunked": (head(200, transfer_encoding="chunked"), chunks(ACCEPTED[:7], ACCEPTED[7:])),
    "no length": (head(200), send(ACCEPTED), hang_up()),
    "gzip though unasked": reply(gzip.compress(ACCEPTED), content_encoding="gzip"),
    "HTTP 201": reply(ACCEPTED, 201),
    "odd cookies": reply(ACCEPTED, set_cookie=ODD_COOKIES),
    "more fields than documented": reply(ACCEPTED[:-1] + b', "extra": {"a": [1]}}'),
}


@pytest.mark.parametrize("answer", ACCEPTING.values(), ids=ACCEPTING)
def test_an_accepting_reply_gives_the_id_and_nothing_else(
    luma: Luma, serve: Serve, rows: Callable[[], list[Row]], answer: Answer
) -> None:
    server = serve(answer)

    assert luma(*WORDS) == (0, f"{ID}\n", "")
    assert posts(server) == 1
    check_row(rows(), Outcome.ACCEPTED)


# --- answers that say for certain that nothing was created ---

HOSTILE = "no\r\nluma: error: twice\x1b]52;c;AAAA\x07[bold]\ud800\u202e::error::x 网络错误 " + "x" * 5000
HTML = b"<html><head><title>gone</title></head></html>"
SPRING = b'{"timestamp":"2026-11-23T10:00:00Z","status":404,"error":"Not Found","path":"/api/v1/modify/generate"}'
REFUSING: dict[str, tuple[Answer, int, str]] = {
    "401 in HTTP 200": (reply(said(401, "You do not have access permissions")), 4, "refused the API key"),
    "HTTP 401 in HTML": (reply(HTML, 401), 4, "refused the API key"),
    "HTTP 401 without a body": (reply(b"", 401), 4, "refused the API key"),
    "402": (reply(said(402, "Insufficient credits")), 10, "not enough credits"),
    "402 as text": (reply(said("402", "Insufficient credits")), 10, "not enough credits"),
    "HTTP 402": (reply(said(402, "Insufficient credits"), 402), 10, "not enough credits"),
    "400": (reply(said(400, HOSTILE)), 6, "found the request wrong"),
    "405": (reply(said(405, "no"), 405), 6, "does not allow this call"),
    "422": (reply(said(422, HOSTILE)), 6, "refused the input"),
    "451": (reply(said(451, HOSTILE)), 6, "could not fetch the video"),
    "422 without a message": (reply(b'{"code":422}'), 6, "refused the input"),
    "422 with a list for a message": (reply(b'{"code":422,"msg":["a"]}'), 6, "refused the input"),
    "HTTP 404 of Spring": (reply(SPRING, 404), 6, "no longer offers luma (HTTP 404)"),
    "404": (reply(said(404, "nope")), 6, "no longer offers luma: nope (code 404)"),
    "455": (reply(said(455, "maintenance")), 7, "under maintenance"),
    "505": (reply(said(505, "disabled")), 6, "kie.ai no longer offers luma: disabled"),
    "433": (reply(said(433, "cap")), 10, "cap of this key"),
    "403": (reply(said(403, "no")), 4, "does not let this key or address in"),
    "HTTP 403 of Cloudflare": (reply(b"error code: 1010", 403), 4, "blocked at the edge"),
    "HTTP 403 in HTML": (reply(HTML, 403), 4, "blocked at the edge"),
    "429 and a wait too long": (reply(said(429), 429, retry_after="99999999"), 7, "longer than a submission may"),
    "429 and thirty digits": (reply(said(429), 429, retry_after="9" * 30), 7, "longer than a submission may"),
    "429 until 2099": (
        reply(said(429), 429, retry_after="Thu, 01 Jan 2099 00:00:00 GMT"),
        7,
        "longer than a submission may",
    ),
}


@pytest.mark.parametrize(("answer", "code", "words"), REFUSING.values(), ids=REFUSING)
def test_a_refusing_reply_is_recorded_as_that_and_not_repeated(
    luma: Luma, serve: Serve, rows: Callable[[], list[Row]], answer: Answer, code: int, words: str
) -> None:
    server = serve(answer)

    assert words in check_failure(luma(*WORDS), code)
    assert posts(server) == 1
    assert check_row(rows(), Outcome.REFUSED).raw is None


# --- answers after which nobody knows ---


def nested(depth: int) -> bytes:
    return b'{"code":200,"data":' + b"[" * depth + b"]" * depth + b"}"


def bomb(mebibytes: int) -> bytes:
    """Gzip that grows a thousandfold. Its checksum is wrong, but nobody should come as far as that."""
    packer = zlib.compressobj(9, wbits=31)
    start = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + block * mebibytes


def cut_gzip(body: bytes) -> bytes:
    packed = gzip.compress(body + b" " * 3000)
    return packed[:-12]


PAGE_502 = b"<html><h1>502 Bad Gateway</h1></html>"
# Each: the reply, and what of it must be kept for the one who looks into it.
UNKNOWN: dict[str, tuple[Answer, str | None]] = {
    "HTTP 500": (reply(PAGE_502, 500), "502 Bad Gateway"),
    "code 500, HTTP 500": (reply(said(500, "internal"), 500), '"code": 500'),
    **{f"HTTP {code}": (reply(PAGE_502, code), "502 Bad Gateway") for code in (502, 503, 504, 520, 522, 524)},
    "HTTP 503 and Retry-After": (reply(PAGE_502, 503, retry_after=1), "502 Bad Gateway"),
    "HTTP 408": (reply(PAGE_502, 408), "502 Bad Gateway"),
    **{f"code {one}": (reply(said(one, "oops")), "oops") for one in (500, 501, 531, 550, 408, 999, -1, 0)},
    **{
        f"data {json.dumps(one)}": (reply(said(200, "success", one)), '"success"')
        for one in (None, {}, [], "x", 7, True, [{"taskId": ID}])
    },
    **{
        f"task id {json.dumps(one)}": (reply(said(200, "success", {"taskId": one})), '"taskId"')
        for one in (None, "", 0, 123, True, [], {}, 1.5)
    },
    "a task id of another name": (reply(said(200, "success", {"taskid": ID})), ID),
    "a task id of 5,000": (reply(said(200, "", {"taskId": "x" * 5000})), "xxxx"),
    "a task id with a path": (reply(said(200, "", {"taskId": "../../x"})), "../../x"),
    "a task id with a line end": (reply(said(200, "", {"taskId": f"{ID}\n"})), ID),
    "a task id with an escape": (reply(said(200, "", {"taskId": "\x1b[2J"})), "u001b"),
    "a task id with NUL": (reply(said(200, "", {"taskId": "a\0b"})), "u0000"),
    "a raw NUL": (reply(said(200, "", {"taskId": "ab"}).replace(b"ab", b"a\0b")), r"a\x00b"),
    "a task id with a surrogate": (reply(said(200, "", {"taskId": "\ud800"})), "ud800"),
    "a task id that turns around": (reply(said(200, "", {"taskId": "a\u202eb"})), "u202e"),
    "a task id of full-width digits": (reply(said(200, "", {"taskId": "１２３"})), "taskId"),
    **{
        f"code {name}": (reply(b'{"code":%s,"data":{"taskId":"%s"}}' % (code, ID.encode())), ID)
        for name, code in {
            "200.0": b"200.0",
            "true": b"true",
            "null": b"null",
            "NaN": b"NaN",
            "1e999": b"1e999",
            "2e2": b"2e2",
            "of 5,000 digits": b"9" * 5000,
            "as a list": b"[200]",
            "with blanks": b'" 200 "',
            "in Arabic digits": '"٢٠٠"'.encode(),
        }.items()
    },
    "no code": (reply(b'{"data":{"taskId":"%s"}}' % ID.encode()), ID),
    "two codes": (reply(b'{"code":500,"code":200,"data":{"taskId":"%s"}}' % ID.encode()), ID),
    "two task ids": (reply(b'{"code":200,"data":{"taskId":"%s","taskId":"x"}}' % ID.encode()), ID),
    "an empty body": (reply(b""), None),
    "HTTP 204": ((head(204),), None),
    "HTML": (reply(HTML), "<title>gone"),
    "JSON cut off": (reply(ACCEPTED[:-9]), ACCEPTED[:-9].decode()),
    "UTF-16": (reply(ACCEPTED.decode().encode("utf-16")), "c\\x00o\\x00d\\x00e"),
    "no UTF-8": (reply(said(200, "@").replace(b"@", b"\xff")), r"\xff"),
    "text behind": (reply(ACCEPTED + b"x"), ID),
    "two answers": (reply(ACCEPTED + ACCEPTED), ID),
    "null": (reply(b"null"), "null"),
    "a list": (reply(b"[" + ACCEPTED + b"]"), ID),
    "100,000 brackets": (reply(nested(100_000)), "[[["),
    "a bomb": (reply(bomb(4), content_encoding="gzip"), None),
    "six encodings": (reply(ACCEPTED, content_encoding="gzip, gzip, gzip, gzip, gzip, gzip"), ID),
    "an encoding unknown": (reply(ACCEPTED, content_encoding="br"), ID),
    "gzip that is none": (reply(ACCEPTED, content_encoding="gzip"), ID),
    "gzip cut": (reply(cut_gzip(ACCEPTED), content_encoding="gzip"), ID),
    "RST after the request": ((reset(),), None),
    "FIN after the request": ((hang_up(),), None),
    "half a status line": ((send(b"HTTP/1.1 200"), hang_up()), None),
    "a status line without headers": ((send(b"HTTP/1.1 200 OK\r\n"), hang_up()), None),
    "half of the headers": ((send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA"), hang_up()), None),
    # http.client takes a head that breaks off for a whole one (measured): a 429 would be sent again.
    **{
        f"a head of {status} that breaks off after {len(rest)} bytes": (
            (send(b"HTTP/1.1 %d" % status + rest), hang_up()),
            None,
        )
        for status in (401, 404, 429)
        for rest in (b"", b" No", b" No\r\n", b" No\r\nContent-Length: 0\r\n", b" No\r\nContent-Length: 0")
    },
    "garbage": ((send(b"\x00\x01\x02\xffwhat?\r\n\r\n" * 9), hang_up()), None),
    "SSH": ((send(b"SSH-2.0-OpenSSH_9.6\r\n"), hang_up()), None),
    "a header of 70 kB": (reply(ACCEPTED, x_long="x" * 70_000), None),
    "200 headers": (reply(ACCEPTED, x_many=list(range(200))), None),
    "two lengths": ((head(content_length=[5, 7]), send(ACCEPTED)), None),
    "a body shorter than its length": ((head(content_length=4000), send(ACCEPTED), hang_up()), ID),
    "a body cut by RST": ((head(content_length=4000), send(ACCEPTED), reset()), None),
    "a chunk cut": ((head(transfer_encoding="chunked"), send(b"ff\r\n" + ACCEPTED), hang_up()), ID),
    "no last chunk": ((head(transfer_encoding="chunked"), chunks(ACCEPTED, end=False), hang_up()), ID),
    "a chunk of nonsense": ((head(transfer_encoding="chunked"), send(b"zz\r\n" + ACCEPTED), hang_up()), None),
}


@pytest.mark.parametrize(("answer", "kept"), UNKNOWN.values(), ids=UNKNOWN)
def test_any_other_reply_leaves_the_outcome_unknown_and_is_kept(
    luma: Luma, serve: Serve, rows: Callable[[], list[Row]], answer: Answer, kept: str | None
) -> None:
    server = serve(answer)

    assert "it may have been created and charged" in check_failure(luma(*WORDS), 12)
    assert posts(server) == 1
    raw = check_row(rows(), Outcome.UNKNOWN).raw or ""
    assert len(raw) <= 1 << 18  # 64 KiB, each byte of which may have been escaped
    assert kept is None or kept in raw


@pytest.mark.parametrize("code", [500, 501, 999, -1])
def test_a_code_that_says_nothing_about_the_task_is_shown(luma: Luma, serve: Serve, code: int) -> None:
    serve(reply(said(code, "oops")))

    assert f": oops (code {code}): it may have been created" in check_failure(luma(*WORDS), 12)


def test_odd_cookies_leave_no_word_on_stderr(run: Luma, serve: Serve) -> None:
    """In a process of its own: pytest would catch the warning."""
    serve(reply(ACCEPTED, set_cookie=ODD_COOKIES))

    assert run(*WORDS) == (0, f"{ID}\n", "")


# --- connections that break before the request is read ---


def read_a_part(count: int) -> Answer:
    """RST when so many bytes of the request have come: half of it, or less than its head."""
    return (take(count), reset())


@pytest.mark.parametrize(
    "first",
    [
        (hear(), reset()),
        (hang_up(),),
        read_a_part(1),
        read_a_part(100),
        (send(b"HTTP/1.1 200 OK\r\n"), hear(), reset()),
    ],
    ids=["RST on accept", "FIN on accept", "RST after a byte", "RST after half the head", "an answer too early"],
)
def test_a_connection_that_broke_may_have_carried_the_request(
    luma: Luma, serve: Serve, rows: Callable[[], list[Row]], first: Answer
) -> None:
    server = serve(reply(ACCEPTED), on_accept=[first] * 5)

    assert "it may have been created and charged" in check_failure(luma(*WORDS), 12)
    assert (server.requests, server.connections) == ([], 1)
    check_row(rows(), Outcome.UNKNOWN)


# --- redirects ---


@pytest.fixture
def target() -> Iterator[FaultServer]:
    """Where redirects lead: nobody must ever come here."""
    with FaultServer([reply(ACCEPTED)]) as server:
        yield server
        assert server.connections == 0, "a redirect was followed"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
def test_a_redirect_of_a_submission_is_not_followed(
    luma: Luma, serve: Serve, rows: Callable[[], list[Row]], target: FaultServer, status: int
) -> None:
    server = serve(redirect(target.url(GENERATE, "localhost"), status))

    assert "unexpected redirect to localhost, not followed" in check_failure(luma(*WORDS), 12)
    assert posts(server) == 1
    check_row(rows(), Outcome.UNKNOWN)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://[", "unexpected redirect, not followed"),
        (f"https://{'x' * 64}.example/", "unexpected redirect to xxxx"),
        (f"https://{'x' * 9000}/", "unexpected redirect to xxxx"),
        ("//\xff\xfe\x1b[2J/", "unexpected redirect"),
        ("javascript:alert(1)", "unexpected redirect, not followed"),
        ("", "unexpected redirect, not followed"),
        (GENERATE, "unexpected redirect, not followed"),
        ("https://user:password@evil.example/", "unexpected redirect to evil.example, not followed"),
    ],
)
def test_a_redirect_to_nowhere_is_not_followed_either(
    luma: Luma, serve: Serve, rows: Callable[[], list[Row]], location: str, words: str
) -> None:
    server = serve(redirect(location, 307))

    line = check_failure(luma(*WORDS), 12)
    assert "password" not in line
    assert words in line
    assert posts(server) == 1
    check_row(rows(), Outcome.UNKNOWN)


@pytest.mark.parametrize("body", [pour(300_000_000), dribble(b"x" * 1000, 0.05)], ids=["300 MB", "a byte now and then"])
def test_the_body_of_a_redirect_is_not_read(
    luma: Luma, serve: Serve, rows: Callable[[], list[Row]], target: FaultServer, body: Action
) -> None:
    """Read to its end the dribbled one would take 50 s."""
    server = serve((head(302, location=target.url(), content_length=300_000_000), body))

    assert "unexpected redirect to 127.0.0.1" in check_failure(luma(*WORDS), 12)
    assert posts(server) == 1
    check_row(rows(), Outcome.UNKNOWN)


# --- connections that never stood ---


def check_not_sent(result: Result, rows: list[Row], words: str) -> None:
    line = check_failure(result, 7)
    assert words in line
    assert line.endswith("nothing was sent")
    check_row(rows, Outcome.REFUSED)


def test_a_closed_port_is_tried_three_times(
    luma: Luma, rows: Callable[[], list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pauses between are real, 3 s in all; those of test_api.py are not."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("LUMA_BASE_URL", f"http://127.0.0.1:{port}")

    check_not_sent(luma(*WORDS), rows(), "cannot connect to 127.0.0.1")


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """A port that takes no more connections and refuses none, as a firewall that drops."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_black_hole_is_given_up(luma: Luma, rows: Callable[[], list[Row]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten real seconds, in which nothing is to be done."""
    with black_hole() as url:
        monkeypatch.setenv("LUMA_BASE_URL", url)

        check_not_sent(luma(*WORDS), rows(), f"connecting to {url.removeprefix('http://')} timed out")


# --- TLS ---


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))


def tls(authority: trustme.CA, name: str = "localhost", **validity: datetime) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, **validity).configure_cert(context)  # type: ignore[arg-type]
    return context


def test_tls_with_a_trusted_authority_works(
    luma: Luma, serve: Serve, authority: trustme.CA, trusted: None, rows: Callable[[], list[Row]]
) -> None:
    server = serve(reply(ACCEPTED), tls=tls(authority), host="localhost")

    assert luma(*WORDS) == (0, f"{ID}\n", "")
    assert posts(server) == 1


@pytest.mark.parametrize(
    ("name", "validity", "words"),
    [
        ("other.example", {}, "not trusted: Hostname mismatch"),
        ("localhost", {"not_after": datetime(2020, 1, 1, tzinfo=UTC)}, "not trusted: certificate has expired"),
        ("localhost", {"not_before": datetime(2090, 1, 1, tzinfo=UTC)}, "not trusted: certificate is not yet valid"),
    ],
    ids=["another host", "expired", "not yet valid"],
)
def test_a_bad_certificate_ends_it_before_anything_is_sent(
    luma: Luma,
    serve: Serve,
    authority: trustme.CA,
    trusted: None,
    rows: Callable[[], list[Row]],
    name: str,
    validity: dict[str, datetime],
    words: str,
) -> None:
    server = serve(reply(ACCEPTED), tls=tls(authority, name, **validity), host="localhost")

    check_not_sent(luma(*WORDS), rows(), words)
    assert server.requests == []


def test_an_unknown_authority_ends_it_before_anything_is_sent(
    luma: Luma, serve: Serve, trusted: None, rows: Callable[[], list[Row]]
) -> None:
    server = serve(reply(ACCEPTED), tls=tls(trustme.CA()), host="localhost")

    check_not_sent(luma(*WORDS), rows(), "the certificate of localhost is not trusted")
    assert server.requests == []


@pytest.mark.parametrize(
    "first",
    [
        (hang_up(),),
        (hear(), reset()),
        (take(50), hang_up()),
        (take(50), reset()),
        (send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), hang_up()),
        (take(50), send(b"\x15\x03\x03\x00\x02\x02\x28"), hang_up()),
    ],
    ids=["FIN", "RST", "FIN amid the hello", "RST amid the hello", "plain text", "an alert"],
)
def test_tls_that_fails_in_the_handshake_has_sent_nothing(
    luma: Luma,
    serve: Serve,
    authority: trustme.CA,
    trusted: None,
    rows: Callable[[], list[Row]],
    first: Answer,
) -> None:
    server = serve(reply(ACCEPTED), tls=tls(authority), host="localhost", on_accept=[first] * 5)

    check_not_sent(luma(*WORDS), rows(), "localhost")
    assert (server.requests, server.connections) == ([], 1)


@pytest.mark.parametrize(
    "broken",
    [
        send_under_tls(b"\x17\x03\x03\x00\x20" + b"x" * 32),
        send_under_tls(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        send_under_tls(b"\x15\x03\x03\x00\x02\x02\x28"),
        reset(),
        hang_up(),
    ],
    ids=["a corrupt record", "plain text", "a fatal alert", "RST", "FIN"],
)
def test_tls_that_breaks_after_the_request_is_not_tried_again(
    luma: Luma, serve: Serve, authority: trustme.CA, trusted: None, rows: Callable[[], list[Row]], broken: Action
) -> None:
    """urllib3's Retry sent it four times (measured)."""
    server = serve((broken, stall()), tls=tls(authority), host="localhost")

    assert "it may have been created and charged" in check_failure(luma(*WORDS), 12)
    assert (posts(server), server.connections) == (1, 1)
    check_row(rows(), Outcome.UNKNOWN)


def test_a_tls_reply_that_is_cut_is_kept(
    luma: Luma, serve: Serve, authority: trustme.CA, trusted: None, rows: Callable[[], list[Row]]
) -> None:
    server = serve((head(content_length=4000), send(ACCEPTED), hang_up()), tls=tls(authority), host="localhost")

    check_failure(luma(*WORDS), 12)
    assert posts(server) == 1
    assert ID in str(check_row(rows(), Outcome.UNKNOWN).raw)


# --- proxies ---


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(b"", 407, proxy_authenticate="Basic"), "the proxy wants a login"),
        (reply(HTML, 502), "the proxy does not connect us"),
        ((hang_up(),), "the connection to service.example broke"),
        ((reset(),), "the connection to service.example broke"),
        ((send(b"\0\0\0\r\n\r\n"), hang_up()), "the connection to service.example broke"),
    ],
    ids=["407", "502", "FIN", "RST", "garbage"],
)
def test_a_proxy_that_does_not_connect_has_sent_nothing(
    luma: Luma,
    rows: Callable[[], list[Row]],
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    words: str,
) -> None:
    with FaultServer([answer]) as proxy:
        monkeypatch.setenv("LUMA_BASE_URL", "https://service.example")
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass%2Dword@127.0.0.1:{proxy.port}")
        result = luma(*WORDS)

    check_not_sent(result, rows(), words)
    assert "pass" not in result.err
    assert [request.method for request in proxy.requests] == ["CONNECT"]
    assert b"Bearer" not in proxy.received


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{closed}",
        "http://user:password@[",
        "http://user:password@:99999999",
        "http://",
        "::::",
        "ftp://127.0.0.1:1",
        "socks5://user:password@127.0.0.1:1",
    ],
)
def test_a_proxy_that_cannot_be_used_has_sent_nothing(
    luma: Luma, rows: Callable[[], list[Row]], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    monkeypatch.setenv("LUMA_BASE_URL", "https://service.example")
    monkeypatch.setenv("HTTPS_PROXY", address.format(closed=closed))
    result = luma(*WORDS)

    check_not_sent(result, rows(), "proxy")
    assert "password" not in result.err


# --- little memory ---


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ((head(200), pour(1 << 30)), 1 << 16),
        ((head(200, content_length=1 << 30), pour(1 << 30)), 1 << 16),
        ((head(200, transfer_encoding="chunked"), send(b"40000000\r\n"), pour(1 << 30)), 1 << 16),
        ((head(500), pour(1 << 30)), 1 << 16),
        (reply(bomb(900), content_encoding="gzip"), 1 << 16),
        ((head(302, location="http://127.0.0.1:1/", content_length=1 << 30), pour(1 << 30)), 0),
    ],
    ids=["endless", "a length of a GiB", "a chunk of a GiB", "an endless error page", "a bomb", "a redirect"],
)
def test_a_reply_without_end_takes_little_memory_and_its_beginning_is_kept(
    serve: Serve, rows: Callable[[], list[Row]], answer: Answer, kept: int
) -> None:
    server = serve(answer)
    result, used = measured([*COMMAND, *WORDS])

    check_failure(result, 12)
    assert used.peak <= MAX_MEMORY
    assert posts(server) == 1
    assert (check_row(rows(), Outcome.UNKNOWN).raw or "") == "\\x00" * kept


# --- signals ---


class Handle:
    """The process that the server's answers speak of; it starts after the server."""

    def __init__(self) -> None:
        self._there = threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def set(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._there.set()

    @property
    def pid(self) -> int:
        assert self._there.wait(60)
        assert self._process is not None
        return self._process.pid

    def signal(self, signum: int) -> Action:
        return call(lambda: os.kill(self.pid, signum))

    def signal_until_it_ends(self, signum: int) -> Action:
        """Two of a kind that come at once are one to the kernel."""

        def act(peer: Peer) -> None:
            while not peer.server.stopping.wait(0.1):
                os.kill(self.pid, signum)

        return act


WAYS = [(signal.SIGINT, -2), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@POSIX
@pytest.mark.parametrize(("signum", "code"), WAYS)
def test_a_signal_in_flight_waits_until_the_id_is_safe_and_shown(
    serve: Serve, home: Path, signum: int, code: int
) -> None:
    ids = iter(f"{number:032}" for number in range(SIGNALS))
    current = Handle()

    def answer(_request: object) -> Answer:
        return (current.signal(signum), *reply(said(200, "success", {"taskId": next(ids)})))

    with FaultServer(answer) as server:
        for number in range(SIGNALS):
            current = Handle()
            words = ("modify", f"{CLIP_URL}?{number}", "-p", PROMPT, "--no-check")
            with started(*words, env={**os.environ, "LUMA_BASE_URL": server.url("")}) as process:
                current.set(process)
                out, err = process.communicate()
            task_id = f"{number:032}"
            assert (process.returncode, out) == (code, f"{task_id}\n"), err
            assert f"hint: luma wait {task_id}\n" in err
    opened = journal.open_journal(home / "state" / "tasks.db")
    recorded = {row.task.task_id for row in opened.rows() if row.outcome is Outcome.ACCEPTED}
    assert recorded == {f"{number:032}" for number in range(SIGNALS)}
    assert posts(server) == SIGNALS


@POSIX
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (signal.SIGINT, signal.SIGTERM),
        (signal.SIGHUP, signal.SIGINT),
        (signal.SIGHUP, signal.SIGTERM),
        (signal.SIGTERM, signal.SIGHUP),
    ],
)
def test_a_second_signal_in_flight_ends_it_with_the_outcome_unknown(
    serve: Serve, rows: Callable[[], list[Row]], first: int, second: int
) -> None:
    """Which of two that come at once is the first, the kernel decides."""
    process_told = Handle()
    server = serve((process_told.signal(first), process_told.signal(second), stall()))
    with started(*WORDS) as process:
        process_told.set(process)
        out, err = process.communicate()

    assert process.returncode in (dict(WAYS)[first], dict(WAYS)[second]), err
    assert (out, "Traceback" in err) == ("", False)
    assert posts(server) == 1
    [row] = rows()
    assert row.outcome_now is Outcome.UNKNOWN


@POSIX
@pytest.mark.parametrize(("signum", "code"), WAYS)
def test_the_same_signal_again_ends_it_too(serve: Serve, rows: Callable[[], list[Row]], signum: int, code: int) -> None:
    process_told = Handle()
    server = serve((process_told.signal_until_it_ends(signum),))
    with started(*WORDS) as process:
        process_told.set(process)
        out, err = process.communicate()

    assert (process.returncode in (code, -signum), out, "Traceback" in err) == (True, "", False), err
    assert posts(server) == 1
    [row] = rows()
    assert row.outcome_now is Outcome.UNKNOWN


@POSIX
def test_a_submission_that_was_killed_in_flight_is_reported_as_doubtful_and_not_sent_again(
    luma: Luma, serve: Serve, rows: Callable[[], list[Row]]
) -> None:
    process_told = Handle()
    server = serve((process_told.signal(signal.SIGKILL), stall()), reply(ACCEPTED))
    with started(*WORDS) as process:
        process_told.set(process)
        out, err = process.communicate()

    assert (process.returncode, out, err) == (-9, "", "")
    assert [row.outcome for row in rows()] == [Outcome.SENDING]
    assert luma("tasks").out.split("\t")[:2] == ["unknown-1", "unknown"]
    assert "--resubmit" in luma(*WORDS).err
    assert posts(server) == 1


def wait_for_row(home: Path) -> None:
    """Until the row is written that stands before every connection."""
    path, pause = home / "state" / "tasks.db", threading.Event()
    for _ in range(1200):
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db,
        ):
            if db.execute("SELECT count(*) FROM task").fetchone()[0]:
                return
        pause.wait(0.05)
    raise AssertionError("no row was written")


@POSIX
@pytest.mark.parametrize(("signum", "code"), WAYS)
def test_a_signal_before_the_connection_stands_has_sent_nothing(
    home: Path, rows: Callable[[], list[Row]], monkeypatch: pytest.MonkeyPatch, signum: int, code: int
) -> None:
    with black_hole() as url:
        monkeypatch.setenv("LUMA_BASE_URL", url)
        with started(*WORDS) as process:
            wait_for_row(home)
            process.send_signal(signum)
            out, err = process.communicate()

    assert (process.returncode, out, "Traceback" in err) == (code, "", False), err
    row = check_row(rows(), Outcome.REFUSED)
    assert row.task.error_message == "stopped before it was sent: nothing was charged"


@POSIX
def test_a_signal_in_the_pause_after_429_leaves_nothing_created(serve: Serve, rows: Callable[[], list[Row]]) -> None:
    process_told, answered = Handle(), threading.Event()
    server = serve((*reply(said(429), 429), call(answered.set), stall()))
    with started(*WORDS) as process:
        process_told.set(process)
        assert answered.wait(60)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate()

    assert (process.returncode, out, "Traceback" in err) == (143, "", False), err
    assert posts(server) == 1
    check_row(rows(), Outcome.REFUSED)


# --- disks that fill, streams that are closed ---


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs prlimit")
def test_a_disk_that_fills_while_the_request_is_out_costs_no_id(serve: Serve, rows: Callable[[], list[Row]]) -> None:
    process_told = Handle()

    def fill() -> None:
        resource.prlimit(process_told.pid, resource.RLIMIT_FSIZE, (100, 100))

    server = serve((call(fill), *reply(ACCEPTED)))
    with started(*WORDS) as process:
        process_told.set(process)
        out, err = process.communicate()

    line = check_failure(Result(process.returncode, out, err), 11, out=f"{ID}\n")
    assert line.startswith(f"task {ID} was created but could not be recorded: the journal ")
    assert posts(server) == 1
    [row] = rows()
    assert (row.outcome, row.outcome_now) == (Outcome.SENDING, Outcome.UNKNOWN)


def through_a_shell(redirections: str, *words: str) -> tuple[int, str, str]:
    """Streams that only a shell can close: exit code, and what came to files named out and err."""
    line = f'"$@" {redirections}'
    done = subprocess.run(
        ["bash", "-c", line, "bash", *COMMAND, *(words or WORDS)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@POSIX
@pytest.mark.parametrize(
    ("redirections", "code", "out", "err"),
    [
        (">&-", 11, "", f"luma: error: stdout is closed; the result is: {ID}\n"),
        (
            ">/dev/full",
            11,
            "",
            f"luma: error: cannot write to stdout: no space left on device; the result is: {ID}\n",
        ),
        ("2>&-", 0, f"{ID}\n", ""),
        ("2>/dev/full", 0, f"{ID}\n", ""),
        ("<&-", 0, f"{ID}\n", ""),
        ("<&- >&- 2>&-", 11, "", ""),
        ("<&- 2>&-", 0, f"{ID}\n", ""),
    ],
)
def test_closed_and_full_streams_cost_no_id(
    home: Path, serve: Serve, rows: Callable[[], list[Row]], redirections: str, code: int, out: str, err: str
) -> None:
    server = serve(reply(ACCEPTED))

    assert through_a_shell(redirections) == (code, out, err)
    assert posts(server) == 1
    check_row(rows(), Outcome.ACCEPTED)
    with contextlib.closing(sqlite3.connect(home / "state" / "tasks.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


@POSIX
@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-"])
def test_without_stderr_a_failure_keeps_its_code(serve: Serve, rows: Callable[[], list[Row]], closed: str) -> None:
    serve(reply(said(422, "no")))

    assert through_a_shell(closed) == (6, "", "")
    check_row(rows(), Outcome.REFUSED)


@POSIX
def test_a_reader_that_is_gone_costs_no_id(serve: Serve, rows: Callable[[], list[Row]]) -> None:
    server = serve(reply(ACCEPTED))
    reader, writer = os.pipe()
    os.close(reader)
    with started(*WORDS, stdout=writer) as process:
        os.close(writer)
        _, err = process.communicate()

    assert (process.returncode, "error" in err, "Traceback" in err) == (141, False, False)
    assert ID in err
    assert posts(server) == 1
    check_row(rows(), Outcome.ACCEPTED)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "ascii:strict", "utf-8"])
def test_a_stream_that_holds_little_gets_the_message_escaped(
    run: Luma, serve: Serve, rows: Callable[[], list[Row]], encoding: str
) -> None:
    server = serve(reply(said(422, HOSTILE)))
    result = run(*WORDS, PYTHONIOENCODING=encoding, LC_ALL="C", GITHUB_ACTIONS="true")

    line = check_failure(result, 6)
    assert "[bold]" in line
    assert "\\u7f51\\u7edc" in line if encoding != "utf-8" else "网络错误" in line
    assert not any(line.lstrip().startswith("::") for line in result.err.splitlines())
    assert posts(server) == 1
    check_row(rows(), Outcome.REFUSED)


# --- the same again, and what is never sent ---


@pytest.mark.parametrize("answer", [(hang_up(),), reply(PAGE_502, 502)], ids=["lost", "502"])
def test_the_same_again_after_an_unknown_outcome_is_not_sent(
    luma: Luma, serve: Serve, rows: Callable[[], list[Row]], answer: Answer
) -> None:
    server = serve(answer)
    luma(*WORDS)
    before = rows()
    again = luma(*WORDS)

    assert re.search(r"an identical submission of 20\S+Z has an unknown outcome", check_failure(again, 12))
    assert "--resubmit" in again.err
    assert (posts(server), rows()) == (1, before)


def test_the_same_again_under_a_key_is_not_sent_either(luma: Luma, serve: Serve, rows: Callable[[], list[Row]]) -> None:
    server = serve((hang_up(),), reply(ACCEPTED))
    first, again, forced = (luma(*WORDS, "--idempotency-key", "k", *more) for more in ([], [], ["--resubmit"]))

    check_failure(first, 12)
    check_failure(again, 12)
    assert forced[:2] == (0, f"{ID}\n")
    assert posts(server) == 2
    assert {row.outcome for row in rows()} == {Outcome.UNKNOWN, Outcome.ACCEPTED}


def test_an_idempotency_key_of_another_edit_sends_nothing(
    luma: Luma, serve: Serve, rows: Callable[[], list[Row]]
) -> None:
    server = serve(reply(ACCEPTED))
    luma(*WORDS, "--idempotency-key", "k")
    before = rows()
    result = luma("modify", CLIP_URL, "-p", "Rain", "--no-check", "--idempotency-key", "k")

    assert "was used for another submission" in check_failure(result, 2)
    assert (posts(server), rows()) == (1, before)


@pytest.mark.parametrize(
    "words",
    [
        ("modify", CLIP_URL, "-p", "Sn\0ow"),
        ("modify", CLIP_URL, "-p", "Sn\udcffow"),
        ("modify", CLIP_URL, "-p", "Snow " * 200_000),
        ("modify", CLIP_URL, "-p", PROMPT, "--watermark", "\udcff"),
        ("modify", CLIP_URL, "-p", PROMPT, "--callback-url", "https://a.example/\0"),
        ("modify", CLIP_URL, "-p", PROMPT, "--idempotency-key", "\udcff"),
        ("modify", "https://a.example/\udcff.mp4", "-p", PROMPT),
        ("modify", "https://a.example/\0.mp4", "-p", PROMPT),
        ("modify", "\udcff.mp4", "-p", PROMPT),
        ("modify", "\0.mp4", "-p", PROMPT),
        ("modify", f"https://a.example/{'x' * 1_000_000}", "-p", PROMPT),
        ("modify", "x" * 1_000_000, "-p", PROMPT),
    ],
    ids=lambda words: ascii(words[-1][:20]),
)
def test_an_argument_that_is_no_text_sends_nothing(
    luma: Luma, serve: Serve, rows: Callable[[], list[Row]], words: tuple[str, ...]
) -> None:
    server = serve(reply(ACCEPTED))

    check_failure(luma(*words, "--no-check"), 2)
    assert (server.connections, rows()) == (0, [])


def test_a_dry_run_sends_and_writes_nothing(luma: Luma, serve: Serve, rows: Callable[[], list[Row]]) -> None:
    server = serve(reply(ACCEPTED))

    assert luma(*WORDS, "--dry-run").code == 0
    assert (server.connections, rows()) == (0, [])


# --- the key, the address, the journal: wrong before anything is sent ---


@pytest.mark.parametrize("trailing", ["\n", "\r\n", "  "], ids=ascii)
def test_a_key_with_a_line_end_is_sent_without_it(
    luma: Luma, serve: Serve, rows: Callable[[], list[Row]], monkeypatch: pytest.MonkeyPatch, trailing: str
) -> None:
    server = serve(reply(ACCEPTED))
    monkeypatch.setenv("LUMA_API_KEY", KEY + trailing)

    assert luma(*WORDS) == (0, f"{ID}\n", "")
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    check_row(rows(), Outcome.ACCEPTED)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"secret\nsecret", "has a forbidden character at position 7"),
        (b"secret\0secret", "has a forbidden character at position 7"),
        ("“secret”".encode(), "has a forbidden character at position 1"),
        ("secret\u200bsecret".encode(), "has a forbidden character at position 7"),
        ("sécret".encode(), "has a forbidden character at position 2"),
        (b"sec\xffret", "has a forbidden character at position 4"),
        (b"secret" * 20_000, "is too long to be an API key"),
        (b"", "is empty"),
        (b"\n", "is empty"),
    ],
    ids=lambda value: ascii(value[:12]),
)
def test_a_key_that_cannot_be_sent_leaves_no_row_and_is_not_shown(
    luma: Luma,
    serve: Serve,
    rows: Callable[[], list[Row]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    words: str,
) -> None:
    """From a file: no variable can hold a NUL."""
    server = serve(reply(ACCEPTED))
    (tmp_path / "key").write_bytes(content)
    for name in ("base_url", "upload_url"):  # the addresses that a key file is for
        assert luma("config", "set", name, server.url("").rstrip("/")).code == 0
    monkeypatch.delenv("LUMA_BASE_URL")
    monkeypatch.delenv("LUMA_API_KEY")
    monkeypatch.setenv("LUMA_API_KEY_FILE", str(tmp_path / "key"))
    result = luma(*WORDS)

    assert words in check_failure(result, 4)
    assert "cret" not in result.err
    assert (server.connections, rows()) == (0, [])


@pytest.mark.parametrize("address", ["http://api.example.com", "http://10.0.0.1:8080", "ftp://127.0.0.1", "127.0.0.1"])
def test_an_address_that_is_not_https_leaves_no_row(
    luma: Luma, rows: Callable[[], list[Row]], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("LUMA_BASE_URL", address)

    assert "LUMA_BASE_URL" in check_failure(luma(*WORDS), 2)
    assert rows() == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_that_are_not_there_leave_no_row(
    luma: Luma, serve: Serve, rows: Callable[[], list[Row]], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    server = serve(reply(ACCEPTED))
    monkeypatch.setenv(variable, "/none/ca.pem")

    assert "/none/ca.pem" in check_failure(luma(*WORDS), 2)
    assert (server.connections, rows()) == (0, [])


@pytest.mark.parametrize("netrc", ["machine 127.0.0.1 login other password secret\n", "default login a password b\n"])
def test_a_netrc_never_replaces_the_key(luma: Luma, serve: Serve, home: Path, netrc: str) -> None:
    (home / ".netrc").write_text(netrc)
    (home / ".netrc").chmod(0o644)
    server = serve(reply(ACCEPTED))

    assert luma(*WORDS).code == 0
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


# Root may write anywhere, but not without this.
NO_CAPABILITY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]
MAY_TRY = os.name == "posix" and os.geteuid() == 0 and shutil.which("setpriv") is not None


@pytest.mark.skipif(not MAY_TRY, reason="needs root and setpriv, to own a folder that cannot be written")
@pytest.mark.parametrize(
    ("owner", "mode"), [(0, 0o500), (12345, 0o700), (12345, 0o755)], ids=["read-only", "closed", "another's"]
)
def test_a_journal_folder_that_cannot_be_written_spends_nothing(
    serve: Serve, home: Path, owner: int, mode: int
) -> None:
    server = serve(reply(ACCEPTED))
    folder = home / "state"
    folder.mkdir(mode)
    os.chown(folder, owner, owner)
    done = subprocess.run(
        [*NO_CAPABILITY, *COMMAND, *WORDS], capture_output=True, text=True, timeout=60, check=False, cwd="/"
    )

    assert "journal" in check_failure(Result(done.returncode, done.stdout, done.stderr), 11)
    assert (server.connections, list(folder.iterdir())) == (0, [])


@pytest.mark.skipif(not MAY_TRY, reason="needs root and setpriv, to own a file that cannot be written")
def test_a_journal_file_that_cannot_be_written_spends_nothing(
    luma: Luma, serve: Serve, home: Path, rows: Callable[[], list[Row]]
) -> None:
    server = serve(reply(ACCEPTED))
    luma(*WORDS)
    file = home / "state" / "tasks.db"
    file.chmod(0o400)
    before = file.read_bytes()
    words = [*NO_CAPABILITY, *COMMAND, "modify", CLIP_URL, "-p", "Rain", "--no-check"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert "journal" in check_failure(Result(done.returncode, done.stdout, done.stderr), 11)
    assert (posts(server), file.read_bytes() == before) == (1, True)


def test_a_full_file_system_spends_nothing(
    luma: Luma, serve: Serve, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(reply(ACCEPTED))
    monkeypatch.setenv("LUMA_STATE_DIR", str(small_disk))
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb", 0) as file:
        while True:
            file.write(bytes(4096))
    result = luma(*WORDS)

    assert "the disk is full" in check_failure(result, 11)
    assert server.connections == 0


@pytest.mark.parametrize("version", range(1, migrations.VERSION))
def test_a_journal_of_an_older_luma_takes_the_next_submission_and_keeps_the_old(
    luma: Luma, serve: Serve, home: Path, rows: Callable[[], list[Row]], version: int
) -> None:
    (home / "state").mkdir()
    with contextlib.closing(sqlite3.connect(home / "state" / "tasks.db")) as old:
        migrations.prepare(old)
        migrations.migrate(old, version)
        old.execute(
            "INSERT INTO task (task_id, outcome, base_url, submitted_at) VALUES ('old', 'accepted', 'https://a', 5)"
        )
        old.commit()
    server = serve(reply(ACCEPTED))

    assert luma(*WORDS) == (0, f"{ID}\n", "")
    assert posts(server) == 1
    assert [row.task.task_id for row in rows()] == [ID, "old"]
