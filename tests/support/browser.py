"""A real Chromium, driven by chromedriver over plain HTTP (W3C WebDriver), that has no network beyond loopback."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
# Its own calls home would look like the page's, and a proxy that nobody serves stands between it and every host.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--proxy-server=http://127.0.0.1:9",
)


class Browser:
    """One window. A command that fails raises AssertionError with the browser's reason."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._session = ""

    def start(self, profile: Path) -> None:
        options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"performance": "ALL"}}
        made = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{made['sessionId']}"
        self._call("POST", f"{self._session}/timeouts", {"script": 30_000, "pageLoad": 30_000})

    def stop(self) -> None:
        if self._session:
            self._call("DELETE", self._session)

    def open(self, page: Path) -> None:
        self.requested()
        self._call("POST", f"{self._session}/url", {"url": page.as_uri()})

    def resize(self, width: int, height: int) -> None:
        """The size of the page's area; windows are never as narrow as a telephone."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._cdp("Emulation.setDeviceMetricsOverride", metrics)

    def emulate(self, scheme: str = "light", media: str = "") -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._cdp("Emulation.setEmulatedMedia", {"media": media, "features": features})

    def run(self, script: str, *arguments: object) -> Any:
        """What the body of an async function returns."""
        body = f"const done = arguments[arguments.length - 1]; (async (...given) => {{ {script} }})(...arguments)"
        body += ".then((value) => done({ value }), (error) => done({ error: String(error.stack || error) }));"
        found = self._call("POST", f"{self._session}/execute/async", {"script": body, "args": list(arguments)})
        assert "error" not in found, found["error"]
        return found.get("value")

    def press(self, *keys: str) -> None:
        """Press and release each of them, by the driver's own code points for those without a character."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        self._call("POST", f"{self._session}/actions", {"actions": [source]})

    def requested(self) -> list[str]:
        """The addresses that were asked for since the last call."""
        entries = self._call("POST", f"{self._session}/se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        sent = [message for message in messages if message["method"] == "Network.requestWillBeSent"]
        return [message["params"]["request"]["url"] for message in sent]

    def screenshot(self) -> bytes:
        return base64.b64decode(self._call("GET", f"{self._session}/screenshot"))

    def _cdp(self, name: str, parameters: dict[str, object]) -> Any:
        return self._call("POST", f"{self._session}/goog/cdp/execute", {"cmd": name, "params": parameters})

    def _call(self, method: str, path: str, body: object | None = None) -> Any:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            text = json.dumps(body) if body is not None else "{}" if method == "POST" else None
            connection.request(method, path, text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            value = json.loads(response.read())["value"]
        finally:
            connection.close()
        assert response.status == 200, value
        return value


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with an empty profile in that folder; skips the test if there is none."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs chromium and chromedriver")
    environment = {**os.environ, "HOME": str(folder)}
    with subprocess.Popen(
        [DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        lines = (line for line in process.stdout if "started successfully on port" in line)
        made = Browser(int(next(lines).rstrip(".\n").rpartition(" ")[2]))
        try:
            made.start(folder / "profile")
            yield made
        finally:
            made.stop()
            process.terminate()
