"""Ready credentials on real servers; each test skips with a plain reason when its server is not running.

`POSTPROBER_REQUIRE_REAL=1` (set by run.sh) turns these skips into failures.
"""

from __future__ import annotations

import io
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from PIL import Image

from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import MediaFile, MediaKind
from postprober.http import HttpClient, Pools
from postprober.platforms.bluesky.adapter import login
from postprober.platforms.common.oauth import at_instance, check_callback, exchange, new_state, start
from postprober.platforms.mastodon.adapter import register_app
from postprober.platforms.mastodon.oauth import spec
from postprober.websocket import opened

PDS = os.environ.get("POSTPROBER_REAL_PDS", "http://127.0.0.1:2583")
SNAC = os.environ.get("POSTPROBER_REAL_SNAC", "http://127.0.0.1:8011")
OIDC = os.environ.get("POSTPROBER_REAL_OIDC", "http://127.0.0.1:3055")
NOSTR_RELAY = os.environ.get("POSTPROBER_REAL_NOSTR_RELAY", "http://127.0.0.1:21101")
NOSTR_RUST = os.environ.get("POSTPROBER_REAL_NOSTR_RUST", "http://127.0.0.1:21103")
SNAC_ACCOUNTS = Path(
    os.environ.get("POSTPROBER_SNAC_ACCOUNTS", "~/.cache/postprober-realservers/snac/accounts.txt")
).expanduser()
WORDPRESS = os.environ.get("POSTPROBER_REAL_WORDPRESS", "http://127.0.0.1:21102")
WORDPRESS_ACCOUNTS = Path(
    os.environ.get("POSTPROBER_WORDPRESS_ACCOUNTS", "~/.cache/postprober-realservers/wordpress/accounts.txt")
).expanduser()
CALLBACK = "http://127.0.0.1:8123/callback"


def _need(url: str, path: str, name: str, seconds: float = 3) -> str:
    try:
        httpx2.get(url + path, timeout=seconds, trust_env=False)
    except httpx2.TransportError:
        _absent(f"{name} is not running at {url}")
    return url


