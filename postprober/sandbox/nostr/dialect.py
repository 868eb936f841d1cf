"""How relays speak, and the events that they keep. platforms/nostr/facts.md, 1, 2 and 6."""

import base64
import hashlib
import json
from typing import Any

from postprober.sandbox.engine.faults import Fault
from postprober.sandbox.engine.limits import refusal_headers
from postprober.sandbox.engine.model import Account, Post
from postprober.sandbox.engine.operation import ApiRefusal, Call
from postprober.sandbox.engine.world import World
from postprober.sandbox.nostr.codes import decode
from postprober.sandbox.nostr.curve import is_signed, sign

Json = dict[str, Any]
POSTS, READS = "publish", "read"
NOTE, DELETION, METADATA, SIGN_IN, MEDIA = 1, 5, 0, 22242, 24242


class NostrDialect:
    """A refusal is one sentence with a word before it; the relay puts it into `OK` or `CLOSED`. Over HTTP, at the media server,
    it stands in a header."""

    name = "nostr"

    def find_account(self, call: Call) -> None:
        """Of the media server: whose event stands in the header."""
        scheme, _, value = call.request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "nostr":
            return
        try:
            event = json.loads(base64.b64decode(value))
        except ValueError:
            return
        if is_true(event) and event["kind"] == MEDIA:
            whose(call, str(event["pubkey"]))

    def refuse_token(self, _call: Call, why: str) -> ApiRefusal:
        words = {
            "scope": "restricted: this key may not do that here",
            "revoked": "blocked: this key is not welcome here",
        }
        return said(401 if why != "scope" else 403, words.get(why, "auth-required: sign in with your key first"))

    def server_error(self, status: int) -> ApiRefusal:
        return said(status, "error: could not connect to the database")

    def rate_limited(self, call: Call, fault: Fault) -> ApiRefusal:
        refusal = said(429, "rate-limited: slow down there chief")
        refusal.headers |= refusal_headers(fault, call.at, "", "")
        return refusal

    def bad_refresh(self) -> ApiRefusal:
        return said(401, "auth-required: sign in with your key first")

    def headers(self, _call: Call) -> dict[str, str]:
        return {}


def said(status: int, words: str) -> ApiRefusal:
    return ApiRefusal(status, {"message": words}, {"x-reason": words})


def whose(call: Call, public: str) -> None:
    """Set the call's account and token to those of a key."""
    account = call.world.account_by_id("nostr", public)
    if account is not None:
        call.account = account
        call.token = call.world.tokens.get(account.access_token or "")


def digest(event: Json) -> bytes:
    told = [0, event["pubkey"], event["created_at"], event["kind"], event["tags"], event["content"]]
    return hashlib.sha256(json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()).digest()


def why_untrue(event: Any) -> str:
    """What is wrong with an event, "" when nothing is."""
    try:
        whole = {"id", "pubkey", "created_at", "kind", "tags", "content", "sig"} <= event.keys()
        if not whole or digest(event).hex() != event["id"]:
            return "id"
        return "" if is_signed(event["pubkey"], digest(event), event["sig"]) else "signature"
    except (AttributeError, TypeError, UnicodeError):
        return "id"


def is_true(event: Any) -> bool:
    return not why_untrue(event)


def made(secret: str, public: str, kind: int, content: str, tags: list[list[str]], at: float) -> Json:
    """An event of one of the emulated people."""
    event: Json = {"pubkey": public, "created_at": int(at), "kind": kind, "tags": tags, "content": content}
    whole = digest(event)
    return {"id": whole.hex(), **event, "sig": sign(secret, whole)}


def secret_in(account: Account) -> str:
    """The private key of an emulated person."""
    return decode(account.access_token or "")[1].hex()


def metadata(account: Account) -> Json | None:
    """The account's name, as an event of its own; None before it has a key."""
    if not account.access_token:
        return None
    told = json.dumps({"name": account.title})
    return made(secret_in(account), account.id, METADATA, told, [], account.created_at)


def event_of(post: Post) -> Json:
    return dict(post.extra["event"])


def tag_values(event: Json, name: str) -> list[str]:
    return [tag[1] for tag in event["tags"] if len(tag) > 1 and tag[0] == name]


def answers(event: Json) -> str | None:
    """Id of the event that it answers (NIP-10)."""
    marks = {tag[3]: tag[1] for tag in event["tags"] if tag[0] == "e" and len(tag) > 3}
    return marks.get("reply") or marks.get("root")


def files_of(world: World, event: Json) -> tuple[str, list[Json]]:
    """The text without the addresses of its files, and these as they are kept."""
    told = [dict(one.split(" ", 1) for one in tag[1:] if " " in one) for tag in event["tags"] if tag[0] == "imeta"]
    by = {one["url"]: one for one in told if "url" in one}
    lines = str(event["content"]).split("\n")
    while lines and lines[-1] in by:
        lines.pop()
    files = []
    for url, one in by.items():
        kind = {"image/gif": "gif"}.get(one.get("m", ""), one.get("m", "").partition("/")[0])
        sha = url.rpartition("/")[2].partition(".")[0]
        if world.store.blob(sha) is not None:
            files.append({"kind": kind, "alt": one.get("alt", ""), "sha256": sha})
    return "\n".join(lines), files
