"""`--on-done COMMAND`: a command of the user's, run once for each task that has ended."""

import logging
import os
import subprocess

from luma_cli import signals
from luma_cli.api.task import Task
from luma_cli.config.environment import environment_without_keys
from luma_cli.edits.events import Ended, Event, Failed, Report, Warned
from luma_cli.errors import reason
from luma_cli.output import streams
from luma_cli.output.formats import task_members

log = logging.getLogger(__name__)

SHELL = ("cmd", "/c") if os.name == "nt" else ("sh", "-c")
STDERR = 2


class OnDone:
    """Takes the facts of a run, hands them on, and runs the command at each task's end. Its failure is a warning."""

    def __init__(self, report: Report, command: str) -> None:
        self._report = report
        self._command = command
        self._done: set[str] = set()

    def __call__(self, event: Event) -> None:
        self._report(event)
        if isinstance(event, Ended | Failed) and event.task is not None and event.task.has_ended:
            self._run_once(event.task)

    def _run_once(self, task: Task) -> None:
        name = task.task_id or "".join(file.path for file in task.files)  # a clip of several tasks has no id
        if not name or name in self._done:
            return
        self._done.add(name)
        log.info("running the command of --on-done for %s", task.task_id)
        try:
            status = self._run(task)
        except OSError as error:
            self._report(Warned(f"--on-done: cannot run {SHELL[0]}: {reason(error)}"))
            return
        except ValueError:  # a NUL or the like in a name that came from outside
            self._report(Warned(f"--on-done: the facts of {task.task_id} do not fit into an environment", once=False))
            return
        if status:
            self._report(Warned(f"--on-done: the command for {task.task_id} ended with {status}", once=False))

    def _run(self, task: Task) -> int:
        facts = {
            "LUMA_TASK_ID": task.task_id,
            "LUMA_STATE": str(task.state),
            "LUMA_FILE": task.files[0].path if task.files else "",
            "LUMA_JSON": streams.json_line(task_members(task)),
        }
        environment = environment_without_keys(facts)
        # What it prints is no result of ours: stdout is for those alone.
        with signals.child(
            [*SHELL, self._command], env=environment, stdin=subprocess.DEVNULL, stdout=STDERR, stderr=STDERR
        ) as process:
            return process.wait()
