"""What the headers of a clip say: its tracks, and the picture and the sound that a player shows of them."""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple


class MediaError(ValueError):
    """The file is not what it should be, or its headers do not say."""


@dataclass(frozen=True)
class Track:
    """One track. Times are in seconds, and None is what the headers do not say; of sounds no more than times is read.

    `index` counts from 0 in the order of the file, as ffmpeg counts streams. `kind` is video, audio, timecode, text or
    data. `codec` is ffmpeg's name if we know the codec, else the four characters of the file. `duration` is how long a
    player shows the track, without `start_offset`, the time before it begins. `width` and `height` are as seen: turned
    upright, with square pixels. `frame_rate` is exact, of a variable rate the average. `hdr` is "pq", "hlg" or None.
    """

    index: int
    kind: str
    codec: str | None = None
    is_enabled: bool = True
    is_cover: bool = False  # a cover picture, a chapter's picture or a single still
    duration: float | None = None
    start_offset: float = 0.0
    frame_rate: Fraction | None = None
    is_variable_rate: bool = False
    width: int | None = None
    height: int | None = None
    is_upright: bool = True  # False: only a player that turns or mirrors it, as the header says, shows it so
    bit_depth: int | None = None
    hdr: str | None = None


class Media(NamedTuple):
    """A clip as its headers describe it. `duration` is in seconds, of what lasts longest; None: they do not say.

    With `is_partial` there are tracks or tables that could not be read; with `may_be_longer` nothing but them says how
    long it is in all. `data_end` is how far into the file the samples reach that its index names, 0 if there are none.
    """

    container: str
    duration: float | None
    tracks: tuple[Track, ...] = ()
    is_partial: bool = False
    may_be_longer: bool = False
    data_end: int = 0

    @property
    def picture(self) -> Track | None:
        """The video track that plays: enabled, no cover and no still, the longest of them."""
        moving = [track for track in self.tracks if track.kind == "video" and not track.is_cover]
        shown = [track for track in moving if track.is_enabled] or moving
        return max(shown, key=lambda track: (track.duration or 0.0, -track.index), default=None)

    @property
    def width(self) -> int | None:
        return self.picture.width if self.picture else None

    @property
    def height(self) -> int | None:
        return self.picture.height if self.picture else None

    @property
    def codec(self) -> str | None:
        return self.picture.codec if self.picture else None

    @property
    def frame_rate(self) -> Fraction | None:
        return self.picture.frame_rate if self.picture else None
