"""canaries, what they saw, how the platforms stand, and what waits for them

Revision: 0012, follows 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from postprober.storage.types import Id, UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "canaries",
        sa.Column("account_id", Id, nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("looked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_canaries_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_canaries"),
    )
    op.create_table(
        "health_signs",
        sa.Column("id", Id, nullable=False),
        sa.Column("account_id", Id, nullable=False),
        sa.Column("platform", sa.String(50), nullable=False),
        sa.Column("instance", sa.String(255), server_default="", nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("source", sa.String(10), nullable=False),
        sa.Column("sign", sa.String(12), nullable=False),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_health_signs_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_health_signs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_health_signs_at", "health_signs", ["at"])
    op.create_index("ix_health_signs_server", "health_signs", ["platform", "instance", "at"])
    op.create_index("ix_health_signs_account", "health_signs", ["account_id", "at"])
    op.create_table(
        "platform_health",
        sa.Column("id", Id, nullable=False),
        sa.Column("platform", sa.String(50), nullable=False),
        sa.Column("instance", sa.String(255), server_default="", nullable=False),
        sa.Column("verdict", sa.String(10), nullable=False),
        sa.Column("blocking", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("checked_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_platform_health"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_platform_health_server", "platform_health", ["platform", "instance"], unique=True)
    op.create_table(
        "delays",
        sa.Column("delivery_id", Id, nullable=False),
        sa.Column("platform", sa.String(50), nullable=False),
        sa.Column("instance", sa.String(255), server_default="", nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("anyway", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="fk_delays_delivery_id"),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_delays"),
    )
    op.create_index("ix_delays_server", "delays", ["platform", "instance"])


def downgrade() -> None:
    op.drop_table("delays")
    op.drop_table("platform_health")
    op.drop_table("health_signs")
    op.drop_table("canaries")
