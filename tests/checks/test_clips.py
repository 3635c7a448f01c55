"""The checks before money is spent: each with what triggers it and what must not, as a user meets them."""

import gzip
import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luma_cli.api.transport import Session
from luma_cli.checks import links
from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, DATA, Result
from support.fault_server import FaultServer, Peer, dribble, hang_up, head, pour, redirect, reply, send, stall

Luma = Callable[..., Result]
PROMPT = "Heavy snow falls at night"
SERVICE = "https://api.example.com"


@pytest.fixture(autouse=True)
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service on this machine, so that links to this machine are looked at. --dry-run does not call it."""
    monkeypatch.setenv("LUMA_BASE_URL", "http://127.0.0.1:9")


@pytest.fixture
def findings(luma: Luma) -> Callable[..., list[tuple[str, str]]]:
    """Name and level of what `luma modify WORDS --dry-run --json` finds."""

    def call(*words: object) -> list[tuple[str, str]]:
        code, out, err = luma("modify", *words, "-n", "--json")
        objects = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
        reports = [line["findings"] for line in objects if "findings" in line]
        found = (
            reports[0] if reports else [finding for line in objects for finding in line["error"].get("findings", [])]
        )
        errors = [finding for finding in found if finding["level"] == "error"]
        assert code == (2 if errors else 0), err
        assert (out == "") == bool(errors)
        if errors:
            assert objects[-1]["error"]["exitCode"] == 2
            assert objects[-1]["error"]["findings"]
        return [(finding["name"], finding["level"]) for finding in found]

    return call


def served(content: bytes, **headers: object) -> Callable[[Peer], None]:
    """Both ends of a range are obeyed."""

    def act(peer: Peer) -> None:
        assert peer.request is not None
        first, _, last = peer.request.headers["range"].removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1]
        place = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
        head(206, content_length=len(part), content_range=place, **headers)(peer)
        peer.send(part)

    return act


@pytest.fixture
def host() -> Iterator[Callable[..., FaultServer]]:
    """A file host that gives this answer to everything."""
    servers: list[FaultServer] = []

    def start(*answer: Callable[[Peer], None]) -> FaultServer:
        servers.append(FaultServer([answer]).__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__(None, None, None)


# --- prompt and callback ---


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        (PROMPT, []),
        ("", [("prompt-empty", "error")]),
        (" \n", [("prompt-empty", "error")]),
        ("夜里下大雪", [("prompt-not-english", "error")]),
        ("雪", [("prompt-not-english", "error")]),
        ("❄️ !", [("prompt-wordless", "warning")]),
        ("4k", []),
        ("Es schneit heftig in der Nacht", [("prompt-not-english", "warning")]),
        ("sandbox:flag3 夜里下大雪", []),
    ],
)
def test_the_prompt(findings: Callable[..., object], prompt: str, found: object) -> None:
    assert findings(CLIP, "-p", prompt) == found


@pytest.mark.parametrize(
    ("base", "url", "found"),
    [
        (SERVICE, "https://hooks.example.com/luma", []),
        (SERVICE, "http://hooks.example.com/luma", [("callback-not-https", "warning")]),
        (SERVICE, "https://192.168.0.9/luma", [("callback-private", "error")]),
        (SERVICE, "https://localhost/luma", [("callback-private", "error")]),
        (SERVICE, "hooks.example.com/luma", [("callback-invalid", "error")]),
        (SERVICE, "ftp://hooks.example.com/luma", [("callback-invalid", "error")]),
        ("http://127.0.0.1:9", "http://127.0.0.1:8080/luma", []),
    ],
)
def test_the_callback_url(
    findings: Callable[..., object], monkeypatch: pytest.MonkeyPatch, base: str, url: str, found: object
) -> None:
    monkeypatch.setenv("LUMA_BASE_URL", base)
    assert findings(CLIP, "-p", PROMPT, "--callback-url", url) == found


# --- local clips ---


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("street.mp4", []),
        ("tiny-front.mp4", []),
        ("tiny-end.mp4", []),
        ("tiny.mov", []),
        ("tiny.avi", []),
        ("tiny-12s.mp4", [("too-long", "error")]),
        ("tiny.webm", [("not-a-video", "error")]),
    ],
)
def test_a_local_clip(findings: Callable[..., object], name: str, found: object) -> None:
    assert findings(DATA / name, "-p", PROMPT) == found


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"<!DOCTYPE html><html>", [("url-share-page", "error")]),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), [("not-a-video", "error")]),
        (b"anything", [("not-a-video", "error")]),
        (CLIP.read_bytes()[:40], [("damaged", "error")]),
    ],
)
def test_a_local_file_that_is_not_a_clip(findings: Callable[..., object], content: bytes, found: object) -> None:
    Path("clip.mp4").write_bytes(content)
    assert findings("clip.mp4", "-p", PROMPT) == found


@pytest.mark.parametrize(
    ("size", "found"),
    [
        (99_000_000, []),
        (101_000_000, [("too-large", "error")]),
        (500_000_001, [("too-large", "error")]),
    ],
)
def test_the_size_of_a_clip(findings: Callable[..., object], size: int, found: object) -> None:
    content = CLIP.read_bytes()
    with Path("clip.mp4").open("wb") as file:
        file.write(content + (size - len(content)).to_bytes(4, "big") + b"free")
        file.truncate(size)
    assert findings("clip.mp4", "-p", PROMPT) == found


# --- links ---


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.mp4",
        "https://10.0.0.8/a.mp4",
        "https://[::1]/a.mp4",
        "https://[::ffff:127.0.0.1]/a.mp4",
        "http://0x7f.1/a.mp4",
        "http://169.254.169.254/latest/meta-data",
        "https://nas.local/a.mp4",
        "https://localhost:8080/a.mp4",
    ],
)
def test_a_private_address_is_found_without_a_connection(
    findings: Callable[..., object], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("LUMA_BASE_URL", SERVICE)
    assert findings(url, "-p", PROMPT) == [("url-private", "error")]


@pytest.mark.parametrize("url", ["https://user:password@media.example.com/a.mp4", "https:///a.mp4"])
def test_a_link_that_is_not_a_link_is_refused(luma: Luma, url: str) -> None:
    assert luma("modify", url, "-p", PROMPT, "-n").code == 2


@pytest.mark.parametrize(
    "url",
    [
        "https://drive.google.com/file/d/1abc/view?usp=sharing",
        "https://www.dropbox.com/s/abc/clip.mp4?dl=0",
        "https://www.youtube.com/watch?v=abc",
        "https://youtu.be/abc",
    ],
)
def test_a_share_page_is_known_from_a_video(luma: Luma, findings: Callable[..., object], url: str) -> None:
    assert findings(url, "-p", PROMPT) == [("url-share-page", "error")]
    assert "hint: " in luma("modify", url, "-p", PROMPT, "-n").err


def test_a_direct_link_of_dropbox_is_not_a_share_page(findings: Callable[..., object]) -> None:
    assert findings("https://www.dropbox.com/s/abc/clip.mp4?raw=1", "-p", PROMPT) == []


@pytest.mark.parametrize("name", ["street.mp4", "tiny-front.mp4", "tiny-end.mp4", "tiny.mov", "tiny.avi"])
def test_a_good_link_costs_a_few_small_requests(
    findings: Callable[..., object], host: Callable[..., FaultServer], name: str
) -> None:
    server = host(served((DATA / name).read_bytes()))

    assert findings(server.url("/a.mp4"), "-p", PROMPT) == []
    asked = [request.headers["range"].removeprefix("bytes=").split("-") for request in server.requests]
    assert len(asked) <= 8
    assert sum(int(last) - int(first) + 1 for first, last in asked) <= 64 * 1024
    assert b"uthorization" not in server.received
    assert b"ookie" not in server.received


def test_a_long_clip_behind_a_link_is_found_by_its_header(
    findings: Callable[..., object], host: Callable[..., FaultServer]
) -> None:
    server = host(served((DATA / "tiny-12s.mp4").read_bytes()))
    assert findings(server.url("/a.mp4"), "-p", PROMPT) == [("too-long", "error")]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (reply(b"<html>", content_type="text/html; charset=utf-8"), [("url-share-page", "error")]),
        (reply(b"<!doctype html><html>", content_type="video/mp4"), [("url-share-page", "error")]),
        (reply(b"GIF89a" + bytes(99), 206, content_range="bytes 0-104/105"), [("not-a-video", "error")]),
        (reply(b"", 404), [("url-unreachable", "error")]),
        (reply(b"", 403), [("url-unreachable", "error")]),
        (reply(b"", 503), [("url-unreachable", "warning")]),
        (redirect("/again"), [("url-unreachable", "error")]),
        (redirect("http://["), [("url-invalid", "error")]),
        (redirect("file:///etc/passwd"), [("url-invalid", "error")]),
        (redirect("https://drive.google.com/file/d/1/view"), [("url-share-page", "error")]),
        (reply(CLIP.read_bytes()), []),
        ((head(200, content_length=10**13), pour(1 << 20)), [("not-a-video", "error")]),
        (
            (head(206, content_range="bytes 0-99/700000000", content_length=100), send(CLIP.read_bytes()[:100])),
            [("too-large", "error")],
        ),
    ],
    ids=range(13),
)
def test_what_a_host_may_reply(
    findings: Callable[..., object],
    host: Callable[..., FaultServer],
    answer: tuple[Callable[[Peer], None], ...],
    found: object,
) -> None:
    assert findings(host(*answer).url("/a.mp4"), "-p", PROMPT) == found


def test_a_host_that_refuses_the_connection_is_an_error(findings: Callable[..., object]) -> None:
    with FaultServer([]) as server:
        url = server.url("/a.mp4")
    assert findings(url, "-p", PROMPT) == [("url-unreachable", "error")]


def test_a_certificate_that_is_not_trusted_is_doubtful(findings: Callable[..., object]) -> None:
    """Ours may not be those of kie.ai."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with FaultServer([reply(CLIP.read_bytes())], tls=context) as server:
        assert findings(server.url("/a.mp4"), "-p", PROMPT) == [("url-unreachable", "warning")]
    assert server.requests == []


