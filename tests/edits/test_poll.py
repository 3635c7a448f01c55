"""Waiting: `watch` under a clock of our own, and `luma wait` against a service that has its troubles."""

import contextlib
import json
import os
import queue
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from luma_cli.api.client import Client
from luma_cli.api.envelope import error_for
from luma_cli.api.task import State, Task
from luma_cli.edits.poll import Add, Close, Inbox, Poll, Wake, Watched
from luma_cli.errors import KeyRejected, LumaError, OutOfCredits, Rejected, StillGenerating, Unavailable
from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, KEY, Result
from support.fault_server import (
    Answer,
    FaultServer,
    Request,
    dribble,
    envelope,
    hang_up,
    head,
    redirect,
    reply,
    reset,
    send,
)
from support.polling import watch

Luma = Callable[..., Result]
ID = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"
LINK = "https://files.example.net/a.mp4"
GENERATING = Task(ID, State.GENERATING)
DONE = Task(ID, State.SUCCEEDED, result_urls=(LINK,))


def busy(retry_after: float | None = None) -> Unavailable:
    error = Unavailable("too many questions", api_code=429)
    error.retry_after = retry_after
    return error


@dataclass
class World:
    """A clock that only sleeping moves, and a service that answers by script; the last answer is repeated."""

    answers: list[Task | LumaError]
    now: float = 1000.0
    polls: list[float] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    on_sleep: Callable[[float], None] = lambda _seconds: None

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0, "a busy loop"
        self.now += seconds
        self.on_sleep(self.now)

    def fetch(self, task_id: str) -> Task:
        answer = self.answers[min(len(self.polls), len(self.answers) - 1)]
        self.polls.append(self.now - 1000.0)
        self.asked.append(task_id)
        if isinstance(answer, LumaError):
            raise answer
        return Task(task_id, answer.state, result_urls=answer.result_urls)

    def watch(self, *task_ids: str, interval: float = 10.0, timeout: float = 900.0, **more: object) -> Iterator[object]:
        watched = [task_id if isinstance(task_id, Watched) else Watched(task_id) for task_id in task_ids or (ID,)]
        return watch(
            watched, self.fetch, interval=interval, timeout=timeout, clock=self.clock, sleep=self.sleep, **more
        )


def test_every_poll_is_yielded_until_the_task_has_ended() -> None:
    world = World([GENERATING, GENERATING, DONE])

    assert list(world.watch()) == [Poll(ID, GENERATING), Poll(ID, GENERATING), Poll(ID, DONE, final=True)]
    assert world.polls == [0, 10, 20]


@pytest.mark.parametrize("state", [State.CREATE_FAILED, State.GENERATE_FAILED])
def test_a_failed_task_has_ended(state: State) -> None:
    world = World([Task(ID, state)])

    assert [event.final for event in world.watch()] == [True]


def test_an_unknown_state_is_waited_for() -> None:
    world = World([Task(ID, State.UNKNOWN, 99), DONE])

    assert [event.final for event in world.watch()] == [False, True]


def test_the_last_poll_is_made_at_the_deadline_and_none_after_it() -> None:
    world = World([GENERATING])

    with pytest.raises(StillGenerating):
        list(world.watch(timeout=25))
    assert world.polls == [0, 10, 20, 25]


def test_a_task_that_ends_with_the_last_poll_counts() -> None:
    world = World([GENERATING, GENERATING, GENERATING, DONE])

    assert list(world.watch(timeout=25))[-1].final
    assert world.polls[-1] == 25


def test_timeout_0_is_no_limit() -> None:
    world = World([GENERATING] * 2000 + [DONE])

    assert list(world.watch(timeout=0))[-1].final
    assert world.polls[-1] == 20_000


def test_a_poll_comes_never_earlier_than_the_interval_for_20_minutes() -> None:
    world = World([GENERATING])

    with pytest.raises(StillGenerating):
        list(world.watch(interval=7, timeout=1204))
    gaps = [later - earlier for earlier, later in zip(world.polls, world.polls[1:], strict=False)]
    assert set(gaps) == {7}
    assert len(world.polls) == 1204 // 7 + 1


def test_an_error_is_ridden_out_with_growing_pauses_up_to_two_minutes() -> None:
    world = World([busy()] * 7 + [DONE])

    assert list(world.watch(timeout=0))[-1].final
    assert [later - earlier for earlier, later in zip(world.polls, world.polls[1:], strict=False)] == [
        20, 40, 80, 120, 120, 120, 120
    ]  # fmt: skip


