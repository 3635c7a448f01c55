"""The sandbox as a mock: its replies against the description of the service, its own promises, its manners."""

import base64
import hashlib
import hmac
import http.client
import json
import queue
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from luma_cli.sandbox import SCENARIOS, Sandbox
from luma_cli.sandbox.handler import MAX_JSON
from luma_cli.sandbox.multipart import MAX_FIELD
from support import service
from support.commands import CLIP, CLIP_URL, KEY, ROOT, Result
from support.service import MODELS

DESCRIPTION = ROOT.parent / "shared" / "kie-openapi.yaml"
GENERATE = "/api/v1/modify/generate"
RECORD_INFO = "/api/v1/modify/record-info"
CREDIT = "/api/v1/chat/credit"
DOWNLOAD_URL = "/api/v1/common/download-url"
STREAM, BASE64, BY_URL = "/api/file-stream-upload", "/api/file-base64-upload", "/api/file-url-upload"
PATIENCE = 20.0

EDIT = {"prompt": "Snow falls", "videoUrl": CLIP_URL}
CONTENT = b"not a video at all"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> Any:
        return self.json().get("code")


class Ask(NamedTuple):
    """One request, as a test would type it."""

    method: str
    path: str
    body: Any = None
    query: str = ""
    kind: str | None = None

    def __call__(self, box: Sandbox, *, key: str | None = KEY, headers: dict[str, str] | None = None) -> Answer:
        content = self.body if isinstance(self.body, bytes) or self.body is None else json.dumps(self.body).encode()
        kind = self.kind or ("application/json" if self.body is not None else None)
        named = {"Content-Type": kind, "Authorization": f"Bearer {key}" if key else None, **(headers or {})}
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(box.url).port or 0, timeout=PATIENCE)
        try:
            target = self.path.removeprefix(box.url) + (f"?{self.query}" if self.query else "")
            connection.request(
                self.method, target, content, {name: value for name, value in named.items() if value is not None}
            )
            reply = connection.getresponse()
            return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
        finally:
            connection.close()


def form(fields: dict[str, str], files: dict[str, bytes] | None = None) -> tuple[bytes, str]:
    """A multipart body and its Content-Type."""
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ] + [
        f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in (files or {}).items()
    ]
    return b"".join([*parts, b"--edge--\r\n"]), "multipart/form-data; boundary=edge"


def upload(fields: dict[str, str], files: dict[str, bytes] | None = None) -> Ask:
    body, kind = form(fields, files)
    return Ask("POST", STREAM, body, kind=kind)


def get(path: str, **headers: str) -> Callable[[Sandbox], Answer]:
    return lambda box: Ask("GET", path)(box, key=None, headers=headers)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def box_clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(box_clock: Clock) -> Iterator[Sandbox]:
    """A sandbox whose time the test moves."""
    with Sandbox(duration=3.0, api_key=KEY, clock=box_clock) as box:
        yield box


def create(box: Sandbox, **fields: str) -> str:
    return str(Ask("POST", GENERATE, {**EDIT, **fields})(box).json()["data"]["taskId"])


def record(box: Sandbox, task_id: str) -> dict[str, Any]:
    return dict(Ask("GET", RECORD_INFO, query=f"taskId={task_id}")(box).json()["data"])


# The service's description


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    if not DESCRIPTION.exists():
        pytest.skip("the description of the service is not part of the project")
    found: dict[str, Any] = yaml.safe_load(DESCRIPTION.read_text())
    return found


