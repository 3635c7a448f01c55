"""What becomes of a clip in pieces: each is brought back to its frames, and all are joined into one file."""

import logging
import os
import shutil
import stat
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from luma_cli import files
from luma_cli.api.task import SavedFile, State, Task
from luma_cli.downloads import part_file
from luma_cli.downloads.file_names import Naming
from luma_cli.downloads.target import check_target, real_target
from luma_cli.edits import save
from luma_cli.edits.events import Warned, transferring
from luma_cli.edits.finish import wish_of
from luma_cli.edits.poll import Inbox
from luma_cli.edits.request import KEEP, SILENT, EditRequest, Entry, PieceOf
from luma_cli.edits.run import Finishing, Plan, Run, common_kind
from luma_cli.edits.sources.piece_rows import PieceFacts, facts_of
from luma_cli.edits.sources.pieces import footage_to_cut, own_key, plan_pieces, recorded_split
from luma_cli.errors import FileError, LumaError, reason
from luma_cli.journal.splits import Split, SplitState
from luma_cli.video import join, match
from luma_cli.video.encode import even
from luma_cli.video.ffmpeg import ENCODING, Ffmpeg, find_ffmpeg
from luma_cli.video.frames import Footage, look
from luma_cli.video.sound import Sound, find_sound

log = logging.getLogger(__name__)


class BeingMade(Exception):
    """Another process is at work on the same file."""


class Joined(NamedTuple):
    """The pieces of a clip are joined in `path`, or cannot be."""

    whole: "Whole"
    path: Path
    error: LumaError | None = None


@dataclass
class Whole:
    """A clip that is edited in pieces, and what has become of them. `replaces`: the target is of an earlier run."""

    entry: Entry
    request: EditRequest
    footage: Footage
    split: Split
    finishing: Finishing
    target: Path
    claim: ExitStack
    replaces: bool = False
    size: tuple[int, int] | None = None
    tasks: dict[int, Task] = field(default_factory=dict)
    errors: dict[int, LumaError] = field(default_factory=dict)
    brought: "dict[int, Future[Path]]" = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """For the pieces, beside the target."""
        return self.target.with_name(f".{self.target.name}.luma-pieces")

    @property
    def has_ended(self) -> bool:
        return len(self.tasks) + len(self.errors) == len(self.split.pieces)

    @property
    def error(self) -> LumaError:
        """What went wrong with the pieces: of the kind of theirs if all failed alike."""
        found, count = list(self.errors.values()), len(self.split.pieces)
        return common_kind(found, count)(
            f"{len(found)} of {count} pieces did not succeed", hint="each has its own line above"
        )


