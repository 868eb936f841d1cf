"""How each platform's authorization server is spoken to: addresses, scopes, client authentication and quirks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from postprober.domain.platform import Platform, PlatformConfig
from postprober.errors import BadInput

INSTAGRAM_WWW = "https://www.instagram.com"  # CONTRACTS.md 3.3: consent page here, token endpoint on api.instagram.com
INSTAGRAM_TOKEN = "https://api.instagram.com/oauth/access_token"  # CONTRACTS.md 3.3
# Scopes: CONTRACTS.md 1.3 (X), 2.3 and 2.4 (LinkedIn), 3.3 (Instagram), 4 (Mastodon).
X_SCOPES = ("tweet.read", "tweet.write", "users.read", "media.write", "offline.access")
LINKEDIN_SCOPES = ("openid", "profile", "w_member_social")
INSTAGRAM_SCOPES = (
    "instagram_business_basic",
    "instagram_business_content_publish",
    "instagram_business_manage_insights",
)
MASTODON_SCOPES = ("profile", "write:statuses", "write:media", "read:statuses")


@dataclass(frozen=True)
class OAuthSpec:
    """How one authorization server is spoken to.

    `auth_method`: how the client proves itself at the token endpoint (RFC 7591 names). `long_lived_url`: where a
    short-lived token is exchanged for a long-lived one (Instagram). `issuer`: what `iss` must be when it is sent
    (RFC 9207); "" accepts none but the authorize URL's own origin.
    """

    name: str
    authorize_url: str
    token_url: str
    scopes: tuple[str, ...]
    pkce: bool
    auth_method: str = "client_secret_basic"
    scope_separator: str = " "
    revoke_url: str = ""
    long_lived_url: str = ""
    issuer: str = ""


def spec_for(config: PlatformConfig) -> OAuthSpec:
    """How the platform of `config` signs in. Raises BadInput for Bluesky."""
    if config.platform is Platform.BLUESKY:
        raise BadInput("Bluesky signs in with a handle and an app password, not with a consent page.", field="platform")
    return _SPECS[config.platform](config)


def _x(config: PlatformConfig) -> OAuthSpec:
    return OAuthSpec(
        "X", f"{config.auth_url}/i/oauth2/authorize", f"{config.api_url}/2/oauth2/token", X_SCOPES, pkce=True,
        auth_method="client_secret_basic" if config.client_secret else "none",
        revoke_url=f"{config.api_url}/2/oauth2/revoke",
    )  # fmt: skip


def _linkedin(config: PlatformConfig) -> OAuthSpec:
    base = f"{config.auth_url}/oauth/v2"
    return OAuthSpec(
        "LinkedIn", f"{base}/authorization", f"{base}/accessToken", LINKEDIN_SCOPES, pkce=False,
        auth_method="client_secret_post", revoke_url=f"{base}/revoke",
    )  # fmt: skip


def _instagram(config: PlatformConfig) -> OAuthSpec:
    token = INSTAGRAM_TOKEN if config.auth_url == INSTAGRAM_WWW else f"{config.auth_url}/oauth/access_token"
    return OAuthSpec(
        "Instagram", f"{config.auth_url}/oauth/authorize", token, INSTAGRAM_SCOPES, pkce=False,
        auth_method="client_secret_post", scope_separator=",", long_lived_url=f"{config.api_url}/access_token",
    )  # fmt: skip


def _mastodon(config: PlatformConfig) -> OAuthSpec:
    base = f"{config.api_url}/oauth"
    return OAuthSpec(
        "Mastodon", f"{base}/authorize", f"{base}/token", MASTODON_SCOPES, pkce=True,
        auth_method="client_secret_post", revoke_url=f"{base}/revoke",
    )  # fmt: skip


_SPECS: dict[Platform, Callable[[PlatformConfig], OAuthSpec]] = {
    Platform.X: _x,
    Platform.LINKEDIN: _linkedin,
    Platform.INSTAGRAM: _instagram,
    Platform.MASTODON: _mastodon,
}


def at_instance(config: PlatformConfig, instance: str, app: Mapping[str, str]) -> PlatformConfig:
    """`config` for one Mastodon server and the app registered there (`mastodon.register_app`)."""
    return replace(
        config, api_url=instance, auth_url=instance, client_id=app["client_id"], client_secret=app["client_secret"]
    )
