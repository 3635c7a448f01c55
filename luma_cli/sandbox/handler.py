"""The sandbox's HTTP: the service's endpoints, the file host, and a few controls of its own."""

import json
import re
import sys
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from luma_cli.sandbox.files import UPLOADS, StoredFile, copy, parse_range
from luma_cli.sandbox.models import FAMILIES, SUBMIT_PATHS, Family, Model, find_model
from luma_cli.sandbox.multipart import BadMultipart, Body, read_form
from luma_cli.sandbox.records import PREVIEW
from luma_cli.sandbox.scenarios import (
    CALL_ERRORS,
    NOT_PUBLISHED,
    RECORD_ERRORS,
    SCENARIOS,
    SUBMIT_ERRORS,
    ErrorReply,
    named_in,
)
from luma_cli.sandbox.validation import find_error

if TYPE_CHECKING:
    from luma_cli.sandbox.server import Sandbox

MAX_JSON = 32 << 20
# The log of requests forgets the oldest before it grows without bound.
MAX_BODY = 1 << 16
MAX_REQUESTS = 10_000
STREAM_UPLOAD = "/api/file-stream-upload"
UPLOAD_PATHS = {STREAM_UPLOAD, "/api/file-base64-upload", "/api/file-url-upload"}
# One grey pixel: the still that Aleph gives beside its video.
PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==")


