"""The sidecar over HTTP: health, signed media, the session cookie and the way back from consent pages."""

from __future__ import annotations

import http.server
import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx2
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from pydantic import SecretStr

from postprober.api.__main__ import SERVER
from postprober.api.app import create_app
from postprober.api.deps import COOKIE, TICKET
from postprober.clock import ManualClock
from postprober.domain.platform import Platform
from postprober.errors import BadInput, PostProberError
from postprober.pipeline.core.tokens import open_credentials
from postprober.security.tokens import sign
from postprober.services.accounts import accounts, linking
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.people import users
from postprober.storage import media as media_storage
from postprober.storage import users as user_storage
from postprober.storage.tables import sessions
from tests.installed import Installation
from tests.people import acting


@pytest.fixture
def core(installation: Installation) -> Core:
    return replace(installation.core, clock=ManualClock(installation.core.clock.now()))


@pytest.fixture
def client(core: Core) -> Iterator[TestClient]:
    with TestClient(create_app(core), base_url="http://127.0.0.1:8000", follow_redirects=False) as made:
        yield made


@pytest.mark.parametrize("path", ["/healthz", "/api/healthz"])
def test_it_says_that_it_lives(client: TestClient, path: str) -> None:
    assert client.get(path).json() == {"status": "ok"}


# Signed media


def stored(core: Core, owner: int, size: tuple[int, int] = (1600, 1200)) -> int:
    out = io.BytesIO()
    Image.new("RGBA", size, (10, 200, 30, 128)).save(out, "PNG")
    return media.add_bytes(core, acting(core, owner), "a.png", out.getvalue())


def url_of(core: Core, media_id: int, platform: Platform = Platform("instagram")) -> str:
    with core.db.read() as conn:
        record = media_storage.get_many(conn, [media_id])[0]
    return urlsplit(media.public_url(core.settings, core.clock.now().timestamp(), record, platform)).path


def test_instagram_gets_a_jpeg_within_its_limits(client: TestClient, core: Core, installation: Installation) -> None:
    path = url_of(core, stored(core, installation.owner))
    assert path.endswith(".jpg")
    reply = client.get(path)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/jpeg")
    with Image.open(io.BytesIO(reply.content)) as image:
        assert image.format == "JPEG" and max(image.size) <= 1440
        assert not image.getexif()
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_a_head_request_tells_the_same_without_a_body(
    client: TestClient, core: Core, installation: Installation
) -> None:
    path = url_of(core, stored(core, installation.owner))
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]
    assert head.headers["content-type"] == got.headers["content-type"]


def test_a_signed_address_that_was_changed_or_ended_or_is_for_something_else_is_refused(
    client: TestClient, core: Core, installation: Installation
) -> None:
    media_id = stored(core, installation.owner)
    path = url_of(core, media_id)
    now, secret = core.clock.now().timestamp(), core.settings.secret_key
    claims = {"id": media_id, "p": "instagram"}
    wrong = [
        path.replace(".jpg", "x.jpg"),
        path[:-10] + "AAAAAA.jpg",
        "/api/media/public/" + sign(secret, "ticket", claims, now=now, lifetime=60) + ".jpg",
        "/api/media/public/" + sign(SecretStr("x" * 40), "media", claims, now=now, lifetime=60) + ".jpg",
        "/api/media/public/" + sign(secret, "media", claims, now=now - 100, lifetime=60) + ".jpg",
        "/api/media/public/nothing",
        "/api/media/public/a.b.c.d",
    ]
    for bad in wrong:
        reply = client.get(bad)
        assert reply.status_code == 403, bad
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["detail"].startswith("The link or token")
    assert client.get(path).status_code == 200
    assert isinstance(core.clock, ManualClock)
    core.clock.advance(media.URL_LIFE + 1)
    assert client.get(path).status_code == 403


def test_a_file_that_is_gone_is_not_found(client: TestClient, core: Core, installation: Installation) -> None:
    now, secret = core.clock.now().timestamp(), core.settings.secret_key
    gone = sign(secret, "media", {"id": 999, "p": "x"}, now=now, lifetime=60)
    assert client.get(f"/api/media/public/{gone}").status_code == 404
    path = url_of(core, stored(core, installation.owner))
    for file in core.settings.data_dir.rglob("media/*/*"):
        file.unlink()
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/api/media/public/../../secrets.json", "/api/media/public/%2e%2e%2fsecrets.json"])
def test_no_address_leads_out_of_the_media_folder(client: TestClient, path: str) -> None:
    assert client.get(path).status_code in (403, 404)


