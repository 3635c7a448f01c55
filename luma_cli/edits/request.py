"""What a user asks for: an edit of one clip by one prompt, parsed once, and the identity by which it is known again."""

import functools
import hashlib
import json
import math
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from luma_cli.api.canonical import canonical_link
from luma_cli.api.hosts import is_link
from luma_cli.api.models import LUMA, Model, canonical_options, check_watermark
from luma_cli.api.options import UNSENDABLE
from luma_cli.api.task import Edit, Task
from luma_cli.config.environment import expand_home
from luma_cli.config.settings import MAX_PROMPT, Settings
from luma_cli.downloads.file_names import PATTERN, PATTERN_WITH_PROMPT, Naming, stem_of
from luma_cli.edits.run import Finishing
from luma_cli.errors import FileError, Finding, UsageError, reason
from luma_cli.journal.journal import Journal
from luma_cli.journal.records import Details, Row
from luma_cli.journal.submissions import EditRows, Submission
from luma_cli.video.trim_range import Trim

if TYPE_CHECKING:
    from luma_cli.edits.sources.joiner import Whole

AUTO = "auto"
KEEP, SILENT = "keep", "none"  # of --audio
MAX_TEXT = 2_000
# Blanks, and what editors and web pages leave beside them: byte order marks, zero-width spaces and joiners.
_UNSEEN = "[\\s\u200b\u200c\u200d\u2060\ufeff]+"


@dataclass(frozen=True)
class Clip:
    """A video as the user named it: a link, or a local file with the hash of its content."""

    name: str
    path: Path | None = None
    sha256: str | None = None
    size: int | None = None  # in bytes
    stamp: tuple[int, ...] | None = field(default=None, compare=False)  # whether the file may have changed since
    task_id: str | None = None  # the task whose result it is
    origin: str | None = None  # the file that a link was uploaded from
    stem: str | None = None  # names results, if the name itself would not

    @property
    def identity(self) -> str:
        if self.task_id is not None:
            return f"task:{self.task_id}"
        return f"sha256:{self.sha256}" if self.sha256 is not None else canonical_link(self.name)

    @property
    def source(self) -> str:
        """The name as it goes into the journal: a relative one would mean nothing in another folder."""
        if self.origin is not None:
            return self.origin
        return self.name if self.path is None else os.path.abspath(self.name)

    @property
    def label(self) -> str:
        """What a user calls it."""
        return self.task_id or self.origin or self.name


@dataclass(frozen=True)
class PieceOf:
    """Piece `index` (from 1) of `count` of a split edit: `frames` frames of the clip from `first_frame` on."""

    split: int
    index: int
    count: int
    first_frame: int
    frames: int
    seconds: float


