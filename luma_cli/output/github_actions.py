"""What a step of GitHub Actions leaves behind: outputs for later steps, and a table in the run's summary."""

import html
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from luma_cli.api.task import Task, is_link
from luma_cli.config import settings
from luma_cli.errors import FileError, reason
from luma_cli.output.formats import format_credits, format_span
from luma_cli.output.task_list import name_of

MAX_PROMPT = 120
# GitHub takes 1 MiB of a step; something is left for other tools of the same step.
MAX_SUMMARY = 900_000


def write_step(tasks: Sequence[Task], exit_code: int) -> None:
    """Append to the files that GitHub names; where it names none, nothing is written.

    Step outputs: `task-id`, `state`, `url`, `path` of the first task, `task-ids`, `urls`, `paths` of all, one a line,
    and `exit-code`.

    Raises:
        FileError: a file cannot be written.

    Source: GitHub's documentation, "Workflow commands for GitHub Actions" (environment files).
    """
    _append("GITHUB_OUTPUT", "".join(_output(name, lines) for name, lines in _outputs(tasks, exit_code)))
    _append("GITHUB_STEP_SUMMARY", f"### luma\n\n{_summary(tasks)}" if tasks else "")


def _outputs(tasks: Sequence[Task], exit_code: int) -> list[tuple[str, list[str]]]:
    ids = [task.task_id for task in tasks if task.task_id]
    urls = [url for task in tasks for url in task.result_urls]
    paths = [file.path for task in tasks for file in task.files]
    every = [("task-ids", ids), ("urls", urls), ("paths", paths)]
    first = [("task-id", ids[:1]), ("state", [str(task.state) for task in tasks[:1]])]
    return [*first, ("url", urls[:1]), ("path", paths[:1]), *every, ("exit-code", [str(exit_code)])]


def _output(name: str, lines: Iterable[str]) -> str:
    """A value that cannot end itself: its delimiter is random."""
    delimiter = f"luma-{secrets.token_hex(16)}"
    return "\n".join((f"{name}<<{delimiter}", *map(_one_line, lines), delimiter, ""))


def _summary(tasks: Sequence[Task]) -> str:
    """A table that stays below the megabyte that GitHub takes of a step."""
    if not tasks:
        return ""
    names = ("Task", "State", "Clip", "Prompt", "Cost", "Time", "Result")
    lines = [f"| {' | '.join(names)} |", f"| {' | '.join(['---'] * len(names))} |"]
    size = 0
    for number, task in enumerate(tasks):
        row = f"| {' | '.join(_cells(task))} |"
        size += len(row.encode("utf-8", "backslashreplace")) + 1
        if size > MAX_SUMMARY:
            lines += ["", f"… and {len(tasks) - number} more"]
            break
        lines.append(row)
    return "\n".join((*lines, "", ""))


def _cells(task: Task) -> tuple[str, ...]:
    results = [_code(Path(file.path).name) for file in task.files] or [_link(url) for url in task.result_urls]
    if not task.has_ended and task.task_id:
        results = [_code(f"luma wait {task.task_id}")]
    prompt = _one_line(task.prompt or "")
    short = prompt if len(prompt) <= MAX_PROMPT else prompt[: MAX_PROMPT - 1] + "…"
    cost = "" if task.credits is None else format_credits(task.credits)
    time = "" if task.elapsed is None else format_span(task.elapsed)
    return (
        _code(task.task_id),
        _text(task.state),
        _text(_one_line(name_of(task.video_url or ""))),
        _text(short),
        _text(cost),
        _text(time),
        " ".join(results) or _text(_why(task)),
    )


def _why(task: Task) -> str:
    return _one_line(task.error_message or "")


def _one_line(text: str) -> str:
    return " ".join(text.split()) if not text.isprintable() else text


def _text(text: str) -> str:
    """Text that neither Markdown nor HTML takes for more."""
    return "".join(letter if letter.isalnum() or letter in " ,…" else f"&#{ord(letter)};" for letter in text)


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>"


def _link(url: str) -> str:
    return f'<a href="{html.escape(url)}">link</a>' if is_link(url) and "|" not in url else _text(url)


def _append(variable: str, text: str) -> None:
    name = settings.environment(variable)
    if name is None or not text:
        return
    try:
        with Path(name).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise FileError(f"cannot write {variable}: {reason(error)}") from error
