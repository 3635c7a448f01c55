"""`luma report`: what stands in the page, what it links, and that nothing from outside becomes more than text."""

import base64
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urljoin, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luma_cli.api.task import SavedFile, State, Task
from luma_cli.journal.records import Outcome, Row
from luma_cli.output.report import make_page
from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, Result

Luma = Callable[..., Result]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NOON = datetime(2026, 11, 23, 12, 0, 5, 123000, UTC)
LINK = "https://tempfile.example.net/r/out.mp4?sig=a&b=1"
VOID = {"meta", "br", "input"}


def row(number: int = 1, *, source: str = "", digest: str | None = "d", outcome: str = "accepted", **facts: Any) -> Row:
    facts = {"task_id": f"{number:032x}", "state": State.SUCCEEDED, "prompt": "Snow", **facts}
    task = Task(**facts)
    return Row(number, Outcome(outcome), task, source, "https://api.example.net", digest, None, None, NOON, None)


def saved(path: Path, url: str = LINK, *, size: int | None = None) -> SavedFile:
    return SavedFile(str(path), path.stat().st_size if size is None else size, "ab" * 32, url)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "snow.mp4"
    shutil.copy(CLIP, path)
    os.utime(path, (0, 0))
    return path


class Page(HTMLParser):
    """What a browser sees: the elements with their attributes, and the text of each."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[int] = []
        self.feed(text)
        self.close()
        assert self._open == [], "an element was not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts.append("")
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self._open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for index in self._open:
            self.texts[index] += data

    def all(self, tag: str, class_: str | None = None) -> list[str]:
        """The texts of these elements."""
        found = zip(self.elements, self.texts, strict=True)
        return [
            text for (name, attrs), text in found if name == tag and (class_ is None or attrs.get("class") == class_)
        ]

    def values(self, tag: str, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for name, attrs in self.elements if name == tag and attribute in attrs]

    @property
    def sources(self) -> list[str]:
        return self.values("video", "src")

    @property
    def shape(self) -> list[tuple[str, list[str]]]:
        return [(tag, sorted(attrs)) for tag, attrs in self.elements]


def page_of(*rows: Row, folder: Path | None = None) -> Page:
    return Page(make_page(rows, folder or Path("/nowhere")))


# --- the command ---


@pytest.fixture
def edited(sandbox: Sandbox, luma: Luma, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a saved edit of a local clip; from here on there is neither a key nor a service."""
    monkeypatch.setenv("LUMA_INTERVAL", "1s")
    shutil.copy(CLIP, "in.mp4")
    done = luma("modify", "in.mp4", "-p", "Heavy snow falls at night", "-o", "out.mp4", "--json")
    assert done.code == 0
    monkeypatch.delenv("LUMA_API_KEY")
    sandbox.stop()
    return str(json.loads(done.out)["taskId"])


def test_the_page_shows_prompt_id_state_times_size_and_hash(edited: str, luma: Luma) -> None:
    assert luma("report", "@last", "-o", "page.html")[:2] == (0, "page.html\n")

    page = Page(Path("page.html").read_text("utf-8"))
    (article,) = page.all("article")
    content = Path("out.mp4").read_bytes()
    wanted = ("Heavy snow falls at night", edited, "succeeded", "Submitted", "Completed", "Took", "32.2 kB")
    assert [each for each in (*wanted, hashlib.sha256(content).hexdigest()) if each not in article] == []


def test_source_and_saved_result_are_linked_from_the_pages_folder(edited: str, luma: Luma) -> None:
    Path("pages").mkdir()

    assert luma("report", edited[:8], "-o", "pages/one.html").code == 0
    assert Page(Path("pages/one.html").read_text()).sources == ["../in.mp4", "../out.mp4"]