def test_after_errors_the_interval_is_the_old_one_again() -> None:
    world = World([busy(), GENERATING, GENERATING, busy(), DONE])
    list(world.watch())

    assert world.polls == [0, 20, 30, 40, 60]


def test_a_long_interval_is_not_shortened_by_errors() -> None:
    world = World([busy(), DONE])
    list(world.watch(interval=300))

    assert world.polls == [0, 300]


@pytest.mark.parametrize(("asked", "then"), [(5, 20), (45, 45), (400, 400), (99_999_999, 900), (1e100, 900)])
def test_retry_after_is_obeyed_up_to_the_limit_that_is_left(asked: float, then: float) -> None:
    world = World([busy(asked), DONE])
    list(world.watch())

    assert world.polls == [0, then]


def test_nothing_but_errors_until_the_limit_says_what_the_error_was() -> None:
    world = World([Unavailable("cannot connect to api.kie.ai")])

    with pytest.raises(StillGenerating) as caught:
        list(world.watch(timeout=60))
    assert caught.value.message == f"task {ID} has not ended within 60 s; could not check: cannot connect to api.kie.ai"


def test_an_error_that_has_passed_is_not_reported_at_the_limit() -> None:
    world = World([busy(), GENERATING])

    with pytest.raises(StillGenerating) as caught:
        list(world.watch(timeout=60))
    assert "could not check" not in caught.value.message


@pytest.mark.parametrize("code", [400, 401, 402, 403, 405, 433, 451, 505])
def test_a_reply_that_will_not_change_ends_the_wait_at_once(code: int) -> None:
    world = World([error_for(code, "", 200)])

    with pytest.raises((KeyRejected, OutOfCredits, Rejected)) as caught:
        list(world.watch())
    assert (caught.value.api_code, world.polls) == (code, [0])


@pytest.mark.parametrize("code", [408, 429, 455, 500, 502, 550, 599])
def test_a_reply_that_may_change_never_ends_a_wait(code: int) -> None:
    world = World([error_for(code, "", 200)] * 30 + [DONE])

    assert list(world.watch(timeout=0))[-1].final


@pytest.mark.parametrize("code", [404, 422])
def test_a_task_that_is_not_visible_in_its_first_90_seconds_is_waited_for(code: int) -> None:
    unknown = error_for(code, "recordInfo is null", 200)
    world = World([unknown] * 9 + [DONE])

    events = list(world.watch())
    assert [event.final for event in events] == [False] * 9 + [True]
    assert world.polls == [10.0 * number for number in range(10)]


@pytest.mark.parametrize("code", [404, 422])
@pytest.mark.parametrize(("age", "polls"), [(0, 10), (55, 5), (90, 1), (86_400, 1)])
def test_a_task_that_stays_unknown_after_its_first_90_seconds_is_given_up(code: int, age: float, polls: int) -> None:
    world = World([error_for(code, "recordInfo is null", 200)])

    events = list(world.watch(Watched(ID, age)))
    assert [event.final for event in events] == [False] * (polls - 1) + [True]
    assert events[-1].error.exit_code == 6


def test_an_unknown_task_does_not_end_the_wait_for_the_others() -> None:
    def fetch(task_id: str) -> Task:
        if task_id == OTHER:
            raise error_for(422, "recordInfo is null", 200)
        return next(states)

    states = iter([GENERATING, GENERATING, DONE])
    world = World([])
    events = list(
        watch([Watched(OTHER, 1e6), Watched(ID)], fetch, interval=10, timeout=900, clock=world.clock, sleep=world.sleep)
    )
    assert {event.task_id for event in events if event.final} == {ID, OTHER}
    assert world.now == 1020


def test_several_tasks_are_each_asked_once_in_an_interval() -> None:
    names = [f"task{number:028}" for number in range(50)]
    world = World([GENERATING] * 100 + [DONE])
    list(world.watch(*names))

    assert sorted(world.asked) == sorted(names * 3)
    assert sorted(set(world.polls)) == [0, 10, 20]


def test_a_clock_that_jumps_while_we_are_stopped_brings_one_poll_more_and_no_burst() -> None:
    """SIGSTOP for an hour is a sleep that takes an hour."""
    world = World([GENERATING, GENERATING, GENERATING, DONE])

    def stopped(now: float) -> None:
        if now == 1020:
            world.now += 3600

    world.on_sleep = stopped
    list(world.watch(timeout=0))
    assert world.polls == [0, 10, 3620, 3630]


