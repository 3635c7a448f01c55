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
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urljoin, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luma_cli.api.task import SavedFile, State, Task
from luma_cli.downloads.file_names import why_not
from luma_cli.journal.records import Details, Outcome, Row
from luma_cli.output.report import make_page
from luma_cli.output.report_media import Copies
from luma_cli.sandbox import Sandbox
from luma_cli.video.ffmpeg import Ffmpeg
from luma_cli.video.stills import stills
from support.browser import Browser, browser
from support.commands import CLIP, CLIP_URL, Result

Luma = Callable[..., Result]
FFMPEG = shutil.which("ffmpeg")
# WebDriver's code points of keys without a character.
LEFT, RIGHT, ESCAPE = "\ue012", "\ue014", "\ue00c"
NOON = datetime(2026, 11, 23, 12, 0, 5, 123000, UTC)
LINK = "https://tempfile.example.net/r/out.mp4?sig=a&b=1"
VOID = {"meta", "br", "input", "img"}


def row(number: int = 1, *, source: str = "", digest: str | None = "d", outcome: str = "accepted", **facts: Any) -> Row:
    """A row; of `facts` those that are of its submission are columns of the journal, the rest is of its task."""
    names = set(Details._fields) & facts.keys()
    columns = {name: facts.pop(name) for name in names}
    task = Task(**{"task_id": f"{number:032x}", "state": State.SUCCEEDED, "prompt": "Snow", **facts})
    service = "https://api.example.net"
    return Row(
        number,
        Outcome(outcome),
        task,
        source,
        service,
        digest,
        None,
        None,
        NOON,
        columns=columns,
    )


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
    def links(self) -> list[str]:
        return self.values("a", "href")

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
    assert page.all("h2") == ["in.mp4"]
    content = Path("out.mp4").read_bytes()
    wanted = ("Heavy snow falls at night", edited, "succeeded", "Submitted", "Completed", "Took", "32.2 kB")
    assert [one for one in (*wanted, hashlib.sha256(content).hexdigest()) if one not in article] == []


def test_source_and_saved_result_are_linked_from_the_pages_folder(edited: str, luma: Luma) -> None:
    Path("pages").mkdir()

    assert luma("report", edited[:8], "-o", "pages/one.html").code == 0
    assert Page(Path("pages/one.html").read_text()).sources == ["../in.mp4", "../out.mp4"]


