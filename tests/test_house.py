"""The house rules that a machine can check: who imports whom, what start-up loads, what the documents must name."""

import ast
import functools
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from luma_cli.cli.help_topics import text
from luma_cli.cli.main import COMMANDS
from luma_cli.config.settings import SETTINGS
from luma_cli.errors import EXIT_CODES
from support.commands import ROOT

PACKAGE = ROOT / "luma_cli"

# From the bottom to the top: a module imports from its own room and from lower floors. Changed on purpose only.
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
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
# Stands apart: it imports nothing of ours, so that it cannot share our mistakes, and only commands start it.
SANDBOX = "sandbox"
ONLY = {
    "rich": {"output"},
    "requests": {"api", "downloads", "checks"},
    "sqlite3": {"journal"},
    "typer": {"cli"},
    "subprocess": {"signals", "config", "video", "cli", SANDBOX},
}
MAX_MODULES = 14
MAX_LINES = 40
MEDIAN_LINES = 8
MAX_COMPLEXITY = 15


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.name != "__init__.py")


def name_of(path: Path) -> str:
    """A room, or the module's own name."""
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@functools.cache
def nodes_of(tree: ast.Module) -> list[ast.AST]:
    return list(ast.walk(tree))


@functools.cache
def imports(path: Path) -> set[str]:
    """Every module imported anywhere in the file, late imports among them; type checkers' imports are left out."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module == "luma_cli":
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree_of(path))
    return found


def ours(path: Path) -> set[str]:
    names = {name.split(".")[1] for name in imports(path) if name.startswith("luma_cli.")}
    return names - {"__version__", "__file__"}


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Each module's path inside of the package, and what it says."""
    for path in modules():
        yield str(path.relative_to(PACKAGE)), tree_of(path)


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path, tree in trees():
        for node in nodes_of(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield f"{path}: {node.name}", node


def test_the_package_is_its_rooms_and_nothing_else() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    files = {path.stem for path in PACKAGE.glob("*.py")}

    assert len(rooms) == 11
    assert rooms | files == {*FLOOR_OF, SANDBOX, "__init__"}


def test_no_folder_but_the_commands_has_more_than_fourteen_modules() -> None:
    folders = Counter(str(path.parent.relative_to(PACKAGE)) for path in modules() if path.name != "__init__.py")
    assert {name: count for name, count in folders.items() if count > MAX_MODULES and name != "cli/commands"} == {}


def test_imports_only_go_down() -> None:
    floors = {**FLOOR_OF, SANDBOX: FLOOR_OF["output"]}
    upwards = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in modules()
        for name in ours(path) - {name_of(path)}
        if name_of(path) != SANDBOX and floors.get(name, 99) >= floors[name_of(path)]
    ]
    assert upwards == []


@pytest.mark.parametrize("library", ONLY)
def test_a_library_is_imported_only_where_it_belongs(library: str) -> None:
    users = {name_of(path) for path in modules() if any(name.split(".")[0] == library for name in imports(path))}
    assert users <= ONLY[library]


def test_only_video_and_the_sandbox_start_ffmpeg() -> None:
    starters = {
        path.split("/")[0]
        for path, tree in trees()
        for node in nodes_of(tree)
        if isinstance(node, ast.Constant) and node.value == "-nostdin"
    }
    assert starters == {"video", SANDBOX}


def test_only_config_reads_the_environment() -> None:
    """The sandbox hands its own to the command that it runs."""
    readers = {path.split("/")[0] for path, tree in trees() if {"environ", "getenv"} & set(attributes(tree))}
    assert readers - {SANDBOX} == {"config"}


def test_only_output_writes_to_stdout_and_stderr() -> None:
    """The entry point answers the version and a Tab before anything of ours is loaded."""
    writers = {
        path.split("/")[0]
        for path, tree in trees()
        if {"stdout", "stderr"} & set(attributes(tree, of="sys")) or "print" in calls(tree)
    }
    assert writers <= {"output", "__main__.py"}


def attributes(tree: ast.Module, of: str = "os") -> list[str]:
    nodes = (node for node in nodes_of(tree) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name))
    return [node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == of]


