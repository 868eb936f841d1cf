"""Posts: checked and planned."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from postprober.domain import mentions
from postprober.domain.account import Credentials
from postprober.domain.actor import Actor
from postprober.domain.advice import Advice
from postprober.domain.card import AS_THE_PAGE_SAYS, CardChoice
from postprober.domain.criteria import Criteria
from postprober.domain.identity import AccountIdentity
from postprober.domain.limits import Limits
from postprober.domain.options import for_part
from postprober.domain.platform import NAMES
from postprober.domain.post import (
    MAX_PARTS,
    Draft,
    MediaFile,
    MediaKind,
    Part,
    PostStatus,
    Preflight,
    PreflightNote,
    Violation,
    language_tag,
)
from postprober.errors import BadInput, PlatformError, VaultError
from postprober.pipeline.core.tokens import open_credentials
from postprober.platforms.registry import LIMITS
from postprober.services.accounts.accounts import owned
from postprober.services.core import Core, Mark, no_mark
from postprober.services.media import conversions
from postprober.services.media import media as media_service
from postprober.services.people import permits, token_limits
from postprober.services.posts import cards, options, repeats, review_gate
from postprober.storage import deliveries, goals, posts, users
from postprober.storage import media as media_storage
from postprober.storage.link_cards import KnownPage
from postprober.storage.records import Account, PartRecord, Post

MAX_TEXT = 250_000  # characters of all parts and variants together: ten times the longest post of any platform
MAX_LISTED = 2_000_000  # characters of one page of posts


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
    may still go out without asking, None for the setting; `criteria`: when it counts as a success; `options`: platform or
    account id -> what is asked for there (`domain.options`), as it was given; `card`: what becomes of the card of its link; `pages`:
    link -> what its page is taken to say, whatever it says by now (`cards.pinned`), None for what is known when it is asked."""

    parts: tuple[str, ...]
    account_ids: tuple[int, ...]
    media_ids: tuple[int, ...] = ()
    at: datetime | None = None
    variants: dict[int, tuple[str, ...]] | None = None
    language: str = ""
    late_minutes: int | None = None
    criteria: Criteria | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    card: CardChoice = AS_THE_PAGE_SAYS
    pages: Mapping[str, KnownPage] | None = field(default=None, compare=False)

    def texts_for(self, account_id: int) -> tuple[str, ...]:
        return (self.variants or {}).get(account_id, self.parts)


def texts_on(account: Account, new: NewPost) -> tuple[str, ...]:
    """The texts as they go to the account: who is mentioned by another platform's id is a plain name there."""
    return tuple(mentions.as_names(text, but=account.platform) for text in new.texts_for(account.id))


@dataclass
class Known:
    """What one draft's checks have learned already, so that typing does not ask a platform at every letter. `limits`:
    by account id; `reached`: media ids that the platforms can fetch. Publishing always asks anew."""

    limits: dict[int, Limits] = field(default_factory=dict)
    reached: set[tuple[int, ...]] = field(default_factory=set)


@permits.needs("posts:read")
def check(
    core: Core, actor: Actor, new: NewPost, known: Known | None = None, *, but: Collection[int] = ()
) -> dict[int, Preflight]:
    """Preflight for every account, nothing is planned. Without `known` the pages of its links are read first, where a card is
    sent. `but`: ids of posts that `new` is to replace or to repeat, which are no earlier ones with the same text. Raises BadInput
    or NotFound for unusable input."""
    _check_shape(new)
    files = media_service.files(core, actor, list(new.media_ids))
    chosen = _accounts(core, actor, new.account_ids)
    if known is None:
        cards.read_all(core, new, chosen)
    options.check(new.options, chosen)
    results: dict[int, Preflight] = {}
    for account in chosen:
        result = _check_one(core, account, new, files, known or Known())
        results[account.id] = _beside_earlier(core, actor, account, new, result, but)
    return conversions.with_failures(core, actor.space, results)


def _check_shape(new: NewPost) -> None:
    if not new.account_ids:
        raise BadInput("Choose at least one account.", field="accounts")
    if len(set(new.account_ids)) != len(new.account_ids):
        raise BadInput("An account was named twice.", field="accounts")
    if new.late_minutes is not None and new.late_minutes < 1:
        raise BadInput("The lateness that is allowed must be at least one minute.", field="late_minutes")
    language_tag(new.language)
    new.card.check()
    if not new.parts or len(new.parts) > MAX_PARTS:
        raise BadInput(f"A post has 1 to {MAX_PARTS} parts.", field="text")
    check_size(new)


