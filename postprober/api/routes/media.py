"""Files: uploaded by their owner, and served under signed URLs to platforms that fetch them themselves."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated

from fastapi import APIRouter, File, Form, Response, UploadFile

from postprober.api.auth import CallerDep, require
from postprober.api.deps import CoreDep
from postprober.api.idempotency import Answer, OnceDep
from postprober.api.problems import responses
from postprober.api.schemas import Alt, PathId
from postprober.api.views import MediaOut
from postprober.errors import BadInput
from postprober.services import media
from postprober.services.core import Mark

router = APIRouter(tags=["media"])
_UNNAMED = re.compile(r"[^\w .()+-]", re.ASCII)  # names are shown to people; everything else in them is a trick


@router.post(
    "/api/media",
    status_code=201,
    summary="Upload a picture or video",
    response_model=MediaOut,
    responses=responses(401, 403, 409, 413, 422),
)
def upload(
    file: Annotated[UploadFile, File(description="The file; what it is comes from its content")],
    core: CoreDep,
    caller: CallerDep,
    once: OnceDep,
    alt: Annotated[Alt, Form(description="What it shows, for those who cannot see it", examples=["A cat"])] = "",
) -> Response:
    """Checked by its content. Limits: 512 MB a file, and each platform's own when the post is submitted."""
    require(caller, "media:write")
    if file.size is not None and file.size > media.MAX_BYTES:
        raise BadInput(f"The file is larger than {media.MAX_BYTES // 2**20} MB.", field="file")
    content = file.file.read()
    name = _UNNAMED.sub("_", file.filename or "")

    def work(mark: Mark, made: int | None) -> Answer:
        media_id = made or media.add_bytes(core, caller.user.id, name, content, alt, mark)
        record = media.get(core, caller.user.id, media_id)
        return Answer(201, MediaOut.of(record), {"Location": f"/api/media/{media_id}"})

    return once.answer(json.dumps([hashlib.sha256(content).hexdigest(), name, alt]), work)


@router.get("/api/media/{media_id}", summary="Read what is known of a file", responses=responses(401, 403, 404, 422))
def read(media_id: PathId, core: CoreDep, caller: CallerDep) -> MediaOut:
    """Not the file itself."""
    require(caller, "media:read")
    return MediaOut.of(media.get(core, caller.user.id, media_id))


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
def public_file(name: str, core: CoreDep) -> Response:
    """The file behind a signed URL, fitted to the platform it was signed for. 403 when the signature or time is wrong."""
    token = name[: name.rindex(".")] if name.count(".") == 3 else name  # a JWT has two dots, the suffix adds one
    rendition = media.open_public(core, token)
    headers = {
        "Cache-Control": "private, max-age=300",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(rendition.data, media_type=rendition.mime, headers=headers)
