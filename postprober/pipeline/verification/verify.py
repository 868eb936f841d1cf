"""Proof: the owner reads it back, a stranger sees it, and it is what was sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC

from sqlalchemy import Connection

from postprober.domain import options
from postprober.domain.delivery import PROOF_ORDER, DeliveryState, Proof, Step, StepStatus
from postprober.domain.drift import Observation, judge
from postprober.domain.mentions import spelled
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.public_look import Look, Verdict
from postprober.domain.read_budget import Used, cost_of_post, micros
from postprober.domain.remote import Counts, Ref, RemotePost
from postprober.domain.withheld import Withheld, told
from postprober.errors import Throttled
from postprober.pipeline.core import transitions
from postprober.pipeline.core.claimed_delivery import (
    ClaimedDelivery,
    as_shown,
    asked_of,
    card_of,
    media_files,
    new_request_id,
)
from postprober.pipeline.verification import browser_checks
from postprober.pipeline.verification.completing import complete
from postprober.pipeline.verification.owner import NOT_ASKED, Desk, Owner
from postprober.pipeline.verification.polling import appointment, begin
from postprober.pipeline.verification.witness import WitnessReading, testify
from postprober.probe.compare import TEXT_DIFFERS, Comparison, compare, compare_media, compare_mentions
from postprober.probe.public import look
from postprober.storage import evidence_log, reads, watches
from postprober.storage.records import PartRecord

S = DeliveryState
# What a look leads to, written with the results of others in one transaction; returns what reading it came to.
Writer = Callable[[Connection], Used]


# Nobody looks: what a stranger is shown says nothing about a post that is not meant for strangers.
_NOT_FOR_STRANGERS = Look(
    Verdict.UNSURE, reason="only followers, or people who are signed in, can see it; its owner is asked"
)


@dataclass(frozen=True)
class Finding:
    """What one part looks like from both sides.

    `missing`: one side clearly says that it is not there. `readable` False: neither side could tell anything.
    """

    proof: Proof
    missing: bool
    readable: bool
    differences: tuple[str, ...]
    detail: dict[str, object]
    url: str = ""  # of the first part, as its owner reads it; some platforms name it only there
    seen: Observation = field(default_factory=lambda: Observation(False))  # for telling later changes
    after: tuple[dict[str, object], ...] = ()  # what is shown of each part
    owner_lost: bool = False  # its owner clearly does not have it any more
    owner_sees: bool = False
    blind: bool = False  # a stranger could not tell
    counts: Counts | None = None  # as strangers are told them
    outside: str = ""  # the print of what strangers alone see
    as_before: bool = False  # it differs from what was sent as it did before, and its owner was not asked
    withheld: Withheld | None = None  # why it is not public, by the platform's own word
    surely_withheld: bool = False  # its owner was told so; what strangers get may be a page that broke


def examine(
    work: ClaimedDelivery,
    desk: Desk | None = None,
    *,
    glance: bool = False,
    surely: bool = False,
    may_ask: bool = True,
    told: str = "",
    gone: bool = False,
) -> Finding:
    """All parts together: the weakest proof, any missing part, all differences. `glance`: its owner is asked only about
    what a stranger does not see as it was sent, and where the stranger could not tell only if it `may_ask`. `surely`: its
    owner reads it by itself. `told`: the print of what strangers saw when nothing was new, `gone`: that it is not
    there is known; neither is news. Raises Throttled."""
    single = len(work.delivery.parts) == 1
    asking = _Asking(desk or Desk([work]), glance, surely, may_ask, told if single else "", gone)
    findings = [_examine_part(work, part, part.ref, asking) for part in work.delivery.parts if part.ref is not None]
    weakest = min((f.proof for f in findings), key=PROOF_ORDER.index)
    return Finding(
        proof=weakest,
        missing=any(f.missing for f in findings),
        readable=all(f.readable for f in findings),
        differences=tuple(d for f in findings for d in f.differences),
        detail=findings[0].detail if len(findings) == 1 else {"parts": [f.detail for f in findings]},
        url=findings[0].url,
        seen=Observation(
            sure=all(f.seen.sure for f in findings),
            differences=tuple(d for f in findings for d in f.seen.differences),
            shown=tuple(text for f in findings for text in f.seen.shown),
            author=findings[0].seen.author,
        ),
        after=tuple(shown for f in findings for shown in f.after),
        owner_lost=any(f.owner_lost for f in findings),
        owner_sees=all(f.owner_sees for f in findings),
        blind=any(f.blind for f in findings),
        counts=findings[0].counts,
        outside=findings[0].outside if single else "",
        as_before=any(f.as_before for f in findings),
        withheld=next((f.withheld for f in findings if f.withheld is not None), None),
        surely_withheld=any(f.surely_withheld for f in findings),
    )


@dataclass(frozen=True)
class _Asking:
    """How the owner is asked at this look."""

    desk: Desk
    glance: bool
    surely: bool
    may_ask: bool
    told: str
    gone: bool


def _examine_part(work: ClaimedDelivery, part: PartRecord, ref: Ref, asking: _Asking) -> Finding:
    # Some platforms name the address only to its owner; from the proof on we know it.
    told = ref.url or (work.delivery.url or "" if part.index == 0 else "")
    asked = asked_of(work.delivery, part)
    part, files = as_shown(work.ctx, work.delivery, part)
    wish = asked.options.of(asked.stored)
    public = wish.is_public
    glancing = asking.glance and bool(told) and public
    owner = NOT_ASKED if glancing else asking.desk.owner(work, ref, surely=asking.surely)
    url = owner.post.ref.url if owner.post and owner.post.ref.url else told
    if wish.may_be_hidden and owner.post is not None and owner.post.public is False:
        public = False
    seen = (
        _NOT_FOR_STRANGERS
        if not public
        else look(
            work.ctx.http.bound(request_id=new_request_id()),
            work.account.platform,
            work.ctx.config_for(work.account.platform),
            url=url,
            remote_id=ref.remote_id,
            instance=work.account.instance,
            author=work.account.account_name,
            brief=glancing,
            options=frozenset(asked.stored),
        )
    )
    differs = seen.verdict is Verdict.FOUND and bool(_compared(part, files, seen, asked).differences)
    outside = _sure(part, files, NOT_ASKED, seen, asked).print if differs else ""
    lost = seen.verdict is Verdict.GONE and not asking.gone
    suspicious = lost or (differs and outside != asking.told)
    if glancing and (suspicious or (seen.verdict is not Verdict.FOUND and asking.may_ask)):
        owner = asking.desk.owner(work, ref, surely=suspicious)
    elif owner.shared and owner.post is not None and _contradicts(part, files, owner.post, seen, asked):
        owner = asking.desk.owner(work, ref, surely=True)
    as_before = differs and not suspicious and owner is NOT_ASKED
    witness = testify(work, ref) if owner is not NOT_ASKED and seen.verdict is not Verdict.FOUND else None
    return replace(_put_together(work, part, files, owner, seen, url, witness), outside=outside, as_before=as_before)


def _compared(
    part: PartRecord, files: tuple[MediaFile, ...], read: Look | RemotePost, asked: options.AskedFor
) -> Comparison:
    return compare(part.text, files, read, asked=asked, card=card_of(part))


def _contradicts(
    part: PartRecord, files: tuple[MediaFile, ...], shared: RemotePost, seen: Look, asked: options.AskedFor
) -> bool:
    """Whether a stranger sees something else than what was told of it among others, which may be older."""
    if seen.verdict is Verdict.GONE:
        return True
    whole = seen.verdict is Verdict.FOUND and not seen.partial
    told, known = _compared(part, files, seen, asked), _compared(part, files, shared, asked)
    return whole and told.differences != known.differences


def _put_together(
    work: ClaimedDelivery,
    part: PartRecord,
    files: tuple[MediaFile, ...],
    owner: Owner,
    seen: Look,
    url: str,
    witness: WitnessReading | None,
) -> Finding:
    gone = owner.known and owner.post is None
    witnessed = witness.post if witness is not None else None
    if seen.cards is None and owner.post is not None:  # few pages show programs their cards, and the record is the same
        seen = replace(seen, cards=owner.post.cards)
    source = seen if seen.verdict is Verdict.FOUND else owner.post or _worded(witnessed)
    asked = asked_of(work.delivery, part)
    comparison = compare(part.text, files, source, card=card_of(part)) if source is not None else None
    others, unknown = options.compare(asked, seen.options, owner.post.options if owner.post else {})
    others += _order(work, part, owner, seen)
    if (testimony := _worded(witnessed)) is not None:
        others += _compared(part, files, testimony, asked).differences
    for name, kind in (("document is", MediaKind.DOCUMENT), ("subtitles are", MediaKind.SUBTITLES)):
        if not any(file.kind is kind for file in files):
            continue
        shown = owner.post.media if owner.post else None
        others += compare_media(files, shown, asked)
        unknown += [f"Whether the {name} shown could not be seen."] if shown is None else []
    if spelled(part.text, work.delivery.platform):
        if owner.post is None:
            unknown += ["Whether the mentions lead to whom they name could not be seen."]
        else:
            others += compare_mentions(part.text, work.delivery.platform, owner.post.text)
    differences = tuple(dict.fromkeys((*(comparison.differences if comparison else ()), *others)))
    number = f"Part {part.index + 1}: " if len(work.delivery.parts) > 1 else ""
    said = owner.post.withheld if owner.post is not None else None
    withheld = said or seen.withheld
    if seen.verdict is Verdict.FOUND:
        proof = Proof.MATCHES if comparison and comparison.matches and not differences else Proof.PUBLIC
        withheld = None  # whatever the platform says of it, the public sees it
    elif withheld is not None:
        proof = Proof.NOT_PUBLIC
    elif witnessed is not None or (owner.post is not None and _was_witnessed(work, witness)):
        proof = Proof.WITNESSED
    elif owner.post is not None:
        proof = Proof.EXISTS
    else:
        proof = Proof.ACCEPTED
    sure = _sure(part, files, owner, seen, asked)
    return Finding(
        proof=proof,
        # What a stranger sees is there, even when the owner's reading lags behind.
        missing=withheld is None
        and ((gone and seen.verdict is not Verdict.FOUND and witnessed is None) or seen.verdict is Verdict.GONE),
        readable=withheld is not None
        or owner.known
        or seen.verdict in (Verdict.FOUND, Verdict.GONE)
        or witnessed is not None,
        differences=tuple(number + text for text in differences),
        detail={
            "owner": owner.reason or ("read back" if owner.post else "not there"),
            "public": seen.verdict.value,
            "public_reason": seen.reason,
            **({"witness": witness.reason} if witness is not None else {}),
            "url": url,
            "notes": [*(comparison.notes if comparison else ()), *unknown],
        },
        url=url,
        seen=Observation(sure.sure, tuple(number + text for text in sure.differences), sure.shown, sure.author),
        after=({"text": source.text, "media": len(source.media) if source.media is not None else None},)
        if source is not None
        else ({},),
        owner_lost=gone,
        owner_sees=owner.post is not None,
        blind=seen.verdict not in (Verdict.FOUND, Verdict.GONE),
        counts=seen.counts,
        withheld=withheld,
        surely_withheld=withheld is not None and said is not None,
    )


def _worded(witnessed: RemotePost | None) -> RemotePost | None:
    """What another account read, if it may read the words."""
    return witnessed if witnessed is not None and witnessed.worded else None


def _was_witnessed(work: ClaimedDelivery, witness: WitnessReading | None) -> bool:
    """Another account saw it before and could not be asked just now: that takes nothing back."""
    return witness is not None and witness.failed and work.delivery.proof is Proof.WITNESSED


def _sure(
    part: PartRecord, files: tuple[MediaFile, ...], owner: Owner, seen: Look, asked: options.AskedFor
) -> Observation:
    """What can be relied on when looking for changes: a difference that its owner reads too, or, where its owner cannot
    read (or not its media), one on a whole page."""
    whole = seen.verdict is Verdict.FOUND and not seen.partial
    author = (seen.author or "").lstrip("@").casefold() if seen.verdict is Verdict.FOUND else ""
    if owner.post is None:
        found = _compared(part, files, seen, asked).differences if whole else ()
        changed = (seen.text or "",) if TEXT_DIFFERS in found else ()
        return Observation(whole, found, changed, author)
    found = _compared(part, files, owner.post, asked).differences
    card_unseen = card_of(part) is not None and owner.post.cards is None
    if whole and (owner.post.media is None or card_unseen):
        found += tuple(d for d in _compared(part, files, seen, asked).differences if d != TEXT_DIFFERS)
    return Observation(True, found, (owner.post.text,) if TEXT_DIFFERS in found else (), author)


def _order(work: ClaimedDelivery, part: PartRecord, owner: Owner, seen: Look) -> tuple[str, ...]:
    """Whether the part follows the one before it in the thread, where anybody says."""
    if part.index == 0:
        return ()
    before = work.delivery.parts[part.index - 1].ref
    said = seen.reply_to if seen.verdict is Verdict.FOUND and seen.reply_to is not None else None
    if said is None and owner.post is not None and (owner.post.reply_to or owner.post.tells_reply):
        said = owner.post.reply_to
    if said is None or before is None or said == before.remote_id:
        return ()
    return (f"It does not follow part {part.index} in the thread.",)


def verify(work: ClaimedDelivery) -> None:
    """One look at a published delivery, and its consequence."""
    desk = Desk([work])
    write = proof_look(work, desk)
    with work.ctx.db.write() as conn:
        more = write(conn)
        reads.add(conn, work.account.id, work.now(), replace(more, calls=desk.calls))


def proof_look(work: ClaimedDelivery, desk: Desk) -> Writer:
    """One look of the proof; what is to be written. Where reading is billed a stranger looks first, and its owner is asked
    only about what the stranger does not see as it was sent."""
    billed = bool(work.ctx.prices(work.account.platform).read)
    # Of options, and of what follows what in a thread, strangers are told little.
    asked = len(work.delivery.parts) > 1 or any(part.options for part in work.delivery.parts)
    complete(work)
    try:
        finding = examine(work, desk, glance=billed and not asked)
    except Throttled as error:
        return again_later(work, error)
    readings = work.delivery.readings + 1
    last = readings >= len(work.ctx.timing.verify_after)
    good = not finding.missing and finding.readable and finding.proof not in (Proof.ACCEPTED, Proof.NOT_PUBLIC)
    if finding.withheld is not None and (last or finding.surely_withheld):
        act = _not_public
    elif good and (finding.proof is Proof.MATCHES or not finding.differences or last):
        act = _proved
    elif last and finding.missing:
        act = ghost
    elif last:
        act = _unproved
    else:
        act = _look_again

    def write(conn: Connection) -> Used:
        first = work.delivery.readings == 0 and work.delivery.state is S.PUBLISHED
        act(work, conn, finding)
        more = billed_now(work, conn, desk)
        return replace(more, **_came_out(work)) if first else more

    return write


def _came_out(work: ClaimedDelivery) -> dict[str, int]:
    """What this post adds to the month's allowance for reading, once."""
    prices, out = work.ctx.prices(work.account.platform), [p for p in work.delivery.parts if p.ref is not None]
    described = [sum(bool(f.alt) for f in media_files(work.ctx, work.delivery, p)) for p in out]
    cost = sum(cost_of_post(p.text, alts, prices) for p, alts in zip(out, described, strict=True))
    return {"posts": 1, "posted_micros": cost}


