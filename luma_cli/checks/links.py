"""What can be known of a link, and of the callback URL, before money is spent."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import requests

from luma_cli.api import response_headers
from luma_cli.api.hosts import host_of, is_link, is_loopback, is_public, without_query
from luma_cli.api.models import LUMA, Limits
from luma_cli.api.transport import Session, TransportError, opened
from luma_cli.checks.findings import ERROR, WARNING, find_doubts, find_kind, find_length, find_picture, find_sides
from luma_cli.errors import Finding
from luma_cli.video import headers
from luma_cli.video.containers.byte_source import LimitReachedError

MAX_REDIRECTS = 5
# One link is looked at for no longer than this, in seconds and bytes; what cannot be determined by then is a warning.
BUDGET = 15.0
MAX_READ = 1 << 20
DIRECT = "give a direct link, or the file itself"
_SHORTER = "download it, then: luma modify FILE --trim (or --split)"
_FITTED = "download it, then: luma modify FILE --fit"
_AS_FILE = "give the file itself: it is uploaded to kie.ai's own store"

# Pages that show a video instead of being one, and how to come from there to a file.
_SHARE_PAGES = (
    (r"(drive|docs)\.google\.com", "download it and give the file, or upload it: luma upload FILE"),
    (r"(www\.)?dropbox\.com", "put ?raw=1 at the end of the link instead of ?dl=0"),
    (r"((www|m)\.)?youtube\.com|youtu\.be", "a page is not a file: give the clip itself as a file"),
    (r"(www\.)?(vimeo\.com|tiktok\.com|instagram\.com|facebook\.com|x\.com)", "give the clip itself as a file"),
    (r"1drv\.ms|onedrive\.live\.com|(www\.)?icloud\.com|we\.tl|wetransfer\.com", "download it and give the file"),
)


# Hosts that serve everybody but kie.ai's servers (recorded by users of the platform, 2026).
_REFUSING_HOSTS = r"((files|litter)\.)?catbox\.moe|litterbox\.catbox\.moe"


def check_callback(url: str | None, *, allow_local: bool) -> list[Finding]:
    """Can the service reach a callback URL. `allow_local`: it runs on this machine."""
    if url is None:
        return []
    if not is_link(url) or not host_of(url):
        message = "the callback URL is not an absolute http(s) address"
        return [Finding("callback-invalid", ERROR, message, "write it like https://hooks.example.net/luma")]
    if not allow_local and not is_public(host_of(url)):
        message = f"kie.ai cannot reach {host_of(url)}: the address is private"
        return [Finding("callback-private", ERROR, message, "give the address of your proxy or tunnel")]
    if urlsplit(url).scheme != "https" and not is_loopback(host_of(url)):
        return [Finding("callback-not-https", WARNING, "the callback URL is not https: anybody between can read it")]
    return []


def check_link(
    url: str,
    session: Session,
    limits: Limits = LUMA.limits,
    *,
    allow_local: bool,
    clock: Callable[[], float] = time.monotonic,
) -> list[Finding]:
    """A link and what lies behind it, with a few small requests.

    Hosts that are not there, refuse the connection, or reply that they do not give the file are errors. One that is
    slow, has an error of its own (5xx) or is not trusted by our certificates may still serve kie.ai: a warning. With
    `allow_local` (a sandbox) no host beyond this machine is contacted.
    """
    found = check_address(url, allow_local=allow_local)
    if not found and not (allow_local and not is_loopback(host_of(url))):
        try:
            remote = _Remote(url, session, clock, allow_local)
            found = [*_check_host(url), *remote.findings(limits)]
        except _EndedError as error:
            found = [*_check_host(url), error.finding]
    return [finding._replace(video=url) for finding in found]


def _check_host(url: str) -> list[Finding]:
    host = host_of(url)
    if not re.fullmatch(_REFUSING_HOSTS, host):
        return []
    return [Finding("url-host", WARNING, f"kie.ai is known not to get files from {host}", _AS_FILE)]


def check_address(url: str, *, allow_local: bool) -> list[Finding]:
    """A link by its text alone: is it one, can kie.ai reach it, and does it lead to a file."""
    host = host_of(url)
    if not is_link(url) or not host or "@" in urlsplit(url).netloc:
        message = "not an absolute http(s) link without a login"
        return [Finding("url-invalid", ERROR, message, "a public link, or the file itself")]
    if not allow_local and not is_public(host):
        message = f"kie.ai cannot reach {host}: the address is private"
        return [Finding("url-private", ERROR, message, "give the file itself: it is uploaded")]
    return [] if _hint_for(host) == DIRECT or _is_direct(url) else [_share_page(host)]


def _is_direct(url: str) -> bool:
    """Links of Dropbox and Drive that give the file itself; where they do not, their first bytes will tell."""
    query = parse_qs(urlsplit(url).query)
    return query.get("raw") == ["1"] or query.get("dl") == ["1"] or query.get("export") == ["download"]


def _share_page(host: str) -> Finding:
    return Finding("url-share-page", ERROR, f"{host} shows a page there, not a video", _hint_for(host))


def _hint_for(host: str) -> str:
    """How to come from a page of this host to a file."""
    return next((hint for pattern, hint in _SHARE_PAGES if re.fullmatch(pattern, host)), DIRECT)


class _EndedError(Exception):
    """The finding that ends the look at a link."""

    def __init__(self, name: str, level: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.finding = Finding(name, level, message, hint)


@dataclass(eq=False)
class _Remote:
    """A file behind a link, read by ranges: in bounded time, and not much of it."""

    url: str
    session: Session
    clock: Callable[[], float]
    allow_local: bool
    size: int | None = None

    def __post_init__(self) -> None:
        self._deadline = self.clock() + BUDGET
        self._left = MAX_READ
        self._head = b""
        self._gives_parts = True
        self._is_page = False
        self._is_cut = False  # a reply ended before the bytes that it promised

    def findings(self, limits: Limits) -> Iterator[Finding]:
        self._head = self._first(headers.PROBE_WINDOW)
        kind = headers.sniff(self._head)
        if kind == "html" or (self._is_page and kind not in headers.CONTAINERS):
            yield _share_page(host_of(self.url))
            return
        if wrong := find_kind(kind, is_empty=not self._head, hint=_FITTED):
            yield wrong
            return
        yield from _check_size(self.size, limits)
        try:
            media = headers.probe(self._read, self.size)
        except LimitReachedError as error:
            yield Finding("duration-unknown", WARNING, f"its length cannot be determined: {error}")
            return
        except headers.MediaError as error:
            if self._is_cut:
                yield Finding("duration-unknown", WARNING, "its length cannot be determined: its host breaks off")
                return
            yield Finding("damaged", ERROR, str(error), "upload it anew to where it lies, or give the file itself")
            return
        yield from _look_inside(media, self.size, limits)

    def _first(self, length: int) -> bytes:
        """The first bytes, past redirects; the last address is kept."""
        for _ in range(MAX_REDIRECTS + 1):
            head, location = self._get(0, length)
            if location is None:
                return head
            self.url = response_headers.joined(self.url, location)
            for finding in check_address(self.url, allow_local=self.allow_local):
                raise _EndedError(
                    finding.name, finding.level, f"it leads on to another address: {finding.message}", finding.hint
                )
            if self.allow_local and not is_loopback(host_of(self.url)):
                raise _EndedError(
                    "url-unchecked", WARNING, f"it leads to {host_of(self.url)}, and a sandbox stays here"
                )
        raise _EndedError("url-unreachable", ERROR, "too many redirects")

    def _read(self, offset: int, length: int) -> bytes:
        """Once the file is known to be there, an error of its host only leaves its length unknown."""
        if offset + length <= len(self._head):
            return self._head[offset : offset + length]
        if offset and not self._gives_parts:
            raise LimitReachedError("its host gives no parts of it")
        try:
            data, location = self._get(offset, length)
        except _EndedError as error:
            raise LimitReachedError(error.finding.message) from error
        if location is not None:
            raise LimitReachedError("its host sends on to another address")
        self._is_cut |= self.size is not None and len(data) < min(length, self.size - offset)
        return data

    def _get(self, offset: int, length: int) -> tuple[bytes, str | None]:
        """Some bytes, or where the host sends us on to."""
        remaining = self._deadline - self.clock()
        if remaining <= 0 or length > self._left:
            raise _EndedError("url-unreachable", WARNING, f"{host_of(self.url)} is too slow or sends too much")
        wanted = {"Range": f"bytes={offset}-{offset + length - 1}"}
        try:
            with opened(self.session, "GET", self.url, budget=remaining, headers=wanted) as exchange:
                response = exchange.response
                if response.status_code in response_headers.REDIRECTS:
                    return b"", response.headers.get("Location", "")
                if response.status_code == 416:  # nothing there: the file is empty, or ends before
                    return b"", None
                self._take(response.status_code, response.headers, offset)
                data = exchange.read(length)
                self._left -= len(data)
                return data, None
        except TransportError as error:
            raise _unreachable(error) from error

    def _take(self, status: int, headers: response_headers.Headers, offset: int) -> None:
        """Judge a reply's head, and learn the size."""
        if status not in (200, 206):
            level = ERROR if 400 <= status < 500 and not response_headers.may_pass(status) else WARNING
            where = without_query(self.url)
            raise _EndedError("url-unreachable", level, f"{where} replied HTTP {status}", "can anybody open the link?")
        if response_headers.is_encoded(headers):
            raise _EndedError("url-unchecked", WARNING, f"{host_of(self.url)} encodes it: it cannot be looked into")
        self._is_page = headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html"
        part = response_headers.content_range(headers) if status == 206 else None
        self._gives_parts = part is not None and part[0] == offset
        if offset and not self._gives_parts:
            raise _EndedError("duration-unknown", WARNING, "its host gives no parts of it")
        if part is not None:
            self.size = part[2]
        elif status == 200 and re.fullmatch("[0-9]{1,18}", headers.get("Content-Length", "")):
            self.size = int(headers["Content-Length"])