@pytest.mark.parametrize(("status", "level"), [(400, "error"), (405, "error"), (410, "error"), (451, "error")])
@pytest.mark.parametrize("body", [b"", b"<html>Sorry</html>"])
def test_a_refusal_is_an_error(
    findings: Callable[..., object], host: Callable[..., FaultServer], status: int, level: str, body: bytes
) -> None:
    assert findings(host(*reply(body, status)).url("/a.mp4"), "-p", PROMPT) == [("url-unreachable", level)]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 599, 299, 304])
def test_what_may_pass_is_doubtful(
    findings: Callable[..., object], host: Callable[..., FaultServer], status: int
) -> None:
    assert findings(host(*reply(b"", status)).url("/a.mp4"), "-p", PROMPT) == [("url-unreachable", "warning")]


def test_an_empty_file_is_not_a_video(findings: Callable[..., object], host: Callable[..., FaultServer]) -> None:
    for answer in (reply(b"", 416, content_range="bytes */0"), reply(b"")):
        assert findings(host(*answer).url("/a.mp4"), "-p", PROMPT) == [("not-a-video", "error")]


def test_an_encoded_file_is_not_judged(findings: Callable[..., object], host: Callable[..., FaultServer]) -> None:
    answer = reply(gzip.compress(CLIP.read_bytes()), content_encoding="gzip")
    assert findings(host(*answer).url("/a.mp4"), "-p", PROMPT) == [("url-unchecked", "warning")]


