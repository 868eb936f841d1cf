"""Bluesky: sessions and repositories. platforms/bluesky/facts.md; methods: the lexicons named there."""

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.bluesky.accounts import account_called, handle_of
from postprober.sandbox.bluesky.cid import blob_cid, record_cid
from postprober.sandbox.bluesky.dialect import (
    POSTS,
    BlueskyDialect,
    RefreshDialect,
    invalid,
    xrpc_error,
)
from postprober.sandbox.bluesky.ids import new_tid
from postprober.sandbox.bluesky.marks import COLLECTIONS, drop_mark, put_mark
from postprober.sandbox.bluesky.records import TID, as_kept, card_of, check_post
from postprober.sandbox.engine.files import sniff
from postprober.sandbox.engine.model import Account, Media, Post, Token
from postprober.sandbox.engine.oauth import TokenDialect
from postprober.sandbox.engine.operation import Call, Operation, reply
from postprober.sandbox.engine.tokens import issue
from postprober.sandbox.engine.world import World

Json = dict[str, Any]
# A refresh token may be used again for this long and gives the same successor
# (packages/pds/src/account-manager, bluesky-social/atproto).
_GRACE_SECONDS = 7200.0


def _session(account: Account, access: Token | None, refresh: Token | None) -> Response:
    body: Json = {"handle": handle_of(account), "did": account.id, "active": True}
    tokens = {"accessJwt": access.value, "refreshJwt": refresh.value} if access and refresh else {}
    return reply(tokens | body)


def _find_by_identifier(call: Call) -> None:
    body = call.json()
    if isinstance(body, dict):
        call.account = account_called(call.world, str(body.get("identifier", "")).removeprefix("@"))


async def create_session(call: Call) -> Response:
    body = call.json()
    if not isinstance(body, dict) or not isinstance(body.get("identifier"), str):
        raise invalid('Input must have the property "identifier"')
    account = call.account
    if account is None or account.password != body.get("password"):
        raise xrpc_error(401, "AuthenticationRequired", "Invalid identifier or password")
    return _session(account, *issue(call.world, account, account.scopes))


async def refresh_session(call: Call) -> Response:
    """A new pair for a refresh token; a repeated use within the grace time gives the same pair."""
    token = call.token
    if token is None or call.account is None:
        raise invalid("Token could not be verified")
    if token.used_at is not None:
        successors = [call.world.tokens.get(value) for value in token.successor]
        alive = [t for t in successors if t is not None and not t.revoked]
        if call.at > token.used_at + _GRACE_SECONDS or len(alive) < 2:
            raise xrpc_error(400, "ExpiredToken", "Token has been revoked")
        return _session(call.account, alive[0], alive[1])
    access, refresh = issue(call.world, call.account, token.scopes, chain=token.chain)
    token.used_at = call.at
    token.successor = [access.value] + ([refresh.value] if refresh else [])
    call.world.save_token(token)
    return _session(call.account, access, refresh)


async def get_session(call: Call) -> Response:
    return _session(call.owner, None, None)


def read_input(call: Call, *required: str) -> Json:
    """The JSON body with its required fields, for a write to the account's own repository."""
    body = call.json()
    if not isinstance(body, dict):
        raise invalid("Expected request body")
    for name in required:
        if name not in body:
            raise invalid(f'Input must have the property "{name}"')
    owner = account_called(call.world, str(body["repo"]))
    if owner is None:
        raise invalid(f"Could not find repo: {body['repo']}")
    if owner.name != call.owner.name:
        raise xrpc_error(401, "AuthenticationRequired", "Invalid repo: you may write to your own only")
    return body


def _told(post: Post, *, changed: bool = True) -> Json:
    body: Json = {"uri": post.id, "cid": post.extra["cid"]}
    if changed:
        # The commit's CID stands for the whole repository; nobody here needs more than its shape.
        commit = record_cid({"head": post.extra["cid"], "rev": post.extra["rev"]})
        body |= {"commit": {"cid": commit, "rev": post.extra["rev"]}, "validationStatus": "valid"}
    return body


def _key_of(call: Call, body: Json) -> str:
    rkey = body.get("rkey") or new_tid(call)
    if body["collection"] not in (POSTS, *COLLECTIONS):
        raise invalid(f"the sandbox keeps records of {', '.join((POSTS, *sorted(COLLECTIONS)))} only")
    if not isinstance(rkey, str) or not TID.fullmatch(rkey):
        raise invalid("Invalid record key: it must be a TID")
    call.keyed(rkey)
    return rkey


def _existing(call: Call, rkey: str) -> Post | None:
    """The record under a key, whether seen or not. A late one that is written again lands now."""
    post = call.world.post("bluesky", f"at://{call.owner.id}/{POSTS}/{rkey}")
    if post is None or post.deleted(call.at):
        return None
    if not post.landed(call.at):
        post.created_at = call.at
        call.world.save_post(post)
    return post


