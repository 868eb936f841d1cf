"""Who may do what: every route and method of the OpenAPI file, asked by the owner, the owner as a viewer, a teammate who
is a viewer, a stranger, and nobody. A route without an entry here fails the test."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import select

from postprober.domain.access import GRANTABLE
from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.diagnosis import Cause, Diagnosis, Fix
from postprober.domain.platform import Platform
from postprober.pipeline.core import transitions
from postprober.services.media.media import public_url
from postprober.services.notifications import channels
from postprober.services.people import api_tokens, sessions
from postprober.services.people.sessions import Caller
from postprober.services.reports import proof_pages
from postprober.storage import alert_log, deliveries, evidence_log, pictures, repairs, users
from postprober.storage import media as media_storage
from postprober.storage.tables import alerts, metadata
from tests.api.rest_kit import PROBLEM, Rest, png, rest_on
from tests.conftest import PASSWORD
from tests.installed import Installation
from tests.people import acting

S = DeliveryState
PAGE = Path(__file__).parents[2] / "docs" / "api.md"
# What asking may leave behind besides what was asked for.
_BOOKKEEPING = {"sessions", "leases", "processes", "meta", "idempotency_keys"}


@dataclass(frozen=True)
class Case:
    """`path`: makes the owner's object and gives its address; the statuses: what each caller gets. `public`: everybody
    gets the owner's status. `reads`: a viewer may do it too."""

    path: Callable[[Rest], str]
    owner: int
    stranger: int
    reads: bool = False
    public: bool = False
    options: dict[str, Any] = field(default_factory=dict)


def at(path: str) -> Callable[[Rest], str]:
    return lambda _rest: path


def draft(suffix: str = "", **body: Any) -> Callable[[Rest], str]:
    return lambda rest: f"/api/posts/{rest.draft(**body)['id']}{suffix}"


def written_by_token(rest: Rest) -> str:
    """A draft of one of the owner's tokens: of a person's, a token that may only write drafts deletes none."""
    with rest.core.db.read() as conn:
        owner = users.by_email(conn, "owner@example.org")
    assert owner is not None
    caller = Caller(owner, GRANTABLE, "0", "login")
    rest.tokens["program"] = api_tokens.create(rest.core, caller, name="t", scopes=["posts:draft"], days=1)[1]
    return f"/api/posts/{rest.draft('program')['id']}"


def ready(rest: Rest) -> str:
    account = rest.installation.link("bluesky")
    return f"/api/posts/{rest.draft(account_ids=[account.id])['id']}/submit"


def ready_to(suffix: str) -> Callable[[Rest], str]:
    return lambda rest: ready(rest).replace("/submit", suffix)


def waiting(suffix: str) -> Callable[[Rest], str]:
    """A proposal that nobody has decided about."""

    def make(rest: Rest) -> str:
        post = ready(rest).removesuffix("/submit")
        assert rest.ask("POST", f"{post}/propose").json()["waits_for_a_person"] is True
        return post + suffix

    return make


def failed(suffix: str) -> Callable[[Rest], str]:
    def make(rest: Rest) -> str:
        account = rest.installation.link("bluesky")
        post_id = rest.draft(account_ids=[account.id], submit=True)["id"]
        with rest.core.db.write() as conn:
            (found,) = deliveries.of_post(conn, post_id)
            transitions.move(conn, found, S.FAILED, reason="test", now=rest.clock.now(), next_at=None)
        return f"/api/monitoring/{post_id}{suffix}"

    return make


def delivery(suffix: str, *states: DeliveryState) -> Callable[[Rest], str]:
    """One of the owner's that ended in the last of `states`; its outcome is unknown if it was sent."""

    def make(rest: Rest) -> str:
        account = rest.installation.link("bluesky")
        post_id = rest.draft(account_ids=[account.id], submit=True)["id"]
        for state in states:
            with rest.core.db.write() as conn:
                (found,) = deliveries.of_post(conn, post_id)
                unknown = rest.clock.now() if S.SUBMITTING in states else None
                transitions.move(
                    conn, found, state, reason="test", now=rest.clock.now(), next_at=None, unknown_at=unknown
                )
        return f"/api/deliveries/{found.id}{suffix}"

    return make


