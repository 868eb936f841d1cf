"""of each question to a language model, which space asked it

Revision: 0021, follows 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from postprober.storage.types import Id

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without a value for what was asked before: nobody noted it, so it counts for the installation alone.
    op.add_column("ai_usage", sa.Column("space", Id))
    op.create_index("ix_ai_usage_space_day", "ai_usage", ["space", "day"])


def downgrade() -> None:
    op.drop_index("ix_ai_usage_space_day", "ai_usage")
    op.drop_column("ai_usage", "space")