# The session


def cookie_of(reply: httpx2.Response) -> SimpleCookie:
    found = SimpleCookie()
    for line in reply.headers.get_list("set-cookie"):
        found.load(line)
    return found


def begin(client: TestClient, ticket: str, **params: str) -> httpx2.Response:
    return client.get("/api/session/begin", params=params, headers={"Cookie": f"{TICKET}={ticket}".encode()})


def signed_in(client: TestClient, core: Core, email: str = "owner@example.org") -> str:
    with core.db.read() as conn:
        user = user_storage.by_email(conn, email)
    assert user is not None
    reply = begin(client, users.issue_ticket(core, user))
    assert (reply.status_code, reply.headers["location"]) == (303, core.settings.app_base)
    return cookie_of(reply)[COOKIE].value


def test_a_ticket_is_exchanged_once_for_a_cookie_that_scripts_cannot_read(client: TestClient, core: Core) -> None:
    with core.db.read() as conn:
        user = user_storage.by_email(conn, "owner@example.org")
    assert user is not None
    ticket = users.issue_ticket(core, user)
    reply = begin(client, ticket)
    morsel = cookie_of(reply)[COOKIE]
    assert morsel["httponly"] is True and morsel["samesite"].lower() == "lax" and morsel["path"] == "/"
    assert int(morsel["max-age"]) == users.SESSION_LIFE.total_seconds()
    assert cookie_of(reply)[TICKET].value == "" and ticket not in str(reply.headers)
    again = begin(client, ticket)
    assert again.status_code == 403 and "set-cookie" not in again.headers
    assert users.session_user(core, morsel.value) is not None


def test_the_cookie_is_secure_where_the_app_is(core: Core) -> None:
    core.settings.app_url = "https://app.example.org"
    with TestClient(create_app(core), base_url="http://127.0.0.1:8000", follow_redirects=False) as client:
        with core.db.read() as conn:
            user = user_storage.by_email(conn, "owner@example.org")
        assert user is not None
        ticket = users.issue_ticket(core, user)
        reply = client.get("/api/session/begin", headers={"Cookie": f"__Host-{TICKET}={ticket}"})
    assert cookie_of(reply)[f"__Host-{COOKIE}"]["secure"] is True


@pytest.mark.parametrize("ticket", ["", "nonsense", "é" * 50, "x" * 5000])
def test_a_ticket_nobody_issued_is_refused(client: TestClient, ticket: str) -> None:
    reply = begin(client, ticket)
    assert reply.status_code == 403 and "set-cookie" not in reply.headers


def test_a_link_signs_nobody_out_and_the_cookie_of_a_session_that_is_over_goes(client: TestClient, core: Core) -> None:
    token = signed_in(client, core)
    client.cookies.clear()
    cookie = {"Cookie": f"{COOKIE}={token}"}
    reply = client.get("/api/session/end", headers=cookie)
    assert reply.status_code == 303 and "set-cookie" not in reply.headers
    assert users.session_user(core, token) is not None
    users.sign_out(core, token)
    reply = client.get("/api/session/end", headers=cookie)
    assert reply.status_code == 303 and cookie_of(reply)[COOKIE].value == ""


# The way back from a consent page


def start(core: Core, user_id: int, platform: Platform = Platform("x")) -> dict[str, str]:
    """What the platform will send back: its consent page is approved on the sandbox."""
    url = linking.start(core, acting(core, user_id), platform)
    return dict(parse_qsl(urlsplit(url).query))


def approve(core: Core, installation: Installation, user_id: int, platform: Platform) -> dict[str, str]:
    url = linking.start(core, acting(core, user_id), platform)
    made = installation.made(platform.value)
    with httpx2.Client(follow_redirects=False, trust_env=False) as browser:
        page = browser.get(url)
        assert page.status_code == 200
        fields = {**dict(parse_qsl(urlsplit(url).query)), "decision": "allow", "account": made["name"]}
        reply = browser.post(f"{installation.sandbox.url}/{platform.value}/_consent", data=fields)
    assert reply.status_code in (302, 303), reply.text[:500]
    return dict(parse_qsl(urlsplit(reply.headers["location"]).query))


