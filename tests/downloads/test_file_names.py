import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from luma_cli.downloads.file_names import MAX_NAME, default_name, extension_of, safe_piece, stem_of, why_not

TASK_ID = "774d9a7dd608a0e49293903095e45a4c"

HOSTILE_LINKS = [
    "https://h/..",
    "https://h/.",
    "https://h/",
    "https://h",
    "https://h/../../etc/passwd",
    "https://h/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "https://h/..%5c..%5cwindows%5cwin.ini",
    "https://h/.bashrc",
    "https://h/-rf.mp4",
    "https://h/--output=x.mp4",
    "https://h/v%00.mp4",
    "https://h/v%0a.mp4",
    "https://h/v%1b%5b2J.mp4",
    "https://h/%E2%80%AEgpj.4pm.mp4",
    "https://h/v%E2%80%8B.mp4",
    "https://h/v.desktop",
    "https://h/v.mp4.exe",
    "https://h/~root",
    "https://h/$(id).mp4",
    "https://h/`id`.mp4",
    "https://h/a;b|c&d.mp4",
    "https://h/con.mp4",
    "https://h/NUL",
    "https://h/COM%C2%B9.mp4",
    "https://h/a:b.mp4",
    "https://h/v.mp4::$DATA",
    "https://h/x.%20",
    "https://h/x...",
    "https://h/%2e%2e",
    "https://h/%ff%fe.mp4",
    "https://h/%ed%a0%80.mp4",
    "https://h/" + "a" * 5000 + ".mp4",
    "https://h/" + "%F0%9F%8E%AC" * 100 + ".mp4",
    "https://h/*?.mp4",
    "https://[/v.mp4",
]


@pytest.mark.parametrize("link", HOSTILE_LINKS)
def test_a_hostile_link_gives_a_plain_name(link):
    name = default_name(TASK_ID, stem_of(link), extension_of(link))

    assert re.fullmatch(r"\w[\w-]*-774d9a7d\.mp4", name)
    assert why_not(name) is None


@given(st.text(), st.text(), st.text(), st.integers(0, 99), st.integers(1, 100))
@example("", "\u1752", "", 0, 1)  # a mark, and nothing before it
def test_whatever_the_pieces_are_the_name_is_allowed_and_plain(task_id, stem, extension, index, of):
    name = default_name(task_id, stem, extension, index=index, of=of)

    assert why_not(name) is None
    assert re.fullmatch(r"[^\W_][^./\\\s]*\.(mp4|mov|avi|webm|mkv|gif)", name)


@given(st.text(min_size=1))
def test_a_safe_piece_stays_as_it_is_when_made_safe_again(text):
    assert safe_piece(safe_piece(text)) == safe_piece(text)


@given(st.binary(max_size=40))
def test_a_name_that_is_not_utf_8_makes_no_trouble(raw):
    assert why_not(default_name(TASK_ID, raw.decode("utf-8", "surrogateescape"), ".mp4")) is None


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://h/path/My%20clip.MOV?sig=secret", "My-clip-774d9a7d.mov"),
        ("/home/me/summer 2025.take.2.mp4", "summer-2025-take-2-774d9a7d.mp4"),
        (r"C:\clips\dog.avi", "dog-774d9a7d.avi"),
        ("видео.mp4", "видео-774d9a7d.mp4"),
        ("雪.webm", "雪-774d9a7d.webm"),
        ("noextension", "noextension-774d9a7d.mp4"),
        ("", "video-774d9a7d.mp4"),
    ],
)
def test_an_honest_source_is_recognisable(source, name):
    assert default_name(TASK_ID, stem_of(source), extension_of(source)) == name


def test_several_results_are_numbered_from_1():
    assert [default_name(TASK_ID, "dog", ".mp4", index=index, of=2) for index in (0, 1)] == [
        "dog-774d9a7d-1.mp4",
        "dog-774d9a7d-2.mp4",
    ]


def test_an_unknown_extension_becomes_mp4():
    assert default_name(TASK_ID, "dog", ".exe") == "dog-774d9a7d.mp4"


REFUSED = ["", ".", "..", "CON", "con.mp4", "NUL.mp4", "COM¹", "lpt9.x.mp4", "CONIN$", "AUX .mp4", "x.", "x ", "a:b"]
REFUSED += ["a/b", "a\\b", "a?b", "a*b", 'a"b', "a<b", "a|b", "a\0b", "a\nb", "a\x1bb", "a\x9bb", "\u202egpj.mp4"]
REFUSED += ["\ud800.mp4", "a" * 300, "é" * 121]


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_some_system_cannot_keep_is_refused(name):
    assert why_not(name)


@pytest.mark.parametrize(
    "name",
    [
        "out.mp4",
        ".hidden",
        "-x.mp4",
        "my clip (1).mp4",
        "雪.mp4",
        "console.mp4",
        "com10.mp4",
        "Caf\udce9.mp4",
        "a" * MAX_NAME,
    ],
)
def test_an_ordinary_name_is_allowed(name):
    assert why_not(name) is None
