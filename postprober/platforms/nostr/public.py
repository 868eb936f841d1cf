"""What relays tell everybody: a connection of its own, without any key (nostr/facts.md, 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from postprober.domain.platform import PlatformConfig
from postprober.domain.public_look import Look, Verdict
from postprober.errors import BadInput, PlatformError
from postprober.http import HttpClient
from postprober.platforms.nostr import relays as relay_circle
from postprober.platforms.nostr.codes import HEX, npub, pointer
from postprober.platforms.nostr.event import DELETION, NOTE, Event, genuine, post_of, targets
from postprober.platforms.nostr.links import pointed
from postprober.platforms.nostr.relays import RelayCircle, RelayReading, decided, host


def read(http: HttpClient, config: PlatformConfig, url: str, remote_id: str, _base: str) -> Look:
    """Final: what a gateway's page shows is at best what the relays say."""
    return replace(_read(http, config, url, remote_id), final=True)


def _read(http: HttpClient, config: PlatformConfig, url: str, remote_id: str) -> Look:
    if not HEX.fullmatch(remote_id):
        return Look(Verdict.UNSURE, url=url, reason="the post's id is no id of an event.")
    named = pointed(url)
    try:
        typed = " ".join(named.relays) if named else ""
        circle = RelayCircle(
            http, config, relay_circle.listed(typed, config) or relay_circle.usual(config), lambda: datetime.now(UTC)
        )
        if not circle.relays:
            return Look(Verdict.UNSURE, url=url, reason="the post's link names no relay.")
        author = named.author if named else ""
        found = circle.ask([{"ids": [remote_id]}, {"kinds": [DELETION], "#e": [remote_id]}])
    except (PlatformError, BadInput) as error:
        return Look(Verdict.UNSURE, url=url, reason=f"the relays could not be asked: {error.message}")
    return _look(circle, found, url, remote_id, author)


def _look(circle: RelayCircle, found: Sequence[RelayReading], url: str, remote_id: str, author: str) -> Look:
    event = next((one for each in found for one in each.events if is_note(one, remote_id)), None)
    by = event["pubkey"] if event else author
    if by and (withdrawn := deleted_by(found, remote_id, by)):
        return Look(
            Verdict.GONE, url=url, reason=f"its author has asked the relays to delete it ({host(withdrawn)} says so)."
        )
    shows, absent = decided(found, lambda one: _has(one, remote_id), circle.needed)
    told = standing(found, remote_id)
    if event is None:
        if absent:
            return Look(Verdict.GONE, url=url, reason=f"{told}.")
        wall = any(one.hidden for one in found) and not any(not one.answered and not one.hidden for one in found)
        return Look(Verdict.LOGIN_WALL if wall else Verdict.UNSURE, url=url, reason=f"{told}.")
    if shows < circle.needed:
        return Look(Verdict.UNSURE, url=url, reason=f"{told}; {circle.needed} are needed.")
    post = post_of(event, url)
    return Look(
        Verdict.FOUND,
        post.text,
        npub(event["pubkey"]),
        post.media,
        url,
        reason=f"{told}.",
        reply_to=post.reply_to,
        options=post.options,
    )


def is_note(event: Event, event_id: str) -> bool:
    """Whether it is the text note with this id, by its own hash and signature."""
    return bool(event["id"] == event_id and event["kind"] == NOTE and genuine(event))


def _has(found: RelayReading, event_id: str) -> bool:
    return any(is_note(one, event_id) for one in found.events)


def deleted_by(found: Sequence[RelayReading], event_id: str, author: str) -> str:
    """The relay that has the author's own request to delete it (NIP-09), "" where none has."""
    for each in found:
        for one in each.events:
            mine = one["kind"] == DELETION and one["pubkey"] == author
            if mine and event_id in targets(one) and genuine(one):
                return each.relay
    return ""


def standing(found: Sequence[RelayReading], event_id: str) -> str:
    """Which relays show it, which do not, and which could not be asked, in one sentence."""
    shows = [host(one.relay) for one in found if _has(one, event_id)]
    hidden = [host(one.relay) for one in found if one.hidden]
    silent = [host(one.relay) for one in found if not one.answered and not one.hidden]
    missing = [host(one.relay) for one in found if one.answered and not _has(one, event_id)]
    rest = [
        *([f"not {', '.join(missing)}"] if missing else []),
        *([f"{', '.join(hidden)} asks readers to sign in"] if hidden else []),
        *([f"{', '.join(silent)} did not answer"] if silent else []),
    ]
    named = f" ({', '.join(shows)})" if shows else ""
    return "; ".join([f"{len(shows)} of {len(found)} relays show the post{named}", *rest])


def preview_text(_told: str) -> str:
    """A gateway's preview is its own wording, so it proves nothing."""
    return ""


def author_page(config: PlatformConfig, url: str, _handle: str) -> str:
    named = pointer(url.rstrip("/").rpartition("/")[2])
    return f"{config.auth_url}/{npub(named.author)}" if named is not None and named.author else ""
