"""The client of kie.ai's HTTP API: addresses, judgement of replies, and what may be sent twice."""

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, TypeVar

from luma_cli import signals
from luma_cli.api import envelope, redaction, task
from luma_cli.api.envelope import Envelope, NotAnEnvelope
from luma_cli.api.hosts import host_of, is_link, is_loopback
from luma_cli.api.models import Model, find_model
from luma_cli.api.payload import from_api, payload_of
from luma_cli.api.task import DEFAULT_MODEL, Edit, State, Task
from luma_cli.api.transport import Bearer, Reply, Session, TransportError, exchange, parse_retry_after
from luma_cli.api.upload import ClipReader, upload_body
from luma_cli.errors import (
    FileError,
    LumaError,
    NoLongerOffered,
    OutcomeUnknown,
    Rejected,
    TaskFailed,
    Unavailable,
    reason,
)

CREDIT = "/api/v1/chat/credit"
DOWNLOAD_URL = "/api/v1/common/download-url"
STREAM_UPLOAD = "/api/file-stream-upload"

MAX_PAUSE = 60.0
# After these a connection that was never made is tried again, if no more than so much time has passed.
CONNECT_PAUSES = (1.0, 2.0)
CONNECT_PATIENCE = 10.0
READ_PAUSES = (1.0, 2.0)
MAX_SILENCE = 5.0
MAX_RAW = 1 << 16
# An upload slower than 50 kB/s is taken for a peer that plays with us. `UPLOAD_IDLE` bounds the wait for the reply.
UPLOAD_BUDGET = 120.0
MIN_UPLOAD_RATE = 50_000
UPLOAD_IDLE = 120.0

