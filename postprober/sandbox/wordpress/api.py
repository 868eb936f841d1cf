"""The routes of the REST API that publishing needs. platforms/wordpress/facts.md."""

import html
import re
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.model import Account, Post
from postprober.sandbox.engine.operation import Call, Handler, Operation, reply
from postprober.sandbox.engine.world import World
from postprober.sandbox.wordpress.dialect import (
    API,
    CATEGORIES,
    PUBLISHES,
    SITE,
    UPLOADS,
    WRITES,
    WordPressDialect,
    bad_field,
    free_slug,
    link_of,
    media_in,
    media_view,
    moment,
    sent,
    slug_of,
    status_of,
    stored,
    text_of,
    wp_error,
)
from postprober.sandbox.wordpress.library import (
    categories,
    change_media,
    comments,
    list_media,
    make_tag,
    read_media,
    tags,
    upload,
)

Json = dict[str, Any]


async def index(call: Call) -> Response:
    home = f"{call.base}{SITE}"
    sign_in = {"application-passwords": {"endpoints": {"authorization": f"{home}/wp-admin/authorize-application.php"}}}
    return reply(
        {
            "name": "WordPress sandbox",
            "url": home,
            "home": home,
            "namespaces": ["oembed/1.0", "wp/v2"],
            "authentication": sign_in,
        }
    )


async def me(call: Call) -> Response:
    scopes = call.token.scopes if call.token else []
    more = {"username": call.owner.name, "capabilities": dict.fromkeys(scopes, True), "roles": ["author"]}
    return reply(_user(call, call.owner) | more)


async def introspect(_call: Call) -> Response:
    return reply({"uuid": "0f7a2f5e-0000-4000-8000-000000000000", "name": "PostProber"})


async def forget_password(call: Call) -> Response:
    if call.token is not None:
        call.token.revoked = True
        call.world.save_token(call.token)
    return reply({"deleted": True})


def _user(call: Call, account: Account) -> Json:
    return {
        "id": int(account.id),
        "name": account.title,
        "slug": account.title.lower(),
        "link": f"{call.base}{SITE}/author/{account.title.lower()}/",
    }


async def make_post(call: Call) -> Response:
    """A draft, or with another status a post at once."""
    body = call.without_dropped(sent(call))
    if not any(str(body.get(name) or "").strip() for name in ("title", "content", "excerpt")):
        raise wp_error(400, "empty_content")
    at = call.landing_time() if body.get("status") in ("publish", "private") else call.at
    number = str(call.world.ids.make("wordpress", at, in_order=call.late is None))
    record = _changed(call, {"status": "draft", "slug": "", "id": number}, body)
    post = _post(call, number, record, at)
    if record["status"] == "draft":
        call.world.put_doc("wp_draft", number, {"account": call.owner.name, "record": record, "at": at})
        return reply(view(call, post), 201)
    _require(call, PUBLISHES)
    call.store_post(post)
    return reply(view(call, post), 201)


async def change_post(call: Call) -> Response:
    """What is sent of a post; publishing a draft makes it a post of the world. Published again, it stays the same one."""
    number, body = call.request.path_params["number"], sent(call)
    draft = call.world.doc("wp_draft", number)
    post = call.world.post("wordpress", number)
    if body.get("status") in ("publish", "private", "future"):
        _require(call, PUBLISHES)
    if post is not None:
        return _change(call, post, body)
    if draft is None or draft["account"] != call.owner.name:
        raise wp_error(404, "rest_post_invalid_id")
    record = _changed(call, draft["record"], call.without_dropped(body))
    if record["status"] == "draft":
        call.world.put_doc("wp_draft", number, {**draft, "record": record})
        return reply(view(call, _post(call, number, record, call.at)))
    at = call.landing_time()
    made = _post(call, number, record, at)
    call.store_post(made)
    return reply(view(call, made))