def test_being_stopped_past_the_limit_still_asks_once_more() -> None:
    world = World([GENERATING, DONE])

    def stopped(_now: float) -> None:
        world.now += 3600

    world.on_sleep = stopped
    assert list(world.watch())[-1].final
    assert len(world.polls) == 2


def test_a_poll_that_hangs_is_left_behind_shortly_after_the_limit() -> None:
    """Real time: what hangs is a thread, which no clock of ours moves."""
    released = threading.Event()
    now = 0.0

    def fetch(task_id: str) -> Task:
        released.wait(60)
        return GENERATING

    inbox: Inbox = queue.Queue()
    events = watch([Watched(ID)], fetch, interval=10, timeout=900, inbox=inbox, clock=lambda: now)
    inbox.put("wake up")  # someone else's event, after which the clock stands far behind the limit
    assert next(events) == "wake up"
    now = 1e6
    with pytest.raises(StillGenerating):
        next(events)
    released.set()


def test_what_others_put_into_the_inbox_is_handed_on() -> None:
    world = World([GENERATING, DONE])
    inbox: Inbox = queue.Queue()
    inbox.put("a download has ended")

    assert "a download has ended" in list(world.watch(inbox=inbox))


def test_a_wake_brings_the_next_poll_forward() -> None:
    """Real time: nothing but the wake ends an hour's pause."""
    inbox: Inbox = queue.Queue()
    events = watch([Watched(ID)], World([GENERATING, DONE]).fetch, interval=3600, timeout=0, inbox=inbox)

    assert not next(events).final
    inbox.put(Wake(ID))
    assert next(events).final


def test_a_wake_for_a_task_that_nobody_waits_for_is_ignored() -> None:
    world = World([GENERATING, DONE])
    inbox: Inbox = queue.Queue()
    inbox.put(Wake(OTHER))

    assert len(list(world.watch(inbox=inbox))) == 2


def test_tasks_can_be_added_until_the_door_is_closed() -> None:
    inbox: Inbox = queue.Queue()
    fetch = World([DONE]).fetch
    events = watch([Watched(ID)], fetch, interval=3600, timeout=0, inbox=inbox, stays_open=True)

    assert next(events).task_id == ID
    inbox.put(Add(Watched(OTHER)))
    assert next(events).task_id == OTHER
    inbox.put(Close())
    assert list(events) == []


def test_a_failure_of_our_own_in_a_poll_is_not_swallowed() -> None:
    def fetch(task_id: str) -> Task:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(watch([Watched(ID)], fetch, interval=10, timeout=900))


def test_the_threads_of_a_wait_end_with_it() -> None:
    before = set(threading.enumerate())
    for _ in World([GENERATING]).watch(*(f"task{number:028}" for number in range(20))):
        break
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(10)
    assert not any(thread.is_alive() for thread in left)


# --- the service's answers, under the same clock ---


def record(flag: object = 1, task_id: str = ID, **more: object) -> Answer:
    data: dict[str, object] = {"taskId": task_id, "successFlag": flag, "response": {"resultUrls": [LINK]}}
    return envelope(200, data | more)


@dataclass
class Asked:
    """What a wait came to, how often it asked, and when."""

    polls: list[Poll]
    times: list[float]
    error: LumaError | None = None


def ask(
    *answers: Answer, timeout: float = 900.0, age: float = 0.0, asleep: Callable[[FaultServer], None] = lambda _: None
) -> Asked:
    """Wait for a task at a service that replies by script, over real connections. `asleep` is done between polls."""
    with FaultServer(answers) as server:
        world, client = (
            World([], on_sleep=lambda _: asleep(server)),
            Client(server.url().rstrip("/"), server.url(), KEY),
        )
        asked = Asked([], world.polls)

        def fetch(task_id: str) -> Task:
            world.polls.append(world.now - 1000.0)
            return client.task(task_id)

        events = watch([Watched(ID, age)], fetch, interval=10, timeout=timeout, clock=world.clock, sleep=world.sleep)
        try:
            asked.polls.extend(events)  # type: ignore[arg-type]
        except LumaError as error:
            asked.error = error
        assert {request.method for request in server.requests} <= {"GET"}
        return asked


