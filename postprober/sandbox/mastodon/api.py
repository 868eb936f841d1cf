"""Mastodon: statuses with idempotency keys, timelines, media, instance. platforms/mastodon/facts.md."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.files import sniff
from postprober.sandbox.engine.model import Media, Post
from postprober.sandbox.engine.operation import ApiRefusal, Call, Operation, file_bytes, reply
from postprober.sandbox.engine.timefmt import iso
from postprober.sandbox.engine.world import World
from postprober.sandbox.mastodon.dialect import (
    MastodonDialect,
    account_view,
    base_of,
    instance_view,
    media_view,
    missing,
    status_view,
    unprocessable,
)
from postprober.sandbox.mastodon.kinds import Kind, kind_of
from postprober.sandbox.mastodon.quotes import quoting
from postprober.sandbox.mastodon.text import kept_language, mastodon_length

_KEY_SECONDS = 3600.0  # an Idempotency-Key is remembered for one hour: platforms/mastodon/facts.md, 5
_SOONEST = 300.0  # seconds from now in which nothing is scheduled
_MOST_READ = 20  # ours, of a reading of many: platforms/mastodon/facts.md, 7
_VISIBILITIES = ("public", "unlisted", "private", "direct")


def truthy(value: Any) -> bool:
    return value is True or str(value).lower() in ("1", "true", "on")


async def create(call: Call) -> Response:
    """POST /api/v1/statuses; a known Idempotency-Key answers with the status it made."""
    form = call.without_dropped(await call.form())
    kind = kind_of(call.world)
    key = call.request.headers.get("idempotency-key", "")
    if key and (kind is None or kind.key != "ignored"):
        call.keyed(key)
        if kind is not None and kind.key == "refused":
            _use_once(call, key)
        known = _known(call, key)
        if known is not None:
            return reply(status_view(call, known))
    post = draft(call, form)
    if form.get("scheduled_at"):
        return _schedule(call, post, form)
    if call.take("duplicate"):
        raise unprocessable("Text has already been taken")
    post.created_at = call.landing_time()
    post.id = identifier(call, call.world.ids.make("mastodon", post.created_at, in_order=call.late is None))
    if (quote := post.extra.get("quote")) and (told := call.take("quote_state")):
        quote["state"] = str(told.params.get("state", "pending"))
    post.path = (kind.path if kind else "/mastodon/@{name}/{id}").format(name=post.account, id=post.id)
    call.store_post(post)
    if key:
        kept = {"id": post.id, "until": call.at + _KEY_SECONDS}
        call.world.put_doc("idempotency", f"{call.owner.name}|{key}", kept)
    return reply(status_view(call, post))


def _schedule(call: Call, post: Post, form: dict[str, Any]) -> Response:
    """A status that appears later: a ScheduledStatus answers, under an id of its own. Sooner than in five minutes it is
    refused (app/models/scheduled_status.rb)."""
    at = when(call, form)
    post.created_at = at
    post.id = str(call.world.ids.make("mastodon", call.at))
    post.path = f"/mastodon/@{post.account}/{post.id}"
    call.store_post(post)
    params = {"text": post.text, "visibility": post.extra["visibility"], "scheduled_at": None}
    doc = {"id": post.id, "account": post.account, "at": at, "params": params}
    call.world.put_doc("mastodon-scheduled", post.id, doc)
    return reply({"id": post.id, "scheduled_at": iso(at), "params": params, "media_attachments": []})


def when(call: Call, form: dict[str, Any]) -> float:
    """`scheduled_at` as epoch seconds. Raises the 422s."""
    try:
        at = datetime.fromisoformat(str(form.get("scheduled_at")).replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise unprocessable("Scheduled at is invalid") from None
    if at < call.at + _SOONEST:
        raise unprocessable("Scheduled at The scheduled date must be in the future")
    return at


def identifier(call: Call, number: int) -> str:
    """An id as this server writes them; all of one server are equally long and in order."""
    kind = kind_of(call.world)
    return str(number) if kind is None else kind.identifier(number)


def _use_once(call: Call, key: str) -> None:
    """Pixelfed remembers that a key was used, not what for, before it looks at anything else."""
    name = f"{call.owner.name}|{key}"
    kept = call.world.doc("idempotency-used", name)
    if kept is not None and kept["until"] >= call.at:
        raise ApiRefusal(400, {"error": "Duplicate idempotency key."})
    call.world.put_doc("idempotency-used", name, {"until": call.at + _KEY_SECONDS})


def _known(call: Call, key: str) -> Post | None:
    """The status already created with this key. One that was still to land late lands now, once."""
    kept = call.world.doc("idempotency", f"{call.owner.name}|{key}")
    if kept is None or kept["until"] < call.at:
        return None
    post = call.world.post("mastodon", kept["id"])
    if post is None or post.deleted(call.at):
        return None
    if not post.landed(call.at):
        post.created_at = call.at
        call.world.save_post(post)
    return post


def draft(call: Call, form: dict[str, Any]) -> Post:
    """A checked post without id. Raises the 422 and 404 refusals."""
    kind = kind_of(call.world)
    source = text = str(form.get("status") or "").strip()
    media = _attached(call, form.get("media_ids") or [])
    if not text and not media:
        raise unprocessable("Text can't be blank")
    limit = int(call.world.settings["max_characters"])
    spoiler = str(form.get("spoiler_text") or "")
    if kind is None and mastodon_length(text) + mastodon_length(spoiler) > limit:
        raise unprocessable(f"Text character limit of {limit} exceeded")
    if kind is not None:
        text, spoiler = _as_kept(kind, form, text, spoiler, limit)
    visibility = str(form.get("visibility") or "public")
    if visibility not in _VISIBILITIES:
        raise unprocessable("Visibility is not included in the list")
    parent_id = form.get("in_reply_to_id") or None
    parent = call.world.post("mastodon", str(parent_id)) if parent_id else None
    if parent_id and (parent is None or not parent.seen_by(call.account, call.at)):
        raise ApiRefusal(404, {"error": "The post you are trying to reply to does not appear to exist."})
    return Post(
        platform="mastodon",
        id="",
        account=call.owner.name,
        text=text,
        created_at=call.at,
        media=[{"id": m.id, "kind": m.kind, "alt": m.alt, "sha256": m.sha256} for m in media],
        reply_to=parent.id if parent else None,
        audience="public" if visibility in ("public", "unlisted") else "restricted",
        extra={
            "visibility": visibility,
            "spoiler_text": spoiler,
            "sensitive": truthy(form.get("sensitive")),
            "language": kept_language(str(form.get("language") or "")),
            **quoting(call, form, media, visibility),
            **({"poll": asked} if (asked := _poll(call, form, media)) else {}),
            **({"source": source} if source != text else {}),
            **({"markdown": True} if _is_markdown(call, form) else {}),
        },
    )


def _as_kept(kind: Kind, form: dict[str, Any], text: str, spoiler: str, limit: int) -> tuple[str, str]:
    """Text and warning as a server of another kind keeps them. Raises its refusals."""
    counted = text if kind.name == "pixelfed" else text + spoiler
    over = kind.length(counted) - limit if kind.length is not None else 0
    if over > 0 and kind.name == "pixelfed":
        told = f"The status must not be greater than {limit} characters."
        raise ApiRefusal(kind.too_long, {"message": told, "errors": {"status": [told]}})
    if over > 0 and kind.name == "gotosocial":
        told = f"status too long, {limit + over} characters provided (including spoiler/content warning) but limit is {limit}"
        raise ApiRefusal(kind.too_long, {"error": told})
    if over > 0:
        raise ApiRefusal(kind.too_long, {"error": "The status is over the character limit"})
    language = str(form.get("language") or "")
    if kind.name == "akkoma" and language and len(language) != 2:
        raise ApiRefusal(422, {"error": "Invalid language"})
    if kind.name == "pixelfed" and not form.get("media_ids") and not form.get("in_reply_to_id"):
        raise ApiRefusal(403, {"error": "Empty statuses are not allowed"})
    if kind.name == "pixelfed" and not truthy(form.get("sensitive")):
        spoiler = ""
    if kind.name in ("snac", "pixelfed"):
        form.pop("poll", None)
    return kind.stored(text), spoiler


def _is_markdown(call: Call, form: dict[str, Any]) -> bool:
    """Whether the account's own setting makes Markdown of it, where a post does not say otherwise."""
    kind = kind_of(call.world)
    asks = kind is not None and kind.name == "gotosocial" and bool(call.world.settings["mastodon_markdown"])
    return asks and form.get("content_type") != "text/plain"


