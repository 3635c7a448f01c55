import random

import pytest

from luma_cli.api.response_headers import check_result_link
from luma_cli.api.transport import Session
from luma_cli.downloads.source_clip import CLIP_LIMITS, fetch_clip
from luma_cli.downloads.transfer import TransferLimits
from luma_cli.errors import FileError, Unavailable
from support.fault_server import FaultServer, head, pour, ranged, redirect, reply

FILM = random.Random(3).randbytes(200_000)


def fetch(url, folder, session=None, **options):
    return fetch_clip(url, folder, session or Session(), sleep=lambda _seconds: None, **options)


def test_a_clip_comes_whole_and_alone_into_the_folder(tmp_path):
    with FaultServer([redirect("/there"), (ranged(FILM, cut_after=70_000),), (ranged(FILM),)]) as server:
        clip = fetch(server.url("/a.MOV?sig=canary"), tmp_path)

    assert clip.read_bytes() == FILM
    assert clip.suffix == ".mov"
    assert list(tmp_path.iterdir()) == [clip]
    assert "canary" not in clip.name


def test_two_clips_do_not_meet(tmp_path):
    with FaultServer([(ranged(FILM),)]) as server:
        assert len({fetch(server.url(path), tmp_path) for path in ("/a.mp4", "/b.mp4", "/a.mp4")}) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply(b"", 404), FileError),
        (reply(b"<html>", content_type="text/html"), FileError),
        ((head(content_length=9 << 20), pour(9 << 20)), FileError),
        (redirect("http://10.0.0.1/x", 302), FileError),
        (reply(b"", 503), Unavailable),
    ],
    ids=["gone", "page", "too large", "private", "busy"],
)
def test_what_is_not_a_clip_leaves_nothing(tmp_path, answer, error):
    limits = TransferLimits(idle=0.3, attempts=2, bytes=8 << 20)
    with FaultServer([answer]) as server, pytest.raises(error):
        fetch(server.url(), tmp_path, None if error is Unavailable else Session(), limits=limits)

    assert list(tmp_path.iterdir()) == []


def test_a_private_address_is_refused_where_the_service_is_public(tmp_path):
    with FaultServer([(ranged(FILM),)]) as server:
        with pytest.raises(FileError, match="private address"):
            fetch(server.url(), tmp_path, Session(public_only=True))
        assert server.connections == 0


def test_a_source_may_lie_behind_a_link_without_tls_but_no_result_may():
    check_result_link("http://example.com/a.mp4", public_only=True, allows_plain=True)
    with pytest.raises(FileError, match="insecure"):
        check_result_link("http://example.com/a.mp4", public_only=True)
    with pytest.raises(FileError, match="insecure"):
        check_result_link("http://b.example/", public_only=True, before="https://a.example/", allows_plain=True)


def test_a_clip_is_bounded():
    assert CLIP_LIMITS.bytes <= 500 << 20
