"""The sandbox's log of requests, and links that end."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from luma_cli.sandbox import Request, Sandbox
from luma_cli.sandbox.handler import MAX_REQUESTS, RequestLog
from support.commands import KEY
from support.service import Reply, ask, create, record, upload


def test_the_log_forgets_the_oldest_requests() -> None:
    log = RequestLog()
    for number in range(MAX_REQUESTS + 1000):
        log.append(Request("GET", f"/{number}", {}, {}, b"", 0.0))

    assert MAX_REQUESTS * 3 // 4 <= len(log) <= MAX_REQUESTS
    assert [one.path for one in log[-2:]] == [f"/{MAX_REQUESTS + 998}", f"/{MAX_REQUESTS + 999}"]


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
def box() -> Iterator[Sandbox]:
    with Sandbox(duration=0.0, api_key=KEY) as server:
        yield server


def fresh(box: Sandbox, link: str) -> Reply:
    return ask(box, "/api/v1/common/download-url", {"url": link})


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
