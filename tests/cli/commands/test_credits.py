"""`luma credits`, and amounts of credits wherever they are given."""

import json
from collections.abc import Callable

import pytest

from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, Result
from support.fault_server import FaultServer, reply

Luma = Callable[..., Result]


@pytest.fixture
def balance(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`luma credits` where the service says this."""

    def ask(written: str, *words: str) -> Result:
        monkeypatch.setattr("luma_cli.api.client.READ_PAUSES", ())
        with FaultServer([reply(f'{{"code": 200, "msg": "success", "data": {written}}}'.encode())]) as server:
            monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
            return luma("credits", *words)

    return ask


@pytest.mark.parametrize(
    ("written", "shown"),
    [("100", "100"), ("12.5", "12.5"), ('"12.5"', "12.5"), ("0", "0"), ("-3", "-3"), ("1e3", "1000"), ("0.1", "0.1")],
)
def test_a_balance_is_printed_as_a_number(balance: Callable[..., Result], written: str, shown: str) -> None:
    assert balance(written) == (0, f"{shown}\n", "")
    assert json.loads(balance(written, "--json").out) == {"schema": "luma/1", "credits": float(shown)}


@pytest.mark.parametrize(
    "written",
    [
        *("null", "true", "[]", "{}", '""', '"nan"', '"inf"', '"1_000"', '"\u0663"', '" 5"', '"5 credits"', '"1e400"'),
        *("1e400", "9" * 400, "NaN", "-Infinity", f'"{"9" * 400}"'),
    ],
)
def test_what_is_not_a_number_is_not_a_balance(balance: Callable[..., Result], written: str) -> None:
    code, out, err = balance(written, "--min", "1")
    assert (code, out, err.count("luma: error: ")) == (7, "", 1)


@pytest.mark.parametrize(("least", "code"), [("100", 0), ("99.5", 0), ("0", 0), ("100.5", 10), ("101", 10)])
def test_a_balance_below_the_least_has_its_exit_code(balance: Callable[..., Result], least: str, code: int) -> None:
    assert balance("100", "--min", least)[:2] == (code, "100\n")


@pytest.mark.parametrize("amount", ["nan", "inf", "-1", "1e3", "", " 5", "1_000", "\u0663", "5 credits", "9" * 400])
@pytest.mark.parametrize(
    "words",
    [("credits", "--min"), ("batch", "-", "--max-credits")],
)
def test_an_amount_that_is_none_is_reported_before_anything_is_asked(
    luma: Luma, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], amount: str
) -> None:
    with FaultServer([reply(b"{}")]) as server:
        monkeypatch.setenv("LUMA_BASE_URL", server.url("").rstrip("/"))
        code, out, err = luma(*words[:-1], f"{words[-1]}={amount}")
        assert (code, out, server.connections) == (2, "", 0)
    assert "is not an amount of credits" in err


def test_why_a_cost_is_unknown_is_said_where_it_is_missing(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", "Snow falls", "--takes", "2", "--no-check")
    luma("wait")

    assert "and 2 more of unknown cost\nluma: a cost is unknown if kie.ai names none" in luma("credits", "--spent").err
    assert "luma: a cost is unknown if kie.ai names none" in luma("tasks", "show", "@last").err
