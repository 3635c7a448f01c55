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


class BadRow(Exception):
    """What is wrong with a row."""


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
    rows = _array_rows(text) if text.lstrip().startswith("[") else None
    if rows is not None:
        yield from rows
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line, object_pairs_hook=_no_repeats)
            except BadRow as error:
                yield number, error
            except (ValueError, RecursionError):
                yield number, BadRow(_why_not_json(text, line))


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
        raise BadRow("a key stands there twice")
    return found


def _repeats_as_fault(pairs: list[tuple[str, Any]]) -> Any:
    try:
        return _no_repeats(pairs)
    except BadRow as error:
        return error


def csv_rows(text: str, on_ignored: OnIgnored) -> Iterator[tuple[int, Any]]:
    text, delimiter, skipped = _dialect(text)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    heading: list[str] | None = None
    while True:
        before = reader.line_num + 1 + skipped
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield reader.line_num + skipped, BadRow(f"not CSV: {error}")
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
            yield before, BadRow(f"{len(row)} values for {len(heading)} columns")
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


def _fault_of(heading: list[str]) -> BadRow | None:
    """Reported once, not for every row below it."""
    names = [name.lower() for name in heading if name]
    for name in names:
        if (near := nearest_column(name)) is not None:
            return unknown_column(name, near)
    known = [name for name in names if name in COLUMNS]
    if len(set(known)) < len(known):
        return BadRow("a column stands there twice")
    missing = [name for name in NEEDED if name not in names]
    return BadRow(f"no column {missing[0]} in the first line") if missing else None


def nearest_column(name: str) -> str | None:
    """The column that is meant by one that is not known; None if it is a known one, or like none."""
    plain = re.sub(r"[\W_]", "", name.lower())
    if name.lower() in COLUMNS or not plain:
        return None
    stem = re.sub(_SUFFIX, "", plain)
    beginning = [column for column in COLUMNS if len(plain) > 2 and column.startswith(plain)]
    near = [column for column in COLUMNS if column in (plain, stem)] or beginning
    return near[0] if near else nearest(plain, COLUMNS, LIKENESS)


def unknown_column(name: str, near: str) -> BadRow:
    return BadRow(f"no column {name[:40]!a}, did you mean {near}?")
