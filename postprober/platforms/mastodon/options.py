"""What a post on Mastodon may ask for (mastodon/facts.md, 2 and 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from postprober.domain.limits import Limits
from postprober.domain.nested import dig, list_at, text_at
from postprober.domain.options import PictureOptions, option, poll_problems
from postprober.domain.post import Draft, Violation
from postprober.platforms.common.replies import parse_time

SHORTEST_POLL, LONGEST_POLL = 5, 43_200  # minutes: mastodon/facts.md, 3
_AUDIENCES = {
    "public": "Everybody",
    "unlisted": "Everybody, but not in public timelines",
    "followers": "Followers only",
}
# How the API calls them (docs.joinmastodon.org/entities/Status/#visibility).
VISIBILITIES = {"public": "public", "unlisted": "unlisted", "followers": "private"}


class MastodonOptions(PictureOptions):
    content_warning: str = option(
        "",
        "Content warning",
        "Shown in place of the post until a reader opens it; counts as text.",
        most=500,
        visible=True,
        form="content warning",
    )
    sensitive: bool = option(
        False,
        "Mark media as sensitive",
        "Pictures and videos are blurred until a reader opens them.",
        account_decides=True,
        form="sensitive media",
    )
    audience: Literal["public", "unlisted", "followers"] = option(
        "public",
        "Who can see it",
        "What only followers see cannot be checked by a stranger.",
        choices=_AUDIENCES,
        form="audience",
    )
    poll_choices: tuple[str, ...] = option(
        (),
        "Poll choices",
        "2 to 4 choices; a poll takes no pictures.",
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
    poll_multiple: bool = option(False, "Poll: several answers", "People may choose more than one.", first_only=True)

    @property
    def is_public(self) -> bool:
        return self.audience != "followers"

    def problems(self, draft: Draft, limits: Limits) -> Iterator[Violation]:
        warning = limits.length(self.content_warning) if self.content_warning else 0
        for index, part in enumerate(draft.parts):
            over = limits.length(part.text) + warning - limits.max_length
            if warning and 0 < over <= warning:  # without the warning it would fit
                message = f"Shorten the text or the content warning by {over:,}: together they may have {limits.max_length:,}."
                yield Violation("text_too_long", message, over, index)
        yield from self._poll(draft, limits)

    def _poll(self, draft: Draft, limits: Limits) -> Iterator[Violation]:
        choices = self.poll_choices
        if not choices:
            return
        rule = limits.poll
        if rule is None:
            yield Violation("poll_unsupported", "This server takes no polls; leave out the poll's choices.")
            return
        if draft.parts and draft.parts[0].media:
            yield Violation("poll_with_media", "Leave out the poll or the files: Mastodon takes one or the other.")
        yield from poll_problems(rule, "this server", choices, self.poll_minutes)


def asked(options: MastodonOptions, *, first: bool) -> dict[str, object]:
    """The fields of `POST /api/v1/statuses` for them."""
    body: dict[str, object] = {"visibility": VISIBILITIES[options.audience]}
    if options.content_warning:
        body["spoiler_text"] = options.content_warning
    if options.sensitive:
        body["sensitive"] = True
    if options.poll_choices and first:
        body["poll"] = {
            "options": list(options.poll_choices),
            "expires_in": options.poll_minutes * 60,
            "multiple": options.poll_multiple,
        }
    return body


def told(status: Mapping[str, object]) -> dict[str, Any]:
    """What a Status entity tells of them. Every post with a warning counts as sensitive, so without media that says nothing."""
    found: dict[str, Any] = {}
    if "spoiler_text" in status:
        found["content_warning"] = text_at(status, "spoiler_text")
    if "sensitive" in status and list_at(status, "media_attachments") and not found.get("content_warning"):
        found["sensitive"] = dig(status, "sensitive") is True
    audience = {name: ours for ours, name in VISIBILITIES.items()}.get(text_at(status, "visibility"))
    if audience:
        found["audience"] = audience
    if "poll" in status:
        found["poll_choices"] = [text_at(one, "title") for one in list_at(status, "poll", "options")]
        if found["poll_choices"]:
            found["poll_multiple"] = dig(status, "poll", "multiple") is True
            if (minutes := _minutes(status)) is not None:
                found["poll_minutes"] = minutes
    return found


def _minutes(status: Mapping[str, object]) -> int | None:
    made, ends = parse_time(dig(status, "created_at")), parse_time(dig(status, "poll", "expires_at"))
    return round((ends - made).total_seconds() / 60) if made and ends else None
