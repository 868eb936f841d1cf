"""What platforms tell us: posts, timelines, receipts, counts. Shared by platforms, probe and pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from postprober.domain.card import LinkCard
from postprober.domain.post import MediaFile
from postprober.domain.withheld import Withheld


@dataclass(frozen=True)
class Ref:
    """A published part. `extra` holds what replies need besides the id."""

    remote_id: str
    url: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PartJob:
    """One part on its way to one account; the same at every try, so that a repeat is byte for byte the same.

    `key`: the delivery's key (UUID text), `index`: 0-based part, `handle`: the platform's own idempotency handle
    chosen before the first try ("" where it has none), `composed_at`: aware UTC, fixed at the first try,
    `parent`/`root`: the posts it replies to in a thread; `options`: those of the platform as they are stored
    (`domain.options`), the same for every part; `card`: of its link, with `card_picture` as it lies on this host.
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
    options: Mapping[str, Any] = field(default_factory=dict)
    card: LinkCard | None = None
    card_picture: MediaFile | None = None


@dataclass(frozen=True)
class Staged:
    """What `submit` handed over and nobody can see yet; stored as JSON before `finalize`.

    `handle`: replaces PartJob.handle where the platform names it; `data`: JSON values.
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
    kind: str  # image | gif | video | document
    alt: str | None = None  # None: the reading cannot tell
    # An image that may be a moving one: a page shows both alike, unless its address says which it is.
    may_move: bool = field(default=False, compare=False)
    title: str | None = None  # of a document; None: the reading cannot tell
    # Languages of a video's subtitles; None: the reading cannot tell.
    subtitles: tuple[str, ...] | None = field(default=None, compare=False)
    # Width and height in pixels of a picture as the platform got it; None: the reading cannot tell.
    size: tuple[int, int] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class RemoteCard:
    """A link card as it is shown. `description`, `picture` None: the reading cannot tell."""

    url: str
    title: str
    description: str | None = None
    picture: bool | None = None


@dataclass(frozen=True)
class RemotePost:
    """A post as read back. `text` has link shortening undone and HTML removed; `created_at` aware UTC;
    `media` None when the reading cannot tell; `public` None when unknown; `links`: where its links lead, None when the
    reading cannot tell; `app`: name of the program that made it, "" where the platform does not say;
    `options`: of the platform's options those that the reading tells (`domain.options`); `cards`: its link cards, None when
    the reading cannot tell; `tells_reply`: without a `reply_to` it answers nothing; `worded` False: whoever reads may see that
    it is there, and neither its words nor its files; `withheld`: why the public does not see it, by the platform's own word,
    None where it does not say so."""

    ref: Ref
    text: str
    created_at: datetime | None
    author_id: str = ""
    author_name: str = ""
    media: tuple[RemoteMedia, ...] | None = None
    reply_to: str = ""
    public: bool | None = None
    links: tuple[str, ...] | None = None
    app: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    cards: tuple[RemoteCard, ...] | None = None
    tells_reply: bool = False
    worded: bool = True
    withheld: Withheld | None = None


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
    """What to look for after an unknown outcome. `since`: when the intent was written, in the platform's own time
    (aware UTC); `time_known` False: the platform does not tell its time, so `since` is ours and proves nothing;
    `newest_known_post`: id of an earlier own post that a fresh listing must contain (None: there is none); `later`: ids of own posts
    that were sent after this one; where there are any, a fresh listing must contain one of them instead;
    `exclude`: ids that belong to other deliveries; `ours`: ids that PostProber surely made; `author`: remote id of the account; `apps`: names of our own program
    at the platform, as far as they are known."""

    job: PartJob
    since: datetime
    staged: Staged | None = None
    newest_known_post: str | None = None
    later: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()
    ours: frozenset[str] = frozenset()
    author: str = ""
    apps: frozenset[str] = frozenset()
    time_known: bool = True


@dataclass(frozen=True)
class Sighting:
    """`by_words`: the post was recognised by what it says and when it was made, not by a handle of ours. `partly`: it goes to
    several servers, and may be on some of them; so it is never called unpublished."""

    state: SightingState
    post: RemotePost | None = None
    reason: str = ""
    by_words: bool = False
    partly: bool = False


@dataclass(frozen=True)
class Counts:
    """Engagement of one post; None = the platform did not say (which is not zero)."""

    likes: int | None = None
    reposts: int | None = None
    replies: int | None = None
    quotes: int | None = None
    bookmarks: int | None = None
    views: int | None = None


@dataclass(frozen=True)
class Reading:
    """One post as its owner reads it, and its counts, from one answer. `post` None: the platform clearly says that it is
    not there, or, with `told` False, says nothing about it but its counts."""

    post: RemotePost | None
    counts: Counts = Counts()
    told: bool = True
