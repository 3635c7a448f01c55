"""The sandbox's tasks: how they stand at a moment, in the service's own shapes."""

import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FAILURES = {"flag2": (2, "Failed to create the task"), "flag3": (3, "Generation failed")}
INVISIBLE_POLLS = 2
SLOW = 10.0


@dataclass
class SandboxTask:
    task_id: str
    params: dict[str, str]
    scenario: str
    created: float
    created_ms: int
    ends: float
    result: str
    polls: int = 0
    gets: int = 0
    callback_failed: bool = False

    @property
    def param_json(self) -> str:
        """The echo of the request: the service names the watermark differently there (vendor docs, conflict 1)."""
        return json.dumps({**self.params, "waterMark": self.params.get("waterMark", "")})


class TaskStore:
    """All tasks, and the rate at which they may be made. Safe to use from many threads."""

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
        """Take a place in the sliding window; False where it is full."""
        with self._lock:
            now = self._clock()
            while self._recent and self._recent[0] <= now - self._window:
                self._recent.popleft()
            if len(self._recent) >= self._limit:
                return False
            self._recent.append(now)
            return True

    def create(self, params: dict[str, str], scenario: str, result: str) -> SandboxTask:
        now = self._clock()
        length = self.duration * (SLOW if scenario == "slow" else 1.0)
        made = SandboxTask(uuid.uuid4().hex, params, scenario, now, int(time.time() * 1000), now + length, result)
        with self._lock:
            self._tasks[made.task_id] = made
            self._by_result[result] = made
        return made

    def find(self, task_id: str) -> SandboxTask | None:
        return self._tasks.get(task_id)

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
        """The `data` of record-info (vendor page "Get Luma Modify Details"; while generating as its siblings)."""
        record: dict[str, Any] = {
            "taskId": task.task_id,
            "paramJson": task.param_json,
            "completeTime": None,
            "response": None,
            "successFlag": 0,
            "createTime": task.created_ms,
            "errorCode": None,
            "errorMessage": None,
        }
        if not self.has_ended(task):
            return record
        record["completeTime"] = task.created_ms + max(1, int((task.ends - task.created) * 1000))
        if task.scenario in FAILURES:
            flag, reason = FAILURES[task.scenario]
            return {**record, "successFlag": flag, "errorCode": 501, "errorMessage": reason}
        undelivered = task.scenario == "flag4" or task.callback_failed
        links = {"taskId": task.task_id, "originUrls": [task.params["videoUrl"]], "resultUrls": [base + task.result]}
        message = "callback timed out" if undelivered else None
        return {**record, "response": links, "successFlag": 4 if undelivered else 1, "errorMessage": message}
