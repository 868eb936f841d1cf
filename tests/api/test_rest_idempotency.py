"""`Idempotency-Key`: nothing is created twice, whatever is repeated, at once or after a crash. On both databases."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from postprober.api import idempotency as ours
from postprober.api.app import create_app
from postprober.api.schemas import NewPostBody
from postprober.api.views import PostOut
from postprober.errors import Conflict
from postprober.security.vault import Vault
from postprober.services.operations import keys
from postprober.services.people import sessions
from postprober.services.posts import drafts
from postprober.storage import idempotency, posts
from postprober.storage.database import Database
from postprober.storage.tables import idempotency_keys, media
from postprober.storage.tables import posts as posts_table
from tests.api.rest_kit import BASE, Rest, is_problem, png, rest_at, rest_on
from tests.installed import Installation
from tests.people import acting

BODY = {"content": "Once"}


@pytest.fixture
def rest(installation: Installation, database: Database, password_hash: str) -> Rest:
    return rest_at(installation, database, password_hash)


def post(rest: Rest, key: str = "key-1", body: dict[str, Any] | None = None, who: str = "owner") -> httpx2.Response:
    return rest.ask("POST", "/api/posts", who, json=body or BODY, headers={"Idempotency-Key": key})


def count(rest: Rest, table: Any = posts_table) -> int:
    with rest.core.db.read() as conn:
        return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


def test_the_same_request_gets_the_same_answer_and_creates_nothing_again(rest: Rest) -> None:
    first = post(rest)
    rest.ask("PUT", first.headers["location"], json={"content": "Edited"}, headers={"If-Match": "*"})
    again = post(rest)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true" and "idempotency-replayed" not in first.headers
    for name in ("etag", "location", "content-type"):
        assert again.headers[name] == first.headers[name]
    assert count(rest) == 1


def test_the_same_meaning_written_otherwise_is_the_same_request(rest: Rest) -> None:
    first = post(rest, body={"content": "Once", "language": ""})
    assert post(rest, body={"language": "", "account_ids": [], "content": "Once"}).content == first.content


def test_another_request_with_the_key_is_refused(rest: Rest) -> None:
    made = post(rest).json()["id"]
    assert is_problem(post(rest, body={"content": "Twice"}), 422, "bad-input")
    other = rest.ask("POST", f"/api/posts/{made}/submit", headers={"Idempotency-Key": "key-1"})
    assert is_problem(other, 422, "bad-input")
    assert count(rest) == 1


def test_a_key_belongs_to_its_caller(rest: Rest) -> None:
    mine, theirs = post(rest), post(rest, who="stranger")
    assert mine.json()["id"] != theirs.json()["id"]
    assert "idempotency-replayed" not in theirs.headers


def test_a_key_ends_after_a_day(rest: Rest) -> None:
    first = post(rest)
    rest.clock.jump(24 * 3600 - 60)
    rest.tokens.clear()
    assert post(rest).content == first.content
    rest.clock.jump(120)
    rest.tokens.clear()
    assert post(rest).json()["id"] != first.json()["id"]
    assert count(rest, idempotency_keys) == 1, "the ended row is removed"


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "ä"])
def test_a_key_that_is_none_is_refused(rest: Rest, key: str) -> None:
    reply = rest.ask("POST", "/api/posts", json=BODY, headers={"Idempotency-Key": key.encode()})
    assert is_problem(reply, 422, "bad-input")
    assert count(rest) == 0


def test_a_hundred_at_once_create_one(rest: Rest) -> None:
    rest.token("owner")
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: post(rest), range(100)))
    found = Counter(reply.status_code for reply in replies)
    assert set(found) <= {201, 409} and found[201] >= 1
    assert {reply.json()["id"] for reply in replies if reply.status_code == 201} == {post(rest).json()["id"]}
    for reply in replies:
        assert reply.status_code == 201 or (is_problem(reply, 409, "busy") and int(reply.headers["retry-after"]) >= 1)
    assert count(rest) == count(rest, idempotency_keys) == 1


class Killed(BaseException):
    """The process died here."""


def crash(monkeypatch: pytest.MonkeyPatch, rest: Rest, where: Any, name: str, *, after: bool) -> None:
    """Die at the call of `name`, before or after it did its work. What dies runs no clean-up."""
    real = getattr(where, name)

    def dies(*args: Any, **options: Any) -> Any:
        if after:
            real(*args, **options)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(where, name, dies)
        patch.setattr(idempotency, "give_up", lambda *_: None)
        once = ours.Once(rest.core, _owner(rest), "key-1", "POST /api/posts")
        with pytest.raises(Killed):
            once.answer(_body(), lambda mark, made: _create(rest, mark, made))


def _owner(rest: Rest) -> int:
    with rest.core.db.read() as conn:
        return int(conn.exec_driver_sql("SELECT id FROM users WHERE email = 'owner@example.org'").scalar_one())


def _body() -> str:
    return NewPostBody.model_validate(BODY).model_dump_json()


def _create(rest: Rest, mark: Any, made: int | None) -> ours.StoredAnswer:
    from postprober.api.schemas import NewPostBody

    made_post = (
        drafts.save(rest.core, acting(rest.core, _owner(rest)), NewPostBody.model_validate(BODY).wish(), mark)
        if made is None
        else None
    )
    assert made_post is not None
    return ours.StoredAnswer(201, PostOut.of(made_post))


def test_a_crash_before_the_creation_leaves_the_key_for_the_next_one_after_its_lease(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash(monkeypatch, rest, drafts, "save", after=False)
    busy = post(rest)
    assert is_problem(busy, 409, "busy") and 1 <= int(busy.headers["retry-after"]) <= 5
    rest.clock.jump(ours.LEASE.total_seconds() + 1)
    assert post(rest).status_code == 201
    assert count(rest) == 1


def test_a_crash_within_the_creating_transaction_leaves_nothing(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    crash(monkeypatch, rest, idempotency, "made", after=True)
    assert count(rest) == 0
    rest.clock.jump(ours.LEASE.total_seconds() + 1)
    assert post(rest).status_code == 201
    assert count(rest) == 1


def test_a_crash_after_the_creation_leads_to_the_same_post(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    crash(monkeypatch, rest, drafts, "save", after=True)
    assert count(rest) == 1
    assert is_problem(post(rest), 409, "busy")
    rest.clock.jump(ours.LEASE.total_seconds() + 1)
    reply = post(rest)
    assert reply.status_code == 201 and reply.json()["content"] == "Once"
    assert post(rest).content == reply.content
    assert count(rest) == 1


def test_who_was_taken_over_can_no_longer_create(rest: Rest) -> None:
    once = ours.Once(rest.core, _owner(rest), "key-1", "POST /api/posts")
    taken: list[httpx2.Response] = []

    def slow(mark: Any, made: int | None) -> ours.StoredAnswer:
        if not taken:
            rest.clock.jump(ours.LEASE.total_seconds() + 1)
            taken.append(post(rest))
        return _create(rest, mark, made)

    with pytest.raises(Conflict, match="taken over"):
        once.answer(_body(), slow)
    assert taken[0].status_code == 201
    assert post(rest).content == taken[0].content
    assert count(rest) == 1


def test_a_refused_request_leaves_its_key_free(rest: Rest) -> None:
    refused = post(rest, body={"content": "Once", "account_ids": [99]})
    assert is_problem(refused, 404)
    assert count(rest, idempotency_keys) == 0
    assert post(rest).status_code == 201


def test_an_error_after_the_creation_lets_the_next_one_answer_at_once(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "seal", lambda *_: 1 / 0)
        assert is_problem(post(rest), 500, "internal")
    assert count(rest) == 1
    assert post(rest).status_code == 201
    assert count(rest) == 1


def test_the_stored_answer_is_sealed_and_survives_a_new_key(rest: Rest) -> None:
    first = post(rest, body={"content": "Very secret plan"})
    with rest.core.db.read() as conn:
        row = conn.execute(idempotency_keys.select()).one()
    assert "secret" not in str(row._mapping)
    rotated = replace(rest.core, vault=Vault({"next": b"n" * 32, **rest.core.vault.keys}))
    assert keys.rotate(rotated).done == 1
    alone = replace(rest, core=replace(rest.core, vault=Vault({"next": b"n" * 32})))
    again = rest_on_vault(alone)
    assert post(again, body={"content": "Very secret plan"}).content == first.content


def rest_on_vault(rest: Rest) -> Rest:
    return replace(rest, client=TestClient(create_app(rest.core), base_url=BASE))


def test_a_removed_post_is_still_the_stored_answer(rest: Rest) -> None:
    first = post(rest)
    assert rest.ask("DELETE", first.headers["location"]).status_code == 204
    assert post(rest).content == first.content
    assert count(rest) == 0


# The other routes that create


def test_an_upload_is_stored_once(rest: Rest) -> None:
    def upload(colour: str) -> httpx2.Response:
        files = {"file": ("a.png", png(colour))}
        return rest.ask("POST", "/api/media", files=files, headers={"Idempotency-Key": "up"})

    first, again, other = upload("green"), upload("green"), upload("red")
    assert first.status_code == again.status_code == 201 and first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    assert is_problem(other, 422, "bad-input")
    assert count(rest, media) == 1


def test_a_consent_page_is_asked_for_once(rest: Rest) -> None:
    def connect() -> httpx2.Response:
        body = {"platform": "x"}
        return rest.ask("POST", "/api/accounts/connect", json=body, headers={"Idempotency-Key": "link"})

    first, again = connect(), connect()
    assert first.status_code == 200 and first.json()["authorize_url"]
    assert again.content == first.content


def test_a_submit_answers_again_instead_of_a_conflict(installation: Installation) -> None:
    rest = rest_on(installation)
    account = installation.link("bluesky")
    path = f"/api/posts/{rest.draft(account_ids=[account.id])['id']}/submit"
    headers = {"Idempotency-Key": "submit"}
    first, again = (rest.ask("POST", path, headers=headers) for _ in range(2))
    assert first.status_code == again.status_code == 200 and first.content == again.content
    assert len(rest.deliveries(first.json()["id"])) == 1
    with rest.core.db.read() as conn:
        assert posts.get(conn, first.json()["id"]).version == 2


def make_token(rest: Rest, key: str) -> httpx2.Response:
    body = {"name": "nightly", "scopes": ["posts:read"]}
    return rest.ask("POST", "/api/auth/tokens", json=body, headers={"Idempotency-Key": key})


def test_an_api_token_is_made_once_and_shown_to_who_repeats(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:  # signing in is tested elsewhere; here it only has to be quick
        patch.setattr("postprober.services.people.users.verify_password", lambda *_: True)
        rest.tokens["owner"] = sessions.log_in(rest.core, "owner@example.org", "any", "127.0.0.1").access
    first, again = make_token(rest, "t"), make_token(rest, "t")
    assert first.status_code == 201 and first.content == again.content
    assert first.headers["cache-control"] == again.headers["cache-control"] == "no-store"
    assert len(rest.ask("GET", "/api/auth/tokens").json()["items"]) == 1


def _die(*_: object) -> None:
    raise RuntimeError("killed")


def test_a_token_whose_secret_nobody_was_shown_is_replaced(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies after the commit that made the token: its answer was never stored, and the secret is nowhere."""
    with monkeypatch.context() as patch:
        patch.setattr("postprober.services.people.users.verify_password", lambda *_: True)
        rest.tokens["owner"] = sessions.log_in(rest.core, "owner@example.org", "any", "127.0.0.1").access
        patch.setattr(idempotency, "answered", _die)
        patch.setattr(idempotency, "give_up", lambda *_: None)
        assert is_problem(make_token(rest, "t"), 500, "internal")
    (lost,) = rest.ask("GET", "/api/auth/tokens").json()["items"]
    rest.clock.advance(ours.LEASE.total_seconds() + 1)
    made = make_token(rest, "t").json()
    (kept,) = rest.ask("GET", "/api/auth/tokens").json()["items"]
    assert kept["id"] == made["id"] != lost["id"]
    assert sessions.by_bearer(rest.core, made["token"]) is not None
