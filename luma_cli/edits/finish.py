"""What is made of a result before it gets its name: its source's sound under it, its source's frames and size."""

import logging
import os
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from luma_cli import signals
from luma_cli.api.hosts import host_of, is_link, is_loopback
from luma_cli.api.models import find_model
from luma_cli.downloads import part_file
from luma_cli.downloads.source_clip import fetch_clip
from luma_cli.downloads.target import sibling
from luma_cli.edits.events import Note, Warned, transferring
from luma_cli.edits.request import KEEP, SILENT, EditRequest, Entry
from luma_cli.edits.run import STDOUT, Finishing, Plan, Run
from luma_cli.errors import FileError, LumaError, UsageError, reason
from luma_cli.journal.records import Row
from luma_cli.video import headers, match
from luma_cli.video.ffmpeg import DEMUXERS, ENCODING, INSTALL, Ffmpeg, Need, find_ffmpeg
from luma_cli.video.frames import look
from luma_cli.video.sound import has_sound, with_sound
from luma_cli.video.trim_range import Trim, parse_trim

log = logging.getLogger(__name__)

SOUND_NEEDS = frozenset({Need.AAC, Need.TIMING})
# An edit of an edit of an edit: further back nobody looks for the sound.
MAX_CHAIN = 20
# Nothing but a name: ffmpeg is told what to write. The finished file has another one.
UNFINISHED = ".mkv"


class Source(NamedTuple):
    """Where the clip that was edited may be had: a file with this hash, or a link. `trim` is the part that was sent."""

    path: Path | None = None
    sha256: str | None = None
    url: str | None = None
    trim: Trim | None = None


def check_finishing(run: Run, finishing: Finishing) -> Finishing:
    """What a command line asks for, with a file of sound as an absolute path.

    Raises:
        UsageError: it contradicts itself, the file is not a sound, or ffmpeg is missing for it.
    """
    asked = finishing._replace(audio=finishing.audio or None)
    if finishing.audio == "":
        raise UsageError("--audio is empty", hint="--audio keep, none or FILE")
    if asked.as_delivered and (asked.match or asked.audio not in (None, SILENT)):
        raise UsageError("--as-delivered and what changes the file are both given", hint="use one of them")
    if asked.audio not in (None, KEEP, SILENT):
        path = Path(os.path.abspath(asked.audio))
        _check_sound(path)
        asked = asked._replace(audio=str(path))
        find_ffmpeg(run.settings.ffmpeg, SOUND_NEEDS, option="--audio FILE")
    if asked.match:
        find_ffmpeg(run.settings.ffmpeg, ENCODING, option="--match")
    return asked


def _check_sound(path: Path) -> None:
    try:
        kind = headers.sniff_file(path)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {reason(error)}", hint="--audio keep, none or FILE") from error
    if kind not in DEMUXERS or kind == "gif":
        raise UsageError(f"{path.name} is {headers.name_of(kind)}, not a sound", hint="--audio keep, none or FILE")
    try:
        media = headers.probe_file(path) if kind in (*headers.CONTAINERS, "m4a") else None
    except (headers.MediaError, OSError):
        media = None  # ffmpeg may read it all the same
    if media is not None and not media.is_partial and not _may_have_sound(media):
        raise UsageError(f"{path.name} has no sound", hint="--audio keep, none or FILE")


def finisher(run: Run, plan: Plan, entry: Entry, task_id: str, path: Path) -> "Finisher | None":
    """What finishes a task's results, None if they are saved as they are delivered. Read in the journal's thread."""
    if plan.finishing.as_delivered or not task_id:
        return None
    try:
        row = entry.row or run.journal.known(task_id)
    except FileError as error:
        # It failed while we waited. A result without its finish is worth more than none.
        log.info("saved as delivered, since the journal cannot be read: %s", error.message)
        run.report(Note("saved as delivered: what was submitted cannot be read from the journal", once=True))
        return None
    request = entry.request
    said = [request.finishing] if request is not None else []
    recorded = [Finishing(row.details.audio, row.details.match)] if row is not None else []
    wish = wish_of(run, *said, plan.finishing, *recorded)
    if (wish.audio == SILENT and not wish.match) or (row is not None and row.details.piece_of is not None):
        return None
    found = list(_sources(run, row, request))
    may_fetch_any = not run.client.is_local
    sources = tuple(it for it in found if it.url is None or may_fetch_any or is_loopback(host_of(it.url)))
    if found and not sources and wish.audio == KEEP:
        log.info("%s is saved as it is delivered: a sandbox asks no other host for the source", path.name)
        return None
    model = request.model if request is not None else find_model(row.task.model if row is not None else "luma")
    return Finisher(run, wish, sources, task_id, path, model.limits.max_seconds, is_stdout=plan.output == STDOUT)


