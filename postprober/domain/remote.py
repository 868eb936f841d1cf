"""What platforms tell us: posts, timelines, receipts, counts. Shared by platforms, probe and pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from postprober.domain.post import MediaFile


@dataclass(frozen=True)
class Ref:
    """A published part. `extra` holds what replies need besides the id (Bluesky: `cid`)."""

    remote_id: str
    url: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PartJob:
    """One part on its way to one account; the same at every try, so that a repeat is byte for byte the same.

    `key`: the delivery's key (UUID text), `index`: 0-based part, `handle`: the platform's own idempotency handle
    chosen before the first try ("" where it has none), `composed_at`: aware UTC, fixed at the first try,
    `parent`/`root`: the posts it replies to in a thread.
    """

    key: str
    index: int
    text: str
    composed_at: datetime
    media: tuple[MediaFile, ...] = ()
    handle: str = ""
    language: str = ""
    parent: Ref | None = None
    root: Ref | None = None


@dataclass(frozen=True)
class Staged:
    """What `submit` handed over and nobody can see yet; stored as JSON before `finalize`.

    `handle`: replaces PartJob.handle where the platform names it (Instagram container id); `data`: JSON values.
    """

    handle: str = ""
    data: Mapping[str, object] = field(default_factory=dict)


class ProgressState(StrEnum):
    READY = "ready"
    PROCESSING = "processing"
    PUBLISHED = "published"
    FAILED = "failed"
    GONE = "gone"  # expired or unknown to the platform: stage it again


@dataclass(frozen=True)
class Progress:
    """Answer of the read-only `check`. `wait_seconds`: how long to wait before asking again."""

    state: ProgressState
    wait_seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Receipt:
    """The platform's word that the part is published. `processing` True: accepted, not yet public by its own word."""

    ref: Ref
    processing: bool = False


@dataclass(frozen=True)
class RemoteMedia:
    kind: str  # image | gif | video
    alt: str | None = None  # None: the reading cannot tell


@dataclass(frozen=True)
class RemotePost:
    """A post as read back. `text` has link shortening undone and HTML removed; `created_at` aware UTC;
    `media` None when the reading cannot tell; `public` None when unknown."""

    ref: Ref
    text: str
    created_at: datetime | None
    author_id: str = ""
    author_name: str = ""
    media: tuple[RemoteMedia, ...] | None = None
    reply_to: str = ""
    public: bool | None = None


@dataclass(frozen=True)
class Timeline:
    """Own posts, newest first. `complete`: the listing really reaches back to the moment that was asked for."""

    posts: tuple[RemotePost, ...]
    complete: bool


class SightingState(StrEnum):
    FOUND = "found"
    ABSENT = "absent"  # a complete, fresh reading does not have it
    OPEN = "open"  # the handle exists and is unpublished: the same handle may be finalized again
    UNSURE = "unsure"  # the reading failed, was stale or incomplete, or is not permitted


@dataclass(frozen=True)
class Search:
    """What to look for after an unknown outcome. `since`: when the intent was written (aware UTC);
    `canary`: id of an earlier own post that a fresh listing must contain (None: there is none);
    `exclude`: ids that belong to other deliveries."""

    job: PartJob
    since: datetime
    staged: Staged | None = None
    canary: str | None = None
    exclude: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Sighting:
    state: SightingState
    post: RemotePost | None = None
    reason: str = ""


@dataclass(frozen=True)
class Counts:
    """Engagement of one post; None = the platform did not say (which is not zero)."""

    likes: int | None = None
    reposts: int | None = None
    replies: int | None = None
    quotes: int | None = None
    bookmarks: int | None = None
    views: int | None = None
