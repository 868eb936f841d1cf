"""The lists of words that the rules know."""

from __future__ import annotations

from pathlib import Path

import pytest

from postprober.agent import suggest, words

LISTS = sorted((Path(words.__file__).parent / "lists").iterdir())

CASEFOLDED = frozenset({"camera_names", "common", "greetings", "openers"})


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_a_list_has_each_word_once_as_it_is_compared(path: Path) -> None:
    found = words.read(path.stem)
    assert found
    # Names of days and months are alike in some languages; there a list is one a language.
    parts = words.by_language(path.stem).values() if path.stem in ("weekdays", "months") else [found]
    assert [part for part in parts if len(set(part)) != len(part)] == []
    small = str.casefold if path.stem in CASEFOLDED else str.lower  # the review compares letter by letter
    assert [word for word in found if word != small(word.strip()) or word.startswith("#")] == []


def test_the_lists_are_what_the_rules_use() -> None:
    assert {"about", "zwischen"} <= words.COMMON and "the" in words.OPENERS
    assert suggest._GREETING.match("Good morning everybody, the shop is open.")
    assert suggest._CAMERA_NAME.match("DSCN_0042") and not suggest._CAMERA_NAME.match("red-bicycle")
