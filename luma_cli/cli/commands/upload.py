"""`luma upload`: put clips into kie.ai's temporary store."""

from typing import Annotated

import typer

from luma_cli.cli import options
from luma_cli.cli.run_opening import open_run
from luma_cli.config.environment import expand_home


@options.common
def upload(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", parser=expand_home, help="A local clip.")],
) -> None:
    """Upload local clips and print their links. These live for about a day.

    Uploading costs nothing. Whoever knows a link can watch the clip, so its name there is random.

    \b
    Examples:
      $ luma upload clip.mp4
      $ link=$(luma upload clip.mp4) && luma modify "$link" -p "Heavy rain"

    Exit codes: 0 2 4 6 7 9 11
    (luma help exit-codes)
    """
    from luma_cli.edits.uploads import upload_all
    from luma_cli.output.streams import emit_value

    with open_run() as run:
        run.results.count = len(files)
        for link in upload_all(run, files):
            emit_value("url", link)
        run.results.conclude()
