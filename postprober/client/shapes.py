"""What goes in and comes out, as far as the client names it; a test compares this with the server's OpenAPI file."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class CardJson(TypedDict):
    """The card of the post's link: dropped, or with words of one's own."""

    drop: NotRequired[bool]
    title: NotRequired[str]
    description: NotRequired[str]
    url: NotRequired[str]


class NewPostJson(TypedDict):
    """A post as it shall be. `content`: the text, or those of a thread; `scheduled_at`: ISO 8601 with its offset, left out for
    at once; `variants`: own texts of single accounts, by id; `options`: what single
    platforms shall do, by platform or account id; `key`: your own name for it, of which there is never a second."""

    content: str | list[str]
    account_ids: list[int]
    media_ids: NotRequired[list[int]]
    scheduled_at: NotRequired[str]
    variants: NotRequired[dict[str, list[str]]]
    language: NotRequired[str]
    late_minutes: NotRequired[int]
    options: NotRequired[dict[str, dict[str, Any]]]
    card: NotRequired[CardJson]
    key: NotRequired[str]


class AccountJson(TypedDict):
    id: int
    platform: str
    name: str
    label: str
    instance: str
    status: str
    status_reason: str


class GroupJson(TypedDict):
    """A group of accounts; `account_ids`: those that are still linked."""

    name: str
    account_ids: list[int]


class PostJson(TypedDict):
    id: int
    status: str
    version: int
    content: str
    parts: list[str]
    account_ids: list[int]
    platforms: list[str]
    media_ids: list[int]
    scheduled_at: str | None
    posted_at: str | None
    proposed_by: str
    ai_suggestions: dict[str, Any]


class WhenJson(TypedDict):
    weekday: str
    local: str
    zone: str
    utc: str


class CheckedJson(TypedDict):
    account_id: int
    account: str
    ok: bool
    length: int
    limit: int
    violations: list[dict[str, Any]]
    notes: NotRequired[list[dict[str, Any]]]  # a server from before does not send them


class CheckJson(TypedDict):
    ok: bool
    accounts: list[CheckedJson]
    digest: str
    when: WhenJson | None


class ProposalJson(TypedDict):
    post: PostJson
    is_new: bool
    waits_for_a_person: bool
    decide_at: str
    digest: str
    when: WhenJson | None


class DeliveryJson(TypedDict):
    id: int
    account_id: int
    account: str
    platform: str
    state: str
    cause: str
    proof: str
    explanation: str
    remote_id: str | None
    url: str | None
    counts: dict[str, int | None]


class MonitoringJson(TypedDict):
    post_id: int
    status: str
    finished: bool
    deliveries: list[DeliveryJson]


class MediaJson(TypedDict):
    id: int
    name: str
    kind: str
    mime: str
    size: int
    alt: str


class StepJson(TypedDict):
    id: int
    delivery_id: int | None
    platform: str
    step: str
    status: str
    timestamp: str
    details: dict[str, Any]
