"""Where a person wants to be told, and when."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from postprober.api.auth import CallerDep, require
from postprober.api.deps import CoreDep
from postprober.api.idempotency import OnceDep, StoredAnswer
from postprober.api.problems import responses
from postprober.api.schemas import Body, PathId, Text
from postprober.domain.alert import AlertKind, Preferences
from postprober.services.core import Mark
from postprober.services.notifications import channels

router = APIRouter(prefix="/api/channels", tags=["alerts"])
Kinds = Annotated[
    list[AlertKind], Field(max_length=20, description="Which alerts; empty for all", examples=[["failed", "held"]])
]
Minutes = Annotated[int, Field(strict=True, ge=0, le=channels.MOST_MINUTES)]
ClockTime = Annotated[str, Field(pattern=r"^$|^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["22:00"])]


class NewChannel(Body):
    kind: Literal["apprise", "webhook", "email"] = Field(examples=["webhook"])
    name: Annotated[Text, Field(min_length=1, max_length=channels.MAX_NAME)] = Field(examples=["on call"])
    url: Annotated[Text, Field(max_length=channels.MAX_URL)] = Field(
        "",
        description="Apprise address, https address, or e-mail address (yours if left out)",
        examples=["https://hooks.example.org/postprober"],
    )
    kinds: Kinds = []
    escalation: bool = Field(False, strict=True, description="Escalations only: alerts left unread")


class ChannelChange(Body):
    kinds: Kinds = []
    escalation: bool = Field(False, strict=True)
    is_active: bool = Field(True, strict=True)


class ChannelOut(BaseModel):
    id: int = Field(examples=[3])
    name: str = Field(examples=["on call"])
    kind: str = Field(examples=["webhook"])
    where: str = Field(
        description="Its address, without what may be secret in it", examples=["https://hooks.example.org/…"]
    )
    kinds: list[str] = Field(examples=[["failed", "held"]])
    escalation: bool
    is_active: bool
    failing_since: datetime | None
    off_reason: str = Field(examples=[""])
    created_at: datetime


class NewChannelOut(ChannelOut):
    secret: str = Field(description="Signs a webhook's messages; shown this once", examples=["whsec_…"])


class Channels(BaseModel):
    items: list[ChannelOut]


class LogEntry(BaseModel):
    id: int = Field(examples=[41])
    alert_id: int = Field(examples=[12])
    key: str = Field(description="The same for every attempt", examples=["delivery:7:held:31:3"])
    why: str = Field(description="new, again or escalation", examples=["new"])
    created_at: datetime
    sent_at: datetime | None
    next_at: datetime | None
    tries: int = Field(examples=[1])
    error: str = Field(examples=[""])


class Log(BaseModel):
    items: list[LogEntry]


class Wishes(Body):
    """When to be told, and when not."""

    quiet_from: ClockTime = ""
    quiet_to: ClockTime = ""
    urgent: bool = Field(True, strict=True, description="Send errors during quiet hours too")
    again_minutes: Minutes = Field(0, description="Repeat unread errors every so many minutes; 0 is off")
    again_times: int = Field(3, strict=True, ge=0, le=10)
    escalate_minutes: Minutes = Field(0, description="Alert the escalation channels after so many minutes; 0 is off")


@router.get("", summary="List channels", responses=responses(401, 403))
def listing(core: CoreDep, caller: CallerDep) -> Channels:
    """Oldest first."""
    require(caller, "alerts:read")
    return Channels(items=[ChannelOut(**vars(one)) for one in channels.listing(core, caller.actor)])


@router.post(
    "",
    status_code=201,
    summary="Add a channel",
    response_model=NewChannelOut,
    responses=responses(401, 403, 404, 409, 422),
)
def create(body: NewChannel, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """A webhook's `secret` is shown this once: its messages are signed as the Standard Webhooks specification says."""
    require(caller, "alerts:write")

    def work(mark: Mark, made: int | None) -> StoredAnswer:
        if made is not None:  # the answer with the secret got lost; the channel is there
            return StoredAnswer(201, NewChannelOut(**vars(channels.get(core, caller.actor, made)), secret=""))
        view, secret = channels.add(
            core,
            caller.actor,
            kind=body.kind,
            name=body.name,
            url=body.url,
            kinds=[k.value for k in body.kinds],
            escalation=body.escalation,
            mark=mark,
        )
        return StoredAnswer(201, NewChannelOut(**vars(view), secret=secret))

    return once.answer(body.model_dump_json(), work)


@router.put("/{channel_id}", summary="Change a channel", responses=responses(401, 403, 404, 422))
def change(channel_id: PathId, body: ChannelChange, core: CoreDep, caller: CallerDep) -> ChannelOut:
    """Which alerts, on or off. What it missed in the last three days while it was off is sent then."""
    require(caller, "alerts:write")
    view = channels.change(
        core,
        caller.actor,
        channel_id,
        kinds=[k.value for k in body.kinds],
        escalation=body.escalation,
        active=body.is_active,
    )
    return ChannelOut(**vars(view))


@router.delete("/{channel_id}", status_code=204, summary="Remove a channel", responses=responses(401, 403, 404, 422))
def remove(channel_id: PathId, core: CoreDep, caller: CallerDep) -> None:
    """Nothing is sent there any more."""
    require(caller, "alerts:write")
    channels.remove(core, caller.actor, channel_id)


@router.post(
    "/{channel_id}/test",
    status_code=204,
    summary="Send a test message",
    responses=responses(401, 403, 404, 422, 429, 502),
)
def try_out(channel_id: PathId, core: CoreDep, caller: CallerDep) -> None:
    """Sends it now and says whether it was taken."""
    require(caller, "alerts:write")
    channels.try_out(core, caller.actor, channel_id)


@router.get("/{channel_id}/log", summary="A channel's delivery log", responses=responses(401, 403, 404, 422))
def log(channel_id: PathId, core: CoreDep, caller: CallerDep) -> Log:
    """The newest fifty messages: when they were taken, or what went wrong."""
    require(caller, "alerts:read")
    rows = channels.log(core, caller.actor, channel_id)
    return Log(items=[LogEntry(key=row["dedupe_key"], **_shown(row)) for row in rows])


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in LogEntry.model_fields if name != "key"}


preferences = APIRouter(prefix="/api/alerts/preferences", tags=["alerts"])


@preferences.get("", summary="When am I told?", responses=responses(401, 403))
def get_preferences(core: CoreDep, caller: CallerDep) -> Wishes:
    """Quiet hours are in your time zone."""
    require(caller, "alerts:read")
    found = vars(channels.preferences(core, caller.actor))
    return Wishes(**{name: found[name] for name in Wishes.model_fields})


@preferences.put("", summary="Choose when you are told", responses=responses(401, 403, 422))
def put_preferences(body: Wishes, core: CoreDep, caller: CallerDep) -> Wishes:
    """Replaces all of them."""
    require(caller, "alerts:write")
    channels.set_preferences(core, caller.actor, Preferences(**body.model_dump()))
    return body


public = APIRouter(tags=["alerts"])


@public.post("/api/unsubscribe", status_code=204, summary="Turn off a channel's mails", responses=responses(403, 422))
def unsubscribe(
    core: CoreDep,
    token: Annotated[str, Query(alias="unsubscribe", max_length=2000, description="From the mail's List-Unsubscribe")],
) -> None:
    """For mail programs (RFC 8058): the link in the mail is the permission. The space is told on its other channels."""
    channels.turn_off(core, token)
