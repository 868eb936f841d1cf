"""Linking accounts: by consent page, by token, by app password."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from postprober.domain.account import Credentials, Identity
from postprober.domain.actor import Actor
from postprober.domain.delivery import DeliveryState, StateCause
from postprober.domain.identity import AccountIdentity, base_address, host_name, server_name
from postprober.domain.identity import account_id as id_of
from postprober.domain.limits import Limits
from postprober.domain.platform import NAMES, Platform, ReconcileMode, described
from postprober.domain.post import language_tag
from postprober.errors import BadInput, NotFound, PlatformError, PostProberError, ReconnectNeeded, Suspended, VaultError
from postprober.http import HttpClient
from postprober.pipeline.core import transitions, unlinked
from postprober.pipeline.core.tokens import open_credentials, seal, secrets_of
from postprober.platforms.common.spec import TokenWay
from postprober.platforms.registry import SPECS, may_publish
from postprober.security.urlguard import check_url
from postprober.services.accounts import tokens
from postprober.services.core import Core, Mark, no_mark
from postprober.services.people import permits
from postprober.storage import accounts, deliveries, remote_posts
from postprober.storage.records import Account

log = logging.getLogger(__name__)

LINKED_BY = "linked_by"  # of a page: id of the person's account whose tokens it has
_FOUND_OUT = frozenset({"browser_terms", "long_posts", tokens.OLDER, LINKED_BY})  # settings that nobody types


@permits.needs("accounts:write")
def add_by_token(
    core: Core,
    actor: Actor,
    platform: Platform,
    data: dict[str, Any],
    *,
    name: str = "",
    instance: str = "",
    remote_id: str = "",
    mark: Mark = no_mark,
) -> Account:
    """Link (or reconnect) an account from a token or app password as documented for `accounts add`: `data` has what the
    platform's way of linking asks for.

    Asks the platform whose token it is, unless it cannot say and `remote_id` was given. Raises BadInput,
    ReconnectNeeded (the token is refused) or another PlatformError.
    """
    where = _instance(core, platform, instance)
    cred = _credentials(core, platform, data, where)
    cred = replace(cred, name=name, remote_id=remote_id or cred.remote_id)
    http = core.http.bound(secrets=secrets_of(cred))
    return link(core, actor, platform, cred, http, mark)


@permits.needs("accounts:write")
def link(
    core: Core,
    actor: Actor,
    platform: Platform,
    cred: Credentials,
    http: HttpClient,
    mark: Mark = no_mark,
    *,
    by: int | None = None,
) -> Account:
    """Store `cred` for the account it belongs to; a known account keeps its history and its waiting deliveries go on. `by`: of a
    page, id of the person's account whose tokens these are."""
    if not may_publish(platform, cred.scopes):
        raise BadInput(
            f"{NAMES[platform]} did not give PostProber the right to publish. Connect again and allow everything that it "
            "asks for.",
            ", ".join(cred.scopes),
            field="scopes",
        )
    adapter = core.adapter(platform, cred, http)
    try:
        identity = adapter.identify(cred)
    except Suspended as error:
        raise BadInput(error.message, error.detail) from error
    except ReconnectNeeded as error:
        raise BadInput(f"{NAMES[platform]} refuses this token: {error.message}", error.detail) from error
    if cred.remote_id and id_of(platform, cred.remote_id) != identity.remote_id:
        raise BadInput(
            f"The token belongs to {identity.name or identity.remote_id}, not to the account that was named.",
            field="remote_id",
        )
    try:
        account, before = _store(core, actor, platform, cred, identity, mark, by)
    except IntegrityError:  # somebody linked the same account at the same moment: now it is known
        account, before = _store(core, actor, platform, cred, identity, mark, by)
    if before is not None:
        if by is None:
            _renew_pages(core, actor, account, cred, http)
        tokens.withdraw_replaced(core, before, cred)  # a page that could not be renewed keeps them alive
    return account


def _renew_pages(core: Core, actor: Actor, person: Account, cred: Credentials, http: HttpClient) -> None:
    """A person was linked again, whichever way: the pages that have their tokens get the new ones, too."""
    for one in listing(core, actor):
        if one.settings.get(LINKED_BY) != person.id:
            continue
        own = replace(cred, remote_id=one.remote_id, name=one.account_name)
        try:
            link(core, actor, one.platform, own, http, by=person.id)
        except PostProberError as error:
            log.warning("Account %s keeps its earlier tokens: %s", one.id, error.message)


