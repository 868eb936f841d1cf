"""more about videos, and what they are converted to

Revision: 0023, follows 0022
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from postprober.storage.types import Id, Json, UtcDateTime

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What is not known of files from before stays not known: they are sent as they were judged then.
    op.add_column("media", sa.Column("pixel_format", sa.String(20), server_default="", nullable=False))
    op.add_column("media", sa.Column("rate", sa.Float()))
    op.add_column("media", sa.Column("audio", sa.String(30)))
    op.add_column("media", sa.Column("damage", sa.String(100)))
    op.create_table(
        "conversions",
        sa.Column("id", Id, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.String(16), nullable=False),
        sa.Column("target", Json, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("progress", sa.Float(), server_default="0", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("made", Json),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("created_at", UtcDateTime(), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_conversions"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_conversions_source_key", "conversions", ["source", "key"], unique=True)
    op.create_index("ix_conversions_next_at", "conversions", ["next_at"])


def downgrade() -> None:
    op.drop_table("conversions")
    for column in ("damage", "audio", "rate", "pixel_format"):
        op.drop_column("media", column)
