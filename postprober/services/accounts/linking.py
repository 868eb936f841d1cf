"""Linking through a consent page: a state that works once, and the code that comes back with it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from postprober.domain.account import Credentials
from postprober.domain.actor import Actor
from postprober.domain.platform import NAMES, Platform, PlatformConfig
from postprober.errors import BadInput, Forbidden, PostProberError, VaultError
from postprober.platforms.common import oauth
from postprober.platforms.common.spec import RegisterApp
from postprober.platforms.registry import SPECS, oauth_spec
from postprober.security.tokens import keyed_hash
from postprober.security.vault import Place
from postprober.services.accounts import accounts as account_service
from postprober.services.accounts import tokens
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.storage import apps, users
from postprober.storage.records import Account

STATE_LIFE = timedelta(minutes=15)


def callback_url(core: Core, platform: Platform, instance: str = "") -> str:
    """Where the consent page leads back to. Where a platform has many servers, each has an address of its own, so that none can pass off
    another one's code as its own and have it sent to itself (mix-up, RFC 9700, 4.4.2)."""
    issuer = issuer_of(platform, instance)
    return f"{core.settings.public_base}/oauth/{platform.value}/callback{'/' if issuer else ''}{issuer}"


def issuer_of(platform: Platform, instance: str) -> str:
    """The last piece of the callback's path: which server it is for; "" where a platform has only one."""
    return hashlib.sha256(instance.encode()).hexdigest()[:16] if SPECS[platform].register_app else ""


@permits.needs("accounts:write")
def start(core: Core, actor: Actor, platform: Platform, instance: str = "") -> str:
    """The URL to send the person to. Raises BadInput or a PlatformError."""
    spec = SPECS[platform]
    if spec.oauth is None:
        by = "an app password" if spec.sign_in is not None else "a token of your own"
        raise BadInput(f"{NAMES[platform]} is linked with {by}, not through a consent page.", field="platform")
    if instance and not spec.many_servers:
        raise BadInput(f"{NAMES[platform]} has only one server; leave the instance out.", field="instance")
    if spec.many_servers:
        instance = account_service.server_address(core, platform, instance or core.settings.platform(platform).api_url)
    config = _config(core, platform, instance)
    state = oauth.new_state()
    request = oauth.start(config, callback_url(core, platform, config.api_url), state, oauth_spec(config))
    hashed = keyed_hash(core.settings.secret_key, state)
    now = core.clock.now()
    sealed = core.vault.seal(request.code_verifier, Place("sessions", "verifier", hashed))
    data = {"platform": platform.value, "instance": instance, "verifier": sealed}
    with core.db.write() as conn:
        users.add_session(
            conn,
            user_id=actor.user,
            kind="oauth_state",
            token_hash=hashed,
            now=now,
            expires_at=now + STATE_LIFE,
            data=data,
        )
    return request.url


def finish(core: Core, actor: Actor | None, platform: Platform, params: Mapping[str, str], issuer: str = "") -> Account:
    """What the platform sent back. `actor`: who is signed in in the browser that came back; it must be who
    started, or somebody could be made to link their account to a stranger's PostProber. `issuer`: the last piece of the
    path under which it came back; it must be that of the server that was asked.

    Raises Forbidden (unknown, used or foreign state, another server's answer), BadInput (denied) or a PlatformError.
    """
    state = params.get("state", "")
    hashed = keyed_hash(core.settings.secret_key, state)
    with core.db.write() as conn:
        now = core.clock.now()
        row = users.find_session(conn, "oauth_state", hashed, now)
        # Another person's browser must not use up what its owner still waits for.
        asks = row is not None and actor is not None and row["user_id"] == actor.user
        mine = asks and row is not None and row["data"]["platform"] == platform.value
        row = users.use_once(conn, "oauth_state", hashed, now) if mine else None
    if row is None or actor is None:
        raise Forbidden("This linking was finished already, is too old or belongs to somebody else; start again.")
    instance = str(row["data"]["instance"])
    config = _config(core, platform, instance)
    if issuer != issuer_of(platform, config.api_url):
        raise Forbidden("This answer came from another server than the one that was asked; start again.")
    asked = permits.need(core, actor, "accounts:write")  # before the code becomes a token
    code = oauth.check_callback(oauth_spec(config), params, state)
    verifier = core.vault.open(row["data"]["verifier"], Place("sessions", "verifier", hashed))
    cred = oauth.exchange(
        core.http.bound(secrets=[code, config.client_secret]),
        config,
        callback_url(core, platform, config.api_url),
        code,
        verifier,
        spec=oauth_spec(config),
    )
    cred = _complete(core, platform, cred, instance)
    try:
        return account_service.link(core, permits.again(asked), platform, cred, core.http)
    except PostProberError:
        tokens.withdraw_unused(core, asked.space, platform, cred)
        raise


