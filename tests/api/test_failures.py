"""What to do about an edit that failed, by the words of the service."""

import pytest

from luma_cli.api.failures import failure_hint
from luma_cli.api.task import Task

CONTENT, COPYRIGHT = "content check refused it", "copyright or a public figure is always refused"
UPSTREAM, UNKNOWN = "the same edit once more is reasonable: luma redo abc123", "https://kie.ai/logs may say more"


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        (400, "Your content was flagged by our content policy", CONTENT),
        (501, "The prompt violates the usage guidelines", CONTENT),
        (501, "NSFW content detected", CONTENT),
        (400, "The video may contain copyrighted content, which violates our policy", COPYRIGHT),
        (501, "A public figure was detected", COPYRIGHT),
        (500, "Internal error, please try again later.", UPSTREAM),
        (408, None, UPSTREAM),
        ("500", "", UNKNOWN),
        (501, "Generation failed", UNKNOWN),
        (None, None, UNKNOWN),
    ],
)
def test_the_hint_says_what_may_help(code: int | str | None, message: str | None, hint: str) -> None:
    assert failure_hint(Task("abc123", error_code=code, error_message=message)).endswith(hint)
