"""Posts: checked and planned."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from postprober.domain.criteria import Criteria
from postprober.domain.limits import Limits
from postprober.domain.platform import NAMES
from postprober.domain.post import Draft, MediaFile, Part, PostStatus, Preflight, Violation
from postprober.errors import BadInput, PlatformError
from postprober.pipeline.credentials import open_credentials
from postprober.services import media as media_service
from postprober.services import permits, reviewing
from postprober.services.accounts import owned
from postprober.services.core import Core, Mark, no_mark
from postprober.storage import deliveries, goals, posts
from postprober.storage import media as media_storage
from postprober.storage.records import Account, PartRecord, Post

MAX_PARTS = 25


class PreflightFailed(BadInput):
    """At least one platform would refuse the post; `results` has every reason, by account id; `names`: platform and
    account, by account id."""

    def __init__(self, results: dict[int, Preflight], names: dict[int, str]) -> None:
        self.results = results
        self.names = names
        lines = [
            f"{names[account_id]}: {violation.message}"
            for account_id, result in results.items()
            for violation in result.violations
        ]
        super().__init__(" ".join(lines), field="text")


@dataclass(frozen=True)
class NewPost:
    """What somebody wants to publish. `parts`: texts of a thread, or one; `media_ids` belong to the first part;
    `variants`: account id -> its own texts; `at`: aware UTC, None for now; `late_minutes`: how late it
    may still go out without asking, None for the setting; `criteria`: when it counts as a success."""

    parts: tuple[str, ...]
    account_ids: tuple[int, ...]
    media_ids: tuple[int, ...] = ()
    at: datetime | None = None
    variants: dict[int, tuple[str, ...]] | None = None
    language: str = ""
    late_minutes: int | None = None
    criteria: Criteria | None = None

    def texts_for(self, account_id: int) -> tuple[str, ...]:
        return (self.variants or {}).get(account_id, self.parts)


@dataclass
class Known:
    """What one draft's checks have learned already, so that typing does not ask a platform at every letter. `limits`:
    by account id; `reached`: media ids that the platforms can fetch. Publishing always asks anew."""

    limits: dict[int, Limits] = field(default_factory=dict)
    reached: set[tuple[int, ...]] = field(default_factory=set)


@permits.asks("posts:read")
def check(core: Core, user_id: int, new: NewPost, known: Known | None = None) -> dict[int, Preflight]:
    """Preflight for every account, nothing is written. Raises BadInput or NotFound for unusable input."""
    _check_shape(new)
    files = media_service.files(core, user_id, list(new.media_ids))
    results: dict[int, Preflight] = {}
    for account in _accounts(core, user_id, new.account_ids):
        results[account.id] = _check_one(core, account, new, files, known or Known())
    return results


def _check_shape(new: NewPost) -> None:
    if not new.account_ids:
        raise BadInput("Choose at least one account.", field="accounts")
    if len(set(new.account_ids)) != len(new.account_ids):
        raise BadInput("An account was named twice.", field="accounts")
    if new.late_minutes is not None and new.late_minutes < 1:
        raise BadInput("The lateness that is allowed must be at least one minute.", field="late_minutes")
    if not new.parts or len(new.parts) > MAX_PARTS:
        raise BadInput(f"A post has 1 to {MAX_PARTS} parts.", field="text")


def _accounts(core: Core, user_id: int, ids: Sequence[int]) -> list[Account]:
    with core.db.read() as conn:
        return [owned(conn, user_id, account_id) for account_id in ids]


def _check_one(core: Core, account: Account, new: NewPost, files: tuple[MediaFile, ...], known: Known) -> Preflight:
    cred = open_credentials(core.vault, account)
    adapter = core.adapter(account.platform, cred)
    limits = known.limits.get(account.id)
    if limits is None:
        try:
            limits = known.limits[account.id] = adapter.limits(cred)
        except PlatformError:
            limits = adapter.limits(None)  # the platform is away at this moment: its usual numbers hold
    texts = new.texts_for(account.id)
    language = language_for(account, new)
    draft = Draft(tuple(Part(t, files if i == 0 else ()) for i, t in enumerate(texts)), language)
    result = adapter.preflight(draft, limits)
    more: list[Violation] = []
    if account.status != "ok":
        more.append(Violation("reconnect", f"Link {account.account_name} again: {account.status_reason}"))
    due = new.at or core.clock.now()
    ends = account.token_expires_at
    renewable = adapter.traits.renewable(has_refresh_token=bool(account.refresh_token or account.secret))
    if ends is not None and ends <= due and not renewable:
        more.append(
            Violation("token_expires", f"The access to {account.account_name} ends before that time; link it again.")
        )
    ids = tuple(f.id for f in files)
    if adapter.traits.fetches_media and files and not result.violations and ids not in known.reached:
        unreachable = _unreachable(core, account, files)
        more.extend(unreachable)
        if not unreachable:
            known.reached.add(ids)
    return replace(result, violations=(*result.violations, *more))


def _unreachable(core: Core, account: Account, files: tuple[MediaFile, ...]) -> list[Violation]:
    """The platform downloads the media from us: try whether our own public URL answers."""
    with core.db.read() as conn:
        records = media_storage.get_many(conn, [f.id for f in files])
    for record in records:
        url = media_service.public_url(core.settings, core.clock.now().timestamp(), record, account.platform)
        try:
            reply = core.http.bound().read("GET", url, timeout=10)
            if reply.ok and reply.headers.get("content-type", "").startswith(("image/", "video/")):
                continue
            answer = f"answers {reply.status}"
        except (PlatformError, BadInput) as error:
            answer = error.message
        return [
            Violation(
                "media_unreachable",
                f"{NAMES[account.platform]} fetches media from {core.settings.public_base}, which does not work "
                f"({answer}); start the sidecar or set POSTPROBER_PUBLIC_URL.",
            )
        ]
    return []


@permits.asks("posts:write")
def create(core: Core, user_id: int, new: NewPost, mark: Mark = no_mark) -> Post:
    """Check, review and plan a post: one delivery an account. A post that the review does not pass is kept with status
    `review` and nothing is planned. Raises PreflightFailed; then nothing was written."""
    chosen = passed(core, user_id, new)
    advice = reviewing.judged(core, user_id, new, chosen)
    now = core.clock.now()
    with core.db.write() as conn:
        post_id = posts.add(
            conn, user_id=user_id, status=PostStatus.SCHEDULED if advice.review.passes else PostStatus.REVIEW,
            scheduled_at=(new.at or now) if advice.review.passes else new.at, now=now, **columns_of(new, chosen),
            **reviewing.advice_columns(core, advice),
        )  # fmt: skip
        if advice.review.passes:
            plan_all(conn, post_id, chosen, new, now)
        mark(conn, post_id)
        return posts.get(conn, post_id)


@permits.asks("posts:read")
def passed(core: Core, user_id: int, new: NewPost) -> list[Account]:
    """The accounts of a post that each of them would take. Raises PreflightFailed, BadInput or NotFound."""
    results = check(core, user_id, new)
    chosen = _accounts(core, user_id, new.account_ids)
    if not all(result.ok for result in results.values()):
        raise PreflightFailed(results, {a.id: f"{NAMES[a.platform]} ({a.account_name})" for a in chosen})
    return chosen


def columns_of(new: NewPost, chosen: Sequence[Account]) -> dict[str, Any]:
    """The columns of `posts` that hold what was asked for; `drafts.wish_of` reads them again."""
    return {
        "content": "\n\n".join(new.parts),
        "platforms": sorted({a.platform.value for a in chosen}),
        "options": {
            "parts": list(new.parts), "media": list(new.media_ids), "language": new.language,
            "late_minutes": new.late_minutes, "accounts": list(new.account_ids),
            "variants": {str(account): list(texts) for account, texts in (new.variants or {}).items()},
            "criteria": new.criteria.to_json() if new.criteria else None,
        },
    }  # fmt: skip


def plan_all(conn: Connection, post_id: int, chosen: Sequence[Account], new: NewPost, now: datetime) -> None:
    """A delivery for each account, and what the post shall reach."""
    for account in chosen:
        plan(conn, post_id, account, new, now)
    set_goal(conn, post_id, new, now)


def set_goal(conn: Connection, post_id: int, new: NewPost, now: datetime) -> None:
    """What the post shall reach, as it is asked for now."""
    goals.put(conn, post_id, new.criteria, new.at or now)


def plan(conn: Connection, post_id: int, account: Account, new: NewPost, now: datetime) -> None:
    """One delivery of the post, with a key that never changes."""
    deliveries.add(
        conn, post_id=post_id, account_id=account.id, user_id=account.user_id, platform=account.platform.value,
        key=str(uuid.uuid4()), due_at=new.at or now, parts=parts_for(account, new), now=now,
    )  # fmt: skip


def parts_for(account: Account, new: NewPost) -> list[PartRecord]:
    """What shall go to one account."""
    language = language_for(account, new)
    return [
        PartRecord(index, text, tuple(new.media_ids) if index == 0 else (), language=language)
        for index, text in enumerate(new.texts_for(account.id))
    ]


def language_for(account: Account, new: NewPost) -> str:
    """The post's own language, else the account's usual one."""
    return new.language or str(account.settings.get("language", ""))


@permits.asks("posts:read")
def listing(core: Core, user_id: int, *, limit: int = 50, before: int | None = None) -> list[Post]:
    with core.db.read() as conn:
        return posts.of_user(conn, user_id, limit=limit, before=before)
