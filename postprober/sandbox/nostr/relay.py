"""Two relays with different manners, after two real ones (platforms/nostr/facts.md, 5 and 6). Both keep the same posts, each those
that it was given.

`one` answers a repeat with true, refuses what was deleted, and ends a subscription by ids itself. `second` answers a repeat
with false, takes what was deleted anew, answers what is invalid with an empty id, and takes 4,096 bytes at most.
"""

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from postprober.sandbox.engine.engagement import counts
from postprober.sandbox.engine.faults import AFTER, BEFORE
from postprober.sandbox.engine.model import Post
from postprober.sandbox.engine.operation import ApiRefusal, Call, reply
from postprober.sandbox.engine.world import World
from postprober.sandbox.nostr.dialect import (
    DELETION,
    METADATA,
    NOTE,
    POSTS,
    SIGN_IN,
    Json,
    NostrDialect,
    answers,
    digest,
    event_of,
    files_of,
    made,
    metadata,
    secret_in,
    tag_values,
    whose,
    why_untrue,
)

MOST_BYTES = {"one": 65_536, "second": 4_096}  # of a message
AHEAD = {"one": 7 * 86_400.0, "second": 3_600.0}  # seconds that a post's time may lie in the future
_EVERYBODY = 40  # people who react in the emulated network, at most, so that an answer stays small


@dataclass
class Connection:
    """One client. `signed_in`: the keys that it has proved."""

    socket: WebSocket
    relay: str
    challenge: str = field(default_factory=lambda: secrets.token_hex(8))
    signed_in: set[str] = field(default_factory=set)

    async def tell(self, *message: Any) -> None:
        await self.socket.send_text(json.dumps(list(message), ensure_ascii=False))


