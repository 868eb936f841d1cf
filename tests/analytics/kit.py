"""A small house of posts whose numbers can be checked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert

from postprober.storage.database import Database
from postprober.storage.tables import accounts, deliveries, posts, samples, users


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class House:
    """Users and posts written straight into the tables."""

    def __init__(self, database: Database) -> None:
        self.db = database
        self._keys = 0

    def add(self, table: Any, **columns: Any) -> int:
        with self.db.write() as conn:
            return int(conn.execute(insert(table).values(**columns)).inserted_primary_key[0])

    def user(self, name: str = "a") -> int:
        return self.add(users, email=f"{name}@example.org", password_hash="x")

    def account(self, user: int, platform: str, name: str = "demo") -> int:
        return self.add(
            accounts,
            user_id=user,
            platform=platform,
            account_name=name,
            remote_id=f"{platform}-{name}",
            scopes=[],
            settings={},
        )

    def delivery(self, user: int, account: int, platform: str, published: datetime | None, **columns: Any) -> int:
        """A post with one delivery; `deleted_at` goes to the post, the rest to the delivery."""
        deleted = columns.pop("deleted_at", None)
        post = self.add(
            posts, user_id=user, content="t", platforms=[platform], options={}, deleted_at=deleted, posted_at=published
        )
        self._keys += 1
        values = {"state": "verified", "due_at": published, "first_byte_at": published, "parts": [], **columns}
        return self.add(
            deliveries,
            post_id=post,
            account_id=account,
            user_id=user,
            platform=platform,
            key=f"k{self._keys}",
            published_at=published,
            **values,
        )

    def sampled(self, delivery: int, rows: Sequence[tuple[datetime, dict[str, int | None]]]) -> None:
        with self.db.write() as conn:
            for at, counts in rows:
                conn.execute(insert(samples).values(delivery_id=delivery, at=at, **counts))