def result_for_app(core: Core, actor: Actor | None, name: str, text: str) -> dict[str, str]:
    """The result of a linking as the query of the app's address; `name`: linked or link_error. Sealed for the person, or
    any page could lead them to a green sentence of its own."""
    return {name: text, "seal": _seal(core, actor, name, text)}


def result_from_app(core: Core, actor: Actor, query: Mapping[str, str]) -> tuple[str, str] | None:
    """Name and text of the result in the app's address, if `result_for_app` made it for this person."""
    for name in ("linked", "link_error"):
        text = query.get(name, "")
        seal = query.get("seal", "").encode("utf-8", "surrogatepass")
        if text and hmac.compare_digest(_seal(core, actor, name, text).encode(), seal):
            return name, text
    return None


def _seal(core: Core, actor: Actor | None, name: str, text: str) -> str:
    person = actor.user if actor else None
    return keyed_hash(core.settings.secret_key, f"link result {person} {name} {text}")


def _complete(core: Core, platform: Platform, cred: Credentials, instance: str) -> Credentials:
    if not SPECS[platform].many_servers:
        return cred
    return replace(cred, instance=cred.instance or instance or core.settings.platform(platform).api_url)


def _config(core: Core, platform: Platform, instance: str) -> PlatformConfig:
    config = core.settings.platform(platform)
    register = SPECS[platform].register_app
    if register is None:
        if not config.client_id:
            name = f"POSTPROBER_{platform.value.upper()}_CLIENT_ID"
            raise BadInput(f"Set {name} and its secret before linking {NAMES[platform]}.", field="platform")
        return config
    url = account_service.server_address(core, platform, instance or config.api_url)
    return oauth.at_instance(config, url, _registration(core, platform, url, register))


def _registration(core: Core, platform: Platform, instance: str, register: RegisterApp) -> dict[str, str]:
    """Our client at this instance, registered at the first use, and again when our callback's address has changed, or where an
    earlier version noted no scopes: it asked for other ones."""
    callback = callback_url(core, platform, instance)
    known, app = _stored(core, instance)
    if app.get("redirect_uri") == callback and "scopes" in app:
        return app
    made = register(core.http.bound(), instance, callback)
    sealed = core.vault.seal(json.dumps({**made, "redirect_uri": callback}), _place(instance))
    with core.db.write() as conn:
        now = core.clock.now()
        apps.add(conn, platform.value, instance, made["client_id"], sealed, now, instead_of=known)
    return _stored(core, instance)[1]  # somebody may have been faster; what is stored will be used when it comes back


def _stored(core: Core, instance: str) -> tuple[str | None, dict[str, str]]:
    """The registration as it is stored, and opened; None and {} without one."""
    with core.db.read() as conn:
        known = apps.find(conn, instance)
    if known is None:
        return None, {}
    try:
        return known, dict(json.loads(core.vault.open(known, _place(instance))))
    except (VaultError, ValueError):  # damaged, or its key is gone: a new registration takes its place
        return known, {}


def _place(instance: str) -> Place:
    return Place("oauth_apps", "client_secret", instance)
