"""Use cases: who may do what, and what unusable input leaves behind (nothing)."""

from __future__ import annotations

import io
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from postprober.clock import ManualClock
from postprober.domain.delivery import DeliveryState
from postprober.domain.platform import Platform
from postprober.errors import BadInput, Conflict, Forbidden, NotFound
from postprober.pipeline import watch
from postprober.pipeline.credentials import open_credentials
from postprober.services import accounts, backup, doctor, keys, media, monitoring, posts, users
from postprober.services.posts import NewPost, PreflightFailed
from postprober.services.times import FARTHEST, parse_time
from postprober.storage import accounts as account_storage
from postprober.storage import deliveries, processes
from postprober.storage.records import Delivery
from tests.conftest import Installation

S = DeliveryState
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def png(width: int = 20, height: int = 10) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "green").save(out, "PNG")
    return out.getvalue()


def post(inst: Installation, account_id: int, text: str = "Hello", **changes: Any) -> Delivery:
    made = posts.create(inst.core, inst.owner, NewPost((text,), (account_id,), **changes))
    with inst.core.db.read() as conn:
        return deliveries.of_post(conn, made.id)[0]


def move(inst: Installation, delivery: Delivery, *states: DeliveryState, **columns: Any) -> Delivery:
    for state in states:
        with inst.core.db.write() as conn:
            delivery = watch.move(
                conn, deliveries.get(conn, delivery.id), state, reason="test", now=inst.core.clock.now(), **columns
            )
    return delivery


# Times


