"""Which videos stand for a submission on a page: files on this disk, and links where there is no file."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from luma_cli import files
from luma_cli.api.hosts import is_link, without_query
from luma_cli.api.task import SavedFile, Task
from luma_cli.downloads.file_names import extension_of, safe_piece, stem_of
from luma_cli.journal.records import Row
from luma_cli.video.headers import probe_file
from luma_cli.video.media import MediaError

# How a page names a file of this disk.
Href = Callable[[str], str]


class Clip(NamedTuple):
    """A video: `path` is the file that the page plays, `link` where it is if there is none.

    `is_doubtful`: the file was written after the submission, so that it may not be what was submitted.
    `offset` is the second of its source that it begins at.
    """

    name: str
    path: str | None = None
    link: str | None = None
    is_doubtful: bool = False
    bytes: int | None = None
    sha256: str | None = None
    expires: bool = False
    offset: float = 0.0


def source_of(row: Row) -> Clip:
    """What was edited: the user's file if it is still there, else a link to it."""
    # A row that we did not submit has its source from the service, which must not choose a file of ours.
    is_ours = row.is_ours and "://" not in row.source
    sha256 = row.details.source_sha256
    if is_ours and os.path.isfile(row.source):
        size = os.path.getsize(row.source)
        return Clip(os.path.basename(row.source), row.source, None, _is_doubtful(row, sha256), size, sha256)
    links = [link for link in (row.source, *row.task.origin_urls, row.task.video_url) if link and _can_be_opened(link)]
    name = os.path.basename(row.source) if is_ours else ""
    return Clip(name or without_query((*links, "")[0]), None, links[0] if links else None, sha256=sha256)


def results_of(task: Task) -> Iterator[Clip]:
    """What came of it: for each result the newest saved file that is still there, else the link."""
    there = [file for file in reversed(task.files) if _is_there(file)]
    shown = set()
    for url in task.result_urls:
        file = _saved_as(url, there, task)
        if file is not None:
            shown.add(file.sha256)
            yield _saved(file)
        elif _can_be_opened(url):
            yield Clip(without_query(url), None, url, expires=True)
    others = {file.sha256: file for file in there if file.sha256 not in shown and file.url not in task.result_urls}
    yield from map(_saved, others.values())


def frame_rate_of(path: str) -> float:
    """Frames per second of a file, 0 if its headers do not say."""
    try:
        return float(probe_file(Path(path)).frame_rate or 0)
    except (OSError, MediaError):
        return 0.0


def linked_from(folder: Path) -> Href:
    """Name files as they are seen from the page's folder."""

    def href(path: str) -> str:
        try:
            relative = os.path.relpath(path, folder)
        except ValueError:
            return Path(path).as_uri()  # another drive of Windows
        return quote(os.fsencode(relative.replace(os.sep, "/")))

    return href


class Copies:
    """Name files as copies in a folder beside the page, then make these copies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, str] = {}

    def __call__(self, path: str) -> str:
        number = len(self._names) + 1
        name = f"{number:02}-{safe_piece(stem_of(path))}{extension_of(path)}"
        return quote(os.fsencode(f"{self._folder.name}/{self._names.setdefault(path, name)}"))

    def save(self) -> None:
        """Copy what was named. Each copy has its name once it is whole.

        Raises:
            FileError: a file cannot be read, or there is no room.
        """
        try:
            self._folder.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".luma-", dir=self._folder) as unfinished:
                for path, name in self._names.items():
                    part = Path(unfinished) / name
                    shutil.copyfile(path, part)
                    os.replace(part, self._folder / name)
        except OSError as error:
            raise files.file_error(self._folder / "copy", error) from error


def _is_doubtful(row: Row, sha256: str | None) -> bool:
    """A file that is newer than its edit is another clip, unless its content is the recorded one."""
    if os.stat(row.source).st_mtime <= row.submitted_at.timestamp():
        return False
    with open(row.source, "rb") as file:
        return sha256 is None or hashlib.file_digest(file, "sha256").hexdigest() != sha256


def _saved_as(url: str, there: list[SavedFile], task: Task) -> SavedFile | None:
    """The file of this result. A link that was signed anew differs in its query only."""
    again = [f for f in there if f.url not in task.result_urls and without_query(f.url) == without_query(url)]
    return next(iter([file for file in there if file.url == url] or again), None)


def _saved(file: SavedFile) -> Clip:
    return Clip(os.path.basename(file.path), file.path, None, False, file.bytes, file.sha256)


def _is_there(file: SavedFile) -> bool:
    return os.path.isfile(file.path) and os.path.getsize(file.path) == file.bytes


def _can_be_opened(url: str) -> bool:
    """A link for a page. One with a login would give it to everybody who reads the page."""
    return is_link(url) and urlsplit(url).username is None
