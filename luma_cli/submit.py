"""From a clip and a prompt to a task id: look, upload, write down, send."""

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from luma_cli import checks, output, settings
from luma_cli.addresses import host_of, is_loopback, shown
from luma_cli.api import GENERATE, Client
from luma_cli.errors import Finding, KeyRefused, LumaError, OutOfCredits, UsageError
from luma_cli.goals import Goal
from luma_cli.journal import Journal, NotYet, Spacing, Submission
from luma_cli.names import stem_of
from luma_cli.outcomes import Outcomes
from luma_cli.progress import Screen
from luma_cli.task import Edit, Task, is_link
from luma_cli.transport import Session
from luma_cli.trim import check_ffmpeg, trimmed

# Over 20 new tasks in 10 s the service drops what comes (vendor's platform page); one account, however many processes.
SPACING = Spacing(20, 10.0)
# The vendor's pages disagree between 24 hours and 3 days; we say the shorter.
UPLOAD_LIFE = "24 hours"
AUTO = "auto"
# No limit is documented; these keep a mistaken file from being sent.
LONGEST_PROMPT = 100_000
LONGEST_TEXT = 2_000


@dataclass(frozen=True)
class Clip:
    """A video as the user named it: a link, or a local file with the hash of its content."""

    name: str
    path: Path | None
    sha256: str | None = None

    @property
    def identity(self) -> str:
        return f"sha256:{self.sha256}" if self.path is not None else self.name


@dataclass(frozen=True)
class Order:
    """Clips as the user named them, and what to do with each.

    `trim` is where to begin the 10 s that are cut from local clips, in seconds. `findings` are those of the checks;
    `rejected` holds the clips that they found unfit, by name.
    """

    names: tuple[str, ...]
    prompt: str
    watermark: str | None = None
    callback_url: str | None = None
    idempotency_key: str | None = None
    resubmit: bool = False
    trim: float | None = None
    findings: tuple[Finding, ...] = ()
    rejected: Mapping[str, UsageError] = field(default_factory=dict)

    def digest(self, clip: Clip) -> str:
        """Equal for equal prompt, clip and watermark."""
        facts = [self.prompt, clip.identity, self.watermark] + ([] if self.trim is None else [self.trim])
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def row_key(self, row_id: str, clip: Clip) -> str:
        """The idempotency key of a row of a batch file."""
        return f"batch:{hashlib.sha256(json.dumps([row_id, self.digest(clip)]).encode()).hexdigest()}"

    def submission(self, clip: Clip, video_url: str, base_url: str) -> Submission:
        digest = self.digest(clip)
        key = f"auto:{digest}" if self.idempotency_key == AUTO else self.idempotency_key
        edit = Edit(self.prompt, video_url, self.watermark, self.callback_url)
        # A relative name would mean nothing in another folder.
        source = clip.name if clip.path is None else os.path.abspath(clip.name)
        return Submission(edit, source, digest, base_url, key)


def make_order(
    names: Sequence[str],
    prompt: str,
    watermark: str | None,
    callback_url: str | None,
    idempotency_key: str | None,
    *,
    resubmit: bool = False,
    trim: float | None = None,
) -> Order:
    """What the user typed, with the settings where an option is missing.

    Raises:
        UsageError: a text that cannot be sent, or one key for several videos.
    """
    ours = settings.load_settings()
    if idempotency_key not in (None, AUTO) and len(names) > 1:
        raise UsageError("one idempotency key cannot stand for several videos", hint="--idempotency-key auto")
    if trim is not None:
        check_ffmpeg()
        if any("://" in name for name in names):
            raise UsageError("--trim is for local clips", hint="download the video first and give the file")
    texts = {
        "the prompt": (prompt, LONGEST_PROMPT),
        "the watermark": (watermark or ours.watermark, LONGEST_TEXT),
        "the callback URL": (callback_url or ours.callback_url, LONGEST_TEXT),
        "the idempotency key": (idempotency_key, LONGEST_TEXT),
    }
    for what, (text, most) in texts.items():
        check_text(what, text or "", most)
    return Order(
        tuple(names),
        prompt,
        watermark or ours.watermark,
        callback_url or ours.callback_url,
        idempotency_key,
        resubmit,
        trim,
    )


