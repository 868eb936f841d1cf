"""pictures of posts, posts to be looked at in a browser, and what was last seen of each

Revision: 0011, follows 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from postprober.storage.types import Id, Json, UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("evidence") as batch_op:
        batch_op.add_column(sa.Column("picture", sa.String(64)))
        batch_op.create_index("ix_evidence_picture", ["picture"])
    op.create_table(
        "looks",
        sa.Column("id", Id, nullable=False),
        sa.Column("delivery_id", Id, nullable=False),
        sa.Column("why", sa.String(30), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="fk_looks_delivery_id"),
        sa.PrimaryKeyConstraint("id", name="pk_looks"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_looks_delivery_id", "looks", ["delivery_id"])
    op.create_index("ix_looks_due_at", "looks", ["due_at"])
    op.create_table(
        "watches",
        sa.Column("delivery_id", Id, autoincrement=False, nullable=False),
        sa.Column("state", Json, nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="fk_watches_delivery_id"),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_watches"),
    )


def downgrade() -> None:
    op.drop_table("watches")
    op.drop_table("looks")
    with op.batch_alter_table("evidence") as batch_op:
        batch_op.drop_index("ix_evidence_picture")
        batch_op.drop_column("picture")
