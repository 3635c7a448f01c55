"""The rows of a batch file as edits, known again by their ids and the identity of what they ask for."""

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from luma_cli.api.models import find_model
from luma_cli.config.settings import Settings
from luma_cli.edits.events import Note
from luma_cli.edits.request import (
    Clip,
    EditRequest,
    Entry,
    check_texts,
    choose_watermark,
    find_clip,
    part_of,
    row_id_of,
    with_row_key,
)
from luma_cli.edits.run import Finishing, Run
from luma_cli.edits.sources.manifest_rows import ManifestEntry, ids_of_takes
from luma_cli.errors import UsageError


def parse_shard(text: str) -> tuple[int, int]:
    """`2/5` as (2, 5).

    Raises:
        UsageError: not a shard.
    """
    first, slash, second = text.partition("/")
    numbers = [int(part) if part.isascii() and part.isdecimal() and len(part) < 7 else 0 for part in (first, second)]
    if not slash or not 1 <= numbers[0] <= numbers[1]:
        raise UsageError(f"{text[:40]!a} is not a shard", hint="--shard 1/4 is the first of four")
    return numbers[0], numbers[1]


def in_shard(entry_id: str, shard: tuple[int, int]) -> bool:
    """Every entry is in exactly one shard, whatever else is in the file."""
    number, count = shard
    return int.from_bytes(hashlib.sha256(entry_id.encode()).digest()[:8]) % count == number - 1


def make_entries(
    settings: Settings,
    rows: Sequence[ManifestEntry],
    folder: str | None,
    shard: tuple[int, int] | None,
    *,
    resubmit: bool = False,
    find_task: Callable[[str], Clip | None] = lambda _: None,
) -> list[Entry]:
    """The rows as edits, each clip read once. A row is known again by its id and the identity of its edit.

    A row without an id gets one made of its identity; equal rows are counted, so that the same file gives the same ids
    again. Each take is an entry of its own. `shard`: only those of this part. `find_task` gives the result of a task.
    """

    @functools.cache
    def find(name: str) -> Clip | UsageError:
        try:
            return find_clip(name, find_task)
        except UsageError as error:
            return error

    requests = [_request_of(settings, row, find(row.video)) for row in rows]
    seen: Counter[str] = Counter()
    edits: Counter[str] = Counter()
    for row, request in zip(rows, requests, strict=True):
        edits[request.clip.identity] += row.takes
    entries = []
    for row, plain in zip(rows, requests, strict=True):
        request = replace(plain, resubmit=resubmit, names_prompt=edits[plain.clip.identity] > 1)
        row_id = row.id or _numbered(row_id_of(request), seen)
        old_id = row.id or _numbered(_old_id(row), seen)
        for take, entry_id in enumerate(ids_of_takes(row_id, row.takes), 1):
            if shard is None or in_shard(entry_id, shard):
                keyed = with_row_key(request, entry_id, old_id if take == 1 else entry_id)
                entries.append(_entry_of(row, replace(keyed, take=take), entry_id, folder))
    return entries


def _numbered(made: str, seen: Counter[str]) -> str:
    seen[made] += 1
    return made if seen[made] == 1 else f"{made}-{seen[made]}"


def count_entries(run: Run, entries: Sequence[Entry], shard: str | None) -> None:
    """Have the results of the run know how many there are, and of which shard. That it has none is noted."""
    run.results.count, run.results.shard = len(entries), shard
    if not entries:
        run.report(Note(f"no row is in shard {shard}"))


def _entry_of(row: ManifestEntry, request: EditRequest, entry_id: str, folder: str | None) -> Entry:
    name = f"line {row.line} ({entry_id})"
    return Entry(name, request.naming, request, output=_output_of(row, folder), entry_id=entry_id, line=row.line)


def _request_of(settings: Settings, row: ManifestEntry, found: Clip | UsageError) -> EditRequest:
    """One whose clip cannot be read carries the error."""
    clip = found if isinstance(found, Clip) else Clip(row.video)
    error = found if isinstance(found, UsageError) else None
    model = find_model(row.model)
    watermark = choose_watermark(settings, model, row.watermark)
    try:
        check_texts(row.prompt, watermark, settings.callback_url, None)
    except UsageError as fault:
        error = fault
    return EditRequest(
        clip,
        row.prompt,
        watermark,
        settings.callback_url,
        model=model,
        options=row.options,
        trim=part_of(clip, row.trim, model),
        typed_trim=row.trim,
        fit=bool(row.fit),
        finishing=Finishing(row.audio, row.match),
        is_split=bool(row.split),
        error=error,
    )


def _old_id(row: ManifestEntry) -> str:
    """The id that a luma of journal schema 2 and before has made of the row's spelling."""
    return hashlib.sha256(json.dumps([row.prompt, row.video, row.watermark]).encode()).hexdigest()[:16]


def _output_of(row: ManifestEntry, folder: str | None) -> str | None:
    """Where a row's video goes: its own file below the folder, or the folder for a default name."""
    if row.output is not None:
        return str(Path(folder or ".", row.output))
    return None if folder is None else f"{folder.rstrip('/')}/"
