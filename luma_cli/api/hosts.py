"""Which hosts are this machine, which are private, and how to name a link without its secrets."""

import ipaddress
import re
import socket
import unicodedata
from urllib.parse import urlsplit

MAX_LINK = 8192
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Of ASCII only what names and addresses are made of: a resolver, a proxy and we might read the rest differently.
# Letters of other scripts are left to IDNA, but none that it takes for a dot.
_NAME = r"(?:[A-Za-z0-9._-]|[^\x00-\x7f\s\u3002\uff0e\uff61])+"


def host_of(url: str) -> str:
    """The host of a link, lower case; "" if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_host(host: str) -> bool:
    """A name or an address, as `urlsplit` gives it, in characters that everybody reads alike."""
    if ":" in host:
        return _literal(host) is not None
    is_plain = unicodedata.normalize("NFKC", host) == unicodedata.normalize("NFC", host)  # else `１２７` is 127
    return is_plain and host.isprintable() and re.fullmatch(_NAME, host) is not None


def without_query(url: str) -> str:
    """A link as it may be shown: signed links carry their secret in the query, logins stand before the host."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(unreadable link)"
    bracketed = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{bracketed}{port}{parts.path}"


def shown(name: str) -> str:
    """A clip as the user named it, file or link, without what a link keeps secret."""
    return without_query(name) if "://" in name else name


def is_loopback(host: str) -> bool:
    """Exactly `localhost`, or what reads as such an address and nothing else.

    NAME.localhost is only as local as the resolver makes it, and a zone (`127.0.0.1%25x.evil.test`) may be a name.
    """
    if host == "localhost":
        return True
    address = _literal(host)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return address is not None and address.is_loopback


def is_public(host: str) -> bool:
    """False for loopback, private and link-local addresses in any spelling, and for names of a local network."""
    host = unicodedata.normalize("NFKC", host).lower().rstrip(".")
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal", ".lan", ".home.arpa")):
        return False
    address = parse_ip(host)
    if address is None:
        return "." in host
    return address.is_global and not address.is_multicast


def parse_ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address in the spellings that resolvers take, like `0x7f.1` and `[::ffff:127.0.0.1]`; None for a name."""
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, UnicodeEncodeError, ValueError):
            return None
    return _embedded(address) or address if isinstance(address, ipaddress.IPv6Address) else address


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address in its standard spelling, without a zone."""
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a translator or tunnel would make of it: mapped, compatible, 6to4 or NAT64."""
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def is_link(value: object) -> bool:
    """An absolute http(s) link whose host is one that everybody reads alike."""
    if not isinstance(value, str) or len(value) > MAX_LINK or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        return False