def _poll(call: Call, form: dict[str, Any], media: list[Media]) -> dict[str, Any] | None:
    """The poll of a new status, None without one. Raises the 422s of app/validators/poll_validator.rb."""
    asked = form.get("poll") or {
        name.removeprefix("poll[").rstrip("]["): value for name, value in form.items() if name.startswith("poll[")
    }
    if not isinstance(asked, dict) or not asked.get("options"):
        return None
    options = [str(option) for option in asked["options"]]
    seconds = float(asked.get("expires_in") or 0)
    if media:
        raise unprocessable("Polls cannot be attached to a status with media")
    if len(options) < 2:
        raise unprocessable("Poll must have more than one item")
    if len(options) > 4:
        raise unprocessable("Poll can't contain more than 4 items")
    if any(len(option) > 50 for option in options):
        raise unprocessable("Poll can't be longer than 50 characters each")
    if len(set(options)) != len(options):
        raise unprocessable("Poll contains duplicate items")
    if not 300 <= seconds <= 2_629_746:
        raise unprocessable("Poll expires in duration is too short" if seconds < 300 else "Poll duration is too long")
    return {
        "id": str(call.world.ids.make("mastodon", call.at)),
        "options": options,
        "until": call.at + seconds,
        "multiple": truthy(asked.get("multiple")),
        "hide_totals": truthy(asked.get("hide_totals")),
        "votes": {},
    }


