"""Costs as they were seen, and limits that no number of processes can pass."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from luma_cli.api.task import Edit, State, Task
from luma_cli.errors import OutcomeUnknown, OutOfCredits, Rejected
from luma_cli.journal import journal
from luma_cli.journal.costs import Budget, PriceUnknown, Spent
from luma_cli.journal.journal import Journal
from luma_cli.journal.records import Details
from support.journals import BASE, lost, submission


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(file: Path, clock: Clock) -> Iterator[Journal]:
    opened = journal.open_journal(file, service=BASE, now=clock)
    yield opened
    opened.close()


def pay(book: Journal, name: str, cost: float | None = None, budget: Budget | None = None, **details: object) -> str:
    """Submit an edit, and see what it has cost."""
    task_id = name.rjust(32, "0")
    asked = submission(name)._replace(details=Details(**details))  # type: ignore[arg-type]
    book.record(asked, lambda _: task_id, budget=budget)
    if cost is not None:
        book.learn(Task(task_id, State.SUCCEEDED, 1))
        book.costs.record_cost(task_id, cost)
    return task_id


def test_what_was_seen_is_added_up_and_what_was_not_is_counted(book: Journal, clock: Clock) -> None:
    pay(book, "old", 70)
    clock.now += 1000
    pay(book, "a", 100)
    pay(book, "b", 0.5)
    pay(book, "c")
    assert book.costs.spent(clock.now) == Spent(100.5, 2, 1)
    assert book.costs.spent(0) == Spent(170.5, 3, 1)


def test_a_cost_of_the_record_is_not_replaced_by_a_difference_of_balances(book: Journal) -> None:
    task_id = pay(book, "a", 100)
    book.learn(Task(task_id, State.SUCCEEDED, 1, credits=90))
    book.costs.record_cost(task_id, 200)
    row = book.known(task_id)
    assert row is not None
    assert (row.credits, row.task.credits, row.credits_source) == (90, 90, "record")


def test_the_expected_price_is_the_highest_of_the_last_five_alike(book: Journal) -> None:
    for number, cost in enumerate((900, 100, 110, 120, 100, 90)):
        pay(book, str(number), cost)
    pay(book, "else", 1000, model="aleph")
    pay(book, "large", 500, options={"resolution": "1080p"})
    assert book.costs.expected_price("luma") == 120
    assert book.costs.expected_price("luma", {"resolution": "1080p"}) == 500
    assert book.costs.expected_price("luma", {"resolution": "4k"}) is None


def test_a_price_per_second_goes_by_the_clip(book: Journal) -> None:
    pay(book, "a", 100, seconds=5.0)
    pay(book, "b", 300, seconds=10.0)
    assert book.costs.expected_price("luma", per_second=True, seconds=4.0) == 120
    assert book.costs.expected_price("luma", per_second=True) is None


def test_a_failure_that_cost_nothing_is_not_a_price(book: Journal) -> None:
    task_id = pay(book, "a")
    book.learn(Task(task_id, State.GENERATE_FAILED, 3, credits=0.0))
    assert book.costs.expected_price("luma") is None
    assert book.costs.spent(0) == Spent(0, 1, 0)


@pytest.mark.parametrize("kind", ["per_run", "per_day"])
def test_what_is_on_its_way_counts_at_its_expected_price(book: Journal, kind: str) -> None:
    budget = Budget(**{kind: 250.0}, expected=100)  # type: ignore[arg-type]
    pay(book, "a", budget=budget)
    pay(book, "b", budget=budget)
    with pytest.raises(OutOfCredits, match=r"limit of 250 credits .* 200 are spent or on their way") as caught:
        pay(book, "c", budget=budget)
    assert caught.value.exit_code == 10
    assert len(list(book.rows())) == 2


def test_a_cost_that_was_seen_counts_instead_of_the_expected_one(book: Journal) -> None:
    budget = Budget(per_run=250, expected=100)
    pay(book, "a", 0, budget=budget)
    pay(book, "b", 150, budget=budget)
    pay(book, "c", budget=budget)
    with pytest.raises(OutOfCredits):
        pay(book, "d", budget=budget)


def test_a_refused_submission_costs_nothing_and_an_unknown_one_may_have(book: Journal) -> None:
    budget = Budget(per_run=100, expected=100)

    def refuse(_: Edit) -> str:
        raise Rejected("no")

    with pytest.raises(Rejected):
        book.record(submission("a"), refuse, budget=budget)
    with pytest.raises(OutcomeUnknown):
        book.record(submission("b"), lost, budget=budget)
    with pytest.raises(OutOfCredits):
        pay(book, "c", budget=budget)


def test_the_limit_of_a_run_is_not_that_of_another(book: Journal, file: Path, clock: Clock) -> None:
    budget = Budget(per_run=100, expected=100)
    pay(book, "a", budget=budget)
    other = journal.open_journal(file, service=BASE, now=clock)
    pay(other, "b", budget=budget)
    other.close()


def test_the_limit_of_a_day_begins_with_the_day(book: Journal, clock: Clock) -> None:
    pay(book, "a", 100)
    clock.now += 86_400
    pay(book, "b", budget=Budget(per_day=100, day_start=clock.now - 3600, expected=100))


def test_without_a_known_price_one_goes_first_and_the_others_wait_for_its_cost(book: Journal) -> None:
    budget = Budget(per_run=500)
    first = pay(book, "a", budget=budget)
    with pytest.raises(PriceUnknown) as caught:
        pay(book, "b", budget=budget)
    assert caught.value.number == 1
    book.learn(Task(first, State.SUCCEEDED, 1))
    with pytest.raises(PriceUnknown):
        pay(book, "b", budget=budget)
    book.costs.record_cost(first, 300)
    with pytest.raises(OutOfCredits):
        pay(book, "b", budget=budget._replace(expected=book.costs.expected_price("luma")))


def test_a_clip_of_unknown_length_counts_at_what_the_dearest_has_cost(book: Journal) -> None:
    """Its price goes by the second, and so is never known: each one would be the first, which may pass the limit."""
    budget = Budget(per_run=200)
    pay(book, "a", 90, budget=budget)
    pay(book, "b", 60, budget=budget)
    with pytest.raises(OutOfCredits, match=r"150 are spent.*about 90"):
        pay(book, "c", budget=budget)


def test_a_cost_that_is_not_seen_within_a_minute_ends_the_spending(book: Journal, clock: Clock) -> None:
    budget = Budget(per_run=500)
    first = pay(book, "a", budget=budget)
    book.learn(Task(first, State.SUCCEEDED, 1))
    clock.now += 61
    with pytest.raises(OutOfCredits, match="cannot be seen"):
        pay(book, "b", budget=budget)


def test_what_was_sent_before_there_was_a_limit_holds_nobody_up(book: Journal) -> None:
    pay(book, "a")
    pay(book, "b", budget=Budget(per_day=500))
    book.costs.record_cost("b".rjust(32, "0"), 200)
    # "a" counts at the price that is known by now.
    with pytest.raises(OutOfCredits):
        pay(book, "c", budget=Budget(per_day=500, expected=200))


CLAIM = """
import pathlib, sys
from luma_cli.journal import journal
from luma_cli.errors import OutOfCredits
from luma_cli.journal.costs import Budget
from support.journals import BASE, submission
book = journal.open_journal(pathlib.Path(sys.argv[1]), service=BASE)
try:
    book.record(submission(sys.argv[2]), lambda _: sys.argv[2] * 32, budget=Budget(per_day=300, expected=100))
