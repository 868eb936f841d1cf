"""Two people on one sidecar: the owner, whose things are offered to the stranger, and the stranger who tries them all.

Everything of the owner's carries `CANARY`, so that a leak is seen wherever it shows. Several of each kind, because the
control run deletes as it goes.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from datetime import timedelta

from PIL import Image
from sqlalchemy import select

from postprober.domain.access import GRANTABLE, SCOPES
from postprober.domain.advice import Advice
from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.diagnosis import Cause, Diagnosis, Fix
from postprober.domain.platform import Platform
from postprober.domain.remote import PartJob
from postprober.pipeline.core import transitions
from postprober.pipeline.core.tokens import open_credentials
from postprober.sandbox.control.client import Control
from postprober.services.accounts import accounts, pages
from postprober.services.accounts.accounts import add_by_token
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.notifications import channels
from postprober.services.people import api_tokens, users
from postprober.services.people.sessions import Caller
from postprober.services.posts import advice, drafts, posts, proposals
from postprober.services.posts.posts import NewPost
from postprober.storage import accounts as account_storage
from postprober.storage import alert_log, deliveries, evidence_log, pictures, repairs
from postprober.storage import users as user_storage
from postprober.storage.tables import metadata
from tests.people import acting

CANARY = "canary-of-the-owner"
PASSWORD = "correct horse battery staple"
OF_EACH = 16
S = DeliveryState
# Tables that asking alone may write for anybody: sign-ins, tries, keys.
_BOOKKEEPING = {"sessions", "leases", "processes", "meta", "idempotency_keys", "oauth_apps"}


@dataclass
class Person:
    """`ids`: what is theirs, by the name that the API gives such an id."""

    user_id: int
    email: str
    ids: dict[str, list[int]] = field(default_factory=dict)
    suggested: list[tuple[int, str]] = field(default_factory=list)  # a post, and a suggestion for it
    in_review: list[int] = field(default_factory=list)  # posts
    doubted: list[tuple[int, str, str]] = field(default_factory=list)  # a post, and what the review found in it
    proposed: list[int] = field(default_factory=list)  # posts that wait for a person's word
    live: list[int] = field(default_factory=list)  # posts whose proof can be shared
    ghosts: list[int] = field(default_factory=list)  # deliveries that nobody can see
    failed: list[int] = field(default_factory=list)  # deliveries that may be written anew
    with_pages: list[tuple[int, str]] = field(default_factory=list)  # an account, and a page that it may post for


def settle(core: Core, control: Control, name: str, word: str, hook: str) -> Person:
    """A user called `name` with accounts, posts in every interesting state, files and alerts; `word` is in all texts.
    `hook`: an address that takes what channels send."""
    email = f"{name}@example.org"
    made = Person(users.create(core, email=email, password=PASSWORD, name=word), email)
    kept = _account(core, control, made.user_id, f"{name}0", word)
    made.ids["account_id"] = [_account(core, control, made.user_id, f"{name}{n}", word) for n in range(1, OF_EACH // 2)]
    made.with_pages = [_with_page(core, control, made.user_id, f"{name}p{n}", word) for n in range(OF_EACH // 2)]
    made.ids["account_id"] += [account for account, _ in made.with_pages]
    made.ids["media_id"] = [
        media.add_bytes(core, acting(core, made.user_id), f"{word}.png", _png(n), word) for n in range(4)
    ]
    wish = NewPost((f"A post with the {word}",), (kept,))
    made.ids["post_id"] = [drafts.save(core, acting(core, made.user_id), wish).id for _ in range(OF_EACH)]
    made.ghosts = [_ghost(core, made, kept, f"{word} is invisible") for _ in range(OF_EACH)]
    made.ids["delivery_id"] = list(made.ghosts)
    made.ids["evidence_id"] = []
    for state in (S.FAILED, S.HELD):
        for _ in range(OF_EACH):
            _stopped(core, made, kept, f"{word} is {state.value}", state)
    made.ids["repair_id"] = [_repair(core, made, kept, f"{word} wants a repair") for _ in range(OF_EACH)]
    _advised(core, made, kept, word)
    made.live = [_live(core, made, kept, f"{word} is live, number {n}") for n in range(OF_EACH // 2)]
    made.ids["post_id"] += made.live
    with core.db.read() as conn:
        user = user_storage.get(conn, made.user_id)
    made.ids["channel_id"] = [
        channels.add(core, acting(core, user), kind="webhook", name=word, url=hook)[0].id for _ in range(OF_EACH)
    ]
    made.ids["alert_id"] = _alerts(core, made, word)
    made.ids["token_id"] = _tokens(core, made, word)
    return made


def fingerprint(core: Core, user_id: int) -> dict[str, str]:
    """A hash of each table's rows, of this user only: equal before and after whatever others try."""
    found = {}
    with core.db.read() as conn:
        for name, table in metadata.tables.items():
            if name in _BOOKKEEPING or "user_id" not in table.c:
                continue
            rows = [list(map(str, row)) for row in conn.execute(select(table).where(table.c.user_id == user_id))]
            found[name] = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    return found