def _attached(call: Call, media_ids: Any) -> list[Media]:
    ids = [str(i) for i in media_ids] if isinstance(media_ids, list) else [str(media_ids)]
    if len(ids) > (4 if kind_of(call.world) is None else 8):
        raise unprocessable("Cannot attach more than 4 files")
    found = [call.world.media_of("mastodon", i) for i in ids]
    media = [m for m in found if m is not None and m.account == call.owner.name]
    if len(media) < len(ids):
        raise missing()
    if any(m.state(call.at) != "ready" for m in media):
        raise unprocessable("Cannot attach files that have not finished processing. Try again in a moment!")
    if len(media) > 1 and any(m.kind != "image" for m in media):
        raise unprocessable("Cannot attach a video to a post that already contains images")
    return media


def visible(call: Call) -> Post:
    post = call.world.post("mastodon", call.request.path_params["id"])
    if post is None or not post.seen_by(call.account, call.seen_at()):
        raise missing()
    return post


async def read(call: Call) -> Response:
    kind = kind_of(call.world)
    if kind is not None and not kind.open and call.account is None:
        raise call_refusal(call)
    return reply(status_view(call, visible(call)))


def call_refusal(call: Call) -> ApiRefusal:
    """What a stranger is told by a server that gives statuses only to who is signed in. Pixelfed sends to a page who does
    not ask for JSON."""
    kind = kind_of(call.world)
    if kind is None or kind.name != "pixelfed":
        return ApiRefusal(401, {"error": "Unauthorized"})
    if "json" not in call.request.headers.get("accept", ""):
        return ApiRefusal(302, "", {"location": f"{call.base}/mastodon/login"})
    return MastodonDialect().refuse_token(call, "missing")


async def read_many(call: Call) -> Response:
    kind = kind_of(call.world)
    if kind is not None:
        raise ApiRefusal(kind.many, {"error": "No such question"})
    query = call.request.query_params
    at = call.seen_at()
    ids = query.getlist("id[]") or query.getlist("id")
    if len(ids) > _MOST_READ:
        raise unprocessable("Validation failed: too many ids")
    posts = [call.world.post("mastodon", i) for i in ids]
    return reply([status_view(call, p) for p in posts if p and p.seen_by(call.account, at)])


async def delete(call: Call) -> Response:
    kind = kind_of(call.world)
    post = call.world.post("mastodon", call.request.path_params["id"])
    if kind is not None and not kind.deletes:
        raise missing()
    if kind is not None and kind.name == "pixelfed" and (post is None or post.deleted(call.at)):
        raise ApiRefusal(500, {"error": "No query results for model [App\\Models\\Status]."})
    if post is None or post.account != call.owner.name or post.deleted(call.at):
        raise missing()
    view = status_view(call, post) | {"text": post.text}
    call.world.delete_post(post)
    call.effect(deleted=post.id)
    return reply(view)


async def verify(call: Call) -> Response:
    kind = kind_of(call.world)
    held = set(call.token.scopes if call.token else ())
    if kind is not None and kind.name == "akkoma" and not held & {"read", "read:accounts"}:
        raise ApiRefusal(403, {"error": "Insufficient permissions: read:accounts."})
    source = {"privacy": "public", "sensitive": False, "language": "en", "note": "", "fields": []}
    return reply(account_view(call, call.owner) | {"source": source})


async def timeline(call: Call) -> Response:
    """An account's statuses, newest first, paged by the Link header."""
    account = call.world.account_by_id("mastodon", call.request.path_params["id"])
    if account is None:
        raise missing()
    query = call.request.query_params
    size = query.get("limit", "20")
    limit = min(40, int(size)) if size.isdigit() and int(size) else 20
    at = call.seen_at()
    posts = [p for p in call.world.posts_of("mastodon", account.name, at) if p.seen_by(call.account, at)]
    kind = kind_of(call.world)
    posts.sort(key=lambda p: in_order(p.id), reverse=True)
    if kind is not None and not kind.pages:
        return reply([status_view(call, p) for p in posts])
    if kind is not None and kind.name == "pixelfed":
        posts = [p for p in posts if p.reply_to is None]
    if truthy(query.get("exclude_replies", "")):
        posts = [p for p in posts if p.reply_to is None]
    if query.get("max_id", ""):
        posts = [p for p in posts if in_order(p.id) < in_order(query["max_id"])]
    if query.get("since_id", ""):
        posts = [p for p in posts if in_order(p.id) > in_order(query["since_id"])]
    if query.get("min_id", ""):
        # min_id pages upwards from the id, since_id downwards from the newest.
        page = [p for p in posts if in_order(p.id) > in_order(query["min_id"])][-limit:]
    else:
        page = posts[:limit]
    cut = call.take("truncated_timeline")
    if cut:
        return reply([status_view(call, p) for p in page[: int(cut.params.get("keep", 1))]])
    return reply([status_view(call, p) for p in page], headers=_link(call, account.id, page, limit))


