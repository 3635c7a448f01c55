"""Several prompts and takes in one command, tasks as clips, and what stands beside and after the result."""

import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from luma_cli.sandbox import Sandbox
from support import processes
from support.commands import CLIP, CLIP_URL, DATA, Result

Luma = Callable[..., Result]
PROMPT = "Heavy snow falls at night"


def uploads(sandbox: Sandbox) -> int:
    return sum(request.path == "/api/file-stream-upload" for request in sandbox.requests)


def two_clips() -> tuple[str, str]:
    shutil.copy(CLIP, "a.mp4")
    shutil.copy(DATA / "tiny.mov", "b.mov")
    return "a.mp4", "b.mov"


def test_every_clip_with_every_prompt_and_take_is_a_task_and_a_file(luma: Luma, sandbox: Sandbox) -> None:
    command = ["modify", *two_clips(), "-p", "Heavy snow", "-p", "Oil painting", "--takes", "3", "-o", "out/"]
    code, out, err = luma(*command, "--idempotency-key", "auto")

    assert (code, len(out.splitlines()), len(set(os.listdir("out")))) == (0, 12, 12), err
    assert (len(sandbox.submissions()), uploads(sandbox)) == (12, 2)
    assert sum(name.startswith("a-heavy-snow-") for name in os.listdir("out")) == 3
    assert sum(name.startswith("b-oil-painting-") for name in os.listdir("out")) == 3

    code, out, _ = luma(*command, "--idempotency-key", "auto")
    assert (code, len(out.splitlines()), len(sandbox.submissions())) == (0, 12, 12)


def test_killed_and_run_again_with_auto_nothing_is_paid_twice(luma: Luma, sandbox: Sandbox) -> None:
    words = [*two_clips(), "-p", "Heavy snow", "-p", "Oil painting", "--takes", "3", "--idempotency-key", "auto"]
    process = processes.Luma("modify", *words, stdout=subprocess.PIPE, text=True)
    for _ in range(5):
        process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)

    code, out, err = luma("modify", *words, "-o", "out/")
    assert (code, len(out.splitlines()), len(sandbox.submissions())) == (0, 12, 12), err


def test_takes_without_a_key_mean_the_repeat(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", PROMPT)
    code, out, err = luma("modify", CLIP_URL, "-p", PROMPT, "--takes", "2")

    assert (code, len(out.splitlines()), len(sandbox.submissions())) == (0, 2, 3)
    assert "the same edit" not in err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["-p", "a", "-p", "b", "-o", "x.mp4"], "several edits cannot share the file x.mp4"),
        (["-p", "a", "--takes", "2", "-o", "-"], "several edits cannot share stdout"),
        (["-p", "a", "--takes", "2", "--idempotency-key", "k"], "one idempotency key cannot stand for several edits"),
        (["-p", "@nosuch"], "no prompt is kept as 'nosuch'"),
        (["-p", "a", "--model", "lumo"], "there is no model 'lumo'"),
        (["-p", "a", "--set", "seed=1"], "luma has no setting 'seed'"),
        (["-p", "a", "--model", "aleph", "--set", "seed=x"], "seed cannot be 'x'"),
        (["-p", "a", "--model", "wan-2.7-edit", "--watermark", "mine"], "wan-2.7-edit takes no text as watermark"),
        (["-p", "a", "--model", "happyhorse", "--watermark", "mine"], "happyhorse puts no watermark into its results"),
    ],
)
def test_what_does_not_fit_together_is_refused(luma: Luma, sandbox: Sandbox, words: list[str], error: str) -> None:
    code, out, err = luma("modify", CLIP_URL, *words)

    assert (code, out, sandbox.requests) == (2, "", [])
    assert f"luma: error: {error}" in err


def test_kept_prompts_stand_for_their_text(luma: Luma, sandbox: Sandbox) -> None:
    luma("config", "set", "prompt.snow", PROMPT)
    luma("modify", CLIP_URL, "-p", "@snow", "-p", "@@home in the rain")

    assert [json.loads(request.body)["prompt"] for request in sandbox.submissions()] == [PROMPT, "@home in the rain"]


def test_a_model_gets_its_settings_and_not_a_watermark_that_it_does_not_know(luma: Luma, sandbox: Sandbox) -> None:
    luma("config", "set", "watermark", "mine")
    code, _, err = luma(
        "modify", CLIP_URL, "-p", PROMPT, "--model", "wan-2.7-edit", "--set", "aspect-ratio=16:9", "--set", "seed=7"
    )

    body = json.loads(sandbox.submissions()[0].body)
    assert (code, body["model"]) == (0, "wan/2-7-videoedit")
    assert {name: body["input"][name] for name in ("aspect_ratio", "seed")} == {"aspect_ratio": "16:9", "seed": 7}
    assert "watermark" not in body["input"]
    assert "the setting is left out" in err


def test_the_result_of_a_task_is_edited_again_without_an_upload(luma: Luma, sandbox: Sandbox) -> None:
    link = luma("modify", CLIP, "-p", PROMPT, "-w").out.strip()
    parent = json.loads(luma("status", "--json").out)["taskId"]
    code, out, err = luma("modify", "@last", "-p", "Make it rain", "-w", "--json")

    assert (code, uploads(sandbox)) == (0, 1), err
    assert json.loads(sandbox.submissions()[1].body)["videoUrl"] == link
    assert json.loads(out)["parentTaskId"] == parent


