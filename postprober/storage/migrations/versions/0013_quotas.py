"""what the platforms said is left of their limits

Revision: 0013, follows 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from postprober.storage.types import Id, UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quotas",
        sa.Column("id", Id, nullable=False),
        sa.Column("account_id", Id, nullable=False),
        sa.Column("unit", sa.String(10), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.Column("resets_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_quotas_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_quotas"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_quotas_unit", "quotas", ["account_id", "unit"], unique=True)


def downgrade() -> None:
    op.drop_table("quotas")
