"""Forged, swapped and confused tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from postprober.api.app import create_app
from postprober.clock import ManualClock
from postprober.security.tokens import sign
from postprober.services.core import Core
from postprober.services.people import sessions
from tests.conftest import PASSWORD, Installation


@pytest.fixture
def core(installation: Installation) -> Core:
    return replace(installation.core, clock=ManualClock(installation.core.clock.now()))


@pytest.fixture
def client(core: Core) -> Iterator[TestClient]:
    with TestClient(create_app(core), base_url="http://127.0.0.1:8000", follow_redirects=False) as made:
        yield made


def asked(client: TestClient, token: str) -> int:
    return client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    head, body, _ = token.split(".")
    return tuple(json.loads(base64.urlsafe_b64decode(piece + "==")) for piece in (head, body))  # type: ignore[return-value]


# Forged access tokens


@pytest.fixture
def good(core: Core, client: TestClient) -> str:
    token = sessions.log_in(core, "owner@example.org", PASSWORD, "").access
    assert asked(client, token) == 200
    return token


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None])
def test_an_unsigned_token_is_refused(client: TestClient, good: str, alg: str | None) -> None:
    _, claims = unsigned(good)
    for signature in ("", good.split(".")[2], "AAAA"):
        assert asked(client, f"{part({'alg': alg, 'typ': 'JWT'})}.{part(claims)}.{signature}") == 401


def test_a_token_signed_with_a_public_key_as_if_it_were_the_secret_is_refused(client: TestClient, good: str) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _, claims = unsigned(good)
    body = f"{part({'alg': 'HS256'})}.{part(claims)}"
    mac = base64.urlsafe_b64encode(hmac.new(pem, body.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    assert asked(client, f"{body}.{mac}") == 401
    signed = jwt.encode(
        {"alg": "RS256"},
        claims,
        RSAKey.import_key(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        ),
    )
    assert asked(client, signed) == 401


def our_key(core: Core) -> OctKey:
    return OctKey.import_key(
        hmac.new(core.settings.secret_key.get_secret_value().encode(), b"access", hashlib.sha256).digest()
    )


@pytest.mark.parametrize("alg", ["HS384", "HS512"])
def test_our_key_with_another_algorithm_is_refused(client: TestClient, core: Core, good: str, alg: str) -> None:
    _, claims = unsigned(good)
    assert asked(client, jwt.encode({"alg": alg}, claims, our_key(core), algorithms=[alg])) == 401


@pytest.mark.parametrize(
    "head",
    [
        {"kid": "../../../../dev/null"},
        {"kid": "' UNION SELECT ''--"},
        {"kid": ""},
        {"kid": ["a"]},
        {"jku": "https://evil.example/keys.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
    ],
    ids=str,
)
def test_no_header_of_a_token_chooses_the_key(client: TestClient, good: str, head: dict[str, Any]) -> None:
    """The forger knows a key, names it in the header and signs with it."""
    _, claims = unsigned(good)
    body = f"{part({'alg': 'HS256', **head})}.{part(claims)}"
    for key in (b"", b"\x00\x00\x00", b"AAAA"):
        mac = base64.urlsafe_b64encode(hmac.new(key, body.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
        assert asked(client, f"{body}.{mac}") == 401


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "media"},
        {"aud": ["access", "media"]},
        {"aud": None},
        {"iss": "somebody"},
        {"exp": None},
        {"exp": "9999999999"},
        {"exp": 1},
        {"sub": "2"},
        {"sub": "1 OR 1=1"},
        {"sub": None},
        {"sid": None},
        {"sid": "999999"},
        {"sid": "-1"},
        {"sid": [1]},
        {"sid": str(10**30)},
    ],
    ids=str,
)
def test_even_with_our_key_every_claim_has_to_fit(
    client: TestClient, core: Core, good: str, change: dict[str, Any]
) -> None:
    _, claims = unsigned(good)
    changed = {key: value for key, value in {**claims, **change}.items() if value is not None}
    assert asked(client, jwt.encode({"alg": "HS256"}, changed, our_key(core))) == 401


def test_a_token_for_another_purpose_is_no_access_token_and_the_other_way_round(
    client: TestClient, core: Core, good: str
) -> None:
    now, secret = core.clock.now().timestamp(), core.settings.secret_key
    _, claims = unsigned(good)
    rest = {"sub": claims["sub"], "sid": claims["sid"]}
    for purpose in ("media", "ticket", "refresh", ""):
        assert asked(client, sign(secret, purpose, rest, now=now, lifetime=900)) == 401
    assert client.get(f"/api/media/public/{good}").status_code == 403
    assert client.get("/api/session/begin", headers={"Cookie": f"postprober_ticket={good}"}).status_code == 403
    assert client.post("/api/auth/refresh", json={"refresh_token": good}).status_code == 401


def test_one_kind_of_token_never_stands_in_for_another(client: TestClient, core: Core) -> None:
    pair = sessions.log_in(core, "owner@example.org", PASSWORD, "")
    assert asked(client, pair.refresh) == asked(client, "pp_" + pair.refresh) == 401
    assert client.get("/api/auth/me", headers={"Cookie": f"postprober_session={pair.refresh}"}).status_code == 401
    assert client.get("/api/auth/me", headers={"Cookie": f"postprober_session={pair.access}"}).status_code == 401
    assert client.get("/api/auth/me", params={"access_token": pair.access, "token": pair.access}).status_code == 401


def test_a_token_of_a_megabyte_costs_nothing(client: TestClient) -> None:
    assert asked(client, "a" * 60_000) == 401