def check_size(new: NewPost) -> None:
    """Also of drafts: what is kept is listed again and again. Raises BadInput."""
    size = sum(len(text) for texts in (new.parts, *(new.variants or {}).values()) for text in texts)
    size += len(repr(new.options)) if new.options else 0
    if size > MAX_TEXT:
        raise BadInput(
            f"All texts of this post together have {size:,} characters; the limit is {MAX_TEXT:,}. Shorten it.",
            field="text",
        )


def as_read(core: Core, space: int, new: NewPost) -> NewPost:
    """The same with its options as they are kept."""
    check_size(new)
    return replace(new, options=options.as_read(core, space, new.options, new.account_ids)) if new.options else new


def _accounts(core: Core, actor: Actor, ids: Sequence[int]) -> list[Account]:
    with core.db.read() as conn:
        chosen = [owned(conn, actor.space, account_id) for account_id in ids]
    seen: dict[AccountIdentity, Account] = {}
    for account in chosen:
        other = seen.setdefault(account.remote, account)
        if other is not account:
            raise BadInput(
                f"{account.account_name} and {other.account_name} are the same account on {NAMES[account.platform]}. "
                "Choose one of them.",
                field="accounts",
            )
    return chosen


def _check_one(core: Core, account: Account, new: NewPost, files: tuple[MediaFile, ...], known: Known) -> Preflight:
    cred, locked = _opened(core, account)
    adapter = core.adapter(account.platform, cred)
    limits = known.limits.get(account.id)
    if limits is None:
        try:
            limits = adapter.limits(None) if locked else adapter.limits(cred)
            known.limits[account.id] = limits
        except PlatformError:
            limits = adapter.limits(None)  # the platform is away at this moment: its usual numbers hold
    texts = texts_on(account, new)
    language = language_for(account, new)
    asked = options.stored_for(account, new.options)
    draft = Draft(tuple(Part(t, files if i == 0 else ()) for i, t in enumerate(texts)), language, asked)
    result = adapter.preflight(draft, limits)
    more: list[Violation] = [*locked]
    if account.status != "ok":
        more.append(Violation("reconnect", _unusable(account)))
    due = new.at or core.clock.now()
    ends = account.token_expires_at
    renewable = adapter.traits.renewable(has_refresh_token=bool(account.refresh_token or account.secret))
    if ends is not None and ends <= due and not renewable:
        more.append(
            Violation("token_expires", f"The access to {account.account_name} ends before that time; reconnect it.")
        )
    ids = tuple(f.id for f in files)
    if adapter.traits.fetches_media and files and not result.violations and ids not in known.reached:
        unreachable = _unreachable(core, account, files)
        more.extend(unreachable)
        if not unreachable:
            known.reached.add(ids)
    with core.db.read() as conn:
        notes = cards.notes_for(conn, account, new, core.clock.now())
    return replace(
        result, violations=(*result.violations, *more), notes=(*result.notes, *_plain_names(account, new), *notes)
    )


def _plain_names(account: Account, new: NewPost) -> list[PreflightNote]:
    """That somebody is mentioned on another platform only."""
    found = [one for text in new.texts_for(account.id) for one in mentions.of_others(text, account.platform)]
    return [
        PreflightNote(
            "mention_as_name",
            f"“{one.name}” is a plain name on {NAMES[account.platform]}: the mention is one of {NAMES[other]}.",
        )
        for other, one in dict.fromkeys(found)
    ]


def _beside_earlier(
    core: Core, actor: Actor, account: Account, new: NewPost, result: Preflight, but: Collection[int]
) -> Preflight:
    """The same with what the account has said, or is about to say, in the same words."""
    now = core.clock.now()
    with core.db.read() as conn:
        known = repeats.earlier(conn, account.id, now, but)
    texts, with_media = texts_on(account, new), bool(new.media_ids)
    wrong, notes = repeats.found(account, texts, new.at or now, known, actor.zone, with_media=with_media)
    return replace(result, violations=(*result.violations, *wrong), notes=(*result.notes, *notes))


def _unusable(account: Account) -> str:
    if account.status == "suspended":
        return f"{account.account_name}: {account.status_reason}"
    return f"Reconnect {account.account_name}: {account.status_reason}"


def _opened(core: Core, account: Account) -> tuple[Credentials, tuple[Violation, ...]]:
    """The account's tokens; none and the reason where they cannot be read, so that the other accounts are checked."""
    try:
        return open_credentials(core.vault, account), ()
    except VaultError as error:
        text = (
            f"The stored tokens of {account.account_name} cannot be read: {error.message} Put the key back into "
            "POSTPROBER_VAULT_KEYS, reconnect the account, or leave it out."
        )
        return Credentials("", instance=account.instance, scopes=account.scopes), (Violation("key_missing", text),)


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


def client_key(actor: Actor, key: str) -> str:
    """The name under which a post is found again that a program calls `key`."""
    return "k:" + hashlib.sha256(f"{actor.user}\x1f{key}".encode()).hexdigest()[:38]