except OutOfCredits:
    sys.exit(10)
"""


def test_a_limit_of_three_holds_for_eight_processes(file: Path) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", CLAIM, str(file)]
    processes = [subprocess.Popen([*command, name], env=environment) for name in "abcdefgh"]
    assert sorted(process.wait(60) for process in processes) == [0] * 3 + [10] * 5


def test_a_change_of_the_balance_is_one_tasks_only_if_no_other_could_have_made_it(book: Journal, clock: Clock) -> None:
    pay(book, "old", 100)
    clock.now += 1000
    before = clock.now
    clock.now += 1
    first = pay(book, "a")
    assert book.costs.explains_alone(first, before)
    pay(book, "b")
    assert not book.costs.explains_alone(first, before)
    book.learn(Task(first, State.SUCCEEDED, 1))
    clock.now += 1000
    later = clock.now
    clock.now += 1
    third = pay(book, "c")
    assert not book.costs.explains_alone(third, later), "b still runs"
    book.learn(Task("b".rjust(32, "0"), State.SUCCEEDED, 1, credits=100))
    clock.now += 1000
    last = clock.now
    clock.now += 1
    fourth = pay(book, "d")
    assert not book.costs.explains_alone(fourth, last), "c still runs"
    book.learn(Task("c".rjust(32, "0"), State.SUCCEEDED, 1, credits=100))
    clock.now += 1000
    end = clock.now
    fifth = pay(book, "e")
    book.learn(Task(fourth, State.SUCCEEDED, 1))
    assert not book.costs.explains_alone(fifth, end), "the charge of d may come yet"


def test_before_others_follow_at_its_price_a_task_waits_for_the_charges_of_those_before_it(
    book: Journal, clock: Clock
) -> None:
    budget = Budget(per_run=500, others_follow=True)
    running, ended = pay(book, "a"), pay(book, "b")
    book.learn(Task(ended, State.SUCCEEDED, 1))
    with pytest.raises(PriceUnknown):
        pay(book, "c", budget=budget)
    pay(book, "alone", budget=Budget(per_run=500))
    book.costs.record_cost("alone".rjust(32, "0"), 100)
    clock.now += 61
    with pytest.raises(PriceUnknown) as caught:  # it may have ended just now, unless someone has asked
        pay(book, "c", budget=budget)
    assert caught.value.task_id == running
    since = clock.now
    asked = frozenset({running})
    last = pay(book, "c", budget=budget._replace(running=asked))
    assert not book.costs.explains_alone(last, since)
    assert book.costs.explains_alone(last, since, asked)


def test_a_task_that_ended_long_ago_by_the_services_clock_is_not_waited_for(book: Journal, clock: Clock) -> None:
    ended = pay(book, "a")
    clock.now += 3600
    at = datetime.fromtimestamp(clock.now - 1800, UTC)
    book.learn(Task(ended, State.SUCCEEDED, 1, complete_time=at))
    other = pay(book, "b", budget=Budget(per_run=500, others_follow=True))
    assert book.costs.explains_alone(other, clock.now)


def test_a_submission_whose_process_was_killed_is_not_waited_for_without_end(book: Journal, clock: Clock) -> None:
    def kill(_: Edit) -> str:
        raise SystemExit

    with pytest.raises(SystemExit):
        book.record(submission("a"), kill)
    book._db.execute("UPDATE task SET holder = 'lock:00000000000000000000000000000000'")
    budget = Budget(per_run=500, others_follow=True)
    with pytest.raises(PriceUnknown):
        pay(book, "b", budget=budget)
    clock.now += 61
    pay(book, "b", budget=budget)
