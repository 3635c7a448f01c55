"""What a step of GitHub Actions leaves behind: outputs for later steps, and a table in the run's summary."""

import html
import secrets
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path

from luma_cli.api.hosts import is_link
from luma_cli.api.task import State, Task
from luma_cli.config import environment
from luma_cli.edits.run import Results
from luma_cli.errors import FileError, LumaError, OutcomeUnknown, reason
from luma_cli.output import streams
from luma_cli.output.formats import format_credits, format_span
from luma_cli.output.task_list import name_of

MAX_PROMPT = 120
# GitHub takes 1 MiB of a step; something is left for other tools of the same step.
MAX_SUMMARY = 900_000


def write_step(results: Results, exit_code: int, error: LumaError | None = None) -> None:
    """Append to the files that GitHub names; where it names none, nothing is written.

    Step outputs: `task-id`, `state`, `url`, `path`, `prompt`, `clip` and `duration` (seconds) of the first task,
    `task-ids`, `urls`, `paths` of all, one a line, `cost` of all if each is known, `shard` and `exit-code`.

    Raises:
        FileError: a file cannot be written.

    Source: GitHub's documentation, "Workflow commands for GitHub Actions" (environment files).
    """
    _append("GITHUB_OUTPUT", "".join(_output(name, lines) for name, lines in outputs(results, exit_code).items()))
    if not (table := summary(results)) and error is not None:
        table = f"{_text(_one_line(error.message))}\n\n"
    if table:
        shard = f", shard {results.shard}" if results.shard is not None else ""
        again = f"{_code(results.next_step)}\n\n" if results.next_step and results.running else ""
        _append("GITHUB_STEP_SUMMARY", f"### luma{shard}\n\n{_totals(results)}{table}{again}")


def outputs(results: Results, exit_code: int) -> dict[str, list[str]]:
    """The lines of each step output."""
    tasks = list(results.tasks.values())
    ids = [task.task_id for task in tasks if task.task_id]
    urls = [url for task in tasks for url in task.result_urls]
    paths = [file.path for task in tasks for file in task.files]
    known, unknown = _costs(results)
    first = tasks[0] if tasks else Task("")
    elapsed = first.elapsed if first.task_id else None
    return {
        "task-id": ids[:1],
        "state": [str(first.state)] if tasks else [],
        "url": urls[:1],
        "path": paths[:1],
        "prompt": list(filter(None, [first.prompt])),
        "clip": list(filter(None, [_clip(results, first)])),
        "duration": [] if elapsed is None else [f"{elapsed:.3f}"],
        "task-ids": ids,
        "urls": urls,
        "paths": paths,
        "cost": [f"{known:.12g}"] if ids and not unknown else [],
        "shard": [results.shard] if results.shard is not None else [],
        "exit-code": [str(exit_code)],
    }


def _clip(results: Results, task: Task) -> str:
    name = task.task_id or " ".join(file.path for file in task.files)
    return results.clips.get(name) or task.video_url or ""


def _costs(results: Results) -> tuple[float, int]:
    """What all tasks have cost, as far as it is known, and how many there are of unknown cost.

    A joined clip is not a task: its pieces are.
    """
    costs = [task.credits for task in results.tasks.values() if task.task_id]
    return sum(cost for cost in costs if cost is not None), costs.count(None)


def _totals(results: Results) -> str:
    """A line for several edits; "" for one."""
    tasks = [task for task in results.tasks.values() if task.task_id]
    count = len(tasks) + len(results.refused)
    if count < 2:
        return ""
    known, unknown = _costs(results)
    parts = [f"{sum(task.state is State.SUCCEEDED for task in tasks)} of {count} succeeded"]
    parts += [f"{format_credits(known)} credits"] if known or not unknown else []
    parts += [f"{unknown} of unknown cost"] if unknown else []
    return f"{', '.join(parts)}\n\n"


def _output(name: str, lines: Iterable[str]) -> str:
    """A value that cannot end itself: its delimiter is random."""
    delimiter = f"luma-{secrets.token_hex(16)}"
    return "\n".join((f"{name}<<{delimiter}", *map(_one_line, lines), delimiter, ""))


def summary(results: Results) -> str:
    """A table that stays below the megabyte that GitHub takes of a step; "" if nothing was tried."""
    rows = [_cells(results, task) for task in results.tasks.values()]
    for failed in results.refused:
        state = "unknown" if isinstance(failed.error, OutcomeUnknown) else "failed"
        why = _text(_one_line(failed.error.message))
        rows.append(("", state, _name(failed.clip or failed.name), _prompt(failed.asked.prompt), "", "", why))
    if not rows:
        return ""
    names = ("Task", "State", "Clip", "Prompt", "Cost", "Time", "Result")
    lines = [f"| {' | '.join(cells)} |" for cells in (names, ["---"] * len(names), *rows)]
    sizes = accumulate(len(line.encode("utf-8", "backslashreplace")) + 1 for line in lines[2:])
    room = 2 + sum(size <= MAX_SUMMARY for size in sizes)
    more = ["", f"… and {len(lines) - room} more"] if len(lines) > room else []
    return "\n".join([*lines[:room], *more, "", ""])


def _cells(results: Results, task: Task) -> tuple[str, ...]:
    found = [_code(Path(file.path).name) for file in task.files] or [_link(url) for url in task.result_urls]
    if task.task_id in results.running or (task.task_id and not task.has_ended):
        found = [_code(results.resume_command([task.task_id]))]
    return (
        _code(task.task_id),
        _text(task.state),
        _name(_clip(results, task)),
        _prompt(task.prompt),
        "" if task.credits is None or not task.task_id else _text(format_credits(task.credits)),
        "" if task.elapsed is None else _text(format_span(task.elapsed)),
        " ".join(found) or _text(_one_line(task.error_message or "")),
    )


def _name(clip: str) -> str:
    return _text(_one_line(name_of(clip)))


def _prompt(prompt: str | None) -> str:
    text = _one_line(prompt or "")
    return _text(text if len(text) <= MAX_PROMPT else text[: MAX_PROMPT - 1] + "…")


def _one_line(text: str) -> str:
    text = streams.redact(text)
    return " ".join(text.split()) if not text.isprintable() else text


def _text(text: str) -> str:
    """Text that neither Markdown nor HTML takes for more."""
    text = streams.redact(text)  # before it is escaped: then no secret would be known again
    return "".join(letter if letter.isalnum() or letter in " ,…" else f"&#{ord(letter)};" for letter in text)


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>"


def _link(url: str) -> str:
    url = streams.redact(url)
    return f'<a href="{html.escape(url)}">link</a>' if is_link(url) and "|" not in url else _text(url)


def _append(variable: str, text: str) -> None:
    name = environment.variable(variable)
    if name is None or not text:
        return
    try:
        with Path(name).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise FileError(f"cannot write {variable}: {reason(error)}") from error
