"""Help, man pages and completions: in step with the command tree, clean, and with examples that work."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import typer.main
from command_tree import Command, read_tree

from luma_cli.cli.main import COMMANDS, app
from luma_cli.errors import EXIT_CODES
from luma_cli.sandbox import Sandbox
from support.commands import CLIP, EDITS, ROOT, Result, typed

MAN = ROOT / "man"
TREE = read_tree(typer.main.get_command(app))


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / ".ci" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = generator()
EXAMPLES = [line for command in TREE.walk() for line in GENERATE.examples_of(command)]
FOR_EVER = [line for line in EXAMPLES if line.startswith("luma listen")]


@pytest.fixture
def shell(sandbox: Sandbox, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like the examples': clips, a prompt, the shells' folders, `luma` on PATH."""
    for name in ("clip.mp4", "street.mp4", "a.mp4", "b.mp4", "c.mp4"):
        shutil.copy(CLIP, tmp_path / name)
    (tmp_path / "edits.jsonl").write_text("\n".join(map(json.dumps, EDITS)))
    (tmp_path / "edits.csv").write_text("prompt,video\nHeavy rain,c.mp4\n")
    (tmp_path / "prompt.txt").write_text("Oil painting\n")
    for folder in (".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions"):
        (home / folder).mkdir(parents=True)
    viewer = home / "bin" / "xdg-open"
    viewer.parent.mkdir()
    viewer.write_text("#!/bin/sh\n")
    viewer.chmod(0o755)
    folders = (str(viewer.parent), str(Path(sys.executable).parent), os.environ["PATH"])
    monkeypatch.setenv("PATH", os.pathsep.join(folders))
    monkeypatch.setenv("LUMA_INTERVAL", "1s")
    monkeypatch.setenv("MY_KEY", "made-up-key")
    return tmp_path


def test_man_pages_and_completions_are_in_step_with_the_command_tree() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", sorted(MAN.glob("*")), ids=lambda page: page.name)
def test_mandoc_has_nothing_to_say(page: Path) -> None:
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    done = subprocess.run(["mandoc", "-T", "lint", page], capture_output=True, text=True, check=False)
    # Whether a page that is referred to is installed on this machine says nothing about ours; see the next test.
    said = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
    assert said == []


def test_every_page_that_is_referred_to_exists() -> None:
    found = {
        match for page in MAN.glob("*") for match in re.findall(r"^\.(?:It )?Xr (\S+) (\d)", page.read_text(), re.M)
    }
    assert {f"{name}.{section}" for name, section in found} == {page.name for page in MAN.glob("*")}


def test_every_page_and_completion_is_in_the_wheel_under_share() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shared = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    pages = {f"man/{page.name}": f"share/man/man{page.suffix[1:]}/{page.name}" for page in MAN.glob("*")}
    assert {name: place for name, place in shared.items() if name.startswith("man/")} == pages
    # PowerShell has no folder of its own for completions.
    folder = ROOT / "luma_cli" / "cli" / "completions"
    scripts = {str(path.relative_to(ROOT)) for path in folder.glob("*")} - {"luma_cli/cli/completions/luma.ps1"}
    assert {name for name in shared if not name.startswith("man/")} == scripts


def test_the_source_archive_has_the_whole_package(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (archive,) = tmp_path.iterdir()
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    package = {path.relative_to(ROOT) for path in (ROOT / "luma_cli").rglob("*") if path.is_file()}
    assert {path.as_posix() for path in package if "__pycache__" not in path.parts} <= names


def test_every_command_has_a_page() -> None:
    assert {f"luma-{name}.1" for name in COMMANDS} <= {page.name for page in MAN.glob("*")}


@pytest.mark.parametrize("command", TREE.commands, ids=lambda command: command.name)
def test_every_command_names_its_exit_codes_and_has_examples(command: Command) -> None:
    found = re.search(r"^Exit codes: ([\d ]+)$", command.text, re.M)
    assert found, command.text
    assert set(map(int, found[1].split())) <= {entry.code for entry in EXIT_CODES}
    assert any(GENERATE.examples_of(inner) for inner in command.walk())


@pytest.mark.parametrize("line", [line for line in EXAMPLES if line not in FOR_EVER])
def test_an_example_of_the_help_works(shell: Path, sandbox: Sandbox, luma: Callable[..., Result], line: str) -> None:
    if "unknown-7" in line:
        known = sandbox.create({"prompt": "Heavy rain", "videoUrl": "https://media.example.net/in.mp4"}).task_id
        luma("modify", "clip.mp4", "-p", "sandbox:lost-answer")
        line = re.sub(r"[0-9a-f]{32}", known, line.replace("unknown-7", "unknown-1"))
    elif ".mp4.json" in line:
        luma("modify", "clip.mp4", "-p", "Heavy rain", "-o", "snow.mp4", "--recipe")
    elif re.search(r"@|luma (tasks|status|wait|download|report|redo|open)", line):
        luma("modify", "a.mp4", "b.mp4", "-p", "Heavy rain", "-w")
    done = typed(line, luma)
    assert done.code == 0, done.err


@pytest.mark.parametrize("line", FOR_EVER)
def test_an_example_that_runs_for_ever_starts_and_can_be_stopped(shell: Path, line: str) -> None:
    free = re.sub(r"--port \d+", "--port 0", line)
    with subprocess.Popen(["bash", "-c", f"exec {free}"], cwd=shell, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("listening on" in said for said in iter(process.stderr.readline, ""))
        process.terminate()
        process.stderr.read()
    assert process.returncode == 143
