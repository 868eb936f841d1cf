"""Signing in to LinkedIn."""

from __future__ import annotations

from postprober.domain.platform import PlatformConfig
from postprober.platforms.common.oauth_spec import OAuthSpec

SCOPES = ("openid", "profile", "w_member_social")  # linkedin/facts.md, 1
OF_PAGES = ("w_organization_social", "r_organization_social")  # only for apps that LinkedIn has reviewed
PUBLISHES = frozenset({"w_member_social", "w_organization_social"})


def spec(config: PlatformConfig) -> OAuthSpec:
    base = f"{config.auth_url}/oauth/v2"
    return OAuthSpec(
        "LinkedIn",
        f"{base}/authorization",
        f"{base}/accessToken",
        SCOPES + OF_PAGES if config.settings.get("pages") == "True" else SCOPES,
        pkce=False,
        auth_method="client_secret_post",
        revoke_url=f"{base}/revoke",
    )
