"""The connections below requests: they know whether a byte was sent, end in time, and keep no cookies."""

import http.client
import math
import socket
import threading
from collections.abc import Callable
from typing import IO, Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.connection import allowed_gai_family

from luma_cli import signals
from luma_cli.api.hosts import parse_ip
from luma_cli.errors import FileError

# Each may take the whole time for connecting; a resolver may name hundreds.
MAX_ADDRESSES = 6


class PrivateAddress(OSError):
    """A link from outside led to this machine or into a private network."""


class NoThread(OSError):
    """The system starts no more threads, so that the exchange could not be ended in time."""


class Exchange:
    """One request and its reply: was a byte sent, was the connection there before, and is the time over.

    It is cut after `budget` seconds, or, while its reader counts what it has `received`, when fewer than `min_bytes`
    came in so many seconds. `timeout=` bounds one socket operation: a peer that dribbles never meets it (measured).
    """

    def __init__(
        self, budget: float, on_sending: Callable[[], None] | None, public_only: bool, min_bytes: float = math.inf
    ) -> None:
        self.sent = self.reused = self.expired = False
        self.received = 0
        self.response: Any = None
        self.outcome = ""  # for the log
        self.budget = budget
        self.public_only = public_only
        self._min_bytes = min_bytes
        self._on_sending = on_sending
        self._connection: HTTPConnection | None = None
        self._over = threading.Event()

    def __enter__(self) -> None:
        try:
            # A thread, since headers and chunk sizes are read where no code of ours runs in between.
            signals.start_thread(self._watch)
        except FileError as error:
            raise NoThread from error
        _current.exchange = self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        _current.exchange = None

    def use(self, connection: HTTPConnection) -> None:
        self._connection = connection

    def sending(self, is_new: bool) -> None:
        if not self.sent:
            self.reused = not is_new
            if self._on_sending is not None:
                self._on_sending()
        self.sent = True

    def read(self, count: int) -> bytes:
        """The next bytes of the body; fewer where it ends."""
        found = b""
        while len(found) < count and (chunk := self.response.raw.read1(count - len(found), decode_content=False)):
            found += chunk
        return found

    def _watch(self) -> None:
        before = 0
        while not self._over.wait(self.budget):
            if self.received - before < self._min_bytes:
                self.expired = True
                self._cut()
                return
            before = self.received

    def _cut(self) -> None:
        sock: Any = self._connection.sock if self._connection is not None else None
        while sock is not None and not isinstance(sock, socket.socket):
            sock = getattr(sock, "socket", None)  # TLS inside a proxy's TLS is no socket but holds one
        try:
            if sock is not None:
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            elif self.response is not None:
                self.response.raw.shutdown()  # http.client takes the socket of a connection that will be closed
        except (OSError, ValueError, RuntimeError):
            pass  # already closed: there is nothing left to cut


class _Current(threading.local):
    exchange: Exchange | None = None


_current = _Current()


class _WholeLines:
    """The lines of a reply's head, none of which may be cut off.

    http.client takes the end of a connection for the end of the head (measured): a 429 that broke off would be sent
    again, and a length that was on its way would not be missed.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def readline(self, limit: int) -> bytes:
        line = self._stream.readline(limit)
        if not line.endswith(b"\n") and len(line) < limit:
            raise http.client.IncompleteRead(line)
        return line

    def close(self) -> None:
        self._stream.close()


class _Final(http.client.HTTPResponse):
    """Passes over interim responses: http.client knows 100, and takes 103 for the final one (measured)."""

    def begin(self) -> None:
        stream, self.fp = self.fp, _WholeLines(self.fp)  # type: ignore[assignment]
        try:
            super().begin()
            while 100 < self.status < 200:
                self.headers = self.msg = None  # type: ignore[assignment]
                super().begin()
        finally:
            if self.fp is not None:  # else it was closed: what came was no HTTP
                self.fp = stream


class _Marking(HTTPConnection):
    """Notes the first byte of a request, since no exception tells "never sent" from "sent" (measured).

    What is written while connecting (TLS, CONNECT to a proxy) is not the request.
    """

    response_class = _Final
    _connecting = False

    def connect(self) -> None:
        if _current.exchange is not None:
            _current.exchange.use(self)
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False

    def send(self, data: Any) -> None:
        is_new = self.sock is None
        if is_new:
            self.connect()
        exchange = _current.exchange
        if exchange is not None and not self._connecting:
            if exchange.expired:
                raise TimeoutError
            exchange.use(self)
            exchange.sending(is_new)
        super().send(data)

    def _new_conn(self) -> socket.socket:
        """One address of the host after the other, as urllib3 does it, but not for longer than the exchange may last.

        And with `public_only` to none that is not public: a name can lead anywhere, whatever it looks like.
        """
        exchange, name = _current.exchange, self._dns_host
        if exchange is None or self.proxy is not None:
            return super()._new_conn()
        failure: Exception = PrivateAddress("the host has a private address")
        for address in _resolve(name, self.port)[:MAX_ADDRESSES]:
            found = parse_ip(address)
            if exchange.public_only and (found is None or not found.is_global):
                continue
            if exchange.expired:
                raise TimeoutError
            self._dns_host = address
            try:
                return super()._new_conn()
            except urllib3.exceptions.HTTPError as error:
                failure = error
            finally:
                self._dns_host = name
        raise failure


def _resolve(name: str, port: int) -> list[str]:
    """The addresses of a host, in the resolver's order."""
    try:
        found = socket.getaddrinfo(name.strip("[]"), port, allowed_gai_family(), socket.SOCK_STREAM)
    except UnicodeError:
        raise urllib3.exceptions.LocationParseError(name) from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _MarkingTLS(_Marking, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Marking


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _MarkingTLS


class Adapter(HTTPAdapter):
    """requests' adapter with our connections and without cookies. It never retries: urllib3's Retry sent a POST four
    times after a broken TLS record (measured)."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        if not args[0].lower().startswith("socks"):
            manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        return manager

    def close_connections(self) -> None:
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118  no mapping in the usual sense: only this is safe
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        # http.cookiejar prints its own traceback to stderr on an unreadable Set-Cookie; we keep no cookies anyway.
        original = getattr(resp, "_original_response", None)
        if original is not None and original.msg is not None:
            del original.msg["Set-Cookie"]
            del original.msg["Set-Cookie2"]
        return super().build_response(req, resp)
