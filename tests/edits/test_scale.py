"""Thousands of tasks in one process: nobody waits for another, and the work grows with the tasks, no faster."""

import gc
import os
import queue
import resource
import socket
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from luma_cli.api.task import State, Task
from luma_cli.api.transport import Session
from luma_cli.downloads.download import download
from luma_cli.edits import poll
from luma_cli.edits.poll import WORKERS, Add, Close, Poll, Wake, Watched
from luma_cli.errors import Unavailable
from luma_cli.sandbox import Sandbox
from support.commands import MIB, measured
from support.polling import watch

INTERVAL = 10.0
TASKS = int(os.environ.get("LUMA_TEST_TASKS", "300"))


class World:
    """A clock that moves when `watch` sleeps, and tasks that end after so many polls."""

    def __init__(self, polls: int) -> None:
        self.now = 0.0
        self.looks = 0
        self.polls = polls
        self.asked: Counter[str] = Counter()
        self.lock = threading.Lock()

    def clock(self) -> float:
        self.looks += 1
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def fetch(self, task_id: str) -> Task:
        with self.lock:
            self.asked[task_id] += 1
            ended = self.asked[task_id] >= self.polls
        return Task(task_id, State.SUCCEEDED if ended else State.GENERATING)


def watched(count: int) -> list[Watched]:
    return [Watched(f"task-{number}", 100.0) for number in range(count)]


def run(world: World, count: int) -> list[object]:
    return list(
        watch(watched(count), world.fetch, interval=INTERVAL, timeout=900, clock=world.clock, sleep=world.sleep)
    )


def test_two_thousand_tasks_are_asked_equally_often() -> None:
    world = World(polls=5)
    events = run(world, 2000)

    assert set(world.asked.values()) == {5}
    assert sum(isinstance(event, Poll) and event.final for event in events) == 2000
    assert world.now == 4 * INTERVAL


def steps_of(work: Callable[[int], object], count: int) -> float:
    """Bytecodes that `wait` executes in this thread, by the number of tasks."""
    steps = 0

    def trace(frame: FrameType, event: str, _arg: Any) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return trace

    sys.settrace(
        lambda frame, event, arg: trace(frame, event, arg) if frame.f_code.co_filename == poll.__file__ else None
    )
    try:
        work(count)
    finally:
        sys.settrace(None)
    assert steps
    return steps / count


def test_the_work_grows_with_the_tasks_and_no_faster() -> None:
    few, many = (steps_of(lambda count: run(World(polls=3), count), count) for count in (100, 1000))

    assert many <= few * 1.2


def wake_all(count: int) -> None:
    """A callback for each of so many tasks, in the reverse order, while all are between two polls."""
    world, inbox = World(polls=2), queue.Queue[object]()
    between: list[str] = []
    events = watch(watched(count), world.fetch, interval=INTERVAL, timeout=0, inbox=inbox, clock=world.clock)
    for event in events:
        assert isinstance(event, Poll)
        between.append(event.task_id)
        if len(between) == count:
            for task_id in reversed(between):
                inbox.put(Wake(task_id))
    assert set(world.asked.values()) == {2}


def test_callbacks_of_many_tasks_are_no_more_work_than_polls() -> None:
    few, many = (steps_of(wake_all, count) for count in (100, 1000))

    assert many <= few * 1.2


def test_memory_does_not_grow_with_the_polls() -> None:
    world, sizes = World(polls=30), []
    tracemalloc.start()
    try:
        for event in watch(
            watched(500), world.fetch, interval=INTERVAL, timeout=0, clock=world.clock, sleep=world.sleep
        ):
            assert isinstance(event, Poll)
            if event.task_id == "task-499" and world.asked["task-499"] in (5, 25):
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert sizes[-1] < sizes[0] + 100_000


def test_few_threads_carry_all_tasks() -> None:
    world, seen = World(polls=2), set()

    def fetch(task_id: str) -> Task:
        seen.add(threading.get_ident())
        return world.fetch(task_id)

    list(watch(watched(500), fetch, interval=INTERVAL, timeout=900, clock=world.clock, sleep=world.sleep))
    assert len(seen) <= WORKERS


def test_a_stuck_reply_holds_up_nobody_else() -> None:
    """It comes only when all others have ended."""
    others_have_ended = threading.Event()
    world = World(polls=1)

    def fetch(task_id: str) -> Task:
        if task_id == "task-0":
            assert others_have_ended.wait(60)
        return world.fetch(task_id)

    ended = 0
    for event in watch(watched(300), fetch, interval=INTERVAL, timeout=0):
        ended += isinstance(event, Poll) and event.final
        if ended == 299:
            others_have_ended.set()
    assert ended == 300