@dataclass(frozen=True)
class EditRequest:
    """One edit: a clip, and what is to be done with it."""

    clip: Clip
    prompt: str
    watermark: str | None = None
    callback_url: str | None = None
    model: Model = LUMA
    options: Mapping[str, object] = field(default_factory=dict)  # those of --set
    trim: Trim | None = None  # the part that is cut from a local clip, by `part_of`
    typed_trim: Trim | None = None  # as it was typed: an older luma has told edits apart by that
    take: int = 1  # counts repeats of the same edit
    key: str | None = None  # the idempotency key
    other_keys: tuple[str, ...] = ()  # its other names, those of an older luma among them
    resubmit: bool = False
    repeats: bool = False  # another take is meant
    names_prompt: bool = False  # the prompt's first words stand in the names of its files
    finishing: Finishing = field(default_factory=Finishing)
    fit: bool = False  # a clip that does not fit the model is made to
    is_split: bool = False  # it is edited in pieces, each of which is a request of its own
    pieces: int = 1  # how many, if they are counted
    redo_piece: int | None = None  # one that is made again
    piece: PieceOf | None = None  # the one that this request is for
    findings: tuple[Finding, ...] = ()  # those of the checks
    error: UsageError | None = None  # why it is not to be sent
    known: EditRows | None = field(default=None, compare=False, repr=False)  # looked up before; a claim looks again

    @functools.cached_property
    def identity(self) -> str:
        """Equal for the same edit, whatever its spelling; the journal adds service and account."""
        facts = {
            "clip": self.clip.identity,
            "prompt": normal_text(self.prompt),
            "watermark": normal_text(self.watermark or "") or None,
            "trim": None if self.trim is None else [self.trim.start, self.trim.end],
            "model": self.model.name,
            "options": canonical_options(self.model, self.options),
        }
        if self.piece is not None:
            facts["piece"] = [self.piece.split, self.piece.first_frame, self.piece.frames]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @functools.cached_property
    def legacy_digest(self) -> str:
        """The identity that journals of schema 2 and before hold: from the spelling, not from the content."""
        clip = f"sha256:{self.clip.sha256}" if self.clip.sha256 is not None else self.clip.name
        facts = [self.prompt, clip, self.watermark] + ([] if self.typed_trim is None else [self.typed_trim.start])
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    @functools.cached_property
    def seconds(self) -> float | None:
        """The length that is edited, for models whose price goes by it; None if it is not known."""
        if not self.model.is_priced_per_second or self.clip.path is None:
            return None
        if self.piece is not None:
            return self.piece.seconds
        return length_of(self.clip.path, self.trim, self.model.limits.max_seconds)

    @property
    def variant(self) -> str:
        """What is made of the clip before it is uploaded; "" for nothing."""
        most = f"at most {self.model.limits.max_seconds:g} s"
        made = [] if self.trim is None else [f"trim {self.trim.text}, {most}"]
        if self.piece is not None:
            made.append(f"frames {self.piece.first_frame}+{self.piece.frames}")
        elif self.fit:
            made.append(f"fit {self.model.name}")
        return ", ".join(made)

    @property
    def asked(self) -> Task:
        """What is known of it before it is a task."""
        return Task("", prompt=self.prompt, watermark=self.watermark, model=self.model.name)

    @property
    def naming(self) -> Naming:
        stem = self.clip.stem or stem_of(self.clip.source) or "video"
        start = None if self.trim is None else self.trim.start
        return Naming(stem, self.prompt if self.names_prompt else None, start)

    @property
    def is_repeat(self) -> bool:
        """Another take of an edit, which is meant."""
        return self.repeats or (self.take > 1 and self.key is None)

    def earlier(self, journal: Journal) -> str | None:
        """The task that its idempotency key has already. Raises as `Journal.earlier`."""
        return journal.earlier(self.submission(), resubmit=self.resubmit, repeat=self.is_repeat, known=self.known)

    def submission(self, video_url: str | None = None) -> Submission:
        """What the journal records. Before an upload the clip's own name stands for its link."""
        link = video_url or self.clip.name
        edit = Edit(self.prompt, link, self.watermark, self.callback_url, self.model.name, self.options)
        details = Details(
            model=self.model.name,
            options=self.options,
            take=self.take,
            trim=None if self.trim is None else self.trim.text,
            audio=self.finishing.audio,
            match=self.finishing.match,
            fit=self.model.name if self.fit else None,
            piece_of=None if self.piece is None else self.piece.split,
            piece_index=None if self.piece is None else self.piece.index,
            seconds=self.seconds,
            source_sha256=self.clip.sha256,
            parent_task_id=self.clip.task_id,
            name_pattern=PATTERN_WITH_PROMPT if self.names_prompt else PATTERN,
        )
        return Submission(
            edit,
            self.clip.source,
            self.legacy_digest,
            idempotency_key=self.key,
            identity=self.identity,
            other_keys=self.other_keys,
            details=details,
        )


UploadKey = tuple[str, str]


