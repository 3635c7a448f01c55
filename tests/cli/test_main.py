"""`main`: errors become exit codes, and the streams may be closed, full, narrow or of another alphabet."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from luma_cli import __version__
from luma_cli.cli.help_topics import load_text
from luma_cli.cli.main import COMMANDS
from luma_cli.errors import LumaError
from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, KEY, Result
from support.fault_server import FaultServer, reply

Luma = Callable[..., Result]
COMMAND = f"{sys.executable} -m luma_cli"
ID = "0123456789abcdef0123456789abcdef"
PROMPT = "Heavy snow"
SUBMIT = f"modify {CLIP_URL} -p Snow --no-check"


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line for bash, in which `luma` is our command."""
    script = f'luma() {{ {COMMAND} "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, timeout=60, check=False, env={**os.environ, **environment}
    )


def submitted(sandbox: Sandbox) -> str:
    """The id of the one task that was made."""
    [task_id] = sandbox.tasks._tasks
    assert len(sandbox.submissions()) == 1
    return task_id


# --- streams that are closed, full or gone (S66-S69) ---


def test_with_stdout_closed_the_id_is_reported_on_stderr(luma: Luma, sandbox: Sandbox) -> None:
    done = shell(f"luma {SUBMIT} >&-")

    task_id = submitted(sandbox)
    assert done.returncode == 11
    assert f"luma: error: stdout is closed; the result is: {task_id}" in done.stderr.decode()
    assert luma("tasks").out.startswith(task_id)


def test_with_stdout_closed_no_file_gets_its_number(home: Path, sandbox: Sandbox) -> None:
    """A stray write to fd 1 would land in the journal."""
    shell(f"luma {SUBMIT} >&- 2>&- <&-")
    done = shell("luma status --cached")

    assert (done.returncode, done.stderr) == (0, b"")
    assert (home / "state" / "tasks.db").read_bytes().startswith(b"SQLite format 3\0")


def test_a_full_stdout_exits_11_with_the_id(luma: Luma, sandbox: Sandbox) -> None:
    done = shell(f"luma {SUBMIT} >/dev/full")

    task_id = submitted(sandbox)
    assert done.returncode == 11
    assert done.stderr.decode().startswith("luma: error: cannot write to stdout: no space left on device; ")
    assert task_id in done.stderr.decode()
    assert luma("tasks").out.startswith(task_id)


@pytest.mark.parametrize("words", ["status --cached", "tasks", "status --cached --json", "help exit-codes", "--help"])
def test_a_full_stdout_is_never_taken_for_success(luma: Luma, sandbox: Sandbox, words: str) -> None:
    luma("modify", CLIP_URL, "-p", PROMPT)
    done = shell(f"luma {words} >/dev/full")

    assert done.returncode == 11, done.stderr
    assert done.stderr.count(b"luma: error: ") == 1
    assert b"Traceback" not in done.stderr


def test_a_closed_pipe_exits_141_and_the_task_is_in_the_journal(luma: Luma, sandbox: Sandbox) -> None:
    done = shell(f"set -o pipefail; luma {SUBMIT} | true; sleep 0; exit ${{PIPESTATUS[0]}}")

    task_id = submitted(sandbox)
    assert done.returncode in (0, 141)  # 0 where the line was in the pipe before `true` had ended
    assert b"Traceback" not in done.stderr
    assert luma("tasks").out.startswith(task_id)


@pytest.mark.parametrize(
    ("closed", "out"), [("2>&-", True), ("<&-", True), ("2>&- <&-", True), ("2>/dev/full", True)], ids=str
)
def test_other_streams_that_are_closed_change_nothing(sandbox: Sandbox, closed: str, out: bool) -> None:
    done = shell(f"luma {SUBMIT} {closed}")

    assert (done.returncode, done.stdout.decode()) == (0, f"{submitted(sandbox)}\n")


def test_with_all_streams_closed_the_submission_is_still_recorded(luma: Luma, sandbox: Sandbox) -> None:
    assert shell(f"luma {SUBMIT} <&- >&- 2>&-").returncode == 11
    assert luma("tasks").out.startswith(submitted(sandbox))


def test_an_error_with_stderr_closed_keeps_its_code(sandbox: Sandbox) -> None:
    sandbox.scenario = "flag3"

    assert shell(f"luma {SUBMIT} -w 2>&-").returncode == 5


# --- alphabets and terminals (S70, P16) ---

MESSAGE = "额度不足 \ud800 [bold]x[/b] \x1b[2J"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "utf-16"])
def test_a_message_in_another_alphabet_is_escaped_and_never_a_crash(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps({"code": 422, "msg": MESSAGE}).encode()
    with FaultServer([reply(body)]) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url().rstrip("/"))
        done = shell(f"luma {SUBMIT}", PYTHONIOENCODING=encoding)

    assert (done.returncode, done.stdout) == (6, b"")
    said = done.stderr.decode("utf-8" if encoding == "utf-8" else encoding, "replace")
    assert "[bold]x[/b] \\x1b[2J" in said
    assert "\\ud800" in said
    assert "\x1b" not in said
    if encoding == "ascii":
        assert "\\u989d\\u5ea6\\u4e0d\\u8db3" in said


