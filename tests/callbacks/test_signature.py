"""Callbacks as bytes: what is genuine, what is turned away, and what slow or hostile callers can do about it."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import queue
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luma_cli.callbacks.server import MAX_BODY, MAX_CONNECTIONS, Endpoint, Limits, Receiver
from luma_cli.callbacks.signature import Callback, Deliveries, InvalidCallback, find_task_id, sign, verify
from luma_cli.errors import FileError

HEAVY = os.environ.get("LUMA_TEST_LOAD") == "1"
WEBHOOK_KEY = "example-hmac-key"
NOW = 1_760_000_000
TASK = "5f0c9be2d7a14c0f8b1e6a3d92c47e10"
OTHER = "0123456789abcdef0123456789abcdef"
FRESH = Limits(request_time=10.0, linger_time=2.0, connections=MAX_CONNECTIONS)
QUICK = Limits(request_time=0.3, linger_time=0.3, connections=MAX_CONNECTIONS)


def payload(task_id: object = TASK, **more: object) -> bytes:
    return json.dumps({"code": 200, "msg": "ok", "data": {"taskId": task_id}, **more}).encode()


def signature(task_id: str = TASK, stamp: object = NOW, key: str = WEBHOOK_KEY) -> str:
    """As the vendor words it, written down once more: the tests must not share the code's mistakes."""
    return base64.b64encode(hmac.new(key.encode(), f"{task_id}.{stamp}".encode(), hashlib.sha256).digest()).decode()


def signed(task_id: str = TASK, stamp: object = NOW) -> dict[str, list[str]]:
    return {"x-webhook-timestamp": [str(stamp)], "x-webhook-signature": [signature(task_id, stamp)]}


def status_of(headers: dict[str, list[str]], body: bytes, now: float = NOW, key: str | None = WEBHOOK_KEY) -> int:
    try:
        verify(headers, body, key, now)
    except InvalidCallback as invalid:
        return invalid.status
    return 200


def test_the_signature_is_that_of_the_documented_vector() -> None:
    assert sign("example-hmac-key", OTHER, "1700000000") == "Qutt0T7d8RnJuteMAH+vk+P9TlfO8sDI8QwoV5shb3U="


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"taskId": TASK}},
        {"data": {"task_id": TASK}},
        {"taskId": TASK},
        {"task_id": TASK, "data": None},
        {"taskId": OTHER, "data": {"task_id": TASK}},
        {"data": {"taskId": TASK, "task_id": OTHER}, "taskId": OTHER, "task_id": OTHER},
        {"data": {"taskId": None}, "taskId": TASK},
    ],
)
def test_the_id_is_looked_for_in_the_documented_order(body: dict[str, Any]) -> None:
    assert find_task_id(json.dumps(body).encode()) == TASK


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"taskId": 5}',
        b'{"taskId": true}',
        b'{"taskId": ""}',
        b'{"taskId": ["x"]}',
        b'{"data": "x"}',
        b'{"taskId": "../../x"}',
        b'{"taskId": "a\\nb"}',
        b'{"taskId": "' + b"a" * 129 + b'"}',
        b'{"taskId": "\\ud800"}',
        b'{"taskId": "aaaa", "msg": "\\ud800"}',
        b'{"taskId": "\xed\xa0\x80"}',
        b'{"taskId": "aaaa", "n": ' + b"9" * 5000 + b"}",
        '{"taskId": "aaaa"}'.encode("utf-16"),
        b"\x1f\x8b\x08\x00",
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_body_without_a_usable_id_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(InvalidCallback) as caught:
        find_task_id(body)

    assert caught.value.status == 400


def test_a_genuine_callback_is_verified_and_keeps_what_is_passed_on() -> None:
    headers = {**signed(), "content-type": ["application/json"], "x-other": ["y"]}

    callback = verify(headers, payload(), WEBHOOK_KEY, NOW)

    assert callback == Callback(
        TASK,
        True,
        str(NOW),
        (
            ("content-type", "application/json"),
            ("x-webhook-timestamp", str(NOW)),
            ("x-webhook-signature", signature()),
        ),
        payload(),
    )


