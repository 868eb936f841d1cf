"""the key under which a page keeps its draft, and whether a person has taken note of a delivery

Revision: 0017, follows 0016

Older processes: write no `draft_key`, and rows without one are never alike.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from postprober.storage.types import UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("posts", sa.Column("draft_key", sa.String(40), nullable=True))
    op.create_index("ix_posts_user_draft_key", "posts", ["user_id", "draft_key"], unique=True)
    op.add_column("deliveries", sa.Column("acknowledged_at", UtcDateTime, nullable=True))


def downgrade() -> None:
    op.drop_column("deliveries", "acknowledged_at")
    op.drop_index("ix_posts_user_draft_key", "posts")
    op.drop_column("posts", "draft_key")