def schema_of(node: Any, description: dict[str, Any]) -> Any:
    """An OpenAPI 3.0 schema as JSON Schema: references put in, `nullable` as a second type."""
    if isinstance(node, list):
        return [schema_of(one, description) for one in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return schema_of(look_up(node["$ref"], description), description)
    plain = {name: schema_of(value, description) for name, value in node.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


def look_up(reference: str, description: dict[str, Any]) -> Any:
    found: Any = description
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


FORMATS = FormatChecker(formats=())


@FORMATS.checks("uri", raises=ValueError)
def is_uri(text: object) -> bool:
    return not isinstance(text, str) or bool(urlsplit(text).scheme and urlsplit(text).netloc)


@FORMATS.checks("date-time", raises=ValueError)
def is_time(text: object) -> bool:
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


def fits(value: Any, schema: Any) -> list[str]:
    """What is wrong with a value; [] where it fits its schema."""
    return [error.message for error in Draft202012Validator(schema, format_checker=FORMATS).iter_errors(value)]


def declared(ask: Ask, answer: Answer, description: dict[str, Any]) -> Any:
    """The schema that the description has for this answer's status."""
    operation = description["paths"][ask.path][ask.method.lower()]
    response = operation["responses"].get(str(answer.status))
    assert response is not None, f"no status {answer.status} is declared for {ask.path}"
    if "$ref" in response:
        response = look_up(response["$ref"], description)
    return schema_of(response["content"]["application/json"]["schema"], description)


def check(ask: Ask, answer: Answer, description: dict[str, Any]) -> None:
    assert answer.headers["content-type"] == "application/json"
    assert fits(answer.json(), declared(ask, answer, description)) == []


@pytest.fixture(scope="module")
def open_box() -> Iterator[Sandbox]:
    """One sandbox for all the questions about its replies."""
    with Sandbox(duration=0.0, api_key=KEY, rate_limit=10_000) as box:
        yield box


@pytest.fixture
def box(open_box: Sandbox) -> Iterator[Sandbox]:
    yield open_box
    open_box.scenario = "ok"


# A request of each kind that the service would take; {task}, {result} and {upload} are filled in.
GOOD = {
    "generate": Ask("POST", GENERATE, EDIT),
    "generate with all fields": Ask(
        "POST", GENERATE, {**EDIT, "watermark": "mine", "callBackUrl": "https://hooks.example.net/kie"}
    ),
    "record-info": Ask("GET", RECORD_INFO, query="taskId={task}"),
    "credit": Ask("GET", CREDIT),
    "download-url": Ask("POST", DOWNLOAD_URL, {"url": "{result}"}),
    "stream upload": upload({"uploadPath": "luma-cli", "fileName": "clip.mp4"}, {"file": CONTENT}),
    "base64 upload": Ask(
        "POST", BASE64, {"base64Data": base64.b64encode(CONTENT).decode(), "uploadPath": "a/b", "fileName": "c.mov"}
    ),
    "url upload": Ask("POST", BY_URL, {"fileUrl": "{upload}", "uploadPath": "luma-cli"}),
}


def prepared(ask: Ask, box: Sandbox) -> Ask:
    """The request with real addresses and ids in it."""
    before, box.scenario = box.scenario, "ok"
    task = create(box, prompt=f"sandbox:{before}" if before in ("flag2", "flag3", "flag4", "not-visible") else "Snow")
    body = ask.body
    if isinstance(body, dict):
        clip = GOOD["stream upload"](box).json()["data"]["downloadUrl"]
        result = record(box, create(box))["response"]["resultUrls"][0]
        real = {"{result}": result, "{upload}": clip}
        body = {name: real.get(value, value) if isinstance(value, str) else value for name, value in body.items()}
    box.scenario = before
    return ask._replace(query=ask.query.replace("{task}", task), body=body)


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_reply_fits_the_description(kind: str, scenario: str, box: Sandbox, description: dict[str, Any]) -> None:
    if kind.startswith("generate") and scenario in ("garbage", "lost-answer"):
        pytest.skip("no envelope, on purpose")
    box.scenario = scenario
    ask = prepared(GOOD[kind], box)

    answer = ask(box)

    check(ask, answer, description)


BAD = {
    "no body": Ask("POST", GENERATE),
    "no JSON": Ask("POST", GENERATE, b"{"),
    "a list": Ask("POST", GENERATE, []),
    "a deep list": Ask("POST", GENERATE, b"[" * 100_000),
    "no UTF-8": Ask("POST", GENERATE, b'{"prompt": "\xff"}'),
    "no prompt": Ask("POST", GENERATE, {"videoUrl": CLIP_URL}),
    "empty prompt": Ask("POST", GENERATE, {**EDIT, "prompt": ""}),
    "prompt of a number": Ask("POST", GENERATE, {**EDIT, "prompt": 7}),
    "no video": Ask("POST", GENERATE, {"prompt": "Snow"}),
    "video without a host": Ask("POST", GENERATE, {**EDIT, "videoUrl": "in.mp4"}),
    "video of a list": Ask("POST", GENERATE, {**EDIT, "videoUrl": [CLIP_URL]}),
    "callback without a host": Ask("POST", GENERATE, {**EDIT, "callBackUrl": "kie"}),
    "watermark of a number": Ask("POST", GENERATE, {**EDIT, "watermark": 7}),
    "no link": Ask("POST", DOWNLOAD_URL, {}),
    "link of a number": Ask("POST", DOWNLOAD_URL, {"url": 7}),
    "no base64 data": Ask("POST", BASE64, {"uploadPath": "a"}),
    "no base64 folder": Ask("POST", BASE64, {"base64Data": "aGk="}),
    "base64 data of a number": Ask("POST", BASE64, {"base64Data": 7, "uploadPath": "a"}),
    "no address": Ask("POST", BY_URL, {"uploadPath": "a"}),
    "relative address": Ask("POST", BY_URL, {"fileUrl": "in.mp4", "uploadPath": "a"}),
    "no url folder": Ask("POST", BY_URL, {"fileUrl": "{upload}"}),
}
WORSE = {
    "foreign link": Ask("POST", DOWNLOAD_URL, {"url": CLIP_URL}),
    "wrong base64": Ask("POST", BASE64, {"base64Data": "!", "uploadPath": "a"}),
    "foreign address": Ask("POST", BY_URL, {"fileUrl": CLIP_URL, "uploadPath": "a"}),
    "no file": upload({"uploadPath": "a"}),
    "no stream folder": upload({}, {"file": CONTENT}),
    "no form": Ask("POST", STREAM, {"uploadPath": "a"}),
    "no task": Ask("GET", RECORD_INFO),
    "unknown task": Ask("GET", RECORD_INFO, query="taskId=nosuch"),
}


@pytest.mark.parametrize("fault", [*BAD, *WORSE])
def test_what_is_missing_or_wrong_is_refused_as_described(
    fault: str, box: Sandbox, description: dict[str, Any]
) -> None:
    ask = prepared({**BAD, **WORSE}[fault], box)

    answer = ask(box)

    check(ask, answer, description)
    assert (answer.status, answer.code) == ((400, 400) if "upload" in ask.path else (200, 422))


def wanted(ask: Ask, description: dict[str, Any]) -> Any:
    content = description["paths"][ask.path][ask.method.lower()]["requestBody"]["content"]
    return schema_of(content["application/json"]["schema"], description)


@pytest.mark.parametrize("kind", [name for name, ask in GOOD.items() if isinstance(ask.body, dict)])
def test_what_the_sandbox_takes_is_a_request_as_described(kind: str, box: Sandbox, description: dict[str, Any]) -> None:
    ask = prepared(GOOD[kind], box)

    assert (fits(ask.body, wanted(ask, description)), ask(box).code) == ([], 200)


@pytest.mark.parametrize("fault", [name for name, ask in BAD.items() if isinstance(ask.body, (dict, list))])
def test_what_the_sandbox_refuses_is_not_a_request_as_described(
    fault: str, box: Sandbox, description: dict[str, Any]
) -> None:
    ask = prepared(BAD[fault], box)

    assert fits(ask.body, wanted(ask, description)) != []


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic " + KEY, KEY, ""], ids=lambda value: value or "none")
def test_no_call_goes_without_the_right_key(
    kind: str, header: str | None, box: Sandbox, description: dict[str, Any]
) -> None:
    ask = prepared(GOOD[kind], box)

    answer = ask(box, key=None, headers={} if header is None else {"Authorization": header})

    check(ask, answer, description)
    assert (answer.status, answer.code) == (401, 401)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", [STREAM, BASE64, BY_URL])
def test_the_upload_host_answers_a_wrong_method_with_405(
    path: str, method: str, box: Sandbox, description: dict[str, Any]
) -> None:
    answer = Ask(method, path)(box)

    check(Ask("POST", path), answer, description)
    assert (answer.status, answer.code) == (405, 405)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/api/v1/luma/generate"), ("POST", RECORD_INFO), ("GET", GENERATE), ("PUT", GENERATE)],
)
def test_an_unknown_path_is_answered_by_the_framework(
    method: str, path: str, box: Sandbox, description: dict[str, Any]
) -> None:
    answer = Ask(method, path)(box)

    assert answer.json() == {"status": 404, "error": "Not Found", "path": path}
    assert (
        fits(answer.json(), schema_of(look_up("#/components/schemas/FrameworkError", description), description)) == []
    )


def test_options_and_head_are_answered_without_harm(box: Sandbox) -> None:
    assert Ask("OPTIONS", GENERATE)(box).status == 404
    assert Ask("HEAD", CREDIT)(box)[::2] == (404, b"")


def shape(value: Any) -> Any:
    """Names and types, without the values; a number is a number, with or without a fraction."""
    if isinstance(value, float):
        return "int"
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    return [shape(one) for one in value[:1]] if isinstance(value, list) else type(value).__name__


def example(path: str, method: str, name: str, description: dict[str, Any]) -> Any:
    response = description["paths"][path][method]["responses"]["200"]
    if "$ref" in response:
        response = look_up(response["$ref"], description)
    content = response["content"]["application/json"]
    return content["examples"][name]["value"] if name else content["example"]


@pytest.mark.parametrize(
    ("kind", "scenario", "path", "method", "name"),
    [
        ("generate", "ok", GENERATE, "post", "accepted"),
        ("record-info", "ok", RECORD_INFO, "get", "success"),
        ("record-info", "flag3", RECORD_INFO, "get", "failed"),
        ("record-info", "flag2", RECORD_INFO, "get", "failed"),
        ("record-info", "flag4", RECORD_INFO, "get", "callbackFailed"),
        ("record-info", "not-visible", RECORD_INFO, "get", "unknownTask"),
        ("credit", "ok", CREDIT, "get", ""),
        ("download-url", "ok", DOWNLOAD_URL, "post", "link"),
        ("stream upload", "ok", STREAM, "post", ""),
        ("base64 upload", "ok", BASE64, "post", ""),
        ("url upload", "ok", BY_URL, "post", ""),
    ],
)
def test_a_reply_has_the_members_of_the_example(
    kind: str, scenario: str, path: str, method: str, name: str, box: Sandbox, description: dict[str, Any]
) -> None:
    box.scenario = scenario

    answer = prepared(GOOD[kind], box)(box).json()

    assert shape(answer) == shape(example(path, method, name, description))


def test_a_task_that_is_still_generating_has_the_members_of_the_example(
    timed: Sandbox, description: dict[str, Any]
) -> None:
    answer = Ask("GET", RECORD_INFO, query=f"taskId={create(timed)}")(timed).json()

    assert shape(answer) == shape(example(RECORD_INFO, "get", "generating", description))


@pytest.mark.parametrize(
    "change",
    [
        {"code": "200"},
        {"msg": 7},
        {"data": []},
        {"data": {"successFlag": 5}},
        {"data": {"successFlag": None}},
        {"data": {"response": {"resultUrls": "x"}}},
        {"data": {"createTime": "2026"}},
    ],
)
def test_the_check_against_the_description_can_fail(change: dict[str, Any], description: dict[str, Any]) -> None:
    right = example(RECORD_INFO, "get", "success", description)
    schema = schema_of(look_up("#/components/schemas/ModifyRecordReply", description), description)

    assert fits(right, schema) == []
    assert fits({**right, **change}, schema) != []


def test_luma_itself_sends_what_is_described(
    luma: Callable[..., Result], sandbox: Sandbox, description: dict[str, Any]
) -> None:
    edit = ("-p", "sandbox:expired-link Snow", "--watermark", "mine", "--callback-url", "https://hooks.example.net/kie")

    assert luma("modify", CLIP_URL, *edit, "-o", "out.mp4").code == 0

    sent = {request.path: request for request in sandbox.requests if request.body}
    assert set(sent) == {GENERATE, DOWNLOAD_URL}
    for path, request in sent.items():
        assert request.headers["content-type"] == "application/json"
        assert fits(json.loads(request.body), wanted(Ask("POST", path), description)) == []


def test_the_flow_of_the_vendors_own_sample_ends_with_a_video(timed: Sandbox, box_clock: Clock) -> None:
    """Vendor guide "Luma Modify Quickstart", Python: nulls stripped, both the status and the code checked."""

    def call(method: str, path: str, body: Any = None) -> Any:
        reply = Ask(method, path, body)(timed)
        result = reply.json()
        assert 200 <= reply.status < 300, result
        assert result.get("code") == 200, result.get("msg")
        return result["data"]

    options = {"callBackUrl": None, "watermark": "your-watermark"}
    payload = {**EDIT, **{name: value for name, value in options.items() if value is not None}}
    task_id = call("POST", GENERATE, payload)["taskId"]
    flags = []
    while not flags or flags[-1] == 0:
        status = call("GET", f"{RECORD_INFO}?taskId={task_id}")
        flags.append(status["successFlag"])
        box_clock.now += 1.0

    assert flags == [0, 0, 0, 1]
    assert status["response"]["originUrls"] == [CLIP_URL]
    assert [get(url)(timed).status for url in status["response"]["resultUrls"]] == [200]


# Tasks and their time


@pytest.mark.parametrize(("scenario", "length"), [("ok", 3.0), ("slow", 30.0), ("flag3", 3.0)])
def test_a_task_takes_its_duration(timed: Sandbox, box_clock: Clock, scenario: str, length: float) -> None:
    task_id = create(timed, prompt=f"sandbox:{scenario} Snow")
    box_clock.now += length - 0.01
    assert record(timed, task_id)["successFlag"] == 0

    box_clock.now += 0.01
    ended = record(timed, task_id)
    assert ended["successFlag"] != 0
    assert ended["completeTime"] - ended["createTime"] == length * 1000


def test_a_task_can_be_ended_at_once(timed: Sandbox) -> None:
    task_id = create(timed)
    timed.finish(task_id)

    assert record(timed, task_id)["successFlag"] == 1


def test_the_record_echoes_the_request_with_the_services_own_names(timed: Sandbox) -> None:
    task_id = create(timed, watermark="mine", callBackUrl="http://127.0.0.1:1/")

    assert json.loads(record(timed, task_id)["paramJson"]) == {
        "prompt": "Snow falls",
        "videoUrl": CLIP_URL,
        "callBackUrl": "http://127.0.0.1:1/",
        "waterMark": "mine",
    }


def test_a_task_is_not_visible_to_the_first_two_questions(timed: Sandbox) -> None:
    ask = Ask("GET", RECORD_INFO, query=f"taskId={create(timed, prompt='sandbox:not-visible Snow')}")

    assert [ask(timed).code for _ in range(4)] == [422, 422, 200, 200]


def test_twenty_submissions_in_ten_seconds_are_taken_and_no_more(timed: Sandbox, box_clock: Clock) -> None:
    submit = Ask("POST", GENERATE, EDIT)

    assert [submit(timed).code for _ in range(22)] == [200] * 20 + [429] * 2
    box_clock.now += 9.99
    assert submit(timed)[0] == 429
    box_clock.now += 0.01
    assert [submit(timed).code for _ in range(21)] == [200] * 20 + [429]


def test_the_window_slides(timed: Sandbox, box_clock: Clock) -> None:
    submit = Ask("POST", GENERATE, EDIT)
    for _ in range(20):
        submit(timed)
        box_clock.now += 0.5

    assert [submit(timed).code for _ in range(2)] == [200, 429]


def test_what_is_refused_takes_no_place_and_no_credits(timed: Sandbox) -> None:
    before = Ask("GET", CREDIT)(timed).json()["data"]
    for body in ({}, {**EDIT, "prompt": "sandbox:no-credits"}, {**EDIT, "prompt": "sandbox:maintenance"}):
        assert [Ask("POST", GENERATE, body)(timed).code == 200 for _ in range(20)] == [False] * 20

    assert Ask("POST", GENERATE, EDIT)(timed).code == 200
    assert Ask("GET", CREDIT)(timed).json()["data"] == before - 100


def test_an_empty_account_is_reported_by_submissions_and_by_the_balance(timed: Sandbox) -> None:
    timed.credits = 99

    assert Ask("POST", GENERATE, EDIT)(timed).code == 402
    assert Ask("GET", CREDIT)(timed).json()["data"] == 99


def test_submissions_at_once_get_ids_of_their_own_within_the_limit(timed: Sandbox) -> None:
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: Ask("POST", GENERATE, EDIT)(timed), range(30)))

    ids = [answer.json()["data"]["taskId"] for answer in answers if answer.code == 200]
    assert (len(set(ids)), len(answers) - len(ids)) == (20, 10)


