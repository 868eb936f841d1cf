"""Pages that are made to keep a reader busy, and what of a page a person sees."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postprober.domain.status_html import html_to_text
from postprober.domain.tolerant_html import MOST_UNENDED
from postprober.probe.page import read_page

UNENDED = ["<!--", "<![", "<!x", "<?", "</a", "<a ", '<a b="', "<a b='c' "]


@pytest.mark.parametrize("piece", UNENDED)
def test_what_begins_and_does_not_end_is_searched_for_only_so_often(
    monkeypatch: pytest.MonkeyPatch, piece: str
) -> None:
    searched: list[int] = []

    def counting(name: str) -> None:
        whole = getattr(HTMLParser, name)

        def counted(self: Any, i: int, *more: Any) -> int:
            end: int = whole(self, i, *more)
            if end < 0:
                searched.append(i)
            return end

        monkeypatch.setattr(HTMLParser, name, counted)

    for name in (
        "parse_html_declaration",
        "parse_bogus_comment",
        "parse_comment",
        "parse_pi",
        "parse_starttag",
        "parse_endtag",
    ):
        counting(name)
    page = read_page(f'<meta property="og:title" content="First">{piece * 5_000}')
    assert page.metas == {"og:title": "First"}
    assert len(searched) <= 2 * MOST_UNENDED + 2  # a declaration may be looked at as a comment, too
    assert html_to_text("I <3 this & that <b") == "I <3 this & that <b", "one or two are text"


# Names of elements inside of a post's text that nobody sees, and of those that everybody does.
WORD = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
UNSEEN = [
    "<script>{}</script>",
    "<style>{}</style>",
    "<template>{}</template>",
    "<noscript>{}</noscript>",
    "<span hidden>{}</span>",
    '<div hidden="until-found">{}</div>',
    '<p style="color: red; DISPLAY :none">{}</p>',
    '<i style="visibility:hidden">{}</i>',
    "<p hidden>{}<p>",
    "<!-- {} -->",
]
SEEN = [
    "{}",
    "<b>{}</b>",
    "<p>{}</p>",
    '<span class="invisible">{}</span>',
    '<i style="display:inline">{}</i>',
    "<div><u>{}</u></div>",
]
NOT_NESTED = ("<script", "<style", "<!--", "<p")  # what is inside is text, or ends a paragraph


@st.composite
def _texts(draw: st.DrawFn) -> tuple[str, list[str], list[str]]:
    """HTML of a post's text; its words that are seen and those that are not, each with a mark of its own."""
    seen: list[str] = []
    unseen: list[str] = []

    def piece(is_seen: bool, depth: int) -> str:
        shape = draw(st.sampled_from(SEEN if draw(st.booleans()) else UNSEEN))
        visible = is_seen and shape in SEEN
        plain = shape.startswith(NOT_NESTED)
        if depth and not plain and draw(st.booleans()):
            inner = "".join(piece(visible, depth - 1) for _ in range(draw(st.integers(1, 3))))
        else:
            inner = f"{'seen' if visible else 'unseen'}-{draw(WORD)}-{len(seen)}-{len(unseen)}."
            (seen if visible else unseen).append(inner)
        return shape.format(inner)

    return "".join(piece(True, 3) for _ in range(draw(st.integers(1, 5)))), seen, unseen


@settings(max_examples=300)
@given(_texts())
def test_no_text_of_what_nobody_sees_counts_as_visible(made: tuple[str, list[str], list[str]]) -> None:
    html, seen, unseen = made
    (entry,) = read_page(f'<div class="h-entry"><div class="e-content">{html}</div></div>').entries
    assert [word for word in unseen if word in entry.text] == []
    assert [word for word in seen if word not in entry.text] == []


GALLERY = """
<article class="status" id="{id}"><header><a rel="author"><img class="avatar" src="/a.png" alt="Avatar for ann"></a></header>
<div class="status-body"><div class="text"><div class="content e-content"><p>{text}</p></div></div>
<div class="media"><details open><summary><img src="/small/1.webp" alt="A cat"></summary>
<a href="/1.png"><img src="/small/1.webp" alt="A cat"></a></details></div></div></article>
"""


def test_media_beside_the_text_of_an_article_belong_to_it_and_its_summary_shows_none_twice() -> None:
    page = read_page(GALLERY.format(id="01AB", text="one") + GALLERY.format(id="01CD", text="two"))
    assert [(one.post_id, one.text, [item.alt for item in one.media]) for one in page.entries] == [
        ("01AB", "one", ["A cat"]),
        ("01CD", "two", ["A cat"]),
    ]
    twice = read_page(GALLERY.replace("summary>", "span>").format(id="01AB", text="one"))
    assert len(twice.entries[0].media) == 2, "outside of a summary, each picture counts"
