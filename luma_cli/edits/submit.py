"""From a clip and a prompt to a task id: upload, write down, send."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from luma_cli.api.client import GENERATE, Client
from luma_cli.api.models import LUMA
from luma_cli.api.task import State, Task
from luma_cli.config import settings
from luma_cli.downloads.file_names import stem_of
from luma_cli.edits import save
from luma_cli.edits.plan import Goal, Plan
from luma_cli.edits.request import Clip, Order, parse_clip
from luma_cli.edits.results import Outcomes
from luma_cli.errors import ACCOUNT_ERRORS, LumaError, UsageError
from luma_cli.journal.journal import Journal, NotYet, Spacing
from luma_cli.output import streams
from luma_cli.output.progress import Screen
from luma_cli.video.ffmpeg import find_ffmpeg
from luma_cli.video.trim import NEEDS, trimmed
from luma_cli.video.trim_range import Trim

# Over 20 new tasks in 10 s the service drops what comes (vendor's platform page); one account, however many processes.
SPACING = Spacing(20, 10.0)
# The vendor's pages disagree between 24 hours and 3 days; we say the shorter.
UPLOAD_LIFE = "24 hours"


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
        streams.show_request(f"{base_url}{GENERATE}", edit.payload(), about)
    outcomes.conclude()


def check_place(order: Order, plan: Plan, journal: Journal, *, makes: bool) -> None:
    """`saving.check_output` for what the order asks for; an idempotency key may have its files there already.

    Raises what that does, and UsageError where a clip would be overwritten by its own edit, wished or not.
    """
    for name in order.names:
        if plan.output is not None and _is_same_file(name, plan.output):
            raise UsageError(f"{name} would be overwritten by its own edit", hint="-o for another place")
    save.check_output(plan, len(order.names), lambda: save.saved_paths(journal, _tasks_of(order, journal)), makes=makes)


def _is_same_file(name: str, other: str) -> bool:
    try:
        return os.path.samefile(name, other)
    except (OSError, ValueError):
        return False  # one of them is not there


def _tasks_of(order: Order, journal: Journal) -> set[str]:
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
        for number, name in enumerate(order.names, start=1):
            try:
                if name in order.rejected:
                    raise order.rejected[name]
                task_id = _submit(parse_clip(name), order, client, journal, screen, quietly=quietly)
                goals.append(Goal(task_id, stem_of(name)))
            except LumaError as error:
                outcomes.fail(error, name)
                if isinstance(error, ACCOUNT_ERRORS):
                    outcomes.give_up(error, len(order.names) - number)
                    break
    return goals, outcomes


def upload_all(names: Sequence[str], client: Client, outcomes: Outcomes) -> None:
    """Upload files and print their links."""
    with Screen(len(names), 0.0, None) as screen:
        for number, name in enumerate(names, start=1):
            try:
                clip = parse_clip(name)
                if clip.path is None:
                    raise UsageError(f"{name} is a link already", hint="luma modify takes it as it is")
                link = _upload(clip.path, client, screen)
                streams.answer_value("url", link, link)
            except LumaError as error:
                outcomes.fail(error, name)
                if isinstance(error, ACCOUNT_ERRORS):
                    return outcomes.give_up(error, len(names) - number)
    return None


def _submit(clip: Clip, order: Order, client: Client, journal: Journal, screen: Screen, *, quietly: bool) -> str:
    submission = order.submission(clip, clip.name, client.base_url)
    earlier = journal.earlier(submission, resubmit=order.resubmit)  # before an upload that would be in vain
    if earlier is not None:
        row = journal.known(earlier)
        task = row.task if row is not None else Task(earlier)
        failed = f": it has failed, and luma tasks forget {earlier} lets you submit it anew" if task.has_failed else ""
        streams.note(f"continuing task {earlier}, submitted before{failed}")
        _announce(task, quietly=quietly, words=None)
        return earlier
    if clip.path is not None:
        submission = order.submission(clip, deliver(clip.path, order.trim, client, screen), client.base_url)

    def announce(task_id: str) -> None:
        # Without a look into the journal: the id is told even where that has just failed.
        edit = submission.edit
        task = Task(task_id, State.GENERATING, None, edit.prompt, edit.video_url, edit.watermark, edit.callback_url)
        _announce(task, quietly=quietly)

    while True:
        try:
            return journal.record(
                submission, client.submit, announce=announce, resubmit=order.resubmit, spacing=SPACING
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


def deliver(path: Path, trim: float | None, client: Client, screen: Screen) -> str:
    """Bring a local clip, cut where that was asked for, into kie.ai's temporary store; returns its link."""
    if trim is None:
        return _upload(path, client, screen)
    with contextlib.ExitStack() as stack:
        with screen.work(f"trim {path.name}") as on_seconds:
            ffmpeg = find_ffmpeg(None, NEEDS, option="--trim")
            short = stack.enter_context(trimmed(path, Trim(trim), LUMA.limits.max_seconds, ffmpeg, on_seconds))
        return _upload(short, client, screen)


def _upload(path: Path, client: Client, screen: Screen) -> str:
    """Put a file into kie.ai's temporary store, showing bytes, rate and time left; returns its link."""
    with screen.transfer(f"upload {path.name}") as on_bytes:
        link = client.patiently(lambda: client.upload(path, on_bytes))
    streams.note(f"uploaded {path.name}; kie.ai keeps it for about {UPLOAD_LIFE}")
    return link


def _announce(task: Task, *, quietly: bool, words: str | None = "is submitted") -> None:
    """Tell an id the moment it is on disk, before a signal that was held back ends the program."""
    streams.track(task.task_id)
    if quietly and words is not None:
        streams.note(f"task {task.task_id} {words}")
    if not quietly:
        streams.answer_task(task, [task.task_id])
