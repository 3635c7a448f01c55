"""Edits of clips that are longer than the model takes, and of clips that do not fit it."""

import contextlib
import errno
import json
import os
import random
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from luma_cli.sandbox import Sandbox
from support import footage, processes
from support.commands import Result

Luma = Callable[..., Result]
SEED = int(os.environ.get("LUMA_TEST_SEED", "1"))
KILLS = int(os.environ.get("LUMA_TEST_KILLS", "1"))
# What the log says at the beginning of each phase.
PHASES = {
    "submit": r"uploaded clip-002",
    "match": r"run .*-frames:v .*back-001",
    "upload": r"run .*clip-001",
    "wait": r"task \w+ is submitted",
    "download": r"GET .*/files/results/",
    "join": r"run .*-framerate",
}
SPLIT = ("modify", "clip.mp4", "-p", "Snow falls", "-o", "out.mp4", "--split", "--interval", "1s")


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """10.5 s at 29.97 frames a second: two pieces."""
    path = tmp_path_factory.mktemp("long") / "clip.mp4"
    sources = [*footage.picture("30000/1001", 10.5, "96x54"), *footage.tone(10.5)]
    footage.ffmpeg(*sources, *footage.X264, *footage.AAC, path)
    return path.read_bytes()


@pytest.fixture
def clip(tmp_path: Path, long_clip: bytes) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(long_clip)
    return path


def submissions(server: Sandbox) -> int:
    return sum(request.path.endswith("/modify/generate") for request in server.requests)


