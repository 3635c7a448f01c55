"""The rows of a batch file as edits, known again by their ids and the identity of what they ask for."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from luma_cli.api.models import find_model
from luma_cli.config.settings import Settings
from luma_cli.downloads.target import target_key
from luma_cli.edits.events import Note
from luma_cli.edits.request import Clip, EditRequest, Entry, check_texts, find_clip, part_of, row_id_of, with_row_key
from luma_cli.edits.run import Finishing, Run
from luma_cli.edits.sources.command_line import is_same_file
from luma_cli.edits.sources.manifest_rows import ManifestEntry, ids_of_takes, plain_path
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
    clips: dict[str, Clip | UsageError] = {}
    seen: Counter[str] = Counter()
    seen_old: Counter[str] = Counter()
    entries = []
    requests = [_request_of(settings, row, clips, find_task) for row in rows]
    edits: Counter[str] = Counter()
    for row, request in zip(rows, requests, strict=True):
        edits[request.clip.identity] += row.takes
    for row, plain in zip(rows, requests, strict=True):
        request = replace(plain, resubmit=resubmit, names_prompt=edits[plain.clip.identity] > 1)
        made = row_id_of(request)
        seen[made] += not row.id
        row_id = row.id or made + (f"-{seen[made]}" if seen[made] > 1 else "")
        old_id = row.id or _old_id(row, seen_old)
        for take, entry_id in enumerate(ids_of_takes(row_id, row.takes), 1):
            if shard is None or in_shard(entry_id, shard):
                keyed = with_row_key(request, entry_id, old_id if take == 1 else entry_id)
                entries.append(_entry_of(row, replace(keyed, take=take), entry_id, folder))
    _check_outputs(entries)
    return entries


def count_entries(run: Run, entries: Sequence[Entry], shard: str | None) -> None:
    """Have the results of the run know how many there are, and of which shard. That it has none is noted."""
    run.results.count, run.results.shard = len(entries), shard
    if not entries:
        run.report(Note(f"no row is in shard {shard}"))


def _check_outputs(entries: Sequence[Entry]) -> None:
    """Raises UsageError if two rows lead to one file, by whichever links, or one to the clip of its own edit."""
    folders: dict[Path, str] = {}
    first: dict[str, int] = {}
    for entry in entries:
        if entry.output is None or entry.output.endswith("/"):
            continue
        path = Path(entry.output)
        if path.parent not in folders:
            folders[path.parent] = target_key(path.parent / "video.mp4")
        key = f"{folders[path.parent]}\0{plain_path(path.name)}"
        line = first.setdefault(key, entry.line)
        if line != entry.line:
            raise UsageError(f"line {entry.line}: the same output as in line {line}", hint="nothing was sent")
        clip = entry.request.clip.path if entry.request is not None else None
        if clip is not None and is_same_file(str(clip), entry.output):
            raise UsageError(f"line {entry.line}: {entry.output} would be overwritten by its own edit")


def _entry_of(row: ManifestEntry, request: EditRequest, entry_id: str, folder: str | None) -> Entry:
    name = f"line {row.line} ({entry_id})"
    return Entry(name, request.naming, request, output=_output_of(row, folder), entry_id=entry_id, line=row.line)


def _request_of(
    settings: Settings,
    row: ManifestEntry,
    clips: dict[str, Clip | UsageError],
    find_task: Callable[[str], Clip | None],
) -> EditRequest:
    """One whose clip cannot be read carries the error."""
    if row.video not in clips:
        try:
            clips[row.video] = find_clip(row.video, find_task)
        except UsageError as error:
            clips[row.video] = error
    clip, model = clips[row.video], find_model(row.model)
    watermark = row.watermark or (settings.watermark if model.watermark == "text" else None)
    fault = clip if isinstance(clip, UsageError) else None
    try:
        check_texts(row.prompt, watermark, settings.callback_url, None)
    except UsageError as error:
        fault = error
    parsed = Clip(row.video) if isinstance(clip, UsageError) else clip
    return EditRequest(
        parsed,
        row.prompt,
        watermark,
        settings.callback_url,
        model=model,
        options=row.options,
        trim=part_of(parsed, row.trim, model),
        typed_trim=row.trim,
        fit=bool(row.fit),
        finishing=Finishing(row.audio, row.match),
        is_split=bool(row.split),
        error=fault,
    )


def _old_id(row: ManifestEntry, seen: Counter[str]) -> str:
    """The id that a luma of journal schema 2 and before has made of the row's spelling."""
    facts = json.dumps([row.prompt, row.video, row.watermark])
    made = hashlib.sha256(facts.encode()).hexdigest()[:16]
    seen[made] += 1
    return made + (f"-{seen[made]}" if seen[made] > 1 else "")


def _output_of(row: ManifestEntry, folder: str | None) -> str | None:
    """Where a row's video goes: its own file below the folder, or the folder for a default name."""
    if row.output is not None:
        return str(Path(folder or ".", row.output))
    return None if folder is None else f"{folder.rstrip('/')}/"
