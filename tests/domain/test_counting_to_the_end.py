"""Texts are counted exactly however long they are, and in time that grows with their length alone."""

from __future__ import annotations

import time
import unicodedata

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postprober.domain.entities import find_hashtags, find_urls, is_possible
from postprober.domain.platform import Platform, known
from postprober.domain.post import Draft, Part
from postprober.domain.preflight import check
from postprober.domain.splitting import measure
from postprober.domain.text import graphemes, nfc, weighted_length
from postprober.platforms.mastodon.text import links as mastodon_links
from postprober.platforms.registry import LIMITS
from postprober.services.posts.posts import MAX_TEXT
from tests.domain.link_rules import LINK

HOSTILE = {
    "letters": "a",
    "Japanese": "日本語の記事を読む。",
    "families": "👩‍👩‍👧‍👦🎉",
    "flags": "🇩🇪",
    "marks": "\u0323\u0301",
    "marks on letters": "e\u0301",
    "links": "See https://example.com/a/b?c=d today ",
    "Japanese links": "日本語 https://ja.wikipedia.org/wiki/日本語 ",
    "hosts glued together": "example.com",
    "no top-level domain": ".aa",
    "one behind many labels": "aa." * 90 + "com ",
    "Punycode": "xn--a.",
    "a label too long": "ä" * 70 + ".com ",
    "brackets": "https://a.com/(((",
    "tags and links": "#tag https://a.com ",
    "mentions": "@name@example.social ",
    "signs": "@#$",
    "schemes": "https://",
    "dots": "a.b.",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_the_longest_text_is_counted_for_every_platform_in_a_moment(piece: str) -> None:
    text = (piece * (MAX_TEXT // len(piece) + 1))[:MAX_TEXT]
    draft = Draft((Part(text),))
    started = time.process_time()
    for platform in known():
        check(draft, LIMITS[platform])
    assert time.process_time() - started < 8.0  # measured: 0.9 s at most for all of them, each time the first


@pytest.mark.parametrize("platform", known())
@pytest.mark.parametrize(
    "piece", ["🇩🇪 ", "e\u0301 ", "👩‍👩‍👧‍👦 ", "See https://example.com/a?b=c today. ", "@n@example.social #tag "]
)
def test_a_long_text_counts_what_its_pieces_count_together(piece: str, platform: Platform) -> None:
    times = 40_000 // len(piece)
    whole = check(Draft((Part(piece * times),)), LIMITS[platform])
    assert whole.length == LIMITS[platform].length(piece) * times


def test_what_is_over_in_a_long_text_is_said_too() -> None:
    text = "@somebody #word " * 2000
    codes = {v.code for v in check(Draft((Part(text),)), LIMITS[Platform("instagram")]).violations}
    assert {"too_many_mentions", "too_many_hashtags"} <= codes


_PIECES = st.sampled_from(
    [
        *(
            "a",
            "b.c",
            "aa",
            ".",
            "..",
            "com",
            ".com",
            ".de",
            ".co.uk",
            "-",
            "_",
            "日本",
            "語",
            "한국",
            ".한국",
            ".テスト",
        ),
        *(
            "ä",
            "é.fr",
            "xn--",
            ".xn--p1ai",
            "https://",
            "http://",
            "HTTPS://",
            "://",
            "/",
            "?",
            "#",
            "@",
            "$",
            "＠",
            "＃",
        ),
        *(" ", "\n", ",", "(", ")", "[", "]", "&", "=", "1", ":80", "\u200e", "\ufeff", "t.co/", "x" * 30, "語" * 30),
        *("~", "%20", "/a_(b)", "Ж", "'", '"', "!", "*", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.com", "a_b.com.net", "a-.com"),
        *("-a.com", "COM", "K", ".vermögensberatung", "\u3000", "。", "😀", "…", "|", "user:pw@"),
    ]
)


@settings(deadline=None, max_examples=1000)
@given(st.lists(_PIECES, max_size=14).map("".join))
@example("äexample.com")
@example("a_b.com.net, a.com日本.com https://日本語.jp/x")
def test_links_stand_where_the_published_rules_see_them(text: str) -> None:
    wanted = []
    for match in LINK.finditer(text):
        if match["protocol"] and is_possible(match["url"], match["domain"]) and "t.co/" not in match["url"]:
            wanted.append((match.start("url"), match["url"]))
    found = [
        (span.start, span.text) for span in find_urls(text) if span.text.lower().startswith(("http://", "https://"))
    ]
    assert [one for one in found if "t.co/" not in one[1]] == wanted
    assert {span.start for span in mastodon_links(text)} >= {start for start, _ in wanted}


@given(
    st.lists(
        st.sampled_from([*"ae\u0301\u0323\u0345\u0958\u1100\u1161", "\u0f71\u0f72" * 20, "\u0301\u0323" * 20]),
        max_size=8,
    )
)
def test_ordering_marks_first_changes_no_normal_form(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert nfc(text) == unicodedata.normalize("NFC", text)


@given(
    st.lists(
        st.sampled_from(
            ["🇩", "🇪", "a", "\u0301", "\u200d", "👩", "\ufe0f", "\u0600", "क", "\u094d", "\r", "\n", "\uac00"]
        ),
        max_size=30,
    )
)
def test_flags_counted_first_change_no_count(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert graphemes(text) == len(regex.findall(r"\X", text))


def test_a_tag_inside_a_link_is_none_however_many_there_are() -> None:
    text = "#a https://example.com/#b #c " * 3
    assert [span.text for span in find_hashtags(text)] == ["#a", "#c"] * 3


@pytest.mark.parametrize("platform", known())
def test_what_a_thread_is_cut_by_is_what_preflight_counts(platform: Platform) -> None:
    text = "日本語 https://example.com/x " * 1000
    limits = LIMITS[platform]
    if limits.max_bytes is None:
        assert measure(limits)(text) == check(Draft((Part(text),)), limits).length
    assert weighted_length(text) == LIMITS[Platform("x")].length(text)
