"""Edits in pieces: a clip longer than the model takes is cut, each piece edited, and all joined to their old frames."""

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from luma_cli import files
from luma_cli.api.task import SavedFile, State, Task
from luma_cli.config.settings import journal_is_off
from luma_cli.downloads import part_file
from luma_cli.downloads.file_names import Naming
from luma_cli.downloads.target import real_target
from luma_cli.edits import save
from luma_cli.edits.events import Ended, Event, Failed, Note, PiecesPlanned, Warned, transferring
from luma_cli.edits.request import KEEP, SILENT, EditRequest, Entry, Finishing, PieceOf
from luma_cli.edits.run import RUN_AGAIN, STDOUT, Plan, Run
from luma_cli.errors import FileError, UsageError, reason
from luma_cli.journal.records import Row
from luma_cli.journal.splits import Piece, Split, SplitState
from luma_cli.video import headers, join, match
from luma_cli.video.encode import even
from luma_cli.video.ffmpeg import Ffmpeg, find_ffmpeg
from luma_cli.video.frames import Footage, look
from luma_cli.video.sound import Sound, find_sound
from luma_cli.video.split import NEEDS as CUT_NEEDS
from luma_cli.video.split import find_scenes, plan_cuts

log = logging.getLogger(__name__)

NEEDS = CUT_NEEDS | match.NEEDS | join.NEEDS
See = Callable[[Run, Plan, Sequence[Entry]], None]


@dataclass(frozen=True)
class Cutting:
    """A clip that is to be edited in pieces, and what cuts it."""

    request: EditRequest
    tool: Ffmpeg
    footage: Footage

    @property
    def rate(self) -> Fraction:
        return self.footage.rate

    @property
    def seen_size(self) -> tuple[int, int]:
        return even((self.footage.picture.width, self.footage.picture.height))


def check_split(run: Run, plan: Plan, requests: Sequence[EditRequest], redo: int | None) -> EditRequest:
    """The one edit that is to be made in pieces.

    Raises:
        UsageError: there are several, there is no file for the result, no journal, or no ffmpeg.
    """
    if journal_is_off():
        raise UsageError("without the journal nobody knows which pieces are paid", hint="unset LUMA_JOURNAL")
    if len(requests) != 1:
        raise UsageError("--split is for one VIDEO, one prompt and one take", hint="one command for each")
    request = requests[0]
    if plan.output is None or plan.output == STDOUT or save.is_folder(plan.output):
        raise UsageError("--split needs a file for the whole clip", hint="-o FILE")
    if request.clip.path is None or request.trim is not None:
        what = "cuts local clips" if request.clip.path is None else "and --trim cut the same clip"
        raise UsageError(f"--split {what}", hint="give the clip as a file of its own")
    if plan.finishing.as_delivered:
        raise UsageError("--split and --as-delivered are both given", hint="use one of them")
    if redo is not None and redo < 1:
        raise UsageError("--redo-piece counts from 1")
    find_ffmpeg(run.settings.ffmpeg, NEEDS, option="--split")
    return request


def cutting_of(run: Run, request: EditRequest) -> Cutting | None:
    """How a clip is cut; None if it needs no cut.

    Raises:
        UsageError: it is not fit for it.
    """
    if request.error is not None:
        raise request.error
    path = request.clip.path
    assert path is not None  # noqa: S101  checked before
    tool = find_ffmpeg(run.settings.ffmpeg, NEEDS, option="--split")
    footage = look(tool, path, verb="split")
    if float(footage.seconds) <= request.model.limits.max_seconds + headers.ROUNDING:
        log.info("%s needs no cut", request.clip.name)
        return None
    return Cutting(request, tool, footage)


def show_cuts(run: Run, cutting: Cutting) -> int:
    """For --dry-run: where the clip is cut, or was cut by an earlier run. Returns the number of pieces."""
    there = run.journal.splits.find(cutting.request.identity)
    pieces = there.pieces if there is not None else _plan_pieces(run, cutting)
    run.report(PiecesPlanned(cutting.request.clip.name, cutting.rate, tuple(pieces)))
    return len(pieces)


def edit_in_pieces(
    run: Run, plan: Plan, cutting: Cutting, see: See, *, redo: int | None = None, keeps: bool = False
) -> None:
    """Edit a clip in pieces and save the whole; run again, it goes on where it stopped.

    `see` is the engine. `redo` is a piece that is made again; `keeps` leaves the work folder.

    Raises:
        FileError: the frames are not exact, or the file cannot be saved.
        LumaError: a piece has failed, as `Results.conclude`.
    """
    target = real_target(Path(plan.output or ""))
    split = _recorded(run, cutting, target)
    if redo is not None and redo > len(split.pieces):
        raise UsageError(f"the clip has {len(split.pieces)} pieces", hint=f"--redo-piece 1 to {len(split.pieces)}")
    ours = _own_file(run, split, target)
    if ours is not None and redo is None:
        run.journal.splits.set_state(split.number, SplitState.FINISHED, str(target))
        run.report(Note(f"{plan.output} is saved already"))
        _end(run, plan, cutting, split, ours)
        return
    save.check_output(plan, 1, lambda: frozenset({str(target)} if ours is not None else ()))
    _Work(run, plan, cutting, split, target, ours is not None).process(see, redo, keeps=keeps)


