"""What can be known about an edit before money is spent."""

import re
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

import requests

from luma_cli.api import response_headers
from luma_cli.api.hosts import host_of, is_loopback, is_public, without_query
from luma_cli.api.task import is_link
from luma_cli.api.transport import Session, TransportError, opened
from luma_cli.checks.language import judge_language
from luma_cli.errors import Finding, reason
from luma_cli.video import headers

ERROR, WARNING = "error", "warning"

# The service's limits (vendor page "Generate Luma Modify Video"), and Luma's own that lies behind it.
MAX_BYTES = 500 * 10**6
DOUBTFUL_BYTES = 100 * 10**6
MAX_REDIRECTS = 5
# One link is looked at for no longer than this, in seconds and bytes; what cannot be told by then is a warning.
BUDGET = 15.0
MAX_READ = 1 << 20
DIRECT = "give a direct link, or the file itself"

# Pages that show a video instead of being one, and how to come from there to a file.
_SHARE_PAGES = (
    (r"(drive|docs)\.google\.com", "download it and give the file, or upload it: luma upload FILE"),
    (r"(www\.)?dropbox\.com", "put ?raw=1 at the end of the link instead of ?dl=0"),
    (r"((www|m)\.)?youtube\.com|youtu\.be", "a page is no file: give the clip itself as a file"),
    (r"(www\.)?(vimeo\.com|tiktok\.com|instagram\.com|facebook\.com|x\.com)", "give the clip itself as a file"),
    (r"1drv\.ms|onedrive\.live\.com|(www\.)?icloud\.com|we\.tl|wetransfer\.com", "download it and give the file"),
)


def check_prompt(prompt: str, *, allow_local: bool = False) -> list[Finding]:
    """Is there one, and is it in the one language that the service reads. `allow_local`: a sandbox reads others too."""
    if not prompt.strip():
        return [Finding("prompt-empty", ERROR, "the prompt is empty", "say in English what to change: -p TEXT")]
    if allow_local and re.match(r"sandbox:[a-z]", prompt):
        return []
    if not re.search(r"[^\W_]", prompt):
        return [Finding("prompt-wordless", WARNING, "the prompt has no words", "say in English what to change")]
    match judge_language(prompt):
        case "script":
            return [Finding("prompt-not-english", ERROR, "the prompt is not in English", "kie.ai reads English only")]
        case "language":
            message = "the prompt looks like another language than English"
            return [Finding("prompt-not-english", WARNING, message, "kie.ai reads English only")]
    return []


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


def check_file(path: Path, *, trim: float | None = None) -> list[Finding]:
    """A local clip by its first bytes and its header. `trim`: ffmpeg is to cut and convert it from this second on."""
    try:
        with path.open("rb") as file:
            head, size = file.read(headers.HEAD), path.stat().st_size
            read = partial(_read_at, file)
            found = list(_look(head, size, read, path) if trim is None else _look_to_trim(head, size, read, trim))
    except OSError as error:
        found = [
            Finding("not-readable", ERROR, f"cannot be read: {reason(error)}", "check the name and who may read it")
        ]
    return [replace(each, video=str(path)) for each in found]


def check_link(
    url: str, session: Session, *, allow_local: bool, clock: Callable[[], float] = time.monotonic
) -> list[Finding]:
    """A link and what lies behind it, with a few small requests.

    Hosts that are not there, refuse the connection, or answer that they do not give the file are errors. One that is
    slow, in trouble (5xx) or not trusted by our certificates may still serve kie.ai: a warning. With `allow_local`
    (a sandbox) no host beyond this machine is contacted.
    """
    found = check_address(url, allow_local=allow_local)
    if not found and not (allow_local and not is_loopback(host_of(url))):
        try:
            found = list(_Remote(url, session, clock, allow_local=allow_local).findings())
        except _Told as told:
            found = [told.finding]
    return [replace(each, video=url) for each in found]


def check_address(url: str, *, allow_local: bool) -> list[Finding]:
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


def _look(head: bytes, size: int | None, read: headers.Read, path: Path | None) -> Iterator[Finding]:
    """What a clip's first bytes, size and header say."""
    kind = headers.sniff(head)
    if kind == "html":
        yield Finding("url-share-page", ERROR, "a web page, not a video", DIRECT)
        return
    if kind not in headers.CONTAINERS:
        what = f"not MP4, MOV or AVI but {kind or 'an unknown kind of file'}" if head else "empty"
        hint = _mend(path) if kind in headers.EXTENSIONS else "give a clip in MP4, MOV or AVI"
        yield Finding("not-a-video", ERROR, what, hint)
        return
    yield from _check_size(size)
    try:
        duration = headers.probe(read, size).duration
    except headers.MediaError as error:
        yield Finding("duration-unknown", WARNING, f"its length cannot be told: {error}")
        return
    if duration is None:
        yield Finding("duration-unknown", WARNING, "its length is not in its header")
    elif duration > headers.MAX_SECONDS + headers.ROUNDING:
        yield Finding(
            "too-long", ERROR, f"{duration:.1f} s long, kie.ai takes {headers.MAX_SECONDS:.0f} s", _mend(path)
        )


def _look_to_trim(head: bytes, size: int, read: headers.Read, start: float) -> Iterator[Finding]:
    """Of a clip that ffmpeg is to cut from `start` on, only what ffmpeg does not mend."""
    if headers.sniff(head) not in headers.EXTENSIONS:
        yield from _look(head, size, read, None)
        return
    try:
        duration = headers.probe(read, size).duration
    except headers.MediaError:
        return  # ffmpeg knows more containers than we do
    if duration is not None and start >= duration:
        message = f"nothing is left after {start:.0f} s: it is {duration:.1f} s long"
        yield Finding("trim-start", ERROR, message, "--trim with an earlier START")


