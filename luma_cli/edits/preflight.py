"""Look at everything that can be known before money is spent, and tell all of it."""

from collections.abc import Sequence
from dataclasses import replace

from luma_cli.api.hosts import host_of, is_loopback, shown
from luma_cli.api.transport import Session
from luma_cli.checks import clips, links, prompts
from luma_cli.checks.findings import ERROR
from luma_cli.config import settings
from luma_cli.edits.request import Clip, Order, parse_clip
from luma_cli.errors import Finding, LumaError, UsageError
from luma_cli.journal.journal import Journal
from luma_cli.output import streams
from luma_cli.video.trim_range import Trim


def inspect(order: Order, journal: Journal, *, strict: bool) -> Order:
    """Look at everything that can be known before money is spent, and tell all of it.

    A clip that is unfit is rejected, the others go on; one that has its task already is not looked at. `strict` makes
    errors of warnings.

    Raises:
        UsageError: the fault is not that of a single clip.
    """
    findings = [strictly(each) if strict else each for each in _find(order, journal)]
    errors = [each for each in findings if each.level == ERROR]
    general = [each for each in errors if each.video is None]
    groups = {name: [each for each in errors if each.video == name] for name in order.names}
    # The first error of a group is told by what is raised for it.
    firsts = [general[0]] if general else [group[0] for group in groups.values() if group]
    streams.show_report(findings, told_elsewhere=firsts)
    if general:
        raise unfit(errors, findings)
    rejected = {name: unfit(group, group) for name, group in groups.items() if group}
    return replace(order, findings=tuple(findings), rejected=rejected)


def strictly(finding: Finding) -> Finding:
    """A finding as --strict takes it."""
    if finding.level == ERROR:
        return finding
    return replace(finding, level=ERROR, hint=finding.hint or "without --strict this is but a warning")


def unfit(errors: Sequence[Finding], findings: Sequence[Finding]) -> UsageError:
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    error = UsageError(f"{first.message}{more}", hint=first.hint)
    error.findings = tuple(findings)
    return error


def _find(order: Order, journal: Journal) -> list[Finding]:
    ours = settings.load_settings()
    local = is_loopback(host_of(ours.base_url))
    found = prompts.check_prompt(order.prompt, allow_local=local)
    found += links.check_callback(order.callback_url, allow_local=local)
    with Session(ca_bundle=ours.ca_bundle, public_only=not local) as session:
        for name in dict.fromkeys(order.names):
            try:
                clip = parse_clip(name)
            except UsageError as error:
                kind = "url-invalid" if "://" in name else "not-readable"
                found.append(Finding(kind, ERROR, error.message, error.hint, name))
                continue
            if _is_submitted(clip, order, journal, ours.base_url):
                continue
            if clip.path is not None:
                found += clips.check_file(clip.path, trim=None if order.trim is None else Trim(order.trim))
            else:
                if local and not is_loopback(host_of(name)):
                    streams.detail(f"{shown(name)} is not looked into: a sandbox goes nowhere else")
                found += links.check_link(name, session, allow_local=local)
    return found


def _is_submitted(clip: Clip, order: Order, journal: Journal, base_url: str) -> bool:
    """True also for a submission of unknown outcome, which is told when it is its turn."""
    try:
        return journal.earlier(order.submission(clip, clip.name, base_url), resubmit=order.resubmit) is not None
    except LumaError:
        return True
