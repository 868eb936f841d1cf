"""The control API under /_sandbox: set the scene, read the truth."""

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from postprober.sandbox.engine.emulator import DAY, emulator, faulty
from postprober.sandbox.engine.faults import BadFault
from postprober.sandbox.engine.model import Account, Post
from postprober.sandbox.engine.operation import ApiRefusal, reply
from postprober.sandbox.engine.timefmt import iso
from postprober.sandbox.engine.tokens import issue
from postprober.sandbox.engine.world import World, truth

Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request to the control API with its JSON body ({} when there is none)."""

    world: World
    request: Request
    body: Json


ControlHandler = Callable[[Asked], Awaitable[Any]]


def _bad(message: str, status: int = 400) -> ApiRefusal:
    return ApiRefusal(status, {"error": message})


def _account(world: World, body: Json) -> Account:
    account = world.account(str(body.get("platform")), str(body.get("name") or body.get("account")))
    if account is None:
        raise _bad("there is no such account; make it with POST /_sandbox/accounts", 404)
    return account


def account_view(world: World, account: Account) -> Json:
    """What POST /_sandbox/accounts answers."""
    access = world.tokens.get(account.access_token or "")
    expires = access.expires_at if access else None
    return {
        "platform": account.platform,
        "id": account.id,
        "name": account.name,
        "scopes": account.scopes,
        "access_token": account.access_token,
        "refresh_token": account.refresh_token,
        "expires_at": None if expires is None else iso(expires),
        "password": account.password,
        "typed": dict(emulator(account.platform).typed(account)),
    }


async def _add_account(asked: Asked) -> Json:
    platform, name = str(asked.body.get("platform")), str(asked.body.get("name") or "")
    account = asked.world.account(platform, name)
    scopes, partner = asked.body.get("scopes"), asked.body.get("partner")
    if isinstance(scopes, str):
        scopes = scopes.replace(",", " ").split()
    if account is None:
        try:
            account = asked.world.add_account(
                platform, name, scopes, bool(partner), str(asked.body.get("password") or "")
            )
        except ValueError as error:
            raise _bad(str(error)) from None
    else:
        account.scopes = account.scopes if scopes is None else scopes
        account.partner = account.partner if partner is None else bool(partner)
        account.password = asked.body.get("password") or account.password
        asked.world.save_account(account)
    if "premium" in asked.body:
        account.premium = bool(asked.body["premium"])
        asked.world.save_account(account)
    if account.access_token is None or asked.body.get("fresh"):
        # Two days old, because some platforms refresh only tokens that are at least one.
        issue(asked.world, account, account.scopes, age=2 * DAY)
    return account_view(asked.world, account)


async def _add_fault(asked: Asked) -> Json:
    try:
        fault = asked.world.plan.add(asked.body, faulty())
    except (BadFault, TypeError, ValueError) as error:
        raise _bad(str(error)) from None
    asked.world.save_fault(fault)
    return dataclasses.asdict(fault) | {"active": fault.active}


async def _faults(asked: Asked) -> list[Json]:
    return [dataclasses.asdict(f) | {"active": f.active} for f in asked.world.plan.faults.values()]


async def _drop_faults(asked: Asked) -> Json:
    wanted = asked.request.path_params.get("id")
    if wanted is not None and wanted not in asked.world.plan.faults:
        raise _bad("there is no such fault", 404)
    dropped = list(asked.world.plan.faults) if wanted is None else [wanted]
    for fault_id in dropped:
        asked.world.drop_fault(fault_id)
    return {"dropped": len(dropped)}


async def _log(asked: Asked) -> list[Json]:
    query = asked.request.query_params
    return asked.world.store.log(
        since=int(query.get("since", 0)),
        platform=query.get("platform", ""),
        account=query.get("account", ""),
        limit=int(query.get("limit", 0)),
    )


async def _posts(asked: Asked) -> list[Json]:
    query, now = asked.request.query_params, asked.world.now()
    base = f"{asked.request.url.scheme}://{asked.request.headers.get('host', asked.request.url.netloc)}"
    return [
        truth(asked.world, post, base)
        for post in asked.world.posts.values()
        if post.landed(now)
        and query.get("platform", post.platform) == post.platform
        and query.get("account", post.account) == post.account
    ]


async def _act_on_post(asked: Asked) -> Json:
    """…/posts/{platform}/{id}/{action}, or …/posts/{platform}/{action} with the id in the asked.body."""
    platform = asked.request.path_params["platform"]
    post_id, _, action = asked.request.path_params["rest"].rpartition("/")
    post = asked.world.post(platform, post_id or str(asked.body.get("id")))
    if post is None:
        raise _bad(f"there is no such post on {platform}", 404)
    _behind_the_back(asked.world, post, action, asked.body)
    return truth(asked.world, post, "")


def _behind_the_back(world: World, post: Post, action: str, body: Json) -> None:
    if action == "delete":
        world.delete_post(post)
    elif action == "hide":
        post.hidden_at = world.now()
    elif action == "unhide":
        post.hidden_at = None
    elif action == "edit":
        alt, media = body.get("alt"), body.get("media")
        world.edit_post(
            post,
            str(body.get("text", post.text)),
            None if alt is None else str(alt),
            None if media is None else int(media),
        )
    else:
        raise _bad("action must be delete, hide, unhide or edit", 404)
    world.save_post(post)


async def _account_act(asked: Asked) -> Json:
    """…/account/rename with `to`, …/account/suspend, …/account/restore."""
    account, action = _account(asked.world, asked.body), asked.request.path_params["action"]
    if action == "rename":
        account.shown = str(asked.body.get("to") or "")
        asked.world.save_account(account)
    elif action in ("suspend", "restore"):
        asked.world.suspend(account, action == "suspend")
    else:
        raise _bad("action must be rename, suspend or restore", 404)
    return account_view(asked.world, account) | {"shown": account.title, "suspended": account.suspended}


async def _settings(asked: Asked) -> Json:
    if asked.request.method == "GET":
        return asked.world.settings
    try:
        return asked.world.change_settings(asked.body)
    except ValueError as error:
        raise _bad(str(error)) from None


async def _reset(asked: Asked) -> Json:
    asked.world.reset()
    return {"reset": True}


async def _expire(asked: Asked) -> Json:
    """Every access token of the account is expired from now on; refreshing still works."""
    tokens = [t for t in asked.world.tokens_of(_account(asked.world, asked.body)) if t.kind == "access"]
    for token in tokens:
        token.expires_at = min(asked.world.now(), token.expires_at or asked.world.now())
        asked.world.save_token(token)
    return {"expired": len(tokens)}


async def _revoke(asked: Asked) -> Json:
    """The person withdrew the app's access: access and refresh tokens are dead."""
    tokens = asked.world.tokens_of(_account(asked.world, asked.body))
    for token in tokens:
        token.revoked = True
        asked.world.save_token(token)
    return {"revoked": len(tokens)}


