"""Every row of the table of models through the real command: a new row is tried by itself."""

import json
import shutil
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from luma_cli.api.models import MODELS, Model
from luma_cli.sandbox import MODELS as SERVED
from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, Result, free_port, started
from support.footage import X264, ffmpeg, picture

Luma = Callable[..., Result]
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
EVERY_MODEL = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
PROMPT = "Heavy snow falls at night"
RECORD_PATHS = {model.family.record_path for model in MODELS.values()}


def first_object(text: str) -> dict[str, Any]:
    return dict(json.loads(text.splitlines()[0]))


def make_clip(name: str, model: Model, seconds: float) -> Path:
    """A clip of this length that is small, and no smaller than the model takes."""
    side = max(96, model.limits.min_side or 0)
    ffmpeg(*picture("10", seconds, f"{side}x{side}"), *X264, name)
    return Path(name)


def asked(sandbox: Sandbox) -> set[str]:
    """The paths of records that were asked for."""
    return {request.path for request in sandbox.requests if request.path in RECORD_PATHS}


def foreign_task(sandbox: Sandbox, model: Model) -> str:
    """A task of the account that was submitted by other means than luma."""
    edit = {model.prompt_field: PROMPT, model.clip_field: CLIP_URL}
    inputs = {model.family.inputs: edit} if model.family.inputs else edit
    return sandbox.create({**model.fixed, **inputs}, SERVED[model.name]).task_id


@needs_ffmpeg
@EVERY_MODEL
def test_a_clip_within_the_limits_becomes_a_file(model: Model, luma: Luma, sandbox: Sandbox) -> None:
    clip = make_clip("clip.mp4", model, model.limits.min_seconds + 0.5)

    code, out, err = luma("modify", clip, "-p", PROMPT, "--model", model.name, "-o", "snow.mp4", "--json")

    task = first_object(out)
    assert (code, "warning" in err) == (0, False), err
    assert (task["model"], task["state"], task["prompt"]) == (model.name, "succeeded", PROMPT)
    assert task["credits"] == sandbox.account.charges()[task["taskId"]] > 0
    assert Path("snow.mp4").stat().st_size == task["files"][0]["bytes"]
    assert asked(sandbox) == {model.family.record_path}
    assert model.name in luma("tasks", "show", "@last").out
    assert first_object(luma("tasks", "--json").out)["model"] == model.name
    assert luma("report", "-o", "page.html").code == 0
    assert model.name in Path("page.html").read_text()


@needs_ffmpeg
@EVERY_MODEL
def test_a_clip_that_is_too_short_or_too_small_is_refused_if_the_row_says_so(
    model: Model, luma: Luma, sandbox: Sandbox
) -> None:
    limits = model.limits
    make_clip("short.mp4", model, max(0.5, limits.min_seconds - 1))
    ffmpeg(*picture("10", limits.min_seconds, "96x96"), *X264, "small.mp4")

    codes = [
        luma("modify", name, "-p", PROMPT, "--model", model.name, "-n").code for name in ("short.mp4", "small.mp4")
    ]

    assert codes == [2 if limits.min_seconds > 1 else 0, 2 if limits.min_side else 0]
    assert sandbox.submissions() == []


@needs_ffmpeg
@EVERY_MODEL
def test_a_clip_that_is_too_long_is_cut_into_pieces_or_refused(model: Model, luma: Luma, sandbox: Sandbox) -> None:
    limits = model.limits
    clip = make_clip("long.mp4", model, limits.max_seconds + limits.min_seconds + 0.5)
    edit = ("modify", clip, "-p", PROMPT, "--model", model.name)

    code, out, err = luma(*edit)
    pieces = luma(*edit, "--split", "-o", "snow.mp4", "-n", "--json")
    trimmed = luma(*edit, "--trim", "0", "-n")

    assert (code, out) == (2, "")
    assert f"takes {limits.max_seconds:g} s" in err
    assert "--trim or --split" in err
    assert (pieces.code, trimmed.code) == (0, 0)
    cuts = first_object(pieces.out)["pieces"]
    assert len(cuts) == 2
    assert all(limits.min_seconds <= cut["end"] - cut["start"] <= limits.max_seconds for cut in cuts)
    assert sandbox.submissions() == []
    assert luma(*edit, "--no-check").code == 0
    assert len(sandbox.submissions()) == 1


