"""What `modify` asks for, made ready: checked, with a free target, as entries of the engine, and uploaded."""

import contextlib
import functools
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from luma_cli.api.client import Client
from luma_cli.api.task import Task
from luma_cli.checks.findings import ERROR
from luma_cli.config.times import format_duration
from luma_cli.edits import save
from luma_cli.edits.budget import Spending, describe_cost
from luma_cli.edits.events import (
    Failed,
    Finished,
    Note,
    Planned,
    Prepared,
    Report,
    Started,
    Uploaded,
    Warned,
    transferring,
)
from luma_cli.edits.preflight import look_at_each, preflight, unfit
from luma_cli.edits.redo import find_task_clip
from luma_cli.edits.request import Clip, EditRequest, Entry, PieceOf, parse_clip, parse_clips, takes_watermark
from luma_cli.edits.run import Plan, Run
from luma_cli.edits.task_references import claim_own
from luma_cli.errors import ACCOUNT_ERRORS, Declined, FileError, Finding, KeyRejected, LumaError, UsageError, reason
from luma_cli.journal.records import Row
from luma_cli.video import fit, headers, split
from luma_cli.video.ffmpeg import find_ffmpeg
from luma_cli.video.frames import look
from luma_cli.video.trim import NEEDS, trimmed

MAX_PROMPT_SHOWN = 40


def upload_all(run: Run, names: Sequence[str]) -> Iterator[str]:
    """Upload files and yield the link of each; those that could not be are failures of the run."""
    run.report(Started(len(names)))
    try:
        for number, name in enumerate(names, start=1):
            try:
                clip = parse_clip(name)
                if clip.path is None:
                    raise UsageError(f"{name} is a link already", hint="luma modify takes it as it is")
                yield upload(clip.path, run.client, run.report)
            except LumaError as error:
                run.fail(Failed(name, error))
                if isinstance(error, ACCOUNT_ERRORS):
                    run.give_up(error, len(names) - number)
                    break
    finally:
        run.report(Finished())


def deliver(request: EditRequest, client: Client, report: Report, ffmpeg: str | None) -> str:
    """Bring a local clip, cut if that was asked for, into kie.ai's temporary store; returns its link. Any thread.

    `ffmpeg` is the program that the user names for it.

    Raises:
        UsageError: ffmpeg is missing or cannot read the clip.
        FileError, Rejected, KeyRejected, Unavailable: as for `Client.upload`.
    """
    path = request.clip.path
    assert path is not None  # noqa: S101  a link is not delivered
    with contextlib.ExitStack() as stack:
        folder = functools.partial(_folder, stack, path)
        if request.piece is not None:
            made = _cut(request, request.piece, path, folder, report, ffmpeg)
        elif request.fit and (why := _reasons(request, path)):
            made = _fitted(request, path, why, folder, report, ffmpeg)
        elif request.trim is not None:
            tool = find_ffmpeg(ffmpeg, NEEDS, option="--trim")
            with transferring(report, f"trim {path.name}", "seconds") as on_seconds:
                seconds = request.model.limits.max_seconds
                made = stack.enter_context(trimmed(path, request.trim, seconds, tool, on_seconds))
        else:
            made = path
        return upload(made, client, report)


def _folder(stack: contextlib.ExitStack, path: Path) -> Path:
    """A folder for what is made of the clip at `path`, that goes when it is uploaded."""
    try:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="luma-clip-", ignore_cleanup_errors=True)))
    except OSError as error:
        raise FileError(f"no room to work on {path.name}: {reason(error)}") from error


def _reasons(request: EditRequest, path: Path) -> tuple[str, ...]:
    """Why a clip does not fit the model as it is."""
    try:
        size, kind = path.stat().st_size, headers.sniff_file(path)
        if kind not in headers.CONTAINERS:
            return (f"it is {headers.name_of(kind)}",)
        return fit.reasons(headers.probe_file(path), request.model.limits, size)
    except OSError as error:
        raise FileError(f"cannot read {path.name}: {reason(error)}") from error
    except headers.MediaError as error:
        return (f"its headers cannot be read: {error}",)


def _fitted(
    request: EditRequest,
    path: Path,
    why: tuple[str, ...],
    folder: Callable[[], Path],
    report: Report,
    ffmpeg: str | None,
) -> Path:
    tool, target = find_ffmpeg(ffmpeg, fit.NEEDS, option="--fit"), folder() / f"{path.stem}.mp4"
    with transferring(report, f"fit {path.name}", "seconds") as on_seconds:
        limits = request.model.limits
        done = fit.fitted(tool, path, why, limits, target, trim=request.trim, on_seconds=on_seconds)
    rate = f", at {float(done.rate):.6g} frames a second" if done.was_variable else ""
    report(Note(f"{path.name} is made to fit, since {', '.join(why)}: {done.width}x{done.height}{rate}"))
    return target