@pytest.mark.parametrize(
    "environment",
    [
        {"COLUMNS": "0", "TERM": "dumb", "PYTHONIOENCODING": "ascii"},
        {"COLUMNS": "1", "TERM": "", "LC_ALL": "C"},
        {"COLUMNS": "1000000", "LANG": "", "LC_ALL": "", "NO_COLOR": "1"},
        {"COLUMNS": "-5", "FORCE_COLOR": "1"},
        {"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2", "PYTHONUNBUFFERED": "1"},
    ],
    ids=str,
)
def test_the_surroundings_change_no_byte_in_a_pipe(run: Luma, sandbox: Sandbox, environment: dict[str, str]) -> None:
    sandbox.scenario = "flag3"
    code, out, err = run("modify", CLIP_URL, "-p", PROMPT, "-w", "--no-check", **environment)

    task_id = submitted(sandbox)
    assert (code, out) == (5, "")
    assert err == (
        f"luma: task {task_id} is submitted\n"
        f"luma: {task_id} generate failed\n"
        "luma: error: the edit failed at kie.ai: Generation failed (code 501)\n"
        "hint: change the prompt or the clip; https://kie.ai/logs may say more\n"
    )


# --- the command line itself ---


@pytest.mark.parametrize("words", [["-V"], ["--version"], ["status", "--version"][1:]])
def test_the_version(run: Luma, words: list[str]) -> None:
    assert run(*words) == (0, f"luma {__version__}\n", "")


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_on_stdout(luma: Luma, command: str, flag: str) -> None:
    code, out, err = luma(command, flag)

    assert (code, err) == (0, "")
    assert "Usage: luma" in out
    assert "\x1b" not in out


def test_without_a_command_there_is_help(luma: Luma) -> None:
    assert "Usage: luma" in "".join(luma()[1:])


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["stauts"], "did you mean status?"),
        (["config", "lst"], "did you mean list?"),
        (["tasks", "bogus"], "commands: list show forget prune adopt recover"),
        (["edit"], "did you mean modify?"),
        (["run"], "did you mean modify?"),
        (["create"], "did you mean modify?"),
        (["ls"], "did you mean tasks?"),
        (["history"], "did you mean tasks?"),
        (["login"], "did you mean config set api_key?"),
        (["doctor"], "did you mean config check?"),
        (["retry"], "did you mean redo?"),
        (["tasks", "@last"], "did you mean luma tasks show @last?"),
        (["https://example.com/a.mp4", "-p", "Rain"], "did you mean luma modify https://example.com/a.mp4?"),
        (["https://example.com/a.mp4?Signature=f00d"], "did you mean luma modify 'https://example.com/a.mp4?…'?"),
        (["-q"], "luma --help"),
        (["status", "--nope"], "luma status --help"),
        (["wait", "--interval"], "luma wait --help"),
        (["tasks", "--limit", "-1"], "luma tasks list --help"),
        (["tasks", "prune"], "luma tasks prune --help"),
        (["download", "--parallel", "many"], "luma download --help"),
    ],
    ids=" ".join,
)
def test_a_slip_of_the_finger_exits_2_and_names_the_way_on(luma: Luma, words: list[str], hint: str) -> None:
    code, out, err = luma(*words)

    assert (code, out) == (2, "")
    assert err.startswith("luma: error: ")
    assert err.endswith(f"hint: {hint}\n")
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize("words", [["--json", "-q", "status", "--cached"], ["status", "--cached", "--json", "--quiet"]])
def test_the_common_options_stand_before_or_after_the_command(luma: Luma, sandbox: Sandbox, words: list[str]) -> None:
    luma("modify", CLIP_URL, "-p", PROMPT)

    assert json.loads(luma(*words).out)["schema"] == "luma/1"