GOOD = signature()
BAD_SIGNATURES = {
    "missing": [],
    "empty": [""],
    "two, both right": [GOOD, GOOD],
    "two, one right": ["x", GOOD],
    "of another key": [signature(key="other")],
    "of another task": [signature(OTHER)],
    "of another time": [signature(stamp=NOW - 1)],
    "short": [GOOD[:-5]],
    "not ASCII": ["\xff" + GOOD[1:]],
    "other script": ["签" + GOOD[1:]],
    "lone surrogate": ["\udcff" + GOOD[1:]],
    "junk inside": [GOOD[:10] + "!" + GOOD[10:]],
    "junk after": [GOOD + "!"],
    "line end": [GOOD + "\n"],
    "blank": [" " + GOOD],
    "without padding": [GOOD.rstrip("=")],
    "more padding": [GOOD + "="],
    "URL-safe alphabet": [signature(OTHER, 1_760_000_003).replace("+", "-").replace("/", "_")],
    "same bytes, other last letter": [GOOD[:-2] + chr(ord(GOOD[-2]) + 1) + "="],
    "hexadecimal": [base64.b64decode(GOOD).hex()],
    "lower case": [GOOD.lower()],
}


@pytest.mark.parametrize("given_", BAD_SIGNATURES.values(), ids=BAD_SIGNATURES)
def test_any_other_signature_is_unauthorized(given_: list[str]) -> None:
    headers = {"x-webhook-timestamp": [str(NOW)], "x-webhook-signature": given_}

    assert status_of(headers, payload()) == 401


def test_the_url_safe_alphabet_is_unauthorized_for_the_very_same_digest() -> None:
    stamp = next(stamp for stamp in range(NOW, NOW + 200) if {"+", "/"} & set(signature(stamp=stamp)))
    plain = signature(stamp=stamp)
    headers = {"x-webhook-timestamp": [str(stamp)]}

    assert status_of({**headers, "x-webhook-signature": [plain]}, payload()) == 200
    other = plain.replace("+", "-").replace("/", "_")
    assert status_of({**headers, "x-webhook-signature": [other]}, payload()) == 401


@pytest.mark.parametrize("offset", [-300, -299, 0, 299, 300])
def test_a_time_within_five_minutes_is_fresh(offset: int) -> None:
    assert status_of(signed(stamp=NOW + offset), payload()) == 200


@pytest.mark.parametrize(
    "stamp",
    [
        NOW - 301,
        NOW + 301,
        "1e9",
        "１７６００００００００",
        "1_760_000_000",
        f" {NOW}",
        f"{NOW} ",
        f"+{NOW}",
        f"-{NOW}",
        f"{NOW}.0",
        "",
        "9" * 5000,
        "nan",
        f"{NOW * 1000}",
        hex(NOW),
    ],
    ids=lambda stamp: str(stamp)[:24],
)
def test_any_other_time_is_unauthorized_however_well_signed(stamp: object) -> None:
    assert status_of(signed(stamp=stamp), payload()) == 401


@pytest.mark.parametrize("stamps", [[], [str(NOW), str(NOW)]], ids=["missing", "two"])
def test_exactly_one_timestamp_is_needed(stamps: list[str]) -> None:
    assert status_of({**signed(), "x-webhook-timestamp": stamps}, payload()) == 401


@pytest.mark.parametrize(
    "body",
    [
        {"taskId": TASK, "data": {"taskId": OTHER}},
        {"taskId": TASK, "task_id": TASK, "data": {"task_id": OTHER}},
        {"task_id": TASK, "taskId": OTHER},
    ],
)
def test_a_signed_id_beside_another_one_in_a_better_place_is_unauthorized(body: dict[str, Any]) -> None:
    assert status_of(signed(TASK), json.dumps(body).encode()) == 401


def test_without_a_key_nothing_is_verified() -> None:
    callback = verify({"x-webhook-signature": ["anything"]}, payload(), None, NOW)

    assert (callback.task_id, callback.verified) == (TASK, False)


TEXT = st.text(max_size=60) | st.just(GOOD) | st.just(str(NOW)) | st.integers(NOW - 900, NOW + 900).map(str)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([TASK, OTHER]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "taskId", "task_id", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["x-webhook-signature", "x-webhook-timestamp", "content-type"]), st.lists(TEXT, max_size=2)
    ),
    st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([None, WEBHOOK_KEY]),
)
def test_the_verifier_never_raises_anything_but_a_rejection(
    headers: dict[str, list[str]], body: bytes, key: str | None
) -> None:
    assert status_of({name: values for name, values in headers.items() if values}, body, key=key) in (200, 400, 401)


