"""When the samples of a track are shown: runs of durations, edit lists, frame rates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

# Rates that cameras, screens and editors have. What is within the rounding of a clock is one of these.
RATES = tuple(
    sorted(
        [Fraction(rate) for rate in (5, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 100, 120, 240)]
        + [Fraction(rate * 1000, 1001) for rate in (15, 24, 30, 48, 60, 120, 240)]
    )
)
_EMPTY_EDIT = -1
_MAX_LAST = 2
MAX_LEAD = Fraction(1, 20)  # seconds: 2,048 samples of sound
# An hour of frames that all last differently; of what follows, only number and length are kept.
_MAX_RUNS = 1 << 18


@dataclass
class Runs:
    """Durations of samples in ticks, as runs of equal ones."""

    pairs: list[list[int]] = field(default_factory=list)
    count: int = 0
    ticks: int = 0

    def add(self, count: int, delta: int) -> None:
        if count <= 0:
            return
        self.count += count
        self.ticks += count * delta
        if self.pairs and self.pairs[-1][1] == delta:
            self.pairs[-1][0] += count
        elif len(self.pairs) < _MAX_RUNS:
            self.pairs.append([count, delta])

    @classmethod
    def of(cls, pairs: Iterable[Sequence[int]]) -> "Runs":
        """The runs of pairs of a number of samples and the duration of each."""
        runs = cls()
        for count, delta in pairs:
            runs.add(count, delta)
        return runs


class Rate(NamedTuple):
    rate: Fraction | None = None
    is_variable: bool = False


def find_rate(runs: Runs, scale: int | Fraction) -> Rate:
    """The frame rate of samples whose ticks are `scale` a second, of a variable one the average.

    Encoders round the length of the last frame, but one that lasts more than twice as long as the others is the still
    end of a screen recording. A rate that does not divide the clock's ticks is off by a tick here and there.
    """
    if not runs.count or not runs.ticks or not scale:
        return Rate()
    average = Rate(Fraction(scale) * runs.count / runs.ticks, is_variable=True)
    fitted = _without_lead(_without_last(runs), scale)
    if runs.pairs[-1][1] * fitted.count > _MAX_LAST * fitted.ticks:
        return average
    if len(fitted.pairs) == 1:
        return Rate(Fraction(scale) / fitted.pairs[0][1]) if fitted.ticks else Rate()
    mean = Fraction(fitted.ticks, fitted.count)
    tolerance = min(Fraction(1), mean / 4)
    if not mean or _deviation(fitted.pairs, mean) > tolerance:
        return average
    return Rate(_usual(scale / mean, Fraction(2, fitted.ticks)))


def _without_last(runs: Runs) -> Runs:
    if runs.count < 2:
        return runs
    count, delta = runs.pairs[-1]
    return Runs.of([*runs.pairs[:-1], [count - 1, delta]])


def _without_lead(runs: Runs, scale: int | Fraction) -> Runs:
    if len(runs.pairs) < 2 or runs.pairs[0][0] > 1 or not is_lead(runs.pairs[0][1], runs.pairs[1][1], scale):
        return runs
    return Runs.of(runs.pairs[1:])


def is_lead(first: int, step: int, scale: int | Fraction) -> bool:
    """True if a first frame lasts longer than the next by what ffmpeg adds to it in a file that it writes in fragments.

    That is the priming of the sound; a frame that is missing lasts a whole number of times as long.
    """
    lead = first - step
    return 0 < lead <= MAX_LEAD * scale and step > 0 and min(lead % step, -lead % step) > 1


def _deviation(pairs: Iterable[list[int]], mean: Fraction) -> Fraction:
    """How far, in ticks, any frame begins from its place in an even row."""
    numerator, denominator = mean.numerator, mean.denominator
    place = most = 0  # in parts of a tick, since whole numbers are much faster than fractions
    for count, delta in pairs:
        place += count * (delta * denominator - numerator)
        most = max(most, abs(place))
    return Fraction(most, denominator)


def _usual(rate: Fraction, tolerance: Fraction) -> Fraction:
    near = min(RATES, key=lambda usual: abs(usual - rate))
    return near if abs(near - rate) <= rate * tolerance else rate.limit_denominator(100_000)


class Presentation(NamedTuple):
    """What a player shows of a track, in seconds: when it begins, and for how long."""

    start_offset: float
    duration: float | None


def present(
    edits: tuple[tuple[int, int], ...], movie_scale: int, media: Fraction | None, first: Fraction, scale: int
) -> Presentation:
    """Apply an edit list, whose lengths are in ticks of `movie_scale` and whose places in ticks of `scale`.

    `media` is how long the samples last in seconds, `first` when the first of them is shown.
    """
    if not edits or not movie_scale or not scale:
        return Presentation(float(first), None if media is None else float(media))
    offset, shown, start = Fraction(0), Fraction(0), None
    is_known = True
    for length, place in edits:
        seconds = Fraction(length, movie_scale)
        if place == _EMPTY_EDIT:
            offset, shown = (offset + seconds, shown) if start is None else (offset, shown + seconds)
            continue
        begin = Fraction(max(place, 0), scale)
        start = begin if start is None else start
        left = None if media is None else max(media + first - max(begin, first), Fraction(0))
        # A length of 0 stands for all that follows, as in files that are written in fragments.
        seconds = min(seconds, left) if length and left is not None else seconds if length else left or Fraction(0)
        is_known &= bool(length) or left is not None
        shown += seconds
    late = max(first - (start or 0), Fraction(0))
    return Presentation(float(offset + late), float(shown) if is_known else None)
