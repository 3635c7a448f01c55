import errno
import hashlib
import json
import os
import random
import resource
import signal
import ssl
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import trustme

from luma_cli import files
from luma_cli.api.transport import Session
from luma_cli.downloads import part_file, target
from luma_cli.downloads.download import TransferLimits, download
from luma_cli.downloads.target import check_target
from luma_cli.errors import FileError, KeyRejected, Rejected, Unavailable, UsageError
from luma_cli.video import headers
from support.commands import DATA, ROOT
from support.fault_server import (
    FaultServer,
    call,
    chunks,
    dribble,
    hang_up,
    head,
    pour,
    ranged,
    redirect,
    reply,
    reset,
    send,
    stall,
)
from support.fault_server import signal as tell

VIDEO = (DATA / "tiny-front.mp4").read_bytes()
FILM = random.Random(1).randbytes(300_000)
REMAKE = random.Random(2).randbytes(300_000)
SECRET = "sig=canary-4711"
QUICK = TransferLimits(idle=0.2, window=0.3, min_bytes=1000)
LEFT_OVERS = (".part", ".part.json", ".part.lock")


class Place:
    """A target and everything that is asked of it."""

    def __init__(self, folder):
        self.folder = folder
        self.target = folder / "out.mp4"
        self.part = folder / "out.mp4.part"
        self.sidecar = folder / "out.mp4.part.json"
        self.pauses = []
        self.progress = []

    def download(self, url, **options):
        options = {
            "identity": "task#0",
            "session": Session(),
            "check_whole": lambda _path: None,
            "limits": QUICK,
            "sleep": self.pauses.append,
            "on_progress": lambda *numbers: self.progress.append(numbers),
            **options,
        }
        target = options.pop("target", self.target)
        self.done = download(f"{url}?{SECRET}", target, **options)
        return self.done.file

    def fails(self, kind, url, **options):
        """Message and hint of the error, which name no signature."""
        with pytest.raises(kind) as caught:
            self.download(url, **options)
        assert type(caught.value) is kind
        text = f"{caught.value.message} {caught.value.hint}"
        assert "canary" not in text
        assert not any("canary" in path.read_text("latin-1") for path in self.folder.iterdir() if path.is_file())
        return text

    def leave_part(self, content, *, length=None, etag='"v1"', identity="task#0", sha256=None):
        """A part file as an interrupted download leaves it."""
        self.part.write_bytes(content)
        record = {"identity": identity, "etag": etag, "length": length, "bytes": len(content)}
        self.sidecar.write_text(json.dumps({**record, "sha256": sha256 or hashlib.sha256(content).hexdigest()}))

    @property
    def names(self):
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    return Place(folder)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    ca = trustme.CA()
    bundle = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return str(bundle), context


def ranges(server):
    return [request.headers.get("range") for request in server.requests]


# The good case


def test_a_download_without_errors_leaves_the_file_and_nothing_else(place):
    with FaultServer([(ranged(FILM),)]) as server:
        saved = place.download(server.url("/v.mp4"))

    assert place.names == ["out.mp4"]
    assert place.target.read_bytes() == FILM
    assert saved.sha256 == hashlib.sha256(FILM).hexdigest()
    assert (saved.path, saved.bytes, saved.url) == (str(place.target), len(FILM), server.url("/v.mp4"))
    assert place.progress[-1] == (len(FILM), len(FILM))
    assert place.pauses == []


def test_a_chunked_file_is_proven_by_its_last_chunk(place):
    with FaultServer([(head(transfer_encoding="chunked"), chunks(FILM[:1000], FILM[1000:]))]) as server:
        place.download(server.url())

    assert place.target.read_bytes() == FILM
    assert place.progress[0][1] is None


def test_the_file_host_sees_no_login_and_no_cookie(place, monkeypatch):
    netrc = place.folder.parent / "netrc"
    netrc.write_text("default login canary password canary")
    monkeypatch.setenv("NETRC", str(netrc))
    with FaultServer([redirect("/b"), (head(500, content_length=0, set_cookie="c=1"),), (ranged(FILM),)]) as server:
        place.download(server.url())

    for request in server.requests:
        assert not {"authorization", "cookie"} & request.headers.keys()
        assert request.headers["accept-encoding"] == "identity"


def test_the_final_file_has_the_mode_of_any_new_file_and_the_sidecar_is_private(place):
    umask = os.umask(0o022)
    try:
        with FaultServer(
            [(ranged(FILM, cut_after=1000),), (call(lambda: modes.append(mode(place.sidecar))),)]
        ) as server:
            modes = []
            place.fails(Unavailable, server.url(), limits=TransferLimits(idle=0.2, attempts=2))
        with FaultServer([(ranged(FILM),)]) as server:
            place.download(server.url())
    finally:
        os.umask(umask)

    assert modes[0] == 0o600
    assert mode(place.target) == 0o644


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


# Cuts and resuming


def test_64_cuts_are_resumed_without_asking_for_a_byte_twice(place):
    step = len(FILM) // 65 + 1
    with FaultServer([(ranged(FILM, cut_after=step),)]) as server:
        place.download(server.url())

    assert place.target.read_bytes() == FILM
    assert ranges(server) == [None, *(f"bytes={offset}-" for offset in range(step, len(FILM), step))]
    assert {request.headers.get("if-range") for request in server.requests} == {None, '"v1"'}
    assert set(place.pauses) == {0.5}


