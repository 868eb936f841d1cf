"""Files, terms and comments of the emulated site. platforms/wordpress/facts.md, 2 and 7."""

import html
import re
from typing import Any

from starlette.responses import Response

from postprober.sandbox.engine.engagement import counts
from postprober.sandbox.engine.files import sniff
from postprober.sandbox.engine.model import Media
from postprober.sandbox.engine.operation import ApiRefusal, Call, file_bytes, reply
from postprober.sandbox.wordpress.dialect import CATEGORIES, bad_field, free_slug, media_view, sent, wp_error

Json = dict[str, Any]
_KINDS = {"image/jpeg": "image", "image/png": "image", "image/gif": "gif", "video/mp4": "video"}
_UPLOAD = 64 * 1024 * 1024  # bytes; the same as the usual setting of the platform's folder


async def upload(call: Call) -> Response:
    """The file as the body, or as `file` of a form with its description beside it."""
    data, head, alt = call.body, call.request.headers.get("content-disposition", ""), ""
    if call.request.headers.get("content-type", "").startswith("multipart/form-data"):
        form = await call.form()
        head = call.body.decode("latin-1")
        data, alt = file_bytes(form.get("file")), str(form.get("alt_text") or "")
    named = re.search(r'filename="?([^";\r\n]+)"?', head)
    if not data:
        raise wp_error(400, "rest_upload_no_data")
    if named is None:
        raise wp_error(400, "rest_upload_no_content_disposition")
    kind = sniff(data)
    if kind.mime not in _KINDS:
        raise wp_error(500, "rest_upload_sideload_error")
    if len(data) > _UPLOAD:
        raise ApiRefusal(413, "<html><body><h1>413 Request Entity Too Large</h1></body></html>")
    number = str(call.world.ids.make("wordpress", call.at))
    slug = free_slug(call.world, named[1].rpartition(".")[0].lower(), number)
    call.world.put_doc("wp_slug", number, {"id": number, "slug": slug})
    media = Media(
        platform="wordpress",
        id=number,
        account=call.owner.name,
        kind=_KINDS[kind.mime],
        created_at=call.at,
        mime=kind.mime,
        sha256=call.world.keep_bytes(data, kind.mime),
        size=len(data),
        alt=re.sub(r"<[^>]*>", "", alt),
        ready_at=call.at,
        extra={"slug": slug},
    )
    call.world.save_media(media)
    headers = {"x-wp-upload-attachment-id": number}
    if call.take("media_failed"):  # it has the file, and broke while it made smaller ones of it
        raise ApiRefusal(500, {"code": "internal_server_error", "message": "", "data": {"status": 500}}, headers)
    return reply(media_view(call, media), 201, headers)


async def list_media(call: Call) -> Response:
    wanted = call.request.query_params.get("slug", "").split(",")
    found = [m for m in call.world.media.values() if m.platform == "wordpress" and m.account == call.owner.name]
    return reply([media_view(call, one) for one in found if one.extra["slug"] in wanted])


async def read_media(call: Call) -> Response:
    media = call.world.media_of("wordpress", call.request.path_params["number"])
    if media is None or media.account != call.owner.name:
        raise wp_error(404, "rest_post_invalid_id")
    return reply(media_view(call, media))


async def change_media(call: Call) -> Response:
    media = call.world.media_of("wordpress", call.request.path_params["number"])
    if media is None or media.account != call.owner.name:
        raise wp_error(404, "rest_post_invalid_id")
    body = sent(call)
    if "alt_text" in body:
        media.alt = re.sub(r"<[^>]*>", "", str(body["alt_text"]))
        call.world.save_media(media)
    return reply(media_view(call, media))


async def categories(call: Call) -> Response:
    return reply(_named([{"id": number, "name": name} for name, number in CATEGORIES.items()], call))


async def tags(call: Call) -> Response:
    return reply(_named([{"id": one["id"], "name": one["name"]} for one in call.world.docs("wp_tag")], call))


def _named(rows: list[Json], call: Call) -> list[Json]:
    wanted = call.request.query_params.get("search", "").casefold()
    return [{"id": one["id"], "name": html.escape(one["name"])} for one in rows if wanted in one["name"].casefold()]


async def make_tag(call: Call) -> Response:
    name = re.sub(r"<[^>]*>", "", str(sent(call).get("name") or "")).strip()
    if not name:
        raise bad_field("name", "name is required")
    known = call.world.doc("wp_tag", name.casefold())
    if known is not None:
        raise wp_error(400, "term_exists", term_id=known["id"])
    number = call.world.ids.make("wp_tag", call.at, per_millisecond=1)
    call.world.put_doc("wp_tag", name.casefold(), {"id": number, "name": name})
    return reply({"id": number, "name": html.escape(name)}, 201)


async def comments(call: Call) -> Response:
    """Of each post as many as its engagement says."""
    asked = call.request.query_params
    rows: list[Json] = []
    for number in asked.get("post", "").split(","):
        post = call.world.post("wordpress", number)
        if post is not None and post.seen_by_owner(call.at):
            rows += [{"post": int(number)}] * counts(call.world, post, call.at).replies
    size, page = int(asked.get("per_page", 10)), int(asked.get("page", 1))
    return reply(rows[(page - 1) * size : page * size], headers={"x-wp-total": str(len(rows))})
