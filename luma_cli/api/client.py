"""The client of kie.ai's HTTP API: addresses, judgement of answers, and what may be sent twice."""

import re
import time
from collections.abc import Callable
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any, TypeVar

from luma_cli import signals
from luma_cli.api import envelope, redaction, task
from luma_cli.api.envelope import Envelope, NotAnEnvelope
from luma_cli.api.hosts import host_of, is_loopback
from luma_cli.api.task import Edit, State, Task
from luma_cli.api.transport import Bearer, Reply, Session, TransportError, exchange, parse_retry_after
from luma_cli.config import key_store, settings
from luma_cli.errors import FileError, LumaError, OutcomeUnknown, Rejected, Unavailable, reason

GENERATE = "/api/v1/modify/generate"
RECORD_INFO = "/api/v1/modify/record-info"
CREDIT = "/api/v1/chat/credit"
DOWNLOAD_URL = "/api/v1/common/download-url"
STREAM_UPLOAD = "/api/file-stream-upload"
UPLOAD_FOLDER = "luma-cli"

# Over the limit a submission is dropped, not queued, so a whole window must pass (vendor's platform page).
RATE_WINDOW = 10.0
MAX_RATE_RETRIES = 3
MAX_PAUSE = 60.0
# A connection that was never made may be tried again, this often and this long.
MAX_CONNECT_RETRIES = 3
CONNECT_PATIENCE = 10.0
READ_PAUSES = (1.0, 2.0)
MAX_SILENCE = 5.0
MAX_RAW = 1 << 16
MAX_CREDITS = 1e15

# Answers that surely created nothing (vendor's code list); everything else about a submission is "unknown".
REFUSALS = frozenset({400, 401, 402, 403, 404, 405, 422, 433, 451, 455, 505})

T = TypeVar("T")


def connect(on_pause: Callable[[str], None] = lambda _: None) -> "Client":
    """The client for the user's settings and key.

    Raises:
        KeyRejected: no usable key.
        UsageError: a setting is wrong.
    """
    ours = settings.load_settings()
    key = key_store.load_key(ours)
    return Client(ours.base_url, ours.upload_url, key.value, ca_bundle=ours.ca_bundle, on_pause=on_pause)