# From the first byte to the one before the last; 20 in a run of everything, LUMA_TEST_CUTS=64 for more.
CUTS = int(os.environ.get("LUMA_TEST_CUTS", "20"))
OFFSETS = [1 + number * (len(FILM) - 2) // (CUTS - 1) for number in range(CUTS)]


@pytest.mark.parametrize("end", [hang_up, reset])
def test_a_cut_at_any_offset_is_resumed(place, end):
    for number, offset in enumerate(OFFSETS):
        cut = (head(content_length=len(FILM), etag='"v1"'), send(FILM[:offset]), end())
        with FaultServer([cut, (ranged(FILM),)]) as server:
            place.download(server.url(), target=place.folder / f"{number}.mp4")
            assert len(server.requests) == 2
        assert (place.folder / f"{number}.mp4").read_bytes() == FILM
    assert len(place.names) == CUTS


@pytest.mark.parametrize("obeys", [True, False], ids=["if-range obeyed", "if-range ignored"])
def test_an_object_replaced_at_any_cut_gives_exactly_one_version(place, obeys):
    for number, offset in enumerate(OFFSETS):
        rest = (
            head(206, content_length=len(REMAKE) - offset, content_range=f"bytes {offset}-299999/300000", etag='"v2"'),
            send(REMAKE[offset:]),
        )
        then = [] if obeys else [rest]
        with FaultServer([(ranged(FILM, cut_after=offset),), *then, (ranged(REMAKE, etag='"v2"'),)]) as server:
            place.download(server.url(), target=place.folder / f"{number}.mp4")
        assert (place.folder / f"{number}.mp4").read_bytes() == REMAKE


def test_a_host_that_ignores_ranges_is_read_from_the_start_again(place):
    whole = reply(FILM, etag='"v1"')
    with FaultServer([(ranged(FILM, cut_after=1000),), whole]) as server:
        place.download(server.url())

    assert ranges(server) == [None, "bytes=1000-"]
    assert place.target.read_bytes() == FILM


@pytest.mark.parametrize("etag", ['W/"v1"', None, "v1", '"a b"', '"' + "x" * 300 + '"'])
def test_without_a_strong_validator_every_attempt_starts_at_0(place, etag):
    with FaultServer([(ranged(FILM, etag=etag, cut_after=1000),), (ranged(FILM, etag=etag),)]) as server:
        place.download(server.url())

    assert ranges(server) == [None, None]
    assert place.target.read_bytes() == FILM


WRONG_PARTS = {
    "start": {"content_range": "bytes 999-299999/300000"},
    "total": {"content_range": "bytes 1000-299999/300001"},
    "end": {"content_range": "bytes 1000-300000/300000"},
    "no total": {"content_range": "bytes 1000-299999/*"},
    "no range": {},
    "garbage": {"content_range": "bytes a-b/c"},
    "two ranges": {"content_type": "multipart/byteranges; boundary=x"},
    "no etag": {"content_range": "bytes 1000-299999/300000", "etag": ()},
    "length": {"content_range": "bytes 1000-299999/300000", "content_length": 298_999},
}


@pytest.mark.parametrize("headers", WRONG_PARTS.values(), ids=WRONG_PARTS)
def test_another_part_than_asked_for_is_never_appended(place, headers):
    headers = {"etag": '"v1"', "content_length": 299_000, **headers}
    if headers["etag"] == ():
        del headers["etag"]
    wrong = (head(206, **headers), send(REMAKE[1000:]), hang_up())
    with FaultServer([(ranged(FILM, cut_after=1000),), wrong, (ranged(FILM),)]) as server:
        place.download(server.url())

    assert ranges(server) == [None, "bytes=1000-", None]
    assert place.target.read_bytes() == FILM


def test_a_chunked_part_that_goes_on_too_long_is_not_appended(place):
    wrong = (head(206, etag='"v1"', content_range="bytes 1000-299999/300000", transfer_encoding="chunked"),)
    wrong += (chunks(FILM[1000:], b"more"),)
    with FaultServer([(ranged(FILM, cut_after=1000),), wrong, (ranged(FILM),)]) as server:
        place.download(server.url())

    assert place.target.read_bytes() == FILM


def test_a_file_may_come_in_several_parts(place):
    def part(start, end):
        return reply(FILM[start:end], 206, etag='"v1"', content_range=f"bytes {start}-{end - 1}/{len(FILM)}")

    with FaultServer([(ranged(FILM, cut_after=1000),), part(1000, 2000), (ranged(FILM),)]) as server:
        place.download(server.url())

    assert ranges(server) == [None, "bytes=1000-", "bytes=2000-"]
    assert place.target.read_bytes() == FILM


@pytest.mark.parametrize("size", ["*/1000", "*/10", None], ids=["ours", "smaller", "none"])
def test_416_restarts(place, size):
    unsatisfiable = reply(b"", 416, **({"content_range": f"bytes {size}"} if size else {}))
    with FaultServer([(ranged(FILM, cut_after=1000),), unsatisfiable, (ranged(FILM),)]) as server:
        place.download(server.url())

    assert ranges(server) == [None, "bytes=1000-", None]
    assert place.target.read_bytes() == FILM


def test_a_chunked_file_without_its_end_is_resumed(place):
    cut = (head(transfer_encoding="chunked", etag='"v1"'), chunks(FILM[:5000], end=False), hang_up())
    with FaultServer([cut, (ranged(FILM),)]) as server:
        place.download(server.url())

    assert ranges(server) == [None, "bytes=5000-"]
    assert place.target.read_bytes() == FILM


def test_a_chunked_file_that_never_ends_is_given_up(place):
    cut = (head(transfer_encoding="chunked"), chunks(FILM[:5000], end=False), hang_up())
    with FaultServer([cut]) as server:
        place.fails(Unavailable, server.url())
        assert len(server.requests) == 1 + 5

    assert not place.target.exists()


# What an earlier run left


def test_a_part_file_of_an_earlier_run_is_continued(place):
    place.leave_part(FILM[:1234], length=len(FILM))
    with FaultServer([(ranged(FILM),)]) as server:
        saved = place.download(server.url())

    assert ranges(server) == ["bytes=1234-"]
    assert saved.sha256 == hashlib.sha256(FILM).hexdigest()
    assert place.target.read_bytes() == FILM


@pytest.mark.parametrize("etag", ['"v1"', None])
def test_a_part_file_that_is_whole_is_compared_with_the_host_and_not_fetched_again(place, etag):
    place.leave_part(FILM, length=len(FILM), etag=etag)
    with FaultServer([(ranged(FILM, etag=etag),)]) as server:
        saved = place.download(server.url())
        assert ranges(server) == [f"bytes={len(FILM) - (1 << 16)}-"]

    assert saved.sha256 == hashlib.sha256(FILM).hexdigest()
    assert place.target.read_bytes() == FILM


def test_a_whole_part_file_is_known_by_its_validator_where_there_are_no_ranges(place):
    place.leave_part(FILM, length=len(FILM))
    with FaultServer([(head(content_length=len(FILM), etag='"v1"'), stall())]) as server:
        place.download(server.url())
        assert len(server.requests) == 1

    assert place.target.read_bytes() == FILM


@pytest.mark.parametrize(
    "host",
    [
        {"etag": '"v2"'},
        {"etag": None},
        {"etag": '"v1"'},
    ],
    ids=["another version", "no validator", "the same validator"],
)
def test_a_whole_part_file_of_other_bytes_does_not_get_the_name(place, host):
    place.leave_part(FILM, length=len(FILM), etag=host["etag"] and '"v1"')
    with FaultServer([(ranged(REMAKE, **host),)]) as server:
        place.download(server.url())

    assert place.target.read_bytes() == REMAKE
    assert place.names == ["out.mp4"]


def test_a_whole_part_file_waits_for_a_host_that_cannot_be_asked(place):
    place.leave_part(FILM, length=len(FILM))
    with FaultServer([reply(b"", 503)]) as server:
        place.fails(Unavailable, server.url())
        assert len(server.requests) == 5
    with FaultServer([(ranged(FILM),)]) as server:
        place.download(server.url())
        assert len(server.requests) == 1

    assert place.target.read_bytes() == FILM


def test_a_whole_part_file_is_saved_with_a_warning_if_the_host_has_it_no_more(place):
    place.leave_part(FILM, length=len(FILM))
    with FaultServer([reply(b"", 410)]) as server:
        place.download(server.url())

    assert place.target.read_bytes() == FILM
    assert "no longer has it" in place.done.warnings[0]


def test_bytes_that_the_sidecar_does_not_vouch_for_are_fetched_again(place):
    place.leave_part(FILM[:1000], length=len(FILM))
    place.part.write_bytes(FILM[:1000] + b"\0" * 500)
    with FaultServer([(ranged(FILM),)]) as server:
        place.download(server.url())

    assert ranges(server) == ["bytes=1000-"]
    assert place.target.read_bytes() == FILM


def edited(place):
    place.leave_part(FILM[:1000], length=len(FILM))
    place.part.write_bytes(b"x" + FILM[1:1000])


def shortened(place):
    place.leave_part(FILM[:1000], length=len(FILM))
    os.truncate(place.part, 999)


def of_another_task(place):
    place.leave_part(REMAKE[:1000], length=len(FILM), identity="other#0")


def without_sidecar(place):
    place.part.write_bytes(REMAKE)


def longer_than_the_file(place):
    place.leave_part(REMAKE + REMAKE, length=len(FILM), sha256="0" * 64)


def with_a_torn_sidecar(place):
    place.leave_part(REMAKE[:1000])
    os.truncate(place.sidecar, 20)


def with_an_odd_sidecar(place):
    place.leave_part(REMAKE[:1000])
    place.sidecar.write_text('{"identity": "task#0", "etag": 5, "length": "x", "bytes": -1, "sha256": null}')


@pytest.mark.parametrize(
    "leave",
    [
        edited,
        shortened,
        of_another_task,
        without_sidecar,
        longer_than_the_file,
        with_a_torn_sidecar,
        with_an_odd_sidecar,
    ],
)
def test_a_part_file_that_cannot_be_trusted_is_started_again(place, leave):
    leave(place)
    with FaultServer([(ranged(FILM),)]) as server:
        place.download(server.url())

    assert ranges(server) == [None]
    assert place.target.read_bytes() == FILM
    assert place.names == ["out.mp4"]


def test_a_target_that_a_crash_left_finished_is_recognised(place):
    place.leave_part(FILM, length=len(FILM))
    os.link(place.part, place.target)
    with FaultServer([(ranged(REMAKE),)]) as server:
        saved = place.download(server.url())
        assert server.requests == []

    assert (saved.bytes, saved.sha256) == (len(FILM), hashlib.sha256(FILM).hexdigest())
    assert place.names == ["out.mp4"]


def test_a_foreign_target_is_not_taken_for_one_that_a_crash_left(place):
    place.leave_part(FILM, length=len(FILM))
    place.target.write_bytes(REMAKE)
    with FaultServer([(ranged(FILM),)]) as server:
        assert "exists" in place.fails(FileError, server.url())

    assert place.target.read_bytes() == REMAKE


# What cannot be proven or is no video


def test_a_length_that_nobody_states_is_no_proof(place):
    with FaultServer([(head(), send(FILM), hang_up())]) as server:
        text = place.fails(FileError, server.url())

    assert "length not proven" in text
    assert str(place.part) in text
    assert place.part.read_bytes() == FILM
    assert not place.target.exists()


@pytest.mark.parametrize("length", ["-5", "abc", ["5", "300000"], ["300000", "300000"], "9" * 30, "0x10", "٣"])
def test_a_length_that_cannot_be_read_is_refused(place, length):
    if length == "٣":
        length = "٣".encode().decode("latin-1")
    with FaultServer([(head(content_length=length), send(FILM), hang_up())]) as server:
        assert "length not proven" in place.fails(FileError, server.url())

    assert place.names == []


def test_a_file_larger_than_the_disk_is_not_begun(place):
    with FaultServer([(head(content_length=10**15), send(FILM), stall())]) as server:
        text = place.fails(FileError, server.url())

    assert "needs 1000000000000000 bytes" in text
    assert place.names == []


@pytest.mark.parametrize(
    "answer",
    [
        (head(transfer_encoding="chunked", etag='"v1"'), chunks(*[bytes(1 << 20)] * 10)),
        (head(), pour(10 << 20), hang_up()),
        (head(content_length=10 << 20), pour(10 << 20)),
    ],
    ids=["chunked", "no length", "length"],
)
def test_an_endless_body_ends_at_the_limit(place, answer):
    limits = TransferLimits(idle=0.5, bytes=8 << 20)
    with FaultServer([answer]) as server:
        assert "larger than the limit" in place.fails(FileError, server.url(), limits=limits)

    assert sum(path.stat().st_size for path in place.folder.iterdir()) <= (8 << 20) + 1000


@pytest.mark.parametrize("encoding", ["gzip", "br", "aws-chunked", "x-unheard-of", "identity, gzip"])
def test_an_encoded_file_is_never_saved(place, encoding):
    with FaultServer([reply(FILM, content_encoding=encoding)]) as server:
        assert "encodes the file" in place.fails(Unavailable, server.url())
        assert len(server.requests) == 5

    assert place.names == []


def test_a_file_that_is_encoded_only_once_is_saved(place):
    with FaultServer([reply(REMAKE, content_encoding="gzip"), reply(FILM, content_encoding="identity")]) as server:
        place.download(server.url())

    assert place.target.read_bytes() == FILM


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"<!DOCTYPE html><html><body>Sign in", "text/html; charset=utf-8", "not a video"),
        (b'{"code": 500}', "application/json", "not a video"),
        (b"<!DOCTYPE html><html><body>Sign in", "video/mp4", "not a video"),
        (b'{"code": 500}', "video/mp4", "not a video"),
        (b"", "video/mp4", "empty"),
        (VIDEO[:-100], "video/mp4", "incomplete"),
    ],
)
def test_what_is_not_a_whole_video_never_gets_the_name(place, body, content_type, reason):
    with FaultServer([reply(body, content_type=content_type, etag='"v1"')]) as server:
        assert reason in place.fails(FileError, server.url(), check_whole=headers.check_whole)

    assert not place.target.exists()
    assert not place.sidecar.exists()


