"""Mentions with and without their server: `@bob@example.social` and `@bob` can be the same person on the page; and as
Instagram counts them."""

from __future__ import annotations

import re

# A Fediverse address: a name, and optionally a host with a port (RFC 7565; Mastodon app/models/account.rb MENTION_RE).
_WITH_HOST = re.compile(r"(?<![\w/.@=])@(\w+(?:[.-]+\w+)*)@[\w-]+(?:\.[\w-]+)*(?::\d+)?", re.ASCII)


def without_hosts(text: str) -> str:
    """`text` with every `@name@host` written `@name`."""
    return _WITH_HOST.sub(r"@\1", text)


# Instagram names have letters, digits, periods and underscores, at most 30 of them, and no period at the end; X's have 15.
_INSTAGRAM = re.compile(r"(?<![\w.@])@\w(?:[\w.]*\w)?", re.ASCII)


def instagram_mentions(text: str) -> list[str]:
    """`@name` in order, as Instagram counts them; a name that is too long for one is counted, too."""
    return _INSTAGRAM.findall(text)
