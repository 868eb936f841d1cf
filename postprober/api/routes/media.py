"""Files: uploaded by their owner, and served under signed URLs to platforms that fetch them themselves."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import datetime, timedelta
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from postprober.api.auth import Caller, CallerDep, require
from postprober.api.deps import CoreDep
from postprober.api.idempotency import Once, OnceDep, StoredAnswer
from postprober.api.middleware import HANDED_IN
from postprober.api.problems import responses
from postprober.api.schemas import Alt, Body, PathId, PlatformKey, Text
from postprober.api.slow_work import Gate, SlowWork
from postprober.api.views import MediaOut, SignedUrl
from postprober.domain.platform import known
from postprober.errors import BadInput, NotFound
from postprober.services.core import Core, Mark
from postprober.services.media import conversions, handing_in, media
from postprober.services.media.media import MAX_ALT
from postprober.services.people import sessions

router = APIRouter(tags=["media"])
_UNNAMED = re.compile(r"[^\w .()+-]", re.ASCII)  # names are shown to people; everything else in them is a trick
LONGEST = 900.0  # seconds; 512 MB at 5 Mbit/s
MAX_FIELD = 4 * MAX_ALT + 1024  # bytes of a text field: UTF-8 takes four a character
Upload = Annotated[str, Path(pattern=r"^up_[A-Za-z0-9_-]{20,100}$", examples=["up_…"])]
_ALT: TypeAdapter[str] = TypeAdapter(Alt)
_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "The file; what it is comes from its content",
        },
        "alt": {
            "type": "string",
            "maxLength": MAX_ALT,
            "default": "",
            "examples": ["A cat"],
            "description": "What it shows, for those who cannot see it",
        },
    },
}


@router.post(
    "/api/media",
    status_code=201,
    summary="Upload a picture, video or document",
    response_model=MediaOut,
    responses=responses(401, 403, 408, 409, 413, 422, 429),
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def upload(request: Request, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """Checked by its content. Limits: the largest file that your accounts take, and each platform's own when the post is
    submitted. Few uploads run at the same time; beyond that the answer is 429 or 503 with `Retry-After`."""
    require(caller, "media:write")
    gate: Gate = request.app.state.uploads
    # The form is read here and not by the framework, which would take in the whole body before it asks who sends it.
    with gate.held(caller.user.id):
        try:
            async with (
                asyncio.timeout(LONGEST),
                request.form(max_files=1, max_fields=1, max_part_size=MAX_FIELD) as form,
            ):
                file, alt = _fields(form)
                return await run_in_threadpool(_take, core, caller, once, file, alt)
        except TimeoutError:
            raise HTTPException(408, "The upload took too long; try again.", {"Connection": "close"}) from None


def _fields(form: FormData) -> tuple[UploadFile, str]:
    file, alt = form.get("file"), form.get("alt", "")
    if not isinstance(file, UploadFile):
        raise BadInput("Send the file as the field `file` of a multipart form.", field="file")
    if not isinstance(alt, str):
        raise BadInput("The field `alt` is a text.", field="alt")
    if extra := set(form) - {"file", "alt"}:
        raise BadInput(f"There is no field {min(extra)[:40]!r}; send `file` and `alt`.", field="file")
    try:
        return file, _ALT.validate_python(alt)
    except ValidationError:
        raise BadInput(f"The alt text is no text of at most {MAX_ALT} characters.", field="alt") from None


def _take(core: Core, caller: Caller, once: Once, file: UploadFile, alt: str) -> Response:
    name = _UNNAMED.sub("_", file.filename or "")
    with media.received(core, caller.actor.space, file.file) as found:

        def work(mark: Mark, made: int | None) -> StoredAnswer:
            media_id = made or media.add_received(core, caller.actor, name, found, alt, mark)
            record = media.get(core, caller.actor, media_id)
            return StoredAnswer(201, MediaOut.of(record), {"Location": f"/api/media/{media_id}"})

        return once.answer(json.dumps([found.digest, name, alt]), work)


class FromAddress(Body):
    """A file that is public already."""

    url: Annotated[Text, Field(min_length=8, max_length=4096)] = Field(examples=["https://example.org/cat.jpg"])
    alt: Alt = Field("", description="What it shows, for those who cannot see it", examples=["A cat"])


class Announced(Body):
    """A file that will be handed in."""

    name: Annotated[Text, Field(min_length=1, max_length=255)] = Field(examples=["cat.jpg"])
    alt: Alt = Field("", description="What it shows, for those who cannot see it", examples=["A cat"])


class HandoverOut(BaseModel):
    """Send the file's bytes as the body of one PUT to `put_url`, which needs no token; then ask the same address with GET."""

    upload: str = Field(description="The end of the address", examples=["up_…"])
    put_url: str = Field(examples=["https://post.example.org/api/media/uploads/up_…"])
    expires_at: datetime


