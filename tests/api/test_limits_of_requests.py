"""What one space or one request may take, and what a person reads when it is too much."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import update

from postprober.security.vault import Vault
from postprober.services.accounts.accounts import current_limits
from postprober.services.notifications import channels
from postprober.services.posts import posts
from postprober.services.posts.posts import MAX_LISTED, MAX_TEXT, NewPost
from postprober.storage import users
from postprober.storage.database import Database
from postprober.storage.records import User
from postprober.storage.tables import media as media_table
from tests.api.rest_kit import Rest, is_problem, rest_at
from tests.installed import Installation
from tests.people import acting

OTHER = Vault({"k2": b"o" * 32})
MB = 2**20


@pytest.fixture
def rest(installation: Installation, database: Database, password_hash: str) -> Rest:
    return rest_at(installation, database, password_hash)


def narrow(rest: Rest, **settings: int) -> Rest:
    """The same sidecar with other limits."""
    core = replace(rest.core, settings=rest.core.settings.model_copy(update=settings))
    rest.client.app.state.core = core  # type: ignore[attr-defined]
    return replace(rest, core=core)


def user(rest: Rest, name: str = "owner") -> User:
    with rest.core.db.read() as conn:
        found = users.by_email(conn, f"{name}@example.org")
    assert found is not None
    return found


def test_one_answer_never_lists_more_than_a_few_megabytes_and_all_pages_together_list_everything(rest: Rest) -> None:
    long = ["x" * 80_000] * 3
    made = [rest.draft(content=long)["id"] for _ in range(12)] + [rest.draft()["id"] for _ in range(3)]
    seen: list[int] = []
    cursor: dict[str, Any] = {}
    pages = 0
    while True:
        reply = rest.ask("GET", "/api/posts", params={"limit": 100, **cursor})
        assert reply.status_code == 200 and reply.json()["items"]
        assert len(reply.content) < 2 * MAX_LISTED + MAX_TEXT
        seen += [item["id"] for item in reply.json()["items"]]
        pages += 1
        if reply.json()["next_cursor"] is None:
            break
        cursor = {"cursor": reply.json()["next_cursor"]}
    assert seen == made[::-1] and pages > 1


def test_all_texts_of_a_post_have_one_limit(rest: Rest) -> None:
    parts = ["x" * 90_000] * 3
    for body in ({"content": parts}, {"content": parts, "submit": True, "account_ids": [1]}):
        reply = rest.ask("POST", "/api/posts", json=body)
        assert is_problem(reply, 422, "bad-input")
        assert reply.json()["detail"] == (
            "All texts of this post together have 270,000 characters; the limit is 250,000. Shorten it."
        )
    draft = rest.draft()
    headers = {"If-Match": '"1"'}
    assert is_problem(rest.ask("PUT", f"/api/posts/{draft['id']}", json={"content": parts}, headers=headers), 422)
    assert rest.ask("GET", "/api/posts").json()["items"][0]["content"] == "Hello"


def test_a_space_keeps_so_many_drafts_and_another_space_its_own(rest: Rest) -> None:
    rest = narrow(rest, drafts_per_space=2)
    first = rest.draft()
    rest.draft()
    reply = rest.ask("POST", "/api/posts", json={"content": "One too many"})
    assert is_problem(reply, 422, "bad-input")
    assert reply.json()["detail"] == "There are 2 drafts, which is the limit. Delete drafts that you no longer need."
    rest.draft("stranger")
    assert rest.ask("DELETE", f"/api/posts/{first['id']}").status_code == 204
    rest.draft()


def upload(rest: Rest, colour: str, who: str = "owner") -> Any:
    return rest.ask("POST", "/api/media", who, files={"file": ("a.bmp", bmp(colour))})


def bmp(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (500, 400), colour).save(out, "BMP")  # 600 kB
    return out.getvalue()


def test_a_space_keeps_so_much_of_files_and_what_no_post_names_goes_first(rest: Rest) -> None:
    rest = narrow(rest, media_mb_per_space=1)
    kept = upload(rest, "red").json()
    rest.draft(media_ids=[kept["id"]])
    assert upload(rest, "red").status_code == 201, "the same bytes lie there once"
    reply = upload(rest, "blue")
    assert is_problem(reply, 422, "bad-input")
    assert reply.json()["detail"] == (
        "The files of your space would take more than 1 MB, which is the limit. Delete drafts with files that you no "
        "longer need, or ask whoever runs PostProber for more."
    )
    folder = rest.core.settings.data_dir / "media"
    assert [p for p in folder.rglob("*") if p.is_file()] == [rest.core.settings.data_dir / _path(rest, kept["id"])]
    loose = upload(rest, "green", "stranger").json()
    assert upload(rest, "white", "stranger").status_code == 422, "too young to be left over"
    with rest.core.db.write() as conn:
        conn.execute(update(media_table).values(created_at=rest.clock.now() - timedelta(days=8)))
    gone = rest.core.settings.data_dir / _path(rest, loose["id"])
    assert gone.is_file()
    assert upload(rest, "white", "stranger").status_code == 201
    assert not gone.exists() and rest.ask("GET", f"/api/media/{loose['id']}", "stranger").status_code == 404
    assert upload(rest, "blue").status_code == 422, "what a post names stays"
    assert rest.ask("GET", f"/api/media/{kept['id']}").status_code == 200


def _path(rest: Rest, media_id: int) -> str:
    with rest.core.db.read() as conn:
        return str(conn.execute(media_table.select().where(media_table.c.id == media_id)).one().path)


def test_a_channel_whose_key_is_missing_is_listed_with_the_others(rest: Rest) -> None:
    one, _ = channels.add(
        rest.core, acting(rest.core, user(rest)), kind="webhook", name="Before", url="https://hooks.example.org/a"
    )
    keyless = replace(rest.core, vault=OTHER)
    two, _ = channels.add(
        keyless, acting(keyless, user(rest)), kind="webhook", name="After", url="https://hooks.example.org/b"
    )
    found = {view.id: view.where for view in channels.listing(keyless, acting(keyless, user(rest)))}
    assert found == {one.id: channels.SEALED, two.id: "https://hooks.example.org/…"}
    assert (
        channels.change(
            keyless, acting(keyless, user(rest)), one.id, kinds=(), escalation=False, active=False
        ).is_active
        is False
    )
    channels.remove(keyless, acting(keyless, user(rest)), one.id)


def test_a_request_that_needs_a_missing_key_is_told_so(rest: Rest) -> None:
    made, _ = channels.add(
        rest.core, acting(rest.core, user(rest)), kind="webhook", name="Before", url="https://hooks.example.org/a"
    )
    core = replace(rest.core, vault=OTHER)
    rest.client.app.state.core = core  # type: ignore[attr-defined]
    reply = rest.ask("POST", f"/api/channels/{made.id}/test")
    assert is_problem(reply, 503, "key-missing")
    assert "not at hand" in reply.json()["detail"]


def test_an_account_whose_key_is_missing_keeps_no_other_from_being_checked(installation: Installation) -> None:
    core = installation.core
    locked, well = installation.link("mastodon"), installation.link("mastodon")
    with core.db.write() as conn:
        conn.exec_driver_sql(
            f"UPDATE accounts SET access_token = 'v1.k9.AAAA', secret = NULL, refresh_token = NULL WHERE id = {locked.id}"
        )
    wish = NewPost(("Hello",), (locked.id, well.id))
    checked = posts.check(core, acting(core, installation.owner), wish)
    assert checked[well.id].ok
    assert [violation.code for violation in checked[locked.id].violations] == ["key_missing"]
    told = checked[locked.id].violations[0].message
    assert "POSTPROBER_VAULT_KEYS" in told and locked.account_name in told
    assert current_limits(core, locked).max_length  # the review goes on with the usual numbers
