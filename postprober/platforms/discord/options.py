"""What a message on Discord may have besides text and files (discord/facts.md, 3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from postprober.domain.limits import Limits
from postprober.domain.nested import dig, list_at
from postprober.domain.options import PictureOptions, option
from postprober.domain.post import Draft, Violation

SUPPRESS_NOTIFICATIONS = 1 << 12  # of a message
IS_SPOILER = 1 << 3  # of an attachment
MAX_TITLE, MAX_TAGS = 100, 5  # specification: thread_name, applied_tags
_ID = re.compile(r"[1-9][0-9]{5,24}")
FORUM_ONLY = frozenset({"title", "tags"})


class DiscordOptions(PictureOptions):
    title: str = option(
        "",
        "Title of a forum post",
        "For a webhook of a forum channel, where each post has a title.",
        most=MAX_TITLE,
        visible=True,
        first_only=True,
        form="forum post",
        needs="a webhook of a forum channel",
    )
    tags: tuple[str, ...] = option(
        (),
        "Tags of a forum post",
        "The ids of at most 5 tags of the forum, such as 1105223344556677889.",
        most=MAX_TAGS,
        each=25,
        first_only=True,
    )
    sensitive: bool = option(
        False,
        "Hide the media",
        "Pictures and videos are blurred until somebody clicks on them.",
        form="sensitive media",
    )
    silent: bool = option(
        False,
        "No notifications",
        "Nobody gets a push or desktop notification of it.",
        form="without notifications",
    )

    @property
    def is_public(self) -> bool:
        """Members only, whatever is asked for (facts.md, 9)."""
        return False

    def problems(self, draft: Draft, limits: Limits) -> Iterator[Violation]:
        if any(not _ID.fullmatch(tag) for tag in self.tags):
            yield Violation("tag_unreadable", "Give the ids of tags, which are numbers such as 1105223344556677889.")
        if self.tags and not self.title:
            yield Violation(
                "tags_without_title", "Tags belong to a forum post; give it a title, or leave the tags out."
            )


def flags(options: DiscordOptions) -> int:
    """Of the message that goes out."""
    return SUPPRESS_NOTIFICATIONS if options.silent else 0


def told(message: Mapping[str, Any]) -> dict[str, Any]:
    """What a message tells of them; of a forum post's title and tags it says nothing."""
    found: dict[str, Any] = {}
    if isinstance(mask := message.get("flags"), int):
        found["silent"] = bool(mask & SUPPRESS_NOTIFICATIONS)
    if attached := list_at(message, "attachments"):
        found["sensitive"] = all(_hidden(one) for one in attached)
    return found


def _hidden(attachment: object) -> bool:
    mask = dig(attachment, "flags")
    return isinstance(mask, int) and bool(mask & IS_SPOILER)