# Files


CHANNELS = {
    "stream": lambda _, name: upload({"uploadPath": "a/b", "fileName": name}, {"file": CONTENT}),
    "base64": lambda _, name: Ask(
        "POST", BASE64, {"base64Data": base64.b64encode(CONTENT).decode(), "uploadPath": "a/b", "fileName": name}
    ),
    "data url": lambda _, name: Ask(
        "POST",
        BASE64,
        {
            "base64Data": f"data:video/mp4;base64,{base64.b64encode(CONTENT).decode()}",
            "uploadPath": "/a/b/",
            "fileName": name,
        },
    ),
    "address": lambda box, name: Ask(
        "POST", BY_URL, {"fileUrl": stored(box, "first.mp4")["downloadUrl"], "uploadPath": "a/b", "fileName": name}
    ),
}


def stored(box: Sandbox, name: str, content: bytes = CONTENT) -> dict[str, Any]:
    answer = upload({"uploadPath": "clips", "fileName": name}, {"file": content})(box)
    return dict(answer.json()["data"])


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("c.mp4", "video/mp4"),
        ("C.MOV", "video/quicktime"),
        ("c.avi", "video/x-msvideo"),
        ("my clip 50% ü?#.mp4", "video/mp4"),
    ],
)
def test_what_is_uploaded_can_be_had_again(channel: str, name: str, kind: str, box: Sandbox) -> None:
    data = CHANNELS[channel](box, name)(box).json()["data"]

    assert (data["fileName"], data["filePath"], data["fileSize"], data["mimeType"]) == (
        name,
        f"a/b/{name}",
        len(CONTENT),
        kind,
    )
    found = get(data["downloadUrl"])(box)
    assert (found.status, found.body, found.headers["content-type"]) == (200, CONTENT, kind)


