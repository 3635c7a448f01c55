"""Look at everything that can be known before money is spent, and report all of it."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from luma_cli.api.hosts import host_of, is_loopback, shown
from luma_cli.api.transport import Session
from luma_cli.checks import clips, links, prompts
from luma_cli.checks.findings import ERROR
from luma_cli.edits.events import Checked
from luma_cli.edits.request import EditRequest
from luma_cli.edits.run import Run
from luma_cli.errors import Finding, UsageError

log = logging.getLogger(__name__)


def preflight(run: Run, requests: Sequence[EditRequest], *, is_strict: bool) -> list[EditRequest]:
    """Look at prompts and clips, each once, and report what was found.

    A request whose clip is unfit carries the error, the others go on. `is_strict` makes errors of warnings.

    Raises:
        UsageError: the fault is not that of a single clip.
    """
    findings = [strictly(finding) if is_strict else finding for finding in _find(run, requests)]
    errors = [finding for finding in findings if finding.level == ERROR]
    general = [finding for finding in errors if finding.video is None]
    names = dict.fromkeys(request.clip.name for request in requests)
    groups = {name: [finding for finding in errors if finding.video == name] for name in names}
    # The first error of a group is reported by what is raised for it.
    firsts = [general[0]] if general else [group[0] for group in groups.values() if group]
    run.report(Checked(findings, firsts))
    if general:
        raise unfit(errors, findings)
    rejected = {name: unfit(group, group) for name, group in groups.items() if group}
    return [
        replace(
            request,
            findings=tuple(finding for finding in findings if finding.video in (None, request.clip.name)),
            error=rejected.get(request.clip.name),
        )
        for request in requests
    ]


def strictly(finding: Finding) -> Finding:
    """A finding as --strict takes it."""
    if finding.level == ERROR:
        return finding
    return finding._replace(level=ERROR, hint=finding.hint or "without --strict this is only a warning")


def unfit(errors: Sequence[Finding], findings: Sequence[Finding]) -> UsageError:
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    error = UsageError(f"{first.message}{more}", hint=first.hint)
    error.findings = tuple(findings)
    return error


def look_here(request: EditRequest, *, is_local: bool) -> list[Finding]:
    """What can be found out without the network. `is_local`: the service runs on this machine."""
    limits = request.model.limits
    found = prompts.check_prompt(request.prompt, limits, allow_local=is_local)
    found += links.check_callback(request.callback_url, allow_local=is_local)
    if request.clip.path is not None:
        return found + clips.check_file(
            request.clip.path, limits, trim=request.trim, fit=request.fit, split=request.is_split
        )
    return found + links.check_address(request.clip.name, allow_local=is_local)


def look_there(request: EditRequest, session: Session, *, is_local: bool) -> list[Finding]:
    """What lies behind a link, with a few small requests."""
    name = request.clip.name
    if is_local and not is_loopback(host_of(name)):
        log.info("%s is not looked into: a sandbox asks no other host", shown(name))
    return links.check_link(name, session, request.model.limits, allow_local=is_local)


def look_at_each(run: Run, requests: Sequence[EditRequest], *, is_strict: bool) -> Iterator[list[Finding]]:
    """What is found for each request, each link looked into once."""
    is_local = is_loopback(host_of(run.settings.base_url))
    behind: dict[str, list[Finding]] = {}
    with Session(ca_bundle=run.settings.ca_bundle, public_only=not is_local) as session:
        for request in requests:
            found = look_here(request, is_local=is_local)
            name = request.clip.name
            if request.clip.path is None:
                if name not in behind:
                    behind[name] = look_there(request, session, is_local=is_local)
                found += behind[name]
            yield [strictly(finding) if is_strict else finding for finding in found]


def _find(run: Run, requests: Sequence[EditRequest]) -> list[Finding]:
    is_local = is_loopback(host_of(run.settings.base_url))
    found: list[Finding] = []
    for request in {request.prompt: request for request in requests}.values():
        found += prompts.check_prompt(request.prompt, request.model.limits, allow_local=is_local)
    for url in dict.fromkeys(request.callback_url for request in requests):
        found += links.check_callback(url, allow_local=is_local)
    with Session(ca_bundle=run.settings.ca_bundle, public_only=not is_local) as session:
        for request in {request.clip.name: request for request in requests}.values():
            if request.clip.path is not None:
                path, limits = request.clip.path, request.model.limits
                found += clips.check_file(path, limits, trim=request.trim, fit=request.fit, split=request.is_split)
            else:
                found += look_there(request, session, is_local=is_local)
    return found
