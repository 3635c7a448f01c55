"""`luma tasks`: the journal, since kie.ai keeps no list."""

from collections.abc import Sequence
from typing import Annotated

import typer

from luma_cli.cli import options
from luma_cli.cli.groups import STYLE, DefaultGroup
from luma_cli.cli.run_opening import now, open_journal, open_run
from luma_cli.config import settings
from luma_cli.config.times import parse_duration
from luma_cli.errors import UsageError

app = typer.Typer(cls=DefaultGroup, **STYLE)

Tasks = Annotated[list[str], typer.Argument(metavar="TASK...", help="Task id, prefix, @last, or - for ids from stdin.")]


@app.callback()
@options.common
def tasks() -> None:
    """List and repair the journal. kie.ai itself keeps no list of tasks.

    Without a command they are listed. Options such as --search: luma tasks list --help.

    \b
    Examples:
      $ luma tasks
      $ luma tasks --search snow --since yesterday

    Exit codes: 0 2 6 7 11
    (luma help exit-codes)
    """


@app.command("list")
@options.common
def list_(
    state: Annotated[
        list[str] | None,
        typer.Option(metavar="STATE", help="Only this state; may be repeated. failed is both kinds of failure."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only since then: 7d, 12h, today, yesterday or 2026-11-01.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=0, metavar="N", help="At most N, the newest; 0: all.")] = None,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only with this in the prompt or a file name.")
    ] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask kie.ai about the unfinished ones first.")] = False,
) -> None:
    """List submissions. A terminal shows the newest 20, newest last; a pipe gets all, newest first.

    In a pipe each line holds task id, state, creation time and result link, separated by tabs. A clip that was edited
    in pieces is one row on a terminal, and one object with its pieces in --json; in a pipe each piece has its line.

    \b
    Examples:
      $ luma tasks
      $ luma tasks --state failed --since yesterday
      $ luma tasks --state succeeded --since 7d --json
    """
    import math
    from datetime import UTC, datetime

    from luma_cli.config.times import parse_since
    from luma_cli.output import tables

    states = _check_states(state or ())
    earliest = parse_since(since, datetime.fromtimestamp(now(), UTC)).timestamp() if since is not None else -math.inf
    if refresh:
        _refresh()
    with open_journal() as journal:
        tables.show_rows(journal, journal.rows(states=states, since=earliest, search=search), limit)
        tables.warn_of_unsaved(journal, now())


def _check_states(states: Sequence[str]) -> Sequence[str]:
    """Raises UsageError for what is not a state."""
    from luma_cli.api.task import State
    from luma_cli.journal.lookups import FAILED
    from luma_cli.journal.records import Outcome

    known = list(dict.fromkeys([*State, FAILED, *Outcome]))
    for state in states:
        if state not in known:
            raise UsageError(f"{state[:40]!a} is not a state", hint=f"states: {' '.join(known)}")
    return states


def _refresh() -> None:
    from luma_cli.edits.refresh import refresh_unfinished

    with open_run() as run:
        refresh_unfinished(run)


@app.command()
@options.common
def show(tasks: options.TaskArgument = None) -> None:
    """Show all that is known of tasks (default: the latest).

    Of a clip that was edited in pieces that is one of them, and which the others are.

    \b
    Examples:
      $ luma tasks show @last
    """
    from luma_cli.edits.sources import task_references
    from luma_cli.edits.sources.piece_rows import pieces_beside
    from luma_cli.output import tables
    from luma_cli.output.questions import read_words

    with open_run() as run:
        for row in task_references.parse_rows(read_words(tasks or ["@last"]), run.journal):
            tables.show_row(row, pieces_beside(run.journal, row))


@app.command()
@options.common
def forget(tasks: Tasks) -> None:
    """Take tasks and their keys out of the journal. The tasks themselves go on.

    What is forgotten is not known again: the same edit, batch row or idempotency key is submitted and paid anew.
    """
    from luma_cli.edits.sources import task_references
    from luma_cli.output import streams
    from luma_cli.output.messages import note
    from luma_cli.output.questions import read_words

    with open_run(needs_journal=True) as run:
        for label in task_references.forget(run.journal, read_words(tasks)):
            note(f"{label} forgotten: the same edit would be submitted and paid anew")
            if streams.wants_json():
                streams.emit_json({"forgotten": label})


@app.command()
@options.common
def prune(
    older_than: Annotated[
        float, typer.Option(metavar="DURATION", parser=parse_duration, help="Submitted longer ago than this.")
    ],
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Also results that were never saved; do not ask.")
    ] = False,
) -> None:
    """Take old ended tasks out of the journal. Prints their ids.

    Their keys and batch rows stay known: none is paid again. Results that were never saved are kept.

    \b
    Examples:
      $ luma tasks prune --older-than 30d
    """
    from luma_cli.edits.sources.task_references import prune as prune_rows
    from luma_cli.output.tables import show_labels

    with open_run(needs_journal=True) as run:
        show_labels(prune_rows(run, older_than, force=force))


@app.command()
@options.common
def adopt(
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The full id, as kie.ai/logs shows it.")],
    label: Annotated[
        str | None, typer.Option("--for", metavar="LABEL", help="The unknown submission it belongs to, like unknown-7.")
    ] = None,
    model: options.TaskModel = None,
) -> None:
    """Give a submission of unknown outcome its task id. Also records a task from elsewhere.

    \b
    Examples:
      $ luma tasks adopt 1f2e3d4c5b6a79880123456789abcdef --for unknown-7
    """
    from luma_cli.edits.sources import task_references
    from luma_cli.output import tables

    with open_run(needs_journal=True, model=model) as run:
        tables.show_row(task_references.adopt(run.for_account(), task_id, label=label))


@app.command()
@options.common
def recover() -> None:
    """Set a damaged journal aside and take over what can be read."""
    from luma_cli.journal import journal, recovery
    from luma_cli.output import streams
    from luma_cli.output.messages import note

    path = settings.state_dir() / journal.NAME
    saved, aside = recovery.recover(path)
    taken = f"took over {saved} row(s) into {path}; the damaged file is {aside}: keep it until luma tasks shows all"
    note(taken if aside else "the journal is sound")
    if streams.wants_json():
        streams.emit_json({"path": str(path), "rows": saved, "aside": str(aside) if aside else None})
