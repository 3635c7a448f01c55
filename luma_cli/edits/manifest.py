"""A batch file, JSONL or CSV, as edits."""

import csv
import difflib
import hashlib
import io
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from luma_cli.api.models import DEFAULT_MODEL, check_options, check_watermark, find_model, parse_options
from luma_cli.api.options import split_settings
from luma_cli.config.environment import expand_home
from luma_cli.config.settings import Settings
from luma_cli.downloads.file_names import why_not
from luma_cli.downloads.target import target_key
from luma_cli.edits.events import Checked, Warned
from luma_cli.edits.finish import check_finishing
from luma_cli.edits.request import Clip, EditRequest, Entry, Finishing, check_texts, parse_clips, with_row_key
from luma_cli.edits.run import Run
from luma_cli.edits.submit import is_same_file
from luma_cli.errors import Finding, UsageError
from luma_cli.video import fit
from luma_cli.video.ffmpeg import find_ffmpeg
from luma_cli.video.trim_range import Trim, parse_trim

TEXTS = ("prompt", "video", "watermark", "output", "id", "trim", "audio", "model")
SWITCHES = ("match", "fit", "split")
COLUMNS = (
    *(
        "prompt",
        "video",
        "watermark",
        "output",
        "id",
        "takes",
        "trim",
        "audio",
        "match",
        "fit",
        "split",
        "model",
        "set",
    ),
)
NEEDED = ("prompt", "video")
MAX_ID = 200
MAX_OUTPUT = 1000
MAX_TAKES = 100
MAX_FAULTS = 20
# How alike an unknown column must be to a known one to be taken for a slip: `notes` is no `takes`, `vidoe` is `video`.
LIKENESS = 0.75
_SUFFIX = re.compile(r"(url|link|file|path|text|name)s?$")
_YES, _NO = ("true", "yes", "y", "on", "1"), ("false", "no", "n", "off", "0")
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_ONE_PER_LINE = "one object per line: jq -c '.[]' FILE.json > FILE.jsonl"


@dataclass(frozen=True)
class ManifestEntry:
    """One row. `line` is where it stands in the file, `id` is the user's own; "" is replaced by one of its content.

    `options` are settings of the model, checked. `audio` and the switches are None if the row does not say.
    """

    line: int
    id: str
    prompt: str
    video: str
    watermark: str | None = None
    output: str | None = None
    takes: int = 1
    trim: Trim | None = None
    audio: str | None = None
    match: bool | None = None
    fit: bool | None = None
    split: bool | None = None
    model: str = DEFAULT_MODEL
    options: Mapping[str, object] = field(default_factory=dict)


class _BadRow(Exception):
    """What is wrong with a row."""


_Ignored = Callable[[str], None]
_Rows = Iterable[tuple[int, Any]]


def load_rows(
    run: Run, name: str, content: bytes, folder: str | None = None, *, is_sent: bool = True
) -> list[ManifestEntry]:
    """The rows of a batch file; every fault is reported. The run's next step is the same command again.

    `folder` is where the results are to go. `is_sent` is False for --dry-run.

    Raises:
        UsageError: rows are wrong.
    """
    ignored: dict[str, None] = {}
    try:
        text = decode(name, content)
        rows = parse_manifest(
            name, text, run.settings.model, folder, on_ignored=lambda column: ignored.update({column: None})
        )
        rows = _with_checked_finishing(run, name, rows)
    except UsageError as error:
        run.report(Checked(error.findings))
        raise
    if ignored:
        shown = ", ".join(ascii(column[:40]) for column in list(ignored)[:MAX_FAULTS])
        run.report(Warned(f"ignored in {name}, which luma does not know: {shown}"))
    _warn_of_watermark(run, rows)
    if run.journal.is_kept:
        run.results.next_step = "run the same command again, it goes on where it stopped"
    elif is_sent:
        off = "LUMA_JOURNAL=off: if this batch is stopped, it cannot go on; run again, it pays for every row anew"
        run.report(Warned(off, once=False))
    return rows


