"""Safe file names: what comes from outside is reduced to one, what a user types is checked."""

import re
import unicodedata
from urllib.parse import unquote, urlsplit

VIDEO_EXTENSIONS = (".mp4", ".mov", ".avi", ".webm", ".mkv", ".gif")
# Bytes in UTF-8. File systems take 255, and `.part.json` is added to a target's name.
MAX_NAME = 240
MAX_STEM = 80

_DEVICES = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *\Z", re.IGNORECASE)
_RESERVED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f]')
_REORDERING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def default_name(task_id: str, stem: str, extension: str, *, index: int = 0, of: int = 1) -> str:
    """`<stem>-<first 8 of the task id>[-n].<ext>` for result `index` (from 0) of `of`.

    Every piece may come from outside. The id in the middle keeps the name off device names and hidden files.
    """
    number = f"-{index + 1}" if of > 1 else ""
    suffix = extension.lower() if extension.lower() in VIDEO_EXTENSIONS else VIDEO_EXTENSIONS[0]
    return f"{safe_piece(stem, 'video')}-{safe_piece(task_id[:8], 'task')}{number}{suffix}"


def stem_of(source: str) -> str:
    """The last part of a link's or a local file's path, without its extension; still to be made safe."""
    return _last_part(source).rpartition(".")[0] or _last_part(source)


def extension_of(source: str) -> str:
    """The video extension of a link or path, lower case; ".mp4" where it has none that we know."""
    suffix = "." + _last_part(source).rpartition(".")[2].lower()
    return suffix if suffix in VIDEO_EXTENSIONS else VIDEO_EXTENSIONS[0]


def safe_piece(text: str, otherwise: str = "video") -> str:
    """Letters and digits of any script, `_` and single inner `-`: nothing that a shell or a file system acts on."""
    kept = "".join(_kept(character) for character in unicodedata.normalize("NFC", text[:4096]))
    piece = re.sub(r"-+", "-", kept).encode()[:MAX_STEM].decode("utf-8", "ignore").strip("-_")
    # A mark sits on the character before it: at the front there is none.
    while piece and unicodedata.category(piece[0])[0] == "M":
        piece = piece[1:].lstrip("-_")
    return piece or otherwise


def why_not(name: str) -> str | None:
    """What keeps a user's file name from working on every system, None where nothing does."""
    if name in ("", ".", ".."):
        return "it names no file"
    if _RESERVED.search(name):
        return 'it has a control character or one of < > : " / \\ | ? *'
    if name.endswith((".", " ")):
        return "it ends with a dot or a space"
    if _DEVICES.match(name.partition(".")[0]):
        return "it is a device name on Windows"
    if name.lower().endswith((".part", ".part.json", ".part.lock")):
        return "such names are those of unfinished downloads"
    if _REORDERING.search(name):
        return "it has characters that reorder text"
    try:
        return f"it is longer than {MAX_NAME} bytes" if len(name.encode()) > MAX_NAME else None
    except UnicodeEncodeError:
        return "it is not valid UTF-8"


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
