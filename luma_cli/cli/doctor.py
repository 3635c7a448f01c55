"""`luma config check`: is everything there that an edit will need, and if not, what to do."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from luma_cli.cli import installation
from luma_cli.config import addresses, key_store, settings
from luma_cli.config.environment import variable
from luma_cli.errors import LumaError, UsageError, reason
from luma_cli.journal import journal
from luma_cli.video.ffmpeg import INSTALL, Need, find_ffmpeg

if TYPE_CHECKING:
    from luma_cli.api.client import Client

OK, WARNING, ERROR = "ok", "warning", "error"

# TLS certificates and signed links begin to fail at about this difference.
MAX_CLOCK_SKEW = 300.0

# Name, verdict and explanation of a check.
Finding = tuple[str, str, str]


class Doubt(NamedTuple):
    """Something that may stand in the way; `fix` says what to do about it."""

    message: str
    fix: str = ""


class Doctor:
    """The checks of one run, and the first error among them. What is broken stops no other check."""

    def __init__(self, open_client: "Callable[[], Client]") -> None:
        self.first: LumaError | None = None
        self._reported: dict[str, str] = {}
        self._open_client = open_client
        self._client: Client | None = None

    def findings(self) -> Iterator[Finding]:
        yield from _installation()
        looks: dict[str, Callable[[], str | Doubt]] = {
            "current folder": _current_folder,
            "settings": _settings,
            "config folder": lambda: _writable(settings.config_dir(), "LUMA_CONFIG_DIR"),
            "output folder": _output_folder,
            "journal": _journal,
            "certificates": _certificates,
            "proxy": _proxy,
            "ffmpeg": _ffmpeg,
            "key": self._key,
        }
        for name, look in looks.items():
            yield self._finding(name, look)
        if (client := self._client) is not None:
            yield self._finding("clock", lambda: _clock(client))
            yield self._finding("endpoint", lambda: _endpoint(client))

    def _finding(self, name: str, look: Callable[[], str | Doubt]) -> Finding:
        try:
            found = look()
            return (name, OK, found) if isinstance(found, str) else (name, WARNING, _with_fix(*found))
        except LumaError as error:
            if error.message in self._reported:
                return name, WARNING, f"cannot be determined: see {self._reported[error.message]}"
            fault = error
            self._reported[error.message] = name
        except ImportError as error:
            fault = installation.explain(error)
        self.first = self.first or fault
        return name, ERROR, _with_fix(fault.message, fault.hint)

    def _key(self) -> str:
        origin = key_store.find_origin(settings.load_settings())
        client = self._client = self._open_client()
        try:
            balance = client.patiently(client.credits)
        except LumaError as error:
            error.message = f"{error.message} (the key from {origin})"
            raise
        return f"from {origin}, accepted; {balance:.12g} credits"


def _with_fix(message: str, fix: str | None) -> str:
    return f"{message}; fix: {fix}" if fix else message


def _clock(client: "Client") -> str | Doubt:
    try:
        skew = time.time() - parsedate_to_datetime(client.server_date() or "").timestamp()
    except LumaError:
        return Doubt("cannot be determined: no reply")
    except (ValueError, TypeError, OverflowError):
        return Doubt("cannot be determined: the service names no time")
    if abs(skew) > MAX_CLOCK_SKEW:
        fix = "set this machine's clock: TLS and signed links fail without it"
        return Doubt(f"differs from the service's by {skew:.0f} s", fix)
    return f"within {abs(skew):.0f} s of the service's"


def _endpoint(client: "Client") -> str | Doubt:
    """Asks for the record of a task that cannot exist: nothing is submitted."""
    try:
        model = settings.load_settings().model
        if client.endpoint_answers(model):
            return f"that of {model} answers"
    except LumaError as error:
        return Doubt(f"cannot be determined: {error.message}")
    return Doubt(f"kie.ai no longer offers {model}", "--model NAME; luma help models lists them")


def _installation() -> Iterator[Finding]:
    yield "versions", OK, installation.describe()
    libraries = installation.read_libraries()
    yield "libraries", OK, " ".join(f"{library.name} {library.version}" for library in libraries)
    for library in libraries:
        if not library.is_usable:
            yield library.name, ERROR, _with_fix(library.fault, library.fix)
    if (archive := installation.archive()) is not None:
        fix = f"pip install {installation.DISTRIBUTION}, if a file of luma's own is not found"
        yield "zip file", WARNING, _with_fix(f"luma runs from {archive}", fix)
    for path in installation.other_commands():
        yield "luma on PATH", WARNING, _with_fix(f"another one: {path}", "kie-luma is always this one")
    for path in installation.other_packages():
        fix = "rename it, or work in another folder"
        yield "luma_cli", WARNING, _with_fix(f"another package of this name: {path}", fix)


def _current_folder() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        raise LumaError("the current folder does not exist any more", hint="cd to another one") from error


def _settings() -> str:
    ours = settings.load_settings()
    texts = [ours.base_url, ours.upload_url, f"model {ours.model}"]
    for key in ("base_url", "upload_url", "model"):
        if ours.origins.get(key, "default") != "default":
            texts.append(f"{key} from {ours.origins[key]}")
    return "; ".join(texts)


def _journal() -> str:
    if settings.journal_is_off():
        return "off: nothing keeps an edit from being paid twice"
    path = settings.state_dir() / journal.NAME
    book = journal.open_journal(path)
    book.close()
    return str(path)


def _writable(folder: Path, name: str) -> str:
    nearest = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return str(folder)
    except OSError as error:
        raise LumaError(f"cannot write in {nearest}: {reason(error)}", hint=f"name another folder: {name}") from error


def _output_folder() -> str:
    name = settings.load_settings().output_dir
    if name is None:
        return "the current folder"
    return _writable(Path(_current_folder(), name), "luma config set output_dir DIR")


def _certificates() -> str:
    name = next((name for name in addresses.CA_VARIABLES if variable(name)), None)
    bundle = addresses.ca_bundle()
    return "those that come with luma (certifi)" if bundle is None else f"{bundle} ({name})"


def _proxy() -> str:
    from luma_cli.api.transport import proxy_for

    ours = settings.load_settings()
    proxies = {url: proxy_for(url) for url in (ours.base_url, ours.upload_url)}
    found = [f"{url} through {proxy.rpartition('@')[2]}" for url, proxy in proxies.items() if proxy is not None]
    return "; ".join(found) or "none"  # without a login


def _ffmpeg() -> str | Doubt:
    named = settings.load_ffmpeg()
    try:
        found = find_ffmpeg(named)
    except UsageError as error:
        if named is not None:
            raise
        text = "not found: results keep no sound, and --trim, --fit, --match and --split need it"
        return Doubt(text, error.hint or "")
    if found.version is None:
        raise LumaError(f"{found.path} does not run", hint="install it again, or name another one: LUMA_FFMPEG")
    if lacks := found.lacks(Need):
        return Doubt(f"{found.path} {found.version} lacks {'; '.join(lacks)}", INSTALL)
    return f"{found.path} {found.version}"
