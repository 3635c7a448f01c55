"""`luma report`: tasks as a page for the browser."""

from typing import Annotated

import typer

from luma_cli.cli.commands import options
from luma_cli.cli.commands.options import Force, TaskArgument

app = typer.Typer(**options.STYLE)


@app.command()
@options.common
def report(
    file: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE.html|-", help="Write the page there; - is stdout.")
    ],
    tasks: TaskArgument = None,
    force: Force = False,
) -> None:
    """Make one HTML page of tasks. Shows source and result side by side, and prints its path.

    Without TASK it holds every task of the journal that has ended, the newest first. The page is made from the
    journal alone, without the network, and needs nothing but itself and the videos: saved files are linked as seen
    from the page's folder, so move them together. A result that is not saved is shown through its link, which
    expires, and which everybody who gets the page can open until then.

    \b
    Examples:
      $ luma report @last -o report.html
      $ luma tasks --state succeeded --since 7d | cut -f1 | luma report - -o week.html

    Exit codes: 0 2 11
    """
    from luma_cli.downloads import target
    from luma_cli.edits import task_references
    from luma_cli.output import report, streams

    place = report.check_page(file, overwrite=force, stdout_is_taken=streams.wants_json())
    journal = options.open_journal()
    named = task_references.parse_rows(task_references.read_references(tasks), journal)
    rows = named if tasks else [row for row in journal.rows() if row.task.has_ended]
    page = report.make_page(rows, place.parent)
    if running := sum(not row.task.has_ended for row in rows):
        streams.note(f"{running} had not ended when last asked; luma wait brings the journal up to date")
    if file == report.STDOUT:
        streams.answer_page(page)
    else:
        target.save_whole(page.encode(), place, overwrite=force)
        streams.answer_value("path", file, file)