def _account(core: Core, control: Control, user_id: int, name: str, word: str) -> int:
    made = control.account("bluesky", name, fresh=True)
    data = {"identifier": made["id"], "password": made["password"]}
    account = add_by_token(core, acting(core, user_id), Platform("bluesky"), data, name=name)
    accounts.set_up(core, acting(core, user_id), account.id, label=word, language="")
    return account.id


def _with_page(core: Core, control: Control, user_id: int, name: str, word: str) -> tuple[int, str]:
    """A person on a platform with pages, and the page."""
    scopes = ["openid", "profile", "w_member_social", "w_organization_social", "r_organization_social"]
    made = control.account("linkedin", name, fresh=True, scopes=scopes)
    person = acting(core, user_id)
    account = add_by_token(core, person, Platform("linkedin"), {"access_token": made["access_token"]}, name=name)
    accounts.set_up(core, person, account.id, label=word, language="")
    return account.id, pages.listing(core, person, account.id)[0].remote_id


def post_by_hand(core: Core, person: Person) -> str:
    """The link of what the held posts were to become."""
    with core.db.read() as conn:
        account = account_storage.get(conn, deliveries.get(conn, person.ids["delivery_id"][-1]).account_id)
        (part,) = deliveries.get(conn, person.ids["delivery_id"][-1]).parts
    cred = open_credentials(core.vault, account)
    adapter, now = core.adapter(account.platform, cred), core.clock.now()
    job = PartJob("by-hand", 0, part.text, now, handle=adapter.new_handle("by-hand", 0, now))
    return adapter.finalize(cred, job, adapter.submit(cred, job)).ref.url


def _stopped(core: Core, person: Person, account_id: int, text: str, state: DeliveryState) -> None:
    """A post whose delivery waits for a person; if it is held, its outcome is unknown."""
    wish = NewPost((text,), (account_id,), at=core.clock.now() + timedelta(days=30))
    post_id = posts.create(core, acting(core, person.user_id), wish).id
    with core.db.write() as conn:
        (delivery,) = deliveries.of_post(conn, post_id)
        unknown = core.clock.now() if state is S.HELD else None
        transitions.move(conn, delivery, state, reason=text, now=core.clock.now(), next_at=None, unknown_at=unknown)
    person.ids["post_id"].append(post_id)
    person.ids["delivery_id"].append(delivery.id)
    if state is S.FAILED:
        person.failed.append(delivery.id)


def _ghost(core: Core, person: Person, account_id: int, text: str) -> int:
    """A delivery that the platform took and nobody can see; returns its id."""
    post_id = posts.create(core, acting(core, person.user_id), NewPost((text,), (account_id,))).id
    now = core.clock.now()
    with core.db.write() as conn:
        for state in (S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.GHOST):
            (delivery,) = deliveries.of_post(conn, post_id)
            transitions.move(conn, delivery, state, reason=text, now=now, next_at=None)
    return delivery.id


