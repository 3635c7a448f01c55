"""What can be known of a local clip before money is spent. All of it is certain."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from luma_cli.api.models import LUMA, Limits
from luma_cli.checks.findings import (
    ERROR,
    FIT,
    WARNING,
    find_doubts,
    find_kind,
    find_length,
    find_picture,
    find_sides,
    find_too_short,
)
from luma_cli.errors import Finding, reason
from luma_cli.video import headers
from luma_cli.video.containers.byte_source import LimitReachedError
from luma_cli.video.media import Media
from luma_cli.video.trim_range import Trim

# What ffmpeg is allowed to open (contract, section 12).
_FITTED = (*headers.CONTAINERS, "mkv", "webm", "mpegts")
log = logging.getLogger(__name__)


def check_file(
    path: Path, limits: Limits = LUMA.limits, *, trim: Trim | None = None, fit: bool = False, split: bool = False
) -> list[Finding]:
    """A local clip by its first bytes, its headers and its index.

    What `trim` (cut it), `fit` (make it fit) and `split` (edit it in pieces) repair is no finding.
    """
    try:
        with path.open("rb") as file:
            head, size = file.read(headers.HEAD), path.stat().st_size
        found = list(_Look(path, limits, trim, fit, split).findings(head, size))
    except OSError as error:
        hint = "check the name and who may read it"
        found = [Finding("not-readable", ERROR, f"cannot be read: {reason(error)}", hint)]
    return [finding._replace(video=str(path)) for finding in found]


class _Look(NamedTuple):
    """A look at one file, with what is to be done with it before it is sent."""

    path: Path
    limits: Limits
    trim: Trim | None
    fit: bool
    split: bool

    def findings(self, head: bytes, size: int) -> Iterator[Finding]:
        kind = headers.sniff(head)
        is_opened = kind in _FITTED
        is_converted = self.fit or self.split or self.trim is not None
        if is_opened and is_converted and kind not in headers.CONTAINERS:
            log.info("%s is %s: its length is known when ffmpeg has opened it", self.path.name, headers.name_of(kind))
            return
        hint = "--fit or --trim" if is_opened else "convert it to MP4 first"
        if wrong := find_kind(kind, is_empty=not head, hint=hint):
            yield wrong
            return
        try:
            media = headers.probe_file(self.path)
            for warning in headers.check_whole(self.path):
                if warning == headers.HOLLOW:
                    raise headers.MediaError(warning)
                log.info("%s: %s", self.path.name, warning)
        except LimitReachedError as error:
            yield Finding("duration-unknown", WARNING, f"its length cannot be determined: {error}")
            return
        except headers.MediaError as error:
            yield Finding("damaged", ERROR, str(error), "export it again, or copy it again from its source")
            return
        yield from self._look_inside(media, size)

    def _look_inside(self, media: Media, size: int) -> Iterator[Finding]:
        if wrong := find_picture(media):
            yield wrong
            return
        is_made_anew = self._is_made_anew(media.duration)
        if not is_made_anew and size > self.limits.max_upload_bytes:
            most = self.limits.max_upload_bytes / 10**6
            yield Finding("too-large", ERROR, f"{size / 10**6:.0f} MB, an upload takes {most:.0f} MB", FIT)
        if self.trim is not None:
            yield from self._look_at_range(media.duration, self.trim)
        else:
            yield from find_length(media, self.limits, may_be_longer=self.split, hint="--trim or --split")
        yield from find_sides(media, self.limits, is_fitted=self.fit)
        if not is_made_anew:
            yield from find_doubts(media, self.limits, FIT)

    def _is_made_anew(self, duration: float | None) -> bool:
        """True if ffmpeg encodes what is sent; a clip that needs no cut is sent as it is."""
        is_long = duration is not None and duration > self.limits.max_seconds + headers.ROUNDING
        if self.fit or (self.split and is_long):
            return True
        trim = self.trim
        if trim is None or duration is None:
            return trim is not None
        return is_long or trim.start > 0 or (trim.end is not None and trim.end < duration)

    def _look_at_range(self, duration: float | None, trim: Trim) -> Iterator[Finding]:
        """Whether the part that is to be cut out is there, and fits."""
        if duration is None:
            return
        if trim.start >= duration:
            message = f"nothing is left after {trim.start:g} s: it is {duration:.1f} s long"
            yield Finding("trim-start", ERROR, message, "--trim with an earlier START")
            return
        if trim.end is not None and trim.end > duration + headers.ROUNDING:
            message = f"it ends before {trim.end:g} s: it is {duration:.1f} s long"
            yield Finding("trim-end", ERROR, message, f"--trim {trim.start:g} cuts from there to its end")
        rest = duration - trim.start
        wanted = rest if trim.end is None and self.split else min(rest, trim.duration or self.limits.max_seconds)
        if not self.split and wanted > self.limits.max_seconds + headers.ROUNDING:
            message = f"{wanted:g} s are to be cut out, kie.ai takes {self.limits.max_seconds:g} s"
            yield Finding("too-long", ERROR, message, "--trim a shorter part, or --split it into pieces")
        if too_short := find_too_short(wanted, self.limits):
            yield too_short