def test_the_source_is_found_from_another_folder_too(edited: str, luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("pages").mkdir()
    monkeypatch.chdir("pages")

    assert luma("report", "-o", "one.html").code == 0
    assert Page(Path("one.html").read_text()).sources == ["../in.mp4", "../out.mp4"]


def test_json_shows_the_path(edited: str, luma: Luma) -> None:
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


def test_without_a_task_it_holds_all_that_have_ended_in_the_order_they_were_made(sandbox: Sandbox, luma: Luma) -> None:
    ids = [luma("modify", CLIP_URL, "-p", prompt, "--no-check").out.strip() for prompt in ("a", "b", "sandbox:flag3 c")]
    luma("status", *ids)
    luma("modify", CLIP_URL, "-p", "still running", "--no-check")

    assert luma("report", "-o", "page.html").code == 0
    assert Page(Path("page.html").read_text()).values("article", "id") == ids


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
        (
            row(task_id="", state=State.UNKNOWN, outcome="unknown"),
            "open",
            "unknown: may have been charged",
            ["The reply was lost. If https://kie.ai/logs shows its task: luma tasks adopt ID --for unknown-1"],
        ),
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
    assert page.all("p", "reason") == why


def test_times_are_for_machines_too() -> None:
    times = {"create_time": NOON, "complete_time": NOON + timedelta(seconds=187)}
    page = page_of(row(result_urls=(LINK,), **times))

    assert page.values("time", "datetime")[1:] == ["2026-11-23T12:00:05.123Z", "2026-11-23T12:03:12.123Z"]
    assert "3m07s" in page.all("dl")[0]
    assert "its link expires 2026-12-07 12:03:12 UTC" in page.all("figcaption")[1]


@pytest.mark.parametrize("prompt", ["x", "x" * 5000, "two\nlines", " padded "])
def test_a_prompt_stands_there_whole_and_once(prompt: str) -> None:
    page = page_of(row(prompt=prompt))

    assert page.all("p", "prompt") == [prompt]
    assert len(page.all("details")) == (len(prompt) > 600), "a page of nothing but prompt is folded"


def test_what_a_prompt_says_differently_than_the_first_takes_is_marked() -> None:
    page = page_of(
        row(source=CLIP_URL, prompt="Heavy snow falls at night"),
        row(2, source=CLIP_URL, prompt="Heavy rain falls <b>"),
    )

    assert page.all("p", "prompt") == ["Heavy snow falls at night", "Heavy snowrain falls at night<b>"]
    assert (page.all("del"), page.all("ins")) == (["snow", "at night"], ["rain", "<b>"])


@pytest.mark.parametrize(("cost", "shown"), [(100, "100 credits"), (1.0, "1 credit"), (0, "0 credits")])
def test_the_cost_is_shown(cost: float, shown: str) -> None:
    text = page_of(row(1, credits=cost)).all("article")[0]

    assert f"Cost{shown}" in text.replace("\n", "")


def test_a_cost_that_was_not_seen_is_not_a_zero() -> None:
    page = page_of(row(1, credits=250.5), row(2))

    assert "Costnot known" in page.all("article")[1]
    assert "250.5 credits (1 of unknown cost)" in page.all("header")[0]


def test_each_of_several_results_stands_beside_the_source(video: Path) -> None:
    links = ("https://a.example.net/1.mp4", "https://a.example.net/2.mp4")
    page = page_of(row(source=CLIP_URL, result_urls=links, files=(saved(video, links[1]),)), folder=video.parent)

    assert (page.links, page.sources) == ([CLIP_URL, links[0], "snow.mp4"], ["snow.mp4"])
    assert page.values("video", "aria-label") == ["Take 1, result 2 of 2"]


def test_a_hundred_tasks_fit_on_a_page() -> None:
    page = page_of(*(row(number, source=CLIP_URL, result_urls=(LINK,)) for number in range(1, 101)))

    ids = page.values("article", "id")
    assert (len(ids), len(set(ids)), page.values("section", "id"), len(page.links)) == (100, 100, ["source-1"], 101)


# --- how it is ordered ---


def test_takes_of_one_source_stand_in_one_group_and_sources_in_the_order_of_the_rows() -> None:
    rows = [row(1, source="/a.mp4"), row(2, source=CLIP_URL), row(3, source="/a.mp4")]
    page = page_of(*rows)

    assert page.all("h2") == ["a.mp4", CLIP_URL]
    assert page.values("article", "id") == [rows[0].label, rows[2].label, rows[1].label]
    assert page.all("h3") == ["Take 1", "Take 2", "Take 1"]


def test_an_edit_of_an_edit_stands_below_it(video: Path) -> None:
    first = row(1, source=CLIP_URL, result_urls=(LINK,), files=(saved(video),))
    again = row(2, source=LINK, parent_task_id=first.label)
    third = row(3, source=LINK, parent_task_id=again.label)
    page = page_of(first, again, third, folder=video.parent)

    assert page.all("h2") == [CLIP_URL, "Edits of take 1", "Edits of take 1"]
    assert page.values("section", "id") == ["source-1", "source-1-1", "source-1-1-1"]
    assert page.sources == ["snow.mp4", "snow.mp4"], "the result of the one is the source of the other"


def test_the_pieces_of_a_split_are_one_take() -> None:
    pieces = [row(n, source="/a.mp4", piece_of=7, piece_index=n, credits=100) for n in (2, 1, 3)]
    page = page_of(*pieces)

    assert page.all("h3") == ["Take 1"]
    assert page.values("article", "id") == [pieces[1].label]
    assert "300 credits" in page.all("dl")[0]
    assert [piece.label in page.all("dl")[0] for piece in pieces] == [True] * 3


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
def test_what_is_not_a_plain_link_is_never_linked(link: str) -> None:
    facts = {"result_urls": (link,), "origin_urls": (link,), "video_url": link}
    for made in (row(**facts), row(source=link, digest=None, **facts)):
        page = page_of(made)
        assert (page.sources, page.values("a", "href")) == ([], [])
        assert "secret" not in page.all("main")[0]


def test_a_link_is_shown_without_what_it_keeps_secret() -> None:
    page = page_of(row(source=f"{CLIP_URL}?sig=1", result_urls=(LINK,)))

    assert page.all("a") == [CLIP_URL, "https://tempfile.example.net/r/out.mp4"]
    assert (page.links, page.sources) == ([f"{CLIP_URL}?sig=1", LINK], [])


def test_a_service_cannot_choose_a_file_of_ours(video: Path) -> None:
    """A task that was submitted elsewhere has as its source what the service says."""
    page = page_of(row(source=str(video), digest=None, video_url=str(video)), folder=video.parent)

    assert page.sources == page.links == []


@pytest.mark.parametrize("links", [{"origin_urls": (CLIP_URL,)}, {"video_url": CLIP_URL}])
def test_a_source_that_is_gone_is_named_and_linked_where_it_was_uploaded(tmp_path: Path, links: dict[str, Any]) -> None:
    page = page_of(row(source=str(tmp_path / "in.mp4"), **links), folder=tmp_path)

    assert (page.links, page.all("a"), page.sources) == ([CLIP_URL], ["in.mp4"], [])


def test_a_source_that_was_written_after_the_task_is_doubted(video: Path) -> None:
    made = row(source=str(video))
    before = page_of(made, folder=video.parent).all("figcaption")
    os.utime(video, (NOON.timestamp() + 1,) * 2)
    after = page_of(made, folder=video.parent).all("figcaption")

    assert [("may be another clip" in one[0]) for one in (before, after)] == [False, True]


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"another")])
def test_a_saved_file_that_is_gone_or_another_gives_way_to_the_link(video: Path, spoil: Callable[[Path], Any]) -> None:
    made = row(result_urls=(LINK,), files=(saved(video),))
    spoil(video)

    page = page_of(made, folder=video.parent)
    assert (page.links, page.sources) == ([LINK], [])


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
        "${groups} $policy $$",
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
        character if character.isprintable() or character in "\n\t" else character.encode("unicode_escape").decode()
        for character in plain
    )


