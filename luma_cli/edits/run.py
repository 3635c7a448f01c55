"""One run, one value: what is constant for a command, handed down; and the plan of what is done with its tasks."""

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from luma_cli.config.settings import Settings
from luma_cli.edits.events import Failed, NotTried, Report
from luma_cli.edits.results import Results
from luma_cli.errors import FileError, LumaError, Unavailable
from luma_cli.journal.journal import Journal

if TYPE_CHECKING:
    from luma_cli.api.client import Client

STDOUT = "-"


@dataclass(frozen=True)
class Clock:
    """Time, as a command sees it: `monotonic` and `now` (Unix time) are readings, `sleep` passes; all in seconds."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Run:
    """What holds for one command. `connect` gives the client when it is first needed; `report` takes the facts.

    `confirm` asks a person (False when nobody is there to ask). `protect` gets secrets that no output may show.
    """

    settings: Settings
    journal: Journal
    results: Results
    connect: "Callable[[], Client]"
    report: Report
    clock: Clock = field(default_factory=Clock)
    confirm: Callable[[str], bool] = lambda _: False
    protect: Callable[[str], None] = lambda _: None

    @property
    def client(self) -> "Client":
        """Raises KeyRejected when there is no key."""
        return self.connect()

    @property
    def base_url(self) -> str:
        return self.settings.base_url

    def fail(self, failed: Failed) -> None:
        """Count a failure and report it."""
        self.results.add(failed.error)
        self.report(failed)

    def give_up(self, error: LumaError, left: int) -> None:
        """`left` more are not tried, since they would fail alike."""
        if left:
            self.report(NotTried(left))
        for _ in range(left):
            self.results.add(error)


@dataclass(frozen=True)
class Plan:
    """How tasks are seen through. Times are in seconds; `output` is a file, a folder, "-" or None for no saving.

    `waits`: their end is waited for. `paid`: this very command submits them, and would pay again if it were run again.
    `max_active` tasks run at once. `rides_out_limits`: the service's rate limit is waited out beside other work.
    """

    interval: float
    timeout: float
    output: str | None = None
    overwrite: bool = False
    skip_existing: bool = False
    fail_fast: bool = False
    parallel: int = 4
    waits: bool = True
    paid: bool = False
    max_active: int | None = None
    max_credits: float | None = None
    rides_out_limits: bool = False
    skips_checks: bool = False
    is_strict: bool = False

    @property
    def option(self) -> str:
        """The option that saves to the same path, for hints; "" when nothing is saved."""
        if self.output is None:
            return ""
        if self.output == STDOUT:
            return " -o FILE"
        return f" -o {shlex.quote(self.output)}{' --force' if self.overwrite else ''}"

    def not_saved(self, error: LumaError, task_id: str) -> LumaError:
        """Why a video is not saved, with a next step that does not pay again: no script may take it for "try again"."""
        if not self.paid:
            return error
        kind = FileError if isinstance(error, Unavailable) else type(error)
        return kind(
            error.message,
            hint=f"the video is paid for and waits at kie.ai: luma download {task_id}{self.option}",
            http_status=error.http_status,
            task_id=task_id,
        )
