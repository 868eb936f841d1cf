"""The platforms that there are, and what is asked of them by name."""

from __future__ import annotations

from postprober.browser import Browser
from postprober.clock import Clock
from postprober.domain.limits import Limits
from postprober.domain.platform import NAMES, Platform, PlatformConfig
from postprober.errors import BadInput
from postprober.http import HttpClient
from postprober.platforms import bluesky, instagram, linkedin, mastodon, x
from postprober.platforms.common.adapter import Adapter
from postprober.platforms.common.links import PastedLink
from postprober.platforms.common.oauth_spec import OAuthSpec
from postprober.platforms.common.spec import PlatformSpec

SPECS: dict[Platform, PlatformSpec] = {
    one.SPEC.platform: one.SPEC for one in (x, linkedin, instagram, mastodon, bluesky)
}
# What an account may publish where nothing more is known of it.
LIMITS: dict[Platform, Limits] = {platform: spec.limits for platform, spec in SPECS.items()}


def adapter_for(platform: Platform, http: HttpClient, config: PlatformConfig, clock: Clock) -> Adapter:
    """A fresh adapter; cheap."""
    return SPECS[platform].adapter(http, config, clock)


def by_browser(platform: Platform, instance: str) -> bool:
    """Whether an account is used through the platform's web pages: it has their address as its `instance`, which the
    API's accounts on such a platform have not."""
    return SPECS[platform].browser_adapter is not None and bool(instance)


def browser_adapter(
    platform: Platform, http: HttpClient, config: PlatformConfig, clock: Clock, browser: Browser | None
) -> Adapter:
    """The adapter by browser; cheap. Raises BadInput where there is none."""
    make = SPECS[platform].browser_adapter
    if make is None:
        raise BadInput(f"{NAMES[platform]} cannot be used through its web pages.", field="platform")
    return make(http, config, clock, browser)


def oauth_spec(config: PlatformConfig) -> OAuthSpec:
    """How the platform of `config` signs in. Raises BadInput where there is no consent page."""
    make = SPECS[config.platform].oauth
    if make is None:
        name = NAMES[config.platform]
        raise BadInput(f"{name} signs in with a handle and an app password, not with a consent page.", field="platform")
    return make(config)


def may_publish(platform: Platform, scopes: tuple[str, ...]) -> bool:
    """Whether the granted `scopes` let us publish; yes where the platform has not said what it granted."""
    needed = SPECS[platform].publishes
    return not scopes or not needed or not needed.isdisjoint(scopes)


def remote_id_in(platform: Platform, link: str, *, account_id: str, handle: str) -> str:
    """The id that `link` (or the bare id) names; for an Instagram link its shortcode, to be looked up in the list of own
    posts. `account_id`, `handle`: the account that it has to be on. Raises BadInput."""
    found = SPECS[platform].remote_id(PastedLink.read(link, account_id=account_id, handle=handle))
    if not found:
        raise BadInput(f"Paste the link of the post on {NAMES[platform]}, or its id.", field="link")
    return found


def public_url(platform: Platform, config: PlatformConfig, remote_id: str) -> str:
    """Where everybody can read the post, on a platform that lets most apps not read it back; "" elsewhere."""
    make = SPECS[platform].public_url
    return make(config, remote_id) if make is not None else ""
