"""Who is asking, and the tokens of programs: short access tokens, refresh tokens that rotate, personal API tokens.

A sign-in over the API makes one row of kind `login`. Its access tokens (JWT, 15 minutes) name that row, its refresh
tokens (rows of kind `refresh`, each used once) belong to it: ending the row ends them all at once. A refresh token that
is used a second time was copied by somebody, so it ends the row too (RFC 9700, section 4.14.2).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from postprober.domain.access import GRANTABLE, meant, scopes_of_role
from postprober.domain.actor import API_TOKEN, Actor, Door, Via
from postprober.errors import Forbidden, NotSignedIn
from postprober.security.tokens import keyed_hash, opaque, sign, verify
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.services.people import users as user_service
from postprober.storage import sql, uploads, users
from postprober.storage.records import User

ACCESS_LIFE = timedelta(minutes=15)
REFRESH_LIFE = timedelta(days=30)
KEPT_AFTER_END = timedelta(days=1)  # expired rows are deleted later than this
USED_EVERY = timedelta(minutes=1)  # how exact an API token's last use is: not one write a request
API_TOKEN_PREFIX = "pp_"
UPLOAD = uploads.KIND  # a kind of row: the address of one file that was announced
UPLOAD_PREFIX = "up_"
GRANT_PREFIX = "upg_"
GRANT_LIFE = timedelta(minutes=15)
MAX_TOKEN_CHARS = 4096
_PURPOSE = "access"
_GRANT = "upload-grant"
_IDS_AT_ONCE = 500


@dataclass(frozen=True)
class Caller:
    """Who is asking. `scopes`: what they may do here; `session`: id of the row in `sessions`, as text; `kind`: browser,
    login or api_token; `hint`: an API token's last four characters."""

    user: User
    scopes: frozenset[str]
    session: str
    kind: str
    hint: str = ""

    @property
    def actor(self) -> Actor:
        """Who is acting, for the use cases, and by which of their sign-ins or tokens."""
        bound = self.scopes if self.kind in (API_TOKEN, UPLOAD) else None
        return permits.of_user(self.user, Via(Door.REST, self.kind, int(self.session or 0), self.hint, bound))


@dataclass(frozen=True)
class TokenPair:
    """`access`: JWT that ends after `expires_in` seconds; `refresh`: opaque, for one use."""

    access: str
    refresh: str
    expires_in: int


def log_in(core: Core, email: str, password: str, address: str, code: str = "") -> TokenPair:
    """Tokens for a right password, and code where there is a second factor. Raises Forbidden (wrong), TooManyTries or
    SecondFactorNeeded."""
    user = user_service.authenticate(core, email, password, address, code)
    now = core.clock.now()
    with core.db.write() as conn:
        user_service.hold(conn, user)
        users.forget_sessions(conn, now - KEPT_AFTER_END)
        family = users.add_session(
            conn,
            user_id=user.id,
            kind="login",
            token_hash=_hash(core, opaque()),
            now=now,
            expires_at=now + REFRESH_LIFE,
            data={"address": address},
        )
        return _pair(core, conn, user.id, family, now)


def renew(core: Core, refresh: str) -> TokenPair:
    """The next pair. Raises NotSignedIn; when the token was used before, its whole family has ended."""
    now, hashed = core.clock.now(), _hash(core, refresh)
    with core.db.write() as conn:
        row = users.use_once(conn, "refresh", hashed, now)
        if row is not None:
            family = users.session_by_id(conn, int(row["data"]["family"]), now)
            if family is not None and users.get(conn, row["user_id"]).is_active:
                users.extend_session(conn, family["id"], now + REFRESH_LIFE)
                return _pair(core, conn, row["user_id"], family["id"], now)
        elif stolen := users.was_used(conn, "refresh", hashed):
            users.end_session(conn, stolen["data"]["family"], now, user_id=stolen["user_id"], kind="login")
    raise NotSignedIn("The refresh token is not valid any more; sign in again.")


def log_out(core: Core, caller: Caller) -> None:
    """End the caller's session with all its tokens. Raises Forbidden for an API token, which is removed instead."""
    if caller.kind == "api_token":
        raise Forbidden("An API token cannot sign out; remove it under /api/auth/tokens.")
    with core.db.write() as conn:
        users.end_session(conn, int(caller.session), core.clock.now(), user_id=caller.user.id, kind=caller.kind)


def by_cookie(core: Core, token: str) -> Caller | None:
    """Who the browser's cookie belongs to, None when it is expired or revoked."""
    with core.db.read() as conn:
        row = users.find_session(conn, "browser", _hash(core, token), core.clock.now())
        return _caller(conn, row["user_id"], row["id"], "browser") if row else None


def by_bearer(core: Core, token: str) -> Caller | None:
    """Who an access token or API token belongs to, None when it is not good (any more)."""
    if len(token) > MAX_TOKEN_CHARS:
        return None
    return _by_api_token(core, token) if token.startswith(API_TOKEN_PREFIX) else _by_access_token(core, token)


