"""Signing in to X."""

from __future__ import annotations

from postprober.domain.platform import PlatformConfig
from postprober.platforms.common.oauth_spec import OAuthSpec

SCOPES = ("tweet.read", "tweet.write", "users.read", "media.write", "offline.access")  # x/facts.md, 1
PUBLISHES = frozenset({"tweet.write"})


def spec(config: PlatformConfig) -> OAuthSpec:
    return OAuthSpec(
        "X",
        f"{config.auth_url}/i/oauth2/authorize",
        f"{config.api_url}/2/oauth2/token",
        SCOPES,
        pkce=True,
        auth_method="client_secret_basic" if config.client_secret else "none",
        revoke_url=f"{config.api_url}/2/oauth2/revoke",
    )
