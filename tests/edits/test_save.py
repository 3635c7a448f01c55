"""`luma download`: which videos, where to, under which names, and what is there already."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from luma_cli.sandbox import Sandbox
from luma_cli.sandbox.files import CLIP as RESULT
from support.commands import CLIP, CLIP_URL, Result
from support.fault_server import Action, Answer, FaultServer, Peer, Request, reply
from support.screens import Screens

Luma = Callable[..., Result]
ID = "0123456789abcdef0123456789abcdef"


def submit(luma: Luma, *videos: object) -> list[str]:
    """Tasks that have ended, and that the journal knows so."""
    ids = [luma("modify", video, "-p", "Heavy snow").out.strip() for video in videos or (CLIP_URL,)]
    luma("status", *ids)
    return ids


def video_gets(sandbox: Sandbox) -> int:
    return sum(request.path.startswith("/files/results/") and request.method == "GET" for request in sandbox.requests)


@pytest.fixture
def task_id(luma: Luma, sandbox: Sandbox) -> str:
    [made] = submit(luma, CLIP_URL)
    sandbox.requests.clear()
    return made


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        ("a.avi", "luma: warning: a.avi is an MP4 file, whatever its name says: videos are saved as they come\n"),
        ("a.MKV", "luma: warning: a.MKV is an MP4 file, whatever its name says: videos are saved as they come\n"),
        ("a.mov", ""),
        ("a.bin", ""),
    ],
)
def test_a_name_that_claims_another_container_is_warned_of(
    luma: Luma, sandbox: Sandbox, task_id: str, name: str, warning: str
) -> None:
    code, out, err = luma("download", "-o", name, "--quiet")

    assert (code, out, err) == (0, f"{name}\n", warning)


# --- which ---


def test_without_task_the_last_one_is_saved_under_stem_and_id(luma: Luma, sandbox: Sandbox) -> None:
    first, last = submit(luma, "https://media.example.net/first.mp4", "https://media.example.net/street%20view.mov")

    assert luma("download")[:2] == (0, f"street-view-{last[:8]}.mp4\n")
    assert luma("download", first).out == f"first-{first[:8]}.mp4\n"
    assert Path(f"first-{first[:8]}.mp4").read_bytes() == RESULT.read_bytes()


def test_a_local_clip_gives_its_name_too(luma: Luma, sandbox: Sandbox) -> None:
    [made] = submit(luma, CLIP)

    assert luma("download").out == f"street-{made[:8]}.mp4\n"


def test_several_tasks_are_saved_side_by_side(luma: Luma, sandbox: Sandbox) -> None:
    ids = submit(luma, *(f"https://media.example.net/{name}.mp4" for name in "abcdef"))
    code, out, _ = luma("download", *ids, "-o", "out/", "--parallel", "3")

    assert code == 0
    assert sorted(out.split()) == sorted(
        f"out/{name}-{task_id[:8]}.mp4" for name, task_id in zip("abcdef", ids, strict=True)
    )
    assert sorted(os.listdir("out")) == sorted(Path(line).name for line in out.split())


@pytest.mark.parametrize("parallel", [1, 3])
def test_no_more_downloads_run_at_once_than_asked_for(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, parallel: int
) -> None:
    ids = submit(luma, *(f"{CLIP_URL}?{number}" for number in range(6)))
    lock, running, most = threading.Lock(), [0], [0]
    full = threading.Event()

    def begin(_peer: Peer) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
            if running[0] == parallel:
                full.set()
        full.wait(30)

    def end(_peer: Peer) -> None:
        with lock:
            running[0] -= 1

    with FaultServer([(begin, end, *reply(RESULT.read_bytes()))]) as host:
        monkeypatch.setattr(sandbox, "url", host.url().rstrip("/"))
        assert luma("download", *ids, "-o", "out/", "--parallel", parallel).code == 0
    assert most == [parallel]


def test_a_link_is_saved_under_its_own_name(luma: Luma, sandbox: Sandbox, task_id: str) -> None:
    link = luma("status", task_id).out.rstrip("\n").split("\t")[3]

    assert luma("download", link).out == f"{Path(link).stem}.mp4\n"
    assert json.loads(luma("download", link, "-o", "b.mp4", "--json").out)["taskId"] is None


def test_ids_and_links_come_from_stdin_where_a_dash_asks_for_it(luma: Luma, sandbox: Sandbox) -> None:
    ids = submit(luma, "https://media.example.net/a.mp4", "https://media.example.net/b.mp4")

    assert luma("download", "-", "-o", "out/", stdin="\n".join(ids)).code == 0
    assert len(os.listdir("out")) == 2


def test_all_missing_saves_what_is_not_saved_yet_and_nothing_else(
    luma: Luma, sandbox: Sandbox, screens: Screens
) -> None:
    first, second, failed = submit(luma, "https://media.example.net/a.mp4", "https://media.example.net/b.mp4", CLIP_URL)
    luma("modify", CLIP_URL, "-p", "sandbox:flag3 Snow")
    luma("wait")
    luma("download", first, failed)

    assert luma("download", "--all-missing", "-o", "out/")[:2] == (0, f"out/b-{second[:8]}.mp4\n")
    assert luma("download", "--all-missing", "-o", "out/") == (0, "", "")
    assert screens.type("download", "--all-missing", columns=80, rows=24).lines == [
        "luma: every finished task is saved"
    ]
    Path("out", f"b-{second[:8]}.mp4").unlink()
    code, out, err = luma("download", "--all-missing", "-o", "out/")
    assert (code, out) == (0, "")
    assert err == "luma: 1 saved before are no longer at their path: luma download TASK saves one again\n"


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no devices here")
def test_a_device_is_not_a_place_for_a_video(luma: Luma, sandbox: Sandbox) -> None:
    submit(luma)
    assert luma("download", "@last", "-o", "/dev/null")[::2] == (
        11,
        "luma: error: /dev/null is not a regular file\nhint: -o FILE, or -o - for stdout\n",
    )


@pytest.mark.parametrize(
    ("scenario", "code", "words"),
    [("flag3", 5, "the edit failed at kie.ai"), ("slow", 8, "is generating")],
)
def test_a_task_without_a_video_says_why(luma: Luma, sandbox: Sandbox, scenario: str, code: int, words: str) -> None:
    sandbox.tasks.duration = 360 if scenario == "slow" else 0
    luma("modify", CLIP_URL, "-p", f"sandbox:{scenario} Snow")
    result = luma("download")

    assert result[:2] == (code, "")
    assert words in result.err
    assert os.listdir() == []


@pytest.mark.parametrize("scenario", ["cut-transfer", "expired-link"])
def test_a_host_with_errors_that_pass_is_bearable(luma: Luma, sandbox: Sandbox, scenario: str) -> None:
    luma("modify", CLIP_URL, "-p", f"sandbox:{scenario} Snow")

    assert luma("download", "-o", "a.mp4")[:2] == (0, "a.mp4\n")
    assert Path("a.mp4").read_bytes() == RESULT.read_bytes()
    assert os.listdir() == ["a.mp4"]


# --- several results of one task (D41) ---


def several(*results: Answer | Action) -> Callable[[Request], Answer]:
    """A service and file host in one, whose task has these results."""

    def answer(request: Request) -> Answer:
        if request.path.startswith("/api/v1/modify/record-info"):
            host = f"http://{request.headers['host']}"
            links = [f"{host}/{number}.mp4" for number in range(len(results))]
            data = {"taskId": ID, "successFlag": 1, "response": {"resultUrls": links}}
            return reply(json.dumps({"code": 200, "data": data}).encode())
        if request.path == "/api/v1/modify/generate":
            return reply(json.dumps({"code": 200, "data": {"taskId": ID}}).encode())
        if request.path.startswith("/api/"):
            return reply(b'{"code": 422, "msg": "Invalid URL"}')
        return results[int(request.path[1])]  # type: ignore[return-value]

    return answer


GOOD = reply(RESULT.read_bytes(), etag='"v1"')


def test_several_results_are_numbered(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(several(GOOD, GOOD)) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url().rstrip("/"))
        assert luma("download", ID, "-o", "a.mp4")[:2] == (0, "a.mp4\na-2.mp4\n")
        assert luma("download", ID)[:2] == (0, f"video-{ID[:8]}-1.mp4\nvideo-{ID[:8]}-2.mp4\n")


def test_one_result_that_is_gone_does_not_cost_the_other(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(several(GOOD, reply(b"gone", 404))) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url().rstrip("/"))
        code, out, err = luma("download", ID, "-o", "a.mp4", "--json")

    assert (code, Path("a.mp4").read_bytes()) == (9, RESULT.read_bytes())
    assert [Path(file["path"]).name for file in json.loads(out)["files"]] == ["a.mp4"]
    assert "1 of 2 videos saved; result expired: " in err
    assert not Path("a-2.mp4").exists()


def test_an_edit_of_which_one_result_is_gone_is_one_object(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(several(GOOD, reply(b"gone", 404))) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url().rstrip("/"))
        code, out, _ = luma("modify", CLIP_URL, "-p", "Snow falls", "--no-check", "-o", "a.mp4", "--json")

    assert code == 9
    assert [Path(file["path"]).name for file in json.loads(out)["files"]] == ["a.mp4"]


def test_several_results_cannot_share_stdout(run: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(several(GOOD, GOOD)) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url().rstrip("/"))
        code, out, err = run("download", ID, "-o", "-")

    assert (code, out) == (11, "")
    assert "has several videos" in err


# --- where to (D30, D32, D36) ---


def test_a_folder_with_a_slash_is_made(luma: Luma, task_id: str) -> None:
    assert luma("download", task_id, "-o", "out/").out == f"out/in-{task_id[:8]}.mp4\n"


def test_an_absolute_place_is_reported_as_such(luma: Luma, tmp_path: Path, task_id: str) -> None:
    assert luma("download", task_id, "-o", tmp_path / "a.mp4").out == f"{tmp_path}/a.mp4\n"


def test_the_folder_may_come_from_the_settings(luma: Luma, task_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("videos").mkdir()
    monkeypatch.setenv("LUMA_OUTPUT_DIR", "videos")

    assert luma("download").out == f"videos/in-{task_id[:8]}.mp4\n"


@pytest.mark.parametrize("place", ["missing/a.mp4", "missing/deeper/", "file/a.mp4", "/proc/a.mp4", "/proc/"])
def test_a_place_that_cannot_be_written_costs_no_request(
    luma: Luma, sandbox: Sandbox, task_id: str, place: str
) -> None:
    Path("file").write_text("")
    code, out, err = luma("download", task_id, "-o", place)

    assert (code, out, video_gets(sandbox)) == (11, "", 0), err


BAD_NAMES = [
    "CON",
    "NUL.mp4",
    "COM¹",
    "lpt9.mp4",
    "x.",
    "x ",
    "a:b",
    "n" * 300,
    "a\nb",
    "a\x1b[2J",
    "a\0b",
    "a?b",
    "a\u202eb",
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name)[:16])
def test_a_name_that_no_system_takes_exits_2_and_costs_no_request(
    luma: Luma, sandbox: Sandbox, task_id: str, name: str
) -> None:
    code, out, err = luma("download", task_id, "-o", name)

    assert (code, out, sandbox.requests) == (2, "", []), err
    assert "luma: error: name not allowed: " in err
    assert os.listdir() == []


def test_several_videos_cannot_share_one_file(luma: Luma, sandbox: Sandbox) -> None:
    ids = submit(luma, CLIP_URL, f"{CLIP_URL}?2")

    assert luma("download", *ids, "-o", "a.mp4")[:2] == (2, "")


@pytest.mark.parametrize("suffix", ["", ".part", ".part.lock"])
def test_a_planted_link_is_refused_and_what_it_leads_to_unchanged(
    luma: Luma, sandbox: Sandbox, task_id: str, suffix: str
) -> None:
    victim = Path("victim")
    victim.write_text("precious")
    Path(f"a.mp4{suffix}").symlink_to(victim)

    assert luma("download", task_id, "-o", "a.mp4", "-f").code == 11
    assert victim.read_text() == "precious"
    assert video_gets(sandbox) == 0


# --- what is there already (D31, D33) ---


def test_a_foreign_file_is_not_overwritten(luma: Luma, sandbox: Sandbox, task_id: str) -> None:
    Path("a.mp4").write_text("mine")
    code, out, err = luma("download", task_id, "-o", "a.mp4")

    assert (code, out, video_gets(sandbox), Path("a.mp4").read_text()) == (11, "", 0, "mine")
    assert "hint: use --force to overwrite it" in err


def test_force_overwrites(luma: Luma, task_id: str) -> None:
    Path("a.mp4").write_text("mine")

    assert luma("download", task_id, "-o", "a.mp4", "-f")[:2] == (0, "a.mp4\n")
    assert Path("a.mp4").read_bytes() == RESULT.read_bytes()


def test_to_overwrite_and_to_skip_is_no_order(luma: Luma, sandbox: Sandbox) -> None:
    code, out, err = luma("download", "@last", "-o", "a.mp4", "--skip-existing", "-f")

    assert (code, out, sandbox.requests) == (2, "", [])
    assert err.startswith("luma: error: both --force and --skip-existing are given\n")


@pytest.mark.parametrize("place", ["a.mp4", "."])
def test_skip_existing_leaves_a_file_alone_and_says_so(luma: Luma, sandbox: Sandbox, task_id: str, place: str) -> None:
    name = "a.mp4" if place == "a.mp4" else f"in-{task_id[:8]}.mp4"
    Path(name).write_text("mine")
    code, out, err = luma("download", task_id, "-o", place, "--skip-existing")

    assert (code, out, video_gets(sandbox), Path(name).read_text()) == (0, f"{name}\n", 0, "mine")
    assert "exists, skipped" in err


def test_the_recorded_file_is_a_success_without_a_request(luma: Luma, sandbox: Sandbox, task_id: str) -> None:
    luma("download", task_id, "-o", "a.mp4")
    sandbox.requests.clear()
    code, out, err = luma("download", task_id, "-o", "a.mp4")

    assert (code, out, video_gets(sandbox)) == (0, "a.mp4\n", 0)
    assert err == "luma: a.mp4 is saved already\n"


def test_a_recorded_file_that_was_changed_since_is_somebodys(luma: Luma, task_id: str) -> None:
    luma("download", task_id, "-o", "a.mp4")
    size = Path("a.mp4").stat().st_size
    Path("a.mp4").write_bytes(b"x" * size)

    assert luma("download", task_id, "-o", "a.mp4").code == 11
    assert Path("a.mp4").read_bytes() == b"x" * size


def test_the_file_of_another_task_is_no_success(luma: Luma, sandbox: Sandbox) -> None:
    first, second = submit(luma, CLIP_URL, f"{CLIP_URL}?2")
    luma("download", first, "-o", "a.mp4")

    assert luma("download", second, "-o", "a.mp4").code == 11


def test_two_downloads_of_one_task_make_one_file(sandbox: Sandbox, task_id: str, run: Luma) -> None:
    results: list[Result] = []
    work = [threading.Thread(target=lambda: results.append(run("download", task_id, "-o", "a.mp4"))) for _ in range(2)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()

    assert [result[:2] for result in results] == [(0, "a.mp4\n")] * 2
    assert (os.listdir(), Path("a.mp4").read_bytes()) == (["a.mp4"], RESULT.read_bytes())


def test_a_journal_that_cannot_be_written_costs_a_warning_not_the_file(
    luma: Luma, task_id: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_STATE_DIR", "/proc/none")
    code, out, err = luma("download", task_id, "-o", "a.mp4")

    assert (code, out, err.count("warning")) == (0, "a.mp4\n", 1)


def test_the_object_shows_path_size_and_hash(luma: Luma, task_id: str) -> None:
    [file] = json.loads(luma("download", task_id, "-o", "a.mp4", "--json").out)["files"]

    assert file["path"] == str(Path("a.mp4").absolute())
    assert file["bytes"] == RESULT.stat().st_size
    assert len(file["sha256"]) == 64
    assert file["url"].startswith("http://127.0.0.1:")


# --- stdout (D37) ---


def test_the_bytes_can_go_to_stdout_and_nowhere_else(
    task_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    words = [sys.executable, "-m", "luma_cli", "download", task_id, "-o", "-"]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (0, RESULT.read_bytes())
    assert os.listdir(folder) == []


def test_a_failed_download_to_stdout_leaves_nothing_behind(
    luma: Luma, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Luma
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    with FaultServer([reply(b"<html>Sorry</html>", content_type="text/html")]) as host:
        assert run("download", host.url("/a.mp4"), "-o", "-", TMPDIR=str(folder))[:2] == (11, "")
    assert os.listdir(folder) == []


def test_a_video_is_not_poured_on_a_terminal(sandbox: Sandbox, task_id: str) -> None:
    child = pexpect.spawn(sys.executable, ["-m", "luma_cli", "download", task_id, "-o", "-"], encoding="utf-8")
    shown = child.read()
    child.close()

    assert (child.exitstatus, video_gets(sandbox)) == (2, 0)
    assert "a video cannot be shown on a terminal" in shown


@pytest.mark.parametrize("words", [["--json"], [ID]], ids=["json", "two"])
def test_stdout_is_for_one_video_and_nothing_beside_it(
    luma: Luma, sandbox: Sandbox, task_id: str, words: list[str]
) -> None:
    assert luma("download", task_id, "-o", "-", *words)[:2] == (2, "")
    assert sandbox.requests == []


def test_a_reader_that_has_enough_ends_us_with_141(task_id: str, tmp_path: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    line = f"{sys.executable} -m luma_cli download {task_id} -o - | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, timeout=60, check=False, env={**os.environ, "TMPDIR": str(folder)}
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (141, False)
    assert os.listdir(folder) == []
