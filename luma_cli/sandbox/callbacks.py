"""Callbacks when a task ends, as the service documents them, and only to loopback."""

import base64
import hashlib
import hmac
import http.client
import ipaddress
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from luma_cli.sandbox.tasks import SandboxTask

# Vendor page "Luma Modify Callbacks": answer within 15 s, three retries. Their spacing is not documented.
REPLY_TIMEOUT = 15.0
RETRIES = 3
# Seconds that a callback comes after its submission at least, whose reply comes first.
REPLY_LEAD = 0.2
STALE = 600


@dataclass(frozen=True)
class Delivery:
    """One attempt to call back: when it began, and the HTTP status that came (None: no reply)."""

    task_id: str
    path: str
    status: int | None
    at: float


class Callbacks:
    """Sends each task's callback once it has ended. `deliveries` holds every attempt, in the order of their ends."""

    def __init__(
        self,
        webhook_key: str | None,
        clock: Callable[[], float],
        complete: Callable[[SandboxTask], dict[str, Any]],
    ) -> None:
        """`complete` makes what is still missing of a task and returns its callback's body."""
        self._complete = complete
        self.webhook_key = webhook_key
        self.pause = 1.0
        self.deliveries: list[Delivery] = []
        self._clock = clock
        self._timers: dict[SandboxTask, threading.Timer] = {}
        self._stopping = threading.Event()

    def expect(self, task: SandboxTask) -> None:
        """Call back when the task ends, if it asked for that. With `flag4` the delivery is what fails."""
        if task.params.get("callBackUrl") and task.scenario != "flag4":
            self._send_after(max(REPLY_LEAD, task.ends - self._clock()), task)

    def hurry(self, task: SandboxTask) -> None:
        """The task has ended early."""
        if timer := self._timers.pop(task, None):
            timer.cancel()
            self._send_after(0.0, task)

    def _send_after(self, seconds: float, task: SandboxTask) -> None:
        self._timers[task] = timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), self._send_due, [task])
        timer.daemon = True
        timer.start()

    def _send_due(self, task: SandboxTask) -> None:
        if self._timers.pop(task, None):  # else it was sent when the task ended early
            self.send(task)

    def send(self, task: SandboxTask) -> bool:
        """Deliver now, with the documented retries; True if the reply was 200."""
        times = 2 if task.scenario == "callback-duplicate" else 1
        return all(self._deliver(task) for _ in range(times))

    def stop(self) -> None:
        self._stopping.set()
        for timer in list(self._timers.values()):
            timer.cancel()

    def _deliver(self, task: SandboxTask) -> bool:
        body = json.dumps(self._complete(task)).encode()
        for attempt in range(1 + RETRIES):
            if attempt and self._stopping.wait(self.pause):
                break
            at = self._clock()
            status = self._post(task, body)
            path = urlsplit(task.params["callBackUrl"]).path or "/"
            self.deliveries.append(Delivery(task.task_id, path, status, at))
            if status == 200:
                return True
        task.callback_failed = True
        return False

    def _post(self, task: SandboxTask, body: bytes) -> int | None:
        url = urlsplit(task.params["callBackUrl"])
        if url.scheme != "http" or not _is_loopback(url.hostname or ""):
            return None
        connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=REPLY_TIMEOUT)
        try:
            path = (url.path or "/") + (f"?{url.query}" if url.query else "")
            connection.request("POST", path, body, {"Content-Type": "application/json", **self._signature(task)})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _signature(self, task: SandboxTask) -> dict[str, str]:
        if self.webhook_key is None:
            return {}
        stamp = str(int(time.time()) - (STALE if task.scenario == "callback-stale" else 0))
        key = self.webhook_key + ("?" if task.scenario == "callback-forged" else "")
        digest = hmac.new(key.encode(), f"{task.task_id}.{stamp}".encode(), hashlib.sha256).digest()
        return {"X-Webhook-Timestamp": stamp, "X-Webhook-Signature": base64.b64encode(digest).decode()}


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
