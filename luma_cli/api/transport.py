"""HTTP exchanges that are bounded in time and size, never redirected, and honest about whether anything was sent.

requests and urllib3 decide some things in ways that cost our users money or their key (measured on loopback with
requests 2.34 and urllib3 2.8); each place where we differ says why.
"""

import http.client
import json
import logging
import math
import platform
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import requests
from requests.auth import AuthBase
from requests.utils import get_environ_proxies, select_proxy
from urllib3 import exceptions as u3

from luma_cli import __version__
from luma_cli.api.connection import Adapter, Exchange, NoThread, PrivateAddress
from luma_cli.api.hosts import host_of, is_loopback, without_query
from luma_cli.api.redaction import redact, scrub_links

# Cloudflare in front of both hosts answers Python's default agent with 403 "error code: 1010" (observed).
USER_AGENT = f"kie-luma/{__version__} (Python {platform.python_version()})"
CONNECT_TIMEOUT = 10.0
EXCHANGE_BUDGET = 60.0
MAX_JSON = 1 << 20
# No header stretches a pause beyond this, whatever it says and even without a time limit.
MAX_RETRY_AFTER = 300.0
MAX_LOGGED = 2048

log = logging.getLogger(__name__)


class TransportError(Exception):
    """No whole reply. `sent`: at least one byte of the request was handed to a standing connection.

    The message is our own: the exceptions of requests quote keys and signed links. `raw` is what was read until then.
    """

    def __init__(self, message: str, *, sent: bool, raw: bytes = b"", fault: str = "broken") -> None:
        super().__init__(message)
        self.message = message
        self.sent = sent
        self.raw = raw
        self.fault = fault


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Bearer(AuthBase):
    """The key as an auth object: `.netrc` replaces an Authorization header, but never this."""

    def __init__(self, api_key: str) -> None:
        self.api_key = api_key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.api_key}"
        return request