def test_the_source_is_found_from_another_folder_too(edited: str, luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("pages").mkdir()
    monkeypatch.chdir("pages")

    assert luma("report", "-o", "one.html").code == 0
    assert Page(Path("one.html").read_text()).sources == ["../in.mp4", "../out.mp4"]


def test_json_tells_the_path(edited: str, luma: Luma) -> None:
    assert luma("report", "-o", "page.html", "--json")[:2] == (0, '{"schema": "luma/1", "path": "page.html"}\n')


def test_a_dash_writes_the_same_page_to_stdout(edited: str, luma: Luma) -> None:
    luma("report", "-o", "page.html")

    assert luma("report", "-o", "-") == (0, Path("page.html").read_text("utf-8"), "")


def test_a_reader_that_goes_away_ends_it_as_a_closed_pipe(edited: str) -> None:
    words = [sys.executable, "-m", "luma_cli", "report", "-o", "-"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (141, b"")


def test_without_a_task_it_holds_all_that_have_ended_the_newest_first(sandbox: Sandbox, luma: Luma) -> None:
    ids = [luma("modify", CLIP_URL, "-p", prompt, "--no-check").out.strip() for prompt in ("a", "b", "sandbox:flag3 c")]
    luma("status", *ids)
    luma("modify", CLIP_URL, "-p", "still running", "--no-check")

    assert luma("report", "-o", "page.html").code == 0
    assert Page(Path("page.html").read_text()).values("article", "id") == ids[::-1]


def test_named_tasks_come_in_the_order_they_are_named_and_once(sandbox: Sandbox, luma: Luma) -> None:
    ids = [luma("modify", CLIP_URL, "-p", prompt, "--no-check").out.strip() for prompt in "ab"]

    code, _, err = luma("report", "-", "@last", ids[0], "-o", "page.html", stdin="\n".join(ids))
    assert (code, Page(Path("page.html").read_text()).values("article", "id")) == (0, ids)
    assert err == "luma: 2 had not ended when last asked; luma wait brings the journal up to date\n"


@pytest.mark.parametrize("words", [[], ["-"]])
def test_a_page_without_a_task_is_refused(luma: Luma, words: list[str]) -> None:
    code, out, err = luma("report", *words, "-o", "page.html")

    assert (code, out) == (2, "")
    assert "luma: error: there is no task to show" in err.splitlines()
    assert os.listdir() == []


def test_an_existing_file_is_kept(edited: str, luma: Luma) -> None:
    Path("page.html").write_text("mine")

    code, out, err = luma("report", "-o", "page.html")
    assert (code, out, "exists" in err, Path("page.html").read_text()) == (11, "", True, "mine")


def test_force_replaces_it_and_leaves_nothing_beside_it(edited: str, luma: Luma) -> None:
    Path("page.html").write_text("mine")

    assert luma("report", "-o", "page.html", "-f").code == 0
    assert Path("page.html").read_text().startswith("<!doctype html>")
    assert sorted(os.listdir()) == ["in.mp4", "out.mp4", "page.html"]


def make_link() -> None:
    Path("victim").write_text("mine")
    Path("page.html").symlink_to("victim")


@pytest.mark.parametrize(
    ("prepare", "words", "code"),
    [
        (lambda: None, ["-o", "no/page.html"], 11),
        (make_link, ["-o", "page.html", "-f"], 11),
        (lambda: Path("pages").mkdir(), ["-o", "pages"], 2),
        (lambda: None, ["-o", "pages/"], 2),
        (lambda: None, ["-o", "CON.html"], 2),
        (lambda: None, ["-o", "-", "--json"], 2),
        (lambda: None, [], 2),
    ],
)
def test_a_place_where_no_page_can_be_is_refused(
    edited: str, luma: Luma, prepare: Callable[[], object], words: list[str], code: int
) -> None:
    prepare()
    before = sorted(os.listdir())

    result = luma("report", *words)
    assert (result.code, result.out, sorted(os.listdir())) == (code, "", before)
    assert not Path("victim").exists() or Path("victim").read_text() == "mine"


def test_the_page_is_readable_by_whom_the_umask_lets(edited: str, luma: Luma) -> None:
    before = os.umask(0o027)
    try:
        luma("report", "-o", "page.html")
    finally:
        os.umask(before)

    assert Path("page.html").stat().st_mode & 0o777 == 0o640


# --- what stands in it ---


def test_the_page_is_the_same_for_the_same_facts(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(source=str(video), result_urls=(LINK,), files=(saved(video),)), row(2, state=State.GENERATING)]
    first = make_page(rows, video.parent)
    monkeypatch.chdir("/")

    assert make_page(rows, video.parent) == first


def test_the_head_counts_the_states() -> None:
    page = page_of(row(1), row(2), row(3, state=State.GENERATE_FAILED))

    assert page.all("title") == page.all("h1") == ["3 edits by luma"]
    assert "2 succeeded, 1 generate failed" in page.all("header")[0]


@pytest.mark.parametrize(
    ("made", "kind", "state", "why"),
    [
        (row(), "succeeded", "succeeded", ["It has finished without a usable link."]),
        (row(result_urls=(LINK,)), "succeeded", "succeeded", []),
        (row(state=State.CREATE_FAILED, error_code=501), "failed", "create failed", [" (code 501)"]),
        (
            row(state=State.GENERATE_FAILED, error_code="X1", error_message="Policy"),
            "failed",
            "generate failed",
            ["Policy (code X1)"],
        ),
        (row(state=State.GENERATING), "open", "generating", []),
        (row(task_id="", state=State.UNKNOWN, outcome="unknown"), "open", "unknown: may have been charged", []),
        (
            row(task_id="", state=State.UNKNOWN, outcome="refused", error_code=402, error_message="Broke"),
            "open",
            "refused",
            ["Broke (code 402)"],
        ),
    ],
)
def test_a_task_shows_its_state_and_why(made: Row, kind: str, state: str, why: list[str]) -> None:
    page = page_of(made)

    assert page.all("p", f"state {kind}") == [state]
    assert page.all("p", "why") == why


def test_times_are_for_machines_too() -> None:
    times = {"create_time": NOON, "complete_time": NOON + timedelta(seconds=187)}
    page = page_of(row(result_urls=(LINK,), **times))

    assert page.values("time", "datetime")[1:] == ["2026-11-23T12:00:05.123Z", "2026-11-23T12:03:12.123Z"]
    assert "3m07s" in page.all("dl")[0]
    assert "its link expires 2026-12-07 12:03:12 UTC" in page.all("figcaption")[1]


@pytest.mark.parametrize("prompt", ["x" * 121, "two\nlines", " padded "])
def test_a_prompt_that_is_no_heading_stands_whole_below(prompt: str) -> None:
    assert page_of(row(prompt=prompt)).all("p", "prompt") == [prompt]


def test_a_short_prompt_stands_there_once() -> None:
    page = page_of(row(prompt="x" * 120))

    assert (page.all("h2"), page.all("details")) == (["x" * 120], [])


def test_each_of_several_results_stands_beside_the_source(video: Path) -> None:
    links = ("https://a.example.net/1.mp4", "https://a.example.net/2.mp4")
    page = page_of(row(source=CLIP_URL, result_urls=links, files=(saved(video, links[1]),)), folder=video.parent)

    assert page.sources == [CLIP_URL, links[0], CLIP_URL, "snow.mp4"]
    assert page.values("video", "aria-label") == ["Source", "Result 1 of 2", "Source", "Result 2 of 2"]


def test_a_hundred_tasks_fit_on_a_page() -> None:
    page = page_of(*(row(number, source=CLIP_URL, result_urls=(LINK,)) for number in range(1, 101)))

    ids = page.values("article", "id")
    assert (len(ids), len(set(ids)), len(page.sources)) == (100, 100, 200)


# --- what it links ---

NAMES = [
    "a b.mp4",
    "a#b.mp4",
    "a?b.mp4",
    "50%.mp4",
    "%41.mp4",
    "a:b.mp4",
    "-x.mp4",
    "ü 雪.mp4",
    "a\"'<b>&.mp4",
    "a\\b.mp4",
]
NAMES += ["javascript:alert(1)", "https:x.mp4", "a\nb.mp4", b"\xff\xfe.mp4"]


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not take")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("folder", [".", "pages", "other/deeper #1"])
def test_a_link_leads_from_the_page_to_the_file_whatever_its_name(tmp_path: Path, name: Any, folder: str) -> None:
    (tmp_path / "other folder").mkdir()
    path = tmp_path / "other folder" / os.fsdecode(name)
    path.write_bytes(b"video")
    place = tmp_path / folder
    page = page_of(row(source=str(path), result_urls=(LINK,), files=(saved(path),)), folder=place)

    base = f"file://{'/'.join(map(html.escape, [str(place).replace('#', '%23').replace(' ', '%20')]))}/page.html"
    for href in page.sources:
        parts = urlsplit(urljoin(base, href))
        assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("file", "", "", "")
        assert os.fsencode(path) == unquote_to_bytes(parts.path)


HOSTILE_LINKS = [
    "javascript:alert(1)",
    "JaVaScRiPt://example.net/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "file:///etc/passwd",
    "vbscript:x",
    "//evil.example.net/x.mp4",
    "/etc/passwd",
    "\\\\evil\\share\\x.mp4",
    "https://user:secret@example.net/x.mp4",
    "https://example.net/a b.mp4",
    "https://example.net/\u202e4pm.mp4",
    "https:// example.net/",
    "http://[::1",
    " https://example.net/",
    "",
]


@pytest.mark.parametrize("link", HOSTILE_LINKS)
def test_what_is_no_plain_link_is_never_linked(link: str) -> None:
    facts = {"result_urls": (link,), "origin_urls": (link,), "video_url": link}
    for made in (row(**facts), row(source=link, digest=None, **facts)):
        page = page_of(made)
        assert (page.sources, page.values("a", "href")) == ([], [])
        assert "secret" not in page.all("main")[0]


def test_a_link_is_shown_without_what_it_keeps_secret() -> None:
    page = page_of(row(source=f"{CLIP_URL}?sig=1", result_urls=(LINK,)))

    assert page.all("a") == [CLIP_URL, "https://tempfile.example.net/r/out.mp4"]
    assert page.values("a", "href") == page.sources == [f"{CLIP_URL}?sig=1", LINK]


def test_a_service_cannot_choose_a_file_of_ours(video: Path) -> None:
    """A task that was submitted elsewhere has as its source what the service says."""
    page = page_of(row(source=str(video), digest=None, video_url=str(video)), folder=video.parent)

    assert page.sources == []


@pytest.mark.parametrize("links", [{"origin_urls": (CLIP_URL,)}, {"video_url": CLIP_URL}])
def test_a_source_that_is_gone_is_named_and_linked_where_it_was_uploaded(tmp_path: Path, links: dict[str, Any]) -> None:
    page = page_of(row(source=str(tmp_path / "in.mp4"), **links), folder=tmp_path)

    assert (page.sources, page.all("a")) == ([CLIP_URL], ["in.mp4"])


def test_a_source_that_was_written_after_the_task_is_doubted(video: Path) -> None:
    made = row(source=str(video))
    before = page_of(made, folder=video.parent).all("figcaption")
    os.utime(video, (NOON.timestamp() + 1,) * 2)
    after = page_of(made, folder=video.parent).all("figcaption")

    assert [("may be another clip" in each[0]) for each in (before, after)] == [False, True]


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"another")])
def test_a_saved_file_that_is_gone_or_another_gives_way_to_the_link(video: Path, spoil: Callable[[Path], Any]) -> None:
    made = row(result_urls=(LINK,), files=(saved(video),))
    spoil(video)

    assert page_of(made, folder=video.parent).sources == [LINK]


