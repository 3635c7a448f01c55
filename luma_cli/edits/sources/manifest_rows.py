"""The rows of a batch file, each checked, and beside each other; every fault is reported."""

import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from luma_cli.api.models import check_options, check_watermark, find_model, parse_options
from luma_cli.api.options import UNSENDABLE, split_settings
from luma_cli.api.task import DEFAULT_MODEL, as_int
from luma_cli.config.environment import SWITCH, expand_home
from luma_cli.config.settings import MAX_TAKES
from luma_cli.downloads.file_names import why_not
from luma_cli.downloads.target import target_key, without_case
from luma_cli.edits.events import Checked, Warned
from luma_cli.edits.finish import check_finishing
from luma_cli.edits.request import takes_watermark
from luma_cli.edits.run import RUN_AGAIN, Finishing, Run
from luma_cli.edits.sources.manifest_file import (
    COLUMNS,
    NEEDED,
    OnIgnored,
    csv_rows,
    decode,
    is_csv,
    json_rows,
    nearest_column,
    unknown_column,
)
from luma_cli.edits.sources.pieces import check_tools
from luma_cli.errors import Finding, UsageError
from luma_cli.video.ffmpeg import ENCODING, find_ffmpeg
from luma_cli.video.trim_range import Trim, parse_trim

MAX_ID = 200
MAX_OUTPUT = 1000
MAX_FAULTS = 20
_ONE_PER_LINE = "one object per line: jq -c '.[]' FILE.json > FILE.jsonl"


class ManifestEntry(NamedTuple):
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
    options: Mapping[str, object] = {}


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
        rows = parse_manifest(
            name,
            decode(name, content),
            run.settings.model,
            folder,
            on_ignored=lambda column: ignored.update({column: None}),
            check=lambda row: _with_checked_finishing(run, row),
        )
    except UsageError as error:
        run.report(Checked(error.findings))
        raise
    if ignored:
        shown = ", ".join(ascii(column[:40]) for column in list(ignored)[:MAX_FAULTS])
        run.report(Warned(f"ignored in {name}, which luma does not know: {shown}"))
    _warn_of_watermark(run, rows)
    if run.journal.is_kept:
        run.results.next_step = RUN_AGAIN
    elif is_sent:
        off = "LUMA_JOURNAL=off: if this batch is stopped, it cannot go on; run again, it pays for every row anew"
        run.report(Warned(off, once=False))
    return rows


def _with_checked_finishing(run: Run, row: ManifestEntry) -> ManifestEntry:
    """The row with its sound as an absolute path. Raises UsageError if that is not a sound, or ffmpeg is missing."""
    audio = expand_home(row.audio.strip()) if row.audio is not None else None
    checked = check_finishing(run, Finishing(audio or None, row.match))
    if row.fit:
        find_ffmpeg(run.settings.ffmpeg, ENCODING, option="fit")
    if row.split:
        check_tools(run, "split")
    return row._replace(audio=checked.audio)


def _warn_of_watermark(run: Run, rows: Sequence[ManifestEntry]) -> None:
    names = {row.model for row in rows if not row.watermark and not takes_watermark(find_model(row.model))}
    if run.settings.watermark and names:
        run.report(Warned(f"the setting watermark is left out: {', '.join(sorted(names))} takes no text as watermark"))


def parse_manifest(
    name: str,
    text: str,
    model: str = DEFAULT_MODEL,
    folder: str | None = None,
    *,
    on_ignored: OnIgnored = lambda _: None,
    check: Callable[[ManifestEntry], ManifestEntry] = lambda row: row,
) -> list[ManifestEntry]:
    """The entries of a file. CSV is told from JSON by the name, for other names by the first character.

    `model` is the one of rows that name none, `folder` is where results go. `on_ignored` gets unknown columns, `check`
    each row that is right by itself.

    Raises:
        UsageError: rows are wrong; `findings` has a line for each, up to a limit.
    """
    if "\0" in text:
        raise UsageError(f"{name} is not UTF-8 text: it has NUL characters", hint='save it as "CSV UTF-8"')
    entries: list[ManifestEntry] = []
    faults: list[tuple[int, str]] = []
    for line, values in csv_rows(text, on_ignored) if is_csv(name, text) else json_rows(text):
        try:
            entries.append(check(_entry(line, values, model, on_ignored)))
        except UsageError as error:
            faults.append((line, f"{error.message}: {error.hint}" if error.hint else error.message))
    faults += _repeated_ids(entries)
    faults += _output_faults(entries, name, Path(folder or "."))
    if faults:
        raise _refusal(name, sorted(faults))
    if not entries:
        raise UsageError(f"{name} holds no rows", hint='JSONL: {"prompt": "Heavy snow", "video": "clip.mp4"}')
    return entries


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


def ids_of_takes(row_id: str, takes: int) -> list[str]:
    """The first take keeps the row's id: what was submitted before more were asked for is not paid again."""
    return [row_id, *(f"{row_id}#{take}" for take in range(2, takes + 1))]


def _entry(line: int, values: Any, default_model: str, on_ignored: OnIgnored) -> ManifestEntry:
    given = _given(values, on_ignored)
    for name in NEEDED:
        if not given.get(name, "").strip():
            raise UsageError(f"{name} is missing")
    model = find_model(given.pop("model", "").strip() or default_model)
    settings = given.pop("set", {})
    options = check_options(model, settings) if isinstance(settings, dict) else parse_options(model, settings)
    entry = ManifestEntry(line, given.pop("id", ""), model=model.name, options=options, **given)
    check_watermark(model, entry.watermark)
    _check_together(entry)
    return entry