@dataclass(eq=False)
class Entry:
    """One edit on its way. Without `request` it is a task that exists already."""

    name: str  # stands before its errors
    naming: Naming = field(default_factory=Naming)  # names its files
    request: EditRequest | None = None
    row: Row | None = None  # what the journal has of it
    task: Task | None = None  # a bare link that is to be saved
    task_id: str = ""
    output: str | None = None  # where its video goes; None: nowhere
    age: float = 0.0  # seconds since its submission
    entry_id: str | None = None  # of a manifest, as is its line
    line: int = 0
    is_checked: bool = False
    link: str | None = None  # of its uploaded clip
    whole: "Whole | None" = None  # what it is a piece of
    possible_models: tuple[str, ...] = ()  # of a task that the journal does not hold

    @property
    def edit(self) -> EditRequest:
        """The request of what is still to be submitted: an entry without one has its task."""
        assert self.request is not None  # noqa: S101
        return self.request

    @property
    def clip_name(self) -> str:
        """The clip as the user knows it, "" if nobody knows, or of a piece, which has a name of its own."""
        if self.whole is not None:
            return ""
        return self.request.clip.name if self.request is not None else self.row.source if self.row is not None else ""

    @property
    def source(self) -> str:
        """What a table of results has as its clip; a piece is named as one."""
        return self.clip_name if self.whole is None else f"{self.whole.request.clip.label}, {self.name}"

    @property
    def prompt(self) -> str:
        known = self.request or (self.row.task if self.row is not None else None)
        return (known.prompt if known is not None else None) or ""

    @property
    def models(self) -> tuple[str, ...]:
        """In which its task is asked for, one after the other."""
        if self.request is not None:
            return (self.request.model.name,)
        return (self.row.task.model,) if self.row is not None else self.possible_models

    @property
    def upload_key(self) -> UploadKey | None:
        """Equal for entries that one upload serves; None when there is nothing to upload."""
        if self.request is None or self.request.clip.path is None or self.request.is_split:
            return None
        return self.request.clip.sha256 or "", self.request.variant


def normal_text(text: str) -> str:
    """Text in one spelling: composed characters (NFC), LF at line ends, nothing that cannot be seen at its ends."""
    plain = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    return re.sub(rf"\A{_UNSEEN}|{_UNSEEN}\Z", "", plain)


def with_auto_key(request: EditRequest) -> EditRequest:
    """The request with a key made of its identity and the number of its take.

    The row of a batch file that has no id of its own is the same edit.
    """
    take = f"#{request.take}" if request.take > 1 else ""
    other_keys = (f"{AUTO}:{request.legacy_digest}",) if request.take == 1 else ()
    row_key = _row_key(f"{row_id_of(request)}{take}", request.identity)
    return replace(request, key=f"{AUTO}:{request.identity}{take}", other_keys=(*other_keys, row_key))


def row_id_of(request: EditRequest) -> str:
    """The id of a row of a batch file that names none."""
    return request.identity[:16]


def with_row_key(request: EditRequest, row_id: str, old_id: str) -> EditRequest:
    """The request with the key of a row of a batch file. `old_id` is the id that an older luma has made for it."""
    other_keys = [_row_key(old_id, request.legacy_digest)]
    made, _, take = row_id.partition("#")
    if made == row_id_of(request):
        other_keys.append(f"{AUTO}:{request.identity}{'#' if take else ''}{take}")
    return replace(request, key=_row_key(row_id, request.identity), other_keys=tuple(other_keys))


def _row_key(row_id: str, digest: str) -> str:
    return f"batch:{hashlib.sha256(json.dumps([row_id, digest]).encode()).hexdigest()}"


def length_of(path: Path, trim: Trim | None, max_seconds: float) -> float | None:
    """The seconds of a local clip that are edited, None if its headers do not say."""
    length = _length_of(path)
    if length is None:
        return None
    start, end = (0.0, None) if trim is None else (trim.start, trim.end)
    return max(0.0, min(length - start, max_seconds, float("inf") if end is None else end - start))


def part_of(clip: Clip, trim: Trim | None, model: Model) -> Trim | None:
    """The part of a clip in one spelling: without the end that it has by itself, and none if the whole clip fits."""
    if trim is None or clip.path is None:
        return trim
    from luma_cli.video.headers import ROUNDING

    start, end = trim
    longest, length = model.limits.max_seconds, _length_of(clip.path)
    is_beyond = end is not None and length is not None and end > length + ROUNDING  # the checks say so
    if end is not None and not is_beyond:
        reaches_end = math.isclose(end - start, longest) or (length is not None and end >= length)
        end = None if reaches_end else end
    is_whole = start == 0 and end is None and length is not None and length <= longest + ROUNDING
    return None if is_whole else Trim(start, end)


