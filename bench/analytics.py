"""Five million seeded samples: every query of the Analytics page, beside pandas and plain SQLite on the same data."""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from postprober.analytics import compaction, queries, spending
from postprober.analytics.queries import Period
from postprober.analytics.store import SampleStore, account_names
from postprober.domain.platform import Platform
from postprober.storage import sample_days
from postprober.storage.database import Database
from postprober.storage.tables import accounts, deliveries, posts, samples, users
from postprober.storage.tables import sample_days as notes

SAMPLES = 5_000_000
DELIVERIES = 10_000
EACH = 550  # about a twelfth of them lie after now
DAYS = 180
SEED = 20261122
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")
PLATFORMS = ("x", "mastodon", "bluesky", "linkedin", "instagram")
LIMIT_MS = 300.0
ROUNDS = 3


def analytics() -> None:
    """Prints milliseconds, the best of three, and what is over the limit."""
    with tempfile.TemporaryDirectory(prefix="pp-bench-") as name:
        folder = Path(name)
        db = Database(f"sqlite:///{folder / 'postprober.sqlite'}")
        db.migrate()
        table = _fill(db, folder)
        size = sum(file.stat().st_size for file in (folder / "samples").iterdir()) / 1e6
        with db.read() as conn:
            hot = conn.exec_driver_sql("SELECT count(*) FROM samples").scalar()
        print(
            f"analytics: {table.num_rows:,} samples of {DELIVERIES:,} deliveries over {DAYS} days, {hot:,} of them in the"
        )
        print(f"database and the rest in {DAYS - 2} files ({size:.0f} MB); milliseconds, the best of {ROUNDS}")
        for days in (28, 365):
            _ours(db, folder, days)
        _others(table, folder)
        db.close()


def _fill(db: Database, folder: Path) -> pa.Table:
    table = _generate()
    _people(db)
    where = sample_days.folder(folder)
    where.mkdir()
    day = np.asarray(table["at"].cast(pa.int64())) // 86_400_000_000
    order = np.lexsort((np.asarray(table["at"].cast(pa.int64())), np.asarray(table["delivery_id"]), day))
    table, day = table.take(pa.array(order)), day[order]
    first_hot = (NOW - compaction.CLOSED_AFTER).date()
    edges = np.flatnonzero(np.diff(day, prepend=day[0] - 1, append=day[-1] + 1))
    for low, high in pairwise(edges):
        one = date(1970, 1, 1) + timedelta(days=int(day[low]))
        piece = table.slice(low, high - low)
        if one < first_hot:
            pq.write_table(compaction.with_engagement(piece), sample_days.path(where, one), compression="zstd")
            with db.write() as conn:
                conn.execute(
                    notes.insert(),
                    {
                        "day": one.isoformat(),
                        "through": DELIVERIES * EACH,
                        "count": len(piece),
                        "noted_at": NOW,
                    },
                )
        else:
            with db.write() as conn:
                conn.execute(samples.insert(), piece.to_pylist())
    return table


def _generate() -> pa.Table:
    """Each delivery is counted at even steps through its thirty days, some of which lie ahead and are left out; every
    tenth row tells no replies."""
    rng = np.random.default_rng(SEED)
    delivery = np.repeat(np.arange(1, DELIVERIES + 1), EACH)
    step = np.tile(np.arange(EACH), DELIVERIES)
    published = _published()[delivery - 1]
    at = published + ((step + rng.random(len(step))) * (30 * 86_400e6 / EACH)).astype("int64")
    keep = np.flatnonzero(at < NOW.timestamp() * 1e6)[:SAMPLES]
    rate = rng.integers(1, 60, DELIVERIES)[delivery - 1]
    count = (rate * np.log1p(step)).astype("int64")
    columns: list[Any] = [
        np.arange(1, len(step) + 1),
        delivery,
        at,
        count,
        count // 5,
        count // 9,
        count // 20,
        count // 7,
        count * 40,
    ]
    arrays = [pa.array(column[keep]) for column in columns]
    arrays[2] = arrays[2].cast(pa.timestamp("us", tz="UTC"))
    arrays[5] = pa.array(columns[5][keep], mask=np.asarray(columns[0][keep] % 10 == 0))
    return pa.Table.from_arrays(arrays, schema=compaction.schema())


def _published() -> Any:
    """Microseconds; spread so that nearly all samples lie before now."""
    end = int(NOW.timestamp() * 1e6)
    rng = np.random.default_rng(SEED + 1)
    return np.sort(rng.integers(end - DAYS * 86_400_000_000, end - 86_400_000_000, DELIVERIES))


