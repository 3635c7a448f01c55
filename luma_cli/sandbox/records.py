"""How a task stands, in the shape of each family: the `data` of its record, and its callback."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from luma_cli.sandbox.tasks import SandboxTask

PREVIEW = "/files/preview.png"
# The part of a job's time after which it is queuing, and generating.
QUEUING, GENERATING = 0.1, 0.2


class View(NamedTuple):
    """A task at a moment: `progress` is 1 once it has ended; `result` is the address of its video."""

    task: SandboxTask
    base: str
    progress: float

    @property
    def has_ended(self) -> bool:
        return self.progress >= 1.0

    @property
    def result(self) -> str:
        return self.base + self.task.result

    @property
    def results(self) -> list[str] | str:
        """The list of results, or (recorded of another family) a text that holds it."""
        return json.dumps([self.result]) if self.task.scenario == "urls-as-text" else [self.result]

    @property
    def completed_ms(self) -> int:
        return self.task.created_ms + max(1, int((self.task.ends - self.task.created) * 1000))


def luma_record(view: View) -> dict[str, Any]:
    """Vendor page "Get Luma Modify Details"; while generating as its siblings."""
    task = view.task
    record: dict[str, Any] = {
        "taskId": task.task_id,
        "paramJson": task.param_json,
        "completeTime": view.completed_ms if view.has_ended else None,
        "response": None,
        "successFlag": 0,
        "createTime": task.created_ms,
        "errorCode": None,
        "errorMessage": None,
    }
    if not view.has_ended:
        return record
    if task.failure:
        flag, code, reason = task.failure
        return {**record, "successFlag": flag, "errorCode": code, "errorMessage": reason}
    undelivered = task.scenario == "flag4" or task.callback_failed
    links = {"taskId": task.task_id, "originUrls": [task.video], "resultUrls": view.results}
    message = "callback timed out" if undelivered else None
    return {**record, "response": links, "successFlag": 4 if undelivered else 1, "errorMessage": message}


def aleph_record(view: View) -> dict[str, Any]:
    """Times are text, no error is 0 and "", and a failure may keep flag 0 (seen by clients)."""
    task = view.task
    record: dict[str, Any] = {
        "taskId": task.task_id,
        "paramJson": task.param_json,
        "response": None,
        "completeTime": _iso(view.completed_ms) if view.has_ended else None,
        "createTime": _iso(task.created_ms),
        "successFlag": 0,
        "errorCode": 0,
        "errorMessage": "",
    }
    if not view.has_ended:
        return record
    if task.failure:
        flag, code, reason = task.failure
        return {**record, "successFlag": 2 if flag == 2 else 0, "errorCode": code, "errorMessage": reason}
    image = view.base + PREVIEW
    video = view.results if task.scenario == "urls-as-text" else view.result
    links = {"taskId": task.task_id, "resultVideoUrl": video, "resultImageUrl": image}
    return {**record, "successFlag": 1, "response": links}


def jobs_record(view: View) -> dict[str, Any]:
    """States in words, and the result as text within the text."""
    task = view.task
    record: dict[str, Any] = {
        "taskId": task.task_id,
        "model": task.model.code,
        "state": _job_state(view),
        "param": task.param_json,
        "resultJson": "",
        "failCode": "",
        "failMsg": "",
        "costTime": None,
        "completeTime": None,
        "createTime": task.created_ms,
        "updateTime": view.completed_ms if view.has_ended else task.created_ms,
    }
    if not view.has_ended:
        return record
    record |= {"completeTime": view.completed_ms, "costTime": view.completed_ms - task.created_ms}
    record["creditsConsumed"] = 0.0 if task.failure else task.price
    if task.failure:
        return {**record, "failCode": str(task.failure.code), "failMsg": task.failure.message}
    return {**record, "resultJson": json.dumps({"resultUrls": view.results})}


def _job_state(view: View) -> str:
    if view.has_ended:
        return "fail" if view.task.failure else "success"
    return "waiting" if view.progress < QUEUING else "queuing" if view.progress < GENERATING else "generating"


def luma_callback(view: View) -> dict[str, Any]:
    """Vendor page "Luma Modify Callbacks": the request is echoed under another name than in the record."""
    data: dict[str, Any] = {"taskId": view.task.task_id, "promptJson": view.task.param_json}
    if view.task.failure:
        return {"code": 500, "msg": "Modify record generation failed.", "data": data}
    data["resultUrls"] = view.results
    return {"code": 200, "msg": "Modify record generated successfully.", "data": data}


def aleph_callback(view: View) -> dict[str, Any]:
    """The id stands at the top, the links have names in snake case."""
    record = aleph_record(view)
    if view.task.failure:
        return {
            "code": view.task.failure.code,
            "msg": view.task.failure.message,
            "taskId": record["taskId"],
            "data": None,
        }
    links = record["response"]
    data = {"result_video_url": links["resultVideoUrl"], "result_image_url": links["resultImageUrl"]}
    return {"code": 200, "msg": "All generated successfully.", "taskId": record["taskId"], "data": data}


def jobs_callback(view: View) -> dict[str, Any]:
    """The callback is the record."""
    if view.task.failure:
        return {"code": 501, "msg": "Playground task failed.", "data": jobs_record(view)}
    return {"code": 200, "msg": "Playground task completed successfully.", "data": jobs_record(view)}


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


RECORDS: dict[str, Callable[[View], dict[str, Any]]] = {
    "luma": luma_record,
    "aleph": aleph_record,
    "jobs": jobs_record,
}
CALLBACKS: dict[str, Callable[[View], dict[str, Any]]] = {
    "luma": luma_callback,
    "aleph": aleph_callback,
    "jobs": jobs_callback,
}
