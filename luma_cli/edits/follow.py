"""See tasks through to their end: wait, save the videos, tell each result as it comes."""

import queue
from collections.abc import Sequence
from dataclasses import dataclass

from luma_cli.api.client import Client
from luma_cli.api.task import Task
from luma_cli.edits.plan import Goal, Plan, verdict
from luma_cli.edits.poll import Inbox, Poll, Watched, watch
from luma_cli.edits.results import Outcomes
from luma_cli.edits.save import Saved, Saver
from luma_cli.errors import LumaError, StillGenerating
from luma_cli.journal.journal import Journal
from luma_cli.output import streams
from luma_cli.output.progress import Screen


def finish(
    goals: Sequence[Goal],
    client: Client,
    journal: Journal,
    plan: Plan,
    outcomes: Outcomes,
    inbox: Inbox | None = None,
) -> None:
    """Wait for the tasks and print each result as it comes: links, or saved paths where the plan says so.

    How each ended goes into `outcomes`.

    Raises:
        KeyRejected, OutOfCredits, Rejected: the service answers no question of ours; the tasks go on.
    """
    for goal in goals:
        streams.track(goal.task_id)
    inbox = inbox if inbox is not None else queue.Queue()
    with (
        Screen(len(goals), plan.timeout, journal.median_duration()) as screen,
        Saver(client, journal, plan, screen, outcomes, inbox) as saver,
    ):
        _Finish(goals, client, journal, plan, outcomes, screen, inbox, saver).run()


@dataclass
class _Finish:
    goals: Sequence[Goal]
    client: Client
    journal: Journal
    plan: Plan
    outcomes: Outcomes
    screen: Screen
    inbox: Inbox
    saver: Saver

    def run(self) -> None:
        self.waiting = {goal.task_id: goal for goal in self.goals}
        fatal = self._wait()
        self.saver.drain()
        streams.show_running()
        if fatal is not None:
            raise fatal

    def _wait(self) -> LumaError | None:
        """Wait for all tasks; the error, where the service answers no question of ours."""
        watched = [Watched(goal.task_id, goal.age) for goal in self.goals]
        plan = self.plan
        events = watch(watched, self.client.task, interval=plan.interval, timeout=plan.timeout, inbox=self.inbox)
        try:
            for event in events:
                self._take(event)
                if plan.fail_fast and self.outcomes.errors:
                    return None
        except StillGenerating as error:
            self._give_up(error)
        except LumaError as error:
            return error
        return None

    def _give_up(self, error: StillGenerating) -> None:
        """Each of these errors says how to go on."""
        for task_id in self.waiting:
            streams.untrack(task_id)
            one = StillGenerating("not ended within the limit") if self.outcomes.count > 1 else error
            one.hint = f"it goes on: {streams.way_to_wait([task_id])}"
            self.outcomes.fail(one, task_id)

    def _take(self, event: object) -> None:
        if isinstance(event, Saved):
            self.saver.take(event)
        elif isinstance(event, Poll):
            self.screen.show(event)
            if event.task is not None:
                self.journal.learn_if_possible(event.task, self.client.base_url)
            if event.final:
                self._end(event)

    def _end(self, poll: Poll) -> None:
        """A task has ended, or cannot be asked for any more."""
        goal = self.waiting.pop(poll.task_id)
        error = poll.error or (verdict(poll.task) if poll.task is not None else None)
        if poll.task is not None and "callback_failed" in poll.task.warnings and poll.task.has_video:
            streams.note(f"{poll.task_id}: the video is there, but kie.ai could not deliver the callback")
        if poll.task is not None and error is None and self.plan.output is not None:
            return self.saver.start(poll.task, goal.stem)
        streams.untrack(poll.task_id)
        if poll.task is not None:
            _tell(poll.task)
        if error is not None:
            self.outcomes.fail(error, poll.task_id)
        return None


def _tell(task: Task) -> None:
    """Print an ended task: its links, or the whole object with --json."""
    streams.answer_task(task, task.result_urls if task.has_video else ())
