"""Mentions with and without their server: `@bob@example.social` and `@bob` can be the same person on the page; and those that
are spelled with an id, `@[Name](id)`, where readers see the name alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from postprober.domain.platform import Platform, described, known

# A Fediverse address: a name, and optionally a host with a port (RFC 7565).
_WITH_HOST = re.compile(r"(?<![\w/.@=])@(\w+(?:[.-]+\w+)*)@[\w-]+(?:\.[\w-]+)*(?::\d+)?", re.ASCII)


def without_hosts(text: str) -> str:
    """`text` with every `@name@host` written `@name`."""
    return _WITH_HOST.sub(r"@\1", text)


@dataclass(frozen=True)
class SpelledMention:
    """`@[name](target)` at [start, end) of a text."""

    name: str
    target: str
    start: int
    end: int


def spelled(text: str, platform: Platform) -> list[SpelledMention]:
    """The mentions of `text` that are spelled as `platform` wants them, in order."""
    pattern = described(platform).mention
    if pattern is None or "@[" not in text:
        return []
    return [SpelledMention(one["name"], one["target"], one.start(), one.end()) for one in pattern.finditer(text)]


def as_names(text: str, but: Platform | None = None) -> str:
    """`text` with every spelled mention as readers see it, its name alone; those of the platform `but` stay."""
    for platform in _spellers():
        if platform is not but:
            at, pieces = 0, []
            for one in spelled(text, platform):
                pieces += [text[at : one.start], one.name]
                at = one.end
            text = "".join([*pieces, text[at:]])
    return text


def of_others(text: str, platform: Platform) -> list[tuple[Platform, SpelledMention]]:
    """The spelled mentions that mean somebody on another platform."""
    return [(other, one) for other in _spellers() if other is not platform for one in spelled(text, other)]


def _spellers() -> Iterator[Platform]:
    return (platform for platform in known() if described(platform).mention is not None)
