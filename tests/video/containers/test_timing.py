import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.video.containers.timing import Presentation, Rate, Runs, find_rate, present


def runs(*pairs: tuple[int, int]) -> Runs:
    return Runs.of(pairs)


@pytest.mark.parametrize(
    ("pairs", "scale", "rate"),
    [
        ([(60, 1001)], 30_000, Rate(Fraction(30_000, 1001))),
        ([(59, 1001), (1, 5)], 30_000, Rate(Fraction(30_000, 1001))),
        ([(1, 33), (1, 34), (1, 33)] * 40, 1000, Rate(Fraction(30))),
        ([(4, 20), (45, 20), (1, 21)] * 4, 600, Rate(Fraction(30_000, 1001))),
        ([(30, 20), (12, 50)], 600, Rate(Fraction(42 * 600, 1200), is_variable=True)),
        ([(1, 1), (1, 2)] * 30, 30, Rate(Fraction(60 * 30, 90), is_variable=True)),
        ([(1, 840), (89, 512)], 15_360, Rate(Fraction(30))),
        ([(1, 1024), (89, 512)], 15_360, Rate(Fraction(90 * 15_360, 91 * 512), is_variable=True)),
        ([(1, 40)], 1000, Rate(Fraction(25))),
        ([(2, 40)], 1000, Rate(Fraction(25))),
        ([(10, 0)], 1000, Rate()),
        ([], 1000, Rate()),
        ([(10, 40)], 0, Rate()),
    ],
)
def test_a_rate_is_exact_and_a_variable_one_the_average(pairs: list[tuple[int, int]], scale: int, rate: Rate) -> None:
    assert find_rate(runs(*pairs), scale) == rate


@given(
    st.sampled_from(
        [Fraction(24_000, 1001), Fraction(25), Fraction(30_000, 1001), Fraction(50), Fraction(60_000, 1001)]
    ),
    st.sampled_from([600, 1000, 12_800, 90_000]),
    st.integers(30, 400),
)
def test_the_rounding_of_a_clock_changes_no_rate(rate: Fraction, scale: int, count: int) -> None:
    ticks = [round(number * scale / rate) for number in range(count + 1)]
    found = find_rate(runs(*((1, after - before) for before, after in itertools.pairwise(ticks))), scale)

    assert not found.is_variable
    assert found.rate is not None
    assert abs(found.rate - rate) / rate < Fraction(1, 20 * count)


@given(st.lists(st.tuples(st.integers(0, 2**32), st.integers(0, 2**32)), max_size=20), st.integers(0, 2**32))
def test_any_durations_are_a_rate_or_none(pairs: list[tuple[int, int]], scale: int) -> None:
    found = find_rate(runs(*pairs), scale)

    assert found.rate is None or found.rate > 0


SECOND = Fraction(1)


@pytest.mark.parametrize(
    ("edits", "media", "first", "shown"),
    [
        ((), SECOND * 3, Fraction(0), Presentation(0.0, 3.0)),
        ((), SECOND * 3, Fraction(1, 10), Presentation(0.1, 3.0)),  # out of order, without an edit list
        (((3000, 100),), SECOND * 3, Fraction(1, 10), Presentation(0.0, 3.0)),
        (((2900, 100),), SECOND * 3, Fraction(0), Presentation(0.0, 2.9)),  # priming of a sound
        (((500, -1), (3000, 0)), SECOND * 3, Fraction(0), Presentation(0.5, 3.0)),
        (((1000, 1000),), SECOND * 3, Fraction(0), Presentation(0.0, 1.0)),  # cut on a phone
        (((9000, 0),), SECOND * 3, Fraction(0), Presentation(0.0, 3.0)),  # no more than there is
        (((0, 0),), SECOND * 3, Fraction(0), Presentation(0.0, 3.0)),
        (((2000, 0),), None, Fraction(0), Presentation(0.0, 2.0)),
        (((0, 0),), None, Fraction(0), Presentation(0.0, None)),
        (((1000, 0), (500, -1), (1000, 1000)), SECOND * 3, Fraction(0), Presentation(0.0, 2.5)),
    ],
)
def test_an_edit_list_says_what_a_player_shows(
    edits: tuple[tuple[int, int], ...], media: Fraction | None, first: Fraction, shown: Presentation
) -> None:
    assert present(edits, 1000, media, first, 1000) == shown
