"""Likes, reposts and gates: small records that point at a post."""

from typing import Any

from postprober.sandbox.bluesky.cid import record_cid
from postprober.sandbox.bluesky.dialect import invalid
from postprober.sandbox.engine.operation import Call
from postprober.sandbox.engine.world import World

Json = dict[str, Any]
GATES = frozenset({"app.bsky.feed.threadgate", "app.bsky.feed.postgate"})
COLLECTIONS = frozenset({"app.bsky.feed.like", "app.bsky.feed.repost"}) | GATES
_RULES = frozenset({"mentionRule", "followerRule", "followingRule", "listRule", "disableRule"})
_KIND = "bluesky-mark"


def put_mark(call: Call, collection: str, rkey: str, record: Any) -> Json:
    """Keep it; returns its uri and cid. Raises the 400 for a record of another form."""
    subject = record.get("subject") if isinstance(record, dict) else None
    if collection in GATES:
        subject = {"uri": _gated(call, collection, rkey, record)}
    if not isinstance(subject, dict) or not isinstance(subject.get("uri"), str):
        raise invalid(f'Invalid {collection} record: Record must have the property "subject"')
    uri = f"at://{call.owner.id}/{collection}/{rkey}"
    cid = record_cid(record)
    doc = {
        "uri": uri,
        "cid": cid,
        "did": call.owner.id,
        "collection": collection,
        "subject": subject["uri"],
        "at": call.at,
        "value": record,
        "gone": False,
    }
    call.world.put_doc(_KIND, uri, doc)
    return {"uri": uri, "cid": cid}


def _gated(call: Call, collection: str, rkey: str, record: Any) -> str:
    """The post of a gate, which has the gate's key and is in the same repository. Raises the 400."""
    post = record.get("post") if isinstance(record, dict) else None
    if post != f"at://{call.owner.id}/app.bsky.feed.post/{rkey}" or not isinstance(record.get("createdAt"), str):
        raise invalid(f'Invalid {collection} record: Record must have the properties "post" and "createdAt"')
    rules = record.get("allow" if collection.endswith("threadgate") else "embeddingRules", [])
    if len(rules) > 5 or any(one["$type"].rpartition("#")[2] not in _RULES for one in rules):
        raise invalid(f"Invalid {collection} record: a rule is not known")
    return str(post)


def mark_at(world: World, uri: str) -> Json | None:
    """The record there, None when there is none."""
    doc = world.doc(_KIND, uri)
    return None if doc is None or doc["gone"] else doc


def drop_mark(call: Call, uri: str) -> bool:
    """Whether there was one."""
    doc = call.world.doc(_KIND, uri)
    if doc is None or doc["gone"]:
        return False
    call.world.put_doc(_KIND, uri, {**doc, "gone": True})
    return True


def marks_of(world: World, subject: str, collection: str) -> list[Json]:
    """The newest first."""
    found = [
        d for d in world.docs(_KIND) if d["subject"] == subject and d["collection"] == collection and not d["gone"]
    ]
    return sorted(found, key=lambda doc: float(doc["at"]), reverse=True)
