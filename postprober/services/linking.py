"""Linking through a consent page: a state that works once, and the code that comes back with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from postprober.domain.account import Credentials
from postprober.domain.platform import NAMES, Platform, PlatformConfig
from postprober.errors import BadInput, Forbidden
from postprober.platforms import oauth
from postprober.platforms.mastodon import register_app
from postprober.security.tokens import keyed_hash
from postprober.security.urlguard import check_url
from postprober.security.vault import Place
from postprober.services import accounts as account_service
from postprober.services import permits
from postprober.services.core import Core
from postprober.storage import apps, users
from postprober.storage.records import Account

STATE_LIFE = timedelta(minutes=15)


def callback_url(core: Core, platform: Platform) -> str:
    return f"{core.settings.public_base}/oauth/{platform.value}/callback"


def start(core: Core, user_id: int, platform: Platform, instance: str = "") -> str:
    """The URL to send the person to. Raises BadInput or a PlatformError."""
    permits.need(core, user_id, "accounts:write")
    if platform is Platform.BLUESKY:
        raise BadInput("Bluesky is linked with an app password, not through a consent page.", field="platform")
    if instance and platform is not Platform.MASTODON:
        raise BadInput(f"{NAMES[platform]} has only one server; leave the instance out.", field="instance")
    config = _config(core, platform, instance)
    state = oauth.new_state()
    request = oauth.start(config, callback_url(core, platform), state)
    hashed = keyed_hash(core.settings.secret_key, state)
    now = core.clock.now()
    sealed = core.vault.seal(request.code_verifier, Place("sessions", "verifier", hashed))
    data = {"platform": platform.value, "instance": instance, "verifier": sealed}
    with core.db.write() as conn:
        users.add_session(
            conn,
            user_id=user_id,
            kind="oauth_state",
            token_hash=hashed,
            now=now,
            expires_at=now + STATE_LIFE,
            data=data,
        )
    return request.url


def finish(core: Core, platform: Platform, params: Mapping[str, str], user_id: int | None) -> Account:
    """What the platform sent back. `user_id`: who is signed in in the browser that came back; it must be who
    started, or somebody could be made to link their account to a stranger's PostProber.

    Raises Forbidden (unknown, used or foreign state), BadInput (denied) or a PlatformError.
    """
    state = params.get("state", "")
    hashed = keyed_hash(core.settings.secret_key, state)
    with core.db.write() as conn:
        row = users.use_once(conn, "oauth_state", hashed, core.clock.now())
    if row is None or row["data"]["platform"] != platform.value or row["user_id"] != user_id:
        raise Forbidden("This linking was finished already, is too old or belongs to somebody else; start again.")
    instance = str(row["data"]["instance"])
    config = _config(core, platform, instance)
    code = oauth.check_callback(oauth.spec_for(config), params, state)
    verifier = core.vault.open(row["data"]["verifier"], Place("sessions", "verifier", hashed))
    cred = oauth.exchange(
        core.http.bound(secrets=[code, config.client_secret]), config, callback_url(core, platform), code, verifier
    )
    return account_service.link(core, row["user_id"], platform, _complete(core, platform, cred, instance), core.http)


def _complete(core: Core, platform: Platform, cred: Credentials, instance: str) -> Credentials:
    if platform is not Platform.MASTODON:
        return cred
    return replace(cred, instance=cred.instance or instance or core.settings.platform(platform).api_url)


def _config(core: Core, platform: Platform, instance: str) -> PlatformConfig:
    config = core.settings.platform(platform)
    if platform is not Platform.MASTODON:
        if not config.client_id:
            name = f"POSTPROBER_{platform.value.upper()}_CLIENT_ID"
            raise BadInput(f"Set {name} and its secret before linking {NAMES[platform]}.", field="platform")
        return config
    url = check_url(instance or config.api_url, allow_private=core.http.pools.allow_private)
    return oauth.at_instance(config, url, _registration(core, url))


def _registration(core: Core, instance: str) -> dict[str, str]:
    """Our client at this instance, registered at the first use."""
    with core.db.read() as conn:
        known = apps.find(conn, instance)
    if known is not None:
        return json.loads(core.vault.open(known, Place("oauth_apps", "client_secret", instance)))  # type: ignore[no-any-return]
    app = register_app(core.http.bound(), instance, callback_url(core, Platform.MASTODON))
    sealed = core.vault.seal(json.dumps(app), Place("oauth_apps", "client_secret", instance))
    with core.db.write() as conn:
        apps.add(conn, Platform.MASTODON.value, instance, app["client_id"], sealed, core.clock.now())
    return app
