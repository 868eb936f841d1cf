"""whose a remote post is, and why a delivery is held

Revision: 0016, follows 0015
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from postprober.domain.identity import server_name
from postprober.domain.platform import NAMES, Platform, known
from postprober.storage.types import Id, Json, UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

CHUNK = 500
_PLATFORMS = {platform.value for platform in known()}
# As they stood when this was written; later migrations may change the real ones.
_deliveries = sa.table(
    "deliveries",
    sa.column("id", Id),
    sa.column("post_id", Id),
    sa.column("account_id", Id),
    sa.column("user_id", Id),
    sa.column("platform", sa.String),
    sa.column("state", sa.String),
    sa.column("reason", sa.Text),
    sa.column("unknown_at", UtcDateTime),
    sa.column("parts", Json),
    sa.column("cause", sa.String),
)
_accounts = sa.table(
    "accounts", sa.column("id", Id), sa.column("instance", sa.String), sa.column("remote_id", sa.String)
)
_remote_posts = sa.table(
    "remote_posts",
    sa.column("platform", sa.String),
    sa.column("server", sa.String),
    sa.column("remote_id", sa.String),
    sa.column("author", sa.String),
    sa.column("delivery_id", Id),
    sa.column("part", sa.Integer),
    sa.column("claimed_at", UtcDateTime),
)
_alerts = sa.table(
    "alerts",
    sa.column("user_id", Id),
    sa.column("post_id", Id),
    sa.column("type", sa.String),
    sa.column("message", sa.Text),
    sa.column("is_read", sa.Boolean),
    sa.column("created_at", UtcDateTime),
    sa.column("delivery_id", Id),
    sa.column("dedupe_key", sa.String),
    sa.column("kind", sa.String),
    sa.column("subject", sa.String),
)
_outbox = sa.table(
    "outbox",
    sa.column("user_id", Id),
    sa.column("kind", sa.String),
    sa.column("dedupe_key", sa.String),
    sa.column("payload", Json),
    sa.column("created_at", UtcDateTime),
    sa.column("next_at", UtcDateTime),
)


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("cause", sa.String(20), server_default="", nullable=False))
    op.create_table(
        "remote_posts",
        sa.Column("id", Id, nullable=False),
        sa.Column("platform", sa.String(50), nullable=False),
        sa.Column("server", sa.String(255), nullable=False),
        sa.Column("remote_id", sa.String(255), nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("delivery_id", Id, nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("claimed_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="fk_remote_posts_delivery_id"),
        sa.PrimaryKeyConstraint("id", name="pk_remote_posts"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_remote_posts_identity", "remote_posts", ["platform", "server", "remote_id"], unique=True)
    op.create_index("ix_remote_posts_author", "remote_posts", ["platform", "server", "author"])
    op.create_index("ix_remote_posts_delivery_id", "remote_posts", ["delivery_id"])
    _name_the_causes()
    _give_every_post_an_owner()


def _name_the_causes() -> None:
    """From the sentences that were all there was until now."""
    held = _deliveries.c.state == "held"
    known = _deliveries.c.unknown_at.is_(None)
    sentences = (
        (held & known & _deliveries.c.reason.like("It is % minutes late%"), "late"),
        (held & _deliveries.c.reason.like("%took its worker down%"), "crashed"),
        (held & _deliveries.c.reason.like("%this text is there already%"), "duplicate"),
        (held & (_deliveries.c.cause == ""), "unknown"),
        ((_deliveries.c.state == "waiting") & _deliveries.c.reason.like("It waits: %"), "platform"),
    )
    for where, cause in sentences:
        op.execute(_deliveries.update().where(where).values(cause=cause))


def _give_every_post_an_owner() -> None:
    """The delivery that had a post first keeps it. Where a later one has the same post, a person is told: one of the
    two probably never went out."""
    conn, now = op.get_bind(), datetime.now(UTC)
    owners: dict[tuple[str, str, str], int] = {}
    last = 0
    while True:
        rows = conn.execute(
            sa.select(
                _deliveries.c.id,
                _deliveries.c.post_id,
                _deliveries.c.user_id,
                _deliveries.c.platform,
                _deliveries.c.parts,
                _accounts.c.instance,
                _accounts.c.remote_id,
            )
            .select_from(_deliveries.join(_accounts, _accounts.c.id == _deliveries.c.account_id))
            .where(_deliveries.c.id > last)
            .order_by(_deliveries.c.id)
            .limit(CHUNK)
        ).all()
        if not rows:
            return
        new: list[dict[str, Any]] = []
        for row in rows:
            for index, remote_id in _posts_in(row.parts) if row.platform in _PLATFORMS else []:
                server = server_name(Platform(row.platform), row.instance)
                owner = owners.setdefault((row.platform, server, remote_id), row.id)
                if owner != row.id:
                    _tell(conn, row, remote_id, owner, now)
                elif not any(one["remote_id"] == remote_id and one["delivery_id"] == row.id for one in new):
                    new.append(
                        {
                            "platform": row.platform,
                            "server": server,
                            "remote_id": remote_id,
                            "author": row.remote_id,
                            "delivery_id": row.id,
                            "part": index,
                            "claimed_at": now,
                        }
                    )
        if new:
            conn.execute(_remote_posts.insert(), new)
        last = rows[-1].id


def _posts_in(parts: Any) -> list[tuple[int, str]]:
    found = json.loads(parts) if isinstance(parts, str) else parts
    return [
        (index, part["ref"]["remote_id"])
        for index, part in enumerate(found if isinstance(found, list) else [])
        if isinstance(part, dict) and isinstance(part.get("ref"), dict) and _fits(part["ref"].get("remote_id"))
    ]


def _fits(remote_id: object) -> bool:
    return isinstance(remote_id, str) and 0 < len(remote_id) <= 255


def _tell(conn: sa.Connection, row: Any, remote_id: str, owner: int, now: datetime) -> None:
    key = f"delivery:{row.id}:shared:{remote_id}"[:120]
    if conn.execute(sa.select(_alerts.c.dedupe_key).where(_alerts.c.dedupe_key == key)).first() is not None:
        return
    name = NAMES[Platform(row.platform)]
    message = (
        f"{name}: deliveries {owner} and {row.id} are linked to the same post, so one of them probably never went out. "
        f"Check on {name} how many posts there are."
    )
    conn.execute(
        _alerts.insert().values(
            user_id=row.user_id,
            post_id=row.post_id,
            type="error",
            message=message,
            is_read=False,
            created_at=now,
            delivery_id=row.id,
            dedupe_key=key,
            kind="twice",
            subject="",
        )
    )
    payload = {"type": "error", "message": message, "post_id": row.post_id, "delivery_id": row.id}
    conn.execute(
        _outbox.insert().values(
            user_id=row.user_id, kind="alert", dedupe_key=key, payload=payload, created_at=now, next_at=now
        )
    )


def downgrade() -> None:
    op.drop_table("remote_posts")
    op.drop_column("deliveries", "cause")
