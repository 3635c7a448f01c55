"""What every test has: a home of its own with a trap in it, a sandbox, and luma as a function and as a process."""

import io
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings

from luma_cli.cli import main
from luma_cli.sandbox import Sandbox

# The same examples each time: no change may fail for what it did not touch. HYPOTHESIS_PROFILE=default looks further.
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(__file__).with_name("data")
CLIP = DATA / "street.mp4"
CLIP_URL = "https://media.example.net/in.mp4"
# Stands in no file of the project but this one: where it turns up in an output, the key has leaked.
KEY = "canary0key0f00d0000000000000cafe"

_seen: list[str] = []


# What the examples of README and help are run with.
EDITS = [
    {"id": "snow", "prompt": "Heavy snow falls at night", "video": "a.mp4", "output": "snow.mp4"},
    {"id": "rain", "prompt": "Heavy rain", "video": "b.mp4"},
]


MIB = 1 << 20
COMMAND = [sys.executable, "-m", "luma_cli"]
# One process in between, so that a command's figures are not those of another test's children.
_MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss, used.ru_utime + used.ru_stime, file=sys.stderr)
sys.exit(code)
"""


class Result(NamedTuple):
    code: int
    out: str
    err: str


class Used(NamedTuple):
    """What a process took: memory at its peak in bytes, CPU in seconds."""

    peak: int
    cpu: float


def measured(command: Sequence[object], **options: Any) -> tuple[Result, Used]:
    """Run a command as a process and measure it; `options` go to subprocess."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *map(str, command)],
        **{"capture_output": True, "text": True, "timeout": 600, "check": False, **options},
    )
    *lines, figures = done.stderr.splitlines(keepends=True)
    peak, cpu = figures.split()
    _seen.extend((done.stdout, done.stderr))
    return Result(done.returncode, done.stdout, "".join(lines)), Used(int(peak) * 1024, float(cpu))


@contextmanager
def started(*words: object, **streams: object) -> Iterator[subprocess.Popen[str]]:
    """luma as a process, which does not outlive the block."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **streams}
    with subprocess.Popen([*COMMAND, *map(str, words)], **pipes) as process:  # type: ignore[call-overload]
        timer = threading.Timer(60, process.kill)
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
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
        "SSLKEYLOGFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path_factory.mktemp("home")
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
    return folder


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The service's double; a task has ended as soon as it is there."""
    with Sandbox(duration=0.0, api_key=KEY) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url)
        monkeypatch.setenv("LUMA_UPLOAD_URL", server.url)
        yield server
    for each in server.requests:
        if each.path.startswith("/files/"):
            assert not {"authorization", "cookie"} & set(each.headers), "the file host was told a secret"


@pytest.fixture
def luma(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Type a command line into this very process."""

    def call(*words: object, stdin: str | bytes = b"") -> Result:
        content = stdin.encode() if isinstance(stdin, str) else stdin
        buffers = {"stdin": io.BytesIO(content), "stdout": io.BytesIO(), "stderr": io.BytesIO()}
        streams = {name: io.TextIOWrapper(each, encoding="utf-8", write_through=True) for name, each in buffers.items()}
        with monkeypatch.context() as patch:
            for name, stream in streams.items():
                patch.setattr(sys, name, stream)
            code = main([str(word) for word in words])
        out, err = (buffers[name].getvalue().decode("utf-8", "backslashreplace") for name in ("stdout", "stderr"))
        _seen.extend((out, err))
        return Result(code, out, err)

    return call


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run the real command as a process, without a terminal."""

    def call(*words: object, stdin: str = "", timeout: float = 60, **environment: str) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "luma_cli", *map(str, words)],
            input=stdin.encode(),
            capture_output=True,
            timeout=timeout,
            env={**os.environ, **environment},
            check=False,
        )
        out, err = (text.decode("utf-8", "backslashreplace") for text in (done.stdout, done.stderr))
        _seen.extend((out, err))
        return Result(done.returncode, out, err)

    return call


@pytest.fixture(autouse=True)
def no_leak(home: Path) -> Iterator[None]:
    """After every test: the key stands in no output and in no file but the key store."""
    _seen.clear()
    yield
    for text in _seen:
        assert KEY not in text, "the key leaked into an output"
        assert "Traceback (most recent call last)" not in text or os.environ.get("LUMA_DEBUG")
    for path in home.rglob("*"):
        if path.is_file() and path.name != "credentials.toml":
            assert KEY.encode() not in path.read_bytes(), f"the key leaked into {path.name}"
