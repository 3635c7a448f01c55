"""Edits in pieces: a clip longer than the model takes is cut, each piece edited, and all joined to their old frames."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from luma_cli.api.task import Task
from luma_cli.config.settings import journal_is_off
from luma_cli.downloads.target import real_target
from luma_cli.edits.events import Note, PiecesPlanned, transferring
from luma_cli.edits.outputs import is_folder
from luma_cli.edits.request import AUTO, EditRequest
from luma_cli.edits.run import STDOUT, Plan, Run
from luma_cli.edits.sources.piece_rows import newest_of
from luma_cli.errors import UsageError
from luma_cli.journal.splits import Piece, Split, SplitState
from luma_cli.video import headers
from luma_cli.video.ffmpeg import ENCODING, find_ffmpeg
from luma_cli.video.frames import Footage, look
from luma_cli.video.split import find_scenes, plan_cuts

log = logging.getLogger(__name__)


def check_split(run: Run, plan: Plan, requests: Sequence[EditRequest]) -> None:
    """Return if a command line asks for one edit in pieces that can be made.

    Raises:
        UsageError: there are several, there is no file for the result, no journal, or no ffmpeg.
    """
    if len(requests) != 1:
        raise UsageError("--split is for one VIDEO, one prompt and one take", hint="one command for each")
    if plan.output is None or plan.output == STDOUT or is_folder(plan.output):
        raise UsageError("--split needs a file for the whole clip", hint="-o FILE")
    request = requests[0]
    check_clip(request)
    if plan.finishing.as_delivered:
        raise UsageError("--split and --as-delivered are both given", hint="use one of them")
    if request.redo_piece is not None and request.redo_piece < 1:
        raise UsageError("--redo-piece counts from 1")
    check_tools(run, "--split")


def check_tools(run: Run, option: str) -> None:
    """Raises UsageError without what every edit in pieces needs: a journal, and an ffmpeg that can do it."""
    if journal_is_off():
        raise UsageError("without the journal nobody knows which pieces are paid", hint="unset LUMA_JOURNAL")
    find_ffmpeg(run.settings.ffmpeg, ENCODING, option=option)


def check_clip(request: EditRequest) -> None:
    """Raises UsageError for a clip that cannot be cut."""
    if request.clip.path is None or request.trim is not None:
        what = "cuts local clips" if request.clip.path is None else "and --trim cut the same clip"
        raise UsageError(f"--split {what}", hint="give the clip as a file of its own")


def counted(run: Run, output: str | None, request: EditRequest) -> EditRequest:
    """A request with the number of its pieces, or of those of an earlier run; a plain one if it needs no cut.

    Raises:
        UsageError: the clip cannot be read or cut, or it has no such piece as is to be made again.
    """
    footage = footage_to_cut(run, request)
    if footage is None:
        return replace(request, is_split=False)
    there = recorded_split(run, request, output)
    count = len(there.pieces if there else plan_cuts(footage.frame_count, footage.rate, request.model.limits))
    if request.redo_piece is not None and request.redo_piece > count:
        raise UsageError(f"the clip has {count} pieces", hint=f"--redo-piece 1 to {count}")
    return replace(request, pieces=count)


def pieces_made(run: Run, output: str | None, request: EditRequest) -> list[Task]:
    """The tasks of those pieces that earlier runs have submitted."""
    there = recorded_split(run, request, output)
    rows = run.journal.pieces_of(there.number) if there is not None else []
    return [row.task for row in newest_of(rows).values()]


def is_new_repeat(run: Run, output: str | None, request: EditRequest) -> bool:
    """Whether all pieces of an edit that was made are paid again, and no earlier run has begun with that."""
    return request.is_split and request.repeats and recorded_split(run, request, output) is None


def show_cuts(run: Run, output: str | None, request: EditRequest) -> None:
    """For --dry-run: where the clip is cut, or was cut by an earlier run."""
    footage = footage_to_cut(run, request)
    assert footage is not None  # noqa: S101  counted before
    there = recorded_split(run, request, output)
    pieces = there.pieces if there is not None else plan_pieces(run, request, footage)
    run.report(PiecesPlanned(request.clip.name, footage.rate, tuple(pieces)))


def footage_to_cut(run: Run, request: EditRequest) -> Footage | None:
    """The clip as ffmpeg sees it; None if it needs no cut."""
    if request.error is not None:
        raise request.error
    check_clip(request)
    assert request.clip.path is not None  # noqa: S101
    footage = look(find_ffmpeg(run.settings.ffmpeg, ENCODING, option="--split"), request.clip.path, verb="split")
    # What the model takes is the whole file's length: of a sound that plays on, only its picture is sent, as one piece.
    if max(float(footage.seconds), footage.container_seconds) <= request.model.limits.max_seconds + headers.ROUNDING:
        log.info("%s needs no cut", request.clip.name)
        return None
    return footage


def plan_pieces(run: Run, request: EditRequest, footage: Footage) -> list[Piece]:
    tool = find_ffmpeg(run.settings.ffmpeg, ENCODING, option="--split")
    if footage.is_variable:
        rate = f"{float(footage.rate):.6g}"
        run.report(Note(f"the frame rate of {footage.path.name} varies: it is cut and joined at {rate} a second"))
    with transferring(run.report, f"find the scenes of {footage.path.name}", "seconds") as on_seconds:
        scenes = find_scenes(tool, footage, on_seconds)
    planned = plan_cuts(footage.frame_count, footage.rate, request.model.limits, scenes)
    return [Piece(number, cut.first, cut.count) for number, cut in enumerate(planned, 1)]


def recorded_split(run: Run, request: EditRequest, output: str | None) -> Split | None:
    """The cuts of an earlier run that this one goes on with: of the same row or key, else the best for this file."""
    target = real_target(Path(output or ""))
    found = run.journal.splits.of(request.identity)
    if request.repeats:  # another take is meant: only one that was stopped is gone on with
        return next((it for it in found if _is_stopped_repeat(it, target)), None)
    if (key := own_key(request)) is not None:
        return next((it for it in found if it.settings.get("key") == key), None)
    return next((it for it in found if it.target == str(target)), found[0] if found else None)


def _is_stopped_repeat(split: Split, target: Path) -> bool:
    is_repeat = bool(split.settings.get("repeats"))
    return is_repeat and split.state is SplitState.OPEN and split.target == str(target)


def own_key(request: EditRequest) -> str | None:
    """What tells this edit from the same one elsewhere; a key that is made of its identity does not."""
    return None if request.key is None or request.key.startswith(f"{AUTO}:") else request.key
