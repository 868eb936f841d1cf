"""Link cards: which link, in whose words, within which bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postprober.domain.attempt import payload_hash
from postprober.domain.card import MAX_TITLE, CardChoice, CardPicture, LinkCard, as_chosen, first_link, one_line
from postprober.errors import BadInput


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("no link", ""),
        ("Read https://example.com/a?b=c#d, then https://example.org/", "https://example.com/a?b=c#d"),
        ("See example.com/path.", "https://example.com/path"),
        ("(https://example.com/a_(b))", "https://example.com/a_(b)"),
        ("日本語https://ja.wikipedia.org/wiki/日本語。", "https://ja.wikipedia.org/wiki/日本語"),
        ("HTTPS://EXAMPLE.COM/A", "HTTPS://EXAMPLE.COM/A"),
        ("https://user:word@example.com/", ""),
        (f"https://example.com/{'a' * 3000}", ""),
        ("http://[::1", ""),
    ],
)
def test_the_first_link_is_the_one(text: str, link: str) -> None:
    assert first_link(text) == link


@given(st.text(max_size=500))
def test_any_text_has_a_first_link_or_none(text: str) -> None:
    assert first_link(text) == "" or "://" in first_link(text)


@given(st.text(max_size=200), st.integers(2, 40))
def test_a_line_is_one_line_within_its_bound_and_stays_as_it_is(text: str, most: int) -> None:
    line = one_line(text, most)
    assert len(line) <= most and "\n" not in line and line == line.strip()
    assert one_line(line, most) == line
    line.encode()  # raises where half a character is left


def test_a_cut_leaves_no_half_letter() -> None:
    assert one_line("cafe\u0301 au lait", 5) == "caf…"


@pytest.mark.parametrize(
    "choice",
    [
        CardChoice(drop=True, title="x"),
        CardChoice(title="x" * (MAX_TITLE + 1)),
        CardChoice(title="two\nlines"),
        CardChoice(description="turned\u202eround"),
        CardChoice(title="half \ud800"),
    ],
)
def test_a_wrong_choice_is_refused_in_one_sentence(choice: CardChoice) -> None:
    with pytest.raises(BadInput) as refused:
        choice.check()
    assert refused.value.field == "card" and refused.value.message.count(".") == 1


def test_a_card_survives_being_stored() -> None:
    for card in (
        LinkCard("https://example.com", "T", "D", CardPicture("0" * 64, "image/jpeg", 3, 2, 9)),
        LinkCard("https://example.com", problem="No link card: it is away."),
    ):
        assert LinkCard.from_json(card.to_json()) == card
    assert LinkCard.from_json(None) is None
    choice = CardChoice(title="T", url="https://example.com")
    assert CardChoice.from_json(choice.to_json()) == choice
    assert CardChoice.from_json(None) == CardChoice() and not CardChoice() and choice


def test_a_page_that_cannot_be_read_has_a_card_where_its_author_gives_it_a_title() -> None:
    away = LinkCard("https://example.com", problem="No link card: it is away.")
    assert as_chosen(away, CardChoice(title="Mine")) == LinkCard("https://example.com", "Mine")
    assert as_chosen(away, CardChoice(description="Without a title")) == away


def test_without_a_card_the_hash_is_what_it_was() -> None:
    """A delivery that was planned by an earlier version and is tried again has the hash of its first try."""
    earlier = "34e2c6aebbf899501811c69c7877ce3dfa794fe05f8daa873f8d4d2af29aa85c"
    assert payload_hash("text", ["a"], "parent") == payload_hash("text", ["a"], "parent", None) == earlier
    card = LinkCard("https://example.com", "T").to_json()
    assert payload_hash("text", ["a"], "parent", card) != payload_hash("text", ["a"], "parent")
    assert payload_hash("text", [], "", card) != payload_hash("text", [], "", {**card, "title": "U"})
