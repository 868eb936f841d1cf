"""Signing in on all platforms of the sandbox, and what refusals and broken answers mean."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from postprober.clock import ManualClock
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.errors import (
    BadInput,
    OutcomeUnknown,
    PlatformError,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import HttpClient, Pools
from postprober.platforms.common.oauth import (
    at_instance,
    check_callback,
    exchange,
    new_state,
    refresh_tokens,
    revoke_tokens,
    start,
)
from postprober.platforms.common.oauth_spec import OAuthSpec
from postprober.platforms.mastodon.adapter import register_app
from postprober.platforms.registry import oauth_spec
from postprober.sandbox.serve import SandboxServer

CALLBACK = "http://127.0.0.1:8000/api/oauth/callback"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OAUTH_PLATFORMS = [Platform("x"), Platform("linkedin"), Platform("instagram"), Platform("mastodon")]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def http() -> Iterator[HttpClient]:
    pools = Pools(allow_private=True, timeout=5)
    yield HttpClient(pools)
    pools.close()


def configured(sandbox: SandboxServer, http: HttpClient, platform: Platform) -> PlatformConfig:
    base = f"{sandbox.url}/{platform.value}"
    config = PlatformConfig(platform, base, base, "sandbox-client", "sandbox-secret")
    return at_instance(config, base, register_app(http, base, CALLBACK)) if platform is Platform("mastodon") else config


def consent(sandbox: SandboxServer, url: str, name: str, decision: str = "allow") -> dict[str, str]:
    """What a person does in the browser; the callback's query comes back."""
    with httpx2.Client(trust_env=False) as browser:
        page = browser.get(url)
        assert page.status_code == 200, page.text
        form = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
        form = {key: value.replace("&amp;", "&") for key, value in form.items()} | {
            "account": name,
            "decision": decision,
        }
        action = re.findall(r'<form[^>]* action="([^"]+)"', page.text)[0]
        answer = browser.post(f"{sandbox.url}{action}", data=form)
        assert answer.status_code in (302, 303), answer.text
        return {key: values[0] for key, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def signed_in(
    sandbox: SandboxServer, http: HttpClient, platform: Platform, **options: object
) -> tuple[PlatformConfig, Credentials, str]:
    config = configured(sandbox, http, platform)
    name = f"u{uuid.uuid4().hex[:10]}"
    sandbox.control.account(platform.value, name, **options)
    state = new_state()
    request = start(config, CALLBACK, state, oauth_spec(config))
    code = check_callback(oauth_spec(config), consent(sandbox, request.url, name), state)
    return config, exchange(http, config, CALLBACK, code, request.code_verifier, spec=oauth_spec(config)), code


@pytest.mark.parametrize("platform", OAUTH_PLATFORMS)
def test_a_person_signs_in(sandbox: SandboxServer, http: HttpClient, platform: Platform) -> None:
    config, cred, code = signed_in(sandbox, http, platform)
    assert cred.access_token
    if platform is Platform("mastodon"):
        assert cred.instance == config.api_url and cred.secret["client_id"] == config.client_id
        assert cred.expires_at is None
    else:
        assert cred.expires_at is not None and cred.expires_at > datetime.now(UTC) + timedelta(minutes=100)
    if platform is Platform("instagram"):
        assert cred.remote_id and cred.expires_at is not None
        assert cred.expires_at > datetime.now(UTC) + timedelta(days=50), "exchanged for a long-lived token"
    with pytest.raises(ReconnectNeeded):
        exchange(http, config, CALLBACK, code, "v" * 43, spec=oauth_spec(config))


@pytest.mark.parametrize("platform", OAUTH_PLATFORMS)
def test_a_denial_is_told_as_such(sandbox: SandboxServer, http: HttpClient, platform: Platform) -> None:
    config = configured(sandbox, http, platform)
    sandbox.control.account(platform.value, "deny")
    state = new_state()
    answer = consent(sandbox, start(config, CALLBACK, state, oauth_spec(config)).url, "deny", "deny")
    with pytest.raises(BadInput, match="did not allow"):
        check_callback(oauth_spec(config), answer, state)


def test_a_code_is_useless_without_its_verifier(sandbox: SandboxServer, http: HttpClient) -> None:
    config = configured(sandbox, http, Platform("x"))
    sandbox.control.account("x", "pkce")
    request = start(config, CALLBACK, "s" * 40, oauth_spec(config))
    code = consent(sandbox, request.url, "pkce")["code"]
    with pytest.raises((ReconnectNeeded, UnexpectedReply)):
        exchange(http, config, CALLBACK, code, "w" * 64, spec=oauth_spec(config))


def test_refresh_rotates_and_a_spent_refresh_token_needs_a_person(sandbox: SandboxServer, http: HttpClient) -> None:
    config, first, _ = signed_in(sandbox, http, Platform("x"))
    second = refresh_tokens(http, config, first, oauth_spec(config))
    assert second.refresh_token not in ("", first.refresh_token) and second.access_token != first.access_token
    assert set(second.scopes) >= {"tweet.write", "offline.access"}
    with pytest.raises(ReconnectNeeded):
        refresh_tokens(http, config, first, oauth_spec(config))


def test_a_linkedin_partner_keeps_its_refresh_token(sandbox: SandboxServer, http: HttpClient) -> None:
    config, cred, _ = signed_in(sandbox, http, Platform("linkedin"), partner=True)
    fresh = refresh_tokens(http, config, cred, oauth_spec(config))
    assert fresh.access_token != cred.access_token and fresh.refresh_token
    plain_config, plain, _ = signed_in(sandbox, http, Platform("linkedin"))
    with pytest.raises(ReconnectNeeded, match="gave no refresh token"):
        refresh_tokens(http, plain_config, plain, oauth_spec(plain_config))


def test_a_refresh_whose_answer_is_lost_is_unknown(sandbox: SandboxServer, http: HttpClient) -> None:
    config, cred, _ = signed_in(sandbox, http, Platform("x"))
    name = next(a["account"] for a in reversed(sandbox.control.log(platform="x")) if a["account"])
    sandbox.control.fault("x", "refresh_cut", account=name)
    with pytest.raises(OutcomeUnknown):
        refresh_tokens(http, config, cred, oauth_spec(config))
    with pytest.raises(ReconnectNeeded):
        refresh_tokens(http, config, cred, oauth_spec(config))


@pytest.mark.parametrize("platform", [Platform("x"), Platform("linkedin"), Platform("mastodon")])
def test_a_token_can_be_withdrawn(sandbox: SandboxServer, http: HttpClient, platform: Platform) -> None:
    config, cred, _ = signed_in(sandbox, http, platform)
    assert revoke_tokens(http, config, cred, oauth_spec(config))


# Addresses


def test_the_live_addresses_are_the_documented_ones() -> None:
    def live(platform: Platform, api: str, auth: str) -> OAuthSpec:
        return oauth_spec(PlatformConfig(platform, api, auth, "id", "secret"))

    x = live(Platform("x"), "https://api.x.com", "https://x.com")
    assert (x.authorize_url, x.token_url) == ("https://x.com/i/oauth2/authorize", "https://api.x.com/2/oauth2/token")
    linkedin = live(Platform("linkedin"), "https://api.linkedin.com", "https://www.linkedin.com")
    assert linkedin.token_url == "https://www.linkedin.com/oauth/v2/accessToken" and not linkedin.pkce
    instagram = live(Platform("instagram"), "https://graph.instagram.com", "https://www.instagram.com")
    assert instagram.token_url == "https://api.instagram.com/oauth/access_token"
    assert instagram.long_lived_url == "https://graph.instagram.com/access_token"
    with pytest.raises(BadInput, match="has no consent page"):
        live(Platform("bluesky"), "https://bsky.social", "https://bsky.app")


def test_the_consent_address_carries_what_the_platform_wants() -> None:
    config = PlatformConfig(Platform("x"), "https://api.x.com", "https://x.com", "id")
    x_spec = oauth_spec(config)
    x = start(config, CALLBACK, "st", x_spec)
    query = parse_qs(urlsplit(x.url).query)
    assert query["code_challenge_method"] == ["S256"] and 43 <= len(x.code_verifier) <= 128
    assert query["state"] == ["st"] and query["redirect_uri"] == [CALLBACK] and x.code_verifier not in x.url
    config = PlatformConfig(
        Platform("instagram"), "https://graph.instagram.com", "https://www.instagram.com", "id", "s"
    )
    instagram = start(config, CALLBACK, "st", oauth_spec(config))
    scope = parse_qs(urlsplit(instagram.url).query)["scope"][0]
    assert "," in scope and " " not in scope and instagram.code_verifier == ""
    with pytest.raises(BadInput, match="POSTPROBER_X_CLIENT_ID"):
        start(replace(config, platform=Platform("x"), client_id=""), CALLBACK, "st", x_spec)


def test_states_are_long_and_never_the_same() -> None:
    assert len({new_state() for _ in range(100)}) == 100
    assert all(43 <= len(new_state()) <= 500 for _ in range(5))


# The callback

SPEC = OAuthSpec(
    "Example", "https://id.example/auth", "https://id.example/token", ("a",), pkce=True, issuer="https://id.example"
)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"code": "c"}, "state"),
        ({"code": "c", "state": "other"}, "state"),
        ({"code": "c", "state": "st", "iss": "https://evil.example"}, "iss"),
        ({"error": "access_denied", "state": "st"}, "error"),
        ({"error": "server_error", "state": "st"}, "error"),
        ({"state": "st"}, "error"),
    ],
)
def test_a_callback_that_is_not_ours_or_not_complete_is_refused(params: dict[str, str], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_callback(SPEC, params, "st")
    assert caught.value.field == field


def test_a_good_callback_gives_the_code() -> None:
    assert check_callback(SPEC, {"code": "c", "state": "st"}, "st") == "c"
    assert check_callback(SPEC, {"code": "c#_", "state": "st", "iss": "https://id.example"}, "st") == "c"
    with pytest.raises(BadInput):
        check_callback(SPEC, {"code": "c", "state": ""}, "")


# Refusals

CONFIG = PlatformConfig(Platform("x"), "https://api.x.com", "https://x.com", "id", "secret-secret")
CRED = Credentials("access", "refresh-refresh")
Handler = Callable[[httpx2.Request], httpx2.Response]


def client(handler: Handler) -> HttpClient:
    return HttpClient(Pools(allow_private=True, transport=httpx2.MockTransport(handler)))


def answering(status: int, **body: object) -> HttpClient:
    return client(lambda request: httpx2.Response(status, **body))  # type: ignore[arg-type]


SPENT = {"error": "invalid_request", "error_description": "Value passed for the token was invalid."}
INSTAGRAM_BAD_CODE = {
    "error_type": "OAuthException",
    "code": 400,
    "error_message": "Matching code was not found or was already used",
}
CASES: list[tuple[str, int, dict[str, object], type[PlatformError], type[PlatformError]]] = [
    ("invalid_grant", 400, {"json": {"error": "invalid_grant"}}, ReconnectNeeded, ReconnectNeeded),
    ("spent", 400, {"json": SPENT}, ReconnectNeeded, ReconnectNeeded),
    ("instagram", 400, {"json": INSTAGRAM_BAD_CODE}, ReconnectNeeded, ReconnectNeeded),
    ("bad secret", 401, {"json": {"error": "invalid_client"}}, ReconnectNeeded, ReconnectNeeded),
    ("other 400", 400, {"json": {"error": "invalid_request"}}, ReconnectNeeded, UnexpectedReply),
    ("gateway page", 403, {"text": "<html>"}, UnexpectedReply, UnexpectedReply),
    ("busy", 503, {"text": "<html>"}, Unavailable, OutcomeUnknown),
    ("throttled", 429, {"json": {}, "headers": {"retry-after": "60"}}, Throttled, Throttled),
    ("html 200", 200, {"text": "<html>"}, OutcomeUnknown, OutcomeUnknown),
    ("no token", 200, {"json": {"token_type": "bearer"}}, OutcomeUnknown, OutcomeUnknown),
    ("a list", 200, {"json": []}, OutcomeUnknown, OutcomeUnknown),
]


@pytest.mark.parametrize(
    ("name", "status", "body", "at_exchange", "at_refresh"), CASES, ids=[case[0] for case in CASES]
)
def test_each_refusal_has_its_cure(
    name: str, status: int, body: dict[str, object], at_exchange: type[PlatformError], at_refresh: type[PlatformError]
) -> None:
    clock = ManualClock(NOW)
    with pytest.raises(PlatformError) as first:
        exchange(answering(status, **body), CONFIG, CALLBACK, "code", "v" * 43, clock=clock, spec=oauth_spec(CONFIG))
    with pytest.raises(PlatformError) as second:
        refresh_tokens(answering(status, **body), CONFIG, CRED, oauth_spec(CONFIG), clock=clock)
    assert (type(first.value), type(second.value)) == (at_exchange, at_refresh)
    for caught in (first.value, second.value):
        assert caught.http_status == status
        if isinstance(caught, Throttled):
            assert caught.retry_at == NOW + timedelta(seconds=60)


def broken(error: type[httpx2.TransportError]) -> HttpClient:
    def handle(request: httpx2.Request) -> httpx2.Response:
        raise error("gone")

    return client(handle)


def test_a_cut_is_unknown_and_a_closed_door_is_not() -> None:
    acts: list[Callable[[HttpClient], Credentials]] = [
        lambda http: exchange(http, CONFIG, CALLBACK, "code", "v" * 43, spec=oauth_spec(CONFIG)),
        lambda http: refresh_tokens(http, CONFIG, CRED, oauth_spec(CONFIG)),
    ]
    for act in acts:
        with pytest.raises(OutcomeUnknown):
            act(broken(httpx2.ReadTimeout))
        with pytest.raises(Unavailable):
            act(broken(httpx2.ConnectError))


def test_the_client_proves_itself_as_the_platform_wants() -> None:
    seen: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={"access_token": "new", "expires_in": "7200", "scope": "a b"})

    fresh = refresh_tokens(client(handle), CONFIG, CRED, oauth_spec(CONFIG), clock=ManualClock(NOW))
    assert seen[-1].headers["authorization"].startswith("Basic ") and b"client_secret" not in seen[-1].content
    assert fresh == Credentials("new", "refresh-refresh", NOW + timedelta(hours=2), scopes=("a", "b"))
    public = PlatformConfig(Platform("x"), "https://api.x.com", "https://x.com", "id")
    refresh_tokens(client(handle), public, CRED, oauth_spec(public))
    assert "authorization" not in seen[-1].headers and b"client_id=id" in seen[-1].content
    linkedin = PlatformConfig(Platform("linkedin"), "https://api.linkedin.com", "https://www.linkedin.com", "id", "sec")
    refresh_tokens(client(handle), linkedin, CRED, oauth_spec(linkedin))
    assert b"client_secret=sec" in seen[-1].content and b"scope" not in seen[-1].content
    assert all(request.headers["x-request-id"] for request in seen)


@pytest.mark.parametrize("life", [None, "soon", -1, 0, 1e300])
def test_an_unusable_life_of_a_token_is_unknown_and_no_error(life: object) -> None:
    http = answering(200, json={"access_token": "new", "expires_in": life})
    assert refresh_tokens(http, CONFIG, CRED, oauth_spec(CONFIG)).expires_at is None


def test_no_secret_is_in_an_error() -> None:
    http = answering(400, json={"error": "invalid_grant", "refresh_token": "refresh-refresh"}).bound(
        secrets=["refresh-refresh"]
    )
    with pytest.raises(ReconnectNeeded) as caught:
        refresh_tokens(http, CONFIG, CRED, oauth_spec(CONFIG))
    assert "refresh-refresh" not in caught.value.detail + caught.value.message
