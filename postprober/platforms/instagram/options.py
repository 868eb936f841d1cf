"""What a post on Instagram may ask for (instagram/facts.md, 2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from postprober.domain.limits import Limits
from postprober.domain.nested import dig
from postprober.domain.options import PictureOptions, option
from postprober.domain.post import Draft, MediaKind, Violation

MOST_COLLABORATORS = 3  # instagram/facts.md, 2
LONGEST_VIDEO_MS = 900_000  # of the longest Reel
_NAME = re.compile(r"[A-Za-z0-9._]{1,30}")


class InstagramOptions(PictureOptions):
    collaborators: tuple[str, ...] = option(
        (),
        "Collaborators",
        "Up to 3 user names; they are asked whether the post appears on their profiles, too.",
        most=MOST_COLLABORATORS,
        each=31,
        form="collaborators",
    )
    reel_in_feed: bool = option(
        True, "Reel: show in the feed, too", "Otherwise it appears under Reels only.", form="Reel outside of the feed"
    )
    cover_at_ms: int = option(
        0,
        "Reel: cover (milliseconds)",
        "The frame of the video that is its cover.",
        least=0,
        most=LONGEST_VIDEO_MS,
        form="cover",
    )
    place: str = option("", "Place", "The number of the place's page on Facebook.", most=20, form="place")
    made_with_ai: bool = option(
        False, "Made with AI", "Instagram labels the post as made with AI.", form="mark: made with AI"
    )

    def problems(self, draft: Draft, limits: Limits) -> Iterator[Violation]:
        files = [file for part in draft.parts for file in part.media]
        reel = len(files) == 1 and files[0].kind is MediaKind.VIDEO
        wrong = [name for name in self.collaborators if not _NAME.fullmatch(name.removeprefix("@"))]
        if wrong:
            yield Violation(
                "collaborator_unreadable", f"{wrong[0]!r} is no user name on Instagram; write one such as ann.smith."
            )
        if self.place and not (self.place.isascii() and self.place.isdecimal()):
            yield Violation("place_unreadable", "Give the number of the place's page on Facebook.")
        if files and not reel and (self.cover_at_ms or not self.reel_in_feed):
            yield Violation("not_a_reel", "Leave out the options for Reels: only a single video is one.")
        length = files[0].duration if reel else None
        if length is not None and self.cover_at_ms > length * 1000:
            over = self.cover_at_ms - round(length * 1000)
            yield Violation(
                "cover_beyond_end", f"Choose an earlier cover: the video ends {over} milliseconds before it.", over
            )


def asked(options: InstagramOptions, *, reel: bool) -> dict[str, object]:
    """The fields of the container that becomes the post. `reel`: it is a single video."""
    body: dict[str, object] = {}
    if options.collaborators:
        body["collaborators"] = [name.removeprefix("@") for name in options.collaborators]
    if options.place:
        body["location_id"] = options.place
    if options.made_with_ai:
        body["is_ai_generated"] = "true"
    if reel and not options.reel_in_feed:
        body["share_to_feed"] = "false"
    if reel and options.cover_at_ms:
        body["thumb_offset"] = str(options.cover_at_ms)
    return body


def told(data: Mapping[str, object] | object) -> dict[str, Any]:
    """What a media object tells of them."""
    shared = dig(data, "is_shared_to_feed")
    return {"reel_in_feed": shared} if isinstance(shared, bool) else {}