def test_the_code_of_one_server_is_never_sent_to_another(
    client: TestClient, core: Core, installation: Installation
) -> None:
    """Mix-up: a bad server, asked for consent, sends the browser on to a good one with our own state. The code that comes
    back is the good one's, and would be handed to the bad one with its proof key."""
    bad, good = (
        f"{installation.sandbox.url.replace('127.0.0.1', host)}/mastodon" for host in ("localhost", "127.0.0.1")
    )
    token = signed_in(client, core)
    redirects = {
        instance: dict(
            parse_qsl(
                urlsplit(linking.start(core, acting(core, installation.owner), Platform("mastodon"), instance)).query
            )
        )
        for instance in (bad, good)
    }
    before = tokens_asked(installation)
    issuers = {name: urlsplit(asked["redirect_uri"]).path.rpartition("/")[2] for name, asked in redirects.items()}
    assert issuers[bad] != issuers[good], "the good server leads back to its own address only"
    params = {"code": "code-of-the-good-one", "state": redirects[bad]["state"]}
    result = back(client, f"mastodon/{issuers[good]}", params, token)
    assert "another server" in result["link_error"]
    for path in ("mastodon/", "mastodon/0000000000000000", "x/0000000000000000"):
        assert "link_error" in back(client, path, {**params, "state": redirects[good]["state"]}, token)
    assert accounts.listing(core, acting(core, installation.owner)) == []
    assert tokens_asked(installation) == before, "nobody was shown the code"
    state = (
        linking.start(core, acting(core, installation.owner), Platform("mastodon"), good)
        .partition("state=")[2]
        .partition("&")[0]
    )
    back(client, f"mastodon/{issuers[good]}", {"code": "of-its-own", "state": state}, token)
    assert tokens_asked(installation) == before + 1, "the control: at its own address it is"


def tokens_asked(installation: Installation) -> int:
    return sum(row["path"].endswith("/oauth/token") for row in installation.sandbox.control.log(platform="mastodon"))


def test_a_registration_whose_callback_has_changed_is_made_anew(core: Core, installation: Installation) -> None:
    url = f"{installation.sandbox.url}/mastodon"
    first = dict(
        parse_qsl(urlsplit(linking.start(core, acting(core, installation.owner), Platform("mastodon"), url)).query)
    )
    again = dict(
        parse_qsl(urlsplit(linking.start(core, acting(core, installation.owner), Platform("mastodon"), url)).query)
    )
    assert first["client_id"] == again["client_id"]
    core.settings.public_url = "http://127.0.0.1:8123"
    moved = dict(
        parse_qsl(urlsplit(linking.start(core, acting(core, installation.owner), Platform("mastodon"), url)).query)
    )
    assert moved["client_id"] != first["client_id"] and moved["redirect_uri"].startswith("http://127.0.0.1:8123/")


def back(client: TestClient, platform: str, params: dict[str, str], token: str = "") -> dict[str, str]:
    headers = {"Cookie": f"{COOKIE}={token}"} if token else {}
    client.cookies.clear()
    name, _, issuer = platform.partition("/")
    path = f"/oauth/{name}/callback/{issuer}".rstrip("/")
    reply = client.get(path, params=params, headers=headers)
    assert reply.status_code == 303
    return {k: v[0] for k, v in parse_qs(urlsplit(reply.headers["location"]).query).items()}


def test_a_consent_links_the_account_of_the_person_who_started(
    client: TestClient, core: Core, installation: Installation
) -> None:
    token = signed_in(client, core)
    params = approve(core, installation, installation.owner, Platform("x"))
    result = back(client, "x", params, token)
    assert result.keys() == {"linked", "seal"} and result["linked"].startswith("X: ")
    assert len(accounts.listing(core, acting(core, installation.owner))) == 1
    assert "link_error" in back(client, "x", params, token), "the state works once"
    assert len(accounts.listing(core, acting(core, installation.owner))) == 1


