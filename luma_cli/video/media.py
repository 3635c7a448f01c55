"""What the headers of a clip say: its tracks, and the picture and the sound that a player shows of them."""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple


class MediaError(ValueError):
    """The file is not what it should be, or its headers do not say."""


@dataclass(frozen=True)
class Track:
    """One track. Times are in seconds, and None is what the headers do not say.

    `index` counts from 0 in the order of the file, as ffmpeg counts streams. `kind` is video, audio, timecode, text or
    data. `codec` is ffmpeg's name if we know the codec (`is_known_codec`), else the four characters of the file.
    `duration` is how long a player shows the track, without `start_offset`, the time before it begins. `priming` is
    what a player drops of the beginning of a sound. `width` and `height` are as seen: turned upright, with square
    pixels; `coded_width` and `coded_height` are the stored ones. `rotation` is clockwise, in degrees. `frame_rate` is
    exact, of a variable rate the average. `hdr` is "pq", "hlg" or None.
    """

    index: int
    kind: str
    codec: str | None = None
    is_known_codec: bool = False
    is_enabled: bool = True
    is_cover: bool = False  # a cover picture, a chapter's picture or a single still
    duration: float | None = None
    start_offset: float = 0.0
    priming: float = 0.0
    frame_count: int | None = None  # of a sound: samples as stored, packets if it is compressed
    frame_rate: Fraction | None = None
    is_variable_rate: bool = False
    width: int | None = None
    height: int | None = None
    coded_width: int | None = None
    coded_height: int | None = None
    rotation: int = 0
    is_mirrored: bool = False
    bit_depth: int | None = None
    hdr: str | None = None
    channels: int | None = None
    sample_rate: int | None = None


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
    def sound(self) -> Track | None:
        """The audio track that plays: the first enabled one in a codec that we know."""
        known = [track for track in self.tracks if track.kind == "audio" and track.is_known_codec]
        return next((track for track in known if track.is_enabled), known[0] if known else None)

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
    def rotation(self) -> int:
        return self.picture.rotation if self.picture else 0

    @property
    def bit_depth(self) -> int | None:
        return self.picture.bit_depth if self.picture else None

    @property
    def hdr(self) -> str | None:
        return self.picture.hdr if self.picture else None

    @property
    def frame_rate(self) -> Fraction | None:
        return self.picture.frame_rate if self.picture else None

    @property
    def frame_count(self) -> int | None:
        return self.picture.frame_count if self.picture else None

    @property
    def is_variable_rate(self) -> bool:
        return self.picture is not None and self.picture.is_variable_rate
