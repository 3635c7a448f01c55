"""The text of a batch file, JSONL or CSV in any dialect, as rows of names and values."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from luma_cli.errors import UsageError, nearest

NEEDED = ("prompt", "video")
COLUMNS = (*NEEDED, "watermark", "output", "id", "takes", "trim", "audio", "match", "fit", "split", "model", "set")
# How alike an unknown column must be to a known one to be taken for a slip: `notes` is no `takes`, `vidoe` is `video`.
LIKENESS = 0.75
_SUFFIX = r"(url|link|file|path|text|name)s?$"
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


OnIgnored = Callable[[str], None]


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


def _is_json_name(name: str) -> bool:
    return name.lower().endswith((".jsonl", ".ndjson", ".json"))


def is_csv(name: str, text: str) -> bool:
    if _is_json_name(name) or name.lower().endswith((".csv", ".tsv")):
        return not _is_json_name(name)
    return not text.lstrip().startswith(("{", "["))


def json_rows(text: str) -> Iterator[tuple[int, Any]]:
    """Each value with the number of its line, or its own in an array; a fault is an error in its stead."""
    is_array = text.lstrip().startswith("[")
    if is_array and (rows := _array_of_objects(text)):
        yield from enumerate(rows, 1)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line, object_pairs_hook=_without_repeats)
            except (ValueError, RecursionError):
                is_of_array = is_array and line.strip()[0] in "[{"
                either = ", and the file is not a JSON array of objects either" if is_of_array else ""
                yield number, UsageError(f"not a JSON object on one line{either}")


def _array_of_objects(text: str) -> list[Any]:
    try:
        rows = json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        return []
    return rows if any(isinstance(row, dict) for row in rows) else []


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any] | UsageError:
    found = dict(pairs)
    return found if len(found) == len(pairs) else UsageError("a key stands there twice")


def csv_rows(text: str, on_ignored: OnIgnored) -> Iterator[tuple[int, Any]]:
    """The cells of each row by column, with its line; a fault is an error in its stead."""
    heading: list[str] | None = None
    for line, cells in _lines_of_cells(*_dialect(text)):
        if isinstance(cells, UsageError):
            yield line, cells
        elif heading is None:
            heading = [cell.strip() for cell in cells]
            if (fault := _fault_of(heading)) is not None:
                yield line, fault
                return
            for number, name in enumerate(heading, 1):
                if not name:
                    on_ignored(f"column {number} without a name")
        elif len(cells) > len(heading):
            yield line, UsageError(f"{len(cells)} values for {len(heading)} columns")
        else:
            yield line, {name: value for name, value in zip(heading, cells, strict=False) if name}


def _lines_of_cells(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | UsageError]]:
    """What is not empty, without the empty cells at its end."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    line = 1
    try:
        for cells in reader:
            while cells and not cells[-1].strip():
                cells.pop()
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        yield reader.line_num, UsageError(f"not CSV: {error}")


def _dialect(text: str) -> tuple[str, str]:
    """The text with an empty line for its `sep=` line, and what separates its cells.

    Without that line (Excel writes it) it is what finds the most columns in the heading.
    """
    first, end, rest = text.partition("\n")
    said = re.fullmatch(r'"?sep=([^"\r\n])"?', first.strip("\r\n "), re.IGNORECASE)
    said = said or re.fullmatch(r"sep=(\t)", first.rstrip("\r"))
    if said is not None:
        return end + rest, said[1]
    heading = next((line for line in re.split(r"[\r\n]+", text) if line.strip()), "")
    return text, max(",;\t", key=lambda delimiter: _known_cells(heading, delimiter))


def _known_cells(heading: str, delimiter: str) -> int:
    return sum(cell.strip(' "').lower() in COLUMNS for cell in heading.split(delimiter))


def _fault_of(heading: list[str]) -> UsageError | None:
    """Reported once, not for every row below it."""
    names = [name.lower() for name in heading if name]
    for name in names:
        if (near := nearest_column(name)) is not None:
            return unknown_column(name, near)
    known = [name for name in names if name in COLUMNS]
    if len(set(known)) < len(known):
        return UsageError("a column stands there twice")
    missing = [name for name in NEEDED if name not in names]
    return UsageError(f"no column {missing[0]} in the first line") if missing else None


def nearest_column(name: str) -> str | None:
    """The column that is meant by one that is not known; None if it is a known one, or like none."""
    plain = re.sub(r"[\W_]", "", name.lower())
    if name.lower() in COLUMNS or not plain:
        return None
    begun = (column for column in COLUMNS if len(plain) > 2 and column.startswith(plain))
    return next(begun, None) or nearest(re.sub(_SUFFIX, "", plain), COLUMNS, LIKENESS)


def unknown_column(name: str, near: str) -> UsageError:
    return UsageError(f"no column {name[:40]!a}, did you mean {near}?")
