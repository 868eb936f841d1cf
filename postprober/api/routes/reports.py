"""Reports: as files, on a schedule, and the link to a post's proof."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from postprober.api.auth import CallerDep, require
from postprober.api.deps import CoreDep, SlowDep
from postprober.api.problems import responses
from postprober.api.schemas import Body, Id, PathId
from postprober.services.reports import proof_pages, report_schedule, reports
from postprober.services.reports.report_schedule import ReportChoice
from postprober.services.reports.reports import Made

router = APIRouter(prefix="/api/reports", tags=["reports"])
Format = Annotated[Literal["html", "pdf", "csv", "parquet"], Query(alias="format", examples=["html"])]
First = Annotated[date, Query(alias="from", description="The first day, on your clock", examples=["2026-03-01"])]
Last = Annotated[date, Query(alias="to", description="The last day, included", examples=["2026-03-07"])]
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The report as a file",
        "content": {mime.partition(";")[0]: {"schema": {"type": "string"}} for mime in reports.FORMATS.values()},
    }
}


class ScheduleBody(Body):
    """When you are sent a report about the days before."""

    every: Literal["", "week", "month"] = Field("", description="Empty: never", examples=["week"])
    day: int = Field(1, strict=True, ge=1, le=28, description="1 (Monday) to 7, or of the month", examples=[1])
    hour: int = Field(8, strict=True, ge=0, le=23, description="On your clock", examples=[8])
    format: Literal["html", "pdf"] = Field("html", description="Of what the mail carries")
    channel_id: Id | None = Field(
        None, description="A channel that gets a summary; none: a mail to you", examples=[None]
    )


class ScheduleOut(BaseModel):
    every: str = Field(examples=["week"])
    day: int = Field(examples=[1])
    hour: int = Field(examples=[8])
    format: str = Field(examples=["html"])
    channel_id: int | None = Field(examples=[None])
    next_at: datetime | None = Field(description="When the next one is made")

    @classmethod
    def of(cls, choice: ReportChoice) -> ScheduleOut:
        values = vars(choice) | {"format": choice.form}
        return cls(**{name: values[name] for name in cls.model_fields})


class ProofLink(BaseModel):
    url: str = Field(description="Empty while it is not shared", examples=["https://posts.example.org/proof/eyJhbGci…"])


@router.get(
    "/posts/{post_id}",
    summary="Get the report about a post",
    response_class=Response,
    responses={**responses(401, 403, 404, 422, 429, 502), **_FILE},
)
async def of_post(post_id: PathId, core: CoreDep, caller: CallerDep, slow: SlowDep, form: Format = "html") -> Response:
    """What went out on each account, the proof with its evidence, every try, and engagement against what is usual there.
    Times are in your zone. CSV and Parquet have a row for each delivery. 502: there is no Chromium to print a PDF."""
    require(caller, "reports:read")
    actor = caller.actor
    return _file(await slow.run(actor.user, lambda: reports.of_post(core, actor, post_id, form)))


@router.get(
    "/period",
    summary="Get the report about a period",
    response_class=Response,
    responses={**responses(401, 403, 422, 429, 502), **_FILE},
)
async def of_period(
    first: First, last: Last, core: CoreDep, caller: CallerDep, slow: SlowDep, form: Format = "html"
) -> Response:
    """Whole days on your clock, at most 366. Counts are those known at the end of the last day."""
    require(caller, "reports:read")
    actor = caller.actor
    return _file(await slow.run(actor.user, lambda: reports.of_period(core, actor, first, last, form)))


@router.get("/schedule", summary="When am I sent a report?", responses=responses(401, 403))
def get_schedule(core: CoreDep, caller: CallerDep) -> ScheduleOut:
    """Your own choice; others in your space have theirs."""
    require(caller, "reports:read")
    return ScheduleOut.of(report_schedule.get(core, caller.actor))


@router.put("/schedule", summary="Choose when you are sent a report", responses=responses(401, 403, 404, 422))
def put_schedule(body: ScheduleBody, core: CoreDep, caller: CallerDep) -> ScheduleOut:
    """A weekly report is about the seven days before its day, a monthly one about the calendar month before."""
    require(caller, "reports:write")
    chosen = ReportChoice(body.every, body.day, body.hour, body.format, body.channel_id)
    return ScheduleOut.of(report_schedule.put(core, caller.actor, chosen))


@router.get("/posts/{post_id}/proof", summary="Is a post's proof shared?", responses=responses(401, 403, 404, 422))
def get_proof(post_id: PathId, core: CoreDep, caller: CallerDep) -> ProofLink:
    """And under which address."""
    require(caller, "reports:read")
    return ProofLink(url=proof_pages.link(core, caller.actor, post_id))


@router.put("/posts/{post_id}/proof", summary="Share a post's proof", responses=responses(401, 403, 404, 409, 422))
def share_proof(post_id: PathId, core: CoreDep, caller: CallerDep) -> ProofLink:
    """Whoever has the address sees what was sent, when and where it was proved; nothing about you or your accounts.
    Doing it twice gives the same address."""
    require(caller, "reports:write")
    return ProofLink(url=proof_pages.share(core, caller.actor, post_id))


@router.delete(
    "/posts/{post_id}/proof",
    status_code=204,
    summary="Withdraw a post's proof",
    responses=responses(401, 403, 404, 422),
)
def withdraw_proof(post_id: PathId, core: CoreDep, caller: CallerDep) -> None:
    """At once, for everybody. Sharing it again gives another address."""
    require(caller, "reports:write")
    proof_pages.withdraw(core, caller.actor, post_id)


def _file(made: Made) -> Response:
    """To be saved and not shown: a report carries texts of people, and this is the address of the API."""
    headers = {"Content-Disposition": f'attachment; filename="{made.name}"', "Cache-Control": "private, no-store"}
    return Response(made.content, media_type=made.mime, headers=headers)