@pytest.mark.parametrize("who", ["", "teammate", "stranger"])
def test_a_consent_in_another_persons_browser_links_nothing(
    client: TestClient, core: Core, installation: Installation, who: str
) -> None:
    """Somebody could be made to link their account to a stranger's PostProber, or the other way round."""
    token = signed_in(client, core, f"{who}@example.org") if who else ""
    params = approve(core, installation, installation.owner, Platform("x"))
    assert "belongs to somebody else" in back(client, "x", params, token)["link_error"]
    for user in (installation.owner, installation.teammate, installation.stranger):
        assert accounts.listing(core, acting(core, user)) == []
    assert "linked" in back(client, "x", params, signed_in(client, core)), "it is still there for who started it"


def test_a_state_that_is_unknown_old_or_for_another_platform_links_nothing(
    client: TestClient, core: Core, installation: Installation
) -> None:
    token = signed_in(client, core)
    owner = installation.owner
    assert "link_error" in back(client, "x", {"code": "c", "state": "nobody made this"}, token)
    assert "link_error" in back(client, "x", {"code": "c"}, token)
    other = start(core, owner)["state"]
    assert "link_error" in back(client, "linkedin", {"code": "c", "state": other}, token)
    late = start(core, owner)["state"]
    assert isinstance(core.clock, ManualClock)
    core.clock.advance(linking.STATE_LIFE.total_seconds() + 1)
    assert "link_error" in back(client, "x", {"code": "c", "state": late}, token)
    assert accounts.listing(core, acting(core, owner)) == []


def test_a_denied_consent_and_a_wrong_code_end_in_one_sentence(
    client: TestClient, core: Core, installation: Installation
) -> None:
    token = signed_in(client, core)
    denied = back(client, "x", {"error": "access_denied", "state": start(core, installation.owner)["state"]}, token)
    wrong = back(client, "x", {"code": "wrong", "state": start(core, installation.owner)["state"]}, token)
    unknown = back(client, "friendster", {"code": "c", "state": "s"}, token)
    for result in (denied, wrong, unknown):
        assert result.keys() == {"link_error", "seal"} and "\n" not in result["link_error"]
    assert accounts.listing(core, acting(core, installation.owner)) == []


def test_the_verifier_never_leaves_sealed_storage(core: Core, installation: Installation) -> None:
    before = linking.start(core, acting(core, installation.owner), Platform("x"))
    assert "code_verifier" not in before
    core.db.checkpoint_wal()
    with core.db.read() as conn:
        row = conn.execute(sessions.select()).one()
    assert row.data["verifier"].startswith("v1.")
    state = dict(parse_qsl(urlsplit(before).query))["state"]
    assert state not in str(row._mapping)


def test_a_platform_without_a_consent_page_says_how_it_is_linked(core: Core, installation: Installation) -> None:
    with pytest.raises(BadInput, match="token of your own"):
        linking.start(core, acting(core, installation.owner), Platform("telegram"))


def test_a_consent_that_is_found_by_a_handle_links_the_account(
    client: TestClient, core: Core, installation: Installation
) -> None:
    """The tokens are bound to a key, and the key never leaves sealed storage."""
    token, owner = signed_in(client, core), installation.owner
    made = installation.made("bluesky")
    params, issuer = approve_found(core, installation, made["name"], made["id"])
    with core.db.read() as conn:
        (row,) = conn.execute(sessions.select().where(sessions.c.kind == "oauth_state"))
    assert row.data["key"].startswith("v1.")
    assert "another server" in back(client, "bluesky/0000000000000000", params, token)["link_error"]
    params, issuer = approve_found(core, installation, made["name"], made["id"])
    result = back(client, f"bluesky/{issuer}", params, token)
    assert result["linked"].startswith("Bluesky: "), result
    (account,) = accounts.listing(core, acting(core, owner))
    assert account.remote_id == made["id"] and account.scopes == ("atproto", "transition:generic")
    assert account.secret is not None and account.secret.startswith("v1.")
    assert account.instance == f"{installation.sandbox.url}/bluesky"
    assert "link_error" in back(client, f"bluesky/{issuer}", params, token), "the state works once"


