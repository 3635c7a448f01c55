"""Receive callbacks over HTTP, with the standard library alone.

One thread serves all connections through a selector: an honest caller waits for no slow one.
"""

import re
import selectors
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from luma_cli import signals
from luma_cli.callbacks.signature import Callback, Deliveries, InvalidCallback, verify
from luma_cli.errors import FileError, reason

# A callback is a few kB; what a larger one would say is learnt by asking.
MAX_BODY = 1 << 16
MAX_HEAD = 1 << 14
# The service gives up after 15 s (vendor page "Luma Modify Callbacks"); a whole request must be here before.
REQUEST_TIME = 10.0
# After an error the rest of a body is read for a while: closing at once would reset the answer away.
LINGER_TIME = 2.0
# Below the 256 open files that macOS grants a process, and the 512 of Windows' select.
MAX_CONNECTIONS = 200
BACKLOG = 512
ACCEPTS_AT_ONCE = 32
TICK = 0.25

WRONG_HOST = "a request for another host name was refused; behind a proxy or tunnel, name it with --public-url"


@dataclass(frozen=True)
class Endpoint:
    """What is accepted: paths, host names (None for any), and the key that signs callbacks (None: nobody signs)."""

    paths: frozenset[str]
    hosts: frozenset[str] | None
    webhook_key: str | None = field(repr=False)


class Limits(NamedTuple):
    """Bounds of one receiver; times in seconds."""

    request_time: float = REQUEST_TIME
    linger_time: float = LINGER_TIME
    connections: int = MAX_CONNECTIONS


class _Head(NamedTuple):
    method: str
    path: str
    headers: dict[str, list[str]]

    @property
    def length(self) -> int:
        return int(self.headers["content-length"][0])


@dataclass(eq=False)
class _Connection:
    sock: socket.socket
    deadline: float
    received: bytearray = field(default_factory=bytearray)
    head: _Head | None = None
    replied: bool = False


@dataclass(eq=False, repr=False)
class Receiver:
    """A listening socket and the thread that serves it; use it as a context manager.

    `deliver` is called in that thread with each new callback; False says that there is no room for it now, and the
    service is asked to come again. `refused` hears why a request was turned away, `failed` what ends the thread.

    Raises:
        FileError: the address cannot be listened on.
    """

    _host: str
    _port: int
    _endpoint: Endpoint
    _deliver: Callable[[Callback], bool]
    refused: Callable[[str], None] = lambda _: None
    failed: Callable[[Exception], None] = lambda _: None
    limits: Limits = field(default_factory=Limits)
    now: Callable[[], float] = time.time
    _connections: dict[socket.socket, _Connection] = field(default_factory=dict)
    _deliveries: Deliveries = field(default_factory=Deliveries)
    _closing: float | None = None  # a clock reading

    def __post_init__(self) -> None:
        self._socket = _listen(self._host, self._port)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._waker, self._waker_end = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._thread = signals.start_thread(self._run)

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self, grace: float = 0.5) -> None:
        """Take no new connection; requests that are on their way have `grace` seconds to be answered."""
        if self._closing is None:
            self._closing = time.monotonic() + grace
            try:
                self._waker_end.send(b"!")
            except OSError:
                pass  # the thread has failed, and said so
        self._thread.join(grace + 1.0)

    def _run(self) -> None:
        try:
            while not self._is_done():
                for key, _ in self._selector.select(TICK if self._connections else None):
                    if key.fileobj is self._socket:
                        self._accept()
                    elif key.fileobj is not self._waker:
                        self._serve(key.data)
                now = time.monotonic()
                for late in [peer for peer in self._connections.values() if peer.deadline <= now]:
                    self._drop(late)
        except Exception as error:  # noqa: BLE001  a thread must hand its failure on, or nobody learns that it has stopped
            self.failed(error)
        finally:
            for connection in list(self._connections.values()):
                self._drop(connection)
            for opened in (self._socket, self._waker, self._waker_end):
                opened.close()
            self._selector.close()

    def _is_done(self) -> bool:
        if self._closing is None:
            return False
        if self._socket.fileno() >= 0:
            self._accept()
            self._selector.unregister(self._socket)
            self._selector.unregister(self._waker)
            self._socket.close()
        under_way = any((peer.received or peer.head) and not peer.replied for peer in self._connections.values())
        return not under_way or time.monotonic() >= self._closing

    def _accept(self) -> None:
        """Take new connections, a few at a time: those that are there already are served in between."""
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                sock, _ = self._socket.accept()
            except BlockingIOError:
                return
            except OSError:  # no more file descriptors, or the caller went away again
                self._make_room(1)
                return
            self._make_room(self.limits.connections)
            sock.setblocking(False)
            connection = _Connection(sock, time.monotonic() + self.limits.request_time)
            self._connections[sock] = connection
            self._selector.register(sock, selectors.EVENT_READ, connection)
            self._serve(connection)

    def _make_room(self, most: int) -> None:
        """Drop one connection where there are `most`: one that is answered already, else the oldest."""
        if len(self._connections) >= most:
            oldest = next(iter(self._connections.values()))
            self._drop(next((peer for peer in self._connections.values() if peer.replied), oldest))

    def _drop(self, connection: _Connection) -> None:
        self._connections.pop(connection.sock, None)
        try:
            self._selector.unregister(connection.sock)
        except (KeyError, ValueError):
            pass  # it was never registered
        connection.sock.close()

    def _serve(self, connection: _Connection) -> None:
        """Read what is there, and answer as soon as that is enough."""
        if connection.sock not in self._connections:
            return  # dropped since the selector named it
        try:
            chunk = connection.sock.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._drop(connection)
        elif not connection.replied:
            connection.received += chunk
            self._read(connection)

    def _read(self, connection: _Connection) -> None:
        """Take one step with what has been received."""
        try:
            if connection.head is None and _has_head(connection.received):
                self._read_head(connection)
            if connection.head is not None and len(connection.received) >= connection.head.length:
                self._admit(connection, connection.head)
        except InvalidCallback as invalid:
            if invalid.reason is not None:
                self.refused(invalid.reason)
            self._reply(connection, invalid.status)

    def _read_head(self, connection: _Connection) -> None:
        raw, _, rest = bytes(connection.received).partition(b"\r\n\r\n")
        head = parse_head(raw)
        self._check(head)
        connection.head, connection.received = head, bytearray(rest)
        if "100-continue" in head.headers.get("expect", []):
            self._send(connection, b"HTTP/1.1 100 Continue\r\n\r\n")

    def _check(self, head: _Head) -> None:
        """Everything that a head can be refused for, before its body is read. Raises InvalidCallback."""
        hosts = head.headers.get("host", [])
        if self._endpoint.hosts is not None and any(_host_name(host) not in self._endpoint.hosts for host in hosts):
            raise InvalidCallback(404, WRONG_HOST)
        if head.path not in self._endpoint.paths:
            raise InvalidCallback(404)
        if head.method != "POST":
            raise InvalidCallback(405)
        if any(coding.lower() != "identity" for coding in head.headers.get("content-encoding", [])):
            raise InvalidCallback(415)
        lengths = head.headers.get("content-length", [])
        if "transfer-encoding" in head.headers or len(lengths) != 1 or not re.fullmatch(r"[0-9]{1,18}", lengths[0]):
            raise InvalidCallback(400)
        if head.length > MAX_BODY:
            raise InvalidCallback(413)

    def _admit(self, connection: _Connection, head: _Head) -> None:
        body = bytes(connection.received[: head.length])
        callback = verify(head.headers, body, self._endpoint.webhook_key, self.now())
        if not self._deliveries.is_known(callback):
            if not self._deliver(callback):
                raise InvalidCallback(503)
            self._deliveries.remember(callback)
        self._reply(connection, 200)

    def _reply(self, connection: _Connection, status: int) -> None:
        """Answer and hang up."""
        connection.replied = True
        connection.received.clear()
        connection.deadline = time.monotonic() + self.limits.linger_time
        self._send(connection, _REPLIES[status], last=True)

    def _send(self, connection: _Connection, words: bytes, *, last: bool = False) -> None:
        """Some words, which a fresh connection always has room for."""
        try:
            connection.sock.send(words)
            if last:
                connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(connection)  # the caller did not wait for it


