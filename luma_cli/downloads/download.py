"""A result link to a file: whole or not at all, resumed if that is safe, and never with a key."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from luma_cli.api.hosts import without_query
from luma_cli.api.task import SavedFile
from luma_cli.api.transport import Session
from luma_cli.downloads import part_file
from luma_cli.downloads.part_file import Finished, PartFile
from luma_cli.downloads.target import check_path, check_target, real_target, remove_siblings, stamp
from luma_cli.downloads.transfer import USUAL, Progress, Transfer, TransferLimits
from luma_cli.errors import FileError

Check = Callable[[Path], Sequence[str] | None]
Finish = Callable[[Path], Path | None]


class Download(NamedTuple):
    file: SavedFile
    warnings: tuple[str, ...] = ()


def download(
    url: str,
    target: Path,
    *,
    identity: str,
    session: Session,
    check_whole: Check,
    overwrite: bool = False,
    keep_sidecar: bool = False,
    fresh_link: Callable[[], str] | None = None,
    finish: Finish | None = None,
    on_progress: Progress = lambda _done, _total: None,
    deadline: float | None = None,
    on_wait: Callable[[str], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    limits: TransferLimits = USUAL,
    allows_plain: bool = False,
) -> Download:
    """Save the file behind a link as `target`, which appears only when it is whole.

    `identity` names the result that the link leads to (task and index, or the link without its query): a part file
    is continued only for the same one. `fresh_link` gives another link when this one is refused. `check_whole`
    raises ValueError if the container is not complete, and gives warnings. `finish` may make the file that is saved
    from the one that was delivered, which stays until then: in the same folder, as `target.sibling` does it; None saves
    what was delivered. With `keep_sidecar` a run that is killed before it calls `part_file.tidy`, after it has
    written down what it saved, finds the file to be its own the next time. Another download to `target` is waited for
    until the monotonic clock reads `deadline`; `on_wait` is given who does it, once that takes long.

    Raises:
        UsageError: the name is not allowed.
        FileError: what trying again will not fix.
        Unavailable: what it may; the part file is kept.

    Source: the vendor's pages "Get Download URL" (a fresh link lives 20 minutes) and "Getting Started" (media 14 days).
    """
    check_path(target)
    before = stamp(target)
    with part_file.locked(target, deadline, on_wait) as held:
        file, warnings = _there_already(target, identity, before, held, overwrite=overwrite), []
        if file is None:
            check_target(target, overwrite=overwrite)
            with PartFile(target, identity) as part:
                transfer = Transfer(
                    url, part, session, fresh_link, on_progress, sleep, limits, allows_plain=allows_plain
                )
                transfer.run()
                warnings = [
                    *transfer.warnings,
                    *_check_whole(part, check_whole),
                    *_settle(part, is_alone=held.is_alone),
                ]
                file = _publish(part, finish, overwrite=overwrite)
        if not keep_sidecar:
            part_file.tidy(target)
    path, link = str(real_target(target)), without_query(url)
    return Download(SavedFile(path, file.bytes, file.sha256, link, file.delivered_sha256), tuple(warnings))


def _there_already(
    target: Path, identity: str, before: tuple[int, int, int] | None, held: part_file.Held, *, overwrite: bool
) -> Finished | None:
    """The very file, if the download that we waited for or one that was killed has done our work."""
    record = held.before
    if record is not None and record.identity == identity and stamp(target) not in (None, before):
        size, digest = part_file.measure(target)
        return Finished(size, digest, record.sha256 if (size, digest) == record.saved else None)
    return None if overwrite else part_file.finished_before(target, identity)


def _check_whole(part: PartFile, check_whole: Check) -> Sequence[str]:
    try:
        with part_file.saving(part.target):
            return check_whole(part.path) or ()
    except ValueError as error:
        part.forget()  # the same bytes would fail again
        raise FileError(f"{part.target.name}: {error}", hint=f"what was received is kept as {part.path}") from error


def _settle(part: PartFile, *, is_alone: bool) -> list[str]:
    """Have the whole part file on disk, so that nothing later costs it. Gives a warning if that cannot be ensured."""
    if not is_alone:
        part.check_bytes()
    if part.sync():
        return []
    return [f"the file system of {part.target.parent} has no fsync: a power failure now could still damage the file"]


def _publish(part: PartFile, finish: Finish | None, *, overwrite: bool) -> Finished:
    try:
        return part.publish(finish(part.path) if finish is not None else None, overwrite=overwrite)
    finally:
        remove_siblings(part.path)
