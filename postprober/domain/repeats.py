"""The same text again on the same account: what is alike, what a platform refuses, and how a person is told. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from postprober.domain.entities import between
from postprober.domain.links import canonical, whole_links
from postprober.domain.mentions import without_hosts
from postprober.domain.post import PreflightNote, Violation
from postprober.domain.text import nfc

SHOWN = 50  # ours: characters of an earlier post by which a person knows it
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufe0e\ufe0f\ufeff]")


@dataclass(frozen=True)
class RepeatRule:
    """How a platform refuses a text that the account has posted before. `window`: for how long; `key`: texts with the same
    one are the same to it; `with_media`: whether also where files go with it."""

    window: timedelta
    key: Callable[[str], str]
    with_media: bool = True


@dataclass(frozen=True)
class Earlier:
    """A post of the account, live or planned. `at`: when it went out, or shall."""

    post_id: int
    texts: tuple[str, ...]
    at: datetime
    live: bool
    with_media: bool = False

    def named(self, zone: str) -> str:
        """By its beginning and its time, for a sentence about the account."""
        words = " ".join(" ".join(self.texts).split())
        beginning = words if len(words) <= SHOWN else words[:SHOWN].rstrip() + "…"
        return f'{"is live since" if self.live else "is planned for"} {told(self.at, zone)} ("{beginning}", post {self.post_id})'


def told(moment: datetime, zone: str) -> str:
    """`Mon 30 Nov 2026, 09:00`, with the zone where it is nobody's own."""
    return moment.astimezone(ZoneInfo(zone)).strftime("%a %-d %b %Y, %H:%M") + (" UTC" if zone == "UTC" else "")


@lru_cache(maxsize=2048)  # each letter that is typed compares with what the account has posted
def likeness(text: str) -> str:
    """Texts with the same one read the same: apart from capitals, blanks, what is invisible, how links are written, and
    servers of mentions."""
    text = _INVISIBLE.sub("", without_hosts(nfc(text)))
    links = whole_links(text)
    ends = [canonical(link.text).removeprefix("www.") for link in links] + [""]
    return " ".join(
        "".join(piece + link for piece, link in zip(between(text, links), ends, strict=True)).casefold().split()
    )


def alike(texts: Sequence[str], earlier: Sequence[Earlier]) -> Earlier | None:
    """The newest of `earlier` (newest first) that says the same as `texts` together."""
    wanted = likeness("\n".join(texts))
    return next((one for one in earlier if likeness("\n".join(one.texts)) == wanted), None) if wanted else None


def refused(
    name: str,
    rule: RepeatRule,
    texts: Sequence[str],
    due: datetime,
    earlier: Sequence[Earlier],
    zone: str,
    *,
    with_media: bool,
) -> Iterator[Violation]:
    """What the platform `name` would refuse of `texts`, of which only the first may have files (`with_media`), at `due`."""
    seen: dict[str, int] = {}
    for index, text in enumerate(texts):
        key = rule.key(text)
        if not key or (with_media and index == 0 and not rule.with_media):
            continue
        if key in seen:
            words = f"Change part {index + 1}: {name} refuses it, because part {seen[key] + 1} says the same."
            yield Violation("duplicate_text", words, part=index)
        seen.setdefault(key, index)
        same = [one for one in earlier if key in map(rule.key, one.texts)]
        near = [one for one in same if abs(one.at - due) < rule.window]
        if near:
            free = max(one.at for one in same) + rule.window
            hours = round(rule.window.total_seconds() / 3600)
            yield Violation(
                "duplicate_text",
                f"Write another text for this account: {name} refuses the same one within about {hours} hours, and it "
                f"{near[0].named(zone)}. Or choose a time after {told(free, zone)}.",
                part=index,
            )


def noted(earlier: Earlier, zone: str) -> PreflightNote:
    """What a person is told where nothing refuses it."""
    words = f"The same text {earlier.named(zone)} on this account. Give this account a text of its own if that is not meant."
    return PreflightNote("same_text", words, earlier.post_id)
