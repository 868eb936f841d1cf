"""Rows as records. Field names are the columns' names; times are aware UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal, Self

from sqlalchemy import Row

from postprober.domain.card import LinkCard
from postprober.domain.delivery import DeliveryState, Proof, StateCause
from postprober.domain.identity import AccountIdentity, account_id
from postprober.domain.platform import Platform
from postprober.domain.remote import Counts, Ref, Staged
from postprober.domain.withheld import Withheld

# The key in the JSON of a part: the name that earlier versions gave it, and read beside this one while a rollout lasts.
NEWEST_KNOWN_POST = "canary"


@dataclass(frozen=True)
class PartRecord:
    """One part of a delivery as stored in `deliveries.parts`. `staged` None: nothing handed over yet; `ref` None: not
    published as far as we know; `newest_known_post`: newest own post when the intent was written; `intent_at`: by our clock,
    `intent_remote_at`: the same moment by the platform's ("": it was not known); `card`: of its link, fixed when it was planned,
    None where nobody sends one; `made`: what is sent instead of a file, by its id as text,
    fixed at the first try (`path` in the data folder, `sha256`, `size`, `width`, `height`, `duration`); `repeats`: nobody knows
    whether it arrived, and it is sent again while its handle lives; `removed`: the platform says that it was made and deleted."""

    index: int
    text: str
    media: tuple[int, ...] = ()
    handle: str = ""
    composed_at: str = ""
    staged: Staged | None = None
    staged_at: str = ""
    ref: Ref | None = None
    intent_at: str = ""
    newest_known_post: str = ""
    refused_as_duplicate: bool = False
    language: str = ""
    intent_remote_at: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    card: LinkCard | None = None
    made: Mapping[str, Any] = field(default_factory=dict)
    repeats: bool = False
    removed: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "text": self.text,
            "media": list(self.media),
            "handle": self.handle,
            "composed_at": self.composed_at,
            "staged": {"handle": self.staged.handle, "data": dict(self.staged.data)} if self.staged else None,
            "staged_at": self.staged_at,
            "ref": {"remote_id": self.ref.remote_id, "url": self.ref.url, "extra": dict(self.ref.extra)}
            if self.ref
            else None,
            "intent_at": self.intent_at,
            NEWEST_KNOWN_POST: self.newest_known_post,
            "refused_as_duplicate": self.refused_as_duplicate,
            "language": self.language,
            "intent_remote_at": self.intent_remote_at,
            # Left out while there are none: processes of an earlier version read these rows while a rollout lasts.
            **({"options": self.options} if self.options else {}),
            **({"card": self.card.to_json()} if self.card else {}),
            **({"made": dict(self.made)} if self.made else {}),
            **({"repeats": True} if self.repeats else {}),
            **({"removed": True} if self.removed else {}),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        staged, ref = data.get("staged"), data.get("ref")
        apart = ("staged", "ref", "media", "card", NEWEST_KNOWN_POST)
        # What a newer version writes while a rollout lasts is not for us.
        names = {one.name for one in fields(cls)}.difference(apart)
        rest = {key: value for key, value in data.items() if key in names}
        rest["newest_known_post"] = data.get(NEWEST_KNOWN_POST, "")
        return cls(
            **rest,
            media=tuple(data.get("media", ())),
            staged=Staged(staged["handle"], staged["data"]) if staged else None,
            ref=Ref(ref["remote_id"], ref["url"], ref["extra"]) if ref else None,
            card=LinkCard.from_json(data.get("card")),
        )


@dataclass(frozen=True)
class Delivery:
    id: int
    post_id: int
    account_id: int
    user_id: int
    platform: Platform
    key: str
    state: DeliveryState
    reason: str
    due_at: datetime
    next_at: datetime | None
    lease_owner: str | None
    lease_until: datetime | None
    fence: int
    tries: int
    crashes: int
    readings: int
    absences: int
    unknown_at: datetime | None
    parts: tuple[PartRecord, ...]
    proof: Proof
    remote_id: str | None
    url: str | None
    published_at: datetime | None
    verified_at: datetime | None
    first_byte_at: datetime | None
    created_at: datetime
    updated_at: datetime
    cause: StateCause | Withheld | Literal[""] = ""  # of a published one: why it is not public
    acknowledged_at: datetime | None = None
    early_at: datetime | None = None

    def open_part(self) -> PartRecord | None:
        """The first part that is not published as far as we know."""
        return next((part for part in self.parts if part.ref is None), None)

    def with_part(self, part: PartRecord) -> tuple[PartRecord, ...]:
        """All parts, with `part` in its place."""
        return tuple(part if old.index == part.index else old for old in self.parts)


@dataclass(frozen=True)
class Account:
    id: int
    user_id: int
    platform: Platform
    account_name: str
    access_token: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)
    token_expires_at: datetime | None
    is_active: bool
    created_at: datetime
    remote_id: str
    instance: str
    scopes: tuple[str, ...]
    secret: str | None = field(repr=False)
    status: str
    status_reason: str
    token_version: int
    refresh_until: datetime | None
    busy_delivery_id: int | None
    throttled_until: datetime | None
    newest_known_post: str | None
    settings: dict[str, Any]
    server: str
    same_as: int | None
    unlinked_at: datetime | None

    @property
    def remote(self) -> AccountIdentity:
        """The account as the platform knows it; the same for every row that is linked to it."""
        return AccountIdentity(self.platform, self.server, account_id(self.platform, self.remote_id))


@dataclass(frozen=True)
class Post:
    id: int
    user_id: int
    content: str
    platforms: list[str]
    status: str
    ai_suggestions: Any
    created_at: datetime
    posted_at: datetime | None
    scheduled_at: datetime | None
    options: dict[str, Any]
    updated_at: datetime
    version: int
    draft_key: str | None = None


@dataclass(frozen=True)
class User:
    id: int
    email: str
    password_hash: str = field(repr=False)
    created_at: datetime = field(repr=False)
    updated_at: datetime = field(repr=False)
    name: str = ""
    zone: str = "UTC"
    role: str = "owner"
    is_active: bool = True
    owner_id: int | None = None
    totp_secret: str | None = field(default=None, repr=False)
    totp_last: int = 0
    notify: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def space(self) -> int:
        """Whose posts, accounts and alerts this person works with: their owner's, or their own."""
        return self.owner_id or self.id


