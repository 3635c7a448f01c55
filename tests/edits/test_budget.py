"""What tasks have cost, seen or not, and limits that hold: through the command that a user types."""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pexpect
import pytest

from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, KEY, Result
from support.fault_server import Answer, FaultServer, Request, envelope

Luma = Callable[..., Result]
PROMPT = "Heavy snow falls at night"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that pass are of a second, not of ten."""
    monkeypatch.setenv("LUMA_INTERVAL", "1s")


def edit(luma: Luma, number: int, *words: str, count: int = 1) -> Result:
    """Edit so many clips, from this number on."""
    clips = [f"{CLIP_URL}?{one}" for one in range(number, number + count)]
    return luma("modify", *clips, "-p", PROMPT, "--no-check", *words)


def costs(luma: Luma) -> list[float | None]:
    """What the tasks have cost by the journal, the oldest first."""
    return [json.loads(line)["credits"] for line in luma("tasks", "--json").out.splitlines()][::-1]


def account(monkeypatch: pytest.MonkeyPatch, **knobs: object) -> Sandbox:
    server = Sandbox(api_key=KEY, **knobs)  # type: ignore[arg-type]
    monkeypatch.setenv("LUMA_BASE_URL", server.url)
    monkeypatch.setenv("LUMA_UPLOAD_URL", server.url)
    return server


def test_who_has_a_limit_and_does_not_wait_sees_what_is_charged_at_once(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_DAILY_CREDITS", "250")
    codes = [edit(luma, number).code for number in range(3)]

    assert (codes, len(sandbox.submissions()), costs(luma)) == ([0, 0, 10], 2, [100, 100])


def test_the_limit_of_a_day_begins_at_the_local_midnight_also_when_the_clocks_change(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, clock: dict[str, Callable[[], float]]
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setenv("LUMA_DAILY_CREDITS", "100")
    time.tzset()
    day = datetime(2026, 10, 24, 22, tzinfo=UTC)  # the midnight before the clocks go back an hour
    codes = []
    for hours in (-1, 0, 24, 25):
        moment = (day + timedelta(hours=hours, minutes=30)).timestamp()
        clock["now"] = lambda moment=moment: moment
        codes.append(edit(luma, hours).code)
    monkeypatch.delenv("TZ")
    time.tzset()

    assert codes == [0, 0, 10, 0]


def test_the_limit_of_one_command_holds_without_a_journal(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_JOURNAL", "off")

    assert edit(luma, 0, "--max-credits", "250", count=4).code == 9
    assert len(sandbox.submissions()) == 2


def test_the_next_command_waits_for_the_charge_of_the_one_that_went_first(
    luma: Luma, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_DAILY_CREDITS", "250")
    with account(monkeypatch, duration=0.5, charge_delay=0.3) as server:
        first = edit(luma, 1)
        second = edit(luma, 2)
        third = edit(luma, 3)

    assert (first.code, second.code, third.code, len(server.submissions())) == (0, 0, 10, 2)
    assert f"the next one waits for task {first.out.strip()}" in second.err
    assert costs(luma) == [100, None]


def test_one_that_does_not_wait_sends_the_rest_when_the_first_is_charged(
    luma: Luma, monkeypatch: pytest.MonkeyPatch
) -> None:
    with account(monkeypatch, duration=0.5, charge_delay=0.3) as server:
        done = edit(luma, 0, "--max-credits", "300", count=4)

    assert (done.code, len(done.out.splitlines()), len(server.submissions())) == (9, 3, 3), done.err


def test_a_charge_at_the_end_of_one_task_hides_no_cost_of_the_next(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    with account(monkeypatch, duration=0.3, charge_delay=0.0):
        done = edit(luma, 0, "--max-credits", "500", "--wait", "--interval", "1s", count=2)

    assert (done.code, costs(luma)) == (0, [100, 100]), done.err


def test_the_wait_for_each_price_has_a_limit_of_its_own(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(model, number) for model in ("luma", "wan-2.7-edit") for number in range(2)]
    edits = [{"prompt": PROMPT, "video": f"{CLIP_URL}?{number}", "model": model} for model, number in rows]
    Path("edits.jsonl").write_text("\n".join(map(json.dumps, edits)))
    with account(monkeypatch, duration=0.6, charge_delay=0.0) as server:
        limits = ("--max-credits", "500", "--timeout", "3s", "--interval", "1s")
        done = luma("batch", "edits.jsonl", "--no-check", *limits)

    assert (done.code, len(server.submissions())) == (0, 4), done.err


def test_a_price_that_does_not_show_within_the_time_limit_ends_it(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_DAILY_CREDITS", "250")
    with account(monkeypatch, duration=60.0, charge_delay=0.3) as server:
        first = edit(luma, 1)
        second = edit(luma, 2, "--timeout", "1s")

    assert (first.code, second.code, len(server.submissions())) == (0, 8, 1)
    assert "run the same command again" in second.err


def test_a_wait_sees_the_charge_of_a_task_that_another_command_submitted(
    luma: Luma, monkeypatch: pytest.MonkeyPatch
) -> None:
    with account(monkeypatch, duration=1.0, charge_delay=0.0):
        assert edit(luma, 1, "--max-credits", "500").code == 0
        assert costs(luma) == [None]
        done = luma("wait", "--json")

    assert json.loads(done.out)["credits"] == 100


@pytest.mark.parametrize("knobs", [{"duration": 0.4}, {"duration": 0.4, "charge_delay": 0.0}], ids=["start", "end"])
def test_the_cost_of_a_task_beside_which_another_client_spends_is_unknown(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, knobs: dict[str, float]
) -> None:
    with account(monkeypatch, **knobs) as server:
        server.account.spend_by_itself = (7.0, 0.25)
        done = edit(luma, 0, "-w", "--json", count=3)

    assert done.code == 0, done.err
    assert set(costs(luma)) == {None}


# --- a service whose balance goes by a script ---


def serve(monkeypatch: pytest.MonkeyPatch, balances: list[float], *, polls: int = 1) -> FaultServer:
    """Balances in the order in which they are asked for, the last one for ever; tasks end at question `polls`."""
    asked: dict[str, int] = {}
    left = list(balances)

    def answer(request: Request) -> Answer:
        if request.path.endswith("/credit"):
            return envelope(200, left.pop(0) if len(left) > 1 else left[0])
        if request.method == "POST":
            asked[f"{len(asked):032x}"] = 0
            return envelope(200, {"taskId": [*asked][-1]})
        task_id = request.raw.split()[1].decode().rpartition("=")[2]
        asked[task_id] += 1
        if asked[task_id] < polls:
            return envelope(200, {"taskId": task_id, "successFlag": 0})
        links = ["https://files.example.net/a.mp4"]
        return envelope(200, {"taskId": task_id, "successFlag": 1, "response": {"resultUrls": links}})

    server = FaultServer(answer)
    monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
    return server


def test_a_task_that_runs_since_long_does_not_hide_what_another_one_costs(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, clock: dict[str, Callable[[], float]]
) -> None:
    """Its charge came when it was accepted, or comes when it ends; nobody has looked at the balance then."""
    now = time.time()
    with account(monkeypatch, duration=0.5) as server:
        server.scenario = "never-ends"
        edit(luma, 1)
        server.scenario = "ok"
        edit(luma, 2, "-w")
        clock["now"] = lambda: now + 120
        edit(luma, 3, "-w")

    assert costs(luma) == [None, None, 100]


@pytest.mark.parametrize(
    ("balances", "polls", "cost"),
    [
        ([1000, 900, 900], 1, 100),
        ([1000, 1000, 900], 1, 100),
        ([1000, 1000, 1000, 900], 2, 100),
        ([1000, 900, 863], 1, None),
        ([1000, 1000, 963, 863], 2, None),
        ([1000, 1000, 963, 963], 2, None),
        ([1000, 900, 1400], 1, 100),
        ([1000, 1500, 1400], 1, None),
        ([1000, 1000, 1500, 1400], 2, None),
        ([1000, 1000, 1000], 1, None),
        ([0.3, 0.1, 0.1], 1, 0.2),
    ],
)
def test_a_cost_is_the_one_step_that_the_task_explains(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, balances: list[float], polls: int, cost: float | None
) -> None:
    with serve(monkeypatch, balances, polls=polls):
        done = edit(luma, 1, "-w", "--json")

    assert (done.code, json.loads(done.out)["credits"]) == (0, cost), done.err


def test_someone_who_spends_makes_every_cost_of_the_run_unknown(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second step may hold a part of what the other one spends; of the first nobody is sure any more either."""
    with serve(monkeypatch, [1000, 900, 893, 793, 793]):
        done = edit(luma, 1, "-w", count=2)

    assert (done.code, costs(luma)) == (0, [None, None])


