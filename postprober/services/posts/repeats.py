"""The same text on the same account: found once, for preflight, for the review and for the transaction that plans it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from postprober.domain import repeats
from postprober.domain.platform import NAMES
from postprober.domain.post import PreflightNote, Violation
from postprober.domain.repeats import Earlier
from postprober.platforms.registry import SPECS
from postprober.storage import history, users
from postprober.storage.records import Account

LOOKED_BACK = timedelta(days=30)  # ours: what was said longer ago may be said again without a word
HELD = timedelta(days=6)  # ours: the same text within it is a mistake; what is posted each week is not
SHORTEST = 25  # ours, characters: "Good morning!" may be said every day


def earlier(conn: Connection, account_id: int, now: datetime, but: Collection[int] = ()) -> list[Earlier]:
    """What the account shows or is about to, newest first. `but`: posts that are no other ones."""
    return [one for one in history.said_since(conn, account_id, now - LOOKED_BACK) if one.post_id not in but]


def found(
    account: Account, texts: Sequence[str], due: datetime, known: Sequence[Earlier], zone: str, *, with_media: bool
) -> tuple[list[Violation], list[PreflightNote]]:
    """What the platform would refuse as said already, else what a person should know. `known`: by `earlier`."""
    rule, wrong = SPECS[account.platform].repeats, list[Violation]()
    if rule is not None:
        name = NAMES[account.platform]
        wrong = list(repeats.refused(name, rule, texts, due, known, zone, with_media=with_media))
    same = None if wrong else repeats.alike(texts, known)
    return wrong, [repeats.noted(same, zone)] if same else []


def held(texts: Sequence[str], known: Sequence[Earlier], now: datetime, zone: str) -> str:
    """Why a person shall look at a text that went out lately, as the end of a sentence about it; "" for no reason."""
    if len(repeats.likeness("\n".join(texts))) < SHORTEST:
        return ""
    same = repeats.alike(texts, [one for one in known if one.live and one.at > now - HELD])
    return f"{same.named(zone)} on this account" if same else ""


def refuse(
    conn: Connection,
    account: Account,
    texts: Sequence[str],
    due: datetime,
    now: datetime,
    post_id: int,
    *,
    with_media: bool,
) -> list[Violation]:
    """The same in the transaction that plans the text: of two at once, the second is refused."""
    if SPECS[account.platform].repeats is None:
        return []
    users.lock(conn, account.user_id)
    known = earlier(conn, account.id, now, (post_id,))
    return found(account, texts, due, known, "UTC", with_media=with_media)[0]
