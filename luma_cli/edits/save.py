"""Save the videos of ended tasks: several at once, and recorded as they come."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Self

from luma_cli import files, signals
from luma_cli.api.task import SavedFile, Task
from luma_cli.downloads import download, part_file
from luma_cli.edits.events import Note, Warned, transferring
from luma_cli.edits.finish import finisher
from luma_cli.edits.outputs import paths_of
from luma_cli.edits.poll import Inbox
from luma_cli.edits.request import Entry
from luma_cli.edits.run import STDOUT, Plan, Run
from luma_cli.edits.sources.recipes import write_recipe
from luma_cli.errors import FileError, LumaError, MixedOutcomes
from luma_cli.journal.records import Row
from luma_cli.video import headers

SaveOne = Callable[[], SavedFile]


class Saved(NamedTuple):
    """The downloads of an entry's task have ended, with files or an error."""

    entry: Entry
    task: Task
    files: tuple[SavedFile, ...] = ()
    error: LumaError | None = None
    paths: Sequence[Path] = ()


class Saver:
    """Downloads in a few threads; what comes of them goes through `inbox` back to the thread that owns the journal.

    `on_saved` gets each entry, its task with its files, and the error if one is missing.
    """

    def __init__(
        self, run: Run, plan: Plan, inbox: Inbox, on_saved: Callable[[Entry, Task, LumaError | None], None]
    ) -> None:
        self._run = run
        self._plan = plan
        self._inbox = inbox
        self._on_saved = on_saved
        self._temporary: list[Path] = []
        # What was there before, whatever it is: reported, but never recorded as the task's video.
        self._skipped: set[str] = set()
        # Never waited for on a signal: the part files are good for going on.
        self._pool = ThreadPoolExecutor(plan.parallel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for folder in self._temporary:
            shutil.rmtree(folder, ignore_errors=True)

    def start(self, entry: Entry, task: Task) -> None:
        """Save the results of a task that has a video, to a file, into a folder, or for stdout."""
        try:
            paths = paths_of(self._run, task, entry.naming, str(entry.output))
            self._temporary += [path.parent for path in paths if entry.output == STDOUT]
            steps = [self._step(entry, task, index, path) for index, path in enumerate(paths)]
            self._pool.submit(lambda: self._inbox.put(_save_all(Saved(entry, task, paths=paths), steps)))
        except LumaError as error:
            self._inbox.put(Saved(entry, task, error=error))
        except RuntimeError:
            self._inbox.put(Saved(entry, task, error=signals.no_thread()))

    def take(self, saved: Saved) -> None:
        """Record and report what a task's downloads brought."""
        if isinstance(saved.error, FileError):
            # What stands in the way may be the very files, which another process has saved meanwhile.
            found = all_saved(saved.paths, lambda path: self._recorded(saved.task, path, None))
            saved = saved._replace(files=found, error=None) if found else saved
        task = saved.task._replace(files=saved.files)
        for file in saved.files:
            self._record(task, file)
            if self._plan.writes_recipe and self._is_recorded(task, file):
                write_recipe(self._run, task, file, overwrite=self._plan.overwrite)
            part_file.tidy(Path(file.path))
        self._on_saved(saved.entry, task, saved.error)

    def _recorded(self, task: Task, path: Path, row: Row | None) -> SavedFile | None:
        if row is not None:
            return next((file for file in row.task.files if file.path == str(path.absolute())), None)
        try:
            known = self._run.journal.file_at(str(path.absolute()))
        except FileError:
            return None  # it failed while we waited, which was reported; a file in the way is refused all the same
        return known[1] if known is not None and known[0] == task.task_id else None

    def _step(self, entry: Entry, task: Task, index: int, path: Path) -> SaveOne:
        recorded, url = self._recorded(task, path, entry.row), task.result_urls[index]
        # Of a link only a hash goes to disk: what it is worth may stand in its query, and so may a secret.
        identity = f"{task.task_id}#{index}" if task.task_id else hashlib.sha256(url.encode()).hexdigest()
        report, client = self._run.report, self._run.client
        finish = finisher(self._run, self._plan, entry, task.task_id, path)

        def save() -> SavedFile:
            there = None if self._plan.finishes_again else already_saved(path, recorded)
            if there is not None:
                report(Note(f"{path} is saved already"))
                return there
            if self._plan.skip_existing and os.path.lexists(path):
                report(Note(f"{path} exists, skipped"))
                self._skipped.add(str(path.absolute()))
                return _measure(path, url)
            label = f"video of {task.task_id}" if entry.output == STDOUT else path.name
            limit, now = self._plan.timeout, self._run.clock.monotonic()
            deadline = now + limit if limit else None
            with client.file_session() as session, transferring(report, label) as on_bytes:
                done = download.download(
                    url,
                    path.absolute(),
                    identity=identity,
                    session=session,
                    check_whole=headers.check_whole,
                    overwrite=self._plan.overwrite,
                    keep_sidecar=True,
                    fresh_link=lambda: client.download_url(url),
                    finish=finish,
                    on_progress=on_bytes,
                    deadline=deadline,
                    on_wait=lambda holder: report(Note(f"waiting for {path.name}, which {holder} is saving")),
                )
            for warning in done.warnings:
                report(Warned(f"{path.name}: {warning}"))
            return done.file

        return save

    def _is_recorded(self, task: Task, file: SavedFile) -> bool:
        is_temporary = any(Path(file.path).parent == folder for folder in self._temporary)
        return bool(task.task_id) and not is_temporary and file.path not in self._skipped

    def _record(self, task: Task, file: SavedFile) -> None:
        try:
            if self._is_recorded(task, file):
                self._run.journal.save_file(task.task_id, file)
        except FileError as error:
            self._run.report(Warned(f"the file is saved but not recorded: {error.message}"))


def other_kind(path: Path) -> str | None:
    """What a saved file is, if its name says that it is another kind of video. MP4 and MOV are near enough."""
    claimed = next((kind for kind, suffix in headers.EXTENSIONS.items() if suffix == path.suffix.lower()), None)
    try:
        kind = headers.sniff_file(path)
    except OSError:
        return None
    if claimed is None or kind is None or claimed == kind or {claimed, kind} == {"mp4", "mov"}:
        return None
    return headers.name_of(kind)


def _save_all(saved: Saved, steps: Sequence[SaveOne]) -> Saved:
    """In a thread: do the work; one failed result does not cost the others."""
    files: list[SavedFile] = []
    errors: list[LumaError] = []
    for save in steps:
        try:
            files.append(save())
        except LumaError as error:
            errors.append(error)
        except Exception as error:  # noqa: BLE001  a thread must hand its failure on, or the wait hangs
            errors.append(LumaError(f"internal error: {type(error).__name__}"))
    saved = saved._replace(files=tuple(files))
    if not errors:
        return saved
    first = errors[0]
    if files:
        first = MixedOutcomes(f"{len(files)} of {len(steps)} videos saved; {first.message}", hint=first.hint)
    first.task_id = saved.task.task_id or None
    return saved._replace(error=first)


def all_saved(paths: Iterable[Path], recorded: Callable[[Path], SavedFile | None]) -> tuple[SavedFile, ...]:
    """What is recorded of these paths, if all the files are there still and the same; else nothing."""
    found = [already_saved(path, recorded(path)) for path in paths]
    return tuple(file for file in found if file is not None) if None not in found else ()


def already_saved(path: Path, recorded: SavedFile | None) -> SavedFile | None:
    """The recorded file, where it is there and still the same."""
    if recorded is None or not path.is_file() or path.stat().st_size != recorded.bytes:
        return None
    try:
        return recorded if part_file.measure(path) == (recorded.bytes, recorded.sha256) else None
    except FileError:
        return None  # what cannot be read is not known to be the same


def _measure(path: Path, url: str) -> SavedFile:
    if path.is_symlink() or not path.is_file():
        raise files.refused_link(path)
    return SavedFile(str(path.absolute()), *part_file.measure(path), url)
