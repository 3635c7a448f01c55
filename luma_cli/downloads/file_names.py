"""Safe file names: what comes from outside is reduced to one, what a user types is checked."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

VIDEO_EXTENSIONS = (".mp4", ".mov", ".avi", ".webm", ".mkv", ".gif")
# Bytes in UTF-8. File systems take 255, and `.part.json` is added to a target's name.
MAX_NAME = 240
MAX_STEM = 80
MAX_WORDS = 4
MAX_WORDS_LENGTH = 32
SHORT_ID = 8

_DEVICES = r"(?i)(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *\Z"
_RESERVED = r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f]'
_REORDERING = "[\u200e\u200f\u202a-\u202e\u2066-\u2069]"


# What the journal keeps of how a task's files are named; its prompt and trim stand beside it.
PATTERN, PATTERN_WITH_PROMPT = "{stem}-{id}", "{stem}-{prompt}-{id}"


class Naming(NamedTuple):
    """What the default names of a task's files are made of, beside its id; see `default_name`.

    `prompt_words` is a prompt, given if a command makes several edits of a clip; `trim_start` is in seconds.
    """

    stem: str = "video"
    prompt_words: str | None = None
    trim_start: float | None = None


def default_name(
    task_id: str, naming: Naming, extension: str, *, index: int = 0, of: int = 1, others: Iterable[str] = ()
) -> str:
    """`<stem>[-<prompt's first words>][-from-<start>]-<task id>[-n].<ext>` for result `index` (from 0) of `of`.

    Of the task id the first 8 characters, and more if one of the `others` shares them. Every piece may come from
    outside.
    The id in the middle keeps the name off device names and hidden files.
    """
    words = first_words(naming.prompt_words) if naming.prompt_words else ""
    start = f"from-{_format_start(naming.trim_start)}" if naming.trim_start else ""
    number = str(index + 1) if of > 1 else ""
    suffix = extension.lower() if extension.lower() in VIDEO_EXTENSIONS else VIDEO_EXTENSIONS[0]
    rest = "".join(f"-{piece}" for piece in (words, start, _short_id(task_id, others), number) if piece) + suffix
    return safe_piece(naming.stem, "video", limit=min(MAX_STEM, MAX_NAME - len(rest.encode()))) + rest


def first_words(prompt: str) -> str:
    """The first words of a prompt as a piece of a file name; "" if nothing in it can stand in one."""
    pieces = (safe_piece(word, "").lower() for word in prompt[:4096].split())
    words = [piece for piece in pieces if piece][:MAX_WORDS]
    text = words[0] if words else ""
    for word in words[1:]:
        if len(f"{text}-{word}".encode()) > MAX_WORDS_LENGTH:
            break
        text += f"-{word}"
    return safe_piece(text, "", limit=MAX_WORDS_LENGTH)


def _short_id(task_id: str, others: Iterable[str]) -> str:
    """The shortest beginning of an id, from 8 characters on, that no other task's id has (in any case of letters)."""
    whole = safe_piece(task_id, "task")
    taken = [safe_piece(other, "task").casefold() for other in others if other != task_id]
    for length in range(min(SHORT_ID, len(whole)), len(whole) + 1):
        piece = whole[:length].rstrip("-_")
        if piece and not any(other.startswith(piece.casefold()) for other in taken):
            return piece
    return f"{whole}-{hashlib.sha256(task_id.encode(errors='surrogatepass')).hexdigest()[:SHORT_ID]}"


def _format_start(seconds: float) -> str:
    """3725.5 is 1h02m05s500, so that neither a colon nor a dot stands in the name."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h{minutes:02}m{rest:02}s" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
    return f"{text}{milliseconds:03}" if milliseconds else text


def stem_of(source: str) -> str:
    """The last part of a link's or a local file's path, without its extension; still to be made safe."""
    return _last_part(source).rpartition(".")[0] or _last_part(source)


def extension_of(source: str) -> str:
    """The video extension of a link or path, lower case; ".mp4" where it has none that we know."""
    suffix = "." + _last_part(source).rpartition(".")[2].lower()
    return suffix if suffix in VIDEO_EXTENSIONS else VIDEO_EXTENSIONS[0]


def safe_piece(text: str, otherwise: str = "video", *, limit: int = MAX_STEM) -> str:
    """Letters and digits of any script, `_` and single inner `-`: nothing that a shell or a file system acts on.

    `limit` is in bytes of UTF-8.
    """
    kept = "".join(_kept(character) for character in unicodedata.normalize("NFC", text[:4096]))
    piece = re.sub(r"-+", "-", kept).encode()[:limit].decode("utf-8", "ignore").strip("-_")
    # A mark sits on the character before it: at the front there is none.
    while piece and unicodedata.category(piece[0])[0] == "M":
        piece = piece[1:].lstrip("-_")
    return piece or otherwise


def why_not(name: str) -> str | None:
    """What keeps a user's file name from working on every system, None where nothing does."""
    if name in ("", ".", ".."):
        return "it names no file"
    if re.search(_RESERVED, name):
        return 'it has a control character or one of < > : " / \\ | ? *'
    if name.endswith((".", " ")):
        return "it ends with a dot or a space"
    if re.match(_DEVICES, name.partition(".")[0]):
        return "it is a device name on Windows"
    if name.lower().endswith((".part", ".part.json", ".part.lock")):
        return "such names are those of unfinished downloads"
    if re.search(_REORDERING, name):
        return "it has characters that reorder text"
    try:
        return f"it is longer than {MAX_NAME} bytes" if len(os.fsencode(name)) > MAX_NAME else None
    except UnicodeEncodeError:  # bytes that are not UTF-8 travel as surrogates; other surrogates stand for no byte
        return "it is not valid text"


def _last_part(source: str) -> str:
    if re.match(r"https?://", source, re.IGNORECASE):
        try:
            source = unquote(urlsplit(source).path)
        except ValueError:
            return ""
    return re.split(r"[/\\]", source)[-1]


def _kept(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] in "LNM" or character == "_":
        return character
    # Controls, bidi marks, zero-width characters and surrogates vanish: a dash would only show that they were there.
    return "" if category[0] == "C" else "-"
