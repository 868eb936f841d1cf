"""The lists of words that the rules know."""

from __future__ import annotations

from pathlib import Path

import pytest

from postprober.agent import meaning, words

LISTS = sorted((Path(words.__file__).parent / "lists").iterdir())

CASEFOLDED = frozenset({"camera_names", "common", "greetings", "openers"})


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_a_list_has_each_word_once_as_it_is_compared(path: Path) -> None:
    found = words.read(path.stem)
    assert found
    # Fillers are kept per language, so that no sentence of two languages is taken for one of thanks; names of days and months
    # are alike in some languages, so there a list is one a language.
    if path.stem == "fillers":
        parts = list(words.sections(path.stem).values())
    elif path.stem in ("weekdays", "months"):
        parts = list(words.by_language(path.stem).values())
    else:
        parts = [found]
    assert [part for part in parts if len(set(part)) != len(part)] == []
    small = str.casefold if path.stem in CASEFOLDED else str.lower  # the review compares letter by letter
    assert [word for word in found if word != small(word.strip()) or word.startswith("#")] == []


def test_the_lists_are_what_the_rules_use() -> None:
    assert {"about", "zwischen"} <= words.COMMON and "the" in words.OPENERS
    assert meaning.turning_words("We do not close on Monday") == {"not": 1, "close": 1, "monday": 1}
    assert meaning.measures("5 km for €7.50, 3 of 12") == {"5 km": 1, "€7.50": 1}


@pytest.mark.parametrize(
    ("text", "grave"),
    [
        ("Our colleague Anna died on Sunday", True),
        ("Wir trauern um Karl", True),
        ("Un attentat a eu lieu", True),
        ("Un niño desaparecido", True),
        ("Grave incidente sulla A1", True),
        ("Faleceu o professor Nunes", True),
        ("Wij zijn in rouw", True),
        ("Tragiczny wypadek pod Krakowem", True),
        ("Babamı kanser yüzünden kaybettik", True),
        ("Взрыв в доме", True),
        ("Загинув наш товариш", True),
        ("وفاة الأستاذ سامي", True),
        ("מסע ההלוויה ייצא מחר, ותאונה קשה", True),
        ("田中さんの葬儀について", True),
        ("老校长逝世", True),
        ("En man är försvunnen", True),
        ("The bakery opens at eight", False),
        ("Wir feiern den neuen Kindergarten", False),
        ("新しいパンができました", False),
    ],
)
def test_grave_news_is_known_in_many_languages(text: str, grave: bool) -> None:
    assert meaning.is_grave(text) is grave


@pytest.mark.parametrize(
    ("sentence", "thanks"),
    [
        ("Thank you so much!", True),
        ("Wir freuen uns riesig!", True),
        ("Merci beaucoup à vous !", True),
        ("¡Muchas gracias!", True),
        ("Спасибо вам большое!", True),
        ("Thank you, Mary!", False),
        ("Thank you for not smoking!", False),
        ("We are 12!", False),
        ("We are so happy?", False),
        ("#thanks", False),
        ("Danke merci!", False),
        ("ありがとうございます。", False),
        ("", False),
    ],
)
def test_only_a_sentence_of_nothing_but_thanks_is_one(sentence: str, thanks: bool) -> None:
    assert meaning.says_only_thanks(sentence) is thanks
