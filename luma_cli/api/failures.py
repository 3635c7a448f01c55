"""Why an edit failed at the service, as far as its words tell: only the hint depends on them, never the exit code.

Moderation comes after acceptance. What it refuses for content may pass in other words or another run; what it refuses
for copyright or a public figure is refused for ever (seen by users of the platform, October 2026).
"""

import re
from enum import StrEnum

from luma_cli.api.task import Task


class Failure(StrEnum):
    """The classes that differ in what to do next."""

    CONTENT = "content"
    COPYRIGHT = "copyright"
    UPSTREAM = "upstream"
    UNKNOWN = "unknown"


# In this order: "copyrighted content" is about copyright.
_WORDS = (
    (
        Failure.COPYRIGHT,
        r"copyright|trademark|intellectual property|public figure|prominent (person|people)|celebrit|likeness"
        r"|real (person|people)|third[- ]party (content|rights)",
    ),
    (
        Failure.CONTENT,
        r"moderat|content polic|usage polic|polic(y|ies) violat|violat\w* .{0,40}(polic|guideline|terms)|guideline"
        r"|nsfw|sensitive|unsafe|safety|inappropriate|prohibited|sexual|nudity|violen|flagged|harmful|content filter",
    ),
    (
        Failure.UPSTREAM,
        r"internal|upstream|time[ds]?[- ]?out|server (error|is busy)|overload|unavailable|busy|network|temporar"
        r"|try again|retry|no (result|response|answer)|capacity|exception",
    ),
)
_UPSTREAM_CODES = (408, 500, 502, 503, 504, 550)

HINTS = {
    Failure.CONTENT: "change the prompt or the clip: the service's content check refused it",
    Failure.COPYRIGHT: "use another clip or prompt: what is refused for copyright or a public figure is always refused",
    Failure.UPSTREAM: "the same edit once more is reasonable: luma redo {task_id}",
    Failure.UNKNOWN: "change the prompt or the clip; https://kie.ai/logs may say more",
}


def failure_of(code: int | str | None, message: str | None) -> Failure:
    """The class of a failure, from the words of the service first and from its code second."""
    for failure, words in _WORDS:
        if re.search(words, message or "", re.IGNORECASE):
            return failure
    return Failure.UPSTREAM if code in _UPSTREAM_CODES else Failure.UNKNOWN


def failure_hint(task: Task) -> str:
    """What to do about a failed task."""
    return HINTS[failure_of(task.error_code, task.error_message)].format(task_id=task.task_id)
