"""What can go wrong, and the exit code of each.

LumaError            1   anything not named below
├ UsageError         2   a local check failed: nothing was sent
├ Declined           3   the user said no, or input ended at a prompt
├ KeyRejected        4   no key, or the service does not accept it      401 403
├ TaskFailed         5   the service gave up on the task                flags 2 3, 501
├ Rejected           6   understood and declined; do not repeat         400 404 405 422 451 505
├ Unavailable        7   network, rate limit, maintenance; later        408 429 455 5xx
├ StillGenerating    8   we stopped waiting; the task goes on
├ MixedOutcomes      9   several tasks ended differently
├ OutOfCredits      10   balance or the key's cap                       402 433
├ FileError         11   exists, cannot write, disk full, gone, cut
├ OutcomeUnknown    12   the submission was sent, its answer lost
└ Interrupted      128+  a signal ended us; the tasks go on
"""

from collections.abc import Iterable
from typing import NamedTuple


class LumaError(Exception):
    """One sentence about what failed; `hint` says what to type or do next.

    `api_code` is the code in the service's envelope, `said` its words there, `http_status` the code of HTTP, `task_id`
    the task it is about.
    `findings` are what the checks before a submission found, where they are the reason.
    """

    code = "internal_error"  # what `--json` calls it: an interface, whatever the class is named
    exit_code = 1
    retryable = False
    findings: "tuple[Finding, ...]" = ()
    said = ""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        api_code: int | None = None,
        http_status: int | None = None,
        task_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.api_code = api_code
        self.http_status = http_status
        self.task_id = task_id


class Finding(NamedTuple):
    """What a check found. `name` is stable, `level` is "error" or "warning", `video` the clip that it is about."""

    name: str
    level: str
    message: str
    hint: str | None = None
    video: str | None = None


class UsageError(LumaError):
    code = "usage_error"
    exit_code = 2


class Declined(LumaError):
    code = "aborted"
    exit_code = 3


class KeyRejected(LumaError):
    code = "key_rejected"
    exit_code = 4


class TaskFailed(LumaError):
    code = "task_failed"
    exit_code = 5


class Rejected(LumaError):
    code = "rejected"
    exit_code = 6

    @property
    def is_not_found(self) -> bool:
        """The service has no record of the task, whether it never will or only not yet (observed)."""
        return self.api_code in (404, 422)


class NoLongerOffered(Rejected):
    """The model seems to be gone. `sister` is the model that the hint names."""

    sister: str


class Unavailable(LumaError):
    """`retry_after` is how many seconds the service asked to be left alone, where it did."""

    code = "unavailable"
    exit_code = 7
    retryable = True
    retry_after: float | None = None


class StillGenerating(LumaError):
    code = "still_generating"
    exit_code = 8
    retryable = True


class MixedOutcomes(LumaError):
    code = "mixed_outcomes"
    exit_code = 9


class OutOfCredits(LumaError):
    code = "out_of_credits"
    exit_code = 10


class FileError(LumaError):
    code = "file_error"
    exit_code = 11


class OutcomeUnknown(LumaError):
    """`raw` keeps what the service answered, for the journal: it may hold the lost id. `row` is the journal's row."""

    LOOK = "look at https://kie.ai/logs; then `luma tasks adopt ID`"
    NEXT_STEP = f"{LOOK}, or submit again with --resubmit"

    code = "outcome_unknown"
    exit_code = 12
    raw: str | None = None
    row: int | None = None


# What holds for every task of the account: after one of these the next would fail alike.
ACCOUNT_ERRORS = (KeyRejected, OutOfCredits)


class Interrupted(LumaError):
    """A signal ended us; reported like an error, though nothing has failed."""

    code = "interrupted"
    retryable = True

    def __init__(self, message: str, exit_code: int, *, hint: str | None = None, task_id: str | None = None) -> None:
        super().__init__(message, hint=hint, task_id=task_id)
        self.exit_code = exit_code


class ExitCode(NamedTuple):
    code: int
    meaning: str
    next_step: str


# The one table behind `luma help exit-codes`, the README and the man pages. An interface: add, never renumber.
EXIT_CODES = (
    ExitCode(0, "done", ""),
    ExitCode(1, "internal error", "report it"),
    ExitCode(2, "wrong usage, or a local check failed: nothing was sent", "fix the call"),
    ExitCode(3, "declined, or end of input at a prompt", ""),
    ExitCode(4, "key missing, refused, or not allowed from this address (401, 403)", "fix the key"),
    ExitCode(5, "the edit failed at kie.ai (flag 2 or 3, code 501)", "change prompt or clip"),
    ExitCode(6, "refused for good (400, 404, 405, 422, 451, 505, endpoint gone)", "fix the input"),
    ExitCode(
        7,
        "temporary failure after retries (network, TLS, 408, 429, 455; 5xx on reads): nothing charged by this call",
        "later",
    ),
    ExitCode(8, "not finished within the limit, or still generating", "luma wait ID"),
    ExitCode(9, "several tasks with different outcomes", "read the lines"),
    ExitCode(10, "out of credits, the key's cap (402, 433) or your own limit reached", "top up, or raise the limit"),
    ExitCode(11, "local file problem: exists, cannot write, disk full, result gone or incomplete", ""),
    ExitCode(
        12,
        "submission sent, response lost, unreadable or 5xx: outcome unknown",
        "luma tasks, kie.ai/logs, luma tasks adopt ID",
    ),
    ExitCode(129, "hang-up; the task goes on", "luma wait"),
    ExitCode(130, "Ctrl-C; the task goes on", "luma wait"),
    ExitCode(141, "closed pipe; the task goes on", "luma wait"),
    ExitCode(143, "terminated; the task goes on", "luma wait"),
)


def reason(error: OSError | ValueError) -> str:
    """The system's own words for what failed, without paths and numbers; a ValueError is a name that it cannot take."""
    if isinstance(error, ValueError):
        return "not a usable name"
    return (error.strerror or "input/output error").lower()


def nearest(word: str, known: Iterable[str], likeness: float = 0.5) -> str | None:
    """The known word that was probably meant, for a hint."""
    import difflib  # costs a millisecond, and only a mistake pays it

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=likeness)), None)