@pytest.mark.parametrize("links", [(LINK,), ("https://tempfile.example.net/r/out.mp4?sig=anew",), ()])
def test_a_saved_file_stands_for_its_link_however_that_is_signed(video: Path, links: tuple[str, ...]) -> None:
    made = row(result_urls=links, files=(saved(video),))

    assert page_of(made, folder=video.parent).sources == ["snow.mp4"]


def test_of_two_copies_of_one_result_the_newer_is_shown(video: Path) -> None:
    copy = video.with_name("copy.mp4")
    shutil.copy(video, copy)
    made = row(result_urls=(LINK,), files=(saved(video), saved(copy)))

    assert page_of(made, folder=video.parent).sources == ["copy.mp4"]


# --- hostile text ---

TEXT = st.text(max_size=60) | st.sampled_from(
    [
        "</p><script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "<!--",
        "]]>",
        "&lt;b&gt; &amp; &#60;",
        "${tasks} $policy $$",
        "</style></title>",
        "' onclick='alert(1)",
        "\ud800\x00\x1b[2J\u202e",
        "a\r\nb\rc\td",
    ]
)


def visible(text: str) -> str:
    """What a person is to see of a text: everything, and what steers or hides as its escape."""
    plain = text.replace("\r\n", "\n")
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode() for each in plain
    )


