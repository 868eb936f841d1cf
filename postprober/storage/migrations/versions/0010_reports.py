"""reports on a schedule, and pages that show a proof to anybody who has the link

Revision: 0010, follows 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from postprober.storage.types import Id, UtcDateTime

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "report_schedules",
        sa.Column("id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("every", sa.String(10), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("form", sa.String(10), nullable=False),
        sa.Column("channel_id", Id, nullable=True),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_report_schedules"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_report_schedules_user_id"),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name="fk_report_schedules_channel_id"),
        sa.UniqueConstraint("user_id", name="uq_report_schedules_user_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_report_schedules_next_at", "report_schedules", ["next_at"])
    op.create_table(
        "proof_pages",
        sa.Column("id", Id, nullable=False),
        sa.Column("post_id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("nonce", sa.String(64), nullable=False),
        sa.Column("shared_at", UtcDateTime(), nullable=False),
        sa.Column("withdrawn_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_proof_pages"),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name="fk_proof_pages_post_id"),
        sa.UniqueConstraint("post_id", name="uq_proof_pages_post_id"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("proof_pages")
    op.drop_index("ix_report_schedules_next_at", "report_schedules")
    op.drop_table("report_schedules")