@settings(max_examples=100, deadline=None)
@given(
    claimed=st.sampled_from([TASK, OTHER, "a.b_c-D9"]),
    signed_for=st.sampled_from([TASK, OTHER, "a.b_c-D9"]),
    key=st.sampled_from([WEBHOOK_KEY, "other", ""]),
    offset=st.integers(-400, 400),
    shift=st.sampled_from([0, 0, 0, 1, -1]),
    flip=st.none() | st.integers(0, 43),
    place=st.sampled_from(["data.taskId", "data.task_id", "taskId", "task_id"]),
)
def test_the_verifier_accepts_exactly_what_is_genuine(
    claimed: str, signed_for: str, key: str, offset: int, shift: int, flip: int | None, place: str
) -> None:
    body: dict[str, Any] = {"code": 200}
    target = body.setdefault("data", {}) if place.startswith("data.") else body
    target[place.removeprefix("data.")] = claimed
    text = signature(signed_for, NOW + offset + shift, key)
    if flip is not None:
        text = text[:flip] + ("A" if text[flip] != "A" else "B") + text[flip + 1 :]
    genuine = claimed == signed_for and key == WEBHOOK_KEY and abs(offset) <= 300 and shift == 0 and flip is None
    headers = {"x-webhook-timestamp": [str(NOW + offset)], "x-webhook-signature": [text]}

    assert (status_of(headers, json.dumps(body).encode()) == 200) is genuine


def test_deliveries_are_remembered_within_a_bound() -> None:
    seen = Deliveries(most=10)
    for stamp in range(100):
        seen.remember(Callback(TASK, True, str(stamp)))

    assert len(seen) == 10
    assert seen.is_known(Callback(TASK, True, "99"))
    assert not seen.is_known(Callback(TASK, True, "89"))


def test_an_unsigned_callback_is_never_taken_for_a_replay() -> None:
    seen = Deliveries()
    seen.remember(Callback(TASK, False))

    assert not seen.is_known(Callback(TASK, False))


class Post:
    """A receiver with what it delivered, and a raw client for it."""

    def __init__(self, limits: Limits = FRESH, key: str | None = WEBHOOK_KEY, hosts: frozenset[str] | None = None):
        self.delivered: queue.Queue[Callback] = queue.Queue()
        self.refused: list[str] = []
        self.failed: list[Exception] = []
        self.has_room = True
        door = Endpoint(frozenset({"/hook"}), hosts, key)
        self.receiver = Receiver(
            "127.0.0.1",
            0,
            door,
            self.take,
            refused=self.refused.append,
            failed=self.failed.append,
            limits=limits,
            now=lambda: NOW,
        )

    def take(self, callback: Callback) -> bool:
        if self.has_room:
            self.delivered.put(callback)
        return self.has_room

    def connect(self) -> socket.socket:
        return socket.create_connection(self.receiver.address, timeout=20)

    def send(self, raw: bytes) -> tuple[int, bytes]:
        with self.connect() as sock:
            sock.sendall(raw)
            return answer_of(sock)

    def count(self) -> int:
        return self.delivered.qsize()


def answer_of(sock: socket.socket) -> tuple[int, bytes]:
    """Status and everything after the status line; 0 where the connection ended without a reply."""
    received = b""
    try:
        while chunk := sock.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass
    return (int(received.split()[1]), received.partition(b"\r\n")[2]) if received else (0, b"")


def request(
    body: bytes | None = None,
    *,
    method: str = "POST",
    path: str = "/hook",
    headers: dict[str, str] | None = None,
    sign_it: bool = True,
    length: object = None,
    stamp: int = NOW,
    task_id: str = TASK,
) -> bytes:
    body = payload(task_id) if body is None else body
    fields = {"Host": "127.0.0.1", "Content-Type": "application/json"}
    if sign_it:
        fields |= {"X-Webhook-Timestamp": str(stamp), "X-Webhook-Signature": signature(task_id, stamp)}
    fields["Content-Length"] = str(len(body) if length is None else length)
    fields |= headers or {}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value != "-")
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


@pytest.fixture
def post() -> Iterator[Post]:
    """Closed at the end; its thread never failed."""
    made = Post()
    with made.receiver:
        yield made
    assert made.failed == []


@pytest.fixture
def quick() -> Iterator[Post]:
    """A receiver whose time for a request is short."""
    made = Post(QUICK)
    with made.receiver:
        yield made
    assert made.failed == []


def test_k1_a_valid_callback_is_answered_200_and_delivered_once(post: Post) -> None:
    assert post.send(request())[0] == 200
    assert post.delivered.get(timeout=5).task_id == TASK
    assert post.count() == 0


