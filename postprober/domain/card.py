"""Link cards: what a page says of itself, what the author makes of that, and what goes out. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

from postprober.domain.addresses import split
from postprober.domain.links import whole_links
from postprober.errors import BadInput

# Who makes the card of a link: we send it, the platform reads the page by itself, or posts there have none.
CardMaker = Literal["sent", "made by the platform", "none"]

MAX_TITLE = (
    300  # characters, ours; the shortest limit of a platform that takes cards is 400 (platforms/NAME/facts.md, 3)
)
MAX_DESCRIPTION = 1000  # characters, ours: apps show two or three lines
MAX_URL = 2048  # characters, ours; browsers and caches take at least that much
_KEPT = "\u200c\u200d"  # joiners, without which Persian words and emoji fall apart


@dataclass(frozen=True)
class CardPicture:
    """A stored picture: SHA-256 (hex) of its bytes, `width` and `height` in pixels, `size` in bytes."""

    sha256: str
    mime: str
    width: int
    height: int
    size: int


@dataclass(frozen=True)
class LinkCard:
    """What goes out beside the link `url`, the same at every try. `problem`: the one sentence that says why the post goes
    without a card; then nothing else of it is sent."""

    url: str
    title: str = ""
    description: str = ""
    picture: CardPicture | None = None
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> Self | None:
        if not isinstance(data, Mapping):
            return None
        picture = data.get("picture")
        made = CardPicture(**picture) if isinstance(picture, Mapping) else None
        return cls(data["url"], data["title"], data["description"], made, data.get("problem", ""))


@dataclass(frozen=True)
class CardChoice:
    """What the author makes of the card of a post. `drop`: none is sent; `title`, `description`: instead of the page's own, ""
    for those; `url`: the link that they are about, "" for whichever comes first."""

    drop: bool = False
    title: str = ""
    description: str = ""
    url: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> Self:
        return cls(**{name: data[name] for name in _FIELDS if name in data}) if isinstance(data, Mapping) else cls()

    def __bool__(self) -> bool:
        """Whether anything was chosen."""
        return self != AS_THE_PAGE_SAYS

    def about(self, url: str) -> bool:
        """Whether its words belong to the card of this link."""
        return self.url in ("", url)

    def check(self) -> None:
        """Raises BadInput, field `card`."""
        if self.drop and (self.title or self.description):
            raise BadInput("Drop the link card or give it a title or description, not both.", field="card")
        for name, text, most in (("title", self.title, MAX_TITLE), ("description", self.description, MAX_DESCRIPTION)):
            if len(text) > most:
                over = len(text) - most
                raise BadInput(f"Shorten the {name} of the link card by {over} characters.", field="card")
            if text != one_line(text, most):
                raise BadInput(
                    f"Write the {name} of the link card in one line, without control characters.", field="card"
                )


AS_THE_PAGE_SAYS = CardChoice()
_FIELDS = ("drop", "title", "description", "url")


def one_line(text: str, most: int) -> str:
    """`text` in one line without control characters and without marks that turn the direction of what follows, at most
    `most` characters, cut with an ellipsis. Characters that no encoding can write go, too."""
    beginning = text[
        : most * 20
    ]  # whatever stands behind it is cut off anyway, and blanks before it are no reason to read all
    seen = "".join(" " if char.isspace() else char for char in beginning if char.isspace() or _shown(char))
    line = " ".join(seen.split())
    if len(line) <= most:
        return line
    cut = line[: most - 1]
    while cut and (unicodedata.combining(cut[-1]) or cut[-1] in _KEPT or unicodedata.combining(line[len(cut)])):
        cut = cut[:-1]
    return cut.rstrip() + "…"


def _shown(char: str) -> bool:
    return char in _KEPT or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn")


def first_link(text: str) -> str:
    """The whole address of the first link in `text`, with `https://` where the author left the scheme out; "" when there is
    none that a card can be made for."""
    for span in whole_links(text):
        url = span.text if "://" in span.text else f"https://{span.text}"
        return url if len(url) <= MAX_URL and _is_web(url) else ""
    return ""


def as_chosen(card: LinkCard, choice: CardChoice) -> LinkCard:
    """The card with the author's own words. A page that could not be read has a card all the same where the author gave it a
    title."""
    if not choice.about(card.url) or not (choice.title or choice.description):
        return card
    if card.problem and not choice.title:
        return card
    return replace(
        card, title=choice.title or card.title, description=choice.description or card.description, problem=""
    )


def _is_web(url: str) -> bool:
    parts = split(url)
    return parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and parts.username is None
