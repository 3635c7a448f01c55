"""The sandbox itself: a server on loopback, and what a test or a user can do to it."""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from luma_cli.sandbox.account import Account
from luma_cli.sandbox.callbacks import Callbacks
from luma_cli.sandbox.files import UPLOADS, FileStore, seconds_of
from luma_cli.sandbox.handler import Handler, Request, RequestLog, Server
from luma_cli.sandbox.models import LUMA, SUBMIT_PATHS, Model, price_of
from luma_cli.sandbox.realistic import FfmpegMissing, Renderer, RenderFailed
from luma_cli.sandbox.scenarios import SUBMIT_ERRORS, ErrorReply, Failure, named_in
from luma_cli.sandbox.store import TaskStore
from luma_cli.sandbox.tasks import SandboxTask


class Sandbox:
    """The service on loopback; use it as a context manager, or start and stop it. Times are in seconds.

    `prices` are credits by the model's name; for the other knobs of the money see `Account`.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        duration: float = 3.0,
        scenario: str = "ok",
        api_key: str = "sandbox-key",
        webhook_key: str | None = None,
        rate_limit: int = 20,
        rate_window: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        prices: Mapping[str, float] | None = None,
        charge_delay: float | None = None,
        balance_lag: float = 0.0,
        spend_by_itself: tuple[float, float] = (0.0, 1.0),
        realistic: bool = False,
        ffmpeg: str | None = None,
    ) -> None:
        """Listen already; `start` begins to reply.

        Raises:
            FfmpegMissing: realistic results are wanted, and there is no ffmpeg.
            OSError: the port is taken.
        """
        self._ffmpeg = shutil.which(ffmpeg or "ffmpeg")
        self.realistic = realistic or scenario == "realistic"
        if self.realistic and self._ffmpeg is None:
            raise FfmpegMissing("realistic results need ffmpeg")
        self._prices = prices or {}
        self.scenario = scenario
        self.api_key = api_key
        self.requests: list[Request] = RequestLog()
        self.clock = clock
        self._server = Server(
            ("127.0.0.1", port), Handler
        )  # first, since a port that is taken must leave nothing behind
        self._server.sandbox = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.account = Account(clock, charge_delay, balance_lag, spend_by_itself)
        self.files = FileStore(clock)
        self.tasks = TaskStore(duration, clock, rate_limit, rate_window)
        self.callbacks = Callbacks(webhook_key, clock, self._callback)
        self._renderer = Renderer(self._ffmpeg or "ffmpeg", self.files.folder)
        self._submitting = threading.Lock()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Sandbox":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
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
        self._renderer.close()
        self.callbacks.stop()
        self.files.close()

    @property
    def credits(self) -> float:
        """What the account has, whether or not its balance shows it yet; may be set."""
        return self.account.balance

    @credits.setter  # noqa: A003  what the vendor calls it
    def credits(self, amount: float) -> None:
        self.account.balance = amount

    @property
    def can_render(self) -> bool:
        return self._ffmpeg is not None

    def submissions(self) -> list[Request]:
        """The requests to create a task, of all families."""
        return [request for request in list(self.requests) if request.path in SUBMIT_PATHS]

    def top_up(self, amount: float) -> None:
        self.account.top_up(amount)

    def finish(self, task_id: str) -> None:
        """End a task now, whatever its duration."""
        task = self.tasks.find(task_id)
        if task is not None:
            task.ends = self.clock()
            self.callbacks.hurry(task)

    def trigger(self, task_id: str) -> bool:
        """Send a task's callback now; True if the reply was 200."""
        task = self.tasks.find(task_id)
        return task is not None and bool(task.params.get("callBackUrl")) and self.callbacks.send(task)

    def expire_uploads(self) -> None:
        """What was uploaded until now is gone."""
        self.files.forget(UPLOADS)

    def expire_results(self, *, with_media: bool = False) -> None:
        """The result links of all tasks until now are dead; with their media, `download-url` is no help either."""
        for task in self.tasks.all():
            task.is_link_dead = True
            if with_media:
                self.files.forget(task.result)

    def submit(self, params: dict[str, Any], scenario: str, model: Model) -> SandboxTask | ErrorReply:
        """Create a task if the account and the rate allow it."""
        with self._submitting:
            if not self.account.has(self._price(model, params)):
                return SUBMIT_ERRORS["no-credits"]
            if not self.tasks.may_create():
                return SUBMIT_ERRORS["rate-limit"]
            return self._create(params, scenario, model)

    def create(self, params: dict[str, Any], model: Model = LUMA) -> SandboxTask:
        """A task that nobody submitted, for tests; the account pays for it."""
        return self._create(params, named_in(model.family.edit(params).get("prompt")) or self.scenario, model)

    def complete(self, task: SandboxTask) -> None:
        """Make the result of a task that has ended, once, if it is a realistic one."""
        with task.rendering:
            if not task.to_render or task.failure or not self.tasks.has_ended(task):
                return
            source, target = self.files.find(task.result), self.files.new_path()
            seconds, keeps_sound = task.model.seconds_used, task.edit.get("audio_setting") == "origin"
            try:
                if source is not None:
                    self._renderer.render(source.path, task.prompt, target, seconds=seconds, keeps_sound=keeps_sound)
                    self.files.add(task.result, target, "result.mp4")
            except RenderFailed as error:
                task.error = Failure(3, 501, f"Generation failed: {error}")
            task.to_render = False

    def sign(self, url: str) -> str | None:
        """The path of a fresh link to a result; None for what is not a result, or not there any more."""
        return self.files.sign(self.path_of(url))

    def is_link_dead(self, task: SandboxTask, path: str) -> bool:
        """Whether a result's own link, not one from `download-url`, is refused."""
        return path == task.result and (task.is_link_dead or task.scenario == "expired-link")

    def path_of(self, url: str) -> str:
        """The path of one of our own addresses, without its signature; another address as it is."""
        return urlsplit(url).path if url.startswith(f"{self.url}/") else url

    def _create(self, params: dict[str, Any], scenario: str, model: Model) -> SandboxTask:
        price = self._price(model, params)
        is_rendered = self.realistic or scenario == "realistic"
        result = self.files.add_result(self.path_of(self._video(model, params)), is_rendered=is_rendered)
        task = self.tasks.create(params, scenario, result, model)
        task.price, task.to_render = price, is_rendered
        self.account.open(task)
        self.callbacks.expect(task)
        return task

    def _video(self, model: Model, params: Mapping[str, Any]) -> str:
        return str(model.family.edit(params).get(model.clip, ""))

    def _price(self, model: Model, params: Mapping[str, Any]) -> float:
        source = self.files.find(self.path_of(self._video(model, params))) if model.is_per_second else None
        seconds = seconds_of(source.path) if source is not None else None
        return price_of(model, model.family.edit(params), seconds, self._prices)

    def _callback(self, task: SandboxTask) -> dict[str, Any]:
        self.complete(task)
        return self.tasks.callback(task, self.url)