class Client:
    """One account at one service address. The key goes to these two hosts and nowhere else.

    `on_pause` hears why we wait, where that takes longer than a person would put up with silently.
    """

    def __init__(
        self,
        base_url: str,
        upload_url: str,
        api_key: str,
        *,
        ca_bundle: str | None = None,
        on_pause: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_url = base_url
        self.upload_url = upload_url
        self.api_key = api_key
        self._auth = Bearer(api_key)
        self._ca_bundle = ca_bundle
        self._session = Session(ca_bundle=ca_bundle)
        self._on_pause = on_pause
        self._clock = clock
        self._sleep = sleep

    def close(self) -> None:
        self._session.close()

    @property
    def is_local(self) -> bool:
        """True for a sandbox on this machine."""
        return is_loopback(host_of(self.base_url))

    def file_session(self) -> Session:
        """A session for file hosts: it shares nothing with ours and knows no key."""
        return Session(ca_bundle=self._ca_bundle, public_only=not self.is_local)

    def submit(self, edit: Edit, *, rate_retries: int = MAX_RATE_RETRIES) -> str:
        """Send the one request that costs money and return the task id.

        Sent again only when it surely created nothing: the connection was never made, or the service said 429 (so
        often: `rate_retries`).
        Signals are held back from the first byte on (`signals.hold`); the caller calls `signals.release` once the id
        is safe.

        Raises:
            OutcomeUnknown: sent, and no answer says that nothing was created; `raw` has what came back.
            KeyRejected, OutOfCredits, Rejected, Unavailable: nothing was created.
        """
        started = self._clock()
        unconnected = limited = 0
        while True:
            try:
                return self._submit_once(edit)
            except TransportError as error:
                unconnected += 1
                patient = self._clock() - started < CONNECT_PATIENCE and unconnected < MAX_CONNECT_RETRIES
                if error.fault not in ("connect", "dns") or not patient:
                    raise Unavailable(
                        f"{error.message}; nothing was sent", hint="check the network and try again"
                    ) from error
                pause, trouble = 2.0 ** (unconnected - 1), error.message
            except Unavailable as error:
                limited += 1
                if error.api_code != 429 or limited > rate_retries:
                    raise
                pause = max(RATE_WINDOW, error.retry_after or 0.0)
                if pause > MAX_PAUSE:
                    raise Unavailable(
                        "kie.ai asks to wait longer than a submission may: nothing was created",
                        hint="try again later",
                        api_code=429,
                    ) from error
                trouble = error.message
            signals.release()
            self._wait(pause, trouble)

    def task(self, task_id: str) -> Task:
        """Ask once how a task stands.

        Raises:
            Rejected: the service does not know the task (404, 422), or has switched the endpoint off.
            Unavailable: passing trouble; may be asked again.
            KeyRejected, OutOfCredits: as they say.
        """
        try:
            answer = self._call("GET", RECORD_INFO, params={"taskId": task_id})
        except LumaError as error:
            error.task_id = task_id
            if error.api_code in (501, 531):  # "generation failed": final for this task (vendor's code list)
                return Task(task_id, State.GENERATE_FAILED, error_code=error.api_code, error_message=error.message)
            if isinstance(error, Rejected) and error.is_not_found:
                said = error.message.removeprefix(envelope.MEANINGS[error.api_code or 404].words)
                error.message = f"kie.ai does not know the task {task_id}{said}"
                error.hint = "https://kie.ai/logs shows the ids of this account"
            raise
        if not isinstance(answer.data, dict):
            raise Unavailable("kie.ai gave an odd answer about the task", task_id=task_id)
        if answer.data.get("taskId") not in (None, task_id):
            raise Unavailable("the answer was for another task", task_id=task_id)
        return task.from_api(answer.data, task_id)

    def credits(self) -> float:
        """The balance in credits; may be fractional.

        Raises:
            KeyRejected, Unavailable: as for `task`.
        """
        balance = self._call("GET", CREDIT).data
        if isinstance(balance, str) and re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", balance):
            balance = float(balance)
        if isinstance(balance, bool) or not isinstance(balance, (int, float)) or not abs(balance) < MAX_CREDITS:
            raise Unavailable("kie.ai gave an odd answer about the balance")
        return float(balance)

    def server_date(self) -> str | None:
        """The Date header of an answer. Raises Unavailable where there is none."""
        try:
            return exchange(self._session, "GET", self.base_url + CREDIT, auth=self._auth).headers.get("Date")
        except TransportError as error:
            raise Unavailable(error.message) from error

    def download_url(self, url: str) -> str:
        """A fresh link, valid for 20 minutes, for a result of kie.ai's own.

        Raises:
            Rejected: not a file of kie.ai's (422).
            Unavailable: passing trouble.
        """
        answer = self._call("POST", DOWNLOAD_URL, json={"url": url})
        if not task.is_link(answer.data):
            raise Unavailable("kie.ai gave an odd answer instead of a link")
        return str(answer.data)

    def upload(self, path: Path, on_progress: Callable[[int, int], None]) -> str:
        """Put a local file into kie.ai's temporary store and return its public address.

        The name there is random, since links hold no secret but the name. `on_progress` gets bytes sent and in all.

        Raises:
            FileError: the file cannot be read.
            Rejected, KeyRejected, Unavailable: as for `task`.

        Source: vendor's File Upload API, "file-stream-upload". Life of the file: 24 hours or 3 days, its pages differ.
        """
        import secrets

        from requests_toolbelt.multipart.encoder import MultipartEncoder, MultipartEncoderMonitor

        name = secrets.token_hex(16) + path.suffix.lower()[:8]
        try:
            with _Readable(FileIO(path)) as file:
                size = path.stat().st_size
                encoder = MultipartEncoder(
                    {"uploadPath": UPLOAD_FOLDER, "fileName": name, "file": (name, file, "application/octet-stream")}
                )
                monitor = MultipartEncoderMonitor(encoder, lambda seen: on_progress(min(seen.bytes_read, size), size))
                answer = self._call(
                    "POST",
                    STREAM_UPLOAD,
                    base=self.upload_url,
                    budget=600.0 + size / 50_000,  # slower than 50 kB/s is taken for a peer that plays with us
                    data=monitor,
                    headers={"Content-Type": monitor.content_type},
                )
        except OSError as error:
            raise FileError(f"cannot read {path.name}: {reason(error)}") from error
        link = answer.data.get("downloadUrl") if isinstance(answer.data, dict) else None
        if not task.is_link(link):
            raise Unavailable("the upload host gave no usable link", hint="try again later")
        return str(link)

    def pause(self, seconds: float) -> None:
        """Leave the service alone for a while."""
        self._sleep(seconds)

    def patiently(self, read: Callable[[], T]) -> T:
        """Call a reading method, and again after a pause when it met passing trouble.

        Raises:
            Unavailable: the trouble did not pass. Other errors at once.
        """
        for pause in READ_PAUSES:
            try:
                return read()
            except Unavailable as error:
                if (error.retry_after or 0.0) > MAX_PAUSE:
                    raise
                self._wait(max(pause, error.retry_after or 0.0), error.message)
        return read()

    def _wait(self, pause: float, why: str) -> None:
        if pause > MAX_SILENCE:
            self._on_pause(f"{why}: trying again in {pause:.0f} s")
        self._sleep(pause)

    def _submit_once(self, edit: Edit) -> str:
        """Raises TransportError only when nothing was sent."""
        try:
            # A session of its own: a connection kept from before may be dead, and would leave the outcome unknown.
            with Session(ca_bundle=self._ca_bundle) as session:
                reply = exchange(
                    session,
                    "POST",
                    self.base_url + GENERATE,
                    json=edit.payload(),
                    auth=self._auth,
                    on_sending=signals.hold,
                )
        except TransportError as error:
            if not error.sent:
                raise
            raise _unknown(f"submitted, but {error.message}", error.raw, self.api_key) from error
        return _judge_submission(reply, self.api_key)

    def _call(
        self, method: str, path: str, *, base: str | None = None, budget: float = 60.0, **request: Any
    ) -> Envelope:
        """One exchange that may be repeated: its envelope if the code is 200, else the error it stands for."""
        try:
            reply = exchange(
                self._session, method, (base or self.base_url) + path, auth=self._auth, budget=budget, **request
            )
        except TransportError as error:
            raise Unavailable(error.message, hint="check the network and try again") from error
        answer = _judge(reply, self.api_key)
        if isinstance(answer, LumaError):
            raise answer
        return answer


class _Readable(BufferedReader):
    """A file whose trouble is not taken for that of the connection it is read for."""

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except OSError as error:
            raise FileError(f"cannot read {Path(str(self.name)).name}: {reason(error)}") from error


def _judge(reply: Reply, api_key: str) -> Envelope | LumaError:
    """The body's code comes before the HTTP status: most errors arrive as HTTP 200 (vendor's schema, observed).

    An answer that quotes the key must not carry it into the journal.
    """
    try:
        answer = envelope.parse_envelope(reply.body, api_key)
    except NotAnEnvelope:
        host = redaction.scrub(host_of(reply.headers.get("Location", "")), api_key)
        error = envelope.error_without_envelope(reply.status, host)
    else:
        if answer.code == 200:
            return answer
        error = envelope.error_for(answer.code, answer.message, reply.status)
    if isinstance(error, Unavailable):
        error.retry_after = parse_retry_after(reply.headers)
    return error


def _judge_submission(reply: Reply, api_key: str) -> str:
    """The task id, or the error: a refusal only where the answer says for certain that nothing was created."""
    answer = _judge(reply, api_key)
    if isinstance(answer, Envelope):
        task_id = answer.data.get("taskId") if isinstance(answer.data, dict) else None
        if task.is_task_id(task_id):
            return str(task_id)
        raise _unknown("accepted, but the answer has no usable task id", reply.body, api_key)
    if reply.status == 429 or answer.api_code == 429:
        answer.api_code = 429
        raise answer
    if answer.api_code in REFUSALS or (answer.api_code is None and reply.status in (401, 403, 404)):
        raise answer
    raise _unknown(f"submitted, but {answer.message}", reply.body, api_key, answer.api_code, reply.status)


def _unknown(
    message: str, raw: bytes, api_key: str, api_code: int | None = None, status: int | None = None
) -> OutcomeUnknown:
    error = OutcomeUnknown(
        f"{message}: it may have been created and charged",
        hint=OutcomeUnknown.NEXT_STEP,
        api_code=api_code,
        http_status=status,
    )
    error.raw = redaction.scrub(raw.decode("utf-8", "backslashreplace"), api_key)[:MAX_RAW]
    return error