def _given(values: Any, on_ignored: OnIgnored) -> dict[str, Any]:
    """What a row says, by the names of the columns. What is empty was left out."""
    if isinstance(values, UsageError):
        raise values
    if not isinstance(values, dict):
        raise UsageError("not a JSON object on one line")
    given: dict[str, Any] = {}
    for typed, value in values.items():
        name = typed.strip().lower()
        if isinstance(value, UsageError):
            raise value
        if name not in COLUMNS:
            if (near := nearest_column(name)) is not None:
                raise unknown_column(typed, near)
            on_ignored(typed)
        elif name in given:
            raise UsageError("a key stands there twice")
        elif value not in (None, ""):
            given[name] = _PARSERS[name](name, value)
    return given


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{name} is not a text")
    if re.search(UNSENDABLE, value):
        raise UsageError(f"{name} is not valid text")
    return value


def _id(name: str, value: Any) -> str:
    if len(text := _text(name, value)) > MAX_ID or not text.isprintable():
        raise UsageError(f"{name} is not one line of at most {MAX_ID} characters")
    return text


def _output(name: str, value: Any) -> str:
    """A path inside the folder of the results."""
    text = _text(name, value)
    if len(text) > MAX_OUTPUT:
        raise UsageError(f"{name} is longer than {MAX_OUTPUT} characters")
    path = PurePosixPath(text.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or text.endswith("/"):
        raise UsageError(f"{name} is not the name of a file inside the output folder")
    for reason in filter(None, map(why_not, path.parts)):
        raise UsageError(f"{name} is not allowed: {reason}")
    return text


def _takes(name: str, value: Any) -> int:
    number = as_int(value.strip() if isinstance(value, str) else value)
    if number is None or not 1 <= number <= MAX_TAKES:
        raise UsageError(f"{name} is not a number from 1 to {MAX_TAKES}")
    return number


def _trim(name: str, value: Any) -> Trim | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    text = f"{value:.12g}" if is_number else _text(name, value)
    return parse_trim(text) if text.strip() else None


def _switch(name: str, value: Any) -> bool:
    found = SWITCH.get(str(value).strip().lower())
    if found is None:
        raise UsageError(f"{name} is not true or false")
    return found


def _set(name: str, value: Any) -> dict[str, object] | list[str]:
    if not isinstance(value, str | dict):
        raise UsageError(f"{name} is not an object of names and values")
    return value if isinstance(value, dict) else split_settings(value)


_PARSERS: Mapping[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(COLUMNS, _text),
    "id": _id,
    "output": _output,
    "takes": _takes,
    "trim": _trim,
    "match": _switch,
    "fit": _switch,
    "split": _switch,
    "set": _set,
}


def _check_together(entry: ManifestEntry) -> None:
    """What does not go together with what."""
    for name in ("fit", "trim", "split"):
        if getattr(entry, name) and "://" in entry.video:
            raise UsageError(f"{name} is for local clips: download the video first and give the file")
    if entry.split and entry.output is None:
        raise UsageError("split needs output, the file for the whole clip")
    for name, is_given in (("takes", entry.takes > 1), ("trim", entry.trim is not None)):
        if entry.split and is_given:
            raise UsageError(f"split and {name} do not go together")
    if entry.takes > 1 and entry.output is not None:
        raise UsageError(f"output names one file for {entry.takes} takes: leave it out, and use -o DIR")


def _repeated_ids(entries: Sequence[ManifestEntry]) -> Iterator[tuple[int, str]]:
    first: dict[str, int] = {}
    for entry in entries:
        lines = [first.setdefault(one, entry.line) for one in ids_of_takes(entry.id, entry.takes) if entry.id]
        if (line := next((line for line in lines if line != entry.line), None)) is not None:
            yield entry.line, f"the same id as in line {line}"


def _output_faults(entries: Sequence[ManifestEntry], name: str, folder: Path) -> Iterator[tuple[int, str]]:
    """Outputs that lead to one file, by whichever links, or to a clip of the batch, or below the file of another."""
    key = functools.partial(_path_key, functools.cache(lambda parent: target_key(parent / "video.mp4")))
    outputs = {entry.line: folder / entry.output for entry in entries if entry.output is not None}
    clips = {_file_key(clip): clip for clip in (name, *(entry.video for entry in entries))}
    clips.pop(None, None)
    first: dict[str, int] = {}
    for line, path in outputs.items():
        first.setdefault(key(path), line)
    for line, path in outputs.items():
        if first[key(path)] != line:
            yield line, f"the same output as in line {first[key(path)]}"
        above = path.parents[: len(path.parts) - len(folder.parts) - 1]
        if found := next((first[known] for known in map(key, above) if known in first), None):
            yield line, f"its folder is the output of line {found}"
        if (there := _file_key(path)) in clips:
            yield line, f"output would overwrite {clips[there]}"


def _path_key(folder_key: Callable[[Path], str], path: Path) -> str:
    """Equal for outputs that are one file on any system: `a.mp4`, `./A.mp4`, `link/a.mp4`."""
    return f"{folder_key(path.parent)}\0{without_case(path.name)}"


def _file_key(name: str | Path) -> tuple[int, int] | None:
    try:
        facts = os.stat(os.path.expanduser(name))
    except (OSError, ValueError):
        return None  # a link, or not there
    return facts.st_dev, facts.st_ino
