"""Signing in to Mastodon and servers like it, at each with a client of our own."""

from __future__ import annotations

from postprober.domain.platform import PlatformConfig
from postprober.platforms.common.oauth_spec import OAuthSpec

SCOPES = ("profile", "write:statuses", "write:media", "read:statuses", "read:search")  # mastodon/facts.md, 1
PUBLISHES = frozenset({"write", "write:statuses"})


def spec(config: PlatformConfig) -> OAuthSpec:
    base = f"{config.api_url}/oauth"
    return OAuthSpec(
        "Mastodon",
        f"{base}/authorize",
        f"{base}/token",
        SCOPES,
        pkce=True,
        auth_method="client_secret_post",
        revoke_url=f"{base}/revoke",
        per_server=True,
    )
