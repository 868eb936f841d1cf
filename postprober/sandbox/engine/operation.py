"""One request on its way through the sandbox: who asks, what for, and how the reply is spoiled.

An `Operation` is the ASGI endpoint of one route. It does, in this order:
log the arrival, find the account, apply a fault that replaces the work, run the
handler, apply a fault that spoils the reply, send, log the status. `status`
stays null in the log when the reply never left completely.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qs

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from postprober.sandbox.engine.broken_replies import client_left, cut, malformed
from postprober.sandbox.engine.faults import AFTER, BEFORE, Fault
from postprober.sandbox.engine.model import Account, Post, Token
from postprober.sandbox.engine.world import World

_TOKEN_IN_QUERY = re.compile(r"((?:access_token|client_secret)=)[^&]*")
HTML_ERROR = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class ApiRefusal(Exception):
    """The platform answers with an error. `body` is JSON, or text when it is a string."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None, media_type: str = "") -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = headers or {}
        self.media_type = media_type

    def response(self) -> Response:
        if isinstance(self.body, str):
            return Response(self.body, self.status, self.headers, self.media_type or "text/html")
        return reply(self.body, self.status, self.headers, self.media_type or "application/json")


def reply(
    body: Any, status: int = 200, headers: dict[str, str] | None = None, media_type: str = "application/json"
) -> Response:
    """A JSON reply."""
    return Response(json.dumps(body, ensure_ascii=False), status, headers, media_type)


class Dialect(Protocol):
    """How a platform says things that every operation may have to say."""

    name: str

    def find_account(self, call: "Call", /) -> None:
        """Set `call.token` and `call.account` when the request carries a token, valid or not."""

    def refuse_token(self, call: "Call", why: str, /) -> ApiRefusal:
        """`why` is missing | invalid | expired | revoked | scope."""

    def server_error(self, status: int) -> ApiRefusal: ...

    def rate_limited(self, call: "Call", fault: Fault, /) -> ApiRefusal: ...

    def bad_refresh(self) -> ApiRefusal: ...

    def headers(self, call: "Call", /) -> dict[str, str]:
        """Headers of every reply, rate limits above all."""


@dataclass
class Call:
    """A request with what was found out about it. `params` are path parameters."""

    world: World
    request: Request
    platform: str
    operation: str
    at: float
    body: bytes = b""
    seq: int = 0
    account: Account | None = None
    token: Token | None = None
    faults: list[str] = field(default_factory=list)
    late: Fault | None = None
    slow: Fault | None = None
    flake: str = ""
    refreshing: bool = False

    @property
    def base(self) -> str:
        """Scheme and host as the client wrote them, without a slash at the end."""
        return f"{self.request.url.scheme}://{self.request.headers.get('host', self.request.url.netloc)}"

    @property
    def name(self) -> str | None:
        return self.account.name if self.account else None

    @property
    def owner(self) -> Account:
        """The account of an operation that needs one."""
        if self.account is None:
            raise LookupError("this operation has no account: its Operation must be made with needs_token=True")
        return self.account

    def take(self, *kinds: str) -> Fault | None:
        """Consume a fault of these kinds that is planned for this operation."""
        fault = self.world.take(kinds, self.platform, self.name, self.operation)
        if fault:
            self.faults.append(fault.kind)
            self.world.store.update_log(self.seq, fault="+".join(self.faults))
        return fault

    def identify(self, account: Account | None) -> None:
        """Name the account in the log when it is not the bearer of a token."""
        self.account = account
        if account:
            self.world.store.update_log(self.seq, account=account.name)

    def keyed(self, key: str) -> None:
        self.world.store.update_log(self.seq, idempotency=key)

    def effect(self, **effect: Any) -> None:
        self.world.store.update_log(self.seq, effect=effect)

    def json(self) -> Any:
        """The JSON body; None when it is not JSON."""
        try:
            return json.loads(self.body or b"null")
        except ValueError:
            return None

    async def form(self) -> dict[str, Any]:
        """Form or JSON body as one dictionary; `name[]` becomes a list under `name`, files become bytes."""
        content_type = self.request.headers.get("content-type", "")
        if content_type.startswith("application/json"):
            parsed = self.json()
            return parsed if isinstance(parsed, dict) else {}
        if content_type.startswith("multipart/form-data"):
            async with self.request.form() as form:
                return await _collect(form)
        pairs = parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {k.removesuffix("[]"): v if k.endswith("[]") else v[-1] for k, v in pairs.items()}

    def without_dropped(self, body: Any) -> Any:
        """A new post's body without the fields that a `dropped_fields` fault names, as if the platform had ignored them; with those
        of its `instead`, as if it had made something else of them."""
        fault = self.take("dropped_fields")
        if fault is None or not isinstance(body, dict):
            return body
        kept = {name: value for name, value in body.items() if name not in fault.params.get("fields", ())}
        return kept | dict(fault.params.get("instead", {}))

    def seen_at(self) -> float:
        """The moment the read side answers for: now, or the past under a `stale_timeline` fault."""
        stale = self.take("stale_timeline")
        return self.at - stale.seconds(300) if stale else self.at

    def store_post(self, post: Post) -> None:
        """Store a new post as the faults of this operation want it. `post.created_at` may move to later."""
        for kind in ("ghost", "shadow", "deleted_later", "hidden_later"):
            fault = self.take(kind)
            if fault is None:
                continue
            if kind == "ghost":
                post.ghost = True
                appears = fault.params.get("appears_after")
                post.visible_at = None if appears is None else post.created_at + float(appears)
            elif kind == "shadow":
                post.shadow = True
            elif kind == "deleted_later":
                post.deleted_at = post.created_at + fault.seconds(1)
            else:
                post.hidden_at = post.created_at + fault.seconds(1)
        self._spoil_card(post)
        self.world.add_post(post)
        self.effect(created=post.id, **({"lands_at": post.created_at} if self.late else {}))

    def _spoil_card(self, post: Post) -> None:
        """The platform takes the card of a link and loses it, or its picture."""
        if post.card is None:
            return
        if self.take("card_dropped"):
            post.card = None
        elif post.card["sha256"] and self.take("card_without_picture"):
            post.card = {**post.card, "sha256": ""}

    def landing_time(self) -> float:
        """When a creation takes effect: now, or later under a `late_create` fault."""
        self.late = self.take("late_create")
        return self.at + self.late.seconds(1) if self.late else self.at


