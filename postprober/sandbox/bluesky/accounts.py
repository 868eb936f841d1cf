"""Handles of the emulated Bluesky."""

from postprober.sandbox.engine.model import Account
from postprober.sandbox.engine.world import World

DOMAIN = "bsky.test"  # `.test` is reserved (RFC 6761), so it never leaves the machine


def handle_of(account: Account) -> str:
    return f"{account.title.lower().replace('_', '-')}.{DOMAIN}"


def account_called(world: World, actor: str) -> Account | None:
    """An account by its DID or handle."""
    accounts = world.accounts_of("bluesky")
    return next((a for a in accounts if actor == a.id or actor.lower() == handle_of(a)), None)
