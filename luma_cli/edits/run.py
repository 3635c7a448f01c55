"""One run, one value: what is constant for a command, handed down; what becomes of its tasks, and the plan."""

import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from luma_cli.api.task import State, Task
from luma_cli.config.settings import Settings
from luma_cli.edits.events import Failed, NotTried, Report
from luma_cli.errors import FileError, LumaError, MixedOutcomes, OutcomeUnknown, StillGenerating, Unavailable
from luma_cli.journal.journal import Journal

if TYPE_CHECKING:
    from luma_cli.api.client import Client

STDOUT = "-"
MAX_NAMED = 20
RUN_AGAIN = "run the same command again, it goes on where it stopped"


class Results:
    """Collects what becomes of `count` edits. Used from one thread."""

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self.errors: list[LumaError] = []
        self.tasks: dict[str, Task] = {}
        self.running: dict[str, None] = {}  # an ordered set
        self.next_step: str | None = None  # what to say on a signal instead of the command that waits for the tasks
        self.save_option = ""  # the option that saves the videos
        self.has_sent = False  # something may have been submitted
        self.is_in_doubt = False  # it was stopped before the reply came
        self.clips: dict[str, str] = {}  # the sources by task id (by path if joined), as the user named them
        self.refused: list[Failed] = []  # what has no task
        self.shard: str | None = None  # the part of a batch that this run is to make

    def track(self, task_id: str, clip: str = "", known: Task | None = None) -> None:
        """Remember a task that runs, so that every way out can say how to go on; its clip, and what is known of it."""
        self.running[task_id] = None
        self.tasks.setdefault(task_id, known or Task(task_id, State.GENERATING))
        self.clips[task_id] = clip or self.clips.get(task_id, "")

    def untrack(self, task_id: str) -> None:
        self.running.pop(task_id, None)

    def see(self, task: Task) -> None:
        """Remember a task as it was last seen. A link without a task is known by itself, a joined clip by its file."""
        if name := task.task_id or " ".join(task.result_urls) or " ".join(file.path for file in task.files):
            known = self.tasks.get(name, task).prompt  # what we asked for is ours, whatever the service echoes
            self.tasks[name] = task._replace(prompt=task.prompt if known is None else known)

    def add(self, error: LumaError) -> None:
        self.errors.append(error)

    def forgive(self, row: int) -> None:
        """The submission of this row of the journal, of unknown outcome until now, has its task after all."""
        self.errors = [error for error in self.errors if not (isinstance(error, OutcomeUnknown) and error.row == row)]

    @property
    def done(self) -> list[str]:
        """Those of the running whose edit has ended: what goes on is only that its video is saved."""
        return [task_id for task_id in self.running if self.tasks[task_id].has_ended]

    def way_on(self, task_ids: Sequence[str] = ()) -> str:
        """The command that goes on with what runs, or with these tasks."""
        named = task_ids or list(self.running)
        is_done = all(self.tasks[task_id].has_ended for task_id in named)
        return self._command("download" if is_done else "wait", named)

    def wait_command(self, task_ids: Iterable[str] | None = None) -> str:
        """The command that waits for tasks, and does with them what this run meant to do."""
        return self._command("wait", task_ids or self.running)

    def _command(self, name: str, task_ids: Iterable[str]) -> str:
        words = [shlex.quote(task_id) for task_id in islice(task_ids, MAX_NAMED)]
        return f"luma {name} {'-- ' if words and words[0].startswith('-') else ''}{' '.join(words)}{self.save_option}"

    def conclude(self) -> None:
        """Raise what went wrong, if anything did.

        Raises:
            MixedOutcomes: several tasks ended differently. When all failed alike, their own class.
        """
        if not self.errors:
            return
        first = self.errors[0]
        if self.count == 1:
            raise first
        alike = len(self.errors) == self.count and len({error.exit_code for error in self.errors}) == 1
        kind = type(first) if alike else MixedOutcomes
        going = [error.task_id for error in self.errors if isinstance(error, StillGenerating) and error.task_id]
        ended = len(self.errors) - len(going)
        words = [f"{ended} of {self.count} did not succeed"] if ended else []
        words += [f"{len(going)} of {self.count} still generating"] if going else []
        hint = self.next_step or self.wait_command(going) if going else "each has its own line above"
        summary = kind(", ".join(words), hint=hint)
        summary.findings = tuple(finding for error in self.errors for finding in error.findings)
        raise summary


class Clock(NamedTuple):
    """Time, as a command sees it: `monotonic` and `now` (Unix time) are readings, `sleep` passes; all in seconds."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


class Run(NamedTuple):
    """What holds for one command. `connect` gives the client when it is first needed; `report` takes the facts.

    `confirm` asks a person (False when nobody is there to ask, which `can_ask` says). `protect` gets secrets that no
    output may show.
    """

    settings: Settings
    journal: Journal
    results: Results
    connect: "Callable[[], Client]"
    report: Report
    clock: Clock = Clock()
    confirm: Callable[[str], bool] = lambda _: False
    can_ask: Callable[[], bool] = lambda: False
    protect: Callable[[str], None] = lambda _: None

    @property
    def client(self) -> "Client":
        """Raises KeyRejected when there is no key."""
        return self.connect()

    def for_account(self) -> "Run":
        """The same run, whose journal shows what the account of our key has submitted.

        Raises:
            KeyRejected: there is no key.
        """
        return self._replace(journal=self.journal.for_account(self.journal.accounts.fingerprint(self.client.api_key)))

    def fail(self, failed: Failed) -> None:
        """Count a failure and report it."""
        self.results.add(failed.error)
        if failed.task is None and not isinstance(failed.error, StillGenerating):
            self.results.refused.append(failed)
        self.report(failed)

    def give_up(self, error: LumaError, left: int) -> None:
        """`left` more are not tried, since they would fail alike."""
        if left:
            self.report(NotTried(left))
        for _ in range(left):
            self.results.add(error)


class Finishing(NamedTuple):
    """How results are finished. None is not said: then what was said before counts, and else the setting.

    `audio` is "keep", "none" or the path of a file.
    """

    audio: str | None = None
    match: bool | None = None
    as_delivered: bool = False


class Plan(NamedTuple):
    """How tasks are seen through. Times are in seconds."""

    interval: float
    timeout: float
    output: str | None = None  # a file, a folder, "-", or None for no saving
    overwrite: bool = False
    skip_existing: bool = False
    fail_fast: bool = False
    parallel: int = 4  # downloads at once
    waits: bool = True  # for the end of the tasks
    paid: bool = False  # this very command submits, and would pay again if it were run again
    max_active: int | None = None  # tasks that run at once
    max_credits: float | None = None
    rides_out_limits: bool = False  # the service's rate limit is waited out beside other work
    skips_checks: bool = False
    is_strict: bool = False  # warnings of the checks are errors
    finishing: Finishing = Finishing()
    writes_recipe: bool = False  # what made a video is written beside its file
    only_reports: bool = False  # a task that has failed is no failure of this run
    only_saves: bool = False  # tasks are asked once, and those that have not ended are failures
    finishes_again: bool = False  # a file that is saved already is fetched and finished anew
    keeps_pieces: bool = False  # the work folder of a clip in pieces stays

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