def test_the_bytes_of_a_video_are_believed_before_its_content_type(
    findings: Callable[..., object], host: Callable[..., FaultServer]
) -> None:
    assert findings(host(*reply(CLIP.read_bytes(), content_type="text/html")).url("/a.mp4"), "-p", PROMPT) == []


@pytest.mark.parametrize("redirects", [5, 6])
def test_five_redirects_are_followed(
    findings: Callable[..., object], redirects: int, host: Callable[..., FaultServer]
) -> None:
    answers = [*[redirect(f"/{number}") for number in range(redirects)], reply(CLIP.read_bytes())]
    with FaultServer(answers) as server:
        found = findings(server.url("/a.mp4"), "-p", PROMPT)
    assert found == ([] if redirects == 5 else [("url-unreachable", "error")])
    assert len(server.requests) == 6


LATE_INDEX = b"\0\0\0\x10ftypisom\0\0\0\0" + (20_000).to_bytes(4, "big") + b"mdat" + bytes(19_992) + bytes(500)


@pytest.mark.parametrize("answer", [reply(b"", 503), reply(b"", 404), redirect("/b"), reply(b"x"), (hang_up(),)])
def test_an_error_after_the_first_bytes_leaves_only_the_length_untold(
    findings: Callable[..., object], answer: tuple[Callable[[Peer], None], ...]
) -> None:
    with FaultServer([(served(LATE_INDEX),), answer]) as server:
        assert findings(server.url("/a.mp4"), "-p", PROMPT) == [("duration-unknown", "warning")]
    assert len(server.requests) == 2


