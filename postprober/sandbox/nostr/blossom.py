"""The media server (Blossom, BUD-01 and BUD-02). platforms/nostr/facts.md, 2."""

import base64
import hashlib
import json

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.files import sniff
from postprober.sandbox.engine.operation import Call, Operation, reply
from postprober.sandbox.engine.world import World
from postprober.sandbox.nostr.codes import event_id
from postprober.sandbox.nostr.dialect import POSTS, NostrDialect, said, tag_values

_MOST = 100_000_000
_ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/gif": "gif", "video/mp4": "mp4"}


async def upload(call: Call) -> Response:
    digest = hashlib.sha256(call.body).hexdigest()
    event = json.loads(base64.b64decode(call.request.headers["authorization"].partition(" ")[2]))
    ends = [float(one) for one in tag_values(event, "expiration")]
    if "upload" not in tag_values(event, "t") or digest not in tag_values(event, "x"):
        raise said(403, "the proof is not of this file")
    if not ends or ends[0] < call.at or event["created_at"] > call.at + 60:
        raise said(403, "the proof is not valid now")
    found = sniff(call.body)
    if len(call.body) > _MOST:
        raise said(413, "File too large")
    if not found.kind or call.world.take(("media_failed",), "nostr", call.name, "media"):
        raise said(415, "This kind of file is not kept here")
    call.world.keep_bytes(call.body, found.mime)
    return reply(
        {
            "url": f"{call.base}/nostr/{digest}.{_ENDINGS.get(found.mime, 'bin')}",
            "sha256": digest,
            "size": len(call.body),
            "type": found.mime,
            "uploaded": int(call.at),
        }
    )


def blob(call: Call) -> Response | None:
    """The file behind an address that is also that of a post's page."""
    name = str(call.request.path_params["code"])
    kept = call.world.store.blob(name.partition(".")[0])
    if kept is None or call.world.post("nostr", event_id(name)) is not None:
        return None
    return Response(kept[1], media_type=kept[0])


def routes(world: World, dialect: NostrDialect) -> list[BaseRoute]:
    return [Operation(world, dialect, "media", upload, scope=POSTS).route("/nostr/upload", "PUT")]
