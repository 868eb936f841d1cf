"""Lists of words, one a line in `lists/`; a line that begins with # says what follows. Read once, when this is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_LISTS = Path(__file__).with_name("lists")


def read(name: str) -> tuple[str, ...]:
    """The words of `lists/NAME.txt` in order. Raises OSError when there is no such list."""
    lines = (line.strip() for line in (_LISTS / f"{name}.txt").read_text("utf-8").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def by_language(name: str) -> dict[str, tuple[str, ...]]:
    """Language -> its lines, of a list in which every language begins with `## Language`. Raises OSError."""
    found: dict[str, list[str]] = {}
    language = ""
    for line in (_LISTS / f"{name}.txt").read_text("utf-8").splitlines():
        if line.startswith("## "):
            language = line.removeprefix("## ")
        elif line.strip() and not line.startswith("#"):
            found.setdefault(language, []).append(line.strip())
    return {language: tuple(lines) for language, lines in found.items()}


def sections(name: str) -> dict[str, tuple[str, ...]]:
    """The words of a list under the lines that say what follows."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in (raw.strip() for raw in (_LISTS / f"{name}.txt").read_text("utf-8").splitlines()):
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line:
            found.setdefault(heading, []).append(line)
    return {heading: tuple(words) for heading, words in found.items()}


def any_of(words: Iterable[str]) -> str:
    """A regular expression for one of `words`."""
    return "|".join(map(re.escape, words))


# Common words of five letters and more that say nothing by themselves: nobody looks for a post under them, and none is a
# name.
COMMON = frozenset(read("common"))
# Words that a rewrite may begin a sentence with although the original does not have them; none can be a name.
OPENERS = frozenset(read("openers"))
# Words that a rewrite may neither lose nor add.
NEGATIONS = frozenset(read("negations"))
CONDITIONS = frozenset(read("conditions"))  # with contrast, obligation and permission
WARNINGS = frozenset(read("warnings"))  # with corrections, doubt, allergies, what is closed or cancelled
CALENDAR = frozenset(read("calendar"))
QUANTITIES = frozenset(read("quantities"))
UNITS = frozenset(read("units"))  # behind a number
GRAVE = frozenset(read("grave"))  # a post about death, violence, illness or danger
# Per language: sentences of nothing but these words say thanks or joy, and nothing else.
FILLERS = tuple(frozenset(words) for words in sections("fillers").values())
# Capitalised words that are no names of anything people look for: titles, forms of address, German pronouns.
NO_TAGS = frozenset(read("no_tags"))
