"""Error bodies of the sandbox are those that the platforms send (`errors` in docs/facts.md, 7)."""

from typing import Any

import httpx2
import pytest

from postprober.sandbox.control.client import Control
from postprober.sandbox.serve import SandboxServer
from tests.sandbox.contracts import error_rows
from tests.sandbox.posters import (
    MAKERS,
    BlueskyPoster,
    InstagramPoster,
    LinkedInPoster,
    MastodonPoster,
    Poster,
    XPoster,
)


def row(name: str, row_id: str) -> tuple[int, Any]:
    found = next(r for r in error_rows(name) if r["id"] == row_id)
    return found["status"], found["body"]


def seen(response: httpx2.Response) -> tuple[int, Any]:
    return response.status_code, response.json()


@pytest.fixture
def x(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> XPoster:
    sandbox.control.settings(x_dialect="legacy")  # the fixtures quote the older host in `type`
    return XPoster(sandbox, http, picture)


@pytest.fixture
def linkedin(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> LinkedInPoster:
    return LinkedInPoster(sandbox, http, picture)


@pytest.fixture
def instagram(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> InstagramPoster:
    return InstagramPoster(sandbox, http, picture)


@pytest.fixture
def mastodon(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> MastodonPoster:
    return MastodonPoster(sandbox, http, picture)


@pytest.fixture
def bluesky(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> BlueskyPoster:
    return BlueskyPoster(sandbox, http, picture)


def test_x_refusals_without_faults(x: XPoster, control: Control, http: httpx2.Client) -> None:
    x.create("twice")
    bob = control.account("x", "bob", scopes=["tweet.read", "users.read"])
    reader = {"authorization": f"Bearer {bob['access_token']}"}
    post_id = x.truth()[0]["id"]
    writer = control.account("x", "eve")["access_token"]
    listing = f"/x/2/users/{x.account['id']}/tweets?max_results=200"
    seen_rows = {
        "x.duplicate": x.create("twice"),
        "x.too_long": x.create("a" * 281),
        "x.missing_scope": http.post("/x/2/tweets", headers=reader, json={"text": "no"}),
        "x.invalid_token": http.get("/x/2/users/me", headers={"authorization": "Bearer nobody"}),
        "x.invalid_request": http.get(listing, headers=x.headers),
        "x.not_found_200": http.get("/x/2/tweets/1", headers=x.headers),
        "x.delete_not_owner": http.delete(f"/x/2/tweets/{post_id}", headers={"authorization": f"Bearer {writer}"}),
    }
    for row_id, response in seen_rows.items():
        assert seen(response) == row("x_errors.json", row_id), row_id


@pytest.mark.parametrize(
    ("kind", "params", "row_id"),
    [
        ("rate_limited", {}, "x.rate_limit_problem"),
        ("error_before_accept", {}, "x.server_error"),
        ("error_before_accept", {"status": 503}, "x.service_unavailable"),
        ("unauthorized", {}, "x.invalid_token"),
        ("duplicate", {}, "x.duplicate"),
    ],
)
def test_x_refusals_by_fault(x: XPoster, kind: str, params: dict[str, Any], row_id: str) -> None:
    x.fault(kind, params=params)
    assert seen(x.create("text")) == row("x_errors.json", row_id)


def test_x_token_errors(x: XPoster, http: httpx2.Client) -> None:
    client = {"client_id": "sandbox-client"}
    refresh = http.post("/x/2/oauth2/token", data=client | {"grant_type": "refresh_token", "refresh_token": "x"})
    code = http.post("/x/2/oauth2/token", data=client | {"grant_type": "authorization_code", "code": "x"})
    assert seen(refresh) == row("x_errors.json", "x.oauth_bad_refresh")
    assert seen(code) == row("x_errors.json", "x.oauth_bad_code")


def test_linkedin_refusals_without_faults(linkedin: LinkedInPoster, http: httpx2.Client) -> None:
    headers, body = linkedin.headers, linkedin.body("text")
    without_author = {name: value for name, value in body.items() if name != "author"}

    def post(headers: dict[str, str], body: Any = body) -> httpx2.Response:
        return http.post("/linkedin/rest/posts", headers=headers, json=body)

    old = headers | {"linkedin-version": "202311"}
    seen_rows = {
        "li.empty_token": post({k: v for k, v in headers.items() if k != "authorization"}),
        "li.invalid_token": post(headers | {"authorization": "Bearer nobody"}),
        "li.schema": post(headers, without_author),
        "li.illegal_argument": http.get("/linkedin/rest/posts?q=nothing", headers=headers),
        "li.version_missing": post({k: v for k, v in headers.items() if k != "linkedin-version"}),
        "li.version_sunset": post(old),
    }
    for row_id, response in seen_rows.items():
        assert seen(response) == row("linkedin_errors.json", row_id), row_id
    too_long = post(headers, linkedin.body("a" * 3001))
    status, expected = row("linkedin_errors.json", "li.too_long")
    assert (too_long.status_code, too_long.json()["code"]) == (status, expected["code"])


def test_linkedin_names_the_earlier_post_when_it_refuses_a_duplicate(linkedin: LinkedInPoster) -> None:
    urn = linkedin.id_of(linkedin.create("twice"))
    status, body = row("linkedin_errors.json", "li.duplicate")
    body["message"] = body["message"].replace("urn:li:share:7141138937766391808", urn)
    assert seen(linkedin.create("twice")) == (status, body)


def test_linkedin_denies_reading_without_the_closed_scope(sandbox: SandboxServer, http: httpx2.Client) -> None:
    account = sandbox.control.account("linkedin", "bob")
    headers = {
        "authorization": f"Bearer {account['access_token']}",
        "linkedin-version": "202611",
        "x-restli-protocol-version": "2.0.0",
    }
    finder = http.get(f"/linkedin/rest/posts?q=author&author=urn:li:person:{account['id']}", headers=headers)
    one = http.get("/linkedin/rest/posts/urn%3Ali%3Ashare%3A1", headers=headers)
    status, body = row("linkedin_errors.json", "li.access_denied")
    body["message"] = "Not enough permissions to access: partnerApiPostsExternal.FINDER-author.20261101"
    assert seen(finder) == (status, body)
    assert (one.status_code, one.json()["code"]) == (403, "ACCESS_DENIED")


@pytest.mark.parametrize(
    ("kind", "params", "row_id"),
    [
        ("rate_limited", {}, "li.rate_limit"),
        ("error_before_accept", {}, "li.server"),
        ("error_before_accept", {"status": 504}, "li.gateway"),
        ("unauthorized", {}, "li.expired_token"),
        ("revoked", {}, "li.revoked_token"),
    ],
)
def test_linkedin_refusals_by_fault(linkedin: LinkedInPoster, kind: str, params: dict[str, Any], row_id: str) -> None:
    linkedin.fault(kind, params=params)
    assert seen(linkedin.create("text")) == row("linkedin_errors.json", row_id)


def test_linkedin_token_errors(http: httpx2.Client, control: Control) -> None:
    form = {"grant_type": "authorization_code", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}
    refused = http.post("/linkedin/oauth/v2/accessToken", data=form | {"code": "x"})
    assert seen(refused) == row("linkedin_errors.json", "li.oauth_code")


def graph(response: httpx2.Response) -> tuple[int, int, int | None]:
    error = response.json()["error"]
    assert {"message", "type", "code", "fbtrace_id"} <= set(error)
    assert error["type"] == "OAuthException"
    return response.status_code, error["code"], error.get("error_subcode")


def test_instagram_refusals_are_rows_of_the_table(
    instagram: InstagramPoster, sandbox: SandboxServer, http: httpx2.Client, control: Control
) -> None:
    def hosted(data: bytes) -> str:
        return f"{sandbox.url}/_media/{sandbox.world.keep_bytes(data, 'image/jpeg')}"

    wide = instagram.picture.replace(b"\x00\x40\x00\x40", b"\x00\x10\x00\x40", 1)
    published = instagram.create("once", "k")
    assert published.status_code == 200
    control.settings(container_seconds=60)
    unfinished = instagram.container(caption="wait").json()["id"]
    control.settings(container_seconds=0)
    seen_rows = {
        (36004, 2207010): instagram.container(caption="a" * 2201),
        (9004, 2207052): instagram.container(image_url=f"{sandbox.url}/nothing"),
        (36001, 2207005): instagram.container(image_url=hosted(b"\x89PNG\r\n\x1a\n" + b"0" * 30)),
        (36000, 2207004): instagram.container(image_url=hosted(instagram.picture + b"0" * 8 * 1024 * 1024)),
        (36003, 2207009): instagram.container(image_url=hosted(wide)),
        (352, 2207026): instagram.container(media_type="REELS", video_url=instagram.image_url),
        (100, 2207028): instagram.container(media_type="CAROUSEL", children=unfinished),
        (9007, 2207027): instagram.publish(unfinished),
        (24, 2207006): instagram.publish("123"),
        (24, 2207008): instagram.publish(instagram.containers["k"]),
        (100, 33): instagram.get("17900000000000000", fields="id"),
    }
    rows = {(r["status"], r["code"], r["error_subcode"]) for r in error_rows("instagram_errors.json")}
    for (code, subcode), response in seen_rows.items():
        assert graph(response) == (400, code, subcode)
        assert graph(response) in rows


@pytest.mark.parametrize(
    ("kind", "params", "expected"),
    [
        ("rate_limited", {}, (400, 80002, None)),
        ("rate_limited", {"code": 4, "status": 403}, (403, 4, None)),
        ("unauthorized", {}, (400, 190, 463)),
        ("revoked", {}, (400, 190, 458)),
        ("error_before_accept", {}, (500, 1, None)),
        ("duplicate", {}, (400, 506, None)),
    ],
)
def test_instagram_refusals_by_fault(
    instagram: InstagramPoster, kind: str, params: dict[str, Any], expected: tuple[int, int, int | None]
) -> None:
    container = instagram.container(caption="text").json()["id"]
    instagram.fault(kind, params=params)
    assert graph(instagram.publish(container)) == expected


def test_mastodon_refusals(mastodon: MastodonPoster, control: Control, http: httpx2.Client) -> None:
    reader = control.account("mastodon", "bob", scopes=["read:statuses"])["access_token"]
    rows = {(r["status"], r["body"]["error"]) for r in error_rows("other_errors.json")["mastodon"]}
    replies = [
        http.post("/mastodon/api/v1/statuses", headers={"authorization": "Bearer nobody"}, json={"status": "a"}),
        http.post("/mastodon/api/v1/statuses", headers={"authorization": f"Bearer {reader}"}, json={"status": "a"}),
        mastodon.read("1"),
        mastodon.create("a" * 501),
        mastodon.create(""),
    ]
    for kind, params in (("rate_limited", {}), ("error_before_accept", {"status": 503})):
        mastodon.fault(kind, params=params)
        replies.append(mastodon.create("text"))
    assert {(r.status_code, r.json()["error"]) for r in replies} == rows


def test_bluesky_refusals(bluesky: BlueskyPoster, control: Control, http: httpx2.Client) -> None:
    rows = {(r["status"], r["body"]["error"]): r["body"] for r in error_rows("other_errors.json")["bluesky"]}
    wrong = {"identifier": "alice.bsky.test", "password": "wrong"}
    session = "/bluesky/xrpc/com.atproto.server"
    replies = [
        http.post(f"{session}.createSession", json=wrong),
        http.get(f"{session}.getSession"),
        http.get(f"{session}.getSession", headers={"authorization": "Bearer nobody"}),
        bluesky.create("a" * 301),
        bluesky.read("at://x/y/3jzfcijpj2z2a"),
        bluesky.write("putRecord", rkey="3jzfcijpj2z2a", record=bluesky.record("a"), swapRecord="bafy"),
    ]
    control.expire("bluesky", "alice")
    replies.append(bluesky.create("late"))
    bluesky.headers["authorization"] = f"Bearer {control.account('bluesky', 'alice', fresh=True)['access_token']}"
    for kind, params in (("rate_limited", {}), ("error_before_accept", {}), ("error_before_accept", {"status": 502})):
        bluesky.fault(kind, params=params)
        replies.append(bluesky.create("text"))
    assert {(r.status_code, r.json()["error"]) for r in replies} == set(rows)
    free = ("RecordNotFound", "InvalidSwap")  # their messages name a record
    for response in replies:
        body = response.json()
        assert body["error"] in free or body == rows[(response.status_code, body["error"])]


FORMS = ["seconds", "date", "epoch", "iso", "missing", "past", "ten_years", "platform"]
RESET = {"x": "x-rate-limit-reset", "mastodon": "x-ratelimit-reset", "bluesky": "ratelimit-reset"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("platform", sorted(MAKERS))
def test_rate_limits_come_in_every_form(
    sandbox: SandboxServer, http: httpx2.Client, picture: bytes, platform: str, form: str
) -> None:
    poster: Poster = MAKERS[platform](sandbox, http, picture)
    poster.create("before", "3jzfcijpj2z2a")
    poster.fault("rate_limited", params={"form": form, "seconds": 90}, operation="timeline")
    response = poster.listing()
    assert response.status_code == (400 if platform == "instagram" else 429)
    told = {name for name in response.headers if name in ("retry-after", "x-business-use-case-usage", *RESET.values())}
    if form == "missing" or (form == "platform" and platform == "linkedin"):
        assert told == set()
    elif form in ("seconds", "date"):
        assert told == {"retry-after"}
        assert response.headers["retry-after"] == "90" or response.headers["retry-after"].endswith("GMT")
    elif platform == "instagram" and form in ("platform", "past", "ten_years"):
        assert told == {"x-business-use-case-usage"}
    else:
        assert told == {RESET.get(platform, "retry-after")}
    assert poster.listing().status_code == 200
