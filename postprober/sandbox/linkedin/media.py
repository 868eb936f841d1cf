"""LinkedIn images, videos and documents: register, upload, poll. platforms/linkedin/facts.md, 2."""

import hashlib
import secrets
from typing import Any
from urllib.parse import unquote

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.files import sniff
from postprober.sandbox.engine.model import Media
from postprober.sandbox.engine.operation import Call, Handler, Operation, reply
from postprober.sandbox.engine.world import World
from postprober.sandbox.linkedin.dialect import LinkedInDialect, access_denied, check_headers, li_error, not_found
from postprober.sandbox.linkedin.organizations import author, person

Json = dict[str, Any]
_PART_BYTES = 4 * 1024 * 1024
_UPLOAD_SECONDS = 86400
_MOST_DOCUMENT, _MOST_PAGES = 100_000_000, 300  # platforms/linkedin/facts.md, 3
_STATES = {
    "waiting": "WAITING_UPLOAD",
    "processing": "PROCESSING",
    "failed": "PROCESSING_FAILED",
    "ready": "AVAILABLE",
}


def _request(call: Call, name: str, *required: str) -> Json:
    body = call.json()
    inner = body.get(name) if isinstance(body, dict) else None
    for field in required:
        if not isinstance(inner, dict) or field not in inner:
            raise li_error(
                422, f"ERROR :: /{name}/{field} :: field is required but not found and has no default value\n"
            )
    return inner or {}


def _new(call: Call, kind: str, owner: Any, **extra: Any) -> Media:
    if author(call, str(owner)) is None:
        raise access_denied(call, f"{kind}s.ACTION-initializeUpload")
    letters = secrets.token_urlsafe(14).replace("-", "a").replace("_", "b")
    urn = f"urn:li:{kind}:C4D{letters}"
    media = Media("linkedin", urn, call.owner.name, kind, call.at, extra={"upload": secrets.token_hex(16), **extra})
    call.world.save_media(media)
    call.world.put_doc("upload", media.extra["upload"], {"urn": urn})
    return media


def _upload_url(call: Call, media: Media, part: int) -> str:
    return f"{call.base}/linkedin/_upload/{media.extra['upload']}/{part}"


async def initialize_image(call: Call) -> Response:
    check_headers(call)
    if call.request.query_params.get("action") != "initializeUpload":
        raise li_error(400, "Resource method could not be resolved from request parameters.", "ILLEGAL_ARGUMENT")
    media = _new(call, "image", _request(call, "initializeUploadRequest", "owner")["owner"])
    expires = int((call.at + _UPLOAD_SECONDS) * 1000)
    value = {"uploadUrl": _upload_url(call, media, 0), "uploadUrlExpiresAt": expires, "image": media.id}
    return reply({"value": value})


async def initialize_document(call: Call) -> Response:
    check_headers(call)
    if call.request.query_params.get("action") != "initializeUpload":
        raise li_error(400, "Resource method could not be resolved from request parameters.", "ILLEGAL_ARGUMENT")
    media = _new(call, "document", _request(call, "initializeUploadRequest", "owner")["owner"])
    expires = int((call.at + _UPLOAD_SECONDS) * 1000)
    value = {"uploadUrl": _upload_url(call, media, 0), "uploadUrlExpiresAt": expires, "document": media.id}
    return reply({"value": value})


async def video_action(call: Call) -> Response:
    check_headers(call)
    action = call.request.query_params.get("action")
    if action == "initializeUpload":
        return _initialize_video(call)
    if action == "finalizeUpload":
        return _finalize_video(call)
    raise li_error(400, "Resource method could not be resolved from request parameters.", "ILLEGAL_ARGUMENT")


def _initialize_video(call: Call) -> Response:
    asked = _request(call, "initializeUploadRequest", "owner", "fileSizeBytes", "uploadCaptions", "uploadThumbnail")
    size = asked["fileSizeBytes"]
    if not isinstance(size, int):
        raise li_error(422, "ERROR :: /initializeUploadRequest/fileSizeBytes :: not a long\n")
    media = _new(call, "video", asked["owner"], parts={}, size=size, token=secrets.token_hex(8))
    starts = range(0, size, _PART_BYTES)
    value = {
        "uploadUrlsExpireAt": int((call.at + _UPLOAD_SECONDS) * 1000),
        "video": media.id,
        "uploadInstructions": [
            {
                "uploadUrl": _upload_url(call, media, index),
                "firstByte": first,
                "lastByte": min(first + _PART_BYTES, size) - 1,
            }
            for index, first in enumerate(starts)
        ],
        "uploadToken": media.extra["token"],
    }
    return reply({"value": value})


