"""looks that go along with others of their account, and what reading as an owner came to by account and month

Revision: 0020, follows 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from postprober.storage.types import Id, UtcDateTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("early_at", UtcDateTime()))
    op.create_index("ix_deliveries_account_early", "deliveries", ["account_id", "early_at"])
    op.create_table(
        "reads",
        sa.Column("id", Id, nullable=False),
        sa.Column("account_id", Id, sa.ForeignKey("accounts.id", name="fk_reads_account_id"), nullable=False),
        sa.Column("month", sa.String(10), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("micros", Id, nullable=False, server_default="0"),
        sa.Column("posts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("posted_micros", Id, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_reads"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_reads_month", "reads", ["account_id", "month"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_reads_month", "reads")
    op.drop_table("reads")
    op.drop_index("ix_deliveries_account_early", "deliveries")
    op.drop_column("deliveries", "early_at")