def _recorded(run: Run, cutting: Cutting, target: Path) -> Split:
    """The cuts, on disk before anything is sent; those of an earlier run are kept."""
    request, footage = cutting.request, cutting.footage
    there = run.journal.splits.find(request.identity)
    if there is not None:
        return there
    facts = {"rate": str(footage.rate), "frames": footage.frame_count, "is_variable": footage.is_variable}
    settings = {"prompt": request.prompt, "audio": request.finishing.audio, "match": request.finishing.match}
    pieces = _plan_pieces(run, cutting)
    return run.journal.splits.create(request.identity, request.clip.source, str(target), facts, settings, pieces)


def _plan_pieces(run: Run, cutting: Cutting) -> list[Piece]:
    footage, limits = cutting.footage, cutting.request.model.limits
    with transferring(run.report, f"find the scenes of {footage.path.name}", "seconds") as on_seconds:
        scenes = find_scenes(cutting.tool, footage, on_seconds)
    planned = plan_cuts(footage.frame_count, footage.rate, limits, scenes)
    return [Piece(piece.index + 1, piece.first_frame, piece.frame_count) for piece in planned]


def _own_file(run: Run, split: Split, target: Path) -> SavedFile | None:
    """The file at the target, if it is what an earlier run has made of these very pieces."""
    known = run.journal.file_at(str(target))
    rows = run.journal.pieces_of(split.number)
    if known is None or known[0] not in {row.task.task_id for row in rows}:
        return None
    return save.already_saved(target, known[1])


def _newest(rows: Sequence[Row]) -> dict[int, Row]:
    """The row that counts of each piece: `rows` come newest first."""
    return {row.details.piece_index or 0: row for row in reversed(rows)}


def _end(run: Run, plan: Plan, cutting: Cutting, split: Split, file: SavedFile) -> None:
    """Report the one result of all pieces."""
    newest, request = _newest(run.journal.pieces_of(split.number)), cutting.request
    rows = [newest.get(piece.index) for piece in split.pieces]
    costs = [None if row is None else row.credits for row in rows]
    known = [cost for cost in costs if cost is not None]
    whole = Task(
        "",
        State.SUCCEEDED,
        prompt=request.prompt,
        watermark=request.watermark,
        files=(file,),
        model=request.model.name,
        credits=sum(known) if len(known) == len(costs) else None,
    )
    pieces = tuple(
        {
            "index": piece.index,
            "firstFrame": piece.first_frame,
            "frames": piece.frames,
            "taskId": row.task.task_id if row is not None else None,
            "state": str(row.task.state) if row is not None else None,
            "credits": row.credits if row is not None else None,
            "resultUrls": list(row.task.result_urls) if row is not None else [],
        }
        for piece, row in zip(split.pieces, rows, strict=True)
    )
    run.results.count = 1
    run.results.next_step = None
    run.report(Ended(request.clip.name, whole, output=plan.output, pieces=pieces))


