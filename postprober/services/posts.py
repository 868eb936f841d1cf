"""Posts: checked, planned, cancelled, tried again, decided."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from postprober.domain.criteria import Criteria
from postprober.domain.delivery import DeliveryState
from postprober.domain.limits import Limits
from postprober.domain.platform import NAMES
from postprober.domain.post import Draft, MediaFile, Part, PostStatus, Preflight, Violation
from postprober.errors import BadInput, Conflict, NotFound, PlatformError
from postprober.pipeline import watch
from postprober.pipeline.credentials import open_credentials
from postprober.pipeline.pointed import adopt_pointed
from postprober.platforms.links import MAX_LINK
from postprober.services import media as media_service
from postprober.services import permits, reviewing
from postprober.services.accounts import owned
from postprober.services.context import context_of
from postprober.services.core import Core, Mark, no_mark
from postprober.storage import deliveries, goals, health, posts
from postprober.storage import media as media_storage
from postprober.storage.records import Account, Delivery, PartRecord, Post

S = DeliveryState
MAX_PARTS = 25
__all__ = [
    "MAX_LINK", "MAX_PARTS", "NewPost", "PreflightFailed", "adopt_held", "cancel", "cancel_one", "check", "columns_of",
    "create", "language_for", "listing", "look_again", "parts_for", "passed", "plan", "retry", "retry_one", "send_held",
]  # fmt: skip


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


@permits.asks("posts:write")
def cancel(core: Core, user_id: int, post_id: int) -> int:
    """Stop what has not been sent; returns how many deliveries were cancelled. Raises NotFound or Conflict."""
    stopped = 0
    with core.db.write() as conn:
        posts.get(conn, post_id, user_id)
        for delivery in deliveries.of_post(conn, post_id):
            if delivery.state in _STOPPABLE and delivery.unknown_at is None:
                _stop(conn, delivery, core.clock.now(), "cancelled by a person")
                stopped += 1
    if not stopped:
        raise Conflict("Nothing of this post can be cancelled any more: it was sent, or is being sent.")
    return stopped


@permits.asks("posts:write")
def cancel_one(core: Core, user_id: int, delivery_id: int, *, not_there: bool = False, mark: Mark = no_mark) -> None:
    """Stop one delivery. `not_there`: the person has looked on the platform, which one whose outcome is unknown needs.
    Raises NotFound or Conflict."""
    with core.db.write() as conn:
        delivery = _one_of(conn, user_id, delivery_id)
        if delivery.state not in _STOPPABLE:
            raise Conflict(f"Delivery {delivery_id} is {delivery.state.value}; it cannot be cancelled any more.")
        if delivery.unknown_at is not None and not (not_there and delivery.state is S.HELD):
            raise Conflict(
                "This one may be out already; look on the platform first, and say where it is or that it is not."
            )
        reason = "cancelled by a person" if delivery.unknown_at is None else "a person says that it is not there"
        _stop(conn, delivery, core.clock.now(), reason)
        mark(conn, delivery_id)


_STOPPABLE = frozenset({S.SCHEDULED, S.WAITING, S.FAILED, S.HELD})


def _stop(conn: Connection, delivery: Delivery, now: datetime, reason: str) -> None:
    watch.move(conn, delivery, S.CANCELLED, reason=reason, now=now, next_at=None, unknown_at=None)


@permits.asks("posts:write")
def retry(core: Core, user_id: int, post_id: int, mark: Mark = no_mark) -> int:
    """Send the failed deliveries again, and only those; returns how many. Raises NotFound or Conflict."""
    with core.db.write() as conn:
        posts.get(conn, post_id, user_id)
        failed = [delivery for delivery in deliveries.of_post(conn, post_id) if delivery.state is S.FAILED]
        if not failed:
            raise Conflict("Nothing of this post has failed, so there is nothing to try again.")
        for delivery in failed:
            _try_again(conn, delivery, core.clock.now())
        mark(conn, post_id)
    return len(failed)


@permits.asks("posts:write")
def retry_one(core: Core, user_id: int, delivery_id: int, mark: Mark = no_mark) -> None:
    """Send one failed delivery again. Raises NotFound or Conflict."""
    with core.db.write() as conn:
        delivery = _one_of(conn, user_id, delivery_id)
        if delivery.state is not S.FAILED:
            raise Conflict(f"Delivery {delivery_id} has not failed; it is {delivery.state.value}.")
        _try_again(conn, delivery, core.clock.now())
        mark(conn, delivery_id)


def _try_again(conn: Connection, delivery: Delivery, now: datetime) -> None:
    watch.move(
        conn, delivery, S.SCHEDULED, reason="tried again by a person", now=now, next_at=now, due_at=now, tries=0,
        crashes=0,
    )  # fmt: skip


@permits.asks("posts:write")
def send_held(core: Core, user_id: int, delivery_id: int, mark: Mark = no_mark) -> None:
    """A person says that a held one is not there: send it. Or one that waits for its failing platform: do not wait.
    Raises NotFound or Conflict."""
    now = core.clock.now()
    with core.db.write() as conn:
        waiting = _one_of(conn, user_id, delivery_id)
        if waiting.state is S.WAITING and health.send_anyway(conn, delivery_id):
            deliveries.touch(conn, waiting, now, next_at=now)
            mark(conn, delivery_id)
            return
        delivery = _held(conn, user_id, delivery_id)
        watch.move(
            conn, delivery, S.SCHEDULED, reason="a person decided to send it", now=now, next_at=now, due_at=now,
            unknown_at=None, tries=0, crashes=0, readings=0, absences=0,
        )  # fmt: skip
        mark(conn, delivery_id)


@permits.asks("posts:write")
def look_again(core: Core, user_id: int, delivery_id: int, mark: Mark = no_mark) -> None:
    """Look once more whether a held delivery is there. Raises NotFound or Conflict."""
    now = core.clock.now()
    with core.db.write() as conn:
        delivery = _held(conn, user_id, delivery_id)
        if delivery.unknown_at is None:
            raise Conflict("This one was held before anything was sent; send it or cancel it.")
        watch.move(
            conn, delivery, S.UNCONFIRMED, reason="a person asked to look again", now=now, next_at=now, readings=0,
            absences=0,
        )  # fmt: skip
        mark(conn, delivery_id)


@permits.asks("posts:write")
def adopt_held(core: Core, user_id: int, delivery_id: int, link: str, *, request_id: str = "") -> None:
    """A person says where a held delivery is; `link`: of the post on the platform, or its id there. It is read first,
    and taken only if it is the account's and says what was to be sent.

    Raises NotFound, Conflict (not held), BadInput (not that post) or a PlatformError (it cannot be read now).
    """
    with core.db.read() as conn:
        delivery = _held(conn, user_id, delivery_id)
        owned(conn, user_id, delivery.account_id)
    adopt_pointed(context_of(core), delivery, link, request_id or uuid.uuid4().hex)


def _one_of(conn: Connection, user_id: int, delivery_id: int) -> Delivery:
    delivery = deliveries.get(conn, delivery_id)
    if delivery.user_id != user_id:
        raise NotFound(f"There is no delivery {delivery_id}.")
    return delivery


def _held(conn: Connection, user_id: int, delivery_id: int) -> Delivery:
    delivery = _one_of(conn, user_id, delivery_id)
    if delivery.state is not S.HELD:
        raise Conflict(f"Delivery {delivery_id} is not held; it is {delivery.state.value}.")
    return delivery


@permits.asks("posts:read")
def listing(core: Core, user_id: int, *, limit: int = 50, before: int | None = None) -> list[Post]:
    with core.db.read() as conn:
        return posts.of_user(conn, user_id, limit=limit, before=before)
