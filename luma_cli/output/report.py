"""Tasks as one HTML page that asks no host for anything.

Everything in it comes from outside: each piece of text passes `_text` on its way in.
"""

import base64
import hashlib
import html
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from string import Template

from luma_cli.downloads.target import check_target
from luma_cli.edits.run import STDOUT, Run
from luma_cli.errors import FileError, UsageError, reason
from luma_cli.files import exists, refused_link, save_whole
from luma_cli.journal.records import Row
from luma_cli.journal.splits import Split
from luma_cli.output import messages, streams
from luma_cli.output.formats import format_bytes, format_span, format_time, visible
from luma_cli.output.report_groups import Group, Take, group_rows, marked_words, trimmed_part
from luma_cli.output.report_media import Clip, Copies, Href, frame_rate_of, linked_from
from luma_cli.video.ffmpeg import find_ffmpeg
from luma_cli.video.stills import stills

log = logging.getLogger(__name__)

TEMPLATE = Path(__file__).with_suffix(".html")
# Cut prompts hide what differs, so they are folded only when a page would be nothing but prompt.
MAX_OPEN_PROMPT = 600
# Pictures of one clip take ffmpeg some 0.5 s, and a page of a whole journal is not to take minutes.
MAX_SHEETS = 60

# Gives some JPEGs of the file, from one second to another.
Stills = Callable[[Path, float, float | None], Sequence[bytes]]


@dataclass
class _Look:
    """How a page names files, and what it may still ask ffmpeg for."""

    href: Href
    stills: Stills | None
    sheets_left: int = MAX_SHEETS

    def sheet(self, path: str, start: float, end: float | None) -> Sequence[bytes]:
        if self.stills is None or self.sheets_left == 0:
            return ()
        self.sheets_left -= 1
        return self.stills(Path(path), start, end)


def check_page(name: str, *, overwrite: bool, stdout_is_taken: bool = False, makes_folder: bool = False) -> Path:
    """Where a page of that name will be; `-` is as if in this folder. With `makes_folder` its folder may be a new one.

    Raises:
        UsageError: a folder, a name that is not allowed, or stdout is wanted for something else.
        FileError: it exists already (without `overwrite`), or cannot be written.
    """
    target = Path(name).absolute()
    if name == STDOUT:
        if stdout_is_taken:
            raise UsageError("-o - and --json both want stdout", hint="-o FILE.html")
        return target
    if name.endswith(("/", os.sep)) or os.path.isdir(name):
        raise UsageError(f"{name} is a folder", hint="-o FILE.html")
    if makes_folder and os.path.isdir(target.parent.parent):
        try:
            target.parent.mkdir(exist_ok=True)
        except OSError as error:
            place = target.parent
            raise FileError(f"cannot make {place}: {reason(error)}", hint="use -o for another place") from error
    check_target(target, overwrite=overwrite)
    return target


def check_copies(page: Path, name: str, *, overwrite: bool) -> Copies:
    """The copies that will stand beside the page, in a folder that is named after it.

    Raises:
        UsageError: the page goes to stdout.
        FileError: the folder is there already (without `overwrite`), or is not a folder.
    """
    if name == STDOUT:
        raise UsageError("--copy-media needs a folder to copy to", hint="-o FILE.html")
    folder = page.with_name(f"{page.stem}-media")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise refused_link(folder)
    if folder.exists() and not overwrite:
        raise exists(folder)
    return Copies(folder)


def write_page(run: Run, rows: Sequence[Row], page: Path, name: str, *, copies: Copies | None, overwrite: bool) -> None:
    """Make the page, write it where `check_page` said, and print its name.

    Raises:
        UsageError: there is no row.
        FileError: it, or a copy, cannot be saved.
    """
    numbers = {row.details.piece_of for row in rows} - {None}
    splits = {split.number: split for number in numbers if (split := run.journal.splits.get(number or 0))}
    text = make_page(rows, page.parent, href=copies, stills=_stills(run), splits=splits)
    if running := sum(not row.task.has_ended for row in rows):
        messages.note(f"{running} had not ended when last asked; luma wait brings the journal up to date")
    if name == STDOUT:
        streams.emit_document(text)
        return
    if copies is not None:
        copies.save()
    save_whole(text.encode(), page, overwrite=overwrite)
    streams.emit_value("path", name)


def _stills(run: Run) -> Stills | None:
    try:
        ffmpeg = find_ffmpeg(run.settings.ffmpeg)
    except UsageError as error:
        log.info("no pictures: %s", error.message)
        return None
    return lambda path, start, end: stills(path, ffmpeg, start=start, end=end)


