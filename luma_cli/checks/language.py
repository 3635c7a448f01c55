"""Which language a prompt is in, as far as a few words tell."""

import re
import tomllib
import unicodedata
from collections.abc import Collection
from functools import cache
from importlib import resources
from typing import NamedTuple

MAX_READ = 4000
_QUOTED = r"\"[^\"]*\"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|「[^」]*」|『[^』]*』|(?<!\w)['‘][^'’]*['’](?!\w)"
_WORD = r"[^\W\d_]+(?:['’-][^\W\d_]+)*"
_ELISION = r"(?i)(l|d|c|j|n|s|qu|dell|all|nell|sull|dall|un)['’][a-zà-ÿœ]"
_ACCENT = "[À-ÖØ-öø-ɏḀ-ỿ]"

# How Unicode's names of the characters begin that a language is written in, and of those that any may hold.
_SCRIPTS = {"zh": ("CJK",), "ja": ("CJK", "HIRAGANA", "KATAKANA"), "ko": ("HANGUL",)}
_ANY_SCRIPT = ("LATIN", "MODIFIER")
_SYLLABLES = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")


class _Words(NamedTuple):
    foreign: frozenset[str]
    german_nouns: frozenset[str]
    small: frozenset[str]
    joints: frozenset[str]
    english: frozenset[str]
    loans: frozenset[str]
    loan_phrases: re.Pattern[str]


@cache
def _words() -> _Words:
    lists = tomllib.loads(resources.files(__package__).joinpath("language_words.toml").read_text("utf-8"))
    phrases = "|".join(lists.pop("loan_phrases").split("\n")[:-1])
    sets = {name: frozenset(text.split()) for name, text in lists.items()}
    return _Words(**sets, loan_phrases=re.compile(rf"\b({phrases})\b", re.IGNORECASE))


def judge_language(text: str, languages: Collection[str] = ("en",)) -> str | None:
    """None for what may be in one of the languages, `script` for another script, `language` for another language.

    `languages` are ISO 639-1 codes, English among them. A guess from few words, which rather lets a doubtful prompt
    pass. What stands in quotes does not count.
    """
    # Some characters become eighteen, and the patterns take quadratic time (57 s for 100,000 quotes, measured).
    text = unicodedata.normalize("NFKC", text[:MAX_READ])[:MAX_READ]
    unquoted = re.sub(_QUOTED, " ", text)
    text = unquoted if re.search(_WORD, unquoted) else text
    own = tuple(name for language in languages for name in _SCRIPTS.get(language, ()))
    if own and _count_letters(text, own)[1] > 0 and not _is_other_script(text, own):
        return None
    if _is_other_script(text):
        return "script"
    text = text.lower() if text.isupper() else text
    return "language" if _is_other_language(_words().loan_phrases.sub(" ", text)) else None


def _is_other_script(text: str, own: tuple[str, ...] = ()) -> bool:
    """Most of it is in a script that is neither Latin nor one of the model's own."""
    latin, ours, others = _count_letters(text, own)
    return others > latin + ours and (others > 2 or not latin + ours)


def _count_letters(text: str, own: tuple[str, ...]) -> tuple[int, int, int]:
    """Latin letters, those of the model's own scripts, and others. A character that is a syllable counts for two."""
    latin = ours = others = 0
    for letter in filter(str.isalpha, text):
        name = unicodedata.name(letter, "")
        weight = 2 if name.startswith(_SYLLABLES) else 1
        if name.startswith(_ANY_SCRIPT):
            latin += 1
        elif own and name.startswith(own):
            ours += weight
        else:
            others += weight
    return latin, ours, others


def _is_other_language(text: str) -> bool:
    """More words of another language than of English: one that is certain, or two that could be names."""
    words = re.findall(_WORD, text)
    certain: set[str] = set()
    small: set[str] = set()
    for number, word in enumerate(words):
        kind = _kind(word, is_first=number == 0)
        around = "".join(near[:1] for near in (*words[max(0, number - 1) : number], *words[number + 1 : number + 2]))
        if kind == "small" and not (word in _words().joints and len(around) == 2 and around.isupper()):
            small.add(word.lower())
        elif kind == "certain":
            certain.add(word.lower())
    english = sum(_kind(word, is_first=False) == "english" for word in words)
    return (bool(certain) or len(small) > 1) and len(certain) + len(small) > english


def _kind(word: str, *, is_first: bool) -> str:
    """A capital in the middle of a sentence is a name's, or a German noun's."""
    lists = _words()
    lower = word.lower().replace("i\u0307", "i")  # what becomes of the Turkish capital İ
    is_name = word[0].isupper()
    is_first &= len(word) == 1 or not word.isupper()  # MIT
    if lower in lists.english or (lower.endswith("ing") and lower.isascii() and lower not in lists.foreign):
        return "english"
    if lower in lists.german_nouns or (lower in lists.foreign and (is_first or not is_name)):
        return "certain"
    if (lower in lists.small or re.match(_ELISION, word)) and (is_first or not is_name):
        return "small"
    is_accented = re.search(_ACCENT, word) and not is_name and lower not in lists.loans
    return "certain" if is_accented else "unknown"