@dataclass
class _Work:
    """One run over the pieces of a split edit. `replaces`: the target is the file of an earlier run."""

    run: Run
    plan: Plan
    cutting: Cutting
    split: Split
    target: Path
    replaces: bool
    tasks: dict[int, Task] = field(default_factory=dict)
    brought: "dict[int, Future[Path]]" = field(default_factory=dict)
    size: tuple[int, int] | None = None

    def process(self, see: See, redo: int | None, *, keeps: bool) -> None:
        run = self.run
        folder = self._folder()
        if self._matches:
            self.size = self.cutting.seen_size
        run.results.count = len(self.split.pieces)
        run.results.next_step = RUN_AGAIN
        self._pool = ThreadPoolExecutor(1)
        try:
            entries = self._entries(folder, redo)
            see(replace(run, report=self._take), replace(self.plan, finishing=Finishing(as_delivered=True)), entries)
            run.results.conclude()
            file = self._join(folder)
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if not keeps:
            shutil.rmtree(folder, ignore_errors=True)
        _end(run, self.plan, self.cutting, self.split, file)

    @property
    def _matches(self) -> bool:
        return bool(self.cutting.request.finishing.match or self.split.settings.get("match"))

    def _folder(self) -> Path:
        folder = self.target.with_name(f".{self.target.name}.luma-pieces")
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.is_symlink():  # somebody else's wish for where our pieces go
                raise files.refused_link(folder)
        except OSError as error:
            raise FileError(f"cannot make the folder {folder}: {reason(error)}") from error
        return folder

    def _entries(self, folder: Path, redo: int | None) -> list[Entry]:
        request, count = self.cutting.request, len(self.split.pieces)
        repeated = redo if redo is not None and self._submits_again(redo) else None
        entries = []
        for piece in self.split.pieces:
            part = PieceOf(self.split.number, piece.index, count, piece.first_frame, piece.frames)
            one = replace(
                request,
                piece=part,
                key=f"split:{self.split.number}:{piece.index}",
                repeats=piece.index == repeated,
                finishing=Finishing(),
            )
            name = f"piece {piece.index} of {count}"
            naming = Naming(f"piece-{piece.index:03}")
            entries.append(Entry(name, naming, one, output=f"{folder}/", is_checked=True))
        return entries

    def _submits_again(self, index: int) -> bool:
        """Whether piece `index` is to be paid again, or an earlier run that was stopped has done so already."""
        rows = [row for row in self.run.journal.pieces_of(self.split.number) if row.details.piece_index == index]
        if not rows:
            return False
        is_stopped_redo = self.split.state is SplitState.OPEN and len(rows) > 1 and not rows[0].task.has_failed
        if self.split.state is SplitState.FINISHED:
            self.run.journal.splits.set_state(self.split.number, SplitState.OPEN)
        return not is_stopped_redo

    def _take(self, event: Event) -> None:
        """Facts of the pieces: what ended is brought back beside the others, and is no result of its own."""
        match event:
            case Ended():
                self._bring_back_soon(int(event.name.split()[1]), event.task)
            case Failed():
                index = event.name.split()[1]
                hint = f"{event.error.hint}; " if event.error.hint else ""
                again = f"{hint}this piece again: the same command with --redo-piece {index}"
                if event.task is not None and event.task.has_failed:
                    self.run.report(Warned(f"{event.name}: {event.error.message} ({again})", once=False))
                else:
                    self.run.report(Warned(f"{event.name}: {event.error.message}", once=False))
            case _:
                self.run.report(event)

    def _bring_back_soon(self, index: int, task: Task) -> None:
        self.tasks[index] = task
        if index == self.split.pieces[0].index and self.size is None:
            picture = look(self.cutting.tool, Path(task.files[0].path), failure=FileError).picture
            self.size = even((picture.width, picture.height))
        if self.size is None:
            return  # the first piece has not come yet, whose size the others get
        for number, ended in self.tasks.items():
            if number not in self.brought:
                self.brought[number] = self._pool.submit(self._bring_back, number, ended, self.size)

    def _bring_back(self, index: int, task: Task, size: tuple[int, int]) -> Path:
        """The piece at exactly the frames that it had, in the pool's thread."""
        delivered = Path(task.files[0].path)
        piece = self.split.pieces[index - 1]
        made = delivered.with_name(f"back-{index:03}-{task.task_id[:32]}-{size[0]}x{size[1]}.mp4")
        if not made.is_file():
            part = made.with_suffix(".part")
            goal = match.Goal(self.cutting.rate, piece.frames, size, self.cutting.footage.is_variable)
            label = f"bring back piece {index} of {len(self.split.pieces)}"
            with transferring(self.run.report, label, "seconds") as on_seconds:
                match.bring_back(self.cutting.tool, delivered, goal, part, on_seconds=on_seconds)
            os.replace(part, made)
        return made

    def _join(self, folder: Path) -> SavedFile:
        pieces = [self._brought(piece.index) for piece in self.split.pieces]
        count = sum(piece.frames for piece in self.split.pieces)
        joined, request = folder / "joined.mp4", self.cutting.request
        files.remove(joined)
        with transferring(self.run.report, f"join {request.clip.name}", "pieces") as on_piece:
            sound = self._sound()
            tool, rate = self.cutting.tool, self.cutting.rate
            join.join(tool, pieces, rate, count, joined, sound=sound, on_seconds=on_piece)
        return self._publish(joined)

    def _brought(self, index: int) -> Path:
        try:
            return self.brought[index].result()
        except OSError as error:
            raise FileError(f"cannot bring back piece {index}: {reason(error)}") from error

    def _sound(self) -> Sound | None:
        audio = self.cutting.request.finishing.audio or self.run.settings.audio or KEEP
        if audio == SILENT:
            return None
        path = self.cutting.footage.path if audio == KEEP else Path(audio)
        return find_sound(self.cutting.tool, path)

    def _publish(self, joined: Path) -> SavedFile:
        """Recorded before it has its name: a run that is stopped in between finds it to be its own."""
        size, digest = part_file.measure(joined)
        file = SavedFile(str(self.target), size, digest, "")
        work = [Path(one.path) for task in self.tasks.values() for one in task.files]
        for task in self.tasks.values():
            self.run.journal.save_file(task.task_id, file)
        try:
            with joined.open("rb+") as opened:
                files.sync_file(opened.fileno())
            files.publish(joined, self.target, overwrite=self.plan.overwrite or self.replaces)
            files.sync_folder(self.target.parent)
        except FileExistsError as error:
            raise files.exists(self.target) from error
        except OSError as error:
            raise files.file_error(self.target, error) from error
        self.run.journal.splits.set_state(self.split.number, SplitState.FINISHED, str(self.target))
        with suppress(FileError):
            self.run.journal.forget_files([str(path) for path in work])
        return file