def test_a_file_that_failed_its_check_is_fetched_anew(place):
    with FaultServer([reply(VIDEO[:-100], etag='"v1"'), reply(VIDEO, etag='"v1"')]) as server:
        place.fails(FileError, server.url(), check_whole=headers.check_whole)
        place.download(server.url(), check_whole=headers.check_whole)

    assert place.target.read_bytes() == VIDEO


def test_a_sign_in_page_does_not_cost_the_bytes_that_are_there(place):
    place.leave_part(FILM[:1000], length=len(FILM))
    with FaultServer([reply(b"<html>", content_type="text/html"), (ranged(FILM),)]) as server:
        place.fails(FileError, server.url())
        place.download(server.url())

    assert ranges(server) == ["bytes=1000-", "bytes=1000-"]


# Links that are refused, and errors that pass


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refused_link_is_replaced_once(place, status):
    with FaultServer([reply(b"no", status), (ranged(FILM),)]) as server:
        place.download(server.url("/old"), fresh_link=lambda: server.url("/new"))

    assert [request.path.partition("?")[0] for request in server.requests] == ["/old", "/new"]
    assert place.target.read_bytes() == FILM
    assert place.pauses == []


def test_a_fresh_link_that_is_refused_too_is_the_end(place):
    place.leave_part(FILM[:1000], length=len(FILM))
    with FaultServer([reply(b"no", 403)]) as server:
        text = place.fails(FileError, server.url("/old"), fresh_link=lambda: server.url(f"/new?{SECRET}"))
        assert len(server.requests) == 2

    assert text.startswith(f"result expired: {server.url('/new')} answered HTTP 403")
    assert place.part.read_bytes() == FILM[:1000]


