"""The answer of a look from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from postprober.domain.remote import Counts, RemoteCard, RemoteMedia
from postprober.domain.withheld import Withheld


class Verdict(StrEnum):
    """Only `gone` says that the post is not there; a wall or a block says nothing about the post."""

    FOUND = "found"
    GONE = "gone"  # 404, 410 or the API's clear "not found"
    LOGIN_WALL = "login_wall"  # the platform shows it to signed-in people only, or says so
    BLOCKED = "blocked"  # the platform refuses programs (403, 429, 999)
    UNSURE = "unsure"  # unreachable, a fault, or a page that does not show the post


@dataclass(frozen=True)
class Look:
    """What a logged-out reader got. `text`, `author`, `media` are None when the reading cannot tell; `excerpt` is
    redacted and shortened; `reason` is one plain sentence. `partial`: the text may be only the beginning. `reply_to`: id
    of the post that it replies to, "" when it replies to none, None when the reading cannot tell; `links`: where its
    links lead, None when the reading cannot tell; `counts`: its engagement, where everybody is told it. `final`: the page behind
    the post's link tells nothing more; `options`: of the platform's options those that it tells (`domain.options`);
    `cards`: its link cards, None when the reading cannot tell; `withheld`: why strangers do not see it, where the platform tells
    them so."""

    verdict: Verdict
    text: str | None = None
    author: str | None = None
    media: tuple[RemoteMedia, ...] | None = None
    url: str = ""
    http_status: int | None = None
    excerpt: str = ""
    reason: str = ""
    partial: bool = False
    reply_to: str | None = None
    links: tuple[str, ...] | None = None
    counts: Counts | None = None
    final: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    cards: tuple[RemoteCard, ...] | None = None
    withheld: Withheld | None = None
