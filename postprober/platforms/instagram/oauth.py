"""Signing in to Instagram."""

from __future__ import annotations

from postprober.domain.platform import PlatformConfig
from postprober.platforms.common.oauth_spec import OAuthSpec

WWW = "https://www.instagram.com"  # instagram/facts.md, 1: consent page here, token endpoint on api.instagram.com
TOKEN = "https://api.instagram.com/oauth/access_token"  # instagram/facts.md, 1
SCOPES = (  # instagram/facts.md, 1
    "instagram_business_basic",
    "instagram_business_content_publish",
    "instagram_business_manage_insights",
)
PUBLISHES = frozenset({"instagram_business_content_publish"})


def spec(config: PlatformConfig) -> OAuthSpec:
    token = TOKEN if config.auth_url == WWW else f"{config.auth_url}/oauth/access_token"
    return OAuthSpec(
        "Instagram",
        f"{config.auth_url}/oauth/authorize",
        token,
        SCOPES,
        pkce=False,
        auth_method="client_secret_post",
        scope_separator=",",
        long_lived_url=f"{config.api_url}/access_token",
    )