@pytest.mark.parametrize("fresh_link", [None, "refuses"])
def test_without_a_fresh_link_the_result_has_expired(place, fresh_link):
    def refuses():
        raise Rejected("external address not supported")

    with FaultServer([reply(b"no", 410)]) as server:
        text = place.fails(FileError, server.url(), fresh_link=refuses if fresh_link else None)

    assert "result expired" in text
    assert place.names == []


def test_an_error_in_asking_for_a_fresh_link_is_not_hidden(place):
    def refuses():
        raise KeyRejected("the key is not accepted")

    with FaultServer([reply(b"no", 403)]) as server:
        place.fails(KeyRejected, server.url(), fresh_link=refuses)


def test_a_link_refused_in_the_middle_of_a_resume_is_replaced_and_the_bytes_kept(place):
    with FaultServer([(ranged(FILM, cut_after=1000),), reply(b"", 403), (ranged(FILM),)]) as server:
        place.download(server.url("/old"), fresh_link=lambda: server.url("/new"))

    assert ranges(server) == [None, "bytes=1000-", "bytes=1000-"]
    assert place.target.read_bytes() == FILM


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 521])
def test_an_error_that_passes_is_waited_for(place, status):
    with FaultServer([reply(b"busy", status)] * 3 + [(ranged(FILM),)]) as server:
        place.download(server.url())

    assert place.pauses == [1, 2, 4]
    assert place.target.read_bytes() == FILM


@pytest.mark.parametrize(("asked", "pause"), [("7", 7), ("99999999", 120), ("9" * 5000, 1), ("banana", 1), ("-5", 1)])
def test_retry_after_is_obeyed_within_reason(place, asked, pause):
    with FaultServer([reply(b"", 503, retry_after=asked), (ranged(FILM),)]) as server:
        place.download(server.url())

    assert place.pauses == [pause]


@pytest.mark.parametrize("status", [400, 405, 451, 204, 304, 206, 416])
def test_another_reply_is_not_a_file(place, status):
    with FaultServer([(head(status, content_length=0),)]) as server:
        place.fails(Unavailable if status == 206 else FileError, server.url())

    assert place.names == []


def test_five_attempts_without_a_new_byte_are_enough(place):
    with FaultServer([(ranged(FILM, cut_after=1000),), reply(b"", 500)]) as server:
        text = place.fails(Unavailable, server.url())
        assert len(server.requests) == 1 + 5

    assert place.pauses == [0.5, 1, 2, 4, 8]
    assert "1000 bytes of it are kept" in text
    assert place.part.read_bytes() == FILM[:1000]
    assert json.loads(place.sidecar.read_text())["bytes"] == 1000


def test_attempts_that_each_bring_one_byte_are_bounded(place):
    with FaultServer([(ranged(FILM, cut_after=1),)]) as server:
        place.fails(Unavailable, server.url())
        assert len(server.requests) == 70


def test_a_host_that_is_not_there_is_given_up(place):
    with FaultServer([]) as server:
        url = server.url()
    place.fails(Unavailable, url)

    assert place.names == []


# Slow hosts


@pytest.mark.parametrize("begun", [(), (head(content_length=len(FILM), etag='"v1"'),)], ids=["no head", "no body"])
def test_a_host_that_says_nothing_is_given_up_after_five_tries(place, begun):
    with FaultServer([(*begun, stall())]) as server:
        assert "too slow" in place.fails(Unavailable, server.url())
        assert len(server.requests) == 5


def test_a_stall_in_the_middle_is_resumed(place):
    half = (head(content_length=len(FILM), etag='"v1"'), send(FILM[:150_000]), stall())
    with FaultServer([half, (ranged(FILM),)]) as server:
        place.download(server.url())

    assert ranges(server) == [None, "bytes=150000-"]
    assert place.target.read_bytes() == FILM


SLOW = {
    "head": (dribble(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 500, 0.02),),
    "body": (head(content_length=len(FILM), etag='"v1"'), dribble(FILM, 0.02)),
    "body and close": (head(content_length=len(FILM), etag='"v1"', connection="close"), dribble(FILM, 0.02)),
    "chunk size": (head(transfer_encoding="chunked", etag='"v1"'), dribble(b"0" * 500, 0.02)),
    "body without length": (head(), dribble(FILM, 0.02)),
}


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW)
def test_a_dribble_that_never_ends_is_given_up(place, answer):
    with FaultServer([answer]) as server:
        text = place.fails(Unavailable, server.url(), limits=TransferLimits(idle=5, window=0.15, attempts=3))
        assert len(server.requests) == 3

    assert "too slow" in text
    assert not place.target.exists()


