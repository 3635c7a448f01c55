"""No beginning of a secret of 8 characters or more passes, however it is written, and no query of a link."""

import base64
import json
import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.api.redaction import MARK, redact, scrub, scrub_links

SECRET = "canary0key0f00d0000000000000cafe"
KEYS = st.text(string.ascii_letters + string.digits + "-_.", min_size=8, max_size=40)


@given(KEYS, st.integers(8, 40), st.text(max_size=20), st.text(max_size=20))
def test_no_beginning_of_8_characters_passes(secret: str, length: int, before: str, after: str) -> None:
    assert secret[:8] not in redact(f"{before}{secret[:length]}{after}", secret)


@pytest.mark.parametrize("length", range(8, len(SECRET) + 1))
def test_a_text_that_breaks_off_within_the_key_keeps_nothing_of_it(length: int) -> None:
    assert redact(f"Bearer {SECRET[:length]}", SECRET) == f"Bearer {MARK}"


@pytest.mark.parametrize(
    "write",
    [
        lambda text: "".join(f"\\u{ord(character):04x}" for character in text),
        lambda text: "".join(f"\\\\u{ord(character):04X}" for character in text),
        lambda text: "".join(f"%{ord(character):02X}" for character in text),
        lambda text: text[0] + "".join(f"%{ord(character):02x}" for character in text[1:]),
        lambda text: "".join(f"\\{character}" for character in text if not character.isalnum()) + text,
        quote,
        json.dumps,
    ],
    ids=["JSON", "JSON in JSON", "a link", "a part", "backslashes", "quoted", "dumped"],
)
@pytest.mark.parametrize("length", [8, 20, 32])
def test_an_escaped_key_is_found(write: object, length: int) -> None:
    text = write(f"{SECRET[:length]}")  # type: ignore[operator]
    assert redact(f"x={text};", SECRET).replace('"', "") == f"x={MARK};"


@pytest.mark.parametrize(
    "piece", [SECRET[5:], SECRET[16:], SECRET[3:19], f"{SECRET[:16]} {SECRET[16:]}", SECRET.encode().hex()]
)
def test_half_of_a_key_is_found_wherever_it_is_from(piece: str) -> None:
    assert redact(f"x={piece};", SECRET).replace(f"{MARK} ", "") == f"x={MARK};"


def test_a_few_characters_from_the_middle_of_a_key_are_no_secret() -> None:
    assert redact(f"task {'0' * 32}", SECRET) == f"task {'0' * 32}"


@pytest.mark.parametrize("before", ["", "B", "Be", "Bearer "])
@pytest.mark.parametrize("length", [12, 20, 32])
def test_a_key_in_base64_is_found(before: str, length: int) -> None:
    encoded = base64.b64encode(f"{before}{SECRET[:length]}".encode()).decode()
    clean = redact(encoded, SECRET)
    assert MARK in clean
    assert len(clean) - len(MARK) <= 14


def test_beginnings_that_overlap_leave_no_rest() -> None:
    secret = "aaaaaaaab12345678"
    assert redact(f"aaa{secret}!", secret) == f"{MARK}!"


def test_7_characters_of_a_key_are_a_word_like_any_other() -> None:
    assert redact(SECRET[:7], SECRET) == SECRET[:7]


def test_names_of_members_are_cleaned_too() -> None:
    assert scrub({f"a{SECRET[:9]}": [SECRET, 1]}, SECRET) == {f"a{MARK}": [MARK, 1]}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("see https://a.b/c?sig=of-this-link now", "see https://a.b/c?… now"),
        ("File 'https://a.b/c?sig=of-this-link'", "File 'https://a.b/c?…'"),
        ("(https://a.b/c?sig=of-this-link)", "(https://a.b/c?…)"),
        ("('https://a.b/c?sig=of'this-link', 5)", "('https://a.b/c?…', 5)"),
        ("url: /a.mp4?signature=of-this-link (Caused by", "url: /a.mp4?… (Caused by"),
        ("https://user:of-this-link@a.b/c.", "https://a.b/c."),
        ("https://user:p@a.b/c?sig=of-this-link", "https://a.b/c?…"),
        ("HTTPS://a.b/c#of-this-link", "HTTPS://a.b/c?…"),
        ("https://a.b/c", "https://a.b/c"),
        ("Is it so? Yes/no?", "Is it so? Yes/no?"),
        ("http://[?sig=of-this-link", "http://[?…"),
    ],
)
def test_no_query_of_a_link_is_shown(text: str, clean: str) -> None:
    assert scrub_links(text) == clean
    assert "this-link" not in clean


@given(st.text(max_size=20), st.text(string.ascii_letters + "'\")(<>&=/%,;", min_size=1, max_size=20))
def test_whatever_a_signature_holds_it_is_not_shown(before: str, signature: str) -> None:
    clean = scrub_links(f"{before} https://a.b/c?X-Amz-Signature=CANARY{signature} after")
    assert "CANARY" not in clean
    assert clean.endswith(" after")
