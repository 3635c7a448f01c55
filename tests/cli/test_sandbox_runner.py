"""`luma sandbox`: around a command, and on its own until it is stopped."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from luma_cli.sandbox import MODELS, SCENARIOS
from support import processes
from support.commands import CLIP, KEY, Result

NAMES = ["LUMA_BASE_URL", "LUMA_UPLOAD_URL", "LUMA_API_KEY", "LUMA_STATE_DIR"]
LUMA = (sys.executable, "-m", "luma_cli")
PATIENCE = 30
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and shells of POSIX")


def python(program: str) -> tuple[str, ...]:
    return (sys.executable, "-c", program)


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made; its name needs quotes in a shell."""
    folder = tmp_path_factory.mktemp("it's temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


class Started:
    """`luma sandbox WORDS` in a process group of its own, as a shell with job control starts it."""

    def __init__(self, *words: str) -> None:
        self.process = processes.Luma(
            "sandbox",
            *words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def exports(self) -> dict[str, str]:
        """What a shell makes of the lines that are printed."""
        lines = [self.line() for _ in NAMES]
        shown = " ".join(f'"${name}"' for name in NAMES)
        script = "\n".join([*lines, f"printf '%s\\n' {shown}"])
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        return dict(zip(NAMES, done.stdout.splitlines(), strict=True))

    def end(self) -> Result:
        out, err = self.process.communicate(timeout=PATIENCE)
        return Result(self.process.returncode, out, err)


@pytest.fixture
def start(temporary: Path) -> Iterator[Callable[..., Started]]:
    started: list[Started] = []

    def call(*words: str) -> Started:
        started.append(Started(*words))
        return started[-1]

    yield call
    for one in started:
        with suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)  # its command as well, which holds the pipes
        one.process.communicate()


def code_of_credits(url: str, key: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port or 0, timeout=PATIENCE)
    connection.request("GET", "/api/v1/chat/credit", headers={"Authorization": f"Bearer {key}"})
    code = int(json.loads(connection.getresponse().read())["code"])
    connection.close()
    return code


def answers(url: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True


# With a command


def test_the_command_gets_addresses_a_key_and_a_state_folder(run: Callable[..., Result], home: Path) -> None:
    given = json.loads(run("sandbox", "--", *python(SHOW)).out)

    assert given["LUMA_BASE_URL"] == given["LUMA_UPLOAD_URL"]
    assert given["LUMA_BASE_URL"].startswith("http://127.0.0.1:")
    assert len(given["LUMA_API_KEY"]) == 32
    assert given["LUMA_STATE_DIR"] not in ("", str(home / "state"))
    changed = {name for name in given if given[name] != os.environ.get(name)}
    assert changed - set(NAMES) <= {"LC_CTYPE"}  # Python's own doing


def test_two_sandboxes_have_different_keys_and_ports(start: Callable[..., Started]) -> None:
    first, second = start().exports(), start().exports()

    assert all(first[name] != second[name] for name in NAMES)


def test_the_users_own_key_never_meets_the_sandbox(run: Callable[..., Result]) -> None:
    """Its log shows which key each request came with."""
    program = (
        "import os, subprocess, sys, urllib.request\n"
        f"subprocess.run([sys.executable, '-m', 'luma_cli', 'modify', {str(CLIP)!r}, '-p', 'Snow', '-q', '-w'])\n"
        "sys.stdout.flush()\n"
        "print(urllib.request.urlopen(os.environ['LUMA_BASE_URL'] + '/sandbox/log').read().decode())"
    )
    done = run("sandbox", "--duration", "0s", "--", *python(program), KIE_API_KEY=KEY)

    requests = [json.loads(line) for line in done.out.splitlines()[1:]]
    assert {request["path"]: request["keyIsRight"] for request in requests[:-1]} == {
        "/api/v1/chat/credit": True,
        "/api/file-stream-upload": True,
        "/api/v1/modify/generate": True,
        "/api/v1/modify/record-info": True,
    }
    assert KEY not in done.out + done.err


def test_the_users_own_folders_are_left_alone(run: Callable[..., Result], home: Path, temporary: Path) -> None:
    before = sorted(home.rglob("*"))

    assert run("sandbox", "--duration", "0s", "--", *LUMA, "modify", CLIP, "-p", "Snow", "-o", "a.mp4").code == 0
    assert sorted(home.rglob("*")) == before
    assert list(temporary.iterdir()) == []


def test_a_key_is_not_even_needed(run: Callable[..., Result]) -> None:
    done = run("sandbox", "--duration", "0s", "--", *LUMA, "modify", CLIP, "-p", "Snow", LUMA_API_KEY="")

    assert done.code == 0


@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_the_commands_exit_status_is_passed_on(status: int, luma: Callable[..., Result]) -> None:
    assert luma("sandbox", "--", "sh", "-c", f"exit {status}") == (status, "", "")


@pytest.mark.parametrize("name", ["TERM", "KILL", "INT", "SEGV"])
def test_the_status_of_a_command_that_a_signal_ended_is_that_of_a_shell(name: str, luma: Callable[..., Result]) -> None:
    assert luma("sandbox", "--", "sh", "-c", f"kill -{name} $$").code == 128 + getattr(signal, f"SIG{name}")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("no-such-command", "no such file or directory"),
        ("./folder", "permission denied"),
        ("./text", "permission denied"),
    ],
)
def test_a_command_that_cannot_be_run_exits_2(
    command: str, reason: str, luma: Callable[..., Result], temporary: Path
) -> None:
    Path("folder").mkdir()
    Path("text").write_text("no program")

    assert luma("sandbox", "--", command) == (2, "", f"luma: error: cannot run {command}: {reason}\n")
    assert list(temporary.iterdir()) == []


