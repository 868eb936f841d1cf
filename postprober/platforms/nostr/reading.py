"""What is read out of relays' answers: who somebody is, how a post is received, and what they say together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from postprober.domain.remote import Counts
from postprober.errors import PlatformError, PostRejected, ReconnectNeeded, Throttled, Unavailable
from postprober.platforms.common.replies import tolerant_json
from postprober.platforms.nostr.codes import npub
from postprober.platforms.nostr.errors import most_hopeful
from postprober.platforms.nostr.event import ANY_REPOST, NOTE, REACTION, REPOST, Event, answered_by, targets
from postprober.platforms.nostr.public import is_note
from postprober.platforms.nostr.relays import RelayAnswer, RelayReading, host

MOST_COUNTED = 1000  # reactions, reposts and replies that are asked for at once; ours
COUNTED = (NOTE, REPOST, REACTION, ANY_REPOST)


def shows(found: RelayReading, event_id: str) -> bool:
    return any(is_note(one, event_id) for one in found.events)


def is_clear_no(error: PlatformError) -> bool:
    return isinstance(error, (PostRejected, ReconnectNeeded, Throttled, Unavailable))


def why_none(found: Sequence[RelayReading]) -> PlatformError:
    errors = [one.error for one in found if one.error is not None]
    return most_hopeful(errors) if errors else Unavailable("No relay answered.")


def all_said(answers: Sequence[RelayAnswer]) -> str:
    """For the log: what each relay said."""
    said = (f"{host(one.relay)}: {'has it' if one.accepted else one.error and one.error.detail}" for one in answers)
    return "; ".join(said)[:480]


def age(event: Mapping[str, Any]) -> int:
    return int(event["created_at"])


def name_in(content: str) -> str:
    """The name in somebody's metadata (NIP-01, NIP-24)."""
    told = tolerant_json(content)
    names = [told.get(key) for key in ("display_name", "name")] if isinstance(told, dict) else []
    return next((" ".join(one.split())[:100] for one in names if isinstance(one, str) and one.strip()), "")


def short_name(public: str) -> str:
    """A name for a key that has none."""
    code = npub(public)
    return f"{code[:12]}…{code[-4:]}"


def counts_of(found: Sequence[RelayReading], event_id: str) -> Counts:
    """Over all relays, each event once. More than were asked for may be there: then nothing is said."""
    events = {one["id"]: one for each in found for one in each.events}
    about = [one for one in events.values() if event_id in targets(one) and one["id"] != event_id]
    if any(len(each.events) >= MOST_COUNTED for each in found):
        return Counts()
    by: dict[str, Callable[[Event], bool]] = {
        "likes": lambda one: one["kind"] == REACTION and one["content"] != "-",  # NIP-25: "-" is a dislike
        "reposts": lambda one: one["kind"] in (REPOST, ANY_REPOST),
        "replies": lambda one: one["kind"] == NOTE and answered_by(one) == event_id,
    }
    counts = {name: sum(map(is_one, about)) for name, is_one in by.items()}
    quotes = sum(one["kind"] == NOTE and event_id in targets(one, "q") for one in events.values())
    return Counts(**counts, quotes=quotes)