def billed_now(work: ClaimedDelivery, conn: Connection, desk: Desk) -> Used:
    """What reading it came to, and when that was: a platform that bills does so once a UTC day and post."""
    price = work.ctx.prices(work.account.platform).read
    count = sum(part.ref is not None and part.ref.remote_id in desk.asked for part in work.delivery.parts)
    if not price or not count:
        return Used()
    today, known = work.now().astimezone(UTC).date().isoformat(), watches.get(conn, work.delivery.id)
    if known.read_on == today:
        return Used()
    watches.put(conn, work.delivery.id, replace(known, read_on=today), work.now())
    return Used(micros=count * micros(price))


def _proved(work: ClaimedDelivery, conn: Connection, finding: Finding) -> None:
    now = work.now()
    status = StepStatus.WARNING if finding.differences else StepStatus.SUCCESS
    evidence_log.keep(conn, work.delivery.id, "proof", body_of(finding), now)
    work.log(conn, Step.VERIFICATION, status, **body_of(finding))
    known = watches.get(conn, work.delivery.id)
    known = begin(work, conn, replace(judge(replace(known, base=None), finding.seen)[0], blind=finding.blind))
    work.move(
        conn,
        S.VERIFIED,
        f"proof: {finding.proof.value}",
        proof=finding.proof,
        url=work.delivery.url or finding.url,
        verified_at=work.delivery.verified_at or now,
        readings=0,
        absences=0,
        lease_until=None,
        **appointment(work, conn, known),
    )
    browser_checks.ask(work, conn, "proof")


