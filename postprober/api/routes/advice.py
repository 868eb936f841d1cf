"""What the agent says about a post, and what people decide about it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from postprober.api.auth import CallerDep, require
from postprober.api.deps import CoreDep
from postprober.api.problems import responses
from postprober.api.schemas import Body, IfMatch, PathId, versions_of
from postprober.api.views import PostOut, Suggestions
from postprober.services.posts import advice, drafts

router = APIRouter(prefix="/api/posts/{post_id}", tags=["advice"])

SuggestionId = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$", examples=["0123456789ab"])]


class ReviewBody(Body):
    """A person's word about a post in review."""

    approve: bool = Field(
        strict=True, description="Publish it as it stands; otherwise it is a draft again", examples=[True]
    )


class IntendedBody(Body):
    """A reason of the review, as `details` has it."""

    kind: str = Field(min_length=1, max_length=40, examples=["placeholder"])
    piece: str = Field(min_length=1, max_length=200, examples=["[link]"])


@router.get("/suggestions", summary="Read what the agent says", responses=responses(401, 403, 404, 422))
def read(post_id: PathId, core: CoreDep, caller: CallerDep) -> Suggestions:
    """The review, and suggestions to accept or refuse one by one."""
    require(caller, "posts:read")
    return Suggestions.of(drafts.get(core, caller.actor, post_id).ai_suggestions)


@router.post("/suggestions", summary="Ask the agent now", responses=responses(401, 403, 404, 409, 422))
def ask(post_id: PathId, core: CoreDep, caller: CallerDep) -> Suggestions:
    """Answers when they are made, which takes some seconds with a model. What was decided before stays decided."""
    require(caller, "posts:draft")
    return Suggestions.of(advice.ask(core, caller.actor, post_id).to_json())


@router.post(
    "/suggestions/{suggestion_id}/accept",
    summary="Put a suggestion into the post",
    responses=responses(401, 403, 404, 409, 422),
)
def accept(post_id: PathId, suggestion_id: SuggestionId, core: CoreDep, caller: CallerDep) -> PostOut:
    """409 when the text is another by now, or the post is on its way."""
    require(caller, "posts:draft")
    return PostOut.of(advice.accept(core, caller.actor, post_id, suggestion_id))


@router.post(
    "/suggestions/{suggestion_id}/refuse", summary="Refuse a suggestion", responses=responses(401, 403, 404, 409, 422)
)
def refuse(post_id: PathId, suggestion_id: SuggestionId, core: CoreDep, caller: CallerDep) -> Suggestions:
    """It is remembered, and not made again."""
    require(caller, "posts:draft")
    return Suggestions.of(advice.refuse(core, caller.actor, post_id, suggestion_id).to_json())


@router.post("/review", summary="Decide about a post in review", responses=responses(401, 403, 404, 409, 412, 422))
def decide(post_id: PathId, body: ReviewBody, core: CoreDep, caller: CallerDep, if_match: IfMatch = None) -> PostOut:
    """Approved, it is checked against the platforms' limits and planned. With `If-Match` only the version that was read is
    decided about."""
    require(caller, "posts:approve")
    read = drafts.get(core, caller.actor, post_id, versions_of(if_match))
    version = None if if_match is None else read.version
    return PostOut.of(advice.decide_review(core, caller.actor, post_id, body.approve, version))


@router.post("/review/intended", summary="Say that a reason is intended", responses=responses(401, 403, 404, 409, 422))
def intend(post_id: PathId, body: IntendedBody, core: CoreDep, caller: CallerDep) -> Suggestions:
    """The same piece raises no doubt on this post's accounts any more, in no post. Not for secrets and card numbers. The
    post stays where it is."""
    require(caller, "posts:approve")
    return Suggestions.of(advice.intend(core, caller.actor, post_id, body.kind, body.piece).to_json())