def test_a_long_clip_comes_back_whole_and_once_more_for_nothing(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    """With its frames and its sound, at the size that the model gives; one piece is paid to redo it."""
    code, out, err = luma(*SPLIT, "--json")

    assert code == 0, err
    whole = json.loads(out)
    assert [piece["index"] for piece in whole["pieces"]] == [1, 2]
    assert sum(piece["frames"] for piece in whole["pieces"]) == len(footage.frame_times(clip))
    assert footage.frame_times(Path("out.mp4")) == footage.frame_times(clip)
    assert footage.heard(Path("out.mp4"))[1] == footage.heard(clip)[1]
    assert "72x40" in footage.described(Path("out.mp4"))
    assert sorted(path.name for path in Path().iterdir()) == ["clip.mp4", "out.mp4"]

    first = footage.packets(Path("out.mp4"))
    assert luma(*SPLIT)[:2] == (0, "out.mp4\n")
    Path("out.mp4").unlink()
    assert luma(*SPLIT)[:2] == (0, "out.mp4\n")
    assert footage.packets(Path("out.mp4")) == first
    assert submissions(realistic) == 2
    check_listed_as_one(luma)

    assert luma(*SPLIT, "--redo-piece", 2, "--keep-pieces")[:2] == (0, "out.mp4\n")
    assert submissions(realistic) == 3
    [first_back] = Path(".out.mp4.luma-pieces").glob("back-001-*")
    first_back.write_bytes(first_back.read_bytes()[:2000])  # as a crash or a full disk may leave it
    Path("out.mp4").unlink()
    assert "frames instead of" in luma(*SPLIT).err
    assert luma(*SPLIT)[:2] == (0, "out.mp4\n")
    assert not Path(".out.mp4.luma-pieces").exists()
    assert submissions(realistic) == 3
    assert luma(*SPLIT, "--redo-piece", 3).code == 2


def check_listed_as_one(luma: Luma) -> None:
    """The pieces are one object; in a pipe each has its line."""
    [listed] = map(json.loads, luma("tasks", "--json").out.splitlines())
    assert (listed["taskId"], listed["state"], listed["credits"], len(listed["pieces"])) == (None, "succeeded", 200, 2)
    assert [Path(file["path"]).name for file in listed["files"]] == ["out.mp4"]
    ids = {piece["taskId"] for piece in listed["pieces"]}
    assert {line.split("\t")[0] for line in luma("tasks").out.splitlines()} == ids
    assert all(task_id in luma("tasks", "show", listed["label"]).out for task_id in ids)
    assert json.loads(luma("tasks", "show", "@last", "--json").out)["pieces"] == listed["pieces"]


def stop_at(line: "re.Pattern[str]", delay: float) -> None:
    """Start the edit, and kill it so many seconds after it has logged such a line; or let it end."""
    process = processes.Luma(*SPLIT, "-v", stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    for text in process.stderr:
        if line.search(text):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(delay)
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def adopt_all(luma: Luma, server: Sandbox) -> None:
    """What a user does with submissions whose response died with the process, or that have never left it."""
    known = {line.split("\t")[0] for line in luma("tasks").out.splitlines()}
    for task_id in {task.task_id for task in server.tasks._tasks.values()} - known:
        assert luma("tasks", "adopt", task_id).code == 0
    for label in re.findall(r"^unknown-\d+", luma("tasks").out, re.MULTILINE):
        assert luma("tasks", "forget", label).code == 0


@pytest.mark.slow
def test_killed_at_any_moment_and_run_again_no_piece_is_paid_twice(
    luma: Luma, realistic: Sandbox, clip: Path, home: Path
) -> None:
    """LUMA_TEST_KILLS moments, of every phase in turn, LUMA_TEST_SEED for others."""
    print(f"LUMA_TEST_SEED={SEED}")
    chance = random.Random(SEED)
    assert luma(*SPLIT).code == 0
    whole = footage.packets(Path("out.mp4"))
    for number in range(KILLS):
        Path("out.mp4").unlink()
        shutil.rmtree(home / "state")
        before = submissions(realistic)
        phase = list(PHASES)[number % len(PHASES)]

        stop_at(re.compile(PHASES[phase]), chance.choice([0.0, 0.02, 0.1, 0.3]))
        adopt_all(luma, realistic)
        code, _, err = luma(*SPLIT)

        assert (phase, code) == (phase, 0), err
        assert (phase, submissions(realistic) - before) == (phase, 2)
        assert footage.packets(Path("out.mp4")) == whole
        assert sorted(path.name for path in Path().iterdir()) == ["clip.mp4", "out.mp4"]


@pytest.mark.slow
def test_two_at_once_pay_each_piece_once_and_both_name_the_file(realistic: Sandbox, clip: Path) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [processes.Luma(*SPLIT, text=True, **pipes) for _ in range(2)]
    found = [(process.communicate(timeout=60), process.returncode) for process in both]

    assert [(out, code) for (out, _), code in found] == [("out.mp4\n", 0)] * 2, found
    assert submissions(realistic) == 2
    assert sum("out.mp4 is saved already" in err for (_, err), _ in found) == 1
    assert sorted(path.name for path in Path().iterdir()) == ["clip.mp4", "out.mp4"]


def test_failed_pieces_say_how_they_are_done_again(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    realistic.scenario = "flag3"

    code, out, err = luma(*SPLIT)

    assert (code, out) == (5, "")
    assert "piece 2 of 2" in err
    assert "--redo-piece 2" in err
    realistic.scenario = "realistic"
    assert luma(*SPLIT, "--redo-piece", 1).code == 9
    assert luma(*SPLIT, "--redo-piece", 2).code == 0
    assert submissions(realistic) == 4


def test_dry_run_prints_the_cuts(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    code, out, _ = luma(*SPLIT, "--dry-run")

    assert code == 0
    assert out.startswith("piece 1 of 2\t")
    assert not submissions(realistic)


@pytest.mark.parametrize(
    "words",
    [
        ("clip.mp4", "-p", "x", "--split"),
        ("clip.mp4", "-p", "x", "--split", "-o", "out/"),
        ("clip.mp4", "-p", "x", "--split", "-o", "-"),
        ("clip.mp4", "-p", "x", "-p", "y", "--split", "-o", "out.mp4"),
        ("clip.mp4", "-p", "x", "--takes", "2", "--split", "-o", "out.mp4"),
        ("https://media.example.net/in.mp4", "-p", "x", "--split", "-o", "out.mp4"),
    ],
)
def test_split_is_for_one_edit_of_a_file_with_a_file_for_the_whole(
    luma: Luma, realistic: Sandbox, clip: Path, words: tuple[str, ...]
) -> None:
    assert luma("modify", *words).code == 2
    assert not submissions(realistic)


def test_without_a_journal_nobody_knows_what_is_paid(
    luma: Luma, realistic: Sandbox, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_JOURNAL", "off")

    assert luma(*SPLIT).code == 2
    assert not submissions(realistic)


def test_a_clip_that_needs_no_cut_is_a_plain_edit(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    clip.write_bytes(footage.clip("fifty.mp4").read_bytes())

    code, out, _ = luma(*SPLIT, "--json")

    assert code == 0
    assert json.loads(out)["pieces"] is None
    assert json.loads(out)["taskId"]


def test_of_a_clip_whose_sound_is_too_long_the_picture_alone_is_sent(
    luma: Luma, realistic: Sandbox, clip: Path
) -> None:
    footage.ffmpeg(*footage.picture("10", 1, "96x54"), *footage.tone(12), *footage.X264, *footage.AAC, clip)

    code, out, err = luma(*SPLIT, "--json")

    assert code == 0, err
    assert [piece["frames"] for piece in json.loads(out)["pieces"]] == [10]
    assert footage.frame_times(Path("out.mp4")) == footage.frame_times(clip)


@pytest.mark.skipif(os.name == "nt", reason="links need special rights there")
def test_links_in_a_work_folder_lead_nothing_elsewhere(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    victim, folder = Path("victim"), Path(".out.mp4.luma-pieces")
    victim.write_text("mine")
    folder.mkdir(mode=0o777)
    for name in ("joined.mp4", "joined.h264"):
        (folder / name).symlink_to(victim.absolute())

    assert luma(*SPLIT, "--keep-pieces").code == 0
    assert victim.read_text() == "mine"
    assert folder.stat().st_mode & 0o077 == 0


def test_a_mount_without_modes_takes_a_work_folder(
    luma: Luma, realistic: Sandbox, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(errno.EPERM, f"no mode {mode:o}", str(path))

    monkeypatch.setattr(Path, "chmod", refuse)
    realistic.scenario = "no-credits"

    assert luma(*SPLIT).code == 10


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give folders away")
def test_a_work_folder_of_another_user_is_refused_before_anything_is_paid(
    luma: Luma, realistic: Sandbox, clip: Path
) -> None:
    """Links in it would have our pieces written over other files."""
    folder = Path(".out.mp4.luma-pieces")
    folder.mkdir()
    os.chown(folder, 12345, 12345)

    code, _, err = luma(*SPLIT)

    assert (code, submissions(realistic)) == (11, 0)
    assert "belongs to another user" in err


def test_of_a_rate_that_varies_it_says_at_which_one_the_whole_is_made(
    luma: Luma, realistic: Sandbox, clip: Path
) -> None:
    halves = [*footage.picture("30", 11, "96x54"), "-vf", "select='lt(t,5)+not(mod(n,2))'", "-fps_mode", "vfr"]
    footage.ffmpeg(*halves, *footage.X264, clip)

    code, _, err = luma(*SPLIT, "--dry-run")

    assert code == 0
    assert "the frame rate of clip.mp4 varies: it is cut and joined at 30 a second" in err


def test_redo_of_a_piece_makes_the_whole_again_and_goes_on_if_it_was_stopped(
    luma: Luma, realistic: Sandbox, clip: Path
) -> None:
    assert luma(*SPLIT, "--match", "--audio", "none").code == 0
    again = ("redo", "@last", "-o", "again.mp4", "--interval", "1s")
    stopped = luma(*again, "--max-credits", "100")

    code, out, err = luma(*again)

    assert stopped.code == 9
    assert "all 2 pieces are submitted again: about 200 credits for 2 edits" in stopped.err
    assert (code, out) == (0, "again.mp4\n"), err
    assert "submitted again" not in err
    assert submissions(realistic) == 4
    assert footage.frame_times(Path("again.mp4")) == footage.frame_times(clip)
    assert "96x54" in footage.described(Path("again.mp4"))
    assert "Audio" not in footage.described(Path("again.mp4"))
    assert luma("redo", "@last").code == 2


def test_the_recipe_of_a_clip_in_pieces_makes_the_whole_again(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    assert luma(*SPLIT, "--recipe", "--match").code == 0
    facts = json.loads(Path("out.mp4.json").read_text())

    code, out, _ = luma("redo", "out.mp4.json", "-o", "again.mp4", "--dry-run", "--json")

    assert (facts["split"], facts["match"], facts["credits"], facts["source"]["name"]) == (True, True, 200, "clip.mp4")
    assert code == 0
    assert len(json.loads(out.splitlines()[0])["pieces"]) == 2


def test_a_row_of_a_batch_is_edited_in_pieces_beside_plain_ones(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    Path("short.mp4").write_bytes(footage.clip("fifty.mp4").read_bytes())
    rows = [
        {
            "id": "long",
            "prompt": "Snow falls",
            "video": "clip.mp4",
            "output": "deep/out.mp4",
            "split": True,
            "match": True,
        },
        {"id": "plain", "prompt": "Rain falls", "video": "short.mp4", "output": "plain.mp4"},
        {"id": "uncut", "prompt": "Fog rises", "video": "short.mp4", "output": "uncut.mp4", "split": True},
    ]
    Path("edits.jsonl").write_text("\n".join(map(json.dumps, rows)))

    first, again = (luma("batch", "edits.jsonl", "--interval", "1s") for _ in range(2))

    assert (first.code, again.code) == (0, 0), first.err
    found = {row["id"]: row for row in map(json.loads, first.out.splitlines())}
    assert {name: row["pieces"] and len(row["pieces"]) for name, row in found.items()} == {
        "long": 2,
        "plain": None,
        "uncut": None,
    }
    assert (found["long"]["taskId"], found["long"]["state"]) == (None, "succeeded")
    assert footage.frame_times(Path("deep/out.mp4")) == footage.frame_times(clip)
    assert "96x54" in footage.described(Path("deep/out.mp4"))
    assert sorted(first.out.splitlines()) == sorted(again.out.splitlines())
    assert submissions(realistic) == 4
    assert os.listdir("deep") == ["out.mp4"]


def test_a_row_whose_pieces_failed_says_so_once_with_its_pieces(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    realistic.scenario = "flag3"
    Path("edits.csv").write_text("id,prompt,video,output,split\na,Snow falls,clip.mp4,out.mp4,yes\n")

    code, out, err = luma("batch", "edits.csv", "--interval", "1s")

    [row] = map(json.loads, out.splitlines())
    assert (code, row["state"], row["error"]["exitCode"]) == (5, None, 5)
    assert [piece["state"] for piece in row["pieces"]] == ["generate_failed"] * 2
    assert "luma tasks forget" in err
    assert luma("batch", "edits.csv", "--interval", "1s").code == 5
    assert submissions(realistic) == 2


def test_rows_in_pieces_are_counted_in_the_cost_and_not_sent_by_a_dry_run(
    luma: Luma, realistic: Sandbox, clip: Path
) -> None:
    assert luma(*SPLIT).code == 0
    rows = [{"prompt": word, "video": "clip.mp4", "output": f"{word}.mp4", "split": True} for word in ("a snow", "b")]
    Path("edits.jsonl").write_text("\n".join(map(json.dumps, rows)))

    code, out, err = luma("batch", "edits.jsonl", "--dry-run", "--json")

    assert code == 0
    assert [json.loads(line)["expectedCredits"] for line in out.splitlines()] == [200, 200]
    assert "about 400 credits for 4 edits" in err
    assert submissions(realistic) == 2


@pytest.mark.parametrize("name", ["odd.webm", "pq.mp4", "timecode.mov"])
def test_what_does_not_fit_goes_in_with_fit_and_the_original_is_untouched(
    luma: Luma, realistic: Sandbox, tmp_path: Path, name: str
) -> None:
    source = tmp_path / name
    source.write_bytes(footage.clip(name).read_bytes())

    code, out, err = luma("modify", name, "-p", "Snow falls", "-o", "out.mp4", "--fit", "-w")

    assert (code, out) == (0, "out.mp4\n"), err
    assert "is made to fit, since" in err
    assert "warning" not in err
    assert source.read_bytes() == footage.clip(name).read_bytes()


def test_what_fits_is_sent_as_it_is(luma: Luma, realistic: Sandbox, clip: Path) -> None:
    clip.write_bytes(footage.clip("fifty.mp4").read_bytes())

    code, _, err = luma("modify", "clip.mp4", "-p", "Snow falls", "-w", "--fit")

    assert code == 0
    assert "made to fit" not in err
