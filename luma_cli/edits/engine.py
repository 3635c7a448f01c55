"""The one loop: submit, poll, save, report. What it works on are entries, wherever they come from."""

import functools
import os
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from luma_cli import signals
from luma_cli.api.task import VISIBILITY_GRACE, Task
from luma_cli.downloads.file_names import PATTERN_WITH_PROMPT
from luma_cli.edits.budget import Spending
from luma_cli.edits.endings import Endings
from luma_cli.edits.events import Finished, Note, Polled, Started, StillRunning, Submitted
from luma_cli.edits.outputs import check_row_output, paths_of
from luma_cli.edits.poll import Add, Inbox, Later, Poll, Stopping, Wake, Watch, Watched
from luma_cli.edits.refresh import SlowTasks, failure_of, task_now, usual_duration
from luma_cli.edits.request import Entry
from luma_cli.edits.run import RUN_AGAIN, STDOUT, Plan, Run
from luma_cli.edits.save import Saved, Saver, all_saved
from luma_cli.edits.sources.joiner import Joined, Joiner
from luma_cli.edits.sources.pieces import counted
from luma_cli.edits.submit import AGAIN_HINT, Submitter, Turn
from luma_cli.edits.uploads import UploadEnded, Uploads
from luma_cli.errors import ACCOUNT_ERRORS, FileError, LumaError, Rejected, StillGenerating
from luma_cli.journal.submissions import BeingSent

ANOTHER_FAILED = "left since another row failed"


class _Look(NamedTuple):
    """Time to look for what an ended task has cost."""

    task_id: str


class Heard(NamedTuple):
    """Somebody says that a task has ended: it is asked for, but not within `pause` seconds after the last time."""

    watched: Watched
    pause: float = 0.0


class Source(Protocol):
    """Where tasks come from while the loop runs, until a signal ends it."""

    def take(self, event: object) -> Heard | None:
        """Something that was put into the inbox from outside, and the task that it names."""

    def see(self, task: Task) -> None:
        """The service has said how a task stands, which is not recorded yet."""

    def stop(self) -> None:
        """A signal has come: nothing more is to be put into the inbox."""


def see_through(run: Run, plan: Plan, entries: Sequence[Entry], inbox: Inbox | None = None) -> None:
    """Submit, await and save entries, and report each as it ends. How each ended goes into the run's results.

    What others put into `inbox` (a `Wake`) is obeyed.

    Raises:
        KeyRejected, OutOfCredits, Rejected: the service answers no question of ours; the tasks go on.
    """
    models = (model for entry in entries for model in entry.models)
    estimate = usual_duration(run, models) if plan.waits else None
    is_manifest = any(entry.entry_id is not None for entry in entries)
    count = sum(entry.request.pieces if entry.request else 1 for entry in entries)
    run.report(Started(count, plan.timeout if plan.waits else 0.0, estimate, is_manifest, plan.output))
    try:
        _Engine(run, plan, inbox if inbox is not None else queue.Queue()).process(entries)
    finally:
        run.report(Finished())


def keep_asking(run: Run, plan: Plan, source: Source, inbox: Inbox, last_work: float) -> None:
    """Ask for the tasks that a source names, record them, and report each as it ends, until a signal comes.

    `last_work` is how many seconds it may take then to finish what is under way; the rest is in the run's results.

    Raises:
        KeyRejected, OutOfCredits, Rejected: the service answers no question of ours.
        Stopped: the signal.
    """
    _Engine(run, plan, inbox, source, last_work).process(())


