"""The platforms that there are, and what is asked of them by name.

Ours, and those of installed packages: a package names its `PlatformSpec` under the entry points `postprober.platforms`
(docs/add-a-platform.md). Importing this module makes all of them known."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from importlib.metadata import EntryPoint, entry_points

from postprober.browser import Browser
from postprober.clock import Clock
from postprober.domain.health import Quota
from postprober.domain.limits import Limits
from postprober.domain.platform import NAMES, Platform, PlatformConfig, declare
from postprober.errors import BadInput, ConfigurationError
from postprober.http import Exchange, HttpClient
from postprober.platforms import bluesky, discord, instagram, linkedin, mastodon, nostr, removed, telegram, wordpress, x
from postprober.platforms.common.adapter import Adapter
from postprober.platforms.common.links import PastedLink
from postprober.platforms.common.oauth_spec import OAuthSpec
from postprober.platforms.common.rate_limits import quota_in
from postprober.platforms.common.spec import BrowserWay, PlatformSpec

log = logging.getLogger("postprober.platforms")
PACKAGES = "postprober.platforms"  # the group of entry points
OURS = (x, linkedin, instagram, mastodon, bluesky, telegram, discord, nostr, wordpress)


class _Specs(dict[Platform, PlatformSpec]):
    """What is installed; one that was removed answers, too (`postprober.platforms.removed`)."""

    def __missing__(self, platform: Platform) -> PlatformSpec:
        return removed.spec_of(platform)


class _Limits(Mapping[Platform, Limits]):
    """What an account may publish where nothing more is known of it."""

    def __getitem__(self, platform: Platform) -> Limits:
        return SPECS[platform].limits

    def __iter__(self) -> Iterator[Platform]:
        return iter(SPECS)

    def __len__(self) -> int:
        return len(SPECS)


SPECS = _Specs()
LIMITS: Mapping[Platform, Limits] = _Limits()
# Packages whose platform cannot be used, with the reason.
BROKEN: dict[str, str] = {}


def register(spec: PlatformSpec) -> None:
    """Make a platform usable. Raises ConfigurationError when another one has its key."""
    declare(spec.about)
    SPECS[spec.platform] = spec


def _register_package(entry: EntryPoint) -> None:
    """One package that is broken must not stop the other platforms: it is left out, and `doctor` says so."""
    try:
        spec = entry.load()
        if not isinstance(spec, PlatformSpec):
            raise ConfigurationError(f"{entry.value} is no PlatformSpec.")
        register(spec)
    except Exception as error:  # noqa: BLE001 (a package of somebody else's)
        BROKEN[entry.name] = f"{type(error).__name__}: {error}"
        log.error("the platform %s of an installed package cannot be used: %s", entry.name, BROKEN[entry.name])


for _one in OURS:
    register(_one.SPEC)
for _entry in sorted(entry_points(group=PACKAGES), key=lambda one: one.name):
    _register_package(_entry)


def adapter_for(platform: Platform, http: HttpClient, config: PlatformConfig, clock: Clock) -> Adapter:
    """A fresh adapter; cheap."""
    return SPECS[platform].adapter(http, config, clock)


def by_browser(platform: Platform, instance: str) -> bool:
    """Whether an account is used through the platform's web pages: it has their address as its `instance`, which the
    API's accounts on such a platform have not."""
    return SPECS[platform].browser is not None and bool(instance)


def browser_adapter(
    platform: Platform, http: HttpClient, config: PlatformConfig, clock: Clock, browser: Browser | None
) -> Adapter:
    """The adapter by browser; cheap. Raises BadInput where there is none."""
    return browser_way(platform).adapter(http, config, clock, browser)


def adapter_of(
    platform: Platform,
    instance: str,
    http: HttpClient,
    config: PlatformConfig,
    clock: Clock,
    browser: Browser | None,
    by_api: Callable[[Platform, HttpClient], Adapter] | None = None,
    scopes: tuple[str, ...] = (),
) -> Adapter:
    """The adapter of an account with this `instance` and these `scopes`: by the platform's web pages, or by its API (`by_api`
    makes that one, where another than the platform's own is wanted)."""
    if by_browser(platform, instance):
        return browser_adapter(platform, http, config, clock, browser)
    adapter = by_api(platform, http) if by_api is not None else adapter_for(platform, http, config, clock)
    suited = SPECS[platform].for_scopes
    return adapter if suited is None else suited(adapter, scopes)


def browser_way(platform: Platform) -> BrowserWay:
    """How its web pages are used. Raises BadInput where they are not."""
    way = SPECS[platform].browser
    if way is None:
        raise BadInput(f"{NAMES[platform]} cannot be used by browser; link it by its API.", field="platform")
    return way


def oauth_spec(config: PlatformConfig) -> OAuthSpec:
    """How the platform of `config` signs in. Raises BadInput where there is no consent page."""
    make = SPECS[config.platform].oauth
    if make is None:
        raise BadInput(f"{NAMES[config.platform]} has no consent page.", field="platform")
    return make(config)


def quota_of(platform: Platform, exchange: Exchange, now: datetime) -> Quota | None:
    """What a reply of the platform tells about its limits; None when it tells nothing that can be used."""
    own = SPECS[platform].quota
    return (own(exchange, now) if own is not None else None) or quota_in(exchange, now)


def may_publish(platform: Platform, scopes: tuple[str, ...]) -> bool:
    """Whether the granted `scopes` let us publish; yes where the platform has not said what it granted."""
    needed = SPECS[platform].publishes
    return not scopes or not needed or not needed.isdisjoint(scopes)


def remote_id_in(platform: Platform, link: str, *, account_id: str, handle: str) -> str:
    """The id that `link` (or the bare id) names; on some platforms the code in it, to be looked up in the list of
    own posts (`code_in_links`). `account_id`, `handle`: the account that it has to be on. Raises BadInput."""
    found = SPECS[platform].remote_id(PastedLink.read(link, account_id=account_id, handle=handle))
    if not found:
        raise BadInput(f"Paste the link of the post on {NAMES[platform]}, or its id.", field="link")
    return found


def public_url(platform: Platform, config: PlatformConfig, remote_id: str) -> str:
    """Where everybody can read the post, on a platform that lets most apps not read it back; "" elsewhere."""
    make = SPECS[platform].public_url
    return make(config, remote_id) if make is not None else ""
