"""What a message on Discord may have besides text and files (discord/facts.md, 3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from postprober.domain.limits import Limits, PollRule
from postprober.domain.moments import parse_time
from postprober.domain.nested import dig, list_at, text_at
from postprober.domain.options import PictureOptions, option, poll_problems
from postprober.domain.post import Draft, Violation

SUPPRESS_NOTIFICATIONS = 1 << 12  # of a message
IS_SPOILER = 1 << 3  # of an attachment
MAX_TITLE, MAX_TAGS = 100, 5  # specification: thread_name, applied_tags
MOST_QUESTION = 300  # facts.md, 3
POLLS = PollRule(1, 10, 55, 60, 768 * 60)
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
    poll_question: str = option(
        "", "Poll question", "A poll takes no files.", most=MOST_QUESTION, visible=True, first_only=True
    )
    poll_choices: tuple[str, ...] = option(
        (), "Poll choices", "At most 10 choices.", most=10, each=55, visible=True, first_only=True, form="poll"
    )
    poll_hours: int = option(
        24, "Poll length (hours)", "How long people can vote: 1 to 768.", least=1, most=768, first_only=True
    )
    poll_multiple: bool = option(False, "Several choices", "People may vote for more than one choice.", first_only=True)
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
        yield from self._poll(draft)

    def _poll(self, draft: Draft) -> Iterator[Violation]:
        if not (self.poll_choices or self.poll_question):
            return
        if not self.poll_question.strip():
            yield Violation("poll_question", "Write the question of the poll.")
        if draft.parts and draft.parts[0].media:  # ours: no source says that both go together
            yield Violation(
                "poll_with_media", "Leave out the poll or the files: they are not sent together to Discord."
            )
        yield from poll_problems(POLLS, "Discord", self.poll_choices, self.poll_hours * 60)


def flags(options: DiscordOptions) -> int:
    """Of the message that goes out."""
    return SUPPRESS_NOTIFICATIONS if options.silent else 0


def poll(options: DiscordOptions) -> dict[str, object] | None:
    """The poll that goes out, None for none."""
    if not options.poll_choices:
        return None
    return {
        "question": {"text": options.poll_question},
        "answers": [{"poll_media": {"text": text}} for text in options.poll_choices],
        "duration": options.poll_hours,
        "allow_multiselect": options.poll_multiple,
    }


def told(message: Mapping[str, Any]) -> dict[str, Any]:
    """What a message tells of them; of a forum post's title and tags it says nothing."""
    found: dict[str, Any] = {}
    if isinstance(mask := message.get("flags"), int):
        found["silent"] = bool(mask & SUPPRESS_NOTIFICATIONS)
    found |= _poll_in(message)
    if attached := list_at(message, "attachments"):
        found["sensitive"] = all(_hidden(one) for one in attached)
    return found


def _poll_in(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message without one has no such field (facts.md, 3)."""
    shown = message.get("poll")
    if not isinstance(shown, dict):
        return {"poll_question": "", "poll_choices": []}
    told_of: dict[str, Any] = {
        "poll_question": text_at(shown, "question", "text"),
        "poll_choices": [text_at(one, "poll_media", "text") for one in list_at(shown, "answers")],
        "poll_multiple": shown.get("allow_multiselect") is True,
    }
    made, ends = parse_time(message.get("timestamp")), parse_time(shown.get("expiry"))
    if made and ends:
        told_of["poll_hours"] = round((ends - made).total_seconds() / 3600)
    return told_of


def _hidden(attachment: object) -> bool:
    mask = dig(attachment, "flags")
    return isinstance(mask, int) and bool(mask & IS_SPOILER)
