"""Tokens: opened, renewed by one refresher at a time, stored before they are used."""

from __future__ import annotations

import json
import logging
import uuid

from sqlalchemy import Connection

from postprober.domain.account import NO_SECRETS, Credentials
from postprober.domain.attempt import Act, Outcome
from postprober.domain.meters import ATTEMPTS, CALLS, answer_of
from postprober.domain.platform import NAMES
from postprober.errors import OutcomeUnknown, PlatformError, ReconnectNeeded, Unavailable, VaultError
from postprober.http import Exchange
from postprober.pipeline.core import transitions
from postprober.pipeline.core.context import Closing, Context, ExchangeRecorder
from postprober.security.vault import Place, Vault
from postprober.storage import accounts, attempts
from postprober.storage.records import Account, Delivery

log = logging.getLogger(__name__)

DISCONNECTED = "The account is disconnected. Reconnect it first."
_SEALED = ("access_token", "refresh_token", "secret")
IN_FLIGHT = "refresh_in_flight"  # code of the Unavailable that says: another worker is renewing at this moment


def seal(vault: Vault, account_id: int, cred: Credentials) -> dict[str, object]:
    """Columns of `accounts` for a token set."""
    plain = {
        "access_token": cred.access_token,
        "refresh_token": cred.refresh_token,
        "secret": json.dumps(dict(cred.secret)) if cred.secret else "",
    }
    columns: dict[str, object] = {
        name: vault.seal(value, Place("accounts", name, str(account_id))) if value else None
        for name, value in plain.items()
    }
    columns["token_expires_at"] = cred.expires_at
    columns["scopes"] = list(cred.scopes)
    return columns


def open_credentials(vault: Vault, account: Account) -> Credentials:
    """The account's tokens. Raises VaultError."""
    plain = {
        name: vault.open(value, Place("accounts", name, str(account.id))) if value else ""
        for name in _SEALED
        for value in [getattr(account, name)]
    }
    return Credentials(
        access_token=plain["access_token"],
        refresh_token=plain["refresh_token"],
        expires_at=account.token_expires_at,
        remote_id=account.remote_id,
        name=account.account_name,
        instance=account.instance,
        scopes=account.scopes,
        secret=json.loads(plain["secret"]) if plain["secret"] else {},
        long_posts=account.settings.get("long_posts"),
    )


def secrets_of(cred: Credentials) -> list[str]:
    """Everything in `cred` that must never be seen."""
    return [cred.access_token, cred.refresh_token, *(v for k, v in cred.secret.items() if k not in NO_SECRETS)]


def are_shared(one: Credentials, other: Credentials) -> bool:
    """Whether ending the tokens of one would end those of the other. Two of our own stored ones; nobody outside can time it."""
    if one.access_token == other.access_token:  # nosemgrep: secret-compared-in-the-open # both are ours
        return True
    same = one.refresh_token == other.refresh_token  # nosemgrep: secret-compared-in-the-open # both are ours
    return same and bool(one.refresh_token)


def used_by_another(conn: Connection, vault: Vault, account: Account, cred: Credentials) -> bool:
    """Whether another linked account of the space has these tokens of `account`: a page those of the person, or the other way
    round."""
    for one in accounts.of_user(conn, account.user_id):
        if one.platform is not account.platform or one.id == account.id or not one.access_token:
            continue
        try:
            if are_shared(open_credentials(vault, one), cred):
                return True
        except VaultError as error:
            log.warning("The tokens of account %s cannot be opened: %s", one.id, error.message)
    return False


def ensure_valid(ctx: Context, delivery: Delivery | None, account: Account) -> tuple[Account, Credentials]:
    """Credentials that hold long enough for what comes next, renewed if they must be.

    Raises ReconnectNeeded, or Unavailable when another worker is renewing them at this moment.
    """
    if not account.is_active:
        raise ReconnectNeeded(DISCONNECTED)
    cred = open_credentials(ctx.vault, account)
    adapter = ctx.adapter(account, ctx.http)
    ends = cred.expires_at
    if ends is None or ends - ctx.clock.now() > adapter.traits.refresh_margin:
        return account, cred
    if not adapter.traits.renewable(has_refresh_token=bool(cred.refresh_token or cred.secret)):
        if ends > ctx.clock.now():
            return account, cred
        raise ReconnectNeeded(f"The access to {NAMES[account.platform]} ran out; reconnect the account.")
    return renew(ctx, delivery, account)


