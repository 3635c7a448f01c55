"""Turns the facts of a run into lines: results on stdout, all else on stderr."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from luma_cli.api.hosts import shown
from luma_cli.api.task import Task
from luma_cli.edits import events
from luma_cli.edits.run import STDOUT, Results
from luma_cli.output import messages, streams
from luma_cli.output.formats import entry_members, finding_members, format_credits, format_span, task_members
from luma_cli.output.progress import MAX_BARS, Meter, Screen
from luma_cli.output.task_list import name_of

# The vendor's pages disagree between 24 hours and 3 days; we say the shorter.
UPLOAD_LIFE = "24 hours"
MAX_FAILURES = 20


class Presenter:
    """Takes events from any thread.

    `prints_ids`: a submission's id is its result; else its end is. `prints_json`: what has ended is printed as JSON,
    asked for or not. `names_clips`: a person on a terminal sees the clip beside its result.
    """

    def __init__(
        self,
        results: Results,
        *,
        prints_ids: bool = False,
        prints_json: bool = False,
        names_clips: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._names_clips = names_clips
        self._prints_json = prints_json
        self._results = results
        self._prints_ids = prints_ids
        self._batch: Batch | None = None
        self._screen: Screen | None = None
        self._drawn = ExitStack()
        self._meters: dict[events.Transfer, Meter] = {}
        self._lock = threading.RLock()

    def __call__(self, event: events.Event) -> None:
        with self._lock:
            self._take(event)

    def _take(self, event: events.Event) -> None:
        match event:
            case events.Started():
                self._batch = Batch(event.edits, event.output, self._clock) if event.is_manifest else None
                self._screen = self._drawn.enter_context(
                    Screen(event.edits, event.timeout, event.estimate, self._clock)
                )
            case events.Finished():
                self._drawn.close()
                self._screen = None
                if self._batch is not None:
                    self._batch.show(again=streams.animates())
                self._batch = None
            case events.Note():
                if not event.once or streams.is_first(event.text):
                    messages.note(event.text)
            case events.Warned():
                (messages.warn_once if event.once else messages.warn)(event.text)
            case events.Checked():
                messages.show_findings(event.findings, event.raised)
            case events.Transferred():
                self._transfer(event)
            case events.Uploaded():
                messages.note(f"uploaded {event.name}; kie.ai keeps it for about {UPLOAD_LIFE}")
            case events.PiecesPlanned():
                _show_cuts(event)
            case events.Prepared():
                _show_request(event)
            case events.Planned():
                self._planned(event)
            case _:
                self._take_task(event)

    def _take_task(self, event: events.Event) -> None:
        match event:
            case events.Submitted():
                self._submitted(event)
            case events.Polled() if self._screen is not None:
                self._screen.show(event.poll, _label(event), event.age)
            case events.Tally() if self._batch is not None and self._screen is not None:
                self._screen.tally(event.counts)
            case events.Ended():
                self._ended(event)
            case events.Failed():
                self._failed(event)
            case events.NotTried():
                messages.note(f"{event.left} more not tried")
            case events.StillRunning():
                messages.show_running(self._results)

    def _transfer(self, event: events.Transferred) -> None:
        if self._screen is None:
            return
        meter = self._meters.get(event.transfer)
        if meter is None:
            meter = self._meters[event.transfer] = self._screen.meter(event.transfer.label, event.transfer.unit)
        if event.has_ended:
            del self._meters[event.transfer]
            meter.end() if event.is_whole else meter.clear()
        elif event.done:
            meter.update(round(event.done), None if event.total is None else round(event.total))

    def _submitted(self, event: events.Submitted) -> None:
        task_id = event.task.task_id
        if not event.is_new:
            hint = f": it has failed, and luma tasks forget {task_id} lets you submit it anew"
            messages.note(f"continuing task {task_id}, submitted before{hint if event.task.has_failed else ''}")
        elif not self._prints_ids and self._batch is None:
            messages.note(f"task {task_id} is submitted")
        elif self._batch is not None and self._results.count > MAX_BARS and not streams.animates():
            messages.note(f"{event.name}: task {task_id} is submitted")
        if self._prints_ids:
            _emit_task(event.task, [task_id])

    def _planned(self, event: events.Planned) -> None:
        """A row of --dry-run: a line, and on stderr what is wrong with it."""
        if streams.wants_json():
            members = entry_members(event.entry_id, event.line, event.task or event.asked, event.error)
            found = [finding_members(finding) for finding in event.findings]
            streams.emit_json({**members, "expectedCredits": event.expected_credits, "findings": found})
        else:
            what = "fault" if event.error else "submit" if event.task is None else f"has task {event.task.task_id}"
            streams.emit_fields([event.entry_id, what, event.video, event.asked.prompt])
        name = f"line {event.line} ({event.entry_id})"
        warnings = [finding._replace(video=name) for finding in event.findings if finding.level != "error"]
        messages.show_findings(warnings)
        if event.error is not None and self._results.count > 1:
            messages.show_failure(f"{shown(name)}: {event.error.message}", event.error.hint)

    def _ended(self, event: events.Ended) -> None:
        if self._batch is not None:
            self._batch.ended(event)
        for_person = streams.stdout_is_terminal() and not streams.wants_json()
        if for_person and (event.entry_id is not None or self._names_clips):
            for result in _results(event):
                streams.emit_fields([result, name_of(event.clip)] if event.clip else [result])
        elif event.entry_id is not None:
            streams.emit_json(entry_members(event.entry_id, event.line, event.task, None, event.pieces))
        elif self._prints_json:
            streams.emit_json(task_members(event.task, event.pieces))
        elif event.output == STDOUT:
            _emit_video(event.task)
        else:
            _emit_task(event.task, _results(event), event.pieces)

    def _failed(self, event: events.Failed) -> None:
        task = event.task
        messages.name_key_origin(event.error)
        messages.name_charge(event.error, task)
        if self._batch is not None:
            self._batch.failed(event)
        if event.entry_id is not None and (streams.wants_json() or not streams.stdout_is_terminal()):
            known = task or event.asked
            streams.emit_json(entry_members(event.entry_id, event.line, known, event.error, event.pieces))
        elif event.entry_id is None and task is not None:
            _emit_task(task, [_as_named(file.path, None) for file in task.files], event.pieces)
        if self._results.count > 1:
            messages.show_failure(f"{shown(event.name)}: {event.error.message}", event.error.hint)


def _label(event: events.Polled) -> str:
    """The clip and its prompt, by which a person knows an edit."""
    words = (name_of(event.clip), event.prompt) if event.clip else (event.name, "")
    return "  ".join(word for word in words if word)


def _results(event: events.Ended) -> list[str]:
    """The saved paths, else the links."""
    task = event.task
    if task.files:
        return [_as_named(file.path, event.output) for file in task.files]
    return list(task.result_urls) if task.has_video else []


class Batch:
    """What became of the rows of a file, for the line at the end. Times are in seconds."""

    def __init__(self, count: int, output: str | None, clock: Callable[[], float]) -> None:
        self._count = count
        self._output = output
        self._clock = clock
        self._started = clock()
        self._done = 0
        self._failed: list[tuple[int, str]] = []
        self._credits: dict[str | int, float | None] = {}

    def ended(self, event: events.Ended) -> None:
        self._done += 1
        self._charge(event.task, event.line)

    def failed(self, event: events.Failed) -> None:
        clip = f", {name_of(event.clip)}" if event.clip else ""
        self._failed.append((event.line, f"line {event.line}{clip}: {event.error.message}"))
        if event.task is not None:
            self._charge(event.task, event.line)

    def _charge(self, task: Task, line: int) -> None:
        self._credits[task.task_id or line] = task.credits

    def show(self, *, again: bool) -> None:
        """What was done; with `again` also what was not, which has left the screen by now."""
        for _, failure in sorted(self._failed)[:MAX_FAILURES] if again else ():
            messages.note(failure)
        if again and len(self._failed) > MAX_FAILURES:
            messages.note(f"… and {len(self._failed) - MAX_FAILURES} more")
        messages.note(self.summary())

    def summary(self) -> str:
        saved = f"saved in {self._output}" if self._output is not None else "done"
        costs = list(self._credits.values())
        known, unknown = [cost for cost in costs if cost is not None], costs.count(None)
        parts = [f"{self._done} of {self._count} {saved}"]
        parts += [f"{len(self._failed)} failed"] if self._failed else []
        parts += [f"{format_credits(sum(known))} credits"] if known else []
        parts += [f"{unknown} of unknown cost"] if known and unknown else []
        return ", ".join([*parts, format_span(self._clock() - self._started)])


def _emit_task(task: Task, lines: Iterable[str] = (), pieces: Sequence[Mapping[str, object]] | None = None) -> None:
    """A task as JSON if that was asked for, else these lines."""
    if streams.wants_json():
        streams.emit_json(task_members(task, pieces))
        return
    for line in lines:
        streams.emit(line)


def _show_cuts(planned: events.PiecesPlanned) -> None:
    """A line for each piece: its number, its frames, and from when to when it goes."""
    rows = [
        {
            "index": piece.index,
            "firstFrame": piece.first_frame,
            "frames": piece.frames,
            "start": round(float(piece.first_frame / planned.rate), 3),
            "end": round(float((piece.first_frame + piece.frames) / planned.rate), 3),
        }
        for piece in planned.pieces
    ]
    if streams.wants_json():
        streams.emit_json({"video": shown(planned.name), "frameRate": str(planned.rate), "pieces": rows})
        return
    for row in rows:
        times = f"{row['start']:.3f}-{row['end']:.3f} s"
        streams.emit_fields([f"piece {row['index']} of {len(rows)}", f"{row['frames']} frames", times])


def _show_request(request: events.Prepared) -> None:
    """What would be sent: the JSON body and the findings, or a line for each field."""
    if streams.wants_json():
        found = [finding_members(finding) for finding in request.findings]
        streams.emit_json({"method": "POST", "url": request.url, "body": request.payload, "findings": found})
        return
    streams.emit(f"POST {request.url}")
    for name, value in _members(request.payload):
        streams.emit_fields([name, value if isinstance(value, str) else json.dumps(value)])


def _members(payload: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The members of a JSON object and of those inside of it, by their dotted names."""
    for name, value in payload.items():
        if isinstance(value, Mapping):
            yield from _members(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _emit_video(task: Task) -> None:
    """The bytes of a task's video, whose temporary file is removed."""
    for file in task.files:
        path = Path(file.path)
        try:
            streams.emit_file(path)
        finally:
            path.unlink()
            path.parent.rmdir()


def _as_named(path: str, output: str | None) -> str:
    """The path relative to here when the user named a relative one."""
    return path if output is not None and Path(output).is_absolute() else os.path.relpath(path)
