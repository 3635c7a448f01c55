"""The path that a file is to be saved at: may it be there, and is it the same as another."""

import os
import shutil
import stat
import sys
import unicodedata
from hashlib import sha256
from pathlib import Path

from luma_cli import files
from luma_cli.downloads.file_names import VIDEO_EXTENSIONS, why_not
from luma_cli.errors import FileError, UsageError

SUFFIXES = PART, SIDECAR, LOCK = ".part", ".part.json", ".part.lock"


def check_target(target: Path, *, overwrite: bool) -> None:
    """Return if a file may be saved there, as far as can be determined before it comes.

    Raises:
        UsageError: the name is not allowed.
        FileError: no folder, no right to write, no room, a link, or the name is taken (without `overwrite`).
    """
    check_path(target)
    if target.exists() and not overwrite:
        raise files.exists(target)
    if free_bytes(target) == 0:
        raise files.disk_full(target)


def check_path(target: Path) -> None:
    """The part of `check_target` that other downloads cannot change."""
    reason = "its folder has a NUL character" if "\0" in str(target.parent) else why_not(target.name)
    if reason is not None:
        raise UsageError(f"name not allowed: {target.name!a}: {reason}", hint="use -o with another name")
    if not os.path.isdir(target.parent):  # Path.is_dir raises for a long name
        raise FileError(f"there is no folder {target.parent}", hint="make it, or use -o to save elsewhere")
    if target.exists() and not target.is_symlink() and not target.is_file():
        raise FileError(f"{target} is not a regular file", hint="-o FILE, or -o - for stdout")
    if target.is_symlink():
        raise files.refused_link(target)
    _check_writable(target.parent)
    for path in (beside(target, suffix) for suffix in SUFFIXES):
        if not is_leftover_link(path, target):
            _check_ours_if_there(path)


def _check_ours_if_there(path: Path) -> None:
    try:
        files.check_ours(os.lstat(path), path)
    except FileNotFoundError:
        pass


def is_leftover_link(path: Path, target: Path) -> bool:
    """A part file that is the target's other name: a run was killed after it gave the name and before it was done."""
    try:
        facts = path.lstat()
        return stat.S_ISREG(facts.st_mode) and facts.st_nlink == 2 and os.path.samestat(facts, target.lstat())
    except OSError:
        return False


def _check_writable(folder: Path) -> None:
    """Try it: what the folder's mode says is not all that can stand in the way (mounts, /proc, access lists)."""
    try:
        files.new_file_facts(folder)
    except OSError as error:
        if error.errno in files.FULL:
            raise files.disk_full(folder / "video") from error
        raise FileError(f"cannot write in {folder}", hint="use -o to save elsewhere") from error


def free_bytes(target: Path) -> int:
    """Room for a target. File systems that count nothing (some network mounts) have no end of it."""
    try:
        usage = shutil.disk_usage(target.parent)
    except OSError as error:
        raise files.file_error(target, error) from error
    return usage.free if usage.total else sys.maxsize


def stamp(target: Path) -> tuple[int, int, int] | None:
    """What changes when another file takes the name; None if there is none."""
    try:
        facts = target.lstat()
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def beside(target: Path, suffix: str) -> Path:
    return target.with_name(target.name + suffix)


def sibling(path: Path, suffix: str) -> Path:
    """A new empty file of ours in the folder of `path`, for a finished clip: always the same name, none is left over.

    Raises:
        FileError: another user's file has that name, or it cannot be made.
    """
    made = _sibling(path, suffix)
    _check_ours_if_there(made)
    files.remove(made)
    try:
        os.close(files.open_ours(made, 0o666))
    except OSError as error:
        raise files.file_error(made, error) from error
    return made


def remove_siblings(path: Path) -> None:
    """Remove what a run that was killed while it finished a clip has left beside it."""
    for suffix in VIDEO_EXTENSIONS:
        files.remove(_sibling(path, suffix))


def _sibling(path: Path, suffix: str) -> Path:
    return path.with_name(f"{files.TEMPORARY}{sha256(os.fsencode(path.name)).hexdigest()[:16]}{suffix}")


def real_target(target: Path) -> Path:
    """Where a file is that was saved as `target`: absolute, as typed if `..` and links leave it there.

    The kernel follows a link before it goes up: `link/../x` is beside what the link leads to, not beside the link.
    """
    plain = Path(os.path.normpath(target.absolute()))
    try:
        if os.path.samefile(plain.parent, target.absolute().parent):
            return plain
    except OSError:
        pass  # one of them is not there: the links decide
    return Path(os.path.realpath(target.absolute().parent)) / target.name


def target_key(target: Path) -> str:
    """Equal for paths that lead to one file, whether it is there or not.

    Links in folders, `..` and, if the file system ignores it, the case of letters make no difference.
    """
    absolute = target.absolute()
    folder, rest = Path(os.path.realpath(absolute.parent)), absolute.name
    while not folder.is_dir() and folder != folder.parent:
        folder, rest = folder.parent, os.path.join(folder.name, rest)
    if ignores_case(folder):  # as APFS does it, which takes composed and decomposed letters for the same, too
        rest = without_case(rest)
    try:
        facts = folder.stat()
    except OSError:
        return os.path.normcase(folder / rest)
    return f"{facts.st_dev}:{facts.st_ino}/{rest}"  # a folder has many spellings and one number


def without_case(name: str) -> str:
    """Equal for names that a file system without case takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def ignores_case(folder: Path) -> bool:
    """Whether names in a folder are found in any case of letters, judged by one that is there."""
    try:
        with os.scandir(folder) as entries:
            name = next((entry.name for entry in entries if entry.name.swapcase() != entry.name), None)
        known = folder / name if name is not None else folder
        other = known.with_name(known.name.swapcase())
        return other.name != known.name and os.path.samefile(known, other)
    except (OSError, ValueError):
        return False
