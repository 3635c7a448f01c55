"""The service's replies: `{"code", "msg", "data"}` read strictly, and each code as an error of ours."""

import json
import re
from typing import Any, NamedTuple

from luma_cli.api.models import MODELS, Model, describe_clip
from luma_cli.api.redaction import scrub
from luma_cli.api.task import as_int, as_text
from luma_cli.errors import KeyRejected, LumaError, NoLongerOffered, OutOfCredits, Rejected, TaskFailed, Unavailable

MAX_MESSAGE = 240
MAX_DIGITS = 400

KEY_HINT = "luma config check; keys are made at https://kie.ai/api-key"


class Meaning(NamedTuple):
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
    404: Meaning(Rejected, "kie.ai cannot find it", None),
    405: Meaning(Rejected, "kie.ai does not allow this call", "luma config get base_url"),
    408: Meaning(Unavailable, "kie.ai got no result from its model in time", "try again later"),
    422: Meaning(Rejected, "kie.ai refused the input", "check the prompt and the clip"),
    429: Meaning(Unavailable, "kie.ai's rate limit is reached, nothing was created", "try again in a minute"),
    # The cap is a daily one (seen by users).
    433: Meaning(
        OutOfCredits,
        "the usage cap of this key is reached",
        "raise it at https://kie.ai/api-key, or wait until tomorrow",
    ),
    451: Meaning(Rejected, "kie.ai could not fetch the video", "check that the link opens without a login"),
    455: Meaning(Unavailable, "kie.ai is under maintenance", "try again later"),
    500: Meaning(Unavailable, "kie.ai had an internal error", "try again later"),
    501: Meaning(TaskFailed, "the generation failed at kie.ai", "change the prompt or the clip"),
    505: Meaning(Rejected, "kie.ai has switched this feature off", "see https://kie.ai for what it offers now"),
    531: Meaning(TaskFailed, "the generation failed at kie.ai", "change the prompt or the clip"),
    550: Meaning(Unavailable, "kie.ai denied the connection", "try again later"),
}


# A withdrawn model answers 422 with such words (seen by users, 2026). Only wording and hint go by them.
_WITHDRAWN = (
    r"(?is)\b(page|model)\b.{0,60}\b(not exist|doesn't exist|not (been |yet )?published|isn't published|unpublished)"
    r"|(页面|模型).{0,20}(不存在|未发布)"
)


class NotAnEnvelope(ValueError):
    """The body is not what the service documents; the text says in few words why."""


class Envelope(NamedTuple):
    code: int
    message: str
    data: Any


def parse_envelope(body: bytes, secret: str = "") -> Envelope:
    """Read a reply's body, whatever its Content-Type says, and take out the secret if the service quotes it.

    Strict where leniency costs money (measured): of duplicate keys the last would win (500, then 200, reads as 200),
    and True and 200.0 would pass for numbers. A code as decimal text counts. A number that is none (NaN, or of
    thousands of digits) is absent, wherever it stands: a cost that nobody can read must not hide a finished task.

    Raises:
        NotAnEnvelope: anything else.
    """
    try:
        reply = json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_unique,
            parse_int=lambda digits: int(digits) if len(digits) <= MAX_DIGITS else None,
            parse_constant=lambda _: None,
        )
        reply = scrub(reply, secret)
    except RecursionError:
        raise NotAnEnvelope("nested too deeply") from None
    except ValueError as error:
        raise NotAnEnvelope(str(error) if isinstance(error, NotAnEnvelope) else "not the expected JSON") from None
    if not isinstance(reply, dict):
        raise NotAnEnvelope("not the expected JSON")
    code = as_int(reply.get("code"))
    if code is None:
        raise NotAnEnvelope("no usable code")
    return Envelope(code, as_text(reply.get("msg")) or "", reply.get("data"))


def sentence(words: str, said: str, code: int | None) -> str:
    """Our words for what has happened, those of the service, and the code."""
    return f"{words}{f': {said}' if said else ''} (code {code})"


def error_for(code: int, message: str, http_status: int | None) -> LumaError:
    """The error that a code in an envelope stands for. Unknown codes show themselves."""
    kind = Unavailable if 500 <= code <= 599 else LumaError
    meaning = MEANINGS.get(code) or Meaning(kind, "kie.ai replied with an unknown code")
    said = message[:MAX_MESSAGE]
    text = sentence(meaning.words, said, code)
    error = meaning.error(text, hint=meaning.hint, api_code=code, http_status=http_status)
    error.said = said
    return error


def no_longer_offered(model: Model, reply: Envelope | None, http_status: int) -> NoLongerOffered:
    """The service has withdrawn a model; the hint names one of its sisters."""
    sister = MODELS["wan-2.7-edit" if model.name != "wan-2.7-edit" else "happyhorse"]
    words = f"kie.ai no longer offers {model.name}"
    error = NoLongerOffered(
        sentence(words, reply.message[:MAX_MESSAGE], reply.code) if reply else f"{words} (HTTP {http_status})",
        hint=f"https://kie.ai shows what is offered now; try --model {sister.name} ({describe_clip(sister.limits)})",
        api_code=reply.code if reply else None,
        http_status=http_status,
    )
    error.sister = sister.name
    return error


def says_withdrawn(reply: Envelope) -> bool:
    """Whether a refusal says in words that the page or model is gone, or is the code for a feature switched off."""
    return reply.code == 505 or (reply.code in (404, 422) and re.search(_WITHDRAWN, reply.message) is not None)


def error_without_envelope(status: int, location: str, model: Model | None = None) -> LumaError:
    """The error for an HTTP reply that holds no envelope.

    `location` is the host that a redirect would lead to, if any; `model` the one whose endpoint was asked.
    """
    if status in (401, 429):
        return error_for(status, "", status)
    if status == 403:
        return KeyRejected(
            "blocked at the edge of kie.ai (HTTP 403), which is seldom about the key",
            hint="check the key's IP allow-list, a proxy or VPN in between",
            http_status=status,
        )
    if status in (404, 410):
        if model is not None:
            return no_longer_offered(model, None, status)
        return Rejected(
            f"kie.ai no longer offers this endpoint (HTTP {status})",
            hint="check luma config get base_url; https://kie.ai shows what is offered now",
            http_status=status,
        )
    if 300 <= status < 400:
        target = f" to {location[:MAX_MESSAGE]}" if location else ""
        return Unavailable(f"unexpected redirect{target}, not followed", http_status=status)
    return Unavailable(f"kie.ai gave no readable reply (HTTP {status})", hint="try again later", http_status=status)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotAnEnvelope("a key appears twice")
    return members
