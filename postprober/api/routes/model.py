"""Whether a space asks the language model, and what is left of its budget."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from postprober.api.auth import CallerDep, require
from postprober.api.deps import CoreDep
from postprober.api.problems import responses
from postprober.api.schemas import Body, Text
from postprober.services.operations import model_use

router = APIRouter(prefix="/api/model", tags=["advice"])


class ModelChoice(Body):
    """An owner's word. `model` and `server` are those of the notice that was read."""

    on: bool = Field(strict=True, description="Show the space's posts to the model", examples=[True])
    pictures: bool = Field(
        False, strict=True, description="Show it small copies of pictures without alt text, too", examples=[False]
    )
    model: Annotated[Text, Field(max_length=200)] = Field("", examples=["gpt-4.1-mini"])
    server: Annotated[Text, Field(max_length=2000)] = Field("", examples=["https://api.openai.com/v1"])


class Amount(BaseModel):
    tokens: int = Field(examples=[1200])
    money: float = Field(description="In the currency of the prices that are set", examples=[0.0012])


class ModelOut(BaseModel):
    """`set_up` false: rules do all the work, and the rest says nothing."""

    set_up: bool
    on: bool
    pictures: bool
    because: str = Field(description="Why the model is not asked; empty while it is", examples=[""])
    trouble: str = Field(description="What the operator has to mend; empty for nothing", examples=[""])
    model: str = Field(examples=["gpt-4.1-mini"])
    server: str = Field(examples=["https://api.openai.com/v1"])
    sent: list[str]
    sent_of_pictures: str = Field(description="Sent only while `pictures` is true")
    kept: list[str] = Field(description="What is never sent")
    agreed_by: str = Field(examples=["Maria"])
    agreed_at: datetime | None
    today: Amount
    this_month: Amount
    share: Amount = Field(description="Of one day, for each space that asks the model")
    left: Amount
    renews_at: datetime | None

    @classmethod
    def of(cls, found: model_use.SpaceModel | None) -> ModelOut:
        if found is None:
            nothing = Amount(tokens=0, money=0.0)
            return cls(
                set_up=False,
                on=False,
                pictures=False,
                because="No language model is set up.",
                trouble="",
                model="",
                server="",
                sent=[],
                sent_of_pictures="",
                kept=[],
                agreed_by="",
                agreed_at=None,
                today=nothing,
                this_month=nothing,
                share=nothing,
                left=nothing,
                renews_at=None,
            )
        notice = found.notice
        return cls(
            set_up=True,
            on=found.on,
            pictures=found.pictures,
            because=found.because,
            trouble=found.trouble,
            model=notice.model,
            server=notice.server,
            sent=list(notice.sent),
            sent_of_pictures=notice.sent_of_pictures,
            kept=list(notice.kept),
            agreed_by=found.agreed_by,
            agreed_at=found.agreed_at,
            today=Amount(**vars(found.today)),
            this_month=Amount(**vars(found.this_month)),
            share=Amount(**vars(found.share)),
            left=Amount(**vars(found.left)),
            renews_at=found.renews_at,
        )


@router.get("", summary="Is the model asked, and what is left?", responses=responses(401, 403))
def read(core: CoreDep, caller: CallerDep) -> ModelOut:
    """Of your space: the notice, who agreed to it and when, and the budget."""
    require(caller, "posts:read")
    return ModelOut.of(model_use.get(core, caller.actor))


@router.put("", summary="Turn the model on or off", responses=responses(401, 403, 409, 422))
def put(body: ModelChoice, core: CoreDep, caller: CallerDep) -> ModelOut:
    """For the whole space, by an owner. 409 when the notice is not that of the model that is set up."""
    require(caller, "posts:approve")
    return ModelOut.of(model_use.put(core, caller.actor, body.on, body.pictures, body.model, body.server))
