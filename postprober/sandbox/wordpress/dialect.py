"""WordPress's way of speaking, and its objects. platforms/wordpress/facts.md, 2 and 6."""

import base64
import html
import re
from datetime import UTC, datetime
from typing import Any

from postprober.sandbox.engine.bearer import find_bearer
from postprober.sandbox.engine.faults import Fault
from postprober.sandbox.engine.limits import refusal_headers
from postprober.sandbox.engine.model import Account, Media, Post
from postprober.sandbox.engine.operation import ApiRefusal, Call
from postprober.sandbox.engine.world import World

Json = dict[str, Any]
WRITES, PUBLISHES, UPLOADS = "edit_posts", "publish_posts", "upload_files"
SITE = "/wordpress"
API = f"{SITE}/wp-json"
CATEGORIES = {"Uncategorized": 1, "News": 2, "Events": 3}
_STATUSES = ("publish", "future", "draft", "pending", "private")
_FORMATS = ("standard", "aside", "chat", "gallery", "link", "image", "quote", "status", "video", "audio")
MAINTENANCE = "<html><head><title>Maintenance</title></head><body><h1>Briefly unavailable for scheduled maintenance. Check back in a minute.</h1></body></html>"
# What a request without the right is refused with: the same code whether nobody or the wrong one asks.
_REFUSED = {
    "create": "rest_cannot_edit",
    "container": "rest_cannot_create",
    "media": "rest_cannot_create",
    "delete": "rest_cannot_delete",
    "me": "rest_not_logged_in",
    "timeline": "rest_forbidden_context",
    "read": "rest_forbidden_context",
}
_WORDS = {
    "rest_not_logged_in": "You are not currently logged in.",
    "rest_cannot_create": "Sorry, you are not allowed to create posts as this user.",
    "rest_cannot_edit": "Sorry, you are not allowed to edit this post.",
    "rest_cannot_delete": "Sorry, you are not allowed to delete this post.",
    "rest_forbidden_context": "Sorry, you are not allowed to edit posts in this post type.",
    "rest_forbidden": "Sorry, you are not allowed to do that.",
    "rest_post_invalid_id": "Invalid post ID.",
    "rest_already_trashed": "The post has already been deleted.",
    "empty_content": "Content, title, and excerpt are empty.",
    "rest_invalid_json": "Invalid JSON body passed.",
    "rest_upload_sideload_error": "Sorry, you are not allowed to upload this file type.",
    "rest_upload_no_data": "No data supplied.",
    "rest_upload_no_content_disposition": "No Content-Disposition supplied.",
    "term_exists": "A term with the name provided already exists in this taxonomy.",
}


def wp_error(status: int, code: str, message: str = "", **data: Any) -> ApiRefusal:
    said = message or _WORDS.get(code, code)
    return ApiRefusal(status, {"code": code, "message": said, "data": {"status": status, **data}})


def bad_field(name: str, why: str) -> ApiRefusal:
    return wp_error(400, "rest_invalid_param", f"Invalid parameter(s): {name}", params={name: why}, details={})


def sent(call: Call) -> Json:
    body = call.json()
    if not isinstance(body, dict):
        raise wp_error(400, "rest_invalid_json")
    for name, allowed in (("status", _STATUSES), ("format", _FORMATS), ("comment_status", ("open", "closed"))):
        if name in body and body[name] not in allowed:
            raise bad_field(name, f"{name} is not one of {', '.join(allowed)}.")
    return body


class WordPressDialect:
    """What every operation may have to say. Users sign in with Basic; the value is the token."""

    name = "wordpress"

    def find_account(self, call: Call) -> None:
        scheme, _, value = call.request.headers.get("authorization", "").partition(" ")
        find_bearer(call, _plain_password(value.strip()) if scheme.lower() == "basic" else "")

    def refuse_token(self, call: Call, why: str) -> ApiRefusal:
        code = _REFUSED.get(call.operation, "rest_forbidden")
        if why == "scope" and call.operation == "create":
            return wp_error(
                403, "rest_cannot_publish", "Sorry, you are not allowed to publish posts in this post type."
            )
        return wp_error(403 if why == "scope" else 401, code)

    def server_error(self, status: int) -> ApiRefusal:
        if status == 503:
            return ApiRefusal(503, MAINTENANCE, {"retry-after": "600"})
        words = "<p>There has been a critical error on this website.</p>"
        return ApiRefusal(status, {"code": "internal_server_error", "message": words, "data": {"status": status}})

    def rate_limited(self, call: Call, fault: Fault) -> ApiRefusal:
        """WordPress has no limits of its own; those of a host before it come with a page of its own."""
        refusal = ApiRefusal(429, "<html><body><h1>Too Many Requests</h1></body></html>")
        seconds = max(0, round(fault.seconds(60)))
        form = str(fault.params.get("form", "platform"))
        native = {"retry-after": str(seconds)} if form == "platform" else {}
        refusal.headers = refusal_headers(fault, call.at, "", "") | native
        return refusal

    def bad_refresh(self) -> ApiRefusal:
        return wp_error(401, "rest_not_logged_in")

    def headers(self, call: Call) -> dict[str, str]:
        return {"link": f'<{call.base}{API}/>; rel="https://api.w.org/"'}