def test_a_host_without_ranges_leaves_the_length_of_a_clip_with_a_late_index_untold(
    findings: Callable[..., object], host: Callable[..., FaultServer]
) -> None:
    server = host(*reply(LATE_INDEX))
    assert findings(server.url("/a.mp4"), "-p", PROMPT) == [("duration-unknown", "warning")]
    assert len(server.requests) <= 2


def test_a_file_of_nothing_but_boxes_costs_less_than_a_mebibyte(host: Callable[..., FaultServer]) -> None:
    box = (9000).to_bytes(4, "big") + b"free" + bytes(8992)
    server = host(served(b"\0\0\0\x10ftypisom\0\0\0\0" + box * 200))
    with Session() as session:
        [found] = links.check_link(server.url("/a.mp4"), session, allow_local=True)

    asked = [request.headers["range"].removeprefix("bytes=").split("-") for request in server.requests]
    assert found.name == "duration-unknown"
    assert len(asked) <= 65
    assert sum(int(last) - int(first) + 1 for first, last in asked) <= links.MAX_READ


def test_when_the_time_is_over_nothing_more_is_asked(host: Callable[..., FaultServer]) -> None:
    server, seconds = host(served(LATE_INDEX)), [0.0, 0.0, links.BUDGET + 1]
    with Session() as session:
        found = links.check_link(server.url("/a.mp4"), session, allow_local=True, clock=lambda: seconds.pop(0))
    assert [(finding.name, finding.level) for finding in found] == [("duration-unknown", "warning")]
    assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [(stall(),), (dribble(b"HTTP/1.1 200 OK\r\nA: " + b"a" * 10_000, 0.05),)])
def test_a_host_that_is_too_slow_is_doubtful(answer: tuple[Callable[[Peer], None], ...]) -> None:
    seconds = [0.0, links.BUDGET - 0.3]  # what is left when the question is asked
    with FaultServer([answer]) as server, Session() as session:
        found = links.check_link(server.url("/a.mp4"), session, allow_local=True, clock=lambda: seconds.pop(0))
    assert [(finding.name, finding.level) for finding in found] == [("url-unreachable", "warning")]


def test_a_name_that_leads_to_a_private_address_is_found_on_connecting(
    host: Callable[..., FaultServer],
) -> None:
    server = host(*reply(CLIP.read_bytes()))
    with Session(public_only=True) as session:
        found = links.check_link(server.url("/a.mp4"), session, allow_local=True)
    assert [(finding.name, finding.level) for finding in found] == [("url-private", "error")]
    assert server.requests == []