def _live(core: Core, person: Person, account_id: int, text: str) -> int:
    """A post that was seen; nothing was sent for it."""
    now = core.clock.now()
    post_id = posts.create(
        core, acting(core, person.user_id), NewPost((text,), (account_id,), at=now + timedelta(days=30))
    ).id
    for state in (S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.VERIFIED):
        with core.db.write() as conn:
            (delivery,) = deliveries.of_post(conn, post_id)
            more = {"proof": Proof.MATCHES, "published_at": now} if state is S.VERIFIED else {}
            transitions.move(conn, delivery, state, reason=text, now=now, next_at=None, **more)
    name = pictures.keep(pictures.folder(core.settings.data_dir), _png(delivery.id))
    with core.db.write() as conn:
        evidence_log.keep(conn, delivery.id, "browser", {"text": text}, now, name)
        person.ids["evidence_id"].append(evidence_log.of_delivery(conn, delivery.id)[-1].id)
    return post_id


def _repair(core: Core, person: Person, account_id: int, text: str) -> int:
    """One that waits for a word."""
    _stopped(core, person, account_id, text, S.FAILED)
    told = Diagnosis(Cause.BLOCKED_AS_SPAM, 0.9, (), True, Fix.CHANGE_TIME, text, "rules")
    with core.db.write() as conn:
        row = repairs.of_delivery(conn, person.ids["delivery_id"][-1])[-1]
        repairs.diagnosed(conn, row, told, "proposed", {"until": "2099-01-01T00:00:00.000Z"}, core.clock.now())
    person.ids["delivery_id"].pop()  # what waits for a repair is not for the other routes
    return row.id


def _advised(core: Core, person: Person, account_id: int, word: str) -> None:
    """Posts with a suggestion, and posts in review."""
    for number in range(OF_EACH // 2):
        picture = media.add_bytes(core, acting(core, person.user_id), f"{word}.png", _png(100 + number))
        wish = NewPost((f"A post with the {word} that was found on Sunday. " * 12,), (account_id,), (picture,))
        post_id = drafts.save(core, acting(core, person.user_id), wish).id
        made = advice.ask(core, acting(core, person.user_id), post_id)
        person.suggested.append((post_id, next(s.id for s in made.suggestions if s.kind == "thread")))
        wish = NewPost((f"TODO: write about the {word}",), (account_id,), at=core.clock.now() + timedelta(days=30))
        person.in_review.append(posts.create(core, acting(core, person.user_id), wish).id)
        _waiting(core, person, account_id, f"{word} {number}")
    person.ids["post_id"] += [post for post, _ in person.suggested] + person.in_review
    person.ids["post_id"] += [post for post, _, _ in person.doubted] + person.proposed


def _waiting(core: Core, person: Person, account_id: int, word: str) -> None:
    """A post with a doubt that can be meant, and one that was proposed."""
    at = core.clock.now() + timedelta(days=40)
    doubted = posts.create(core, acting(core, person.user_id), NewPost((f"TODO: the {word}",), (account_id,), at=at))
    found = Advice.from_json(doubted.ai_suggestions)
    assert found is not None
    reason = next(one for one in found.review.details if one.can_be_intended)
    person.doubted.append((doubted.id, reason.kind, reason.piece))
    wish = NewPost((f"Proposed: the {word}",), (account_id,), at=at)
    person.proposed.append(proposals.propose(core, acting(core, person.user_id), wish).post.id)


def _alerts(core: Core, person: Person, word: str) -> list[int]:
    with core.db.write() as conn:
        for number in range(4):
            alert_log.add(
                conn,
                user_id=person.user_id,
                post_id=None,
                delivery_id=None,
                type="error",
                message=word,
                dedupe_key=f"{person.email}-{number}",
                now=core.clock.now(),
            )
        rows = alert_log.of_user(conn, person.user_id, limit=4, before=None, unread=False)
    return [row.id for row in rows]


def _tokens(core: Core, person: Person, word: str) -> list[int]:
    with core.db.read() as conn:
        caller = Caller(user_storage.get(conn, person.user_id), SCOPES, "0", "login")
    make = api_tokens.create
    return [make(core, caller, name=word, scopes=sorted(GRANTABLE), days=1)[0].id for _ in range(OF_EACH)]


def _png(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40 + number, 40), "green").save(out, "PNG")
    return out.getvalue()