TROUBLES = {
    "code 500": envelope(500, None, "oops"),
    "code 455": envelope(455, None, "maintenance"),
    "HTTP 502": reply(b"<html>Bad gateway</html>", 502, content_type="text/html"),
    "HTTP 503": reply(b"", 503, retry_after="0"),
    "HTTP 524": reply(b"error code: 524", 524),
    "a page": reply(b"<html>Hello</html>"),
    "reset": (reset(),),
    "closed": (hang_up(),),
    "half": (head(200, content_length=500), send(b'{"code":'), hang_up()),
    "half a status line": (send(b"HTTP/1.1 200"), hang_up()),
    "not HTTP": (send(b"SSH-2.0-OpenSSH_9.6\r\n"), hang_up()),
    "null": reply(b"null"),
    "no code": reply(b"{}"),
    "brackets": reply(b"[" * 100_000),
    "data is text": envelope(200, "pending"),
    "data is null": envelope(200),
    "redirect": redirect("https://elsewhere.example.net/"),
    "another task": record(1, task_id=OTHER),
    "another id": record(1, task_id=5),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_an_error_in_a_poll_is_ridden_out(trouble: str) -> None:
    asked = ask(TROUBLES[trouble], record(0), record(1))

    assert [poll.final for poll in asked.polls] == [False, False, True]
    assert isinstance(asked.polls[0].error, Unavailable)
    assert asked.times == [0, 20, 30]


def test_any_mix_of_errors_is_ridden_out() -> None:
    chance = random.Random(seed := random.randrange(10**6))
    print(f"seed {seed}")
    for _ in range(20):
        some = [chance.choice([*TROUBLES.values(), *[record(0)] * 28]) for _ in range(30)]
        asked = ask(*some, record(1), timeout=0)
        assert (asked.error, len(asked.polls), asked.polls[-1].task) == (None, 31, asked.polls[-1].task)
        assert asked.polls[-1].final


def test_a_host_that_cannot_be_reached_is_asked_until_the_limit() -> None:
    with FaultServer([]) as server:
        address = server.url().rstrip("/")
    world = World([])
    client = Client(address, address, KEY)
    with pytest.raises(StillGenerating) as caught:
        list(watch([Watched(ID)], client.task, interval=10, timeout=60, clock=world.clock, sleep=world.sleep))
    why = f"cannot connect to {address.removeprefix('http://')}"
    assert caught.value.message == f"task {ID} has not ended within 60 s; could not check: {why}"


SENSELESS = ["banana", "", "-5", "1.5", "7, 8", "9" * 5000, "٣".encode().decode("latin-1")]


@pytest.mark.parametrize("pause", SENSELESS, ids=lambda pause: pause[:8] or "empty")
def test_a_retry_after_that_makes_no_sense_is_ignored(pause: str) -> None:
    assert ask(envelope(429, None, "slowly", 429, retry_after=pause), record(1)).times == [0, 20]


def test_a_retry_after_in_seconds_is_obeyed() -> None:
    assert ask(envelope(429, None, "slowly", 429, retry_after=77), record(1)).times == [0, 77]


@pytest.mark.parametrize("pause", ["99999999", "9" * 30, "Thu, 31 Dec 2099 23:59:59 GMT"])
def test_a_huge_retry_after_does_not_hold_a_wait_past_its_limit(pause: str) -> None:
    asked = ask(envelope(429, None, "", 429, retry_after=pause), timeout=60)

    assert isinstance(asked.error, StillGenerating)
    assert asked.times == [0, 60]


@pytest.mark.parametrize("flag", [99, True, None, 1.0, -1, "yes", "", [1], {"a": 1}, 2**70], ids=str)
def test_a_flag_that_nobody_documents_is_waited_for(flag: object) -> None:
    asked = ask(record(flag), timeout=20)

    assert isinstance(asked.error, StillGenerating)
    assert {poll.task.state for poll in asked.polls if poll.task} == {State.UNKNOWN}


def test_a_record_without_a_flag_is_waited_for() -> None:
    asked = ask(envelope(200, {"taskId": ID, "response": {"resultUrls": [LINK]}}), timeout=20)

    assert isinstance(asked.error, StillGenerating)
    assert {poll.task.state for poll in asked.polls if poll.task} == {State.UNKNOWN}


@pytest.mark.parametrize("flag", ["1", "4", 1, 4])
def test_a_flag_as_decimal_text_counts(flag: object) -> None:
    assert ask(record(flag)).polls[-1].task.has_video  # type: ignore[union-attr]


@pytest.mark.parametrize("status", [200, 404, 422])
@pytest.mark.parametrize("words", ["recordInfo is null", "The page does not exist or is not published"])
def test_a_record_that_is_not_there_yet_is_waited_for_whatever_the_words(status: int, words: str) -> None:
    asked = ask(*[envelope(422, None, words, status)] * 6, record(1))

    assert asked.times == [0, 10, 20, 30, 40, 50, 60]
    assert asked.polls[-1].final


def test_a_record_that_never_comes_is_given_up_after_90_seconds() -> None:
    asked = ask(envelope(422, None, "recordInfo is null"))

    assert asked.times[-1] == 90
    assert asked.polls[-1].error.exit_code == 6  # type: ignore[union-attr]


def test_an_idle_connection_that_the_server_closes_between_polls_is_not_an_error() -> None:
    replies = ((*record(0), hang_up()), (*record(0), hang_up()), record(1))
    asked = ask(*replies, asleep=FaultServer.wait_for_hang_ups)

    assert [poll.error for poll in asked.polls] == [None, None, None]


def test_a_redirect_is_not_followed_and_the_key_stays_here() -> None:
    with FaultServer([reply(b"{}")]) as elsewhere:
        assert ask(redirect(elsewhere.url("/steal"), 307), record(1)).polls[-1].final
        assert elsewhere.requests == []


# --- the command ---


@pytest.fixture
def wait(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Result, list[Request]]]:
    """`luma wait ID` at a service that answers by script."""

    def call(*answers: Answer, words: tuple[str, ...] = ()) -> tuple[Result, list[Request]]:
        with FaultServer(answers) as server:
            monkeypatch.setenv("LUMA_BASE_URL", server.url().rstrip("/"))
            return luma("wait", ID, "--interval", "1s", *words), server.requests

    return call


