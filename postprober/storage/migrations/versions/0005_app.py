"""what the pages ask for: preferences, and the indexes of their queries

Revision: 0005, follows 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from postprober.storage.types import Id, Json

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_alerts_unread", "alerts", ["user_id", "is_read"]),
    ("ix_deliveries_user_state", "deliveries", ["user_id", "state", "due_at"]),
    ("ix_deliveries_user_updated", "deliveries", ["user_id", "updated_at"]),
    ("ix_posts_user_scheduled", "posts", ["user_id", "scheduled_at"]),
)


def upgrade() -> None:
    op.create_table(
        "preferences",
        sa.Column("id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", Json, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_preferences_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preferences")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_preferences_user_name", "preferences", ["user_id", "name"], unique=True)
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, table, _columns in INDEXES:
        op.drop_index(name, table)
    op.drop_table("preferences")
