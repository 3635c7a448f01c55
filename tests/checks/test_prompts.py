import pytest

from luma_cli.api.models import LUMA, Limits
from luma_cli.checks.prompts import check_prompt

BILINGUAL = Limits(max_seconds=10, languages=("en", "zh"), max_prompt=20)
ANY = Limits(max_seconds=5)


def found(prompt: str, limits: Limits = LUMA.limits) -> list[tuple[str, str]]:
    return [(finding.name, finding.level) for finding in check_prompt(prompt, limits)]


@pytest.mark.parametrize(
    ("prompt", "limits", "names"),
    [
        ("Heavy snow", BILINGUAL, []),
        ("夜里下大雪", BILINGUAL, []),
        ("夜里下大雪, like in Tokyo", BILINGUAL, []),
        ("Сильный снег", BILINGUAL, [("prompt-not-english", "error")]),
        ("눈이 많이 온다", BILINGUAL, [("prompt-not-english", "error")]),
        ("Es schneit heftig", BILINGUAL, [("prompt-not-english", "warning")]),
        ("x" * 21, BILINGUAL, [("prompt-too-long", "error")]),
        ("x" * 20, BILINGUAL, []),
        ("夜里下大雪", ANY, []),
        ("Es schneit heftig in der Nacht", ANY, []),
        (" ", ANY, [("prompt-empty", "error")]),
        ("夜里下大雪", LUMA.limits, [("prompt-not-english", "error")]),
    ],
)
def test_a_prompt_is_judged_by_the_model_s_languages_and_length(prompt: str, limits: Limits, names: object) -> None:
    assert found(prompt, limits) == names


def test_a_finding_names_the_languages_of_the_model() -> None:
    [one], [two] = check_prompt("Сильный снег", LUMA.limits), check_prompt("Сильный снег", BILINGUAL)

    assert (one.message, one.hint) == ("the prompt is not in English", "kie.ai reads English only")
    assert (two.message, two.hint) == (
        "the prompt is not in English or Chinese",
        "the model reads English and Chinese only",
    )


def test_a_prompt_of_a_sandbox_may_be_in_any_language_but_not_of_any_length() -> None:
    [finding] = check_prompt("sandbox:ok 夜里下大雪, 非常大的雪, 而且很冷", BILINGUAL, allow_local=True)

    assert finding.name == "prompt-too-long"
