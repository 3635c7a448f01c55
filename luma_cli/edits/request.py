"""What a user asks for: clips, and what is to be done with each."""

import functools
import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from luma_cli.api.task import Edit, is_link
from luma_cli.config import settings
from luma_cli.errors import Finding, UsageError
from luma_cli.journal.journal import Submission
from luma_cli.video.ffmpeg import find_ffmpeg
from luma_cli.video.trim import NEEDS

AUTO = "auto"
# No limit is documented; these keep a mistaken file from being sent.
MAX_PROMPT = 100_000
MAX_TEXT = 2_000


@dataclass(frozen=True)
class Clip:
    """A video as the user named it: a link, or a local file with the hash of its content."""

    name: str
    path: Path | None
    sha256: str | None = None

    @property
    def identity(self) -> str:
        return f"sha256:{self.sha256}" if self.path is not None else self.name


@dataclass(frozen=True)
class Order:
    """Clips as the user named them, and what to do with each.

    `trim` is where to begin the 10 s that are cut from local clips, in seconds. `findings` are those of the checks;
    `rejected` holds the clips that they found unfit, by name.
    """

    names: tuple[str, ...]
    prompt: str
    watermark: str | None = None
    callback_url: str | None = None
    idempotency_key: str | None = None
    resubmit: bool = False
    trim: float | None = None
    findings: tuple[Finding, ...] = ()
    rejected: Mapping[str, UsageError] = field(default_factory=dict)

    def digest(self, clip: Clip) -> str:
        """Equal for equal prompt, clip and watermark."""
        facts = [self.prompt, clip.identity, self.watermark] + ([] if self.trim is None else [self.trim])
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def row_key(self, row_id: str, clip: Clip) -> str:
        """The idempotency key of a row of a batch file."""
        return f"batch:{hashlib.sha256(json.dumps([row_id, self.digest(clip)]).encode()).hexdigest()}"

    def submission(self, clip: Clip, video_url: str, base_url: str) -> Submission:
        digest = self.digest(clip)
        key = f"auto:{digest}" if self.idempotency_key == AUTO else self.idempotency_key
        edit = Edit(self.prompt, video_url, self.watermark, self.callback_url)
        # A relative name would mean nothing in another folder.
        source = clip.name if clip.path is None else os.path.abspath(clip.name)
        return Submission(edit, source, digest, base_url, key)


def make_order(
    names: Sequence[str],
    prompt: str,
    watermark: str | None,
    callback_url: str | None,
    idempotency_key: str | None,
    *,
    resubmit: bool = False,
    trim: float | None = None,
) -> Order:
    """What the user typed, with the settings where an option is missing.

    Raises:
        UsageError: a text that cannot be sent, or one key for several videos.
    """
    ours = settings.load_settings()
    if idempotency_key is not None and settings.journal_is_off():
        raise UsageError("without the journal nobody knows an idempotency key again", hint="unset LUMA_JOURNAL")
    if idempotency_key not in (None, AUTO) and len(names) > 1:
        raise UsageError("one idempotency key cannot stand for several videos", hint="--idempotency-key auto")
    if trim is not None:
        find_ffmpeg(None, NEEDS, option="--trim")
        if any("://" in name for name in names):
            raise UsageError("--trim is for local clips", hint="download the video first and give the file")
    texts = {
        "the prompt": (prompt, MAX_PROMPT),
        "the watermark": (watermark or ours.watermark, MAX_TEXT),
        "the callback URL": (callback_url or ours.callback_url, MAX_TEXT),
        "the idempotency key": (idempotency_key, MAX_TEXT),
    }
    for what, (text, most) in texts.items():
        check_text(what, text or "", most)
    return Order(
        tuple(names),
        prompt,
        watermark or ours.watermark,
        callback_url or ours.callback_url,
        idempotency_key,
        resubmit,
        trim,
    )


def parse_clip(name: str) -> Clip:
    """Tell a link from a local file, and read the latter once for its hash.

    Raises:
        UsageError: neither a usable link nor a readable file.
    """
    if "://" in name:
        if not is_link(name):
            raise UsageError(f"{name[:200]!a} is not an http(s) link", hint="a public link, or a local file")
        return Clip(name, None)
    if not name:
        raise UsageError("the name of a video is empty", hint="a public link, or a local file")
    path = Path(name)
    try:
        facts = os.stat(path)
        if not stat.S_ISREG(facts.st_mode):
            raise UsageError(f"{name} is not a regular file", hint="give the clip itself")
        digest = _sha256(path, (facts.st_ino, facts.st_size, facts.st_mtime_ns))
    except (OSError, ValueError) as error:
        trouble = (getattr(error, "strerror", None) or "not a usable name").lower()
        raise UsageError(f"cannot read {name}: {trouble}", hint="check the name and who may read it") from error
    if facts.st_size == 0:
        raise UsageError(f"{name} is empty", hint="give the clip itself")
    return Clip(name, path, digest)


@functools.lru_cache
def _sha256(path: Path, _stamp: tuple[int, int, int]) -> str:
    """The checks, the journal and the upload all ask for it: a file of 500 MB is read once."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_text(name: str, text: str, most: int) -> None:
    """Return for text that can be sent: valid Unicode, no NUL, not endless.

    Raises:
        UsageError: it cannot.
    """
    if len(text) > most:
        raise UsageError(f"{name} is longer than {most} characters")
    if "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise UsageError(f"{name} is not valid text")
