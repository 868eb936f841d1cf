"""Linking through a consent page: a state that works once, and the code that comes back with it."""

from __future__ import annotations

import hashlib
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


def callback_url(core: Core, platform: Platform, instance: str = "") -> str:
    """Where the consent page leads back to. Each Mastodon server has an address of its own, so that none can pass off
    another one's code as its own and have it sent to itself (mix-up, RFC 9700, 4.4.2)."""
    issuer = issuer_of(platform, instance)
    return f"{core.settings.public_base}/oauth/{platform.value}/callback{'/' if issuer else ''}{issuer}"


def issuer_of(platform: Platform, instance: str) -> str:
    """The last piece of the callback's path: which server it is for; "" where a platform has only one."""
    return hashlib.sha256(instance.encode()).hexdigest()[:16] if platform is Platform.MASTODON else ""


def start(core: Core, user_id: int, platform: Platform, instance: str = "") -> str:
    """The URL to send the person to. Raises BadInput or a PlatformError."""
    permits.need(core, user_id, "accounts:write")
    if platform is Platform.BLUESKY:
        raise BadInput("Bluesky is linked with an app password, not through a consent page.", field="platform")
    if instance and platform is not Platform.MASTODON:
        raise BadInput(f"{NAMES[platform]} has only one server; leave the instance out.", field="instance")
    config = _config(core, platform, instance)
    state = oauth.new_state()
    request = oauth.start(config, callback_url(core, platform, config.api_url), state)
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


def finish(core: Core, platform: Platform, params: Mapping[str, str], user_id: int | None, issuer: str = "") -> Account:
    """What the platform sent back. `user_id`: who is signed in in the browser that came back; it must be who
    started, or somebody could be made to link their account to a stranger's PostProber. `issuer`: the last piece of the
    path under which it came back; it must be that of the server that was asked.

    Raises Forbidden (unknown, used or foreign state, another server's answer), BadInput (denied) or a PlatformError.
    """
    state = params.get("state", "")
    hashed = keyed_hash(core.settings.secret_key, state)
    with core.db.write() as conn:
        row = users.use_once(conn, "oauth_state", hashed, core.clock.now())
    if row is None or row["data"]["platform"] != platform.value or row["user_id"] != user_id:
        raise Forbidden("This linking was finished already, is too old or belongs to somebody else; start again.")
    instance = str(row["data"]["instance"])
    config = _config(core, platform, instance)
    if issuer != issuer_of(platform, config.api_url):
        raise Forbidden("This answer came from another server than the one that was asked; start again.")
    code = oauth.check_callback(oauth.spec_for(config), params, state)
    verifier = core.vault.open(row["data"]["verifier"], Place("sessions", "verifier", hashed))
    cred = oauth.exchange(
        core.http.bound(secrets=[code, config.client_secret]),
        config,
        callback_url(core, platform, config.api_url),
        code,
        verifier,
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
    """Our client at this instance, registered at the first use, and again when our callback's address has changed."""
    callback = callback_url(core, Platform.MASTODON, instance)
    known, app = _stored(core, instance)
    if app.get("redirect_uri") == callback:
        return app
    made = register_app(core.http.bound(), instance, callback)
    sealed = core.vault.seal(json.dumps({**made, "redirect_uri": callback}), _place(instance))
    with core.db.write() as conn:
        now = core.clock.now()
        apps.add(conn, Platform.MASTODON.value, instance, made["client_id"], sealed, now, instead_of=known)
    return _stored(core, instance)[1]  # somebody may have been faster; what is stored will be used when it comes back


def _stored(core: Core, instance: str) -> tuple[str | None, dict[str, str]]:
    """The registration as it is stored, and opened; None and {} without one."""
    with core.db.read() as conn:
        known = apps.find(conn, instance)
    return known, {} if known is None else json.loads(core.vault.open(known, _place(instance)))


def _place(instance: str) -> Place:
    return Place("oauth_apps", "client_secret", instance)
