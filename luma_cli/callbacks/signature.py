"""Tell genuine callbacks from the rest: signature, freshness, the id they are about, and replays."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from luma_cli.api.models import MODELS
from luma_cli.api.task import is_task_id

# No skew is documented; the contract grants five minutes either way.
FRESHNESS = 300
MAX_DELIVERIES = 20_000

SIGNATURE = "x-webhook-signature"
TIMESTAMP = "x-webhook-timestamp"
PASSED_ON = ("content-type", TIMESTAMP, SIGNATURE)
# A callback does not say which family it is of.
ID_PATHS = tuple(dict.fromkeys(path for model in MODELS.values() for path in model.family.callback_ids))

Headers = Mapping[str, list[str]]

WRONG_SIGNATURE = "a callback without a valid signature was refused; is webhook_key the one at https://kie.ai/settings?"
WRONG_TIME = "a callback was refused: its time is more than 5 min away from this machine's clock"


class InvalidCallback(Exception):
    """A request that is answered with an error status and nothing else. `reason` is for our own user."""

    def __init__(self, status: int, reason: str | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.reason = reason


class Callback(NamedTuple):
    """One callback. Only its id is believed, and that only where `verified`: the signature covers nothing else."""

    task_id: str
    verified: bool
    timestamp: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def sign(webhook_key: str, task_id: str, timestamp: str) -> str:
    """Base64 of HMAC-SHA256 over `taskId.timestamp` (vendor page "Webhook Security", 2026-11)."""
    digest = hmac.new(webhook_key.encode(), f"{task_id}.{timestamp}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def verify(headers: Headers, body: bytes, webhook_key: str | None, now: float) -> Callback:
    """The callback that a request holds. `headers` have lower-case names; `now` is a Unix time in seconds.

    Raises:
        InvalidCallback: no task id in it (400), or, where a key is set, not signed with it just now (401).
    """
    timestamp = _fresh_timestamp(headers, now) if webhook_key is not None else ""
    task_id = find_task_id(body)
    if webhook_key is not None:
        given = headers.get(SIGNATURE, [])
        expected = sign(webhook_key, task_id, timestamp).encode()
        # Texts of Base64 are compared, not what they decode to: decoders take junk and other alphabets (measured).
        if len(given) != 1 or not hmac.compare_digest(given[0].encode("utf-8", "surrogatepass"), expected):
            raise InvalidCallback(401, WRONG_SIGNATURE)
    passed_on = tuple((name, headers[name][0]) for name in PASSED_ON if name in headers)
    return Callback(task_id, webhook_key is not None, timestamp, passed_on, body)


def find_task_id(body: bytes) -> str:
    """The first id that stands where ids may stand.

    Raises:
        InvalidCallback: not JSON, or the first id in it is none that we could use.
    """
    try:
        payload = json.loads(body.decode("utf-8"))
        json.dumps(payload, ensure_ascii=False).encode("utf-8")  # lone surrogates would crash whoever prints them
    except (ValueError, RecursionError) as error:
        raise InvalidCallback(400) from error
    for path in ID_PATHS:
        value: Any = payload
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            if not is_task_id(value):
                raise InvalidCallback(400)
            return str(value)
    raise InvalidCallback(400)


def _fresh_timestamp(headers: Headers, now: float) -> str:
    given = headers.get(TIMESTAMP, [])
    # `int` alone would take other scripts' digits, signs, blanks and underscores (measured).
    if len(given) != 1 or re.fullmatch(r"[0-9]{1,12}", given[0]) is None:
        raise InvalidCallback(401, WRONG_SIGNATURE)
    if abs(now - int(given[0])) > FRESHNESS:
        raise InvalidCallback(401, WRONG_TIME)
    return given[0]


class Deliveries:
    """The signed deliveries of late, so that a replay is told from a new one. Holds at most `most`."""

    def __init__(self, most: int = MAX_DELIVERIES) -> None:
        self._seen: dict[tuple[str, str], None] = {}
        self._most = most

    def __len__(self) -> int:
        return len(self._seen)

    def is_known(self, callback: Callback) -> bool:
        return callback.verified and (callback.task_id, callback.timestamp) in self._seen

    def remember(self, callback: Callback) -> None:
        if callback.verified:
            self._seen[callback.task_id, callback.timestamp] = None
            if len(self._seen) > self._most:
                del self._seen[next(iter(self._seen))]
