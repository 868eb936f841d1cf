"""Threads: every part fits its platform, nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as s

from postprober.domain.platform import Platform, known
from postprober.domain.post import Draft, Part
from postprober.domain.preflight import check
from postprober.domain.splitting import split, split_thread
from postprober.domain.text import graphemes, weighted_length
from postprober.platforms.registry import LIMITS, SPECS

THREADED = [p for p in known() if LIMITS[p].threads]
TEXTS = s.lists(
    s.sampled_from(
        ["Words ", "and more. ", "https://example.com/a/b?c=d ", "日本語。", "👩‍👩‍👧 ", "#tag ", "é" * 40, "\n\n"]
    ),
    max_size=150,
)


@pytest.mark.parametrize("platform", THREADED)
@pytest.mark.parametrize("numbered", [False, True])
@settings(deadline=None)
@given(pieces=TEXTS)
def test_every_part_passes_the_platforms_preflight_and_no_letter_is_lost(
    platform: Platform, numbered: bool, pieces: list[str]
) -> None:
    text = "".join(pieces).strip()
    if not text:
        return
    parts = split(text, LIMITS[platform], numbered=numbered)
    result = check(Draft(tuple(Part(part) for part in parts)), LIMITS[platform])
    assert not [v for v in result.violations if v.code in ("text_too_long", "too_many_bytes", "text_empty")]
    bare = [part.rsplit(" (", 1)[0] for part in parts] if numbered and len(parts) > 1 else list(parts)
    assert "".join("".join(bare).split()) == "".join(text.split())


def test_a_text_that_fits_stays_as_it_is() -> None:
    assert split("  as typed ", LIMITS[Platform("x")], numbered=True) == ("  as typed ",)


def test_the_parts_are_cut_at_sentences_and_numbered() -> None:
    text = " ".join(f"This is sentence number {n} of them." for n in range(30))
    parts = split(text, LIMITS[Platform("x")], numbered=True)
    assert all(part.endswith(f" them. ({n}/{len(parts)})") for n, part in enumerate(parts, 1))


def test_bytes_count_where_the_platform_limits_them() -> None:
    text = "👩‍👩‍👧‍👦" * 200  # 200 graphemes, 5,000 bytes
    parts = split(text, LIMITS[Platform("bluesky")])
    assert len(parts) > 1 and all(len(part.encode()) <= 3000 for part in parts)


def test_a_short_text_is_one_part() -> None:
    assert split_thread("short", len, 10) == ["short"]
    assert split_thread("  ", len, 10) == []


def test_parts_end_with_sentences_where_that_fills_them() -> None:
    text = "First sentence here. Second sentence here. Third one."
    assert split_thread(text, len, 45) == ["First sentence here. Second sentence here.", "Third one."]


def test_parts_end_with_words_when_a_sentence_is_too_long() -> None:
    assert split_thread("alpha beta gamma delta", len, 11) == ["alpha beta", "gamma delta"]


def test_a_link_is_not_cut_and_a_family_stays_together() -> None:
    parts = split_thread("x " * 5 + "https://example.com/abc", len, 24)
    assert any("https://example.com/abc" in part for part in parts)
    assert split_thread("👨‍👩‍👧" * 4, graphemes, 3) == ["👨‍👩‍👧" * 3, "👨‍👩‍👧"]


@given(s.text(alphabet=s.sampled_from("ab .!\n東。🎉"), max_size=200), s.integers(4, 40))
def test_no_part_is_too_long_and_no_letter_is_lost(text: str, limit: int) -> None:
    parts = split_thread(text, weighted_length, limit)
    assert all(part.strip() and weighted_length(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_a_sentence_that_fits_one_part_is_not_divided_to_fill_the_part_before_it() -> None:
    text = "The gate is open. " + "We water the plants and sweep the yard and paint the fence and mend the roof today."
    assert split_thread(text, len, 90) == [text[:17], text[18:]]


def test_a_denial_stays_with_what_it_denies_where_there_is_room() -> None:
    first = "We have news about the pool and about its opening hours."
    text = f"{first} Some say that we close. That is not true. We stay open."
    assert split_thread(text, len, 90) == [first, text[len(first) + 1 :]]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("all the people of this town came out to greet old Mary Smith and sang", "Mary Smith"),
        ("we walked along the river to the old mill and met at 9 a.m. on the day", "9 a.m. on"),
        ("wir gehen zusammen an den See und sehen uns dort alle am 3. Mai wieder", "am 3. Mai"),
        ("the museum of the city shows the works of its own J. R. R. Tolkien soon", "J. R. R. Tolkien"),
        ("the parcel that we sent to the shop on the corner weighs about 5 kg more", "5 kg"),
        ("the whole town came to the opening of the small Museum of Modern Art now", "Museum of Modern Art"),
    ],
)
def test_names_dates_and_numbers_stay_whole_inside_a_sentence(text: str, whole: str) -> None:
    for limit in range(len(whole) + 25, len(text)):
        assert any(whole in part for part in split_thread(text, len, limit)), limit


def test_gently_there_is_no_thread_where_a_name_would_be_cut() -> None:
    text = "Johanna Wilhelmine Friederike Auguste Sophie Margarethe Anna Berta " * 2
    assert len(split_thread(text, len, 40)) > 1
    assert split_thread(text, len, 40, gently=True) == [text.strip()]


def test_an_account_that_may_write_more_needs_no_thread() -> None:
    spec, text = SPECS[Platform("x")], "A sentence of a long post. " * 60
    assert spec.long_limits is not None
    assert len(split(text, spec.limits, numbered=True)) > 5
    assert split(text, spec.long_limits, numbered=True) == (text,)
    assert len(split(text * 20, spec.long_limits, numbered=True)) == 2


@pytest.mark.parametrize("before", range(45, 60))
def test_a_mention_of_another_platform_is_not_cut_in_its_spelling(before: int) -> None:
    """A thread showed `@[Acme` at the end of one part and the id at the beginning of the next."""
    name = "International Association of the Makers of Things"
    text = "word " * before + f"@[{name}](urn:li:organization:12345) and on " + "word " * 60
    parts = split(text, LIMITS[Platform("x")])
    assert len(parts) > 1 and "urn:li" not in "".join(parts) and "@[" not in "".join(parts)
    assert " ".join(" ".join(parts).split()) == " ".join(
        text.replace(f"@[{name}](urn:li:organization:12345)", name).split()
    )
    short = f"@[{name}](urn:li:organization:12345)"
    assert split(short, LIMITS[Platform("x")]) == (short,), "the control: what fits stays as it was typed"
