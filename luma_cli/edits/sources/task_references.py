"""The words with which a user names tasks (ids, `@last`, `@2`, labels, `-`), and how these tasks stand.

It loads nothing that downloads, so that `status` starts fast.
"""

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from luma_cli.api.task import Task, as_int, is_task_id
from luma_cli.downloads.file_names import PATTERN_WITH_PROMPT, Naming, stem_of
from luma_cli.edits.events import Failed, Note, Warned
from luma_cli.edits.refresh import claim_own, failure_of, task_now
from luma_cli.edits.run import Run
from luma_cli.errors import Declined, UsageError
from luma_cli.journal.journal import Journal
from luma_cli.journal.records import Outcome, Row
from luma_cli.video.trim_range import parse_trim

MIN_PREFIX = 6
# An id shorter than this that the journal does not hold is a mistyped prefix; the service's own have 32 characters.
MIN_FOREIGN_ID = 16


def find_row(reference: str, journal: Journal) -> Row | None:
    """The row that a user means by a full id, a prefix, `@last`, `@2` or a label like `unknown-7`.

    None for a full id that the journal does not hold.

    Raises:
        UsageError: nothing, or more than one row, fits.
    """
    if reference.startswith("@"):
        return _find_recent(reference, journal)
    row = journal.known(reference) or _find_label(reference, journal) or _find_prefix(reference, journal)
    if row is not None or (is_task_id(reference) and len(reference) >= MIN_FOREIGN_ID):
        return row
    if len(reference) < MIN_PREFIX:
        hint = f"{MIN_PREFIX} characters of it, or @last"
        raise UsageError(f"{reference!a} is too short for a task id", hint=hint)
    raise UsageError(f"no task {reference[:140]!a} in the journal", hint="luma tasks lists what is there")


class Reference(NamedTuple):
    """A task that the user means, and its row of the journal."""

    task_id: str
    naming: Naming = Naming()  # names its files
    age: float = 0.0  # seconds since its submission, as far as known
    row: Row | None = None


def reference_to(row: Row, now: float) -> Reference:
    """A row of the journal as a task to see through; `now` is a Unix time."""
    return Reference(row.task.task_id, naming_of(row), max(0.0, now - row.submitted_at.timestamp()), row)


def naming_of(row: Row) -> Naming:
    """How the command that submitted a task names its files."""
    prompt = row.task.prompt if row.details.name_pattern == PATTERN_WITH_PROMPT else None
    return Naming(stem_of(row.source) or "video", prompt, trim_start(row.details.trim))


def trim_start(text: str | None) -> float | None:
    """Where a recorded trim begins; None for a whole clip, and for what nobody can read."""
    try:
        return None if text is None else parse_trim(text).start
    except UsageError:
        return None


def parse_references(run: Run, words: Sequence[str], others: int = 0) -> list[Reference]:
    """The tasks that the user means; those that the journal does not hold are asked for by their id.

    A submission without a task does not cost the others (`others` are meant besides): one of unknown outcome is a
    failure, and so is a rejected one when there is nothing else. The run's results count them all.
    """
    found: dict[str, Reference] = {}
    rejected: list[str] = []
    unknown: list[str] = []
    foreign: list[str] = []
    for word in words:
        row = find_row(word, run.journal)
        if row is not None and row.task.task_id and _is_of_another_account(run, row):
            foreign.append(row.task.task_id)
        elif row is None or row.task.task_id:
            reference = Reference(word) if row is None else reference_to(row, run.clock.now())
            found[reference.task_id] = reference
        else:
            (rejected if row.outcome_now is Outcome.REFUSED else unknown).append(row.label)
    failed = unknown if found or unknown or foreign or others else rejected
    for label in rejected if failed is unknown else []:
        run.report(Note(f"{label} was refused: there is no task"))
    run.results.count = len(found) + len(failed) + len(foreign) + others
    for task_id in foreign:
        what = f"task {task_id} belongs to another account: this key cannot see it"
        run.fail(Failed(task_id, UsageError(what, hint="use the key that submitted it")))
    for label in failed:
        run.fail(Failed(label, UsageError(f"{label} has no task id", hint=f"luma tasks show {label}")))
    return list(found.values())


def _is_of_another_account(run: Run, row: Row) -> bool:
    """What nobody knows is asked; a key that was renewed sees what the old one has submitted."""
    if run.journal.account is None or run.journal.is_mine(row) or not run.journal.is_here(row):
        return False
    return bool(claim_own(run, [row]))


def parse_rows(references: Iterable[str], journal: Journal) -> list[Row]:
    """The rows that the user means, each once.

    Raises:
        UsageError: the journal does not hold one.
    """
    found = []
    for reference in references:
        row = find_row(reference, journal)
        if row is None:
            raise UsageError(f"no task {reference} in the journal", hint="luma tasks lists what is there")
        found.append(row)
    return list({row.number: row for row in found}.values())