def test_k5_the_same_delivery_again_is_answered_200_and_not_delivered(post: Post) -> None:
    assert [post.send(request())[0] for _ in range(5)] == [200] * 5
    assert post.count() == 1


def test_a_second_delivery_of_the_same_task_is_not_a_replay(post: Post) -> None:
    post.send(request())
    post.send(request(stamp=NOW + 1))

    assert post.count() == 2


def test_a_delivery_for_which_there_is_no_room_is_put_off_and_not_lost(post: Post) -> None:
    post.has_room = False
    assert post.send(request())[0] == 503
    post.has_room = True

    assert post.send(request())[0] == 200
    assert post.count() == 1


# Fault list, section 5: what is sent, the replies that are allowed.
ROWS: dict[str, tuple[bytes, set[int]]] = {
    "K2 no signature headers": (request(sign_it=False), {401}),
    "K2 wrong signature": (request(headers={"X-Webhook-Signature": signature(key="other")}), {401}),
    "K2 short signature": (request(headers={"X-Webhook-Signature": "abc"}), {401}),
    "K2 signature not ASCII": (request(headers={"X-Webhook-Signature": "\xe4\xff" + GOOD}), {401}),
    "K2 two signatures": (
        request().replace(b"X-Webhook-S", f"X-Webhook-Signature: {GOOD}\r\nX-Webhook-S".encode()),
        {401},
    ),
    "K3 301 s old": (request(stamp=NOW - 301), {401}),
    "K3 301 s ahead": (request(stamp=NOW + 301), {401}),
    "K3 exponent": (request(headers={"X-Webhook-Timestamp": "1e9"}), {401}),
    "K3 underscores": (request(headers={"X-Webhook-Timestamp": "1_700"}), {401}),
    "K3 blank": (request(headers={"X-Webhook-Timestamp": " 170"}), {401}),
    "K3 other digits": (request().replace(str(NOW).encode(), "１７６".encode(), 1), {401}),
    "K3 5,000 digits": (request(headers={"X-Webhook-Timestamp": "9" * 5000}), {401}),
    "K3 missing": (request(headers={"X-Webhook-Timestamp": "-"}), {401}),
    "K7 signed id on top, another inside": (
        request(json.dumps({"taskId": TASK, "data": {"taskId": OTHER}}).encode()),
        {401},
    ),
    "K8 junk": (request(headers={"X-Webhook-Signature": GOOD[:9] + "*" + GOOD[9:]}), {401}),
    "K8 no padding": (request(headers={"X-Webhook-Signature": GOOD.rstrip("=")}), {401}),
    "K8 folded": (request(headers={"X-Webhook-Signature": GOOD[:20] + "\r\n " + GOOD[20:]}), {400, 401}),
    "K10 not JSON": (request(b"taskId=1"), {400}),
    "K10 depth bomb": (request(b"[" * 60_000), {400}),
    "K10 surrogates": (request(b'{"taskId": "\\ud800\\udc"}'), {400}),
    "K10 10 MB": (request(b" " * 10_000_000), {413}),
    "K10 10 MB announced": (request(b"", length=10_000_000), {413}),
    "K10 just over the limit": (request(b" " * (MAX_BODY + 1)), {413}),
    "K10 gzip": (request(headers={"Content-Encoding": "gzip"}), {415}),
    "K10 chunked": (request(headers={"Transfer-Encoding": "chunked", "Content-Length": "-"}), {400}),
    "K10 chunked and length": (request(headers={"Transfer-Encoding": "chunked"}), {400}),
    "K11 negative length": (request(length=-1), {400}),
    "K11 absent length": (request(headers={"Content-Length": "-"}), {400}),
    "K11 odd length": (request(length="1_0"), {400}),
    "K11 huge length": (request(length="9" * 30), {400}),
    "K11 two lengths": (request().replace(b"Content-L", b"Content-Length: 5\r\nContent-L"), {400}),
    "K13 other path": (request(path="/"), {404}),
    "K13 longer path": (request(path="/hook/x"), {404}),
    "K13 whole address": (request(path="http://evil.example/hook"), {404}),
    "K13 GET": (request(method="GET"), {405}),
    "K13 PUT": (request(method="PUT"), {405}),
    "K13 OPTIONS": (request(method="OPTIONS"), {405}),
    "K13 other method elsewhere": (request(method="DELETE", path="/etc/passwd"), {404}),
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", {400}),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400}),
    "HTTP/0.9": (b"GET /\r\n", {400}),
    "endless head": (b"POST /hook HTTP/1.1\r\n" + b"X: y\r\n" * 20_000, {400}),
    "endless line": (b"A" * 100_000, {400}),
    "blank before the colon": (request().replace(b"Host:", b"Host :"), {400}),
    "NUL in a header": (request(headers={"X-A": "a\0b"}), {400}),
}


