"""What a server tells everybody: its records (bluesky/facts.md, 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from postprober.domain.nested import dig, text_at
from postprober.domain.platform import PlatformConfig
from postprober.domain.public_look import Look, Verdict
from postprober.http import HttpClient
from postprober.platforms.bluesky import records
from postprober.platforms.bluesky.options import POSTGATE, THREADGATE, told_by_gates
from postprober.platforms.bluesky.options import told as options_told
from postprober.platforms.common.public import ask, refused, seen

# com.atproto.repo.getRecord and com.atproto.sync.getRepo: the record, or its whole repository, is not given out.
_GONE = frozenset({"RecordNotFound", "RepoTakendown", "RepoSuspended", "RepoDeactivated"})


def read(http: HttpClient, config: PlatformConfig, url: str, remote_id: str, base: str) -> Look:
    address = f"{base}/xrpc/com.atproto.repo.getRecord"
    parts = remote_id.split("/")
    if not remote_id.startswith("at://") or len(parts) != 5:
        return Look(Verdict.UNSURE, url=address, reason="the post's id is no at-uri.")
    reply = ask(http, address, {"repo": parts[2], "collection": parts[3], "rkey": parts[4]})
    if isinstance(reply, Look):
        return reply
    body = reply.json_or_none()
    value = dig(body, "value")
    if reply.ok and isinstance(value, dict):
        return replace(
            seen(reply, address, Verdict.FOUND, "the server gives the record to everybody"),
            text=text_at(value, "text"),
            media=records.media(dig(value, "embed")),
            reply_to=text_at(value, "reply", "parent", "uri"),
            links=records.links(value),
            options=options_told(value),
            cards=records.cards(dig(value, "embed")),
        )
    return refused(reply, address, "The server", gone=text_at(body, "error") in _GONE)


def more_options(http: HttpClient, remote_id: str, base: str, names: frozenset[str]) -> Mapping[str, Any]:
    """What the records beside a post say of the options `names`; nothing where a server cannot be asked."""
    wanted = {"who_can_reply": THREADGATE, "no_quotes": POSTGATE}
    parts, found = remote_id.split("/"), {}
    for name, collection in wanted.items():
        if name not in names or len(parts) != 5:
            continue
        query = {"repo": parts[2], "collection": collection, "rkey": parts[4]}
        reply = ask(http, f"{base}/xrpc/com.atproto.repo.getRecord", query)
        body = None if isinstance(reply, Look) else reply.json_or_none()
        if not isinstance(reply, Look) and (reply.ok or text_at(body, "error") == "RecordNotFound"):
            found[collection] = dig(body, "value")
    return told_by_gates(found)


def author_page(_config: PlatformConfig, url: str, _handle: str) -> str:
    return url.partition("/post/")[0] if "/post/" in url else ""