def _length_of(path: Path) -> float | None:
    from luma_cli.video import headers  # a third of the start of a command that only reads the journal (measured)

    try:
        return headers.probe_file(path).duration
    except (headers.MediaError, OSError):
        return None


class Asked(NamedTuple):
    """What a command line asks of its edits. None, or nothing, leaves it to the settings or to the edit made again.

    `settings` are the values of --set as they were typed.
    """

    prompts: Sequence[str] = ()
    watermark: str | None = None
    callback_url: str | None = None
    model: Model | None = None
    settings: Sequence[str] = ()
    trim: Trim | None = None
    takes: int = 1
    key: str | None = None
    resubmit: bool = False
    finishing: Finishing = Finishing()
    fit: bool = False
    is_split: bool = False
    redo_piece: int | None = None


def choose_watermark(settings: Settings, model: Model, watermark: str | None) -> str | None:
    """The watermark of the option, else that of the settings if the model takes a text as one.

    Raises:
        UsageError: the option's text is for a model that takes none.
    """
    check_watermark(model, watermark)
    return watermark or (settings.watermark if takes_watermark(model) else None)


def takes_watermark(model: Model) -> bool:
    return model.watermark == "text"


def check_texts(prompt: str, watermark: str | None, callback_url: str | None, key: str | None) -> None:
    """Raises UsageError for a text that cannot be sent."""
    check_text("the prompt", prompt, MAX_PROMPT)
    check_text("the watermark", watermark or "", MAX_TEXT)
    check_text("the callback URL", callback_url or "", MAX_TEXT)
    check_text("the idempotency key", key or "", MAX_TEXT)
    if key is not None and not key.strip():
        raise UsageError("the idempotency key is empty", hint="--idempotency-key auto makes one, or leave it out")


def check_local(clip: Clip, option: str) -> None:
    """Raises UsageError if an option that changes the clip is given for one that is not a file here."""
    if clip.path is None:
        raise UsageError(f"{option} is for local clips", hint="download the video first and give the file")


def find_clip(name: str, find_task: Callable[[str], Clip | None]) -> Clip:
    """The clip of a name as typed; `find_task` gives the result of a task, unless a file has that name.

    Raises:
        UsageError: it is neither link, file nor task.
    """
    name = expand_home(name)
    return (None if "://" in name or os.path.lexists(name) else find_task(name)) or parse_clip(name)


def parse_clip(name: str) -> Clip:
    """Distinguish a link from a local file, and read the latter once for its hash.

    Raises:
        UsageError: neither a usable link nor a readable file.
    """
    if "://" in name:
        if not is_link(name):
            raise UsageError(f"{name[:200]!a} is not an http(s) link", hint="a public link, or a local file")
        return Clip(name)
    if not name:
        raise UsageError("the name of a video is empty", hint="a public link, or a local file")
    path = Path(name)
    try:
        facts = os.stat(path)
        if not stat.S_ISREG(facts.st_mode):
            raise UsageError(f"{name} is not a regular file", hint="give the clip itself")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {name}: {reason(error)}", hint="check the name and who may read it") from error
    if facts.st_size == 0:
        raise UsageError(f"{name} is empty", hint="give the clip itself")
    return Clip(name, path, digest, facts.st_size, _stamp(facts))


def check_unchanged(clip: Clip) -> None:
    """Raises FileError if a local clip is not the one any more that was named."""
    if clip.path is None or clip.stamp is None:
        return
    try:
        if _stamp(os.stat(clip.path)) == clip.stamp or parse_clip(clip.name).sha256 == clip.sha256:
            return
    except (OSError, UsageError):
        pass  # it is gone, or nothing that can be read: another one in any case
    raise FileError(
        f"{clip.path.name} changed since it was looked at; nothing was submitted",
        hint="wait until the file is whole, then run the command again",
    )


def _stamp(facts: os.stat_result) -> tuple[int, ...]:
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


def check_text(name: str, text: str, maximum: int) -> None:
    """Return for text that can be sent: valid Unicode, no NUL, not endless.

    Raises:
        UsageError: it cannot.
    """
    if len(text) > maximum:
        raise UsageError(f"{name} is longer than {maximum} characters")
    if re.search(UNSENDABLE, text):
        raise UsageError(f"{name} is not valid text")
