"""Look at everything that can be known before money is spent, and report all of it."""

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from luma_cli.api.hosts import host_of, is_loopback, shown
from luma_cli.api.transport import Session
from luma_cli.checks import clips, links, prompts
from luma_cli.checks.findings import ERROR
from luma_cli.edits.events import Checked
from luma_cli.edits.request import EditRequest
from luma_cli.edits.run import Plan, Run
from luma_cli.errors import Finding, UsageError

log = logging.getLogger(__name__)


def preflight(run: Run, plan: Plan, requests: Sequence[EditRequest]) -> list[EditRequest]:
    """Look at prompts and clips, each once, and report what was found.

    A request whose clip is unfit carries the error, the others go on.

    Raises:
        UsageError: the fault is not that of a single clip.
    """
    found = list(findings_of(run, plan, requests))
    findings = sorted(dict.fromkeys(itertools.chain(*found)), key=lambda finding: finding.video is not None)
    checked = [
        replace(request, findings=tuple(one), error=error_of(one)) for request, one in zip(requests, found, strict=True)
    ]
    error = error_of(findings)
    is_general = error is not None and error.findings[0].video is None
    reported = [error] if error is not None and is_general else [request.error for request in checked if request.error]
    # The first finding of an error is reported by what is raised for it.
    run.report(Checked(findings, [one.findings[0] for one in reported]))
    if error is not None and is_general:
        error.findings = tuple(findings)
        raise error
    return checked


def findings_of(run: Run, plan: Plan, requests: Iterable[EditRequest]) -> Iterator[list[Finding]]:
    """What is found of each request in turn; no text and no clip is looked at twice."""
    is_local = is_loopback(host_of(run.settings.base_url))
    seen: dict[tuple[object, ...], list[Finding]] = {}
    with Session(ca_bundle=run.settings.ca_bundle, public_only=not is_local) as session:
        for request in requests:
            texts = (request.model.name, request.prompt, request.callback_url)
            clip = (request.model.name, request.clip.name, request.trim, request.fit, request.is_split)
            if texts not in seen:
                seen[texts] = look_at_texts(request, is_local=is_local)
            if clip not in seen:
                seen[clip] = look_at_clip(request, is_local=is_local, session=session)
            yield judged(plan, [*seen[texts], *seen[clip]])


def judged(plan: Plan, findings: Iterable[Finding]) -> list[Finding]:
    """Findings as the plan takes them: with --strict warnings are errors."""
    if not plan.is_strict:
        return list(findings)
    why = "without --strict this is only a warning"
    return [it if it.level == ERROR else it._replace(level=ERROR, hint=it.hint or why) for it in findings]


def error_of(findings: Iterable[Finding]) -> UsageError | None:
    """Why a request is not to be sent, if any of its findings is an error."""
    errors = [finding for finding in findings if finding.level == ERROR]
    if not errors:
        return None
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    error = UsageError(f"{errors[0].message}{more}", hint=errors[0].hint)
    error.findings = tuple(errors)
    return error


def look_at_texts(request: EditRequest, *, is_local: bool) -> list[Finding]:
    """What is wrong with prompt and callback URL. `is_local`: the service runs on this machine."""
    found = prompts.check_prompt(request.prompt, request.model.limits, allow_local=is_local)
    return found + links.check_callback(request.callback_url, allow_local=is_local)


def look_at_clip(request: EditRequest, *, is_local: bool, session: Session | None = None) -> list[Finding]:
    """What is wrong with a clip: a file by all that is in it, a link by its text, with a session by what lies behind.

    That takes a few small requests.
    """
    name, path, limits = request.clip.name, request.clip.path, request.model.limits
    if path is not None:
        return clips.check_file(path, limits, trim=request.trim, fit=request.fit, split=request.is_split)
    if session is None:
        return links.check_address(name, allow_local=is_local)
    if is_local and not is_loopback(host_of(name)):
        log.info("%s is not looked into: a sandbox asks no other host", shown(name))
    return links.check_link(name, session, limits, allow_local=is_local)
