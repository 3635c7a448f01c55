"""The attempts to bring every byte behind a link into its part file: redirects, ranges, limits, slow hosts."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import requests

from luma_cli.api import response_headers
from luma_cli.api.connection import Exchange
from luma_cli.api.hosts import host_of, without_query
from luma_cli.api.transport import Session, TransportError, opened, parse_retry_after
from luma_cli.downloads import part_file
from luma_cli.downloads.part_file import PartFile
from luma_cli.downloads.target import free_bytes
from luma_cli.errors import FileError, Rejected, Unavailable

log = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all if that is known

MAX_REDIRECTS = 5
MAX_PAUSE = 120.0
# Of a part file that an earlier run completed, so many last bytes are compared with the file host's.
COMPARED = 1 << 16
UNCOMPARED = "the file host no longer has it: the whole file that an earlier run left is used as it is"


class TransferLimits(NamedTuple):
    """What a download may take. Times are in seconds.

    `idle` bounds one wait for bytes; fewer than `min_bytes` bytes in each `window` are too slow. `attempts` without
    progress end a download, and so do `attempts_in_all`.
    """

    idle: float = 30.0
    window: float = 60.0
    min_bytes: int = 60 * 1024
    attempts: int = 5
    attempts_in_all: int = 70
    bytes: int = 20 << 30


USUAL = TransferLimits()


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


@dataclass(eq=False, repr=False)
class Transfer:
    """The attempts to bring every byte of one file into its part file.

    A part file that is whole already is compared with what the file host has; `warnings` say if it could not be.
    With `allows_plain` a link without TLS will do: that of a source, which its owner has named.
    """

    link: str
    part: PartFile
    session: Session
    fresh_link: Callable[[], str] | None
    on_progress: Progress
    sleep: Callable[[float], None]
    limits: TransferLimits
    allows_plain: bool = False

    def __post_init__(self) -> None:
        self.warnings: list[str] = []
        self._is_unproven = self.part.is_complete

    def run(self) -> None:
        best, fruitless, attempts = self.part.offset, 0, 0
        while not self._is_done and (failure := self._try_once()) is not None:
            log.info("%s: %s", self.part.target.name, failure)
            gained = self.part.offset - best
            best = max(best, self.part.offset)
            has_gained = gained >= (self.limits.min_bytes if failure.is_slow else 1)
            fruitless, attempts = 0 if has_gained else fruitless + 1, attempts + 1
            if fruitless == self.limits.attempts or attempts == self.limits.attempts_in_all:
                raise self._given_up(failure) from failure
            self.sleep(min(max(2.0 ** (fruitless - 1), failure.pause), MAX_PAUSE))

    @property
    def _is_done(self) -> bool:
        return self.part.is_complete and not self._is_unproven

    def _try_once(self) -> _AttemptFailed | None:
        if self.part.offset:
            log.info("%s: goes on after %d bytes", self.part.target.name, self.part.offset)
        try:
            self._attempt()
        except _AttemptFailed as failure:
            return failure
        except _LinkRefused as refusal:
            if self._has_renewed(refusal.status):
                return self._try_once()
            if not self.part.is_complete:
                raise self._expired(refusal.status) from refusal
            self.warnings.append(UNCOMPARED)  # rather than to lose what is paid for and nowhere else
            self._is_unproven = False
        return None

    def _has_renewed(self, status: int) -> bool:
        log.info("%s refused the link (HTTP %d)", host_of(self.link), status)
        ask, self.fresh_link = self.fresh_link, None
        try:
            if ask is not None:
                self.link = ask()
                log.info("the link is replaced by a fresh one at %s", host_of(self.link))
                return True
        except Rejected as error:
            log.info("there is no fresh link: %s", error.message)
        return False

    def _expired(self, status: int) -> FileError:
        return FileError(
            f"result expired: {without_query(self.link)} answered HTTP {status}",
            hint="kie.ai keeps results for 14 days, and their links for about a day",
            http_status=status,
        )

    def _given_up(self, failure: _AttemptFailed) -> Unavailable:
        kept = f"; {self.part.offset} bytes of it are kept" if self.part.offset and self.part.etag else ""
        return Unavailable(
            f"could not download {self.part.target.name}: {failure}", hint=f"run the same command again later{kept}"
        )

    def _attempt(self) -> None:
        link, before = self.link, ""
        for _ in range(MAX_REDIRECTS + 1):
            response_headers.check_result_link(
                link, public_only=self.session.public_only, before=before, allows_plain=self.allows_plain
            )
            location = self._ask(link)
            if location is None:
                return
            before, link = link, response_headers.joined(link, location)
            log.info("%s redirects to %s", host_of(before), without_query(link))
        raise FileError(f"too many redirects from {without_query(self.link)}")

    def _ask(self, link: str) -> str | None:
        """Take in what the host of a link sends, or give the address that it sends us on to."""
        limits = self.limits
        try:
            with opened(
                self.session,
                "GET",
                link,
                budget=limits.window,
                min_bytes=limits.min_bytes,
                read_timeout=limits.idle,
                headers=self._range(),
            ) as exchange:
                if exchange.response.status_code in response_headers.REDIRECTS:
                    return str(exchange.response.headers.get("Location", ""))
                self._receive(exchange)
        except TransportError as error:
            if error.fault in ("private", "address"):
                raise FileError(f"refused: {error.message}") from error
            if isinstance(error.__cause__, requests.exceptions.InvalidHeader):  # two lengths, and not the same
                raise FileError(f"length not proven: {host_of(link)} names several") from error
            is_slow = error.fault == "timeout"
            message = f"{host_of(link)} is too slow" if is_slow else error.message
            raise _AttemptFailed(message, is_slow=is_slow) from error
        return None

    def _range(self) -> dict[str, str]:
        part = self.part
        if not self._is_unproven and (not part.offset or part.etag is None):
            return {}
        start = max(0, part.offset - COMPARED) if self._is_unproven else part.offset
        return {"Range": f"bytes={start}-", **({"If-Range": part.etag} if part.etag is not None else {})}

    def _receive(self, exchange: Exchange) -> None:
        part, response = self.part, exchange.response
        if self._is_unproven and self._is_proven_by(exchange):
            self._is_unproven = False
            return
        end = self._begin(response.status_code, response.headers)
        limit = self.limits.bytes if end is None else end
        while chunk := response.raw.read1(part_file.CHUNK, decode_content=False):
            if part.offset + len(chunk) > limit:
                raise self._too_long(end)
            part.append(chunk)
            exchange.received += len(chunk)
            self.on_progress(part.offset, part.length)
        if exchange.expired:
            raise TimeoutError  # a connection that we cut looks like one that has ended
        if part.offset < (end or 0):
            raise _AttemptFailed("the connection broke off")
        if end is None and not response_headers.is_chunked(response.headers):
            raise FileError(
                f"length not proven: {host_of(self.link)} does not say how long {part.target.name} is",
                hint=f"what was received is kept as {part.path}: it may be whole",
            )
        if part.length is None:
            part.length = part.offset
        if not part.is_complete:
            raise _AttemptFailed("the file host sent less than it was asked for")

    def _is_proven_by(self, exchange: Exchange) -> bool:
        """Whether the file host has the very file that an earlier run left whole. False: here begins another one."""
        part, status, headers = self.part, exchange.response.status_code, exchange.response.headers
        self._check_status(status, headers)
        is_same = part.etag is not None and response_headers.strong_etag(headers) == part.etag
        if status == 200:  # no ranges there, or another version
            self._is_unproven = False
            return bool(is_same and response_headers.content_length(headers) == part.length)
        start, end, total = response_headers.content_range(headers) or (0, 0, 0)
        count = end - start
        if (part.etag is None or is_same) and total == end == part.length and 0 < count <= COMPARED:
            found = exchange.read(count)
            if len(found) < count:
                raise _AttemptFailed("the connection broke off")
            if found == part.tail(count):
                return True
        self._forget()
        raise _AttemptFailed("the file host has another file by now")

    def _forget(self) -> None:
        self.part.forget()
        self._is_unproven = False

    def _begin(self, status: int, headers: response_headers.Headers) -> int | None:
        """Point the part file to where this response's bytes go. Gives the offset where they must end, if known."""
        self._check_status(status, headers)
        part, length = self.part, response_headers.content_length(headers)
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

    def _check_status(self, status: int, headers: response_headers.Headers) -> None:
        """Return if a 200 or 206 has begun that may be the file itself."""
        host = host_of(self.link)
        if status in response_headers.GONE:
            raise _LinkRefused(status)
        if response_headers.may_pass(status):
            raise _AttemptFailed(f"{host} answered HTTP {status}", pause=parse_retry_after(headers) or 0.0)
        if status == 416 and self.part.offset:
            self._forget()
            raise _AttemptFailed(f"{host} has no more of this version")
        if status not in (200, 206):
            raise FileError(f"{without_query(self.link)} answered HTTP {status}", http_status=status)
        if response_headers.is_encoded(headers):
            raise _AttemptFailed(f"{host} encodes the file although it was asked not to")
        if response_headers.is_page(headers):
            raise FileError(f"not a video: {without_query(self.link)} is a web page or an error message")

    def _check_room(self, length: int | None) -> None:
        target, needed = self.part.target, (length or 0) - self.part.offset
        free = free_bytes(target)
        if needed > free:
            raise FileError(
                f"disk full in {target.parent}: {target.name} needs {needed} bytes, {free} are free",
                hint="free some space, or use -o to save elsewhere",
            )
        if (length or 0) > self.limits.bytes:
            raise self._too_long(None)

    def _too_long(self, end: int | None) -> Exception:
        if end is not None:
            self.part.forget()
            return _AttemptFailed("the file host sent more than it said")
        return FileError(f"{without_query(self.link)} is larger than the limit of {self.limits.bytes} bytes")
