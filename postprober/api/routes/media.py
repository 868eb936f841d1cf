"""Signed media URLs, for platforms that fetch the files themselves."""

from __future__ import annotations

from fastapi import APIRouter, Response

from postprober.api.deps import CoreDep
from postprober.services import media

router = APIRouter(tags=["media"])


@router.api_route("/api/media/public/{name}", methods=["GET", "HEAD"])
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