def suggested(act: str) -> Callable[[Rest], str]:
    """A draft that is too long, so that the rules have something to say."""

    def make(rest: Rest) -> str:
        account_id = rest.installation.link("bluesky").id
        post_id = rest.draft(content="The bridge is open again since Sunday. " * 12, account_ids=[account_id])["id"]
        told = rest.ask("POST", f"/api/posts/{post_id}/suggestions").json()
        chosen = next(item for item in told["items"] if item["kind"] == "thread")
        return f"/api/posts/{post_id}/suggestions/{chosen['id']}/{act}"

    return make


def in_review(rest: Rest) -> str:
    account_id = rest.installation.link("bluesky").id
    made = rest.draft(content="TODO: write this", account_ids=[account_id], submit=True)
    assert made["status"] == "review"
    return f"/api/posts/{made['id']}/review"


def doubted(rest: Rest) -> str:
    """A draft with a placeholder in it, for an account that can remember that it is meant."""
    account = rest.installation.link("bluesky")
    made = rest.draft(content="Meet us at [Venue]!", account_ids=[account.id])
    return f"/api/posts/{made['id']}/review/intended"


def proposed(act: str) -> Callable[[Rest], str]:
    """A failed delivery whose repair waits for a word."""

    def make(rest: Rest) -> str:
        post_id = int(failed("")(rest).rpartition("/")[2])
        with rest.core.db.write() as conn:
            (found,) = deliveries.of_post(conn, post_id)
            (row,) = repairs.of_delivery(conn, found.id)
            told = Diagnosis(Cause.BLOCKED_AS_SPAM, 0.9, (), True, Fix.CHANGE_TIME, "Blocked.", "rules")
            repairs.diagnosed(conn, row, told, "proposed", {"until": "2099-01-01T00:00:00.000Z"}, rest.clock.now())
        return f"/api/repairs/{row.id}/{act}"

    return make


def pictured(rest: Rest) -> str:
    """A piece of evidence with a picture."""
    delivery_id = int(delivery("", S.FAILED)(rest).rpartition("/")[2])
    name = pictures.keep(pictures.folder(rest.core.settings.data_dir), png())
    with rest.core.db.write() as conn:
        evidence_log.keep(conn, delivery_id, "browser", {"verdict": "found"}, rest.clock.now(), name)
        return f"/api/evidence/{evidence_log.of_delivery(conn, delivery_id)[-1].id}"


def account(rest: Rest) -> str:
    return f"/api/accounts/{rest.installation.link('bluesky').id}"


def alert(rest: Rest) -> str:
    with rest.core.db.write() as conn:
        alert_log.add(
            conn,
            user_id=rest.installation.owner,
            post_id=None,
            delivery_id=None,
            type="error",
            message="m",
            dedupe_key="k",
            now=rest.clock.now(),
        )
        return f"/api/alerts/{conn.execute(select(alerts.c.id)).scalar_one()}/read"


def channel(suffix: str = "") -> Callable[[Rest], str]:
    return lambda rest: f"/api/channels/{rest.ask('POST', '/api/channels', json=HOOK).json()['id']}{suffix}"


def turned_off(rest: Rest) -> str:
    """What a mail program calls: the link of the mail is the permission."""
    query = urlsplit(channels.turn_off_links(rest.core, int(channel()(rest).rpartition("/")[2]))[0]).query
    return f"/api/unsubscribe?{query}"


HOOK = {"kind": "webhook", "name": "hook", "url": "http://127.0.0.1:9/"}


def media(rest: Rest) -> str:
    made = rest.ask("POST", "/api/media", files={"file": ("a.png", png())}).json()
    return f"/api/media/{made['id']}"


def announced(rest: Rest) -> str:
    made = rest.ask("POST", "/api/media/uploads", json={"name": "a.png"}).json()
    return f"/api/media/uploads/{made['upload']}"


EMPTY_PIECE = {"headers": {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}}