def test_a_file_wins_over_a_task_of_its_name(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", PROMPT, "-w")
    shutil.copy(CLIP, "@last")
    luma("modify", "@last", "-p", PROMPT)

    assert uploads(sandbox) == 1


def test_a_task_without_a_result_is_not_a_clip(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", "sandbox:flag3", "-w")
    code, out, err = luma("modify", "@last", "-p", PROMPT)

    assert (code, out, len(sandbox.submissions())) == (2, "", 1)
    assert "has failed: it has no video to edit" in err


def test_a_later_wait_names_files_like_the_command_that_made_them(luma: Luma, sandbox: Sandbox) -> None:
    shutil.copy(CLIP, "a.mp4")
    ids = luma("modify", "a.mp4", "-p", "Heavy snow", "-p", "Oil painting").out.split()
    out = luma("wait", *ids, "-o", ".").out.splitlines()

    assert sorted(out) == sorted([f"a-heavy-snow-{ids[0][:8]}.mp4", f"a-oil-painting-{ids[1][:8]}.mp4"])


ON_DONE = 'echo "$LUMA_STATE $LUMA_FILE"; env > env-$LUMA_TASK_ID; printf %s "$LUMA_JSON" > json-$LUMA_TASK_ID; exit 3'


def test_a_command_is_run_at_each_end_and_knows_no_key(run: Luma, sandbox: Sandbox) -> None:
    words = [CLIP_URL, "-p", PROMPT, "-p", "sandbox:flag3", "-o", "out/", "--on-done", ON_DONE]
    code, out, err = run("modify", *words, LUMA_WEBHOOK_KEY="0123456789abcdef")

    assert (code, out.count("\n")) == (9, 1)
    assert f"succeeded {Path(out.strip()).absolute()}\n" in err
    assert "generate_failed \n" in err
    assert err.count("ended with 3") == 2
    [one, _] = Path().glob("env-*")
    assert not {"LUMA_API_KEY", "KIE_API_KEY", "LUMA_WEBHOOK_KEY"} & {
        line.partition("=")[0] for line in one.read_text().splitlines()
    }
    assert {json.loads(path.read_text())["taskId"] for path in Path().glob("json-*")} == {
        path.name.removeprefix("env-") for path in Path().glob("env-*")
    }


@pytest.fixture
def viewer(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A viewer that writes down what it is given."""
    folder = Path("viewer").absolute()
    folder.mkdir()
    shown = folder / "shown"
    for name in ("xdg-open", "open"):
        script = folder / name
        script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >> {shown}\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return shown


def test_open_shows_the_saved_file_and_else_the_link(luma: Luma, sandbox: Sandbox, viewer: Path) -> None:
    link = luma("modify", CLIP_URL, "-p", PROMPT, "-w").out
    assert luma("open").code == 0
    luma("download", "-o", "x.mp4")
    assert luma("open", "@last").code == 0
    luma("modify", CLIP_URL, "-p", "Rain", "-o", "y.mp4", "--open")

    assert viewer.read_text() == f"{link}{Path('x.mp4').absolute()}\n{Path('y.mp4').absolute()}\n"


def test_open_without_anything_to_show_is_an_error(luma: Luma, sandbox: Sandbox, viewer: Path) -> None:
    luma("modify", CLIP_URL, "-p", "sandbox:flag3", "-w")

    assert luma("open").code == 5
    assert not viewer.exists()


def test_a_take_whose_response_was_lost_does_not_stop_the_others(luma: Luma, sandbox: Sandbox) -> None:
    sandbox.scenario = "lost-answer"
    luma("modify", CLIP_URL, "-p", PROMPT, "--idempotency-key", "auto")
    sandbox.scenario = "ok"
    code, out, _ = luma("modify", CLIP_URL, "-p", PROMPT, "--takes", "3", "--idempotency-key", "auto")

    assert (code, len(out.splitlines()), len(sandbox.submissions())) == (9, 2, 3)


def test_a_dry_run_shows_every_edit_and_sends_nothing(luma: Luma, sandbox: Sandbox) -> None:
    code, out, _ = luma("modify", CLIP, "-p", "Snow", "-p", "Rain", "--takes", "2", "-n", "--json")

    assert (code, len(out.splitlines()), sandbox.submissions(), uploads(sandbox)) == (0, 4, [], 0)


def test_takes_do_not_repeat_what_may_have_been_paid(luma: Luma, sandbox: Sandbox) -> None:
    sandbox.scenario = "lost-answer"
    assert luma("modify", CLIP_URL, "-p", PROMPT, "--takes", "2").code == 12
    sandbox.scenario = "ok"

    assert luma("modify", CLIP_URL, "-p", PROMPT, "--takes", "2")[:2] == (12, "")
    code, out, _ = luma("modify", CLIP_URL, "-p", PROMPT, "--takes", "3")
    assert (code, len(out.splitlines()), len(sandbox.submissions())) == (9, 1, 3)
