"""What a post on Instagram may ask for (instagram/facts.md, 2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from postprober.domain.limits import MB, Limits
from postprober.domain.nested import dig, text_at
from postprober.domain.options import PictureOptions, option
from postprober.domain.post import Draft, MediaFile, MediaKind, PreflightNote, Violation

STORY = "STORY"  # media_product_type: instagram/facts.md, 7
MOST_COLLABORATORS = 3  # instagram/facts.md, 2
LONGEST_VIDEO_MS = 900_000  # of the longest Reel
MOST_TAGGED = 20  # instagram/facts.md, 6: 2207040
STORY_LASTS = timedelta(hours=24)  # instagram/facts.md, 2
STORY_SECONDS, STORY_BYTES = 60, 100 * MB  # of its video: instagram/facts.md, 3
STORY_RATIO = 9 / 16  # of its picture, the tallest: instagram/facts.md, 3
_NAME = re.compile(r"[A-Za-z0-9._]{1,30}")
_TAG = re.compile(r"(?:([0-9]{1,2})\s*:\s*)?@?([A-Za-z0-9._]{1,30})(?:\s+([0-9.]{1,8})\s+([0-9.]{1,8}))?")


@dataclass(frozen=True)
class Tag:
    """A person on a file. `file`: its number, from 1; `across`, `down`: where, from 0 at the top left to 1; None: nowhere in
    particular."""

    file: int
    name: str
    across: float | None
    down: float | None

    @classmethod
    def read(cls, typed: str) -> Tag | None:
        """None for what cannot be read."""
        found = _TAG.fullmatch(typed.strip())
        if found is None:
            return None
        try:
            place = [float(text) if text else None for text in (found[3], found[4])]
        except ValueError:
            return None
        if any(one is not None and not 0 <= one <= 1 for one in place):
            return None
        return cls(int(found[1] or 1), found[2], *place)


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
    cover_picture: bool = option(
        False,
        "Reel: use the picture as cover",
        "Add one picture beside the video; it becomes the cover, not part of a carousel.",
        form="cover picture",
    )
    story: bool = option(
        False,
        "Story",
        "One picture or video that ends after 24 hours. No text is shown with it.",
        form="story",
    )
    tagged: tuple[str, ...] = option(
        (),
        "Tag people",
        "A user name and the position in the picture (across and down, 0 to 1): ann.smith 0.5 0.25. With several files, put "
        "the number of the file first: 2: ann.smith 0.5 0.25. Videos take the name only.",
        most=MOST_TAGGED,
        each=60,
        form="tags in pictures",
    )
    place: str = option("", "Place", "The number of the place's page on Facebook.", most=20, form="place")
    made_with_ai: bool = option(
        False, "Made with AI", "Instagram labels the post as made with AI.", form="mark: made with AI"
    )

    def limits(self, usual: Limits) -> Limits:
        if not self.story:
            return usual
        images = replace(usual.images, max_count=1, min_ratio=min(usual.images.min_ratio or 0, STORY_RATIO))
        video = replace(usual.video, max_bytes=STORY_BYTES, max_seconds=STORY_SECONDS) if usual.video else None
        return replace(usual, images=images, video=video)

    def posted(self, files: tuple[MediaFile, ...]) -> tuple[MediaFile, ...]:
        cover = self.cover_of(files)
        shown = tuple(file for file in files if file is not cover)
        return tuple(replace(file, alt="") for file in shown) if self.story else shown  # a Story has no description

    def cover_of(self, files: Sequence[MediaFile]) -> MediaFile | None:
        """The picture that is to be the cover of the one video beside it."""
        pictures = [file for file in files if file.kind is MediaKind.IMAGE]
        return pictures[0] if self.cover_picture and len(files) == 2 and len(pictures) == 1 else None

    def shown_text(self, text: str) -> str:
        return "" if self.story else text

    @property
    def lasts(self) -> timedelta | None:
        return STORY_LASTS if self.story else None

    @property
    def is_public(self) -> bool:
        """Whoever is not signed in sees no Story."""
        return not self.story

    @classmethod
    def without_file(cls, stored: Mapping[str, Any], place: int) -> dict[str, Any]:
        left = super().without_file(stored, place)
        entries = left.get("tagged")
        # Beside a cover all tags are on the video, whichever place it has.
        if isinstance(entries, list | tuple) and not left.get("cover_picture"):
            left["tagged"] = [tag for typed in entries if (tag := _moved(str(typed), place))]
        return left

    @classmethod
    def unread(cls, name: str, shown: Mapping[str, Any]) -> str:
        if name == "tagged":
            return "Instagram tells no program whom a post tags, so it is not proved"
        return super().unread(name, shown)

    def problems(self, draft: Draft, limits: Limits) -> Iterator[Violation | PreflightNote]:
        every = tuple(file for part in draft.parts for file in part.media)
        files = self.posted(every)
        yield from self._cover(every)
        yield from self._tags(files)
        yield from self._story(draft)
        reel = not self.story and len(files) == 1 and files[0].kind is MediaKind.VIDEO
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

    def _cover(self, files: Sequence[MediaFile]) -> Iterator[Violation]:
        if not self.cover_picture:
            return
        if self.cover_of(files) is None or self.story:
            yield Violation(
                "cover_picture_alone",
                "Add exactly one video and the picture that is its cover, or leave out the cover.",
            )
        if self.cover_at_ms:
            yield Violation("two_covers", "Choose one cover: the picture, or a frame of the video.")

    def _tags(self, files: Sequence[MediaFile]) -> Iterator[Violation]:
        seen: set[tuple[int, str]] = set()
        for typed in self.tagged:
            tag = Tag.read(typed)
            if tag is None:
                text = f"{typed[:60]!r} tags nobody; write a user name and two numbers from 0 to 1, such as ann.smith 0.5 0.25."
                yield Violation("tag_unreadable", text)
                continue
            if not 1 <= tag.file <= len(files):
                text = f"Tag {tag.name} on a file that is there: number {tag.file} is not among the {len(files)}."
                yield Violation("tag_without_file", text)
                continue
            still = files[tag.file - 1].kind is MediaKind.IMAGE
            if still and not self.story and tag.across is None:
                text = f"Say where {tag.name} is in the picture: two numbers from 0 to 1, such as 0.5 0.25."
                yield Violation("tag_without_place", text)
            if not still and tag.across is not None:
                yield Violation("tag_with_place", f"Leave out where {tag.name} is: a video takes the name only.")
            if (tag.file, tag.name.lower()) in seen:
                yield Violation("tagged_twice", f"Tag {tag.name} once on each file.")
            seen.add((tag.file, tag.name.lower()))

    def _story(self, draft: Draft) -> Iterator[Violation | PreflightNote]:
        if not self.story:
            return
        if any(part.text.strip() for part in draft.parts):
            yield PreflightNote("story_text", "The text is not shown: a Story on Instagram has no caption.")
        if any(file.alt for part in draft.parts for file in part.media):
            yield PreflightNote("story_alt", "The description is not sent: a Story on Instagram takes none.")
        if self.collaborators or self.place:
            yield Violation("story_options", "Leave out the collaborators and the place: a Story takes neither.")


def _moved(typed: str, gone: int) -> str:
    """A tag once the file at `gone` is removed: that of a later file moves up, its own is none ("")."""
    tag = Tag.read(typed)
    if tag is None or tag.file < gone:
        return typed
    return "" if tag.file == gone else f"{tag.file - 1}: {typed.partition(':')[2].strip()}"


def tags_of(options: InstagramOptions, number: int) -> list[dict[str, object]]:
    """`user_tags` of the file with this number."""
    tags = [tag for typed in options.tagged if (tag := Tag.read(typed)) is not None and tag.file == number]
    return [{"username": tag.name} | ({} if tag.across is None else {"x": tag.across, "y": tag.down}) for tag in tags]


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
    kind, shared = text_at(data, "media_product_type"), dig(data, "is_shared_to_feed")
    found: dict[str, Any] = {"story": kind == STORY} if kind else {}
    return found | ({"reel_in_feed": shared} if kind == "REELS" and isinstance(shared, bool) else {})