Wait = Callable[..., tuple[Result, list[Request]]]


def test_wait_prints_the_link_and_nothing_else_on_stdout(wait: Wait) -> None:
    result, _ = wait(record(0), record(1))

    assert result == (0, f"{LINK}\n", f"luma: {ID} generating\nluma: {ID} succeeded\n")


def test_an_error_is_shown(wait: Wait) -> None:
    result, _ = wait(envelope(455, None, "back at noon"), record(1))

    assert result[:2] == (0, f"{LINK}\n")
    assert f"luma: {ID} could not check: kie.ai is under maintenance: back at noon (code 455)\n" in result.err


def test_the_limit_exits_8_with_the_way_on(wait: Wait) -> None:
    result, requests = wait(record(99), words=("--timeout", "1s"))

    assert (result.code, result.out, len(requests)) == (8, "", 2)
    assert result.err == (
        f"luma: {ID} unknown state 99\n"
        f"luma: error: task {ID} has not ended within 1 s\n"
        f"hint: it goes on: luma wait {ID}\n"
    )


def test_nothing_but_errors_until_the_limit_exits_8_too(wait: Wait) -> None:
    result, _ = wait(envelope(500, None, "oops", 500, retry_after=3600), words=("--timeout", "1s"))

    assert result[:2] == (8, "")
    assert "has not ended within 1 s; could not check: kie.ai had an internal error: oops" in result.err


@pytest.mark.parametrize(("flag", "word"), [(2, "create_failed"), (3, "generate_failed")])
def test_a_task_that_failed_exits_5_with_the_reason(wait: Wait, flag: int, word: str) -> None:
    result, _ = wait(record(flag, errorCode=501, errorMessage="no faces, please"), words=("--json",))

    assert result.code == 5
    assert json.loads(result.out)["state"] == word
    error = json.loads(result.err.splitlines()[-1])["error"]
    assert error["message"] == "the edit failed at kie.ai: no faces, please (code 501)"
    assert (error["exitCode"], error["apiCode"], error["taskId"]) == (5, 501, ID)


@pytest.mark.parametrize("code", [501, 531])
def test_the_code_of_a_failed_generation_ends_the_wait_with_5(wait: Wait, code: int) -> None:
    result, requests = wait(envelope(code, None, "it did not work"))

    assert (result.code, len(requests)) == (5, 1)
    assert "it did not work" in result.err


def test_flag_4_with_links_is_a_success_with_a_warning(wait: Wait) -> None:
    result, _ = wait(record(4), words=("--json",))

    line = json.loads(result.out)
    assert (result.code, line["state"], line["warnings"]) == (0, "succeeded", ["callback_failed"])


NO_LINKS = [None, [], "x", [None], [1], ["ftp://a.example/b"], ["javascript:alert(1)"], [LINK] * 1000, {"a": LINK}]