@settings(max_examples=150, deadline=None)
@given(TEXT, TEXT, TEXT, TEXT, TEXT)
def test_text_from_outside_is_text(prompt: str, message: str, mark: str, warning: str, path: str) -> None:
    def made(*texts: str) -> Row:
        prompt, message, mark, warning, path = texts
        facts = {"prompt": f"\n{prompt}", "error_message": f"!{message}", "watermark": f"!{mark}"}
        link = f"https://example.net/{path}"
        return row(source=f"/gone/{path}/!{path}", warnings=(warning,), result_urls=(link,), **facts)

    text = make_page([made(prompt, message, mark, f"!{warning}", path)], Path("/nowhere"))
    page = Page(text)

    assert page.all("p", "prompt") == [visible(f"\n{prompt}")]
    assert page.all("p", "why") == [visible(f"!{message}")]
    assert page.all("dd")[2:] == [visible(f"!{mark}"), visible(f"!{warning}")]
    # Every element and attribute of the page is one that it would have with harmless text.
    allowed = [*page_of(made("a", "b", "c", "!d", "e")).shape, ("p", ["class"])]
    assert [each for each in page.shape if each not in allowed] == []
    assert all(each.isprintable() or each in "\n\t" for each in text)
    assert [link for link in page.values("a", "href") if not link.startswith("https://example.net/")] == []


