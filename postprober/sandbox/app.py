"""The application: all platforms, public pages, control API and control page."""

from collections.abc import Callable
from email.utils import formatdate

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from postprober.sandbox.control import api as control
from postprober.sandbox.control import page as control_page
from postprober.sandbox.control.doorkeeper import Doorkeeper
from postprober.sandbox.engine.emulator import emulators
from postprober.sandbox.engine.world import World
from postprober.sandbox.openai import api as openai
from postprober.sandbox.openai.dialect import OpenAiDialect
from postprober.sandbox.public import pages


class SandboxApp(FastAPI):
    """Hands the server's connection down to the operations: cutting it is what some faults are about. Tells the world's
    time in every `Date`: where that world's clock jumps or lies, so does the server's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(title="PostProber sandbox", openapi_url=None, docs_url=None, redoc_url=None)
        self._clock = clock
        # A redirect would lose what clients send.
        self._slashed = tuple(one.any_slash for one in emulators().values() if one.any_slash)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn's `send` is a method of its request cycle, which knows the transport.
        if scope.get("type") == "http" and scope["path"].endswith("/") and scope["path"].startswith(self._slashed):
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


def create_app(world: World) -> FastAPI:
    """The sandbox as an ASGI application over a world."""
    # One dialect per platform, shared by its routes: it counts requests.
    manners = {key: one.dialect() for key, one in emulators().items()}
    app = SandboxApp(world.clock)
    app.add_middleware(Doorkeeper)
    app.router.routes.extend(control.routes(world))
    app.router.routes.extend(control_page.routes(world))
    for key, one in emulators().items():  # where two routes match the same path, the first one answers
        app.router.routes.extend(one.routes(world, manners[key]))
    app.router.routes.extend(openai.routes(world, OpenAiDialect()))
    app.router.routes.extend(pages.routes(world, manners))
    return app
