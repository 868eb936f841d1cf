"""Bluesky's consent: found by a handle, bound to a key, proved to be of the account that it says."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from postprober.clock import ManualClock, SystemClock
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import MediaFile
from postprober.errors import BadInput, PlatformError, ReconnectNeeded, Unavailable, UnexpectedReply
from postprober.http import HttpClient, Pools
from postprober.platforms.bluesky import oauth
from postprober.platforms.bluesky.adapter import BlueskyAdapter
from postprober.platforms.common import bound_oauth, dpop
from postprober.platforms.common.oauth import at_instance, check_callback, new_state
from postprober.platforms.common.oauth_spec import OAuthSpec
from postprober.sandbox.bluesky.proofs import NONCE_SECONDS
from postprober.sandbox.engine.world import World
from postprober.sandbox.serve import SandboxServer
from tests.platforms.adapter_kit import Answer, Link, Linked

CALLBACK = "http://127.0.0.1:8000/oauth/bluesky/callback/0123456789abcdef"
BLUESKY = Platform("bluesky")


def as_it_is(address: str) -> str:
    return address.rstrip("/")


@dataclass
class Consent:
    """One sign-in on the emulator, step by step."""

    linked: Linked
    http: HttpClient
    clock: Any = field(default_factory=SystemClock)
    callback: str = CALLBACK

    @property
    def config(self) -> PlatformConfig:
        return replace(self.linked.config, settings={"plc_url": "/_plc"})

    def client(self) -> PlatformConfig:
        found = oauth.find(self.http, self.config, self.handle, as_it_is)
        assert found.hint == self.handle
        return at_instance(self.config, found.address, oauth.register(self.http, found.address, self.callback))

    @property
    def handle(self) -> str:
        return f"{self.linked.name.replace('_', '-')}.bsky.test"

    def begin(self, config: PlatformConfig) -> tuple[bound_oauth.AuthorizeRequest, str, OAuthSpec]:
        state, spec = new_state(), oauth.ask(self.http, config)
        request = bound_oauth.start(self.http, config, self.callback, state, spec, self.clock, hint=self.handle)
        return request, state, spec

    def answer(self, url: str, decision: str = "allow") -> dict[str, str]:
        """What a person does in the browser; the account that the request named is chosen already."""
        with httpx2.Client(trust_env=False) as browser:
            page = browser.get(url)
            assert page.status_code == 200, page.text
            assert f'value="{self.linked.name}" checked' in page.text
            form = {"request_uri": parse_qs(urlsplit(url).query)["request_uri"][0]}
            form |= {"account": self.linked.name, "decision": decision}
            back = browser.post(f"{self.linked.config.api_url}/_consent", data=form)
        assert back.status_code == 302, back.text
        return {key: values[0] for key, values in parse_qs(urlsplit(back.headers["location"]).query).items()}

    def signed_in(self) -> Credentials:
        config = self.client()
        request, state, spec = self.begin(config)
        code = check_callback(spec, self.answer(request.url), state)
        cred = bound_oauth.exchange(
            self.http, config, self.callback, code, request.code_verifier, request.key, spec=spec, clock=self.clock
        )
        return oauth.home(self.http, self.config, cred, as_it_is)


@pytest.fixture
def consent(link: Link, pools: Pools) -> Consent:
    return Consent(link(BLUESKY), HttpClient(pools))


def test_a_handle_leads_to_tokens_of_the_account_and_they_publish(consent: Consent) -> None:
    cred = consent.signed_in()
    assert cred.remote_id == consent.linked.cred.remote_id and cred.instance == consent.config.api_url
    assert cred.scopes == ("atproto", "transition:generic") and cred.refresh_token
    adapter = BlueskyAdapter(consent.http, consent.config)
    identity = adapter.identify(cred)
    assert identity.remote_id == cred.remote_id and identity.name == consent.handle
    job = consent.linked.job("Signed in without a password")
    job = replace(job, handle=adapter.new_handle(job.key, 0, job.composed_at))
    receipt = adapter.finalize(cred, job, adapter.submit(cred, job))
    assert [one["id"] for one in consent.linked.truth()] == [receipt.ref.remote_id]
    adapter.delete(cred, receipt.ref.remote_id)
    assert adapter.fetch(cred, receipt.ref.remote_id) is None


@pytest.mark.parametrize("typed", ["", "server", "@handle", "did"])
def test_whoever_is_typed_the_same_server_asks(consent: Consent, typed: str) -> None:
    known = {"server": consent.config.api_url, "@handle": f"@{consent.handle}", "did": consent.linked.cred.remote_id}
    found = oauth.find(consent.http, consent.config, known.get(typed, ""), as_it_is)
    assert found.address == consent.config.api_url
    assert bool(found.hint) is (typed in ("@handle", "did"))


def test_the_token_alone_opens_nothing(consent: Consent) -> None:
    """Control: with the key it does."""
    cred = consent.signed_in()
    url = f"{cred.instance}/xrpc/com.atproto.server.getSession"
    for scheme in ("Bearer", "DPoP"):
        assert consent.http.read("GET", url, headers={"Authorization": f"{scheme} {cred.access_token}"}).status == 401
    other = replace(cred, secret={**cred.secret, "key": dpop.new_key()})
    with pytest.raises(ReconnectNeeded):
        BlueskyAdapter(consent.http, consent.config).identify(other)
    assert BlueskyAdapter(consent.http, consent.config).identify(cred).remote_id == cred.remote_id


def test_a_proof_is_good_once_for_one_request(consent: Consent) -> None:
    cred = consent.signed_in()
    url = f"{cred.instance}/xrpc/com.atproto.server.getSession"
    BlueskyAdapter(consent.http, consent.config).identify(cred)  # learns the nonce
    now, key = SystemClock().now(), cred.secret["key"]

    def ask(at: str, **more: str) -> int:
        proof = dpop.proof(
            key, "GET", at, now, nonce=dpop.NONCES.of(url), access_token=more.get("of", cred.access_token)
        )
        return ask_with(proof)

    def ask_with(proof: str) -> int:
        headers = {"Authorization": f"DPoP {cred.access_token}", "DPoP": proof}
        return consent.http.read("GET", url, headers=headers).status

    assert ask(f"{cred.instance}/xrpc/com.atproto.repo.listRecords") == 401
    assert ask(url, of="another token") == 401
    fitting = dpop.proof(key, "GET", url, now, nonce=dpop.NONCES.of(url), access_token=cred.access_token)
    assert ask_with(fitting) == 200
    assert ask_with(fitting) == 401


def test_tokens_are_renewed_once_and_a_spent_refresh_token_ends_them(consent: Consent) -> None:
    cred = consent.signed_in()
    adapter = BlueskyAdapter(consent.http, consent.config)
    fresh = adapter.refresh(cred)
    assert fresh.access_token != cred.access_token and fresh.refresh_token != cred.refresh_token
    assert fresh.secret == cred.secret and fresh.instance == cred.instance and fresh.remote_id == cred.remote_id
    assert adapter.identify(fresh).remote_id == cred.remote_id
    with pytest.raises(ReconnectNeeded):
        adapter.refresh(cred)
    with pytest.raises(ReconnectNeeded):  # the server ends what grew from it
        adapter.identify(fresh)


def test_withdrawn_tokens_open_nothing(consent: Consent) -> None:
    cred = consent.signed_in()
    adapter = BlueskyAdapter(consent.http, consent.config)
    assert adapter.revoke(cred)
    with pytest.raises(ReconnectNeeded):
        adapter.identify(cred)


def test_a_refusal_and_a_foreign_answer_are_told_apart(consent: Consent) -> None:
    config = consent.client()
    request, state, spec = consent.begin(config)
    denied = consent.answer(request.url, "deny")
    with pytest.raises(BadInput, match="did not allow"):
        check_callback(spec, denied, state)
    request, state, spec = consent.begin(config)
    answer = consent.answer(request.url)
    with pytest.raises(BadInput, match="another server"):
        check_callback(spec, {**answer, "iss": "https://evil.example"}, state)
    with pytest.raises(BadInput, match="another server"):  # it must say who it is
        check_callback(spec, {k: v for k, v in answer.items() if k != "iss"}, state)
    assert check_callback(spec, answer, state)


@pytest.mark.parametrize("wrong", ["verifier", "key", "redirect"])
def test_a_code_is_worth_nothing_to_somebody_else(consent: Consent, wrong: str) -> None:
    config = consent.client()
    request, state, spec = consent.begin(config)
    code = check_callback(spec, consent.answer(request.url), state)
    verifier = "a" * 64 if wrong == "verifier" else request.code_verifier
    key = dpop.new_key() if wrong == "key" else request.key
    callback = CALLBACK.replace("8000", "8001") if wrong == "redirect" else CALLBACK
    with pytest.raises(PlatformError):
        bound_oauth.exchange(consent.http, config, callback, code, verifier, key, spec=spec, clock=SystemClock())


def test_a_request_is_decided_once(consent: Consent) -> None:
    request, _, _ = consent.begin(consent.client())
    consent.answer(request.url)
    with httpx2.Client(trust_env=False) as browser:
        assert browser.get(request.url).status_code == 400


def test_a_server_that_is_not_the_accounts_links_nothing(consent: Consent) -> None:
    """Any server may sign anybody in and name an account of another one; the account's document decides."""
    cred = consent.signed_in()
    foreign = replace(cred, secret={**cred.secret, "issuer": "https://evil.example"})
    with pytest.raises(BadInput, match="another server"):
        oauth.home(consent.http, consent.config, foreign, as_it_is)
    with pytest.raises(BadInput):
        oauth.home(consent.http, consent.config, replace(cred, remote_id="no-did"), as_it_is)
    with pytest.raises(BadInput):
        oauth.home(consent.http, consent.config, replace(cred, remote_id="did:plc:" + "a" * 24), as_it_is)