@dataclass(frozen=True)
class Attempt:
    id: int
    delivery_id: int
    part: int
    act: str
    number: int
    fence: int
    worker: str
    request_id: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    http_status: int | None
    latency_ms: int | None
    payload_hash: str
    intent: dict[str, Any]
    reply: str
    message: str


@dataclass(frozen=True)
class MediaRecord:
    id: int
    user_id: int
    name: str
    kind: str
    mime: str
    size: int
    width: int
    height: int
    duration: float | None
    sha256: str
    path: str
    alt: str
    created_at: datetime
    frames: int | None = None
    codec: str = ""
    pixel_format: str = ""
    rate: float | None = None
    audio: str | None = None
    damage: str | None = None
    pages: int | None = None


@dataclass(frozen=True)
class StepRecord:
    """A row of `monitoring_logs`; `ai_analysis`: what the agent thinks of it, in plain language."""

    id: int
    post_id: int
    platform: str
    step: str
    status: str
    details: dict[str, Any]
    timestamp: datetime
    delivery_id: int | None
    ai_analysis: str | None = None


@dataclass(frozen=True)
class SampleRecord:
    """Engagement of a delivery at a time; None = the platform did not say."""

    id: int
    delivery_id: int
    at: datetime
    likes: int | None
    reposts: int | None
    replies: int | None
    quotes: int | None
    bookmarks: int | None
    views: int | None

    def count(self, name: str) -> int | None:
        """One of them by its name (`likes`)."""
        value: int | None = getattr(self.counts, name)
        return value

    @property
    def counts(self) -> Counts:
        return Counts(self.likes, self.reposts, self.replies, self.quotes, self.bookmarks, self.views)


@dataclass(frozen=True)
class EvidenceRecord:
    """One piece of evidence; `sha256`: of the canonical JSON of `body`; `picture`: name of one, None: there is none."""

    id: int
    delivery_id: int
    kind: str
    at: datetime
    sha256: str
    body: dict[str, Any]
    picture: str | None


@dataclass(frozen=True)
class AlertRecord:
    """One alert; `subject`: what it is about (`delivery:12`); `closed_at`: it has recovered, or nothing is left to do;
    `told_at`: when the channels were last told."""

    id: int
    user_id: int
    post_id: int | None
    delivery_id: int | None
    type: str
    message: str
    is_read: bool
    created_at: datetime
    dedupe_key: str
    kind: str
    subject: str
    closed_at: datetime | None
    told_at: datetime | None
    told_times: int
    escalated_at: datetime | None


@dataclass(frozen=True)
class OutboxRecord:
    """Something to be sent; `next_at` None: it is done or given up."""

    id: int
    user_id: int
    kind: str
    dedupe_key: str
    payload: dict[str, Any]
    created_at: datetime
    next_at: datetime | None
    sent_at: datetime | None
    tries: int


_WITHHELD = frozenset(one.value for one in Withheld)


def _cause(text: str) -> StateCause | Withheld | Literal[""]:
    if text in _WITHHELD:
        return Withheld(text)
    return StateCause(text) if text else ""


def delivery_of(row: Row[Any]) -> Delivery:
    data = dict(row._mapping)
    data["platform"] = Platform(data["platform"])
    data["state"] = DeliveryState(data["state"])
    data["proof"] = Proof(data["proof"])
    data["cause"] = _cause(data["cause"])
    data["parts"] = tuple(PartRecord.from_json(part) for part in data["parts"])
    return Delivery(**data)


def account_of(row: Row[Any]) -> Account:
    data = dict(row._mapping)
    data["platform"] = Platform(data["platform"])
    data["newest_known_post"] = data.pop(NEWEST_KNOWN_POST)  # the column, too, has its old name
    data["scopes"] = tuple(data["scopes"])
    return Account(**data)


def record_of(kind: type[Any], row: Row[Any]) -> Any:
    """A row as a record of `kind`, whose fields are exactly the columns."""
    names = {f.name for f in fields(kind)}
    return kind(**{key: value for key, value in row._mapping.items() if key in names})


__all__ = [
    "Account",
    "AlertRecord",
    "Attempt",
    "Delivery",
    "EvidenceRecord",
    "MediaRecord",
    "OutboxRecord",
    "PartRecord",
    "Post",
    "SampleRecord",
    "StepRecord",
    "User",
    "account_of",
    "delivery_of",
    "record_of",
    "replace",
]