@pytest.mark.parametrize("links", NO_LINKS, ids=lambda links: str(links)[:20])
@pytest.mark.parametrize("flag", [1, 4])
def test_a_success_without_a_usable_link_exits_11(wait: Wait, flag: int, links: object) -> None:
    result, _ = wait(record(flag, response={"resultUrls": links}))

    assert result[:2] == (11, "")
    assert f"luma: error: task {ID} has finished without a usable link\n" in result.err


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (envelope(401, None, "no"), 4),
        (reply(b"error code: 1010", 403), 4),
        (envelope(402, None, "no"), 10),
        (envelope(505, None, "no"), 6),
        (reply(b'{"status":404,"error":"Not Found"}', 404), 6),
    ],
    ids=["401", "403", "402", "505", "gone"],
)
def test_a_reply_that_will_not_change_exits_at_once_with_the_way_on(wait: Wait, answer: Answer, code: int) -> None:
    result, requests = wait(answer)

    assert (result.code, result.out, len(requests)) == (code, "", 1)
    assert f"luma: 1 task(s) go on: luma wait {ID}\n" in result.err


@pytest.mark.parametrize(
    "fields",
    [
        {"createTime": 10**19, "completeTime": "NaN"},
        {"createTime": "soon", "completeTime": -1},
        {"createTime": -5, "errorCode": "E17"},
        {"errorCode": [1], "errorMessage": ["a", "b"]},
        {"errorCode": "--5"},
        {"errorCode": "9" * 5000},
        {"errorCode": "٣"},
        {"paramJson": "[" * 100_000},
        {"paramJson": '{"prompt": "\\ud800"}'},
        {"response": {"resultUrls": [LINK], "originUrls": "x"}},
    ],
    ids=lambda fields: str(fields)[:40],
)
def test_odd_fields_beside_the_result_do_no_harm(wait: Wait, luma: Luma, fields: dict[str, object]) -> None:
    result, _ = wait(record(1, **fields))

    assert result[:2] == (0, f"{LINK}\n")
    assert luma("status", ID, "--cached", "--json").code == 0
    assert luma("tasks", "show", ID).code == 0


def test_a_dribble_on_every_poll_does_not_hold_a_wait(run: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([(dribble(b"HTTP/1.1 200 OK\r\n" * 1000, 0.05),)]) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url().rstrip("/"))
        code, out, _ = run("wait", ID, "--timeout", "1s")

    assert (code, out) == (8, "")
    assert len(server.requests) == 1


WALL_CLOCK_JUMPS = """
import itertools, sys, time
real, jumps = time.time, itertools.cycle([7200, -7200])
time.time = lambda: real() + next(jumps)
from luma_cli.cli import main
sys.exit(main.main(sys.argv[1:]))
"""


def test_a_wait_does_not_go_by_the_wall_clock() -> None:
    """Two hours on, two hours back, at every look."""
    with FaultServer([record(0), record(0), record(1)]) as server:
        done = subprocess.run(
            [sys.executable, "-c", WALL_CLOCK_JUMPS, "wait", ID, "--interval", "1s", "--timeout", "30s"],
            env={**os.environ, "LUMA_BASE_URL": server.url().rstrip("/")},
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout.decode()) == (0, f"{LINK}\n")
    assert len(server.requests) == 3


def test_a_key_that_is_refused_in_the_middle_of_a_wait_ends_it_and_the_task_goes_on(wait: Wait, luma: Luma) -> None:
    result, requests = wait(record(0), envelope(401, None, "no"))

    assert (result.code, result.out, len(requests)) == (4, "", 2)
    assert f"luma: 1 task(s) go on: luma wait {ID}\n" in result.err
    assert luma("tasks").out.split("\t")[1] == "generating"


@pytest.mark.parametrize("task_id", [OTHER, "", 5, [ID]])
def test_nothing_but_the_record_of_another_task_is_not_a_result(wait: Wait, luma: Luma, task_id: object) -> None:
    result, _ = wait(record(1, task_id=task_id), words=("--timeout", "1s"))  # type: ignore[arg-type]

    assert result[:2] == (8, "")
    assert f"task {ID} has not ended within 1 s; could not check: the reply was for another task\n" in result.err
    assert luma("tasks").out == ""


def test_a_state_that_nobody_documents_is_reported_once(wait: Wait) -> None:
    result, requests = wait(record(99), record(99), record(1))

    assert result == (0, f"{LINK}\n", f"luma: {ID} unknown state 99\nluma: {ID} succeeded\n")
    assert len(requests) == 3


@pytest.mark.parametrize("flag", [1, 4])
def test_a_success_without_a_link_is_recorded_as_one(wait: Wait, luma: Luma, flag: int) -> None:
    result, _ = wait(record(flag, response=None))

    assert result[:2] == (11, "")
    assert luma("tasks").out.split("\t")[:2] == [ID, "succeeded"]