def in_order(post_id: str) -> str:
    """What ids are compared by, numbers and others."""
    return post_id.rjust(40, "0")


def _link(call: Call, account_id: str, page: list[Post], limit: int) -> dict[str, str]:
    if not page:
        return {}
    url = f"{base_of(call)}/api/v1/accounts/{account_id}/statuses?"
    older = url + urlencode({"limit": limit, "max_id": page[-1].id})
    newer = url + urlencode({"limit": limit, "min_id": page[0].id})
    links = [f'<{newer}>; rel="prev"']
    return {"link": ", ".join([f'<{older}>; rel="next"', *links] if len(page) == limit else links)}


async def upload(call: Call) -> Response:
    """200 when ready at once (images), 202 while processing."""
    form = await call.form()
    data = file_bytes(form.get("file"))
    found = sniff(data)
    if not found.kind:
        raise unprocessable("File content type is invalid")
    slow, fails = call.take("slow_media"), call.take("media_failed")
    seconds = slow.seconds(5) if slow else 0.0 if found.kind == "image" else call.world.settings["media_seconds"]
    media = Media(
        platform="mastodon",
        id=str(call.world.ids.make("mastodon", call.at)),
        account=call.owner.name,
        kind=found.kind,
        created_at=call.at,
        mime=found.mime,
        sha256=call.world.keep_bytes(data, found.mime),
        size=len(data),
        alt=str(form.get("description") or ""),
        ready_at=call.at + float(seconds),
        fails=fails is not None,
    )
    call.world.save_media(media)
    kind = kind_of(call.world)
    if kind is not None and kind.uploaded != 200:
        told = media_view(call, media)
        return reply(told | {"url": None} if kind.name == "pixelfed" else told, kind.uploaded)
    return reply(media_view(call, media), 200 if media.state(call.at) == "ready" else 202)


def _own_media(call: Call) -> Media:
    media = call.world.media_of("mastodon", call.request.path_params["id"])
    if media is None or media.account != call.owner.name:
        raise missing()
    return media


async def media_status(call: Call) -> Response:
    kind = kind_of(call.world)
    if kind is not None and kind.name == "akkoma" and "read:media" not in (call.token.scopes if call.token else ()):
        raise ApiRefusal(403, {"error": "Insufficient permissions: read:media."})
    media = _own_media(call)
    state = media.state(call.at)
    if state == "failed":
        raise ApiRefusal(422, {"error": "Error processing thumbnail for uploaded media"})
    return reply(media_view(call, media), 206 if state == "processing" else 200)


async def describe(call: Call) -> Response:
    media = _own_media(call)
    media.alt = str((await call.form()).get("description") or "")
    call.world.save_media(media)
    return reply(media_view(call, media))


async def instance(call: Call) -> Response:
    kind = kind_of(call.world)
    if kind is not None and not kind.v2:
        raise missing()
    return reply(instance_view(call))


def routes(world: World, dialect: MastodonDialect) -> list[BaseRoute]:
    api = "/mastodon/api/v1"

    def operation(name: str, handler: Any, scope: str = "") -> Operation:
        return Operation(world, dialect, name, handler, scope=scope, needs_token=bool(scope), dead_token_refused=True)

    return [
        operation("create", create, "write:statuses|write").route(f"{api}/statuses", "POST"),
        operation("read", read_many).route(f"{api}/statuses", "GET"),
        operation("read", read).route(f"{api}/statuses/{{id:str}}", "GET"),
        operation("delete", delete, "write:statuses|write").route(f"{api}/statuses/{{id:str}}", "DELETE"),
        operation("me", verify, "profile|read|read:accounts").route(f"{api}/accounts/verify_credentials", "GET"),
        operation("timeline", timeline).route(f"{api}/accounts/{{id:str}}/statuses", "GET"),
        operation("media", upload, "write:media|write").route("/mastodon/api/v2/media", "POST"),
        operation("media", media_status, "write:media|write|read").route(f"{api}/media/{{id:str}}", "GET"),
        operation("media", describe, "write:media|write").route(f"{api}/media/{{id:str}}", "PUT"),
        operation("instance", instance).route("/mastodon/api/v2/instance", "GET"),
    ]