def by_upload(core: Core, secret: str) -> Caller | None:
    """Who announced a file under this address; they may hand it in and nothing else. None when it is not good (any more)."""
    if len(secret) > MAX_TOKEN_CHARS or not secret.startswith(UPLOAD_PREFIX):
        return None
    with core.db.read() as conn:
        now = core.clock.now()
        row = users.find_session(conn, UPLOAD, _hash(core, secret), now)
        token = row["data"].get("token") if row else None
        if token and users.session_by_id(conn, token, now) is None:
            return None  # whoever may not come in any more hands in nothing, either
        caller = _caller(conn, row["user_id"], row["id"], UPLOAD) if row else None
    return replace(caller, scopes=caller.scopes & {"media:write"}) if caller else None


def grant_uploads(core: Core, cookie: str | None, draft: str) -> str:
    """What a page of the app hands to the scripts in its person's browser, so that they may begin uploads for `draft` and do
    nothing else; good for a quarter of an hour, and no longer than the person's session. "" where there is none."""
    with core.db.read() as conn:
        now = core.clock.now()
        row = users.find_session(conn, "browser", _hash(core, cookie), now) if cookie else None
    if row is None:
        return ""
    claims = {"sub": str(row["user_id"]), "sid": str(row["id"]), "draft": draft}
    life = GRANT_LIFE.total_seconds()
    return GRANT_PREFIX + sign(core.settings.secret_key, _GRANT, claims, now=now.timestamp(), lifetime=life)


def by_grant(core: Core, grant: str) -> tuple[Caller, str] | None:
    """Whose page it is, who may only upload, and for which draft; None when it is not good (any more)."""
    now = core.clock.now()
    if len(grant) > MAX_TOKEN_CHARS or not grant.startswith(GRANT_PREFIX):
        return None
    try:
        claims = verify(core.settings.secret_key, _GRANT, grant.removeprefix(GRANT_PREFIX), now=now.timestamp())
        user_id, session_id, draft = int(claims["sub"]), int(claims["sid"]), str(claims["draft"])
    except (Forbidden, KeyError, TypeError, ValueError):
        return None
    with core.db.read() as conn:
        row = users.session_by_id(conn, session_id, now)
        if row is None or row["kind"] != "browser" or row["user_id"] != user_id:
            return None
        caller = _caller(conn, user_id, session_id, UPLOAD)
    return (replace(caller, scopes=caller.scopes & {"media:write"}), draft) if caller else None


def alive(core: Core, ids: Collection[int]) -> set[int]:
    """Those of `ids` (rows of `sessions`) that are live, with an active user."""
    found: set[int] = set()
    wanted = list(ids)
    with core.db.read() as conn:
        for start in range(0, len(wanted), _IDS_AT_ONCE):
            found |= users.live_sessions(conn, wanted[start : start + _IDS_AT_ONCE], core.clock.now())
    return found


def _by_access_token(core: Core, token: str) -> Caller | None:
    now = core.clock.now()
    try:
        claims = verify(core.settings.secret_key, _PURPOSE, token, now=now.timestamp())
        user_id, session_id = int(claims["sub"]), int(claims["sid"])
    except (Forbidden, KeyError, TypeError, ValueError):
        return None
    if not sql.is_id(session_id):
        return None
    with core.db.read() as conn:
        row = users.session_by_id(conn, session_id, now)
        if row is None or row["kind"] != "login" or row["user_id"] != user_id:
            return None
        return _caller(conn, user_id, session_id, "login")


def _by_api_token(core: Core, token: str) -> Caller | None:
    now = core.clock.now()
    with core.db.read() as conn:
        row = users.find_session(conn, "api_token", _hash(core, token), now)
        caller = _caller(conn, row["user_id"], row["id"], "api_token") if row else None
    if row is None or caller is None:
        return None
    if row["used_at"] is None or now - row["used_at"] >= USED_EVERY:
        with core.db.write() as conn:
            users.mark_used(conn, row["id"], now)
    scopes = caller.scopes & GRANTABLE & meant(row["data"]["scopes"])
    return Caller(caller.user, scopes, caller.session, caller.kind, str(row["data"]["hint"]))


def _caller(conn: Connection, user_id: int, session_id: int, kind: str) -> Caller | None:
    user = users.get(conn, user_id)
    return Caller(user, scopes_of_role(user.role), str(session_id), kind) if user.is_active else None


def _pair(core: Core, conn: Connection, user_id: int, family: int, now: datetime) -> TokenPair:
    refresh = opaque()
    users.add_session(
        conn,
        user_id=user_id,
        kind="refresh",
        token_hash=_hash(core, refresh),
        now=now,
        expires_at=now + REFRESH_LIFE,
        data={"family": family},
    )
    claims = {"sub": str(user_id), "sid": str(family)}
    access = sign(core.settings.secret_key, _PURPOSE, claims, now=now.timestamp(), lifetime=ACCESS_LIFE.total_seconds())
    return TokenPair(access, refresh, int(ACCESS_LIFE.total_seconds()))


def _hash(core: Core, token: str) -> str:
    return keyed_hash(core.settings.secret_key, token)