# --- a client with a key of its own ---------------------------------------------------------------------------------


@pytest.fixture
def described() -> Iterator[Callable[[dict[str, Any]], None]]:
    """A web server on this machine that shows a client's description; the emulator reads https of this machine without it."""
    shown: dict[str, Any] = {}

    class Shows(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(shown.get(self.path, {})).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shows)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def show(document: dict[str, Any]) -> None:
        shown[urlsplit(document["client_id"]).path] = document

    show.port = server.server_address[1]  # type: ignore[attr-defined]
    yield show
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_installation_with_https_proves_itself_by_its_key(consent: Consent, described: Any) -> None:
    consent.callback = f"https://127.0.0.1:{described.port}/oauth/bluesky/callback/0123456789abcdef"
    config = consent.client()
    assert config.client_id == f"https://127.0.0.1:{described.port}/oauth/bluesky/client/0123456789abcdef"
    document = oauth.document(config, consent.callback)
    assert json.loads(config.client_secret)["d"] not in json.dumps(document)
    described(document)
    request, state, spec = consent.begin(config)
    code = check_callback(spec, consent.answer(request.url), state)
    cred = bound_oauth.exchange(
        consent.http, config, consent.callback, code, request.code_verifier, request.key, spec=spec, clock=consent.clock
    )
    cred = oauth.home(consent.http, consent.config, cred, as_it_is)
    fresh = BlueskyAdapter(consent.http, consent.config).refresh(cred)
    assert fresh.refresh_token != cred.refresh_token
    stranger = replace(fresh, secret={**fresh.secret, "client_key": dpop.new_key()})
    with pytest.raises(ReconnectNeeded, match="client id"):
        BlueskyAdapter(consent.http, consent.config).refresh(stranger)
    with pytest.raises(ReconnectNeeded, match="client id"):  # no proof at all
        BlueskyAdapter(consent.http, consent.config).refresh(replace(fresh, secret={**fresh.secret, "client_key": ""}))