def known_by(core: Core, actor: Actor, named: str) -> Post | None:
    """The post that was made under this name, whatever became of it; None when there is none, or it was deleted."""
    with core.db.read() as conn:
        return posts.by_draft_key(conn, actor.space, named)


def once(core: Core, actor: Actor, named: str, add: Callable[[], Post]) -> tuple[Post, bool]:
    """The post that `add` makes under the name, and True; of two at the same moment one makes it, and the other gets it with
    False."""
    try:
        return add(), True
    except IntegrityError:
        known = known_by(core, actor, named) if named else None
        if known is None:
            raise  # the caller's mark, or an account that went meanwhile
        return known, False


@permits.needs("posts:publish")
def create(core: Core, actor: Actor, new: NewPost, mark: Mark = no_mark, *, named: str = "") -> Post:
    """Check, review and plan a post: one delivery an account. A post that the review does not pass is kept with status
    `review` and nothing is planned. `named`: there is never a second post with this name (`client_key`); where there is
    one, it is the answer. Raises PreflightFailed, BadInput, NotFound, Forbidden (the token may not do this), or Conflict
    (an alt text was changed meanwhile); then nothing was written."""
    if named and (known := known_by(core, actor, named)) is not None:
        return known
    new = as_read(core, actor.space, new)
    files = media_service.files(core, actor, list(new.media_ids))
    try:
        chosen = passed(core, actor, new)
    except PreflightFailed:  # perhaps because the same request has just planned these words
        if named and (known := known_by(core, actor, named)) is not None:
            return known
        raise
    options.check(new.options, chosen, all_used=True)
    new = cards.pinned(core, new, chosen)
    advice = review_gate.judged(core, actor, new, chosen, files)
    return add_judged(core, actor, new, chosen, files, advice, mark, named=named)[0]


@permits.needs("posts:publish")
def add_judged(
    core: Core,
    actor: Actor,
    new: NewPost,
    chosen: list[Account],
    files: Sequence[MediaFile],
    advice: Advice,
    mark: Mark = no_mark,
    *,
    named: str = "",
) -> tuple[Post, bool]:
    """What `create` does when checks and review are done: the post, and whether it is new. Raises as that."""
    now = core.clock.now()

    def add() -> Post:
        with core.db.write() as conn:
            users.lock(conn, actor.space)  # before the token, as everywhere: planning looks at what the space has
            media_service.refuse_described(conn, actor.space, files)
            token_limits.refuse_accounts(conn, actor, new.account_ids, now)
            by, unasked = token_limits.planner(conn, actor, now)
            columns = columns_of(new, chosen)
            if not advice.review.passes:
                columns["options"] |= review_gate.card_shown(new)
            planned = advice.review.passes or advice.waits  # the latter when the model is back
            if unasked and planned:
                columns["options"]["unasked"] = unasked
            if named:
                posts.free_key(conn, actor.space, named)
            post_id = posts.add(
                conn,
                space=actor.space,
                status=PostStatus.SCHEDULED if advice.review.passes else PostStatus.REVIEW,
                scheduled_at=(new.at or now) if advice.review.passes else new.at,
                now=now,
                draft_key=named or None,
                **columns,
                **review_gate.advice_columns(core, advice),
            )
            if planned:
                token_limits.spend(conn, actor, new.account_ids, now)
            if advice.review.passes:
                plan_all(core, conn, post_id, chosen, new, now, by=by)
            mark(conn, post_id)
            return posts.get(conn, post_id)

    return once(core, actor, named, add)


@permits.needs("posts:read")
def passed(core: Core, actor: Actor, new: NewPost, *, but: Collection[int] = ()) -> list[Account]:
    """The accounts of a post that each of them would take. The cards of its links are known afterwards, and what has to be converted
    for them is ordered. `but`: as in `check`.
    Raises PreflightFailed, BadInput or NotFound."""
    results = check(core, actor, new, but=but)
    chosen = _accounts(core, actor, new.account_ids)
    if not all(result.ok for result in results.values()):
        raise PreflightFailed(results, {a.id: f"{NAMES[a.platform]} ({a.account_name})" for a in chosen})
    conversions.order(core, actor.space, results.values())
    return chosen


def columns_of(new: NewPost, chosen: Sequence[Account]) -> dict[str, Any]:
    """The columns of `posts` that hold what was asked for; `drafts.wish_of` reads them again."""
    return {
        "content": "\n\n".join(new.parts),
        "platforms": sorted({a.platform.value for a in chosen}),
        "options": {
            "parts": list(new.parts),
            "media": list(new.media_ids),
            "language": new.language,
            "late_minutes": new.late_minutes,
            "accounts": list(new.account_ids),
            "variants": {str(account): list(texts) for account, texts in (new.variants or {}).items()},
            "criteria": new.criteria.to_json() if new.criteria else None,
            **({"asked": {target: dict(values) for target, values in new.options.items()}} if new.options else {}),
            **({"card": new.card.to_json()} if new.card else {}),
        },
    }


