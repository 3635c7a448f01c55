"""One run, one value: what is constant for a command, handed down; what becomes of its tasks, and the plan."""

import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
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


def wait_command(task_ids: Iterable[str], options: str = "", *, name: str = "wait") -> str:
    """The command that waits for tasks (or with another `name` saves them), to be typed after `luma`'s last word."""
    words = [shlex.quote(task_id) for task_id in islice(task_ids, MAX_NAMED)]
    return f"luma {name} {'-- ' if words and words[0].startswith('-') else ''}{' '.join(words)}{options}"


def common_kind(errors: Sequence[LumaError], count: int) -> type[LumaError]:
    """The class of what is raised for several errors: their own if all `count` failed alike, else `MixedOutcomes`."""
    alike = len(errors) == count and len({error.exit_code for error in errors}) == 1
    return type(errors[0]) if alike else MixedOutcomes


@dataclass(eq=False, repr=False)
class Results:
    """Collects what becomes of `count` edits. Used from one thread."""

    count: int = 1
    errors: list[LumaError] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    running: dict[str, None] = field(default_factory=dict)  # an ordered set
    next_step: str | None = None  # what to say on a signal instead of the command that waits for the tasks
    save_option: str = ""  # the option that saves the videos
    has_sent: bool = False  # something may have been submitted
    is_in_doubt: bool = False  # it was stopped before the reply came
    clips: dict[str, str] = field(default_factory=dict)  # sources as named, by task id (by path if joined)
    refused: list[Failed] = field(default_factory=list)  # what has no task
    shard: str | None = None  # the part of a batch that this run is to make

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

    def forgive(self, row: int) -> None:
        """The submission of this row of the journal, of unknown outcome until now, has its task after all."""
        self.errors = [error for error in self.errors if not (isinstance(error, OutcomeUnknown) and error.row == row)]

    @property
    def done(self) -> list[str]:
        """Those of the running whose edit has ended: what goes on is only that its video is saved."""
        return [task_id for task_id in self.running if self.tasks[task_id].has_ended]

    def resume_command(self, task_ids: Sequence[str] = ()) -> str:
        """The command that goes on with what runs, or with these tasks."""
        named = task_ids or list(self.running)
        has_ended = all(self.tasks[task_id].has_ended for task_id in named)
        return wait_command(named, self.save_option, name="download" if has_ended else "wait")

    def wait_command(self, task_ids: Iterable[str] = ()) -> str:
        """The command that waits for tasks, or what runs, and does with them what this run meant to do."""
        return wait_command(task_ids or self.running, self.save_option)

    def conclude(self) -> None:
        """Raise what went wrong, if anything did.

        Raises:
            MixedOutcomes: several tasks ended differently. When all failed alike, their own class.
        """
        if not self.errors:
            return
        if self.count == 1:
            raise self.errors[0]
        going = [error.task_id for error in self.errors if isinstance(error, StillGenerating) and error.task_id]
        ended = len(self.errors) - len(going)
        words = [f"{ended} of {self.count} did not succeed"] if ended else []
        words += [f"{len(going)} of {self.count} still generating"] if going else []
        hint = self.next_step or self.wait_command(going) if going else "each has its own line above"
        summary = common_kind(self.errors, self.count)(", ".join(words), hint=hint)
        summary.findings = tuple(finding for error in self.errors for finding in error.findings)
        raise summary


class Clock(NamedTuple):
    """Time, as a command sees it: `monotonic` and `now` (Unix time) are readings, `sleep` passes; all in seconds."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


class Run(NamedTuple):
    """What holds for one command."""

    settings: Settings
    journal: Journal
    results: Results
    connect: "Callable[[], Client]"  # gives the client when it is first needed
    report: Report  # takes the facts
    clock: Clock = Clock()
    confirm: Callable[[str], bool] = lambda _: False  # asks a person; False if nobody is there to ask,
    can_ask: Callable[[], bool] = lambda: False  # which this says
    protect: Callable[[str], None] = lambda _: None  # gets secrets that no output may show

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
        self.results.errors.append(failed.error)
        if failed.task is None and not isinstance(failed.error, StillGenerating):
            self.results.refused.append(failed)
        self.report(failed)

    def give_up(self, error: LumaError, left: int) -> None:
        """`left` more are not tried, since they would fail alike."""
        if left:
            self.report(NotTried(left))
            self.results.errors += [error] * left


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