def test_a_sandbox_does_not_follow_a_link_to_the_outside(
    findings: Callable[..., object], host: Callable[..., FaultServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = host(*reply(b"", 502))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url())

    assert findings(host(*redirect(CLIP_URL)).url("/a.mp4"), "-p", PROMPT) == [("url-unchecked", "warning")]
    assert proxy.connections == 0


@pytest.mark.parametrize("count", [1, 2])
def test_the_secret_of_a_signed_link_is_not_shown(luma: Luma, host: Callable[..., FaultServer], count: int) -> None:
    url = host(*reply(b"<html>")).url("/a.mp4?sig=canary-signature")
    for words in ([], ["--json"], ["-v"]):
        result = luma("modify", *[url, url + "2"][:count], "-p", PROMPT, "-n", *words)
        assert result[:2] == (2, "")
        assert "/a.mp4" in result.err or count == 1
        assert "canary-signature" not in result.err


def test_with_a_sandbox_no_host_beyond_this_machine_is_contacted(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy that would be asked is this machine's, and hears nothing."""
    with FaultServer([reply(b"", 502)]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url())
        code, _, err = luma("modify", CLIP_URL, "-p", PROMPT, "-v")
        assert (code, proxy.connections) == (0, 0)
    assert f"luma: {CLIP_URL} is not looked into" in err


# --- what follows from findings ---


def test_all_findings_are_in_one_report(findings: Callable[..., object]) -> None:
    words = (DATA / "tiny-12s.mp4", DATA / "tiny.webm", "-p", "夜里下大雪", "--callback-url", "nowhere")
    names = {"too-long", "not-a-video", "prompt-not-english", "callback-invalid"}
    assert {name for name, _ in findings(*words)} == names  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((DATA / "tiny-12s.mp4",), [("prompt-empty", "error"), ("too-long", "error")]),
    ],
)
def test_every_fault_has_a_name(findings: Callable[..., object], words: tuple[object, ...], found: object) -> None:
    assert findings(*words, "-p", "" if len(words) == 1 else PROMPT) == found


def test_the_prompt_of_a_sandbox_is_not_excused_at_the_service(
    findings: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_BASE_URL", SERVICE)
    assert findings(CLIP, "-p", "sandbox:ok 夜里下大雪") == [("prompt-not-english", "error")]


def test_a_dry_run_leaves_nothing_behind(luma: Luma, home: Path) -> None:
    assert luma("modify", CLIP, "-p", PROMPT, "-n").code == 0
    assert not (home / "state").exists()


def test_the_request_of_a_dry_run_names_what_is_doubtful(luma: Luma) -> None:
    request = json.loads(luma("modify", CLIP, "-p", "Es schneit heftig in der Nacht", "-n", "--json").out)
    assert [(finding["name"], finding["level"], finding["video"]) for finding in request["findings"]] == [
        ("prompt-not-english", "warning", None)
    ]


def test_a_dry_run_shows_the_requests_of_the_clips_that_are_fit(luma: Luma) -> None:
    code, out, err = luma("modify", CLIP, DATA / "tiny-12s.mp4", DATA / "tiny.mov", "-p", PROMPT, "-n", "--json")

    assert (code, out.count("\n")) == (9, 2)
    assert json.loads(err.splitlines()[-1])["error"]["exitCode"] == 9


def test_where_every_clip_is_unfit_it_is_a_wrong_call(luma: Luma, sandbox: Sandbox) -> None:
    code, out, _ = luma("modify", DATA / "tiny-12s.mp4", DATA / "tiny.webm", "-p", PROMPT)
    assert (code, out, sandbox.requests) == (2, "", [])


def test_an_error_sends_nothing(luma: Luma, sandbox: Sandbox) -> None:
    code, out, err = luma("modify", DATA / "tiny-12s.mp4", "-p", PROMPT)

    assert (code, out, sandbox.requests) == (2, "", [])
    assert [line for line in err.splitlines() if line.startswith("luma: error")] == [
        "luma: error: 12.0 s long, kie.ai takes 10 s"
    ]


def test_a_warning_sends_all_the_same(luma: Luma, sandbox: Sandbox) -> None:
    code, _, err = luma("modify", CLIP, "-p", "Es schneit heftig in der Nacht")

    assert (code, len(sandbox.submissions())) == (0, 1)
    assert "luma: warning: the prompt looks like another language" in err


def test_strict_makes_errors_of_warnings(luma: Luma, sandbox: Sandbox) -> None:
    assert luma("modify", CLIP, "-p", "Es schneit heftig in der Nacht", "--strict")[:2] == (2, "")
    assert sandbox.requests == []

    code, _, err = luma("modify", CLIP, "-p", PROMPT, "--callback-url", "http://hooks.example.com/luma", "--strict")
    assert (code, sandbox.requests) == (2, [])
    assert "hint: without --strict this is only a warning\n" in err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("none.mp4",), "check the name and who may read it"),
        (("empty.mp4",), "give the clip itself"),
        (("page.mp4",), "give a direct link, or the file itself"),
        (("notes.txt",), "give a clip in MP4, MOV or AVI"),
        ((CLIP, "--callback-url", "hook"), "write it like https://hooks.example.net/luma"),
    ],
    ids=lambda words: Path(words[-1]).name if isinstance(words, tuple) else None,
)
def test_what_the_service_cannot_take_is_never_worth_a_try(luma: Luma, words: tuple[object, ...], hint: str) -> None:
    """No hint says --no-check where the credits would surely be lost."""
    Path("empty.mp4").touch()
    Path("page.mp4").write_text("<!doctype html><title>no clip</title>")
    Path("notes.txt").write_text("shopping list")

    code, _, err = luma("modify", *words, "-p", PROMPT)
    assert (code, err.splitlines()[-1]) == (2, f"hint: {hint}")