def test_a_label_from_a_mended_journal_cannot_leave_its_attribute() -> None:
    page = page_of(row(task_id='"><script>', result_urls=(LINK,)))

    assert page.values("article", "id") == ['"><script>']
    assert len(page.all("script")) == 1


# --- what a browser may do ---


def policy_of(page: Page) -> dict[str, list[str]]:
    (text,) = [a["content"] or "" for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    return {name: values for name, *values in (part.split() for part in text.split(";"))}


def test_the_policy_allows_this_style_this_script_and_videos() -> None:
    page = page_of(row(result_urls=(LINK,)))
    hashes = {
        tag: base64.b64encode(hashlib.sha256(page.all(tag)[0].encode()).digest()).decode()
        for tag in ("style", "script")
    }

    assert policy_of(page) == {
        "default-src": ["'none'"],
        "style-src": [f"'sha256-{hashes['style']}'"],
        "script-src": [f"'sha256-{hashes['script']}'"],
        "media-src": ["file:", "http:", "https:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }


def test_no_element_has_a_style_or_a_handler_of_its_own(video: Path) -> None:
    page = page_of(row(source=str(video), result_urls=(LINK,)), folder=video.parent)

    assert [name for _, attrs in page.elements for name in attrs if name == "style" or name.startswith("on")] == []


def test_no_link_tells_where_it_was_followed() -> None:
    page = page_of(row(source=CLIP_URL, result_urls=(LINK,)))

    assert ("meta", {"name": "referrer", "content": "no-referrer"}) in page.elements
    assert page.values("a", "rel") == ["noreferrer noopener"] * 2


def test_no_video_is_asked_for_before_it_is_played(video: Path) -> None:
    page = page_of(row(source=str(video), result_urls=(LINK,)), folder=video.parent)

    assert page.values("video", "preload") == ["none", "none"]
    assert page.values("video", "data-local") == [""], "the script loads what lies on the disk, and nothing else"


def test_every_video_has_controls_and_a_name() -> None:
    page = page_of(row(source=CLIP_URL, result_urls=(LINK,)))

    assert page.values("video", "controls") == ["", ""]
    assert page.values("video", "aria-label") == ["Source", "Result"]


class Ear(HTTPServer):
    """Hears which paths are asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.heard: list[str] = []
        self.ended = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Answer(BaseHTTPRequestHandler):
    server: Ear

    def do_GET(self) -> None:
        self.server.heard.append(unquote(self.path[1:]))
        if self.path == "/end":
            self.server.ended.set()
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the parent's name
        pass


@pytest.fixture
def ear() -> Iterator[Ear]:
    server = Ear()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@contextmanager
def browser(tmp_path_factory: pytest.TempPathFactory, page: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    if BROWSER is None:
        pytest.skip("needs chromium")
    flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--autoplay-policy=no-user-gesture-required",
    ]
    flags += ["--disable-background-networking", f"--user-data-dir={tmp_path_factory.mktemp('profile')}", *words]
    with subprocess.Popen(
        [BROWSER, *flags, page.as_uri()], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def test_in_chromium_the_script_runs_and_asks_nobody(
    ear: Ear, video: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    links = (f"{ear.url}out.mp4", f"{ear.url}2.mp4")
    made = row(source=str(video), result_urls=links, files=(saved(video, links[0]),), prompt="</h2><script>1</script>")
    path = video.with_name("page #1.html")
    path.write_text(make_page([made, row(2, state=State.GENERATE_FAILED, source=f"{ear.url}in.mp4")], path.parent))

    with browser(tmp_path_factory, path, "--virtual-time-budget=2000", "--dump-dom") as process:
        shown = process.communicate(timeout=60)[0].decode()

    (root,) = re.findall(r"<html[^>]*>", shown)
    assert root == '<html lang="en" data-ready="2">'  # and no data-failures
    assert [shown.count(f'class="{name}"') for name in ("controls", "divider", "trouble")] == [2, 2, 0]
    assert ear.heard == []


DRIVER = """
const say = async (...words) => {
  await fetch("URL" + encodeURIComponent(words.join(" ")), { mode: "no-cors" }).catch(() => {});
};
const until = async (what) => { while (!what()) await new Promise((go) => setTimeout(go, 20)); };
(async () => {
  const [source, result] = document.querySelectorAll("video");
  const [button, time, overlay] = document.querySelectorAll(".controls button, .time, .controls [type=checkbox]");
  const pair = document.querySelector(".pair"), divider = document.querySelector(".divider");
  overlay.click();
  divider.value = 30;
  divider.dispatchEvent(new Event("input"));
  await say("divider", pair.className, getComputedStyle(result).clipPath, source.controls, result.controls);
  overlay.click();
  await say("apart", pair.className, getComputedStyle(result).clipPath, source.controls, result.controls);
  if (!source.canPlayType('video/mp4; codecs="avc1.42E01E"')) { await say("no codec"); await say("end"); return; }
  await until(() => source.duration && result.duration);
  button.click();
  await until(() => source.currentTime > 0 && result.currentTime > 0);
  await say("playing", source.paused, result.paused, button.textContent, source.muted, result.muted);
  button.click();
  await until(() => source.paused && result.paused && button.textContent === "Play both");
  await say("paused");
  time.value = time.max / 2;
  time.dispatchEvent(new Event("input"));
  await until(() => !source.seeking && !result.seeking);
  await say("seeked", Math.abs(source.currentTime - time.max / 2) < 0.1, source.currentTime === result.currentTime);
  result.currentTime = 0;
  await until(() => source.currentTime === 0);
  await say("followed");
  await say("end");
})();
"""


def test_in_chromium_both_play_together_and_the_divider_divides(
    ear: Ear, video: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = make_page([row(source=str(video), result_urls=(LINK,), files=(saved(video),))], video.parent)
    driven = re.sub(r"<meta http-equiv=[^>]+>", "", page).replace("</body>", f"<script>{DRIVER}</script></body>")
    path = video.with_name("driven.html")
    path.write_text(driven.replace("URL", ear.url))

    with browser(tmp_path_factory, path, "--remote-debugging-port=0"):
        assert ear.ended.wait(60), ear.heard

    assert ear.heard[:2] == ["divider pair overlaid inset(0px 0px 0px 30%) false false", "apart pair none true true"]
    if ear.heard[2] == "no codec":
        pytest.skip("this browser does not play H.264")
    assert ear.heard[2:] == [
        "playing false false Pause true false",
        "paused",
        "seeked true true",
        "followed",
        "end",
    ]
