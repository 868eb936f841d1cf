"""Counting, finding, comparing and cutting text."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from postprober.domain import text
from postprober.domain.entities import between
from postprober.domain.links import whole_links
from postprober.domain.text import (
    Span,
    find_cashtags,
    find_hashtags,
    find_mentions,
    find_urls,
    graphemes,
    normalise,
    same_text,
    utf8_length,
    weighted_length,
)
from postprober.platforms.linkedin.text import escape_little, unescape_little
from postprober.platforms.mastodon.text import length as mastodon_length
from tests.specifications import SPECS

SUITE = SPECS / "twitter-text" / "conformance"


def _cases(file: str, *blocks: str) -> list[Any]:
    tests = yaml.safe_load((SUITE / file).read_text())["tests"]
    return [pytest.param(block, case, id=f"{block}-{n}") for block in blocks for n, case in enumerate(tests[block])]


FINDERS: dict[str, tuple[Callable[[str], list[Span]], int]] = {
    "urls": (find_urls, 0),
    "tco_urls_with_params": (find_urls, 0),
    "mentions": (find_mentions, 1),
    "hashtags": (find_hashtags, 1),
    "hashtags_from_astral": (find_hashtags, 1),
    "cashtags": (find_cashtags, 1),
}
INDEXED: dict[str, Callable[[str], list[Span]]] = {
    "urls_with_indices": find_urls,
    "urls_with_directional_markers": find_urls,
    "mentions_with_indices": find_mentions,
    "hashtags_with_indices": find_hashtags,
    "cashtags_with_indices": find_cashtags,
}
# The blocks of configuration 3; WeightedTweetsCounterTest is of version 2 and `tweets` of version 1.
COUNTED = ("WeightedTweetsWithDiscountedEmojiCounterTest", "UnicodeDirectionalMarkerCounterTest")


@pytest.mark.parametrize(("block", "case"), _cases("validate.yml", *COUNTED))
def test_it_counts_as_the_official_suite_does(block: str, case: dict[str, Any]) -> None:
    assert weighted_length(case["text"]) == case["expected"]["weightedLength"]


@pytest.mark.parametrize(("block", "case"), _cases("extract.yml", *FINDERS))
def test_it_finds_what_the_official_suite_finds(block: str, case: dict[str, Any]) -> None:
    find, sign = FINDERS[block]
    assert [span.text[sign:] for span in find(case["text"])] == case["expected"]


@pytest.mark.parametrize(("block", "case"), _cases("extract.yml", *INDEXED))
def test_it_finds_it_where_the_official_suite_does(block: str, case: dict[str, Any]) -> None:
    spans = INDEXED[block](case["text"])
    assert [[span.start, span.end] for span in spans] == [entity["indices"] for entity in case["expected"]]


@pytest.mark.parametrize(("block", "case"), _cases("tlds.yml", "country", "generic")[::7])
def test_every_top_level_domain_ends_a_link(block: str, case: dict[str, Any]) -> None:
    assert [span.text for span in find_urls(case["text"])] == case["expected"]


def test_the_suite_is_as_large_as_it_was() -> None:
    assert len(_cases("validate.yml", *COUNTED)) == 24
    assert len(_cases("extract.yml", *FINDERS)) == 91 + 5 + 23 + 65 + 3 + 8


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("e\u0301", 1),  # NFC first
        ("東京", 4),
        ("👨‍👩‍👧", 2),
        ("🇩🇪", 2),
        ("© ©\ufe0f", 4),  # a sign, a blank, an emoji
        ("☺\ufe0e", 4),  # asked for as text: two heavy code points
        ("see example.com/x now", 31),
        ("no.such-tld", 11),
    ],
)
def test_it_weighs_what_the_suite_leaves_out(text: str, length: int) -> None:
    assert weighted_length(text) == length


@given(st.text(max_size=300))
def test_weights_lie_between_the_lightest_and_the_heaviest_reading(text: str) -> None:
    links = len(find_urls(text))
    assert 0 <= weighted_length(text) <= 2 * 3 * len(text) + 23 * links  # NFC makes at most three of one


@given(st.text(max_size=200))
def test_spans_are_in_order_and_say_what_stands_there(text: str) -> None:
    for find in (find_urls, find_mentions, find_hashtags, find_cashtags):
        end = 0
        for span in find(text):
            assert end <= span.start < span.end
            assert text[span.start : span.end] == span.text
            end = span.end
        assert len(list(between(text, find(text)))) == len(find(text)) + 1


@pytest.mark.parametrize("text", ["a." * 5000, "あ.a-" * 2000, "#1" * 5000, "http://a.com/" + "(a" * 4000, "\\" * 9000])
def test_hostile_text_is_counted_in_bounded_time(text: str) -> None:
    started = time.process_time()
    weighted_length(text)
    find_hashtags(text)
    unescape_little(text)
    assert time.process_time() - started < 5.0


def test_graphemes_and_bytes_are_what_bluesky_counts() -> None:
    assert graphemes("👨‍👩‍👧é") == 2
    assert utf8_length("é👨") == 6
    assert utf8_length("\ud800") == 3


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("hello", 5),
        ("https://example.com/a/very/long/path/that/goes/on/and/on", 23),
        ("see https://example.com.", 28),
        ("example.com", 11),  # Mastodon shortens only links with a scheme
        ("hi @alice@example.social!", 10),
        ("hi @alice", 9),
        ("mail me@example.com", 19),
        ("👨‍👩‍👧", 1),
    ],
)
def test_mastodon_counts_links_as_23_and_no_domains_of_mentions(text: str, length: int) -> None:
    assert mastodon_length(text) == length


def test_an_instance_may_count_links_differently() -> None:
    assert mastodon_length("https://example.com/long/path", url_length=30) == 30


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain", "plain"),
        ("a (b) [c] {d} <e>", r"a \(b\) \[c\] \{d\} \<e\>"),
        ("snake_case *bold* ~x~ a|b back\\slash", r"snake\_case \*bold\* \~x\~ a\|b back\\slash"),
        ("me@example.com and @you", r"me\@example.com and \@you"),
        ("#news and #1 and a#b", r"#news and \#1 and a\#b"),
        ("#snake_case", r"#snake\_case"),
        ("#\u00b7dot", "\\#\u00b7dot"),
        ("https://example.com/a_b?c=(d)", r"https://example.com/a\_b?c=\(d\)"),
    ],
)
def test_little_text_escapes_what_is_reserved_and_keeps_hashtags(text: str, escaped: str) -> None:
    assert escape_little(text) == escaped
    assert unescape_little(escaped) == text


@given(st.text(alphabet=st.sampled_from("ab# _*{}[]()<>@|\\~\nü🎉"), max_size=60))
def test_little_text_comes_back_as_it_was(text: str) -> None:
    assert unescape_little(escape_little(text)) == text


def test_little_text_templates_and_mentions_are_read() -> None:
    read = unescape_little(r"{hashtag|\#|snake\_case} by @[Ada \[L\]](urn:li:person:1) {hashtag|#|x}")
    assert read == "#snake_case by Ada [L] #x"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("a  b\r\nc \n", "a b\nc"),
        ("cafe\u0301", "café"),
        ("one\n\n\ntwo", "one\ntwo"),
        ("non\u00a0breaking", "non breaking"),
        ("see https://Example.com/", "see http://example.com"),
        ("see example.com", "see https://example.com"),
        ("x https://EXAMPLE.com/Path/?q=A", "x https://example.com/Path/?q=A"),
    ],
)
def test_texts_that_read_alike_are_the_same(a: str, b: str) -> None:
    assert same_text(a, b)
    assert same_text(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("a", "b"),
        ("Case", "case"),
        ("a.", "a"),
        ("see https://example.com/Path", "see https://example.com/path"),
        ("see https://example.com/a", "see https://example.com/b"),
        ("see https://example.com/a", "see https://example.com/a…"),
        ("see https://example.com/a?b", "see https://example.com/a"),
        ("ab", "a b"),
        ("👍", "👍🏽"),
    ],
)
def test_texts_that_read_differently_are_not_the_same(a: str, b: str) -> None:
    assert not same_text(a, b)


@given(st.text(max_size=100))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
    assert same_text(text, normalise(text))


PIECES = st.sampled_from(
    [
        "https://",
        "HTTP://",
        "a.co",
        "A.CO",
        "ΑΣ.example",
        "İ.example",
        "/",
        "?q=1",
        "Words",
        "words",
        " ",
        "\n",
        "s",
        "ß",
        "@",
    ]
)


@given(st.lists(PIECES, max_size=6).map("".join), st.lists(PIECES, max_size=6).map("".join))
def test_texts_are_the_same_where_their_canonical_forms_are(a: str, b: str) -> None:
    """What is looked at first, because it is quick, refuses nothing that the links would make the same."""
    for one, other in ((a, b), (a, text._canonical(normalise(a)))):
        left, right = normalise(one), normalise(other)
        assert same_text(one, other) is (left == right or text._canonical(left) == text._canonical(right))


def test_links_are_looked_for_only_where_nothing_else_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def find(given: str) -> list[Span]:
        asked.append(given)
        return whole_links(given)

    monkeypatch.setattr(text, "whole_links", find)
    assert not same_text("Our text a.co", "a." * 10_000) and asked == []
    assert same_text("See https://A.co/", "See a.co") and len(asked) == 2, "the control"
