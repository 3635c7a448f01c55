"""Which hosts are this machine, which are private, and how to name a link without its secrets."""

import ipaddress
import socket
from urllib.parse import urlsplit

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def host_of(url: str) -> str:
    """The host of a link, lower case; "" where there is none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def place_of(url: str) -> str:
    """The host of a link, with its port where it names one."""
    try:
        port = urlsplit(url).port
    except ValueError:
        port = None
    return host_of(url) + (f":{port}" if port is not None else "")


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
    if host == "localhost":  # NAME.localhost is only as local as the resolver makes it
        return True
    address = parse_address(host)
    return address is not None and address.is_loopback


def is_public(host: str) -> bool:
    """False for loopback, private and link-local addresses in any spelling, and for names of a local network."""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal", ".lan", ".home.arpa")):
        return False
    address = parse_address(host)
    if address is None:
        return "." in host
    return address.is_global and not address.is_multicast


def parse_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address in the spellings that resolvers take, like `0x7f.1` and `[::ffff:127.0.0.1]`; None for a name."""
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, UnicodeEncodeError, ValueError):
            return None
    return _embedded(address) or address if isinstance(address, ipaddress.IPv6Address) else address


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a translator or tunnel would make of it: mapped, compatible, 6to4 or NAT64."""
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
