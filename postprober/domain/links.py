"""Links as the person who wrote them means them, and where the links of a published post lead. Pure.

Platforms find links by rules of their own; some leave out most letters behind the host (`entities`). A person means the whole of it, up to the next blank.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from postprober.domain.entities import Span, find_urls

_WITH_SCHEME = re.compile(r"(?<![A-Za-z0-9+.\-])https?://[^\s<>、。「」『』【】（）〈〉《》，！？]+", re.IGNORECASE)
_NEXT = re.compile(r"(?<=[,;|])(?=https?://)", re.IGNORECASE)  # `https://a.example,https://b.example` are two
_REST = re.compile(r"[^\s<>、。「」『』【】（）〈〉《》，！？]*")
_CLOSING = {
    ")": "(",
    "]": "[",
    "}": "{",
    "”": "“",
    "’": "‘",
    "»": "«",
    '"': '"',
    "'": "'",
    "*": "*",
    "~": "~",
    "`": "`",
}
_PUNCTUATION = ".,;:!?…|"
_INVISIBLE = "\u200b\u2060\ufeff\u00ad"  # joiners are part of the character before them


def whole_links(text: str) -> list[Span]:
    """Links with and without a scheme, each with its whole path, query and fragment, without the punctuation of the
    sentence around it; in order, not overlapping."""
    found: list[Span] = []
    for match in _WITH_SCHEME.finditer(text):
        start = match.start()
        for piece in _NEXT.split(match[0]):
            link = _trimmed(piece)
            if len(link) > link.index("//") + 2:
                found.append(Span(start, start + len(link), link))
            start += len(piece)
    ends = [span.end for span in found]
    bare: list[Span] = []
    for span in find_urls(text):
        behind = bisect_right(ends, span.start)
        if "://" not in span.text and (behind == len(ends) or span.end <= found[behind].start):
            bare.append(_with_rest(text, span))
    return _apart(sorted([*found, *bare], key=lambda span: span.start))


def _apart(spans: Sequence[Span]) -> list[Span]:
    kept: list[Span] = []
    for span in spans:
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


def _with_rest(text: str, span: Span) -> Span:
    """A link without scheme, found by its host, with everything that follows without a blank."""
    host = re.match(r"[^/?#]*", span.text)
    at = span.start + (host.end() if host else 0)
    if text[at : at + 1] not in ("/", "?", "#"):
        return span
    rest = _REST.match(text, at)
    link = _trimmed(text[span.start : rest.end() if rest else span.end])
    return Span(span.start, span.start + len(link), link)


def _trimmed(link: str) -> str:
    """Without punctuation at its end, and without a closing bracket or quote that nothing in it opens."""
    while link:
        last = link[-1]
        opening = _CLOSING.get(last)
        if (
            last in _PUNCTUATION
            or last in _INVISIBLE
            or (opening == last and link.count(last) % 2)
            or (opening is not None and opening != last and link.count(opening) < link.count(last))
        ):
            link = link[:-1]
        else:
            return link
    return link


def astray(text: str, targets: Sequence[str]) -> list[tuple[str, str]]:
    """The links with a scheme in `text` that no target of the published post leads to, each with where it leads instead
    ("" when it is no link there). `targets`: the addresses of all links of the post, as read back."""
    known = {canonical(target): target for target in targets}
    lost: list[tuple[str, str]] = []
    for span in whole_links(text):
        wanted = canonical(span.text)
        if "://" not in span.text or wanted in known:
            continue
        shorter = [key for key in known if wanted.startswith(key)]
        lost.append((span.text, known[max(shorter, key=len)] if shorter else ""))
    return lost


def same_target(link: str, other: str) -> bool:
    """Whether two links lead to the same page, however they are written."""
    return canonical(link) == canonical(other)


def canonical(link: str) -> str:
    """For comparing links: no scheme, host in lower case and not in Punycode, nothing percent-encoded, no slash at the end."""
    try:
        parts = urlsplit(link if "://" in link else f"//{link}")
        tail = "".join((f"?{parts.query}" if parts.query else "", f"#{parts.fragment}" if parts.fragment else ""))
        path = parts.path.rstrip("/") if not tail else parts.path
    except ValueError:
        return link
    return readable_host(parts.netloc) + unquote(path).rstrip("/") + unquote(tail)


def readable_host(text: str) -> str:
    """`text` in small letters with every label in Punycode as a person reads it, as platforms write `https://münchen.de` as
    `https://xn--mnchen-3ya.de`. What cannot be decoded stays."""
    return unicodedata.normalize("NFC", _PUNYCODE.sub(_decoded, text.lower()))


# At the beginning of a label; RFC 5891, 4.4 and RFC 1034, 3.1 (63 octets).
_PUNYCODE = re.compile(r"(?<![a-z0-9-])xn--([a-z0-9-]{1,59})(?![a-z0-9-])", re.IGNORECASE)


def _decoded(label: re.Match[str]) -> str:
    try:
        return label[1].encode("ascii").decode("punycode")
    except (UnicodeError, OverflowError, ValueError):
        return label[0]
