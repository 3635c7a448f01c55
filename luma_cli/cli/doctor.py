"""`luma config check`: is everything there that a submission will need."""

import functools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from importlib import metadata
from pathlib import Path

import luma_cli
from luma_cli import __version__
from luma_cli.api.client import Client
from luma_cli.config import settings
from luma_cli.errors import LumaError, reason
from luma_cli.journal import journal

Check = tuple[str, str, str]
OK, WARNING, ERROR = "ok", "warning", "error"

# TLS certificates and signed links begin to fail at about this difference.
MAX_CLOCK_SKEW = 300.0


def findings(open_client: Callable[[], Client]) -> tuple[list[Check], LumaError | None]:
    """Name, verdict and explanation of each check, and the first error among them."""
    connect = functools.cache(open_client)  # a command that gives the key is asked once
    first: LumaError | None = None
    found: list[Check] = []
    for name, look in (
        ("settings", _settings),
        ("key", lambda: _key(connect)),
        ("journal", _journal),
        ("config folder", lambda: _writable(settings.config_dir())),
        ("output folder", _output_folder),
    ):
        try:
            found.append((name, OK, look()))
        except LumaError as error:
            first = first or error
            found.append((name, ERROR, error.message))
    return [*found, _clock(connect), *_others_on_path(), *_foreign_package(), _versions()], first


def _settings() -> str:
    return settings.load_settings().base_url


def _key(connect: Callable[[], Client]) -> str:
    client = connect()
    return f"accepted; {client.patiently(client.credits):.12g} credits"


def _journal() -> str:
    if settings.journal_is_off():
        return "off"
    path = settings.state_dir() / journal.NAME
    book = journal.open_journal(path)
    book.close()
    return str(path)


def _writable(folder: Path) -> str:
    place = folder if folder.is_dir() else next((each for each in folder.parents if each.is_dir()), folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            return str(folder)
    except OSError as error:
        raise LumaError(f"cannot write in {place}: {reason(error)}") from error


def _output_folder() -> str:
    name = settings.load_settings().output_dir
    return "the current folder" if name is None else _writable(Path(name).absolute())


def _clock(connect: Callable[[], Client]) -> Check:
    try:
        date = connect().server_date()
    except LumaError:
        return "clock", WARNING, "cannot be told: no answer"
    try:
        skew = time.time() - parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return "clock", WARNING, "cannot be told: the service names no time"
    if abs(skew) > MAX_CLOCK_SKEW:
        return "clock", WARNING, f"differs from the service's by {skew:.0f} s"
    return "clock", OK, f"within {abs(skew):.0f} s of the service's"


def _others_on_path() -> list[Check]:
    """Other people's commands are called luma too."""
    places = [shutil.which("luma", path=folder) for folder in os.get_exec_path() if folder]
    ours = Path(sys.argv[0]).resolve().parent
    others = {place for place in places if place is not None and Path(place).resolve().parent != ours}
    return [("luma on PATH", WARNING, f"another one: {place}; kie-luma is always this one") for place in sorted(others)]


def _foreign_package() -> list[Check]:
    """Python takes the first package of a name on its path, and a folder of the user's may come before ours."""
    places = [Path(each or ".", "luma_cli", "__init__.py").resolve() for each in sys.path]
    others = dict.fromkeys(
        str(each.parent) for each in places if each.is_file() and each != Path(luma_cli.__file__).resolve()
    )
    return [("luma_cli", WARNING, f"another package of this name: {other}") for other in others]


def _versions() -> Check:
    names = ("typer", "rich", "requests", "urllib3", "platformdirs")
    libraries = " ".join(f"{name} {metadata.version(name)}" for name in names)
    return "versions", OK, f"luma {__version__} Python {sys.version.split()[0]} {libraries}"