def begun(rest: Rest) -> str:
    made = rest.ask("POST", "/api/media/resumable", headers={"Upload-Length": "1000"})
    return urlsplit(made.headers["location"]).path


def cancelled(rest: Rest) -> str:
    path = begun(rest)
    assert rest.ask("DELETE", path).status_code == 204
    return path


def hook(rest: Rest) -> str:
    account_id = rest.installation.link("bluesky").id
    wish = {"name": "releases", "account_ids": [account_id], "template": "{{name}} is out"}
    return f"/api/hooks/{rest.ask('POST', '/api/hooks', json=wish).json()['id']}"


def signed(rest: Rest) -> str:
    media_id = int(media(rest).rpartition("/")[2])
    with rest.core.db.read() as conn:
        record = media_storage.get_many(conn, [media_id])[0]
    return urlsplit(public_url(rest.core.settings, rest.clock.now().timestamp(), record, Platform("x"))).path


def api_token(rest: Rest) -> str:
    made = rest.ask("POST", "/api/auth/tokens", json={"name": "t", "scopes": ["posts:read"]}).json()
    return f"/api/auth/tokens/{made['id']}"


def proved(rest: Rest) -> int:
    """A post that is live."""
    account_id = rest.installation.link("bluesky").id
    post_id = int(rest.draft(account_ids=[account_id], submit=True)["id"])
    for state in (S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.VERIFIED):
        with rest.core.db.write() as conn:
            (found,) = deliveries.of_post(conn, post_id)
            transitions.move(
                conn,
                found,
                state,
                reason="test",
                now=rest.clock.now(),
                next_at=None,
                proof=Proof.MATCHES,
                published_at=rest.clock.now(),
            )
    return post_id


def report(suffix: str = "") -> Callable[[Rest], str]:
    return lambda rest: f"/api/reports/posts/{proved(rest)}{suffix}"


def shared(rest: Rest) -> str:
    return urlsplit(proof_pages.share(rest.core, acting(rest.core, rest.installation.owner), proved(rest))).path


def body(**values: Any) -> dict[str, Any]:
    return {"json": values}


