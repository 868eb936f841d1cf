"""What a post on X may ask for (x/facts.md, 2 and 7)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from postprober.domain.limits import Limits
from postprober.domain.nested import count_at, dig, list_at, text_at
from postprober.domain.options import PictureOptions, option, poll_problems
from postprober.domain.post import Draft, Violation

MOST_TAGGED = 10  # OpenAPI CreatePostsMedia.tagged_user_ids
SHORTEST_POLL, LONGEST_POLL = 5, 10_080  # minutes: OpenAPI 2.166 TweetCreateRequest.poll
_REPLIES = {
    "everyone": "Everyone",
    "following": "People you follow",
    "mentionedUsers": "People you mention",
    "subscribers": "Your subscribers",
    "verified": "Verified accounts",
}
_POST = re.compile(r"(?:https?://\S+/status/)?([0-9]{1,19})(?:[/?#]\S*)?")
_NAME = re.compile(r"@?[A-Za-z0-9_]{1,15}")
_PLACE = re.compile(r"[A-Za-z0-9]{1,32}")
_ID = re.compile(r"[0-9]{0,19}")


class XOptions(PictureOptions):
    who_can_reply: Literal["everyone", "following", "mentionedUsers", "subscribers", "verified"] = option(
        "everyone", "Who can reply", choices=_REPLIES, first_only=True, form="who can reply"
    )
    quote: str = option(
        "",
        "Quote a post",
        "Its link. X refuses quotes from most apps: only apps with an enterprise plan may.",
        most=300,
        kind="link",
        first_only=True,
        form="quote",
        needs="an app with an enterprise plan",
    )
    poll_choices: tuple[str, ...] = option(
        (),
        "Poll choices",
        "2 to 4 choices; a poll takes no files.",
        each=500,
        visible=True,
        first_only=True,
        form="poll",
    )
    poll_minutes: int = option(
        1440,
        "Poll length",
        "How long people can vote.",
        least=SHORTEST_POLL,
        most=LONGEST_POLL,
        kind="minutes",
        first_only=True,
    )
    made_with_ai: bool = option(
        False,
        "Made with AI",
        "X labels the files as made with AI. X tells no program whether it did.",
        first_only=True,
        form="mark: made with AI",
    )
    paid_partnership: bool = option(
        False,
        "Paid partnership",
        "X labels the post as paid promotion.",
        first_only=True,
        form="mark: paid partnership",
    )
    community: str = option(
        "", "Community", "The number at the end of the community's address.", most=19, first_only=True, form="community"
    )

    tagged: tuple[str, ...] = option(
        (),
        "Tag people",
        "Up to 10 user names, such as @ann. X tells no program whom a post tags.",
        most=MOST_TAGGED,
        each=16,
        first_only=True,
        form="tags in pictures",
    )
    place: str = option(
        "", "Place", "The place's id on X, such as 01a9a39529b27f36.", most=32, first_only=True, form="place"
    )

    @classmethod
    def link_id(cls, link: str) -> str:
        return quoted_id(link) or link

    def problems(self, draft: Draft, limits: Limits) -> Iterator[Violation]:
        media = bool(draft.parts and draft.parts[0].media)
        together = [
            name for name, used in (("files", media), ("a poll", self.poll_choices), ("a quote", self.quote)) if used
        ]
        if len(together) > 1:
            yield Violation(
                "options_exclude_each_other", f"Choose one of {' and '.join(together)}: X takes no two of them."
            )
        if self.quote and not quoted_id(self.quote):
            yield Violation(
                "quote_unreadable", "Paste the link of the post to quote; it ends with /status/ and a number."
            )
        if not _ID.fullmatch(self.community):
            yield Violation("community_unreadable", "Give the community's number, as it stands in its address.")
        if wrong := [name for name in self.tagged if not _NAME.fullmatch(name)]:
            yield Violation("tag_unreadable", f"{wrong[0]!r} is no user name on X; write one such as @ann.")
        if self.tagged and not media:
            yield Violation("tags_without_files", "Add the files in which these people are, or leave out their names.")
        if len({name.removeprefix("@").lower() for name in self.tagged}) < len(self.tagged):
            yield Violation("tagged_twice", "Name each person in the files once.")
        if self.place and not _PLACE.fullmatch(self.place):
            yield Violation(
                "place_unreadable", "Give the place's id on X, letters and digits such as 01a9a39529b27f36."
            )
        if self.made_with_ai and not media:
            yield Violation("made_with_ai_without_files", "Add the file that was made with AI, or leave out that mark.")
        if self.poll_choices and limits.poll is not None:
            yield from poll_problems(limits.poll, "X", self.poll_choices, self.poll_minutes)


def quoted_id(link: str) -> str:
    """The id of the post behind a link, "" for what is none."""
    found = _POST.fullmatch(link.strip())
    return found[1] if found else ""


def asked(options: XOptions) -> dict[str, object]:
    """The fields of `POST /2/tweets` for them."""
    body: dict[str, object] = {}
    if options.who_can_reply != "everyone":
        body["reply_settings"] = options.who_can_reply
    if options.quote:
        body["quote_tweet_id"] = quoted_id(options.quote)
    if options.poll_choices:
        body["poll"] = {"options": list(options.poll_choices), "duration_minutes": options.poll_minutes}
    if options.made_with_ai:
        body["made_with_ai"] = True
    if options.paid_partnership:
        body["paid_partnership"] = True
    if options.place:
        body["geo"] = {"place_id": options.place}
    if options.community:
        body["community_id"] = options.community
    return body


def told(data: object, includes: object) -> dict[str, Any]:
    """What a post object tells of them. All of it was asked for, and X leaves out what a post does not have."""
    references = [*list_at(data, "referenced_posts"), *list_at(data, "referenced_tweets")]
    quoted = next((text_at(one, "id") for one in references if text_at(one, "type") == "quoted"), "")
    found: dict[str, Any] = {"community": text_at(data, "community_id"), "quote": quoted}
    found["place"] = text_at(data, "geo", "place_id")
    if text_at(data, "reply_settings") in _REPLIES:
        found["who_can_reply"] = text_at(data, "reply_settings")
    if isinstance(dig(data, "paid_partnership"), bool):
        found["paid_partnership"] = dig(data, "paid_partnership")
    ids = {str(one) for one in list_at(data, "attachments", "poll_ids")}
    if not ids:
        found["poll_choices"] = []
    poll = next((one for one in list_at(includes, "polls") if text_at(one, "id") in ids), None)
    if poll is not None:
        choices = sorted(list_at(poll, "options"), key=lambda one: count_at(one, "position") or 0)
        found["poll_choices"] = [text_at(one, "label") for one in choices]
        if (minutes := count_at(poll, "duration_minutes")) is not None:
            found["poll_minutes"] = minutes
    return found
