"""What `-o` may name, and where each result goes.

Elsewhere: the empty one and stdout beside other output (`cli/run_opening.py`), the clip itself
(`sources/command_line.py`), a FILE for --split (`sources/pieces.py`), the outputs of batch rows beside each other
(`sources/manifest_rows.py`), the report's page (`output/report.py`), which name a file has by default
(`downloads/file_names.py`), and whether it may be written there (`downloads/target.py`).
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from luma_cli import files
from luma_cli.api.task import Task
from luma_cli.downloads import part_file, target
from luma_cli.downloads.file_names import SHORT_ID, Naming, default_name, extension_of, safe_piece
from luma_cli.edits.run import STDOUT, Plan, Run
from luma_cli.edits.sources.task_references import Reference
from luma_cli.errors import FileError, UsageError, reason
from luma_cli.journal.journal import Journal


def check_output(
    plan: Plan, count: int, known: Callable[[], frozenset[str]] = frozenset, *, makes: bool = True
) -> None:
    """Find out before any money is spent that the results can be saved, if they are to be.

    Without `makes` a missing folder is not made. `known` gives paths that may be there already, since they are the very
    results.

    Raises:
        UsageError: one file, or stdout, for several videos.
        FileError: the folder cannot be written, or the file exists.
    """
    name = plan.output
    if name is None:
        return
    if name == STDOUT or not is_folder(name):
        if count > 1:
            what, folder = ("stdout", "FOLDER/") if name == STDOUT else (f"the file {name}", f"{name}/ makes a folder")
            raise UsageError(f"several edits cannot share {what}", hint=f"-o {folder}")
        if name != STDOUT:
            path = Path(name).absolute()
            # In this order: another process may save it meanwhile, records it and only then removes the sidecar.
            free = not os.path.lexists(path)
            ours = free or part_file.is_vouched_for(path) or str(path) in known()
            target.check_target(path, overwrite=plan.overwrite or plan.skip_existing or ours)
    else:
        _check_folder(name, makes=makes)


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
        _check_folder(name, makes=makes)
    return name


def check_row_output(output: str, *, overwrite: bool) -> None:
    """Raises FileError when a row's video cannot be saved, before it is paid for. Folders below the output are made."""
    if not output.endswith("/"):
        path = Path(output).absolute()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise files.file_error(path, error) from error
        target.check_target(path, overwrite=overwrite)


def _check_folder(name: str, *, makes: bool) -> None:
    """Raises FileError if results cannot be saved in a folder. A missing one is made, its parents are not."""
    folder = Path(name).absolute()
    if not os.path.exists(folder) and os.path.isdir(folder.parent):
        if not makes:
            folder = folder.parent
        else:
            try:
                folder.mkdir()
            except OSError as error:
                raise FileError(f"cannot make the folder {folder}: {reason(error)}") from error
    target.check_path(folder / "video.mp4")


def is_folder(name: str) -> bool:
    return name.endswith(("/", os.sep)) or os.path.isdir(name)  # Path.is_dir raises for a long name


def is_same_file(name: str, other: str) -> bool:
    try:
        return os.path.samefile(name, other)
    except (OSError, ValueError):
        return False  # one of them is not there


def saved_paths(journal: Journal, task_ids: Iterable[str]) -> frozenset[str]:
    """Where results of these tasks were saved before."""
    tasks = (journal.task(task_id) for task_id in task_ids)
    return frozenset(file.path for task in tasks if task is not None for file in task.files)


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


def _name(task: Task, naming: Naming, index: int, others: Iterable[str]) -> str:
    extension = extension_of(task.result_urls[index])
    if not task.task_id:
        return safe_piece(naming.stem, "video") + extension
    return default_name(task.task_id, naming, extension, index=index, of=len(task.result_urls), others=others)


def _ids_alike(journal: Journal, task_id: str) -> list[str]:
    """Other tasks whose id has the beginning that stands in a file name."""
    if not task_id:
        return []
    try:
        rows = journal.beginning_with(task_id[:SHORT_ID])
    except FileError:
        return []  # it failed while we waited, which was reported; a name that is taken is refused all the same
    return [row.task.task_id for row in rows if row.task.task_id != task_id]
