"""Which videos stand for a submission on a page: files on this disk before links, which expire."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from luma_cli.api.hosts import without_query
from luma_cli.api.task import SavedFile, Task, is_link
from luma_cli.journal.records import Row


@dataclass(frozen=True)
class Clip:
    """A video. `href` is None where it can be named but not opened; `bytes` and `sha256` are None where not known.

    `is_newer`: the file was written after the submission, so that it may not be what was submitted.
    """

    name: str
    href: str | None = None
    is_local: bool = False
    is_newer: bool = False
    bytes: int | None = None
    sha256: str | None = None


def source_of(row: Row, folder: Path) -> Clip:
    """What was edited: the user's file where it is still there, else a link to it. Files are as seen from `folder`."""
    # A row that we did not submit has its source from the service, which must not choose a file of ours.
    is_ours = row.digest is not None and "://" not in row.source
    if is_ours and os.path.isfile(row.source):
        facts = os.stat(row.source)
        is_newer = facts.st_mtime > row.submitted_at.timestamp()
        return Clip(_name(row.source), _href(row.source, folder), True, is_newer, facts.st_size)
    links = [each for each in (row.source, *row.task.origin_urls, row.task.video_url) if each and _can_be_opened(each)]
    name = _name(row.source) if is_ours else ""
    return Clip(name or without_query((*links, "")[0]), links[0] if links else None)


def results_of(task: Task, folder: Path) -> Iterator[Clip]:
    """What came of it: for each result the newest saved file that is still there, else the link."""
    there = [file for file in reversed(task.files) if _is_there(file)]
    shown = set()
    for url in task.result_urls:
        file = _saved_as(url, there, task)
        if file is not None:
            shown.add(file.sha256)
            yield _saved(file, folder)
        elif _can_be_opened(url):
            yield Clip(without_query(url), url)
    others = {file.sha256: file for file in there if file.sha256 not in shown and file.url not in task.result_urls}
    yield from (_saved(file, folder) for file in others.values())


def _saved_as(url: str, there: list[SavedFile], task: Task) -> SavedFile | None:
    """The file of this result. A link that was signed anew differs in its query only."""
    again = [f for f in there if f.url not in task.result_urls and without_query(f.url) == without_query(url)]
    return next(iter([file for file in there if file.url == url] or again), None)


def _saved(file: SavedFile, folder: Path) -> Clip:
    return Clip(_name(file.path), _href(file.path, folder), True, False, file.bytes, file.sha256)


def _is_there(file: SavedFile) -> bool:
    return os.path.isfile(file.path) and os.path.getsize(file.path) == file.bytes


def _can_be_opened(url: str) -> bool:
    """A link for a page. One with a login would give it to everybody who reads the page."""
    return is_link(url) and urlsplit(url).username is None


def _name(path: str) -> str:
    return os.path.basename(path)


def _href(path: str, folder: Path) -> str:
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:
        return Path(path).as_uri()  # another drive of Windows
    return quote(os.fsencode(relative.replace(os.sep, "/")))
