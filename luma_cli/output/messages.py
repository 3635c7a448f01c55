"""Lines on stderr: notes, warnings, errors with their hints, and what is said when a signal ends us."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from luma_cli.api.hosts import shown
from luma_cli.errors import Finding, Interrupted, KeyRejected, LumaError, OutcomeUnknown, TaskFailed
from luma_cli.output import streams
from luma_cli.output.formats import error_members, finding_members, format_credits

if TYPE_CHECKING:
    from luma_cli.api.task import Task
    from luma_cli.edits.run import Results

MAX_LINE = 400
# Beside the words that say the same: colour carries no meaning alone.
RED, YELLOW, CYAN = 31, 33, 36


def note(text: str) -> None:
    """A line on stderr, not with --quiet."""
    if not streams.mode.quiet:
        streams.say(f"luma: {text}")


def warn(text: str) -> None:
    streams.say(text, label="luma: warning: ", colour=YELLOW)
    _annotate(text, None, level="warning")


def warn_once(text: str) -> None:
    if streams.is_first(text):
        warn(text)


def show_failure(text: str, hint: str | None, level: str = "error") -> None:
    """One of several failures, or of several findings; the last line is `show_error`'s."""
    streams.say(f"luma: {_short(streams.clean(text))}" + (f" ({_short(streams.clean(hint))})" if hint else ""))
    _annotate(text, hint, level)


def show_error(error: LumaError) -> None:
    """What failed and how to go on; with --json the same as an object on the last line."""
    name_key_origin(error)
    streams.say(_short(streams.clean(error.message)), label="luma: error: ", colour=RED)
    if error.hint:
        _show_hint(_short(streams.clean(error.hint)))
    _annotate(error.message, error.hint)
    if streams.wants_json():
        _say_json({"error": error_members(error)})


def name_key_origin(error: LumaError) -> None:
    """Have the hint of a key that the service refused say where that key came from."""
    origin = streams.mode.key_origin
    is_refused = isinstance(error, KeyRejected) and (error.api_code or error.http_status)
    if is_refused and origin is not None and origin not in (error.hint or ""):
        error.hint = f"the refused key is from {origin}" + (f"; {error.hint}" if error.hint else "")


def name_charge(error: LumaError, task: "Task | None") -> None:
    """Have the hint of a failed edit say whether it was charged, if the balance has shown it."""
    if isinstance(error, TaskFailed) and task is not None and task.credits is not None:
        what = f"it was charged: {format_credits(task.credits)} credits" if task.credits else "nothing was charged"
        error.hint = f"{error.hint}; {what}" if error.hint else what


def show_findings(findings: Sequence[Finding], raised: Sequence[Finding] = ()) -> None:
    """What the checks before a submission found: a line each, and with --json one object of all."""
    for finding in findings:
        if finding in raised:
            continue
        about = f"{shown(finding.video)}: " if finding.video else ""
        level = "warning: " if finding.level == "warning" else ""
        show_failure(f"{level}{about}{finding.message} [{finding.name}]", finding.hint, finding.level)
    if findings and streams.wants_json():
        _say_json({"findings": [finding_members(finding) for finding in findings]})


def show_stop(what: str, exit_code: int, results: "Results | None", *, is_paid: bool) -> None:
    """Say that we were stopped, what becomes of the tasks, and the command that goes on.

    `is_paid`: the command submits. `results` are None before it has begun.
    """
    words, hint, running = [what], None, []
    if is_paid and (results is None or not (results.has_sent or results.tasks)):
        words.append("nothing was submitted or charged")
    if results is not None:
        running = list(results.running)
        words += _left_behind(results)
        hint = OutcomeUnknown.NEXT_STEP if results.is_in_doubt else results.next_step
        hint = hint or (results.resume_command() if running else None)
    message = "; ".join(words)
    streams.clear_echo()
    streams.say(f"luma: {message}")
    if hint is not None:
        _show_hint(hint)
    if streams.wants_json():
        task_id = running[0] if len(running) == 1 else None
        _say_json({"error": error_members(Interrupted(message, exit_code, hint=hint, task_id=task_id))})


def _left_behind(results: "Results") -> list[str]:
    """What becomes of tasks."""
    done = len(results.done)
    going = len(results.running) - done
    words = [f"{going} task(s) go on"] if going else []
    if done:
        one = "the edit is done, its video is not saved yet"
        words.append(one if done == results.count == 1 else f"{done} edit(s) are done and not saved yet")
    if results.is_in_doubt:
        words.append("nobody knows whether a task was created")
    return words


def show_running(results: "Results | None") -> None:
    """Tasks that we leave behind on a way out whose last line is about something else."""
    if results is not None and results.running:
        streams.say(f"luma: {'; '.join(_left_behind(results))}: {results.resume_command()}")


def show_traceback(text: str) -> None:
    """For LUMA_DEBUG only."""
    for line in text.splitlines():
        streams.say(line)


def _show_hint(text: str) -> None:
    streams.say(text, label="hint: ", colour=CYAN)


def _say_json(members: dict[str, object]) -> None:
    streams.write(f"{streams.json_line(members)}\n")


def _annotate(text: str, hint: str | None, level: str = "error") -> None:
    """A failure or a warning on the page of the run.

    Source: GitHub's documentation, "Workflow commands for GitHub Actions".
    """
    if streams.mode.github:
        lines = [text, f"hint: {hint}"] if hint else [text]
        escaped = [_short(streams.clean(line)).replace("%", "%25") for line in lines]
        streams.write(f"::{level} title=luma::{'%0A'.join(escaped)}\n")


def _short(text: str) -> str:
    return text if len(text) <= MAX_LINE else text[: MAX_LINE - 1] + "…"
