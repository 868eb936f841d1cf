"""A post's proof for everybody who has the link: off until somebody shares it, and withdrawn at once.

The link carries a signed token (purpose `proof`) with the post and a nonce of its row: a new nonce ends every link that
was given away before. What is shown is what was public anyway: no account, no person, no error.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from postprober.domain.actor import Actor
from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.platform import NAMES
from postprober.errors import Conflict, Forbidden, NotFound
from postprober.security.tokens import opaque, sign, verify
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.storage import deliveries, evidence_log, posts, watches
from postprober.storage import reports as storage
from postprober.storage.records import Delivery, EvidenceRecord
from postprober.storage.reports import Shared
from postprober.storage.tables import media

PURPOSE = "proof"
LIFE = timedelta(days=3650)  # the person ends it, not the clock; a token needs an end
LONGEST_TOKEN = 1000  # characters; ours have about 300
_LIVE = frozenset({DeliveryState.PUBLISHED, DeliveryState.VERIFIED})


@dataclass(frozen=True)
class ShownFile:
    kind: str
    alt: str
    sha256: str


@dataclass(frozen=True)
class ShownPart:
    text: str
    files: tuple[ShownFile, ...]


@dataclass(frozen=True)
class Shown:
    """One platform of a shared post. `evidence`: SHA-256 of the newest proof that was kept, and when that was. `since`:
    what is known to be otherwise by now ("differs" from what was sent, "gone" for strangers; "" for nothing) and
    `since_at`: when that was seen. A proof says what was seen then, never that it is so still."""

    platform: str
    parts: tuple[ShownPart, ...]
    proof: str
    url: str
    published_at: datetime
    verified_at: datetime | None
    evidence: str
    evidence_at: datetime | None
    since: str = ""
    since_at: datetime | None = None


@permits.needs("reports:write")
def share(core: Core, actor: Actor, post_id: int) -> str:
    """The link; the same one while it is shared. Raises NotFound, or Conflict while there is nothing to show."""
    with core.db.write() as conn:
        posts.get(conn, post_id, actor.space)
        if not _live(conn, post_id):
            raise Conflict("Nothing of this post is live yet; share its proof when it is.")
        if storage.shared(conn, post_id) is None:
            storage.share(conn, post_id=post_id, space=actor.space, nonce=opaque(), now=core.clock.now())
        found = storage.shared(conn, post_id)
    return _link(core, found)


@permits.needs("reports:write")
def withdraw(core: Core, actor: Actor, post_id: int) -> None:
    """No link to it works any more, whoever has one. Raises NotFound."""
    with core.db.write() as conn:
        posts.get(conn, post_id, actor.space)
        storage.withdraw(conn, post_id, core.clock.now())


@permits.needs("reports:read")
def link(core: Core, actor: Actor, post_id: int) -> str:
    """The link, "" while it is not shared. Raises NotFound."""
    with core.db.read() as conn:
        posts.get(conn, post_id, actor.space)
        return _link(core, storage.shared(conn, post_id))


def page(core: Core, token: str) -> tuple[Shown, ...]:
    """What anybody with the link may see. Raises NotFound, with one sentence for every reason."""
    found = _opened(core, token)
    if not found:
        raise NotFound("There is nothing at this address.")
    return found


def _opened(core: Core, token: str) -> tuple[Shown, ...]:
    if len(token) > LONGEST_TOKEN:
        return ()
    try:
        claims = verify(core.settings.secret_key, PURPOSE, token, now=core.clock.now().timestamp())
    except Forbidden:
        return ()
    with core.db.read() as conn:
        row = storage.shared(conn, claims["post"])
        if row is None or not hmac.compare_digest(row.nonce, claims["nonce"]):
            return ()
        try:
            posts.get(conn, row.post_id, row.user_id)
        except NotFound:  # deleted since
            return ()
        return tuple(_shown(conn, one, at) for one, at in _live(conn, row.post_id))


def _live(conn: Connection, post_id: int) -> list[tuple[Delivery, datetime]]:
    """What is out and was accepted at least, or was proved live once and is gone since; and since when it is out."""
    return [
        (one, one.published_at)
        for one in deliveries.of_post(conn, post_id)
        if (one.state in _LIVE or _gone(one)) and one.proof is not Proof.NONE and one.published_at is not None
    ]


def _gone(one: Delivery) -> bool:
    return one.state is DeliveryState.GHOST and one.verified_at is not None


def _since(conn: Connection, one: Delivery, kept: list[EvidenceRecord]) -> tuple[str, datetime | None]:
    """What was seen after the proof that speaks against it, and when."""
    if _gone(one):
        return "gone", deliveries.entered(conn, one.id, DeliveryState.GHOST)
    if watches.get(conn, one.id).told:
        return "differs", max((row.at for row in kept if row.kind == "drift"), default=None)
    return "", None


def _shown(conn: Connection, one: Delivery, published_at: datetime) -> Shown:
    kept = evidence_log.of_delivery(conn, one.id)
    proofs = [row for row in kept if row.kind == "proof"]
    parts = tuple(ShownPart(part.text, _files(conn, part.media)) for part in one.parts)
    return Shown(
        NAMES[one.platform],
        parts,
        one.proof.value,
        one.url or "",
        published_at,
        one.verified_at,
        proofs[-1].sha256 if proofs else "",
        proofs[-1].at if proofs else None,
        *_since(conn, one, kept),
    )


def _files(conn: Connection, ids: tuple[int, ...]) -> tuple[ShownFile, ...]:
    rows = {row.id: row for row in conn.execute(select(media).where(media.c.id.in_(ids)))}
    return tuple(ShownFile(row.kind, row.alt, row.sha256) for number in ids if (row := rows.get(number)))


def _link(core: Core, found: Shared | None) -> str:
    if found is None:
        return ""
    token = sign(
        core.settings.secret_key,
        PURPOSE,
        {"post": found.post_id, "nonce": found.nonce},
        now=found.shared_at.timestamp(),
        lifetime=LIFE.total_seconds(),
    )
    return f"{core.settings.public_base}/proof/{token}"