def wish_of(run: Run, *said: Finishing) -> Finishing:
    """What the first says that says it (the entry, the command, the journal), else the setting."""
    audio = next((one.audio for one in said if one.audio), run.settings.audio or KEEP)
    return Finishing(audio, next((one.match for one in said if one.match is not None), False))


def _file_of(row: Row) -> Iterator[Source]:
    """The local clip that a row was made of."""
    if row.source and not is_link(row.source) and os.path.isabs(row.source):
        try:
            trim = parse_trim(row.details.trim) if row.details.trim else None
        except UsageError:
            log.info("%s: %r is not a part of a clip", row.label, row.details.trim)
            return
        yield Source(Path(row.source), row.details.source_sha256, trim=trim)


def _sources(run: Run, row: Row | None, request: EditRequest | None) -> Iterator[Source]:
    """Where the clip may be had, the best first."""
    if request is not None and request.clip.path is not None:
        yield Source(request.clip.path.absolute(), request.clip.sha256, trim=request.trim)
    elif row is not None:
        yield from _file_of(row)
    if row is None:
        if request is not None and is_link(request.clip.name):
            yield Source(url=request.clip.name)
        return
    yield from _sources_of_parents(run, row)
    if row.task.video_url and is_link(row.task.video_url):
        yield Source(url=row.task.video_url)  # of an upload: the part that was cut already


def _sources_of_parents(run: Run, row: Row) -> Iterator[Source]:
    """An edit of an edit: the earlier result is silent as it was delivered, and has its sound as it was saved."""
    for _ in range(MAX_CHAIN):
        parent = run.journal.known(row.details.parent_task_id) if row.details.parent_task_id else None
        if parent is None:
            return
        yield from (Source(Path(file.path), file.sha256) for file in parent.task.files)
        yield from _file_of(parent)
        row = parent