def _with_checked_finishing(run: Run, name: str, rows: Sequence[ManifestEntry]) -> list[ManifestEntry]:
    """The rows with files of sound as absolute paths. Raises UsageError if one is not a sound, or ffmpeg is missing."""
    found: list[ManifestEntry] = []
    faults: list[tuple[int, str]] = []
    for row in rows:
        try:
            audio = None if row.audio is None else expand_home(row.audio.strip())
            checked = check_finishing(run, Finishing(audio, row.match)) if audio or row.match else Finishing()
            if row.fit:
                find_ffmpeg(run.settings.ffmpeg, fit.NEEDS, option="fit")
            found.append(replace(row, audio=checked.audio))
        except UsageError as error:
            faults.append((row.line, error.message))
    if faults:
        raise _refusal(name, faults)
    return found


def _warn_of_watermark(run: Run, rows: Sequence[ManifestEntry]) -> None:
    names = {row.model for row in rows if not row.watermark and find_model(row.model).watermark != "text"}
    if run.settings.watermark and names:
        run.report(Warned(f"the setting watermark is left out: {', '.join(sorted(names))} takes no text as watermark"))


def decode(name: str, content: bytes) -> str:
    """The text of a file: UTF-8, or what its byte order mark says.

    Raises:
        UsageError: it is in another encoding.
    """
    encoding = next((known for mark, known in _BYTE_ORDER_MARKS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"line {line} has the byte 0x{content[error.start]:02x}, as Windows-1252 and its like have it"
        what = found if encoding == "utf-8" else f"it breaks off or is damaged in line {line}"
        label = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
        hint = "save it as UTF-8" if _is_json_name(name) else 'save it as "CSV UTF-8"'
        raise UsageError(f"{name} is not {label} text: {what}", hint=hint) from error


def parse_manifest(
    name: str,
    text: str,
    model: str = DEFAULT_MODEL,
    folder: str | None = None,
    *,
    on_ignored: _Ignored = lambda _: None,
) -> list[ManifestEntry]:
    """The entries of a file. CSV is told from JSON by the name, for other names by the first character.

    `model` is the one of rows that name none, `folder` is where results go. `on_ignored` gets unknown columns.

    Raises:
        UsageError: rows are wrong; `findings` has a line for each, up to a limit.
    """
    if "\0" in text:
        raise UsageError(f"{name} is not UTF-8 text: it has NUL characters", hint='save it as "CSV UTF-8"')
    entries: list[ManifestEntry] = []
    faults: list[tuple[int, str]] = []
    for line, values in _csv_rows(text, on_ignored) if _is_csv(name, text) else _json_rows(text):
        try:
            entries.append(_entry(line, values, model, on_ignored))
        except _BadRow as error:
            faults.append((line, str(error)))
    faults += _repeated(entries, "id", _all_ids)
    faults += _repeated(entries, "output", _output_keys)
    faults += _overwritten(entries, folder)
    if faults:
        raise _refusal(name, sorted(faults))
    if not entries:
        raise UsageError(f"{name} holds no rows", hint='JSONL: {"prompt": "Heavy snow", "video": "clip.mp4"}')
    return entries


def _plain_path(output: str) -> str:
    """Equal for outputs that are one file on any system: `a.mp4`, `./A.mp4`, `.//a.mp4`."""
    path = str(PurePosixPath(output.replace("\\", "/")))
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _refusal(name: str, faults: Sequence[tuple[int, str]]) -> UsageError:
    found = [Finding("row", "error", f"{name}:{line}: {what}") for line, what in faults[:MAX_FAULTS]]
    if len(faults) > MAX_FAULTS:
        last = faults[-1][0]
        found.append(Finding("row", "error", f"{name}:{last}: {len(faults) - MAX_FAULTS} more faults up to this line"))
    hint = next((_ONE_PER_LINE for _, what in faults if "JSON array" in what), f"columns: {' '.join(COLUMNS)}")
    count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
    refusal = UsageError(f"{count} in {name}: nothing was sent", hint=hint)
    refusal.findings = tuple(found)
    return refusal


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
    for row in rows:
        request = replace(_request_of(settings, row, clips, find_task), resubmit=resubmit)
        made = request.identity[:16]
        seen[made] += not row.id
        row_id = row.id or made + (f"-{seen[made]}" if seen[made] > 1 else "")
        old_id = row.id or _old_id(row, seen_old)
        for take, entry_id in enumerate(_ids_of_takes(row_id, row.takes), 1):
            if shard is None or in_shard(entry_id, shard):
                keyed = with_row_key(request, entry_id, old_id if take == 1 else entry_id)
                entries.append(_entry_of(row, replace(keyed, take=take), entry_id, folder))
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


def _entry_of(row: ManifestEntry, request: EditRequest, entry_id: str, folder: str | None) -> Entry:
    name = f"line {row.line} ({entry_id})"
    return Entry(name, request.naming, request, output=_output_of(row, folder), entry_id=entry_id, line=row.line)


def _ids_of_takes(row_id: str, takes: int) -> list[str]:
    """The first take keeps the row's id: what was submitted before more were asked for is not paid again."""
    return [row_id, *(f"{row_id}#{take}" for take in range(2, takes + 1))]


def _request_of(
    settings: Settings,
    row: ManifestEntry,
    clips: dict[str, Clip | UsageError],
    find_task: Callable[[str], Clip | None],
) -> EditRequest:
    """One whose clip cannot be read carries the error."""
    if row.video not in clips:
        try:
            [clips[row.video]] = parse_clips([row.video], find_task)
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
        trim=row.trim,
        fit=bool(row.fit),
        finishing=Finishing(row.audio, row.match),
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


# --- the file ---


def _is_json_name(name: str) -> bool:
    return name.lower().endswith((".jsonl", ".ndjson", ".json"))


def _is_csv(name: str, text: str) -> bool:
    if _is_json_name(name) or name.lower().endswith((".csv", ".tsv")):
        return not _is_json_name(name)
    return not text.lstrip().startswith(("{", "["))


def _json_rows(text: str) -> Iterator[tuple[int, Any]]:
    rows = _array_rows(text) if text.lstrip().startswith("[") else None
    if rows is not None:
        yield from rows
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line, object_pairs_hook=_no_repeats)
            except _BadRow as error:
                yield number, error
            except (ValueError, RecursionError):
                yield number, _BadRow(_why_not_json(text, line))


def _array_rows(text: str) -> list[tuple[int, Any]] | None:
    """The rows of a JSON array of objects, each with the line on which it begins; None if it is not one.

    Several on one line are numbered instead.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_repeats_as_fault)
    rows: list[tuple[int, Any]] = []
    space = re.compile(r"\s*")
    at, line, counted = text.index("[") + 1, 1, 0
    try:
        while (at := _end(space, text, at)) < len(text) and text[at] != "]":
            line, counted = line + text.count("\n", counted, at), at
            value, at = decoder.raw_decode(text, at)
            rows.append((line, value))
            at = _end(space, text, at)
            if text[at] == ",":
                at += 1
            elif text[at] != "]":
                return None
    except (ValueError, RecursionError, IndexError):
        return None
    if text[at : at + 1] != "]" or text[at + 1 :].strip() or not any(isinstance(row, dict) for _, row in rows):
        return None
    if len({line for line, _ in rows}) < len(rows):
        return [(number, row) for number, (_, row) in enumerate(rows, 1)]
    return rows


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    return found.end() if found is not None else start


def _why_not_json(text: str, line: str) -> str:
    if text.lstrip().startswith("[") and line.strip()[:1] in "[{":
        return "not a JSON object on one line, and the file is not a JSON array of objects either"
    return "not a JSON object on one line"


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _BadRow("a key stands there twice")
    return found


def _repeats_as_fault(pairs: list[tuple[str, Any]]) -> Any:
    try:
        return _no_repeats(pairs)
    except _BadRow as error:
        return error


def _csv_rows(text: str, on_ignored: _Ignored) -> Iterator[tuple[int, Any]]:
    text, delimiter, skipped = _dialect(text)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    heading: list[str] | None = None
    while True:
        before = reader.line_num + 1 + skipped
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield reader.line_num + skipped, _BadRow(f"not CSV: {error}")
            return
        if row is None:
            return
        if not any(cell.strip() for cell in row):
            continue
        row = _without_empty_end(row)
        if heading is None:
            heading = [cell.strip() for cell in row]
            if (fault := _fault_of(heading)) is not None:
                yield before, fault
                return
            for number, name in enumerate(heading, 1):
                if not name:
                    on_ignored(f"column {number} without a name")
        elif len(row) > len(heading):
            yield before, _BadRow(f"{len(row)} values for {len(heading)} columns")
        else:
            # An empty cell is a value that was left out.
            yield before, {name: value for name, value in zip(heading, row, strict=False) if name and value}


def _dialect(text: str) -> tuple[str, str, int]:
    """The text without its `sep=` line, what separates its cells, and how many lines were left out.

    Without that line (Excel writes it) it is what finds the most columns in the heading.
    """
    first, end, rest = text.partition("\n")
    said = re.fullmatch(r'"?sep=(.)"?', first.strip("\r\n "), re.IGNORECASE) or re.fullmatch(
        r"sep=(\t)", first.rstrip("\r")
    )
    if said is not None and said[1] not in '"\r\n':
        return rest, said[1], len(end)
    heading = next((line for line in re.split(r"[\r\n]+", text) if line.strip()), "")
    return text, max(",;\t", key=lambda delimiter: _known_cells(heading, delimiter)), 0


def _known_cells(heading: str, delimiter: str) -> int:
    return sum(cell.strip(' "').lower() in COLUMNS for cell in heading.split(delimiter))


def _without_empty_end(row: list[str]) -> list[str]:
    while row and not row[-1].strip():
        row = row[:-1]
    return row


def _fault_of(heading: list[str]) -> _BadRow | None:
    """Reported once, not for every row below it."""
    names = [name.lower() for name in heading if name]
    for name in names:
        if (near := _nearest(name)) is not None:
            return _unknown_column(name, near)
    known = [name for name in names if name in COLUMNS]
    if len(set(known)) < len(known):
        return _BadRow("a column stands there twice")
    missing = [name for name in NEEDED if name not in names]
    return _BadRow(f"no column {missing[0]} in the first line") if missing else None


def _nearest(name: str) -> str | None:
    """The column that is meant by one that is not known; None if it is a known one, or like none."""
    plain = re.sub(r"[\W_]", "", name.lower())
    if name.lower() in COLUMNS or not plain:
        return None
    stem = _SUFFIX.sub("", plain)
    beginning = [column for column in COLUMNS if len(plain) > 2 and column.startswith(plain)]
    near = [column for column in COLUMNS if column in (plain, stem)] or beginning
    near = near or difflib.get_close_matches(plain, COLUMNS, 1, LIKENESS)
    return near[0] if near else None


def _unknown_column(name: str, near: str) -> _BadRow:
    return _BadRow(f"no column {name[:40]!a}, did you mean {near}?")


# --- a row ---


def _entry(line: int, values: Any, model: str, on_ignored: _Ignored) -> ManifestEntry:
    given = _given(values, on_ignored)
    for name in NEEDED:
        if not str(given.get(name, "")).strip():
            raise _BadRow(f"{name} is missing")
    if len(given.get("id", "")) > MAX_ID or ("id" in given and not given["id"].isprintable()):
        raise _BadRow(f"id is not one line of at most {MAX_ID} characters")
    _check_output(given.get("output"))
    try:
        entry = ManifestEntry(
            line,
            given.pop("id", ""),
            takes=_takes(given.pop("takes", 1)),
            trim=_trim(given.pop("trim", None)),
            **_model_and_options(given, model),
            **_switches(given),
            **given,
        )
        check_watermark(find_model(entry.model), entry.watermark)
    except UsageError as error:
        raise _BadRow(error.message) from error
    _check_together(entry)
    return entry


def _given(values: Any, on_ignored: _Ignored) -> dict[str, Any]:
    """What a row says, by the names of the columns."""
    if isinstance(values, _BadRow):
        raise values
    if not isinstance(values, dict):
        raise _BadRow("not a JSON object on one line")
    given: dict[str, Any] = {}
    for typed, value in values.items():
        name = typed.strip().lower()
        if isinstance(value, _BadRow):
            raise value
        if name not in COLUMNS:
            if (near := _nearest(name)) is not None:
                raise _unknown_column(typed, near)
            on_ignored(typed)
        elif name in given:
            raise _BadRow("a key stands there twice")
        elif value is not None and not (value == "" and name not in ("prompt", "video", "output", "id")):
            given[name] = _checked_text(name, value) if name in TEXTS else value
    return given


def _checked_text(name: str, value: Any) -> str:
    if name == "trim" and isinstance(value, int | float) and not isinstance(value, bool):
        value = f"{value:.12g}"
    if not isinstance(value, str):
        raise _BadRow(f"{name} is not a text")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise _BadRow(f"{name} is not valid text")
    return value


def _takes(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,4}", value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_TAKES:
        raise _BadRow(f"takes is not a number from 1 to {MAX_TAKES}")
    return value


def _trim(value: str | None) -> Trim | None:
    return None if value is None or not value.strip() else parse_trim(value)


def _switch(name: str, value: Any) -> bool:
    word = value.strip().lower() if isinstance(value, str) else value
    if word in (True, *_YES) and not isinstance(word, float):
        return True
    if word in (False, *_NO) and not isinstance(word, float):
        return False
    raise _BadRow(f"{name} is not true or false")


def _switches(given: dict[str, Any]) -> dict[str, Any]:
    return {name: _switch(name, given.pop(name)) for name in SWITCHES if name in given}


def _model_and_options(given: dict[str, Any], default: str) -> dict[str, Any]:
    model, settings = find_model(given.pop("model", "").strip() or default), given.pop("set", {})
    if isinstance(settings, str):
        options = parse_options(model, split_settings(settings))
    elif isinstance(settings, dict):
        options = check_options(model, settings)
    else:
        raise _BadRow("set is not an object of names and values")
    return {"model": model.name, "options": options}


def _check_together(entry: ManifestEntry) -> None:
    """What does not go together with what."""
    if entry.split:
        raise _BadRow("a batch does not edit in pieces: luma modify --split -o FILE does")
    if entry.fit and "://" in entry.video:
        raise _BadRow("fit is for local clips: download the video first and give the file")
    if entry.trim is not None and "://" in entry.video:
        raise _BadRow("trim is for local clips: download the video first and give the file")
    if entry.takes > 1 and entry.output is not None:
        raise _BadRow(f"output names one file for {entry.takes} takes: leave it out, and use -o DIR")


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


# --- rows beside each other ---


def _all_ids(entry: ManifestEntry) -> list[str]:
    return _ids_of_takes(entry.id, entry.takes) if entry.id else []


def _output_keys(entry: ManifestEntry) -> list[str]:
    return [_plain_path(entry.output)] if entry.output else []


def _repeated(
    entries: list[ManifestEntry], what: str, values: Callable[[ManifestEntry], Iterable[str]]
) -> list[tuple[int, str]]:
    first: dict[str, int] = {}
    found: dict[int, str] = {}
    for entry in entries:
        for value in values(entry):
            if first.setdefault(value, entry.line) != entry.line:
                found.setdefault(entry.line, f"the same {what} as in line {first[value]}")
    return list(found.items())


def _overwritten(entries: Sequence[ManifestEntry], folder: str | None) -> list[tuple[int, str]]:
    """Outputs that are a clip of the batch."""
    clips = {key: entry.video for entry in entries if (key := _file_key(entry.video)) is not None}
    keys = ((entry, _file_key(str(Path(folder or ".", entry.output)))) for entry in entries if entry.output)
    return [
        (entry.line, f"output would overwrite {clips[key]}") for entry, key in keys if key is not None and key in clips
    ]


def _file_key(name: str) -> tuple[int, int] | None:
    try:
        facts = os.stat(name)
    except (OSError, ValueError):
        return None  # a link, or not there
    return facts.st_dev, facts.st_ino
