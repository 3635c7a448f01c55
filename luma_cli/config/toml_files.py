"""TOML files in the config folder: read within bounds, edited under a lock, replaced whole."""

import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luma_cli.errors import FileError, UsageError, reason
from luma_cli.files import Lock, save_whole

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

# The TOML reader takes quadratic time for a dotted key: 60 s for 600 kB (measured).
MAX_BYTES = 1 << 16
LOCK_TIMEOUT = 30.0


def load_toml(path: Path) -> dict[str, Any]:
    """The file's tables; empty where there is no file.

    Raises:
        UsageError: not a readable TOML file; says which line.
    """
    content = _read(path)
    if not content:
        return {}  # without the 5 ms that the reader costs every command
    import tomllib

    try:
        return tomllib.loads(_decode(path, content))
    except (ValueError, RecursionError) as error:  # the reader raises these too: for a number of 5,000 digits, say
        place = re.search(r"line (\d+)|end of document", str(error))
        line = 0 if place is None else int(place[1] or len(content.splitlines()))
        raise UsageError(f"{path}{f' line {line}' if line else ''}: not TOML", hint=f"correct it: {path}") from error


def line_of(path: Path, key: str) -> str:
    """The file and, if it can be found, the line that holds a key; `prompt.snow` may stand in a table `[prompt]`."""
    lines = _decode(path, _read(path)).splitlines()
    table, _, name = key.rpartition(".")
    number = _line_with(lines, re.escape(key).replace(r"\.", r"\s*\.\s*"))
    if number is None and table:
        header = _line_with(lines, re.escape(table)) or 0
        inside = _line_with(lines[header:], re.escape(name))
        number = header + inside if inside is not None else header or None
    return f"{path}" if number is None else f"{path} line {number}"


def _line_with(lines: list[str], key: str) -> int | None:
    pattern = re.compile(rf"\s*\[*\s*[\"']?{key}[\"']?\s*[=.\]]")
    return next((number for number, line in enumerate(lines, start=1) if pattern.match(line)), None)


def edit_toml(path: Path, change: "Callable[[TOMLDocument], None]", *, private: bool) -> bool:
    """Apply `change` to the file, keeping comments; True where its mode had to be tightened.

    A private file is 0600 from birth and at no moment readable by others; a shareable one is 0644 less the umask.

    Raises:
        FileError: the folder or file cannot be written, or the file belongs to somebody else.
        UsageError: the file is there and is not TOML.
    """
    import tomlkit

    target = _own_target(path)
    with _locked(path.parent):
        load_toml(target)  # a fault is told with its line, as in reading
        document = tomlkit.parse(_decode(target, _read(target)))
        change(document)
        tightened = private and target.exists() and stat.S_IMODE(target.stat().st_mode) & 0o077 != 0
        save_whole(tomlkit.dumps(document).encode(), target, overwrite=True, mode=0o600 if private else 0o644)
    return tightened and os.name == "posix"


def make_folder(path: Path) -> None:
    """Make the folder, 0700, and tighten one of ours that others may write to.

    One that they may only look into is left: it may be a home folder, and the secrets in it are 0600 themselves.

    Raises:
        FileError: it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = path.stat()
        is_open = facts.st_mode & 0o022 and not facts.st_mode & stat.S_ISVTX
        is_closed = facts.st_mode & 0o700 != 0o700  # to ourselves, by an odd umask
        if os.name == "posix" and facts.st_uid == os.getuid() and (is_open or is_closed):
            path.chmod(0o700)
    except OSError as error:
        raise FileError(f"cannot make the folder {path}: {reason(error)}") from error


def _read(path: Path) -> bytes:
    try:
        # O_NONBLOCK: a FIFO in the file's place must not hang us.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UsageError(f"cannot read {path}: {reason(error)}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(f"cannot read {path}: not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UsageError(f"cannot read {path}: larger than {MAX_BYTES >> 10} KiB")
    return content


def _decode(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UsageError(f"{path} line {line}: not UTF-8 text", hint=f"correct it: {path}") from error


def _own_target(path: Path) -> Path:
    """Where a link at the file's place leads, if to a file of our own: people link their dotfiles."""
    make_folder(path.parent)
    target = Path(os.path.realpath(path))
    if os.name == "posix" and target.exists() and target.stat().st_uid != os.getuid():
        raise FileError(f"refused to write {path}: the file belongs to another user")
    if target != path and not target.parent.is_dir():
        raise FileError(f"refused to write {path}: the link leads nowhere")
    return target


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = Lock(folder / ".lock")
    try:
        lock.acquire(time.monotonic() + LOCK_TIMEOUT)
        yield
    except FileError as error:
        raise FileError(error.message, hint="correct that, or set LUMA_CONFIG_DIR to another folder") from error
    finally:
        lock.release()