def ghost(work: ClaimedDelivery, conn: Connection, finding: Finding) -> None:
    reason = "Nobody can see it."
    if finding.owner_sees:
        reason = "Only its author can see it; a stranger cannot."
    evidence_log.keep(conn, work.delivery.id, "ghost", body_of(finding), work.now())
    work.log(conn, Step.VERIFICATION, StepStatus.FAILED, message=reason, **body_of(finding))
    work.move(
        conn,
        S.GHOST,
        reason,
        readings=0,
        absences=0,
        lease_until=None,
        next_at=work.now() + work.ctx.timing.ghost_recheck,
    )
    browser_checks.ask(work, conn, "ghost")


def _not_public(work: ClaimedDelivery, conn: Connection, finding: Finding) -> None:
    """The platform says why nobody sees it: no later look of the proof could tell more."""
    withhold(work, conn, finding)
    known = begin(work, conn, replace(watches.get(conn, work.delivery.id), blind=finding.blind))
    work.touch(conn, lease_until=None, **appointment(work, conn, known))


def withhold(work: ClaimedDelivery, conn: Connection, finding: Finding) -> None:
    """Accepted, not public: note the cause, and tell it where it is news. It is looked at again like any other."""
    cause, before = finding.withheld, work.delivery.cause
    if cause is None or (before == cause and work.delivery.proof is Proof.NOT_PUBLIC):
        return
    columns = {
        "proof": Proof.NOT_PUBLIC,
        "cause": cause,
        "url": work.delivery.url or finding.url or None,
        "readings": len(work.ctx.timing.verify_after),
        "absences": 0,
        "lease_until": None,
    }
    evidence_log.keep(conn, work.delivery.id, "not_public", {"cause": cause.value, **body_of(finding)}, work.now())
    work.log(conn, Step.VERIFICATION, StepStatus.WARNING, message=told(cause), cause=cause.value, **body_of(finding))
    if work.delivery.state is S.PUBLISHED:
        work.touch(conn, **columns)
    else:
        work.move(conn, S.PUBLISHED, told(cause), **columns)
    transitions.not_public(conn, work.delivery, cause, work.now())