def _finalize_video(call: Call) -> Response:
    asked = _request(call, "finalizeUploadRequest", "video", "uploadToken", "uploadedPartIds")
    media = _own(call, str(asked["video"]))
    parts = media.extra["parts"]
    etags = [parts[index]["etag"] for index in sorted(parts, key=int)]
    if asked["uploadToken"] != media.extra["token"] or asked["uploadedPartIds"] != etags:
        raise li_error(400, "uploadedPartIds must be the ETags of all parts in order", "INVALID_VALUE_FOR_FIELD")
    blobs = [call.world.store.blob(parts[index]["sha256"]) for index in sorted(parts, key=int)]
    data = b"".join(blob[1] for blob in blobs if blob)
    if len(data) != media.extra["size"]:
        raise li_error(400, "the parts do not add up to fileSizeBytes", "INVALID_VALUE_FOR_FIELD")
    _keep(call, media, data)
    return reply({})


def _keep(call: Call, media: Media, data: bytes) -> None:
    """Start processing: `media_seconds`, and it fails when the bytes are not what the URN says."""
    found = sniff(data)
    slow, fails = call.take("slow_media"), call.take("media_failed")
    seconds = slow.seconds(5) if slow else float(call.world.settings["media_seconds"])
    media.mime, media.size = found.mime, len(data)
    media.sha256 = call.world.keep_bytes(data, found.mime)
    media.ready_at = call.at + seconds
    right = found.kind in (("image", "gif") if media.kind == "image" else (media.kind,))
    if media.kind == "document":
        media.extra["pages"] = found.pages
        right = right and len(data) <= _MOST_DOCUMENT and found.pages <= _MOST_PAGES
    media.fails = fails is not None or not right
    call.world.save_media(media)


async def put_bytes(call: Call) -> Response:
    """PUT to an upload URL. The URL itself is the secret: images are sent with or without the token."""
    known = call.world.doc("upload", call.request.path_params["upload"])
    media = call.world.media_of("linkedin", known["urn"]) if known else None
    if media is None:
        raise not_found("upload")
    call.identify(call.world.account("linkedin", media.account))
    etag = hashlib.md5(call.body, usedforsecurity=False).hexdigest()
    if media.kind != "video":
        _keep(call, media, call.body)
    else:
        digest = call.world.keep_bytes(call.body, "application/octet-stream")
        media.extra["parts"][str(call.request.path_params["part"])] = {"etag": etag, "sha256": digest}
        call.world.save_media(media)
    return Response(b"", 200 if media.kind == "video" else 201, {"etag": etag})


def _own(call: Call, urn: str) -> Media:
    media = call.world.media_of("linkedin", urn)
    if media is None or media.account != call.owner.name:
        raise not_found(urn)
    return media


async def status(call: Call) -> Response:
    check_headers(call)
    media = _own(call, unquote(call.request.path_params["urn"]))
    state = media.state(call.at)
    body: Json = {"id": media.id, "owner": person(call.owner.id), "status": _STATES[state]}
    if state == "ready":
        body["downloadUrl"] = f"{call.base}/_media/{media.sha256}"
    return reply(body)


def routes(world: World, dialect: LinkedInDialect) -> list[BaseRoute]:
    def operation(handler: Handler, *, needs_token: bool = True) -> Operation:
        scope = "w_member_social" if needs_token else ""
        return Operation(world, dialect, "media", handler, scope=scope, needs_token=needs_token)

    rest = "/linkedin/rest"
    return [
        operation(initialize_image).route(f"{rest}/images", "POST"),
        operation(status).route(f"{rest}/images/{{urn:str}}", "GET"),
        operation(video_action).route(f"{rest}/videos", "POST"),
        operation(status).route(f"{rest}/videos/{{urn:str}}", "GET"),
        operation(initialize_document).route(f"{rest}/documents", "POST"),
        operation(status).route(f"{rest}/documents/{{urn:str}}", "GET"),
        operation(put_bytes, needs_token=False).route("/linkedin/_upload/{upload:str}/{part:int}", "PUT"),
    ]