@settings(max_examples=50, deadline=None)
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
    assert page.all("p", "reason") == [visible(f"!{message}")]
    assert page.all("dd")[4:] == [visible(f"!{mark}"), visible(f"!{warning}")]
    # Every element and attribute of the page is one that it would have with harmless text.
    allowed = [*page_of(made("a", "b", "c", "!d", "e")).shape, ("p", ["class"])]
    assert [character for character in page.shape if character not in allowed] == []
    assert all(character.isprintable() or character in "\n\t" for character in text)
    assert [link for link in page.links if not link.startswith("https://example.net/")] == []


def test_a_label_from_a_repaired_journal_cannot_leave_its_attribute() -> None:
    page = page_of(row(task_id='"><script>', result_urls=(LINK,)))

    assert page.values("article", "id") == ['"><script>']
    assert len(page.all("script")) == 1


# --- what a browser may do ---


def policy_of(page: Page) -> dict[str, list[str]]:
    (text,) = [a["content"] or "" for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    return {name: values for name, *values in (part.split() for part in text.split(";"))}


def test_the_policy_allows_this_style_this_script_and_files_and_no_host() -> None:
    page = page_of(row(result_urls=(LINK,)))
    hashes = {
        tag: base64.b64encode(hashlib.sha256(page.all(tag)[0].encode()).digest()).decode()
        for tag in ("style", "script")
    }

    assert policy_of(page) == {
        "default-src": ["'none'"],
        "style-src": [f"'sha256-{hashes['style']}'"],
        "script-src": [f"'sha256-{hashes['script']}'"],
        "media-src": ["'self'", "file:"],
        "img-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }


def test_no_element_has_a_style_or_a_handler_of_its_own(video: Path) -> None:
    page = page_of(row(source=str(video), result_urls=(LINK,)), folder=video.parent)

    assert [name for _, attrs in page.elements for name in attrs if name == "style" or name.startswith("on")] == []


def test_no_link_shows_where_it_was_followed() -> None:
    page = page_of(row(source=CLIP_URL, result_urls=(LINK,)))

    assert ("meta", {"name": "referrer", "content": "no-referrer"}) in page.elements
    assert page.values("a", "rel") == ["noreferrer noopener"] * 2


def test_no_video_is_asked_for_before_it_is_played(video: Path) -> None:
    page = page_of(row(source=str(video), result_urls=(LINK,)), folder=video.parent)

    assert (page.sources, page.values("video", "preload")) == (["snow.mp4"], ["none"])


def test_every_video_has_controls_and_a_name(video: Path) -> None:
    page = page_of(row(source=str(video), result_urls=(LINK,), files=(saved(video),)), folder=video.parent)

    assert page.values("video", "controls") == ["", ""]
    assert page.values("video", "aria-label") == ["Source", "Take 1"]


# --- copies ---


def test_copied_media_make_a_folder_that_stands_alone(edited: str, luma: Luma, tmp_path: Path) -> None:
    assert luma("report", "-o", "review/index.html", "--copy-media")[:2] == (0, "review/index.html\n")
    Path("review").rename("elsewhere")
    page = Page(Path("elsewhere/index.html").read_text())
    assert page.sources == ["index-media/01-in.mp4", "index-media/02-out.mp4"]
    assert [Path("elsewhere", source).read_bytes() for source in page.sources] == [
        Path(name).read_bytes() for name in ("in.mp4", "out.mp4")
    ]
    assert sorted(os.listdir("elsewhere/index-media")) == ["01-in.mp4", "02-out.mp4"]


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not take")
@pytest.mark.parametrize("name", NAMES)
def test_copies_have_safe_names(tmp_path: Path, name: Any) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"video")
    copies = Copies(tmp_path / "page-media")
    page = Page(make_page([row(source=str(path))], tmp_path, href=copies))
    copies.save()

    (made,) = os.listdir(tmp_path / "page-media")
    assert (why_not(made), unquote(page.sources[0])) == (None, f"page-media/{made}")
    assert not set(made) & set(" \"'<>&#?%\\:")


def test_copies_do_not_replace_a_folder_unless_forced(edited: str, luma: Luma) -> None:
    Path("page-media").mkdir()
    Path("page-media/mine").write_text("mine")

    code, out, err = luma("report", "-o", "page.html", "--copy-media")
    assert (code, out, "page-media exists" in err, Path("page.html").exists()) == (11, "", True, False)
    assert luma("report", "-o", "page.html", "--copy-media", "-f").code == 0
    assert sorted(os.listdir("page-media")) == ["01-in.mp4", "02-out.mp4", "mine"]


def test_a_page_on_stdout_has_no_folder_for_copies(edited: str, luma: Luma) -> None:
    code, out, _ = luma("report", "-o", "-", "--copy-media")

    assert (code, out) == (2, "")


# --- in a browser ---

needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="needs ffmpeg")