def test_the_same_name_again_overwrites(box: Sandbox) -> None:
    first = stored(box, "same.mp4", b"first")["downloadUrl"]

    assert stored(box, "same.mp4", b"second")["downloadUrl"] == first
    assert get(first)(box).body == b"second"


def test_a_file_without_a_name_gets_a_random_one(box: Sandbox) -> None:
    links = {upload({"uploadPath": "a"}, {"file": CONTENT})(box).json()["data"]["downloadUrl"] for _ in range(2)}

    assert len(links) == 2


def test_a_file_that_looks_like_a_form_comes_back_whole(box: Sandbox) -> None:
    content = b"\r\n--edg\r\n-edge\n\r--edge--" + bytes(range(256)) * 1000 + b"\r\n-"

    assert get(stored(box, "a.mp4", content)["downloadUrl"])(box).body == content


def test_the_result_of_an_uploaded_clip_is_that_clip(box: Sandbox) -> None:
    link = stored(box, "clip.mov", CLIP.read_bytes())["downloadUrl"]

    [result] = record(box, create(box, videoUrl=link))["response"]["resultUrls"]

    assert result.endswith(".mov")
    assert get(result)(box).body == CLIP.read_bytes()


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe")
def test_the_result_of_a_foreign_clip_is_a_little_clip_that_plays(box: Sandbox, tmp_path: Path) -> None:
    [result] = record(box, create(box))["response"]["resultUrls"]
    (tmp_path / "a.mp4").write_bytes(get(result)(box).body)

    done = subprocess.run(
        ["ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "a.mp4"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert "nb_read_frames=" in done.stdout


@pytest.mark.parametrize(
    ("asked", "status", "part", "told"),
    [
        ("bytes=0-4", 206, CONTENT[:5], "bytes 0-4/18"),
        ("bytes=13-", 206, CONTENT[13:], "bytes 13-17/18"),
        ("bytes=10-999", 206, CONTENT[10:], "bytes 10-17/18"),
        ("bytes=-4", 206, CONTENT[-4:], "bytes 14-17/18"),
        ("bytes=-99", 206, CONTENT, "bytes 0-17/18"),
        ("bytes=0-0", 206, CONTENT[:1], "bytes 0-0/18"),
        ("bytes=18-", 416, b"", "bytes */18"),
        ("bytes=-0", 416, b"", "bytes */18"),
        ("bytes=5-2", 200, CONTENT, None),
        ("bytes=0-1,3-4", 200, CONTENT, None),
        ("bytes=-", 200, CONTENT, None),
        ("bytes=a-b", 200, CONTENT, None),
        ("chunks=0-4", 200, CONTENT, None),
        (f"bytes={'9' * 5000}-", 416, b"", "bytes */18"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_range_is_answered(asked: str, status: int, part: bytes, told: str | None, box: Sandbox) -> None:
    found = get(stored(box, "part.mp4")["downloadUrl"], Range=asked)(box)

    assert (found.status, found.body, found.headers.get("content-range")) == (status, part, told)
    assert found.headers["content-length"] == str(len(part))


def test_a_range_of_another_version_is_answered_with_the_whole_file(box: Sandbox) -> None:
    link = stored(box, "version.mp4")["downloadUrl"]
    etag = get(link)(box).headers["etag"]

    assert get(link, Range="bytes=4-", **{"If-Range": etag})(box).status == 206
    assert get(link, Range="bytes=4-", **{"If-Range": '"other"'})(box)[::2] == (200, CONTENT)
    stored(box, "version.mp4", b"changed")
    assert get(link, Range="bytes=4-", **{"If-Range": etag})(box)[::2] == (200, b"changed")


def test_head_describes_a_file_without_sending_it(box: Sandbox) -> None:
    found = Ask("HEAD", stored(box, "head.mp4")["downloadUrl"])(box, key=None)

    assert (found.status, found.body, found.headers["content-length"]) == (200, b"", str(len(CONTENT)))
    assert found.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("path", ["/files/nosuch", "/files/../../etc/passwd", "/files/uploads/%2e%2e/x", "/files/"])
def test_no_other_file_is_served(path: str, box: Sandbox) -> None:
    assert get(path)(box).status == 404


def test_a_file_cannot_be_written_to(box: Sandbox) -> None:
    assert Ask("PUT", stored(box, "put.mp4")["downloadUrl"], b"other")(box).status == 404


def test_a_fresh_link_lives_twenty_minutes(timed: Sandbox, box_clock: Clock) -> None:
    timed.tasks.duration = 0.0
    [result] = record(timed, create(timed))["response"]["resultUrls"]
    link = Ask("POST", DOWNLOAD_URL, {"url": result})(timed).json()["data"]
    box_clock.now += 20 * 60 - 1
    assert get(link)(timed).status == 200

    box_clock.now += 1
    assert get(link)(timed).status == 404


def test_an_expired_link_is_refused_and_a_fresh_one_works(box: Sandbox) -> None:
    [result] = record(box, create(box, prompt="sandbox:expired-link"))["response"]["resultUrls"]
    link = Ask("POST", DOWNLOAD_URL, {"url": result})(box).json()["data"]

    assert [get(one)(box).status for one in (result, link)] == [403, 200]


def test_the_first_two_transfers_break_off(box: Sandbox) -> None:
    clip = stored(box, "cut.mp4")["downloadUrl"]
    [result] = record(box, create(box, videoUrl=clip, prompt="sandbox:cut-transfer"))["response"]["resultUrls"]
    for _ in range(2):
        with pytest.raises(http.client.IncompleteRead) as cut:
            get(result)(box)
        assert cut.value.partial == CONTENT[:9]

    assert get(result)(box).body == CONTENT


def test_its_files_go_when_it_stops() -> None:
    with Sandbox(api_key=KEY) as box:
        stored(box, "a.mp4")
        folder = box.files.folder
        assert len(list(folder.iterdir())) == 1
    assert not folder.exists()


# Callbacks


class Receiver:
    """Someone's server: keeps what it is sent and replies as it is asked; None hangs up."""

    def __init__(self) -> None:
        self.answers: list[int | None] = []
        self.seen: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.seen.put(({name.lower(): value for name, value in self.headers.items()}, body))
                status = outer.answers.pop(0) if outer.answers else 200
                if status is not None:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the parent's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook?tag=7"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def next(self) -> tuple[dict[str, str], Any]:
        headers, body = self.seen.get(timeout=PATIENCE)
        return headers, json.loads(body)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def caller() -> Iterator[Sandbox]:
    """A sandbox whose tasks end at once and whose callbacks are tried again at once."""
    with Sandbox(duration=0.0, api_key=KEY) as box:
        box.callbacks.pause = 0.0
        yield box


def signed(key: str, task_id: str, stamp: str) -> str:
    digest = hmac.new(key.encode(), f"{task_id}.{stamp}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def trigger(box: Sandbox, task_id: str) -> Answer:
    return Ask("POST", "/sandbox/trigger", query=f"taskId={task_id}")(box, key=None)


@pytest.mark.parametrize(("scenario", "code", "name"), [("ok", 200, "success"), ("flag3", 500, "failure")])
def test_a_callback_is_as_described(
    scenario: str, code: int, name: str, caller: Sandbox, receiver: Receiver, description: dict[str, Any]
) -> None:
    task_id = create(caller, prompt=f"sandbox:{scenario} Snow", callBackUrl=receiver.url)

    headers, payload = receiver.next()

    called = description["paths"][GENERATE]["post"]["callbacks"]["onVideoGenerated"]["{$request.body#/callBackUrl}"]
    content = called["post"]["requestBody"]["content"]["application/json"]
    assert fits(payload, schema_of(content["schema"], description)) == []
    assert shape(payload) == shape(content["examples"][name]["value"])
    assert (payload["code"], payload["data"]["taskId"]) == (code, task_id)
    assert headers["content-type"] == "application/json"
    assert "x-webhook-signature" not in headers
    assert "x-webhook-timestamp" not in headers


def test_a_callback_names_the_links_of_the_record_and_echoes_the_request(caller: Sandbox, receiver: Receiver) -> None:
    task_id = create(caller, callBackUrl=receiver.url)

    data = receiver.next()[1]["data"]

    assert data["resultUrls"] == record(caller, task_id)["response"]["resultUrls"]
    echo = {"prompt": "Snow falls", "videoUrl": CLIP_URL, "callBackUrl": receiver.url, "waterMark": ""}
    assert json.loads(data["promptJson"]) == echo


def test_the_signature_is_the_documented_one(caller: Sandbox, receiver: Receiver) -> None:
    vector = "Qutt0T7d8RnJuteMAH+vk+P9TlfO8sDI8QwoV5shb3U="
    assert signed("example-hmac-key", "0123456789abcdef0123456789abcdef", "1700000000") == vector
    caller.callbacks.webhook_key = "example-hmac-key"
    task_id = create(caller, callBackUrl=receiver.url)

    headers, _ = receiver.next()

    stamp = headers["x-webhook-timestamp"]
    assert headers["x-webhook-signature"] == signed("example-hmac-key", task_id, stamp)
    assert abs(int(stamp) - datetime.now().timestamp()) < 60


def test_a_forged_and_a_stale_signature_are_what_they_are_called(caller: Sandbox, receiver: Receiver) -> None:
    caller.callbacks.webhook_key = "example-hmac-key"
    for scenario in ("callback-forged", "callback-stale"):
        task_id = create(caller, prompt=f"sandbox:{scenario} Snow", callBackUrl=receiver.url)
        headers, _ = receiver.next()
        stamp = headers["x-webhook-timestamp"]
        genuine = headers["x-webhook-signature"] == signed("example-hmac-key", task_id, stamp)
        recent = abs(int(stamp) - datetime.now().timestamp()) < 60
        assert (genuine, recent) == ((False, True) if scenario == "callback-forged" else (True, False))


def test_a_callback_can_come_twice(caller: Sandbox, receiver: Receiver) -> None:
    create(caller, prompt="sandbox:callback-duplicate Snow", callBackUrl=receiver.url)

    assert receiver.next()[1] == receiver.next()[1]


@pytest.mark.parametrize("answers", [[500], [500, 404, 302], [None, 204]], ids=str)
def test_a_callback_is_tried_again_until_it_is_answered_with_200(
    answers: list[int | None], caller: Sandbox, receiver: Receiver
) -> None:
    receiver.answers = [*answers]
    task_id = create(caller, prompt="sandbox:flag4 Snow", callBackUrl=receiver.url)  # none but by hand

    assert trigger(caller, task_id).code == 200
    assert receiver.seen.qsize() == len(answers) + 1
    assert [delivery.status for delivery in caller.callbacks.deliveries] == [*answers, 200]


def test_after_three_retries_the_task_has_flag_4_and_its_video(caller: Sandbox, receiver: Receiver) -> None:
    task_id = create(caller)
    assert record(caller, task_id)["successFlag"] == 1
    caller.tasks.find(task_id).params["callBackUrl"] = receiver.url  # type: ignore[union-attr]
    receiver.answers = [500] * 9

    assert trigger(caller, task_id).code == 500

    assert receiver.seen.qsize() == 4
    found = record(caller, task_id)
    assert (found["successFlag"], found["errorMessage"]) == (4, "callback timed out")
    assert len(found["response"]["resultUrls"]) == 1


@pytest.mark.parametrize("model", [name for name in MODELS if name != "luma"])
def test_a_callback_of_another_family_is_signed_alike(model: str, caller: Sandbox, receiver: Receiver) -> None:
    caller.callbacks.webhook_key = "example-hmac-key"
    task_id = service.create(caller, model, callBackUrl=receiver.url)

    headers, payload = receiver.next()

    assert payload == caller.tasks.callback(caller.tasks.find(task_id), caller.url)  # type: ignore[arg-type]
    assert headers["x-webhook-signature"] == signed("example-hmac-key", task_id, headers["x-webhook-timestamp"])


def test_the_callback_of_a_task_that_is_ended_early_comes_at_once(timed: Sandbox, receiver: Receiver) -> None:
    task_id = create(timed, prompt="sandbox:slow Snow", callBackUrl=receiver.url)
    timed.finish(task_id)

    assert receiver.next()[1]["data"]["taskId"] == task_id


def test_a_callback_that_has_come_does_not_come_again(timed: Sandbox, receiver: Receiver) -> None:
    task_id, other = [create(timed, callBackUrl=receiver.url) for _ in range(2)]
    timed.finish(task_id)
    receiver.next()

    timed.finish(task_id)
    timed.finish(other)

    assert receiver.next()[1]["data"]["taskId"] == other


@pytest.mark.parametrize(
    "origin", ["http://192.0.2.1", "https://127.0.0.1:{port}", "http://hooks.example.net", "http://2130706433:{port}"]
)
def test_a_callback_goes_to_nothing_but_plain_loopback(origin: str, caller: Sandbox, receiver: Receiver) -> None:
    url = origin.replace("{port}", str(receiver.server.server_address[1])) + "/hook"
    task_id = create(caller, prompt="sandbox:flag4 Snow", callBackUrl=url)

    assert trigger(caller, task_id).code == 500
    assert [delivery.status for delivery in caller.callbacks.deliveries] == [None] * 4
    assert receiver.seen.empty()


# Its own controls


@pytest.mark.parametrize("task_id", ["", "nosuch", "{task}"])
def test_there_is_nothing_to_trigger_without_a_task_that_asked_for_it(task_id: str, caller: Sandbox) -> None:
    answer = trigger(caller, task_id.replace("{task}", create(caller)))

    assert answer.code == 404


def test_the_log_shows_requests_and_callbacks_but_no_key(caller: Sandbox, receiver: Receiver) -> None:
    task_id = create(caller, prompt="sandbox:flag4 Snow", callBackUrl=receiver.url)
    Ask("GET", RECORD_INFO, query=f"taskId={task_id}")(caller, key="wrong")
    trigger(caller, task_id)

    answer = Ask("GET", "/sandbox/log")(caller, key=None)

    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert [(line["method"], line["path"], line.get("keyIsRight"), line.get("status")) for line in lines] == [
        ("POST", GENERATE, True, None),
        ("GET", RECORD_INFO, False, None),
        ("POST", "/sandbox/trigger", False, None),
        ("GET", "/sandbox/log", False, None),
        ("CALLBACK", "/hook", None, 200),
    ]
    assert KEY.encode() not in answer.body


# Its manners


class Wire:
    """A connection on which anything can be said."""

    def __init__(self, box: Sandbox) -> None:
        self.socket = socket.create_connection(("127.0.0.1", urlsplit(box.url).port or 0), timeout=PATIENCE)

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, *lines: str, body: bytes = b"") -> None:
        self.socket.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1") + body)

    def status(self) -> int:
        """Of the next answer; 0 where the connection was closed without one."""
        reply = http.client.HTTPResponse(self.socket)
        try:
            reply.begin()
        except (http.client.BadStatusLine, ConnectionResetError):
            return 0
        reply.read()
        return reply.status

    def is_closed(self) -> bool:
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


AUTHORIZED = f"Authorization: Bearer {KEY}"
HOSTILE = {
    "a length below zero": ([f"POST {GENERATE} HTTP/1.1", "Content-Length: -1"], b"x", 400),
    "a length that is no number": ([f"POST {GENERATE} HTTP/1.1", "Content-Length: many"], b"x", 400),
    "a length of 5,000 digits": ([f"POST {GENERATE} HTTP/1.1", f"Content-Length: {'9' * 5000}"], b"x", 400),
    "two lengths": ([f"POST {GENERATE} HTTP/1.1", "Content-Length: 1", "Content-Length: 2"], b"x", 400),
    "chunks": ([f"POST {GENERATE} HTTP/1.1", "Transfer-Encoding: chunked"], b"1\r\nx\r\n0\r\n\r\n", 400),
    "a body beyond the limit": ([f"POST {GENERATE} HTTP/1.1", f"Content-Length: {MAX_JSON + 1}"], b"x", 413),
    "a body of a terabyte": ([f"POST {BASE64} HTTP/1.1", f"Content-Length: {10**12}"], b"x", 413),
    "an address that cannot be split": (["GET http://[::1 HTTP/1.1"], b"", 400),
    "a request line of 70,000 characters": ([f"GET /{'a' * 70_000} HTTP/1.1"], b"", 414),
    "a header of 70,000 characters": (["GET / HTTP/1.1", f"X-Long: {'a' * 70_000}"], b"", 431),
    "200 headers": (["GET / HTTP/1.1", *(f"X-{n}: 1" for n in range(200))], b"", 431),
    # In these two the reply has no status line, since nobody knows which protocol would be understood.
    "another protocol": (["GET / HTTP/3.7"], b"", 0),
    "no protocol at all": (["\x16\x03\x01 hello there you"], b"", 0),
    "an unknown method": (["BREW /pot HTTP/1.1"], b"", 501),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_request_is_answered_and_the_next_client_served(attack: str, box: Sandbox) -> None:
    lines, body, status = HOSTILE[attack]
    with Wire(box) as wire:
        wire.say(*lines, body=body)
        assert wire.status() == status
        assert wire.is_closed()

    assert Ask("GET", CREDIT)(box).code == 200


FORMS = {
    "no boundary": ("multipart/form-data", b"--edge--\r\n", "not multipart/form-data"),
    "another kind": ("text/plain; boundary=edge", b"--edge--\r\n", "not multipart/form-data"),
    "nothing at all": ("multipart/form-data; boundary=edge", b"", "the body ends early"),
    "no last line": ("multipart/form-data; boundary=edge", b"--edge\r\n", "the body ends early"),
    "a file without an end": (
        "multipart/form-data; boundary=edge",
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc',
        "the body ends early",
    ),
    "a part without a name": (
        "multipart/form-data; boundary=edge",
        b"--edge\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--edge--\r\n",
        "a part without a name",
    ),
    "endless headers": ("multipart/form-data; boundary=edge", b"--edge\r\n" + b"a" * 300_000, "the body ends early"),
    "a field of a megabyte": (
        "multipart/form-data; boundary=edge",
        form({"uploadPath": "a" * (MAX_FIELD + 1)})[0],
        "a field is too long",
    ),
    "another boundary": ("multipart/form-data; boundary=other", form({"uploadPath": "a"})[0], "the body ends early"),
}


@pytest.mark.parametrize("fault", FORMS)
def test_a_broken_form_is_refused_and_the_connection_can_go_on(fault: str, box: Sandbox) -> None:
    kind, body, message = FORMS[fault]
    with Wire(box) as wire:
        wire.say(
            f"POST {STREAM} HTTP/1.1", AUTHORIZED, f"Content-Type: {kind}", f"Content-Length: {len(body)}", body=body
        )
        assert wire.status() == 400
        wire.say(f"GET {CREDIT} HTTP/1.1", AUTHORIZED)
        assert wire.status() == 200

    assert message in Ask("POST", STREAM, body, kind=kind)(box).json()["msg"]


def test_a_refused_upload_is_read_to_its_end_so_that_the_reply_arrives(box: Sandbox) -> None:
    """A server that hangs up on someone who is still sending resets the connection, and the reply is lost."""
    ask = upload({"uploadPath": "a"}, {"file": bytes(20 << 20)})

    assert ask(box, key="wrong").status == 401


def test_a_client_that_goes_away_in_the_middle_leaves_the_others_alone(box: Sandbox) -> None:
    with Wire(box) as gone:
        gone.say(f"POST {STREAM} HTTP/1.1", AUTHORIZED, "Content-Length: 1000000", body=b"--edge\r\n")
    with Wire(box) as silent:
        silent.say(f"POST {GENERATE} HTTP/1.1", AUTHORIZED, "Content-Length: 100", body=b"{")
        assert Ask("GET", CREDIT)(box).code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_it_listens_on_this_machine_alone(box: Sandbox) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", urlsplit(box.url).port or 0), timeout=PATIENCE)
