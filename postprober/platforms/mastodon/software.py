"""Which software an account's server runs, and what it does otherwise than Mastodon itself (mastodon/facts.md, 10)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from postprober.domain.limits import Limits
from postprober.domain.nested import dig, text_at
from postprober.domain.text import graphemes


def _code_points(_limits: Limits, text: str) -> int:
    """Every code point counts, links and hosts of mentions included."""
    return len(text)


def _graphemes(_limits: Limits, text: str) -> int:
    """Every grapheme counts, links and hosts of mentions included."""
    return graphemes(text)


@dataclass(frozen=True)
class ServerSoftware:
    """What one of them does otherwise.

    `marks`: how its instance page names it, in small letters. `scopes`: all that its consent page knows, where it knows no
    single ones; `needs_read_accounts`: registering an app tells nothing, and `profile` does not say whose token it is.
    `count`: how texts are counted. `most_warning`: characters of a content warning that counts apart from the text;
    `warning_needs_sensitive`: it is dropped without that. `media_required`: no post without a file. `lists_replies`: the list of own
    posts has those that answer one. `tells_app`: `application` says which app made a post. `removes`: what it takes out
    of texts. `markdown`: texts are always read as Markdown; `takes_format`: `content_type` says that they are not.
    `languages`: what `language` may be. `shows_unlisted`: strangers can open what is unlisted. `max_alt`: where it does not
    tell its limit. `lacks`: options of ours that it has not.
    """

    title: str
    marks: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    needs_read_accounts: bool = False
    count: Callable[[Limits, str], int] | None = None
    most_warning: int | None = None
    warning_needs_sensitive: bool = False
    media_required: bool = False
    lists_replies: bool = True
    tells_app: bool = True
    removes: re.Pattern[str] | None = None
    markdown: bool = False
    takes_format: bool = False
    languages: Literal["any", "two letters", "none"] = "any"
    shows_unlisted: bool = True
    max_alt: int | None = None
    lacks: frozenset[str] = frozenset()


MASTODON = ServerSoftware("Mastodon")
GOTOSOCIAL = ServerSoftware(
    "GoToSocial",
    marks=("gotosocial",),
    count=_code_points,
    removes=re.compile(r"</?[A-Za-z][^<>]*>|<!--"),
    takes_format=True,
    shows_unlisted=False,
)
HOLLO = ServerSoftware("Hollo", marks=("/hollo",), markdown=True)
AKKOMA = ServerSoftware(
    "Akkoma",
    marks=("compatible; akkoma", "compatible; pleroma"),
    needs_read_accounts=True,
    count=_graphemes,
    takes_format=True,
    languages="two letters",
)
PIXELFED = ServerSoftware(
    "Pixelfed",
    marks=("compatible; pixelfed",),
    scopes=("read", "write"),
    needs_read_accounts=True,
    count=_code_points,
    most_warning=140,
    warning_needs_sensitive=True,
    media_required=True,
    lists_replies=False,
    tells_app=False,
    removes=re.compile(r"<(?!\s)"),  # PHP's strip_tags takes a tag to begin there
    languages="none",
    max_alt=1000,
    lacks=frozenset({"language", "quote", "who_can_quote"}),
)
# What was asked to be unlisted came out public (measured); of followers only nothing is known, so neither is sent.
SNAC = ServerSoftware("snac", marks=("really snac",), lacks=frozenset({"audience"}))
_KNOWN = (GOTOSOCIAL, HOLLO, AKKOMA, PIXELFED, SNAC)
BY_TITLE = {one.title: one for one in (MASTODON, *_KNOWN)}


def software_of(instance: object) -> ServerSoftware:
    """What an Instance entity (v1 or v2) says: in `version`, or in `source_url` where the version is a bare number.
    GoToSocial's older pages have only a domain of accounts, which no other has."""
    told = f"{text_at(instance, 'version')} {text_at(instance, 'source_url')}".lower()
    found = next((one for one in _KNOWN if any(mark in told for mark in one.marks)), None)
    if found is not None:
        return found
    return GOTOSOCIAL if isinstance(dig(instance, "account_domain"), str) else MASTODON


def software_for(limits: Limits) -> ServerSoftware:
    """The one whose limits these are."""
    return BY_TITLE.get(limits.server, MASTODON)


def limited(limits: Limits, software: ServerSoftware) -> Limits:
    """`limits` as its instance page tells them, with what no page tells."""
    if software is MASTODON:
        return limits
    return replace(
        limits,
        server=software.title,
        count=software.count or limits.count,
        url_length=None if software.count else limits.url_length,
        media_required=software.media_required,
        threads=limits.threads and software.lists_replies,
        max_alt=software.max_alt or limits.max_alt,
        lacks=limits.lacks | software.lacks,
        poll=None if software is PIXELFED else limits.poll,
    )


def language_for(software: ServerSoftware, tag: str) -> str:
    """`tag` as that server takes it; "" where it is left out."""
    first = tag.partition("-")[0]
    if software.languages == "two letters":
        return first.lower() if len(first) == 2 else ""
    return "" if software.languages == "none" else tag
