"""What every test has: a home of its own with a trap in it, a sandbox, and luma as a function and as a process."""

import io
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from hypothesis import settings

from luma_cli.cli.main import main
from luma_cli.edits.run import Clock
from luma_cli.sandbox import Sandbox
from support import footage
from support.commands import GIB, KEY, Result, seen
from support.processes import Luma
from support.screens import Screens

# The same examples each time: no change may fail for what it did not touch. HYPOTHESIS_PROFILE=default looks further.
settings.register_profile("quick", settings.get_profile("ci"), max_examples=30)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
# Compiling anew what a thousand processes of luma import was a third of what each of them took.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
MEMORY = Path("/dev/shm")


def pytest_configure() -> None:
    """Put the files of tests into memory if there is plenty: luma syncs all that it writes, and the disk is slow."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 8 * GIB:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Three more than there are processors: some tests wait for a second that has to pass."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else (os.cpu_count() or 1) + 3


@pytest.fixture(scope="session", autouse=True)
def shared_footage(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Clips are made once for all processes of pytest-xdist, whose folders lie side by side."""
    base = tmp_path_factory.getbasetemp()
    footage.keep_in((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "footage")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An environment without the developer's own settings, and a .netrc that would replace the key if it were read."""
    for name in list(os.environ):
        if name.startswith(("LUMA_", "KIE_", "XDG_", "GITHUB_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    # Unbuffered streams hide what happens to a user's: 120 for a full disk, where 11 is promised.
    for name in (
        "PYTHONUNBUFFERED",
        "NO_COLOR",
        "FORCE_COLOR",
        "COLUMNS",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "SSL_CERT_FILE",
        "SSLKEYLOGFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path.with_name(f"{tmp_path.name}-home")
    folder.mkdir()
    (folder / ".netrc").write_text("default login netrc-login password netrc-password\n")
    for name, value in {
        "HOME": folder,
        "LUMA_CONFIG_DIR": folder / "config",
        "LUMA_STATE_DIR": folder / "state",
        "LUMA_API_KEY": KEY,
        "TERM": "xterm",
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(tmp_path)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The mock of the service; a task has ended as soon as it is there."""
    with Sandbox(duration=0.0, api_key=KEY) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url)
        monkeypatch.setenv("LUMA_UPLOAD_URL", server.url)
        yield server
    for request in server.requests:
        if request.path.startswith("/files/"):
            assert not {"authorization", "cookie"} & set(request.headers), "the file host got a secret"


@pytest.fixture
def realistic(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Results as the service's own: silent, at 24 fps, of another size."""
    with Sandbox(duration=0.0, api_key=KEY, realistic=True) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url)
        monkeypatch.setenv("LUMA_UPLOAD_URL", server.url)
        yield server


@pytest.fixture
def clock() -> dict[str, Callable[..., float | None]]:
    """What `luma` takes for time: put `monotonic`, `now` or `sleep` in, and the next command lines go by them."""
    return {}


@pytest.fixture
def no_pauses(clock: dict[str, Any]) -> None:
    """What luma leaves the service alone for passes at once."""
    clock["sleep"] = lambda _: None


@pytest.fixture
def luma(monkeypatch: pytest.MonkeyPatch, clock: dict[str, Any]) -> Callable[..., Result]:
    """Type a command line into this very process."""

    def call(*words: object, stdin: str | bytes = b"") -> Result:
        content = stdin.encode() if isinstance(stdin, str) else stdin
        buffers = {"stdin": io.BytesIO(content), "stdout": io.BytesIO(), "stderr": io.BytesIO()}
        streams = {
            name: io.TextIOWrapper(buffer, encoding="utf-8", write_through=True) for name, buffer in buffers.items()
        }
        with monkeypatch.context() as patch:
            for name, stream in streams.items():
                patch.setattr(sys, name, stream)
            code = main([str(word) for word in words], Clock(**clock))
        out, err = (buffers[name].getvalue().decode("utf-8", "backslashreplace") for name in ("stdout", "stderr"))
        seen.extend((out, err))
        return Result(code, out, err)

    return call


@pytest.fixture
def screens(monkeypatch: pytest.MonkeyPatch, clock: dict[str, Any]) -> Screens:
    """A terminal of any size for this very process."""
    return Screens(monkeypatch, clock)


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run the real command as a process, without a terminal."""

    def call(*words: object, stdin: str = "", timeout: float = 60, **environment: str) -> Result:
        with Luma(*words, stdin=PIPE, stdout=PIPE, stderr=PIPE, env={**os.environ, **environment}) as process:
            try:
                texts = process.communicate(stdin.encode(), timeout)
            finally:
                process.kill()
        out, err = (text.decode("utf-8", "backslashreplace") for text in texts)
        seen.extend((out, err))
        return Result(process.returncode, out, err)

    return call


@pytest.fixture(autouse=True)
def log(home: Path) -> Iterator[None]:
    """A command sets up the program's log for good: the next test in this process finds it as it was."""
    logger = logging.getLogger("luma_cli")
    level, propagates, handlers = logger.level, logger.propagate, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.propagate, logger.handlers[:] = propagates, handlers


@pytest.fixture(autouse=True)
def no_leak(home: Path) -> Iterator[None]:
    """After every test: the key stands in no output and in no file but the key store."""
    seen.clear()
    yield
    for text in seen:
        assert KEY not in text, "the key leaked into an output"
        assert "Traceback (most recent call last)" not in text or os.environ.get("LUMA_DEBUG")
    for path in home.rglob("*"):
        if path.is_file() and path.name != "credentials.toml":
            assert KEY.encode() not in path.read_bytes(), f"the key leaked into {path.name}"
