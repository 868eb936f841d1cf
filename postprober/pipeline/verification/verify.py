"""Proof: the owner reads it back, a stranger sees it, and it is what was sent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from postprober.domain.delivery import PROOF_ORDER, DeliveryState, Proof, Step, StepStatus
from postprober.domain.drift import Seen, judge
from postprober.domain.post import MediaFile
from postprober.domain.public_look import Look, Verdict
from postprober.domain.remote import Ref, RemotePost
from postprober.errors import PlatformError, ReconnectNeeded, Throttled, Unavailable, UnexpectedReply
from postprober.pipeline.core.claimed_delivery import Work, media_files, new_request_id
from postprober.pipeline.core.context import Wiretap
from postprober.pipeline.core.tokens import ensure_valid, reading_refused
from postprober.pipeline.verification import browser_looks
from postprober.pipeline.verification.polling import first_poll
from postprober.platforms.common.adapter import Adapter
from postprober.probe.compare import TEXT_DIFFERS, compare
from postprober.probe.public import look
from postprober.storage import evidence_log, watches
from postprober.storage.records import PartRecord

S = DeliveryState
_CLOCK_SLACK = timedelta(minutes=2)  # the platform's clock and ours


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
    seen: Seen = field(default_factory=lambda: Seen(False))  # for telling later changes
    after: tuple[dict[str, object], ...] = ()  # what is shown of each part
    owner_lost: bool = False  # its owner clearly does not have it any more
    owner_sees: bool = False


@dataclass(frozen=True)
class Owner:
    """The owner's reading: `post` None with `known` True means clearly not there."""

    post: RemotePost | None
    known: bool
    reason: str = ""


def examine(work: Work, *, glance: bool = False) -> Finding:
    """All parts together: the weakest proof, any missing part, all differences. `glance`: its owner is asked only about
    what a stranger does not see as it was sent. Raises Throttled."""
    findings = [_examine_part(work, part, part.ref, glance) for part in work.delivery.parts if part.ref is not None]
    weakest = min((f.proof for f in findings), key=PROOF_ORDER.index)
    return Finding(
        proof=weakest,
        missing=any(f.missing for f in findings),
        readable=all(f.readable for f in findings),
        differences=tuple(d for f in findings for d in f.differences),
        detail=findings[0].detail if len(findings) == 1 else {"parts": [f.detail for f in findings]},
        url=findings[0].url,
        seen=Seen(
            sure=all(f.seen.sure for f in findings),
            differences=tuple(d for f in findings for d in f.seen.differences),
            shown=tuple(text for f in findings for text in f.seen.shown),
            author=findings[0].seen.author,
        ),
        after=tuple(shown for f in findings for shown in f.after),
        owner_lost=any(f.owner_lost for f in findings),
        owner_sees=all(f.owner_sees for f in findings),
    )


def _examine_part(work: Work, part: PartRecord, ref: Ref, glance: bool) -> Finding:
    # Some platforms name the address only to its owner; from the proof on we know it.
    told = ref.url or (work.delivery.url or "" if part.index == 0 else "")
    glancing = glance and bool(told)
    owner = Owner(None, False, "not asked") if glancing else _as_owner(work, ref)
    url = owner.post.ref.url if owner.post and owner.post.ref.url else told
    seen = look(
        work.ctx.http.bound(request_id=new_request_id()), work.account.platform,
        work.ctx.config_for(work.account.platform), url=url, remote_id=ref.remote_id, instance=work.account.instance,
        author=work.account.account_name,
    )  # fmt: skip
    files = media_files(work.ctx, work.delivery, part.media)
    if glancing and (seen.verdict is not Verdict.FOUND or compare(part.text, files, seen).differences):
        owner = _as_owner(work, ref)
    return _put_together(work, part, files, owner, seen, url)