async def _collect(form: FormData) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, item in form.multi_items():
        value = await item.read() if isinstance(item, UploadFile) else item
        if key.endswith("[]"):
            fields.setdefault(key[:-2], []).append(value)
        else:
            fields[key] = value
    return fields


def file_bytes(value: Any) -> bytes:
    """The bytes of a form field that may be a file or text."""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else b""


Handler = Callable[[Call], Awaitable[Response]]


class Operation:
    """The ASGI endpoint of one route.

    `needs_token` refuses before the handler runs, and so does `scope` (alternatives parted by |).
    `dead_token_refused` goes for what strangers may do: nobody may do it with a dead token.
    """

    def __init__(
        self,
        world: World,
        dialect: Dialect,
        name: str,
        handler: Handler,
        *,
        needs_token: bool = True,
        scope: str = "",
        dead_token_refused: bool = False,
    ) -> None:
        self.world = world
        self.dialect = dialect
        self.name = name
        self.handler = handler
        self.needs_token = needs_token
        self.scopes = scope.split("|") if scope else []
        self.dead_token_refused = dead_token_refused

    def route(self, path: str, *methods: str) -> Route:
        return Route(path, self, methods=list(methods), name=f"{self.dialect.name} {self.name} {methods}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        at = self.world.now()
        call = Call(self.world, request, self.dialect.name, self.name, at)
        call.body = await request.body()
        self._open_log(call)
        response = await self._answer(call)
        if call.slow:
            await asyncio.sleep(call.slow.seconds(1))
        await self._send(call, response, scope, receive, send)

    def _open_log(self, call: Call) -> None:
        self.dialect.find_account(call)
        query, path = _TOKEN_IN_QUERY.sub(r"\1…", call.request.url.query), call.request.url.path
        if token := call.request.path_params.get("token"):
            path = path.replace(str(token), "…")
        call.seq = self.world.store.open_log(
            {
                "at": call.at,
                "platform": call.platform,
                "account": call.name,
                "operation": call.operation,
                "method": call.request.method,
                "path": path + (f"?{query}" if query else ""),
                "request_id": call.request.headers.get("x-request-id"),
            }
        )

    async def _answer(self, call: Call) -> Response:
        call.slow = call.take("slow")
        try:
            self._flake(call)
            fault = call.take(*_kinds(call, BEFORE))
            if fault:
                raise self._refusal(call, fault)
            self._check_token(call)
            response = await self.handler(call)
        except ApiRefusal as refusal:
            response = refusal.response()
        if response.status_code != 429:  # a refusal for the rate brings its own headers, or none on purpose
            for name, value in self.dialect.headers(call).items():
                response.headers.setdefault(name, value)
        return response

    def _flake(self, call: Call) -> None:
        """What strangers ask goes wrong now and then, as often as the setting says: late, not at all, or in part."""
        share = float(call.world.settings["flaky_public"])
        if call.operation not in ("public", "read") or carries_token(call) or call.world.dice.random() >= share:
            return
        how = call.world.dice.choice(("503", "429", "html", "timeout", "half", "consent", "slow"))
        if how == "timeout":
            call.late = Fault(0, call.platform, "late_create", call.operation, params={"stage": "nothing"})
        elif how == "slow":
            call.slow = Fault(0, call.platform, "slow", call.operation, params={"seconds": 0.05})
        elif how == "html":
            raise ApiRefusal(502, HTML_ERROR)
        elif how in ("503", "429"):
            raise ApiRefusal(int(how), {"error": "try again later"})
        else:
            call.flake = how

    def _check_token(self, call: Call) -> None:
        if not self.needs_token and not (self.dead_token_refused and carries_token(call)):
            return
        token = call.token
        if token is None:
            raise self.dialect.refuse_token(call, "invalid" if carries_token(call) else "missing")
        if token.revoked or (call.account is not None and call.account.suspended):
            raise self.dialect.refuse_token(call, "revoked")
        if token.expires_at is not None and token.expires_at <= call.at:
            raise self.dialect.refuse_token(call, "expired")
        if self.scopes and not set(self.scopes) & set(token.scopes):
            raise self.dialect.refuse_token(call, "scope")

    def _refusal(self, call: Call, fault: Fault) -> ApiRefusal:
        if fault.kind == "html_error":
            return ApiRefusal(502, HTML_ERROR)
        if fault.kind == "rate_limited":
            return self.dialect.rate_limited(call, fault)
        if fault.kind in ("unauthorized", "revoked") and call.operation != "token":
            return self.dialect.refuse_token(call, "expired" if fault.kind == "unauthorized" else "revoked")
        if fault.kind in ("refresh_refused", "unauthorized", "revoked"):
            return self.dialect.bad_refresh()
        default = 503 if fault.kind == "timeline_down" else 500
        return self.dialect.server_error(int(fault.params.get("status", default)))

    async def _send(self, call: Call, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        if call.late:
            if call.late.params.get("reply") != "503":
                await cut(response, scope, send, str(call.late.params.get("stage", "nothing")))
                return
            response = self.dialect.server_error(503).response()
        elif call.flake and response.status_code < 400:
            response = malformed(response, call.flake, call.platform)
        elif response.status_code < 400:
            fault = call.take(*_kinds(call, AFTER))
            if fault and fault.kind in ("cut_after_accept", "refresh_cut"):
                await cut(response, scope, send, str(fault.params.get("stage", "headers")))
                return
            if fault and fault.kind == "timeout_after_accept" and await client_left(receive, fault.seconds(60)):
                return
            if fault and fault.kind == "error_after_accept":
                response = self.dialect.server_error(int(fault.params.get("status", 500))).response()
            if fault and fault.kind == "malformed_2xx":
                response = malformed(response, str(fault.params.get("form", "html")), call.platform)
        await response(scope, receive, send)
        self.world.store.update_log(call.seq, status=response.status_code)


def _kinds(call: Call, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out faults that make no sense here: a dead token on a public page, a failed refresh without one."""
    if call.operation == "public":
        kinds = tuple(k for k in kinds if k not in ("unauthorized", "revoked"))
    return kinds if call.refreshing else tuple(k for k in kinds if not k.startswith("refresh_"))


def carries_token(call: Call) -> bool:
    """Whether the request names a token at all, known or not."""
    authorization = call.request.headers.get("authorization", "")
    return bool(authorization.partition(" ")[2].strip() or call.request.query_params.get("access_token"))