def _change(call: Call, post: Post, body: Json) -> Response:
    if not post.landed(call.at):  # an earlier request is still on its way: this one is first
        post.created_at = call.at
    if not post.seen_by_owner(call.at) and not post.deleted(call.at):
        raise wp_error(404, "rest_post_invalid_id")
    if post.deleted(call.at) and "status" in body:
        post.deleted_at = None
    record = _changed(call, stored(post), body)
    changed = {**record, "status": body.get("status", record["status"])}
    if any(name in body for name in ("content", "title", "excerpt")):
        post.edited_at = call.at
    fresh = _post(call, post.id, changed, post.created_at)
    post.text, post.media, post.path, post.extra = fresh.text, fresh.media, fresh.path, post.extra | fresh.extra
    post.audience = fresh.audience
    call.world.save_post(post)
    return reply(view(call, post))


def _changed(call: Call, record: Json, body: Json) -> Json:
    fields = ("title", "content", "excerpt", "status", "comment_status", "format", "password")
    new = {**record, **{name: str(body[name]) for name in fields if name in body}}
    if "date_gmt" in body and new["status"] == "publish":
        new["status"] = "future"
    if body.get("slug"):
        new["slug"] = free_slug(call.world, str(body["slug"]), record["id"])
        call.world.put_doc("wp_slug", record["id"], {"id": record["id"], "slug": new["slug"]})
    for name in ("categories", "tags"):
        if name in body:
            new[name] = [int(one) for one in body[name]]
    if "featured_media" in body:
        new["featured"] = str(body["featured_media"])
    return new


def _post(call: Call, number: str, record: Json, at: float) -> Post:
    content = record.get("content", "")
    return Post(
        platform="wordpress",
        id=number,
        account=call.owner.name,
        text=text_of(content),
        created_at=at,
        path=f"{SITE}/{record['slug'] or number}/",
        media=media_in(call.world, content, record.get("featured", "")),
        audience="public" if record["status"] == "publish" and not record.get("password") else record["status"],
        extra={"record": record},
    )


def view(call: Call, post: Post, *, stranger: bool = False) -> Json:
    """A post as the API gives it; `raw` only to who may edit."""
    record, owner = stored(post), call.world.account("wordpress", post.account)
    closed = stranger and bool(record.get("password"))
    found: Json = {
        "id": int(post.id),
        "date_gmt": moment(post.created_at),
        "modified_gmt": moment(post.edited_at or post.created_at),
        "slug": slug_of(post, call.at),
        "status": status_of(post, call.at),
        "type": "post",
        "link": link_of(call, post),
        "author": int(owner.id) if owner else 0,
        "featured_media": int(record.get("featured") or 0),
        "comment_status": record.get("comment_status", "open"),
        "format": record.get("format", "standard"),
        "categories": record.get("categories") or [1],
        "tags": record.get("tags") or [],
        "sticky": False,
        "meta": [],
    }
    for name in ("title", "content", "excerpt"):
        said = "" if closed and name != "title" else record.get(name, "")
        found[name] = {"rendered": _rendered(said, name)} | ({} if stranger else {"raw": said})
        if name != "title":
            found[name]["protected"] = closed
    if not stranger:
        found["password"] = record.get("password", "")
    if "_embed" in call.request.query_params:
        found["_embedded"] = _embedded(call, record, owner)
    wanted = call.request.query_params.get("_fields", "")
    return {name: found[name] for name in wanted.split(",") if name in found} if wanted else found


def _rendered(said: str, name: str) -> str:
    shown = re.sub(r"<!-- /?wp:.*?-->\n?", "", said)
    if name == "excerpt":
        return f"<p>{said}</p>\n"
    return shown if name == "title" else f"\n{shown}\n"