@dataclass(eq=False, repr=False)
class _Engine:
    """Used from one thread, which owns the journal."""

    _run: Run
    _plan: Plan
    _inbox: Inbox
    _source: Source | None = None
    _last_work: float = 0.0

    def __post_init__(self) -> None:
        run, plan, inbox = self._run, self._plan, self._inbox
        self._running: dict[str, Entry] = {}
        self._saving: set[Entry] = set()
        self._slow = SlowTasks(run)
        self._spending = Spending(run, plan)
        self._joiner = Joiner(run, plan, inbox)
        self._uploads = Uploads(run, inbox)
        self._endings = endings = Endings(run, plan, self._spending, self._joiner)
        self._submitter = Submitter(
            run, plan, inbox, self._spending, endings, self._uploads, self._running.keys(), self._await, self._cut
        )

    def process(self, entries: Sequence[Entry]) -> None:
        fatal: LumaError | None = None
        saver = Saver(self._run, self._plan, self._inbox, self._saved)
        with saver as self._saver, self._uploads, self._joiner:
            for number, entry in enumerate(entries):
                if not self._guard([entry], functools.partial(self._admit, entry)):
                    self._submitter.queue.extend(entries[number + 1 :])
                    self._submitter.drop(self._run.results.errors[-1])
                    self._drain()
                    return
            if self._fails_fast():
                self._leave(ANOTHER_FAILED)
                return
            if self._source is None:
                self._inbox.put(Turn())
            fatal = self._loop()
            self._drain()
        if fatal is not None:
            self._run.report(StillRunning())
            raise fatal

    def _loop(self) -> LumaError | None:
        """Take events until everything has ended; the error, when the service answers no question of ours."""
        plan, clock = self._plan, self._run.clock.monotonic
        events = Watch(self._ask, self._inbox, plan.interval, plan.timeout, self._last_work, clock)
        try:
            for event in events:
                self._take_safely(event)
                if self._fails_fast():
                    self._leave(ANOTHER_FAILED)
                    return None
        except StillGenerating as error:
            self._leave("not ended within the limit", timeout=error)
        except (*ACCOUNT_ERRORS, Rejected, FileError) as error:
            return self._leave_for(error)
        return None

    def _ask(self, task_id: str) -> Task:
        """In a thread."""
        entry = self._running.get(task_id)
        *others, last = (entry.models if entry is not None else ()) or (self._run.settings.model,)
        for model in others:
            try:
                return self._run.client.task(task_id, model)
            except Rejected as error:
                if not error.is_not_found:
                    raise
        return self._run.client.task(task_id, last)

    def _drain(self) -> None:
        """Wait until every download has ended, and everything is joined."""
        while self._saving or self._joiner.is_busy:
            event = signals.next_of(self._inbox)
            if isinstance(event, Saved | Joined):
                self._take_safely(event)

    # --- one net around every event ---

    def _take_safely(self, event: object) -> None:
        self._guard(self._entries_of(event), lambda: self._take(event))

    def _guard(self, entries: Sequence[Entry], step: Callable[[], None]) -> bool:
        """Do a step of these entries: whatever goes wrong costs them only, and the ids of their tasks stay in sight.

        False when nothing more can be done: the service takes nothing from us.
        """
        try:
            step()
        except BrokenPipeError:
            raise
        except Exception as error:
            if isinstance(error, LumaError) and (not entries or self._source is not None):
                raise
            for entry in entries:
                self._abandon(entry, error)
            self._inbox.put(Turn())
            return not isinstance(error, ACCOUNT_ERRORS)
        return True

    def _abandon(self, entry: Entry, error: Exception) -> None:
        """Give an entry up, wherever it stands."""
        self._submitter.remove(entry)
        self._running.pop(entry.task_id, None)
        self._saving.discard(entry)
        known = error if isinstance(error, LumaError) else self._endings.unexpected(entry, error)
        self._endings.fail(entry, known)

    def _entries_of(self, event: object) -> list[Entry]:
        """What is lost if an event cannot be dealt with."""
        match event:
            case Turn():
                return list(self._submitter.queue)[:1]
            case UploadEnded():
                return [entry for entry in self._submitter.queue if entry.upload_key == event.key]
            case Poll() if event.task_id in self._running:
                return [self._running[event.task_id]]
            case Saved():
                return [event.entry]
            case Joined():
                return [event.whole.entry]
        return []

    def _take(self, event: object) -> None:
        match event:
            case Turn():
                self._submitter.take_turn()
            case UploadEnded():
                self._submitter.take_upload(event)
            case Saved():
                self._saver.take(event)
            case _Look():
                self._look_for_cost(event.task_id)
            case Poll():
                self._take_poll(event)
            case Joined():
                self._endings.end_whole(event.whole, self._joiner.publish(event))
            case Stopping():
                self._stop()
            case _ if self._source is not None:
                self._hear(self._source.take(event))
        waiting, running, saving = len(self._submitter.queue), len(self._running), len(self._saving)
        self._endings.tally({"to submit": waiting, "running": running, "saving": saving})

    # --- entries come in ---

    def _admit(self, entry: Entry) -> None:
        """Report what has ended before, go on with what runs, refuse what is unfit, and queue the rest."""
        request = entry.request
        if entry.task is not None or self._plan.only_saves:
            self._save(entry, entry.task or task_now(self._run, entry.task_id))
            return
        if request is None:
            self._go_on(entry)
            return
        if request.error is not None:
            raise request.error
        if request.is_split and request.pieces == 1:
            entry.request = request = counted(self._run, entry.output, request)
        if request.is_split:
            self._submitter.add(entry)
            if entry.entry_id is not None:
                check_row_output(str(entry.output), overwrite=True)  # of the same pieces it may be there
            return
        try:
            earlier = request.earlier(self._run.journal)
        except BeingSent:
            earlier = None  # its turn comes when the other process has its response
        if earlier is not None:
            self._resume(entry, earlier)
            return
        if entry.entry_id is not None and entry.output is not None:
            check_row_output(entry.output, overwrite=self._plan.overwrite)
        self._submitter.add(entry)

    def _cut(self, entry: Entry) -> None:
        """Put the pieces of a clip into its stead, or report the file that an earlier run has made of them.

        Raises BeingMade while another process is at it.
        """
        whole, file = self._joiner.cut(entry)
        self._submitter.remove(entry)
        if file is not None:
            self._run.report(Note(f"{entry.output} is saved already"))
            self._endings.end_whole(whole, file)
            return
        self._run.results.next_step = RUN_AGAIN
        others = list(self._submitter.queue)
        self._submitter.queue.clear()
        for piece in self._joiner.entries(whole):
            self._guard([piece], functools.partial(self._admit, piece))
        self._submitter.queue.extend(others)

    def _resume(self, entry: Entry, task_id: str) -> None:
        """An entry that has its task: report its end if that is known, else wait for it."""
        row = self._run.journal.known(task_id)
        task = self._run.journal.task(task_id) or Task(task_id)
        if entry.request is not None and task.prompt is None:  # the journal has forgotten what was asked for
            asked = entry.request.asked
            task = task._replace(prompt=asked.prompt, watermark=asked.watermark, model=asked.model)
        entry.task_id = task_id
        entry.age = max(0.0, row.age) if row is not None else VISIBILITY_GRACE  # what was pruned is not new
        self._run.results.clips.setdefault(task_id, entry.source)
        if row is not None and entry.whole is None:  # its files are named as the command that submitted it named them
            has_words = row.details.name_pattern == PATTERN_WITH_PROMPT
            entry.naming = entry.naming._replace(prompt_words=row.task.prompt if has_words else None)
        if entry.entry_id is None:
            self._run.results.track(task_id, entry.source, task)
            self._run.report(Submitted(entry.name, task, is_new=False))
            if self._plan.waits and not self._has_ended_saved(entry, task):
                self._go_on(entry)
            return
        if task.has_ended and (error := failure_of(task)) is not None:
            self._endings.fail(entry, error, task)
        elif task.has_ended and (entry.output is None or (task := self._saved_before(entry, task)).files):
            self._endings.end(entry, task)
        else:
            self._go_on(entry)

    def _has_ended_saved(self, entry: Entry, task: Task) -> bool:
        """End an entry whose files are there still, without the service, which keeps its records for two months."""
        if entry.output in (None, STDOUT) or entry.whole is not None or self._plan.writes_recipe or not task.has_video:
            return False
        task = self._saved_before(entry, task)
        if task.files:
            for file in task.files:
                self._run.report(Note(f"{os.path.relpath(file.path)} is saved already"))
            self._run.results.untrack(task.task_id)
            self._endings.end(entry, task)
        return bool(task.files)

    def _go_on(self, entry: Entry) -> None:
        """Wait for a task that an earlier command has submitted, which may be charged meanwhile."""
        self._spending.resume(entry.task_id)
        self._await(entry)

    def _saved_before(self, entry: Entry, task: Task) -> Task:
        """The task with its files under the entry's output, if all of them are there still; else with none."""
        recorded = {file.path: file for file in task.files}
        paths = [path.absolute() for path in paths_of(self._run, task, entry.naming, str(entry.output))]
        return task._replace(files=all_saved(paths, lambda path: recorded.get(str(path))))

    def _await(self, entry: Entry) -> None:
        if entry.task_id not in self._running:
            self._running[entry.task_id] = entry
            known = entry.row.task if entry.row is not None else None
            self._run.results.track(entry.task_id, entry.source, known)
            self._inbox.put(Add(Watched(entry.task_id, entry.age)))

    def _hear(self, heard: Heard | None) -> None:
        if heard is None:
            return
        watched = heard.watched
        if watched.task_id in self._running:
            self._inbox.put(Wake(watched.task_id, heard.pause))
            return
        row = self._run.journal.known(watched.task_id)
        # One that the journal does not hold may be the task of any submission whose response was lost.
        lost = [] if row is not None else [row.task.model for row in self._run.journal.unsettled()]
        models = tuple(dict.fromkeys([self._run.settings.model, *lost]))
        self._running[watched.task_id] = Entry(
            watched.task_id, row=row, task_id=watched.task_id, possible_models=models
        )
        self._inbox.put(Add(watched))

    def _save(self, entry: Entry, task: Task) -> None:
        """Raises LumaError if a task has no video (yet)."""
        error = failure_of(task, self._run.results.save_option)
        if error is not None:
            raise error
        if task.task_id:
            self._run.results.track(task.task_id, entry.clip_name, task)
        self._finish(entry, task, None)

    # --- entries end ---

    def _take_poll(self, poll: Poll) -> None:
        entry = self._running.get(poll.task_id)
        if entry is None:
            return
        self._run.report(Polled(entry.name, poll, entry.clip_name, entry.prompt, entry.age))
        task = poll.task
        if task is not None:
            if self._source is not None:
                self._source.see(task)
            entry.row = self._run.journal.learn_if_possible(task, entry.row)
            if self._source is None:  # which runs for ever
                self._run.results.see(task if entry.row is None else entry.row.complete(task))
        if not poll.final:
            self._spending.polled(poll.task_id)
            if entry.row is not None:
                self._slow.look(entry.row)
            return
        del self._running[poll.task_id]
        self._look_for_cost(poll.task_id, has_failed=task is not None and task.has_failed)
        if self._submitter.queue and self._plan.max_active is not None:
            self._inbox.put(Turn())
        self._finish(entry, task, poll.error)

    def _look_for_cost(self, task_id: str, *, has_failed: bool = False) -> None:
        pause = self._spending.ended(task_id, has_failed=has_failed, is_beside_others=bool(self._running))
        if pause is not None and self._submitter.queue:
            self._inbox.put(Later(_Look(task_id), pause))

    def _finish(self, entry: Entry, task: Task | None, error: LumaError | None) -> None:
        """A task has ended, or cannot be asked for any more."""
        if task is not None and not (self._plan.only_reports and task.has_ended):
            error = failure_of(task)
        if task is not None and entry.entry_id is None and "callback_failed" in task.warnings and task.has_video:
            self._run.report(Note(f"{task.task_id}: the video is there, but kie.ai could not deliver the callback"))
        if error is None and task is not None and entry.output is not None:
            self._saving.add(entry)
            self._saver.start(entry, task)
            return
        self._run.results.untrack(entry.task_id)
        if error is not None:
            self._endings.fail(entry, error, task)
        else:
            self._endings.end(entry, task or Task(entry.task_id))

    def _saved(self, entry: Entry, task: Task, error: LumaError | None) -> None:
        self._saving.discard(entry)
        if error is None:
            self._endings.end(entry, task)
        else:
            is_plain = entry.entry_id is None and entry.whole is None
            self._endings.fail(entry, self._plan.not_saved(error, task.task_id) if is_plain else error, task)
        self._run.results.untrack(task.task_id)

    # --- leaving ---

    def _stop(self) -> None:
        """After a signal: every task that is still to be asked for is in sight of the last words."""
        for task_id in self._running:
            self._run.results.track(task_id)
        if self._source is not None:
            self._source.stop()

    def _fails_fast(self) -> bool:
        return self._plan.fail_fast and (bool(self._run.results.errors) or self._joiner.has_failed)

    def _leave(self, why: str, *, timeout: StillGenerating | None = None, error: LumaError | None = None) -> None:
        """Report what still runs and what was not submitted; the same command goes on with both."""
        results = self._run.results
        for task_id, entry in list(self._running.items()):
            hint = results.wait_command([task_id])
            if entry.entry_id is not None:
                one = error or StillGenerating(why, hint=hint, task_id=task_id)
                self._endings.fail(entry, one, results.tasks[task_id])
            elif timeout is not None:
                one = StillGenerating(why, task_id=task_id) if results.count > 1 else timeout
                one.hint = f"it goes on: {hint}"
                results.untrack(task_id)
                self._endings.fail(entry, one)
        self._running.clear()
        self._submitter.drop(error or StillGenerating("not submitted", hint=AGAIN_HINT))
        if timeout is None:
            self._run.report(StillRunning())

    def _leave_for(self, error: LumaError) -> LumaError | None:
        """The service answers no question: each row of a manifest gets the reason, other tasks the error itself."""
        if any(entry.entry_id is not None for entry in (*self._running.values(), *self._submitter.queue)):
            self._leave("could not be awaited", error=error)
            return None
        return error
