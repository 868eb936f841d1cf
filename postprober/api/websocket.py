"""`/api/ws`: live events. JSON both ways, `{"event": …, "data": {…}}`; what comes out has an `id` besides.

Signing in: the session cookie (then `Origin` must be a page of ours), `Authorization: Bearer …`, or the subprotocol
`bearer.<token>` beside `postprober.v1`, for browsers. A token in the URL is not looked at.

In: `join_monitoring` {post_id, last_id?}, `leave_monitoring` {post_id}, `join_alerts` {last_id?}, `ping`.
Out: `monitoring_update`, `post_status_change` (ids grow within a post), `alert_notification` (ids of their own; they
come unasked), `joined`, `left`, `pong`, `error`. `last_id` replays what came after that event.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, FastAPI, WebSocket
from sqlalchemy.exc import SQLAlchemyError
from starlette.websockets import WebSocketDisconnect, WebSocketState

from postprober.api.auth import bearer_token
from postprober.api.client import SLOW, Client
from postprober.api.deps import cookie_of
from postprober.api.live import Hub, post_room
from postprober.api.origins import allowed_origins
from postprober.api.problems import problem
from postprober.errors import BadInput, Conflict, Forbidden, NotSignedIn, PostProberError
from postprober.services.core import Core
from postprober.services.operations import scheduler_watchdog
from postprober.services.people import sessions
from postprober.services.people.sessions import Caller

PROTOCOL = "postprober.v1"
MAX_ROOMS = 100  # posts that one client may follow
LAST_WORDS = {SLOW: 10.0}  # seconds in which a slow client may still read the close frame
OTHER_LAST_WORDS = 2.0
_BEARER = "bearer."
_log = logging.getLogger(__name__)

router = APIRouter()


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The hub lives as long as the application."""
    app.state.hub = Hub(app.state.core)
    watching = asyncio.create_task(_watch_the_scheduler(app.state.core))
    yield
    watching.cancel()
    await app.state.hub.stop()


async def _watch_the_scheduler(core: Core) -> None:
    """The sidecar is another process, so it can tell when the scheduler is gone."""
    while True:
        await asyncio.sleep(scheduler_watchdog.EVERY.total_seconds())
        try:  # nosemgrep: every-error-caught # logged whole
            await asyncio.to_thread(scheduler_watchdog.look, core)
        except (SQLAlchemyError, PostProberError) as error:
            _log.warning("the scheduler could not be watched: %s", error)
        except Exception:  # noqa: BLE001 - this task is the only one that notices a lost scheduler
            _log.exception("the scheduler could not be watched")


@router.websocket("/api/ws")
async def live_events(websocket: WebSocket) -> None:
    """One connection, from the handshake to its end."""
    core: Core = websocket.app.state.core
    offered = [name for name in websocket.scope["subprotocols"] if not name.startswith(_BEARER)]
    hub: Hub = websocket.app.state.hub
    try:
        caller = await asyncio.to_thread(_authenticate, core, websocket)
        websocket.state.user_id = caller.user.id  # for the request log
        hub.enter(caller.user.id)
    except NotSignedIn as error:
        denial = problem(401, "not-signed-in", "Not signed in", str(error), {"WWW-Authenticate": "Bearer"})
        await websocket.send_denial_response(denial)
        return
    except Forbidden as error:
        await websocket.send_denial_response(problem(403, "forbidden", "Forbidden", str(error)))
        return
    except Conflict as error:
        denial = problem(429, "too-many-at-once", "Too many at once", str(error), {"Retry-After": "5"})
        await websocket.send_denial_response(denial)
        return
    try:
        await _accept(websocket, offered)
        await _serve(websocket, hub, caller)
    finally:
        hub.left(caller.user.id)


async def _accept(websocket: WebSocket, offered: list[str]) -> None:
    # A browser fails when none of its protocols is answered; a token is repeated only to who offered nothing else.
    only = websocket.scope["subprotocols"][0] if websocket.scope["subprotocols"] and not offered else None
    await websocket.accept(PROTOCOL if PROTOCOL in offered else only)