def _look_inside(media: headers.Media, size: int | None, limits: Limits) -> Iterator[Finding]:
    if size is not None and media.data_end > size:
        message = f"incomplete: its index names {media.data_end} bytes, {size} are there"
        yield Finding("damaged", ERROR, message, "upload it anew to where it lies, or give the file itself")
        return
    if wrong := find_picture(media):
        yield wrong
        return
    yield from find_length(media, limits, may_be_longer=False, hint=_SHORTER)
    yield from find_sides(media, limits, is_fitted=False)
    yield from find_doubts(media, limits, _FITTED)


def _check_size(size: int | None, limits: Limits) -> Iterator[Finding]:
    if size is None:
        yield Finding("size-unknown", WARNING, "its size cannot be determined")
    elif size > limits.max_link_bytes:
        message = f"{size / 10**6:.0f} MB, kie.ai takes {limits.max_link_bytes / 10**6:.0f} MB"
        yield Finding("too-large", ERROR, message, "encode it smaller")
    elif limits.doubtful_bytes is not None and size > limits.doubtful_bytes:
        most = limits.doubtful_bytes / 10**6
        message = f"{size / 10**6:.0f} MB: the model itself is said to take {most:.0f} MB"
        yield Finding("too-large", WARNING, message, "encode it smaller")


def _unreachable(error: TransportError) -> _EndedError:
    if error.fault == "private":
        return _EndedError("url-private", ERROR, f"kie.ai cannot reach it: {error.message}")
    is_certain = error.fault in ("dns", "address") or (
        error.fault == "connect" and not isinstance(error.__cause__, requests.Timeout)
    )
    return _EndedError("url-unreachable", ERROR if is_certain else WARNING, error.message)
