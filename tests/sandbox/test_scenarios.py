"""What the service can do to one edit, and what the user sees of it: the real command in the real sandbox."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from luma_cli.sandbox import SCENARIOS, Sandbox
from support.commands import CLIP, CLIP_URL, Result

PROMPT = "Heavy snow falls at night"
LOGS = "look at https://kie.ai/logs; then `luma tasks adopt ID`, or submit again with --resubmit"
KEYS = "the refused key is from LUMA_API_KEY; luma config check; keys are made at https://kie.ai/api-key"
TOP_UP = "top up at https://kie.ai/pricing"
AGAIN = "change the prompt or the clip and submit again"


class Case(NamedTuple):
    scenario: str
    code: int
    error: str = ""
    hint: str = ""
    kind: str = ""
    api_code: int | None = None


CASES = [
    *(Case(each, 0) for each in ("ok", "slow", "flag4", "not-visible", "cut-transfer", "expired-link")),
    Case("flag2", 5, "the edit failed at kie.ai: Failed to create the task (code 501)", AGAIN, "task_failed", 501),
    Case("flag3", 5, "the edit failed at kie.ai: Generation failed (code 501)", AGAIN, "task_failed", 501),
    Case(
        "no-credits", 10, "not enough credits at kie.ai: Insufficient credits (code 402)", TOP_UP, "out_of_credits", 402
    ),
    Case(
        "maintenance",
        7,
        "kie.ai is under maintenance: The service is under maintenance (code 455)",
        "try again later",
        "unavailable",
        455,
    ),
    *(
        Case(
            each,
            4,
            "kie.ai refused the API key: You do not have access permissions (code 401)",
            KEYS,
            "key_rejected",
            401,
        )
        for each in ("bad-key", "http-200-401")
    ),
    Case(
        "gone",
        6,
        "kie.ai no longer offers luma (HTTP 404)",
        "try --model wan-2.7-edit (2 to 10 s, up to 100 MB, 240 to 4096 pixels a side); "
        "https://kie.ai shows what is offered now",
        "rejected",
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
        f"the balance is unchanged (100000): --resubmit sends it again; or {LOGS}",
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
    Case(
        "rate-limit",
        7,
        "kie.ai's rate limit is reached, nothing was created: Rate limit exceeded (code 429)",
        "try again in a minute",
        "unavailable",
        429,
    ),
]
# The pauses of the rate limit are real ones of 10 s; this is luma with short ones.
QUICK = (
    "import sys; from luma_cli.api import client; from luma_cli.cli import main;"
    "client.RATE_WINDOW = 0.01; sys.exit(main.main(sys.argv[1:]))"
)


@pytest.fixture
def edit(run: Callable[..., Result]) -> Callable[..., Result]:
    """`luma sandbox --scenario NAME -- luma modify CLIP ... -o snow.mp4`, two processes of ours."""

    def call(scenario: str, *words: str, prompt: str = PROMPT) -> Result:
        luma = (
            [sys.executable, "-c", QUICK]
            if "rate-limit" in (scenario, prompt[8:18])
            else [sys.executable, "-m", "luma_cli"]
        )
        command = [*luma, "modify", CLIP, "-p", prompt, "-o", "snow.mp4", *words]
        return run("sandbox", "--duration", "0s", "--scenario", scenario, "--", *command, LUMA_INTERVAL="1s")

    return call


def last_object(text: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(text.splitlines()[-1])
    return found


def test_the_table_names_every_scenario_of_the_contract() -> None:
    callbacks = {name for name in SCENARIOS if name.startswith("callback-")}
    assert {case.scenario for case in CASES} | set(CODES) == set(SCENARIOS) - callbacks


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.scenario)
def test_a_scenario_in_text(edit: Callable[..., Result], case: Case) -> None:
    code, out, err = edit(case.scenario)

    errors = [line for line in err.splitlines() if line.startswith("luma: error: ")]
    hints = [line for line in err.splitlines() if line.startswith("hint: ")]
    assert (code, errors, hints) == (
        case.code,
        [f"luma: error: {case.error}"] if case.error else [],
        [f"hint: {case.hint}"] if case.hint else [],
    )
    if case.code == 0:
        assert out == "snow.mp4\n"
        assert Path("snow.mp4").read_bytes() == CLIP.read_bytes()
        assert os.listdir() == ["snow.mp4"]
    else:
        assert (out, os.listdir()) == ("", [])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.scenario)
def test_a_scenario_with_json(edit: Callable[..., Result], case: Case) -> None:
    code, out, err = edit(case.scenario, "--json")

    assert code == case.code
    if case.code == 0:
        task = last_object(out)
        assert (task["state"], task["successFlag"]) == ("succeeded", 4 if case.scenario == "flag4" else 1)
        assert task["warnings"] == (["callback_failed"] if case.scenario == "flag4" else [])
        assert [file["path"] for file in task["files"]] == [str(Path("snow.mp4").absolute())]  # type: ignore[attr-defined]
        return
    error = last_object(err)["error"]
    assert isinstance(error, dict)
    assert list(error) == ["code", "message", "hint", "exitCode", "apiCode", "httpStatus", "retryable", "taskId"]
    expected = (case.kind, case.error, case.hint, case.code, case.api_code, case.code == 7)
    assert tuple(error[key] for key in ["code", "message", "hint", "exitCode", "apiCode", "retryable"]) == expected
    if case.code == 5:  # the task is told as well, for who wants to know why
        assert last_object(out)["taskId"] == error["taskId"]
    else:
        assert out == ""


@pytest.mark.parametrize("scenario", ["flag3", "no-credits", "lost-answer"])
def test_a_prompt_can_name_the_scenario_too(edit: Callable[..., Result], scenario: str) -> None:
    code, out, _ = edit("ok", prompt=f"sandbox:{scenario} {PROMPT}")

    assert (code, out) == (next(case.code for case in CASES if case.scenario == scenario), "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.scenario)
def test_after_a_scenario_the_journal_knows_what_became_of_the_one_submission(
    case: Case, luma: Callable[..., Result], sandbox: Sandbox
) -> None:
    words = ["modify", str(CLIP), "-p", f"sandbox:{case.scenario} {PROMPT}", "--interval", "1", "-o", "snow.mp4"]
    if case.scenario == "rate-limit":
        code = subprocess.run([sys.executable, "-c", QUICK, *words], capture_output=True, check=False).returncode
    else:
        code = luma(*words).code

    outcome = {0: "accepted", 5: "accepted", 12: "unknown"}.get(code, "refused")
    assert code == case.code
    assert [json.loads(line)["outcome"] for line in luma("tasks", "--json").out.splitlines()] == [outcome]
    assert len(sandbox.submissions()) == (4 if case.scenario == "rate-limit" else 1)


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
    [file] = task["files"]  # type: ignore[misc]
    assert list(file) == ["path", "bytes", "sha256", "deliveredSha256", "url"]


@pytest.mark.parametrize(("scenario", "status"), [("http-200-401", 200), ("bad-key", 401), ("maintenance", 200)])
def test_the_error_object_tells_the_http_status_of_the_answer(
    luma: Callable[..., Result], sandbox: Sandbox, scenario: str, status: int
) -> None:
    sandbox.scenario = scenario

    error = last_object(luma("modify", CLIP_URL, "-p", PROMPT, "--no-check", "--json").err)["error"]

    assert isinstance(error, dict)
    assert error["httpStatus"] == status


@pytest.mark.parametrize("words", [["-w"], ["-o", "snow.mp4"]], ids=["wait", "output"])
def test_a_callback_that_was_not_delivered_is_told(
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


# The other scenarios by their exit code alone: their words are tested with the rooms that say them.
CODES = {
    "moderation": 5,
    "record-408": 5,
    "record-501": 5,
    "withdrawn": 6,
    "never-ends": 8,
    "empty-429": 10,
    "validation-500": 12,
    "urls-as-text": 0,
    "late-charge": 0,
    "balance-lag": 0,
    "other-client": 0,
    "realistic": 0,
}


@pytest.mark.parametrize("scenario", CODES)
def test_a_scenario_ends_with_its_exit_code(scenario: str, luma: Callable[..., Result], sandbox: Sandbox) -> None:
    if scenario == "realistic" and shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg")
    limits = ("--interval", "1s", "--timeout", "1s" if scenario == "never-ends" else "30s")

    code, out, err = luma("modify", CLIP, "-p", f"sandbox:{scenario} {PROMPT}", *limits, "-o", "snow.mp4")

    assert (code, out) == (CODES[scenario], "" if CODES[scenario] else "snow.mp4\n"), err
    assert len(sandbox.submissions()) == 1