def parse_clip(name: str) -> Clip:
    """Tell a link from a local file, and read the latter once for its hash.

    Raises:
        UsageError: neither a usable link nor a readable file.
    """
    if "://" in name:
        if not is_link(name):
            raise UsageError(f"{name[:200]!a} is not an http(s) link", hint="a public link, or a local file")
        return Clip(name, None)
    path = Path(name)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UsageError(f"{name} is not a regular file", hint="a public link, or a local file")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        trouble = (getattr(error, "strerror", None) or "not a usable name").lower()
        raise UsageError(f"cannot read {name}: {trouble}", hint="a public link, or a local file") from error
    if path.stat().st_size == 0:
        raise UsageError(f"{name} is empty")
    return Clip(name, path, digest)


def check_text(name: str, text: str, most: int) -> str:
    """Text that can be sent: valid Unicode, no NUL, not endless.

    Raises:
        UsageError: it cannot.
    """
    if len(text) > most:
        raise UsageError(f"{name} is longer than {most} characters")
    if "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise UsageError(f"{name} is not valid text")
    return text


def inspect(order: Order, journal: Journal, *, strict: bool) -> Order:
    """Look at everything that can be known before money is spent, and tell all of it.

    A clip that is unfit is rejected, the others go on; one that has its task already is not looked at. `strict` makes
    errors of warnings.

    Raises:
        UsageError: the fault is not that of a single clip.
    """
    findings = [replace(each, level=checks.ERROR) if strict else each for each in _findings(order, journal)]
    errors = [each for each in findings if each.level == checks.ERROR]
    general = [each for each in errors if each.video is None]
    groups = {name: [each for each in errors if each.video == name] for name in order.names}
    # The first error of a group is told by what is raised for it.
    firsts = [general[0]] if general else [group[0] for group in groups.values() if group]
    output.show_report(findings, told_elsewhere=firsts)
    if general:
        raise unfit(errors, findings)
    rejected = {name: unfit(group, group) for name, group in groups.items() if group}
    return replace(order, findings=tuple(findings), rejected=rejected)


def show_request(order: Order) -> None:
    """For --dry-run: print what would be sent for each clip; the rejected ones do not cost the others.

    Raises:
        UsageError: the only clip, or all, cannot be sent.
        MixedOutcomes: some.
    """
    base_url, outcomes = settings.load_settings().base_url, Outcomes(len(order.names))
    for name in order.names:
        try:
            if name in order.rejected:
                raise order.rejected[name]
            clip = parse_clip(name)
        except UsageError as error:
            outcomes.fail(error, name)
            continue
        video_url = name if clip.path is None else f"(upload of {name})"
        edit = order.submission(clip, video_url, base_url).edit
        about = [each for each in order.findings if each.video in (None, name)]
        output.show_request(f"{base_url}{GENERATE}", edit.payload(), about)
    outcomes.conclude()


def tasks_of(order: Order, journal: Journal) -> set[str]:
    """The tasks that the order's idempotency keys have already."""
    if order.idempotency_key is None:
        return set()
    base_url = settings.load_settings().base_url
    found = (_earlier(order, name, journal, base_url) for name in order.names)
    return {task_id for task_id in found if task_id is not None}


def submit_all(order: Order, client: Client, journal: Journal, *, quietly: bool) -> tuple[list[Goal], Outcomes]:
    """Submit an edit for each clip; one bad clip does not cost the others.

    The ids are printed as they come; `quietly` puts them on stderr, since something better follows on stdout.
    Errors of a clip go into the outcomes; a refused key or an empty account ends the submitting.
    """
    outcomes, goals = Outcomes(len(order.names)), []
    with Screen(len(order.names), 0.0, None) as screen:
        announcer = _Announcer(journal, quietly=quietly)
        for name in order.names:
            try:
                if name in order.rejected:
                    raise order.rejected[name]
                task_id = _submit(parse_clip(name), order, client, journal, screen, announcer)
                goals.append(Goal(task_id, stem_of(name)))
            except LumaError as error:
                outcomes.fail(error, name)
                if isinstance(error, (KeyRefused, OutOfCredits)):
                    break
    return goals, outcomes


def upload_all(names: Sequence[str], client: Client, outcomes: Outcomes) -> None:
    """Upload files and print their links."""
    with Screen(len(names), 0.0, None) as screen:
        for name in names:
            try:
                clip = parse_clip(name)
                if clip.path is None:
                    raise UsageError(f"{name} is a link already")
                link = _upload(clip.path, client, screen)
                output.answer_value("url", link, link)
            except LumaError as error:
                outcomes.fail(error, name)