def _put_together(
    work: Work, part: PartRecord, files: tuple[MediaFile, ...], owner: Owner, seen: Look, url: str
) -> Finding:
    gone = owner.known and owner.post is None
    source = seen if seen.verdict is Verdict.FOUND else owner.post
    comparison = compare(part.text, files, source) if source is not None else None
    differences = (*(comparison.differences if comparison else ()), *_order(work, part, owner, seen))
    number = f"Part {part.index + 1}: " if len(work.delivery.parts) > 1 else ""
    if seen.verdict is Verdict.FOUND:
        proof = Proof.MATCHES if comparison and comparison.matches and not differences else Proof.PUBLIC
    elif owner.post is not None:
        proof = Proof.EXISTS
    else:
        proof = Proof.ACCEPTED
    sure = _sure(part, files, owner, seen)
    return Finding(
        proof=proof,
        # What a stranger sees is there, even when the owner's reading lags behind.
        missing=(gone and seen.verdict is not Verdict.FOUND) or seen.verdict is Verdict.GONE,
        readable=owner.known or seen.verdict in (Verdict.FOUND, Verdict.GONE),
        differences=tuple(number + text for text in differences),
        detail={
            "owner": owner.reason or ("read back" if owner.post else "not there"),
            "public": seen.verdict.value, "public_reason": seen.reason, "url": url,
            "notes": list(comparison.notes) if comparison else [],
        },
        url=url,
        seen=Seen(sure.sure, tuple(number + text for text in sure.differences), sure.shown, sure.author),
        after=({"text": source.text, "media": len(source.media) if source.media is not None else None},)
        if source is not None
        else ({},),
        owner_lost=gone,
        owner_sees=owner.post is not None,
    )  # fmt: skip


def _sure(part: PartRecord, files: tuple[MediaFile, ...], owner: Owner, seen: Look) -> Seen:
    """What can be relied on when looking for changes: a difference that its owner reads too, or, where its owner cannot
    read (or not its media), one on a whole page."""
    whole = seen.verdict is Verdict.FOUND and not seen.partial
    author = (seen.author or "").lstrip("@").casefold() if seen.verdict is Verdict.FOUND else ""
    if owner.post is None:
        found = compare(part.text, files, seen).differences if whole else ()
        changed = (seen.text or "",) if TEXT_DIFFERS in found else ()
        return Seen(whole, found, changed, author)
    found = compare(part.text, files, owner.post).differences
    if owner.post.media is None and whole:
        found += tuple(d for d in compare(part.text, files, seen).differences if d != TEXT_DIFFERS)
    return Seen(True, found, (owner.post.text,) if TEXT_DIFFERS in found else (), author)


def _order(work: Work, part: PartRecord, owner: Owner, seen: Look) -> tuple[str, ...]:
    """Whether the part follows the one before it in the thread, where anybody says."""
    if part.index == 0:
        return ()
    before = work.delivery.parts[part.index - 1].ref
    said = seen.reply_to if seen.verdict is Verdict.FOUND and seen.reply_to is not None else None
    if said is None and owner.post is not None and owner.post.reply_to:
        said = owner.post.reply_to
    if said is None or before is None or said == before.remote_id:
        return ()
    return (f"It does not follow part {part.index} in the thread.",)


def _as_owner(work: Work, ref: Ref) -> Owner:
    try:
        work.account, work.cred = ensure_valid(work.ctx, work.delivery, work.account)
        adapter = work.adapter(work.http(Wiretap(), new_request_id()))
        try:
            return Owner(adapter.fetch(work.cred, ref.remote_id), True)
        except (Unavailable, UnexpectedReply):
            if not adapter.traits.lists_own:
                raise
            return _in_the_list(work, adapter, ref)
    except Throttled:
        raise
    except ReconnectNeeded as error:
        work.account = reading_refused(work.ctx, work.delivery, work.account)
        return Owner(None, False, error.message)
    except PlatformError as error:
        return Owner(None, False, error.message)