def test_more_stuck_replies_than_workers_hold_up_nobody_else() -> None:
    """They come only when all others have ended."""
    others_have_ended = threading.Event()
    world, stuck = World(polls=1), {f"task-{number}" for number in range(2 * WORKERS)}

    def fetch(task_id: str) -> Task:
        if task_id in stuck:
            assert others_have_ended.wait(60)
        return world.fetch(task_id)

    ended = 0
    for event in watch(watched(300), fetch, interval=INTERVAL, timeout=0):
        ended += isinstance(event, Poll) and event.final
        if ended == 300 - len(stuck):
            others_have_ended.set()
    assert ended == 300


def test_workers_that_stood_in_for_stuck_ones_leave() -> None:
    """The clock jumps past what is stuck with every look, so the first poll of all has a worker of its own."""
    world, together = World(polls=3), threading.Barrier(3 * WORKERS)
    before, workers = threading.active_count(), []

    def fetch(task_id: str) -> Task:
        if world.asked[task_id] == 0:
            together.wait(60)
        if world.asked[task_id] == 2:
            workers.append(threading.active_count() - before)
        return world.fetch(task_id)

    def clock() -> float:
        world.now += 0.01 if world.asked else 3.0
        return world.now

    list(watch(watched(3 * WORKERS), fetch, interval=INTERVAL, timeout=0, clock=clock, sleep=world.sleep))
    assert min(workers) <= WORKERS


def test_one_task_with_errors_does_not_slow_the_others() -> None:
    world = World(polls=10)

    def fetch(task_id: str) -> Task:
        if task_id == "task-0" and world.asked[task_id] < 4:
            with world.lock:
                world.asked[task_id] += 1
            raise Unavailable("down")
        return world.fetch(task_id)

    times: dict[str, float] = {}
    events = watch(watched(5), fetch, interval=INTERVAL, timeout=0, clock=world.clock, sleep=world.sleep)
    for event in events:
        if isinstance(event, Poll) and event.final:
            times[event.task_id] = world.now
    assert {times[f"task-{number}"] for number in range(1, 5)} == {9 * INTERVAL}
    assert times["task-0"] > 9 * INTERVAL


def test_tasks_can_be_added_until_the_list_is_closed() -> None:
    world = World(polls=1)
    inbox: queue.Queue[object] = queue.Queue()
    inbox.put(Add(Watched("task-0")))
    ended = []
    for event in watch((), world.fetch, interval=INTERVAL, timeout=900, inbox=inbox, stays_open=True):
        assert isinstance(event, Poll)
        ended.append(event.task_id)
        inbox.put(Add(Watched(f"task-{len(ended)}")) if len(ended) < 5 else Close())
    assert ended == [f"task-{number}" for number in range(5)]


@pytest.mark.skipif(os.name != "posix", reason="counts descriptors")
def test_one_process_waits_for_many_tasks_with_a_few_descriptors(sandbox: Sandbox) -> None:
    count = TASKS
    tasks = [sandbox.create({"prompt": "Snow", "videoUrl": "https://a.example/b.mp4"}) for _ in range(count)]
    result, used = measured(
        [sys.executable, "-m", "luma_cli", "wait", "-", "-o", "out/", "-q"],
        input="\n".join(task.task_id for task in tasks),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    )
    print(f"{count} tasks: peak {used.peak / MIB:.0f} MiB, CPU {used.cpu:.1f} s")
    assert result.code == 0, result.err
    assert len(set(result.out.splitlines())) == len(os.listdir("out")) == count
    assert used.peak < 120 * MIB


def test_a_download_leaves_no_connection_to_the_garbage_collector(sandbox: Sandbox, tmp_path: Path) -> None:
    task = sandbox.create({"prompt": "Snow", "videoUrl": "https://a.example/b.mp4"})
    gc.disable()
    try:
        with Session() as session:
            download(
                sandbox.url + task.result,
                tmp_path / "a.mp4",
                identity=task.task_id,
                session=session,
                check_whole=lambda _: None,
            )
            assert len(connections_to(sandbox.url)) == 1
        assert connections_to(sandbox.url) == []
    finally:
        gc.enable()


def connections_to(url: str) -> list[socket.socket]:
    sockets = [sock for sock in gc.get_objects() if isinstance(sock, socket.socket) and sock.fileno() != -1]
    return [sock for sock in sockets if is_connected(sock) and url.endswith(f":{sock.getpeername()[1]}")]


def is_connected(each: socket.socket) -> bool:
    try:
        each.getpeername()
    except OSError:
        return False
    return True
