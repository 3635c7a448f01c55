"""What can be known about an edit before money is spent."""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from luma_cli import answers, media
from luma_cli.addresses import host_of, is_loopback, is_public, without_query
from luma_cli.errors import Finding
from luma_cli.language import judge_language
from luma_cli.task import is_link
from luma_cli.transport import Session, TransportError, opened

ERROR, WARNING = "error", "warning"

# The service's limits (vendor page "Generate Luma Modify Video"), and Luma's own that lies behind it.
MOST_BYTES = 500 * 10**6
DOUBTFUL_BYTES = 100 * 10**6
MOST_SECONDS = 10.0
# Containers round up to whole frames: a clip cut to 10 s says 10.04.
ROUNDING = 0.1
MOST_REDIRECTS = 5
# One clip is looked at for no longer than this; what cannot be told by then is a warning.
BUDGET = 10.0

# Pages that show a video instead of being one, and how to come from there to a file.
_SHARE_PAGES = (
    (r"(drive|docs)\.google\.com", "download it and give the file, or upload it: luma upload FILE"),
    (r"(www\.)?dropbox\.com", "put ?raw=1 at the end of the link instead of ?dl=0"),
    (r"((www|m)\.)?youtube\.com|youtu\.be", "a page is no file: give the clip itself as a file"),
    (r"(www\.)?(vimeo\.com|tiktok\.com|instagram\.com|facebook\.com|x\.com)", "give the clip itself as a file"),
    (r"1drv\.ms|onedrive\.live\.com|(www\.)?icloud\.com|we\.tl|wetransfer\.com", "download it and give the file"),
)


def check_prompt(prompt: str) -> list[Finding]:
    """Is there one, and is it in the one language that the service reads."""
    if not prompt.strip():
        return [Finding("prompt-empty", ERROR, "the prompt is empty", "say in English what to change: -p TEXT")]
    if re.match(r"sandbox:[a-z]", prompt):
        return []
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
        return [Finding("callback-invalid", ERROR, "the callback URL is not an absolute http(s) address")]
    if not allow_local and not is_public(host_of(url)):
        return [Finding("callback-private", ERROR, f"kie.ai cannot reach {host_of(url)}: the address is private")]
    if urlsplit(url).scheme != "https" and not is_loopback(host_of(url)):
        return [Finding("callback-not-https", WARNING, "the callback URL is not https: anybody between can read it")]
    return []


def check_file(path: Path, *, will_trim: bool = False) -> list[Finding]:
    """A local clip by its first bytes and its header. `will_trim`: ffmpeg is going to cut and convert it."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            head = file.read(4096)
            found = [] if will_trim else list(_look(head, size, lambda at, n: _read_at(file, at, n), path))
    except OSError as error:
        found = [Finding("not-readable", ERROR, f"cannot be read: {(error.strerror or 'error').lower()}")]
    return [replace(each, video=str(path)) for each in found]


def check_link(url: str, session: Session, *, allow_local: bool) -> list[Finding]:
    """A link and what lies behind it, with a few small requests.

    What answers that it is not there or not for us is an error; a host that we cannot reach may still be reachable
    for kie.ai, so that is a warning. With `allow_local` (a sandbox) no host beyond this machine is contacted.
    """
    found = _check_address(url, allow_local=allow_local)
    if not found and not (allow_local and not is_loopback(host_of(url))):
        try:
            found = list(_Remote(url, session, allow_local=allow_local).findings())
        except _Told as told:
            found = [told.finding]
    return [replace(each, video=url) for each in found]


def _check_address(url: str, *, allow_local: bool) -> list[Finding]:
    host = host_of(url)
    if not is_link(url) or not host or "@" in urlsplit(url).netloc:
        return [Finding("url-invalid", ERROR, "not an absolute http(s) link without a login")]
    if not allow_local and not is_public(host):
        message = f"kie.ai cannot reach {host}: the address is private"
        return [Finding("url-private", ERROR, message, "give the file itself: it is uploaded")]
    for pattern, hint in _SHARE_PAGES:
        if re.fullmatch(pattern, host) and not _is_direct(url):
            return [_share_page(host, hint)]
    return []


def _is_direct(url: str) -> bool:
    """Dropbox's links that give the file itself."""
    query = parse_qs(urlsplit(url).query)
    return query.get("raw") == ["1"] or query.get("dl") == ["1"]


def _share_page(host: str, hint: str) -> Finding:
    return Finding("url-share-page", ERROR, f"{host} shows a page there, not a video", hint)


def _look(head: bytes, size: int | None, read: Callable[[int, int], bytes], path: Path | None) -> Iterator[Finding]:
    """What a clip's first bytes, size and header say."""
    kind = media.sniff(head)
    if kind == "html":
        yield Finding("url-share-page", ERROR, "a web page, not a video", "give a direct link, or the file itself")
        return
    if kind not in ("mp4", "mov", "avi"):
        what = f"not MP4, MOV or AVI but {kind or 'an unknown kind of file'}"
        yield Finding("not-a-video", ERROR, what, _convert(path) if kind in media.EXTENSIONS else None)
        return
    yield from _check_size(size)
    try:
        duration = media.probe(read, size).duration
    except media.MediaError as error:
        yield Finding("duration-unknown", WARNING, f"its length cannot be told: {error}")
        return
    if duration is None:
        yield Finding("duration-unknown", WARNING, "its length is not in its header")
    elif duration > MOST_SECONDS + ROUNDING:
        yield Finding("too-long", ERROR, f"{duration:.1f} s long, kie.ai takes {MOST_SECONDS:.0f} s", _cut(path))


