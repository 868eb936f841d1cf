"""The HTML of the Fediverse, back to text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postprober.domain.mentions import without_hosts
from postprober.domain.status_html import html_to_text, links_in

MASTODON_LINK = (
    '<a href="https://example.com/a/very/long/path?x=1&amp;y=2" target="_blank" rel="nofollow noopener">'
    '<span class="invisible">https://</span><span class="ellipsis">example.com/a/very/long</span>'
    '<span class="invisible">/path?x=1&amp;y=2</span></a>'
)
MASTODON_MENTION = (
    '<span class="h-card"><a href="https://o.example/@bob" class="u-url mention">@<span>bob</span></a></span>'
)
HTML_CASES = [
    ("<p>one<br />two</p><p>three</p>", "one\ntwo\n\nthree"),
    ("<p>1 &lt; 2 &amp; 3</p>", "1 < 2 & 3"),
    (f"<p>see {MASTODON_LINK}</p>", "see https://example.com/a/very/long/path?x=1&y=2"),
    (f"<p>hi {MASTODON_MENTION}!</p>", "hi @bob@o.example!"),
    ('<p><a href="https://m.example/tags/x" class="mention hashtag">#<span>x</span></a></p>', "#x"),
    ('<p><a href="https://evil.example/">https://good.example/</a></p>', "https://evil.example/"),
    (
        '<p><a href="https://xn--bcher-kva.example/a%20b">https://bücher.example/a b</a></p>',
        "https://bücher.example/a b",
    ),
    (f'<p class="quote-inline">RE: {MASTODON_LINK}</p><p>my words</p>', "my words"),
    (f'<p>my words</p><p class="quote-inline">RE: {MASTODON_LINK}', "my words"),
    ("plain text\nwith a line", "plain text\nwith a line"),
    ('<p>open <a href="https://example.org">https://example.org', "open https://example.org"),
]


@pytest.mark.parametrize(("html", "text"), HTML_CASES)
def test_the_html_of_a_status_becomes_its_text(html: str, text: str) -> None:
    mentions = [{"url": "https://o.example/@bob", "acct": "bob@o.example"}]
    assert html_to_text(html, mentions) == text


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_html_is_read_without_an_error(html: str) -> None:
    assert isinstance(html_to_text("<p>" + html), str)


@pytest.mark.parametrize(
    ("with_host", "without"),
    [
        ("hi @bob@example.social!", "hi @bob!"),
        ("@bob@127.0.0.1:8011 x", "@bob x"),
        ("mail bob@example.com", "mail bob@example.com"),
        ("https://m.example/@bob@o.example", "https://m.example/@bob@o.example"),
        ("@bob", "@bob"),
    ],
)
def test_mentions_lose_their_server_and_nothing_else_does(with_host: str, without: str) -> None:
    assert without_hosts(with_host) == without


def test_where_the_links_of_a_status_lead() -> None:
    html = (
        '<p>Hi <span class="h-card"><a href="https://one.example/@ada" class="u-url mention">@<span>ada</span></a></span> '
        '<a href="https://ja.wikipedia.org/wiki/"><span class="invisible">https://</span>ja.wikipedia.org/wiki/</a>日本語 '
        '<a href="https://one.example/tags/x" class="mention hashtag">#<span>x</span></a></p>'
    )
    assert links_in(html) == ("https://ja.wikipedia.org/wiki/",)
    assert links_in("<p>plain https://example.com</p>") is None