def _store(
    core: Core,
    actor: Actor,
    platform: Platform,
    cred: Credentials,
    identity: Identity,
    mark: Mark,
    linked_by: int | None,
) -> tuple[Account, Account | None]:
    """The account as it is now, and as it was."""
    now = core.clock.now()
    remote = AccountIdentity(platform, server_name(platform, identity.server or cred.instance), identity.remote_id)
    with core.db.write() as conn:
        known = _known(conn, actor.space, remote, cred.instance)
        if known is None:
            account_id = accounts.add(
                conn,
                space=actor.space,
                platform=platform.value,
                account_name=identity.name or cred.name,
                now=now,
                instance=cred.instance,
                server=remote.server,
                remote_id=identity.remote_id,
                newest_known_post=identity.newest_known_post,
            )
        else:
            account_id = known.id
        version = known.token_version + 1 if known else 1
        settings = dict(known.settings) if known else {}
        if identity.long_posts is not None:
            settings["long_posts"] = identity.long_posts
        if linked_by is not None:
            settings[LINKED_BY] = linked_by
        accounts.write(
            conn,
            account_id,
            **seal(core.vault, account_id, cred),
            account_name=identity.name or cred.name,
            is_active=True,
            status="ok",
            status_reason="",
            token_version=version,
            refresh_until=None,
            newest_known_post=identity.newest_known_post or (known.newest_known_post if known else None),
            settings=settings,
            instance=cred.instance,
            server=remote.server,
        )
        if known is not None:
            transitions.account_well(conn, accounts.get(conn, account_id), now)
        if known is not None:
            mode = core.adapter(platform, cred).traits.mode
            by = permits.name_of(conn, actor)
            _look_again(conn, known, now, first_again=mode is ReconcileMode.RECONCILE, by=by)
        mark(conn, account_id)
        return accounts.get(conn, account_id), known


def _known(conn: Connection, space: int, remote: AccountIdentity, instance: str) -> Account | None:
    """The space's row of this account: under the server's own name, else under the one that it was linked by before
    servers were asked; that row then takes the posts along."""
    known = accounts.find(conn, space=space, remote=remote)
    spelled = server_name(remote.platform, instance)
    if spelled == remote.server:
        return known
    older = accounts.find(conn, space=space, remote=replace(remote, server=spelled))
    if older is not None:
        remote_posts.rename(conn, older, remote.server)
        if known is not None:
            accounts.write(conn, older.id, server=remote.server, same_as=known.id)
    return known or older


def _look_again(conn: Connection, account: Account, now: datetime, *, first_again: bool, by: str) -> None:
    """What could not be looked for without access can be now. `first_again`: the oldest may be sent again when it proves
    to be absent; it occupies the account, so the others are only looked for."""
    for delivery in deliveries.held_unknown(conn, account.id):
        if first_again and account.busy_delivery_id is None:
            first_again = False
            transitions.move(
                conn,
                delivery,
                DeliveryState.UNCONFIRMED,
                reason=f"the account was linked again by {by}",
                now=now,
                next_at=now,
                readings=0,
                absences=0,
            )
        else:
            cause = StateCause.UNKNOWN if delivery.cause is StateCause.UNLINKED else delivery.cause
            deliveries.touch(conn, delivery, now, next_at=now, cause=cause)


@permits.needs("accounts:read")
def get(core: Core, actor: Actor, account_id: int) -> Account:
    """Raises NotFound."""
    with core.db.read() as conn:
        return owned(conn, actor.space, account_id)


def current_limits(core: Core, account: Account) -> Limits:
    """The same for an account that was read already. May use the network."""
    try:
        cred = open_credentials(core.vault, account)
        return core.adapter(account.platform, cred).limits(cred)
    except (PlatformError, VaultError):
        return core.adapter(account.platform, Credentials("", instance=account.instance, scopes=account.scopes)).limits(
            None
        )


@permits.needs("accounts:write")
def set_up(
    core: Core, actor: Actor, account_id: int, *, label: str, language: str, repair_words: bool = False
) -> Account:
    """Replace the account's settings. `label`: what you call it; `language`: BCP 47 tag of posts that name none, or "";
    `repair_words`: repairs that change words need no click. Raises NotFound or BadInput."""
    chosen = {"label": label.strip(), "language": language_tag(language), "repair_words": repair_words}
    with core.db.write() as conn:
        kept = {k: v for k, v in owned(conn, actor.space, account_id).settings.items() if k in _FOUND_OUT}
        accounts.write(conn, account_id, settings={**kept, **chosen})
        return accounts.get(conn, account_id)


@permits.needs("accounts:read")
def listing(core: Core, actor: Actor) -> list[Account]:
    with core.db.read() as conn:
        return accounts.of_user(conn, actor.space)


