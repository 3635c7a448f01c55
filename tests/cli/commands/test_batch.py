"""`luma batch`: what --dry-run says, and what the columns do."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from luma_cli.sandbox import Sandbox
from support import processes
from support.commands import CLIP, CLIP_URL, KEY, Result

Luma = Callable[..., Result]


def write(*rows: dict[str, object]) -> str:
    Path("edits.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return "edits.jsonl"


def test_a_dry_run_sends_nothing_and_names_faults_rows_and_balance(luma: Luma, sandbox: Sandbox) -> None:
    good = {"id": "good", "prompt": "Heavy snow", "video": str(CLIP), "takes": 2}
    code, out, err = luma("batch", write(good, {"id": "bad", "prompt": "Heavy snow", "video": "none.mp4"}), "-n")

    assert (code, [line.split("\t")[:2] for line in out.splitlines()]) == (
        9,
        [["good", "submit"], ["good#2", "submit"], ["bad", "fault"]],
    )
    assert "3 rows: 2 to submit, 0 submitted before, 1 with a fault" in err
    assert "the balance is 100000" in err
    assert (sandbox.submissions(), [request for request in sandbox.requests if request.method == "POST"]) == ([], [])


def test_a_dry_run_says_what_is_paid_already_and_what_the_rest_will_cost(luma: Luma, sandbox: Sandbox) -> None:
    first = {"id": "one", "prompt": "Heavy snow", "video": str(CLIP)}
    assert luma("batch", write(first)).code == 0
    code, out, err = luma("batch", write({**first, "takes": 3}), "-n", "--json")

    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, [row["id"] for row in rows]) == (0, ["one", "one#2", "one#3"])
    assert (rows[0]["state"], [row["expectedCredits"] for row in rows]) == ("succeeded", [None, 100, 100])
    assert "2 to submit, 1 submitted before; about 200 credits for 2 edits (your last edit: 100)" in err
    assert len(sandbox.submissions()) == 1


def test_a_dry_run_needs_no_key(luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUMA_API_KEY")
    code, _, err = luma("batch", write({"prompt": "Heavy snow", "video": str(CLIP)}), "-n")
    assert (code, "balance" in err) == (0, False)


def test_a_row_edits_the_result_of_a_task(luma: Luma, sandbox: Sandbox) -> None:
    first = luma("modify", CLIP, "-p", "Heavy snow", "-w").out.strip()
    code, out, _ = luma("batch", write({"prompt": "Heavy rain", "video": "@last"}))
    assert (code, json.loads(out)["videoUrl"]) == (0, first)


def test_a_daily_limit_without_a_journal_is_wrong_usage(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_JOURNAL", "off")
    monkeypatch.setenv("LUMA_DAILY_CREDITS", "500")
    for words in (("batch", write({"prompt": "Snow", "video": CLIP_URL})), ("modify", CLIP_URL, "-p", "Heavy snow")):
        assert luma(*words).code == 2
    assert sandbox.submissions() == []


def test_eight_processes_keep_one_daily_limit(luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """One task has shown the price; of the eight that start together four more fit into the day."""
    assert luma("modify", CLIP, "-p", "Heavy snow", "-w").code == 0
    monkeypatch.setenv("LUMA_DAILY_CREDITS", "500")
    words = ("modify", CLIP, "--no-check", "-p")
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = [processes.Luma(*words, f"Heavy rain {number}", **streams) for number in range(8)]
    codes = sorted(process.wait(50) for process in running)

    assert (codes, len(sandbox.submissions())) == ([0] * 4 + [10] * 4, 5)


@pytest.mark.parametrize(
    ("charge_delay", "balance_lag"), [(1.0, 0.0), (None, 1.5)], ids=["charged late", "balance lags"]
)
def test_a_limit_holds_though_the_charge_is_seen_late(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, charge_delay: float | None, balance_lag: float
) -> None:
    with Sandbox(duration=0.2, api_key=KEY, charge_delay=charge_delay, balance_lag=balance_lag) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url)
        monkeypatch.setenv("LUMA_UPLOAD_URL", server.url)
        rows = [{"id": str(number), "prompt": "Heavy snow", "video": f"{server.url}/{number}"} for number in range(5)]
        code, _, _ = luma("batch", write(*rows), "--no-check", "--max-credits", "200", "--interval", "1s")

        assert (code, len(server.submissions())) == (9, 2)
