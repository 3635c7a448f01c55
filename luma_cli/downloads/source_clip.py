"""A source that is a link, fetched once more for what is made from it: its sound, its frame rate."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from luma_cli.api.transport import Session
from luma_cli.downloads.download import download
from luma_cli.downloads.file_names import extension_of
from luma_cli.downloads.transfer import TransferLimits

# The service takes links of up to 500 MB. A finished clip is worth less patience than the paid one itself.
CLIP_LIMITS = TransferLimits(idle=15.0, attempts=2, attempts_in_all=10, bytes=500 << 20)


def fetch_clip(
    url: str, folder: Path, session: Session, limits: TransferLimits = CLIP_LIMITS, *, sleep: Callable[[float], None]
) -> Path:
    """Save the clip behind a public link as a file in `folder`, for the caller to remove. Its content is not checked.

    The rules are those of results, but that a link without TLS will do: its owner has named it.

    Raises:
        FileError: it is gone, a page, too large, at a private address, or cannot be saved.
        Unavailable: its host does not answer.
    """
    identity = hashlib.sha256(url.encode()).hexdigest()
    done = download(
        url,
        folder / f"source-{identity[:8]}{extension_of(url)}",
        identity=identity,
        session=session,
        check_whole=lambda _part: (),
        overwrite=True,
        sleep=sleep,
        limits=limits,
        allows_plain=True,
    )
    return Path(done.file.path)