@dataclass(frozen=True)
class Finisher:
    """Finishes the results of one task, in any thread: called with the delivered file, gives the one to be saved.

    None means that the delivered one is saved as it is; why it is not finished is a warning then, since nothing that
    is wrong with a step after the payment may cost the paid file.
    """

    run: Run
    wish: Finishing
    sources: tuple[Source, ...]
    task_id: str
    path: Path
    max_seconds: float
    is_stdout: bool = False

    def __call__(self, delivered: Path) -> Path | None:
        try:
            with tempfile.TemporaryDirectory(prefix="luma-source-", ignore_cleanup_errors=True) as folder:
                return self._finished(delivered, Path(folder))
        except Exception as error:
            if signals.is_stopping():
                raise FileError("stopped before it was finished") from error
            log.debug("unexpected", exc_info=error)
            self._warn(error)
            return None

    def _finished(self, delivered: Path, folder: Path) -> Path | None:
        matched = self._matched(delivered, folder) if self.wish.match else None
        try:
            sounding = self._sounding(delivered, matched or delivered, folder)
        except Exception as error:
            if matched is None or signals.is_stopping():
                raise
            self._warn(error)
            sounding = None
        return sounding or matched

    def _matched(self, delivered: Path, folder: Path) -> Path:
        tool = find_ffmpeg(self.run.settings.ffmpeg, ENCODING, option="--match")
        source, trim = self._clip(folder)
        footage = look(tool, source, failure=FileError)
        goal = match.goal_of(footage, trim, self.max_seconds)
        made = sibling(delivered, UNFINISHED)
        with transferring(self.run.report, f"match {self.path.name}", "seconds") as on_seconds:
            held = match.match(tool, delivered, goal, made, on_seconds=on_seconds)
        if goal.is_average:
            rate = f"{float(goal.rate):.3f}".rstrip("0").rstrip(".")
            self.run.report(Note(f"the frame rate of {source.name} varies: {self._name} has its average, {rate}"))
        log.info("%s has %d frames, %d of them the held last one", self._name, goal.frame_count, held)
        return made

    def _sounding(self, delivered: Path, picture: Path, folder: Path) -> Path | None:
        """The picture with the sound that it is to have; None if it has none to get."""
        if picture != delivered and self._sounds(delivered):
            return self._laid(self._tool(), picture, delivered, None)
        if self.wish.audio == SILENT:
            return None
        if self.wish.audio != KEEP:
            return self._with_file(delivered, picture, Path(self.wish.audio or ""))
        if self._needs_nothing(delivered):
            return None
        source, trim = self._clip(folder, needs_sound=True)
        return self._laid(self._tool(), picture, source, trim) if self._may_sound(source) else None

    def _needs_nothing(self, delivered: Path) -> bool:
        """True if the source is silent by its headers, is what was delivered, or the result has a sound of its own."""
        files = [source.path for source in self.sources if source.path is not None and source.path.is_file()]
        if files and not self._may_sound(files[0]):
            return True
        return self._is_source(delivered) or self._sounds(delivered)

    def _with_file(self, delivered: Path, picture: Path, sound: Path) -> Path | None:
        tool = self._tool()
        if self._sounds(delivered):
            self.run.report(Warned(f"{self._name} has a sound of its own: {sound.name} is not laid under it"))
            return None
        made = self._laid(tool, picture, sound, None)
        if made is None:
            raise FileError(f"{sound.name} has no sound")
        return made

    def _tool(self) -> Ffmpeg:
        return find_ffmpeg(self.run.settings.ffmpeg, SOUND_NEEDS, option="the sound of the source")

    def _sounds(self, delivered: Path) -> bool:
        """True if it is heard. Without ffmpeg nobody knows how loud a track is: then it counts as heard."""
        if not self._may_sound(delivered):
            return False
        try:
            return has_sound(self._tool(), delivered)
        except UsageError as error:
            log.info("%s has a track of sound, and may be silent all the same: %s", self._name, error.message)
            return True

    def _laid(self, tool: Ffmpeg, picture: Path, source: Path, trim: Trim | None) -> Path | None:
        made = sibling(picture, ".mov" if self.path.suffix.lower() == ".mov" else ".mp4")
        start = trim.start if trim is not None else 0.0
        with transferring(self.run.report, f"sound of {self.path.name}", "seconds") as on_seconds:
            report = with_sound(tool, picture, source, made, start=start, on_seconds=on_seconds)
        if report is None:
            return None
        how = "copied" if report.is_copied else "encoded as AAC"
        log.info("%s gets the sound of %s, %s, %s", self._name, source.name, report.codec, how)
        if report.left_out:
            log.info("left out of %s: %s", source.name, ", ".join(report.left_out))
        return made

    # --- the source ---

    def _is_source(self, delivered: Path) -> bool:
        """True if the service gave the clip back as it is, as the sandbox does."""
        hashes = {source.sha256 for source in self.sources if source.path is not None and source.trim is None}
        sizes = {source.path.stat().st_size for source in self.sources if source.path and source.path.is_file()}
        return delivered.stat().st_size in sizes and part_file.measure(delivered)[1] in hashes

    def _clip(self, folder: Path, *, needs_sound: bool = False) -> tuple[Path, Trim | None]:
        """The clip that was edited, and the part of it.

        Raises:
            FileError: it is not to be had, with all reasons.
        """
        reasons: list[str] = []
        silent: tuple[Path, Trim | None] | None = None
        for source in self.sources:
            try:
                path = self._opened(source, folder)
            except LumaError as error:
                reasons.append(error.message)
                continue
            if not needs_sound or self._may_sound(path):
                return path, source.trim
            silent = silent or (path, source.trim)
        if silent is not None:
            return silent
        raise _NoSourceError("; ".join(dict.fromkeys(reasons)) or "this journal does not know what it was made of")

    def _opened(self, source: Source, folder: Path) -> Path:
        if source.path is None:
            with self.run.client.file_session() as session:
                return fetch_clip(source.url or "", folder, session, sleep=self.run.clock.sleep)
        if not source.path.is_file():
            raise FileError(f"{source.path} is not there any more")
        if source.sha256 is None:
            raise FileError(f"nobody knows whether {source.path} is still the clip that was edited")
        if part_file.measure(source.path)[1] != source.sha256:
            raise FileError(f"{source.path} has changed since")
        return source.path

    def _may_sound(self, path: Path) -> bool:
        """False if its headers say that it has no track of sound."""
        try:
            return _may_have_sound(headers.probe_file(path))
        except headers.MediaError:
            return True

    # --- what is said ---

    @property
    def _name(self) -> str:
        return "the video" if self.is_stdout else self.path.name

    def _warn(self, error: Exception) -> None:
        missing = "its source's frames" if self.wish.match else "the sound of its source"
        if isinstance(error, UsageError) and error.hint == INSTALL:
            what = f"what is saved is without {missing}"
            self.run.report(Warned(f"{error.message}: {what} ({INSTALL}; then: luma download TASK -f)"))
            return
        what = f"{self._name} is saved without {missing}: {_reason(error)}"
        self.run.report(Warned(f"{what}; {self._later(error)}", once=False))

    def _later(self, error: Exception) -> str:
        output = "" if self.is_stdout else f" -o {shlex.quote(str(self.path))}"
        audio = " --audio FILE" if isinstance(error, _NoSourceError) and not self.wish.match else ""
        return f"later: luma download {self.task_id} -f{output}{audio}"


class _NoSourceError(FileError):
    """The clip that was edited is not to be had."""


def _reason(error: Exception) -> str:
    if isinstance(error, LumaError):
        return error.message
    return reason(error) if isinstance(error, OSError) else f"internal error: {type(error).__name__}"


def _may_have_sound(media: headers.Media) -> bool:
    return media.is_partial or any(track.kind == "audio" for track in media.tracks)
