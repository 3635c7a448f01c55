"""The service's answers: `{"code", "msg", "data"}` read strictly, and each code as an error of ours."""

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from luma_cli.api.redaction import scrub
from luma_cli.api.task import as_int, as_text
from luma_cli.errors import KeyRejected, LumaError, OutOfCredits, Rejected, TaskFailed, Unavailable

MAX_MESSAGE = 240

KEY_HINT = "luma config check; keys are made at https://kie.ai/api-key"


@dataclass(frozen=True)
class Meaning:
    """What a code means: our error class, our words, and a way on."""

    error: type[LumaError]
    words: str
    hint: str | None = None


# Sources: vendor pages of modify/generate, modify/record-info, chat/credit and common/download-url; 400, 405 from the
# upload API; 408, 433, 451, 531 and 550 from sibling families on the same platform. 403 is Cloudflare's.
MEANINGS = {
    400: Meaning(Rejected, "kie.ai found the request wrong", "check the prompt and the clip"),
    401: Meaning(KeyRejected, "kie.ai refused the API key", KEY_HINT),
    402: Meaning(OutOfCredits, "not enough credits at kie.ai", "top up at https://kie.ai/pricing"),
    403: Meaning(KeyRejected, "kie.ai does not let this key or address in", "check the key's IP allow-list at kie.ai"),
    404: Meaning(Rejected, "kie.ai knows no such thing", None),
    405: Meaning(Rejected, "kie.ai does not allow this call", "luma config get base_url"),
    408: Meaning(Unavailable, "kie.ai got no answer from its model in time", "try again later"),
    422: Meaning(Rejected, "kie.ai refused the input", "check the prompt and the clip"),
    429: Meaning(Unavailable, "kie.ai's rate limit is reached, nothing was created", "try again in a minute"),
    433: Meaning(OutOfCredits, "the usage cap of this key is reached", "raise the cap at https://kie.ai/api-key"),
    451: Meaning(Rejected, "kie.ai could not fetch the video", "check that the link opens without a login"),
    455: Meaning(Unavailable, "kie.ai is under maintenance", "try again later"),
    500: Meaning(Unavailable, "kie.ai had an internal error", "try again later"),
    501: Meaning(TaskFailed, "the generation failed at kie.ai", "change the prompt or the clip"),
    505: Meaning(Rejected, "kie.ai has switched this feature off", "see https://kie.ai for what it offers now"),
    531: Meaning(TaskFailed, "the generation failed at kie.ai", "change the prompt or the clip"),
    550: Meaning(Unavailable, "kie.ai denied the connection", "try again later"),
}


class NotAnEnvelope(ValueError):
    """The body is not what the service documents; the text says in few words why."""


@dataclass(frozen=True)
class Envelope:
    code: int
    message: str
    data: Any


def parse_envelope(body: bytes, secret: str = "") -> Envelope:
    """Read an answer's body, whatever its Content-Type says, and take out the secret where the service quotes it.

    Strict where leniency costs money (measured): of duplicate keys the last would win (500, then 200, reads as 200),
    and True, 200.0 and NaN would pass for numbers. A code as decimal text counts.

    Raises:
        NotAnEnvelope: anything else.
    """
    try:
        answer = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_no_constant)
        answer = scrub(answer, secret)
    except RecursionError:
        raise NotAnEnvelope("nested too deeply") from None
    except ValueError as error:
        raise NotAnEnvelope(str(error) if isinstance(error, NotAnEnvelope) else "not the expected JSON") from None
    if not isinstance(answer, dict):
        raise NotAnEnvelope("not the expected JSON")
    code = as_int(answer.get("code"))
    if code is None:
        raise NotAnEnvelope("no usable code")
    return Envelope(code, as_text(answer.get("msg")) or "", answer.get("data"))


def error_for(code: int, message: str, http_status: int | None) -> LumaError:
    """The error that a code in an envelope stands for. Unknown codes show themselves."""
    meaning = MEANINGS.get(code)
    if meaning is None:
        kind = Unavailable if 500 <= code <= 599 else LumaError
        meaning = Meaning(kind, "kie.ai answered with an unknown code")
    said = f": {message[:MAX_MESSAGE]}" if message else ""
    return meaning.error(
        f"{meaning.words}{said} (code {code})", hint=meaning.hint, api_code=code, http_status=http_status
    )


def error_without_envelope(status: int, location: str) -> LumaError:
    """The error for an HTTP answer that holds no envelope. `location` is where a redirect would lead, if any."""
    if status == 401:
        return error_for(401, "", status)
    if status == 403:
        return KeyRejected(
            "blocked at the edge of kie.ai (HTTP 403), which is seldom about the key",
            hint="check the key's IP allow-list, a proxy or VPN in between",
            http_status=status,
        )
    if status in (404, 410):
        return Rejected(
            f"kie.ai no longer offers this endpoint (HTTP {status})",
            hint="luma config get base_url; see https://kie.ai for what it offers now",
            http_status=status,
        )
    if status == 429:
        return error_for(429, "", status)
    if 300 <= status < 400:
        where = f" to {location[:MAX_MESSAGE]}" if location else ""
        return Unavailable(f"unexpected redirect{where}, not followed", http_status=status)
    return Unavailable(f"kie.ai gave no readable answer (HTTP {status})", hint="try again later", http_status=status)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotAnEnvelope("a key appears twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise NotAnEnvelope(f"{name} is not a number")