def parse_head(raw: bytes) -> _Head:
    """A request line and headers, names in lower case.

    Raises:
        InvalidCallback: not HTTP, or HTTP that proxies and servers read differently.
    """
    lines = raw.decode("latin-1").split("\r\n")
    request = re.fullmatch(_REQUEST_LINE, lines[0])
    if request is None:
        raise InvalidCallback(400)
    headers: dict[str, list[str]] = {}
    for line in lines[1:]:
        found = re.fullmatch(_HEADER_LINE, line)
        if found is None:
            raise InvalidCallback(400)
        headers.setdefault(found[1].lower(), []).append(found[2].strip(" \t"))
    return _Head(request[1], request[2].partition("?")[0], headers)


_REQUEST_LINE = r"([A-Z]{1,20}) ([!-~]{1,4096}) HTTP/1\.[01]"
_HEADER_LINE = r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\0]*)"

_REPLIES = {
    200: b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\nConnection: close\r\n\r\n"
    b'{"status":"received"}',
    **{
        status: f"HTTP/1.1 {status} {words}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        for status, words in {
            400: "Bad Request",
            401: "Unauthorized",
            404: "Not Found",
            405: "Method Not Allowed\r\nAllow: POST",
            413: "Content Too Large",
            415: "Unsupported Media Type",
            503: "Service Unavailable\r\nRetry-After: 1",
        }.items()
    },
}


def _has_head(received: bytearray) -> bool:
    """Whether the head is whole. Raises InvalidCallback for what can never become one."""
    if b"\r\n\r\n" in received[: MAX_HEAD + 4]:
        return True
    first, line_end, _ = bytes(received).partition(b"\n")
    if len(received) > MAX_HEAD or (line_end and not re.fullmatch(_REQUEST_LINE, first.decode("latin-1").rstrip("\r"))):
        raise InvalidCallback(400)
    return False


def _host_name(value: str) -> str:
    """The name in a Host header, without its port."""
    return re.sub(r":[0-9]*\Z", "", value).strip("[]").rstrip(".").lower()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise FileError(f"cannot listen on {host}: no such address") from error
    try:
        if sys.platform == "win32":  # SO_REUSEADDR there lets another program take the port over
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise FileError(f"cannot listen on {host} port {port}: {reason(error)}", hint="choose another port") from error
    sock.setblocking(False)
    return sock
