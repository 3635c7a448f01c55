"""One task of the sandbox."""

import json
import threading
from dataclasses import dataclass, field
from typing import Any

from luma_cli.sandbox.models import LUMA, Model
from luma_cli.sandbox.scenarios import FAILURES, Failure


@dataclass(eq=False)
class SandboxTask:
    """One task. `result` is the path of its video, `error` what went wrong with it beside its scenario."""

    task_id: str
    params: dict[str, Any]
    scenario: str
    created: float
    created_ms: int
    ends: float
    result: str
    model: Model = LUMA
    price: float = LUMA.price
    error: Failure | None = None
    polls: int = 0
    gets: int = 0
    callback_failed: bool = False
    is_link_dead: bool = False
    to_render: bool = False
    rendering: threading.Lock = field(default_factory=threading.Lock)

    @property
    def edit(self) -> dict[str, Any]:
        return self.model.family.edit(self.params)

    @property
    def prompt(self) -> str:
        return str(self.edit.get("prompt", ""))

    @property
    def video(self) -> str:
        return str(self.edit.get(self.model.clip, ""))

    @property
    def failure(self) -> Failure | None:
        return self.error or FAILURES.get(self.scenario)

    @property
    def param_json(self) -> str:
        """The echo of the request: the service names the watermark differently there (vendor docs, conflict 1)."""
        if self.model.family.name == "jobs":
            return json.dumps(self.params)
        return json.dumps({**self.params, "waterMark": self.params.get("waterMark", "")})
