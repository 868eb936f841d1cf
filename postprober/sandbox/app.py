"""The application: all platforms, public pages, control API and control page."""

from dataclasses import dataclass, field

from fastapi import FastAPI
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from postprober.sandbox import (
    bluesky,
    bluesky_reads,
    control,
    control_page,
    instagram,
    instagram_oauth,
    instagram_reads,
    instagram_web,
    linkedin,
    linkedin_media,
    linkedin_oauth,
    mastodon,
    mastodon_oauth,
    openai,
    pages,
    x,
    x_media,
    x_oauth,
)
from postprober.sandbox.bluesky_manner import BlueskyManner
from postprober.sandbox.call import Manner
from postprober.sandbox.instagram_manner import InstagramManner
from postprober.sandbox.linkedin_manner import LinkedInManner
from postprober.sandbox.mastodon_manner import MastodonManner
from postprober.sandbox.model import PLATFORMS
from postprober.sandbox.openai_manner import OpenAiManner
from postprober.sandbox.world import World
from postprober.sandbox.x_manner import XManner


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
    """Hands the server's connection down to the operations: cutting it is what some faults are about."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn's `send` is a method of its request cycle, which knows the transport.
        scope["sandbox.transport"] = getattr(getattr(send, "__self__", None), "transport", None)
        await super().__call__(scope, receive, send)


def _api_routes(world: World, manners: Manners) -> list[BaseRoute]:
    """Routes of all platforms. Where two match the same path, the first one answers."""
    return [
        *x_oauth.routes(world, manners.x),
        *x_media.routes(world, manners.x),
        *x.routes(world, manners.x),
        *mastodon_oauth.routes(world, manners.mastodon),
        *mastodon.routes(world, manners.mastodon),
        *bluesky.routes(world, manners.bluesky),
        *bluesky_reads.routes(world, manners.bluesky),
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
    app = SandboxApp(title="PostProber sandbox", openapi_url=None, docs_url=None, redoc_url=None)
    app.router.routes.extend(control.routes(world))
    app.router.routes.extend(control_page.routes(world))
    app.router.routes.extend(_api_routes(world, manners))
    app.router.routes.extend(pages.routes(world, manners.by_name()))
    return app
