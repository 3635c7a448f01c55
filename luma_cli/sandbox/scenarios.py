"""What the sandbox can be asked to do, and the error replies that belong to it."""

import re
from typing import NamedTuple

SCENARIOS = {
    "ok": "every edit succeeds",
    "slow": "every edit takes ten times as long",
    "flag2": "the task cannot be created after all",
    "flag3": "the generation fails",
    "flag4": "the video is made, the callback is not delivered",
    "not-visible": "a new task is unknown to the first two questions",
    "rate-limit": "every submission meets the rate limit",
    "maintenance": "every call is answered with maintenance",
    "no-credits": "there are no credits left",
    "bad-key": "the key is refused with HTTP 401",
    "http-200-401": "the key is refused with HTTP 200 and code 401",
    "gone": "the endpoint does not exist any more",
    "cut-transfer": "the first two downloads of a result break off",
    "expired-link": "result links are refused, fresh ones work",
    "lost-answer": "the task is created, the reply is lost",
    "server-error": "submissions are answered with HTTP 500",
    "garbage": "submissions are answered with HTML",
    "realistic": "results are silent, 24 fps, another size (needs ffmpeg)",
    "moderation": "the task is accepted, then refused for its content",
    "never-ends": "the task is accepted and waits for ever",
    "withdrawn": "the model is no longer published: code 422",
    "validation-500": "submissions are refused with code 500 and a reason",
    "empty-429": "an empty account is answered with code 429",
    "record-408": "the record of an ended task is code 408",
    "record-501": "the record of an ended task is code 501",
    "urls-as-text": "result links come as a text that holds a JSON list",
    "callback-duplicate": "each callback is delivered twice",
    "callback-forged": "callbacks carry a wrong signature",
    "callback-stale": "callbacks carry a signature ten minutes old",
}


class ErrorReply(NamedTuple):
    """An error that holds for a whole call: HTTP status and envelope. Codes from the vendor's pages."""

    status: int
    code: int
    message: str


class Failure(NamedTuple):
    """How a task fails: the flag of the Luma family, and code and message of every family."""

    flag: int
    code: int
    message: str


CALL_ERRORS = {
    "maintenance": ErrorReply(200, 455, "The service is under maintenance"),
    "bad-key": ErrorReply(401, 401, "You do not have access permissions"),
    "http-200-401": ErrorReply(200, 401, "You do not have access permissions"),
}
# Recorded by users of the platform until November 2026: a withdrawn model, a validation error, an empty account.
NOT_PUBLISHED = ErrorReply(200, 422, "The page does not exist or is not published")
SUBMIT_ERRORS = {
    **CALL_ERRORS,
    "rate-limit": ErrorReply(429, 429, "Rate limit exceeded"),
    "no-credits": ErrorReply(200, 402, "Insufficient credits"),
    "empty-429": ErrorReply(429, 429, "credits are insufficient"),
    "withdrawn": NOT_PUBLISHED,
    "validation-500": ErrorReply(200, 500, "The parameter is invalid: this video cannot be processed"),
    "server-error": ErrorReply(500, 500, "Server error"),
}
RECORD_ERRORS = {
    "record-408": ErrorReply(200, 408, "The upstream service gave no result in time"),
    "record-501": ErrorReply(200, 501, "Generation failed"),
}
FAILURES = {
    "flag2": Failure(2, 501, "Failed to create the task"),
    "flag3": Failure(3, 501, "Generation failed"),
    "moderation": Failure(3, 400, "The content was flagged by our moderation"),
    **{name: Failure(3, reply.code, reply.message) for name, reply in RECORD_ERRORS.items()},
}

_PREFIX = re.compile(r"sandbox:([a-z0-9-]+)")


def named_in(prompt: object) -> str | None:
    """The scenario that a prompt like `sandbox:flag3 Heavy snow` asks for."""
    found = _PREFIX.match(prompt) if isinstance(prompt, str) else None
    return found[1] if found else None