def plan_all(
    core: Core, conn: Connection, post_id: int, chosen: Sequence[Account], new: NewPost, now: datetime, *, by: str
) -> None:
    """A delivery for each account, and what the post shall reach. `by`: who planned it, for its history."""
    for account in chosen:
        plan(core, conn, post_id, account, new, now, by=by)
    set_goal(conn, post_id, new, now)


def set_goal(conn: Connection, post_id: int, new: NewPost, now: datetime) -> None:
    """What the post shall reach, as it is asked for now."""
    goals.put(conn, post_id, new.criteria, new.at or now)


def plan(core: Core, conn: Connection, post_id: int, account: Account, new: NewPost, now: datetime, *, by: str) -> None:
    """One delivery of the post, with a key that never changes, and the handle of each part chosen from it. Raises
    PreflightFailed where another post with the same words was planned since this one was checked."""
    key, due = str(uuid.uuid4()), new.at or now
    texts, with_media = texts_on(account, new), bool(new.media_ids)
    if wrong := repeats.refuse(conn, account, texts, due, now, post_id, with_media=with_media):
        failed = Preflight(account.platform.value, 0, 0, tuple(wrong))
        raise PreflightFailed({account.id: failed}, {account.id: f"{NAMES[account.platform]} ({account.account_name})"})
    deliveries.add(
        conn,
        post_id=post_id,
        account_id=account.id,
        space=account.user_id,
        platform=account.platform.value,
        key=key,
        due_at=due,
        parts=with_handles(core, account, key, parts_for(conn, account, new, now), due),
        now=now,
        reason=f"planned by {by}",
    )


def with_handles(
    core: Core,
    account: Account,
    key: str,
    parts: Sequence[PartRecord],
    due: datetime,
    before: Sequence[PartRecord] = (),
) -> list[PartRecord]:
    """The parts with the platform's own handles, those of `before` (the same delivery, as it was) where it has them: a
    handle is chosen once, so that edits, retries and a restored database all mean the same post. A link card stays while its page
    cannot be read."""
    known = {part.index: part for part in before}
    adapter = core.adapter(account.platform, Credentials("", instance=account.instance, scopes=account.scopes))
    moment = due.replace(microsecond=due.microsecond // 1000 * 1000)
    made = []
    for part in parts:
        was = known.get(part.index)
        handle = (was.handle if was else "") or adapter.new_handle(key, part.index, moment)
        made.append(replace(part, handle=handle, card=cards.lasting(part.card, was.card if was else None)))
    return made


def parts_for(conn: Connection, account: Account, new: NewPost, now: datetime) -> list[PartRecord]:
    """What shall go to one account."""
    language, asked = language_for(account, new), options.stored_for(account, new.options)
    kind, card = options.schema(account.platform), cards.card_for(conn, account, new, now)
    return [
        PartRecord(
            index,
            text,
            _files_for(conn, account, new) if index == 0 else (),
            language=language,
            options=for_part(kind, asked, index),
            card=card if index == 0 else None,
        )
        for index, text in enumerate(texts_on(account, new))
    ]


def _files_for(conn: Connection, account: Account, new: NewPost) -> tuple[int, ...]:
    """The files that go to the account: subtitles only where they are sent."""
    if LIMITS[account.platform].subtitles is not None:
        return tuple(new.media_ids)
    records = media_storage.get_many(conn, new.media_ids)
    return tuple(record.id for record in records if record.kind != MediaKind.SUBTITLES)


def language_for(account: Account, new: NewPost) -> str:
    """The post's own language, else the account's usual one."""
    return language_tag(new.language) or _usual_language(account)


def _usual_language(account: Account) -> str:
    try:
        return language_tag(str(account.settings.get("language", "")))
    except BadInput:  # it was stored before tags were checked
        return ""


@permits.needs("posts:read")
def listing(core: Core, actor: Actor, *, limit: int = 50, before: int | None = None) -> tuple[list[Post], bool]:
    """Newest first, and whether there are more. A page ends at `limit` posts or MAX_LISTED characters."""
    with core.db.read() as conn:
        sizes = posts.sizes(conn, actor.space, limit=limit + 1, before=before)
        ids: list[int] = []
        room = MAX_LISTED
        for post_id, size in sizes[:limit]:
            room -= size
            if ids and room < 0:
                break
            ids.append(post_id)
        return posts.of_user(conn, actor.space, ids), len(ids) < len(sizes)