@needs_ffmpeg
@pytest.mark.parametrize(
    "model", [model for model in MODELS.values() if model.limits.max_seconds < 10], ids=attrgetter("name")
)
def test_the_pieces_of_a_clip_are_tasks_of_the_model(model: Model, luma: Luma, sandbox: Sandbox) -> None:
    clip = make_clip("long.mp4", model, model.limits.max_seconds + model.limits.min_seconds)

    code, out, err = luma("modify", clip, "-p", PROMPT, "--model", model.name, "--split", "-o", "snow.mp4", "--json")

    whole = json.loads(out.splitlines()[-1])
    assert (code, whole["model"], len(whole["pieces"])) == (0, model.name, 2), err
    assert [request.path for request in sandbox.submissions()] == [model.family.submit_path] * 2
    assert asked(sandbox) == {model.family.record_path}
    assert {json.loads(line)["model"] for line in luma("tasks", "--json").out.splitlines()} == {model.name}


@EVERY_MODEL
def test_a_task_from_elsewhere_is_asked_for_in_its_family(model: Model, luma: Luma, sandbox: Sandbox) -> None:
    ids = [foreign_task(sandbox, model) for _ in range(4)]
    named = ("--model", model.name, "--json")

    results = [
        luma("status", ids[0], *named),
        luma("wait", ids[1], *named),
        luma("download", ids[2], "-o", "snow.mp4", *named),
        luma("tasks", "adopt", ids[3], *named),
    ]

    for task_id, (code, out, err) in zip(ids, results, strict=True):
        assert code == 0, err
        task = first_object(out)
        assert (task["taskId"], task["model"], task["state"]) == (task_id, model.name, "succeeded")
    assert asked(sandbox) == {model.family.record_path}
    assert luma("status", ids[3], "--json").code == 0, "the journal knows its model by now"