@pytest.mark.parametrize(
    ("text", "zone", "message"),
    [
        ("tomorrow", "UTC", "is not a time"),
        ("", "", "is not a time"),
        ("2026-13-40T00:00Z", "", "is not a time"),
        ("2026-03-02T10:00", "", "no time zone"),
        ("2026-03-02T08:58:59Z", "", "in the past"),
        ("1970-01-01T00:00Z", "", "in the past"),
        ("2036-03-02T10:00Z", "", "two years ahead"),
        ("0001-01-01T00:00+14:00", "", "outside the calendar"),
        ("9999-12-31T23:59-14:00", "", "outside the calendar"),
        ("2026-03-29T02:30", "Europe/Berlin", "does not exist"),
        ("2026-10-25T02:30", "Europe/Berlin", "happens twice"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused_in_one_sentence(text: str, zone: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        parse_time(text, NOW, zone)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-03-02T10:00Z", "", "2026-03-02T10:00:00+00:00"),
        ("2026-03-02T10:00+01:00", "", "2026-03-02T09:00:00+00:00"),
        ("2026-03-02T08:59:30Z", "", "2026-03-02T08:59:30+00:00"),
        ("2026-03-02T10:00", "Asia/Kolkata", None),
        ("2026-03-29T01:59", "Europe/Berlin", "2026-03-29T00:59:00+00:00"),
        ("2026-03-29T03:00", "Europe/Berlin", "2026-03-29T01:00:00+00:00"),
        ("2026-10-25T02:30+02:00", "Europe/Berlin", "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T02:30+01:00", "Europe/Berlin", "2026-10-25T01:30:00+00:00"),
    ],
)
def test_a_clear_time_is_read_as_that_moment(text: str, zone: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(BadInput, match="past"):  # 10:00 in Kolkata is 04:30 in UTC
            parse_time(text, NOW, zone)
        return
    assert parse_time(text, NOW, zone).isoformat() == expected


def test_the_farthest_time_is_just_allowed() -> None:
    assert parse_time((NOW + FARTHEST).isoformat(), NOW) == NOW + FARTHEST


# Users


@pytest.mark.parametrize(
    "changes",
    [{"email": "nobody"}, {"email": "a b@example.org"}, {"email": ""}, {"password": "short"}, {"zone": "Mars/Olympus"},
     {"email": "OWNER@example.org "}],
)  # fmt: skip
def test_a_user_that_cannot_be_made_leaves_nothing(installation: Installation, changes: dict[str, str]) -> None:
    before = installation.counts()
    good = {"email": "new@example.org", "password": "long enough password"}
    with pytest.raises(BadInput):
        users.create(installation.core, **{**good, **changes})
    assert installation.counts() == before
    assert users.create(installation.core, **good) > 0


def test_signing_in_says_the_same_for_every_reason(installation: Installation) -> None:
    core = installation.core
    assert users.authenticate(core, " Owner@example.org", installation.password).id == installation.owner
    with core.db.write() as conn:
        conn.execute(users.users.users.update().where(users.users.users.c.id == installation.stranger).values(is_active=False))
    said = set()
    for email, password in (
        ("owner@example.org", "wrong password"), ("nobody@example.org", installation.password),
        ("stranger@example.org", installation.password), ("", ""), ("owner@example.org", ""),
    ):  # fmt: skip
        with pytest.raises(Forbidden) as caught:
            users.authenticate(core, email, password)
        said.add((str(caught.value), caught.value.detail))
    assert len(said) == 1


def test_a_ticket_becomes_a_session_once_and_in_time(installation: Installation) -> None:
    clock = ManualClock(installation.core.clock.now())
    core = replace(installation.core, clock=clock)
    user = users.authenticate(core, "owner@example.org", installation.password)
    ticket = users.issue_ticket(core, user)
    token = users.redeem_ticket(core, ticket)
    with pytest.raises(Forbidden):
        users.redeem_ticket(core, ticket)
    found = users.session_user(core, token)
    assert found is not None and found.id == installation.owner
    assert users.session_user(core, ticket) is None
    assert users.session_user(core, "") is None and users.session_user(core, None) is None
    late = users.issue_ticket(core, user)
    clock.advance(users.TICKET_LIFE.total_seconds())
    with pytest.raises(Forbidden):
        users.redeem_ticket(core, late)
    users.sign_out(core, token)
    assert users.session_user(core, token) is None


def test_a_session_ends_with_its_life_and_with_its_user(installation: Installation) -> None:
    clock = ManualClock(installation.core.clock.now())
    core = replace(installation.core, clock=clock)
    user = users.authenticate(core, "owner@example.org", installation.password)
    token = users.redeem_ticket(core, users.issue_ticket(core, user))
    other = users.redeem_ticket(core, users.issue_ticket(core, user))
    clock.advance(users.SESSION_LIFE.total_seconds() + 1)
    assert users.session_user(core, token) is None
    clock.advance(-users.SESSION_LIFE.total_seconds())
    with core.db.write() as conn:
        conn.execute(users.users.users.update().where(users.users.users.c.id == user.id).values(is_active=False))
    assert users.session_user(core, other) is None


# Accounts


@pytest.mark.parametrize(
    ("platform", "data", "options"),
    [
        ("x", {}, {}),
        ("x", [], {}),
        ("x", {"access_token": 5}, {}),
        ("x", {"access_token": "  "}, {}),
        ("x", {"access_token": "tökén"}, {}),
        ("x", {"access_token": "a\nb"}, {}),
        ("x", {"access_token": "not-a-token"}, {}),
        ("x", {"access_token": "t", "expires_at": "soon"}, {}),
        ("x", {"access_token": "t", "expires_at": "2026-01-01T00:00"}, {}),
        ("x", {"access_token": "t", "expires_at": "0001-01-01T00:00+14:00"}, {}),
        ("x", {"access_token": "t"}, {"instance": "https://x.example"}),
        ("mastodon", {"access_token": "t"}, {"instance": "https://["}),
        ("mastodon", {"access_token": "t"}, {"instance": "file:///etc/passwd"}),
        ("bluesky", {"identifier": "a"}, {}),
        ("bluesky", {"identifier": "nobody.test", "password": ""}, {}),
    ],
)
def test_an_account_that_cannot_be_linked_leaves_nothing(
    installation: Installation, platform: str, data: Any, options: dict[str, str]
) -> None:
    before = installation.counts()
    with pytest.raises(BadInput) as caught:
        accounts.add_by_token(installation.core, installation.owner, Platform(platform), data, **options)
    assert "\n" not in str(caught.value)
    assert installation.counts() == before


def test_the_token_of_somebody_else_is_not_stored_under_the_named_account(installation: Installation) -> None:
    made, other = installation.made("x"), installation.made("x")
    before = installation.counts()
    with pytest.raises(BadInput, match="belongs to"):
        accounts.add_by_token(
            installation.core, installation.owner, Platform.X, {"access_token": made["access_token"]}, remote_id=other["id"]
        )
    assert installation.counts() == before


def test_linking_again_keeps_the_account_and_wakes_what_waited(installation: Installation) -> None:
    core = installation.core
    made = installation.made("x")
    data = {"access_token": made["access_token"]}
    first = accounts.add_by_token(core, installation.owner, Platform.X, data)
    with core.db.write() as conn:
        account_storage.write(conn, first.id, status="reconnect", status_reason="revoked")
    again = accounts.add_by_token(core, installation.owner, Platform.X, data)
    assert (again.id, again.status, again.token_version) == (first.id, "ok", first.token_version + 1)
    assert len(accounts.listing(core, installation.owner)) == 1


@pytest.mark.parametrize("who", ["teammate", "stranger"])
def test_nobody_else_sees_uses_or_removes_an_account(installation: Installation, who: str) -> None:
    core, other = installation.core, getattr(installation, who)
    account = installation.link("mastodon")
    before = installation.counts()
    assert accounts.listing(core, other) == []
    with pytest.raises(NotFound):
        accounts.remove(core, other, account.id)
    with pytest.raises(NotFound):
        posts.create(core, other, NewPost(("Hello",), (account.id,)))
    assert installation.counts() == before
    assert [a.id for a in accounts.listing(core, installation.owner)] == [account.id]


def test_a_removed_account_has_no_tokens_left_and_what_waited_is_cancelled(installation: Installation) -> None:
    core = installation.core
    account = installation.link("mastodon")
    delivery = post(installation, account.id)
    accounts.remove(core, installation.owner, account.id)
    with core.db.read() as conn:
        found = account_storage.get(conn, account.id)
        state = deliveries.get(conn, delivery.id).state
    assert (found.access_token, found.refresh_token, found.secret, found.is_active) == (None, None, None, False)
    assert state is S.CANCELLED
    with pytest.raises(NotFound):
        accounts.remove(core, installation.owner, account.id)


# Posts


@pytest.mark.parametrize(
    "text",
    ["", "   ", "x" * 501, "a\ud800b", "a\x00b"],
    ids=["empty", "blank", "too long", "lone surrogate", "nul"],
)
def test_a_text_that_cannot_go_out_is_refused_and_leaves_nothing(installation: Installation, text: str) -> None:
    account = installation.link("mastodon")
    before = installation.counts()
    with pytest.raises(BadInput) as caught:
        post(installation, account.id, text)
    assert str(caught.value) and "\n" not in str(caught.value)
    assert installation.counts() == before


@pytest.mark.parametrize(
    "new",
    [
        NewPost(("Hello",), ()),
        NewPost((), (1,)),
        NewPost(("Hello",) * 26, (1,)),
        NewPost(("Hello",), (1, 1)),
        NewPost(("Hello",), (999,)),
        NewPost(("Hello",), (-1,)),
        NewPost(("Hello",), (1,), media_ids=(999,)),
    ],
)
def test_a_post_of_an_impossible_form_leaves_nothing(installation: Installation, new: NewPost) -> None:
    installation.link("mastodon")
    before = installation.counts()
    with pytest.raises((BadInput, NotFound)):
        posts.create(installation.core, installation.owner, new)
    assert installation.counts() == before


def test_one_platform_that_would_refuse_stops_the_whole_post(installation: Installation) -> None:
    short, long = installation.link("x"), installation.link("mastodon")
    before = installation.counts()
    with pytest.raises(PreflightFailed) as caught:
        posts.create(installation.core, installation.owner, NewPost(("y" * 400,), (short.id, long.id)))
    assert caught.value.results[long.id].ok and not caught.value.results[short.id].ok
    assert caught.value.results[short.id].violations[0].over == 120
    assert installation.counts() == before


def test_the_files_of_somebody_else_cannot_be_used(installation: Installation) -> None:
    account = installation.link("mastodon")
    theirs = media.add_bytes(installation.core, installation.stranger, "a.png", png())
    with pytest.raises(NotFound):
        post(installation, account.id, media_ids=(theirs,))


@pytest.mark.parametrize("who", ["teammate", "stranger"])
def test_nobody_else_sees_or_steers_a_post(installation: Installation, who: str) -> None:
    core, other = installation.core, getattr(installation, who)
    delivery = post(installation, installation.link("mastodon").id)
    acts: list[Callable[[int], object]] = [
        lambda u: monitoring.post_view(core, u, delivery.post_id),
        lambda u: monitoring.attempts_of(core, u, delivery.id),
        lambda u: monitoring.step_rows(core, u, delivery.post_id),
        lambda u: posts.cancel(core, u, delivery.post_id),
        lambda u: posts.retry(core, u, delivery.post_id),
        lambda u: posts.send_held(core, u, delivery.id),
        lambda u: posts.look_again(core, u, delivery.id),
    ]
    for act in acts:
        with pytest.raises(NotFound):
            act(other)
    assert posts.listing(core, other) == [] and monitoring.recent_views(core, other) == []
    assert monitoring.post_view(core, installation.owner, delivery.post_id).post.id == delivery.post_id
    assert posts.cancel(core, installation.owner, delivery.post_id) == 1


def test_only_what_was_not_sent_can_be_cancelled(installation: Installation) -> None:
    core, owner = installation.core, installation.owner
    account = installation.link("mastodon").id
    waiting, sent = post(installation, account, "a"), post(installation, account, "b")
    move(installation, sent, S.CLAIMED, S.SUBMITTING)
    assert posts.cancel(core, owner, waiting.post_id) == 1
    for post_id in (waiting.post_id, sent.post_id):
        with pytest.raises(Conflict):
            posts.cancel(core, owner, post_id)


def test_a_held_post_whose_outcome_is_unknown_is_not_cancelled_as_if_it_were_not_out(installation: Installation) -> None:
    delivery = post(installation, installation.link("mastodon").id)
    move(installation, delivery, S.CLAIMED, S.SUBMITTING)
    move(installation, delivery, S.UNCONFIRMED, S.HELD, unknown_at=installation.core.clock.now())
    with pytest.raises(Conflict):
        posts.cancel(installation.core, installation.owner, delivery.post_id)


def test_only_failed_deliveries_are_tried_again(installation: Installation) -> None:
    core, owner = installation.core, installation.owner
    delivery = post(installation, installation.link("mastodon").id)
    with pytest.raises(Conflict):
        posts.retry(core, owner, delivery.post_id)
    move(installation, delivery, S.CLAIMED, S.SUBMITTING, S.FAILED, tries=5)
    assert posts.retry(core, owner, delivery.post_id) == 1
    with core.db.read() as conn:
        found = deliveries.get(conn, delivery.id)
    assert (found.state, found.tries, found.key) == (S.SCHEDULED, 0, delivery.key)


def test_a_person_decides_about_held_deliveries_only(installation: Installation) -> None:
    core, owner = installation.core, installation.owner
    delivery = post(installation, installation.link("mastodon").id)
    for act in (posts.send_held, posts.look_again):
        with pytest.raises(Conflict):
            act(core, owner, delivery.id)
    move(installation, delivery, S.CLAIMED, S.HELD, next_at=None)
    with pytest.raises(Conflict, match="before anything was sent"):
        posts.look_again(core, owner, delivery.id)
    posts.send_held(core, owner, delivery.id)
    with core.db.read() as conn:
        assert deliveries.get(conn, delivery.id).state is S.SCHEDULED


# Media


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", png()[:40], b"GIF89a", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4"]
)
def test_a_file_that_is_no_picture_or_video_is_refused_and_leaves_nothing(
    installation: Installation, content: bytes
) -> None:
    before = installation.counts()
    with pytest.raises(BadInput):
        media.add_bytes(installation.core, installation.owner, "a.png", content)
    assert installation.counts() == before
    assert list(installation.core.settings.data_dir.rglob("media/*/*")) == []


def test_a_file_too_large_missing_or_a_folder_is_refused(installation: Installation, tmp_path: Path) -> None:
    huge = tmp_path / "huge.mp4"
    with huge.open("wb") as stream:
        stream.truncate(media.MAX_BYTES + 1)
    for path in (huge, tmp_path / "missing.png", tmp_path):
        with pytest.raises(BadInput):
            media.add_file(installation.core, installation.owner, path)


def test_a_picture_that_unpacks_to_a_monster_is_refused(installation: Installation) -> None:
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    with pytest.raises(BadInput):
        media.add_bytes(installation.core, installation.owner, "bomb.png", out.getvalue())


def test_a_file_is_known_by_its_content_and_its_name_cannot_leave_the_folder(installation: Installation) -> None:
    core = installation.core
    first = media.add_bytes(core, installation.owner, "../../etc/passwd.jpg", png())
    second = media.add_bytes(core, installation.owner, "b.gif", png(), "alt")
    one, two = media.files(core, installation.owner, [first, second])
    assert (one.mime, one.width, one.height) == ("image/png", 20, 10)
    assert one.path == two.path and Path(one.path).is_relative_to(core.settings.data_dir)
    assert two.alt == "alt"
    with pytest.raises(BadInput, match="alt text"):
        media.add_bytes(core, installation.owner, "a.png", png(), "x" * 10_001)


# Keeping house


def test_a_backup_is_a_whole_database_and_never_overwrites(installation: Installation, tmp_path: Path) -> None:
    core = installation.core
    target = tmp_path / "copy.sqlite"
    assert backup.backup(core, target) == target
    with sqlite3.connect(target) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT count(*) FROM users").fetchone() == (3,)
    copy.close()
    for bad in (target, tmp_path / "no" / "where.sqlite"):
        with pytest.raises(BadInput):
            backup.backup(core, bad)
    assert backup.backup(core, tmp_path).name.startswith("postprober-")
    assert not list(tmp_path.glob(".*part"))


def test_a_backup_is_consistent_while_somebody_writes(installation: Installation, tmp_path: Path) -> None:
    core, stop = installation.core, threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with core.db.write() as conn:
                processes.set_fact(conn, "a", str(number))
                processes.set_fact(conn, "b", str(number))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        found = []
        for n in range(5):
            with sqlite3.connect(backup.backup(core, tmp_path / f"{n}.sqlite")) as copy:
                found.append(dict(copy.execute("SELECT name, value FROM meta WHERE name IN ('a', 'b')")))
            copy.close()
    finally:
        stop.set()
        thread.join()
    assert all(facts.get("a") == facts.get("b") for facts in found)


def test_the_doctor_names_what_is_wrong_and_never_raises(installation: Installation) -> None:
    core = installation.core
    account = installation.link("mastodon")
    found = {f.name: f for f in doctor.examine(core)}
    assert found["database"].ok and found["vault"].ok and not found["scheduler"].ok and not found["sidecar"].ok
    with core.db.write() as conn:
        account_storage.write(conn, account.id, access_token="v1.gone.AAAA")
        processes.beat(conn, "w", "scheduler", core.clock.now(), core.clock.now(), {})
    found = {f.name: f for f in doctor.examine(core)}
    assert not found["vault"].ok and f"account {account.id}" in found["vault"].message
    assert found["scheduler"].ok
    assert all("\n" not in f.message and f.message for f in found.values())


def test_rotation_covers_every_sealed_column_in_use(installation: Installation) -> None:
    core = installation.core
    account = installation.link("bluesky")
    from postprober.security.vault import Vault

    vault = Vault({"next": b"n" * 32, **core.vault.keys})
    rotated = replace(core, vault=vault)
    assert keys.left(rotated) > 0
    assert keys.rotate(rotated) == 3
    assert keys.left(rotated) == 0
    only = Vault({"next": b"n" * 32})
    with core.db.read() as conn:
        cred = open_credentials(only, account_storage.get(conn, account.id))
    assert cred.access_token and cred.secret["password"]


def test_the_heartbeat_has_an_age_only_when_there_is_one(installation: Installation) -> None:
    core = installation.core
    assert monitoring.heartbeat_age(core) is None
    with core.db.write() as conn:
        processes.beat(conn, "w", "scheduler", core.clock.now(), core.clock.now() - timedelta(seconds=5), {})
    age = monitoring.heartbeat_age(core)
    assert age is not None and timedelta(seconds=4) < age < timedelta(seconds=30)
