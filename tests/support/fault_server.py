"""A server on loopback that misbehaves by script: it cuts, stalls, resets, dribbles, lies and redirects.

A script is a list of answers, one for each request; the last is repeated. An answer is a tuple of actions, and an
action is a function of the `Peer` that asked. The server records every request, and waits for events, never for time
(except where dribbling is the point).

    with FaultServer([(head(200, content_length=9), send(b"half"), reset())]) as server:
        requests.get(server.url("/clip.mp4"))
"""

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    raw: bytes


class Hangup(Exception):
    """The connection is over."""


@dataclass
class Peer:
    """One connection and the request that it is to answer (None before the first)."""

    sock: socket.socket
    server: "FaultServer"
    request: Request | None = None
    buffer: bytearray = field(default_factory=bytearray)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read_request(self) -> Request:
        head = self._read_until(b"\r\n\r\n")
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = self._read_body(headers)
        return Request(method, path, headers, body, head + body)

    def _read_body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self._take(int(headers.get("content-length", 0)))
        body = b""
        while size := int(self._read_until(b"\r\n"), 16):
            body += self._take(size)
            self._take(2)
        self._read_until(b"\r\n")
        return body

    def _read_until(self, end: bytes) -> bytes:
        while end not in self.buffer:
            self._receive()
        return self._take(self.buffer.index(end) + len(end))

    def _take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self._receive()
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def _receive(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise Hangup
        self.buffer += data


Action = Callable[[Peer], None]
Answer = tuple[Action, ...]
Script = Callable[[Request], Answer]


class FaultServer:
    """Answers request n with answer n. `on_accept` are actions for connection n before anything is read from it."""

    def __init__(
        self,
        answers: Iterable[Answer] | Script,
        *,
        on_accept: Iterable[Answer] = (),
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._answers: list[Answer] | Script = answers if callable(answers) else list(answers)
        self._on_accept = list(on_accept)
        self._tls = tls
        self._lock = threading.Lock()
        self._socks: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port: int = self._listener.getsockname()[1]

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    @property
    def received(self) -> bytes:
        """Every byte of every request, to be searched for what must not be there."""
        return b"".join(request.raw for request in self.requests)

    def __enter__(self) -> "FaultServer":
        self._start(self._accept)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.stopping.set()
        # On Linux closing a listener does not wake its accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._socks):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(5)

    def wait_for_hang_ups(self) -> None:
        """Return when all connections have ended, as a script may have them do."""
        for thread in self._threads[1:]:
            thread.join(5)

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if self.stopping.is_set():
                sock.close()
                return
            # Else the second of two small sends waits 40 ms for the client's delayed acknowledgement.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socks.append(sock)
            self.connections += 1  # before the reply, after which someone may count
            self._start(self._serve, sock, self.connections - 1)

    def _serve(self, sock: socket.socket, number: int) -> None:
        with contextlib.suppress(Hangup, OSError, ValueError), contextlib.ExitStack() as stack:
            stack.callback(sock.close)
            peer = Peer(sock, self)
            if number < len(self._on_accept):
                self._act(peer, self._on_accept[number])
            if self._tls is not None:
                peer.sock = stack.enter_context(self._tls.wrap_socket(sock, server_side=True))
                self._socks.append(peer.sock)  # wrapping has emptied the other one
            while not self.stopping.is_set():
                peer.request = peer.read_request()
                self._act(peer, self._next(peer.request))

    def _next(self, request: Request) -> Answer:
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
        if callable(self._answers):
            return self._answers(request)
        return self._answers[min(number, len(self._answers) - 1)]

    @staticmethod
    def _act(peer: Peer, answer: Answer) -> None:
        for action in answer:
            action(peer)


def send(data: bytes) -> Action:
    return lambda peer: peer.send(data)


def head(status: int = 200, reason: str = "Whatever", **headers: object) -> Action:
    """A status line and headers; `content_length=5` is `Content-Length: 5`, a list sends the header several times."""
    lines = [f"HTTP/1.1 {status} {reason}"]
    for name, value in headers.items():
        for one in value if isinstance(value, list) else [value]:
            lines.append(f"{name.replace('_', '-').title()}: {one}")
    return send("\r\n".join([*lines, "", ""]).encode("latin-1"))


def reply(body: bytes, status: int = 200, **headers: object) -> Answer:
    """A whole and honest answer."""
    return (head(status, content_length=len(body), **headers), send(body))


def redirect(location: str, status: int = 302) -> Answer:
    return reply(b"", status, location=location)


def chunks(*parts: bytes, end: bool = True) -> Action:
    """A chunked body; without `end` its last chunk never comes."""
    framed = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return send(framed + (b"0\r\n\r\n" if end else b""))


def hang_up() -> Action:
    """FIN: an orderly end, wherever we are."""

    def act(peer: Peer) -> None:
        raise Hangup

    return act


def reset() -> Action:
    """RST: the connection is torn down."""

    def act(peer: Peer) -> None:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Hangup

    return act


def stall(until: threading.Event | None = None) -> Action:
    """Say nothing more until the event, or until the client or the server goes away."""

    def act(peer: Peer) -> None:
        if until is not None:
            until.wait(30)
        else:
            while peer.sock.recv(65536):
                pass
            raise Hangup

    return act


def signal(event: threading.Event) -> Action:
    return lambda _peer: event.set()


def call(function: Callable[[], object]) -> Action:
    """Do something in the test's world at this point of the reply."""
    return lambda _peer: (function(), None)[1]


def dribble(data: bytes, gap: float) -> Action:
    """One byte every `gap` seconds."""

    def act(peer: Peer) -> None:
        for byte in data:
            peer.send(bytes([byte]))
            if peer.server.stopping.wait(gap):
                raise Hangup

    return act


def pour(count: int) -> Action:
    """`count` bytes of zeros, as fast as they are taken."""

    def act(peer: Peer) -> None:
        block = bytes(1 << 16)
        for _ in range(count >> 16):
            peer.send(block)
        peer.send(bytes(count & 0xFFFF))

    return act


def ranged(content: bytes, *, etag: str | None = '"v1"', cut_after: int | None = None, **headers: object) -> Action:
    """Serve an object as a good server does: Range and If-Range obeyed. `cut_after` bytes of body it hangs up."""

    def act(peer: Peer) -> None:
        assert peer.request is not None
        asked = peer.request.headers
        start = 0
        if "range" in asked and asked.get("if-range", etag) == etag:
            start = int(asked["range"].removeprefix("bytes=").partition("-")[0])
        extra = {**({"etag": etag} if etag else {}), **headers}
        if start >= len(content) > 0:
            head(416, content_length=0, content_range=f"bytes */{len(content)}", **extra)(peer)
            return
        body = content[start:]
        if start:
            extra["content_range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        head(206 if start else 200, content_length=len(body), **extra)(peer)
        peer.send(body[:cut_after])
        if cut_after is not None and cut_after < len(body):
            raise Hangup

    return act


def take(count: int) -> Action:
    """Read so many bytes of what the client sends, as one that goes away in the middle of it."""

    def act(peer: Peer) -> None:
        peer.sock.recv(count, socket.MSG_WAITALL)

    return act


def hear() -> Action:
    """Wait for the first byte and leave it unread. A reset before it may meet a client that is still connecting."""

    def act(peer: Peer) -> None:
        peer.sock.recv(1, socket.MSG_PEEK)

    return act


def send_under_tls(data: bytes) -> Action:
    """Bytes that did not go through TLS, in the middle of a TLS connection."""
    return lambda peer: socket.socket.sendall(peer.sock, data)


def said(code: object, message: str = "", data: object = None) -> bytes:
    """The body of a reply in the service's envelope."""
    return json.dumps({"code": code, "msg": message, "data": data}).encode()


def envelope(code: object, data: object = None, message: str = "", status: int = 200, **headers: object) -> Answer:
    """A whole answer in the service's envelope."""
    return reply(said(code, message, data), status, content_type="application/json", **headers)


def posts(server: FaultServer) -> int:
    """How many submissions came, the requests that cost money."""
    return sum(
        request.method == "POST" and request.path.endswith("/api/v1/modify/generate") for request in server.requests
    )