def _embedded(call: Call, record: Json, owner: Account | None) -> Json:
    names = {number: name for name, number in CATEGORIES.items()}
    tags = {int(one["id"]): one["name"] for one in call.world.docs("wp_tag")}
    found: Json = {
        "author": [_user(call, owner)] if owner else [],
        "wp:term": [
            [
                {"id": one, "name": html.escape(names.get(one, "?")), "taxonomy": "category"}
                for one in record.get("categories") or [1]
            ],
            [
                {"id": one, "name": html.escape(tags.get(one, "?")), "taxonomy": "post_tag"}
                for one in record.get("tags") or []
            ],
        ],
    }
    featured = call.world.media_of("wordpress", record.get("featured", ""))
    return found | ({"wp:featuredmedia": [media_view(call, featured)]} if featured else {})


async def read_post(call: Call) -> Response:
    """A stranger is told alike of what is not public and of what was thrown away; of what never was, he is told that."""
    number = call.request.path_params["number"]
    post = _find(call, number)
    if post is None:
        raise wp_error(404, "rest_post_invalid_id")
    edits = call.request.query_params.get("context") == "edit"
    if edits:
        if call.token is None or call.token.revoked:
            raise WordPressDialect().refuse_token(call, "invalid")
        if post.account != call.name:
            raise wp_error(403, "rest_forbidden_context")
        if not post.seen_by_owner(call.seen_at()) and not post.deleted(call.at) and not _is_draft(call, number):
            raise wp_error(404, "rest_post_invalid_id")
        return reply(view(call, post))
    if not _public(call, post) or call.world.settings["rest_closed"]:
        raise wp_error(401, "rest_forbidden")
    return reply(view(call, post, stranger=True))


def _is_draft(call: Call, number: str) -> bool:
    return call.world.post("wordpress", number) is None and call.world.doc("wp_draft", number) is not None


def _public(call: Call, post: Post) -> bool:
    """Also behind a password it is published: only its words are kept back."""
    if stored(post).get("password") and stored(post)["status"] == "publish":
        return post.seen_by_owner(call.at) and not post.hidden(call.at)
    return not _is_draft(call, post.id) and post.seen_by_public(call.at)


def _find(call: Call, number: str) -> Post | None:
    post = call.world.post("wordpress", number)
    if post is not None and post.landed(call.at):
        return None if post.extra.get("gone") else post
    draft = call.world.doc("wp_draft", number)
    if draft is None:
        return None
    owner = call.world.account("wordpress", draft["account"])
    return _as_draft(number, draft) if owner else None


def _as_draft(number: str, draft: Json) -> Post:
    return Post(
        platform="wordpress",
        id=number,
        account=draft["account"],
        text=text_of(draft["record"].get("content", "")),
        created_at=draft["at"],
        audience="draft",
        extra={"record": draft["record"]},
    )