class Joiner:
    """Cuts clips into pieces and joins what comes of them: in a thread, while others are still generated.

    What is joined goes through `inbox` back to the thread that owns the journal.
    """

    def __init__(self, run: Run, plan: Plan, inbox: Inbox) -> None:
        self._run = run
        self._plan = plan
        self._inbox = inbox
        self._open: list[Whole] = []
        self._joining = 0
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> None:
        pass

    def __exit__(self, stopped_by: object, *_: object) -> None:
        # What is being written is ended before the claim is given up: else the next run writes the same file.
        self._pool.shutdown(wait=stopped_by is None, cancel_futures=True)
        for whole in list(self._open):
            self.close(whole)

    @property
    def is_busy(self) -> bool:
        return self._joining > 0

    @property
    def has_failed(self) -> bool:
        return any(whole.errors for whole in self._open)

    # --- before the pieces ---

    def cut(self, entry: Entry) -> tuple[Whole, SavedFile | None]:
        """A clip with its pieces, planned or those of an earlier run, and its file if that has made it already.

        The cuts are on disk before anything is sent.

        Raises:
            BeingMade: another process is at it.
            LumaError: the clip cannot be cut, or the whole not be saved.
        """
        request, target = entry.edit, real_target(Path(entry.output or ""))
        footage = footage_to_cut(self._run, request)
        assert footage is not None  # noqa: S101  only what needs a cut comes here
        with ExitStack() as claim:
            for what in (f"{request.identity} {own_key(request)}", str(target)):
                if not claim.enter_context(self._run.journal.only_one(what)):
                    raise BeingMade(f"another luma is making {entry.output}")
            whole = self._whole(entry, request, footage, target)
            ours = self._own_file(whole)
            if ours is None:
                check_target(target, overwrite=self._plan.overwrite)
            elif request.redo_piece is None:
                self._run.journal.splits.set_state(whole.split.number, SplitState.FINISHED, str(target))
                return whole, ours
            whole.replaces = ours is not None
            _make_folder(whole.folder)
            whole.claim.push(claim.pop_all())
        self._open.append(whole)
        return whole, None

    def _whole(self, entry: Entry, request: EditRequest, footage: Footage, target: Path) -> Whole:
        run = self._run
        split = recorded_split(run, request, entry.output)
        recorded = split.settings if split is not None else {}
        finishing = wish_of(
            run, request.finishing, self._plan.finishing, Finishing(recorded.get("audio"), recorded.get("match"))
        )
        if split is None:
            settings = {"audio": finishing.audio, "match": finishing.match}
            settings |= {"key": own_key(request), "repeats": request.repeats}
            facts, pieces = {"rate": str(footage.rate)}, plan_pieces(run, request, footage)
            create = run.journal.splits.create
            split = create(request.identity, request.clip.source, str(target), facts, settings, pieces)
        whole = Whole(entry, request, footage, split, finishing, target, ExitStack())
        whole.size = even((footage.picture.width, footage.picture.height)) if finishing.match else None
        return whole

    def _own_file(self, whole: Whole) -> SavedFile | None:
        """The file at the target, if it is what an earlier run has made of these very pieces."""
        known = self._run.journal.file_at(str(whole.target))
        rows = self._run.journal.pieces_of(whole.split.number)
        if known is None or known[0] not in {row.task.task_id for row in rows}:
            return None
        return save.already_saved(whole.target, known[1])

    def entries(self, whole: Whole) -> list[Entry]:
        """The pieces as the engine takes them."""
        request, split, entry = whole.request, whole.split, whole.entry
        redo, count = request.redo_piece, len(split.pieces)
        repeated = redo if redo is not None and self._submits_again(split, redo) else None
        found = []
        for piece in split.pieces:
            seconds = float(piece.frames / whole.footage.rate)
            part = PieceOf(split.number, piece.index, count, piece.first_frame, piece.frames, seconds)
            one = replace(
                request,
                piece=part,
                is_split=False,
                key=f"split:{split.number}:{piece.index}",
                other_keys=(),
                known=None,
                repeats=piece.index == repeated,
                finishing=Finishing(),
            )
            name = f"piece {piece.index} of {count}" if entry.entry_id is None else f"{entry.name} piece {piece.index}"
            found.append(
                Entry(
                    name,
                    Naming(f"piece-{piece.index:03}"),
                    one,
                    output=f"{whole.folder}/",
                    is_checked=True,
                    whole=whole,
                    entry_id=entry.entry_id,
                    line=entry.line,
                )
            )
        return found

    def _submits_again(self, split: Split, index: int) -> bool:
        """Whether piece `index` is to be paid again, or an earlier run that was stopped has done so already."""
        rows = [row for row in self._run.journal.pieces_of(split.number) if row.details.piece_index == index]
        if not rows:
            return False
        is_stopped_redo = split.state is SplitState.OPEN and len(rows) > 1 and not rows[0].task.has_failed
        if split.state is SplitState.FINISHED:
            self._run.journal.splits.set_state(split.number, SplitState.OPEN)
        return not is_stopped_redo

    # --- after the pieces ---

    def failed(self, whole: Whole, entry: Entry, error: LumaError, *, task: Task | None) -> None:
        """A piece did not come to its end; the others go on."""
        index = _index_of(entry)
        whole.errors[index] = error
        hint = error.hint
        if task is not None and task.has_failed:
            again = f"the same command with --redo-piece {index}"
            if entry.entry_id is not None:
                again = f"luma tasks forget {task.task_id}, and the same command again"
            hint = f"{f'{hint}; ' if hint else ''}this piece again: {again}"
        self._run.report(Warned(f"{entry.name}: {error.message}{f' ({hint})' if hint else ''}", once=False))

    def ended(self, whole: Whole, entry: Entry, task: Task) -> None:
        """A piece is saved in the work folder: it is brought back beside the others, and all are joined at the end."""
        index = _index_of(entry)
        whole.tasks[index] = task
        if index == whole.split.pieces[0].index and whole.size is None:
            picture = look(self._tool, Path(task.files[0].path), failure=FileError).picture
            whole.size = even((picture.width, picture.height))
        if whole.size is not None:  # else the first piece has not come yet, whose size the others get
            for number, ended in whole.tasks.items():
                if number not in whole.brought:
                    whole.brought[number] = self._pool.submit(self._bring_back, whole, number, ended, whole.size)
        if whole.has_ended and not whole.errors:
            self._joining += 1
            self._pool.submit(lambda: self._inbox.put(self._join(whole)))

    @property
    def _tool(self) -> Ffmpeg:
        return find_ffmpeg(self._run.settings.ffmpeg, ENCODING, option="--split")

    def _bring_back(self, whole: Whole, index: int, task: Task, size: tuple[int, int]) -> Path:
        """The piece at exactly the frames that it had, in the pool's thread."""
        delivered = Path(task.files[0].path)
        piece = whole.split.pieces[index - 1]
        made = delivered.with_name(f"back-{index:03}-{task.task_id[:32]}-{size[0]}x{size[1]}.h264")
        if not made.is_file():
            part = made.with_suffix(".part")
            goal = match.Goal(whole.footage.rate, piece.frames, size, whole.footage.is_variable)
            label = f"bring back piece {index} of {len(whole.split.pieces)}"
            with transferring(self._run.report, label, "seconds") as on_seconds:
                match.match(self._tool, delivered, goal, part, is_joinable=True, on_seconds=on_seconds)
            os.replace(part, made)
        return made

    def _join(self, whole: Whole) -> Joined:
        """In the pool's thread, after the last piece is brought back."""
        joined = whole.folder / "joined.mp4"
        try:
            pieces = [whole.brought[piece.index].result() for piece in whole.split.pieces]
            count = sum(piece.frames for piece in whole.split.pieces)
            files.remove(joined)
            with transferring(self._run.report, f"join {whole.request.clip.name}", "pieces") as on_piece:
                sound = self._sound(whole)
                join.join(self._tool, pieces, whole.footage.rate, count, joined, sound=sound, on_seconds=on_piece)
        except LumaError as error:
            # What is wrong may be in them, and they are made again for nothing.
            for path in whole.folder.glob("back-*"):
                files.remove(path)
            return Joined(whole, joined, error)
        except OSError as error:
            return Joined(whole, joined, FileError(f"cannot join the pieces: {reason(error)}"))
        except Exception as error:
            log.debug("unexpected", exc_info=error)
            return Joined(whole, joined, LumaError(f"internal error: {type(error).__name__}"))
        return Joined(whole, joined)

    def _sound(self, whole: Whole) -> Sound | None:
        audio = whole.finishing.audio or KEEP
        if audio == SILENT:
            return None
        try:
            if audio != KEEP:
                return find_sound(self._tool, Path(audio))
            sound = find_sound(self._tool, whole.footage.path)
            # The whole has no long first frame, and all others are where they would be without one.
            return None if sound is None else sound._replace(zero=whole.footage.timeline.start)
        except FileError as error:
            # The pieces are paid, and whole without it.
            self._run.report(Warned(f"{whole.target.name} is saved without sound: {error.message}", once=False))
            return None

    def publish(self, joined: Joined) -> SavedFile:
        """Give the whole its name. Recorded before: a run that is stopped in between finds it to be its own.

        Raises:
            LumaError: it was not joined, or cannot be saved.
        """
        self._joining -= 1
        whole, journal = joined.whole, self._run.journal
        try:
            if joined.error is not None:
                raise joined.error
            size, digest = part_file.measure(joined.path)
            file = SavedFile(str(whole.target), size, digest, "")
            for task in whole.tasks.values():
                journal.save_file(task.task_id, file)
            files.give_name(joined.path, whole.target, overwrite=self._plan.overwrite or whole.replaces)
            journal.splits.set_state(whole.split.number, SplitState.FINISHED, str(whole.target))
            if not self._plan.keeps_pieces:
                with suppress(FileError):
                    journal.forget_files([one.path for task in whole.tasks.values() for one in task.files])
                shutil.rmtree(whole.folder, ignore_errors=True)
            return file
        finally:
            self.close(whole)

    def close(self, whole: Whole) -> None:
        """Nothing more is done for it by this run: another process may."""
        with suppress(OSError):
            whole.folder.rmdir()  # if nothing has come of it
        whole.claim.close()
        if whole in self._open:
            self._open.remove(whole)

    def result(self, whole: Whole, file: SavedFile | None) -> tuple[Task, PieceFacts]:
        """The one result of all pieces, and the facts of each as JSON has them."""
        pieces = facts_of(whole.split, self._run.journal.pieces_of(whole.split.number))
        costs = [piece["credits"] for piece in pieces if isinstance(piece["credits"], float | int)]
        state = State.SUCCEEDED if file is not None else State.UNKNOWN
        cost = sum(costs) if len(costs) == len(pieces) else None
        files = (file,) if file is not None else ()
        return whole.request.asked._replace(state=state, files=files, credits=cost), pieces


def _index_of(entry: Entry) -> int:
    assert entry.edit.piece is not None  # noqa: S101
    return entry.edit.piece.index


def _make_folder(folder: Path) -> None:
    """Raises FileError if it cannot be made, or is not ours alone.

    In a shared folder it may be somebody else's wish for where our pieces go, with links in it.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
        if not stat.S_ISDIR(facts.st_mode):
            raise files.refused_link(folder)
        if not files.is_ours(facts, folder.parent):
            raise FileError(
                f"{folder} belongs to another user",
                hint="remove it, or use -o with another name or in a folder of your own",
            )
        _close_to_others(folder)
        for path in folder.iterdir():
            if path.is_symlink():
                files.remove(path)
    except OSError as error:
        raise FileError(f"cannot use the folder {folder}: {reason(error)}") from error


def _close_to_others(folder: Path) -> None:
    """Nobody else may write in it from now on."""
    try:
        folder.chmod(0o700)
    except OSError as error:
        if not files.is_unsupported(error):
            raise
        log.info("the mode of %s stays as it is: %s", folder, reason(error))
