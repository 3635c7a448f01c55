"""What edits cost in the sandbox, when it is charged, and what the balance shows."""

from collections.abc import Iterator

import pytest

from luma_cli.sandbox import Sandbox
from support.commands import KEY
from support.service import CREDIT, Clock, ask, balance, create, submit

OPENING = 100_000.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def box(clock: Clock) -> Iterator[Sandbox]:
    """Tasks take three seconds of a time that the test moves."""
    with Sandbox(duration=3.0, api_key=KEY, clock=clock) as server:
        yield server


def spent(box: Sandbox) -> float:
    return OPENING - balance(box)


def over_time(box: Sandbox, clock: Clock, *seconds: float) -> list[float]:
    """What the balance has lost at each of these times after now."""
    begin, found = clock.now, []
    for second in seconds:
        clock.now = begin + second
        found.append(spent(box))
    return found


def test_the_balance_is_a_float_as_recorded(box: Sandbox) -> None:
    box.credits = 80

    assert ask(box, CREDIT).body == b'{"code": 200, "msg": "success", "data": 80.0}'


@pytest.mark.parametrize(
    ("model", "price"),
    [("luma", 100), ("aleph", 110), ("wan/2-7-videoedit", 100), ("happyhorse/video-edit", 5 * 28)],
)
def test_each_model_has_its_price(box: Sandbox, model: str, price: float) -> None:
    create(box, model)

    assert spent(box) == price


def test_prices_may_be_given_by_either_name_of_a_model(clock: Clock) -> None:
    prices = {"luma": 50, "wan/2-7-videoedit": 0.01, "happyhorse": 2}
    with Sandbox(api_key=KEY, clock=clock, prices=prices) as box:
        for model in ("luma", "aleph", "wan/2-7-videoedit", "happyhorse/video-edit"):
            create(box, model)

        assert list(box.account.charges().values()) == [50, 110, 0.01, 10]
        assert spent(box) == pytest.approx(170.01)


def test_a_charge_stands_in_the_balance_as_soon_as_the_task_is_there(box: Sandbox, clock: Clock) -> None:
    create(box)

    assert over_time(box, clock, 0, 3, 10) == [100, 100, 100]


@pytest.mark.parametrize("scenario", ["flag2", "flag3", "moderation", "record-408", "record-501"])
def test_a_failed_task_gets_its_credits_back_at_its_end(box: Sandbox, clock: Clock, scenario: str) -> None:
    task_id = create(box, prompt=f"sandbox:{scenario} Snow")

    assert over_time(box, clock, 2.9, 3, 10) == [100, 0, 0]
    assert box.account.charges() == {task_id: 0}


@pytest.mark.parametrize("delay", [0.0, 2.0])
def test_a_charge_may_come_after_the_end(clock: Clock, delay: float) -> None:
    with Sandbox(duration=3.0, api_key=KEY, clock=clock, charge_delay=delay) as box:
        create(box)
        create(box, prompt="sandbox:flag3 Snow")

        assert over_time(box, clock, 0, 2.9 + delay, 3.0 + delay) == [0, 0, 100]


def test_a_task_that_is_ended_early_is_charged_early(clock: Clock) -> None:
    with Sandbox(duration=3.0, api_key=KEY, clock=clock, charge_delay=1.0) as box:
        box.finish(create(box))

        assert over_time(box, clock, 0.9, 1.0) == [0, 100]


def test_the_balance_may_lag_behind_what_was_spent(clock: Clock) -> None:
    with Sandbox(duration=3.0, api_key=KEY, clock=clock, balance_lag=5.0) as box:
        create(box)
        box.top_up(10)

        assert box.credits == OPENING - 90
        assert over_time(box, clock, 4.9, 5) == [0, 90]


def test_another_client_spends_by_itself(clock: Clock) -> None:
    with Sandbox(api_key=KEY, clock=clock, spend_by_itself=(7, 2.0)) as box:
        assert over_time(box, clock, 0, 1.9, 2, 6) == [0, 0, 7, 21]


def test_credits_can_be_read_set_added_and_taken_at_any_time(box: Sandbox, clock: Clock) -> None:
    create(box, prompt="sandbox:flag3 Snow")
    box.credits = 500
    box.top_up(30)
    box.top_up(-10)
    assert (box.credits, balance(box)) == (520, 520)

    clock.now += 5
    assert (box.credits, balance(box)) == (620, 620)  # the failed task is paid back


def test_an_empty_account_refuses(box: Sandbox) -> None:
    box.credits = 99.99
    reply = submit(box)

    assert (reply.status, reply.code, balance(box)) == (200, 402, 99.99)
    box.credits = 100
    assert submit(box).code == 200


def test_what_is_not_charged_yet_cannot_be_spent_again(clock: Clock) -> None:
    with Sandbox(duration=3.0, api_key=KEY, clock=clock, charge_delay=2.0) as box:
        box.credits = 250

        assert [submit(box).code for _ in range(3)] == [200, 200, 402]
        assert balance(box) == 250


def test_an_account_that_was_found_empty_by_a_submission_shows_it_once(box: Sandbox) -> None:
    reply = submit(box, prompt="sandbox:empty-429 Snow")

    assert (reply.status, reply.code, reply.body.count(b"credits are insufficient")) == (429, 429, 1)
    assert [balance(box), balance(box)] == [0, OPENING]


def test_a_long_history_adds_up(clock: Clock) -> None:
    with Sandbox(duration=3.0, api_key=KEY, clock=clock, rate_limit=10**6, prices={"luma": 0.1}) as box:
        for number in range(60):
            create(box, prompt="sandbox:flag3 Snow" if number % 3 == 0 else "Snow")
            clock.now += 0.5
            balance(box)
        clock.now += 3

        assert spent(box) == pytest.approx(4.0)
        assert sum(box.account.charges().values()) == pytest.approx(4.0)
