"""Talk to the sandbox as any client of the service would, without luma."""

import http.client
import json
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, KEY

CREDIT = "/api/v1/chat/credit"
PROMPT = "Snow falls"
# Submission and record addresses, and a good submission, of each model.
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "luma": ("/api/v1/modify/generate", "/api/v1/modify/record-info", {"prompt": PROMPT, "videoUrl": CLIP_URL}),
    "aleph": ("/api/v1/aleph/generate", "/api/v1/aleph/record-info", {"prompt": PROMPT, "videoUrl": CLIP_URL}),
    **{
        model: (
            "/api/v1/jobs/createTask",
            "/api/v1/jobs/recordInfo",
            {"model": model, "input": {"prompt": PROMPT, "video_url": CLIP_URL}},
        )
        for model in ("wan/2-7-videoedit", "happyhorse/video-edit")
    },
}


class Reply(NamedTuple):
    status: int
    body: bytes

    @property
    def code(self) -> Any:
        return json.loads(self.body)["code"]

    @property
    def data(self) -> Any:
        return json.loads(self.body)["data"]


class Clock:
    """A time that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def ask(box: Sandbox, path: str, body: object = None) -> Reply:
    """A GET, or a POST if there is a body, with the key, which is left out for files."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(box.url).port or 0, timeout=60)
    headers = {} if path.startswith((box.url, "/files/")) else {"Authorization": f"Bearer {KEY}"}
    try:
        content = None if body is None else json.dumps(body)
        connection.request("GET" if body is None else "POST", path.removeprefix(box.url), content, headers)
        reply = connection.getresponse()
        return Reply(reply.status, reply.read())
    finally:
        connection.close()


def submit(box: Sandbox, model: str = "luma", prompt: str = PROMPT, **fields: Any) -> Reply:
    """Submit an edit; `fields` are the family's own, `callBackUrl` stands beside them."""
    path, _, body = MODELS[model]
    outer = {name: fields.pop(name) for name in ("callBackUrl",) if name in fields}
    edit = {**body.get("input", body), "prompt": prompt, **fields}
    return ask(box, path, {**body, "input": edit, **outer} if "input" in body else {**edit, **outer})


def create(box: Sandbox, model: str = "luma", prompt: str = PROMPT, **fields: Any) -> str:
    """The id of a new task."""
    return str(submit(box, model, prompt, **fields).data["taskId"])


def record(box: Sandbox, task_id: str, model: str = "luma") -> Reply:
    return ask(box, f"{MODELS[model][1]}?taskId={task_id}")


def balance(box: Sandbox) -> float:
    return float(ask(box, CREDIT).data)


def upload(box: Sandbox, content: bytes, name: str = "clip.mp4") -> str:
    """The address of an uploaded file."""
    path = box.files.new_path()
    path.write_bytes(content)
    box.files.add(f"/files/uploads/tests/{name}", path, name)
    return f"{box.url}/files/uploads/tests/{name}"
