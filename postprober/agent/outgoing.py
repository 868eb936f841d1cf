"""What leaves for a model: never a text that the rules flag, no names of files, and of a link only where it leads.

A link's query, fragment and user name, and any piece of its path that looks like a key, stay here: they open documents,
reset passwords and follow people. Each such link is sent with a number in their place, and put back into the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from postprober.agent.brief import Brief
from postprober.agent.evidence import Evidence
from postprober.agent.review import confidential, flagged
from postprober.agent.rewrite_guard import links_in
from postprober.security.redaction import Redactor

WITHHELD = "[withheld: it seems to contain something confidential]"
NAMED = "[name]"
SHORTEST_NAME = 3  # ours: characters; a shorter one would tear words apart
# A piece of a path that nobody would read aloud: long, one word, with a digit in it (a document's id, a reset key).
_KEYLIKE = re.compile(r"^(?=[^/]*\d)[A-Za-z0-9_~-]{16,}$")
_WORDS = re.compile(r"^[a-z]+(?:-[a-z0-9]+)+$")  # a headline in an address: /2026/how-we-built-the-bridge-in-42-days
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass
class Links:
    """The links that were shortened, by what was sent in their place."""

    originals: dict[str, str] = field(default_factory=dict)

    def shorten(self, text: str) -> str:
        """`text` with every confidential link replaced by one that shows only where it leads."""
        for span in reversed(links_in(text)):
            sent = self._sent(span.text)
            if sent != span.text:
                text = text[: span.start] + sent + text[span.end :]
        return text

    def restore(self, text: str) -> str:
        """An answer with the true links put back."""
        for sent, original in sorted(self.originals.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(sent, original)
        return text

    def _sent(self, link: str) -> str:
        known = next((sent for sent, original in self.originals.items() if original == link), None)
        if known is not None:
            return known
        try:
            parts = urlsplit(link if _SCHEME.match(link) else f"https://{link}")
            host = parts.hostname or ""
        except ValueError:
            host, parts = "", None
        if parts is None or not host:
            sent = f"https://link.invalid/{len(self.originals) + 1}"
        else:
            path = "/".join("…" if _keylike(piece) else piece for piece in parts.path.split("/"))
            if not (parts.query or parts.fragment or "@" in parts.netloc or path != parts.path):
                return link
            sent = f"{parts.scheme}://{host}{path}?link={len(self.originals) + 1}"
        self.originals[sent] = link
        return sent


def _keylike(piece: str) -> bool:
    return _KEYLIKE.match(piece) is not None and _WORDS.match(piece) is None


def brief_for_model(brief: Brief, links: Links) -> Brief | None:
    """The brief as it may be sent; None when the rules flag a text or a description in it, so that nothing may."""
    texts = [*brief.texts, *brief.beside, *(picture.file.alt for picture in brief.pictures)]
    if flagged(texts):
        return None
    clean = _cleaner(links)
    targets = tuple(
        replace(target, texts=tuple(map(clean, target.texts)), past=()) for target in brief.targets
    )  # what earlier posts reached is for the rules
    pictures = tuple(
        replace(picture, name="", file=replace(picture.file, alt=clean(picture.file.alt))) for picture in brief.pictures
    )
    return replace(brief, targets=targets, pictures=pictures)


def evidence_for_model(evidence: Evidence) -> Evidence:
    """A failure as it may be sent. Texts that the rules flag are withheld, and so is every answer of the platform with
    something confidential in it; the reason may lie in the rest. Of our sentences and the platform's, the names of the
    account and of files are taken out."""
    clean = _cleaner(Links())
    unnamed = _unnaming((*evidence.accounts, *(name.rpartition(" (")[0] for name in evidence.files)))

    def fit(text: str) -> str:
        return WITHHELD if confidential(text) else clean(unnamed(text))

    return replace(
        evidence,
        reason=fit(evidence.reason),
        texts=tuple(WITHHELD if flagged([text]) else clean(text) for text in evidence.texts),
        tries=tuple(replace(t, reply=fit(t.reply), message=fit(t.message)) for t in evidence.tries),
    )


def restored(links: Links, texts: Iterable[str]) -> list[str]:
    """Texts of an answer with the true links put back."""
    return [links.restore(text) for text in texts]


def _unnaming(names: Iterable[str]) -> Callable[[str], str]:
    """Takes these names out of a text, in whatever case they stand there."""
    told = sorted({name for one in names if len(name := one.strip("@ ")) >= SHORTEST_NAME}, key=len, reverse=True)
    if not told:
        return lambda text: text
    pattern = re.compile("|".join(map(re.escape, told)), re.IGNORECASE)
    return lambda text: pattern.sub(NAMED, text)


def _cleaner(links: Links) -> Callable[[str], str]:
    redactor = Redactor()
    return lambda text: redactor.text(links.shorten(text))
