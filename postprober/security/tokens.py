"""Signed, expiring tokens (media URLs, one-time tickets) and keyed hashes of opaque ones."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from pydantic import SecretStr

from postprober.errors import Forbidden

_ALGORITHM = "HS256"
ISSUER = "postprober"


def opaque() -> str:
    """A random token of 256 bits, for cookies, tickets and states."""
    return secrets.token_urlsafe(32)


def keyed_hash(secret_key: SecretStr, token: str) -> str:
    """What the database stores instead of `token`: HMAC-SHA-256, hex."""
    # JSON may carry half a surrogate pair; it fits no stored hash, but it must not be an error either.
    return hmac.new(
        secret_key.get_secret_value().encode(), token.encode("utf-8", "surrogatepass"), hashlib.sha256
    ).hexdigest()


def sign(secret_key: SecretStr, purpose: str, claims: dict[str, Any], *, now: float, lifetime: float) -> str:
    """A JWT for one `purpose` (its audience). `now` and `lifetime` in seconds."""
    body = {**claims, "iss": ISSUER, "aud": purpose, "iat": int(now), "exp": int(now + lifetime)}
    return jwt.encode({"alg": _ALGORITHM}, body, _key(secret_key, purpose))


def verify(secret_key: SecretStr, purpose: str, token: str, *, now: float) -> dict[str, Any]:
    """The claims of a token made by `sign` for the same purpose. Raises Forbidden, with one sentence for every reason."""
    try:
        claims = jwt.decode(token, _key(secret_key, purpose), algorithms=[_ALGORITHM]).claims
    except (JoseError, ValueError):
        raise Forbidden("The link or token is not valid.") from None
    if claims.get("aud") != purpose or claims.get("iss") != ISSUER or not isinstance(claims.get("exp"), int):
        raise Forbidden("The link or token is not valid.")
    if claims["exp"] <= now:
        raise Forbidden("The link or token has expired.")
    return dict(claims)


def _key(secret_key: SecretStr, purpose: str) -> OctKey:
    # One key per purpose, so that a token can never be used for another one even if a check were forgotten.
    return OctKey.import_key(
        hmac.new(secret_key.get_secret_value().encode(), purpose.encode(), hashlib.sha256).digest()
    )
