"""Quotes of Mastodon 4.5: who may quote, what became of a quote. https://docs.joinmastodon.org/client/quotes."""

from typing import Any

from postprober.sandbox.engine.model import Media, Post
from postprober.sandbox.engine.operation import ApiRefusal, Call
from postprober.sandbox.mastodon.dialect import Json, quote_approval, quotes_known, unprocessable

_POLICIES = ("public", "followers", "nobody")
_MISSING = "The post you are trying to quote does not appear to exist."


def quoting(call: Call, form: dict[str, Any], media: list[Media], visibility: str) -> Json:
    """What of a new status is about quotes; nothing on a server that does not know them. Raises the 404 and 422s."""
    if not quotes_known(call):
        return {}
    found: Json = {"quote_policy": _policy(form, visibility)}
    wanted = form.get("quoted_status_id")
    if not wanted:
        return found
    quoted = call.world.post("mastodon", str(wanted))
    if quoted is None or not quoted.seen_by(call.account, call.at):
        raise ApiRefusal(404, {"error": _MISSING})
    if media or form.get("poll"):
        raise unprocessable("Quotes cannot be attached to a status with media or a poll")
    if quote_approval(call, quoted)["current_user"] != "automatic":
        raise unprocessable("You are not allowed to quote this post")
    return {**found, "quote": {"id": quoted.id, "state": "accepted"}}


def _policy(form: dict[str, Any], visibility: str) -> str:
    """As asked for; `nobody` where few may see it, and by default everybody."""
    asked = str(form.get("quote_approval_policy") or "public")
    if asked not in _POLICIES:
        raise unprocessable("Quote approval policy is not included in the list")
    return "nobody" if visibility in ("private", "direct") else asked


def found_by_link(call: Call, link: str) -> Post | None:
    """The status at an address, whichever of its addresses that is."""
    last = link.rstrip("/").rpartition("/")[2]
    post = call.world.post("mastodon", last) or next(
        (p for p in call.world.posts.values() if p.platform == "mastodon" and p.extra.get("elsewhere") == link), None
    )
    return post if post is not None and post.seen_by(call.account, call.at) else None