def test_the_limits_end_a_dribble_within_6_minutes():
    limits = TransferLimits()

    assert limits.attempts * limits.window + sum([1, 2, 4, 8]) <= 360
    assert 10 * limits.window < limits.min_bytes


# Links and redirects


def test_redirects_are_followed_and_asked_again_for_every_attempt(place):
    hops = [redirect(f"/{number}", status) for number, status in enumerate((301, 302, 303, 307, 308))]
    with FaultServer([*hops, (ranged(FILM, cut_after=1000),), *hops, (ranged(FILM),)]) as server:
        place.download(server.url())

    assert ranges(server) == [None] * 6 + ["bytes=1000-"] * 6
    assert place.target.read_bytes() == FILM


def test_a_redirect_loop_ends_after_six_requests(place):
    with FaultServer([redirect("/again")]) as server:
        assert "too many redirects" in place.fails(FileError, server.url())
        assert len(server.requests) == 6


def test_a_redirect_to_another_host_over_tls_carries_nothing(place, authority):
    bundle, context = authority
    with FaultServer([(ranged(FILM),)], tls=context) as second:
        first_answer = redirect(second.url("/x", host="localhost"))
        with FaultServer([first_answer], tls=context) as first:
            place.download(first.url(), session=Session(ca_bundle=bundle))

    assert place.target.read_bytes() == FILM
    assert b"canary" not in second.received


def test_a_redirect_from_https_to_http_is_refused(place, authority):
    bundle, context = authority
    with FaultServer([(ranged(FILM),)]) as plain, FaultServer([redirect(plain.url())], tls=context) as secure:
        text = place.fails(FileError, secure.url(), session=Session(ca_bundle=bundle))
        assert plain.connections == 0

    assert "refused insecure redirect" in text


BAD_LOCATIONS = ["", "file:///etc/passwd", "ftp://h/x", "javascript:alert(1)", "http://[", "http://..."]
BAD_LOCATIONS += ["https:///x", "http://a b/", "http://h:99999/", "http://h\\@x/", "http://user:pw@127.0.0.1/"]
BAD_LOCATIONS += ["data:,x", "/\u00e9".encode().decode("latin-1"), "http://\x1b/", "http://10.0.0.1/x"]


@pytest.mark.parametrize("location", BAD_LOCATIONS)
def test_a_redirect_to_no_place_for_a_result_is_refused(place, location):
    with FaultServer([redirect(location)]) as server:
        text = place.fails(FileError, server.url())
        assert len(server.requests) == 1

    assert "redirect" in text


@pytest.mark.parametrize("location", ["//", "http://", "http:", "?", "#"])
def test_a_redirect_that_leads_back_is_harmless(place, location):
    with FaultServer([redirect(location)]) as server:
        assert "too many redirects" in place.fails(FileError, server.url())
        assert len(server.requests) == 6


@pytest.mark.parametrize("body", [pour(300 << 20), dribble(bytes(100), 0.5)], ids=["300 MB", "dribble"])
def test_the_body_of_a_redirect_is_not_read(place, body):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    hop = (head(302, location="/next", content_length=300 << 20), body)
    with FaultServer([hop, (ranged(FILM),)]) as server:
        place.download(server.url())

    assert place.target.read_bytes() == FILM
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


PRIVATE = ["127.0.0.1", "localhost", "10.1.2.3", "192.168.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]"]
PRIVATE += ["0x7f.1", "2130706433", "0.0.0.0", "router.local", "intranet", "[fe80::1]", "127.1"]


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_address_is_refused_where_the_service_is_public(place, host):
    with FaultServer([(ranged(FILM),)]) as server:
        text = place.fails(FileError, f"https://{host}:{server.port}/v.mp4", session=Session(public_only=True))
        assert server.connections == 0

    assert "private address" in text


def test_a_link_with_a_login_is_refused(place):
    with FaultServer([(ranged(FILM),)]) as server:
        link = f"http://user:canary@127.0.0.1:{server.port}/v.mp4"
        assert "login" in place.fails(FileError, link)
        assert server.connections == 0


@pytest.mark.parametrize(
    ("link", "public_only"), [("http://example.com/v.mp4", True), ("http://example.com/v.mp4", False)]
)
def test_a_result_link_without_tls_is_refused(place, link, public_only):
    assert "refused insecure link" in place.fails(FileError, link, session=Session(public_only=public_only))


@pytest.mark.parametrize("link", ["ftp://h/x", "https://", "https://[", "https://h/\n", "https://h:0/", "v.mp4"])
def test_a_link_that_is_none_is_refused(place, link):
    assert "bad link" in place.fails(FileError, link)


def test_names_from_the_host_are_not_looked_at(place):
    headers = {"content_disposition": 'attachment; filename="../../evil.mp4"'}
    with FaultServer([redirect("/..%2f..%2fevil.mp4"), (ranged(FILM, **headers),)]) as server:
        place.download(server.url("/%2e%2e/evil"))

    assert place.names == ["out.mp4"]
    assert [path.name for path in place.folder.parent.iterdir()] == ["folder"]


# The target


@pytest.mark.parametrize(
    "name", ["CON", "NUL.mp4", "COM¹", "x.", "a:b", "a" * 300, "..", "a\0b", "a\nb"], ids=lambda name: ascii(name[:9])
)
def test_a_name_that_is_not_allowed_costs_no_request(place, name):
    with FaultServer([(ranged(FILM),)]) as server:
        assert "name not allowed" in place.fails(UsageError, server.url(), target=Path(f"{place.folder}/{name}"))
        assert server.connections == 0


def test_a_folder_that_is_missing_or_a_file_or_closed_costs_no_request(place):
    place.target.write_bytes(b"")
    with FaultServer([(ranged(FILM),)]) as server:
        assert "there is no folder" in place.fails(FileError, server.url(), target=place.folder / "no" / "x.mp4")
        assert "there is no folder" in place.fails(FileError, server.url(), target=place.target / "x.mp4")
        closed = Path("/proc")  # root may write in every folder but this
        assert "cannot write in" in place.fails(FileError, server.url(), target=closed / "x.mp4")
        assert server.connections == 0


def test_a_folder_that_vanishes_midway_is_a_file_error(place):
    away = place.folder.parent / "away"
    vanish = call(lambda: place.folder.rename(away))
    answer = (head(content_length=len(FILM)), send(FILM[:1000]), vanish, send(FILM[1000:]))
    with FaultServer([answer]) as server, pytest.raises(FileError, match="cannot save"):
        place.download(server.url())

    assert not (away / "out.mp4").exists()