# Replies that surely created nothing (vendor's code list); everything else about a submission is "unknown".
REFUSALS = frozenset({400, 401, 402, 403, 404, 405, 422, 433, 451, 455, 505})
# No task has this id, so that asking about it tells only whether the endpoint is there. Nothing is ever submitted to
# find that out: the service bills nonsense too (seen by users).
IMPOSSIBLE_ID = "0" * 32

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(eq=False, repr=False)  # no text of it: that would show the key
class Client:
    """One account at one service address. The key goes to these two hosts and nowhere else.

    `on_pause` hears why we wait, if that takes longer than a person would put up with silently.
    """

    base_url: str
    upload_url: str
    api_key: str
    _: KW_ONLY
    ca_bundle: str | None = None
    on_pause: Callable[[str], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._auth = Bearer(self.api_key)
        self._session = Session(ca_bundle=self.ca_bundle)

    def close(self) -> None:
        self._session.close()

    @property
    def is_local(self) -> bool:
        """True for a sandbox on this machine."""
        return is_loopback(host_of(self.base_url))

    def file_session(self) -> Session:
        """A session for file hosts: it shares nothing with ours and knows no key."""
        return Session(ca_bundle=self.ca_bundle, public_only=not self.is_local)

    def submit(self, edit: Edit) -> str:
        """Send the one request that costs money and return the task id.

        Sent again only when the connection was never made, so that it surely created nothing.
        Signals are held back from the first byte on (`signals.hold`); the caller calls `signals.release` once the id
        is safe.

        Raises:
            OutcomeUnknown: sent, and no reply says that nothing was created; `raw` has what came back.
            KeyRejected, OutOfCredits, Rejected, Unavailable: nothing was created.
        """
        started, pauses = self.clock(), iter(CONNECT_PAUSES)
        while True:
            try:
                return self._submit_once(edit)
            except TransportError as error:
                pause, is_over = next(pauses, None), self.clock() - started >= CONNECT_PATIENCE
                if error.fault not in ("connect", "dns") or pause is None or is_over:
                    raise _unreachable(error, "; nothing was sent") from error
                signals.release()
                self.wait(pause, error.message)

    def task(self, task_id: str, model: str = DEFAULT_MODEL) -> Task:
        """Ask once how a task of a model stands.

        Raises:
            Rejected: the service does not know the task (404, 422), or no longer offers the model.
            Unavailable: a temporary failure; may be asked again.
            KeyRejected, OutOfCredits: as they say.
            UsageError: there is no such model.
        """
        row = find_model(model)
        try:
            reply = self._call("GET", row.family.record_path, params={"taskId": task_id}, model=row)
        except LumaError as error:
            error.task_id = task_id
            if error.api_code in task.FINAL_CODES:  # final for this task (vendor's code list)
                # Those who report a failed task say in their own words that it has failed.
                words = "" if isinstance(error, TaskFailed) else envelope.MEANINGS[error.api_code].words
                said = ": ".join(filter(None, (words, error.said))) or None
                return Task(
                    task_id, State.GENERATE_FAILED, error_code=error.api_code, error_message=said, model=row.name
                )
            if isinstance(error, Rejected) and error.is_not_found and not isinstance(error, NoLongerOffered):
                error.message = envelope.sentence(
                    f"kie.ai does not know the task {task_id}", error.said, error.api_code
                )
                error.hint = "https://kie.ai/logs shows the ids of this account"
            raise
        if not isinstance(reply.data, dict):
            raise Unavailable("kie.ai gave an unexpected reply about the task", task_id=task_id)
        if reply.data.get("taskId") not in (None, task_id):
            raise Unavailable("the reply was for another task", task_id=task_id)
        return from_api(reply.data, task_id, row)

    def endpoint_answers(self, model: str = DEFAULT_MODEL) -> bool:
        """Whether the service still has the endpoint of a model: asks once about a task that cannot exist.

        Raises:
            KeyRejected, OutOfCredits, Unavailable: as for `task`.
        """
        try:
            self.task(IMPOSSIBLE_ID, model)
        except NoLongerOffered:
            return False
        except Rejected:
            pass  # it does not know the task: that is a reply
        return True

    def credits(self) -> float:
        """The balance in credits; may be fractional.

        Raises:
            KeyRejected, Unavailable: as for `task`.
        """
        balance = task.as_amount(self._call("GET", CREDIT).data)
        if balance is None:
            raise Unavailable("kie.ai gave an unexpected reply about the balance")
        return balance

    def server_date(self) -> str | None:
        """The Date header of a reply. Raises Unavailable if there is none."""
        try:
            return exchange(self._session, "GET", self.base_url + CREDIT, auth=self._auth).headers.get("Date")
        except TransportError as error:
            raise _unreachable(error) from error

    def download_url(self, url: str) -> str:
        """A fresh link, valid for 20 minutes, for a result of kie.ai's own.

        Raises:
            Rejected: not a file of kie.ai's (422).
            Unavailable: a temporary failure.
        """
        reply = self._call("POST", DOWNLOAD_URL, json={"url": url})
        if not is_link(reply.data):
            raise Unavailable("kie.ai gave an unexpected reply instead of a link")
        return str(reply.data)

    def upload(self, path: Path, on_progress: Callable[[int, int], None]) -> str:
        """Put a local file into kie.ai's temporary store and return its public address.

        The name there is random, since links hold no secret but the name. `on_progress` gets bytes sent and in all.

        Raises:
            FileError: the file cannot be read, or changed meanwhile.
            Rejected, KeyRejected, Unavailable: as for `task`.

        Source: vendor's File Upload API, "file-stream-upload". Life of the file: 24 hours or 3 days, its pages differ.
        """
        name = secrets.token_hex(16) + path.suffix.lower()[:8]
        try:
            with ClipReader(path) as clip:
                body = upload_body(clip, name, on_progress)
                reply = self._call(
                    "POST",
                    STREAM_UPLOAD,
                    base=self.upload_url,
                    budget=UPLOAD_BUDGET + clip.size / MIN_UPLOAD_RATE,
                    read_timeout=UPLOAD_IDLE,
                    data=body,
                    headers={"Content-Type": body.content_type},
                )
                clip.check_unchanged()
        except OSError as error:
            raise FileError(f"cannot read {path.name}: {reason(error)}") from error
        link = reply.data.get("downloadUrl") if isinstance(reply.data, dict) else None
        if not is_link(link):
            raise Unavailable("the upload host gave no usable link", hint="try again later")
        return str(link)

    def patiently(self, read: Callable[[], T]) -> T:
        """Call a reading method, and again after a pause when it met a temporary failure.

        Raises:
            Unavailable: it did not pass. Other errors at once.
        """
        for pause in READ_PAUSES:
            try:
                return read()
            except Unavailable as error:
                if (error.retry_after or 0.0) > MAX_PAUSE:
                    raise
                self.wait(max(pause, error.retry_after or 0.0), error.message)
        return read()

    def wait(self, pause: float, why: str) -> None:
        """Leave the service alone for some seconds, and say so if that is for long."""
        log.info("%s: trying again in %.0f s", why, pause)
        if pause > MAX_SILENCE:
            self.on_pause(f"{why}: trying again in {pause:.0f} s")
        self.sleep(pause)

    def _submit_once(self, edit: Edit) -> str:
        """Raises TransportError only when nothing was sent."""
        model = find_model(edit.model)
        try:
            # A session of its own: a connection kept from before may be dead, and would leave the outcome unknown.
            with Session(ca_bundle=self.ca_bundle) as session:
                reply = exchange(
                    session,
                    "POST",
                    self.base_url + model.family.submit_path,
                    json=payload_of(edit),
                    auth=self._auth,
                    on_sending=signals.hold,
                )
        except TransportError as error:
            if not error.sent:
                raise
            raise _unknown(f"submitted, but {error.message}", error.raw, self.api_key) from error
        return _judge_submission(reply, self.api_key, edit, model)

    def _call(
        self, method: str, path: str, *, base: str | None = None, model: Model | None = None, **request: Any
    ) -> Envelope:
        """One exchange that may be repeated: its envelope if the code is 200, else the error it stands for."""
        try:
            url = (base or self.base_url) + path
            reply = exchange(self._session, method, url, auth=self._auth, **request)
        except TransportError as error:
            raise _unreachable(error) from error
        result = _judge(reply, self.api_key, model)
        if isinstance(result, LumaError):
            raise result
        return result


def _unreachable(error: TransportError, addition: str = "") -> Unavailable:
    hint = "check the network and try again"
    if error.fault == "machine":
        hint = "end other programs, or raise the limit of processes (ulimit -u)"
    return Unavailable(f"{error.message}{addition}", hint=hint)


def _judge(reply: Reply, api_key: str, model: Model | None, *, is_submission: bool = False) -> Envelope | LumaError:
    """The body's code comes before the HTTP status: most errors arrive as HTTP 200 (vendor's schema, observed).

    A reply that quotes the key must not carry it into the journal. `model` is the one whose endpoint was asked: of a
    submission, which looks for nothing, a 404 is about that.
    """
    try:
        found = envelope.parse_envelope(reply.body, api_key)
    except NotAnEnvelope:
        host = redaction.scrub(host_of(reply.headers.get("Location", "")), api_key)
        error = envelope.error_without_envelope(reply.status, host, model)
    else:
        if found.code == 200:
            return found
        is_gone = (is_submission and found.code == 404) or envelope.says_withdrawn(found)
        if model is not None and is_gone:
            error = envelope.no_longer_offered(model, found, reply.status)
        else:
            error = envelope.error_for(found.code, found.message, reply.status)
    if isinstance(error, Unavailable):
        error.retry_after = parse_retry_after(reply.headers)
    return error


def _judge_submission(reply: Reply, api_key: str, edit: Edit, model: Model) -> str:
    """The task id, or the error: a refusal only if the reply says for certain that nothing was created."""
    result = _judge(reply, api_key, model, is_submission=True)
    if isinstance(result, Envelope):
        task_id = result.data.get("taskId") if isinstance(result.data, dict) else None
        if task.is_task_id(task_id):
            return str(task_id)
        raise _unknown("accepted, but the reply has no usable task id", reply.body, api_key)
    code = result.api_code
    if reply.status == 429 or code == 429:
        result.api_code = 429
        raise result
    if code == 422 and not edit.callback_url and not isinstance(result, NoLongerOffered):
        # Documented as optional, and yet wanted by another family (seen by users).
        result.hint = f"{result.hint}; if these are right, try --callback-url"
    if code in REFUSALS or (code is None and reply.status in (401, 403, 404, 410)):
        raise result
    words = f"kie.ai: {result.said} (code {code})" if result.said else f"submitted, but {result.message}"
    raise _unknown(words, reply.body, api_key, code, reply.status)


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