@pytest.mark.parametrize("callback", ["http://postprober.example/oauth/bluesky/callback/x", "http://localhost:8000/x"])
def test_where_people_cannot_be_sent_back_it_says_so(pools: Pools, callback: str) -> None:
    with pytest.raises(BadInput, match="POSTPROBER_PUBLIC_URL"):
        oauth.register(HttpClient(pools), "https://bsky.social", callback)


# --- nonces -----------------------------------------------------------------------------------------------------------


def test_the_visible_act_is_never_sent_twice_for_a_nonce(pools: Pools, photo: Callable[..., MediaFile]) -> None:
    """The server's nonces move on faster than we notice: what nobody sees is asked again, the visible act is not."""
    clock = ManualClock(SystemClock().now())
    with SandboxServer(World(clock=lambda: clock.now().timestamp())) as server:
        account = server.control.account("bluesky", "ada")
        base = f"{server.url}/bluesky"
        known = Credentials("", remote_id=account["id"], name="ada")
        linked = Linked(BLUESKY, server.control, PlatformConfig(BLUESKY, base, base), known, pools)
        consent = Consent(linked, HttpClient(pools), clock)
        cred = consent.signed_in()
        gates: list[str] = []
        adapter = BlueskyAdapter(HttpClient(pools).bound(gate=lambda: gates.append("sent")), consent.config, clock)
        job = linked.job("With a picture", photo(alt="A picture"))
        job = replace(job, handle=adapter.new_handle(job.key, 0, job.composed_at))
        clock.advance(NONCE_SECONDS * 3)
        staged = adapter.submit(cred, job)  # the file was sent again, from its beginning
        assert gates == []
        clock.advance(NONCE_SECONDS * 3)
        with pytest.raises(Unavailable, match="nothing was published") as refused:
            adapter.finalize(cred, job, staged)
        assert refused.value.code == dpop.NONCE_REFUSED and gates == ["sent"] and linked.truth() == []
        adapter.finalize(cred, job, staged)
        (post,) = linked.truth()
        assert len(post["media"]) == 1 and gates == ["sent", "sent"]