def test_an_existing_target_is_refused_before_a_request(place):
    place.target.write_bytes(b"mine")
    with FaultServer([(ranged(FILM),)]) as server:
        assert "--force" in place.fails(FileError, server.url())
        assert server.connections == 0

    assert place.target.read_bytes() == b"mine"
    assert place.names == ["out.mp4"]


def test_with_overwrite_the_old_target_stays_until_the_new_one_is_whole(place):
    place.target.write_bytes(b"mine")
    seen = []
    look = call(lambda: seen.append(place.target.read_bytes()))
    with FaultServer([(head(content_length=len(FILM)), send(FILM[:-1]), look, send(FILM[-1:]))]) as server:
        place.download(server.url(), overwrite=True)

    assert seen == [b"mine"]
    assert place.target.read_bytes() == FILM
    assert place.names == ["out.mp4"]


def test_a_file_that_appears_during_the_download_is_untouched_every_time(place):
    small = FILM[:2000]
    for number in range(CUTS):
        target = place.folder / f"{number}.mp4"
        appear = call(lambda target=target: target.write_bytes(b"mine"))
        with FaultServer([(head(content_length=2000), send(small[:-1]), appear, send(small[-1:]))]) as server:
            assert "exists" in place.fails(FileError, server.url(), target=target)
        assert target.read_bytes() == b"mine"


@pytest.mark.parametrize("suffix", ["", *LEFT_OVERS])
@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "fifo"])
def test_a_link_or_worse_in_the_place_of_our_files_is_refused(place, suffix, kind):
    victim = place.folder.parent / "victim"
    planted = place.folder / f"out.mp4{suffix}"
    if kind == "folder":
        planted.mkdir()
    elif kind == "fifo":
        os.mkfifo(planted)
    else:
        planted.symlink_to(victim)
    if kind == "link":
        victim.write_bytes(b"mine")
    with FaultServer([(ranged(FILM),)]) as server:
        place.fails(FileError, server.url(), overwrite=True)
        assert server.connections == 0
    with pytest.raises(FileError, match=r"refused link|not a regular file"):
        check_target(place.target, overwrite=True)

    assert victim.exists() == (kind == "link")
    assert kind != "link" or victim.read_bytes() == b"mine"


@pytest.mark.parametrize("suffix", [".part", ".part.json"])
def test_another_name_of_somebodys_file_is_not_written_to(place, suffix):
    victim = place.folder.parent / "victim"
    victim.write_bytes(b"mine")
    os.link(victim, place.folder / f"out.mp4{suffix}")
    with FaultServer([(ranged(FILM),)]) as server:
        assert "refused link" in place.fails(FileError, server.url())

    assert victim.read_bytes() == b"mine"