LOST = (S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED, S.HELD)
GHOST = (S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.GHOST)
LOGIN = body(email="nobody@example.org", password="wrong password")
PUT = {**body(content="Changed"), "headers": {"If-Match": "*"}}
UPLOAD = {"files": {"file": ("b.png", png("blue"))}}
CASES: dict[str, Case] = {
    "post /api/auth/login": Case(at("/api/auth/login"), 401, 401, public=True, options=LOGIN),
    "post /api/auth/refresh": Case(at("/api/auth/refresh"), 401, 401, public=True, options=body(refresh_token="none")),
    "post /api/auth/logout": Case(at("/api/auth/logout"), 204, 204, reads=True),
    "get /api/auth/me": Case(at("/api/auth/me"), 200, 200, reads=True),
    "get /api/auth/tokens": Case(at("/api/auth/tokens"), 200, 200, reads=True),
    "post /api/auth/tokens": Case(at("/api/auth/tokens"), 201, 201, options=body(name="new", scopes=["posts:read"])),
    "delete /api/auth/tokens/{token_id}": Case(api_token, 204, 404),
    "get /api/accounts": Case(at("/api/accounts"), 200, 200, reads=True),
    "post /api/accounts/connect": Case(at("/api/accounts/connect"), 200, 200, options=body(platform="x")),
    "put /api/accounts/{account_id}": Case(account, 200, 404, options=body(label="Ours")),
    "delete /api/accounts/{account_id}": Case(account, 204, 404),
    "get /api/posts": Case(at("/api/posts"), 200, 200, reads=True),
    "post /api/posts": Case(at("/api/posts"), 201, 201, options=body(content="New")),
    "get /api/posts/{post_id}": Case(draft(), 200, 404, reads=True),
    "put /api/posts/{post_id}": Case(draft(), 200, 404, options=PUT),
    "delete /api/posts/{post_id}": Case(written_by_token, 204, 404),
    "post /api/posts/{post_id}/submit": Case(ready, 200, 404),
    "get /api/model": Case(at("/api/model"), 200, 200, reads=True),
    "put /api/model": Case(at("/api/model"), 200, 200, options=body(on=False)),
    "get /api/posts/{post_id}/suggestions": Case(draft("/suggestions"), 200, 404, reads=True),
    "post /api/posts/{post_id}/suggestions": Case(draft("/suggestions"), 200, 404),
    "post /api/posts/{post_id}/suggestions/{suggestion_id}/accept": Case(suggested("accept"), 200, 404),
    "post /api/posts/{post_id}/suggestions/{suggestion_id}/refuse": Case(suggested("refuse"), 200, 404),
    "post /api/posts/{post_id}/review": Case(in_review, 200, 404, options=body(approve=True)),
    "post /api/posts/preflight": Case(at("/api/posts/preflight"), 422, 422, reads=True, options=body(content="New")),
    "get /api/posts/next-slot": Case(at("/api/posts/next-slot"), 200, 200, reads=True),
    "post /api/posts/propose": Case(at("/api/posts/propose"), 422, 422, options=body(content="New")),  # to no account
    "post /api/posts/{post_id}/propose": Case(ready_to("/propose"), 200, 404),
    "post /api/posts/{post_id}/withdraw": Case(waiting("/withdraw"), 204, 404),
    "post /api/posts/{post_id}/review/intended": Case(
        doubted, 200, 404, options=body(kind="placeholder", piece="[Venue]")
    ),
    "get /api/monitoring/{post_id}/repairs": Case(failed("/repairs"), 200, 404, reads=True),
    "post /api/repairs/{repair_id}/apply": Case(proposed("apply"), 200, 404),
    "post /api/repairs/{repair_id}/refuse": Case(proposed("refuse"), 200, 404),
    "get /api/analytics": Case(at("/api/analytics?days=7"), 200, 200, reads=True),
    "get /api/analytics/{figure}": Case(at("/api/analytics/by-post?days=7"), 200, 200, reads=True),
    "get /api/monitoring/{post_id}": Case(failed(""), 200, 404, reads=True),
    "get /api/monitoring/{post_id}/logs": Case(failed("/logs"), 200, 404, reads=True),
    "post /api/monitoring/{post_id}/retry": Case(failed("/retry"), 200, 404),
    "get /api/deliveries/{delivery_id}": Case(delivery("", S.FAILED), 200, 404, reads=True),
    "get /api/deliveries/{delivery_id}/evidence": Case(delivery("/evidence", S.FAILED), 200, 404, reads=True),
    "get /api/evidence/{evidence_id}": Case(pictured, 200, 404, reads=True),
    "post /api/deliveries/{delivery_id}/retry": Case(delivery("/retry", S.FAILED), 200, 404),
    "post /api/deliveries/{delivery_id}/send": Case(delivery("/send", S.HELD), 200, 404),
    "post /api/deliveries/{delivery_id}/look": Case(delivery("/look", *LOST), 200, 404),
    "post /api/deliveries/{delivery_id}/cancel": Case(delivery("/cancel", S.HELD), 200, 404, options=body()),
    "post /api/deliveries/{delivery_id}/rewrite": Case(
        delivery("/rewrite", S.CLAIMED, S.FAILED), 200, 404, options=body(texts=["Other words"])
    ),
    "post /api/deliveries/{delivery_id}/check": Case(delivery("/check", *GHOST), 200, 404),
    "post /api/deliveries/{delivery_id}/acknowledge": Case(delivery("/acknowledge", *GHOST), 200, 404),
    "post /api/deliveries/{delivery_id}/publish-again": Case(
        delivery("/publish-again", *GHOST), 200, 404, options=body(risk_accepted=True)
    ),
    # Nothing is there, which only the owner is told.
    "post /api/deliveries/{delivery_id}/adopt": Case(delivery("/adopt", *LOST), 422, 404, options=body(link="3kabc")),
    "get /api/alerts": Case(at("/api/alerts"), 200, 200, reads=True),
    "post /api/alerts/{alert_id}/read": Case(alert, 200, 404),
    "get /api/alerts/preferences": Case(at("/api/alerts/preferences"), 200, 200, reads=True),
    "put /api/alerts/preferences": Case(at("/api/alerts/preferences"), 200, 200, options=body(again_minutes=5)),
    "get /api/channels": Case(at("/api/channels"), 200, 200, reads=True),
    "post /api/channels": Case(at("/api/channels"), 201, 201, options=body(**HOOK)),
    "put /api/channels/{channel_id}": Case(channel(), 200, 404, options=body(is_active=False)),
    "delete /api/channels/{channel_id}": Case(channel(), 204, 404),
    "post /api/channels/{channel_id}/test": Case(channel("/test"), 502, 404),  # nobody listens there
    "get /api/channels/{channel_id}/log": Case(channel("/log"), 200, 404, reads=True),
    "get /api/reports/posts/{post_id}": Case(report("?format=html"), 200, 404, reads=True),
    "get /api/reports/period": Case(
        at("/api/reports/period?from=2026-01-01&to=2026-01-07&format=csv"), 200, 200, reads=True
    ),
    "get /api/reports/schedule": Case(at("/api/reports/schedule"), 200, 200, reads=True),
    "put /api/reports/schedule": Case(at("/api/reports/schedule"), 200, 200, options=body(every="")),
    "get /api/reports/posts/{post_id}/proof": Case(report("/proof"), 200, 404, reads=True),
    "put /api/reports/posts/{post_id}/proof": Case(report("/proof"), 200, 404),
    "delete /api/reports/posts/{post_id}/proof": Case(report("/proof"), 204, 404),
    "get /proof/{token}": Case(shared, 200, 200, public=True),
    "post /api/unsubscribe": Case(turned_off, 204, 204, public=True),
    "post /api/media": Case(at("/api/media"), 201, 201, options=UPLOAD),
    "post /api/media/from-url": Case(
        at("/api/media/from-url"), 422, 422, options=body(url="http://127.0.0.1:9/a.png")
    ),  # nobody answers there
    "post /api/media/uploads": Case(at("/api/media/uploads"), 201, 201, options=body(name="a.png")),
    "put /api/media/uploads/{upload}": Case(announced, 201, 201, public=True, options={"content": png("red")}),
    "get /api/media/uploads/{upload}": Case(announced, 409, 404),  # nothing has come
    "post /api/media/resumable": Case(
        at("/api/media/resumable"), 201, 201, options={"headers": {"Upload-Length": "1000"}}
    ),
    "head /api/media/uploads/{upload}": Case(begun, 200, 200, public=True),
    "patch /api/media/uploads/{upload}": Case(begun, 204, 204, public=True, options=EMPTY_PIECE),
    "delete /api/media/uploads/{upload}": Case(cancelled, 404, 404, public=True),  # whoever was first has ended it
    "post /api/hooks": Case(
        at("/api/hooks"), 404, 404, options=body(name="x", account_ids=[10**6], template="{{a}}")
    ),  # there is no such account
    "get /api/hooks": Case(at("/api/hooks"), 200, 200, reads=True),
    "delete /api/hooks/{hook}": Case(hook, 204, 404),
    "post /api/hooks/{hook}": Case(at(f"/api/hooks/hk_{'a' * 43}"), 404, 404, public=True, options=body(a=1)),
    "get /api/accounts/{account_id}/limits": Case(lambda rest: f"{account(rest)}/limits", 200, 404, reads=True),
    "get /api/accounts/groups": Case(at("/api/accounts/groups"), 200, 200, reads=True),
    "put /api/accounts/groups/{name}": Case(
        at("/api/accounts/groups/Brand"), 422, 422, options=body(account_ids=[10**6])
    ),
    "delete /api/accounts/groups/{name}": Case(at("/api/accounts/groups/Brand"), 404, 404),
    # The account that is made here is on a platform without pages.
    "get /api/accounts/{account_id}/pages": Case(lambda rest: f"{account(rest)}/pages", 422, 404, reads=True),
    "get /api/accounts/{account_id}/mentions": Case(lambda rest: f"{account(rest)}/mentions?name=a", 422, 404),
    "post /api/accounts/{account_id}/pages": Case(
        lambda rest: f"{account(rest)}/pages", 422, 404, options=body(remote_id="urn:li:organization:1")
    ),
    "get /api/media/{media_id}": Case(media, 200, 404, reads=True),
    "get /api/media/{media_id}/url": Case(lambda rest: f"{media(rest)}/url?platform=instagram", 200, 404, reads=True),
    "get /api/media/public/{name}": Case(signed, 200, 200, public=True),
    "get /api/session/begin": Case(at("/api/session/begin"), 403, 403, public=True),
    "get /api/session/end": Case(at("/api/session/end"), 303, 303, public=True),
    "get /oauth/{platform}/callback": Case(at("/oauth/x/callback?state=none&code=c"), 303, 303, public=True),
    "get /oauth/{platform}/client/{issuer}": Case(at("/oauth/bluesky/client/abc"), 404, 404, public=True),
    "get /oauth/{platform}/callback/{issuer}": Case(
        at("/oauth/mastodon/callback/abc?state=none&code=c"), 303, 303, public=True
    ),
    "get /api/health/platforms": Case(at("/api/health/platforms"), 200, 200, reads=True),
    "get /api/version": Case(at("/api/version"), 200, 200, reads=True),
    "get /healthz": Case(at("/healthz"), 200, 200, public=True),
    "get /readyz": Case(at("/readyz"), 503, 503, public=True),
    "get /metrics": Case(at("/metrics"), 200, 200, public=True),
}