def calls(tree: ast.Module) -> list[str]:
    return [node.func.id for node in nodes_of(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]


def test_the_sandbox_imports_nothing_of_ours() -> None:
    found = {name for path in (PACKAGE / SANDBOX).glob("*.py") for name in ours(path)}
    assert found <= {SANDBOX}


def test_no_command_imports_another() -> None:
    for path in (PACKAGE / "cli" / "commands").glob("*.py"):
        assert [name for name in imports(path) if name.startswith("luma_cli.cli.commands")] == [], path.name


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Its lines without its options and its help, which are lists and prose."""
    rest = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (rest[-1].end_lineno or 0) - rest[0].lineno + 1 if rest else 0


def complexity(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The ways through it, counted as McCabe does; functions inside of it count for themselves."""
    branches, left = 1, list(ast.iter_child_nodes(function))
    while left:
        node = left.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        branches += isinstance(node, (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.match_case, ast.comprehension))
        left.extend(ast.iter_child_nodes(node))
    return branches


def test_no_function_is_longer_than_forty_lines() -> None:
    assert [name for name, function in functions() if code_lines(function) > MAX_LINES] == []


def test_half_of_the_functions_have_eight_lines_at_most() -> None:
    lengths = [(function.end_lineno or 0) - function.lineno + 1 for _, function in functions()]
    assert statistics.median(lengths) <= MEDIAN_LINES


def test_no_function_has_more_than_fifteen_ways_through_it() -> None:
    assert [name for name, function in functions() if complexity(function) > MAX_COMPLEXITY] == []


def test_no_module_has_state() -> None:
    found = {path for path, tree in trees() for node in nodes_of(tree) if isinstance(node, ast.Global)}
    assert found == set()


# What used to be said, and what a reader who searches for the usual word would not find.
RETIRED_PHRASES = re.compile(
    r"\b(trouble\w*|told|tells?|telling|mend(s|ed|ing)?|purse|knock\w*|way on|cannot be told"
    r"|playground|double of the service|service's double|(?:the|its|an) answer)\b"
    r"|\bodd\b(?!([- ]sized| size| number|,? or even))"
    r"|(?<!\bthere )\b(is|was|are) no (video|clip|link|number|folder|file|command)\b",
    re.IGNORECASE,
)
RETIRED_NAMES = re.compile(
    r"(^|_)(trouble|troubles|tell|told|mend|mended|odd|ear|door|purse|knock|playground)(_|$)", re.I
)
# Said by the service itself, in its records' own words.
THEIRS = {"sandbox/records.py"}


def test_retired_words_are_in_no_text_that_a_user_sees() -> None:
    found = [f"{where}: {match[0]}" for where, text in shown_texts() for match in RETIRED_PHRASES.finditer(text)]
    assert found == []


def test_retired_words_are_in_no_name() -> None:
    found = [f"{path}: {name}" for path, tree in trees() for name in names(tree) if RETIRED_NAMES.search(name)]
    assert found == []


def test_no_variable_of_a_loop_is_called_each() -> None:
    assert [path for path, tree in trees() if "each" in names(tree)] == []


@pytest.mark.parametrize("document", ["README.md", "CHANGELOG.md", ".github/CONTRIBUTING.md"])
def test_retired_words_are_in_no_document(document: str) -> None:
    assert [match[0] for match in RETIRED_PHRASES.finditer((ROOT / document).read_text("utf-8"))] == []


def shown_texts() -> Iterator[tuple[str, str]]:
    """Strings of the code and the help of commands; docstrings of other functions are for readers of the code."""
    for path, tree in trees():
        if path in THEIRS:
            continue
        prose = set() if path.startswith("cli/commands/") else {id(node) for node in docstrings(tree)}
        for node in nodes_of(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                yield f"{path}:{node.lineno}", node.value


def docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    for node in nodes_of(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


def names(tree: ast.Module) -> Iterator[str]:
    """Every name that the code gives."""
    for node in nodes_of(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def test_no_file_has_a_name_that_says_nothing() -> None:
    nothing = {"utils", "helpers", "common", "constants", "types", "base", "manager"}
    assert nothing & {path.stem for path in modules()} == set()


def loaded_by(*words: str) -> set[str]:
    """The modules that a fresh process has loaded after this command line."""
    command = [sys.executable, "-X", "importtime", "-m", "luma_cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize("words", [["--help"], ["modify", "--help"], ["tasks"], ["config", "list"], ["nosuch"]])
def test_what_needs_no_network_loads_neither_requests_nor_rich(words: list[str]) -> None:
    assert not loaded_by(*words) & {"requests", "rich", "urllib3"}


@pytest.mark.parametrize(
    ("words", "spared"),
    [
        (["--help"], {"luma_cli.api.models", "luma_cli.api.task", "luma_cli.edits.run"}),
        (["config", "get", "timeout"], {"luma_cli.api.models", "luma_cli.api.task", "luma_cli.edits.run"}),
        (["tasks"], {"luma_cli.api.models", "luma_cli.edits.run", "luma_cli.edits.events", "luma_cli.edits.refresh"}),
        (["status", "--cached"], {"luma_cli.edits.request", "luma_cli.edits.engine", "luma_cli.output.progress"}),
    ],
)
def test_a_command_loads_no_more_of_ours_than_it_needs(words: list[str], spared: set[str]) -> None:
    assert not loaded_by(*words) & spared


def test_the_version_is_answered_before_typer_is_loaded() -> None:
    assert not loaded_by("--version") & {"typer", "luma_cli.cli.main"}


@pytest.mark.parametrize("document", ["README.md"])
def test_the_documents_name_every_exit_code(document: str) -> None:
    text = (ROOT / document).read_text()
    for entry in EXIT_CODES:
        assert f"| {entry.code} | {entry.meaning} |" in text


def test_the_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text()
    missing = [name for name in COMMANDS if f"luma {name}" not in text]
    assert missing == []


def test_help_names_every_variable_that_is_read() -> None:
    """Those of a terminal, of GitHub's runners and of our own test servers are looked at, not set by a user for us."""
    source = "".join(path.read_text() for path in modules())
    read = {
        *re.findall(r'(?:variable|environ\.get|\bis_on)\("([A-Z_]+)"', source),
        *(setting.variable for setting in SETTINGS.values() if setting.variable),
    }
    theirs = {"HOME", "GITHUB_ACTIONS", "SSLKEYLOGFILE", "STY", "TMUX", "TERM_PROGRAM"}
    known = {name for line in text("environment").splitlines() if not line.startswith(" ") for name in line.split()}

    assert len(read) > 10
    assert read - theirs - known == set()


@pytest.mark.parametrize("document", ["README.md", "man/luma-config.1"])
def test_the_documents_name_every_setting(document: str) -> None:
    text = (ROOT / document).read_text().replace("\\_", "_")
    assert [key for key in SETTINGS if key not in text] == []
