"""What the sandbox remembers: accounts, tokens, media and posts.

All times are epoch seconds (float). Whether a post can be seen is always
computed from its times, never by a timer, so nothing is lost in a restart.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Account:
    """A person on one platform. `id` is the platform's own id; `shown`: the name that people see since
    it was renamed, "" before; `premium`: pays for long posts."""

    platform: str
    name: str
    id: str
    scopes: list[str]
    created_at: float
    partner: bool = False
    password: str | None = None
    access_token: str | None = None
    refresh_token: str | None = None
    shown: str = ""
    suspended: bool = False
    premium: bool = False

    @property
    def key(self) -> str:
        return f"{self.platform}|{self.name}"

    @property
    def title(self) -> str:
        """The name that people see."""
        return self.shown or self.name


@dataclass
class Token:
    """An access or refresh token. `chain` ties all tokens that grew from one consent together."""

    value: str
    kind: str
    platform: str
    account: str
    scopes: list[str]
    chain: str
    issued_at: float
    expires_at: float | None = None
    used_at: float | None = None
    revoked: bool = False
    successor: list[str] = field(default_factory=list)


@dataclass
class Media:
    """An uploaded file, or a container that becomes a post. `ready_at` None means not uploaded yet."""

    platform: str
    id: str
    account: str
    kind: str
    created_at: float
    mime: str = ""
    sha256: str = ""
    size: int = 0
    alt: str = ""
    width: int = 0
    height: int = 0
    ready_at: float | None = None
    fails: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.platform}|{self.id}"

    def state(self, at: float) -> str:
        """waiting | processing | failed | ready"""
        if self.ready_at is None:
            return "waiting"
        if at < self.ready_at:
            return "processing"
        return "failed" if self.fails else "ready"


@dataclass
class Post:
    """A post as its author meant it: `text` is plain, with links written out and escapes undone. `card`: of its link, with
    `uri`, `title`, `description` and `sha256` of its picture, "" for none."""

    platform: str
    id: str
    account: str
    text: str
    created_at: float
    path: str = ""
    media: list[dict[str, Any]] = field(default_factory=list)
    reply_to: str | None = None
    audience: str = "public"
    ghost: bool = False
    shadow: bool = False
    visible_at: float | None = None
    hidden_at: float | None = None
    deleted_at: float | None = None
    edited_at: float | None = None
    suspended: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    card: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        return f"{self.platform}|{self.id}"

    def landed(self, at: float) -> bool:
        """False while the effect of a late creation has not happened yet."""
        return self.created_at <= at

    def deleted(self, at: float) -> bool:
        return self.deleted_at is not None and self.deleted_at <= at

    def hidden(self, at: float) -> bool:
        return self.hidden_at is not None and self.hidden_at <= at

    def seen_by_owner(self, at: float) -> bool:
        appeared = not self.ghost or (self.visible_at is not None and self.visible_at <= at)
        return self.landed(at) and appeared and not self.deleted(at)

    def seen_by_public(self, at: float) -> bool:
        """What a logged-out reader sees at that time."""
        if self.shadow or self.suspended:
            return False
        return self.seen_by_owner(at) and not self.hidden(at) and self.audience == "public"

    def seen_by(self, account: Account | None, at: float) -> bool:
        """`account` None is a logged-out reader."""
        own = account is not None and account.name == self.account
        return self.seen_by_owner(at) if own else self.seen_by_public(at)
