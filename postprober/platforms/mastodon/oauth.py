"""Signing in to Mastodon and servers like it, at each with a client of our own."""

from __future__ import annotations

from postprober.domain.platform import PlatformConfig
from postprober.platforms.common.oauth_spec import OAuthSpec

SCOPES = ("profile", "write:statuses", "write:media", "read:statuses", "read:search")  # mastodon/facts.md, 1
# For servers that do not know a name among these (`profile` came with 4.3, single ones with 2.4.3), from the newest to the oldest.
OLDER_SCOPES = (
    ("read:accounts", "write:statuses", "write:media", "read:statuses", "read:search"),
    ("read", "write"),
)
PUBLISHES = frozenset({"write", "write:statuses"})


def spec(config: PlatformConfig) -> OAuthSpec:
    base = f"{config.api_url}/oauth"
    return OAuthSpec(
        "Mastodon",
        f"{base}/authorize",
        f"{base}/token",
        tuple(config.settings.get("scopes", "").split()) or SCOPES,
        pkce=True,
        auth_method="client_secret_post",
        revoke_url=f"{base}/revoke",
        per_server=True,
    )
