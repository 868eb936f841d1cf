"""What goes in and comes out, as far as the client names it; a test compares this with the server's OpenAPI file."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class NewPost(TypedDict):
    """A post as it shall be. `content`: the text, or those of a thread; `scheduled_at`: ISO 8601 with its offset, left out for
    at once; `variants`: own texts of single accounts, by id; `key`: your own name for it, of which there is never a second."""

    content: str | list[str]
    account_ids: list[int]
    media_ids: NotRequired[list[int]]
    scheduled_at: NotRequired[str]
    variants: NotRequired[dict[str, list[str]]]
    language: NotRequired[str]
    late_minutes: NotRequired[int]
    key: NotRequired[str]


class Account(TypedDict):
    id: int
    platform: str
    name: str
    label: str
    instance: str
    status: str
    status_reason: str


class Post(TypedDict):
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


class When(TypedDict):
    weekday: str
    local: str
    zone: str
    utc: str


class Checked(TypedDict):
    account_id: int
    account: str
    ok: bool
    length: int
    limit: int
    violations: list[dict[str, Any]]


class Check(TypedDict):
    ok: bool
    accounts: list[Checked]
    digest: str
    when: When | None


class Proposal(TypedDict):
    post: Post
    is_new: bool
    waits_for_a_person: bool
    decide_at: str
    digest: str
    when: When | None


class Delivery(TypedDict):
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


class Monitoring(TypedDict):
    post_id: int
    status: str
    finished: bool
    deliveries: list[Delivery]


class Media(TypedDict):
    id: int
    name: str
    kind: str
    mime: str
    size: int
    alt: str


class Step(TypedDict):
    id: int
    delivery_id: int | None
    platform: str
    step: str
    status: str
    timestamp: str
    details: dict[str, Any]