def test_no_check_sends_what_the_checks_would_refuse(luma: Luma, sandbox: Sandbox) -> None:
    assert luma("modify", DATA / "tiny-12s.mp4", "-p", "夜里下大雪", "--no-check").code == 0


def test_an_unfit_clip_does_not_cost_the_others(luma: Luma, sandbox: Sandbox) -> None:
    code, out, err = luma("modify", DATA / "tiny-12s.mp4", CLIP, "-p", PROMPT)

    assert (code, out.count("\n"), len(sandbox.submissions())) == (9, 1, 1)
    assert "tiny-12s.mp4: 12.0 s long" in err


def test_a_clip_that_has_its_task_is_not_looked_at_again(
    luma: Luma, sandbox: Sandbox, host: Callable[..., FaultServer]
) -> None:
    """Its link may have expired long ago."""
    server = host(served(CLIP.read_bytes()))
    words = ("modify", server.url("/a.mp4"), "-p", PROMPT, "--idempotency-key", "auto")
    first = luma(*words)
    seen = len(server.requests)

    assert luma(*words)[:2] == first[:2]
    assert len(server.requests) == seen


@given(content=st.binary(max_size=300), kind=st.sampled_from(["", "ftyp", "RIFF"]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_of_a_file_ends_in_anything_but_findings(content: bytes, kind: str) -> None:
    start = {"": b"", "ftyp": b"\0\0\0\x14ftypisom\0\0\0\0isom", "RIFF": b"RIFF\xff\xff\xff\x7fAVI LIST"}[kind]
    with FaultServer([(served(start + content or b"x"),)]) as server, Session() as session:
        found = links.check_link(server.url("/a.mp4"), session, allow_local=True)
    assert all(finding.name and finding.level in ("error", "warning") for finding in found)


STATUS_LINES = st.sampled_from([b"HTTP/1.1 206 x\r\n", b"HTTP/1.1 200 x\r\n", b"HTTP/1.1 302 x\r\n", b""])
HEADERS = st.sampled_from(
    [b"Content-Range: bytes 0-9/", b"Content-Length: ", b"Location: ", b"Content-Type: ", b"Transfer-Encoding: "]
)


@given(
    start=STATUS_LINES,
    lines=st.lists(st.tuples(HEADERS, st.binary(max_size=20)), max_size=4),
    body=st.binary(max_size=200),
)
@settings(max_examples=60, deadline=None)
def test_no_reply_of_a_host_ends_in_anything_but_findings(
    start: bytes, lines: list[tuple[bytes, bytes]], body: bytes
) -> None:
    raw = start + b"".join(name + value + b"\r\n" for name, value in lines) + b"\r\n" + body
    with FaultServer([(send(raw), hang_up())]) as server, Session() as session:
        found = links.check_link(server.url("/a.mp4"), session, allow_local=True)
    assert found
    assert all(finding.name and finding.level in ("error", "warning") for finding in found)
    assert all(finding.message.isprintable() for finding in found)
