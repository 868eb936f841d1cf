"""What a bot and a webhook can keep (discord/facts.md, 5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from postprober.domain.account import Credentials
from postprober.domain.platform import ReconcileMode
from postprober.platforms.common.adapter import Traits
from postprober.platforms.discord.about import ABOUT
from postprober.platforms.discord.links import ChannelAuthor

BOT, WEBHOOK = "bot", "webhook.incoming"  # scopes; facts.md, 1
SETTLE_SECONDS = 15.0  # ours: how long a request sent earlier may still take effect; settings["settle_seconds"]
# Ours. Discord remembers a nonce for "the past few minutes" and says no number (facts.md, 5). A repeat that begins within a
# minute and may take another one to arrive stays below two, the least that those words can mean.
HANDLE_LIFE = timedelta(seconds=60)
UPLOAD_SECONDS = 60.0

TRAITS = Traits(
    platform=ABOUT.platform,
    mode=ReconcileMode.RECONCILE,
    settle=timedelta(seconds=SETTLE_SECONDS),
    threads=True,
    video=True,
    deletes=True,
    lists_own=True,
    refreshes=False,
    pkce=False,
    sends_alike_twice_safely=True,  # within `handle_life`
    handle_life=HANDLE_LIFE,
    batch=50,
    cards="made by the platform",  # facts.md, 3
)
OF_WEBHOOKS = replace(
    TRAITS,
    mode=ReconcileMode.STRICT,
    threads=False,  # a webhook answers no message (facts.md, 2)
    lists_own=False,
    sends_alike_twice_safely=False,
    handle_life=None,
    batch=1,
)


def is_webhook(cred: Credentials) -> bool:
    """Whether these are a webhook's, and no bot's."""
    return WEBHOOK in cred.scopes


def can_witness(own: str, other: str, scopes: tuple[str, ...]) -> bool:
    """Another bot in the same channel. A webhook reads its own messages only."""
    first, second = ChannelAuthor.of(own), ChannelAuthor.of(other)
    return WEBHOOK not in scopes and bool(first.channel) and first.channel == second.channel and first != second