def test_one_call_leaves_no_mode_to_the_next(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", PROMPT)
    luma("status", "--json", "-q")

    assert "\t" in luma("status").out


# --- failures of our own ---


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal whose folder is a name that no system call takes: an error that nobody foresaw."""

    def fail(_self: object, *_arguments: object) -> None:
        raise ZeroDivisionError(f"https://files.example.net/a.mp4?sig=secret {KEY}")

    monkeypatch.setattr("luma_cli.api.client.Client.task", fail)


def test_an_internal_error_is_one_line_and_exit_1(luma: Luma, sandbox: Sandbox, broken: None) -> None:
    assert luma("status", ID) == (
        1,
        "",
        "luma: error: internal error: ZeroDivisionError\nhint: run again with LUMA_DEBUG=1 and report it\n",
    )


def test_luma_debug_shows_the_traceback_without_secrets(
    luma: Luma, sandbox: Sandbox, broken: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_DEBUG", "1")
    code, _, err = luma("status", ID)

    assert code == 1
    assert err.startswith("Traceback (most recent call last)")
    assert "sig=secret" not in err
    assert KEY not in err


def test_every_kind_of_error_has_an_exit_code_of_the_contract() -> None:
    kinds = {kind.exit_code for kind in LumaError.__subclasses__()} | {LumaError.exit_code}

    assert kinds == {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}


FAILURES = [
    (["modify", CLIP_URL, "-p", ""], 2),
    (["status", "0" * 32], 6),
    (["status", "nope"], 2),
    (["download", "0" * 32], 6),
    (["download", "http://127.0.0.1:9/a.mp4", "-o", "missing/a.mp4"], 11),
    (["download", "ftp://a.example/b.mp4"], 11),
    (["config", "set", "intervall", "5"], 2),
    (["credits", "--min", "999999999"], 10),
    (["wait", "abc"], 2),
]


@pytest.mark.parametrize(("words", "code"), FAILURES, ids=lambda each: " ".join(each) if isinstance(each, list) else "")
def test_a_failure_is_one_error_line_and_at_most_one_hint(
    luma: Luma, sandbox: Sandbox, words: list[str], code: int
) -> None:
    result = luma(*words)

    lines = result.err.splitlines()
    errors = [line for line in lines if line.startswith("luma: error: ")]
    assert (result.code, len(errors)) == (code, 1), result.err
    assert len([line for line in lines if line.startswith("hint: ")]) <= 1
    assert 1 <= len(errors[0].removeprefix("luma: error: ")) <= 400


@pytest.mark.parametrize(("words", "code"), FAILURES, ids=lambda each: " ".join(each) if isinstance(each, list) else "")
def test_a_failure_with_json_ends_with_its_object(luma: Luma, sandbox: Sandbox, words: list[str], code: int) -> None:
    result = luma(*words, "--json")

    error = json.loads(result.err.splitlines()[-1])["error"]
    assert (result.code, error["exitCode"]) == (code, code)
    assert list(error)[:8] == [
        "code", "message", "hint", "exitCode", "apiCode", "httpStatus", "retryable", "taskId"
    ]  # fmt: skip


def test_without_a_word_luma_explains_itself(luma: Luma) -> None:
    assert luma() == luma("--help")
    assert luma()[::2] == (0, "")


@pytest.mark.parametrize("words", [["modify"], ["tasks", "adopt"]], ids=" ".join)
def test_help_of_a_command_is_its_help(luma: Luma, words: list[str]) -> None:
    assert luma("help", *words) == luma(*words, "--help")
    assert luma("help", *words)[::2] == (0, "")
    assert luma("-q", "help", *words) == luma(*words, "--help")


@pytest.mark.parametrize("words", [["--version"], ["-V", "-q"], ["--version", "--json"], ["--json", "--version"]])
def test_the_version_is_reported_whatever_else_is_asked(luma: Luma, words: list[str]) -> None:
    assert luma(*words) == (0, f"luma {__version__}\n", "")


@pytest.mark.parametrize("words", [[], ["config"], ["tasks"]], ids=str)
def test_no_summary_is_cut_off_in_a_pipe(luma: Luma, words: list[str]) -> None:
    lines = luma(*words, "--help").out.splitlines()
    assert [line for line in lines if line.endswith("...") and "Usage" not in line] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_a_version_that_cannot_be_written_is_reported(sandbox: Sandbox) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "luma_cli", "-V"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr.count("\n")) == (11, 1)
    assert done.stderr.startswith("luma: error: cannot write to stdout: no space left on device")


@pytest.mark.parametrize(
    ("value", "is_on"), [("0", False), ("off", False), ("no", False), ("", False), ("1", True), ("on", True)]
)
def test_luma_debug_is_a_switch_like_the_others(
    luma: Luma, sandbox: Sandbox, broken: None, monkeypatch: pytest.MonkeyPatch, value: str, is_on: bool
) -> None:
    monkeypatch.setenv("LUMA_DEBUG", value)
    assert luma("status", ID).err.startswith("Traceback") is is_on


@pytest.mark.parametrize("words", [["credits"], ["status", ID], ["modify", CLIP_URL, "-p", PROMPT]], ids=" ".join)
def test_a_refused_key_is_named_by_its_origin(luma: Luma, sandbox: Sandbox, words: list[str]) -> None:
    sandbox.scenario = "bad-key"
    code, _, err = luma(*words)

    assert code == 4
    assert "hint: the refused key is from LUMA_API_KEY" in err


def test_the_overview_names_every_command_and_fits_a_small_terminal() -> None:
    lines = load_text("topics/overview.txt").splitlines()

    assert {line[13:].split()[0] for line in lines[4:-2]} == set(COMMANDS)
    assert (len(lines) <= 23, max(map(len, lines)) <= 80) == (True, True)
    assert [line.split(":")[0] for line in lines[:3]] == ["try it", "set the key", "edit a clip"]
