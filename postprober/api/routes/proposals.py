"""What a program does before a person publishes: check a text, find a time, propose, and take it back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from postprober.api.auth import CallerDep, require
from postprober.api.deps import CoreDep
from postprober.api.idempotency import OnceDep, StoredAnswer
from postprober.api.problems import responses
from postprober.api.schemas import IfMatch, PathId, PostBody, ProposalBody, versions_of
from postprober.api.views import PostOut
from postprober.domain.actor import Actor
from postprober.domain.platform import NAMES
from postprober.domain.post import PostStatus, Preflight
from postprober.services.accounts import accounts
from postprober.services.core import Core, Mark
from postprober.services.posts import drafts, posts, proposals, queue, review_gate
from postprober.services.posts.proposals import Proposal
from postprober.storage.records import Account

router = APIRouter(prefix="/api/posts", tags=["proposals"])


class WhenOut(BaseModel):
    """A moment as a person reads it and as a program does. `local`: in the person's zone."""

    weekday: str = Field(examples=["Monday"])
    local: datetime = Field(examples=["2027-03-01T09:00:00+01:00"])
    zone: str = Field(examples=["Europe/Berlin"])
    utc: datetime = Field(examples=["2027-03-01T08:00:00Z"])

    @classmethod
    def of(cls, moment: datetime, zone: str) -> Self:
        local = moment.astimezone(ZoneInfo(zone))
        return cls(weekday=f"{local:%A}", local=local, zone=zone, utc=moment.astimezone(UTC))


class CheckedOut(BaseModel):
    """What one account would say. `length` is counted as the platform counts; `over`: by how much; `notes`: what need not be
    changed, such as a video that is converted before it is sent."""

    account_id: int = Field(examples=[1])
    account: str = Field(examples=["News (news@social.example)"])
    ok: bool
    length: int = Field(examples=[312])
    limit: int = Field(examples=[500])
    violations: list[dict[str, Any]] = Field(examples=[[{"code": "too_long", "message": "…", "over": 12}]])
    notes: list[dict[str, Any]] = Field(examples=[[{"code": "video_converted", "message": "…"}]])

    @classmethod
    def of(cls, account: Account, result: Preflight) -> Self:
        return cls(
            account_id=account.id,
            account=f"{NAMES[account.platform]} ({account.account_name})",
            ok=result.ok,
            length=result.length,
            limit=result.limit,
            violations=[{"code": v.code, "message": v.message, "over": v.over} for v in result.violations],
            notes=[{"code": note.code, "message": note.message} for note in result.notes],
        )


class CheckList(BaseModel):
    """`digest`: SHA-256 of everything that a reader would see; `when` null: as soon as it is published."""

    ok: bool
    accounts: list[CheckedOut]
    digest: str
    when: WhenOut | None


class ProposalOut(BaseModel):
    """`status` of the post: `review` waits for a person at `decide_at`; `scheduled` where the token may publish without
    asking. `is_new` false: the same was proposed before, and this is what became of it."""

    post: PostOut
    is_new: bool
    waits_for_a_person: bool
    decide_at: str = Field(examples=["https://post.example.org/monitor?post=12"])
    digest: str
    when: WhenOut | None


class SlotOut(BaseModel):
    """The next time of the person's queue for which nothing is planned."""

    when: WhenOut


@router.post("/preflight", summary="Check a post, write nothing", responses=responses(401, 403, 404, 422))
def preflight(body: PostBody, core: CoreDep, caller: CallerDep) -> CheckList:
    """Every account's limits, counted as its platform counts. May ask the platforms what they allow at this moment."""
    require(caller, "posts:read")
    wish = body.wish()
    found = posts.check(core, caller.actor, wish)
    named = {account.id: account for account in accounts.listing(core, caller.actor)}
    return CheckList(
        ok=all(result.ok for result in found.values()),
        accounts=[CheckedOut.of(named[account_id], result) for account_id, result in found.items()],
        digest=review_gate.digest(wish),
        when=WhenOut.of(wish.at, caller.actor.zone) if wish.at else None,
    )


@router.get("/next-slot", summary="Find the next free time", responses=responses(401, 403, 422))
def next_slot(core: CoreDep, caller: CallerDep) -> SlotOut:
    """Of the times at which the person likes to post, the first for which nothing is planned."""
    require(caller, "posts:read")
    return SlotOut(when=WhenOut.of(queue.next_free(core, caller.actor), caller.actor.zone))


@router.post(
    "/propose",
    status_code=201,
    summary="Propose a post",
    response_model=ProposalOut,
    responses=responses(401, 403, 404, 409, 422),
)
def propose(body: ProposalBody, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """Checked like one that is published, then it waits for a person, who reads exactly this. The same text for the same
    accounts and time, proposed with one token, or the same `key`, is one post, however often it is proposed."""
    require(caller, "posts:propose")

    def work(mark: Mark, made: int | None) -> StoredAnswer:
        if made is not None:
            return _answer(core, caller.actor, Proposal(drafts.get(core, caller.actor, made), True))
        return _answer(core, caller.actor, proposals.propose(core, caller.actor, body.wish(), mark, key=body.key))

    return once.answer(body.model_dump_json(), work)


@router.post(
    "/{post_id}/propose",
    summary="Propose a draft",
    response_model=ProposalOut,
    responses=responses(401, 403, 404, 409, 412, 422),
)
def propose_draft(
    post_id: PathId, core: CoreDep, caller: CallerDep, once: OnceDep, if_match: IfMatch = None
) -> Response:
    """The draft as it stands waits for a person from now on. With `If-Match` only the version that was read."""
    require(caller, "posts:propose")

    def work(mark: Mark, made: int | None) -> StoredAnswer:
        if made is not None:
            return _answer(core, caller.actor, Proposal(drafts.get(core, caller.actor, made), True), 200)
        done = proposals.propose_draft(core, caller.actor, post_id, versions_of(if_match), mark)
        return _answer(core, caller.actor, done, 200)

    return once.answer(if_match or "", work)


@router.post(
    "/{post_id}/withdraw",
    status_code=204,
    summary="Take back a proposal",
    responses=responses(401, 403, 404, 409, 412, 422),
)
def withdraw(post_id: PathId, core: CoreDep, caller: CallerDep, if_match: IfMatch = None) -> None:
    """One that no person has decided about, and that was proposed by the same person or one of their tokens."""
    require(caller, "posts:propose")
    proposals.withdraw(core, caller.actor, post_id, versions_of(if_match))


def _answer(core: Core, actor: Actor, done: Proposal, created: int = 201) -> StoredAnswer:
    post = done.post
    wish = drafts.wish_of(post)
    shown = ProposalOut(
        post=PostOut.of(post),
        is_new=done.is_new,
        waits_for_a_person=post.status == PostStatus.REVIEW,
        decide_at=f"{core.settings.app_base}/monitor?post={post.id}",
        digest=review_gate.digest(wish),
        when=WhenOut.of(wish.at, actor.zone) if wish.at else None,
    )
    headers = {"ETag": f'"{post.version}"', "Location": f"/api/posts/{post.id}"}
    return StoredAnswer(created if done.is_new else 200, shown, headers)
