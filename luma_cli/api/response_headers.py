"""What links and response headers of file hosts say, none of it believed."""

import re
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

from luma_cli.api.hosts import host_of, is_link, is_loopback, is_public, without_query
from luma_cli.errors import FileError

Headers = Mapping[str, str]

GONE = (401, 403, 404, 410)
REDIRECTS = (301, 302, 303, 307, 308)

_STRONG_ETAG = r'"[\x21\x23-\x7e]{1,256}"'
_CONTENT_RANGE = r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})"


def check_result_link(link: str, *, public_only: bool, before: str = "", allows_plain: bool = False) -> None:
    """Return if a result may lie behind a link, or behind a redirect from the link `before`.

    Raises:
        FileError: not readable, with a login, to a private address, or without TLS (loopback excepted, and any
            public host with `allows_plain`).
    """
    kind = "redirect" if before else "link"
    if not is_link(link) or not host_of(link):
        raise FileError(f"bad {kind}: the address is not readable")
    if "@" in urlsplit(link).netloc:
        raise FileError(f"refused {kind} with a login: {without_query(link)}")
    if public_only and not is_public(host_of(link)):
        raise FileError(f"refused private address: {kind} to {without_query(link)}")
    is_plain = urlsplit(link).scheme == "http"
    may_be_plain = is_public(host_of(link)) if allows_plain else False
    may_be_plain |= not public_only and is_loopback(host_of(link))
    if is_plain and (urlsplit(before).scheme == "https" or not may_be_plain):
        raise FileError(f"refused insecure {kind}: {without_query(link)}")


def joined(link: str, location: str) -> str:
    """Where a Location leads; "" where it is not readable."""
    if not location or not location.isascii() or not location.isprintable():
        return ""
    try:
        return urljoin(link, location)
    except ValueError:
        return ""


def may_pass(status: int) -> bool:
    """An error that trying again may fix."""
    return status in (408, 425, 429) or status >= 500


def strong_etag(headers: Headers) -> str | None:
    etag = headers.get("ETag", "")
    return etag if re.fullmatch(_STRONG_ETAG, etag) else None


def is_chunked(headers: Headers) -> bool:
    return headers.get("Transfer-Encoding", "").strip().lower() == "chunked"


def is_encoded(headers: Headers) -> bool:
    return headers.get("Content-Encoding", "").strip().lower() not in ("", "identity")


def is_page(headers: Headers) -> bool:
    """A web page or an error message by its own words."""
    return headers.get("Content-Type", "").partition(";")[0].strip().lower() in ("text/html", "application/json")


def content_length(headers: Headers) -> int | None:
    """The bytes that are to come; None where only the last chunk or the end of the connection tells.

    Raises:
        FileError: not readable. Two lengths arrive joined, and http.client takes the first without a word.
    """
    text = headers.get("Content-Length")
    if text is None or is_chunked(headers):
        return None
    if not re.fullmatch("[0-9]{1,18}", text):
        raise FileError("length not proven: the file host sent no readable length")
    return int(text)


def content_range(headers: Headers) -> tuple[int, int, int] | None:
    """Start, end and total of a 206, where they make sense."""
    found = re.fullmatch(_CONTENT_RANGE, headers.get("Content-Range", ""))
    if found is None:
        return None
    start, last, total = (int(number) for number in found.groups())
    return (start, last + 1, total) if start <= last < total else None
