"""Instagram's web pages for a signed-in person: feed with the create dialog, profile, post; and the calls behind them.

Signed in is who sends a `sessionid` cookie that is an access token of the sandbox, so that expiry, revocation and all
faults are those of every other operation. Faults besides the common ones: `challenge` (every page asks the person to
prove who they are), `sticky_share` (the Share button stays as if the click had been lost).
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.bearer import find_bearer
from postprober.sandbox.engine.engagement import counts
from postprober.sandbox.engine.faults import Fault
from postprober.sandbox.engine.limits import refusal_headers
from postprober.sandbox.engine.model import Media, Post
from postprober.sandbox.engine.operation import ApiRefusal, Call, Operation, reply
from postprober.sandbox.engine.world import World
from postprober.sandbox.instagram import web_html as pages
from postprober.sandbox.instagram.api import shortcode_of

PREFIX = "/instagram-web"
GRID = 12  # posts that the grid shows at first, as on the real site

Page = Callable[[Call], Awaitable[Response]]


class InstagramWebDialect:
    """What every page may have to say. Its faults are planned for `instagram`."""

    name = "instagram"

    def find_account(self, call: Call) -> None:
        find_bearer(call, call.request.cookies.get("sessionid", ""))

    def refuse_token(self, call: Call, why: str) -> ApiRefusal:
        """The web sends a person who is not signed in to the login page."""
        return ApiRefusal(302, "", {"location": f"{PREFIX}/accounts/login/?next={call.request.url.path}"})

    def server_error(self, status: int) -> ApiRefusal:
        return ApiRefusal(status, pages.broken(status))

    def rate_limited(self, call: Call, fault: Fault) -> ApiRefusal:
        body = pages.shell("Error", "<main><p>Please wait a few minutes before you try again.</p></main>")
        return ApiRefusal(429, body, refusal_headers(fault, call.at, "", "") if "form" in fault.params else {})

    def bad_refresh(self) -> ApiRefusal:
        return self.server_error(500)

    def headers(self, _call: Call) -> dict[str, str]:
        return {}


def _guarded(page: Page) -> Page:
    async def show(call: Call) -> Response:
        if call.take("challenge"):
            return RedirectResponse(f"{PREFIX}/challenge/?next={call.request.url.path}", 302)
        return await page(call)

    return show


async def _feed(call: Call) -> Response:
    return HTMLResponse(pages.feed(PREFIX, call.owner.name, sticky=call.take("sticky_share") is not None))


async def _profile(call: Call) -> Response:
    name = str(call.request.path_params["name"])
    if call.world.account("instagram", name) is None:
        return HTMLResponse(pages.missing(PREFIX, call.owner.name), 404)
    at = call.seen_at()
    viewer = call.owner
    own = [p for p in call.world.by_account.get(f"instagram|{name}", []) if p.seen_by(viewer, at)]
    own.sort(key=lambda p: p.created_at, reverse=True)
    shown = own[: int(cut.params.get("count", 1))] if (cut := call.take("truncated_timeline")) else own[:GRID]
    return HTMLResponse(pages.profile(PREFIX, name, shown, len(own)))


async def _post(call: Call) -> Response:
    code = call.request.path_params["code"]
    at = call.seen_at()
    mine = (p for p in call.world.posts.values() if p.platform == "instagram" and p.extra.get("shortcode") == code)
    found = next(mine, None)
    if found is None or not found.seen_by(call.owner, at):
        return HTMLResponse(pages.missing(PREFIX, call.owner.name), 404)
    likes = counts(call.world, found, call.at).likes
    return HTMLResponse(pages.post(PREFIX, call.owner.name, found, likes, "/_media"))


async def _upload(call: Call) -> Response:
    """The picture's bytes, which nobody sees yet."""
    if not call.body.startswith((b"\xff\xd8", b"\x89PNG")):
        return reply({"status": "fail", "message": "not a picture"}, 400)
    upload = Media(
        platform="instagram",
        id=str(call.world.ids.make("instagram", call.at)),
        account=call.owner.name,
        kind="image",
        created_at=call.at,
        mime="image/jpeg",
        size=len(call.body),
        ready_at=call.at,
        sha256=call.world.keep_bytes(call.body, "image/jpeg"),
    )
    call.world.save_media(upload)
    return reply({"upload_id": upload.id, "status": "ok"})


async def _configure(call: Call) -> Response:
    """Share. The site does not promise that it recognises a repeat, so every call makes a post."""
    if call.take("challenge"):
        return RedirectResponse(f"{PREFIX}/challenge/", 302)
    asked: dict[str, Any] = await call.form()
    upload = call.world.media_of("instagram", str(asked.get("upload_id")))
    if upload is None or upload.account != call.owner.name:
        return reply({"status": "fail", "message": "media_needs_reupload"}, 400)
    call.keyed(upload.id)
    if call.take("duplicate"):
        return reply({"status": "fail", "message": "feedback_required"}, 400)
    at = call.landing_time()
    media_id = str(call.world.ids.make("instagram", at, in_order=call.late is None))
    code = shortcode_of(int(media_id))
    alt = str(asked.get("custom_accessibility_caption") or "")
    call.store_post(
        Post(
            platform="instagram",
            id=media_id,
            account=call.owner.name,
            text=str(asked.get("caption") or ""),
            created_at=at,
            path=f"/instagram/p/{code}/",
            media=[{"kind": "image", "alt": alt, "sha256": upload.sha256, "id": upload.id}],
            extra={"shortcode": code, "container": upload.id, "kind": "image"},
        )
    )
    return Response(
        json.dumps({"media": {"pk": media_id, "code": code}, "status": "ok"}), media_type="application/json"
    )


async def _login(_call: Call) -> Response:
    return HTMLResponse(pages.login())


async def _challenge(_call: Call) -> Response:
    return HTMLResponse(pages.challenge())


def routes(world: World) -> list[BaseRoute]:
    dialect = InstagramWebDialect()

    def page(
        name: str, path: str, show: Page, *methods: str, guarded: bool = True, signed_in: bool = True
    ) -> BaseRoute:
        handler = _guarded(show) if guarded else show
        operation = Operation(world, dialect, name, handler, needs_token=signed_in)
        return operation.route(f"{PREFIX}/{path}", *(methods or ("GET",)))

    return [
        page("login page", "accounts/login/", _login, guarded=False, signed_in=False),
        page("challenge page", "challenge/", _challenge, guarded=False, signed_in=False),
        page("media", "rupload_igphoto/{name:str}", _upload, "POST", guarded=False),
        page("create", "api/v1/media/configure/", _configure, "POST", guarded=False),
        page("read", "p/{code:str}/", _post),
        page("me", "", _feed),
        page("timeline", "{name:str}/", _profile),
    ]