def make_page(
    rows: Sequence[Row],
    folder: Path,
    *,
    href: Href | None = None,
    stills: Stills | None = None,
    splits: Mapping[int, Split] | None = None,
) -> str:
    """The page about these rows, the same for the same facts. Files are linked as seen from `folder`, or as `href`
    names them; with `stills` each clip has a strip of pictures. `splits` are the edits in pieces, by number.

    Raises:
        UsageError: there is no row.
    """
    if not rows:
        raise UsageError(
            "there is no task to show", hint="luma tasks lists what is there; luma wait brings it up to date"
        )
    template = TEMPLATE.read_text("utf-8")
    groups, look = group_rows(rows, splits), _Look(href or linked_from(folder), stills)
    return Template(template).substitute(
        policy=_policy(template),
        title=f"{len(rows)} edit{'' if len(rows) == 1 else 's'} by luma",
        summary=_summary(rows),
        groups="\n".join(_group(group, look, f"source-{number}") for number, group in enumerate(groups, 1)),
    )


def _policy(template: str) -> str:
    """Nothing but this very style and script, the page's own videos and the pictures in it: text from outside that
    smuggles in anything else stays dead, and no host is asked."""

    def digest(tag: str) -> str:
        found = re.search(f"<{tag}>(.*?)</{tag}>", template, re.S)
        content = found[1].encode() if found else b""
        return f"'sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {digest('style')}; script-src {digest('script')}; "
        "media-src 'self' file:; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _summary(rows: Sequence[Row]) -> str:
    states = Counter(map(_state, rows))
    counts = ", ".join(f"{count} {_text(state)}" for state, count in states.items())
    costs = [cost for row in rows if (cost := row.credits) is not None]
    unknown = f" ({len(rows) - len(costs)} of unknown cost)" if len(costs) < len(rows) else ""
    return f"{counts}; {_credits(sum(costs))}{unknown}" if costs else counts


def _group(group: Group, look: _Look, name: str, edited: int = 0) -> str:
    """A source with its takes, and below them the edits of these. `edited` is the number of the take that was edited
    again, 0 for a clip."""
    parts = [trimmed_part(take.row) for take in group.takes]
    start, ends = min(part.start for part in parts), [part.end for part in parts if part.end is not None]
    end = max(ends) if len(ends) == len(parts) else None
    source = group.source
    heading = f"Edits of take {edited}" if edited else _text(source.name) or "Not known"
    count = f"{len(group.takes)} take{'' if len(group.takes) == 1 else 's'}"
    figures = [_figure("Source", source, look, start=start, end=end)]
    figures += [_take(take, group, look, number) for number, take in enumerate(group.takes, 1)]
    takes = {id(take): number for number, take in enumerate(group.takes, 1)}
    chains = [
        _group(below, look, f"{name}-{number}", takes[id(below.parent)]) for number, below in enumerate(group.chains, 1)
    ]
    header = f'<header><h2 dir="auto">{heading}</h2> <p>{count}</p></header>'
    stage = ['<div class="stage">', *figures, "</div>"]
    return "\n".join([f'<section class="group" id="{name}">', header, *stage, *chains, "</section>"])


def _take(take: Take, group: Group, look: _Look, number: int) -> str:
    facts = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in _facts(take) if value)
    state = f'<p class="state {_kind(take.row)}">{_text(_state(take.row))}</p>'
    lines = [f'<article id="{_text(take.row.label)}">', f"<header><h3>Take {number}</h3> {state}</header>"]
    lines += _results(take, look, number)
    lines += [f'<p class="reason">{_text(reason)}</p>' for row in take.rows for reason in _reasons(row)]
    lines += [_prompt(take.prompt, group.takes[0].prompt), f"<dl>{facts}</dl>", "</article>"]
    return "\n".join(lines)


def _prompt(prompt: str, reference: str) -> str:
    """The whole prompt. What the first take's does not say is marked, what only that says is struck out."""
    tags = {"same": "{}", "new": "<ins>{}</ins>", "gone": "<del>{}</del>"}
    words = "".join(tags[kind].format(_text(text)) for kind, text in marked_words(prompt, reference or prompt))
    text = f'<p class="prompt" dir="auto">{words}</p>' if prompt else '<p class="prompt">(prompt not known)</p>'
    return f"<details><summary>Prompt</summary>{text}</details>" if len(prompt) > MAX_OPEN_PROMPT else text


def _kind(row: Row) -> str:
    return "failed" if row.task.has_failed else "succeeded" if row.task.has_ended else "open"