class Relay:
    """The endpoint of one relay: each message of a client is an operation with its faults and its line in the log."""

    def __init__(self, world: World, dialect: NostrDialect, name: str) -> None:
        self.world, self.dialect, self.name = world, dialect, name

    async def serve(self, socket: WebSocket) -> None:
        if self.name in str(self.world.settings["nostr_down"]).split():
            await socket.close()  # before it was accepted: 403
            return
        await socket.accept()
        client = Connection(socket, self.name)
        try:
            await client.tell("AUTH", client.challenge)
            while True:
                if not await self._message(client, await socket.receive_text()):
                    return
        except (WebSocketDisconnect, RuntimeError, OSError):
            return

    async def _message(self, client: Connection, text: str) -> bool:
        """False when the connection was cut."""
        try:
            told = json.loads(text)
            verb = told[0] if isinstance(told, list) and told else ""
        except ValueError:
            told, verb = [], ""
        if verb == "EVENT" and len(told) > 1:
            return await self._event(client, told[1], len(text.encode()))
        if verb == "REQ" and len(told) > 2:
            return await self._request(client, str(told[1]), [one for one in told[2:] if isinstance(one, dict)])
        if verb == "AUTH" and len(told) > 1:
            await self._sign_in(client, told[1])
        elif verb != "CLOSE" and self.name == "one":
            await client.tell("NOTICE", "invalid client message")
        return True

    async def _sign_in(self, client: Connection, event: Any) -> None:
        good = (
            not why_untrue(event)
            and event["kind"] == SIGN_IN
            and client.challenge in tag_values(event, "challenge")
            and abs(event["created_at"] - self.world.now()) < 600
        )
        if good:
            client.signed_in.add(event["pubkey"])
        shown = event.get("id", "") if isinstance(event, dict) else ""
        await client.tell("OK", shown, good, "" if good else "invalid: this is no proof")

    # what a client hands in

    async def _event(self, client: Connection, event: Any, size: int) -> bool:
        kind = event.get("kind") if isinstance(event, dict) else None
        call = self._call(client, "create" if kind == NOTE else "delete" if kind == DELETION else "other")
        public = str(event.get("pubkey", "")) if isinstance(event, dict) else ""
        whose(call, public)
        self._open(call, client, f"EVENT {kind}")
        shown = str(event.get("id", "")) if isinstance(event, dict) else ""
        try:
            await self._before(call, client, public)
            ok, words = self._taken(call, event, size)
        except ApiRefusal as refusal:
            ok, words = False, str(refusal.body["message"])
            if words.startswith("auth-required"):
                await client.tell("AUTH", client.challenge)
        if words.startswith("invalid") and self.name == "second":
            shown = ""
        return await self._answer(call, client, ok, words, shown)

    async def _answer(self, call: Call, client: Connection, ok: bool, words: str, shown: str) -> bool:
        if call.late:
            if call.late.params.get("reply") != "503":
                return self._cut(client)
            ok, words = False, "error: could not connect to the database"
        elif ok or words.startswith("duplicate"):
            kinds = tuple(one for one in AFTER if not one.startswith("refresh_"))
            fault = call.take(*kinds)
            if fault and fault.kind == "cut_after_accept":
                return self._cut(client)
            if fault and fault.kind == "timeout_after_accept":
                await asyncio.sleep(fault.seconds(60))
            elif fault and fault.kind == "error_after_accept":
                ok, words = False, "error: could not connect to the database"
            elif fault and fault.kind == "malformed_2xx":
                await client.socket.send_text("<html><body>OK</body></html>")
                return self._cut(client)
        await client.tell("OK", shown, ok, words)
        self.world.store.update_log(call.seq, status=200 if ok else 400)
        return True

    def _taken(self, call: Call, event: Any, size: int) -> tuple[bool, str]:
        """Whether it is kept, and the words for it."""
        if (wrong := why_untrue(event)) != "":
            return False, "invalid: Bad signature" if self.name == "second" else f"invalid: invalid event {wrong}"
        if says := str(call.world.settings["nostr_says"]):
            return False, says
        if size > MOST_BYTES[self.name]:
            return False, "invalid: 280 characters should be enough for anybody"
        if event["created_at"] > call.at + AHEAD[self.name]:
            return False, f"invalid: {event['created_at']} is in the future"
        if event["kind"] == DELETION:
            return self._deleted(call, event)
        if event["kind"] != NOTE or call.account is None:
            return True, ""  # other kinds, and people who are not emulated, are taken and forgotten
        known = call.world.post("nostr", event["id"])
        if known is None:
            return self._stored(call, event)
        if self.name in known.extra["relays"] and not known.deleted(call.at):
            return (True, "duplicate: already have this event") if self.name == "one" else (False, "duplicate: exists")
        if self.name == "one" and (known.deleted(call.at) or "one" in known.extra["without"]):
            return False, "blocked: this event is deleted"
        known.extra["relays"] = [*known.extra["relays"], self.name]
        known.deleted_at = None  # the second relay takes what was deleted anew
        call.world.save_post(known)
        return True, ""

    def _stored(self, call: Call, event: Json) -> tuple[bool, str]:
        text, media = files_of(call.world, event)
        at = call.landing_time()
        warning = tag_values(event, "content-warning")
        post = Post(
            platform="nostr",
            id=event["id"],
            account=call.owner.name,
            text=text,
            created_at=at,
            path=f"/nostr/{event['id']}",
            media=media,
            reply_to=answers(event),
            extra={"event": self._without_dropped(call, event), "relays": [self.name], "without": []},
        )
        if warning:
            post.extra["content_warning"] = warning[0]
        call.store_post(post)
        return True, ""

    def _without_dropped(self, call: Call, event: Json) -> Json:
        """A relay that loses a tag could not keep the id; a `dropped_fields` fault is a program on the way that signs anew."""
        fault = call.take("dropped_fields")
        if fault is None:
            return event
        gone = set(fault.params.get("fields", ()))
        tags = [tag for tag in event["tags"] if tag[0] not in gone]
        content = str(fault.params.get("instead", {}).get("content", event["content"]))
        return made(secret_in(call.owner), call.owner.id, NOTE, content, tags, event["created_at"])

    def _deleted(self, call: Call, event: Json) -> tuple[bool, str]:
        for one in tag_values(event, "e"):
            post = call.world.post("nostr", one)
            if post is None or event_of(post)["pubkey"] != event["pubkey"]:
                continue
            post.extra["relays"] = [name for name in post.extra["relays"] if name != self.name]
            post.extra["without"] = sorted({*post.extra["without"], self.name})
            post.extra["request"] = event
            if not post.extra["relays"]:
                call.world.delete_post(post)
                call.effect(deleted=post.id)
            call.world.save_post(post)
        return True, ""

    # what a client asks for

    async def _request(self, client: Connection, name: str, filters: list[Json]) -> bool:
        ids = [str(one) for each in filters for key in ("ids", "#e") for one in each.get(key, ())]
        authors = [str(one) for each in filters for one in each.get("authors", ())]
        call = self._call(
            client, "read" if ids else "me" if any(METADATA in _kinds(f) for f in filters) else "timeline"
        )
        post = next((one for one in (self.world.post("nostr", key) for key in ids) if one is not None), None)
        whose(call, post.extra["event"]["pubkey"] if post else authors[0] if authors else "")
        self._open(call, client, "REQ")
        owner = call.account.id if call.account is not None else ""
        stranger = not authors
        try:
            await self._before(call, client, owner, stranger=stranger)
            if self.name in str(self.world.settings["nostr_walled"]).split() and not client.signed_in:
                raise self.dialect.refuse_token(call, "missing")
            found = self._found(call, client, filters)
        except ApiRefusal as refusal:
            words = str(refusal.body["message"]) if isinstance(refusal.body, dict) else "error: bad gateway"
            if words.startswith("auth-required"):
                await client.tell("AUTH", client.challenge)
            await client.tell("CLOSED", name, words)
            self.world.store.update_log(call.seq, status=400)
            return True
        if call.flake and not found:
            return self._cut(client)
        fault = call.take(*(one for one in AFTER if not one.startswith("refresh_")))
        if fault and fault.kind == "timeout_after_accept":
            await asyncio.sleep(fault.seconds(60))
        elif fault:
            return self._cut(client)
        for event in found:
            await client.tell("EVENT", name, event)
        await client.tell("EOSE", name)
        if self.name == "one" and all(set(each) == {"ids"} for each in filters):
            await client.tell("CLOSED", name, "")
        self.world.store.update_log(call.seq, status=200)
        return True

    def _found(self, call: Call, client: Connection, filters: list[Json]) -> list[Json]:
        at = call.seen_at()
        cut = call.take("truncated_timeline")
        found: dict[str, Json] = {}
        for each in filters:
            events = [one for one in self._events(call, client, each, at) if _fits(one, each)]
            events.sort(key=lambda one: -one["created_at"])
            most = int(each.get("limit", 500)) if cut is None else int(cut.params.get("keep", 1))
            found |= {one["id"]: one for one in events[:most]}
        return list(found.values())

    def _events(self, call: Call, client: Connection, each: Json, at: float) -> list[Json]:
        kinds, found = _kinds(each), []
        keys = [str(one) for name in ("ids", "#e", "#q") for one in each.get(name, ())]
        posts = [post for one in keys if (post := self.world.post("nostr", one)) is not None]
        for post in tuple(posts) if "ids" not in each else ():  # what its own author answered to it
            own = self.world.by_account.get(f"nostr|{post.account}", [])
            posts += [
                one for one in own if post.id in {*tag_values(event_of(one), "e"), *tag_values(event_of(one), "q")}
            ]
        for public in each.get("authors", ()):
            account = self.world.account_by_id("nostr", str(public))
            if account is None:
                continue
            if METADATA in kinds and (told := metadata(account)) is not None:
                found.append(told)
            if not keys:
                posts += self.world.by_account.get(f"nostr|{account.name}", [])
        shown = [one for one in posts if self._shows(one, client, at)]
        if not kinds or NOTE in kinds:
            found += [event_of(one) for one in shown]
        found += [one.extra["request"] for one in posts if "request" in one.extra and self.name in one.extra["without"]]
        if "#e" in each and kinds & {6, 7}:
            for one in shown:
                found += self._crowd(call, one, at)
        return found

    def _shows(self, post: Post, client: Connection, at: float) -> bool:
        if self.name not in post.extra["relays"]:
            return False
        return post.seen_by_owner(at) if event_of(post)["pubkey"] in client.signed_in else post.seen_by_public(at)

    def _crowd(self, call: Call, post: Post, at: float) -> list[Json]:
        """Reactions, reposts and replies: unsigned by name, which nobody checks of strangers' events."""
        seen, out = counts(call.world, post, at), []
        for kind, number, content in ((7, seen.likes, "+"), (6, seen.reposts, ""), (1, seen.replies, "Nice")):
            for index in range(min(number, _EVERYBODY)):
                public = f"{index:02d}{kind:02d}" + "c" * 60
                tags = [["e", post.id, "", "root"]]
                event: Json = {"pubkey": public, "created_at": int(post.created_at) + index, "kind": kind, "tags": tags}
                event |= {"content": content, "sig": "0" * 128}
                out.append({"id": digest(event).hex(), **event})
        return out

    # around an operation

    def _call(self, client: Connection, operation: str) -> Call:
        return Call(self.world, client.socket, "nostr", operation, self.world.now())  # type: ignore[arg-type] # a connection, too

    def _open(self, call: Call, client: Connection, method: str) -> None:
        call.seq = self.world.store.open_log(
            {
                "at": call.at,
                "platform": "nostr",
                "account": call.name,
                "operation": call.operation,
                "method": method,
                "path": client.socket.url.path,
                "request_id": client.socket.headers.get("x-request-id"),
            }
        )

    async def _before(self, call: Call, client: Connection, public: str, *, stranger: bool = False) -> None:
        """Raises what a fault, or a key that is not welcome, makes of it."""
        if slow := call.take("slow"):
            await asyncio.sleep(slow.seconds(1))
        share = float(self.world.settings["flaky_public"])
        if stranger and call.operation == "read" and self.world.dice.random() < share:
            raise self.dialect.server_error(503)
        kinds = tuple(one for one in BEFORE if not one.startswith("refresh_"))
        if stranger:
            kinds = tuple(one for one in kinds if one not in ("unauthorized", "revoked"))
        fault = call.take(*kinds)
        if fault and fault.kind == "rate_limited":
            raise self.dialect.rate_limited(call, fault)
        if fault and fault.kind in ("unauthorized", "revoked"):
            raise self.dialect.refuse_token(call, "expired" if fault.kind == "unauthorized" else "revoked")
        if fault:
            raise self.dialect.server_error(503)
        if stranger or call.account is None or call.token is None:
            return
        if call.token.revoked or call.account.suspended:
            raise self.dialect.refuse_token(call, "revoked")
        if call.token.expires_at is not None and call.token.expires_at <= call.at:
            raise self.dialect.refuse_token(call, "expired")
        if call.operation == "create" and POSTS not in call.token.scopes:
            raise self.dialect.refuse_token(call, "scope")

    def _cut(self, client: Connection) -> bool:
        transport = client.socket.scope.get("sandbox.transport")
        if transport is None:
            raise ConnectionResetError("the sandbox cuts connections only under uvicorn")
        transport.close()
        return False


