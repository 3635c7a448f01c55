"""The settings of a CSV cell."""

import pytest

from luma_cli.api.options import same_name, split_settings


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", []),
        ("seed=7", ["seed=7"]),
        ("seed=7;aspect_ratio=16:9", ["seed=7", "aspect_ratio=16:9"]),
        (" seed=7; resolution=720p; ", ["seed=7", "resolution=720p"]),
        ("negative_prompt=rain; snow;seed=1", ["negative_prompt=rain; snow", "seed=1"]),
    ],
)
def test_a_cell_is_split_where_a_name_follows(text: str, settings: list[str]) -> None:
    assert split_settings(text) == settings


def test_three_spellings_are_one_name() -> None:
    assert same_name("aspect_ratio") == same_name("aspect-ratio") == same_name("aspectRatio")