def make_clip(path: Path, seconds: float, rate: int, *options: str) -> Path:
    command = [FFMPEG or "", "-nostdin", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=s=320x180:r={rate}:d={seconds}"]
    subprocess.run([*command, *options, "-pix_fmt", "yuv420p", "-preset", "ultrafast", path], check=True, timeout=60)
    os.utime(path, (0, 0))
    return path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a source with sound and three takes, an edit of the first of these, and a trimmed clip."""
    folder = tmp_path_factory.mktemp("demo page #1")
    source = make_clip(
        folder / "source.mp4", 3, 30, "-f", "lavfi", "-i", "sine=d=3", "-c:v", "libx264", "-c:a", "aac", "-g", "15"
    )
    long = make_clip(folder / "long.mp4", 9, 30, "-c:v", "libx264")
    takes = [make_clip(folder / f"take {n}.mp4", 3, 24, "-vf", f"hue=h={n * 80}", "-c:v", "libx264") for n in range(4)]
    prompts = ["Snow falls", "Rain falls", "</h2><script>1</script>"]
    rows: list[Row] = [
        row(
            n,
            source=str(source),
            prompt=prompt,
            result_urls=(f"https://a.example.net/{n}.mp4",),
            files=(saved(take, f"https://a.example.net/{n}.mp4"),),
        )
        for n, (prompt, take) in enumerate(zip(prompts, takes, strict=False), 1)
    ]
    rows += [
        row(4, source=str(source), state=State.GENERATE_FAILED, error_message="Refused " + "x" * 200),
        row(5, source=CLIP_URL, result_urls=(LINK,)),
        row(6, source=LINK, parent_task_id=rows[0].label, files=(saved(takes[3]),)),
        row(7, source=str(long), trim="0:05-0:08", files=(saved(takes[3]),)),
    ]
    page = folder / "page.html"

    def pictures(path: Path, start: float, end: float | None) -> Sequence[bytes]:
        return stills(path, Ffmpeg(FFMPEG or ""), start=start, end=end)

    page.write_text(make_page(rows, folder, stills=pictures))
    return page


# The times of a group's videos on the time line of the source, and whether they play.
STATE = "return groups[given[0]].clips.map((clip) => [clip.now, !clip.video.paused])"
READY = "while (!groups[given[0]].clips.every((clip) => clip.isReady)) await new Promise(requestAnimationFrame);"


def opened_page(chromium: Browser, page: Path, group: int = 0) -> Browser:
    chromium.emulate()
    chromium.resize(1600, 1000)
    chromium.open(page)
    if not chromium.run("return document.createElement('video').canPlayType('video/mp4; codecs=\"avc1.42E01E\"')"):
        pytest.skip("this browser does not play H.264")
    chromium.run(f"groups[given[0]].stage.scrollIntoView(); {READY}", group)
    return chromium


@needs_ffmpeg
def test_in_chromium_the_page_runs_and_asks_no_host(chromium: Browser, demo: Path) -> None:
    opened_page(chromium, demo).run("await groups[0].play(); await groups[0].pause();")

    assert chromium.run("return {...document.documentElement.dataset}") == {"ready": "3"}
    assert chromium.run("return document.querySelectorAll('figure .reason').length") == 0
    assert {url.partition(":")[0] for url in chromium.requested()} == {"file", "data"}


@needs_ffmpeg
def test_in_chromium_all_takes_play_with_the_sources_sound(chromium: Browser, demo: Path) -> None:
    playing = """
        groups[0].button.click();
        while (!groups[0].clips.every((clip) => clip.now > 0.3)) await new Promise(requestAnimationFrame);
        return groups[0].clips.map((clip) => [clip.isPlaying, clip.video.muted])"""

    assert opened_page(chromium, demo).run(playing) == [[True, False], *[[True, True]] * 3]
    chromium.run("await groups[0].pause()")
    times = [time for time, _ in chromium.run(STATE, 0)]
    assert max(times) - min(times) < 0.001


@needs_ffmpeg
@pytest.mark.parametrize("target", [0.5, 1.234, 2.95, 3.0, 0.0])
def test_in_chromium_all_takes_are_in_step_after_a_seek(chromium: Browser, demo: Path, target: float) -> None:
    seek = """
        const { bar } = groups[0];
        bar.value = given[0];
        bar.dispatchEvent(new Event("input"));
        while (groups[0].isSeeking) await new Promise(requestAnimationFrame);"""
    opened_page(chromium, demo).run(seek, target)

    assert [time for time, _ in chromium.run(STATE, 0)] == pytest.approx([target] * 4, abs=1 / 48)


@needs_ffmpeg
def test_in_chromium_a_seek_while_it_plays_goes_on_playing_in_step(chromium: Browser, demo: Path) -> None:
    moved = """
        await groups[0].play();
        await groups[0].seek(1.5);
        while (groups[0].time < 1.7) await new Promise(requestAnimationFrame);"""
    opened_page(chromium, demo).run(moved)

    assert [is_playing for _, is_playing in chromium.run(STATE, 0)] == [True] * 4


@needs_ffmpeg
def test_in_chromium_a_trimmed_clip_plays_from_where_it_was_cut(chromium: Browser, demo: Path) -> None:
    videos = "return groups[2].clips.map((clip) => Math.round(clip.video.currentTime * 100) / 100)"
    page = opened_page(chromium, demo, 2)
    chromium.run("await groups[2].seek(groups[2].start)")

    assert page.run(videos) == [5.0, 0.0]
    page.run("await groups[2].seek(6.5)")
    assert page.run(videos) == [6.5, 1.5]
    assert page.run("return groups[2].output.textContent") == "0:06.5 / 0:08.0"


@needs_ffmpeg
def test_in_chromium_keys_play_step_and_compare(chromium: Browser, demo: Path) -> None:
    page = opened_page(chromium, demo)
    page.run("await groups[0].seek(1); window.settled = async () => { while (groups[0].isSeeking) await null; };")
    page.run("document.activeElement.blur()")
    before = page.run("return groups[0].time")
    page.press(RIGHT, RIGHT, RIGHT, LEFT)
    page.run("while (groups[0].isSeeking) await new Promise(requestAnimationFrame)")
    after, frame = page.run("return [groups[0].time, groups[0].frame]")
    assert 1 <= (after - before) / frame <= 3
    sides = "return ['left', 'right'].map((side) => document.querySelector(`video.${side}`)?.ariaLabel ?? null)"
    page.press("2")
    assert page.run(sides) == ["Source", "Take 2"]
    page.press("3")
    assert page.run(sides) == ["Source", "Take 3"]
    page.press(ESCAPE)
    assert page.run(sides) == [None, None]
    page.press(" ")
    assert page.run("while (!groups[0].isPlaying) await new Promise(requestAnimationFrame); return true")


@needs_ffmpeg
def test_in_chromium_one_click_makes_a_slider_of_source_and_take(chromium: Browser, demo: Path) -> None:
    clicked = """
        document.querySelectorAll("article figure button")[1].click();
        groups[0].divider.value = 30;
        groups[0].divider.dispatchEvent(new Event("input"));
        const [left, right] = ["left", "right"].map((side) => document.querySelector("video." + side));
        const [a, b] = [left, right].map((video) => video.getBoundingClientRect());
        return [left.ariaLabel, right.ariaLabel, getComputedStyle(right).clipPath,
                a.left === b.left && a.top === b.top && a.width === b.width && a.height === b.height]"""

    found = opened_page(chromium, demo).run(clicked)
    assert found == ["Source", "Take 2", "inset(0px 0px 0px 30%)", True]


@needs_ffmpeg
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1600])
def test_in_chromium_nothing_is_wider_than_the_page(chromium: Browser, demo: Path, width: int, scheme: str) -> None:
    opened_page(chromium, demo)
    chromium.emulate(scheme)
    chromium.resize(width, 800)
    chromium.run("groups[0].choose(groups[0].takes[0])")
    wide = """return [...document.querySelectorAll("main *")].filter((element) =>
        element.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5 &&
        !element.closest(".hash")).map((element) => element.outerHTML.slice(0, 80))"""

    assert chromium.run(wide) == []
    colours = chromium.run(
        "const { color, backgroundColor } = getComputedStyle(document.body); return [color, backgroundColor]"
    )
    is_dark = [sum(map(int, re.findall(r"[0-9]+", colour)[:3])) < 384 for colour in colours]
    assert is_dark == [scheme == "light", scheme == "dark"]


@needs_ffmpeg
def test_in_chromium_a_printed_page_shows_pictures_for_videos(chromium: Browser, demo: Path) -> None:
    opened_page(chromium, demo)
    chromium.emulate(media="print")
    shown = """return ["video", ".sheet img", ".controls"].map((name) =>
        [...document.querySelectorAll(name)].filter((element) => element.getClientRects().length).length)"""

    assert chromium.run(shown) == [0, 8 * 3, 0]
