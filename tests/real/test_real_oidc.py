"""The OAuth client against a certified OpenID provider: code, PKCE, refresh rotation, reuse detection, `iss`."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest

from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.errors import BadInput, ReconnectNeeded
from postprober.http import HttpClient
from postprober.platforms.common.oauth import (
    OAuthSpec,
    check_callback,
    exchange,
    new_state,
    refresh_tokens,
    revoke_tokens,
    start,
)

CALLBACK = "http://127.0.0.1:8123/callback"
CLIENTS = {
    "confidential": ("confidential-secret-0123456789", "client_secret_basic"),
    "post-secret": ("post-secret-0123456789", "client_secret_post"),
    "public": ("", "none"),
}
SCOPES = ("openid", "offline_access", "posts:write", "posts:read")


def spec_of(issuer: str, method: str, scopes: tuple[str, ...] = SCOPES) -> OAuthSpec:
    return OAuthSpec(
        "The provider",
        f"{issuer}/auth",
        f"{issuer}/token",
        scopes,
        pkce=True,
        auth_method=method,
        revoke_url=f"{issuer}/token/revocation",
        issuer=issuer,
    )


def config_of(issuer: str, client: str) -> PlatformConfig:
    # The platform only names the settings in error texts; addresses come from the spec.
    return PlatformConfig(Platform("x"), issuer, issuer, client, CLIENTS[client][0])


def consent(url: str) -> dict[str, str]:
    """Log in and consent on the provider's forms, as a person would; the callback's query comes back."""
    with httpx2.Client(trust_env=False, timeout=10) as browser:
        answer = browser.get(url + "&prompt=consent")
        for _ in range(12):
            if answer.status_code in (302, 303):
                target = urljoin(str(answer.url), answer.headers["location"])
                if target.startswith(CALLBACK):
                    return {key: values[0] for key, values in parse_qs(urlsplit(target).query).items()}
                answer = browser.get(target)
                continue
            assert answer.status_code == 200, answer.text
            form = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', answer.text))
            if 'name="login"' in answer.text:
                form |= {"login": "alice", "password": "anything"}
            action = re.findall(r'<form[^>]* action="([^"]+)"', answer.text)[0]
            answer = browser.post(urljoin(str(answer.url), action), data=form)
    raise AssertionError("the provider did not come back to the callback")


def sign_in(http: HttpClient, issuer: str, client: str) -> Credentials:
    spec, config, state = spec_of(issuer, CLIENTS[client][1]), config_of(issuer, client), new_state()
    request = start(config, CALLBACK, state, spec)
    code = check_callback(spec, consent(request.url), state)
    return exchange(http, config, CALLBACK, code, request.code_verifier, spec=spec)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_person_signs_in_and_refresh_tokens_rotate(real_http: HttpClient, oidc: str, client: str) -> None:
    spec, config = spec_of(oidc, CLIENTS[client][1]), config_of(oidc, client)
    first = sign_in(real_http, oidc, client)
    assert first.access_token and first.refresh_token and first.expires_at is not None
    assert {"posts:write", "posts:read"} <= set(first.scopes)
    second = refresh_tokens(real_http, config, first, spec)
    assert second.refresh_token != first.refresh_token
    assert refresh_tokens(real_http, config, second, spec).access_token not in (first.access_token, second.access_token)


def test_a_reused_refresh_token_is_refused_and_ends_its_whole_family(real_http: HttpClient, oidc: str) -> None:
    spec, config = spec_of(oidc, "client_secret_basic"), config_of(oidc, "confidential")
    first = sign_in(real_http, oidc, "confidential")
    second = refresh_tokens(real_http, config, first, spec)
    with pytest.raises(ReconnectNeeded):
        refresh_tokens(real_http, config, first, spec)
    with pytest.raises(ReconnectNeeded):
        refresh_tokens(real_http, config, second, spec)


def test_a_code_is_single_use_and_bound_to_its_verifier(real_http: HttpClient, oidc: str) -> None:
    spec, config, state = spec_of(oidc, "none"), config_of(oidc, "public"), new_state()
    request = start(config, CALLBACK, state, spec)
    code = check_callback(spec, consent(request.url), state)
    with pytest.raises(ReconnectNeeded):
        exchange(real_http, config, CALLBACK, code, "w" * 64, spec=spec)
    request = start(config, CALLBACK, state, spec)
    code = check_callback(spec, consent(request.url), state)
    assert exchange(real_http, config, CALLBACK, code, request.code_verifier, spec=spec).access_token
    with pytest.raises(ReconnectNeeded):
        exchange(real_http, config, CALLBACK, code, request.code_verifier, spec=spec)


def test_a_wrong_client_secret_is_named(real_http: HttpClient, oidc: str) -> None:
    spec, state = spec_of(oidc, "client_secret_basic"), new_state()
    config = config_of(oidc, "confidential")
    request = start(config, CALLBACK, state, spec)
    code = check_callback(spec, consent(request.url), state)
    wrong = PlatformConfig(Platform("x"), oidc, oidc, "confidential", "not-the-secret-0123456789")
    with pytest.raises(ReconnectNeeded, match="client id or secret"):
        exchange(real_http, wrong, CALLBACK, code, request.code_verifier, spec=spec)


def test_the_issuer_of_the_answer_is_checked(oidc: str) -> None:
    spec, state = spec_of(oidc, "none"), new_state()
    answer = consent(start(config_of(oidc, "public"), CALLBACK, state, spec).url)
    assert answer["iss"] == oidc, "the provider names itself, so the check is a real one"
    other = OAuthSpec("Another", spec.authorize_url, spec.token_url, SCOPES, pkce=True, issuer="https://other.example")
    with pytest.raises(BadInput):
        check_callback(other, answer, state)
    assert check_callback(spec, answer, state)


def test_a_withdrawn_token_cannot_be_refreshed(real_http: HttpClient, oidc: str) -> None:
    spec, config = spec_of(oidc, "client_secret_post"), config_of(oidc, "post-secret")
    cred = sign_in(real_http, oidc, "post-secret")
    assert revoke_tokens(real_http, config, cred, spec)
    with pytest.raises(ReconnectNeeded):
        refresh_tokens(real_http, config, cred, spec)