@pytest.mark.parametrize(("raw", "statuses"), ROWS.values(), ids=ROWS)
def test_what_is_not_genuine_is_turned_away_and_not_delivered(post: Post, raw: bytes, statuses: set[int]) -> None:
    status, rest = post.send(raw)

    assert status in statuses
    assert post.count() == 0
    head, _, body = rest.partition(b"\r\n\r\n")
    assert body == b"", "an error says nothing"
    names = {line.partition(b":")[0].lower() for line in head.splitlines()}
    assert names <= {b"content-length", b"connection", b"allow"}


def test_an_honest_callback_is_delivered_after_all_those(post: Post) -> None:
    for raw, _ in ROWS.values():
        post.send(raw)

    assert post.send(request())[0] == 200
    assert post.count() == 1


@pytest.mark.parametrize("offset", [-299, 299])
def test_k4_a_time_within_five_minutes_is_delivered(post: Post, offset: int) -> None:
    assert post.send(request(stamp=NOW + offset))[0] == 200
    assert post.count() == 1


def test_k6_a_changed_body_changes_nothing_but_the_body(post: Post) -> None:
    """The signature does not cover the body: the id counts, the rest is never looked at."""
    body = payload(code=500, resultUrls=["http://attacker.example/x.mp4"])

    assert post.send(request(body))[0] == 200
    assert post.delivered.get(timeout=5).task_id == TASK


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::2]:1", "x\xff"])
def test_k13_another_host_is_not_found(host: str) -> None:
    made = Post(hosts=frozenset({"127.0.0.1", "localhost", "hooks.example.net"}))
    with made.receiver:
        assert made.send(request(headers={"Host": host}))[0] == 404
    assert made.count() == 0
    assert len(made.refused) == 1


@pytest.mark.parametrize("host", ["127.0.0.1:99", "LOCALHOST", "hooks.example.net.", "hooks.example.net:443", "-"])
def test_our_own_names_are_let_in(host: str) -> None:
    made = Post(hosts=frozenset({"127.0.0.1", "localhost", "hooks.example.net"}))
    with made.receiver:
        assert made.send(request(headers={"Host": host}))[0] == 200


def test_a_query_after_the_path_is_allowed(post: Post) -> None:
    assert post.send(request(path="/hook?x=1"))[0] == 200


