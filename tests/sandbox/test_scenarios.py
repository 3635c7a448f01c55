"""What the service can do to one edit, and what the user sees of it: the real command in the real sandbox."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from luma_cli.api.models import MODELS
from luma_cli.sandbox import SCENARIOS, Sandbox
from support.commands import CLIP, CLIP_URL, Result

PROMPT = "Heavy snow falls at night"
LOGS = "look at https://kie.ai/logs; then `luma tasks adopt ID`, or submit again with --resubmit"
KEYS = "the refused key is from LUMA_API_KEY; luma config check; keys are made at https://kie.ai/api-key"
TOP_UP = "top up at https://kie.ai/pricing"
CHANGE = "change the prompt or the clip; https://kie.ai/logs may say more"
ONCE_MORE = "the same edit once more is reasonable: luma redo {task}"
WAN = "--model wan-2.7-edit (2 to 10 s, up to 100 MB, 240 to 4096 pixels a side)"
HORSE = "--model happyhorse (3 to 60 s, up to 100 MB, 320 to 2160 pixels a side, over 8 frames per second)"
UNCHANGED = f"the balance is unchanged (100000): --resubmit sends it again; or {LOGS.partition(', or')[0]}"


class Case(NamedTuple):
    """How a scenario ends, for every model; {model}, {sister} and {task} are filled in."""

    scenario: str
    code: int
    error: str = ""
    hint: str = ""
    kind: str = ""
    api_code: int | None = None


CASES = [
    *(Case(name, 0) for name in ("ok", "slow", "flag4", "cut-transfer", "expired-link", "urls-as-text")),
    Case("flag2", 5, "the edit failed at kie.ai: Failed to create the task (code 501)", CHANGE, "task_failed", 501),
    Case("flag3", 5, "the edit failed at kie.ai: Generation failed (code 501)", CHANGE, "task_failed", 501),
    Case(
        "moderation",
        5,
        "the edit failed at kie.ai: The content was flagged by our moderation (code 400)",
        "change the prompt or the clip: the service's content check refused it",
        "task_failed",
        400,
    ),
    Case(
        "record-408",
        5,
        "the edit failed at kie.ai: kie.ai got no result from its model in time: "
        "The upstream service gave no result in time (code 408)",
        ONCE_MORE,
        "task_failed",
        408,
    ),
    Case(
        "record-501",
        5,
        "the edit failed at kie.ai: Generation failed (code 501)",
        CHANGE,
        "task_failed",
        501,
    ),
    *(
        Case(
            name,
            4,
            "kie.ai refused the API key: You do not have access permissions (code 401)",
            KEYS,
            "key_rejected",
            401,
        )
        for name in ("bad-key", "http-200-401")
    ),
    Case(
        "gone",
        6,
        "kie.ai no longer offers {model} (HTTP 404)",
        "https://kie.ai shows what is offered now; try {sister}",
        "rejected",
    ),
    Case(
        "withdrawn",
        6,
        "kie.ai no longer offers {model}: The page does not exist or is not published (code 422)",
        "https://kie.ai shows what is offered now; try {sister}",
        "rejected",
        422,
    ),
    Case(
        "maintenance",
        7,
        "kie.ai is under maintenance: The service is under maintenance (code 455)",
        "try again later",
        "unavailable",
        455,
    ),
    Case(
        "rate-limit",
        7,
        "kie.ai's rate limit is reached, nothing was created: Rate limit exceeded (code 429)",
        "try again in a minute",
        "unavailable",
        429,
    ),
    Case(
        "no-credits", 10, "not enough credits at kie.ai: Insufficient credits (code 402)", TOP_UP, "out_of_credits", 402
    ),
    Case(
        "empty-429",
        10,
        "not enough credits at kie.ai, nothing was created: the balance is 0",
        TOP_UP,
        "out_of_credits",
        429,
    ),
    Case(
        "lost-answer",
        12,
        "submitted, but the connection to 127.0.0.1 broke: it may have been created and charged",
        LOGS,
        "outcome_unknown",
    ),
    Case(
        "server-error",
        12,
        "kie.ai: Server error (code 500): it may have been created and charged",
        UNCHANGED,
        "outcome_unknown",
        500,
    ),
    Case(
        "validation-500",
        12,
        "kie.ai: The parameter is invalid: this video cannot be processed (code 500): "
        "it may have been created and charged",
        UNCHANGED,
        "outcome_unknown",
        500,
    ),
    Case(
        "garbage",
        12,
        "submitted, but kie.ai gave no readable reply (HTTP 200): it may have been created and charged",
        LOGS,
        "outcome_unknown",
    ),
]
# What is the same for all models, and takes its time: by the exit code alone.
CODES = {
    "not-visible": 0,
    "never-ends": 8,
    "realistic": 0,
}


def last_object(text: str) -> dict[str, Any]:
    return dict(json.loads(text.splitlines()[-1]))


def test_the_table_names_every_scenario_of_the_contract() -> None:
    callbacks = {name for name in SCENARIOS if name.startswith("callback-")}
    assert {case.scenario for case in CASES} | set(CODES) == set(SCENARIOS) - callbacks


@pytest.mark.usefixtures("no_pauses")  # of 10 s each, at the rate limit
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.scenario)
def test_a_scenario_ends_alike_for_every_model(
    case: Case, model: str, luma: Callable[..., Result], sandbox: Sandbox
) -> None:
    edit = ("-p", f"sandbox:{case.scenario} {PROMPT}", "--model", model, "--no-check", "-o", "snow.mp4")

    code, out, err = luma("modify", CLIP, *edit, "--json")

    [row] = [json.loads(line) for line in luma("tasks", "--json").out.splitlines()]
    assert (code, row["model"]) == (case.code, model)
    assert row["outcome"] == {0: "accepted", 5: "accepted", 12: "unknown"}.get(code, "refused")
    assert len(sandbox.submissions()) == (4 if case.scenario == "rate-limit" else 1)
    if code in (0, 5):
        assert (last_object(out)["taskId"], last_object(out)["model"]) == (row["taskId"], model)
    if code == 0:
        assert [file["path"] for file in last_object(out)["files"]] == [str(Path("snow.mp4").absolute())]
        assert Path("snow.mp4").read_bytes() == CLIP.read_bytes()
        return
    error = last_object(err)["error"]
    words = {"model": model, "sister": HORSE if model == "wan-2.7-edit" else WAN, "task": row["taskId"]}
    # Their records name the cost, which is 0.
    free = (
        "; nothing was charged"
        if code == 5 and model in ("wan-2.7-edit", "happyhorse") and not case.scenario.startswith("record")
        else ""
    )
    hint = case.hint.format(**words) + free
    expected = (case.kind, case.error.format(**words), hint, case.code, case.api_code, code == 7)
    assert tuple(error[key] for key in ["code", "message", "hint", "exitCode", "apiCode", "retryable"]) == expected
    assert list(error) == ["code", "message", "hint", "exitCode", "apiCode", "httpStatus", "retryable", "taskId"]
    assert os.listdir() == []


@pytest.mark.parametrize("case", [CASES[0], CASES[7]], ids=lambda case: case.scenario)
def test_the_sandbox_runs_a_command_in_a_scenario(run: Callable[..., Result], case: Case) -> None:
    luma = (sys.executable, "-m", "luma_cli", "modify", CLIP, "-p", PROMPT, "-o", "snow.mp4")

    code, out, err = run("sandbox", "--duration", "0s", "--scenario", case.scenario, "--", *luma)

    lines = [line for line in err.splitlines() if line.startswith(("luma: error: ", "hint: "))]
    assert (code, out) == (case.code, "" if case.code else "snow.mp4\n")
    assert lines == ([f"luma: error: {case.error}", f"hint: {case.hint}"] if case.code else [])
    assert os.listdir() == ([] if case.code else ["snow.mp4"])


@pytest.mark.parametrize("scenario", CODES)
def test_a_scenario_ends_with_its_exit_code(scenario: str, luma: Callable[..., Result], sandbox: Sandbox) -> None:
    if scenario == "realistic" and shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg")
    limits = ("--interval", "1s", "--timeout", "1s" if scenario == "never-ends" else "30s")

    code, out, err = luma("modify", CLIP, "-p", f"sandbox:{scenario} {PROMPT}", *limits, "-o", "snow.mp4")

    assert (code, out) == (CODES[scenario], "" if CODES[scenario] else "snow.mp4\n"), err
    assert len(sandbox.submissions()) == 1


def test_a_slow_task_is_left_at_the_limit_with_the_way_on(luma: Callable[..., Result], sandbox: Sandbox) -> None:
    sandbox.scenario, sandbox.tasks.duration = "slow", 60.0

    code, out, err = luma("modify", CLIP, "-p", PROMPT, "--interval", "1", "--timeout", "1", "-o", "snow.mp4")

    [row] = [json.loads(line) for line in luma("tasks", "--json").out.splitlines()]
    assert (code, out, row["state"], os.listdir()) == (8, "", "generating", [])
    assert err.splitlines()[-1] == f"hint: it goes on: luma wait {row['taskId']} -o snow.mp4"


def test_the_object_of_a_task_has_the_members_of_the_contract(luma: Callable[..., Result], sandbox: Sandbox) -> None:
    task = last_object(luma("modify", CLIP, "-p", PROMPT, "-o", "snow.mp4", "--json").out)

    assert " ".join(task) == (
        "schema taskId model state successFlag credits prompt videoUrl watermark callbackUrl createTime completeTime "
        "elapsedSeconds resultUrls originUrls errorCode errorMessage warnings parentTaskId pieces files"
    )
    [file] = task["files"]
    assert list(file) == ["path", "bytes", "sha256", "deliveredSha256", "url"]


@pytest.mark.parametrize(("scenario", "status"), [("http-200-401", 200), ("bad-key", 401), ("maintenance", 200)])
def test_the_error_object_shows_the_http_status_of_the_reply(
    luma: Callable[..., Result], sandbox: Sandbox, scenario: str, status: int
) -> None:
    sandbox.scenario = scenario

    error = last_object(luma("modify", CLIP_URL, "-p", PROMPT, "--no-check", "--json").err)["error"]

    assert isinstance(error, dict)
    assert error["httpStatus"] == status


@pytest.mark.parametrize("words", [["-w"], ["-o", "snow.mp4"]], ids=["wait", "output"])
def test_a_callback_that_was_not_delivered_is_reported(
    luma: Callable[..., Result], sandbox: Sandbox, words: list[str]
) -> None:
    code, _, err = luma("modify", CLIP, "-p", f"sandbox:flag4 {PROMPT}", *words)

    assert code == 0
    assert "the video is there, but kie.ai could not deliver the callback" in err


def test_an_unknown_scenario_in_a_prompt_is_refused_like_bad_input(
    luma: Callable[..., Result], sandbox: Sandbox
) -> None:
    assert luma("modify", CLIP, "-p", f"sandbox:nosuch {PROMPT}").code == 6


def test_a_scenario_in_one_prompt_leaves_other_tasks_alone(luma: Callable[..., Result], sandbox: Sandbox) -> None:
    assert luma("modify", CLIP, "-p", f"sandbox:flag3 {PROMPT}", "-w").code == 5
    assert luma("modify", CLIP, "-p", PROMPT, "-w").code == 0
