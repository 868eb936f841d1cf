"""What a post on Bluesky may ask for (bluesky/facts.md, 2). Who may reply and quote stand in records of their own beside the
post, under the same key; they are written in one commit with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from postprober.domain.limits import Limits
from postprober.domain.nested import list_at, text_at
from postprober.domain.options import PictureOptions, option
from postprober.domain.post import LANGUAGE, Draft, Violation

THREADGATE, POSTGATE = "app.bsky.feed.threadgate", "app.bsky.feed.postgate"
MOST_LANGUAGES = 3  # lexicon app.bsky.feed.post, langs
_REPLIES = {
    "everyone": "Everyone",
    "nobody": "Nobody",
    "mentioned": "People you mention",
    "following": "People you follow",
    "followers": "Your followers",
}
_RULES = {"mentioned": "mentionRule", "following": "followingRule", "followers": "followerRule"}
_LABELS = {
    "": "None",
    "sexual": "Suggestive",
    "nudity": "Nudity",
    "porn": "Adult content",
    "graphic-media": "Graphic media",
}
_LINK = re.compile(
    r"^(?:at://([^/\s]+)/app\.bsky\.feed\.post/|https?://\S+/profile/([^/\s]+)/post/)([A-Za-z0-9._~:-]+)/?$"
)


class BlueskyOptions(PictureOptions):
    who_can_reply: Literal["everyone", "nobody", "mentioned", "following", "followers"] = option(
        "everyone", "Who can reply", choices=_REPLIES, first_only=True, form="who can reply"
    )
    no_quotes: bool = option(False, "Do not allow quotes", "Nobody can quote the post.", form="who can quote")
    content_label: Literal["", "sexual", "nudity", "porn", "graphic-media"] = option(
        "", "Content label", "Readers who hide such content see a warning.", choices=_LABELS, form="content warning"
    )
    languages: tuple[str, ...] = option(
        (),
        "Languages",
        "Up to 3, such as en or pt-BR; instead of the language of the post.",
        most=MOST_LANGUAGES,
        each=35,
        account_decides=True,
        form="several languages",
    )
    quote: str = option("", "Quote a post", "Its link.", most=300, kind="link", first_only=True, form="quote")

    def problems(self, draft: Draft, limits: Limits) -> Iterator[Violation]:
        if self.quote and quoted(self.quote) is None:
            text = "Paste the link of the post to quote, such as https://bsky.app/profile/ann.bsky.social/post/3l6oveex3ii2l."
            yield Violation("quote_unreadable", text)
        wrong = [tag for tag in self.languages if not (tag and re.fullmatch(LANGUAGE, tag))]
        if wrong:
            yield Violation("language_unreadable", f"{wrong[0]!r} is no language tag; write one such as en or pt-BR.")


def quoted(link: str) -> tuple[str, str] | None:
    """(handle or DID, record key) of the post behind a link; None for what is none."""
    found = _LINK.match(link.strip())
    return (found[1] or found[2], found[3]) if found else None


def gates(options: BlueskyOptions, uri: str, created: str, *, first: bool) -> list[tuple[str, dict[str, object]]]:
    """(collection, record) of what stands beside the post at `uri`."""
    found: list[tuple[str, dict[str, object]]] = []
    if first and options.who_can_reply != "everyone":
        rule = _RULES.get(options.who_can_reply)
        allow = [{"$type": f"{THREADGATE}#{rule}"}] if rule else []
        found.append((THREADGATE, {"$type": THREADGATE, "post": uri, "allow": allow, "createdAt": created}))
    if options.no_quotes:
        rules = [{"$type": f"{POSTGATE}#disableRule"}]
        found.append((POSTGATE, {"$type": POSTGATE, "post": uri, "embeddingRules": rules, "createdAt": created}))
    return found


def told(record: object) -> dict[str, Any]:
    """What a post's record tells of them."""
    labels = [text_at(one, "val") for one in list_at(record, "labels", "values")]
    embed = text_at(record, "embed", "$type")
    quote = {
        "app.bsky.embed.record": text_at(record, "embed", "record", "uri"),
        "app.bsky.embed.recordWithMedia": text_at(record, "embed", "record", "record", "uri"),
    }.get(embed, "")
    return {"content_label": labels[0] if labels else "", "quote": quote, "languages": list_at(record, "langs")}


def told_by_gates(records: Mapping[str, object | None]) -> dict[str, Any]:
    """What the records beside a post tell, by collection; None for one that is not there."""
    found: dict[str, Any] = {}
    if THREADGATE in records:
        found["who_can_reply"] = _who(records[THREADGATE])
    if POSTGATE in records:
        rules = [text_at(one, "$type") for one in list_at(records[POSTGATE], "embeddingRules")]
        found["no_quotes"] = f"{POSTGATE}#disableRule" in rules
    return found


def _who(gate: object) -> str:
    if not isinstance(gate, dict) or "allow" not in gate:
        return "everyone"
    rules = [text_at(one, "$type").removeprefix(f"{THREADGATE}#") for one in list_at(gate, "allow")]
    if not rules:
        return "nobody"
    names = [name for name, rule in _RULES.items() if rule in rules]
    return (
        names[0]
        if len(names) == len(rules) == 1
        else " and ".join([*names, *(r for r in rules if r not in _RULES.values())])
    )