@EVERY_MODEL
def test_the_setting_model_is_as_good_as_the_option(
    model: Model, luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_MODEL", model.name)

    assert luma("modify", CLIP_URL, "-p", PROMPT, "--no-check", "-w").code == 0
    assert luma("status", foreign_task(sandbox, model)).code == 0

    assert [request.path for request in sandbox.submissions()] == [model.family.submit_path]
    assert asked(sandbox) == {model.family.record_path}


@EVERY_MODEL
def test_a_callback_ends_the_wait(model: Model, luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_WEBHOOK_KEY", "hook-key")
    sandbox.callbacks.webhook_key, sandbox.tasks.duration = "hook-key", 0.2
    port = free_port()
    listens = ("--listen", port, "--public-url", f"http://127.0.0.1:{port}", "--interval", "60s")

    code, out, err = luma("modify", CLIP_URL, "-p", PROMPT, "--no-check", "--model", model.name, "-w", *listens)

    assert (code, out.startswith(sandbox.url)) == (0, True), err
    assert [call.status for call in sandbox.callbacks.deliveries] == [200]


@EVERY_MODEL
def test_listen_records_the_end_of_a_task(model: Model, luma: Luma, sandbox: Sandbox) -> None:
    """One of luma's own, and one from elsewhere by its signed callback."""
    sandbox.callbacks.webhook_key, sandbox.tasks.duration = "hook-key", 3600.0
    port = free_port()
    callback = ("--callback-url", f"http://127.0.0.1:{port}/kie")
    own = luma("modify", CLIP_URL, "-p", PROMPT, "--no-check", "--model", model.name, *callback).out.strip()
    other = foreign_task(sandbox, model)
    task = sandbox.tasks.find(other)
    assert task is not None
    task.params["callBackUrl"] = f"http://127.0.0.1:{port}/kie"

    words = ("listen", "--port", port, "--public-url", f"http://127.0.0.1:{port}/kie", "--model", model.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUMA_WEBHOOK_KEY", "hook-key")
        with started(*words) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            while "listening on" not in process.stderr.readline():
                pass
            for task_id in (own, other):
                sandbox.finish(task_id)
                assert sandbox.trigger(task_id)
                ended = json.loads(process.stdout.readline())
                assert (ended["taskId"], ended["model"], ended["state"]) == (task_id, model.name, "succeeded")


@EVERY_MODEL
def test_what_was_killed_while_it_waited_goes_on_and_is_paid_once(model: Model, luma: Luma, sandbox: Sandbox) -> None:
    sandbox.tasks.duration = 3600.0
    edit = ("modify", CLIP_URL, "-p", PROMPT, "--no-check", "--model", model.name, "--idempotency-key", "auto")
    with started(*edit, "-o", "snow.mp4") as process:
        assert process.stderr is not None
        while "is submitted" not in process.stderr.readline():
            pass
        process.kill()
    [task] = sandbox.tasks.all()
    sandbox.finish(task.task_id)

    assert luma("wait", "--json").code == 0
    assert luma(*edit, "-o", "snow.mp4")[:2] == (0, "snow.mp4\n")

    assert len(sandbox.submissions()) == 1
    assert asked(sandbox) == {model.family.record_path}


@EVERY_MODEL
def test_rows_of_a_batch_name_the_model_and_its_settings(model: Model, luma: Luma, sandbox: Sandbox) -> None:
    option = next((option for option in model.options if option.name == "seed"), None)
    row = {"prompt": PROMPT, "video": CLIP_URL, "model": model.name, "set": {"seed": 7} if option else {}}
    Path("edits.jsonl").write_text("".join(json.dumps({**row, "id": name, "prompt": name}) + "\n" for name in "ab"))

    first, again = (luma("batch", "edits.jsonl", "-o", "out", "--no-check") for _ in range(2))

    assert (first.code, again.code) == (0, 0), first.err
    assert {json.loads(line)["model"] for line in first.out.splitlines()} == {model.name}
    assert len(list(Path("out").iterdir())) == len(sandbox.submissions()) == 2
    for request in sandbox.submissions():
        body = json.loads(request.body)
        assert body.get(model.family.inputs, body).get("seed") == (7 if option else None)


@EVERY_MODEL
def test_redo_takes_the_model_and_its_settings_over(model: Model, luma: Luma, sandbox: Sandbox) -> None:
    settings = ["--set=seed=7"] if any(option.name == "seed" for option in model.options) else []
    assert luma("modify", CLIP_URL, "-p", PROMPT, "--no-check", "--model", model.name, *settings, "-w").code == 0

    assert luma("redo", "--no-check").code == 0

    first, second = sandbox.submissions()
    assert (first.path, first.body) == (second.path, second.body)


@EVERY_MODEL
def test_an_account_with_less_than_the_known_price_is_out_of_credits_at_the_first_429(
    model: Model, luma: Luma, sandbox: Sandbox
) -> None:
    edit = ("modify", CLIP, "--no-check", "--model", model.name)
    assert luma(*edit, "-p", PROMPT, "-w").code == 0
    sandbox.credits = 5.0

    code, _, err = luma(*edit, "-p", f"sandbox:rate-limit {PROMPT}")

    assert code == 10
    assert "the balance is 5" in err
    assert len(sandbox.submissions()) == 2


@EVERY_MODEL
def test_a_settings_watermark_is_left_out_with_a_warning_if_the_model_takes_no_text(
    model: Model, luma: Luma, sandbox: Sandbox
) -> None:
    luma("config", "set", "watermark", "mine")

    code, _, err = luma("modify", CLIP_URL, "-p", PROMPT, "--no-check", "--model", model.name)

    [request] = sandbox.submissions()
    assert (code, b"mine" in request.body, "watermark" in err) == (
        (0, True, False) if model.watermark == "text" else (0, False, True)
    )