def _authenticate(core: Core, websocket: WebSocket) -> Caller:
    """Raises NotSignedIn or Forbidden."""
    origin = websocket.headers.get("origin")
    if origin is not None and origin.lower() not in allowed_origins(core.settings):
        raise Forbidden("This page may not listen; add its origin to POSTPROBER_CORS_ORIGINS.")
    header = websocket.headers.get("authorization")
    tokens = [name[len(_BEARER) :] for name in websocket.scope["subprotocols"] if name.startswith(_BEARER)]
    if header is not None or tokens:
        caller = sessions.by_bearer(core, tokens[0] if header is None else bearer_token(header))
    elif cookie := cookie_of(core, websocket.cookies):
        if origin is None:
            raise Forbidden("A session cookie works only from a page of ours; programs use a token.")
        caller = sessions.by_cookie(core, cookie)
    else:
        caller = None
    if caller is None:
        raise NotSignedIn("Sign in first.")
    return caller


async def _serve(websocket: WebSocket, hub: Hub, caller: Caller) -> None:
    client = Client(caller, websocket.state.wire)
    tasks = [asyncio.create_task(client.run_sender()), asyncio.create_task(_listen(websocket, hub, client))]
    try:
        waiting: list[asyncio.Future[Any]] = [*tasks, client.ended]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hub.remove(client)
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception) and not isinstance(result, (WebSocketDisconnect, OSError)):
                raise result
    if client.ended.done() and websocket.application_state is WebSocketState.CONNECTED:
        code, reason = client.ended.result()
        # A client that does not read would hold up its own close frame for ever.
        with contextlib.suppress(TimeoutError, WebSocketDisconnect):
            await asyncio.wait_for(websocket.close(code, reason), LAST_WORDS.get(code, OTHER_LAST_WORDS))


async def _listen(websocket: WebSocket, hub: Hub, client: Client) -> None:
    """Answer what the client asks, until it goes."""
    await hub.add(client)
    if "alerts:read" in client.caller.scopes:
        await hub.join_alerts(client, None)
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        try:
            name, data = _parse(message.get("text"))
            await _answer(hub, client, name, data)
        except PostProberError as error:
            client.push(_reply("error", {"code": _code(error), "message": str(error)}))


async def _answer(hub: Hub, client: Client, name: str, data: dict[str, Any]) -> None:
    if name == "ping":
        client.push(_reply("pong", {}))
    elif name == "join_monitoring":
        _allow(client, "monitoring:read")
        post_id, last_id = _number(data, "post_id"), _last_id(data)
        if len(client.rooms) > MAX_ROOMS and post_room(post_id) not in client.rooms:
            raise BadInput(f"One connection follows at most {MAX_ROOMS} posts; leave one first.")
        newest = await hub.join_post(client, post_id, last_id)
        client.push(_reply("joined", {"post_id": post_id, "last_id": newest}))
    elif name == "leave_monitoring":
        post_id = _number(data, "post_id")
        hub.leave(client, post_room(post_id))
        client.push(_reply("left", {"post_id": post_id}))
    elif name == "join_alerts":
        _allow(client, "alerts:read")
        newest = await hub.join_alerts(client, _last_id(data))
        client.push(_reply("joined", {"alerts": True, "last_id": newest}))
    else:
        raise BadInput("Unknown event; send join_monitoring, leave_monitoring, join_alerts or ping.")


def _parse(text: str | None) -> tuple[str, dict[str, Any]]:
    try:
        message = json.loads(text or "")
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict) or not isinstance(message.get("data", {}), dict):
        raise BadInput('Send JSON text such as {"event": "join_monitoring", "data": {"post_id": 1}}.')
    return str(message.get("event")), message.get("data", {})


def _number(data: dict[str, Any], name: str) -> int:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadInput(f"{name} must be a whole number.")
    return value


def _last_id(data: dict[str, Any]) -> int | None:
    return None if data.get("last_id") is None else _number(data, "last_id")


def _allow(client: Client, scope: str) -> None:
    if scope not in client.caller.scopes:
        raise Forbidden(f"This needs the permission {scope}, which this sign-in or token does not have.")


def _code(error: PostProberError) -> str:
    name = type(error).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _reply(name: str, data: dict[str, Any]) -> str:
    return json.dumps({"event": name, "data": data}, ensure_ascii=False)
