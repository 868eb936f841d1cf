"""Sign-in for programs: tokens that end, rotate and are revoked, API tokens with scopes, and roles; on both databases."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update

from postprober.api.app import create_app
from postprober.api.auth import require
from postprober.api.deps import COOKIE
from postprober.domain.access import GRANTABLE, READ_SCOPES, SCOPES, scopes_of_role
from postprober.domain.actor import Door, Via
from postprober.errors import Forbidden, NotSignedIn
from postprober.services.core import Core
from postprober.services.people import sessions
from postprober.storage.database import Database
from postprober.storage.tables import sessions as table
from postprober.storage.tables import users as user_table
from tests.api.auth_kit import APP, advance, bearer, cookie, log_in, me, user_named, with_people
from tests.conftest import PASSWORD, Installation
from tests.people import asked


@pytest.fixture
def core(installation: Installation, database: Database, password_hash: str) -> Core:
    return with_people(installation, database, password_hash)


@pytest.fixture
def client(core: Core) -> Iterator[TestClient]:
    with TestClient(create_app(core), base_url="http://127.0.0.1:8000", follow_redirects=False) as made:
        yield made


def test_a_right_password_gives_tokens_that_say_who_asks(client: TestClient) -> None:
    reply = log_in(client)
    tokens = reply.json()
    assert reply.status_code == 200 and reply.headers["cache-control"] == "no-store"
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    who = client.get("/api/auth/me", headers=bearer(tokens["access_token"])).json()
    assert (who["email"], who["role"], who["signed_in_by"]) == ("owner@example.org", "owner", "login")
    assert set(who["scopes"]) == SCOPES and "password_hash" not in who


def test_a_wrong_password_and_an_unknown_person_get_the_same_answer(client: TestClient) -> None:
    wrong, unknown = log_in(client, "owner", "not the password"), log_in(client, "nobody", "not the password")
    assert wrong.status_code == unknown.status_code == 401
    told = [{name: value for name, value in one.json().items() if name != "request_id"} for one in (wrong, unknown)]
    assert told[0] == told[1] and wrong.headers["www-authenticate"] == "Bearer"


def test_a_disabled_person_cannot_sign_in_and_open_sessions_stop(client: TestClient, core: Core) -> None:
    access, browser = log_in(client).json()["access_token"], cookie(core)
    with core.db.write() as conn:
        conn.execute(update(user_table).where(user_table.c.email == "owner@example.org").values(is_active=False))
    assert log_in(client).status_code == 401
    assert me(client, access) == 401
    assert client.get("/api/auth/me", headers=browser).status_code == 401


def test_without_anything_nobody_is_known(client: TestClient) -> None:
    reply = client.get("/api/auth/me")
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert reply.headers["content-type"] == "application/problem+json"


def test_an_access_token_ends_after_fifteen_minutes_and_the_refresh_token_gives_the_next(
    client: TestClient, core: Core
) -> None:
    first = log_in(client).json()
    advance(core, sessions.ACCESS_LIFE)
    assert me(client, first["access_token"]) == 401
    second = client.post("/api/auth/refresh", json={"refresh_token": first["refresh_token"]}).json()
    assert me(client, second["access_token"]) == 200
    assert second["refresh_token"] != first["refresh_token"]


def test_a_refresh_token_used_twice_ends_the_whole_sign_in(client: TestClient, core: Core) -> None:
    """Somebody has a copy; nobody can tell who of the two is the thief."""
    other = log_in(client).json()
    first = log_in(client).json()
    second = client.post("/api/auth/refresh", json={"refresh_token": first["refresh_token"]}).json()
    again = client.post("/api/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert again.status_code == 401
    assert client.post("/api/auth/refresh", json={"refresh_token": second["refresh_token"]}).status_code == 401
    assert me(client, second["access_token"]) == me(client, first["access_token"]) == 401
    assert me(client, other["access_token"]) == 200, "another sign-in of the same person goes on"


def test_of_many_who_use_a_refresh_token_at_once_at_most_one_gets_tokens(core: Core) -> None:
    pair = sessions.log_in(core, "owner@example.org", PASSWORD, "")
    got: list[str] = []
    start = threading.Barrier(8)

    def use() -> None:
        start.wait()
        try:
            got.append(sessions.renew(core, pair.refresh).access)
        except NotSignedIn:
            got.append("")

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([token for token in got if token]) == 1
    assert sessions.by_bearer(core, pair.access) is None, "the reuse has ended the family"


def test_a_refresh_token_lives_thirty_days_from_its_own_beginning(client: TestClient, core: Core) -> None:
    refresh = log_in(client).json()["refresh_token"]
    for _ in range(3):  # far beyond the first one's life
        advance(core, sessions.REFRESH_LIFE - timedelta(hours=1))
        reply = client.post("/api/auth/refresh", json={"refresh_token": refresh})
        assert reply.status_code == 200
        refresh = reply.json()["refresh_token"]
    advance(core, sessions.REFRESH_LIFE + timedelta(seconds=1))
    assert client.post("/api/auth/refresh", json={"refresh_token": refresh}).status_code == 401


def test_signing_out_stops_access_and_refresh_tokens_at_once(client: TestClient) -> None:
    tokens = log_in(client).json()
    assert client.post("/api/auth/logout", headers=bearer(tokens["access_token"])).status_code == 204
    assert me(client, tokens["access_token"]) == 401
    assert client.post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).status_code == 401


def test_signing_out_with_the_cookie_ends_the_browsers_session(client: TestClient, core: Core) -> None:
    held = cookie(core)
    reply = client.post("/api/auth/logout", headers={**held, **APP})
    assert reply.status_code == 204 and f'{COOKIE}=""' in reply.headers["set-cookie"]
    assert client.get("/api/auth/me", headers=held).status_code == 401


def test_old_rows_are_swept_at_a_sign_in(client: TestClient, core: Core) -> None:
    log_in(client)
    advance(core, sessions.REFRESH_LIFE + sessions.KEPT_AFTER_END + timedelta(minutes=1))
    log_in(client)
    with core.db.read() as conn:
        assert conn.execute(select(func.count()).select_from(table)).scalar_one() == 2


# Personal API tokens


def new_token(client: TestClient, access: str, **change: Any) -> httpx2.Response:
    body = {"name": "nightly", "scopes": ["posts:read", "monitoring:read"], **change}
    return client.post("/api/auth/tokens", json=body, headers=bearer(access))


def test_an_api_token_is_shown_once_and_does_what_it_was_made_for(client: TestClient, core: Core) -> None:
    access = log_in(client).json()["access_token"]
    made = new_token(client, access).json()
    secret = made["token"]
    assert secret.startswith("pp_") and len(secret) > 40 and made["hint"] == secret[-4:]
    listed = client.get("/api/auth/tokens", headers=bearer(access))
    assert secret not in listed.text and listed.json()["items"][0]["last_used_at"] is None
    who = client.get("/api/auth/me", headers=bearer(secret)).json()
    assert (who["scopes"], who["signed_in_by"]) == (["monitoring:read", "posts:read"], "api_token")
    assert client.get("/api/auth/tokens", headers=bearer(access)).json()["items"][0]["last_used_at"] is not None
    with core.db.read() as conn:
        rows = str(conn.execute(select(table)).all())
    assert secret not in rows and secret[3:] not in rows


def test_an_api_token_can_neither_make_nor_see_nor_remove_tokens_nor_sign_out(client: TestClient) -> None:
    access = log_in(client).json()["access_token"]
    made = new_token(client, access, scopes=sorted(GRANTABLE)).json()
    held = bearer(made["token"])
    assert new_token(client, made["token"]).status_code == 403
    assert client.get("/api/auth/tokens", headers=held).status_code == 403
    assert client.delete(f"/api/auth/tokens/{made['id']}", headers=held).status_code == 403
    assert client.post("/api/auth/logout", headers=held).status_code == 403


@pytest.mark.parametrize(
    "change",
    [
        {"scopes": []},
        {"scopes": ["tokens:write"]},
        {"scopes": ["posts:read", "everything"]},
        {"name": " "},
        {"name": "x" * 121},
        {"name": "a\nb"},
        {"days": 0},
        {"days": 4000},
        {"is_admin": True},
    ],
    ids=str,
)
def test_a_token_that_asks_for_too_much_is_not_made(client: TestClient, change: dict[str, Any]) -> None:
    access = log_in(client).json()["access_token"]
    assert new_token(client, access, **change).status_code == 422
    assert client.get("/api/auth/tokens", headers=bearer(access)).json() == {"items": []}


def test_a_removed_or_expired_token_is_worth_nothing(client: TestClient, core: Core) -> None:
    access = log_in(client).json()["access_token"]
    removed, expiring = new_token(client, access).json(), new_token(client, access, days=1).json()
    assert client.delete(f"/api/auth/tokens/{removed['id']}", headers=bearer(access)).status_code == 204
    assert client.delete(f"/api/auth/tokens/{removed['id']}", headers=bearer(access)).status_code == 404
    assert (me(client, removed["token"]), me(client, expiring["token"])) == (401, 200)
    advance(core, timedelta(days=1))
    assert me(client, expiring["token"]) == 401


def test_nobody_sees_or_removes_another_persons_token(client: TestClient) -> None:
    access, other = log_in(client).json()["access_token"], log_in(client, "stranger").json()["access_token"]
    made = new_token(client, access).json()
    assert client.get("/api/auth/tokens", headers=bearer(other)).json() == {"items": []}
    for token_id in (made["id"], 0, -1, 2**63, 10**30):
        assert client.delete(f"/api/auth/tokens/{token_id}", headers=bearer(other)).status_code == 404
    assert me(client, made["token"]) == 200


def test_a_delete_of_tokens_never_ends_another_kind_of_session(client: TestClient, core: Core) -> None:
    access = log_in(client).json()["access_token"]
    with core.db.read() as conn:
        ids = [row.id for row in conn.execute(select(table))]
    for session_id in ids:
        assert client.delete(f"/api/auth/tokens/{session_id}", headers=bearer(access)).status_code == 404
    assert me(client, access) == 200


def test_a_viewer_reads_and_nothing_else(client: TestClient) -> None:
    access = log_in(client, "viewer").json()["access_token"]
    assert set(client.get("/api/auth/me", headers=bearer(access)).json()["scopes"]) == READ_SCOPES
    assert new_token(client, access).status_code == 403


def test_a_token_never_may_more_than_its_owners_role(client: TestClient, core: Core) -> None:
    access = log_in(client).json()["access_token"]
    secret = new_token(client, access, scopes=["posts:read", "posts:write"]).json()["token"]
    with core.db.write() as conn:
        conn.execute(update(user_table).where(user_table.c.email == "owner@example.org").values(role="viewer"))
    assert client.get("/api/auth/me", headers=bearer(secret)).json()["scopes"] == ["posts:read"]


def test_a_permission_that_is_missing_is_refused_and_one_that_does_not_exist_is_a_bug(core: Core) -> None:
    caller = sessions.Caller(user_named(core, "viewer"), READ_SCOPES, "1", "login")
    require(caller, "posts:read")
    with pytest.raises(Forbidden, match="posts:publish"):
        require(caller, "posts:publish")
    with pytest.raises(ValueError, match="posts:delete"):
        require(caller, "posts:delete")
    assert scopes_of_role("visitor from the future") == frozenset()


@pytest.mark.parametrize(
    "body",
    [
        {"email": "owner@example.org"},
        {"email": "", "password": "x"},
        {"email": "x" * 300, "password": "x"},
        [],
        "x",
        {"email": 1, "password": 2},
        {"email": "owner@example.org", "password": "x" * 2000},
    ],
    ids=str,
)
def test_an_unusable_sign_in_is_a_problem_and_does_not_repeat_what_was_typed(client: TestClient, body: object) -> None:
    reply = client.post("/api/auth/login", json=body)
    assert reply.status_code == 422 and reply.headers["content-type"] == "application/problem+json"
    assert "xxxx" not in reply.text


@pytest.mark.parametrize("email", ["owner@exam\x00ple.org", "\ud800@example.org", "no address", "' OR 1=1 --@x"])
def test_strange_addresses_are_wrong_and_not_errors(client: TestClient, email: str) -> None:
    raw = json.dumps({"email": email, "password": "\ud800 whatever"})
    reply = client.post("/api/auth/login", content=raw, headers={"Content-Type": "application/json"})
    assert reply.status_code in (401, 422), reply.text


def test_a_refresh_token_with_half_a_character_is_unknown(client: TestClient) -> None:
    raw = '{"refresh_token": "\\ud800"}'
    reply = client.post("/api/auth/refresh", content=raw, headers={"Content-Type": "application/json"})
    assert reply.status_code in (401, 422)


def test_a_use_case_is_told_by_which_session_or_token_somebody_came(
    client: TestClient, core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = log_in(client, "teammate").json()["access_token"]
    made = client.post(
        "/api/auth/tokens", headers=bearer(access), json={"name": "n", "scopes": ["posts:read"], "days": 1}
    ).json()
    browser = cookie(core, "teammate")
    client.cookies.clear()
    seen = asked(monkeypatch)
    for headers in (bearer(access), bearer(made["token"]), browser):
        assert client.get("/api/posts", headers=headers).status_code == 200
    with core.db.read() as conn:
        rows = {row.kind: row.id for row in conn.execute(select(table).where(table.c.kind != "refresh"))}
    assert {one.user for one in seen} == {user_named(core, "teammate").id}
    assert [one.via for one in seen] == [
        Via(Door.REST, "login", rows["login"]),
        Via(Door.REST, "api_token", made["id"], made["token"][-4:], frozenset({"posts:read"})),
        Via(Door.REST, "browser", rows["browser"]),
    ]
    assert [one.via.is_token for one in seen] == [False, True, False]
