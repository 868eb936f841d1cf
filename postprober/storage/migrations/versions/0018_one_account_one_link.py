"""an account is known by its server's own name, and linked once in a space

Revision: 0018, follows 0017

Older processes: publish on as before; what they link meanwhile has no name of its server, so stop the app and the sidecar first.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from postprober.domain.identity import account_id, server_name
from postprober.domain.platform import NAMES, Platform, known
from postprober.storage.types import Id, Json, UtcDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_PLATFORMS = {platform.value for platform in known()}
# As they stood when this was written; later migrations may change the real ones.
_accounts = sa.table(
    "accounts",
    sa.column("id", Id),
    sa.column("user_id", Id),
    sa.column("platform", sa.String),
    sa.column("account_name", sa.String),
    sa.column("is_active", sa.Boolean),
    sa.column("instance", sa.String),
    sa.column("remote_id", sa.String),
    sa.column("server", sa.String),
    sa.column("same_as", Id),
)
_remote_posts = sa.table(
    "remote_posts", sa.column("platform", sa.String), sa.column("server", sa.String), sa.column("remote_id", sa.String)
)
_alerts = sa.table(
    "alerts",
    sa.column("user_id", Id),
    sa.column("type", sa.String),
    sa.column("message", sa.Text),
    sa.column("is_read", sa.Boolean),
    sa.column("created_at", UtcDateTime),
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
    op.add_column("accounts", sa.Column("server", sa.String(255), server_default="", nullable=False))
    op.add_column("accounts", sa.Column("same_as", Id, nullable=True))
    op.add_column("accounts", sa.Column("unlinked_at", UtcDateTime, nullable=True))
    op.drop_index("uq_accounts_identity", "accounts")
    _name_the_servers()
    _rename_posts()
    op.create_index(
        "uq_accounts_identity",
        "accounts",
        ["user_id", "platform", "server", "remote_id"],
        unique=True,
        sqlite_where=sa.text("same_as IS NULL"),
        postgresql_where=sa.text("same_as IS NULL"),
    )


def _name_the_servers() -> None:
    """The row in use that was linked first stands for the account; the others keep their rows and their posts, and the
    owner is asked to disconnect what is in use twice."""
    conn, now = op.get_bind(), datetime.now(UTC)
    first: dict[tuple[int, str, str, str], Any] = {}
    rows = conn.execute(sa.select(_accounts).order_by(_accounts.c.is_active.desc(), _accounts.c.id)).all()
    for row in rows:
        server, remote_id = row.instance[:255], row.remote_id
        if row.platform in _PLATFORMS:
            platform = Platform(row.platform)
            server, remote_id = server_name(platform, row.instance)[:255], account_id(platform, row.remote_id)
        known = first.setdefault((row.user_id, row.platform, server, remote_id), row)
        same = None if known is row else known.id
        conn.execute(
            _accounts.update().where(_accounts.c.id == row.id).values(server=server, remote_id=remote_id, same_as=same)
        )
        if same is not None and row.is_active:
            _tell(conn, known, row, now)


def _rename_posts() -> None:
    """A few names of servers are written otherwise now (`localhost`, letters outside ASCII)."""
    conn = op.get_bind()
    for platform, old in conn.execute(sa.select(_remote_posts.c.platform, _remote_posts.c.server).distinct()).all():
        new = server_name(Platform(platform), old)[:255] if platform in _PLATFORMS and old else old
        if new == old:
            continue
        there = _remote_posts.alias()
        known = sa.select(there.c.remote_id).where(
            there.c.platform == platform, there.c.server == new, there.c.remote_id == _remote_posts.c.remote_id
        )
        mine = (_remote_posts.c.platform == platform, _remote_posts.c.server == old, ~known.exists())
        conn.execute(_remote_posts.update().where(*mine).values(server=new))


def _tell(conn: sa.Connection, known: Any, row: Any, now: datetime) -> None:
    key = f"account:{row.id}:same:{known.id}"
    if conn.execute(sa.select(_alerts.c.dedupe_key).where(_alerts.c.dedupe_key == key)).first() is not None:
        return
    name = NAMES[Platform(row.platform)] if row.platform in _PLATFORMS else row.platform
    message = (
        f"{name}: {known.account_name} ({known.instance or 'account ' + str(known.id)}) and {row.account_name} "
        f"({row.instance or 'account ' + str(row.id)}) are the same account, linked twice. Disconnect one of them."
    )
    conn.execute(
        _alerts.insert().values(
            user_id=row.user_id,
            type="warning",
            message=message,
            is_read=False,
            created_at=now,
            dedupe_key=key,
            kind="twice",
            subject=f"account:{row.id}",
        )
    )
    conn.execute(
        _outbox.insert().values(
            user_id=row.user_id,
            kind="alert",
            dedupe_key=key,
            created_at=now,
            next_at=now,
            payload={"type": "warning", "message": message, "post_id": None, "delivery_id": None},
        )
    )


def downgrade() -> None:
    op.drop_index("uq_accounts_identity", "accounts")
    op.drop_column("accounts", "unlinked_at")
    op.drop_column("accounts", "same_as")
    op.drop_column("accounts", "server")
    op.create_index("uq_accounts_identity", "accounts", ["user_id", "platform", "instance", "remote_id"], unique=True)
