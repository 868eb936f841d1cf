"""Linking through a consent page: a state that works once, and the code that comes back with it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from postprober.domain.account import Credentials
from postprober.domain.actor import Actor
from postprober.domain.platform import NAMES, Platform, PlatformConfig
from postprober.errors import BadInput, Forbidden, NotFound, PostProberError, VaultError
from postprober.platforms.common import bound_oauth, oauth
from postprober.platforms.common.oauth_spec import OAuthSpec
from postprober.platforms.common.spec import FoundServer, RegisterApp
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
    """The URL to send the person to. `instance`: the server, or a handle where the server is found by it. Raises BadInput or a
    PlatformError."""
    spec = SPECS[platform]
    if spec.oauth is None and spec.found_consent is None:
        by = "an app password" if spec.sign_in is not None else "a token of your own"
        raise BadInput(f"{NAMES[platform]} is linked with {by}, not through a consent page.", field="platform")
    if instance and not spec.many_servers:
        raise BadInput(f"{NAMES[platform]} has only one server; leave the instance out.", field="instance")
    found = FoundServer(instance)
    if spec.found_consent is not None:
        usual = core.settings.platform(platform)
        found = spec.found_consent.find(core.http.bound(), usual, instance, _allowed(core, platform))
        instance = found.address
    elif spec.many_servers:
        instance = account_service.server_address(core, platform, instance or core.settings.platform(platform).api_url)
    config = _config(core, platform, instance)
    state = oauth.new_state()
    request = _request(core, config, callback_url(core, platform, config.api_url), state, found.hint)
    hashed = keyed_hash(core.settings.secret_key, state)
    now = core.clock.now()
    sealed = core.vault.seal(request.code_verifier, Place("sessions", "verifier", hashed))
    data = {"platform": platform.value, "instance": instance, "verifier": sealed, "account": found.remote_id}
    if request.key:
        data["key"] = core.vault.seal(request.key, Place("sessions", "key", hashed))
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


def _allowed(core: Core, platform: Platform) -> Callable[[str], str]:
    return lambda address: account_service.server_address(core, platform, address)


def _request(core: Core, config: PlatformConfig, callback: str, state: str, hint: str) -> oauth.AuthorizeRequest:
    spec = _spec(core, config)
    if not spec.push_url:
        return oauth.start(config, callback, state, spec)
    http = core.http.bound(secrets=[state, config.client_secret])
    return bound_oauth.start(http, config, callback, state, spec, core.clock, hint=hint)


def _spec(core: Core, config: PlatformConfig) -> OAuthSpec:
    """How the server of `config` signs in; asked where it has to be."""
    found = SPECS[config.platform].found_consent
    return oauth_spec(config) if found is None else found.ask(core.http.bound(), config)


def client_document(core: Core, platform: Platform, issuer: str) -> dict[str, Any]:
    """What a server reads of our client there; `issuer`: the last piece of the address. Raises NotFound."""
    found = SPECS[platform].found_consent
    with core.db.read() as conn:
        servers = apps.servers(conn, platform.value) if found is not None else []
    for instance in servers:
        if found is None or not hmac.compare_digest(issuer_of(platform, instance).encode(), issuer.encode()):
            continue
        app = _stored(core, instance)[1]
        if app.get("client_secret"):
            config = oauth.at_instance(core.settings.platform(platform), instance, app)
            return found.document(config, app["redirect_uri"])
    raise NotFound("There is no client of this installation at this address.")


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
    how = _spec(core, config)
    code = oauth.check_callback(how, params, state)
    verifier = core.vault.open(row["data"]["verifier"], Place("sessions", "verifier", hashed))
    key = core.vault.open(row["data"]["key"], Place("sessions", "key", hashed)) if "key" in row["data"] else ""
    http = core.http.bound(secrets=[code, key, config.client_secret])
    callback = callback_url(core, platform, config.api_url)
    if key:
        cred = bound_oauth.exchange(http, config, callback, code, verifier, key, spec=how, clock=core.clock)
    else:
        cred = oauth.exchange(http, config, callback, code, verifier, spec=how)
    cred = _complete(core, platform, cred, instance)
    try:
        _need_named(cred, str(row["data"].get("account", "")))
        cred = _at_home(core, platform, cred)
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


def _need_named(cred: Credentials, remote_id: str) -> None:
    """Raises BadInput when somebody else consented than the account that was typed (`remote_id`, "" for anybody)."""
    if remote_id and cred.remote_id != remote_id:
        raise BadInput(
            "Another account was allowed than the one that was typed; nothing was linked. To link that one, type its handle.",
            cred.remote_id,
            field="instance",
        )


def _at_home(core: Core, platform: Platform, cred: Credentials) -> Credentials:
    found = SPECS[platform].found_consent
    if found is None:
        return cred
    return found.home(core.http.bound(), core.settings.platform(platform), cred, _allowed(core, platform))


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