@pytest.fixture
def rest(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rest]:
    made = rest_on(installation)
    with monkeypatch.context() as patch:  # signing in is tested elsewhere; here it only has to be quick
        patch.setattr("postprober.services.people.users.verify_password", lambda *_: True)
        for who in ("owner", "teammate", "stranger"):
            pair = sessions.log_in(made.core, f"{who}@example.org", PASSWORD, "127.0.0.1")
            made.tokens[who] = pair.access
    with made.core.db.write() as conn:  # the teammate works in the owner's space
        users.write(conn, installation.teammate, made.clock.now(), owner_id=installation.owner)
    with made.client:
        yield made


def rows(rest: Rest) -> dict[str, list[Any]]:
    """Everything that somebody could have changed."""
    with rest.core.db.read() as conn:
        return {
            name: sorted((tuple(row) for row in conn.execute(table.select())), key=repr)
            for name, table in metadata.tables.items()
            if name not in _BOOKKEEPING
        }


def test_every_route_is_in_the_matrix_and_nothing_else(installation: Installation) -> None:
    schema = rest_on(installation).client.get("/api/openapi.json").json()
    found = {f"{method} {path}" for path, methods in schema["paths"].items() for method in methods}
    assert found == set(CASES)


@pytest.mark.parametrize("name", sorted(CASES))
def test_only_who_may_reaches_it(rest: Rest, name: str) -> None:
    case, method = CASES[name], name.split()[0].upper()
    path = case.path(rest)

    def status(who: str) -> int:
        reply = rest.ask(method, path, who, **case.options)
        if reply.status_code >= 400 and case.public is False:
            assert reply.headers["content-type"] == PROBLEM
        return int(reply.status_code)

    if case.public:
        assert {who: status(who) for who in ("", "stranger", "owner")} == dict.fromkeys(
            ("", "stranger", "owner"), case.owner
        )
        return
    before = rows(rest)
    assert status("") == 401
    rest.set_role("teammate", "viewer")
    assert status("teammate") == (case.owner if case.reads else 403)
    if case.stranger == 404:
        assert status("stranger") == 404
    if not case.reads:
        rest.set_role("owner", "viewer")
        assert status("owner") == 403
        rest.set_role("owner", "owner")
    rest.set_role("teammate", "owner")
    assert rows(rest) == before, "nobody of them may change anything"
    assert status("owner") == case.owner
    if case.stranger != 404:
        assert status("stranger") == case.stranger