def forget(journal: Journal, references: Sequence[str]) -> list[str]:
    """Take rows out of the journal, and the keys of tasks that were pruned; returns what stands for each.

    Raises:
        UsageError: the journal knows one of them not at all, or it is being sent right now.
    """
    rows = {reference: find_row(reference, journal) for reference in references}
    for reference in [reference for reference, row in rows.items() if row is None]:
        if not journal.forget_key(reference):
            raise UsageError(f"no task {reference} in the journal", hint="luma tasks lists what is there")
    found = list({row.number: row for row in rows.values() if row is not None}.values())
    journal.forget(found)
    return [row.label for row in found] + [reference for reference, row in rows.items() if row is None]


def adopt(run: Run, task_id: str, *, label: str | None) -> Row:
    """Ask for a task that the journal does not know, and record it, for the submission of this label if there is one.

    Raises:
        UsageError: not an id, or the row has its id.
        LumaError: what the service says.
    """
    if not is_task_id(task_id):
        raise UsageError(f"{task_id[:140]!a} is not a task id", hint="https://kie.ai/logs shows the full id")
    row = parse_rows([label], run.journal)[0] if label is not None else None
    known = row or run.journal.known(task_id)
    model = known.task.model if known is not None else run.settings.model
    task = run.client.patiently(lambda: run.client.task(task_id, model))
    return run.journal.adopt(task, row=row)


def prune(run: Run, seconds: float, *, force: bool) -> list[Row]:
    """Forget the ended tasks that were submitted longer ago than that, and return them.

    With `force` also those whose videos were never saved, which are reported otherwise; and nobody is asked.

    Raises:
        Declined: the person does not want it.
    """
    before = run.clock.now() - seconds
    rows = run.journal.prunable(before, force=force)
    if kept := len(run.journal.prunable(before, force=True)) - len(rows):
        run.report(Note(f"{kept} kept, since not all of it is saved: luma download --all-missing, or --force"))
    if rows and not force and run.can_ask() and not run.confirm(f"Forget {len(rows)} task(s)?"):
        raise Declined("nothing was forgotten")
    pruned = run.journal.prune(before, force=force)
    run.report(Note(f"{len(pruned)} forgotten; their keys stay known, so that nothing is paid again"))
    return pruned


def find_to_show(run: Run, word: str) -> list[str]:
    """What a person can look at: a task's saved files, else the link of its result.

    Raises:
        LumaError: there is nothing to show.
    """
    row = find_row(word, run.journal)
    task = row.task if row is not None else Task(word)
    if row is not None and not task.task_id:
        raise UsageError(f"{row.label} has no task id", hint=f"luma tasks show {row.label}")
    there = [file.path for file in task.files if os.path.isfile(file.path)]
    if there:
        return there
    if not task.has_ended:
        task = task_now(run, task.task_id)
    error = failure_of(task)
    if error is not None:
        raise error
    return list(task.result_urls[:1])


def note_nothing_to_wait_for(run: Run, references: Sequence[Reference]) -> None:
    """For `wait` without TASK: there may be none, some may have ended before, and some may be lost from sight."""
    if not references:
        unsaved = len(run.journal.unsaved())
        what = f"; {unsaved} finished and not saved: luma download --all-missing" if unsaved else ""
        run.report(Note(f"there is no task to wait for{what}{run.results.save_option if unsaved else ''}"))
    if lost := run.journal.unsettled():
        run.report(Warned(f"{len(lost)} submission(s) of unknown outcome: luma tasks --state unknown", once=False))


def _find_recent(reference: str, journal: Journal) -> Row:
    back = 1 if reference == "@last" else as_int(reference[1:]) or 0
    if not 1 <= back <= 1_000_000:
        raise UsageError(f"{reference[:40]!a} is not a task", hint="@last is the last one, @2 the one before")
    row = journal.recent(back)
    if row is None:
        raise UsageError(f"the journal holds no task {reference}", hint="luma tasks lists what is there")
    return row


def _find_label(reference: str, journal: Journal) -> Row | None:
    kind, _, number = reference.rpartition("-")
    if kind not in set(Outcome) or as_int(number) is None:
        return None
    row = journal.nameless(int(number))
    # What was being sent when its label was told may be of unknown outcome by now.
    return row if row is not None and kind in (row.outcome_now, Outcome.SENDING) else None


def _find_prefix(reference: str, journal: Journal) -> Row | None:
    if not is_task_id(reference):
        raise UsageError(f"{reference[:140]!a} is not a task id", hint="luma tasks lists what is there")
    if len(reference) < MIN_PREFIX:
        return None
    found = journal.beginning_with(reference)
    if len(found) > 1:
        raise UsageError(f"{reference} fits {len(found)} tasks", hint="type more of the id")
    return found[0] if found else None
