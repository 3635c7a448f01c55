"""Ctrl-C, SIGTERM, SIGHUP, closed pipes and stops: real processes, on a terminal and without one."""

import json
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte
import pytest

from luma_cli import signals
from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, COMMAND, Result, started
from support.fault_server import FaultServer, ranged, stall
from support.fault_server import signal as tell
from support.processes import instead_of_exec

Luma = Callable[..., Result]
KILLS = int(os.environ.get("LUMA_TEST_KILLS", "6"))
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
pytestmark = POSIX

WAYS = [
    (signal.SIGINT, -2, "interrupted"),
    (signal.SIGTERM, 143, "terminated"),
    (signal.SIGHUP, 129, "terminal closed"),
]
# A clip too long for one send, so that a download can be stopped in the middle of it.
BIG = 3 << 20


@pytest.fixture
def task_id(luma: Luma, sandbox: Sandbox) -> str:
    """A task that takes an hour."""
    sandbox.tasks.duration = 3600
    return luma("modify", CLIP_URL, "-p", "Heavy snow").out.strip()


def hear(process: subprocess.Popen[str], text: str) -> None:
    """Read stderr up to the line that holds this text."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"never said: {text}")


@pytest.mark.parametrize(("signum", "code", "word"), WAYS)
def test_a_stopped_wait_says_how_to_go_on(sandbox: Sandbox, task_id: str, signum: int, code: int, word: str) -> None:
    with started("wait", task_id) as process:
        hear(process, "generating")
        process.send_signal(signum)
        out, err = process.communicate()

    assert (process.returncode, out) == (code, "")
    assert err == f"luma: {word}; 1 task(s) go on\nhint: luma wait {task_id}\n"


def test_a_stopped_wait_says_so_in_json_too(sandbox: Sandbox, task_id: str) -> None:
    with started("wait", task_id, "--json") as process:
        hear(process, "generating")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()

    error = json.loads(err.splitlines()[-1])["error"]
    assert (process.returncode, error["code"], error["exitCode"]) == (143, "interrupted", 143)
    assert (error["hint"], error["taskId"], error["retryable"]) == (f"luma wait {task_id}", task_id, True)


def test_a_stopped_save_that_may_overwrite_goes_on_so(luma: Luma, sandbox: Sandbox, task_id: str) -> None:
    Path("a.mp4").write_text("old")
    with started("wait", task_id, "-o", "a.mp4", "-f") as process:
        hear(process, "generating")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()

    sandbox.finish(task_id)
    hint = next(line for line in err.splitlines() if line.startswith("hint: "))
    assert luma(*hint.split()[2:])[:2] == (0, "a.mp4\n")


def test_a_stopped_task_is_waited_for_by_the_command_that_was_named(luma: Luma, sandbox: Sandbox, task_id: str) -> None:
    with started("wait", task_id) as process:
        hear(process, "generating")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()

    sandbox.finish(task_id)
    hint = next(line for line in err.splitlines() if line.startswith("hint: "))
    assert luma(*hint.split()[2:]).code == 0


def test_a_shell_sees_130_and_its_loop_stops_too(sandbox: Sandbox, task_id: str) -> None:
    """bash goes on with a loop where a child only exits with 130: it must have died of the signal."""
    loop = f"for n in 1 2 3; do echo round $n; {' '.join(COMMAND)} wait {task_id}; echo code $?; done"
    child = pexpect.spawn("bash", ["-c", loop], encoding="utf-8", timeout=60)
    child.expect("generating")
    child.sendintr()
    rest = child.read()
    child.close()

    assert "round 2" not in rest
    assert child.signalstatus == signal.SIGINT or child.exitstatus == 130
    assert f"hint: luma wait {task_id}" in re.sub(r"\x1b\[[0-9;]*m", "", rest)


def test_a_second_ctrl_c_leaves_no_traceback(sandbox: Sandbox, task_id: str) -> None:
    with started("wait", task_id) as process:
        hear(process, "generating")
        for _ in range(5):
            process.send_signal(signal.SIGINT)
        out, err = process.communicate()

    assert (process.returncode, out) == (-2, "")
    assert "Traceback" not in err
    assert "Stopped" not in err


SIGNAL_AT_IMPORT = """
import os, signal, sys
module, signum = sys.argv[1], int(sys.argv[2])
sys.argv[1:3] = []
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signum)
sys.meta_path.insert(0, Finder())
from luma_cli.__main__ import run
run()
"""


@pytest.mark.parametrize(("signum", "code", "word"), WAYS)
@pytest.mark.parametrize(
    "module", ["luma_cli.cli.main", "typer", "luma_cli.cli.commands.wait", "requests", "luma_cli.edits.engine"]
)
def test_a_signal_during_start_up_leaves_no_traceback(
    sandbox: Sandbox, task_id: str, module: str, signum: int, code: int, word: str
) -> None:
    """Start-up is most of a short command's life. The signal comes when this module is about to be imported."""
    words = [sys.executable, "-c", SIGNAL_AT_IMPORT, module, str(int(signum)), "wait", task_id]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)

    assert done.returncode in (code, -signum)
    assert done.stdout == b""
    assert done.stderr.decode() in (
        "",
        f"luma: {word}\n",
        f"luma: {word}; 1 task(s) go on\nhint: luma wait {task_id}\n",
    )