def scopes_on_the_page() -> dict[str, frozenset[str]]:
    """What docs/api.md says each call needs."""
    table = PAGE.read_text().partition("## Scopes\n")[2].partition("\n## ")[0]
    found: dict[str, frozenset[str]] = {}
    for needed, calls in re.findall(r"^\| (`[a-z]+:.*?) \| (.*) \|$", table, re.MULTILINE):
        for method, path in re.findall(r"`([A-Z]+) (/[^`]+)`", calls):
            found[f"{method.lower()} {path}"] = frozenset(re.findall(r"`(\w+:\w+)`", needed))
    return found


# Signed in is enough, or an API token cannot do it at all.
NO_SCOPE = {"post /api/auth/logout", "get /api/auth/me", "get /api/version"}
FOR_PEOPLE = {
    "post /api/posts/{post_id}/review/intended",
    "put /api/model",
    "get /api/hooks",
    "post /api/hooks",
    "delete /api/hooks/{hook}",
    "post /api/posts/{post_id}/review",
    "get /api/auth/tokens",
    "post /api/auth/tokens",
    "delete /api/auth/tokens/{token_id}",
}


def test_the_page_names_the_scopes_of_every_call_that_needs_some() -> None:
    assert set(scopes_on_the_page()) == {n for n, case in CASES.items() if not case.public} - NO_SCOPE - FOR_PEOPLE
    assert "posts:publish" in scopes_on_the_page()["post /api/monitoring/{post_id}/retry"]