def _cut(
    request: EditRequest, piece: PieceOf, path: Path, folder: Callable[[], Path], report: Report, ffmpeg: str | None
) -> Path:
    tool = find_ffmpeg(ffmpeg, split.NEEDS, option="--split")
    target = folder() / f"{path.stem}-{piece.index:03}.mp4"
    cut = split.Piece(piece.index - 1, piece.first_frame, piece.frames)
    with transferring(report, f"cut piece {piece.index} of {piece.count}", "seconds") as on_seconds:
        split.cut_piece(tool, look(tool, path), cut, request.model.limits, target, on_seconds=on_seconds)
    return target


def upload(path: Path, client: Client, report: Report) -> str:
    """Put a file into kie.ai's temporary store; returns its link."""
    with transferring(report, f"upload {path.name}") as on_bytes:
        link = client.patiently(lambda: client.upload(path, on_bytes))
    report(Uploaded(path.name))
    return link


def prepare(run: Run, requests: Sequence[EditRequest], *, skips_checks: bool, is_strict: bool) -> list[EditRequest]:
    """The requests with what the checks found; one that has its task already is not looked at.

    Raises:
        UsageError: the fault is not that of a single clip.
    """
    run.results.count = len(requests)
    claim_own_tasks(run, requests)
    if skips_checks:
        return list(requests)
    fresh = [request for request in requests if not _is_submitted(run, request)]
    checked = dict(zip(map(id, fresh), preflight(run, fresh, is_strict=is_strict), strict=True))
    return [checked.get(id(request), request) for request in requests]


def find_clips(run: Run, names: Sequence[str]) -> list[Clip]:
    """The clips that a command line names: links, files, and results of tasks.

    Raises:
        UsageError: one is none of these; nothing of the command is to be sent then.
    """
    return parse_clips(names, lambda name: find_task_clip(run, name))


def make_ready(
    run: Run, plan: Plan, requests: Sequence[EditRequest], *, skips_checks: bool, is_strict: bool, makes: bool
) -> list[EditRequest]:
    """`prepare` and `check_targets`, and a word about a setting that the model does not know."""
    watermark = run.settings.watermark
    for model in {request.model.name: request.model for request in requests}.values():
        if watermark and not takes_watermark(model):
            run.report(Warned(f"{model.name} takes no text as watermark: the setting is left out"))
    if any(request.fit for request in requests):
        find_ffmpeg(run.settings.ffmpeg, fit.NEEDS, option="--fit")
    requests = prepare(run, requests, skips_checks=skips_checks, is_strict=is_strict)
    check_targets(run, plan, requests, makes=makes)
    return requests


def with_account(run: Run) -> Run:
    """The run whose journal shows our account's tasks; as it is without a key, which is reported when it is needed."""
    try:
        return run.for_account()
    except KeyRejected:
        return run


def claim_own_tasks(run: Run, requests: Sequence[EditRequest]) -> None:
    """Ask once about tasks of these edits that another key has submitted: what our key can see is our account's.

    So a renewed key loses nothing, and another account's tasks are left alone.
    """
    if run.journal.account is None:
        return
    rows: dict[int, Row] = {}
    for request in requests:
        asked = request.submission()
        found = run.journal.foreign_rows(keys=asked.keys, identity=asked.identity, digest=asked.digest)
        rows |= {row.number: row for row in found}
    claim_own(run, rows.values())


def refuse_repeats(run: Run, requests: Sequence[EditRequest]) -> None:
    """The same edit without a key: a person is asked, elsewhere it is noted.

    Raises:
        Declined: the person does not want it again.
    """
    for request in requests:
        if request.key is not None or request.resubmit or request.is_repeat:
            continue
        rows = run.journal.find_by_identity(request.identity, request.legacy_digest)
        row = next((row for row in rows if row.task.task_id and not row.task.has_failed), None)
        if row is None:
            continue
        saved = f", saved as {os.path.relpath(row.task.files[-1].path)}" if row.task.files else ""
        what = f"the same edit is task {row.task.task_id} of {format_duration(max(1.0, row.age))} ago{saved}"
        if run.can_ask():
            if not run.confirm(f"{what}. Submit it again?"):
                raise Declined("nothing was submitted", hint=f"luma download {row.task.task_id}")
        else:
            run.report(Note(f"{what}; --idempotency-key auto would continue it"))


def check_targets(run: Run, plan: Plan, requests: Sequence[EditRequest], *, makes: bool) -> None:
    """`save.check_output` for what is asked for; an idempotency key may have its files there already.

    Raises what that does, and UsageError if a clip would be overwritten by its own edit, wished or not.
    """
    for request in requests:
        if plan.output is not None and is_same_file(request.clip.name, plan.output):
            raise UsageError(f"{request.clip.name} would be overwritten by its own edit", hint="-o with another path")
    if any(request.is_split for request in requests):
        return  # the file may be there already, of the same pieces
    if not makes and any(request.key for request in requests):
        return  # the file may be there already, as the journal would say
    save.check_output(plan, len(requests), lambda: _saved_before(run, requests), makes=makes)


def as_one_piece(run: Run, plan: Plan, requests: Sequence[EditRequest], *, makes: bool) -> list[EditRequest]:
    """Requests whose clips need no cut. Raises what `check_targets` does."""
    whole = [replace(request, is_split=False) for request in requests]
    check_targets(run, plan, whole, makes=makes)
    return whole


