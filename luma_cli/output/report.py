"""Tasks as one HTML page that needs nothing but itself and the videos.

Everything in it comes from outside: each piece of text passes `_text` on its way in.
"""

import base64
import hashlib
import html
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from string import Template

from luma_cli.api.task import Task
from luma_cli.downloads.target import check_target
from luma_cli.errors import UsageError
from luma_cli.journal.records import Row
from luma_cli.output.formats import format_bytes, format_span, format_time, visible
from luma_cli.output.report_media import Clip, results_of, source_of

TEMPLATE = Path(__file__).with_suffix(".html")
MAX_HEADING = 120
STDOUT = "-"


def check_page(name: str, *, overwrite: bool, stdout_is_taken: bool = False) -> Path:
    """Where a page of that name will be; `-` is as if in this folder.

    Raises:
        UsageError: a folder, a name that is not allowed, or stdout is wanted for something else.
        FileError: it exists already (without `overwrite`), or cannot be written.
    """
    target = Path(name).absolute()
    if name == STDOUT and stdout_is_taken:
        raise UsageError("-o - and --json both want stdout", hint="-o FILE.html")
    if name.endswith(("/", os.sep)) or os.path.isdir(name):
        raise UsageError(f"{name} is a folder", hint="-o FILE.html")
    if name != STDOUT:
        check_target(target, overwrite=overwrite)
    return target


def make_page(rows: Sequence[Row], folder: Path) -> str:
    """The page about these rows, the same for the same facts. Files are linked as seen from `folder`.

    Raises:
        UsageError: there is no row.
    """
    if not rows:
        raise UsageError(
            "there is no task to show", hint="luma tasks lists what is there; luma wait brings it up to date"
        )
    template = TEMPLATE.read_text("utf-8")
    states = Counter(map(_state, rows))
    return Template(template).substitute(
        policy=_policy(template),
        title=f"{len(rows)} edit{'' if len(rows) == 1 else 's'} by luma",
        summary=", ".join(f"{count} {_text(state)}" for state, count in states.items()),
        tasks="\n".join(_article(row, folder) for row in rows),
    )


def _policy(template: str) -> str:
    """Nothing but this very style and script, and videos: what text from outside could smuggle in stays dead."""

    def digest(tag: str) -> str:
        found = re.search(f"<{tag}>(.*?)</{tag}>", template, re.S)
        content = found[1].encode() if found else b""
        return f"'sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {digest('style')}; script-src {digest('script')}; "
        "media-src file: http: https:; base-uri 'none'; form-action 'none'"
    )


def _article(row: Row, folder: Path) -> str:
    task, prompt = row.task, row.task.prompt or ""
    short = " ".join(prompt[: 4 * MAX_HEADING].split())
    short = short if len(short) <= MAX_HEADING else short[: MAX_HEADING - 1] + "…"
    whole = f'<details><summary>The whole prompt</summary><p class="prompt" dir="auto">{_text(prompt)}</p></details>'
    kind = "failed" if task.has_failed else "succeeded" if task.has_ended else "open"
    facts = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _facts(row) if value)
    return "\n".join(
        [
            f'<article id="{_text(row.label)}">',
            f'<header><h2 dir="auto">{_text(short) or "(prompt not known)"}</h2>',
            f'<p class="state {kind}">{_text(_state(row))}</p></header>',
            *([whole] if short != prompt else []),
            *(f'<p class="why">{_text(why)}</p>' for why in _reasons(task)),
            *_pairs(row, folder),
            f"<dl>{facts}</dl>",
            "</article>",
        ]
    )


def _state(row: Row) -> str:
    if row.task.task_id:
        return str(row.task.state).replace("_", " ")
    return {"unknown": "unknown: may have been charged"}.get(row.outcome_now, str(row.outcome_now))


def _reasons(task: Task) -> Iterator[str]:
    """Why there is no video."""
    if task.error_message or task.error_code:
        yield (task.error_message or "") + (f" (code {task.error_code})" if task.error_code else "")
    if task.has_ended and not task.has_failed and not task.has_video and not task.files:
        yield "It has finished without a usable link."


def _facts(row: Row) -> Iterator[tuple[str, str]]:
    task = row.task
    yield "Task", f"<code>{_text(row.label)}</code>"
    yield "Submitted", _time(row.submitted_at)
    yield "Completed", _time(task.complete_time)
    yield "Took", format_span(task.elapsed or 0) if task.has_ended and task.elapsed is not None else ""
    yield "Watermark", _text(task.watermark or "")
    yield "Warning", _text(", ".join(task.warnings))


def _time(when: datetime | None) -> str:
    text = format_time(when)
    return text and f'<time datetime="{text}">{text[:19].replace("T", " ")} UTC</time>'


def _pairs(row: Row, folder: Path) -> Iterator[str]:
    """Each result beside the source; the source alone where there is none."""
    source, results = _figure("Source", source_of(row, folder)), list(results_of(row.task, folder))
    for number, result in enumerate(results, 1):
        title = "Result" if len(results) == 1 else f"Result {number} of {len(results)}"
        remark = "" if result.is_local else f"its link expires {_time(row.task.expires_at)}".rstrip()
        yield f'<div class="pair">\n{source}{_figure(title, result, remark)}</div>'
    if not results:
        yield f'<div class="pair">\n{source}</div>'


def _figure(title: str, clip: Clip, remark: str = "") -> str:
    name = _text(clip.name) or "not known"
    video = '<p class="trouble">There is no link to it.</p>\n'
    if clip.href is not None:
        href = _text(clip.href)
        # Whoever opens the page asks no other host before they press play: a link may lead anywhere.
        local = " data-local" if clip.is_local else ""
        video = f'<video controls playsinline preload="none" src="{href}" aria-label="{title}"{local}></video>\n'
        name = f'<a href="{href}" rel="noreferrer noopener">{name}</a>'
    facts = [
        "" if clip.bytes is None else format_bytes(clip.bytes),
        f"SHA-256 <code>{_text(clip.sha256)}</code>" if clip.sha256 else "",
        "written after the task was submitted: it may be another clip" if clip.is_newer else "",
        remark,
    ]
    caption = ", ".join([f"<b>{title}</b> {name}", *filter(None, facts)])
    return f"<figure>\n{video}<figcaption>{caption}</figcaption>\n</figure>\n"


def _text(text: str) -> str:
    """Text from outside, harmless in text and in quoted attributes; what hides or reorders text becomes visible."""
    plain = text.replace("\r\n", "\n")
    escaped = html.escape("".join(each if each.isprintable() or each in "\n\t" else visible(each) for each in plain))
    # With `-o -` the page may stand in a log, where GitHub Actions would take these for commands.
    return escaped.replace("::", "&#58;:").replace("##[", "#&#35;[")