@pytest.mark.parametrize(
    "surroundings",
    [{"COLUMNS": "0"}, {"COLUMNS": "1"}, {"COLUMNS": "1000000"}, {"TERM": "dumb"}, {"TERM": ""}, {"FORCE_COLOR": "1"}],
    ids=str,
)
def test_id_state_and_link_are_whole_in_any_surroundings(
    luma: Luma, run: Luma, monkeypatch: pytest.MonkeyPatch, surroundings: dict[str, str]
) -> None:
    with FaultServer([record(1)]) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url().rstrip("/"))
        waited = run("wait", ID, **surroundings)
        asked = run("status", ID, **surroundings)

    assert waited == (0, f"{LINK}\n", f"luma: {ID} succeeded\n")
    assert asked == (0, f"{ID}\tsucceeded\t\t{LINK}\n", "")


# --- a journal that fails while we wait ---


def remove(place: Path) -> None:
    shutil.rmtree(place)


def spoil(place: Path) -> None:
    (place / "tasks.db").write_bytes(b"no database" * 1000)


def replace_by_a_folder(place: Path) -> None:
    (place / "tasks.db").unlink()
    (place / "tasks.db").mkdir()


def close_to_writers(place: Path) -> None:
    with contextlib.closing(sqlite3.connect(place / "tasks.db")) as other:
        other.execute("CREATE TRIGGER full BEFORE UPDATE ON task BEGIN SELECT RAISE(FAIL, 'full'); END")
        other.commit()


@pytest.mark.parametrize("trouble", [remove, spoil, replace_by_a_folder, close_to_writers])
@pytest.mark.parametrize("words", [(), ("-o", "out.mp4")], ids=["links", "files"])
def test_a_journal_that_fails_while_we_wait_costs_a_warning(
    luma: Luma,
    sandbox: Sandbox,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[[Path], None],
    words: tuple[str, ...],
) -> None:
    """Trouble comes with the first answer that says that the task is there, before anything is written about it."""
    task_id = luma("modify", CLIP, "-p", "Snow", "--no-check").out.strip()
    tell = sandbox.tasks.record

    def record_and_trouble(*about: object) -> object:
        if (home / "state").exists() and not troubled:
            troubled.append(True)
            trouble(home / "state")
        return tell(*about)  # type: ignore[arg-type]

    troubled: list[bool] = []
    monkeypatch.setattr(sandbox.tasks, "record", record_and_trouble)
    result = luma("wait", task_id, "--interval", "1s", *words)

    assert result.code == 0, result.err
    assert result.out == ("out.mp4\n" if words else f"{sandbox.url}{sandbox.tasks.find(task_id).result}\n")
    assert 1 <= result.err.count("luma: warning: ") <= 1 + bool(words)  # the state, and the file that was saved
    assert "luma: warning: the state is not saved: the journal " in result.err
    assert not words or Path("out.mp4").read_bytes() == CLIP.read_bytes()


# --- which tasks ---


def submit(luma: Luma, sandbox: Sandbox, *scenarios: str) -> list[str]:
    return [
        luma("modify", f"{CLIP_URL}?{n}", "-p", f"sandbox:{scenario} Snow").out.strip()
        for n, scenario in enumerate(scenarios)
    ]


def test_without_task_every_unfinished_one_is_waited_for(luma: Luma, sandbox: Sandbox) -> None:
    first, second, third = submit(luma, sandbox, "ok", "ok", "ok")
    luma("status", second)
    sandbox.requests.clear()
    code, out, _ = luma("wait", "--json")

    assert code == 0
    assert {json.loads(line)["taskId"] for line in out.splitlines()} == {first, third}


def test_without_task_and_nothing_unfinished_wait_is_done(luma: Luma, sandbox: Sandbox) -> None:
    assert luma("wait")[:2] == (0, "")
    assert sandbox.requests == []


