"""What to do about an edit that failed, by the words of the service."""

import pytest

from luma_cli.api.failures import Failure, failure_hint, failure_of
from luma_cli.api.task import State, Task


@pytest.mark.parametrize(
    ("code", "message", "failure"),
    [
        (400, "Your content was flagged by our content policy", Failure.CONTENT),
        (501, "The prompt violates the usage guidelines", Failure.CONTENT),
        (501, "NSFW content detected", Failure.CONTENT),
        (400, "The video may contain copyrighted content, which violates our policy", Failure.COPYRIGHT),
        (501, "A public figure was detected", Failure.COPYRIGHT),
        (500, "Internal error, please try again later.", Failure.UPSTREAM),
        (408, None, Failure.UPSTREAM),
        ("500", "", Failure.UNKNOWN),
        (501, "Generation failed", Failure.UNKNOWN),
        (None, None, Failure.UNKNOWN),
    ],
)
def test_the_class_of_a_failure(code: int | str | None, message: str | None, failure: Failure) -> None:
    assert failure_of(code, message) is failure


def test_only_a_failure_upstream_is_worth_the_same_edit_once_more() -> None:
    task = Task("abc123", State.GENERATE_FAILED, error_code=500, error_message="internal error")
    assert failure_hint(task) == "the same edit once more is reasonable: luma redo abc123"
    assert "redo" not in failure_hint(Task("abc123", error_message="copyright"))