class Session(requests.Session):
    """A session that follows no redirect, keeps no cookie and reads no `.netrc`.

    `ca_bundle` is a file of trusted certificates, None for the built-in ones. With `public_only` it refuses to speak
    to loopback and private addresses, wherever a name resolves to.
    """

    def __init__(self, *, ca_bundle: str | None = None, public_only: bool = False) -> None:
        super().__init__()
        self.trust_env = False  # .netrc would replace the key or add another host's login
        self.verify = ca_bundle or True
        self.public_only = public_only
        self.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity", "Accept": "*/*"})
        adapter = Adapter()
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    # Even with allow_redirects=False requests peeks at the next hop and drains the body: 300 MB in memory, measured.
    def get_redirect_target(self, resp: requests.Response) -> None:
        return None

    def close(self) -> None:
        """urllib3 leaves the connections of a pool to the garbage collector: 300 downloads used up 64 descriptors."""
        for adapter in {id(adapter): adapter for adapter in self.adapters.values()}.values():
            if isinstance(adapter, Adapter):
                adapter.close_connections()
        super().close()


def proxy_for(url: str) -> str | None:
    """The environment's proxy for a link. Loopback is never proxied: the proxy would see the key in plain text."""
    return None if is_loopback(host_of(url)) else select_proxy(url, get_environ_proxies(url))


def exchange(
    session: Session,
    method: str,
    url: str,
    *,
    budget: float = EXCHANGE_BUDGET,
    max_bytes: int = MAX_JSON,
    **request: Any,
) -> Reply:
    """Send one request and read the whole reply, within `budget` seconds and `max_bytes`; the rest is for `opened`.

    Raises:
        TransportError: no whole reply.
    """
    with opened(session, method, url, budget=budget, **{"read_timeout": budget, **request}) as done:
        response = done.response
        # Nothing of ours stands in a redirect, and its body may be endless (300 MB, or a byte a second).
        body = b"" if response.is_redirect else _read_all(done, max_bytes)
        done.outcome += f"{_code_of(body)}, {len(body)} bytes"
    if log.isEnabledFor(logging.DEBUG):
        secret = getattr(request.get("auth"), "api_key", "")
        if "json" in request:
            log.debug("sent: %s", _loggable(json.dumps(request["json"]).encode(), secret))
        log.debug("received: %s", _loggable(body, secret))
    return Reply(response.status_code, response.headers, body)


@contextmanager
def opened(
    session: Session,
    method: str,
    url: str,
    *,
    budget: float,
    min_bytes: float = math.inf,
    read_timeout: float = 30.0,
    on_sending: Callable[[], None] | None = None,
    **request: Any,
) -> Iterator[Exchange]:
    """An exchange with its `response`, whose body has not been read yet.

    `budget` bounds the whole block in seconds; with `min_bytes` it goes on while so many are `received` in that time.
    `read_timeout` bounds one wait for bytes.

    Raises:
        TransportError: the request or, inside the block, the reading of the response failed.
    """
    started, proxy = time.monotonic(), None
    done = Exchange(budget, on_sending, session.public_only, min_bytes)
    try:
        proxy = proxy_for(url)
        with done:
            response = session.request(
                method,
                url,
                stream=True,
                allow_redirects=False,
                timeout=(CONNECT_TIMEOUT, read_timeout),
                proxies={"all": proxy} if proxy is not None else {},
                **request,
            )
            done.response, done.outcome = response, f"HTTP {response.status_code}"
            try:
                yield done
            finally:
                response.close()
    except TransportError as error:
        done.outcome = error.message
        raise
    except (requests.RequestException, u3.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        # ValueError: about 1 % of mutated responses leave the RequestException family (measured).
        done.outcome, fault = _explain(error, url, done, is_proxied=proxy is not None)
        raise TransportError(done.outcome, sent=done.sent, fault=fault) from error
    finally:
        connection = "reused connection" if done.reused else "new connection"
        milliseconds = (time.monotonic() - started) * 1000
        log.info("%s %s: %s, %.0f ms, %s", method, without_query(url), done.outcome, milliseconds, connection)


def _code_of(body: bytes) -> str:
    """The code of an envelope for the log; the judgement is made elsewhere."""
    found = re.search(rb'"code"\s*:\s*"?(-?[0-9]{1,9})', body[:MAX_LOGGED])
    return f" (code {found[1].decode()})" if found is not None else ""


def _loggable(body: bytes, secret: str) -> str:
    """The beginning of a body on one line, without the key and without what links keep secret."""
    text = redact(body[: 4 * MAX_LOGGED].decode("utf-8", "backslashreplace"), secret)
    return scrub_links(text)[:MAX_LOGGED]


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from digits or an HTTP date, 5 minutes at most; None if there is no header that makes sense.

    kie.ai documents no Retry-After; a proxy in between may send one.
    """
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,100}", text):
        return min(float(text), MAX_RETRY_AFTER)
    if not 20 <= len(text) <= 40:
        return None
    try:
        when = parsedate_to_datetime(text)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None  # urllib3's parser raises for these, and for digits over 4,300 (measured)
    return min(max(0.0, seconds), MAX_RETRY_AFTER)


def _read_all(done: Exchange, max_bytes: int) -> bytes:
    """The whole body, decoded. A body over `max_bytes`, before or after decoding, is refused."""
    body, response = bytearray(), done.response
    try:
        while chunk := response.raw.read1(65536, decode_content=False):
            body += chunk
            if len(body) > max_bytes:
                raise TransportError("the reply is too large", sent=True, raw=bytes(body[:65536]), fault="too_large")
        if done.expired:
            raise TimeoutError  # a connection that was cut looks like one that has ended
    except (u3.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        is_slow = isinstance(error, u3.ReadTimeoutError) or done.expired
        message = "the reply is too slow" if is_slow else "the reply is incomplete"
        raise TransportError(message, sent=True, raw=bytes(body)) from error
    return _decode(bytes(body), response.headers.get("Content-Encoding", ""), max_bytes)


def _decode(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Undo gzip where a server sends it although identity was asked for.

    urllib3 returns a cut gzip stream without a word when the compressed length matches (measured).
    """
    if encoding.strip().lower() in ("", "identity"):
        return body
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        raise TransportError("the reply has an unknown encoding", sent=True, raw=body[:65536])
    decoder = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = decoder.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise TransportError("the reply is not readable", sent=True, raw=body[:65536]) from error
    if len(plain) > max_bytes:
        raise TransportError("the reply is too large", sent=True, raw=plain[:65536], fault="too_large")
    if not decoder.eof:
        raise TransportError("the reply is incomplete", sent=True, raw=plain[:65536])
    return plain


# In this order: the first class found in the chain of causes names the reason.
_REASONS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str, str], ...] = (
    (NoThread, "this machine starts no more threads", "machine"),
    (PrivateAddress, "{host} leads to a private address", "private"),
    ((u3.NameResolutionError, socket.gaierror), "cannot find the host {host}", "dns"),
    (u3.NewConnectionError, "cannot connect to {address}", "connect"),  # urllib3 derives it from the next one
    ((u3.ConnectTimeoutError, requests.ConnectTimeout), "connecting to {address} timed out", "connect"),
    ((u3.ReadTimeoutError, requests.ReadTimeout, TimeoutError), "{host} did not reply in time", "timeout"),
    (ssl.SSLError, "TLS with {host} failed", "tls"),
    ((u3.LocationParseError, requests.exceptions.InvalidURL), "the address of {host} is not readable", "address"),
    (requests.exceptions.InvalidSchema, "the proxy for {host} is of a kind that is not supported", "proxy"),
    (requests.exceptions.InvalidProxyURL, "the proxy address for {host} is not readable", "proxy"),
)


def _explain(error: BaseException, url: str, done: Exchange, *, is_proxied: bool) -> tuple[str, str]:
    """One sentence of ours and a kind for what went wrong; never the text of the exception."""
    chain, host = list(_causes(error)), host_of(url)
    if done.expired:
        return f"{host} gave no whole reply in {done.budget:g} s", "timeout"
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate of {host} is not trusted: {cause.verify_message}", "tls"
    if any(isinstance(cause, u3.ProxyError) for cause in chain):
        login = any("407" in str(cause) for cause in chain)
        return ("the proxy wants a login" if login else "the proxy does not connect us"), "proxy"
    for kind, sentence, fault in _REASONS:
        if any(isinstance(cause, kind) for cause in chain):
            if is_proxied and fault == "address":  # ours was read before
                return f"the proxy address for {host} is not readable", "proxy"
            address = without_query(url).rpartition("://")[2].partition("/")[0]
            return sentence.format(host=host, address=address), fault
    return f"the connection to {host} broke", "broken"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and everything it was raised from; requests and urllib3 hide causes in `args` and `reason`."""
    seen: set[int] = set()
    pending: list[object] = [error]
    while pending:
        item = pending.pop(0)
        if isinstance(item, BaseException) and id(item) not in seen:
            seen.add(id(item))
            yield item
            pending += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
