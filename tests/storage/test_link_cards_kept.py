"""What pages said of themselves is kept by link and day, and goes again; a picture stays as long as anything names it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text

from postprober.domain.card import CardPicture, LinkCard
from postprober.domain.delivery import DeliveryState
from postprober.storage import deliveries, link_cards
from postprober.storage.database import Database
from postprober.storage.link_cards import AGAIN, KnownPage
from postprober.storage.records import PartRecord
from postprober.storage.retention import LINK_CARDS, tidy
from postprober.storage.tables import accounts, posts, users
from postprober.storage.tables import deliveries as delivery_table
from postprober.storage.tables import link_cards as table
from tests.storage.test_migration_whose_post import to_revision

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
LINK = "https://example.com/story?token=secret"
PICTURE = CardPicture("a" * 64, "image/jpeg", 1200, 630, 9000)
PAGE = KnownPage("A story", "About 世界", PICTURE)


def known(database: Database, at: datetime, link: str = LINK) -> KnownPage | None:
    with database.read() as conn:
        return link_cards.get(conn, link, at)


def put(database: Database, page: KnownPage, at: datetime, link: str = LINK) -> None:
    with database.write() as conn:
        link_cards.put(conn, link, page, at)


def test_it_is_known_for_that_link_and_day(database: Database) -> None:
    assert known(database, NOW) is None
    put(database, PAGE, NOW)
    assert known(database, NOW) == known(database, NOW + timedelta(hours=11)) == PAGE
    assert known(database, NOW + timedelta(hours=13)) is None
    assert known(database, NOW, LINK + "x") is None


def test_what_is_planned_as_the_day_changes_still_finds_what_was_read_for_it(database: Database) -> None:
    midnight = datetime(2026, 12, 1, tzinfo=UTC)
    put(database, PAGE, midnight - timedelta(seconds=1))
    assert known(database, midnight + timedelta(seconds=2)) == PAGE
    assert known(database, midnight + AGAIN) is None


def test_the_newer_reading_of_a_day_counts(database: Database) -> None:
    put(database, PAGE, NOW)
    put(database, KnownPage("Changed"), NOW)
    assert known(database, NOW) == KnownPage("Changed")
    with database.read() as conn:
        assert conn.execute(select(func.count()).select_from(table)).scalar_one() == 1


def test_a_page_that_did_not_answer_is_asked_again_soon_and_one_without_a_card_tomorrow(database: Database) -> None:
    away = KnownPage(problem="No link card: example.com did not answer in time.", passing=True)
    put(database, away, NOW)
    assert known(database, NOW) == away and known(database, NOW + AGAIN * 1.1) is None
    none = KnownPage(problem="No link card: example.com has no web page at this address.")
    put(database, none, NOW)
    assert known(database, NOW + AGAIN * 1.1) == none


def test_the_address_itself_is_not_kept(database: Database) -> None:
    put(database, PAGE, NOW)
    with database.read() as conn:
        assert "secret" not in str(conn.execute(select(table)).all())


@pytest.fixture
def delivery(database: Database) -> int:
    """One that is planned with the picture."""
    with database.write() as conn:
        user = conn.execute(insert(users).values(email="a@example.org", password_hash="x")).inserted_primary_key[0]
        account = conn.execute(
            insert(accounts).values(user_id=user, platform="x", account_name="a", remote_id="1", scopes=[], settings={})
        ).inserted_primary_key[0]
        post = conn.execute(
            insert(posts).values(user_id=user, content="t", platforms=["x"], options={})
        ).inserted_primary_key[0]
        return deliveries.add(
            conn,
            post_id=post,
            account_id=account,
            space=user,
            platform="x",
            key="k",
            due_at=NOW + timedelta(days=100),
            parts=[PartRecord(0, "t", card=LinkCard(LINK, "T", picture=PICTURE))],
            now=NOW,
            reason="",
        )


def stored(where: Path, digest: str) -> Path:
    """A picture of some time ago."""
    path = link_cards.folder(where) / f"{digest}.jpg"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"jpeg")
    os.utime(path, (NOW.timestamp() - 9999,) * 2)
    return path


def test_rows_go_after_some_days_and_pictures_when_nothing_names_them(
    database: Database, delivery: int, tmp_path: Path
) -> None:
    """A row, a planned delivery, and the first hour keep one; what a killed process has half written goes, too."""
    put(database, KnownPage("T", picture=CardPicture("b" * 64, "image/jpeg", 1, 1, 1)), NOW)
    planned, of_row, left = (stored(tmp_path, letter * 64) for letter in "abc")
    half = link_cards.folder(tmp_path) / ".half.part"
    half.write_bytes(b"")
    os.utime(half, (NOW.timestamp() - 9999,) * 2)
    young = stored(tmp_path, "d" * 64)
    os.utime(young, (NOW.timestamp(),) * 2)
    assert tidy(database, NOW, tmp_path) == 2
    assert [path.exists() for path in (planned, of_row, young, left, half)] == [True, True, True, False, False]
    later = NOW + LINK_CARDS + timedelta(hours=1)
    assert tidy(database, later, tmp_path) == 3, "the row, its picture, and the young one that nothing came to name"
    assert [path.exists() for path in (planned, of_row, young)] == [True, False, False]
    with database.write() as conn:
        conn.execute(delivery_table.update().values(state=DeliveryState.VERIFIED.value))
    assert tidy(database, later, tmp_path) == 1 and not planned.exists()


def test_a_picture_is_written_whole_and_once(tmp_path: Path) -> None:
    first = link_cards.keep_picture(tmp_path, b"jpeg", 3, 2)
    assert link_cards.keep_picture(tmp_path, b"jpeg", 3, 2) == first
    assert link_cards.path_of(tmp_path, first).read_bytes() == b"jpeg" and first.size == 4
    assert [path.name for path in link_cards.folder(tmp_path).iterdir()] == [f"{first.sha256}.jpg"]


def test_deliveries_of_before_come_through_the_migration_without_a_card(empty_database_url: str) -> None:
    """Yesterday's parts, as migration 0022 finds them: they go out as they were planned."""
    db = Database(empty_database_url)
    to_revision(db, "0021")
    part = '[{"index": 0, "text": "Read https://example.com", "media": [], "handle": "", "composed_at": "", "staged": null}]'
    with db.write() as conn:
        for statement in (
            "INSERT INTO users (id, email, password_hash) VALUES (1, 'a@example.org', 'x')",
            "INSERT INTO accounts (id, user_id, platform, account_name, remote_id, scopes, settings) "
            "VALUES (1, 1, 'bluesky', 'a', '5', '[]', '{}')",
            "INSERT INTO posts (id, user_id, content, platforms, options) VALUES (1, 1, 'one', '[]', '{}')",
            "INSERT INTO deliveries (id, post_id, account_id, user_id, platform, key, state, due_at, parts) VALUES "
            f"(1, 1, 1, 1, 'bluesky', 'k', 'scheduled', '2026-03-02 08:00:00.000000', '{part}')",
        ):
            conn.execute(text(statement.replace(":", "\\:") if "parts" in statement else statement))
    db.migrate()
    with db.write() as conn:
        (kept,) = deliveries.get(conn, 1).parts
        assert kept.card is None and "card" not in kept.to_json()
        link_cards.put(conn, LINK, PAGE, NOW)
        assert link_cards.get(conn, LINK, NOW) == PAGE
    db.close()
