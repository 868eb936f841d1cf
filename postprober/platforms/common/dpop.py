"""Tokens that are bound to a key (DPoP, RFC 9449): each request proves that whoever sends it holds the key, so that a token
alone opens nothing.

The key is one of the curve P-256, kept as the text of its JWK; it belongs to one sign-in and is sealed with its tokens. A
server may want a nonce of its own in each proof, which it sends along with its answers; what it said last is kept here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlunsplit

from joserfc import jwt
from joserfc.jwk import ECKey

from postprober.domain.addresses import split
from postprober.http import Reply

ALGORITHM = "ES256"  # the one that every server must take (https://atproto.com/specs/oauth, "DPoP")
FRESH_SECONDS = 60.0  # a server renews its nonce within at most five minutes (same place); ours, with a wide margin
MOST_SERVERS = 1000  # ours
NONCE_REFUSED = "use_dpop_nonce"  # RFC 9449, 8 and 9


def new_key() -> str:
    """A new private key, as the text of its JWK."""
    return json.dumps(dict(ECKey.generate_key("P-256", private=True).as_dict(private=True)))


def public_part(key: str) -> dict[str, Any]:
    """The public JWK of a private one. Raises ValueError for what is no key."""
    return dict(_opened(key).as_dict(private=False))


def thumbprint(key: str) -> str:
    """RFC 7638."""
    return _opened(key).thumbprint()


def proof(key: str, method: str, url: str, now: datetime, *, nonce: str = "", access_token: str = "") -> str:
    """The proof for one request. `now`: aware UTC."""
    claims: dict[str, Any] = {
        "jti": secrets.token_urlsafe(16),
        "htm": method,
        "htu": _bare(url),
        "iat": int(now.timestamp()),
    }
    if nonce:
        claims["nonce"] = nonce
    if access_token:
        digest = hashlib.sha256(access_token.encode()).digest()
        claims["ath"] = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return signed(key, {"typ": "dpop+jwt", "jwk": public_part(key)}, claims)


def signed(key: str, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """A JWT by the private `key`."""
    return jwt.encode({"alg": ALGORITHM, **header}, dict(claims), _opened(key), algorithms=[ALGORITHM])


def nonce_refused(reply: Reply) -> bool:
    """Whether the server only wants its nonce in the proof: nothing was done, and the answer brings it."""
    if reply.status not in (400, 401) or "dpop-nonce" not in reply.headers:
        return False
    body = reply.json_or_none()
    named = isinstance(body, dict) and body.get("error") == NONCE_REFUSED
    return named or NONCE_REFUSED in reply.headers.get("www-authenticate", "")


class Nonces:
    """The last nonce of each server. Safe among threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, url: str) -> str:
        """The last one of the server at `url`, "" without one."""
        with self._lock:
            return self._known.get(_origin(url), ("", 0.0))[0]

    def is_fresh(self, url: str) -> bool:
        """Whether the server said it lately, so that it certainly still takes it."""
        with self._lock:
            nonce, at = self._known.get(_origin(url), ("", 0.0))
        return bool(nonce) and time.monotonic() - at < FRESH_SECONDS

    def learn(self, url: str, reply: Reply) -> None:
        """Keep the nonce of an answer, if it has one."""
        nonce = reply.headers.get("dpop-nonce", "")
        if not nonce or len(nonce) > 1000 or not (nonce.isascii() and nonce.isprintable()):
            return
        with self._lock:
            self._known[_origin(url)] = (nonce, time.monotonic())
            self._known.move_to_end(_origin(url))
            while len(self._known) > MOST_SERVERS:
                self._known.popitem(last=False)


NONCES = Nonces()


def _opened(key: str) -> ECKey:
    try:
        return ECKey.import_key(cast("dict[str, Any]", json.loads(key)))
    except (TypeError, KeyError) as error:
        raise ValueError("this is no private key") from error


def _bare(url: str) -> str:
    """`htu`: without query and fragment (RFC 9449, 4.2)."""
    parts = split(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


def _origin(url: str) -> str:
    parts = split(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
