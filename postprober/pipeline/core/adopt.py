"""A part is out: write down where, and go on."""

from __future__ import annotations

from sqlalchemy import Connection

from postprober.domain.delivery import DeliveryState, Proof, Step, StepStatus
from postprober.domain.identity import PostIdentity
from postprober.domain.remote import Ref, Sighting
from postprober.errors import Conflict
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery
from postprober.storage import accounts, evidence_log, remote_posts
from postprober.storage.records import PartRecord, replace

S = DeliveryState


class Taken(Conflict):
    """The post belongs to another delivery (`owner`); nothing was written."""

    def __init__(self, owner: int | None) -> None:
        super().__init__("This post belongs to another delivery.")
        self.owner = owner


def why_not(work: ClaimedDelivery, conn: Connection, part: PartRecord, sighting: Sighting) -> str:
    """Why what was found must not be taken for this delivery's, "" when it may be. By words alone nobody takes
    anything while another delivery with the same words, to the same remote account, may be what was seen: between two
    a person decides. Call it in the transaction that adopts."""
    if not sighting.by_words:
        return ""
    others = remote_posts.undecided(conn, work.account.remote, part.text, work.delivery.id)
    if not others:
        return ""
    return (
        f"delivery {others[0].id} has the same words and is not settled either, so it cannot be told whose post it is"
    )


def claim(work: ClaimedDelivery, conn: Connection, part: int, remote_id: str, *, sent_by_us: bool) -> None:
    """Write down whose post it is. `sent_by_us`: as in `remote_posts.claim`. Raises Taken."""
    mine = PostIdentity(work.account.platform, work.account.server, remote_id)
    author, now = work.account.remote_id, work.now()
    if not remote_posts.claim(conn, mine, author, work.delivery.id, part, now, sent_by_us=sent_by_us):
        raise Taken(remote_posts.owner(conn, mine))


def adopt(
    work: ClaimedDelivery,
    conn: Connection,
    part: PartRecord,
    ref: Ref,
    reason: str,
    *,
    sent_by_us: bool,
    proof: Proof = Proof.ACCEPTED,
) -> None:
    """Record `ref` as the part's post. The last part makes the delivery published; before that the next part follows.
    `sent_by_us`: as in `remote_posts.claim`.

    Raises Conflict when the delivery moved without us, Taken when the post is another delivery's.
    """
    now = work.now()
    claim(work, conn, part.index, ref.remote_id, sent_by_us=sent_by_us)
    current = work.delivery.parts[part.index]
    parts = work.delivery.with_part(replace(current, ref=ref))
    accounts.write(conn, work.account.id, newest_known_post=ref.remote_id)
    work.account = replace(work.account, newest_known_post=ref.remote_id)
    if work.delivery.state is not S.SUBMITTING:  # an ordinary answer stands in its attempt; this one was found
        body = {"part": part.index, "remote_id": ref.remote_id, "url": ref.url, "how": reason}
        evidence_log.keep(conn, work.delivery.id, "found", body, now)
    done = all(p.ref is not None for p in parts)
    columns = {"parts": parts, "unknown_at": None, "readings": 0, "absences": 0, "crashes": 0}
    if not done:
        go_on = S.CLAIMED if work.delivery.state is S.SUBMITTING else S.SCHEDULED
        lease = {} if go_on is S.CLAIMED else {"lease_until": None, "next_at": now}
        if work.delivery.state is S.SCHEDULED:
            work.touch(conn, tries=0, **columns, **lease)
            return
        if work.delivery.state is S.PARTIAL:  # it has ended; the rest goes out when a person says so
            work.touch(conn, parts=parts)
            return
        # Every part has its own tries.
        work.move(conn, go_on, f"part {part.index + 1} of {len(parts)} is out", tries=0, **columns, **lease)
        return
    first = parts[0].ref
    work.log(conn, Step.POSTING, StepStatus.SUCCESS, url=first.url if first else "", how=reason)
    work.move(
        conn,
        S.PUBLISHED,
        reason,
        **columns,
        remote_id=first.remote_id if first else None,
        url=first.url if first else None,
        published_at=work.delivery.published_at or now,
        proof=proof,
        next_at=now + work.ctx.timing.verify_after[0],
        lease_until=work.delivery.lease_until if work.stays else None,
    )
