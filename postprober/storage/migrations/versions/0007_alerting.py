"""kinds and subjects of alerts, channels of several kinds, one row per alert and channel

Revision: 0007, follows 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from postprober.storage.types import Id, Json, UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _alerts() -> tuple[sa.Column, ...]:
    return (
        sa.Column("kind", sa.String(20), nullable=False, server_default="other"),
        sa.Column("subject", sa.String(60), nullable=False, server_default=""),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("told_at", UtcDateTime(), nullable=True),
        sa.Column("told_times", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("escalated_at", UtcDateTime(), nullable=True),
    )


def _channels() -> tuple[sa.Column, ...]:
    return (
        sa.Column("kind", sa.String(20), nullable=False, server_default="apprise"),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("settings", Json, nullable=True),
        sa.Column("failing_since", UtcDateTime(), nullable=True),
        sa.Column("off_reason", sa.Text(), nullable=False, server_default=""),
    )


def upgrade() -> None:
    for column in _alerts():
        op.add_column("alerts", column)
    for column in _channels():
        op.add_column("channels", column)
    op.add_column("users", sa.Column("notify", Json, nullable=True))
    op.create_index("ix_alerts_subject", "alerts", ["subject", "closed_at"])
    op.create_table(
        "notifications",
        sa.Column("id", Id, nullable=False),
        sa.Column("alert_id", Id, nullable=False),
        sa.Column("channel_id", Id, nullable=False),
        sa.Column("dedupe_key", sa.String(length=160), nullable=False),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=True),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("batch", Id, nullable=True),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name="fk_notifications_alert_id"),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name="fk_notifications_channel_id"),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
        sa.UniqueConstraint("dedupe_key", name="uq_notifications_dedupe_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notifications_next", "notifications", ["next_at"])
    op.create_index("ix_notifications_channel", "notifications", ["channel_id", "id"])
    op.create_index("ix_notifications_alert", "notifications", ["alert_id"])


def downgrade() -> None:
    op.drop_table("notifications")
    op.drop_index("ix_alerts_subject", "alerts")
    op.drop_column("users", "notify")
    for column in _channels():
        op.drop_column("channels", column.name)
    for column in _alerts():
        op.drop_column("alerts", column.name)
