"""Which addresses the key may travel to, and whose certificates are trusted on the way."""

import os
import re
from urllib.parse import urlsplit

from luma_cli.api.canonical import canonical_service
from luma_cli.api.hosts import is_link, is_loopback
from luma_cli.config.environment import expand_home, variable
from luma_cli.errors import UsageError, reason

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
MAX_CA_BYTES = 16 << 20
# A name or an address as it is written: a percent sign or an odd character in it is read differently by each reader.
_SERVICE = r"(?ai)https?://([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]+)?(/[^?#]*)?"


def parse_service_url(text: str) -> str:
    """The address of the service, without what stands around it and without a slash at its end.

    Raises:
        UsageError: the key may not go there: neither https nor loopback, or not plainly an address.
    """
    url = text.strip()
    if not is_link(url) or re.fullmatch(_SERVICE, url) is None:
        raise UsageError("not a usable address", hint="write it like https://api.kie.ai")
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise UsageError("the key would travel in plain text", hint=f"use https://{parts.hostname}")
    return url.rstrip("/")


def same_service(one: str, other: str) -> bool:
    """Whether two addresses are one, however they are spelled."""
    try:
        return canonical_service(one.strip()) == canonical_service(other.strip())
    except UsageError:
        return False


def ca_bundle(*, is_used: bool = True) -> str | None:
    """The user's own certificates, as requests would read them; our sessions do not trust the environment.

    Raises:
        UsageError: there are none in what the variable names; looked at when they are to be used.
    """
    for name in CA_VARIABLES:
        path = variable(name)
        if path is not None:
            found = expand_home(path)
            if is_used or not os.path.exists(found):
                check_ca_bundle(found, name)
            return found
    return None


def check_ca_bundle(path: str, name: str) -> None:
    """Raises UsageError if no certificate can be read from the file or folder that variable `name` names.

    The first one decides: to read the 140 of a whole bundle takes 30 ms, and requests does that again.
    """
    import ssl  # costs 10 ms

    hint = f"correct or unset {name}"
    if os.path.isdir(path):
        return
    if not os.path.exists(path):
        raise UsageError(f"{name}: no CA file at {path}", hint=hint)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > MAX_CA_BYTES:
            raise UsageError(f"{name}: {path} is not a file of certificates", hint=hint)
        with open(path, encoding="ascii", errors="ignore") as file:
            first, end, _ = file.read().partition("-----END CERTIFICATE-----")
        try:
            context.load_verify_locations(cadata=first + end)
        except (ssl.SSLError, ValueError):
            context.load_verify_locations(path)  # written in another form, or nothing at all
    except ssl.SSLError as error:
        raise UsageError(f"{name}: {path} holds no certificates in PEM form", hint=hint) from error
    except OSError as error:
        raise UsageError(f"{name}: cannot read {path}: {reason(error)}", hint=hint) from error
