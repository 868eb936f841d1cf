"""Public permalink pages, and the files behind images."""

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from postprober.sandbox.engine.emulator import PublicPage, emulator, emulators
from postprober.sandbox.engine.engagement import counts
from postprober.sandbox.engine.html import missing_page, post_page, profile_page
from postprober.sandbox.engine.operation import Call, Dialect, Operation
from postprober.sandbox.engine.world import World


def _page(platform: str, page: PublicPage) -> Any:
    shown = emulator(platform).shown

    async def show(call: Call) -> Response:
        post = page.find(call.world, call.request.path_params)
        author = call.world.account(platform, post.account) if post else None
        if (instead := page.instead(call)) is not None:
            return instead
        if post is None or author is None or not post.seen_by_public(call.at):
            return HTMLResponse(missing_page(platform), 404)
        body = post_page(
            post,
            counts(call.world, post, call.at),
            author=author.title,
            handle=shown(author),
            url=call.base + post.path,
            image_base=f"{call.base}/_media",
        )
        return HTMLResponse(body)

    return show


def _profile(platform: str) -> Any:
    shown = emulator(platform).shown

    async def show(call: Call) -> Response:
        name = call.request.path_params["name"]
        found = (a for a in call.world.accounts_of(platform) if name in (shown(a).lstrip("@"), a.id))
        account = next(found, None)
        if account is None or account.suspended:
            return HTMLResponse(missing_page(platform), 404)
        return HTMLResponse(profile_page(platform, account.title, shown(account)))

    return show


class Stranger:
    """A logged-out reader: no account, so a fault for one account is matched by the author of the page."""

    def __init__(self, dialect: Dialect, find: Any) -> None:
        self.name = dialect.name
        self.server_error = dialect.server_error
        self.rate_limited = dialect.rate_limited
        self.refuse_token = dialect.refuse_token
        self.bad_refresh = dialect.bad_refresh
        self._find = find

    def find_account(self, call: Call) -> None:
        post = self._find(call.world, call.request.path_params)
        call.account = call.world.account(post.platform, post.account) if post else None

    def headers(self, _call: Call) -> dict[str, str]:
        return {}


def routes(world: World, manners: dict[str, Dialect]) -> list[BaseRoute]:
    """All public pages. They must come after the API routes, which are more specific."""

    async def media(request: Request) -> Response:
        blob = world.store.blob(request.path_params["sha256"])
        return Response(blob[1], media_type=blob[0]) if blob else Response("no such file", 404)

    found: list[BaseRoute] = [Route("/_media/{sha256:str}", media)]
    for platform, one in emulators().items():
        for page in one.pages:
            reader = Stranger(manners[platform], page.find)
            shown = Operation(world, reader, "public", _page(platform, page), needs_token=False)
            found.append(shown.route(page.path, "GET"))
    for platform, one in emulators().items():
        for path in one.profiles:
            reader = Stranger(manners[platform], lambda _world, _params: None)
            found.append(Operation(world, reader, "public", _profile(platform), needs_token=False).route(path, "GET"))
    return found
