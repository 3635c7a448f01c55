"""Why an edit failed at the service, as far as its words tell: only the hint depends on them, never the exit code.

Moderation comes after acceptance. What it refuses for content may pass in other words or another run; what it refuses
for copyright or a public figure is refused for ever (seen by users of the platform, October 2026).
"""

import re

from luma_cli.api.task import Task

_COPYRIGHT = "use another clip or prompt: what is refused for copyright or a public figure is always refused"
_CONTENT = "change the prompt or the clip: the service's content check refused it"
_UPSTREAM = "the same edit once more is reasonable: luma redo {task_id}"
_UNKNOWN = "change the prompt or the clip; https://kie.ai/logs may say more"

# In this order: "copyrighted content" is about copyright.
_WORDS = {
    r"copyright|trademark|intellectual property|public figure|prominent (person|people)|celebrit|likeness"
    r"|real (person|people)|third[- ]party (content|rights)": _COPYRIGHT,
    r"moderat|content polic|usage polic|polic(y|ies) violat|violat\w* .{0,40}(polic|guideline|terms)|guideline"
    r"|nsfw|sensitive|unsafe|safety|inappropriate|prohibited|sexual|nudity|violen|flagged|harmful"
    r"|content filter": _CONTENT,
    r"internal|upstream|time[ds]?[- ]?out|server (error|is busy)|overload|unavailable|busy|network|temporar"
    r"|try again|retry|no (result|response|answer)|capacity|exception": _UPSTREAM,
}
_UPSTREAM_CODES = (408, 500, 502, 503, 504, 550)


def failure_hint(task: Task) -> str:
    """What to do about a failed task, from the words of the service first and from its code second."""
    otherwise = _UPSTREAM if task.error_code in _UPSTREAM_CODES else _UNKNOWN
    said = task.error_message or ""
    hint = next((hint for words, hint in _WORDS.items() if re.search(words, said, re.IGNORECASE)), otherwise)
    return hint.format(task_id=task.task_id)
