"""Save the videos of ended tasks: under which names, several at once, and recorded as they come."""

import hashlib
import logging
import os
import queue
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from luma_cli import files, signals
from luma_cli.api.task import SavedFile, Task
from luma_cli.downloads import download, part_file, target
from luma_cli.downloads.file_names import SHORT_ID, Naming, default_name, extension_of, safe_piece
from luma_cli.edits.events import Note, Warned, transferring
from luma_cli.edits.finish import finisher
from luma_cli.edits.request import EditRequest
from luma_cli.edits.run import STDOUT, Plan, Run
from luma_cli.edits.sources.recipes import write_recipe
from luma_cli.edits.task_references import Reference
from luma_cli.errors import FileError, LumaError, MixedOutcomes, UsageError, reason
from luma_cli.journal.journal import Journal
from luma_cli.journal.records import Row
from luma_cli.video import headers

log = logging.getLogger(__name__)

SaveOne = Callable[[], SavedFile]


def check_output(
    plan: Plan, count: int, known: Callable[[], frozenset[str]] = frozenset, *, makes: bool = True
) -> None:
    """Find out before any money is spent that the results can be saved, if they are to be.

    Without `makes` a missing folder is not made.

    `known` gives paths that may be there already, since they are the very results.

    Raises:
        UsageError: one file for several videos, or bytes for a terminal.
        FileError: the folder cannot be written, or the file exists.
    """
    name = plan.output
    if name is None:
        return
    if name == STDOUT:
        _check_stdout(count)
    elif is_folder(name):
        check_folder(name, makes=makes)
    elif count > 1:
        raise UsageError(f"several edits cannot share the file {name}", hint=f"-o {name}/ makes a folder")
    else:
        path = Path(name).absolute()
        # In this order: another process may save it meanwhile, records it and only then removes the sidecar.
        free = not os.path.lexists(path)
        ours = free or part_file.is_vouched_for(path) or str(path) in known()
        target.check_target(path, overwrite=plan.overwrite or plan.skip_existing or ours)


def check_output_for(run: Run, plan: Plan, references: Sequence[Reference], others: int = 0) -> None:
    """`check_output` for tasks that exist, whose results may be there already."""
    task_ids = [reference.task_id for reference in references]
    check_output(plan, len(references) + others, lambda: saved_paths(run.journal, task_ids))


def check_results_folder(name: str | None, *, makes: bool = True) -> str | None:
    """The folder of a batch's results, None when only links are wanted.

    Raises:
        UsageError: stdout is meant.
        FileError: the folder cannot be written.
    """
    if name == STDOUT:
        raise UsageError("a batch saves files: it has no video for stdout", hint="-o DIR")
    if name is not None:
        check_folder(name, makes=makes)
    return name


def check_folder(name: str, *, makes: bool = True) -> None:
    """Raises FileError if results cannot be saved in a folder. A missing one is made, its parents are not."""
    folder = Path(name).absolute()
    if not os.path.exists(folder) and os.path.isdir(folder.parent):
        if makes:
            _make_folder(folder)
        else:
            folder = folder.parent
    target.check_path(folder / "video.mp4")


def is_folder(name: str) -> bool:
    return name.endswith(("/", os.sep)) or os.path.isdir(name)  # Path.is_dir raises for a long name


def saved_paths(journal: Journal, task_ids: Iterable[str]) -> frozenset[str]:
    """Where results of these tasks were saved before."""
    tasks = (journal.task(task_id) for task_id in task_ids)
    return frozenset(file.path for task in tasks if task is not None for file in task.files)


class Saved(NamedTuple):
    """A task's downloads have ended, with files or an error."""

    task: Task
    files: tuple[SavedFile, ...]
    error: LumaError | None
    paths: tuple[Path, ...] = ()