def _kinds(each: Json) -> set[int]:
    return set(each.get("kinds", ()))


def _fits(event: Json, each: Json) -> bool:
    """NIP-01: all conditions of a filter hold."""
    tags = all(set(tag_values(event, key[1:])) & set(wanted) for key, wanted in each.items() if key.startswith("#"))
    return (
        tags
        and ("ids" not in each or event["id"] in each["ids"])
        and ("authors" not in each or event["pubkey"] in each["authors"])
        and ("kinds" not in each or event["kind"] in each["kinds"])
        and event["created_at"] >= int(each.get("since", 0))
        and event["created_at"] <= int(each.get("until", 2**53))
    )


def routes(world: World, dialect: NostrDialect) -> list[BaseRoute]:
    found: list[BaseRoute] = []
    for name, path in (("one", "/nostr"), ("second", "/nostr/second")):

        async def document(_request: Any, name: str = name) -> Response:
            """NIP-11."""
            limitation = {"max_message_length": MOST_BYTES[name], "auth_required": False}
            told = {"name": f"Sandbox relay {name}", "supported_nips": [1, 9, 11, 42], "limitation": limitation}
            return reply(told, media_type="application/nostr+json")

        found += [WebSocketRoute(path, Relay(world, dialect, name).serve), Route(path, document)]
    return found