def _people(db: Database) -> None:
    rng, epoch = random.Random(SEED), datetime(1970, 1, 1, tzinfo=UTC)
    with db.write() as conn:
        conn.execute(users.insert(), {"email": "bench@example.org", "password_hash": "x"})
        conn.execute(
            accounts.insert(),
            [
                {"user_id": 1, "platform": p, "account_name": p, "remote_id": p, "scopes": [], "settings": {}}
                for p in PLATFORMS
            ],
        )
        moments = [epoch + timedelta(microseconds=int(us)) for us in _published()]
        conn.execute(
            posts.insert(),
            [{"user_id": 1, "content": "t", "platforms": [], "options": {}, "posted_at": at} for at in moments],
        )
        conn.execute(
            deliveries.insert(),
            [
                {
                    "post_id": n,
                    "account_id": n % 5 + 1,
                    "user_id": 1,
                    "platform": PLATFORMS[n % 5],
                    "key": str(n),
                    "state": "verified",
                    "due_at": at,
                    "first_byte_at": at + timedelta(seconds=rng.random()),
                    "published_at": at,
                    "parts": [],
                }
                for n, at in enumerate(moments, 1)
            ],
        )


def _ours(db: Database, folder: Path, days: int) -> None:
    took: dict[str, float] = {}
    for _ in range(ROUNDS):
        _timed(took, "all numbers of the page", lambda: _page(db, folder, Period(NOW, ZONE, days, "engagement"), took))
    print(f"\n  DuckDB, {days} days")
    for name, ms in took.items():
        over = f"  over {LIMIT_MS:.0f}" if ms > LIMIT_MS and not name.startswith("all") else ""
        print(f"    {name:28} {ms:8.1f}{over}")


def _page(db: Database, folder: Path, period: Period, took: dict[str, float]) -> None:
    with db.read() as conn:
        names = account_names(conn, 1)
    with _timed(took, "open", lambda: SampleStore.open(db, folder, 1, period.look_back)) as store:
        steps: dict[str, Callable[[], Any]] = {
            **{f"prepare: {name}": partial(step, store, period) for name, step in queries.STEPS.items()},
            "over time": lambda: queries.over_time(store, period),
            "by post, top and bottom": lambda: queries.by_post(store),
            "by account": lambda: queries.by_account(store, names),
            "by platform": lambda: queries.by_platform(store),
            "growth of the best": lambda: queries.growth(store, period),
            "typical growth": lambda: queries.typical_growth(store),
            "best hours": lambda: queries.best_hours(store, period),
            "reliability": lambda: queries.reliability(store, period),
            "readings that cost": lambda: _cost(db, store, period),
        }
        for name, act in steps.items():
            _timed(took, name, act)


def _cost(db: Database, store: SampleStore, period: Period) -> int:
    with db.read() as conn:
        return spending._readings(conn, store, period, Platform("x"))


def _others(table: pa.Table, folder: Path) -> None:
    """The gains of each day by platform over everything, the heaviest number of the page."""
    took: dict[str, float] = {}
    frame = _timed(took, "pandas: load from Arrow", lambda: table.select(["delivery_id", "at", "likes"]).to_pandas())
    _timed(took, "pandas: over time, all days", lambda: _pandas(frame))
    plain = sqlite3.connect(folder / "plain.sqlite")
    plain.execute("CREATE TABLE samples (delivery_id INTEGER, at INTEGER, likes INTEGER)")
    rows = zip(*(table[c].cast(pa.int64()).to_numpy().tolist() for c in ("delivery_id", "at", "likes")), strict=True)
    plain.executemany("INSERT INTO samples VALUES (?, ?, ?)", rows)
    plain.execute("CREATE INDEX ix ON samples (delivery_id, at)")
    plain.commit()
    _timed(took, "SQLite: over time, all days", lambda: plain.execute(_SQLITE).fetchall())
    plain.close()
    print("\n  beside it")
    for name, ms in took.items():
        print(f"    {name:28} {ms:8.1f}")


# SQLite gives the row that max() is from for a bare column (https://www.sqlite.org/lang_select.html, 2.5). UTC days.
_SQLITE = """
WITH daily AS (SELECT delivery_id, at / 86400000000 AS day, max(at), likes AS v FROM samples GROUP BY 1, 2)
SELECT day, delivery_id % 5, sum(v - before) FROM (
    SELECT day, delivery_id, v, coalesce(lag(v) OVER (PARTITION BY delivery_id ORDER BY day), 0) AS before FROM daily)
GROUP BY 1, 2
"""


def _pandas(frame: pd.DataFrame) -> Any:
    local = frame["at"].dt.tz_convert("Europe/Berlin").dt.tz_localize(None).dt.floor("D")
    daily = frame.sort_values(["delivery_id", "at"]).groupby(["delivery_id", local])["likes"].last().reset_index()
    daily["gain"] = daily.groupby("delivery_id")["likes"].diff().fillna(daily["likes"])
    return daily.groupby([daily["delivery_id"] % 5, "at"])["gain"].sum()


def _timed(took: dict[str, float], name: str, act: Callable[[], Any]) -> Any:
    begun = time.perf_counter()
    found = act()
    ms = (time.perf_counter() - begun) * 1000
    took[name] = min(ms, took.get(name, ms))
    return found
