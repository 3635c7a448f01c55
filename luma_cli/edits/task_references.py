"""The words with which a user names tasks: ids and their beginnings, `@last`, `@2`, labels, and `-` for stdin."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from luma_cli.api.task import as_int, is_task_id
from luma_cli.downloads.file_names import stem_of
from luma_cli.edits.events import Failed, Note
from luma_cli.edits.run import Run
from luma_cli.errors import UsageError
from luma_cli.journal.journal import Journal
from luma_cli.journal.records import Outcome, Row

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


@dataclass(frozen=True)
class Reference:
    """A task that the user means. `stem` names its files; `age` is seconds since its submission, as far as known."""

    task_id: str
    stem: str = "video"
    age: float = 0.0


def reference_to(row: Row, now: float) -> Reference:
    """A row of the journal as a task to see through; `now` is a Unix time."""
    return Reference(row.task.task_id, stem_of(row.source) or "video", max(0.0, now - row.submitted_at.timestamp()))


def parse_references(run: Run, words: Sequence[str], others: int = 0) -> list[Reference]:
    """The tasks that the user means; those that the journal does not hold are asked for by their id.

    A submission without a task does not cost the others (`others` are meant besides): one of unknown outcome is a
    failure, and so is a rejected one when there is nothing else. The run's results count them all.
    """
    found: dict[str, Reference] = {}
    rejected: list[str] = []
    unknown: list[str] = []
    for word in words:
        row = find_row(word, run.journal)
        if row is None or row.task.task_id:
            reference = Reference(word) if row is None else reference_to(row, run.clock.now())
            found[reference.task_id] = reference
        else:
            (rejected if row.outcome_now is Outcome.REFUSED else unknown).append(row.label)
    failed = unknown if found or unknown or others else rejected
    for label in rejected if failed is unknown else []:
        run.report(Note(f"{label} was refused: there is no task"))
    run.results.count = len(found) + len(failed) + others
    for label in failed:
        run.fail(Failed(label, UsageError(f"{label} has no task id", hint=f"luma tasks show {label}")))
    return list(found.values())


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


def parse_full_id(text: str) -> str:
    """Raises UsageError for what cannot be a task id."""
    if not is_task_id(text):
        raise UsageError(f"{text[:140]!a} is not a task id", hint="https://kie.ai/logs shows the full id")
    return text


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
