"""The house rules that a machine can check: who imports whom, what start-up loads, what the documents must name."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from luma_cli.cli.help_topics import ENVIRONMENT
from luma_cli.cli.main import COMMANDS
from luma_cli.config.settings import KEYS, VARIABLES
from luma_cli.errors import EXIT_CODES
from support.commands import ROOT

PACKAGE = ROOT / "luma_cli"

# Style, section 2: from the bottom to the top. A module imports from its own room and from lower floors.
FLOORS = (
    {"errors"},
    {"files", "signals"},
    {"api"},
    {"video", "journal", "config"},
    {"downloads", "checks"},
    {"edits"},
    {"callbacks"},
    {"output"},
    {"cli"},
    {"__main__"},
)
ONLY = {
    "rich": {"output"},
    "requests": {"api", "downloads", "checks"},
    "sqlite3": {"journal"},
    "typer": {"cli"},
}
MAX_MODULES = 14
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
# Not there yet: rooms that import upwards. This list only shrinks.
UPWARDS: dict[str, set[str]] = {}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.name != "__init__.py")


def name_of(path: Path) -> str:
    """`commands`, `sandbox`, or the module's own name."""
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def imports(path: Path) -> set[str]:
    """Every module imported anywhere in the file, late imports among them; type checkers' imports are left out."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            found.update(each.name for each in node.names)
        if isinstance(node, ast.ImportFrom) and node.module == "luma_cli":
            found.update(f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


def ours(path: Path) -> set[str]:
    names = {name.split(".")[1] for name in imports(path) if name.startswith("luma_cli.")}
    return names - {"__version__", "__file__"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_go_down(path: Path) -> None:
    own = name_of(path)
    if own == "sandbox":
        return
    assert own in FLOOR_OF, f"{own} has no floor: add it to the table on purpose"
    upwards = {name for name in ours(path) if name != own and FLOOR_OF.get(name, 99) >= FLOOR_OF[own]}
    assert upwards == set()


@pytest.mark.parametrize("library", ONLY)
def test_a_library_is_imported_only_where_it_belongs(library: str) -> None:
    users = {name_of(path) for path in modules() if any(each.split(".")[0] == library for each in imports(path))}
    assert users == ONLY[library]


def test_only_settings_and_keystore_read_the_environment() -> None:
    readers = {name_of(path) for path in modules() if "os.environ" in path.read_text() or "getenv" in path.read_text()}
    assert readers - {"sandbox"} <= {"settings", "keystore", "taskids"}


def test_the_sandbox_imports_nothing_of_ours() -> None:
    found = {name for path in (PACKAGE / "sandbox").glob("*.py") for name in ours(path)}
    assert found <= {"sandbox"}


def test_commands_share_nothing_but_their_options() -> None:
    for path in (PACKAGE / "commands").glob("*.py"):
        shared = {name for name in imports(path) if name.startswith("luma_cli.cli.commands.")}
        assert shared <= {"luma_cli.cli.commands.options"}, path.name


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_function_is_longer_than_forty_lines(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.body:
            # A command's options are a list and its docstring is the help text: neither is code.
            code = node.body[1:] if ast.get_docstring(node) is not None and node.body[1:] else node.body
            start = code[0].lineno
            assert (node.end_lineno or 0) - start < 40, f"{node.name} is too long"


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "constants", "types", "base", "manager"])
def test_no_file_has_a_name_that_says_nothing(name: str) -> None:
    assert not list(PACKAGE.rglob(f"{name}.py"))


def loaded_by(*words: str) -> set[str]:
    """The modules that a fresh process has loaded after this command line."""
    command = [sys.executable, "-X", "importtime", "-m", "luma_cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize("words", [["--help"], ["modify", "--help"], ["tasks"], ["config", "list"], ["nosuch"]])
def test_what_needs_no_network_loads_neither_requests_nor_rich(words: list[str]) -> None:
    assert not loaded_by(*words) & {"requests", "rich", "urllib3"}


def test_the_version_is_answered_before_typer_is_loaded() -> None:
    assert not loaded_by("--version") & {"typer", "luma_cli.cli.main"}


@pytest.mark.parametrize("document", ["README.md"])
def test_the_documents_name_every_exit_code(document: str) -> None:
    text = (ROOT / document).read_text()
    for each in EXIT_CODES:
        assert f"| {each.code} | {each.meaning} |" in text


def test_the_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text()
    missing = [name for name in COMMANDS if f"luma {name}" not in text]
    assert missing == []


def test_help_names_every_variable_that_is_read() -> None:
    """Those of a terminal, of GitHub's runners and of our own test servers are looked at, not set by a user for us."""
    source = "".join(path.read_text() for path in modules())
    read = {*re.findall(r'(?:environment|environ\.get|_is_on)\("([A-Z_]+)"', source), *VARIABLES.values()}
    theirs = {"HOME", "GITHUB_ACTIONS", "SSLKEYLOGFILE", "STY", "TMUX", "TERM_PROGRAM"}
    known = {name for names, _ in ENVIRONMENT for name in names.split()}

    assert len(read) > 10
    assert read - theirs - known == set()


@pytest.mark.parametrize("document", ["README.md", "man/luma-config.1"])
def test_the_documents_name_every_setting(document: str) -> None:
    text = (ROOT / document).read_text().replace("\\_", "_")
    assert [key for key in KEYS if key not in text] == []
