"""What the sandbox can be told to do."""

import re

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
    "lost-answer": "the task is created, the answer is lost",
    "server-error": "submissions are answered with HTTP 500",
    "garbage": "submissions are answered with HTML",
    "callback-duplicate": "each callback is delivered twice",
    "callback-forged": "callbacks carry a wrong signature",
    "callback-stale": "callbacks carry a signature ten minutes old",
    "callback-late": "callbacks come late",
}

# Error answers that hold for whole calls: HTTP status and envelope. Codes from the vendor's pages.
CALL_ERRORS = {
    "maintenance": (200, 455, "The service is under maintenance"),
    "bad-key": (401, 401, "You do not have access permissions"),
    "http-200-401": (200, 401, "You do not have access permissions"),
}
SUBMIT_ERRORS = {
    **CALL_ERRORS,
    "rate-limit": (429, 429, "Rate limit exceeded"),
    "no-credits": (200, 402, "Insufficient credits"),
    "server-error": (500, 500, "Server error"),
}

_PREFIX = re.compile(r"sandbox:([a-z0-9-]+)")


def named_in(prompt: str) -> str | None:
    """The scenario that a prompt like `sandbox:flag3 Heavy snow` asks for."""
    found = _PREFIX.match(prompt)
    return found[1] if found else None