@router.post(
    "/api/media/from-url",
    status_code=201,
    summary="Take a file from an address",
    response_model=MediaOut,
    responses=responses(401, 403, 409, 422, 429),
)
async def from_url(body: FromAddress, request: Request, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """Of at most 8 MB, at a public address that needs no sign-in and leads to no other one."""
    require(caller, "media:write")

    def work(mark: Mark, made: int | None) -> StoredAnswer:
        media_id = made or handing_in.from_address(core, caller.actor, body.url, body.alt, mark)
        return StoredAnswer(201, MediaOut.of(media.get(core, caller.actor, media_id)))

    gate: Gate = request.app.state.uploads
    with gate.held(caller.user.id):
        return await run_in_threadpool(once.answer, body.model_dump_json(), work)


@router.post(
    "/api/media/uploads",
    status_code=201,
    summary="Announce a file",
    responses=responses(401, 403, 409, 422),
)
def announce(body: Announced, core: CoreDep, caller: CallerDep) -> HandoverOut:
    """Answers with an address to which one file may be sent within half an hour."""
    require(caller, "media:write")
    made = handing_in.announce(core, caller.actor, _UNNAMED.sub("_", body.name), body.alt)
    url = f"{core.settings.public_base}{HANDED_IN}{made.secret}"
    return HandoverOut(upload=made.secret, put_url=url, expires_at=made.expires_at)


@router.put(
    "/api/media/uploads/{upload}",
    status_code=201,
    summary="Hand in an announced file",
    responses=responses(403, 404, 408, 409, 413, 422, 429),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def hand_in(upload: Upload, request: Request, core: CoreDep) -> MediaOut:
    """The bytes of the file, whole. The address is the permission: whoever has it may hand in this one file."""
    caller = await run_in_threadpool(sessions.by_upload, core, upload)
    if caller is None:
        raise NotFound("There is no such upload, or its time is over; announce the file again.")
    gate: Gate = request.app.state.uploads
    with gate.held(caller.user.id), SpooledTemporaryFile(max_size=media.BLOCK) as spool:
        try:
            async with asyncio.timeout(LONGEST):
                async for block in request.stream():
                    await run_in_threadpool(spool.write, block)
        except TimeoutError:
            raise HTTPException(408, "The upload took too long; try again.", {"Connection": "close"}) from None
        spool.seek(0)
        media_id = await run_in_threadpool(handing_in.take_in, core, caller, spool)
    return MediaOut.of(await run_in_threadpool(media.get, core, caller.actor, media_id))


@router.get(
    "/api/media/uploads/{upload}", summary="Ask for an announced file", responses=responses(401, 403, 404, 409, 422)
)
def handed_in(upload: Upload, core: CoreDep, caller: CallerDep) -> MediaOut:
    """What came under the address; 409 while nothing has."""
    require(caller, "media:write")
    return MediaOut.of(media.get(core, caller.actor, handing_in.handed_in(core, caller.actor, upload)))


@router.get(
    "/api/media/{media_id:int}", summary="Read what is known of a file", responses=responses(401, 403, 404, 422)
)
def read(media_id: PathId, core: CoreDep, caller: CallerDep) -> MediaOut:
    """Not the file itself. A video that a platform would refuse is converted, and `conversions` says how far that is."""
    require(caller, "media:read")
    made = conversions.of(core, caller.actor, media_id)
    return MediaOut.of(media.get(core, caller.actor, media_id), made)


@router.get(
    "/api/media/{media_id:int}/url",
    summary="Get a signed URL of a file",
    responses=responses(401, 403, 404, 422),
)
def signed_url(
    media_id: PathId,
    platform: Annotated[PlatformKey, Query(description="For whom it is fitted", examples=[known()[0]])],
    core: CoreDep,
    caller: CallerDep,
) -> SignedUrl:
    """Whoever has it may fetch the file, fitted to that platform, until it ends."""
    require(caller, "media:read")
    now = core.clock.now()
    url = media.public_url(core.settings, now.timestamp(), media.get(core, caller.actor, media_id), platform)
    return SignedUrl(url=url, expires_at=now + timedelta(seconds=media.URL_LIFE))


@router.head("/api/media/public/{name}", summary="Ask for a file's headers", include_in_schema=False)
@router.get(
    "/api/media/public/{name}",
    summary="Fetch a file by its signed URL",
    response_class=Response,
    responses={
        **responses(403, 404, 422),
        200: {"content": {"image/*": {}, "video/*": {}}, "description": "The file, fitted to the platform"},
    },
)
async def public_file(name: str, core: CoreDep, request: Request) -> Response:
    """The file behind a signed URL, fitted to the platform it was signed for. 403 when the signature or time is wrong;
    503 with `Retry-After` when too many pictures are being fetched."""
    token = name[: name.rindex(".")] if name.count(".") == 3 else name  # a JWT has two dots, the suffix adds one
    media.check_signed(core, token)  # before it takes a place from those who have a signed address
    slow: SlowWork = request.app.state.pictures
    rendition = await slow.run(0, lambda: media.open_public(core, token))
    headers = {
        "Cache-Control": "private, max-age=300",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    if rendition.path is not None:  # a video: never whole in memory
        return FileResponse(rendition.path, media_type=rendition.mime, headers=headers)
    return Response(rendition.data, media_type=rendition.mime, headers=headers)