def test_the_commands_streams_are_ours_untouched(run: Callable[..., Result]) -> None:
    code, out, err = run("sandbox", "--", "sh", "-c", "cat; echo done >&2", stdin="one\n\x00two\r\n")

    assert (code, out, err) == (0, "one\n\x00two\r\n", "done\n")


def test_bytes_pass_through_unchanged() -> None:
    done = subprocess.run(
        [*LUMA, "sandbox", "--duration", "0s", "--", *LUMA, "modify", CLIP, "-p", "Snow", "-o", "-"],
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout == CLIP.read_bytes()


@pytest.mark.parametrize("dashes", [("--",), ()])
def test_options_behind_the_command_are_the_commands_own(
    dashes: tuple[str, ...], luma: Callable[..., Result], capfd: pytest.CaptureFixture[str]
) -> None:
    code = luma("sandbox", *dashes, "echo", "--json", "-q", "--port", "--help").code

    assert (code, capfd.readouterr().out) == (0, "--json -q --port --help\n")


def test_a_sandbox_fits_into_a_sandbox(run: Callable[..., Result]) -> None:
    assert run("sandbox", "--", *LUMA, "sandbox", "--", *LUMA, "credits")[:2] == (0, "100000\n")


@pytest.mark.parametrize(("name", "code"), [("TERM", 143), ("INT", -2), ("HUP", 129)])
def test_a_signal_to_the_sandbox_alone_ends_its_command_too(
    name: str, code: int, start: Callable[..., Started], temporary: Path
) -> None:
    """The command has time to tidy up, and says so."""
    stop = "signal.signal(signal.SIGTERM, bye); signal.signal(signal.SIGINT, bye); signal.signal(signal.SIGHUP, bye)"
    program = (
        "import os, signal, sys, time\n"
        "def bye(signum, frame):\n    print('tidy', signum, flush=True)\n    sys.exit(3)\n"
        f"{stop}\nprint(os.environ['LUMA_BASE_URL'], flush=True)\ntime.sleep(60)"
    )
    started = start("--", *python(program))
    url = started.line()
    started.process.send_signal(getattr(signal, f"SIG{name}"))

    ended = started.end()

    assert (ended.code, ended.out) == (code, f"tidy {getattr(signal, f'SIG{name}').value}\n")
    assert not answers(url)
    assert list(temporary.iterdir()) == []


def test_a_command_that_ignores_signals_does_not_outlive_the_second_one(start: Callable[..., Started]) -> None:
    program = (
        "import os, signal, time\nsignal.signal(signal.SIGTERM, lambda *_: print('no', flush=True))\n"
        "print(os.getpid(), flush=True)\nwhile True:\n    time.sleep(1)"
    )
    started = start("--", *python(program))
    pid = int(started.line())
    started.process.terminate()
    assert started.line() == "no"
    started.process.terminate()

    assert started.end().code == 143
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_ctrl_c_reaches_the_command_once(start: Callable[..., Started]) -> None:
    """A terminal sends it to both; a second one would cut the command's tidying short."""
    program = (
        "import signal, sys, time\n"
        "seen = []\nsignal.signal(signal.SIGINT, lambda *_: seen.append(1))\nprint('up', flush=True)\n"
        "while not seen:\n    time.sleep(0.01)\n"
        "time.sleep(0.2)\nprint(len(seen), flush=True)"
    )
    started = start("--", *python(program))
    assert started.line() == "up"
    os.killpg(started.process.pid, signal.SIGINT)

    assert started.end()[:2] == (-2, "1\n")


def test_ctrl_c_during_an_edit_names_the_way_on(start: Callable[..., Started]) -> None:
    started = start("--duration", "5m", "--", *LUMA, "modify", str(CLIP), "-p", "Snow", "-w")
    assert started.process.stderr is not None
    told = ""
    while " is submitted" not in told:
        told = started.process.stderr.readline()
        assert told
    task_id = told.split()[2]
    os.killpg(started.process.pid, signal.SIGINT)

    ended = started.end()

    assert ended.code == -2
    assert f"hint: luma wait {task_id}" in ended.err
    assert "luma: the sandbox has ended, and its tasks with it" in ended.err


# Without a command


def test_without_a_command_it_serves_what_its_lines_say(start: Callable[..., Started]) -> None:
    given = start().exports()

    assert code_of_credits(given["LUMA_BASE_URL"], given["LUMA_API_KEY"]) == 200
    assert given["LUMA_UPLOAD_URL"] == given["LUMA_BASE_URL"]
    assert Path(given["LUMA_STATE_DIR"]).is_dir()


def test_luma_works_in_a_shell_with_these_lines(start: Callable[..., Started], run: Callable[..., Result]) -> None:
    given = start("--duration", "0s").exports()

    assert run("modify", CLIP, "-p", "Snow", "-o", "a.mp4", **given)[:2] == (0, "a.mp4\n")
    assert Path("a.mp4").read_bytes() == CLIP.read_bytes()
    assert (Path(given["LUMA_STATE_DIR"]) / "tasks.db").exists()


@pytest.mark.parametrize(("name", "code"), [("INT", -2), ("TERM", 143), ("HUP", 129)])
def test_it_serves_until_a_signal_comes_and_leaves_nothing(
    name: str, code: int, start: Callable[..., Started], temporary: Path
) -> None:
    started = start()
    url = started.exports()["LUMA_BASE_URL"]
    started.process.send_signal(getattr(signal, f"SIG{name}"))

    assert started.end().code == code
    assert not answers(url)
    assert list(temporary.iterdir()) == []


def test_a_connection_that_is_open_does_not_keep_it_alive(start: Callable[..., Started]) -> None:
    started = start()
    port = urlsplit(started.exports()["LUMA_BASE_URL"]).port or 0
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as idle:
        idle.sendall(b"POST /api/v1/modify/generate HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        started.process.terminate()
        assert started.end().code == 143


def test_a_port_can_be_chosen(start: Callable[..., Started]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    assert start("--port", str(port)).exports()["LUMA_BASE_URL"] == f"http://127.0.0.1:{port}"


def test_a_port_that_is_taken_exits_11(luma: Callable[..., Result], temporary: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = luma("sandbox", "--port", port, "--", "echo", "never")

    assert done == (11, "", f"luma: error: cannot listen on port {port}: address already in use\n")
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [("--scenario", "nosuch"), ("--duration", "soon"), ("--duration", "-1s"), ("--port", "65536"), ("--prot", "1")],
)
def test_a_wrong_option_exits_2_and_runs_nothing(words: tuple[str, str], luma: Callable[..., Result]) -> None:
    assert luma("sandbox", *words, "--", "echo", "never")[:2] == (2, "")


def test_an_unknown_scenario_is_answered_with_the_known_ones(luma: Callable[..., Result]) -> None:
    err = luma("sandbox", "--scenario", "nosuch", "--", "echo").err

    assert "hint: scenarios: ok slow flag2 flag3 flag4 not-visible rate-limit" in err


def test_the_webhook_key_signs_its_callbacks(run: Callable[..., Result]) -> None:
    receive = (
        "import os, subprocess, sys\n"
        "from http.server import BaseHTTPRequestHandler, HTTPServer\n"
        "class Handler(BaseHTTPRequestHandler):\n"
        "    def do_POST(self):\n"
        "        self.send_response(200)\n        self.end_headers()\n"
        "        print(len(self.headers.get('X-Webhook-Signature', '')), flush=True)\n"
        "server = HTTPServer(('127.0.0.1', 0), Handler)\nserver.timeout = 30\n"
        "url = f'http://127.0.0.1:{server.server_port}/'\n"
        f"edit = ['modify', {str(CLIP)!r}, '-p', 'Snow', '-q', '--callback-url', url]\n"
        "subprocess.run([sys.executable, '-m', 'luma_cli', *edit], stdout=subprocess.DEVNULL)\n"
        "server.handle_request()\n"
    )
    words = ("sandbox", "--duration", "0s", "--", *python(receive))

    assert run(*words, LUMA_WEBHOOK_KEY="example-hmac-key").out == "44\n"
    assert run(*words).out == "0\n"


def test_with_json_it_prints_one_object_instead_of_the_lines(start: Callable[..., Started]) -> None:
    given = json.loads(start("--json").line())

    assert list(given) == ["schema", *NAMES]
    assert code_of_credits(given["LUMA_BASE_URL"], given["LUMA_API_KEY"]) == 200


# What it is asked for


def test_the_help_lists_every_scenario_with_its_meaning(luma: Callable[..., Result]) -> None:
    out = luma("sandbox", "--help").out

    listed = out[out.index("Scenarios:\n") :].split("\n\n")[0].splitlines()[1:]
    assert [tuple(line.split(None, 1)) for line in listed] == list(SCENARIOS.items())


CHARGED = """
import json, os, urllib.request
def ask(path, body=None):
    headers = {"Authorization": "Bearer " + os.environ["LUMA_API_KEY"], "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    reply = urllib.request.urlopen(urllib.request.Request(os.environ["LUMA_BASE_URL"] + path, data, headers))
    return json.load(reply)["data"]
before, clip = ask("/api/v1/chat/credit"), "https://a.example/b.mp4"
ask("/api/v1/modify/generate", {"prompt": "Snow", "videoUrl": clip})
luma = ask("/api/v1/chat/credit")
ask("/api/v1/jobs/createTask", {"model": "wan/2-7-videoedit", "input": {"prompt": "Snow", "video_url": clip}})
print(before - luma, luma - ask("/api/v1/chat/credit"))
"""


@pytest.mark.parametrize(
    ("words", "charged"),
    [
        ([], "100.0 100.0"),
        (["--price", "7.5"], "7.5 7.5"),
        (["--price", "luma=50"], "50.0 100.0"),
        (["--price", "3", "--price", "wan-2.7-edit=0"], "3.0 0.0"),
    ],
    ids=str,
)
def test_an_edit_costs_what_it_was_said_to(
    words: list[str], charged: str, luma: Callable[..., Result], capfd: pytest.CaptureFixture[str]
) -> None:
    assert luma("sandbox", *words, "--", *python(CHARGED)).code == 0
    assert capfd.readouterr().out == f"{charged}\n"


@pytest.mark.parametrize("price", ["", "much", "-1", "luma=", "luma=1e9", "=5x", "nan", "1" * 20])
def test_what_is_not_a_price_exits_2(price: str, luma: Callable[..., Result]) -> None:
    code, out, err = luma("sandbox", f"--price={price}", "--", "echo")

    assert (code, out, "is not a price" in err) == (2, "", True)


def test_a_price_for_no_model_exits_2_and_names_the_models(luma: Callable[..., Result]) -> None:
    code, _, err = luma("sandbox", "--price", "sora=5", "--", "echo")

    assert (code, f"hint: models: {' '.join(MODELS)}" in err) == (2, True)


@pytest.mark.parametrize("words", [["--realistic"], ["--scenario", "realistic"]], ids=" ".join)
def test_realistic_without_ffmpeg_exits_2_and_says_how_to_get_it(
    words: list[str], luma: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    code, out, err = luma("sandbox", *words, "--", sys.executable, "-c", "print(7)")

    assert (code, out) == (2, "")
    assert "luma: error: realistic results need ffmpeg" in err
    assert "hint: install ffmpeg" in err


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_realistic_takes_the_ffmpeg_of_the_extra(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "imageio_ffmpeg.py").write_text(f"def get_ffmpeg_exe():\n    return {shutil.which('ffmpeg')!r}\n")
    no_tools = str(tmp_path / "empty")
    command = ["sandbox", "--realistic", "--", sys.executable, "-c", "print(7)"]

    assert run(*command, PATH=no_tools, PYTHONPATH=str(tmp_path))[:2] == (0, "7\n")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_realistic_gives_another_file_than_the_clip(run: Callable[..., Result]) -> None:
    edit = ["modify", CLIP, "-p", "Heavy snow", "-o", "snow.mp4"]

    code, out, err = run("sandbox", "--duration", "0s", "--realistic", "--", *LUMA, *edit, LUMA_INTERVAL="1s")

    assert (code, out) == (0, "snow.mp4\n"), err
    assert Path("snow.mp4").read_bytes()[4:8] == b"ftyp"
    assert Path("snow.mp4").read_bytes() != CLIP.read_bytes()
