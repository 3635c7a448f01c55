"""The sandbox's log of requests, and links that end."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from luma_cli.sandbox import Request, Sandbox
from luma_cli.sandbox.handler import RequestLog
from support.commands import KEY
from support.service import Clock, Reply, ask, create, record, upload


def request(number: int, size: int = 0) -> Request:
    return Request("GET", f"/{number}", {}, {}, bytes(size), 0.0)


def test_the_log_forgets_the_oldest_requests() -> None:
    log = RequestLog(max_requests=100)
    for number in range(1000):
        log.append(request(number))

    assert 75 <= len(log) <= 100
    assert log[-1].path == "/999"
    assert [one.path for one in log] == [f"/{number}" for number in range(1000 - len(log), 1000)]


def test_the_log_has_a_bound_in_bytes() -> None:
    log = RequestLog(max_bytes=1000)
    for number in range(100):
        log.append(request(number, 90))

    assert sum(len(one.body) for one in log) <= 1000
    log.append(request(100, 5000))
    assert [len(one.body) for one in log] == [5000]  # the newest stays, whatever its size


def test_a_cleared_log_counts_anew() -> None:
    log = RequestLog(max_bytes=1000)
    log.append(request(0, 900))
    log.clear()
    log.append(request(1, 400))
    log.append(request(2, 400))

    assert log == [request(1, 400), request(2, 400)]


def test_a_request_that_is_under_way_when_it_stops_is_not_printed_about(capsys: pytest.CaptureFixture[str]) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\nclip\r\n--x--\r\n'
    head = (
        "POST /api/file-stream-upload HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with Sandbox(api_key=KEY) as server:
        client = socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), timeout=60)
        client.sendall(head.encode() + body[:9])
        assert ask(server, "/api/v1/chat/credit").status == 200
    with client, suppress(ConnectionError):
        client.sendall(body[9:])
        while client.recv(4096):
            pass

    assert capsys.readouterr().err == ""


# Links that end


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def box(clock: Clock) -> Iterator[Sandbox]:
    """Uploads live 60 s, result links 100 s, what they lead to 1,000 s."""
    lives = {"upload_life": 60.0, "result_life": 100.0, "media_life": 1000.0}
    with Sandbox(duration=0.0, api_key=KEY, clock=clock, **lives) as server:  # type: ignore[arg-type]
        yield server


def fresh(box: Sandbox, link: str) -> Reply:
    return ask(box, "/api/v1/common/download-url", {"url": link})


def test_an_upload_lives_as_long_as_it_was_given(box: Sandbox, clock: Clock) -> None:
    link = upload(box, b"clip")
    clock.now += 59.9
    assert ask(box, link).status == 200

    clock.now += 0.1
    assert ask(box, link).status == 404
    upload(box, b"again")
    assert ask(box, link).body == b"again"


def test_a_dead_result_link_has_a_successor_as_long_as_the_file_is_there(box: Sandbox, clock: Clock) -> None:
    [link] = record(box, create(box)).data["response"]["resultUrls"]
    clock.now += 99.9
    assert ask(box, link).status == 200

    clock.now += 0.1
    assert ask(box, link).status == 403
    assert ask(box, fresh(box, link).data).status == 200

    clock.now += 900
    assert (fresh(box, link).code, record(box, create(box)).code) == (422, 200)


def test_uploads_can_be_made_to_expire(box: Sandbox) -> None:
    link = upload(box, b"clip")
    [result] = record(box, create(box, videoUrl=link)).data["response"]["resultUrls"]

    box.expire_uploads()

    assert (ask(box, link).status, ask(box, result).body) == (404, b"clip")
    assert ask(box, upload(box, b"new")).body == b"new"


@pytest.mark.parametrize(("with_media", "code"), [(False, 200), (True, 422)])
def test_results_can_be_made_to_expire(box: Sandbox, with_media: bool, code: int) -> None:
    [old] = record(box, create(box)).data["response"]["resultUrls"]
    before = fresh(box, old).data

    box.expire_results(with_media=with_media)

    assert (ask(box, old).status, fresh(box, old).code) == (403, code)
    assert ask(box, before).status == (404 if with_media else 200)
    [new] = record(box, create(box)).data["response"]["resultUrls"]
    assert ask(box, new).status == 200
