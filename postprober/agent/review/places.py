"""Where a text of a post stands, in words for a person and as a key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from postprober.agent.brief import Brief
from postprober.domain.platform import NAMES


@dataclass(frozen=True)
class TextPlace:
    """`name` follows "In "; `part` is the key of a reason: `text`, `part 2`, `account 12`, `account 12 part 2`,
    `alt text 1` or `link card`. `intended`: what a person has marked on all accounts that this text is for."""

    text: str
    name: str
    part: str
    intended: frozenset[str] = frozenset()


def places(brief: Brief) -> Iterator[TextPlace]:
    """Every different text once: that of all accounts first, then what single accounts have otherwise, then what
    stands in options and describes the pictures, then the author's words on the link card."""
    told: set[str] = set()
    for target in brief.targets:
        for index, text in enumerate(target.texts):
            if text in told:
                continue
            told.add(text)
            having = [other for other in brief.targets if text in other.texts]
            common = len(having) == len(brief.targets)
            part = f"part {index + 1}" if len(target.texts) > 1 else ""
            if common:
                name, key = (part or "the text"), (part or "text")
            else:
                name = f"{part or 'the text'} for {NAMES[target.platform]}"
                key = " ".join(filter(None, (f"account {target.account_id}", part)))
            yield TextPlace(text, name, key, frozenset.intersection(*(other.intended for other in having)))
    everywhere = (
        frozenset.intersection(*(target.intended for target in brief.targets)) if brief.targets else frozenset()
    )
    for text in brief.beside:
        if text not in told:
            having = [other for other in brief.targets if text in other.beside]
            name = f"the options for {NAMES[having[0].platform]}"
            yield TextPlace(text, name, "options", frozenset.intersection(*(other.intended for other in having)))
    for number, picture in enumerate(brief.pictures, 1):
        if picture.file.alt.strip():
            name = f"the alt text of picture {number}" if len(brief.pictures) > 1 else "the alt text"
            yield TextPlace(picture.file.alt, name, f"alt text {number}", everywhere)
    for text in brief.card:
        yield TextPlace(text, "the link card", "link card", everywhere)
