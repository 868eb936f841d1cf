"""Likes and reposts: small records that point at a post."""

from typing import Any

from postprober.sandbox.bluesky.cid import record_cid
from postprober.sandbox.bluesky.dialect import invalid
from postprober.sandbox.engine.operation import Call
from postprober.sandbox.engine.world import World

Json = dict[str, Any]
COLLECTIONS = frozenset({"app.bsky.feed.like", "app.bsky.feed.repost"})
_KIND = "bluesky-mark"


def put_mark(call: Call, collection: str, rkey: str, record: Any) -> Json:
    """Keep it; returns its uri and cid. Raises the 400 for a record of another form."""
    subject = record.get("subject") if isinstance(record, dict) else None
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