# --- servers that do not do what they should ----------------------------------------------------------------------------


def test_servers_without_such_a_consent_are_refused_in_words() -> None:
    """One changed word of a right description each; the description itself is taken."""
    here, answer = "https://pds.example", Answer()
    scripted = Pools(allow_private=True, transport=httpx2.MockTransport(answer))
    right = {
        "issuer": here,
        **{
            f"{name}_endpoint": f"{here}/{name}"
            for name in ("authorization", "token", "pushed_authorization_request", "revocation")
        },
        "scopes_supported": ["atproto"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "authorization_response_iss_parameter_supported": True,
    }
    config = PlatformConfig(BLUESKY, here, here)
    http = HttpClient(scripted)

    def say(body: object, status: int = 200) -> None:
        answer.status, answer.body = status, json.dumps(body).encode()

    say(right)
    assert oauth.ask(http, config).push_url == f"{here}/pushed_authorization_request"
    for name, value in (
        ("issuer", "https://evil.example"),
        ("token_endpoint", "https://evil.example/token"),
        ("revocation_endpoint", "http://127.0.0.1:1/revoke"),
        ("pushed_authorization_request_endpoint", ""),
        ("pushed_authorization_request_endpoint", f"{here}/\ud800"),
        ("token_endpoint", f"{here}/token\r\nHost: evil.example"),
        ("authorization_endpoint", "https://pds.exam\tple/authorization"),
        ("authorization_endpoint", f"{here}/authorization#"),
        ("authorization_endpoint", f' {here}/"><script>'),
        ("scopes_supported", ["openid"]),
        ("dpop_signing_alg_values_supported", ["RS256"]),
        ("code_challenge_methods_supported", "S256 in a text"),
        ("authorization_response_iss_parameter_supported", False),
        ("token_endpoint_auth_methods_supported", ["client_secret_basic"]),
    ):
        say({**right, name: value})
        with pytest.raises(BadInput, match="app password"):
            oauth.ask(http, config)
    for body in ([], "text", None, 7):
        say(body)
        with pytest.raises(BadInput, match="app password"):
            oauth.ask(http, config)
    say({}, 404)
    with pytest.raises(BadInput, match="app password"):
        oauth.ask(http, config)
    say({}, 503)
    with pytest.raises(Unavailable):
        oauth.ask(http, config)
    scripted.close()


class Servers:
    """What each address answers: (status, body) by the end of its path; the others are not found."""

    def __init__(self, **paths: tuple[int, object]) -> None:
        self.paths = paths

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        end = request.url.path.rstrip("/").rpartition("/")[2].replace("-", "_").replace(".", "_")
        status, body = self.paths.get(end, (404, {}))
        return httpx2.Response(status, json=body)


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("silent", ["com_atproto_identity_resolveHandle", "oauth_protected_resource"])
def test_a_server_that_cannot_answer_now_is_taken_for_no_other_one(silent: str, status: int) -> None:
    """Control: when it answers, its word counts."""
    did, pds, issuer = "did:plc:" + "a" * 24, "https://pds.example", "https://entry.example"
    service = {"id": "#atproto_pds", "serviceEndpoint": pds}
    servers = Servers(
        com_atproto_identity_resolveHandle=(200, {"did": did}),
        oauth_protected_resource=(200, {"authorization_servers": [issuer]}),
        **{did: (200, {"id": did, "service": [service]})},
    )
    scripted = Pools(allow_private=True, transport=httpx2.MockTransport(servers))
    http, config = HttpClient(scripted), PlatformConfig(BLUESKY, issuer, issuer)
    cred = Credentials("", remote_id=did, secret={"issuer": issuer})
    assert oauth.find(http, config, "ada.example", as_it_is).address == issuer
    assert oauth.home(http, config, cred, as_it_is).instance == pds
    servers.paths[silent] = (status, {"error": "NotNow"})
    with pytest.raises(Unavailable, match="try again"):
        oauth.find(http, config, "ada.example", as_it_is)
    if silent == "oauth_protected_resource":
        with pytest.raises(Unavailable, match="try again"):
            oauth.home(http, config, cred, as_it_is)
    scripted.close()


def test_a_request_that_the_server_does_not_take_is_told_with_its_cure(pools: Pools) -> None:
    """Nobody has linked anything yet, so there is nothing to reconnect."""
    here, answer = "https://pds.example", Answer()
    scripted = Pools(allow_private=True, transport=httpx2.MockTransport(answer))
    client_id = "https://post.example/oauth/bluesky/client/0123456789abcdef"
    config = PlatformConfig(BLUESKY, here, here, client_id=client_id)
    spec = OAuthSpec("Bluesky", f"{here}/a", f"{here}/t", oauth.SCOPES, pkce=True, issuer=here, push_url=f"{here}/p")

    def refused(code: str, status: int = 400) -> PlatformError | BadInput:
        answer.status, answer.body = status, json.dumps({"error": code, "error_description": "No such"}).encode()
        with pytest.raises((PlatformError, BadInput)) as told:
            bound_oauth.start(HttpClient(scripted), config, CALLBACK, "state", spec, SystemClock(), hint="ada.example")
        return told.value

    for code in ("invalid_client_metadata", "invalid_redirect_uri", "invalid_client", "unauthorized_client"):
        assert client_id in refused(code).message and "https" in refused(code).message
    for code in ("invalid_request", "access_denied", "use_dpop_nonce", ""):
        assert "reconnect" not in refused(code).message and "did not take the sign-in" in refused(code).message
    assert isinstance(refused("", 503), Unavailable)

    def asked(name: object, at: str = f"{here}/a") -> str:
        answer.status, answer.body = 201, json.dumps({"request_uri": name}).encode()
        how = replace(spec, authorize_url=at)
        return bound_oauth.start(HttpClient(scripted), config, CALLBACK, "state", how, SystemClock()).url

    assert asked("urn:x").startswith(f"{here}/a?client_id=") and "?b=c&client_id=" in asked("urn:x", f"{here}/a?b=c")
    for name in ("", 7, None, "\ud800", "a\nb", "x" * 10_000):
        with pytest.raises(UnexpectedReply):
            asked(name)
    scripted.close()


@pytest.mark.parametrize("seconds", [-30, 5])
def test_a_clock_that_is_a_little_wrong_costs_no_account(consent: Consent, described: Any, seconds: int) -> None:
    """The reference server takes a client's own proof for a minute, and none from the future, not by a second."""
    consent.callback = f"https://127.0.0.1:{described.port}/oauth/bluesky/callback/0123456789abcdef"
    config = consent.client()
    described(oauth.document(config, consent.callback))
    consent.clock = ManualClock(SystemClock().now() + timedelta(seconds=seconds))
    assert consent.begin(config)[0].url


def test_a_proof_of_another_hour_is_refused(consent: Consent, described: Any) -> None:
    """What the emulator must not let pass, either: the control of the test above."""
    consent.callback = f"https://127.0.0.1:{described.port}/oauth/bluesky/callback/0123456789abcdef"
    config = consent.client()
    described(oauth.document(config, consent.callback))
    for seconds in (-90, 60):
        consent.clock = ManualClock(SystemClock().now() + timedelta(seconds=seconds))
        with pytest.raises(Unavailable, match="clock"):
            consent.begin(config)


@pytest.mark.parametrize("code", ["invalid_client", "invalid_dpop_proof"])
def test_a_clock_that_is_wrong_is_told_and_no_account_has_to_be_linked_again(code: str) -> None:
    """Control: with a right clock the refusal is what it says."""
    here, answer = "https://pds.example", Answer(400, json.dumps({"error": code}).encode())
    scripted = Pools(allow_private=True, transport=httpx2.MockTransport(answer))
    places = {"issuer": here, "token_url": f"{here}/t", "revoke_url": ""}
    secret = {"key": dpop.new_key(), "client_id": "https://post.example/c", "client_key": dpop.new_key(), **places}
    cred = Credentials("a", refresh_token="r", remote_id="did:plc:" + "a" * 24, secret=secret)
    now = SystemClock().now()
    for seconds in (-3600, -90, 60, 3600):
        answer.headers["date"] = format_datetime(now - timedelta(seconds=seconds), usegmt=True)
        with pytest.raises(Unavailable, match=r"clock.* set it right"):
            bound_oauth.refresh(HttpClient(scripted), cred, "Bluesky", ManualClock(now))
    for said in (format_datetime(now, usegmt=True), "", "yesterday", "Mon, 99 Jan 2026 00:00:00 GMT"):
        answer.headers["date"] = said
        with pytest.raises((ReconnectNeeded, UnexpectedReply)):
            bound_oauth.refresh(HttpClient(scripted), cred, "Bluesky", ManualClock(now))
    scripted.close()
