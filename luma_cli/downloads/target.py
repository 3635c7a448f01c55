"""The place where a file is to be saved: may it be there, and giving it its name."""

import errno
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from luma_cli.downloads.file_names import why_not
from luma_cli.errors import FileError, UsageError, reason

SUFFIXES = PART, SIDECAR, LOCK = ".part", ".part.json", ".part.lock"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What file systems without hard links answer (vfat, exFAT, some network and FUSE mounts).
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)


def check_target(target: Path, *, overwrite: bool) -> None:
    """Return if a file may be saved there, as far as can be told before it comes.

    Raises:
        UsageError: the name is not allowed.
        FileError: no folder, no right to write, no room, a link, or the name is taken (without `overwrite`).
    """
    check_place(target)
    if target.exists() and not overwrite:
        raise exists(target)
    if free_bytes(target) == 0:
        raise disk_full(target)


def check_place(target: Path) -> None:
    """The part of `check_target` that other downloads cannot change."""
    reason = "its folder has a NUL character" if "\0" in str(target.parent) else why_not(target.name)
    if reason is not None:
        raise UsageError(f"name not allowed: {target.name!a}: {reason}", hint="use -o with another name")
    if not os.path.isdir(target.parent):  # Path.is_dir raises for a long name
        raise FileError(f"there is no folder {target.parent}", hint="make it, or use -o for another place")
    if target.exists() and not target.is_symlink() and not target.is_file():
        raise FileError(f"{target} is not a regular file", hint="-o FILE, or -o - for stdout")
    _check_writable(target.parent)
    for path in (target, *(beside(target, suffix) for suffix in SUFFIXES)):
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise refused_link(path)


def _check_writable(folder: Path) -> None:
    """Try it: what the file's mode says is not all that can stand in the way (mounts, /proc, access lists)."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        if error.errno in _FULL:
            raise disk_full(folder / "video") from error
        raise FileError(f"cannot write in {folder}", hint="use -o for another place") from error


def free_bytes(target: Path) -> int:
    """Room for a target. File systems that count nothing (some network mounts) have no end of it."""
    try:
        usage = shutil.disk_usage(target.parent)
    except OSError as error:
        raise trouble(target, error) from error
    return usage.free if usage.total else sys.maxsize


def stamp(target: Path) -> tuple[int, int, int] | None:
    """What changes when another file takes the name; None where there is none."""
    try:
        facts = target.lstat()
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def beside(target: Path, suffix: str) -> Path:
    return target.with_name(target.name + suffix)


def trouble(target: Path, error: OSError) -> FileError:
    if error.errno in _FULL:
        return disk_full(target)
    if error.errno == errno.ELOOP:
        return refused_link(target)
    return FileError(f"cannot save {target}: {reason(error)}", hint="use -o for another place")


def disk_full(target: Path) -> FileError:
    return FileError(
        f"disk full in {target.parent}", hint="free some space, then run the same command again: it goes on"
    )


def refused_link(path: Path) -> FileError:
    return FileError(f"refused link: {path} is a link, or no plain file", hint="remove it, or use -o")


def exists(target: Path) -> FileError:
    return FileError(f"{target} exists", hint="use --force to overwrite it, or -o for another place")


def give_name(part: Path, target: Path, overwrite: bool) -> None:
    if overwrite:
        os.replace(part, target)
    elif os.name == "nt":
        os.rename(part, target)  # there, and only there, this refuses a name that is taken
    else:
        try:
            os.link(part, target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # Claim the name first: what is replaced then is only our own empty file.
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            try:
                os.replace(part, target)
            except BaseException:
                remove(target)
                raise
        else:
            os.unlink(part)


def save_whole(content: bytes, target: Path, *, overwrite: bool) -> None:
    """Write a file that has its name only once it is whole on disk.

    Raises:
        FileError: it cannot be saved, or another file took the name meanwhile.
    """
    part = target.with_name(f".luma-{secrets.token_hex(8)}{PART}")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        give_name(part, target, overwrite)
    except FileExistsError as error:
        raise exists(target) from error
    except OSError as error:
        raise trouble(target, error) from error
    finally:
        remove(part)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        pass  # Windows and some network file systems cannot; the file itself is on disk


def remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        pass  # already gone, or the folder is: what is left over does no harm
