"""What a post on WordPress may ask for beside its text and files (wordpress/facts.md, 2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from postprober.domain.limits import Limits
from postprober.domain.nested import list_at, text_at
from postprober.domain.options import PictureOptions, option
from postprober.domain.post import Draft, Violation
from postprober.domain.text import normalise
from postprober.platforms.wordpress.text import read_plain

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_WORDS = re.compile(r"[a-z0-9]+")
_FORMATS = (  # facts.md, 2
    "standard",
    "aside",
    "chat",
    "gallery",
    "link",
    "image",
    "quote",
    "status",
    "video",
    "audio",
)
MOST_SLUG = 60  # ours, of the words of a title; the column takes 200


class WordPressOptions(PictureOptions):
    title: str = option(
        "",
        "Title",
        "The headline; without one, lists and feeds of the site show the post without any.",
        most=300,
        visible=True,
        form="title",
    )
    excerpt: str = option(
        "",
        "Excerpt",
        "What lists and feeds show; empty: the site shortens the text.",
        most=2000,
        visible=True,
        account_decides=True,
        form="excerpt",
    )
    categories: tuple[str, ...] = option(
        (),
        "Categories",
        "Names of categories that the site has; none: its usual one.",
        each=200,
        account_decides=True,
        form="categories",
    )
    tags: tuple[str, ...] = option(
        (), "Tags", "New ones are made.", each=200, visible=True, account_decides=True, form="tags"
    )
    featured: bool = option(
        False,
        "The first picture is the featured picture",
        "It stands where the theme puts it, and not in the text.",
        account_decides=True,
        form="featured picture",
    )
    slug: str = option(
        "",
        "Address (slug)",
        "The end of the post's address, such as launch-day; empty: made of the title.",
        most=200,
        account_decides=True,
        form="address of one's own",
    )
    comments: Literal["", "open", "closed"] = option(
        "",
        "Comments",
        choices={"": "As the site does", "open": "Open", "closed": "Closed"},
        account_decides=True,
        form="who can reply",
    )
    post_format: Literal[
        "", "standard", "aside", "chat", "gallery", "link", "image", "quote", "status", "video", "audio"
    ] = option(
        "",
        "Format",
        "How a theme shows it, where it knows formats.",
        choices={"": "As the site does", **{one: one.title() for one in _FORMATS}},
        account_decides=True,
        form="post format",
    )

    def problems(self, draft: Draft, limits: Limits) -> Iterator[Violation]:
        media = draft.parts[0].media if draft.parts else ()
        if self.featured and not (media and media[0].kind.value == "image"):
            yield Violation("featured_without_picture", "Add the picture that is to be the featured one.")
        if self.slug and not _SLUG.fullmatch(self.slug):
            told = "Write the address in small letters, digits and hyphens, such as launch-day."
            yield Violation("slug_unusable", told)

    @classmethod
    def alike(cls, name: str, sent: Any, shown: Any) -> bool:
        if name in ("categories", "tags") and isinstance(shown, Sequence) and not isinstance(shown, str):
            return _names(sent) == _names(shown)
        return False


def _names(values: Sequence[Any]) -> set[str]:
    return {normalise(str(one)).casefold() for one in values}


def slug_for(options: WordPressOptions, mark: str) -> str:
    """The end of the address: what the person chose, or the words of the title with the mark behind them."""
    if options.slug:
        return options.slug
    words = "-".join(_WORDS.findall(options.title.lower()))[:MOST_SLUG].strip("-")
    return f"{words}-{mark}" if words else mark


def told(row: object, *, owner: bool) -> dict[str, Any]:
    """What a post says of its options. An excerpt is made of the text where nobody wrote one, and only its owner is told
    which it is."""
    found: dict[str, Any] = {
        "title": read_plain(text_at(row, "title", "raw") or text_at(row, "title", "rendered")),
        "slug": text_at(row, "slug"),
        "featured": text_at(row, "featured_media") not in ("", "0"),
    }
    for name, key in (("comments", "comment_status"), ("post_format", "format")):
        if value := text_at(row, key):
            found[name] = value
    if owner:
        found["excerpt"] = read_plain(text_at(row, "excerpt", "raw"))
    for group in list_at(row, "_embedded", "wp:term"):
        for kind, key in (("category", "categories"), ("post_tag", "tags")):
            names = [read_plain(text_at(one, "name")) for one in list_of(group) if text_at(one, "taxonomy") == kind]
            if names:
                found[key] = names
    if "_embedded" in (row if isinstance(row, dict) else {}):
        found.setdefault("tags", [])
    return found


def list_of(value: object) -> list[object]:
    return value if isinstance(value, list) else []
