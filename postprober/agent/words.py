"""Lists of words, one a line in `lists/`; a line that begins with # says what follows. Read once, when this is imported."""

from __future__ import annotations

from pathlib import Path

_LISTS = Path(__file__).with_name("lists")


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


def _read(name: str) -> tuple[str, ...]:
    return tuple(word for words in sections(name).values() for word in words)


# Common words of five letters and more that say nothing by themselves: nobody looks for a post under them, and none is a
# name.
COMMON = frozenset(_read("common"))
# Words that a rewrite may begin a sentence with although the original does not have them; none can be a name.
OPENERS = frozenset(_read("openers"))
# Words that a rewrite may neither lose nor add.
NEGATIONS = frozenset(_read("negations"))
CONDITIONS = frozenset(_read("conditions"))  # with contrast, obligation and permission
WARNINGS = frozenset(_read("warnings"))  # with corrections, doubt, allergies, what is closed or cancelled
CALENDAR = frozenset(_read("calendar"))
QUANTITIES = frozenset(_read("quantities"))
UNITS = frozenset(_read("units"))  # behind a number
GRAVE = frozenset(_read("grave"))  # a post about death, violence, illness or danger
# Per language: sentences of nothing but these words say thanks or joy, and nothing else.
FILLERS = tuple(frozenset(words) for words in sections("fillers").values())
# Capitalised words that are no names of anything people look for: titles, forms of address, German pronouns.
NO_TAGS = frozenset(_read("no_tags"))
