"""A result link to a file: whole or not at all, resumed where that is safe, and never with a key."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from luma_cli import signals
from luma_cli.api import response_headers
from luma_cli.api.connection import Wire, current
from luma_cli.api.hosts import host_of, without_query
from luma_cli.api.task import SavedFile
from luma_cli.api.transport import Session, TransportError, opened, parse_retry_after
from luma_cli.downloads import part_file
from luma_cli.downloads.part_file import PartFile
from luma_cli.downloads.target import check_place, check_target, free_bytes, stamp, trouble
from luma_cli.errors import FileError, Rejected, Unavailable

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where that is known

MAX_REDIRECTS = 5
MAX_PAUSE = 120.0


@dataclass(frozen=True)
class Limits:
    """What a download may take. Times are in seconds.

    `idle` bounds one wait for bytes; fewer than `least` bytes in each `window` are too slow. `attempts` without
    progress end a download, and so do `attempts_in_all`.
    """

    idle: float = 30.0
    window: float = 60.0
    least: int = 60 * 1024
    attempts: int = 5
    attempts_in_all: int = 70
    bytes: int = 20 << 30


def download(
    url: str,
    target: Path,
    *,
    identity: str,
    session: Session,
    check_whole: Callable[[Path], None],
    overwrite: bool = False,
    keep_sidecar: bool = False,
    fresh_link: Callable[[], str] | None = None,
    on_progress: Progress = lambda _done, _total: None,
    sleep: Callable[[float], None] = time.sleep,
    limits: Limits = Limits(),
) -> SavedFile:
    """Save the file behind a link as `target`, which appears only when it is whole.

    `identity` names the result that the link leads to (task and index, or the link without its query): a part file
    is continued only for the same one. `fresh_link` gives another link where this one is refused. `check_whole`
    raises ValueError where the container is not complete. With `keep_sidecar` a run that is killed before it calls
    `partfile.tidy`, after it has written down what it saved, finds the file to be its own the next time.

    Raises:
        UsageError: the name is not allowed.
        FileError: what trying again will not mend.
        Unavailable: what it may; the part file is kept.

    Source: the vendor's pages "Get Download URL" (a fresh link lives 20 minutes) and "Getting Started" (media 14 days).
    """
    response_headers.check_result_link(url, public_only=session.public_only)
    check_place(target)
    before = stamp(target)
    with part_file.locked(target) as holder:
        found = None
        if holder == identity and stamp(target) not in (None, before):
            found = part_file.measure(target)  # the download that we waited for has done our work
        elif not overwrite:
            found = part_file.finished_before(target, identity)
        if found is None:
            check_target(target, overwrite=overwrite)
            with PartFile(target, identity) as part:
                _Transfer(url, part, session, fresh_link, on_progress, sleep, limits).run()
                _check_whole(part, check_whole)
                found = part.publish(overwrite=overwrite)
        if not keep_sidecar:
            part_file.tidy(target)
    return SavedFile(str(target), *found, without_query(url))


def _check_whole(part: PartFile, check_whole: Callable[[Path], None]) -> None:
    try:
        check_whole(part.path)
    except ValueError as error:
        part.forget()  # the same bytes would fail again
        raise FileError(f"{part.target.name}: {error}", hint=f"what came is kept as {part.path}") from error
    except OSError as error:
        raise trouble(part.target, error) from error


class _AttemptFailed(Exception):
    """Another attempt may do better, after `pause` seconds if the host asked for that."""

    def __init__(self, message: str, *, pause: float = 0.0, is_slow: bool = False) -> None:
        super().__init__(message)
        self.pause = pause
        self.is_slow = is_slow


class _LinkRefused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Transfer:
    """The attempts to bring every byte of one file into its part file."""

    def __init__(
        self,
        link: str,
        part: PartFile,
        session: Session,
        fresh_link: Callable[[], str] | None,
        on_progress: Progress,
        sleep: Callable[[float], None],
        limits: Limits,
    ) -> None:
        self._link = link
        self._part = part
        self._session = session
        self._fresh_link = fresh_link
        self._on_progress = on_progress
        self._sleep = sleep
        self._limits = limits

    def run(self) -> None:
        best, fruitless, attempts = self._part.offset, 0, 0
        while not self._part.is_complete and (failure := self._try_once()) is not None:
            gained = self._part.offset - best
            best = max(best, self._part.offset)
            has_gained = gained >= (self._limits.least if failure.is_slow else 1)
            fruitless, attempts = 0 if has_gained else fruitless + 1, attempts + 1
            if fruitless == self._limits.attempts or attempts == self._limits.attempts_in_all:
                raise self._given_up(failure) from failure
            self._sleep(min(max(2.0 ** (fruitless - 1), failure.pause), MAX_PAUSE))

    def _try_once(self) -> _AttemptFailed | None:
        try:
            self._attempt()
        except _AttemptFailed as failure:
            return failure
        except _LinkRefused as refusal:
            self._renew(refusal.status)
            return self._try_once()
        return None

    def _renew(self, status: int) -> None:
        ask, self._fresh_link = self._fresh_link, None
        try:
            if ask is not None:
                self._link = ask()
                return
        except Rejected:
            pass  # the service has no other link either
        raise FileError(
            f"result expired: {without_query(self._link)} answered HTTP {status}",
            hint="kie.ai keeps results for 14 days, and their links for about a day",
            http_status=status,
        )

    def _given_up(self, failure: _AttemptFailed) -> Unavailable:
        kept = f"; {self._part.offset} bytes of it are kept" if self._part.offset and self._part.etag else ""
        return Unavailable(
            f"could not download {self._part.target.name}: {failure}", hint=f"run the same command again later{kept}"
        )

    def _attempt(self) -> None:
        link, before = self._link, ""
        for _ in range(MAX_REDIRECTS + 1):
            response_headers.check_result_link(link, public_only=self._session.public_only, before=before)
            location = self._ask(link)
            if location is None:
                return
            before, link = link, response_headers.joined(link, location)
        raise FileError(f"too many redirects from {without_query(self._link)}")

    def _ask(self, link: str) -> str | None:
        """Take in what the host of a link sends, or give the address that it sends us on to."""
        watch = _Watch(self._limits)
        try:
            with (
                watch,
                opened(
                    self._session,
                    "GET",
                    link,
                    read_timeout=self._limits.idle,
                    on_sending=watch.start,
                    headers=self._range(),
                ) as response,
            ):
                if response.status_code in response_headers.REDIRECTS:
                    return response.headers.get("Location", "")
                watch.shutdown = response.raw.shutdown
                self._receive(response, watch)
        except TransportError as error:
            if error.fault in ("private", "address"):
                raise FileError(f"refused: {error.message}") from error
            if isinstance(error.__cause__, requests.exceptions.InvalidHeader):  # two lengths, and not the same
                raise FileError(f"length not proven: {host_of(link)} names several") from error
            is_slow = watch.has_cut or error.fault == "timeout"
            message = f"{host_of(link)} is too slow" if is_slow else error.message
            raise _AttemptFailed(message, is_slow=is_slow) from error
        return None

    def _range(self) -> dict[str, str]:
        if not self._part.offset or self._part.etag is None:
            return {}
        return {"Range": f"bytes={self._part.offset}-", "If-Range": self._part.etag}

    def _receive(self, response: requests.Response, watch: "_Watch") -> None:
        part = self._part
        end = self._begin(response.status_code, response.headers)
        most = self._limits.bytes if end is None else end
        while chunk := response.raw.read1(part_file.CHUNK, decode_content=False):
            if part.offset + len(chunk) > most:
                raise self._too_long(end)
            part.append(chunk)
            watch.bytes += len(chunk)
            self._on_progress(part.offset, part.length)
        if watch.has_cut:
            raise TimeoutError  # a connection that we cut looks like one that has ended
        if part.offset < (end or 0):
            raise _AttemptFailed("the connection broke off")
        if end is None and not response_headers.is_chunked(response.headers):
            raise FileError(
                f"length not proven: {host_of(self._link)} does not say how long {part.target.name} is",
                hint=f"what came is kept as {part.path}: it may be whole",
            )
        if part.length is None:
            part.length = part.offset
        if not part.is_complete:
            raise _AttemptFailed("the file host sent less than it was asked for")

    def _begin(self, status: int, headers: response_headers.Headers) -> int | None:
        """Point the part file to where this answer's bytes go. Gives the offset where they must end, if known."""
        self._check_answer(status, headers)
        part, length = self._part, response_headers.content_length(headers)
        if status == 200:
            self._check_room(length)
            part.restart(response_headers.strong_etag(headers), length)
            return length
        start, end, total = response_headers.content_range(headers) or (0, 0, 0)
        is_ours = part.etag is not None and response_headers.strong_etag(headers) == part.etag
        fits = part.length in (None, total) and length in (None, end - start)
        if not (is_ours and fits and 0 < start == part.offset):
            part.forget()
            raise _AttemptFailed("the file host sent another part than it was asked for")
        self._check_room(total)
        part.resume(total)
        return end

    def _check_answer(self, status: int, headers: response_headers.Headers) -> None:
        """Return if a 200 or 206 has begun that may be the file itself."""
        host = host_of(self._link)
        if status in response_headers.GONE:
            raise _LinkRefused(status)
        if response_headers.may_pass(status):
            raise _AttemptFailed(f"{host} answered HTTP {status}", pause=parse_retry_after(headers) or 0.0)
        if status == 416 and self._part.offset:
            self._part.forget()
            raise _AttemptFailed(f"{host} has no more of this version")
        if status not in (200, 206):
            raise FileError(f"{without_query(self._link)} answered HTTP {status}", http_status=status)
        if response_headers.is_encoded(headers):
            raise _AttemptFailed(f"{host} encodes the file although it was asked not to")
        if response_headers.is_page(headers):
            raise FileError(f"not a video: {without_query(self._link)} is a web page or an error message")

    def _check_room(self, length: int | None) -> None:
        target, needed = self._part.target, (length or 0) - self._part.offset
        free = free_bytes(target)
        if needed > free:
            raise FileError(
                f"disk full in {target.parent}: {target.name} needs {needed} bytes, {free} are free",
                hint="free some space, or use -o for another place",
            )
        if (length or 0) > self._limits.bytes:
            raise self._too_long(None)

    def _too_long(self, end: int | None) -> Exception:
        if end is not None:
            self._part.forget()
            return _AttemptFailed("the file host sent more than it said")
        return FileError(f"{without_query(self._link)} is larger than the limit of {self._limits.bytes} bytes")


class _Watch:
    """Cuts a connection that dribbles: a peer that sends a byte now and then never meets a socket's time-out.

    A thread, since headers and chunk sizes are read where no code of ours runs in between.
    """

    def __init__(self, limits: Limits) -> None:
        self.bytes = 0
        self.has_cut = False
        # The response knows its socket even where http.client has taken it from the connection (Connection: close).
        self.shutdown: Callable[[], None] | None = None
        self._limits = limits
        self._wire: Wire | None = None
        self._over = threading.Event()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def start(self) -> None:
        self._wire = current()
        signals.start_thread(self._run)

    def _run(self) -> None:
        before = 0
        while not self._over.wait(self._limits.window):
            if self.bytes - before < self._limits.least:
                self.has_cut = True
                return self._cut()
            before = self.bytes
        return None

    def _cut(self) -> None:
        try:
            if self.shutdown is not None:
                self.shutdown()
            elif self._wire is not None:
                self._wire.cut()
        except (OSError, ValueError, RuntimeError):
            pass  # the answer has ended meanwhile
