"""What a reason says, where it says it is, and how several reviews become one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from postprober.agent.brief import Brief
from postprober.agent.review import MOST, confidential, flagged, found_in, review
from postprober.domain.advice import Advice, Reason, Review, cautious, intended_as
from postprober.domain.platform import Platform
from tests.agent.agent_kit import NOW, brief, picture, target

MONDAY = datetime(2026, 11, 30, 9, tzinfo=UTC)


def kinds(text: str, language: str = "") -> list[str]:
    return [one.kind for one in found_in(text, MONDAY, language)]


def test_a_reason_names_the_piece_and_its_place() -> None:
    (one,) = review(brief("Meet us at [Venue]!")).details
    assert one == Reason("placeholder", "In the text: `[Venue]` looks like a placeholder.", "[Venue]", "text")
    told = review(brief("Hello", "See the the end", pictures=(picture(alt="A dog named [name], asleep"),)))
    assert [(one.kind, one.part) for one in told.details] == [("doubled_word", "part 2"), ("placeholder", "alt text 1")]
    assert told.reasons == tuple(one.message for one in told.details)
    assert told.reasons[0].startswith("In part 2: ") and told.reasons[1].startswith("In the alt text: ")


def test_own_words_of_an_account_are_named_with_it() -> None:
    first = replace(target("Hello"), account_id=7)
    second = replace(target("Hello [link]", Platform("mastodon")), account_id=8)
    (one,) = review(Brief((first, second), (), NOW)).details
    assert one.part == "account 8" and one.message.startswith("In the text for Mastodon: ")
    threads = Brief((first, replace(second, texts=("Hello", "See [link]"))), (), NOW)
    assert review(threads).details[0].part == "account 8 part 2"


def test_a_text_that_is_for_several_accounts_is_intended_only_when_it_is_on_all_of_them() -> None:
    key = frozenset({intended_as("placeholder", "[link]")})
    both = (target("Hello [link]", intended=key), replace(target("Hello [link]"), account_id=2))
    assert not review(Brief(both, (), NOW)).passes
    assert review(Brief((both[0], replace(both[1], intended=key)), (), NOW)).passes


def test_doubts_stand_beside_flags_and_the_flags_come_first() -> None:
    told = review(brief("Hello [link], our key is AKIAIOSFODNN7EXAMPLE"))
    assert told.verdict == "flagged" and [one.kind for one in told.details] == ["secret", "placeholder"]


def test_reasons_of_all_reviews_that_object_are_kept() -> None:
    flag, doubt = Review("flagged", ("a",), "model m", 0.9), review(brief("Hello [link]"))
    told = cautious([doubt, flag, Review("appropriate", ("fine",), "x", 0.2)])
    assert told.verdict == "flagged" and told.by == "model m" and told.confidence == 0.9
    assert told.reasons == ("a", *doubt.reasons) and told.details == doubt.details
    assert cautious([review(brief("Hello")), review(brief("Hi"))]).confidence is None


def test_nobody_is_told_more_than_can_be_read() -> None:
    told = review(brief(" ".join(f"[link {n}] {{{{name{n}}}}}" for n in range(99))))
    assert len(told.details) == MOST


def test_reasons_survive_being_stored() -> None:
    told = Advice(review(brief("Hello [link] AKIAIOSFODNN7EXAMPLE")), (), "rules", "", "2026-03-02T09:00:00Z")
    assert Advice.from_json(told.to_json()) == told


def test_what_no_model_may_see() -> None:
    assert flagged(["Fine", "Our key is AKIAIOSFODNN7EXAMPLE"]) and confidential("Our key is AKIAIOSFODNN7EXAMPLE")
    assert flagged(["I will kill you"]) and not confidential("I will kill you")
    assert not flagged(["Hello [link]"]) and not confidential("Hello [link]")
    assert confidential("Account DE89 3704 0044 0532 0130 00")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("Join us on Friday, 3 December 2026!", "Join us on Thursday, 3 December 2026!"),
        ("Sommerfest am Freitag, 12. Mai 2027", "Sommerfest am Mittwoch, 12. Mai 2027"),
        ("el viernes 5 de diciembre de 2026", "el sábado 5 de diciembre de 2026"),
        ("le lundi 12 décembre 2026", "le samedi 12 décembre 2026"),
        ("5 Aralık 2026 Cuma", "5 Aralık 2026 Cumartesi"),
        ("в пятницу, 5 декабря 2026", "в субботу, 5 декабря 2026"),
        ("يوم الجمعة 5 ديسمبر 2026", "يوم السبت 5 ديسمبر 2026"),
        ("12月12日(日)開催", "12月12日(土)開催"),
        ("2026年12月5日(星期日)", "2026年12月5日(星期六)"),
        ("Sunday 12/13/2027", "Sunday 12/13/2026"),
        ("31 November", "30 November"),
        ("30.02.2027", "28.02.2027"),
        ("29 February 2027", "29 February 2028"),
        ("ab 25:00 Uhr", "ab 23:00 Uhr"),
        ("Register now for 12 January 2026", "Register now for 12 January 2027"),
        ("Save the date: 14 March 2026", "Thank you for coming on 14 March 2026"),
    ],
)
def test_dates_are_doubted_only_when_they_cannot_be(wrong: str, right: str) -> None:
    assert kinds(wrong) == ["date"] and kinds(right) == []


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("Call 4111 1111 1111 1111", "Order 4111 1111 1111 1111"),
        ("To IBAN DE89 3704 0044 0532 0130 00", "Donate: IBAN DE89 3704 0044 0532 0130 00"),
        ("TODO: add the prices", "TODO: vuelo, hotel y traslados para los que viajan"),
        ("We will kill you", "Police: he said “we will kill you”"),
        ("A \u202eturned\u202c text", "שלום \u200e(Hello)\u200f לכולם"),
        ("An \u2066isolate\u2069 in Latin", "نحب \u2066Python\u2069 جداً"),
        ("Hello {{name}}, welcome", "In Jinja you write {{name}}, a template of #Python"),
        ("See http://localhost:8000/x", "Run the docs server on http://localhost:8000/x"),
        ("DRAFT: we open on Monday", "Draft beer on Monday"),
        ("Don't post before Friday", "Don't post photos of your boarding pass"),
        ("Password: Sonne2026", "Tip: choose a password of four words"),
        ("Gäste-WLAN, Kennwort: Kuchen!7", "Ein gutes Kennwort hat zwölf Zeichen"),
        ("GrÃ¼ÃŸe", "Grüße, À bientôt, NÃO, CAFÉ\u00a0!"),
        ("Guaranteed returns of 20 %", "Never believe in guaranteed returns of 20 %"),
        ("Look at the the bridge", "I know that that was the best that we had had"),
        ("https://docs.google.com/document/d/1aBcDeFg/edit", "https://docs.google.com/forms/d/e/1FAIpQL/viewform"),
    ],
)
def test_a_rule_knows_the_harmless_neighbour(wrong: str, right: str) -> None:
    assert kinds(wrong) and not kinds(right)