def test_what_fell_when_a_task_was_accepted_is_not_its_cost_if_more_falls_at_the_end(
    luma: Luma, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service charges at the end, and somebody else spent 7 while the first one was submitted."""
    with serve(monkeypatch, [1000, 993, 993, 993, 793]):
        done = edit(luma, 1, "-w", count=2)

    assert (done.code, costs(luma)) == (0, [None, None])


def test_a_payment_between_two_tasks_disturbs_neither(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(monkeypatch, [1000, 900, 1900, 1800, 1800]):
        done = edit(luma, 1, "-w", "--max-credits", "300", count=2)

    assert (done.code, costs(luma)) == (0, [100, 100])


@pytest.mark.parametrize(("after", "cost"), [(1000, 0), (900, 100), (863, None), (1500, None)])
def test_a_failed_task_costs_nothing_only_if_the_balance_shows_it(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, after: float, cost: float | None
) -> None:
    def answer(request: Request) -> Answer:
        if request.path.endswith("/credit"):
            return envelope(200, balances.pop(0))
        if request.method == "POST":
            return envelope(200, {"taskId": "f" * 32})
        return envelope(200, {"taskId": "f" * 32, "successFlag": 3, "errorMessage": "no"})

    balances = [1000, 900, after]
    with FaultServer(answer) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        done = edit(luma, 1, "-w")

    assert (done.code, costs(luma)) == (5, [cost])


@pytest.mark.parametrize(
    ("words", "balances", "hint"),
    [
        (["-w"], [1000, 1000], "the balance is unchanged (1000): --resubmit sends it again; or look at"),
        (["-w"], [1000, 900], "the balance went from 1000 to 900; look at"),
        ([], [900], "the balance is 900 now; look at"),
    ],
)
@pytest.mark.parametrize("way", ["modify", "batch"])
def test_after_a_refusal_under_code_500_the_hint_says_what_the_balance_did(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, way: str, words: list[str], balances: list[float], hint: str
) -> None:
    def answer(request: Request) -> Answer:
        return envelope(200, left.pop(0)) if request.path.endswith("/credit") else envelope(500, None, "no such video")

    left = [*([1000] if way == "batch" and not words else []), *balances]
    with FaultServer(answer) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        if way == "modify":
            done = edit(luma, 1, *words)
        else:
            Path("edits.jsonl").write_text(json.dumps({"prompt": PROMPT, "video": CLIP_URL}))
            done = luma("batch", "edits.jsonl", "--no-check")
            hint = hint.replace("is 900 now", "went from 1000 to 900")

    assert done.code == 12
    assert hint in done.err


# --- before it is paid ---


def test_a_dry_run_says_what_it_will_cost_and_what_there_is(luma: Luma, sandbox: Sandbox) -> None:
    sandbox.credits = 2540
    assert edit(luma, 0, "-w", count=2).code == 0
    _, _, err = edit(luma, 1, "-n", "--takes", "12")

    assert "about 1,200 credits for 12 edits (your last 2 edits: 100 each), balance 2,340\n" in err


def test_a_dry_run_without_a_known_price_asks_nobody(luma: Luma, sandbox: Sandbox) -> None:
    assert "what it costs is not known" in edit(luma, 1, "-n").err
    assert sandbox.requests == []


def test_a_person_hears_the_price_before_the_same_edit_is_paid_again(luma: Luma, sandbox: Sandbox) -> None:
    assert edit(luma, 1, "-w").code == 0
    words = ["-m", "luma_cli", "modify", f"{CLIP_URL}?1", "-p", PROMPT, "--no-check"]
    child = pexpect.spawn(sys.executable, words, encoding="utf-8", timeout=30, dimensions=(24, 300))
    child.expect(r"about 100 credits \(your last edit: 100\), balance 99,900. Submit it again\? \[y/N\]: ")
    child.sendline("")
    child.expect(pexpect.EOF)
    child.close()

    assert (child.exitstatus, len(sandbox.submissions())) == (3, 1)


def test_a_task_that_was_only_looked_at_for_its_cost_is_still_waited_for(luma: Luma, sandbox: Sandbox) -> None:
    first = luma("modify", CLIP_URL, "-p", "Heavy snow", "--no-check").out.strip()
    assert luma("modify", CLIP_URL, "-p", "Light rain", "--no-check", "-w").code == 0

    [link] = luma("wait").out.split()
    assert link == json.loads(luma("status", first, "--json").out)["resultUrls"][0]
