"""All tasks of the sandbox: their time, and the rate at which they may be made."""

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

from luma_cli.sandbox.models import LUMA, Model
from luma_cli.sandbox.records import CALLBACKS, RECORDS, View
from luma_cli.sandbox.tasks import SandboxTask

INVISIBLE_POLLS = 2
SLOW = 10.0


class TaskStore:
    """Tasks by id. Safe to use from many threads."""

    def __init__(self, duration: float, clock: Callable[[], float], rate_limit: int, rate_window: float) -> None:
        self.duration = duration
        self._clock = clock
        self._limit = rate_limit
        self._window = rate_window
        self._recent: deque[float] = deque()
        self._tasks: dict[str, SandboxTask] = {}
        self._by_result: dict[str, SandboxTask] = {}
        self._lock = threading.Lock()

    def may_create(self) -> bool:
        """Take a slot in the sliding window; False if it is full."""
        with self._lock:
            now = self._clock()
            while self._recent and self._recent[0] <= now - self._window:
                self._recent.popleft()
            if len(self._recent) >= self._limit:
                return False
            self._recent.append(now)
            return True

    def create(self, params: dict[str, Any], scenario: str, result: str, model: Model = LUMA) -> SandboxTask:
        now = self._clock()
        length = float("inf") if scenario == "never-ends" else self.duration * (SLOW if scenario == "slow" else 1.0)
        began = int(time.time() * 1000)
        made = SandboxTask(uuid.uuid4().hex, params, scenario, now, began, now + length, result, model)
        with self._lock:
            self._tasks[made.task_id] = made
            self._by_result[result] = made
        return made

    def find(self, task_id: str) -> SandboxTask | None:
        return self._tasks.get(task_id)

    def all(self) -> list[SandboxTask]:
        """Every task, in the order of submission."""
        with self._lock:
            return list(self._tasks.values())

    def of_result(self, served: str) -> SandboxTask | None:
        return self._by_result.get(served)

    def count_get(self, task: SandboxTask) -> int:
        with self._lock:
            task.gets += 1
            return task.gets

    def is_visible(self, task: SandboxTask) -> bool:
        """Counts a question; with `not-visible` the first two find nothing."""
        with self._lock:
            task.polls += 1
            return task.scenario != "not-visible" or task.polls > INVISIBLE_POLLS

    def has_ended(self, task: SandboxTask) -> bool:
        return self._clock() >= task.ends

    def record(self, task: SandboxTask, base: str) -> dict[str, Any]:
        """The `data` of the task's record, in the shape of its family."""
        return RECORDS[task.model.family.name](self._view(task, base))

    def callback(self, task: SandboxTask, base: str) -> dict[str, Any]:
        """What is sent to the task's callback address at its end."""
        return CALLBACKS[task.model.family.name](self._view(task, base)._replace(progress=1.0))

    def _view(self, task: SandboxTask, base: str) -> View:
        passed, length = self._clock() - task.created, task.ends - task.created
        return View(task, base, 1.0 if passed >= length else passed / length)
