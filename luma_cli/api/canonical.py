"""One spelling for links and service addresses that mean the same: the identity of an edit goes by it."""

import ipaddress
import re
from urllib.parse import quote, urlsplit

from luma_cli.api.hosts import is_host
from luma_cli.errors import UsageError

_PORTS = {"http": 80, "https": 443}
_ESCAPE = r"%([0-9A-Fa-f]{2})"
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# What may stand in a path or a query as it is (RFC 3986); everything else is encoded.
_KEPT = "%!$&'()*+,;=:@/?-._~"

# The parts of a signature. It changes with every hour that a link is made in, and the file behind it does not.
_PREFIXES = ("x-amz-", "x-goog-")
# A name like `st` or `Expires` is only part of one beside what signs: the first set.
_SIGNATURES = (
    (
        {"sig"},
        {"sig", "se", "st", "sp", "sv", "sr", "spr", "sip", "si", "ss", "srt", "sdd", "ses"}
        | {"skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid"},
    ),
    ({"Signature", "Key-Pair-Id"}, {"Expires", "Signature", "Key-Pair-Id", "Policy"}),
    ({"Signature", "AWSAccessKeyId"}, {"Expires", "Signature", "AWSAccessKeyId"}),
    ({"Signature", "GoogleAccessId"}, {"Expires", "Signature", "GoogleAccessId"}),
)


def canonical_link(url: str) -> str:
    """A link in the one spelling that is equal for all that lead to the same file.

    Scheme and host in lower case and ASCII, no default port, no dot at the host's end, escapes only if needed and in
    upper case, no fragment, and without a known signature. What cannot be read comes back as it is.
    """
    try:
        parts = urlsplit(url)
        origin = _origin(url)
        path = _without_dots(_encoded(parts.path) or "/")
        query = _without_signature(_encoded(parts.query))
    except ValueError:
        return url
    return f"{origin}{path}{'?' if query else ''}{query}"


def canonical_service(url: str) -> str:
    """The address of the service in one spelling; `localhost` and `127.0.0.1` are one.

    Raises:
        UsageError: not an address that can be used.
    """
    try:
        parts = urlsplit(url)
        if not url.isprintable() or " " in url or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError
        origin = _origin(url)
        path = _without_dots(_encoded(parts.path)).rstrip("/.")
    except ValueError:
        raise UsageError("not a usable address of the service", hint="write it like https://api.kie.ai") from None
    return re.sub(r"^(https?://)localhost(?=:|$)", r"\g<1>127.0.0.1", origin) + path


def _origin(url: str) -> str:
    """Scheme, login, host and port. Raises ValueError for what is not an absolute http(s) address."""
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port
    if parts.scheme not in _PORTS or not is_host(host) or port == 0:
        raise ValueError
    login, at, _ = parts.netloc.rpartition("@")
    if not host.isascii():
        host = host.encode("idna").decode()
    bracketed = f"[{ipaddress.IPv6Address(host.partition('%')[0]).compressed}]" if ":" in host else host
    return f"{parts.scheme}://{login}{at}{bracketed}" + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")


def _encoded(text: str) -> str:
    """Each character escaped if it must be, in upper case, and else as itself."""
    text = quote(text, safe=_KEPT, errors="surrogatepass")
    text = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text)
    return re.sub(_ESCAPE, lambda found: _decoded(found[1]), text)


def _decoded(digits: str) -> str:
    character = chr(int(digits, 16))
    return character if character in _UNRESERVED else f"%{digits.upper()}"


def _without_dots(path: str) -> str:
    """`/a/./b/../c` as `/a/c`, as every client sends it (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    names = path.split("/")
    for name in names[1:]:
        if name == "..":
            del kept[-1:]
        elif name != ".":
            kept.append(name)
    if names[-1] in (".", ".."):
        kept.append("")
    return "".join(f"/{name}" for name in kept)


def _without_signature(query: str) -> str:
    pairs = query.split("&") if query else []
    names = {pair.partition("=")[0] for pair in pairs}
    left_out = {name for name in names if name.lower().startswith(_PREFIXES)}
    for signs, parts in _SIGNATURES:
        if signs <= names:
            left_out |= parts
    return "&".join(pair for pair in pairs if pair.partition("=")[0] not in left_out)