def show_requests(run: Run, plan: Plan, requests: Sequence[EditRequest], *, pieces: int = 1) -> None:
    """For --dry-run: report what would be sent for each clip; the rejected ones do not cost the others.

    `pieces`: each is submitted in so many.
    """
    for request in requests:
        if request.error is not None:
            run.fail(Failed(request.clip.name, request.error))
            continue
        link = None if request.clip.path is None else f"(upload of {request.clip.name})"
        edit = request.submission(link).edit
        run.report(Prepared(run.base_url + request.model.family.submit_path, edit.payload(), request.findings))
    wanted = [request for request in requests if request.error is None]
    if wanted:
        run.report(Note(describe_cost(run, plan, wanted * pieces)))
    run.results.conclude()


def show_entries(run: Run, plan: Plan, entries: Sequence[Entry]) -> None:
    """For `batch --dry-run`: report what would become of each row, what that would cost, and what there is."""
    planned = [_planned(run, entry) for entry in entries]
    requests = {row.entry_id: entry.request for row, entry in zip(planned, entries, strict=True) if entry.request}
    fresh = [row for row in planned if row.task is None and row.error is None]
    if not plan.skips_checks:
        looked = look_at_each(run, [requests[row.entry_id] for row in fresh], is_strict=plan.is_strict)
        checked = {row.entry_id: _judged(row, found) for row, found in zip(fresh, looked, strict=True)}
        planned = [checked.get(row.entry_id, row) for row in planned]
    spending = Spending(run, plan)
    new = []
    for row in planned:
        request = requests[row.entry_id]
        if row.error is not None:
            run.results.add(row.error)
        elif row.task is None:
            new.append(request)
            row = replace(row, expected_credits=spending.expected(request))
        run.report(row)
    run.report(Note(_summary(run, plan, planned, new)))
    run.results.conclude()


def _planned(run: Run, entry: Entry) -> Planned:
    request = entry.request
    assert request is not None  # noqa: S101  a row of a manifest asks for an edit
    row = Planned(entry.entry_id or "", entry.line, request.clip.name, request.prompt, error=request.error)
    try:
        earlier = run.journal.earlier(request.submission(), resubmit=request.resubmit)
    except LumaError as error:
        return replace(row, error=row.error or error)
    known = run.journal.known(earlier) if earlier is not None else None
    if earlier is not None:
        return replace(row, task=known.task if known is not None else Task(earlier), error=None)
    return row


def _judged(row: Planned, findings: Sequence[Finding]) -> Planned:
    errors = [finding for finding in findings if finding.level == ERROR]
    return replace(row, findings=findings, error=unfit(errors, errors) if errors else None)


def _summary(run: Run, plan: Plan, planned: Sequence[Planned], new: Sequence[EditRequest]) -> str:
    failed = sum(row.error is not None for row in planned)
    paid = sum(row.task is not None for row in planned)
    text = f"{len(planned)} row{'s' if len(planned) != 1 else ''}: {len(new)} to submit, {paid} submitted before"
    text += f", {failed} with a fault" if failed else ""
    text += f"; {describe_cost(run, plan, new)}" if new else "; nothing to pay"
    try:
        return f"{text}; the balance is {run.client.credits():.12g}"
    except LumaError:
        return text  # without a key, or a connection, there is still all the rest


def entries_for(plan: Plan, requests: Sequence[EditRequest]) -> list[Entry]:
    """The requests of a command line as the engine takes them."""
    has_prompts = len({request.prompt for request in requests}) > 1
    has_takes = any(request.take > 1 for request in requests)
    return [
        Entry(
            _name_of(request, has_prompts, has_takes),
            request.naming,
            request,
            output=plan.output,
            is_checked=True,
        )
        for request in requests
    ]


def _name_of(request: EditRequest, has_prompts: bool, has_takes: bool) -> str:
    """The clip, and what tells its edits apart if there are several."""
    prompt = f' "{request.prompt[:MAX_PROMPT_SHOWN]}"' if has_prompts else ""
    return f"{request.clip.label}{prompt}" + (f" take {request.take}" if has_takes else "")


def _saved_before(run: Run, requests: Sequence[EditRequest]) -> frozenset[str]:
    """Where results of the requests' earlier tasks were saved."""
    found = (
        run.journal.earlier(request.submission(), resubmit=request.resubmit, repeat=request.is_repeat)
        for request in requests
        if request.key is not None
    )
    return save.saved_paths(run.journal, {task_id for task_id in found if task_id is not None})


def _is_submitted(run: Run, request: EditRequest) -> bool:
    """True also for a submission of unknown outcome, which is reported when it is its turn."""
    try:
        return (
            run.journal.earlier(request.submission(), resubmit=request.resubmit, repeat=request.is_repeat) is not None
        )
    except LumaError:
        return True


def is_same_file(name: str, other: str) -> bool:
    try:
        return os.path.samefile(name, other)
    except (OSError, ValueError):
        return False  # one of them is not there
