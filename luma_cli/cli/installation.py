"""What this luma is made of: versions, the folders they come from, and what stands in their way."""

import importlib.util
import os
import re
import shutil
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import luma_cli
from luma_cli import __version__
from luma_cli.config.environment import variable
from luma_cli.errors import LumaError

DISTRIBUTION = "kie-luma"
# The lowest versions that work, as pyproject.toml has them: a zip file and a checkout carry no metadata to ask.
LIBRARIES = {
    "typer": "0.28",
    "rich": "13.9",
    "requests": "2.32",
    "urllib3": "2.3",
    "platformdirs": "4.2",
    "requests-toolbelt": "1.0",
    "tomlkit": "0.13",
}


class Library(NamedTuple):
    """A library that Python would load now, the lowest version that we were tried with, and the folder it is in."""

    name: str
    version: str | None
    lowest: str
    folder: str

    @property
    def is_usable(self) -> bool:
        return self.version is not None and _numbers(self.version) >= _numbers(self.lowest)

    @property
    def fault(self) -> str:
        if self.version is None:
            return f"{self.name} is not installed"
        return f"{self.name} {self.version} in {self.folder} is older than {self.lowest}"

    @property
    def fix(self) -> str:
        if self.folder in (variable("PYTHONPATH") or "").split(os.pathsep):
            return f"take {self.folder} out of PYTHONPATH"
        return f"{sys.executable} -m pip install --upgrade {DISTRIBUTION}"


def read_libraries() -> list[Library]:
    return [_library(name, lowest) for name, lowest in LIBRARIES.items()]


def explain(error: ImportError | AttributeError) -> LumaError:
    """What is behind a failed import: a library that is missing, or too old and first on Python's path."""
    fault = next((library for library in read_libraries() if not library.is_usable), None)
    if fault is None:
        return LumaError(f"luma cannot be loaded: {error}", hint=f"install it again: pip install {DISTRIBUTION}")
    return LumaError(fault.fault, hint=fault.fix)


def describe() -> str:
    """Versions of luma and Python, and the folders they are in."""
    home = Path(luma_cli.__file__).parent
    return f"luma {__version__} in {home}; Python {sys.version.split()[0]}, {sys.executable}"


def archive() -> str | None:
    """The zip file that luma runs from, None if it is installed in a folder."""
    parents = Path(luma_cli.__file__).parents
    return next((str(path) for path in parents if path.is_file() and zipfile.is_zipfile(path)), None)


def other_commands() -> list[str]:
    """Other people's commands are called luma too."""
    found = [shutil.which("luma", path=folder) for folder in os.get_exec_path() if folder]
    ours = {Path(program).parent.resolve() for program in (Path(sys.argv[0]).resolve(), sys.executable)}
    return sorted({path for path in found if path is not None and Path(path).resolve().parent not in ours})


def other_packages() -> list[str]:
    """Python takes the first package of a name on its path, and a folder of the user's may come before ours."""
    ours = Path(luma_cli.__file__).resolve()
    found: dict[str, None] = {}
    for folder in sys.path:
        try:
            path = Path(folder or ".", "luma_cli", "__init__.py").resolve()
        except OSError:  # the current folder is gone
            continue
        if path.is_file() and path != ours:
            found[str(path.parent)] = None
    return list(found)


def _library(name: str, lowest: str) -> Library:
    module = name.replace("-", "_")
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        return Library(name, None, lowest, "")
    folder = str(Path(spec.origin).parent.parent)
    try:
        distribution = metadata.distribution(name)
        version = distribution.version if str(distribution.locate_file("")) == folder else _own_version(module)
    except metadata.PackageNotFoundError:
        version = _own_version(module)
    return Library(name, version, lowest, folder)


def _own_version(module: str) -> str:
    """What a copy without metadata says of itself."""
    try:
        return str(getattr(importlib.import_module(module), "__version__", "0"))
    except (ImportError, AttributeError):
        return "0"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"[0-9]+", version)[:3]))