@pytest.mark.parametrize("command", ["modify", "redo", "batch"])
def test_a_signal_before_a_paying_command_has_begun_says_that_nothing_was_sent(command: str) -> None:
    module = f"luma_cli.cli.commands.{command}"
    words = [sys.executable, "-c", SIGNAL_AT_IMPORT, module, str(int(signal.SIGTERM)), "-v", command, "rows.csv"]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (143, b"")
    assert done.stderr.decode() == "luma: terminated; nothing was submitted or charged\n"


def test_signals_at_random_moments(sandbox: Sandbox, task_id: str) -> None:
    chance = random.Random(seed := random.randrange(10**6))
    print(f"seed {seed}")
    for number in range(KILLS):
        signum, code, _ = WAYS[number % len(WAYS)]
        with started("wait", task_id) as process:
            timer = threading.Timer(chance.uniform(0.0, 0.4), process.send_signal, (signum,))
            timer.start()
            out, err = process.communicate()
            timer.join()
        assert (process.returncode in (code, -signum), out, "Traceback" in err) == (True, "", False), err


def test_an_ignored_signal_stays_ignored(luma: Luma, sandbox: Sandbox, task_id: str) -> None:
    """`nohup luma wait`, and a job that a plain shell has started with `&`."""
    ignore = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.executable, sys.argv[1:])"
    )
    words = [sys.executable, "-c", ignore, *COMMAND, "wait", task_id, "--interval", "1s"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        hear(process, "generating")
        process.send_signal(signal.SIGHUP)
        sandbox.finish(task_id)
        assert process.wait(60) == 0


def test_several_tasks_are_all_named(luma: Luma, sandbox: Sandbox, task_id: str) -> None:
    other = luma("modify", CLIP_URL, "-p", "Rain falls").out.strip()
    with started("wait") as process:
        hear(process, "generating")
        hear(process, "generating")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()

    assert err == f"luma: terminated; 2 task(s) go on\nhint: luma wait {task_id} {other}\n"


def test_a_stopped_modify_names_its_task_once(sandbox: Sandbox) -> None:
    sandbox.tasks.duration = 3600
    with started("modify", CLIP_URL, "-p", "Heavy snow", "-w", "--no-check") as process:
        hear(process, "generating")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()

    [task_id] = sandbox.tasks._tasks
    assert (process.returncode, out) == (-2, "")
    assert err == f"luma: interrupted; 1 task(s) go on\nhint: luma wait {task_id}\n"


def test_a_killed_wait_can_be_begun_again(luma: Luma, sandbox: Sandbox, task_id: str) -> None:
    with started("wait", task_id) as process:
        hear(process, "generating")
        process.kill()
        process.communicate()

    sandbox.finish(task_id)
    assert luma("wait").code == 0


def test_a_stopped_process_goes_on_without_a_burst_of_polls(sandbox: Sandbox, task_id: str) -> None:
    with started("wait", task_id, "--interval", "1s") as process:
        hear(process, "generating")
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        before = len(sandbox.requests)
        threading.Event().wait(2.5)  # the time that is slept through is the point
        sandbox.finish(task_id)
        os.kill(process.pid, signal.SIGCONT)
        process.communicate()

    assert process.returncode == 0
    assert len(sandbox.requests) - before == 1


# --- on a terminal ---


def screen_of(child: pexpect.spawn, columns: int = 100, lines: int = 24) -> pyte.Screen:
    """What stands on the screen when the program has ended."""
    screen = pyte.Screen(columns, lines)
    pyte.Stream(screen).feed(child.read())
    child.close()
    return screen


def on_terminal(*words: object, columns: int = 100, **environment: str) -> pexpect.spawn:
    environment = {**os.environ, **environment}
    return pexpect.spawn(
        COMMAND[0],
        [*COMMAND[1:], *map(str, words)],
        encoding="utf-8",
        timeout=60,
        dimensions=(24, columns),
        env=environment,
        **instead_of_exec([str(word) for word in words], environment),
    )


def text_of(screen: pyte.Screen) -> list[str]:
    return [line.rstrip() for line in screen.display if line.strip()]


def test_ctrl_c_on_a_terminal_shows_the_cursor_again_and_clears_the_bar(sandbox: Sandbox, task_id: str) -> None:
    child = on_terminal("wait", task_id)
    child.expect("generating")
    child.sendintr()
    screen = screen_of(child)

    assert child.signalstatus == signal.SIGINT
    assert not screen.cursor.hidden
    assert text_of(screen)[-2:] == ["luma: interrupted; 1 task(s) go on", f"hint: luma wait {task_id}"]
    assert screen.cursor.x == 0


@pytest.mark.parametrize(("signum", "code", "word"), WAYS[1:])
def test_a_signal_on_a_terminal_restores_it(sandbox: Sandbox, task_id: str, signum: int, code: int, word: str) -> None:
    child = on_terminal("wait", task_id)
    child.expect("generating")
    child.kill(signum)
    screen = screen_of(child)

    assert (child.exitstatus, screen.cursor.hidden) == (code, False)
    assert text_of(screen)[-1] == f"hint: luma wait {task_id}"


def test_the_bar_is_gone_at_the_end_and_the_link_stands_alone(sandbox: Sandbox, task_id: str) -> None:
    child = on_terminal("wait", task_id, "--interval", "1s", columns=200)
    child.expect("generating")
    sandbox.finish(task_id)
    screen = screen_of(child, columns=200)

    assert (child.exitstatus, screen.cursor.hidden) == (0, False)
    assert [line for line in text_of(screen) if "/files/results/" not in line] == []


def test_a_storm_of_resizes_does_no_harm(sandbox: Sandbox, task_id: str) -> None:
    child = on_terminal("wait", task_id, "--interval", "1s")
    child.expect("generating")
    for number in range(100):
        child.setwinsize(5 + number % 30, 1 + number * 7 % 150)
    sandbox.finish(task_id)
    rest = child.read()
    child.close()

    assert (child.exitstatus, "Traceback" in rest) == (0, False)


# --- downloads ---


@pytest.mark.parametrize("portion", [0.0, 0.3, 0.99])
@pytest.mark.parametrize(("signum", "code", "word"), WAYS)
def test_a_stopped_download_keeps_a_true_prefix_and_says_how_to_go_on(
    tmp_path: Path, luma: Luma, sandbox: Sandbox, signum: int, code: int, word: str, portion: float
) -> None:
    content = CLIP.read_bytes()
    content += (BIG - len(content)).to_bytes(4, "big") + b"free" + bytes(BIG - len(content) - 8)
    cut = int(len(content) * portion)
    arrived = threading.Event()
    body = ranged(content, cut_after=None)

    def begin(peer: object) -> None:
        peer.sock.sendall(  # type: ignore[attr-defined]
            f'HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nETag: "v1"\r\n\r\n'.encode() + content[:cut]
        )

    with FaultServer([(begin, tell(arrived), stall()), (body,)]) as server:
        link = server.url("/a.mp4")
        with started("download", link, "-o", "a.mp4") as process:
            assert arrived.wait(60)
            process.send_signal(signum)
            out, err = process.communicate()

        assert (process.returncode, out) == (code, "")
        assert word in err
        part = Path("a.mp4.part")
        assert content.startswith(part.read_bytes() if part.exists() else b"")
        assert not Path("a.mp4").exists()
        assert luma("download", link, "-o", "a.mp4")[:2] == (0, "a.mp4\n")
    assert Path("a.mp4").read_bytes() == content
    assert os.listdir() == ["a.mp4"]


def test_a_stopped_download_to_stdout_leaves_nothing_behind(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    arrived = threading.Event()
    with (
        FaultServer([(tell(arrived), stall())]) as server,
        started("download", server.url("/a.mp4"), "-o", "-") as process,
    ):
        assert arrived.wait(60)
        process.send_signal(signal.SIGINT)
        process.communicate()

    assert process.returncode == -2
    assert os.listdir(folder) == []


# --- pipes that close ---


def test_a_reader_that_goes_away_ends_us_with_141_and_the_way_on(luma: Luma, sandbox: Sandbox) -> None:
    sandbox.tasks.duration = 3600
    first, second = (luma("modify", CLIP_URL, "-p", prompt).out.strip() for prompt in ("Snow falls", "Rain falls"))
    reader, writer = os.pipe()
    with started("wait", "--interval", "1s", stdout=writer) as process:
        os.close(writer)
        hear(process, "generating")
        hear(process, "generating")
        os.close(reader)
        sandbox.finish(first)
        _, err = process.communicate()

    assert process.returncode == 141
    assert f"luma: 1 task(s) go on: luma wait {second}\n" in err
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def test_a_closed_pipe_begins_no_more_downloads_and_waits_for_none(luma: Luma, sandbox: Sandbox) -> None:
    ids = [luma("modify", f"{CLIP_URL}?{number}", "-p", "Snow falls").out.strip() for number in range(4)]
    for task_id in ids:
        luma("status", task_id)
    first, *others = (sandbox.tasks.find(task_id) for task_id in ids)
    record, served = sandbox.tasks.record, threading.Event()
    with FaultServer([(tell(served), stall())]) as slow:
        # The first is a file of the sandbox, the second hangs, the others must not be asked for.
        sandbox.tasks.record = lambda task, base: record(task, base if task is first else slow.url().rstrip("/"))  # type: ignore[method-assign,misc]
        reader, writer = os.pipe()
        with started("download", *ids, "--parallel", "1", "-o", "out/", stdout=writer) as process:
            os.close(writer)
            os.close(reader)
            _, err = process.communicate()

    assert process.returncode == 141, err
    assert others
    assert len(slow.requests) <= 1


def test_head_ends_a_list_without_a_word(luma: Luma, sandbox: Sandbox) -> None:
    for number in range(3):
        luma("modify", f"{CLIP_URL}?{number}", "-p", "Snow falls")
    line = f"{' '.join(COMMAND)} tasks 2>err | head -0; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=60, check=False)

    assert done.stdout in (b"141\n", b"0\n")
    assert Path("err").read_bytes() == b""


@pytest.mark.skipif(shutil.which("timeout") is None, reason="needs coreutils")
def test_timeout_1_ends_us_like_any_program(sandbox: Sandbox, task_id: str) -> None:
    """A signal to it does what the end of its time does."""
    command = ["timeout", "--preserve-status", "60", *COMMAND, "wait", task_id]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        hear(process, "generating")
        process.terminate()
        assert process.stderr is not None
        rest = process.stderr.read()
    assert process.returncode == 143
    assert rest.endswith(f"hint: luma wait {task_id}\n")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_signal_ends_a_wait_that_has_no_end() -> None:
    inbox: queue.Queue[str] = queue.Queue()
    signals.install()
    try:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        with pytest.raises(signals.Stopped):
            signals.next_of(inbox)
    finally:
        signals.uninstall()


def test_a_wait_gives_what_comes_and_ends_in_time() -> None:
    inbox: queue.Queue[str] = queue.Queue()
    threading.Timer(signals.SLICE * 1.1, inbox.put, ("late",)).start()

    assert signals.next_of(inbox) == "late"
    with pytest.raises(queue.Empty):
        signals.next_of(inbox, 0.01)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_helper_thread_leaves_the_signals_to_the_main_one() -> None:
    seen: list[set[int]] = []
    with signals.kept_from_threads():
        thread = threading.Thread(target=lambda: seen.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))))
        thread.start()
    thread.join()

    assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= seen[0]
    assert not {signal.SIGINT, signal.SIGTERM} & signal.pthread_sigmask(signal.SIG_BLOCK, ())


CHILD = """
import os, signal, sys
from luma_cli import signals
signals.install()
stop = lambda: os.kill(os.getppid(), signal.SIGTERM)
try:
    with signals.child([sys.executable, "-c", "import time; time.sleep(600)"], preexec_fn=stop):
        print("not stopped")
except signals.Stopped:
    print("stopped")
"""


@pytest.mark.skipif(os.name != "posix", reason="needs fork")
def test_a_signal_while_a_child_starts_leaves_none_behind() -> None:
    """The child holds our stdout: were it left behind, reading would go on for ten minutes."""
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "stopped\n"