def renew(ctx: Context, delivery: Delivery | None, account: Account) -> tuple[Account, Credentials]:
    """Renew the tokens, once for all who need it; `delivery`: on whose account of tries it goes, None for an account check.
    Raises ReconnectNeeded or Unavailable."""
    now = ctx.clock.now()
    request_id = uuid.uuid4().hex
    until = now + ctx.timing.lease * 6  # longer than the slowest refresh; a dead refresher blocks no longer than this
    with ctx.db.write() as conn:
        if not accounts.begin_refresh(conn, account, now=now, until=until):
            if not accounts.get(conn, account.id).is_active:
                raise ReconnectNeeded(DISCONNECTED)
            raise Unavailable("The access is being renewed by another process.", code=IN_FLIGHT)
        attempt = None
        if delivery is not None:
            attempt = attempts.open_attempt(
                conn, delivery, part=0, act=Act.REFRESH, request_id=request_id, worker=ctx.worker, now=now
            )
    cred = open_credentials(ctx.vault, account)
    recorder = ExchangeRecorder()

    def seen(exchange: Exchange) -> None:
        recorder(exchange)
        ctx.tally.observe(CALLS, exchange.latency_ms / 1000, account.platform.value, answer_of(exchange.status))

    http = ctx.http.bound(request_id=request_id, secrets=secrets_of(cred), observer=seen)
    try:
        fresh = ctx.adapter(account, http).refresh(cred)
    except PlatformError as error:
        _refused(ctx, account, attempt, recorder, error)
        if isinstance(error, OutcomeUnknown):
            raise Unavailable("Renewing the access was interrupted. It will be retried.", error.detail) from error
        raise
    ctx.checkpoint("refresh_rotated")
    with ctx.db.write() as conn:
        stored = accounts.write_tokens(conn, account, account.token_version, **seal(ctx.vault, account.id, fresh))
        outcome = Outcome.SUCCESS if stored else Outcome.LATE
        if attempt is not None:
            attempts.close_attempt(conn, attempt, outcome, now=ctx.clock.now(), **_shown(recorder))
            ctx.tally.count(ATTEMPTS, account.platform.value, Act.REFRESH.value, outcome.value)
        current = accounts.get(conn, account.id)
    if not stored:
        _withdraw(ctx, current, fresh)
    return current, _usable(ctx.vault, current)


def _usable(vault: Vault, account: Account) -> Credentials:
    """The account's tokens as they are now. Raises ReconnectNeeded when it was disconnected meanwhile."""
    if not account.is_active:
        raise ReconnectNeeded(DISCONNECTED)
    return open_credentials(vault, account)


def _withdraw(ctx: Context, account: Account, fresh: Credentials) -> None:
    """The account was disconnected or linked again during the renewal: nobody uses these tokens, and they would live on
    at the platform. Where a renewal leaves the refresh token as it is, another account may have it, too."""
    with ctx.db.read() as conn:
        if used_by_another(conn, ctx.vault, account, fresh):
            return
    adapter = ctx.adapter(account, ctx.http.bound(secrets=secrets_of(fresh)))
    if account.is_active and not adapter.traits.revokes_one:
        return  # that could end the new ones, too
    try:
        adapter.revoke(fresh)
    except PlatformError as error:
        log.warning("Account %s: renewed tokens could not be withdrawn: %s", account.id, error.message)


def reading_refused(ctx: Context, delivery: Delivery, account: Account) -> Account:
    """A reading was refused: renew the access where that can be done, then ask whose it is. A person is told once when it
    was withdrawn; a single thing that may not be read is no reason. Returns the account as it is now."""
    with ctx.db.read() as conn:
        account = accounts.get(conn, account.id)
    if not account.is_active or account.status != "ok":
        return account
    try:
        cred = open_credentials(ctx.vault, account)
        adapter = ctx.adapter(account, ctx.http.bound(secrets=secrets_of(cred)))
        if adapter.traits.renewable(has_refresh_token=bool(cred.refresh_token or cred.secret)):
            account, cred = renew(ctx, delivery, account)
            adapter = ctx.adapter(account, ctx.http.bound(secrets=secrets_of(cred)))
        adapter.identify(cred)
    except ReconnectNeeded as confirmed:
        with ctx.db.write() as conn:
            transitions.reconnect_needed(conn, account, confirmed, ctx.clock.now())
            return accounts.get(conn, account.id)
    except (PlatformError, VaultError):
        return account  # nobody could be asked; the next reading is refused again
    return account


def _refused(
    ctx: Context, account: Account, attempt: int | None, recorder: ExchangeRecorder, error: PlatformError
) -> None:
    outcome = Outcome.UNAVAILABLE
    if isinstance(error, OutcomeUnknown):
        outcome = Outcome.UNKNOWN
    elif isinstance(error, ReconnectNeeded):
        outcome = Outcome.RECONNECT
    now = ctx.clock.now()
    with ctx.db.write() as conn:
        accounts.end_refresh(conn, account)
        if attempt is not None:
            attempts.close_attempt(conn, attempt, outcome, now=now, message=error.message, **_shown(recorder))
            ctx.tally.count(ATTEMPTS, account.platform.value, Act.REFRESH.value, outcome.value)
        if isinstance(error, ReconnectNeeded):
            transitions.reconnect_needed(conn, account, error, now)


def _shown(recorder: ExchangeRecorder) -> Closing:
    """A token endpoint's reply is never kept, redacted or not: only status and latency."""
    return Closing(**{**recorder.closing(), "reply": ""})