def _state(row: Row) -> str:
    if row.task.task_id:
        return str(row.task.state).replace("_", " ")
    return {"unknown": "unknown: may have been charged"}.get(row.outcome_now, str(row.outcome_now))


def _reasons(row: Row) -> Iterator[str]:
    """Why there is no video."""
    task = row.task
    if task.error_message or task.error_code:
        yield (task.error_message or "") + (f" (code {task.error_code})" if task.error_code else "")
    if task.has_ended and not task.has_failed and not task.has_video and not task.files:
        yield "It has finished without a usable link."
    if row.label.startswith("unknown-"):
        yield f"The reply was lost. If https://kie.ai/logs shows its task: luma tasks adopt ID --for {row.label}"


def _facts(take: Take) -> Iterator[tuple[str, str]]:
    row, task = take.row, take.row.task
    yield "Task", f"<code>{_text(row.label)}</code>"
    yield "Model", _text(row.details.model)
    yield "Submitted", _time(row.submitted_at)
    yield "Completed", _time(task.complete_time)
    yield "Took", format_span(task.elapsed or 0) if task.has_ended and task.elapsed is not None else ""
    yield "Cost", "not known" if take.credits is None else _credits(take.credits)
    yield "Trim", _text(row.details.trim or "")
    yield "Watermark", _text(task.watermark or "")
    yield "Warning", _text(", ".join(task.warnings))
    if len(take.rows) > 1:
        yield "Pieces", ", ".join(f"<code>{_text(piece.label)}</code> {_text(_state(piece))}" for piece in take.rows)


def _credits(count: float) -> str:
    return f"{count:,.10g} credit{'' if count == 1 else 's'}"


def _time(when: datetime | None) -> str:
    text = format_time(when)
    return text and f'<time datetime="{text}">{text[:19].replace("T", " ")} UTC</time>'


def _results(take: Take, look: _Look, number: int) -> Iterator[str]:
    clips = take.clips
    for index, clip in enumerate(clips, 1):
        title = f"Take {number}" if len(clips) == 1 else f"Take {number}, result {index} of {len(clips)}"
        expiry = _time(take.row.task.expires_at) if clip.expires else ""
        yield _figure(title, clip, look, remark=expiry and f"its link expires {expiry}")


def _figure(
    title: str,
    clip: Clip,
    look: _Look,
    *,
    start: float = 0.0,
    end: float | None = None,
    remark: str = "",
) -> str:
    """A clip; `start` and `end` are the part that counts."""
    name, picture = _text(clip.name) or "not known", ""
    if clip.path is not None:
        href = _text(look.href(clip.path))
        times = f'data-offset="{clip.offset:.9g}" data-rate="{frame_rate_of(clip.path):.9g}"'
        video = f'<video controls playsinline preload="none" src="{href}" {times} aria-label="{title}"></video>'
        picture = f"{video}\n{_sheet(look.sheet(clip.path, start, end))}"
        name = f'<a href="{href}">{name}</a>'
    elif clip.link is not None:
        picture = '<p class="missing">It is not on this disk, and this page asks no host for it.</p>\n'
        name = f'<a href="{_text(clip.link)}" rel="noreferrer noopener">{name}</a>'
    else:
        picture = '<p class="missing">There is neither a file nor a link.</p>\n'
    facts = [
        "" if clip.bytes is None else format_bytes(clip.bytes),
        "written after the task was submitted: it may be another clip" if clip.is_doubtful else "",
        remark,
    ]
    digest = f'<code class="hash">SHA-256 {_text(clip.sha256)}</code>' if clip.sha256 else ""
    caption = ", ".join([f"<b>{title}</b> {name}", *filter(None, facts)]) + digest
    return f'<figure class="{title.partition(" ")[0].lower()}">\n{picture}<figcaption>{caption}</figcaption>\n</figure>'


def _sheet(pictures: Sequence[bytes]) -> str:
    images = "".join(
        f'<img src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}" alt="">' for picture in pictures
    )
    return f'<div class="sheet">{images}</div>\n' if images else ""


def _text(text: str) -> str:
    """Text from outside, harmless in text and in quoted attributes; what hides or reorders text becomes visible."""
    plain = text.replace("\r\n", "\n")
    escaped = html.escape("".join(c if c.isprintable() or c in "\n\t" else visible(c) for c in plain))
    # With `-o -` the page may stand in a log, where GitHub Actions would take these for commands.
    return escaped.replace("::", "&#58;:").replace("##[", "#&#35;[")