def basic(account: Account) -> str:
    return base64.b64encode(f"{account.name}:{account.password or ''}".encode()).decode()


def _plain_password(value: str) -> str:
    """Application passwords count without their blanks."""
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return value
    return base64.b64encode(f"{user}:{''.join(password.split())}".encode()).decode()


def moment(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%S")


def stored(post: Post) -> Json:
    """What the site has of a post beside its text and files."""
    record: Json = post.extra["record"]
    return record


def status_of(post: Post, at: float) -> str:
    return "trash" if post.deleted(at) else str(stored(post)["status"])


def slug_of(post: Post, at: float) -> str:
    return f"{stored(post)['slug']}__trashed" if post.deleted(at) else str(stored(post)["slug"])


def link_of(call: Call, post: Post) -> str:
    if status_of(post, call.at) in ("publish", "private"):
        return f"{call.base}{SITE}/{stored(post)['slug']}/"
    return f"{call.base}{SITE}/?p={post.id}"


def free_slug(world: World, wanted: str, but: str) -> str:
    """WordPress gives a slug that is taken a number at its end."""
    taken = {str(one["slug"]) for one in world.docs("wp_slug") if one["id"] != but}
    number, slug = 1, wanted
    while slug in taken:
        number += 1
        slug = f"{wanted}-{number}"
    return slug


def text_of(content: str) -> str:
    """The words of blocks."""
    pieces = re.findall(r"<p[^>]*>(.*?)</p>", content, re.DOTALL)
    shown = [re.sub(r"<[^>]+>", "", re.sub(r"<br\s*/?>", "\n", piece)) for piece in pieces]
    return html.unescape("\n\n".join(shown))


def media_in(world: World, content: str, featured: str) -> list[Json]:
    """The files that a post shows: the featured picture, then those in its blocks."""
    found: list[Json] = []
    for number in [featured, *re.findall(r"wp-image-(\d+)|<!-- wp:video {\"id\":(\d+)", content)]:
        one = number if isinstance(number, str) else number[0] or number[1]
        media = world.media_of("wordpress", one) if one not in ("", "0") else None
        if media is not None:
            alt = re.search(rf'alt="([^"]*)" class="wp-image-{one}"', content)
            said = html.unescape(alt[1]) if alt else html.unescape(media.alt)
            found.append({"kind": media.kind, "alt": said, "sha256": media.sha256, "id": one})
    return found


def blocks(post: Post) -> str:
    """The content of a post that was edited behind its author's back."""
    paragraphs = "\n\n".join(
        f"<!-- wp:paragraph -->\n<p>{html.escape(piece).replace(chr(10), '<br>')}</p>\n<!-- /wp:paragraph -->"
        for piece in post.text.split("\n\n")
    )
    pictures = "\n\n".join(
        f'<figure class="wp-block-image"><img src="/_media/{one["sha256"]}" alt="{html.escape(one["alt"])}" '
        f'class="wp-image-{one["id"]}"/></figure>'
        for one in post.media
        if one["id"] != stored(post).get("featured")
    )
    return f"{paragraphs}\n\n{pictures}".strip()


def edited(record: Json, post: Post) -> Json:
    return {**record, "content": blocks(post)}


def media_view(call: Call, media: Media) -> Json:
    return {
        "id": int(media.id),
        "date_gmt": moment(media.created_at),
        "slug": media.extra["slug"],
        "status": "inherit",
        "type": "attachment",
        "alt_text": media.alt,
        "media_type": "image" if media.mime.startswith("image/") else "file",
        "mime_type": media.mime,
        "source_url": f"{call.base}/_media/{media.sha256}" + (".gif" if media.kind == "gif" else ""),
    }
