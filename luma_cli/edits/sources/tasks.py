"""Tasks that exist already, and links of videos, as entries: to be awaited, or to be saved as they are."""

from collections import Counter
from collections.abc import Sequence

from luma_cli.api.hosts import without_query
from luma_cli.api.task import State, Task
from luma_cli.downloads.file_names import Naming, safe_piece, stem_of
from luma_cli.edits.request import Entry
from luma_cli.edits.run import RUN_AGAIN, Plan, Run
from luma_cli.edits.sources.task_references import Reference


def entries_to_wait_for(plan: Plan, references: Sequence[Reference]) -> list[Entry]:
    """Tasks that exist already, as the engine takes them."""
    return [
        Entry(
            reference.task_id,
            reference.naming,
            row=reference.row,
            task_id=reference.task_id,
            output=plan.output,
            age=reference.age,
        )
        for reference in references
    ]


def entries_to_save(run: Run, plan: Plan, references: Sequence[Reference], links: Sequence[str]) -> list[Entry]:
    """Tasks that are to have ended, and links, about which nobody is asked."""
    if links and not references:
        run.results.next_step = RUN_AGAIN
    tasks = [Task("", State.SUCCEEDED, result_urls=(link,)) for link in links]
    videos = [
        Entry(without_query(link), Naming(stem), task=task, output=plan.output)
        for link, stem, task in zip(links, _stems(links), tasks, strict=True)
    ]
    return videos + entries_to_wait_for(plan, references)


def _stems(links: Sequence[str]) -> list[str]:
    """A stem for each link, none of them twice."""
    seen: Counter[str] = Counter()
    stems = []
    for link in links:
        stem = safe_piece(stem_of(link), "video")
        seen[stem] += 1
        stems.append(stem if seen[stem] == 1 else f"{stem}-{seen[stem]}")
    return stems
