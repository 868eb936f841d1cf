"""which days of samples are kept as Parquet files

Revision: 0008, follows 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from postprober.storage.types import Id, UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sample_days",
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("through", Id, nullable=False),
        sa.Column("count", Id, nullable=False),
        sa.Column("noted_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_sample_days"),
    )
    op.create_index("ix_samples_at", "samples", ["at"])


def downgrade() -> None:
    op.drop_index("ix_samples_at", "samples")
    op.drop_table("sample_days")