def _unproved(work: ClaimedDelivery, conn: Connection, finding: Finding) -> None:
    """The platform lets nobody read it: stay with its word, and say so."""
    message = "The platform accepted it, but does not let anybody read it back; nothing more can be proved."
    work.log(conn, Step.VERIFICATION, StepStatus.WARNING, message=message, **body_of(finding))
    known = begin(work, conn, replace(watches.get(conn, work.delivery.id), blind=finding.blind))
    work.touch(conn, readings=work.delivery.readings + 1, lease_until=None, **appointment(work, conn, known))
    browser_checks.ask(work, conn, "proof")


def _look_again(work: ClaimedDelivery, conn: Connection, finding: Finding) -> None:
    plan, readings = work.ctx.timing.verify_after, work.delivery.readings + 1
    base = work.delivery.published_at or work.now()
    if readings == 1:
        work.log(conn, Step.VERIFICATION, StepStatus.PENDING, **body_of(finding))
    work.touch(conn, readings=readings, lease_until=None, next_at=max(base + plan[readings], work.now()))


def again_later(work: ClaimedDelivery, error: Throttled) -> Writer:
    """A limit: the look is put off."""

    def write(conn: Connection) -> Used:
        pause = work.now() + work.ctx.timing.unsure_retries[-1]
        work.touch(conn, lease_until=None, next_at=max(error.retry_at or pause, pause))
        return Used()

    return write


def body_of(finding: Finding) -> dict[str, object]:
    return {"proof": finding.proof.value, "differences": list(finding.differences), **finding.detail}
