"""What a person writes, and its parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from postprober.domain.target import VideoTarget
from postprober.errors import BadInput

LANGUAGE = r"^$|^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"  # the form of a BCP 47 tag (RFC 5646, 2.1)
MAX_LANGUAGE = 35
MAX_PARTS = 25  # of a thread; ours


class PostStatus(StrEnum):
    DRAFT = "draft"
    REVIEW = "review"
    SCHEDULED = "scheduled"
    POSTING = "posting"
    POSTED = "posted"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


class MediaKind(StrEnum):
    IMAGE = "image"
    GIF = "gif"
    VIDEO = "video"
    DOCUMENT = "document"
    SUBTITLES = "subtitles"  # of the video beside it


@dataclass(frozen=True)
class MediaFile:
    """One stored file. `path` is absolute on this host; `size` in bytes; `duration` in seconds (video only);
    `public_url` is a signed, expiring URL for platforms that fetch the file themselves ("" when there is none);
    `frames` of a moving picture, `codec` of a video; None and "" where that is not known. Of a video, too: `pixel_format`
    as FFmpeg names it, `rate` pictures a second, `audio` the codec of its sound ("" for none, None not known), `damage` half a
    sentence that says why no platform can take it. `converts`: it can be converted here; else `hint` says what that takes,
    as the end of a sentence ("" for nothing). `name`: what the person's file was called; `pages` of a document, None where
    the file does not say; `crop`: what of a picture goes out (`domain.crops`), whose size `width` and `height` then are."""

    id: int
    kind: MediaKind
    mime: str
    size: int
    width: int
    height: int
    sha256: str
    path: str
    alt: str = ""
    duration: float | None = None
    public_url: str = ""
    frames: int | None = None
    codec: str = ""
    pixel_format: str = ""
    rate: float | None = None
    audio: str | None = None
    damage: str = ""
    converts: bool = False
    hint: str = ""
    name: str = ""
    pages: int | None = None
    crop: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Part:
    """One visible object: a post, or one link of a thread."""

    text: str
    media: tuple[MediaFile, ...] = ()


@dataclass(frozen=True)
class Draft:
    """What shall go to one account: one part, or several for a thread. `language` is a BCP 47 tag or ""; `options`: those of
    its platform as they are stored (`domain.options`)."""

    parts: tuple[Part, ...]
    language: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Violation:
    """One reason why a platform would refuse or spoil the draft.

    `code`: stable machine name; `message`: one sentence that says what to change; `over`: by how much, in the unit of
    the rule (characters, bytes, pixels, seconds, files), 0 when that makes no sense; `part`: index within the thread.
    """

    code: str
    message: str
    over: int = 0
    part: int = 0


@dataclass(frozen=True)
class PreflightNote:
    """Something that a person should know and that stops nothing. `code`: stable machine name; `message`: one sentence or
    two; `post_id`: the post that it is about, 0 for none."""

    code: str
    message: str
    post_id: int = 0


@dataclass(frozen=True)
class Conversion:
    """A file that is sent as something else: `media_id` as `target` says."""

    media_id: int
    target: VideoTarget


@dataclass(frozen=True)
class Preflight:
    """The result of checking one draft for one platform. `length`/`limit` are of the part that is nearest to its limit (or
    furthest over it), in the platform's own unit; `ok` is False as soon as there is a violation; `notes` change nothing of it. `conversions`: what `notes`
    say of files."""

    platform: str
    length: int
    limit: int
    violations: tuple[Violation, ...] = ()
    notes: tuple[PreflightNote, ...] = ()
    conversions: tuple[Conversion, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.violations


def language_tag(text: str) -> str:
    """`text` as a BCP 47 tag, "" for none; `fr_FR`, as operating systems write it, becomes `fr-FR`. Raises BadInput."""
    tag = text.strip().replace("_", "-")
    if len(tag) > MAX_LANGUAGE or not re.fullmatch(LANGUAGE, tag):
        raise BadInput(f"{text.strip()[:40]!r} is no language tag; write one such as en or pt-BR.", field="language")
    return tag