def _absent(reason: str) -> None:
    if os.environ.get("POSTPROBER_REQUIRE_REAL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def real_http() -> Iterator[HttpClient]:
    pools = Pools(allow_private=True, timeout=20)
    yield HttpClient(pools)
    pools.close()


@pytest.fixture(scope="session")
def pds() -> str:
    """Base URL of a real Bluesky PDS."""
    return _need(PDS, "/xrpc/_health", "The Bluesky PDS")


@pytest.fixture(scope="session")
def snac() -> str:
    """Base URL of a real snac."""
    return _need(SNAC, "/api/v1/instance", "snac")


@pytest.fixture(scope="session")
def nostr_relays(real_http: HttpClient) -> tuple[str, str]:
    """Addresses of two real relays: nostr-relay, and rust-nostr's LocalRelay."""
    for url, name in ((NOSTR_RELAY, "nostr-relay"), (NOSTR_RUST, "rust-nostr's LocalRelay")):
        with opened(lambda _: real_http, [url]) as (one,):
            if one.socket is None:
                _absent(f"{name} is not running at {url}")
    return NOSTR_RELAY.replace("http", "ws"), NOSTR_RUST.replace("http", "ws")


@pytest.fixture(scope="session")
def oidc() -> str:
    """Issuer of a real OpenID provider."""
    return _need(OIDC, "/.well-known/openid-configuration", "The OpenID provider")


@pytest.fixture(scope="session")
def wordpress() -> str:
    """Address of a real WordPress."""
    return _need(WORDPRESS, "/", "WordPress", 30)  # its first page takes PHP a while


@pytest.fixture(scope="session")
def wordpress_passwords(wordpress: str) -> dict[str, str]:
    if not WORDPRESS_ACCOUNTS.exists():
        _absent(
            f"WordPress's passwords are not at {WORDPRESS_ACCOUNTS}; name the file in POSTPROBER_WORDPRESS_ACCOUNTS"
        )
    return dict(line.split(maxsplit=1) for line in WORDPRESS_ACCOUNTS.read_text().splitlines() if line.strip())


@pytest.fixture(scope="session")
def bluesky_config(pds: str) -> PlatformConfig:
    return PlatformConfig(Platform("bluesky"), pds, "https://bsky.app")


@pytest.fixture(scope="session")
def mastodon_config(snac: str) -> PlatformConfig:
    return PlatformConfig(Platform("mastodon"), snac, snac)


def _new_pds_account(http: HttpClient, pds: str) -> Credentials:
    handle, password = f"u{uuid.uuid4().hex[:10]}.test", f"pw-{uuid.uuid4()}"
    body = {"handle": handle, "email": f"{handle}@example.com", "password": password}
    reply = http.send("POST", f"{pds}/xrpc/com.atproto.server.createAccount", json=body)
    assert reply.ok, reply.excerpt
    return login(http, pds, handle, password)


@pytest.fixture(scope="session")
def bluesky_cred(real_http: HttpClient, pds: str) -> Credentials:
    """A fresh account on the PDS."""
    return _new_pds_account(real_http, pds)


@pytest.fixture(scope="session")
def bluesky_friend(real_http: HttpClient, pds: str) -> Credentials:
    """Another fresh account, to be mentioned."""
    return _new_pds_account(real_http, pds)


@pytest.fixture(scope="session")
def snac_passwords(snac: str) -> dict[str, str]:
    if not SNAC_ACCOUNTS.exists():
        _absent(f"snac's passwords are not at {SNAC_ACCOUNTS}; name the file in POSTPROBER_SNAC_ACCOUNTS")
    return dict(line.split(maxsplit=1) for line in SNAC_ACCOUNTS.read_text().splitlines() if line.strip())


def snac_sign_in(http: HttpClient, config: PlatformConfig, user: str, password: str) -> Credentials:
    """The whole sign-in: register a client, fill in the server's form as a person would, exchange the code."""
    here = at_instance(config, config.api_url, register_app(http, config.api_url, CALLBACK))
    state = new_state()
    request = start(here, CALLBACK, state, spec(here))
    with httpx2.Client(trust_env=False, timeout=10) as browser:
        page = browser.get(request.url)
        form = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', page.text)) | {"login": user, "passwd": password}
        action = re.findall(r'action="([^"]+)"', page.text)[0]
        answer = browser.post(action, data=form)
    params = {key: values[0] for key, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    cred = exchange(
        http, here, CALLBACK, check_callback(spec(here), params, state), request.code_verifier, spec=spec(here)
    )
    return Credentials(cred.access_token, name=user, instance=cred.instance, secret=cred.secret)


@pytest.fixture(scope="session")
def alice(real_http: HttpClient, mastodon_config: PlatformConfig, snac_passwords: dict[str, str]) -> Credentials:
    """snac's alice, signed in."""
    return snac_sign_in(real_http, mastodon_config, "alice", snac_passwords["alice"])


@pytest.fixture(scope="session")
def bob(real_http: HttpClient, mastodon_config: PlatformConfig, snac_passwords: dict[str, str]) -> Credentials:
    """snac's bob, signed in."""
    return snac_sign_in(real_http, mastodon_config, "bob", snac_passwords["bob"])


@pytest.fixture
def real_image(tmp_path: Path) -> MediaFile:
    """A small picture with an alternative text."""
    buffer = io.BytesIO()
    Image.effect_noise((320, 200), 90).convert("RGB").save(buffer, "PNG")
    path = tmp_path / "noise.png"
    path.write_bytes(buffer.getvalue())
    alt = "Grey noise 灰色 🌫"
    return MediaFile(1, MediaKind.IMAGE, "image/png", path.stat().st_size, 320, 200, "cd" * 32, str(path), alt=alt)
