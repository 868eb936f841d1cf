"""Linking accounts: by consent page, by token, by app password."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from postprober.domain.account import Credentials, Identity
from postprober.domain.delivery import DeliveryState
from postprober.domain.platform import NAMES, Platform, ReconcileMode
from postprober.errors import BadInput, NotFound, PlatformError, ReconnectNeeded
from postprober.http import HttpClient
from postprober.pipeline import watch
from postprober.pipeline.credentials import open_credentials, seal
from postprober.platforms.bluesky import login as bluesky_login
from postprober.security.urlguard import check_url
from postprober.services import permits
from postprober.services.core import Core, Mark, no_mark
from postprober.storage import accounts, deliveries
from postprober.storage.records import Account


@permits.asks("accounts:write")
def add_by_token(
    core: Core,
    user_id: int,
    platform: Platform,
    data: dict[str, Any],
    *,
    name: str = "",
    instance: str = "",
    remote_id: str = "",
    mark: Mark = no_mark,
) -> Account:
    """Link (or reconnect) an account from a token or app password as documented for `accounts add`.

    Asks the platform whose token it is, unless it cannot say and `remote_id` was given. Raises BadInput,
    ReconnectNeeded (the token is refused) or another PlatformError.
    """
    where = _instance(core, platform, instance)
    cred = _credentials(core, platform, data, where)
    cred = replace(cred, name=name, remote_id=remote_id or cred.remote_id)
    http = core.http.bound(secrets=[cred.access_token, cred.refresh_token])
    return link(core, user_id, platform, cred, http, mark)


@permits.asks("accounts:write")
def link(
    core: Core, user_id: int, platform: Platform, cred: Credentials, http: HttpClient, mark: Mark = no_mark
) -> Account:
    """Store `cred` for the account it belongs to; a known account keeps its history and its waiting deliveries go on."""
    adapter = core.adapter(platform, cred, http)
    try:
        identity = adapter.identify(cred)
    except ReconnectNeeded as error:
        raise BadInput(f"{NAMES[platform]} refuses this token: {error.message}", error.detail) from error
    if cred.remote_id and identity.remote_id and cred.remote_id != identity.remote_id:
        raise BadInput(
            f"The token belongs to {identity.name or identity.remote_id}, not to the account that was named.",
            field="remote_id",
        )
    return _store(core, user_id, platform, cred, identity, mark)


def _store(core: Core, user_id: int, platform: Platform, cred: Credentials, identity: Identity, mark: Mark) -> Account:
    now = core.clock.now()
    with core.db.write() as conn:
        known = accounts.find(
            conn, user_id=user_id, platform=platform.value, instance=cred.instance, remote_id=identity.remote_id
        )
        if known is None:
            account_id = accounts.add(
                conn, user_id=user_id, platform=platform.value, account_name=identity.name or cred.name, now=now,
                instance=cred.instance, remote_id=identity.remote_id, canary=identity.canary,
            )  # fmt: skip
        else:
            account_id = known.id
        version = known.token_version + 1 if known else 1
        accounts.write(
            conn, account_id, **seal(core.vault, account_id, cred), account_name=identity.name or cred.name,
            is_active=True, status="ok", status_reason="", token_version=version, refresh_until=None,
            canary=identity.canary or (known.canary if known else None),
        )  # fmt: skip
        if known is not None:
            watch.account_well(conn, accounts.get(conn, account_id), now)
        if known is not None and core.adapter(platform, cred).traits.mode is ReconcileMode.RECONCILE:
            _look_again(conn, account_id, now)
        mark(conn, account_id)
        return accounts.get(conn, account_id)


def _look_again(conn: Connection, account_id: int, now: datetime) -> None:
    """What could not be looked for without access can be now."""
    for delivery in deliveries.held_unknown(conn, account_id):
        watch.move(
            conn, delivery, DeliveryState.UNCONFIRMED, reason="the account was linked again", now=now, next_at=now,
            readings=0, absences=0,
        )  # fmt: skip


@permits.asks("accounts:read")
def get(core: Core, user_id: int, account_id: int) -> Account:
    """Raises NotFound."""
    with core.db.read() as conn:
        return owned(conn, user_id, account_id)


@permits.asks("accounts:write")
def set_up(
    core: Core, user_id: int, account_id: int, *, label: str, language: str, repair_words: bool = False
) -> Account:
    """Replace the account's settings. `label`: what you call it; `language`: BCP 47 tag of posts that name none, or "";
    `repair_words`: repairs that change words need no click. Raises NotFound."""
    chosen = {"label": label.strip(), "language": language, "repair_words": repair_words}
    with core.db.write() as conn:
        kept = {k: v for k, v in owned(conn, user_id, account_id).settings.items() if k == "browser_terms"}
        accounts.write(conn, account_id, settings={**kept, **chosen})
        return accounts.get(conn, account_id)


@permits.asks("accounts:read")
def listing(core: Core, user_id: int) -> list[Account]:
    with core.db.read() as conn:
        return accounts.of_user(conn, user_id)


@permits.asks("accounts:write")
def remove(core: Core, user_id: int, account_id: int) -> bool:
    """Unlink: what waits for the account is cancelled, the tokens are deleted here and, where it can be done, at the platform; returns whether it could.

    Raises NotFound.
    """
    with core.db.read() as conn:
        account = owned(conn, user_id, account_id)
    cred = open_credentials(core.vault, account)
    with core.db.write() as conn:
        accounts.write(
            conn, account_id, is_active=False, access_token=None, refresh_token=None, secret=None,
            token_version=account.token_version + 1,
        )  # fmt: skip
        for delivery in deliveries.waiting_for_account(conn, account_id):
            watch.move(
                conn, delivery, DeliveryState.CANCELLED, reason="the account was unlinked", now=core.clock.now(),
                next_at=None,
            )  # fmt: skip
    try:
        return core.adapter(account.platform, cred).revoke(cred)
    except PlatformError:
        return False


def owned(conn: Connection, user_id: int, account_id: int) -> Account:
    """The account if it is the user's. Raises NotFound otherwise."""
    account = accounts.get(conn, account_id)
    if account.user_id != user_id or not account.is_active:
        raise NotFound(f"There is no account {account_id}.")
    return account


def _instance(core: Core, platform: Platform, instance: str) -> str:
    if platform not in (Platform.MASTODON, Platform.BLUESKY):
        if instance:
            raise BadInput(f"{NAMES[platform]} has only one server; leave the instance out.", field="instance")
        return ""
    url = instance or core.settings.platform(platform).api_url
    if not url:
        raise BadInput(
            "Say which Mastodon server the account is on, for example https://mastodon.social.", field="instance"
        )
    return check_url(url, allow_private=core.http.pools.allow_private)


def _credentials(core: Core, platform: Platform, data: dict[str, Any], instance: str) -> Credentials:
    if not isinstance(data, dict):
        raise BadInput("The token must be a JSON object.", field="token")
    if platform is Platform.BLUESKY and "identifier" in data:
        identifier, password = _text(data, "identifier"), _text(data, "password")
        try:
            return bluesky_login(core.http.bound(secrets=[password]), instance, identifier, password)
        except ReconnectNeeded as error:
            raise BadInput(
                "Bluesky does not accept this handle and app password; make a new one.", error.detail
            ) from error
    token = _token(_text(data, "access_token"))
    expires = data.get("expires_at")
    return Credentials(
        access_token=token,
        refresh_token=_token(str(data.get("refresh_token") or "")),
        expires_at=_moment(expires) if expires else None,
        instance=instance,
    )


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
