"""The sandbox's HTTP server: the service's endpoints, the file host, and a few controls of its own."""

import json
import re
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from luma_cli.sandbox.callbacks import Callbacks
from luma_cli.sandbox.files import FileStore, StoredFile, copy, parse_range
from luma_cli.sandbox.multipart import BadMultipart, Body, read_form
from luma_cli.sandbox.scenarios import CALL_ERRORS, SCENARIOS, SUBMIT_ERRORS, named_in
from luma_cli.sandbox.tasks import SandboxTask, TaskStore

MOST_JSON = 32 << 20
MOST_LOGGED = 1 << 16
PRICE = 100  # a guess: the vendor documents no price
STREAM_UPLOAD = "/api/file-stream-upload"
UPLOADS = {STREAM_UPLOAD, "/api/file-base64-upload", "/api/file-url-upload"}


@dataclass(frozen=True)
class Request:
    """One request as it came in; header names are lower case, the bodies of uploads are left out."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at: float


class Sandbox:
    """The service on loopback; use it as a context manager, or start and stop it. Times are in seconds."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        duration: float = 3.0,
        scenario: str = "ok",
        api_key: str = "sandbox-key",
        webhook_key: str | None = None,
        rate_limit: int = 20,
        rate_window: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.scenario = scenario
        self.api_key = api_key
        self.credits: float = 100_000
        self.requests: list[Request] = []
        self.clock = clock
        self._server = _Server((host, port), _Handler)  # first, since a port that is taken must leave nothing behind
        self._server.sandbox = self
        self.files = FileStore(clock)
        self.tasks = TaskStore(duration, clock, rate_limit, rate_window)
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self.callbacks = Callbacks(self.url, webhook_key, clock)
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Sandbox":
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def serve_forever(self) -> None:
        """Wait, after `start`, for a signal."""
        while self._thread is not None and self._thread.is_alive():
            # Measured: one that comes just before a wait for ever begins does not end it (of 15 runs, 5 went on).
            self._thread.join(0.2)

    def stop(self) -> None:
        if self._thread is not None:
            self._server.shutdown()
        self._server.server_close()
        self.callbacks.stop()
        self.files.close()

    def submissions(self) -> list[Request]:
        return [each for each in self.requests if each.path == "/api/v1/modify/generate"]

    def finish(self, task_id: str) -> None:
        """End a task now, whatever its duration."""
        task = self.tasks.find(task_id)
        if task is not None:
            task.ends = self.clock()
            self.callbacks.hurry(task)

    def trigger(self, task_id: str) -> bool:
        """Send a task's callback now; True where it was answered with 200."""
        task = self.tasks.find(task_id)
        return task is not None and bool(task.params.get("callBackUrl")) and self.callbacks.send(task)

    def create(self, params: dict[str, str]) -> SandboxTask:
        source = params["videoUrl"].removeprefix(self.url)
        scenario = named_in(params["prompt"]) or self.scenario
        task = self.tasks.create(params, scenario, self.files.add_result(source))
        self.credits -= PRICE
        self.callbacks.expect(task)
        return task


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512
    sandbox: Sandbox

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to print about; anything else is a fault of ours."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120  # for a client that goes silent in the middle of a request
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the parent's name
        """The requests stand in `Sandbox.requests`."""

    def do_GET(self) -> None:
        self._route()

    def do_HEAD(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_POST  # noqa: N815  the parent's names

    def _route(self) -> None:
        self.route, self.query = self.path, {}
        try:
            parts = urlsplit(self.path)
            self.content = Body(self.rfile, _length_of(self.headers))
        except ValueError:
            self.close_connection = True  # where its body ends is not known
            return self._framework_error(400, "Bad Request")
        self.route, self.query = parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))
        is_form = self.route == STREAM_UPLOAD
        if self.content.left > MOST_JSON and not is_form:
            self.close_connection = True  # nobody waits for the rest
            return self._framework_error(413, "Payload Too Large")
        self.body = b"" if is_form else self.content.read(MOST_JSON)
        headers = {name.lower(): value for name, value in self.headers.items()}
        box = self.server.sandbox
        box.requests.append(
            Request(self.command, self.route, self.query, headers, self.body[:MOST_LOGGED], box.clock())
        )
        self._answer()
        self.content.drain()  # a client that is still sending would see a reset instead of the answer
        return None

    def _answer(self) -> None:
        if self.route.startswith("/files/") and self.command in ("GET", "HEAD"):
            return self._serve_file()
        handle = _ROUTES.get((self.command, self.route))
        if handle is not None:
            return handle(self)
        if self.route in UPLOADS:
            return self._envelope(405, "Method not allowed")
        return self._framework_error(404, "Not Found")

    def _generate(self) -> None:
        box = self.server.sandbox
        params = self._params()
        prompt = params.get("prompt")
        scenario = (named_in(prompt) if isinstance(prompt, str) else None) or box.scenario
        if scenario not in SCENARIOS:
            return self._envelope(422, f"no such scenario: {scenario[:40]}")
        if scenario == "gone":
            return self._framework_error(404, "Not Found")
        if self._refused(scenario, SUBMIT_ERRORS):
            return None
        if scenario == "garbage":
            return self._send(200, b"<html><body>Bad gateway</body></html>", "text/html")
        fault = _fault_of(params)
        if fault is not None:
            return self._envelope(422, fault)
        if box.credits < PRICE:
            return self._envelope(402, "Insufficient credits")
        if not box.tasks.may_create():
            return self._envelope(429, "Rate limit exceeded", status=429)
        echo = {"waterMark" if name == "watermark" else name: str(value) for name, value in params.items()}
        task = box.create(echo)
        if scenario == "lost-answer":
            self.close_connection = True
            return None
        return self._envelope(200, "success", {"taskId": task.task_id})

    def _record_info(self) -> None:
        if self._refused(self.server.sandbox.scenario, CALL_ERRORS):
            return None
        tasks = self.server.sandbox.tasks
        task = tasks.find(self.query.get("taskId", ""))
        if task is None or not tasks.is_visible(task):
            return self._envelope(422, "recordInfo is null")  # wording of the Market sibling's page
        return self._envelope(200, "success", tasks.record(task, self.server.sandbox.url))

    def _credit(self) -> None:
        box = self.server.sandbox
        if not self._refused(box.scenario, CALL_ERRORS):
            self._envelope(200, "success", 0 if box.scenario == "no-credits" else box.credits)

    def _download_url(self) -> None:
        box = self.server.sandbox
        if self._refused(box.scenario, CALL_ERRORS):
            return None
        url = self._params().get("url")
        signed = box.files.sign(str(url).removeprefix(box.url))
        if signed is None:
            return self._envelope(422, "Invalid URL")
        return self._envelope(200, "success", f"{box.url}{signed}?sig={signed[-12:-4]}")

    def _upload_stream(self) -> None:
        if self._refused(self.server.sandbox.scenario, CALL_ERRORS):
            return None
        try:
            store = self.server.sandbox.files
            fields, files = read_form(self.content, self.headers.get("Content-Type", ""), store.new_path)
        except BadMultipart as error:
            return self._envelope(400, str(error))
        if "file" not in files:
            return self._envelope(400, "Missing required parameter: file")
        return self._store_upload(fields, files["file"])

    def _upload_base64(self) -> None:
        if self._refused(self.server.sandbox.scenario, CALL_ERRORS):
            return None
        params = self._params()
        text = params.get("base64Data")
        if not isinstance(text, str) or not text:
            return self._envelope(400, "Missing required parameter: base64Data")
        try:
            content = b64decode(text.rpartition(",")[2], validate=True)
        except ValueError:
            return self._envelope(400, "Base64 decoding failed")
        path = self.server.sandbox.files.new_path()
        path.write_bytes(content)
        return self._store_upload(params, path)

    def _upload_url(self) -> None:
        if self._refused(self.server.sandbox.scenario, CALL_ERRORS):
            return None
        params, box = self._params(), self.server.sandbox
        found = box.files.find(str(params.get("fileUrl", "")).removeprefix(box.url))
        if found is None:  # a sandbox fetches nothing from outside
            return self._envelope(400, "File download failed")
        return self._store_upload(params, found.path)

    def _store_upload(self, fields: dict[str, Any], path: Path) -> None:
        box = self.server.sandbox
        folder = fields.get("uploadPath")
        if not isinstance(folder, str) or not folder:
            return self._envelope(400, "Missing required parameter: uploadPath")
        name = str(fields.get("fileName") or f"{path.name}.mp4")
        served = quote(f"/files/uploads/{folder.strip('/')}/{name}")
        stored = box.files.add(served, path, name)
        uploaded = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        data = {
            "fileName": name,
            "filePath": f"{folder.strip('/')}/{name}",
            "downloadUrl": box.url + served,
            "fileSize": stored.size,
            "mimeType": stored.content_type,
            "uploadedAt": uploaded,
        }
        return self._envelope(200, "File uploaded successfully", data)

    def _trigger(self) -> None:
        box, task_id = self.server.sandbox, self.query.get("taskId", "")
        task = box.tasks.find(task_id)
        if task is None or not task.params.get("callBackUrl"):
            return self._envelope(404, "no such task, or it asked for no callback")
        done = box.trigger(task_id)
        return self._envelope(200 if done else 500, "sent" if done else "the callback was not answered with 200")

    def _log(self) -> None:
        box = self.server.sandbox
        right = f"Bearer {box.api_key}"
        lines = [
            json.dumps(
                {
                    "method": each.method,
                    "path": each.path,
                    "query": each.query,
                    "keyIsRight": each.headers.get("authorization") == right,
                    "at": each.at,
                }
            )
            for each in box.requests
        ]
        lines += [
            json.dumps(
                {"method": "CALLBACK", "path": each.path, "query": {"taskId": each.task_id}, "at": each.at}
                | {"status": each.status}
            )
            for each in box.callbacks.deliveries
        ]
        self._send(200, "\n".join(lines).encode(), "application/x-ndjson")

    def _refused(self, scenario: str, errors: dict[str, tuple[int, int, str]]) -> bool:
        """Answer with the scenario's error, or with 401 where the key is wrong."""
        if self.headers.get("Authorization") != f"Bearer {self.server.sandbox.api_key}":
            self._envelope(401, "You do not have access permissions", status=401)
            return True
        if scenario not in errors:
            return False
        status, code, message = errors[scenario]
        self._envelope(code, message, status=status)
        return True

    def _params(self) -> dict[str, Any]:
        try:
            params = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return params if isinstance(params, dict) else {}

    def _serve_file(self) -> None:
        box = self.server.sandbox
        stored, task = box.files.find(self.route), box.tasks.of_result(self.route)
        if task is not None and task.scenario == "expired-link":
            return self._send(403, b"expired", "text/plain")
        if stored is None:
            return self._send(404, b"not found", "text/plain")
        if_range = self.headers.get("If-Range")
        wanted = self.headers.get("Range") if if_range in (None, stored.etag) else None
        try:
            part = parse_range(wanted, stored.size)
        except ValueError:
            return self._send(416, b"", "text/plain", {"Content-Range": f"bytes */{stored.size}"})
        cut = task is not None and task.scenario == "cut-transfer" and box.tasks.count_get(task) <= 2
        return self._send_file(stored, part, cut=cut)

    def _send_file(self, stored: StoredFile, part: tuple[int, int] | None, *, cut: bool) -> None:
        first, last = part or (0, stored.size - 1)
        count = last - first + 1
        self.send_response(200 if part is None else 206)
        if part is not None:
            self.send_header("Content-Range", f"bytes {first}-{last}/{stored.size}")
        for name, value in (
            ("Content-Type", stored.content_type),
            ("Content-Length", str(count)),
            ("ETag", stored.etag),
            ("Accept-Ranges", "bytes"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        with stored.path.open("rb") as file:
            file.seek(first)
            copy(file, self.wfile, count // 2 if cut else count)  # type: ignore[arg-type]
        self.close_connection = self.close_connection or cut

    def _envelope(self, code: int, message: str, data: Any = None, *, status: int = 200) -> None:
        answer: dict[str, Any] = {"code": code, "msg": message, "data": data}
        if self.route in UPLOADS:  # this host says so in one more field, errors carry no data and a status of their own
            if code != 200:
                status = code if code in (400, 401, 405) else 500
            answer = {"success": code == 200, "code": code, "msg": message} | ({"data": data} if code == 200 else {})
        self._send(status, json.dumps(answer).encode(), "application/json")

    def _framework_error(self, status: int, reason: str) -> None:
        """The framework's own answer, without an envelope (observed for unknown paths)."""
        body = {"status": status, "error": reason, "path": self.route}
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


_ROUTES: dict[tuple[str, str], Callable[[_Handler], None]] = {
    ("POST", "/api/v1/modify/generate"): _Handler._generate,
    ("GET", "/api/v1/modify/record-info"): _Handler._record_info,
    ("GET", "/api/v1/chat/credit"): _Handler._credit,
    ("POST", "/api/v1/common/download-url"): _Handler._download_url,
    ("POST", STREAM_UPLOAD): _Handler._upload_stream,
    ("POST", "/api/file-base64-upload"): _Handler._upload_base64,
    ("POST", "/api/file-url-upload"): _Handler._upload_url,
    ("POST", "/sandbox/trigger"): _Handler._trigger,
    ("GET", "/sandbox/log"): _Handler._log,
}


def _fault_of(params: dict[str, Any]) -> str | None:
    """What the service would refuse with 422."""
    prompt = params.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        return "prompt is required"
    if not _is_address(params.get("videoUrl")):
        return "videoUrl must be an absolute address"
    if params.get("callBackUrl") and not _is_address(params["callBackUrl"]):
        return "callBackUrl must be an absolute address"
    if not isinstance(params.get("watermark", ""), str):
        return "watermark must be text"
    return None


def _is_address(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


def _length_of(headers: Message) -> int:
    """The length of a request's body. Raises ValueError where it is not said plainly."""
    lengths = set(headers.get_all("Content-Length", ["0"]))
    length = lengths.pop()
    if lengths or "Transfer-Encoding" in headers or not re.fullmatch("[0-9]{1,18}", length):
        raise ValueError("no plain length")
    return int(length)