def _store(call: Call, rkey: str, record: Json, media: list[Json]) -> Post:
    if call.take("duplicate"):
        raise xrpc_error(400, "InvalidSwap", f"Record was at {record_cid(record)}")
    post = Post(
        platform="bluesky",
        id=f"at://{call.owner.id}/{POSTS}/{rkey}",
        account=call.owner.name,
        text=record["text"],
        created_at=call.landing_time(),
        path=f"/bluesky/profile/{handle_of(call.owner)}/post/{rkey}",
        media=media,
        reply_to=record["reply"]["parent"]["uri"] if record.get("reply") else None,
        extra={"record": record, "cid": _cid(record), "rkey": rkey, "rev": new_tid(call)},
        card=card_of(call, record),
    )
    call.store_post(post)
    if post.card != card_of(call, record):
        post.extra["record"] = as_kept(record, post.card)
        call.world.save_post(post)
    return post


def _cid(record: Json) -> str:
    try:
        return record_cid(record)
    except ValueError as error:
        raise invalid(f"Invalid {POSTS} record: {error}") from None


async def create_record(call: Call) -> Response:
    return reply(put_one(call, read_input(call, "repo", "collection", "record"), new=True))


def put_one(call: Call, body: Json, *, new: bool) -> Json:
    """Create, update, or do nothing when the record is already there; `new`: it must not be there. What is told of it."""
    if not isinstance(body.get("collection"), str):
        raise invalid('Input must have the property "collection"')
    rkey = _key_of(call, body)
    if body["collection"] in COLLECTIONS:
        return put_mark(call, body["collection"], rkey, body["record"])
    body = {**body, "record": call.without_dropped(body["record"])}
    media = check_post(call, body["record"])
    post = _existing(call, rkey)
    if new and post:
        # MST: "There is already a value at key", which nobody catches (platforms/bluesky/facts.md, 5).
        raise xrpc_error(500, "InternalServerError", "Internal Server Error")
    current = post.extra["cid"] if post else None
    if "swapRecord" in body and body["swapRecord"] != current:
        raise xrpc_error(400, "InvalidSwap", f"Record was at {current}")
    if post is None:
        return _told(_store(call, rkey, body["record"], media))
    if current == _cid(body["record"]):
        return _told(post, changed=False)
    if call.take("duplicate"):
        raise xrpc_error(400, "InvalidSwap", f"Record was at {current}")
    post.extra |= {"record": body["record"], "cid": _cid(body["record"]), "rev": new_tid(call)}
    post.media, post.card = media, card_of(call, body["record"])
    call.world.edit_post(post, body["record"]["text"])
    call.effect(updated=post.id)
    return _told(post)


async def put_record(call: Call) -> Response:
    """Create, update, or do nothing when the record is already there."""
    return reply(put_one(call, read_input(call, "repo", "collection", "rkey", "record"), new=False))


async def delete_record(call: Call) -> Response:
    if not delete_one(call, read_input(call, "repo", "collection", "rkey")):
        return reply({})
    rev = new_tid(call)
    return reply({"commit": {"cid": record_cid({"rev": rev}), "rev": rev}})


def delete_one(call: Call, body: Json) -> bool:
    """Whether there was something to delete."""
    uri = f"at://{call.owner.id}/{body.get('collection')}/{body.get('rkey')}"
    if body.get("collection") in COLLECTIONS:
        return drop_mark(call, uri)
    post = call.world.post("bluesky", uri)
    if post is None or post.deleted(call.at):
        return False
    call.world.delete_post(post)
    call.effect(deleted=post.id)
    return True


async def upload_blob(call: Call) -> Response:
    """Files are checked when a record uses them, as on a real server. A `media_failed` blob is lost."""
    found = sniff(call.body)
    claimed = call.request.headers.get("content-type", "*/*").partition(";")[0]
    cid = blob_cid(call.body)
    slow = call.take("slow_media")
    if slow:
        call.slow = slow
    media = Media(
        platform="bluesky",
        id=f"{call.owner.name}/{cid}",
        account=call.owner.name,
        kind=found.kind,
        created_at=call.at,
        mime=found.mime if found.kind else claimed,
        sha256=call.world.keep_bytes(call.body, found.mime),
        size=len(call.body),
        ready_at=call.at,
        fails=call.take("media_failed") is not None,
    )
    call.world.save_media(media)
    return reply({"blob": {"$type": "blob", "ref": {"$link": cid}, "mimeType": media.mime, "size": media.size}})


def routes(world: World, dialect: BlueskyDialect) -> list[BaseRoute]:
    refresher = RefreshDialect()
    sessions = TokenDialect(dialect, _find_by_identifier)

    def operation(name: str, handler: Any) -> Operation:
        return Operation(world, dialect, name, handler)

    repo, server = "/bluesky/xrpc/com.atproto.repo", "/bluesky/xrpc/com.atproto.server"
    return [
        Operation(world, sessions, "token", create_session, needs_token=False).route(f"{server}.createSession", "POST"),
        Operation(world, refresher, "token", refresh_session).route(f"{server}.refreshSession", "POST"),
        operation("me", get_session).route(f"{server}.getSession", "GET"),
        operation("create", create_record).route(f"{repo}.createRecord", "POST"),
        operation("create", put_record).route(f"{repo}.putRecord", "POST"),
        operation("delete", delete_record).route(f"{repo}.deleteRecord", "POST"),
        operation("media", upload_blob).route(f"{repo}.uploadBlob", "POST"),
    ]