@dataclass(frozen=True)
class Request:
    """One request as it came in; header names are lower case, the bodies of uploads are left out."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at: float


class RequestLog(list[Request]):
    """The latest requests, in the order in which they came."""

    def append(self, request: Request) -> None:
        super().append(request)
        if len(self) > MAX_REQUESTS:
            # A quarter at once: to take the first of a list away moves all the others.
            del self[: MAX_REQUESTS // 4]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512
    sandbox: "Sandbox"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client or files that are gone are nothing to print about; anything else is a fault of ours."""
        is_stopped = self.socket.fileno() == -1
        if not is_stopped and not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120  # for a client that goes silent in the middle of a request
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the parent's name
        """The requests stand in `Sandbox.requests`."""

    def do_GET(self) -> None:
        self._route()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815  the parent's names

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
        if self.content.left > MAX_JSON and not is_form:
            self.close_connection = True  # nobody waits for the rest
            return self._framework_error(413, "Payload Too Large")
        self.body = b"" if is_form else self.content.read(MAX_JSON)
        headers = {name.lower(): value for name, value in self.headers.items()}
        box = self.server.sandbox
        box.requests.append(Request(self.command, self.route, self.query, headers, self.body[:MAX_BODY], box.clock()))
        self._reply()
        self.content.drain()  # a client that is still sending would see a reset instead of the reply
        return None

    def _reply(self) -> None:
        if self.route.startswith("/files/") and self.command in ("GET", "HEAD"):
            return self._serve_file()
        handle = _ROUTES.get((self.command, self.route))
        if handle is not None:
            # A submission may name a scenario of its own; the sandbox's own addresses want no key.
            is_call = self.route not in SUBMIT_PATHS and not self.route.startswith("/sandbox/")
            refused = is_call and self._is_refused(self.server.sandbox.scenario, CALL_ERRORS)
            return None if refused else handle(self)
        if self.route in UPLOAD_PATHS:
            return self._envelope(405, "Method not allowed")
        return self._framework_error(404, "Not Found")

    def _submit(self, family: Family) -> None:
        box, params = self.server.sandbox, self._params()
        scenario = named_in(family.edit(params).get("prompt")) or box.scenario
        if scenario not in SCENARIOS:
            return self._envelope(422, f"no such scenario: {scenario[:40]}")
        if scenario == "gone":
            return self._framework_error(404, "Not Found")
        box.account.looks_empty = scenario == "empty-429"
        if self._is_refused(scenario, SUBMIT_ERRORS):
            return None
        if scenario == "garbage":
            return self._send(200, b"<html><body>Bad gateway</body></html>", "text/html")
        if scenario == "realistic" and not box.can_render:
            return self._envelope(422, "sandbox:realistic needs ffmpeg")
        model = find_model(family, params)
        if model is None:
            return self._error(NOT_PUBLISHED)
        error = find_error(model, params)
        if error is not None:
            return self._envelope(422, error)
        return self._create(model, params, scenario)

    def _create(self, model: Model, params: dict[str, Any], scenario: str) -> None:
        box = self.server.sandbox
        created = box.submit(_echo(params) if model.family.name == "luma" else params, scenario, model)
        if isinstance(created, ErrorReply):
            return self._error(created)
        if scenario == "lost-answer":
            self.close_connection = True
            return None
        return self._envelope(200, "success", {"taskId": created.task_id})

    def _record(self, family: Family) -> None:
        box = self.server.sandbox
        task = box.tasks.find(self.query.get("taskId", ""))
        if task is None and box.scenario == "gone":
            return self._framework_error(404, "Not Found")
        if task is None or task.model.family is not family or not box.tasks.is_visible(task):
            return self._envelope(422, family.unknown_task)
        box.complete(task)
        if task.scenario in RECORD_ERRORS and box.tasks.has_ended(task):
            return self._error(RECORD_ERRORS[task.scenario])
        return self._envelope(200, "success", box.tasks.record(task, box.url))

    def _credit(self) -> None:
        box = self.server.sandbox
        is_empty = box.scenario in ("no-credits", "empty-429")
        self._envelope(200, "success", 0.0 if is_empty else float(box.account.shown))

    def _download_url(self) -> None:
        box = self.server.sandbox
        signed = box.sign(str(self._params().get("url")))
        if signed is None:
            return self._envelope(422, "Invalid URL")
        return self._envelope(200, "success", f"{box.url}{signed}?sig={signed[-12:-4]}")

    def _upload_stream(self) -> None:
        try:
            store = self.server.sandbox.files
            fields, files = read_form(self.content, self.headers.get("Content-Type", ""), store.new_path)
        except BadMultipart as error:
            return self._envelope(400, str(error))
        if "file" not in files:
            return self._envelope(400, "Missing required parameter: file")
        return self._store_upload(fields, files["file"])

    def _upload_base64(self) -> None:
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
        params, box = self._params(), self.server.sandbox
        found = box.files.find(box.path_of(str(params.get("fileUrl", ""))))
        if found is None:  # a sandbox fetches nothing from outside
            return self._envelope(400, "File download failed")
        return self._store_upload(params, found.path)

    def _store_upload(self, fields: dict[str, Any], path: Path) -> None:
        box = self.server.sandbox
        folder = fields.get("uploadPath")
        if not isinstance(folder, str) or not folder:
            return self._envelope(400, "Missing required parameter: uploadPath")
        name = str(fields.get("fileName") or f"{path.name}.mp4")
        served = quote(f"{UPLOADS}{folder.strip('/')}/{name}")
        stored = box.files.add(served, path, name)
        data = {"fileName": name, "filePath": f"{folder.strip('/')}/{name}", "downloadUrl": box.url + served}
        data |= {"uploadedAt": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()), "mimeType": stored.content_type}
        return self._envelope(200, "File uploaded successfully", {**data, "fileSize": stored.size})

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
        lines: list[dict[str, Any]] = []
        for request in list(box.requests):
            about = {"method": request.method, "path": request.path, "query": request.query, "at": request.at}
            lines.append({**about, "keyIsRight": request.headers.get("authorization") == right})
        for call in list(box.callbacks.deliveries):
            about = {"method": "CALLBACK", "path": call.path, "query": {"taskId": call.task_id}, "at": call.at}
            lines.append({**about, "status": call.status})
        self._send(200, "\n".join(map(json.dumps, lines)).encode(), "application/x-ndjson")

    def _is_refused(self, scenario: str, errors: dict[str, ErrorReply]) -> bool:
        """Reply with the scenario's error, or with 401 if the key is wrong."""
        if self.headers.get("Authorization") != f"Bearer {self.server.sandbox.api_key}":
            self._envelope(401, "You do not have access permissions", status=401)
            return True
        if scenario not in errors:
            return False
        self._error(errors[scenario])
        return True

    def _params(self) -> dict[str, Any]:
        try:
            params = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return params if isinstance(params, dict) else {}

    def _serve_file(self) -> None:
        box = self.server.sandbox
        if self.route == PREVIEW:
            return self._send(200, PIXEL, "image/png")
        task = box.tasks.of_result(box.files.target(self.route))
        if task is not None:
            box.complete(task)
            if box.is_link_dead(task, self.route):
                return self._send(403, b"expired", "text/plain")
        stored = box.files.find(self.route)
        if stored is None:
            return self._send(404, b"not found", "text/plain")
        if_range = self.headers.get("If-Range")
        wanted = self.headers.get("Range") if if_range in (None, stored.etag) else None
        try:
            part = parse_range(wanted, stored.size)
        except ValueError:
            return self._send(416, b"", "text/plain", {"Content-Range": f"bytes */{stored.size}"})
        is_cut = task is not None and self.route == task.result and task.scenario == "cut-transfer"
        return self._send_file(stored, part, cut=task is not None and is_cut and box.tasks.count_get(task) <= 2)

    def _send_file(self, stored: StoredFile, part: tuple[int, int] | None, *, cut: bool) -> None:
        first, last = part or (0, stored.size - 1)
        count = last - first + 1
        headers = {"Content-Type": stored.content_type, "ETag": stored.etag, "Accept-Ranges": "bytes"}
        if part is not None:
            headers["Content-Range"] = f"bytes {first}-{last}/{stored.size}"
        self._send_head(200 if part is None else 206, {**headers, "Content-Length": str(count)})
        if self.command == "HEAD":
            return
        with stored.path.open("rb") as file:
            file.seek(first)
            copy(file, self.wfile, count // 2 if cut else count)  # type: ignore[arg-type]
        self.close_connection = self.close_connection or cut

    def _error(self, error: ErrorReply) -> None:
        self._envelope(error.code, error.message, status=error.status)

    def _envelope(self, code: int, message: str, data: Any = None, *, status: int = 200) -> None:
        reply: dict[str, Any] = {"code": code, "msg": message, "data": data}
        if self.route in UPLOAD_PATHS:  # the upload host's envelope has no data and a status of its own
            if code != 200:
                status = code if code in (400, 401, 405) else 500
            reply = {"success": code == 200, "code": code, "msg": message} | ({"data": data} if code == 200 else {})
        self._send(status, json.dumps(reply).encode(), "application/json")

    def _framework_error(self, status: int, reason: str) -> None:
        """The framework's own reply, without an envelope (observed for unknown paths)."""
        body = {"status": status, "error": reason, "path": self.route}
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self._send_head(status, {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()


_ROUTES: dict[tuple[str, str], Callable[[Handler], None]] = {
    **{("POST", family.submit_path): partial(Handler._submit, family=family) for family in FAMILIES.values()},
    **{("GET", family.record_path): partial(Handler._record, family=family) for family in FAMILIES.values()},
    ("GET", "/api/v1/chat/credit"): Handler._credit,
    ("POST", "/api/v1/common/download-url"): Handler._download_url,
    ("POST", STREAM_UPLOAD): Handler._upload_stream,
    ("POST", "/api/file-base64-upload"): Handler._upload_base64,
    ("POST", "/api/file-url-upload"): Handler._upload_url,
    ("POST", "/sandbox/trigger"): Handler._trigger,
    ("GET", "/sandbox/log"): Handler._log,
}


def _echo(params: dict[str, Any]) -> dict[str, Any]:
    """A request as the Luma family keeps it: either spelling of the watermark is `waterMark` there."""
    texts = {name: str(value) for name, value in params.items() if name not in ("watermark", "waterMark")}
    mark = params.get("watermark") or params.get("waterMark")
    return {**texts, "waterMark": mark} if mark else texts


def _length_of(headers: Message) -> int:
    """The length of a request's body. Raises ValueError if it is not given plainly."""
    lengths = set(headers.get_all("Content-Length", ["0"]))
    length = lengths.pop()
    if lengths or "Transfer-Encoding" in headers or not re.fullmatch("[0-9]{1,18}", length):
        raise ValueError("no plain length")
    return int(length)
