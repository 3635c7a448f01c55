"""Talk to the sandbox as any client of the service would, without luma."""

import http.client
import json
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from luma_cli.sandbox import MODELS as SERVED
from luma_cli.sandbox import Sandbox
from luma_cli.sandbox.models import Model
from support.commands import CLIP_URL, KEY

CREDIT = "/api/v1/chat/credit"
PROMPT = "Snow falls"


def _submission(model: Model) -> dict[str, Any]:
    """A submission of nothing but a prompt and a clip."""
    edit = {"prompt": PROMPT, model.clip: CLIP_URL}
    return {"model": model.code, "input": edit} if model.family.name == "jobs" else edit


# Submission and record addresses, and a good submission, of each model by the service's own name.
MODELS = {
    model.code: (model.family.submit_path, model.family.record_path, _submission(model)) for model in SERVED.values()
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
