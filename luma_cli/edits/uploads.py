"""Local clips on their way into the service's temporary store: made ready, each content once, beside the polls."""

import contextlib
import logging
import queue
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from luma_cli import signals
from luma_cli.api.client import Client
from luma_cli.api.transport import TransportError, exchange
from luma_cli.edits.events import Failed, Finished, Note, Started, Uploaded, Warned, transferring
from luma_cli.edits.poll import Inbox
from luma_cli.edits.request import EditRequest, Entry, UploadKey, check_unchanged, parse_clip
from luma_cli.edits.run import Run
from luma_cli.errors import ACCOUNT_ERRORS, FileError, LumaError, UsageError, reason
from luma_cli.video import fit, headers, split
from luma_cli.video.encode import Range
from luma_cli.video.ffmpeg import ENCODING, find_ffmpeg
from luma_cli.video.frames import look
from luma_cli.video.trim import trimmed

log = logging.getLogger(__name__)

# An upload lives for 24 hours at least (vendor's pages disagree: 24 hours or 3 days): the last ones are not relied on.
UPLOAD_LIFE = 20 * 3600.0
# A host that does not say at once whether a file is there is not worth the wait.
ALIVE_BUDGET = 10.0
# Characters of a clip's name in that of what is made of it: the whole may be as long as a name can be.
MAX_STEM = 60


class UploadEnded(NamedTuple):
    """There is a link now, of an `upload` that was made or of an earlier one; or an error."""

    key: UploadKey
    link: str | None = None
    error: LumaError | None = None
    upload: EditRequest | None = None


@dataclass(eq=False, repr=False)
class Uploads:
    """Uploads, one after the other in a thread, so that running tasks are polled meanwhile. A context manager."""

    _run: Run
    _inbox: Inbox
    _links: dict[UploadKey, str | None] = field(default_factory=dict)
    _claims: dict[UploadKey, contextlib.ExitStack] = field(default_factory=dict)
    _waiting: "queue.SimpleQueue[tuple[UploadKey, EditRequest, str | None] | None]" = field(
        default_factory=queue.SimpleQueue
    )
    _is_started: bool = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._waiting.put(None)

    def link_of(self, entry: Entry) -> str | None:
        """The link of an entry's clip, once its upload has ended well."""
        return self._links.get(entry.upload_key) if entry.upload_key is not None else None

    def start(self, entry: Entry) -> bool:
        """Have a clip brought to the service, unless it is under way. False: another process is just doing it."""
        key, request = entry.upload_key, entry.request
        if key is None or request is None or key in self._links:
            return True
        uploads, variant = self._run.journal.uploads, request.variant
        claim = contextlib.ExitStack()
        if not claim.enter_context(uploads.only_one(key[0], variant)):
            return False
        known = uploads.find(key[0], variant, UPLOAD_LIFE)  # under the claim: another process may just have ended it
        if known is not None:
            claim.close()
        self._links[key] = None
        self._claims[key] = claim
        if not self._is_started:
            self._is_started = True
            self._run.connect()  # in this thread, which may read the key
            signals.start_thread(self._work)
        self._waiting.put((key, request, known))
        return True

    @contextlib.contextmanager
    def taken(self, ended: UploadEnded) -> Iterator[None]:
        """The block settles what waits for an upload; then other processes may upload the same clip."""
        with self._claims.pop(ended.key):
            if ended.error is not None:
                del self._links[ended.key]
            else:
                self._links[ended.key] = ended.link
                self._record(ended)
            yield

    def _record(self, ended: UploadEnded) -> None:
        request = ended.upload
        try:
            if request is not None and ended.link is not None and request.clip.sha256 is not None:
                size = request.clip.size or 0
                self._run.journal.uploads.record(request.clip.sha256, request.variant, ended.link, size)
        except FileError as error:
            self._run.report(Warned(f"the upload is not recorded: {error.message}"))

    def _work(self) -> None:
        """In a thread. A link of an earlier upload is used again if it still answers."""
        while (job := self._waiting.get()) is not None:
            key, request, known = job
            try:
                if known is not None and still_answers(known, self._run.client):
                    log.info("%s is at kie.ai already", request.clip.name)
                    self._inbox.put(UploadEnded(key, known))
                    continue
                link = deliver(self._run, request)
                self._inbox.put(UploadEnded(key, link, upload=request))
            except LumaError as error:
                self._inbox.put(UploadEnded(key, error=error))
            except Exception as error:
                log.debug("unexpected", exc_info=error)
                self._inbox.put(UploadEnded(key, error=LumaError(f"unexpected error: {type(error).__name__}")))


