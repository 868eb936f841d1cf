"""The link a reader follows is the link in the text."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from postprober.domain.links import astray, whole_links
from postprober.platforms.bluesky.record import facets, hashtags
from postprober.platforms.bluesky.records import links as bluesky_links
from postprober.platforms.mastodon.text import length as mastodon_length
from postprober.platforms.mastodon.text import links as mastodon_links

# What may stand in a link behind its host and in front of the next blank.
_INSIDE = st.text(
    st.characters(
        exclude_categories=("Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Cn"),
        exclude_characters="<>、。「」『』【】（）〈〉《》，！？|\\^`",
    ),
    max_size=30,
)
_END = st.sampled_from("aZ9/語é🎉=&_#-%")
LINKS = st.builds(
    lambda scheme, host, mark, inside, end: f"{scheme}://{host}{mark}{inside}{end}",
    st.sampled_from(["https", "http", "HTTPS"]),
    st.sampled_from(["example.com", "ja.wikipedia.org", "münchen.de", "例え.jp"]),
    st.sampled_from("/?#"),
    _INSIDE,
    _END,
).filter(lambda link: ",http" not in link and ";http" not in link)


@settings(deadline=None)
@given(
    link=LINKS,
    before=st.sampled_from(["", "see ", "(", "“", '"', "日本語 ", "[a](", "\n", "*"]),
    after=st.sampled_from(["", ".", " today", ")", ").", "”", '"', "!?", "\n", "…", ",", "。次", "*"]),
)
def test_the_whole_link_is_found_and_nothing_around_it(link: str, before: str, after: str) -> None:
    pairs = {")": "(", "”": "“", '"': '"', "*": "*"}
    if after[:1] in pairs:  # a bracket or quote ends the link only where the link itself is balanced
        assume(before.endswith(pairs[after[0]]))
        assume(not any(char in link for char in '()“”"*'))
    elif before[-1:] in ("“", '"', "(", "*"):
        assume(not any(char in link for char in '()“”"*'))
    found = whole_links(before + link + after)
    assert [span.text for span in found] == [link]
    assert found[0].start == len(before)


@settings(deadline=None)
@given(text=st.lists(LINKS | st.text(max_size=20), max_size=5).map(" ".join))
def test_every_facet_leads_where_its_text_says(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    raw = text.encode()
    found = facets(text, lambda _handle: None)
    for facet in found:
        (feature,) = facet["features"]  # type: ignore[misc]
        shown = raw[facet["index"]["byteStart"] : facet["index"]["byteEnd"]].decode()  # type: ignore[index]
        if "uri" in feature:
            assert feature["uri"] in (shown, f"https://{shown}")
        else:
            assert feature["tag"] == shown[1:]
    assert astray(text, bluesky_links({"facets": found})) == []


@pytest.mark.parametrize(
    "link",
    [
        "https://ja.wikipedia.org/wiki/日本語",
        "https://el.wikipedia.org/wiki/Ελλάδα",
        "https://ar.wikipedia.org/wiki/مرحبا",
        "https://th.wikipedia.org/wiki/ไทย",
        "https://example.com/?q=日本語&page=2",
        "https://example.com#anchor",
        "https://example.com/🎉/party",
        'https://example.com/a?filter={"x":1}',
        "https://hi.wikipedia.org/wiki/हिन्दी",
        "https://example.com/a_(b)",
        "https://example.com/a;b=c,d",
        "https://user:pw@example.com:8443/x?y#z",
        "https://example.com/~me/'quoted'/x",
        "http://localhost:3000/x",
        "https://日本語.jp/パス?問=答#節",
        "https://web.archive.org/web/2020/https://example.com/",
    ],
)
def test_links_that_were_cut(link: str) -> None:
    for text in (f"Read {link} today", f"({link})", f"{link}.", f"“{link}”, he said", link):
        (facet,) = [f for f in facets(text, lambda _h: None) if "uri" in f["features"][0]]  # type: ignore[index]
        assert facet["features"][0]["uri"] == link, text  # type: ignore[index]


def test_links_without_a_scheme_have_their_paths_too() -> None:
    text = "see example.com/日本語?a=b#c, example.org. and me@example.net or (example.com)"
    assert [span.text for span in whole_links(text)] == ["example.com/日本語?a=b#c", "example.org", "example.com"]


def test_links_with_a_comma_between_are_two() -> None:
    text = "https://a.example/x,https://b.example/y"
    assert [span.text for span in whole_links(text)] == ["https://a.example/x", "https://b.example/y"]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("#rock-n-roll #🎉 #vote🗳️", ["rock-n-roll", "🎉", "vote🗳️"]),
        ("#日本語 ＃全角 #a.b #end. #q?! (#no) x#no #1 #1a #_ #-", ["日本語", "全角", "a.b", "end", "q", "1a"]),
        ("line\n#tag\t#two", ["tag", "two"]),
        (f"#{'x' * 64} #{'y' * 65}", ["x" * 64]),
        ("https://example.com/#not #yes", ["yes"]),
    ],
)
def test_hashtags_are_those_of_the_official_client(text: str, tags: list[str]) -> None:
    assert [span.text[1:] for span in hashtags(text)] == tags
    raw = text.encode()
    for facet in facets(text, lambda _h: None):
        if "tag" in facet["features"][0]:  # type: ignore[index]
            shown = raw[facet["index"]["byteStart"] : facet["index"]["byteEnd"]].decode()  # type: ignore[index]
            assert shown[1:] == facet["features"][0]["tag"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("日本語の記事 https://ja.wikipedia.org/wiki/ああ 次", ["https://ja.wikipedia.org/wiki/ああ"]),
        ("https://日本語.jp/パス?問=答 x", ["https://日本語.jp/パス?問=答"]),
        ("(https://example.com/a_(b)) https://example.com/a.", ["https://example.com/a_(b)", "https://example.com/a"]),
        (
            "「https://example.com/a」 https://example.com:8443/x?y=1!",
            ["https://example.com/a", "https://example.com:8443/x?y=1"],
        ),
        ("example.com https://nowhere.invalidtld/x https://example.com#a", ["https://example.com"]),
        ("https://example.com/日本語。次の文", ["https://example.com/日本語。次の文"]),
    ],
)
def test_mastodon_finds_links_by_its_own_rules(text: str, links: list[str]) -> None:
    assert [span.text for span in mastodon_links(text)] == links


def test_six_japanese_links_count_186_on_mastodon() -> None:
    link = "https://ja.wikipedia.org/wiki/" + "あ" * 60
    assert mastodon_length(" ".join([f"日本語の記事 {link}"] * 6)) == 6 * (7 + 23) + 5 + 0 * len(link)


@settings(deadline=None)
@given(LINKS, st.integers(1, 4))
def test_a_link_counts_the_same_on_mastodon_however_long_it_is(link: str, times: int) -> None:
    assume(mastodon_links(link) and mastodon_links(link)[0].text == link)
    assert mastodon_length(" ".join([link] * times)) == 23 * times + times - 1


@pytest.mark.parametrize(
    "evil",
    [
        "https://a.b/" + "(" * 5000,
        "https://" + "a." * 5000,
        "http://x.de/?" + "!" * 9000,
        "#" * 9000,
        "https://a.de/" + "'\"" * 4000,
        "(https://x.de/" * 900,
    ],
)
def test_hostile_texts_are_searched_in_one_go(evil: str) -> None:
    """No assertion on time: what grows without bound does not end within the suite's time-out."""
    assert isinstance(whole_links(evil), list) and isinstance(mastodon_links(evil), list)
    assert isinstance(hashtags(evil), list)


def test_a_link_that_leads_elsewhere_is_told_with_where_it_leads() -> None:
    text = "Read https://ja.wikipedia.org/wiki/日本語 and https://example.com/a?b=c"
    assert astray(text, ["https://ja.wikipedia.org/wiki/", "https://example.com/a?b=c"]) == [
        ("https://ja.wikipedia.org/wiki/日本語", "https://ja.wikipedia.org/wiki/")
    ]
    assert astray(text, ["https://example.com/a?b=c"]) == [("https://ja.wikipedia.org/wiki/日本語", "")]


def test_another_spelling_of_a_target_is_the_same_target() -> None:
    assert not astray(
        "https://日本語.jp/パス/ http://Example.com",
        ["http://xn--wgv71a119e.jp/%E3%83%91%E3%82%B9", "https://example.com/"],
    )
