"""X media: one-shot and chunked upload, processing, alt text. platforms/x/facts.md, 2."""

import base64
import binascii
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.files import FileKind, sniff
from postprober.sandbox.engine.model import Media
from postprober.sandbox.engine.operation import Call, Operation, file_bytes, reply
from postprober.sandbox.engine.world import World
from postprober.sandbox.x.dialect import XDialect, invalid, not_found
from postprober.sandbox.x.views import upload_view

MB = 1024 * 1024
_MAX_BYTES = {"image": 5 * MB, "gif": 15 * MB, "video": 512 * MB}
_CATEGORIES = ("tweet_image", "tweet_gif", "tweet_video", "dm_image", "dm_gif", "dm_video", "subtitles")
# CreateMediaMetadataRequest alt text. https://docs.x.com/x-api/media/metadata-create
_MAX_ALT = 1000


def _new(call: Call, category: str) -> Media:
    media_id = str(call.world.ids.make("x", call.at))
    prefix = "7_" if category.endswith("video") else "3_"
    extra = {"media_key": prefix + media_id, "category": category, "segments": {}}
    return Media("x", media_id, call.owner.name, "", call.at, extra=extra)


def _own(call: Call, media_id: str) -> Media:
    media = call.world.media_of("x", media_id)
    if media is None or media.account != call.owner.name:
        raise invalid(call, "Could not find media with the given id.", "media_id", media_id)
    return media


def _part(call: Call, form: dict[str, Any]) -> bytes:
    """The bytes of the `media` field: raw in multipart, base64 in JSON."""
    value = form.get("media")
    if call.request.headers.get("content-type", "").startswith("application/json"):
        try:
            return base64.b64decode(str(value or ""), validate=True)
        except binascii.Error:
            raise invalid(call, "$.media: not base64", "media") from None
    return file_bytes(value)


def _accept(call: Call, media: Media, data: bytes) -> Response:
    """Keep a complete file and start its processing. Videos and GIFs take `media_seconds`, images none."""
    found: FileKind = sniff(data)
    if not found.kind or len(data) > _MAX_BYTES[found.kind]:
        raise invalid(call, "The media could not be processed: its type or size is not supported.", "media")
    media.kind, media.mime, media.width, media.height = found.kind, found.mime, found.width, found.height
    media.size = len(data)
    media.sha256 = call.world.keep_bytes(data, found.mime)
    slow, fails = call.take("slow_media"), call.take("media_failed")
    seconds = slow.seconds(5) if slow else 0.0 if found.kind == "image" else call.world.settings["media_seconds"]
    media.ready_at = call.at + float(seconds)
    media.fails = fails is not None
    media.extra["processed"] = bool(found.kind != "image" or slow or fails)
    media.extra["segments"] = {}
    call.world.save_media(media)
    return reply(upload_view(call, media))


async def upload(call: Call) -> Response:
    form = await call.form()
    unknown = sorted(set(form) - {"media", "media_category", "additional_owners", "media_type", "shared"})
    if unknown:
        raise invalid(call, f"$.{unknown[0]}: is not defined in the schema", unknown[0])
    category = form.get("media_category")
    if category not in _CATEGORIES or not form.get("media"):
        raise invalid(call, f"$.media_category: must be one of {', '.join(_CATEGORIES)}", "media_category", category)
    return _accept(call, _new(call, category), _part(call, form))


async def initialize(call: Call) -> Response:
    body = call.json()
    if not isinstance(body, dict) or body.get("media_category") not in _CATEGORIES:
        raise invalid(call, f"$.media_category: must be one of {', '.join(_CATEGORIES)}", "media_category")
    unknown = sorted(set(body) - {"media_category", "media_type", "total_bytes", "additional_owners", "shared"})
    if unknown:
        raise invalid(call, f"$.{unknown[0]}: is not defined in the schema", unknown[0])
    if not isinstance(body.get("total_bytes"), int) or "/" not in str(body.get("media_type")):
        raise invalid(call, "$.total_bytes and $.media_type are required", "total_bytes")
    media = _new(call, body["media_category"])
    media.extra["total_bytes"] = body["total_bytes"]
    call.world.save_media(media)
    return reply(upload_view(call, media))


async def append(call: Call) -> Response:
    media = _own(call, call.request.path_params["id"])
    form = await call.form()
    index = str(form.get("segment_index", ""))
    if not index.isdigit() or int(index) > 999:
        raise invalid(call, "$.segment_index: must be between 0 and 999", "segment_index", index)
    data = _part(call, form)
    media.extra["segments"][index] = call.world.keep_bytes(data, "application/octet-stream")
    call.world.save_media(media)
    legacy = call.world.settings["x_dialect"] == "legacy"
    return reply({"data": {"expires_at": int(call.at) + 86400}} | ({"meta": {}} if legacy else {}))


async def finalize(call: Call) -> Response:
    media = _own(call, call.request.path_params["id"])
    order = sorted(media.extra["segments"], key=int)
    parts = [call.world.store.blob(media.extra["segments"][index]) for index in order]
    data = b"".join(part[1] for part in parts if part)
    if len(data) != media.extra.get("total_bytes"):
        raise invalid(call, "The segments do not add up to total_bytes.", "total_bytes", media.extra.get("total_bytes"))
    return _accept(call, media, data)


async def status(call: Call) -> Response:
    query = call.request.query_params
    if query.get("command", "STATUS") != "STATUS":
        raise invalid(call, "The `command` query parameter must be STATUS", "command", query.get("command"))
    return reply(upload_view(call, _own(call, query.get("media_id", ""))))


async def metadata(call: Call) -> Response:
    """Set the alt text."""
    body = call.json()
    if not isinstance(body, dict) or set(body) - {"id", "metadata"} or not isinstance(body.get("metadata", {}), dict):
        raise invalid(call, "the body must be {id, metadata}", "body")
    media = call.world.media_of("x", str(body.get("id", "")))
    if media is None or media.account != call.owner.name:
        return reply({"errors": [not_found(call, "media", "id", str(body.get("id", "")))]})
    alt = (body.get("metadata") or {}).get("alt_text") or {}
    text = alt.get("text") if isinstance(alt, dict) else None
    if not isinstance(text, str) or len(text) > _MAX_ALT:
        raise invalid(call, f"$.metadata.alt_text.text: must be text of at most {_MAX_ALT} characters", "metadata")
    media.alt = text
    call.world.save_media(media)
    return reply({"data": {"id": media.id, "associated_metadata": {"alt_text": {"text": text}}}})


def routes(world: World, dialect: XDialect) -> list[BaseRoute]:
    def operation(handler: Any) -> Operation:
        return Operation(world, dialect, "media", handler, scope="media.write")

    return [
        operation(upload).route("/x/2/media/upload", "POST"),
        operation(status).route("/x/2/media/upload", "GET"),
        operation(initialize).route("/x/2/media/upload/initialize", "POST"),
        operation(append).route("/x/2/media/upload/{id:str}/append", "POST"),
        operation(finalize).route("/x/2/media/upload/{id:str}/finalize", "POST"),
        operation(metadata).route("/x/2/media/metadata", "POST"),
    ]