def _in_the_list(work: Work, adapter: Adapter, ref: Ref) -> Owner:
    """Reading one post can fail while the list works: then the list decides."""
    since = (work.delivery.published_at or work.now()) - _CLOCK_SLACK
    timeline = adapter.recent(work.cred, since)
    post = next((p for p in timeline.posts if p.ref.remote_id == ref.remote_id), None)
    if post is not None or timeline.complete:
        return Owner(post, True, "looked up in the list of own posts")
    return Owner(None, False, "the list of own posts does not reach back far enough")


def verify(work: Work) -> None:
    """One look at a published delivery, and its consequence."""
    try:
        finding = examine(work)
    except Throttled as error:
        _again_later(work, error)
        return
    readings = work.delivery.readings + 1
    last = readings >= len(work.ctx.timing.verify_after)
    good = not finding.missing and finding.readable and finding.proof is not Proof.ACCEPTED
    if good and (finding.proof is Proof.MATCHES or not finding.differences or last):
        _proved(work, finding)
    elif last and finding.missing:
        ghost(work, finding)
    elif last:
        _unproved(work, finding)
    else:
        _look_again(work, finding, readings)


def _proved(work: Work, finding: Finding) -> None:
    now = work.now()
    status = StepStatus.WARNING if finding.differences else StepStatus.SUCCESS
    with work.ctx.db.write() as conn:
        evidence_log.keep(conn, work.delivery.id, "proof", _body(finding), now)
        work.log(conn, Step.VERIFICATION, status, **_body(finding))
        work.move(
            conn, S.VERIFIED, f"proof: {finding.proof.value}", proof=finding.proof, url=work.delivery.url or finding.url,
            verified_at=work.delivery.verified_at or now, readings=0, absences=0, lease_until=None,
            next_at=first_poll(work, conn),
        )  # fmt: skip
        known = watches.get(conn, work.delivery.id)
        watches.put(conn, work.delivery.id, judge(replace(known, base=None), finding.seen)[0], now)
        browser_looks.ask(work, conn, "proof")


def ghost(work: Work, finding: Finding) -> None:
    reason = "Nobody can see it."
    if finding.detail.get("owner") == "read back":
        reason = "Only its author can see it; a stranger cannot."
    with work.ctx.db.write() as conn:
        evidence_log.keep(conn, work.delivery.id, "ghost", _body(finding), work.now())
        work.log(conn, Step.VERIFICATION, StepStatus.FAILED, message=reason, **_body(finding))
        work.move(
            conn, S.GHOST, reason, readings=0, absences=0, lease_until=None,
            next_at=work.now() + work.ctx.timing.ghost_recheck,
        )  # fmt: skip
        browser_looks.ask(work, conn, "ghost")


def _unproved(work: Work, finding: Finding) -> None:
    """The platform lets nobody read it: stay with its word, and say so."""
    message = "The platform accepted it, but does not let anybody read it back; nothing more can be proved."
    with work.ctx.db.write() as conn:
        work.log(conn, Step.VERIFICATION, StepStatus.WARNING, message=message, **_body(finding))
        work.touch(conn, readings=work.delivery.readings + 1, lease_until=None, next_at=first_poll(work, conn))
        browser_looks.ask(work, conn, "proof")


def _look_again(work: Work, finding: Finding, readings: int) -> None:
    plan = work.ctx.timing.verify_after
    base = work.delivery.published_at or work.now()
    with work.ctx.db.write() as conn:
        if readings == 1:
            work.log(conn, Step.VERIFICATION, StepStatus.PENDING, **_body(finding))
        work.touch(conn, readings=readings, lease_until=None, next_at=max(base + plan[readings], work.now()))


def _again_later(work: Work, error: Throttled) -> None:
    pause = work.now() + work.ctx.timing.unsure_retries[-1]
    with work.ctx.db.write() as conn:
        work.touch(conn, lease_until=None, next_at=max(error.retry_at or pause, pause))


def _body(finding: Finding) -> dict[str, object]:
    return {"proof": finding.proof.value, "differences": list(finding.differences), **finding.detail}
