"""Links, mentions, hashtags and cashtags in a text.

The rules are those of the one platform that has published its own, and are checked by its conformance suite (docs/facts.md,
8); the code is ours. Repetitions are bounded, so that the search takes time by the length of a text alone.
Positions are code point offsets into the text that was given.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import regex  # type: ignore[import-untyped,unused-ignore]

from postprober.domain.hosts import DIRECTION, MAX_LABEL, PUNCTUATION, SPACES, Hosts, may_begin, stands_before
from postprober.domain.tlds import TLDS


@dataclass(frozen=True)
class Span:
    """`text` is what stands at [start, end): for a mention or tag with its sign (`@name`, `#word`)."""

    start: int
    end: int
    text: str


MAX_URL = 4096  # characters of a link, host in Punycode; docs/facts.md, 8
MAX_SLUG = 40  # docs/facts.md, 8

_LATIN = (
    "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff\u0100-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u026f"
    "\u0272\u0289\u028b\u02bb\u0300-\u036f\u1e00-\u1eff"
)
_CYRILLIC = "\u0400-\u04ff"
_TLD = r"(?:\L<tlds>(?=[^0-9a-zA-Z@+\-]|$)|xn--[\-0-9a-z]{1,59})"

_PATH = rf"[a-z{_CYRILLIC}0-9!*';:=+,.$/%#\[\]\-\u2013_~@|&{_LATIN}]"
_PARENS = rf"\((?:{_PATH}+|{_PATH}*\({_PATH}+\){_PATH}*)\)"
_PATH_END = rf"(?:[+\-a-z{_CYRILLIC}0-9=_#/{_LATIN}]|{_PARENS})"
_QUERY = r"[a-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]"

_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_LONGEST_SCHEME = len("https://")
# What may follow a host; a path may be a lone slash.
_TAIL = regex.compile(
    rf"(?::[0-9]+)?(?P<path>/(?:{_PATH}*(?:{_PARENS}{_PATH}*)*{_PATH_END}|@{_PATH}+/)?)?(?:\?{_QUERY}*[a-z0-9\-_&=#/])?",
    regex.IGNORECASE,
)
_ASCII_DOMAIN = regex.compile(rf"(?:[\-a-z0-9{_LATIN}]+\.)+{_TLD}", regex.IGNORECASE, tlds=sorted(TLDS))
_SHORTENED = regex.compile(rf"^https?://t\.co/([a-z0-9]+)(?:\?{_QUERY}*[a-z0-9\-_&=#/])?", regex.IGNORECASE)

_MENTION = regex.compile(
    r"(?:^|[^a-zA-Z0-9_!#$%&*@\uff20]|(?:^|[^a-zA-Z0-9_+~.\-])(?:rt|RT|rT|Rt):?)"
    rf"(?P<tag>[@\uff20][a-zA-Z0-9_]{{1,20}})(?![@\uff20{_LATIN}]|://|[a-zA-Z0-9_])"
)

_TAG_SPECIAL = "_\u200c\u200d\ua67e\u05be\u05f3\u05f4\uff5e\u301c\u309b\u309c\u30a0\u30fb\u3003\u0f0b\u0f0c\u00b7"
_TAG = rf"[\p{{L}}\p{{M}}\p{{Nd}}{_TAG_SPECIAL}]"
_HASHTAG = regex.compile(
    rf"(?:^|\ufe0e|\ufe0f|[^\p{{L}}\p{{M}}\p{{Nd}}{_TAG_SPECIAL}&])"
    rf"(?P<tag>[#\uff03](?![\ufe0f\u20e3])(?=[\p{{Nd}}{_TAG_SPECIAL}]*[\p{{L}}\p{{M}}]){_TAG}++)(?![#\uff03]|://)"
)
_CASHTAG = re.compile(
    rf"(?:^|[{SPACES}{DIRECTION}])(?P<tag>\$[a-z]{{1,6}}(?:[._][a-z]{{1,2}})?)(?=$|\s|[{PUNCTUATION}])",
    re.IGNORECASE,
)


def find_urls(text: str) -> list[Span]:
    """Links with and without a scheme, in order."""
    return list(_find_urls(text)) if _A_TLD.search(text) else []


# Every link has a dot with letters behind it; most texts have none, and need no more than this look.
_A_TLD = re.compile(r"\.[^\s\d.]{2}")


@lru_cache(maxsize=32)  # a text is counted for several platforms, and again for every part of a thread
def _find_urls(text: str) -> tuple[Span, ...]:
    spans: list[Span] = []
    hosts, at = Hosts(text), 0
    for host in hosts.starts():
        if host < at:
            continue
        if host == 0 and stands_before(text, 0) and hosts.end(1):
            continue  # the rules would rather have something in front of a link
        start = _start(text, host, at)
        end = hosts.end(host) if start is not None else 0
        if start is None or not end:
            continue
        tail = _TAIL.match(text, end)
        url, domain, has_scheme = text[start : tail.end()], text[host:end], start < host
        at = tail.end()
        if not is_possible(url, domain, has_scheme=has_scheme):
            continue
        if has_scheme:
            spans.extend(_with_scheme(start, url))
        elif not (host and text[host - 1] in "-_./"):
            spans.extend(_without_scheme(host, domain, tail["path"], at, text))
    return tuple(spans)


def _start(text: str, host: int, since: int) -> int | None:
    """Where a link with this host begins: at its scheme, else at the host; None where it may not. `since`: the end of the
    link before it."""
    scheme = next((m for m in _SCHEME.finditer(text, max(0, host - _LONGEST_SCHEME), host) if m.end() == host), None)
    if scheme is not None and may_begin(text, scheme.start(), since):
        return scheme.start()
    return host if may_begin(text, host, since) else None


def _with_scheme(start: int, url: str) -> Iterable[Span]:
    short = _SHORTENED.match(url)
    if short is None:
        yield Span(start, start + len(url), url)
    elif len(short[1]) <= MAX_SLUG:
        yield Span(start, start + len(short[0]), short[0])


def _without_scheme(start: int, domain: str, path: str | None, end: int, text: str) -> Iterable[Span]:
    """Only ASCII hosts count without a scheme; a run of other letters separates them (`日本語example.com`)."""
    spans = [Span(start + m.start(), start + m.end(), m[0]) for m in _ASCII_DOMAIN.finditer(domain)]
    if spans and path:
        last = spans.pop()
        spans.append(Span(last.start, end, text[last.start : end]))
    return spans


def is_possible(url: str, domain: str, *, has_scheme: bool = True) -> bool:
    """Whether every label of the host can be written in DNS and the whole link is short enough."""
    encoded = 0
    for label in domain.split("."):
        octets = _label_octets(label)
        if octets is None or octets > MAX_LABEL:
            return False
        encoded += octets + 1
    scheme = 0 if has_scheme else len("https://")
    return len(url) - len(domain) + encoded - 1 + scheme <= MAX_URL


def _label_octets(label: str) -> int | None:
    if label.isascii():
        return len(label)
    if label.lower().startswith("xn--"):
        return None  # already encoded and yet not ASCII: no resolver takes it
    return len("xn--") + len(label.encode("punycode"))


def find_mentions(text: str) -> list[Span]:
    """`@name` in order; the domain of a remote name is not part of it."""
    return [_tag(match) for match in _MENTION.finditer(text)]


def find_hashtags(text: str) -> list[Span]:
    """`#word` in order; a tag needs a letter, and one inside a link is none."""
    return _outside([_tag(match) for match in _HASHTAG.finditer(text)], find_urls(text))


def find_cashtags(text: str) -> list[Span]:
    """`$ABC`, `$ABC.D` in order."""
    return [_tag(match) for match in _CASHTAG.finditer(text)]


def _tag(match: re.Match[str]) -> Span:
    return Span(match.start("tag"), match.end("tag"), match["tag"])


def _outside(spans: list[Span], links: list[Span]) -> list[Span]:
    """Those of `spans` that begin in none of `links`; both in order."""
    ends = [link.end for link in links]
    kept = []
    for span in spans:
        behind = bisect_right(ends, span.start)
        if behind == len(links) or span.start < links[behind].start:
            kept.append(span)
    return kept


def between(text: str, spans: Iterable[Span]) -> Iterable[str]:
    """The pieces of `text` outside `spans` (in order, not overlapping): one more than there are spans."""
    edges = [0, *(edge for span in spans for edge in (span.start, span.end)), len(text)]
    for index, (start, end) in enumerate(pairwise(edges)):
        if index % 2 == 0:
            yield text[start:end]