def _check_size(size: int | None) -> Iterator[Finding]:
    if size is None:
        yield Finding("size-unknown", WARNING, "its size cannot be told")
    elif size > MAX_BYTES:
        message = f"{size / 10**6:.0f} MB, kie.ai takes {MAX_BYTES // 10**6} MB"
        yield Finding("too-large", ERROR, message, "encode it smaller")
    elif size > DOUBTFUL_BYTES:
        yield Finding("too-large", WARNING, f"{size / 10**6:.0f} MB: Luma itself is said to take 100 MB")


def _mend(path: Path | None) -> str:
    """The command that makes a clip fit, safe to paste."""
    if path is None:
        return "download it, then: luma modify FILE --trim"
    target = path.with_name(f"{path.stem}-{headers.MAX_SECONDS:.0f}s.mp4")
    # `file:` keeps ffmpeg from taking a name like `-x` for an option, and one like `a:b` for a protocol.
    source, mended = (shlex.quote(f"file:{each}") for each in (path, target))
    return f"--trim, or: ffmpeg -i {source} -t {headers.MAX_SECONDS:.0f} {mended}"


def _read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


class _Told(Exception):
    """The finding that ends the look at a link."""

    def __init__(self, name: str, level: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.finding = Finding(name, level, message, hint)


class _Remote:
    """A file behind a link, read by ranges: in bounded time, and not much of it."""

    def __init__(self, url: str, session: Session, clock: Callable[[], float], *, allow_local: bool) -> None:
        self._url = url
        self._session = session
        self._allow_local = allow_local
        self._clock = clock
        self._deadline = clock() + BUDGET
        self._left = MAX_READ
        self._head = b""
        self._gives_parts = True
        self._is_page = False
        self.size: int | None = None

    def findings(self) -> Iterator[Finding]:
        self._head = self._first(headers.PROBE_WINDOW)
        kind = headers.sniff(self._head)
        if kind == "html" or (self._is_page and kind not in headers.CONTAINERS):
            yield _share_page(host_of(self._url))
        else:
            yield from _look(self._head, self.size, self._read, None)

    def _first(self, length: int) -> bytes:
        """The first bytes, past redirects; the last address is kept."""
        for _ in range(MAX_REDIRECTS + 1):
            head, location = self._get(0, length)
            if location is None:
                return head
            self._url = response_headers.joined(self._url, location)
            for bad in check_address(self._url, allow_local=self._allow_local):
                raise _Told(bad.name, bad.level, f"it leads on to another address: {bad.message}", bad.hint)
            if self._allow_local and not is_loopback(host_of(self._url)):
                raise _Told("url-unchecked", WARNING, f"it leads to {host_of(self._url)}, where a sandbox does not go")
        raise _Told("url-unreachable", ERROR, "too many redirects")

    def _read(self, offset: int, length: int) -> bytes:
        """Once the file is known to be there, trouble only leaves its length untold."""
        if offset + length <= len(self._head):
            return self._head[offset : offset + length]
        if offset and not self._gives_parts:
            raise headers.MediaError("its host gives no parts of it")
        try:
            return self._get(offset, length)[0]
        except _Told as told:
            raise headers.MediaError(told.finding.message) from told

    def _get(self, offset: int, length: int) -> tuple[bytes, str | None]:
        """Some bytes, or where the host sends us on to."""
        remaining = self._deadline - self._clock()
        if remaining <= 0 or length > self._left:
            raise _Told("url-unreachable", WARNING, f"{host_of(self._url)} is too slow or sends too much")
        wanted = {"Range": f"bytes={offset}-{offset + length - 1}"}
        try:
            with opened(self._session, "GET", self._url, budget=remaining, headers=wanted) as response:
                if response.status_code in response_headers.REDIRECTS:
                    return b"", response.headers.get("Location", "")
                if response.status_code == 416:  # nothing there: the file is empty, or ends before
                    return b"", None
                self._take(response.status_code, response.headers, offset)
                return self._read_bytes(response.raw, length), None
        except TransportError as error:
            raise _unreachable(error) from error

    def _take(self, status: int, headers: response_headers.Headers, offset: int) -> None:
        """Judge an answer's head, and learn the size."""
        if status not in (200, 206):
            level = ERROR if 400 <= status < 500 and not response_headers.may_pass(status) else WARNING
            where = without_query(self._url)
            raise _Told("url-unreachable", level, f"{where} answered HTTP {status}", "can anybody open the link?")
        if response_headers.is_encoded(headers):
            raise _Told("url-unchecked", WARNING, f"{host_of(self._url)} encodes the file: it cannot be looked into")
        self._is_page = headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html"
        part = response_headers.content_range(headers) if status == 206 else None
        self._gives_parts = part is not None and part[0] == offset
        if offset and not self._gives_parts:
            raise _Told("duration-unknown", WARNING, "its host gives no parts of it")
        if part is not None:
            self.size = part[2]
        elif status == 200 and re.fullmatch("[0-9]{1,18}", headers.get("Content-Length", "")):
            self.size = int(headers["Content-Length"])

    def _read_bytes(self, raw: Any, length: int) -> bytes:
        found = bytearray()
        while len(found) < length and (chunk := raw.read1(length - len(found), decode_content=False)):
            found += chunk
            self._left -= len(chunk)
        return bytes(found)


def _unreachable(error: TransportError) -> _Told:
    if error.fault == "private":
        return _Told("url-private", ERROR, f"kie.ai cannot reach it: {error.message}")
    is_certain = error.fault in ("dns", "address") or (
        error.fault == "connect" and not isinstance(error.__cause__, requests.Timeout)
    )
    return _Told("url-unreachable", ERROR if is_certain else WARNING, error.message)
