"""A batch file, JSONL or CSV, as edits."""

import csv
import difflib
import hashlib
import io
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from luma_cli.config.settings import Settings
from luma_cli.downloads.file_names import why_not
from luma_cli.downloads.target import target_key
from luma_cli.edits.events import Checked, Warned
from luma_cli.edits.request import Clip, EditRequest, Entry, check_texts, parse_clip, with_row_key
from luma_cli.edits.run import Run
from luma_cli.edits.submit import is_same_file
from luma_cli.errors import Finding, UsageError

COLUMNS = ("prompt", "video", "watermark", "output", "id")
NEEDED = ("prompt", "video")
MAX_ID = 200
MAX_OUTPUT = 1000


@dataclass(frozen=True)
class ManifestEntry:
    """One edit to be made. `line` is where it stands in the file, `id` is the user's own or made of the content."""

    line: int
    id: str
    prompt: str
    video: str
    watermark: str | None = None
    output: str | None = None


class _BadRow(Exception):
    """What is wrong with a row."""


def load_rows(run: Run, name: str, text: str) -> list[ManifestEntry]:
    """The rows of a batch file; every fault is reported. The run's next step is the same command again.

    Raises:
        UsageError: rows are wrong.
    """
    try:
        rows = parse_manifest(name, text)
    except UsageError as error:
        run.report(Checked(error.findings))
        raise
    if run.journal.is_kept:
        run.results.next_step = "run the same command again, it goes on where it stopped"
    else:
        off = "LUMA_JOURNAL=off: if this batch is stopped, it cannot go on; run again, it pays for every row anew"
        run.report(Warned(off, once=False))
    return rows


def parse_manifest(name: str, text: str) -> list[ManifestEntry]:
    """The entries of a file. CSV is told from JSONL by the name, for other names by the first character.

    Raises:
        UsageError: rows are wrong; `findings` has a line for each.
    """
    entries: list[ManifestEntry] = []
    faults: list[tuple[int, str]] = []
    for line, values in _csv_rows(text) if _is_csv(name, text) else _json_rows(text):
        try:
            entries.append(_entry(line, values))
        except _BadRow as error:
            faults.append((line, str(error)))
    faults += _repeated(entries, "id", (entry.id for entry in entries))
    faults += _repeated(entries, "output", (entry.output and _plain_path(entry.output) for entry in entries))
    if not faults and not entries:
        raise UsageError(f"{name} holds no rows", hint='JSONL: {"prompt": "Heavy snow", "video": "clip.mp4"}')
    if faults:
        found = tuple(Finding("row", "error", f"{name}:{line}: {what}") for line, what in sorted(faults))
        columns = f"columns: {' '.join(COLUMNS)}"
        count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        refusal = UsageError(f"{count} in {name}: nothing was sent", hint=columns)
        refusal.findings = found
        raise refusal
    return entries


def _plain_path(output: str) -> str:
    """Equal for outputs that are one file on any system: `a.mp4`, `./A.mp4`, `.//a.mp4`."""
    path = str(PurePosixPath(output.replace("\\", "/")))
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def parse_shard(text: str) -> tuple[int, int]:
    """`2/5` as (2, 5).

    Raises:
        UsageError: not a shard.
    """
    first, slash, second = text.partition("/")
    numbers = [int(each) if each.isascii() and each.isdecimal() and len(each) < 7 else 0 for each in (first, second)]
    if not slash or not 1 <= numbers[0] <= numbers[1]:
        raise UsageError(f"{text[:40]!a} is not a shard", hint="--shard 1/4 is the first of four")
    return numbers[0], numbers[1]


def in_shard(entry_id: str, shard: tuple[int, int]) -> bool:
    """Every entry is in exactly one shard, whatever else is in the file."""
    number, count = shard
    return int.from_bytes(hashlib.sha256(entry_id.encode()).digest()[:8]) % count == number - 1


def make_entries(
    settings: Settings, rows: Sequence[ManifestEntry], folder: str | None, shard: tuple[int, int] | None
) -> list[Entry]:
    """The rows as edits, each clip read once. A row is known again by its id, prompt, clip and watermark.

    A row without an id gets one made of its identity; equal rows are counted, so that the same file gives the same ids
    again. `shard`: only those of this part.
    """
    clips: dict[str, Clip | UsageError] = {}
    seen: Counter[str] = Counter()
    seen_old: Counter[str] = Counter()
    entries = []
    for row in rows:
        request = _request_of(settings, row, clips)
        made = request.identity[:16]
        seen[made] += not row.id
        entry_id = row.id or made + (f"-{seen[made]}" if seen[made] > 1 else "")
        if shard is None or in_shard(entry_id, shard):
            request = with_row_key(request, entry_id, row.id or _old_id(row, seen_old))
            name = f"line {row.line} ({entry_id})"
            output = _output_of(row, folder)
            entries.append(Entry(name, request.naming, request, output=output, entry_id=entry_id, line=row.line))
    _check_outputs(entries)
    return entries


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
        key = f"{folders[path.parent]}\0{_plain_path(path.name)}"
        line = first.setdefault(key, entry.line)
        if line != entry.line:
            raise UsageError(f"line {entry.line}: the same output as in line {line}", hint="nothing was sent")
        clip = entry.request.clip.path if entry.request is not None else None
        if clip is not None and is_same_file(str(clip), entry.output):
            raise UsageError(f"line {entry.line}: {entry.output} would be overwritten by its own edit")