def _submit(clip: Clip, order: Order, client: Client, journal: Journal, screen: Screen, announcer: "_Announcer") -> str:
    submission = order.submission(clip, clip.name, client.base_url)
    earlier = journal.earlier(submission, resubmit=order.resubmit)  # before an upload that would be in vain
    if earlier is not None:
        output.note(f"continuing task {earlier}, submitted before")
        announcer.announce(earlier)
        return earlier
    if clip.path is not None:
        submission = order.submission(clip, deliver(clip.path, order.trim, client, screen), client.base_url)
    while True:
        try:
            return journal.record(
                submission, client.submit, announce=announcer.announce, resubmit=order.resubmit, spacing=SPACING
            )
        except NotYet as not_yet:
            screen.say(f"20 tasks were submitted in the last 10 s: going on in {not_yet.pause:.0f} s")
            client.pause(not_yet.pause)


def _earlier(order: Order, name: str, journal: Journal, base_url: str) -> str | None:
    try:
        clip = parse_clip(name)
    except UsageError:
        return None  # told when it is its turn
    return journal.earlier(order.submission(clip, clip.name, base_url), resubmit=order.resubmit)


def _findings(order: Order, journal: Journal) -> list[Finding]:
    ours = settings.load_settings()
    local = is_loopback(host_of(ours.base_url))
    found = checks.check_prompt(order.prompt, allow_local=local)
    found += checks.check_callback(order.callback_url, allow_local=local)
    with Session(ca_bundle=ours.ca_bundle, public_only=not local) as session:
        for name in dict.fromkeys(order.names):
            try:
                clip = parse_clip(name)
            except UsageError as error:
                kind = "url-invalid" if "://" in name else "not-readable"
                found.append(Finding(kind, checks.ERROR, error.message, error.hint, name))
                continue
            if _is_submitted(clip, order, journal, ours.base_url):
                continue
            if clip.path is not None:
                found += checks.check_file(clip.path, trim=order.trim)
            else:
                if local and not is_loopback(host_of(name)):
                    output.detail(f"{shown(name)} is not looked into: a sandbox goes nowhere else")
                found += checks.check_link(name, session, allow_local=local)
    return found


def _is_submitted(clip: Clip, order: Order, journal: Journal, base_url: str) -> bool:
    """True also for a submission of unknown outcome, which is told when it is its turn."""
    try:
        return journal.earlier(order.submission(clip, clip.name, base_url), resubmit=order.resubmit) is not None
    except LumaError:
        return True


def unfit(errors: Sequence[Finding], findings: Sequence[Finding]) -> UsageError:
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    error = UsageError(f"{first.message}{more}", hint=first.hint or "--no-check submits all the same")
    error.findings = tuple(findings)
    return error


def deliver(path: Path, trim: float | None, client: Client, screen: Screen) -> str:
    """Bring a local clip, cut where that was asked for, into kie.ai's temporary store; returns its link."""
    if trim is None:
        return _upload(path, client, screen)
    with contextlib.ExitStack() as stack:
        with screen.work(f"trim {path.name}") as on_seconds:
            short = stack.enter_context(trimmed(path, trim, on_seconds))
        return _upload(short, client, screen)


def _upload(path: Path, client: Client, screen: Screen) -> str:
    """Put a file into kie.ai's temporary store, showing bytes, rate and time left; returns its link."""
    with screen.transfer(f"upload {path.name}") as on_bytes:
        link = client.patiently(lambda: client.upload(path, on_bytes))
    output.note(f"uploaded {path.name}; kie.ai keeps it for about {UPLOAD_LIFE}")
    return link


class _Announcer:
    """Tells an id the moment it is on disk, before a signal that was held back ends the program."""

    def __init__(self, journal: Journal, *, quietly: bool) -> None:
        self._journal = journal
        self._quietly = quietly

    def announce(self, task_id: str) -> None:
        output.track(task_id)
        if self._quietly:
            output.note(f"task {task_id} is submitted")
        else:
            row = self._journal.known(task_id)
            output.answer_task(row.task if row is not None else Task(task_id), [task_id])
