"""The rules' review against posts of both kinds, and against texts that were made to be slow."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest

from postprober.agent.review import found_in, review
from tests.agent.agent_kit import NOW, brief
from tests.agent.review_corpus import Sample, rate, rates, samples

HARMLESS, HARMFUL = samples("harmless"), samples("harmful")
ALL = HARMLESS + HARMFUL
MUST_NOTICE = 0.95  # of our own; 0.8 is what the review promises for posts that it has never seen
LANGUAGES = frozenset(["en", "de", "fr", "es", "it", "pt", "nl", "pl", "tr", "ru", "uk", "ar", "he", "ja", "zh"])
MASKED = frozenset({"secret", "card", "national_number", "account_number", "contact"})
PER_KB = 0.15  # seconds of this processor; a text is 25 kB at most, and reviewing one takes about a tenth of it


def test_the_corpora_are_what_they_say() -> None:
    assert len({sample.id for sample in ALL}) == len(ALL)
    assert len({sample.text for sample in ALL}) == len(ALL)
    assert len(HARMLESS) >= 400 and len(HARMFUL) >= 200
    for corpus in (HARMLESS, HARMFUL):
        assert {sample.language for sample in corpus} >= LANGUAGES


def test_everyday_posts_are_left_alone() -> None:
    held = [sample.text for sample in HARMLESS if not sample.tricky and sample.held]
    assert len(held) <= 0.02 * sum(not sample.tricky for sample in HARMLESS), held


def test_posts_that_look_bad_and_are_not_are_mostly_left_alone() -> None:
    tricky = [sample for sample in HARMLESS if sample.tricky]
    assert rate("tricky", tricky).share <= 0.15, [s.text for s in tricky if s.held]


@pytest.mark.parametrize("kind", sorted({sample.kind for sample in HARMFUL}))
def test_what_rules_can_know_is_noticed(kind: str) -> None:
    chosen = [sample for sample in HARMFUL if sample.kind == kind]
    assert rate(kind, chosen).share >= MUST_NOTICE, [s.text for s in chosen if not s.held]


@pytest.mark.parametrize("split", ["blind", "again", "near"])
def test_posts_of_somebody_else_and_neighbours_of_the_rules_are_told_apart(split: str) -> None:
    harmless = [sample for sample in HARMLESS if sample.split == split]
    everyday = rate("everyday", [sample for sample in harmless if not sample.tricky])
    assert everyday.all >= 60 and everyday.share <= 0.01, [s.text for s in harmless if not s.tricky and s.held]
    tricky = rate("tricky", [sample for sample in harmless if sample.tricky])
    assert tricky.all >= 40 and tricky.share <= 0.05, [s.text for s in harmless if s.tricky and s.held]
    harmful = rate("harmful", [sample for sample in HARMFUL if sample.split == split])
    assert harmful.all >= 90 and harmful.share >= MUST_NOTICE


def test_what_is_noticed_is_called_by_its_name() -> None:
    """A post may hold several things, and some kinds are neighbours: what counts is that most are named as meant."""
    named = Counter(sample.kind in sample.held for sample in HARMFUL if sample.held)
    assert named[True] >= 0.85 * named.total()


def test_the_rates_are_of_the_rules_and_not_of_the_corpus() -> None:
    """A control: the harmful posts without what is wrong with them are no more held than others."""
    told = {one.kind: one.noticed for one in rates(HARMLESS)}
    assert sum(told.values()) < len(HARMFUL) / 10
    assert found_in("Come and see the new gallery this weekend.", NOW) == []
    assert [one.kind for one in found_in("Come and see the the new gallery this weekend.", NOW)] == ["doubled_word"]


@pytest.mark.parametrize(
    "sample", [one for one in HARMFUL if one.kind in ("secret", "card") and one.held], ids=lambda one: one.id
)
def test_no_reason_shows_a_secret(sample: Sample) -> None:
    told = review(brief(sample.text))
    masked = [one for one in told.details if one.kind in MASKED]
    assert masked and all("…" in one.piece and one.piece in one.message for one in masked)
    words = {word.strip(".,;:!?()\"'`|/“”") for word in sample.text.split()}
    whole = [
        word
        for word in words
        if len(word) >= 8 and any(char.isdigit() for char in word) and any(map(str.isalpha, word))
    ]
    shown = " ".join(one.message for one in masked)
    assert [word for word in whole if word in shown] == []


HOSTILE = [
    *'[{(<"“.01aA*_#/\\ \n-:@=éÃ🎉?&%$h~`|Xx月年م\u200b\u202e\u2066',
    *(
        "[a",
        "{{",
        "<a ",
        "http://",
        "https://a.",
        "a.b",
        "a@",
        "a:b@",
        "the ",
        "1 ",
        "12 ",
        "4111 ",
        "password: ",
        "pin ",
    ),
    *(
        "mon 1 ",
        "5 dec ",
        "dec 5 ",
        "1.1.",
        "1/1/",
        "月1日",
        "**a ",
        "[a](",
        "«a",
        '"a ',
        "&#",
        "eyJaaaaaaaa.",
        "A_",
        "key=",
    ),
    *(
        "um 1",
        "login a",
        "DE89 ",
        "<b>",
        "[b]",
        "test ",
        "draft\n",
        "@a ",
        "a\u200b",
        "/a/",
        "?a=",
        "www.",
        "C:\\",
        "\\\\a\\",
    ),
    *("send btc ", "seed phrase abc ", "12年", "insert a ", "wifi code ", "(a", "%s", "$A", "_a_", "here is a "),
]


@pytest.mark.parametrize("piece", HOSTILE, ids=ascii)
def test_no_text_makes_the_review_slow(piece: str) -> None:
    text = (piece * 10_000)[:10_000]
    started = time.process_time()
    found_in(text, NOW)
    assert time.process_time() - started < PER_KB * 10


@pytest.mark.parametrize("text", ["", " ", "\0", "\ud800", "\udfff\ud800 {{x}}", "\0" * 999, "a\u0301" * 999, "\uffff"])
def test_no_text_makes_the_review_fail(text: str) -> None:
    found_in(text, NOW)
    assert review(brief(text)).verdict in ("appropriate", "unsure", "flagged")


def test_noise_and_mixtures_are_reviewed() -> None:
    rng = random.Random(7)
    signs = "ab12.:/@[]{}<>()\"' \n-_=?&#%$*é月م🎉\u200d"
    for _ in range(50):
        found_in("".join(rng.choices(signs, k=400)), NOW)
