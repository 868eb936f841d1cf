"""The tools. None publishes by itself: `propose_post` hands a post to a person, unless a person has switched that off for the
token, its accounts and a number a day."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import anyio

from postprober.client import ApiRefused, calls
from postprober.client.shapes import NewPostJson
from postprober.errors import PostProberError
from postprober.mcp import arguments as args
from postprober.mcp import told
from postprober.mcp.calling import Api
from postprober.mcp.times import moment, spoken

FORBIDDEN = 403
LOOK_EVERY = 1.0  # seconds between two looks while somebody waits for a proof
MOST_LISTED = 100  # posts that are looked through for one status

_BESIDE = ("late_minutes", "criteria")  # of a post, what a person has set that no tool speaks of: it stays as it is

Act = Callable[[Api, Any], Awaitable[dict[str, Any]]]
_TEXT = {"type": "string"}
_OBJECT = {"type": "object"}
_LIST = {"type": "array", "items": _OBJECT}


@dataclass(frozen=True)
class Tool:
    """One tool. `fields`: of its answer beside `said`, its one sentence. `reads`: it changes nothing; `destroys`: what it
    changes cannot be had back; `repeatable`: twice is like once; `outside`: it reaches beyond this installation."""

    name: str
    title: str
    description: str
    takes: type[args.Arguments]
    act: Act
    fields: Mapping[str, Any]
    reads: bool = False
    destroys: bool = False
    repeatable: bool = False
    outside: bool = False

    @property
    def output(self) -> dict[str, Any]:
        """JSON Schema of the answer."""
        return {"type": "object", "properties": {"said": _TEXT, **self.fields}, "required": ["said"]}


async def _accounts(api: Api, _wanted: args.Nothing) -> dict[str, Any]:
    me, found = await api.do(calls.me()), (await api.do(calls.accounts()))["items"]
    listed = [
        {
            "account_id": one["id"],
            "platform": one["platform"],
            "name": one["label"] or one["name"],
            "status": one["status"],
        }
        for one in found
    ]
    said = f"{len(listed)} accounts are linked. The person's zone is {me['zone']}."
    return {"said": said, "accounts": listed, "zone": me["zone"], "may": me["scopes"]}


async def _limits(api: Api, wanted: args.OfAccount) -> dict[str, Any]:
    found = await api.do(calls.limits(wanted.account_id))
    limits = {name: value for name, value in found.items() if value is not None}
    return {
        "said": f"A post on this {found['platform']} account may have {found['length']} {found['unit']}.",
        "limits": limits,
    }


async def _preflight(api: Api, wanted: args.PostArguments) -> dict[str, Any]:
    found = await api.do(calls.preflight(await _post(api, wanted)))
    return {
        "said": _checked(found),
        "ok": found["ok"],
        "accounts": found["accounts"],
        "digest": found["digest"],
        "when": spoken(found["when"]),
    }


async def _draft(api: Api, wanted: args.PostArguments) -> dict[str, Any]:
    made = await api.do(calls.draft(await _post(api, wanted)))
    return {"said": f"Draft {made['id']} is kept; nothing is scheduled.", "post": told.post(made)}


async def _update(api: Api, wanted: args.UpdateArguments) -> dict[str, Any]:
    before, post = await api.do(calls.post(wanted.post_id)), dict(await _post(api, wanted))
    post |= {name: before[name] for name in _BESIDE if before[name] is not None}
    made = await api.do(calls.change(wanted.post_id, cast(NewPostJson, post), wanted.version))
    return {"said": f"Post {made['id']} has version {made['version']} now.", "post": told.post(made)}


async def _list(api: Api, wanted: args.ListArguments) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    cursor, seen = "", 0
    while len(found) < wanted.limit and seen < MOST_LISTED:
        page = await api.do(calls.posts(25, cursor))
        seen += len(page["items"])
        found += [one for one in page["items"] if wanted.status in ("", one["status"])]
        cursor = page["next_cursor"] or ""
        if not cursor:
            break
    listed = [
        {
            "post_id": one["id"],
            "status": one["status"],
            "begins": told.shortened(one["content"], 120),
            "account_ids": one["account_ids"],
            "scheduled_at": one["scheduled_at"],
        }
        for one in found[: wanted.limit]
    ]
    return {"said": f"{len(listed)} posts, the newest first.", "posts": listed}


async def _get(api: Api, wanted: args.OfPost) -> dict[str, Any]:
    post, followed = await api.do(calls.post(wanted.post_id)), await api.do(calls.monitoring(wanted.post_id))
    return {
        "said": _state(post, followed),
        "post": told.post(post),
        "deliveries": [told.delivery(one) for one in followed["deliveries"]],
        "note": told.DATA,
    }


async def _slot(api: Api, _wanted: args.Nothing) -> dict[str, Any]:
    when = (await api.do(calls.next_slot()))["when"]
    return {"said": f"The next free time is {spoken(when)}.", "at": when["local"]}


async def _propose(api: Api, wanted: args.ProposalArguments) -> dict[str, Any]:
    if wanted.draft_id is not None:
        if wanted.texts or wanted.account_ids or wanted.media_ids or wanted.account_texts or wanted.at or wanted.key:
            raise ApiRefused("Give draft_id alone, or a post without it.", 422, "bad-input")
        made = await api.do(calls.propose_draft(wanted.draft_id))
    else:
        if not wanted.texts:
            raise ApiRefused("Give the texts of the post, or draft_id.", 422, "bad-input")
        post = await _post(api, wanted)
        if wanted.key:
            post["key"] = wanted.key
        made = await api.do(calls.propose(post))
    post_id, waits = made["post"]["id"], made["waits_for_a_person"]
    when = spoken(made["when"])
    if waits:
        again = "" if made["is_new"] else " (it was proposed before)"
        said = f"Post {post_id} is proposed, not published{again}: a person decides at {made['decide_at']}. Planned: {when}."
    elif made["is_new"]:
        said = f"Post {post_id} is scheduled without asking, as the token allows: {when}."
    else:
        said = f"This was proposed before as post {post_id}, which is {made['post']['status']}; nothing new was made."
    checked = None
    if made["is_new"]:
        with suppress(PostProberError):  # it is proposed, whether or not its lengths can be told
            checked = await api.do(calls.preflight(_as_wished(made["post"])))
    return {
        "said": said,
        "post": told.post(made["post"]),
        "waits_for_a_person": waits,
        "decide_at": made["decide_at"],
        "digest": made["digest"],
        "when": when,
        "accounts": checked["accounts"] if checked else [],
    }


def _as_wished(post: Mapping[str, Any]) -> NewPostJson:
    """What a stored post asks for."""
    wish: dict[str, Any] = {
        "content": post["parts"],
        "account_ids": post["account_ids"],
        "media_ids": post["media_ids"],
        "variants": post["variants"],
        "language": post["language"],
        "options": post["options"],
    }
    if post["scheduled_at"]:
        wish["scheduled_at"] = post["scheduled_at"]
    return cast(NewPostJson, wish)


async def _cancel(api: Api, wanted: args.OfPost) -> dict[str, Any]:
    post = await api.do(calls.post(wanted.post_id))
    if post["status"] == "review" and post["proposed_by"]:
        await api.do(calls.withdraw(wanted.post_id))
        return {"said": f"Proposal {wanted.post_id} is taken back."}
    await api.do(calls.delete(wanted.post_id))
    return {"said": f"Post {wanted.post_id} is deleted; nothing of it was sent."}


async def _retry(api: Api, wanted: args.OfDelivery) -> dict[str, Any]:
    try:
        found = await api.do(calls.retry_delivery(wanted.delivery_id))
    except ApiRefused as error:
        if error.status != FORBIDDEN:
            raise
        text = f"{error.message} A person can send it again on the Monitor page."
        raise ApiRefused(text, FORBIDDEN, error.kind, error.problem) from None
    return {"said": "It is sent again; nothing of it was published before.", "delivery": told.delivery(found)}


async def _wait(api: Api, wanted: args.WaitArguments) -> dict[str, Any]:
    until = time.monotonic() + wanted.seconds
    post = await api.do(calls.post(wanted.post_id))
    while True:
        followed = await api.do(calls.monitoring(wanted.post_id))
        if followed["finished"] or time.monotonic() >= until:
            break
        await anyio.sleep(LOOK_EVERY)
    return {
        "said": _state(post | {"status": followed["status"]}, followed),
        "finished": followed["finished"],
        "deliveries": [told.delivery(one) for one in followed["deliveries"]],
        "note": told.DATA,
    }


async def _from_url(api: Api, wanted: args.UrlArguments) -> dict[str, Any]:
    return _media(await api.do(calls.media_from_url(wanted.url, wanted.alt)))


async def _request(api: Api, wanted: args.UploadArguments) -> dict[str, Any]:
    made = await api.do(calls.announce_upload(wanted.name, wanted.alt))
    said = "Send the file's bytes with PUT to put_url (no token needed), then call finish_upload."
    return {"said": said, "upload": made["upload"], "put_url": made["put_url"], "expires_at": made["expires_at"]}


async def _finish(api: Api, wanted: args.FinishedArguments) -> dict[str, Any]:
    return _media(await api.do(calls.finished_upload(wanted.upload)))


async def _explain(api: Api, wanted: args.OfPost) -> dict[str, Any]:
    followed = await api.do(calls.monitoring(wanted.post_id))
    made = (await api.do(calls.repairs(wanted.post_id)))["items"]
    troubled = [one for one in followed["deliveries"] if one["state"] in _TROUBLE]
    found = []
    for one in troubled:
        repair = next((row for row in reversed(made) if row["delivery_id"] == one["id"]), None)
        found.append(
            {
                "delivery_id": one["id"],
                "platform": one["platform"],
                "state": one["state"],
                "cause": repair["cause"] if repair else one["cause"],
                "fix": repair["fix"] if repair else "",
                "safe_to_retry": one["state"] == "failed",
                "from_platform": told.shortened(repair["explanation"] if repair else one["explanation"]),
            }
        )
    said = (
        f"{len(found)} of {len(followed['deliveries'])} deliveries need something." if found else "Nothing has failed."
    )
    return {"said": said, "failures": found, "note": told.DATA}


_TROUBLE = frozenset({"failed", "held", "ghost", "partial", "unconfirmed", "waiting"})


async def _post(api: Api, wanted: args.PostArguments | args.ProposalArguments) -> NewPostJson:
    """What the API takes. Raises BadInput for a time without a zone."""
    post: dict[str, Any] = {"content": list(wanted.texts), "account_ids": list(wanted.account_ids)}
    if wanted.at:
        zone = (await api.do(calls.me()))["zone"]
        post["scheduled_at"] = moment(wanted.at, datetime.now(UTC), zone)
    if wanted.media_ids:
        post["media_ids"] = list(wanted.media_ids)
    if wanted.account_texts:
        post["variants"] = {account: list(texts) for account, texts in wanted.account_texts.items()}
    if wanted.language:
        post["language"] = wanted.language
    if wanted.options:
        post["options"] = wanted.options
    return cast(NewPostJson, post)


def _media(found: Mapping[str, Any]) -> dict[str, Any]:
    return {"said": f"File {found['id']} is stored: {found['kind']}.", "media_id": found["id"], "kind": found["kind"]}


def _checked(found: Mapping[str, Any]) -> str:
    notes = [f"{one['account']}: {note['message']}" for one in found["accounts"] for note in one.get("notes", ())]
    if found["ok"]:
        return told.shortened(" ".join(["Every account takes it.", *notes]), 600)
    wrong = [f"{one['account']}: {v['message']}" for one in found["accounts"] for v in one["violations"]]
    return told.shortened(" ".join(wrong), 600)


def _state(post: Mapping[str, Any], followed: Mapping[str, Any]) -> str:
    if post["status"] == "review":
        return f"Post {post['id']} waits for a person; nothing is published."
    states = ", ".join(f"{one['platform']} {one['state']} (proof: {one['proof']})" for one in followed["deliveries"])
    return f"Post {post['id']} is {post['status']}." + (f" {states}." if states else "")


_CHECK = {"ok": {"type": "boolean"}, "accounts": _LIST, "digest": _TEXT, "when": _TEXT}
_FILE = {"media_id": {"type": "integer"}, "kind": _TEXT}
TOOLS: tuple[Tool, ...] = (
    Tool(
        "list_accounts",
        "Linked accounts",
        "List the accounts that posts can go to, and the person's time zone.",
        args.Nothing,
        _accounts,
        {"accounts": _LIST, "zone": _TEXT},
        reads=True,
        repeatable=True,
    ),
    Tool(
        "limits_and_options",
        "Limits of an account",
        "Say what one account may publish: length, pictures, video, options.",
        args.OfAccount,
        _limits,
        {"limits": _OBJECT},
        reads=True,
        repeatable=True,
        outside=True,
    ),
    Tool(
        "preflight",
        "Check a post",
        "Check a post against every account's limits and say what is over; writes nothing.",
        args.PostArguments,
        _preflight,
        _CHECK,
        reads=True,
        repeatable=True,
        outside=True,
    ),
    Tool(
        "create_draft",
        "Write a draft",
        "Keep a draft that nobody sees yet.",
        args.PostArguments,
        _draft,
        {"post": _OBJECT},
    ),
    Tool(
        "update_draft",
        "Change a draft",
        "Replace the whole of a draft, if it still has the version that was read.",
        args.UpdateArguments,
        _update,
        {"post": _OBJECT},
    ),
    Tool(
        "list_posts",
        "List posts",
        "List the newest posts, so that none is written twice.",
        args.ListArguments,
        _list,
        {"posts": _LIST},
        reads=True,
        repeatable=True,
    ),
    Tool(
        "get_post",
        "Read a post",
        "Read one post with its deliveries, their proof and their addresses.",
        args.OfPost,
        _get,
        {"post": _OBJECT, "deliveries": _LIST},
        reads=True,
        repeatable=True,
    ),
    Tool(
        "next_slot",
        "Next free time",
        "Find the next time at which the person likes to post and nothing is planned.",
        args.Nothing,
        _slot,
        {"at": _TEXT},
        reads=True,
        repeatable=True,
    ),
    Tool(
        "propose_post",
        "Propose a post",
        "Hand a post to a person, who reads it and decides whether it is published.",
        args.ProposalArguments,
        _propose,
        {
            "post": _OBJECT,
            "waits_for_a_person": {"type": "boolean"},
            "decide_at": _TEXT,
            "digest": _TEXT,
            "when": _TEXT,
            "accounts": _LIST,
        },
        repeatable=True,
        outside=True,
    ),
    Tool(
        "cancel_post",
        "Delete or take back",
        "Delete a draft, take back a proposal, or cancel what was not sent yet.",
        args.OfPost,
        _cancel,
        {},
        destroys=True,
    ),
    Tool(
        "retry_delivery",
        "Send again",
        "Send a failed delivery again; only where nothing of it was published.",
        args.OfDelivery,
        _retry,
        {"delivery": _OBJECT},
        outside=True,
    ),
    Tool(
        "wait_for_proof",
        "Wait for the proof",
        "Wait until a post is proved or needs somebody, at most 50 seconds.",
        args.WaitArguments,
        _wait,
        {"finished": {"type": "boolean"}, "deliveries": _LIST},
        reads=True,
        repeatable=True,
    ),
    Tool(
        "upload_from_url",
        "Take a file from an address",
        "Store a file that is public at an address.",
        args.UrlArguments,
        _from_url,
        _FILE,
        outside=True,
    ),
    Tool(
        "request_upload",
        "Announce a file",
        "Get an address to which a file is sent, instead of putting it into a call.",
        args.UploadArguments,
        _request,
        {"upload": _TEXT, "put_url": _TEXT, "expires_at": _TEXT},
    ),
    Tool(
        "finish_upload",
        "Ask for a sent file",
        "Get the id of a file that was sent to its address.",
        args.FinishedArguments,
        _finish,
        _FILE,
        reads=True,
        repeatable=True,
    ),
    Tool(
        "explain_failure",
        "Why it failed",
        "Say why deliveries of a post failed and what helps.",
        args.OfPost,
        _explain,
        {"failures": _LIST},
        reads=True,
        repeatable=True,
    ),
)
BY_NAME: Mapping[str, Tool] = {tool.name: tool for tool in TOOLS}