@permits.needs("accounts:write")
def remove(core: Core, actor: Actor, account_id: int) -> bool:
    """Unlink: what waits for the account is cancelled, the tokens are deleted here and, where it can be done, at the platform; returns whether it could.

    Raises NotFound.
    """
    now = core.clock.now()
    with core.db.write() as conn:
        owned(conn, actor.space, account_id)
        account = accounts.locked(conn, account_id)  # a renewal may have stored new tokens at this moment
        accounts.write(
            conn,
            account_id,
            is_active=False,
            access_token=None,
            refresh_token=None,
            secret=None,
            refresh_until=None,
            token_version=account.token_version + 1,
            status="ok",
            status_reason="",
            unlinked_at=now,
            settings={name: value for name, value in account.settings.items() if name != tokens.OLDER},
        )
        by = permits.name_of(conn, actor)
        for delivery in deliveries.unsettled(conn, account_id):
            unlinked.settle(conn, delivery, now, by=by)
        transitions.account_gone(conn, account_id, now)
    return tokens.withdraw_all(core, account)


def owned(conn: Connection, space: int, account_id: int) -> Account:
    """The account if it is the user's. Raises NotFound otherwise."""
    account = accounts.get(conn, account_id)
    if account.user_id != space or not account.is_active:
        raise NotFound(f"There is no account {account_id}.")
    return account


def _instance(core: Core, platform: Platform, instance: str) -> str:
    if not SPECS[platform].many_servers:
        if instance:
            raise BadInput(f"{NAMES[platform]} has only one server; leave the instance out.", field="instance")
        return ""
    url = instance or core.settings.platform(platform).api_url
    if not url:
        raise BadInput(
            f"Say which {NAMES[platform]} server the account is on, for example {SPECS[platform].server_example or 'https://social.example'}.",
            field="instance",
        )
    return server_address(core, platform, url)


def server_address(core: Core, platform: Platform, typed: str) -> str:
    """The address of the server that somebody typed. One on a private network is taken in the sandbox, and where the
    operator named it for this platform. Raises BadInput."""
    url = base_address(typed, whole=described(platform).sites)
    config = core.settings.platform(platform)
    named = {host_name(one) for one in (config.api_url, config.auth_url) if one}
    own = host_name(url) in named
    return check_url(url, allow_private=core.http.pools.allow_private or own)


def _credentials(core: Core, platform: Platform, data: dict[str, Any], instance: str) -> Credentials:
    if not isinstance(data, dict):
        raise BadInput("The token must be a JSON object.", field="token")
    sign_in = SPECS[platform].sign_in
    if sign_in is not None and "identifier" in data:
        identifier, password = _text(data, "identifier"), _text(data, "password")
        try:
            return sign_in.ask(core.http.bound(secrets=[password]), instance, identifier, password)
        except Suspended as error:
            raise BadInput(error.message, error.detail) from error
        except ReconnectNeeded as error:
            raise BadInput(
                f"{NAMES[platform]} does not accept this handle and app password; make a new one.", error.detail
            ) from error
    way = SPECS[platform].token
    if way is not None:
        return _by_token_way(core, platform, way, data, instance)
    token = _token(_text(data, "access_token"))
    expires = data.get("expires_at")
    ends = _moment(expires) if expires else None
    if ends is not None and ends <= core.clock.now() and not data.get("refresh_token"):
        raise BadInput("This token has expired. Get a new one.", field="expires_at")
    return Credentials(
        access_token=token,
        refresh_token=_token(str(data.get("refresh_token") or "")),
        expires_at=ends,
        instance=instance,
    )


def _by_token_way(core: Core, platform: Platform, way: TokenWay, data: dict[str, Any], instance: str) -> Credentials:
    typed = {one.name: "" if one.optional and not data.get(one.name) else _text(data, one.name) for one in way.fields}
    secrets = [_token(typed[one.name]) for one in way.fields if one.secret]
    try:
        return way.ask(core.http.bound(secrets=secrets), core.settings.platform(platform), instance, typed)
    except Suspended as error:
        raise BadInput(error.message, error.detail) from error
    except ReconnectNeeded as error:
        raise BadInput(f"{NAMES[platform]} refuses this token: {error.message}", error.detail) from error


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"The token JSON has no {name!r}.", field=name)
    return value.strip()


def _token(text: str) -> str:
    """Tokens travel in HTTP headers, which take printable ASCII only (RFC 6750, 2.1)."""
    if not (text.isascii() and text.isprintable()):
        raise BadInput("The token has characters that no token has; copy it again.", field="token")
    return text


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise BadInput(
            f"expires_at {value!r} is not a time such as 2026-03-02T09:00:00Z.", field="expires_at"
        ) from None
    if moment.tzinfo is None:
        raise BadInput("expires_at has no time zone; add Z or an offset.", field="expires_at")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise BadInput(f"expires_at {value!r} lies outside the calendar.", field="expires_at") from None
