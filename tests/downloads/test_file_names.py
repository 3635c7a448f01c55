import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from luma_cli.downloads import file_names
from luma_cli.downloads.file_names import (
    MAX_NAME,
    Naming,
    extension_of,
    first_words,
    safe_piece,
    stem_of,
    why_not,
)

TASK_ID = "774d9a7dd608a0e49293903095e45a4c"


def default_name(task_id, stem, extension, *, prompt_words=None, trim_start=None, **more):
    return file_names.default_name(task_id, Naming(stem, prompt_words, trim_start), extension, **more)


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
def test_a_name_that_is_not_utf_8_is_not_an_error(raw):
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


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("Heavy snow falls on the roof of the house", "heavy-snow-falls-on"),
        ("  It's  -- 'night' ", "it-s-night"),
        ("Antidisestablishmentarianism everywhere", "antidisestablishmentarianism"),
        ("a" * 100, "a" * 32),
        ("雪が降る", "雪が降る"),
        ("../../etc passwd", "etc-passwd"),
        ("\x1b[2J ::error:: \n-rf", "2j-error-rf"),
        (" \n - ", None),
        ("", None),
    ],
)
def test_the_first_words_of_a_prompt_stand_between_stem_and_id(prompt, words):
    middle = f"-{words}" if words else ""

    assert default_name(TASK_ID, "dog", ".mp4", prompt_words=prompt) == f"dog{middle}-774d9a7d.mp4"
    assert first_words(first_words(prompt)) == first_words(prompt)


@pytest.mark.parametrize(
    ("start", "text"),
    [(30, "30s"), (30.0, "30s"), (5.25, "5s250"), (65, "1m05s"), (3725.5, "1h02m05s500"), (59.9996, "1m00s")],
)
def test_the_start_of_a_trim_stands_in_the_name(start, text):
    assert default_name(TASK_ID, "dog", ".mp4", trim_start=start) == f"dog-from-{text}-774d9a7d.mp4"


@pytest.mark.parametrize("start", [None, 0, 0.0])
def test_a_clip_from_its_beginning_has_no_start_in_its_name(start):
    assert default_name(TASK_ID, "dog", ".mp4", trim_start=start) == "dog-774d9a7d.mp4"


@pytest.mark.parametrize(
    ("task_id", "others", "short"),
    [
        (TASK_ID, [TASK_ID], "774d9a7d"),
        (TASK_ID, ["774d9a7dffff"], "774d9a7dd"),
        (TASK_ID, ["774D9A7DD60FF", "other"], "774d9a7dd608"),
        ("abc", [], "abc"),
        ("abcdefghi", ["abcdefgh"], "abcdefghi"),
    ],
)
def test_as_much_of_the_id_as_no_other_task_shares(task_id, others, short):
    assert default_name(task_id, "dog", ".mp4", others=others) == f"dog-{short}.mp4"


ids = st.text("aAb.-_", min_size=1, max_size=12)


@given(st.sets(ids, min_size=2, max_size=6), st.integers(1, 3))
@example({"abc.defghi", "abc-defghi"}, 1)
@example({"aaaaaaaa", "aaaaaaaa-1", "AAAAAAAA"}, 2)
def test_default_names_of_different_tasks_never_collide(task_ids, count):
    names = [
        default_name(task_id, "dog", ".mp4", index=index, of=count, others=task_ids).casefold()
        for task_id in task_ids
        for index in range(count)
    ]

    assert len(set(names)) == len(names)


@given(st.text(), st.text(), st.floats(0, 1e6), st.sets(st.text(), max_size=3))
def test_a_name_with_everything_in_it_is_allowed_and_plain(task_id, prompt, start, others):
    name = default_name(task_id, "s" * 200, ".mp4", of=9, prompt_words=prompt, trim_start=start, others=others)

    assert why_not(name) is None
    assert re.fullmatch(r"[^\W_][^./\\\s]*\.mp4", name)


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
