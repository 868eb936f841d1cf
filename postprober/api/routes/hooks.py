"""Hooks in: other services say that something happened, and a draft or a proposal is written from it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from postprober.api.auth import CallerDep, require
from postprober.api.deps import CoreDep
from postprober.api.problems import responses
from postprober.api.schemas import Body, Id, Text
from postprober.services.posts import hooks
from postprober.services.posts.hooks import Hook

router = APIRouter(prefix="/api/hooks", tags=["hooks"])
Address = Annotated[str, Path(pattern=r"^hk_[A-Za-z0-9_-]{20,100}$", examples=["hk_…"])]


Number = Annotated[str, Path(pattern=r"^[1-9][0-9]{0,14}$", description="The hook's id", examples=["7"])]


class HookBody(Body):
    """A hook as it shall be. `template`: with names of what the message says, as in {{release.name}}."""

    name: Annotated[Text, Field(min_length=1, max_length=120)] = Field(examples=["releases"])
    account_ids: list[Id] = Field(min_length=1, max_length=100, examples=[[1]])
    template: Annotated[Text, Field(min_length=1, max_length=hooks.MAX_TEMPLATE)] = Field(
        examples=["{{release.name}} is out: {{release.html_url}}"]
    )
    mode: Literal["draft", "propose"] = Field("propose", description="A proposal waits for a person")


class HookOut(BaseModel):
    id: int = Field(examples=[7])
    name: str = Field(examples=["releases"])
    account_ids: list[int] = Field(examples=[[1]])
    template: str
    mode: Literal["draft", "propose"]
    created_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, hook: Hook) -> Self:
        return cls(
            id=hook.id,
            name=hook.name,
            account_ids=list(hook.account_ids),
            template=hook.template,
            mode=hook.mode,
            created_at=hook.created_at,
            last_used_at=hook.last_used_at,
        )


class NewHookOut(HookOut):
    url: str = Field(description="Shown this once", examples=["https://post.example.org/api/hooks/hk_…"])
    secret: str = Field(description="Messages are signed with it; shown this once", examples=["whsec_…"])


class HookList(BaseModel):
    items: list[HookOut]


class HookAnswer(BaseModel):
    """The post that a message made, or had made before."""

    post_id: int = Field(examples=[12])
    status: str = Field(examples=["review"])
    is_new: bool


@router.post("", status_code=201, summary="Make a hook", responses=responses(401, 403, 404, 422))
def create(body: HookBody, core: CoreDep, caller: CallerDep) -> NewHookOut:
    """An address for one service. API tokens cannot make hooks."""
    require(caller, "tokens:write")
    made = hooks.create(
        core,
        caller.actor,
        name=body.name,
        account_ids=body.account_ids,
        template=body.template,
        mode=body.mode,
    )
    url = f"{core.settings.public_base}/api/hooks/{made.address}"
    return NewHookOut(**HookOut.of(made.hook).model_dump(), url=url, secret=made.secret)


@router.get("", summary="List my hooks", responses=responses(401, 403))
def listing(core: CoreDep, caller: CallerDep) -> HookList:
    """Oldest first, without their addresses."""
    require(caller, "tokens:read")
    return HookList(items=[HookOut.of(one) for one in hooks.listing(core, caller.actor)])


@router.delete("/{hook}", status_code=204, summary="Remove a hook", responses=responses(401, 403, 404, 422))
def remove(hook: Number, core: CoreDep, caller: CallerDep) -> None:
    """Nothing comes in by it any more. Named by its `id`."""
    require(caller, "tokens:write")
    hooks.remove(core, caller.actor, int(hook))


@router.post(
    "/{hook}",
    status_code=202,
    summary="Bring a message to a hook",
    response_model=HookAnswer,
    responses=responses(403, 404, 409, 413, 422),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}, "example": {"release": {"name": "v1.4"}}}},
        }
    },
)
async def receive(hook: Address, request: Request, core: CoreDep) -> Response:
    """JSON, signed with the hook's secret (Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`). The
    same `webhook-id` again makes no second post."""
    body = await request.body()
    post, is_new = await run_in_threadpool(hooks.receive, core, hook, dict(request.headers), body)
    told = HookAnswer(post_id=post.id, status=post.status, is_new=is_new)
    return Response(told.model_dump_json(), 202, media_type="application/json")
