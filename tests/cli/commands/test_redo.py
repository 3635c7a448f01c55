"""`luma redo`: the same edit once more, from the journal or from a recipe."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, DATA, Result

Luma = Callable[..., Result]
PROMPT = "Heavy snow falls at night"


def bodies(sandbox: Sandbox) -> list[dict[str, object]]:
    return [json.loads(request.body) for request in sandbox.submissions()]


def uploads(sandbox: Sandbox) -> int:
    return sum(request.path == "/api/file-stream-upload" for request in sandbox.requests)


def test_redo_submits_the_same_once_more(luma: Luma, sandbox: Sandbox) -> None:
    first = luma("modify", CLIP, "-p", PROMPT, "--watermark", "mine", "-w").out
    code, out, err = luma("redo", "-w")

    assert (code, out != first, uploads(sandbox)) == (0, True, 1), err
    assert bodies(sandbox)[0] == bodies(sandbox)[1]
    assert "the same edit" not in err


def test_options_say_otherwise(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", PROMPT, "--model", "aleph", "--set", "seed=7")
    luma("redo", "-p", "Rain", "--set", "aspectRatio=1:1")

    assert bodies(sandbox)[1] == {"prompt": "Rain", "videoUrl": CLIP_URL, "seed": 7, "aspectRatio": "1:1"}


def test_a_source_that_was_changed_is_taken_from_its_link_while_that_lives(luma: Luma, sandbox: Sandbox) -> None:
    shutil.copy(CLIP, "clip.mp4")
    luma("modify", "clip.mp4", "-p", PROMPT)
    shutil.copy(DATA / "tiny.mov", "clip.mp4")
    code, _, err = luma("redo")

    assert (code, uploads(sandbox)) == (0, 1), err
    assert bodies(sandbox)[0] == bodies(sandbox)[1]
    assert "has changed since: the clip that was uploaded" in err


def test_the_clip_of_an_older_journal_is_known_by_its_digest_also_to_cut_another_part(
    luma: Luma, sandbox: Sandbox, home: Path
) -> None:
    """Schema 2 and before have no hash of the clip, and where it was cut is only in the digest."""
    luma("modify", CLIP, "-p", PROMPT)
    sandbox.expire_uploads()
    with closing(sqlite3.connect(home / "state" / "tasks.db")) as journal:
        journal.execute("UPDATE task SET source_sha256 = NULL, identity = NULL")
        journal.commit()

    assert luma("redo", "--trim", "0-1", "-n")[0] == 0


def test_a_changed_source_whose_link_is_dead_is_refused(luma: Luma, sandbox: Sandbox) -> None:
    shutil.copy(CLIP, "clip.mp4")
    luma("modify", "clip.mp4", "-p", PROMPT)
    shutil.copy(DATA / "tiny.mov", "clip.mp4")
    sandbox.expire_uploads()
    code, out, err = luma("redo")

    assert (code, out, len(sandbox.submissions())) == (2, "", 1)
    assert f"{Path('clip.mp4').absolute()} has changed since" in err


def test_the_key_of_a_failed_task_passes_to_its_redo(luma: Luma, sandbox: Sandbox) -> None:
    words = ("modify", CLIP_URL, "-p", PROMPT, "--idempotency-key", "mine")
    sandbox.scenario = "flag3"
    failed = luma(*words).out
    luma("wait", "@last")
    sandbox.scenario = "ok"
    again = luma("redo").out

    assert again != failed
    assert luma(*words).out == again
    assert len(sandbox.submissions()) == 2


def test_redo_of_an_edit_of_an_edit_takes_the_earlier_result(luma: Luma, sandbox: Sandbox) -> None:
    link = luma("modify", CLIP, "-p", PROMPT, "-w").out.strip()
    luma("modify", "@last", "-p", "Rain", "-w")
    code, out, err = luma("redo", "-w", "--json")

    assert (code, bodies(sandbox)[2]["videoUrl"]) == (0, link), err
    assert json.loads(out)["parentTaskId"]


def test_redo_without_the_journal_is_refused(luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_JOURNAL", "off")

    assert luma("redo").code == 2


def test_a_recipe_makes_it_again_with_another_journal(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copy(CLIP, "clip.mp4")
    luma("modify", "clip.mp4", "-p", PROMPT, "--watermark", "mine", "-o", "snow.mp4", "--recipe")
    recipe = json.loads(Path("snow.mp4.json").read_text())
    assert (recipe["prompt"], recipe["watermark"], recipe["model"]) == (PROMPT, "mine", "luma")
    assert recipe["source"]["name"] == "clip.mp4"
    assert "files/" not in Path("snow.mp4.json").read_text()

    (tmp_path / "moved").mkdir()
    for name in ("clip.mp4", "snow.mp4.json"):
        shutil.move(name, f"moved/{name}")
    monkeypatch.setenv("LUMA_STATE_DIR", str(tmp_path / "other"))
    code, _, err = luma("redo", "moved/snow.mp4.json", "-o", "again.mp4")

    assert (code, uploads(sandbox)) == (0, 2), err
    assert bodies(sandbox)[1]["prompt"] == PROMPT


@pytest.mark.parametrize("content", ["", "[]", '{"schema": "luma-recipe/1"}', "{"])
def test_what_is_not_a_recipe_is_refused(luma: Luma, sandbox: Sandbox, content: str) -> None:
    Path("x.json").write_text(content)

    assert luma("redo", "x.json").code == 2
    assert sandbox.submissions() == []


def recipe(audio: str | None = None, **source: str) -> str:
    source["sha256"] = sha256(CLIP.read_bytes()).hexdigest()
    facts = {"schema": "luma-recipe/1", "prompt": PROMPT, "source": source, "audio": audio}
    Path("x.mp4.json").write_text(json.dumps(facts))
    return "x.mp4.json"


@pytest.mark.parametrize("source", [{"path": r"C:\videos\clip.mp4"}, {"path": "/else/clip.mp4"}, {"name": "clip.mp4"}])
def test_the_clip_of_a_recipe_may_lie_beside_it(luma: Luma, sandbox: Sandbox, source: dict[str, str]) -> None:
    shutil.copy(CLIP, "clip.mp4")

    assert luma("redo", recipe(**source)).code == 0
    assert uploads(sandbox) == 1


@pytest.mark.parametrize("source", [{"path": "/etc/passwd"}, {"path": "../x/clip.mp4"}, {"url": "file:///etc/passwd"}])
def test_a_recipe_sends_no_file_that_has_not_its_hash(luma: Luma, sandbox: Sandbox, source: dict[str, str]) -> None:
    Path("passwd").write_text("another")

    assert (luma("redo", recipe(**source)).code, sandbox.requests) == (2, [])


def test_a_sound_that_is_gone_is_missed_before_the_redo_is_paid(luma: Luma, sandbox: Sandbox) -> None:
    shutil.copy(CLIP, "clip.mp4")
    code, _, err = luma("redo", recipe(name="clip.mp4", audio="/gone/music.m4a"))

    assert (code, sandbox.submissions()) == (2, [])
    assert "/gone/music.m4a" in err


def test_the_setting_recipe_writes_one_too(luma: Luma, sandbox: Sandbox) -> None:
    luma("config", "set", "recipe", "on")
    luma("modify", CLIP_URL, "-p", PROMPT, "-o", "snow.mp4")

    assert json.loads(Path("snow.mp4.json").read_text())["source"]["url"] == CLIP_URL


def test_a_dead_result_link_is_replaced_by_a_fresh_one(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP, "-p", PROMPT, "-w")
    sandbox.expire_results()
    code, _, err = luma("modify", "@last", "-p", "Rain")

    assert (code, uploads(sandbox)) == (0, 1), err
    assert "/files/signed/" in str(bodies(sandbox)[1]["videoUrl"])


def test_a_result_that_is_gone_is_taken_from_its_saved_file(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", PROMPT, "-o", "snow.mp4")
    sandbox.expire_results(with_media=True)
    code, _, err = luma("modify", "@last", "-p", "Rain", "-w")

    assert (code, uploads(sandbox)) == (0, 1), err
    assert json.loads(luma("status", "--cached", "--json").out)["parentTaskId"]


def test_a_result_that_is_gone_is_taken_from_any_copy_that_was_saved(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", PROMPT, "-o", "snow.mp4")
    luma("download", "@last", "-o", "copy.mp4")
    Path("snow.mp4").unlink()
    sandbox.expire_results(with_media=True)

    assert luma("modify", "@last", "-p", "Rain").code == 0
    assert uploads(sandbox) == 1


@pytest.mark.parametrize("is_saved", [True, False])
def test_a_result_that_is_gone_and_not_as_it_was_saved_is_refused(luma: Luma, sandbox: Sandbox, is_saved: bool) -> None:
    luma("modify", CLIP_URL, "-p", PROMPT, "-w", *(("-o", "snow.mp4") if is_saved else ()))
    Path("snow.mp4").write_bytes(b"something else")
    sandbox.expire_results(with_media=True)
    code, out, err = luma("modify", "@last", "-p", "Rain")

    assert (code, out, len(sandbox.submissions())) == (11, "", 1)
    assert "is gone from kie.ai" in err
    assert "hint: make it again: luma redo" in err


def test_what_may_have_been_paid_is_made_again_on_wish_only(luma: Luma, sandbox: Sandbox) -> None:
    sandbox.scenario = "lost-answer"
    assert luma("modify", CLIP_URL, "-p", PROMPT).code == 12
    sandbox.scenario = "ok"

    code, out, err = luma("redo", "unknown-1")
    assert (code, out, len(sandbox.submissions())) == (12, "", 1)
    assert "hint: look at https://kie.ai/logs" in err
    assert (luma("redo", "unknown-1", "--resubmit").code, len(sandbox.submissions())) == (0, 2)
