"""Links and lengths as Mastodon finds and counts them."""

from __future__ import annotations

import regex  # type: ignore[import-untyped,unused-ignore]

from postprober.domain.entities import Span, between, is_possible
from postprober.domain.hosts import Hosts, may_begin
from postprober.domain.text import graphemes

URL_WEIGHT = 23  # characters_reserved_per_url (facts.md, 3)

# Mastodon's own rules: config/initializers/twitter_regex.rb over twitter-text; only links with a scheme are counted so.
_SCHEME = regex.compile(r"https?://", regex.IGNORECASE)
_PORT = regex.compile(r"(?::[0-9]+)?")
_PATH = regex.compile(
    r"/(?:[^\p{White_Space}<>()?]++|\((?:[^\p{White_Space}<>()?]++|\([^\p{White_Space}<>()?]++\))++\))*+"
)
_PATH_END = frozenset("?!*\"'「」<>;:=,.$%[]~&|@(")
_UCHARS = "\u00a0-\ud7ff\ue000-\ufdcf\ufdf0-\uffef\U00010000-\U0010fffd"
_QUERY = regex.compile(rf"\?[a-z0-9!?*'();:&=+$/%#\[\]\-_.,~|@\^{_UCHARS}]*+", regex.IGNORECASE)
_QUERY_END = regex.compile(rf"[a-z0-9_&=#/\-{_UCHARS}]", regex.IGNORECASE)


def links(text: str) -> list[Span]:
    """Links with a scheme as Mastodon finds, counts and shows them."""
    found: list[Span] = []
    hosts, at = Hosts(text), 0
    for scheme in _SCHEME.finditer(text):
        start, host = scheme.start(), scheme.end()
        end = hosts.end(host) if start >= at and may_begin(text, start) else 0
        if not end:
            continue
        port = _PORT.match(text, end).end()
        at = port
        if not is_possible(text[start:port], text[host:end]):
            continue
        at = _query(text, _path(text, port))
        found.append(Span(start, at, text[start:at]))
    return found


def _path(text: str, at: int) -> int:
    match = _PATH.match(text, at)
    if match is None:
        return at
    end = match.end()
    while end > at + 1 and text[end - 1] in _PATH_END:
        end -= 1
    return int(end)


def _query(text: str, at: int) -> int:
    match = _QUERY.match(text, at)
    if match is None:
        return at
    end = match.end()
    while end > at + 1 and not _QUERY_END.match(text[end - 1]):
        end -= 1
    return int(end) if end > at + 1 else at


# Mastodon counts `@name` of `@name@host` (facts.md, 3; app/validators/status_length_validator.rb).
_REMOTE_MENTION = regex.compile(r"(?<![=/\w])(@[a-zA-Z0-9_]+(?:[.\-]+[a-zA-Z0-9_]+)*)@[\w.\-]*\w(?::\d+)?")


def length(text: str, url_length: int = URL_WEIGHT) -> int:
    """Length as Mastodon counts it: graphemes, a link with a scheme is `url_length`, the host of a mention is free."""
    urls = links(text)
    rest = sum(graphemes(_REMOTE_MENTION.sub(r"\1", piece)) for piece in between(text, urls))
    return url_length * len(urls) + rest