class Saver:
    """Downloads in a few threads; what comes of them goes through `inbox` back to the thread that owns the journal.

    `on_saved` gets each task with its files, and the error if one is missing. With `finishes_again` a file that is
    saved already is fetched and finished anew.
    """

    def __init__(
        self,
        run: Run,
        plan: Plan,
        inbox: "queue.Queue[object]",
        on_saved: Callable[[Task, LumaError | None], None],
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

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for folder in self._temporary:
            shutil.rmtree(folder, ignore_errors=True)

    def start(
        self,
        task: Task,
        naming: Naming,
        output: str,
        request: EditRequest | None = None,
        row: Row | None = None,
    ) -> None:
        """Save the results of a task that has a video, to a file, into a folder, or for stdout.

        `request` is what it was made of, if this run has submitted it; `row` is what the journal has of it.
        """
        try:
            paths = paths_of(self._run, task, naming, output)
            self._temporary += [path.parent for path in paths if output == STDOUT]
            steps = [self._step(task, index, path, output, request, row) for index, path in enumerate(paths)]
        except LumaError as error:
            self._inbox.put(Saved(task, (), error))
        else:
            try:
                self._pool.submit(lambda: self._inbox.put(_save_all(task, steps)._replace(paths=tuple(paths))))
            except RuntimeError:
                self._inbox.put(Saved(task, (), signals.no_thread()))

    def take(self, saved: Saved) -> None:
        """Record and report what a task's downloads brought."""
        if isinstance(saved.error, FileError):
            saved = self._look_again(saved)
        task = saved.task._replace(files=saved.files)
        for file in saved.files:
            self._record(task, file)
            if self._plan.writes_recipe and self._is_recorded(task, file):
                write_recipe(self._run, task, file, overwrite=self._plan.overwrite)
            part_file.tidy(Path(file.path))
        self._on_saved(task, saved.error)

    def _look_again(self, saved: Saved) -> Saved:
        """What stands in the way may be the very files, which another process has saved meanwhile."""
        found = all_saved(saved.paths, lambda path: self._recorded(saved.task, path, None))
        return Saved(saved.task, found, None) if found else saved

    def _recorded(self, task: Task, path: Path, row: Row | None) -> SavedFile | None:
        if row is not None:
            return next((file for file in row.task.files if file.path == str(path.absolute())), None)
        try:
            known = self._run.journal.file_at(str(path.absolute()))
        except FileError:
            return None  # it failed while we waited, which was reported; a file in the way is refused all the same
        return known[1] if known is not None and known[0] == task.task_id else None

    def _step(
        self, task: Task, index: int, path: Path, output: str, request: EditRequest | None, row: Row | None
    ) -> SaveOne:
        recorded, url = self._recorded(task, path, row), task.result_urls[index]
        # Of a link only a hash goes to disk: what it is worth may stand in its query, and so may a secret.
        identity = f"{task.task_id}#{index}" if task.task_id else hashlib.sha256(url.encode()).hexdigest()
        report, client = self._run.report, self._run.client
        finish = finisher(self._run, self._plan, task.task_id, request, row, path)

        def save() -> SavedFile:
            there = None if self._plan.finishes_again else already_saved(path, recorded)
            if there is not None:
                report(Note(f"{path} is saved already"))
                return there
            if self._plan.skip_existing and os.path.lexists(path):
                report(Note(f"{path} exists, skipped"))
                self._skipped.add(str(path.absolute()))
                return _measure(path, url)
            label = f"video of {task.task_id}" if output == STDOUT else path.name
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


def paths_of(run: Run, task: Task, naming: Naming, name: str) -> list[Path]:
    """Where each result goes; names from outside are made safe.

    Raises FileError: several do not fit there.
    """
    count = len(task.result_urls)
    if name == STDOUT:
        if count > 1:
            raise FileError(f"task {task.task_id} has several videos", hint="-o FOLDER/")
        return [Path(tempfile.mkdtemp(prefix="luma-")) / "video.mp4"]
    if is_folder(name):
        others = _ids_alike(run.journal, task.task_id)
        return [Path(name) / _name(task, naming, index, others) for index in range(count)]
    first = Path(name)
    return [first, *(first.with_name(f"{first.stem}-{n}{first.suffix}") for n in range(2, count + 1))]


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


def _save_all(task: Task, steps: Sequence[SaveOne]) -> Saved:
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
    if not errors:
        return Saved(task, tuple(files), None)
    first = errors[0]
    if files:
        first = MixedOutcomes(f"{len(files)} of {len(steps)} videos saved; {first.message}", hint=first.hint)
    first.task_id = task.task_id or None
    return Saved(task, tuple(files), first)


def _name(task: Task, naming: Naming, index: int, others: Iterable[str]) -> str:
    extension = extension_of(task.result_urls[index])
    if not task.task_id:
        return safe_piece(naming.stem, "video") + extension
    return default_name(
        task.task_id,
        naming.stem,
        extension,
        index=index,
        of=len(task.result_urls),
        prompt_words=naming.prompt_words,
        trim_start=naming.trim_start,
        others=others,
    )


def _ids_alike(journal: Journal, task_id: str) -> list[str]:
    """Other tasks whose id has the beginning that stands in a file name."""
    if not task_id:
        return []
    try:
        rows = journal.beginning_with(task_id[:SHORT_ID])
    except FileError:
        return []  # it failed while we waited, which was reported; a name that is taken is refused all the same
    return [row.task.task_id for row in rows if row.task.task_id != task_id]


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


def _check_stdout(count: int) -> None:
    if count > 1:
        raise UsageError("several edits cannot share stdout", hint="-o FOLDER/")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir()
    except OSError as error:
        raise FileError(f"cannot make the folder {folder}: {reason(error)}") from error
