"""The README does what it says: every command in it is run, every table and name in it is true."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pexpect
import pytest
import typer.main
import yaml
from command_tree import Command, read_tree

from luma_cli.cli.help_topics import text
from luma_cli.cli.main import app
from luma_cli.errors import EXIT_CODES
from luma_cli.sandbox import SCENARIOS, Sandbox
from support.commands import CLIP, EDITS, KEY, ROOT, Result, free_port, typed

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PIPELINES = [block for kind, block in BLOCKS if kind == "yaml"]
PIPELINE_LINES = re.findall(r"^[ -]*(?:run: )?(luma .*)$", "".join(PIPELINES), re.MULTILINE)
LINES = [line.partition("  #")[0].rstrip() for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
LUMA_LINES = [line for line in LINES if re.match(r"(\w+=\$\()?luma ", line)]
INLINE = re.findall(r"`(luma [^`]+)`", re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL))
TREE = read_tree(typer.main.get_command(app))

ASKING = [line for line in LUMA_LINES if re.fullmatch(r"luma config set \w+", line)]
FOR_EVER = [line for line in LUMA_LINES if line.startswith("luma listen")]
TRIGGER = [line for line in LUMA_LINES if line.startswith("luma sandbox trigger")]
PATIENCE = 60

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the README's lines are for a POSIX shell")


@pytest.fixture
def checkout(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the clips that the README speaks of, and `luma` on PATH."""
    for name in ("clip.mp4", "street.mp4", "phone.mov", "long.mp4", "a.mp4", "b.mp4", "c.mp4"):
        shutil.copy(CLIP, tmp_path / name)
    (tmp_path / "edits.jsonl").write_text("\n".join(map(json.dumps, EDITS)))
    programs = tmp_path_factory.mktemp("bin")
    (programs / "luma").write_text(f'#!/bin/sh\nexec {sys.executable} -m luma_cli "$@"\n')
    (programs / "luma").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LUMA_INTERVAL", "1s")
    return tmp_path


