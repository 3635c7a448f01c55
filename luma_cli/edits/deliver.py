"""From a local clip to a link that the service can read."""

import contextlib
from pathlib import Path

from luma_cli.api.client import Client
from luma_cli.edits.events import Report, Uploaded, transferring
from luma_cli.edits.request import EditRequest
from luma_cli.video.ffmpeg import find_ffmpeg
from luma_cli.video.trim import NEEDS, trimmed


def deliver(request: EditRequest, client: Client, report: Report, ffmpeg: str | None) -> str:
    """Bring a local clip, cut if that was asked for, into kie.ai's temporary store; returns its link. Any thread.

    `ffmpeg` is the program that the user names for it.

    Raises:
        UsageError: ffmpeg is missing or cannot read the clip.
        FileError, Rejected, KeyRejected, Unavailable: as for `Client.upload`.
    """
    path = request.clip.path
    assert path is not None  # noqa: S101  a link is not delivered
    if request.trim is None:
        return upload(path, client, report)
    tool = find_ffmpeg(ffmpeg, NEEDS, option="--trim")
    with contextlib.ExitStack() as stack:
        with transferring(report, f"trim {path.name}", "seconds") as on_seconds:
            seconds = request.model.limits.max_seconds
            short = stack.enter_context(trimmed(path, request.trim, seconds, tool, on_seconds))
        return upload(short, client, report)


def upload(path: Path, client: Client, report: Report) -> str:
    """Put a file into kie.ai's temporary store; returns its link."""
    with transferring(report, f"upload {path.name}") as on_bytes:
        link = client.patiently(lambda: client.upload(path, on_bytes))
    report(Uploaded(path.name))
    return link