def test_only_the_account_that_was_typed_is_linked(client: TestClient, core: Core, installation: Installation) -> None:
    """Control: where a server was typed, it is whoever consents."""
    token = signed_in(client, core)
    typed, other = installation.made("bluesky"), installation.made("bluesky")
    params, issuer = approve_found(core, installation, other["name"], typed["id"])
    assert "type its handle" in back(client, f"bluesky/{issuer}", params, token)["link_error"]
    assert accounts.listing(core, acting(core, installation.owner)) == []
    params, issuer = approve_found(core, installation, other["name"], f"{installation.sandbox.url}/bluesky")
    assert "linked" in back(client, f"bluesky/{issuer}", params, token)
    (account,) = accounts.listing(core, acting(core, installation.owner))
    assert account.remote_id == other["id"]


def test_the_description_of_our_client_is_public_and_tells_no_secret(
    client: TestClient, core: Core, installation: Installation
) -> None:
    core.settings.public_url = "https://127.0.0.1:8443"
    where = linking.issuer_of(Platform("bluesky"), f"{installation.sandbox.url}/bluesky")
    assert client.get(f"/oauth/bluesky/client/{where}").status_code == 404, "nobody has asked there yet"
    with pytest.raises(PostProberError):  # the emulator reads our description, and nobody answers at 8443
        linking.start(core, acting(core, installation.owner), Platform("bluesky"))
    reply = client.get(f"/oauth/bluesky/client/{where}")
    assert reply.status_code == 200 and reply.headers["content-type"] == "application/json"
    told = reply.json()
    assert told["client_id"] == f"https://127.0.0.1:8443/oauth/bluesky/client/{where}"
    assert told["redirect_uris"] == [f"https://127.0.0.1:8443/oauth/bluesky/callback/{where}"]
    assert [sorted(key) for key in told["jwks"]["keys"]] == [["alg", "crv", "kid", "kty", "use", "x", "y"]]
    for path in ("bluesky/client/0000000000000000", "x/client/", "mastodon/client/0000000000000000", "none/client/a"):
        assert client.get(f"/oauth/{path}").status_code in (404, 422)


@pytest.fixture
def readable(client: TestClient, core: Core) -> Iterator[None]:
    """The installation has https, as far as others see; the emulator reads https of this machine without it."""

    class Shows(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply = client.get(self.path)
            self.send_response(reply.status_code)
            self.end_headers()
            self.wfile.write(reply.content)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shows)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    core.settings.public_url = f"https://127.0.0.1:{server.server_address[1]}"
    yield
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.usefixtures("readable")
def test_the_key_of_our_client_stays_with_every_further_linking(
    client: TestClient, core: Core, installation: Installation
) -> None:
    """A server takes only the key that stands in our description now; another one would end every account there."""
    owner, linked = acting(core, installation.owner), []
    for _ in range(2):
        made = installation.made("bluesky")
        params, issuer = approve_found(core, installation, made["name"], made["id"])
        linked.append(linking.finish(core, owner, Platform("bluesky"), params, issuer))
    for account in linked:
        before = open_credentials(core.vault, account)
        assert core.adapter(account.platform, before).refresh(before).refresh_token != before.refresh_token


def approve_found(core: Core, installation: Installation, name: str, typed: str) -> tuple[dict[str, str], str]:
    """What comes back after a consent at a server that was found by `typed`, and the last piece of the path where it does."""
    url = linking.start(core, acting(core, installation.owner), Platform("bluesky"), typed)
    form = {"request_uri": dict(parse_qsl(urlsplit(url).query))["request_uri"], "account": name, "decision": "allow"}
    with httpx2.Client(trust_env=False) as browser:
        reply = browser.post(f"{installation.sandbox.url}/bluesky/_consent", data=form)
    assert reply.status_code == 302, reply.text[:500]
    where = urlsplit(reply.headers["location"])
    return dict(parse_qsl(where.query)), where.path.rpartition("/")[2]


def test_an_unknown_path_and_a_wrong_method_are_plain_errors(client: TestClient) -> None:
    assert client.get("/api/nothing").status_code == 404
    assert client.post("/healthz").status_code == 405


def test_an_unused_connection_stays_open_longer_than_a_proxy_keeps_it() -> None:
    """Else the proxy's next request meets a connection that has just been closed. Two minutes is Caddy's own time."""
    assert SERVER["timeout_keep_alive"] > 120