@pytest.mark.parametrize("name", sorted(scopes_on_the_page()))
def test_a_call_needs_exactly_the_scopes_on_the_page(rest: Rest, name: str) -> None:
    case, needed, method = CASES[name], scopes_on_the_page()[name], name.split()[0].upper()
    path = case.path(rest)
    before = rows(rest)
    with rest.core.db.read() as conn:
        owner = users.by_email(conn, "owner@example.org")
    assert owner is not None

    def ask(scopes: frozenset[str]) -> httpx2.Response:
        token = api_tokens.create(
            rest.core, Caller(owner, GRANTABLE, "0", "login"), name="t", scopes=sorted(scopes), days=1
        )
        rest.tokens["owner"] = token[1]
        return rest.ask(method, path, **case.options)

    for scope in needed:
        refused = ask(GRANTABLE - {scope})
        assert refused.status_code == 403 and scope in refused.text
    assert rows(rest) == before
    assert ask(needed).status_code == case.owner


@pytest.mark.parametrize("path", ["/api/posts", "/api/accounts", "/api/alerts"])
def test_a_list_shows_only_what_is_the_callers(rest: Rest, path: str) -> None:
    rest.draft()
    account(rest)
    alert(rest)
    assert len(rest.ask("GET", path).json()["items"]) == 1
    assert rest.ask("GET", path, "stranger").json()["items"] == []


def test_a_post_may_not_use_another_persons_account_or_file(rest: Rest) -> None:
    account_id, media_id = (int(make(rest).rpartition("/")[2]) for make in (account, media))
    before = rows(rest)
    mine = rest.draft("stranger")["id"]
    for wish in ({"account_ids": [account_id]}, {"media_ids": [media_id]}):
        content = {"content": "Theirs", **wish}
        assert rest.ask("POST", "/api/posts", "stranger", json=content).status_code == 404
        assert rest.ask("POST", "/api/posts", "stranger", json={**content, "submit": True}).status_code in (404, 422)
        put = rest.ask("PUT", f"/api/posts/{mine}", "stranger", json=content, headers={"If-Match": "*"})
        assert put.status_code == 404
    assert rest.ask("DELETE", f"/api/posts/{mine}", "stranger").status_code == 204
    assert rows(rest) == before


def test_a_token_may_do_only_what_its_scopes_say(rest: Rest) -> None:
    made = rest.ask("POST", "/api/auth/tokens", json={"name": "reader", "scopes": ["posts:read"]}).json()
    rest.tokens["owner"] = made["token"]
    assert rest.ask("GET", "/api/posts").status_code == 200
    for method, path in (("POST", "/api/posts"), ("GET", "/api/accounts"), ("GET", "/api/alerts")):
        assert rest.ask(method, path, json={"content": "x"} if method == "POST" else None).status_code == 403
