"""Consent, codes, PKCE, refreshing and revoking on every platform."""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from postprober.sandbox.control.client import Control
from tests.sandbox.conftest import MovableClock

REDIRECT = "http://127.0.0.1:8000/callback"
VERIFIER = "a" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
CLIENT = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}
AUTHORIZE = {
    "x": "/x/i/oauth2/authorize",
    "linkedin": "/linkedin/oauth/v2/authorization",
    "instagram": "/instagram/oauth/authorize",
    "mastodon": "/mastodon/oauth/authorize",
}
TOKEN = {
    "x": "/x/2/oauth2/token",
    "linkedin": "/linkedin/oauth/v2/accessToken",
    "instagram": "/instagram/oauth/access_token",
    "mastodon": "/mastodon/oauth/token",
}
SCOPES = {
    "x": "tweet.read tweet.write users.read offline.access",
    "linkedin": "openid profile w_member_social",
    "instagram": "instagram_business_basic,instagram_business_content_publish",
    "mastodon": "profile read:statuses write:statuses",
}
platforms = pytest.mark.parametrize("platform", sorted(AUTHORIZE))


class Flow:
    """The browser and the app of one authorization."""

    def __init__(self, platform: str, http: httpx2.Client, control: Control) -> None:
        self.platform, self.http, self.control = platform, http, control
        self.client = dict(CLIENT)
        if platform == "mastodon":
            form = {"client_name": "PostProber", "redirect_uris": REDIRECT, "scopes": SCOPES[platform]}
            app = http.post("/mastodon/api/v1/apps", data=form).json()
            self.client = {name: app[name] for name in ("client_id", "client_secret")}

    def query(self, **changes: str) -> dict[str, str]:
        asked = {
            "response_type": "code",
            "client_id": self.client["client_id"],
            "redirect_uri": REDIRECT,
            "state": "s&t",
            "scope": SCOPES[self.platform],
        }
        if self.platform in ("x", "mastodon"):
            asked |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        return asked | changes

    def ask(self, **changes: str) -> httpx2.Response:
        return self.http.get(AUTHORIZE[self.platform], params=self.query(**changes))

    def decide(self, decision: str = "allow", **changes: str) -> dict[str, list[str]]:
        form = self.query(**changes) | {"account": "alice", "decision": decision}
        response = self.http.post(f"/{self.platform}/_consent", data=form)
        assert response.status_code == 302, response.text
        assert response.headers["location"].startswith(REDIRECT + "?")
        return parse_qs(urlsplit(response.headers["location"]).query)

    def redeem(self, code: str, **changes: str) -> httpx2.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT} | self.client
        if self.platform in ("x", "mastodon"):
            form["code_verifier"] = VERIFIER
        return self.http.post(TOKEN[self.platform], data=form | changes)

    def refresh(self, token: str) -> httpx2.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token} | self.client
        return self.http.post(TOKEN[self.platform], data=form)


