"""Yesterday's files on the way through migration 0023: what is not known of them stays not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import inspect, text

from postprober.domain.target import VideoTarget
from postprober.pipeline.core.files import file_of
from postprober.storage import conversions, media, users
from postprober.storage.conversions import ConversionState
from postprober.storage.database import Database
from tests.storage.test_migration_whose_post import to_revision

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TARGET = VideoTarget(640, 360, 640, 360, 0.0, 60.0, 2_000_000, 10_000_000, 7.0)


def test_files_from_before_are_read_and_their_videos_wait_to_be_added_again(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    to_revision(db, "0022")
    with db.write() as conn:
        owner = users.add(conn, email="a@example.org", password_hash="x", now=NOW)
        columns = "user_id, name, kind, mime, size, width, height, duration, sha256, path, alt, created_at, codec"
        conn.execute(
            text(
                f"INSERT INTO media ({columns}) VALUES (:u, 'a', 'video', 'video/mp4', 1000, 640, 360, 7.0, 'x', 'y', '', :at, 'vp9')"
            ),
            {"u": owner, "at": "2026-03-02 08:00:00.000000" if db.is_sqlite else NOW},
        )
    db.migrate()
    with db.read() as conn:
        (record,) = media.get_many(conn, [1])
        assert (record.codec, record.pixel_format, record.rate, record.audio, record.damage) == (
            "vp9",
            "",
            None,
            None,
            None,
        )
        assert conversions.next_due(conn, NOW) is None
    file = file_of(record, Path("/data"))
    assert not file.converts and file.hint == "add the file again to have it converted here" and file.duration == 7.0
    with db.write() as conn:
        made = conversions.order(conn, record.path, TARGET, NOW)
        assert (made.state, made.target) == (ConversionState.WAITING, TARGET.to_json())
    assert {"source", "key"} in [set(one["column_names"]) for one in inspect(db.engine).get_indexes("conversions")]
    db.close()


def test_a_conversion_is_one_row_however_often_it_is_ordered_and_one_try_at_a_time(database: Database) -> None:
    with database.write() as conn:
        first = conversions.order(conn, "media/aa/a.mp4", TARGET, NOW)
        assert conversions.order(conn, "media/aa/a.mp4", TARGET, NOW + timedelta(hours=1)) == first
        assert conversions.next_due(conn, NOW - timedelta(seconds=1)) is None
        assert conversions.next_due(conn, NOW) == first
        later = NOW + timedelta(minutes=1)
        assert conversions.claim(conn, first, later) and not conversions.claim(conn, first, later)
        assert conversions.next_due(conn, NOW) is None
        mine = conversions.find(conn, first.source, first.key)
        assert mine is not None and (mine.state, mine.tries) == (ConversionState.WORKING, 1)
        assert conversions.tell(conn, mine, 0.5, later)
        assert not conversions.tell(conn, first, 0.7, later), "a try from before has nothing to say any more"
        assert not conversions.finish(conn, first, {"size": 1})
        assert conversions.again(conn, mine, later, "it waits")
        waiting = conversions.find(conn, first.source, first.key)
        assert waiting is not None and (waiting.tries, waiting.message, waiting.progress) == (0, "it waits", 0.0)
        assert conversions.claim(conn, waiting, later) and conversions.finish(conn, mine, {"size": 1})
        done = conversions.find(conn, first.source, first.key)
        assert done is not None and (done.state, done.made, done.next_at) == (ConversionState.DONE, {"size": 1}, None)
        assert not conversions.fail(conn, mine, "too late")
        conversions.anew(conn, done, later)
        assert [one.state for one in conversions.of_sources(conn, [first.source])] == [ConversionState.WAITING]
        conversions.forget(conn, first.source)
        assert conversions.of_sources(conn, [first.source]) == []