def test_a_caller_that_asks_first_is_asked_to_go_on(post: Post) -> None:
    raw = request(headers={"Expect": "100-continue"})
    head, _, body = raw.partition(b"\r\n\r\n")
    with post.connect() as sock:
        sock.sendall(head + b"\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert answer_of(sock)[0] == 200


def test_a_caller_that_is_gone_when_it_is_asked_to_go_on_costs_nobody_else(post: Post) -> None:
    for _ in range(50):
        with post.connect() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets
            sock.sendall(request(headers={"Expect": "100-continue"}).partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    assert post.send(request())[0] == 200
    assert post.failed == []


def test_a_request_in_many_small_pieces_is_understood(post: Post) -> None:
    with post.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request():
            sock.send(bytes([byte]))
        assert answer_of(sock)[0] == 200


@pytest.mark.parametrize(
    "raw", [b"", b"PO", request()[:60], request(length=5000)], ids=["nothing", "two letters", "half a head", "length"]
)
def test_k11_a_request_that_does_not_end_is_cut_off(quick: Post, raw: bytes) -> None:
    assert quick.send(raw)[0] == 0
    assert quick.count() == 0


def test_a_request_that_dribbles_is_cut_off_all_the_same(quick: Post) -> None:
    """The limit is for the whole request: a byte now and then buys no time."""
    with quick.connect() as sock:
        assert any(is_cut(sock) for _ in range(10_000))


def is_cut(sock: socket.socket) -> bool:
    """Send one byte more."""
    time.sleep(0.005)
    try:
        return sock.send(b"P") == 0
    except OSError:
        return True


def test_k12_an_honest_caller_waits_for_none_of_fifty_slow_ones(post: Post) -> None:
    slow = [post.connect() for _ in range(50)]
    for number, sock in enumerate(slow):
        sock.send(request()[: number * 4])

    assert post.send(request())[0] == 200
    for sock in slow:  # they were not thrown out for it
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
        sock.close()


def test_when_all_places_are_taken_the_oldest_caller_goes() -> None:
    made = Post(Limits(connections=3))
    with made.receiver, contextlib.ExitStack() as stack:
        first, *others = [stack.enter_context(made.connect()) for _ in range(3)]
        assert made.send(request())[0] == 200
        assert answer_of(first)[0] == 0
        for sock in others:
            sock.sendall(request())
            assert answer_of(sock)[0] == 200


def test_the_one_who_has_been_answered_goes_before_the_oldest() -> None:
    made = Post(Limits(connections=2))
    with made.receiver, made.connect() as waiting, made.connect() as answered:
        answered.sendall(request())
        assert answered.recv(12) == b"HTTP/1.1 200"
        with made.connect() as newcomer:
            newcomer.sendall(request())
            assert answer_of(newcomer)[0] == 200
        waiting.sendall(request())
        assert answer_of(waiting)[0] == 200


def rss() -> int:
    """Resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def garbage(rng: random.Random) -> bytes:
    return rng.choice(
        [
            b"",
            rng.randbytes(500),
            b"GET / HTTP/1.1\r\n",
            request(b"x" * 3000, length=60_000),
            b"POST /hook HTTP/1.1\r\n",
        ]
    )


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_a_flood_of_garbage_keeps_no_honest_caller_out_and_no_memory(post: Post) -> None:
    count, seed = 2000 if HEAVY else 200, random.randrange(1 << 32)
    rng, before = random.Random(seed), rss()
    held: list[socket.socket] = []
    print(f"flood of {count}, seed {seed}")
    for number in range(count):
        sock = post.connect()
        sock.setblocking(False)
        try:
            sock.send(garbage(rng))
        except OSError:
            pass  # refused while it was being sent
        held.append(sock)
        if len(held) > 300:
            held.pop(0).close()
        if number % 20 == 0:
            assert post.send(request(task_id=f"task-{number}"))[0] == 200
    assert post.count() == count // 20
    assert rss() - before < 40 << 20
    for sock in held:
        sock.close()


def test_closing_lets_a_request_that_is_on_its_way_be_answered(post: Post) -> None:
    with post.connect() as sock:
        sock.sendall(request()[:100])
        while not any(connection.received for connection in post.receiver._connections.values()):
            time.sleep(0.005)
        closing = threading.Thread(target=post.receiver.close, args=(10.0,))
        closing.start()
        sock.sendall(request()[100:])
        assert answer_of(sock)[0] == 200
        closing.join()
    assert post.count() == 1


def test_closing_does_not_wait_for_the_silent(post: Post) -> None:
    with post.connect():
        post.receiver.close(60.0)

        assert not post.receiver._thread.is_alive()


def test_a_closed_receiver_gives_its_port_back(post: Post) -> None:
    post.receiver.close()
    door = Endpoint(frozenset({"/"}), None, None)
    with Receiver("127.0.0.1", post.receiver.address[1], door, lambda _: True):
        pass


def test_a_port_in_use_is_a_file_error(post: Post) -> None:
    with pytest.raises(FileError, match="in use"):
        Receiver("127.0.0.1", post.receiver.address[1], Endpoint(frozenset({"/"}), None, None), lambda _: True)


@pytest.mark.parametrize("host", ["192.0.2.1", "a" * 70])
def test_an_address_that_is_not_ours_is_a_file_error(host: str) -> None:
    with pytest.raises(FileError):
        Receiver(host, 0, Endpoint(frozenset({"/"}), None, None), lambda _: True)


def test_a_failure_in_the_receivers_thread_is_heard_of() -> None:
    heard: queue.Queue[Exception] = queue.Queue()

    def explode(_callback: Callback) -> bool:
        raise ZeroDivisionError

    door = Endpoint(frozenset({"/hook"}), None, None)
    with (
        Receiver("127.0.0.1", 0, door, explode, failed=heard.put) as receiver,
        socket.create_connection(receiver.address) as sock,
    ):
        sock.sendall(request())
        assert isinstance(heard.get(timeout=10), ZeroDivisionError)


def test_the_repr_of_a_door_does_not_show_the_key() -> None:
    assert WEBHOOK_KEY not in repr(Endpoint(frozenset({"/"}), None, WEBHOOK_KEY))
