"""What a post on LinkedIn may ask for (linkedin/facts.md, 2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Literal

from postprober.domain.limits import Limits
from postprober.domain.nested import dig, list_at, text_at
from postprober.domain.options import PictureOptions, option, poll_problems
from postprober.domain.post import Draft, MediaFile, MediaKind, Violation
from postprober.platforms.linkedin.text import wrong_mentions

DAY = 1440  # minutes
MOST_TITLE = 400  # of a document: that of an article, none of its own is published (linkedin/facts.md, 3)
MOST_QUESTION = 140  # linkedin/facts.md, 2
_AUDIENCES = {"public": "Everybody", "signed_in": "LinkedIn members", "connections": "Your connections"}
VISIBILITIES = {"public": "PUBLIC", "signed_in": "LOGGED_IN", "connections": "CONNECTIONS"}
_DAYS = {"1": "1 day", "3": "3 days", "7": "1 week", "14": "2 weeks"}
DURATIONS = {"1": "ONE_DAY", "3": "THREE_DAYS", "7": "SEVEN_DAYS", "14": "FOURTEEN_DAYS"}
_URN = re.compile(r"urn:li:(?:share|ugcPost):[0-9]+")
# https://www.linkedin.com/posts/ann_words-activity-7141138937766391808-xYz1 names an activity, which is no URN of a post.
_LINKED = re.compile(r"(share|ugcPost)-([0-9]{10,25})")


class LinkedInOptions(PictureOptions):
    audience: Literal["public", "signed_in", "connections"] = option(
        "public",
        "Who can see it",
        "What not everybody sees cannot be checked by a stranger.",
        choices=_AUDIENCES,
        form="audience",
    )
    no_reshares: bool = option(False, "Do not allow reposts", "Nobody can repost it.", form="who can repost")
    reshare: str = option(
        "",
        "Repost another post",
        "Its link with share or ugcPost in it, or its URN.",
        most=500,
        kind="link",
        form="quote",
    )
    document_title: str = option(
        "",
        "Document title",
        "Shown on a PDF or another document; empty: the name of the file.",
        most=MOST_TITLE,
        visible=True,
        account_decides=True,  # without it the document has a title all the same, which is compared with the document
    )
    poll_question: str = option("", "Poll question", "A poll takes no files.", most=500, visible=True)
    poll_choices: tuple[str, ...] = option((), "Poll choices", "2 to 4 choices.", each=500, visible=True, form="poll")
    poll_days: Literal["1", "3", "7", "14"] = option("7", "Poll length", "How long people can vote.", choices=_DAYS)

    @property
    def is_public(self) -> bool:
        return self.audience == "public"

    @property
    def leaves_room_for_card(self) -> bool:
        return not (self.reshare or self.poll_choices)  # linkedin/facts.md, 2: `content` has one member

    def title_of(self, file: MediaFile) -> str:
        return self.document_title.strip() or document_title(file)

    @classmethod
    def link_id(cls, link: str) -> str:
        return urn_in(link) or link

    def problems(self, draft: Draft, limits: Limits) -> Iterator[Violation]:
        media = bool(draft.parts and draft.parts[0].media)
        poll = bool(self.poll_choices or self.poll_question)
        together = [name for name, used in (("files", media), ("a poll", poll), ("a repost", self.reshare)) if used]
        if len(together) > 1:
            message = f"Choose one of {' and '.join(together)}: LinkedIn takes no two of them."
            yield Violation("options_exclude_each_other", message)
        for name in (name for part in draft.parts for name in wrong_mentions(part.text)):
            message = (
                f"Write the mention of {name[:60]!r} as @[Name](urn:li:organization:123) or @[Name](urn:li:person:abc)."
            )
            yield Violation("mention_unreadable", message)
        if self.document_title and not any(
            file.kind is MediaKind.DOCUMENT for part in draft.parts for file in part.media
        ):
            yield Violation("title_without_document", "Add the document that the title is for, or remove the title.")
        if self.reshare and not urn_in(self.reshare):
            yield Violation(
                "reshare_unreadable", "Paste the URN of the post to repost, such as urn:li:share:7141138937766391808."
            )
        if not poll:
            return
        if not self.poll_question.strip():
            yield Violation("poll_question", "Write the question of the poll.")
        elif (over := len(self.poll_question) - MOST_QUESTION) > 0:
            message = f"Shorten the question of the poll by {over}: LinkedIn allows {MOST_QUESTION} characters."
            yield Violation("poll_question", message, over)
        if limits.poll is not None:
            yield from poll_problems(limits.poll, "LinkedIn", self.poll_choices, int(self.poll_days) * DAY)


def document_title(file: MediaFile) -> str:
    """The name of the file without its ending, as the title that LinkedIn wants of a document."""
    name = "".join(char for char in PurePath(file.name).stem if char.isprintable()).strip()
    return name[:MOST_TITLE] or "Document"


def urn_in(link: str) -> str:
    """The URN of the post that a link names, "" when it names none."""
    if found := _URN.search(link):
        return found[0]
    found = _LINKED.search(link)
    return f"urn:li:{found[1]}:{found[2]}" if found else ""


def asked(options: LinkedInOptions) -> dict[str, object]:
    """The fields of `POST /rest/posts` for them."""
    body: dict[str, object] = {
        "visibility": VISIBILITIES[options.audience],
        "isReshareDisabledByAuthor": options.no_reshares,
    }
    if options.reshare:
        body["reshareContext"] = {"parent": urn_in(options.reshare)}
    if options.poll_choices:
        body["content"] = {
            "poll": {
                "question": options.poll_question,
                "options": [{"text": text} for text in options.poll_choices],
                "settings": {"duration": DURATIONS[options.poll_days]},
            }
        }
    return body


def told(data: object) -> dict[str, Any]:
    """What a post tells of them."""
    found: dict[str, Any] = {"reshare": text_at(data, "reshareContext", "parent")}
    audience = {name: ours for ours, name in VISIBILITIES.items()}.get(text_at(data, "visibility"))
    if audience:
        found["audience"] = audience
    if isinstance(dig(data, "isReshareDisabledByAuthor"), bool):
        found["no_reshares"] = dig(data, "isReshareDisabledByAuthor")
    poll = dig(data, "content", "poll")
    media = dig(data, "content", "media")
    if text_at(media, "id").startswith("urn:li:document:"):
        found["document_title"] = text_at(media, "title")
    found["poll_question"] = text_at(poll, "question")
    found["poll_choices"] = [text_at(one, "text") for one in list_at(poll, "options")]
    days = {name: ours for ours, name in DURATIONS.items()}.get(text_at(poll, "settings", "duration"))
    if days:
        found["poll_days"] = days
    return found