def routes(world: World) -> list[BaseRoute]:
    def at(path: str, handler: ControlHandler, *methods: str, status: int = 200) -> Route:
        async def endpoint(request: Request) -> Response:
            raw = await request.body()
            try:
                body = await request.json() if raw else {}
                if not isinstance(body, dict):
                    raise _bad("the body must be a JSON object")
                return reply(await handler(Asked(world, request, body)), status)
            except ApiRefusal as refusal:
                return refusal.response()
            except ValueError:
                return _bad("the body must be JSON and numbers must be numbers").response()

        return Route(f"/_sandbox/{path}", endpoint, methods=list(methods))

    return [
        at("accounts", _add_account, "POST"),
        at("account/{action:str}", _account_act, "POST"),
        at("faults", _add_fault, "POST", status=201),
        at("faults", _faults, "GET"),
        at("faults", _drop_faults, "DELETE"),
        at("faults/{id:int}", _drop_faults, "DELETE"),
        at("log", _log, "GET"),
        at("posts", _posts, "GET"),
        at("posts/{platform:str}/{rest:path}", _act_on_post, "POST"),
        at("settings", _settings, "GET", "POST"),
        at("reset", _reset, "POST"),
        at("expire", _expire, "POST"),
        at("revoke", _revoke, "POST"),
    ]