def _check_size(size: int | None) -> Iterator[Finding]:
    if size is None:
        yield Finding("size-unknown", WARNING, "its size cannot be told")
    elif size > MOST_BYTES:
        yield Finding("too-large", ERROR, f"{size / 10**6:.0f} MB, kie.ai takes 500 MB")
    elif size > DOUBTFUL_BYTES:
        yield Finding("too-large", WARNING, f"{size / 10**6:.0f} MB: Luma itself is said to take 100 MB")


def _cut(path: Path | None) -> str | None:
    return None if path is None else f"--trim, or: {_ffmpeg(path, f'{path.stem}-10s.mp4', ' -t 10')}"


def _convert(path: Path | None) -> str | None:
    return None if path is None else f"--trim, or: {_ffmpeg(path, f'{path.stem}.mp4', '')}"


def _ffmpeg(path: Path, target: str, options: str) -> str:
    """The command, safe to paste; `file:` keeps a name like `-x` from being an option."""
    return f"ffmpeg -i {shlex.quote(f'file:{path}')}{options} {shlex.quote(f'file:{path.with_name(target)}')}"


def _read_at(file: object, offset: int, length: int) -> bytes:
    file.seek(offset)  # type: ignore[attr-defined]
    return bytes(file.read(length))  # type: ignore[attr-defined]


class _Told(Exception):
    """The finding that ends the look at a link."""

    def __init__(self, name: str, level: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.finding = Finding(name, level, message, hint)


class _Remote:
    """A file behind a link, read by ranges."""

    def __init__(self, url: str, session: Session, *, allow_local: bool) -> None:
        self._url = url
        self._session = session
        self._allow_local = allow_local
        self._ranges = True
        self.size: int | None = None

    def findings(self) -> Iterator[Finding]:
        head = self._first(4096)
        yield from _look(head, self.size, self._read, None)

    def _first(self, length: int) -> bytes:
        """The first bytes, past redirects; the last address is kept."""
        for _ in range(MOST_REDIRECTS + 1):
            head, location = self._get(0, length)
            if location is None:
                return head
            self._url = answers.joined(self._url, location)
            for bad in _check_address(self._url, allow_local=self._allow_local):
                raise _Told(bad.name, bad.level, f"leads on: {bad.message}", bad.hint)
        raise _Told("url-unreachable", ERROR, "too many redirects")

    def _read(self, offset: int, length: int) -> bytes:
        found = self._get(offset, length)[0] if self._ranges or not offset else b""
        if offset and not self._ranges:
            raise media.MediaError("its host gives no parts of it")
        return found

    def _get(self, offset: int, length: int) -> tuple[bytes, str | None]:
        """Some bytes, or where the host sends us on to."""
        wanted = {"Range": f"bytes={offset}-{offset + length - 1}"}
        try:
            with opened(self._session, "GET", self._url, budget=BUDGET, headers=wanted) as response:
                if response.status_code in answers.REDIRECTS:
                    return b"", response.headers.get("Location", "")
                self._take(response.status_code, response.headers, offset)
                return _read_bytes(response.raw, length), None
        except TransportError as error:
            raise self._unreachable(error) from error

    def _take(self, status: int, headers: answers.Headers, offset: int) -> None:
        """Judge an answer's head, and learn the size."""
        where = without_query(self._url)
        if status in answers.GONE:
            raise _Told("url-unreachable", ERROR, f"{where} answered HTTP {status}", "is the link public?")
        if status not in (200, 206):
            raise _Told("url-unreachable", WARNING, f"{where} answered HTTP {status}")
        if headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html":
            hint = "give a direct link, or the file itself"
            raise _Told("url-share-page", ERROR, f"{host_of(self._url)} shows a page there, not a video", hint)
        part = answers.content_range(headers)
        self._ranges = status == 206 and part is not None and part[0] == offset
        if part is not None:
            self.size = part[2]
        elif status == 200 and re.fullmatch("[0-9]{1,18}", headers.get("Content-Length", "")):
            self.size = int(headers["Content-Length"])

    def _unreachable(self, error: TransportError) -> _Told:
        if error.fault == "private":
            return _Told("url-private", ERROR, f"kie.ai cannot reach it: {error.message}")
        level = ERROR if error.fault in ("dns", "address") else WARNING
        return _Told("url-unreachable", level, error.message)


def _read_bytes(raw: object, length: int) -> bytes:
    found = bytearray()
    while len(found) < length and (chunk := raw.read1(length - len(found), decode_content=False)):  # type: ignore[attr-defined]
        found += chunk
    return bytes(found)