def granted(response: httpx2.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body["data"][0] if "data" in body else body


@pytest.fixture
def flow(platform: str, http: httpx2.Client, control: Control) -> Flow:
    control.account(platform, "alice", partner=True)
    return Flow(platform, http, control)


@platforms
def test_the_consent_page_names_the_accounts_and_offers_both_answers(flow: Flow) -> None:
    page = flow.ask()
    assert page.status_code == 200
    assert 'value="alice"' in page.text
    assert ">Allow<" in page.text
    assert ">Deny<" in page.text
    assert "<script" not in page.text


@platforms
def test_an_allowed_request_ends_in_a_token_that_works(flow: Flow, platform: str, http: httpx2.Client) -> None:
    answer = flow.decide()
    assert answer["state"] == ["s&t"]
    token = granted(flow.redeem(answer["code"][0]))["access_token"]
    paths = {
        "x": "/x/2/users/me",
        "linkedin": "/linkedin/v2/userinfo",
        "instagram": "/instagram/me?fields=username",
        "mastodon": "/mastodon/api/v1/accounts/verify_credentials",
    }
    me = http.get(paths[platform], headers={"authorization": f"Bearer {token}"})
    assert me.status_code == 200
    assert "alice" in me.text


@platforms
def test_a_denied_request_says_so(flow: Flow) -> None:
    answer = flow.decide("deny")
    assert (answer["error"], answer["state"]) == (["access_denied"], ["s&t"])
    assert "code" not in answer


@platforms
def test_a_code_works_once_and_a_second_use_kills_its_tokens(flow: Flow, control: Control, platform: str) -> None:
    code = flow.decide()["code"][0]
    granted(flow.redeem(code))
    assert flow.redeem(code).status_code in (400, 401)
    if platform == "x":
        refresh = control.account("x", "alice")["refresh_token"]
        assert flow.refresh(refresh).status_code == 400


@platforms
def test_a_code_grows_old(flow: Flow, clock: MovableClock, platform: str) -> None:
    lifetime = {"x": 30, "linkedin": 1800, "instagram": 3600, "mastodon": 600}[platform]
    code = flow.decide()["code"][0]
    clock.advance(lifetime + 1)
    assert flow.redeem(code).status_code in (400, 401)


@platforms
def test_a_code_is_bound_to_its_redirect_uri(flow: Flow) -> None:
    code = flow.decide()["code"][0]
    assert flow.redeem(code, redirect_uri=REDIRECT + "/other").status_code in (400, 401)


@pytest.mark.parametrize("platform", ["x", "mastodon"])
def test_a_code_is_bound_to_its_verifier(flow: Flow) -> None:
    assert flow.redeem(flow.decide()["code"][0], code_verifier="b" * 64).status_code == 400


@pytest.mark.parametrize("platform", ["linkedin", "instagram", "mastodon"])
def test_a_wrong_client_secret_is_refused(flow: Flow) -> None:
    code = flow.decide()["code"][0]
    assert flow.redeem(code, client_secret="wrong").status_code in (400, 401)


@pytest.mark.parametrize("platform", ["x"])
def test_x_demands_pkce(flow: Flow) -> None:
    refused = flow.ask(code_challenge="")
    assert refused.status_code == 400
    assert "code_challenge" in refused.text


@platforms
def test_a_redirect_to_another_machine_is_refused(flow: Flow) -> None:
    assert flow.ask(redirect_uri="https://example.com/callback").status_code == 400


@pytest.mark.parametrize("platform", ["x"])
def test_refreshing_rotates_and_reuse_kills_the_chain(flow: Flow) -> None:
    first = granted(flow.redeem(flow.decide()["code"][0]))
    second = granted(flow.refresh(first["refresh_token"]))
    assert second["refresh_token"] != first["refresh_token"]
    assert flow.refresh(first["refresh_token"]).status_code == 400
    assert flow.refresh(second["refresh_token"]).status_code == 400


@pytest.mark.parametrize("platform", ["x"])
def test_without_offline_access_there_is_no_refresh_token(flow: Flow) -> None:
    answer = flow.decide(scope="tweet.read users.read")
    assert "refresh_token" not in granted(flow.redeem(answer["code"][0]))


@pytest.mark.parametrize("platform", ["x"])
def test_a_cut_refresh_has_rotated_all_the_same(flow: Flow, control: Control) -> None:
    old = control.account("x", "alice")["refresh_token"]
    control.fault("x", "refresh_cut")
    with pytest.raises(httpx2.RemoteProtocolError):
        flow.refresh(old)
    assert control.account("x", "alice")["refresh_token"] != old
    assert flow.refresh(old).status_code == 400


@pytest.mark.parametrize("platform", ["x", "linkedin"])
def test_a_refused_refresh_leaves_the_old_token_usable(flow: Flow, control: Control) -> None:
    old = control.account(flow.platform, "alice")["refresh_token"]
    control.fault(flow.platform, "refresh_refused")
    assert flow.refresh(old).status_code == 400
    assert flow.refresh(old).status_code == 200


@pytest.mark.parametrize("platform", ["x"])
def test_a_fault_of_refreshing_spares_the_exchange_of_a_code(flow: Flow, control: Control) -> None:
    control.fault("x", "refresh_cut")
    assert flow.redeem(flow.decide()["code"][0]).status_code == 200


@pytest.mark.parametrize("platform", ["linkedin"])
def test_linkedin_refreshes_for_partners_only_and_keeps_the_refresh_token(
    flow: Flow, control: Control, http: httpx2.Client
) -> None:
    partner = granted(flow.redeem(flow.decide()["code"][0]))
    again = granted(flow.refresh(partner["refresh_token"]))
    assert again["refresh_token"] == partner["refresh_token"]
    assert again["access_token"] != partner["access_token"]
    control.account("linkedin", "alice", partner=False)
    assert "refresh_token" not in granted(flow.redeem(flow.decide()["code"][0]))


@pytest.mark.parametrize("platform", ["linkedin"])
def test_linkedin_introspection_tells_active_expired_and_revoked(
    flow: Flow, control: Control, http: httpx2.Client
) -> None:
    def status(token: str) -> str:
        reply = http.post("/linkedin/oauth/v2/introspectToken", data=CLIENT | {"token": token})
        return str(reply.json()["status"])

    token = control.account("linkedin", "alice")["access_token"]
    assert status(token) == "active"
    control.expire("linkedin", "alice")
    assert status(token) == "expired"
    http.post("/linkedin/oauth/v2/revoke", data=CLIENT | {"token": token})
    assert status(token) == "revoked"


@pytest.mark.parametrize("platform", ["instagram"])
def test_instagram_tokens_are_exchanged_and_refreshed_after_a_day(
    flow: Flow, http: httpx2.Client, clock: MovableClock
) -> None:
    short = granted(flow.redeem(flow.decide()["code"][0]))["access_token"]
    exchange = {"grant_type": "ig_exchange_token", "client_secret": "sandbox-secret", "access_token": short}
    long = http.get("/instagram/access_token", params=exchange).json()
    refresh = {"grant_type": "ig_refresh_token", "access_token": long["access_token"]}
    early = http.get("/instagram/refresh_access_token", params=refresh)
    clock.advance(25 * 3600)
    later = http.get("/instagram/refresh_access_token", params=refresh)
    assert long["expires_in"] == 60 * 86400
    assert (early.status_code, later.status_code) == (400, 200)
    assert http.get("/instagram/me", params={"access_token": short}).json()["error"]["code"] == 190


@pytest.mark.parametrize("platform", ["mastodon"])
def test_mastodon_tells_where_its_endpoints_are(flow: Flow, http: httpx2.Client) -> None:
    found = http.get("/mastodon/.well-known/oauth-authorization-server").json()
    assert urlsplit(found["token_endpoint"]).path == TOKEN["mastodon"]
    assert urlsplit(found["authorization_endpoint"]).path == AUTHORIZE["mastodon"]
    assert found["code_challenge_methods_supported"] == ["S256"]


@pytest.mark.parametrize(("platform", "path"), [("x", "/x/2/oauth2/revoke"), ("mastodon", "/mastodon/oauth/revoke")])
def test_a_revoked_token_is_dead(flow: Flow, http: httpx2.Client, path: str) -> None:
    token = granted(flow.redeem(flow.decide()["code"][0]))["access_token"]
    assert http.post(path, data=flow.client | {"token": token}).status_code == 200
    me = {"x": "/x/2/users/me", "mastodon": "/mastodon/api/v1/accounts/verify_credentials"}[flow.platform]
    assert http.get(me, headers={"authorization": f"Bearer {token}"}).status_code == 401


def bluesky_refresh(http: httpx2.Client, token: str) -> httpx2.Response:
    path = "/bluesky/xrpc/com.atproto.server.refreshSession"
    return http.post(path, headers={"authorization": f"Bearer {token}"})


def test_a_cut_bluesky_refresh_can_be_repeated_for_two_hours(
    control: Control, http: httpx2.Client, clock: MovableClock
) -> None:
    old = control.account("bluesky", "alice")["refresh_token"]
    control.fault("bluesky", "refresh_cut")
    with pytest.raises(httpx2.RemoteProtocolError):
        bluesky_refresh(http, old)
    again = bluesky_refresh(http, old).json()
    assert again["refreshJwt"] == control.account("bluesky", "alice")["refresh_token"]
    clock.advance(7300)
    assert bluesky_refresh(http, old).json()["error"] == "ExpiredToken"


def test_a_refused_bluesky_refresh_says_the_token_expired(control: Control, http: httpx2.Client) -> None:
    control.fault("bluesky", "refresh_refused")
    refused = bluesky_refresh(http, control.account("bluesky", "alice")["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "ExpiredToken")


def test_an_access_jwt_names_its_end(control: Control) -> None:
    token = control.account("bluesky", "alice")["access_token"]
    claims = token.split(".")[1]
    decoded = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))
    assert b'"exp"' in decoded
    assert b"com.atproto.access" in decoded