def sh(script: str) -> Result:
    done = subprocess.run(
        ["sh", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert KEY not in done.stdout + done.stderr
    return Result(done.returncode, done.stdout, done.stderr)


def on_a_free_port(line: str) -> str:
    return re.sub(r"(?<=port |sten )\d+", str(free_port()), line)


def first_command() -> str:
    found = re.search(r"<!-- first command -->\n```sh\n(.*)\n```", README)
    assert found is not None
    return found[1]


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose virtual environment is installed, and a user who has no key and no settings."""
    for name in ("LUMA_API_KEY", "LUMA_CONFIG_DIR", "LUMA_STATE_DIR"):
        monkeypatch.delenv(name)
    for folder in (".venv/bin", "tests/data"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(CLIP, tmp_path / "tests" / "data")
    luma = tmp_path / ".venv" / "bin" / "luma"
    luma.write_text(f'#!/bin/sh\nexec {sys.executable} -m luma_cli "$@"\n')
    luma.chmod(0o755)
    return tmp_path


def test_the_first_command_installs_and_then_edits() -> None:
    steps = first_command().split(" && ")

    assert steps[:2] == ["python3 -m venv --clear .venv", ".venv/bin/pip install -q ."]
    assert [step.split()[0] for step in steps[2:]] == [".venv/bin/luma"]


def test_the_first_command_leaves_one_whole_file_and_prints_its_name(
    newcomer: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_INTERVAL", "1s")  # only in order not to wait ten
    before = set(os.listdir())

    code, out, _ = sh(first_command().split(" && ")[-1])

    assert (code, out) == (0, "snow.mp4\n")
    assert set(os.listdir()) - before == {"snow.mp4"}
    assert Path("snow.mp4").read_bytes() == CLIP.read_bytes()
    assert sorted(path.name for path in home.iterdir()) == [".netrc"]
    if shutil.which("ffprobe"):
        done = subprocess.run(["ffprobe", "-v", "error", "snow.mp4"], capture_output=True, check=True)
        assert done.stderr == b""


def test_the_first_command_can_be_run_again(newcomer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_INTERVAL", "1s")
    Path("snow.mp4").write_text("from the last time")

    assert sh(first_command().split(" && ")[-1])[:2] == (0, "snow.mp4\n")
    assert Path("snow.mp4").read_bytes() == CLIP.read_bytes()


def test_there_are_lines_to_be_run() -> None:
    """An expression that finds nothing would let every test below pass."""
    found = (LUMA_LINES, INLINE, PIPELINES, PIPELINE_LINES, ASKING, FOR_EVER, TRIGGER)
    assert [len(one) >= least for one, least in zip(found, (15, 10, 1, 1, 2, 1, 1), strict=True)] == [True] * 7


@pytest.mark.parametrize("line", [line for line in LUMA_LINES if line not in (*ASKING, *FOR_EVER, *TRIGGER)])
def test_a_line_works(line: str, checkout: Path, sandbox: Sandbox, luma: Callable[..., Result]) -> None:
    if "jq" in line and shutil.which("jq") is None:
        pytest.skip("needs jq")
    assert luma("config", "set", "prompt.snow", "Heavy snow falls").code == 0
    # Its cost is seen, so that the limits of the lines have a price to go by.
    before = luma("modify", "clip.mp4", "-p", "Light snow, an edit of before", "-w", "--json")
    task_id = json.loads(before.out)["taskId"]

    code, out, err = typed(on_a_free_port(line), luma, before=f"id={task_id}\n")

    assert (code, [note for note in err.splitlines() if "error" in note or note.startswith("hint")]) == (0, [])
    assert out != "" or line.startswith(("id=", "luma config set")) or ">" in line
    assert not list(checkout.rglob("*.part*"))


@pytest.mark.parametrize("line", ASKING)
def test_a_line_asks_for_its_secret_without_showing_it(line: str, checkout: Path, home: Path) -> None:
    secret = "made0up0secret"
    child = pexpect.spawn("sh", ["-c", line], encoding="utf-8", timeout=PATIENCE)
    child.expect(f"{line.split()[-1]}: ")
    child.sendline(secret)
    child.expect(pexpect.EOF)
    child.close()

    assert (child.exitstatus, secret in (child.before or "")) == (0, False)
    assert secret in (home / "config" / "credentials.toml").read_text()


@pytest.mark.parametrize("line", FOR_EVER)
def test_a_line_listens_until_it_is_stopped(line: str, checkout: Path, sandbox: Sandbox) -> None:
    with subprocess.Popen(["sh", "-c", f"exec {on_a_free_port(line)}"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = process.stderr.readline()
        process.terminate()
        process.communicate(timeout=PATIENCE)

    assert (told[:6], process.returncode) == ("luma: ", 143)


@pytest.fixture
def receiver() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the parent's name
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("line", TRIGGER)
def test_a_line_sends_one_callback_by_hand(line: str, checkout: Path, sandbox: Sandbox, receiver: str) -> None:
    assert sh(f'luma modify clip.mp4 -p "sandbox:flag4 Snow" --callback-url {receiver}').code == 0

    assert sh(line).code == 0
    assert [delivery.status for delivery in sandbox.callbacks.deliveries] == [200]


@pytest.mark.parametrize("block", PIPELINES)
def test_a_pipeline_is_proper_yaml(block: str) -> None:
    assert isinstance(yaml.safe_load(block), (list, dict))


@pytest.mark.parametrize("line", [line for line in PIPELINE_LINES if "matrix.shard" not in line])
def test_a_line_of_a_pipeline_can_be_run_again_without_paying_again(
    line: str, checkout: Path, sandbox: Sandbox
) -> None:
    for _ in range(2):
        assert sh(line)[:2] == (0, "snow.mp4\n")
    assert len(sandbox.submissions()) == 1


@pytest.mark.parametrize("line", [line for line in PIPELINE_LINES if "matrix.shard" in line])
def test_the_jobs_of_a_matrix_make_every_edit_once(line: str, checkout: Path, sandbox: Sandbox) -> None:
    codes = [sh(line.replace("${{ matrix.shard }}", str(shard))).code for shard in (1, 2, 3, 4)]

    assert codes == [0] * 4
    assert len(list(Path("out").glob("*.mp4"))) == len(sandbox.submissions()) == len(EDITS)


def command_of(words: list[str]) -> tuple[Command, list[str]]:
    """The command that these words name, and the words that are left."""
    found, rest = TREE, words
    while rest and (inner := next((command for command in found.commands if command.path[-1] == rest[0]), None)):
        found, rest = inner, rest[1:]
    return found, rest


@pytest.mark.parametrize("words", sorted(set(INLINE)))
def test_what_stands_in_a_sentence_is_a_command_with_these_options(words: str) -> None:
    named, _, _ = words.removeprefix("luma ").partition(" -- ")
    command, rest = command_of(named.split())

    assert command is not TREE, f"there is no such command: {words}"
    known = {flag for option in command.options for flag in option.flags}
    assert {word for word in rest if word.startswith("-") and word != "--"} <= known


def test_every_variable_that_is_named_is_one() -> None:
    given = (ROOT / "luma_cli" / "cli" / "on_done.py").read_text()  # to the command of --on-done
    known = text("environment") + given

    assert [name for name in set(re.findall(r"\b(?:LUMA|KIE)_[A-Z_]+\b", README)) if name not in known] == []


def test_every_scenario_that_is_named_is_one() -> None:
    assert set(re.findall(r"--scenario (\S+)", README)) <= SCENARIOS.keys()


def test_the_table_of_exit_codes_is_the_programs_own() -> None:
    found = re.search(r"<!-- exit codes -->\n(.*?)<!-- /exit codes -->", README, re.DOTALL)
    assert found is not None
    rows = [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in found[1].splitlines()]

    assert rows[0] == ["code", "meaning", "next step"]
    assert rows[2:] == [[str(entry.code), entry.meaning, entry.next_step] for entry in EXIT_CODES]


@pytest.mark.parametrize(
    "path", ["tests/data/street.mp4", ".ci/run", "LICENSE", "pyproject.toml", ".github/CONTRIBUTING.md"]
)
def test_the_files_that_it_speaks_of_are_there(path: str) -> None:
    assert (ROOT / path).exists()


CONTRIBUTING = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8")


def test_contributing_walks_from_main_to_the_exit_in_ten_steps() -> None:
    assert re.findall(r"^(\d+)\. \*\*", CONTRIBUTING, re.MULTILINE) == [str(number) for number in range(1, 11)]


def test_contributing_names_files_that_are_there() -> None:
    named = re.findall(r"`((?:\w+/)+[\w.]*|\w+\.py)`", CONTRIBUTING)
    missing = [
        name for name in named if not any((ROOT / root / name).exists() for root in ("", "luma_cli", "tests/support"))
    ]

    assert len(named) > 40
    assert [name for name in missing if not list((ROOT / "luma_cli" / "cli").glob(name))] == []


def test_contributing_names_what_the_code_has() -> None:
    source = "".join(path.read_text() for path in (ROOT / "luma_cli").rglob("*.py"))
    named = re.findall(r"`(?:\w+\.)?([a-z_]+\(|[A-Z_]{4,})", CONTRIBUTING)

    assert len(named) > 8
    assert [name for name in named if name.rstrip("(") not in source and not (ROOT / f"{name}.md").exists()] == []


# --- in Chinese ---

CHINESE = (ROOT / ".github" / "README.zh-CN.md").read_text("utf-8")


def shape(text: str) -> list[str]:
    """What a translation must not change: headings' levels, commands, code, tables of codes, links."""
    level = re.findall(r"^(#+) ", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    return [*level, *re.findall(r"^```.*?^```$|^\| \d+ \|[^\n]*$", text, re.M | re.S)]


def names(text: str) -> set[str]:
    """Everything in backticks, and every address."""
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return set(re.findall(r"`([^`]+)`", plain)) | set(re.findall(r"<(https://[^>]+)>", plain))


def test_the_chinese_readme_has_the_same_sections_and_commands() -> None:
    assert shape(CHINESE) == shape(README)


def test_the_chinese_readme_names_the_same_things() -> None:
    assert names(CHINESE) ^ names(README) == set()


def test_each_readme_leads_to_the_other() -> None:
    assert "(.github/README.zh-CN.md)" in README
    assert "(../README.md)" in CHINESE
