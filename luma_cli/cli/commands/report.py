"""`luma report`: tasks as a page for the browser."""

from typing import Annotated

import typer

from luma_cli.cli import options
from luma_cli.cli.run_opening import open_run
from luma_cli.config.environment import expand_home


@options.common
def report(
    file: Annotated[
        str,
        typer.Option(
            *("-o", "--output"), metavar="FILE.html|-", parser=expand_home, help="Write the page there; - is stdout."
        ),
    ],
    tasks: options.TaskArgument = None,
    copy_media: Annotated[
        bool, typer.Option("--copy-media", help="Copy the videos beside the page, so that its folder stands alone.")
    ] = False,
    force: options.Force = False,
    open_: options.Open = False,
) -> None:
    """Make one HTML page of tasks. Shows each source with all its takes side by side, and prints its path.

    Without TASK it holds every task of the journal that has ended, or whose reply was lost, the newest source first.
    The page is made from the journal alone and asks no host for anything: saved files are linked as seen from the
    page's folder, so move them together, or copy them beside it with --copy-media. A result that is not saved is
    named with its link, which expires, and which everybody who gets the page can open until then. All videos of a
    source play in step with its sound, and any two of them can be compared. With ffmpeg the page has pictures of
    each video, also in print.

    \b
    Examples:
      $ luma report @last -o report.html
      $ luma report -o review/index.html --copy-media
      $ luma tasks --state succeeded --since 7d | cut -f1 | luma report - -o week.html

    Exit codes: 0 2 11
    (luma help exit-codes)
    """
    from luma_cli.cli import viewer
    from luma_cli.edits.run import STDOUT
    from luma_cli.edits.sources import task_references
    from luma_cli.output import report, streams
    from luma_cli.output.questions import read_words
    from luma_cli.output.report_groups import rows_with_an_end

    page = report.check_page(file, overwrite=force, stdout_is_taken=streams.wants_json(), makes_folder=copy_media)
    copies = report.check_copies(page, file, overwrite=force) if copy_media else None
    with open_run() as run:
        named = task_references.parse_rows(read_words(tasks), run.journal)
        rows = named if tasks else rows_with_an_end(run.journal.rows())
        report.write_page(run, rows, page, file, copies=copies, overwrite=force)
    if open_ and file != STDOUT:
        viewer.show(str(page))
