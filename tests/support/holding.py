"""A sandbox that holds back its reply to one request, so that a command stands still in a phase of our choice."""

import re
import threading

from luma_cli.sandbox import Sandbox
from luma_cli.sandbox.handler import Request, RequestLog


class Hold(RequestLog):
    """`arrived` is set by the first request with such a method and path; its reply waits for `go`."""

    def __init__(self, pattern: str) -> None:
        super().__init__()
        self._pattern = pattern
        self.arrived = threading.Event()
        self.go = threading.Event()

    def append(self, request: Request) -> None:
        super().append(request)
        if not self.arrived.is_set() and re.match(self._pattern, f"{request.method} {request.path}"):
            self.arrived.set()
            self.go.wait(60)


def hold(sandbox: Sandbox, pattern: str) -> Hold:
    """Have the sandbox hold back its reply to the first request from now on that matches `METHOD /path`."""
    sandbox.requests = held = Hold(pattern)
    return held