def test_check_target_says_whether_a_file_may_be_saved_there(place):
    check_target(place.target, overwrite=False)
    place.target.write_bytes(b"mine")
    check_target(place.target, overwrite=True)
    with pytest.raises(FileError, match="exists"):
        check_target(place.target, overwrite=False)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_hard_links_there_is_still_no_overwriting(place, monkeypatch, number):
    def link(*_args, **_options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(target.os, "link", link)  # as vfat answers; mounting one needs root
    appear = call(lambda: (place.folder / "late.mp4").write_bytes(b"mine"))
    with FaultServer([(ranged(FILM),), (head(content_length=9), send(b"12345678"), appear, send(b"9"))]) as server:
        place.download(server.url())
        assert "exists" in place.fails(FileError, server.url(), target=place.folder / "late.mp4")

    assert place.target.read_bytes() == FILM
    assert (place.folder / "late.mp4").read_bytes() == b"mine"


# Part files are ours


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@as_root
@pytest.mark.parametrize("suffix", LEFT_OVERS)
def test_what_another_user_planted_is_not_used(place, suffix):
    place.leave_part(REMAKE, length=len(REMAKE))
    (place.folder / "out.mp4.part.lock").touch()
    os.chown(place.folder / f"out.mp4{suffix}", 12345, 12345)
    place.folder.chmod(0o1777)
    with FaultServer([(ranged(FILM),)]) as server:
        assert "belongs to another user" in place.fails(FileError, server.url())
        assert server.connections == 0

    assert not place.target.exists()


@as_root
def test_a_target_that_another_user_vouches_for_is_not_taken_for_ours(place):
    place.leave_part(REMAKE, length=len(REMAKE))
    place.part.rename(place.target)
    os.chown(place.sidecar, 12345, 12345)

    assert part_file.finished_before(place.target, "task#0") is None
    assert not part_file.is_vouched_for(place.target)


@pytest.mark.parametrize("suffix", [".part", ".part.json"])
def test_a_part_file_that_others_may_write_to_is_made_anew(place, suffix):
    place.leave_part(FILM[:1000], length=len(FILM))
    (place.folder / f"out.mp4{suffix}").chmod(0o666)
    with FaultServer([(ranged(FILM),)]) as server:
        place.download(server.url())

    assert ranges(server) == [None]
    assert place.target.read_bytes() == FILM
    assert not mode(place.target) & 0o002


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_run_that_was_killed_between_the_name_and_the_end_stands_in_nobodys_way(place, overwrite):
    place.leave_part(FILM, length=len(FILM))
    os.link(place.part, place.target)
    with FaultServer([(ranged(FILM),)]) as server:
        place.download(server.url(), overwrite=overwrite)

    assert place.target.read_bytes() == FILM
    assert place.names == ["out.mp4"]


def test_a_name_that_is_not_utf_8_keeps_its_bytes(place):
    folder = place.folder / "Caf\udce9"
    folder.mkdir()
    with FaultServer([(ranged(FILM, cut_after=1000),), (ranged(FILM),)]) as server:
        saved = place.download(server.url(), target=folder / "clip\udcff.mp4")

    assert os.listdir(os.fsencode(folder)) == [b"clip\xff.mp4"]
    assert os.fsencode(saved.path) == os.fsencode(folder) + b"/clip\xff.mp4"


def test_the_path_that_is_given_back_is_where_the_file_is(place):
    (place.folder / "real" / "deep").mkdir(parents=True)
    (place.folder / "link").symlink_to(place.folder / "real" / "deep")
    with FaultServer([(ranged(FILM),)]) as server:
        saved = place.download(server.url(), target=place.folder / "link" / ".." / "x.mp4")

    assert saved.path == str(place.folder / "real" / "x.mp4")
    assert Path(saved.path).read_bytes() == FILM


# Finishing


def louder(place, fails=None):
    """A step that makes another clip from the one that was delivered."""

    def finish(part):
        assert part == place.part
        place.delivered = part.read_bytes()
        assert not place.target.exists()
        made = target.sibling(part, ".mp4")
        made.write_bytes(REMAKE)
        if fails is not None:
            raise fails
        return made

    return finish


def test_what_is_finished_gets_the_name_and_both_hashes_are_reported(place):
    with FaultServer([(ranged(FILM),)]) as server:
        saved = place.download(server.url(), finish=louder(place))

    assert place.delivered == FILM
    assert place.target.read_bytes() == REMAKE
    assert (saved.sha256, saved.bytes) == (hashlib.sha256(REMAKE).hexdigest(), len(REMAKE))
    assert saved.delivered_sha256 == hashlib.sha256(FILM).hexdigest()
    assert place.names == ["out.mp4"]


def test_a_step_that_makes_nothing_leaves_what_was_delivered(place):
    with FaultServer([(ranged(FILM),)]) as server:
        saved = place.download(server.url(), finish=lambda _part: None)

    assert place.target.read_bytes() == FILM
    assert saved.sha256 == saved.delivered_sha256


@pytest.mark.parametrize("error", [FileError("no ffmpeg"), RuntimeError("boom"), KeyboardInterrupt()], ids=repr)
def test_a_step_that_fails_costs_no_delivered_byte(place, error):
    with FaultServer([(ranged(FILM),)]) as server:
        with pytest.raises(type(error)):
            place.download(server.url(), finish=louder(place, error))
        assert place.names == ["out.mp4.part", "out.mp4.part.json"]
        place.download(server.url(), finish=louder(place))

    assert ranges(server) == [None, f"bytes={len(FILM) - (1 << 16)}-"]
    assert place.target.read_bytes() == REMAKE
    assert place.names == ["out.mp4"]


def test_a_step_that_was_killed_leaves_nothing_behind_in_the_end(place):
    place.leave_part(FILM, length=len(FILM))
    target.sibling(place.part, ".mp4").write_bytes(b"half")
    with FaultServer([(ranged(FILM),)]) as server:
        place.download(server.url())

    assert place.target.read_bytes() == FILM
    assert place.names == ["out.mp4"]


def test_a_finished_file_that_a_crash_left_is_recognised(place):
    with FaultServer([(ranged(FILM),)]) as server:
        first = place.download(server.url(), finish=louder(place), keep_sidecar=True)
        place.part.write_bytes(FILM)  # killed before the part file could go
        again = place.download(server.url(), finish=louder(place))
        assert len(server.requests) == 1

    assert again == first
    assert place.names == ["out.mp4"]


def test_a_finished_file_overwrites_nothing_unasked(place):
    appear = call(lambda: place.target.write_bytes(b"mine"))
    with FaultServer([(head(content_length=9), send(b"12345678"), appear, send(b"9"))]) as server:
        assert "exists" in place.fails(FileError, server.url(), finish=lambda part: made_from(part))

    assert place.target.read_bytes() == b"mine"


def made_from(part):
    made = target.sibling(part, ".mp4")
    made.write_bytes(REMAKE)
    return made


# Warnings and words


def test_a_merely_unusual_container_gets_its_name_and_a_warning(place):
    with FaultServer([(ranged(FILM),)]) as server:
        place.download(server.url(), check_whole=lambda _path: ["4 bytes after the last box"])

    assert place.target.read_bytes() == FILM
    assert place.done.warnings == ("4 bytes after the last box",)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_without_fsync_gets_the_file_and_one_warning(place, monkeypatch, number):
    def cannot(_descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "fsync", cannot)  # some FUSE and SMB mounts
    with FaultServer([(ranged(FILM),)]) as server:
        place.download(server.url())

    assert place.target.read_bytes() == FILM
    assert len(place.done.warnings) == 1
    assert "fsync" in place.done.warnings[0]


def test_a_file_system_without_locks_still_gets_a_whole_file(place, monkeypatch):
    def cannot(*_args):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(files.fcntl, "flock", cannot)
    with FaultServer([(ranged(FILM),)]) as server:
        place.download(server.url())
        text = place.fails(
            FileError,
            server.url(),
            target=place.folder / "b.mp4",
            check_whole=lambda path: path.write_bytes(REMAKE) and (),
        )

    assert "was changed while it was written" in text
    assert place.target.read_bytes() == FILM
    assert not (place.folder / "b.mp4").exists()


def test_the_log_names_what_was_resumed_refused_and_redirected_but_no_signature(place, caplog):
    place.leave_part(FILM[:1000], length=len(FILM))
    answers = [reply(b"", 403), redirect(f"/there?{SECRET}"), (ranged(FILM),)]
    with caplog.at_level("INFO"), FaultServer(answers) as server:
        place.download(server.url("/old"), fresh_link=lambda: server.url(f"/new?{SECRET}"))
        host = f"127.0.0.1:{server.port}"

    assert "goes on after 1000 bytes" in caplog.text
    assert "refused the link (HTTP 403)" in caplog.text
    assert f"redirects to http://{host}/there" in caplog.text
    assert "canary" not in caplog.text


def test_a_held_lock_ends_the_wait_at_the_deadline_and_costs_no_request(place):
    lock = files.Lock(place.folder / "out.mp4.part.lock")
    lock.acquire()
    with FaultServer([(ranged(FILM),)]) as server:
        text = place.fails(FileError, server.url(), deadline=time.monotonic() + 0.3)
        assert server.connections == 0
    lock.release()

    assert f"out.mp4.part.lock is still held by process {os.getpid()}" in text
    assert "run the same command again" in text


# Disks


SCRIPT = """
import sys, resource, signal
from pathlib import Path
from luma_cli import errors, signals
from luma_cli.api import transport
from luma_cli.downloads.download import download
if sys.argv[3] != "0":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
signals.install()
try:
    download(sys.argv[1], Path(sys.argv[2]), identity="task#0", session=transport.Session(),
             check_whole=lambda path: None, sleep=lambda seconds: None)
except errors.LumaError as error:
    print(error.message)
    sys.exit(error.exit_code)
except signals.Stopped as stopped:
    sys.exit(128 + stopped.signum)
"""


def start(place, url, most_bytes=0):
    command = [sys.executable, "-c", SCRIPT, url, str(place.target), str(most_bytes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_a_full_disk_keeps_what_is_there_and_goes_on_later(place):
    with FaultServer([(ranged(FILM),)]) as server:
        process = start(place, server.url(), 100_000)
        output, _ = process.communicate(timeout=20)
        assert (process.returncode, output.strip()) == (11, f"disk full in {place.folder}")
        assert FILM.startswith(place.part.read_bytes())
        place.download(server.url())

    assert place.target.read_bytes() == FILM
    assert len(server.requests) == 2


def test_a_failing_fsync_gives_no_name_and_trusts_nothing(place, monkeypatch):
    def fail(_descriptor):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch, FaultServer([(ranged(FILM),)]) as server:
        patch.setattr(part_file.os, "fsync", fail)  # no disk at hand that fails on demand
        assert "cannot save" in place.fails(FileError, server.url())

    assert not place.target.exists()
    assert not place.sidecar.exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_bytes_are_on_disk_before_the_name_and_the_name_before_success(place, monkeypatch, overwrite):
    done = []
    for name in ("fsync", "link", "replace"):
        original = getattr(os, name)

        def note(first, *rest, name=name, original=original, **options):
            kind = "folder" if name == "fsync" and stat.S_ISDIR(os.fstat(first).st_mode) else "file"
            done.append(f"{name} {kind}")
            return original(first, *rest, **options)

        monkeypatch.setattr(os, name, note)
    with FaultServer([(ranged(FILM),)]) as server:
        place.download(server.url(), overwrite=overwrite, check_whole=lambda _path: done.append("check"))

    assert done == ["check", "fsync file", "replace file" if overwrite else "link file", "fsync folder"]


# Signals, crashes and neighbours


@pytest.mark.parametrize("offset", [1, 70_000, 299_999])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_true_prefix_that_is_continued(place, number, offset):
    sent = threading.Event()
    half = (head(content_length=len(FILM), etag='"v1"'), send(FILM[:offset]), tell(sent), stall())
    with FaultServer([half, (ranged(FILM),)]) as server:
        process = start(place, server.url())
        assert sent.wait(20)
        wait_until(lambda: place.part.exists() and place.part.stat().st_size == offset)
        process.send_signal(number)
        process.communicate(timeout=10)
        assert process.returncode == 128 + number
        assert place.part.read_bytes() == FILM[:offset]
        place.download(server.url())

    assert ranges(server) == [None, f"bytes={offset}-"]
    assert place.target.read_bytes() == FILM
    assert place.names == ["out.mp4"]


def test_a_killed_download_frees_its_lock_and_can_be_run_again(place):
    sent = threading.Event()
    half = (head(content_length=len(FILM), etag='"v1"'), send(FILM[:1000]), tell(sent), stall())
    with FaultServer([half, (ranged(FILM),)]) as server:
        process = start(place, server.url())
        assert sent.wait(20)
        wait_until(lambda: place.part.exists() and place.part.stat().st_size == 1000)
        process.kill()
        process.communicate(timeout=10)
        place.download(server.url())

    assert place.target.read_bytes() == FILM
    assert place.names == ["out.mp4"]


def test_two_downloads_of_one_result_make_one_file_and_one_request(place):
    go_on, started = threading.Event(), threading.Event()
    answer = (head(content_length=len(FILM)), send(FILM[:9]), tell(started), stall(go_on), send(FILM[9:]))
    limits = TransferLimits(idle=10)
    with FaultServer([answer]) as server:
        results = []
        threads = [
            threading.Thread(target=lambda: results.append(place.download(server.url(), limits=limits)))
            for _ in range(2)
        ]
        threads[0].start()
        assert started.wait(10)
        threads[1].start()
        threads[1].join(0.4)
        go_on.set()
        for thread in threads:
            thread.join(10)
        assert len(server.requests) == 1

    assert results[0].sha256 == results[1].sha256 == hashlib.sha256(FILM).hexdigest()
    assert place.target.read_bytes() == FILM
    assert place.names == ["out.mp4"]


def test_a_download_of_another_result_to_the_same_name_is_refused_in_the_end(place):
    go_on, started = threading.Event(), threading.Event()
    answer = (head(content_length=len(FILM)), send(FILM[:9]), tell(started), stall(go_on), send(FILM[9:]))
    with FaultServer([answer]) as server:
        first = threading.Thread(
            target=place.download, args=(server.url(),), kwargs={"limits": TransferLimits(idle=10)}
        )
        first.start()
        assert started.wait(10)
        threading.Timer(0.3, go_on.set).start()
        assert "exists" in place.fails(FileError, server.url(), identity="other#0")
        first.join(10)

    assert place.target.read_bytes() == FILM


def test_a_download_takes_over_when_the_one_before_it_fails(place):
    go_on, started = threading.Event(), threading.Event()
    half = (head(content_length=len(FILM), etag='"v1"'), send(FILM[:9]), tell(started), stall(go_on), hang_up())
    with FaultServer([half, (head(404, content_length=0),), (ranged(FILM),)]) as server:
        first = threading.Thread(
            target=place.fails, args=(FileError, server.url()), kwargs={"limits": TransferLimits(idle=10)}
        )
        first.start()
        assert started.wait(10)
        threading.Timer(0.3, go_on.set).start()
        place.download(server.url())
        first.join(10)

    assert ranges(server) == [None, "bytes=9-", "bytes=9-"]
    assert place.target.read_bytes() == FILM


def test_random_faults_never_give_a_wrong_file(place):
    """A sample of promise P4: whatever the host does, a file that has its name is whole."""
    dice = random.Random(20)
    saved = 0
    for number in range(CUTS):
        path = place.folder / f"{number}.mp4"
        with FaultServer([random_answer(dice) for _ in range(12)] + [(ranged(FILM),)]) as server:
            try:
                place.download(server.url(), target=path)
                saved += 1
            except (Unavailable, FileError):
                assert not path.exists()
            else:
                assert path.read_bytes() in (FILM, REMAKE)
    assert saved > CUTS // 6


def random_answer(dice):
    offset = dice.randrange(len(FILM))
    return dice.choice(
        [
            (ranged(FILM, cut_after=offset),),
            (ranged(REMAKE, etag='"v2"', cut_after=offset),),
            (head(content_length=len(FILM), etag='"v1"'), send(FILM[:offset]), reset()),
            (head(206, content_length=9, content_range=f"bytes {offset}-{offset + 8}/300000"), send(b"x" * 9)),
            (head(transfer_encoding="chunked"), chunks(FILM[:offset], end=False), hang_up()),
            reply(b"", dice.choice([500, 503, 416, 429])),
            redirect("/again"),
            (send(b"garbage\r\n\r\n"), hang_up()),
            (reset(),),
        ]
    )


def wait_until(is_true):
    tick = threading.Event()
    for _ in range(500):
        if is_true():
            return
        tick.wait(0.02)
    raise AssertionError