def _request_of(settings: Settings, row: ManifestEntry, clips: dict[str, Clip | UsageError]) -> EditRequest:
    """One whose clip cannot be read carries the error."""
    if row.video not in clips:
        try:
            clips[row.video] = parse_clip(row.video)
        except UsageError as error:
            clips[row.video] = error
    clip = clips[row.video]
    watermark, fault = row.watermark or settings.watermark, clip if isinstance(clip, UsageError) else None
    try:
        check_texts(row.prompt, watermark, settings.callback_url, None)
    except UsageError as error:
        fault = error
    parsed = Clip(row.video) if isinstance(clip, UsageError) else clip
    return EditRequest(parsed, row.prompt, watermark, settings.callback_url, error=fault)


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


def _is_csv(name: str, text: str) -> bool:
    if name.lower().endswith((".csv", ".jsonl", ".ndjson", ".json")):
        return name.lower().endswith(".csv")
    return not text.lstrip().startswith("{")


def _json_rows(text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line, object_pairs_hook=_no_repeats)
            except _BadRow as error:
                yield number, error
            except (ValueError, RecursionError):
                yield number, _BadRow("not a JSON object on one line")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _BadRow("a key stands there twice")
    return found


def _csv_rows(text: str) -> Iterator[tuple[int, Any]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    heading: list[str] | None = None
    while True:
        before = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield reader.line_num, _BadRow(f"not CSV: {error}")
            return
        if row is None:
            return
        if not any(each.strip() for each in row):
            continue
        if heading is None:
            heading = [each.strip() for each in row]
            if (fault := _fault_of(heading)) is not None:
                yield before, fault
                return
        elif len(row) > len(heading):
            yield before, _BadRow(f"{len(row)} values for {len(heading)} columns")
        else:
            # An empty cell is a value that was left out.
            yield before, {name: value for name, value in zip(heading, row, strict=False) if value}


def _fault_of(heading: list[str]) -> _BadRow | None:
    """Said once, not for every row below it."""
    missing = [name for name in NEEDED if name not in heading]
    unknown = [name for name in heading if name not in COLUMNS]
    if unknown:
        return _unknown_column(unknown[0])
    if len(set(heading)) < len(heading):
        return _BadRow("a column stands there twice")
    return _BadRow(f"no column {missing[0]} in the first line") if missing else None


def _unknown_column(name: str) -> _BadRow:
    near = difflib.get_close_matches(name, COLUMNS, 1)
    return _BadRow(f"no column {name[:40]!a}" + (f", did you mean {near[0]}?" if near else ""))


def _entry(line: int, values: Any) -> ManifestEntry:
    if isinstance(values, _BadRow):
        raise values
    if not isinstance(values, dict):
        raise _BadRow("not a JSON object on one line")
    for name in values:
        if name not in COLUMNS:
            raise _unknown_column(name)
    given = {name: value for name, value in values.items() if value is not None}
    for name, value in given.items():
        if not isinstance(value, str):
            raise _BadRow(f"{name} is not a text")
        if "\0" in value or any("\ud800" <= each <= "\udfff" for each in value):
            raise _BadRow(f"{name} is not valid text")
    for name in NEEDED:
        if not given.get(name, "").strip():
            raise _BadRow(f"{name} is missing")
    if len(given.get("id", "")) > MAX_ID or ("id" in given and not given["id"].isprintable()):
        raise _BadRow(f"id is not one line of at most {MAX_ID} characters")
    _check_output(given.get("output"))
    return ManifestEntry(line, given.pop("id", ""), **given)


def _check_output(output: str | None) -> None:
    """A path inside the folder of the results."""
    if output is None:
        return
    if len(output) > MAX_OUTPUT:
        raise _BadRow(f"output is longer than {MAX_OUTPUT} characters")
    path = PurePosixPath(output.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or output.endswith("/"):
        raise _BadRow("output is not the name of a file inside the output folder")
    for part in path.parts:
        if (reason := why_not(part)) is not None:
            raise _BadRow(f"output is not allowed: {reason}")


def _repeated(entries: list[ManifestEntry], what: str, values: Iterable[str | None]) -> list[tuple[int, str]]:
    first: dict[str, int] = {}
    found = []
    for entry, value in zip(entries, values, strict=True):
        if value and first.setdefault(value, entry.line) != entry.line:
            found.append((entry.line, f"the same {what} as in line {first[value]}"))
    return found
