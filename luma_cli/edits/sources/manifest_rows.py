"""The rows of a batch file, each checked, and beside each other; every fault is reported."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from luma_cli.api.models import check_options, check_watermark, find_model, parse_options
from luma_cli.api.options import split_settings
from luma_cli.api.task import DEFAULT_MODEL
from luma_cli.config.environment import expand_home
from luma_cli.config.settings import MAX_TAKES
from luma_cli.downloads.file_names import why_not
from luma_cli.edits.events import Checked, Warned
from luma_cli.edits.finish import check_finishing
from luma_cli.edits.run import RUN_AGAIN, Finishing, Run
from luma_cli.edits.sources.manifest_file import (
    COLUMNS,
    NEEDED,
    BadRow,
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
from luma_cli.video import fit
from luma_cli.video.ffmpeg import find_ffmpeg
from luma_cli.video.trim_range import Trim, parse_trim

TEXTS = ("prompt", "video", "watermark", "output", "id", "trim", "audio", "model")
SWITCHES = ("match", "fit", "split")
MAX_ID = 200
MAX_OUTPUT = 1000
MAX_FAULTS = 20
_YES, _NO = ("true", "yes", "y", "on", "1"), ("false", "no", "n", "off", "0")
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
        run.results.next_step = RUN_AGAIN
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
            if row.split:
                check_tools(run, "split")
            found.append(row._replace(audio=checked.audio))
        except UsageError as error:
            faults.append((row.line, error.message))
    if faults:
        raise _refusal(name, faults)
    return found


def _warn_of_watermark(run: Run, rows: Sequence[ManifestEntry]) -> None:
    names = {row.model for row in rows if not row.watermark and find_model(row.model).watermark != "text"}
    if run.settings.watermark and names:
        run.report(Warned(f"the setting watermark is left out: {', '.join(sorted(names))} takes no text as watermark"))


def parse_manifest(
    name: str,
    text: str,
    model: str = DEFAULT_MODEL,
    folder: str | None = None,
    *,
    on_ignored: OnIgnored = lambda _: None,
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
    for line, values in csv_rows(text, on_ignored) if is_csv(name, text) else json_rows(text):
        try:
            entries.append(_entry(line, values, model, on_ignored))
        except BadRow as error:
            faults.append((line, str(error)))
    faults += _repeated(entries, "id", _all_ids)
    faults += _repeated(entries, "output", _output_keys)
    faults += _overwritten(entries, name, folder)
    faults += _below_files(entries)
    if faults:
        raise _refusal(name, sorted(faults))
    if not entries:
        raise UsageError(f"{name} holds no rows", hint='JSONL: {"prompt": "Heavy snow", "video": "clip.mp4"}')
    return entries


def plain_path(output: str) -> str:
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


def ids_of_takes(row_id: str, takes: int) -> list[str]:
    """The first take keeps the row's id: what was submitted before more were asked for is not paid again."""
    return [row_id, *(f"{row_id}#{take}" for take in range(2, takes + 1))]


def _entry(line: int, values: Any, model: str, on_ignored: OnIgnored) -> ManifestEntry:
    given = _given(values, on_ignored)
    for name in NEEDED:
        if not str(given.get(name, "")).strip():
            raise BadRow(f"{name} is missing")
    if len(given.get("id", "")) > MAX_ID or ("id" in given and not given["id"].isprintable()):
        raise BadRow(f"id is not one line of at most {MAX_ID} characters")
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
        raise BadRow(f"{error.message}: {error.hint}" if error.hint else error.message) from error
    _check_together(entry)
    return entry


def _given(values: Any, on_ignored: OnIgnored) -> dict[str, Any]:
    """What a row says, by the names of the columns."""
    if isinstance(values, BadRow):
        raise values
    if not isinstance(values, dict):
        raise BadRow("not a JSON object on one line")
    given: dict[str, Any] = {}
    for typed, value in values.items():
        name = typed.strip().lower()
        if isinstance(value, BadRow):
            raise value
        if name not in COLUMNS:
            if (near := nearest_column(name)) is not None:
                raise unknown_column(typed, near)
            on_ignored(typed)
        elif name in given:
            raise BadRow("a key stands there twice")
        elif value is not None and not (value == "" and name not in ("prompt", "video", "output", "id")):
            given[name] = _checked_text(name, value) if name in TEXTS else value
    return given


