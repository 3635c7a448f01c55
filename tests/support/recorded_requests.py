"""What luma sends, as bytes: a scripted service that keeps every request, for comparison with a recording.

In the folder `tests`, `python -m support.recorded_requests LUMA >FILE` records what another commit's command sends.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.commands import CLIP, KEY
from support.fault_server import Answer, FaultServer, Request, envelope, ranged, reply

TASK_ID = "5f0c9be2d7a14c0f8b1e6a3d92c47e10"
# Command lines by their names; FILE is a local clip, URL a link to one, RESULT the link of a result.
COMMANDS = {
    "modify a link": ["modify", "URL", "-p", "Snow falls"],
    "modify a file": ["modify", "FILE", "-p", "Snow falls"],
    "modify without the checks": ["modify", "URL", "-p", "Snow falls", "--no-check"],
    "modify and wait": ["modify", "URL", "-p", "Snow falls", "-w"],
    "modify and save": ["modify", "FILE", "-p", "Snow falls", "-o", "out.mp4"],
    "modify with a watermark": ["modify", "URL", "-p", "Snow falls", "--watermark", "mine"],
    "modify with a callback": ["modify", "URL", "-p", "Snow falls", "--callback-url", "https://hooks.example.net/kie"],
    "modify with any prompt": ["modify", "URL", "-p", 'A “café” at 5 €,\nwith a "sign" \\ 雪', "--no-check"],
    "modify dry": ["modify", "URL", "-p", "Snow falls", "-n"],
    "status": ["status", TASK_ID],
    "wait": ["wait", TASK_ID],
    "wait and save": ["wait", TASK_ID, "-o", "out.mp4"],
    "download": ["download", TASK_ID, "-o", "out.mp4"],
    "download a link": ["download", "RESULT", "-o", "out.mp4"],
    "download a refused link": ["download", "REFUSED", "-o", "out.mp4"],
    "upload": ["upload", "FILE"],
    "credits": ["credits"],
    "adopt": ["tasks", "adopt", TASK_ID],
    "batch": ["batch", "edits.jsonl", "-o", "out"],
}
BATCH = [
    {"prompt": "Snow falls", "video": "URL"},
    {"prompt": "Rain falls", "video": "FILE", "watermark": "mine", "output": "rain.mp4", "id": "rain"},
]


class Service:
    """Every task has succeeded at the first question; uploads and results are one clip."""

    def __init__(self) -> None:
        self.content = CLIP.read_bytes()
        self.server = FaultServer(self._reply)
        self._tasks = 0

    @property
    def words(self) -> dict[str, str]:
        names = {"URL": "/clips/in.mp4", "RESULT": "/results/0.mp4", "REFUSED": "/refused/0.mp4"}
        return {name: self.server.url(path) for name, path in names.items()} | {"FILE": "clip.mp4"}

    def prepare(self, folder: Path) -> dict[str, str]:
        """Put the files of the command lines into a folder and return the environment that leads here."""
        (folder / "clip.mp4").write_bytes(self.content)
        rows = [{name: self.words.get(value, value) for name, value in row.items()} for row in BATCH]
        (folder / "edits.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        url = self.server.url("")
        return {"LUMA_API_KEY": KEY, "LUMA_BASE_URL": url, "LUMA_UPLOAD_URL": url}

    def recorded(self) -> list[str]:
        """The requests so far, without what differs from run to run: host, boundary, random name, lengths."""
        return [self._normal(request) for request in self.server.requests]

    def _normal(self, request: Request) -> str:
        raw = request.raw.replace(self.content, b"(the clip)").replace(KEY.encode(), b"(the key)")
        text = raw.decode("utf-8").replace(f"127.0.0.1:{self.server.port}", "HOST")
        if boundary := re.search(r"boundary=(\S+)", text):
            text = text.replace(boundary[1], "BOUNDARY")
        if request.path == "/api/file-stream-upload":
            text = re.sub(r"[0-9a-f]{32}\.mp4", "RANDOM.mp4", text)
        text = re.sub(r"(Content-Length: )[0-9]+", r"\g<1>N", text)
        return re.sub(r"\(Python [0-9.]+\S*\)", "(Python)", text)

    def _reply(self, request: Request) -> Answer:
        path = request.path.partition("?")[0]
        if path.startswith(("/clips/", "/results/", "/fresh/")):
            return (ranged(self.content, content_type="video/mp4"),)
        if path.startswith("/refused/"):
            return reply(b"", status=403)
        data: Any = {
            "/api/v1/chat/credit": 80.0,
            "/api/v1/common/download-url": self.server.url("/fresh/0.mp4"),
            "/api/file-stream-upload": {"downloadUrl": self.server.url("/clips/up.mp4")},
        }.get(path)
        if path == "/api/v1/modify/generate":
            self._tasks += 1
            data = {"taskId": f"{self._tasks:032x}"}
        if path == "/api/v1/modify/record-info":
            data = self._record(request.path.rpartition("=")[2])
        return envelope(200, data, "success")

    def _record(self, task_id: str) -> dict[str, Any]:
        links = {"taskId": task_id, "resultUrls": [self.server.url(f"/results/{task_id[-4:]}.mp4")]}
        times = {"createTime": 1760000000000, "completeTime": 1760000309000}
        return {"taskId": task_id, "successFlag": 1, "response": links, **times}


def sent(words: list[str], run: Callable[[list[str], dict[str, str], Path], None], folder: Path) -> list[str]:
    """What a command line sends: `run` types it with an environment in a folder."""
    service = Service()
    with service.server:
        environment = service.prepare(folder)
        run([service.words.get(word, word) for word in words], environment, folder)
        return service.recorded()


def _record_with(luma: str) -> dict[str, list[str]]:
    def run(words: list[str], environment: dict[str, str], folder: Path) -> None:
        own = {"LUMA_STATE_DIR": str(folder / "state"), "LUMA_CONFIG_DIR": str(folder / "config"), "HOME": str(folder)}
        path = {"PATH": os.environ["PATH"]}
        done = subprocess.run(
            [luma, *words], cwd=folder, env={**path, **own, **environment}, capture_output=True, check=False, text=True
        )
        print(done.returncode, words, done.stderr, file=sys.stderr)

    recording = {}
    for name, words in COMMANDS.items():
        with tempfile.TemporaryDirectory() as folder:
            recording[name] = sent(words, run, Path(folder))
    return recording


if __name__ == "__main__":
    print(json.dumps(_record_with(sys.argv[1]), indent=1, ensure_ascii=False))