def test_an_unfinished_task_of_another_service_is_not_asked_for_here(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(luma, sandbox, "ok")
    with Sandbox(duration=0.0) as other:
        monkeypatch.setenv("LUMA_BASE_URL", other.url)
        assert luma("wait")[:2] == (0, "")
        assert other.requests == []


def test_ids_are_read_from_stdin_where_a_dash_asks_for_it(luma: Luma, sandbox: Sandbox) -> None:
    first, second, _ = submit(luma, sandbox, "ok", "ok", "ok")
    code, out, _ = luma("wait", "-", "--json", stdin=f"\n  {first} \n{second}\r\n{first}\n")

    assert code == 0
    assert sorted(json.loads(line)["taskId"] for line in out.splitlines()) == sorted([first, second])


def test_a_task_from_elsewhere_is_waited_for_by_its_full_id(luma: Luma, sandbox: Sandbox) -> None:
    foreign = sandbox.create({"prompt": "Snow", "videoUrl": CLIP_URL}).task_id

    assert luma("wait", foreign).code == 0
    assert luma("status", foreign[:8], "--cached").out.startswith(foreign)
    assert luma("status", "@last", "--cached").code == 2


def test_a_task_that_nobody_knows_is_waited_for_since_it_may_be_new(luma: Luma, sandbox: Sandbox) -> None:
    code, out, err = luma("wait", ID, "--timeout", "1s")

    assert (code, out) == (8, "")
    assert f"luma: {ID} not visible yet\n" in err


def test_a_task_that_the_service_has_forgotten_exits_6(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = sandbox.create({"prompt": "Snow", "videoUrl": CLIP_URL})
    task.created_ms -= 15 * 86_400_000
    luma("status", task.task_id)
    sandbox.tasks._tasks.clear()

    code, out, err = luma("wait", task.task_id)
    assert (code, out) == (6, "")
    assert "recordInfo is null" in err


def test_two_waits_for_one_task_both_see_its_end(luma: Luma, sandbox: Sandbox, run: Luma) -> None:
    [task_id] = submit(luma, sandbox, "ok")
    results: list[Result] = []
    threads = [threading.Thread(target=lambda: results.append(run("wait", task_id))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [result.code for result in results] == [0, 0]
    assert len(luma("tasks").out.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--interval", "0"], "--interval must be at least 1s"),
        (["--interval", "soon"], "'soon' is not a duration"),
        (["--timeout", "-5"], "'-5' is not a duration"),
        (["--timeout", "1y"], "'1y' is not a duration"),
        (["--parallel", "0"], "Invalid value for '--parallel'"),
        (["--paralel", "2"], "No such option: --paralel"),
        (["@last"], "the journal holds no task @last"),
        (["not a task"], "'not a task' is not a task id"),
    ],
    ids=" ".join,
)
def test_a_wrong_call_exits_2_and_asks_nothing(luma: Luma, sandbox: Sandbox, words: list[str], error: str) -> None:
    code, out, err = luma("wait", *words)

    assert (code, out, sandbox.requests) == (2, "", [])
    assert f"luma: error: {error}" in err


def test_the_interval_and_the_limit_come_from_the_settings_too(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_INTERVAL", "1s")
    monkeypatch.setenv("LUMA_TIMEOUT", "2s")
    sandbox.tasks.duration = 3600
    [task_id] = submit(luma, sandbox, "ok")
    sandbox.requests.clear()
    code, _, err = luma("wait")

    assert (code, len(sandbox.requests)) == (8, 3)
    assert f"luma: error: task {task_id} has not ended within 2 s\n" in err


def test_at_the_limit_what_has_failed_and_what_goes_on_are_told_apart(luma: Luma, sandbox: Sandbox) -> None:
    [failed] = submit(luma, sandbox, "flag3")
    going = submit(luma, sandbox, "never-ends", "never-ends")
    code, _, err = luma("wait", failed, *going, "--timeout", "1s", "--interval", "1s")

    assert code == 9
    assert err.endswith(
        f"luma: error: 1 of 3 did not succeed, 2 of 3 still generating\nhint: luma wait {' '.join(going)}\n"
    )


def test_nothing_to_wait_for_is_said(luma: Luma, sandbox: Sandbox) -> None:
    assert luma("wait") == (0, "", "luma: there is no task to wait for\n")


def test_nothing_to_wait_for_names_what_has_ended_unsaved(luma: Luma, sandbox: Sandbox) -> None:
    submit(luma, sandbox, "ok")
    luma("status")

    more = "1 finished and not saved: luma download --all-missing -o a.mp4"
    assert luma("wait", "-o", "a.mp4") == (0, "", f"luma: there is no task to wait for; {more}\n")


def test_nothing_to_wait_for_does_not_hide_what_nobody_knows(luma: Luma, sandbox: Sandbox) -> None:
    sandbox.scenario = "lost-answer"
    luma("modify", CLIP_URL, "-p", "Heavy snow")

    assert luma("wait").err.splitlines() == [
        "luma: there is no task to wait for",
        "luma: warning: 1 submission(s) of unknown outcome: luma tasks --state unknown",
    ]