def _checked_text(name: str, value: Any) -> str:
    if name == "trim" and isinstance(value, int | float) and not isinstance(value, bool):
        value = f"{value:.12g}"
    if not isinstance(value, str):
        raise BadRow(f"{name} is not a text")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise BadRow(f"{name} is not valid text")
    return value


def _takes(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,4}", value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_TAKES:
        raise BadRow(f"takes is not a number from 1 to {MAX_TAKES}")
    return value


def _trim(value: str | None) -> Trim | None:
    return None if value is None or not value.strip() else parse_trim(value)


def _switch(name: str, value: Any) -> bool:
    word = value.strip().lower() if isinstance(value, str) else value
    if word in (True, *_YES) and not isinstance(word, float):
        return True
    if word in (False, *_NO) and not isinstance(word, float):
        return False
    raise BadRow(f"{name} is not true or false")


def _switches(given: dict[str, Any]) -> dict[str, Any]:
    return {name: _switch(name, given.pop(name)) for name in SWITCHES if name in given}


def _model_and_options(given: dict[str, Any], default: str) -> dict[str, Any]:
    model, settings = find_model(given.pop("model", "").strip() or default), given.pop("set", {})
    if isinstance(settings, str):
        options = parse_options(model, split_settings(settings))
    elif isinstance(settings, dict):
        options = check_options(model, settings)
    else:
        raise BadRow("set is not an object of names and values")
    return {"model": model.name, "options": options}


def _check_together(entry: ManifestEntry) -> None:
    """What does not go together with what."""
    for name in ("fit", "trim", "split"):
        if getattr(entry, name) and "://" in entry.video:
            raise BadRow(f"{name} is for local clips: download the video first and give the file")
    if entry.split and entry.output is None:
        raise BadRow("split needs output, the file for the whole clip")
    for name, is_given in (("takes", entry.takes > 1), ("trim", entry.trim is not None)):
        if entry.split and is_given:
            raise BadRow(f"split and {name} do not go together")
    if entry.takes > 1 and entry.output is not None:
        raise BadRow(f"output names one file for {entry.takes} takes: leave it out, and use -o DIR")


def _check_output(output: str | None) -> None:
    """A path inside the folder of the results."""
    if output is None:
        return
    if len(output) > MAX_OUTPUT:
        raise BadRow(f"output is longer than {MAX_OUTPUT} characters")
    path = PurePosixPath(output.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or output.endswith("/"):
        raise BadRow("output is not the name of a file inside the output folder")
    for part in path.parts:
        if (reason := why_not(part)) is not None:
            raise BadRow(f"output is not allowed: {reason}")


def _all_ids(entry: ManifestEntry) -> list[str]:
    return ids_of_takes(entry.id, entry.takes) if entry.id else []


def _output_keys(entry: ManifestEntry) -> list[str]:
    return [plain_path(entry.output)] if entry.output else []


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


def _overwritten(entries: Sequence[ManifestEntry], name: str, folder: str | None) -> list[tuple[int, str]]:
    """Outputs that are a clip of the batch, or its own file."""
    sources = (name, *(entry.video for entry in entries))
    clips = {key: source for source in sources if (key := _file_key(source)) is not None}
    keys = ((entry, _file_key(str(Path(folder or ".", entry.output)))) for entry in entries if entry.output)
    return [
        (entry.line, f"output would overwrite {clips[key]}") for entry, key in keys if key is not None and key in clips
    ]


def _below_files(entries: Sequence[ManifestEntry]) -> list[tuple[int, str]]:
    """Outputs in a folder that is the file of another row."""
    files = {key: entry.line for entry in entries for key in _output_keys(entry)}
    folders = ((entry, str(above)) for entry in entries for key in _output_keys(entry) for above in Path(key).parents)
    return [(entry.line, f"its folder is the output of line {files[key]}") for entry, key in folders if key in files]


def _file_key(name: str) -> tuple[int, int] | None:
    try:
        facts = os.stat(name)
    except (OSError, ValueError):
        return None  # a link, or not there
    return facts.st_dev, facts.st_ino
