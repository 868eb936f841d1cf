"""files that have the details of old posts, and which deliveries are in them

Revision: 0027, follows 0026

Older processes: do not read the files; they show an old delivery with its newest step and its sends alone until they are updated.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from postprober.storage.types import Id, UtcDateTime

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archives",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("size", Id, nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("newest_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_archives"),
        sa.UniqueConstraint("name", name="uq_archives_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "folded",
        sa.Column("delivery_id", Id, nullable=False, autoincrement=False),
        sa.Column("archive_id", Id, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="fk_folded_delivery_id"),
        sa.ForeignKeyConstraint(["archive_id"], ["archives.id"], name="fk_folded_archive_id"),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_folded"),
    )
    op.create_index("ix_folded_archive_id", "folded", ["archive_id"])


def downgrade() -> None:
    op.drop_index("ix_folded_archive_id", "folded")
    op.drop_table("folded")
    op.drop_table("archives")
