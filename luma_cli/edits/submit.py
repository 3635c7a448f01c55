"""What `modify` asks for, made ready: checked, with a free target, as entries of the engine, and uploaded."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from luma_cli.api.client import Client
from luma_cli.downloads.file_names import stem_of
from luma_cli.edits import save
from luma_cli.edits.events import Failed, Finished, Prepared, Report, Started, Uploaded, transferring
from luma_cli.edits.preflight import preflight
from luma_cli.edits.request import EditRequest, Entry, parse_clip
from luma_cli.edits.run import Plan, Run
from luma_cli.errors import ACCOUNT_ERRORS, LumaError, UsageError
from luma_cli.video.ffmpeg import find_ffmpeg
from luma_cli.video.trim import NEEDS, trimmed


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
    if request.trim is None:
        return upload(path, client, report)
    tool = find_ffmpeg(ffmpeg, NEEDS, option="--trim")
    with contextlib.ExitStack() as stack:
        with transferring(report, f"trim {path.name}", "seconds") as on_seconds:
            seconds = request.model.limits.max_seconds
            short = stack.enter_context(trimmed(path, request.trim, seconds, tool, on_seconds))
        return upload(short, client, report)


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
    if skips_checks:
        return list(requests)
    fresh = [request for request in requests if not _is_submitted(run, request)]
    checked = dict(zip(map(id, fresh), preflight(run, fresh, is_strict=is_strict), strict=True))
    return [checked.get(id(request), request) for request in requests]


def check_targets(run: Run, plan: Plan, requests: Sequence[EditRequest], *, makes: bool) -> None:
    """`save.check_output` for what is asked for; an idempotency key may have its files there already.

    Raises what that does, and UsageError if a clip would be overwritten by its own edit, wished or not.
    """
    for request in requests:
        if plan.output is not None and is_same_file(request.clip.name, plan.output):
            raise UsageError(f"{request.clip.name} would be overwritten by its own edit", hint="-o with another path")
    if not makes and any(request.key for request in requests):
        return  # the file may be there already, as the journal would say
    save.check_output(plan, len(requests), lambda: _saved_before(run, requests), makes=makes)


def show_requests(run: Run, requests: Sequence[EditRequest]) -> None:
    """For --dry-run: report what would be sent for each clip; the rejected ones do not cost the others."""
    for request in requests:
        if request.error is not None:
            run.fail(Failed(request.clip.name, request.error))
            continue
        link = None if request.clip.path is None else f"(upload of {request.clip.name})"
        edit = request.submission(run.base_url, link).edit
        run.report(Prepared(run.base_url + request.model.family.submit_path, edit.payload(), request.findings))
    run.results.conclude()


def entries_for(plan: Plan, requests: Sequence[EditRequest]) -> list[Entry]:
    """The requests of a command line as the engine takes them."""
    return [
        Entry(request.clip.name, stem_of(request.clip.name), request, output=plan.output, is_checked=True)
        for request in requests
    ]


def _saved_before(run: Run, requests: Sequence[EditRequest]) -> frozenset[str]:
    """Where results of the requests' earlier tasks were saved."""
    found = (
        run.journal.earlier(request.submission(run.base_url), resubmit=request.resubmit)
        for request in requests
        if request.key is not None
    )
    return save.saved_paths(run.journal, {task_id for task_id in found if task_id is not None})


def _is_submitted(run: Run, request: EditRequest) -> bool:
    """True also for a submission of unknown outcome, which is reported when it is its turn."""
    try:
        return run.journal.earlier(request.submission(run.base_url), resubmit=request.resubmit) is not None
    except LumaError:
        return True


def is_same_file(name: str, other: str) -> bool:
    try:
        return os.path.samefile(name, other)
    except (OSError, ValueError):
        return False  # one of them is not there