async def list_posts(call: Call) -> Response:
    """Of the user's own posts; strangers read no lists here."""
    asked = call.request.query_params
    statuses, at = asked.get("status", "publish").split(","), call.seen_at()
    own = [p for p in call.world.by_account.get(f"wordpress|{call.owner.name}", []) if p.landed(at)]
    own = [p for p in own if not p.extra.get("gone")]
    there = [p for p in own if p.seen_by_owner(at) or p.deleted(at)]
    known = {p.id for p in call.world.by_account.get(f"wordpress|{call.owner.name}", []) if p.landed(at)}
    drafts = [
        _as_draft(one["record"]["id"], one)
        for one in call.world.docs("wp_draft")
        if one["account"] == call.owner.name and one["record"]["id"] not in known
    ]
    found = [p for p in [*there, *drafts] if status_of(p, at) in statuses]
    if "slug" in asked:
        found = [p for p in found if slug_of(p, at) in asked["slug"].split(",")]
    if "search" in asked:
        found = [p for p in found if asked["search"] in "".join(map(str, stored(p).values()))]
    if "include" in asked:
        found = [p for p in found if p.id in asked["include"].split(",")]
    if "author" in asked and asked["author"] != call.owner.id:
        found = []
    found.sort(key=lambda p: p.created_at, reverse=True)
    size, page = int(asked.get("per_page", 10)), int(asked.get("page", 1))
    if not 1 <= size <= 100:
        raise bad_field("per_page", "per_page must be between 1 (inclusive) and 100 (inclusive)")
    pages = max(1, -(-len(found) // size))
    if page > pages:
        raise wp_error(
            400,
            "rest_post_invalid_page_number",
            "The page number requested is larger than the number of pages available.",
        )
    rows = [view(call, post) for post in found[(page - 1) * size : page * size]]
    return reply(rows, headers={"x-wp-total": str(len(found)), "x-wp-totalpages": str(pages)})


async def delete_post(call: Call) -> Response:
    number = call.request.path_params["number"]
    post = call.world.post("wordpress", number)
    draft = call.world.doc("wp_draft", number)
    if post is None and draft is not None and draft["account"] == call.owner.name:
        call.world.put_doc("wp_draft", number, {**draft, "account": ""})
        return reply(view(call, _as_draft(number, draft)))
    if post is None or post.account != call.owner.name or not post.landed(call.at) or post.extra.get("gone"):
        raise wp_error(404, "rest_post_invalid_id")
    if call.request.query_params.get("force", "").lower() in ("true", "1"):
        before = view(call, post)
        call.world.delete_post(post)
        post.extra["gone"] = True
        call.world.save_post(post)
        return reply({"deleted": True, "previous": before})
    if post.deleted(call.at):
        raise wp_error(410, "rest_already_trashed")
    call.world.delete_post(post)
    call.effect(deleted=post.id)
    call.at = call.world.now()  # as it is by now
    return reply(view(call, post))


def _require(call: Call, right: str) -> None:
    if call.token is None or right not in call.token.scopes:
        raise wp_error(403, "rest_cannot_publish", "Sorry, you are not allowed to publish posts in this post type.")


def routes(world: World, dialect: WordPressDialect) -> list[BaseRoute]:
    posts = f"{API}/wp/v2/posts"
    one = f"{posts}/{{number:str}}"
    table: tuple[tuple[str, str, Handler, str, str], ...] = (
        ("me", f"{API}/wp/v2/users/me", me, "GET", ""),
        ("me", f"{API}/wp/v2/users/me/application-passwords/introspect", introspect, "GET", ""),
        ("me", f"{API}/wp/v2/users/me/application-passwords/{{uuid:str}}", forget_password, "DELETE", ""),
        ("timeline", posts, list_posts, "GET", WRITES),
        ("container", posts, make_post, "POST", WRITES),
        ("delete", one, delete_post, "DELETE", WRITES),
        ("media", f"{API}/wp/v2/media", upload, "POST", UPLOADS),
        ("media", f"{API}/wp/v2/media", list_media, "GET", UPLOADS),
        ("media", f"{API}/wp/v2/media/{{number:str}}", read_media, "GET", UPLOADS),
        ("media", f"{API}/wp/v2/media/{{number:str}}", change_media, "POST", UPLOADS),
        ("media", f"{API}/wp/v2/media/{{number:str}}/post-process", change_media, "POST", UPLOADS),
        ("read", f"{API}/wp/v2/categories", categories, "GET", ""),
        ("read", f"{API}/wp/v2/tags", tags, "GET", ""),
        ("container", f"{API}/wp/v2/tags", make_tag, "POST", WRITES),
        ("read", f"{API}/wp/v2/comments", comments, "GET", ""),
    )
    return [
        Operation(world, dialect, "any", index, needs_token=False).route(f"{API}/", "GET"),
        Operation(world, dialect, "read", read_post, needs_token=False, dead_token_refused=True).route(one, "GET"),
        Operation(world, dialect, "create", change_post, scope=WRITES).route(one, "POST"),
        *(
            Operation(world, dialect, name, handler, scope=scope).route(path, method)
            for name, path, handler, method, scope in table
        ),
    ]
