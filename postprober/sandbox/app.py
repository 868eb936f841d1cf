"""The application: all platforms, public pages, control API and control page."""

from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send

from postprober.sandbox.bluesky import api as bluesky
from postprober.sandbox.bluesky import reads as bluesky_reads
from postprober.sandbox.bluesky import rest as bluesky_rest
from postprober.sandbox.bluesky.dialect import BlueskyManner
from postprober.sandbox.control import api as control
from postprober.sandbox.control import page as control_page
from postprober.sandbox.control.doorkeeper import Doorkeeper
from postprober.sandbox.engine.model import PLATFORMS
from postprober.sandbox.engine.operation import Manner
from postprober.sandbox.engine.world import World
from postprober.sandbox.instagram import api as instagram
from postprober.sandbox.instagram import oauth as instagram_oauth
from postprober.sandbox.instagram import reads as instagram_reads
from postprober.sandbox.instagram import web as instagram_web
from postprober.sandbox.instagram.dialect import InstagramManner
from postprober.sandbox.linkedin import api as linkedin
from postprober.sandbox.linkedin import media as linkedin_media
from postprober.sandbox.linkedin import oauth as linkedin_oauth
from postprober.sandbox.linkedin.dialect import LinkedInManner
from postprober.sandbox.mastodon import api as mastodon
from postprober.sandbox.mastodon import oauth as mastodon_oauth
from postprober.sandbox.mastodon import rest as mastodon_rest
from postprober.sandbox.mastodon.dialect import MastodonManner
from postprober.sandbox.openai import api as openai
from postprober.sandbox.openai.dialect import OpenAiManner
from postprober.sandbox.public import pages
from postprober.sandbox.x import api as x
from postprober.sandbox.x import media as x_media
from postprober.sandbox.x import oauth as x_oauth
from postprober.sandbox.x.dialect import XManner


@dataclass(frozen=True)
class Manners:
    """One manner per platform, shared by its routes: it counts requests."""

    x: XManner = field(default_factory=XManner)
    linkedin: LinkedInManner = field(default_factory=LinkedInManner)
    instagram: InstagramManner = field(default_factory=InstagramManner)
    mastodon: MastodonManner = field(default_factory=MastodonManner)
    bluesky: BlueskyManner = field(default_factory=BlueskyManner)

    def by_name(self) -> dict[str, Manner]:
        return {name: getattr(self, name) for name in PLATFORMS}


class SandboxApp(FastAPI):
    """Hands the server's connection down to the operations: cutting it is what some faults are about. Tells the world's
    time in every `Date`: where that world's clock jumps or lies, so does the server's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(title="PostProber sandbox", openapi_url=None, docs_url=None, redoc_url=None)
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn's `send` is a method of its request cycle, which knows the transport.
        # Rails takes a slash at the end as if it were not there; a redirect would lose what clients send.
        if scope.get("type") == "http" and scope["path"].startswith("/mastodon/api/") and scope["path"].endswith("/"):
            scope["path"] = scope["path"].rstrip("/")
        scope["sandbox.transport"] = getattr(getattr(send, "__self__", None), "transport", None)
        await super().__call__(scope, receive, self._dated(send))

    def _dated(self, send: Send) -> Send:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = MutableHeaders(raw=message.setdefault("headers", []))
                names.setdefault("date", formatdate(self._clock(), usegmt=True))
            await send(message)

        return dated


def _api_routes(world: World, manners: Manners) -> list[BaseRoute]:
    """Routes of all platforms. Where two match the same path, the first one answers."""
    return [
        *x_oauth.routes(world, manners.x),
        *x_media.routes(world, manners.x),
        *x.routes(world, manners.x),
        *mastodon_oauth.routes(world, manners.mastodon),
        *mastodon.routes(world, manners.mastodon),
        *mastodon_rest.routes(world, manners.mastodon),
        *bluesky.routes(world, manners.bluesky),
        *bluesky_reads.routes(world, manners.bluesky),
        *bluesky_rest.routes(world, manners.bluesky),
        *linkedin_oauth.routes(world, manners.linkedin),
        *linkedin_media.routes(world, manners.linkedin),
        *linkedin.routes(world, manners.linkedin),
        *instagram_oauth.routes(world, manners.instagram),
        *instagram.routes(world, manners.instagram),
        *instagram_reads.routes(world, manners.instagram),
        *instagram_web.routes(world),
        *openai.routes(world, OpenAiManner()),
    ]


def create_app(world: World) -> FastAPI:
    """The sandbox as an ASGI application over a world."""
    manners = Manners()
    app = SandboxApp(world.clock)
    app.add_middleware(Doorkeeper)
    app.router.routes.extend(control.routes(world))
    app.router.routes.extend(control_page.routes(world))
    app.router.routes.extend(_api_routes(world, manners))
    app.router.routes.extend(pages.routes(world, manners.by_name()))
    return app