def upload_all(run: Run, names: Sequence[str]) -> Iterator[str]:
    """Upload files and yield the link of each; those that could not be are failures of the run."""
    run.report(Started(len(names)))
    try:
        for number, name in enumerate(names, start=1):
            try:
                clip = parse_clip(name)
                if clip.path is None:
                    raise UsageError(f"{name} is a link already", hint="luma modify takes it as it is")
                yield upload(run, clip.path)
            except LumaError as error:
                run.fail(Failed(name, error))
                if isinstance(error, ACCOUNT_ERRORS):
                    run.give_up(error, len(names) - number)
                    break
    finally:
        run.report(Finished())


def deliver(run: Run, request: EditRequest) -> str:
    """Bring a local clip, cut if that was asked for, into kie.ai's temporary store; returns its link. Any thread.

    Raises:
        UsageError: ffmpeg is missing or cannot read the clip.
        FileError: the clip has changed since it was looked at.
        FileError, Rejected, KeyRejected, Unavailable: as for `Client.upload`.
    """
    path = request.clip.path
    assert path is not None  # noqa: S101  a link is not delivered
    why = _reasons(request, path) if request.fit and request.piece is None else ()
    if not why and request.piece is None and request.trim is None:
        link = upload(run, path)
    else:
        number = "" if request.piece is None else f"-{request.piece.index:03}"
        with _folder(path) as folder:
            link = upload(run, _made(run, request, path, why, Path(folder) / f"{path.stem[:MAX_STEM]}{number}.mp4"))
    check_unchanged(request.clip)
    return link


def _folder(path: Path) -> "tempfile.TemporaryDirectory[str]":
    """A folder for what is made of the clip at `path`, that goes when it is uploaded."""
    try:
        return tempfile.TemporaryDirectory(prefix="luma-clip-", ignore_cleanup_errors=True)
    except OSError as error:
        raise FileError(f"no room to work on {path.name}: {reason(error)}") from error


def _reasons(request: EditRequest, path: Path) -> tuple[str, ...]:
    """Why a clip does not fit the model as it is."""
    try:
        size, kind = path.stat().st_size, headers.sniff_file(path)
        if kind not in headers.CONTAINERS:
            return (f"it is {headers.name_of(kind)}",)
        return fit.reasons(headers.probe_file(path), request.model.limits, size)
    except OSError as error:
        raise FileError(f"cannot read {path.name}: {reason(error)}") from error
    except headers.MediaError as error:
        return (f"its headers cannot be read: {error}",)


def _made(run: Run, request: EditRequest, path: Path, why: Sequence[str], target: Path) -> Path:
    """What is uploaded: `target`, or the clip itself if it is to be cut and fits as it is."""
    limits, piece, ffmpeg = request.model.limits, request.piece, run.settings.ffmpeg
    if piece is not None:
        tool = find_ffmpeg(ffmpeg, ENCODING, option="--split")
        cut = Range(piece.first_frame, piece.frames)
        with transferring(run.report, f"cut piece {piece.index} of {piece.count}", "seconds") as on_seconds:
            split.cut_piece(tool, look(tool, path), cut, limits, target, on_seconds=on_seconds)
        return target
    if not why:
        assert request.trim is not None  # noqa: S101  nothing else is made of a clip
        tool = find_ffmpeg(ffmpeg, ENCODING, option="--trim")
        with transferring(run.report, f"trim {path.name}", "seconds") as on_seconds:
            return trimmed(tool, path, request.trim, limits.max_seconds, target, on_seconds=on_seconds)
    tool = find_ffmpeg(ffmpeg, ENCODING, option="--fit")
    with transferring(run.report, f"fit {path.name}", "seconds") as on_seconds:
        done = fit.fitted(tool, path, limits, target, trim=request.trim, on_seconds=on_seconds)
    rate = f", at {float(done.rate):.6g} frames a second" if done.was_variable else ""
    run.report(Note(f"{path.name} is made to fit, since {', '.join(why)}: {done.width}x{done.height}{rate}"))
    return target


def upload(run: Run, path: Path) -> str:
    """Put a file into kie.ai's temporary store; returns its link."""
    with transferring(run.report, f"upload {path.name}") as on_bytes:
        link = run.client.patiently(lambda: run.client.upload(path, on_bytes))
    run.report(Uploaded(path.name))
    return link


def still_answers(link: str, client: Client) -> bool:
    """Whether a file is still behind a link; asked for one byte."""
    try:
        with client.file_session() as session:
            one_byte = {"Range": "bytes=0-0"}
            reply = exchange(session, "GET", link, budget=ALIVE_BUDGET, headers=one_byte, max_bytes=1 << 16)
    except TransportError:
        return False
    return reply.status == 206
